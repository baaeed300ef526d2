/* See fleet_heap.h. */
#include "fleet_heap.h"

#include <stdlib.h>

int
fleet_heap_open(struct fleet_heap *h, unsigned agents)
{
	h->n = agents;
	h->order = calloc(agents, sizeof(*h->order));
	h->place = calloc(agents, sizeof(*h->place));
	h->at = calloc(agents, sizeof(*h->at));
	if (h->order == NULL || h->place == NULL || h->at == NULL) {
		fleet_heap_close(h);
		return -1;
	}
	for (unsigned i = 0; i < agents; i++) {
		h->order[i] = h->place[i] = i;
		h->at[i] = INT64_MAX;
	}
	return 0;
}

void
fleet_heap_close(struct fleet_heap *h)
{
	free(h->order);
	free(h->place);
	free(h->at);
	h->order = h->place = NULL;
	h->at = NULL;
	h->n = 0;
}

static void
swap(struct fleet_heap *h, unsigned a, unsigned b)
{
	const unsigned kept = h->order[a];

	h->order[a] = h->order[b];
	h->order[b] = kept;
	h->place[h->order[a]] = a;
	h->place[h->order[b]] = b;
}

static int64_t
time_at(const struct fleet_heap *h, unsigned place)
{
	return h->at[h->order[place]];
}

static void
rise(struct fleet_heap *h, unsigned i)
{
	while (i > 0 && time_at(h, i) < time_at(h, (i - 1) / 2)) {
		swap(h, i, (i - 1) / 2);
		i = (i - 1) / 2;
	}
}

static void
sink(struct fleet_heap *h, unsigned i)
{
	for (;;) {
		unsigned least = i;

		for (unsigned k = 2 * i + 1; k <= 2 * i + 2 && k < h->n; k++)
			if (time_at(h, k) < time_at(h, least))
				least = k;
		if (least == i)
			return;
		swap(h, i, least);
		i = least;
	}
}

void
fleet_heap_set(struct fleet_heap *h, unsigned agent, int64_t at)
{
	const int64_t was = h->at[agent];

	h->at[agent] = at;
	if (at < was)
		rise(h, h->place[agent]);
	else
		sink(h, h->place[agent]);
}

unsigned
fleet_heap_first(const struct fleet_heap *h, int64_t *at)
{
	*at = h->n > 0 ? h->at[h->order[0]] : INT64_MAX;
	return h->n > 0 ? h->order[0] : 0;
}
