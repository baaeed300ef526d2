/*
 * Raw columns: what is unknown, what thinned samples stand for, the values.
 *
 * Bytes: unknown runs when there are any (varint runs; each varint
 * samples * 8 + reason); thinned ones when there are any, length first; then the
 * known values as sequences of at most 65,536.
 */
#include "chunk_internal.h"

#include <math.h>
#include <stdlib.h>

/* ---- writing ---- */

static void
put_unknown(struct bl_buf *out, const uint8_t *unknown, uint32_t n)
{
	uint64_t runs = 1;
	uint32_t len;

	for (uint32_t i = 1; i < n; i++)
		runs += unknown[i] != unknown[i - 1];
	bl_buf_varint(out, runs);
	for (uint32_t i = 0; i < n; i += len) {
		for (len = 1; i + len < n && unknown[i + len] == unknown[i]; len++)
			;
		bl_buf_varint(out, (uint64_t)len << 3 | unknown[i]);
	}
}

int
chunk_put_values(struct bl_buf *out, const struct bl_seq *s, struct bl_err *err)
{
	struct bl_seq piece = *s;
	int rc = BL_OK;

	for (uint32_t at = 0; rc == BL_OK && at < s->n; at += piece.n) {
		piece.n = s->n - at < CHUNK_PIECE_MAX ? s->n - at : CHUNK_PIECE_MAX;
		if (s->integers)
			piece.i = s->i + at;
		else
			piece.d = s->d + at;
		rc = bl_seq_put(out, &piece, BL_EFFORT_QUICK, err);
	}
	return rc;
}

int
chunk_raw_put(struct bl_buf *out, const struct chunk_in *in, const struct chunk_ticks *ticks,
    double *scratch, struct bl_err *err)
{
	int rc;

	if (in->unknown != NULL)
		put_unknown(out, in->unknown, ticks->n);
	if (in->thin != NULL && (rc = chunk_thin_put(out, in, ticks, scratch, err)) < 0)
		return rc;
	return chunk_put_values(out, in->values, err);
}

/* ---- reading ---- */

static int
bad_column(const struct chunk_column *c, const char *what, struct bl_err *err)
{
	return bl_fail(err, BL_ECORRUPT, "part: series %lld: %s", (long long)c->series, what);
}

/* Fills unknown (may be NULL).  False: runs that do not make up n. */
static bool
get_unknown(struct bl_rd *rd, uint32_t n, uint8_t *unknown, uint32_t *known)
{
	const uint64_t runs = bl_rd_varint_max(rd, n);
	uint32_t left = n;

	*known = 0;
	for (uint64_t i = 0; i < runs; i++) {
		const uint64_t run = bl_rd_varint_max(rd, (uint64_t)left << 3 | 7);
		const uint32_t len = (uint32_t)(run >> 3);

		if (rd->failed || len == 0 || (run & 7) > BL_UNKNOWN_LATE)
			return false;
		if (unknown != NULL)
			memset(unknown + (n - left), (int)(run & 7), len);
		left -= len;
		if ((run & 7) == BL_KNOWN)
			*known += len;
	}
	return !rd->failed && left == 0;
}

bool
chunk_get_values(struct bl_rd *rd, uint32_t n, struct bl_seq *out)
{
	struct bl_seq piece = *out;

	if (n <= CHUNK_PIECE_MAX)
		return n == 0 || bl_seq_get(rd, n, out, NULL) == BL_OK;
	out->n = 0;
	for (uint32_t at = 0; at < n; at += piece.n) {
		const uint32_t some = n - at < CHUNK_PIECE_MAX ? n - at : CHUNK_PIECE_MAX;

		piece.i = out->i + at;
		piece.d = out->d + at;
		if (bl_seq_get(rd, some, &piece, NULL) < 0)
			return false;
		if (at == 0) {
			out->n = some;
			out->integers = piece.integers;
			out->scale = piece.scale;
			out->shift = piece.shift;
			continue;
		}
		if (out->integers && piece.integers && out->scale == piece.scale &&
		    out->shift == piece.shift) {
			out->n += some;
			continue;
		}
		/* Only a column that one scale holds is written with one. */
		bl_seq_to_doubles(out);
		bl_seq_to_doubles(&piece);
		out->n += some;
	}
	return true;
}

