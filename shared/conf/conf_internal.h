/*
 * What the files of this folder share: the tree that libyaml's events become,
 * the run that collects errors, and the reading of single values.
 */
#ifndef CONF_INTERNAL_H
#define CONF_INTERNAL_H

#include <sys/types.h>

#include "branchline/conf.h"

#define CONF_DEPTH_MAX    16u
#define CONF_NODES_MAX    65536u
#define CONF_MAP_KEYS_MAX 1000u /* of one mapping: duplicates are found pair by pair */
#define CONF_PATH_SIZE    256u

struct conf_pos {
	unsigned file;      /* of run->files, in the order in which they are read */
	unsigned line, col; /* from 1 */
};

/* REFUSED: something stands there, its error has been reported. */
enum conf_kind { CONF_SCALAR, CONF_MAPPING, CONF_SEQUENCE, CONF_REFUSED };

struct conf_node {
	enum conf_kind kind;
	struct conf_pos at;
	char *key; /* of a mapping's member, else NULL; owned */
	struct conf_pos key_at;
	char *text;                     /* SCALAR; owned, no NUL inside */
	bool plain;                     /* SCALAR: written without quotes */
	struct conf_node *child, *last; /* MAPPING, SEQUENCE: in the file's order */
	struct conf_node *next;
	unsigned n; /* children */
};

/* One file of a run; name for messages.  What is read from memory has neither dev nor ino. */
struct conf_file {
	char *name; /* owned */
	dev_t dev;
	ino_t ino;
	struct conf_pos by; /* where it is included; of the first file nothing */
};

/* One run over a file and those that it includes. */
struct conf_run {
	struct conf_file files[BL_CONF_FILES_MAX];
	unsigned n_files;
	unsigned file; /* that is read just now */
	const struct bl_conf_section *root;
	struct bl_conf_errors *errors;
	struct conf_pos pos[BL_CONF_ERRORS_MAX]; /* of errors->line, for sorting */
	struct bl_conf_sources *sources;         /* NULL: nobody asks where values come from */
	unsigned nodes;
	bool broken; /* a text could not be read to its end: missing keys prove nothing */
	bool no_memory;
	bool some; /* a run with errors is good all the same */
	char path[CONF_PATH_SIZE];
};

/* Adds "name:line:col: path: text"; the path is left out while it is empty. */
void conf_error(struct conf_run *run, struct conf_pos at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void conf_errors_sort(struct conf_run *run);

/* Lengthens a path by ".name" or "[i]" and returns the length to go back to. */
size_t conf_path_add(char path[CONF_PATH_SIZE], const char *name);
size_t conf_path_add_index(char path[CONF_PATH_SIZE], size_t i);
/* The same of run->path. */
size_t conf_path_push(struct conf_run *run, const char *name);
size_t conf_path_push_index(struct conf_run *run, size_t i);
void conf_path_pop(struct conf_run *run, size_t len);

/* The document as a tree; NULL when it is empty or nothing of it could be kept. */
struct conf_node *conf_tree_read(struct conf_run *run, const char *text, size_t len);
void conf_tree_free(struct conf_node *n);
/* Takes n, as the last child of to. */
void conf_node_append(struct conf_node *to, struct conf_node *n);

/* Key of this name of the table, member of this name of a mapping; NULL: none. */
const struct bl_conf_key *conf_find_key(const struct bl_conf_section *s, const char *name);
struct conf_node *conf_find_member(const struct conf_node *map, const char *name);
/* "key:" with nothing behind it. */
bool conf_is_nothing(const struct conf_node *n);

/* Opens and reads what is no folder and has at most BL_CONF_FILE_MAX bytes; *text is owned. */
int conf_file_read(
    const char *path, char **text, size_t *len, struct conf_file *file, struct bl_err *err);
/* "line 3", or "conf.d/shop.yaml:3" when seen from another file. */
void conf_where(
    const struct conf_run *run, struct conf_pos what, unsigned from_file, char *out, size_t size);

/* Reads what tree includes, and what that includes, into tree (conf_include.c). */
void conf_include(struct conf_run *run, struct conf_node *tree);
/* Refuses the key in a text that is no file. */
void conf_include_refuse(struct conf_run *run, const struct conf_node *tree);

/* The value at run->path stands there. */
void conf_source_note(struct conf_run *run, struct conf_pos at);
/* Where the value of this path stands; false: in no file. */
bool conf_source_find(
    const struct bl_conf_sources *s, const char *path, const char **file, unsigned *line);
/* The run is over: s gets the names of its files. */
void conf_sources_finish(struct conf_run *run);

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
/* As it would stand in the file. */
void conf_format_duration(int64_t ms, char *out, size_t size);
void conf_format_size(int64_t bytes, char *out, size_t size);
void conf_format_number(double v, char *out, size_t size);

/* What was got, quoted, cut and free of control characters: "eighty". */
void conf_quote_got(const char *text, char *out, size_t size);

/* Optimal string alignment distance, letters of either case alike; stops counting above 8. */
unsigned conf_distance(const char *a, const char *b);
/* Reports a key that the table does not have, with what was meant, perhaps. */
void conf_unknown_key(
    struct conf_run *run, const struct bl_conf_section *s, const struct conf_node *member);
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
