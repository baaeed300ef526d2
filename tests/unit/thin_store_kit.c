/* See thin_store_kit.h. */
#include "thin_store_kit.h"

struct fixture_batch
hour(const struct ctx *c, uint64_t i)
{
	struct fixture_batch b = minute(c, i);

	b.begin_ms = (int64_t)i * HOUR;
	b.end_ms = b.begin_ms + HOUR;
	b.n_series = SERIES;
	return b;
}

struct fixture_batch
thinned(const struct ctx *c, int64_t window_ms)
{
	struct fixture_batch b = hour(c, 0);

	b.seq = HOURS + 1;
	b.end_ms = HOURS * HOUR;
	b.supersedes_first = 1;
	b.supersedes_last = HOURS;
	b.thin_ms = window_ms;
	return b;
}

void
know_all(struct ctx *c, enum bl_series_kind kind)
{
	struct bl_err err = { 0 };

	know_clock(c, 1, 0, OFFSET);
	begin(c);
	for (uint32_t i = 1; i <= SERIES; i++) {
		struct bl_series_def def;
		char name[16], label[16];

		fixture_series(&def, name, label, i, BL_STREAM_HOST);
		def.kind = kind;
		must(store_dict(c->s, spool(c), &def, &err), &err);
	}
	commit(c);
	c->clock.unix_ms = OFFSET + HOURS * HOUR;
}

void
put_one(struct ctx *c, const struct fixture_batch *b, int expect)
{
	begin(c);
	assert_int_equal(put(c, b), expect);
	commit(c);
}

static bool
keep_id(void *ctx, const struct store_log_series *s)
{
	*(int64_t *)ctx = s->id;
	return false;
}

int64_t
id_of(struct ctx *c, const char *metric)
{
	struct bl_err err = { 0 };
	int64_t id = 0;

	must(store_log_series(c->r, "kiosk-1", metric, keep_id, &id, &err), &err);
	assert_true(id > 0);
	return id;
}

struct store_query_result *
ask(struct ctx *c, int64_t from, int64_t to, int64_t step, bool rate)
{
	const int64_t id = id_of(c, "m2");
	const struct store_query q = { .series = &id,
		.n_series = 1,
		.from_unix_ms = OFFSET + from,
		.to_unix_ms = OFFSET + to,
		.step_ms = step,
		.rate = rate };
	struct store_query_result *res;
	struct bl_err err = { 0 };

	must(store_read_query(c->r, &q, &res, &err), &err);
	return res;
}

static bool
see_sample(void *ctx, const struct store_log_sample *s)
{
	struct seen *x = ctx;

	assert_true(s->unix_ms > x->last_ms);
	assert_int_equal(s->unknown, BL_KNOWN);
	if (s->thin.count > 1) {
		/* All but the first of its batch have a neighbour, wherever the span begins. */
		assert_int_equal(s->before_ms, s->unix_ms == OFFSET + FIVE - INTERVAL ? 0 : FIVE);
		assert_true(s->thin.min <= s->value && s->value <= s->thin.max);
		x->thin++;
	} else {
		assert_true(s->thin.min == s->value && s->thin.max == s->value);
		assert_int_equal(s->before_ms, 0);
	}
	x->n++;
	x->count += s->thin.count;
	x->sum += s->value * s->thin.count;
	x->last_ms = s->unix_ms;
	return true;
}

struct seen
log_of(struct ctx *c, int64_t from, int64_t to)
{
	const int64_t id = id_of(c, "m2");
	struct seen x = { 0 };
	struct bl_err err = { 0 };

	must(store_log_samples(c->r, "kiosk-1", BL_STREAM_HOST, &id, 1, OFFSET + from, OFFSET + to,
		 see_sample, &x, &err),
	    &err);
	return x;
}
