/*
 * A damaged store and its agents: what can be read comes over, what they hold comes again, what
 * neither has is asked for once salvage is through, and named.
 */
#include "ingest_kit.h"
#include "store_log.h"

#define BATCHES 400u
#define HELD    (BATCHES - 20u) /* the agent still has these and later ones */

static uint64_t
unexplained(struct ctx *c)
{
	sqlite3_stmt *st;
	sqlite3 *db;
	uint64_t n;

	assert_int_equal(sqlite3_open(c->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(
			     db, "SELECT coalesce(sum(unexplained), 0) FROM stream", -1, &st, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = (uint64_t)sqlite3_column_int64(st, 0);
	assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return n;
}

/* The next whole page behind the middle that holds batches, and the log is empty. */
static void
damage_a_page_of_batches(struct ctx *c)
{
	uint8_t page[8192];
	struct bl_err err = { 0 };
	const struct store_opts opts = { .clock = &c->clock.clock, .path = c->path };
	bool done = false;
	FILE *f;

	ingest_core_free(c->core);
	c->core = NULL;
	store_read_close(c->r);
	store_close(c->s);
	assert_non_null(f = fopen(c->path, "r+b"));
	for (long at = 40 * 8192; !done && fseek(f, at, SEEK_SET) == 0 &&
				  fread(page, 1, sizeof(page), f) == sizeof(page);
	     at += 8192) {
		const long rows = page[3] * 256 + page[4];
		const long used = (long)sizeof(page) - (page[5] * 256 + page[6]);

		/* A leaf of a table with ten rows and more of at least sixty bytes. */
		if (page[0] != 0x0d || rows < 10 || used < 60 * rows)
			continue;
		memset(page + 8, 0xa5, sizeof(page) - 8);
		assert_int_equal(fseek(f, at, SEEK_SET), 0);
		assert_int_equal(fwrite(page, 1, sizeof(page), f), sizeof(page));
		done = true;
	}
	assert_int_equal(fclose(f), 0);
	assert_true(done);
	assert_int_equal(store_open(&c->s, &opts, &err), STORE_REPLACED);
	must(store_read_open(&c->r, c->path, &c->clock.clock, &err), &err);
	start_core(c);
}

static void
salvage_step(struct ctx *c)
{
	struct bl_err err = { 0 };

	must(ingest_core_begin(c->core, &err), &err);
	must(ingest_core_salvage(c->core, &err), &err);
	must(ingest_core_commit(c->core, &err), &err);
}

static bool
asked_for_batches(const struct ctx *c)
{
	for (size_t i = 0; i < c->n_sent; i++) {
		struct bl_question q;

		if (bl_question_decode(c->sent[i].payload, c->sent[i].len, &q, NULL) == BL_OK &&
		    q.need[BL_STREAM_HOST - 1].n > 0)
			return true;
	}
	return false;
}

/* Live data go on until the collector asks for what neither has; the agent says that it is gone.
 * How many batches. */
static uint64_t
say_gone(struct ctx *c, uint64_t live_seq)
{
	struct bl_gone g = { .spool = c->spool };
	struct bl_question q;
	uint64_t lost = 0;

	for (int i = 0; !asked_for_batches(c); i++) {
		assert_true(i < 20);
		c->n_sent = 0;
		take_batch(c, live_seq);
		pass(c, 3000);
	}
	q = last_question(c);
	for (uint32_t i = 0; i < q.need[2].n; i++) {
		g.gone[g.n].stream = BL_STREAM_HOST;
		g.gone[g.n].range = q.need[2].r[i];
		g.gone[g.n++].reason = BL_GAP_LOST_AT_CENTRE;
		lost += q.need[2].r[i].last - q.need[2].r[i].first + 1;
	}
	bl_buf_reset(&c->msg);
	assert_int_equal(bl_gone_encode(&g, &c->msg), BL_OK);
	take(c, topic_of(BL_TOPIC_HELLO, "kiosk-1"), c->msg.data, c->msg.len, false);
	return lost;
}

static void
what_nobody_has_is_asked_for_after_salvage_and_named(void **state)
{
	struct ctx *c = *state;
	struct bl_hello h = hello(c, "kiosk-1", BATCHES + 1);
	struct store_damage d;
	uint64_t lost;

	for (uint64_t seq = 1; seq <= BATCHES; seq++) {
		take_batch(c, seq);
		c->n_sent = 0;
	}
	damage_a_page_of_batches(c);
	h.stream[2].lowest_held = HELD;
	h.stream[2].held.n = 0;
	(void)bl_ranges_add(&h.stream[2].held, HELD, BATCHES);
	take_hello(c, "kiosk-1", &h);
	/* The agent offers what it holds while the rest is still being taken over. */
	for (int i = 0; store_salvaging(c->s); i++) {
		pass(c, 12000);
		if (i < 10)
			take_batch(c, HELD + (uint64_t)i);
		assert_false(asked_for_batches(c));
		c->n_sent = 0;
		salvage_step(c);
	}
	for (uint64_t seq = HELD; seq <= BATCHES + 1; seq++) {
		take_batch(c, seq);
		c->n_sent = 0;
	}
	store_damage(c->s, &d);
	assert_in_range(d.batches, 300, BATCHES - 10);
	lost = say_gone(c, BATCHES + 1);
	/* The account: every batch is there once, or named once. */
	assert_int_equal(totals(c).batches + lost, BATCHES + 1);
	assert_in_range(lost, 1, 100);
	assert_int_equal(totals(c).gaps, 1);
	assert_int_equal(unexplained(c), 0);
}

/* ---- a batch that cannot be decoded ---- */

#define EPOCH 1700000000000 /* make_clock */
#define FEW   12u
#define BAD   7u

static void
know_series_and_clock(struct ctx *c)
{
	make_dict(c, 1, 2);
	take(c, topic_of(BL_TOPIC_LIVE, "kiosk-1"), c->msg.data, c->msg.len, false);
	make_clock(c, 1);
	take(c, topic_of(BL_TOPIC_LIVE, "kiosk-1"), c->msg.data, c->msg.len, false);
}

/* The disk changes the body of one, behind SQLite's back: no index is touched. */
static int64_t
spoil_batch(struct ctx *c, uint64_t seq)
{
	char sql[160];
	int64_t id;
	sqlite3 *db;
	sqlite3_stmt *st;

	assert_int_equal(sqlite3_open(c->path, &db), SQLITE_OK);
	(void)snprintf(sql, sizeof(sql),
	    "UPDATE batch SET body = zeroblob(length(body)) WHERE seq = %llu RETURNING id",
	    (unsigned long long)seq);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	id = sqlite3_column_int64(st, 0);
	assert_int_equal(sqlite3_step(st), SQLITE_DONE);
	assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
	/* The log would still have it whole. */
	assert_int_equal(
	    sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return id;
}

static void
note_damaged(void *ctx, int64_t batch)
{
	*(int64_t *)ctx = batch;
}

static bool
note_series(void *ctx, const struct store_series *s)
{
	*(int64_t *)ctx = s->id;
	return false;
}

static int
ask_series(struct ctx *c, struct store_query_result **res)
{
	int64_t id = 0;
	struct bl_err err = { 0 };
	const struct store_query q = { .series = &id,
		.n_series = 1,
		.from_unix_ms = EPOCH,
		.to_unix_ms = EPOCH + FEW * MINUTE,
		.step_ms = MINUTE };

	must(store_read_series(c->r, "kiosk-1", note_series, &id, &err), &err);
	assert_true(id > 0);
	return store_read_query(c->r, &q, res, &err);
}

static bool
count_sample(void *ctx, const struct store_log_sample *s)
{
	(void)s;
	++*(unsigned *)ctx;
	return true;
}

/* As an export reads them: 12 batches of a minute, six samples each. */
static int
export_samples(struct ctx *c, unsigned *n)
{
	int64_t id = 0;
	struct bl_err err = { 0 };

	*n = 0;
	must(store_read_series(c->r, "kiosk-1", note_series, &id, &err), &err);
	const struct store_log_ask ask = { .device = "kiosk-1",
		.stream = BL_STREAM_HOST,
		.ids = &id,
		.n = 1,
		.from_unix_ms = EPOCH,
		.to_unix_ms = EPOCH + FEW * MINUTE,
		.deadline_mono_ms = INT64_MAX };
	return store_log_samples_whole(c->r, &ask, count_sample, n, &err);
}

static void
a_batch_that_cannot_be_decoded_ends_as_a_hole_with_its_reason(void **state)
{
	struct ctx *c = *state;
	struct bl_hello h = hello(c, "kiosk-1", FEW + 1);
	struct store_query_result *res;
	int64_t told = -1, bad;
	struct bl_err err = { 0 };
	unsigned n;

	know_series_and_clock(c);
	for (uint64_t seq = 1; seq <= FEW; seq++)
		take_batch(c, seq);
	assert_int_equal(export_samples(c, &n), BL_OK);
	assert_int_equal(n, FEW * 6);
	bad = spoil_batch(c, BAD);
	/* Answers fail rather than come out short, and the writer is told. */
	store_read_watch(c->r, note_damaged, &told);
	assert_int_equal(export_samples(c, &n), BL_ECORRUPT);
	assert_int_equal(told, bad);
	told = -1;
	assert_int_equal(ask_series(c, &res), BL_ECORRUPT);
	assert_int_equal(told, bad);
	store_suspect(c->s, told);
	c->n_sent = 0;
	/* Its file is replaced, the rest taken over; the agent holds nothing any more. */
	must(ingest_core_begin(c->core, &err), &err);
	must(ingest_core_commit(c->core, &err), &err);
	h.stream[2].lowest_held = FEW + 1;
	h.stream[2].held.n = 0;
	take_hello(c, "kiosk-1", &h);
	while (store_salvaging(c->s)) {
		pass(c, 12000);
		c->n_sent = 0;
		salvage_step(c);
	}
	must(store_read_refresh(c->r, &err), &err);
	assert_int_equal(say_gone(c, FEW + 1), 1);
	assert_int_equal(totals(c).gaps, 1);
	assert_int_equal(unexplained(c), 0);
	must(ask_series(c, &res), &err);
	assert_int_equal(res->series[0].n_gaps, 1);
	assert_int_equal(res->series[0].gap[0].reason, BL_GAP_LOST_AT_CENTRE);
	assert_int_equal(res->series[0].gap[0].from_unix_ms, EPOCH + (BAD - 1) * (int64_t)MINUTE);
	assert_int_equal(res->series[0].gap[0].to_unix_ms, EPOCH + BAD * (int64_t)MINUTE);
	store_query_free(res);
	assert_int_equal(export_samples(c, &n), BL_OK);
	assert_int_equal(n, (FEW - 1) * 6);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    a_batch_that_cannot_be_decoded_ends_as_a_hole_with_its_reason, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_nobody_has_is_asked_for_after_salvage_and_named, setup, teardown),
	};

	bl_log_level_set(BL_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
