/*
 * Logs: counting in pieces, rotation in its kinds, restarts, and a writer that
 * does all of it at random while the count must stay exact.
 */
#include "sample_harness.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sample_log_internal.h"

#define MOUNTS "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n21 20 0:9 / /net rw - nfs4 s:/ rw\n"
#define LOG    "/var/log/app.log"

static struct recorder rec;

/* ---- lines ---- */

static struct log_counts
count(
    const char *text, size_t len, size_t piece, const char *match, const char *ignore, size_t *rest)
{
	struct log_counts counts = { 0 };
	struct bl_regex *m, *i = NULL;
	struct bl_err err = { 0 };
	struct log_lines l;

	assert_int_equal(bl_regex_compile(&m, match, &err), BL_OK);
	if (ignore != NULL)
		assert_int_equal(bl_regex_compile(&i, ignore, &err), BL_OK);
	assert_int_equal(log_lines_open(&l, m, i, &counts, &err), BL_OK);
	*rest = 0;
	for (size_t at = 0; at < len; at += piece) {
		const size_t n = len - at < piece ? len - at : piece;
		const size_t begins = log_lines_feed(&l, text + at, n);

		if (begins > 0)
			*rest = at + begins;
	}
	log_lines_close(&l);
	bl_regex_free(m);
	bl_regex_free(i);
	return counts;
}

static void
pieces_change_nothing(void **state)
{
	static const struct {
		const char *text, *match, *ignore;
		uint64_t lines, matched;
		size_t rest;
	} c[] = {
		{ "a\nb\nERROR x\n", "ERROR", NULL, 3, 1, 12 },
		{ "ERROR x", "ERROR", NULL, 0, 0, 0 },
		{ "\n\n\n", "^$", NULL, 3, 3, 3 },
		{ "ERROR known\nERROR new\nERROR kno", "ERROR", "known", 2, 1, 22 },
		{ "end\r\nend \r\nend\n", "end$", NULL, 3, 2, 15 },
		{ "a\rb\nb\n", "^b", NULL, 2, 1, 6 },
		{ "ERROR ERROR\nx ERROR\n", "^ERROR", NULL, 2, 1, 20 },
		{ "ERR\nOR\n", "ERROR", NULL, 2, 0, 7 },
		{ "\xe9\x94\x99\xe8\xaf\xaf\n", "\xe9\x94\x99", NULL, 1, 1, 7 },
	};
	size_t rest;

	(void)state;
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++)
		for (size_t piece = 1; piece <= strlen(c[i].text); piece++) {
			const struct log_counts n = count(
			    c[i].text, strlen(c[i].text), piece, c[i].match, c[i].ignore, &rest);

			if (n.lines != c[i].lines || n.matched != c[i].matched || rest != c[i].rest)
				fail_msg(
				    "case %zu in pieces of %zu: %d lines, %d matched, rest at %zu",
				    i, piece, (int)n.lines, (int)n.matched, rest);
		}
}

/* ---- a log of the test's own ---- */

struct place {
	char root[64];
	char path[128];
	struct running r;
	int64_t now;
};

static void
append_to(const char *path, const char *text)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(close(fd), 0);
}

static void
start(struct place *p, const char *more)
{
	char options[512];

	memset(&rec, 0, sizeof(rec));
	snprintf(options, sizeof(options),
	    "state_file: %s/places\n%swatch:\n  - {name: app, path: " LOG
	    ", match: ERROR, ignore: known}\n",
	    p->root, more);
	run_open(&p->r, ops_of("logs"), options, p->root);
}

static void
place_make(struct place *p, const char *more)
{
	char path[128];

	memset(p, 0, sizeof(*p));
	root_make(p->root, sizeof(p->root));
	snprintf(path, sizeof(path), "%s/proc/self/mountinfo", p->root);
	put_file(path, MOUNTS, strlen(MOUNTS));
	snprintf(p->path, sizeof(p->path), "%s" LOG, p->root);
	put_file(p->path, "ERROR of old\nERROR of old\n", 26);
	p->now = 1000000;
	start(p, more);
}

static void
place_end(struct place *p)
{
	run_close(&p->r);
	remove_tree(p->root);
}

