/*
 * Section THIN: which samples stand for several, how many, and the lowest and
 * the highest of those.  A series' part is found with its column and walked
 * only when somebody asks; like a column it allocates nothing.
 */
#include "codec_internal.h"

#include <math.h>

#define CHUNK 128u

const char *
codec_thin_head(struct bl_batch_reader *r, const struct bl_rd *content)
{
	r->thin = *content;
	r->thin_left = (uint32_t)bl_rd_varint_max(&r->thin, r->h->n_samples);
	if (r->thin.failed || r->thin_left == 0)
		return "section THIN has a bad count";
	return NULL;
}

const char *
codec_thin_find(struct bl_batch_reader *r, struct bl_column *c)
{
	struct bl_rd rd = r->thin;
	uint64_t step;
	size_t len;

	if (r->thin_left == 0)
		return NULL;
	step = bl_rd_varint(&rd);
	if (rd.failed || step == 0 || step > BL_DICT_ENTRIES_MAX - r->thin_id)
		return "series id in section THIN";
	/* Both ascend: the next one of the section is for this column or for a later one. */
	if (r->thin_id + step > c->series_id)
		return NULL;
	c->thin = bl_rd_blob(&rd, BL_BATCH_RAW_MAX, &len);
	if (rd.failed || len == 0 || r->thin_id + step != c->series_id)
		return "section THIN names a series that has no column";
	c->thin_end = c->thin + len;
	r->thin_id = c->series_id;
	r->thin = rd;
	if (--r->thin_left == 0 && bl_rd_left(&rd) != 0)
		return "bytes behind the last series of section THIN";
	return NULL;
}

/* Three sequences and the column's own numbers side by side. */
struct walk {
	struct bl_numbers counts, lowest, highest;
	struct codec_walk count, low, high, value;
	uint32_t left; /* known samples to come */
	uint32_t n;    /* entries of the arrays that are filled */
	double c[CHUNK], v[CHUNK], min[CHUNK], max[CHUNK];
};

static uint32_t
next_chunk(uint32_t left)
{
	return left < CHUNK ? left : CHUNK;
}

/* How many stand for more than themselves; 0: ill-formed. */
static uint32_t
several(struct walk *w)
{
	uint32_t left = w->counts.n, some, n = 0;

	codec_walk_init(&w->count, &w->counts);
	for (; left > 0; left -= some) {
		some = next_chunk(left);
		if (!codec_walk_doubles(&w->count, w->c, some))
			return 0;
		for (uint32_t i = 0; i < some; i++) {
			if (!(w->c[i] >= 1 && w->c[i] <= BL_THIN_COUNT_MAX) ||
			    w->c[i] != floor(w->c[i]))
				return 0;
			n += w->c[i] > 1;
		}
	}
	return codec_walk_done(&w->count) ? n : 0;
}

static bool
walk_begin(struct walk *w, const struct bl_column *c)
{
	struct bl_rd rd;
	uint32_t n;

	bl_rd_init(&rd, c->thin, (size_t)(c->thin_end - c->thin));
	if (c->known.n == 0 || !codec_seq_get(&rd, c->known.n, &w->counts))
		return false;
	if ((n = several(w)) == 0 || !codec_seq_get(&rd, n, &w->lowest) ||
	    !codec_seq_get(&rd, n, &w->highest) || bl_rd_left(&rd) != 0)
		return false;
	codec_walk_init(&w->count, &w->counts);
	codec_walk_init(&w->low, &w->lowest);
	codec_walk_init(&w->high, &w->highest);
	codec_walk_init(&w->value, &c->known);
	w->left = c->known.n;
	w->n = 0;
	return true;
}

/* Fills the arrays with the next samples; those that stand for themselves have count 1. */
static bool
walk_next(struct walk *w)
{
	uint32_t n = 0;

	w->n = next_chunk(w->left);
	w->left -= w->n;
	if (!codec_walk_doubles(&w->count, w->c, w->n) ||
	    !codec_walk_doubles(&w->value, w->v, w->n))
		return false;
	for (uint32_t i = 0; i < w->n; i++) {
		if (w->c[i] > 1 && isinf(w->v[i]))
			return false; /* of itself alone that may be said */
		n += w->c[i] > 1;
	}
	if (!codec_walk_doubles(&w->low, w->min, n) || !codec_walk_doubles(&w->high, w->max, n))
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (!(w->min[i] <= w->max[i]))
			return false;
	/* From the back, so that each goes to its sample's place before it is overwritten. */
	for (uint32_t i = w->n; i-- > 0;) {
		if (w->c[i] > 1)
			n--;
		w->min[i] = w->c[i] > 1 ? w->min[n] : NAN;
		w->max[i] = w->c[i] > 1 ? w->max[n] : NAN;
	}
	return true;
}

static bool
walk_done(const struct walk *w)
{
	return codec_walk_done(&w->low) && codec_walk_done(&w->high);
}

bool
codec_thin_verify(const struct bl_column *c)
{
	struct walk w;

	if (c->thin == NULL)
		return true;
	if (!walk_begin(&w, c))
		return false;
	while (w.left > 0)
		if (!walk_next(&w))
			return false;
	return walk_done(&w);
}

/*
 * Puts the next known samples in their places, of which there are n; *at is
 * the first that is not filled yet.  What stands for itself is there already.
 */
static void
place(const struct walk *w, struct bl_thin *out, uint32_t n, uint32_t *at)
{
	for (uint32_t i = 0; i < w->n && *at < n; ++*at) {
		if (out[*at].count == 0)
			continue; /* an unknown one */
		if (w->c[i] > 1)
			out[*at] = (struct bl_thin){ w->min[i], w->max[i], (uint32_t)w->c[i] };
		i++;
	}
}

int
bl_column_thin(const struct bl_batch_reader *r, const struct bl_column *c, const double *value,
    const uint8_t *unknown, struct bl_thin *out, struct bl_err *err)
{
	struct walk w;
	uint32_t at = 0;
	bool ok;

	(void)r;
	for (uint32_t i = 0; i < c->n; i++) {
		const bool known = unknown == NULL ? !isnan(value[i]) : unknown[i] == BL_KNOWN;

		out[i] = (struct bl_thin){ value[i], value[i], known };
	}
	if (c->thin == NULL)
		return BL_OK;
	for (ok = walk_begin(&w, c); ok && w.left > 0;)
		if ((ok = walk_next(&w)))
			place(&w, out, c->n, &at);
	if (!ok || !walk_done(&w))
		return bl_fail(err, BL_ECORRUPT,
		    "batch: series %u: what its samples stand for does not decode", c->series_id);
	return BL_OK;
}

/* The fewest places in which v is a decimal; 7: it is none. */
static unsigned
places(double v)
{
	unsigned e = 0;
	int64_t m;

	while (e < 7 && !codec_decimal(v, e, &m))
		e++;
	return e;
}

double
bl_thin_round(double mean, double min, double max)
{
	const unsigned low = places(min), high = places(max);
	const unsigned coarse = low > high ? low : high;
	const unsigned e = coarse > 4 ? 6 : coarse + 2;
	double rounded = mean;
	int64_t m = INT64_MIN;

	if (coarse < 7)
		(void)codec_decimal(mean, e, &m); /* leaves m alone when mean is too large for it */
	if (m != INT64_MIN)
		rounded = codec_scaled(m, e, 0);
	return rounded < min ? min : rounded > max ? max : rounded;
}
