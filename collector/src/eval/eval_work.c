/*
 * The work itself: dirty spans become parts, cells, findings, messages.
 *
 * What is slow (reading the telemetry store) happens before the transaction;
 * inside stand the writes and what depends on them, in one piece: cells, rules,
 * incidents, messages, and the dirty spans that are done.
 */
#include "eval_internal.h"

#include <stdio.h>
#include <string.h>

#include "branchline/log.h"

#define TELL_MAX 100u /* incidents and messages of one transaction */

/* ---- a transaction ---- */

bool
eval_tx_late(const struct eval_tx *tx)
{
	return bl_mono_ms(tx->e->clock) - tx->begun_mono_ms >= EVAL_TX_MS;
}

static int
found(void *ctx, const struct rule_finding *f, struct bl_err *err)
{
	struct eval_tx *tx = ctx;

	tx->findings++;
	return incident_reconcile(tx->db, f, tx->now_unix_ms, err);
}

static int
late(void *ctx, const char *site, struct rule_late *l, size_t n, struct bl_err *err)
{
	struct eval_tx *tx = ctx;

	tx->findings += n;
	return incident_late(tx->db, site, l, n, err);
}

void
eval_rule_env(struct eval_tx *tx, struct rule_env *out)
{
	*out = (struct rule_env){
		.db = tx->db,
		.set = tx->e->set,
		.roster = tx->e->roster,
		.now_unix_ms = tx->now_unix_ms,
		.behind = tx->e->behind,
		.found = found,
		.late = late,
		.ctx = tx,
	};
}

/* Ends of steps that came, went or moved: their windows at every device of the site. */
static int
dirty_by_cases(struct eval_tx *tx, struct bl_err *err)
{
	int rc = BL_OK;

	for (size_t i = 0; i < tx->cases.n && rc >= 0; i++) {
		const struct cases_change *c = &tx->cases.c[i];

		if (c->touched_begin_unix_ms < c->touched_end_unix_ms)
			rc = eval_dirty_site(tx, c->site, c->touched_begin_unix_ms,
			    c->touched_end_unix_ms, EVAL_LIVE, err);
	}
	return rc;
}

static int
settle(struct eval_tx *tx, struct bl_err *err)
{
	struct rule_env env;
	int rc;

	eval_rule_env(tx, &env);
	if ((rc = cases_settle(tx->db, tx->e->set, &tx->cases, err)) < 0)
		return rc;
	if (tx->cases.n > 0 &&
	    ((rc = dirty_by_cases(tx, err)) < 0 ||
		(rc = rule_on_cases(&env, &tx->cases, tx->e->telemetry, err)) < 0))
		return rc;
	if (tx->cells.n > 0 && (rc = rule_on_cells(&env, &tx->cells, err)) < 0)
		return rc;
	return BL_OK;
}

struct asking {
	struct eval *e;
	bool more;
	int rc;
};

/* Backlog that the agent still holds, or spans of it that are not worked out. */
static bool
ask_device(const struct roster_service *s, void *ctx)
{
	struct asking *a = ctx;
	struct bl_err ignored = { 0 };
	int64_t dirty = 0;

	a->rc = store_log_backlog(a->e->telemetry, s->device, &a->more, &ignored);
	if (a->rc >= 0 && !a->more)
		a->rc = control_sql_int(a->e->reader, &ignored, 0, &dirty,
		    "SELECT count(*) FROM eval_dirty WHERE device = ? AND priority < ?", "ti",
		    s->device, (int64_t)EVAL_ANEW);
	a->more = a->more || dirty > 0;
	return a->rc >= 0 && !a->more;
}

bool
eval_catching_up(void *ctx, const char *site)
{
	struct asking a = { .e = ctx };
	const int64_t now = bl_unix_ms(a.e->clock);

	if (a.e->behind)
		return true;
	roster_in_service(a.e->roster, site, now, now + 1, ask_device, &a);
	return a.rc >= 0 && a.more; /* what cannot be asked keeps no page back */
}

