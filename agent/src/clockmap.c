/* The clock map's decisions; see the header. */
#include "clockmap.h"

#include <stdlib.h>
#include <string.h>

/* What NTP keeps on an ordinary network; the kernel's own bound is often a fallback value. */
#define NTP_UNCERTAINTY_MS 100

void
clockmap_init(struct clockmap *m, const struct bl_id *boot)
{
	memset(m, 0, sizeof(*m));
	m->boot = *boot;
}

bool
clockmap_trusted(const struct clockmap *m)
{
	return m->begun && m->newest.source != BL_CLOCK_UNTRUSTED;
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

static void
begin_segment(struct clockmap *m, struct clockmap_result *r, int64_t from_boot_ms,
    int64_t offset_ms, uint32_t uncertainty_ms, enum bl_clock_source source)
{
	m->newest = (struct bl_clock_segment){ .boot = m->boot,
		.from_boot_ms = from_boot_ms,
		.offset_ms = offset_ms,
		.uncertainty_ms = uncertainty_ms,
		.source = source };
	m->begun = true;
	r->has_segment = true;
	r->segment = m->newest;
}

static bool
far(int64_t a, int64_t b, int64_t limit)
{
	return a - b > limit || b - a > limit;
}

bool
clockmap_wall_usable(const struct clockmap *m)
{
	return clockmap_trusted(m) &&
	       !far(m->wall_offset_ms, m->newest.offset_ms, CLOCKMAP_DATE_MS);
}

struct clockmap_result
clockmap_look(struct clockmap *m, const struct clockmap_now *now)
{
	struct clockmap_result r = { 0 };
	const int64_t offset = now->unix_ms - now->boot_ms;
	const bool first = !m->begun;

	if (!first && far(offset, m->wall_offset_ms, CLOCKMAP_STEP_MS)) {
		r.stepped = true;
		r.step_before_ms = now->boot_ms + m->wall_offset_ms;
		r.step_after_ms = now->unix_ms;
	}
	/* Drift is followed without a word: a disciplined clock slews, which is no step. */
	m->wall_offset_ms = offset;
	if (now->synced) {
		/* The kernel's word; a segment anew only when it says something new. */
		if (first || !clockmap_trusted(m) ||
		    far(offset, m->newest.offset_ms, CLOCKMAP_STEP_MS))
			begin_segment(
			    m, &r, now->boot_ms, offset, NTP_UNCERTAINTY_MS, BL_CLOCK_NTP);
	} else if (first || (!clockmap_trusted(m) && r.stepped)) {
		begin_segment(m, &r, now->boot_ms, offset, UINT32_MAX, BL_CLOCK_UNTRUSTED);
	}
	return r;
}

struct clockmap_result
clockmap_centre(
    struct clockmap *m, const struct clockmap_now *now, int64_t server_unix_ms, int64_t rtt_ms)
{
	struct clockmap_result r = { 0 };
	const int64_t half = rtt_ms / 2;
	const int64_t offset = server_unix_ms - (now->boot_ms - half);
	const uint32_t uncertainty = half > UINT32_MAX - 1 ? UINT32_MAX : (uint32_t)half + 1;

	if (now->synced || rtt_ms < 0 || server_unix_ms <= 0)
		return r;
	/*
	 * The first word is taken whatever its quality: any time beats none.
	 * Later ones only where the old one is certainly wrong by now (drift).
	 */
	if (!clockmap_trusted(m)) {
		begin_segment(m, &r, now->boot_ms, offset, uncertainty, BL_CLOCK_CENTRE);
	} else if (far(offset, m->newest.offset_ms,
		       CLOCKMAP_STEP_MS + (int64_t)uncertainty +
			   (int64_t)m->newest.uncertainty_ms)) {
		begin_segment(m, &r, now->boot_ms, offset, uncertainty, BL_CLOCK_CENTRE);
	}
	return r;
}
