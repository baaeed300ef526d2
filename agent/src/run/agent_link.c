/*
 * The connection: what MQTT says is handed to delivery, and its life from
 * the files of the identity to the goodbye.  Decides nothing by itself but when
 * a connection that could not even be made (bad files) is tried again.
 */
#include "agent_link_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/message.h"

#define FILES_RETRY_MS   60000
#define PACKET_OVERHEAD  256u /* topic, properties and headers of a PUBLISH, generously */
#define MAILBOX_MESSAGES 64u
#define MAILBOX_BYTES    (512u * 1024u)

/* ---- from MQTT ---- */

static void
on_up(void *ctx)
{
	struct agent *a = ctx;
	struct bl_mqtt_stats st;
	size_t packet = bl_mqtt_max_packet(a->mqtt);

	bl_mqtt_stats(a->mqtt, &st);
	bl_info("link",
	    "connected broker=%s:%lld transport=%s proxy=%s address=%s tls_resumed=%d "
	    "attempts=%" PRIu64,
	    a->config->v->broker.host, (long long)a->config->v->broker.port,
	    config_transports[a->config->v->broker.transport],
	    a->config->proxy_host != NULL ? a->config->proxy_host : "none",
	    bl_mqtt_link_report(a->mqtt)->peer, (int)bl_mqtt_link_report(a->mqtt)->resumed,
	    st.attempts);
	agent_clock_server_begins(a, bl_mqtt_link_report(a->mqtt)->server_not_before_unix_ms);
	a->link_up = true;
	a->birth_sent = false;
	a->down_why[0] = '\0';
	a->retry_at_mono_ms = -1;
	a->link_log = (struct bl_log_limit){ 0 };
	if (packet != 0)
		packet = packet > 2 * PACKET_OVERHEAD ? packet - PACKET_OVERHEAD : packet / 2;
	delivery_up(a->delivery, packet);
}

/*
 * The broker refused our certificate: `branchline-agent setup` may have put a
 * new one in place meanwhile.  What lies there is used from the next attempt;
 * files that are bad leave the old ones in force.
 */
static void
take_new_certificate(struct agent *a)
{
	struct bl_link_cfg link;
	struct bl_mqtt_stats st;
	struct bl_err err = { 0 };

	bl_mqtt_stats(a->mqtt, &st);
	if (st.fault != BL_FAULT_OWN_CERT)
		return;
	config_link(a->config, &link);
	if (bl_mqtt_reload(a->mqtt, &link, &err) < 0)
		bl_debug("link", "the certificate files cannot be used: %s", err.msg);
}

static void
on_down(void *ctx, const char *why, int64_t retry_ms)
{
	struct agent *a = ctx;
	const int64_t now = bl_mono_ms(a->clock);
	const bool news = a->link_up || strcmp(why, a->down_why) != 0;
	unsigned swallowed = 0;

	if (a->link_up || news || bl_log_allow(&a->link_log, now, 600000, &swallowed))
		bl_warn("link", "%s: %s%s retry_in_ms=%lld suppressed=%u",
		    a->link_up ? "connection lost" : "not connected", why,
		    retry_ms >= 0 ? "; will try again" : "", (long long)retry_ms, swallowed);
	if (news)
		a->link_log.next_mono_ms = now + 600000;
	(void)snprintf(a->down_why, sizeof(a->down_why), "%s", why);
	a->retry_at_mono_ms = retry_ms >= 0 ? now + retry_ms : -1;
	take_new_certificate(a);
	if (!a->link_up)
		return;
	a->link_up = false;
	a->birth_sent = false;
	agent_clock_link_down(a);
	delivery_down(a->delivery);
	agent_meter_down(a);
}

static void
on_published(void *ctx, uint64_t token, int reason)
{
	struct agent *a = ctx;
	unsigned swallowed;

	if (reason >= 0x80 && bl_log_allow(&a->bad_log, bl_mono_ms(a->clock), 600000, &swallowed))
		bl_warn("link",
		    "the broker refuses what this device publishes; are part and id those of its "
		    "certificate? reason=%d suppressed=%u",
		    reason, swallowed);
	if (token == LINK_TOKEN_GOODBYE)
		a->goodbye_done = true;
	delivery_published(a->delivery, token, reason);
	link_send_birth(a);
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
	struct bl_err err = { 0 };

	if (delivery_receipt(a->delivery, m->payload, m->len, &err) < 0)
		bad_message(a, m, err.msg);
}

