#include "compact_crash_kit.h"

#include <dirent.h>
#include <sqlite3.h>
#include <sys/stat.h>

const char *const crash_devices[] = { "kiosk-1", "kiosk-2", "till-3", "till-4" };

#define FROM (OFFSET - 4 * (int64_t)HOUR)
#define TO   (OFFSET + 8 * (int64_t)HOUR)

/* ---- copies ---- */

static void
copy_file(const char *from, const char *to)
{
	static char buf[1 << 16];
	FILE *in = fopen(from, "re"), *out = fopen(to, "we");
	size_t n;

	assert_non_null(in);
	assert_non_null(out);
	while ((n = fread(buf, 1, sizeof(buf), in)) > 0)
		assert_int_equal(fwrite(buf, 1, n, out), n);
	(void)fclose(in);
	assert_int_equal(fclose(out), 0);
}

void
crash_copy(const char *from, const char *to)
{
	DIR *d = opendir(from);
	const struct dirent *e;
	struct stat st;
	char a[700], b[700];

	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(a, sizeof(a), "%s/%s", from, e->d_name);
		(void)snprintf(b, sizeof(b), "%s/%s", to, e->d_name);
		assert_int_equal(stat(a, &st), 0);
		if (S_ISDIR(st.st_mode)) {
			assert_int_equal(mkdir(b, 0700), 0);
			crash_copy(a, b);
		} else {
			copy_file(a, b);
		}
	}
	(void)closedir(d);
}

/* ---- answers ---- */

struct asking {
	struct text t;
	struct store_read *r;
	bool spans; /* of series, too */
	int64_t ids[8];
	size_t n;
};

static bool
keep_series(void *ctx, const struct store_series *s)
{
	struct asking *a = ctx;

	assert_true(a->n < 8);
	a->ids[a->n++] = s->id;
	if (a->spans)
		say(&a->t, "series %lld %s %s %lld..%lld\n", (long long)s->id, s->name,
		    s->labels_json, (long long)s->first_unix_ms, (long long)s->last_unix_ms);
	return true;
}

static bool
say_sample(void *ctx, const struct store_log_sample *s)
{
	struct asking *a = ctx;

	say(&a->t, "%zu %lld %.17g %u b%lld %u %lld %.17g\n", s->series, (long long)s->unix_ms,
	    s->value, s->unknown, (long long)s->boot, s->thin.count, (long long)s->before_ms,
	    s->before);
	return true;
}

static bool
say_value(void *ctx, const struct store_log_sample *s)
{
	struct asking *a = ctx;

	say(&a->t, "%zu %.17g\n", s->series, s->value);
	return true;
}

static void
say_span(void *ctx, bool gone, int64_t begin, int64_t end)
{
	struct asking *a = ctx;

	say(&a->t, "%s %lld..%lld\n", gone ? "gone" : "covered", (long long)begin, (long long)end);
}

static bool
say_latest(void *ctx, const struct store_latest *l)
{
	struct asking *a = ctx;

	say(&a->t, "latest %s %lld %lld %.17g\n", l->device, (long long)l->series,
	    (long long)l->unix_ms, l->known ? l->value : 0.0);
	return true;
}

static bool
say_event(void *ctx, const struct store_event *e)
{
	struct asking *a = ctx;

	say(&a->t, "event %lld\n", (long long)e->unix_ms);
	return true;
}

static bool
say_device(void *ctx, const struct store_device *d)
{
	struct asking *a = ctx;

	say(&a->t, "device %s %d %llu %llu %llu\n", d->device, d->conflict,
	    (unsigned long long)d->gaps, (unsigned long long)d->batches,
	    (unsigned long long)d->samples);
	return true;
}

static void
say_query(struct asking *a, int64_t step)
{
	const struct store_query q = { .series = a->ids,
		.n_series = a->n,
		.from_unix_ms = FROM,
		.to_unix_ms = TO,
		.step_ms = step };
	struct store_query_result *res;
	struct bl_err err = { 0 };

	must(store_read_query(a->r, &q, &res, &err), &err);
	for (size_t k = 0; k < res->n_series; k++)
		for (size_t i = 0; i < res->n_steps; i++)
			if (res->series[k].n[i] > 0)
				say(&a->t, "%zu %zu %llu %.17g %.17g %.17g\n", k, i,
				    (unsigned long long)res->series[k].n[i], res->series[k].min[i],
				    res->series[k].max[i], res->series[k].mean[i]);
	store_query_free(res);
}

static void
ask(struct asking *a, struct kit *k)
{
	memset(a, 0, sizeof(*a));
	a->r = k->r;
	store_read_use_parts(a->r, k->parts);
	say(&a->t, "%s", "");
}

static void
ask_samples(struct asking *a, size_t device, bool (*cb)(void *, const struct store_log_sample *))
{
	struct bl_err err = { 0 };

	must(store_log_samples(
		 a->r, crash_devices[device], BL_STREAM_HOST, a->ids, a->n, FROM, TO, cb, a, &err),
	    &err);
}

static bool
knows(struct asking *a, size_t device)
{
	struct bl_err err = { 0 };
	int rc;

	a->n = 0;
	rc = store_read_series(a->r, crash_devices[device], keep_series, a, &err);
	if (rc != BL_ENOTFOUND)
		must(rc, &err);
	return a->n > 0;
}

