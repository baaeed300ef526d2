/*
 * Expressions: what business people write in conditions and filters.
 *
 *     status != "completed" and amount > 1000
 *     if(priority = "high", 30min, 2h) < age
 *
 * Numbers, text, booleans, times, durations and null; comparisons, AND OR NOT,
 * arithmetic, IF; names of any language.  Three-valued logic (Kleene): what is
 * missing is null, a comparison with null is unknown, and unknown neither
 * silences what is certain nor raises what is not.
 *
 * Compiling checks everything that can be known beforehand and says where it is
 * wrong and what was probably meant.  A compiled expression is pure and total:
 * evaluation cannot fail, allocates nothing, ends after at most
 * BL_EXPR_CODE_MAX instructions, and may run on any thread.
 * shared/expr/README.md has the grammar.
 */
#ifndef BRANCHLINE_EXPR_H
#define BRANCHLINE_EXPR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/err.h"

#define BL_EXPR_TEXT_MAX   4096u /* bytes of the source */
#define BL_EXPR_DEPTH_MAX  64u
#define BL_EXPR_CODE_MAX   256u
#define BL_EXPR_CONSTS_MAX 64u
#define BL_EXPR_NAMES_MAX  32u
#define BL_EXPR_NAME_MAX   64u /* bytes */

enum bl_value_type {
	BL_VALUE_NULL = 0,
	BL_VALUE_BOOL,
	BL_VALUE_NUMBER,   /* finite; what is not becomes null */
	BL_VALUE_TEXT,
	BL_VALUE_TIME,     /* Unix milliseconds */
	BL_VALUE_DURATION, /* milliseconds */
};

struct bl_value {
	enum bl_value_type type;
	bool boolean;
	double number;
	int64_t ms; /* TIME: Unix ms; DURATION: ms */
	const char *text; /* UTF-8, not terminated; borrowed from lookup or from the expression */
	size_t text_len;
};

enum bl_truth { BL_FALSE = 0, BL_TRUE = 1, BL_UNKNOWN_TRUTH = 2 };

/* A name that an expression may use. */
struct bl_expr_field {
	const char *name;
	enum bl_value_type type; /* BL_VALUE_NULL: known only when it is evaluated */
	const char *help;        /* one line, for editors; may be NULL */
};

struct bl_expr_scope {
	const struct bl_expr_field *fields;
	size_t n;
	bool open; /* other names are allowed, too (attributes that callers make up) */
};

struct bl_expr_error {
	size_t at_byte;   /* where in the text */
	size_t len_bytes; /* of the offending piece; 0: at the end */
	unsigned column;  /* from 1, in characters */
	char what[160];      /* "expected a number or a name, got \")\"": the next two in one */
	char expected[80];   /* "a number or a name" */
	char got[56];        /* "\")\"" */
	char suggestion[80]; /* "status", a near name or the right spelling; empty: none */
};

struct bl_expr;

/*
 * Compiles.  want: the type that the whole must have (BL_VALUE_NULL: any;
 * BL_VALUE_BOOL for conditions).  Borrows text and scope (both only for the
 * call).  BL_EINVAL: *error says what is wrong; BL_ENOMEM.  error may be NULL.
 */
int bl_expr_compile(struct bl_expr **out, const char *text, size_t len,
    const struct bl_expr_scope *scope, enum bl_value_type want, struct bl_expr_error *error,
    struct bl_err *err);
void bl_expr_free(struct bl_expr *e); /* NULL is fine */

/* The names that it uses, each once, in order of first use; slot i of lookup is names[i]. */
size_t bl_expr_names(const struct bl_expr *e);
const char *bl_expr_name(const struct bl_expr *e, size_t i); /* terminated; borrowed from e */

/* Fills *out with the value of slot i; BL_VALUE_NULL: missing.  Text stays valid for the evaluation. */
typedef void (*bl_expr_lookup)(void *ctx, size_t i, struct bl_value *out);

struct bl_expr_env {
	bl_expr_lookup lookup;
	void *ctx;
	int64_t now_unix_ms; /* what now() says: an event time, never the wall clock inside */
};

/* Text in *out is borrowed from e or from what lookup gave. */
void bl_expr_eval(const struct bl_expr *e, const struct bl_expr_env *env, struct bl_value *out);
/* The same as a truth: a boolean, or unknown for null and anything else. */
enum bl_truth bl_expr_truth(const struct bl_expr *e, const struct bl_expr_env *env);

enum bl_truth bl_truth_and(enum bl_truth a, enum bl_truth b);
enum bl_truth bl_truth_or(enum bl_truth a, enum bl_truth b);
enum bl_truth bl_truth_not(enum bl_truth a);

#endif
