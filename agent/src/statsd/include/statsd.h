/*
 * The StatsD inlet: what programs say with StatsD or DogStatsD clients, over UDP on
 * loopback and over Unix datagram sockets, becomes series of this machine.
 *
 * Nothing is answered (the protocol has no answers).  Counters, gauges, timers and
 * sets are kept in memory and put at every tick; events and the changes of
 * service checks are reports.  README.md says what becomes of what.
 */
#ifndef STATSD_H
#define STATSD_H

#include <stdint.h>

#include "branchline/conf.h"

#include "inlet_ops.h"

#define STATSD_SOCKETS    4u
#define STATSD_PACKET_MAX 8192u /* what is longer is cut: DogStatsD's clients send no more */

/* What a gauge with a sign means. */
enum statsd_signed { STATSD_SIGN_CHANGES, STATSD_SIGN_IS_VALUE };

struct statsd_conf {
	struct bl_conf_strlist listen; /* empty: switched off */
	char *mode;                    /* of Unix sockets, octal */
	char *group;                   /* of Unix sockets, or NULL */
	char *prefix;                  /* before each name, or NULL */
	int64_t max_series;
	int64_t hold_ms; /* a gauge stands for so long after it was sent */
	int sign;        /* enum statsd_signed */
	struct bl_conf_strlist drop_tags;
	int64_t receive_buffer_bytes;
};

extern const struct bl_conf_section statsd_conf_section;
extern const struct inlet_ops statsd_ops;

#endif
