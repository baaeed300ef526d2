/*
 * Whatever comes, ingest takes it in once or sets it aside once with its reason,
 * even when it kills the decoder.
 */
#include "ingest_kit.h"

/* ---- bad input ---- */

static void
what_may_not_be_is_set_aside_once_with_its_reason(void **state)
{
	static const struct {
		const char *topic;
		const char *payload;
		bool retained;
		const char *reason;
	} cases[] = {
		{ "bl/1/up/07/kiosk-1/hello", "rubbish", false, "undecodable" },
		{ "bl/1/up/07/kiosk-1/live", "rubbish", false, "undecodable" },
		{ "bl/1/up/07/kiosk-1/past", "rubbish", false, "undecodable" },
		{ "bl/1/up/07/kiosk-1/presence", "rubbish", true, "undecodable" },
		{ "bl/1/up/07/kiosk-1/hello", "", false, "undecodable" },
		{ "bl/1/up/07/kiosk-1/live", "", false, "undecodable" },
		{ "bl/1/up/07/kiosk-1/live", "retained", true, "retained" },
		{ "bl/1/up/07/kiosk-1/past", "retained", true, "retained" },
		{ "bl/1/up/07/kiosk-1/hello", "retained", true, "retained" },
		{ "bl/1/up/08/kiosk-1/live", "part", false, "wrong_part" },
		{ "bl/1/up/08/kiosk-1/hello", "part", false, "wrong_part" },
		{ "bl/1/up/08/kiosk-1/presence", "part", true, "wrong_part" },
		{ "bl/1/up/07/nobody/live", "x", false, "unknown_device" },
		{ "bl/1/up/07/nobody/presence", "x", true, "unknown_device" },
		{ "bl/1/up/07/old-1/live", "x", false, "retired" },
		{ "bl/1/up/xx/kiosk-1/live", "x", false, "not_ours" },
		{ "bl/1/up/07/KIOSK/live", "x", false, "not_ours" },
		{ "bl/1/up/07/kiosk-1/else", "x", false, "not_ours" },
		{ "bl/1/down/kiosk-1/receipt", "x", false, "not_ours" },
		{ "bl/1/centre", "x", true, "not_ours" },
		{ "", "x", false, "not_ours" },
	};
	struct ctx *c = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct aside_seen seen;

		for (int again = 0; again < 3; again++)
			take(c, cases[i].topic, cases[i].payload, strlen(cases[i].payload),
			    cases[i].retained);
		seen = aside(c);
		assert_int_equal(seen.n, i + 1);
		assert_string_equal(seen.reason, cases[i].reason);
		pass(c, 2000);
	}
	assert_int_equal(c->n_sent, 0);
	assert_int_equal(totals(c).batches, 0);
}

static void
a_message_over_the_cap_is_set_aside(void **state)
{
	struct ctx *c = *state;
	uint8_t *big = calloc(1, BL_BATCH_WIRE_MAX + 1);

	take(c, topic_of(BL_TOPIC_LIVE, "kiosk-1"), big, BL_BATCH_WIRE_MAX + 1, false);
	assert_string_equal(aside(c).reason, "oversized");
	free(big);
}

/* Every length of every kind of message, on every topic: no crash, and nothing taken for whole. */
static void
truncated_messages_change_nothing(void **state)
{
	static const enum bl_topic_kind topics[] = { BL_TOPIC_HELLO, BL_TOPIC_LIVE, BL_TOPIC_PAST,
		BL_TOPIC_PRESENCE };
	struct ctx *c = *state;
	const struct bl_presence p = { .online = true, .boot = c->boot, .connections = 1 };
	struct bl_hello h = hello(c, "kiosk-1", 1);

	for (int kind = 0; kind < 5; kind++) {
		uint8_t *whole;
		size_t len;

		bl_buf_reset(&c->msg);
		if (kind == 0)
			assert_int_equal(bl_hello_encode(&h, &c->msg), BL_OK);
		else if (kind == 1)
			make_batch(c, 1);
		else if (kind == 2)
			make_dict(c, 1, 3);
		else if (kind == 3)
			make_clock(c, 1);
		else
			assert_int_equal(bl_presence_encode(&p, &c->msg), BL_OK);
		len = c->msg.len;
		whole = malloc(len);
		memcpy(whole, c->msg.data, len);
		for (size_t n = 0; n < len; n++)
			for (size_t t = 0; t < 4; t++)
				take(c, topic_of(topics[t], "kiosk-1"), whole, n, false);
		free(whole);
	}
	assert_int_equal(totals(c).batches, 0);
	assert_int_equal(totals(c).series, 0);
	assert_true(totals(c).set_aside > 0);
}

