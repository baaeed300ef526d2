/*
 * The roster answers as the tables say, at every edge of an interval, and says
 * so when memory ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "control_kit.h"
#include "control_sql.h"
#include "nomem.h"
#include "roster.h"

struct fixture {
	struct control_kit kit;
	struct sqlite3 *db;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct bl_err err = { 0 };

	if (f == NULL)
		return -1;
	*state = f;
	control_kit_open(&f->kit, "roster", 1);
	return control_reader_open(f->kit.c, &f->db, &err);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	control_reader_close(f->db);
	control_kit_close(&f->kit);
	free(f);
	return 0;
}

static void
fill(struct fixture *f, const char *sql)
{
	control_kit_sql(&f->kit, sql);
}

/* Three sites; d1 moved west -> east -> west with a hole, d2 stays, d3 left at once. */
static const char small[] =
    "INSERT INTO site VALUES"
    " ('west', 'West', 'cn/west', 'Asia/Shanghai', NULL, NULL, '{}', 1, 0, 1, 1),"
    " ('east', 'East', 'cn/east', 'Asia/Shanghai', NULL, NULL, '{}', 2, 0, 1, 1),"
    " ('mars', 'Mars', '', 'Mars/Olympus', NULL, NULL, '{}', 3, 1, 1, 1),"
    " ('utc', 'Zero', '', 'UTC', NULL, NULL, '{}', 3, 0, 1, 1);"
    "INSERT INTO device VALUES"
    " ('d1', 'D', 'west', 1, 0, 1, 1, 1, NULL, NULL, NULL),"
    " ('d10', 'D', 'west', 1, 0, 1, 1, 1, NULL, NULL, NULL),"
    " ('d2', 'D', 'west', 1, 0, 1, 1, 1, NULL, NULL, NULL),"
    " ('d3', 'D', 'west', 1, 1, 1, 1, 1, NULL, NULL, NULL);"
    "INSERT INTO service VALUES"
    " ('d1', 100, 200, 'west'), ('d1', 200, 300, 'east'), ('d1', 400, NULL, 'west'),"
    " ('d10', 150, NULL, 'west'), ('d2', 50, NULL, 'west'), ('d3', 70, 70, 'west');";

static struct roster *
load(struct fixture *f)
{
	struct roster *r;
	struct bl_err err = { 0 };

	if (roster_load(&r, f->db, NULL, &err) != BL_OK)
		fail_msg("%s", err.msg);
	return r;
}

static void
sites_are_in_order_with_their_zones(void **state)
{
	static const char *const ids[] = { "east", "mars", "utc", "west" };
	struct fixture *f = *state;
	struct roster *r;

	fill(f, small);
	r = load(f);
	assert_int_equal(roster_sites(r), 4);
	for (size_t i = 0; i < 4; i++) {
		assert_string_equal(roster_site_at(r, i)->id, ids[i]);
		assert_ptr_equal(roster_site(r, ids[i]), roster_site_at(r, i));
	}
	assert_null(roster_site(r, ""));
	assert_null(roster_site(r, "eas"));
	assert_null(roster_site(r, "zz"));
	assert_string_equal(roster_site(r, "east")->name, "East");
	assert_string_equal(roster_site(r, "east")->region, "cn/east");
	assert_false(roster_site(r, "east")->retired);
	assert_true(roster_site(r, "mars")->retired);
	assert_int_equal(bl_tz_offset_ms(roster_site(r, "west")->tz, 1700000000000), 8 * 3600000);
	assert_ptr_equal(roster_site(r, "west")->tz, roster_site(r, "east")->tz);
	/* there is no such zone: UTC, under its own name */
	assert_int_equal(bl_tz_offset_ms(roster_site(r, "mars")->tz, 1700000000000), 0);
	assert_string_equal(roster_site(r, "mars")->zone, "Mars/Olympus");
	assert_int_equal(bl_tz_offset_ms(roster_site(r, "utc")->tz, 1700000000000), 0);
	roster_free(r);
}

static void
a_device_is_where_its_interval_says(void **state)
{
	static const struct {
		const char *device;
		int64_t at;
		const char *site; /* NULL: nowhere */
	} cases[] = {
		{ "d1", INT64_MIN, NULL },
		{ "d1", 99, NULL },
		{ "d1", 100, "west" },
		{ "d1", 199, "west" },
		{ "d1", 200, "east" },
		{ "d1", 299, "east" },
		{ "d1", 300, NULL },
		{ "d1", 399, NULL },
		{ "d1", 400, "west" },
		{ "d1", INT64_MAX - 1, "west" },
		{ "d10", 149, NULL },
		{ "d10", 150, "west" },
		{ "d3", 70, NULL },
		{ "d0", 500, NULL },
		{ "d", 500, NULL },
		{ "x", 500, NULL },
	};
	struct fixture *f = *state;
	struct roster *r;
	size_t n;

	fill(f, small);
	r = load(f);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct roster_site *s = roster_site_of(r, cases[i].device, cases[i].at);

		if ((s == NULL) != (cases[i].site == NULL) ||
		    (s != NULL && strcmp(s->id, cases[i].site) != 0))
			fail_msg("%s at %lld: %s", cases[i].device, (long long)cases[i].at,
			    s != NULL ? s->id : "nowhere");
	}
	assert_non_null(roster_services_of(r, "d1", &n));
	assert_int_equal(n, 3);
	assert_int_equal(roster_services_of(r, "d1", &n)[2].to_unix_ms, INT64_MAX);
	assert_null(roster_services_of(r, "d3", &n)); /* it never was there for an instant */
	assert_int_equal(n, 0);
	roster_free(r);
}

struct seen {
	char text[256];
	unsigned stop_after;
};

