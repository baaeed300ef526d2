/*
 * A batch that is larger than the broker takes is cut again into parts that fit.
 *
 * One that was never offered is nowhere else: its first part keeps its seq, the
 * others get new ones.  One that was offered may be at the centre, whose word is
 * only missing: all its parts get new seqs and supersede it, so that the centre
 * takes either it or them.  A part of such a one cannot be split a second time
 * (it would have to supersede two seqs that are no range), so those are cut at
 * once to the smallest packets that are supported.
 *
 * One transaction, which deletes, inserts and notes that others stand for the
 * seq: a crash leaves the batch or its parts.
 */
#include <stdlib.h>
#include <string.h>

#include "branchline/fault.h"

#include "spool_internal.h"

#define PARTS_MOST 128
/* Of a batch that was offered: a broker's limit of 20,000 bytes and the topic. */
#define PART_LEAST (16u * 1024u)

struct item {
	int64_t ms;
	double value;
	uint32_t series_id, order;
	uint8_t unknown;
};

/* The batch that is split, taken apart. */
struct whole {
	int64_t id, bytes;
	int flags;
	struct content c;
	struct item *item;    /* samples by time */
	struct bl_thin *thin; /* by the order in which they came; NULL: each is for itself */
	uint32_t n, size;
	int64_t *event_ms; /* of event i and all after it the earliest */
	uint32_t n_events;
};

struct parts {
	unsigned n;
	struct part {
		struct bl_batch_header h;
		struct bl_buf msg;
		int64_t samples; /* one by one */
	} part[PARTS_MOST];
};

static void
parts_drop(struct parts *p)
{
	for (unsigned i = 0; i < p->n; i++)
		bl_buf_free(&p->part[i].msg);
	p->n = 0;
}

/* ---- taking it apart ---- */

static int
take_samples(void *ctx, const struct content_column *col, struct bl_err *err)
{
	struct whole *w = ctx;

	if (w->n + col->n > w->size)
		return bl_fail(err, BL_ECORRUPT, "split: more samples than its header says");
	if (col->thin != NULL && w->thin == NULL &&
	    (w->thin = calloc(w->size, sizeof(*w->thin))) == NULL)
		return bl_fail(err, BL_ENOMEM, "split a batch: out of memory");
	if (col->thin != NULL)
		memcpy(w->thin + w->n, col->thin, col->n * sizeof(*w->thin));
	for (uint32_t i = 0; i < col->n; i++, w->n++)
		w->item[w->n] = (struct item){ col->ms[i], col->value[i], col->series_id, w->n,
			col->unknown[i] };
	return BL_OK;
}

static int
by_time(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->ms != y->ms)
		return x->ms < y->ms ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

/* Where the rest begins, from each event on. */
static int
take_event_times(struct whole *w, struct bl_batch_reader *r, struct bl_err *err)
{
	struct bl_event ev;
	int rc;

	while ((rc = bl_batch_next_event(r, &ev, err)) == 1 && w->n_events < w->c.h.n_events)
		w->event_ms[w->n_events++] = ev.boot_ms;
	for (uint32_t i = w->n_events; i > 1; i--)
		if (w->event_ms[i - 1] < w->event_ms[i - 2])
			w->event_ms[i - 2] = w->event_ms[i - 1];
	return rc;
}

static int
take_apart(struct whole *w, struct bl_err *err)
{
	const struct bl_batch_header *h = &w->c.h;
	struct bl_batch_reader r;
	int rc;

	w->size = h->n_samples;
	w->item = calloc(h->n_samples + 1u, sizeof(*w->item));
	w->event_ms = calloc(h->n_events + 1u, sizeof(*w->event_ms));
	if (w->item == NULL || w->event_ms == NULL)
		return bl_fail(err, BL_ENOMEM, "split a batch: out of memory");
	if ((rc = bl_batch_reader_init(&r, h, w->c.raw.data, w->c.raw.len, err)) < 0 ||
	    (rc = content_columns(&r, take_samples, w, err)) < 0 ||
	    (rc = take_event_times(w, &r, err)) < 0)
		return rc;
	qsort(w->item, w->n, sizeof(*w->item), by_time);
	return BL_OK;
}

