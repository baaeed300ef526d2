/*
 * One series of a batch, reading side.
 *
 * codec_column_get checks a column's structure and finds its end without
 * decoding it; only then does anything walk the values.  Nothing allocates.
 */
#include "codec_internal.h"

#include <math.h>
#include <string.h>

#define CHUNK 256u

static const double powers_of_ten[] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6 };

double
codec_scaled(int64_t m, unsigned scale, unsigned shift)
{
	if (scale == CODEC_SCALE_SHIFT)
		return ldexp((double)m, (int)shift);
	return (double)m / powers_of_ten[scale];
}

bool
codec_decimal(double v, unsigned e, int64_t *m)
{
	const double scaled = v * powers_of_ten[e];
	double back;

	if (!(scaled >= -9007199254740992.0 && scaled <= 9007199254740992.0))
		return false;
	*m = llrint(scaled);
	back = (double)*m / powers_of_ten[e];
	/* Bit for bit: -0.0 is no decimal. */
	return memcmp(&back, &v, sizeof(v)) == 0;
}

/* Runs of (count, reason) must make up n; *known is how many have no reason. */
static bool
unknown_runs(struct bl_rd *rd, uint32_t n, uint32_t *known)
{
	const uint64_t runs = bl_rd_varint_max(rd, n);
	uint64_t total = 0;

	*known = 0;
	for (uint64_t i = 0; i < runs && !rd->failed; i++) {
		const uint64_t run = bl_rd_varint_max(rd, (uint64_t)n << 3 | 7);

		if (run >> 3 == 0 || (run & 7) > BL_UNKNOWN_LATE)
			return false;
		total += run >> 3;
		if ((run & 7) == BL_KNOWN)
			*known += (uint32_t)(run >> 3);
	}
	return !rd->failed && total == n;
}

/* Flags of the extra byte. */
enum { EXTRA_ID = 1, EXTRA_TIME = 2, EXTRA_UNKNOWN = 4 };

static const char *
get_times(struct bl_batch_reader *r, struct bl_rd *rd, bool stated, struct bl_column *c)
{
	uint64_t ref = r->state.time_index + 1;

	if (stated)
		ref = bl_rd_varint(rd);
	if (rd->failed || ref > r->n_times)
		return "time column reference";
	if (ref == 0) {
		c->time_index = -1;
		c->n = (uint32_t)bl_rd_varint_max(rd, BL_BATCH_SAMPLES_MAX);
		c->times = rd->p;
		c->times_limit = rd->end;
		if ((rd->p = codec_times_end(rd->p, rd->end, c->n)) == NULL)
			return "own times";
		return NULL;
	}
	r->state.time_index = (uint32_t)ref - 1;
	c->time_index = (int32_t)r->state.time_index;
	c->times = r->times[ref - 1].p;
	c->times_limit = r->times[ref - 1].limit;
	c->n = r->times[ref - 1].n;
	return NULL;
}

/* Finds the end of the values; NULL: ill-formed. */
static const uint8_t *
values_end(struct bl_column *c, struct bl_rd *rd)
{
	const struct codec_choice choice = { c->encoding, c->k, c->predictor };

	switch (c->encoding) {
	case ENC_CONST_INT:
		if (c->n_known > 0)
			(void)bl_rd_varint(rd);
		return rd->failed ? NULL : rd->p;
	case ENC_CONST_F64:
		(void)bl_rd_bytes(rd, 8);
		return rd->failed || c->n_known == 0 ? NULL : rd->p;
	case ENC_RICE:
	case ENC_EXPG:
	case ENC_RUNS:
		return codec_ints_end(choice, rd->p, rd->end, c->n_known);
	case ENC_XOR:
		return c->n_known < 2 ? NULL : codec_xor_end(rd->p, rd->end);
	default:
		return NULL;
	}
}

