/*
 * The samplers over trees that look like /proc of several kernels, whole and
 * broken (tests/data/proc/README.md), and over the machine that runs this.
 *
 * A case is a folder: tick1, tick2 ... hold the files of each tick, `expected`
 * what must have been put.  Adding one needs no C.
 */
#include "sample_internal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- counting allocations, with and without sanitizers ---- */

static unsigned long allocations;

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

#ifdef SANITIZED
int __sanitizer_install_malloc_and_free_hooks(
    void (*on_malloc)(const volatile void *, size_t), void (*on_free)(const volatile void *));

static void
on_malloc(const volatile void *p, size_t n)
{
	(void)p;
	(void)n;
	allocations++;
}

static void
on_free(const volatile void *p)
{
	(void)p;
}

static void
count_allocations(void)
{
	assert_true(__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free) > 0);
}
#else
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

void *
malloc(size_t n)
{
	allocations++;
	return __libc_malloc(n);
}

void *
calloc(size_t n, size_t size)
{
	allocations++;
	return __libc_calloc(n, size);
}

void *
realloc(void *p, size_t n)
{
	allocations++;
	return __libc_realloc(p, n);
}

static void
count_allocations(void)
{
}
#endif

/* ---- a sink that writes down what it is given; allocates nothing ---- */

#define SERIES_MAX 512

struct recorder {
	char key[SERIES_MAX][BL_NAME_MAX + BL_LABEL_VALUE_MAX + 4];
	double value[SERIES_MAX]; /* of the last tick; NAN: unknown */
	bool put[SERIES_MAX];
	int n;
	int refuse_from; /* handles from here on are refused */
	unsigned n_put, n_unknown;
	size_t len;
	char text[64 * 1024];
};

static void
key_of(char *out, size_t size, const struct bl_series_def *def)
{
	if (def->n_labels == 0)
		snprintf(out, size, "%.*s", (int)def->name.len, def->name.p);
	else
		snprintf(out, size, "%.*s{%.*s}", (int)def->name.len, def->name.p,
		    (int)def->label[0].value.len, def->label[0].value.p);
}

static int32_t
rec_declare(void *ctx, const struct bl_series_def *def)
{
	struct recorder *r = ctx;
	char key[sizeof(r->key[0])];

	assert_int_equal(def->stream, BL_STREAM_HOST);
	assert_true(def->kind == BL_GAUGE || def->kind == BL_COUNTER);
	assert_int_equal(def->interval_ms, 10000);
	assert_true(def->name.len > 0 && def->name.len <= BL_NAME_MAX);
	assert_true(def->unit.len > 0);
	assert_true(def->n_labels <= 1);
	key_of(key, sizeof(key), def);
	for (int i = 0; i < r->n; i++)
		if (strcmp(r->key[i], key) == 0)
			return i;
	if (r->n == SERIES_MAX || (r->refuse_from > 0 && r->n >= r->refuse_from))
		return -1;
	memcpy(r->key[r->n], key, sizeof(key));
	return r->n++;
}

static void
note(struct recorder *r, int32_t handle, double v, const char *text)
{
	assert_in_range(handle, 0, r->n - 1);
	assert_false(r->put[handle]); /* one value per series and tick */
	r->put[handle] = true;
	r->value[handle] = v;
	r->len += (size_t)snprintf(
	    r->text + r->len, sizeof(r->text) - r->len, "%s %s\n", r->key[handle], text);
	assert_true(r->len < sizeof(r->text));
}

static void
rec_put(void *ctx, int32_t handle, double value)
{
	char text[40];

	/* What is put is the double nearest to its short decimal text: the codec stores those
	 * small. */
	snprintf(text, sizeof(text), "%.15g", value);
	assert_true(fabs(value) >= 1e15 || strtod(text, NULL) == value);
	note(ctx, handle, value, text);
	((struct recorder *)ctx)->n_put++;
}

static void
rec_unknown(void *ctx, int32_t handle, enum bl_unknown reason)
{
	static const char *const name[] = { "known?", "unreadable", "timeout", "unsupported",
		"late" };

	note(ctx, handle, NAN, name[reason]);
	((struct recorder *)ctx)->n_unknown++;
}

static void
rec_event(void *ctx, const struct bl_event *ev)
{
	(void)ctx;
	(void)ev;
	fail_msg("a sampler has no events");
}

