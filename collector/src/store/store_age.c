/* Age is reckoned from what devices told, not from a wall clock that leaps. */
#include "store_age.h"

#include "branchline/log.h"

#include "store_read_internal.h"

#define DAY_MS  86400000.0
#define KEEP_MS (60 * 60 * (int64_t)1000)

/* As it was kept.  False: it never was, or by a clock that was never set. */
static bool
go_on(struct store_age *a, sqlite3_stmt *st)
{
	const int64_t held_ms = sqlite3_column_int64(st, 2);

	if (sqlite3_column_int64(st, 1) < STORE_AGE_SET_MS) /* NULL: 0 */
		return false;
	a->unix_ms = a->kept_unix_ms = sqlite3_column_int64(st, 1);
	a->held = a->kept_held = held_ms >= 0;
	a->held_mono_ms = a->mono_ms - held_ms;
	return true;
}

/*
 * How far it had come; in a store that does not say, the end of the newest hour of which there are
 * samples, or when the newest batch came: a device
 * whose clock is ahead has samples of then for as long as they are kept.  The wall clock where
 * there is none; nothing has begun while that was never set.
 */
static int
begin(struct store_age *a, struct store_read *r, const struct bl_clock *clock, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_AGE, err, "");
	const int rc = read_step(r, st, err);

	if (rc < 0)
		return rc;
	*a = (struct store_age){ .unix_ms = bl_unix_ms(clock), .mono_ms = bl_mono_ms(clock) };
	if (rc == 1) {
		if (!go_on(a, st) && sqlite3_column_type(st, 0) != SQLITE_NULL)
			a->unix_ms = sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
	}
	a->begun = a->unix_ms >= STORE_AGE_SET_MS || bl_unix_ms(clock) >= STORE_AGE_SET_MS;
	return BL_OK;
}

static void
hold(struct store_age *a, int64_t wall_unix_ms)
{
	a->held = true;
	a->held_mono_ms = a->mono_ms;
	bl_warn("store",
	    "this machine's clock is %.0f days ahead of the newest samples: for three days nothing "
	    "is deleted by its age; set the clock right if it is wrong",
	    (double)(wall_unix_ms - a->unix_ms) / DAY_MS);
}

int64_t
store_age_left_ms(const struct store_age *a)
{
	return a->held ? STORE_AGE_HOLD_MS - (a->mono_ms - a->held_mono_ms) : 0;
}

bool
store_age_unkept(const struct store_age *a)
{
	const int64_t ahead = a->unix_ms - a->kept_unix_ms;

	return a->begun && (a->held || a->kept_held || ahead >= KEEP_MS || ahead < 0);
}

int
store_age_keep(struct store *s, const struct store_age *a, struct bl_err *err)
{
	const int64_t held_ms = a->held ? a->mono_ms - a->held_mono_ms : -1;
	const int rc = store_run(s, SQL_META_SET, err, "ti", "age_unix_ms", a->unix_ms);

	return rc < 0 ? rc : store_run(s, SQL_META_SET, err, "ti", "age_held_ms", held_ms);
}

void
store_age_was_kept(struct store_age *a)
{
	a->kept_held = a->held;
	a->kept_unix_ms = a->unix_ms;
}

int
store_age_now(struct store_age *a, struct store_read *r, const struct bl_clock *clock,
    int64_t *out_unix_ms, struct bl_err *err)
{
	const int64_t mono = bl_mono_ms(clock), wall = bl_unix_ms(clock);
	int rc;

	if (!a->begun && (rc = begin(a, r, clock, err)) < 0)
		return rc;
	a->unix_ms += mono - a->mono_ms;
	a->mono_ms = mono;
	*out_unix_ms = a->unix_ms;
	if (wall < STORE_AGE_SET_MS)
		return BL_OK;
	if (wall - a->unix_ms > STORE_AGE_LEAP_MS && !a->held)
		hold(a, wall);
	if (wall - a->unix_ms <= STORE_AGE_LEAP_MS || mono - a->held_mono_ms >= STORE_AGE_HOLD_MS) {
		a->held = false;
		a->unix_ms = wall;
	}
	*out_unix_ms = a->unix_ms;
	return BL_OK;
}
