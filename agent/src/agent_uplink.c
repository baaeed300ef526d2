/*
 * Between uplink and spool: carries the uplink's effects out and turns what the
 * spool thread says into its events.  Decides nothing by itself.  What comes
 * from MQTT is in agent_link.c.
 */
#include "agent_link_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/message.h"

static void
run(struct agent *a, const struct uplink_effects *fx)
{
	link_run_effects(a, fx, NULL, NULL);
}

/* ---- messages of ours ---- */

int
link_publish(
    struct agent *a, enum bl_topic_kind kind, const struct bl_buf *b, bool retained, uint64_t token)
{
	struct bl_err err = { 0 };
	const int rc =
	    bl_mqtt_publish(a->mqtt, a->topic[kind], b->data, b->len, retained, token, &err);
	unsigned swallowed;

	if (rc < 0 && rc != BL_EBUSY && rc != BL_ENET &&
	    bl_log_allow(&a->link_log, bl_mono_ms(a->clock), 60000, &swallowed))
		bl_warn(
		    "link", "publish on %s: %s suppressed=%u", a->topic[kind], err.msg, swallowed);
	return rc;
}

int
link_encode_presence(const struct agent *a, bool online, uint64_t connections, struct bl_buf *out)
{
	struct bl_presence p = { .online = online, .boot = a->boot, .connections = connections };

	(void)snprintf(p.software, sizeof(p.software), "%s", BL_VERSION);
	bl_buf_init(out, 1024);
	return bl_presence_encode(&p, out);
}

/* The birth, once a connection, when the centre has answered. */
void
link_send_birth(struct agent *a)
{
	struct uplink_status st;
	struct bl_buf b;

	uplink_status(a->uplink, &st);
	if (a->birth_sent || st.state != UPLINK_READY || a->mqtt == NULL)
		return;
	if (link_encode_presence(a, true, a->connections, &b) == BL_OK &&
	    link_publish(a, BL_TOPIC_PRESENCE, &b, true, LINK_TOKEN_OTHER) == BL_OK)
		a->birth_sent = true; /* busy: tried again with the next PUBACK or tick */
	bl_buf_free(&b);
}

/* What the broker says of us when this connection, counted so, is lost. */
static void
set_will(struct agent *a, uint64_t connections)
{
	struct bl_err err = { 0 };
	struct bl_buf b;

	if (a->mqtt == NULL)
		return;
	if (link_encode_presence(a, false, connections, &b) == BL_OK &&
	    bl_mqtt_set_will(a->mqtt, b.data, b.len, &err) < 0)
		bl_warn("link", "%s", err.msg);
	bl_buf_free(&b);
}

static void
send_hello(struct agent *a, const struct bl_hello *from)
{
	struct bl_hello h = *from;
	struct bl_buf b;

	h.nonce = a->hello_nonce;
	memcpy(h.config_hash, a->config->hash, sizeof(h.config_hash));
	bl_buf_init(&b, BL_BATCH_WIRE_MAX);
	if (bl_hello_encode(&h, &b) == BL_OK &&
	    link_publish(a, BL_TOPIC_HELLO, &b, false, LINK_TOKEN_OTHER) == BL_OK)
		uplink_hello_sent(a->uplink, bl_mono_ms(a->clock), h.nonce);
	bl_buf_free(&b);
}

/* ---- effects ---- */

static void
do_publish(struct agent *a, const struct uplink_effect *e)
{
	struct agent_frame *f = &a->kept[e->slot];
	const int rc =
	    link_publish(a, f->past ? BL_TOPIC_PAST : BL_TOPIC_LIVE, &f->msg, false, e->token);

	if (rc == BL_EBUSY || rc == BL_ENET) {
		uplink_busy(a->uplink, e->slot); /* not up: the loss is about to be told */
		return;
	}
	if (rc < 0)
		uplink_unsendable(a->uplink, e->slot);
	bl_buf_free(&f->msg); /* Paho has its copy; after a loss the spool has the original */
}

