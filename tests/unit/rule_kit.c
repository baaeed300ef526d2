/* See the header. */
#include "rule_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <stdio.h>

#include "store_log.h"

static struct kit *current; /* for the wrapped calls: one kit a program */

/* ---- the store, as the test says ---- */

int __wrap_store_read_device(
    struct store_read *r, const char *device, struct store_device *out, struct bl_err *err);
int __wrap_store_log_coverage(struct store_read *r, const char *device, enum bl_stream stream,
    int64_t from, int64_t to, store_log_span_cb cb, void *ctx, struct bl_err *err);

struct kit_device *
kit_device(struct kit *k, const char *id)
{
	for (size_t i = 0; i < k->n_devices; i++)
		if (strcmp(k->device[i].id, id) == 0)
			return &k->device[i];
	assert_true(k->n_devices < KIT_DEVICES);
	(void)snprintf(k->device[k->n_devices].id, sizeof(k->device[0].id), "%s", id);
	return &k->device[k->n_devices++];
}

int
__wrap_store_read_device(
    struct store_read *r, const char *device, struct store_device *out, struct bl_err *err)
{
	const struct kit_device *d = kit_device(current, device);

	(void)r;
	(void)err;
	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < BL_STREAMS; i++)
		out->stream_until_unix_ms[i] = STORE_TIME_NONE;
	if (d->n > 0)
		out->stream_until_unix_ms[BL_STREAM_EVENTS - 1] = d->covered[d->n - 1].end;
	out->last_arrival_unix_ms = d->last_arrival;
	return d->last_arrival == 0 && d->n == 0 ? BL_ENOTFOUND : BL_OK;
}

int
__wrap_store_log_coverage(struct store_read *r, const char *device, enum bl_stream stream,
    int64_t from, int64_t to, store_log_span_cb cb, void *ctx, struct bl_err *err)
{
	const struct kit_device *d = kit_device(current, device);

	(void)r;
	(void)err;
	assert_int_equal(stream, BL_STREAM_EVENTS);
	for (size_t i = 0; i < d->n; i++) {
		const int64_t b = d->covered[i].begin > from ? d->covered[i].begin : from;
		const int64_t e = d->covered[i].end < to ? d->covered[i].end : to;

		if (b < e)
			cb(ctx, false, b, e);
	}
	return BL_OK;
}

/* Spans are given in order. */
void
kit_cover(struct kit *k, const char *device, int64_t begin, int64_t end)
{
	struct kit_device *d = kit_device(k, device);

	if (d->n > 0 && d->covered[d->n - 1].end == begin) {
		d->covered[d->n - 1].end = end;
		return;
	}
	d->covered[d->n].begin = begin;
	d->covered[d->n++].end = end;
}

/* ---- life ---- */

static int64_t
fake_unix_ms(void *ctx)
{
	return ((struct kit *)ctx)->now;
}

static int
on_finding(void *ctx, const struct rule_finding *f, struct bl_err *err)
{
	struct kit *k = ctx;

	k->findings++;
	if (k->fail_found)
		return bl_fail(err, BL_EIO, "cut off");
	return incident_reconcile(k->env.db, f, k->now, err);
}

static int
on_late(void *ctx, const char *site, struct rule_late *l, size_t n, struct bl_err *err)
{
	struct kit *k = ctx;
	const int rc = incident_late(k->env.db, site, l, n, err);

	for (size_t i = 0; i < n; i++)
		k->late += l[i].done;
	return rc;
}

static void
head(struct define_head *h, const char *id)
{
	(void)snprintf(h->id, sizeof(h->id), "%s", id);
	(void)snprintf(h->name, sizeof(h->name), "The %s", id);
	h->version = 1;
	h->from_unix_ms = T0 - 86400000;
	h->created_unix_ms = h->from_unix_ms;
	h->until_unix_ms = INT64_MAX;
	h->enabled = true;
}

static void
define_basics(struct kit *k)
{
	head(&k->kpi[0].head, "failures");
	(void)snprintf(k->kpi[0].unit, sizeof(k->kpi[0].unit), "%%");
	k->kpi[0].resolution = BL_WINDOW_1M;
	head(&k->process[0].head, "order");
	head(&k->channel[0].head, "mail");
	head(&k->channel[1].head, "ops");
	k->channel[0].kind = k->channel[1].kind = DEFINE_EMAIL;
	k->set = (struct define_set){ .n_processes = 1,
		.n_kpis = 1,
		.n_channels = 2,
		.process = k->process,
		.kpi = k->kpi,
		.rule = k->rule,
		.channel = k->channel };
}

