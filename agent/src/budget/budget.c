/* The window, what is spent of it, and the room that is left; see the header. */
#include "budget.h"

#include <string.h>

#define HOUR_MS        3600000
#define KEEPALIVE_COST 280u /* a ping and its answer, records and acknowledgements */
#define LOOKS          60   /* a window is looked at so often for what its passing frees */
#define PACKETS        4u   /* messages that a window should have room for */

/* Of a window, in hundredths: what a class may use of the whole. */
static const unsigned share_pct[BL_STREAMS] = { 100, 90, 75 };

static uint64_t
of_window(const struct budget *b, uint64_t bytes_per_hour)
{
	const uint64_t window = (uint64_t)b->conf.window_ms;

	/* In two steps: a budget of gigabytes times milliseconds would overflow. */
	return bytes_per_hour / HOUR_MS * window + bytes_per_hour % HOUR_MS * window / HOUR_MS;
}

/* Of the present one, which may be shorter. */
static uint64_t
of_present(const struct budget *b, uint64_t bytes_per_hour)
{
	const uint64_t all = of_window(b, bytes_per_hour);

	if (b->length_ms >= b->conf.window_ms)
		return all;
	return (uint64_t)((double)all * (double)b->length_ms / (double)b->conf.window_ms);
}

static int64_t
window_of(const struct budget *b, const struct budget_now *now)
{
	return now->trusted ? now->unix_ms / b->conf.window_ms : INT64_MIN;
}

/* Until the clock's next whole window. */
static int64_t
until_whole(const struct budget *b, const struct budget_now *now)
{
	if (!now->trusted || now->unix_ms < 0)
		return b->conf.window_ms;
	return b->conf.window_ms - now->unix_ms % b->conf.window_ms;
}

/* A new window: nothing is spent of it. */
static void
begin(struct budget *b, const struct budget_now *now)
{
	const int64_t left = until_whole(b, now);

	b->at.window = window_of(b, now);
	b->at.ends_boot_ms = now->boot_ms + left;
	b->at.used_bytes = 0;
	memset(b->at.class_bytes, 0, sizeof(b->at.class_bytes));
	/* What follows another window has the budget of its length, be it short. */
	b->length_ms = b->begun ? left : b->conf.window_ms;
	b->begun = true;
	b->foreign = false;
}

/* The time became known within a window that had begun without it: it ends with the clock's. */
static void
align(struct budget *b, const struct budget_now *now)
{
	const int64_t left = until_whole(b, now);

	b->at.window = window_of(b, now);
	if (now->boot_ms + left < b->at.ends_boot_ms)
		b->at.ends_boot_ms = now->boot_ms + left;
}

/* Whether the window is over.  One of another boot ends when the clock says so, or after its
 * length. */
static void
turn(struct budget *b, const struct budget_now *now)
{
	const int64_t window = window_of(b, now);

	if (now->boot_ms >= b->at.ends_boot_ms ||
	    (b->foreign && window != INT64_MIN && b->at.window != INT64_MIN &&
		window != b->at.window))
		begin(b, now);
	else if (!b->foreign && window != INT64_MIN && b->at.window == INT64_MIN)
		align(b, now);
}

static void
take(struct budget *b, const struct budget_conf *conf)
{
	b->conf = *conf;
	b->metered = conf->bytes_per_hour > 0;
	for (int i = 0; i < BL_STREAMS; i++)
		b->metered =
		    b->metered || conf->class[i].bytes_per_hour > 0 || conf->class[i].hours.n > 0;
}

void
budget_init(struct budget *b, const struct budget_conf *conf, const struct bl_id *boot,
    const struct budget_now *now)
{
	memset(b, 0, sizeof(*b));
	take(b, conf);
	begin(b, now);
	b->at.boot = *boot;
}

void
budget_change(struct budget *b, const struct budget_conf *conf, const struct budget_now *now)
{
	const bool other = conf->window_ms != b->conf.window_ms;

	take(b, conf);
	if (other) {
		b->begun = false;
		begin(b, now);
	}
}

void
budget_restore(struct budget *b, const struct budget_saved *saved, const struct budget_now *now)
{
	const bool same_boot = bl_id_equal(&saved->boot, &b->at.boot);

	/* An end beyond a window's length is damage, or another configuration's. */
	if (same_boot && (saved->ends_boot_ms <= now->boot_ms ||
			     saved->ends_boot_ms > now->boot_ms + b->conf.window_ms))
		return;
	if (same_boot)
		b->at.ends_boot_ms = saved->ends_boot_ms;
	b->at.window = saved->window;
	b->foreign = !same_boot;
	b->at.used_bytes += saved->used_bytes;
	for (int i = 0; i < BL_STREAMS; i++)
		b->at.class_bytes[i] += saved->class_bytes[i];
	turn(b, now);
}

void
budget_carried(struct budget *b, const struct budget_now *now, uint64_t bytes)
{
	turn(b, now);
	b->at.used_bytes += bytes;
}

