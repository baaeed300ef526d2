/*
 * The sender, scripted step by step, and then against a model: a centre and a
 * spool joined by a network that loses, doubles and reorders, on virtual time.
 * Whatever the seed, everything must arrive, nothing may be sent before the
 * answer, and neither silence nor losses may start a storm.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uplink.h"

/* ---- scripted ---- */

struct script {
	struct uplink *u;
	struct uplink_effects fx;
	int64_t now;
	struct bl_receipt r;
	uint32_t nonce;
};

static struct script
script(void)
{
	struct script s = { .u = uplink_create(42), .now = 1000 };

	assert_non_null(s.u);
	return s;
}

static unsigned
count(const struct uplink_effects *fx, enum uplink_effect_type type)
{
	unsigned n = 0;

	for (unsigned i = 0; i < fx->n; i++)
		n += fx->e[i].type == type;
	return n;
}

static const struct uplink_effect *
find(const struct uplink_effects *fx, enum uplink_effect_type type)
{
	for (unsigned i = 0; i < fx->n; i++)
		if (fx->e[i].type == type)
			return &fx->e[i];
	fail_msg("no effect %d among %u", (int)type, fx->n);
	return NULL;
}

static void
link_up(struct script *s)
{
	s->fx.n = 0;
	uplink_link_up(s->u, s->now, 0, &s->fx);
	s->nonce = find(&s->fx, UPLINK_SEND_HELLO)->nonce;
	uplink_hello_sent(s->u, s->now, s->nonce);
}

static void
tick_to(struct script *s, int64_t at)
{
	s->now = at;
	s->fx.n = 0;
	uplink_tick(s->u, s->now, &s->fx);
}

static void
answer(struct script *s, uint32_t nonce, enum bl_verdict verdict)
{
	s->r.is_answer = true;
	s->r.nonce = nonce;
	s->r.verdict = verdict;
	s->r.epoch.b[0] = 1;
	s->r.server_unix_ms = 1700000000000;
	s->fx.n = 0;
	uplink_receipt(s->u, s->now, &s->r, &s->fx);
}

static void
answered(struct script *s)
{
	const struct uplink_outcome o = { .taken = true, .more = true, .r = &s->r };

	s->fx.n = 0;
	uplink_answered(s->u, s->now, &o, &s->fx);
}

static void
receipt(struct script *s, enum bl_stream stream, uint64_t contiguous)
{
	const struct uplink_outcome o = { .taken = true, .r = &s->r };

	s->r.is_answer = false;
	s->r.stream[stream - 1].contiguous = contiguous;
	s->fx.n = 0;
	uplink_receipt(s->u, s->now, &s->r, &s->fx);
	assert_int_equal(count(&s->fx, UPLINK_TAKE_RECEIPT), 1);
	s->fx.n = 0;
	uplink_receipted(s->u, s->now, &o, &s->fx);
}

static void
ready(struct script *s, uint32_t credit)
{
	link_up(s);
	s->r.credit_bytes_per_s = credit;
	answer(s, s->nonce, BL_VERDICT_OK);
	answered(s);
	assert_int_equal(count(&s->fx, UPLINK_ASK_OFFER), 1);
}

/* n batches of this stream from seq on, each of so many bytes. */
static unsigned
frames(struct script *s, enum bl_stream stream, uint64_t seq, unsigned n, size_t bytes, bool past)
{
	struct uplink_frame f[32];
	unsigned slot[32];

	for (unsigned i = 0; i < n; i++)
		f[i] = (struct uplink_frame){ .type = BL_MSG_BATCH,
			.stream = stream,
			.seq = seq + i,
			.past = past,
			.bytes = bytes };
	s->fx.n = 0;
	uplink_frames(s->u, s->now, f, n, slot, &s->fx);
	return count(&s->fx, UPLINK_PUBLISH);
}