void
kit_reload_roster(struct kit *k)
{
	struct bl_err err = { 0 };
	struct sqlite3 *db;

	roster_free(k->roster);
	assert_int_equal(control_read_begin(k->c, &db, &err), BL_OK);
	assert_int_equal(roster_load(&k->roster, db, NULL, &err), BL_OK);
	control_read_end(k->c, db);
}

int
kit_setup(void **state)
{
	struct kit *k = calloc(1, sizeof(*k));
	struct control_opts opts = { 0 };
	struct bl_err err = { 0 };
	char path[96];

	assert_non_null(k);
	k->clock = *bl_clock_real();
	k->clock.ctx = k;
	k->clock.unix_ms = fake_unix_ms;
	k->now = T0 + 600 * MINUTE;
	folder_make(k->dir, "rule");
	(void)snprintf(path, sizeof(path), "%s/control.db", k->dir);
	opts.path = path;
	opts.clock = &k->clock;
	assert_int_equal(control_open(&k->c, &opts, &err), BL_OK);
	*state = current = k;
	define_basics(k);
	for (int i = 0; i < 2; i++) {
		char sql[320];

		(void)snprintf(sql, sizeof(sql),
		    "INSERT INTO site (id, name, region, zone, tags, part, retired,"
		    " created_unix_ms, version) VALUES ('%s', '%s', '', 'UTC', '{}', 0, 0, 0, 1)",
		    i ? "west" : "east", i ? "West" : "East");
		kit_sql(k, sql);
		(void)snprintf(sql, sizeof(sql),
		    "INSERT INTO device (id, name, site, part, retired, since_unix_ms,"
		    " created_unix_ms, version) VALUES ('%s', 'd', '%s', 0, 0, 0, 0, 1)",
		    i ? "d2" : "d1", i ? "west" : "east");
		kit_sql(k, sql);
		(void)snprintf(sql, sizeof(sql),
		    "INSERT INTO service (device, from_unix_ms, to_unix_ms, site)"
		    " VALUES ('%s', %lld, NULL, '%s')",
		    i ? "d2" : "d1", (long long)(T0 - 3 * 86400000), i ? "west" : "east");
		kit_sql(k, sql);
	}
	kit_reload_roster(k);
	return 0;
}

int
kit_teardown(void **state)
{
	struct kit *k = *state;

	roster_free(k->roster);
	control_close(k->c);
	folder_remove(k->dir);
	free(k);
	current = NULL;
	return 0;
}

/* ---- definitions ---- */

static struct define_rule *
add_rule(struct kit *k, const char *id, enum define_rule_kind kind)
{
	struct define_rule *v = &k->rule[k->set.n_rules++];

	assert_true(k->set.n_rules <= KIT_RULES);
	head(&v->head, id);
	v->kind = kind;
	v->severity = DEFINE_CRITICAL;
	v->n_channels = 1;
	(void)snprintf(v->channel[0], sizeof(v->channel[0]), "mail");
	v->tell_end = true;
	return v;
}

struct define_rule *
kit_threshold(struct kit *k, const char *id, uint32_t for_windows)
{
	struct define_rule *v = add_rule(k, id, DEFINE_THRESHOLD);

	(void)snprintf(v->kpi, sizeof(v->kpi), "failures");
	v->window = BL_WINDOW_1M;
	v->op = BL_OP_GT;
	v->value = 2;
	v->for_windows = for_windows;
	v->completeness = 0.8;
	v->wait_windows = 2;
	return v;
}

struct define_rule *
kit_case_open(struct kit *k, const char *id, int64_t limit_ms)
{
	struct define_rule *v = add_rule(k, id, DEFINE_CASE_OPEN);

	(void)snprintf(v->process, sizeof(v->process), "order");
	v->limit_ms = limit_ms;
	return v;
}

struct define_rule *
kit_no_data(struct kit *k, const char *id, int64_t after_ms)
{
	struct define_rule *v = add_rule(k, id, DEFINE_NO_DATA);

	v->after_ms = after_ms;
	return v;
}

struct define_rule *
kit_new_version(struct kit *k, struct define_rule *of, int64_t from)
{
	struct define_rule *v = &k->rule[k->set.n_rules++];

	assert_ptr_equal(v, of + 1); /* ordered by id, then version */
	assert_true(k->set.n_rules <= KIT_RULES);
	*v = *of;
	v->head.version++;
	v->head.from_unix_ms = from;
	of->head.until_unix_ms = from;
	return v;
}