static void
tick(struct place *p, int64_t after_ms, int expected)
{
	struct sample_sink sink = sink_of(&rec);
	struct bl_err err = { 0 };

	p->now += after_ms;
	rec_tick(&rec);
	rec.len = 0;
	if (p->r.ops->sample(p->r.s, p->now, &sink, &err) != expected)
		fail_msg("expected %d: %s", expected, err.msg);
}

static void
counted(struct place *p, double lines, double matched)
{
	tick(p, 10000, BL_OK);
	if (value_of(&rec, "log_lines_total{app}") != lines ||
	    value_of(&rec, "log_matched_lines_total{app}") != matched)
		fail_msg("%g lines, %g matched; expected %g, %g",
		    value_of(&rec, "log_lines_total{app}"),
		    value_of(&rec, "log_matched_lines_total{app}"), lines, matched);
}

/* Renamed, as logrotate does; the writer may go on with the old one. */
static void
rotate(const struct place *p)
{
	char old[160];

	snprintf(old, sizeof(old), "%s.1", p->path);
	assert_int_equal(rename(p->path, old), 0);
}

static void
lines_count_once_across_rotation(void **state)
{
	struct place p;
	char old[160];
	int fd;

	(void)state;
	place_make(&p, "");
	snprintf(old, sizeof(old), "%s.1", p.path);
	counted(&p, 0, 0); /* what was there before the agent is not its */
	append_to(p.path, "ERROR 1\nfine\nERROR known\n");
	counted(&p, 3, 1);
	append_to(p.path, "ERR");
	counted(&p, 3, 1);
	append_to(p.path, "OR 2\n");
	counted(&p, 4, 2);

	/* renamed; the writer goes on with the old file for a while */
	append_to(p.path, "ERROR 3\n");
	rotate(&p);
	append_to(old, "ERROR 4\n");
	counted(&p, 6, 4); /* nothing new is there yet: what is open is the log */
	assert_true(value_of(&rec, "log_present{app}") == 0);
	append_to(p.path, "ERROR 5\n");
	append_to(old, "ERROR 6\n");
	counted(&p, 8, 6);
	assert_true(value_of(&rec, "log_present{app}") == 1);
	append_to(old, "ERROR 7\n");
	counted(&p, 9, 7);

	/* copied and cut; grown beyond the old size before anybody looked */
	fd = open(p.path, O_WRONLY | O_TRUNC);
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
	append_to(p.path, "ERROR 8, which is longer than all that was there\n");
	counted(&p, 10, 8);
	/* cut to nothing, then as long as before */
	assert_int_equal(truncate(p.path, 0), 0);
	counted(&p, 10, 8);
	append_to(p.path, "ERROR 9, which is longer than all that was there\n");
	counted(&p, 11, 9);
	place_end(&p);
}

static void
a_missing_log_is_unknown_and_a_new_one_counts_from_its_beginning(void **state)
{
	struct place p;

	(void)state;
	place_make(&p, "");
	counted(&p, 0, 0);
	append_to(p.path, "ERROR 1\n");
	assert_int_equal(unlink(p.path), 0);
	counted(&p, 1, 1);
	assert_true(value_of(&rec, "log_present{app}") == 0);
	for (int i = 0; i < 6; i++)
		tick(&p, 10000, BL_OK);
	assert_true(value_of(&rec, "log_present{app}") == 0);
	assert_true(isnan(value_of(&rec, "log_matched_lines_total{app}")));
	assert_true(isnan(value_of(&rec, "log_matched_lines_per_min{app}")));
	append_to(p.path, "ERROR 2\nERROR 3\n");
	counted(&p, 3, 3);
	run_close(&p.r);

	/* not there when the agent begins */
	assert_int_equal(unlink(p.path), 0);
	start(&p, "");
	tick(&p, 10000, BL_OK);
	assert_true(isnan(value_of(&rec, "log_matched_lines_total{app}")));
	append_to(p.path, "ERROR 1\n");
	counted(&p, 1, 1);
	place_end(&p);
}

