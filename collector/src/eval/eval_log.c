/*
 * From the log: each batch's span becomes dirty, its step events go into cases.
 * The place reached commits with that, so a crash takes nothing in twice and
 * leaves nothing out.
 *
 * A batch whose boot has no trusted clock yet cannot be placed, and one whose
 * dictionary entries have not come cannot be read whole: both are noted and
 * looked at again.
 */
#include "eval_internal.h"

#include <stdio.h>
#include <string.h>

#include "branchline/log.h"

/* ---- one batch ---- */

#define NOTED 32u /* spans that wait for their neighbours before they become rows */

struct take {
	struct eval_tx *tx;
	struct bl_err *err;
	int rc;
	int64_t last_id, lsn;
	unsigned n;
	uint64_t events;
	/* the batch whose events are read */
	struct cases_event event;
	struct eval_span noted[NOTED];
	unsigned n_noted;
};

static bool
joins(const struct eval_span *a, const struct eval_span *b)
{
	return a->stream == b->stream && a->priority == b->priority &&
	       a->begin_unix_ms <= b->end_unix_ms && a->end_unix_ms >= b->begin_unix_ms &&
	       strcmp(a->device, b->device) == 0;
}

/* What was noted becomes rows: at the end of each transaction. */
static int
write_noted(struct take *t)
{
	int rc = BL_OK;

	for (unsigned i = 0; i < t->n_noted && rc >= 0; i++)
		rc = eval_dirty_add(t->tx->db, &t->noted[i], t->err);
	t->n_noted = 0;
	return rc;
}

/* Of a backlog many batches touch the one before: four statements for all of those. */
static int
note_span(struct take *t, struct eval_span *s)
{
	int rc;

	eval_dirty_whole(s);
	for (unsigned i = 0; i < t->n_noted; i++) {
		struct eval_span *old = &t->noted[i];

		if (!joins(old, s))
			continue;
		if (s->begin_unix_ms < old->begin_unix_ms)
			old->begin_unix_ms = s->begin_unix_ms;
		if (s->end_unix_ms > old->end_unix_ms)
			old->end_unix_ms = s->end_unix_ms;
		return BL_OK;
	}
	if (t->n_noted == NOTED && (rc = write_noted(t)) < 0)
		return rc;
	t->noted[t->n_noted++] = *s;
	return BL_OK;
}

static bool
take_event(void *ctx, uint32_t index, int64_t unix_ms, const struct bl_event *ev)
{
	struct take *t = ctx;

	t->event.n = index;
	t->event.unix_ms = unix_ms;
	t->event.ev = ev;
	t->rc = cases_take(
	    t->tx->db, t->tx->e->roster, &t->event, &t->tx->cases, t->err);
	return t->rc >= 0;
}

static int
take_events(struct take *t, const struct store_log_batch *b)
{
	int rc;

	t->event = (struct cases_event){ .batch_id = b->id, .device = b->device };
	rc = store_log_events(t->tx->e->telemetry, b->id, take_event, t, t->err);
	if (t->rc < 0)
		return t->rc;
	if (rc == BL_ECORRUPT || rc == BL_ENOTFOUND) {
		/* It was checked before it was stored: the disk has changed it. */
		bl_error("eval", "events of batch %lld of device %s are left out: %s",
		    (long long)b->id, b->device, t->err->msg);
		return BL_OK;
	}
	return rc;
}

static int
take_placed(struct take *t, const struct store_log_batch *b)
{
	const struct eval_span s = {
		.stream = b->stream,
		.begin_unix_ms = b->begin_unix_ms,
		.end_unix_ms = b->end_unix_ms,
		.priority =
		    b->arrived_unix_ms - b->end_unix_ms < EVAL_LIVE_MS ? EVAL_LIVE : EVAL_PAST,
	};
	struct eval_span span = s;
	int rc;

	(void)snprintf(span.device, sizeof(span.device), "%s", b->device);
	if ((rc = note_span(t, &span)) < 0)
		return rc;
	if (b->stream == BL_STREAM_EVENTS && b->n_events > 0)
		return take_events(t, b);
	return BL_OK;
}

