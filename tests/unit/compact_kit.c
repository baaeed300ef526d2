#include "compact_kit.h"

#include <math.h>
#include <sqlite3.h>

#include "branchline/buf.h"
#include "chunk.h"

void
must(int rc, const struct bl_err *err)
{
	if (rc < 0)
		fail_msg("%s (%d)", err->msg, rc);
}

/* ---- opening ---- */

static int
write_store(void *ctx, compact_write_fn fn, void *arg, struct bl_err *err)
{
	struct kit *k = ctx;
	int rc;

	k->writes++;
	if (k->fail_write > 0 && --k->fail_write == 0)
		return bl_fail(err, BL_EIO, "the writer is said to fail");
	if ((rc = store_begin(k->s, err)) < 0)
		return rc;
	if ((rc = fn(k->s, arg, err)) < 0) {
		store_rollback(k->s);
		return rc;
	}
	return store_commit(k->s, err);
}

static int64_t
passed(void *ctx, const struct bl_id *epoch)
{
	const struct kit *k = ctx;

	assert_memory_equal(epoch->b, store_epoch(k->s)->b, sizeof(epoch->b));
	return k->passed;
}

static bool
awaited(void *ctx, int64_t batch_id)
{
	return ((struct kit *)ctx)->awaited == batch_id;
}

static void
damaged(void *ctx, int64_t batch)
{
	((struct kit *)ctx)->damaged = batch;
}

int
kit_try_start(struct kit *k, struct bl_err *err)
{
	const struct store_opts opts = { .path = k->path, .clock = &k->clock.clock };
	struct compact_opts o = k->opts;
	int rc;

	if ((rc = k->opened = store_open(&k->s, &opts, err)) < 0 ||
	    (rc = store_read_open(&k->r, k->path, &k->clock.clock, err)) < 0 ||
	    (rc = parts_open(&k->parts, k->parts_path, 0, err)) < 0)
		return rc;
	o.parts = k->parts;
	return compact_open(&k->compact, &o, k->opened, err);
}

void
kit_start(struct kit *k)
{
	struct bl_err err = { 0 };

	must(kit_try_start(k, &err), &err);
}

void
kit_stop(struct kit *k)
{
	compact_close(k->compact);
	store_read_close(k->r);
	parts_close(k->parts);
	store_close(k->s);
	k->compact = NULL;
	k->parts = NULL;
	k->r = NULL;
	k->s = NULL;
}

void
kit_open(struct kit *k, const char *name)
{
	char folder[FOLDER_MAX];

	folder_make(folder, name);
	kit_open_in(k, folder);
}

void
kit_prepare(struct kit *k, const char *folder)
{
	memset(k, 0, sizeof(*k));
	(void)snprintf(k->folder, sizeof(k->folder), "%s", folder);
	(void)snprintf(k->path, sizeof(k->path), "%s/telemetry.db", k->folder);
	(void)snprintf(k->parts_path, sizeof(k->parts_path), "%s/parts", k->folder);
	fixture_clock_init(&k->clock);
	k->clock.unix_ms = OFFSET + 20 * (int64_t)MINUTE;
	k->passed = INT64_MAX;
	k->opts = (struct compact_opts){ .telemetry_path = k->path,
		.clock = &k->clock.clock,
		.write = write_store,
		.passed = passed,
		.awaited = awaited,
		.damaged = damaged,
		.ctx = k };
}

void
kit_open_in(struct kit *k, const char *folder)
{
	kit_prepare(k, folder);
	kit_start(k);
}

void
kit_close(struct kit *k)
{
	kit_stop(k);
	folder_remove(k->folder);
}

int
setup(void **state)
{
	struct kit *k = calloc(1, sizeof(*k));

	kit_open(k, "compact");
	*state = k;
	return 0;
}

int
teardown(void **state)
{
	kit_close(*state);
	free(*state);
	return 0;
}

