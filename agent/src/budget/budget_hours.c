/* Hours of the day: their text, whether they are open, when they open. */
#include "budget.h"

#include <stdlib.h>
#include <string.h>

#include "branchline/tz.h"

#define DAY_MIN    1440
#define MINUTE_MS  60000
#define LOOK_AHEAD (2 * DAY_MIN) /* a day that is skipped, and one more */

static bool
digits(const char **p, unsigned n, unsigned *out)
{
	*out = 0;
	for (unsigned i = 0; i < n; i++, (*p)++) {
		if (**p < '0' || **p > '9')
			return false;
		*out = *out * 10 + (unsigned)(**p - '0');
	}
	return true;
}

/* "06:00"; "24:00" is the end of the day. */
static bool
clock_time(const char **p, uint16_t *out)
{
	unsigned h, m;

	if (!digits(p, 2, &h) || *(*p)++ != ':' || !digits(p, 2, &m) || m > 59 ||
	    h * 60 + m > DAY_MIN)
		return false;
	*out = (uint16_t)(h * 60 + m);
	return true;
}

bool
budget_hours_parse(const char *text, struct budget_hours *out)
{
	const char *p = text;

	memset(out, 0, sizeof(*out));
	if (*p == '\0')
		return true;
	for (;;) {
		if (out->n == BUDGET_HOURS_MAX || !clock_time(&p, &out->span[out->n].from) ||
		    *p++ != '-' || !clock_time(&p, &out->span[out->n].to) ||
		    out->span[out->n].from == DAY_MIN)
			return false;
		out->n++;
		if (*p == '\0')
			return true;
		if (*p++ != ',')
			return false;
		while (*p == ' ')
			p++;
	}
}

bool
budget_hours_open(const struct budget_hours *h, const struct bl_tz *tz, int64_t unix_ms)
{
	struct bl_civil c;
	int at;

	if (h->n == 0)
		return true;
	bl_tz_civil(tz, unix_ms, &c);
	at = c.hour * 60 + c.minute;
	for (unsigned i = 0; i < h->n; i++) {
		const int from = h->span[i].from, to = h->span[i].to;

		if (from < to ? at >= from && at < to : at >= from || at < to)
			return true;
	}
	return false;
}

int64_t
budget_hours_next(const struct budget_hours *h, const struct bl_tz *tz, int64_t unix_ms)
{
	int64_t at = unix_ms;

	/* Minute by minute: no reckoning with days that have 23 or 25 hours can be wrong then. */
	for (int i = 0; i < LOOK_AHEAD && !budget_hours_open(h, tz, at); i++)
		at = (at / MINUTE_MS + 1) * MINUTE_MS;
	return at;
}
