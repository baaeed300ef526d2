/* See ingest_work.h. */
#include "ingest_work.h"

#include <math.h>

#include <sqlite3.h>

#include "branchline/log.h"
#include "branchline/topic.h"
#include "store_read.h"

#define MINUTE   60000
#define INTERVAL 10000
#define OFFSET   1700000000000
#define LATER    (3600 * INT64_C(1000)) /* the second boot's offset beyond the first's */
#define TRIES    6
#define PART     7

struct iwork *
iwork_new(void)
{
	struct iwork *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	bl_log_level_set((enum bl_log_level)0); /* faults are expected here */
	return w;
}

void
iwork_free(struct iwork *w)
{
	free(w);
}

static bool
is_up(void)
{
	return !shim_power_is_off();
}

/* The code under test begins, and what it said. */
static void
enter(const struct iwork *w)
{
	if (w->enter != NULL)
		w->enter();
}

static int
leave(const struct iwork *w, int rc)
{
	if (w->leave != NULL)
		w->leave();
	return rc;
}

/* ---- the agent ---- */

static unsigned
boot_of(uint64_t seq)
{
	return seq > IWORK_FIRST;
}

static struct bl_id
boot_id(unsigned boot)
{
	return fixture_id((uint8_t)(0xb0 + boot));
}

static uint64_t
lowest_held(const struct iwork *w)
{
	uint64_t seq = 1;

	while (seq <= IWORK_BATCHES && w->receipted[seq])
		seq++;
	return seq;
}

static uint64_t
next_seq(const struct iwork *w)
{
	uint64_t seq = IWORK_BATCHES;

	while (seq > 0 && !w->sent[seq])
		seq--;
	return seq + 1;
}

static void
note_receipt(struct iwork *w, const struct bl_receipt *r)
{
	const struct bl_receipt_stream *m = &r->stream[BL_STREAM_HOST - 1];

	for (uint64_t seq = 1; seq <= IWORK_BATCHES; seq++)
		if (seq <= m->contiguous || bl_ranges_has(&m->beyond, seq) ||
		    bl_ranges_has(&m->aside, seq))
			w->receipted[seq] = true;
	w->dict_known = w->dict_known || r->dict_version >= IWORK_SERIES;
	for (unsigned i = 0; i < 2; i++)
		w->clock_known[i] = w->clock_known[i] || r->clock_version >= i + 1;
}

static bool
publish(void *ctx, const char *topic, const void *payload, size_t len, bool retained)
{
	struct bl_err err = { 0 };
	struct bl_receipt r;

	(void)topic;
	(void)retained;
	if (is_up() && bl_msg_type(payload, len) == BL_MSG_RECEIPT &&
	    bl_receipt_decode(payload, len, &r, &err) == BL_OK)
		note_receipt(ctx, &r);
	return true;
}

static int
lookup(void *ctx, const char *device, struct ingest_device *out, struct bl_err *err)
{
	(void)ctx;
	(void)device;
	(void)err;
	out->part = PART;
	out->retired = false;
	return 1;
}

/* ---- messages ---- */

static int
take(struct iwork *w, enum bl_topic_kind kind)
{
	char topic[BL_TOPIC_MAX];
	struct ingest_msg m = { topic, w->msg.data, w->msg.len, false };
	struct bl_err err = { 0 };

	assert_true(bl_topic_format(topic, sizeof(topic), kind, PART, "kiosk-1"));
	enter(w);
	return leave(w, ingest_core_take(w->core, &m, &err));
}

static int
take_batch(struct iwork *w, uint64_t seq, unsigned twist)
{
	const unsigned boot = boot_of(seq);
	const int64_t begin = (int64_t)(seq - 1 - (boot ? IWORK_FIRST : 0)) * MINUTE;
	struct fixture_batch b = { .spool = fixture_id(0x11),
		.boot = boot_id(boot),
		.stream = BL_STREAM_HOST,
		.seq = seq,
		.begin_ms = begin,
		.end_ms = begin + MINUTE,
		.interval_ms = INTERVAL,
		.n_series = IWORK_SERIES,
		.twist = twist };
	struct bl_batch_header h;

	w->sent[seq] = true;
	b.next_seq = next_seq(w);
	b.lowest_held = lowest_held(w);
	fixture_encode(&b, &w->msg, &h);
	return take(w, seq % 2 == 0 ? BL_TOPIC_LIVE : BL_TOPIC_PAST);
}

