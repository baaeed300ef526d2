/*
 * As much of MQTT 5 as a simulated agent needs: packets out as bytes, packets in
 * from bytes.  Pure; nothing is kept.  What goes out is what an agent's library
 * sends (clean start, will, maximum packet size, QoS 1), byte for byte as long.
 */
#ifndef FLEET_MQTT_H
#define FLEET_MQTT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/buf.h"

enum fleet_packet_type {
	FLEET_CONNACK = 2,
	FLEET_PUBLISH = 3,
	FLEET_PUBACK = 4,
	FLEET_SUBACK = 9,
	FLEET_PINGRESP = 13,
	FLEET_DISCONNECT = 14,
};

struct fleet_connect {
	const char *client_id;
	const char *will_topic;
	const void *will;
	size_t will_len;
	uint16_t keepalive_s;
};

/* All append to out; a failure is sticky there. */
void fleet_mqtt_connect(struct bl_buf *out, const struct fleet_connect *c);
/* The first `lossy` of the topics with QoS 0, the others with QoS 1. */
void fleet_mqtt_subscribe(
    struct bl_buf *out, uint16_t id, const char *const *topics, unsigned n, unsigned lossy);
void fleet_mqtt_publish(struct bl_buf *out, uint16_t id, const char *topic, const void *payload,
    size_t len, bool retained);
void fleet_mqtt_puback(struct bl_buf *out, uint16_t id);
void fleet_mqtt_ping(struct bl_buf *out);
void fleet_mqtt_bye(struct bl_buf *out);

/* A packet that came; pointers go into the bytes it was read from. */
struct fleet_packet {
	enum fleet_packet_type type;
	uint16_t id;         /* PUBLISH with QoS 1, PUBACK, SUBACK */
	uint8_t reason;      /* CONNACK, PUBACK, DISCONNECT; of SUBACK the worst */
	uint32_t max_packet; /* CONNACK; 0: not said */
	unsigned qos;
	bool retained;
	const char *topic; /* not terminated */
	size_t topic_len;
	const uint8_t *payload;
	size_t len;
};

/* How many bytes the packet took; 0: it is not all there yet; -1: not MQTT, or larger than max. */
int64_t fleet_mqtt_parse(const uint8_t *data, size_t len, size_t max, struct fleet_packet *p);

#endif
