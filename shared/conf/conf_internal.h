/*
 * What the files of this folder share: the tree that libyaml's events become,
 * the run that collects errors, and the reading of single values.
 */
#ifndef CONF_INTERNAL_H
#define CONF_INTERNAL_H

#include "branchline/conf.h"

#define CONF_DEPTH_MAX    16u
#define CONF_NODES_MAX    65536u
#define CONF_MAP_KEYS_MAX 1000u /* of one mapping: duplicates are found pair by pair */
#define CONF_PATH_SIZE    256u

/* REFUSED: something stands there, its error has been reported. */
enum conf_kind { CONF_SCALAR, CONF_MAPPING, CONF_SEQUENCE, CONF_REFUSED };

struct conf_node {
	enum conf_kind kind;
	unsigned line, col; /* from 1 */
	char *key;          /* of a mapping's member, else NULL; owned */
	unsigned key_line, key_col;
	char *text;                     /* SCALAR; owned, no NUL inside */
	bool plain;                     /* SCALAR: written without quotes */
	struct conf_node *child, *last; /* MAPPING, SEQUENCE: in the file's order */
	struct conf_node *next;
	unsigned n; /* children */
};

struct conf_pos {
	unsigned line, col;
};

/* One run over one file. */
struct conf_run {
	const char *name; /* for messages */
	const struct bl_conf_section *root;
	struct bl_conf_errors *errors;
	struct conf_pos pos[BL_CONF_ERRORS_MAX]; /* of errors->line, for sorting */
	unsigned nodes;
	bool broken; /* the text could not be read to its end: missing keys prove nothing */
	bool no_memory;
	char path[CONF_PATH_SIZE];
};

/* Adds "name:line:col: path: text"; the path is left out while it is empty. */
void conf_error(struct conf_run *run, unsigned line, unsigned col, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void conf_errors_sort(struct conf_run *run);

/* Lengthens run->path by ".name" or "[i]" and returns the length to go back to. */
size_t conf_path_push(struct conf_run *run, const char *name);
size_t conf_path_push_index(struct conf_run *run, size_t i);
void conf_path_pop(struct conf_run *run, size_t len);

/* The document as a tree; NULL when it is empty or nothing of it could be kept. */
struct conf_node *conf_tree_read(struct conf_run *run, const char *text, size_t len);
void conf_tree_free(struct conf_node *n);

/* Fills conf from the tree by the table; node NULL: nothing stands in the file. */
void conf_apply(struct conf_run *run, const struct bl_conf_section *s, const struct conf_node *node,
    void *conf);

/* ---- one value ---- */

enum conf_value {
	CONF_VALUE_OK = 0,
	CONF_VALUE_WRONG = 1,     /* not of the type, or out of bounds */
	CONF_VALUE_NO_MEMORY = 2, /* nothing was stored */
};

/* Reads text as key's type (scalar types only) into field.  Releases what was there. */
enum conf_value conf_value_read(const struct bl_conf_key *key, const char *text, void *field);
/* "a number from 1 to 65535", without the word "expected". */
void conf_value_expected(const struct bl_conf_key *key, char *out, size_t size);
/* A better spelling of a wrong value, or false. */
bool conf_value_near(const struct bl_conf_key *key, const char *text, char *out, size_t size);
/* A type's short name for the table of options. */
const char *conf_type_name(enum bl_conf_type type);
/* As it would stand in the file. */
void conf_format_duration(int64_t ms, char *out, size_t size);
void conf_format_size(int64_t bytes, char *out, size_t size);
void conf_format_number(double v, char *out, size_t size);

/* What was got, quoted, cut and free of control characters: "eighty". */
void conf_quote_got(const char *text, char *out, size_t size);

/* Optimal string alignment distance, letters of either case alike; stops counting above 8. */
unsigned conf_distance(const char *a, const char *b);
/* True when b is near enough to a to be worth proposing. */
bool conf_is_near(const char *a, const char *b, unsigned *distance);

/* ---- fields ---- */

static inline void *
conf_field(void *conf, const struct bl_conf_key *key)
{
	return (char *)conf + key->offset;
}

static inline const void *
conf_field_const(const void *conf, const struct bl_conf_key *key)
{
	return (const char *)conf + key->offset;
}

#endif
