/*
 * Windows: where they lie, that they touch and nest in every zone of this
 * machine's tzdata, and sets of spans against a map of single instants.
 */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "branchline/window.h"
#include "pure_kit.h"
#include "tz_internal.h"

#define MINUTE INT64_C(60000)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define ZONES  "/usr/share/zoneinfo"

static int64_t
utc(const int t[5])
{
	return bl_tz_days(t[0], t[1], t[2]) * DAY + t[3] * HOUR + t[4] * MINUTE;
}

static void
windows_lie_where_they_should(void **state)
{
	static const struct {
		enum bl_window w;
		const char *zone;
		int at[5], begin[5]; /* UTC */
		int minutes;
	} cases[] = {
		{ BL_WINDOW_1M, "UTC", { 2026, 11, 28, 14, 3 }, { 2026, 11, 28, 14, 3 }, 1 },
		{ BL_WINDOW_5M, "UTC", { 2026, 11, 28, 14, 3 }, { 2026, 11, 28, 14, 0 }, 5 },
		{ BL_WINDOW_5M, "Asia/Shanghai", { 1969, 12, 31, 23, 59 }, { 1969, 12, 31, 23, 55 },
		    5 },
		{ BL_WINDOW_1H, "Asia/Shanghai", { 2026, 11, 28, 14, 3 }, { 2026, 11, 28, 14, 0 },
		    60 },
		/* Hours of a zone on the half hour begin at the half hour. */
		{ BL_WINDOW_1H, "Asia/Kolkata", { 2026, 11, 28, 14, 3 }, { 2026, 11, 28, 13, 30 },
		    60 },
		{ BL_WINDOW_1D, "Asia/Shanghai", { 2026, 11, 28, 14, 3 }, { 2026, 11, 27, 16, 0 },
		    1440 },
		/* The last hour of a day of 23.5 h, of 24.5 h. */
		{ BL_WINDOW_1H, "Australia/Lord_Howe", { 2026, 10, 4, 12, 59 },
		    { 2026, 10, 4, 12, 30 }, 30 },
		{ BL_WINDOW_1H, "Australia/Lord_Howe", { 2026, 4, 5, 13, 29 },
		    { 2026, 4, 5, 13, 0 }, 30 },
		{ BL_WINDOW_1H, "Australia/Lord_Howe", { 2026, 4, 5, 12, 59 },
		    { 2026, 4, 5, 12, 0 }, 60 },
		{ BL_WINDOW_1D, "Europe/Berlin", { 2026, 10, 25, 1, 0 }, { 2026, 10, 24, 22, 0 },
		    1500 },
		/* The hour that comes twice is two windows. */
		{ BL_WINDOW_1H, "Europe/Berlin", { 2026, 10, 25, 0, 30 }, { 2026, 10, 25, 0, 0 },
		    60 },
		{ BL_WINDOW_1H, "Europe/Berlin", { 2026, 10, 25, 1, 30 }, { 2026, 10, 25, 1, 0 },
		    60 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const int64_t at = utc(cases[i].at);
		struct bl_tz *tz;
		int64_t begin, end;

		assert_int_equal(bl_tz_load(&tz, cases[i].zone, NULL, NULL), BL_OK);
		bl_window_at(cases[i].w, tz, at, &begin, &end);
		if (begin != utc(cases[i].begin) || end - begin != cases[i].minutes * MINUTE)
			fail_msg("case %zu: %lld for %lld min", i, (long long)begin,
			    (long long)(end - begin) / MINUTE);
		bl_tz_free(tz);
	}
}

/* Before this instant a zone's days begin off the whole five minutes: no other zone does since
 * 1972. */
static const struct {
	const char *zone;
	int until[5];
} exceptions[] = {
	{ "Africa/Monrovia", { 1972, 1, 7, 0, 45 } },
};

static int64_t
counts_from(const char *zone)
{
	static const int start[5] = { 1972, 1, 1, 0, 0 };

	for (size_t i = 0; i < sizeof(exceptions) / sizeof(exceptions[0]); i++)
		if (strcmp(exceptions[i].zone, zone) == 0)
			return utc(exceptions[i].until);
	return utc(start);
}

/* At an instant: every window holds it, touches its neighbours and lies in the larger one. */
static void
check_instant(const struct bl_tz *tz, int64_t at)
{
	int64_t outer_begin = INT64_MIN, outer_end = INT64_MAX;

	for (int w = BL_WINDOW_1D; w >= BL_WINDOW_1M; w--) {
		const int64_t grid = w == BL_WINDOW_1M ? MINUTE : 5 * MINUTE;
		int64_t begin, end, b, e;

		bl_window_at((enum bl_window)w, tz, at, &begin, &end);
		if (at < begin || at >= end || begin < outer_begin || end > outer_end ||
		    begin % grid != 0)
			fail_msg("%s at %lld: window %d is [%lld, %lld)", bl_tz_name(tz),
			    (long long)at, w, (long long)begin, (long long)end);
		bl_window_at((enum bl_window)w, tz, begin - 1, &b, &e);
		assert_true(e == begin);
		bl_window_at((enum bl_window)w, tz, end, &b, &e);
		assert_true(b == end);
		outer_begin = begin;
		outer_end = end;
	}
}

static int zones_seen, changes_seen;

/* Every change of a zone from 1972 to 2045, and instants around it. */
static int
check_zone(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	static const int64_t around[] = { -DAY - 1, -DAY, -2 * HOUR, -MINUTE, -1, 0, 1, MINUTE,
		HOUR - 1, HOUR, 12 * HOUR, DAY, DAY + 1, 2 * DAY };
	static const int stop[5] = { 2045, 1, 1, 0, 0 };
	const char *name = path + strlen(ZONES) + 1;
	struct bl_tz *tz;
	int64_t at, from;

	(void)st;
	(void)ftw;
	if (type != FTW_F || bl_tz_load(&tz, name, NULL, NULL) != BL_OK)
		return 0;
	zones_seen++;
	if (strncmp(name, "posix/", 6) == 0)
		name += 6;
	from = counts_from(name);
	for (at = from; at < utc(stop);) {
		const struct tz_piece piece = bl_tz_piece(tz, at / 1000);

		if (piece.type->offset_s % 300 != 0)
			fail_msg("%s: offset %d s", name, piece.type->offset_s);
		for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++)
			if (at + around[i] >= from + 2 * DAY)
				check_instant(tz, at + around[i]);
		changes_seen++;
		if (piece.until_s > utc(stop) / 1000)
			break;
		at = piece.until_s * 1000;
	}
	bl_tz_free(tz);
	return 0;
}

