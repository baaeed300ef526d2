/*
 * The delivery.  Live: each batch when it was cut.  Torn: every site is cut off for
 * some spans of up to a day; while it is, its devices cut hourly; when it comes back the newest
 * come first and the rest in any order, some twice, and the second boot's clock map late.
 */
#include "late.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define OUTAGES 3

struct outage {
	int64_t begin_ms, end_ms;
};

/* Dictionaries and clock maps go before batches and are never backlog. */
static bool
is_batch(const struct bl_buf *msg)
{
	return bl_msg_type(msg->data, msg->len) == BL_MSG_BATCH;
}

static void
plan_add(struct late_plan *p, unsigned device, int64_t ready_ms, int64_t at_ms, struct bl_buf *msg)
{
	if (p->n == p->size) {
		p->size = p->size == 0 ? 1024 : p->size * 2;
		p->m = realloc(p->m, p->size * sizeof(*p->m));
		p->at_ms = realloc(p->at_ms, p->size * sizeof(*p->at_ms));
		assert(p->m != NULL && p->at_ms != NULL);
	}
	p->m[p->n] = (struct late_message){
		.device = device,
		.ready_ms = ready_ms,
		.past = is_batch(msg) && at_ms - ready_ms > 300000,
		.msg = *msg,
	};
	p->at_ms[p->n++] = at_ms;
}

static void
copy_message(struct late_plan *p, size_t i, int64_t at_ms)
{
	struct bl_buf copy;

	bl_buf_init(&copy, BL_BATCH_WIRE_MAX);
	bl_buf_bytes(&copy, p->m[i].msg.data, p->m[i].msg.len);
	plan_add(p, p->m[i].device, p->m[i].ready_ms, at_ms, &copy);
}

/* ---- when ---- */

static void
make_outages(struct outage o[OUTAGES], const struct late_history *h, unsigned site, unsigned seed)
{
	uint64_t state = (uint64_t)seed << 32 ^ site * 7919u;
	int64_t at = 0;

	for (unsigned i = 0; i < OUTAGES; i++) {
		at += (int64_t)(late_random(&state) % (10 * 3600000u));
		o[i].begin_ms = at;
		at += (int64_t)(late_random(&state) % (i == 1 ? 86400000u : 5 * 3600000u));
		o[i].end_ms = at;
		if (o[i].end_ms > h->length_ms)
			o[i].end_ms = h->length_ms;
		if (o[i].begin_ms > h->length_ms)
			o[i].begin_ms = h->length_ms;
	}
}

static const struct outage *
outage_at(const struct outage *o, int64_t at_ms)
{
	for (unsigned i = 0; o != NULL && i < OUTAGES; i++)
		if (at_ms >= o[i].begin_ms && at_ms < o[i].end_ms)
			return &o[i];
	return NULL;
}

/* ---- one device ---- */

static int64_t
next_cut(const struct late_device *d, const struct outage *o, int64_t at_ms, int64_t end_ms)
{
	const struct outage *out = outage_at(o, at_ms);
	int64_t next = at_ms / LATE_CUT_MS * LATE_CUT_MS + LATE_CUT_MS;

	if (out != NULL) { /* hourly, and at reconnection */
		next = at_ms + 3600000;
		if (next > out->end_ms)
			next = out->end_ms;
	}
	if (at_ms < d->off_begin_ms && next > d->off_begin_ms)
		next = d->off_begin_ms;
	return next < end_ms ? next : end_ms;
}

static int64_t
when(const struct outage *o, int64_t ready_ms, uint64_t *state)
{
	const struct outage *out = outage_at(o, ready_ms - 1);

	if (o == NULL)
		return ready_ms;
	if (out == NULL)
		return ready_ms + (int64_t)(late_random(state) % 60000);
	/* The backlog drains over some hours, in any order. */
	return out->end_ms + (int64_t)(late_random(state) % (4 * 3600000u));
}

