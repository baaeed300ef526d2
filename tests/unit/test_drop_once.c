/*
 * Drop folders with a scripted host, in the long run: restarts, crashes, disks that
 * store nothing; folders that come late, many files, what is kept of them.
 */
#include "drop_kit.h"

#include <sys/sysmacros.h>

#define ROWS 200

static void
write_rows(struct world *w, const char *name)
{
	char *text = w->file;
	size_t n = (size_t)snprintf(text, sizeof(w->file), HEAD);

	for (unsigned i = 0; i < ROWS; i++)
		n += (size_t)snprintf(
		    text + n, sizeof(w->file) - n, "%u,s,%s\n", i, i % 10 == 3 ? "wrong" : "begin");
	put(w, name, text, n, "w");
}

/* What became of the rows, and the id of each, which is the same whenever it is told. */
struct rows {
	unsigned told[ROWS], on_disk[ROWS];
	char id[ROWS][65];
};

static void
mark(const char *said, struct rows *r, bool on_disk)
{
	const char *line = said;
	char id[65];
	unsigned nr;

	while ((line = strstr(line, "event step.begin ")) != NULL) {
		assert_int_equal(
		    sscanf(line, "event step.begin id=%64s process=order case=%u", id, &nr), 2);
		assert_true(nr < ROWS);
		if (r->told[nr]++ > 0)
			assert_string_equal(r->id[nr], id);
		(void)snprintf(r->id[nr], sizeof(r->id[nr]), "%s", id);
		r->on_disk[nr] += on_disk;
		line++;
	}
}

/* All that was told is on disk now. */
static void
store(struct world *w, struct rows *r)
{
	mark(fake_host_said(w->host), r, true);
	fake_host_answer(w->host, 0);
}

static void
copy_state(struct world *w, char *text, size_t size, bool back)
{
	char path[256];
	FILE *f;
	size_t n;

	(void)snprintf(path, sizeof(path), "%s/drop-orders.state", w->state);
	f = fopen(path, back ? "w" : "r");
	assert_non_null(f);
	if (back)
		n = fwrite(text, 1, strlen(text), f);
	else
		n = fread(text, 1, size - 1, f);
	if (!back)
		text[n] = '\0';
	assert_true(n > 0);
	assert_int_equal(fclose(f), 0);
}

static void
an_orderly_restart_goes_on_where_it_was(void **state)
{
	static struct rows r;
	struct world *w = *state;

	configure(w, steps_conf);
	w->host->at_once = false;
	w->host->room = 16;
	write_rows(w, "a.csv");
	pass(w);
	for (unsigned round = 0; is_there(w, "a.csv"); round++) {
		assert_true(round < 100);
		store(w, &r);
		close_inlet(w);
		open_again(w);
		pass(w);
	}
	for (unsigned i = 0; i < ROWS; i++) {
		assert_int_equal(r.on_disk[i], i % 10 != 3);
		assert_int_equal(r.told[i], r.on_disk[i]);
	}
	assert_string_equal(strstr(bad_of(w, "bad/a.csv.bad"), "line 195"),
	    "line 195: phase: {state}: expected begin, end or event, got \"wrong\"\n193,s,wrong\n");
}

/* What was told when the agent ended, and not yet stored, and what was stored after the state was
 * last written: all of it is told again. */
static void
a_crash_repeats_rows_with_their_ids(void **state)
{
	static struct rows r;
	struct world *w = *state;
	unsigned bad = 0;
	char old[512];

	configure(w, steps_conf);
	w->host->at_once = false;
	w->host->room = 20;
	write_rows(w, "a.csv");
	pass(w);
	for (unsigned round = 0; is_there(w, "a.csv"); round++) {
		assert_true(round < 100);
		if (round % 2 == 0)
			copy_state(w, old, sizeof(old), false);
		store(w, &r);
		pass(w);
		if (!is_there(w, "a.csv"))
			break;
		mark(fake_host_said(w->host), &r, false);
		close_inlet(w);
		if (round % 2 == 0)
			copy_state(w, old, sizeof(old), true);
		open_again(w);
		pass(w);
	}
	for (unsigned i = 0; i < ROWS; i++)
		assert_int_equal(r.on_disk[i] > 0, i % 10 != 3);
	/* What is wrong stands there once. */
	for (const char *at = bad_of(w, "bad/a.csv.bad"); (at = strstr(at, "line ")) != NULL; at++)
		bad++;
	assert_int_equal(bad, ROWS / 10);
}

