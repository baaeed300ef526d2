/*
 * The batch encoder, collecting: takes samples, events and gaps in any order
 * and holds them in 16 bytes a sample.  Events are encoded at once, since
 * nothing in them depends on the header; batch_layout.c does the rest.
 */
#include "batch_enc_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What reset keeps for the next batch: 60 s of 500 series; the rest goes back to the system. */
#define KEEP_BYTES (64u * 1024u)

struct bl_batch_enc *
bl_batch_enc_create(void)
{
	struct bl_batch_enc *e = calloc(1, sizeof(*e));

	if (e != NULL)
		bl_buf_init(&e->events, BL_BATCH_RAW_MAX);
	return e;
}

void
bl_batch_enc_free(struct bl_batch_enc *e)
{
	if (e == NULL)
		return;
	free(e->samples);
	free(e->slots);
	free(e->ticks);
	free(e->by_id);
	free(e->gaps);
	free(e->thin);
	bl_buf_free(&e->events);
	free(e);
}

/* Gives an array back when it is larger than what is worth keeping. */
static void *
shrink(void *array, uint32_t *size, size_t item)
{
	if (*size * item <= KEEP_BYTES)
		return array;
	free(array);
	*size = 0;
	return NULL;
}

void
bl_batch_enc_reset(struct bl_batch_enc *e)
{
	e->samples = shrink(e->samples, &e->samples_size, sizeof(*e->samples));
	e->ticks = shrink(e->ticks, &e->ticks_size, sizeof(*e->ticks));
	e->slots = shrink(e->slots, &e->slots_size, sizeof(*e->slots));
	e->gaps = shrink(e->gaps, &e->gaps_size, sizeof(*e->gaps));
	e->thin = shrink(e->thin, &e->thin_size, sizeof(*e->thin));
	e->by_id = shrink(e->by_id, &e->by_id_size, sizeof(*e->by_id));
	if (e->by_id != NULL)
		memset(e->by_id, 0, e->by_id_size * sizeof(*e->by_id));
	if (e->events.size > KEEP_BYTES)
		bl_buf_free(&e->events);
	bl_buf_reset(&e->events);
	e->n_samples = e->n_slots = e->n_ticks = e->n_gaps = e->n_events = e->n_thin = 0;
	e->event_ms = 0;
	e->highest_id = 0;
	e->guess_bits = 0;
}

uint32_t
bl_batch_enc_samples(const struct bl_batch_enc *e)
{
	return e->n_samples;
}

size_t
bl_batch_enc_raw_guess(const struct bl_batch_enc *e)
{
	return (size_t)(e->guess_bits / 8) + e->events.len + e->n_slots * 8u + e->n_ticks * 2u +
	       e->n_gaps * 64u;
}

/* The array with room for one more than n, doubled when needed; NULL: out of memory, old stays. */
static void *
grow(void *old, uint32_t *size, uint32_t n, size_t item)
{
	const uint32_t more = *size == 0 ? 64 : *size * 2;
	void *bigger;

	if (n < *size)
		return old;
	if ((bigger = realloc(old, more * item)) != NULL)
		*size = more;
	return bigger;
}

static uint32_t
hash_id(uint32_t id)
{
	return id * 2654435761u;
}

static void
by_id_insert(uint32_t *table, uint32_t size, uint32_t id, uint32_t slot)
{
	uint32_t at = hash_id(id) & (size - 1);

	while (table[at] != 0)
		at = (at + 1) & (size - 1);
	table[at] = slot + 1;
}

/* Keeps the table at most half full. */
static bool
by_id_grow(struct bl_batch_enc *e)
{
	const uint32_t size = e->by_id_size == 0 ? 128 : e->by_id_size * 2;
	uint32_t *table;

	if (e->n_slots * 2 < e->by_id_size)
		return true;
	if ((table = calloc(size, sizeof(*table))) == NULL)
		return false;
	for (uint32_t i = 0; i < e->n_slots; i++)
		by_id_insert(table, size, e->slots[i].series_id, i);
	free(e->by_id);
	e->by_id = table;
	e->by_id_size = size;
	return true;
}

/* The slot of a series, made when new; NULL: out of memory. */
static struct slot *
slot_of(struct bl_batch_enc *e, uint32_t id)
{
	struct slot *slots;

	if (e->by_id != NULL) {
		uint32_t at = hash_id(id) & (e->by_id_size - 1);

		for (; e->by_id[at] != 0; at = (at + 1) & (e->by_id_size - 1))
			if (e->slots[e->by_id[at] - 1].series_id == id)
				return &e->slots[e->by_id[at] - 1];
	}
	if (!by_id_grow(e) ||
	    (slots = grow(e->slots, &e->slots_size, e->n_slots, sizeof(*slots))) == NULL)
		return NULL;
	e->slots = slots;
	by_id_insert(e->by_id, e->by_id_size, id, e->n_slots);
	e->slots[e->n_slots] = (struct slot){ .series_id = id };
	return &e->slots[e->n_slots++];
}

/* About what the coder will spend on this value: the difference at its decimal scale, or XOR. */
static unsigned
guess_value(struct slot *s, double v)
{
	static const double scales[] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6 };
	const double before = s->last;
	double difference;
	int64_t m;

	s->last = v;
	if (s->n > 0 && memcmp(&before, &v, sizeof(v)) == 0)
		return 2;
	while (s->places < 7 && !codec_decimal(v, s->places, &m))
		s->places++;
	if (s->places == 7)
		return 56;
	difference = fabs(v - before) * scales[s->places];
	return (unsigned)ilogb(difference + 1) + 4;
}

