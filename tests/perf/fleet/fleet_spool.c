/* See fleet_spool.h. */
#include "fleet_spool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum past_state { PAST_WAITS = 0, PAST_OUT, PAST_SETTLED };

#define STREAM(i) ((enum bl_stream)((i) + 1))

int
fleet_spool_open(struct fleet_spool *s, struct fleet_data *data, struct fleet_spool_tally *tally,
    unsigned agent, int64_t now_unix_ms, struct bl_err *err)
{
	const struct fleet_shape *shape = fleet_data_shape(data);
	const int64_t past_ms = (int64_t)shape->past_batches * shape->past_cut_ms;
	unsigned per_tick;

	memset(s, 0, sizeof(*s));
	s->data = data;
	s->tally = tally;
	s->agent = agent;
	s->spool = fleet_spool_id(shape->seed, agent);
	s->boot = fleet_boot_id(shape->seed, agent);
	s->offset_ms = now_unix_ms - past_ms - FLEET_BOOT_MS;
	fleet_live_mix(shape, agent, &s->mix);
	for (unsigned i = 0; i < BL_STREAMS; i++) {
		struct fleet_held_stream *st = &s->stream[i];

		st->next_seq = 1;
		st->begin_ms = FLEET_BOOT_MS + past_ms;
		if (!(st->used = fleet_data_has(data, STREAM(i), &per_tick)))
			continue;
		st->next_seq = 1 + (uint64_t)shape->past_batches;
		st->past_low = 1;
		s->past_left += shape->past_batches;
		tally->past_left += shape->past_batches;
		if ((st->past = calloc(shape->past_batches + 1u, 1)) == NULL)
			return bl_fail(err, BL_ENOMEM, "agent %u: out of memory", agent);
	}
	return BL_OK;
}

void
fleet_spool_close(struct fleet_spool *s)
{
	for (unsigned i = 0; i < s->n_items; i++)
		bl_buf_free(&s->item[i].msg);
	free(s->item);
	s->item = NULL;
	s->n_items = 0;
	for (unsigned i = 0; i < BL_STREAMS; i++) {
		free(s->stream[i].past);
		s->stream[i].past = NULL;
	}
}

static uint64_t
past_of(const struct fleet_spool *s)
{
	return fleet_data_shape(s->data)->past_batches;
}

/* The lowest seq of a stream without a receipt. */
static uint64_t
lowest(const struct fleet_spool *s, unsigned i)
{
	const struct fleet_held_stream *st = &s->stream[i];
	uint64_t low = st->next_seq;

	if (st->used && st->past_low <= past_of(s))
		return st->past_low;
	for (unsigned k = 0; k < s->n_items; k++)
		if (s->item[k].stream == STREAM(i) && s->item[k].seq < low)
			low = s->item[k].seq;
	return low;
}

/* ---- cutting ---- */

void
fleet_spool_begin(struct fleet_spool *s, int64_t boot_ms)
{
	s->live_begin_ms = s->tick_ms = boot_ms;
	for (unsigned i = 0; i < BL_STREAMS && past_of(s) == 0; i++)
		s->stream[i].begin_ms = boot_ms;
}

/* One more; NULL: there is no room for it. */
static struct fleet_item *
new_item(struct fleet_spool *s)
{
	struct fleet_item *more;

	if (s->n_items == s->items_size && s->items_size < FLEET_HELD_MAX) {
		more = realloc(s->item, (s->items_size + 6) * sizeof(*more));
		if (more == NULL)
			return NULL;
		s->item = more;
		s->items_size += 6;
	}
	if (s->n_items == s->items_size)
		return NULL;
	memset(&s->item[s->n_items], 0, sizeof(s->item[0]));
	return &s->item[s->n_items];
}

