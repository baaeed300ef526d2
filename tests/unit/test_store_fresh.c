/*
 * What readers remember together of open hours: who asks gets the same answer as without it, to
 * the last byte, whatever comes late, moves, is thinned, packed or deleted meanwhile; and it keeps
 * within its bounds.
 */
#include <pthread.h>

#include "packed_kit.h"
#include "store_fresh.h"

/* What the runs have seen of it in all. */
struct seen {
	uint64_t hits, misses, refused, dropped;
};

static struct store_fresh_stats
stats(struct store_fresh *f)
{
	struct store_fresh_stats s;

	store_fresh_stats(f, &s);
	assert_true(s.bytes <= s.max_bytes);
	return s;
}

/* When the history is: what comes is of hours that are open. */
static void
go_to(struct twin *w, int64_t unix_ms)
{
	w->plain.clock.unix_ms = w->packed.clock.unix_ms = unix_ms;
}

/* ---- the same answers ---- */

struct ids {
	int64_t id[HISTORY_SERIES];
	size_t n;
};

static bool
keep_series(void *ctx, const struct store_series *s)
{
	struct ids *l = ctx;

	l->id[l->n++] = s->id;
	return true;
}

static bool
say_sparse_one(void *ctx, const struct store_log_sample *s)
{
	say(ctx, "%zu %lld %.17g %d %u b%lld %u %lld\n", s->series, (long long)s->unix_ms, s->value,
	    signbit(s->value) != 0, s->unknown, (long long)s->boot, s->thin.count,
	    (long long)s->before_ms);
	return true;
}

/* As a question about a fleet asks: one series of a device, or two. */
static void
say_sparse(struct ctx *c, struct text *t, uint64_t random)
{
	struct history dice = { .random = random };
	struct ids l = { .n = 0 };
	struct bl_err err = { 0 };

	say(t, "%s", "");
	must(store_read_series(c->r, DEVICE, keep_series, &l, &err), &err);
	for (size_t i = 0; i < l.n; i++) {
		const int64_t hour =
		    OFFSET - OFFSET % HOUR + (int64_t)(history_random(&dice) % 10) * HOUR;
		const struct store_log_ask a = { .device = DEVICE,
			.stream = STREAM,
			.ids = &l.id[i],
			.n = i + 1 < l.n && history_random(&dice) % 3 == 0 ? 2 : 1,
			.from_unix_ms = hour,
			.to_unix_ms = hour + HOUR,
			.deadline_mono_ms = INT64_MAX,
			.sparse = true };

		must(store_log_samples_whole(c->r, &a, say_sparse_one, t, &err), &err);
	}
}

static void
compare(struct twin *w, uint64_t random, const char *when)
{
	struct text a = { 0 }, b = { 0 };

	say_sparse(&w->plain, &a, random);
	say_sparse(&w->packed, &b, random);
	if (strcmp(a.p, b.p) != 0)
		fail_msg("%s: one series, with and without the memory", when);
	free(a.p);
	free(b.p);
	twin_compare(w, random, when);
}

static void
add_seen(struct seen *all, struct store_fresh *f)
{
	const struct store_fresh_stats s = stats(f);

	all->hits += s.hits;
	all->misses += s.misses;
	all->refused += s.refused;
	all->dropped += s.dropped;
}

