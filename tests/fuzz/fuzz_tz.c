/*
 * libFuzzer target: a time zone file, and questions to the zone that it holds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tz_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
ask(const struct bl_tz *tz, int64_t at)
{
	int64_t begin, end, b, e;
	struct bl_civil c;
	char text[64];

	bl_tz_civil(tz, at, &c);
	bl_tz_rfc3339(tz, at, text, sizeof(text));
	bl_tz_day(tz, at, &begin, &end);
	if (begin > at || (at >= end && end != INT64_MAX))
		abort();
	if (begin > INT64_MIN) {
		bl_tz_day(tz, begin - 1, &b, &e);
		if (e != begin)
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bl_tz *tz = calloc(1, sizeof(*tz));
	struct bl_err err;

	if (tz == NULL)
		return 0;
	if (bl_tz_parse_file(tz, data, size, &err) == BL_OK) {
		for (size_t i = 0; i < tz->n_times && i < 50; i++)
			if (tz->time_s[i] > INT64_MIN / 1000 && tz->time_s[i] < INT64_MAX / 1000)
				ask(tz, tz->time_s[i] * 1000);
		for (int64_t y = 0; y < 60; y++)
			ask(tz, y * INT64_C(31556952000) * 2);
		ask(tz, INT64_MIN);
		ask(tz, INT64_MAX);
	}
	bl_tz_free(tz);
	return 0;
}
