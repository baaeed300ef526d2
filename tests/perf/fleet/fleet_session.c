/* The MQTT session of a simulated agent: who is connected, what waits for a PUBACK. */
#include "fleet_agent_internal.h"

#include <string.h>

#define PACKET_MAX      (512u * 1024u)
#define PACKET_OVERHEAD 256u /* topic and headers of a PUBLISH, generously */
#define SUBSCRIBE_ID    1u

static bool
topic_of(const struct fleet_agent *a, enum bl_topic_kind kind, char out[BL_TOPIC_MAX])
{
	return bl_topic_format(
	    out, BL_TOPIC_MAX, kind, a->id->part, kind == BL_TOPIC_CENTRE ? NULL : a->id->device);
}

void
session_presence(struct fleet_agent *a, bool online, uint64_t connections, struct bl_buf *out)
{
	struct bl_presence p = { .online = online,
		.boot = a->spool.boot,
		.connections = connections,
		.software = "fleet" };

	bl_buf_init(out, 1024);
	(void)bl_presence_encode(&p, out);
}

void
session_flush(struct fleet_agent *a, int64_t now_us)
{
	if (a->conn == NULL || a->conn->out.len == 0)
		return;
	a->said_us = now_us;
	if (!fleet_conn_flush(a->conn, a))
		agent_lost(a, now_us, a->conn->why);
}

void
session_connect(struct fleet_agent *a, int64_t now_us)
{
	char topic[BL_TOPIC_MAX];
	struct fleet_connect c = {
		.client_id = a->id->device, .will_topic = topic, .keepalive_s = FLEET_KEEPALIVE_S
	};
	struct bl_buf will;

	a->stage = FLEET_CONNECTING;
	(void)topic_of(a, BL_TOPIC_PRESENCE, topic);
	session_presence(a, false, a->spool.connections + 1, &will);
	c.will = will.data;
	c.will_len = will.len;
	fleet_mqtt_connect(&a->conn->out, &c);
	bl_buf_free(&will);
	session_flush(a, now_us);
}

static void
subscribe(struct fleet_agent *a, int64_t now_us)
{
	char receipt[BL_TOPIC_MAX], centre[BL_TOPIC_MAX];
	const char *const topics[] = { receipt, centre };

	a->stage = FLEET_SUBSCRIBING;
	a->packet_id = SUBSCRIBE_ID;
	(void)topic_of(a, BL_TOPIC_RECEIPT, receipt);
	(void)topic_of(a, BL_TOPIC_CENTRE, centre);
	fleet_mqtt_subscribe(&a->conn->out, SUBSCRIBE_ID, topics, 2, 1);
	session_flush(a, now_us);
}

bool
session_publish(struct fleet_agent *a, enum fleet_bytes what, enum bl_topic_kind kind,
    const struct bl_buf *msg, bool retained, uint64_t token)
{
	char topic[BL_TOPIC_MAX];
	size_t before;
	unsigned i = 0;

	while (i < FLEET_SENT_MAX && a->sent[i].id != 0)
		i++;
	if (a->conn == NULL || i == FLEET_SENT_MAX || !topic_of(a, kind, topic))
		return false;
	if (++a->packet_id == 0)
		a->packet_id = 1;
	a->sent[i].id = a->packet_id;
	a->sent[i].token = token;
	before = a->conn->out.len;
	fleet_mqtt_publish(&a->conn->out, a->packet_id, topic, msg->data, msg->len, retained);
	a->fleet->bytes[what] += a->conn->out.len - before;
	return true;
}

static void
on_connack(struct fleet_agent *a, int64_t now_us, const struct fleet_packet *p)
{
	if (p->reason != 0) {
		agent_lost(a, now_us, "the broker refused CONNECT");
		return;
	}
	a->max_packet = p->max_packet;
	if (a->max_packet > 2 * PACKET_OVERHEAD)
		a->max_packet -= PACKET_OVERHEAD;
	subscribe(a, now_us);
}

static void
on_suback(struct fleet_agent *a, int64_t now_us, const struct fleet_packet *p)
{
	if (p->reason >= 0x80) {
		agent_lost(a, now_us, "the broker refused SUBSCRIBE");
		return;
	}
	a->stage = FLEET_UP;
	a->failures = 0;
	a->fleet->up++;
	a->fleet->dialling--;
	a->fleet->connects++;
	fleet_histogram_add(&a->fleet->handshake, now_us - a->dialled_us);
	delivery_up(a, now_us);
}

static void
on_puback(struct fleet_agent *a, int64_t now_us, const struct fleet_packet *p)
{
	for (unsigned i = 0; i < FLEET_SENT_MAX; i++) {
		if (a->sent[i].id != p->id || p->id == 0)
			continue;
		a->sent[i].id = 0;
		delivery_puback(a, now_us, a->sent[i].token, p->reason);
		return;
	}
}

static void
on_publish(struct fleet_agent *a, int64_t now_us, const struct fleet_packet *p)
{
	struct bl_topic t;

	if (p->qos > 0) {
		fleet_mqtt_puback(&a->conn->out, p->id);
		a->fleet->bytes[FLEET_OUT_PUBACK] += 4;
	}
	if (!bl_topic_parse(p->topic, p->topic_len, &t)) {
		a->fleet->bad_messages++;
		return;
	}
	delivery_message(a, now_us, t.kind, p);
}

static void
on_packet(struct fleet_agent *a, int64_t now_us, const struct fleet_packet *p)
{
	switch (p->type) {
	case FLEET_CONNACK:
		on_connack(a, now_us, p);
		break;
	case FLEET_SUBACK:
		on_suback(a, now_us, p);
		break;
	case FLEET_PUBACK:
		on_puback(a, now_us, p);
		break;
	case FLEET_PUBLISH:
		on_publish(a, now_us, p);
		break;
	case FLEET_DISCONNECT:
		agent_lost(a, now_us, "the broker disconnected");
		break;
	case FLEET_PINGRESP:
		break;
	}
}

static enum fleet_bytes
what_came(const struct fleet_packet *p)
{
	if (p->type == FLEET_PUBLISH && !p->retained)
		return FLEET_IN_RECEIPT;
	return p->type == FLEET_PUBACK ? FLEET_IN_PUBACK : FLEET_IN_OTHER;
}

bool
session_take(struct fleet_agent *a, int64_t now_us)
{
	size_t at = 0;

	while (a->conn != NULL && at < a->conn->in.len) {
		struct fleet_packet p;
		const int64_t took =
		    fleet_mqtt_parse(a->conn->in.data + at, a->conn->in.len - at, PACKET_MAX, &p);

		if (took == 0)
			break;
		if (took < 0) {
			agent_lost(a, now_us, "what came is not MQTT");
			return false;
		}
		a->heard_us = now_us;
		a->pinged = false;
		a->fleet->bytes[what_came(&p)] += (uint64_t)took;
		on_packet(a, now_us, &p);
		at += (size_t)took;
	}
	if (a->conn == NULL)
		return false;
	if (at > 0)
		fleet_conn_took(a->conn, at);
	session_flush(a, now_us);
	return a->conn != NULL;
}
