/*
 * What a thinned sample is in arithmetic: how far back it reaches.  Pure; charts and KPIs must
 * do the same.
 */
#include "store_read.h"

int64_t
store_thin_span_ms(uint32_t count, int64_t interval_ms)
{
	/* The first of them stands at the end of its own interval. */
	if (count <= 1 || interval_ms <= 0)
		return 0;
	return interval_ms < STORE_THIN_MAX_MS / count ? interval_ms * count : STORE_THIN_MAX_MS;
}
