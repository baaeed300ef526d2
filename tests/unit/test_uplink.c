/* The sender, scripted step by step. */
#include "uplink_kit.h"

/* ---- scripted ---- */

static void
hello_is_said_again_twice_then_the_connection_is_dropped(void **unused)
{
	struct script s = script();

	(void)unused;
	link_up(&s);
	assert_int_equal(uplink_deadline(s.u), s.now + UPLINK_HELLO_MS);
	tick_to(&s, s.now + UPLINK_HELLO_MS - 1);
	assert_int_equal(s.fx.n, 0);
	tick_to(&s, s.now + 1);
	assert_int_equal(count(&s.fx, UPLINK_SEND_HELLO), 1);
	tick_to(&s, s.now + UPLINK_HELLO_MS);
	assert_int_equal(count(&s.fx, UPLINK_SEND_HELLO), 1);
	tick_to(&s, s.now + UPLINK_HELLO_MS);
	assert_int_equal(count(&s.fx, UPLINK_SEND_HELLO), 0);
	assert_non_null(strstr(find(&s.fx, UPLINK_DROP)->why, "hello"));
	assert_int_equal(uplink_deadline(s.u), INT64_MAX);
	uplink_free(s.u);
}

static void
answers_count_when_they_are_ours(void **unused)
{
	static const struct {
		const char *what;
		int nonce; /* from the first hello's */
		bool after_repeat;
		enum bl_verdict verdict;
		enum uplink_state state;
	} cases[] = {
		{ "ours", 0, false, BL_VERDICT_OK, UPLINK_SETTLING },
		{ "an earlier hello's", -4, false, BL_VERDICT_OK, UPLINK_HELLO },
		{ "one never said", 1, false, BL_VERDICT_OK, UPLINK_HELLO },
		{ "the first one's, late", 0, true, BL_VERDICT_OK, UPLINK_SETTLING },
		{ "the repeat's", 1, true, BL_VERDICT_OK, UPLINK_SETTLING },
		{ "conflict: the spool has its say", 0, false, BL_VERDICT_CONFLICT,
		    UPLINK_SETTLING },
		{ "retired", 0, false, BL_VERDICT_RETIRED, UPLINK_REFUSED },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct script s = script();

		link_up(&s);
		if (cases[i].after_repeat)
			tick_to(&s, s.now + UPLINK_HELLO_MS);
		answer(&s, s.nonce + (uint32_t)cases[i].nonce, cases[i].verdict);
		if (state(&s) != cases[i].state)
			fail_msg("%s: state %s", cases[i].what, uplink_state_name(state(&s)));
		uplink_free(s.u);
	}
}

static void
a_refused_device_asks_again_much_later(void **unused)
{
	struct script s = script();
	const struct uplink_outcome other = { .taken = false, .r = &s.r };

	(void)unused;
	link_up(&s);
	answer(&s, s.nonce, BL_VERDICT_CONFLICT);
	assert_int_equal(count(&s.fx, UPLINK_TAKE_ANSWER), 1);
	assert_int_equal(s.fx.n, 1);
	s.fx.n = 0;
	uplink_answered(s.u, s.now, &other, &s.fx);
	assert_int_equal(s.fx.n, 0);
	assert_int_equal(state(&s), UPLINK_REFUSED);
	assert_true(uplink_deadline(s.u) >= s.now + UPLINK_REFUSED_RETRY_MS);
	s.fx.n = 0;
	uplink_cut(s.u, s.now, &s.fx);
	assert_int_equal(s.fx.n, 0);
	tick_to(&s, uplink_deadline(s.u));
	assert_int_equal(count(&s.fx, UPLINK_SEND_HELLO), 1);
	uplink_free(s.u);
}