static int
cut_stream(struct fleet_spool *s, unsigned i, const struct fleet_ticks *t, int64_t end_ms,
    int64_t cut_us, struct bl_err *err)
{
	struct fleet_held_stream *st = &s->stream[i];
	struct fleet_item *it = new_item(s);
	struct bl_batch_header h = { .spool = s->spool,
		.boot = s->boot,
		.stream = STREAM(i),
		.seq = st->next_seq,
		.collect_begin_ms = st->begin_ms,
		.collect_end_ms = end_ms };
	int rc;

	if (it == NULL) {
		s->tally->dropped++;
		return BL_OK; /* what it held is lost, and the count says that this run is void */
	}
	bl_buf_init(&it->msg, BL_BATCH_WIRE_MAX);
	if ((rc = fleet_batch(s->data, t, &h, &it->msg, err)) < 0) {
		bl_buf_free(&it->msg);
		return rc;
	}
	it->stream = h.stream;
	it->seq = h.seq;
	it->samples = h.n_samples;
	it->cut_us = cut_us;
	it->end_ms = end_ms;
	it->live = true;
	s->n_items++;
	st->next_seq++;
	st->begin_ms = end_ms;
	s->tally->cut_batches++;
	s->tally->cut_samples += h.n_samples;
	return BL_OK;
}

int
fleet_spool_cut(struct fleet_spool *s, int64_t boot_ms, int64_t cut_us, struct bl_err *err)
{
	static struct fleet_ticks t; /* half a MiB; there is one thread */
	const struct fleet_shape *shape = fleet_data_shape(s->data);
	const unsigned n = fleet_ticks_in(shape, s->tick_ms, boot_ms);
	int rc = BL_OK;

	fleet_ticks_make(&s->mix, shape, s->tick_ms, n, &t);
	s->tick_ms += (int64_t)t.n * shape->tick_ms;
	for (unsigned i = 0; i < BL_STREAMS && rc == BL_OK; i++)
		if (s->stream[i].used)
			rc = cut_stream(s, i, &t, boot_ms, cut_us, err);
	return rc;
}

/* ---- offering ---- */

void
fleet_spool_link_down(struct fleet_spool *s)
{
	s->dict_sent = s->clock_sent = 0;
	for (unsigned k = 0; k < s->n_items; k++)
		s->item[k].out = false;
	for (unsigned i = 0; i < BL_STREAMS; i++)
		for (uint64_t q = 0; s->stream[i].used && q < past_of(s); q++)
			if (s->stream[i].past[q] == PAST_OUT)
				s->stream[i].past[q] = PAST_WAITS;
}

void
fleet_spool_link_up(struct fleet_spool *s)
{
	fleet_spool_link_down(s);
	s->connections++;
	/* What was cut while there was no link is backlog. */
	for (unsigned k = 0; k < s->n_items; k++)
		s->item[k].live = false;
}

void
fleet_spool_hello(
    const struct fleet_spool *s, const char *device, int64_t boot_ms, struct bl_hello *h)
{
	memset(h, 0, sizeof(*h));
	(void)strncpy(h->device, device, sizeof(h->device) - 1);
	h->spool = s->spool;
	h->boot = s->boot;
	h->boot_ms = boot_ms;
	h->unix_ms = boot_ms + s->offset_ms;
	h->dict_version = MIX_SERIES;
	h->clock_version = 1;
	(void)strcpy(h->software, "fleet");
	for (unsigned i = 0; i < BL_STREAMS; i++) {
		struct bl_hello_stream *to = &h->stream[i];

		to->next_seq = s->stream[i].next_seq;
		to->lowest_held = lowest(s, i);
		/* All that has no receipt lies between these two; holes in it are the newest few.
		 */
		if (to->lowest_held < to->next_seq)
			(void)bl_ranges_add(&to->held, to->lowest_held, to->next_seq - 1);
	}
}

static bool
live_next(const struct fleet_spool *s, bool live, unsigned *found)
{
	bool any = false;

	for (unsigned k = 0; k < s->n_items; k++) {
		const struct fleet_item *it = &s->item[k];

		if (it->out || it->live != live)
			continue;
		/* Live: the newest, of those the stream that outranks; past: the oldest. */
		if (!any || (live ? it->end_ms > s->item[*found].end_ms
				  : it->end_ms < s->item[*found].end_ms))
			*found = k;
		any = true;
	}
	return any;
}