static void
do_offer(struct agent *a, const struct uplink_offer *o)
{
	const struct spool_want want = { .live = o->live,
		.past_bytes = o->past_bytes,
		.dict_known = o->dict_known,
		.clock_known = o->clock_known,
		.max_packet = o->max_packet,
		.max_frames = o->max_frames };
	struct uplink_effects fx = { 0 };

	if (spool_thread_offer(a->spool, &want) == BL_OK)
		return;
	/* Its queue is full: as if it had nothing; the next cut or receipt asks again. */
	uplink_frames(a->uplink, bl_mono_ms(a->clock), NULL, 0, NULL, &fx);
	run(a, &fx);
}

static void
do_effect(struct agent *a, const struct uplink_effect *e, const struct bl_receipt *receipt,
    const struct bl_question *question)
{
	switch (e->type) {
	case UPLINK_SEND_HELLO:
		a->hello_nonce = e->nonce;
		a->hello_wanted = true;
		(void)spool_thread_hello(a->spool); /* full: said again in 10 s */
		break;
	case UPLINK_TAKE_ANSWER:
		(void)spool_thread_answer(a->spool, receipt);
		break;
	case UPLINK_TAKE_RECEIPT:
		(void)spool_thread_receipt(a->spool, receipt);
		break;
	case UPLINK_TAKE_QUESTION:
		(void)spool_thread_question(a->spool, question);
		break;
	case UPLINK_ASK_OFFER:
		do_offer(a, &e->offer);
		break;
	case UPLINK_PUBLISH:
		do_publish(a, e);
		break;
	case UPLINK_FORGET:
		bl_buf_free(&a->kept[e->slot].msg);
		break;
	case UPLINK_CLEAR:
		(void)spool_thread_clear(a->spool, e->stream, e->seq);
		break;
	case UPLINK_DROP:
		bl_mqtt_drop(a->mqtt, e->why);
		break;
	case UPLINK_TIME:
		agent_clock_centre(a, e->server_unix_ms, e->rtt_ms);
		break;
	}
}

void
link_run_effects(struct agent *a, const struct uplink_effects *fx, const struct bl_receipt *receipt,
    const struct bl_question *question)
{
	for (unsigned i = 0; i < fx->n; i++)
		do_effect(a, &fx->e[i], receipt, question);
}

/* ---- from the spool ---- */

static void
on_hello(void *ctx, const struct bl_hello *hello, uint64_t connections)
{
	struct agent *a = ctx;

	a->connections = connections;
	a->connections_known = true;
	set_will(a, connections + 1);
	if (a->mqtt == NULL && !a->stopping)
		a->mqtt_retry_mono_ms = bl_mono_ms(a->clock); /* it was waited for */
	if (a->hello_wanted && a->link_up)
		send_hello(a, hello);
	a->hello_wanted = false;
}

/* The last entry of a dictionary or clock-map message: what the centre knows after it. */
static uint32_t
last_entry(const struct spool_frame *f)
{
	struct bl_clockmap_reader clock;
	struct bl_dict_reader dict;
	struct bl_err err = { 0 };
	struct bl_buf raw;
	uint32_t last = 0;

	if (f->type == BL_MSG_CLOCK &&
	    bl_clockmap_decode(f->msg.data, f->msg.len, &clock, &err) == BL_OK && clock.n > 0)
		last = clock.first + clock.n - 1;
	if (f->type == BL_MSG_DICT) {
		bl_buf_init(&raw, BL_BATCH_RAW_MAX);
		if (bl_dict_decode(f->msg.data, f->msg.len, &dict, &raw, &err) == BL_OK &&
		    dict.n > 0)
			last = dict.first + dict.n - 1;
		bl_buf_free(&raw);
	}
	return last;
}

