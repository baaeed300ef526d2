/*
 * Processes: the kernel's line, what is remembered of a watched program, trees
 * of files, and programs that this test starts and ends itself.
 */
#include "sample_harness.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sample_process_internal.h"

static struct recorder rec;

/* ---- the kernel's line ---- */

#define TAIL                                                                                       \
	" 1 7 7 0 -1 4194560 10 20 30 40 100 23 5 6 20 0 1 0 4711 2500000 321 "                    \
	"18446744073709551615\n"

static void
lines_are_read_or_refused(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		const char *command;
		enum process_state state;
	} c[] = {
		{ "12 (cron) S" TAIL, true, "cron", PROCESS_SLEEPING },
		{ "12 (a b) R" TAIL, true, "a b", PROCESS_RUNNING },
		{ "12 (a) S 1 (b) D" TAIL, true, "a) S 1 (b", PROCESS_BLOCKED },
		{ "12 ()) Z" TAIL, true, ")", PROCESS_ZOMBIE },
		{ "12 () I" TAIL, true, "", PROCESS_IDLE },
		{ "12 (x) t" TAIL, true, "x", PROCESS_STOPPED },
		{ "12 (x) ?" TAIL, true, "x", PROCESS_OTHER },
		{ "12 (x) SS" TAIL, false, NULL, 0 },
		{ "12 (x S" TAIL, false, NULL, 0 },
		{ "12 x) S" TAIL, false, NULL, 0 },
		{ "(x) S" TAIL, false, NULL, 0 },
		{ "99999999999 (x) S" TAIL, false, NULL, 0 },
		{ "12 (x) S 1 7 7 0 -1 4194560 10 20 30 40 100 23 5 6 20 0 1 0 4711 2500000\n",
		    false, NULL, 0 },
		{ "12 (x) S 1 7 7 0 -1 4194560 10 20 30 40 -100 23 5 6 20 0 1 0 4711 2500000 3\n",
		    false, NULL, 0 },
		{ "", false, NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		const size_t len = strlen(c[i].text);
		char *copy = malloc(len > 0 ? len : 1); /* its end is the end of the block */
		struct process p;

		assert_non_null(copy);
		memcpy(copy, c[i].text, len);
		if (process_parse(copy, len, &p) != c[i].ok)
			fail_msg("case %zu: %s", i, c[i].text);
		free(copy);
		if (!c[i].ok)
			continue;
		assert_string_equal(p.command, c[i].command);
		assert_int_equal(p.state, c[i].state);
		assert_int_equal(p.pid, 12);
		assert_int_equal(p.cpu_ticks, 123);
		assert_int_equal(p.start_ticks, 4711);
		assert_int_equal(p.resident_pages, 321);
	}
}

/* ---- what is remembered ---- */

struct one {
	uint32_t pid;
	uint64_t start, cpu;
};

static void
remembering_survives_ends_and_starts(void **state)
{
	static const struct {
		struct one seen[3]; /* pid 0: no more */
		unsigned count;
		uint64_t cpu, restarts;
	} walk[] = {
		/* what was used before the first walk does not count */
		{ { { 10, 100, 5000 }, { 11, 105, 70 } }, 2, 0, 0 },
		{ { { 10, 100, 5010 }, { 11, 105, 71 } }, 2, 11, 0 },
		/* a worker ends, another comes: no restart, nothing taken away */
		{ { { 10, 100, 5010 }, { 12, 300, 8 } }, 2, 19, 0 },
		/* gone */
		{ { { 0, 0, 0 } }, 0, 19, 0 },
		{ { { 0, 0, 0 } }, 0, 19, 0 },
		/* back under the same pid: a restart, and its own time only */
		{ { { 10, 900, 4 } }, 1, 23, 1 },
		/* replaced between two walks */
		{ { { 44, 950, 6 } }, 1, 29, 2 },
		/* an older one joins (its name fits now): none */
		{ { { 44, 950, 6 }, { 5, 90, 3 } }, 2, 32, 2 },
		/* times that go back, which no kernel shows, take nothing away */
		{ { { 44, 950, 2 }, { 5, 90, 3 } }, 2, 32, 2 },
	};
	struct process_watched w = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(walk) / sizeof(walk[0]); i++) {
		process_watched_begin(&w);
		for (size_t k = 0; k < 3 && walk[i].seen[k].pid != 0; k++)
			process_watched_see(&w, &(struct process){ .pid = walk[i].seen[k].pid,
						    .state = PROCESS_SLEEPING,
						    .start_ticks = walk[i].seen[k].start,
						    .cpu_ticks = walk[i].seen[k].cpu,
						    .resident_pages = 10 });
		process_watched_end(&w);
		assert_int_equal(w.count, walk[i].count);
		assert_int_equal(w.resident_pages, 10 * walk[i].count);
		assert_int_equal(w.cpu_ticks, walk[i].cpu);
		assert_int_equal(w.restarts, walk[i].restarts);
	}
}

