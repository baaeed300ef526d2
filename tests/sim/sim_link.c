/*
 * The way of a machine to the broker: a line of so many bytes a second, attempts that
 * shared/mqtt's back-off spreads, and a broker that shakes hands only so fast.
 *
 * What decides about it in the product (mqtt.c) has Paho and sockets in it; here stand its
 * few numbers anew, around the same mqtt_backoff_ms.
 */
#include "sim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mqtt_internal.h"

/* mqtt.c, agent_link.c */
#define BACKOFF_MIN_MS 1000
#define BACKOFF_MAX_MS 60000
#define STEADY_MS      30000
#define TAKEN_OVER_MS  300000
#define CONNACK_MS     10000

#define FRAME_BYTES 90 /* topic, MQTT, TLS, TCP and IP around a message */

int64_t
link_again_ms(struct sim *w, struct sim_way *way, bool taken_over)
{
	uint32_t floor_ms = way->floor_ms;

	if (way->up_at != 0 && w->now - way->up_at >= STEADY_MS)
		way->failures = 0;
	way->up_at = 0;
	if (taken_over && floor_ms < TAKEN_OVER_MS)
		floor_ms = TAKEN_OVER_MS;
	return mqtt_backoff_ms(
	    &w->clock, BACKOFF_MIN_MS, BACKOFF_MAX_MS, way->failures++, floor_ms);
}

/* The broker's processors do one handshake after the other; who waits too long gives up. */
int64_t
link_handshake_ms(struct sim *w, struct sim_way *way)
{
	struct sim_broker *b = &w->broker;
	int64_t begins_us = w->now * 1000;

	if (!b->up)
		return -1; /* refused at once, and not counted */
	way->attempts++;
	if (w->sc.handshakes == 0)
		return 1;
	if (begins_us < b->busy_until_us)
		begins_us = b->busy_until_us;
	b->busy_until_us = begins_us + 1000000 / w->sc.handshakes;
	return b->busy_until_us / 1000 - w->now < CONNACK_MS ? b->busy_until_us / 1000 - w->now + 1
							     : -1;
}

void
link_is_up(struct sim *w, struct sim_way *way)
{
	way->up_at = w->now;
	measure_back(w, way);
}

void
link_is_down(struct sim *w, struct sim_way *way)
{
	way->attempts = 0;
	way->down_at = w->now;
	way->line_free_at = 0;
}

/* When a message of so many bytes that is sent now has left the line. */
int64_t
link_line_ms(struct sim *w, struct sim_way *way, size_t bytes)
{
	int64_t begin = w->now;

	if (w->sc.bytes_per_s == 0)
		return 0;
	if (begin < way->line_free_at)
		begin = way->line_free_at;
	way->line_free_at =
	    begin + (int64_t)(bytes + FRAME_BYTES) * 1000 / (int64_t)w->sc.bytes_per_s;
	return way->line_free_at - w->now + w->sc.rtt_ms / 2;
}

/* ---- a crowd: agents that only connect and say hello ---- */

static void
crowd_name(unsigned i, char out[24])
{
	(void)snprintf(out, 24, "crowd-%u", i);
}

void
crowd_make(struct sim *w)
{
	w->crowd = calloc(w->sc.crowd + 1, sizeof(*w->crowd));
	assert(w->crowd != NULL);
	for (unsigned i = 0; i < w->sc.crowd; i++) {
		w->crowd[i].spool = bl_id_random(&w->clock);
		sim_at(
		    w, w->now + sim_between(w, 0, 10 * SIM_MINUTE), SIM_CROWD_CONNECT, i, 0, NULL);
	}
}

static void
say_hello(struct sim *w, unsigned i)
{
	struct bl_hello h = {
		.nonce = i + 1, .spool = w->crowd[i].spool, .boot = w->crowd[i].spool
	};
	char topic[BL_TOPIC_MAX], name[24];
	struct bl_buf b;

	crowd_name(i, name);
	(void)snprintf(h.device, sizeof(h.device), "%s", name);
	(void)snprintf(h.software, sizeof(h.software), "sim");
	for (unsigned k = 0; k < BL_STREAMS; k++)
		h.stream[k].next_seq = h.stream[k].lowest_held = 1;
	(void)bl_topic_format(topic, sizeof(topic), BL_TOPIC_HELLO, 1, name);
	bl_buf_init(&b, 4096);
	if (bl_hello_encode(&h, &b) < 0)
		sim_fail(w, "a hello of the crowd cannot be made");
	broker_crowd_publish(w, topic, b.data, b.len);
	bl_buf_free(&b);
}

void
crowd_connect(struct sim *w, unsigned i)
{
	struct sim_way *way = &w->crowd[i].way;
	const int64_t ms = way->up_at != 0 ? -1 : link_handshake_ms(w, way);

	if (way->up_at != 0)
		return;
	if (ms < 0)
		sim_at(w, w->now + link_again_ms(w, way, false), SIM_CROWD_CONNECT, i, 0, NULL);
	else
		sim_at(w, w->now + ms, SIM_CROWD_UP, i, w->broker.life, NULL);
}

void
crowd_up(struct sim *w, unsigned i, uint64_t broker_life)
{
	struct sim_way *way = &w->crowd[i].way;

	if (broker_life != w->broker.life || !w->broker.up) {
		sim_at(w, w->now + link_again_ms(w, way, false), SIM_CROWD_CONNECT, i, 0, NULL);
		return;
	}
	link_is_up(w, way);
	say_hello(w, i);
	crowd_centre(w, i);
}

/* What is retained on bl/1/centre, when it connects and when it is new. */
void
crowd_centre(struct sim *w, unsigned i)
{
	const struct bl_buf *b = &w->broker.retained;
	struct bl_err err = { 0 };
	struct bl_centre c;

	if (w->crowd[i].way.up_at != 0 && b->len > 0 &&
	    bl_centre_decode(b->data, b->len, &c, &err) == BL_OK)
		w->crowd[i].way.floor_ms = uplink_floor_ms(&c);
}

void
crowd_down(struct sim *w)
{
	for (unsigned i = 0; w->crowd != NULL && i < w->sc.crowd; i++) {
		struct sim_way *way = &w->crowd[i].way;

		if (way->up_at == 0)
			continue;
		link_is_down(w, way);
		sim_at(w, w->now + link_again_ms(w, way, false), SIM_CROWD_CONNECT, i, 0, NULL);
	}
}
