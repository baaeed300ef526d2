/*
 * Data of the mix that servers, probes and process steps have, made up from a
 * fixed seed: of each 100 series 12 CPU %, 3 load, 6 memory, 12 file system, 10
 * disk and 16 network counters (half constant), 5 process, 20 probe with
 * log-normal latencies, 12 steps, 4 others.
 */
#ifndef MIX_H
#define MIX_H

#define MIX_SERIES 200u

struct mix {
	double state[MIX_SERIES];
	double rate[MIX_SERIES];
};

void mix_init(struct mix *m, unsigned series);
/* The next value of series i; i % 100 says which kind it is. */
double mix_next(struct mix *m, unsigned i);
/* From 0 to below 1, of the same chance. */
double mix_uniform(void);

#endif