static int
frame_item(struct fleet_spool *s, unsigned k, struct fleet_frame *f, struct bl_err *err)
{
	struct fleet_item *it = &s->item[k];
	const unsigned i = it->stream - 1u;
	int rc;

	bl_buf_init(&f->msg, BL_BATCH_WIRE_MAX);
	rc = bl_batch_reoffer(
	    it->msg.data, it->msg.len, s->stream[i].next_seq, lowest(s, i), &f->msg, err);
	f->f = (struct uplink_frame){ .type = BL_MSG_BATCH,
		.stream = it->stream,
		.seq = it->seq,
		.past = !it->live,
		.bytes = f->msg.len };
	it->out = true;
	return rc;
}

/* The next of the backlog, events before probes before host; false: there is none. */
static bool
past_next(const struct fleet_spool *s, unsigned *stream, uint64_t *seq)
{
	for (unsigned i = 0; i < BL_STREAMS; i++)
		for (uint64_t q = s->stream[i].past_low; s->stream[i].used && q <= past_of(s); q++)
			if (s->stream[i].past[q - 1] == PAST_WAITS) {
				*stream = i;
				*seq = q;
				return true;
			}
	return false;
}

static int
frame_past(
    struct fleet_spool *s, unsigned i, uint64_t seq, struct fleet_frame *f, struct bl_err *err)
{
	const struct fleet_past p = { .agent = s->agent,
		.stream = STREAM(i),
		.seq = seq,
		.next_seq = s->stream[i].next_seq,
		.lowest_held = lowest(s, i),
		.spool = s->spool,
		.boot = s->boot };
	int rc;

	bl_buf_init(&f->msg, BL_BATCH_WIRE_MAX);
	rc = fleet_past_batch(s->data, &p, &f->msg, err);
	f->f = (struct uplink_frame){ .type = BL_MSG_BATCH,
		.stream = STREAM(i),
		.seq = seq,
		.past = true,
		.bytes = f->msg.len };
	s->stream[i].past[seq - 1] = PAST_OUT;
	s->tally->past_offered_bytes += f->msg.len;
	return rc;
}

static int
frame_maps(struct fleet_spool *s, const struct uplink_offer *want, struct fleet_frame *frames,
    unsigned *n, struct bl_err *err)
{
	uint32_t entries;
	int rc = BL_OK;

	if (want->dict_known < MIX_SERIES && s->dict_sent == 0 && *n < want->max_frames) {
		struct fleet_frame *f = &frames[(*n)++];

		bl_buf_init(&f->msg, BL_BATCH_WIRE_MAX);
		rc =
		    fleet_dict(&s->spool, fleet_data_shape(s->data)->split, &f->msg, &entries, err);
		f->f = (struct uplink_frame){
			.type = BL_MSG_DICT, .upto = MIX_SERIES, .bytes = f->msg.len
		};
		s->dict_sent = MIX_SERIES;
	}
	if (rc == BL_OK && want->clock_known < 1 && s->clock_sent == 0 && *n < want->max_frames) {
		struct fleet_frame *f = &frames[(*n)++];

		bl_buf_init(&f->msg, BL_BATCH_WIRE_MAX);
		rc = fleet_clock(&s->spool, &s->boot, s->offset_ms, &f->msg, err);
		f->f =
		    (struct uplink_frame){ .type = BL_MSG_CLOCK, .upto = 1, .bytes = f->msg.len };
		s->clock_sent = 1;
	}
	return rc;
}

