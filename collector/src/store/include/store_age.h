/*
 * What time it is for whatever goes by its age.
 *
 * A machine that comes up in 2046 would delete everything that it has, within a minute.  So
 * age is reckoned from the newest hour that the devices have told of, but not from later than the
 * newest batch came (a device may be ahead), on with the monotonic clock;
 * the wall clock is believed while it is at most a week ahead of that, and further ahead when it
 * has been so for three days.  A clock that is behind deletes nothing, and is believed; one that
 * was never set (a machine without one of its own comes up in 1970) says nothing, so that age goes
 * on without it, and setting it is no leap.
 * How far it has come is kept in the store, and goes before what the devices have told: what came
 * under a wrong clock vouches for none after a restart, and the three days go on.
 *
 * One thread an object.
 */
#ifndef STORE_AGE_H
#define STORE_AGE_H

#include <stdbool.h>
#include <stdint.h>

#include "branchline/err.h"

#define STORE_AGE_LEAP_MS (7 * (int64_t)86400000)
#define STORE_AGE_HOLD_MS (3 * (int64_t)86400000)
#define STORE_AGE_SET_MS  1577836800000 /* a clock before that, 2020, was never set */

struct bl_clock;
struct store;
struct store_read;

/* All zero: it has not begun; a copy goes on from there. */
struct store_age {
	bool begun, held; /* held: the wall clock is not believed; it has been logged */
	int64_t unix_ms, mono_ms, held_mono_ms;
	bool kept_held; /* as the store has it */
	int64_t kept_unix_ms;
};

/*
 * Looks at the store the first time only, and as long as neither that nor the clock says anything.
 * Negative: it cannot be read; nothing has begun then.
 */
int store_age_now(struct store_age *a, struct store_read *r, const struct bl_clock *clock,
    int64_t *out_unix_ms, struct bl_err *err);
/* For how long the wall clock will not be believed, unless it is set right; 0: it is believed. */
int64_t store_age_left_ms(const struct store_age *a);
/* More than the store has of it, by an hour or by whether the clock is believed. */
bool store_age_unkept(const struct store_age *a);
/* Within a transaction of the writer; borrows a.  store_age_was_kept when that is committed. */
int store_age_keep(struct store *s, const struct store_age *a, struct bl_err *err);
void store_age_was_kept(struct store_age *a);

#endif
