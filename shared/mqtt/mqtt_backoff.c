/*
 * When to try again: exponential ceiling, full jitter, a floor.
 *
 * The wait is uniform in [floor, min(max, min_ms * 2^n)].  Where the floor
 * reaches the ceiling it is uniform in [floor, 2 * floor]: a fleet that is
 * told "not before 30 s" must not come back in one instant after 30 s.
 */
#include "mqtt_internal.h"

unsigned
mqtt_backoff_ms(const struct bl_clock *clock, unsigned min_ms, unsigned max_ms, unsigned failures,
    unsigned floor_ms)
{
	uint64_t ceiling = min_ms;

	for (unsigned i = 0; i < failures && ceiling < max_ms; i++)
		ceiling *= 2;
	if (ceiling > max_ms)
		ceiling = max_ms;
	if (floor_ms > 0 && floor_ms >= ceiling)
		ceiling = 2 * (uint64_t)floor_ms;
	if (ceiling > INT32_MAX)
		ceiling = INT32_MAX;
	if (ceiling <= floor_ms)
		return (unsigned)ceiling;
	return floor_ms + (unsigned)bl_random_below(clock, ceiling - floor_ms + 1);
}