static struct sample_sink
sink_of(struct recorder *r)
{
	return (struct sample_sink){ r, rec_declare, rec_put, rec_unknown, rec_event };
}

static void
rec_tick(struct recorder *r)
{
	memset(r->put, 0, sizeof(r->put));
}

static double
value_of(const struct recorder *r, const char *key)
{
	for (int i = 0; i < r->n; i++)
		if (strcmp(r->key[i], key) == 0 && r->put[i])
			return r->value[i];
	fail_msg("%s was not put", key);
	return NAN;
}

/* ---- files ---- */

static char *
slurp(const char *path, size_t *len)
{
	FILE *f = fopen(path, "r");
	char *text;

	if (f == NULL)
		return NULL;
	text = calloc(1, 512 * 1024);
	assert_non_null(text);
	*len = fread(text, 1, 512 * 1024 - 1, f);
	fclose(f);
	return text;
}

static void
make_folders(char *path)
{
	for (char *p = path + 1; *p != '\0'; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
		*p = '/';
	}
}

/* Writes over a file that is there, as /proc changes under an open descriptor. */
static void
put_file(const char *path, const char *text, size_t len)
{
	char copy[1024];
	int fd;

	snprintf(copy, sizeof(copy), "%s", path);
	make_folders(copy);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	assert_int_equal(close(fd), 0);
}

static void
copy_tree(const char *from, const char *to)
{
	DIR *dir = opendir(from);
	struct dirent *e;

	assert_non_null(dir);
	while ((e = readdir(dir)) != NULL) {
		char a[1024];
		char b[1024];
		struct stat st;
		size_t len;
		char *text;

		if (e->d_name[0] == '.')
			continue;
		snprintf(a, sizeof(a), "%s/%s", from, e->d_name);
		snprintf(b, sizeof(b), "%s/%s", to, e->d_name);
		assert_int_equal(stat(a, &st), 0);
		if (S_ISDIR(st.st_mode)) {
			copy_tree(a, b);
			continue;
		}
		text = slurp(a, &len);
		assert_non_null(text);
		put_file(b, text, len);
		free(text);
	}
	closedir(dir);
}

static void
remove_tree(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;

	if (dir == NULL)
		return;
	while ((e = readdir(dir)) != NULL) {
		char sub[1024];

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name);
		if (unlink(sub) < 0)
			remove_tree(sub);
	}
	closedir(dir);
	rmdir(path);
}

static void
root_make(char *root, size_t size)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(root, size, "%s/bl-sample-XXXXXX", tmp != NULL ? tmp : "/tmp");
	assert_non_null(mkdtemp(root));
}

/* ---- running samplers ---- */

struct running {
	const struct sampler_ops *ops;
	void *conf;
	struct sampler *s;
};

static void
run_open(struct running *r, const struct sampler_ops *ops, const char *options, const char *root)
{
	struct bl_conf_errors errors = { 0 };
	struct bl_err err = { 0 };

	r->ops = ops;
	r->conf = calloc(1, ops->options->size);
	assert_non_null(r->conf);
	if (bl_conf_parse(
		ops->kind, options, strlen(options), ops->options, r->conf, &errors, &err) < 0)
		fail_msg("%s", errors.n_kept > 0 ? errors.line[0] : err.msg);
	bl_conf_errors_free(&errors);
	if (ops->open(&r->s, r->conf, root, 10000, &err) < 0)
		fail_msg("%s", err.msg);
}

static void
run_close(struct running *r)
{
	r->ops->close(r->s);
	bl_conf_release(r->ops->options, r->conf);
	free(r->conf);
}

static const struct sampler_ops *
ops_of(const char *kind)
{
	for (size_t i = 0; samplers[i] != NULL; i++)
		if (strcmp(samplers[i]->kind, kind) == 0)
			return samplers[i];
	fail_msg("no sampler %s", kind);
	return NULL;
}

/* ---- the cases ---- */

struct proc_case {
	char dir[512];
	char root[128];
	unsigned n;
	struct running run[8];
	struct recorder *rec;
};

