/*
 * What the connection says becomes the uplink's events; what the uplink wants is
 * done.  Decides nothing by itself: a queue that is full is told as "nothing
 * there", a message that found no room as "busy".
 */
#include "delivery_internal.h"

#include <stdlib.h>
#include <string.h>

int
delivery_create(struct delivery **out, const struct bl_clock *clock, uint64_t seed,
    const struct delivery_out *way, struct bl_err *err)
{
	struct delivery *d = calloc(1, sizeof(*d));

	*out = NULL;
	if (d == NULL || (d->uplink = uplink_create(seed)) == NULL) {
		free(d);
		return bl_fail(err, BL_ENOMEM, "start the uplink: out of memory");
	}
	d->clock = clock;
	d->out = *way;
	*out = d;
	return BL_OK;
}

static void
forget_frames(struct delivery *d)
{
	for (unsigned i = 0; i < UPLINK_SLOTS; i++)
		bl_buf_free(&d->kept[i].msg);
}

void
delivery_free(struct delivery *d)
{
	if (d == NULL)
		return;
	forget_frames(d);
	uplink_free(d->uplink);
	free(d);
}

void
delivery_meter(struct delivery *d, uplink_room_fn room, uplink_charge_fn charge, void *ctx)
{
	uplink_meter(d->uplink, room, charge, ctx);
}

void
delivery_spool(struct delivery *d, struct spool_thread *spool)
{
	d->spool = spool;
}

/* ---- effects ---- */

/* The frame of a slot, or with those that share its message a bundle, which is made in msg. */
static const struct bl_buf *
message_of(const struct delivery *d, const struct uplink_effect *e, struct bl_buf *msg)
{
	struct bl_bundle b;

	if (e->n_more == 0)
		return &d->kept[e->slot].msg;
	b.n = e->n_more + 1;
	/* The rate of the link is told from batches of the backlog, by their own lengths. */
	b.packed = d->packs && !d->kept[e->slot].past;
	for (unsigned i = 0; i < b.n; i++) {
		const struct bl_buf *one = &d->kept[i == 0 ? e->slot : e->more[i - 1]].msg;

		b.batch[i] = (struct bl_bundle_batch){ one->data, one->len };
	}
	return bl_bundle_encode(&b, msg) == BL_OK ? msg : NULL;
}

/*
 * What the message took besides is the first one's; of a pack, which is shorter than its
 * batches, each has taken as large a part as it is of them all.
 */
static void
tell_sent(struct delivery *d, const struct uplink_effect *e, size_t bytes)
{
	size_t all = d->kept[e->slot].msg.len, took, left = bytes;

	if (d->out.sent == NULL)
		return;
	for (unsigned i = 0; i < e->n_more; i++)
		all += d->kept[e->more[i]].msg.len;
	took = bytes < all ? bytes : all;
	for (unsigned i = 0; i < e->n_more; i++) {
		const struct delivery_frame *f = &d->kept[e->more[i]];
		const size_t part = (size_t)((uint64_t)f->msg.len * took / all);

		d->out.sent(d->out.ctx, f->stream, part);
		left -= part;
	}
	d->out.sent(d->out.ctx, d->kept[e->slot].stream, left);
}

static void
do_publish(struct delivery *d, const struct uplink_effect *e)
{
	const enum bl_topic_kind topic = d->kept[e->slot].past ? BL_TOPIC_PAST : BL_TOPIC_LIVE;
	const struct bl_buf *msg;
	struct bl_buf bundle;
	int rc = BL_EBUSY; /* no memory for a bundle: tried again */

	bl_buf_init(&bundle, BL_BATCH_WIRE_MAX);
	if ((msg = message_of(d, e, &bundle)) != NULL)
		rc = d->out.publish(d->out.ctx, topic, msg, e->token);
	if (rc == BL_EBUSY || rc == BL_ENET) {
		uplink_busy(d->uplink, e->slot); /* not up: the loss is about to be told */
	} else {
		if (rc < 0)
			uplink_unsendable(d->uplink, e->slot);
		else
			tell_sent(d, e, msg->len);
		/* It was copied; after a loss the spool has the original. */
		bl_buf_free(&d->kept[e->slot].msg);
		for (unsigned i = 0; i < e->n_more; i++)
			bl_buf_free(&d->kept[e->more[i]].msg);
	}
	bl_buf_free(&bundle);
}

static void
do_offer(struct delivery *d, const struct uplink_offer *o)
{
	struct spool_want want = { .live = o->live,
		.metered = o->metered,
		.frame_bytes = o->room.frame_bytes,
		.past_bytes = o->past_bytes,
		.dict_known = o->dict_known,
		.clock_known = o->clock_known,
		.max_packet = o->max_packet,
		.max_frames = o->max_frames };
	struct uplink_effects fx = { 0 };

	memcpy(want.live_room, o->room.live, sizeof(want.live_room));
	memcpy(want.past_room, o->room.past, sizeof(want.past_room));
	if (spool_thread_offer(d->spool, &want) == BL_OK)
		return;
	/* Its queue is full: as if it had nothing; the next cut or receipt asks again. */
	uplink_frames(d->uplink, bl_mono_ms(d->clock), NULL, 0, NULL, &fx);
	delivery_run(d, &fx, NULL, NULL);
}

