/*
 * Holes: what of a span of time a device's stream did not deliver, and why.
 *
 * Coverage says what came; the rest is a hole.  The ledger gives a hole its
 * reason: by time where an entry has times, else by the seqs that are missing
 * between the hole's two neighbours.  What remains is "not arrived".  That
 * something was thinned is no reason: it comes in another batch, and should that
 * be given up, too, there is an entry about it.
 */
#include <stdlib.h>
#include <string.h>

#include "store_read_internal.h"

#define COVER_MAX 200000 /* rows of one question */

static void *
grow(void *p, size_t *size, size_t item)
{
	const size_t n = *size == 0 ? 64 : *size * 2;
	void *q = realloc(p, n * item);

	if (q != NULL)
		*size = n;
	return q;
}

int
spans_add(struct spans *l, int64_t from, int64_t to, int reason, int64_t join_ms)
{
	struct store_span *last = l->n > 0 ? &l->s[l->n - 1] : NULL, *s;

	if (to <= from)
		return BL_OK;
	if (last != NULL && last->reason == reason && from - last->to_unix_ms <= join_ms) {
		if (to > last->to_unix_ms)
			last->to_unix_ms = to;
		return BL_OK;
	}
	if (l->n == l->size) {
		if ((s = grow(l->s, &l->size, sizeof(*s))) == NULL)
			return BL_ENOMEM;
		l->s = s;
	}
	l->s[l->n++] = (struct store_span){ from, to, reason };
	return BL_OK;
}

static int
add_cover(struct hole_facts *h, const struct hole_row *c)
{
	struct hole_row *more;

	if (h->n_c == h->size_c) {
		if (h->n_c >= COVER_MAX || (more = grow(h->c, &h->size_c, sizeof(*more))) == NULL)
			return BL_EFULL;
		h->c = more;
	}
	h->c[h->n_c++] = *c;
	return BL_OK;
}

/* Rows that begin before to and end behind from. */
static int
load_coverage(struct store_read *r, int64_t device_id, enum bl_stream stream, int64_t from,
    int64_t to, struct hole_facts *h, struct bl_err *err)
{
	int64_t at = INT64_MIN, at_id = 0;
	size_t page;
	int rc;

	do {
		sqlite3_stmt *st = read_bind(r, READ_COVERAGE, err, "iiiiii", device_id,
		    (int64_t)stream, at, at_id, to, from);

		for (page = 0; (rc = read_step(r, st, err)) == 1; page++) {
			const struct hole_row c = {
				.spool_id = sqlite3_column_int64(st, 0),
				.seq_first = (uint64_t)sqlite3_column_int64(st, 1),
				.seq_last = (uint64_t)sqlite3_column_int64(st, 2),
				.begin = sqlite3_column_int64(st, 3),
				.end = sqlite3_column_int64(st, 4),
				.arrived = sqlite3_column_int64(st, 5),
				.first_arrived = sqlite3_column_int64(st, 8),
			};

			at = sqlite3_column_int64(st, 6);
			at_id = sqlite3_column_int64(st, 7);
			if (c.begin < to && c.end > from && add_cover(h, &c) < 0) {
				(void)sqlite3_reset(st);
				return bl_fail(err, BL_EFULL,
				    "the range has too many coverage rows: ask for a shorter one");
			}
		}
		if (rc < 0)
			return rc;
	} while (page == 1024);
	return BL_OK;
}

static int
load_ledger(struct store_read *r, int64_t device_id, enum bl_stream stream, int64_t from,
    int64_t to, struct hole_facts *h, struct bl_err *err)
{
	int64_t at_id = 0;
	size_t page;
	int rc;

	do {
		sqlite3_stmt *st = read_bind(
		    r, READ_GAPS_STREAM, err, "iiiii", device_id, (int64_t)stream, at_id, from, to);

		for (page = 0; (rc = read_step(r, st, err)) == 1; page++) {
			struct hole_entry *g = h->g;

			at_id = sqlite3_column_int64(st, 0);
			if (h->n_g == h->size_g &&
			    (h->n_g >= COVER_MAX ||
				(g = grow(h->g, &h->size_g, sizeof(*g))) == NULL)) {
				(void)sqlite3_reset(st);
				return bl_fail(err, BL_EFULL,
				    "the range has too many ledger entries: ask for a shorter one");
			}
			h->g = g;
			h->g[h->n_g++] = (struct hole_entry){
				.reason = sqlite3_column_int(st, 1),
				.spool_id = sqlite3_column_int64(st, 2),
				.seq_first = (uint64_t)sqlite3_column_int64(st, 3),
				.seq_last = (uint64_t)sqlite3_column_int64(st, 4),
				.begin = store_column_time(st, 5),
				.end = store_column_time(st, 6),
				.lost_part = sqlite3_column_int(st, 7) != 0,
			};
		}
		if (rc < 0)
			return rc;
	} while (page == 1024);
	return BL_OK;
}

