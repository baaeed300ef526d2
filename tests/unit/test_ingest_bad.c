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

/* Decoders that die; the linker puts them in the real ones' place (--wrap). */
enum { NOBODY, VERIFY, HEADER, DICT, HELLO };
static int dies = NOBODY;

int __real_bl_batch_verify(
    const struct bl_batch_header *h, const void *raw, size_t len, struct bl_err *err);
int __wrap_bl_batch_verify(
    const struct bl_batch_header *h, const void *raw, size_t len, struct bl_err *err);
int __real_bl_batch_header_decode(const void *msg, size_t len, struct bl_batch_header *h,
    const uint8_t **body, size_t *body_len, struct bl_err *err);
int __wrap_bl_batch_header_decode(const void *msg, size_t len, struct bl_batch_header *h,
    const uint8_t **body, size_t *body_len, struct bl_err *err);
int __real_bl_dict_decode(
    const void *msg, size_t len, struct bl_dict_reader *r, struct bl_buf *raw, struct bl_err *err);
int __wrap_bl_dict_decode(
    const void *msg, size_t len, struct bl_dict_reader *r, struct bl_buf *raw, struct bl_err *err);
int __real_bl_hello_decode(const void *msg, size_t len, struct bl_hello *h, struct bl_err *err);
int __wrap_bl_hello_decode(const void *msg, size_t len, struct bl_hello *h, struct bl_err *err);

static void
die_if(int who)
{
	if (dies == who)
		(void)raise(SIGKILL);
}

int
__wrap_bl_batch_verify(
    const struct bl_batch_header *h, const void *raw, size_t len, struct bl_err *err)
{
	die_if(VERIFY);
	return __real_bl_batch_verify(h, raw, len, err);
}

int
__wrap_bl_batch_header_decode(const void *msg, size_t len, struct bl_batch_header *h,
    const uint8_t **body, size_t *body_len, struct bl_err *err)
{
	die_if(HEADER);
	return __real_bl_batch_header_decode(msg, len, h, body, body_len, err);
}

int
__wrap_bl_dict_decode(
    const void *msg, size_t len, struct bl_dict_reader *r, struct bl_buf *raw, struct bl_err *err)
{
	die_if(DICT);
	return __real_bl_dict_decode(msg, len, r, raw, err);
}

int
__wrap_bl_hello_decode(const void *msg, size_t len, struct bl_hello *h, struct bl_err *err)
{
	die_if(HELLO);
	return __real_bl_hello_decode(msg, len, h, err);
}

static void
make_poison(struct ctx *c, int who)
{
	static uint32_t nonce;
	struct bl_hello h = hello(c, "kiosk-1", 1);

	if (who == DICT) {
		make_dict(c, 1, 3);
	} else if (who == HELLO) {
		h.nonce = ++nonce; /* no two hellos are alike */
		bl_buf_reset(&c->msg);
		assert_int_equal(bl_hello_encode(&h, &c->msg), BL_OK);
	} else {
		make_batch(c, 1);
	}
}

static const char *
topic_for(int who)
{
	return topic_of(who == HELLO ? BL_TOPIC_HELLO : BL_TOPIC_LIVE, "kiosk-1");
}

/* One message as another process would take it; true: it died of it. */
static bool
dies_of(struct ctx *c, int who)
{
	const pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		const struct ingest_msg m = { topic_for(who), c->msg.data, c->msg.len, false };
		struct bl_err err = { 0 };

		dies = who;
		(void)ingest_core_begin(c->core, &err);
		(void)ingest_core_take(c->core, &m, &err);
		ingest_core_rollback(c->core);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status);
}

static void
restart(struct ctx *c)
{
	struct ingest_core *old = c->core;

	start_core(c); /* reads what the dead one left */
	ingest_core_free(old);
}

static void
kill_three_times(struct ctx *c, int who)
{
	for (int i = 0; i < 3; i++) {
		make_poison(c, who);
		assert_true(dies_of(c, who));
		restart(c);
	}
	make_poison(c, who);
}

static void
what_kills_the_decoder_three_times_is_set_aside(void **state)
{
	struct ctx *c = *state;

	kill_three_times(c, VERIFY);
	take(c, topic_of(BL_TOPIC_LIVE, "kiosk-1"), c->msg.data, c->msg.len, false);
	assert_string_equal(aside(c).reason, "undecodable");
	pass(c, 50);
	assert_int_equal(last_receipt(c, "kiosk-1").stream[2].aside.n, 1);
	/* Others flow. */
	take_batch(c, 2);
	assert_int_equal(totals(c).batches, 1);
}

/* Whichever decoder it is that dies, and though no seq can be settled: the message comes again and
 * again, at every start, and is never looked into. */
static void
whatever_it_is_that_dies_is_left_alone_from_then_on(void **state)
{
	static const int who[] = { VERIFY, HEADER, DICT, HELLO };

	(void)state;
	for (size_t i = 0; i < sizeof(who) / sizeof(who[0]); i++) {
		struct ctx *c;
		void *fresh;

		assert_int_equal(setup(&fresh), 0);
		c = fresh;
		kill_three_times(c, who[i]);
		take(c, topic_for(who[i]), c->msg.data, c->msg.len, false);
		if (strcmp(aside(c).reason, "undecodable") != 0)
			fail_msg("of decoder %d: set aside as \"%s\"", who[i], aside(c).reason);
		for (int again = 0; again < 5; again++) {
			make_poison(c, who[i]);
			if (dies_of(c, who[i]))
				fail_msg("decoder %d dies again", who[i]);
			restart(c);
		}
		assert_int_equal(teardown(&fresh), 0);
	}
}

/* Two deaths are an accident: what is decoded after them is forgiven. */
static void
what_is_decoded_in_the_end_is_forgiven(void **state)
{
	struct ctx *c = *state;

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 2; i++) {
			make_poison(c, DICT);
			assert_true(dies_of(c, DICT));
			restart(c);
		}
		make_poison(c, DICT);
		take(c, topic_for(DICT), c->msg.data, c->msg.len, false);
	}
	assert_int_equal(aside(c).n, 0);
	assert_int_equal(totals(c).series, 3);
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
		T(whatever_it_is_that_dies_is_left_alone_from_then_on),
		T(what_is_decoded_in_the_end_is_forgiven),
	};

	bl_log_level_set(BL_LOG_ERROR);
	return cmocka_run_group_tests_name("ingest: bad input", tests, NULL, NULL);
}
