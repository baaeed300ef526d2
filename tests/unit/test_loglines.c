/*
 * Lines of logs as reports: what lines become, rotation, answers that fail or do not come, places
 * over restarts, kills and power cuts, and a history at random in which every line must arrive
 * once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "inlet_host.h"
#include "loglines.h"

#define SHOP                                                                                       \
	"    patterns:\n"                                                                          \
	"      - match: '^(?<at>\\S+) order (?<no>\\d+): (?<what>begin|end) (?<step>\\w+)'\n"      \
	"        map: {process: order, case: '{no}', step: '{step}', phase: '{what}', time: "      \
	"'{at}'}\n"                                                                                \
	"      - match: 'n=(?<n>\\d+)'\n"                                                          \
	"        map: {report: case, case: '{n}', attributes: {n: '{n}'}}\n"

struct place {
	char root[FOLDER_MAX];
	char log[FOLDER_MAX + 32];
	char places[FOLDER_MAX + 32];
	char yaml[2048];
	struct loglines_conf conf;
	struct fake_host *h;
	void *in;
};

static void
start(struct place *p)
{
	struct bl_conf_errors errors = { 0 };
	struct bl_err err = { 0 };

	if (bl_conf_parse(
		"t", p->yaml, strlen(p->yaml), &loglines_conf_section, &p->conf, &errors, &err) < 0)
		fail_msg("%s", errors.n_kept > 0 ? errors.line[0] : err.msg);
	bl_conf_errors_free(&errors);
	if (loglines_ops.open(&p->in, &p->conf, &p->h->host, &err) < 0)
		fail_msg("%s", err.msg);
	fake_host_inlet(p->h, &loglines_ops, p->in);
}

static void
stop(struct place *p)
{
	loglines_ops.close(p->in);
	bl_conf_release(&loglines_conf_section, &p->conf);
}

static char *
file_read(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = calloc(1, 65536);

	assert_non_null(text);
	if (f == NULL) {
		free(text);
		return NULL;
	}
	(void)!fread(text, 1, 65535, f);
	(void)fclose(f);
	return text;
}

static void
put(const char *path, const char *text, int flags)
{
	const int fd = open(path, O_WRONLY | O_CREAT | flags, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(close(fd), 0);
}

static void
append(const char *path, const char *text)
{
	put(path, text, O_APPEND);
}

/* What an inlet that is gone had under way: the next one does not know it. */
static void
answer_to_nobody(struct place *p)
{
	while (fake_host_answer_one(p->h, 0))
		;
}

/* What the answers of this moment changed in the file of places is not there: as after kill -9. */
static void
kill_and_start(struct place *p)
{
	char *before = file_read(p->places);

	stop(p);
	if (before != NULL)
		put(p->places, before, O_TRUNC);
	else
		(void)unlink(p->places);
	free(before);
	start(p);
	answer_to_nobody(p);
	(void)fake_host_said(p->h);
}

static int
setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	folder_make(p->root, "loglines");
	snprintf(p->log, sizeof(p->log), "%s/shop.log", p->root);
	snprintf(p->places, sizeof(p->places), "%s/loglines.places", p->root);
	snprintf(p->yaml, sizeof(p->yaml), "watch:\n  - name: shop\n    path: %s\n" SHOP, p->log);
	p->h = fake_host_create(p->root);
	*state = p;
	return 0;
}

static int
teardown(void **state)
{
	struct place *p = *state;

	fake_host_free(p->h);
	folder_remove(p->root);
	free(p);
	return 0;
}

/* Reads all that is there, and drops the ids from what was said. */
static const char *
said(struct place *p)
{
	static char out[65536];
	const char *from;
	size_t n = 0;

	fake_host_pass(p->h, 1100);
	(void)fake_host_turn(p->h);
	from = fake_host_said(p->h);
	while (*from != '\0') {
		if (strncmp(from, " id=", 4) == 0)
			from += 4 + strcspn(from + 4, " \n");
		out[n++] = *from++;
	}
	out[n] = '\0';
	return out;
}

/* ---- what lines become ---- */

