#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "folder.h"
#include "kpi_kit.h"

#include "branchline/expr.h"
#include "branchline/log.h"

#include "control.h"
#include "control_sql.h"

/* ---- the telemetry store ---- */

int __wrap_store_log_series(struct store_read *r, const char *device, const char *metric,
    store_log_series_cb cb, void *ctx, struct bl_err *err);
int __wrap_store_log_samples(struct store_read *r, const char *device, enum bl_stream stream,
    const int64_t *ids, size_t n, int64_t from, int64_t to, store_log_sample_cb cb, void *ctx,
    struct bl_err *err);
int __wrap_store_log_coverage(struct store_read *r, const char *device, enum bl_stream stream,
    int64_t from, int64_t to, store_log_span_cb cb, void *ctx, struct bl_err *err);

static struct kit *
kit_of(struct store_read *r)
{
	return (struct kit *)(void *)r;
}

int
__wrap_store_log_series(struct store_read *r, const char *device, const char *metric,
    store_log_series_cb cb, void *ctx, struct bl_err *err)
{
	const struct kit *k = kit_of(r);

	(void)err;
	for (size_t i = 0; i < k->n_series; i++) {
		const struct kit_series *s = &k->series[i];
		const struct store_log_series row = { s->id, s->labels, s->kind, s->stream,
			s->interval_ms };

		if (strcmp(s->device, device) == 0 && strcmp(s->metric, metric) == 0 &&
		    !cb(ctx, &row))
			break;
	}
	return BL_OK;
}

static bool
tell_samples(const struct kit_batch *b, const int64_t *ids, size_t n, int64_t from, int64_t to,
    store_log_sample_cb cb, void *ctx)
{
	for (size_t k = 0; k < n; k++)
		for (size_t i = 0; i < b->n; i++) {
			const struct kit_sample *s = &b->sample[i];
			const struct store_log_sample row = { k, s->unix_ms, s->value, s->unknown,
				b->boot, s->unix_ms + b->set_back_ms, s->thin, s->before_ms,
				s->before };

			if (s->series == ids[k] && s->unix_ms >= from && s->unix_ms < to &&
			    !cb(ctx, &row))
				return false;
		}
	return true;
}

static bool
is_of(const struct kit_batch *b, const char *device, enum bl_stream stream)
{
	return b->stream == stream && strcmp(b->device, device) == 0;
}

/* Batches are made in order of time. */
int
__wrap_store_log_samples(struct store_read *r, const char *device, enum bl_stream stream,
    const int64_t *ids, size_t n, int64_t from, int64_t to, store_log_sample_cb cb, void *ctx,
    struct bl_err *err)
{
	struct kit *k = kit_of(r);

	(void)err;
	k->reads++;
	for (size_t i = 1; i < n; i++)
		assert_true(ids[i - 1] < ids[i]);
	for (size_t i = 0; i < k->n_batches; i++)
		if (k->batch[i].here && is_of(&k->batch[i], device, stream) &&
		    k->batch[i].begin < to && k->batch[i].end > from &&
		    !tell_samples(&k->batch[i], ids, n, from, to, cb, ctx))
			break;
	return BL_OK;
}

int
__wrap_store_log_coverage(struct store_read *r, const char *device, enum bl_stream stream,
    int64_t from, int64_t to, store_log_span_cb cb, void *ctx, struct bl_err *err)
{
	const struct kit *k = kit_of(r);

	(void)err;
	for (size_t i = 0; i < k->n_batches; i++) {
		const struct kit_batch *b = &k->batch[i];
		const int64_t begin = b->begin > from ? b->begin : from;
		const int64_t end = b->end < to ? b->end : to;

		if (is_of(b, device, stream) && (b->here || b->gone) && begin < end)
			cb(ctx, !b->here, begin, end);
	}
	return BL_OK;
}

