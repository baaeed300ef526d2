/*
 * One line of StatsD as its senders write it, pure:
 *
 *	NAME:VALUE[:VALUE ...]|TYPE[|@RATE][|#TAG:VALUE,TAG,...][|TUNIX SECONDS][|anything else]
 *
 * TYPE is c, g, ms, h, d or s; a time have c and g.  Sections behind the type that nobody needs
 * here (c: container, e: and card: of later versions) are passed over, as DogStatsD
 * asks of servers.
 */
#ifndef STATSD_LINE_H
#define STATSD_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "branchline/wire.h"

enum statsd_kind {
	STATSD_COUNTER,
	STATSD_DECREMENT, /* what counters were decremented by: not parsed, chosen by the sign */
	STATSD_GAUGE,
	STATSD_TIMER,     /* ms */
	STATSD_HISTOGRAM, /* h, d */
	STATSD_SET,
	STATSD_CHECK, /* service checks: not parsed here */
};

struct statsd_line {
	enum statsd_kind kind;
	struct bl_str name;
	struct bl_str values; /* of a set: one; else numbers with ':' between them */
	struct bl_str tags;   /* what follows the '#' */
	double rate;          /* 0 < rate <= 1 */
	int64_t at_unix_ms;   /* its own time; 0: it has none */
};

/* NULL: fine, out borrows p.  Else what was expected, for people; values are not looked at. */
const char *statsd_line_parse(const char *p, size_t len, struct statsd_line *out);

/* A decimal number, finite; all of p. */
bool statsd_number(const char *p, size_t len, double *out);

/* Takes what stands before the next sep (or all) off the front of rest; false: it is at its end. */
bool statsd_split(struct bl_str *rest, char sep, struct bl_str *piece);

#endif
