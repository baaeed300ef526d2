/*
 * Cases are what their events say, in order of time: whatever the order and the
 * grouping in which they came, and however often.
 */
#include "cases_kit.h"

/* ---- tables ---- */

struct scene {
	const char *name, *events, *expected;
};

static const struct scene scenes[] = {
	{ "a step that began and has not ended", "d1 10 begin 7 review",
	    "north/default/7 10.. [] 1 {}\n"
	    "  review d1 10.. {}\n" },
	{ "steps follow each other; the last of the process ends the case",
	    "d1 10 begin 7 review process=order\n"
	    "d1 20 end 7 review process=order\n"
	    "d2 30 begin 7 ship process=order\n"
	    "d2 60 end 7 ship process=order",
	    "north/order/7 10..60 [] 4 {}\n"
	    "  review d1 10..20 {}\n"
	    "  ship d2 30..60 {}\n" },
	{ "the version that is in force when the case begins counts",
	    "d1 5000 begin 7 ship process=order\n"
	    "d1 5010 end 7 ship process=order\n"
	    "d1 5020 end 7 pack process=order",
	    "north/order/7 5000..5020 [] 3 {}\n"
	    "  ship d1 5000..5010 {}\n"
	    "  pack d1 ..5020 {}\n" },
	{ "a status ends the case of any process",
	    "d1 10 event 7 - status=new amount=12.5\n"
	    "d1 20 event 7 - status=cancelled",
	    "north/default/7 10..20 [cancelled] 2 {\"amount\":12.5,\"status\":\"cancelled\"}\n" },
	{ "a process of its own rule ends by that alone",
	    "d1 10 event 7 - process=visit status=completed guests=1\n"
	    "d1 20 end 7 bye process=visit\n"
	    "d1 30 event 7 - process=visit guests=2\n"
	    "d1 40 end 7 bye process=visit",
	    "north/visit/7 10..40 [completed] 4 {\"guests\":2,\"status\":\"completed\"}\n"
	    "  bye d1 ..20 {\"guests\":1,\"status\":\"completed\"}\n"
	    "  bye d1 ..40 {\"guests\":2,\"status\":\"completed\"}\n" },
	{ "an end closes what the same device began last, else what any did",
	    "d1 10 begin 7 pick\n"
	    "d2 20 begin 7 pick\n"
	    "d1 30 begin 7 pick\n"
	    "d2 40 begin 7 pick\n"
	    "d1 50 end 7 pick\n"
	    "d1 60 end 7 pick\n"
	    "d1 70 end 7 pick",
	    "north/default/7 10.. [] 7 {}\n"
	    "  pick d1 10..60 {}\n"
	    "  pick d2 20.. {}\n"
	    "  pick d1 30..50 {}\n"
	    "  pick d1 40..70 {}\n" },
	{ "an end without a begin is a step of its own",
	    "d1 10 end 7 pick\n"
	    "d1 20 begin 7 pick",
	    "north/default/7 10.. [] 2 {}\n"
	    "  pick d1 ..10 {}\n"
	    "  pick d1 20.. {}\n" },
	{ "steps that are open when the case ends stay open; what comes after changes no step",
	    "d1 10 begin 7 pick\n"
	    "d1 20 event 7 - status=done\n"
	    "d1 30 end 7 pick rating=5\n"
	    "d1 40 begin 7 pick\n"
	    "d1 50 event 7 - status=new",
	    "north/default/7 10..20 [new] 5 {\"rating\":5,\"status\":\"new\"}\n"
	    "  pick d1 10.. {\"status\":\"done\"}\n" },
	{ "attributes of a step are the case's at its end",
	    "d1 10 event 7 - priority=high big=true\n"
	    "d1 20 begin 7 pick who=ann\n"
	    "d1 30 end 7 pick who=bob\n"
	    "d1 40 event 7 - priority=low who=null",
	    "north/default/7 10.. [] 4 {\"big\":true,\"priority\":\"low\",\"who\":null}\n"
	    "  pick d1 20..30 {\"big\":true,\"priority\":\"high\",\"who\":\"bob\"}\n" },
	{ "the same time is ordered by device, then as the device put it",
	    "d2 10 event 7 - x=2\n"
	    "d1 10 event 7 - y=2\n"
	    "d1 10 event 7 - x=1 y=1",
	    "north/default/7 10.. [] 3 {\"x\":2,\"y\":1}\n" },
	{ "a number is a case's name, too",
	    "d1 10 event 7 - a=1\n"
	    "d2 20 event 7.0 - a=2",
	    "north/default/7 10.. [] 2 {\"a\":2}\n" },
	{ "a case belongs to the site where the device was in service then",
	    "d3 200 event 7 - a=1\n"
	    "d3 600 event 7 - a=2",
	    "north/default/7 200.. [] 1 {\"a\":1}\n"
	    "south/default/7 600.. [] 1 {\"a\":2}\n" },
	{ "devices of a site work on one case, in time that is not theirs",
	    "d1 30 end 7 pick\n"
	    "d2 10 begin 7 pick",
	    "north/default/7 10.. [] 2 {}\n"
	    "  pick d1 10..30 {}\n" },
};