static enum uplink_state
state(const struct script *s)
{
	struct uplink_status st;

	uplink_status(s->u, &st);
	return st.state;
}

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
	answered(&s);
	assert_int_equal(count(&s.fx, UPLINK_ASK_OFFER), 1);
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
		frames(&s, BL_STREAM_HOST, 100 + i, 1, 100, false);
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

		/* unreceipted: nothing more of the past */
		assert_true(count(&s.fx, UPLINK_ASK_OFFER) == 0 ||
			    find(&s.fx, UPLINK_ASK_OFFER)->offer.past_bytes == 0);
		if (count(&s.fx, UPLINK_ASK_OFFER) > 0)
			frames(&s, BL_STREAM_HOST, 0, 0, 0, false);
		s.now += 1000; /* 8 kB/s */
		s.fx.n = 0;
		uplink_puback(s.u, s.now, token, 0, &s.fx);
		assert_int_equal(count(&s.fx, UPLINK_ASK_OFFER), 0);
		receipt(&s, BL_STREAM_HOST, seq);
		assert_in_range(find(&s.fx, UPLINK_ASK_OFFER)->offer.past_bytes, 1, 8000);
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

/* ---- the model ---- */

#define BATCHES 60u
#define WIRES   512u

enum wire_type { WIRE_HELLO, WIRE_BATCH, WIRE_DICT, WIRE_ACK, WIRE_RECEIPT };

struct wire {
	bool used;
	enum wire_type type;
	int64_t at;
	unsigned connection;
	uint32_t nonce;
	enum bl_stream stream;
	uint64_t seq, token;
	struct bl_receipt r;
};

struct model {
	unsigned seed;
	int64_t now;
	struct script s;
	unsigned loss_pct, dup_pct;
	bool centre_deaf;
	/* the spool */
	uint64_t cut[BL_STREAMS]; /* batches 1..cut are held */
	bool outstanding[BL_STREAMS][BATCHES + 1], done[BL_STREAMS][BATCHES + 1];
	uint64_t live_from[BL_STREAMS];
	struct uplink_frame kept[UPLINK_SLOTS];
	bool keeps[UPLINK_SLOTS];
	/* the centre */
	bool has[BL_STREAMS][BATCHES + 1];
	uint32_t dict, credit;
	bool owes_receipt;
	/* the net */
	struct wire wire[WIRES];
	unsigned connection;
	bool up, worked_in;
	int64_t reconnect_at;
	/* the count */
	uint64_t sent, hellos, offers, past_bytes, drops;
	bool offer_asked;
	struct uplink_offer offer;
	bool answer_due, receipt_due;
	struct bl_receipt given;
};

static unsigned
chance(struct model *m, unsigned of)
{
	return (unsigned)rand_r(&m->seed) % of;
}

static void
put_wire(struct model *m, struct wire w)
{
	unsigned copies = 1;

	if (w.type != WIRE_ACK) {
		if (chance(m, 100) < m->loss_pct)
			copies = 0;
		else if (chance(m, 100) < m->dup_pct)
			copies = 2;
	}
	while (copies-- > 0) {
		for (unsigned i = 0; i < WIRES; i++) {
			if (m->wire[i].used)
				continue;
			m->wire[i] = w;
			m->wire[i].used = true;
			m->wire[i].connection = m->connection;
			m->wire[i].at = m->now + 5 + chance(m, 900); /* reorders */
			break;
		}
	}
}

static void work(struct model *m);

static unsigned
spool_offer(struct model *m, struct uplink_frame *out)
{
	const struct uplink_offer *o = &m->offer;
	size_t past = 0;
	unsigned n = 0;

	if (o->dict_known < 5 && n < o->max_frames)
		out[n++] = (struct uplink_frame){ .type = BL_MSG_DICT, .upto = 5, .bytes = 300 };
	for (unsigned s = 0; s < BL_STREAMS; s++)
		for (uint64_t q = m->cut[s]; q > m->live_from[s] && n < o->max_frames; q--)
			if (!m->done[s][q] && !m->outstanding[s][q]) {
				m->outstanding[s][q] = true;
				out[n++] = (struct uplink_frame){ .type = BL_MSG_BATCH,
					.stream = (enum bl_stream)(s + 1),
					.seq = q,
					.bytes = 2000 };
			}
	for (unsigned s = 0; s < BL_STREAMS; s++)
		for (uint64_t q = 1; q <= m->live_from[s] && n < o->max_frames; q++)
			if (!m->done[s][q] && !m->outstanding[s][q] && o->past_bytes > past) {
				m->outstanding[s][q] = true;
				past += 9000;
				out[n++] = (struct uplink_frame){ .type = BL_MSG_BATCH,
					.stream = (enum bl_stream)(s + 1),
					.seq = q,
					.past = true,
					.bytes = 9000 };
			}
	return n;
}

