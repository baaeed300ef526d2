/*
 * What a rate is, once for all who state one: charts, queries over many devices, KPIs.
 *
 * Growth by known time.  A counter grows between neighbouring samples, as bl_increase says, if they
 * are of one boot and at most store_pair_max_ms apart; the pair counts where its later sample lies,
 * with its growth and with the time between its two samples by the device's own clock.  The rate of
 * a step is the growth of all its pairs by the time of all of them: neither a gap nor a tick that
 * came late nor a sample that said "unknown" makes it higher or lower.  Where roll-ups are read,
 * which keep no times, a window has store_pace's.
 */
#ifndef STORE_RATE_H
#define STORE_RATE_H

#include <stdbool.h>
#include <stdint.h>

/* So far apart may neighbours be: five intervals, a minute at least. */
static inline int64_t
store_pair_max_ms(int64_t interval_ms)
{
	return interval_ms * 5 > 60000 ? interval_ms * 5 : 60000;
}

/* Per second. */
static inline double
store_rate(double growth, double known_ms)
{
	return growth * 1000.0 / known_ms;
}

/* The samples of an hour as roll-ups keep them. */
struct store_hour_ticks {
	uint64_t n, unknown; /* with a value, and those that said "unknown" */
	bool one_boot;       /* of the first and the last that are known */
	int64_t span_ms;     /* between those two */
};

/*
 * How much time the samples of an hour stand for: a tick each, and so many unknown ones beside
 * them, too; off_ms: by how much all of them together last longer.
 */
struct store_pace {
	double tick_ms, off_ms;
	uint64_t bridged_max;
};

/*
 * An hour whose ticks are all there: a pair surely reaches over what is unknown, if it is little,
 * and its ends tell by how much ticks were early or late; mostly it is the first tick of an agent
 * that started.
 */
static inline struct store_pace
store_pace(const struct store_hour_ticks *h, int64_t interval_ms)
{
	const uint64_t ticks = h->n + h->unknown;
	struct store_pace p = { .tick_ms = (double)interval_ms };
	double off;

	if (!h->one_boot || ticks < 2 || interval_ms <= 0)
		return p;
	off = (double)h->span_ms - (double)(ticks - 1) * (double)interval_ms;
	if (off < (double)-interval_ms / 2 || off > (double)interval_ms / 2)
		return p;
	p.off_ms = off;
	p.bridged_max = (uint64_t)(store_pair_max_ms(interval_ms) / interval_ms) - 1;
	return p;
}

/*
 * What n samples of a window are known for; unknown: those in it, near: and beside it, as far as a
 * pair may reach.  More than fit, or nobody knows: the window.
 */
static inline double
store_known_ms(
    const struct store_pace *p, uint64_t n, uint64_t unknown, uint64_t near, int64_t window_ms)
{
	const double known = (double)(n + (near <= p->bridged_max ? unknown : 0)) * p->tick_ms;

	return known > 0 && known <= (double)window_ms + p->tick_ms ? known : (double)window_ms;
}

#endif