/* How many incidents it decided about: TELL_MAX may have left some. */
static int
tell(struct eval_tx *tx, struct bl_err *err)
{
	struct eval *e = tx->e;

	return notice_run(
	    tx->db, e->set, e->roster, &e->opts.notice, tx->now_unix_ms, e->quiet, TELL_MAX, err);
}

struct write {
	struct eval *e;
	eval_fn fn;
	void *ctx;
	struct eval_tx tx;
	int64_t messages;
};

static int
count_messages(struct sqlite3 *db, int64_t *out, struct bl_err *err)
{
	return control_sql_int(db, err, 0, out, "SELECT coalesce(max(id), 0) FROM outbox", "");
}

static int
in_transaction(struct control_tx *ctx, void *arg, struct bl_err *err)
{
	struct write *w = arg;
	struct eval_tx *tx = &w->tx;
	int64_t before, after;
	int rc;

	control_tx_unaudited(ctx); /* nobody's change: it follows from the log */
	tx->e = w->e;
	tx->db = control_tx_db(ctx);
	tx->now_unix_ms = control_tx_unix_ms(ctx);
	tx->begun_mono_ms = bl_mono_ms(w->e->clock);
	if ((rc = count_messages(tx->db, &before, err)) < 0 || (rc = w->fn(tx, w->ctx, err)) < 0 ||
	    (rc = settle(tx, err)) < 0)
		return rc;
	if (tx->findings > 0 && (rc = tell(tx, err)) < 0)
		return rc;
	if ((rc = count_messages(tx->db, &after, err)) < 0)
		return rc;
	w->messages = after - before;
	return BL_OK;
}

static void
note_write(struct eval *e, const struct write *w, int64_t took_ms)
{
	pthread_mutex_lock(&e->lock);
	e->status.cells_changed += w->tx.cells.n;
	e->status.findings += w->tx.findings;
	e->status.events_refused += w->tx.cases.refused;
	if (took_ms > e->status.longest_tx_ms)
		e->status.longest_tx_ms = took_ms;
	pthread_mutex_unlock(&e->lock);
}

int
eval_write(struct eval *e, eval_fn fn, void *ctx, struct bl_err *err)
{
	const struct control_actor system = { "system", "" };
	struct write w = { .e = e, .fn = fn, .ctx = ctx };
	const int64_t begun = bl_mono_ms(e->clock);
	const int rc = control_write(e->opts.control, &system, in_transaction, &w, err);

	if (rc >= 0)
		note_write(e, &w, bl_mono_ms(e->clock) - begun);
	kpi_changes_free(&w.tx.cells);
	cases_changes_free(&w.tx.cases);
	if (rc >= 0 && w.messages > 0 && e->opts.outbox_changed != NULL)
		e->opts.outbox_changed(e->opts.ctx);
	return rc;
}

/* ---- dirty spans ---- */

struct work {
	struct eval_span span[EVAL_DIRTY_AT_ONCE];
	int64_t done_until[EVAL_DIRTY_AT_ONCE];
	unsigned n;
	bool full; /* there would have been more */
};

/* Sites whose cases wait for events, each once. */
struct sites {
	const char *site[EVAL_DIRTY_AT_ONCE * 4];
	size_t n;
};

static int
coverage_of_site(struct eval_tx *tx, struct sites *told, const char *site, struct bl_err *err)
{
	struct rule_env env;

	for (size_t i = 0; i < told->n; i++)
		if (told->site[i] == site)
			return BL_OK;
	if (told->n < sizeof(told->site) / sizeof(told->site[0]))
		told->site[told->n++] = site; /* over that it is only done again */
	eval_rule_env(tx, &env);
	return rule_on_coverage(&env, site, tx->e->telemetry, err);
}

/* Cases wait for the events of every device of their site. */
static int
coverage_moved(
    struct eval_tx *tx, struct sites *told, const struct eval_span *s, struct bl_err *err)
{
	const struct roster_service *service;
	size_t n;
	int rc;

