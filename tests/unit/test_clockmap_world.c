/*
 * The clock map against the truth: a played machine whose crystal drifts, sleeps, is
 * paused, loses NTP or its link for days.  Whatever happens, an event is placed no
 * further from the truth than the map says; what was delivered never moves; the
 * stated uncertainty is of use; and few segments do.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/message.h"

#include "clockmap.h"

#define MIN     INT64_C(60000)
#define HOUR    INT64_C(3600000)
#define DAY     (24 * HOUR)
#define T0      INT64_C(1800000000000)
#define LOOK_MS 60000
#define SEGS    4096
#define SAMPLES 4096

struct span {
	int64_t from_ms, to_ms; /* of true time since the boot; to 0: never */
};

struct world {
	const char *name;
	int64_t last_ms; /* how long it is played */
	double ppm;      /* the crystal; while NTP disciplines it: 0 */
	double wave_ppm; /* with the temperature of the day */
	struct span ntp, link[3];
	struct span asleep; /* boot time goes on, monotonic time does not */
	struct span paused; /* nothing goes on, as in a paused virtual machine */
	int64_t restart_ms; /* the agent */
	int64_t rtt_ms;
	bool wall_set; /* after the pause somebody sets the wall clock */
	int64_t wall_ms;
	/* expected */
	unsigned max_segments;
	int64_t max_doubt_ms;
	unsigned jumps;
};

static const struct world worlds[] = {
	{ .name = "linked all the time, without NTP",
	    .last_ms = 12 * DAY,
	    .ppm = 100,
	    .link = { { 0, 12 * DAY } },
	    .rtt_ms = 300,
	    .max_segments = 300,
	    .max_doubt_ms = 2000 },
	{ .name = "NTP all the time",
	    .last_ms = 12 * DAY,
	    .ppm = 100,
	    .ntp = { 0, 12 * DAY },
	    .max_segments = 2,
	    .max_doubt_ms = 101 },
	{ .name = "seven days offline, fast crystal",
	    .last_ms = 8 * DAY,
	    .ppm = 200,
	    .link = { { 0, 10 * MIN }, { 7 * DAY, 8 * DAY } },
	    .rtt_ms = 200,
	    .max_segments = 150,
	    .max_doubt_ms = 9000 },
	{ .name = "seven days offline, slow crystal whose rate was known",
	    .last_ms = 9 * DAY,
	    .ppm = -90,
	    .link = { { 0, 1 * DAY }, { 8 * DAY, 9 * DAY } },
	    .rtt_ms = 40,
	    .max_segments = 250,
	    .max_doubt_ms = 8000 },
	{ .name = "two days offline through warm days and cold nights",
	    .last_ms = 4 * DAY,
	    .ppm = 50,
	    .wave_ppm = 15,
	    .link = { { 0, 1 * DAY }, { 3 * DAY, 4 * DAY } },
	    .rtt_ms = 100,
	    .max_segments = 400,
	    .max_doubt_ms = 4000 },
	{ .name = "NTP dies, the link comes days later",
	    .last_ms = 6 * DAY,
	    .ppm = 15,
	    .ntp = { 0, 1 * DAY },
	    .link = { { 5 * DAY, 6 * DAY } },
	    .rtt_ms = 100,
	    .max_segments = 100,
	    .max_doubt_ms = 9000 },
	{ .name = "seven days without the time, from the boot on",
	    .last_ms = 8 * DAY,
	    .ppm = -120,
	    .link = { { 7 * DAY, 8 * DAY } },
	    .rtt_ms = 100,
	    .wall_ms = 1000,
	    .max_segments = 100,
	    .max_doubt_ms = 152000 },
	{ .name = "a night asleep",
	    .last_ms = 2 * DAY,
	    .ppm = 30,
	    .link = { { 0, 10 * HOUR }, { 18 * HOUR, 2 * DAY } },
	    .asleep = { 10 * HOUR, 18 * HOUR },
	    .rtt_ms = 100,
	    .max_segments = 100,
	    .max_doubt_ms = 9000 },
	{ .name = "paused for an hour, then set",
	    .last_ms = 1 * DAY,
	    .ppm = 20,
	    .link = { { 0, 4 * HOUR }, { 12 * HOUR, 1 * DAY } },
	    .paused = { 8 * HOUR, 9 * HOUR },
	    .wall_set = true,
	    .rtt_ms = 100,
	    .max_segments = 100,
	    .max_doubt_ms = 10000,
	    .jumps = 1 },
	{ .name = "paused for an hour, nobody knows when",
	    .last_ms = 1 * DAY,
	    .ppm = 20,
	    .link = { { 0, 4 * HOUR }, { 12 * HOUR, 1 * DAY } },
	    .paused = { 8 * HOUR, 9 * HOUR },
	    .rtt_ms = 100,
	    .max_segments = 100,
	    .max_doubt_ms = HOUR + 10000,
	    .jumps = 1 },
	{ .name = "the agent starts again while offline",
	    .last_ms = 5 * DAY,
	    .ppm = 80,
	    .link = { { 0, 1 * HOUR }, { 4 * DAY, 5 * DAY } },
	    .restart_ms = 2 * DAY,
	    .rtt_ms = 100,
	    .max_segments = 150,
	    .max_doubt_ms = 140000 },
};

