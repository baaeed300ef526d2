/*
 * Rules without I/O: the tables of tests/data/rule, and the properties that
 * "as if never offline" rests on, by random histories.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "branchline/rule.h"
#include "pure_kit.h"

/* ---- tables ---- */

static json_t *
table(const char *name)
{
	char path[512];
	json_error_t error;
	json_t *t;

	snprintf(path, sizeof(path), "%s/rule/%s.json", BL_TEST_DATA, name);
	t = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (t == NULL)
		fail_msg("%s:%d: %s", path, error.line, error.text);
	assert_true(json_array_size(t) > 5);
	return t;
}

static const char *
name_of(const json_t *c)
{
	return json_string_value(json_object_get(c, "name"));
}

static double
num(const json_t *c, const char *key)
{
	const json_t *v = json_object_get(c, key);

	if (!json_is_number(v))
		fail_msg("%s: no number \"%s\"", name_of(c), key);
	return json_number_value(v);
}

/* null: an end that is open. */
static int64_t
end_of(const json_t *v)
{
	assert_non_null(v);
	return json_is_null(v) ? BL_RULE_OPEN : json_integer_value(v);
}

/* The index of a word; anything else fails. */
static int
word(const json_t *v, const char *const *words, int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(json_string_value(v), words[i]) == 0)
			return i;
	fail_msg("\"%s\" is no word of this table", json_string_value(v));
	return -1;
}

static const char *const outcomes[] = { "false", "true", "unknown" };

static void
thresholds_follow_their_table(void **state)
{
	json_t *t = table("threshold"), *c;
	size_t i;

	(void)state;
	json_array_foreach(t, i, c)
	{
		const json_t *value = json_object_get(c, "value");
		enum bl_rule_op op;
		enum bl_outcome got;

		assert_true(bl_rule_op_parse(json_string_value(json_object_get(c, "op")), &op));
		got = bl_rule_threshold(json_is_number(value), json_number_value(value), op,
		    num(c, "threshold"), num(c, "completeness"), num(c, "need"));
		if ((int)got != word(json_object_get(c, "want"), outcomes, 3))
			fail_msg("%s: %s", name_of(c), outcomes[got]);
	}
	json_decref(t);
}

static void
what_is_no_number_is_unknown(void **state)
{
	(void)state;
	for (int op = BL_OP_GT; op <= BL_OP_NE; op++) {
		const enum bl_rule_op o = (enum bl_rule_op)op;

		assert_int_equal(bl_rule_threshold(true, NAN, o, 1, 1, 0), BL_OUTCOME_UNKNOWN);
		assert_int_equal(bl_rule_threshold(true, 1, o, NAN, 1, 0), BL_OUTCOME_UNKNOWN);
		assert_int_equal(bl_rule_threshold(true, 1, o, 1, NAN, 0), BL_OUTCOME_UNKNOWN);
	}
}

static void
ops_have_names(void **state)
{
	enum bl_rule_op op;

	(void)state;
	for (int i = BL_OP_GT; i <= BL_OP_NE; i++) {
		assert_true(bl_rule_op_parse(bl_rule_op_name((enum bl_rule_op)i), &op));
		assert_int_equal(op, i);
	}
	assert_false(bl_rule_op_parse("=>", &op));
	assert_false(bl_rule_op_parse("", &op));
	assert_null(bl_rule_op_name((enum bl_rule_op)0));
	assert_null(bl_rule_op_name((enum bl_rule_op)7));
}

static void
sections_follow_their_table(void **state)
{
	json_t *t = table("section"), *c;
	size_t i;

	(void)state;
	json_array_foreach(t, i, c)
	{
		const json_t *want = json_object_get(c, "want"), *list = json_object_get(c, "runs");
		struct bl_interval got = { 0 };
		struct bl_run runs[8];
		size_t n = 0;
		json_t *r;
		bool open;

		json_array_foreach(list, n, r)
		{
			runs[n] = (struct bl_run){
				.outcome = (enum bl_outcome)word(json_array_get(r, 0), outcomes, 3),
				.begin_unix_ms = json_integer_value(json_array_get(r, 1)),
				.end_unix_ms = json_integer_value(json_array_get(r, 2)),
				.windows = (uint32_t)json_integer_value(json_array_get(r, 3)),
			};
		}
		open = bl_rule_section(
		    runs, n, (uint32_t)num(c, "need"), end_of(json_object_get(c, "closed")), &got);
		if (open != json_is_array(want) ||
		    (open &&
			(got.begin_unix_ms != json_integer_value(json_array_get(want, 0)) ||
			    got.end_unix_ms != end_of(json_array_get(want, 1)) ||
			    got.last_true_unix_ms != json_integer_value(json_array_get(want, 2)))))
			fail_msg("%s: %d [%lld, %lld) %lld", name_of(c), open,
			    (long long)got.begin_unix_ms, (long long)got.end_unix_ms,
			    (long long)got.last_true_unix_ms);
	}
	json_decref(t);
}

