/*
 * One run of a plug-in that cannot be ended, as one that waits for a dead disk: signals get through
 * only when the test lets them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <string.h>

#include "plugins_run.h"

int __real_kill(pid_t pid, int sig);
int __wrap_kill(pid_t pid, int sig);

static bool dead_disk;

int
__wrap_kill(pid_t pid, int sig)
{
	return dead_disk ? 0 : __real_kill(pid, sig);
}

static void
reap_until_ended(struct plugins_run *r, int64_t now)
{
	while (!r->ended) {
		(void)poll(NULL, 0, 5);
		plugins_run_reap(r, 1, now);
	}
}

static void
what_cannot_be_ended_is_said_again_and_again(void **state)
{
	char *folders[] = { "/bin", "/usr/bin" }, *words[] = { "/bin/sleep", "1010" };
	const struct plugins_conf conf = { .allow = { 2, folders }, .max_processes = 64 };
	const struct plugins_check check = { .name = "stuck",
		.command = { 2, words },
		.interval_ms = 60000,
		.timeout_ms = 1000,
		.max_memory = 1 << 26,
		.max_output = 4096 };
	struct bl_err err = { 0 };
	struct plugins_run r;
	char why[160];

	(void)state;
	if (plugins_run_start(&r, &conf, &check, 5000, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(r.deadline_mono_ms, 6000);
	dead_disk = true;
	for (int64_t now = 6000; now < 200000; now += 60000) {
		plugins_run_time_out(&r, now);
		plugins_run_reap(&r, 1, now);
		assert_false(r.ended);
		assert_int_equal(r.deadline_mono_ms, now + 60000);
		assert_int_equal(r.ended_mono_ms - r.begun_mono_ms, now - 5000);
		assert_int_equal(plugins_run_state(&r, why, sizeof(why)), PLUGINS_UNKNOWN);
		assert_non_null(strstr(why, "ended after 1000 ms"));
	}
	assert_true(r.timed_out);
	dead_disk = false;
	plugins_run_time_out(&r, 300000);
	reap_until_ended(&r, 300007);
	assert_int_equal(plugins_run_state(&r, why, sizeof(why)), PLUGINS_UNKNOWN);
	plugins_run_drop(&r);
	assert_int_equal(r.pid, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_be_ended_is_said_again_and_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
