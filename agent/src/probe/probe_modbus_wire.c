/*
 * Modbus/TCP: which registers are read together, the requests, the answers, and
 * values out of registers.  Pure.
 *
 * An answer is believed only when transaction, unit, function and the number of
 * bytes are those that the request asks for; its length alone says how long it is.
 */
#include "probe_modbus.h"

#include <math.h>
#include <string.h>

#define HEAD_BYTES 7u

static unsigned
u16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static void
put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* ---- what is read together ---- */

unsigned
probe_modbus_width(const struct probe_register_conf *reg)
{
	return !probe_modbus_is_bits((enum probe_modbus_table)reg->table) &&
		       reg->type >= PROBE_MODBUS_INT32
		   ? 2
		   : 1;
}

static bool
comes_before(const struct probe_register_conf *a, const struct probe_register_conf *b)
{
	return a->table != b->table ? a->table < b->table : a->address < b->address;
}

unsigned
probe_modbus_plan(const struct probe_register_conf *reg, unsigned n, unsigned at_once,
    unsigned *order, struct probe_modbus_group *out)
{
	unsigned groups = 0;

	for (unsigned i = 0; i < n; i++) { /* insertion: 64 at most, once */
		unsigned at = i;

		for (; at > 0 && comes_before(&reg[i], &reg[order[at - 1]]); at--)
			order[at] = order[at - 1];
		order[at] = i;
	}
	for (unsigned i = 0; i < n; i++) {
		const struct probe_register_conf *r = &reg[order[i]];
		const unsigned first = (unsigned)r->address;
		const unsigned end = first + probe_modbus_width(r);
		struct probe_modbus_group *g = groups > 0 ? &out[groups - 1] : NULL;
		const unsigned most =
		    at_once * (probe_modbus_is_bits((enum probe_modbus_table)r->table) ? 16 : 1);

		if (g != NULL && (int)g->table == r->table &&
		    first <= (unsigned)g->address + g->count && end - g->address <= most) {
			if (end - g->address > g->count)
				g->count = (uint16_t)(end - g->address);
			g->n++;
			continue;
		}
		out[groups++] = (struct probe_modbus_group){ (enum probe_modbus_table)r->table,
			(uint16_t)first, (uint16_t)(end - first), i, 1 };
	}
	return groups;
}

/* ---- requests and answers ---- */

static uint8_t
function_of(enum probe_modbus_table table)
{
	static const uint8_t code[] = { [PROBE_MODBUS_COIL] = 1,
		[PROBE_MODBUS_DISCRETE] = 2,
		[PROBE_MODBUS_HOLDING] = 3,
		[PROBE_MODBUS_INPUT] = 4 };

	return code[table];
}

void
probe_modbus_ask(uint8_t out[PROBE_MODBUS_ASK_BYTES], uint16_t transaction, uint8_t unit,
    const struct probe_modbus_group *g)
{
	put16(out, transaction);
	put16(out + 2, 0);
	put16(out + 4, 6);
	out[6] = unit;
	out[7] = function_of(g->table);
	put16(out + 8, g->address);
	put16(out + 10, g->count);
}

static enum probe_modbus_verdict
wrong(struct probe_modbus_answer *a, const char *why)
{
	a->error = why;
	return PROBE_MODBUS_WRONG;
}

enum probe_modbus_verdict
probe_modbus_read(const uint8_t *b, size_t len, uint16_t transaction, uint8_t unit,
    const struct probe_modbus_group *g, struct probe_modbus_answer *a)
{
	const uint8_t function = function_of(g->table);
	const size_t bytes =
	    probe_modbus_is_bits(g->table) ? (g->count + 7u) / 8u : 2u * (size_t)g->count;
	size_t length;

	memset(a, 0, sizeof(*a));
	if (len < HEAD_BYTES)
		return PROBE_MODBUS_MORE;
	if (u16(b + 2) != 0)
		return wrong(a, "the server does not speak Modbus");
	length = u16(b + 4); /* of what follows it: the unit is the first */
	if (length < 3 || length > PROBE_MODBUS_ANSWER_MAX - 6)
		return wrong(a, "the answer's length is out of bounds");
	if (u16(b) != transaction || b[6] != unit)
		return wrong(a, "the answer is to another request");
	if (len < 6 + length)
		return PROBE_MODBUS_MORE;
	if (b[7] == (function | 0x80)) {
		a->exception = b[8];
		return length == 3 ? PROBE_MODBUS_EXCEPTION
				   : wrong(a, "the answer's length is out of bounds");
	}
	if (b[7] != function)
		return wrong(a, "the answer is to another function");
	if (b[8] != bytes || length != 3 + bytes)
		return wrong(a, "the answer has another number of registers");
	a->data = b + 9;
	return PROBE_MODBUS_ANSWER;
}