/* "sampler cpu", "option exclude: [eth0]" (of the sampler before it), "mkdir /mnt/x" */
static void
case_read(struct proc_case *c)
{
	char path[600];
	char options[8][512] = { "" };
	const struct sampler_ops *ops[8];
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
		} else {
			assert_int_equal(line[0], '#');
		}
	}
	free(text);
	for (unsigned i = 0; i < c->n; i++)
		run_open(&c->run[i], ops[i], options[i][0] != '\0' ? options[i] : "{}", c->root);
}

static void
case_tick(struct proc_case *c, unsigned tick)
{
	struct sample_sink sink = sink_of(c->rec);

	c->rec->len += (size_t)snprintf(
	    c->rec->text + c->rec->len, sizeof(c->rec->text) - c->rec->len, "tick %u\n", tick);
	rec_tick(c->rec);
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
				(void)run.ops->sample(run.s, tick * 10000, &sink, &err);
			}
			run_close(&run);
		}
		put_file(path, text, len);
		free(text);
	}
	remove_tree(root);
	free(rec);
}

/* ---- the scanner ---- */

static void
numbers_are_read_or_refused(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t v;
	} c[] = {
		{ "0", true, 0 },
		{ "  42 7", true, 42 },
		{ "\t1\n", true, 1 },
		{ "18446744073709551615", true, UINT64_MAX },
		{ "18446744073709551616", false, 0 },
		{ "99999999999999999999999", false, 0 },
		{ "", false, 0 },
		{ "   ", false, 0 },
		{ "-1", false, 0 },
		{ "+1", false, 0 },
		{ "12kB", false, 0 },
		{ "0x10", false, 0 },
		{ "\n5", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		const size_t len = strlen(c[i].text);
		char *copy = malloc(len > 0 ? len : 1); /* its end is the end of the heap block */
		struct sample_scan s;
		uint64_t v = 0;

		assert_non_null(copy);
		memcpy(copy, c[i].text, len);
		s = (struct sample_scan){ copy, copy + len };
		assert_int_equal(sample_scan_u64(&s, &v), c[i].ok);
		assert_int_equal(v, c[i].v);
		free(copy);
	}
}

static void
decimals_are_the_nearest_double(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} c[] = {
		{ "0.08", true },
		{ "12.34", true },
		{ "0.1 ", true },
		{ "7", true },
		{ "7.", true },
		{ "123456789012.345", true },
		{ "1234567890123456", false },
		{ "1.2.3", false },
		{ ".", false },
		{ "nan", false },
		{ "1e3", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct sample_scan s = { c[i].text, c[i].text + strlen(c[i].text) };
		double v = -1;

		assert_int_equal(sample_scan_decimal(&s, &v), c[i].ok);
		if (c[i].ok)
			assert_true(v == strtod(c[i].text, NULL));
	}
}