static void
lines_become_what_the_mapping_says(void **state)
{
	struct place *p = *state;

	/* Before the agent; a line that had begun then is not its. */
	append(p->log, "2026-09-21T10:00:00Z order 1: begin old\nhalf a line ");
	p->h->at_once = true;
	start(p);
	assert_string_equal(said(p), "");
	append(p->log, "n=1\n");
	assert_string_equal(said(p), "");
	append(p->log,
	    "2026-09-21T10:00:00Z order 7: begin review\nnothing to see\n"
	    "2026-09-21T10:00:05Z order 7: end review n=3\r\n2026-09-21T10:00:06Z order 8");
	assert_string_equal(said(p),
	    "event step.begin at=1789984800000 process=order case=7 step=review\n"
	    "event step.end at=1789984805000 process=order case=7 step=review\n"
	    "event step.event process=default case=3 n=3\n");
	append(p->log, ": end x\n"); /* the end of a line that had begun */
	assert_string_equal(
	    said(p), "event step.end at=1789984806000 process=order case=8 step=x\n");
	assert_int_equal(fake_host_count(p->h, "lines"), 4);
	assert_int_equal(fake_host_count(p->h, "unmatched_lines"), 1);
	assert_int_equal(fake_host_count(p->h, "accepted"), 4);
	stop(p);
}

static void
what_is_wrong_with_a_line_is_counted(void **state)
{
	struct place *p = *state;
	char text[20000];

	append(p->log, "");
	p->h->at_once = true;
	start(p);
	assert_string_equal(said(p), "");
	append(p->log, "noon order 7: begin review\n"); /* no time */
	assert_string_equal(said(p), "");
	assert_int_equal(fake_host_count(p->h, "bad_lines"), 1);

	memset(text, 'x', sizeof(text)); /* longer than any line may be, with and without its end */
	memcpy(text, "n=1 ", 4);
	snprintf(text + 9000, sizeof(text) - 9000, "\n");
	append(p->log, text);
	assert_string_equal(said(p), "");
	text[9000] = 'x';
	text[9001] = '\0';
	append(p->log, text);
	assert_string_equal(said(p), "");
	append(p->log, "n=5\nn=6\n");
	assert_string_equal(said(p), "event step.event process=default case=6 n=6\n");

	assert_int_equal(fake_host_count(p->h, "long_lines"), 2);

	p->h->rc = BL_EINVAL; /* the agent does not take it, and never will */
	append(p->log, "n=7\n");
	assert_string_equal(said(p), "");
	p->h->rc = 0;
	append(p->log, "n=8\n");
	assert_string_equal(said(p), "event step.event process=default case=8 n=8\n");
	assert_int_equal(fake_host_count(p->h, "refused_reports"), 1);
	stop(p);
}

static void
a_line_that_costs_too_much_is_given_up(void **state)
{
	struct place *p = *state;
	char text[4002];

	snprintf(p->yaml, sizeof(p->yaml),
	    "watch:\n  - name: shop\n    path: %s\n    from: beginning\n    patterns:\n"
	    "      - match: '(?<n>(((a?){6}){6}){6}b)c'\n"
	    "        map: {report: event, type: x}\n"
	    "      - match: '^(?<n>a)'\n"
	    "        map: {report: event, type: y}\n",
	    p->log);
	memset(text, 'a', 4000);
	snprintf(text + 4000, 2, "\n");
	append(p->log, text);
	p->h->at_once = true;
	start(p);
	assert_string_equal(said(p), "event y\n");
	assert_int_equal(fake_host_count(p->h, "costly_lines"), 1);
	stop(p);
}

/* The id of the report of line n in what was said; "": it is not there. */
static const char *
id_of(const char *text, const char *n, char out[BL_EVENT_ID_MAX + 1])
{
	char end[32];
	const char *at;

	snprintf(end, sizeof(end), " process=default case=%s ", n);
	out[0] = '\0';
	if ((at = strstr(text, end)) == NULL)
		return out;
	while (strncmp(at, "id=", 3) != 0)
		at--;
	(void)sscanf(at, "id=%64s", out);
	return out;
}

static const char *
said_with_ids(struct place *p)
{
	fake_host_pass(p->h, 1100);
	(void)fake_host_turn(p->h);
	return fake_host_said(p->h);
}

/* ---- rotation ---- */

static void
rotate(const struct place *p, const char *to)
{
	char old[160];

	snprintf(old, sizeof(old), "%s%s", p->log, to);
	assert_int_equal(rename(p->log, old), 0);
}

#define N(i) "event step.event process=default case=" #i " n=" #i "\n"

