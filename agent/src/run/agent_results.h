/*
 * Results of probes on their way from the prober's thread to the loop: a ring of
 * AGENT_RESULTS, and for each place the values that its result points to.
 */
#ifndef AGENT_RESULTS_H
#define AGENT_RESULTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "probe.h"

#define AGENT_RESULTS 256u

/* lock and fd are their owner's; the rest begins as zero. */
struct agent_results {
	pthread_mutex_t lock;
	int fd; /* eventfd: written to when half of the ring is full */
	unsigned head, n;
	uint64_t dropped;          /* for want of room */
	struct probe_result *ring; /* AGENT_RESULTS */
	/* Of each place in the ring, and one more for the one that was taken last. */
	struct probe_value *points;
	unsigned points_each;
};

/*
 * Room for results with at most so many values of configured names.  Only while no
 * prober runs; what is still in the ring is lost.  False: out of memory.
 */
bool agent_results_room(struct agent_results *q, unsigned points_each);
/* A prober_result_cb; ctx: the results.  Copies r and what it points to. */
void agent_results_put(void *ctx, const struct probe_result *r);
/* The oldest one; what it points to is there until the next call.  False: none. */
bool agent_results_take(struct agent_results *q, struct probe_result *out);
/* How many were dropped, ever. */
uint64_t agent_results_dropped(struct agent_results *q);
void agent_results_free(struct agent_results *q);

#endif
