/*
 * What of a span a device's stream has delivered, and what will never come.
 *
 * A row of coverage is placed piece by piece here, by the clock map as it is
 * now, so that how arrival grouped the batches into rows cannot show.  Holes
 * are judged by their true ends, which may lie outside of the span: the
 * neighbours are looked up when the rows of the span do not tell.
 */
#include <stdlib.h>
#include <string.h>

#include "store_log.h"
#include "store_read_internal.h"

#define PAGE       256
#define PIECES_MAX 400000u
/* A reason this far outside of the span still decides what lies inside. */
#define MARGIN_MS (2 * (int64_t)STORE_EDGE_MS)
#define FAR_PAST  (INT64_MIN / 2)
#define FAR_AHEAD (INT64_MAX / 2)

struct row {
	int64_t spool_id, boot_id, begin_ms, end_ms;
	uint64_t seq_first, seq_last;
};

/* A part of a row with one offset. */
struct piece {
	int64_t begin, end;
	int64_t spool_id;
	uint64_t seq_first, seq_last; /* of the whole row */
};

struct span {
	int64_t begin, end;
};

struct ledger {
	struct span *s;
	size_t n, size;
};

struct cover {
	struct store_read *r;
	int64_t device_id;
	enum bl_stream stream;
	int64_t from, to;
	struct piece *p;
	size_t n, size;
	struct ledger gone; /* what the ledger has by time, by begin */
	struct ledger lost; /* hours that came and cannot be read any more, by begin */
	struct placer place;
	store_log_span_cb cb;
	void *ctx;
	/* the covered span that is not given out yet */
	bool open;
	struct span covered;
};

static int
no_memory(struct bl_err *err)
{
	return bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory");
}

/* ---- rows ---- */

static void
take_row(sqlite3_stmt *st, struct row *w)
{
	*w = (struct row){
		.spool_id = sqlite3_column_int64(st, 0),
		.boot_id = sqlite3_column_int64(st, 1),
		.seq_first = (uint64_t)sqlite3_column_int64(st, 2),
		.seq_last = (uint64_t)sqlite3_column_int64(st, 3),
		.begin_ms = sqlite3_column_int64(st, 4),
		.end_ms = sqlite3_column_int64(st, 5),
	};
}

static int
add_piece(struct cover *c, const struct row *w, int64_t begin, int64_t end, struct bl_err *err)
{
	struct piece *more;

	if (c->n == c->size) {
		const size_t size = c->size == 0 ? 64 : c->size * 2;

		if (c->n >= PIECES_MAX)
			return bl_fail(err, BL_EFULL,
			    "the range has too many coverage rows: ask for a shorter one");
		if ((more = realloc(c->p, size * sizeof(*more))) == NULL)
			return no_memory(err);
		c->p = more;
		c->size = size;
	}
	c->p[c->n++] = (struct piece){ begin, end, w->spool_id, w->seq_first, w->seq_last };
	return BL_OK;
}

static int
add_row(struct cover *c, const struct row *w, struct bl_err *err)
{
	int64_t at = w->begin_ms, begin;
	int rc;

	if ((rc = placer_for(&c->place, w->spool_id, w->boot_id, err)) < 0)
		return rc;
	do {
		const int64_t until = placer_until(&c->place, at, w->end_ms);

		if ((begin = placer_place(&c->place, at)) == STORE_TIME_NONE)
			return BL_OK;
		if ((rc = add_piece(c, w, begin, begin + (until - at), err)) < 0)
			return rc;
		at = until;
	} while (at < w->end_ms);
	return BL_OK;
}

static int
load_rows(struct cover *c, int64_t reach, struct bl_err *err)
{
	int64_t at = c->from - MARGIN_MS - reach, at_id = 0;
	struct row page[PAGE];
	size_t n;
	int rc;

	do {
		sqlite3_stmt *st = read_bind(c->r, READ_LOG_COVERS, err, "iiiiiii", c->device_id,
		    (int64_t)c->stream, at, at_id, c->to + MARGIN_MS, c->from - MARGIN_MS,
		    (int64_t)PAGE);

		for (n = 0; n < PAGE && (rc = read_step(c->r, st, err)) == 1; n++) {
			take_row(st, &page[n]);
			at = sqlite3_column_int64(st, 6);
			at_id = sqlite3_column_int64(st, 7);
		}
		if (n == PAGE)
			(void)sqlite3_reset(st);
		else if (rc < 0)
			return rc;
		for (size_t i = 0; i < n; i++)
			if ((rc = add_row(c, &page[i], err)) < 0)
				return rc;
	} while (n == PAGE);
	return BL_OK;
}

