/*
 * The evaluator: a function of the log.  Log -> cases, parts -> cells -> rules ->
 * incidents, messages.  Its results and the place that it has reached commit
 * together: a crash repeats nothing and skips nothing.
 *
 * eval_step does a bounded piece of work and can be driven by a test with a fake
 * clock; eval_start runs it in a thread of its own.
 */
#ifndef EVAL_H
#define EVAL_H

#include <stdbool.h>
#include <stdint.h>

#include "branchline/clock.h"
#include "branchline/err.h"
#include "control.h"
#include "kpi.h"
#include "notice.h"
#include "store_age.h"
#include "store_read.h"

struct eval;
struct sqlite3;

struct eval_opts {
	struct control *control;      /* keeps */
	const char *telemetry_path;   /* keeps */
	const struct bl_clock *clock; /* keeps */
	const char *tz_dir;           /* NULL: the system's */
	struct notice_opts notice;
	int64_t final_after_ms;       /* 0: KPI_FINAL_AFTER_MS */
	struct kpi_keep keep;         /* longer than what is provisional */
	struct store_age age;         /* as compact_opts has it */
	void (*outbox_changed)(void *ctx); /* messages were put; may be NULL */
	store_damaged_fn store_damaged; /* the telemetry store is; may be NULL */
	void *ctx;
};

int eval_open(struct eval **out, const struct eval_opts *opts, struct bl_err *err);
void eval_close(struct eval *e); /* NULL is fine */

/*
 * One piece of work: at most about 100 ms in a write transaction.  1: there is more
 * to do now; 0: nothing until something comes or time passes; negative: failed,
 * nothing was kept, try again later.
 */
int eval_step(struct eval *e, struct bl_err *err);

/* A thread that steps.  eval_wake: people changed something; eval_log_grew: what came waits until
 * 200 ms after the last step, because a step costs the same for one batch and for many.  Any
 * thread. */
int eval_start(struct eval *e, struct bl_err *err);
void eval_stop(struct eval *e);
void eval_wake(struct eval *e);
void eval_log_grew(struct eval *e);
/* Sites or devices changed: what depends on who was in service is worked out again. Any thread. */
void eval_fleet_changed(struct eval *e);

/*
 * Batches of the telemetry store of that epoch with ids up to this have been taken in, as it is
 * committed.  0: none; it is another store that the results speak of; it cannot be told now.
 * control: a reader of the control database, the caller's.
 */
int64_t eval_passed(struct sqlite3 *control, const struct bl_id *epoch);

struct eval_status {
	bool ok;
	char why[192];
	int64_t batch_id, lsn;
	int64_t behind_batches;    /* in the log, not taken in */
	int64_t dirty, waiting;    /* spans to be worked out; batches without clock or dictionary */
	uint64_t waiting_looks;    /* at one of those, to see whether it can be taken in */
	uint64_t steps, cells_changed, parts_stored, findings;
	uint64_t events_refused; /* step events that belong to no case; repeats too */
	uint64_t kpi_rows_forgotten; /* by retention */
	int64_t longest_tx_ms;
	int64_t last_step_mono_ms;
};
void eval_status(struct eval *e, struct eval_status *out);

#endif
