/* Batches that may go at the same moment share a message; all else is a batch's own. */
#include "uplink_kit.h"

#define MAX 16

static const struct uplink_frame live = {
	.type = BL_MSG_BATCH, .stream = BL_STREAM_HOST, .bytes = 100
};

/* Hands frames in, each a letter; seqs from first on.  Returns "2 1": who shared a message. */
static const char *
give(struct script *s, const char *letters, uint64_t first)
{
	static char out[64];
	struct uplink_frame f[MAX];
	unsigned slot[MAX], n = 0;

	for (; letters[n] != '\0'; n++) {
		f[n] = live;
		f[n].seq = first + n;
		switch (letters[n]) {
		case 'p':
			f[n].past = true;
			break;
		case 'd':
			f[n] = (struct uplink_frame){ .type = BL_MSG_DICT, .upto = 5, .bytes = 50 };
			break;
		case 'K': /* seven KiB */
			f[n].bytes = 7 * 1024;
			break;
		case 'B': /* all that a bundle may have, less its own bytes */
			f[n].bytes = UPLINK_BUNDLE_BYTES - 100;
			break;
		case 'X':
			f[n].bytes = 50000;
			break;
		default:
			break;
		}
	}
	s->fx.n = 0;
	uplink_frames(s->u, s->now, f, n, slot, &s->fx);
	out[0] = '\0';
	for (unsigned i = 0; i < s->fx.n; i++)
		if (s->fx.e[i].type == UPLINK_PUBLISH)
			(void)snprintf(out + strlen(out), sizeof(out) - strlen(out), "%s%u",
			    out[0] != '\0' ? " " : "", 1 + s->fx.e[i].n_more);
	return out;
}

static void
who_shares_a_message(void **unused)
{
	static const struct {
		const char *frames, *messages;
		size_t max_packet;
	} cases[] = {
		{ "l", "1", 0 },
		{ "lll", "3", 0 },
		{ "llllllll", "8", 0 },
		{ "ppp", "3", 0 },
		{ "llppp", "2 3", 0 }, /* live goes before, and not with it */
		{ "dll", "1 2", 0 },   /* a map is no batch */
		{ "ddl", "1 1 1", 0 },
		{ "llX", "2 1", 0 }, /* a large one goes alone */
		{ "Xll", "1 2", 0 },
		{ "lXl", "1 1 1", 0 }, /* the order in which they were offered stays */
		{ "KKK", "2 1", 0 },
		{ "KKl", "3", 0 },
		{ "Bl", "1 1", 0 },
		{ "lll", "3", 320 },   /* 300, 9 and three each: 318 */
		{ "lll", "2 1", 317 }, /* what the broker takes */
		{ "lll", "1 1 1", 200 },
		{ "KKK", "1 1 1", 8192 },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct script s = script();

		s.fx.n = 0;
		uplink_link_up(s.u, s.now, cases[i].max_packet, &s.fx);
		s.nonce = find(&s.fx, UPLINK_SEND_HELLO)->nonce;
		uplink_hello_sent(s.u, s.now, s.nonce);
		s.r.credit_bytes_per_s = 1 << 20;
		answer(&s, s.nonce, BL_VERDICT_OK);
		answered(&s);
		assert_string_equal(give(&s, cases[i].frames, 1), cases[i].messages);
		uplink_free(s.u);
	}
}

static void
one_puback_is_for_all_and_each_has_its_receipt(void **unused)
{
	struct script s = script();
	struct uplink_status st;
	uint64_t token;

	(void)unused;
	ready(&s, 0);
	assert_string_equal(give(&s, "lll", 1), "3");
	token = find(&s.fx, UPLINK_PUBLISH)->token;
	assert_true(uplink_deadline(s.u) >= s.now + UPLINK_RECEIPT_MAX_MS);
	s.now += 40;
	s.fx.n = 0;
	uplink_frames(s.u, s.now, NULL, 0, NULL, &s.fx);
	uplink_puback(s.u, s.now, token, 0, &s.fx);
	assert_in_range(
	    uplink_deadline(s.u) - s.now, UPLINK_RECEIPT_MIN_MS, UPLINK_RECEIPT_MIN_MS * 3 / 2);
	receipt(&s, BL_STREAM_HOST, 2);
	uplink_status(s.u, &st);
	assert_int_equal(st.published, 3);
	assert_int_equal(st.receipted, 2);
	assert_int_equal(st.in_flight, 1);
	assert_int_equal(st.in_flight_bytes, 100);
	/* The third is overdue by itself, and the only one that is offered again. */
	tick_to(&s, s.now + UPLINK_RECEIPT_MIN_MS * 3 / 2);
	assert_int_equal(count(&s.fx, UPLINK_CLEAR), 1);
	assert_int_equal(find(&s.fx, UPLINK_CLEAR)->seq, 3);
	uplink_free(s.u);
}

static void
what_was_offered_in_vain_goes_alone(void **unused)
{
	struct script s = script();

	(void)unused;
	ready(&s, 0);
	assert_string_equal(give(&s, "lll", 2), "3");
	pubacks(&s);
	tick_to(&s, s.now + 2 * UPLINK_RECEIPT_MIN_MS);
	assert_int_equal(count(&s.fx, UPLINK_CLEAR), 3);
	/* One that is new, those three once more, two that are new. */
	assert_string_equal(give(&s, "llllll", 1), "1 1 1 1 2");
	receipt(&s, BL_STREAM_HOST, 6);
	assert_string_equal(give(&s, "lll", 7), "3");
	uplink_free(s.u);
}