static void
whole_free(struct whole *w)
{
	content_free(&w->c);
	free(w->item);
	free(w->thin);
	free(w->event_ms);
}

/* ---- making parts ---- */

/* Ledger entries, samples by time and events, each from the first to before the second. */
struct range {
	uint32_t gap[2], sample[2], event[2];
};

struct cutter {
	const struct spool *s;
	const struct whole *w;
	struct bl_batch_enc *enc;
	size_t limit;
	struct parts *out;
};

static bool
within(uint32_t at, const uint32_t of[2])
{
	return at >= of[0] && at < of[1];
}

static int
put_samples(
    const struct whole *w, struct bl_batch_enc *enc, const struct range *of, int64_t *one_by_one)
{
	int rc = BL_OK;

	*one_by_one = 0;
	for (uint32_t at = of->sample[0]; at < of->sample[1] && rc == BL_OK; at++) {
		const struct item *m = &w->item[at];
		const bool thin = w->thin != NULL && w->thin[m->order].count > 1;

		*one_by_one += !thin;
		rc = thin
			 ? bl_batch_enc_thin(enc, m->series_id, m->ms, m->value, &w->thin[m->order])
			 : bl_batch_enc_sample(
			       enc, m->series_id, m->ms, m->value, (enum bl_unknown)m->unknown);
	}
	return rc;
}

static int
put_events(
    const struct whole *w, struct bl_batch_enc *enc, const struct range *of, struct bl_err *err)
{
	struct bl_batch_reader r;
	struct bl_event ev;
	struct bl_gap gap;
	int rc;

	rc = bl_batch_reader_init(&r, &w->c.h, w->c.raw.data, w->c.raw.len, err);
	for (uint32_t at = 0; rc >= 0 && (rc = bl_batch_next_event(&r, &ev, err)) == 1; at++)
		if (within(at, of->event) && (rc = bl_batch_enc_event(enc, &ev)) < 0)
			return rc;
	for (uint32_t at = 0; rc >= 0 && (rc = bl_batch_next_gap(&r, &gap, err)) == 1; at++)
		if (within(at, of->gap) && (rc = bl_batch_enc_gap(enc, &gap)) < 0)
			return rc;
	return rc < 0 ? rc : BL_OK;
}

/* A part's interval ends where what is left begins. */
static int64_t
end_of(const struct whole *w, const struct range *of, int64_t begin_ms)
{
	int64_t end = w->c.h.collect_end_ms;

	if (of->sample[1] < w->n && w->item[of->sample[1]].ms < end)
		end = w->item[of->sample[1]].ms;
	if (of->event[1] < w->n_events && w->event_ms[of->event[1]] < end)
		end = w->event_ms[of->event[1]];
	return end > begin_ms ? end : begin_ms;
}

static bool
was_offered(const struct whole *w)
{
	return (w->flags & BATCH_OFFERED) != 0;
}

static void
part_header(const struct cutter *cut, const struct range *of, struct bl_batch_header *h)
{
	const struct whole *w = cut->w;
	const unsigned i = cut->out->n;

	*h = w->c.h;
	if (was_offered(w) || i > 0)
		h->seq = (uint64_t)cut->s->d.stream[stream_index(h->stream)].next_seq + i -
			 (was_offered(w) ? 0 : 1);
	if (was_offered(w)) {
		h->kind = BL_BATCH_SUPERSEDES;
		h->supersedes_first = h->supersedes_last = w->c.h.seq;
	}
	h->next_seq = h->seq + 1;
	h->lowest_held = h->seq;
	if (i > 0)
		h->collect_begin_ms = cut->out->part[i - 1].h.collect_end_ms;
	h->collect_end_ms = end_of(w, of, h->collect_begin_ms);
}