static void
lines_come_once_across_rotation(void **state)
{
	struct place *p = *state;
	char old[160], first[BL_EVENT_ID_MAX + 1], second[BL_EVENT_ID_MAX + 1];

	snprintf(old, sizeof(old), "%s.1", p->log);
	append(p->log, "n=0\n");
	p->h->at_once = true;
	start(p);
	assert_string_equal(said(p), "");
	append(p->log, "n=1\n");
	rotate(p, ".1");
	append(old, "n=2\n"); /* the writer goes on with it */
	append(p->log, "n=3\n");
	assert_string_equal(said(p), N(1) N(2) N(3));
	append(old, "n=4\n");
	append(p->log, "n=5\n");
	assert_string_equal(said(p), N(4) N(5));
	/* copied and cut: what is the same again at the same place is another line */
	assert_int_equal(truncate(p->log, 0), 0);
	append(p->log, "n=6\n");
	(void)id_of(said_with_ids(p), "6", first);
	assert_int_equal(truncate(p->log, 0), 0);
	(void)said(p);
	append(p->log, "n=6\n");
	(void)id_of(said_with_ids(p), "6", second);
	assert_true(first[0] != '\0' && second[0] != '\0');
	assert_string_not_equal(first, second);
	stop(p);
}

/* What was stored after the place was last kept stands in the copy then: read once more, with the
 * ids that it had, it is there once. */
static void
a_kill_and_copytruncate_repeat_lines_with_their_ids(void **state)
{
	struct place *p = *state;
	char copy[160], first[BL_EVENT_ID_MAX + 1], again[BL_EVENT_ID_MAX + 1], *places, *text;

	snprintf(copy, sizeof(copy), "%s.1", p->log);
	append(p->log, "");
	p->h->at_once = true;
	start(p);
	assert_string_equal(said(p), "");
	append(p->log, "n=1 and sixty-four bytes by which the place is known again ......\n");
	assert_string_equal(said(p), N(1));
	places = file_read(p->places);
	append(p->log, "n=2\n");
	(void)id_of(said_with_ids(p), "2", first);
	stop(p);
	put(p->places, places, O_TRUNC); /* killed */
	free(places);
	text = file_read(p->log);
	append(copy, text);
	append(copy, "n=3\n");
	free(text);
	assert_int_equal(truncate(p->log, 0), 0);
	append(p->log, "n=4\n");
	start(p);
	(void)id_of(said_with_ids(p), "2", again);
	assert_true(first[0] != '\0');
	assert_string_equal(again, first);
	stop(p);
}

/* What is under way is not let go, however long the disk takes. */
static void
a_rotated_log_is_kept_until_its_lines_are_on_disk(void **state)
{
	struct place *p = *state;

	append(p->log, "");
	start(p);
	assert_string_equal(said(p), "");
	append(p->log, "n=1\nn=2\n");
	assert_string_equal(said(p), N(1) N(2));
	rotate(p, ".1");
	append(p->log, "n=3\n");
	for (int i = 0; i < 80; i++)
		(void)said(p);
	rotate(p, ".2"); /* and once more */
	append(p->log, "n=4\n");
	for (int i = 0; i < 80; i++)
		(void)said(p);
	fake_host_answer(p->h, BL_EFULL); /* all of them are to come again */
	fake_host_pass(p->h, 6000);
	p->h->at_once = true;
	assert_string_equal(said(p), N(1) N(2) N(3));
	assert_string_equal(said(p), N(4));
	assert_int_equal(fake_host_count(p->h, "lost_lines"), 0);
	stop(p);
}

/* Not there, then something that is no file, then a log: from its beginning. */
static void
what_cannot_be_read_is_looked_at_again(void **state)
{
	struct place *p = *state;
	char problem[256];

	p->h->at_once = true;
	start(p);
	assert_string_equal(said(p), "");
	assert_true(fake_host_count(p->h, "unreadable") > 0);
	loglines_ops.problem(p->h->in, problem, sizeof(problem));
	assert_non_null(strstr(problem, "No such file or directory"));
	assert_int_equal(mkdir(p->log, 0700), 0);
	assert_string_equal(said(p), "");
	assert_int_equal(rmdir(p->log), 0);
	append(p->log, "n=1\n");
	assert_string_equal(said(p), N(1));
	loglines_ops.problem(p->h->in, problem, sizeof(problem));
	assert_string_equal(problem, "");
	stop(p);
}