static void
on_frames(void *ctx, struct spool_frame *frames, unsigned n)
{
	struct agent *a = ctx;
	struct uplink_frame f[SPOOL_THREAD_FRAMES_MAX];
	unsigned slot[SPOOL_THREAD_FRAMES_MAX];
	struct uplink_effects fx = { 0 };

	for (unsigned i = 0; i < n; i++)
		f[i] = (struct uplink_frame){ .type = frames[i].type,
			.stream = frames[i].stream,
			.seq = frames[i].seq,
			.upto = last_entry(&frames[i]),
			.past = frames[i].past,
			.bytes = frames[i].msg.len };
	uplink_frames(a->uplink, bl_mono_ms(a->clock), f, n, slot, &fx);
	for (unsigned i = 0; i < n; i++) {
		if (slot[i] == UPLINK_NO_SLOT) {
			bl_buf_free(&frames[i].msg);
			continue;
		}
		bl_buf_free(&a->kept[slot[i]].msg); /* empty already */
		a->kept[slot[i]].msg = frames[i].msg;
		a->kept[slot[i]].past = frames[i].past;
		memset(&frames[i].msg, 0, sizeof(frames[i].msg));
	}
	run(a, &fx);
}

static struct uplink_outcome
outcome(const struct spool_outcome *o)
{
	return (struct uplink_outcome){ .taken = o->rc == SPOOL_ANSWER_OK,
		.say_hello = o->say_hello || o->rc == SPOOL_ANSWER_ROLLED_BACK,
		.more = o->more,
		.r = &o->r };
}

static void
on_answered(void *ctx, const struct spool_outcome *o)
{
	struct agent *a = ctx;
	const struct uplink_outcome u = outcome(o);
	struct uplink_effects fx = { 0 };
	struct uplink_status st;

	uplink_answered(a->uplink, bl_mono_ms(a->clock), &u, &fx);
	run(a, &fx);
	uplink_status(a->uplink, &st);
	if (st.state == UPLINK_READY && !a->birth_sent)
		bl_info("link", "the collector answered; sending credit_bytes_per_s=%u",
		    st.credit_bytes_per_s);
	link_send_birth(a);
}

static void
on_receipted(void *ctx, const struct spool_outcome *o)
{
	struct agent *a = ctx;
	const struct uplink_outcome u = outcome(o);
	struct uplink_effects fx = { 0 };

	uplink_receipted(a->uplink, bl_mono_ms(a->clock), &u, &fx);
	run(a, &fx);
}

static void
on_questioned(void *ctx, const struct spool_outcome *o, const struct bl_gone *gone)
{
	struct agent *a = ctx;
	struct uplink_outcome u = outcome(o);
	struct uplink_effects fx = { 0 };
	struct bl_buf b;

	u.r = NULL;
	if (gone->n > 0 && a->link_up) {
		bl_buf_init(&b, BL_BATCH_WIRE_MAX);
		/* Busy or lost: the centre asks again. */
		if (bl_gone_encode(gone, &b) == BL_OK)
			(void)link_publish(a, BL_TOPIC_HELLO, &b, false, LINK_TOKEN_OTHER);
		bl_buf_free(&b);
	}
	uplink_questioned(a->uplink, bl_mono_ms(a->clock), &u, &fx);
	run(a, &fx);
}

static void
on_cut(void *ctx, unsigned batches)
{
	struct agent *a = ctx;
	struct uplink_effects fx = { 0 };

	(void)batches;
	uplink_cut(a->uplink, bl_mono_ms(a->clock), &fx);
	run(a, &fx);
}

static void
on_status(void *ctx, uint64_t token, const struct spool_thread_status *st)
{
	struct agent *a = ctx;

	a->spool_status = *st;
	a->spool_status_known = true;
	if (token != AGENT_TOKEN_SELF)
		agent_control_status(a, token, st);
}

static void
on_replaced(void *ctx)
{
	struct agent *a = ctx;
	struct uplink_effects fx = { 0 };

	uplink_replaced(a->uplink, bl_mono_ms(a->clock), &fx);
	run(a, &fx);
}

static void
on_event_done(void *ctx, uint64_t token, int rc)
{
	agent_steps_done(ctx, token, rc); /* nobody else waits for an event */
}

void
agent_link_calls(struct agent *a, struct spool_calls *calls)
{
	*calls = (struct spool_calls){ .ctx = a,
		.event_done = on_event_done,
		.hello = on_hello,
		.frames = on_frames,
		.answered = on_answered,
		.receipted = on_receipted,
		.questioned = on_questioned,
		.cut = on_cut,
		.status = on_status,
		.replaced = on_replaced };
}
