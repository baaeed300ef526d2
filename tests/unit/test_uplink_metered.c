/* The sender on a metered link: room is asked before each offer, and looked at again in time. */
#include "uplink_kit.h"

#define HOST   (BL_STREAM_HOST - 1)
#define EVENTS (BL_STREAM_EVENTS - 1)

struct meter {
	struct uplink_room room;
	uint64_t under_way;
	unsigned asked;
	int64_t charged;
	int messages;        /* paid for */
	bool charged_at_ask; /* room was asked after the last charge */
};

static void
room(void *ctx, uint64_t under_way, struct uplink_room *out)
{
	struct meter *m = ctx;

	m->under_way = under_way;
	m->asked++;
	m->charged_at_ask = true;
	*out = m->room;
}

static void
charge(void *ctx, enum bl_stream stream, size_t bytes, bool shares, bool went)
{
	struct meter *m = ctx;

	assert_int_equal(stream, BL_STREAM_HOST);
	m->charged += went ? (int64_t)bytes : -(int64_t)bytes;
	m->messages += shares ? 0 : went ? 1 : -1;
	m->charged_at_ask = false;
}

static void
fill(struct meter *m, uint64_t live, uint64_t past)
{
	for (unsigned i = 0; i < BL_STREAMS; i++) {
		m->room.live[i] = live;
		m->room.past[i] = past;
	}
}

static struct script
metered(struct meter *m)
{
	struct script s = script();

	uplink_meter(s.u, room, charge, m);
	return s;
}

/* The offer that the last step asked for; NULL: none. */
static const struct uplink_offer *
offer(const struct script *s)
{
	return count(&s->fx, UPLINK_ASK_OFFER) > 0 ? &find(&s->fx, UPLINK_ASK_OFFER)->offer : NULL;
}

static void
the_offer_carries_what_there_is_room_for(void **unused)
{
	struct meter m = { .room = {
			       .frame_bytes = 700, .max_packet = 9000, .again_mono_ms = 61000 } };
	struct script s = metered(&m);
	const struct uplink_offer *o;

	(void)unused;
	fill(&m, 5000, 100);
	m.room.live[HOST] = 0;
	link_up(&s);
	answer(&s, s.nonce, BL_VERDICT_OK);
	s.r.credit_bytes_per_s = 1 << 20;
	answered(&s);
	assert_non_null(o = offer(&s));
	assert_true(o->metered && o->live && o->past_bytes > 0);
	assert_int_equal(o->room.live[HOST], 0);
	assert_int_equal(o->room.live[EVENTS], 5000);
	assert_int_equal(o->room.past[EVENTS], 100);
	assert_int_equal(o->room.frame_bytes, 700);
	assert_int_equal(o->max_packet, 9000);
	uplink_free(s.u);
}

static void
without_a_meter_nothing_is_limited(void **unused)
{
	struct script s = script();

	(void)unused;
	ready(&s, 1 << 20);
	assert_int_equal(uplink_deadline(s.u), INT64_MAX);
	link_up(&s);
	answer(&s, s.nonce, BL_VERDICT_OK);
	answered(&s);
	assert_non_null(offer(&s));
	assert_false(offer(&s)->metered);
	uplink_free(s.u);
}

static void
without_room_nothing_is_asked_until_there_may_be_some(void **unused)
{
	struct meter m = { .room = { .again_mono_ms = 61000 } };
	struct script s = metered(&m);

	(void)unused;
	link_up(&s);
	answer(&s, s.nonce, BL_VERDICT_OK);
	s.r.credit_bytes_per_s = 1 << 20;
	answered(&s);
	assert_null(offer(&s));
	assert_int_equal(uplink_deadline(s.u), 61000);
	tick_to(&s, 60999);
	assert_null(offer(&s));
	/* New data changes nothing, and the time stays. */
	s.fx.n = 0;
	uplink_cut(s.u, s.now, &s.fx);
	assert_null(offer(&s));
	assert_int_equal(uplink_deadline(s.u), 61000);
	m.room.again_mono_ms = 121000;
	tick_to(&s, 61000);
	assert_null(offer(&s));
	assert_int_equal(uplink_deadline(s.u), 121000);
	fill(&m, 5000, 0);
	tick_to(&s, 121000);
	assert_non_null(offer(&s));
	assert_int_equal(offer(&s)->past_bytes, 0); /* none of the past fits yet */
	uplink_free(s.u);
}

