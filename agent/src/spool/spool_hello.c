/*
 * What the spool says of itself: the hello, and what it answers to questions
 * about batches that it no longer holds.
 */
#include <stdlib.h>
#include <string.h>

#include "spool_internal.h"

/* The newest BL_RANGES_MAX ranges held of one stream, ascending. */
static int
held_ranges(struct spool *s, int64_t gen, enum bl_stream stream, struct bl_ranges *out,
    uint64_t *lowest, uint64_t *top, struct bl_err *err)
{
	struct bl_range down[BL_RANGES_MAX];
	sqlite3_stmt *st;
	unsigned n = 0;
	int rc;

	*lowest = *top = 0;
	st = db_select(s, Q_BATCH_WALK_DOWN, err, "ii", batch_id(gen, stream, 0),
	    batch_id(gen, stream, UINT64_MAX));
	if (st == NULL)
		return err->code;
	while ((rc = db_step(s, st, err)) == 1) {
		const uint64_t seq = batch_seq(sqlite3_column_int64(st, 0));

		if (*top == 0)
			*top = seq;
		*lowest = seq;
		if (n > 0 && down[n - 1].first == seq + 1)
			down[n - 1].first = seq;
		else if (n < BL_RANGES_MAX)
			down[n++] = (struct bl_range){ seq, seq };
		else
			break;
	}
	db_done(st);
	out->n = n;
	for (unsigned i = 0; i < n; i++)
		out->r[i] = down[n - 1 - i];
	return rc < 0 ? rc : BL_OK;
}

/* A former id whose salvaged batches wait for the centre's word. */
static int
unasked(struct spool *s, int64_t *gen, struct bl_id *spool, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	*gen = 0;
	if ((st = db_select(s, Q_GEN_UNASKED, err, "")) == NULL)
		return err->code;
	if ((rc = db_step(s, st, err)) == 1) {
		*gen = sqlite3_column_int64(st, 0);
		*spool = db_column_id(st, 1);
	}
	db_done(st);
	return rc < 0 ? rc : BL_OK;
}

/* 1: of a former id something is being recovered, or was not asked about. */
static int
owed(struct spool *s, struct bl_err *err)
{
	sqlite3_stmt *st = db_select(s, Q_GEN_OWED, err, "");
	int rc;

	if (st == NULL)
		return err->code;
	rc = db_step(s, st, err);
	db_done(st);
	return rc;
}

static int
hello_stream(
    struct spool *s, int64_t gen, unsigned i, struct bl_hello_stream *h, struct bl_err *err)
{
	const enum bl_stream stream = (enum bl_stream)(i + 1);
	uint64_t lowest, top;
	int rc;

	if ((rc = held_ranges(s, gen, stream, &h->held, &lowest, &top, err)) < 0)
		return rc;
	/* Of a former id what is held is enough to be answered. */
	h->next_seq = gen == s->d.gen ? (uint64_t)s->d.stream[i].next_seq : top + 1;
	h->lowest_held = h->next_seq;
	if (h->held.n == 0)
		return BL_OK;
	/* The lowest of all, also when older ranges did not fit. */
	if (gen == s->d.gen) {
		const int64_t low = lowest_held(s, stream, err);

		if (low < 0)
			return (int)low;
		lowest = (uint64_t)low;
	}
	h->lowest_held = lowest;
	return BL_OK;
}

int
spool_hello(struct spool *s, struct bl_hello *out, struct bl_err *err)
{
	struct bl_err local = { 0 };
	int64_t gen = 0;
	int rc;

	if (err == NULL)
		err = &local;
	memset(out, 0, sizeof(*out));
	(void)snprintf(out->device, sizeof(out->device), "%s", s->device);
	(void)snprintf(out->software, sizeof(out->software), "%s", s->software);
	out->boot = s->boot;
	out->boot_ms = bl_boot_ms(s->clock);
	out->unix_ms = bl_unix_ms(s->clock);
	if ((rc = unasked(s, &gen, &out->spool, err)) < 0)
		return rc;
	if (gen == 0) {
		gen = s->d.gen;
		out->spool = s->d.spool;
		if ((rc = owed(s, err)) < 0)
			return rc;
		/* Naming it closes it at the centre, which is still to be asked about it. */
		if (rc == 0)
			out->predecessor = s->d.predecessor;
		out->dict_version = (uint32_t)s->d.dict;
		out->clock_version = (uint32_t)s->d.clock;
	}
	for (unsigned i = 0; i < BL_STREAMS; i++)
		if ((rc = hello_stream(s, gen, i, &out->stream[i], err)) < 0)
			return rc;
	return BL_OK;
}

