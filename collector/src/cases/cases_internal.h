/*
 * Inside cases: the statements of a transaction, and the fold of a case's events
 * into what it is, which is pure.
 */
#ifndef CASES_INTERNAL_H
#define CASES_INTERNAL_H

#include <jansson.h>
#include <sqlite3.h>

#include "cases.h"
#include "jsonw.h"

#define CASES_NONE INT64_MIN /* of a begin: it never came */

/* ---- cases_sql.c ---- */

enum cases_sql {
	CASES_SQL_KNOWN,
	CASES_SQL_FORGET,
	CASES_SQL_FIND,
	CASES_SQL_ADD,
	CASES_SQL_EVENT_ADD,
	CASES_SQL_HEAD,
	CASES_SQL_EVENTS,
	CASES_SQL_STEPS,
	CASES_SQL_HEAD_SET,
	CASES_SQL_STEP_SET,
	CASES_SQL_STEPS_CUT,
	CASES_SQL_NEXT,
	CASES_SQL_OLD,
	CASES_SQL_FORGET_OLD,
	CASES_SQL_COUNT
};

/* What one transaction keeps: its statements, and the cases that were touched. */
struct cases_work {
	struct sqlite3 *db;
	sqlite3_stmt *stmt[CASES_SQL_COUNT];
	int64_t *touched;
	size_t n_touched, size_touched;
	struct jsonw json;
	enum {
		CASES_OLD_UNKNOWN = 0,
		CASES_OLD_NONE,
		CASES_OLD_SOME
	} old; /* events of an earlier store */
};

int cases_work(
    struct cases_changes *l, struct sqlite3 *db, struct cases_work **out, struct bl_err *err);
void cases_work_free(struct cases_work *w);

/*
 * Binds one of the kept statements by format: i int64_t, t text (borrowed until
 * the statement is bound again), e int64_t (null when CASES_OPEN), g int64_t
 * (null when CASES_NONE).  NULL: failed, err says why.
 */
sqlite3_stmt *cases_bind(
    struct cases_work *w, enum cases_sql which, struct bl_err *err, const char *format, ...);
/* 1: a row; 0: done, the statement is reset; negative (st NULL too). */
int cases_step(sqlite3_stmt *st, struct bl_err *err);
int64_t cases_column_end(sqlite3_stmt *st, int i);
int64_t cases_column_begin(sqlite3_stmt *st, int i);

/* ---- cases_attrs.c ---- */

#define CASES_ATTRS_MAX 64u  /* of a case; the first by time are kept */
#define CASES_TEXT_MAX  256u /* bytes of a value, as the case has it; longer ones are cut */
#define CASES_JSON_MAX  (512u * 1024u)

/* What of an event is not an attribute of the case. */
struct cases_names {
	char process[BL_ID_TEXT_MAX + 1];
	char case_id[CASES_ID_MAX + 1];
	char step[BL_NAME_MAX + 1];
};

/* 1: it has a good form; 0: it has not. */
int cases_names_of(const struct bl_event *ev, struct cases_names *out);
/* The others as a JSON object, keys ascending; NULL: no memory.  Owned by w until it is used again.
 */
const char *cases_attrs_json(struct jsonw *w, const struct bl_event *ev);
/* The same of an object; reads like cases_attrs_json writes. */
const char *cases_object_json(struct jsonw *w, json_t *o);
/* Sets what the event's attributes (an object) say.  False: no memory. */
bool cases_attrs_fold(json_t *into, json_t *event);
json_t *cases_object(const char *json, struct bl_err *err);
/* Takes o. */
int cases_attrs_make(struct cases_attrs **out, json_t *o, struct bl_err *err);
/* One of an object as a value. */
void cases_value(const json_t *o, const char *name, struct bl_value *out);

/* ---- cases_fold.c ---- */

struct fold_event {
	int64_t unix_ms, boot_ms, n;
	int64_t batch_id; /* to find its row; says nothing about order */
	const char *device, *type, *step, *event_id, *attrs;
};

struct fold_step {
	const char *step, *device; /* of an event, or the caller's */
	int64_t begin_unix_ms, end_unix_ms;
	char *attrs; /* owned */
};

struct fold {
	int64_t begin_unix_ms, end_unix_ms;
	const char *end_device;
	char *status, *attrs; /* owned */
	size_t events;        /* distinct */
	struct fold_step *step;
	size_t n_steps, size_steps;
};

/*
 * events: in any order; sorted and rid of doubles here, so that neither arrival
 * nor repetition can show; n at least 1.  *out borrows their strings.
 * BL_ENOMEM, BL_ECORRUPT.
 */
int cases_fold(struct fold *out, struct fold_event *events, size_t n, const char *case_id,
    const char *process, const struct define_set *set, struct jsonw *w, struct bl_err *err);
void cases_fold_free(struct fold *f);
/* The order of a case's events, for qsort; nothing of arrival in it. */
int cases_by_time(const void *a, const void *b);

/* ---- cases_settle.c ---- */

/* The events of a case: strings are owned by text. */
struct cases_events {
	struct fold_event *e;
	size_t n, size;
	struct bl_buf text;
};

int cases_events_load(struct cases_events *l, struct cases_work *w, int64_t no, struct bl_err *err);
void cases_events_free(struct cases_events *l);

#endif