static void
cases_are_what_their_events_say(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		struct text t;

		deliver(f, 1, scenes[i].events);
		t = all(f, false);
		if (strcmp(t.p, scenes[i].expected) != 0)
			fail_msg("%s:\n%s", scenes[i].name, t.p);
		free(t.p);
		forget_all(f);
	}
}

/* ---- what belongs here ---- */

static void
other_events_are_left_alone_and_bad_ones_refused(void **state)
{
	static const struct {
		const char *line;
		int taken;
		uint64_t refused;
	} table[] = {
		{ "d1 10 begin 7 pick", 1, 0 }, { "d1 10 event 7 -", 1, 0 },
		{ "d1 10 paused 7 pick", 0, 0 }, { "d1 10 begin - pick", 0, 1 },
		{ "d1 10 begin 7 -", 0, 1 }, { "d1 10 end 7 -", 0, 1 },
		{ "d1 10 end 7 - step=true", 0, 1 }, { "d1 10 event 7 - process=Not.An.Id", 0, 1 },
		{ "d1 10 event 7 - process=", 0, 1 }, { "d1 10 event - - case=null", 0, 1 },
		{ "d1 10 event - - case=true", 0, 1 },
		{ "d1 10 event "
		  "x123456789x123456789x123456789x123456789x123456789x123456789x123456789x12345678"
		  "9x123456789x123456789x123456789x123456789x1234567 -",
		    1, 0 }, /* 128 bytes */
		{ "d1 10 event "
		  "x123456789x123456789x123456789x123456789x123456789x123456789x123456789x12345678"
		  "9x123456789x123456789x123456789x123456789x12345678+ -",
		    0, 1 },
		{ "d3 99 event 7 -", 0, 1 },     /* in service from 100 on */
		{ "nobody 10 event 7 -", 0, 1 }, /* never heard of */
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		deliver(f, (int64_t)i + 1, table[i].line);
		if (f->taken != table[i].taken || f->refused != table[i].refused)
			fail_msg("%s: taken %d, refused %llu", table[i].line, f->taken,
			    (unsigned long long)f->refused);
	}
}

static void
an_event_counts_once(void **state)
{
	static const char twice[] = "d1 10 begin 7 pick a=1 b=2 id=x\nd1 20 end 7 pick";
	static const char *const other[] = {
		"d1 10 begin 7 pick a=1 b=2 id=y", /* the caller says that it is another one */
		"d1 10 begin 7 pick a=1 b=3 id=x",
		"d1 11 begin 7 pick a=1 b=2 id=x",
		"d2 10 begin 7 pick a=1 b=2 id=x",
	};
	struct fixture *f = *state;
	struct text first, t;

	deliver(f, 1, twice);
	first = all(f, true);
	/* The same batch. */
	deliver(f, 1, twice);
	assert_int_equal(f->taken, 2);
	assert_int_equal(f->n_changes, 0);
	/* Cut again under another spool id: other batches, other places in them. */
	deliver(f, 2, "d1 20 end 7 pick\nd1 10 begin 7 pick b=2 a=1 id=x");
	assert_int_equal(f->n_changes, 0);
	t = all(f, true);
	assert_string_equal(first.p, t.p);
	free(t.p);
	free(first.p);
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		deliver(f, 10 + (int64_t)i, other[i]);
		assert_int_equal(f->n_changes, 1);
	}
}

