/*
 * Answers about time zones, a line each:
 *   zone NAME      loads it
 *   offset MS      local time less UTC, in ms
 *   day MS         begin and end of the local day
 *   text MS        local time as RFC 3339, its abbreviation, its weekday (Sunday 0)
 * --dir DIR: a folder of zones other than the system's.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/tz.h"

static void
answer(const struct bl_tz *tz, const char *what, int64_t at)
{
	int64_t begin, end;
	struct bl_civil c;
	char text[64];

	if (strcmp(what, "offset") == 0) {
		printf("%" PRId64 "\n", bl_tz_offset_ms(tz, at));
	} else if (strcmp(what, "day") == 0) {
		bl_tz_day(tz, at, &begin, &end);
		printf("%" PRId64 " %" PRId64 "\n", begin, end);
	} else if (strcmp(what, "text") == 0) {
		bl_tz_civil(tz, at, &c);
		bl_tz_rfc3339(tz, at, text, sizeof(text));
		printf("%s %s %d\n", text, c.abbreviation, c.weekday);
	} else {
		fprintf(stderr, "tz_tool: no question \"%s\"\n", what);
		exit(2);
	}
}

int
main(int argc, char **argv)
{
	const char *dir = argc == 3 && strcmp(argv[1], "--dir") == 0 ? argv[2] : NULL;
	char line[256], what[16], arg[128];
	struct bl_tz *tz = NULL;
	struct bl_err err;

	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (sscanf(line, "%15s %127s", what, arg) != 2) {
			fprintf(stderr, "tz_tool: not understood: %s", line);
			return 2;
		}
		if (strcmp(what, "zone") != 0 && tz != NULL) {
			answer(tz, what, strtoll(arg, NULL, 10));
			continue;
		}
		bl_tz_free(tz);
		if (bl_tz_load(&tz, arg, dir, &err) < 0) {
			fprintf(stderr, "tz_tool: %s\n", err.msg);
			return 1;
		}
	}
	bl_tz_free(tz);
	return 0;
}
