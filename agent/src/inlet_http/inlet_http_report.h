/*
 * One report as JSON: an object to a struct inlet_report.  Pure.
 *
 * What is wrong is said with its field: "reports[3].attributes.amount: expected
 * ..., got ...".  Nothing is guessed: a field that nobody knows is refused.
 */
#ifndef INLET_HTTP_REPORT_H
#define INLET_HTTP_REPORT_H

#include <jansson.h>

#include "branchline/err.h"

#include "inlet_report.h"

#define INLET_HTTP_CASE_MAX 128u /* bytes, as the collector takes */

/* Texts are the item's or lie here. */
struct inlet_http_report {
	struct inlet_report r;
	char name[BL_NAME_MAX + 1];
	char number[BL_ATTRS_MAX][24]; /* whole numbers that a double would not keep */
};

/* path: where the item stands, for messages ("reports[3]"; "": the whole body).  BL_OK or
 * BL_EINVAL with a sentence; borrows item. */
int inlet_http_report_read(
    struct inlet_http_report *out, json_t *item, const char *path, struct bl_err *err);

/*
 * One value of what collectd sends ("write_http", JSON): item is a value list, which has
 * inlet_http_collectd_values of them; value i < that.  1: *out is it; 0: collectd has none;
 * BL_EINVAL.
 */
size_t inlet_http_collectd_values(const json_t *item);
int inlet_http_collectd_read(
    struct inlet_http_report *out, json_t *item, size_t i, const char *path, struct bl_err *err);

#endif
