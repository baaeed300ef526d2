/*
 * The broker and the ways to it.  It promises nothing but what a PUBACK says, "I
 * took it", and then may forget, double, delay and reorder whatever it took; when it
 * dies, everything in it is gone.  Clean start on both sides: what comes for
 * somebody who is not connected is dropped.  One connection a device id: a second
 * one ends the first.
 */
#include "sim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum wire_to { TO_BROKER, TO_CENTRE, TO_ACK, FROM_CENTRE, TO_MACHINE };

struct wire {
	enum wire_to to;
	unsigned machine;
	uint64_t connection;   /* of the machine, when it was sent */
	uint64_t broker, life; /* lives of broker and centre then */
	enum bl_topic_kind kind;
	uint64_t token;
	bool retained;
	char topic[BL_TOPIC_MAX];
	size_t len;
	uint8_t payload[];
};

static struct wire *
wire_new(struct sim *w, enum wire_to to, const void *payload, size_t len)
{
	struct wire *x = calloc(1, sizeof(*x) + len);

	assert(x != NULL);
	x->to = to;
	x->broker = w->broker.life;
	x->life = w->centre.life;
	x->len = len;
	if (len > 0)
		memcpy(x->payload, payload, len);
	return x;
}

static void
wire_send(struct sim *w, struct wire *x, int64_t in_ms)
{
	sim_at(w, w->now + in_ms, SIM_WIRE, 0, 0, x);
}

static struct wire *
wire_copy(struct sim *w, const struct wire *from, enum wire_to to)
{
	struct wire *x = wire_new(w, to, from->payload, from->len);

	x->machine = from->machine;
	x->connection = from->connection;
	x->kind = from->kind;
	x->token = from->token;
	x->retained = from->retained;
	memcpy(x->topic, from->topic, sizeof(x->topic));
	return x;
}

/* Milliseconds mostly; late ones some minutes, so that others overtake them. */
static int64_t
latency(struct sim *w)
{
	if (!w->settling && sim_chance(w, w->sc.late)) {
		w->acts[ACT_LATE]++;
		return sim_between(w, 1000, 5 * SIM_MINUTE);
	}
	return sim_between(w, 1, 60);
}

/* ---- connections ---- */

static void
connect_again(struct sim_machine *m, int64_t in_ms)
{
	if (m->w->sc.backoff)
		in_ms = link_again_ms(m->w, &m->way, false);
	sim_at(m->w, m->w->now + in_ms, SIM_CONNECT, m->no, m->life, NULL);
}

/* False: its process is gone, too. */
static bool
disconnect(struct sim_machine *m)
{
	if (!m->up)
		return false;
	sim_trace(m->w, "machine %u: down", m->no);
	m->up = false;
	m->unacked = 0;
	m->past_flight = 0;
	link_is_down(m->w, &m->way);
	if (!m->running)
		return false;
	machine_map_link_down(m);
	delivery_down(m->delivery);
	machine_after(m);
	return m->running;
}

void
broker_disconnect(struct sim_machine *m, int64_t again_in_ms)
{
	if (disconnect(m))
		connect_again(m, again_in_ms);
}

/* Two of one identity: the agent of the one that was thrown out waits. */
static void
throw_out(struct sim_machine *m)
{
	struct sim *w = m->w;
	int64_t wait = sim_between(w, 5 * SIM_MINUTE, 40 * SIM_MINUTE);

	w->acts[ACT_TAKEOVER]++;
	if (!disconnect(m))
		return;
	if (w->sc.backoff)
		wait = link_again_ms(w, &m->way, true);
	sim_at(w, w->now + wait, SIM_CONNECT, m->no, m->life, NULL);
}

static void
say_retained(struct sim_machine *m)
{
	struct sim *w = m->w;
	struct wire *x;

	if (w->broker.retained.len == 0)
		return;
	x = wire_new(w, TO_MACHINE, w->broker.retained.data, w->broker.retained.len);
	x->machine = m->no;
	x->connection = m->connection;
	x->kind = BL_TOPIC_CENTRE;
	x->retained = true;
	wire_send(w, x, latency(w));
}

static void
choose_packet(struct sim_machine *m)
{
	static const size_t most[] = { 0, 0, 6000, 20000, 64000 };

	m->max_message = 0;
	if (!m->w->sc.packets)
		return;
	m->max_message = most[sim_below(m->w, 5)];
	m->w->acts[ACT_SMALL] += m->max_message != 0 && m->max_message <= 20000;
}

