/* The history of a link as spans (store_link.c), as tables: times in minutes, spans as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "branchline/wire.h"

#include "store_link.h"

#define MIN  INT64_C(60000)
#define THIN BL_GAP_THINNED
#define ROWS 6

/* begin, end, first and last arrival */
struct came {
	int begin, end, first, last;
};
struct missing {
	int begin, end, reason;
};
struct time {
	int from, to;
};

static const struct {
	const char *name;
	struct came came[ROWS];    /* until one of no length */
	struct missing hole[ROWS]; /* likewise */
	struct time thinned[ROWS], service[ROWS];
	int from, to, now;
	int asked_ms; /* before now: whoever asks has a clock of its own, and a way to here */
	bool offline;
	struct time waiting;
	const char *expect;
} cases[] = {
	{ .name = "live batches are online",
	    .came = { { 0, 3, 1, 3 }, { 3, 6, 4, 6 }, { 6, 10, 7, 10 } },
	    .to = 10,
	    .now = 10,
	    .expect = "0-10 online" },
	{ .name = "what came hours later was filled in",
	    .came = { { 0, 10, 1, 10 }, { 10, 60, 90, 91 }, { 60, 100, 62, 100 } },
	    .to = 100,
	    .now = 100,
	    .expect = "0-10 online, 10-60 filled_in @91, 60-100 online" },
	{ .name = "of one long batch the last minutes came at once",
	    .came = { { 0, 60, 60, 60 } },
	    .to = 60,
	    .now = 60,
	    .expect = "0-57 filled_in @60, 57-60 online" },
	{ .name = "exactly late is not late yet",
	    .came = { { 0, 3, 3, 3 }, { 3, 7, 7, 7 } },
	    .to = 7,
	    .now = 7,
	    .expect = "0-3 online, 3-4 filled_in @7, 4-7 online" },
	{ .name = "pieces of one outage are one span, with the last arrival",
	    .came = { { 0, 20, 90, 91 }, { 20, 40, 94, 95 }, { 40, 60, 92, 93 } },
	    .to = 60,
	    .now = 100,
	    .expect = "0-60 filled_in @95" },
	{ .name = "a clock that runs ahead makes nothing late",
	    .came = { { 10, 20, 5, 6 } },
	    .from = 10,
	    .to = 20,
	    .now = 20,
	    .expect = "10-20 online" },
	{ .name = "the ledger's reasons are gaps",
	    .came = { { 0, 10, 1, 10 }, { 30, 40, 31, 40 } },
	    .hole = { { 10, 20, BL_GAP_OFF }, { 20, 30, BL_GAP_EVICTED } },
	    .to = 40,
	    .now = 40,
	    .expect = "0-10 online, 10-20 gap off, 20-30 gap evicted, 30-40 online" },
	{ .name = "what the device still holds is waited for",
	    .came = { { 0, 10, 1, 10 }, { 30, 40, 31, 40 } },
	    .hole = { { 10, 30, STORE_GAP_HELD } },
	    .to = 40,
	    .now = 40,
	    .expect = "0-10 online, 10-30 waiting, 30-40 online" },
	{ .name = "no coverage and no reason: nobody knows",
	    .came = { { 0, 10, 1, 10 }, { 30, 40, 31, 40 } },
	    .hole = { { 10, 30, STORE_GAP_NOT_ARRIVED } },
	    .to = 40,
	    .now = 40,
	    .expect = "0-10 online, 10-30 unknown, 30-40 online" },
	{ .name = "the newest is under way while the device is there",
	    .came = { { 0, 10, 1, 10 } },
	    .hole = { { 10, 12, STORE_GAP_NOT_ARRIVED } },
	    .to = 12,
	    .now = 12,
	    .expect = "0-12 online" },
	{ .name = "but not for long",
	    .came = { { 0, 10, 1, 10 } },
	    .hole = { { 10, 14, STORE_GAP_NOT_ARRIVED } },
	    .to = 14,
	    .now = 14,
	    .expect = "0-10 online, 10-14 unknown" },
	{ .name = "a device that is away: nobody knows what it does",
	    .came = { { 0, 10, 1, 10 } },
	    .hole = { { 10, 12, STORE_GAP_NOT_ARRIVED } },
	    .to = 12,
	    .now = 12,
	    .offline = true,
	    .expect = "0-10 online, 10-12 unknown offline" },
	{ .name = "a hole of the past is not the present's",
	    .came = { { 0, 10, 1, 10 } },
	    .hole = { { 10, 12, STORE_GAP_NOT_ARRIVED } },
	    .to = 12,
	    .now = 99,
	    .offline = true,
	    .expect = "0-10 online, 10-12 unknown" },
	{ .name = "held back since: it waits from there on",
	    .came = { { 0, 10, 1, 10 } },
	    .hole = { { 10, 60, STORE_GAP_NOT_ARRIVED } },
	    .to = 60,
	    .now = 60,
	    .waiting = { 20, 60 },
	    .expect = "0-10 online, 10-20 unknown, 20-60 waiting" },
	{ .name = "of a device that went away only what it said is waited for",
	    .came = { { 0, 10, 1, 10 } },
	    .hole = { { 10, 60, STORE_GAP_NOT_ARRIVED } },
	    .to = 60,
	    .now = 60,
	    .offline = true,
	    .waiting = { 5, 30 },
	    .expect = "0-10 online, 10-30 waiting, 30-60 unknown offline" },
	{ .name = "there is no future",
	    .came = { { 0, 10, 1, 10 } },
	    .hole = { { 10, 90, STORE_GAP_NOT_ARRIVED } },
	    .to = 90,
	    .now = 20,
	    .expect = "0-10 online, 10-20 unknown" },
	{ .name = "thinned is said of what came, and waited for where it did not",
	    .came = { { 0, 40, 90, 91 }, { 50, 60, 51, 60 } },
	    .hole = { { 40, 50, THIN } },
	    .thinned = { { 10, 20 }, { 30, 50 } },
	    .to = 60,
	    .now = 100,
	    .expect = "0-10 filled_in @91, 10-20 thinned @91, 20-30 filled_in @91,"
		      " 30-40 thinned @91, 40-50 waiting, 50-60 online" },
	{ .name = "the newest is under way, asked a moment ago",
	    .came = { { 0, 10, 1, 10 } },
	    .hole = { { 10, 12, STORE_GAP_NOT_ARRIVED } },
	    .to = 12,
	    .now = 12,
	    .asked_ms = 900,
	    .expect = "0-12 online" },
	{ .name = "of a device that went away, asked a moment ago",
	    .came = { { 0, 10, 1, 10 } },
	    .hole = { { 10, 12, STORE_GAP_NOT_ARRIVED } },
	    .to = 12,
	    .now = 12,
	    .asked_ms = 9900,
	    .offline = true,
	    .expect = "0-10 online, 10-12 unknown offline" },
	{ .name = "a range that ended some time ago says nothing of the present",
	    .came = { { 0, 10, 1, 10 } },
	    .hole = { { 10, 12, STORE_GAP_NOT_ARRIVED } },
	    .to = 12,
	    .now = 12,
	    .asked_ms = 20000,
	    .expect = "0-10 online, 10-12 unknown" },
	{ .name = "nothing is waited for from outside of the service",
	    .came = { { 30, 40, 31, 40 } },
	    .hole = { { 0, 30, STORE_GAP_HELD } },
	    .service = { { 20, 50 } },
	    .to = 40,
	    .now = 40,
	    .expect = "0-20 unknown not_in_service, 20-30 waiting, 30-40 online" },
	{ .name = "before and after the service nothing was expected",
	    .came = { { 30, 40, 31, 40 } },
	    .hole = { { 0, 30, STORE_GAP_NOT_ARRIVED }, { 40, 60, STORE_GAP_NOT_ARRIVED } },
	    .service = { { 20, 50 } },
	    .to = 60,
	    .now = 60,
	    .offline = true,
	    .expect = "0-20 unknown not_in_service, 20-30 unknown, 30-40 online,"
		      " 40-50 unknown offline, 50-60 unknown not_in_service" },
	{ .name = "rows that overlap count once",
	    .came = { { 0, 10, 1, 10 }, { 5, 20, 90, 90 } },
	    .to = 20,
	    .now = 100,
	    .expect = "0-10 online, 10-20 filled_in @90" },
	{ .name = "rows that reach out of the range are cut",
	    .came = { { 0, 100, 900, 900 } },
	    .from = 40,
	    .to = 60,
	    .now = 1000,
	    .expect = "40-60 filled_in @900" },
	{ .name = "nothing was asked for", .from = 10, .to = 10, .now = 20, .expect = "" },
};

