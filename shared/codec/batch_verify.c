/*
 * One walk over everything, so that what the collector stores can be read
 * later without a second thought.  Times shared by columns are walked once.
 */
#include "codec_internal.h"

#include <stdlib.h>

#define CHUNK 512u

/* The values, a chunk at a time: nothing as long as the column is needed. */
static bool
verify_values(const struct bl_column *c)
{
	struct codec_values v;
	double scratch[CHUNK];
	uint32_t left = c->n_known;

	codec_values_init(&v, c);
	while (left > 0) {
		const uint32_t some = left < CHUNK ? left : CHUNK;

		if (!codec_values_next(&v, scratch, some))
			return false;
		left -= some;
	}
	return codec_values_done(&v);
}

/* scratch has room for n; its contents do not matter. */
static bool
verify_times(const struct bl_batch_reader *r, const uint8_t *p, const uint8_t *end, uint32_t n,
    int64_t *scratch)
{
	return codec_times_get(p, end, r->h->event_begin_ms, r->h->event_end_ms, n, scratch);
}

static int
verify_columns(struct bl_batch_reader *r, int64_t *scratch, struct bl_err *err)
{
	struct bl_column c;
	int rc;

	for (uint32_t i = 0; i < r->n_times; i++)
		if (!verify_times(r, r->times[i].p, r->times[i].limit, r->times[i].n, scratch))
			return bl_fail(err, BL_ECORRUPT,
			    "batch: time column %u descends or passes the header's range", i);
	while ((rc = bl_batch_next_column(r, &c, err)) > 0) {
		if (c.time_index < 0 && !verify_times(r, c.times, c.times_limit, c.n, scratch))
			return bl_fail(err, BL_ECORRUPT,
			    "batch: series %u: times descend or pass the range", c.series_id);
		if (!verify_values(&c))
			return bl_fail(err, BL_ECORRUPT, "batch: series %u: values do not decode",
			    c.series_id);
		if (!codec_thin_verify(&c))
			return bl_fail(err, BL_ECORRUPT,
			    "batch: series %u: what its samples stand for does not decode",
			    c.series_id);
	}
	return rc;
}

static uint32_t
longest_times(const struct bl_batch_reader *r)
{
	uint32_t n = r->h->n_samples; /* no column of its own is longer */

	for (uint32_t i = 0; i < r->n_times; i++)
		if (r->times[i].n > n)
			n = r->times[i].n;
	return n;
}

int
bl_batch_verify(const struct bl_batch_header *h, const void *raw, size_t len, struct bl_err *err)
{
	struct bl_batch_reader r;
	struct bl_event ev;
	struct bl_gap gap;
	int64_t few[1024], *scratch = few;
	int rc;

	if ((rc = bl_batch_reader_init(&r, h, raw, len, err)) != BL_OK)
		return rc;
	if (longest_times(&r) > sizeof(few) / sizeof(few[0]) &&
	    (scratch = malloc(longest_times(&r) * sizeof(*scratch))) == NULL)
		return bl_fail(
		    err, BL_ENOMEM, "batch: no memory to verify %u samples", h->n_samples);
	rc = verify_columns(&r, scratch, err);
	if (scratch != few)
		free(scratch);
	while (rc == BL_OK && (rc = bl_batch_next_event(&r, &ev, err)) > 0)
		rc = BL_OK;
	while (rc == BL_OK && (rc = bl_batch_next_gap(&r, &gap, err)) > 0)
		rc = BL_OK;
	return rc;
}
