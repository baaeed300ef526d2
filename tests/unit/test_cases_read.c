/*
 * Cases within their caps, as lists and one by one, after a process is defined
 * anew, and when memory ends.
 */
#include "cases_kit.h"

/* ---- caps ---- */

static void
of_too_many_events_the_first_by_time_stay(void **state)
{
	struct fixture *f = *state;
	struct text first = { 0 }, t;

	for (int round = 0; round < 2; round++) {
		uint64_t refused = 0;

		forget_all(f);
		for (int part = 0; part < 3; part++) {
			struct cases_changes l = { 0 };

			run(f, "BEGIN IMMEDIATE");
			for (int i = 0; i < 500; i++) {
				const int at = round == 0 ? part * 500 + i : 1499 - part * 500 - i;
				char line[96];

				(void)snprintf(line, sizeof(line), "d1 %d event 7 - k%d=%d boot=%d",
				    1000 + at / 7, at % 100, at, at);
				take_line(f, &l, line, strlen(line), part + 1, (uint32_t)i);
			}
			settle(f, &l);
			run(f, "COMMIT");
			refused += l.refused;
			cases_changes_free(&l);
		}
		assert_int_equal(refused, 500);
		t = all(f, true);
		if (round == 0)
			first = t;
	}
	assert_string_equal(first.p, t.p);
	assert_non_null(strstr(t.p, " [] 1000 {"));
	/* Of the attributes the first 64 by time; the others are with their events. */
	assert_non_null(strstr(first.p, "\"k63\":963"));
	assert_null(strstr(strndupa(first.p, strcspn(first.p, "\n")), "\"k64\""));
	free(first.p);
	free(t.p);
}

static void
a_long_value_is_cut_between_characters(void **state)
{
	struct fixture *f = *state;
	char line[400] = "d1 10 event 7 - x=a", expected[400];
	struct text t;

	for (int i = 0; i < 100; i++)
		memcpy(line + strlen(line), "\xe5\xba\x97", 4); /* three bytes each */
	deliver(f, 1, line);
	(void)snprintf(expected, sizeof(expected), "north/default/7 10.. [] 1 {\"x\":\"%.256s\"}\n",
	    strchr(line, '=') + 1);
	t = all(f, false);
	assert_string_equal(t.p, expected); /* 1 + 85 * 3 = 256 */
	free(t.p);
	forget_all(f);
	line[strlen(line) - 3] = '\0';
	memmove(line + 19, line + 18, strlen(line) - 17); /* one byte more in front */
	deliver(f, 1, line);
	(void)snprintf(expected, sizeof(expected), "north/default/7 10.. [] 1 {\"x\":\"%.254s\"}\n",
	    strchr(line, '=') + 1);
	t = all(f, false);
	assert_string_equal(t.p, expected);
	free(t.p);
}

/* ---- reading ---- */

static bool
say_no(void *ctx, const struct cases_row *c)
{
	say(ctx, "%s ", c->case_id);
	return true;
}

static bool
say_first_no(void *ctx, const struct cases_row *c)
{
	(void)say_no(ctx, c);
	return false;
}

