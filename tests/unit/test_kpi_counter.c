/* Rates of counters that begin anew, wrap, step back, or whose clock is set back: never a spike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "kpi_kit.h"

#define HOST BL_STREAM_HOST

static int
setup(void **state)
{
	struct kit *k = malloc(sizeof(*k));

	if (k == NULL)
		return -1;
	kit_open(k);
	kit_site(k, "utc", "UTC");
	*state = k;
	return 0;
}

static int
teardown(void **state)
{
	kit_close(*state);
	free(*state);
	return 0;
}

/* Two minutes: samples at these seconds.  Those of the second may be of another boot or clock. */
struct row {
	const char *name;
	double second[6], value[6];
	bool rebooted;
	int64_t set_back_ms;
	double increase, seconds; /* of the second minute */
};

#define EACH_20                                                                                    \
	{                                                                                          \
		0, 20, 40, 60, 80, 100                                                             \
	}

static const struct row rows[] = {
	{ "grows", EACH_20, { 100, 110, 120, 130, 140, 150 }, false, 0, 30, 60 },
	{ "its source steps back", EACH_20,
	    { 1e9, 1e9 + 10, 1e9 + 20, 1e9 + 18, 1e9 + 30, 1e9 + 40 }, false, 0, 22, 60 },
	{ "32 bits are full", EACH_20, { 4294967270, 4294967280, 4294967290, 4, 14, 24 }, false, 0,
	    24, 60 },
	{ "the machine began anew, and is higher", EACH_20, { 1, 2, 3, 5e9, 5e9 + 10, 5e9 + 20 },
	    true, 0, 20, 40 },
	{ "the machine began anew, and is lower", EACH_20, { 5e9, 5e9, 5e9, 1e9, 1e9, 1e9 + 20 },
	    true, 0, 20, 40 },
	{ "the agent began anew", EACH_20, { 100, 110, 120, 0, 5, 10 }, false, 0, 10, 60 },
	{ "an interface was made again", EACH_20, { 7e9, 7e9, 7e9, 400, 500, 600 }, false, 0, 600,
	    60 },
	{ "the clock is set back, to a second later", { 19, 39, 59, 60, 80, 100 },
	    { 100, 110, 120, 130, 140, 150 }, false, 19000, 30, 60 },
	{ "the clock is set back, to the same instant", { 20, 40, 60, 60, 80, 100 },
	    { 100, 110, 120, 130, 140, 150 }, false, 20000, 40, 80 },
	{ "the clock is set forward by a quarter of a minute", { 0, 20, 40, 75, 95, 115 },
	    { 100, 110, 120, 130, 140, 150 }, false, -15000, 30, 60 },
};

static void
play(struct kit *k, const struct row *row, int64_t series, int64_t t, int64_t boot)
{
	struct kit_batch *b[2] = { kit_batch(k, "d1", HOST, t, t + KIT_MINUTE),
		kit_batch(k, "d1", HOST, t + KIT_MINUTE, t + 2 * KIT_MINUTE) };

	b[0]->boot = boot;
	b[1]->boot = boot + row->rebooted;
	b[1]->set_back_ms = row->set_back_ms;
	for (int n = 0; n < 6; n++)
		kit_sample(
		    k, b[n / 3], series, t + (int64_t)(row->second[n] * 1000), row->value[n]);
	kit_arrive(k, b[0]);
	kit_arrive(k, b[1]);
}

static void
a_rate_never_spikes(void **state)
{
	struct kit *k = *state;
	const int64_t s = kit_series(k, "d1", "m", "{}", BL_COUNTER, HOST, 20000);

	kit_kpi(k, "k", 0)->function = BL_FN_RATE;
	kit_service(k, "d1", "utc", KIT_T0, 0);
	kit_roster(k);
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		const int64_t t = KIT_T0 + (int64_t)r * KIT_HOUR;
		const double want = rows[r].increase / rows[r].seconds;
		struct kit_cell c;

		play(k, &rows[r], s, t, 10 * (int64_t)r);
		c = kit_cell(k, "k", BL_WINDOW_1M, "utc", t + KIT_MINUTE);
		assert_true(c.there && c.known);
		if (c.value < want - 1e-12 || c.value > want + 1e-12)
			fail_msg("%s: %.17g, not %.17g", rows[r].name, c.value, want);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_rate_never_spikes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
