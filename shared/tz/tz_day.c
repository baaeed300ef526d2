/*
 * Local time as people read it, and the bounds of local days.
 *
 * A day begins at the first instant whose local date is that day or a later
 * one.  So a midnight that does not exist begins at the jump, a midnight that
 * comes twice at the first, a skipped day is empty, and days touch whatever a
 * zone does.
 */
#include "tz_internal.h"

#include <stdio.h>
#include <string.h>

/* Howard Hinnant's days_from_civil: years counted from March in eras of 400. */
int64_t
bl_tz_days(int64_t year, int month, int day)
{
	const int64_t y = month <= 2 ? year - 1 : year;
	const int64_t era = tz_floor_div(y, 400);
	const int64_t of_era = y - era * 400;
	const int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

void
bl_tz_date(int64_t days, int64_t *year, int *month, int *day)
{
	const int64_t z = days + 719468;
	const int64_t era = tz_floor_div(z, 146097);
	const int64_t doe = z - era * 146097;
	const int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	const int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	const int64_t mp = (5 * doy + 2) / 153;

	*day = (int)(doy - (153 * mp + 2) / 5 + 1);
	*month = (int)(mp < 10 ? mp + 3 : mp - 9);
	*year = yoe + era * 400 + (*month <= 2);
}

static int64_t
seconds(int64_t unix_ms)
{
	return tz_floor_div(unix_ms, 1000);
}

static int64_t
to_ms(int64_t s)
{
	int64_t ms;

	if (__builtin_mul_overflow(s, (int64_t)1000, &ms))
		return s < 0 ? INT64_MIN : INT64_MAX;
	return ms;
}

int64_t
bl_tz_offset_ms(const struct bl_tz *tz, int64_t unix_ms)
{
	return bl_tz_piece(tz, seconds(unix_ms)).type->offset_s * (int64_t)1000;
}

static void
civil(int64_t local_s, int64_t unix_ms, struct bl_civil *out)
{
	const int64_t days = tz_floor_div(local_s, TZ_DAY_S);
	const int of_day = (int)(local_s - days * TZ_DAY_S);
	int64_t year;

	bl_tz_date(days, &year, &out->month, &out->day);
	out->year = (int)year;
	out->hour = of_day / 3600;
	out->minute = of_day / 60 % 60;
	out->second = of_day % 60;
	out->ms = (int)((unix_ms % 1000 + 1000) % 1000);
	out->weekday = (int)(((days + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
}

void
bl_tz_civil(const struct bl_tz *tz, int64_t unix_ms, struct bl_civil *out)
{
	const int64_t at_s = seconds(unix_ms);
	const struct tz_type *type = bl_tz_piece(tz, at_s).type;

	civil(at_s + type->offset_s, unix_ms, out);
	out->offset_minutes = (int)tz_floor_div(type->offset_s, 60);
	memcpy(out->abbreviation, type->abbr, sizeof(out->abbreviation));
}

void
bl_tz_text(const struct bl_tz *tz, int64_t unix_ms, char *out, size_t size)
{
	struct bl_civil c;

	bl_tz_civil(tz, unix_ms, &c);
	snprintf(out, size, "%04d-%02d-%02d %02d:%02d:%02d", c.year, c.month, c.day, c.hour,
	    c.minute, c.second);
}

/* The clock is shown by the whole minutes of the offset that is printed, so that the instant is
 * right. */
void
bl_tz_rfc3339(const struct bl_tz *tz, int64_t unix_ms, char *out, size_t size)
{
	const int64_t at_s = seconds(unix_ms);
	const int offset = (int)tz_floor_div(bl_tz_piece(tz, at_s).type->offset_s, 60);
	const int size_of_offset = offset < 0 ? -offset : offset;
	struct bl_civil c;

	civil(at_s + offset * 60, unix_ms, &c);
	snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02d%c%02d:%02d", c.year, c.month, c.day,
	    c.hour, c.minute, c.second, offset < 0 ? '-' : '+', size_of_offset / 60,
	    size_of_offset % 60);
}

bool
bl_tz_civil_valid(const struct bl_civil *c)
{
	static const int days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	const bool leap = (c->year % 4 == 0 && c->year % 100 != 0) || c->year % 400 == 0;

	return c->year >= 1 && c->year <= 9999 && c->month >= 1 && c->month <= 12 && c->day >= 1 &&
	       c->day <= days[c->month - 1] + (c->month == 2 && leap) && c->hour >= 0 &&
	       c->hour <= 23 && c->minute >= 0 && c->minute <= 59 && c->second >= 0 &&
	       c->second <= 60 && c->ms >= 0 && c->ms <= 999;
}

int64_t
bl_tz_unix_ms(const struct bl_tz *tz, const struct bl_civil *c)
{
	const int64_t local = bl_tz_days(c->year, c->month, c->day) * TZ_DAY_S +
			      (c->hour * 60 + c->minute) * 60 + c->second;
	/* No zone changes twice within two days: what held a day before and holds a day after. */
	const int64_t before = bl_tz_piece(tz, local - TZ_DAY_S).type->offset_s;
	const int64_t after = bl_tz_piece(tz, local + TZ_DAY_S).type->offset_s;
	int64_t at = local - before;

	if (bl_tz_piece(tz, at).type->offset_s != before &&
	    bl_tz_piece(tz, local - after).type->offset_s == after)
		at = local - after;
	return at * 1000 + c->ms;
}

/* The first instant whose local date is that day or a later one. */
static int64_t
day_begin(const struct bl_tz *tz, int64_t day)
{
	const int64_t local = day * TZ_DAY_S;
	int64_t at = local - TZ_OFFSET_MAX - 1; /* no zone is so far east */

	for (;;) {
		const struct tz_piece piece = bl_tz_piece(tz, at);
		const int64_t midnight = local - piece.type->offset_s;

		if (midnight <= at)
			return at;
		if (midnight < piece.until_s)
			return midnight;
		at = piece.until_s;
	}
}

void
bl_tz_day(const struct bl_tz *tz, int64_t unix_ms, int64_t *begin, int64_t *end)
{
	const int64_t at_s = seconds(unix_ms);
	int64_t day = tz_floor_div(at_s + bl_tz_piece(tz, at_s).type->offset_s, TZ_DAY_S);
	int64_t next;

	/* A clock set back over midnight shows the old date again: the new day goes on. */
	while ((next = day_begin(tz, day + 1)) <= at_s)
		day++;
	*begin = to_ms(day_begin(tz, day));
	*end = to_ms(next);
}