/* After damage the spool's hello first speaks for its former id: see spool_hello. */
static void
a_conflict_about_a_former_spool_id_leads_to_another_hello(void **unused)
{
	struct script s = script();
	const struct uplink_outcome former = { .say_hello = true, .r = &s.r };
	uint32_t nonce;

	(void)unused;
	link_up(&s);
	nonce = s.nonce;
	answer(&s, nonce, BL_VERDICT_CONFLICT);
	assert_int_equal(count(&s.fx, UPLINK_TIME), 0); /* no time is taken from a refusal */
	s.fx.n = 0;
	uplink_answered(s.u, s.now, &former, &s.fx);
	assert_int_equal(state(&s), UPLINK_HELLO);
	assert_int_not_equal(find(&s.fx, UPLINK_SEND_HELLO)->nonce, nonce);
	s.nonce = find(&s.fx, UPLINK_SEND_HELLO)->nonce;
	answer(&s, s.nonce, BL_VERDICT_OK);
	answered(&s);
	assert_int_equal(state(&s), UPLINK_READY);
	uplink_free(s.u);
}

static void
a_spool_that_hangs_is_not_called_a_silent_collector(void **unused)
{
	struct script s = script();

	(void)unused;
	s.fx.n = 0;
	uplink_link_up(s.u, s.now, 0, &s.fx); /* and the hello never goes out */
	for (unsigned i = 0; i < UPLINK_HELLO_TRIES; i++)
		tick_to(&s, s.now + UPLINK_HELLO_MS);
	assert_non_null(strstr(find(&s.fx, UPLINK_DROP)->why, "spool"));
	uplink_free(s.u);
}

static void
nothing_but_hello_leaves_before_the_answer_is_worked_in(void **unused)
{
	struct script s = script();
	const struct bl_question q = { .need_dict = true, .dict_from = 1 };

	(void)unused;
	link_up(&s);
	uplink_cut(s.u, s.now, &s.fx);
	uplink_question(s.u, s.now, &q, &s.fx);
	assert_int_equal(s.fx.n, 1); /* the hello */
	assert_int_equal(frames(&s, BL_STREAM_HOST, 1, 3, 100, false), 0);
	answer(&s, s.nonce, BL_VERDICT_OK);
	assert_int_equal(count(&s.fx, UPLINK_TAKE_ANSWER), 1);
	assert_int_equal(count(&s.fx, UPLINK_TIME), 1);
	assert_int_equal(count(&s.fx, UPLINK_ASK_OFFER), 0);
	uplink_cut(s.u, s.now, &s.fx);
	assert_int_equal(count(&s.fx, UPLINK_ASK_OFFER), 0);
	/* Right behind the answer, which the spool still takes in: it is asked only once. */
	uplink_question(s.u, s.now, &q, &s.fx);
	assert_int_equal(count(&s.fx, UPLINK_TAKE_QUESTION), 1);
	answered(&s);
	assert_int_equal(count(&s.fx, UPLINK_ASK_OFFER), 1);
	uplink_free(s.u);
}

/* A receipt about a former id of the spool is minutes old, and its seqs are other batches'. */
static void
only_a_receipt_that_was_taken_tells_the_time(void **unused)
{
	struct script s = script();
	struct uplink_outcome o = { .r = &s.r };

	(void)unused;
	ready(&s, 0);
	tick_to(&s, s.now + 1000000);
	frames(&s, BL_STREAM_HOST, 5, 1, 100, false);
	pubacks(&s);
	s.now += 8000;
	s.r.is_answer = false;
	s.r.stream[BL_STREAM_HOST - 1].contiguous = 5;
	for (unsigned taken = 0; taken < 2; taken++) {
		o.taken = taken;
		s.fx.n = 0;
		uplink_receipt(s.u, s.now, &s.r, &s.fx);
		uplink_receipted(s.u, s.now, &o, &s.fx);
		assert_int_equal(count(&s.fx, UPLINK_TIME), taken);
	}
	assert_int_equal(find(&s.fx, UPLINK_TIME)->rtt_ms, 8000);
	uplink_free(s.u);
}

