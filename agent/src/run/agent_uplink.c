/*
 * What goes out: publishing for delivery, birth, last will; and what the agent itself
 * hears from its spool.  Decides nothing by itself.  What comes from MQTT is in agent_link.c.
 */
#include "agent_link_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/message.h"

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

	delivery_status(a->delivery, &st);
	if (a->birth_sent || st.state != UPLINK_READY || a->mqtt == NULL)
		return;
	if (link_encode_presence(a, true, a->connections, &b) == BL_OK &&
	    link_publish(a, BL_TOPIC_PRESENCE, &b, true, DELIVERY_TOKEN_OTHER) == BL_OK)
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

/* ---- for delivery ---- */

static int
publish(void *ctx, enum bl_topic_kind kind, const struct bl_buf *msg, uint64_t token)
{
	return link_publish(ctx, kind, msg, false, token);
}

static void
drop(void *ctx, const char *why)
{
	bl_mqtt_drop(((struct agent *)ctx)->mqtt, why);
}

static void
centre_time(void *ctx, int64_t server_unix_ms, int64_t rtt_ms)
{
	agent_clock_centre(ctx, server_unix_ms, rtt_ms);
}

static void
rival(void *ctx, uint32_t returns)
{
	struct agent *a = ctx;
	unsigned swallowed;

	a->rival_returns = returns;
	if (a->mqtt != NULL)
		bl_mqtt_set_rival(a->mqtt, returns > 0);
	if (returns > 0 && bl_log_allow(&a->rival_log, bl_mono_ms(a->clock), 600000, &swallowed))
		bl_error("link",
		    "another machine uses this device's identity: has this one been copied? One of "
		    "them needs a set-up file of its own returns_in_the_last_hour=%u suppressed=%u",
		    returns, swallowed);
}

static void
on_hello(void *ctx, struct bl_hello *hello, uint64_t connections)
{
	struct agent *a = ctx;

	a->connections = connections;
	a->connections_known = true;
	set_will(a, connections + 1);
	if (a->mqtt == NULL && !a->stopping)
		a->mqtt_retry_mono_ms = bl_mono_ms(a->clock); /* it was waited for */
	memcpy(hello->config_hash, a->config->hash, sizeof(hello->config_hash));
}

static void
on_answered(void *ctx)
{
	struct agent *a = ctx;
	struct uplink_status st;

	delivery_status(a->delivery, &st);
	if (st.state == UPLINK_READY)
		agent_report_want(a);
	if (st.state == UPLINK_READY && !a->birth_sent)
		bl_info("link", "the collector answered; sending credit_bytes_per_s=%u",
		    st.credit_bytes_per_s);
	link_send_birth(a);
}

static void
on_sent(void *ctx, enum bl_stream stream, size_t bytes)
{
	agent_meter_sent(ctx, stream, bytes);
}

const struct delivery_out link_delivery_out = { .publish = publish,
	.drop = drop,
	.time = centre_time,
	.rival = rival,
	.hello = on_hello,
	.answered = on_answered,
	.sent = on_sent };

/* ---- from the spool ---- */

static void
on_status(void *ctx, uint64_t token, const struct spool_thread_status *st)
{
	struct agent *a = ctx;

	a->spool_status = *st;
	a->spool_status_known = true;
	if (st->spool_valid)
		agent_meter_restored(a, &st->spool.usage);
	if (token == AGENT_TOKEN_REPORT)
		agent_report_say(a, st);
	else if (token >= AGENT_TOKEN_LOCAL)
		agent_local_status(a, token, st);
	else if (token != AGENT_TOKEN_SELF)
		agent_control_status(a, token, st);
}

static void
on_event_done(void *ctx, uint64_t token, int rc)
{
	agent_inlets_done(ctx, token, rc); /* nobody else waits for an event */
}

void
agent_link_calls(struct agent *a, struct spool_calls *calls)
{
	struct spool_calls own = { .ctx = a, .event_done = on_event_done, .status = on_status };

	agent_disk_calls(&own);
	delivery_calls(a->delivery, &own, calls);
}
