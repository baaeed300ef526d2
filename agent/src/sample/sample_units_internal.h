/*
 * What a unit of systemd is doing, asked over the system bus (D-Bus): the messages,
 * which are pure, and a connection that never waits.
 */
#ifndef SAMPLE_UNITS_INTERNAL_H
#define SAMPLE_UNITS_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/err.h"

/* As the series unit_state has it. */
enum unit_state {
	UNIT_STOPPED = 0,
	UNIT_ACTIVE = 1,
	UNIT_CHANGING = 2, /* starting, stopping */
	UNIT_FAILED = 3,
	UNIT_NOT_FOUND = 4,
	UNIT_UNUSABLE = 5, /* masked, or its file is wrong */
};

/* ---- messages (sample_units_wire.c); pure ---- */

#define UNITS_WIRE_HELLO 1u /* serial of the first call; those of questions follow */

/* Each appends to out, which is size large; false: no room, *len is as before. */
bool units_wire_auth(char *out, size_t size, size_t *len, unsigned uid);
bool units_wire_hello(char *out, size_t size, size_t *len);
/* ListUnitsByNames of n names. */
bool units_wire_ask(char *out, size_t size, size_t *len, uint32_t serial,
    const char *(*name)(const void *ctx, unsigned i), const void *ctx, unsigned n);

struct units_message {
	uint32_t reply_to; /* serial of the call that it answers; 0: none */
	bool is_error;
	const char *body;
	uint32_t body_len;
};

/*
 * The message at the beginning of buf: its length, 0 when it is not all there, BL_ECORRUPT when
 * it is none, or larger than max.  *m points into buf.
 */
int64_t units_wire_next(const char *buf, size_t len, size_t max, struct units_message *m);
/* The states of n units from the body of an answer.  False: it does not hold n of them. */
bool units_wire_states(const struct units_message *m, unsigned n, enum unit_state *state);
enum unit_state units_wire_state(const char *load, const char *active);

/* ---- the connection (sample_units_bus.c); loop thread ---- */

struct units_bus;

int units_bus_create(struct units_bus **out, const char *root, unsigned n, struct bl_err *err);
void units_bus_free(struct units_bus *b);
enum { UNITS_BUS_KNOWN = 0, UNITS_BUS_NOT_YET = 1 };
/*
 * Takes in what was answered to the question before, then asks again: so an answer is as
 * old as the time between two calls.  UNITS_BUS_KNOWN: state[n] is filled.  NOT_YET: asked, no
 * answer so far.  BL_ENOTFOUND: there is no bus.  Other codes: it failed, and is tried again.
 */
int units_bus_look(struct units_bus *b, const char *(*name)(const void *ctx, unsigned i),
    const void *ctx, enum unit_state *state, struct bl_err *err);

#endif
