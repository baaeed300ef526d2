/* The ring of results between the prober's thread and the loop. */
#include "agent_results.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool
agent_results_room(struct agent_results *q, unsigned points_each)
{
	if (q->ring == NULL)
		q->ring = calloc(AGENT_RESULTS, sizeof(*q->ring));
	free(q->points);
	q->points = NULL;
	q->points_each = 0;
	q->head = q->n = 0;
	if (q->ring == NULL || points_each == 0)
		return q->ring != NULL;
	q->points = calloc(((size_t)AGENT_RESULTS + 1) * points_each, sizeof(*q->points));
	if (q->points == NULL)
		return false;
	q->points_each = points_each;
	return true;
}

/* Copies a result; what it points to then lies in this place. */
static void
copy(
    struct agent_results *q, struct probe_result *out, const struct probe_result *r, unsigned place)
{
	*out = *r;
	out->n_points = r->n_points < q->points_each ? r->n_points : q->points_each;
	out->point = NULL;
	if (out->n_points > 0) {
		struct probe_value *points = &q->points[(size_t)place * q->points_each];

		memcpy(points, r->point, out->n_points * sizeof(*points));
		out->point = points;
	}
}

void
agent_results_put(void *ctx, const struct probe_result *r)
{
	struct agent_results *q = ctx;
	const uint64_t one = 1;
	bool urgent;

	pthread_mutex_lock(&q->lock);
	if (q->n == AGENT_RESULTS) {
		q->dropped++;
	} else {
		const unsigned place = (q->head + q->n++) % AGENT_RESULTS;

		copy(q, &q->ring[place], r, place);
	}
	urgent = q->n >= AGENT_RESULTS / 2;
	pthread_mutex_unlock(&q->lock);
	/*
	 * They go to the spool with the next tick, in one commit: a wake-up and
	 * an fsync for each would cost more than all samplers together.
	 */
	if (urgent)
		(void)!write(q->fd, &one, sizeof(one)); /* fails only when it is readable anyway */
}

bool
agent_results_take(struct agent_results *q, struct probe_result *out)
{
	bool got = false;

	pthread_mutex_lock(&q->lock);
	if (q->n > 0) {
		copy(q, out, &q->ring[q->head], AGENT_RESULTS);
		q->head = (q->head + 1) % AGENT_RESULTS;
		q->n--;
		got = true;
	}
	pthread_mutex_unlock(&q->lock);
	return got;
}

uint64_t
agent_results_dropped(struct agent_results *q)
{
	uint64_t n;

	pthread_mutex_lock(&q->lock);
	n = q->dropped;
	pthread_mutex_unlock(&q->lock);
	return n;
}

void
agent_results_free(struct agent_results *q)
{
	free(q->ring);
	free(q->points);
	q->ring = NULL;
	q->points = NULL;
	q->points_each = q->n = 0;
}
