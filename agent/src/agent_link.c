/*
 * Between uplink, spool and MQTT: carries the uplink's effects out and turns
 * what comes back into its events.  Decides nothing by itself but when a
 * connection that could not even be made (bad files) is tried again.
 */
#include "agent_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/message.h"

#define TOKEN_OTHER      (UINT64_C(1) << 63) /* hello, gone: nobody waits for their PUBACK */
#define TOKEN_GOODBYE    (TOKEN_OTHER + 1)
#define FILES_RETRY_MS   60000
#define PACKET_OVERHEAD  256u /* topic, properties and headers of a PUBLISH, generously */
#define MAILBOX_MESSAGES 64u
#define MAILBOX_BYTES    (512u * 1024u)

static void run_effects(struct agent *a, const struct uplink_effects *fx,
    const struct bl_receipt *receipt, const struct bl_question *question);

static void
run(struct agent *a, const struct uplink_effects *fx)
{
	run_effects(a, fx, NULL, NULL);
}

/* ---- messages of ours ---- */

static int
publish(
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

static int
encode_presence(const struct agent *a, bool online, uint64_t connections, struct bl_buf *out)
{
	struct bl_presence p = { .online = online, .boot = a->boot, .connections = connections };

	(void)snprintf(p.software, sizeof(p.software), "%s", BL_VERSION);
	bl_buf_init(out, 1024);
	return bl_presence_encode(&p, out);
}

/* The birth, once a connection, when the centre has answered. */
static void
send_birth(struct agent *a)
{
	struct uplink_status st;
	struct bl_buf b;

	uplink_status(a->uplink, &st);
	if (a->birth_sent || st.state != UPLINK_READY || a->mqtt == NULL)
		return;
	if (encode_presence(a, true, a->connections, &b) == BL_OK &&
	    publish(a, BL_TOPIC_PRESENCE, &b, true, TOKEN_OTHER) == BL_OK)
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
	if (encode_presence(a, false, connections, &b) == BL_OK &&
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
	    publish(a, BL_TOPIC_HELLO, &b, false, TOKEN_OTHER) == BL_OK)
		uplink_hello_sent(a->uplink, bl_mono_ms(a->clock), h.nonce);
	bl_buf_free(&b);
}

/* ---- effects ---- */

static void
do_publish(struct agent *a, const struct uplink_effect *e)
{
	struct agent_frame *f = &a->kept[e->slot];
	const int rc =
	    publish(a, f->past ? BL_TOPIC_PAST : BL_TOPIC_LIVE, &f->msg, false, e->token);

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

static void
run_effects(struct agent *a, const struct uplink_effects *fx, const struct bl_receipt *receipt,
    const struct bl_question *question)
{
	for (unsigned i = 0; i < fx->n; i++)
		do_effect(a, &fx->e[i], receipt, question);
}

/* ---- from MQTT ---- */

static void
on_up(void *ctx)
{
	struct agent *a = ctx;
	struct uplink_effects fx = { 0 };
	struct bl_mqtt_stats st;
	size_t packet = bl_mqtt_max_packet(a->mqtt);

	bl_mqtt_stats(a->mqtt, &st);
	bl_info("link", "connected broker=%s:%lld address=%s tls_resumed=%d attempts=%" PRIu64,
	    a->config->v->broker.host, (long long)a->config->v->broker.port,
	    bl_mqtt_link_report(a->mqtt)->peer, (int)bl_mqtt_link_report(a->mqtt)->resumed,
	    st.attempts);
	a->link_up = true;
	a->birth_sent = false;
	a->down_why[0] = '\0';
	a->retry_at_mono_ms = -1;
	a->link_log = (struct bl_log_limit){ 0 };
	if (packet != 0)
		packet = packet > 2 * PACKET_OVERHEAD ? packet - PACKET_OVERHEAD : packet / 2;
	(void)spool_thread_link_up(a->spool);
	uplink_link_up(a->uplink, bl_mono_ms(a->clock), packet, &fx);
	run(a, &fx);
}

static void
on_down(void *ctx, const char *why, int64_t retry_ms)
{
	struct agent *a = ctx;
	const int64_t now = bl_mono_ms(a->clock);
	const bool news = a->link_up || strcmp(why, a->down_why) != 0;
	struct uplink_effects fx = { 0 };
	unsigned swallowed = 0;

	if (a->link_up || news || bl_log_allow(&a->link_log, now, 600000, &swallowed))
		bl_warn("link", "%s: %s%s retry_in_ms=%lld suppressed=%u",
		    a->link_up ? "connection lost" : "not connected", why,
		    retry_ms >= 0 ? "; will try again" : "", (long long)retry_ms, swallowed);
	if (news)
		a->link_log.next_mono_ms = now + 600000;
	(void)snprintf(a->down_why, sizeof(a->down_why), "%s", why);
	a->retry_at_mono_ms = retry_ms >= 0 ? now + retry_ms : -1;
	if (!a->link_up)
		return;
	a->link_up = false;
	a->birth_sent = false;
	(void)spool_thread_link_down(a->spool);
	uplink_link_down(a->uplink, now, &fx);
	run(a, &fx);
	for (unsigned i = 0; i < UPLINK_SLOTS; i++)
		bl_buf_free(&a->kept[i].msg);
}

static void
on_published(void *ctx, uint64_t token, int reason)
{
	struct agent *a = ctx;
	struct uplink_effects fx = { 0 };
	unsigned swallowed;

	if (reason >= 0x80 && bl_log_allow(&a->bad_log, bl_mono_ms(a->clock), 600000, &swallowed))
		bl_warn("link",
		    "the broker refuses what this device publishes; are part and id those of its "
		    "certificate? reason=%d suppressed=%u",
		    reason, swallowed);
	if (token == TOKEN_GOODBYE)
		a->goodbye_done = true;
	uplink_puback(a->uplink, bl_mono_ms(a->clock), token, reason, &fx);
	run(a, &fx);
	send_birth(a);
}

static void
bad_message(struct agent *a, const struct bl_mqtt_msg *m, const char *why)
{
	unsigned swallowed;

	a->bad_messages++;
	if (bl_log_allow(&a->bad_log, bl_mono_ms(a->clock), 600000, &swallowed))
		bl_warn("link", "a message is ignored: %s topic=%s bytes=%zu suppressed=%u", why,
		    m->topic, m->len, swallowed);
}

static void
on_receipt(struct agent *a, const struct bl_mqtt_msg *m)
{
	struct uplink_effects fx = { 0 };
	const int type = bl_msg_type(m->payload, m->len);
	struct bl_err err = { 0 };
	int rc;

	if (type == BL_MSG_QUESTION) {
		struct bl_question q;

		if ((rc = bl_question_decode(m->payload, m->len, &q, &err)) == BL_OK) {
			uplink_question(a->uplink, bl_mono_ms(a->clock), &q, &fx);
			run_effects(a, &fx, NULL, &q);
		}
	} else {
		struct bl_receipt r;

		if ((rc = bl_receipt_decode(m->payload, m->len, &r, &err)) == BL_OK) {
			uplink_receipt(a->uplink, bl_mono_ms(a->clock), &r, &fx);
			run_effects(a, &fx, &r, NULL);
		}
	}
	if (rc < 0)
		bad_message(a, m, err.msg);
}

static void
on_centre(struct agent *a, const struct bl_mqtt_msg *m)
{
	struct uplink_effects fx = { 0 };
	struct bl_err err = { 0 };
	struct bl_centre c;

	if (bl_centre_decode(m->payload, m->len, &c, &err) < 0) {
		bad_message(a, m, err.msg);
		return;
	}
	bl_mqtt_set_reconnect_floor(a->mqtt, c.reconnect_floor_ms);
	uplink_centre(a->uplink, bl_mono_ms(a->clock), &c, &fx);
	run(a, &fx);
}

static void
on_message(void *ctx, const struct bl_mqtt_msg *m)
{
	struct agent *a = ctx;
	struct bl_topic t;

	if (!bl_topic_parse(m->topic, strlen(m->topic), &t)) {
		bad_message(a, m, "not a topic of ours");
		return;
	}
	if (t.kind == BL_TOPIC_CENTRE)
		on_centre(a, m);
	else if (t.kind != BL_TOPIC_RECEIPT || strcmp(t.device, a->config->v->device.id) != 0)
		bad_message(a, m, "not addressed to this device");
	else if (m->retained)
		/* It would come again with every connection, long after it was true. */
		bad_message(a, m, "receipts are never retained");
	else
		on_receipt(a, m);
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
	else if (o->rc == SPOOL_ANSWER_ROLLED_BACK)
		bl_warn("link", "the collector knows more than this spool, which was set back to "
				"an older copy; a new spool id begins");
	send_birth(a);
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
			(void)publish(a, BL_TOPIC_HELLO, &b, false, TOKEN_OTHER);
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

void
agent_link_calls(struct agent *a, struct spool_calls *calls)
{
	*calls = (struct spool_calls){ .ctx = a,
		.hello = on_hello,
		.frames = on_frames,
		.answered = on_answered,
		.receipted = on_receipted,
		.questioned = on_questioned,
		.cut = on_cut,
		.status = on_status,
		.replaced = on_replaced };
}

/* ---- life ---- */

int
agent_link_init(struct agent *a, struct bl_err *err)
{
	static const enum bl_topic_kind kinds[] = { BL_TOPIC_HELLO, BL_TOPIC_LIVE, BL_TOPIC_PAST,
		BL_TOPIC_PRESENCE, BL_TOPIC_RECEIPT, BL_TOPIC_CENTRE };
	const struct config_device *d = &a->config->v->device;
	uint64_t seed;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!bl_topic_format(a->topic[kinds[i]], BL_TOPIC_MAX, kinds[i], (unsigned)d->part,
			kinds[i] == BL_TOPIC_CENTRE ? NULL : d->id))
			return bl_fail(err, BL_EINVAL, "make topics for device %s, part %lld",
			    d->id, (long long)d->part);
	a->clock->random(a->clock->ctx, &seed, sizeof(seed));
	a->retry_at_mono_ms = -1;
	if ((a->uplink = uplink_create(seed)) == NULL)
		return bl_fail(err, BL_ENOMEM, "start the uplink: out of memory");
	return BL_OK;
}

static int
make_connection(struct agent *a, struct bl_err *err)
{
	static const struct bl_mqtt_handlers handlers = {
		.up = on_up, .down = on_down, .message = on_message, .published = on_published
	};
	const char *const subscribe[] = { a->topic[BL_TOPIC_RECEIPT], a->topic[BL_TOPIC_CENTRE],
		NULL };
	struct bl_mqtt_opts o = { .client_id = a->config->v->device.id,
		.subscribe = subscribe,
		.will_topic = a->topic[BL_TOPIC_PRESENCE],
		.keepalive_s = 30,
		.backoff_min_ms = 1000,
		.backoff_max_ms = 60000,
		.puback_ms = 5000,
		.window = UPLINK_SLOTS,
		.window_bytes = UPLINK_WINDOW_BYTES,
		.mailbox = MAILBOX_MESSAGES,
		.mailbox_bytes = MAILBOX_BYTES };
	struct bl_buf will;
	int rc;

	config_link(a->config, &o.link);
	rc = encode_presence(a, false, a->connections + 1, &will);
	o.will = will.data;
	o.will_len = will.len;
	if (rc == BL_OK)
		rc = bl_mqtt_create(&a->mqtt, &o, a->clock, &handlers, a, err);
	bl_buf_free(&will);
	if (rc < 0)
		return rc;
	bl_mqtt_clock_untrusted(a->mqtt, !clockmap_trusted(&a->clockmap) || a->clock_floor_broken);
	if ((rc = agent_watch(a, bl_mqtt_fd(a->mqtt), err)) == BL_OK)
		rc = bl_mqtt_start(a->mqtt, err);
	if (rc < 0) {
		bl_mqtt_free(a->mqtt);
		a->mqtt = NULL;
	}
	return rc;
}

void
agent_link_open(struct agent *a)
{
	struct bl_err err = { 0 };
	unsigned swallowed;

	if (make_connection(a, &err) == BL_OK) {
		a->mqtt_problem[0] = '\0';
		return;
	}
	a->mqtt_retry_mono_ms = bl_mono_ms(a->clock) + FILES_RETRY_MS;
	if (strcmp(a->mqtt_problem, err.msg) != 0 ||
	    bl_log_allow(&a->link_log, bl_mono_ms(a->clock), 600000, &swallowed))
		bl_error("link", "no connection can be made, sampling goes on: %s retry_in_ms=%d",
		    err.msg, FILES_RETRY_MS);
	(void)snprintf(a->mqtt_problem, sizeof(a->mqtt_problem), "%s", err.msg);
}

void
agent_link_close(struct agent *a)
{
	if (a->mqtt != NULL) {
		bl_mqtt_free(a->mqtt);
		a->mqtt = NULL;
	}
	for (unsigned i = 0; i < UPLINK_SLOTS; i++)
		bl_buf_free(&a->kept[i].msg);
	uplink_free(a->uplink);
	a->uplink = NULL;
}

int64_t
agent_link_deadline(const struct agent *a)
{
	int64_t at = uplink_deadline(a->uplink);
	int wait;

	if (a->mqtt == NULL)
		return a->mqtt_retry_mono_ms < at ? a->mqtt_retry_mono_ms : at;
	wait = bl_mqtt_timeout_ms(a->mqtt);
	if (wait >= 0 && bl_mono_ms(a->clock) + wait < at)
		at = bl_mono_ms(a->clock) + wait;
	return at;
}

void
agent_link_tick(struct agent *a)
{
	const int64_t now = bl_mono_ms(a->clock);
	struct uplink_effects fx = { 0 };

	if (a->mqtt == NULL && now >= a->mqtt_retry_mono_ms && !a->stopping)
		agent_link_open(a);
	if (a->mqtt != NULL)
		bl_mqtt_step(a->mqtt);
	if (uplink_deadline(a->uplink) <= now) {
		uplink_tick(a->uplink, now, &fx);
		run(a, &fx);
	}
}

/*
 * A DISCONNECT takes the will back, so the end is said in words: presence
 * "offline".  true: it is under way, wait for goodbye_done.
 */
bool
agent_link_goodbye(struct agent *a)
{
	struct bl_buf b;
	bool sent;

	if (a->mqtt == NULL || !a->link_up || !a->birth_sent)
		return false;
	sent = encode_presence(a, false, a->connections, &b) == BL_OK &&
	       publish(a, BL_TOPIC_PRESENCE, &b, true, TOKEN_GOODBYE) == BL_OK;
	bl_buf_free(&b);
	return sent;
}
