/*
 * The kind "modbus": reads the registers of the configured map over Modbus/TCP,
 * neighbours together, one request after the other over one connection.
 *
 * A device that refuses some of them (an exception) is asked for the others all
 * the same; what was refused is unknown, and up is 0 with the first reason.  Each
 * request has `timeout`.  Nothing is ever written to a device.
 */
#include "probe_modbus.h"
#include "probe_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MODBUS_PORT 502

struct modbus {
	const struct probe_register_conf *reg;
	unsigned groups, at;  /* requests, and the one that is under way */
	uint16_t transaction; /* of it */
	size_t sent, len;
	unsigned refused, code, first_refused; /* groups; exception and group of the first */
	uint8_t buf[PROBE_MODBUS_ANSWER_MAX];
	unsigned order[PROBE_POINTS_MAX];
	struct probe_modbus_group group[PROBE_POINTS_MAX];
	struct probe_value point[PROBE_POINTS_MAX];
};

static int
modbus_init(struct probe_run *r, struct bl_err *err)
{
	const struct probe_conf *c = r->conf;
	const char *expected =
	    probe_host_set(&r->url, c->host, c->port != 0 ? (uint16_t)c->port : MODBUS_PORT);
	struct modbus *m;

	if (expected != NULL)
		return bl_fail(err, BL_EINVAL, "probe %s: host: expected %s", c->name, expected);
	if (c->modbus.registers.n < 1 || c->modbus.registers.n > PROBE_POINTS_MAX)
		return bl_fail(err, BL_EINVAL, "probe %s: modbus: 1 to %u registers are possible",
		    c->name, PROBE_POINTS_MAX);
	if ((m = r->kind = calloc(1, sizeof(*m))) == NULL)
		return bl_fail(err, BL_ENOMEM, "probe %s: out of memory", c->name);
	m->reg = c->modbus.registers.item;
	r->point = m->point;
	r->n_points = (unsigned)c->modbus.registers.n;
	m->groups =
	    probe_modbus_plan(m->reg, r->n_points, (unsigned)c->modbus.at_once, m->order, m->group);
	return BL_OK;
}

static void
modbus_release(struct probe_run *r)
{
	free(r->kind);
	r->kind = NULL;
	r->point = NULL;
	r->n_points = 0;
}

static uint32_t
modbus_due(const struct probe_run *r, bool reused)
{
	return probe_run_due_way(r, reused) | probe_bit(PROBE_FIRST_BYTE_MS) |
	       probe_bit(PROBE_TOTAL_MS);
}

static void
ask_next(struct modbus *m)
{
	m->sent = m->len = 0;
	m->transaction++;
}

static void
modbus_begin(struct probe_run *r)
{
	struct modbus *m = r->kind;

	m->at = m->refused = 0;
	ask_next(m);
	probe_connect_begin(r);
}

/* ---- the end ---- */

static void
done(struct probe_run *r)
{
	const struct modbus *m = r->kind;
	const struct probe_modbus_group *g = &m->group[m->first_refused];

	probe_run_have(r, PROBE_TOTAL_MS, probe_run_ms_since(r->run_ns));
	probe_run_close(r);
	if (m->refused > 0)
		snprintf(r->result.detail, sizeof(r->result.detail),
		    "exception %u (%s) for %u %s%s from %u on; refused were %u of %u requests",
		    m->code, probe_modbus_exception_name(m->code), g->count,
		    probe_modbus_table_name(g->table), g->count > 1 ? "s" : "", g->address,
		    m->refused, m->groups);
	probe_run_done(r, m->refused > 0 ? PROBE_FAIL_ANSWER : PROBE_OK);
}

/* The group's values. */
static void
values_take(struct modbus *m, const uint8_t *data)
{
	const struct probe_modbus_group *g = &m->group[m->at];

	for (unsigned i = g->first; i < g->first + g->n; i++) {
		struct probe_value *p = &m->point[m->order[i]];

		p->got = probe_modbus_value(&m->reg[m->order[i]], g, data, &p->v) ? PROBE_HAVE
										  : PROBE_MISSING;
	}
}

/* ---- talking ---- */

/* False: the run has ended, or the socket takes no more now. */
static bool
say(struct probe_run *r)
{
	struct modbus *m = r->kind;
	uint8_t text[PROBE_MODBUS_ASK_BYTES];

	probe_modbus_ask(text, m->transaction, (uint8_t)r->conf->modbus.unit, &m->group[m->at]);
	while (m->sent < sizeof(text)) {
		const ssize_t n = send(r->fd, text + m->sent, sizeof(text) - m->sent, MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return false;
		if (n < 0) {
			probe_run_fail(r, PROBE_FAIL_PROTOCOL, "ask: %s", strerror(errno));
			return false;
		}
		m->sent += (size_t)n;
	}
	return true;
}

/* False: the run has ended, or nothing is there now. */
static bool
hear(struct probe_run *r)
{
	struct modbus *m = r->kind;
	const ssize_t n = recv(r->fd, m->buf + m->len, sizeof(m->buf) - m->len, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		probe_run_fail(r, PROBE_FAIL_PROTOCOL, "read the answer: %s",
		    n == 0 ? "the device closed the connection" : strerror(errno));
		return false;
	}
	if (r->phase == PHASE_FIRST_BYTE)
		probe_run_have(r, PROBE_FIRST_BYTE_MS, probe_run_ms_since(r->phase_ns));
	r->phase = PHASE_TRANSFER; /* its deadline stays the request's */
	m->len += (size_t)n;
	return true;
}

/* What is there of an answer.  True: it was whole and taken. */
static bool
answered(struct probe_run *r)
{
	struct modbus *m = r->kind;
	struct probe_modbus_answer a;

	switch (probe_modbus_read(
	    m->buf, m->len, m->transaction, (uint8_t)r->conf->modbus.unit, &m->group[m->at], &a)) {
	case PROBE_MODBUS_MORE:
		return false;
	case PROBE_MODBUS_WRONG:
		probe_run_fail(r, PROBE_FAIL_PROTOCOL, "%s", a.error);
		return false;
	case PROBE_MODBUS_EXCEPTION:
		if (m->refused++ == 0) {
			m->code = a.exception;
			m->first_refused = m->at;
		}
		break;
	case PROBE_MODBUS_ANSWER:
		values_take(m, a.data);
		break;
	}
	return true;
}

static void
modbus_talk(struct probe_run *r)
{
	struct modbus *m = r->kind;

	while (m->at < m->groups) {
		if (!say(r) || !hear(r))
			return;
		if (!answered(r)) {
			if (r->phase == PHASE_IDLE)
				return; /* it has failed */
			continue;
		}
		m->at++;
		ask_next(m);
		probe_run_phase(r, PHASE_TRANSFER);
	}
	done(r);
}

const struct probe_kind_ops probe_kind_modbus = {
	.name = "modbus",
	.init = modbus_init,
	.release = modbus_release,
	.due = modbus_due,
	.begin = modbus_begin,
	.talk = modbus_talk,
};
