/*
 * libFuzzer target: what the centre says to an agent (receipts, answers,
 * questions, its own message), through the uplink into a real spool with
 * samples in all streams.  The input is a row of messages:
 *
 *	u8 flags   u16 length, little end first   payload
 *
 * flags: 1 the spool named is ours, 2 the nonce is the one we wait for, 4 the
 * epoch is the one we know, 8 the prefix is put right; 16 time passes before it.
 *
 * However wrong the centre is, the agent goes on: the spool works, says hello,
 * takes samples, and never gives up what it accepted.
 */
#include <unistd.h>

#include "fuzz.h"
#include "spool_kit.h"
#include "uplink.h"

#define EXECUTIONS_MAX 100 /* then the spool is made anew */

static struct {
	struct kit k;
	struct uplink *u;
	struct bl_id spool, epoch;
	uint32_t nonce;
	unsigned executions;
	bool open;
} c;

static void
end(void)
{
	if (!c.open)
		return;
	uplink_free(c.u);
	spool_close(c.k.s);
	folder_remove(c.k.dir);
	memset(&c, 0, sizeof(c));
}

static void
begin(void)
{
	char name[32];

	kit_clock_init(&c.k.time, 7);
	(void)snprintf(name, sizeof(name), "fuzz-%d", (int)getpid());
	folder_make(c.k.dir, name);
	(void)snprintf(c.k.path, sizeof(c.k.path), "%s/spool.db", c.k.dir);
	c.k.opts = (struct spool_opts){ .path = c.k.path,
		.device = "kiosk-1",
		.max_bytes = 4 << 20,
		.keep_receipted_ms = 3600000,
		.boot = { { 0xb0 } },
		.clock = &c.k.time.clock,
		.software = "0.1.0" };
	kit_open(&c.k, SPOOL_CREATED);
	for (int i = 0; i < 3; i++) {
		for (int s = 1; s <= BL_STREAMS; s++)
			kit_tick(&c.k, (enum bl_stream)s);
		kit_commit(&c.k);
		kit_cut_all(&c.k);
	}
	CHECK((c.u = uplink_create(7)) != NULL);
	c.open = true;
}

static void
must(int rc, const struct bl_err *err)
{
	if (rc >= 0)
		return;
	(void)fprintf(stderr, "spool: %s (%d)\n", err->msg, rc);
	abort();
}

/* ---- effects, as the agent does them, but at once ---- */

static void run(struct uplink_effects *fx, const struct bl_receipt *r, const struct bl_question *q);

static void
say_hello(uint32_t nonce)
{
	static struct bl_hello h;
	struct bl_err err = { 0 };
	struct bl_buf b;

	must(spool_hello(c.k.s, &h, &err), &err);
	h.nonce = c.nonce = nonce;
	c.spool = h.spool;
	bl_buf_init(&b, BL_BATCH_WIRE_MAX);
	CHECK(bl_hello_encode(&h, &b) == BL_OK);
	bl_buf_free(&b);
	uplink_hello_sent(c.u, c.k.time.mono_ms, nonce);
}

static void
offer(const struct uplink_offer *o)
{
	struct spool_want want = { .live = o->live,
		.past_bytes = o->past_bytes,
		.dict_known = o->dict_known,
		.clock_known = o->clock_known,
		.max_packet = o->max_packet,
		.max_frames = o->max_frames < 8 ? o->max_frames : 8 };
	struct uplink_effects fx = { 0 };
	struct uplink_frame f[8];
	struct spool_frame frame[8] = { 0 };
	struct bl_err err = { 0 };
	unsigned n = 0, slot[8];

	must(spool_offer(c.k.s, &want, frame, &n, &err), &err);
	for (unsigned i = 0; i < n; i++) {
		f[i] = (struct uplink_frame){ .type = frame[i].type,
			.stream = frame[i].stream,
			.seq = frame[i].seq,
			.past = frame[i].past,
			.bytes = frame[i].msg.len };
		bl_buf_free(&frame[i].msg);
	}
	uplink_frames(c.u, c.k.time.mono_ms, f, n, slot, &fx);
	run(&fx, NULL, NULL);
}

static void
take(const struct uplink_effect *e, const struct bl_receipt *r, const struct bl_question *q)
{
	struct uplink_effects fx = { 0 };
	struct uplink_outcome o = { .r = r };
	static struct bl_gone gone;
	struct bl_err err = { 0 };
	bool hello = false;
	struct bl_buf b;
	int rc;

	if (e->type == UPLINK_TAKE_QUESTION) {
		rc = spool_on_question(c.k.s, q, &gone, &err);
		bl_buf_init(&b, BL_BATCH_WIRE_MAX);
		CHECK(rc < 0 || gone.n == 0 || bl_gone_encode(&gone, &b) == BL_OK);
		bl_buf_free(&b);
	} else if (e->type == UPLINK_TAKE_ANSWER) {
		rc = spool_on_answer(c.k.s, r, &err);
	} else {
		rc = spool_on_receipt(c.k.s, r, &hello, &err);
	}
	if (rc != BL_EINVAL) /* it says what is impossible */
		must(rc, &err);
	o.taken = rc == SPOOL_ANSWER_OK;
	o.say_hello = hello || rc == SPOOL_ANSWER_ROLLED_BACK;
	o.more = true;
	if (e->type == UPLINK_TAKE_QUESTION)
		uplink_questioned(c.u, c.k.time.mono_ms, &o, &fx);
	else if (e->type == UPLINK_TAKE_ANSWER)
		uplink_answered(c.u, c.k.time.mono_ms, &o, &fx);
	else
		uplink_receipted(c.u, c.k.time.mono_ms, &o, &fx);
	run(&fx, r, q);
}

