/* Which agent is due next: a heap by time, in which every agent stands once. */
#ifndef FLEET_HEAP_H
#define FLEET_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct fleet_heap {
	unsigned n;
	unsigned *order; /* agents */
	unsigned *place; /* of each agent */
	int64_t *at;     /* by agent */
};

int fleet_heap_open(struct fleet_heap *h, unsigned agents); /* 0, or -1: out of memory */
void fleet_heap_close(struct fleet_heap *h);
void fleet_heap_set(struct fleet_heap *h, unsigned agent, int64_t at);
/* The one that is due first, and when. */
unsigned fleet_heap_first(const struct fleet_heap *h, int64_t *at);

#endif
