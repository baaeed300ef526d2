/*
 * The samplers over trees that look like /proc of several kernels, whole and
 * broken (tests/data/proc/README.md).
 *
 * A case is a folder: tick1, tick2 ... hold the files of each tick, `expected`
 * what must have been put.  Adding one needs no C.
 */
#include "sample_harness.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the cases ---- */

struct proc_case {
	char dir[512];
	char root[128];
	unsigned n;
	struct running run[RUN_MAX];
	struct recorder *rec;
};

/* "/sys/class/x/device ../../../x.0": a link under the root that leads there. */
static void
link_make(const char *root, char *words)
{
	char path[600];
	char *to = strchr(words, ' ');

	assert_non_null(to);
	*to++ = '\0';
	snprintf(path, sizeof(path), "%s%s", root, words);
	make_folders(path);
	assert_int_equal(symlink(to, path), 0);
}

/*
 * "sampler cpu", "option exclude: [eth0]" (of the sampler before it), "mkdir /mnt/x",
 * "link /sys/x/device ../x.0"
 */
static void
case_read(struct proc_case *c)
{
	char path[600];
	char options[RUN_MAX][512] = { "" };
	const struct sampler_ops *ops[RUN_MAX];
	size_t len;
	char *text;
	char *save = NULL;

	snprintf(path, sizeof(path), "%s/case", c->dir);
	text = slurp(path, &len);
	assert_non_null(text);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, "sampler ", 8) == 0) {
			ops[c->n++] = ops_of(line + 8);
		} else if (strncmp(line, "option ", 7) == 0) {
			strcat(options[c->n - 1], line + 7);
			strcat(options[c->n - 1], "\n");
		} else if (strncmp(line, "mkdir ", 6) == 0) {
			snprintf(path, sizeof(path), "%s%s/", c->root, line + 6);
			make_folders(path);
		} else if (strncmp(line, "link ", 5) == 0) {
			link_make(c->root, line + 5);
		} else {
			assert_int_equal(line[0], '#');
		}
	}
	free(text);
	for (unsigned i = 0; i < c->n; i++)
		run_open(&c->run[i], ops[i], options[i][0] != '\0' ? options[i] : "{}", c->root);
}

/* What the series of a tick say that caps left out, in all. */
static unsigned
skipped_in(const struct recorder *r)
{
	static const char end[] = "_skipped";
	unsigned n = 0;

	for (int i = 0; i < r->n; i++) {
		const size_t len = strlen(r->key[i]);

		if (r->put[i] && len > sizeof(end) &&
		    strcmp(r->key[i] + len + 1 - sizeof(end), end) == 0)
			n += (unsigned)r->value[i];
	}
	return n;
}

static void
case_tick(struct proc_case *c, unsigned tick)
{
	struct sample_sink sink = sink_of(c->rec);

	c->rec->len += (size_t)snprintf(
	    c->rec->text + c->rec->len, sizeof(c->rec->text) - c->rec->len, "tick %u\n", tick);
	rec_tick(c->rec);
	c->rec->left_out = 0;
	for (unsigned i = 0; i < c->n; i++) {
		struct bl_err err = { 0 };
		const int rc =
		    c->run[i].ops->sample(c->run[i].s, (int64_t)tick * 10000, &sink, &err);

		assert_int_equal(rc, err.code); /* who fails says why, who succeeds is silent */
		assert_true(rc == BL_OK || err.msg[0] != '\0');
		if (rc < 0)
			c->rec->len += (size_t)snprintf(c->rec->text + c->rec->len,
			    sizeof(c->rec->text) - c->rec->len, "error %s %s\n",
			    c->run[i].ops->kind, bl_code_name(rc));
	}
	/* Each time, so that the ledger has it. */
	assert_int_equal(c->rec->left_out, skipped_in(c->rec));
}

static void
blank_number(char *line)
{
	char *space = strrchr(line, ' ');

	if (space != NULL && space[1] >= '0' && space[1] <= '9')
		strcpy(space + 1, "*");
}

/* Line by line; "key *" in what is expected stands for any number. */
static bool
texts_agree(const char *dir, char *got, char *expected)
{
	char *save_got = NULL;
	char *save_expected = NULL;
	char *a = strtok_r(got, "\n", &save_got);
	char *b = strtok_r(expected, "\n", &save_expected);

	for (unsigned n = 1; a != NULL || b != NULL; n++) {
		if (a != NULL && b != NULL && strlen(b) > 2 && strcmp(b + strlen(b) - 2, " *") == 0)
			blank_number(a);
		if (a == NULL || b == NULL || strcmp(a, b) != 0) {
			print_error("%s: line %u: expected \"%s\", got \"%s\"\n", dir, n,
			    b != NULL ? b : "(end)", a != NULL ? a : "(end)");
			return false;
		}
		a = strtok_r(NULL, "\n", &save_got);
		b = strtok_r(NULL, "\n", &save_expected);
	}
	return true;
}