static void
an_orderly_restart_loses_and_doubles_nothing(void **state)
{
	struct place p;
	char places[128], dated[160];

	(void)state;
	place_make(&p, "");
	snprintf(places, sizeof(places), "%s/places", p.root);
	counted(&p, 0, 0);
	append_to(p.path, "ERROR 1\nERR");
	counted(&p, 1, 1);
	run_close(&p.r);
	append_to(p.path, "OR 2\nERROR 3\n");
	start(&p, "");
	assert_int_equal(access(places, F_OK), -1); /* used up */
	counted(&p, 2, 2);

	/* rotated meanwhile */
	append_to(p.path, "ERROR 4\n");
	run_close(&p.r);
	append_to(p.path, "ERROR 5\n");
	rotate(&p);
	append_to(p.path, "ERROR 6\nERROR 7\n");
	start(&p, "");
	counted(&p, 4, 4);

	/* rotated meanwhile, with the day in the name */
	append_to(p.path, "ERROR 71\n");
	run_close(&p.r);
	append_to(p.path, "ERROR 72\n");
	snprintf(dated, sizeof(dated), "%s-20261128", p.path);
	assert_int_equal(rename(p.path, dated), 0);
	append_to(p.path, "ERROR 73\n");
	start(&p, "");
	counted(&p, 3, 3);

	/* cut meanwhile */
	run_close(&p.r);
	assert_int_equal(truncate(p.path, 0), 0);
	append_to(p.path, "ERROR 8\n");
	start(&p, "");
	counted(&p, 1, 1);

	/* killed: the end of what is there, because the place would be an old one */
	append_to(p.path, "ERROR 9\n");
	run_close(&p.r);
	assert_int_equal(unlink(places), 0);
	start(&p, "");
	counted(&p, 0, 0);
	append_to(p.path, "ERROR 10\n");
	counted(&p, 1, 1);
	place_end(&p);
}

/* What a tick of the sampler says. */
static int
tick_says(struct place *p, struct bl_err *err)
{
	struct sample_sink sink = sink_of(&rec);

	rec_tick(&rec);
	*err = (struct bl_err){ 0 };
	return p->r.ops->sample(p->r.s, 1000, &sink, err);
}

static void
places_that_were_tampered_with_mean_the_end(void **state)
{
	static const char *const bad[] = {
		"",
		"branchline log places 3\n1 2 3 4 app\t" LOG "\n",
		"branchline log places 1\n1 2 3 app\t" LOG "\n",
		"branchline log places 1\n99999999999999999999 2 3 4 app\t" LOG "\n",
		"branchline log places 1\n1 2 18446744073709551615 4 app\t" LOG "\n",
		"branchline log places 1\n1 2 3 4 other\t" LOG "\n",
		"branchline log places 1\n1 2 3 4 app\n",
		"branchline log places 1\n1 2 3 4 app",
	};
	struct place p;
	struct bl_err err;
	char places[128];

	(void)state;
	place_make(&p, "");
	snprintf(places, sizeof(places), "%s/places", p.root);
	run_close(&p.r);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put_file(places, bad[i], strlen(bad[i]));
		start(&p, "");
		/* Another head is no file of ours, nor is one that was cut short; a wrong line in it
		 * is only left out. */
		assert_int_equal(tick_says(&p, &err), i < 2 || i == 7 ? BL_ECORRUPT : BL_OK);
		counted(&p, 0, 0);
		run_close(&p.r);
	}
	start(&p, "");
	place_end(&p);
}

/* The disk is full at the end: the next start says that lines are missing, once. */
static void
places_that_could_not_be_kept_are_told(void **state)
{
	struct place p;
	struct bl_err err;
	char places[128];

	(void)state;
	place_make(&p, "");
	snprintf(places, sizeof(places), "%s/places", p.root);
	assert_int_equal(tick_says(&p, &err), BL_OK);
	run_close(&p.r);
	put_file(places, "", 0); /* what a full disk leaves */
	start(&p, "");
	assert_int_equal(tick_says(&p, &err), BL_ECORRUPT);
	assert_non_null(strstr(err.msg, "places holds no places of logs; lines written while"));
	assert_int_equal(tick_says(&p, &err), BL_OK);
	run_close(&p.r);

	/* No file: a crash, or the first start.  Nothing to say. */
	assert_int_equal(unlink(places), 0);
	start(&p, "");
	assert_int_equal(tick_says(&p, &err), BL_OK);

	/* A folder in its place can neither be written nor read. */
	assert_int_equal(mkdir(places, 0700), 0);
	run_close(&p.r);
	start(&p, "");
	assert_true(tick_says(&p, &err) < 0);
	assert_non_null(strstr(err.msg, places));
	assert_int_equal(rmdir(places), 0);
	place_end(&p);
}