static int
take_maps(struct iwork *w)
{
	const struct bl_id spool = fixture_id(0x11);
	struct bl_clock_segment seg[2];
	struct bl_series_def def[IWORK_SERIES];
	char name[IWORK_SERIES][16], value[IWORK_SERIES][16];
	struct bl_err err = { 0 };
	uint32_t encoded;
	int rc;

	for (uint32_t i = 0; i < IWORK_SERIES; i++)
		fixture_series(&def[i], name[i], value[i], i + 1, BL_STREAM_HOST);
	for (uint32_t i = 0; i < 2; i++)
		seg[i] = (struct bl_clock_segment){ .id = i + 1,
			.boot = boot_id(i),
			.offset_ms = OFFSET + (int64_t)i * LATER,
			.source = BL_CLOCK_NTP };
	bl_buf_reset(&w->msg);
	assert_int_equal(bl_dict_encode(&spool, def, IWORK_SERIES, &w->msg, &encoded, &err), BL_OK);
	if ((rc = take(w, BL_TOPIC_LIVE)) < 0)
		return rc;
	bl_buf_reset(&w->msg);
	assert_int_equal(bl_clockmap_encode(&spool, seg, 2, &w->msg, &encoded, &err), BL_OK);
	return take(w, BL_TOPIC_LIVE);
}

static int
take_hello(struct iwork *w)
{
	struct bl_hello h = { .nonce = 77, .spool = fixture_id(0x11), .boot = boot_id(0) };
	struct bl_hello_stream *m = &h.stream[BL_STREAM_HOST - 1];

	(void)snprintf(h.device, sizeof(h.device), "kiosk-1");
	(void)snprintf(h.software, sizeof(h.software), "0.1.0");
	for (int i = 0; i < BL_STREAMS; i++)
		h.stream[i].next_seq = h.stream[i].lowest_held = 1;
	m->next_seq = next_seq(w);
	m->lowest_held = lowest_held(w) < m->next_seq ? lowest_held(w) : m->next_seq;
	for (uint64_t seq = 1; seq < m->next_seq; seq++)
		if (!w->receipted[seq])
			(void)bl_ranges_add(&m->held, seq, seq);
	bl_buf_reset(&w->msg);
	assert_int_equal(bl_hello_encode(&h, &w->msg), BL_OK);
	return take(w, BL_TOPIC_HELLO);
}

/* ---- the writer ---- */

static void
open_store(struct iwork *w)
{
	const struct store_opts opts = { .path = w->path, .clock = &w->clock.clock };
	struct ingest_core_opts core = { .clock = &w->clock.clock,
		.lookup = lookup,
		.publish = publish,
		.publish_ctx = w,
		.marker_path = w->marker };
	struct bl_err err = { 0 };
	int rc = -1;

	for (int i = 0; i < TRIES && rc < 0 && is_up(); i++) {
		enter(w);
		rc = leave(w, store_open(&w->s, &opts, &err));
	}
	if (rc < 0) {
		w->s = NULL;
		if (is_up())
			fail_msg("%s: does not open: %s", w->what, err.msg);
		return;
	}
	w->f.damaged += rc == STORE_SET_BACK; /* what had been committed is not there */
	core.store = w->s;
	rc = -1;
	for (int i = 0; i < TRIES && rc < 0; i++) {
		enter(w);
		rc = leave(w, ingest_core_create(&w->core, &core, &err));
	}
	assert_int_equal(rc, BL_OK);
}

static void
close_store(struct iwork *w)
{
	ingest_core_free(w->core);
	store_close(w->s);
	w->core = NULL;
	w->s = NULL;
}

/* One group: what comes, in one transaction.  A batch n is n, its twin -n. */
struct group {
	bool hello, maps;
	int batch[6];
};

static int
take_group(struct iwork *w, const struct group *g)
{
	int rc = BL_OK;

	if (g->hello && rc == BL_OK)
		rc = take_hello(w);
	if (g->maps && rc == BL_OK)
		rc = take_maps(w);
	for (int i = 0; i < 6 && g->batch[i] != 0 && rc == BL_OK; i++)
		rc = g->batch[i] > 0 ? take_batch(w, (uint64_t)g->batch[i], 0)
				     : take_batch(w, (uint64_t)-g->batch[i], 1);
	w->clock.mono_ms += 50; /* a group takes its time */
	w->clock.unix_ms += 50;
	return rc;
}

