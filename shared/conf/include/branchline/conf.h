/*
 * Configuration: YAML read through one table a section.
 *
 * A file is parsed once; every error in it is reported in one run, each with
 * file, line, column, what was expected and, where one is near, a suggestion:
 *
 *   agent.yaml:5:9: broker.port: expected a number from 1 to 65535, got "eighty"
 *   agent.yaml:7:1: brokr: unknown key; did you mean "broker"?
 *
 * The same tables print the effective configuration and the list of options.
 * Anchors, aliases, tags, several documents and depth over 16 are refused.
 *
 * Where the root's table has a key of type INCLUDE, its value names other files
 * (a text or a list; patterns of glob(7), relative to the first file's folder, in
 * the order of their names' bytes; hidden ones are none).  Their sections are
 * merged with what stands already, their lists of sections go on, and any other
 * key may stand in one place alone.  They may include more; none twice.
 * Pure but for reading the file; any thread.
 */
#ifndef BRANCHLINE_CONF_H
#define BRANCHLINE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "branchline/err.h"

#define BL_CONF_FILE_MAX   (1024u * 1024u)
#define BL_CONF_ERRORS_MAX 100u /* further ones are counted, not kept */
#define BL_CONF_FILES_MAX  64u  /* a file with all that it includes */

enum bl_conf_type {
	BL_CONF_STR,      /* char *, owned; min and max: bytes */
	BL_CONF_INT,      /* int64_t; min and max */
	BL_CONF_NUMBER,   /* double; min and max */
	BL_CONF_BOOL,     /* bool; true/false/yes/no/on/off */
	BL_CONF_DURATION, /* int64_t ms: "500ms", "10s", "5m", "72h", "7d"; min and max in ms */
	BL_CONF_SIZE,     /* int64_t bytes: "512", "64KiB", "20MiB", "1GiB"; min and max in bytes */
	BL_CONF_ENUM,     /* int, index into choices */
	BL_CONF_STRLIST,  /* struct bl_conf_strlist, owned; max: how many */
	BL_CONF_MAP,     /* struct bl_conf_strmap, owned: free keys, string values; max: how many */
	BL_CONF_SECTION, /* a struct inside the struct, by its own table */
	BL_CONF_LIST,    /* struct bl_conf_list, owned: a sequence of sections; max: how many */
	/*
	 * No field: names or patterns of other files, whose keys are read as if they
	 * stood here.  In the root's table only.
	 */
	BL_CONF_INCLUDE,
} __attribute__((packed));

/* What bl_conf_print_for_people does not show of a text, or of a map's texts. */
enum bl_conf_secret {
	BL_CONF_SHOWN = 0,
	BL_CONF_HIDDEN,
	BL_CONF_HIDDEN_QUERY, /* of an address, what follows the "?" */
} __attribute__((packed));

struct bl_conf_strlist {
	size_t n;
	char **item;
};

struct bl_conf_strmap {
	size_t n;
	char **key;
	char **value;
};

/* item points at n structs of the section's size, one after another. */
struct bl_conf_list {
	size_t n;
	void *item;
};

struct bl_conf_section;

/* There are hundreds in a program that is to be small: in an order that leaves no gaps. */
struct bl_conf_key {
	const char *name; /* NULL ends a table */
	/*
	 * As it would stand in the file; NULL: required.  "" for "absent": STR is
	 * then NULL (also when the file says ""), lists and maps have n = 0, a
	 * SECTION gets its keys' defaults.
	 */
	const char *dflt;
	double min, max;  /* 0, 0: no bound */
	const char *help; /* one line for people */
	union {
		const char *const *choices;            /* ENUM; NULL-terminated */
		const struct bl_conf_section *section; /* SECTION and LIST */
	};
	/*
	 * Extra check after the type's own; returns NULL or what was expected
	 * ("an http or https URL").  value points at the field in the struct: for
	 * STR at the char * (never NULL there: an absent string is not checked), for STRLIST at
	 * the list, and then, to find the wrong entry, at its first one, two, ...
	 * Not called for defaults.  May be NULL.
	 */
	const char *(*check)(const void *value);
	const char *unique; /* LIST: the STR key of its section in which entries have to differ */
	uint32_t offset;    /* in the section's struct */
	enum bl_conf_type type;
	enum bl_conf_secret secret; /* STR, MAP */
};

