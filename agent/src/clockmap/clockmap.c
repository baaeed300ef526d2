/*
 * The clock map: what the wall clock does, and whose word counts; see the
 * header.  What follows from a measure is in clockmap_fit.c.
 */
#include "clockmap.h"

#include <math.h>
#include <string.h>

#include "clockmap_internal.h"

/* What NTP keeps on an ordinary network; the kernel's own bound is often a fallback value. */
#define NTP_DOUBT_MS 50
/* So many looks in a row with a step: no hand does that. */
#define WILD_LOOKS   3u
#define STEADY_LOOKS 6u
/* Wall offsets of a boot without the time that are worth a segment (spool_boots.h). */
#define UNTRUSTED_MAX 8u
/* The year 9999 ends. */
#define UNIX_MS_MAX INT64_C(253402300799999)

void
clockmap_init(struct clockmap *m, const struct bl_id *boot)
{
	memset(m, 0, sizeof(*m));
	m->boot = *boot;
}

bool
clockmap_trusted(const struct clockmap *m)
{
	return m->known;
}

const char *
clockmap_source_name(enum bl_clock_source s)
{
	switch (s) {
	case BL_CLOCK_NTP:
		return "ntp";
	case BL_CLOCK_CENTRE:
		return "centre";
	case BL_CLOCK_UNTRUSTED:
		break;
	}
	return "untrusted";
}

static bool
far(int64_t a, int64_t b, int64_t limit)
{
	return a - b > limit || b - a > limit;
}

static int64_t
known_offset(const struct clockmap *m)
{
	return (int64_t)floor((m->lo_ms + m->hi_ms) / 2 + 0.5);
}

bool
clockmap_wall_usable(const struct clockmap *m)
{
	return m->known && !m->wild && !far(m->wall_offset_ms, known_offset(m), CLOCKMAP_DATE_MS);
}

int64_t
clockmap_unix_ms(const struct clockmap *m, int64_t boot_ms)
{
	return boot_ms + known_offset(m);
}

int64_t
clockmap_wall_less_map_ms(const struct clockmap *m)
{
	return m->known ? m->wall_offset_ms - known_offset(m) : 0;
}

int64_t
clockmap_drift_ppb(const struct clockmap *m)
{
	return m->rate_known ? (int64_t)floor(m->rate * 1e9 + 0.5) : 0;
}

uint32_t
clockmap_doubt_ms(const struct clockmap *m, int64_t boot_ms)
{
	const double dt = boot_ms > m->at_boot_ms ? (double)(boot_ms - m->at_boot_ms) : 0;
	const double lo = m->lo_ms + m->rate_lo * dt, hi = m->hi_ms + m->rate_hi * dt;
	const double said = (double)m->newest.offset_ms;
	const double doubt = ceil(fmax(hi - said, said - lo));

	if (!m->known)
		return UINT32_MAX;
	if (doubt < m->newest.uncertainty_ms)
		return m->newest.uncertainty_ms;
	return doubt < UINT32_MAX ? (uint32_t)doubt : UINT32_MAX - 1;
}

void
clockmap_contact(struct clockmap *m, int64_t boot_ms)
{
	if (boot_ms > m->contact_boot_ms)
		m->contact_boot_ms = boot_ms;
}

/* ---- the wall clock ---- */

static void
note_step(struct clockmap *m, const struct clockmap_now *now, struct clockmap_result *r)
{
	const int64_t offset = now->unix_ms - now->boot_ms;

	m->steps++;
	m->steps_since++;
	m->step_boot_ms = now->boot_ms;
	m->step_by_ms = offset - m->wall_offset_ms;
	if (m->wild)
		return;
	r->stepped = true;
	r->step_before_ms = now->boot_ms + m->wall_offset_ms;
	r->step_after_ms = now->unix_ms;
}

