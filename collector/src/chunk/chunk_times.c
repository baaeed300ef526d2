/*
 * Time columns of a region: the boot runs, then the times.  All columns of a
 * source lie side by side and are fetched together.
 *
 * Bytes of one: varint runs; each run: boot (zigzag, less the one before; the
 * first as it is), offset (likewise), samples (varint; not of the last run);
 * then times as bl_times_put writes them, from the hour on, in pieces of
 * 65,536.
 */
#include "chunk_internal.h"

int
chunk_times_put(
    struct bl_buf *out, int64_t hour_unix_ms, const struct chunk_ticks *ticks, struct bl_err *err)
{
	struct chunk_run before = { 0 };
	int rc = BL_OK;

	bl_buf_varint(out, ticks->n_runs);
	for (uint32_t i = 0; i < ticks->n_runs; i++) {
		const struct chunk_run *r = &ticks->runs[i];

		bl_buf_zigzag(out, (int64_t)((uint64_t)r->boot - (uint64_t)before.boot));
		bl_buf_zigzag(out, (int64_t)((uint64_t)r->offset_ms - (uint64_t)before.offset_ms));
		if (i + 1 < ticks->n_runs)
			bl_buf_varint(out, r->n);
		before = *r;
	}
	for (uint32_t at = 0, n; rc == BL_OK && at < ticks->n; at += n) {
		n = ticks->n - at < CHUNK_PIECE_MAX ? ticks->n - at : CHUNK_PIECE_MAX;
		rc = bl_times_put(out, hour_unix_ms, ticks->unix_ms + at, n, err);
	}
	return rc;
}

/* Fills runs up to size.  False: they do not make up n. */
static bool
get_runs(struct bl_rd *rd, uint32_t n, struct chunk_run *runs, uint32_t size, uint32_t *n_runs)
{
	const uint32_t count = (uint32_t)bl_rd_varint_max(rd, CHUNK_RUNS_MAX);
	struct chunk_run r = { 0 };
	uint32_t left = n;

	if (rd->failed || count == 0 || count > n)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		r.boot = (int64_t)((uint64_t)r.boot + (uint64_t)bl_rd_zigzag(rd));
		r.offset_ms = (int64_t)((uint64_t)r.offset_ms + (uint64_t)bl_rd_zigzag(rd));
		r.n = left;
		if (i + 1 < count)
			r.n = (uint32_t)bl_rd_varint_max(rd, left);
		if (rd->failed || r.n == 0)
			return false;
		left -= r.n;
		if (runs != NULL && i < size)
			runs[i] = r;
	}
	if (n_runs != NULL)
		*n_runs = count;
	return left == 0;
}

bool
chunk_times_read(struct bl_rd *rd, int64_t hour_unix_ms, uint32_t n, int64_t *unix_ms,
    struct chunk_run *runs, uint32_t size, uint32_t *n_runs)
{
	if (!get_runs(rd, n, runs, size, n_runs))
		return false;
	for (uint32_t at = 0, some; at < n; at += some) {
		some = n - at < CHUNK_PIECE_MAX ? n - at : CHUNK_PIECE_MAX;
		if (bl_times_get(rd, hour_unix_ms, hour_unix_ms + CHUNK_HOUR_MS - 1, some,
			unix_ms + at, NULL) < 0 ||
		    (at > 0 && unix_ms[at] < unix_ms[at - 1]))
			return false;
	}
	return bl_rd_left(rd) == 0 && !rd->failed;
}