static void
windows_nest_and_touch_in_every_zone_since_1972(void **state)
{
	(void)state;
	assert_int_equal(nftw(ZONES, check_zone, 16, FTW_PHYS), 0);
	print_message("%d zone files, %d changes\n", zones_seen, changes_seen);
	assert_true(zones_seen > 300 && changes_seen > 10000);
}

#define INSTANTS 64

static void
spans_are_a_set_of_instants(void **state)
{
	(void)state;
	for (uint64_t round = 0; round < 400; round++) {
		bool in[INSTANTS] = { false };
		uint64_t seed = round;
		struct bl_spans l;

		bl_spans_init(&l, INSTANTS);
		for (int k = 0; k < 12; k++) {
			const int64_t begin = (int64_t)(pure_next(&seed) % INSTANTS);
			const int64_t end = begin + (int64_t)(pure_next(&seed) % 9) - 1;

			assert_int_equal(bl_spans_add(&l, begin, end), BL_OK);
			for (int64_t t = begin; t < end && t < INSTANTS; t++)
				in[t] = true;
			for (size_t i = 0; i + 1 < l.n; i++)
				assert_true(l.s[i].end_unix_ms < l.s[i + 1].begin_unix_ms);
		}
		for (int64_t b = 0; b < INSTANTS; b++) {
			int64_t covered = 0, hole = -1;

			for (int64_t e = b; e <= INSTANTS; e++) {
				assert_true(bl_spans_covered_ms(&l, b, e) == covered);
				assert_true(bl_spans_first_hole(&l, b, e) == (hole < 0 ? e : hole));
				if (e == INSTANTS)
					break;
				covered += in[e];
				if (!in[e] && hole < 0)
					hole = e;
			}
		}
		bl_spans_free(&l);
	}
}

static void
spans_stop_at_their_cap(void **state)
{
	struct bl_spans l;

	(void)state;
	bl_spans_init(&l, 3);
	for (int64_t i = 0; i < 3; i++)
		assert_int_equal(bl_spans_add(&l, i * 10, i * 10 + 5), BL_OK);
	assert_int_equal(bl_spans_add(&l, 100, 101), BL_EFULL);
	assert_int_equal(l.n, 3);
	/* What joins needs no room. */
	assert_int_equal(bl_spans_add(&l, 5, 10), BL_OK);
	assert_int_equal(l.n, 2);
	assert_int_equal(bl_spans_add(&l, 100, 101), BL_OK);
	bl_spans_free(&l);
}

static void
spans_at_the_edge_of_time_are_harmless(void **state)
{
	struct bl_spans l;

	(void)state;
	bl_spans_init(&l, 3);
	assert_int_equal(bl_spans_add(&l, INT64_MIN, INT64_MAX), BL_OK);
	assert_true(bl_spans_covered_ms(&l, INT64_MIN, INT64_MAX) == INT64_MAX);
	assert_true(bl_spans_covered_ms(&l, -5, 5) == 10);
	assert_true(bl_spans_covered_ms(&l, 5, -5) == 0);
	assert_true(bl_spans_first_hole(&l, INT64_MIN, INT64_MAX) == INT64_MAX);
	bl_spans_free(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(windows_lie_where_they_should),
		cmocka_unit_test(windows_nest_and_touch_in_every_zone_since_1972),
		cmocka_unit_test(spans_are_a_set_of_instants),
		cmocka_unit_test(spans_stop_at_their_cap),
		cmocka_unit_test(spans_at_the_edge_of_time_are_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
