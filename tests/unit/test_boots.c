/* Boots that never knew the time: where they are put when a later one does. */
#include "spool_kit.h"

#include "boots.h"

#define T0   INT64_C(1800000000000)
#define HOUR INT64_C(3600000)
#define DAY  (24 * HOUR)

struct row {
	const char *name;
	struct boot_known known;
	struct boot_former
	    boot[4]; /* newest first; end_ms 0 ends; the answer is what is expected */
};

static const struct row rows[] = {
	{ "a real-time clock that is right: as it says", { true, T0, T0 + 3 * DAY, true, 0 },
	    { { 5 * HOUR, T0 + 2 * DAY, true, T0 + 2 * DAY, 2000 + 10200 },
		{ 7 * HOUR, T0 + DAY, true, T0 + DAY, 2000 + 22050 } } },
	{ "one that is found an hour ahead: an hour less, give or take an hour",
	    { true, T0, T0 + 3 * DAY, true, HOUR },
	    { { 5 * HOUR, T0 + 2 * DAY, true, T0 + 2 * DAY - HOUR, HOUR + 2000 + 10800 } } },
	{ "1970 each time: somewhere in between, in order", { true, T0, T0 + 10 * HOUR, false, 0 },
	    { { 2 * HOUR, 3000, true, T0 + 11 * HOUR / 2, 5 * HOUR / 2 + 2000 },
		{ 3 * HOUR, 3000, true, T0 + 5 * HOUR / 2 + 500, 5 * HOUR / 2 + 2500 } } },
	{ "1970, and nothing known before: no place", { false, 0, T0 + 10 * HOUR, true, -T0 },
	    { { 2 * HOUR, 3000, false, 0, 0 } } },
	{ "a real-time clock, and nothing known before: as it says",
	    { false, 0, T0 + 10 * HOUR, true, 5000 },
	    { { 2 * HOUR, T0 + 5000, true, T0, 5000 + 2000 + 4200 } } },
	{ "a wall clock in the future is not believed", { true, T0, T0 + 10 * HOUR, false, 0 },
	    { { 2 * HOUR, T0 + DAY, true, T0 + 4 * HOUR, 4 * HOUR + 2000 } } },
	{ "no room is left: what is known is not that exact", { true, T0, T0 + HOUR, false, 0 },
	    { { 2 * HOUR, 3000, true, T0 - HOUR / 2, 2000 } } },
};

static void
every_boot_gets_the_place_that_is_known_of_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct boot_former got[4];
		size_t n = 0;

		for (; n < 4 && rows[i].boot[n].end_ms != 0; n++)
			got[n] = (struct boot_former){ .end_ms = rows[i].boot[n].end_ms,
				.wall_offset_ms = rows[i].boot[n].wall_offset_ms };
		boots_place(&rows[i].known, got, n);
		for (size_t k = 0; k < n; k++) {
			const struct boot_former *w = &rows[i].boot[k];

			if (got[k].placed != w->placed || got[k].offset_ms != w->offset_ms ||
			    got[k].uncertainty_ms != w->uncertainty_ms)
				fail_msg("%s: boot %zu: %d at %lld +- %u", rows[i].name, k,
				    got[k].placed, (long long)(got[k].offset_ms - T0),
				    got[k].uncertainty_ms);
		}
	}
}

static void
say_about(struct kit *k, enum bl_clock_source source, int64_t unix_ms, uint32_t uncertainty_ms)
{
	const struct bl_clock_segment seg = { .boot = k->opts.boot,
		.from_boot_ms = k->time.boot_ms,
		.offset_ms = unix_ms - k->time.boot_ms,
		.uncertainty_ms = uncertainty_ms,
		.source = source };
	struct bl_err err = { 0 };

	assert_int_equal(spool_clock(k->s, &seg, &err), BL_OK);
	kit_commit(k);
}

static void
say(struct kit *k, enum bl_clock_source source, int64_t unix_ms)
{
	say_about(k, source, unix_ms, source == BL_CLOCK_UNTRUSTED ? UINT32_MAX : 50);
}

