/*
 * Sets of sequence numbers as ascending ranges.  Pure; owned by who holds them.
 *
 * In order is the common case: one range that grows at its end.  Ranges neither
 * touch nor overlap, so their number is the number of holes plus one.
 */
#include <stdlib.h>
#include <string.h>

#include "store_internal.h"

void
seqs_free(struct seqs *q)
{
	free(q->r);
	memset(q, 0, sizeof(*q));
}

/* The first range that ends at or after seq; q->n when there is none. */
static size_t
seqs_find(const struct seqs *q, uint64_t seq)
{
	size_t lo = 0, hi = q->n;

	if (hi > 0 && q->r[hi - 1].last < seq)
		return hi;
	while (lo < hi) {
		const size_t mid = lo + (hi - lo) / 2;

		if (q->r[mid].last < seq)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool
seqs_has(const struct seqs *q, uint64_t seq)
{
	const size_t i = seqs_find(q, seq);

	return i < q->n && q->r[i].first <= seq;
}

static int
seqs_room(struct seqs *q, size_t n)
{
	struct bl_range *r;
	size_t size = q->size;

	if (n <= size)
		return BL_OK;
	while (size < n)
		size = size == 0 ? 2 : size * 2;
	if ((r = realloc(q->r, size * sizeof(*r))) == NULL)
		return BL_ENOMEM;
	q->r = r;
	q->size = size;
	return BL_OK;
}

int
seqs_add(struct seqs *q, uint64_t first, uint64_t last, size_t max)
{
	/* i: first range that touches or lies after; j: first that lies beyond. */
	const size_t i = seqs_find(q, first > 0 ? first - 1 : 0);
	size_t j = i;
	int rc;

	while (j < q->n && q->r[j].first <= last + 1)
		j++;
	if (i == j) {
		if (q->n >= max)
			return BL_EFULL;
		if ((rc = seqs_room(q, q->n + 1)) < 0)
			return rc;
		memmove(&q->r[i + 1], &q->r[i], (q->n - i) * sizeof(*q->r));
		q->r[i] = (struct bl_range){ first, last };
		q->n++;
		return BL_OK;
	}
	if (q->r[i].first > first)
		q->r[i].first = first;
	if (q->r[j - 1].last > last)
		last = q->r[j - 1].last;
	q->r[i].last = last;
	memmove(&q->r[i + 1], &q->r[j], (q->n - j) * sizeof(*q->r));
	q->n -= j - i - 1;
	return BL_OK;
}

int
seqs_remove(struct seqs *q, uint64_t first, uint64_t last)
{
	size_t i = seqs_find(q, first);

	while (i < q->n && q->r[i].first <= last) {
		struct bl_range *r = &q->r[i];

		if (r->first < first && r->last > last) {
			if (seqs_room(q, q->n + 1) < 0)
				return BL_ENOMEM;
			memmove(&q->r[i + 1], &q->r[i], (q->n - i) * sizeof(*q->r));
			q->n++;
			q->r[i].last = first - 1;
			q->r[i + 1].first = last + 1;
			return BL_OK;
		}
		if (r->first < first) {
			r->last = first - 1;
			i++;
		} else if (r->last > last) {
			r->first = last + 1;
			return BL_OK;
		} else {
			memmove(r, r + 1, (q->n - i - 1) * sizeof(*r));
			q->n--;
		}
	}
	return BL_OK;
}

uint64_t
seqs_contiguous(const struct seqs *q)
{
	return q->n > 0 && q->r[0].first <= 1 ? q->r[0].last : 0;
}

uint64_t
seqs_highest(const struct seqs *q)
{
	return q->n > 0 ? q->r[q->n - 1].last : 0;
}

uint64_t
seqs_missing(const struct seqs *q, uint64_t first, uint64_t last)
{
	uint64_t have = 0;

	if (last < first)
		return 0;
	for (size_t i = seqs_find(q, first); i < q->n && q->r[i].first <= last; i++) {
		const uint64_t a = q->r[i].first > first ? q->r[i].first : first;
		const uint64_t b = q->r[i].last < last ? q->r[i].last : last;

		have += b - a + 1;
	}
	return last - first + 1 - have;
}

uint64_t
seqs_holes(const struct seqs *q, uint64_t last)
{
	uint64_t n = 0, at = 1;

	for (size_t i = 0; i < q->n && at <= last; i++) {
		if (q->r[i].first > at)
			n++;
		at = q->r[i].last + 1;
	}
	return at <= last ? n + 1 : n;
}

void
seqs_missing_ranges(const struct seqs *q, uint64_t first, uint64_t last, struct bl_ranges *out)
{
	uint64_t at = first;

	for (size_t i = seqs_find(q, first); at <= last && i < q->n; i++) {
		if (q->r[i].first > last)
			break;
		if (q->r[i].first > at && !bl_ranges_add(out, at, q->r[i].first - 1))
			return;
		at = q->r[i].last + 1;
	}
	if (at <= last)
		(void)bl_ranges_add(out, at, last); /* the cap: asked for the next time */
}
