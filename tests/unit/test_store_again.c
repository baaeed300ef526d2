/*
 * A spool that was set back cuts again under a new id what it cannot know to be
 * here: each sample is stored once all the same.
 */
#include <time.h>

#include "ingest_kit.h"

static struct bl_receipt
receipt_of(struct ctx *c)
{
	pass(c, 2000);
	return last_receipt(c, "kiosk-1");
}

/* A batch of these minutes of the boot, under a spool and seq. */
static void
take_minutes(
    struct ctx *c, const struct bl_id *spool, uint64_t seq, int from, int to, unsigned twist)
{
	const struct fixture_batch b = { .spool = *spool,
		.boot = c->boot,
		.stream = BL_STREAM_HOST,
		.seq = seq,
		.begin_ms = from * (int64_t)MINUTE,
		.end_ms = to * (int64_t)MINUTE,
		.interval_ms = 10000,
		.n_series = 2,
		.twist = twist };
	struct bl_batch_header h;

	fixture_encode(&b, &c->msg, &h);
	take(c, topic_of(BL_TOPIC_LIVE, "kiosk-1"), c->msg.data, c->msg.len, false);
}

/* Its first word names whom it follows. */
static void
begin_spool(struct ctx *c, const struct bl_id *spool, const struct bl_id *predecessor)
{
	struct bl_hello h = hello(c, "kiosk-1", 1);

	h.spool = *spool;
	h.predecessor = *predecessor;
	take_hello(c, "kiosk-1", &h);
}

