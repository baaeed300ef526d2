/*
 * The batch encoder: takes samples, events and gaps in any order, holds them
 * in 16 bytes a sample, and lays them out by series when it is asked to finish.
 *
 * Series that were sampled at the same instants share one time column; it is
 * found by a hash over the instants and compared before it is believed.
 */
#include "codec_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What reset keeps for the next batch: 60 s of 500 series; the rest goes back to the system. */
#define KEEP_BYTES (64u * 1024u)

struct sample {
	uint32_t slot;
	uint32_t tick : 24;
	uint32_t unknown : 8;
	double value;
};

struct slot {
	uint32_t series_id;
	uint32_t n;
	uint32_t first;     /* place of its first sample in the order by series */
	uint32_t last_tick; /* for the rule that times do not descend */
	int32_t time_index; /* -1: own times */
	uint32_t same_as;   /* slot that has the same instants, itself included */
	double last;        /* for the guess: the last value and the places it takes */
	uint8_t places;
};

struct bl_batch_enc {
	struct sample *samples;
	struct slot *slots;
	int64_t *ticks;
	uint32_t *by_id; /* hash table of slot + 1 */
	struct bl_gap *gaps;
	uint32_t n_samples, n_slots, n_ticks, n_gaps, n_events;
	uint32_t samples_size, slots_size, ticks_size, gaps_size, by_id_size;
	struct bl_buf events;
	int64_t event_ms, event_first_ms, event_last_ms;
	uint32_t highest_id;
	uint64_t guess_bits;
};

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
	e->by_id = shrink(e->by_id, &e->by_id_size, sizeof(*e->by_id));
	if (e->by_id != NULL)
		memset(e->by_id, 0, e->by_id_size * sizeof(*e->by_id));
	if (e->events.size > KEEP_BYTES)
		bl_buf_free(&e->events);
	bl_buf_reset(&e->events);
	e->n_samples = e->n_slots = e->n_ticks = e->n_gaps = e->n_events = 0;
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
	if (s->n > 0 && e->ticks[s->last_tick] > boot_ms)
		return BL_EINVAL;
	if (e->n_ticks == 0 || e->ticks[e->n_ticks - 1] != boot_ms)
		e->ticks[e->n_ticks++] = boot_ms;
	if (unknown == BL_KNOWN && !isfinite(value))
		unknown = BL_UNKNOWN_UNREADABLE;
	e->guess_bits += unknown == BL_KNOWN ? guess_value(s, value) : 4;
	s->last_tick = e->n_ticks - 1;
	s->n++;
	if (series_id > e->highest_id)
		e->highest_id = series_id;
	e->samples[e->n_samples++] = (struct sample){
		.slot = (uint32_t)(s - e->slots),
		.tick = s->last_tick & 0xffffffu,
		.unknown = (uint32_t)unknown & 0xffu,
		.value = unknown == BL_KNOWN ? value : 0,
	};
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

/* ---- finishing ---- */

/* Everything that laying out needs, in one place for one exit. */
struct layout {
	struct bl_batch_enc *e;
	uint32_t *order;    /* samples by series, each in the order of arrival */
	uint32_t *series;   /* slots by ascending id */
	uint32_t *by_times; /* hash table over instants: slot + 1 */
	uint32_t table_size;
	uint32_t shared[BL_BATCH_TIMES_MAX]; /* a slot of each shared time column */
	uint32_t n_shared;
	int64_t base_ms;
	int64_t *times;
	double *values;
	uint8_t *unknown;
	struct codec_column_scratch scratch;
	struct bl_buf content; /* of the section in work */
	struct bl_buf raw;
};

static const struct sample *
sample_at(const struct layout *l, const struct slot *s, uint32_t i)
{
	return &l->e->samples[l->order[s->first + i]];
}

static int64_t
time_at(const struct layout *l, const struct slot *s, uint32_t i)
{
	return l->e->ticks[sample_at(l, s, i)->tick];
}

static bool
same_times(const struct layout *l, const struct slot *a, const struct slot *b)
{
	if (a->n != b->n)
		return false;
	for (uint32_t i = 0; i < a->n; i++)
		if (time_at(l, a, i) != time_at(l, b, i))
			return false;
	return true;
}

static uint32_t
hash_times(const struct layout *l, const struct slot *s)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (uint32_t i = 0; i < s->n; i++)
		h = (h ^ (uint64_t)time_at(l, s, i)) * 0x9e3779b97f4a7c15u;
	return (uint32_t)(h >> 32);
}

static int
by_series_id(const void *a, const void *b, void *ctx)
{
	const struct bl_batch_enc *e = ctx;
	const uint32_t x = e->slots[*(const uint32_t *)a].series_id;
	const uint32_t y = e->slots[*(const uint32_t *)b].series_id;

	return (x > y) - (x < y);
}

