/* See fleet_mqtt.h; MQTT Version 5.0, chapters 2 and 3. */
#include "fleet_mqtt.h"

#include <string.h>

#define PROP_RECEIVE_MAXIMUM 0x21
#define PROP_MAXIMUM_PACKET  0x27
#define MAX_PACKET_BYTES     (512u * 1024u) /* what an agent says that it takes */

/* ---- out ---- */

static void
put_u16(struct bl_buf *out, unsigned v)
{
	bl_buf_u8(out, (uint8_t)(v >> 8));
	bl_buf_u8(out, (uint8_t)v);
}

static void
put_text(struct bl_buf *out, const void *text, size_t len)
{
	put_u16(out, (unsigned)len);
	bl_buf_bytes(out, text, len);
}

/* Lengths are LEB128 like ours, but of four bytes at most. */
static void
put_head(struct bl_buf *out, unsigned first, size_t len)
{
	bl_buf_u8(out, (uint8_t)first);
	bl_buf_varint(out, len);
}

void
fleet_mqtt_connect(struct bl_buf *out, const struct fleet_connect *c)
{
	const size_t id = strlen(c->client_id), topic = strlen(c->will_topic);
	/* Protocol name to keep alive, properties; id; will. */
	const size_t len = 10 + 6 + 2 + id + 1 + 2 + topic + 2 + c->will_len;

	put_head(out, 0x10, len);
	put_text(out, "MQTT", 4);
	bl_buf_u8(out, 5);
	bl_buf_u8(out, 0x02 | 0x04 | 1 << 3 | 0x20); /* clean start; will: QoS 1, retained */
	put_u16(out, c->keepalive_s);
	bl_buf_u8(out, 5);
	bl_buf_u8(out, PROP_MAXIMUM_PACKET);
	put_u16(out, MAX_PACKET_BYTES >> 16);
	put_u16(out, MAX_PACKET_BYTES & 0xffff);
	put_text(out, c->client_id, id);
	bl_buf_u8(out, 0); /* no properties of the will */
	put_text(out, c->will_topic, topic);
	put_text(out, c->will, c->will_len);
}

void
fleet_mqtt_subscribe(
    struct bl_buf *out, uint16_t id, const char *const *topics, unsigned n, unsigned lossy)
{
	size_t len = 3;

	for (unsigned i = 0; i < n; i++)
		len += 3 + strlen(topics[i]);
	put_head(out, 0x82, len);
	put_u16(out, id);
	bl_buf_u8(out, 0);
	for (unsigned i = 0; i < n; i++) {
		put_text(out, topics[i], strlen(topics[i]));
		/* Retained as it was published. */
		bl_buf_u8(out, 1 << 3 | (i < lossy ? 0 : 1));
	}
}

void
fleet_mqtt_publish(struct bl_buf *out, uint16_t id, const char *topic, const void *payload,
    size_t len, bool retained)
{
	put_head(out, 0x32u | (retained ? 1 : 0), 2 + strlen(topic) + 2 + 1 + len);
	put_text(out, topic, strlen(topic));
	put_u16(out, id);
	bl_buf_u8(out, 0);
	bl_buf_bytes(out, payload, len);
}

void
fleet_mqtt_puback(struct bl_buf *out, uint16_t id)
{
	put_head(out, 0x40, 2);
	put_u16(out, id);
}

void
fleet_mqtt_ping(struct bl_buf *out)
{
	put_head(out, 0xc0, 0);
}

void
fleet_mqtt_bye(struct bl_buf *out)
{
	put_head(out, 0xe0, 0);
}

/* ---- in ---- */

static unsigned
get_u16(struct bl_rd *r)
{
	const unsigned high = bl_rd_u8(r);

	return high << 8 | bl_rd_u8(r);
}

