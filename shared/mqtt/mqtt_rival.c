/*
 * Another client with our id: how it is noticed, and how long we then stay away.  Pure.
 *
 * A broker lets the newer one in and ends the older one's session, so two machines with one
 * identity throw each other out for ever.  What tells:
 *
 *   - the broker's word (reason 142; Mosquitto from 2.1 on);
 *   - the centre's word, which sees two machines take turns: then the next orderly end is the
 *     other one's doing;
 *   - without either: several orderly ends of short connections in a row.  So does a broker that
 *     is stopped close, but the one that comes after it cannot resume the TLS sessions of the one
 * before. After a long wait our session has run out as well: such an end neither counts nor clears.
 * Where the centre said on that very connection that there is nobody else, it was the network's
 * doing.
 *
 * Both sides stay away for ten to twenty minutes, so the identity changes hands four times an hour,
 * and each of them delivers in its turns.
 */
#include "mqtt_internal.h"

#define AWAY_MS           600000
#define ENDS_MAX          3
#define HELD_MS           2700000 /* longer than anybody stays away */
#define REASON_TAKEN_OVER 0x8e

unsigned
mqtt_rival_ended(struct mqtt_rival *r, const struct mqtt_end *e)
{
	if (e->reason == REASON_TAKEN_OVER)
		return AWAY_MS;
	if (!e->was_up)
		return 0;
	if (!e->orderly || e->held_ms >= HELD_MS || r->word == MQTT_RIVAL_NONE) {
		r->ends = 0;
		return 0;
	}
	if (e->resumed)
		r->ends++;
	else if (!mqtt_rival_noticed(r))
		r->ends = 0;
	return mqtt_rival_noticed(r) ? AWAY_MS : 0;
}

bool
mqtt_rival_noticed(const struct mqtt_rival *r)
{
	return r->word == MQTT_RIVAL_SEEN || r->ends >= ENDS_MAX;
}

void
mqtt_rival_begins(struct mqtt_rival *r)
{
	if (r->word == MQTT_RIVAL_NONE)
		r->word = MQTT_RIVAL_UNKNOWN;
}
