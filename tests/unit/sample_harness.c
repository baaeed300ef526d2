/* What the tests of the samplers share. */
#include "sample_harness.h"

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
#include <unistd.h>

#include "branchline/catalogue.h"

/* ---- a sink that writes down what it is given; allocates nothing ---- */

static void
key_of(char *out, size_t size, const struct bl_series_def *def)
{
	if (def->n_labels == 0)
		snprintf(out, size, "%.*s", (int)def->name.len, def->name.p);
	else
		snprintf(out, size, "%.*s{%.*s}", (int)def->name.len, def->name.p,
		    (int)def->label[0].value.len, def->label[0].value.p);
}

/* Every series has its row in the catalogue, with the same kind and unit. */
static void
in_catalogue(const struct bl_series_def *def)
{
	const struct bl_metric *m = bl_catalogue_find(def->name.p, def->name.len);

	if (m == NULL)
		fail_msg("%.*s has no row in shared/catalogue", (int)def->name.len, def->name.p);
	assert_int_equal(m->kind, def->kind);
	assert_int_equal(strlen(m->unit), def->unit.len);
	assert_memory_equal(m->unit, def->unit.p, def->unit.len);
}

static int32_t
rec_declare(void *ctx, const struct bl_series_def *def)
{
	struct recorder *r = ctx;
	char key[sizeof(r->key[0])];

	assert_int_equal(def->stream, BL_STREAM_HOST);
	assert_true(def->kind == BL_GAUGE || def->kind == BL_COUNTER);
	assert_true(def->interval_ms > 0 && def->interval_ms % 10000 == 0); /* whole ticks */
	assert_true(def->name.len > 0 && def->name.len <= BL_NAME_MAX);
	assert_true(def->unit.len > 0);
	assert_true(def->n_labels <= 1);
	in_catalogue(def);
	key_of(key, sizeof(key), def);
	for (int i = 0; i < r->n; i++)
		if (strcmp(r->key[i], key) == 0)
			return i;
	if (r->n == SERIES_MAX || (r->refuse_from > 0 && r->n >= r->refuse_from))
		return BL_EFULL;
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

static void
rec_left_out(void *ctx, const char *name, unsigned n)
{
	struct recorder *r = ctx;

	(void)name;
	r->left_out += n;
}

struct sample_sink
sink_of(struct recorder *r)
{
	return (
	    struct sample_sink){ r, rec_declare, rec_put, rec_unknown, rec_left_out, rec_event };
}

void
rec_tick(struct recorder *r)
{
	memset(r->put, 0, sizeof(r->put));
}

double
value_of(const struct recorder *r, const char *key)
{
	for (int i = 0; i < r->n; i++)
		if (strcmp(r->key[i], key) == 0 && r->put[i])
			return r->value[i];
	fail_msg("%s was not put", key);
	return NAN;
}

/* ---- files ---- */

char *
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

void
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

void
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

void
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

void
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

void
root_make(char *root, size_t size)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(root, size, "%s/bl-sample-XXXXXX", tmp != NULL ? tmp : "/tmp");
	assert_non_null(mkdtemp(root));
}

/* ---- running samplers ---- */

void
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

void
run_close(struct running *r)
{
	r->ops->close(r->s);
	bl_conf_release(r->ops->options, r->conf);
	free(r->conf);
}

const struct sampler_ops *
ops_of(const char *kind)
{
	for (size_t i = 0; samplers[i] != NULL; i++)
		if (strcmp(samplers[i]->kind, kind) == 0)
			return samplers[i];
	fail_msg("no sampler %s", kind);
	return NULL;
}

void
options_refused(const char *kind, const char *options)
{
	const struct bl_conf_section *table = ops_of(kind)->options;
	struct bl_conf_errors errors = { 0 };
	struct bl_err err = { 0 };
	void *conf = calloc(1, table->size);

	assert_non_null(conf);
	if (bl_conf_parse(kind, options, strlen(options), table, conf, &errors, &err) != BL_EINVAL)
		fail_msg("taken: %s", options);
	bl_conf_errors_free(&errors);
	free(conf);
}
