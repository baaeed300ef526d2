/*
 * Drop folders whose files do not stay as they are: who may write there cuts, replaces and floods
 * them at the worst moment, on purpose or not.
 */
#include "drop_kit.h"

#include <dlfcn.h>
#include <sys/syscall.h>

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

/* What was set aside, and is not there any more when the agent is back, is set aside again. */
static void
lines_in_bad_are_there_after_a_restart(void **state)
{
	struct world *w = *state;

	configure(w, steps_conf);
	w->host->at_once = false;
	w->host->room = 1;
	write_file(w, "a.csv", HEAD "1,s,wrong\n2,s,begin\n3,s,begin\n4,s,wrong\n");
	pass(w);
	assert_said(w, STEP("begin", "2", "s"));
	fake_host_answer(w->host, 0);
	pass(w);
	assert_said(w, STEP("begin", "3", "s"));
	close_inlet(w);
	assert_int_equal(unlink(path_in(w, "bad/a.csv.bad")), 0);
	w->host->room = 10;
	open_again(w);
	pass(w);
	assert_said(w, STEP("begin", "2", "s") STEP("begin", "3", "s"));
	fake_host_answer(w->host, 1);
	pass(w);
	assert_string_equal(bad_of(w, "bad/a.csv.bad"),
	    "line 2: phase: {state}: expected begin, end or event, got \"wrong\"\n1,s,wrong\n"
	    "line 5: phase: {state}: expected begin, end or event, got \"wrong\"\n4,s,wrong\n");
	assert_true(is_there(w, "done/a.csv"));
}

/* ---- files ---- */

/* What another program does at the moment when a file is moved away. */
static void (*meanwhile)(struct world *w);
static struct world *meanwhile_in;

int
renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	void (*now)(struct world *) = meanwhile;

	meanwhile = NULL;
	if (now != NULL)
		now(meanwhile_in);
	return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, 0u);
}

/* Entries of folders that were looked at. */
static unsigned entries;

struct dirent *
readdir(DIR *dir)
{
	static struct dirent *(*real)(DIR *);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "readdir");
	entries++;
	return real(dir);
}

/* However much somebody puts there, a turn takes some of it. */
static void
tidying_takes_short_turns(void **state)
{
	struct world *w = *state;
	unsigned most = 0;

	configure(w, steps_conf);
	assert_int_equal(mkdir(path_in(w, "done"), 0700), 0);
	for (unsigned i = 0; i < 3000; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "done/%s%u", i % 2 == 0 ? "." : "", i);
		assert_int_equal(symlink("nowhere", path_in(w, name)), 0);
	}
	pass(w);
	fake_host_pass(w->host, 60000);
	for (unsigned i = 0; i < 100; i++) {
		w->host->ms += 10;
		entries = 0;
		drop_ops.serve(w->inlet);
		most = entries > most ? entries : most;
	}
	assert_in_range(most, 200, 600);
}

static void
cut_and_write_anew(struct world *w, const char *text, size_t rows_before)
{
	struct stat before, after;

	configure(w, steps_conf);
	w->host->at_once = false;
	write_file(w, "a.csv", HEAD "1,s,begin\n2,s,begin\n");
	assert_int_equal(stat(path_in(w, "a.csv"), &before), 0);
	pass(w);
	assert_said(w, STEP("begin", "1", "s") STEP("begin", "2", "s"));
	write_file(w, "a.csv", text);
	assert_int_equal(stat(path_in(w, "a.csv"), &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	while (rows_before-- > 0)
		assert_true(fake_host_answer_one(w->host, 0));
	fake_host_answer(w->host, BL_EIO);
	w->host->at_once = true;
	pass(w);
	pass(w);
	assert_true(is_there(w, "done/a.csv"));
	assert_string_equal(text_of(w, "done/a.csv"), text);
}

static void
a_file_that_is_cut_under_way_is_read_anew(void **state)
{
	struct world *w = *state;

	cut_and_write_anew(w, HEAD "7,s,begin\n", 2);
	assert_said(w, STEP("begin", "7", "s"));
}

static void
a_file_that_is_written_anew_under_way_is_read_anew(void **state)
{
	struct world *w = *state;

	cut_and_write_anew(w, HEAD "7,s,begin\n8,s,begin\n9,s,begin\n", 2);
	assert_said(w, STEP("begin", "7", "s") STEP("begin", "8", "s") STEP("begin", "9", "s"));
}

/* Where reading begins again nothing may be told of the new one under the old one's ids. */
static void
nor_is_it_gone_on_with_after_a_failure(void **state)
{
	struct world *w = *state;

	cut_and_write_anew(w, HEAD "7,s,begin\n8,s,begin\n9,s,begin\n", 1);
	assert_said(w, STEP("begin", "7", "s") STEP("begin", "8", "s") STEP("begin", "9", "s"));
}

static void
replace(struct world *w)
{
	write_file(w, "a.tmp", HEAD "7,s,begin\n");
	assert_int_equal(rename(path_in(w, "a.tmp"), path_in(w, "a.csv")), 0);
}

static void
a_file_that_takes_its_place_is_not_put_away_unread(void **state)
{
	struct world *w = *state;

	configure(w, steps_conf);
	write_file(w, "a.csv", HEAD "1,s,begin\n");
	meanwhile = replace;
	meanwhile_in = w;
	pass(w);
	pass(w);
	assert_said(w, STEP("begin", "1", "s") STEP("begin", "7", "s"));
	assert_int_equal(count_in(w, "."), 0);
	assert_string_equal(text_of(w, "done/a.csv"), HEAD "7,s,begin\n");
}

/* Its marker is that of the file that has the name now. */
static void
replace_with_marker(struct world *w)
{
	replace(w);
	write_file(w, "a.csv.done", "");
}

static void
nor_does_it_lose_its_marker(void **state)
{
	struct world *w = *state;
	char options[512];

	(void)snprintf(options, sizeof(options), "marker: .done, %s", steps_conf);
	configure(w, options);
	write_file(w, "a.csv", HEAD "1,s,begin\n");
	write_file(w, "a.csv.done", "");
	meanwhile = replace_with_marker;
	meanwhile_in = w;
	pass(w);
	pass(w);
	assert_said(w, STEP("begin", "1", "s") STEP("begin", "7", "s"));
	assert_int_equal(count_in(w, "."), 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_rest_of_a_long_line_is_no_row),
		T(lines_in_bad_are_there_after_a_restart),
		T(tidying_takes_short_turns),
		T(a_file_that_is_cut_under_way_is_read_anew),
		T(a_file_that_is_written_anew_under_way_is_read_anew),
		T(nor_is_it_gone_on_with_after_a_failure),
		T(a_file_that_takes_its_place_is_not_put_away_unread),
		T(nor_does_it_lose_its_marker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
