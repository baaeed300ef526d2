/* Series that others name: names by a table (tests/data/intake/names.json), labels, caps, and what
 * is refused, against the fake host. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "inlet_host.h"
#include "intake.h"

static struct bl_str
str(const char *s)
{
	return (struct bl_str){ s, strlen(s) };
}

/* ---- names ---- */

static struct bl_str
raw_of(const json_t *row, char *bytes, size_t size)
{
	const char *hex = json_string_value(json_object_get(row, "hex"));
	size_t n = 0;

	if (hex == NULL)
		return str(json_string_value(json_object_get(row, "raw")));
	for (; hex[0] != '\0' && n < size; hex += 2) {
		unsigned byte;

		assert_int_equal(sscanf(hex, "%2x", &byte), 1);
		bytes[n++] = (char)byte;
	}
	return (struct bl_str){ bytes, n };
}

static void
names_become_ours(void **state)
{
	json_t *rows = json_load_file(BL_TEST_DATA "/intake/names.json", 0, NULL), *row;
	size_t i;

	(void)state;
	assert_true(json_array_size(rows) > 30);
	json_array_foreach(rows, i, row)
	{
		const char *want = json_string_value(json_object_get(row, "name"));
		const char *prefix = json_string_value(json_object_get(row, "prefix"));
		char bytes[16], out[BL_NAME_MAX + 1];
		const struct bl_str raw = raw_of(row, bytes, sizeof(bytes));

		if (intake_clean_name(prefix, raw, out) != (want != NULL) ||
		    (want != NULL && strcmp(out, want) != 0))
			fail_msg("row %zu: \"%.*s\" became \"%s\"", i, (int)raw.len, raw.p, out);
	}
	json_decref(rows);
}

/* ---- series ---- */

struct world {
	struct fake_host *h;
	struct intake *t;
};

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct bl_err err = { 0 };

	assert_non_null(w);
	w->h = fake_host_create("/nowhere");
	assert_int_equal(intake_open(&w->t,
			     &(struct intake_opts){ .source = "till",
				 .max_series = 100,
				 .interval_ms = 10000,
				 .sink = &w->h->sink },
			     &err),
	    BL_OK);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	intake_close(w->t);
	fake_host_free(w->h);
	free(w);
	return 0;
}

/* "name key=value key=value"; a key may be empty. */
static int32_t
ask(struct intake *t, const char *text, enum bl_series_kind kind)
{
	struct intake_name n = { .kind = kind };
	char copy[2048], *word, *rest;

	(void)snprintf(copy, sizeof(copy), "%s", text);
	n.name = str(strtok_r(copy, " ", &rest));
	while ((word = strtok_r(NULL, " ", &rest)) != NULL) {
		char *value = strchr(word, '=');

		assert_non_null(value);
		*value++ = '\0';
		assert_true(n.n_labels < BL_LABELS_MAX);
		n.label[n.n_labels++] = (struct bl_label){ str(word), str(value) };
	}
	return intake_series(t, &n);
}

static int32_t
gauge(struct intake *t, const char *text)
{
	return ask(t, text, BL_GAUGE);
}

static uint64_t
refused(struct intake *t, enum intake_reason why)
{
	uint64_t n[INTAKE_REASONS];

	(void)intake_count(t, n);
	return n[why];
}

