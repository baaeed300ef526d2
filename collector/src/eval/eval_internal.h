/* Seen inside this folder only. */
#ifndef EVAL_INTERNAL_H
#define EVAL_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include <sqlite3.h>

#include "cases.h"
#include "control_sql.h"
#include "eval.h"
#include "incident.h"
#include "kpi.h"
#include "rule_engine.h"
#include "store_age.h"
#include "store_log.h"

#define EVAL_TX_MS          60    /* a transaction takes no further piece of work after this */
#define EVAL_LOG_BATCHES    500u  /* of one step */
#define EVAL_LOG_EVENTS     500u  /* of one step: each may be of another case */
#define EVAL_LOG_MOVED      16u   /* of what a late clock map moved: its batches come along */
#define EVAL_DIRTY_AT_ONCE  64u   /* spans of one step */
#define EVAL_PARTS_FIRST    128u  /* stored in the first step; later ones learn */
#define EVAL_PARTS_MIN      32u
#define EVAL_STORE_MS       90    /* storing parts and what follows from them takes at most */
#define EVAL_COMPUTE_MS     50    /* of one step, outside the transaction */
#define EVAL_CLOCKED_MS     1000  /* what time alone brings about */
#define EVAL_NO_DATA_MS     10000
#define EVAL_LIVE_MS        300000 /* what came within this of its end is live */
#define EVAL_REDO_SLICE     8u    /* subjects of one step */
#define EVAL_LOG_COVERS     500u  /* of one step, of hours whose batches are gone */
#define EVAL_RETAINED_MS    600000 /* how often it is asked what retention has taken */

/* Of a span: smaller first. */
enum eval_priority { EVAL_LIVE = 0, EVAL_PAST = 1, EVAL_ANEW = 2 };

struct eval_span {
	char device[BL_DEVICE_ID_MAX + 1];
	enum bl_stream stream;
	int64_t begin_unix_ms, end_unix_ms;
	enum eval_priority priority;
};

/* ---- eval_waiting.c: devices of which something waits ---- */
struct eval_waiter;
struct eval_waiters {
	struct eval_waiter *w;
	size_t n, size;
	uint64_t round;
	int64_t maps;	/* of the store when this round began */
	bool all;	/* this round looks at all of them */
	bool failed;    /* some of this round could not be written */
	uint64_t looks; /* at batches, in all */
};
void eval_waiters_free(struct eval_waiters *all);

struct eval {
	struct eval_opts opts;
	const struct bl_clock *clock;
	struct store_read *telemetry;
	sqlite3 *reader; /* of the control database */
	struct define_set *set;
	struct roster *roster;
	struct kpi_work *work;
	struct kpi_forgetting forgetting;
	struct store_age age; /* what is too old */
	struct kpi_closed closed; /* as work has it */
	size_t parts_at_once; /* of KPIs, in one transaction */

	/* when what time brings about was last looked at */
	int64_t clocked_mono_ms, no_data_mono_ms, counted_mono_ms;
	atomic_bool fleet_changed;
	int64_t fleet_cost_ms, fleet_again_mono_ms; /* of the last load; none before */
	bool services_left, definitions_left; /* loaded, not all of them taken in */
	int64_t retried_id;                   /* of what waits: looked at up to here */
	bool quiet;
	struct bl_id epoch;
	/*
	 * Of the state of the telemetry store that this step holds: how far its log goes,
	 * and whether some of it has not been taken in.  While it is behind, cases know less
	 * than coverage says, so neither rules about cases nor KPIs of steps look at it.
	 */
	struct store_log_head head;
	bool behind;
	bool waiting_left;    /* of what waits: not all of it was looked at */
	int64_t retried_maps; /* store_log_head.maps when it was; -1: all of it must be, again */
	struct eval_waiters waiters;
	/* Of what is older samples are not there one by one any more; as of the other instant. */
	int64_t retained_unix_ms, retained_mono_ms;

	/* the thread */
	pthread_t thread;
	bool running;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wake;
	bool stopping, woken, grown; /* grown: the log alone, which may gather */
	struct eval_status status;
};

/* One write transaction of this step. */
struct eval_tx {
	struct eval *e;
	struct sqlite3 *db;
	int64_t now_unix_ms, begun_mono_ms;
	struct kpi_changes cells;
	struct cases_changes cases;
	uint64_t findings;
};

typedef int (*eval_fn)(struct eval_tx *tx, void *ctx, struct bl_err *err);
/* Runs fn in a write transaction; what it found goes through rules, incidents and messages. */
int eval_write(struct eval *e, eval_fn fn, void *ctx, struct bl_err *err);
bool eval_tx_late(const struct eval_tx *tx);
void eval_rule_env(struct eval_tx *tx, struct rule_env *out);

/* ---- eval_dirty.c ---- */

/* An instant is a span, too: an event's, or an empty batch's. */
void eval_dirty_whole(struct eval_span *s);
/* Joins with what is noted already of the same priority where they touch. */
int eval_dirty_add(struct sqlite3 *db, const struct eval_span *s, struct bl_err *err);
/* The most urgent ones, with_events: also of that stream; returns how many, or negative. */
int eval_dirty_next(struct sqlite3 *db, bool with_events, struct eval_span *out, unsigned max,
    struct bl_err *err);
/* Worked out up to done_until (exclusive). */
int eval_dirty_done(
    struct sqlite3 *db, const struct eval_span *s, int64_t done_until, struct bl_err *err);
/* Every device in service at the site within the span, its events stream. */
int eval_dirty_site(struct eval_tx *tx, const char *site, int64_t begin, int64_t end,
    enum eval_priority priority, struct bl_err *err);

/* ---- eval_log.c: each returns 1 when something was done, 0, or negative ---- */
int eval_take_log(struct eval *e, struct bl_err *err);
/* Whether the log has something that has not been taken in: by what is committed. */
int eval_log_more(struct eval *e, bool *out, struct bl_err *err);
/* One that waited: 1: taken in, or gone; 0: it waits on; negative. */
int eval_take_again(struct eval_tx *tx, int64_t id, struct bl_err *err);
/* The store's epoch against the one that the results speak of. */
int eval_check_epoch(struct eval *e, struct bl_err *err);

/* ---- eval_waiting.c ---- */
int eval_retry_waiting(struct eval *e, struct bl_err *err);

/* ---- eval_work.c ---- */
int eval_work_dirty(struct eval *e, struct bl_err *err);
int eval_on_time(struct eval *e, struct bl_err *err);
/* notice_opts.catching_up; ctx is the evaluator. */
bool eval_catching_up(void *ctx, const char *site);

/* ---- eval_anew.c: definitions and fleet ---- */
int eval_refresh(struct eval *e, struct bl_err *err);
int eval_redo_slice(struct eval *e, struct bl_err *err);

/* ---- eval_keep.c ---- */
/* What is closed by now: when the evaluator is opened, and after each slice. */
int eval_load_closed(struct eval *e, struct bl_err *err);
int eval_forget(struct eval *e, struct bl_err *err);
/* Windows of that length that begin before may have gone: rules leave them alone. */
int64_t eval_closed_for(const struct eval *e, enum bl_window w);

#endif