static void
a_broken_body_is_receipted_as_set_aside_and_a_whole_one_still_taken(void **state)
{
	struct ctx *c = *state;
	struct bl_receipt r;

	make_batch(c, 1);
	c->msg.data[c->msg.len - 3] ^= 0x55;
	take(c, topic_of(BL_TOPIC_LIVE, "kiosk-1"), c->msg.data, c->msg.len, false);
	pass(c, 50);
	r = last_receipt(c, "kiosk-1");
	assert_int_equal(r.stream[2].contiguous, 1);
	assert_int_equal(r.stream[2].aside.n, 1);
	assert_string_equal(aside(c).reason, "undecodable");
	/* It was on its way already. */
	take_batch(c, 1);
	assert_int_equal(totals(c).batches, 1);
	pass(c, 1000);
	assert_int_equal(last_receipt(c, "kiosk-1").stream[2].aside.n, 0);
}

static void
the_same_seq_with_another_content_is_set_aside_and_told(void **state)
{
	struct ctx *c = *state;
	struct fixture_batch b = { .spool = c->spool,
		.boot = c->boot,
		.stream = BL_STREAM_HOST,
		.seq = 1,
		.end_ms = MINUTE,
		.interval_ms = 10000,
		.n_series = 2,
		.twist = 5 };
	struct bl_batch_header h;
	struct bl_receipt r;

	take_batch(c, 1);
	fixture_encode(&b, &c->msg, &h);
	for (int i = 0; i < 3; i++)
		take(c, topic_of(BL_TOPIC_PAST, "kiosk-1"), c->msg.data, c->msg.len, false);
	assert_int_equal(totals(c).batches, 1);
	assert_int_equal(totals(c).conflicts, 1);
	assert_int_equal(aside(c).n, 1);
	assert_string_equal(aside(c).reason, "conflict");
	pass(c, 1000);
	r = last_receipt(c, "kiosk-1");
	assert_int_equal(r.stream[2].aside.n, 1);
	assert_int_equal(r.stream[2].aside.r[0].first, 1);
}

static void
a_spool_of_another_device_is_kept_apart(void **state)
{
	struct ctx *c = *state;
	struct bl_hello h;

	take_batch(c, 1);
	make_batch(c, 2);
	take(c, topic_of(BL_TOPIC_LIVE, "kiosk-2"), c->msg.data, c->msg.len, false);
	assert_int_equal(totals(c).batches, 1);
	assert_string_equal(aside(c).reason, "foreign_identity");
	pass(c, 1000);
	c->n_sent = 0;
	h = hello(c, "kiosk-2", 3);
	take_hello(c, "kiosk-2", &h);
	pass(c, 50);
	assert_int_equal(last_receipt(c, "kiosk-2").verdict, BL_VERDICT_CONFLICT);
	assert_int_equal(last_receipt(c, "kiosk-2").stream[2].contiguous, 0);
	/* The name inside a hello counts for nothing but to be compared. */
	h = hello(c, "kiosk-1", 3);
	take_hello(c, "kiosk-2", &h);
	assert_string_equal(aside(c).reason, "foreign_identity");
}