struct sample {
	int64_t boot_ms, true_unix_ms;
	int64_t placed_ms; /* when it was delivered; -1: it waits */
};

struct play {
	const struct world *w;
	struct clockmap map;
	struct bl_clock_segment seg[SEGS];
	unsigned n_segs;
	struct sample sample[SAMPLES];
	unsigned n_samples;
	int64_t boot_ms, mono_ms; /* now */
	double frac;
	int64_t wall_ms;
	unsigned jumps;
	bool linked, synced;
	uint32_t doubt_was;
};

static bool
in(const struct span *s, int64_t at)
{
	return s->to_ms > 0 && at >= s->from_ms && at < s->to_ms;
}

static void
take(struct play *p, const struct clockmap_result *r)
{
	for (unsigned i = 0; i < r->n_segments; i++) {
		assert_true(p->n_segs < SEGS);
		p->seg[p->n_segs] = r->segment[i];
		p->seg[p->n_segs].id = p->n_segs + 1;
		p->n_segs++;
	}
	p->jumps += r->jumped;
}

static void
deliver(struct play *p)
{
	uint32_t doubt;

	for (unsigned i = 0; i < p->n_samples; i++)
		if (p->sample[i].placed_ms < 0 &&
		    !bl_clock_place(p->seg, p->n_segs, &p->map.boot, p->sample[i].boot_ms,
			&p->sample[i].placed_ms, &doubt))
			fail_msg("%s: delivered without a time", p->w->name);
}

static void
advance(struct play *p, int64_t at)
{
	const struct world *w = p->w;
	const double pi = 3.14159265358979;
	double ppm = w->ppm + w->wave_ppm * sin(2 * pi * (double)at / (double)DAY), run;

	if (in(&w->paused, at))
		return;
	run = LOOK_MS / (1 + (p->synced ? 0 : ppm) * 1e-6) + p->frac;
	p->boot_ms += (int64_t)run;
	p->frac = run - floor(run);
	p->wall_ms += (int64_t)run;
	if (!in(&w->asleep, at))
		p->mono_ms += (int64_t)run;
}

static void
centre_speaks(struct play *p, int64_t at, const struct clockmap_now *now)
{
	/* The worst there is: all of the round trip lies on one side. */
	const int64_t back = (at / LOOK_MS) % 2 == 0 ? 0 : p->w->rtt_ms;
	struct clockmap_result r;

	clockmap_centre(&p->map, now, T0 + at - back, p->w->rtt_ms, &r);
	clockmap_contact(&p->map, now->boot_ms);
	take(p, &r);
}

