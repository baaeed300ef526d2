/*
 * What a reader remembers of hours without a hole must not show: one that has asked before
 * answers as one that has just been opened, whatever came, was given up or was moved between.
 */
#include "branchline/wire.h"

#include "folder.h"
#include "store_kit.h"

#define HOUR_MS (60 * (int64_t)MINUTE)
#define BEGIN   (OFFSET - OFFSET % HOUR_MS) /* minutes and hours touch */
#define MINUTES 1800u

struct walk {
	struct ctx *c;
	uint64_t random, next; /* the minute that is cut next */
	bool missing[MINUTES];
	uint32_t segments;
	uint64_t with_gaps, whole;
};

static uint64_t
random_below(struct walk *w, uint64_t n)
{
	w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (w->random >> 33) % n;
}

static void
arrives(struct walk *w)
{
	w->c->clock.unix_ms = BEGIN + (int64_t)w->next * MINUTE + 2000;
	w->c->clock.mono_ms += 2000;
}

/* Minutes are cut, and come ten at a time; of some, nothing comes yet. */
static void
cut(struct walk *w, uint64_t n, bool come)
{
	while (n > 0 && w->next < MINUTES) {
		const uint64_t first = w->next, most = MINUTES - first;
		const uint64_t some = n < 10 ? n : 10;

		w->next += some < most ? some : most;
		n -= some;
		for (uint64_t i = first; i < w->next; i++)
			w->missing[i] = !come;
		if (!come)
			continue;
		arrives(w);
		put_minutes(w->c, first, w->next);
	}
}

/* The next minute says that these will not come. */
static void
give_up(struct walk *w, uint64_t first, uint64_t last)
{
	const struct bl_gap g = { .stream = BL_STREAM_HOST,
		.reason = BL_GAP_EVICTED,
		.seq_first = first + 1,
		.seq_last = last };
	struct fixture_batch b = minute(w->c, w->next);

	if (w->next == MINUTES)
		return;
	b.gap = &g;
	w->next++;
	arrives(w);
	begin(w->c);
	assert_int_equal(put(w->c, &b), STORE_NEW);
	commit(w->c);
}

/* A run of missing ones comes after all, or the agent says that it will not. */
static void
fill_in(struct walk *w, bool gone)
{
	const uint64_t at = random_below(w, w->next + 1);
	uint64_t first = at, last;

	while (first < w->next && !w->missing[first])
		first++;
	for (last = first; last < w->next && w->missing[last] && last - first < 40; last++)
		w->missing[last] = false;
	if (first == last)
		return;
	if (gone)
		give_up(w, first, last);
	else
		put_minutes(w->c, first, last);
}

/* From some time on everything lies elsewhere: what was whole may have a hole now. */
static void
move(struct walk *w)
{
	const int64_t from = (int64_t)random_below(w, w->next + 1) * MINUTE;
	const int64_t by = ((int64_t)random_below(w, 9) - 4) * 20 * MINUTE;

	if (w->segments < 12)
		know_clock(w->c, ++w->segments, from, BEGIN + by);
	place_all(w->c);
}

static struct store_query_result *
ask(struct store_read *r, int64_t from, int64_t to)
{
	const int64_t series = 1;
	const struct store_query q = { .series = &series,
		.n_series = 1,
		.from_unix_ms = from,
		.to_unix_ms = to,
		.step_ms = HOUR_MS };
	struct store_query_result *res;
	struct bl_err err = { 0 };

	must(store_read_query(r, &q, &res, &err), &err);
	return res;
}

static void
compare(struct walk *w, int64_t from, int64_t to)
{
	struct store_query_result *known = ask(w->c->r, from, to), *fresh;
	struct store_read *r;
	struct bl_err err = { 0 };

	must(store_read_open(&r, w->c->path, &w->c->clock.clock, &err), &err);
	fresh = ask(r, from, to);
	store_read_close(r);
	assert_int_equal(known->series[0].n_gaps, fresh->series[0].n_gaps);
	for (size_t i = 0; i < fresh->series[0].n_gaps; i++) {
		const struct store_span *a = &known->series[0].gap[i],
					*b = &fresh->series[0].gap[i];

		assert_int_equal(a->from_unix_ms, b->from_unix_ms);
		assert_int_equal(a->to_unix_ms, b->to_unix_ms);
		assert_int_equal(a->reason, b->reason);
	}
	w->with_gaps += fresh->series[0].n_gaps > 0;
	w->whole += fresh->series[0].n_gaps == 0 && to - from > 2 * HOUR_MS;
	store_query_free(known);
	store_query_free(fresh);
}