/* An hour of the machine, whose clock begins in 1970 each time, then it goes off. */
static struct bl_id
an_hour_of_1970(struct kit *k)
{
	const struct bl_id boot = k->opts.boot;

	say(k, BL_CLOCK_UNTRUSTED, 1000);
	for (int i = 0; i < 3600; i += 60) {
		kit_pass(&k->time, 59000);
		kit_tick(k, BL_STREAM_HOST);
	}
	kit_commit(k);
	kit_cut_all(k);
	kit_close(k);
	kit_reboot(k);
	kit_open(k, SPOOL_OPENED);
	return boot;
}

/* Known at noon, then three boots without the time; the last one is told that it is 8 p.m. */
static void
boots_without_the_time_are_placed_when_a_later_one_is_told(void **state)
{
	const int64_t noon = T0, evening = T0 + 8 * HOUR;
	struct bl_clock_segment seg;
	struct kit *k = *state;
	struct bl_err err = { 0 };
	struct spool_status st;
	struct bl_id boot[2];
	int64_t from, to, before = noon;

	kit_open(k, SPOOL_CREATED);
	say(k, BL_CLOCK_NTP, noon);
	kit_close(k);
	kit_reboot(k);
	kit_open(k, SPOOL_OPENED);
	boot[0] = an_hour_of_1970(k);
	boot[1] = an_hour_of_1970(k);
	say(k, BL_CLOCK_UNTRUSTED, 1000);
	say(k, BL_CLOCK_CENTRE, evening);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(spool_clock_newest(k->s, &boot[i], &seg, &err), 1);
		assert_int_equal(seg.source, BL_CLOCK_CENTRE);
		assert_true(seg.uncertainty_ms > HOUR && seg.uncertainty_ms < 4 * HOUR);
		/* Wherever it may lie, all of it is between noon and evening. */
		from = seg.offset_ms - seg.uncertainty_ms;
		to = seg.offset_ms + HOUR + seg.uncertainty_ms;
		assert_true(from >= noon - 10000 && to <= evening + 10000);
		assert_true(seg.offset_ms > before);
		before = seg.offset_ms;
	}
	/* Once: what is said again of the present boot moves nothing. */
	assert_int_equal(spool_status(k->s, &st, &err), BL_OK);
	kit_pass(&k->time, 60000);
	say(k, BL_CLOCK_CENTRE, evening + 61000);
	from = st.clock_version;
	assert_int_equal(spool_status(k->s, &st, &err), BL_OK);
	assert_int_equal(st.clock_version, from + 1);
}

/* Before and after it the time was known by some minutes only: so is its place, at best. */
static void
what_lies_between_doubtful_times_is_as_doubtful(void **state)
{
	const int64_t noon = T0, three_pm = T0 + 3 * HOUR;
	const uint32_t doubt_ms = 20 * 60000;
	struct bl_clock_segment seg;
	struct kit *k = *state;
	struct bl_err err = { 0 };
	struct bl_id boot;

	kit_open(k, SPOOL_CREATED);
	say_about(k, BL_CLOCK_CENTRE, noon, doubt_ms);
	kit_close(k);
	kit_reboot(k);
	kit_open(k, SPOOL_OPENED);
	boot = an_hour_of_1970(k);
	say(k, BL_CLOCK_UNTRUSTED, 1000);
	say_about(k, BL_CLOCK_CENTRE, three_pm, doubt_ms);
	assert_int_equal(spool_clock_newest(k->s, &boot, &seg, &err), 1);
	assert_true(seg.offset_ms - seg.uncertainty_ms <= noon - doubt_ms);
	assert_true(seg.offset_ms + HOUR + seg.uncertainty_ms >= three_pm + doubt_ms - 10000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_boot_gets_the_place_that_is_known_of_it),
		cmocka_unit_test_setup_teardown(
		    boots_without_the_time_are_placed_when_a_later_one_is_told, kit_setup,
		    kit_teardown),
		cmocka_unit_test_setup_teardown(
		    what_lies_between_doubtful_times_is_as_doubtful, kit_setup, kit_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