static void
round_trip_is_counted_from_the_hello_that_was_answered(void **unused)
{
	struct script s = script();
	const struct uplink_effect *e;

	(void)unused;
	link_up(&s);
	tick_to(&s, s.now + UPLINK_HELLO_MS);
	uplink_hello_sent(s.u, s.now + 3, s.nonce + 1);
	s.now += 43;
	answer(&s, s.nonce + 1, BL_VERDICT_OK);
	e = find(&s.fx, UPLINK_TIME);
	assert_int_equal(e->rtt_ms, 40);
	assert_int_equal(e->at_mono_ms, s.now - 40);
	uplink_free(s.u);
}

static void
a_rolled_back_spool_says_hello_anew(void **unused)
{
	struct script s = script();
	const struct uplink_outcome o = { .taken = true, .say_hello = true, .r = &s.r };

	(void)unused;
	link_up(&s);
	answer(&s, s.nonce, BL_VERDICT_OK);
	s.fx.n = 0;
	uplink_answered(s.u, s.now, &o, &s.fx);
	assert_int_not_equal(find(&s.fx, UPLINK_SEND_HELLO)->nonce, s.nonce);
	assert_int_equal(state(&s), UPLINK_HELLO);
	uplink_free(s.u);
}

static void
a_changed_centre_is_greeted_within_its_floor(void **unused)
{
	static const struct {
		const char *what;
		uint8_t epoch, start;
		bool hello;
	} cases[] = {
		{ "same", 1, 1, false },
		{ "restarted", 1, 2, true },
		{ "restored", 2, 1, true },
	};

	(void)unused;
	for (size_t i = 0; i < 3; i++) {
		struct script s = script();
		struct bl_centre c = {
			.epoch.b[0] = 1, .start.b[0] = 1, .reconnect_floor_ms = 30000
		};

		uplink_centre(s.u, s.now, &c, &s.fx);
		ready(&s, 0);
		frames(&s, 1, 0, 0, 0, false);
		c.epoch.b[0] = cases[i].epoch;
		c.start.b[0] = cases[i].start;
		s.fx.n = 0;
		uplink_centre(s.u, s.now, &c, &s.fx);
		assert_int_equal(s.fx.n, 0); /* a fleet must not answer as one */
		if (!cases[i].hello) {
			assert_int_equal(uplink_deadline(s.u), INT64_MAX);
		} else {
			assert_true(uplink_deadline(s.u) <= s.now + 30000);
			tick_to(&s, uplink_deadline(s.u));
			assert_int_equal(count(&s.fx, UPLINK_SEND_HELLO), 1);
		}
		uplink_free(s.u);
	}
}

/* Whoever writes "in 49 days" there must not silence a fleet for so long. */
static void
a_floor_beyond_reason_is_cut(void **unused)
{
	struct script s = script();
	struct bl_centre c = { .epoch.b[0] = 1, .start.b[0] = 1, .reconnect_floor_ms = UINT32_MAX };

	(void)unused;
	assert_int_equal(uplink_floor_ms(&c), UPLINK_FLOOR_MAX_MS);
	uplink_centre(s.u, s.now, &c, &s.fx);
	ready(&s, 0);
	c.start.b[0] = 2;
	uplink_centre(s.u, s.now, &c, &s.fx);
	assert_in_range(uplink_deadline(s.u), s.now, s.now + UPLINK_FLOOR_MAX_MS);
	c.reconnect_floor_ms = 30000;
	assert_int_equal(uplink_floor_ms(&c), 30000);
	uplink_free(s.u);
}

static void
a_receipt_of_another_epoch_means_hello(void **unused)
{
	struct script s = script();

	(void)unused;
	ready(&s, 0);
	s.r.is_answer = false;
	s.r.epoch.b[0] = 9;
	s.fx.n = 0;
	uplink_receipt(s.u, s.now, &s.r, &s.fx);
	assert_int_equal(count(&s.fx, UPLINK_TAKE_RECEIPT), 0);
	assert_int_equal(count(&s.fx, UPLINK_SEND_HELLO), 1);
	uplink_free(s.u);
}

