/*
 * What is put at a tick.
 *
 *   counters          always: nobody counted is a 0 of growth, and known
 *   gauges, checks    the last value for as long as `hold` says, then unknown for ten minutes, as
 *                     samplers do with what has vanished; then nothing until it is sent again
 *   timers            count and sum always; least, greatest and quantiles where there were values:
 * a zero would say that it was fast sets              always; unknown where not all values found
 * room: half a count is none
 */
#include <math.h>

#include "statsd_internal.h"

void
statsd_series_settle(struct statsd_series *t)
{
	if (!t->fresh)
		return;
	t->fresh = false;
	t->host->flush(t->host->ctx, bl_boot_ms(t->host->clock));
}

static void
put_timer(struct statsd_series *t, struct statsd_timer *x)
{
	static const double q[STATSD_TIMER_SERIES] = {
		[STATSD_TIMER_P50] = 0.5, [STATSD_TIMER_P95] = 0.95, [STATSD_TIMER_P99] = 0.99
	};

	if (!x->sum_falls)
		intake_put(t->intake, x->slot[STATSD_TIMER_SUM], x->sum);
	if (x->sketch == NULL || bl_sketch_count(x->sketch) == 0)
		return;
	intake_put(t->intake, x->slot[STATSD_TIMER_MIN], x->min);
	intake_put(t->intake, x->slot[STATSD_TIMER_MAX], x->max);
	for (unsigned i = STATSD_TIMER_P50; i < STATSD_TIMER_SERIES; i++)
		intake_put(t->intake, x->slot[i],
		    fmin(fmax(bl_sketch_quantile(x->sketch, q[i]), x->min), x->max));
	bl_sketch_free(x->sketch);
	x->sketch = NULL;
}

static void
put_held(struct statsd_series *t, const struct statsd_entry *e)
{
	const int64_t quiet_ms = (int64_t)e->quiet * t->host->interval_ms;

	if (quiet_ms < t->conf->hold_ms)
		intake_put(t->intake, e->slot, e->value);
	else if (quiet_ms < t->conf->hold_ms + STATSD_UNKNOWN_MS)
		intake_unknown(t->intake, e->slot, BL_UNKNOWN_TIMEOUT);
}

static void
put_entry(struct statsd_series *t, struct statsd_entry *e, int64_t boot_ms)
{
	switch (e->kind) {
	case STATSD_GAUGE:
	case STATSD_CHECK:
		put_held(t, e);
		break;
	case STATSD_SET:
		if (e->set.full)
			intake_unknown(t->intake, e->slot, BL_UNKNOWN_UNSUPPORTED);
		else
			intake_put(t->intake, e->slot, e->set.n);
		statsd_set_reset(&e->set, &t->set_room);
		break;
	case STATSD_TIMER:
	case STATSD_HISTOGRAM:
	case STATSD_COUNTER:
	case STATSD_DECREMENT:
		/* Its 0 was put at this very instant: the next tick brings all of it. */
		if (boot_ms <= e->born_boot_ms)
			break;
		intake_put(t->intake, e->slot, e->value);
		if (e->timer != NULL)
			put_timer(t, e->timer);
		break;
	}
	e->quiet += e->quiet < UINT32_MAX;
}

void
statsd_series_tick(struct statsd_series *t, int64_t boot_ms)
{
	for (uint32_t i = 0; i < t->n; i++)
		put_entry(t, &t->entry[i], boot_ms);
}
