/* When a report was, and what it may be called: rules of all inlets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "inlet_report.h"

#define NOW    INT64_C(1795831200000) /* 2026-11-28T02:00:00Z */
#define BOOTED INT64_C(3600000)       /* so long ago */
#define DAY    INT64_C(86400000)

static int64_t
boot_ms(void *ctx)
{
	(void)ctx;
	return BOOTED;
}

static int64_t
unix_ms(void *ctx)
{
	(void)ctx;
	return NOW;
}

static const struct bl_clock clock_of_test = { .boot_ms = boot_ms, .unix_ms = unix_ms };

static void
a_report_is_as_old_as_its_time_says(void **state)
{
	static const struct {
		enum inlet_report_kind kind;
		int64_t at, boot_ms; /* boot_ms 1: refused */
		const char *why;
	} rows[] = {
		{ INLET_EVENT, 0, BOOTED, NULL },
		{ INLET_EVENT, NOW, BOOTED, NULL },
		{ INLET_EVENT, NOW - 1500, BOOTED - 1500, NULL },
		{ INLET_EVENT, NOW - BOOTED, -1, NULL }, /* 0 is "now" to others */
		{ INLET_EVENT, NOW - 2 * BOOTED, -BOOTED, NULL },
		{ INLET_EVENT, NOW - 7 * DAY, BOOTED - 7 * DAY, NULL },
		{ INLET_EVENT, NOW - 7 * DAY - 1, 1,
		    "the time lies too far back: more than 7 days before this machine's clock, "
		    "which "
		    "says 2026-11-28T02:00:00.000Z" },
		{ INLET_METRIC, NOW - DAY, BOOTED - DAY, NULL },
		{ INLET_METRIC, NOW - DAY - 1, 1,
		    "the time lies too far back: more than 24 hours (of values) before this "
		    "machine's "
		    "clock, which says 2026-11-28T02:00:00.000Z" },
		{ INLET_METRIC, NOW + 60000, BOOTED, NULL }, /* nothing is told before it happens */
		{ INLET_EVENT, NOW + 60001, 1,
		    "the time lies in the future: more than a minute after this machine's clock, "
		    "which says 2026-11-28T02:00:00.000Z" },
		{ INLET_EVENT, INT64_MAX, 1, NULL },
		{ INLET_EVENT, INT64_MIN, 1, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct inlet_report r = { .kind = rows[i].kind, .at_unix_ms = rows[i].at };
		struct bl_err err = { 0 };
		int64_t got = 1;
		const int rc = inlet_report_place(&r, &clock_of_test, &got, &err);

		assert_int_equal(rc, rows[i].boot_ms == 1 ? BL_EINVAL : BL_OK);
		assert_true(got == rows[i].boot_ms);
		if (rows[i].why != NULL)
			assert_string_equal(err.msg, rows[i].why);
	}
}

static void
types_of_the_agent_are_its_own(void **state)
{
	static const char *const own[] = { "agent.start", "agent.", "step.begin", "clock.step",
		"probe.state", "spool.disk", "config.loaded", "link.up" };
	static const char *const free_ones[] = { "agent", "agents.met", "door.opened", "", "a",
		"steps" };

	(void)state;
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		assert_true(inlet_report_own_type((struct bl_str){ own[i], strlen(own[i]) }));
	for (size_t i = 0; i < sizeof(free_ones) / sizeof(free_ones[0]); i++)
		assert_false(
		    inlet_report_own_type((struct bl_str){ free_ones[i], strlen(free_ones[i]) }));
}

static void
times_are_read_as_senders_write_them(void **state)
{
	static const struct {
		const char *text;
		int64_t ms; /* 0: none */
	} rows[] = {
		{ "1795831200", NOW },
		{ "1795831200.5", NOW + 500 },
		{ "1795831200.000999999", NOW },
		{ "0.001", 1 },
		{ "2026-11-28T10:00:00+08:00", NOW },
		{ "9999-12-31T23:59:59-23:59", INT64_C(253402387139000) },
		{ "253402387139", INT64_C(253402387139000) },
		{ "0", 0 },
		{ "0.0001", 0 },
		{ "1970-01-01T00:00:00Z", 0 },
		{ "1969-12-31T23:59:59Z", 0 },
		{ "-1", 0 },
		{ "+1", 0 },
		{ "1e9", 0 },
		{ "1795831200.", 0 },
		{ ".5", 0 },
		{ "1795831200.1234567890", 0 },
		{ "1795831200000", 0 }, /* milliseconds: not what is asked for */
		{ "99999999999999999999999999", 0 },
		{ "2026-11-28", 0 },
		{ "now", 0 },
		{ "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct bl_str text = { rows[i].text, strlen(rows[i].text) };
		int64_t ms = 0;
		const bool good = inlet_report_time(text, &ms);

		if (good != (rows[i].ms != 0) || (good && ms != rows[i].ms))
			fail_msg("%s: %d %lld", rows[i].text, good, (long long)ms);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_report_is_as_old_as_its_time_says),
		cmocka_unit_test(types_of_the_agent_are_its_own),
		cmocka_unit_test(times_are_read_as_senders_write_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
