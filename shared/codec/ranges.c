/* Sets of sequence numbers as ascending ranges. */
#include "codec_internal.h"

#include <string.h>

bool
bl_ranges_add(struct bl_ranges *rs, uint64_t first, uint64_t last)
{
	uint32_t at = 0, end;

	if (first > last)
		return false;
	/* [at, end) are the ranges that the new one touches or overlaps. */
	while (at < rs->n && rs->r[at].last < first && first - rs->r[at].last > 1)
		at++;
	end = at;
	while (end < rs->n && (rs->r[end].first <= last || rs->r[end].first - last == 1))
		end++;
	if (at == end) {
		if (rs->n == BL_RANGES_MAX)
			return false;
		memmove(&rs->r[at + 1], &rs->r[at], (rs->n - at) * sizeof(rs->r[0]));
		rs->r[at] = (struct bl_range){ first, last };
		rs->n++;
		return true;
	}
	if (rs->r[at].first < first)
		first = rs->r[at].first;
	if (rs->r[end - 1].last > last)
		last = rs->r[end - 1].last;
	rs->r[at] = (struct bl_range){ first, last };
	memmove(&rs->r[at + 1], &rs->r[end], (rs->n - end) * sizeof(rs->r[0]));
	rs->n -= end - at - 1;
	return true;
}

bool
bl_ranges_has(const struct bl_ranges *rs, uint64_t seq)
{
	for (uint32_t i = 0; i < rs->n && rs->r[i].first <= seq; i++)
		if (seq <= rs->r[i].last)
			return true;
	return false;
}

bool
codec_ranges_ok(const struct bl_ranges *rs)
{
	if (rs->n > BL_RANGES_MAX)
		return false;
	for (uint32_t i = 0; i < rs->n; i++) {
		if (rs->r[i].first == 0 || rs->r[i].last < rs->r[i].first)
			return false;
		if (i > 0 &&
		    (rs->r[i].first <= rs->r[i - 1].last || rs->r[i].first - rs->r[i - 1].last < 2))
			return false;
	}
	return true;
}

/* A first one states its begin; a later one the hole before it less one, since it has no zero. */
void
codec_put_ranges(struct bl_buf *out, const struct bl_ranges *rs)
{
	bl_buf_varint(out, rs->n);
	for (uint32_t i = 0; i < rs->n; i++) {
		bl_buf_varint(
		    out, i == 0 ? rs->r[i].first : rs->r[i].first - rs->r[i - 1].last - 2);
		bl_buf_varint(out, rs->r[i].last - rs->r[i].first);
	}
}

void
codec_get_ranges(struct bl_rd *rd, struct bl_ranges *rs)
{
	uint64_t last = 0;

	*rs = (struct bl_ranges){ 0 };
	rs->n = (uint32_t)bl_rd_varint_max(rd, BL_RANGES_MAX);
	for (uint32_t i = 0; i < rs->n && !rd->failed; i++) {
		const uint64_t hole = bl_rd_varint(rd), more = bl_rd_varint(rd);
		const uint64_t base = i == 0 ? 0 : last + 2;
		uint64_t first;

		if (base < last || __builtin_add_overflow(base, hole, &first) || first == 0 ||
		    __builtin_add_overflow(first, more, &last))
			rd->failed = true;
		else
			rs->r[i] = (struct bl_range){ first, last };
	}
	if (rd->failed)
		rs->n = 0;
}