static void
patterns_match_as_in_a_shell(void **state)
{
	static const struct {
		const char *pattern, *name;
		bool match;
	} c[] = {
		{ "eth0", "eth0", true },
		{ "eth0", "eth01", false },
		{ "eth?", "eth0", true },
		{ "eth?", "eth", false },
		{ "*", "", true },
		{ "*", "anything", true },
		{ "veth*", "veth1a2b", true },
		{ "veth*", "eth0", false },
		{ "*a*b", "xaxxab", true },
		{ "*a*b", "xaxxabc", false },
		{ "/mnt/*", "/mnt/a/b", true },
		{ "", "", true },
		{ "", "x", false },
		{ "a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++)
		assert_int_equal(sample_glob(c[i].pattern, c[i].name), c[i].match);
}

static void
labels_are_utf8_without_control_characters(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} c[] = {
		{ "/", true },
		{ "/mnt/\xe6\x95\xb0\xe6\x8d\xae", true },
		{ "", false },
		{ "a\nb", false },
		{ "a\x7f", false },
		{ "\xff", false },
		{ "\xc0\x80", false },
		{ "\xed\xa0\x80", false },
		{ "\xe6\x95", false },
		{ "\xf4\x90\x80\x80", false },
		{ "\xf0\x9f\x98\x80", true },
	};
	char longest[BL_LABEL_VALUE_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++)
		assert_int_equal(sample_label_valid(c[i].text, strlen(c[i].text)), c[i].ok);
	memset(longest, 'x', sizeof(longest));
	assert_true(sample_label_valid(longest, BL_LABEL_VALUE_MAX));
	assert_false(sample_label_valid(longest, BL_LABEL_VALUE_MAX + 1));
}

/* ---- things that vanish ---- */

static void
table_sample(struct running *run, struct recorder *rec, int64_t boot_ms)
{
	struct sample_sink sink = sink_of(rec);
	struct bl_err err = { 0 };

	rec_tick(rec);
	rec->len = 0;
	rec->n_put = 0;
	rec->n_unknown = 0;
	(void)run->ops->sample(run->s, boot_ms, &sink, &err);
}

static void
what_vanishes_is_unknown_for_a_bounded_time(void **state)
{
	static const char one[] = "h\nh\n eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";
	static const char none[] = "h\nh\n";
	struct recorder *rec = calloc(1, sizeof(*rec));
	struct running run;
	char root[128];
	char path[256];

	(void)state;
	assert_non_null(rec);
	root_make(root, sizeof(root));
	snprintf(path, sizeof(path), "%s/proc/net/dev", root);
	put_file(path, one, sizeof(one) - 1);
	run_open(&run, &sampler_network, "{}", root);
	table_sample(&run, rec, 1000);
	assert_int_equal(rec->n_put, 8);

	put_file(path, none, sizeof(none) - 1);
	table_sample(&run, rec, 11000);
	assert_int_equal(rec->n_unknown, 8);
	table_sample(&run, rec, 11000 + SAMPLE_GONE_MS - 1);
	assert_int_equal(rec->n_unknown, 8);
	table_sample(&run, rec, 11000 + SAMPLE_GONE_MS);
	assert_int_equal(rec->n_unknown, 0);

	/* Back again: the same eight series. */
	put_file(path, one, sizeof(one) - 1);
	table_sample(&run, rec, 11000 + SAMPLE_GONE_MS + 10000);
	assert_int_equal(rec->n_put, 8);
	assert_int_equal(rec->n, 8);

	/* An unreadable source says nothing about what vanished: unknown for as long as it lasts.
	 */
	assert_int_equal(truncate(path, 0), 0);
	table_sample(&run, rec, 11000 + SAMPLE_GONE_MS * 3);
	assert_int_equal(rec->n_unknown, 8);
	table_sample(&run, rec, 11000 + SAMPLE_GONE_MS * 5);
	assert_int_equal(rec->n_unknown, 8);
	run_close(&run);
	remove_tree(root);
	free(rec);
}

/* ---- this machine ---- */

static void
live_open(struct running run[8], unsigned *n)
{
	for (*n = 0; samplers[*n] != NULL; (*n)++)
		run_open(&run[*n], samplers[*n], "{}", "");
}

static void
live_tick(struct running *run, unsigned n, struct recorder *rec, int64_t boot_ms)
{
	struct sample_sink sink = sink_of(rec);

	rec_tick(rec);
	rec->len = 0;
	for (unsigned i = 0; i < n; i++) {
		struct bl_err err = { 0 };

		if (run[i].ops->sample(run[i].s, boot_ms, &sink, &err) < 0)
			fail_msg("%s", err.msg);
	}
}

/* Some CPU time must pass between two readings; burn it rather than sleep. */
static void
burn(double ms)
{
	struct timespec a;
	struct timespec b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	do
		clock_gettime(CLOCK_MONOTONIC, &b);
	while ((double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6 < ms);
}

static double
count_folders(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	double n = 0;

	assert_non_null(dir);
	while ((e = readdir(dir)) != NULL)
		n += e->d_name[0] >= '0' && e->d_name[0] <= '9' ? 1 : 0;
	closedir(dir);
	return n;
}

static void
this_machine_gives_plausible_values(void **state)
{
	struct recorder *rec = calloc(1, sizeof(*rec));
	struct running run[8];
	unsigned n;
	double sum = 0;

	(void)state;
	assert_non_null(rec);
	live_open(run, &n);
	live_tick(run, n, rec, 123456789);
	for (int i = 0; i < rec->n; i++) /* no percent without two readings */
		assert_true(strncmp(rec->key[i], "cpu_used", 8) != 0 &&
			    strncmp(rec->key[i], "cpu_mode", 8) != 0);
	burn(60);
	live_tick(run, n, rec, 123466789);

	for (int i = 0; i < rec->n; i++)
		if (strncmp(rec->key[i], "cpu_mode", 8) == 0)
			sum += rec->value[i];
	assert_true(fabs(sum - 100.0) < 0.1);
	assert_true(value_of(rec, "cpu_used_pct") > 0 && value_of(rec, "cpu_used_pct") <= 100);
	assert_true(value_of(rec, "cpu_count") == (double)sysconf(_SC_NPROCESSORS_ONLN));
	assert_true(value_of(rec, "load1") >= 0);
	assert_true(value_of(rec, "processes_running") >= 1);
	if (!isnan(value_of(rec, "processes_total")))
		assert_true(fabs(value_of(rec, "processes_total") - count_folders("/proc")) < 40);
	assert_true(value_of(rec, "memory_total_bytes") > 32e6);
	assert_true(value_of(rec, "memory_used_bytes") < value_of(rec, "memory_total_bytes"));
	assert_true(value_of(rec, "memory_used_pct") > 0);
	assert_true(value_of(rec, "uptime_s") == 123466);
	assert_true(value_of(rec, "agent_cpu_ms_total") > 50);
	assert_true(value_of(rec, "agent_resident_bytes") > 500e3);
	assert_true(value_of(rec, "agent_threads") == count_folders("/proc/self/task"));
	/* The listing itself holds a descriptor open. */
	assert_true(value_of(rec, "agent_open_files") == count_folders("/proc/self/fd") - 1);
	for (unsigned i = 0; i < n; i++)
		run_close(&run[i]);
	free(rec);
}

static void
a_tick_allocates_nothing(void **state)
{
	struct recorder *rec = calloc(1, sizeof(*rec));
	struct running run[8];
	unsigned long before;
	void *volatile block;
	unsigned n;

	(void)state;
	assert_non_null(rec);
	live_open(run, &n);
	live_tick(run, n, rec, 1000);
	live_tick(run, n, rec, 2000);
	before = allocations;
	for (int64_t tick = 3; tick < 53; tick++)
		live_tick(run, n, rec, tick * 1000);
	assert_int_equal(allocations, before);
	block = malloc(1);
	free(block);
	assert_true(allocations > before); /* it does count */
	for (unsigned i = 0; i < n; i++)
		run_close(&run[i]);
	free(rec);
}

static void
a_refused_series_is_asked_for_once(void **state)
{
	struct recorder *rec = calloc(1, sizeof(*rec));
	struct running run[8];
	unsigned n;

	(void)state;
	assert_non_null(rec);
	rec->refuse_from = 5;
	live_open(run, &n);
	live_tick(run, n, rec, 1000);
	live_tick(run, n, rec, 2000);
	assert_int_equal(rec->n, 5);
	rec->refuse_from = 0;
	live_tick(run, n, rec, 3000);
	assert_in_range(rec->n, 5, 14); /* but for the percentages, first due in the second tick */
	for (unsigned i = 0; i < n; i++)
		run_close(&run[i]);
	free(rec);
}

static void
a_disabled_sampler_puts_nothing(void **state)
{
	struct recorder *rec = calloc(1, sizeof(*rec));
	struct sample_sink sink;
	struct bl_err err = { 0 };

	(void)state;
	assert_non_null(rec);
	sink = sink_of(rec);
	for (size_t i = 0; samplers[i] != NULL; i++) {
		struct running run;

		run_open(&run, samplers[i], "enabled: false\n", "");
		assert_int_equal(run.ops->sample(run.s, 1000, &sink, &err), BL_OK);
		run_close(&run);
		samplers[i]->close(NULL);
	}
	assert_int_equal(rec->n, 0);
	free(rec);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_read_or_refused),
		cmocka_unit_test(decimals_are_the_nearest_double),
		cmocka_unit_test(patterns_match_as_in_a_shell),
		cmocka_unit_test(labels_are_utf8_without_control_characters),
		cmocka_unit_test(every_tree_gives_what_it_should),
		cmocka_unit_test(a_file_cut_anywhere_never_hurts),
		cmocka_unit_test(what_vanishes_is_unknown_for_a_bounded_time),
		cmocka_unit_test(this_machine_gives_plausible_values),
		cmocka_unit_test(a_tick_allocates_nothing),
		cmocka_unit_test(a_refused_series_is_asked_for_once),
		cmocka_unit_test(a_disabled_sampler_puts_nothing),
	};

	count_allocations();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