static void
series_are_put_together(void **state)
{
	static const struct {
		const char *asked, *key;
	} cases[] = {
		{ "Load", "load{source=till}" },
		{ "load b=2 a=1", "load{a=1,b=2,source=till}" },
		{ "load z=1 a=1", "load{a=1,source=till,z=1}" },
		{ "load a=1 a=2", "load{a=2,source=till}" },
		{ "load a=1 b= c=3", "load{a=1,c=3,source=till}" },
		{ "load a=1 a=", "load{source=till}" }, /* of the two, the last counts */
		{ "load source=me", "load{exported_source=me,source=till}" },
		{ "load 门店=上海", "load{source=till,门店=上海}" },
		{ "load a=x\r\t\by\nz", "load{a=x y\nz,source=till}" },
		{ "load a=\033[31mred\177", "load{a= [31mred ,source=till}" },
		{ "load a=\302\233x b=\302\240\305\240",
		    "load{a= x,b=\302\240\305\240,source=till}" },
		{ "load source=a\rb", "load{exported_source=a b,source=till}" },
		{ "load a=\r", "load{a= ,source=till}" },
		{ "load a=1 b=2 c=3 d=4 e=5 f=6 g=7",
		    "load{a=1,b=2,c=3,d=4,e=5,f=6,g=7,source=till}" },
		{ "load a=1 b=2 c=3 d=4 e=5 f=6 g=7 h=",
		    "load{a=1,b=2,c=3,d=4,e=5,f=6,g=7,source=till}" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const int32_t slot = gauge(w->t, cases[i].asked);

		if (slot < 0 || fake_host_series(w->h, cases[i].key) == NULL)
			fail_msg("%s: slot %d, no %s", cases[i].asked, slot, cases[i].key);
		/* Asked again, it is the same one. */
		assert_int_equal(gauge(w->t, cases[i].asked), slot);
		intake_put(w->t, slot, (double)i);
		assert_true(fake_host_value(w->h, cases[i].key) == (double)i);
	}
	assert_string_equal(fake_host_series(w->h, "load{source=till}")->unit, "1");
	assert_int_equal(fake_host_series(w->h, "load{source=till}")->interval_ms, 10000);
	assert_int_equal(refused(w->t, INTAKE_BAD_LABEL), 0);
}

static void
what_cannot_be_is_refused(void **state)
{
	static const struct {
		const char *asked;
		enum intake_reason why;
	} cases[] = {
		{ "...", INTAKE_BAD_NAME },
		{ "load a=1 b=2 c=3 d=4 e=5 f=6 g=7 h=8", INTAKE_BAD_LABEL },
		{ "load a=\xff", INTAKE_BAD_LABEL },
		{ "load \xff=a", INTAKE_BAD_LABEL },
		{ "load =a", INTAKE_BAD_LABEL },
		{ "load a\nb=1", INTAKE_BAD_LABEL },
		{ "load \033=1", INTAKE_BAD_LABEL },
		{ "load a\302\205=1", INTAKE_BAD_LABEL },
		{ "load aaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaa=1",
		    INTAKE_BAD_LABEL },
		{ "load "
		  "a=aaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbb"
		  "bbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaa",
		    INTAKE_BAD_LABEL },
		{ "cpu_used_pct", INTAKE_OWN_NAME },
		{ "CPU.Used.Pct", INTAKE_OWN_NAME },
		{ "agent_step_events a=1", INTAKE_OWN_NAME },
	};
	struct world *w = *state;
	uint64_t before, all[INTAKE_REASONS];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (unsigned again = 0; again < 2; again++) {
			before = refused(w->t, cases[i].why);
			assert_int_equal(gauge(w->t, cases[i].asked), -1 - (int32_t)cases[i].why);
			assert_int_equal(refused(w->t, cases[i].why), before + 1);
		}
	assert_int_equal(intake_count(w->t, all), 0);
	assert_int_equal(w->h->n_series, 0);
	assert_int_equal(all[INTAKE_TOO_MANY] + all[INTAKE_NO_MEMORY], 0);
}

static void
a_counter_is_no_gauge(void **state)
{
	struct world *w = *state;
	const int32_t slot = ask(w->t, "orders_total", BL_COUNTER);

	assert_int_equal(fake_host_series(w->h, "orders_total{source=till}")->kind, BL_COUNTER);
	assert_int_equal(gauge(w->t, "orders_total"), -1 - INTAKE_OTHER_KIND);
	assert_int_equal(ask(w->t, "orders_total", BL_COUNTER), slot);
	assert_int_equal(w->h->n_series, 1);
}

/* What was said last, where anything was said; each unit that is new is a definition, and counts.
 */
static void
units_are_those_of_the_last_time(void **state)
{
	static const struct {
		const char *unit, *is;
		int32_t handle;
		uint32_t count;
	} c[] = {
		{ "bytes", "bytes", 0, 1 },
		{ "bytes", "bytes", 0, 1 },
		{ "KiB", "KiB", 1, 2 },
		{ "", "KiB", 1, 2 },
		{ "1", "KiB", 1, 2 },
		{ "\xff", "KiB", 1, 2 },
		{ "bytes", "bytes", 0, 2 }, /* two programs: there is no third definition */
		{ "KiB", "KiB", 1, 2 },
		{ "MiB", "MiB", 2, 3 },
		{ "GiB", "MiB", 2, 3 }, /* the host has no room */
		{ "GiB", "MiB", 2, 3 },
	};
	struct world *w = *state;
	struct intake_name n = { .name = str("size"), .kind = BL_GAUGE };

	w->h->max_series = 3;
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		int32_t slot;

		n.unit = str(c[i].unit);
		slot = intake_series(w->t, &n);
		assert_int_equal(slot, 0);
		assert_int_equal(intake_handle(w->t, slot), c[i].handle);
		assert_string_equal(w->h->series[c[i].handle].unit, c[i].is);
		assert_int_equal(intake_count(w->t, NULL), c[i].count);
	}
	intake_put(w->t, 0, 7);
	assert_float_equal(fake_host_value(w->h, "size{source=till}"), 7, 0);
}

