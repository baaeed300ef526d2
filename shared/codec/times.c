/*
 * Time columns: when a series was sampled.  Ticks are nearly regular, so a
 * column is its first time, the first difference, and what each later
 * difference differs from the one before; nothing at all when regular.
 */
#include "codec_internal.h"

void
codec_times_put(
    struct bl_bits_w *out, int64_t base_ms, const int64_t *t, size_t n, uint64_t *scratch)
{
	struct codec_code code = { false, 0 };
	bool regular = true;
	uint64_t bits;

	bits_put_expg(out, (uint64_t)(t[0] - base_ms), 5);
	if (n < 2)
		return;
	bits_put_expg(out, (uint64_t)(t[1] - t[0]), 13);
	for (size_t i = 2; i < n; i++) {
		scratch[i - 2] = bl_zigzag(t[i] - t[i - 1] - (t[i - 1] - t[i - 2]));
		regular = regular && scratch[i - 2] == 0;
	}
	bl_bits_put(out, !regular, 1);
	if (regular)
		return;
	code = codec_code_choose(scratch, n - 2, CODEC_K_ANY, &bits);
	bl_bits_put(out, code.expg, 1);
	bl_bits_put(out, code.k, 5);
	codec_code_put(out, code, scratch, n - 2);
}

/* What stands before the residuals.  False: ill-formed. */
struct times_head {
	uint64_t first, step; /* first from the base */
	bool regular;
	struct codec_code code;
};

static bool
get_head(struct bl_bits_r *r, uint32_t n, struct times_head *h)
{
	*h = (struct times_head){ .regular = true };
	h->first = bits_get_expg(r, 5);
	if (n > 1)
		h->step = bits_get_expg(r, 13);
	if (n > 1 && bl_bits_get_few(r, 1) != 0) {
		h->regular = false;
		h->code.expg = bl_bits_get_few(r, 1) != 0;
		h->code.k = (unsigned)bl_bits_get_few(r, 5);
	}
	return bl_bits_ok(r) && (h->regular || n > 2);
}

bool
codec_times_end(struct bl_bits_r *r, uint32_t n)
{
	struct times_head h;
	uint32_t rest_at;

	return n > 0 && get_head(r, n, &h) &&
	       (h.regular || codec_planes_end(r, h.code, n - 2, &rest_at));
}

/* None of them may pass the span, and no step may be negative: h has been checked for both. */
static bool
irregular(struct bl_bits_r *r, const struct times_head *h, uint64_t span, int64_t base_ms,
    uint32_t n, int64_t *out)
{
	uint64_t t = h->first + h->step, delta = h->step, bad = 0;
	struct codec_planes planes = { *r, *r };
	uint32_t rest_at;

	if (!codec_planes_end(r, h->code, n - 2, &rest_at))
		return false;
	planes.rest.pos = rest_at;
	for (uint32_t i = 2; i < n; i++) {
		delta += (uint64_t)bl_unzigzag(codec_planes_next(&planes, h->code.expg, h->code.k));
		bad |= delta > span;
		t += delta;
		bad |= t > span;
		out[i] = (int64_t)((uint64_t)base_ms + t);
	}
	return bad == 0;
}

bool
codec_times_get(struct bl_bits_r *r, int64_t base_ms, int64_t last_ms, uint32_t n, int64_t *out)
{
	struct times_head h;
	uint64_t span;
	int64_t width;

	/* A row that a disk has damaged may name any two times. */
	if (__builtin_sub_overflow(last_ms, base_ms, &width) || width < 0)
		return false;
	span = (uint64_t)width;
	if (n == 0 || !get_head(r, n, &h) || h.first > span)
		return false;
	out[0] = base_ms + (int64_t)h.first;
	if (n == 1)
		return true;
	if (h.step > span - h.first)
		return false;
	out[1] = out[0] + (int64_t)h.step;
	if (!h.regular)
		return irregular(r, &h, span, base_ms, n, out);
	if (h.step > (span - h.first) / (n - 1))
		return false;
	for (uint32_t i = 2; i < n; i++)
		out[i] = out[0] + (int64_t)(h.step * i);
	return true;
}