/* The next part, of this range. */
static int
make_part(struct cutter *cut, const struct range *of, struct bl_err *err)
{
	struct part *p = &cut->out->part[cut->out->n];
	int rc;

	bl_batch_enc_reset(cut->enc);
	part_header(cut, of, &p->h);
	bl_buf_init(&p->msg, BL_BATCH_WIRE_MAX);
	if ((rc = put_samples(cut->w, cut->enc, of, &p->samples)) < 0 ||
	    (rc = put_events(cut->w, cut->enc, of, err)) < 0)
		(void)bl_fail(
		    err, rc, "spool %s: split a batch: %s", cut->s->path, bl_code_name(rc));
	else
		rc = bl_batch_enc_finish(cut->enc, &p->h, &p->msg, err);
	if (rc == BL_OK)
		cut->out->n++;
	else
		bl_buf_free(&p->msg);
	return rc;
}

static uint32_t
middle(const uint32_t of[2])
{
	return of[0] + (of[1] - of[0]) / 2;
}

/* False: it is one thing.  Ledger entries stay together, with what is first, as long as they can.
 */
static bool
halve(const struct range *of, struct range *left, struct range *right)
{
	const uint32_t things = of->sample[1] - of->sample[0] + of->event[1] - of->event[0];

	if (things + (of->gap[1] - of->gap[0]) <= 1)
		return false;
	*left = *right = *of;
	if (things > 1) {
		left->sample[1] = right->sample[0] = middle(of->sample);
		left->event[1] = right->event[0] = middle(of->event);
		if (left->sample[1] == left->sample[0] && left->event[1] == left->event[0])
			left->event[1] = right->event[0] = left->event[0] + 1;
		right->gap[0] = of->gap[1];
		return true;
	}
	left->sample[1] = left->sample[0];
	left->event[1] = left->event[0];
	if (things == 1)
		right->gap[0] = of->gap[1];
	else
		left->gap[1] = right->gap[0] = middle(of->gap);
	return true;
}

/* Parts of a range that is known to be too large, or looked at.  BL_EFULL: too many. */
static int
make_parts(struct cutter *cut, const struct range *of, bool known, struct bl_err *err)
{
	struct range left, right;
	int rc;

	if (cut->out->n == PARTS_MOST)
		return BL_EFULL;
	if (!known) {
		rc = make_part(cut, of, err);
		if (rc < 0 && rc != BL_EFULL)
			return rc;
		if (rc == BL_OK && cut->out->part[cut->out->n - 1].msg.len <= cut->limit)
			return BL_OK;
		/* One thing that does not fit is a part all the same: it holds nothing else up. */
		if (!halve(of, &left, &right))
			return rc;
		if (rc == BL_OK)
			bl_buf_free(&cut->out->part[--cut->out->n].msg);
	} else if (!halve(of, &left, &right)) {
		return BL_EFULL;
	}
	if ((rc = make_parts(cut, &left, false, err)) < 0)
		return rc;
	return make_parts(cut, &right, false, err);
}

/* ---- storing them ---- */

static int
note_replaced(struct spool *s, const struct whole *w, struct bl_err *err)
{
	const struct bl_batch_header *h = &w->c.h;
	const struct bl_gap gap = { .stream = h->stream,
		.seq_first = h->seq,
		.seq_last = h->seq,
		.begin_boot = h->boot,
		.begin_boot_ms = h->collect_begin_ms,
		.end_boot = h->boot,
		.end_boot_ms = h->collect_end_ms };

	return ledger_replaced(s, &gap, err);
}