static void
lists_are_filtered_and_paged(void **state)
{
	static const struct {
		struct cases_filter f;
		const char *expected;
	} table[] = {
		{ { .to_unix_ms = INT64_MAX, .from_unix_ms = INT64_MIN, .limit = 10 },
		    "e d c b a " },
		{ { .to_unix_ms = INT64_MAX, .from_unix_ms = INT64_MIN, .limit = 2 }, "e d " },
		{ { .site = "south", .to_unix_ms = INT64_MAX, .from_unix_ms = 0, .limit = 9 },
		    "e " },
		{ { .process = "order", .to_unix_ms = INT64_MAX, .from_unix_ms = 0, .limit = 9 },
		    "c " },
		{ { .open_only = true, .to_unix_ms = INT64_MAX, .from_unix_ms = 0, .limit = 9 },
		    "e d b " },
		{ { .site = "north",
		      .open_only = true,
		      .to_unix_ms = INT64_MAX,
		      .from_unix_ms = 0,
		      .limit = 9 },
		    "d b " },
		{ { .from_unix_ms = 151, .to_unix_ms = 300, .limit = 9 }, "b " },
		{ { .from_unix_ms = 150, .to_unix_ms = 301, .limit = 9 }, "c b a " },
	};
	struct fixture *f = *state;
	struct text t = { .db = f->db };
	struct cases_filter page = {
		.to_unix_ms = INT64_MAX, .from_unix_ms = INT64_MIN, .limit = 2
	};
	struct bl_err err = { 0 };

	deliver(f, 1, "d1 100 event a -\nd1 150 event a - status=done\nd1 200 event b -");
	deliver(f, 2,
	    "d1 300 event c - process=order\nd1 350 event c - process=order status=done\n"
	    "d3 600 event e -\nd1 400 event d -");
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		t.len = 0;
		say(&t, "%s", "");
		must(cases_each(f->db, &table[i].f, say_no, &t, &err), &err);
		assert_string_equal(t.p, table[i].expected);
	}
	t.len = 0;
	must(cases_each(f->db, &page, say_first_no, &t, &err), &err);
	assert_string_equal(t.p, "e ");
	/* Behind d, which was made last. */
	page.before_no = only_no(f);
	t.len = 0;
	must(cases_each(f->db, &page, say_no, &t, &err), &err);
	assert_string_equal(t.p, "c b ");
	free(t.p);
}

static bool
say_ended(void *ctx, const struct cases_row *c, const struct cases_step *s)
{
	say(ctx, "%s", c->case_id);
	if (s != NULL)
		say(ctx, ":%s", s->step);
	say(ctx, " ");
	return true;
}

static void
what_ended_is_found_by_device_and_time(void **state)
{
	static const struct {
		const char *device;
		int64_t from, to;
		const char *steps, *cases;
	} table[] = {
		{ "d1", 0, 1000, "a:pick b:pick ", "b " },
		{ "d1", 0, 30, "a:pick ", "" },
		{ "d1", 20, 30, "a:pick ", "" },
		{ "d1", 21, 1000, "b:pick ", "b " },
		{ "d2", 0, 1000, "a:pick ", "a " },
		{ "d3", 0, 1000, "", "" },
	};
	struct fixture *f = *state;
	struct text t = { .db = f->db };
	struct bl_err err = { 0 };

	deliver(f, 1, "d1 15 begin b pick\nd1 30 end b pick\nd1 35 event b - status=done");
	/* One began nowhere: nothing is known of how long it took. */
	deliver(f, 2, "d1 10 begin a pick\nd1 20 end a pick\nd1 22 end a pack\nd1 25 begin a pick");
	deliver(f, 3, "d2 40 end a pick\nd2 50 event a - status=done");
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		t.len = 0;
		say(&t, "%s", "");
		must(cases_ended_steps(
			 f->db, table[i].device, table[i].from, table[i].to, say_ended, &t, &err),
		    &err);
		assert_string_equal(t.p, table[i].steps);
		t.len = 0;
		say(&t, "%s", "");
		must(cases_ended(
			 f->db, table[i].device, table[i].from, table[i].to, say_ended, &t, &err),
		    &err);
		assert_string_equal(t.p, table[i].cases);
	}
	free(t.p);
}