/* How many messages a backlog takes behind 300 ms; receipts come when nothing more may go out. */
static unsigned
messages_for(unsigned batches, size_t bytes)
{
	struct script s = script();
	unsigned messages = 0;
	uint64_t sent = 0;

	ready(&s, 1 << 20);
	while (sent < batches) {
		const struct uplink_offer *o = &find(&s.fx, UPLINK_ASK_OFFER)->offer;
		const size_t fit =
		    o->past_bytes < bytes ? o->past_bytes > 0 : o->past_bytes / bytes;
		const unsigned n = fit < o->max_frames ? (unsigned)fit : o->max_frames;

		frames(&s, BL_STREAM_HOST, sent + 1, n, bytes, true);
		sent += n;
		for (unsigned i = 0; i < s.fx.n; i++)
			messages += s.fx.e[i].type == UPLINK_PUBLISH;
		s.now += 300;
		pubacks(&s);
		if (count(&s.fx, UPLINK_ASK_OFFER) == 0)
			receipt(&s, BL_STREAM_HOST, sent);
	}
	uplink_free(s.u);
	return messages;
}

/* What the link carries is never known of them: it has carried them before it can be measured. */
static void
small_batches_of_a_backlog_share_messages(void **unused)
{
	static const struct {
		size_t bytes;
		unsigned least, most;
	} cases[] = {
		{ 60, 20, 20 },  /* as many as an offer has */
		{ 900, 20, 40 }, /* first 8 KiB at a time, later what the link carries */
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_in_range(messages_for(160, cases[i].bytes), cases[i].least, cases[i].most);
}

static void
without_room_all_of_a_bundle_waits(void **unused)
{
	struct script s = script();
	struct uplink_status st;
	const struct uplink_effect *e;

	(void)unused;
	ready(&s, 0);
	for (unsigned busy = 0; busy < 3; busy++) {
		assert_string_equal(busy == 0 ? give(&s, "lll", 1) : "3", "3");
		e = find(&s.fx, UPLINK_PUBLISH);
		uplink_busy(s.u, busy == 0 ? e->slot : e->more[busy - 1]);
		uplink_status(s.u, &st);
		assert_int_equal(st.published, 0);
		assert_int_equal(st.in_flight, 0);
		s.fx.n = 0;
		uplink_puback(s.u, s.now, 999999, 0, &s.fx); /* somebody else's: room again */
		assert_int_equal(find(&s.fx, UPLINK_PUBLISH)->n_more, 2);
	}
	uplink_free(s.u);
}

static void
a_refused_bundle_is_not_sent_again_at_once(void **unused)
{
	struct script s = script();
	struct uplink_status st;
	uint64_t token;

	(void)unused;
	ready(&s, 0);
	(void)give(&s, "ll", 1);
	token = find(&s.fx, UPLINK_PUBLISH)->token;
	s.fx.n = 0;
	uplink_puback(s.u, s.now, token, 151, &s.fx);
	assert_int_equal(count(&s.fx, UPLINK_PUBLISH) + count(&s.fx, UPLINK_CLEAR), 0);
	uplink_status(s.u, &st);
	assert_int_equal(st.refused, 1);
	assert_int_equal(st.refused_reason, 151);
	tick_to(&s, s.now + 2 * UPLINK_RECEIPT_MIN_MS);
	assert_int_equal(count(&s.fx, UPLINK_CLEAR), 2);
	uplink_free(s.u);
}

static void
what_cannot_be_sent_is_left_to_its_deadline(void **unused)
{
	struct script s = script();

	(void)unused;
	ready(&s, 0);
	(void)give(&s, "ll", 1);
	uplink_unsendable(s.u, find(&s.fx, UPLINK_PUBLISH)->slot);
	assert_true(uplink_deadline(s.u) <= s.now + 2 * UPLINK_RECEIPT_MIN_MS);
	tick_to(&s, s.now + 2 * UPLINK_RECEIPT_MIN_MS);
	assert_int_equal(count(&s.fx, UPLINK_CLEAR), 2);
	uplink_free(s.u);
}

static void
a_lost_link_frees_all_of_a_bundle(void **unused)
{
	struct script s = script();
	struct uplink_status st;

	(void)unused;
	ready(&s, 0);
	(void)give(&s, "lll", 1);
	s.fx.n = 0;
	uplink_link_down(s.u, s.now, &s.fx);
	assert_int_equal(count(&s.fx, UPLINK_FORGET), 0); /* they had been handed out */
	uplink_status(s.u, &st);
	assert_int_equal(st.in_flight, 0);
	uplink_free(s.u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_shares_a_message),
		cmocka_unit_test(one_puback_is_for_all_and_each_has_its_receipt),
		cmocka_unit_test(what_was_offered_in_vain_goes_alone),
		cmocka_unit_test(small_batches_of_a_backlog_share_messages),
		cmocka_unit_test(without_room_all_of_a_bundle_waits),
		cmocka_unit_test(a_refused_bundle_is_not_sent_again_at_once),
		cmocka_unit_test(what_cannot_be_sent_is_left_to_its_deadline),
		cmocka_unit_test(a_lost_link_frees_all_of_a_bundle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