static void
come_up(struct sim_machine *m)
{
	struct sim *w = m->w;

	for (unsigned i = 0; i < w->n_machines; i++) {
		struct sim_machine *o = &w->machine[i];

		if (o == m || !o->up || strcmp(o->device, m->device) != 0)
			continue;
		sim_trace(w, "machine %u takes over from %u", m->no, i);
		throw_out(o);
	}
	m->up = true;
	m->connection++;
	m->unacked = 0;
	link_is_up(w, &m->way);
	sim_trace(w, "machine %u: up", m->no);
	say_retained(m);
	choose_packet(m);
	delivery_up(m->delivery, m->max_message);
	machine_after(m);
}

void
broker_greeted(struct sim_machine *m)
{
	const bool same = m->greeting == m->w->broker.life && m->w->broker.up;

	m->greeting = 0;
	if (m->up)
		return;
	if (same && m->out_until <= m->w->now)
		come_up(m);
	else
		connect_again(m, 0);
}

static void
shake_hands(struct sim_machine *m)
{
	struct sim *w = m->w;
	const int64_t ms = link_handshake_ms(w, &m->way);

	if (ms < 0 || m->out_until > w->now) {
		connect_again(m, 0);
		return;
	}
	m->greeting = w->broker.life;
	sim_at(w, w->now + ms, SIM_UP, m->no, m->life, NULL);
}

void
broker_connect(struct sim_machine *m)
{
	struct sim *w = m->w;

	if (m->up || m->greeting != 0)
		return;
	if (w->sc.backoff) {
		shake_hands(m);
		return;
	}
	if (m->out_until > w->now) {
		connect_again(m, m->out_until - w->now + sim_between(w, 0, SIM_MINUTE));
		return;
	}
	if (!w->broker.up) {
		connect_again(m, sim_between(w, SIM_SECOND, 2 * SIM_MINUTE));
		return;
	}
	come_up(m);
}

void
broker_start(struct sim *w)
{
	w->broker.up = true;
	w->broker.up_since = w->now;
	w->broker.busy_until_us = 0;
	w->broker.life++;
	if (w->broker.retained.cap == 0)
		bl_buf_init(&w->broker.retained, 4096);
	bl_buf_reset(&w->broker.retained);
	sim_trace(w, "broker starts");
	if (w->centre.running)
		centre_wake(w, sim_between(w, 50, 2000));
}

void
broker_die(struct sim *w, int64_t out_ms)
{
	if (!w->broker.up)
		return;
	sim_trace(w, "broker dies");
	w->broker.up = false;
	w->broker.life++;
	w->centre.connected = false;
	w->measure.herd_at = w->now;
	crowd_down(w);
	for (unsigned i = 0; i < w->n_machines; i++)
		broker_disconnect(&w->machine[i], sim_between(w, SIM_SECOND, SIM_MINUTE));
	sim_at(w, w->now + out_ms, SIM_BROKER_START, 0, w->broker.life, NULL);
}

void
broker_centre_gone(struct sim *w)
{
	w->centre.connected = false;
}

void
broker_free(struct sim *w)
{
	bl_buf_free(&w->broker.retained);
}

/* ---- from a machine ---- */

int
broker_publish(
    struct sim_machine *m, enum bl_topic_kind kind, const struct bl_buf *msg, uint64_t token)
{
	struct sim *w = m->w;
	struct wire *x;

	if (!m->up)
		return BL_ENET;
	if (m->max_message != 0 && msg->len > m->max_message) {
		sim_fail(w, "machine %u: %zu bytes to a broker that takes %zu", m->no, msg->len,
		    m->max_message);
		return BL_EFULL;
	}
	if (m->unacked > 0 && (m->unacked >= 16 || sim_chance(w, 20)))
		return BL_EBUSY; /* the window; a PUBACK makes room */
	x = wire_new(w, TO_BROKER, msg->data, msg->len);
	x->machine = m->no;
	x->connection = m->connection;
	x->kind = kind;
	x->token = token;
	(void)bl_topic_format(x->topic, sizeof(x->topic), kind, 1, m->device);
	m->unacked++;
	measure_published(m, kind == BL_TOPIC_PAST, msg->len);
	wire_send(w, x, link_line_ms(w, &m->way, msg->len) + latency(w));
	return BL_OK;
}

static void
to_centre(struct sim *w, const struct wire *x)
{
	if (!w->centre.connected)
		return; /* nobody is subscribed */
	wire_send(w, wire_copy(w, x, TO_CENTRE),
	    !w->settling && x->kind != BL_TOPIC_HELLO && sim_chance(w, w->sc.late_batches)
		? sim_between(w, SIM_SECOND, 5 * SIM_MINUTE)
		: latency(w));
}

