#include "uplink_kit.h"

struct script
script(void)
{
	struct script s = { .u = uplink_create(42), .now = 1000 };

	assert_non_null(s.u);
	return s;
}

unsigned
count(const struct uplink_effects *fx, enum uplink_effect_type type)
{
	unsigned n = 0;

	for (unsigned i = 0; i < fx->n; i++)
		n += fx->e[i].type == type ? 1 + fx->e[i].n_more : 0;
	return n;
}

const struct uplink_effect *
find(const struct uplink_effects *fx, enum uplink_effect_type type)
{
	for (unsigned i = 0; i < fx->n; i++)
		if (fx->e[i].type == type)
			return &fx->e[i];
	fail_msg("no effect %d among %u", (int)type, fx->n);
	return NULL;
}

void
link_up(struct script *s)
{
	s->fx.n = 0;
	uplink_link_up(s->u, s->now, 0, &s->fx);
	s->nonce = find(&s->fx, UPLINK_SEND_HELLO)->nonce;
	uplink_hello_sent(s->u, s->now, s->nonce);
}

void
tick_to(struct script *s, int64_t at)
{
	s->now = at;
	s->fx.n = 0;
	uplink_tick(s->u, s->now, &s->fx);
}

void
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

void
answered(struct script *s)
{
	const struct uplink_outcome o = { .taken = true, .more = true, .r = &s->r };

	s->fx.n = 0;
	uplink_answered(s->u, s->now, &o, &s->fx);
}

void
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

void
ready(struct script *s, uint32_t credit)
{
	link_up(s);
	s->r.credit_bytes_per_s = credit;
	answer(s, s->nonce, BL_VERDICT_OK);
	answered(s);
	assert_int_equal(count(&s->fx, UPLINK_ASK_OFFER), 1);
}

unsigned
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

enum uplink_state
state(const struct script *s)
{
	struct uplink_status st;

	uplink_status(s->u, &st);
	return st.state;
}

void
pubacks(struct script *s)
{
	const struct uplink_effects sent = s->fx;

	for (unsigned i = 0; i < sent.n; i++)
		if (sent.e[i].type == UPLINK_PUBLISH)
			uplink_puback(s->u, s->now, sent.e[i].token, 0, &s->fx);
}