/* Now lies within the history, so that what comes is of open hours, and of some that are closed. */
static void
run(uint64_t seed, struct seen *all)
{
	struct store_fresh *f;
	struct history h;
	struct twin w;
	char when[64];
	bool moved = false;
	struct bl_err err = { 0 };

	history_make(&h, seed);
	twin_open(&w);
	must(store_fresh_open(&f, seed % 3 == 0 ? 24 << 10 : 8 << 20, &err), &err);
	store_read_use_fresh(w.packed.r, f);
	if (seed % 2 == 0)
		history_shuffle(&h);
	go_to(&w, OFFSET + (int64_t)(1 + seed % 6) * HOUR);
	for (size_t i = 0; i < h.n; i++) {
		twin_tell(&w, &h, &h.t[i]);
		twin_later(&w, (int64_t)(history_random(&h) % 50000));
		moved = moved || h.t[i].what == TOLD_CLOCK;
		if (history_random(&h) % 12 != 0)
			continue;
		/* What is packed lies where it was until a clock map that came late is followed. */
		if (history_random(&h) % 4 == 0 || moved)
			twin_pack(&w);
		moved = false;
		(void)snprintf(when, sizeof(when), "seed %llu, told %zu of %zu",
		    (unsigned long long)seed, i + 1, h.n);
		compare(&w, history_random(&h), when);
	}
	(void)snprintf(when, sizeof(when), "seed %llu, at the end", (unsigned long long)seed);
	if (moved)
		twin_pack(&w);
	compare(&w, seed, when);
	add_seen(all, f);
	twin_close(&w);
	store_fresh_close(f);
}

static void
a_memory_does_not_show(void **state)
{
	const unsigned n = rounds(2, 60);
	struct seen all = { 0 };

	(void)state;
	for (unsigned i = 0; i < n; i++)
		run(1 + 5 * (uint64_t)i, &all);
	/* It was there, and met everything that becomes of it. */
	assert_true(all.hits > 100);
	assert_true(all.misses > 100);
	assert_true(all.refused > 0);
	assert_true(all.dropped > 0);
}

/* ---- one device that sends a batch a minute ---- */

struct live {
	struct twin w;
	struct history h;
	struct store_fresh *f;
	struct tell t;
};

static void
live_open(struct live *l, uint64_t max_bytes)
{
	struct bl_err err = { 0 };

	memset(l, 0, sizeof(*l));
	history_make(&l->h, 3);
	twin_open(&l->w);
	go_to(&l->w, OFFSET);
	must(store_fresh_open(&l->f, max_bytes, &err), &err);
	store_read_use_fresh(l->w.packed.r, l->f);
	l->t = (struct tell){ .what = TOLD_BATCH, .spool = 0xa, .boot = 1, .stream = STREAM };
	for (size_t i = 0; i < l->h.n; i++)
		if (l->h.t[i].what == TOLD_DICT ||
		    (l->h.t[i].what == TOLD_CLOCK && l->h.t[i].from_ms == 0))
			twin_tell(&l->w, &l->h, &l->h.t[i]);
}

static void
live_close(struct live *l)
{
	twin_close(&l->w);
	store_fresh_close(l->f);
}

static void
live_minutes(struct live *l, unsigned n)
{
	for (; n > 0; n--) {
		l->t.seq++;
		l->t.begin_ms = l->t.end_ms;
		l->t.end_ms += MINUTE;
		twin_later(&l->w, MINUTE);
		twin_tell(&l->w, &l->h, &l->t);
	}
}

static uint64_t
ask_from(struct store_read *r, int64_t series, int64_t from, int64_t to)
{
	const struct store_query q = { .series = &series,
		.n_series = 1,
		.from_unix_ms = from,
		.to_unix_ms = to,
		.step_ms = to - from };
	struct store_query_result *res;
	struct bl_err err = { 0 };
	uint64_t n;

	must(store_read_query(r, &q, &res, &err), &err);
	n = res->series[0].n[0];
	store_query_free(res);
	return n;
}

static uint64_t
ask(struct store_read *r, int64_t series, int64_t to)
{
	return ask_from(r, series, to - HOUR, to);
}

