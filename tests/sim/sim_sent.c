/* Batches that left: what a seq held, for who has only that. */
#include "sim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static size_t
sent_slot(const struct sim *w, const struct bl_batch_header *h)
{
	uint64_t x;
	size_t i;

	memcpy(&x, h->spool.b, sizeof(x));
	x = (x ^ h->seq * 4 ^ (uint64_t)h->stream) * UINT64_C(0x9e3779b97f4a7c15);
	x ^= (uint64_t)h->crc32 * UINT64_C(0xff51afd7ed558ccd);
	i = (size_t)(x >> 20) & (w->size_sent - 1);
	while (w->sent[i].seq != 0) {
		const struct sim_sent *s = &w->sent[i];

		if (s->seq == h->seq && s->stream == h->stream && s->crc32 == h->crc32 &&
		    s->end_ms == h->collect_end_ms && bl_id_equal(&s->spool, &h->spool) &&
		    bl_id_equal(&s->boot, &h->boot))
			break;
		i = (i + 1) & (w->size_sent - 1);
	}
	return i;
}

static void
grow_sent(struct sim *w)
{
	struct sim_sent *old = w->sent;
	const size_t n = w->size_sent;

	w->size_sent = n == 0 ? 4096 : n * 2;
	w->sent = calloc(w->size_sent, sizeof(*w->sent));
	assert(w->sent != NULL);
	for (size_t i = 0; i < n; i++) {
		const struct bl_batch_header h = { .spool = old[i].spool,
			.stream = (enum bl_stream)old[i].stream,
			.seq = old[i].seq,
			.crc32 = old[i].crc32,
			.boot = old[i].boot,
			.collect_end_ms = old[i].end_ms };

		if (old[i].seq != 0)
			w->sent[sent_slot(w, &h)] = old[i];
	}
	free(old);
}

void
sim_each_batch(const void *msg, size_t len, sim_batch_fn fn, void *ctx)
{
	struct bl_err err = { 0 };
	const int type = bl_msg_type(msg, len);
	static uint8_t room[BL_BATCH_WIRE_MAX]; /* one thread */
	struct bl_bundle b;

	if (type == BL_MSG_BATCH)
		fn(ctx, msg, len);
	else if ((type == BL_MSG_BUNDLE || type == BL_MSG_PACK) &&
		 bl_bundle_decode(msg, len, &b, room, &err) == BL_OK)
		for (unsigned i = 0; i < b.n; i++)
			fn(ctx, b.batch[i].msg, b.batch[i].len);
}

void
sim_note_sent(struct sim *w, const struct bl_batch_header *h)
{
	struct sim_sent *s;

	if (w->n_sent * 2 >= w->size_sent)
		grow_sent(w);
	s = &w->sent[sent_slot(w, h)];
	if (s->seq != 0)
		return;
	*s = (struct sim_sent){ .spool = h->spool,
		.stream = (uint8_t)h->stream,
		.seq = h->seq,
		.crc32 = h->crc32,
		.boot = h->boot,
		.begin_ms = h->collect_begin_ms,
		.end_ms = h->collect_end_ms,
		.last_ms =
		    h->event_end_ms > h->collect_end_ms ? h->event_end_ms : h->collect_end_ms,
		.sent_at = w->now };
	w->n_sent++;
}

struct sim_sent *
sim_find_sent(struct sim *w, const struct bl_batch_header *h)
{
	struct sim_sent *s = w->size_sent > 0 ? &w->sent[sent_slot(w, h)] : NULL;

	return s != NULL && s->seq != 0 ? s : NULL;
}