static void
what_a_device_sent_before_is_stored_once(void **state)
{
	static const struct {
		const char *name;
		int from, to; /* of the batch that is cut again; 0..4 and 4..6 are here */
		unsigned twist;
		bool follows; /* its spool names a predecessor */
		uint64_t batches;
	} rows[] = {
		{ "the same batch", 0, 4, 0, true, 2 },
		{ "a part of one: it was cut earlier in the other life", 1, 3, 0, true, 2 },
		{ "parts of two", 2, 5, 0, true, 2 },
		{ "the same times with other values", 0, 4, 7, true, 3 },
		{ "more than is here", 5, 8, 0, true, 3 },
		{ "later than what is here", 6, 8, 0, true, 3 },
		{ "of a spool that follows nobody", 0, 4, 0, false, 3 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct bl_id fresh = fixture_id(0x22), none = { { 0 } };
		struct ctx *c;

		(void)state;
		assert_int_equal(setup((void **)&c), 0);
		take_minutes(c, &c->spool, 1, 0, 4, 0);
		take_minutes(c, &c->spool, 2, 4, 6, 0);
		begin_spool(c, &fresh, rows[i].follows ? &c->spool : &none);
		take_minutes(c, &fresh, 1, rows[i].from, rows[i].to, rows[i].twist);
		if (totals(c).batches != rows[i].batches)
			fail_msg("%s: %llu batches", rows[i].name,
			    (unsigned long long)totals(c).batches);
		/* Settled either way: the agent need not keep it. */
		assert_int_equal(receipt_of(c).stream[2].contiguous, 1);
		take_minutes(c, &fresh, 1, rows[i].from, rows[i].to, rows[i].twist);
		assert_int_equal(totals(c).batches, rows[i].batches);
		assert_int_equal(totals(c).set_aside, 0);
		teardown((void **)&c);
	}
}

/* Cut anew into parts that fit, or thinned, before it was offered under the new id. */
static void
what_stands_for_others_is_recognised_too(void **state)
{
	static const struct {
		const char *name;
		int from, to;
		int64_t thin_ms;
		uint64_t batches;
	} rows[] = {
		{ "a part of a split", 0, 2, 0, 1 },
		{ "the thinned form of what is here: no sample of it is one", 0, 4, 120000, 1 },
		{ "the same of which only a part is here", 3, 5, 120000, 2 },
		{ "of a time that is not here", 4, 6, 0, 2 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct bl_id fresh = fixture_id(0x22);
		struct fixture_batch b = { .spool = fresh,
			.stream = BL_STREAM_HOST,
			.seq = 3,
			.begin_ms = rows[i].from * (int64_t)MINUTE,
			.end_ms = rows[i].to * (int64_t)MINUTE,
			.interval_ms = 10000,
			.n_series = 2,
			.supersedes_first = 1,
			.supersedes_last = 2,
			.thin_ms = rows[i].thin_ms };
		struct bl_batch_header h;
		struct ctx *c;

		(void)state;
		assert_int_equal(setup((void **)&c), 0);
		take_minutes(c, &c->spool, 1, 0, 4, 0);
		begin_spool(c, &fresh, &c->spool);
		b.boot = c->boot;
		for (int again = 0; again < 2; again++) {
			fixture_encode(&b, &c->msg, &h);
			take(c, topic_of(BL_TOPIC_LIVE, "kiosk-1"), c->msg.data, c->msg.len, false);
			if (totals(c).batches != rows[i].batches)
				fail_msg("%s: %llu batches", rows[i].name,
				    (unsigned long long)totals(c).batches);
		}
		/* Settled with what it supersedes, whether it is stored or not. */
		assert_int_equal(receipt_of(c).stream[2].contiguous, 3);
		assert_int_equal(totals(c).set_aside, 0);
		teardown((void **)&c);
	}
}

static struct fixture_batch
means(struct ctx *c, const struct bl_id *spool, int from, int to)
{
	return (struct fixture_batch){ .spool = *spool,
		.boot = c->boot,
		.stream = BL_STREAM_HOST,
		.seq = 2,
		.begin_ms = from * (int64_t)MINUTE,
		.end_ms = to * (int64_t)MINUTE,
		.interval_ms = 10000,
		.n_series = 2,
		.supersedes_first = 1,
		.supersedes_last = 1,
		.thin_ms = 5 * (int64_t)MINUTE };
}

/*
 * The centre has means; a copy from before its spool thinned is put back, and what they were
 * made of comes one by one.  The copy was made while a window was under way.
 */
static void
what_means_stand_for_is_not_stored_beside_them(void **state)
{
	static const struct {
		const char *name;
		int from, to; /* means of 0..10 are here */
		unsigned twist;
		uint64_t batches;
	} rows[] = {
		{ "all of it", 0, 10, 0, 1 },
		{ "one window", 5, 10, 0, 1 },
		{ "a part of a window", 1, 3, 0, 1 },
		{ "parts of two", 3, 8, 0, 1 },
		{ "another life's values of the time", 0, 10, 7, 2 },
		{ "another life's, a part of a window", 1, 3, 200, 2 },
		{ "more than is here", 8, 12, 0, 2 },
		{ "what comes later", 10, 12, 0, 2 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct bl_id fresh = fixture_id(0x22);
		struct fixture_batch b;
		struct bl_batch_header h;
		struct ctx *c;

		(void)state;
		assert_int_equal(setup((void **)&c), 0);
		b = means(c, &c->spool, 0, 10);
		fixture_encode(&b, &c->msg, &h);
		take(c, topic_of(BL_TOPIC_LIVE, "kiosk-1"), c->msg.data, c->msg.len, false);
		begin_spool(c, &fresh, &c->spool);
		take_minutes(c, &fresh, 1, rows[i].from, rows[i].to, rows[i].twist);
		if (totals(c).batches != rows[i].batches)
			fail_msg("%s: %llu batches", rows[i].name,
			    (unsigned long long)totals(c).batches);
		assert_int_equal(receipt_of(c).stream[2].contiguous, 1);
		assert_int_equal(totals(c).set_aside, 0);
		teardown((void **)&c);
	}
}

/* The other way round: what they were made of is here, and the means come late. */
static void
late_means_of_a_closed_spool_double_nothing(void **state)
{
	static const struct {
		const char *name;
		int from, to; /* minutes 0..10 are here one by one */
		uint64_t batches, aside;
	} rows[] = {
		{ "of what is here", 0, 10, 1, 0 },
		{ "a window of which a part is here", 5, 14, 1, 1 },
		{ "of what is not", 10, 15, 2, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct bl_id fresh = fixture_id(0x22);
		struct fixture_batch b;
		struct bl_batch_header h;
		struct bl_hello said;
		struct ctx *c;

		(void)state;
		assert_int_equal(setup((void **)&c), 0);
		said = hello(c, "kiosk-1", 3);
		take_hello(c, "kiosk-1", &said); /* two are cut, neither is here */
		begin_spool(c, &fresh, &c->spool);
		take_minutes(c, &fresh, 1, 0, 10, 0);
		b = means(c, &c->spool, rows[i].from, rows[i].to);
		fixture_encode(&b, &c->msg, &h);
		take(c, topic_of(BL_TOPIC_LIVE, "kiosk-1"), c->msg.data, c->msg.len, false);
		if (totals(c).batches != rows[i].batches || totals(c).set_aside != rows[i].aside)
			fail_msg("%s: %llu batches, %llu set aside", rows[i].name,
			    (unsigned long long)totals(c).batches,
			    (unsigned long long)totals(c).set_aside);
		teardown((void **)&c);
	}
}

/* It was on its way when its spool was set back; what it holds has been cut again meanwhile. */
static void
a_late_batch_of_a_closed_spool_doubles_nothing(void **state)
{
	struct ctx *c = *state;
	const struct bl_id fresh = fixture_id(0x22);
	struct bl_hello h = hello(c, "kiosk-1", 4);

	take_hello(c, "kiosk-1", &h); /* three batches are cut, none is here */
	begin_spool(c, &fresh, &c->spool);
	take_minutes(c, &fresh, 1, 0, 2, 0);
	take_minutes(c, &c->spool, 1, 0, 2, 0);
	assert_int_equal(totals(c).batches, 1);
	take_minutes(c, &c->spool, 2, 1, 4, 0); /* half of it is here */
	assert_int_equal(totals(c).batches, 1);
	assert_string_equal(aside(c).reason, "conflict");
	take_minutes(c, &c->spool, 3, 4, 6, 0); /* nothing of it is */
	assert_int_equal(totals(c).batches, 2);
}

/*
 * The other life of a file that was set back had announced more than came, and whoever goes on
 * knows nothing of it.  Named; no receipt speaks of it, for that life may be a clone that lives.
 */
static void
what_another_life_announced_is_named(void **state)
{
	static const struct {
		bool recovered; /* the hello asks for what a file had that is gone */
		enum bl_gap_reason reason;
	} rows[] = { { false, BL_GAP_ROLLED_BACK }, { true, BL_GAP_DAMAGED } };
	struct store_totals t;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct bl_id fresh = fixture_id(0x22);
		struct store_spool *sp;
		struct bl_err err = { 0 };
		struct bl_receipt r;
		struct bl_hello h;
		struct ctx *c;

		assert_int_equal(setup(state), 0);
		c = *state;
		h = hello(c, "kiosk-1", 9); /* eight are cut */
		take_hello(c, "kiosk-1", &h);
		for (uint64_t seq = 1; seq <= 3; seq++)
			take_minutes(c, &c->spool, seq, (int)seq, (int)seq + 1, 0);
		h = hello(c, "kiosk-1", rows[i].recovered ? 1 : 3); /* the copy has cut two */
		h.dict_version = h.clock_version = rows[i].recovered ? 0 : 1;
		take_hello(c, "kiosk-1", &h);
		begin_spool(c, &fresh, &c->spool);
		t = totals(c);
		if (t.unexplained.batches != 0)
			fail_msg("row %zu: %llu batches are unexplained", i,
			    (unsigned long long)t.unexplained.batches);
		/* Five of each stream that was announced. */
		assert_true(t.gaps_by[rows[i].reason - 1].entries >= 1);
		assert_int_equal(t.gaps, t.gaps_by[rows[i].reason - 1].entries);
		take_minutes(c, &c->spool, 6, 6, 7, 0); /* one was on its way after all */
		assert_int_equal(totals(c).batches, 4);
		assert_int_equal(totals(c).gaps, t.gaps + 1); /* 4..5 and 7..8 */
		assert_int_equal(totals(c).unexplained.batches, 0);
		must(store_spool_known(c->s, &c->spool, "kiosk-1", &sp, &err), &err);
		store_receipt(c->s, sp, &r);
		assert_int_equal(r.stream[2].contiguous, 3);
		assert_int_equal(r.stream[2].beyond.n, 1);
		assert_int_equal(r.stream[2].beyond.r[0].first, 6);
		assert_int_equal(r.stream[2].beyond.r[0].last, 6);
		teardown(state);
	}
}

/*
 * Whoever goes on under another id says what of the former one the centre lost and it does not
 * hold.  A third life of the file may hold it: no receipt tells that one that it is safe.
 */
static void
what_a_successor_gives_up_may_come_yet(void **state)
{
	struct ctx *c = *state;
	const struct bl_id fresh = fixture_id(0x22);
	struct bl_gone g = { .spool = c->spool, .n = 1 };
	struct bl_hello h = hello(c, "kiosk-1", 4); /* three are cut */
	struct store_spool *sp;
	struct bl_err err = { 0 };
	struct bl_receipt r;
	uint64_t gaps;

	take_hello(c, "kiosk-1", &h);
	take_minutes(c, &c->spool, 1, 0, 1, 0);
	begin_spool(c, &fresh, &c->spool);
	gaps = totals(c).gaps;
	g.gone[0].stream = BL_STREAM_HOST;
	g.gone[0].range = (struct bl_range){ 2, 3 };
	g.gone[0].reason = BL_GAP_LOST_AT_CENTRE;
	for (int again = 0; again < 2; again++) {
		bl_buf_reset(&c->msg);
		assert_int_equal(bl_gone_encode(&g, &c->msg), BL_OK);
		take(c, topic_of(BL_TOPIC_HELLO, "kiosk-1"), c->msg.data, c->msg.len, false);
		assert_int_equal(totals(c).gaps, gaps + 1);
		must(store_spool_known(c->s, &c->spool, "kiosk-1", &sp, &err), &err);
		store_receipt(c->s, sp, &r);
		assert_int_equal(r.stream[2].contiguous, 1);
	}
	/* It comes, and is not given up any more. */
	take_minutes(c, &c->spool, 2, 1, 2, 0);
	take_minutes(c, &c->spool, 3, 2, 3, 0);
	assert_int_equal(totals(c).batches, 3);
	assert_int_equal(totals(c).gaps, gaps);
}

/* A copy that comes back must see that the refused id is its own, or it is refused for ever. */
static void
a_closed_spool_is_known_though_all_of_it_was_given_up(void **state)
{
	struct ctx *c = *state;
	const struct bl_id fresh = fixture_id(0x22);
	struct bl_gone g = { .spool = c->spool, .n = 1 };
	struct bl_hello h = hello(c, "kiosk-1", 4);
	struct bl_receipt r;

	h.dict_version = h.clock_version = 0;
	take_hello(c, "kiosk-1", &h);
	begin_spool(c, &fresh, &c->spool);
	g.gone[0].stream = BL_STREAM_HOST;
	g.gone[0].range = (struct bl_range){ 1, 3 };
	g.gone[0].reason = BL_GAP_LOST_AT_CENTRE;
	bl_buf_reset(&c->msg);
	assert_int_equal(bl_gone_encode(&g, &c->msg), BL_OK);
	take(c, topic_of(BL_TOPIC_HELLO, "kiosk-1"), c->msg.data, c->msg.len, false);
	h.stream[BL_STREAM_HOST - 1].next_seq = 6;
	take_hello(c, "kiosk-1", &h);
	r = receipt_of(c);
	assert_true(r.is_answer && bl_id_equal(&r.spool, &c->spool));
	assert_int_equal(r.verdict, BL_VERDICT_CONFLICT);
	assert_int_equal(r.stream[BL_STREAM_HOST - 1].contiguous, 0);
	assert_true(r.dict_version > 0 || r.clock_version > 0);
}

enum crowd { OF_ONE_INSTANT, UNKNOWN_BEHIND_MEANS, EVENTS_OF_ONE_INSTANT };

/* Of a spool a batch as full as it may be; of another life the values are others. */
static void
take_crowd(struct ctx *c, const struct bl_id *spool, enum crowd crowd, bool other_life)
{
	struct bl_batch_header h = { .spool = *spool,
		.boot = c->boot,
		.stream = crowd == EVENTS_OF_ONE_INSTANT ? BL_STREAM_EVENTS : BL_STREAM_HOST,
		.seq = 1,
		.collect_end_ms = BL_BATCH_SAMPLES_MAX + 1 };
	const uint32_t n =
	    h.stream == BL_STREAM_EVENTS ? BL_BATCH_EVENTS_MAX : BL_BATCH_SAMPLES_MAX;
	const struct bl_thin two = { 1, 2, 2 };
	const struct bl_event ev = {
		.boot_ms = 1000, .id = { other_life ? "b" : "a", 1 }, .type = { "log", 3 }
	};
	struct bl_batch_enc *e = bl_batch_enc_create();
	int rc = BL_OK;

	assert_non_null(e);
	for (uint32_t i = 0; rc == BL_OK && i < n; i++) {
		if (crowd == EVENTS_OF_ONE_INSTANT)
			rc = bl_batch_enc_event(e, &ev);
		else if (crowd == OF_ONE_INSTANT)
			rc = bl_batch_enc_sample(e, 1, 1000, other_life ? 2 : 1, BL_KNOWN);
		else if (other_life)
			rc = bl_batch_enc_sample(e, 1, 1 + i, 0, BL_UNKNOWN_UNREADABLE);
		else
			rc = bl_batch_enc_thin(e, 1, 1 + i, 1, &two);
	}
	assert_int_equal(rc, BL_OK);
	bl_buf_reset(&c->msg);
	assert_int_equal(bl_batch_enc_finish(e, &h, &c->msg, NULL), BL_OK);
	bl_batch_enc_free(e);
	take(c, topic_of(BL_TOPIC_LIVE, "kiosk-1"), c->msg.data, c->msg.len, false);
}

/* A few hundred bytes say as much as a batch may hold, all at once: everyone waits for that. */
static void
a_crowded_batch_is_compared_in_time(void **state)
{
	for (int crowd = OF_ONE_INSTANT; crowd <= EVENTS_OF_ONE_INSTANT; crowd++) {
		const struct bl_id fresh = fixture_id(0x22);
		struct ctx *c;
		clock_t began;

		(void)state;
		assert_int_equal(setup((void **)&c), 0);
		take_crowd(c, &c->spool, (enum crowd)crowd, false);
		begin_spool(c, &fresh, &c->spool);
		began = clock();
		take_crowd(c, &fresh, (enum crowd)crowd, true);
		if (clock() - began > 8 * CLOCKS_PER_SEC)
			fail_msg("crowd %d: %zu bytes took %ld ms", crowd, c->msg.len,
			    (long)((clock() - began) / (CLOCKS_PER_SEC / 1000)));
		assert_int_equal(totals(c).set_aside, 0);
		teardown((void **)&c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_device_sent_before_is_stored_once),
		cmocka_unit_test(what_stands_for_others_is_recognised_too),
		cmocka_unit_test(what_means_stand_for_is_not_stored_beside_them),
		cmocka_unit_test(late_means_of_a_closed_spool_double_nothing),
		cmocka_unit_test_setup_teardown(
		    a_late_batch_of_a_closed_spool_doubles_nothing, setup, teardown),
		cmocka_unit_test(what_another_life_announced_is_named),
		cmocka_unit_test_setup_teardown(
		    what_a_successor_gives_up_may_come_yet, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_closed_spool_is_known_though_all_of_it_was_given_up, setup, teardown),
		cmocka_unit_test(a_crowded_batch_is_compared_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
