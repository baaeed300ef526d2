/*
 * The write-ahead log stays short while readers of all kinds read and much comes in: a
 * query over everything, again and again, as an export on a dashboard does it, and held states
 * one after the other, as the evaluator does it.
 */
#include "store_kit.h"

#include <pthread.h>
#include <stdatomic.h>

#include "folder.h"

#define WAL_MAX (64 << 20)
#define BODY    200000u /* bytes of a batch; they do not compress */

struct reading {
	const struct ctx *c;
	atomic_bool stop;
	atomic_uint rounds;
};

static bool
see_nothing(void *ctx, const struct store_coverage *cover)
{
	(void)ctx;
	(void)cover;
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

/* Past what a batch of that size says, only its row counts here. */
static void
put_large(struct ctx *c, uint64_t seq, uint8_t *body, uint64_t *random)
{
	const struct bl_batch_header h = { .spool = c->spool,
		.boot = c->boot,
		.stream = BL_STREAM_HOST,
		.seq = seq,
		.collect_begin_ms = (int64_t)seq * MINUTE,
		.collect_end_ms = (int64_t)(seq + 1) * MINUTE,
		.event_begin_ms = (int64_t)seq * MINUTE,
		.event_end_ms = (int64_t)seq * MINUTE,
		.next_seq = seq + 1,
		.lowest_held = 1,
		.raw_bytes = BODY };
	struct bl_err err = { 0 };

	for (size_t i = 0; i < BODY; i += 8) {
		*random = *random * 6364136223846793005u + 1442695040888963407u;
		memcpy(body + i, random, 8);
	}
	must(store_batch_put(c->s, spool(c), &h, body, BODY, NULL, 0, &err), &err);
}

static void
the_log_stays_short_under_readers(void **state)
{
	struct ctx *c = *state;
	struct reading g[2] = { { .c = c }, { .c = c } };
	pthread_t t[2];
	uint8_t *body = malloc(BODY + 8);
	uint64_t random = 1;
	int64_t most = 0;
	const unsigned n = rounds(1000, 20000);

	know_clock(c, 1, 0, OFFSET);
	assert_int_equal(pthread_create(&t[0], NULL, query_all, &g[0]), 0);
	assert_int_equal(pthread_create(&t[1], NULL, hold_states, &g[1]), 0);
	for (uint64_t seq = 1; seq <= n;) {
		struct store_stats s;

		begin(c);
		for (int k = 0; k < 5; k++)
			put_large(c, seq++, body, &random);
		commit(c);
		store_stats(c->s, &s);
		if (s.wal_bytes > most)
			most = s.wal_bytes;
	}
	for (int i = 0; i < 2; i++)
		atomic_store(&g[i].stop, true);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	free(body);
	print_message("%u MiB came in, the log had %.1f MiB at most; %u and %u rounds of readers\n",
	    (unsigned)((uint64_t)n * BODY >> 20), (double)most / 1048576, g[0].rounds, g[1].rounds);
	assert_true(g[0].rounds > 3 && g[1].rounds > 3);
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