static void
more_than_fit_are_counted_but_their_time_is_not_claimed(void **state)
{
	struct process_watched w = { 0 };

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		process_watched_begin(&w);
		for (uint32_t i = 0; i < PROCESS_TRACKED + 1 - round; i++)
			process_watched_see(
			    &w, &(struct process){ .pid = i + 1, .start_ticks = 1 });
		process_watched_end(&w);
		assert_int_equal(w.count, PROCESS_TRACKED + 1 - round);
		assert_int_equal(w.untracked, round == 0);
	}
	process_watched_begin(&w);
	process_watched_see(&w, &(struct process){ .pid = 1, .state = PROCESS_ZOMBIE });
	process_watched_end(&w);
	assert_int_equal(w.count, 0);
}

/* ---- a tree of files ---- */

static void
tick(struct running *r, int64_t boot_ms, int expected)
{
	struct sample_sink sink = sink_of(&rec);
	struct bl_err err = { 0 };

	rec_tick(&rec);
	if (r->ops->sample(r->s, boot_ms, &sink, &err) != expected)
		fail_msg("expected %d: %s", expected, err.msg);
}

static int
tick_any(struct running *r, int64_t boot_ms)
{
	struct sample_sink sink = sink_of(&rec);
	struct bl_err err = { 0 };

	rec_tick(&rec);
	return r->ops->sample(r->s, boot_ms, &sink, &err);
}

static void
put_process(const char *root, unsigned pid, const char *command, char state, unsigned start,
    const char *arguments, size_t len)
{
	char path[512], text[512];

	snprintf(path, sizeof(path), "%s/proc/%u/stat", root, pid);
	snprintf(text, sizeof(text),
	    "%u (%s) %c 1 7 7 0 -1 4194560 10 20 30 40 100 23 5 6 20 0 1 0 %u 2500000 3 1\n", pid,
	    command, state, start);
	put_file(path, text, strlen(text));
	snprintf(path, sizeof(path), "%s/proc/%u/cmdline", root, pid);
	put_file(path, arguments, len);
}

#define OPTIONS                                                                                    \
	"states: yes\nevery: 10s\nwatch:\n"                                                        \
	"  - {name: till, command: java, arguments: '*-jar /opt/till.jar*'}\n"                     \
	"  - {name: any java, command: 'ja*'}\n"                                                   \
	"  - {name: printer, command: cupsd}\n"

