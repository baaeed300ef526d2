#include "ingest_kit.h"

void
must(int rc, const struct bl_err *err)
{
	if (rc < 0)
		fail_msg("%s (%d)", err->msg, rc);
}

int
lookup(void *ctx, const char *device, struct ingest_device *out, struct bl_err *err)
{
	const struct ctx *c = ctx;

	if (c->lookup_fails)
		return bl_fail(err, BL_EIO, "the table is away");
	out->part = c->part;
	out->retired = false;
	if (strcmp(device, "old-1") == 0)
		out->retired = true;
	return strcmp(device, "kiosk-1") == 0 || strcmp(device, "kiosk-2") == 0 ||
		       strcmp(device, "old-1") == 0 ||
		       (c->added != NULL && strcmp(device, c->added) == 0)
		   ? 1
		   : 0;
}

bool
publish(void *ctx, const char *topic, const void *payload, size_t len, bool retained)
{
	struct ctx *c = ctx;
	struct sent *s;

	if (c->link_full)
		return false;
	assert_true(c->n_sent < 64);
	assert_true(len <= sizeof(s->payload));
	/* Nothing is said while something is not committed. */
	assert_false(store_in_transaction(c->s));
	s = &c->sent[c->n_sent++];
	(void)snprintf(s->topic, sizeof(s->topic), "%s", topic);
	memcpy(s->payload, payload, len);
	s->len = len;
	s->retained = retained;
	return true;
}

void
start_core(struct ctx *c)
{
	const struct ingest_core_opts opts = { .store = c->s,
		.clock = &c->clock.clock,
		.lookup = lookup,
		.lookup_ctx = c,
		.publish = publish,
		.publish_ctx = c,
		.credit_bytes_per_s = 1000000,
		.marker_path = c->marker };
	struct bl_err err = { 0 };

	must(ingest_core_create(&c->core, &opts, &err), &err);
}

int
setup(void **state)
{
	struct ctx *c = calloc(1, sizeof(*c));
	struct store_opts opts = { .clock = &c->clock.clock };
	struct bl_err err = { 0 };

	c->folder = fixture_folder();
	(void)snprintf(c->path, sizeof(c->path), "%s/telemetry.db", c->folder);
	(void)snprintf(c->marker, sizeof(c->marker), "%s/marker", c->folder);
	fixture_clock_init(&c->clock);
	c->part = PART;
	c->spool = fixture_id(0x11);
	c->boot = fixture_id(0xb0);
	opts.path = c->path;
	must(store_open(&c->s, &opts, &err), &err);
	must(store_read_open(&c->r, c->path, &c->clock.clock, &err), &err);
	bl_buf_init(&c->msg, 1 << 20);
	start_core(c);
	*state = c;
	return 0;
}

int
teardown(void **state)
{
	struct ctx *c = *state;

	ingest_core_free(c->core);
	store_read_close(c->r);
	store_close(c->s);
	bl_buf_free(&c->msg);
	fixture_folder_remove(c->folder);
	free(c);
	return 0;
}

void
take(struct ctx *c, const char *topic, const void *payload, size_t len, bool retained)
{
	/* A copy of exact size, so that the sanitizer sees a read beyond the end. */
	uint8_t *copy = malloc(len > 0 ? len : 1);
	const struct ingest_msg m = { topic, copy, len, retained };
	struct bl_err err = { 0 };

	if (len > 0)
		memcpy(copy, payload, len);
	must(ingest_core_begin(c->core, &err), &err);
	must(ingest_core_take(c->core, &m, &err), &err);
	must(ingest_core_commit(c->core, &err), &err);
	free(copy);
}

const char *
topic_of(enum bl_topic_kind kind, const char *device)
{
	static char topic[BL_TOPIC_MAX];

	assert_true(bl_topic_format(topic, sizeof(topic), kind, PART, device));
	return topic;
}

struct store_totals
totals(struct ctx *c)
{
	struct store_totals t;
	struct bl_err err = { 0 };

	must(store_read_totals(c->r, &t, &err), &err);
	return t;
}