static int
frame_pasts(struct fleet_spool *s, const struct uplink_offer *want, struct fleet_frame *frames,
    unsigned *n, struct bl_err *err)
{
	size_t room = want->past_bytes;
	bool any = false;
	int rc = BL_OK;

	while (room > 0 && rc == BL_OK && *n < want->max_frames) {
		unsigned i = 0, k = 0;
		uint64_t seq = 0;
		size_t bytes;
		const bool past = past_next(s, &i, &seq);

		if (!past && !live_next(s, false, &k))
			break;
		bytes =
		    past ? fleet_past_bytes(s->data, s->agent, STREAM(i), seq) : s->item[k].msg.len;
		if (any && bytes > room)
			break;
		rc = past ? frame_past(s, i, seq, &frames[*n], err)
			  : frame_item(s, k, &frames[*n], err);
		(*n)++;
		any = true;
		room -= bytes < room ? bytes : room;
	}
	return rc;
}

int
fleet_spool_offer(struct fleet_spool *s, const struct uplink_offer *want,
    struct fleet_frame frames[FLEET_FRAMES_MAX], unsigned *n, struct bl_err *err)
{
	unsigned k = 0;
	int rc;

	*n = 0;
	rc = frame_maps(s, want, frames, n, err);
	while (rc == BL_OK && want->live && *n < want->max_frames && live_next(s, true, &k))
		rc = frame_item(s, k, &frames[(*n)++], err);
	return rc < 0 ? rc : frame_pasts(s, want, frames, n, err);
}

void
fleet_spool_clear(struct fleet_spool *s, enum bl_stream stream, uint64_t seq)
{
	if (stream == 0) {
		s->dict_sent = s->clock_sent = 0;
		return;
	}
	if (seq <= past_of(s) && s->stream[stream - 1].past[seq - 1] == PAST_OUT)
		s->stream[stream - 1].past[seq - 1] = PAST_WAITS;
	for (unsigned k = 0; k < s->n_items; k++)
		if (s->item[k].stream == stream && s->item[k].seq == seq)
			s->item[k].out = false;
}

/* ---- receipts ---- */

static bool
settles(const struct bl_receipt_stream *r, uint64_t seq)
{
	return seq <= r->contiguous || bl_ranges_has(&r->beyond, seq) ||
	       bl_ranges_has(&r->aside, seq);
}

static uint64_t
samples_of_past(const struct fleet_spool *s, unsigned i)
{
	const struct fleet_shape *shape = fleet_data_shape(s->data);
	unsigned per_tick;

	(void)fleet_data_has(s->data, STREAM(i), &per_tick);
	return (uint64_t)per_tick * fleet_ticks_in(shape, 0, shape->past_cut_ms);
}

static void
settle_past(struct fleet_spool *s, unsigned i, const struct bl_receipt_stream *r)
{
	struct fleet_held_stream *st = &s->stream[i];

	for (uint64_t q = st->past_low; q <= past_of(s); q++) {
		if (st->past[q - 1] == PAST_SETTLED || !settles(r, q))
			continue;
		st->past[q - 1] = PAST_SETTLED;
		s->past_left--;
		s->tally->past_left--;
		s->tally->settled_past++;
		s->tally->settled_samples += samples_of_past(s, i);
	}
	while (st->past_low <= past_of(s) && st->past[st->past_low - 1] == PAST_SETTLED)
		st->past_low++;
}

static void
settle_items(struct fleet_spool *s, const struct bl_receipt *r)
{
	unsigned kept = 0;

	for (unsigned k = 0; k < s->n_items; k++) {
		struct fleet_item *it = &s->item[k];

		if (!settles(&r->stream[it->stream - 1], it->seq)) {
			if (kept != k)
				s->item[kept] = *it;
			kept++;
			continue;
		}
		s->tally->settled_live++;
		s->tally->settled_samples += it->samples;
		if (s->tally->settled != NULL)
			s->tally->settled(s->tally->ctx, it->cut_us, it->end_ms, s->agent);
		bl_buf_free(&it->msg);
	}
	s->n_items = kept;
}

