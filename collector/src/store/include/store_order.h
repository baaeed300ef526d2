/*
 * The order of samples of one series: what readers give out, what the compactor writes into parts,
 * and which of two that are the same sample is left.  One for both, or what is packed would answer
 * otherwise than what is not.
 */
#ifndef STORE_ORDER_H
#define STORE_ORDER_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "branchline/batch.h"

struct store_order {
	int64_t unix_ms, boot_ms;
	const struct bl_id *boot; /* by its id, which every store shares */
	double value;
	uint8_t unknown;            /* enum bl_unknown */
	const struct bl_thin *thin; /* NULL: it stands for itself */
	/* of a thinned one: the known one before it, see chunk_thin */
	int64_t before_ms;
	double before;
};

static inline int
store_order_int(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static inline int
store_order_double(double a, double b)
{
	return (a > b) - (a < b);
}

static inline int
store_order_thin(const struct store_order *x, const struct store_order *y)
{
	int d;

	if ((d = store_order_int(x->thin->count, y->thin->count)) != 0 ||
	    (d = store_order_double(x->thin->min, y->thin->min)) != 0 ||
	    (d = store_order_double(x->thin->max, y->thin->max)) != 0 ||
	    (d = store_order_int(x->before_ms, y->before_ms)) != 0)
		return d;
	return store_order_double(x->before, y->before);
}

/* A known one first, one that is itself before one that stands for others. */
static inline int
store_order_value(const struct store_order *x, const struct store_order *y)
{
	int d;

	if (x->unknown != y->unknown)
		return x->unknown < y->unknown ? -1 : 1;
	if (x->unknown != BL_KNOWN)
		return 0;
	if ((x->thin != NULL) != (y->thin != NULL))
		return x->thin == NULL ? -1 : 1;
	if ((d = store_order_double(x->value, y->value)) != 0 || x->thin == NULL)
		return d;
	return store_order_thin(x, y);
}

static inline int
store_order_boot(const struct store_order *x, const struct store_order *y)
{
	return x->boot == y->boot ? 0 : memcmp(x->boot, y->boot, sizeof(*x->boot));
}

/* By time: as they are given out. */
static inline int
store_order_by_time(const struct store_order *x, const struct store_order *y)
{
	int d;

	if ((d = store_order_int(x->unix_ms, y->unix_ms)) != 0 ||
	    (d = store_order_boot(x, y)) != 0 || (d = store_order_int(x->boot_ms, y->boot_ms)) != 0)
		return d;
	return store_order_value(x, y);
}

/* By boot: those that are one sample lie side by side, and the first of them is left. */
static inline int
store_order_by_boot(const struct store_order *x, const struct store_order *y)
{
	int d;

	if ((d = store_order_boot(x, y)) != 0 ||
	    (d = store_order_int(x->boot_ms, y->boot_ms)) != 0 ||
	    (d = store_order_value(x, y)) != 0)
		return d;
	return store_order_int(x->unix_ms, y->unix_ms);
}

#endif