/* A file is read by half, and the inlet ends. */
static void
read_some(struct world *w, struct rows *r)
{
	configure(w, steps_conf);
	w->host->at_once = false;
	write_rows(w, "a.csv");
	pass(w);
	store(w, r);
	close_inlet(w);
}

/* A power cut may leave the newest file empty; the copy was synced. */
static void
an_empty_state_is_no_matter_where_there_is_its_copy(void **state)
{
	static struct rows r;
	struct world *w = *state;
	char path[256];

	read_some(w, &r);
	(void)snprintf(path, sizeof(path), "%s/drop-orders.state", w->state);
	assert_int_equal(unlink(path), 0); /* its copy is another name of it */
	(void)fclose(fopen(path, "w"));
	open_inlet(w);
	while (is_there(w, "a.csv")) {
		pass(w);
		store(w, &r);
	}
	assert_int_equal(r.told[0], 1);
	/* Neither outlives the file that it is of. */
	close_inlet(w);
	assert_int_equal(access(path, F_OK), -1);
	(void)strcat(path, ".safe");
	assert_int_equal(access(path, F_OK), -1);
}

/* Not even a state: the identity is that of the same file. */
static void
without_a_state_the_same_file_has_the_same_ids(void **state)
{
	static struct rows r;
	struct world *w = *state;
	char path[256];

	read_some(w, &r);
	(void)snprintf(path, sizeof(path), "%s/drop-orders.state", w->state);
	assert_int_equal(unlink(path), 0);
	(void)strcat(path, ".safe");
	assert_int_equal(unlink(path), 0);
	open_inlet(w);
	while (is_there(w, "a.csv")) {
		pass(w);
		store(w, &r);
	}
	for (unsigned i = 0; i < ROWS; i++)
		assert_int_equal(r.on_disk[i] > 0, i % 10 != 3);
	assert_int_equal(r.told[0], 2);
}