static char *
text_of(const struct store_link_spans *l, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < l->n && n < size; i++) {
		const struct store_link_span *s = &l->s[i];
		const bool late =
		    s->state == STORE_LINK_FILLED_IN || s->state == STORE_LINK_THINNED;

		n += (size_t)snprintf(out + n, size - n, "%s%lld-%lld %s", i > 0 ? ", " : "",
		    (long long)(s->from_unix_ms / MIN), (long long)(s->to_unix_ms / MIN),
		    store_link_state_name(s->state));
		if (s->reason != 0)
			n += (size_t)snprintf(
			    out + n, size - n, " %s", store_gap_reason_name(s->reason));
		if (late)
			n += (size_t)snprintf(
			    out + n, size - n, " @%lld", (long long)(s->arrived_unix_ms / MIN));
	}
	return out;
}

static size_t
times(const struct time *t, struct store_link_time *out)
{
	size_t n = 0;

	for (; n < ROWS && t[n].to > t[n].from; n++)
		out[n] = (struct store_link_time){ t[n].from * MIN, t[n].to * MIN };
	return n;
}

static void
spans_say_what_happened(void **state)
{
	char text[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct store_link_came came[ROWS];
		struct store_span hole[ROWS];
		struct store_link_time thinned[ROWS], service[ROWS];
		struct store_link_spans out = { 0 };
		struct store_link_facts f = {
			.from = cases[i].from * MIN,
			.to = cases[i].to * MIN,
			.now = cases[i].now * MIN + cases[i].asked_ms,
			.late_ms = 3 * MIN,
			.came = came,
			.hole = hole,
			.thinned = thinned,
			.online = !cases[i].offline,
			.waiting = { cases[i].waiting.from * MIN, cases[i].waiting.to * MIN },
		};

		for (const struct came *c = cases[i].came; c->end > c->begin; c++)
			came[f.n_came++] = (struct store_link_came){ c->begin * MIN, c->end * MIN,
				c->first * MIN, c->last * MIN };
		for (const struct missing *h = cases[i].hole; h->end > h->begin; h++)
			hole[f.n_holes++] =
			    (struct store_span){ h->begin * MIN, h->end * MIN, h->reason };
		f.n_thinned = times(cases[i].thinned, thinned);
		f.n_service = times(cases[i].service, service);
		f.service = f.n_service > 0 ? service : NULL;
		assert_int_equal(store_link_build(&f, &out), BL_OK);
		if (strcmp(text_of(&out, text, sizeof(text)), cases[i].expect) != 0)
			fail_msg(
			    "%s:\n  %s\ninstead of\n  %s", cases[i].name, text, cases[i].expect);
		store_link_free(&out);
	}
}

