/*
 * Sequences: out of a batch's column, and on their own.
 *
 * The first body of this file goes over the columns' own code; what it promises
 * is in seq.h.
 */
#include "codec_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/seq.h"

#define FEW         512u
#define INTEGER_MAX (INT64_C(1) << 53)

static int
corrupt(struct bl_err *err)
{
	return bl_fail(err, BL_ECORRUPT, "sequence: does not decode");
}

/* The known values of c, as integers where they are coded as such. */
static bool
known_values(const struct bl_column *c, struct bl_seq *out)
{
	struct codec_values v;

	out->n = c->n_known;
	out->integers = c->encoding != ENC_CONST_F64 && c->encoding != ENC_XOR;
	out->scale = out->integers ? c->scale : 0;
	out->shift = out->integers ? c->shift : 0;
	out->hint = 0;
	codec_values_init(&v, c);
	if (!out->integers)
		return codec_values_next(&v, out->d, out->n) && codec_values_done(&v);
	if (c->encoding == ENC_CONST_INT) {
		struct bl_rd rd;
		int64_t m;

		if (!isfinite(v.constant))
			return false;
		bl_rd_init(&rd, c->data, (size_t)(c->limit - c->data));
		m = out->n == 0 ? 0 : bl_rd_zigzag(&rd);
		for (uint32_t k = 0; k < out->n; k++)
			out->i[k] = m;
	} else {
		codec_ints_next(&v.ints, out->i, out->n);
	}
	for (uint32_t k = 0; k < out->n; k++)
		if (out->i[k] > INTEGER_MAX || out->i[k] < -INTEGER_MAX)
			out->integers = false;
	if (out->integers)
		return true;
	/* A writer that does not keep to 2^53 is read all the same. */
	codec_scale_ints(c->scale, c->shift, out->i, out->d, out->n);
	out->scale = out->shift = 0;
	return true;
}

static void
reasons(const struct bl_column *c, uint8_t *unknown)
{
	uint64_t runs;
	struct bl_rd rd;

	if (c->unknown == NULL) {
		memset(unknown, BL_KNOWN, c->n);
		return;
	}
	bl_rd_init(&rd, c->unknown, (size_t)(c->data - c->unknown));
	for (runs = bl_rd_varint(&rd); runs > 0; runs--) {
		const uint64_t run = bl_rd_varint(&rd);

		memset(unknown, (int)(run & 7), (size_t)(run >> 3));
		unknown += run >> 3;
	}
}

int
bl_column_seq(const struct bl_batch_reader *r, const struct bl_column *c, int64_t *boot_ms,
    struct bl_seq *out, uint8_t *unknown, struct bl_err *err)
{
	if (boot_ms != NULL && !codec_column_times(r, c, boot_ms))
		return bl_fail(err, BL_ECORRUPT,
		    "batch: series %u: times descend or pass the range", c->series_id);
	if (!known_values(c, out))
		return bl_fail(
		    err, BL_ECORRUPT, "batch: series %u: values do not decode", c->series_id);
	if (unknown != NULL)
		reasons(c, unknown);
	return BL_OK;
}

static bool
writable(const struct bl_seq *s)
{
	bool ok = s->n > 0 && s->n <= BL_SEQ_MAX;

	for (uint32_t k = 0; ok && k < s->n; k++)
		ok = s->integers ? s->i[k] <= INTEGER_MAX && s->i[k] >= -INTEGER_MAX
				 : isfinite(s->d[k]);
	return ok;
}

int
bl_seq_put(struct bl_buf *out, const struct bl_seq *s, enum bl_effort effort, struct bl_err *err)
{
	struct codec_column_scratch scratch = { 0 };
	const size_t len0 = out->len;
	const bool failed0 = out->failed;
	double *values;

	(void)effort;
	if (!writable(s))
		return bl_fail(err, BL_EINVAL, "sequence: %u numbers, or one out of bounds", s->n);
	values = malloc(s->n * sizeof(*values));
	scratch.ints = malloc(s->n * sizeof(*scratch.ints));
	scratch.residuals = malloc(s->n * sizeof(*scratch.residuals));
	if (values == NULL || scratch.ints == NULL || scratch.residuals == NULL) {
		out->failed = true;
	} else {
		bl_seq_doubles(s, values);
		codec_seq_put(out, values, s->n, &scratch);
	}
	free(values);
	free(scratch.ints);
	free(scratch.residuals);
	if (codec_finish(out, len0, failed0) != BL_OK)
		return bl_fail(err, BL_ENOMEM, "sequence: out of memory");
	return BL_OK;
}

int
bl_seq_get(struct bl_rd *rd, uint32_t n, struct bl_seq *out, struct bl_err *err)
{
	struct bl_column c;

	if (n == 0 || n > BL_SEQ_MAX || !codec_seq_get(rd, n, &c) || !known_values(&c, out))
		return corrupt(err);
	for (uint32_t k = 0; !out->integers && k < n; k++)
		if (!isfinite(out->d[k]))
			return corrupt(err);
	return BL_OK;
}

int
bl_times_put(struct bl_buf *out, int64_t base_ms, const int64_t *ms, uint32_t n, struct bl_err *err)
{
	const size_t len0 = out->len;
	const bool failed0 = out->failed;
	uint64_t few[FEW], *scratch = few;
	bool ok = n > 0 && n <= BL_SEQ_MAX && ms[0] >= base_ms && codec_ms_ok(base_ms) &&
		  codec_ms_ok(ms[n - 1]);

	for (uint32_t k = 1; ok && k < n; k++)
		ok = ms[k] >= ms[k - 1];
	if (!ok)
		return bl_fail(err, BL_EINVAL, "times: %u of them, descending or out of bounds", n);
	if (n > FEW && (scratch = malloc(n * sizeof(*scratch))) == NULL)
		return bl_fail(err, BL_ENOMEM, "times: out of memory");
	codec_times_put(out, base_ms, ms, n, scratch);
	if (scratch != few)
		free(scratch);
	if (codec_finish(out, len0, failed0) != BL_OK)
		return bl_fail(err, BL_ENOMEM, "times: out of memory");
	return BL_OK;
}

int
bl_times_get(
    struct bl_rd *rd, int64_t base_ms, int64_t last_ms, uint32_t n, int64_t *ms, struct bl_err *err)
{
	const uint8_t *begin = rd->p, *end;

	if (rd->failed || n == 0 || n > BL_SEQ_MAX ||
	    (end = codec_times_end(begin, rd->end, n)) == NULL ||
	    !codec_times_get(begin, rd->end, base_ms, last_ms, n, ms)) {
		rd->failed = true;
		return bl_fail(err, BL_ECORRUPT, "times: do not decode");
	}
	rd->p = end;
	return BL_OK;
}
