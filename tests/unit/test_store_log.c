/*
 * The store as a log: what is read from it depends on what came, never on when
 * or in which order; and what a batch or an entry settles is told with it.
 */
#include "store_log_kit.h"

/* ---- one history in many orders ---- */

static void
the_order_of_arrival_does_not_show(void **state)
{
	struct text first = { 0 };
	struct op o[80];
	uint64_t random = 4711;
	const size_t n = history(o);
	const unsigned n_rounds = rounds(24, 200);

	(void)state;
	assert_true(n < 80);
	for (unsigned round = 0; round < n_rounds; round++) {
		struct text t = { 0 };
		struct ctx c = { 0 };

		open_all(&c);
		if (round > 0)
			shuffle(o, n, &random);
		arrive(&c, o, n, round % 3 == 0, &random);
		say_all(&c, &t);
		if (round == 0)
			first = t;
		else if (strcmp(first.p, t.p) != 0)
			fail_msg("round %u differs", round);
		if (round > 0)
			free(t.p);
		close_all(&c);
	}
	free(first.p);
}

static void
every_sample_comes_once(void **state)
{
	struct ctx *c = *state;
	struct text t = { 0 };
	struct op o[80];
	const size_t n = history(o);

	for (size_t i = 0; i < n; i++)
		apply(c, &o[i]);
	place_all(c);
	/* Boot 1: 42.5 minutes without the five that are gone; boot 2: five minutes; two series. */
	assert_int_equal(say_samples(c, &t, -(int64_t)10 * MINUTE, (int64_t)60 * MINUTE),
	    2 * ((42 * 6 + 3) - 5 * 6 + 5 * 6));
	/* The clock was set back, so that there are two of the same time. */
	t.len = 0;
	assert_int_equal(say_samples(c, &t, (int64_t)5 * MINUTE, 5 * MINUTE + 30000), 2 * 2 * 3);
	free(t.p);
	/* A hole is gone when the ledger has its time, or every seq between its neighbours. */
	assert_coverage(c, 9 * MINUTE, (int64_t)14 * MINUTE,
	    "covered 540000 600000\ngone 600000 780000\ncovered 780000 840000\n");
	assert_coverage(c, 16 * MINUTE + 20000, (int64_t)17 * MINUTE, "gone 980000 1020000\n");
	assert_coverage(c, (int64_t)17 * MINUTE, (int64_t)19 * MINUTE,
	    "gone 1020000 1080000\ncovered 1080000 1140000\n");
}

/* ---- what is told of a batch ---- */

/* The same batch, read by itself. */
static bool
told_the_same_alone(void *ctx, const struct store_log_batch *b)
{
	struct ctx *c = ctx;
	struct told alone = { .n = 0 };
	struct bl_err err = { 0 };

	must(store_log_batch(c->r, b->id, keep_batch, &alone, &err), &err);
	assert_int_equal(alone.n, 1);
	assert_int_equal(alone.b.begin_unix_ms, b->begin_unix_ms);
	assert_int_equal(alone.b.end_unix_ms, b->end_unix_ms);
	assert_int_equal(alone.b.stream, b->stream);
	return true;
}

static void
batches_read_together_are_told_as_alone(void **state)
{
	const unsigned n_rounds = rounds(6, 60);
	struct op o[100];
	size_t n = history(o);
	uint64_t random = 815;

	(void)state;
	/* The same seqs in another stream, at other times. */
	for (uint64_t seq = 1; seq <= 20; seq++) {
		o[n] = minute_of(0xa, 1, seq, (int64_t)seq - 1);
		o[n].stream = BL_STREAM_EVENTS;
		o[n].begin_ms += MINUTE / 2;
		o[n].end_ms += MINUTE / 2;
		o[n++].empty = true;
	}
	assert_true(n <= 100);
	for (unsigned round = 0; round < n_rounds; round++) {
		struct bl_err err = { 0 };
		struct ctx c = { 0 };

		open_all(&c);
		if (round > 0)
			shuffle(o, n, &random);
		arrive(&c, o, n, true, &random);
		must(store_log_batches(c.r, 0, 1000, told_the_same_alone, &c, &err), &err);
		close_all(&c);
	}
}

