/*
 * A day behind a metered link, with a virtual clock: the agent's own delivery, uplink,
 * budget and spool between a broker and a centre of a few lines.  Six hours without a
 * link come first, and the machine makes more than its budget lets through.
 */
#include "spool_kit.h"

#include "branchline/log.h"
#include "branchline/tz.h"

#include "budget.h"
#include "delivery.h"

#define STEP_MS      10000
#define HOUR_MS      3600000
#define HOST_SERIES  40
#define OFF_HOURS    6
#define ON_HOURS     5
#define HOURS_MAX    40
#define SEQS_MAX     8192
#define ALL_BYTES    (200 * 1024) /* an hour */
#define HOST_BYTES   (60 * 1024)
#define EXTRA_BYTES  500 /* what a message takes beside its own, in this world */
#define RECEIPT_TOOK 350
#define PING_TOOK    81 /* of a step */

struct world {
	struct kit_clock time;
	char dir[FOLDER_MAX], path[96];
	struct bl_tz *tz;
	struct budget budget;
	uint8_t held;
	struct delivery *d;
	struct spool_thread *t;
	int32_t host[HOST_SERIES], probe;
	int64_t begin_unix_ms, up_boot_ms;
	/* broker */
	bool up;
	uint64_t ack[64];
	unsigned n_acks;
	/* centre */
	struct bl_id spool;
	uint32_t nonce, dict, clock;
	bool owes_answer, owes_receipt;
	bool got[BL_STREAMS][SEQS_MAX];
	/* what is judged */
	uint64_t carried[HOURS_MAX], host_cost[HOURS_MAX];
	int64_t lag_ms; /* of live events, the worst */
	unsigned held_hours;
	unsigned bundles, packs; /* messages with several batches */
	/* Bytes of messages by stream, 0 the maps: as they came, and as delivery told them. */
	uint64_t came[BL_STREAMS + 1], told[BL_STREAMS + 1];
};

static struct budget_now
now_of(struct world *w)
{
	return (struct budget_now){
		.boot_ms = w->time.boot_ms, .trusted = true, .unix_ms = w->time.unix_ms
	};
}

static unsigned
hour_of(const struct world *w)
{
	const int64_t hour = (w->time.unix_ms - w->begin_unix_ms) / HOUR_MS;

	assert_in_range(hour, 0, HOURS_MAX - 1);
	return (unsigned)hour;
}

static void
carry(struct world *w, uint64_t bytes)
{
	const struct budget_now now = now_of(w);

	w->carried[hour_of(w)] += bytes;
	budget_carried(&w->budget, &now, bytes);
}

/* ---- the agent's loop ---- */

static void
room(void *ctx, uint64_t under_way, struct uplink_room *out)
{
	struct world *w = ctx;
	const struct budget_now now = now_of(w);
	struct budget_room r;

	budget_room(&w->budget, &now, under_way, &r);
	if (r.held != w->held)
		(void)spool_thread_hold(w->t, r.held);
	w->held = r.held;
	memcpy(out->live, r.live, sizeof(out->live));
	memcpy(out->past, r.past, sizeof(out->past));
	out->frame_bytes = BUDGET_FRAME_BYTES;
	out->max_packet = budget_packet(&w->budget);
	out->again_mono_ms = r.again_boot_ms == BUDGET_NEVER
				 ? INT64_MAX
				 : w->time.mono_ms + r.again_boot_ms - now.boot_ms;
}

static void
charge(void *ctx, enum bl_stream stream, size_t bytes, bool shares, bool went)
{
	struct world *w = ctx;
	const struct budget_now now = now_of(w);

	if (went)
		budget_sent(&w->budget, &now, stream, bytes, shares);
	else
		budget_unsent(&w->budget, &now, stream, bytes, shares);
}

static void
on_sent(void *ctx, enum bl_stream stream, size_t bytes)
{
	struct world *w = ctx;

	w->told[stream] += bytes;
	if (stream == BL_STREAM_HOST)
		w->host_cost[hour_of(w)] += bytes + bytes / 16;
}

/* ---- broker and centre ---- */

