/*
 * Shapes: how many known and unknown samples each window has.  Most series of
 * an hour share one, so a region keeps the ones that come more than once in
 * its index, and a column names its place.
 *
 * Bytes: for the known ones and then for the unknown ones, runs of equal
 * counts, varint count * 16 + (windows - 1), until all windows are there.
 */
#include "chunk_internal.h"

static void
put_side(struct bl_buf *out, const uint64_t *v, unsigned windows)
{
	unsigned len;

	for (unsigned i = 0; i < windows; i += len) {
		for (len = 1; i + len < windows && v[i + len] == v[i]; len++)
			;
		bl_buf_varint(out, v[i] << 4 | (len - 1));
	}
}

void
chunk_shape_put(struct bl_buf *out, const struct chunk_shape *s, unsigned windows)
{
	put_side(out, s->known, windows);
	put_side(out, s->unknown, windows);
}

static void
get_side(struct bl_rd *rd, uint64_t *v, unsigned windows)
{
	for (unsigned i = 0; i < windows;) {
		const uint64_t run = bl_rd_varint_max(rd, CHUNK_WEIGHT_MAX << 4 | 15);
		const unsigned len = (unsigned)(run & 15) + 1;

		if (rd->failed || len > windows - i) {
			rd->failed = true;
			return;
		}
		for (unsigned k = 0; k < len; k++)
			v[i++] = run >> 4;
	}
}

void
chunk_shape_get(struct bl_rd *rd, struct chunk_shape *s, unsigned windows)
{
	get_side(rd, s->known, windows);
	get_side(rd, s->unknown, windows);
}
