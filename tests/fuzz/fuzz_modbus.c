/*
 * libFuzzer target: maps of registers and what a Modbus device answers to them.
 *
 * Bytes of the input: how many registers (1 to 16), at_once, then five of each
 * (table, two of address, type, order); the rest is the device's answer to each of
 * the requests.
 */
#include "fuzz.h"
#include "probe_modbus.h"

#include <math.h>

#define REGISTERS 16u

struct map {
	unsigned n, at_once, groups;
	struct probe_register_conf reg[REGISTERS];
	unsigned order[REGISTERS];
	struct probe_modbus_group group[REGISTERS];
};

/* How much of the input it took; 0: too little. */
static size_t
map_read(struct map *m, const uint8_t *b, size_t size)
{
	memset(m, 0, sizeof(*m));
	if (size < 2)
		return 0;
	m->n = 1 + b[0] % REGISTERS;
	m->at_once = 1 + b[1] % PROBE_MODBUS_AT_ONCE_MAX;
	if (size < 2 + 5 * (size_t)m->n)
		return 0;
	for (unsigned i = 0; i < m->n; i++) {
		const uint8_t *p = b + 2 + 5 * (size_t)i;
		struct probe_register_conf *r = &m->reg[i];

		r->table = p[0] % 4;
		r->type = p[3] % 5;
		r->order = p[4] % 4;
		r->scale = 1;
		r->address = p[1] << 8 | p[2];
		if (r->address + probe_modbus_width(r) > 65536)
			r->address--; /* the configuration refuses it */
	}
	return 2 + 5 * (size_t)m->n;
}

/* Every register is in exactly one request, whole, and no request is longer than it may be. */
static void
plan(struct map *m)
{
	unsigned seen = 0;

	m->groups = probe_modbus_plan(m->reg, m->n, m->at_once, m->order, m->group);
	for (unsigned i = 0; i < m->groups; i++) {
		const struct probe_modbus_group *g = &m->group[i];
		const unsigned most = m->at_once * (probe_modbus_is_bits(g->table) ? 16 : 1);

		CHECK(g->first == seen && g->n > 0);
		CHECK(g->count <= most || g->count == 2);
		for (unsigned k = 0; k < g->n; k++) {
			const struct probe_register_conf *r = &m->reg[m->order[g->first + k]];

			CHECK(r->table == (int)g->table && r->address >= g->address);
			CHECK(
			    r->address + probe_modbus_width(r) <= (unsigned)g->address + g->count);
		}
		seen += g->n;
	}
	CHECK(seen == m->n);
}

static void
answer(const struct map *m, const struct probe_modbus_group *g, const uint8_t *b, size_t len)
{
	struct probe_modbus_answer a;
	const enum probe_modbus_verdict v = probe_modbus_read(b, len, 7, 1, g, &a);

	CHECK((v == PROBE_MODBUS_WRONG) == (a.error != NULL));
	CHECK(v != PROBE_MODBUS_MORE || len < PROBE_MODBUS_ANSWER_MAX);
	CHECK(probe_modbus_exception_name(a.exception) != NULL);
	if (v != PROBE_MODBUS_ANSWER)
		return;
	for (unsigned k = 0; k < g->n; k++) {
		double value;

		if (probe_modbus_value(&m->reg[m->order[g->first + k]], g, a.data, &value))
			CHECK(isfinite(value));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct map m;
	const size_t used = map_read(&m, data, size);
	uint8_t *exact;

	if (used == 0)
		return 0;
	plan(&m);
	exact = malloc(size - used + 1);
	CHECK(exact != NULL);
	memcpy(exact, data + used, size - used);
	for (unsigned i = 0; i < m.groups; i++)
		answer(&m, &m.group[i], exact, size - used);
	free(exact);
	return 0;
}