/* ---- writing ---- */

struct writing {
	struct kit *k;
	kit_fn fn;
	void *ctx;
};

static int
run(struct control_tx *tx, void *ctx, struct bl_err *err)
{
	struct writing *w = ctx;
	struct kit *k = w->k;

	control_tx_unaudited(tx);
	k->env = (struct rule_env){ .db = control_tx_db(tx),
		.set = &k->set,
		.roster = k->roster,
		.now_unix_ms = k->now,
		.found = on_finding,
		.late = on_late,
		.ctx = k,
		.behind = k->behind };
	return w->fn(k, w->ctx, err);
}

int
kit_write(struct kit *k, kit_fn fn, void *ctx)
{
	const struct control_actor who = { "system", "" };
	struct writing w = { k, fn, ctx };
	struct bl_err err = { 0 };
	const int rc = control_write(k->c, &who, run, &w, &err);

	if (rc < 0 && !k->fail_found)
		print_error("%s\n", err.msg);
	return rc;
}

static int
run_sql(struct kit *k, void *ctx, struct bl_err *err)
{
	return control_sql_run(k->env.db, err, ctx, "");
}

void
kit_sql(struct kit *k, const char *sql)
{
	char *copy = strdup(sql);

	assert_non_null(copy);
	assert_int_equal(kit_write(k, run_sql, copy), BL_OK);
	free(copy);
}

int64_t
kit_int(struct kit *k, const char *sql)
{
	struct bl_err err = { 0 };
	struct sqlite3 *db;
	int64_t out;

	assert_int_equal(control_read_begin(k->c, &db, &err), BL_OK);
	assert_int_equal(control_sql_int(db, &err, 0, &out, sql, ""), BL_OK);
	control_read_end(k->c, db);
	return out;
}

/* ---- cells ---- */

struct cells {
	const struct kit_cell *c;
	size_t n;
};

/* Values differ from minute to minute, so that extremes and explanations show mistakes. */
static int
put_cell(struct kit *k, const struct kit_cell *c, struct bl_err *err)
{
	const bool high = c->is == 'T' || c->is == 'p', final = c->is >= 'A' && c->is <= 'Z';
	const int64_t minute = (c->begin - T0) / MINUTE;
	const double value = high ? 3 + (double)(minute % 7) : 1.0 / (double)(2 + minute % 5);

	if (c->is == '.')
		return control_sql_run(k->env.db, err,
		    "DELETE FROM kpi_cell WHERE kpi = 'failures' AND site = ? AND begin_unix_ms = "
		    "?",
		    "ti", c->site, c->begin);
	return control_sql_run(k->env.db, err,
	    "INSERT OR REPLACE INTO kpi_cell (kpi, window, site, begin_unix_ms, end_unix_ms, "
	    "version,"
	    " value, n, completeness, ready, state, revisions, known_unix_ms)"
	    " VALUES ('failures', 1, ?, ?, ?, 1, ?, 1, ?, ?, ?, 0, ?)",
	    "tiiodiii", c->site, c->begin, c->begin + MINUTE, (int)(c->is != 'U'), value,
	    final ? 1.0 : 0.85, (int64_t) final, (int64_t) final, k->now);
}

static int
put_cells(struct kit *k, void *ctx, struct bl_err *err)
{
	const struct cells *l = ctx;
	struct kpi_changes changes = { .c = calloc(l->n, sizeof(struct kpi_change)), .n = l->n };
	int rc = BL_OK;

	assert_non_null(changes.c);
	for (size_t i = 0; i < l->n && rc >= 0; i++) {
		struct kpi_change *c = &changes.c[i];

		(void)snprintf(c->kpi, sizeof(c->kpi), "failures");
		(void)snprintf(c->site, sizeof(c->site), "%s", l->c[i].site);
		c->window = BL_WINDOW_1M;
		c->begin_unix_ms = l->c[i].begin;
		c->end_unix_ms = l->c[i].begin + MINUTE;
		rc = put_cell(k, &l->c[i], err);
	}
	if (rc >= 0)
		rc = rule_on_cells(&k->env, &changes, err);
	free(changes.c);
	return rc;
}

int
kit_cells(struct kit *k, const struct kit_cell *cells, size_t n)
{
	struct cells l = { cells, n };

	return kit_write(k, put_cells, &l);
}

