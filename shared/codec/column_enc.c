/* One series of a batch, writing side: id, times, reasons, then its numbers. */
#include "codec_internal.h"

static void
put_unknown(struct bl_bits_w *out, const uint8_t *unknown, size_t n)
{
	uint64_t runs = 0;
	size_t len;

	for (size_t i = 1; i < n; i++)
		runs += unknown[i] != unknown[i - 1];
	bits_put_expg(out, runs, 0);
	for (size_t i = 0; i < n; i += len) {
		for (len = 1; i + len < n && unknown[i + len] == unknown[i]; len++)
			;
		bl_bits_put(out, unknown[i], 3);
		bits_put_expg(out, len - 1, 3);
	}
}

static bool
any_unknown(const uint8_t *unknown, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (unknown[i] != BL_KNOWN)
			return true;
	return false;
}

/* Everything before the numbers; leaves st as the reader will have it. */
static void
put_head(struct bl_bits_w *out, struct bl_column_state *st, const struct codec_column_in *in,
    uint64_t *scratch)
{
	const uint32_t step = in->series_id - st->series_id;
	const bool id = step != 1, times = in->time_index != (int32_t)st->time_index;
	const bool unknown = any_unknown(in->unknown, in->n);

	st->series_id = in->series_id;
	bl_bits_put(out, id || times || unknown, 1);
	if (id || times || unknown)
		bl_bits_put(out, (unsigned)id | (unsigned)times << 1 | (unsigned)unknown << 2, 3);
	if (id)
		bits_put_expg(out, step - 2, 2);
	if (times)
		bits_put_expg(out, (uint64_t)(in->time_index + 1), 1);
	if (in->time_index < 0) {
		bits_put_expg(out, in->n - 1, 3);
		codec_times_put(out, in->base_ms, in->times, in->n, scratch);
	} else {
		st->time_index = (uint32_t)in->time_index;
	}
	if (unknown)
		put_unknown(out, in->unknown, in->n);
}

void
codec_column_put(struct bl_bits_w *out, struct bl_column_state *st,
    const struct codec_column_in *in, const struct codec_scratch *s)
{
	size_t known = 0;

	for (size_t i = 0; i < in->n; i++)
		if (in->unknown[i] == BL_KNOWN)
			s->known[known++] = in->values[i];
	put_head(out, st, in, s->residuals);
	if (known > 0)
		codec_numbers_put(out, &st->coding, s->known, known, s);
}