static void
batches_come_in_order_of_commit(void **state)
{
	struct ctx *c = *state;
	struct told t = { .n = 0 };
	struct store_log_head head;
	struct bl_err err = { 0 };

	must(store_log_head(c->r, &head, &err), &err);
	assert_int_equal(head.batch_id, 0);
	assert_memory_equal(&head.epoch, store_epoch(c->s), sizeof(head.epoch));
	know_clock(c);
	for (int64_t i = 0; i < 150; i++)
		put_minute(c, (uint64_t)i + 1, i);
	must(store_log_batches(c->r, 0, 1000, keep_batch, &t, &err), &err);
	assert_int_equal(t.n, 150);
	must(store_log_head(c->r, &head, &err), &err);
	assert_int_equal(t.b.id, head.batch_id);
	assert_string_equal(t.device, DEVICE);
	t.n = 0;
	must(store_log_batches(c->r, head.batch_id - 70, 65, keep_batch, &t, &err), &err);
	assert_int_equal(t.n, 65);
	assert_int_equal(t.b.id, head.batch_id - 5);
	assert_int_equal(
	    store_log_batch(c->r, head.batch_id + 1, keep_batch, &t, &err), BL_ENOTFOUND);
}

static void
a_batch_waits_for_its_clock_and_its_dictionary(void **state)
{
	struct ctx *c = *state;
	struct told t;

	put_minute(c, 1, 0);
	t = newest(c);
	assert_true(t.b.begin_unix_ms == STORE_TIME_NONE && t.b.end_unix_ms == STORE_TIME_NONE);
	assert_true(t.b.dict_missing);
	assert_int_equal(t.b.n_samples, 12);
	know_clock(c);
	assert_int_equal(newest(c).b.end_unix_ms, OFFSET + MINUTE);
	for (uint32_t i = 1; i <= 2; i++) {
		const struct op o = { .what = DICT, .spool = 0xa, .entry = i, .series = i };

		assert_true(newest(c).b.dict_missing);
		apply(c, &o);
	}
	assert_false(newest(c).b.dict_missing);
}

static void
a_span_reaches_over_what_its_batch_settles(void **state)
{
	struct ctx *c = *state;
	const struct op gone = { .what = GONE, .spool = 0xa, .seq = 3, .last = 4 };
	struct told t;

	know_clock(c);
	put_minute(c, 1, 0);
	/* Nothing before it: another spool's last tick may be there. */
	assert_int_equal(newest(c).b.begin_unix_ms, OFFSET - 2000);
	put_minute(c, 2, 1);
	t = newest(c);
	assert_int_equal(t.b.begin_unix_ms, OFFSET + MINUTE);
	assert_int_equal(t.b.end_unix_ms, OFFSET + 2 * MINUTE);
	/* What is missing may still come: the hole is not in the span, a tick of it is. */
	put_minute(c, 5, 4);
	t = newest(c);
	assert_int_equal(t.b.begin_unix_ms, OFFSET + 4 * MINUTE - 2000);
	/* Known gone: the next batch that stands at its edge tells it. */
	apply(c, &gone);
	assert_int_equal(newest(c).b.begin_unix_ms, OFFSET + 2 * MINUTE);
}

/* ---- memory ends ---- */

static bool
ignore_sample(void *ctx, const struct store_log_sample *s)
{
	(void)ctx;
	(void)s;
	return true;
}

static void
ignore_span(void *ctx, bool gone, int64_t begin, int64_t end)
{
	(void)ctx;
	(void)gone;
	(void)begin;
	(void)end;
}

