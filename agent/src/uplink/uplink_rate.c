/*
 * What the link carries, as PUBACKs show it.
 *
 * Bytes over the time in which something was under way, in spans of a quarter of a second and
 * more: PUBACKs that come together say nothing one by one, for each but the first seems to have
 * taken no time at all. A span that began with an idle link holds a round trip in which nothing
 * moved; it is taken off. A span that ends because there was no more to send is a measurement
 * only when enough went through it.
 */
#include "uplink_internal.h"

#define SPAN_MS 250

void
uplink_rate_reset(struct uplink_rate *r)
{
	*r = (struct uplink_rate){ .rtt_ms = INT64_MAX };
}

void
uplink_rate_round_trip(struct uplink_rate *r, int64_t ms)
{
	if (ms < r->rtt_ms)
		r->rtt_ms = ms > 0 ? ms : 0;
}

void
uplink_rate_begin(struct uplink_rate *r, int64_t now)
{
	r->from_ms = now;
	r->bytes = 0;
	r->from_idle = true;
}

static void
take(struct uplink_rate *r, double bytes_per_s)
{
	r->bytes_per_s =
	    r->bytes_per_s == 0 ? bytes_per_s : r->bytes_per_s + (bytes_per_s - r->bytes_per_s) / 4;
}

void
uplink_rate_acked(struct uplink_rate *r, int64_t now, int64_t sent_ms, size_t bytes, bool idle)
{
	int64_t took = now - r->from_ms;

	uplink_rate_round_trip(r, now - sent_ms);
	r->bytes += bytes;
	if (r->from_idle && r->rtt_ms < took)
		/* By half at most: where all frames are large the least round trip holds one. */
		took -= r->rtt_ms < took / 2 ? r->rtt_ms : took / 2;
	if (idle && r->bytes < UPLINK_RATE_BYTES)
		return;
	if (took < SPAN_MS && !idle)
		return;
	take(r, (double)r->bytes * 1000.0 / (double)(took > 0 ? took : 1));
	r->from_ms = now;
	r->bytes = 0;
	r->from_idle = false;
}
