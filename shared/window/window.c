/* Which window an instant lies in, and the names of windows and functions. */
#include "branchline/window.h"

#include <string.h>

#define MINUTE_MS 60000
#define HOUR_MS   3600000

static const char *const window_names[BL_WINDOWS + 1] = {
	[BL_WINDOW_1M] = "1m",
	[BL_WINDOW_5M] = "5m",
	[BL_WINDOW_1H] = "1h",
	[BL_WINDOW_1D] = "1d",
};

static const char *const function_names[BL_FN_PERCENTILE + 1] = {
	[BL_FN_MEAN] = "mean",
	[BL_FN_COUNT] = "count",
	[BL_FN_SUM] = "sum",
	[BL_FN_MIN] = "min",
	[BL_FN_MAX] = "max",
	[BL_FN_RATE] = "rate",
	[BL_FN_SHARE] = "share",
	[BL_FN_PERCENTILE] = "percentile",
};

/* The index of name in names[1..last]; 0: not there. */
static int
index_of(const char *const *names, int last, const char *name)
{
	for (int i = 1; i <= last; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return 0;
}

const char *
bl_window_name(enum bl_window w)
{
	return w >= BL_WINDOW_1M && w <= BL_WINDOW_1D ? window_names[w] : NULL;
}

bool
bl_window_parse(const char *name, enum bl_window *out)
{
	const int i = index_of(window_names, BL_WINDOWS, name);

	if (i != 0)
		*out = (enum bl_window)i;
	return i != 0;
}

const char *
bl_function_name(enum bl_function f)
{
	return f >= BL_FN_MEAN && f <= BL_FN_PERCENTILE ? function_names[f] : NULL;
}

bool
bl_function_parse(const char *name, enum bl_function *out)
{
	const int i = index_of(function_names, BL_FN_PERCENTILE, name);

	if (i != 0)
		*out = (enum bl_function)i;
	return i != 0;
}

static int64_t
floor_to(int64_t unix_ms, int64_t width_ms)
{
	const int64_t rest = unix_ms % width_ms;

	return unix_ms - (rest < 0 ? rest + width_ms : rest);
}

void
bl_window_at(
    enum bl_window w, const struct bl_tz *tz, int64_t unix_ms, int64_t *begin, int64_t *end)
{
	int64_t midnight, next;

	if (w == BL_WINDOW_1M || w == BL_WINDOW_5M) {
		const int64_t width_ms = w == BL_WINDOW_1M ? MINUTE_MS : 5 * MINUTE_MS;

		*begin = floor_to(unix_ms, width_ms);
		*end = *begin + width_ms;
		return;
	}
	bl_tz_day(tz, unix_ms, &midnight, &next);
	*begin = midnight;
	*end = next;
	if (w == BL_WINDOW_1H) {
		*begin += (unix_ms - midnight) / HOUR_MS * HOUR_MS;
		*end = next - *begin > HOUR_MS ? *begin + HOUR_MS : next;
	}
}