static void
restart(struct play *p)
{
	const struct bl_clock_segment newest = p->seg[p->n_segs - 1];
	const struct bl_id boot = p->map.boot;

	clockmap_init(&p->map, &boot);
	clockmap_resume(&p->map, &newest, p->boot_ms);
}

static void
turn(struct play *p, int64_t at)
{
	const struct world *w = p->w;
	struct clockmap_now now;
	struct clockmap_result r;
	bool linked = false;

	p->synced = in(&w->ntp, at);
	if (p->synced)
		p->wall_ms = T0 + at;
	if (w->wall_set && at == w->paused.to_ms)
		p->wall_ms = T0 + at;
	if (in(&w->paused, at) || in(&w->asleep, at))
		return;
	if (at == w->restart_ms && at > 0)
		restart(p);
	now = (struct clockmap_now){ p->boot_ms, p->mono_ms, p->wall_ms, p->synced };
	clockmap_look(&p->map, &now, &r);
	take(p, &r);
	if (at % (5 * MIN) == 0 && p->n_samples < SAMPLES)
		p->sample[p->n_samples++] = (struct sample){ p->boot_ms, T0 + at, -1 };
	for (unsigned i = 0; i < 3; i++)
		linked = linked || in(&w->link[i], at);
	if (linked && (!p->linked || at % (10 * MIN) == 0))
		centre_speaks(p, at, &now);
	if (p->linked || linked)
		clockmap_contact(&p->map, p->boot_ms);
	if (linked || p->synced)
		deliver(p);
	p->linked = linked;
}

static void
judge(struct play *p)
{
	const struct world *w = p->w;
	int64_t worst = 0, error_worst = 0;

	for (unsigned i = 0; i < p->n_samples; i++) {
		const struct sample *s = &p->sample[i];
		int64_t unix_ms, error;
		uint32_t doubt;

		assert_true(
		    bl_clock_place(p->seg, p->n_segs, &p->map.boot, s->boot_ms, &unix_ms, &doubt));
		error = llabs(unix_ms - s->true_unix_ms);
		if (error > (int64_t)doubt + 1)
			fail_msg("%s: sample %u is placed %" PRId64 " ms wrong, stated %u", w->name,
			    i, error, doubt);
		if (s->placed_ms >= 0 && s->placed_ms != unix_ms)
			fail_msg("%s: sample %u moved by %" PRId64 " ms", w->name, i,
			    unix_ms - s->placed_ms);
		worst = doubt > worst ? doubt : worst;
		error_worst = error > error_worst ? error : error_worst;
	}
	print_message("%-55s %3u segments, wrong by <= %" PRId64 " ms, stated <= %" PRId64 " ms\n",
	    w->name, p->n_segs, error_worst, worst);
	if (worst > w->max_doubt_ms)
		fail_msg("%s: an uncertainty of %" PRId64 " ms", w->name, worst);
	if (p->n_segs > w->max_segments)
		fail_msg("%s: %u segments", w->name, p->n_segs);
	if (p->jumps != w->jumps)
		fail_msg("%s: %u jumps", w->name, p->jumps);
}

static void
every_event_lies_where_the_map_says_it_may(void **state)
{
	struct play *p = malloc(sizeof(*p));

	(void)state;
	assert_non_null(p);
	for (size_t i = 0; i < sizeof(worlds) / sizeof(worlds[0]); i++) {
		const struct bl_id boot = { .b = { 7 } };

		memset(p, 0, sizeof(*p));
		p->w = &worlds[i];
		p->boot_ms = p->mono_ms = 20000;
		p->wall_ms = worlds[i].wall_ms != 0 ? worlds[i].wall_ms : T0;
		clockmap_init(&p->map, &boot);
		for (int64_t at = 0; at < worlds[i].last_ms; at += LOOK_MS) {
			turn(p, at);
			advance(p, at);
		}
		judge(p);
	}
	free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_event_lies_where_the_map_says_it_may),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
