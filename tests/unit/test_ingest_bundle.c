/*
 * Batches that come in one message end as if each had come alone: stored, receipted, set aside,
 * tried again; only where the lengths are wrong is the message judged as a whole.
 */
#include "ingest_kit.h"

/* ---- a decoder that dies of one batch (--wrap) ---- */

static uint64_t deadly_seq;

int __real_bl_batch_verify(
    const struct bl_batch_header *h, const void *raw, size_t len, struct bl_err *err);
int __wrap_bl_batch_verify(
    const struct bl_batch_header *h, const void *raw, size_t len, struct bl_err *err);

int
__wrap_bl_batch_verify(
    const struct bl_batch_header *h, const void *raw, size_t len, struct bl_err *err)
{
	if (h->seq == deadly_seq)
		(void)raise(SIGKILL);
	return __real_bl_batch_verify(h, raw, len, err);
}

/* ---- bundles ---- */

static bool packed; /* and so is what each test sends */

struct parts {
	struct bl_buf part[BL_BUNDLE_MAX];
	unsigned n;
};

static struct bl_buf *
more(struct parts *p)
{
	struct bl_buf *b = &p->part[p->n++];

	bl_buf_init(b, BL_BATCH_WIRE_MAX);
	return b;
}

static void
add(struct parts *p, const void *msg, size_t len)
{
	bl_buf_bytes(more(p), msg, len);
}

/* Batches first to last; the one with this seq (0: none) has a bad body. */
static struct parts
batches(struct ctx *c, uint64_t first, uint64_t last, uint64_t bad)
{
	struct parts p = { .n = 0 };

	for (uint64_t seq = first; seq <= last; seq++) {
		make_batch(c, seq);
		if (seq == bad)
			c->msg.data[c->msg.len - 3] ^= 0x55;
		add(&p, c->msg.data, c->msg.len);
	}
	return p;
}

static void
pack(const struct parts *p, struct bl_buf *out)
{
	struct bl_bundle b = { .n = p->n, .packed = packed };

	for (unsigned i = 0; i < p->n; i++)
		b.batch[i] = (struct bl_bundle_batch){ p->part[i].data, p->part[i].len };
	bl_buf_init(out, BL_BATCH_WIRE_MAX);
	assert_int_equal(bl_bundle_encode(&b, out), BL_OK);
}

static void
unmake(struct parts *p)
{
	for (unsigned i = 0; i < p->n; i++)
		bl_buf_free(&p->part[i]);
	p->n = 0;
}

/* Takes it as a bundle, and frees the parts. */
static void
take_parts(struct ctx *c, enum bl_topic_kind kind, const char *device, struct parts *p)
{
	struct bl_buf msg;

	pack(p, &msg);
	take(c, topic_of(kind, device), msg.data, msg.len, false);
	bl_buf_free(&msg);
	unmake(p);
}

/* The newest; questions about entries that no test has sent come between. */
static struct bl_receipt
receipt_of(const struct ctx *c, const char *device)
{
	struct bl_receipt r = { 0 };
	size_t i = c->n_sent;

	while (i > 0 && bl_msg_type(c->sent[i - 1].payload, c->sent[i - 1].len) != BL_MSG_RECEIPT)
		i--;
	assert_true(i > 0);
	assert_non_null(strstr(c->sent[i - 1].topic, device));
	assert_int_equal(
	    bl_receipt_decode(c->sent[i - 1].payload, c->sent[i - 1].len, &r, NULL), BL_OK);
	return r;
}

static struct ingest_core_stats
stats(const struct ctx *c)
{
	struct ingest_core_stats s;

	ingest_core_stats(c->core, &s);
	return s;
}

/* ---- */

static void
each_is_stored_and_one_receipt_is_for_all(void **state)
{
	struct ctx *c = *state;
	struct parts p = batches(c, 1, 3, 0);
	size_t sent;

	take_parts(c, BL_TOPIC_LIVE, "kiosk-1", &p);
	assert_int_equal(totals(c).batches, 3);
	assert_int_equal(stats(c).batches, 3);
	assert_int_equal(stats(c).bundles, 1);
	sent = c->n_sent;
	pass(c, 50);
	assert_int_equal(c->n_sent, sent + 1);
	assert_int_equal(receipt_of(c, "kiosk-1").stream[2].contiguous, 3);
	assert_int_equal(aside(c).n, 0);
}

static void
what_came_before_is_not_stored_again(void **state)
{
	struct ctx *c = *state;
	struct parts p;

	take_batch(c, 2);
	for (unsigned again = 0; again < 2; again++) {
		p = batches(c, 1, 3, 0);
		take_parts(c, again == 0 ? BL_TOPIC_LIVE : BL_TOPIC_PAST, "kiosk-1", &p);
	}
	take_batch(c, 3);
	assert_int_equal(totals(c).batches, 3);
	assert_int_equal(totals(c).duplicates, 1 + 3 + 1);
	pass(c, 2000);
	assert_int_equal(receipt_of(c, "kiosk-1").stream[2].contiguous, 3);
}

