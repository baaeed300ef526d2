/*
 * One walk over everything, so that what the collector stores can be read
 * later without a second thought.  Times shared by columns are walked once.
 */
#include "codec_internal.h"

#include <stdlib.h>

/* scratch has room for n; its contents do not matter. */
static bool
verify_shared_times(const struct bl_batch_reader *r, uint32_t i, int64_t *scratch)
{
	struct bl_bits_r bits = { r->times, r->times_bytes, r->time[i].at, false };

	return codec_times_get(
	    &bits, r->h->event_begin_ms, r->h->event_end_ms, r->time[i].n, scratch);
}

static int
verify_columns(struct bl_batch_reader *r, int64_t *scratch, struct bl_err *err)
{
	struct bl_column c;
	int rc;

	for (uint32_t i = 0; i < r->n_times; i++)
		if (!verify_shared_times(r, i, scratch))
			return bl_fail(err, BL_ECORRUPT,
			    "batch: time column %u descends or passes the header's range", i);
	while ((rc = bl_batch_next_column(r, &c, err)) > 0) {
		if (c.time_index < 0 && !codec_column_times(r, &c, scratch))
			return bl_fail(err, BL_ECORRUPT,
			    "batch: series %u: times descend or pass the range", c.series_id);
		if (!codec_walk_check(&c.known))
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
		if (r->time[i].n > n)
			n = r->time[i].n;
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