static void
the_window_holds_sixteen_frames(void **unused)
{
	struct script s = script();
	unsigned sent = 0, asked = 1;

	(void)unused;
	ready(&s, 0);
	while (asked == 1) {
		sent += frames(&s, BL_STREAM_HOST, 1 + sent, 4, 1000, false);
		asked = count(&s.fx, UPLINK_ASK_OFFER);
	}
	assert_int_equal(sent, UPLINK_SLOTS);
	receipt(&s, BL_STREAM_HOST, 3);
	assert_int_equal(find(&s.fx, UPLINK_ASK_OFFER)->offer.max_frames, 3);
	uplink_free(s.u);
}

static void
the_window_holds_its_bytes(void **unused)
{
	struct script s = script();

	(void)unused;
	ready(&s, 0);
	assert_int_equal(frames(&s, BL_STREAM_HOST, 1, 4, 100000, false), 2);
	assert_int_equal(count(&s.fx, UPLINK_ASK_OFFER), 0);
	receipt(&s, BL_STREAM_HOST, 1);
	assert_int_equal(count(&s.fx, UPLINK_PUBLISH), 1);
	receipt(&s, BL_STREAM_HOST, 3);
	assert_int_equal(count(&s.fx, UPLINK_PUBLISH), 1);
	assert_int_equal(count(&s.fx, UPLINK_ASK_OFFER), 1);
	uplink_free(s.u);
}

static void
a_busy_publish_is_tried_after_the_next_puback(void **unused)
{
	struct script s = script();
	uint64_t token;
	unsigned slot;

	(void)unused;
	ready(&s, 0);
	assert_int_equal(frames(&s, BL_STREAM_HOST, 1, 1, 100, false), 1);
	slot = find(&s.fx, UPLINK_PUBLISH)->slot;
	uplink_busy(s.u, slot);
	s.fx.n = 0;
	uplink_puback(s.u, s.now, 999999, 0, &s.fx); /* somebody else's: room again */
	assert_int_equal(find(&s.fx, UPLINK_PUBLISH)->slot, slot);
	token = find(&s.fx, UPLINK_PUBLISH)->token;
	s.fx.n = 0;
	uplink_puback(s.u, s.now, token, 0, &s.fx);
	assert_int_equal(count(&s.fx, UPLINK_PUBLISH), 0);
	uplink_free(s.u);
}

static void
silence_halves_the_window_and_doubles_the_wait(void **unused)
{
	struct script s = script();
	struct uplink_status st;
	unsigned expect = UPLINK_SLOTS;
	int64_t before;
	uint64_t seq = 1;

	(void)unused;
	ready(&s, 0);
	for (unsigned round = 0; round < 8; round++) {
		while (count(&s.fx, UPLINK_ASK_OFFER) == 1) {
			const unsigned n = find(&s.fx, UPLINK_ASK_OFFER)->offer.max_frames;

			frames(&s, BL_STREAM_HOST, seq, n, 100, false);
			pubacks(&s);
			seq += n;
		}
		uplink_status(s.u, &st);
		assert_int_equal(st.in_flight, expect);
		before = s.now;
		do {
			tick_to(&s, uplink_deadline(s.u));
			uplink_status(s.u, &st);
			if (count(&s.fx, UPLINK_ASK_OFFER) > 0 && st.in_flight > 0)
				frames(&s, BL_STREAM_HOST, seq, 0, 0, false);
		} while (st.in_flight > 0);
		assert_true(s.now - before >= UPLINK_RECEIPT_MIN_MS);
		assert_true(s.now - before <= UPLINK_RECEIPT_MAX_MS);
		expect = expect > 1 ? expect / 2 : 1;
		assert_int_equal(st.window, expect);
		s.fx.n = 0;
		uplink_cut(s.u, s.now, &s.fx);
		if (count(&s.fx, UPLINK_ASK_OFFER) == 0)
			tick_to(&s, s.now); /* the ask of the last tick is still open */
		if (count(&s.fx, UPLINK_ASK_OFFER) == 0) {
			frames(&s, BL_STREAM_HOST, seq, 0, 0, false);
			s.fx.n = 0;
			uplink_cut(s.u, s.now, &s.fx);
		}
	}
	assert_int_equal(st.window, 1);
	uplink_free(s.u);
}

