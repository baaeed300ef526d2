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

#endif