/* Head, extra byte, shift; the short form has everything in its one byte. */
static uint8_t
get_head(struct bl_batch_reader *r, struct bl_rd *rd, struct bl_column *c)
{
	const uint8_t head = bl_rd_u8(rd);
	uint8_t extra = 0;

	if ((head & 0x80) == 0) {
		c->encoding = ENC_RICE;
		c->k = head & 15u;
		c->predictor = head >> 4;
		c->scale = r->state.scale;
		c->shift = r->state.shift;
		return 0;
	}
	c->encoding = head & 7u;
	c->scale = head >> 3 & 7u;
	if ((head & 0x40) != 0 && (extra = bl_rd_u8(rd)) == 0)
		rd->failed = true;
	if (c->scale == CODEC_SCALE_SHIFT && (c->shift = bl_rd_u8(rd)) > 63)
		rd->failed = true;
	return extra;
}

/* The parameters of the long form, and whether scale goes with the encoding. */
static bool
get_params(struct bl_batch_reader *r, struct bl_rd *rd, bool long_form, struct bl_column *c)
{
	uint8_t params;

	if (c->encoding == ENC_CONST_F64 || c->encoding == ENC_XOR)
		return c->scale == 0;
	if (c->encoding == ENC_CONST_INT)
		return c->n_known > 0 || c->scale == 0;
	r->state.scale = c->scale;
	r->state.shift = c->shift;
	if (long_form && c->encoding != ENC_RUNS) {
		params = bl_rd_u8(rd);
		c->k = params & 31u;
		c->predictor = params >> 5;
	}
	return !rd->failed;
}

const char *
codec_column_get(
    struct bl_batch_reader *r, const uint8_t **p, const uint8_t *end, struct bl_column *c)
{
	uint64_t step = 1;
	const char *bad;
	struct bl_rd rd;
	uint8_t extra;
	bool long_form;

	*c = (struct bl_column){ 0 };
	bl_rd_init(&rd, *p, (size_t)(end - *p));
	long_form = rd.p < rd.end && (*rd.p & 0x80) != 0;
	extra = get_head(r, &rd, c);
	if (extra > 7)
		return "flags";
	if ((extra & EXTRA_ID) != 0)
		step = bl_rd_varint(&rd);
	if (rd.failed || step == 0 || step > BL_DICT_ENTRIES_MAX - r->state.series_id)
		return "head or series id";
	r->state.series_id += (uint32_t)step;
	c->series_id = r->state.series_id;
	if ((bad = get_times(r, &rd, (extra & EXTRA_TIME) != 0, c)) != NULL)
		return bad;
	c->n_known = c->n;
	if ((extra & EXTRA_UNKNOWN) != 0) {
		c->unknown = rd.p;
		if (!unknown_runs(&rd, c->n, &c->n_known))
			return "unknown samples";
	}
	if (!get_params(r, &rd, long_form, c))
		return "scale or parameters";
	c->data = rd.p;
	c->limit = end;
	if ((*p = values_end(c, &rd)) == NULL)
		return "values";
	return NULL;
}

bool
codec_seq_get(struct bl_rd *rd, uint32_t n, struct bl_column *c)
{
	const uint8_t head = bl_rd_u8(rd);
	uint8_t params;

	*c = (struct bl_column){ .n = n, .n_known = n };
	c->encoding = head & 7u;
	c->scale = head >> 3 & 7u;
	if (head >> 6 != 0)
		rd->failed = true;
	if (c->scale == CODEC_SCALE_SHIFT && (c->shift = bl_rd_u8(rd)) > 63)
		rd->failed = true;
	if ((c->encoding == ENC_CONST_F64 || c->encoding == ENC_XOR) && c->scale != 0)
		rd->failed = true;
	if (c->encoding == ENC_RICE || c->encoding == ENC_EXPG) {
		params = bl_rd_u8(rd);
		c->k = params & 31u;
		c->predictor = params >> 5;
	}
	if (rd->failed)
		return false;
	c->data = rd->p;
	c->limit = rd->end;
	return (rd->p = values_end(c, rd)) != NULL;
}