/* A clock that stands, or runs at twice the speed, steps with every look. */
static void
judge_speed(struct clockmap *m, bool step, struct clockmap_result *r)
{
	m->moving = step ? m->moving + 1 : 0;
	m->quiet = step ? 0 : m->quiet + 1;
	if (!m->wild && m->moving >= WILD_LOOKS) {
		m->wild = r->went_wild = true;
	} else if (m->wild && m->quiet >= STEADY_LOOKS) {
		m->wild = false;
		r->went_steady = true;
	}
}

/* True: a step. */
static bool
track_wall(struct clockmap *m, const struct clockmap_now *now, struct clockmap_result *r)
{
	const int64_t offset = now->unix_ms - now->boot_ms;
	const bool step = m->looked && far(offset, m->wall_offset_ms, CLOCKMAP_STEP_MS);

	if (step)
		note_step(m, now, r);
	judge_speed(m, step, r);
	/* Drift is followed without a word: a disciplined clock slews, which is no step. */
	m->wall_offset_ms = offset;
	m->looked = true;
	return step;
}

/* Where the wall clock stands while nobody knows the time: later boots may make sense of it. */
static void
tell_untrusted(struct clockmap *m, const struct clockmap_now *now, struct clockmap_result *r)
{
	if (m->untrusted_told == UNTRUSTED_MAX || m->wild)
		return;
	m->untrusted_told++;
	m->newest = (struct bl_clock_segment){ .boot = m->boot,
		.from_boot_ms = now->boot_ms,
		.offset_ms = m->wall_offset_ms,
		.uncertainty_ms = UINT32_MAX,
		.source = BL_CLOCK_UNTRUSTED };
	r->segment[r->n_segments++] = m->newest;
}

void
clockmap_look(struct clockmap *m, const struct clockmap_now *now, struct clockmap_result *r)
{
	bool first, step, synced;

	memset(r, 0, sizeof(*r));
	first = !m->looked;
	if (!m->begun) {
		m->begun = true;
		m->begin_boot_ms = now->boot_ms;
	}
	step = track_wall(m, now, r);
	synced = now->synced && !m->wild;
	clockmap_fit_advance(m, now);
	r->found_sync = synced && !m->synced && !first;
	r->lost_sync = !synced && m->synced;
	if (r->lost_sync)
		clockmap_fit_lost(m);
	m->synced = synced;
	if (synced)
		clockmap_fit_measure(
		    m, now->boot_ms, (double)m->wall_offset_ms, NTP_DOUBT_MS, BL_CLOCK_NTP, r);
	else if (m->known)
		clockmap_fit_tell(m, now->boot_ms, r);
	else if (first || step)
		tell_untrusted(m, now, r);
	if (!synced)
		m->disagrees = false;
}

/* ---- the centre ---- */

static void
compare(struct clockmap *m, int64_t less_ms, int64_t doubt_ms, struct clockmap_result *r)
{
	const bool now = far(less_ms, 0, 1000 + doubt_ms);

	/* A slow answer says nothing either way. */
	if (!now && doubt_ms > 1000)
		return;
	r->disagrees = now && !m->disagrees;
	m->disagrees = now;
	m->centre_less_wall_ms = less_ms;
}

void
clockmap_centre(struct clockmap *m, const struct clockmap_now *now, int64_t server_unix_ms,
    int64_t rtt_ms, struct clockmap_result *r)
{
	const double half = (double)rtt_ms / 2;
	const double offset = (double)(server_unix_ms - now->boot_ms) + half;

	memset(r, 0, sizeof(*r));
	if (rtt_ms < 0 || server_unix_ms <= 0 || server_unix_ms > UNIX_MS_MAX)
		return;
	if (now->synced && !m->wild) {
		compare(m, (int64_t)offset - (now->unix_ms - now->boot_ms), rtt_ms / 2 + 1, r);
		return;
	}
	clockmap_fit_advance(m, now);
	clockmap_fit_measure(m, now->boot_ms, offset, half + 1, BL_CLOCK_CENTRE, r);
}
