/* Fault points: silent until armed, fire once and where they were told to. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "branchline/fault.h"

static void
nothing_fires_until_armed(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++)
		assert_false(bl_fault_hit("a"));
	assert_false(bl_fault_fired());
}

static void
the_nth_hit_of_its_name_fires_once(void **state)
{
	(void)state;
	assert_true(bl_fault_arm("a", 3));
	assert_false(bl_fault_hit("a"));
	assert_false(bl_fault_hit("b"));
	assert_false(bl_fault_hit("a"));
	assert_false(bl_fault_fired());
	assert_int_equal(bl_fault_hits(), 2);
	assert_true(bl_fault_hit("a"));
	assert_true(bl_fault_fired());
	assert_false(bl_fault_hit("a"));
	bl_fault_disarm();
	assert_true(bl_fault_fired());
}

static void
a_star_counts_every_place(void **state)
{
	(void)state;
	assert_true(bl_fault_arm("*", 2));
	assert_false(bl_fault_hit("a"));
	assert_true(bl_fault_hit("b"));
	bl_fault_disarm();
}

static void
arming_refuses_nonsense(void **state)
{
	static const char long_name[] =
	    "0123456789012345678901234567890123456789012345678901234567890123";

	(void)state;
	assert_false(bl_fault_arm("", 1));
	assert_false(bl_fault_arm("a", 0));
	assert_false(bl_fault_arm(long_name, 1));
	assert_true(bl_fault_arm(long_name + 1, 1));
	bl_fault_disarm();
}

/* How a child ends that arms from the environment and hits a place twice. */
static int
end_of_child(const char *env)
{
	int status;
	const pid_t pid = fork();

	if (pid == 0) {
		/* Standard error of a dying child does not belong in the test's output. */
		(void)close(STDERR_FILENO);
		(void)setenv(BL_FAULT_ENV, env, 1);
		if (bl_fault_init_from_env() != NULL)
			_exit(78);
		_exit(bl_fault_hit("x") + 2 * bl_fault_hit("x"));
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void
the_environment_arms(void **state)
{
	static const struct {
		const char *env;
		int end;
	} cases[] = {
		{ "x:1:fail", 1 },
		{ "x:2:fail", 2 },
		{ "x:3:fail", 0 },
		{ "y:1:kill", 0 },
		{ "x:2:kill", -SIGKILL },
		{ "x:1:abort", -SIGABRT },
		{ "*:1:kill", -SIGKILL },
		{ "x", 78 },
		{ "x:1", 78 },
		{ "x:0:fail", 78 },
		{ "x:-1:fail", 78 },
		{ "x: 1:fail", 78 },
		{ "x:1:explode", 78 },
		{ ":1:fail", 78 },
		{ "x:99999999999999999999:fail", 78 },
		{ "", 78 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (end_of_child(cases[i].env) != cases[i].end)
			fail_msg("BL_FAULT=%s: not %d", cases[i].env, cases[i].end);
}

static void
no_environment_is_fine(void **state)
{
	(void)state;
	(void)unsetenv(BL_FAULT_ENV);
	assert_null(bl_fault_init_from_env());
	assert_false(bl_fault_hit("x"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_fires_until_armed),
		cmocka_unit_test(the_nth_hit_of_its_name_fires_once),
		cmocka_unit_test(a_star_counts_every_place),
		cmocka_unit_test(arming_refuses_nonsense),
		cmocka_unit_test(the_environment_arms),
		cmocka_unit_test(no_environment_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