/* Of the properties only what an agent goes by; the others are stepped over as a whole. */
static void
connack_properties(struct bl_rd *r, struct fleet_packet *p)
{
	const uint64_t len = bl_rd_varint_max(r, bl_rd_left(r));
	struct bl_rd props;

	bl_rd_init(&props, bl_rd_bytes(r, (size_t)len), (size_t)len);
	while (!props.failed && bl_rd_left(&props) > 0) {
		const uint8_t id = bl_rd_u8(&props);

		if (id == PROP_MAXIMUM_PACKET) {
			p->max_packet = get_u16(&props) << 16;
			p->max_packet |= get_u16(&props);
		} else if (id == PROP_RECEIVE_MAXIMUM || id == 0x22 || id == 0x13) {
			(void)get_u16(&props); /* topic aliases, keep alive of the server */
		} else if (id == 0x11) {
			(void)bl_rd_bytes(&props, 4); /* session expiry */
		} else if (id == 0x12 || id == 0x1f || id == 0x1a || id == 0x1c) {
			(void)bl_rd_bytes(&props, get_u16(&props)); /* texts */
		} else {
			(void)bl_rd_u8(&props); /* the rest is one byte each */
		}
	}
}

static void
get_publish(struct bl_rd *r, unsigned flags, struct fleet_packet *p)
{
	uint64_t properties;

	p->qos = flags >> 1 & 3;
	p->retained = (flags & 1) != 0;
	p->topic_len = get_u16(r);
	p->topic = (const char *)bl_rd_bytes(r, p->topic_len);
	if (p->qos > 0)
		p->id = (uint16_t)get_u16(r);
	properties = bl_rd_varint_max(r, bl_rd_left(r));
	(void)bl_rd_bytes(r, (size_t)properties);
	p->len = bl_rd_left(r);
	p->payload = bl_rd_bytes(r, p->len);
}

static void
get_suback(struct bl_rd *r, struct fleet_packet *p)
{
	uint64_t properties;

	p->id = (uint16_t)get_u16(r);
	properties = bl_rd_varint_max(r, bl_rd_left(r));
	(void)bl_rd_bytes(r, (size_t)properties);
	while (!r->failed && bl_rd_left(r) > 0) {
		const uint8_t reason = bl_rd_u8(r);

		if (reason > p->reason)
			p->reason = reason;
	}
}

static bool
get_packet(struct bl_rd *r, unsigned first, struct fleet_packet *p)
{
	switch (p->type = (enum fleet_packet_type)(first >> 4)) {
	case FLEET_CONNACK:
		(void)bl_rd_u8(r);
		p->reason = bl_rd_u8(r);
		connack_properties(r, p);
		break;
	case FLEET_PUBLISH:
		get_publish(r, first & 0xf, p);
		break;
	case FLEET_PUBACK:
		p->id = (uint16_t)get_u16(r);
		p->reason = bl_rd_left(r) > 0 ? bl_rd_u8(r) : 0;
		break;
	case FLEET_SUBACK:
		get_suback(r, p);
		break;
	case FLEET_DISCONNECT:
		p->reason = bl_rd_left(r) > 0 ? bl_rd_u8(r) : 0;
		break;
	case FLEET_PINGRESP:
		break;
	default:
		return false;
	}
	return !r->failed;
}

int64_t
fleet_mqtt_parse(const uint8_t *data, size_t len, size_t max, struct fleet_packet *p)
{
	size_t body = 0, at = 1;
	struct bl_rd r;

	memset(p, 0, sizeof(*p));
	for (unsigned shift = 0;; shift += 7, at++) {
		if (at >= len)
			return 0;
		if (shift > 21)
			return -1;
		body |= (size_t)(data[at] & 0x7f) << shift;
		if ((data[at] & 0x80) == 0)
			break;
	}
	at++;
	if (body > max)
		return -1;
	if (len - at < body)
		return 0;
	bl_rd_init(&r, data + at, body);
	return get_packet(&r, data[0], p) ? (int64_t)(at + body) : -1;
}
