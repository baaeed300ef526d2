/*
 * Frames in flight: slots, receipt deadlines, the shrinking window, and how
 * much of the backlog may be under way.  Messages are in uplink_send.c.
 */
#include "uplink_internal.h"

#include <string.h>

#define OFFER_FRAMES_MAX 8u /* of one offer: bounds what waits in memory */

static bool
in_use(const struct slot *s)
{
	return s->state != SLOT_FREE;
}

struct usage {
	unsigned frames, queued;
	size_t bytes, past_bytes;
};

static struct usage
usage(const struct uplink *u)
{
	struct usage use = { 0 };

	for (unsigned i = 0; i < UPLINK_SLOTS; i++) {
		const struct slot *s = &u->slot[i];

		if (!in_use(s))
			continue;
		use.frames++;
		use.bytes += s->f.bytes;
		/* What the broker has takes nothing of the link any more. */
		if (s->f.past && s->state != SLOT_ACKED)
			use.past_bytes += s->f.bytes;
		if (s->state == SLOT_QUEUED)
			use.queued++;
	}
	return use;
}

void
uplink_window_reset(struct uplink *u, struct uplink_effects *fx)
{
	for (unsigned i = 0; i < UPLINK_SLOTS; i++) {
		if (u->slot[i].state == SLOT_QUEUED)
			uplink_effect(fx, UPLINK_FORGET)->slot = i;
		u->slot[i].state = SLOT_FREE;
	}
	u->live_hungry = u->past_hungry = false;
	u->room_again_ms = INT64_MAX;
}

/* ---- deadlines ---- */

static struct retry *
find_retry(struct uplink *u, const struct uplink_frame *f)
{
	for (unsigned i = 0; i < UPLINK_RETRIES; i++)
		if (u->retry[i].seq == f->seq && u->retry[i].stream == f->stream && f->seq != 0)
			return &u->retry[i];
	return NULL;
}

bool
uplink_window_vain(struct uplink *u, const struct uplink_frame *f)
{
	return find_retry(u, f) != NULL;
}

static void
count_retry(struct uplink *u, const struct uplink_frame *f)
{
	struct retry *r = find_retry(u, f);

	if (r == NULL) {
		r = &u->retry[u->retry_next++ % UPLINK_RETRIES];
		*r = (struct retry){ .stream = f->stream, .seq = f->seq };
	}
	if (r->times < 16)
		r->times++;
}

/* 10 s, 20 s ... 5 min, each up to half as long again; by the frame's own past and the window's. */
static int64_t
receipt_ms(struct uplink *u, unsigned times)
{
	int64_t ms = UPLINK_RECEIPT_MIN_MS;

	for (unsigned i = 0; i < times && ms < UPLINK_RECEIPT_MAX_MS; i++)
		ms *= 2;
	ms += (int64_t)uplink_random_below(u, (uint64_t)ms / 2);
	return ms < UPLINK_RECEIPT_MAX_MS ? ms : UPLINK_RECEIPT_MAX_MS;
}

int64_t
uplink_window_receipt_at(struct uplink *u, int64_t now, const struct uplink_frame *f)
{
	const struct retry *r = find_retry(u, f);
	unsigned times = u->silence;

	if (r != NULL && r->times > times)
		times = r->times;
	return now + receipt_ms(u, times);
}

/* A deadline passed: the window halves, once for all frames of one generation. */
static void
count_silence(struct uplink *u, int64_t now, const struct slot *s)
{
	if (s->sent_ms <= u->silenced_ms)
		return;
	u->silenced_ms = now;
	u->silence++;
	u->window = u->window > 1 ? u->window / 2 : 1;
}

static void
give_up(struct uplink *u, int64_t now, unsigned i, struct uplink_effects *fx)
{
	struct slot *s = &u->slot[i];
	struct uplink_effect *e;

	u->overdue++;
	count_silence(u, now, s);
	s->state = SLOT_FREE;
	e = uplink_effect(fx, UPLINK_CLEAR);
	if (s->f.type == BL_MSG_BATCH) {
		count_retry(u, &s->f);
		e->stream = s->f.stream;
		e->seq = s->f.seq;
	}
	if (s->f.type == BL_MSG_DICT)
		u->dict_sent = u->dict_known;
	if (s->f.type == BL_MSG_CLOCK)
		u->clock_sent = u->clock_known;
	u->live_hungry = u->past_hungry = true;
}

void
uplink_window_overdue(struct uplink *u, int64_t now, struct uplink_effects *fx)
{
	for (unsigned i = 0; i < UPLINK_SLOTS; i++)
		if (uplink_in_flight(&u->slot[i]) && now >= u->slot[i].deadline_ms)
			give_up(u, now, i, fx);
}

/* ---- receipts ---- */

