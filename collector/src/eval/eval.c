/*
 * The evaluator: opening, one step, its thread.
 *
 * A step is a bounded piece of each kind of work: what people changed, what time
 * brings about, what came, what is dirty.
 */
#include "eval_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "branchline/log.h"

#define IDLE_MS   1000
#define FAILED_MS 1000
#define COUNT_MS  2000 /* how often the status counts rows */
#define GATHER_MS 200  /* between steps for what comes: at rest the first one is at once */

int
eval_open(struct eval **out, const struct eval_opts *opts, struct bl_err *err)
{
	pthread_condattr_t attr;
	struct eval *e;
	int rc;

	*out = NULL;
	if ((e = calloc(1, sizeof(*e))) == NULL)
		return bl_fail(err, BL_ENOMEM, "open the evaluator: out of memory");
	e->opts = *opts;
	e->opts.notice.catching_up = eval_catching_up;
	e->opts.notice.ctx = e;
	e->clock = opts->clock;
	e->age = opts->age;
	e->parts_at_once = EVAL_PARTS_FIRST;
	e->status.ok = true;
	(void)pthread_mutex_init(&e->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&e->wake, &attr);
	(void)pthread_condattr_destroy(&attr);
	if ((rc = store_read_open(&e->telemetry, opts->telemetry_path, opts->clock, err)) < 0 ||
	    (rc = control_reader_open(opts->control, &e->reader, err)) < 0 ||
	    (rc = kpi_work_create(&e->work, err)) < 0 || (rc = eval_load_closed(e, err)) < 0) {
		eval_close(e);
		return rc;
	}
	store_read_watch(e->telemetry, opts->store_damaged, opts->ctx);
	*out = e;
	return BL_OK;
}

void
eval_close(struct eval *e)
{
	if (e == NULL)
		return;
	eval_stop(e);
	kpi_work_free(e->work);
	define_set_free(e->set);
	roster_free(e->roster);
	control_reader_close(e->reader);
	store_read_close(e->telemetry);
	eval_waiters_free(&e->waiters);
	(void)pthread_cond_destroy(&e->wake);
	(void)pthread_mutex_destroy(&e->lock);
	free(e);
}

/* ---- one step ---- */

#define NEEDED 2 /* the first ones: nothing goes on without them */

/* Each gets its piece in every step, so that none can starve another. */
static int (*const kinds_of_work[])(struct eval *e, struct bl_err *err) = {
	eval_check_epoch,
	eval_refresh,
	eval_retry_waiting,
	eval_take_log,
	eval_on_time,
	eval_forget,
	eval_redo_slice,
	eval_work_dirty,
};

static void
note_step(struct eval *e, int rc, const struct bl_err *err)
{
	pthread_mutex_lock(&e->lock);
	e->status.steps++;
	e->status.last_step_mono_ms = bl_mono_ms(e->clock);
	e->status.ok = rc >= 0;
	if (rc < 0)
		(void)snprintf(e->status.why, sizeof(e->status.why), "%s", err->msg);
	else
		e->status.why[0] = '\0';
	pthread_mutex_unlock(&e->lock);
}

static int
count_rows(struct eval *e, struct bl_err *err)
{
	int64_t batch_id, lsn, dirty, waiting;
	int rc;

	if ((rc = control_sql_int(e->reader, err, 0, &batch_id, "SELECT batch_id FROM eval", "")) <
		0 ||
	    (rc = control_sql_int(e->reader, err, 0, &lsn, "SELECT lsn FROM eval", "")) < 0 ||
	    (rc = control_sql_int(
		 e->reader, err, 0, &dirty, "SELECT count(*) FROM eval_dirty", "")) < 0 ||
	    (rc = control_sql_int(
		 e->reader, err, 0, &waiting, "SELECT count(*) FROM eval_waiting", "")) < 0)
		return rc;
	pthread_mutex_lock(&e->lock);
	e->status.batch_id = batch_id;
	e->status.lsn = lsn;
	e->status.dirty = dirty;
	e->status.waiting = waiting;
	e->status.waiting_looks = e->waiters.looks;
	e->status.behind_batches = e->head.batch_id > batch_id ? e->head.batch_id - batch_id : 0;
	pthread_mutex_unlock(&e->lock);
	return BL_OK;
}

static int
count_now_and_then(struct eval *e, struct bl_err *err)
{
	const int64_t now = bl_mono_ms(e->clock);

	if (e->counted_mono_ms != 0 && now - e->counted_mono_ms < COUNT_MS)
		return BL_OK;
	e->counted_mono_ms = now;
	return count_rows(e, err);
}

