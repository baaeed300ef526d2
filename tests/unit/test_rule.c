/* Rules without I/O. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "branchline/rule.h"

static void
a_threshold_needs_enough_data(void **state)
{
	(void)state;
	assert_int_equal(bl_rule_threshold(true, 5, BL_OP_GT, 4, 1, 0.9), BL_OUTCOME_TRUE);
	assert_int_equal(bl_rule_threshold(true, 5, BL_OP_GT, 4, 0.5, 0.9), BL_OUTCOME_UNKNOWN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_threshold_needs_enough_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