static void
watched_programs_of_a_tree(void **state)
{
	static const char till[] = "java\0-Xmx1g\0-jar\0/opt/till.jar",
			  other[] = "java\0-jar\0/opt/x.jar";
	char root[64], path[128];
	struct running r;

	(void)state;
	root_make(root, sizeof(root));
	put_process(root, 1, "systemd", 'S', 1, "init", 4);
	put_process(root, 200, "java", 'S', 1000, till, sizeof(till));
	put_process(root, 201, "java", 'R', 2000, other, sizeof(other));
	put_process(root, 202, "cupsd", 'Z', 900, "", 0);
	snprintf(path, sizeof(path), "%s/proc/203/ended", root); /* no stat any more */
	put_file(path, "", 0);
	memset(&rec, 0, sizeof(rec));
	run_open(&r, ops_of("processes"), OPTIONS, root);

	tick(&r, 60000, BL_OK);
	assert_true(value_of(&rec, "processes_state{sleeping}") == 2);
	assert_true(value_of(&rec, "processes_state{running}") == 1);
	assert_true(value_of(&rec, "processes_state{zombie}") == 1);
	assert_true(value_of(&rec, "processes_state{blocked}") == 0);
	assert_true(value_of(&rec, "process_up{till}") == 1);
	assert_true(value_of(&rec, "process_count{till}") == 1);
	assert_true(value_of(&rec, "process_age_s{till}") == 50);
	assert_true(
	    value_of(&rec, "process_resident_bytes{till}") == 3.0 * (double)sysconf(_SC_PAGESIZE));
	assert_true(value_of(&rec, "process_count{any java}") == 2);
	assert_true(value_of(&rec, "process_up{printer}") == 0);
	assert_true(value_of(&rec, "process_age_s{printer}") == 0);

	/* between two walks nothing is due; a tick that is some ms early is the walk's */
	rec.n_put = 0;
	tick(&r, 65000, BL_OK);
	assert_int_equal(rec.n_put, 0);
	put_process(root, 200, "java", 'S', 6500, till, sizeof(till));
	tick(&r, 69990, BL_OK);
	assert_true(value_of(&rec, "process_restarts_total{till}") == 1);
	assert_true(value_of(&rec, "process_restarts_total{any java}") == 1);

	/* the first process is not shown: /proc hides others' */
	snprintf(path, sizeof(path), "%s/proc/1", root);
	remove_tree(path);
	tick(&r, 80000, BL_EDENIED);
	assert_true(isnan(value_of(&rec, "process_up{till}")));
	assert_true(isnan(value_of(&rec, "processes_state{sleeping}")));
	put_process(root, 1, "systemd", 'S', 1, "init", 4);
	tick(&r, 90000, BL_OK);
	assert_true(value_of(&rec, "process_restarts_total{till}") == 1);

	/* one that is there and cannot be read may be the one that is watched */
	snprintf(path, sizeof(path), "%s/proc/204/stat/x", root);
	put_file(path, "", 0);
	tick(&r, 100000, BL_EIO);
	assert_true(isnan(value_of(&rec, "process_up{printer}")));
	assert_true(isnan(value_of(&rec, "processes_state{sleeping}")));
	snprintf(path, sizeof(path), "%s/proc/204", root);
	remove_tree(path);
	tick(&r, 110000, BL_OK);
	assert_true(value_of(&rec, "process_restarts_total{till}") == 1);

	for (unsigned i = 0; i <= PROCESS_TRACKED; i++)
		put_process(root, 1000 + i, "many", 'S', 1, "", 0);
	run_close(&r);
	/* all but their time is told, and why that is not */
	run_open(&r, ops_of("processes"), "watch: [{name: pool, command: many}]\n", root);
	tick(&r, 115000, BL_EFULL);
	assert_true(value_of(&rec, "process_count{pool}") == PROCESS_TRACKED + 1);
	assert_true(isnan(value_of(&rec, "process_cpu_ms_total{pool}")));
	run_close(&r);
	run_open(&r, ops_of("processes"), "max_processes: 64\n" OPTIONS, root);
	tick(&r, 120000, BL_EFULL);
	assert_true(isnan(value_of(&rec, "process_up{till}")));
	run_close(&r);
	remove_tree(root);
	run_open(&r, ops_of("processes"), OPTIONS, root);
	tick(&r, 130000, BL_EIO);
	assert_true(isnan(value_of(&rec, "process_up{till}")));
	run_close(&r);
}

/* A pipe without a writer is opened for as long as nobody writes: so hangs a process' memory on a
 * bad disk. */
static void
a_command_line_that_hangs_does_not_hang_the_agent(void **state)
{
	static const char till[] = "java\0-jar\0/opt/till.jar";
	char root[64], path[128];
	struct running r;
	int writer;

	(void)state;
	root_make(root, sizeof(root));
	put_process(root, 1, "systemd", 'S', 1, "init", 4);
	put_process(root, 200, "java", 'S', 1000, till, sizeof(till));
	put_process(root, 201, "java", 'D', 2000, "", 0);
	snprintf(path, sizeof(path), "%s/proc/201/cmdline", root);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	memset(&rec, 0, sizeof(rec));
	run_open(&r, ops_of("processes"), OPTIONS, root);
	tick(&r, 60000, BL_ETIMEDOUT);
	assert_true(isnan(value_of(&rec, "process_up{till}")));
	assert_true(isnan(value_of(&rec, "process_up{printer}")));
	/* It hangs still: nobody waits for it again. */
	tick(&r, 70000, BL_ETIMEDOUT);
	assert_true(isnan(value_of(&rec, "process_up{till}")));

	/* It goes on: what is known by its arguments is seen again, and was no restart. */
	writer = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(writer >= 0);
	assert_int_equal(write(writer, "java", 4), 4);
	assert_int_equal(close(writer), 0);
	assert_int_equal(unlink(path), 0);
	put_process(root, 201, "java", 'S', 2000, "", 0);
	for (int64_t at = 80000; isnan(value_of(&rec, "process_up{till}")); at += 10000) {
		(void)sched_yield(); /* until its thread has had a turn */
		(void)tick_any(&r, at);
	}
	assert_true(value_of(&rec, "process_up{till}") == 1);
	assert_true(value_of(&rec, "process_restarts_total{till}") == 0);

	/* The sampler ends while it hangs: the thread frees what it holds when it comes back. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	(void)tick_any(&r, INT64_C(1) << 40);
	assert_true(isnan(value_of(&rec, "process_up{till}")));
	run_close(&r);
	writer = open(path, O_WRONLY | O_CLOEXEC); /* waits until the thread is there */
	assert_true(writer >= 0);
	assert_int_equal(close(writer), 0);
	remove_tree(root);
}

#define SLOW 6

/* Who reads this command line has it a second and a half later. */
static void *
answer_slowly(void *path)
{
	const struct timespec a_while = { 1, 500000000 };
	const int fd = open(path, O_WRONLY | O_CLOEXEC);

	(void)nanosleep(&a_while, NULL);
	if (fd >= 0)
		(void)close(fd);
	return NULL;
}

