/* Sets of spans as a sorted list; coverage of a stream has few of them. */
#include "branchline/window.h"

#include <stdlib.h>
#include <string.h>

void
bl_spans_init(struct bl_spans *l, size_t cap)
{
	*l = (struct bl_spans){ .cap = cap };
}

void
bl_spans_free(struct bl_spans *l)
{
	free(l->s);
	*l = (struct bl_spans){ .cap = l->cap };
}

/* The first span that ends at or behind the instant. */
static size_t
ends_from(const struct bl_spans *l, int64_t at)
{
	size_t low = 0, high = l->n;

	while (low < high) {
		const size_t mid = low + (high - low) / 2;

		if (l->s[mid].end_unix_ms < at)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int
grow(struct bl_spans *l)
{
	struct bl_span *s;
	size_t size = l->size != 0 ? l->size * 2 : 8;

	if (l->n < l->size)
		return BL_OK;
	if (l->n >= l->cap)
		return BL_EFULL;
	size = size < l->cap ? size : l->cap;
	if ((s = realloc(l->s, size * sizeof(*s))) == NULL)
		return BL_ENOMEM;
	l->s = s;
	l->size = size;
	return BL_OK;
}

int
bl_spans_add(struct bl_spans *l, int64_t begin, int64_t end)
{
	const size_t first = ends_from(l, begin);
	size_t last = first; /* one past those that touch [begin, end) */
	int rc;

	if (begin >= end)
		return BL_OK;
	while (last < l->n && l->s[last].begin_unix_ms <= end)
		last++;
	if (first == last) {
		if ((rc = grow(l)) < 0)
			return rc;
		memmove(l->s + first + 1, l->s + first, (l->n - first) * sizeof(*l->s));
		l->s[first] = (struct bl_span){ begin, end };
		l->n++;
		return BL_OK;
	}
	if (l->s[first].begin_unix_ms < begin)
		begin = l->s[first].begin_unix_ms;
	if (l->s[last - 1].end_unix_ms > end)
		end = l->s[last - 1].end_unix_ms;
	l->s[first] = (struct bl_span){ begin, end };
	memmove(l->s + first + 1, l->s + last, (l->n - last) * sizeof(*l->s));
	l->n -= last - first - 1;
	return BL_OK;
}

int64_t
bl_spans_covered_ms(const struct bl_spans *l, int64_t begin, int64_t end)
{
	uint64_t sum = 0; /* of disjoint spans within 64 bits */

	for (size_t i = ends_from(l, begin); i < l->n && l->s[i].begin_unix_ms < end; i++) {
		const int64_t from = l->s[i].begin_unix_ms > begin ? l->s[i].begin_unix_ms : begin;
		const int64_t to = l->s[i].end_unix_ms < end ? l->s[i].end_unix_ms : end;

		if (from < to)
			sum += (uint64_t)to - (uint64_t)from;
	}
	return sum < INT64_MAX ? (int64_t)sum : INT64_MAX;
}

int64_t
bl_spans_first_hole(const struct bl_spans *l, int64_t begin, int64_t end)
{
	size_t i = ends_from(l, begin);

	if (begin >= end)
		return end;
	/* One that ends just there does not hold the instant. */
	if (i < l->n && l->s[i].end_unix_ms == begin)
		i++;
	if (i == l->n || l->s[i].begin_unix_ms > begin)
		return begin;
	return l->s[i].end_unix_ms < end ? l->s[i].end_unix_ms : end;
}