/* A disk that takes nothing leaves an empty file, which the next start finds. */
static void
a_full_disk_leaves_an_empty_file(void **state)
{
	const struct rlimit none = { 0, RLIM_INFINITY };
	const struct log_kept kept = { "app", "/var/log/app.log", { 1, 2, 3, 4, 0 }, true };
	struct rlimit before;
	struct bl_err err = { 0 };
	char root[128], file[160];
	struct stat st;

	(void)state;
	root_make(root, sizeof(root));
	snprintf(file, sizeof(file), "%s/places", root);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_equal(log_state_save(file, &kept, 1, &err), BL_EIO);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_non_null(strstr(err.msg, file));
	remove_tree(root);
}

static void
what_comes_too_fast_is_passed_over_and_counted(void **state)
{
	char text[4097];
	struct place p;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[4095] = '\n';
	text[4096] = '\0';
	place_make(&p, "max_bytes: 4096\n");
	counted(&p, 0, 0);
	for (int i = 0; i < 17; i++)
		append_to(p.path, text);
	tick(&p, 10000, BL_EFULL);
	assert_true(value_of(&rec, "log_skipped_bytes_total{app}") == 16 * 4096);
	assert_true(value_of(&rec, "log_lines_total{app}") == 1);
	/* less than that is read bit by bit */
	for (int i = 0; i < 3; i++)
		append_to(p.path, text);
	counted(&p, 2, 0);
	counted(&p, 3, 0);
	counted(&p, 4, 0);
	counted(&p, 4, 0);
	assert_true(value_of(&rec, "log_skipped_bytes_total{app}") == 16 * 4096);
	place_end(&p);
}

/* More in it than one tick may read, and it is gone before all of that was read. */
static void
what_went_before_it_was_read_is_counted(void **state)
{
	char text[4097], old[160];
	struct place p;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[4095] = '\n';
	text[4096] = '\0';
	place_make(&p, "max_bytes: 4096\n");
	snprintf(old, sizeof(old), "%s.1", p.path);
	counted(&p, 0, 0);
	/* rotated twice: two ticks read three of five */
	for (int i = 0; i < 5; i++)
		append_to(p.path, text);
	counted(&p, 1, 0);
	rotate(&p);
	append_to(p.path, "one\n");
	counted(&p, 3, 0);
	rotate(&p);
	append_to(p.path, "two\n");
	tick(&p, 10000, BL_EFULL);
	assert_true(value_of(&rec, "log_lines_total{app}") == 5);
	assert_true(value_of(&rec, "log_skipped_bytes_total{app}") == 2 * 4096);
	/* removed: it is read to its end, however long that takes */
	for (int i = 0; i < 10; i++)
		append_to(p.path, text);
	assert_int_equal(unlink(p.path), 0);
	for (int i = 0; i < 10; i++)
		counted(&p, 6 + i, 0);
	tick(&p, 10000, BL_OK);
	assert_true(isnan(value_of(&rec, "log_lines_total{app}")));
	place_end(&p);
}

static void
a_log_that_cannot_be_looked_at_is_not_said_to_be_gone(void **state)
{
	struct place p;
	char old[160];

	(void)state;
	place_make(&p, "");
	snprintf(old, sizeof(old), "%s.1", p.path);
	counted(&p, 0, 0);
	append_to(p.path, "ERROR 1\n");
	rotate(&p);
	assert_int_equal(symlink("app.log", p.path), 0); /* a circle: ELOOP */
	tick(&p, 10000, BL_EIO);
	assert_true(isnan(value_of(&rec, "log_present{app}")));
	assert_true(isnan(value_of(&rec, "log_lines_total{app}")));
	assert_int_equal(unlink(p.path), 0);
	assert_int_equal(rename(old, p.path), 0);
	append_to(p.path, "ERROR 2\n");
	counted(&p, 2, 2);
	place_end(&p);
}

