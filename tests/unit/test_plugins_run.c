/*
 * One run of a plug-in: it ends with its group, and one that cannot be ended, as when it waits for
 * a dead disk, is said to be unknown all the same: signals get through only when the test lets
 * them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

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
		(void)plugins_run_reap(r, 1, now);
	}
}

static char *folders[] = { "/bin", "/usr/bin" };
static const struct plugins_conf conf = { .allow = { 2, folders }, .max_processes = 64 };

static struct plugins_check
check_of(char **words, size_t n)
{
	return (struct plugins_check){ .name = "check",
		.command = { n, words },
		.interval_ms = 60000,
		.timeout_ms = 1000,
		.max_memory = 1 << 26,
		.max_output = 4096 };
}

static void
start(struct plugins_run *r, const struct plugins_check *check)
{
	struct bl_err err = { 0 };

	if (plugins_run_start(r, &conf, check, 5000, &err) < 0)
		fail_msg("%s", err.msg);
}

static void
what_cannot_be_ended_is_said_again_and_again(void **state)
{
	char *words[] = { "/bin/sleep", "1010" }, why[160];
	const struct plugins_check check = check_of(words, 2);
	struct plugins_run r;

	(void)state;
	start(&r, &check);
	assert_int_equal(r.deadline_mono_ms, 6000);
	dead_disk = true;
	for (int64_t now = 6000; now < 200000; now += 60000) {
		plugins_run_time_out(&r, now);
		(void)plugins_run_reap(&r, 1, now);
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

/* By its group alone: nobody looks for what is left behind. */
static void
its_whole_group_ends_with_it(void **state)
{
	char *words[] = { "/bin/sh", "-c", "sleep 1011 & echo begun; sleep 1011" };
	const struct plugins_check check = check_of(words, 3);
	struct plugins_run r;
	pid_t group;

	(void)state;
	start(&r, &check);
	group = r.pid;
	while (r.out.len == 0) {
		(void)poll(NULL, 0, 5);
		plugins_run_read(&r);
	}
	plugins_run_time_out(&r, 6000);
	reap_until_ended(&r, 6001);
	while (kill(-group, 0) == 0) {
		(void)poll(NULL, 0, 5);
		(void)plugins_run_reap(&r, 1, 6002);
	}
	plugins_run_drop(&r);
}

/* What leaves its session, what that leaves behind, and so on. */
static void
what_is_left_behind_ends_to_the_last(void **state)
{
	char *words[] = { "/bin/sh", "-c",
		"setsid sh -c 'setsid sh -c \"setsid sleep 1012; :\"; :' & sleep 0.3; echo gone" };
	const struct plugins_check check = check_of(words, 3);
	struct plugins_run r;
	unsigned rounds = 0;

	(void)state;
	start(&r, &check);
	reap_until_ended(&r, 5500);
	plugins_run_drop(&r);
	assert_true(plugins_run_sweep(&r, 1) > 0);
	for (;
	     waitid(P_ALL, 0, &(siginfo_t){ 0 }, WEXITED | WNOHANG | WNOWAIT) == 0 && rounds < 1000;
	     rounds++) {
		(void)poll(NULL, 0, 5);
		if (plugins_run_reap(&r, 1, 5500) > 0)
			(void)plugins_run_sweep(&r, 1);
	}
	assert_in_range(rounds, 0, 999);
}

/* As in a container, or under a service manager that allows less. */
static void
a_lower_limit_of_who_started_it_holds(void **state)
{
	char *words[] = { "/bin/sh", "-c", "ulimit -n" }, why[160];
	const struct plugins_check check = check_of(words, 3);
	const pid_t child = fork();
	int status;

	(void)state;
	assert_true(child >= 0);
	if (child == 0) {
		const struct rlimit low = { 100, 100 };
		struct plugins_run r;

		if (setrlimit(RLIMIT_NOFILE, &low) != 0)
			_exit(2);
		/* Root may raise it. */
		if (getuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
			_exit(3);
		start(&r, &check);
		reap_until_ended(&r, 5500);
		_exit(plugins_run_state(&r, why, sizeof(why)) == PLUGINS_OK && r.out.len == 4 &&
			      memcmp(r.out.data, "100\n", 4) == 0
			  ? 0
			  : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_whole_group_ends_with_it),
		cmocka_unit_test(what_is_left_behind_ends_to_the_last),
		cmocka_unit_test(a_lower_limit_of_who_started_it_holds),
		cmocka_unit_test(what_cannot_be_ended_is_said_again_and_again),
	};

	plugins_run_adopt();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
