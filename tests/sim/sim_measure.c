/*
 * What a run measures, and the limits of its scenario: how late events are beside a
 * backlog, how evenly backlogs drain, how fast a crowd is back.
 */
#include "sim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BESIDE_MS SIM_MINUTE /* past was sent so shortly before: there is a backlog */

static void
add(struct sim_list *l, int64_t a, int64_t b, unsigned who)
{
	if (l->n == l->size) {
		l->size = l->size * 2 + 256;
		l->v = realloc(l->v, l->size * sizeof(*l->v));
		assert(l->v != NULL);
	}
	l->v[l->n++] = (struct sim_point){ a, b, who };
}

/* ---- while the run goes on ---- */

void
measure_published(struct sim_machine *m, bool past, size_t bytes)
{
	if (!past)
		return;
	m->past_at = m->w->now;
	m->past_flight += bytes;
	if (m->past_flight > bytes && m->past_flight > m->w->measure.past_flight_most)
		m->w->measure.past_flight_most =
		    m->past_flight; /* one batch alone is always allowed */
}

void
measure_acked(struct sim_machine *m, bool past, size_t bytes)
{
	if (past)
		m->past_flight -= bytes < m->past_flight ? bytes : m->past_flight;
}

void
measure_arrived(struct sim *w, bool past, const struct bl_batch_header *h, size_t bytes)
{
	struct sim_sent *s = sim_find_sent(w, h);
	unsigned machine;
	int64_t at;

	if (s == NULL || s->arrived || w->settling)
		return;
	s->arrived = true;
	at = machine_true_time(w, &h->boot, h->event_begin_ms, &machine);
	if (past)
		add(&w->measure.drained, w->now, (int64_t)bytes, machine);
	else if (h->n_events > 0 && at > w->machine[machine].way.up_at &&
		 s->sent_at - w->machine[machine].past_at < BESIDE_MS)
		add(&w->measure.live, w->now - at, 0, machine);
}

void
measure_back(struct sim *w, const struct sim_way *way)
{
	if (way->down_at != 0 && way->down_at == w->measure.herd_at)
		add(&w->measure.back, w->now - w->broker.up_since, way->attempts, 0);
}

/* ---- in the end ---- */

static int
by_a(const void *x, const void *y)
{
	const struct sim_point *a = x, *b = y;

	return a->a < b->a ? -1 : a->a > b->a;
}

static int
by_b(const void *x, const void *y)
{
	const struct sim_point *a = x, *b = y;

	return a->b < b->b ? -1 : a->b > b->b;
}

static int64_t
p99_a(struct sim_list *l)
{
	qsort(l->v, l->n, sizeof(*l->v), by_a);
	return l->v[(l->n - 1) * 99 / 100].a;
}

static int64_t
p99_b(struct sim_list *l)
{
	qsort(l->v, l->n, sizeof(*l->v), by_b);
	return l->v[(l->n - 1) * 99 / 100].b;
}

/* The time in which all of them drain: from the last one's first past batch to the first one's
 * last. */
static void
while_all_drain(const struct sim *w, int64_t *from, int64_t *to)
{
	const struct sim_list *l = &w->measure.drained;
	int64_t first[SIM_MACHINES_MAX] = { 0 }, last[SIM_MACHINES_MAX] = { 0 };

	for (size_t i = 0; i < l->n; i++) {
		if (first[l->v[i].who] == 0)
			first[l->v[i].who] = l->v[i].a;
		last[l->v[i].who] = l->v[i].a;
	}
	*from = INT64_MIN;
	*to = INT64_MAX;
	for (unsigned i = 0; i < w->n_machines; i++) {
		*from = first[i] > *from ? first[i] : *from;
		*to = last[i] < *to ? last[i] : *to;
	}
}

