/*
 * The sender against a model: a centre and a spool joined by a network that
 * loses, doubles and reorders, on virtual time.  Whatever the seed, everything
 * must arrive, nothing may be sent before the answer, and neither silence nor
 * losses may start a storm.
 */
#include "uplink_kit.h"

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
	uint64_t sent, bundles, hellos, offers, past_bytes, drops;
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

static unsigned
slot_of(const struct uplink_effect *e, unsigned i)
{
	return i == 0 ? e->slot : e->more[i - 1];
}

/* Who may share a message, and that it stays small. */
static void
check_bundle(const struct model *m, const struct uplink_effect *e)
{
	const struct uplink_frame *first = &m->kept[e->slot];
	size_t bytes = first->bytes;

	for (unsigned i = 1; i <= e->n_more; i++) {
		const struct uplink_frame *f = &m->kept[slot_of(e, i)];

		assert_true(m->keeps[slot_of(e, i)]);
		assert_int_equal(first->type, BL_MSG_BATCH);
		assert_int_equal(f->type, BL_MSG_BATCH);
		assert_int_equal(f->past, first->past);
		bytes += f->bytes;
	}
	assert_true(e->n_more == 0 || bytes <= UPLINK_BUNDLE_BYTES);
}

/* The batches of one message are lost, doubled and overtaken apart: more than a network can. */
static void
do_publish(struct model *m, const struct uplink_effect *e)
{
	assert_true(m->up && m->worked_in); /* nothing before the answer */
	assert_true(m->keeps[e->slot]);
	check_bundle(m, e);
	if (chance(m, 20) == 0) {
		uplink_busy(m->s.u, slot_of(e, (unsigned)chance(m, e->n_more + 1)));
		return;
	}
	m->bundles += e->n_more > 0;
	for (unsigned i = 0; i <= e->n_more; i++) {
		const struct uplink_frame *f = &m->kept[slot_of(e, i)];

		m->keeps[slot_of(e, i)] = false;
		m->sent++;
		if (f->past)
			m->past_bytes += f->bytes;
		put_wire(m, (struct wire){ .type = f->type == BL_MSG_DICT ? WIRE_DICT : WIRE_BATCH,
				.stream = f->stream,
				.seq = f->seq });
	}
	put_wire(m, (struct wire){ .type = WIRE_ACK, .token = e->token });
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
	assert_true(m->bundles > 0);
	uplink_free(m->s.u);
	free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_clean_network_needs_no_second_try),
		cmocka_unit_test(everything_arrives_over_a_bad_network),
		cmocka_unit_test(a_silent_centre_sees_no_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
