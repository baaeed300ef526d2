/* How many exports are on their way, and whose. */
#include "export_turns_internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

bool
export_turns_init(struct export_turns *t, unsigned per_user)
{
	memset(t, 0, sizeof(*t));
	if (pthread_mutex_init(&t->lock, NULL) != 0)
		return false;
	t->per_user = per_user != 0 ? per_user : EXPORT_TURNS_PER_USER;
	return true;
}

void
export_turns_free(struct export_turns *t)
{
	(void)pthread_mutex_destroy(&t->lock);
}

static bool
is_of(const char *mine, const char *who)
{
	return strncmp(mine, who, AUTH_NAME_MAX) == 0;
}

static enum export_turn
take_locked(struct export_turns *t, const char *who)
{
	unsigned own = 0;

	for (unsigned i = 0; i < t->n; i++)
		own += is_of(t->who[i], who);
	if (own >= t->per_user)
		return EXPORT_TURN_OWN;
	if (t->n >= (own > 0 ? EXPORT_TURNS_MAX / 2 : EXPORT_TURNS_MAX))
		return EXPORT_TURN_NONE;
	(void)snprintf(t->who[t->n++], sizeof(t->who[0]), "%s", who);
	return EXPORT_TURN_TAKEN;
}

enum export_turn
export_turns_take(struct export_turns *t, const char *who)
{
	enum export_turn turn;

	pthread_mutex_lock(&t->lock);
	turn = take_locked(t, who);
	t->refused += turn != EXPORT_TURN_TAKEN;
	pthread_mutex_unlock(&t->lock);
	return turn;
}

void
export_turns_give(struct export_turns *t, const char *who)
{
	unsigned i = 0;

	pthread_mutex_lock(&t->lock);
	while (i < t->n && !is_of(t->who[i], who))
		i++;
	assert(i < t->n); /* never taken */
	if (i < t->n) {
		t->n--;
		if (i < t->n)
			memcpy(t->who[i], t->who[t->n], sizeof(t->who[0]));
	}
	pthread_mutex_unlock(&t->lock);
}

void
export_turns_count(struct export_turns *t, unsigned *running, uint64_t *refused)
{
	pthread_mutex_lock(&t->lock);
	*running = t->n;
	*refused = t->refused;
	pthread_mutex_unlock(&t->lock);
}
