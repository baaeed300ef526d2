/*
 * Foreign series where memory ends: with each allocation failing once, a series is refused as such
 * or there, never half; what was there before stays, and what failed works the next time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "intake.h"
#include "nomem.h"

#define SERIES 70 /* the table and the slots grow more than once */

static int32_t declared;

static int32_t
declare(void *ctx, const struct bl_series_def *def)
{
	(void)ctx;
	(void)def;
	return declared++;
}

static int32_t
ask(struct intake *t, unsigned i)
{
	char text[16];
	struct intake_name n = { .kind = BL_GAUGE };

	n.name.len = (size_t)snprintf(text, sizeof(text), "m%u", i);
	n.name.p = text;
	return intake_series(t, &n);
}

/* False: the nth allocation was not asked for. */
static bool
play(unsigned nth)
{
	struct sample_sink sink = { .declare = declare };
	const struct intake_opts opts = { .source = "x", .prefix = "y", .sink = &sink };
	int32_t slot[SERIES];
	struct bl_err err = { 0 };
	unsigned failures = 0;
	struct intake *t;
	bool failed;

	declared = 0;
	nomem_arm(nth);
	if (intake_open(&t, &opts, &err) < 0) {
		assert_true(nomem_disarm());
		assert_null(t);
		assert_int_equal(err.code, BL_ENOMEM);
		return true;
	}
	for (unsigned i = 0; i < SERIES; i++) {
		slot[i] = ask(t, i);
		failures += slot[i] < 0;
		assert_true(slot[i] >= 0 || slot[i] == -1 - INTAKE_NO_MEMORY);
	}
	failed = nomem_disarm();
	assert_int_equal(failures, failed ? 1 : 0);
	assert_int_equal(intake_count(t, NULL), SERIES - failures);
	for (unsigned i = 0; i < SERIES; i++)
		assert_int_equal(ask(t, i), slot[i] >= 0 ? slot[i] : SERIES - 1);
	assert_int_equal(intake_count(t, NULL), SERIES);
	intake_close(t);
	return failed;
}

static void
memory_may_end_anywhere(void **state)
{
	unsigned nth = 1;

	(void)state;
	while (play(nth))
		nth++;
	assert_true(nth > SERIES); /* each of them asks for some */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_may_end_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