static void
attributes_are_values(void **state)
{
	static const struct {
		int64_t at;
		const char *name;
		enum bl_value_type type;
		double number;
		const char *text;
	} table[] = {
		{ 9, "status", BL_VALUE_NULL, 0, NULL }, { 10, "status", BL_VALUE_TEXT, 0, "new" },
		{ 10, "amount", BL_VALUE_NULL, 0, NULL },
		{ 20, "amount", BL_VALUE_NUMBER, 1200.25, NULL },
		{ 29, "vip", BL_VALUE_BOOL, 1, NULL }, { 30, "vip", BL_VALUE_NULL, 0, NULL },
		{ 30, "status", BL_VALUE_TEXT, 0, "paid" },
		{ INT64_MAX, "case", BL_VALUE_NULL, 0, NULL }, /* a name, no attribute */
	};
	struct fixture *f = *state;
	struct cases_attrs *a;
	struct bl_err err = { 0 };

	deliver(f, 1,
	    "d1 10 event 7 - status=new\nd1 20 event 7 - amount=1200.25 vip=true\n"
	    "d1 30 event 7 - status=paid vip=null");
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct bl_value v;

		must(cases_attrs_at(&a, f->db, only_no(f), table[i].at, &err), &err);
		cases_attr(a, table[i].name, &v);
		assert_int_equal(v.type, table[i].type);
		if (v.type == BL_VALUE_NUMBER)
			assert_true(v.number == table[i].number);
		if (v.type == BL_VALUE_BOOL)
			assert_true(v.boolean == (table[i].number != 0));
		if (v.type == BL_VALUE_TEXT) {
			assert_int_equal(v.text_len, strlen(table[i].text));
			assert_memory_equal(v.text, table[i].text, v.text_len);
		}
		cases_attrs_free(a);
	}
	assert_int_equal(cases_attrs_at(&a, f->db, 99, 0, &err), BL_ENOTFOUND);
	assert_null(a);
	assert_int_equal(cases_attrs_parse(&a, "[1]", &err), BL_ECORRUPT);
	assert_int_equal(cases_attrs_parse(&a, "{", &err), BL_ECORRUPT);
	must(cases_attrs_parse(&a, "{\"n\":3}", &err), &err);
	cases_attrs_free(a);
}

/* ---- a process is defined anew ---- */

static void
a_new_definition_works_its_cases_out_again(void **state)
{
	struct fixture *f = *state;
	struct cases_changes l = { 0 };
	struct bl_err err = { 0 };
	struct text t;
	int64_t after = 0;
	int n, total = 0;

	deliver(f, 1, "d1 10 end a pack process=order\nd1 20 end b pack process=order");
	deliver(f, 2, "d1 30 end c pack process=order\nd1 40 end d pack");
	t = all(f, false);
	assert_non_null(strstr(t.p, "north/order/b 20.. "));
	free(t.p);
	f->process[0].head.until_unix_ms = 15;
	f->process[1].head.from_unix_ms = 15;
	run(f, "BEGIN IMMEDIATE");
	while ((n = cases_redo(f->db, &f->set, "order", 15, after, 1, &after, &l, &err)) > 0)
		total += n;
	must(n, &err);
	run(f, "COMMIT");
	assert_int_equal(total, 2);
	assert_int_equal(l.n, 2);
	assert_int_equal(l.c[0].end_unix_ms, 20);
	assert_int_equal(l.c[1].touched_begin_unix_ms, 30);
	cases_changes_free(&l);
	assert_cases(f, "north/default/d 40.. [] 1 {}\n"
			"  pack d1 ..40 {}\n"
			"north/order/a 10.. [] 1 {}\n"
			"  pack d1 ..10 {}\n"
			"north/order/b 20..20 [] 1 {}\n"
			"  pack d1 ..20 {}\n"
			"north/order/c 30..30 [] 1 {}\n"
			"  pack d1 ..30 {}\n");
}

static void
what_is_rolled_back_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct cases_changes l = { 0 };

	deliver(f, 1, "d1 10 begin 7 pick");
	run(f, "BEGIN IMMEDIATE");
	take_line(f, &l, "d1 20 end 7 pick", 16, 2, 0);
	settle(f, &l);
	run(f, "ROLLBACK");
	cases_changes_free(&l);
	assert_cases(f, "north/default/7 10.. [] 1 {}\n"
			"  pick d1 10.. {}\n");
	deliver(f, 2, "d1 20 end 7 pick");
	assert_cases(f, "north/default/7 10.. [] 2 {}\n"
			"  pick d1 10..20 {}\n");
}