static bool
settled(const struct uplink *u, const struct bl_receipt *r, const struct uplink_frame *f)
{
	const struct bl_receipt_stream *st;

	if (f->type == BL_MSG_DICT)
		return u->dict_known >= f->upto;
	if (f->type == BL_MSG_CLOCK)
		return u->clock_known >= f->upto;
	st = &r->stream[f->stream - 1];
	return f->seq <= st->contiguous || bl_ranges_has(&st->beyond, f->seq) ||
	       bl_ranges_has(&st->aside, f->seq);
}

int64_t
uplink_window_trip_ms(const struct uplink *u, int64_t now, const struct bl_receipt *r)
{
	int64_t best = -1;

	for (unsigned i = 0; i < UPLINK_SLOTS; i++) {
		const struct slot *s = &u->slot[i];

		/*
		 * Of what was sent more than once, or may still lie at the broker from the
		 * connection before, nobody knows which copy the receipt is for.
		 */
		if (!uplink_in_flight(s) || s->f.type != BL_MSG_BATCH || !settled(u, r, &s->f) ||
		    s->sent_ms < u->since_ms + UPLINK_TRIP_AFTER_MS ||
		    find_retry((struct uplink *)u, &s->f) != NULL)
			continue;
		if (best < 0 || now - s->sent_ms < best)
			best = now - s->sent_ms;
	}
	return best;
}

void
uplink_window_settle(struct uplink *u, const struct bl_receipt *r)
{
	unsigned freed = 0;

	for (unsigned i = 0; i < UPLINK_SLOTS; i++) {
		struct slot *s = &u->slot[i];
		struct retry *again;

		if (!uplink_in_flight(s) || !settled(u, r, &s->f))
			continue;
		if (s->f.type == BL_MSG_BATCH && (again = find_retry(u, &s->f)) != NULL)
			again->seq = 0;
		s->state = SLOT_FREE;
		freed++;
	}
	if (freed == 0)
		return; /* a word, but no progress: the window stays as it is */
	u->receipted += freed;
	u->silence = 0;
	u->window = u->window + freed < UPLINK_SLOTS ? u->window + freed : UPLINK_SLOTS;
}

/* ---- how much of the backlog ---- */

static void
refill(struct uplink *u, int64_t now)
{
	u->tokens += (double)u->credit * (double)(now - u->tokens_at_ms) / 1000.0;
	u->tokens_at_ms = now;
	/* A second's worth can be saved up, not more. */
	if (u->tokens > u->credit)
		u->tokens = u->credit;
}

void
uplink_window_credit(struct uplink *u, int64_t now, uint32_t bytes_per_s)
{
	refill(u, now); /* at the old rate */
	u->credit = bytes_per_s;
}

/*
 * What of the backlog may be under way: a second of what the link carries.  Until that is known,
 * enough to find out: small batches that went one by one would never tell.
 */
static double
past_limit(const struct uplink *u)
{
	return u->rate.bytes_per_s > 0 ? u->rate.bytes_per_s : 2 * UPLINK_RATE_BYTES;
}

/* Less room than this waits for a PUBACK: or each batch would have a message of its own. */
static double
past_least(double limit)
{
	return limit < UPLINK_RATE_BYTES ? limit / 2 : UPLINK_RATE_BYTES / 2;
}

/* Past bytes that may be asked for now; the bucket pays for what is really sent. */
static size_t
past_room(struct uplink *u, int64_t now, const struct usage *use)
{
	const double limit = past_limit(u);
	double room = limit - (double)use->past_bytes;

	refill(u, now);
	if (u->credit == 0 || u->tokens <= 0)
		return 0;
	if (use->past_bytes > 0 && room < past_least(limit))
		return 0;
	if (room > u->tokens)
		room = u->tokens;
	if (room < 1)
		return 1; /* one batch, whatever its size */
	return room > UPLINK_WINDOW_BYTES ? UPLINK_WINDOW_BYTES : (size_t)room;
}

/* ---- out ---- */

/* Whether there is room for more; the bucket is another question. */
static bool
may_ask(const struct uplink *u, const struct usage *use)
{
	return !u->asking && use->queued == 0 && use->frames < u->window &&
	       use->bytes < UPLINK_WINDOW_BYTES;
}

static void
ask(struct uplink *u, int64_t now, struct uplink_effects *fx)
{
	struct uplink_offer offer = { .live = true, .max_packet = u->max_packet };
	const struct usage use = usage(u);
	struct uplink_effect *e;
	unsigned room;

	if (!may_ask(u, &use))
		return;
	u->asked_past = u->past_hungry ? past_room(u, now, &use) : 0;
	if ((!u->live_hungry && u->asked_past == 0) || !uplink_room_ask(u, &offer))
		return;
	room = u->window - use.frames;
	u->asking = true;
	u->offers++;
	e = uplink_effect(fx, UPLINK_ASK_OFFER);
	e->offer = offer;
	e->offer.past_bytes = u->asked_past;
	e->offer.dict_known = u->dict_sent > u->dict_known ? u->dict_sent : u->dict_known;
	e->offer.clock_known = u->clock_sent > u->clock_known ? u->clock_sent : u->clock_known;
	e->offer.max_frames = room < OFFER_FRAMES_MAX ? room : OFFER_FRAMES_MAX;
}