int
eval_step(struct eval *e, struct bl_err *err)
{
	bool more = false;
	int rc = 0;

	/* One state of the log for all of it, or coverage would be ahead of cases. */
	if ((rc = store_read_hold(e->telemetry, err)) < 0 ||
	    (rc = store_log_head(e->telemetry, &e->head, err)) < 0) {
		store_read_release(e->telemetry);
		note_step(e, rc, err);
		return rc;
	}
	e->behind = true;
	/* What fails does not keep the others from going on; the first failure is told. */
	for (size_t i = 0; i < sizeof(kinds_of_work) / sizeof(kinds_of_work[0]); i++) {
		struct bl_err why = { 0 };
		const int one = kinds_of_work[i](e, &why);

		more = more || one > 0;
		if (one < 0 && rc >= 0) {
			rc = one;
			*err = why;
		}
		if (one < 0 && i < NEEDED)
			break;
	}
	if (rc >= 0) {
		const int counted = count_now_and_then(e, err);

		rc = counted < 0 ? counted : more;
	}
	store_read_release(e->telemetry);
	note_step(e, rc, err);
	return rc;
}

/* ---- the thread ---- */

static struct timespec
in_ms(int64_t ms)
{
	struct timespec at;

	(void)clock_gettime(CLOCK_MONOTONIC, &at); /* exists on every kernel we run on */
	at.tv_sec += ms / 1000;
	at.tv_nsec += ms % 1000 * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	return at;
}

/* What comes gathers for GATHER_MS from now on; people need not wait. */
static void
wait_for(struct eval *e, int64_t ms)
{
	const struct timespec gathered = in_ms(GATHER_MS), until = in_ms(ms);
	bool may_gather = false;

	pthread_mutex_lock(&e->lock);
	while (!e->woken && !e->stopping && !(e->grown && may_gather)) {
		const struct timespec *at = may_gather ? &until : &gathered;

		if (pthread_cond_timedwait(&e->wake, &e->lock, at) == 0)
			continue;
		if (may_gather)
			break; /* the time has come */
		may_gather = true;
	}
	e->woken = e->grown = false;
	pthread_mutex_unlock(&e->lock);
}

static bool
stopping(struct eval *e)
{
	bool stop;

	pthread_mutex_lock(&e->lock);
	stop = e->stopping;
	pthread_mutex_unlock(&e->lock);
	return stop;
}

static void *
eval_main(void *arg)
{
	struct eval *e = arg;
	struct bl_log_limit limit = { 0 };
	bool failing = false;

	while (!stopping(e)) {
		struct bl_err err = { 0 };
		unsigned swallowed = 0;
		const int rc = eval_step(e, &err);

		if (rc < 0 && bl_log_allow(&limit, bl_mono_ms(e->clock), 60000, &swallowed))
			bl_error("eval",
			    "%s; nothing was kept of this step, will try again in 1 s"
			    " (%u more like it)",
			    err.msg, swallowed);
		if (rc >= 0 && failing)
			bl_info("eval", "evaluation works again");
		failing = rc < 0;
		if (rc <= 0)
			wait_for(e, rc < 0 ? FAILED_MS : IDLE_MS);
	}
	return NULL;
}

int
eval_start(struct eval *e, struct bl_err *err)
{
	const int rc = pthread_create(&e->thread, NULL, eval_main, e);

	if (rc != 0)
		return bl_fail(err, BL_ENOMEM, "start the evaluator's thread: %s", strerror(rc));
	e->running = true;
	return BL_OK;
}

void
eval_stop(struct eval *e)
{
	if (e == NULL || !e->running)
		return;
	pthread_mutex_lock(&e->lock);
	e->stopping = true;
	(void)pthread_cond_signal(&e->wake);
	pthread_mutex_unlock(&e->lock);
	(void)pthread_join(e->thread, NULL);
	e->running = false;
}

void
eval_wake(struct eval *e)
{
	pthread_mutex_lock(&e->lock);
	e->woken = true;
	(void)pthread_cond_signal(&e->wake);
	pthread_mutex_unlock(&e->lock);
}

void
eval_log_grew(struct eval *e)
{
	pthread_mutex_lock(&e->lock);
	if (!e->grown)
		(void)pthread_cond_signal(&e->wake);
	e->grown = true;
	pthread_mutex_unlock(&e->lock);
}

void
eval_fleet_changed(struct eval *e)
{
	atomic_store(&e->fleet_changed, true);
	eval_wake(e);
}

void
eval_status(struct eval *e, struct eval_status *out)
{
	pthread_mutex_lock(&e->lock);
	*out = e->status;
	pthread_mutex_unlock(&e->lock);
}
