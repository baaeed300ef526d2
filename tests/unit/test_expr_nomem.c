/*
 * Out of memory at every single allocation of a compile: it says so and leaves
 * nothing behind.  And evaluation allocates nothing at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "branchline/expr.h"
#include "nomem.h"

static const struct bl_expr_scope scope = { .open = true };

static void
compiling_survives_each_failed_allocation(void **state)
{
	static const char *const texts[] = { "lower(a) = \"abc\" and b > 5 or c", "a >" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		unsigned n = 0;
		bool fired;

		do {
			struct bl_err err = { 0 };
			struct bl_expr *e;
			int rc;

			nomem_arm(++n);
			rc = bl_expr_compile(
			    &e, texts[i], strlen(texts[i]), &scope, BL_VALUE_BOOL, NULL, &err);
			fired = nomem_disarm();
			assert_int_equal(rc, fired ? BL_ENOMEM : i == 0 ? BL_OK : BL_EINVAL);
			assert_int_equal(err.code, rc);
			assert_int_equal(e != NULL, rc == BL_OK);
			bl_expr_free(e);
		} while (fired);
		assert_true(n > 3);
	}
}

static void
lookup(void *ctx, size_t i, struct bl_value *out)
{
	(void)ctx;
	out->type = i % 2 == 0 ? BL_VALUE_TEXT : BL_VALUE_NUMBER;
	out->text = "\xc3\x84"
		    "BC";
	out->text_len = 4;
	out->number = 2.5;
}

static void
evaluation_allocates_nothing(void **state)
{
	static const char text[] = "contains(lower(a), lower(\"b\")) and round(b, 1) * 2 > 1 and "
				   "age(time(a)) < 5min or if(is_null(c), len(a), max(b, 7)) > 2";
	const struct bl_expr_env env = { .lookup = lookup };
	struct bl_value out;
	struct bl_expr *e;
	unsigned before;

	(void)state;
	assert_int_equal(
	    bl_expr_compile(&e, text, strlen(text), &scope, BL_VALUE_BOOL, NULL, NULL), BL_OK);
	before = nomem_asked();
	bl_expr_eval(e, &env, &out);
	assert_int_equal(bl_expr_truth(e, &env), BL_TRUE);
	assert_int_equal(nomem_asked(), before);
	assert_true(out.boolean);
	bl_expr_free(e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compiling_survives_each_failed_allocation),
		cmocka_unit_test(evaluation_allocates_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