int
spool_hello_of_file(const struct spool_opts *opts, struct bl_hello *out, struct bl_err *err)
{
	char device[BL_DEVICE_ID_MAX + 1] = "";
	struct bl_err local = { 0 };
	struct spool *s;
	int rc;

	if (err == NULL)
		err = &local;
	/* Only what spool_hello looks at; its strings are borrowed. */
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return bl_fail(err, BL_ENOMEM, "read spool %s: out of memory", opts->path);
	s->path = (char *)(uintptr_t)opts->path;
	s->device = (char *)(uintptr_t)opts->device;
	s->software = (char *)(uintptr_t)opts->software;
	s->boot = opts->boot;
	s->clock = opts->clock;
	if ((rc = db_open_to_read(&s->db, opts->path, err)) < 0)
		goto out;
	/* One snapshot for all that follows. */
	rc = sqlite3_exec(s->db, "BEGIN", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = durable_load(s->db, &s->d, device, sizeof(device));
	if (rc != SQLITE_OK)
		rc = db_fail(s, rc, err, "read the state");
	else if (strcmp(device, opts->device) != 0)
		rc = bl_fail(err, BL_EEXIST, "spool %s: belongs to device \"%s\", not to \"%s\"",
		    opts->path, device, opts->device);
	else
		rc = spool_hello(s, out, err);
	db_close(s);
out:
	free(s);
	return rc;
}

/* ---- questions ---- */

static void
gone_add(struct bl_gone *gone, enum bl_stream stream, uint64_t first, uint64_t last,
    enum bl_gap_reason reason)
{
	struct bl_gone_range *at = gone->n > 0 ? &gone->gone[gone->n - 1] : NULL;

	if (first > last || reason == 0) /* 0: other batches stand for it */
		return;
	if (at != NULL && at->stream == stream && at->reason == reason &&
	    at->range.last + 1 == first) {
		at->range.last = last;
		return;
	}
	/* A full list: the centre asks again for the rest. */
	if (gone->n < BL_RANGES_MAX)
		gone->gone[gone->n++] = (struct bl_gone_range){ stream, { first, last }, reason };
}

/*
 * [first, last] is neither held nor in the ledger.  What was trimmed had its receipt,
 * so the centre lost it; of the rest only the caller knows what it may mean.
 */
static int
tell_unnamed(struct spool *s, int64_t gen, enum bl_stream stream, uint64_t first, uint64_t last,
    enum bl_gap_reason otherwise, struct bl_gone *gone, struct bl_err *err)
{
	int64_t a, b;
	int rc = 1;

	while (first <= last && (rc = trimmed_next(s, batch_id(gen, stream, first),
				     batch_id(gen, stream, last), &a, &b, err)) == 1) {
		gone_add(gone, stream, first, batch_seq(a) - 1, otherwise);
		gone_add(gone, stream, batch_seq(a), batch_seq(b), BL_GAP_LOST_AT_CENTRE);
		first = batch_seq(b) + 1;
	}
	if (rc < 0)
		return rc;
	gone_add(gone, stream, first, last, otherwise);
	return BL_OK;
}

/* [first, last] is not held: the ledger's reasons, else trimmed, else the one given. */
static int
tell_gone(struct spool *s, const struct bl_id *spool, int64_t gen, enum bl_stream stream,
    uint64_t first, uint64_t last, enum bl_gap_reason otherwise, struct bl_gone *gone,
    struct bl_err *err)
{
	struct bl_gap gap;
	sqlite3_stmt *st;
	int64_t id;
	int rc;

	st = db_select(
	    s, Q_LEDGER_ABOUT, err, "diii", spool, (int64_t)stream, (int64_t)first, (int64_t)last);
	if (st == NULL)
		return err->code;
	while ((rc = db_step(s, st, err)) == 1 && first <= last) {
		ledger_row(st, &id, &gap);
		if (gap.seq_last < first)
			continue;
		if (gap.seq_first > first) {
			rc = tell_unnamed(
			    s, gen, stream, first, gap.seq_first - 1, otherwise, gone, err);
			if (rc < 0)
				break;
			first = gap.seq_first;
		}
		if (gap.seq_last > last)
			gap.seq_last = last;
		gone_add(gone, stream, first, gap.seq_last, gap.reason);
		first = gap.seq_last + 1;
	}
	db_done(st);
	if (rc < 0 || first > last)
		return rc < 0 ? rc : BL_OK;
	return tell_unnamed(s, gen, stream, first, last, otherwise, gone, err);
}

struct held_mark {
	int64_t id, bytes;
	bool receipted;
};

/* Makes held batches of [first, last] due again and tells of the rest. */
static int
question_range(struct spool *s, enum bl_stream stream, uint64_t first, uint64_t last,
    struct bl_gone *gone, struct bl_err *err)
{
	struct spool_stream *m = &s->d.stream[stream_index(stream)];
	struct held_mark held[256];
	sqlite3_stmt *st;
	unsigned n = 0;
	int rc;

	if (last >= (uint64_t)m->next_seq)
		last = (uint64_t)m->next_seq - 1; /* not cut yet: nothing to say */
	if (first == 0)
		first = 1;
	if (first > last)
		return BL_OK;
	st = db_select(s, Q_BATCH_WALK, err, "ii", batch_id(s->d.gen, stream, first),
	    batch_id(s->d.gen, stream, last));
	if (st == NULL)
		return err->code;
	while (n < 256 && (rc = db_step(s, st, err)) == 1)
		held[n++] = (struct held_mark){ sqlite3_column_int64(st, 0),
			sqlite3_column_int64(st, 7), sqlite3_column_type(st, 10) != SQLITE_NULL };
	db_done(st);
	if (rc < 0)
		return rc;
	if (n == 256)
		last = batch_seq(held[n - 1].id); /* the rest when it is asked for again */
	for (unsigned i = 0; i < n; i++) {
		const uint64_t seq = batch_seq(held[i].id);

		if (seq > first && (rc = tell_gone(s, &s->d.spool, s->d.gen, stream, first, seq - 1,
					BL_GAP_VANISHED, gone, err)) < 0)
			return rc;
		first = seq + 1;
		outstanding_forget(s, held[i].id);
		if (!held[i].receipted)
			continue;
		if ((rc = db_run(s, Q_BATCH_RECEIPT, err, "in", held[i].id)) < 0)
			return rc;
		m->waiting++;
		m->waiting_bytes += held[i].bytes;
	}
	return first > last ? BL_OK
			    : tell_gone(s, &s->d.spool, s->d.gen, stream, first, last,
				  BL_GAP_VANISHED, gone, err);
}

/* Entries of the ledger that travelled in what nobody has any more are told by another batch. */
static bool
is_nowhere(const struct bl_gone_range *g)
{
	return g->reason == BL_GAP_VANISHED || g->reason == BL_GAP_LOST_AT_CENTRE;
}

static int
tell_again(struct spool *s, int64_t gen, const struct bl_gone_range *g, struct bl_err *err)
{
	if (!is_nowhere(g))
		return BL_OK;
	return db_run(s, Q_LEDGER_UNTOLD, err, "ii", batch_id(gen, g->stream, g->range.first),
	    batch_id(gen, g->stream, g->range.last));
}

/* Without a commit where there is nothing to tell: a full disk must not keep the answer back. */
static int
former_tell_again(struct spool *s, int64_t gen, const struct bl_gone *gone, struct bl_err *err)
{
	bool any = false;
	int rc;

	for (uint32_t i = 0; i < gone->n; i++)
		any = any || is_nowhere(&gone->gone[i]);
	if (!any)
		return BL_OK;
	if ((rc = txn_begin(s, err)) < 0)
		return rc;
	for (uint32_t i = 0; i < gone->n && rc == BL_OK; i++)
		rc = tell_again(s, gen, &gone->gone[i], err);
	if (rc < 0) {
		txn_rollback(s);
		return rc;
	}
	return txn_commit(s, err);
}

/*
 * About a former id of this file: what is held of it comes under the id of now, the
 * receipted, too, when they are asked for.
 */
static int
question_former(
    struct spool *s, const struct bl_question *q, struct bl_gone *gone, struct bl_err *err)
{
	sqlite3_stmt *st;
	int64_t gen;
	bool ours;
	int rc;

	if ((st = db_select(s, Q_GEN_OF_SPOOL, err, "d", &q->spool)) == NULL)
		return err->code;
	rc = db_step(s, st, err);
	ours = rc == 1 && sqlite3_column_int(st, 2) != 0;
	gen = rc == 1 ? sqlite3_column_int64(st, 0) : 0;
	db_done(st);
	if (rc < 0 || !ours)
		return rc < 0 ? rc : SPOOL_ANSWER_OTHER;
	for (unsigned i = 0; i < BL_STREAMS; i++)
		for (unsigned k = 0; k < q->need[i].n && rc >= 0; k++) {
			const enum bl_stream stream = (enum bl_stream)(i + 1);
			const struct bl_range *r = &q->need[i].r[k];

			if ((rc = recut_due(s, batch_id(gen, stream, r->first),
				 batch_id(gen, stream, r->last), err)) >= 0)
				rc = tell_gone(s, &q->spool, gen, stream, r->first, r->last,
				    BL_GAP_ROLLED_BACK, gone, err);
		}
	return rc < 0 || (rc = former_tell_again(s, gen, gone, err)) < 0 ? rc : SPOOL_ANSWER_OK;
}

/* What the answer could give no reason for is said loudly, and counted as it is. */
static int
note_gone(struct spool *s, const struct bl_gone *gone, struct bl_err *err)
{
	int rc = BL_OK;

	for (uint32_t i = 0; i < gone->n && rc == BL_OK; i++) {
		const struct bl_gone_range *g = &gone->gone[i];

		rc = tell_again(s, s->d.gen, g, err);
		if (g->reason != BL_GAP_VANISHED || rc < 0)
			continue;
		bl_error("spool",
		    "batches are not in the file any more; nothing of ours deleted them stream=%d "
		    "seqs=%llu-%llu",
		    (int)g->stream, (unsigned long long)g->range.first,
		    (unsigned long long)g->range.last);
		rc = batches_recount(s, g->stream, err);
	}
	return rc;
}

int
spool_on_question(
    struct spool *s, const struct bl_question *q, struct bl_gone *gone, struct bl_err *err)
{
	struct bl_err local = { 0 };
	int rc;

	if (err == NULL)
		err = &local;
	memset(gone, 0, sizeof(*gone));
	gone->spool = q->spool;
	if (!bl_id_equal(&q->spool, &s->d.spool))
		return question_former(s, q, gone, err);
	if (q->need_dict)
		s->dict_sent = 0;
	if (q->need_clock)
		s->clock_sent = 0;
	if ((rc = txn_begin(s, err)) < 0)
		return rc;
	for (unsigned i = 0; i < BL_STREAMS; i++)
		for (unsigned k = 0; k < q->need[i].n; k++)
			if ((rc = question_range(s, (enum bl_stream)(i + 1), q->need[i].r[k].first,
				 q->need[i].r[k].last, gone, err)) < 0) {
				txn_rollback(s);
				return rc;
			}
	if ((rc = note_gone(s, gone, err)) < 0) {
		txn_rollback(s);
		return rc;
	}
	return (rc = txn_commit(s, err)) < 0 ? rc : SPOOL_ANSWER_OK;
}