static int
note_waiting(struct take *t, const struct store_log_batch *b)
{
	return control_sql_run(t->tx->db, t->err,
	    "INSERT INTO eval_waiting (batch_id, device, since_unix_ms) VALUES (?, ?, ?)"
	    " ON CONFLICT DO NOTHING",
	    "iti", b->id, b->device, t->tx->now_unix_ms);
}

static bool
take_batch(void *ctx, const struct store_log_batch *b)
{
	struct take *t = ctx;
	const bool placed = b->begin_unix_ms != STORE_TIME_NONE;

	t->rc = BL_OK;
	if (!placed || b->dict_missing)
		t->rc = note_waiting(t, b);
	if (t->rc >= 0 && placed)
		t->rc = take_placed(t, b);
	if (t->rc < 0)
		return false;
	t->last_id = b->id;
	t->lsn = b->lsn;
	t->n++;
	t->events += b->n_events;
	/* What follows from events costs more than taking them in. */
	return !eval_tx_late(t->tx) && t->events < EVAL_LOG_EVENTS;
}

/* ---- ledger entries ---- */

static bool
take_gap(void *ctx, const struct store_gap *g)
{
	struct take *t = ctx;
	struct eval_span s = {
		.stream = g->stream,
		.begin_unix_ms = g->from_unix_ms,
		.end_unix_ms = g->to_unix_ms,
		.priority = EVAL_PAST,
	};

	(void)snprintf(s.device, sizeof(s.device), "%s", g->device);
	t->rc = BL_OK;
	/* Of an hour that cannot be read any more, what was worked out while it could be stands. */
	if (!g->lost_part && g->from_unix_ms != STORE_TIME_NONE && g->to_unix_ms != STORE_TIME_NONE)
		t->rc = eval_dirty_add(t->tx->db, &s, t->err);
	if (t->rc < 0)
		return false;
	t->last_id = g->id;
	t->n++;
	return !eval_tx_late(t->tx);
}

/* ---- what late clock maps have moved ---- */

static bool
take_moved(void *ctx, const struct store_log_moved *m)
{
	struct take *t = ctx;
	struct eval_span s = {
		.stream = m->stream,
		.begin_unix_ms = m->begin_unix_ms,
		.end_unix_ms = m->end_unix_ms,
		.priority = EVAL_PAST,
	};

	(void)snprintf(s.device, sizeof(s.device), "%s", m->device);
	if ((t->rc = eval_dirty_add(t->tx->db, &s, t->err)) < 0)
		return false;
	t->last_id = m->id;
	t->n++;
	return true; /* its batches follow; a slice is short */
}

/* Its events have other times now. */
static bool
take_moved_batch(void *ctx, const struct store_log_batch *b)
{
	struct take *t = ctx;

	t->rc = take_events(t, b);
	return t->rc >= 0;
}

/* ---- hours whose batches are gone ---- */

static bool
take_cover(void *ctx, const struct store_log_moved *m)
{
	struct take *t = ctx;

	(void)take_moved(ctx, m);
	return t->rc >= 0 && !eval_tx_late(t->tx);
}

/* The place in coverage; -1: it has been gone through. */
static int
cover_place(struct sqlite3 *db, int64_t *out, struct bl_err *err)
{
	return control_sql_int(
	    db, err, -1, out, "SELECT coalesce(cover_id, -1) FROM eval", "");
}

/* Its batches told of their events when they came, and still do; here it is about samples. */
static int
take_covers(struct take *t, bool *left, struct bl_err *err)
{
	int64_t after, reached;
	int rc;

	*left = false;
	if ((rc = cover_place(t->tx->db, &after, err)) < 0 || after < 0)
		return rc;
	rc = store_log_covers(
	    t->tx->e->telemetry, after, EVAL_LOG_COVERS, take_cover, t, &reached, err);
	if (t->rc < 0)
		return t->rc;
	if (rc < 0)
		return rc;
	*left = reached < INT64_MAX;
	t->n += *left;
	return *left ? control_sql_run(t->tx->db, err, "UPDATE eval SET cover_id = ?", "i", reached)
		     : control_sql_run(t->tx->db, err, "UPDATE eval SET cover_id = NULL", "");
}