static void
a_batch_that_is_never_receipted_is_offered_ever_more_rarely(void **unused)
{
	struct script s = script();
	int64_t wait[7];

	(void)unused;
	ready(&s, 0);
	for (unsigned i = 0; i < 7; i++) {
		const int64_t sent = s.now;

		assert_int_equal(frames(&s, BL_STREAM_EVENTS, 7, 1, 100, false), 1);
		pubacks(&s);
		frames(&s, BL_STREAM_HOST, 100 + i, 1, 100, false);
		pubacks(&s);
		receipt(&s, BL_STREAM_HOST, 100 + i); /* others pass: the centre is alive */
		frames(&s, BL_STREAM_HOST, 0, 0, 0, false);
		tick_to(&s, uplink_deadline(s.u));
		assert_int_equal(find(&s.fx, UPLINK_CLEAR)->seq, 7);
		wait[i] = s.now - sent;
		if (count(&s.fx, UPLINK_ASK_OFFER) == 0)
			fail_msg("no offer asked for after the deadline");
	}
	assert_in_range(wait[0], 10000, 15000);
	assert_in_range(wait[1], 20000, 30000);
	assert_in_range(wait[2], 40000, 60000);
	assert_in_range(wait[6], 290000, 300000);
	uplink_free(s.u);
}

/* 54 kB at 1.5 kB/s: offered again after 10 s it would be sent three times, behind itself. */
static void
a_frame_that_is_still_on_its_way_is_not_offered_again(void **unused)
{
	struct script s = script();
	uint64_t token;

	(void)unused;
	ready(&s, 0);
	frames(&s, BL_STREAM_HOST, 1, 1, 54000, false);
	token = find(&s.fx, UPLINK_PUBLISH)->token;
	frames(&s, BL_STREAM_HOST, 0, 0, 0, false);
	assert_true(uplink_deadline(s.u) >= s.now + UPLINK_RECEIPT_MAX_MS);
	tick_to(&s, s.now + 36000);
	assert_int_equal(count(&s.fx, UPLINK_CLEAR), 0);
	s.fx.n = 0;
	uplink_puback(s.u, s.now, token, 0, &s.fx);
	assert_in_range(
	    uplink_deadline(s.u) - s.now, UPLINK_RECEIPT_MIN_MS, UPLINK_RECEIPT_MIN_MS * 3 / 2);
	tick_to(&s, uplink_deadline(s.u));
	assert_int_equal(find(&s.fx, UPLINK_CLEAR)->seq, 1);
	uplink_free(s.u);
}

static void
a_refused_publish_waits_for_its_deadline(void **unused)
{
	struct script s = script();
	struct uplink_status st;

	(void)unused;
	ready(&s, 0);
	frames(&s, BL_STREAM_HOST, 1, 1, 100, false);
	const uint64_t token = find(&s.fx, UPLINK_PUBLISH)->token;
	s.fx.n = 0;
	uplink_puback(s.u, s.now, token, 135, &s.fx);
	assert_int_equal(count(&s.fx, UPLINK_CLEAR) + count(&s.fx, UPLINK_PUBLISH), 0);
	uplink_status(s.u, &st);
	assert_int_equal(st.refused_reason, 135);
	assert_true(uplink_deadline(s.u) >= s.now + UPLINK_RECEIPT_MIN_MS);
	uplink_free(s.u);
}