static void
another_store_changes_nothing_and_hides_nothing(void **state)
{
	struct fixture *f = *state;
	struct bl_err err = { 0 };
	struct text first, t;

	deliver(f, 1, "d1 10 begin 7 pick\nd1 20 end 7 pick");
	deliver(f, 2, "d2 30 event 7 - a=1");
	first = all(f, true);
	for (int store = 0; store < 2; store++) {
		must(cases_new_epoch(f->db, &err), &err);
		/* What batch 2 was is batch 1 there, and the other one was lost. */
		deliver(f, 1, "d2 30 event 7 - a=1");
		assert_int_equal(f->n_changes, 0);
		t = all(f, true);
		assert_string_equal(first.p, t.p);
		free(t.p);
	}
	/* Another event at the place of an old one is another event. */
	deliver(f, 2, "d2 30 event 7 - a=2");
	assert_int_equal(f->n_changes, 1);
	free(first.p);
	assert_cases(f, "north/default/7 10.. [] 4 {\"a\":2}\n"
			"  pick d1 10..20 {}\n");
}

static void
an_event_that_is_placed_anew_moves(void **state)
{
	struct fixture *f = *state;

	deliver(f, 1, "d1 10 begin 7 pick boot=5\nd1 20 end 7 pick boot=15");
	deliver(f, 1, "d1 1010 begin 7 pick boot=5\nd1 1020 end 7 pick boot=15");
	assert_cases(f, "north/default/7 1010.. [] 2 {}\n"
			"  pick d1 1010..1020 {}\n");
	assert_int_equal(f->change[0].touched_begin_unix_ms, 20);
	assert_int_equal(f->change[0].touched_end_unix_ms, 1021);
}

static void
an_event_follows_its_device_to_another_site(void **state)
{
	struct fixture *f = *state;
	struct bl_err err = { 0 };
	struct text t = { .db = f->db };
	int64_t no;

	deliver(f, 1, "d3 200 begin 7 pick\nd3 300 end 7 pick");
	no = only_no(f);
	/* Somebody corrects since when d3 has been in the south. */
	run(f, "DELETE FROM service WHERE device = 'd3'");
	run(f, "INSERT INTO service VALUES ('d3', 150, NULL, 'south')");
	load_roster(f);
	deliver(f, 1, "d3 200 begin 7 pick\nd3 300 end 7 pick");
	assert_cases(f, "south/default/7 200.. [] 2 {}\n"
			"  pick d3 200..300 {}\n");
	assert_int_equal(f->n_changes, 2);
	assert_int_equal(f->change[0].no, no);
	assert_true(f->change[0].gone && !f->change[1].gone);
	assert_string_equal(f->change[0].site, "north");
	assert_int_equal(f->change[0].touched_begin_unix_ms, 300);
	assert_int_equal(f->change[0].touched_end_unix_ms, 301);
	assert_int_equal(cases_get(f->db, no, say_case, &t, &err), BL_ENOTFOUND);
	/* And to nowhere. */
	run(f, "DELETE FROM service WHERE device = 'd3'");
	load_roster(f);
	deliver(f, 1, "d3 200 begin 7 pick\nd3 300 end 7 pick");
	assert_int_equal(f->refused, 2);
	assert_cases(f, "");
}

/* ---- what is touched ---- */

static void
a_change_tells_the_windows_that_it_touches(void **state)
{
	static const struct {
		const char *events;
		size_t changes;
		int64_t begin, end;
	} table[] = {
		{ "d1 100 begin 7 pick", 1, 0, 0 },
		{ "d1 200 end 7 pick", 1, 200, 201 },
		{ "d1 150 event 7 - a=1", 1, 200, 201 }, /* what the step has at its end */
		{ "d1 250 event 7 - a=2", 1, 0, 0 },
		{ "d1 50 begin 7 pack", 1, 0, 0 },
		{ "d2 180 end 7 pick", 1, 180, 201 }, /* the other end has nothing to close now */
		{ "d1 300 event 7 - status=done", 1, 300, 301 },
		{ "d1 400 event 7 - note=late", 1, 300, 301 },   /* the case's attributes */
		{ "d1 190 event 7 - status=done", 1, 190, 301 }, /* the end moves; a step goes */
		{ "d1 190 event 7 - status=done", 0, 0, 0 },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		deliver(f, (int64_t)i + 1, table[i].events);
		assert_int_equal(f->n_changes, table[i].changes);
		if (f->n_changes > 0 && (f->change[0].touched_begin_unix_ms != table[i].begin ||
					    f->change[0].touched_end_unix_ms != table[i].end))
			fail_msg("%s: [%lld, %lld)", table[i].events,
			    (long long)f->change[0].touched_begin_unix_ms,
			    (long long)f->change[0].touched_end_unix_ms);
	}
	assert_string_equal(f->change[0].process, "default");
}

