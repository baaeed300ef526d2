/*
 * The batch encoder, finishing: sorts samples by series and time, finds the series that
 * were sampled at the same instants (by a hash over the instants, compared
 * before it is believed), encodes and writes the message.  What it needs for
 * that is given back before the body is compressed.
 */
#include "batch_enc_internal.h"

#include <stdlib.h>
#include <string.h>

/* Everything that laying out needs, in one place for one exit. */
struct layout {
	struct bl_batch_enc *e;
	uint32_t *order;    /* samples by series, each by time */
	uint32_t *series;   /* slots by ascending id */
	uint32_t *by_times; /* hash table over instants: slot + 1 */
	uint32_t table_size;
	uint32_t shared[BL_BATCH_TIMES_MAX]; /* a slot of each shared time column */
	uint32_t n_shared;
	int64_t base_ms;
	int64_t *times;
	double *values;
	uint8_t *unknown;
	struct codec_scratch scratch;
	struct bl_buf part;    /* one series of section THIN */
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
	bl_buf_free(&l->part);
	bl_buf_free(&l->content);
}

static int
by_time(const void *a, const void *b, void *ctx)
{
	const struct bl_batch_enc *e = ctx;
	const uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
	const int64_t x = e->ticks[e->samples[i].tick], y = e->ticks[e->samples[k].tick];

	return x != y ? (x > y) - (x < y) : (i > k) - (i < k);
}

/* Sorts slots by id and samples by slot, each series by time; of one instant in the order of
 * arrival. */
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
	for (uint32_t i = 0; i < e->n_slots; i++)
		if (e->slots[i].disordered)
			qsort_r(l->order + e->slots[i].first, e->slots[i].n, sizeof(*l->order),
			    by_time, e);
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
	struct bl_bits_w bits = { &l->content, 0, 0 };

	bl_buf_reset(&l->content);
	bl_buf_varint(&l->content, l->n_shared);
	for (uint32_t i = 0; i < l->n_shared; i++) {
		const struct slot *s = &l->e->slots[l->shared[i]];

		gather_times(l, s);
		bits_put_expg(&bits, s->n - 1, 3);
		codec_times_put(&bits, l->base_ms, l->times, s->n, l->scratch.residuals);
	}
	bl_bits_flush(&bits);
	codec_put_section(&l->raw, SEC_TIMES, &l->content);
}

static void
put_columns_section(struct layout *l)
{
	struct bl_column_state state = { .coding = CODEC_CODING_FIRST };
	struct bl_bits_w bits = { &l->content, 0, 0 };

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
		codec_column_put(&bits, &state, &in, &l->scratch);
	}
	bl_bits_flush(&bits);
	codec_put_section(&l->raw, SEC_COLUMNS, &l->content);
}

/* What a sample stands for; NULL: for itself. */
static const struct bl_thin *
thin_of(const struct bl_batch_enc *e, uint32_t sample)
{
	uint32_t low = 0, high = e->n_thin;

	while (low < high) {
		const uint32_t middle = low + (high - low) / 2;

		if (e->thin[middle].sample < sample)
			low = middle + 1;
		else
			high = middle;
	}
	return low < e->n_thin && e->thin[low].sample == sample ? &e->thin[low].thin : NULL;
}

/* Counts of all known samples, then lowest and highest of those that stand for several. */
static void
put_thin_part(struct layout *l, const struct slot *s)
{
	uint32_t known = 0, n = 0;

	for (uint32_t i = 0; i < s->n; i++) {
		const struct bl_thin *t = thin_of(l->e, l->order[s->first + i]);

		if (sample_at(l, s, i)->unknown == BL_KNOWN)
			l->values[known++] = t == NULL ? 1 : t->count;
	}
	codec_seq_put(&l->part, l->values, known, &l->scratch);
	for (int highest = 0; highest < 2; highest++, n = 0) {
		for (uint32_t i = 0; i < s->n; i++) {
			const struct bl_thin *t = thin_of(l->e, l->order[s->first + i]);

			if (t != NULL)
				l->values[n++] = highest ? t->max : t->min;
		}
		codec_seq_put(&l->part, l->values, n, &l->scratch);
	}
}

static void
put_thin_section(struct layout *l)
{
	uint32_t last = 0, n = 0;

	for (uint32_t i = 0; i < l->e->n_slots; i++)
		n += l->e->slots[i].n_thin > 0;
	bl_buf_reset(&l->content);
	bl_buf_varint(&l->content, n);
	for (uint32_t i = 0; i < l->e->n_slots; i++) {
		const struct slot *s = &l->e->slots[l->series[i]];

		if (s->n_thin == 0)
			continue;
		bl_buf_reset(&l->part);
		put_thin_part(l, s);
		bl_buf_varint(&l->content, s->series_id - last);
		last = s->series_id;
		if (l->part.failed)
			l->content.failed = true;
		bl_buf_blob(&l->content, l->part.data, l->part.len);
	}
	codec_put_section(&l->raw, SEC_THIN, &l->content);
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
		if (l->e->n_thin > 0)
			put_thin_section(l);
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
put_message(const struct bl_buf *raw, struct bl_batch_header *h, struct bl_buf *out)
{
	const size_t begin = out->len;
	struct bl_buf body;
	int rc;

	h->raw_bytes = (uint32_t)raw->len;
	h->crc32 = codec_crc32(raw->data, raw->len);
	bl_buf_init(&body, BL_BATCH_RAW_MAX);
	rc = codec_deflate(&body, raw->data, raw->len);
	if (rc == BL_OK && body.len > BL_BATCH_WIRE_MAX - 256)
		rc = BL_EFULL;
	if (rc == BL_OK) {
		codec_header_put(out, h, body.len < raw->len);
		bl_buf_bytes(out, body.data, body.len);
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
	bl_buf_init(&l.part, BL_BATCH_RAW_MAX);
	bl_buf_init(&l.content, BL_BATCH_RAW_MAX);
	bl_buf_init(&l.raw, BL_BATCH_RAW_MAX);
	rc = put_raw(&l, h);
	layout_free(&l);
	if (rc == BL_OK)
		rc = put_message(&l.raw, h, out);
	bl_buf_free(&l.raw);
	if (rc == BL_OK)
		return BL_OK;
	out->len = len0;
	out->failed = failed0;
	return bl_fail(err, rc, "encode batch %llu: %s", (unsigned long long)h->seq,
	    rc == BL_EFULL ? "larger than a message may be" : "out of memory");
}