/* Asked again, nothing is decoded; after a minute, the newest row alone. */
static void
what_was_asked_is_there(void **state)
{
	struct store_fresh_stats a, b;
	struct live l;
	int64_t now;

	(void)state;
	live_open(&l, 8 << 20);
	live_minutes(&l, 31); /* the newest row has one of them */
	now = l.w.packed.clock.unix_ms;
	(void)ask(l.w.packed.r, 1, now);
	a = stats(l.f);
	assert_true(a.misses > 0 && a.pieces == a.misses && a.hits == 0);
	assert_int_equal(ask(l.w.packed.r, 2, now), ask(l.w.plain.r, 2, now));
	b = stats(l.f);
	assert_int_equal(b.misses, a.misses);
	assert_int_equal(b.hits, a.misses);
	live_minutes(&l, 1);
	now = l.w.packed.clock.unix_ms;
	assert_int_equal(ask(l.w.packed.r, 2, now), ask(l.w.plain.r, 2, now));
	a = stats(l.f);
	assert_int_equal(a.misses, b.misses + 1);
	live_close(&l);
}

/* One that works with an older state of the store gets what that holds. */
static void
an_older_state_stays_what_it_is(void **state)
{
	struct store_read *other;
	struct live l;
	struct bl_err err = { 0 };
	uint64_t before;
	int64_t now;

	(void)state;
	live_open(&l, 8 << 20);
	live_minutes(&l, 22); /* the newest row has one of them, and will have another */
	now = l.w.packed.clock.unix_ms + 10 * (int64_t)MINUTE;
	must(store_read_open(&other, l.w.packed.path, &l.w.packed.clock.clock, &err), &err);
	store_read_use_fresh(other, l.f);
	must(store_read_hold(other, &err), &err);
	before = ask(other, 1, now);
	live_minutes(&l, 1);
	assert_true(ask(l.w.packed.r, 1, now) > before);
	assert_int_equal(ask(other, 1, now), before);
	assert_true(ask(l.w.packed.r, 1, now) > before);
	store_read_release(other);
	assert_int_equal(ask(other, 1, now), ask(l.w.plain.r, 1, now));
	store_read_close(other);
	live_close(&l);
}

/* What a pack has taken is gone, wherever a clock map says meanwhile that it would lie. */
static void
what_is_packed_is_not_there(void **state)
{
	struct store_read *bare;
	struct live l;
	struct tell clock = {
		.what = TOLD_CLOCK, .spool = 0xa, .boot = 1, .entry = 2, .from_ms = 30 * MINUTE
	};
	struct bl_err err = { 0 };
	int64_t now;

	(void)state;
	live_open(&l, 8 << 20);
	live_minutes(&l, 70);
	now = l.w.packed.clock.unix_ms;
	(void)ask_from(l.w.packed.r, 1, now - 2 * HOUR, now);
	assert_true(stats(l.f).pieces > 0);
	twin_pack(&l.w);
	must(store_read_open(&bare, l.w.packed.path, &l.w.packed.clock.clock, &err), &err);
	assert_true(twin_rows(&l.w.packed) < twin_rows(&l.w.plain));
	now = l.w.packed.clock.unix_ms;
	assert_int_equal(
	    ask_from(l.w.packed.r, 1, now - 3 * HOUR, now), ask_from(bare, 1, now - 3 * HOUR, now));
	clock.offset_ms = OFFSET + 10 * MINUTE;
	twin_tell(&l.w, &l.h, &clock);
	assert_int_equal(
	    ask_from(l.w.packed.r, 1, now - 3 * HOUR, now), ask_from(bare, 1, now - 3 * HOUR, now));
	store_read_close(bare);
	live_close(&l);
}

