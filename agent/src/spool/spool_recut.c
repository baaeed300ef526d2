/*
 * What a former spool id of this file left behind: batches of an older
 * generation.  Receipted ones stay as long as those of the id of now, for the
 * day when the centre has lost them; the others are decoded and encoded again
 * under the id and the next seq of now, one transaction each, so that a crash
 * leaves a batch under exactly one of the two.  They keep their collection
 * intervals and their boot.
 */
#include <stdlib.h>
#include <string.h>

#include "spool_internal.h"

struct copy {
	struct bl_batch_enc *enc;
	uint32_t (*map)(void *ctx, uint32_t id);
	void *ctx;
	struct recoded *done;
};

static int
copy_column(void *ctx, const struct content_column *c, struct bl_err *err)
{
	struct copy *to = ctx;
	const uint32_t id = to->map != NULL ? to->map(to->ctx, c->series_id) : c->series_id;
	int rc = BL_OK;

	for (uint32_t i = 0; i < c->n && rc >= 0; i++) {
		const bool one = content_count(c, i) <= 1;

		to->done->nameless += one && id == 0;
		to->done->samples += one && id != 0;
		if (id != 0)
			rc = content_put(to->enc, c, i, id);
	}
	return rc < 0 ? bl_fail(err, rc, "cut again: %s", bl_code_name(rc)) : BL_OK;
}

static int
copy_events(struct bl_batch_reader *r, const struct bl_id *from, struct bl_batch_enc *enc,
    struct bl_err *err)
{
	struct bl_event ev;
	struct bl_gap gap;
	int rc;

	while ((rc = bl_batch_next_event(r, &ev, err)) == 1)
		if ((rc = bl_batch_enc_event(enc, &ev)) < 0)
			return rc;
	if (rc < 0)
		return rc;
	while ((rc = bl_batch_next_gap(r, &gap, err)) == 1) {
		if (bl_id_is_zero(&gap.spool))
			gap.spool = *from; /* it spoke of its own spool */
		if ((rc = bl_batch_enc_gap(enc, &gap)) < 0)
			return rc;
	}
	return rc;
}

int
recode(const void *msg, size_t len, uint32_t (*map)(void *ctx, uint32_t id), void *ctx,
    struct recoded *done, struct bl_batch_header *to, struct bl_buf *out, struct bl_err *err)
{
	struct copy copy = { bl_batch_enc_create(), map, ctx, done };
	struct content c = { .raw = { 0 } };
	struct bl_batch_reader r;
	int rc;

	memset(done, 0, sizeof(*done));
	if (copy.enc == NULL)
		return bl_fail(err, BL_ENOMEM, "cut again: out of memory");
	if ((rc = content_decode(&c, msg, len, err)) < 0 ||
	    (rc = bl_batch_reader_init(&r, &c.h, c.raw.data, c.raw.len, err)) < 0 ||
	    (rc = content_columns(&r, copy_column, &copy, err)) < 0 ||
	    (rc = copy_events(&r, &c.h.spool, copy.enc, err)) < 0)
		goto out;
	to->boot = c.h.boot;
	to->stream = c.h.stream;
	to->kind = BL_BATCH_NORMAL;
	to->collect_begin_ms = c.h.collect_begin_ms;
	to->collect_end_ms = c.h.collect_end_ms;
	to->next_seq = to->seq + 1;
	to->lowest_held = to->seq;
	rc = bl_batch_enc_finish(copy.enc, to, out, err);
out:
	content_free(&c);
	bl_batch_enc_free(copy.enc);
	return rc;
}

static int
move_batch(struct spool *s, int64_t id, int64_t bytes, const struct bl_batch_header *h,
    int64_t samples, const struct bl_buf *msg, struct bl_err *err)
{
	const int64_t to = batch_id(s->d.gen, h->stream, h->seq);
	int rc;

	if ((rc = txn_begin_for(s, bytes + (int64_t)msg->len, err)) < 0)
		return rc;
	if ((rc = batch_delete(s, id, true, bytes, err)) < 0 ||
	    (rc = batch_insert(s, to, h, BATCH_ELSEWHERE, samples, msg, err)) < 0 ||
	    (rc = db_run(s, Q_LEDGER_RESET, err, "ii", id, to)) < 0) {
		txn_rollback(s);
		return rc;
	}
	s->d.stream[stream_index(h->stream)].next_seq++;
	return txn_commit(s, err);
}

static int
recut_one(struct spool *s, int64_t id, int64_t bytes, struct bl_err *err)
{
	struct bl_batch_header to = { .spool = s->d.spool };
	struct recoded done = { 0 };
	struct bl_buf msg, out;
	sqlite3_stmt *st;
	int rc;

	to.seq = (uint64_t)s->d.stream[stream_index(batch_stream(id))].next_seq;
	if ((st = db_select(s, Q_BODY_GET, err, "i", id)) == NULL)
		return err->code;
	bl_buf_init(&msg, BL_BATCH_WIRE_MAX + 1024);
	bl_buf_init(&out, BL_BATCH_WIRE_MAX);
	if ((rc = db_step(s, st, err)) == 1)
		bl_buf_bytes(&msg, sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0));
	db_done(st);
	if (rc >= 0)
		rc = recode(msg.data, msg.len, NULL, NULL, &done, &to, &out, err);
	if (rc == BL_OK)
		rc = move_batch(s, id, bytes, &to, done.samples, &out, err);
	else if ((rc == BL_ECORRUPT || rc == BL_EFULL || rc == BL_EINVAL) && !s->damaged)
		rc = batch_lost(s, id, BL_GAP_DAMAGED, err);
	bl_buf_free(&msg);
	bl_buf_free(&out);
	return rc;
}