int64_t
kit_series(struct kit *k, const char *device, const char *metric, const char *labels,
    enum bl_series_kind kind, enum bl_stream stream, uint32_t interval_ms)
{
	assert_true(k->n_series < sizeof(k->series) / sizeof(k->series[0]));
	k->series[k->n_series] = (struct kit_series){ (int64_t)k->n_series + 1, device, metric,
		labels, kind, stream, interval_ms };
	return k->series[k->n_series++].id;
}

struct kit_batch *
kit_batch(struct kit *k, const char *device, enum bl_stream stream, int64_t begin, int64_t end)
{
	assert_true(k->n_batches < k->batches_size);
	k->batch[k->n_batches] = (struct kit_batch){
		.device = device, .stream = stream, .begin = begin, .end = end, .boot = 1
	};
	return &k->batch[k->n_batches++];
}

static void
add_sample(struct kit_batch *b, const struct kit_sample *s)
{
	if (b->n == b->size) {
		b->size = b->size == 0 ? 16 : b->size * 2;
		b->sample = realloc(b->sample, b->size * sizeof(*b->sample));
		assert_non_null(b->sample);
	}
	b->sample[b->n++] = *s;
}

void
kit_sample(struct kit *k, struct kit_batch *b, int64_t series, int64_t unix_ms, double value)
{
	const struct kit_sample s = { .series = series, .unix_ms = unix_ms, .value = value };

	(void)k;
	add_sample(b, &s);
}

void
kit_thin(struct kit *k, struct kit_batch *b, const struct kit_sample *s)
{
	(void)k;
	add_sample(b, s);
}

void
kit_unknown(struct kit *k, struct kit_batch *b, int64_t series, int64_t unix_ms)
{
	const struct kit_sample s = { .series = series,
		.unix_ms = unix_ms,
		.value = (double)NAN,
		.unknown = BL_UNKNOWN_TIMEOUT };

	(void)k;
	add_sample(b, &s);
}

void
kit_ramp(struct kit *k, struct kit_batch *b, int64_t series, int64_t interval_ms)
{
	double value = 0;

	for (int64_t t = b->begin; t < b->end; t += interval_ms)
		kit_sample(k, b, series, t, value += 1);
}

/* ---- the control database ---- */

static void
run(struct kit *k, const char *sql)
{
	char *msg = NULL;

	if (sqlite3_exec(k->db, sql, NULL, NULL, &msg) != SQLITE_OK)
		fail_msg("%s: %s", sql, msg);
}

