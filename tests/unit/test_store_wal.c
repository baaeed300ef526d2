/*
 * The write-ahead log stays short while readers of all kinds read and much comes in: lists and
 * a query over everything, again and again, as an export on a dashboard does it, held states
 * one after the other, as the evaluator does it, and one that nobody releases.
 *
 * That one lasts two seconds here; with BL_LONG=1 a minute, as the evaluator's would, and
 * then the log may grow until it is ended.
 */
#include "store_kit.h"

#include <pthread.h>
#include <stdatomic.h>

#include "folder.h"

#define WAL_MAX (64 << 20)
#define SERIES  3u
#define SAMPLES 8000u /* of each in a batch; they do not compress: some 180 KB */

struct reading {
	const struct ctx *c;
	atomic_bool stop;
	atomic_uint rounds;
	atomic_bool ended,
	    wrong; /* the one that nobody releases; and then it said something else */
	int64_t hold_ms;
	uint64_t batches; /* read by the largest query */
};

static bool
see_nothing(void *ctx, const struct store_coverage *cover)
{
	(void)ctx;
	(void)cover;
	return true;
}

static bool
see_id(void *ctx, const struct store_series *s)
{
	int64_t **next = ctx;

	*(*next)++ = s->id;
	return true;
}

/* False: its series are not there yet. */
static bool
query_everything(struct reading *g, struct store_read *r)
{
	int64_t ids[SERIES], *next = ids;
	struct store_query_result *out = NULL;
	struct store_query q = { .series = ids,
		.n_series = SERIES,
		.from_unix_ms = OFFSET,
		.to_unix_ms = OFFSET + 20000 * (int64_t)MINUTE,
		.step_ms = 4 * (int64_t)MINUTE };
	struct bl_err err = { 0 };
	int rc = store_read_series(r, "kiosk-1", see_id, &next, &err);

	must(rc, &err);
	if (next != ids + SERIES)
		return false;
	rc = store_read_query(r, &q, &out, &err);
	/* Everything may be more than ten seconds, or its cap, let be read. */
	if (rc != BL_ETIMEDOUT && rc != BL_EFULL && rc != BL_EBUSY)
		must(rc, &err);
	if (rc == BL_OK && out->batches_read > g->batches)
		g->batches = out->batches_read;
	store_query_free(out);
	return true;
}

static void *
query_all(void *arg)
{
	struct reading *g = arg;
	struct store_read *r;
	struct store_totals t;
	struct bl_err err = { 0 };

	must(store_read_open(&r, g->c->path, &g->c->clock.clock, &err), &err);
	while (!atomic_load(&g->stop)) {
		must(store_read_coverage(r, "kiosk-1", 0, INT64_MAX / 2, see_nothing, NULL, &err),
		    &err);
		must(store_read_totals(r, &t, &err), &err);
		if (query_everything(g, r))
			atomic_fetch_add(&g->rounds, 1);
	}
	store_read_close(r);
	return NULL;
}

static void *
hold_states(void *arg)
{
	struct reading *g = arg;
	struct store_read *r;
	struct store_totals t;
	struct bl_err err = { 0 };
	const struct timespec a_while = { .tv_nsec = 100000000 }; /* as long as a step may be */

	must(store_read_open(&r, g->c->path, &g->c->clock.clock, &err), &err);
	while (!atomic_load(&g->stop)) {
		must(store_read_hold(r, &err), &err);
		must(store_read_totals(r, &t, &err), &err);
		(void)nanosleep(&a_while, NULL);
		store_read_release(r);
		atomic_fetch_add(&g->rounds, 1);
	}
	store_read_close(r);
	return NULL;
}

/* Never releases what it holds, and goes on asking. */
static void *
hold_on(void *arg)
{
	struct reading *g = arg;
	struct store_read *r;
	struct store_totals t;
	struct bl_err err = { 0 };
	const struct timespec a_while = { .tv_nsec = 100000000 };

	must(store_read_open(&r, g->c->path, &g->c->clock.clock, &err), &err);
	must(store_read_hold_for(r, g->hold_ms, &err), &err);
	while (!atomic_load(&g->stop)) {
		const int rc = store_read_totals(r, &t, &err);

		/* Ended once, it is so for good: another state is not passed off as the held one.
		 */
		if (rc == BL_EBUSY)
			atomic_store(&g->ended, true);
		else if (rc < 0 || atomic_load(&g->ended))
			atomic_store(&g->wrong, true);
		(void)nanosleep(&a_while, NULL);
		atomic_fetch_add(&g->rounds, 1);
	}
	store_read_close(r);
	return NULL;
}