static unsigned left_out;

static void
count_left_out(void *ctx, const char *name, unsigned n)
{
	(void)ctx;
	assert_string_equal(name, "till");
	left_out += n;
}

/* Beyond the cap nothing is made, whatever comes; what is there goes on. */
static void
a_flood_of_names_ends_at_the_cap(void **state)
{
	struct world *w = *state;
	char name[32];

	w->h->sink.left_out = count_left_out;
	left_out = 0;
	for (unsigned i = 0; i < 5000; i++) {
		(void)snprintf(name, sizeof(name), "m%u", i);
		assert_int_equal(gauge(w->t, name), i < 100 ? (int32_t)i : -1 - INTAKE_TOO_MANY);
	}
	assert_int_equal(w->h->n_series, 100);
	assert_int_equal(intake_count(w->t, NULL), 100);
	assert_int_equal(refused(w->t, INTAKE_TOO_MANY), 4900);
	assert_int_equal(left_out, 4900);
	assert_int_equal(gauge(w->t, "m42"), 42);
}

static unsigned asked;
static int32_t (*real_declare)(void *ctx, const struct bl_series_def *def);

static int32_t
count_declare(void *ctx, const struct bl_series_def *def)
{
	asked++;
	return real_declare(ctx, def);
}

/* The sink counts and names what it refuses: it is asked once for each, and not without end. */
static void
the_sink_is_asked_once(void **state)
{
	struct world *w = *state;
	char name[32];

	real_declare = w->h->sink.declare;
	w->h->sink.declare = count_declare;
	w->h->max_series = 10;
	asked = 0;
	for (unsigned again = 0; again < 3; again++)
		for (unsigned i = 0; i < 50; i++) {
			(void)snprintf(name, sizeof(name), "m%u", i);
			assert_int_equal(
			    gauge(w->t, name), i < 10 ? (int32_t)i : -1 - INTAKE_TOO_MANY);
		}
	assert_int_equal(asked, 50);
	assert_int_equal(refused(w->t, INTAKE_TOO_MANY), 3 * 40);
	for (unsigned i = 50; i < 5000; i++) {
		(void)snprintf(name, sizeof(name), "m%u", i);
		assert_int_equal(gauge(w->t, name), -1 - INTAKE_TOO_MANY);
	}
	assert_int_equal(asked, 110); /* the cap's worth of refusals is remembered */
}

