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
	/* expected: how many segments, and the last of them */
	unsigned segments;
	enum bl_clock_source source;
	int64_t offset_ms;
	uint32_t doubt_ms;
	const char
	    *events; /* s stepped, w wild, t steady, l lost, f found, j jumped, d disagrees */
};

struct scenario {
	const char *name;
	struct step step[12]; /* boot_ms 0 ends */
};

#define HOUR INT64_C(3600000)
#define NONE UINT32_MAX

static const struct scenario scenarios[] = {
	{ "a disciplined clock is trusted from the start, and says so once",
	    { { LOOK, 1000, T0 + 1000, true, 0, 1, BL_CLOCK_NTP, T0, 101, "" },
		{ LOOK, 6000, T0 + 6000, true, 0, 0, 0, 0, 0, "" },
		{ LOOK, 9000, T0 + 9040, true, 0, 0, 0, 0, 0, "" } } },
	{ "a clock of 1970 is not trusted until it is set",
	    { { LOOK, 1000, 5000, false, 0, 1, BL_CLOCK_UNTRUSTED, 4000, NONE, "" },
		{ LOOK, 9000, T0 + 9000, true, 0, 1, BL_CLOCK_NTP, T0, 101, "sf" } } },
	{ "the centre's time is trusted where the kernel's is not",
	    { { LOOK, 1000, T0, false, 0, 1, BL_CLOCK_UNTRUSTED, T0 - 1000, NONE, "" },
		{ CENTRE, 2000, T0 + 77000, false, 100, 1, BL_CLOCK_CENTRE, T0 + 75050, 103, "" },
		{ CENTRE, 9000, T0 + 84000, false, 100, 0, 0, 0, 0, "" } } },
	{ "the centre's time is compared with a disciplined clock, and said once",
	    { { LOOK, 1000, T0 + 1000, true, 0, 1, BL_CLOCK_NTP, T0, 101, "" },
		{ CENTRE, 2000, T0 + 99000, true, 10, 0, 0, 0, 0, "d" },
		{ CENTRE, 3000, T0 + 99990, true, 3000, 0, 0, 0, 0, "" },
		{ CENTRE, 4000, T0 + 4200, true, 3000, 0, 0, 0, 0, "" },
		{ CENTRE, 5000, T0 + 5010, true, 10, 0, 0, 0, 0, "" },
		{ CENTRE, 6000, T0 + 99000, true, 10, 0, 0, 0, 0, "d" } } },
	{ "an untrusted clock that is set again is followed, as an event",
	    { { LOOK, 1000, 5000, false, 0, 1, BL_CLOCK_UNTRUSTED, 4000, NONE, "" },
		{ LOOK, 2000, 66000, false, 0, 1, BL_CLOCK_UNTRUSTED, 64000, NONE, "s" } } },
	{ "a trusted segment is never replaced by an untrusted clock",
	    { { LOOK, 1000, T0, false, 0, 1, BL_CLOCK_UNTRUSTED, T0 - 1000, NONE, "" },
		{ CENTRE, 2000, T0 + 1000, false, 0, 1, BL_CLOCK_CENTRE, T0 - 1000, 52, "" },
		{ LOOK, 3000, 5000, false, 0, 0, 0, 0, 0, "s" },
		{ LOOK, 4000, 6000, false, 0, 0, 0, 0, 0, "" } } },
	{ "a step of a disciplined clock begins a new segment",
	    { { LOOK, 1000, T0 + 1000, true, 0, 1, BL_CLOCK_NTP, T0, 101, "" },
		{ LOOK, 2000, T0 + 2300, true, 0, 1, BL_CLOCK_NTP, T0 + 300, 101, "s" } } },
	{ "drift that adds up begins a new segment without an event",
	    { { LOOK, 1000, T0 + 1000, true, 0, 1, BL_CLOCK_NTP, T0, 101, "" },
		{ LOOK, 2000, T0 + 2040, true, 0, 0, 0, 0, 0, "" },
		{ LOOK, 3000, T0 + 3240, true, 0, 1, BL_CLOCK_NTP, T0 + 240, 101, "" } } },
	{ "a slow answer does not move what a quick one said",
	    { { LOOK, 1000, T0, false, 0, 1, BL_CLOCK_UNTRUSTED, T0 - 1000, NONE, "" },
		{ CENTRE, 2000, T0 + 2000, false, 20, 1, BL_CLOCK_CENTRE, T0 + 10, 62, "" },
		{ CENTRE, 9000, T0 + 7000, false, 6000, 0, 0, 0, 0, "" } } },
	{ "a clock that jumped away from the centre's gets a new segment, and an event",
	    { { LOOK, 1000, T0, false, 0, 1, BL_CLOCK_UNTRUSTED, T0 - 1000, NONE, "" },
		{ CENTRE, 2000, T0 + 2000, false, 20, 1, BL_CLOCK_CENTRE, T0 + 10, 62, "" },
		{ CENTRE, 90000, T0 + 94000, false, 20, 1, BL_CLOCK_CENTRE, T0 + 4010, 62,
		    "j" } } },
	{ "NTP that died: the doubt grows with each doubling, until the centre speaks",
	    { { LOOK, 1000, T0 + 1000, true, 0, 1, BL_CLOCK_NTP, T0, 101, "" },
		{ LOOK, 6000, T0 + 6000, false, 0, 1, BL_CLOCK_NTP, T0, 1381, "l" },
		{ LOOK, 2 * HOUR, T0 + 2 * HOUR, false, 0, 0, 0, 0, 0, "" },
		{ LOOK, 24 * HOUR, T0 + 24 * HOUR, false, 0, 1, BL_CLOCK_NTP, T0, 4837, "" },
		{ CENTRE, 24 * HOUR + 1, T0 + 24 * HOUR + 1, false, 20, 9, BL_CLOCK_CENTRE, T0 + 10,
		    62, "" } } },
	{ "a frozen clock, said to be disciplined, is not believed",
	    { { LOOK, 1000, T0 + 1000, true, 0, 1, BL_CLOCK_NTP, T0, 101, "" },
		{ LOOK, 6000, T0 + 1000, true, 0, 1, BL_CLOCK_NTP, T0 - 5000, 101, "s" },
		{ LOOK, 11000, T0 + 1000, true, 0, 1, BL_CLOCK_NTP, T0 - 10000, 101, "s" },
		{ LOOK, 16000, T0 + 1000, true, 0, 1, BL_CLOCK_NTP, T0 - 10000, 1381, "swl" },
		{ LOOK, 21000, T0 + 1000, true, 0, 0, 0, 0, 0, "" },
		{ LOOK, 26000, T0 + 1000, true, 0, 0, 0, 0, 0, "" } } },
	{ "twice the speed, without discipline: three words and no segment",
	    { { LOOK, 1000, T0 + 1000, false, 0, 1, BL_CLOCK_UNTRUSTED, T0, NONE, "" },
		{ CENTRE, 2000, T0 + 1000, false, 20, 1, BL_CLOCK_CENTRE, T0 - 990, 62, "" },
		{ LOOK, 6000, T0 + 11000, false, 0, 0, 0, 0, 0, "s" },
		{ LOOK, 11000, T0 + 21000, false, 0, 0, 0, 0, 0, "s" },
		{ LOOK, 16000, T0 + 31000, false, 0, 0, 0, 0, 0, "sw" },
		{ LOOK, 21000, T0 + 41000, false, 0, 0, 0, 0, 0, "" },
		{ LOOK, 26000, T0 + 51000, false, 0, 0, 0, 0, 0, "" } } },
};

