/*
 * JSON from outside: a thin layer over jansson that caps, rejects duplicates,
 * and names the field that is wrong, what was expected there and what came.
 *
 * Any thread; values belong to one.  Write answers with jansson itself.
 */
#ifndef BRANCHLINE_JSON_H
#define BRANCHLINE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "branchline/err.h"

#define BL_JSON_DEPTH_MAX 32u
#define BL_JSON_PATH_MAX  128u

/*
 * Parses a whole text (objects and arrays only).  *out is the caller's to
 * json_decref; NULL on failure.  what names the text in messages ("request").
 * BL_EFULL: longer than max_bytes; BL_EINVAL: malformed, with line and column,
 * a key twice, nested deeper than BL_JSON_DEPTH_MAX; BL_ENOMEM.
 */
int bl_json_parse(json_t **out, const void *text, size_t len, size_t max_bytes, const char *what,
    struct bl_err *err);

/* What is wrong with one field. */
struct bl_json_fault {
	char field[BL_JSON_PATH_MAX]; /* "tags.region", "items[3].id"; empty: the value itself */
	char expected[96];            /* "a whole number from 0 to 63" */
	char got[48];                 /* "text \"abc\"", "nothing" */
	char suggestion[64];          /* a key that may have been meant; or empty */
};

/* Turns it into BL_EINVAL with a sentence. */
int bl_json_fault_err(const struct bl_json_fault *fault, const char *what, struct bl_err *err);

/* An object and where it is, for messages. */
struct bl_json_obj {
	json_t *json; /* borrowed */
	char path[BL_JSON_PATH_MAX];
};

enum bl_json_need {
	BL_JSON_REQUIRED = 0, /* must be there and not null */
	BL_JSON_OPTIONAL = 1, /* may be missing, but not null */
	BL_JSON_NULLABLE = 2, /* may be missing or null: both leave *out alone */
};

/* False: root is no object. */
bool bl_json_root(json_t *root, struct bl_json_obj *o, struct bl_json_fault *fault);

/*
 * Getters.  True: fine; *out is set when the key is there with a value, else
 * left as it was.  False: *fault says why, *out untouched.
 */
/* Borrowed from the object; min..max bytes of UTF-8 without U+0000. */
bool bl_json_get_str(const struct bl_json_obj *o, const char *key, enum bl_json_need need,
    size_t min_bytes, size_t max_bytes, const char **out, struct bl_json_fault *fault);
bool bl_json_get_int(const struct bl_json_obj *o, const char *key, enum bl_json_need need,
    int64_t min, int64_t max, int64_t *out, struct bl_json_fault *fault);
/* Whole numbers count, too. */
bool bl_json_get_num(const struct bl_json_obj *o, const char *key, enum bl_json_need need,
    double min, double max, double *out, struct bl_json_fault *fault);
bool bl_json_get_bool(const struct bl_json_obj *o, const char *key, enum bl_json_need need,
    bool *out, struct bl_json_fault *fault);
/* choices ends with NULL; *out is its place. */
bool bl_json_get_choice(const struct bl_json_obj *o, const char *key, enum bl_json_need need,
    const char *const *choices, unsigned *out, struct bl_json_fault *fault);
bool bl_json_get_obj(const struct bl_json_obj *o, const char *key, enum bl_json_need need,
    struct bl_json_obj *out, struct bl_json_fault *fault);
/* Borrowed; at most max items. */
bool bl_json_get_array(const struct bl_json_obj *o, const char *key, enum bl_json_need need,
    size_t max, json_t **out, struct bl_json_fault *fault);
/* Item i of the array at key, which must be an object. */
bool bl_json_item_obj(const struct bl_json_obj *o, const char *key, json_t *array, size_t i,
    struct bl_json_obj *out, struct bl_json_fault *fault);

/* False when a key is not in known (ends with NULL); suggests the nearest one. */
bool bl_json_only(
    const struct bl_json_obj *o, const char *const *known, struct bl_json_fault *fault);

#endif
