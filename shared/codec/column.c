/*
 * One series of a batch, reading side: id, times, reasons, and where its
 * numbers stand.  Nothing allocates, and nothing is decoded before the
 * column's end has been found.
 */
#include "codec_internal.h"

#include <math.h>
#include <string.h>

/* Runs of (count, reason) must make up n; *known is how many have no reason. */
static bool
unknown_runs(struct bl_bits_r *r, uint32_t n, uint32_t *known)
{
	const uint64_t runs = bits_get_expg(r, 0) + 1;
	uint64_t total = 0;

	*known = 0;
	for (uint64_t i = 0; i < runs && bl_bits_ok(r); i++) {
		const unsigned reason = (unsigned)bl_bits_get_few(r, 3);
		const uint64_t count = bits_get_expg(r, 3) + 1;

		if (reason > BL_UNKNOWN_LATE || count > n || (total += count) > n)
			return false;
		if (reason == BL_KNOWN)
			*known += (uint32_t)count;
	}
	return bl_bits_ok(r) && total == n;
}

/* Flags of a column that is not plain. */
enum { EXTRA_ID = 1, EXTRA_TIME = 2, EXTRA_UNKNOWN = 4 };

static const char *
own_times(struct bl_bits_r *r, struct bl_column *c)
{
	const uint64_t n = bits_get_expg(r, 3) + 1;

	c->time_index = -1;
	c->times = r->p;
	c->times_bytes = (uint32_t)r->bytes;
	c->times_at = (uint32_t)r->pos;
	c->n = (uint32_t)n;
	if (!bl_bits_ok(r) || n > BL_BATCH_SAMPLES_MAX || !codec_times_end(r, c->n))
		return "own times";
	return NULL;
}

static const char *
get_times(struct bl_batch_reader *b, struct bl_bits_r *r, bool stated, struct bl_column *c)
{
	uint64_t ref = b->state.time_index + UINT64_C(1);

	if (stated)
		ref = bits_get_expg(r, 1);
	if (!bl_bits_ok(r) || ref > b->n_times)
		return "time column reference";
	if (ref == 0)
		return own_times(r, c);
	b->state.time_index = (uint32_t)ref - 1;
	c->time_index = (int32_t)b->state.time_index;
	c->times = b->times;
	c->times_bytes = b->times_bytes;
	c->times_at = b->time[ref - 1].at;
	c->n = b->time[ref - 1].n;
	return NULL;
}

const char *
codec_column_get(struct bl_batch_reader *b, struct bl_bits_r *r, struct bl_column *c)
{
	const char *bad;
	unsigned extra = 0;
	uint64_t step = 1;
	uint32_t known;

	c->unknown_at = 0;
	c->thin = c->thin_end = NULL;
	if (bl_bits_get_few(r, 1) != 0 && (extra = (unsigned)bl_bits_get_few(r, 3)) == 0)
		return "flags";
	if ((extra & EXTRA_ID) != 0)
		step = bits_get_expg(r, 2) + 2;
	if (!bl_bits_ok(r) || step > BL_DICT_ENTRIES_MAX - b->state.series_id)
		return "head or series id";
	b->state.series_id += (uint32_t)step;
	c->series_id = b->state.series_id;
	if ((bad = get_times(b, r, (extra & EXTRA_TIME) != 0, c)) != NULL)
		return bad;
	known = c->n;
	if ((extra & EXTRA_UNKNOWN) != 0) {
		c->unknown_at = (uint32_t)r->pos;
		if (!unknown_runs(r, c->n, &known))
			return "unknown samples";
	}
	return codec_numbers_get(r, &b->state.coding, known, &c->known) ? NULL : "values";
}

bool
codec_column_times(const struct bl_batch_reader *b, const struct bl_column *c, int64_t *out)
{
	struct bl_bits_r r = { c->times, c->times_bytes, c->times_at, false };

	return codec_times_get(&r, b->h->event_begin_ms, b->h->event_end_ms, c->n, out);
}

void
codec_column_reasons(const struct bl_column *c, uint8_t *out)
{
	struct bl_bits_r r = { c->known.p, c->known.bytes, c->unknown_at, false };
	uint64_t runs;

	if (c->unknown_at == 0) {
		memset(out, BL_KNOWN, c->n);
		return;
	}
	for (runs = bits_get_expg(&r, 0) + 1; runs > 0; runs--) {
		const int reason = (int)bl_bits_get_few(&r, 3);
		const size_t n = (size_t)bits_get_expg(&r, 3) + 1;

		memset(out, reason, n);
		out += n;
	}
}

/* Known and unknown samples take turns, as the runs say. */
static bool
decode_runs(const struct bl_column *c, struct codec_walk *w, double *value)
{
	struct bl_bits_r r = { c->known.p, c->known.bytes, c->unknown_at, false };
	uint64_t runs = bits_get_expg(&r, 0) + 1;

	for (; runs > 0; runs--) {
		const unsigned reason = (unsigned)bl_bits_get_few(&r, 3);
		const size_t n = (size_t)bits_get_expg(&r, 3) + 1;

		if (reason != BL_KNOWN)
			for (size_t i = 0; i < n; i++)
				value[i] = NAN;
		else if (!codec_walk_doubles(w, value, n))
			return false;
		value += n;
	}
	return true;
}

int
bl_column_decode(const struct bl_batch_reader *r, const struct bl_column *c, int64_t *boot_ms,
    double *value, uint8_t *unknown, struct bl_err *err)
{
	struct codec_walk w;
	bool ok;

	if (boot_ms != NULL && !codec_column_times(r, c, boot_ms))
		return bl_fail(err, BL_ECORRUPT,
		    "batch: series %u: times descend or pass the range", c->series_id);
	codec_walk_init(&w, &c->known);
	ok = c->unknown_at != 0 ? decode_runs(c, &w, value) : codec_walk_doubles(&w, value, c->n);
	if (!ok || !codec_walk_done(&w))
		return bl_fail(
		    err, BL_ECORRUPT, "batch: series %u: values do not decode", c->series_id);
	if (unknown != NULL)
		codec_column_reasons(c, unknown);
	return BL_OK;
}

void
bl_column_drop_infinite(
    const struct bl_column *c, double *value, uint8_t *unknown, struct bl_thin *thin)
{
	if (c->known.encoding != ENC_XOR && c->known.encoding != ENC_CONST_F64)
		return;
	for (uint32_t i = 0; i < c->n; i++) {
		if (!isinf(value[i]))
			continue;
		value[i] = NAN;
		unknown[i] = BL_UNKNOWN_UNREADABLE;
		if (thin != NULL)
			thin[i] = (struct bl_thin){ NAN, NAN, 0 };
	}
}