static void
no_credit_holds_the_backlog_back_and_live_flows(void **unused)
{
	struct script s = script();

	(void)unused;
	ready(&s, 0);
	assert_int_equal(find(&s.fx, UPLINK_ASK_OFFER)->offer.past_bytes, 0);
	assert_true(find(&s.fx, UPLINK_ASK_OFFER)->offer.live);
	frames(&s, BL_STREAM_HOST, 0, 0, 0, false);
	assert_int_equal(uplink_deadline(s.u), INT64_MAX); /* nothing to wake up for */
	s.r.credit_bytes_per_s = 1000;
	receipt(&s, BL_STREAM_HOST, 0);
	tick_to(&s, s.now + 1000);
	assert_true(find(&s.fx, UPLINK_ASK_OFFER)->offer.past_bytes > 0);
	uplink_free(s.u);
}

/* The loop sleeps until the deadline: one that has passed and does nothing would spin. */
static void
a_full_window_has_no_deadline_for_credit(void **unused)
{
	struct script s = script();

	(void)unused;
	ready(&s, 100000);
	/* Two fit, two wait for room; the bucket is deep in debt, and there is more. */
	assert_int_equal(frames(&s, BL_STREAM_HOST, 1, 4, 100000, true), 2);
	for (int i = 0; i < 50 && uplink_deadline(s.u) < s.now + 60000; i++) {
		const int64_t at = uplink_deadline(s.u);

		assert_true(i == 0 || at > s.now);
		tick_to(&s, at > s.now ? at : s.now);
	}
	uplink_free(s.u);
}

static void
credit_is_a_bucket_with_debt(void **unused)
{
	struct script s = script();

	(void)unused;
	ready(&s, 1000);
	assert_true(find(&s.fx, UPLINK_ASK_OFFER)->offer.past_bytes > 0);
	assert_int_equal(frames(&s, BL_STREAM_HOST, 1, 1, 11000, true), 1);
	assert_int_equal(find(&s.fx, UPLINK_ASK_OFFER)->offer.past_bytes, 0);
	frames(&s, BL_STREAM_HOST, 0, 0, 0, false);
	receipt(&s, BL_STREAM_HOST, 1);
	assert_int_equal(count(&s.fx, UPLINK_ASK_OFFER), 0);
	/* 1,000 in hand, 11,000 sent: ten seconds to pay */
	assert_in_range(uplink_deadline(s.u) - s.now, 9900, 10100);
	tick_to(&s, uplink_deadline(s.u));
	assert_true(find(&s.fx, UPLINK_ASK_OFFER)->offer.past_bytes > 0);
	uplink_free(s.u);
}

static void
a_slow_link_has_one_second_of_backlog_in_flight(void **unused)
{
	struct script s = script();

	(void)unused;
	ready(&s, 10000000);
	for (uint64_t seq = 1; seq < 20; seq++) {
		assert_int_equal(frames(&s, BL_STREAM_HOST, seq, 1, 8000, true), 1);
		const uint64_t token = find(&s.fx, UPLINK_PUBLISH)->token;

		/* a second's worth is under way: nothing more of the past */
		assert_true(count(&s.fx, UPLINK_ASK_OFFER) == 0 ||
			    find(&s.fx, UPLINK_ASK_OFFER)->offer.past_bytes == 0);
		if (count(&s.fx, UPLINK_ASK_OFFER) > 0)
			frames(&s, BL_STREAM_HOST, 0, 0, 0, false);
		s.now += 1000; /* 8 kB/s */
		s.fx.n = 0;
		uplink_puback(s.u, s.now, token, 0, &s.fx);
		/* the broker has it: the link is free, whenever the receipt comes */
		assert_in_range(find(&s.fx, UPLINK_ASK_OFFER)->offer.past_bytes, 1, 8000);
		receipt(&s, BL_STREAM_HOST, seq);
		assert_int_equal(count(&s.fx, UPLINK_ASK_OFFER), 0);
	}
	uplink_free(s.u);
}

/* Half a second each: the next begins while one is under way, or the link would idle for a round
 * trip. */