/* As the writer's thread does: a group that fails is given up, and comes again. */
static bool
commit_group(struct iwork *w, const struct group *g)
{
	struct bl_err err = { 0 };
	int rc = -1;

	for (int i = 0; i < TRIES && rc < 0 && is_up(); i++) {
		enter(w);
		if (leave(w, rc = ingest_core_begin(w->core, &err)) < 0)
			continue;
		rc = take_group(w, g);
		enter(w);
		if (rc < 0)
			ingest_core_rollback(w->core);
		else
			rc = ingest_core_commit(w->core, &err);
		(void)leave(w, rc);
	}
	if (rc < 0 && is_up())
		fail_msg("%s: never recovered: %s", w->what, err.msg);
	return rc >= 0;
}

/* False: the machine stops here. */
static bool
round_of(struct iwork *w, const struct group *g)
{
	if (!commit_group(w, g))
		return false;
	/* Receipts are gathered: what is owed for this group goes out here, or with the next. */
	for (int i = 0; i < 2 && is_up(); i++) {
		enter(w);
		(void)ingest_core_due(w->core);
		(void)leave(w, 0);
		w->clock.mono_ms += 700;
		w->clock.unix_ms += 700;
	}
	if (w->then == IWORK_CUT && shim_fired())
		return false;
	return is_up();
}

static bool
rounds_of(struct iwork *w, const struct group *g, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!round_of(w, &g[i]))
			return false;
	return true;
}

void
iwork_begin(struct iwork *w)
{
	const struct iwork before = *w;

	memset(w, 0, sizeof(*w));
	w->f = before.f;
	w->told = before.told;
	w->no_kill = before.no_kill;
	w->enter = before.enter;
	w->leave = before.leave;
	folder_make(w->dir, "ingest");
	(void)snprintf(w->below, sizeof(w->below), "%s/", w->dir);
	(void)snprintf(w->path, sizeof(w->path), "%s/telemetry.db", w->dir);
	(void)snprintf(w->marker, sizeof(w->marker), "%s/marker", w->dir);
	fixture_clock_init(&w->clock);
	bl_buf_init(&w->msg, 1 << 20);
}

void
iwork_run(struct iwork *w)
{
	/* Live before past, out of order, twice. */
	static const struct group first[] = {
		{ true, true, { 1, 2 } },
		{ false, false, { 6, 3, 2 } },
		{ false, false, { 5, 4, 7 } },
	};
	static const struct group second[] = {
		{ true, false, { 10, 8, 8 } }, { false, false, { -5, 9, 12 } },
		{ false, false, { 11, 13, 14 } }, /* another boot begins */
	};
	static const struct group third[] = {
		{ true, true, { 18, 15 } },
		{ false, false, { 16, 17, 20, 19 } },
	};

	open_store(w);
	if (!is_up() || !rounds_of(w, first, 3))
		return;
	close_store(w); /* in order: the log is copied */
	if (is_up())
		open_store(w);
	if (!is_up() || !rounds_of(w, second, 3))
		return;
	if (!w->no_kill)
		iwork_restart(w, SHIM_LOSE_NONE);
	if (is_up())
		(void)rounds_of(w, third, 2);
}

void
iwork_restart(struct iwork *w, enum shim_loss how)
{
	shim_power_off(w->below);
	close_store(w); /* gives its memory back */
	shim_power_cut(w->below, how);
	w->clock.mono_ms += 60000;
	w->clock.unix_ms += 60000;
	open_store(w);
}

/* ---- the judge ---- */

static int64_t
number(const char *path, const char *sql)
{
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;
	int64_t n = -1;

	if (sqlite3_open(path, &db) == SQLITE_OK &&
	    sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW)
		n = sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st);
	(void)sqlite3_close(db);
	return n;
}

struct found {
	int64_t id[IWORK_SERIES];
	int n;
};

static bool
see_series(void *ctx, const struct store_series *s)
{
	struct found *f = ctx;

	if (f->n < IWORK_SERIES)
		f->id[f->n++] = s->id;
	return true;
}

