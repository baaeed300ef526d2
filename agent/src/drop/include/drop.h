/*
 * Drop folders: applications that can only write files put them into a folder,
 * rows of CSV or lines of JSON, and a mapping (branchline/rowmap.h) says what
 * they report.
 *
 * A file is read when it is complete: unchanged for `settle`, or with a marker
 * beside it.  Each row gets an id from the file's identity and its line, and
 * how far a file is done is kept in the state folder, behind the disk's word
 * for its reports: a crash repeats nothing.  A finished file goes to done/,
 * its lines that were not taken to bad/NAME.bad with their reasons.
 *
 * Loop thread.  Files are read in slices; only regular files on file systems that answer at
 * once (sample_log.h) are touched.
 */
#ifndef DROP_H
#define DROP_H

#include <stdbool.h>
#include <stdint.h>

#include "branchline/conf.h"

#include "inlet_ops.h"
#include "inlet_report.h"

#define DROP_FOLDERS_MAX 8u
#define DROP_REPORTS_MAX 8u /* mappings of a folder */

enum drop_format { DROP_CSV, DROP_JSONL };

struct drop_folder_conf {
	char *name, *path;
	struct bl_conf_strlist files; /* patterns */
	int format;                   /* enum drop_format */
	int encoding;                 /* enum bl_charset */
	char *separator;              /* one byte, or "tab" */
	struct bl_conf_strlist columns;
	int64_t settle_ms;
	char *marker; /* or NULL */
	int64_t every_ms;
	int64_t keep_ms, keep_bytes;
	struct bl_conf_strlist types;
	struct bl_conf_list reports; /* of struct bl_rowmap_conf */
};

struct drop_conf {
	struct bl_conf_list folders; /* of struct drop_folder_conf; none: off */
};

extern const struct bl_conf_section drop_conf_section;
extern const struct inlet_ops drop_ops;

/* ---- what a file would become, for the command ---- */

struct drop_told {
	void *ctx;
	/* Mapping k makes this of the row in line n of the file.  text: the row. */
	void (*report)(
	    void *ctx, uint64_t n, struct bl_str text, unsigned k, const struct inlet_report *r);
	/* It would stand in bad/; n 0: all of it. */
	void (*wrong)(void *ctx, uint64_t n, struct bl_str text, const char *why);
};

/*
 * Reads a file as if it lay in the folder, by the same code, and tells what would become of it;
 * nothing is reported, written or moved.  *other: rows that no mapping is for.  BL_ENOTFOUND: it
 * cannot be opened; BL_EUNSUPPORTED: no table for its encoding (a line of the log says so);
 * BL_ENOMEM; BL_EINVAL: the configuration.
 */
int drop_try(const struct drop_folder_conf *conf, const char *path, const struct drop_told *told,
    uint64_t *other, struct bl_err *err);

#endif