static int
store_parts(struct spool *s, const struct whole *w, const struct parts *p, struct bl_err *err)
{
	struct spool_stream *m = &s->d.stream[stream_index(w->c.h.stream)];
	const int flags = was_offered(w) ? (w->flags & ~BATCH_OFFERED) | BATCH_ELSEWHERE : w->flags;
	int rc;

	if ((rc = txn_begin_for(s, 2 * w->bytes, err)) < 0)
		return rc;
	rc = batch_delete(s, w->id, true, w->bytes, err);
	for (unsigned i = 0; i < p->n && rc == BL_OK; i++) {
		const struct bl_batch_header *h = &p->part[i].h;

		rc = batch_insert(s, batch_id(s->d.gen, h->stream, h->seq), h, flags,
		    p->part[i].samples, &p->part[i].msg, err);
		m->next_seq += h->seq != w->c.h.seq;
	}
	(void)bl_fault_hit("spool.splitting");
	if (rc == BL_OK && was_offered(w))
		rc = note_replaced(s, w, err);
	if (rc == BL_OK && was_offered(w) && w->c.h.n_gaps > 0)
		rc = db_run(s, Q_LEDGER_RESET, err, "ii", w->id,
		    batch_id(s->d.gen, w->c.h.stream, p->part[0].h.seq));
	if (rc < 0) {
		txn_rollback(s);
		return rc;
	}
	rc = txn_commit(s, err);
	(void)bl_fault_hit("spool.split");
	return rc;
}

static int
split_whole(struct spool *s, struct whole *w, size_t limit, struct bl_err *err)
{
	const struct range all = { { 0, w->c.h.n_gaps }, { 0, w->n }, { 0, w->n_events } };
	struct cutter cut = { s, w, bl_batch_enc_create(), limit, calloc(1, sizeof(*cut.out)) };
	int rc = BL_ENOMEM;

	if (was_offered(w) && limit > PART_LEAST)
		cut.limit = PART_LEAST;
	if (cut.enc != NULL && cut.out != NULL)
		rc = make_parts(&cut, &all, true, err);
	else
		(void)bl_fail(err, rc, "split a batch: out of memory");
	if (rc == BL_OK)
		rc = store_parts(s, w, cut.out, err) < 0 ? err->code : 1;
	else if (rc == BL_EFULL)
		rc = 0;
	if (cut.out != NULL)
		parts_drop(cut.out);
	free(cut.out);
	bl_batch_enc_free(cut.enc);
	return rc;
}

/* A part that was offered itself: see above. */
static bool
is_offered_part(const struct whole *w)
{
	return was_offered(w) && w->c.h.kind == BL_BATCH_SUPERSEDES &&
	       (w->flags & BATCH_ELSEWHERE) != 0;
}

static bool
is_one_thing(const struct whole *w)
{
	return w->c.h.n_samples + w->c.h.n_events + w->c.h.n_gaps <= 1;
}

/* For all limits to come, and all processes: nobody need look into it again. */
static int
note_whole(struct spool *s, const struct whole *w, struct bl_err *err)
{
	int rc;

	if ((rc = txn_begin(s, err)) < 0)
		return rc;
	if ((rc = db_run(s, Q_BATCH_FLAGS, err, "ii", w->id, (int64_t)BATCH_WHOLE)) < 0) {
		txn_rollback(s);
		return rc;
	}
	return txn_commit(s, err);
}

int
split_batch(struct spool *s, int64_t id, int64_t bytes, uint32_t crc, int flags, size_t limit,
    bool *never, struct bl_err *err)
{
	struct whole w = { .id = id, .bytes = bytes, .flags = flags };
	int rc;

	*never = false;
	if ((rc = content_load(s, id, crc, &w.c, err)) <= 0)
		return rc < 0 ? rc : 1; /* damaged: it was named and is gone */
	*never = is_offered_part(&w) || is_one_thing(&w);
	if (*never)
		rc = note_whole(s, &w, err);
	else if ((rc = take_apart(&w, err)) == BL_OK)
		rc = split_whole(s, &w, limit, err);
	whole_free(&w);
	return rc;
}