/* Nobody has more series, or refusals, than are left for others. */
static void
one_user_leaves_series_for_others(void **state)
{
	static const struct {
		uint32_t user;
		unsigned gets;
	} users[] = { { 1001, 100 }, { 0, 50 }, { 1, 25 }, { 2, 13 }, { 3, 6 }, { 1001, 0 } };
	struct world *w = *state;
	struct intake_name n = { .kind = BL_GAUGE };
	char name[48];

	real_declare = w->h->sink.declare;
	w->h->sink.declare = count_declare;
	for (unsigned refusals = 0; refusals < 2; refusals++) {
		const struct intake_opts opts = {
			.source = "till", .max_series = 100, .by_user = true, .sink = &w->h->sink
		};

		intake_close(w->t);
		assert_int_equal(intake_open(&w->t, &opts, NULL), BL_OK);
		if (refusals)
			w->h->max_series = w->h->n_series; /* the sink takes no more */
		for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
			unsigned got = 0;

			asked = 0;
			n.user = users[i].user;
			for (unsigned k = 0; k < 300; k++) {
				(void)snprintf(name, sizeof(name), "m%u_%zu_%u", refusals, i, k);
				n.name = str(name);
				got += intake_series(w->t, &n) >= 0;
			}
			if (got != (refusals ? 0 : users[i].gets) || asked != users[i].gets)
				fail_msg("user %u: %u series, asked %u", users[i].user, got, asked);
			assert_int_equal(
			    intake_share_used(w->t, users[i].user), users[i].user != 0);
		}
		assert_false(intake_share_used(w->t, 77));
		n.name = str("m0_0_42"); /* what is there goes on */
		assert_true(refusals || intake_series(w->t, &n) == 42);
	}
}

static void
values_that_are_none_are_not_put(void **state)
{
	struct world *w = *state;
	const int32_t slot = gauge(w->t, "load");

	intake_put(w->t, slot, NAN);
	intake_put(w->t, slot, INFINITY);
	intake_put(w->t, slot, -INFINITY);
	assert_int_equal(fake_host_series(w->h, "load{source=till}")->n, 0);
	assert_int_equal(refused(w->t, INTAKE_BAD_VALUE), 3);
	intake_unknown(w->t, slot, BL_UNKNOWN_TIMEOUT);
	assert_int_equal(fake_host_series(w->h, "load{source=till}")->unknown, BL_UNKNOWN_TIMEOUT);
}

/* Whoever sends it has no answer: the log has its name, once for each reason. */
static void
what_its_reader_refuses_stands_in_the_log(void **state)
{
	static const char said[] = "its value is no number, or one that is too large source=till "
				   "name=till.lo?d\n";
	struct world *w = *state;
	const int kept = dup(STDERR_FILENO);
	char text[1024];
	ssize_t n;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_true(kept >= 0 && dup2(ends[1], STDERR_FILENO) >= 0);
	(void)close(ends[1]);
	for (unsigned i = 0; i < 3; i++)
		intake_refuse(w->t, INTAKE_BAD_VALUE, str("till.lo\nd"));
	(void)dup2(kept, STDERR_FILENO);
	(void)close(kept);
	n = read(ends[0], text, sizeof(text) - 1);
	(void)close(ends[0]);
	text[n > 0 ? n : 0] = '\0';
	assert_int_equal(refused(w->t, INTAKE_BAD_VALUE), 3);
	assert_non_null(strstr(text, said));
	assert_ptr_equal(strchr(text, '\n') + 1, strchr(text, '\0'));
}

/* Two sources do not write into each other's series, nor into a prefix's. */
static void
sources_are_apart(void **state)
{
	struct world *w = *state;
	struct bl_err err = { 0 };
	struct intake *other;

	assert_int_equal(
	    intake_open(&other,
		&(struct intake_opts){ .source = "scale", .prefix = "shop", .sink = &w->h->sink },
		&err),
	    BL_OK);
	(void)gauge(w->t, "shop_load");
	(void)gauge(other, "load");
	assert_non_null(fake_host_series(w->h, "shop_load{source=till}"));
	assert_non_null(fake_host_series(w->h, "shop_load{source=scale}"));
	assert_int_equal(fake_host_series(w->h, "shop_load{source=scale}")->interval_ms, 0);
	assert_true(gauge(other, "cpu_used_pct") >= 0); /* shop_cpu_used_pct is nobody's */
	intake_close(other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_become_ours),
#define WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		WORLD(series_are_put_together),
		WORLD(what_cannot_be_is_refused),
		WORLD(a_counter_is_no_gauge),
		WORLD(units_are_those_of_the_last_time),
		WORLD(a_flood_of_names_ends_at_the_cap),
		WORLD(one_user_leaves_series_for_others),
		WORLD(the_sink_is_asked_once),
		WORLD(values_that_are_none_are_not_put),
		WORLD(what_its_reader_refuses_stands_in_the_log),
		WORLD(sources_are_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