/* Neighbours of one boot are placed by two segments: half a second is nobody's. */
static void
splinters_of_the_clock_map_leave_nothing_open(void **state)
{
	const struct store_link_came came[] = { { 0, 10 * MIN - 500, MIN, MIN },
		{ 10 * MIN, 20 * MIN, 90 * MIN, 90 * MIN } };
	const struct store_link_facts f = {
		.to = 20 * MIN, .now = 20 * MIN, .late_ms = 3 * MIN, .came = came, .n_came = 2
	};
	struct store_link_spans out = { 0 };

	(void)state;
	assert_int_equal(store_link_build(&f, &out), BL_OK);
	assert_int_equal(out.n, 2);
	assert_int_equal(out.s[0].to_unix_ms, out.s[1].from_unix_ms);
	store_link_free(&out);
}

/* ---- lists -------------------------------------------------------------- */

/* "online 10 gap 20 ...": each until that minute, from 0. */
static void
list_of(const char *text, struct store_link_spans *l)
{
	char word[16];
	int64_t at = 0;
	int until, used;

	memset(l, 0, sizeof(*l));
	l->s = calloc(32, sizeof(*l->s));
	assert_non_null(l->s);
	l->size = 32;
	for (; sscanf(text, "%15s %d %n", word, &until, &used) == 2; text += used) {
		struct store_link_span *s = &l->s[l->n++];
		int state = 0;

		while (strcmp(store_link_state_name((enum store_link_state)state), word) != 0)
			state++;
		*s = (struct store_link_span){ at, until * MIN, (enum store_link_state)state,
			state == STORE_LINK_GAP ? BL_GAP_OFF : 0,
			state == STORE_LINK_FILLED_IN ? until * 10 * MIN : STORE_TIME_NONE,
			until * MIN - at };
		at = until * MIN;
	}
}

static const struct {
	const char *list[3], *expect;
} combined[] = {
	{ { "online 60", "online 60", "online 60" }, "0-60 online" },
	{ { "online 60", "online 20 gap 30 online 60", "online 60" },
	    "0-20 online, 20-30 gap off, 30-60 online" },
	{ { "online 60", "filled_in 30 online 60", "filled_in 20 online 60" },
	    "0-30 filled_in @300, 30-60 online" },
	{ { "gap 60", "waiting 60", "unknown 60" }, "0-60 gap off" },
	{ { "online 60", "waiting 60", "thinned 60" }, "0-60 waiting" },
	/* Nothing at all is known of the probes: there are none. */
	{ { "online 60", "unknown 60", "online 60" }, "0-60 online" },
	{ { "unknown 60", "unknown 60", "unknown 60" }, "0-60 unknown" },
	{ { "online 30 unknown 60", "online 60", "online 60" }, "0-30 online, 30-60 unknown" },
	{ { "", "", "" }, "" },
};

