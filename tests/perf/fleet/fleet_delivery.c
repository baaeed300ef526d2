/*
 * Joins the agent's own uplink and the spool in memory, as agent/src/delivery joins it
 * with the real one.
 */
#include "fleet_agent_internal.h"

#include <string.h>

#include "branchline/report.h"

#define REPORT_US (INT64_C(300) * 1000000) /* an agent's, on a link that is not metered */

static void
forget(struct fleet_agent *a, unsigned slot)
{
	bl_buf_free(&a->kept[slot].msg);
}

static void
say_hello(struct fleet_agent *a, int64_t now_us, uint32_t nonce)
{
	struct bl_hello h;
	struct bl_buf b;

	fleet_spool_hello(&a->spool, a->id->device, agent_boot_ms(a, now_us), &h);
	h.nonce = nonce;
	bl_buf_init(&b, BL_BATCH_WIRE_MAX);
	if (bl_hello_encode(&h, &b) == BL_OK &&
	    session_publish(a, FLEET_OUT_HELLO, BL_TOPIC_HELLO, &b, false, FLEET_TOKEN_NONE))
		uplink_hello_sent(a->uplink, now_us / 1000, nonce);
	bl_buf_free(&b);
}

static enum fleet_bytes
what_goes(const struct fleet_agent *a, const struct uplink_frame *f)
{
	unsigned per_tick;

	if (f->type != BL_MSG_BATCH)
		return FLEET_OUT_MAPS;
	(void)fleet_data_has(a->fleet->data, f->stream, &per_tick);
	return f->past ? FLEET_OUT_PAST : per_tick > 0 ? FLEET_OUT_DATA : FLEET_OUT_QUIET;
}

static struct fleet_frame *
frame_of(struct fleet_agent *a, const struct uplink_effect *e, unsigned i)
{
	return &a->kept[i == 0 ? e->slot : e->more[i - 1]];
}

/*
 * Each batch counts for what it is; what the message takes beside them, or spares, for data
 * if there are.
 */
static bool
publish_bundle(struct fleet_agent *a, const struct uplink_effect *e, enum bl_topic_kind topic)
{
	enum fleet_bytes what = what_goes(a, &frame_of(a, e, 0)->f);
	struct bl_bundle b = { .n = e->n_more + 1, .packed = a->packs && topic == BL_TOPIC_LIVE };
	struct bl_buf msg;
	bool went;

	for (unsigned i = 0; i < b.n; i++) {
		const struct fleet_frame *f = frame_of(a, e, i);

		b.batch[i] = (struct bl_bundle_batch){ f->msg.data, f->msg.len };
		if (what_goes(a, &f->f) == FLEET_OUT_DATA)
			what = FLEET_OUT_DATA;
	}
	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	went = bl_bundle_encode(&b, &msg) == BL_OK &&
	       session_publish(a, what, topic, &msg, false, e->token);
	bl_buf_free(&msg);
	for (unsigned i = 0; i < b.n && went; i++) {
		const struct fleet_frame *f = frame_of(a, e, i);

		a->fleet->bytes[what] -= f->msg.len;
		a->fleet->bytes[what_goes(a, &f->f)] += f->msg.len;
	}
	return went;
}

static void
publish(struct fleet_agent *a, const struct uplink_effect *e)
{
	const struct fleet_frame *f = frame_of(a, e, 0);
	const enum bl_topic_kind topic = f->f.past ? BL_TOPIC_PAST : BL_TOPIC_LIVE;
	const bool went = e->n_more > 0 ? publish_bundle(a, e, topic)
					: session_publish(a, what_goes(a, &f->f), topic, &f->msg,
					      false, e->token);

	if (!went) {
		uplink_busy(a->uplink, e->slot);
		return;
	}
	forget(a, e->slot);
	for (unsigned i = 0; i < e->n_more; i++)
		forget(a, e->more[i]);
}

static void
answer_offer(struct fleet_agent *a, int64_t now_us, struct uplink_effects *fx)
{
	struct fleet_frame frames[FLEET_FRAMES_MAX];
	struct uplink_frame f[FLEET_FRAMES_MAX];
	unsigned slot[FLEET_FRAMES_MAX], n = 0;
	struct bl_err err = { 0 };

	a->asked = false;
	if (fleet_spool_offer(&a->spool, &a->offer, frames, &n, &err) < 0) {
		a->fleet->bad_messages++;
		(void)snprintf(a->fleet->why, sizeof(a->fleet->why), "%.190s", err.msg);
	}
	for (unsigned i = 0; i < n; i++)
		f[i] = frames[i].f;
	uplink_frames(a->uplink, now_us / 1000, f, n, slot, fx);
	for (unsigned i = 0; i < n; i++) {
		if (slot[i] == UPLINK_NO_SLOT) {
			bl_buf_free(&frames[i].msg);
			continue;
		}
		forget(a, slot[i]);
		a->kept[slot[i]] = frames[i];
	}
}