static void
do_publish(struct model *m, const struct uplink_effect *e)
{
	const struct uplink_frame *f = &m->kept[e->slot];
	struct wire w = { .type = f->type == BL_MSG_DICT ? WIRE_DICT : WIRE_BATCH,
		.stream = f->stream,
		.seq = f->seq,
		.token = e->token };

	assert_true(m->up && m->worked_in); /* nothing before the answer */
	assert_true(m->keeps[e->slot]);
	if (chance(m, 20) == 0) {
		uplink_busy(m->s.u, e->slot);
		return;
	}
	m->keeps[e->slot] = false;
	m->sent++;
	if (f->past)
		m->past_bytes += f->bytes;
	put_wire(m, w);
	w.type = WIRE_ACK;
	put_wire(m, w);
}

static void
do_effect(struct model *m, const struct uplink_effect *e)
{
	switch (e->type) {
	case UPLINK_SEND_HELLO:
		m->hellos++;
		m->worked_in = false;
		put_wire(m, (struct wire){ .type = WIRE_HELLO, .nonce = e->nonce });
		uplink_hello_sent(m->s.u, m->now, e->nonce);
		break;
	case UPLINK_TAKE_ANSWER:
		m->answer_due = true;
		break;
	case UPLINK_TAKE_RECEIPT:
		m->receipt_due = true;
		break;
	case UPLINK_ASK_OFFER:
		assert_false(m->offer_asked);
		m->offers++;
		m->offer_asked = true;
		m->offer = e->offer;
		break;
	case UPLINK_PUBLISH:
		do_publish(m, e);
		break;
	case UPLINK_FORGET:
		assert_true(m->keeps[e->slot]);
		m->keeps[e->slot] = false;
		break;
	case UPLINK_CLEAR:
		if (e->stream != 0)
			m->outstanding[e->stream - 1][e->seq] = false;
		break;
	case UPLINK_DROP:
		m->drops++;
		m->up = false;
		m->reconnect_at = m->now + 1000 + chance(m, 5000);
		break;
	default:
		break;
	}
}

static void
check_window(struct model *m)
{
	struct uplink_status st;

	uplink_status(m->s.u, &st);
	assert_true(st.in_flight <= UPLINK_SLOTS);
	assert_true(st.in_flight_bytes <= UPLINK_WINDOW_BYTES);
}

static void
work(struct model *m)
{
	struct uplink_effects fx = m->s.fx;
	bool down = false;

	m->s.fx.n = 0;
	for (unsigned i = 0; i < fx.n; i++) {
		do_effect(m, &fx.e[i]);
		down |= fx.e[i].type == UPLINK_DROP;
	}
	check_window(m);
	if (down) {
		uplink_link_down(m->s.u, m->now, &m->s.fx);
		memset(m->outstanding, 0, sizeof(m->outstanding));
		work(m);
	}
}

static void
spool_settles(struct model *m, const struct bl_receipt *r)
{
	for (unsigned s = 0; s < BL_STREAMS; s++)
		for (uint64_t q = 1; q <= m->cut[s]; q++)
			if (q <= r->stream[s].contiguous ||
			    bl_ranges_has(&r->stream[s].beyond, q)) {
				assert_true(m->has[s][q]);
				m->done[s][q] = true;
			}
}

/* What was asked of the spool comes back, in the order it was asked. */
static void
spool_turn(struct model *m)
{
	const struct uplink_outcome o = { .taken = true, .more = true, .r = &m->given };
	struct uplink_frame f[32];
	unsigned slot[32], n;

	if (m->offer_asked) {
		m->offer_asked = false;
		n = spool_offer(m, f);
		uplink_frames(m->s.u, m->now, f, n, slot, &m->s.fx);
		for (unsigned i = 0; i < n; i++) {
			if (slot[i] == UPLINK_NO_SLOT)
				continue;
			assert_false(m->keeps[slot[i]]);
			m->keeps[slot[i]] = true;
			m->kept[slot[i]] = f[i];
		}
		work(m);
	}
	if (m->answer_due) {
		m->answer_due = false;
		m->worked_in = true;
		memset(m->outstanding, 0, sizeof(m->outstanding));
		spool_settles(m, &m->given);
		uplink_answered(m->s.u, m->now, &o, &m->s.fx);
		work(m);
	} else if (m->receipt_due) {
		m->receipt_due = false;
		spool_settles(m, &m->given);
		uplink_receipted(m->s.u, m->now, &o, &m->s.fx);
		work(m);
	}
}