static void
take_batch(struct world *w, const void *msg, size_t bytes, size_t took)
{
	struct bl_batch_header h;
	const uint8_t *body;
	size_t len;

	assert_int_equal(bl_batch_header_decode(msg, bytes, &h, &body, &len, NULL), BL_OK);
	assert_true(h.seq < SEQS_MAX);
	w->got[h.stream - 1][h.seq] = true;
	w->came[h.stream] += took;
	w->owes_receipt = true;
	if (h.stream == BL_STREAM_EVENTS && h.n_events > 0 && h.event_begin_ms > w->up_boot_ms &&
	    w->time.boot_ms - h.event_begin_ms > w->lag_ms)
		w->lag_ms = w->time.boot_ms - h.event_begin_ms;
}

/* Who is first in a message pays for it. */
static void
take_first(struct world *w, const void *msg, size_t bytes, size_t took)
{
	struct bl_batch_header h;
	const uint8_t *body;
	size_t len;

	assert_int_equal(bl_batch_header_decode(msg, bytes, &h, &body, &len, NULL), BL_OK);
	if (h.stream == BL_STREAM_HOST)
		w->host_cost[hour_of(w)] += BUDGET_FRAME_BYTES;
	take_batch(w, msg, bytes, took);
}

static void
take_bundle(struct world *w, const struct bl_buf *msg)
{
	static uint8_t room[BL_BATCH_WIRE_MAX];
	size_t all = 0, took, left = msg->len;
	struct bl_bundle b;

	assert_int_equal(bl_bundle_decode(msg->data, msg->len, &b, room, NULL), BL_OK);
	for (unsigned i = 0; i < b.n; i++)
		all += b.batch[i].len;
	/* The first one has what the message is longer; of a shorter one each has its part. */
	took = msg->len < all ? msg->len : all;
	for (unsigned i = 1; i < b.n; i++) {
		const size_t part = b.batch[i].len * took / all;

		take_batch(w, b.batch[i].msg, b.batch[i].len, part);
		left -= part;
	}
	take_first(w, b.batch[0].msg, b.batch[0].len, left);
	w->bundles += !b.packed;
	w->packs += b.packed;
}

static void
take_map(struct world *w, const struct bl_buf *msg, int type)
{
	struct bl_dict_reader dict;
	struct bl_clockmap_reader clock;
	struct bl_buf raw;

	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	if (type == BL_MSG_DICT && bl_dict_decode(msg->data, msg->len, &dict, &raw, NULL) == BL_OK)
		w->dict = dict.first + dict.n - 1;
	if (type == BL_MSG_CLOCK && bl_clockmap_decode(msg->data, msg->len, &clock, NULL) == BL_OK)
		w->clock = clock.first + clock.n - 1;
	bl_buf_free(&raw);
	w->owes_receipt = true;
}

static int
publish(void *ctx, enum bl_topic_kind kind, const struct bl_buf *msg, uint64_t token)
{
	struct world *w = ctx;
	const int type = bl_msg_type(msg->data, msg->len);
	struct bl_hello h;

	(void)kind;
	if (!w->up)
		return BL_ENET;
	if (w->n_acks == 64)
		return BL_EBUSY;
	carry(w, msg->len + msg->len / 16 + EXTRA_BYTES);
	if (type == BL_MSG_HELLO && bl_hello_decode(msg->data, msg->len, &h, NULL) == BL_OK) {
		w->spool = h.spool;
		w->nonce = h.nonce;
		w->owes_answer = true;
	} else if (type == BL_MSG_BATCH) {
		take_first(w, msg->data, msg->len, msg->len);
	} else if (type == BL_MSG_BUNDLE || type == BL_MSG_PACK) {
		take_bundle(w, msg);
	} else {
		w->came[0] += msg->len;
		take_map(w, msg, type);
	}
	w->ack[w->n_acks++] = token;
	return BL_OK;
}