/* The first waiting batch of a former generation, once the centre has had its say about all of
 * them. */
static int
next_former(struct spool *s, int64_t *id, int64_t *bytes, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	*id = 0;
	if ((st = db_select(s, Q_BATCH_FORMER, err, "i", batch_id(s->d.gen, 0, 0))) == NULL)
		return err->code;
	if ((rc = db_step(s, st, err)) == 1) {
		*id = sqlite3_column_int64(st, 0);
		*bytes = sqlite3_column_int64(st, 7);
	}
	db_done(st);
	return rc < 0 ? rc : BL_OK;
}

int
recut_slice(struct spool *s, unsigned max, bool *more, struct bl_err *err)
{
	unsigned freed;
	int64_t id = 0, bytes = 0;
	int rc;

	*more = false;
	if (s->d.gen <= 1)
		return BL_OK;
	for (unsigned i = 0; i < max; i++) {
		if ((rc = next_former(s, &id, &bytes, err)) < 0)
			return rc;
		if (id == 0)
			return BL_OK;
		rc = recut_one(s, id, bytes, err);
		if (rc == BL_EFULL && trim_for_room(s, &freed, err) == BL_OK && freed > 0)
			continue;
		if (rc < 0)
			return rc;
	}
	*more = true;
	return BL_OK;
}

/* ---- wanted again ---- */

#define DUE_ROWS 256 /* of one transaction */

struct due {
	int64_t id, bytes;
};

/* In a transaction: it waits again, and its seq will not come under its own id. */
static int
due_one(struct spool *s, const struct due *d, struct bl_err *err)
{
	struct bl_gap gap = {
		.reason = BL_GAP_ROLLED_BACK,
		.stream = batch_stream(d->id),
		.seq_first = batch_seq(d->id),
		.seq_last = batch_seq(d->id),
	};
	struct spool_stream *m = &s->d.stream[stream_index(gap.stream)];
	int rc;

	if ((rc = spool_of_gen(s, d->id >> BATCH_GEN_BITS, &gap.spool, err)) < 0 ||
	    (rc = db_run(s, Q_BATCH_RECEIPT, err, "in", d->id)) < 0)
		return rc;
	m->waiting++;
	m->waiting_bytes += d->bytes;
	return ledger_add(s, &gap, err);
}

static int
due_slice(struct spool *s, int64_t lo, int64_t hi, unsigned *n, struct bl_err *err)
{
	struct due due[DUE_ROWS];
	sqlite3_stmt *st =
	    db_select(s, Q_RECEIPTED_UP, err, "iiii", lo, hi, INT64_MAX, (int64_t)DUE_ROWS);
	int rc;

	*n = 0;
	if (st == NULL)
		return err->code;
	while (*n < DUE_ROWS && (rc = db_step(s, st, err)) == 1)
		due[(*n)++] =
		    (struct due){ sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 7) };
	db_done(st);
	if (rc < 0 || *n == 0)
		return rc;
	if ((rc = txn_begin(s, err)) < 0)
		return rc;
	for (unsigned i = 0; i < *n && rc >= 0; i++)
		rc = due_one(s, &due[i], err);
	if (rc < 0) {
		txn_rollback(s);
		return rc;
	}
	return txn_commit(s, err);
}

int
recut_due(struct spool *s, int64_t lo, int64_t hi, struct bl_err *err)
{
	unsigned n = 1;
	int rc = BL_OK;

	while (n > 0 && rc >= 0)
		rc = due_slice(s, lo, hi, &n, err);
	return rc;
}

/* Another epoch, or less than it had said: its store was lost, or set back. */
static bool
set_back(const struct spool *s, const struct bl_receipt *r)
{
	bool less = false;

	for (unsigned i = 0; i < BL_STREAMS; i++)
		less = less || (int64_t)r->stream[i].contiguous < s->d.stream[i].contiguous;
	return less || (!bl_id_is_zero(&s->d.epoch) && !bl_id_equal(&s->d.epoch, &r->epoch));
}

int
recut_if_set_back(struct spool *s, const struct bl_receipt *r, struct bl_err *err)
{
	/* What was salvaged has other series numbers, by which the centre knows nothing again. */
	const int64_t first = s->d.gen >= SPOOL_GEN_AFTER_DAMAGE ? SPOOL_GEN_AFTER_DAMAGE : 0;
	int rc;

	if (s->d.gen <= 1 || !set_back(s, r))
		return BL_OK;
	if ((rc = recut_due(s, batch_id(first, 0, 0), batch_id(s->d.gen, 0, 0) - 1, err)) < 0)
		return rc;
	return trimmed_name_former(s, err);
}