/* Somebody's hundred processes could hold the loop up one after the other. */
static void
slow_command_lines_are_waited_for_once_in_all(void **state)
{
	char root[64], path[SLOW][128];
	struct running r;
	pthread_t thread[SLOW];
	int fd[SLOW];

	(void)state;
	root_make(root, sizeof(root));
	put_process(root, 1, "systemd", 'S', 1, "init", 4);
	for (int i = 0; i < SLOW; i++) {
		put_process(root, (unsigned)(200 + i), "java", 'S', 1000, "", 0);
		snprintf(path[i], sizeof(path[i]), "%s/proc/%d/cmdline", root, 200 + i);
		assert_int_equal(unlink(path[i]), 0);
		assert_int_equal(mkfifo(path[i], 0600), 0);
		assert_int_equal(pthread_create(&thread[i], NULL, answer_slowly, path[i]), 0);
	}
	memset(&rec, 0, sizeof(rec));
	run_open(&r, ops_of("processes"), OPTIONS, root);
	tick(&r, 60000, BL_ETIMEDOUT);
	assert_true(isnan(value_of(&rec, "process_up{till}")));
	/* Whoever waits at one of them goes on. */
	for (int i = 0; i < SLOW; i++)
		assert_true((fd[i] = open(path[i], O_RDWR | O_NONBLOCK | O_CLOEXEC)) >= 0);
	for (int i = 0; i < SLOW; i++) {
		assert_int_equal(pthread_join(thread[i], NULL), 0);
		assert_int_equal(close(fd[i]), 0);
	}
	run_close(&r);
	remove_tree(root);
}

static void
options_are_checked(void **state)
{
	static const char *const bad[] = {
		"watch: [{name: x}]",
		"watch: [{name: x, command: a}, {name: x, command: b}]",
		"watch: [{command: a}]",
		"watch: [{name: \"a\\tb\", command: a}]",
		"every: 100ms",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		options_refused("processes", bad[i]);
}

/* ---- programs of this machine ---- */

static int64_t
boot_ms(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &t), 0);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static pid_t
start_named(const char *name)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)prctl(PR_SET_NAME, name);
		(void)!write(ready[1], "x", 1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void
end(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Whether the whole machine can be seen from here: it cannot in some sandboxes. */
static bool
init_is_visible(void)
{
	return access("/proc/1/stat", R_OK) == 0;
}

static void
a_program_of_this_machine_ends_and_comes_back(void **state)
{
	const struct timespec moment = { 0, 1000000 };
	char name[16], options[128];
	struct running r;
	pid_t pid;

	(void)state;
	if (!init_is_visible()) {
		print_message("/proc/1/stat cannot be read here: not tried\n");
		skip();
	}
	snprintf(name, sizeof(name), "bl-w-%d", (int)getpid());
	snprintf(options, sizeof(options),
	    "max_processes: 65536\nevery: 10s\nwatch: [{name: w, command: %s}]\n", name);
	memset(&rec, 0, sizeof(rec));
	run_open(&r, ops_of("processes"), options, "");
	pid = start_named(name);
	tick(&r, boot_ms(), BL_OK);
	assert_true(value_of(&rec, "process_up{w}") == 1);
	assert_true(value_of(&rec, "process_count{w}") == 1);
	assert_true(value_of(&rec, "process_age_s{w}") < 60);
	assert_true(value_of(&rec, "process_resident_bytes{w}") > 0);
	end(pid);
	tick(&r, boot_ms() + 60000, BL_OK);
	assert_true(value_of(&rec, "process_up{w}") == 0);
	assert_true(value_of(&rec, "process_restarts_total{w}") == 0);
	for (const int64_t ended = boot_ms();
	     boot_ms() < ended + 20;) /* starts are told in 10 ms */
		nanosleep(&moment, NULL);
	pid = start_named(name);
	tick(&r, boot_ms() + 120000, BL_OK);
	assert_true(value_of(&rec, "process_up{w}") == 1);
	assert_true(value_of(&rec, "process_restarts_total{w}") == 1);
	end(pid);
	run_close(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_read_or_refused),
		cmocka_unit_test(remembering_survives_ends_and_starts),
		cmocka_unit_test(more_than_fit_are_counted_but_their_time_is_not_claimed),
		cmocka_unit_test(watched_programs_of_a_tree),
		cmocka_unit_test(a_command_line_that_hangs_does_not_hang_the_agent),
		cmocka_unit_test(slow_command_lines_are_waited_for_once_in_all),
		cmocka_unit_test(options_are_checked),
		cmocka_unit_test(a_program_of_this_machine_ends_and_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
