/* Former boots without the time; see the header. */
#include "boots.h"

#include <stdlib.h>

#define RTC_DOUBT_MS      2000   /* it counts seconds, and is read and set by them */
#define NTP_ERROR_MS      120000 /* of a real-time clock that NTP mended before anybody looked */
#define WALL_ERROR_MAX_MS (2 * INT64_C(86400000)) /* beyond, the order of boots says more */
#define RATE_PPM          150
#define AGENTS_EXIST      INT64_C(1735689600000) /* 2025: none was built before */
#define BOOT_PAUSE_MS     1000

struct edges {
	bool has_before;
	int64_t before, after; /* it lies in between */
};

static uint32_t
whole(int64_t ms)
{
	return ms < 0 ? 0 : ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX - 1;
}

/* By its wall clock, when that is possible at all. */
static bool
by_wall(const struct boot_known *k, const struct edges *e, struct boot_former *b)
{
	const int64_t error = k->has_wall ? k->wall_error_ms : 0;
	const int64_t room = k->has_wall ? llabs(error) + RTC_DOUBT_MS : NTP_ERROR_MS;
	const int64_t begin = b->wall_offset_ms - error, end = begin + b->end_ms;
	const int64_t earliest = e->has_before ? e->before : AGENTS_EXIST;
	int64_t age;

	if (llabs(error) > WALL_ERROR_MAX_MS || begin < earliest - room || end > e->after + room)
		return false;
	age = k->after_unix_ms > end ? k->after_unix_ms - end : 0;
	b->placed = true;
	b->offset_ms = begin;
	b->uncertainty_ms = whole(room + age / 1000000 * RATE_PPM);
	return true;
}

/* By the order of boots; older_ms: how long those before it ran. */
static bool
by_order(const struct edges *e, int64_t older_ms, struct boot_former *b)
{
	int64_t lo, hi;

	if (!e->has_before)
		return false;
	lo = e->before + older_ms;
	hi = e->after - b->end_ms;
	if (lo > hi) /* what is known is not that exact */
		lo = hi = (lo + hi) / 2;
	b->placed = true;
	b->offset_ms = lo + (hi - lo) / 2;
	b->uncertainty_ms = whole((hi - lo) / 2 + RTC_DOUBT_MS);
	return true;
}

void
boots_place(const struct boot_known *k, struct boot_former *boot, size_t n)
{
	struct edges e = { k->has_before, k->before_unix_ms, k->after_unix_ms };
	int64_t older_ms = 0;

	for (size_t i = 0; i < n; i++)
		older_ms += boot[i].end_ms;
	for (size_t i = 0; i < n; i++) {
		struct boot_former *b = &boot[i];

		older_ms -= b->end_ms;
		b->placed = false;
		if (!by_wall(k, &e, b) && !by_order(&e, older_ms, b))
			continue;
		/* The one before it had ended when it began, at the latest. */
		e.after = b->offset_ms + (int64_t)b->uncertainty_ms - BOOT_PAUSE_MS;
	}
}