/* ---- putting ---- */

void
begin(struct kit *k)
{
	struct bl_err err = { 0 };

	must(store_begin(k->s, &err), &err);
}

void
commit(struct kit *k)
{
	struct bl_err err = { 0 };

	must(store_commit(k->s, &err), &err);
}

struct store_spool *
spool_of(struct kit *k, uint8_t fill, const char *device)
{
	const struct bl_id id = fixture_id(fill);
	struct bl_err err = { 0 };
	struct store_spool *sp;

	must(store_spool(k->s, &id, device, &sp, &err), &err);
	return sp;
}

void
put_dict(struct kit *k, uint8_t spool, const char *device, uint32_t entry, uint32_t series)
{
	struct bl_series_def def;
	char name[16], value[16];
	struct bl_err err = { 0 };

	fixture_series(&def, name, value, series, BL_STREAM_HOST);
	def.id = entry;
	must(store_dict(k->s, spool_of(k, spool, device), &def, &err), &err);
}

void
put_clock(struct kit *k, uint8_t spool, const char *device, uint32_t entry, uint8_t boot,
    int64_t from_ms, int64_t offset_ms)
{
	const struct bl_clock_segment seg = { .id = entry,
		.boot = fixture_id(boot),
		.from_boot_ms = from_ms,
		.offset_ms = offset_ms,
		.source = BL_CLOCK_NTP };
	struct bl_err err = { 0 };

	must(store_clock(k->s, spool_of(k, spool, device), &seg, &err), &err);
	while (store_placing(k->s))
		must(store_place(k->s, 100, &err), &err);
}

void
know(struct kit *k, uint8_t spool, const char *device)
{
	begin(k);
	put_dict(k, spool, device, 1, 1);
	put_dict(k, spool, device, 2, 2);
	put_clock(k, spool, device, 1, 1, 0, OFFSET);
	commit(k);
}

int
put_in(struct kit *k, const struct put *p)
{
	const struct bl_event ev = { .boot_ms = p->from_ms, .type = { "opened", 6 } };
	const struct fixture_batch b = { .spool = fixture_id(p->spool),
		.boot = fixture_id(p->boot > 0 ? p->boot : 1),
		.stream = BL_STREAM_HOST,
		.seq = p->seq,
		.begin_ms = p->from_ms,
		.end_ms = p->to_ms,
		.interval_ms = INTERVAL,
		.n_series = p->n_series == NOTHING ? 0
			    : p->n_series > 0      ? p->n_series
						   : 2,
		.event = p->event ? &ev : NULL,
		.twist = p->twist,
		.supersedes_first = p->supersedes_first,
		.supersedes_last = p->supersedes_last,
		.thin_ms = p->thin_ms };
	struct bl_buf msg, raw;
	struct bl_batch_header h;
	struct bl_err err = { 0 };
	const uint8_t *body;
	size_t len;
	int rc;

	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	fixture_encode(&b, &msg, &h);
	must(bl_batch_header_decode(msg.data, msg.len, &h, &body, &len, &err), &err);
	must(bl_batch_inflate(&h, body, len, &raw, &err), &err);
	rc = store_batch_put(
	    k->s, spool_of(k, p->spool, p->device), &h, body, len, raw.data, raw.len, &err);
	bl_buf_free(&msg);
	bl_buf_free(&raw);
	must(rc, &err);
	return rc;
}

int
put(struct kit *k, const struct put *p)
{
	int rc;

	begin(k);
	rc = put_in(k, p);
	commit(k);
	return rc;
}

void
put_minutes(struct kit *k, const char *device, uint8_t spool, uint64_t first, uint64_t last)
{
	begin(k);
	for (uint64_t i = first; i <= last; i++) {
		const struct put p = { .device = device,
			.spool = spool,
			.seq = i,
			.from_ms = (int64_t)(i - 1) * MINUTE,
			.to_ms = (int64_t)i * MINUTE };

		assert_int_equal(put_in(k, &p), STORE_NEW);
	}
	commit(k);
}