static void
take_receipt(
    struct fleet_agent *a, int64_t now_us, const struct bl_receipt *r, struct uplink_effects *fx)
{
	struct uplink_outcome o;

	fleet_spool_receipt(&a->spool, r, &o);
	if (r->is_answer)
		uplink_answered(a->uplink, now_us / 1000, &o, fx);
	else
		uplink_receipted(a->uplink, now_us / 1000, &o, fx);
}

static void
take_question(
    struct fleet_agent *a, int64_t now_us, const struct bl_question *q, struct uplink_effects *fx)
{
	struct uplink_outcome o;
	struct bl_gone gone;
	struct bl_buf b;

	fleet_spool_question(&a->spool, q, &gone, &o);
	bl_buf_init(&b, BL_BATCH_WIRE_MAX);
	if (gone.n > 0 && bl_gone_encode(&gone, &b) == BL_OK)
		(void)session_publish(
		    a, FLEET_OUT_HELLO, BL_TOPIC_HELLO, &b, false, FLEET_TOKEN_NONE);
	bl_buf_free(&b);
	uplink_questioned(a->uplink, now_us / 1000, &o, fx);
}

static void
effect(struct fleet_agent *a, int64_t now_us, const struct uplink_effect *e,
    const struct bl_receipt *r, const struct bl_question *q, struct uplink_effects *more)
{
	switch (e->type) {
	case UPLINK_SEND_HELLO:
		say_hello(a, now_us, e->nonce);
		break;
	case UPLINK_TAKE_ANSWER:
	case UPLINK_TAKE_RECEIPT:
		take_receipt(a, now_us, r, more);
		break;
	case UPLINK_TAKE_QUESTION:
		take_question(a, now_us, q, more);
		break;
	case UPLINK_ASK_OFFER:
		a->asked = true;
		a->offer = e->offer;
		break;
	case UPLINK_PUBLISH:
		publish(a, e);
		break;
	case UPLINK_FORGET:
		forget(a, e->slot);
		break;
	case UPLINK_CLEAR:
		fleet_spool_clear(&a->spool, e->stream, e->seq);
		if (e->stream != 0)
			a->fleet->duplicates_out++;
		break;
	case UPLINK_DROP:
		agent_lost(a, now_us, e->why);
		break;
	case UPLINK_TIME:
		break; /* its clock is right */
	}
}

/* Works effects off, and what they lead to, until the uplink wants nothing more. */
static void
run(struct fleet_agent *a, int64_t now_us, struct uplink_effects *fx, const struct bl_receipt *r,
    const struct bl_question *q)
{
	struct uplink_effects now = *fx, next;

	for (;;) {
		next.n = 0;
		for (unsigned i = 0; i < now.n && a->conn != NULL; i++)
			effect(a, now_us, &now.e[i], r, q, &next);
		if (next.n == 0 && a->asked && a->conn != NULL)
			answer_offer(a, now_us, &next);
		if (next.n == 0 || a->conn == NULL)
			break;
		now = next;
	}
}

/* ---- welcome ---- */

static void
said_welcome(struct fleet_agent *a, int64_t now_us)
{
	struct uplink_status st;
	struct bl_buf b;

	if (a->welcome && a->birth_said)
		return;
	uplink_status(a->uplink, &st);
	if (st.state != UPLINK_READY)
		return;
	if (!a->welcome) {
		a->welcome = true;
		a->fleet->ready++;
		a->report_us = now_us;
	}
	session_presence(a, true, a->spool.connections, &b);
	a->birth_said =
	    session_publish(a, FLEET_OUT_HELLO, BL_TOPIC_PRESENCE, &b, true, FLEET_TOKEN_NONE);
	bl_buf_free(&b);
}

static void
done(struct fleet_agent *a, int64_t now_us, struct uplink_effects *fx, const struct bl_receipt *r,
    const struct bl_question *q)
{
	run(a, now_us, fx, r, q);
	if (a->conn == NULL)
		return;
	said_welcome(a, now_us);
	session_flush(a, now_us);
}

/* ---- events ---- */

void
delivery_up(struct fleet_agent *a, int64_t now_us)
{
	struct uplink_effects fx = { 0 };

	fleet_spool_link_up(&a->spool);
	uplink_link_up(a->uplink, now_us / 1000, a->max_packet, &fx);
	done(a, now_us, &fx, NULL, NULL);
}

