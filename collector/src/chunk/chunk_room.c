/* Arrays for the samples of one column after the other. */
#include "chunk_room.h"

#include <stdlib.h>

#define LEAST_SAMPLES 1024u /* an hour at 10 s has 360 */
#define LEAST_RUNS    8u

static int
no_memory(struct bl_err *err)
{
	return bl_fail(err, BL_ENOMEM, "reading a part: out of memory");
}

static bool
room_for(struct chunk_room *r, uint32_t n)
{
	if (n <= r->size)
		return true;
	n = n < LEAST_SAMPLES ? LEAST_SAMPLES : n;
	free(r->unix_ms);
	free(r->scratch);
	free(r->value);
	free(r->unknown);
	r->unix_ms = malloc(n * sizeof(*r->unix_ms));
	r->scratch = malloc(n * sizeof(*r->scratch));
	r->value = malloc(n * sizeof(*r->value));
	r->unknown = malloc(n);
	r->size = 0;
	if (r->unix_ms == NULL || r->scratch == NULL || r->value == NULL || r->unknown == NULL)
		return false;
	r->size = n;
	return true;
}

static bool
room_for_runs(struct chunk_room *r, uint32_t n)
{
	n = n < LEAST_RUNS ? LEAST_RUNS : n;
	if (n <= r->runs_size)
		return true;
	free(r->run);
	r->run = malloc(n * sizeof(*r->run));
	r->runs_size = r->run != NULL ? n : 0;
	return r->run != NULL;
}

/* Most parts hold no thinned sample. */
static bool
room_for_thin(struct chunk_room *r, uint32_t n)
{
	if (n <= r->thin_size)
		return true;
	n = n < LEAST_SAMPLES ? LEAST_SAMPLES : n;
	free(r->thin);
	r->thin = malloc(n * sizeof(*r->thin));
	r->thin_size = r->thin != NULL ? n : 0;
	return r->thin != NULL;
}

void
chunk_room_forget(struct chunk_room *r)
{
	r->have_times = r->checked = false;
}

void
chunk_room_free(struct chunk_room *r)
{
	free(r->unix_ms);
	free(r->scratch);
	free(r->value);
	free(r->unknown);
	free(r->thin);
	free(r->run);
	*r = (struct chunk_room){ .n = 0 };
}

static int
decode_times(struct chunk_room *r, const struct chunk_index *ix, uint32_t source, uint32_t k,
    const void *bytes, struct bl_err *err)
{
	const int rc = (r->checked ? chunk_times_more : chunk_times_get)(
	    ix, source, k, bytes, r->unix_ms, r->run, r->runs_size, &r->n_runs, err);

	r->checked = rc >= 0;
	return rc;
}

int
chunk_room_times(struct chunk_room *r, const struct chunk_index *ix, uint32_t source, uint32_t k,
    const void *bytes, struct bl_err *err)
{
	int rc;

	r->have_times = false;
	r->n = chunk_times_n(ix, source, k);
	if (!room_for(r, r->n) || !room_for_runs(r, 0))
		return no_memory(err);
	if ((rc = decode_times(r, ix, source, k, bytes, err)) < 0)
		return rc;
	if (r->n_runs > r->runs_size) {
		if (!room_for_runs(r, r->n_runs))
			return no_memory(err);
		if ((rc = decode_times(r, ix, source, k, bytes, err)) < 0)
			return rc;
	}
	r->have_times = true;
	r->times = k;
	return BL_OK;
}

int
chunk_room_column(struct chunk_room *r, const struct chunk_column *c, struct bl_err *err)
{
	int rc;

	if (c->n != r->n)
		return bl_fail(
		    err, BL_ECORRUPT, "a part has a column of another length than its times");
	if ((rc = chunk_raw_doubles(c, r->value, r->unknown, r->scratch, err)) < 0 ||
	    !chunk_has_thin(c))
		return rc;
	if (!room_for_thin(r, c->n))
		return no_memory(err);
	return chunk_raw_thin(c, r->unix_ms, r->value, r->thin, err);
}