/* ---- any order, any grouping ---- */

#define HISTORY 250

struct happened {
	char line[160];
	int64_t device; /* for its batches */
	uint32_t n;     /* in what the device wrote */
};

static uint64_t
next(uint64_t *random)
{
	*random = *random * 6364136223846793005u + 1442695040888963407u;
	return *random >> 33;
}

/* Three devices, few cases, few instants: so that times, steps and cases meet. */
static size_t
make_history(struct happened *h, uint64_t *random)
{
	static const char *const type[] = { "begin", "end", "event" };
	static const char *const process[] = { "order", "visit", "default" };
	static const char *const step[] = { "review", "ship", "bye" };
	static const char *const more[] = { "", " a=1", " a=2 b=x", " status=new", " guests=2",
		" status=done", " status=left", " a=null" };
	size_t n = 0;

	while (n < HISTORY) {
		const uint64_t device = next(random) % 3 + 1;

		h[n].device = (int64_t)device;
		h[n].n = (uint32_t)n;
		(void)snprintf(h[n].line, sizeof(h[n].line), "d%d %d %s c%d %s process=%s%s",
		    (int)device,
		    (int)(next(random) % 60) * 10 + (next(random) % 4 == 0 ? 4900 : 100),
		    type[next(random) % 3], (int)(next(random) % 5), step[next(random) % 3],
		    process[next(random) % 3], more[next(random) % 8]);
		n++;
		/* Now and then it comes again, from another spool. */
		if (n < HISTORY && next(random) % 8 == 0) {
			h[n] = h[n - 1];
			h[n].n = (uint32_t)n;
			n++;
		}
	}
	return n;
}

static void
deliver_in_pieces(struct fixture *f, const struct happened *h, size_t n, uint64_t *random)
{
	for (size_t i = 0, piece = 0; i < n; piece++) {
		struct cases_changes l = { 0 };

		run(f, "BEGIN IMMEDIATE");
		for (size_t k = next(random) % 40 + 1; k > 0 && i < n; k--, i++)
			take_line(f, &l, h[i].line, strlen(h[i].line),
			    (int64_t)piece * 10 + h[i].device, h[i].n);
		settle(f, &l);
		run(f, "COMMIT");
		cases_changes_free(&l);
	}
}

static void
order_and_grouping_do_not_show(void **state)
{
	struct fixture *f = *state;
	struct happened h[HISTORY];
	uint64_t random = 20261128;
	const size_t n = make_history(h, &random);
	const unsigned n_rounds = rounds(50, 400);
	struct text first = { 0 };

	for (unsigned round = 0; round < n_rounds; round++) {
		struct text t;

		deliver_in_pieces(f, h, n, &random);
		t = all(f, true);
		if (round == 0)
			first = t;
		else if (strcmp(first.p, t.p) != 0)
			fail_msg("round %u differs", round);
		if (round > 0)
			free(t.p);
		forget_all(f);
		for (size_t i = n; i-- > 1;) {
			const size_t k = (size_t)next(&random) % (i + 1);
			const struct happened x = h[i];

			h[i] = h[k];
			h[k] = x;
		}
	}
	assert_true(first.len > 8000);
	free(first.p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(cases_are_what_their_events_say, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    other_events_are_left_alone_and_bad_ones_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(an_event_counts_once, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    another_store_changes_nothing_and_hides_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    an_event_that_is_placed_anew_moves, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    an_event_follows_its_device_to_another_site, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_change_tells_the_windows_that_it_touches, setup, teardown),
		cmocka_unit_test_setup_teardown(order_and_grouping_do_not_show, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