/* While all of it is in use nothing new comes in; what nobody asks for makes room. */
static void
it_keeps_within_its_bytes(void **state)
{
	struct store_fresh_stats a, b;
	struct live l;
	int64_t now;

	(void)state;
	live_open(&l, 8 << 10);
	live_minutes(&l, 60);
	now = l.w.packed.clock.unix_ms;
	assert_int_equal(ask(l.w.packed.r, 1, now), ask(l.w.plain.r, 1, now));
	a = stats(l.f);
	assert_true(a.refused > 0 && a.pieces > 0 && a.dropped == 0);
	assert_true(a.bytes > a.max_bytes / 2);
	assert_int_equal(ask(l.w.packed.r, 1, now), ask(l.w.plain.r, 1, now));
	b = stats(l.f);
	assert_int_equal(b.hits, a.pieces);
	assert_int_equal(b.dropped, 0);
	live_minutes(&l, 5); /* it rests, and the newest are asked for alone */
	now = l.w.packed.clock.unix_ms;
	assert_int_equal(ask_from(l.w.packed.r, 1, now - 10 * (int64_t)MINUTE, now),
	    ask_from(l.w.plain.r, 1, now - 10 * (int64_t)MINUTE, now));
	b = stats(l.f);
	assert_true(b.dropped > 0);
	live_minutes(&l, 11); /* nobody asked */
	now = l.w.packed.clock.unix_ms;
	assert_int_equal(ask(l.w.packed.r, 1, now), ask(l.w.plain.r, 1, now));
	live_close(&l);
}

/* ---- from several threads ---- */

struct asker {
	pthread_t thread;
	struct live *l;
	int64_t now;
	uint64_t expect[HISTORY_SERIES];
	unsigned wrong;
};

static void *
ask_often(void *arg)
{
	struct asker *a = arg;
	struct store_read *r;
	struct bl_err err = { 0 };

	if (store_read_open(&r, a->l->w.packed.path, &a->l->w.packed.clock.clock, &err) < 0) {
		a->wrong++;
		return NULL;
	}
	store_read_use_fresh(r, a->l->f);
	for (unsigned i = 0; i < 60; i++)
		a->wrong += ask(r, 1 + i % HISTORY_SERIES, a->now) != a->expect[i % HISTORY_SERIES];
	store_read_close(r);
	return NULL;
}

/* Little room, so that what one reads goes while another asks for more. */
static void
readers_share_it(void **state)
{
	struct asker a[3] = { { 0 } };
	struct live l;

	(void)state;
	live_open(&l, 16 << 10);
	live_minutes(&l, 40);
	for (size_t i = 0; i < 3; i++) {
		a[i].l = &l;
		a[i].now = l.w.packed.clock.unix_ms;
		for (unsigned k = 0; k < HISTORY_SERIES; k++)
			a[i].expect[k] = ask(l.w.plain.r, 1 + k, a[i].now);
	}
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&a[i].thread, NULL, ask_often, &a[i]), 0);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(pthread_join(a[i].thread, NULL), 0);
		assert_int_equal(a[i].wrong, 0);
	}
	live_close(&l);
}

/* ---- a question that takes too long ---- */

static bool
pass(void *ctx, const struct store_log_sample *s)
{
	(void)ctx;
	(void)s;
	return true;
}

static void
a_question_ends_at_its_deadline(void **state)
{
	const int64_t id = 1;
	struct store_log_ask a = {
		.device = DEVICE, .stream = STREAM, .ids = &id, .n = 1, .to_unix_ms = INT64_MAX / 8
	};
	struct bl_err err = { 0 };
	struct live l;

	(void)state;
	live_open(&l, 8 << 20);
	live_minutes(&l, 10);
	a.deadline_mono_ms = l.w.packed.clock.mono_ms;
	assert_int_equal(store_log_samples_whole(l.w.packed.r, &a, pass, NULL, &err), BL_OK);
	a.deadline_mono_ms--;
	assert_int_equal(store_log_samples_whole(l.w.packed.r, &a, pass, NULL, &err), BL_ETIMEDOUT);
	live_close(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_memory_does_not_show),
		cmocka_unit_test(what_was_asked_is_there),
		cmocka_unit_test(an_older_state_stays_what_it_is),
		cmocka_unit_test(what_is_packed_is_not_there),
		cmocka_unit_test(it_keeps_within_its_bytes),
		cmocka_unit_test(readers_share_it),
		cmocka_unit_test(a_question_ends_at_its_deadline),
	};

	return cmocka_run_group_tests_name("memory of open hours", tests, NULL, NULL);
}