char *
crash_answers(struct kit *k)
{
	static const char *const names[] = { "m1", "m2" };
	struct bl_err err = { 0 };
	struct asking a;

	ask(&a, k);
	a.spans = true;
	for (size_t i = 0; i < CRASH_DEVICES; i++) {
		if (!knows(&a, i))
			continue;
		ask_samples(&a, i, say_sample);
		must(store_log_coverage(
			 a.r, crash_devices[i], BL_STREAM_HOST, FROM, TO, say_span, &a, &err),
		    &err);
		must(store_read_events(
			 a.r, crash_devices[i], 0, INT64_MAX / 8, 100, say_event, &a, &err),
		    &err);
		say_query(&a, 5 * (int64_t)MINUTE);
	}
	must(store_read_latest(a.r, names, 2, say_latest, &a, &err), &err);
	must(store_read_devices(a.r, say_device, &a, &err), &err);
	return a.t.p;
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char *
crash_values(struct kit *k)
{
	struct asking a;
	char *out, *at;
	char **line;
	size_t n = 0;

	ask(&a, k);
	for (size_t i = 0; i < CRASH_DEVICES; i++) {
		if (!knows(&a, i))
			continue;
		say(&a.t, "of %zu\n", i);
		ask_samples(&a, i, say_value);
	}
	line = calloc(a.t.len + 1, sizeof(*line));
	out = at = calloc(a.t.len + 2, 1);
	assert_non_null(line);
	assert_non_null(out);
	for (char *save = NULL, *s = strtok_r(a.t.p, "\n", &save); s != NULL;
	     s = strtok_r(NULL, "\n", &save))
		line[n++] = s;
	qsort(line, n, sizeof(*line), by_text);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || strcmp(line[i], line[i - 1]) != 0)
			at += sprintf(at, "%s\n", line[i]);
	free(line);
	free(a.t.p);
	return out;
}

char *
crash_manifest(struct kit *k)
{
	static const char *const tables[] = { "part WHERE raw_bytes > 0", "part WHERE m5_bytes > 0",
		"part WHERE h1_bytes > 0", "part_device", "part_hidden", "part_dead", "batch",
		"pack_due", "pack_mark" };
	struct text t = { 0 };

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		char sql[100];

		(void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", tables[i]);
		say(&t, "%s: %lld\n", tables[i], (long long)count(k, sql));
	}
	return t.p;
}

void
crash_same(char *is, const char *expected, const char *what, const char *when)
{
	size_t i = 0, line = 0;

	for (; is[i] == expected[i] && is[i] != '\0'; i++)
		if (is[i] == '\n')
			line = i + 1;
	if (is[i] != expected[i])
		fail_msg("%s: %s: expected\n%.200s\nthere is\n%.200s", when, what, expected + line,
		    is + line);
	free(is);
}

/* ---- files ---- */

#define FILES_MAX 32u

struct files {
	unsigned n;
	struct one_file {
		enum parts_level level;
		int64_t hour, bytes;
	} f[FILES_MAX];
};

static bool
add_file(void *ctx, enum parts_level level, int64_t hour, int64_t bytes, int64_t blocks)
{
	struct files *l = ctx;

	(void)blocks;
	assert_true(l->n < FILES_MAX);
	l->f[l->n++] = (struct one_file){ level, hour, bytes };
	return true;
}

/* Zeroes what rows name; where that ends. */
static int64_t
blank_named(struct kit *k, const struct one_file *f, uint8_t *bytes)
{
	static const char *const level[] = { "raw", "m5", "h1" };
	int64_t from, to, end = 0;
	sqlite3_stmt *st;
	sqlite3 *db;
	char sql[500];

	parts_period(f->level, f->hour, &from, &to);
	(void)snprintf(sql, sizeof(sql),
	    "SELECT %s_offset, %s_bytes FROM part WHERE %s_bytes > 0 AND hour_unix_ms >= ?1"
	    " AND hour_unix_ms < ?2 UNION ALL SELECT offset, bytes FROM part_dead"
	    " WHERE level = ?3 AND hour_unix_ms >= ?1 AND hour_unix_ms < ?2",
	    level[f->level], level[f->level], level[f->level]);
	assert_int_equal(sqlite3_open_v2(k->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	assert_int_equal(sqlite3_bind_int64(st, 1, from), SQLITE_OK);
	assert_int_equal(sqlite3_bind_int64(st, 2, to), SQLITE_OK);
	assert_int_equal(sqlite3_bind_int64(st, 3, f->level), SQLITE_OK);
	while (sqlite3_step(st) == SQLITE_ROW) {
		const int64_t at = sqlite3_column_int64(st, 0), n = sqlite3_column_int64(st, 1);

		assert_true(at >= 0 && n > 0 && at + n <= f->bytes);
		memset(bytes + at, 0, (size_t)n);
		end = at + n > end ? at + n : end;
	}
	assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return end;
}

static void
check_file(struct kit *k, const struct one_file *f, bool to_the_end, const char *when)
{
	static const char *const name[] = { "raw", "five minutes", "hours" };
	uint8_t *bytes = calloc((size_t)f->bytes + 1, 1);
	const struct parts_region g = { 0, f->hour, f->level, 0, f->bytes };
	struct bl_err err = { 0 };
	int64_t end;

	assert_non_null(bytes);
	must(parts_read(k->parts, &g, 0, bytes, (size_t)f->bytes, &err), &err);
	end = blank_named(k, f, bytes);
	if (to_the_end && end != f->bytes)
		fail_msg("%s: a file of %s has %lld bytes, of which %lld are named", when,
		    name[f->level], (long long)f->bytes, (long long)end);
	for (int64_t i = 0; i < f->bytes; i++)
		if (bytes[i] != 0)
			fail_msg("%s: byte %lld of a file of %s is nobody's", when, (long long)i,
			    name[f->level]);
	free(bytes);
}

void
crash_check_files(struct kit *k, bool to_the_end, const char *when)
{
	struct files l = { .n = 0 };
	struct bl_err err = { 0 };

	must(parts_files(k->parts, add_file, &l, &err), &err);
	for (unsigned i = 0; i < l.n; i++)
		check_file(k, &l.f[i], to_the_end, when);
}