static void
a_bad_batch_is_set_aside_alone(void **state)
{
	struct ctx *c = *state;
	struct bl_receipt r;

	for (uint64_t bad = 1; bad <= 3; bad++) {
		const uint64_t first = 3 * (bad - 1) + 1;
		struct parts p = batches(c, first, first + 2, first + bad - 1);

		take_parts(c, BL_TOPIC_LIVE, "kiosk-1", &p);
		assert_int_equal(totals(c).batches, 2 * bad);
		assert_int_equal(aside(c).n, bad);
		pass(c, 2000);
		r = receipt_of(c, "kiosk-1");
		assert_int_equal(r.stream[2].contiguous, 3 * bad);
		assert_int_equal(r.stream[2].aside.n, bad);
	}
	assert_string_equal(aside(c).reason, "undecodable");
}

static void
what_is_no_batch_is_set_aside_alone(void **state)
{
	enum { NESTED, PRESENCE, DICT, HELLO, NEWER, SHORT, RUBBISH, HEADER, CASES };
	struct ctx *c = *state;
	const struct bl_presence presence = { .online = true, .boot = c->boot };
	const struct bl_hello h = hello(c, "kiosk-1", 1);

	for (unsigned i = 0; i < CASES; i++) {
		struct parts p = batches(c, 2 * i + 1, 2 * i + 1, 0), inner;
		struct bl_buf *what = more(&p);

		switch (i) {
		case NESTED:
			inner = batches(c, 100, 102, 0);
			pack(&inner, what);
			unmake(&inner);
			break;
		case PRESENCE:
			assert_int_equal(bl_presence_encode(&presence, what), BL_OK);
			break;
		case DICT:
			make_dict(c, 1, 3);
			bl_buf_bytes(what, c->msg.data, c->msg.len);
			break;
		case HELLO:
			assert_int_equal(bl_hello_encode(&h, what), BL_OK);
			break;
		case NEWER:
			make_batch(c, 50);
			bl_buf_bytes(what, c->msg.data, c->msg.len);
			what->data[2] = 2;
			break;
		case SHORT:
			bl_buf_bytes(what, "B", 1);
			break;
		case RUBBISH:
			bl_buf_bytes(what, "rubbish", 7);
			break;
		default:
			make_batch(c, 51);
			bl_buf_bytes(what, c->msg.data, 20);
			break;
		}
		make_batch(c, 2 * i + 2);
		add(&p, c->msg.data, c->msg.len);
		take_parts(c, BL_TOPIC_LIVE, "kiosk-1", &p);
		assert_int_equal(totals(c).batches, 2 * (i + 1));
		assert_int_equal(aside(c).n, i + 1);
		assert_string_equal(aside(c).reason, "undecodable");
	}
	/* Nothing of what was in them had its effect. */
	assert_int_equal(stats(c).hellos, 0);
	assert_int_equal(totals(c).series, 0);
	pass(c, 2000);
	assert_int_equal(receipt_of(c, "kiosk-1").stream[2].contiguous, 2 * CASES);
	assert_int_equal(receipt_of(c, "kiosk-1").stream[2].aside.n, 0);
}

static void
lengths_that_are_wrong_refuse_it_as_a_whole(void **state)
{
	struct ctx *c = *state;
	struct parts p = batches(c, 1, 3, 0);
	struct bl_buf msg;

	pack(&p, &msg);
	for (size_t len = 0; len < msg.len; len++)
		take(c, topic_of(BL_TOPIC_LIVE, "kiosk-1"), msg.data, len, false);
	msg.data[5 + 2] = 4; /* four of them */
	take(c, topic_of(BL_TOPIC_LIVE, "kiosk-1"), msg.data, msg.len, false);
	assert_int_equal(totals(c).batches, 0);
	assert_int_equal(stats(c).set_aside, msg.len + 1);
	assert_int_equal(stats(c).bundles, 0);
	assert_int_equal(c->n_sent, 0);
	pass(c, 2000);
	assert_int_equal(c->n_sent, 0); /* no seq is known, so none is settled */
	bl_buf_free(&msg);
	take_parts(c, BL_TOPIC_LIVE, "kiosk-1", &p);
	assert_int_equal(totals(c).batches, 3);
}

static void
where_no_batch_may_come_no_bundle_may(void **state)
{
	static const struct {
		enum bl_topic_kind kind;
		const char *device, *reason;
	} cases[] = {
		{ BL_TOPIC_HELLO, "kiosk-1", "undecodable" },
		{ BL_TOPIC_PRESENCE, "kiosk-1", "undecodable" },
		{ BL_TOPIC_LIVE, "nobody", "unknown_device" },
		{ BL_TOPIC_LIVE, "old-1", "retired" },
	};
	struct ctx *c = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct parts p = batches(c, 1, 3, 0);

		take_parts(c, cases[i].kind, cases[i].device, &p);
		assert_int_equal(aside(c).n, i + 1);
		assert_string_equal(aside(c).reason, cases[i].reason);
		pass(c, 2000);
	}
	assert_int_equal(totals(c).batches, 0);
}

