/* The memory of one device's hour: series, their pieces, time columns. */
#include "compact_internal.h"

#include <stdlib.h>
#include <string.h>

bool
gather_grow(void *p, size_t n, size_t *size, size_t item)
{
	void **array = p, *more;
	size_t want;

	if (n < *size)
		return true;
	want = *size == 0 ? 64 : *size * 2;
	if ((more = realloc(*array, want * item)) == NULL)
		return false;
	*array = more;
	*size = want;
	return true;
}

int
gather_open(struct gather *g, struct bl_err *err)
{
	const size_t n = BL_BATCH_SAMPLES_MAX;

	memset(g, 0, sizeof(*g));
	bl_buf_init(&g->raw, BL_BATCH_RAW_MAX);
	g->boot_ms = malloc(n * sizeof(*g->boot_ms));
	g->value = malloc(n * sizeof(*g->value));
	g->unknown = malloc(n);
	g->thin = malloc(n * sizeof(*g->thin));
	if (g->boot_ms == NULL || g->value == NULL || g->unknown == NULL || g->thin == NULL)
		return bl_fail(err, BL_ENOMEM, "compact: out of memory");
	return BL_OK;
}

void
gather_close(struct gather *g)
{
	bl_buf_free(&g->raw);
	arena_free(&g->arena);
	free(g->times);
	free(g->piece);
	free(g->series);
	free(g->slot);
	free(g->group);
	free(g->boot_ms);
	free(g->value);
	free(g->unknown);
	free(g->thin);
	free(g->joined.i);
	free(g->joined.d);
	memset(g, 0, sizeof(*g));
}

void
gather_begin(struct gather *g, int64_t device_id, int64_t hour_unix_ms)
{
	g->device_id = device_id;
	g->hour_unix_ms = hour_unix_ms;
	arena_reset(&g->arena);
	g->n_times = g->n_pieces = g->n_series = g->n_groups = 0;
	g->samples = 0;
	if (g->slot != NULL)
		memset(g->slot, 0xff, g->n_slots * sizeof(*g->slot));
}

/* ---- series by id and stream ---- */

static size_t
slot_at(const uint32_t *slot, size_t n, const struct series *all, int64_t id, enum bl_stream stream)
{
	size_t at = (size_t)((uint64_t)id * 0x9e3779b97f4a7c15u >> 20) & (n - 1);

	while (slot[at] != NONE && (all[slot[at]].id != id || all[slot[at]].stream != stream))
		at = (at + 1) & (n - 1);
	return at;
}

static bool
grow_slots(struct gather *g)
{
	const size_t n = g->n_slots == 0 ? 512 : g->n_slots * 2;
	uint32_t *more;

	if (g->n_series * 2 < g->n_slots)
		return true;
	if ((more = malloc(n * sizeof(*more))) == NULL)
		return false;
	memset(more, 0xff, n * sizeof(*more));
	for (size_t i = 0; i < g->n_series; i++)
		more[slot_at(more, n, g->series, g->series[i].id, g->series[i].stream)] =
		    (uint32_t)i;
	free(g->slot);
	g->slot = more;
	g->n_slots = n;
	return true;
}

uint32_t
gather_series(struct gather *g, const struct series *like)
{
	size_t at;

	if (!grow_slots(g))
		return NONE;
	at = slot_at(g->slot, g->n_slots, g->series, like->id, like->stream);
	if (g->slot[at] != NONE)
		return g->slot[at];
	if (!gather_grow(&g->series, g->n_series, &g->size_series, sizeof(*g->series)))
		return NONE;
	g->series[g->n_series] = *like;
	g->series[g->n_series].first = g->series[g->n_series].last = NONE;
	g->slot[at] = (uint32_t)g->n_series++;
	return g->slot[at];
}

/* ---- pieces ---- */

uint32_t
gather_add_times(struct gather *g, const struct times *t)
{
	if (!gather_grow(&g->times, g->n_times, &g->size_times, sizeof(*g->times)))
		return NONE;
	g->times[g->n_times] = *t;
	return (uint32_t)g->n_times++;
}

int
gather_add(struct gather *g, uint32_t series, const struct piece *p, struct bl_err *err)
{
	struct series *s = &g->series[series];
	const struct times *t = &g->times[p->times], *before;

	if (g->samples + t->n > GATHER_SAMPLES_MAX)
		return bl_fail(err, BL_EFULL, "more than %u samples of one device in an hour",
		    GATHER_SAMPLES_MAX);
	if (!gather_grow(&g->piece, g->n_pieces, &g->size_pieces, sizeof(*g->piece)))
		return bl_fail(err, BL_ENOMEM, "compact: out of memory");
	g->piece[g->n_pieces] = *p;
	g->piece[g->n_pieces].next = NONE;
	if (s->last != NONE) {
		before = &g->times[g->piece[s->last].times];
		if (before->source != t->source || before->unix_ms[before->n - 1] >= t->unix_ms[0])
			s->mixed = true;
		g->piece[s->last].next = (uint32_t)g->n_pieces;
	} else {
		s->first = (uint32_t)g->n_pieces;
	}
	if (!t->ascends)
		s->mixed = true;
	s->last = (uint32_t)g->n_pieces++;
	s->n_pieces++;
	s->n += t->n;
	s->n_known += p->seq.n;
	s->has_unknown = s->has_unknown || p->unknown != NULL;
	s->has_thin = s->has_thin || p->thin != NULL;
	s->sign = (s->sign ^ p->times) * 0x100000001b3u + 1;
	g->samples += t->n;
	return BL_OK;
}
