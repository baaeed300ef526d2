/* Windows, exact sums, parts, spans. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "branchline/window.h"

static void
sums_are_exact(void **state)
{
	struct bl_sum s;

	(void)state;
	bl_sum_zero(&s);
	bl_sum_add(&s, 1e300);
	bl_sum_add(&s, 1);
	bl_sum_add(&s, -1e300);
	assert_true(bl_sum_value(&s) == 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_are_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
