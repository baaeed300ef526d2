/*
 * Drop folders whose files do not stay as they are: who may write there cuts, replaces and floods
 * them at the worst moment, on purpose or not.
 */
#include "drop_kit.h"

/* ---- lines ---- */

/* What follows a line that is too long belongs to it, also where that is read again. */
static void
the_rest_of_a_long_line_is_no_row(void **state)
{
	static char text[40000];
	struct world *w = *state;
	size_t n = (size_t)snprintf(text, sizeof(text), HEAD);

	configure(w, steps_conf);
	w->host->at_once = false;
	/* One read ends within the line. */
	memset(text + n, 'x', 32768 - n);
	n = 32768 + (size_t)snprintf(text + 32768, sizeof(text) - 32768, "9,s,begin\n1,s,begin\n");
	put(w, "a.csv", text, n, "w");
	pass(w);
	assert_said(w, STEP("begin", "1", "s"));
	fake_host_answer(w->host, BL_EIO);
	pass(w);
	assert_said(w, STEP("begin", "1", "s"));
	close_inlet(w);
	open_again(w);
	pass(w);
	assert_said(w, STEP("begin", "1", "s"));
	fake_host_answer(w->host, 0);
	pass(w);
	assert_true(is_there(w, "done/a.csv"));
	assert_int_equal(fake_host_count(w->host, "bad_lines"), 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_rest_of_a_long_line_is_no_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