static void
fill_receipt(struct model *m, struct bl_receipt *r)
{
	memset(r, 0, sizeof(*r));
	r->epoch.b[0] = 1;
	r->server_unix_ms = m->now;
	r->credit_bytes_per_s = m->credit;
	r->dict_version = m->dict;
	for (unsigned s = 0; s < BL_STREAMS; s++) {
		uint64_t q = 1;

		while (q <= BATCHES && m->has[s][q])
			q++;
		r->stream[s].contiguous = q - 1;
		for (; q <= BATCHES; q++)
			if (m->has[s][q])
				(void)bl_ranges_add(&r->stream[s].beyond, q, q);
	}
}

static void
deliver(struct model *m, const struct wire *w)
{
	struct wire back = { .type = WIRE_RECEIPT };

	switch (w->type) {
	case WIRE_HELLO:
		if (m->centre_deaf)
			return;
		fill_receipt(m, &back.r);
		back.r.is_answer = true;
		back.r.nonce = w->nonce;
		put_wire(m, back);
		return;
	case WIRE_BATCH:
		if (m->centre_deaf)
			return;
		m->has[w->stream - 1][w->seq] = true;
		m->owes_receipt = true;
		return;
	case WIRE_DICT:
		if (m->centre_deaf)
			return;
		m->dict = 5;
		m->owes_receipt = true;
		return;
	case WIRE_ACK:
		uplink_puback(m->s.u, m->now, w->token, 0, &m->s.fx);
		work(m);
		return;
	case WIRE_RECEIPT:
		m->given = w->r;
		uplink_receipt(m->s.u, m->now, &m->given, &m->s.fx);
		work(m);
		spool_turn(m);
		return;
	}
}

static void
step(struct model *m)
{
	m->now += 50;
	if (!m->up && m->now >= m->reconnect_at) {
		m->up = true;
		m->connection++;
		m->worked_in = false;
		m->offer_asked = m->answer_due = m->receipt_due = false;
		memset(m->outstanding, 0, sizeof(m->outstanding));
		memcpy(m->live_from, m->cut, sizeof(m->cut));
		uplink_link_up(m->s.u, m->now, 0, &m->s.fx);
		work(m);
	}
	for (unsigned i = 0; i < WIRES; i++) {
		if (!m->wire[i].used || m->wire[i].at > m->now)
			continue;
		m->wire[i].used = false;
		if (m->up && m->wire[i].connection == m->connection) {
			const struct wire w = m->wire[i];

			deliver(m, &w);
		}
	}
	if (m->now % 1000 == 0 && m->owes_receipt && m->up) {
		struct wire w = { .type = WIRE_RECEIPT };

		m->owes_receipt = false;
		fill_receipt(m, &w.r);
		put_wire(m, w);
	}
	spool_turn(m);
	if (m->up && uplink_deadline(m->s.u) <= m->now) {
		uplink_tick(m->s.u, m->now, &m->s.fx);
		work(m);
		if (m->up && uplink_deadline(m->s.u) <= m->now) /* must move: else the loop spins */
			uplink_tick(m->s.u, m->now, &m->s.fx), work(m);
	}
}

static struct model *
model(unsigned seed, unsigned loss, unsigned dup)
{
	struct model *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->seed = seed;
	m->loss_pct = loss;
	m->dup_pct = dup;
	m->credit = 20000;
	m->s.u = uplink_create(seed);
	for (unsigned s = 0; s < BL_STREAMS; s++)
		m->cut[s] = BATCHES / 2;
	return m;
}

static bool
all_done(const struct model *m)
{
	for (unsigned s = 0; s < BL_STREAMS; s++)
		for (uint64_t q = 1; q <= BATCHES; q++)
			if (!m->done[s][q])
				return false;
	return true;
}

static void
cut_one(struct model *m)
{
	for (unsigned s = 0; s < BL_STREAMS; s++)
		if (m->cut[s] < BATCHES)
			m->cut[s]++;
	uplink_cut(m->s.u, m->now, &m->s.fx);
	work(m);
}