/* The spool says "nothing" of what has no room: it is asked again when there may be some. */
static void
nothing_there_is_not_believed_for_ever(void **unused)
{
	struct meter m = { .room = { .again_mono_ms = 61000 } };
	struct script s = metered(&m);

	(void)unused;
	fill(&m, 5000, 5000);
	link_up(&s);
	answer(&s, s.nonce, BL_VERDICT_OK);
	s.r.credit_bytes_per_s = 1 << 20;
	answered(&s);
	assert_non_null(offer(&s));
	s.fx.n = 0;
	uplink_frames(s.u, s.now, NULL, 0, NULL, &s.fx);
	assert_null(offer(&s));
	assert_int_equal(uplink_deadline(s.u), 61000);
	m.room.again_mono_ms = 121000;
	tick_to(&s, 61000);
	assert_non_null(offer(&s));
	uplink_free(s.u);
}

static void
what_is_handed_out_counts_until_it_is_acknowledged(void **unused)
{
	struct meter m = { .room = { .frame_bytes = 700, .again_mono_ms = INT64_MAX } };
	struct script s = metered(&m);
	uint64_t token;

	(void)unused;
	fill(&m, UINT64_MAX, UINT64_MAX);
	link_up(&s);
	answer(&s, s.nonce, BL_VERDICT_OK);
	s.r.credit_bytes_per_s = 1 << 20;
	answered(&s);
	assert_int_equal(m.under_way, 0);
	assert_int_equal(frames(&s, BL_STREAM_HOST, 1, 1, 3000, false), 1);
	token = find(&s.fx, UPLINK_PUBLISH)->token;
	assert_non_null(offer(&s));
	assert_int_equal(m.under_way, 3700);
	/* Its class has paid before the next offer was asked for. */
	assert_true(m.charged == 3000 && m.charged_at_ask);
	uplink_busy(s.u, find(&s.fx, UPLINK_PUBLISH)->slot);
	assert_int_equal(m.charged, 0);
	s.fx.n = 0;
	uplink_cut(s.u, s.now, &s.fx);
	assert_int_equal(m.charged, 3000);
	token = find(&s.fx, UPLINK_PUBLISH)->token;
	s.fx.n = 0;
	uplink_frames(s.u, s.now, NULL, 0, NULL, &s.fx);
	s.fx.n = 0;
	uplink_puback(s.u, s.now + 10, token, 0, &s.fx);
	uplink_cut(s.u, s.now + 10, &s.fx);
	assert_int_equal(m.under_way, 0);
	uplink_free(s.u);
}

/* The first batch pays for the message, and all of it comes back when there was no room. */
static void
a_message_that_is_shared_is_paid_for_once(void **unused)
{
	struct meter m = { .room = { .frame_bytes = 700, .again_mono_ms = INT64_MAX } };
	struct script s = metered(&m);

	(void)unused;
	fill(&m, UINT64_MAX, UINT64_MAX);
	m.room.max_packet = 500;
	link_up(&s);
	answer(&s, s.nonce, BL_VERDICT_OK);
	answered(&s);
	assert_int_equal(frames(&s, BL_STREAM_HOST, 1, 3, 100, false), 3);
	assert_int_equal(find(&s.fx, UPLINK_PUBLISH)->n_more, 2);
	assert_int_equal(m.under_way, 300 + 700);
	assert_int_equal(m.charged, 300);
	assert_int_equal(m.messages, 1);
	uplink_busy(s.u, find(&s.fx, UPLINK_PUBLISH)->slot);
	assert_int_equal(m.charged, 0);
	assert_int_equal(m.messages, 0);
	s.fx.n = 0;
	uplink_cut(s.u, s.now, &s.fx);
	assert_int_equal(m.charged, 300);
	assert_int_equal(m.messages, 1);
	receipt(&s, BL_STREAM_HOST, 3);
	/* No larger messages than this link may be busy with. */
	assert_int_equal(frames(&s, BL_STREAM_HOST, 4, 3, 200, false), 3);
	assert_int_equal(find(&s.fx, UPLINK_PUBLISH)->n_more, 1);
	assert_int_equal(m.messages, 3);
	uplink_free(s.u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_offer_carries_what_there_is_room_for),
		cmocka_unit_test(without_a_meter_nothing_is_limited),
		cmocka_unit_test(without_room_nothing_is_asked_until_there_may_be_some),
		cmocka_unit_test(nothing_there_is_not_believed_for_ever),
		cmocka_unit_test(a_message_that_is_shared_is_paid_for_once),
		cmocka_unit_test(what_is_handed_out_counts_until_it_is_acknowledged),
	};

	return cmocka_run_group_tests_name("uplink, metered", tests, NULL, NULL);
}