void
settle(struct kit *k)
{
	struct bl_err err = { 0 };
	int rc;

	while ((rc = compact_step(k->compact, &err)) > 0)
		;
	must(rc, &err);
}

void
pass(struct kit *k, int64_t ms)
{
	k->clock.mono_ms += ms;
	k->clock.unix_ms += ms;
}

void
pass_round(struct kit *k)
{
	pass(k, 15 * (int64_t)MINUTE);
}

int64_t
count(struct kit *k, const char *sql)
{
	sqlite3_stmt *st;
	sqlite3 *db;
	int64_t n;

	assert_int_equal(sqlite3_open_v2(k->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return n;
}

/* ---- everything as lines ---- */

void
say(struct text *t, const char *format, ...)
{
	va_list args;
	int n;

	if (t->size - t->len < 256) {
		t->size = t->size * 2 + 4096;
		t->p = realloc(t->p, t->size);
		assert_non_null(t->p);
	}
	va_start(args, format);
	n = vsnprintf(t->p + t->len, t->size - t->len, format, args);
	va_end(args);
	assert_true(n >= 0 && n < 256);
	t->len += (size_t)n;
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *
sorted(struct text *t, bool once)
{
	char **line = calloc(t->len + 1, sizeof(*line)), *out = calloc(t->len + 2, 1), *at = out;
	size_t n = 0;

	assert_non_null(line);
	assert_non_null(out);
	for (char *save = NULL, *s = t->p != NULL ? strtok_r(t->p, "\n", &save) : NULL; s != NULL;
	     s = strtok_r(NULL, "\n", &save))
		line[n++] = s;
	qsort(line, n, sizeof(*line), by_text);
	for (size_t i = 0; i < n; i++)
		if (!once || i == 0 || strcmp(line[i], line[i - 1]) != 0)
			at += sprintf(at, "%s\n", line[i]);
	free(line);
	free(t->p);
	memset(t, 0, sizeof(*t));
	return out;
}

static void
say_one(struct text *t, int64_t series, int64_t unix_ms, double value, uint8_t unknown,
    int64_t boot, uint32_t count_of)
{
	say(t, "%lld %lld %.6f %u b%lld n%u\n", (long long)series, (long long)(unix_ms - OFFSET),
	    unknown == BL_KNOWN ? value : 0.0, unknown, (long long)boot, count_of);
}

struct lines {
	struct text *t;
	int64_t ids[64];
	size_t n;
};

static bool
add_series(void *ctx, const struct store_series *s)
{
	struct lines *l = ctx;

	assert_true(l->n < 64);
	l->ids[l->n++] = s->id;
	return true;
}

static bool
add_sample(void *ctx, const struct store_log_sample *s)
{
	struct lines *l = ctx;

	say_one(l->t, l->ids[s->series], s->unix_ms, s->value, s->unknown, s->boot,
	    s->unknown == BL_KNOWN ? s->thin.count : 0);
	return true;
}

/* ---- parts ---- */

struct walk {
	struct kit *k;
	struct text *t;
	const struct store_part *p;
	struct parts_region g;
	const struct chunk_index *ix;
	uint8_t *bytes;
};

static bool
is_hidden(const struct store_part *p, int64_t device)
{
	for (size_t i = 0; i < p->n_hidden; i++)
		if (p->hidden[i] == device)
			return true;
	return false;
}

static void
say_column(struct walk *w, const struct chunk_column *c)
{
	int64_t *unix_ms = calloc(c->n, sizeof(*unix_ms)),
		*scratch = calloc(c->n, sizeof(*scratch));
	double *value = calloc(c->n, sizeof(*value));
	uint8_t *unknown = calloc(c->n, 1);
	struct chunk_thin *thin = calloc(c->n, sizeof(*thin));
	struct chunk_run run[1024];
	struct chunk_source src;
	struct bl_err err = { 0 };
	uint32_t n_runs, r = 0, left;

	chunk_source_at(w->ix, c->source, &src);
	must(chunk_times_get(w->ix, c->source, c->times, w->bytes + src.times.offset, unix_ms, run,
		 1024, &n_runs, &err),
	    &err);
	must(chunk_raw_doubles(c, value, unknown, scratch, &err), &err);
	must(chunk_raw_thin(c, unix_ms, value, thin, &err), &err);
	left = run[0].n;
	for (uint32_t i = 0; i < c->n; i++, left--) {
		while (left == 0)
			left = run[++r].n;
		say_one(w->t, c->series, unix_ms[i], value[i], unknown[i], run[r].boot,
		    unknown[i] == BL_KNOWN ? thin[i].thin.count : 0);
	}
	free(unix_ms);
	free(scratch);
	free(value);
	free(unknown);
	free(thin);
}

static void
say_block(struct walk *w, const struct chunk_block *b)
{
	struct chunk_block_it it;
	struct chunk_source src;
	struct chunk_column c;
	struct bl_err err = { 0 };
	int rc;

	must(chunk_block_open(&it, w->ix, b, w->bytes + b->span.offset, &err), &err);
	while ((rc = chunk_block_next(&it, &c, &err)) == 1) {
		chunk_source_at(w->ix, c.source, &src);
		if (!is_hidden(w->p, src.device))
			say_column(w, &c);
	}
	must(rc, &err);
}

static bool
say_part(void *ctx, const struct store_part *p)
{
	struct walk *w = ctx;
	struct bl_err err = { 0 };
	struct chunk_metric m;
	struct chunk_block b;
	struct chunk_dir d;
	int rc;

	if (p->bytes[PARTS_RAW] == 0)
		return true;
	w->p = p;
	w->g = (struct parts_region){ p->id, p->hour_unix_ms, PARTS_RAW, p->offset[PARTS_RAW],
		p->bytes[PARTS_RAW] };
	must(parts_index(w->k->parts, &w->g, &w->ix, &err), &err);
	w->bytes = malloc((size_t)w->g.bytes);
	must(parts_read(w->k->parts, &w->g, 0, w->bytes, (size_t)w->g.bytes, &err), &err);
	for (uint32_t i = 0; i < chunk_metrics(w->ix); i++) {
		chunk_metric_at(w->ix, i, &m);
		must(chunk_dir_open(&d, w->ix, &m, w->bytes + m.dir.offset, &err), &err);
		while ((rc = chunk_dir_next(&d, &b, &err)) == 1)
			say_block(w, &b);
		must(rc, &err);
	}
	free(w->bytes);
	parts_index_done(w->k->parts, w->ix);
	return true;
}

char *
in_parts(struct kit *k)
{
	struct text t = { 0 };
	struct walk w = { .k = k, .t = &t };
	struct bl_err err = { 0 };

	must(store_read_parts(k->r, -HOUR, INT64_MAX / 4, say_part, &w, &err), &err);
	return sorted(&t, false);
}

char *
everything(struct kit *k, const char *const *devices, size_t n)
{
	struct text t = { 0 };
	struct walk w = { .k = k, .t = &t };
	struct bl_err err = { 0 };

	must(store_read_parts(k->r, -HOUR, INT64_MAX / 4, say_part, &w, &err), &err);
	for (size_t i = 0; i < n; i++) {
		struct lines l = { .t = &t };

		must(store_read_series(k->r, devices[i], add_series, &l, &err), &err);
		must(store_log_samples(k->r, devices[i], BL_STREAM_HOST, l.ids, l.n,
			 OFFSET - 1000 * (int64_t)HOUR, OFFSET + 1000 * (int64_t)HOUR, add_sample,
			 &l, &err),
		    &err);
	}
	return sorted(&t, true);
}
