/*
 * The data of every bench and of the fleet simulator: one agent's 100 series at 10 s that look
 * like servers, probes and process steps.  Of each 100: 12 CPU %, 3 load, 6 memory, 12 file
 * system, 10 disk and 16 network counters (half constant), 5 process, 20 probe with log-normal
 * latencies, 12 step durations and counts, 4 others.
 *
 * How noisy they are is calibrated: a plain columnar coder with zlib-6 (bench_codec's
 * `plain_zlib6`) makes 1.80 bytes of a sample in batches of 60 s and 1.08 in batches of 1 h.
 *
 * No globals: an agent is one struct, its data a function of (seed, agent) and of how often it
 * was asked.  About 10 ns a value; 1.2 KiB an agent.
 */
#ifndef MIX_H
#define MIX_H

#include <stdint.h>

#include "branchline/message.h"

#define MIX_SERIES 100u

struct mix {
	uint64_t rng;
	double state[MIX_SERIES];
	float rate[MIX_SERIES];
};

/* What series i is: the same for every agent.  All strings are static. */
struct mix_series {
	const char *group; /* measurement of its Influx line; series of a line are neighbours */
	const char *field;
	const char *metric; /* group_field */
	const char *unit;
	const char *label; /* NULL: none */
	const char *label_value;
	enum bl_series_kind kind;
	enum bl_stream stream; /* probes or host */
};

/* Agent number `agent` of the fleet that `seed` names, before its first tick. */
void mix_init(struct mix *m, uint64_t seed, uint32_t agent);
/* The next value of series i alone; a tick asks each series once, in ascending order. */
double mix_next(struct mix *m, unsigned i);
/* The next tick of all. */
void mix_tick(struct mix *m, double out[MIX_SERIES]);
/* How late a tick is: 0 to 20 ms. */
int64_t mix_jitter_ms(struct mix *m);
/* From 0 to below 1, of the agent's own chance. */
double mix_uniform(struct mix *m);

const struct mix_series *mix_series(unsigned i);
/* The dictionary entries as an agent would announce them: ids from 1 on, all of stream host
 * unless `split` (probes in their own stream).  Strings are static. */
void mix_defs(struct bl_series_def def[MIX_SERIES], bool split);

#endif