static void
on_centre(struct agent *a, const struct bl_mqtt_msg *m)
{
	struct bl_err err = { 0 };
	uint32_t floor_ms;

	if (delivery_centre(a->delivery, m->payload, m->len, &floor_ms, &err) < 0)
		bad_message(a, m, err.msg);
	else
		agent_meter_floor(a, floor_ms);
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

/* ---- life ---- */

int
agent_link_init(struct agent *a, struct bl_err *err)
{
	static const enum bl_topic_kind kinds[] = { BL_TOPIC_HELLO, BL_TOPIC_LIVE, BL_TOPIC_PAST,
		BL_TOPIC_PRESENCE, BL_TOPIC_RECEIPT, BL_TOPIC_CENTRE };
	const struct config_device *d = &a->config->v->device;
	struct delivery_out out = link_delivery_out;
	uint64_t seed;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!bl_topic_format(a->topic[kinds[i]], BL_TOPIC_MAX, kinds[i], (unsigned)d->part,
			kinds[i] == BL_TOPIC_CENTRE ? NULL : d->id))
			return bl_fail(err, BL_EINVAL, "make topics for device %s, part %lld",
			    d->id, (long long)d->part);
	a->clock->random(a->clock->ctx, &seed, sizeof(seed));
	a->retry_at_mono_ms = -1;
	out.ctx = a;
	return delivery_create(&a->delivery, a->clock, seed, &out, err);
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
		.lossy = 1, /* without an answer or a receipt we say it again */
		.will_topic = a->topic[BL_TOPIC_PRESENCE],
		.keepalive_s = AGENT_KEEPALIVE_S,
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
	rc = link_encode_presence(a, false, a->connections + 1, &will);
	o.will = will.data;
	o.will_len = will.len;
	if (rc == BL_OK)
		rc = bl_mqtt_create(&a->mqtt, &o, a->clock, &handlers, a, err);
	bl_buf_free(&will);
	if (rc < 0)
		return rc;
	bl_mqtt_clock_untrusted(a->mqtt, agent_clock_untrusted(a));
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
	delivery_free(a->delivery);
	a->delivery = NULL;
}

int64_t
agent_link_deadline(const struct agent *a)
{
	int64_t at = delivery_deadline(a->delivery);
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

	if (a->mqtt == NULL && now >= a->mqtt_retry_mono_ms && !a->stopping)
		agent_link_open(a);
	if (a->mqtt != NULL)
		bl_mqtt_step(a->mqtt);
	delivery_tick(a->delivery);
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
	sent = link_encode_presence(a, false, a->connections, &b) == BL_OK &&
	       link_publish(a, BL_TOPIC_PRESENCE, &b, true, LINK_TOKEN_GOODBYE) == BL_OK;
	bl_buf_free(&b);
	return sent;
}

void
agent_link_report(const struct agent *a, struct bl_report_link *out)
{
	struct uplink_status st;

	delivery_status(a->delivery, &st);
	*out = (struct bl_report_link){ .has = true,
		.transport = a->config->v->broker.transport == CONFIG_WEBSOCKET
				 ? BL_TRANSPORT_WEBSOCKET
				 : BL_TRANSPORT_TCP,
		.via_proxy = a->config->proxy_host != NULL,
		.max_packet_bytes = a->mqtt != NULL ? bl_mqtt_max_packet(a->mqtt) : 0,
		.connections = a->connections,
		.rtt_ms = a->mqtt != NULL ? bl_mqtt_rtt_ms(a->mqtt) : 0,
		.rate_bytes_per_s = st.rate_bytes_per_s };
	if (a->mqtt != NULL)
		(void)snprintf(out->local_address, sizeof(out->local_address), "%s",
		    bl_mqtt_link_report(a->mqtt)->local);
}