/* Without room or memory for it nobody works it in: hello is said again, rather than waiting. */
static void
take_answer(struct delivery *d, const struct bl_receipt *receipt)
{
	const struct uplink_outcome nothing = { .taken = false, .r = receipt };
	struct uplink_effects fx = { 0 };

	if (spool_thread_answer(d->spool, receipt) == BL_OK)
		return;
	uplink_answered(d->uplink, bl_mono_ms(d->clock), &nothing, &fx);
	delivery_run(d, &fx, NULL, NULL);
}

static void
do_effect(struct delivery *d, const struct uplink_effect *e, const struct bl_receipt *receipt,
    const struct bl_question *question)
{
	switch (e->type) {
	case UPLINK_SEND_HELLO:
		d->hello_nonce = e->nonce;
		d->hello_wanted = true;
		(void)spool_thread_hello(d->spool); /* full: said again in 10 s */
		break;
	case UPLINK_TAKE_ANSWER:
		take_answer(d, receipt);
		break;
	case UPLINK_TAKE_RECEIPT:
		(void)spool_thread_receipt(d->spool, receipt);
		break;
	case UPLINK_TAKE_QUESTION:
		(void)spool_thread_question(d->spool, question);
		break;
	case UPLINK_ASK_OFFER:
		do_offer(d, &e->offer);
		break;
	case UPLINK_PUBLISH:
		do_publish(d, e);
		break;
	case UPLINK_FORGET:
		bl_buf_free(&d->kept[e->slot].msg);
		break;
	case UPLINK_CLEAR:
		(void)spool_thread_clear(d->spool, e->stream, e->seq);
		break;
	case UPLINK_DROP:
		d->out.drop(d->out.ctx, e->why);
		break;
	case UPLINK_TIME:
		d->out.time(d->out.ctx, e->server_unix_ms, e->rtt_ms);
		break;
	}
}

void
delivery_run(struct delivery *d, const struct uplink_effects *fx, const struct bl_receipt *receipt,
    const struct bl_question *question)
{
	for (unsigned i = 0; i < fx->n; i++)
		do_effect(d, &fx->e[i], receipt, question);
}

/* ---- from the connection ---- */

void
delivery_up(struct delivery *d, size_t max_message)
{
	struct uplink_effects fx = { 0 };

	d->up = true;
	(void)spool_thread_link_up(d->spool);
	uplink_link_up(d->uplink, bl_mono_ms(d->clock), max_message, &fx);
	delivery_run(d, &fx, NULL, NULL);
}

void
delivery_down(struct delivery *d)
{
	struct uplink_effects fx = { 0 };

	if (!d->up)
		return;
	d->up = false;
	(void)spool_thread_link_down(d->spool);
	uplink_link_down(d->uplink, bl_mono_ms(d->clock), &fx);
	delivery_run(d, &fx, NULL, NULL);
	forget_frames(d);
}

bool
delivery_is_up(const struct delivery *d)
{
	return d->up;
}

void
delivery_published(struct delivery *d, uint64_t token, int reason)
{
	struct uplink_effects fx = { 0 };

	uplink_puback(d->uplink, bl_mono_ms(d->clock), token, reason, &fx);
	delivery_run(d, &fx, NULL, NULL);
}

int
delivery_receipt(struct delivery *d, const void *msg, size_t len, struct bl_err *err)
{
	struct uplink_effects fx = { 0 };
	struct bl_question q;
	struct bl_receipt r;
	int rc;

	if (bl_msg_type(msg, len) == BL_MSG_QUESTION) {
		if ((rc = bl_question_decode(msg, len, &q, err)) == BL_OK) {
			uplink_question(d->uplink, bl_mono_ms(d->clock), &q, &fx);
			delivery_run(d, &fx, NULL, &q);
		}
	} else if ((rc = bl_receipt_decode(msg, len, &r, err)) == BL_OK) {
		if (r.is_answer)
			d->packs = r.takes >= BL_MSG_PACK;
		if (r.rival_known && d->out.rival != NULL)
			d->out.rival(d->out.ctx, r.rival);
		uplink_receipt(d->uplink, bl_mono_ms(d->clock), &r, &fx);
		delivery_run(d, &fx, &r, NULL);
	}
	return rc;
}

int
delivery_centre(
    struct delivery *d, const void *msg, size_t len, uint32_t *floor_ms, struct bl_err *err)
{
	struct uplink_effects fx = { 0 };
	struct bl_centre c;
	int rc;

	if ((rc = bl_centre_decode(msg, len, &c, err)) < 0)
		return rc;
	*floor_ms = uplink_floor_ms(&c);
	uplink_centre(d->uplink, bl_mono_ms(d->clock), &c, &fx);
	delivery_run(d, &fx, NULL, NULL);
	return BL_OK;
}

/* ---- time ---- */

int64_t
delivery_deadline(const struct delivery *d)
{
	return uplink_deadline(d->uplink);
}

void
delivery_tick(struct delivery *d)
{
	const int64_t now = bl_mono_ms(d->clock);
	struct uplink_effects fx = { 0 };

	if (uplink_deadline(d->uplink) > now)
		return;
	uplink_tick(d->uplink, now, &fx);
	delivery_run(d, &fx, NULL, NULL);
}

void
delivery_status(const struct delivery *d, struct uplink_status *out)
{
	uplink_status(d->uplink, out);
}