/* A window of the budget passes, and what was held back may have room. */
static void
look_again(struct uplink *u, int64_t now)
{
	if (now < u->room_again_ms)
		return;
	u->room_again_ms = INT64_MAX;
	u->live_hungry = u->past_hungry = true;
}

void
uplink_window_pump(struct uplink *u, int64_t now, struct uplink_effects *fx)
{
	look_again(u, now);
	uplink_send_queued(u, now, fx);
	ask(u, now, fx);
}

static unsigned
take_slot(struct uplink *u, const struct uplink_frame *f)
{
	for (unsigned i = 0; i < UPLINK_SLOTS; i++) {
		if (u->slot[i].state != SLOT_FREE)
			continue;
		u->slot[i].state = SLOT_QUEUED;
		u->slot[i].f = *f;
		u->slot[i].token = ++u->token;
		return i;
	}
	return UPLINK_NO_SLOT;
}

static void
take_frame(struct uplink *u, int64_t now, const struct uplink_frame *f, unsigned *slot,
    struct uplink_effects *fx)
{
	struct uplink_effect *e;

	if ((*slot = take_slot(u, f)) == UPLINK_NO_SLOT) {
		/* More than was asked for: back to the spool. */
		e = uplink_effect(fx, UPLINK_CLEAR);
		e->stream = f->stream;
		e->seq = f->seq;
		return;
	}
	if (f->type == BL_MSG_DICT && f->upto > u->dict_sent)
		u->dict_sent = f->upto;
	if (f->type == BL_MSG_CLOCK && f->upto > u->clock_sent)
		u->clock_sent = f->upto;
	if (f->past) {
		refill(u, now);
		u->tokens -= (double)f->bytes;
	}
}

void
uplink_frames(struct uplink *u, int64_t now, const struct uplink_frame *frames, unsigned n,
    unsigned *slot, struct uplink_effects *fx)
{
	for (unsigned i = 0; i < n; i++)
		slot[i] = UPLINK_NO_SLOT;
	if (!u->asking)
		return; /* asked for on an earlier connection */
	u->asking = false;
	if (u->state != UPLINK_READY)
		return; /* a hello came between: the answer makes them due again */
	for (unsigned i = 0; i < n; i++)
		take_frame(u, now, &frames[i], &slot[i], fx);
	if (n == 0) {
		/* What has no room now is not there either, as far as the spool says. */
		if (u->room != NULL)
			u->room_again_ms = u->room_asked_ms;
		u->live_hungry = false;
		if (u->asked_past > 0)
			u->past_hungry = false;
	}
	uplink_window_pump(u, now, fx);
}

/* When the next deadline passes, or the bucket pays for the next past batch. */
int64_t
uplink_window_deadline(const struct uplink *u)
{
	const struct usage use = usage(u);
	int64_t at = INT64_MAX;

	for (unsigned i = 0; i < UPLINK_SLOTS; i++)
		if (uplink_in_flight(&u->slot[i]) && u->slot[i].deadline_ms < at)
			at = u->slot[i].deadline_ms;
	if (u->room_again_ms < at && may_ask(u, &use))
		at = u->room_again_ms;
	/* A full window is waited for by its frames' deadlines: nothing could be done before. */
	if (u->past_hungry && may_ask(u, &use) && u->credit > 0 && u->tokens <= 0) {
		const double wait = -u->tokens * 1000.0 / (double)u->credit;
		const int64_t paid = u->tokens_at_ms + 1 + (int64_t)wait;

		if (paid < at)
			at = paid;
	}
	return at;
}

void
uplink_status(const struct uplink *u, struct uplink_status *out)
{
	memset(out, 0, sizeof(*out));
	out->state = u->state;
	out->since_mono_ms = u->since_ms;
	out->verdict = u->verdict;
	out->window = u->window;
	for (unsigned i = 0; i < UPLINK_SLOTS; i++) {
		if (uplink_in_flight(&u->slot[i])) {
			out->in_flight++;
			out->in_flight_bytes += u->slot[i].f.bytes;
		}
	}
	out->receipt_ms = UPLINK_RECEIPT_MIN_MS;
	for (unsigned i = 0; i < u->silence && out->receipt_ms < UPLINK_RECEIPT_MAX_MS; i++)
		out->receipt_ms *= 2;
	out->credit_bytes_per_s = u->credit;
	out->rate_bytes_per_s =
	    u->rate.bytes_per_s > (double)UINT32_MAX ? UINT32_MAX : (uint32_t)u->rate.bytes_per_s;
	out->refused_reason = u->refused_reason;
	out->last_receipt_mono_ms = u->last_receipt_ms;
	out->published = u->published;
	out->receipted = u->receipted;
	out->overdue = u->overdue;
	out->hellos = u->hellos;
	out->offers = u->offers;
	out->refused = u->refused;
}