static void
copy_schema(struct kit *k)
{
	char dir[FOLDER_MAX], path[FOLDER_MAX + 16];
	struct control_opts opts = { .path = path, .clock = bl_clock_real() };
	struct control *c = NULL;
	struct bl_err err = { 0 };
	sqlite3_backup *copy;
	sqlite3 *from;

	folder_make(dir, "kpi");
	(void)snprintf(path, sizeof(path), "%s/control.db", dir);
	if (control_open(&c, &opts, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(control_read_begin(c, &from, &err), BL_OK);
	assert_int_equal(sqlite3_open(":memory:", &k->db), SQLITE_OK);
	copy = sqlite3_backup_init(k->db, "main", from, "main");
	assert_non_null(copy);
	assert_int_equal(sqlite3_backup_step(copy, -1), SQLITE_DONE);
	assert_int_equal(sqlite3_backup_finish(copy), SQLITE_OK);
	control_read_end(c, from);
	control_close(c);
	folder_remove(dir);
}

void
kit_open(struct kit *k)
{
	struct bl_err err = { 0 };

	memset(k, 0, sizeof(*k));
	bl_log_level_set(BL_LOG_WARN); /* not each migration */
	copy_schema(k);
	assert_int_equal(kpi_work_create(&k->work, &err), BL_OK);
	k->batches_size = 8192;
	k->batch = calloc(k->batches_size, sizeof(*k->batch));
	assert_non_null(k->batch);
	k->set.kpi = calloc(32, sizeof(*k->set.kpi));
	assert_non_null(k->set.kpi);
	k->now = KIT_T0;
}

void
kit_close(struct kit *k)
{
	kpi_work_free(k->work);
	kpi_changes_free(&k->changes);
	roster_free(k->roster);
	for (size_t i = 0; i < k->n_batches; i++)
		free(k->batch[i].sample);
	for (size_t i = 0; i < k->set.n_kpis; i++) {
		bl_expr_free(k->set.kpi[i].where);
		bl_expr_free(k->set.kpi[i].condition);
	}
	free(k->batch);
	free(k->set.kpi);
	assert_int_equal(sqlite3_close(k->db), SQLITE_OK);
}

void
kit_site(struct kit *k, const char *id, const char *zone)
{
	struct bl_err err = { 0 };

	if (control_sql_run(k->db, &err,
		"INSERT INTO site VALUES (?, ?, 'cn/east', ?, NULL, NULL, '{}', 0, 0, 0, 1)", "ttt",
		id, id, zone) < 0)
		fail_msg("%s", err.msg);
}

void
kit_service(struct kit *k, const char *device, const char *site, int64_t from, int64_t to)
{
	struct bl_err err = { 0 };

	if (control_sql_run(k->db, &err,
		"INSERT OR IGNORE INTO device VALUES (?, ?, ?, 0, 0, 0, 0, 1, NULL, NULL, NULL)",
		"ttt", device, device, site) < 0 ||
	    control_sql_run(k->db, &err, "INSERT INTO service VALUES (?, ?, nullif(?, 0), ?)",
		"tiit", device, from, to, site) < 0)
		fail_msg("%s", err.msg);
}

void
kit_roster(struct kit *k)
{
	struct bl_err err = { 0 };

	roster_free(k->roster);
	if (roster_load(&k->roster, k->db, NULL, &err) < 0)
		fail_msg("%s", err.msg);
}

/* ---- definitions ---- */

struct define_kpi *
kit_kpi(struct kit *k, const char *id, int64_t from)
{
	struct define_kpi *v = &k->set.kpi[k->set.n_kpis];
	int64_t version = 1;

	assert_true(k->set.n_kpis < 32);
	for (size_t i = 0; i < k->set.n_kpis; i++) {
		struct define_kpi *before = &k->set.kpi[i];

		assert_true(strcmp(before->head.id, id) <= 0);
		if (strcmp(before->head.id, id) != 0)
			continue;
		version = before->head.version + 1;
		before->head.until_unix_ms = from;
		*v = *before;
		v->where = v->condition = NULL;
	}
	if (version == 1) {
		v->source = DEFINE_SERIES;
		v->stream = BL_STREAM_HOST;
		v->function = BL_FN_MEAN;
		v->resolution = BL_WINDOW_1M;
		(void)snprintf(v->metric, sizeof(v->metric), "m");
		(void)snprintf(v->head.id, sizeof(v->head.id), "%s", id);
	}
	v->head.version = version;
	v->head.from_unix_ms = from;
	v->head.until_unix_ms = INT64_MAX;
	v->head.enabled = true;
	k->set.n_kpis++;
	k->set.versions++;
	return v;
}

static void
compile(struct bl_expr **out, const char *text, enum define_source source, bool condition)
{
	struct bl_expr_scope scope;
	struct bl_expr_error wrong = { 0 };
	struct bl_err err = { 0 };

	bl_expr_free(*out);
	*out = NULL;
	if (text[0] == '\0')
		return;
	define_expr_scope(source, condition, &scope);
	if (bl_expr_compile(out, text, strlen(text), &scope, BL_VALUE_BOOL, &wrong, &err) < 0)
		fail_msg("%s: %s", text, wrong.what);
}

void
kit_compile(struct kit *k)
{
	for (size_t i = 0; i < k->set.n_kpis; i++) {
		struct define_kpi *v = &k->set.kpi[i];

		compile(&v->where, v->where_text, v->source, false);
		compile(&v->condition, v->condition_text, v->source, true);
	}
	k->set.versions++;
}

/* ---- working out ---- */

static void
store(struct kit *k)
{
	struct bl_err err = { 0 };

	run(k, "BEGIN");
	if (kpi_store(k->work, k->db, &k->set, k->roster, k->now, "data came", &k->changes, &err) <
	    0)
		fail_msg("%s", err.msg);
	run(k, "COMMIT");
	kpi_work_reset(k->work);
}

void
kit_redo(struct kit *k, const char *device, enum bl_stream stream, int64_t begin, int64_t end)
{
	struct store_read *telemetry =
	    k->telemetry != NULL ? k->telemetry : (struct store_read *)(void *)k;
	struct bl_err err = { 0 };
	int64_t done = begin;

	kpi_changes_free(&k->changes);
	for (int64_t at = begin; at < end; at = done) {
		if (kpi_compute(k->work, telemetry, k->db, &k->set, k->roster, device, stream, at,
			end, NULL, &done, &err) < 0)
			fail_msg("%s", err.msg);
		assert_true(done > at); /* the work is empty each time */
		store(k);
	}
}

void
kit_arrive(struct kit *k, struct kit_batch *b)
{
	b->here = true;
	k->now += 1000;
	kit_redo(k, b->device, b->stream, b->begin, b->end);
}

/* ---- looking ---- */

struct seen {
	struct kit_cell c;
	int64_t begin;
};

static bool
on_cell(void *ctx, const struct kpi_cell *c)
{
	struct seen *s = ctx;

	if (c->begin_unix_ms == s->begin)
		s->c = (struct kit_cell){ true, c->known, c->ready, c->value, c->completeness, c->n,
			c->version, c->end_unix_ms, c->revisions, c->state };
	return true;
}

struct kit_cell
kit_cell(struct kit *k, const char *kpi, enum bl_window w, const char *site, int64_t begin)
{
	struct seen s = { .begin = begin };
	struct bl_err err = { 0 };

	if (kpi_cells(k->db, kpi, w, site, begin, begin + 1, 10, on_cell, &s, &err) < 0)
		fail_msg("%s", err.msg);
	return s.c;
}

int64_t
kit_count(struct kit *k, const char *sql)
{
	struct bl_err err = { 0 };
	int64_t n = -1;

	if (control_sql_int(k->db, &err, -1, &n, sql, "") < 0)
		fail_msg("%s", err.msg);
	return n;
}

char *
kit_dump(struct kit *k)
{
	static const char sql[] =
	    "SELECT group_concat(line, char(10)) FROM (SELECT concat_row AS line FROM ("
	    "SELECT 'cell ' || kpi || ' ' || window || ' ' || site || ' ' || begin_unix_ms || ' '"
	    " || end_unix_ms || ' ' || version || ' ' || coalesce(printf('%!.17g', value), 'null')"
	    " || ' ' || n || ' ' || printf('%!.17g', completeness) || ' ' || ready || ' ' || state"
	    " AS concat_row FROM kpi_cell UNION ALL "
	    "SELECT 'part ' || kpi || ' ' || window || ' ' || site || ' ' || begin_unix_ms || ' '"
	    " || device || ' ' || end_unix_ms || ' ' || version || ' ' || expected_ms || ' '"
	    " || covered_ms || ' ' || gone_ms || ' ' || hex(data) FROM kpi_part)"
	    " ORDER BY concat_row)";
	sqlite3_stmt *st;
	struct bl_err err = { 0 };
	char *text;

	if (control_sql_prepare(&st, k->db, &err, sql, "") < 0 || control_sql_step(st, &err) != 1)
		fail_msg("%s", err.msg);
	text = strdup(sqlite3_column_type(st, 0) == SQLITE_NULL
			  ? ""
			  : (const char *)sqlite3_column_text(st, 0));
	assert_non_null(text);
	assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
	return text;
}