static double
next_value(uint64_t *random)
{
	*random = *random * 6364136223846793005u + 1442695040888963407u;
	return (double)(*random >> 12);
}

static void
put_large(struct ctx *c, struct bl_batch_enc *e, uint64_t seq, uint64_t *random)
{
	struct bl_batch_header h = { .spool = c->spool,
		.boot = c->boot,
		.stream = BL_STREAM_HOST,
		.seq = seq,
		.collect_begin_ms = (int64_t)seq * MINUTE,
		.collect_end_ms = (int64_t)(seq + 1) * MINUTE,
		.next_seq = seq + 1,
		.lowest_held = 1 };
	struct bl_err err = { 0 };
	struct bl_buf msg, raw;
	const uint8_t *body;
	size_t len;

	bl_batch_enc_reset(e);
	for (uint32_t id = 1; id <= SERIES; id++)
		for (unsigned n = 0; n < SAMPLES; n++)
			must(bl_batch_enc_sample(e, id, (int64_t)seq * MINUTE + n * 7,
				 next_value(random), BL_KNOWN),
			    &err);
	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	must(bl_batch_enc_finish(e, &h, &msg, &err), &err);
	must(bl_batch_header_decode(msg.data, msg.len, &h, &body, &len, &err), &err);
	must(bl_batch_inflate(&h, body, len, &raw, &err), &err);
	assert_int_equal(
	    store_batch_put(c->s, spool(c), &h, body, len, raw.data, raw.len, &err), STORE_NEW);
	bl_buf_free(&msg);
	bl_buf_free(&raw);
}

static int64_t
put_group(struct ctx *c, struct bl_batch_enc *e, uint64_t *seq, uint64_t *random)
{
	struct store_stats s;

	begin(c);
	for (int k = 0; k < 5; k++)
		put_large(c, e, (*seq)++, random);
	commit(c);
	store_stats(c->s, &s);
	return s.wal_bytes;
}

static void
the_log_stays_short_under_readers(void **state)
{
	void *(*const reader[])(void *) = { query_all, hold_states, hold_on };
	struct ctx *c = *state;
	struct reading g[3] = { { .c = c }, { .c = c }, { .c = c } };
	pthread_t t[3];
	struct bl_batch_enc *e;
	uint64_t random = 1, seq = 1;
	int64_t most = 0, now;
	const unsigned n = rounds(250, 20000);

	assert_non_null(e = bl_batch_enc_create());
	know_clock(c, 1, 0, OFFSET);
	know_series(c, SERIES);
	g[2].hold_ms = n > 250 ? 60000 : 2000;
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&t[i], NULL, reader[i], &g[i]), 0);
	do {
		now = put_group(c, e, &seq, &random);
		if (now > most)
			most = now;
	} while (seq <= n || (!atomic_load(&g[2].ended) && seq <= 3 * n));
	/* After the end of the held one: once more as much as the log may hold. */
	for (const uint64_t until = seq + n / 2; seq < until;)
		now = put_group(c, e, &seq, &random);
	for (int i = 0; i < 3; i++)
		atomic_store(&g[i].stop, true);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	bl_batch_enc_free(e);
	print_message("%u batches of some 180 KB came in, the log had %.1f MiB at most and %.1f in"
		      " the end; %u, %u and %u rounds of readers, a query read %u batches\n",
	    (unsigned)seq - 1, (double)most / 1048576, (double)now / 1048576, g[0].rounds,
	    g[1].rounds, g[2].rounds, (unsigned)g[0].batches);
	assert_true(g[2].ended && !g[2].wrong);
	assert_true(g[0].rounds > 3 && g[1].rounds > 3 && g[0].batches > 20);
	assert_in_range(now, 1, WAL_MAX);
	if (g[2].hold_ms < 10000)
		assert_in_range(most, 1, WAL_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_log_stays_short_under_readers, setup, teardown),
	};

	bl_log_level_set(BL_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