static const char *const kinds[] = { "new", "same", "amend", "merge", "withdraw" };

/* ["same", id, interval], ["merge", id, into], ["withdraw", id], ["new", interval] */
static bool
match_is(const struct bl_match *m, const json_t *want)
{
	const int64_t first = json_integer_value(json_array_get(want, 1));
	const int64_t second = json_integer_value(json_array_get(want, 2));

	if ((int)m->kind != word(json_array_get(want, 0), kinds, 5))
		return false;
	if (m->kind == BL_MATCH_NEW)
		return m->id == 0 && (int64_t)m->interval == first;
	if (m->id != first)
		return false;
	if (m->kind == BL_MATCH_MERGE)
		return m->into == second;
	return m->into == 0 && (m->kind == BL_MATCH_WITHDRAW || (int64_t)m->interval == second);
}

static void
matches_follow_their_table(void **state)
{
	json_t *t = table("match"), *c;
	size_t i;

	(void)state;
	json_array_foreach(t, i, c)
	{
		const json_t *want = json_object_get(c, "want");
		struct bl_match_old old[8];
		struct bl_interval now[8];
		struct bl_match out[16];
		size_t n_old, n_now, n, k;
		json_t *e;

		json_array_foreach(json_object_get(c, "old"), n_old, e)
		{
			old[n_old] = (struct bl_match_old){
				json_integer_value(json_array_get(e, 0)),
				json_integer_value(json_array_get(e, 1)),
				end_of(json_array_get(e, 2)),
			};
		}
		json_array_foreach(json_object_get(c, "now"), n_now, e)
		{
			now[n_now] = (struct bl_interval){
				json_integer_value(json_array_get(e, 0)),
				end_of(json_array_get(e, 1)),
				0,
			};
		}
		n = bl_rule_match(old, n_old, now, n_now, out);
		if (n != json_array_size(want))
			fail_msg("%s: %zu matches", name_of(c), n);
		json_array_foreach(want, k, e)
		{
			if (!match_is(&out[k], e))
				fail_msg("%s: match %zu is %s %lld into %lld interval %zu",
				    name_of(c), k, kinds[out[k].kind], (long long)out[k].id,
				    (long long)out[k].into, out[k].interval);
		}
	}
	json_decref(t);
}

static void
notices_follow_their_table(void **state)
{
	static const char *const words[] = { "wait", "page", "digest" };
	json_t *t = table("notice"), *c;
	size_t i;

	(void)state;
	json_array_foreach(t, i, c)
	{
		const struct bl_notice_policy p = { (int64_t)num(c, "fresh"),
			(int64_t)num(c, "stale") };
		const struct bl_interval at = { 0, end_of(json_object_get(c, "end")),
			(int64_t)num(c, "last_true") };
		const enum bl_notice got =
		    bl_rule_notice(&p, &at, (int64_t)num(c, "known"), (int64_t)num(c, "now"));

		if ((int)got != word(json_object_get(c, "want"), words, 3))
			fail_msg("%s: %s", name_of(c), words[got]);
	}
	json_decref(t);
}

/* ---- histories ---- */

#define WINDOWS 48
#define WIDTH   10
#define ABSENT  3 /* nothing is settled about this window */

struct history {
	int outcome[WINDOWS]; /* enum bl_outcome or ABSENT */
};

struct intervals {
	struct bl_interval at[WINDOWS];
	size_t n;
};

static struct history
any_history(uint64_t *seed)
{
	struct history h;
	int last = 0;

	/* Stretches rather than noise, so that long ones happen. */
	for (int i = 0; i < WINDOWS; i++) {
		if (pure_next(seed) % 3 == 0)
			last = (int)(pure_next(seed) % 8);
		h.outcome[i] = last < 3   ? BL_OUTCOME_TRUE
			       : last < 5 ? BL_OUTCOME_FALSE
			       : last < 7 ? BL_OUTCOME_UNKNOWN
					  : ABSENT;
	}
	return h;
}

/* Window by window, the way one would tell it: the model. */
static void
by_the_book(const struct history *h, uint32_t need, struct intervals *out)
{
	uint32_t stretch = 0;
	bool open = false;

	out->n = 0;
	for (int i = 0; i < WINDOWS; i++) {
		struct bl_interval *at = &out->at[out->n];

		stretch = h->outcome[i] == BL_OUTCOME_TRUE ? stretch + 1 : 0;
		if (h->outcome[i] == BL_OUTCOME_FALSE && open) {
			at->end_unix_ms = (int64_t)i * WIDTH;
			out->n++;
			open = false;
		}
		if (!open && stretch == need) {
			open = true;
			at->begin_unix_ms = (int64_t)(i + 1 - (int)need) * WIDTH;
			at->end_unix_ms = BL_RULE_OPEN;
		}
		if (open && stretch > 0)
			at->last_true_unix_ms = (int64_t)(i + 1) * WIDTH;
	}
	out->n += open;
}

