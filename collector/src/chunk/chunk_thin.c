/*
 * What thinned samples of a raw column stand for.
 *
 * Bytes: the count of every known sample as sequences; for those with more than
 * one, of which there is at least one: the lowest values, then the highest, as
 * sequences; then runs, varint samples * 4 + kind, of what neighbour they bring along:
 * none, the known sample before them in this column, or one that is stated
 * (those follow, in order: varint ms, value as 8 bytes).
 */
#include "chunk_internal.h"

#include <math.h>
#include <stdlib.h>

enum { NEIGHBOUR_NONE = 0, NEIGHBOUR_BEFORE = 1, NEIGHBOUR_STATED = 2 };

#define BEFORE_MS_MAX (UINT64_C(1) << 53)

/* Arrays of the samples in question, in one piece of memory. */
struct lists {
	int64_t *count;
	double *low, *high;
	uint32_t *at, *prev; /* their place in the column; of the known one before, or UINT32_MAX */
	uint32_t known, n;
};

static bool
lists_init(struct lists *l, uint32_t size)
{
	uint8_t *p = malloc(size * (3 * sizeof(double) + 2 * sizeof(uint32_t)));

	*l = (struct lists){ 0 };
	if (p == NULL)
		return false;
	l->count = (int64_t *)(void *)p;
	l->low = (double *)(void *)(p + size * sizeof(double));
	l->high = l->low + size;
	l->at = (uint32_t *)(void *)(l->high + size);
	l->prev = l->at + size;
	return true;
}

static bool
same(double a, double b)
{
	return memcmp(&a, &b, sizeof(a)) == 0;
}

static unsigned
neighbour(const struct lists *l, uint32_t i, const struct chunk_thin *thin, const int64_t *unix_ms,
    const double *value)
{
	const struct chunk_thin *t = &thin[l->at[i]];
	const uint32_t prev = l->prev[i];

	if (t->before_ms <= 0)
		return NEIGHBOUR_NONE;
	return prev != UINT32_MAX && t->before_ms == unix_ms[l->at[i]] - unix_ms[prev] &&
		       same(t->before, value[prev])
		   ? NEIGHBOUR_BEFORE
		   : NEIGHBOUR_STATED;
}

/* value: per time. */
static void
put_neighbours(struct bl_buf *out, const struct lists *l, const struct chunk_thin *thin,
    const int64_t *unix_ms, const double *value)
{
	uint32_t len;

	for (uint32_t i = 0; i < l->n; i += len) {
		const unsigned kind = neighbour(l, i, thin, unix_ms, value);

		for (len = 1; i + len < l->n && neighbour(l, i + len, thin, unix_ms, value) == kind;
		     len++)
			;
		bl_buf_varint(out, (uint64_t)len << 2 | kind);
	}
	for (uint32_t i = 0; i < l->n; i++) {
		const struct chunk_thin *t = &thin[l->at[i]];

		if (neighbour(l, i, thin, unix_ms, value) != NEIGHBOUR_STATED)
			continue;
		bl_buf_varint(out, (uint64_t)t->before_ms);
		bl_buf_f64(out, t->before);
	}
}

static void
fill_lists(struct lists *l, const struct chunk_in *in, uint32_t n)
{
	uint32_t prev = UINT32_MAX;

	for (uint32_t j = 0; j < n; j++) {
		const struct bl_thin *t = &in->thin[j].thin;

		if (in->unknown != NULL && in->unknown[j] != BL_KNOWN)
			continue;
		l->count[l->known++] = t->count > 1 ? t->count : 1;
		if (t->count > 1) {
			l->low[l->n] = t->min;
			l->high[l->n] = t->max;
			l->at[l->n] = j;
			l->prev[l->n++] = prev;
		}
		prev = j;
	}
}

/* The known values to their times; scratch has room for all times. */
static void
spread(double *scratch, const struct chunk_in *in, uint32_t n)
{
	uint32_t k = in->values->n;

	bl_seq_doubles(in->values, scratch);
	for (uint32_t j = n; j-- > 0;) {
		if (in->unknown == NULL || in->unknown[j] == BL_KNOWN)
			scratch[j] = scratch[--k];
		else
			scratch[j] = NAN;
	}
}