/* ---- the step ---- */

static int
place_of(struct eval_tx *tx, const char *column, int64_t *out, struct bl_err *err)
{
	char sql[64];

	(void)snprintf(sql, sizeof(sql), "SELECT %s FROM eval", column);
	return control_sql_int(tx->db, err, 0, out, sql, "");
}

static int
take_gaps(struct take *t, struct bl_err *err)
{
	int64_t after;
	int rc;

	if ((rc = place_of(t->tx, "gap_id", &after, err)) < 0)
		return rc;
	t->last_id = after;
	rc = store_log_gaps(t->tx->e->telemetry, after, EVAL_LOG_BATCHES, take_gap, t, err);
	if (t->rc < 0)
		return t->rc;
	if (rc < 0 || t->last_id == after)
		return rc;
	return control_sql_run(
	    t->tx->db, err, "UPDATE eval SET gap_id = ?", "i", t->last_id);
}

static int
take_batches(struct take *t, struct bl_err *err)
{
	int64_t after;
	int rc;

	if ((rc = place_of(t->tx, "batch_id", &after, err)) < 0)
		return rc;
	t->last_id = after;
	rc = store_log_batches(t->tx->e->telemetry, after, EVAL_LOG_BATCHES, take_batch, t, err);
	if (t->rc < 0 || (t->rc = write_noted(t)) < 0)
		return t->rc;
	if (rc < 0 || t->last_id == after)
		return rc;
	return control_sql_run(t->tx->db, err, "UPDATE eval SET batch_id = ?, lsn = ?", "ii",
	    t->last_id, t->lsn);
}

static int
take_all_moved(struct take *t, struct bl_err *err)
{
	int64_t after;
	int rc;

	if ((rc = place_of(t->tx, "moved_id", &after, err)) < 0)
		return rc;
	t->last_id = after;
	rc = store_log_moved(
	    t->tx->e->telemetry, after, EVAL_LOG_MOVED, take_moved, take_moved_batch, t, err);
	if (t->rc < 0)
		return t->rc;
	if (rc < 0 || t->last_id == after)
		return rc;
	return control_sql_run(
	    t->tx->db, err, "UPDATE eval SET moved_id = ?", "i", t->last_id);
}

static int
take_in(struct eval_tx *tx, void *ctx, struct bl_err *err)
{
	struct take batches = { .tx = tx, .err = err }, gaps = { .tx = tx, .err = err },
		    moved = { .tx = tx, .err = err }, covers = { .tx = tx, .err = err };
	unsigned *n = ctx;
	bool left;
	int rc;

	if ((rc = take_batches(&batches, err)) < 0 || (rc = take_gaps(&gaps, err)) < 0 ||
	    (rc = take_all_moved(&moved, err)) < 0 || (rc = take_covers(&covers, &left, err)) < 0)
		return rc;
	*n = batches.n + gaps.n + moved.n + covers.n;
	/* What follows in this transaction may look at coverage when nothing is left. */
	tx->e->behind = tx->e->waiting_left || left || batches.last_id < tx->e->head.batch_id ||
			gaps.last_id < tx->e->head.gap_id || moved.last_id < tx->e->head.moved_id;
	return BL_OK;
}

int
eval_log_more(struct eval *e, bool *out, struct bl_err *err)
{
	const struct store_log_head head = e->head;
	int64_t batch_id, gap_id, moved_id, cover_id;
	int rc;

	*out = false;
	if ((rc = control_sql_int(
		 e->reader, err, 0, &batch_id, "SELECT batch_id FROM eval", "")) < 0 ||
	    (rc = control_sql_int(
		 e->reader, err, 0, &gap_id, "SELECT gap_id FROM eval", "")) < 0 ||
	    (rc = control_sql_int(
		 e->reader, err, 0, &moved_id, "SELECT moved_id FROM eval", "")) < 0 ||
	    (rc = cover_place(e->reader, &cover_id, err)) < 0)
		return rc;
	*out = head.batch_id > batch_id || head.gap_id > gap_id || head.moved_id > moved_id ||
	       cover_id >= 0;
	return BL_OK;
}

