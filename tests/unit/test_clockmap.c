/* The clock map's decisions: what becomes a segment, what a step, what neither. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "clockmap.h"

#define T0 INT64_C(1700000000000)

enum act { LOOK, CENTRE };

struct step {
	enum act act;
	int64_t boot_ms, unix_ms; /* CENTRE: unix_ms is the server's */
	bool synced;
	int64_t rtt_ms;
	/* expected */
	bool segment;
	enum bl_clock_source source;
	int64_t offset_ms;
	bool stepped;
};

struct scenario {
	const char *name;
	struct step step[8]; /* boot_ms 0 ends */
};

static const struct scenario scenarios[] = {
	{ "a disciplined clock is trusted from the start, and says so once",
	    { { LOOK, 1000, T0 + 1000, true, 0, true, BL_CLOCK_NTP, T0, false },
		{ LOOK, 6000, T0 + 6000, true, 0, false, 0, 0, false },
		{ LOOK, 9000, T0 + 9100, true, 0, false, 0, 0, false } } },
	{ "a clock of 1970 is not trusted until it is set",
	    { { LOOK, 1000, 5000, false, 0, true, BL_CLOCK_UNTRUSTED, 4000, false },
		{ LOOK, 9000, T0 + 9000, true, 0, true, BL_CLOCK_NTP, T0, true } } },
	{ "the centre's time is trusted where the kernel's is not",
	    { { LOOK, 1000, T0, false, 0, true, BL_CLOCK_UNTRUSTED, T0 - 1000, false },
		{ CENTRE, 2000, T0 + 77000, false, 100, true, BL_CLOCK_CENTRE, T0 + 75050, false },
		{ CENTRE, 9000, T0 + 84000, false, 100, false, 0, 0, false } } },
	{ "the centre's time does not count beside a disciplined clock",
	    { { LOOK, 1000, T0 + 1000, true, 0, true, BL_CLOCK_NTP, T0, false },
		{ CENTRE, 2000, T0 + 99000, true, 10, false, 0, 0, false } } },
	{ "an untrusted clock that is set again is followed, as an event",
	    { { LOOK, 1000, 5000, false, 0, true, BL_CLOCK_UNTRUSTED, 4000, false },
		{ LOOK, 2000, 66000, false, 0, true, BL_CLOCK_UNTRUSTED, 64000, true } } },
	{ "a trusted segment is never replaced by an untrusted clock",
	    { { LOOK, 1000, T0, false, 0, true, BL_CLOCK_UNTRUSTED, T0 - 1000, false },
		{ CENTRE, 2000, T0 + 1000, false, 0, true, BL_CLOCK_CENTRE, T0 - 1000, false },
		{ LOOK, 3000, 5000, false, 0, false, 0, 0, true },
		{ LOOK, 4000, 6000, false, 0, false, 0, 0, false } } },
	{ "a step of a disciplined clock begins a new segment",
	    { { LOOK, 1000, T0 + 1000, true, 0, true, BL_CLOCK_NTP, T0, false },
		{ LOOK, 2000, T0 + 2300, true, 0, true, BL_CLOCK_NTP, T0 + 300, true } } },
	{ "drift that adds up begins a new segment without an event",
	    { { LOOK, 1000, T0 + 1000, true, 0, true, BL_CLOCK_NTP, T0, false },
		{ LOOK, 2000, T0 + 2200, true, 0, false, 0, 0, false },
		{ LOOK, 3000, T0 + 3400, true, 0, true, BL_CLOCK_NTP, T0 + 400, false } } },
	{ "a slow answer does not move what a quick one said",
	    { { LOOK, 1000, T0, false, 0, true, BL_CLOCK_UNTRUSTED, T0 - 1000, false },
		{ CENTRE, 2000, T0 + 2000, false, 20, true, BL_CLOCK_CENTRE, T0 + 10, false },
		{ CENTRE, 9000, T0 + 7000, false, 6000, false, 0, 0, false } } },
	{ "a clock that drifted away from the centre's gets a new segment",
	    { { LOOK, 1000, T0, false, 0, true, BL_CLOCK_UNTRUSTED, T0 - 1000, false },
		{ CENTRE, 2000, T0 + 2000, false, 20, true, BL_CLOCK_CENTRE, T0 + 10, false },
		{ CENTRE, 90000, T0 + 94000, false, 20, true, BL_CLOCK_CENTRE, T0 + 4010,
		    false } } },
};

