/* What the files of shared/rowmap share: templates, times, the mapping. */
#ifndef ROWMAP_INTERNAL_H
#define ROWMAP_INTERNAL_H

#include <stdbool.h>

#include "branchline/rowmap.h"
#include "branchline/tz.h"

#define ROWMAP_PARTS_MAX  256u  /* pieces of all templates of a mapping */
#define ROWMAP_PAIRS_MAX  32u   /* attributes, labels, conditions: each */
#define ROWMAP_REPORT_MAX 8192u /* bytes of all texts of one report */

/* ---- templates (rowmap_template.c) ---- */

struct rowmap_part {
	struct bl_str text; /* a piece of the template */
	int field;          /* or a field's place; -1: none */
};

/* "desk {no}": its parts are part[first .. first + n) of the mapping. */
struct rowmap_template {
	const char *source; /* NULL: not said */
	unsigned first, n;
};

struct rowmap_fields {
	unsigned n;
	char *name[BL_ROWMAP_FIELDS_MAX]; /* owned */
};

struct rowmap_parts {
	unsigned n;
	struct rowmap_part part[ROWMAP_PARTS_MAX];
};

/* NULL, or what was expected. */
const char *rowmap_template_check(const char *source);
/* A field's place; a new one when it is asked for the first time.  Negative: no room. */
int rowmap_field(
    struct rowmap_fields *f, const char *key, const char *name, size_t len, struct bl_err *err);
/* Keeps source (NULL is fine).  key: for messages. */
int rowmap_template_parse(struct rowmap_template *t, const char *key, const char *source,
    struct rowmap_parts *parts, struct rowmap_fields *fields, struct bl_err *err);

/* A row that is being mapped. */
struct rowmap_run {
	const struct bl_rowmap *m;
	const struct bl_rowmap_value *row;
	int64_t now_unix_ms;
	struct bl_rowmap_out *out;
	size_t used; /* of out->text */
	struct bl_err *err;
};

/* Puts it together.  BL_EINVAL: too long, or no UTF-8. */
int rowmap_expand(
    struct rowmap_run *r, const char *key, const struct rowmap_template *t, struct bl_str *out);
/* The only field of a template that is nothing but one; NULL: it is not. */
const struct bl_rowmap_value *rowmap_lone(
    const struct rowmap_run *r, const struct rowmap_template *t);
struct bl_str rowmap_trim(struct bl_str s);

/* ---- numbers (rowmap_number.c) ---- */

/* A number as JSON writes them; *exact: a double keeps every digit of it. */
bool rowmap_number(struct bl_str s, double *out, bool *exact);

/* ---- times (rowmap_time.c) ---- */

/* NULL, or what is wrong with a time format. */
const char *rowmap_time_check(const char *format);
/* False: text is none of the format (NULL: iso). */
bool rowmap_time_parse(struct bl_str text, const char *format, const struct bl_tz *tz,
    int64_t now_unix_ms, int64_t *unix_ms);

/* ---- the mapping ---- */

struct rowmap_pair {
	const char *key;
	struct rowmap_template value;
	bool as_text;
};

struct rowmap_pairs {
	unsigned n;
	struct rowmap_pair pair[ROWMAP_PAIRS_MAX];
};

struct rowmap_condition {
	int field;
	const char *values; /* "a|b", or "*" */
};

struct bl_rowmap {
	const struct bl_rowmap_conf *conf;
	struct bl_tz *tz;
	struct rowmap_template process, case_id, step, phase, status, type, name, value, unit, id;
	struct rowmap_template time, begin, end;
	struct rowmap_pairs attributes, labels; /* labels ascend by key */
	unsigned n_when;
	struct rowmap_condition when[ROWMAP_PAIRS_MAX];
	struct rowmap_fields fields;
	struct rowmap_parts parts;
};

#endif