static void
plan_stream(struct late_plan *p, const struct late_history *h, const struct late_device *d,
    enum bl_stream stream, const struct outage *o, uint64_t *state)
{
	const bool was_off = d->off_end_ms > d->off_begin_ms;
	uint64_t seq = 0;

	for (int64_t at = 0, next; at < h->length_ms; at = next) {
		struct bl_buf msg;
		bool first_after = false;

		if (was_off && at >= d->off_begin_ms && at < d->off_end_ms)
			at = d->off_end_ms;
		first_after = was_off && at == d->off_end_ms && stream == BL_STREAM_EVENTS;
		next = next_cut(d, o, at, h->length_ms);
		late_batch(h, d, stream, ++seq, at, next, first_after, &msg);
		plan_add(p, d->number, next, when(o, next, state), &msg);
		if (o != NULL && late_random(state) % 10 == 0)
			copy_message(p, p->n - 1,
			    p->at_ms[p->n - 1] + (int64_t)(late_random(state) % 7200000));
	}
}

static void
plan_device(struct late_plan *p, const struct late_history *h, const struct late_device *d,
    unsigned seed)
{
	struct outage outages[OUTAGES], *o = NULL;
	uint64_t state = (uint64_t)seed << 40 ^ d->number;
	struct bl_buf msg;

	if (seed != 0) {
		make_outages(outages, h, d->site, seed);
		o = outages;
	}
	late_dictionary(d, &msg);
	plan_add(p, d->number, 0, o == NULL ? 0 : (int64_t)(late_random(&state) % 7200000), &msg);
	late_clock_map(h, d, 1, &msg);
	plan_add(p, d->number, 0, o == NULL ? 0 : (int64_t)(late_random(&state) % 7200000), &msg);
	if (d->off_end_ms > d->off_begin_ms) {
		late_clock_map(h, d, 2, &msg);
		/* Late for what is delivered already: that waits for its clock. */
		plan_add(p, d->number, d->off_end_ms,
		    d->off_end_ms + (o == NULL ? 0 : (int64_t)(late_random(&state) % 14400000)), &msg);
	}
	for (int i = 1; i <= BL_STREAMS; i++)
		plan_stream(p, h, d, (enum bl_stream)i, o, &state);
}

/* ---- in order of delivery ---- */

static const struct late_plan *sorting;

static int
by_time(const void *a, const void *b)
{
	const size_t x = *(const size_t *)a, y = *(const size_t *)b;

	if (sorting->at_ms[x] != sorting->at_ms[y])
		return sorting->at_ms[x] < sorting->at_ms[y] ? -1 : 1;
	return x < y ? -1 : 1;
}

static void
sort_plan(struct late_plan *p)
{
	size_t *order = calloc(p->n, sizeof(*order));
	struct late_message *m = calloc(p->n, sizeof(*m));
	int64_t *at = calloc(p->n, sizeof(*at));

	assert(order != NULL && m != NULL && at != NULL);
	for (size_t i = 0; i < p->n; i++)
		order[i] = i;
	sorting = p;
	qsort(order, p->n, sizeof(*order), by_time);
	for (size_t i = 0; i < p->n; i++) {
		m[i] = p->m[order[i]];
		at[i] = p->at_ms[order[i]];
	}
	free(order);
	free(p->m);
	free(p->at_ms);
	p->m = m;
	p->at_ms = at;
	p->size = p->n;
}

void
late_plan_make(struct late_plan *p, const struct late_history *h, unsigned seed)
{
	memset(p, 0, sizeof(*p));
	for (unsigned i = 0; i < h->n_devices; i++)
		plan_device(p, h, &h->device[i], seed);
	sort_plan(p);
}

void
late_plan_free(struct late_plan *p)
{
	for (size_t i = 0; i < p->n; i++)
		bl_buf_free(&p->m[i].msg);
	free(p->m);
	free(p->at_ms);
}