static void
check(const char *name, unsigned i, const struct step *s, const struct clockmap_result *r)
{
	if (r->has_segment != s->segment || r->stepped != s->stepped)
		fail_msg(
		    "%s: step %u: segment %d, stepped %d", name, i, r->has_segment, r->stepped);
	if (s->segment && (r->segment.source != s->source || r->segment.offset_ms != s->offset_ms ||
			      r->segment.from_boot_ms != s->boot_ms))
		fail_msg("%s: step %u: %s, offset %lld from %lld", name, i,
		    clockmap_source_name(r->segment.source), (long long)r->segment.offset_ms,
		    (long long)r->segment.from_boot_ms);
}

static void
every_scenario_gives_its_segments_and_steps(void **state)
{
	const struct bl_id boot = { .b = { 7 } };

	(void)state;
	for (size_t n = 0; n < sizeof(scenarios) / sizeof(scenarios[0]); n++) {
		struct clockmap m;

		clockmap_init(&m, &boot);
		for (unsigned i = 0; i < 8 && scenarios[n].step[i].boot_ms != 0; i++) {
			const struct step *s = &scenarios[n].step[i];
			const struct clockmap_now now = { s->boot_ms, s->unix_ms, s->synced };
			const struct clockmap_result r =
			    s->act == LOOK ? clockmap_look(&m, &now)
					   : clockmap_centre(&m, &now, s->unix_ms, s->rtt_ms);

			check(scenarios[n].name, i, s, &r);
		}
	}
}

static void
a_step_tells_both_times(void **state)
{
	const struct bl_id boot = { .b = { 7 } };
	struct clockmap_now now = { 1000, T0, true };
	struct clockmap_result r;
	struct clockmap m;

	(void)state;
	clockmap_init(&m, &boot);
	(void)clockmap_look(&m, &now);
	now = (struct clockmap_now){ 3000, T0 - 3600000, true };
	r = clockmap_look(&m, &now);
	assert_true(r.stepped);
	assert_int_equal(r.step_before_ms, T0 + 2000);
	assert_int_equal(r.step_after_ms, T0 - 3600000);
}

/* 20 years ahead: the map is trusted then, but dates must not be judged by that clock. */
static void
the_centres_word_does_not_mend_the_machines_clock(void **state)
{
	const int64_t ahead = INT64_C(20) * 365 * 86400000;
	const struct bl_id boot = { { 1 } };
	struct clockmap_now now = { .boot_ms = 1000, .unix_ms = T0 + 1000 + ahead };
	struct clockmap m;

	(void)state;
	clockmap_init(&m, &boot);
	assert_false(clockmap_wall_usable(&m));
	(void)clockmap_look(&m, &now);
	assert_false(clockmap_wall_usable(&m));
	(void)clockmap_centre(&m, &now, T0 + 1000, 10);
	assert_true(clockmap_trusted(&m));
	assert_false(clockmap_wall_usable(&m));
	/* Somebody sets it. */
	now.boot_ms = 6000;
	now.unix_ms = T0 + 6000 + 1200;
	assert_true(clockmap_look(&m, &now).stepped);
	assert_true(clockmap_wall_usable(&m));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_scenario_gives_its_segments_and_steps),
		cmocka_unit_test(a_step_tells_both_times),
		cmocka_unit_test(the_centres_word_does_not_mend_the_machines_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
