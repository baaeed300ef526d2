/*
 * Cases: runs of business processes, put together from the step events of all
 * devices of a site, across restarts and outages.
 *
 * A case is worked out anew from all its events in order of time whenever one
 * comes, so the order of arrival cannot show.  Functions with a struct sqlite3
 * that change something run inside the evaluator's write transaction.
 *
 * An event belongs here when its type is step.begin, step.end or step.event
 * and it has the attributes `process` and `case` (begin, end: `step`, too); all
 * others are the case's attributes.  step.event with `status` changes the status.
 */
#ifndef CASES_H
#define CASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/err.h"
#include "branchline/wire.h"
#include "define.h"
#include "roster.h"

#define CASES_ID_MAX     128u  /* bytes of a case id */
#define CASES_EVENTS_MAX 1000u /* of one case; more are counted, not kept */
#define CASES_OPEN       INT64_MAX

/* What became of a case in this transaction: for KPIs and rules. */
struct cases_change {
	int64_t no;
	char site[BL_ID_TEXT_MAX + 1];
	char process[BL_ID_TEXT_MAX + 1];
	int64_t begin_unix_ms, end_unix_ms; /* CASES_OPEN */
	/* [touched_begin, touched_end): ends of steps and of the case that came, went or moved,
	 * joined; empty when none: the windows of event time whose KPIs have to be worked out
	 * again. */
	int64_t touched_begin_unix_ms, touched_end_unix_ms;
	bool gone; /* all its events turned out to belong elsewhere: reading finds it no more */
};
/*
 * Of one transaction: zero to begin with, the same one for all calls in it, freed
 * before its connection is closed, and when the transaction fails.
 */
struct cases_changes {
	struct cases_change *c;
	size_t n, size;
	uint64_t refused; /* events over a cap, with a bad form, or of a device that was in service
			     nowhere then */
	struct cases_work *work; /* private: statements, and what is not settled yet */
};
void cases_changes_free(struct cases_changes *l);

struct cases_event {
	int64_t batch_id;
	uint32_t n; /* index in its batch */
	const char *device;
	int64_t unix_ms;
	const struct bl_event *ev;
};

/*
 * CASES_TAKEN: it belongs to a case.  Known before: nothing changes, unless it has
 * another time (its clock map came) or another site by now: then it moves.
 * CASES_OTHER: none of ours, or refused.
 */
enum cases_taken { CASES_OTHER = 0, CASES_TAKEN = 1 };
int cases_take(struct sqlite3 *db, const struct roster *roster, const struct cases_event *e,
    struct cases_changes *out, struct bl_err *err);
/* Works out every case that cases_take touched since the last call; adds what changed to out. */
int cases_settle(struct sqlite3 *db, const struct define_set *set, struct cases_changes *out,
    struct bl_err *err);
/* A process was defined anew: its cases with an event at or after `from`, at most limit a call,
 * with numbers above after_no; *last_no: the last one done; returns how many, 0: done. */
int cases_redo(struct sqlite3 *db, const struct define_set *set, const char *process, int64_t from,
    int64_t after_no, size_t limit, int64_t *last_no, struct cases_changes *out,
    struct bl_err *err);

/*
 * The telemetry store is another one now (a restore): its batches have other ids.  Events that
 * are known stay; those that are taken in again are recognised by what they say.
 */
int cases_new_epoch(struct sqlite3 *db, struct bl_err *err);

/* ---- reading ---- */

struct cases_row {
	int64_t no;
	const char *site, *process, *case_id, *status, *attrs; /* attrs: JSON object */
	int64_t begin_unix_ms, end_unix_ms;                    /* CASES_OPEN */
	int64_t events;
};
typedef bool (*cases_row_cb)(void *ctx, const struct cases_row *c);

struct cases_filter {
	const char *site;                 /* NULL: all */
	const char *process;              /* NULL: all */
	int64_t from_unix_ms, to_unix_ms; /* cases that touch it */
	bool open_only;
	int64_t before_no; /* paging by (begin, no), newest first; 0: from the newest */
	size_t limit;
};
int cases_each(struct sqlite3 *db, const struct cases_filter *f, cases_row_cb cb, void *ctx,
    struct bl_err *err);
/* BL_ENOTFOUND: none; err is left alone. */
int cases_get(struct sqlite3 *db, int64_t no, cases_row_cb cb, void *ctx, struct bl_err *err);

/* attrs: the case's, as they were when the step ended (when it has not: as they are). */
struct cases_step {
	const char *step, *device, *attrs;
	int64_t begin_unix_ms; /* INT64_MIN: its begin never came */
	int64_t end_unix_ms;   /* CASES_OPEN */
};
typedef bool (*cases_step_cb)(void *ctx, const struct cases_step *s);
int cases_steps(struct sqlite3 *db, int64_t no, cases_step_cb cb, void *ctx, struct bl_err *err);

struct cases_event_row {
	const char *device, *type, *step, *attrs;
	int64_t unix_ms;
};
typedef bool (*cases_event_cb)(void *ctx, const struct cases_event_row *e);
int cases_events(struct sqlite3 *db, int64_t no, cases_event_cb cb, void *ctx, struct bl_err *err);

/* Steps of a device that ended in [from, to), in order of (end, case, n): what step KPIs read.
 * Only those with a begin.  row has site, process, case. */
typedef bool (*cases_ended_cb)(void *ctx, const struct cases_row *c, const struct cases_step *s);
int cases_ended_steps(struct sqlite3 *db, const char *device, int64_t from, int64_t to,
    cases_ended_cb cb, void *ctx, struct bl_err *err);
/* Cases of a site that ended in [from, to) and whose ending event came from that device; s is NULL.
 */
int cases_ended(struct sqlite3 *db, const char *device, int64_t from, int64_t to, cases_ended_cb cb,
    void *ctx, struct bl_err *err);

/* The attributes of a JSON object as values of an expression's names. */
struct cases_attrs;
int cases_attrs_parse(struct cases_attrs **out, const char *json, struct bl_err *err);
/* Of a case as they were at that instant, events at it included.  BL_ENOTFOUND: no such case. */
int cases_attrs_at(
    struct cases_attrs **out, struct sqlite3 *db, int64_t no, int64_t unix_ms, struct bl_err *err);
void cases_attrs_free(struct cases_attrs *a); /* NULL is fine */
/* BL_VALUE_NULL: not there.  Text is borrowed from a. */
void cases_attr(const struct cases_attrs *a, const char *name, struct bl_value *out);

#endif