static void
the_worst_stream_stands_for_all(void **state)
{
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(combined) / sizeof(combined[0]); i++) {
		struct store_link_spans l[3], out = { 0 };

		for (size_t k = 0; k < 3; k++)
			list_of(combined[i].list[k], &l[k]);
		assert_int_equal(store_link_combine(l, 3, &out), BL_OK);
		assert_string_equal(text_of(&out, text, sizeof(text)), combined[i].expect);
		for (size_t k = 0; k < 3; k++)
			store_link_free(&l[k]);
		store_link_free(&out);
	}
}

/* A month of a link that comes and goes every seven minutes, with one gap in the middle of it. */
static void
a_month_is_as_small_as_an_hour(void **state)
{
	const int64_t begin = 1000 * 86400000LL + 12345, month = 30 * 86400000LL;
	const size_t n = (size_t)(month / (7 * MIN)), bad = n / 2 + 9;
	struct store_link_spans l = { calloc(n, sizeof(*l.s)), n, n };
	int64_t slot, ms[STORE_LINK_STATES], at, gap = 0, filled = 0;

	(void)state;
	assert_non_null(l.s);
	for (size_t i = 0; i < n; i++)
		l.s[i] = (struct store_link_span){ begin + (int64_t)i * 7 * MIN,
			begin + ((int64_t)i + 1) * 7 * MIN,
			i == bad ? STORE_LINK_GAP
			: i % 2  ? STORE_LINK_FILLED_IN
				 : STORE_LINK_ONLINE,
			i == bad ? BL_GAP_EVICTED : 0, STORE_TIME_NONE, 7 * MIN };
	at = l.s[bad].from_unix_ms;
	assert_int_equal(store_link_coarsen(&l, 248, &slot), BL_OK);
	assert_int_equal(slot, 3 * 3600000);
	assert_in_range(l.n, 3, 248);
	assert_int_equal(l.s[0].from_unix_ms, begin);
	assert_int_equal(l.s[l.n - 1].to_unix_ms, begin + (int64_t)n * 7 * MIN);
	for (size_t i = 1; i < l.n; i++)
		assert_int_equal(l.s[i].from_unix_ms, l.s[i - 1].to_unix_ms);
	/* Nothing bad is hidden: the gap has its slot, and no slot is only online. */
	store_link_sum(&l, ms);
	assert_int_equal(ms[STORE_LINK_GAP], slot);
	assert_int_equal(ms[STORE_LINK_ONLINE], 0);
	/* And how much of each joined stretch was so stays exact: half of the month, one of seven
	 * minutes. */
	for (size_t i = 0; i < l.n; i++)
		*(l.s[i].state == STORE_LINK_GAP ? &gap : &filled) += l.s[i].lasted_ms;
	assert_int_equal(gap, 7 * MIN);
	assert_in_range(filled, month / 2 - slot, month / 2);
	for (size_t i = 0; i < l.n; i++)
		if (l.s[i].state == STORE_LINK_GAP) {
			assert_in_range(at, l.s[i].from_unix_ms, l.s[i].to_unix_ms);
			assert_int_equal(l.s[i].from_unix_ms % slot, 0);
			assert_int_equal(l.s[i].reason, BL_GAP_EVICTED);
		}
	store_link_free(&l);
}

/* Never more than the most, whatever the length; few stay exact. */
static void
no_list_is_longer_than_asked_for(void **state)
{
	static const int64_t lengths[] = { 1500, 61000, 3600001, 86400000, 86400000LL * 400 };

	(void)state;
	for (size_t k = 0; k < sizeof(lengths) / sizeof(lengths[0]); k++)
		for (size_t n = 2; n < 1500; n += 61) {
			struct store_link_spans l = { calloc(n, sizeof(*l.s)), n, n };
			int64_t slot;

			assert_non_null(l.s);
			for (size_t i = 0; i < n; i++)
				l.s[i] = (struct store_link_span){ 77 + (int64_t)i * lengths[k],
					77 + ((int64_t)i + 1) * lengths[k],
					(enum store_link_state)(i % STORE_LINK_STATES), 0,
					STORE_TIME_NONE, lengths[k] };
			assert_int_equal(store_link_coarsen(&l, 64, &slot), BL_OK);
			assert_true(n <= 64 ? slot == 0 && l.n == n : slot > 0 && l.n <= 64);
			store_link_free(&l);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_say_what_happened),
		cmocka_unit_test(splinters_of_the_clock_map_leave_nothing_open),
		cmocka_unit_test(the_worst_stream_stands_for_all),
		cmocka_unit_test(a_month_is_as_small_as_an_hour),
		cmocka_unit_test(no_list_is_longer_than_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
