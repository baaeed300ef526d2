/*
 * Requests and answers of Modbus/TCP (probe_modbus_wire.c); pure.
 *
 * Modbus Application Protocol 1.1b3 and Modbus Messaging on TCP/IP 1.0b: a header
 * of seven bytes (transaction, protocol 0, length, unit), then function 1 to 4 with
 * first address and count.
 */
#ifndef PROBE_MODBUS_H
#define PROBE_MODBUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probe.h"

#define PROBE_MODBUS_ASK_BYTES   12u
#define PROBE_MODBUS_ANSWER_MAX  260u /* with the header */
#define PROBE_MODBUS_AT_ONCE_MAX 125u /* registers in one request; coils: 16 times as many */

/* One request: neighbours of one table. */
struct probe_modbus_group {
	enum probe_modbus_table table;
	uint16_t address, count; /* in registers, or in coils */
	unsigned first, n;       /* which of the sorted ones it answers */
};

/*
 * Sorts n registers (order: their indices) and puts neighbours together, at most
 * at_once in a request; nothing that nobody asked for lies between them.  Returns how
 * many requests there are; out has room for n.
 */
unsigned probe_modbus_plan(const struct probe_register_conf *reg, unsigned n, unsigned at_once,
    unsigned *order, struct probe_modbus_group *out);

void probe_modbus_ask(uint8_t out[PROBE_MODBUS_ASK_BYTES], uint16_t transaction, uint8_t unit,
    const struct probe_modbus_group *g);

enum probe_modbus_verdict {
	PROBE_MODBUS_MORE,      /* wants more bytes */
	PROBE_MODBUS_ANSWER,    /* *data are the values */
	PROBE_MODBUS_EXCEPTION, /* the device refuses; *exception says why */
	PROBE_MODBUS_WRONG,     /* not this protocol, or not the answer to this; *error says what */
};

struct probe_modbus_answer {
	const uint8_t *data;
	unsigned exception;
	const char *error;
};

enum probe_modbus_verdict probe_modbus_read(const uint8_t *b, size_t len, uint16_t transaction,
    uint8_t unit, const struct probe_modbus_group *g, struct probe_modbus_answer *a);

/* The register's value, scaled, of an answer to its group.  False: not a number. */
bool probe_modbus_value(const struct probe_register_conf *reg, const struct probe_modbus_group *g,
    const uint8_t *data, double *v);

/* "illegal data address" ...; never NULL. */
const char *probe_modbus_exception_name(unsigned code);
/* "holding register" ... */
const char *probe_modbus_table_name(enum probe_modbus_table table);
/* How many registers (or coils) a value takes. */
unsigned probe_modbus_width(const struct probe_register_conf *reg);
static inline bool
probe_modbus_is_bits(enum probe_modbus_table table)
{
	return table == PROBE_MODBUS_COIL || table == PROBE_MODBUS_DISCRETE;
}

#endif