static void
say_receipt(struct world *w, bool answer)
{
	struct bl_receipt r = { .is_answer = answer,
		.nonce = w->nonce,
		.spool = w->spool,
		.epoch = { { 5 } },
		.server_unix_ms = w->time.unix_ms,
		.credit_bytes_per_s = 1 << 20,
		.dict_version = w->dict,
		.clock_version = w->clock,
		.takes = answer ? BL_MSG_PACK : 0 };
	struct bl_err err = { 0 };
	struct bl_buf b;

	for (unsigned i = 0; i < BL_STREAMS; i++) {
		uint64_t seq = 1;

		while (w->got[i][seq])
			seq++;
		r.stream[i].contiguous = seq - 1;
		for (uint64_t at = SEQS_MAX - 1; at > seq; at--)
			if (w->got[i][at] && !bl_ranges_add(&r.stream[i].beyond, at, at))
				break;
	}
	bl_buf_init(&b, 65536);
	assert_int_equal(bl_receipt_encode(&r, &b), BL_OK);
	carry(w, RECEIPT_TOOK);
	assert_int_equal(delivery_receipt(w->d, b.data, b.len, &err), BL_OK);
	bl_buf_free(&b);
}

/* Everything that can happen at this instant. */
static void
settle(struct world *w)
{
	bool busy = true;

	for (int i = 0; i < 1000 && busy; i++) {
		(void)spool_thread_turn(w->t);
		spool_thread_dispatch(w->t);
		busy =
		    w->n_acks > 0 || w->owes_answer || w->owes_receipt || !spool_thread_idle(w->t);
		while (w->n_acks > 0)
			delivery_published(w->d, w->ack[--w->n_acks], 0);
		if (w->owes_answer || w->owes_receipt) {
			const bool answer = w->owes_answer;

			w->owes_answer = w->owes_receipt = false;
			say_receipt(w, answer);
		}
		delivery_tick(w->d);
	}
	assert_false(busy);
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

/* ---- the machine ---- */

static void
step(struct world *w, unsigned n)
{
	struct spool_thread_sample s[HOST_SERIES];
	const struct bl_event ev = { .type = { "step.event", 10 } };

	kit_pass(&w->time, STEP_MS);
	for (int i = 0; i < HOST_SERIES; i++)
		s[i] = (struct spool_thread_sample){ w->host[i], BL_KNOWN,
			(double)kit_random(&w->time, UINT64_C(1) << 40) / 3.0 };
	assert_int_equal(
	    spool_thread_append(w->t, BL_STREAM_HOST, w->time.boot_ms, s, HOST_SERIES), BL_OK);
	s[0].handle = w->probe;
	assert_int_equal(spool_thread_append(w->t, BL_STREAM_PROBES, w->time.boot_ms, s, 1), BL_OK);
	if (n % 6 == 3)
		assert_int_equal(spool_thread_event(w->t, &ev, 0), BL_OK);
	assert_int_equal(spool_thread_commit(w->t, w->time.boot_ms), BL_OK);
	if (w->up) {
		struct uplink_room ignored;

		carry(w, PING_TOOK);
		room(w, 0, &ignored); /* as the agent does with each tick */
		w->held_hours += (w->held & 4) != 0 && w->time.unix_ms % HOUR_MS == 0;
	}
	settle(w);
}

static void
hours(struct world *w, unsigned n)
{
	for (unsigned i = 0; i < n * HOUR_MS / STEP_MS; i++)
		step(w, i);
}

static int32_t
declare(struct world *w, enum bl_stream stream, const char *name, int number)
{
	char label[16];
	struct bl_series_def def = { .stream = stream,
		.kind = BL_GAUGE,
		.interval_ms = STEP_MS,
		.name = { name, strlen(name) },
		.unit = { "1", 1 },
		.n_labels = 1 };
	int32_t handle;

	(void)snprintf(label, sizeof(label), "%d", number);
	def.label[0] = (struct bl_label){ { "n", 1 }, { label, strlen(label) } };
	handle = spool_thread_series(w->t, &def);
	assert_true(handle >= 0);
	return handle;
}

static void
begin(struct world *w)
{
	struct spool_thread_opts opts = { .spool = { .device = "till-1",
					      .max_bytes = 64 << 20,
					      .keep_receipted_ms = HOUR_MS,
					      .software = "0.1.0" } };
	const struct delivery_out out = { .ctx = w,
		.publish = publish,
		.drop = on_drop,
		.time = on_time,
		.hello = on_hello,
		.answered = on_answered,
		.sent = on_sent };
	const struct spool_calls none = { 0 };
	struct spool_calls calls;
	struct bl_err err = { 0 };
	int opened;

	kit_clock_init(&w->time, 7);
	w->time.unix_ms -= w->time.unix_ms % HOUR_MS;
	w->begin_unix_ms = w->time.unix_ms;
	folder_make(w->dir, "metered");
	(void)snprintf(w->path, sizeof(w->path), "%s/spool.db", w->dir);
	opts.spool.path = w->path;
	opts.spool.clock = &w->time.clock;
	opts.spool.boot = bl_id_random(&w->time.clock);
	assert_int_equal(delivery_create(&w->d, &w->time.clock, 3, &out, &err), BL_OK);
	delivery_calls(w->d, &none, &calls);
	assert_int_equal(spool_thread_open(&w->t, &opts, &calls, &opened, &err), BL_OK);
	delivery_spool(w->d, w->t);
	for (int i = 0; i < HOST_SERIES; i++)
		w->host[i] = declare(w, BL_STREAM_HOST, "noise", i);
	w->probe = declare(w, BL_STREAM_PROBES, "probe_ms", 0);
}

static void
end(struct world *w)
{
	spool_thread_stop(w->t);
	delivery_free(w->d);
	bl_tz_free(w->tz);
	folder_remove(w->dir);
}

static void
link_up(struct world *w, const struct budget_conf *conf)
{
	const struct bl_id boot = { { 1 } };
	const struct budget_now now = now_of(w);

	budget_init(&w->budget, conf, &boot, &now);
	delivery_meter(w->d, room, charge, w);
	w->up = true;
	w->up_boot_ms = w->time.boot_ms;
	delivery_up(w->d, 0);
	settle(w);
}

static unsigned
missing(const struct world *w, enum bl_stream stream)
{
	const bool *got = w->got[stream - 1];
	unsigned last = SEQS_MAX - 1, n = 0;

	while (last > 0 && !got[last])
		last--;
	for (unsigned seq = 1; seq <= last; seq++)
		n += !got[seq];
	assert_true(last > 0);
	return n;
}

static void
no_hour_carries_more_than_its_budget_and_nothing_is_lost(void **state)
{
	static struct world w;
	struct budget_conf conf = {
		.bytes_per_hour = ALL_BYTES, .window_ms = HOUR_MS, .keepalive_ms = 30000
	};

	(void)state;
	begin(&w);
	w.tz = bl_tz_utc();
	conf.tz = w.tz;
	conf.class[BL_STREAM_HOST - 1].bytes_per_hour = HOST_BYTES;
	hours(&w, OFF_HOURS);
	link_up(&w, &conf);
	hours(&w, ON_HOURS);
	for (unsigned h = OFF_HOURS; h < OFF_HOURS + ON_HOURS; h++) {
		print_message("hour %u: %llu of %d bytes, host %llu of %d\n", h,
		    (unsigned long long)w.carried[h], ALL_BYTES, (unsigned long long)w.host_cost[h],
		    HOST_BYTES);
		assert_true(w.carried[h] <= ALL_BYTES);
		assert_true(w.host_cost[h] <= HOST_BYTES);
		/* And the budget is used: there is a backlog all the time. */
		assert_true(w.host_cost[h] > HOST_BYTES / 2);
	}
	assert_true(w.bundles > 0 && w.packs > 0);
	for (unsigned i = 0; i <= BL_STREAMS; i++)
		assert_int_equal(w.told[i], w.came[i]);
	/* Events are not behind what is held. */
	assert_in_range(w.lag_ms, 1, 20000);
	assert_int_equal(missing(&w, BL_STREAM_EVENTS), 0);

	/* The limits fall: all that was held back comes. */
	delivery_meter(w.d, NULL, NULL, NULL);
	(void)spool_thread_hold(w.t, 0);
	hours(&w, 1);
	for (unsigned i = 1; i <= BL_STREAMS; i++)
		assert_int_equal(missing(&w, (enum bl_stream)i), 0);
	end(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_hour_carries_more_than_its_budget_and_nothing_is_lost),
	};

	bl_log_level_set(BL_LOG_ERROR);
	return cmocka_run_group_tests_name("a metered day", tests, NULL, NULL);
}
