/*
 * The distinct values of one set within a tick: their hashes in a table without holes for
 * deleted ones.  64 bits under a secret key: two values that fall together are one in 10^11 at
 * the cap, and nobody can make them.
 */
#include <stdlib.h>

#include "statsd_internal.h"

#define SET_FIRST 16u

static void
put(uint64_t *slot, uint32_t size, uint64_t hash, bool *found)
{
	uint32_t at = (uint32_t)hash & (size - 1);

	while (slot[at] != 0 && slot[at] != hash)
		at = (at + 1) & (size - 1);
	*found = slot[at] == hash;
	slot[at] = hash;
}

/* Twice the room, out of what all sets share. */
static bool
grow(struct statsd_set *s, uint32_t *room)
{
	const uint32_t size = s->size > 0 ? s->size * 2 : SET_FIRST;
	uint64_t *slot;
	bool found;

	if (size - s->size > *room || (slot = calloc(size, sizeof(*slot))) == NULL)
		return false;
	for (uint32_t i = 0; i < s->size; i++)
		if (s->slot[i] != 0)
			put(slot, size, s->slot[i], &found);
	*room -= size - s->size;
	free(s->slot);
	s->slot = slot;
	s->size = size;
	return true;
}

bool
statsd_set_add(struct statsd_set *s, uint64_t hash, uint32_t *room)
{
	bool found;

	if (s->n >= s->size / 4 * 3 && !grow(s, room)) {
		s->full = true;
		return false;
	}
	put(s->slot, s->size, hash != 0 ? hash : 1, &found);
	s->n += !found;
	return true;
}

void
statsd_set_reset(struct statsd_set *s, uint32_t *room)
{
	*room += s->size;
	free(s->slot);
	*s = (struct statsd_set){ 0 };
}