struct bl_conf_section {
	const char *name; /* for messages */
	size_t size;      /* of the struct */
	const struct bl_conf_key *keys;
	/*
	 * Check of the whole section after its keys, when those had no error;
	 * NULL or what is wrong.  *key_out may be set to the name of the key that
	 * the message should point at.  May be NULL.
	 */
	const char *(*check)(const void *section, const char **key_out);
};

struct bl_conf_errors {
	size_t n; /* found, also those beyond the cap */
	size_t n_kept;
	char **line; /* owned, "file:line:col: path: text" */
};

/*
 * Reads path into *out (a zeroed struct of root->size, filled with defaults
 * first).  Always fills errors.  BL_OK; BL_EINVAL when errors->n > 0 (*out is
 * then released already); BL_ENOTFOUND, BL_EIO, BL_EFULL (file too large), BL_ENOMEM.
 */
int bl_conf_load(const char *path, const struct bl_conf_section *root, void *out,
    struct bl_conf_errors *errors, struct bl_err *err);

/*
 * Where values stand, by path ("samplers.cpu.modes", "probes[2].url").  Zeroed
 * before, released by bl_conf_sources_free whatever became of the load.
 */
struct bl_conf_sources {
	size_t n, size;
	struct bl_conf_source *at; /* owned */
	size_t n_files;
	char **file; /* owned */
};

/* The same, and sources is filled; NULL: as bl_conf_load. */
int bl_conf_load_from(const char *path, const struct bl_conf_section *root, void *out,
    struct bl_conf_sources *sources, struct bl_conf_errors *errors, struct bl_err *err);
/*
 * What can be read of a file that may have mistakes, for who needs little of it: BL_OK also
 * when there are errors; what they are about has its default, or (where only a check of its
 * own refused it) the value that was refused.
 */
int bl_conf_load_some(const char *path, const struct bl_conf_section *root, void *out,
    struct bl_conf_errors *errors, struct bl_err *err);
void bl_conf_sources_free(struct bl_conf_sources *s);

/*
 * From memory; name stands for the path in messages.  Includes nothing: a text
 * that somebody handed over must not make this machine's files be read.
 */
int bl_conf_parse(const char *name, const char *text, size_t len,
    const struct bl_conf_section *root, void *out, struct bl_conf_errors *errors,
    struct bl_err *err);
/* From memory, as if the text stood in the file of this name: with what it includes. */
int bl_conf_parse_file(const char *name, const char *text, size_t len,
    const struct bl_conf_section *root, void *out, struct bl_conf_errors *errors,
    struct bl_err *err);

/* Releases what the struct owns; leaves it zeroed. */
void bl_conf_release(const struct bl_conf_section *root, void *conf);
void bl_conf_errors_free(struct bl_conf_errors *errors);

/* Writes the effective configuration as YAML that parses back to the same. */
int bl_conf_print(const struct bl_conf_section *root, const void *conf, FILE *to);
/*
 * The same for people: behind each value the file and line that it came from, or
 * "default", as a comment; secrets as "***" unless with_secrets.  sources NULL: no
 * comments.
 */
int bl_conf_print_for_people(const struct bl_conf_section *root, const void *conf,
    const struct bl_conf_sources *sources, bool with_secrets, FILE *to);
/* Writes the table as the body of a man page (roff, man(7)): a paragraph a key. */
void bl_conf_print_man(const struct bl_conf_section *root, FILE *to);
/* Text that means itself there: no requests, no escapes, minus signs that can be copied. */
void bl_conf_print_roff(const char *text, FILE *to);
/* Writes a table of options with type, default, bounds and help. */
void bl_conf_print_options(const struct bl_conf_section *root, FILE *to);

/* "90s" and the like; shared with command-line parsing.  False: not one. */
bool bl_conf_duration_parse(const char *text, int64_t *ms);
bool bl_conf_size_parse(const char *text, int64_t *bytes);

#endif