static void
run(struct uplink_effects *fx, const struct bl_receipt *r, const struct bl_question *q)
{
	CHECK(fx->n <= UPLINK_EFFECTS_MAX);
	for (unsigned i = 0; i < fx->n; i++) {
		const struct uplink_effect *e = &fx->e[i];

		if (e->type == UPLINK_SEND_HELLO)
			say_hello(e->nonce);
		else if (e->type == UPLINK_ASK_OFFER)
			offer(&e->offer);
		else if (e->type == UPLINK_CLEAR)
			spool_outstanding_clear(c.k.s, e->stream, e->seq);
		else if (e->type == UPLINK_TAKE_ANSWER || e->type == UPLINK_TAKE_RECEIPT ||
			 e->type == UPLINK_TAKE_QUESTION)
			take(e, r, q);
	}
}

/* ---- messages ---- */

static void
receipt(const uint8_t *msg, size_t len, unsigned flags)
{
	struct uplink_effects fx = { 0 };
	struct bl_receipt r;

	if (bl_receipt_decode(msg, len, &r, NULL) != BL_OK)
		return;
	if ((flags & 1) != 0)
		r.spool = c.spool;
	if ((flags & 2) != 0)
		r.nonce = c.nonce;
	if ((flags & 4) != 0)
		r.epoch = c.epoch;
	c.epoch = r.epoch;
	uplink_receipt(c.u, c.k.time.mono_ms, &r, &fx);
	run(&fx, &r, NULL);
}

static void
question(const uint8_t *msg, size_t len, unsigned flags)
{
	struct uplink_effects fx = { 0 };
	struct bl_question q;

	if (bl_question_decode(msg, len, &q, NULL) != BL_OK)
		return;
	if ((flags & 1) != 0)
		q.spool = c.spool;
	uplink_question(c.u, c.k.time.mono_ms, &q, &fx);
	run(&fx, NULL, &q);
}

static void
hear(const uint8_t *payload, size_t len, unsigned flags)
{
	struct uplink_effects fx = { 0 };
	uint8_t *msg = malloc(len > 0 ? len : 1);
	struct bl_centre centre;
	int type;

	CHECK(msg != NULL);
	if (len > 0)
		memcpy(msg, payload, len);
	if ((flags & 8) != 0 && len >= 3)
		memcpy(msg, "BL\1", 3);
	if ((flags & 16) != 0) {
		kit_pass(&c.k.time, 7000);
		uplink_tick(c.u, c.k.time.mono_ms, &fx);
		run(&fx, NULL, NULL);
	}
	type = bl_msg_type(msg, len);
	fx.n = 0;
	if (type == BL_MSG_QUESTION)
		question(msg, len, flags);
	else if (type == BL_MSG_CENTRE && bl_centre_decode(msg, len, &centre, NULL) == BL_OK) {
		uplink_centre(c.u, c.k.time.mono_ms, &centre, &fx);
		run(&fx, NULL, NULL);
	} else {
		receipt(msg, len, flags);
	}
	free(msg);
}

static uint64_t
held(void)
{
	struct spool_status st;
	struct bl_err err = { 0 };
	uint64_t n = 0;

	must(spool_status(c.k.s, &st, &err), &err);
	for (int i = 0; i < BL_STREAMS; i++)
		n += st.stream[i].held_batches + st.stream[i].dropped_batches;
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool registered;
	struct uplink_effects fx = { 0 };
	uint64_t before;

	if (!registered)
		(void)atexit(end);
	registered = true;
	if (!c.open)
		begin();
	uplink_link_up(c.u, c.k.time.mono_ms, 0, &fx);
	run(&fx, NULL, NULL);
	before = held();
	for (unsigned n = 0; size >= 3 && n < 32; n++) {
		const size_t stated = (size_t)data[1] | (size_t)data[2] << 8;
		const size_t len = stated < size - 3 ? stated : size - 3;

		hear(data + 3, len, data[0]);
		data += 3 + len;
		size -= 3 + len;
	}
	/* No word of the centre deletes anything: only need of room does. */
	CHECK(held() >= before);
	kit_tick(&c.k, BL_STREAM_HOST);
	kit_commit(&c.k);
	fx.n = 0;
	uplink_link_down(c.u, c.k.time.mono_ms, &fx);
	run(&fx, NULL, NULL);
	spool_outstanding_clear_all(c.k.s);
	if (++c.executions >= EXECUTIONS_MAX)
		end();
	return 0;
}
