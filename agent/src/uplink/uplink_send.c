/*
 * Messages: which of the queued frames go out now, which of them share one, and what the
 * broker said of it.  A message is known by its token; the slots that have the same one are
 * the batches in it.
 */
#include "uplink_internal.h"

static bool
on_the_wire(const struct uplink *u)
{
	for (unsigned i = 0; i < UPLINK_SLOTS; i++)
		if (u->slot[i].state == SLOT_SENT)
			return true;
	return false;
}

static bool
is_of(const struct slot *s, uint64_t token)
{
	return s->state == SLOT_SENT && s->token == token;
}

/* ---- what became of a message ---- */

#ifdef BL_BROKEN_DELETE_ON_PUBACK
/* Wrong: the broker's word is taken for the collector's. */
static void
delete_acked(const struct slot *s, struct uplink_effects *fx)
{
	struct uplink_effect *e;

	if (s->f.type != BL_MSG_BATCH)
		return;
	e = uplink_effect(fx, UPLINK_CLEAR);
	e->stream = s->f.stream;
	e->seq = s->f.seq | UINT64_C(1) << 63; /* spool_offer.c */
}
#endif

/* Returns the bytes that were acknowledged; 0: no message has this token any more. */
static size_t
acked(struct uplink *u, int64_t now, uint64_t token, int64_t *sent_ms)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < UPLINK_SLOTS; i++) {
		struct slot *s = &u->slot[i];

		if (!is_of(s, token))
			continue;
		s->state = SLOT_ACKED;
		s->deadline_ms = uplink_window_receipt_at(u, now, &s->f);
		*sent_ms = s->sent_ms;
		bytes += s->f.bytes;
	}
	return bytes;
}

void
uplink_puback(struct uplink *u, int64_t now, uint64_t token, int reason, struct uplink_effects *fx)
{
	int64_t sent_ms = now;
	size_t bytes;

#ifdef BL_BROKEN_DELETE_ON_PUBACK
	for (unsigned i = 0; i < UPLINK_SLOTS && reason < 0x80; i++)
		if (is_of(&u->slot[i], token))
			delete_acked(&u->slot[i], fx);
#endif
	bytes = acked(u, now, token, &sent_ms);
	if (bytes > 0 && reason >= 0x80) {
		/* Offered again when the deadlines pass: at once would be a storm. */
		u->refused++;
		u->refused_reason = reason;
	} else if (bytes > 0) {
		uplink_rate_acked(&u->rate, now, sent_ms, bytes, !on_the_wire(u));
	}
	if (u->state == UPLINK_READY)
		uplink_window_pump(u, now, fx);
}

void
uplink_busy(struct uplink *u, unsigned slot)
{
	const uint64_t token = slot < UPLINK_SLOTS ? u->slot[slot].token : 0;

	for (unsigned i = 0; i < UPLINK_SLOTS && token != 0; i++) {
		struct slot *s = &u->slot[i];

		if (!is_of(s, token))
			continue;
		uplink_room_charge(u, s, false);
		s->state = SLOT_QUEUED;
		s->shares = false;
		u->published--;
	}
}

void
uplink_unsendable(struct uplink *u, unsigned slot)
{
	const uint64_t token = slot < UPLINK_SLOTS ? u->slot[slot].token : 0;

	for (unsigned i = 0; i < UPLINK_SLOTS && token != 0; i++) {
		struct slot *s = &u->slot[i];

		if (!is_of(s, token))
			continue;
		s->state = SLOT_ACKED; /* its deadline hands it back to the spool */
		s->deadline_ms = uplink_window_receipt_at(u, s->sent_ms, &s->f);
	}
}

/* ---- out ---- */

static struct uplink_effect *
publish(struct uplink *u, int64_t now, unsigned i, struct uplink_effects *fx)
{
	struct slot *s = &u->slot[i];
	struct uplink_effect *e;

	if (!on_the_wire(u))
		uplink_rate_begin(&u->rate, now);
	s->state = SLOT_SENT;
	s->shares = false;
	s->sent_ms = now;
	/*
	 * The receipt is waited for from the PUBACK on: on a slow link a frame may be on its way
	 * for longer than that, and offered again it would wait behind itself.  Until then the
	 * connection's own deadline watches (shared/mqtt), and this one as the last resort.
	 */
	s->deadline_ms = now + UPLINK_RECEIPT_MAX_MS;
	s->token = ++u->token;
	u->published++;
	uplink_room_charge(u, s, true);
	e = uplink_effect(fx, UPLINK_PUBLISH);
	e->slot = i;
	e->token = s->token;
	return e;
}

/* The oldest that is queued; UPLINK_SLOTS: none. */
static unsigned
next_queued(const struct uplink *u)
{
	unsigned next = UPLINK_SLOTS;

	for (unsigned i = 0; i < UPLINK_SLOTS; i++)
		if (u->slot[i].state == SLOT_QUEUED &&
		    (next == UPLINK_SLOTS || u->slot[i].token < u->slot[next].token))
			next = i;
	return next;
}

/* Whether the window has room for it; one frame always may. */
static bool
fits_window(size_t in_flight_bytes, const struct slot *s)
{
	return in_flight_bytes == 0 || in_flight_bytes + s->f.bytes <= UPLINK_WINDOW_BYTES;
}

/* The largest bundle; what is larger goes alone. */
static size_t
bundle_limit(const struct uplink *u)
{
	size_t limit = UPLINK_BUNDLE_BYTES;

	if (u->max_packet > 0 && u->max_packet < limit)
		limit = u->max_packet;
	if (u->room_packet > 0 && u->room_packet < limit)
		limit = u->room_packet;
	return limit;
}

/* Puts into the message of e what is queued behind it and may share it. */
static void
share(struct uplink *u, struct uplink_effect *e, size_t *in_flight_bytes)
{
	const struct slot *first = &u->slot[e->slot];
	const size_t limit = bundle_limit(u);
	size_t bytes = BL_BUNDLE_HEAD_BYTES + BL_BUNDLE_ENTRY_BYTES + first->f.bytes;
	unsigned i;

	if (first->f.type != BL_MSG_BATCH || uplink_window_vain(u, &first->f))
		return;
	while ((i = next_queued(u)) != UPLINK_SLOTS) {
		struct slot *s = &u->slot[i];

		bytes += BL_BUNDLE_ENTRY_BYTES + s->f.bytes;
		if (s->f.type != BL_MSG_BATCH || s->f.past != first->f.past || bytes > limit ||
		    uplink_window_vain(u, &s->f) || !fits_window(*in_flight_bytes, s))
			return;
		*in_flight_bytes += s->f.bytes;
		s->state = SLOT_SENT;
		s->shares = true;
		s->sent_ms = first->sent_ms;
		s->deadline_ms = first->deadline_ms;
		s->token = first->token;
		u->published++;
		uplink_room_charge(u, s, true);
		e->more[e->n_more++] = (uint8_t)i;
	}
}

void
uplink_send_queued(struct uplink *u, int64_t now, struct uplink_effects *fx)
{
	size_t bytes = 0;
	unsigned i;

	for (i = 0; i < UPLINK_SLOTS; i++)
		if (uplink_in_flight(&u->slot[i]))
			bytes += u->slot[i].f.bytes;
	/* In the order they were given. */
	while ((i = next_queued(u)) != UPLINK_SLOTS && fits_window(bytes, &u->slot[i])) {
		bytes += u->slot[i].f.bytes;
		share(u, publish(u, now, i, fx), &bytes);
	}
}
