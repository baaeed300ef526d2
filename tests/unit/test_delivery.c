/*
 * Delivery when the spool thread's queue has no room for what the centre said: the
 * handshake must not wait for a word that nobody is working in.  And which message several
 * batches share: one that the centre of this connection takes.
 */
#include "spool_kit.h"

#include "branchline/log.h"

#include "delivery.h"

struct world {
	struct kit_clock time;
	char dir[FOLDER_MAX], path[96];
	struct delivery *d;
	struct spool_thread *t;
	unsigned hellos;
	struct bl_id spool;
	uint32_t nonce;
	uint8_t takes; /* what the centre answers */
	int shared;    /* the type of the last message with several batches; 0: none came */
};

static int
publish(void *ctx, enum bl_topic_kind kind, const struct bl_buf *msg, uint64_t token)
{
	struct world *w = ctx;
	const int type = bl_msg_type(msg->data, msg->len);
	struct bl_hello h;

	(void)kind;
	(void)token;
	if (type == BL_MSG_BUNDLE || type == BL_MSG_PACK)
		w->shared = type;
	if (type != BL_MSG_HELLO)
		return BL_OK;
	assert_int_equal(bl_hello_decode(msg->data, msg->len, &h, NULL), BL_OK);
	w->spool = h.spool;
	w->nonce = h.nonce;
	w->hellos++;
	return BL_OK;
}

static void
on_drop(void *ctx, const char *why)
{
	(void)ctx;
	fail_msg("dropped: %s", why);
}

static void
on_time(void *ctx, int64_t server_unix_ms, int64_t rtt_ms)
{
	(void)ctx;
	(void)server_unix_ms;
	(void)rtt_ms;
}

static void
on_hello(void *ctx, struct bl_hello *hello, uint64_t connections)
{
	(void)ctx;
	(void)hello;
	(void)connections;
}

static void
on_answered(void *ctx)
{
	(void)ctx;
}

static void
on_status(void *ctx, uint64_t token, const struct spool_thread_status *st)
{
	(void)ctx;
	(void)token;
	(void)st;
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct spool_thread_opts opts = {
		.spool = { .device = "till-1", .max_bytes = 64 << 20, .software = "0.1.0" }
	};
	const struct delivery_out out = { .ctx = w,
		.publish = publish,
		.drop = on_drop,
		.time = on_time,
		.hello = on_hello,
		.answered = on_answered };
	const struct spool_calls others = { .ctx = w, .status = on_status };
	struct spool_calls calls;
	struct bl_err err = { 0 };
	int opened;

	assert_non_null(w);
	kit_clock_init(&w->time, 7);
	folder_make(w->dir, "delivery");
	(void)snprintf(w->path, sizeof(w->path), "%s/spool.db", w->dir);
	opts.spool.path = w->path;
	opts.spool.clock = &w->time.clock;
	opts.spool.boot = bl_id_random(&w->time.clock);
	assert_int_equal(delivery_create(&w->d, &w->time.clock, 3, &out, &err), BL_OK);
	delivery_calls(w->d, &others, &calls);
	assert_int_equal(spool_thread_open(&w->t, &opts, &calls, &opened, &err), BL_OK);
	delivery_spool(w->d, w->t);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	spool_thread_stop(w->t);
	delivery_free(w->d);
	folder_remove(w->dir);
	free(w);
	return 0;
}

/* The spool thread works off what there is, and is heard. */
static void
turn(struct world *w)
{
	do {
		(void)spool_thread_turn(w->t);
		spool_thread_dispatch(w->t);
	} while (!spool_thread_idle(w->t));
	delivery_tick(w->d);
}

static void
answer(struct world *w)
{
	const struct bl_receipt r = { .is_answer = true,
		.nonce = w->nonce,
		.spool = w->spool,
		.epoch = { { 5 } },
		.server_unix_ms = w->time.unix_ms,
		.credit_bytes_per_s = 1 << 20,
		.takes = w->takes };
	struct bl_err err = { 0 };
	struct bl_buf b;

	bl_buf_init(&b, 65536);
	assert_int_equal(bl_receipt_encode(&r, &b), BL_OK);
	assert_int_equal(delivery_receipt(w->d, b.data, b.len, &err), BL_OK);
	bl_buf_free(&b);
}

static enum uplink_state
state_of(const struct world *w)
{
	struct uplink_status st;

	delivery_status(w->d, &st);
	return st.state;
}

static void
an_answer_that_found_no_room_is_asked_for_again_soon(void **state)
{
	struct world *w = *state;

	delivery_up(w->d, 0);
	turn(w);
	assert_int_equal(w->hellos, 1);
	while (spool_thread_status(w->t, 1) == BL_OK)
		; /* until its queue is full */
	answer(w);
	turn(w);
	assert_int_not_equal(state_of(w), UPLINK_READY);
	kit_pass(&w->time, UPLINK_HELLO_MS + 1000);
	delivery_tick(w->d);
	turn(w);
	assert_int_equal(w->hellos, 2);
	answer(w);
	turn(w);
	assert_int_equal(state_of(w), UPLINK_READY);
}

/* A centre may be replaced by an older one, and says so with its next answer. */
static void
what_the_centre_takes_is_what_it_gets(void **state)
{
	static const struct {
		uint8_t takes[2]; /* of the first connection, of the second */
		int shared;
	} cases[] = {
		{ { 0, 0 }, BL_MSG_BUNDLE },
		{ { 0, BL_MSG_BUNDLE }, BL_MSG_BUNDLE },
		{ { 0, BL_MSG_PACK }, BL_MSG_PACK },
		{ { 0, 255 }, BL_MSG_PACK }, /* one that takes what is not there yet */
		{ { BL_MSG_PACK, 0 }, BL_MSG_BUNDLE },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *w;

		assert_int_equal(setup(state), 0);
		w = *state;
		for (unsigned k = 0; k < 2; k++) {
			delivery_down(w->d);
			delivery_up(w->d, 0);
			turn(w);
			w->takes = cases[i].takes[k];
			answer(w);
			turn(w);
		}
		w->shared = 0;
		kit_pass(&w->time, 61000);
		assert_int_equal(spool_thread_commit(w->t, w->time.boot_ms), BL_OK);
		turn(w);
		assert_int_equal(w->shared, cases[i].shared);
		assert_int_equal(teardown(state), 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_centre_takes_is_what_it_gets),
		cmocka_unit_test_setup_teardown(
		    an_answer_that_found_no_room_is_asked_for_again_soon, setup, teardown),
	};

	bl_log_level_set(BL_LOG_ERROR);
	return cmocka_run_group_tests_name("delivery", tests, NULL, NULL);
}