static void
a_minute_is_told_when_it_was_watched(void **state)
{
	struct place p;

	(void)state;
	place_make(&p, "");
	for (int i = 0; i < 12; i++) {
		append_to(p.path, i < 6 ? "ERROR\nERROR\n" : "fine\n");
		tick(&p, i % 2 == 0 ? 10005 : 9995, BL_OK);
		if (i < 6)
			assert_null(strstr(rec.text, "per_min"));
		else
			assert_true(
			    value_of(&rec, "log_matched_lines_per_min{app}") == 2 * (11 - i));
	}
	place_end(&p);
}

static void
only_local_regular_files_are_read(void **state)
{
	struct place p;
	char path[128];

	(void)state;
	place_make(&p, "");
	assert_int_equal(unlink(p.path), 0);
	assert_int_equal(mkfifo(p.path, 0600), 0);
	tick(&p, 10000, BL_EINVAL);
	assert_true(isnan(value_of(&rec, "log_present{app}")));
	assert_int_equal(unlink(p.path), 0);
	assert_int_equal(mkdir(p.path, 0700), 0);
	tick(&p, 10000, BL_EINVAL);
	assert_int_equal(rmdir(p.path), 0);
	append_to(p.path, "ERROR\n");
	tick(&p, 10000, BL_OK);
	run_close(&p.r);

	snprintf(path, sizeof(path), "%s/net/app.log", p.root);
	put_file(path, "", 0);
	run_open(&p.r, ops_of("logs"),
	    "state_file: ''\nwatch: [{name: n, path: /net/app.log, match: x}]", p.root);
	tick(&p, 10000, BL_EDENIED);
	assert_true(isnan(value_of(&rec, "log_present{n}")));
	place_end(&p);
}

/* A device may do something when it is opened: what is no file is not, not even for a moment. */
static void
what_is_no_file_is_not_opened(void **state)
{
	struct place p;
	char event[512];
	int opened;

	(void)state;
	place_make(&p, "");
	opened = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	assert_true(opened >= 0);
	assert_int_equal(unlink(p.path), 0);
	assert_int_equal(mkfifo(p.path, 0600), 0);
	assert_true(inotify_add_watch(opened, p.path, IN_OPEN) >= 0);
	tick(&p, 10000, BL_EINVAL);
	assert_true(read(opened, event, sizeof(event)) < 0 && errno == EAGAIN);
	assert_int_equal(close(opened), 0);
	place_end(&p);
}

static void
a_place_behind_a_mount_that_may_hang_is_not_touched_at_the_start(void **state)
{
	static const char net[] = MOUNTS "22 20 0:9 / /var/log rw - nfs4 s:/ rw\n";
	struct place p;
	char path[128];

	(void)state;
	place_make(&p, "");
	snprintf(path, sizeof(path), "%s/proc/self/mountinfo", p.root);
	counted(&p, 0, 0);
	run_close(&p.r);
	append_to(p.path, "ERROR 1\n");
	put_file(path, net, strlen(net));
	start(&p, "");
	put_file(path, MOUNTS, strlen(MOUNTS));
	counted(&p, 0, 0); /* first touched now, and so begun at its end */
	place_end(&p);
}

static void
the_first_failure_is_the_one_told(void **state)
{
	struct sample_sink sink = sink_of(&rec);
	struct bl_err err = { 0 };
	struct running r;
	char root[64], path[128];

	(void)state;
	root_make(root, sizeof(root));
	snprintf(path, sizeof(path), "%s/proc/self/mountinfo", root);
	put_file(path, MOUNTS, strlen(MOUNTS));
	memset(&rec, 0, sizeof(rec));
	run_open(&r, ops_of("logs"),
	    "state_file: ''\nwatch: [{name: n, path: /net/a.log, match: a}, "
	    "{name: p, path: /proc, match: a}]",
	    root);
	assert_int_equal(r.ops->sample(r.s, 10000, &sink, &err), BL_EDENIED);
	assert_int_equal(err.code, BL_EDENIED);
	assert_non_null(strstr(err.msg, "/net/a.log"));
	run_close(&r);
	remove_tree(root);
}