/* Any allocation may fail: the transaction fails with it, says so, and can be repeated. */
static void
memory_that_ends_leaves_nothing(void **state)
{
	static const char *const line[] = { "d1 10 begin 7 pick a=1", "d2 20 event 7 - b=x",
		"d1 30 end 7 pick", "d1 40 begin 8 pick", "d1 50 event 7 - status=done" };
	enum { LINES = sizeof(line) / sizeof(line[0]) };
	struct fixture *f = *state;
	struct bl_err err = { 0 };
	struct cases_attrs *a;
	unsigned n = 0;
	int rc = -1;

	deliver(f, 1, "d2 5 begin 7 pick");
	while (rc < 0) {
		struct cases_changes l = { 0 };

		run(f, "BEGIN IMMEDIATE");
		err = (struct bl_err){ 0 };
		nomem_arm(++n);
		rc = BL_OK;
		for (uint32_t i = 0; i < LINES && rc >= 0; i++)
			rc = try_line(f, &l, line[i], strlen(line[i]), 2, i, &err);
		if (rc >= 0)
			rc = cases_settle(f->db, &f->set, &l, &err);
		assert_int_equal(nomem_disarm(), rc < 0);
		cases_changes_free(&l);
		run(f, rc < 0 ? "ROLLBACK" : "COMMIT");
		if (rc < 0) {
			assert_int_equal(rc, BL_ENOMEM);
			assert_int_equal(err.code, BL_ENOMEM);
			assert_cases(f, "north/default/7 5.. [] 1 {}\n"
					"  pick d2 5.. {}\n");
		}
	}
	assert_true(n > 20);
	assert_cases(f, "north/default/7 5..50 [done] 5 {\"a\":1,\"b\":\"x\",\"status\":\"done\"}\n"
			"  pick d2 5.. {\"a\":1,\"b\":\"x\",\"status\":\"done\"}\n"
			"  pick d1 10..30 {\"a\":1,\"b\":\"x\"}\n"
			"north/default/8 40.. [] 1 {}\n"
			"  pick d1 40.. {}\n");
	nomem_arm(1);
	assert_int_equal(cases_attrs_at(&a, f->db, only_no(f), 100, &err), BL_ENOMEM);
	assert_null(a);
	assert_true(nomem_disarm());
}

/* ---- how fast ---- */

/* Orders of ten events each, as a busy centre gets them: 500 events a transaction. */
static void
ten_thousand_events_a_second(void **state)
{
	enum { EVENTS = 20000 };
	struct fixture *f = *state;
	struct timespec a, b;
	double s;

	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a), 0);
	for (int i = 0; i < EVENTS; i += 500) {
		struct cases_changes l = { 0 };

		run(f, "BEGIN IMMEDIATE");
		for (int k = i; k < i + 500; k++) {
			char line[96];

			(void)snprintf(line, sizeof(line), "d1 %d %s c%d s%d process=order a=%d",
			    1000 + k, k / 50 % 2 == 0 ? "begin" : "end", k / 500 * 50 + k % 50,
			    k % 500 / 100, k);
			take_line(f, &l, line, strlen(line), i + 1, (uint32_t)(k - i));
		}
		settle(f, &l);
		run(f, "COMMIT");
		cases_changes_free(&l);
	}
	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b), 0);
	s = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
	printf("cases: %.0f events a second\n", EVENTS / s);
	assert_int_equal(only_no(f), EVENTS / 10);
	assert_int_equal(f->n_changes, 50);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    of_too_many_events_the_first_by_time_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_long_value_is_cut_between_characters, setup, teardown),
		cmocka_unit_test_setup_teardown(lists_are_filtered_and_paged, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_ended_is_found_by_device_and_time, setup, teardown),
		cmocka_unit_test_setup_teardown(attributes_are_values, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_new_definition_works_its_cases_out_again, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_is_rolled_back_leaves_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(memory_that_ends_leaves_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(ten_thousand_events_a_second, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