static bool
ignore_batch(void *ctx, const struct store_log_batch *b)
{
	(void)ctx;
	(void)b;
	return true;
}

/* One of the questions about the whole history, by a reader of its own. */
static int
ask(struct ctx *c, int question, const int64_t ids[2], struct bl_err *err)
{
	const int64_t from = OFFSET - (int64_t)10 * MINUTE, to = OFFSET + (int64_t)60 * MINUTE;

	switch (question) {
	case 0:
		return store_log_samples(
		    c->r, DEVICE, STREAM, ids, 2, from, to, ignore_sample, NULL, err);
	case 1:
		return store_log_coverage(c->r, DEVICE, STREAM, from, to, ignore_span, NULL, err);
	case 2:
		return store_log_batches(c->r, 0, 1000, ignore_batch, NULL, err);
	default:
		return store_log_series(c->r, DEVICE, "m1", keep_id, &(int64_t){ 0 }, err);
	}
}

static void
memory_that_ends_is_told(void **state)
{
	struct ctx *c = *state;
	struct bl_err err = { 0 };
	struct op o[80];
	const size_t n = history(o);
	int64_t ids[2];

	for (size_t i = 0; i < n; i++)
		apply(c, &o[i]);
	place_all(c);
	find_ids(c, ids);
	for (int question = 0; question < 4; question++) {
		unsigned failed = 0;
		int rc;

		for (;; failed++) {
			store_read_close(c->r);
			must(store_read_open(&c->r, c->path, &c->clock.clock, &err), &err);
			err = (struct bl_err){ 0 };
			nomem_arm(failed + 1);
			rc = ask(c, question, ids, &err);
			assert_int_equal(nomem_disarm(), rc < 0);
			if (rc == BL_OK)
				break;
			assert_int_equal(rc, BL_ENOMEM);
			assert_int_equal(err.code, BL_ENOMEM);
		}
		assert_true(failed >= 1);
	}
}

/* ---- small things ---- */

static bool
stop_after(void *ctx, const struct store_log_sample *s)
{
	(void)s;
	return --*(int *)ctx > 0;
}

static void
a_visitor_can_stop(void **state)
{
	struct ctx *c = *state;
	struct bl_err err = { 0 };
	struct op o[80];
	const size_t n = history(o);
	int64_t ids[2];
	int left = 3;

	for (size_t i = 0; i < n; i++)
		apply(c, &o[i]);
	place_all(c);
	find_ids(c, ids);
	must(store_log_samples(
		 c->r, DEVICE, STREAM, ids, 2, OFFSET, OFFSET + 600000, stop_after, &left, &err),
	    &err);
	assert_int_equal(left, 0);
}

static void
a_device_never_heard_of_has_nothing(void **state)
{
	struct ctx *c = *state;
	struct bl_err err = { 0 };
	struct text t = { 0 };
	int64_t id = 7;

	say(&t, "%s", "");
	must(store_log_series(c->r, "nobody", "m1", keep_id, &id, &err), &err);
	assert_int_equal(id, 7);
	must(store_log_samples(c->r, "nobody", STREAM, &id, 1, 0, MINUTE, say_sample, NULL, &err),
	    &err);
	must(store_log_coverage(c->r, "nobody", STREAM, 0, MINUTE, say_span, &t, &err), &err);
	assert_string_equal(t.p, "");
	free(t.p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_order_of_arrival_does_not_show),
		cmocka_unit_test_setup_teardown(every_sample_comes_once, setup, teardown),
		cmocka_unit_test(batches_read_together_are_told_as_alone),
		cmocka_unit_test_setup_teardown(batches_come_in_order_of_commit, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_batch_waits_for_its_clock_and_its_dictionary, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_span_reaches_over_what_its_batch_settles, setup, teardown),
		cmocka_unit_test_setup_teardown(memory_that_ends_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(a_visitor_can_stop, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_device_never_heard_of_has_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