static void
a_slow_link_is_kept_busy_with_smaller_batches(void **unused)
{
	struct script s = script();
	uint64_t token;

	(void)unused;
	ready(&s, 10000000);
	for (uint64_t seq = 1; seq < 20; seq++) {
		assert_int_equal(frames(&s, BL_STREAM_HOST, seq, 1, 8000, true), 1);
		token = find(&s.fx, UPLINK_PUBLISH)->token;
		if (count(&s.fx, UPLINK_ASK_OFFER) > 0 &&
		    find(&s.fx, UPLINK_ASK_OFFER)->offer.past_bytes > 0)
			break; /* asked for while it is under way */
		if (count(&s.fx, UPLINK_ASK_OFFER) > 0)
			frames(&s, BL_STREAM_HOST, 0, 0, 0, false);
		s.now += 500; /* 16 kB/s */
		s.fx.n = 0;
		uplink_puback(s.u, s.now, token, 0, &s.fx);
		assert_true(seq < 10);
	}
	/* But no more than two. */
	assert_int_equal(frames(&s, BL_STREAM_HOST, 30, 1, 8100, true), 1);
	assert_true(count(&s.fx, UPLINK_ASK_OFFER) == 0 ||
		    find(&s.fx, UPLINK_ASK_OFFER)->offer.past_bytes == 0);
	uplink_free(s.u);
}

/*
 * Behind a link of 32 kB/s and 300 ms: a small live batch and a past one are under way at once, and
 * their PUBACKs come in one piece of the network's.
 */
static void
pubacks_that_come_together_feign_no_fast_link(void **unused)
{
	struct script s = script();
	struct uplink_status st;
	uint64_t token[2];

	(void)unused;
	ready(&s, 10000000);
	for (uint64_t seq = 1; seq < 40; seq++) {
		assert_int_equal(frames(&s, BL_STREAM_HOST, seq, 1, 17000, true), 1);
		token[0] = find(&s.fx, UPLINK_PUBLISH)->token;
		if (count(&s.fx, UPLINK_ASK_OFFER) == 0) {
			s.fx.n = 0;
			uplink_cut(s.u, s.now, &s.fx);
		}
		assert_int_equal(frames(&s, BL_STREAM_EVENTS, seq, 1, 300, false), 1);
		token[1] = find(&s.fx, UPLINK_PUBLISH)->token;
		if (count(&s.fx, UPLINK_ASK_OFFER) > 0)
			frames(&s, BL_STREAM_HOST, 0, 0, 0, false);
		s.now += 300 + 17300 / 32;
		s.fx.n = 0;
		uplink_puback(s.u, s.now, token[0], 0, &s.fx);
		if (count(&s.fx, UPLINK_ASK_OFFER) > 0)
			frames(&s, BL_STREAM_HOST, 0, 0, 0, false);
		s.fx.n = 0;
		uplink_puback(s.u, s.now, token[1], 0, &s.fx);
		if (count(&s.fx, UPLINK_ASK_OFFER) > 0)
			frames(&s, BL_STREAM_HOST, 0, 0, 0, false);
		receipt(&s, BL_STREAM_EVENTS, seq);
		if (count(&s.fx, UPLINK_ASK_OFFER) > 0)
			frames(&s, BL_STREAM_HOST, 0, 0, 0, false);
		receipt(&s, BL_STREAM_HOST, seq);
		assert_int_equal(count(&s.fx, UPLINK_ASK_OFFER), 1);
		uplink_status(s.u, &st);
		assert_in_range(st.rate_bytes_per_s, 15000, 64000);
	}
	uplink_free(s.u);
}