static bool
layout_alloc(struct layout *l)
{
	const struct bl_batch_enc *e = l->e;
	uint32_t longest = 1;

	for (uint32_t i = 0; i < e->n_slots; i++)
		if (e->slots[i].n > longest)
			longest = e->slots[i].n;
	l->table_size = e->by_id_size;
	l->order = malloc(e->n_samples * sizeof(*l->order));
	l->series = malloc(e->n_slots * sizeof(*l->series));
	l->by_times = calloc(l->table_size, sizeof(*l->by_times));
	l->times = malloc(longest * sizeof(*l->times));
	l->values = malloc(longest * sizeof(*l->values));
	l->unknown = malloc(longest);
	l->scratch.known = malloc(longest * sizeof(double));
	l->scratch.ints = malloc(longest * sizeof(int64_t));
	l->scratch.residuals = malloc(longest * sizeof(uint64_t));
	return l->order != NULL && l->series != NULL && l->by_times != NULL && l->times != NULL &&
	       l->values != NULL && l->unknown != NULL && l->scratch.known != NULL &&
	       l->scratch.ints != NULL && l->scratch.residuals != NULL;
}

static void
layout_free(struct layout *l)
{
	free(l->order);
	free(l->series);
	free(l->by_times);
	free(l->times);
	free(l->values);
	free(l->unknown);
	free(l->scratch.known);
	free(l->scratch.ints);
	free(l->scratch.residuals);
	bl_buf_free(&l->content);
	bl_buf_free(&l->raw);
}

/* Sorts slots by id and samples by slot, each series keeping its order of arrival. */
static void
layout_order(struct layout *l)
{
	struct bl_batch_enc *e = l->e;
	uint32_t place = 0;

	for (uint32_t i = 0; i < e->n_slots; i++)
		l->series[i] = i;
	qsort_r(l->series, e->n_slots, sizeof(*l->series), by_series_id, e);
	for (uint32_t i = 0; i < e->n_slots; i++) {
		struct slot *s = &e->slots[l->series[i]];

		s->first = place;
		place += s->n;
		s->n = 0; /* counted up again below */
	}
	for (uint32_t i = 0; i < e->n_samples; i++) {
		struct slot *s = &e->slots[e->samples[i].slot];

		l->order[s->first + s->n++] = i;
	}
}

/* A time column that two series have goes into the table, as long as there is room. */
static void
layout_share(struct layout *l)
{
	struct bl_batch_enc *e = l->e;

	for (uint32_t i = 0; i < e->n_slots; i++) {
		struct slot *s = &e->slots[l->series[i]], *leader;
		uint32_t at = hash_times(l, s) & (l->table_size - 1);

		s->time_index = -1;
		while (l->by_times[at] != 0 && !same_times(l, s, &e->slots[l->by_times[at] - 1]))
			at = (at + 1) & (l->table_size - 1);
		if (l->by_times[at] == 0)
			l->by_times[at] = l->series[i] + 1;
		s->same_as = l->by_times[at] - 1;
		leader = &e->slots[s->same_as];
		if (leader == s || leader->time_index >= 0 || l->n_shared == BL_BATCH_TIMES_MAX)
			continue;
		leader->time_index = (int32_t)l->n_shared;
		l->shared[l->n_shared++] = s->same_as;
	}
	for (uint32_t i = 0; i < e->n_slots; i++)
		e->slots[i].time_index = e->slots[e->slots[i].same_as].time_index;
}

static void
gather_times(struct layout *l, const struct slot *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		l->times[i] = time_at(l, s, i);
}

static void
put_times_section(struct layout *l)
{
	bl_buf_reset(&l->content);
	bl_buf_varint(&l->content, l->n_shared);
	for (uint32_t i = 0; i < l->n_shared; i++) {
		const struct slot *s = &l->e->slots[l->shared[i]];

		gather_times(l, s);
		codec_times_put(&l->content, l->base_ms, l->times, s->n, l->scratch.residuals);
	}
	codec_put_section(&l->raw, SEC_TIMES, &l->content);
}

static void
put_columns_section(struct layout *l)
{
	struct bl_column_state state = { 0 };

	bl_buf_reset(&l->content);
	bl_buf_varint(&l->content, l->e->n_slots);
	for (uint32_t i = 0; i < l->e->n_slots; i++) {
		const struct slot *s = &l->e->slots[l->series[i]];
		const struct codec_column_in in = { s->series_id, s->time_index, l->base_ms,
			l->times, l->values, l->unknown, s->n };

		for (uint32_t k = 0; k < s->n; k++) {
			l->values[k] = sample_at(l, s, k)->value;
			l->unknown[k] = (uint8_t)sample_at(l, s, k)->unknown;
		}
		if (s->time_index < 0)
			gather_times(l, s);
		codec_column_put(&l->content, &state, &in, &l->scratch);
	}
	codec_put_section(&l->raw, SEC_COLUMNS, &l->content);
}