	if (s->stream != BL_STREAM_EVENTS)
		return BL_OK;
	service = roster_services_of(tx->e->roster, s->device, &n);
	for (size_t i = 0; i < n; i++) {
		if (service[i].from_unix_ms >= s->end_unix_ms ||
		    service[i].to_unix_ms <= s->begin_unix_ms)
			continue;
		if ((rc = coverage_of_site(tx, told, service[i].site->id, err)) < 0)
			return rc;
	}
	return BL_OK;
}

static int
store_work(struct eval_tx *tx, void *ctx, struct bl_err *err)
{
	struct eval *e = tx->e;
	struct work *w = ctx;
	struct sites told = { .n = 0 };
	char why[BL_DEVICE_ID_MAX + 32];
	int rc;

	(void)snprintf(why, sizeof(why), "data of %s", w->n == 1 ? w->span[0].device : "devices");
	rc = kpi_store(e->work, tx->db, e->set, e->roster, tx->now_unix_ms, why, &tx->cells, err);
	for (unsigned i = 0; i < w->n && rc >= 0; i++) {
		rc = eval_dirty_done(tx->db, &w->span[i], w->done_until[i], err);
		if (rc >= 0)
			rc = coverage_moved(tx, &told, &w->span[i], err);
	}
	return rc;
}

/*
 * How many parts are stored at once follows from how long the last ones took: with
 * many rules and a slow disk a tenth of what an idle machine takes in the same time.
 */
static void
learn_limit(struct eval *e, bool full, int64_t took_ms)
{
	const size_t n = kpi_work_parts(e->work);
	size_t limit = e->parts_at_once;

	if (took_ms > EVAL_STORE_MS && n > 0)
		limit = n * EVAL_STORE_MS / (size_t)took_ms;
	else if (took_ms < EVAL_STORE_MS / 2 && full)
		limit += limit / 2;
	if (limit < EVAL_PARTS_MIN)
		limit = EVAL_PARTS_MIN;
	e->parts_at_once = limit < KPI_WORK_PARTS ? limit : KPI_WORK_PARTS;
}

static int
know_retained(struct eval *e, struct bl_err *err)
{
	const int64_t now = bl_mono_ms(e->clock);
	int rc;

	if (e->retained_mono_ms != 0 && now - e->retained_mono_ms < EVAL_RETAINED_MS)
		return BL_OK;
	if ((rc = store_log_retained(e->telemetry, &e->retained_unix_ms, err)) == BL_OK)
		e->retained_mono_ms = now > 0 ? now : 1;
	return rc;
}

/* Of what retention has taken nothing can be worked out again: what was, stands. */
static int64_t
begin_of(const struct eval *e, const struct eval_span *s)
{
	return s->stream == BL_STREAM_EVENTS || s->begin_unix_ms >= e->retained_unix_ms
		   ? s->begin_unix_ms
		   : e->retained_unix_ms;
}

/* Parts of as many spans as fit into a step; a span may be done in part. */
static int
compute(struct eval *e, struct work *w, struct bl_err *err)
{
	const int64_t begun = bl_mono_ms(e->clock);
	const unsigned n = w->n;
	int rc;

	if ((rc = know_retained(e, err)) < 0)
		return rc;
	kpi_work_reset(e->work);
	kpi_work_limit(e->work, 2 * e->parts_at_once); /* it reckons with windows at the edges */
	w->full = false;
	for (w->n = 0; w->n < n;) {
		const struct eval_span *s = &w->span[w->n];
		const int64_t begin = begin_of(e, s);

		w->done_until[w->n] = s->end_unix_ms;
		if (begin >= s->end_unix_ms) {
			w->n++;
			continue;
		}
		kpi_work_look_back(e->work, s->priority == EVAL_ANEW);
		rc = kpi_compute(e->work, e->telemetry, e->reader, e->set, e->roster, s->device,
		    s->stream, begin, s->end_unix_ms, NULL, &w->done_until[w->n], err);
		if (rc < 0)
			return rc;
		w->n++;
		w->full = w->done_until[w->n - 1] < s->end_unix_ms ||
			  kpi_work_parts(e->work) >= e->parts_at_once;
		if (w->full || bl_mono_ms(e->clock) - begun >= EVAL_COMPUTE_MS)
			break;
	}
	return BL_OK;
}