/* Ranges that begin and end at hours, beside them, and anywhere. */
static void
compare_some(struct walk *w)
{
	static const int64_t beside[] = { 0, 0, -1, 1, 999, -999, 30 * MINUTE };
	const uint64_t hours = w->next / 60 + 2;

	for (int i = 0; i < 3; i++) {
		const int64_t from =
		    BEGIN + (int64_t)random_below(w, hours) * HOUR_MS + beside[random_below(w, 7)];
		const int64_t to = from + (int64_t)(1 + random_below(w, hours)) * HOUR_MS +
				   beside[random_below(w, 7)];

		compare(w, from, to);
	}
}

/* Minutes: any number, or until an hour ends. */
static uint64_t
a_while(struct walk *w, uint64_t most)
{
	const uint64_t n = 1 + random_below(w, most);

	return random_below(w, 2) == 0 ? n : n + 59 - (w->next + n + 59) % 60;
}

static void
one_history(struct ctx *c, uint64_t seed)
{
	struct walk w = { .c = c, .random = seed, .segments = 1 };

	know_clock(c, 1, 0, BEGIN);
	know_series(c, 3);
	while (w.next < MINUTES) {
		const uint64_t what = random_below(&w, 10);

		if (what < 5)
			cut(&w, a_while(&w, 200), true);
		else if (what < 7)
			cut(&w, a_while(&w, 70), false);
		else if (what < 9)
			fill_in(&w, what == 8);
		else
			move(&w);
		compare_some(&w);
	}
	assert_true(w.with_gaps > 3);
	assert_true(w.whole > 3);
}

static void
memory_of_whole_hours_does_not_show(void **state)
{
	struct ctx *c = *state;
	const unsigned n = rounds(1, 60);

	for (unsigned i = 0; i < n; i++) {
		if (i > 0) {
			void *again = c;

			(void)teardown(&again);
			(void)setup(state);
			c = *state;
		}
		one_history(c, i + 1);
	}
}

/* Three hours, one that is missing, three more; then the ledger speaks of an end of the hole. */
static void
hole_beside(struct ctx *c, uint64_t first, uint64_t last)
{
	struct walk w = { .c = c, .segments = 1 };
	struct store_query_result *res;

	know_clock(c, 1, 0, BEGIN);
	know_series(c, 3);
	cut(&w, 180, true);
	cut(&w, 60, false);
	cut(&w, 180, true);
	compare(&w, BEGIN, BEGIN + 7 * HOUR_MS);
	give_up(&w, first, last);
	compare(&w, BEGIN, BEGIN + 7 * HOUR_MS);
	res = ask(c->r, BEGIN, BEGIN + 7 * HOUR_MS);
	assert_int_equal(res->series[0].n_gaps, 1);
	assert_int_equal(res->series[0].gap[0].from_unix_ms, BEGIN + 3 * HOUR_MS);
	assert_int_equal(res->series[0].gap[0].to_unix_ms, BEGIN + 4 * HOUR_MS);
	assert_int_equal(res->series[0].gap[0].reason, BL_GAP_EVICTED);
	store_query_free(res);
}

static void
hole_behind_known_hours_has_its_reason(void **state)
{
	hole_beside(*state, 180, 200);
}

static void
hole_before_known_hours_has_its_reason(void **state)
{
	hole_beside(*state, 220, 240);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    hole_behind_known_hours_has_its_reason, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    hole_before_known_hours_has_its_reason, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    memory_of_whole_hours_does_not_show, setup, teardown),
	};

	bl_log_level_set(BL_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