/* What stands for known hours (of no spool) comes behind the rows that begin with it. */
static int
by_begin(const void *a, const void *b)
{
	const struct hole_row *x = a, *y = b;

	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	return (x->spool_id == 0) - (y->spool_id == 0);
}

/* Rows come by their lower ends, which only events before the interval tell from their begin. */
static bool
in_order(const struct hole_facts *h)
{
	for (size_t i = 1; i < h->n_c; i++)
		if (h->c[i].begin < h->c[i - 1].begin)
			return false;
	return true;
}

static int
ledger_by_begin(const void *a, const void *b)
{
	const struct hole_entry *x = a, *y = b;

	return (x->begin > y->begin) - (x->begin < y->begin);
}

/* The reason that the ledger gives for seqs missing between two neighbours; 0: none. */
static int
reason_by_seqs(
    const struct hole_facts *h, const struct hole_row *before, const struct hole_row *after)
{
	for (size_t i = 0; i < h->n_g; i++) {
		const struct hole_entry *g = &h->g[i];

		if (g->reason == BL_GAP_THINNED || g->lost_part || g->seq_first == 0 ||
		    (g->begin != STORE_TIME_NONE && g->end != STORE_TIME_NONE))
			continue;
		if (before != NULL && g->spool_id == before->spool_id &&
		    g->seq_first <= before->seq_last + 1 && g->seq_last > before->seq_last)
			return g->reason;
		if (after != NULL && g->spool_id == after->spool_id &&
		    g->seq_last + 1 >= after->seq_first && g->seq_first < after->seq_first)
			return g->reason;
	}
	return 0;
}

/* The agent says that it still has some of the seqs missing between two neighbours. */
static bool
still_held(const struct hole_facts *h, const struct hole_row *before, const struct hole_row *after)
{
	for (size_t i = 0; i < h->n_held; i++) {
		const struct hole_held *d = &h->held[i];
		const bool is_before = before != NULL && before->spool_id == d->spool_id;
		const bool is_after = after != NULL && after->spool_id == d->spool_id;
		uint64_t first = d->first, last = d->last;

		if (!is_before && !is_after)
			continue;
		if (is_before && first <= before->seq_last)
			first = before->seq_last + 1;
		if (is_after && last >= after->seq_first)
			last = after->seq_first - 1;
		if (first <= last)
			return true;
	}
	return false;
}

static int
explain(const struct hole_facts *h, int64_t from, int64_t to, const struct hole_row *before,
    const struct hole_row *after, struct spans *out)
{
	const int by_seqs = reason_by_seqs(h, before, after);
	const int rest = by_seqs != 0                   ? by_seqs
			 : still_held(h, before, after) ? STORE_GAP_HELD
							: STORE_GAP_NOT_ARRIVED;
	int64_t at = from;

	for (size_t i = 0; i < h->n_g && at < to; i++) {
		const struct hole_entry *g = &h->g[i];
		int64_t a = g->begin, b = g->end;

		if (g->reason == BL_GAP_THINNED || g->lost_part || a == STORE_TIME_NONE ||
		    b == STORE_TIME_NONE || b <= at || a >= to)
			continue;
		if (a - at < STORE_EDGE_MS)
			a = at;
		if (to - b < STORE_EDGE_MS)
			b = to;
		if (spans_add(out, at, a, rest, 0) < 0 || spans_add(out, a, b, g->reason, 0) < 0)
			return BL_ENOMEM;
		at = b;
	}
	return spans_add(out, at, to, rest, 0);
}

int
holes_make(const struct hole_facts *h, int64_t from, int64_t to, struct spans *out)
{
	const struct hole_row *before = NULL;
	int64_t at = from;
	int rc;

	for (size_t i = 0; i < h->n_c; i++) {
		const struct hole_row *c = &h->c[i];

		if (c->begin - at >= STORE_HOLE_MIN_MS &&
		    (rc = explain(h, at, c->begin < to ? c->begin : to, before, c, out)) < 0)
			return rc;
		if (before == NULL || c->end > at)
			before = c;
		if (c->end > at)
			at = c->end;
	}
	return at < to ? explain(h, at, to, before, NULL, out) : BL_OK;
}

static void
sort_rows(struct hole_facts *h)
{
	if (!in_order(h))
		qsort(h->c, h->n_c, sizeof(*h->c), by_begin);
}

static int
load_rest(struct store_read *r, int64_t device_id, enum bl_stream stream, int64_t from, int64_t to,
    struct hole_facts *h, struct bl_err *err)
{
	const int rc = load_ledger(r, device_id, stream, from, to, h, err);

	if (rc < 0)
		return rc;
	sort_rows(h);
	if (h->n_g > 1)
		qsort(h->g, h->n_g, sizeof(*h->g), ledger_by_begin);
	return BL_OK;
}

int
holes_load(struct store_read *r, int64_t device_id, enum bl_stream stream, int64_t from, int64_t to,
    struct hole_facts *h, struct bl_err *err)
{
	const int rc = load_coverage(r, device_id, stream, from, to, h, err);

	return rc < 0 ? rc : load_rest(r, device_id, stream, from, to, h, err);
}

