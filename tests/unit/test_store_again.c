/*
 * A spool that was set back cuts again under a new id what it cannot know to be
 * here: each sample is stored once all the same.
 */
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_device_sent_before_is_stored_once),
		cmocka_unit_test_setup_teardown(
		    a_late_batch_of_a_closed_spool_doubles_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
