/* Safe mode: when it begins, how long it lasts, what a record of starts on disk may hold. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "safe.h"

#define MINUTE 60000

static const struct bl_id boot = { { 1 } }, other_boot = { { 2 } };

/*
 * s: a start; S: a start that must be in safe mode; h: health; e: ended in order, f: in safe mode;
 * t: all is tried; m: a minute passes, o: an hour; b: another boot.
 */
static void
history(const char *steps)
{
	struct safe_record r = { 0 };
	const struct bl_id *now_boot = &boot;
	int64_t now = 5000;

	for (size_t i = 0; steps[i] != '\0'; i++) {
		char text[SAFE_TEXT_MAX];

		switch (steps[i]) {
		case 's':
		case 'S':
			if (safe_start(&r, now_boot, now) != (steps[i] == 'S'))
				fail_msg("%s: step %zu", steps, i);
			break;
		case 'h':
			safe_healthy(&r);
			break;
		case 'e':
			safe_stopped(&r);
			break;
		case 'f':
			safe_forgive(&r);
			break;
		case 't':
			safe_try(&r, now);
			break;
		case 'm':
			now += MINUTE;
			break;
		case 'o':
			now += 60 * MINUTE + 1;
			break;
		case 'b':
			now_boot = &other_boot;
			now = 1000;
			break;
		default:
			fail_msg("%s", steps);
		}
		/* What is written reads as the same, whatever was done. */
		safe_write(&r, text);
		safe_read(&r, text, sizeof(text));
	}
}

static void
five_starts_without_health_are_a_crash_loop(void **state)
{
	static const char *const cases[] = {
		"sssssSSS",     /* and it stays so */
		"smsmsmsmsmS",  /* slower */
		"ssssshsssssS", /* health is a new begin */
		"sssssoss",     /* long ago */
		"ssssosssssS",
		"ssssse"
		"sS",            /* ended in order: that one does not count */
		"seseseseseses", /* a service that is restarted by hand */
		"sssssSf"
		"sssssS",       /* in safe mode, somebody ended it: all of it again */
		"sssssbsssssS", /* the machine was started anew */
		"sssssStS",     /* all was tried, and it ended at once */
		"sssssSthss",   /* all was tried, and it lives */
		"sssssStmSmS",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		history(cases[i]);
}

static void
each_try_in_vain_doubles_the_wait(void **state)
{
	struct safe_record r = { 0 };

	(void)state;
	assert_int_equal(safe_wait_ms(&r), 30 * MINUTE);
	for (unsigned i = 1; i <= 5; i++) {
		safe_try(&r, 1000);
		assert_int_equal(safe_wait_ms(&r), (int64_t)30 * MINUTE << i);
	}
	for (unsigned i = 0; i < 100; i++)
		safe_try(&r, 1000);
	assert_int_equal(safe_wait_ms(&r), 16 * 60 * MINUTE);
	safe_healthy(&r);
	assert_int_equal(safe_wait_ms(&r), 30 * MINUTE);
}

static void
what_is_no_record_counts_nothing(void **state)
{
#define HEAD "branchline-agent starts 1\nboot 0123456789abcdef0123456789abcdef\n"
	static const struct {
		const char *text;
		unsigned n;
	} cases[] = {
		{ HEAD "tries 0\nstart 5\nstart 6\n\n", 2 },
		{ HEAD "tries 0\n", 0 },
		{ "branchline-agent starts 2\nboot 0123456789abcdef0123456789abcdef\ntries "
		  "0\nstart 5\n",
		    0 },
		{ "branchline-agent starts 1\nboot 123\ntries 0\nstart 5\n", 0 },
		{ HEAD "tries 9\nstart 5\n", 0 },
		{ HEAD "tries -1\nstart 5\n", 0 },
		{ HEAD "tries 0\nstart 6\nstart 5\n", 1 },
		{ HEAD "tries 0\nstart 5x\n", 0 },
		{ HEAD "tries 0\nstart 99999999999999999999\n", 0 },
		{ HEAD "tries 0\nstart 1\nstart 2\nstart 3\nstart 4\nstart 5\nstart 6\n", 5 },
		{ "", 0 },
		{ "\n\n\n", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct safe_record r;

		/* Cut anywhere: never more than was there, and nothing behind it is read. */
		for (size_t len = 0; len <= strlen(cases[i].text); len++) {
			char *part = malloc(len + 1);

			assert_non_null(part);
			memcpy(part, cases[i].text, len);
			safe_read(&r, part, len);
			free(part);
			if (r.n > cases[i].n)
				fail_msg("case %zu cut at %zu: %u starts", i, len, r.n);
		}
		if (r.n !=
		    (strstr(cases[i].text, "start 6\nstart 5") == NULL && cases[i].n == 2 ? 2 : 0))
			fail_msg("case %zu: %u starts", i, r.n);
	}
}

static void
little_is_sampled(void **state)
{
	(void)state;
	assert_true(safe_sampler("cpu") && safe_sampler("memory") && safe_sampler("uptime") &&
		    safe_sampler("self"));
	assert_false(safe_sampler("disk") || safe_sampler("cp") || safe_sampler(""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(five_starts_without_health_are_a_crash_loop),
		cmocka_unit_test(each_try_in_vain_doubles_the_wait),
		cmocka_unit_test(what_is_no_record_counts_nothing),
		cmocka_unit_test(little_is_sampled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