static void
a_bundle_of_rubbish_stays_within_its_caps(void **state)
{
	struct ctx *c = *state;
	struct parts p = { .n = 0 };

	for (unsigned i = 0; i < BL_BUNDLE_MAX; i++)
		add(&p, &i, sizeof(i));
	take_parts(c, BL_TOPIC_PAST, "kiosk-1", &p);
	assert_int_equal(aside(c).n, BL_BUNDLE_MAX);
	assert_int_equal(stats(c).set_aside, BL_BUNDLE_MAX);
	assert_int_equal(totals(c).batches, 0);
}

/* ---- poison ---- */

/* As another process would take it; true: it died of it. */
static bool
dies_of(struct ctx *c, const struct bl_buf *msg)
{
	const pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		const struct ingest_msg m = { topic_of(BL_TOPIC_LIVE, "kiosk-1"), msg->data,
			msg->len, false };
		struct bl_err err = { 0 };

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
what_kills_the_decoder_is_known_by_its_own_name(void **state)
{
	struct ctx *c = *state;
	struct parts p = batches(c, 1, 3, 0);
	struct bl_buf msg;
	struct bl_receipt r;
	unsigned deaths = 0;

	pack(&p, &msg);
	unmake(&p);
	deadly_seq = 2;
	for (; deaths < 10 && dies_of(c, &msg); deaths++)
		restart(c);
	assert_int_equal(deaths, 3);
	take(c, topic_of(BL_TOPIC_LIVE, "kiosk-1"), msg.data, msg.len, false);
	deadly_seq = 0;
	assert_int_equal(totals(c).batches, 2);
	assert_int_equal(aside(c).n, 1);
	pass(c, 2000);
	r = receipt_of(c, "kiosk-1");
	assert_int_equal(r.stream[2].contiguous, 3);
	assert_int_equal(r.stream[2].aside.n, 1);
	assert_true(r.stream[2].aside.r[0].first == 2);
	bl_buf_free(&msg);
}

/* ---- tried again ---- */

static struct ingest_requeue_sums
requeue_all(struct ctx *c)
{
	const struct ingest_requeue all = { 0 };
	struct ingest_requeue_at at = { 0 };
	struct bl_err err = { 0 };

	for (unsigned slices = 0; !at.done; slices++) {
		assert_true(slices < 100);
		must(ingest_core_begin(c->core, &err), &err);
		must(ingest_core_requeue(c->core, &all, &at, 2, &err), &err);
		must(ingest_core_commit(c->core, &err), &err);
	}
	return at.sums;
}

static void
a_bundle_tried_again_is_taken_apart(void **state)
{
	struct ctx *c = *state;
	struct ingest_requeue_sums s;
	struct parts p = batches(c, 1, 3, 2);

	take_parts(c, BL_TOPIC_LIVE, "kiosk-3", &p);
	assert_int_equal(aside(c).n, 1);
	s = requeue_all(c);
	assert_int_equal(s.kept, 1); /* nobody has added the device */
	assert_int_equal(aside(c).n, 1);
	c->added = "kiosk-3";
	ingest_core_devices_changed(c->core);
	s = requeue_all(c);
	assert_int_equal(s.tried, 1);
	assert_int_equal(s.taken, 1);
	assert_int_equal(totals(c).batches, 2);
	assert_int_equal(aside(c).n, 1); /* the bad one, for itself */
	assert_string_equal(aside(c).reason, "undecodable");
	pass(c, 2000);
	assert_int_equal(receipt_of(c, "kiosk-3").stream[2].contiguous, 3);
	s = requeue_all(c);
	assert_int_equal(s.kept, 1);
	assert_int_equal(aside(c).n, 1);
	assert_int_equal(totals(c).batches, 2);
}

static int
setup_packed(void **state)
{
	packed = true;
	return setup(state);
}

static int
teardown_packed(void **state)
{
	packed = false;
	return teardown(state);
}

int
main(void)
{
#define T(f)                                                                                       \
	cmocka_unit_test_setup_teardown(f, setup, teardown),                                       \
	{                                                                                          \
#f "_packed", f, setup_packed, teardown_packed, NULL                               \
	}
	const struct CMUnitTest tests[] = {
		T(each_is_stored_and_one_receipt_is_for_all),
		T(what_came_before_is_not_stored_again),
		T(a_bad_batch_is_set_aside_alone),
		T(what_is_no_batch_is_set_aside_alone),
		T(lengths_that_are_wrong_refuse_it_as_a_whole),
		T(where_no_batch_may_come_no_bundle_may),
		T(a_bundle_of_rubbish_stays_within_its_caps),
		T(what_kills_the_decoder_is_known_by_its_own_name),
		T(a_bundle_tried_again_is_taken_apart),
	};
#undef T

	bl_log_level_set(BL_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