static bool
note(const struct roster_service *s, void *ctx)
{
	struct seen *seen = ctx;
	const size_t len = strlen(seen->text);

	(void)snprintf(seen->text + len, sizeof(seen->text) - len, "%s@%lld ", s->device,
	    (long long)s->from_unix_ms);
	return --seen->stop_after > 0;
}

static void
who_was_in_service_comes_in_order_of_device(void **state)
{
	static const struct {
		const char *site;
		int64_t begin, end;
		const char *want;
	} cases[] = {
		{ "west", 0, 1000, "d1@100 d1@400 d10@150 d2@50 " },
		{ "west", 0, 50, "" },
		{ "west", 0, 51, "d2@50 " },
		{ "west", 199, 200, "d1@100 d10@150 d2@50 " },
		{ "west", 200, 400, "d10@150 d2@50 " },
		{ "west", 200, 401, "d1@400 d10@150 d2@50 " },
		{ "west", 70, 71, "d2@50 " },
		{ "west", 500, 500, "" },
		{ "west", 600, 500, "" },
		{ "east", 0, 1000, "d1@200 " },
		{ "utc", 0, 1000, "" },
		{ "none", 0, 1000, "" },
	};
	struct fixture *f = *state;
	struct seen seen = { .stop_after = 2 };
	struct roster *r;

	fill(f, small);
	r = load(f);
	roster_in_service(r, "west", 0, 1000, note, &seen);
	assert_string_equal(seen.text, "d1@100 d1@400 ");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		seen = (struct seen){ .stop_after = 100 };
		roster_in_service(r, cases[i].site, cases[i].begin, cases[i].end, note, &seen);
		if (strcmp(seen.text, cases[i].want) != 0)
			fail_msg("%s [%lld, %lld): %s", cases[i].site, (long long)cases[i].begin,
			    (long long)cases[i].end, seen.text);
	}
	roster_free(r);
}

static void
without_a_fleet_there_is_nobody(void **state)
{
	struct fixture *f = *state;
	struct roster *r = load(f);
	struct seen seen = { .stop_after = 100 };
	size_t n = 9;

	assert_int_equal(roster_sites(r), 0);
	assert_null(roster_site(r, "west"));
	assert_null(roster_site_of(r, "d1", 5));
	assert_null(roster_services_of(r, "d1", &n));
	assert_int_equal(n, 0);
	roster_in_service(r, "west", 0, 1000, note, &seen);
	assert_string_equal(seen.text, "");
	roster_free(r);
	roster_free(NULL);
}

/* Many more than the arrays' first room, so that growing and the index are tried. */
#define MANY_SITES   150
#define MANY_DEVICES 700

static void
fill_many(struct fixture *f)
{
	fill(f,
	    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 149)"
	    " INSERT INTO site SELECT printf('s%d', i), 'S', '', 'UTC', NULL, NULL, '{}', 0, 0, 1, "
	    "1"
	    " FROM n;"
	    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 699)"
	    " INSERT INTO device SELECT printf('e%d', i), 'D', 's0', 0, 0, 1, 1, 1, NULL, NULL, "
	    "NULL"
	    " FROM n;"
	    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 699)"
	    " INSERT INTO service SELECT printf('e%d', i), 0, 1000, printf('s%d', i % 150) FROM n;"
	    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 699)"
	    " INSERT INTO service SELECT printf('e%d', i), 1000, NULL, printf('s%d', i * 7 % 150)"
	    " FROM n;");
}

static bool
count_ordered(const struct roster_service *s, void *ctx)
{
	static const char *last;
	unsigned *n = ctx;

	assert_true(*n == 0 || strcmp(last, s->device) < 0);
	last = s->device;
	++*n;
	return true;
}

static void
many_are_each_found_at_their_place(void **state)
{
	struct fixture *f = *state;
	struct roster *r;
	char device[32], site[32];
	unsigned all = 0;

	fill_many(f);
	r = load(f);
	for (int i = 0; i < MANY_DEVICES; i++) {
		(void)snprintf(device, sizeof(device), "e%d", i);
		(void)snprintf(site, sizeof(site), "s%d", i % MANY_SITES);
		assert_string_equal(roster_site_of(r, device, 999)->id, site);
		(void)snprintf(site, sizeof(site), "s%d", i * 7 % MANY_SITES);
		assert_string_equal(roster_site_of(r, device, 1000)->id, site);
	}
	for (size_t i = 0; i < roster_sites(r); i++) {
		unsigned n = 0;

		roster_in_service(r, roster_site_at(r, i)->id, 0, 1000, count_ordered, &n);
		all += n;
	}
	assert_int_equal(all, MANY_DEVICES);
	roster_free(r);
}

static void
each_allocation_that_fails_is_told(void **state)
{
	struct fixture *f = *state;
	struct roster *r;
	struct bl_err err = { 0 };
	unsigned n = 0;
	bool fired;
	int rc;

	fill(f, small);
	fill_many(f);
	do {
		nomem_arm(++n);
		rc = roster_load(&r, f->db, NULL, &err);
		fired = nomem_disarm();
		if (fired)
			assert_int_equal(rc, BL_ENOMEM);
		if (rc < 0)
			assert_null(r);
	} while (fired);
	assert_int_equal(rc, BL_OK);
	assert_true(n > 10);
	assert_string_equal(roster_site_of(r, "e699", 5)->id, "s99");
	roster_free(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    sites_are_in_order_with_their_zones, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_device_is_where_its_interval_says, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    who_was_in_service_comes_in_order_of_device, setup, teardown),
		cmocka_unit_test_setup_teardown(without_a_fleet_there_is_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    many_are_each_found_at_their_place, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    each_allocation_that_fails_is_told, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
