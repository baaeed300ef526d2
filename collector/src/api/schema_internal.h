/*
 * Bodies and query strings as tables: one checker, one way to say what is
 * wrong, and the OpenAPI test reads the same tables.
 *
 * A field's value goes to its offset in the caller's struct, as one of the
 * given_* types below; strings are borrowed from the parsed input.
 */
#ifndef SCHEMA_INTERNAL_H
#define SCHEMA_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http_internal.h"

struct given_str {
	bool given;
	const char *v; /* NULL: null */
};
struct given_int {
	bool given;
	int64_t v;
};
struct given_num {
	bool given, null;
	double v;
};
struct given_bool {
	bool given, v;
};
struct given_enum {
	bool given;
	int v; /* index into choices */
};

enum field_type {
	FIELD_STR,  /* given_str; min and max: bytes; null allowed when nullable */
	FIELD_INT,  /* given_int; min and max */
	FIELD_NUM,  /* given_num; min and max; null allowed when nullable */
	FIELD_BOOL, /* given_bool; in a query string true or false */
	FIELD_ENUM, /* given_enum */
	FIELD_TAGS, /* given_str: an object of strings, as canonical JSON */
	FIELD_LIST, /* raw only: a list of texts */
};

struct field {
	const char *name;
	enum field_type type;
	size_t offset;
	bool required, nullable;
	/* Only its name and type are checked here, nothing is stored: a definition's own field,
	 * which `define` validates; see body_rest.  Its choices are for the description alone. */
	bool raw;
	double min, max; /* 0, 0: no bound */
	const char *const *choices;
	/* Beyond type and bounds; NULL or what was expected.  ctx is the API. */
	const char *(*check)(const struct api *api, const char *value);
	const char *help; /* one line, also in OpenAPI */
};

struct schema {
	const char *name; /* of the component in OpenAPI; "" for a query string */
	size_t size;
	const struct field *fields;
	size_t n;
};

#define SCHEMA_ERRORS_MAX 16
#define SCHEMA_SIZE_MAX   512 /* of a caller's struct */

struct field_error {
	char field[72];
	char expected[160];
	char got[96];
	char suggestion[80]; /* empty: none */
	unsigned column;     /* in an expression, from 1; 0: none */
};

struct field_errors {
	size_t n; /* found; kept are the first SCHEMA_ERRORS_MAX */
	struct field_error e[SCHEMA_ERRORS_MAX];
};

void field_error_add(struct field_errors *errs, const char *field, const char *expected,
    const char *got, const char *suggestion);

struct parsed_body; /* owns what the strings point into */

enum body_outcome {
	BODY_OK = 0,
	BODY_NOT_JSON, /* why says where */
	BODY_INVALID,  /* errs */
};

/* out is zeroed first.  *body is freed by body_free, whatever the outcome. */
enum body_outcome body_parse(const struct api *api, const struct schema *schema, const char *text,
    size_t len, void *out, struct parsed_body **body, struct field_errors *errs, char *why,
    size_t why_size);
void body_free(struct parsed_body *body);
/* The raw fields that were given, as a JSON object; malloced, NULL: out of memory. */
char *body_rest(const struct parsed_body *body, const struct schema *schema);
/* A text among the members of a stored JSON object; "" when there is none. */
void member_text(const char *object, const char *member, char *out, size_t size);

/* The query string by the same table.  False: errs. */
bool query_parse(const struct api *api, const struct schema *schema, const struct http_request *q,
    void *out, struct field_errors *errs);

/* The one of n names that is near to name, or NULL.  Pure. */
const char *near_name(const char *name, const struct field *fields, size_t n);

/* Its value is never shown, whatever is wrong with it. */
bool field_is_secret(const struct field *f);
/* Checks and stores a string; shared by both readers. */
void field_take_text(const struct api *api, const struct field *f, const char *text, void *out,
    struct field_errors *errs);
void field_take_int(const struct field *f, int64_t v, void *out, struct field_errors *errs);
void field_take_num(const struct field *f, double v, void *out, struct field_errors *errs);

#endif