/* Every sample of one boot by f(series, n). */
static void
judge_boot(struct iwork *w, struct store_read *r, const struct found *f, unsigned boot)
{
	const uint32_t batches = boot == 0 ? IWORK_FIRST : IWORK_BATCHES - IWORK_FIRST;
	const uint32_t n = batches * MINUTE / INTERVAL;
	const struct store_query q = { .series = f->id,
		.n_series = (uint32_t)f->n,
		.from_unix_ms = OFFSET + (int64_t)boot * LATER,
		.to_unix_ms = OFFSET + (int64_t)boot * LATER + (int64_t)n * INTERVAL,
		.step_ms = INTERVAL,
		.deadline_ms = 60000 };
	struct store_query_result *res;
	struct bl_err err = { 0 };

	w->f.accepted += (uint64_t)n * IWORK_SERIES;
	assert_int_equal(store_read_query(r, &q, &res, &err), BL_OK);
	for (int k = 0; k < f->n; k++)
		for (uint32_t i = 0; i < n; i++) {
			const uint64_t came = (uint64_t)res->series[k].n[i];
			const bool right =
			    came > 0 &&
			    fabs(res->series[k].mean[i] - fixture_value((uint32_t)k + 1, i)) < 1e-9;

			w->f.stored += right;
			w->f.doubled += came > 1;
			w->f.lost += !right;
			if ((came != 1 || !right) && w->told++ < 8)
				print_message("%s: boot %u series %d sample %u came %llu times\n",
				    w->what, boot, k, i, (unsigned long long)came);
		}
	store_query_free(res);
}

static void
judge(struct iwork *w)
{
	struct found f = { 0 };
	struct store_read *r;
	struct bl_err err = { 0 };
	int64_t twins;

	assert_int_equal(store_read_open(&r, w->path, &w->clock.clock, &err), BL_OK);
	assert_int_equal(store_read_series(r, "kiosk-1", see_series, &f, &err), BL_OK);
	assert_int_equal(f.n, IWORK_SERIES);
	judge_boot(w, r, &f, 0);
	judge_boot(w, r, &f, 1);
	store_read_close(r);
	/* Number 5 twice, with different content: one is stored, the other one kept aside, named.
	 */
	twins = number(w->path, "SELECT count(*) FROM aside WHERE seq=5");
	w->f.accepted++;
	w->f.aside += twins > 0;
	w->f.lost += twins < 1;
	if (twins < 1 && w->told++ < 8)
		print_message("%s: another batch under number 5 is gone without a name\n", w->what);
	w->f.damaged +=
	    number(w->path, "SELECT integrity_check='ok' FROM pragma_integrity_check") != 1;
	w->f.runs++;
}

static bool
all_receipted(const struct iwork *w)
{
	return lowest_held(w) > IWORK_BATCHES;
}

void
iwork_end(struct iwork *w)
{
	const struct group hello = { true, true, { 0 } }, twin = { false, false, { -5 } };

	w->then = IWORK_GOES_ON;
	for (int turn = 0; turn < 12 && (turn == 0 || !all_receipted(w)); turn++) {
		struct group again = { 0 };
		int n = 0;

		(void)round_of(w, &hello);
		for (int seq = IWORK_BATCHES; seq > 0 && n < 6; seq--)
			if (!w->receipted[seq])
				again.batch[n++] = seq;
		(void)round_of(w, &again);
	}
	if (!all_receipted(w))
		fail_msg("%s: batch %llu is never receipted", w->what,
		    (unsigned long long)lowest_held(w));
	(void)round_of(w, &twin); /* its broker had kept it */
	close_store(w);
	judge(w);
	bl_buf_free(&w->msg);
	folder_remove(w->dir);
	shim_power_cut(w->below, SHIM_LOSE_NONE); /* the folder is gone: forget its files */
}

void
iwork_assert_clean(const struct iwork *w, const char *name)
{
	print_message("%s: %llu runs, accepted %llu stored %llu aside %llu doubled %llu lost %llu "
		      "damaged %llu\n",
	    name, (unsigned long long)w->f.runs, (unsigned long long)w->f.accepted,
	    (unsigned long long)w->f.stored, (unsigned long long)w->f.aside,
	    (unsigned long long)w->f.doubled, (unsigned long long)w->f.lost,
	    (unsigned long long)w->f.damaged);
	assert_true(w->f.runs > 0 && w->f.stored > 0);
	assert_int_equal(w->f.lost + w->f.doubled + w->f.damaged, 0);
}
