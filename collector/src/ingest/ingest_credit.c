/*
 * Credit: how many bytes of backlog a second each device may send.
 *
 * Max-min fair: every device gets the same, but for those whose links cannot take it; what they
 * leave goes to the others. Who can take how much is seen in what came: a device that used most
 * of its credit may want any more of it, another one counts with what it used, and may use twice as
 * much: the next time it is hungry. A second's receipts carry the new word. What comes is therefore
 * about what is configured, and less when the writer falls behind.
 *
 * Nothing but numbers of the last seconds is kept: after a crash everybody begins hungry.
 */
#include <stdlib.h>

#include "ingest_internal.h"

#define SWEEP_MS    1000
#define LEAST       4096  /* bytes a second: no device starves */
#define TOTAL_LEAST 65536 /* of all devices, however far the writer is behind */
#define HUNGRY_MS   10000 /* at first nothing is known of a link */
#define RATE_MS     10000 /* what came is averaged over so long: a slow link's batches are far apart \
			   */
#define QUIET_MS     30000 /* no backlog for so long: it has none any more */
#define HUNGRY_PART  0.8
#define PRESSING_PCT 25 /* of the writer's queue: it is behind */

uint32_t
ingest_credit_level(const uint32_t *demand, size_t n, int64_t total)
{
	int64_t level = n > 0 ? total / (int64_t)n : total, before;

	if (n == 0)
		return (uint32_t)(total < UINT32_MAX ? total : UINT32_MAX);
	/* Each round takes out those below the level; it only rises, so what is out stays out. */
	do {
		int64_t left = total, above = 0;

		before = level;
		for (size_t i = 0; i < n; i++) {
			if (demand[i] <= level)
				left -= demand[i];
			else
				above++;
		}
		if (above == 0)
			return (uint32_t)(total < UINT32_MAX ? total : UINT32_MAX);
		level = left / above;
	} while (level > before);
	return (uint32_t)(before < UINT32_MAX ? before : UINT32_MAX);
}

/* ---- who has a backlog ---- */

void
ingest_backlog_seen(struct ingest_core *c, struct device *d, size_t bytes)
{
	const int64_t now = bl_mono_ms(c->clock);

	d->past_bytes += bytes;
	d->last_past_mono_ms = now;
	if (d->backlog)
		return;
	if (c->n_backlog == c->size_backlog) {
		const unsigned size = c->size_backlog == 0 ? 64 : 2 * c->size_backlog;
		struct device **more = realloc(c->backlog, size * sizeof(*more));
		uint32_t *demand;

		if (more == NULL)
			return; /* counted when there is memory: it gets the credit of the others */
		c->backlog = more;
		if ((demand = realloc(c->demand, size * sizeof(*demand))) == NULL)
			return;
		c->demand = demand;
		c->size_backlog = size;
	}
	d->backlog = true;
	d->backlog_since_mono_ms = now;
	d->past_rate = d->credit_rate = 0;
	d->past_bytes = bytes;
	c->backlog[c->n_backlog++] = d;
	c->credit_stale = true;
}

void
ingest_backlog_forget(struct ingest_core *c, struct device *d)
{
	for (unsigned i = 0; d->backlog && i < c->n_backlog; i++)
		if (c->backlog[i] == d) {
			c->backlog[i] = c->backlog[--c->n_backlog];
			d->backlog = false;
			c->credit_stale = true;
		}
}

/* ---- shares ---- */

/* It used what it was given; or nothing is known of its link yet. */
static bool
hungry(const struct device *d, int64_t now)
{
	return now - d->backlog_since_mono_ms < HUNGRY_MS ||
	       d->past_rate >= HUNGRY_PART * d->credit_rate;
}

static void
share(struct ingest_core *c, int64_t now)
{
	int64_t spare = c->total;

	for (unsigned i = 0; i < c->n_backlog; i++)
		c->demand[i] = hungry(c->backlog[i], now) || c->backlog[i]->past_rate > UINT32_MAX
				   ? UINT32_MAX
				   : (uint32_t)c->backlog[i]->past_rate;
	c->level = ingest_credit_level(c->demand, c->n_backlog, c->total);
	if (c->level < LEAST)
		c->level = LEAST;
	for (unsigned i = 0; i < c->n_backlog; i++)
		spare -= c->demand[i] < c->level ? c->demand[i] : c->level;
	/* What nobody is hungry for holds nobody back. */
	spare = spare > 0 && c->n_backlog > 0 ? spare / c->n_backlog : 0;
	for (unsigned i = 0; i < c->n_backlog; i++) {
		struct device *d = c->backlog[i];
		const uint64_t twice = 2 * (uint64_t)c->demand[i] + (uint64_t)spare;

		d->credit = twice < c->level ? (uint32_t)twice : c->level;
		if (d->credit < LEAST)
			d->credit = LEAST;
	}
	c->credit_stale = false;
}

/* The writer is behind: half of it; else slowly back to what is configured. */
static void
adapt(struct ingest_core *c)
{
	if (c->pressure_pct >= PRESSING_PCT)
		c->total = c->total / 2 > TOTAL_LEAST ? c->total / 2 : TOTAL_LEAST;
	else if (c->total < c->opts.credit_bytes_per_s)
		c->total += c->total / 8 + 1;
	if (c->total > c->opts.credit_bytes_per_s)
		c->total = c->opts.credit_bytes_per_s;
}

void
ingest_backlog_sweep(struct ingest_core *c)
{
	const int64_t now = bl_mono_ms(c->clock);
	const int64_t since = now - c->swept_mono_ms;
	unsigned kept = 0;

	if (since < SWEEP_MS)
		return;
	c->swept_mono_ms = now;
	for (unsigned i = 0; i < c->n_backlog; i++) {
		struct device *d = c->backlog[i];
		const int64_t age = now - d->backlog_since_mono_ms;
		const int64_t over = age < RATE_MS ? age : RATE_MS;
		const double part = since < over ? (double)since / (double)over : 1;

		d->past_rate +=
		    ((double)d->past_bytes * 1000 / (double)since - d->past_rate) * part;
		d->credit_rate += (d->credit - d->credit_rate) * part;
		d->past_bytes = 0;
		d->backlog = now - d->last_past_mono_ms <= QUIET_MS;
		if (d->backlog)
			c->backlog[kept++] = d;
	}
	c->n_backlog = kept;
	adapt(c);
	share(c, now);
}

uint32_t
ingest_credit(struct ingest_core *c, const struct device *d)
{
	if (c->credit_stale)
		share(c, bl_mono_ms(c->clock));
	return d->backlog ? d->credit : c->level;
}

void
ingest_core_pressure(struct ingest_core *c, unsigned pct)
{
	c->pressure_pct = pct;
}