static void
options_are_checked(void **state)
{
	static const char *const bad[] = {
		"watch: [{name: x, path: relative, match: a}]",
		"watch: [{name: x, path: /a}]",
		"watch: [{name: x, path: /a, match: 'a('}]",
		"watch: [{name: x, path: /a, match: a, ignore: '['}]",
		"watch: [{name: x, path: /a, match: a}, {name: x, path: /b, match: b}]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		options_refused("logs", bad[i]);
}

/* ---- at random ---- */

static uint32_t
random_below(uint32_t *seed, uint32_t n)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (uint32_t)(((uint64_t)*seed * n) >> 32);
}

struct model {
	uint64_t matched;      /* so far, over all starts */
	uint64_t before_start; /* of these, before the newest start */
	bool partial;          /* the log ends in "ERR" */
};

static void
write_some(const struct place *p, struct model *m, uint32_t *seed)
{
	static const char *const line[] = { "ERROR here\n", "fine\n",
		"an ERROR at the end: ERROR\n", "ERROR known\n", "\n" };

	if (m->partial) {
		append_to(p->path, "OR\n");
		m->matched++;
		m->partial = false;
	}
	for (uint32_t n = random_below(seed, 20); n > 0; n--) {
		const uint32_t i = random_below(seed, 5);

		append_to(p->path, line[i]);
		m->matched += i == 0 || i == 2;
	}
	if (random_below(seed, 4) == 0) {
		append_to(p->path, "ERR");
		m->partial = true;
	}
}

static void
check(struct place *p, const struct model *m, uint32_t seed, int step)
{
	tick(p, 10000, BL_OK);
	if (value_of(&rec, "log_matched_lines_total{app}") !=
	    (double)(m->matched - m->before_start))
		fail_msg("seed %u, step %d: %g matched, %g written", seed, step,
		    value_of(&rec, "log_matched_lines_total{app}"),
		    (double)(m->matched - m->before_start));
}

/* A line that had begun is ended first: a rotation between its halves makes two of it. */
static void
end_line(const struct place *p, struct model *m)
{
	if (!m->partial)
		return;
	append_to(p->path, "OR\n");
	m->matched++;
	m->partial = false;
}

static void
one_history(uint32_t seed)
{
	const uint32_t first = seed;
	struct model m = { 0 };
	struct place p;

	place_make(&p, "");
	tick(&p, 10000, BL_OK);
	for (int i = 0; i < 150; i++) {
		write_some(&p, &m, &seed);
		switch (random_below(&seed, 6)) {
		case 0:
			end_line(&p, &m);
			rotate(&p);
			append_to(p.path, "");
			break;
		case 1: /* what was written since the last look would be lost by the cut itself */
			end_line(&p, &m);
			check(&p, &m, first, i);
			assert_int_equal(truncate(p.path, 0), 0);
			break;
		case 2:
			check(&p, &m, first, i);
			m.before_start = m.matched;
			run_close(&p.r);
			write_some(&p, &m, &seed);
			start(&p, "");
			break;
		default:
			break;
		}
		/* Two rotations between two looks would hide the file between them. */
		check(&p, &m, first, i);
	}
	place_end(&p);
}

static void
whatever_the_writer_does_every_line_counts_once(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 8; seed++)
		one_history(seed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_change_nothing),
		cmocka_unit_test(lines_count_once_across_rotation),
		cmocka_unit_test(a_missing_log_is_unknown_and_a_new_one_counts_from_its_beginning),
		cmocka_unit_test(an_orderly_restart_loses_and_doubles_nothing),
		cmocka_unit_test(places_that_were_tampered_with_mean_the_end),
		cmocka_unit_test(places_that_could_not_be_kept_are_told),
		cmocka_unit_test(a_full_disk_leaves_an_empty_file),
		cmocka_unit_test(what_comes_too_fast_is_passed_over_and_counted),
		cmocka_unit_test(what_went_before_it_was_read_is_counted),
		cmocka_unit_test(a_log_that_cannot_be_looked_at_is_not_said_to_be_gone),
		cmocka_unit_test(a_minute_is_told_when_it_was_watched),
		cmocka_unit_test(only_local_regular_files_are_read),
		cmocka_unit_test(what_is_no_file_is_not_opened),
		cmocka_unit_test(a_place_behind_a_mount_that_may_hang_is_not_touched_at_the_start),
		cmocka_unit_test(the_first_failure_is_the_one_told),
		cmocka_unit_test(options_are_checked),
		cmocka_unit_test(whatever_the_writer_does_every_line_counts_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