int
eval_take_log(struct eval *e, struct bl_err *err)
{
	unsigned n = 0;
	bool more;
	int rc;

	/* No turn of the writer is taken when there is nothing. */
	if ((rc = eval_log_more(e, &more, err)) < 0)
		return rc;
	if (!more) {
		e->behind = e->waiting_left;
		return 0;
	}
	if ((rc = eval_write(e, take_in, &n, err)) < 0) {
		e->behind = true;
		return rc;
	}
	return n > 0;
}

/* ---- what waited ---- */

int
eval_take_again(struct eval_tx *tx, int64_t id, struct bl_err *err)
{
	struct take t = { .tx = tx, .err = err };
	int64_t still = 0;
	int rc;

	if ((rc = control_sql_run(
		 tx->db, err, "DELETE FROM eval_waiting WHERE batch_id = ?", "i", id)) < 0)
		return rc;
	rc = store_log_batch(tx->e->telemetry, id, take_batch, &t, err);
	if (t.rc < 0 || (t.rc = write_noted(&t)) < 0)
		return t.rc;
	if (rc == BL_ENOTFOUND) /* superseded meanwhile */
		return 1;
	if (rc < 0)
		return rc;
	rc = control_sql_int(tx->db, err, 0, &still,
	    "SELECT count(*) FROM eval_waiting WHERE batch_id = ?", "i", id);
	return rc < 0 ? rc : still == 0;
}

/* ---- the epoch ---- */

static int
begin_epoch(struct eval_tx *tx, void *ctx, struct bl_err *err)
{
	const struct bl_id *epoch = ctx;

	int rc;

	if ((rc = cases_new_epoch(tx->db, err)) < 0 ||
	    (rc = control_sql_run(tx->db, err, "DELETE FROM eval_waiting", "")) < 0)
		return rc;
	/* A first start is no restore. */
	return control_sql_run(tx->db, err,
	    "UPDATE eval SET quiet = epoch IS NOT NULL, epoch = ?, batch_id = 0, gap_id = 0,"
	    " moved_id = 0, lsn = 0, cover_id = 0",
	    "b", epoch->b, (size_t)BL_ID_BYTES);
}

int
eval_check_epoch(struct eval *e, struct bl_err *err)
{
	struct store_log_head head;
	sqlite3_stmt *st;
	bool same = false, first = true;
	int rc;

	if ((rc = store_log_head(e->telemetry, &head, err)) < 0)
		return rc;
	if (bl_id_equal(&head.epoch, &e->epoch))
		return 0;
	if ((rc = control_sql_prepare(&st, e->reader, err, "SELECT epoch, quiet FROM eval", "")) < 0)
		return rc;
	if ((rc = control_sql_step(st, err)) == 1) {
		first = sqlite3_column_type(st, 0) == SQLITE_NULL;
		same = sqlite3_column_bytes(st, 0) == BL_ID_BYTES &&
		       memcmp(sqlite3_column_blob(st, 0), head.epoch.b, BL_ID_BYTES) == 0;
		e->quiet = sqlite3_column_int(st, 1) != 0;
	}
	(void)sqlite3_finalize(st);
	if (rc < 0)
		return rc;
	if (!same) {
		if ((rc = eval_write(e, begin_epoch, &head.epoch, err)) < 0)
			return rc;
		e->quiet = !first;
		if (!first)
			bl_warn("eval", "the telemetry store was restored or made anew: all of it is"
					" evaluated again, without messages");
	}
	e->epoch = head.epoch;
	/* What was known of maps was known of another store. */
	eval_waiters_free(&e->waiters);
	e->retried_id = 0;
	e->retried_maps = -1;
	e->retained_mono_ms = 0;
	return !same;
}

int64_t
eval_passed(struct sqlite3 *control, const struct bl_id *epoch)
{
	struct bl_err err = { 0 };
	int64_t id = 0;

	if (control_sql_int(control, &err, 0, &id, "SELECT batch_id FROM eval WHERE epoch = ?", "b",
		epoch->b, (size_t)BL_ID_BYTES) < 0)
		return 0;
	return id;
}