static void
dictionary_is_sent_once_and_again_when_it_got_lost(void **unused)
{
	struct script s = script();
	const struct uplink_frame f = { .type = BL_MSG_DICT, .upto = 40, .bytes = 900 };
	const struct bl_question q = { .need_dict = true, .dict_from = 11 };
	unsigned slot;

	(void)unused;
	ready(&s, 0);
	assert_int_equal(find(&s.fx, UPLINK_ASK_OFFER)->offer.dict_known, 0);
	s.fx.n = 0;
	uplink_frames(s.u, s.now, &f, 1, &slot, &s.fx);
	assert_int_equal(find(&s.fx, UPLINK_ASK_OFFER)->offer.dict_known, 40);
	frames(&s, BL_STREAM_HOST, 0, 0, 0, false);
	tick_to(&s, uplink_deadline(s.u));
	assert_int_equal(find(&s.fx, UPLINK_ASK_OFFER)->offer.dict_known, 0);
	s.fx.n = 0;
	uplink_frames(s.u, s.now, &f, 1, &slot, &s.fx);
	frames(&s, BL_STREAM_HOST, 0, 0, 0, false);
	s.r.dict_version = 40;
	receipt(&s, BL_STREAM_HOST, 0);
	frames(&s, BL_STREAM_HOST, 0, 0, 0, false);
	s.fx.n = 0;
	uplink_question(s.u, s.now, &q, &s.fx);
	assert_int_equal(count(&s.fx, UPLINK_TAKE_QUESTION), 1);
	s.fx.n = 0;
	uplink_questioned(s.u, s.now, &(struct uplink_outcome){ .taken = true }, &s.fx);
	assert_int_equal(find(&s.fx, UPLINK_ASK_OFFER)->offer.dict_known, 10);
	uplink_free(s.u);
}

static void
losing_the_link_forgets_what_was_queued(void **unused)
{
	struct script s = script();

	(void)unused;
	ready(&s, 0);
	assert_int_equal(frames(&s, BL_STREAM_HOST, 1, 4, 100000, false), 2);
	s.fx.n = 0;
	uplink_link_down(s.u, s.now, &s.fx);
	assert_int_equal(count(&s.fx, UPLINK_FORGET), 2);
	assert_int_equal(uplink_deadline(s.u), INT64_MAX);
	uplink_free(s.u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello_is_said_again_twice_then_the_connection_is_dropped),
		cmocka_unit_test(answers_count_when_they_are_ours),
		cmocka_unit_test(a_refused_device_asks_again_much_later),
		cmocka_unit_test(a_conflict_about_a_former_spool_id_leads_to_another_hello),
		cmocka_unit_test(a_spool_that_hangs_is_not_called_a_silent_collector),
		cmocka_unit_test(nothing_but_hello_leaves_before_the_answer_is_worked_in),
		cmocka_unit_test(only_a_receipt_that_was_taken_tells_the_time),
		cmocka_unit_test(round_trip_is_counted_from_the_hello_that_was_answered),
		cmocka_unit_test(a_rolled_back_spool_says_hello_anew),
		cmocka_unit_test(a_changed_centre_is_greeted_within_its_floor),
		cmocka_unit_test(a_floor_beyond_reason_is_cut),
		cmocka_unit_test(a_receipt_of_another_epoch_means_hello),
		cmocka_unit_test(the_window_holds_sixteen_frames),
		cmocka_unit_test(the_window_holds_its_bytes),
		cmocka_unit_test(a_busy_publish_is_tried_after_the_next_puback),
		cmocka_unit_test(silence_halves_the_window_and_doubles_the_wait),
		cmocka_unit_test(a_batch_that_is_never_receipted_is_offered_ever_more_rarely),
		cmocka_unit_test(a_frame_that_is_still_on_its_way_is_not_offered_again),
		cmocka_unit_test(a_refused_publish_waits_for_its_deadline),
		cmocka_unit_test(no_credit_holds_the_backlog_back_and_live_flows),
		cmocka_unit_test(a_full_window_has_no_deadline_for_credit),
		cmocka_unit_test(credit_is_a_bucket_with_debt),
		cmocka_unit_test(a_slow_link_has_one_second_of_backlog_in_flight),
		cmocka_unit_test(a_slow_link_is_kept_busy_with_smaller_batches),
		cmocka_unit_test(pubacks_that_come_together_feign_no_fast_link),
		cmocka_unit_test(dictionary_is_sent_once_and_again_when_it_got_lost),
		cmocka_unit_test(losing_the_link_forgets_what_was_queued),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