/* Jain's index over what each machine drained while all of them did. */
static double
fairness(struct sim *w, unsigned *starved)
{
	const struct sim_list *l = &w->measure.drained;
	double of[SIM_MACHINES_MAX] = { 0 }, sum = 0, squares = 0;
	int64_t from, to;

	*starved = 0;
	while_all_drain(w, &from, &to);
	if (to - from < 20 * SIM_SECOND)
		sim_fail(w, "all drain together for %lld ms only", (long long)(to - from));
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].a > from && l->v[i].a <= to)
			of[l->v[i].who] += (double)l->v[i].b;
	for (unsigned i = 0; i < w->n_machines; i++) {
		sum += of[i];
		squares += of[i] * of[i];
	}
	for (unsigned i = 0; i < w->n_machines; i++)
		*starved += of[i] < sum / w->n_machines / 4;
	return squares > 0 ? sum * sum / (w->n_machines * squares) : 0;
}

static void
judge_live(struct sim *w, struct sim_result *out)
{
	const struct sim_limits *most = &w->sc.limit;

	if (most->live_p99_ms == 0)
		return;
	if (w->measure.live.n < 10) {
		sim_fail(w, "only %zu batches of events came beside a backlog", w->measure.live.n);
		return;
	}
	out->live_p99_ms = p99_a(&w->measure.live);
	if (out->live_p99_ms > most->live_p99_ms)
		sim_fail(w, "events beside a backlog are late: p99 %lld ms, at most %lld",
		    (long long)out->live_p99_ms, (long long)most->live_p99_ms);
	out->past_flight = w->measure.past_flight_most;
	if (most->past_flight != 0 && out->past_flight > most->past_flight)
		sim_fail(w, "%zu bytes of backlog were under way at once, at most %zu",
		    out->past_flight, most->past_flight);
}

static void
judge_fairness(struct sim *w, struct sim_result *out)
{
	unsigned starved;

	if (w->sc.limit.jain_pct == 0)
		return;
	out->jain_pct = (unsigned)(fairness(w, &starved) * 100);
	if (starved > 0)
		sim_fail(w, "%u machines had less than a quarter of their share", starved);
	if (out->jain_pct < w->sc.limit.jain_pct)
		sim_fail(w, "backlogs drain unevenly: Jain's index 0.%02u, at least 0.%02u",
		    out->jain_pct, w->sc.limit.jain_pct);
}

static void
judge_herd(struct sim *w, struct sim_result *out)
{
	struct sim_list *l = &w->measure.back;
	const unsigned all = w->sc.crowd + w->n_machines;

	if (w->sc.crowd == 0)
		return;
	if (l->n < (size_t)all * w->acts[ACT_BROKER_DEATH]) {
		sim_fail(w, "only %zu of %u came back after %u deaths of the broker", l->n, all,
		    w->acts[ACT_BROKER_DEATH]);
		return;
	}
	out->attempts_p99 = (unsigned)p99_b(l);
	(void)p99_a(l);
	out->back_ms = l->v[l->n - 1].a;
	if (out->back_ms > w->sc.limit.back_ms || out->attempts_p99 > w->sc.limit.attempts_p99)
		sim_fail(w, "a herd is back after %lld ms with %u attempts (p99); at most %lld, %u",
		    (long long)out->back_ms, out->attempts_p99, (long long)w->sc.limit.back_ms,
		    w->sc.limit.attempts_p99);
}

static void
judge_takeovers(struct sim *w, struct sim_result *out)
{
	const double hours = (double)(w->end - w->begin) / (double)SIM_HOUR;

	if (w->sc.limit.takeovers_per_h == 0)
		return;
	out->takeovers = w->acts[ACT_TAKEOVER];
	if (out->takeovers > (unsigned)(hours * w->sc.limit.takeovers_per_h))
		sim_fail(w, "%u takeovers in %.1f h, at most %u an hour", out->takeovers, hours,
		    w->sc.limit.takeovers_per_h);
}

void
measure_judge(struct sim *w, struct sim_result *out)
{
	judge_live(w, out);
	judge_fairness(w, out);
	judge_herd(w, out);
	judge_takeovers(w, out);
	free(w->measure.live.v);
	free(w->measure.drained.v);
	free(w->measure.back.v);
}