/* The runs of windows [from, to); long ones are cut here and there. */
static size_t
runs_of(const struct history *h, int from, int to, uint64_t *seed, struct bl_run *runs)
{
	size_t n = 0;

	for (int i = from; i < to; i++) {
		if (h->outcome[i] == ABSENT)
			continue;
		if (n > 0 && (int)runs[n - 1].outcome == h->outcome[i] &&
		    runs[n - 1].end_unix_ms == (int64_t)i * WIDTH && pure_next(seed) % 4 != 0) {
			runs[n - 1].end_unix_ms += WIDTH;
			runs[n - 1].windows++;
			continue;
		}
		runs[n++] = (struct bl_run){
			.begin_unix_ms = (int64_t)i * WIDTH,
			.end_unix_ms = (int64_t)(i + 1) * WIDTH,
			.outcome = (enum bl_outcome)h->outcome[i],
			.windows = 1,
		};
	}
	return n;
}

/* All sections between FALSE windows of [from, to), of which `to` is one or the end of all. */
static void
by_sections(
    const struct history *h, int from, int to, uint32_t need, uint64_t *seed, struct intervals *out)
{
	for (int i = from; i < to;) {
		struct bl_run runs[WINDOWS];
		int end = i;

		while (end < WINDOWS && h->outcome[end] != BL_OUTCOME_FALSE)
			end++;
		out->n += bl_rule_section(runs, runs_of(h, i, end, seed, runs), need,
		    end < WINDOWS ? (int64_t)end * WIDTH : BL_RULE_OPEN, &out->at[out->n]);
		i = end + 1;
	}
}

static void
assert_same(const struct intervals *a, const struct intervals *b, uint64_t seed)
{
	bool same = a->n == b->n;

	for (size_t i = 0; same && i < a->n; i++)
		same = a->at[i].begin_unix_ms == b->at[i].begin_unix_ms &&
		       a->at[i].end_unix_ms == b->at[i].end_unix_ms &&
		       a->at[i].last_true_unix_ms == b->at[i].last_true_unix_ms;
	if (!same)
		fail_msg("seed %llu: %zu and %zu intervals", (unsigned long long)seed, a->n, b->n);
}

static void
sections_say_what_the_book_says(void **state)
{
	(void)state;
	for (uint64_t round = 0; round < 20000; round++) {
		uint64_t seed = round;
		const struct history h = any_history(&seed);
		const uint32_t need = 1 + (uint32_t)(pure_next(&seed) % 5);
		struct intervals book, got = { .n = 0 };

		by_the_book(&h, need, &book);
		by_sections(&h, 0, WINDOWS, need, &seed, &got);
		assert_same(&book, &got, round);
	}
}

/*
 * A stretch of windows changes: working out anew from the FALSE before it to the
 * FALSE behind it, and keeping the rest, gives the whole.
 */
static void
a_correction_reaches_no_further_than_its_section(void **state)
{
	(void)state;
	for (uint64_t round = 0; round < 20000; round++) {
		uint64_t seed = round + 50000;
		struct history h = any_history(&seed);
		const struct history other = any_history(&seed);
		const uint32_t need = 1 + (uint32_t)(pure_next(&seed) % 5);
		int from = (int)(pure_next(&seed) % WINDOWS), to = from;
		struct intervals before, whole, got = { .n = 0 };

		by_the_book(&h, need, &before);
		for (; to < WINDOWS && pure_next(&seed) % 6 != 0; to++)
			h.outcome[to] = other.outcome[to];
		while (from > 0 && h.outcome[from - 1] != BL_OUTCOME_FALSE)
			from--;
		while (to < WINDOWS && h.outcome[to] != BL_OUTCOME_FALSE)
			to++;
		for (size_t i = 0; i < before.n; i++)
			if (before.at[i].end_unix_ms <= (int64_t)from * WIDTH)
				got.at[got.n++] = before.at[i];
		by_sections(&h, from, to, need, &seed, &got);
		for (size_t i = 0; i < before.n; i++)
			if (before.at[i].begin_unix_ms >= (int64_t)to * WIDTH)
				got.at[got.n++] = before.at[i];
		by_the_book(&h, need, &whole);
		assert_same(&whole, &got, round);
	}
}

/* ---- incidents ---- */

struct incident {
	int64_t begin, end, merged_into;
	bool live;
};

struct incidents {
	struct incident at[4 * WINDOWS]; /* id - 1 */
	int64_t n;
};