/* ---- answers ---- */

/* A line that waits in the middle of its patterns is not asked about from the beginning. */
static void
patterns_that_were_asked_are_not_asked_again(void **state)
{
	struct place *p = *state;

	snprintf(p->yaml, sizeof(p->yaml),
	    "watch:\n  - name: shop\n    path: %s\n    from: beginning\n    patterns:\n"
	    "      - {match: 'n=(?<n>\\S+)', map: {report: metric, name: a, value: \"x{n}\"}}\n"
	    "      - {match: 'n=(?<n>\\S+)', map: {report: event, type: b}}\n"
	    "      - {match: 'n=(?<n>\\S+)', map: {report: event, type: c}}\n",
	    p->log);
	append(p->log, "n=1\n");
	start(p);
	p->h->room = 1;
	assert_string_equal(said(p), "event b\n");
	fake_host_answer(p->h, 0);
	assert_string_equal(said(p), "event c\n");
	fake_host_answer(p->h, 0);
	assert_string_equal(said(p), "");
	assert_int_equal(fake_host_count(p->h, "accepted"), 2);
	assert_int_equal(fake_host_count(p->h, "repeated"), 0);
	assert_int_equal(fake_host_count(p->h, "bad_lines"), 1);
	assert_int_equal(fake_host_count(p->h, "lines"), 1);
	stop(p);
}

static void
what_finds_no_room_waits(void **state)
{
	struct place *p = *state;

	append(p->log, "");
	start(p);
	assert_string_equal(said(p), "");
	p->h->room = 2;
	append(p->log, "n=1\nn=2\nn=3\nn=4\nn=5\n");
	assert_string_equal(said(p), N(1) N(2));
	assert_string_equal(said(p), "");
	assert_true(fake_host_answer_one(p->h, 0));
	(void)fake_host_turn(p->h); /* at once, without a look's time */
	assert_non_null(strstr(fake_host_said(p->h), "n=3"));
	fake_host_answer(p->h, 0);
	p->h->at_once = true;
	assert_string_equal(said(p), N(4) N(5));
	assert_int_equal(fake_host_count(p->h, "accepted"), 5);
	stop(p);
}

static void
what_was_not_stored_comes_again_with_its_id(void **state)
{
	struct place *p = *state;
	char first[256];

	append(p->log, "");
	start(p);
	assert_string_equal(said(p), "");
	append(p->log, "n=1\nn=2\n");
	fake_host_pass(p->h, 1100);
	(void)fake_host_turn(p->h);
	snprintf(first, sizeof(first), "%s", fake_host_said(p->h));
	assert_non_null(strstr(first, "id="));
	fake_host_answer(p->h, BL_EIO);
	fake_host_pass(p->h, 1100);
	(void)fake_host_turn(p->h);
	assert_string_equal(fake_host_said(p->h), ""); /* not at once: the disk is ill */
	fake_host_pass(p->h, 5000);
	(void)fake_host_turn(p->h);
	assert_string_equal(fake_host_said(p->h), first);
	fake_host_answer(p->h, 0);
	assert_int_equal(fake_host_count(p->h, "accepted"), 2);
	assert_int_equal(fake_host_count(p->h, "tried_again"), 1);
	stop(p);
}

/* ---- places ---- */

static void
a_restart_goes_on_where_the_disk_was(void **state)
{
	struct place *p = *state;
	char safe[FOLDER_MAX + 64];

	append(p->log, "n=0\n");
	start(p);
	assert_string_equal(said(p), "");
	append(p->log, "n=1\nn=2\nn=");
	assert_string_equal(said(p), N(1) N(2));
	assert_true(fake_host_answer_one(p->h, 0));
	stop(p); /* the second is not on disk, as far as is known */
	append(p->log, "3\n");
	rotate(p, ".1");
	append(p->log, "n=4\n");
	start(p);
	answer_to_nobody(p);
	p->h->at_once = true;
	assert_string_equal(said(p), N(2) N(3) N(4));
	stop(p);

	/* cut meanwhile */
	assert_int_equal(truncate(p->log, 0), 0);
	append(p->log, "n=5\n");
	start(p);
	assert_string_equal(said(p), N(5));
	assert_int_equal(fake_host_count(p->h, "lost_files"), 1);
	stop(p);

	/* places that are none: as for a log that was never read */
	put(p->places, "nonsense", O_TRUNC);
	snprintf(safe, sizeof(safe), "%s.safe", p->places);
	assert_int_equal(unlink(safe), 0);
	append(p->log, "n=6\n");
	start(p);
	assert_string_equal(said(p), "");
	append(p->log, "n=7\n");
	assert_string_equal(said(p), N(7));
	stop(p);
}