static void
check(const char *name, unsigned i, const struct step *s, const struct clockmap_result *r)
{
	const struct bl_clock_segment *last =
	    r->n_segments > 0 ? &r->segment[r->n_segments - 1] : NULL;
	char events[16] = "";

	(void)snprintf(events, sizeof(events), "%s%s%s%s%s%s%s", r->stepped ? "s" : "",
	    r->went_wild ? "w" : "", r->went_steady ? "t" : "", r->lost_sync ? "l" : "",
	    r->found_sync ? "f" : "", r->jumped ? "j" : "", r->disagrees ? "d" : "");
	if (r->n_segments != s->segments || strcmp(events, s->events) != 0)
		fail_msg("%s: step %u: %u segments, events \"%s\"", name, i, r->n_segments, events);
	if (last != NULL &&
	    (last->source != s->source || last->offset_ms != s->offset_ms ||
		last->from_boot_ms != s->boot_ms || last->uncertainty_ms != s->doubt_ms))
		fail_msg("%s: step %u: %s, offset %lld from %lld, doubt %u", name, i,
		    clockmap_source_name(last->source), (long long)last->offset_ms,
		    (long long)last->from_boot_ms, last->uncertainty_ms);
}

static void
every_scenario_gives_its_segments_and_events(void **state)
{
	const struct bl_id boot = { .b = { 7 } };

	(void)state;
	for (size_t n = 0; n < sizeof(scenarios) / sizeof(scenarios[0]); n++) {
		struct clockmap m;

		clockmap_init(&m, &boot);
		for (unsigned i = 0; i < 12 && scenarios[n].step[i].boot_ms != 0; i++) {
			const struct step *s = &scenarios[n].step[i];
			const struct clockmap_now now = { s->boot_ms, s->boot_ms,
				s->act == LOOK ? s->unix_ms : T0 + s->boot_ms, s->synced };
			struct clockmap_result r;

			if (s->act == LOOK)
				clockmap_look(&m, &now, &r);
			else
				clockmap_centre(&m, &now, s->unix_ms, s->rtt_ms, &r);
			check(scenarios[n].name, i, s, &r);
		}
	}
}

static void
a_step_tells_both_times(void **state)
{
	const struct bl_id boot = { .b = { 7 } };
	struct clockmap_now now = { 1000, 1000, T0, true };
	struct clockmap_result r;
	struct clockmap m;

	(void)state;
	clockmap_init(&m, &boot);
	clockmap_look(&m, &now, &r);
	now = (struct clockmap_now){ 3000, 3000, T0 - 3600000, true };
	clockmap_look(&m, &now, &r);
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
	struct clockmap_result r;
	struct clockmap m;

	(void)state;
	clockmap_init(&m, &boot);
	assert_false(clockmap_wall_usable(&m));
	clockmap_look(&m, &now, &r);
	assert_false(clockmap_wall_usable(&m));
	clockmap_centre(&m, &now, T0 + 1000, 10, &r);
	assert_true(clockmap_trusted(&m));
	assert_false(clockmap_wall_usable(&m));
	/* Somebody sets it. */
	now.boot_ms = 6000;
	now.unix_ms = T0 + 6000 + 1200;
	clockmap_look(&m, &now, &r);
	assert_true(r.stepped);
	assert_true(clockmap_wall_usable(&m));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_scenario_gives_its_segments_and_events),
		cmocka_unit_test(a_step_tells_both_times),
		cmocka_unit_test(the_centres_word_does_not_mend_the_machines_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