void
make_batch(struct ctx *c, uint64_t seq)
{
	const struct fixture_batch b = { .spool = c->spool,
		.boot = c->boot,
		.stream = BL_STREAM_HOST,
		.seq = seq,
		.begin_ms = (int64_t)(seq - 1) * MINUTE,
		.end_ms = (int64_t)seq * MINUTE,
		.interval_ms = 10000,
		.n_series = 2 };
	struct bl_batch_header h;

	fixture_encode(&b, &c->msg, &h);
}

void
take_batch(struct ctx *c, uint64_t seq)
{
	make_batch(c, seq);
	take(c, topic_of(BL_TOPIC_LIVE, "kiosk-1"), c->msg.data, c->msg.len, false);
}

struct bl_hello
hello(const struct ctx *c, const char *device, uint64_t next)
{
	struct bl_hello h = { .nonce = 77, .spool = c->spool, .boot = c->boot };

	(void)snprintf(h.device, sizeof(h.device), "%s", device);
	(void)snprintf(h.software, sizeof(h.software), "0.1.0");
	for (int i = 0; i < BL_STREAMS; i++)
		h.stream[i].next_seq = h.stream[i].lowest_held = 1;
	h.stream[2].next_seq = next;
	if (next > 1)
		(void)bl_ranges_add(&h.stream[2].held, 1, next - 1);
	return h;
}

void
take_hello(struct ctx *c, const char *topic_device, const struct bl_hello *h)
{
	bl_buf_reset(&c->msg);
	assert_int_equal(bl_hello_encode(h, &c->msg), BL_OK);
	take(c, topic_of(BL_TOPIC_HELLO, topic_device), c->msg.data, c->msg.len, false);
}

void
make_dict(struct ctx *c, uint32_t first, uint32_t n)
{
	struct bl_series_def def[8];
	char name[8][16], value[8][16];
	struct bl_err err = { 0 };
	uint32_t encoded;

	for (uint32_t i = 0; i < n; i++)
		fixture_series(&def[i], name[i], value[i], first + i, BL_STREAM_HOST);
	bl_buf_reset(&c->msg);
	must(bl_dict_encode(&c->spool, def, n, &c->msg, &encoded, &err), &err);
	assert_int_equal(encoded, n);
}

void
make_clock(struct ctx *c, uint32_t id)
{
	const struct bl_clock_segment seg = {
		.id = id, .boot = c->boot, .offset_ms = 1700000000000, .source = BL_CLOCK_NTP
	};
	struct bl_err err = { 0 };
	uint32_t encoded;

	bl_buf_reset(&c->msg);
	must(bl_clockmap_encode(&c->spool, &seg, 1, &c->msg, &encoded, &err), &err);
}

struct bl_receipt
last_receipt(const struct ctx *c, const char *device)
{
	const struct sent *s = &c->sent[c->n_sent - 1];
	struct bl_receipt r;
	struct bl_err err = { 0 };
	char topic[BL_TOPIC_MAX];

	assert_true(c->n_sent > 0);
	assert_true(bl_topic_format(topic, sizeof(topic), BL_TOPIC_RECEIPT, 0, device));
	assert_string_equal(s->topic, topic);
	assert_false(s->retained);
	must(bl_receipt_decode(s->payload, s->len, &r, &err), &err);
	return r;
}

struct bl_question
last_question(const struct ctx *c)
{
	const struct sent *s = &c->sent[c->n_sent - 1];
	struct bl_question q;
	struct bl_err err = { 0 };

	assert_true(c->n_sent > 0);
	must(bl_question_decode(s->payload, s->len, &q, &err), &err);
	return q;
}

void
pass(struct ctx *c, int64_t ms)
{
	c->clock.mono_ms += ms;
	c->clock.unix_ms += ms;
	(void)ingest_core_due(c->core);
}

bool
see_aside(void *ctx, const struct store_aside_row *a)
{
	struct aside_seen *s = ctx;

	if (s->n++ == 0)
		(void)snprintf(s->reason, sizeof(s->reason), "%s", a->reason);
	return true;
}

struct aside_seen
aside(struct ctx *c)
{
	struct aside_seen seen = { 0 };
	struct bl_err err = { 0 };

	must(store_read_aside(c->r, NULL, 0, 1000, see_aside, &seen, &err), &err);
	return seen;
}
