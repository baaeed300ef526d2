#ifndef EXPORT_TURNS_INTERNAL_H
#define EXPORT_TURNS_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include <pthread.h>

#include "auth.h"

/*
 * Who has exports on their way.  One lasts as long as its reader takes, so nobody may hold all of
 * them: a user has `per_user` at most, and the last half of them is for users who have none.
 * Any thread.
 */
#define EXPORT_TURNS_MAX      16u /* of all users; some 10 MiB each at the worst (100,000 series) */
#define EXPORT_TURNS_PER_USER 2u

enum export_turn {
	EXPORT_TURN_TAKEN = 0,
	EXPORT_TURN_OWN = 1,  /* the user has as many as one may have */
	EXPORT_TURN_NONE = 2, /* none is left for this user, others have them */
};

struct export_turns {
	pthread_mutex_t lock; /* guards the rest */
	unsigned per_user;
	unsigned n; /* running */
	char who[EXPORT_TURNS_MAX][AUTH_NAME_MAX + 1];
	uint64_t refused;
};

/* per_user 0: EXPORT_TURNS_PER_USER.  False: there is no lock to be had. */
bool export_turns_init(struct export_turns *t, unsigned per_user);
void export_turns_free(struct export_turns *t);
/* who: a user's name; the local administrator is one, too.  Cut at AUTH_NAME_MAX. */
enum export_turn export_turns_take(struct export_turns *t, const char *who);
/* What was taken. */
void export_turns_give(struct export_turns *t, const char *who);
void export_turns_count(struct export_turns *t, unsigned *running, uint64_t *refused);

#endif