void
kit_minutes(struct kit *k, const char *site, int64_t at, const char *cells)
{
	struct kit_cell c[256];
	size_t n = 0;

	for (size_t i = 0; cells[i] != '\0'; i++)
		if (cells[i] != ' ')
			c[n++] = (struct kit_cell){ site, at + (int64_t)i * MINUTE, cells[i] };
	assert_int_equal(kit_cells(k, c, n), BL_OK);
}

static int
look_at_time(struct kit *k, void *ctx, struct bl_err *err)
{
	return rule_on_time(&k->env, *(const size_t *)ctx, err);
}

int
kit_on_time(struct kit *k, size_t limit)
{
	return kit_write(k, look_at_time, &limit);
}

struct redo {
	const char *rule;
	int64_t from;
	char after[BL_ID_TEXT_MAX + 1];
	int n;
};

static int
redo_slice(struct kit *k, void *ctx, struct bl_err *err)
{
	struct redo *r = ctx;
	char last[BL_ID_TEXT_MAX + 1];

	r->n = rule_redo(
	    &k->env, r->rule, r->from, r->after[0] != '\0' ? r->after : NULL, 1, last, NULL, err);
	(void)snprintf(r->after, sizeof(r->after), "%s", last);
	return r->n < 0 ? r->n : BL_OK;
}

/* One slice a transaction, as the evaluator does; returns how many. */
int
kit_redo(struct kit *k, const char *rule, int64_t from)
{
	struct redo r = { .rule = rule, .from = from };
	int slices = 0;

	do {
		assert_int_equal(kit_write(k, redo_slice, &r), BL_OK);
		slices += r.n;
		assert_true(slices < 1000);
	} while (r.n > 0);
	return slices;
}

static int
look_for_silence(struct kit *k, void *ctx, struct bl_err *err)
{
	(void)ctx;
	return rule_no_data(&k->env, NULL, err);
}

int
kit_no_data_look(struct kit *k)
{
	return kit_write(k, look_for_silence, NULL);
}

static int
coverage_moved(struct kit *k, void *ctx, struct bl_err *err)
{
	return rule_on_coverage(&k->env, ctx, NULL, err);
}

int
kit_coverage(struct kit *k, const char *site)
{
	char copy[BL_ID_TEXT_MAX + 1];

	(void)snprintf(copy, sizeof(copy), "%s", site);
	return kit_write(k, coverage_moved, copy);
}

/* ---- cases ---- */

struct one_case {
	const char *site, *id, *status;
	int64_t begin, end;
};

static int
put_event(struct kit *k, const struct one_case *c, int64_t no, int64_t at, int64_t n,
    const char *status, struct bl_err *err)
{
	char attrs[96];

	(void)snprintf(attrs, sizeof(attrs), "{\"status\":\"%s\"}", status);
	return control_sql_run(k->env.db, err,
	    "INSERT OR REPLACE INTO case_event (case_no, unix_ms, device, batch_id, n, boot_ms, "
	    "type,"
	    " step, attrs, event_id) VALUES (?, ?, ?, ?, ?, 0, 'step.event', '', ?, '')",
	    "iitiit", no, at, strcmp(c->site, "east") == 0 ? "d1" : "d2", no, n, attrs);
}

static int
put_case(struct kit *k, void *ctx, struct bl_err *err)
{
	const struct one_case *c = ctx;
	struct cases_change change = { .begin_unix_ms = c->begin,
		.end_unix_ms = c->end != 0 ? c->end : CASES_OPEN };
	const struct cases_changes changes = { .c = &change, .n = 1 };
	int rc;

	rc = control_sql_run(k->env.db, err,
	    "INSERT INTO case_head (site, process, case_id, begin_unix_ms, end_unix_ms, end_device,"
	    " status, attrs, events) VALUES (?, 'order', ?, ?, nullif(?, 0), '', ?, '{}', 1)"
	    " ON CONFLICT (site, process, case_id) DO UPDATE SET"
	    " begin_unix_ms = excluded.begin_unix_ms, end_unix_ms = excluded.end_unix_ms,"
	    " status = excluded.status",
	    "ttiit", c->site, c->id, c->begin, c->end, c->end != 0 ? "done" : c->status);
	if (rc >= 0)
		rc = control_sql_int(k->env.db, err, 0, &change.no,
		    "SELECT id FROM case_head WHERE site = ? AND case_id = ?", "tt", c->site,
		    c->id);
	if (rc >= 0)
		rc = put_event(k, c, change.no, c->begin, 0, c->status, err);
	if (rc >= 0 && c->end != 0)
		rc = put_event(k, c, change.no, c->end, 1, "done", err);
	(void)snprintf(change.site, sizeof(change.site), "%s", c->site);
	(void)snprintf(change.process, sizeof(change.process), "order");
	return rc < 0 ? rc : rule_on_cases(&k->env, &changes, NULL, err);
}

