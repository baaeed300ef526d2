/*
 * Time zones: TZif files (RFC 9636) of the system's tzdata, any number of zones
 * in one process.
 *
 * A struct bl_tz is immutable after loading: any thread.
 */
#ifndef BRANCHLINE_TZ_H
#define BRANCHLINE_TZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/err.h"

struct bl_tz;

/*
 * Loads a zone ("Asia/Shanghai") from dir (NULL: the system's zoneinfo).  Every
 * length is checked; the footer's POSIX TZ string serves for times after the
 * table.  BL_ENOTFOUND, BL_EINVAL (a name that leads out of dir), BL_ECORRUPT.
 */
int bl_tz_load(struct bl_tz **out, const char *name, const char *dir, struct bl_err *err);
/* UTC without any file; never fails but for memory (NULL). */
struct bl_tz *bl_tz_utc(void);
/*
 * This machine's: where /etc/localtime leads, or what it holds; UTC where there is none.  Failures
 * as above.
 */
int bl_tz_machine(struct bl_tz **out, struct bl_err *err);
void bl_tz_free(struct bl_tz *tz); /* NULL is fine */
const char *bl_tz_name(const struct bl_tz *tz);

/* Local time minus UTC at that instant. */
int64_t bl_tz_offset_ms(const struct bl_tz *tz, int64_t unix_ms);

struct bl_civil {
	int year, month, day; /* month and day from 1 */
	int hour, minute, second, ms;
	int weekday; /* 0: Sunday */
	int offset_minutes;
	char abbreviation[16];
};
void bl_tz_civil(const struct bl_tz *tz, int64_t unix_ms, struct bl_civil *out);
/* Whether there is such a date and time of day (a 60th second, too), in whatever zone: year 1 to
 * 9999; weekday, offset and abbreviation are not looked at.  Here and below. */
bool bl_tz_civil_valid(const struct bl_civil *c);
/*
 * The instant of a valid local time.  One that comes twice is the earlier one; one that is skipped
 * is as if the clock had not been set forward (02:30 becomes 03:30).
 */
int64_t bl_tz_unix_ms(const struct bl_tz *tz, const struct bl_civil *c);
/* "2026-11-28 14:03:07" and with its offset "2026-11-28T14:03:07+08:00"; out is terminated. */
void bl_tz_text(const struct bl_tz *tz, int64_t unix_ms, char *out, size_t size);
void bl_tz_rfc3339(const struct bl_tz *tz, int64_t unix_ms, char *out, size_t size);

/*
 * The zone's own calendar day that holds the instant, [*begin, *end): 23, 24,
 * 25 hours and other lengths.  A day that the zone skipped has no instants and
 * so never comes.  Days touch: the end of one is the begin of the next.
 */
void bl_tz_day(const struct bl_tz *tz, int64_t unix_ms, int64_t *begin, int64_t *end);

/* The tzdata release ("2026a") by its tzdata.zi or +VERSION; "" unknown.  dir as above. */
void bl_tz_release(const char *dir, char *out, size_t size);

#endif