/* A power cut takes the newest lines of the log away, and others are written in their place. */
static void
a_power_cut_leads_back_to_an_older_place(void **state)
{
	struct place *p = *state;
	char three[BL_EVENT_ID_MAX + 1], four[BL_EVENT_ID_MAX + 1], id[BL_EVENT_ID_MAX + 1];
	const char *text;

	append(p->log, "");
	p->h->at_once = true;
	start(p);
	assert_string_equal(said(p), "");
	append(p->log, "n=1\nn=2\n");
	assert_string_equal(said(p), N(1) N(2));
	fake_host_pass(p->h, 70000);
	append(p->log, "n=3\nn=4\n");
	text = said_with_ids(p);
	(void)id_of(text, "3", three);
	(void)id_of(text, "4", four);
	assert_true(three[0] != '\0' && four[0] != '\0');
	fake_host_pass(p->h, 2000); /* kept */
	append(p->log, "n=51\n");
	(void)said(p);
	stop(p);
	/* The newest lines were not on disk, and others are written in their place. */
	assert_int_equal(truncate(p->log, 12), 0);
	append(p->log, "n=6\nn=52\nn=7\n");
	start(p);
	text = said_with_ids(p);
	assert_string_equal(id_of(text, "3", id), three); /* known to who has it on disk */
	assert_string_not_equal(id_of(text, "6", id), four);
	assert_true(id[0] != '\0' && id_of(text, "7", id)[0] != '\0');
	assert_string_equal(id_of(text, "1", id), ""); /* not from the beginning */
	assert_int_equal(fake_host_count(p->h, "lost_files"), 0);
	stop(p);
}

/* It may also leave the newest file of places empty, cut short, or not there. */
static void
places_that_a_power_cut_emptied_are_known_from_their_copy(void **state)
{
	static const char *const left[] = { "", "branchline log places 2\n1 2", NULL };
	struct place *p = *state;

	start(p);
	(void)said(p);
	for (unsigned i = 0; i < 3; i++) {
		append(p->log, "t n=1\n");
		assert_string_not_equal(said(p), "");
		fake_host_answer(p->h, 0);
		(void)said(p);
		stop(p);
		append(p->log, "t n=2\n");
		assert_int_equal(unlink(p->places), 0); /* its copy is another name of it */
		if (left[i] != NULL)
			put(p->places, left[i], 0);
		start(p);
		assert_string_equal(said(p), "event step.event process=default case=2 n=2\n");
		fake_host_answer(p->h, 0);
	}
	stop(p);
}

static void
a_log_that_is_too_far_behind_is_passed_over_and_counted(void **state)
{
	struct place *p = *state;
	const size_t size = 3 << 20;
	char *text = malloc(size + 1);
	char yaml[2048];

	assert_non_null(text);
	snprintf(yaml, sizeof(yaml), "max_behind: 2MiB\n%s", p->yaml);
	memcpy(p->yaml, yaml, sizeof(yaml));
	append(p->log, "");
	p->h->at_once = true;
	start(p);
	assert_string_equal(said(p), "");
	for (size_t i = 0; i < size; i += 16)
		memcpy(text + i, "nothing here 12\n", 16);
	memcpy(text + size - 4, "n=9\n", 4);
	text[size] = '\0';
	append(p->log, text);
	assert_string_equal(said(p), N(9));
	assert_int_equal(fake_host_count(p->h, "skipped_bytes"), 2 << 20);
	stop(p);
	free(text);
}

/* ---- at random ---- */

#define LINES_MAX 4000

static uint32_t seed;

static uint32_t
below(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (uint32_t)(((uint64_t)seed * n) >> 32);
}

struct store {
	char id[LINES_MAX][BL_EVENT_ID_MAX + 1]; /* of the line, where it is on disk */
	unsigned written;
};

