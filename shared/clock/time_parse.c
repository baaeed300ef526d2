/*
 * Times as RFC 3339 writes them: "2026-11-28T09:30:00Z", "...+08:00".  The
 * zone is required: a time without one is a different instant at every site.
 */
#include "branchline/clock.h"

/* Days from 1970-01-01; the years of the calendar begin in March here. */
static int64_t
days_of(int64_t y, unsigned m, unsigned d)
{
	const int64_t year = m <= 2 ? y - 1 : y;
	const int64_t era = (year >= 0 ? year : year - 399) / 400;
	const int64_t of_era = year - era * 400;
	const int64_t of_year = (153 * (int64_t)(m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static unsigned
days_in(unsigned y, unsigned m)
{
	static const uint8_t days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	const bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

	return m == 2 && leap ? 29 : days[m - 1];
}

/* Reads by a pattern: each run of '0' is a number, all else must stand there. */
static bool
match(const char **s, const char *end, const char *pattern, unsigned *out)
{
	for (bool in_run = false; *pattern != '\0'; pattern++, (*s)++) {
		if (*s == end)
			return false;
		if (*pattern != '0') {
			/* RFC 3339 also has a small t, and a space for reading. */
			if (**s != *pattern && !(*pattern == 'T' && (**s == 't' || **s == ' ')))
				return false;
			in_run = false;
			continue;
		}
		if (**s < '0' || **s > '9')
			return false;
		if (!in_run)
			*out = 0;
		*out = *out * 10 + (unsigned)(**s - '0');
		in_run = true;
		if (pattern[1] != '0')
			out++;
	}
	return true;
}

static unsigned
fraction_ms(const char **s, const char *end)
{
	unsigned ms = 0, scale = 100;

	for (; *s < end && **s >= '0' && **s <= '9'; (*s)++, scale /= 10)
		ms += scale * (unsigned)(**s - '0');
	return ms;
}

static bool
zone(const char *s, const char *end, int64_t *ms)
{
	unsigned hm[2];
	const int64_t sign = s < end && *s == '-' ? -1 : 1;

	*ms = 0;
	if (end - s == 1 && (*s == 'Z' || *s == 'z'))
		return true;
	if (s == end || (*s != '+' && *s != '-'))
		return false;
	s++;
	if (!match(&s, end, "00:00", hm) || s != end || hm[0] > 23 || hm[1] > 59)
		return false;
	*ms = sign * ((int64_t)hm[0] * 60 + hm[1]) * 60000;
	return true;
}

bool
bl_time_parse(const char *s, size_t len, int64_t *unix_ms)
{
	const char *end;
	unsigned v[6], ms = 0;
	int64_t offset;

	if (len == 0)
		return false;
	end = s + len;
	if (!match(&s, end, "0000-00-00T00:00:00", v))
		return false;
	if (v[1] < 1 || v[1] > 12 || v[2] < 1 || v[2] > days_in(v[0], v[1]) || v[3] > 23 ||
	    v[4] > 59 || v[5] > 60) /* 60: a leap second, here the next one */
		return false;
	if (end - s > 1 && *s == '.' && s[1] >= '0' && s[1] <= '9') {
		s++;
		ms = fraction_ms(&s, end);
	}
	if (!zone(s, end, &offset))
		return false;
	*unix_ms = ((days_of(v[0], v[1], v[2]) * 24 + v[3]) * 60 + v[4]) * 60000 +
		   (int64_t)v[5] * 1000 + ms - offset;
	return true;
}
