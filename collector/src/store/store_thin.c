/*
 * What a thinned sample is in arithmetic: how far back it reaches, and how much a
 * counter has grown to it.  Pure; charts and KPIs must do the same.
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

double
store_increase(double before, double value, const struct bl_thin *t)
{
	const double least = t->count > 1 && t->min < value ? t->min : value;
	const double top = t->count > 1 && t->max > value ? t->max : before;

	if (least >= before || before - least <= before / 8)
		return value > before ? value - before : 0;
	return value + (top > before ? top - before : 0);
}