/* One report on its way to the disk: 0 it is there now, 1 it was; else the line is doubled. */
static int
store_put(struct store *s, const char *line)
{
	char id[BL_EVENT_ID_MAX + 1];
	unsigned n;

	assert_int_equal(
	    sscanf(line, "event step.event id=%64s process=default case=%u", id, &n), 2);
	assert_true(n < s->written);
	if (s->id[n][0] != '\0' && strcmp(s->id[n], id) != 0)
		fail_msg("line %u came as %s and as %s", n, s->id[n], id);
	if (s->id[n][0] != '\0')
		return 1;
	(void)snprintf(s->id[n], sizeof(s->id[n]), "%s", id);
	return 0;
}

/* The disk does what it does: takes all, or nothing, or some; answers, or dies before that. */
static void
disk(struct place *p, struct store *s)
{
	char *all = strdup(fake_host_said(p->h)), *line = all, *end;
	const uint32_t what = below(5);

	assert_non_null(all);
	for (; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		*end = '\0';
		if (what == 0 || (what == 1 && below(2) == 0))
			(void)fake_host_answer_one(p->h, BL_EIO);
		else if (what == 2)
			(void)store_put(s, line); /* and no answer: killed */
		else
			(void)fake_host_answer_one(p->h, store_put(s, line));
	}
	free(all);
	if (what == 2)
		kill_and_start(p);
}

static void
step(struct place *p, struct store *s)
{
	char line[64];

	for (uint32_t n = below(12); n > 0 && s->written < LINES_MAX; n--) {
		snprintf(
		    line, sizeof(line), "%sn=%u\n", below(3) == 0 ? "other\n" : "", s->written++);
		append(p->log, line);
	}
	fake_host_pass(p->h, below(3) == 0 ? 70000 : 1100);
	(void)fake_host_turn(p->h);
	disk(p, s);
}

/* Until all is told and on disk. */
static void
settle(struct place *p, struct store *s)
{
	for (unsigned quiet = 0; quiet < 3;) {
		char *all, *line, *end;

		fake_host_pass(p->h, 6000);
		(void)fake_host_turn(p->h);
		all = strdup(fake_host_said(p->h));
		assert_non_null(all);
		for (line = all; (end = strchr(line, '\n')) != NULL; line = end + 1) {
			*end = '\0';
			(void)fake_host_answer_one(p->h, store_put(s, line));
		}
		quiet = line == all ? quiet + 1 : 0;
		free(all);
	}
}

static void
one_history(struct place *p, uint32_t from)
{
	struct store *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	seed = from;
	append(p->log, "");
	start(p);
	(void)said(p);
	for (unsigned i = 0; i < 100; i++) {
		step(p, s);
		switch (below(8)) {
		case 0:
			settle(p, s); /* two rotations at a time would hide a file */
			rotate(p, below(2) == 0 ? ".1" : "-old");
			append(p->log, "");
			break;
		case 1: /* what is not on disk yet is lost by the cut itself */
			settle(p, s);
			assert_int_equal(truncate(p->log, 0), 0);
			break;
		case 2:
			stop(p);
			start(p);
			answer_to_nobody(p);
			break;
		default:
			break;
		}
	}
	settle(p, s);
	for (unsigned n = 0; n < s->written; n++)
		if (s->id[n][0] == '\0')
			fail_msg("seed %u: line %u of %u is missing", from, n, s->written);
	stop(p);
	free(s);
}

static void
whatever_happens_every_line_is_there_once(void **state)
{
	struct place *p = *state;
	const unsigned n = rounds(6, 200);

	for (uint32_t i = 1; i <= n; i++) {
		one_history(p, i);
		(void)unlink(p->log);
		(void)unlink(p->places);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(lines_become_what_the_mapping_says),
		T(what_is_wrong_with_a_line_is_counted),
		T(a_line_that_costs_too_much_is_given_up),
		T(lines_come_once_across_rotation),
		T(a_kill_and_copytruncate_repeat_lines_with_their_ids),
		T(a_rotated_log_is_kept_until_its_lines_are_on_disk),
		T(what_cannot_be_read_is_looked_at_again),
		T(patterns_that_were_asked_are_not_asked_again),
		T(what_finds_no_room_waits),
		T(what_was_not_stored_comes_again_with_its_id),
		T(a_restart_goes_on_where_the_disk_was),
		T(a_power_cut_leads_back_to_an_older_place),
		T(places_that_a_power_cut_emptied_are_known_from_their_copy),
		T(a_log_that_is_too_far_behind_is_passed_over_and_counted),
		T(whatever_happens_every_line_is_there_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
