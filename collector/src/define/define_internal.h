/* Seen inside this folder only. */
#ifndef DEFINE_INTERNAL_H
#define DEFINE_INTERNAL_H

#include "branchline/json.h"

#include "define.h"
#include "jsonw.h"

struct sqlite3_stmt;

/* ---- words: define_names.c ------------------------------------------------- */

/* An enum as words, first..last; name gives NULL for what is none. */
struct define_words {
	const char *(*name)(unsigned v);
	unsigned first, last;
};
extern const struct define_words define_sources, define_functions, define_windows, define_goods,
    define_rule_kinds, define_severities, define_ops, define_channel_kinds, define_languages;

/* ---- fields: define_field.c ------------------------------------------------- */

enum define_field_type {
	FIELD_TEXT,   /* char [size] */
	FIELD_CHOICE, /* an enum; 0 below words->first: not given */
	FIELD_LANG,   /* char [size]: one of the words */
	FIELD_I64,
	FIELD_U32,
	FIELD_F64,
	FIELD_BOOL,
	FIELD_EXPR, /* char [BL_EXPR_TEXT_MAX + 1] and, at second, struct bl_expr * */
	FIELD_LIST, /* char [max][size] and, at second, size_t; no item twice */
};

struct define_field {
	const char *name;
	enum define_field_type type;
	size_t offset;
	size_t second;   /* EXPR: of the expression; LIST: of the count; F64: of its has_, or 0 */
	size_t size;     /* TEXT, LANG, LIST: bytes of one, with the NUL */
	double min, max; /* numbers; LIST: how many */
	const struct define_words *words;
	const char *dflt;  /* as JSON, where it need not be given; NULL: none */
	unsigned variants; /* bits by the first field's value: where it applies; 0: everywhere */
	unsigned needed;   /* the variants in which it must be given; ~0: wherever it applies */
	bool decides;      /* CHOICE: what applies further on depends on it */
	bool (*when)(const void *thing); /* more about where it applies; NULL: always */
	bool (*check)(const char *text); /* TEXT and each of a LIST; NULL: any without controls */
	const char *expected;            /* what check wants */
	/* EXPR: its scope and type. */
	void (*scope)(const void *thing, struct bl_expr_scope *out);
};

/* The first field of a kind with variants says which one; others have one variant only. */
struct define_table {
	const struct define_field *field;
	size_t n;
	bool has_variants;
	/* What no single field can say; after them, also when some had errors.  May be NULL. */
	void (*check)(const void *thing, struct define_errors *errs);
	void (*derive)(void *thing); /* what follows from the fields; may be NULL */
};
extern const struct define_table define_tables[DEFINE_KINDS];

union define_any {
	struct define_head head;
	struct define_process process;
	struct define_kpi kpi;
	struct define_rule rule;
	struct define_channel channel;
};

/*
 * Reads a body into *out (zeroed first) and compiles its expressions; the head
 * stays zero.  given: the members that somebody wrote just now: there a field
 * that does not apply is an error, elsewhere (what an older version had) it is
 * left out; NULL: none.  Errors are added to errs.  BL_OK also with errors
 * found; BL_ENOMEM.  define_any_release in every case.
 */
int define_parse(enum define_kind kind, json_t *body, json_t *given, union define_any *out,
    struct define_errors *errs, struct bl_err *err);
void define_any_release(enum define_kind kind, union define_any *a);
/* The canonical members, in the table's order: all of them, null for what does not apply. */
void define_write_members(struct jsonw *w, enum define_kind kind, const union define_any *a);

/* ---- errors: define_field.c --------------------------------------------------- */

void define_fault(struct define_errors *errs, const char *field, const char *got,
    const char *expected, ...) __attribute__((format(printf, 4, 5)));
/* got as `text "..."`, as the getters say it. */
void define_fault_text(
    struct define_errors *errs, const char *field, const char *text, const char *expected);
/* Gives the newest error the word (of a list that ends with NULL) that is near to text. */
void define_suggest(struct define_errors *errs, const char *text, const char *const *words);

/* ---- checks of texts: define_check.c -------------------------------------------- */

bool define_metric_ok(const char *s);
bool define_mail_ok(const char *s);
bool define_url_ok(const char *s);
bool define_label_ok(const char *s);
bool define_region_ok(const char *s);
bool define_name_ok(const char *s);

/* ---- references: define_refs.c ------------------------------------------------------ */

/*
 * What a body names must be there: the rule's KPI with its window, channels,
 * sites; and no rule may be left with a window that its KPI stops giving.
 */
int define_refs_check(struct sqlite3 *db, enum define_kind kind, const char *id,
    const union define_any *a, struct define_errors *errs, struct bl_err *err);

/* ---- rows: define_read.c ------------------------------------------------------------ */

/* Columns of a row: see ROW_COLUMNS there. */
void define_row_head(struct sqlite3_stmt *st, struct define_head *out);
/* One with its body, for those inside a change; *body is the caller's to json_decref. */
int define_row_load(struct sqlite3 *db, enum define_kind kind, const char *id,
    struct define_head *head, json_t **body, struct bl_err *err);

/* ---- secrets: define_secret.c --------------------------------------------------------- */

bool define_secret_ok(const char *s);
void define_secret_make(char out[DEFINE_SECRET_MAX + 1]);
int define_secret_store(
    struct sqlite3 *db, const char *channel, const char *secret, struct bl_err *err);

#endif
