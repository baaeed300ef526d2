/* Sequences: out of a batch's column, and on their own.  What is promised is in seq.h. */
#include "codec_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/seq.h"

#define FEW 512u /* 4 KiB of stack: an hour of 10 s, without asking for memory */

/* The numbers, as integers where they are coded as such. */
static bool
take(const struct bl_numbers *x, struct bl_seq *out)
{
	struct codec_walk w;

	out->n = x->n;
	out->integers = x->encoding != ENC_CONST_F64 && x->encoding != ENC_XOR;
	out->scale = x->scale;
	out->shift = x->shift;
	out->hint = codec_hint(x);
	codec_walk_init(&w, x);
	if (out->integers)
		return codec_walk_ints(&w, out->i, x->n);
	return codec_walk_doubles(&w, out->d, x->n) && codec_walk_done(&w);
}

static int
ended(struct bl_buf *out, size_t len0, bool failed0, const char *what, struct bl_err *err)
{
	const bool full = out->failed && out->size >= out->cap / 2;

	if (codec_finish(out, len0, failed0) == BL_OK)
		return BL_OK;
	if (full)
		return bl_fail(err, BL_EFULL, "%s: no room for it", what);
	return bl_fail(err, BL_ENOMEM, "%s: out of memory", what);
}

int
bl_column_seq(const struct bl_batch_reader *r, const struct bl_column *c, int64_t *boot_ms,
    struct bl_seq *out, uint8_t *unknown, struct bl_err *err)
{
	if (boot_ms != NULL && !codec_column_times(r, c, boot_ms))
		return bl_fail(err, BL_ECORRUPT,
		    "batch: series %u: times descend or pass the range", c->series_id);
	if (!take(&c->known, out))
		return bl_fail(
		    err, BL_ECORRUPT, "batch: series %u: values do not decode", c->series_id);
	if (unknown != NULL)
		codec_column_reasons(c, unknown);
	return BL_OK;
}

static bool
all_finite(const double *d, uint32_t n)
{
	bool finite = true;

	for (uint32_t k = 0; k < n; k++)
		finite = finite && isfinite(d[k]);
	return finite;
}

bool
bl_seq_is_finite(const struct bl_seq *s)
{
	return s->integers || all_finite(s->d, s->n);
}

void
bl_seq_drop_infinite(struct bl_seq *s, uint8_t *unknown)
{
	uint32_t kept = 0;

	for (uint32_t k = 0; !s->integers && k < s->n; unknown++) {
		if (*unknown != BL_KNOWN)
			continue;
		if (isfinite(s->d[k]))
			s->d[kept++] = s->d[k];
		else
			*unknown = BL_UNKNOWN_UNREADABLE;
		k++;
	}
	if (s->integers)
		return;
	s->n = kept;
	s->integers = kept == 0; /* as of a column that knows nothing */
}

static bool
writable(const struct bl_seq *s)
{
	uint64_t beyond = 0;

	if (s->n == 0 || s->n > BL_SEQ_MAX)
		return false;
	for (uint32_t k = 0; s->integers && k < s->n; k++)
		beyond |= codec_int_beyond(s->i[k]);
	return beyond == 0 && (s->integers || all_finite(s->d, s->n));
}

/* Room for n residuals: the caller's few, or memory of its own. */
static uint64_t *
room(uint64_t *few, uint32_t n)
{
	return n <= FEW ? few : malloc(n * sizeof(*few));
}

static void
put_integers(struct bl_buf *out, const struct bl_seq *s, bool quick, uint64_t *residuals)
{
	const struct codec_ints_in in = { s->i, s->n, s->scale, s->shift, quick, s->hint };
	struct bl_coding last = CODEC_CODING_FIRST;
	struct bl_bits_w bits = { out, 0, 0 };

	codec_ints_put(&bits, &last, &in, residuals);
	bl_bits_flush(&bits);
}

/* Doubles, which may be decimals all the same. */
static bool
put_doubles(struct bl_buf *out, const struct bl_seq *s, uint64_t *residuals)
{
	struct codec_scratch scratch = { .residuals = residuals };

	if ((scratch.ints = malloc(s->n * sizeof(*scratch.ints))) == NULL)
		return false;
	codec_seq_put(out, s->d, s->n, &scratch);
	free(scratch.ints);
	return true;
}

int
bl_seq_put(struct bl_buf *out, const struct bl_seq *s, enum bl_effort effort, struct bl_err *err)
{
	const size_t len0 = out->len;
	const bool failed0 = out->failed;
	uint64_t few[FEW], *residuals;

	if (!writable(s))
		return bl_fail(err, BL_EINVAL, "sequence: %u numbers, or one out of bounds", s->n);
	if ((residuals = room(few, s->n)) == NULL)
		return bl_fail(err, BL_ENOMEM, "sequence: out of memory");
	if (s->integers)
		put_integers(out, s, effort == BL_EFFORT_QUICK, residuals);
	else if (!put_doubles(out, s, residuals))
		out->failed = true;
	if (residuals != few)
		free(residuals);
	return ended(out, len0, failed0, "sequence", err);
}

int
bl_seq_get(struct bl_rd *rd, uint32_t n, struct bl_seq *out, struct bl_err *err)
{
	struct bl_numbers x;

	if (n == 0 || n > BL_SEQ_MAX || !codec_seq_get(rd, n, &x) || !take(&x, out)) {
		rd->failed = true;
		return bl_fail(err, BL_ECORRUPT, "sequence: does not decode");
	}
	return BL_OK;
}

static bool
ascending(int64_t base_ms, const int64_t *ms, uint32_t n)
{
	if (n == 0 || n > BL_SEQ_MAX || !codec_ms_ok(base_ms) || ms[0] < base_ms ||
	    !codec_ms_ok(ms[n - 1]))
		return false;
	for (uint32_t k = 1; k < n; k++)
		if (ms[k] < ms[k - 1])
			return false;
	return true;
}

int
bl_times_put(struct bl_buf *out, int64_t base_ms, const int64_t *ms, uint32_t n, struct bl_err *err)
{
	struct bl_bits_w bits = { out, 0, 0 };
	const size_t len0 = out->len;
	const bool failed0 = out->failed;
	uint64_t few[FEW], *residuals;

	if (!ascending(base_ms, ms, n))
		return bl_fail(err, BL_EINVAL, "times: %u of them, descending or out of bounds", n);
	if ((residuals = room(few, n)) == NULL)
		return bl_fail(err, BL_ENOMEM, "times: out of memory");
	codec_times_put(&bits, base_ms, ms, n, residuals);
	bl_bits_flush(&bits);
	if (residuals != few)
		free(residuals);
	return ended(out, len0, failed0, "times", err);
}

int
bl_times_get(
    struct bl_rd *rd, int64_t base_ms, int64_t last_ms, uint32_t n, int64_t *ms, struct bl_err *err)
{
	const size_t left = bl_rd_left(rd);
	struct bl_bits_r r = { rd->p, left < BL_BATCH_RAW_MAX ? left : BL_BATCH_RAW_MAX, 0, false };

	if (rd->failed || n > BL_SEQ_MAX || !codec_times_get(&r, base_ms, last_ms, n, ms) ||
	    !bl_bits_pad(&r)) {
		rd->failed = true;
		return bl_fail(err, BL_ECORRUPT, "times: do not decode");
	}
	rd->p += r.pos >> 3;
	return BL_OK;
}
