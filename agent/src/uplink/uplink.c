/*
 * The handshake: when hello is said, which answers count, what a change at the
 * centre does.  Frames, credit and deadlines are in uplink_window.c.
 */
#include "uplink_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE_MS 60000 /* for the spool to work an answer in; a full disk may take its time */

struct uplink_effect *
uplink_effect(struct uplink_effects *fx, enum uplink_effect_type type)
{
	struct uplink_effect *e;

	/* At most a PUBLISH, a FORGET and a CLEAR a slot and four others an event. */
	assert(fx->n < UPLINK_EFFECTS_MAX);
	e = &fx->e[fx->n++];
	memset(e, 0, sizeof(*e));
	e->type = type;
	return e;
}

uint64_t
uplink_random_below(struct uplink *u, uint64_t bound)
{
	/* xorshift64*: jitter needs no more, and a seed makes tests repeatable */
	u->rng ^= u->rng >> 12;
	u->rng ^= u->rng << 25;
	u->rng ^= u->rng >> 27;
	return bound == 0 ? 0 : (u->rng * UINT64_C(2685821657736338717) >> 11) % bound;
}

struct uplink *
uplink_create(uint64_t seed)
{
	struct uplink *u = calloc(1, sizeof(*u));

	if (u == NULL)
		return NULL;
	u->rng = seed != 0 ? seed : 1;
	u->state = UPLINK_DOWN;
	u->hello_at_ms = INT64_MAX;
	u->window = UPLINK_SLOTS;
	u->last_receipt_ms = -1;
	u->silenced_ms = INT64_MIN;
	return u;
}

void
uplink_meter(struct uplink *u, uplink_room_fn room, uplink_charge_fn charge, void *ctx)
{
	u->room = room;
	u->charge = charge;
	u->room_ctx = ctx;
	u->room_packet = u->room_frame_bytes = 0; /* told with the next offer */
}

void
uplink_free(struct uplink *u)
{
	free(u);
}

static void
enter(struct uplink *u, int64_t now, enum uplink_state state)
{
	if (u->state != state)
		u->since_ms = now;
	u->state = state;
}

void
uplink_say_hello(struct uplink *u, int64_t now, bool fresh, struct uplink_effects *fx)
{
	struct uplink_effect *e;

	uplink_window_reset(u, fx);
	if (fresh || u->hello_tries == 0) {
		/* The last two bits count the repeats: see on_answer. */
		u->nonce = (uint32_t)uplink_random_below(u, UINT32_MAX / 4) * 4 + 4;
		u->hello_tries = 0;
		memset(u->hello_sent_ms, 0xff, sizeof(u->hello_sent_ms));
	}
	e = uplink_effect(fx, UPLINK_SEND_HELLO);
	e->nonce = u->nonce + u->hello_tries;
	u->hello_tries++;
	u->hello_at_ms = now + UPLINK_HELLO_MS;
	u->hellos++;
	enter(u, now, UPLINK_HELLO);
}

void
uplink_hello_sent(struct uplink *u, int64_t now, uint32_t nonce)
{
	if (nonce - u->nonce < UPLINK_HELLO_TRIES)
		u->hello_sent_ms[nonce - u->nonce] = now;
}

void
uplink_link_up(struct uplink *u, int64_t now, size_t max_packet, struct uplink_effects *fx)
{
	u->max_packet = max_packet;
	u->refused_reason = 0;
	u->asking = false;
	uplink_rate_reset(&u->rate); /* another path, perhaps */
	u->silence = 0;
	u->window = UPLINK_SLOTS;
	uplink_say_hello(u, now, true, fx);
}

void
uplink_link_down(struct uplink *u, int64_t now, struct uplink_effects *fx)
{
	uplink_window_reset(u, fx);
	u->hello_at_ms = INT64_MAX;
	u->hello_tries = 0;
	enter(u, now, UPLINK_DOWN);
}

static void
refuse(struct uplink *u, int64_t now)
{
	enter(u, now, UPLINK_REFUSED);
	u->hello_tries = 0;
	u->hello_at_ms = now + UPLINK_REFUSED_RETRY_MS +
			 (int64_t)uplink_random_below(u, UPLINK_REFUSED_RETRY_MS / 4);
}

static void
tell_time(const struct bl_receipt *r, int64_t now, int64_t rtt_ms, struct uplink_effects *fx)
{
	struct uplink_effect *e = uplink_effect(fx, UPLINK_TIME);

	e->server_unix_ms = r->server_unix_ms;
	e->at_mono_ms = now - rtt_ms;
	e->rtt_ms = rtt_ms;
}