static void
at_broker(struct sim *w, const struct wire *x)
{
	const struct sim_machine *m = &w->machine[x->machine];

	if (m->connection != x->connection || !m->up) {
		/* It was on its way when the connection ended: either way; but not out of a slow
		 * line. */
		if (!w->settling && w->sc.bytes_per_s == 0 && sim_chance(w, 500))
			to_centre(w, x);
		return;
	}
	wire_send(w, wire_copy(w, x, TO_ACK), latency(w) + w->sc.rtt_ms / 2);
	if (!w->settling && sim_chance(w, w->sc.lose)) {
		w->acts[ACT_LOSE]++;
		sim_trace(w, "broker forgets a message of %u", x->machine);
		return;
	}
	to_centre(w, x);
	if (!w->settling && sim_chance(w, w->sc.twice)) {
		w->acts[ACT_TWICE]++;
		to_centre(w, x);
	}
}

static void
acked(struct sim *w, const struct wire *x)
{
	struct sim_machine *m = &w->machine[x->machine];

	if (!m->running || m->frozen || !m->up || m->connection != x->connection)
		return;
	if (m->unacked > 0)
		m->unacked--;
	measure_acked(m, x->kind == BL_TOPIC_PAST, x->len);
	delivery_published(m->delivery, x->token, 0);
	machine_after(m);
}

/* One of the crowd says something. */
void
broker_crowd_publish(struct sim *w, const char *topic, const void *payload, size_t len)
{
	struct wire *x = wire_new(w, TO_BROKER, payload, len);

	x->kind = BL_TOPIC_HELLO;
	(void)snprintf(x->topic, sizeof(x->topic), "%s", topic);
	to_centre(w, x);
	free(x);
}

/* ---- from the centre ---- */

bool
broker_centre_publish(
    struct sim *w, const char *topic, const void *payload, size_t len, bool retained)
{
	struct wire *x;

	if (!w->centre.connected || sim_chance(w, 5))
		return false;
	x = wire_new(w, FROM_CENTRE, payload, len);
	(void)snprintf(x->topic, sizeof(x->topic), "%s", topic);
	x->retained = retained;
	wire_send(w, x, latency(w));
	return true;
}

static void
to_machine(
    struct sim *w, const struct wire *x, const struct sim_machine *m, enum bl_topic_kind kind)
{
	struct wire *y = wire_copy(w, x, TO_MACHINE);

	y->machine = m->no;
	y->connection = m->connection;
	y->kind = kind;
	y->retained = false;
	wire_send(w, y, latency(w) + w->sc.rtt_ms / 2);
}

static void
from_centre(struct sim *w, const struct wire *x)
{
	struct bl_topic t;

	if (!bl_topic_parse(x->topic, strlen(x->topic), &t))
		return;
	if (x->retained) {
		bl_buf_reset(&w->broker.retained);
		bl_buf_bytes(&w->broker.retained, x->payload, x->len);
		for (unsigned i = 0; i < w->sc.crowd; i++)
			crowd_centre(w, i);
	}
	if (!w->settling && sim_chance(w, w->sc.lose))
		return;
	for (unsigned i = 0; i < w->n_machines; i++) {
		const struct sim_machine *m = &w->machine[i];

		if (!m->up || (t.kind == BL_TOPIC_RECEIPT && strcmp(t.device, m->device) != 0))
			continue;
		to_machine(w, x, m, t.kind);
		if (!w->settling && sim_chance(w, w->sc.twice))
			to_machine(w, x, m, t.kind);
	}
}

static void
at_machine(struct sim *w, const struct wire *x)
{
	struct sim_machine *m = &w->machine[x->machine];
	struct bl_err err = { 0 };
	uint32_t floor_ms;
	int rc;

	if (!m->running || m->frozen || !m->up || m->connection != x->connection)
		return;
	sim_trace_bytes(w, x->payload, x->len);
	if (x->kind == BL_TOPIC_CENTRE) {
		rc = delivery_centre(m->delivery, x->payload, x->len, &floor_ms, &err);
		if (rc == BL_OK)
			m->way.floor_ms = floor_ms;
	} else
		rc = delivery_receipt(m->delivery, x->payload, x->len, &err);
	if (rc < 0)
		sim_fail(w, "machine %u cannot read a message: %s", m->no, err.msg);
	machine_after(m);
}

void
broker_wire(struct sim *w, void *data)
{
	struct wire *x = data;

	/* What was in the broker, or on a way that ends there, dies with it. */
	if (x->broker == w->broker.life && w->broker.up) {
		switch (x->to) {
		case TO_BROKER:
			at_broker(w, x);
			break;
		case TO_CENTRE:
			if (x->life == w->centre.life && w->centre.connected)
				centre_arrived(w, x->topic, x->payload, x->len);
			break;
		case TO_ACK:
			acked(w, x);
			break;
		case FROM_CENTRE:
			from_centre(w, x);
			break;
		case TO_MACHINE:
			at_machine(w, x);
			break;
		}
	}
	free(x);
}