/* One device that makes up spools must not hold up the others' commits. */
static void
a_device_with_too_many_spools_stops_nobody(void **state)
{
	struct ctx *c = *state;
	const struct store_opts opts = {
		.clock = &c->clock.clock, .path = c->path, .spools_per_device = 2
	};
	struct bl_hello h;
	struct bl_err err = { 0 };

	ingest_core_free(c->core);
	store_close(c->s);
	must(store_open(&c->s, &opts, &err), &err);
	start_core(c);
	for (uint8_t i = 0; i < 4; i++) {
		c->spool = fixture_id((uint8_t)(0x40 + i));
		take_batch(c, 1); /* fails the test when the store is said to have failed */
	}
	assert_int_equal(totals(c).batches, 2);
	assert_int_equal(aside(c).n, 2);
	assert_string_equal(aside(c).reason, "foreign_identity");
	h = hello(c, "kiosk-1", 2);
	take_hello(c, "kiosk-1", &h);
	pass(c, 1000);
	assert_int_equal(last_receipt(c, "kiosk-1").verdict, BL_VERDICT_CONFLICT);
}

static void
a_retired_device_is_told_so(void **state)
{
	struct ctx *c = *state;
	struct bl_hello h = hello(c, "old-1", 1);

	take_hello(c, "old-1", &h);
	pass(c, 50);
	assert_int_equal(last_receipt(c, "old-1").verdict, BL_VERDICT_RETIRED);
	assert_int_equal(last_receipt(c, "old-1").credit_bytes_per_s, 0);
}

/* ---- poison ---- */

static bool die_in_decode;

int __real_bl_batch_verify(
    const struct bl_batch_header *h, const void *raw, size_t len, struct bl_err *err);
int __wrap_bl_batch_verify(
    const struct bl_batch_header *h, const void *raw, size_t len, struct bl_err *err);

/* The linker puts this in the decoder's place (--wrap). */
int
__wrap_bl_batch_verify(
    const struct bl_batch_header *h, const void *raw, size_t len, struct bl_err *err)
{
	if (die_in_decode)
		(void)raise(SIGKILL);
	return __real_bl_batch_verify(h, raw, len, err);
}

static void
die_while_decoding(struct ctx *c)
{
	const pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		const struct ingest_msg m = { topic_of(BL_TOPIC_LIVE, "kiosk-1"), c->msg.data,
			c->msg.len, false };
		struct bl_err err = { 0 };

		die_in_decode = true;
		(void)ingest_core_begin(c->core, &err);
		(void)ingest_core_take(c->core, &m, &err);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static void
what_kills_the_decoder_three_times_is_set_aside(void **state)
{
	struct ctx *c = *state;

	make_batch(c, 1);
	for (int i = 0; i < 3; i++) {
		struct ingest_core *old = c->core;

		die_while_decoding(c);
		start_core(c); /* reads what the dead one left */
		ingest_core_free(old);
	}
	take(c, topic_of(BL_TOPIC_LIVE, "kiosk-1"), c->msg.data, c->msg.len, false);
	assert_string_equal(aside(c).reason, "undecodable");
	pass(c, 50);
	assert_int_equal(last_receipt(c, "kiosk-1").stream[2].aside.n, 1);
	/* Others flow. */
	take_batch(c, 2);
	assert_int_equal(totals(c).batches, 1);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_may_not_be_is_set_aside_once_with_its_reason),
		T(a_message_over_the_cap_is_set_aside),
		T(truncated_messages_change_nothing),
		T(a_broken_body_is_receipted_as_set_aside_and_a_whole_one_still_taken),
		T(the_same_seq_with_another_content_is_set_aside_and_told),
		T(a_spool_of_another_device_is_kept_apart),
		T(a_device_with_too_many_spools_stops_nobody),
		T(a_retired_device_is_told_so),
		T(what_kills_the_decoder_three_times_is_set_aside),
	};

	bl_log_level_set(BL_LOG_ERROR);
	return cmocka_run_group_tests_name("ingest: bad input", tests, NULL, NULL);
}
