/* What the configuration of watched logs refuses, and in which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "loglines.h"

static void
options_are_checked(void **state)
{
	static const struct {
		const char *pattern, *error;
	} c[] = {
		{ "{match: 'a(', map: {case: x, phase: event}}", "is not closed" },
		{ "{match: 'a', map: {case: '{no}', phase: event}}",
		    "{no} is in the mapping, but the expression has no group (?<no>...)" },
		{ "{match: '(?<no>a)', map: {phase: event}}", "a step needs `case`" },
		{ "{match: '(?<no>a)'}", "map" },
		{ "", "a log without patterns" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct bl_conf_errors errors = { 0 };
		struct loglines_conf conf = { 0 };
		struct bl_err err = { 0 };
		char yaml[512];

		snprintf(yaml, sizeof(yaml), "watch: [{name: x, path: /a, patterns: [%s]}]",
		    c[i].pattern);
		if (bl_conf_parse("t", yaml, strlen(yaml), &loglines_conf_section, &conf, &errors,
			&err) != BL_EINVAL)
			fail_msg("%s was taken", yaml);
		if (strstr(errors.line[0], c[i].error) == NULL)
			fail_msg("%s", errors.line[0]);
		bl_conf_errors_free(&errors);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(options_are_checked) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