static bool
any_waits(const struct fleet_spool *s)
{
	for (unsigned k = 0; k < s->n_items; k++)
		if (!s->item[k].out)
			return true;
	return s->past_left > 0;
}

void
fleet_spool_receipt(struct fleet_spool *s, const struct bl_receipt *r, struct uplink_outcome *o)
{
	*o = (struct uplink_outcome){ .r = r };
	if (!bl_id_equal(&r->spool, &s->spool)) {
		s->tally->foreign++;
		return;
	}
	o->taken = true;
	for (unsigned i = 0; i < BL_STREAMS; i++) {
		s->tally->aside += r->stream[i].aside.n > 0;
		if (s->stream[i].used)
			settle_past(s, i, &r->stream[i]);
	}
	settle_items(s, r);
	/* What an answer does not settle is not there: it goes out again. */
	if (r->is_answer)
		fleet_spool_link_down(s);
	o->more = any_waits(s);
}

/* ---- questions ---- */

static bool
holds(const struct fleet_spool *s, enum bl_stream stream, uint64_t seq)
{
	const struct fleet_held_stream *st = &s->stream[stream - 1];

	if (st->used && seq <= past_of(s))
		return true; /* it can be made again */
	for (unsigned k = 0; k < s->n_items; k++)
		if (s->item[k].stream == stream && s->item[k].seq == seq)
			return true;
	return false;
}

/* An asked batch of the backlog goes out again, also when it was receipted once. */
static void
ask_again(struct fleet_spool *s, unsigned i, uint64_t seq)
{
	struct fleet_held_stream *st = &s->stream[i];

	if (!st->used || seq > past_of(s) || st->past[seq - 1] != PAST_SETTLED)
		return;
	st->past[seq - 1] = PAST_WAITS;
	s->past_left++;
	s->tally->past_left++;
	if (seq < st->past_low)
		st->past_low = seq;
}

void
fleet_spool_question(struct fleet_spool *s, const struct bl_question *q, struct bl_gone *gone,
    struct uplink_outcome *o)
{
	memset(gone, 0, sizeof(*gone));
	gone->spool = s->spool;
	*o = (struct uplink_outcome){ .taken = bl_id_equal(&q->spool, &s->spool) };
	for (unsigned i = 0; o->taken && i < BL_STREAMS; i++)
		for (uint32_t k = 0; k < q->need[i].n; k++) {
			const struct bl_range *r = &q->need[i].r[k];

			for (uint64_t seq = r->first; seq <= r->last && seq < s->stream[i].next_seq;
			     seq++) {
				ask_again(s, i, seq);
				if (holds(s, STREAM(i), seq) || gone->n == BL_RANGES_MAX)
					continue;
				gone->gone[gone->n].stream = STREAM(i);
				gone->gone[gone->n].range = (struct bl_range){ seq, seq };
				gone->gone[gone->n++].reason = BL_GAP_LOST_AT_CENTRE;
				s->tally->gone++;
			}
		}
	o->more = any_waits(s);
}

uint64_t
fleet_spool_waiting(const struct fleet_spool *s)
{
	return s->n_items + s->past_left;
}

void
fleet_spool_record(const struct fleet_spool *s, const char *device, struct fleet_record *out)
{
	const struct fleet_shape *shape = fleet_data_shape(s->data);

	memset(out, 0, sizeof(*out));
	out->agent = s->agent;
	(void)snprintf(out->device, sizeof(out->device), "%s", device);
	out->offset_ms = s->offset_ms;
	out->live_begin_ms = s->live_begin_ms;
	out->live_ticks = (uint64_t)(s->tick_ms - s->live_begin_ms) / (uint64_t)shape->tick_ms;
	out->samples = out->live_ticks * MIX_SERIES;
	for (unsigned i = 0; i < BL_STREAMS; i++) {
		if (!s->stream[i].used)
			continue;
		out->batches += s->stream[i].next_seq - 1;
		out->samples += past_of(s) * samples_of_past(s, i);
	}
}