static bool
case_run(const char *name)
{
	struct proc_case c = { .n = 0 };
	char path[600];
	struct stat st;
	size_t len;
	char *expected;
	bool good;

	snprintf(c.dir, sizeof(c.dir), "%s/proc/%s", BL_TEST_DATA, name);
	root_make(c.root, sizeof(c.root));
	c.rec = calloc(1, sizeof(*c.rec));
	assert_non_null(c.rec);
	snprintf(path, sizeof(path), "%s/tick1", c.dir);
	copy_tree(path, c.root);
	case_read(&c);
	for (unsigned tick = 1; stat(path, &st) == 0; tick++) {
		copy_tree(path, c.root);
		case_tick(&c, tick);
		snprintf(path, sizeof(path), "%s/tick%u", c.dir, tick + 1);
	}
	for (unsigned i = 0; i < c.n; i++)
		run_close(&c.run[i]);

	snprintf(path, sizeof(path), "%s/expected", c.dir);
	expected = slurp(path, &len);
	if (expected == NULL || getenv("BL_TEST_SHOW") != NULL)
		printf("== %s\n%s", name, c.rec->text);
	good = expected != NULL && texts_agree(name, c.rec->text, expected);
	free(expected);
	free(c.rec);
	remove_tree(c.root);
	return good;
}

static void
every_tree_gives_what_it_should(void **state)
{
	DIR *dir = opendir(BL_TEST_DATA "/proc");
	struct dirent *e;
	unsigned n = 0;
	unsigned bad = 0;

	(void)state;
	assert_non_null(dir);
	while ((e = readdir(dir)) != NULL) {
		char path[600];
		struct stat st;

		snprintf(path, sizeof(path), BL_TEST_DATA "/proc/%s/case", e->d_name);
		if (e->d_name[0] == '.' || stat(path, &st) < 0)
			continue;
		n++;
		bad += case_run(e->d_name) ? 0 : 1;
	}
	closedir(dir);
	assert_true(n >= 10);
	assert_int_equal(bad, 0);
}

/* ---- every file cut at every byte ---- */

struct target {
	const char *kind;
	const char *file;
};

static const struct target targets[] = {
	{ "cpu", "/proc/stat" },
	{ "cpu", "/proc/loadavg" },
	{ "memory", "/proc/meminfo" },
	{ "disk", "/proc/self/mountinfo" },
	{ "disk", "/proc/diskstats" },
	{ "network", "/proc/net/dev" },
	{ "self", "/proc/self/statm" },
	{ "memory", "/proc/vmstat" },
	{ "pressure", "/proc/pressure/io" },
	{ "tcp", "/proc/net/snmp" },
	{ "tcp", "/proc/net/netstat" },
	{ "tcp", "/proc/net/sockstat" },
	{ "kernel", "/proc/sys/fs/file-nr" },
};

/*
 * The text is followed by nothing: a heap copy of exactly that length goes
 * through the pure parsers in the cases above; here the whole sampler meets it.
 */
static void
a_file_cut_anywhere_never_hurts(void **state)
{
	struct recorder *rec = calloc(1, sizeof(*rec));
	char root[128];

	(void)state;
	assert_non_null(rec);
	root_make(root, sizeof(root));
	copy_tree(BL_TEST_DATA "/proc/debian12/tick1", root);
	copy_tree(BL_TEST_DATA "/proc/memory-details/tick1", root);
	copy_tree(BL_TEST_DATA "/proc/pressure/tick1", root);
	copy_tree(BL_TEST_DATA "/proc/tcp/tick1", root);
	copy_tree(BL_TEST_DATA "/proc/kernel/tick1", root);
	for (size_t t = 0; t < sizeof(targets) / sizeof(targets[0]); t++) {
		struct sample_sink sink = sink_of(rec);
		struct running run;
		char path[512];
		size_t len;
		char *text;

		snprintf(path, sizeof(path), "%s%s", root, targets[t].file);
		text = slurp(path, &len);
		assert_non_null(text);
		for (size_t n = 0; n < len; n += 1 + len / 400) {
			put_file(path, text, n);
			run_open(&run, ops_of(targets[t].kind), "{}", root);
			for (int64_t tick = 1; tick <= 2; tick++) {
				struct bl_err err = { 0 };

				rec_tick(rec);
				rec->len = 0;
				(void)run.ops->sample(run.s, tick * 3600000, &sink, &err);
			}
			run_close(&run);
		}
		put_file(path, text, len);
		free(text);
	}
	remove_tree(root);
	free(rec);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_tree_gives_what_it_should),
		cmocka_unit_test(a_file_cut_anywhere_never_hurts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