void
delivery_down(struct fleet_agent *a, int64_t now_us)
{
	struct uplink_effects fx = { 0 };

	uplink_link_down(a->uplink, now_us / 1000, &fx);
	fleet_spool_link_down(&a->spool);
	a->asked = false;
	for (unsigned i = 0; i < UPLINK_SLOTS; i++)
		forget(a, i);
}

void
delivery_puback(struct fleet_agent *a, int64_t now_us, uint64_t token, int reason)
{
	struct uplink_effects fx = { 0 };

	if (reason >= 0x80)
		a->fleet->refused++;
	if (token == FLEET_TOKEN_NONE)
		return;
	uplink_puback(a->uplink, now_us / 1000, token, reason, &fx);
	done(a, now_us, &fx, NULL, NULL);
}

static int
take_receipt_topic(struct fleet_agent *a, int64_t now_us, const struct fleet_packet *p)
{
	struct uplink_effects fx = { 0 };
	struct bl_err err = { 0 };
	struct bl_question q;
	struct bl_receipt r;
	int rc;

	if (bl_msg_type(p->payload, p->len) == BL_MSG_QUESTION) {
		if ((rc = bl_question_decode(p->payload, p->len, &q, &err)) < 0)
			return rc;
		uplink_question(a->uplink, now_us / 1000, &q, &fx);
		done(a, now_us, &fx, NULL, &q);
		return BL_OK;
	}
	if ((rc = bl_receipt_decode(p->payload, p->len, &r, &err)) < 0)
		return rc;
	if (r.is_answer)
		a->packs = r.takes >= BL_MSG_PACK;
	uplink_receipt(a->uplink, now_us / 1000, &r, &fx);
	done(a, now_us, &fx, &r, NULL);
	return BL_OK;
}

static int
take_centre(struct fleet_agent *a, int64_t now_us, const struct fleet_packet *p)
{
	struct uplink_effects fx = { 0 };
	struct bl_err err = { 0 };
	struct bl_centre c;
	int rc;

	if ((rc = bl_centre_decode(p->payload, p->len, &c, &err)) < 0)
		return rc;
	a->fleet->floor_ms = uplink_floor_ms(&c);
	uplink_centre(a->uplink, now_us / 1000, &c, &fx);
	done(a, now_us, &fx, NULL, NULL);
	return BL_OK;
}

void
delivery_message(
    struct fleet_agent *a, int64_t now_us, enum bl_topic_kind kind, const struct fleet_packet *p)
{
	int rc = BL_ECORRUPT;

	if (kind == BL_TOPIC_CENTRE)
		rc = take_centre(a, now_us, p);
	else if (kind == BL_TOPIC_RECEIPT && !p->retained)
		rc = take_receipt_topic(a, now_us, p);
	if (rc < 0)
		a->fleet->bad_messages++;
}

void
delivery_cut(struct fleet_agent *a, int64_t now_us)
{
	struct uplink_effects fx = { 0 };

	uplink_cut(a->uplink, now_us / 1000, &fx);
	if (a->conn != NULL)
		done(a, now_us, &fx, NULL, NULL);
}

void
delivery_tick(struct fleet_agent *a, int64_t now_us)
{
	struct uplink_effects fx = { 0 };

	if (uplink_deadline(a->uplink) > now_us / 1000)
		return;
	uplink_tick(a->uplink, now_us / 1000, &fx);
	if (a->conn != NULL)
		done(a, now_us, &fx, NULL, NULL);
}

/* What an agent says of itself after the welcome and every five minutes. */
void
delivery_report(struct fleet_agent *a, int64_t now_us)
{
	struct bl_report r = { .spool = a->spool.spool,
		.boot = a->spool.boot,
		.boot_ms = agent_boot_ms(a, now_us),
		.clock = { .has = true,
		    .source = BL_CLOCK_NTP,
		    .uncertainty_ms = 5,
		    .wall_usable = true },
		.link = { .has = true,
		    .local_address = "127.0.0.1",
		    .max_packet_bytes = a->max_packet,
		    .connections = a->spool.connections } };
	struct bl_buf b;

	for (unsigned i = 0; i < BL_STREAMS; i++)
		r.backlog[i].has = a->spool.stream[i].used;
	a->report_us = now_us + REPORT_US;
	bl_buf_init(&b, BL_REPORT_WIRE_MAX);
	if (bl_report_encode(&r, &b) == BL_OK)
		(void)session_publish(
		    a, FLEET_OUT_HELLO, BL_TOPIC_HELLO, &b, false, FLEET_TOKEN_NONE);
	bl_buf_free(&b);
	session_flush(a, now_us);
}