/* The rows nearest to the span on a side where the rows of the span do not reach its edge. */
static int
load_neighbours(
    struct cover *c, enum read_sql which, int64_t edge, int64_t reach, struct bl_err *err)
{
	sqlite3_stmt *st =
	    read_bind(c->r, which, err, "iiii", c->device_id, (int64_t)c->stream, edge, reach);
	struct row w[64];
	size_t n = 0;
	int rc;

	while ((rc = read_step(c->r, st, err)) == 1)
		take_row(st, &w[n++]);
	for (size_t i = 0; i < n && rc == BL_OK; i++)
		rc = add_row(c, &w[i], err);
	return rc;
}

static int
by_begin(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	if (x->end != y->end)
		return x->end < y->end ? -1 : 1;
	return (x->seq_last > y->seq_last) - (x->seq_last < y->seq_last);
}

/* A piece begins and ends within the bounds: it is, or ends beside, what a hole would need. */
static bool
any_piece(const struct cover *c, int64_t begin_max, int64_t end_min)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->p[i].begin <= begin_max && c->p[i].end >= end_min)
			return true;
	return false;
}

static int
load_coverage(struct cover *c, struct bl_err *err)
{
	int64_t reach;
	int rc;

	if ((rc = read_reach_from(
		 c->r, c->device_id, c->stream, c->from - MARGIN_MS, &reach, err)) < 0 ||
	    (rc = load_rows(c, reach, err)) < 0 ||
	    (rc = read_reach(c->r, c->device_id, c->stream, &reach, err)) < 0)
		return rc;
	if (!any_piece(c, c->from, c->from - MARGIN_MS) &&
	    (rc = load_neighbours(c, READ_LOG_COVER_BEFORE, c->from - MARGIN_MS, reach, err)) < 0)
		return rc;
	if (!any_piece(c, c->to + MARGIN_MS, c->to) &&
	    (rc = load_neighbours(c, READ_LOG_COVER_AFTER, c->to + MARGIN_MS, reach, err)) < 0)
		return rc;
	if (c->n > 1)
		qsort(c->p, c->n, sizeof(*c->p), by_begin);
	return BL_OK;
}

/* ---- the ledger ---- */

static bool
add_span(struct ledger *l, int64_t begin, int64_t end)
{
	struct span *more;

	if (l->n == l->size) {
		const size_t size = l->size == 0 ? 16 : l->size * 2;

		if ((more = realloc(l->s, size * sizeof(*more))) == NULL)
			return false;
		l->s = more;
		l->size = size;
	}
	l->s[l->n++] = (struct span){ begin, end };
	return true;
}

static int
load_ledger(struct cover *c, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(c->r, READ_LOG_GAP_TIMES, err, "iiii", c->device_id,
	    (int64_t)c->stream, c->from - MARGIN_MS, c->to + MARGIN_MS);
	int rc;

	while ((rc = read_step(c->r, st, err)) == 1)
		if (!add_span(sqlite3_column_int(st, 2) != 0 ? &c->lost : &c->gone,
			sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1))) {
			(void)sqlite3_reset(st);
			return no_memory(err);
		}
	return rc;
}

/* The seqs that the batch at a row's edge stands for: a thinned one's are not its own. */
static int
edge_seqs(struct cover *c, int64_t spool_id, uint64_t seq, uint64_t *first, uint64_t *last,
    struct bl_err *err)
{
	sqlite3_stmt *st =
	    read_bind(c->r, READ_LOG_SEQS, err, "iiu", spool_id, (int64_t)c->stream, seq);
	int rc = read_step(c->r, st, err);

	*first = *last = seq;
	if (rc <= 0)
		return rc;
	if (sqlite3_column_int(st, 0) == BL_BATCH_SUPERSEDES) {
		*first = (uint64_t)sqlite3_column_int64(st, 1);
		*last = (uint64_t)sqlite3_column_int64(st, 2);
	}
	(void)sqlite3_reset(st);
	return BL_OK;
}

/* Nothing can come between the two any more: 1, 0 or negative. */
static int
gone_by_seqs(
    struct cover *c, const struct piece *before, const struct piece *after, struct bl_err *err)
{
	uint64_t first, last, unused;
	int rc;

