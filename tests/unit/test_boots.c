/* Boots that never knew the time: where they are put when a later one does. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "boots.h"

#define T0   INT64_C(1800000000000)
#define HOUR INT64_C(3600000)
#define DAY  (24 * HOUR)

struct row {
	const char *name;
	struct boot_known known;
	struct boot_former
	    boot[4]; /* newest first; end_ms 0 ends; the answer is what is expected */
};

static const struct row rows[] = {
	{ "a real-time clock that is right: as it says", { true, T0, T0 + 3 * DAY, true, 0 },
	    { { 5 * HOUR, T0 + 2 * DAY, true, T0 + 2 * DAY, 2000 + 10200 },
		{ 7 * HOUR, T0 + DAY, true, T0 + DAY, 2000 + 22050 } } },
	{ "one that is found an hour ahead: an hour less, give or take an hour",
	    { true, T0, T0 + 3 * DAY, true, HOUR },
	    { { 5 * HOUR, T0 + 2 * DAY, true, T0 + 2 * DAY - HOUR, HOUR + 2000 + 10800 } } },
	{ "1970 each time: somewhere in between, in order", { true, T0, T0 + 10 * HOUR, false, 0 },
	    { { 2 * HOUR, 3000, true, T0 + 11 * HOUR / 2, 5 * HOUR / 2 + 2000 },
		{ 3 * HOUR, 3000, true, T0 + 5 * HOUR / 2 + 500, 5 * HOUR / 2 + 2500 } } },
	{ "1970, and nothing known before: no place", { false, 0, T0 + 10 * HOUR, true, -T0 },
	    { { 2 * HOUR, 3000, false, 0, 0 } } },
	{ "a real-time clock, and nothing known before: as it says",
	    { false, 0, T0 + 10 * HOUR, true, 5000 },
	    { { 2 * HOUR, T0 + 5000, true, T0, 5000 + 2000 + 4200 } } },
	{ "a wall clock in the future is not believed", { true, T0, T0 + 10 * HOUR, false, 0 },
	    { { 2 * HOUR, T0 + DAY, true, T0 + 4 * HOUR, 4 * HOUR + 2000 } } },
	{ "no room is left: what is known is not that exact", { true, T0, T0 + HOUR, false, 0 },
	    { { 2 * HOUR, 3000, true, T0 - HOUR / 2, 2000 } } },
};

static void
every_boot_gets_the_place_that_is_known_of_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct boot_former got[4];
		size_t n = 0;

		for (; n < 4 && rows[i].boot[n].end_ms != 0; n++)
			got[n] = (struct boot_former){ .end_ms = rows[i].boot[n].end_ms,
				.wall_offset_ms = rows[i].boot[n].wall_offset_ms };
		boots_place(&rows[i].known, got, n);
		for (size_t k = 0; k < n; k++) {
			const struct boot_former *w = &rows[i].boot[k];

			if (got[k].placed != w->placed || got[k].offset_ms != w->offset_ms ||
			    got[k].uncertainty_ms != w->uncertainty_ms)
				fail_msg("%s: boot %zu: %d at %lld +- %u", rows[i].name, k,
				    got[k].placed, (long long)(got[k].offset_ms - T0),
				    got[k].uncertainty_ms);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_boot_gets_the_place_that_is_known_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