/* rd: behind the flags' parts, at the values; thin (may be NULL): that part. */
static const char *
open_column(const struct chunk_column *c, uint8_t *unknown, uint32_t *known, struct bl_rd *rd,
    struct bl_rd *thin)
{
	const uint8_t *p;
	size_t len;

	if (chunk_index_head(c->ix)->level != CHUNK_RAW)
		return "not a raw column";
	bl_rd_init(rd, c->data, (size_t)(c->end - c->data));
	*known = c->n;
	if (chunk_has_unknown(c)) {
		if (!get_unknown(rd, c->n, unknown, known))
			return "unknown samples";
	} else if (unknown != NULL) {
		memset(unknown, BL_KNOWN, c->n);
	}
	if (chunk_has_thin(c)) {
		p = bl_rd_blob(rd, CHUNK_REGION_MAX, &len);
		if (rd->failed)
			return "thinned samples";
		if (thin != NULL)
			bl_rd_init(thin, p, len);
	}
	return NULL;
}

int
chunk_raw_seq(
    const struct chunk_column *c, struct bl_seq *out, uint8_t *unknown, struct bl_err *err)
{
	uint32_t known;
	struct bl_rd rd;
	const char *bad = open_column(c, unknown, &known, &rd, NULL);

	if (bad != NULL)
		return bad_column(c, bad, err);
	out->n = 0;
	out->integers = true;
	out->scale = out->shift = out->hint = 0;
	if (!chunk_get_values(&rd, known, out) || rd.failed || bl_rd_left(&rd) != 0)
		return bad_column(c, "values", err);
	return BL_OK;
}

int
chunk_raw_doubles(const struct chunk_column *c, double *value, uint8_t *unknown, int64_t *scratch,
    struct bl_err *err)
{
	struct bl_seq s = { .i = scratch, .d = value };
	uint32_t known = 0, at = 0;
	uint64_t runs, reason;
	struct bl_rd rd;
	int rc = chunk_raw_seq(c, &s, unknown, err);

	if (rc < 0)
		return rc;
	bl_seq_doubles(&s, value);
	if (!chunk_has_unknown(c))
		return BL_OK;
	/* The known ones stand at the front: each run goes to its place from the back. */
	memcpy(scratch, value, s.n * sizeof(*value));
	bl_rd_init(&rd, c->data, (size_t)(c->end - c->data));
	for (runs = bl_rd_varint(&rd); runs > 0; runs--) {
		const uint64_t run = bl_rd_varint(&rd);
		const uint32_t len = (uint32_t)(run >> 3);

		reason = run & 7;
		if (reason == BL_KNOWN) {
			memcpy(value + at, scratch + known, len * sizeof(*value));
			known += len;
		}
		for (uint32_t i = 0; reason != BL_KNOWN && i < len; i++)
			value[at + i] = NAN;
		at += len;
	}
	return BL_OK;
}

int
chunk_raw_thin(const struct chunk_column *c, const int64_t *unix_ms, const double *value,
    struct chunk_thin *out, struct bl_err *err)
{
	uint32_t known;
	struct bl_rd rd, thin;
	const char *bad = open_column(c, NULL, &known, &rd, &thin);
	int rc;

	if (bad != NULL)
		return bad_column(c, bad, err);
	for (uint32_t j = 0; j < c->n; j++)
		out[j] =
		    (struct chunk_thin){ { value[j], value[j], isnan(value[j]) ? 0u : 1u }, 0, 0 };
	if (!chunk_has_thin(c))
		return BL_OK;
	rc = chunk_thin_get(&thin, c->n, known, unix_ms, value, out);
	if (rc == BL_ENOMEM)
		return bl_fail(err, rc, "part: out of memory");
	return rc < 0 ? bad_column(c, "thinned samples", err) : BL_OK;
}