	if (before == NULL || after == NULL || before->spool_id != after->spool_id)
		return 0;
	if (before->seq_first == after->seq_first)
		return 1; /* one row: the clock was set forward in it */
	if ((rc = edge_seqs(c, before->spool_id, before->seq_last, &unused, &first, err)) < 0 ||
	    (rc = edge_seqs(c, after->spool_id, after->seq_first, &last, &unused, err)) < 0)
		return rc;
	if (last <= first)
		return 0;
	return log_all_gone(c->r, before->spool_id, c->stream, first + 1, last - 1, err);
}

/* ---- giving out ---- */

static void
give(struct cover *c, bool gone, int64_t begin, int64_t end)
{
	if (begin < c->from)
		begin = c->from;
	if (end > c->to)
		end = c->to;
	if (begin < end)
		c->cb(c->ctx, gone, begin, end);
}

/* Without the hours that cannot be read any more: those are gone. */
static void
give_covered(struct cover *c)
{
	int64_t at = c->covered.begin;

	if (!c->open)
		return;
	for (size_t i = 0; i < c->lost.n && at < c->covered.end; i++) {
		const int64_t a = c->lost.s[i].begin > at ? c->lost.s[i].begin : at;
		const int64_t b =
		    c->lost.s[i].end < c->covered.end ? c->lost.s[i].end : c->covered.end;

		if (a >= b)
			continue;
		give(c, false, at, a);
		give(c, true, a, b);
		at = b;
	}
	give(c, false, at, c->covered.end);
	c->open = false;
}

/* What the ledger has of the hole [begin, end) by time; a tick left over at an edge belongs to it.
 */
static void
give_gone(struct cover *c, int64_t begin, int64_t end)
{
	struct span out = { 0, 0 };
	int64_t at = begin;

	for (size_t i = 0; i < c->gone.n && at < end; i++) {
		int64_t a = c->gone.s[i].begin, b = c->gone.s[i].end;

		if (b <= at || a >= end)
			continue;
		if (a - at < STORE_EDGE_MS)
			a = at;
		if (end - b < STORE_EDGE_MS)
			b = end;
		if (out.end > out.begin && out.end == a) {
			out.end = b;
		} else {
			give(c, true, out.begin, out.end);
			out = (struct span){ a, b };
		}
		at = b;
	}
	give(c, true, out.begin, out.end);
}

static int
give_hole(struct cover *c, int64_t begin, int64_t end, const struct piece *before,
    const struct piece *after, struct bl_err *err)
{
	int rc;

	if (end <= c->from || begin >= c->to)
		return BL_OK;
	if ((rc = gone_by_seqs(c, before, after, err)) < 0)
		return rc;
	if (rc == 1)
		give(c, true, begin, end);
	else
		give_gone(c, begin, end);
	return BL_OK;
}

static int
walk(struct cover *c, struct bl_err *err)
{
	const struct piece *before = NULL;
	int rc;

	for (size_t i = 0; i < c->n; i++) {
		const struct piece *p = &c->p[i];
		const int64_t end = before == NULL ? FAR_PAST : c->covered.end;

		if (before == NULL || p->begin - end >= STORE_HOLE_MIN_MS) {
			give_covered(c);
			if ((rc = give_hole(c, end, p->begin, before, p, err)) < 0)
				return rc;
			c->open = true;
			c->covered = (struct span){ p->begin, p->end };
			before = p;
		} else if (p->end >= c->covered.end) {
			c->covered.end = p->end;
			before = p;
		}
	}
	give_covered(c);
	return give_hole(
	    c, before == NULL ? FAR_PAST : c->covered.end, FAR_AHEAD, before, NULL, err);
}

int
store_log_coverage(struct store_read *r, const char *device, enum bl_stream stream,
    int64_t from_unix_ms, int64_t to_unix_ms, store_log_span_cb cb, void *ctx, struct bl_err *err)
{
	struct cover c = { .r = r,
		.stream = stream,
		.from = from_unix_ms,
		.to = to_unix_ms,
		.place = { .r = r },
		.cb = cb,
		.ctx = ctx };
	int rc;

	if (from_unix_ms >= to_unix_ms)
		return BL_OK;
	if (from_unix_ms < FAR_PAST / 2 || to_unix_ms > FAR_AHEAD / 2)
		return bl_fail(err, BL_EINVAL, "coverage: the range is impossible");
	if ((rc = read_device_id(r, device, &c.device_id, err)) <= 0)
		return rc; /* never heard of: nothing is covered */
	if ((rc = load_coverage(&c, err)) == BL_OK && (rc = load_ledger(&c, err)) == BL_OK)
		rc = walk(&c, err);
	placer_free(&c.place);
	free(c.p);
	free(c.gone.s);
	free(c.lost.s);
	return rc;
}