static void
everything_arrives_over_a_bad_network(void **unused)
{
	(void)unused;
	for (unsigned seed = 1; seed <= 24; seed++) {
		struct model *m = model(seed, seed % 4 * 12, seed % 3 * 20);
		int64_t flap = 0;

		while (!all_done(m) && m->now < 4 * 3600000) {
			step(m);
			if (m->now % 20000 == 0)
				cut_one(m);
			if (m->up && m->now > flap + 90000 && m->now < 1200000 &&
			    chance(m, 2000) == 0) {
				flap = m->now;
				m->up = false;
				m->reconnect_at = m->now + chance(m, 4000);
				uplink_link_down(m->s.u, m->now, &m->s.fx);
				work(m);
			}
		}
		if (!all_done(m))
			fail_msg("seed %u: not everything arrived in four hours", seed);
		/* 180 batches; half of them may need several tries at 36 % loss each way */
		if (m->sent > 180 * 6 || m->offers > m->sent * 6 + 2000)
			fail_msg("seed %u: %llu sent, %llu offers", seed,
			    (unsigned long long)m->sent, (unsigned long long)m->offers);
		if ((double)m->past_bytes > 20000.0 * (double)m->now / 1000 + 40000)
			fail_msg("seed %u: %llu past bytes in %lld ms", seed,
			    (unsigned long long)m->past_bytes, (long long)m->now);
		uplink_free(m->s.u);
		free(m);
	}
}

static void
a_silent_centre_sees_no_storm(void **unused)
{
	(void)unused;
	for (unsigned seed = 1; seed <= 3; seed++) {
		struct model *m = model(seed, 0, 0);
		uint64_t before;

		while (m->now < 20000)
			step(m);
		m->centre_deaf = true;
		before = m->sent;
		while (m->now < 20000 + 3600000) {
			step(m);
			if (m->now % 60000 == 0)
				cut_one(m);
		}
		/* 16 + 8 + 4 + 2, then one every five minutes; a perfect link all the while */
		if (m->sent - before > 60 || m->offers > 300)
			fail_msg("seed %u: %llu sent in an hour of silence, %llu offers", seed,
			    (unsigned long long)(m->sent - before), (unsigned long long)m->offers);
		m->centre_deaf = false;
		while (!all_done(m) && m->now < 5 * 3600000) {
			step(m);
			if (m->now % 60000 == 0)
				cut_one(m);
		}
		assert_true(all_done(m));
		uplink_free(m->s.u);
		free(m);
	}
}

static void
a_clean_network_needs_no_second_try(void **unused)
{
	struct model *m = model(9, 0, 0);

	(void)unused;
	while (!all_done(m) && m->now < 3600000) {
		step(m);
		if (m->now % 60000 == 0)
			cut_one(m);
	}
	assert_true(all_done(m));
	assert_int_equal(m->hellos, 1);
	assert_int_equal(m->sent, 3 * BATCHES + 1);
	uplink_free(m->s.u);
	free(m);
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
		cmocka_unit_test(round_trip_is_counted_from_the_hello_that_was_answered),
		cmocka_unit_test(a_rolled_back_spool_says_hello_anew),
		cmocka_unit_test(a_changed_centre_is_greeted_within_its_floor),
		cmocka_unit_test(a_receipt_of_another_epoch_means_hello),
		cmocka_unit_test(the_window_holds_sixteen_frames),
		cmocka_unit_test(the_window_holds_its_bytes),
		cmocka_unit_test(a_busy_publish_is_tried_after_the_next_puback),
		cmocka_unit_test(silence_halves_the_window_and_doubles_the_wait),
		cmocka_unit_test(a_batch_that_is_never_receipted_is_offered_ever_more_rarely),
		cmocka_unit_test(a_refused_publish_waits_for_its_deadline),
		cmocka_unit_test(no_credit_holds_the_backlog_back_and_live_flows),
		cmocka_unit_test(credit_is_a_bucket_with_debt),
		cmocka_unit_test(a_slow_link_has_one_second_of_backlog_in_flight),
		cmocka_unit_test(dictionary_is_sent_once_and_again_when_it_got_lost),
		cmocka_unit_test(losing_the_link_forgets_what_was_queued),
		cmocka_unit_test(a_clean_network_needs_no_second_try),
		cmocka_unit_test(everything_arrives_over_a_bad_network),
		cmocka_unit_test(a_silent_centre_sees_no_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