static uint64_t
less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static uint64_t
cost_of(size_t bytes, bool shares)
{
	return (uint64_t)bytes + bytes / 16 + (shares ? 0 : BUDGET_FRAME_BYTES);
}

void
budget_sent(struct budget *b, const struct budget_now *now, enum bl_stream stream, size_t bytes,
    bool shares)
{
	turn(b, now);
	b->at.class_bytes[stream - 1] += cost_of(bytes, shares);
}

void
budget_unsent(struct budget *b, const struct budget_now *now, enum bl_stream stream, size_t bytes,
    bool shares)
{
	turn(b, now);
	b->at.class_bytes[stream - 1] = less(b->at.class_bytes[stream - 1], cost_of(bytes, shares));
}

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* What keeping the connection up will still take in this window, but never most of it. */
static uint64_t
reserve(const struct budget *b, const struct budget_now *now, uint64_t window)
{
	const int64_t left = b->at.ends_boot_ms - now->boot_ms;

	if (b->conf.keepalive_ms <= 0 || left <= 0)
		return 0;
	return least((uint64_t)(left / b->conf.keepalive_ms + 1) * KEEPALIVE_COST, window / 4);
}

static uint64_t
passed(const struct budget *b, const struct budget_now *now, uint64_t bytes)
{
	const int64_t left = b->at.ends_boot_ms - now->boot_ms;
	const int64_t gone = b->length_ms - left;

	if (gone <= 0)
		return 0;
	return (uint64_t)((double)bytes * (double)gone / (double)b->length_ms);
}

static bool
hours_open(const struct budget *b, const struct budget_now *now, int i)
{
	const struct budget_hours *h = &b->conf.class[i].hours;

	return h->n == 0 || (now->trusted && budget_hours_open(h, b->conf.tz, now->unix_ms));
}

static void
room_of(const struct budget *b, const struct budget_now *now, uint64_t under_way, int i,
    struct budget_room *out)
{
	const uint64_t all = of_present(b, b->conf.bytes_per_hour);
	const uint64_t own = of_present(b, b->conf.class[i].bytes_per_hour);
	const uint64_t spent = b->at.used_bytes + under_way;
	uint64_t live = UINT64_MAX, past = UINT64_MAX;

	if (b->conf.bytes_per_hour > 0) {
		live = less(all / 100 * share_pct[i], spent + reserve(b, now, all));
		past = less(passed(b, now, all), spent);
	}
	if (b->conf.class[i].bytes_per_hour > 0) {
		live = least(live, less(own, b->at.class_bytes[i]));
		past = least(past, less(passed(b, now, own), b->at.class_bytes[i]));
	}
	if (!hours_open(b, now, i))
		live = 0;
	if (live < BUDGET_LEAST_BYTES) {
		live = 0;
		out->held |= (uint8_t)(1u << i);
	}
	out->live[i] = live;
	out->past[i] = least(live, past);
}

int64_t
budget_opens(const struct budget *b, const struct budget_now *now, enum bl_stream stream)
{
	const struct budget_hours *h = &b->conf.class[stream - 1].hours;
	int64_t in = 0;

	if (hours_open(b, now, (int)stream - 1))
		return b->at.ends_boot_ms;
	if (!now->trusted)
		return BUDGET_NEVER;
	in = budget_hours_next(h, b->conf.tz, now->unix_ms) - now->unix_ms;
	return now->boot_ms + in;
}

void
budget_room(
    struct budget *b, const struct budget_now *now, uint64_t under_way, struct budget_room *out)
{
	turn(b, now);
	memset(out, 0, sizeof(*out));
	out->again_boot_ms = BUDGET_NEVER;
	for (int i = 0; i < BL_STREAMS; i++)
		room_of(b, now, under_way, i, out);
	if (!b->metered)
		return;
	/* The window passes, and with it more of the past may go; hours begin on whole minutes. */
	out->again_boot_ms = now->boot_ms + b->conf.window_ms / LOOKS;
	if (out->again_boot_ms > b->at.ends_boot_ms)
		out->again_boot_ms = b->at.ends_boot_ms;
}

size_t
budget_packet(const struct budget *b)
{
	uint64_t most = UINT64_MAX;

	if (b->conf.bytes_per_hour > 0)
		most = of_window(b, b->conf.bytes_per_hour) / 100 * share_pct[BL_STREAMS - 1];
	for (int i = 0; i < BL_STREAMS; i++)
		if (b->conf.class[i].bytes_per_hour > 0)
			most = least(most, of_window(b, b->conf.class[i].bytes_per_hour));
	if (most / PACKETS >= BL_BATCH_WIRE_MAX)
		return 0;
	return most / PACKETS > BUDGET_PACKET_LEAST ? (size_t)(most / PACKETS)
						    : BUDGET_PACKET_LEAST;
}

uint64_t
budget_window_bytes(const struct budget *b)
{
	return of_present(b, b->conf.bytes_per_hour);
}