/* The state of a file that is gone says nothing of another that got its inode. */
static void
a_state_is_only_for_its_file(void **state)
{
	struct world *w = *state;
	struct stat before, after;

	configure(w, steps_conf);
	w->host->at_once = false;
	w->host->room = 2;
	write_file(w, "a.csv", HEAD "1,s,begin\n2,s,begin\n3,s,begin\n");
	pass(w);
	fake_host_answer(w->host, 0);
	fake_host_pass(w->host, 2000);
	(void)fake_host_said(w->host);
	assert_int_equal(stat(path_in(w, "a.csv"), &before), 0);
	close_inlet(w);
	/* Written anew in place: the same inode and name. */
	write_file(w, "a.csv", HEAD "7,s,begin\n8,s,begin\n9,s,begin\n");
	assert_int_equal(stat(path_in(w, "a.csv"), &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	w->host->room = 10;
	w->host->at_once = true;
	open_inlet(w);
	pass(w);
	assert_said(w, STEP("begin", "7", "s") STEP("begin", "8", "s") STEP("begin", "9", "s"));
}

static void
id_of(const char *said, char id[65])
{
	assert_int_equal(sscanf(said, "event step.begin id=%64s", id), 1);
}

/* Not even when nothing of the old one was stored: its ids would hide the new rows. */
static void
what_is_written_anew_has_other_ids(void **state)
{
	struct world *w = *state;
	char before[65], after[65];

	configure(w, steps_conf);
	w->host->at_once = false;
	write_file(w, "a.csv", HEAD "1,s,begin\n");
	pass(w);
	id_of(fake_host_said(w->host), before);
	close_inlet(w);
	write_file(w, "a.csv", HEAD "7,s,begin\n");
	open_again(w);
	pass(w);
	id_of(fake_host_said(w->host), after);
	assert_string_not_equal(before, after);
	fake_host_answer(w->host, 0);
	pass(w);
	assert_true(is_there(w, "done/a.csv"));
}

static void
another_name_makes_no_other_file_of_it(void **state)
{
	struct world *w = *state;
	char before[65], after[65];

	configure(w, steps_conf);
	w->host->at_once = false;
	write_file(w, "a.csv", HEAD "1,s,begin\n");
	pass(w);
	id_of(fake_host_said(w->host), before);
	assert_int_equal(rename(path_in(w, "a.csv"), path_in(w, "b.csv")), 0);
	fake_host_answer(w->host, 0);
	pass(w);
	id_of(fake_host_said(w->host), after);
	assert_string_equal(before, after);
	fake_host_answer(w->host, 1);
	pass(w);
	assert_true(is_there(w, "done/b.csv"));
	assert_int_equal(fake_host_count(w->host, "repeated"), 1);
}

/* Who may read what is dropped may read what became of it. */
static void
rights_are_those_of_the_folder_and_the_file(void **state)
{
	struct world *w = *state;
	struct stat st;

	(void)umask(077); /* as under the service manager */
	configure(w, steps_conf);
	assert_int_equal(chmod(w->in, 03775), 0);
	write_file(w, "a.csv", HEAD "1,s\n");
	assert_int_equal(chmod(path_in(w, "a.csv"), 0644), 0);
	pass(w);
	assert_int_equal(stat(path_in(w, "done"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 03775);
	assert_int_equal(stat(path_in(w, "bad/a.csv.bad"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
}

/* Who may write to the folder must not have the agent put files into its own. */
static void
links_lead_nowhere(void **state)
{
	struct world *w = *state;

	configure(w, steps_conf);
	assert_int_equal(symlink(w->state, path_in(w, "done")), 0);
	assert_int_equal(symlink(w->state, path_in(w, "bad")), 0);
	write_file(w, "a.csv", HEAD "1,s,begin\n");
	write_file(w, "b.csv", HEAD "2,s\n");
	pass(w);
	pass(w);
	assert_true(is_there(w, "a.csv"));
	assert_true(is_there(w, "b.csv"));
	assert_false(is_there(w, "done/a.csv"));
	assert_false(is_there(w, "bad/b.csv.bad"));
	assert_int_equal(unlink(path_in(w, "done")), 0);
	assert_int_equal(unlink(path_in(w, "bad")), 0);
	pass(w);
	pass(w);
	assert_true(is_there(w, "done/a.csv"));
	assert_true(is_there(w, "done/b.csv"));
	assert_said(w, STEP("begin", "1", "s"));
}

static void
what_is_not_stored_is_sent_again(void **state)
{
	struct world *w = *state;

	configure(w, steps_conf);
	w->host->at_once = false;
	write_file(w, "a.csv", HEAD "1,s,begin\n2,s,begin\n3,s,begin\n");
	pass(w);
	assert_said(w, STEP("begin", "1", "s") STEP("begin", "2", "s") STEP("begin", "3", "s"));
	assert_true(fake_host_answer_one(w->host, 0));
	assert_true(fake_host_answer_one(w->host, BL_EFULL));
	assert_true(fake_host_answer_one(w->host, 0));
	fake_host_pass(w->host, 1000);
	assert_said(w, "");
	assert_true(is_there(w, "a.csv"));
	pass(w);
	assert_said(w, STEP("begin", "2", "s") STEP("begin", "3", "s"));
	assert_true(fake_host_answer_one(w->host, 0));
	assert_true(fake_host_answer_one(w->host, 1));
	pass(w);
	assert_true(is_there(w, "done/a.csv"));
	assert_int_equal(fake_host_count(w->host, "accepted"), 3);
	assert_int_equal(fake_host_count(w->host, "repeated"), 1);
	assert_int_equal(fake_host_count(w->host, "not_stored"), 1);
}

static void
a_folder_that_is_missing_is_looked_for(void **state)
{
	struct world *w = *state;

	char problem[256];

	assert_int_equal(rmdir(w->in), 0);
	configure(w, steps_conf);
	pass(w);
	assert_true(fake_host_count(w->host, "unreadable") > 0);
	drop_ops.problem(w->inlet, problem, sizeof(problem));
	assert_non_null(strstr(problem, "folder orders: "));
	assert_non_null(strstr(problem, "cannot be read and written: No such file or directory"));
	assert_int_equal(mkdir(w->in, 0700), 0);
	write_file(w, "a.csv", HEAD "1,s,begin\n");
	pass(w);
	pass(w);
	assert_said(w, STEP("begin", "1", "s"));
	pass(w);
	drop_ops.problem(w->inlet, problem, sizeof(problem));
	assert_string_equal(problem, "");
}

static void
old_files_come_first(void **state)
{
	struct world *w = *state;
	struct timespec times[2] = { { 1000, 0 }, { 1000, 0 } };

	configure(w, steps_conf);
	write_file(w, "a.csv", HEAD "1,s,begin\n");
	write_file(w, "b.csv", HEAD "2,s,begin\n");
	assert_int_equal(utimensat(AT_FDCWD, path_in(w, "b.csv"), times, 0), 0);
	pass(w);
	assert_said(w, STEP("begin", "2", "s") STEP("begin", "1", "s"));
}

static void
write_many(struct world *w, unsigned n, const char *text)
{
	char name[32];

	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "%04u.csv", i);
		write_file(w, name, text);
	}
}

/* More than are remembered at a time: the rest follows when these are done, not with the next
 * round. */
static void
a_backlog_is_taken_at_once(void **state)
{
	struct world *w = *state;

	configure(w, steps_conf);
	write_many(w, 2500, HEAD "1,s,begin\n");
	fake_host_pass(w->host, 1000);
	assert_int_equal(drop_ops.waiting(w->inlet), 2500);
	pass(w);
	assert_int_equal(count_in(w, "done"), 2500);
	assert_int_equal(fake_host_count(w->host, "accepted"), 2500);
	assert_int_equal(drop_ops.waiting(w->inlet), 0);
}

/* On a block device the kernel's stamp says how long a file has been complete. */
static void
what_lay_there_for_long_is_complete_at_once(void **state)
{
	struct world *w = *state;
	struct stat st;

	(void)snprintf(w->in, sizeof(w->in), "/var/tmp/bl-drop-%s",
	    "XX"
	    "XX"
	    "XX");
	assert_non_null(mkdtemp(w->in));
	assert_int_equal(stat(w->in, &st), 0);
	if (major(st.st_dev) == 0) {
		folder_remove(w->in);
		skip();
	}
	w->host->unix_ms = (int64_t)time(NULL) * 1000;
	configure(w, "settle: 3s, " STEPS_CONF);
	fake_host_pass(w->host, 9000);
	write_file(w, "a.csv", HEAD "1,s,begin\n");
	fake_host_pass(w->host, 1000);
	assert_said(w, STEP("begin", "1", "s"));
	/* After the clock was set it says nothing of what was before. */
	w->host->unix_ms += 3600000;
	write_file(w, "b.csv", HEAD "2,s,begin\n");
	fake_host_pass(w->host, 1000);
	assert_said(w, "");
	fake_host_pass(w->host, 4000);
	folder_remove(w->in);
	assert_said(w, STEP("begin", "2", "s"));
}

/* Those that nobody marked are not taken for the oldest ones, which all others wait for. */
static void
what_has_no_marker_is_in_nobodys_way(void **state)
{
	struct world *w = *state;

	configure(w, "marker: .done, " STEPS_CONF);
	write_many(w, 2100, HEAD "1,s,begin\n");
	write_file(w, "z.csv", HEAD "2,s,begin\n");
	write_file(w, "z.csv.done", "");
	pass(w);
	assert_said(w, STEP("begin", "2", "s"));
}

/* Whoever takes back the marker of a file in which the last process ended takes back that file
 * alone, and what was read of it is known when the marker comes again. */
static void
a_marker_that_is_taken_back_holds_up_no_other_file(void **state)
{
	struct world *w = *state;

	configure(w, "marker: .done, " STEPS_CONF);
	w->host->at_once = false;
	write_file(w, "a.csv", HEAD "1,s,begin\n2,s,begin\n");
	write_file(w, "a.csv.done", "");
	pass(w);
	assert_said(w, STEP("begin", "1", "s") STEP("begin", "2", "s"));
	assert_true(fake_host_answer_one(w->host, 0));
	fake_host_pass(w->host, 3000);
	close_inlet(w);
	open_again(w);
	w->host->at_once = true;
	assert_int_equal(unlink(path_in(w, "a.csv.done")), 0);
	write_file(w, "b.csv", HEAD "3,s,begin\n");
	write_file(w, "b.csv.done", "");
	pass(w);
	assert_said(w, STEP("begin", "3", "s"));
	write_file(w, "a.csv.done", "");
	pass(w);
	assert_said(w, STEP("begin", "2", "s"));
	assert_true(is_there(w, "done/a.csv") && is_there(w, "done/b.csv"));
}

static void
write_many_old(struct world *w, unsigned n)
{
	const struct timespec times[2] = { { 1000, 0 }, { 1000, 0 } };
	char name[32];

	write_many(w, n, HEAD "1,s,begin\n");
	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "%04u.csv", i);
		assert_int_equal(utimensat(AT_FDCWD, path_in(w, name), times, 0), 0);
	}
}

/* Older files than can be remembered came while nobody ran: what was read of it is not forgotten.
 */
static void
a_backlog_makes_no_file_begin_anew(void **state)
{
	struct world *w = *state;

	configure(w, steps_conf);
	w->host->at_once = false;
	write_file(w, "a.csv", HEAD "1,s,begin\n2,s,begin\n");
	pass(w);
	assert_true(fake_host_answer_one(w->host, 0));
	fake_host_pass(w->host, 3000);
	close_inlet(w);
	put(w, "a.csv", "3,s,begin\n", 10, "a");
	write_many_old(w, 2100);
	open_again(w);
	w->host->at_once = true;
	pass(w);
	pass(w);
	assert_int_equal(count_in(w, "done"), 2101);
	assert_int_equal(fake_host_count(w->host, "accepted"), 2102);
}

/* However old they are, and more of them than are remembered. */
static void
what_cannot_be_read_is_in_nobodys_way(void **state)
{
	struct world *w = *state;
	const uid_t user = geteuid() == 0 ? 65534 : geteuid(); /* root may read them */
	char name[32];

	configure(w, steps_conf);
	assert_int_equal(chown(w->dir, user, (gid_t)-1), 0);
	assert_int_equal(chown(w->in, user, (gid_t)-1), 0);
	assert_int_equal(chown(w->state, user, (gid_t)-1), 0);
	write_many_old(w, 2100);
	for (unsigned i = 0; i < 2100; i++) {
		(void)snprintf(name, sizeof(name), "%04u.csv", i);
		assert_int_equal(chmod(path_in(w, name), 0), 0);
	}
	write_file(w, "z.csv", HEAD "2,s,begin\n");
	assert_int_equal(chown(path_in(w, "z.csv"), user, (gid_t)-1), 0);
	assert_int_equal(seteuid(user), 0);
	pass(w);
	assert_int_equal(user != getuid() ? seteuid(getuid()) : 0, 0);
	assert_said(w, STEP("begin", "2", "s"));
	assert_true(is_there(w, "done/z.csv") && is_there(w, "0000.csv"));
	assert_true(fake_host_count(w->host, "unreadable") >= 2100);
}

/* Found in a few passes, however many there are. */
static void
of_many_that_are_done_the_newest_stay(void **state)
{
	struct world *w = *state;

	configure(w, steps_conf);
	w->host->unix_ms = (int64_t)time(NULL) * 1000;
	write_file(w, "a.csv", HEAD "1,s,begin\n");
	pass(w);
	for (unsigned i = 0; i < 4500; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "done/%04u.csv", i);
		write_file(w, name, "");
	}
	fake_host_pass(w->host, 50000);
	for (unsigned i = 0; i < 400 && is_there(w, "done/a.csv"); i++)
		fake_host_pass(w->host, 50);
	fake_host_pass(w->host, 1000);
	for (unsigned i = 0; i < 200; i++)
		fake_host_pass(w->host, 50);
	/* Those of one stamp of the kernel's, every few ms, go together. */
	assert_in_range(count_in(w, "done"), 2000, 4096);
	assert_true(is_there(w, "done/4499.csv"));
	assert_false(is_there(w, "done/a.csv"));
}

static void
what_is_done_is_kept_for_a_while(void **state)
{
	struct world *w = *state;
	char options[512];

	(void)snprintf(options, sizeof(options), "keep: 1d, keep_bytes: 15, %s", steps_conf);
	configure(w, options);
	w->host->unix_ms = (int64_t)time(NULL) * 1000;
	write_file(w, "a.csv", HEAD "1,s\n"); /* 18 bytes, and one in bad/ */
	pass(w);
	write_file(w, "b.csv", HEAD "2,s,begin\n"); /* 24 bytes */
	pass(w);
	assert_int_equal(count_in(w, "done"), 2);
	fake_host_pass(w->host, 60000);
	pass(w);
	/* More than 15 bytes: one went, then the other, which alone is too large. */
	assert_int_equal(count_in(w, "done"), 0);
	write_file(w, "c.csv", HEAD);
	pass(w);
	assert_int_equal(count_in(w, "done"), 1);
	fake_host_pass(w->host, 3600000);
	pass(w);
	assert_int_equal(count_in(w, "done"), 1);
	fake_host_pass(w->host, 86400000);
	pass(w);
	assert_int_equal(count_in(w, "done"), 0);
	assert_int_equal(count_in(w, "bad"), 0);
}

static void
no_folders_are_off(void **state)
{
	struct world *w = *state;
	struct bl_err err = { 0 };

	assert_int_equal(drop_ops.open(&w->inlet, &w->conf, &w->host->host, &err), BL_OK);
	assert_null(w->inlet);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(an_orderly_restart_goes_on_where_it_was),
		T(a_crash_repeats_rows_with_their_ids),
		T(an_empty_state_is_no_matter_where_there_is_its_copy),
		T(without_a_state_the_same_file_has_the_same_ids),
		T(a_state_is_only_for_its_file),
		T(what_is_written_anew_has_other_ids),
		T(another_name_makes_no_other_file_of_it),
		T(rights_are_those_of_the_folder_and_the_file),
		T(links_lead_nowhere),
		T(what_is_not_stored_is_sent_again),
		T(a_folder_that_is_missing_is_looked_for),
		T(old_files_come_first),
		T(a_backlog_is_taken_at_once),
		T(what_lay_there_for_long_is_complete_at_once),
		T(what_has_no_marker_is_in_nobodys_way),
		T(a_marker_that_is_taken_back_holds_up_no_other_file),
		T(a_backlog_makes_no_file_begin_anew),
		T(what_cannot_be_read_is_in_nobodys_way),
		T(of_many_that_are_done_the_newest_stay),
		T(what_is_done_is_kept_for_a_while),
		T(no_folders_are_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
