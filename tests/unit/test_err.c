/* Errors as values: the first failure's text survives its way up, cut but never overrun. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "branchline/err.h"

static void
fail_keeps_code_and_text(void **state)
{
	struct bl_err err = { .os_errno = 5 };

	(void)state;
	assert_int_equal(bl_fail(&err, BL_EFULL, "spool %s: %d of %d", "x", 3, 4), BL_EFULL);
	assert_int_equal(err.code, BL_EFULL);
	assert_int_equal(err.os_errno, 0);
	assert_string_equal(err.msg, "spool x: 3 of 4");
}

static void
fail_errno_appends_the_reason(void **state)
{
	struct bl_err err;

	(void)state;
	errno = EACCES;
	assert_int_equal(bl_fail_errno(&err, BL_EIO, "open %s", "/var/x"), BL_EIO);
	assert_int_equal(err.os_errno, EACCES);
	assert_string_equal(err.msg, "open /var/x: Permission denied");
}

static void
nobody_listening_is_fine(void **state)
{
	(void)state;
	assert_int_equal(bl_fail(NULL, BL_ENOMEM, "x"), BL_ENOMEM);
	errno = EIO;
	assert_int_equal(bl_fail_errno(NULL, BL_EIO, "x"), BL_EIO);
	bl_err_prefix(NULL, "x");
}

static void
long_texts_are_cut(void **state)
{
	struct {
		struct bl_err err;
		char guard[8];
	} s;
	char text[1000];

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memset(s.guard, 'g', sizeof(s.guard));
	errno = EIO;
	(void)bl_fail_errno(&s.err, BL_EIO, "%s", text);
	assert_int_equal(strlen(s.err.msg), sizeof(s.err.msg) - 1);
	bl_err_prefix(&s.err, "%s", "outer");
	assert_int_equal(strlen(s.err.msg), sizeof(s.err.msg) - 1);
	assert_memory_equal(s.err.msg, "outer: aaa", 10);
	bl_err_prefix(&s.err, "%s", text);
	assert_int_equal(strlen(s.err.msg), sizeof(s.err.msg) - 1);
	assert_memory_equal(s.guard, "gggggggg", sizeof(s.guard));
}

static void
prefix_goes_before(void **state)
{
	struct bl_err err;

	(void)state;
	(void)bl_fail(&err, BL_ENET, "refused");
	bl_err_prefix(&err, "connect %s:%d", "host", 8883);
	assert_string_equal(err.msg, "connect host:8883: refused");
	assert_int_equal(err.code, BL_ENET);
}

static void
every_code_has_its_own_name(void **state)
{
	(void)state;
	for (int a = BL_EUNSUPPORTED; a <= BL_OK; a++) {
		assert_string_not_equal(bl_code_name(a), "unknown");
		for (int b = BL_EUNSUPPORTED; b < a; b++)
			assert_string_not_equal(bl_code_name(a), bl_code_name(b));
	}
	assert_string_equal(bl_code_name(1), "unknown");
	assert_string_equal(bl_code_name(-999), "unknown");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fail_keeps_code_and_text),
		cmocka_unit_test(fail_errno_appends_the_reason),
		cmocka_unit_test(nobody_listening_is_fine),
		cmocka_unit_test(long_texts_are_cut),
		cmocka_unit_test(prefix_goes_before),
		cmocka_unit_test(every_code_has_its_own_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