static int
by_begin(const void *a, const void *b)
{
	const struct bl_match_old *x = a, *y = b;

	return (x->begin_unix_ms > y->begin_unix_ms) - (x->begin_unix_ms < y->begin_unix_ms);
}

static size_t
live_ones(const struct incidents *all, struct bl_match_old *out)
{
	size_t n = 0;

	for (int64_t i = 0; i < all->n; i++)
		if (all->at[i].live)
			out[n++] = (struct bl_match_old){ i + 1, all->at[i].begin, all->at[i].end };
	qsort(out, n, sizeof(*out), by_begin);
	return n;
}

/* One step of reconciliation, and what must hold of it. */
static void
reconcile(struct incidents *all, const struct intervals *now)
{
	struct bl_match_old old[WINDOWS];
	struct bl_match out[2 * WINDOWS];
	const size_t n_old = live_ones(all, old);
	const size_t n = bl_rule_match(old, n_old, now->at, now->n, out);
	bool told[4 * WINDOWS] = { false };

	for (size_t i = 0; i < n; i++) {
		struct incident *at;

		if (out[i].kind == BL_MATCH_NEW)
			out[i].id = ++all->n;
		assert_in_range(out[i].id, 1, 4 * WINDOWS);
		at = &all->at[out[i].id - 1];
		assert_false(told[out[i].id - 1]);
		told[out[i].id - 1] = true;
		switch (out[i].kind) {
		case BL_MATCH_SAME:
			assert_true(at->begin == now->at[out[i].interval].begin_unix_ms);
			assert_true(at->end == now->at[out[i].interval].end_unix_ms);
			break;
		case BL_MATCH_NEW:
		case BL_MATCH_AMEND:
			*at = (struct incident){ now->at[out[i].interval].begin_unix_ms,
				now->at[out[i].interval].end_unix_ms, 0, true };
			break;
		case BL_MATCH_MERGE:
			/* Into an older one that lives, and that was told of before. */
			assert_true(out[i].into < out[i].id && told[out[i].into - 1]);
			assert_true(all->at[out[i].into - 1].live);
			at->live = false;
			at->merged_into = out[i].into;
			break;
		case BL_MATCH_WITHDRAW:
			at->live = false;
			break;
		}
	}
	for (size_t i = 0; i < n_old; i++)
		assert_true(told[old[i].id - 1]);
}

static void
assert_incidents(const struct incidents *all, const struct intervals *want, uint64_t seed)
{
	struct bl_match_old live[WINDOWS];
	const size_t n = live_ones(all, live);

	if (n != want->n)
		fail_msg("seed %llu: %zu incidents for %zu intervals", (unsigned long long)seed, n,
		    want->n);
	for (size_t i = 0; i < n; i++)
		assert_true(live[i].begin_unix_ms == want->at[i].begin_unix_ms &&
			    live[i].end_unix_ms == want->at[i].end_unix_ms);
}

/*
 * The windows of one history become known in any order, in pieces: after each piece
 * the incidents are those of what is known, and at the end those of the whole.
 */
static void
arrival_order_does_not_show_in_incidents(void **state)
{
	(void)state;
	for (uint64_t round = 0; round < 3000; round++) {
		uint64_t seed = round + 900000;
		const struct history truth = any_history(&seed);
		const uint32_t need = 1 + (uint32_t)(pure_next(&seed) % 4);
		struct incidents all = { .n = 0 };
		struct history known;
		struct intervals now;
		double order[WINDOWS];

		for (int i = 0; i < WINDOWS; i++) {
			known.outcome[i] = ABSENT;
			order[i] = i;
		}
		pure_shuffle(order, WINDOWS, &seed);
		for (int i = 0; i < WINDOWS; i++) {
			known.outcome[(int)order[i]] = truth.outcome[(int)order[i]];
			if (i + 1 < WINDOWS && pure_next(&seed) % 3 != 0)
				continue;
			now.n = 0;
			by_sections(&known, 0, WINDOWS, need, &seed, &now);
			reconcile(&all, &now);
			assert_incidents(&all, &now, round);
			/* Once more changes nothing. */
			reconcile(&all, &now);
			assert_incidents(&all, &now, round);
		}
		by_the_book(&truth, need, &now);
		assert_incidents(&all, &now, round);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(thresholds_follow_their_table),
		cmocka_unit_test(what_is_no_number_is_unknown),
		cmocka_unit_test(ops_have_names),
		cmocka_unit_test(sections_follow_their_table),
		cmocka_unit_test(matches_follow_their_table),
		cmocka_unit_test(notices_follow_their_table),
		cmocka_unit_test(sections_say_what_the_book_says),
		cmocka_unit_test(a_correction_reaches_no_further_than_its_section),
		cmocka_unit_test(arrival_order_does_not_show_in_incidents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