int
bl_batch_enc_sample(struct bl_batch_enc *e, uint32_t series_id, int64_t boot_ms, double value,
    enum bl_unknown unknown)
{
	struct sample *samples;
	int64_t *ticks;
	struct slot *s;

	if (series_id == 0 || series_id > BL_DICT_ENTRIES_MAX || !codec_ms_ok(boot_ms) ||
	    unknown > BL_UNKNOWN_LATE)
		return BL_EINVAL;
	if (e->n_samples == BL_BATCH_SAMPLES_MAX)
		return BL_EFULL;
	samples = grow(e->samples, &e->samples_size, e->n_samples, sizeof(*samples));
	if (samples == NULL)
		return BL_ENOMEM;
	e->samples = samples;
	if ((ticks = grow(e->ticks, &e->ticks_size, e->n_ticks, sizeof(*ticks))) == NULL)
		return BL_ENOMEM;
	e->ticks = ticks;
	if ((s = slot_of(e, series_id)) == NULL)
		return BL_ENOMEM;
	if (e->n_ticks == 0 || e->ticks[e->n_ticks - 1] != boot_ms)
		e->ticks[e->n_ticks++] = boot_ms;
	if (unknown == BL_KNOWN && isnan(value))
		unknown = BL_UNKNOWN_UNREADABLE;
	e->guess_bits += unknown == BL_KNOWN ? guess_value(s, value) : 4;
	if (s->n == 0 || e->ticks[s->last_tick] <= boot_ms)
		s->last_tick = e->n_ticks - 1;
	else
		s->disordered = true;
	s->n++;
	if (series_id > e->highest_id)
		e->highest_id = series_id;
	e->samples[e->n_samples++] = (struct sample){
		.slot = (uint32_t)(s - e->slots),
		.tick = (e->n_ticks - 1) & 0xffffffu,
		.unknown = (uint32_t)unknown & 0xffu,
		.value = unknown == BL_KNOWN ? value : 0,
	};
	return BL_OK;
}

/* About what lowest, highest and count will take: the bounds wander as far as they lie apart. */
static unsigned
guess_thin(const struct bl_thin *t)
{
	static const double scales[] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6 };
	unsigned places = 0;
	int64_t m;

	while (
	    places < 7 && !(codec_decimal(t->min, places, &m) && codec_decimal(t->max, places, &m)))
		places++;
	if (places == 7)
		return 8 + 2 * 60;
	return 8 + 2 * ((unsigned)ilogb((t->max - t->min) * scales[places] + 1) + 5);
}

static bool
thin_ok(double value, const struct bl_thin *t)
{
	return isfinite(value) && isfinite(t->min) && isfinite(t->max) && t->min <= t->max &&
	       t->count > 0 && t->count <= BL_THIN_COUNT_MAX;
}

int
bl_batch_enc_thin(struct bl_batch_enc *e, uint32_t series_id, int64_t boot_ms, double value,
    const struct bl_thin *t)
{
	struct thinned *thin;
	int rc;

	if (!thin_ok(value, t))
		return BL_EINVAL;
	if (t->count == 1)
		return bl_batch_enc_sample(e, series_id, boot_ms, value, BL_KNOWN);
	/* Room first: a sample that was added is not taken back. */
	if ((thin = grow(e->thin, &e->thin_size, e->n_thin, sizeof(*thin))) == NULL)
		return BL_ENOMEM;
	e->thin = thin;
	if ((rc = bl_batch_enc_sample(e, series_id, boot_ms, value, BL_KNOWN)) != BL_OK)
		return rc;
	e->thin[e->n_thin++] = (struct thinned){ e->n_samples - 1, *t };
	e->slots[e->samples[e->n_samples - 1].slot].n_thin++;
	e->guess_bits += guess_thin(t);
	return BL_OK;
}

int
bl_batch_enc_event(struct bl_batch_enc *e, const struct bl_event *ev)
{
	const size_t len0 = e->events.len;
	int64_t last = e->event_ms;

	if (codec_event_check(ev) != BL_OK)
		return BL_EINVAL;
	if (e->n_events == BL_BATCH_EVENTS_MAX)
		return BL_EFULL;
	codec_event_put(&e->events, ev, &last);
	if (e->events.failed) {
		const bool full = e->events.size > BL_BATCH_RAW_MAX / 2;

		e->events.len = len0;
		e->events.failed = false;
		return full ? BL_EFULL : BL_ENOMEM;
	}
	e->event_ms = last;
	if (e->n_events == 0 || ev->boot_ms < e->event_first_ms)
		e->event_first_ms = ev->boot_ms;
	if (e->n_events == 0 || ev->boot_ms > e->event_last_ms)
		e->event_last_ms = ev->boot_ms;
	e->n_events++;
	return BL_OK;
}

int
bl_batch_enc_gap(struct bl_batch_enc *e, const struct bl_gap *gap)
{
	struct bl_gap *gaps;

	if (!codec_gap_ok(gap))
		return BL_EINVAL;
	if (e->n_gaps == BL_BATCH_GAPS_MAX)
		return BL_EFULL;
	if ((gaps = grow(e->gaps, &e->gaps_size, e->n_gaps, sizeof(*gaps))) == NULL)
		return BL_ENOMEM;
	e->gaps = gaps;
	e->gaps[e->n_gaps++] = *gap;
	return BL_OK;
}