/* ---- values ---- */

/* The four bytes of two registers, most significant first; order says how the device has them. */
static uint32_t
four_bytes(const uint8_t *p, enum probe_modbus_order order)
{
	static const uint8_t place[][4] = {
		[PROBE_MODBUS_ABCD] = { 0, 1, 2, 3 },
		[PROBE_MODBUS_CDAB] = { 2, 3, 0, 1 },
		[PROBE_MODBUS_BADC] = { 1, 0, 3, 2 },
		[PROBE_MODBUS_DCBA] = { 3, 2, 1, 0 },
	};
	uint32_t v = 0;

	for (unsigned i = 0; i < 4; i++)
		v = v << 8 | p[place[order][i]];
	return v;
}

/* Two bytes; the orders that swap within a register do so here, too. */
static uint16_t
two_bytes(const uint8_t *p, enum probe_modbus_order order)
{
	const bool swapped = order == PROBE_MODBUS_BADC || order == PROBE_MODBUS_DCBA;

	return (uint16_t)(swapped ? p[1] << 8 | p[0] : p[0] << 8 | p[1]);
}

static double
raw_value(const struct probe_register_conf *reg, const uint8_t *p)
{
	const enum probe_modbus_order order = (enum probe_modbus_order)reg->order;
	uint32_t bits;
	float f;

	switch ((enum probe_modbus_type)reg->type) {
	case PROBE_MODBUS_UINT16:
		return two_bytes(p, order);
	case PROBE_MODBUS_INT16:
		return (int16_t)two_bytes(p, order);
	case PROBE_MODBUS_INT32:
		return (int32_t)four_bytes(p, order);
	case PROBE_MODBUS_UINT32:
		return four_bytes(p, order);
	case PROBE_MODBUS_FLOAT32:
		bits = four_bytes(p, order);
		memcpy(&f, &bits, sizeof(f));
		return (double)f;
	}
	return NAN;
}

bool
probe_modbus_value(const struct probe_register_conf *reg, const struct probe_modbus_group *g,
    const uint8_t *data, double *v)
{
	const unsigned at = (unsigned)reg->address - g->address;

	if (probe_modbus_is_bits(g->table)) {
		*v = data[at / 8] >> at % 8 & 1;
		return true;
	}
	*v = raw_value(reg, data + 2 * (size_t)at) * reg->scale + reg->offset;
	return isfinite(*v);
}

/* ---- words ---- */

const char *
probe_modbus_exception_name(unsigned code)
{
	static const char *const name[] = { [1] = "illegal function",
		[2] = "illegal data address",
		[3] = "illegal data value",
		[4] = "device failure",
		[5] = "acknowledge",
		[6] = "device busy",
		[8] = "memory parity error",
		[10] = "gateway path unavailable",
		[11] = "gateway target does not respond" };

	return code < sizeof(name) / sizeof(name[0]) && name[code] != NULL ? name[code]
									   : "unknown code";
}

const char *
probe_modbus_table_name(enum probe_modbus_table table)
{
	static const char *const name[] = { [PROBE_MODBUS_COIL] = "coil",
		[PROBE_MODBUS_DISCRETE] = "discrete input",
		[PROBE_MODBUS_HOLDING] = "holding register",
		[PROBE_MODBUS_INPUT] = "input register" };

	return name[table];
}
