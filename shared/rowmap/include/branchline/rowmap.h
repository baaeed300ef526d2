/*
 * A row of named fields becomes reports: a step, a case, an event, a metric.
 *
 * A row is whatever has fields with names: a line of a CSV file, an object of
 * JSON lines, the named groups of a regular expression, a row of a query.  Who
 * reads rows asks once which fields are wanted (bl_rowmap_field), finds out where
 * those lie in its rows, and hands over their values in that order; what the
 * fields mean stands in a section of the configuration (bl_rowmap_section):
 *
 *   report: step            # step, case, event, metric
 *   process: order
 *   case: "{order no}"
 *   step: "{station}"
 *   phase: "{what}"         # begin, end, event; or two columns of one row:
 *   begin: "{started}"      # begin and end are times then, and a row with both
 *   end: "{finished}"       # makes two reports
 *   time_format: "%d.%m.%Y %H:%M:%S"
 *   zone: Asia/Shanghai
 *   when: {state: "done|failed"}
 *   attributes: {owner: "{clerk}", desk: "desk {no}"}
 *
 * Every value is a template: text with fields in braces; {{ and }} are braces.
 *
 * Pure but for the zone's file, which bl_rowmap_create reads.  A mapping is
 * constant: any thread.
 */
#ifndef BRANCHLINE_ROWMAP_H
#define BRANCHLINE_ROWMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/conf.h"
#include "branchline/err.h"
#include "branchline/wire.h"

#define BL_ROWMAP_FIELDS_MAX  64u   /* of one mapping, each counted once */
#define BL_ROWMAP_TEXT_MAX    4096u /* bytes of values that are put together, of one row */
#define BL_ROWMAP_REPORTS_MAX 2u    /* of one row and mapping */
#define BL_ROWMAP_CASE_MAX    128u  /* bytes, as the centre takes */
#define BL_ROWMAP_SUFFIX_MAX  6u    /* ".begin", behind an id: so much less may be given */

enum bl_rowmap_report_kind { BL_ROWMAP_STEP, BL_ROWMAP_CASE, BL_ROWMAP_EVENT, BL_ROWMAP_METRIC };

/* The section, as its table fills it.  Texts that are not said are NULL. */
struct bl_rowmap_conf {
	int report; /* enum bl_rowmap_report_kind */
	int metric; /* 0 gauge, 1 counter */
	struct bl_conf_strmap when;
	char *process, *case_id, *step, *phase, *status;
	char *type;
	char *name, *value, *unit;
	char *id;
	char *time, *begin, *end;
	char *time_format, *zone;
	struct bl_conf_strmap attributes, labels;
	struct bl_conf_strlist as_text;
};

extern const struct bl_conf_section bl_rowmap_section;

/* What stands in a field. */
enum bl_rowmap_type {
	BL_ROWMAP_ABSENT = 0, /* the row has no such field, or null */
	BL_ROWMAP_BARE,       /* text that is a number, true or false when it looks like one */
	BL_ROWMAP_TEXT,       /* text whatever it looks like */
	BL_ROWMAP_NUMBER,     /* number is set, finite */
	BL_ROWMAP_BOOL,       /* boolean is set */
};

struct bl_rowmap_value {
	enum bl_rowmap_type type;
	struct bl_str text; /* as it reads: of a number and a boolean, too */
	double number;
	bool boolean;
};

/* Borrows from the row and from the struct bl_rowmap_out that it is in. */
struct bl_rowmap_report {
	bool metric; /* def and value; else ev */
	struct bl_str id;
	int64_t at_unix_ms; /* 0: the mapping has no time */
	struct bl_event ev; /* type and attributes: process, case, step first where they are */
	struct bl_series_def def; /* name, unit, kind, labels in order; the rest is 0 */
	double value;
};

struct bl_rowmap_out {
	unsigned n;
	struct bl_rowmap_report report[BL_ROWMAP_REPORTS_MAX];
	char text[BL_ROWMAP_TEXT_MAX];
};

struct bl_rowmap;

/*
 * Keeps conf, which its table has taken.  BL_EINVAL with a sentence that begins
 * with the key: too many fields; no such zone any more; BL_ENOMEM.
 */
int bl_rowmap_create(struct bl_rowmap **out, const struct bl_rowmap_conf *conf, struct bl_err *err);
void bl_rowmap_free(struct bl_rowmap *m); /* NULL is fine */

/* The fields that it wants, by name, in an order that stays; NULL: there are no more. */
const char *bl_rowmap_field(const struct bl_rowmap *m, size_t i);

/*
 * What a row says.  row: the values of the fields in their order.  id: of this
 * row, for mappings that make none themselves (at most BL_EVENT_ID_MAX less
 * BL_ROWMAP_SUFFIX_MAX bytes; empty: the reports have none).  now_unix_ms: for
 * times without a year or a date, the nearest to it counts; and nothing else.
 *
 * BL_OK: out->n reports, 0 when `when` does not hold.  BL_EINVAL: the row is
 * wrong, with a sentence for people that begins with the key and names the
 * field: "case: {order no} is empty".  out is undefined then.
 */
int bl_rowmap_apply(const struct bl_rowmap *m, const struct bl_rowmap_value *row, struct bl_str id,
    int64_t now_unix_ms, struct bl_rowmap_out *out, struct bl_err *err);

#endif