int
chunk_thin_put(struct bl_buf *out, const struct chunk_in *in, const struct chunk_ticks *ticks,
    double *scratch, struct bl_err *err)
{
	struct bl_buf part;
	struct lists l;
	int rc;

	if (!lists_init(&l, ticks->n))
		return bl_fail(err, BL_ENOMEM, "part: out of memory");
	bl_buf_init(&part, CHUNK_REGION_MAX);
	fill_lists(&l, in, ticks->n);
	spread(scratch, in, ticks->n);
	rc = chunk_put_values(
	    &part, &(struct bl_seq){ .i = l.count, .n = l.known, .integers = true }, err);
	if (rc == BL_OK)
		rc = chunk_put_values(&part, &(struct bl_seq){ .d = l.low, .n = l.n }, err);
	if (rc == BL_OK)
		rc = chunk_put_values(&part, &(struct bl_seq){ .d = l.high, .n = l.n }, err);
	if (rc == BL_OK)
		put_neighbours(&part, &l, in->thin, ticks->unix_ms, scratch);
	if (rc == BL_OK && part.failed)
		rc = bl_fail(err, BL_ENOMEM, "part: out of memory");
	if (rc == BL_OK)
		bl_buf_blob(out, part.data, part.len);
	bl_buf_free(&part);
	free(l.count);
	return rc;
}

/* ---- reading ---- */

static bool
get_doubles(struct bl_rd *rd, uint32_t n, double *out, int64_t *scratch)
{
	struct bl_seq s = { .i = scratch, .d = out, .integers = true };

	if (!chunk_get_values(rd, n, &s))
		return false;
	bl_seq_doubles(&s, out);
	return true;
}

static bool
get_counts(struct bl_rd *rd, uint32_t n, struct lists *l, const double *value, uint32_t known)
{
	struct bl_seq s = { .i = l->count, .d = l->low, .integers = true };
	uint32_t prev = UINT32_MAX, k = 0;

	if (known == 0 || !chunk_get_values(rd, known, &s) || !s.integers || s.scale != 0)
		return false;
	for (uint32_t j = 0; j < n; j++) {
		if (isnan(value[j]))
			continue;
		if (k == known || l->count[k] < 1 || l->count[k] > BL_THIN_COUNT_MAX)
			return false;
		if (l->count[k] > 1) {
			l->at[l->n] = j;
			l->prev[l->n] = prev;
			l->count[l->n++] = l->count[k];
		}
		prev = j;
		k++;
	}
	return l->n > 0 && k == known;
}

/* before_ms: -1 where it is stated. */
static bool
get_kinds(struct bl_rd *rd, const struct lists *l, const int64_t *unix_ms, const double *value,
    struct chunk_thin *out)
{
	for (uint32_t i = 0; i < l->n;) {
		const uint64_t run = bl_rd_varint_max(rd, (uint64_t)(l->n - i) << 2 | 3);
		const unsigned kind = (unsigned)run & 3;

		if (rd->failed || run >> 2 == 0 || run >> 2 > l->n - i || kind > NEIGHBOUR_STATED)
			return false;
		for (uint64_t k = 0; k < run >> 2; k++, i++) {
			struct chunk_thin *t = &out[l->at[i]];

			if (kind == NEIGHBOUR_STATED)
				t->before_ms = -1;
			if (kind != NEIGHBOUR_BEFORE)
				continue;
			if (l->prev[i] == UINT32_MAX || unix_ms[l->prev[i]] >= unix_ms[l->at[i]])
				return false;
			t->before_ms = unix_ms[l->at[i]] - unix_ms[l->prev[i]];
			t->before = value[l->prev[i]];
		}
	}
	return true;
}

static bool
get_stated(struct bl_rd *rd, const struct lists *l, struct chunk_thin *out)
{
	for (uint32_t i = 0; i < l->n; i++) {
		struct chunk_thin *t = &out[l->at[i]];

		if (t->before_ms >= 0)
			continue;
		t->before_ms = (int64_t)bl_rd_varint_max(rd, BEFORE_MS_MAX);
		t->before = bl_rd_f64(rd);
		if (rd->failed || t->before_ms == 0 || !isfinite(t->before))
			return false;
	}
	return bl_rd_left(rd) == 0;
}

int
chunk_thin_get(struct bl_rd *rd, uint32_t n, uint32_t known, const int64_t *unix_ms,
    const double *value, struct chunk_thin *out)
{
	int64_t *scratch = malloc(n * sizeof(*scratch));
	struct lists l;
	bool ok;

	if (scratch == NULL || !lists_init(&l, n)) {
		free(scratch);
		return BL_ENOMEM;
	}
	ok = get_counts(rd, n, &l, value, known) && get_doubles(rd, l.n, l.low, scratch) &&
	     get_doubles(rd, l.n, l.high, scratch);
	for (uint32_t i = 0; ok && i < l.n; i++) {
		ok = l.low[i] <= l.high[i];
		out[l.at[i]].thin = (struct bl_thin){ l.low[i], l.high[i], (uint32_t)l.count[i] };
	}
	ok = ok && get_kinds(rd, &l, unix_ms, value, out) && get_stated(rd, &l, out);
	free(scratch);
	free(l.count);
	return ok ? BL_OK : BL_ECORRUPT;
}