void
codec_values_init(struct codec_values *v, const struct bl_column *c)
{
	const struct codec_choice choice = { c->encoding, c->k, c->predictor };
	struct bl_rd rd;

	v->c = c;
	v->constant = 0;
	bl_rd_init(&rd, c->data, (size_t)(c->limit - c->data));
	if (c->encoding == ENC_XOR)
		codec_xor_init(&v->floats, c->data, c->limit);
	else if (c->encoding == ENC_CONST_F64)
		v->constant = bl_rd_f64(&rd);
	else if (c->encoding == ENC_CONST_INT)
		v->constant =
		    c->n_known == 0 ? 0 : codec_scaled(bl_rd_zigzag(&rd), c->scale, c->shift);
	else
		codec_ints_init(&v->ints, choice, c->data, c->limit, c->n_known);
}

void
codec_scale_ints(unsigned scale, unsigned shift, const int64_t *m, double *out, size_t n)
{
	if (scale == 0) {
		for (size_t i = 0; i < n; i++)
			out[i] = (double)m[i];
	} else if (scale == CODEC_SCALE_SHIFT) {
		const double factor = ldexp(1, (int)shift);

		for (size_t i = 0; i < n; i++)
			out[i] = (double)m[i] * factor;
	} else {
		const double divisor = powers_of_ten[scale];

		for (size_t i = 0; i < n; i++)
			out[i] = (double)m[i] / divisor;
	}
}

bool
codec_values_next(struct codec_values *v, double *out, size_t n)
{
	int64_t ints[CHUNK];

	if (v->c->encoding == ENC_XOR)
		return codec_xor_next(&v->floats, out, n);
	if (v->c->encoding == ENC_CONST_INT || v->c->encoding == ENC_CONST_F64) {
		for (size_t i = 0; i < n; i++)
			out[i] = v->constant;
		return isfinite(v->constant);
	}
	while (n > 0) {
		const size_t some = n < CHUNK ? n : CHUNK;

		codec_ints_next(&v->ints, ints, some);
		codec_scale_ints(v->c->scale, v->c->shift, ints, out, some);
		out += some;
		n -= some;
	}
	return true;
}

bool
codec_values_done(const struct codec_values *v)
{
	return v->c->encoding != ENC_XOR || codec_xor_done(&v->floats);
}

/* Known and unknown samples take turns, as the runs say. */
static bool
decode_runs(const struct bl_column *c, struct codec_values *v, double *value, uint8_t *unknown)
{
	uint64_t runs;
	struct bl_rd rd;

	bl_rd_init(&rd, c->unknown, (size_t)(c->data - c->unknown));
	runs = bl_rd_varint(&rd);
	for (; runs > 0; runs--) {
		const uint64_t run = bl_rd_varint(&rd);
		const size_t n = (size_t)(run >> 3);

		if ((run & 7) != BL_KNOWN)
			for (size_t i = 0; i < n; i++)
				value[i] = NAN;
		else if (!codec_values_next(v, value, n))
			return false;
		if (unknown != NULL) {
			memset(unknown, (int)(run & 7), n);
			unknown += n;
		}
		value += n;
	}
	return true;
}

bool
codec_column_times(const struct bl_batch_reader *r, const struct bl_column *c, int64_t *out)
{
	return codec_times_get(
	    c->times, c->times_limit, r->h->event_begin_ms, r->h->event_end_ms, c->n, out);
}

int
bl_column_decode(const struct bl_batch_reader *r, const struct bl_column *c, int64_t *boot_ms,
    double *value, uint8_t *unknown, struct bl_err *err)
{
	struct codec_values v;
	bool ok = true;

	if (boot_ms != NULL && !codec_column_times(r, c, boot_ms))
		return bl_fail(err, BL_ECORRUPT,
		    "batch: series %u: times descend or pass the range", c->series_id);
	codec_values_init(&v, c);
	if (c->unknown != NULL) {
		ok = decode_runs(c, &v, value, unknown);
	} else {
		ok = codec_values_next(&v, value, c->n);
		if (unknown != NULL)
			memset(unknown, BL_KNOWN, c->n);
	}
	if (!ok || !codec_values_done(&v))
		return bl_fail(
		    err, BL_ECORRUPT, "batch: series %u: values do not decode", c->series_id);
	return BL_OK;
}