static void
on_answer(struct uplink *u, int64_t now, const struct bl_receipt *r, struct uplink_effects *fx)
{
	uint32_t try;

	/*
	 * Any repeat's answer counts: on a link slower than the deadline the
	 * first one comes when the second is already said.  Answers to an
	 * earlier hello, repeated ones and foreign ones do not.
	 */
	try = r->nonce - u->nonce;
	if (u->state != UPLINK_HELLO || try >= u->hello_tries)
		return;
	u->verdict = r->verdict;
	if (r->verdict == BL_VERDICT_RETIRED) {
		refuse(u, now);
		return;
	}
	if (r->verdict == BL_VERDICT_OK && u->hello_sent_ms[try] >= 0) {
		tell_time(r, now, now - u->hello_sent_ms[try], fx);
		uplink_rate_round_trip(&u->rate, now - u->hello_sent_ms[try]);
	}
	/*
	 * A conflict goes to the spool, too: when it is about a former id that the
	 * spool spoke for after damage, the spool gives that up and the next hello
	 * is its own.
	 */
	enter(u, now, UPLINK_SETTLING);
	u->hello_at_ms = now + SETTLE_MS;
	(void)uplink_effect(fx, UPLINK_TAKE_ANSWER);
}

void
uplink_receipt(struct uplink *u, int64_t now, const struct bl_receipt *r, struct uplink_effects *fx)
{
	if (r->is_answer) {
		on_answer(u, now, r, fx);
		return;
	}
	if (u->state != UPLINK_READY)
		return;
	if (!bl_id_equal(&r->epoch, &u->epoch)) {
		/* Another store speaks: what it holds is not what we think it holds. */
		uplink_say_hello(u, now, true, fx);
		return;
	}
	(void)uplink_effect(fx, UPLINK_TAKE_RECEIPT);
}

void
uplink_question(
    struct uplink *u, int64_t now, const struct bl_question *q, struct uplink_effects *fx)
{
	(void)now;
	/*
	 * It comes right behind the answer, which the spool may still be taking in.  The
	 * spool does one after the other; and of entries the answer has said the same.
	 */
	if (u->state == UPLINK_SETTLING)
		(void)uplink_effect(fx, UPLINK_TAKE_QUESTION);
	if (u->state != UPLINK_READY)
		return; /* the answer to the hello will say the same */
	if (q->need_dict) {
		const uint32_t known = q->dict_from > 0 ? q->dict_from - 1 : 0;

		u->dict_known = known < u->dict_known ? known : u->dict_known;
		u->dict_sent = u->dict_known;
		u->live_hungry = true;
	}
	if (q->need_clock) {
		const uint32_t known = q->clock_from > 0 ? q->clock_from - 1 : 0;

		u->clock_known = known < u->clock_known ? known : u->clock_known;
		u->clock_sent = u->clock_known;
		u->live_hungry = true;
	}
	(void)uplink_effect(fx, UPLINK_TAKE_QUESTION);
}

uint32_t
uplink_floor_ms(const struct bl_centre *c)
{
	return c->reconnect_floor_ms < UPLINK_FLOOR_MAX_MS ? c->reconnect_floor_ms
							   : UPLINK_FLOOR_MAX_MS;
}

void
uplink_centre(struct uplink *u, int64_t now, const struct bl_centre *c, struct uplink_effects *fx)
{
	const bool changed = u->centre_known && (!bl_id_equal(&c->epoch, &u->epoch) ||
						    !bl_id_equal(&c->start, &u->start));

	(void)fx;
	u->start = c->start;
	if (!u->centre_known) {
		u->centre_known = true;
		if (u->state != UPLINK_READY || bl_id_equal(&c->epoch, &u->epoch)) {
			u->epoch = c->epoch;
			return;
		}
	} else if (!changed) {
		return;
	}
	u->epoch = c->epoch;
	if (u->state != UPLINK_READY && u->state != UPLINK_REFUSED)
		return; /* the hello under way is repeated until the new one answers */
	/* Not all at once: a whole fleet sees the same message at the same instant. */
	u->hello_tries = 0;
	u->hello_at_ms = now + (int64_t)uplink_random_below(u, (uint64_t)uplink_floor_ms(c) + 1);
}

void
uplink_answered(
    struct uplink *u, int64_t now, const struct uplink_outcome *o, struct uplink_effects *fx)
{
	if (u->state != UPLINK_SETTLING)
		return;
	if (o->say_hello) {
		uplink_say_hello(u, now, true, fx);
		return;
	}
	if (u->verdict != BL_VERDICT_OK) {
		refuse(u, now);
		return;
	}
	if (!o->taken) {
		u->hello_at_ms = now + UPLINK_HELLO_MS;
		enter(u, now, UPLINK_HELLO);
		return;
	}
	u->epoch = o->r->epoch;
	u->dict_known = u->dict_sent = o->r->dict_version;
	u->clock_known = u->clock_sent = o->r->clock_version;
	u->hello_tries = 0;
	u->hello_at_ms = INT64_MAX;
	u->last_receipt_ms = now;
	u->tokens = 0;
	u->tokens_at_ms = now;
	uplink_window_credit(u, now, o->r->credit_bytes_per_s);
	u->tokens = o->r->credit_bytes_per_s; /* the first second is paid in advance */
	u->live_hungry = u->past_hungry = true;
	enter(u, now, UPLINK_READY);
	uplink_window_pump(u, now, fx);
}