static void
put_gaps_section(struct layout *l, const struct bl_id *boot)
{
	bl_buf_reset(&l->content);
	for (uint32_t i = 0; i < l->e->n_gaps; i++)
		codec_gap_put(&l->content, &l->e->gaps[i], boot);
	codec_put_section(&l->raw, SEC_GAPS, &l->content);
}

/* The first and the last thing inside. */
static void
fill_range(const struct bl_batch_enc *e, struct bl_batch_header *h)
{
	bool any = e->n_events > 0;

	h->event_begin_ms = any ? e->event_first_ms : h->collect_begin_ms;
	h->event_end_ms = any ? e->event_last_ms : h->collect_begin_ms;
	for (uint32_t i = 0; i < e->n_ticks; i++) {
		if (!any || e->ticks[i] < h->event_begin_ms)
			h->event_begin_ms = e->ticks[i];
		if (!any || e->ticks[i] > h->event_end_ms)
			h->event_end_ms = e->ticks[i];
		any = true;
	}
}

static void
fill_header(const struct bl_batch_enc *e, struct bl_batch_header *h)
{
	fill_range(e, h);
	h->dict_version = e->highest_id;
	h->n_samples = e->n_samples;
	h->n_events = e->n_events;
	h->n_gaps = e->n_gaps;
	h->raw_bytes = 0;
	if (h->kind != BL_BATCH_SUPERSEDES)
		h->supersedes_first = h->supersedes_last = 0;
	if (h->next_seq == 0)
		h->next_seq = h->seq + 1;
	if (h->lowest_held == 0)
		h->lowest_held = h->seq;
}

static int
put_raw(struct layout *l, const struct bl_batch_header *h)
{
	if (l->e->n_samples > 0) {
		if (!layout_alloc(l))
			return BL_ENOMEM;
		l->base_ms = h->event_begin_ms;
		layout_order(l);
		layout_share(l);
		if (l->n_shared > 0)
			put_times_section(l);
		put_columns_section(l);
	}
	if (l->e->n_events > 0)
		codec_put_section(&l->raw, SEC_EVENTS, &l->e->events);
	if (l->e->n_gaps > 0)
		put_gaps_section(l, &h->boot);
	if (!l->raw.failed)
		return BL_OK;
	return l->raw.len > BL_BATCH_RAW_MAX / 2 ? BL_EFULL : BL_ENOMEM;
}

static int
put_message(struct layout *l, struct bl_batch_header *h, struct bl_buf *out)
{
	const size_t begin = out->len;
	struct bl_buf body;
	int rc;

	h->raw_bytes = (uint32_t)l->raw.len;
	h->crc32 = codec_crc32(l->raw.data, l->raw.len);
	bl_buf_init(&body, BL_BATCH_RAW_MAX);
	rc = codec_deflate(&body, l->raw.data, l->raw.len);
	if (rc == BL_OK && body.len > BL_BATCH_WIRE_MAX - 256)
		rc = BL_EFULL;
	if (rc == BL_OK) {
		codec_header_put(out, h);
		bl_buf_blob(out, body.data, body.len);
		if (out->failed)
			rc = BL_ENOMEM;
		else if (out->len - begin > BL_BATCH_WIRE_MAX)
			rc = BL_EFULL;
	}
	bl_buf_free(&body);
	return rc;
}

int
bl_batch_enc_finish(
    struct bl_batch_enc *e, struct bl_batch_header *h, struct bl_buf *out, struct bl_err *err)
{
	const size_t len0 = out->len;
	const bool failed0 = out->failed;
	struct layout l = { .e = e };
	const char *bad;
	int rc;

	fill_header(e, h);
	if ((bad = codec_header_bad(h)) != NULL)
		return bl_fail(err, BL_EINVAL, "encode batch %llu: %s is out of bounds",
		    (unsigned long long)h->seq, bad);
	bl_buf_init(&l.content, BL_BATCH_RAW_MAX);
	bl_buf_init(&l.raw, BL_BATCH_RAW_MAX);
	if ((rc = put_raw(&l, h)) == BL_OK)
		rc = put_message(&l, h, out);
	layout_free(&l);
	if (rc == BL_OK)
		return BL_OK;
	out->len = len0;
	out->failed = failed0;
	return bl_fail(err, rc, "encode batch %llu: %s", (unsigned long long)h->seq,
	    rc == BL_EFULL ? "larger than a message may be" : "out of memory");
}