int
kit_case(
    struct kit *k, const char *site, const char *id, int64_t begin, int64_t end, const char *status)
{
	struct one_case c = { site, id, status, begin, end };

	return kit_write(k, put_case, &c);
}

/* ---- notices ---- */

struct noticing {
	bool quiet;
	size_t limit;
};

static int
notice(struct kit *k, void *ctx, struct bl_err *err)
{
	const struct noticing *n = ctx;
	const struct notice_opts opts = { 0 };
	const int rc =
	    notice_run(k->env.db, &k->set, k->roster, &opts, k->now, n->quiet, n->limit, err);

	return rc < 0 ? rc : BL_OK;
}

int
kit_notice(struct kit *k, bool quiet, size_t limit)
{
	struct noticing n = { quiet, limit };

	return kit_write(k, notice, &n);
}

/* ---- looking ---- */

const char *
kit_incidents(struct kit *k, const char *rule, const char *subject)
{
	static char out[4096];
	struct bl_err err = { 0 };
	struct sqlite3 *db;
	sqlite3_stmt *st;
	size_t len = 0;

	out[0] = '\0';
	assert_int_equal(control_read_begin(k->c, &db, &err), BL_OK);
	assert_int_equal(control_sql_prepare(&st, db, &err,
			     "SELECT (begin_unix_ms - ?) / 60000.0, (end_unix_ms - ?) / 60000.0"
			     " FROM incident WHERE rule = ? AND subject = ?"
			     " AND state NOT IN ('withdrawn', 'merged') ORDER BY begin_unix_ms",
			     "iitt", T0, T0, rule, subject),
	    BL_OK);
	while (control_sql_step(st, &err) == 1 && len < sizeof(out) - 64) {
		len += (size_t)snprintf(out + len, sizeof(out) - len, "%s[%g,", len > 0 ? " " : "",
		    sqlite3_column_double(st, 0));
		if (sqlite3_column_type(st, 1) == SQLITE_NULL)
			len += (size_t)snprintf(out + len, sizeof(out) - len, "-)");
		else
			len += (size_t)snprintf(
			    out + len, sizeof(out) - len, "%g)", sqlite3_column_double(st, 1));
	}
	(void)sqlite3_finalize(st);
	control_read_end(k->c, db);
	return out;
}

char *
kit_dump(struct kit *k)
{
	static const char sql[] =
	    "SELECT 'run ' || rule || ' ' || subject || ' ' || begin_unix_ms || ' ' || end_unix_ms "
	    "||"
	    " ' ' || outcome || ' ' || windows || ' ' || completeness || ' ' ||"
	    " coalesce(value_min, '-') || ' ' || coalesce(value_max, '-') || ' ' || version AS line"
	    " FROM rule_run UNION ALL "
	    "SELECT 'incident ' || rule || ' ' || rule_version || ' ' || site || ' ' || subject ||"
	    " ' ' || severity || ' ' || begin_unix_ms || ' ' || coalesce(end_unix_ms, '-') || ' ' "
	    "||"
	    " last_true_unix_ms || ' ' || state || ' ' || explanation FROM incident"
	    " WHERE state NOT IN ('withdrawn', 'merged') UNION ALL "
	    "SELECT 'case ' || rule || ' ' || site || ' ' || deadline_unix_ms || ' ' || outcome ||"
	    " ' ' || ended FROM rule_case ORDER BY line";
	size_t len = 0, size = 1 << 20;
	char *out = malloc(size);
	struct bl_err err = { 0 };
	struct sqlite3 *db;
	sqlite3_stmt *st;

	assert_non_null(out);
	out[0] = '\0';
	assert_int_equal(control_read_begin(k->c, &db, &err), BL_OK);
	assert_int_equal(control_sql_prepare(&st, db, &err, sql, ""), BL_OK);
	while (control_sql_step(st, &err) == 1)
		len += (size_t)snprintf(
		    out + len, size - len, "%s\n", (const char *)sqlite3_column_text(st, 0));
	assert_true(len < size);
	(void)sqlite3_finalize(st);
	control_read_end(k->c, db);
	return out;
}