void
uplink_receipted(
    struct uplink *u, int64_t now, const struct uplink_outcome *o, struct uplink_effects *fx)
{
	int64_t trip_ms;

	if (u->state != UPLINK_READY || o->r == NULL)
		return;
	if (o->say_hello) {
		uplink_say_hello(u, now, true, fx);
		return;
	}
	if (!o->taken)
		return;
	u->last_receipt_ms = now;
	/* Not before the spool has taken it: one about a former id names seqs of other batches. */
	trip_ms = uplink_window_trip_ms(u, now, o->r);
	if (trip_ms >= 0)
		tell_time(o->r, now, trip_ms, fx);
	if (o->r->dict_version > u->dict_known)
		u->dict_known = o->r->dict_version;
	if (o->r->clock_version > u->clock_known)
		u->clock_known = o->r->clock_version;
	uplink_window_credit(u, now, o->r->credit_bytes_per_s);
	uplink_window_settle(u, o->r);
	u->past_hungry = true;
	if (o->more)
		u->live_hungry = true;
	uplink_window_pump(u, now, fx);
}

void
uplink_questioned(
    struct uplink *u, int64_t now, const struct uplink_outcome *o, struct uplink_effects *fx)
{
	if (u->state != UPLINK_READY)
		return;
	if (o->say_hello) {
		uplink_say_hello(u, now, true, fx);
		return;
	}
	u->live_hungry = u->past_hungry = true;
	uplink_window_pump(u, now, fx);
}

void
uplink_cut(struct uplink *u, int64_t now, struct uplink_effects *fx)
{
	u->live_hungry = true;
	if (u->state == UPLINK_READY)
		uplink_window_pump(u, now, fx);
}

void
uplink_replaced(struct uplink *u, int64_t now, struct uplink_effects *fx)
{
	if (u->state != UPLINK_DOWN)
		uplink_say_hello(u, now, true, fx);
}

int64_t
uplink_deadline(const struct uplink *u)
{
	int64_t at = u->state == UPLINK_DOWN ? INT64_MAX : u->hello_at_ms;

	if (u->state == UPLINK_READY && uplink_window_deadline(u) < at)
		at = uplink_window_deadline(u);
	return at;
}

/* Whether a hello went out at all: the spool fills it first. */
static bool
hello_left(const struct uplink *u)
{
	for (unsigned i = 0; i < UPLINK_HELLO_TRIES; i++)
		if (u->hello_sent_ms[i] >= 0)
			return true;
	return false;
}

static void
hello_due(struct uplink *u, int64_t now, struct uplink_effects *fx)
{
	if (u->state == UPLINK_READY || u->state == UPLINK_REFUSED) {
		uplink_say_hello(u, now, true, fx);
		return;
	}
	if (u->hello_tries < UPLINK_HELLO_TRIES) {
		uplink_say_hello(u, now, false, fx);
		return;
	}
	/* Asked three times: perhaps the subscription or the path is what is broken. */
	uplink_effect(fx, UPLINK_DROP)->why =
	    u->state == UPLINK_SETTLING || !hello_left(u)
		? "connected to the broker, but this device's spool does not answer (does its disk "
		  "hang?)"
		: "connected to the broker, but no answer to hello from the collector (asked 3 "
		  "times)";
	u->hello_at_ms = INT64_MAX;
	u->hello_tries = 0;
}

void
uplink_tick(struct uplink *u, int64_t now, struct uplink_effects *fx)
{
	if (u->state == UPLINK_DOWN)
		return;
	if (now >= u->hello_at_ms) {
		hello_due(u, now, fx);
		return;
	}
	if (u->state == UPLINK_READY) {
		uplink_window_overdue(u, now, fx);
		uplink_window_pump(u, now, fx);
	}
}

const char *
uplink_state_name(enum uplink_state s)
{
	switch (s) {
	case UPLINK_DOWN:
		return "down";
	case UPLINK_HELLO:
		return "hello";
	case UPLINK_SETTLING:
		return "settling";
	case UPLINK_READY:
		return "ready";
	case UPLINK_REFUSED:
		return "refused";
	}
	return "?";
}