void
holes_free(struct hole_facts *h)
{
	free(h->c);
	free(h->g);
	free(h->held);
}

static int
by_from(const void *a, const void *b)
{
	const struct store_span *x = a, *y = b;

	return (x->from_unix_ms > y->from_unix_ms) - (x->from_unix_ms < y->from_unix_ms);
}

/* Pieces of [at, end) that none of the first n spans, which ascend, has; not joined. */
static int
add_between(struct spans *l, size_t n, int64_t at, int64_t end, int reason)
{
	for (size_t k = 0; k < n && at < end; k++) {
		const struct store_span hole = l->s[k];

		if (hole.to_unix_ms <= at)
			continue;
		if (hole.from_unix_ms >= end)
			break;
		if (spans_add(l, at, hole.from_unix_ms, reason, INT64_MIN) < 0)
			return BL_ENOMEM;
		at = hole.to_unix_ms;
	}
	return spans_add(l, at, end, reason, INT64_MIN);
}

/* What was delivered of hours that cannot be read any more: it lies between the holes. */
static int
add_lost(const struct hole_facts *h, int64_t from, int64_t to, struct spans *l)
{
	const size_t n = l->n;
	size_t kept = 0;

	for (size_t i = 0; i < h->n_g; i++) {
		const struct hole_entry *g = &h->g[i];

		if (g->lost_part && add_between(l, n, g->begin > from ? g->begin : from,
					g->end < to ? g->end : to, g->reason) < 0)
			return BL_ENOMEM;
	}
	if (l->n == n)
		return BL_OK;
	qsort(l->s, l->n, sizeof(*l->s), by_from);
	for (size_t i = 1; i < l->n; i++) {
		struct store_span *last = &l->s[kept];

		if (last->reason == l->s[i].reason && last->to_unix_ms == l->s[i].from_unix_ms)
			last->to_unix_ms = l->s[i].to_unix_ms;
		else
			l->s[++kept] = l->s[i];
	}
	l->n = kept + 1;
	return BL_OK;
}

/* ---- without the rows of whole hours ---- */

/*
 * Of [from, to), which may begin before what is asked for: hours are noted whole.  Known hours are
 * one row each time they touch, which ends a moment before they do where more is asked for, so that
 * what lies beside them has its true neighbour: a row that reaches over their border.
 */
static int
load_unknown(struct store_read *r, int64_t device_id, enum bl_stream stream, int64_t from,
    int64_t to, struct hole_facts *h, struct bl_err *err)
{
	int64_t at = from, begin, end;
	int rc = BL_OK;

	while (rc == BL_OK && whole_next(r, device_id, stream, at, to, &begin, &end)) {
		const struct hole_row known = { .begin = begin, .end = end < to ? end - 1 : to };

		if (begin > from)
			rc = load_coverage(
			    r, device_id, stream, at > from ? at - 1 : at, begin + 1, h, err);
		if (rc == BL_OK && add_cover(h, &known) < 0)
			rc = bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory");
		at = end;
	}
	if (rc == BL_OK && at < to)
		rc = load_coverage(r, device_id, stream, at > from ? at - 1 : at, to, h, err);
	return rc;
}

/* What the rows, which are in order, show to be whole. */
static void
note_whole(
    struct store_read *r, int64_t device_id, enum bl_stream stream, const struct hole_facts *h)
{
	int64_t begin = 0, end = INT64_MIN;

	for (size_t i = 0; i < h->n_c; i++) {
		const struct hole_row *c = &h->c[i];

		if (i == 0 || c->begin - end >= STORE_HOLE_MIN_MS) {
			if (i > 0)
				whole_note(r, device_id, stream, begin, end);
			begin = c->begin;
			end = c->end;
		}
		end = c->end > end ? c->end : end;
	}
	if (h->n_c > 0)
		whole_note(r, device_id, stream, begin, end);
}

/* Rows that were read to see whether the first hour is whole say nothing of the range. */
static void
drop_before(struct hole_facts *h, int64_t from)
{
	size_t n = 0;

	for (size_t i = 0; i < h->n_c; i++)
		if (h->c[i].end > from)
			h->c[n++] = h->c[i];
	h->n_c = n;
}

int
read_holes(struct store_read *r, int64_t device_id, enum bl_stream stream, int64_t from, int64_t to,
    struct spans *out, struct bl_err *err)
{
	struct hole_facts h = { 0 };
	int rc;

	if ((rc = whole_begin(r, err)) < 0 ||
	    (rc = load_unknown(r, device_id, stream, store_hour(from), to, &h, err)) < 0)
		goto done;
	sort_rows(&h);
	note_whole(r, device_id, stream, &h);
	drop_before(&h, from);
	if ((rc = load_rest(r, device_id, stream, from, to, &h, err)) == BL_OK &&
	    ((rc = holes_make(&h, from, to, out)) < 0 || (rc = add_lost(&h, from, to, out)) < 0))
		rc = bl_fail(err, rc, "read telemetry store: out of memory");
done:
	holes_free(&h);
	return rc;
}
