/*
 * A metered link: what there is room for is asked before each offer, and what is
 * published is paid for.  What there is no room for stays wanted: it is looked at again.
 */
#include "uplink_internal.h"

void
uplink_room_charge(const struct uplink *u, const struct slot *s, bool went)
{
	if (u->charge != NULL && s->f.type == BL_MSG_BATCH)
		u->charge(u->room_ctx, s->f.stream, s->f.bytes, s->shares, went);
}

/* What was handed out and has not been acknowledged: the link may not have carried it yet. */
static uint64_t
under_way(const struct uplink *u)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < UPLINK_SLOTS; i++)
		if (u->slot[i].state == SLOT_QUEUED || u->slot[i].state == SLOT_SENT)
			bytes += u->slot[i].f.bytes + (u->slot[i].shares ? 0 : u->room_frame_bytes);
	return bytes;
}

bool
uplink_room_ask(struct uplink *u, struct uplink_offer *o)
{
	uint64_t live = 0, past = 0;

	if (u->room == NULL)
		return true;
	o->metered = true;
	u->room(u->room_ctx, under_way(u), &o->room);
	u->room_frame_bytes = o->room.frame_bytes;
	u->room_packet = o->room.max_packet;
	for (unsigned i = 0; i < BL_STREAMS; i++) {
		live |= o->room.live[i];
		past |= o->room.past[i];
	}
	if (past == 0)
		u->asked_past = 0;
	if (o->room.max_packet > 0 && (o->max_packet == 0 || o->room.max_packet < o->max_packet))
		o->max_packet = o->room.max_packet;
	o->live = live > 0;
	u->room_asked_ms = o->room.again_mono_ms;
	if ((u->live_hungry && live > 0) || u->asked_past > 0)
		return true;
	u->room_again_ms = o->room.again_mono_ms;
	return false;
}
