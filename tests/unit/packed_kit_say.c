/*
 * What readers say of the history, as text.
 */
#include "packed_kit.h"

#include <math.h>

struct ids {
	int64_t id[HISTORY_SERIES];
	size_t n;
};

static bool
say_series(void *ctx, const struct store_series *s)
{
	struct text *t = ctx;

	say(t, "series %lld %s %s %d %u %lld %lld\n", (long long)s->id, s->name, s->labels_json,
	    (int)s->kind, s->interval_ms, (long long)s->first_unix_ms, (long long)s->last_unix_ms);
	return true;
}

static bool
keep_series(void *ctx, const struct store_series *s)
{
	struct ids *l = ctx;

	l->id[l->n++] = s->id;
	return true;
}

static bool
say_log_sample(void *ctx, const struct store_log_sample *s)
{
	assert_false(isinf(s->value) || isinf(s->before));
	say(ctx, "%zu %lld %.17g %u b%lld %u %.17g %.17g %lld %.17g\n", s->series,
	    (long long)s->unix_ms, s->value, s->unknown, (long long)s->boot, s->thin.count,
	    s->thin.min, s->thin.max, (long long)s->before_ms, s->before);
	return true;
}

static bool
say_latest(void *ctx, const struct store_latest *l)
{
	assert_false(l->known && isinf(l->value));
	say(ctx, "latest %lld %s %lld %d %.17g\n", (long long)l->series, l->name,
	    (long long)l->unix_ms, l->known, l->known ? l->value : 0.0);
	return true;
}

static bool
say_event(void *ctx, const struct store_event *e)
{
	say(ctx, "event %lld %lld\n", (long long)e->unix_ms, (long long)e->ev->boot_ms);
	return true;
}

static bool
say_device(void *ctx, const struct store_device *d)
{
	say(ctx, "device %s %d %d %llu %llu %llu %llu %lld\n", d->device, d->clock_trusted,
	    d->conflict, (unsigned long long)d->gaps, (unsigned long long)d->unexplained,
	    (unsigned long long)d->batches, (unsigned long long)d->samples,
	    (long long)d->data_until_unix_ms);
	return true;
}

static bool
say_gap(void *ctx, const struct store_gap *g)
{
	say(ctx, "gap %d %llu..%llu %lld..%lld\n", g->reason, (unsigned long long)g->seq_first,
	    (unsigned long long)g->seq_last, (long long)g->from_unix_ms, (long long)g->to_unix_ms);
	return true;
}

static void
say_query(struct ctx *c, struct text *t, const struct ids *ids, int64_t from, int64_t to,
    int64_t step, bool rate)
{
	const struct store_query q = { .series = ids->id,
		.n_series = ids->n,
		.from_unix_ms = from,
		.to_unix_ms = to,
		.step_ms = step,
		.rate = rate };
	struct store_query_result *res;
	struct bl_err err = { 0 };

	must(store_read_query(c->r, &q, &res, &err), &err);
	say(t, "query %lld..%lld by %lld rate %d\n", (long long)from, (long long)to,
	    (long long)step, rate);
	for (size_t k = 0; k < res->n_series; k++) {
		const struct store_query_series *s = &res->series[k];

		for (size_t i = 0; i < res->n_steps; i++)
			if (s->n[i] > 0 || (s->thin != NULL && s->thin[i]))
				say(t, "%zu %zu %llu %.17g %.17g %.17g %d\n", k, i,
				    (unsigned long long)s->n[i], s->min[i], s->max[i], s->mean[i],
				    s->thin != NULL && s->thin[i]);
		for (size_t i = 0; i < s->n_gaps; i++)
			say(t, "%zu gap %lld..%lld %d\n", k, (long long)s->gap[i].from_unix_ms,
			    (long long)s->gap[i].to_unix_ms, s->gap[i].reason);
	}
	store_query_free(res);
}

static void
say_span_of(struct ctx *c, struct text *t, const struct ids *ids, int64_t from, int64_t to)
{
	struct bl_err err = { 0 };

	say(t, "samples %lld..%lld\n", (long long)from, (long long)to);
	must(store_log_samples(
		 c->r, DEVICE, STREAM, ids->id, ids->n, from, to, say_log_sample, t, &err),
	    &err);
	must(store_log_coverage(c->r, DEVICE, STREAM, from, to, say_span, t, &err), &err);
}

static void
say_lists(struct ctx *c, struct text *t)
{
	static const char *const names[] = { "m1", "m2", "m3" };
	struct bl_err err = { 0 };

	must(store_read_series(c->r, DEVICE, say_series, t, &err), &err);
	must(store_read_latest(c->r, names, 3, say_latest, t, &err), &err);
	must(store_read_events(c->r, DEVICE, 0, INT64_MAX / 8, 1000, say_event, t, &err), &err);
	must(store_read_devices(c->r, say_device, t, &err), &err);
	must(store_log_gaps(c->r, 0, 1000, say_gap, t, &err), &err);
}

void
twin_say(struct ctx *c, struct text *t, uint64_t random)
{
	const int64_t begin = OFFSET - HOUR, end = OFFSET + 9 * HOUR;
	struct history dice = { .random = random };
	struct ids ids = { .n = 0 };
	struct bl_err err = { 0 };

	say(t, "%s", "");
	say_lists(c, t);
	must(store_read_series(c->r, DEVICE, keep_series, &ids, &err), &err);
	if (ids.n == 0)
		return;
	say_span_of(c, t, &ids, begin, end);
	for (unsigned i = 0; i < 12; i++) {
		const int64_t from = begin + (int64_t)(history_random(&dice) % (10 * 3600)) * 1000 +
				     (int64_t)(history_random(&dice) % 1000);
		const int64_t len = i % 3 == 0   ? 70000
				    : i % 3 == 1 ? 17 * (int64_t)MINUTE
						 : 2 * HOUR;

		say_span_of(c, t, &ids, from, from + len);
		say_query(c, t, &ids, from, from + len, len / 7 + 1, i % 2 == 0);
	}
	say_query(c, t, &ids, begin, end, 5 * MINUTE, false);
	say_query(c, t, &ids, begin, end, MINUTE, true);
}

/* The lines where they part, and the question before them. */
static void
tell_difference(const char *a, const char *b, const char *when)
{
	size_t i = 0, line = 0, question = 0;

	for (; a[i] == b[i] && a[i] != '\0'; i++)
		if (a[i] == '\n') {
			line = i + 1;
			if (strncmp(a + line, "query", 5) == 0 ||
			    strncmp(a + line, "samples", 7) == 0)
				question = line;
		}
	fail_msg("%s: %.*s: unpacked says\n%.200s\npacked says\n%.200s", when,
	    (int)strcspn(a + question, "\n"), a + question, a + line, b + line);
}

void
twin_compare(struct twin *w, uint64_t random, const char *when)
{
	struct text a = { 0 }, b = { 0 };

	twin_say(&w->plain, &a, random);
	twin_say(&w->packed, &b, random);
	if (strcmp(a.p, b.p) != 0)
		tell_difference(a.p, b.p, when);
	free(a.p);
	free(b.p);
}