int
eval_work_dirty(struct eval *e, struct bl_err *err)
{
	int64_t begun;
	struct work w;
	int rc;

	if ((rc = eval_dirty_next(e->reader, !e->behind, w.span, EVAL_DIRTY_AT_ONCE, err)) <= 0)
		return rc;
	w.n = (unsigned)rc;
	if ((rc = compute(e, &w, err)) < 0)
		return rc;
	begun = bl_mono_ms(e->clock);
	if ((rc = eval_write(e, store_work, &w, err)) < 0)
		return rc;
	learn_limit(e, w.full, bl_mono_ms(e->clock) - begun);
	return 1;
}

/* ---- what time alone brings about ---- */

struct clocked {
	bool no_data, ended_quiet;
	unsigned n;
};

static int
caught_up(struct eval_tx *tx, bool *out, struct bl_err *err)
{
	int64_t dirty;
	bool more;
	int rc;

	*out = false;
	if ((rc = eval_log_more(tx->e, &more, err)) < 0 || more)
		return rc;
	rc = control_sql_int(tx->db, err, 0, &dirty, "SELECT count(*) FROM eval_dirty", "");
	*out = dirty == 0;
	return rc;
}

/* After a restore: what is undecided by now goes into one digest a site. */
static int
end_quiet(struct eval_tx *tx, bool *ended, struct bl_err *err)
{
	int rc;

	if (!tx->e->quiet)
		return BL_OK;
	if ((rc = caught_up(tx, ended, err)) < 0 || !*ended || (rc = tell(tx, err)) < 0)
		return rc;
	if (rc >= (int)TELL_MAX) { /* the rest must not be told as if it were new */
		*ended = false;
		return BL_OK;
	}
	return control_sql_run(tx->db, err, "UPDATE eval SET quiet = 0", "");
}

static int
on_time(struct eval_tx *tx, void *ctx, struct bl_err *err)
{
	struct clocked *c = ctx;
	const int64_t final_after =
	    tx->e->opts.final_after_ms > 0 ? tx->e->opts.final_after_ms : KPI_FINAL_AFTER_MS;
	struct rule_env env;
	int n, rc;

	eval_rule_env(tx, &env);
	if ((n = kpi_finalise(tx->db, tx->now_unix_ms, final_after, 200, &tx->cells, err)) < 0)
		return n;
	c->n += (unsigned)n;
	if ((rc = rule_on_time(&env, 200, err)) < 0)
		return rc;
	if (c->no_data && (rc = rule_no_data(&env, tx->e->telemetry, err)) < 0)
		return rc;
	if ((rc = settle(tx, err)) < 0 || (rc = tell(tx, err)) < 0)
		return rc;
	tx->cells.n = 0; /* settled here, before the messages */
	return end_quiet(tx, &c->ended_quiet, err);
}

int
eval_on_time(struct eval *e, struct bl_err *err)
{
	const int64_t now = bl_mono_ms(e->clock);
	struct clocked c = { .no_data = false };
	int rc;

	if (e->clocked_mono_ms != 0 && now - e->clocked_mono_ms < EVAL_CLOCKED_MS)
		return 0;
	e->clocked_mono_ms = now;
	if (e->no_data_mono_ms == 0 || now - e->no_data_mono_ms >= EVAL_NO_DATA_MS) {
		e->no_data_mono_ms = now;
		c.no_data = true;
	}
	if ((rc = eval_write(e, on_time, &c, err)) < 0)
		return rc;
	if (c.ended_quiet)
		e->quiet = false;
	return c.n > 0;
}
