/*
 * What ingest promises, with a fake link: whatever comes on whatever topic is
 * taken in once or set aside once; nothing loops; nothing is receipted before
 * it is committed.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <sqlite3.h>

#include "branchline/log.h"
#include "branchline/topic.h"

#include "ingest_core.h"
#include "store.h"
#include "store_fixture.h"
#include "store_read.h"

#define MINUTE 60000
#define PART   7

struct sent {
	char topic[128];
	uint8_t payload[8192];
	size_t len;
	bool retained;
};

struct ctx {
	char *folder;
	char path[600], marker[600];
	struct fixture_clock clock;
	struct store *s;
	struct store_read *r;
	struct ingest_core *core;
	struct sent sent[64];
	size_t n_sent;
	bool link_full, lookup_fails;
	struct bl_buf msg;
	struct bl_id spool, boot;
};

static void
must(int rc, const struct bl_err *err)
{
	if (rc < 0)
		fail_msg("%s (%d)", err->msg, rc);
}

static int
lookup(void *ctx, const char *device, struct ingest_device *out, struct bl_err *err)
{
	const struct ctx *c = ctx;

	if (c->lookup_fails)
		return bl_fail(err, BL_EIO, "the table is away");
	out->part = PART;
	out->retired = false;
	if (strcmp(device, "old-1") == 0)
		out->retired = true;
	return strcmp(device, "kiosk-1") == 0 || strcmp(device, "kiosk-2") == 0 ||
		       strcmp(device, "old-1") == 0
		   ? 1
		   : 0;
}

static bool
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

static void
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

static int
setup(void **state)
{
	struct ctx *c = calloc(1, sizeof(*c));
	struct store_opts opts = { .clock = &c->clock.clock };
	struct bl_err err = { 0 };

	c->folder = fixture_folder();
	(void)snprintf(c->path, sizeof(c->path), "%s/telemetry.db", c->folder);
	(void)snprintf(c->marker, sizeof(c->marker), "%s/marker", c->folder);
	fixture_clock_init(&c->clock);
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

static int
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

static void
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

static const char *
topic_of(enum bl_topic_kind kind, const char *device)
{
	static char topic[BL_TOPIC_MAX];

	assert_true(bl_topic_format(topic, sizeof(topic), kind, PART, device));
	return topic;
}

static struct store_totals
totals(struct ctx *c)
{
	struct store_totals t;
	struct bl_err err = { 0 };

	must(store_read_totals(c->r, &t, &err), &err);
	return t;
}

static void
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

static void
take_batch(struct ctx *c, uint64_t seq)
{
	make_batch(c, seq);
	take(c, topic_of(BL_TOPIC_LIVE, "kiosk-1"), c->msg.data, c->msg.len, false);
}

static struct bl_hello
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

static void
take_hello(struct ctx *c, const char *topic_device, const struct bl_hello *h)
{
	bl_buf_reset(&c->msg);
	assert_int_equal(bl_hello_encode(h, &c->msg), BL_OK);
	take(c, topic_of(BL_TOPIC_HELLO, topic_device), c->msg.data, c->msg.len, false);
}

static void
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

static void
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

/* What was sent last; fails when nothing was. */
static struct bl_receipt
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

static struct bl_question
last_question(const struct ctx *c)
{
	const struct sent *s = &c->sent[c->n_sent - 1];
	struct bl_question q;
	struct bl_err err = { 0 };

	assert_true(c->n_sent > 0);
	must(bl_question_decode(s->payload, s->len, &q, &err), &err);
	return q;
}

static void
pass(struct ctx *c, int64_t ms)
{
	c->clock.mono_ms += ms;
	c->clock.unix_ms += ms;
	(void)ingest_core_due(c->core);
}

/* ---- bad input ---- */

struct aside_seen {
	int n;
	char reason[32];
};

static bool
see_aside(void *ctx, const struct store_aside_row *a)
{
	struct aside_seen *s = ctx;

	if (s->n++ == 0)
		(void)snprintf(s->reason, sizeof(s->reason), "%s", a->reason);
	return true;
}

static struct aside_seen
aside(struct ctx *c)
{
	struct aside_seen seen = { 0 };
	struct bl_err err = { 0 };

	must(store_read_aside(c->r, NULL, 0, 1000, see_aside, &seen, &err), &err);
	return seen;
}

static void
what_may_not_be_is_set_aside_once_with_its_reason(void **state)
{
	static const struct {
		const char *topic;
		const char *payload;
		bool retained;
		const char *reason;
	} cases[] = {
		{ "bl/1/up/07/kiosk-1/hello", "rubbish", false, "undecodable" },
		{ "bl/1/up/07/kiosk-1/live", "rubbish", false, "undecodable" },
		{ "bl/1/up/07/kiosk-1/past", "rubbish", false, "undecodable" },
		{ "bl/1/up/07/kiosk-1/presence", "rubbish", true, "undecodable" },
		{ "bl/1/up/07/kiosk-1/hello", "", false, "undecodable" },
		{ "bl/1/up/07/kiosk-1/live", "", false, "undecodable" },
		{ "bl/1/up/07/kiosk-1/live", "retained", true, "retained" },
		{ "bl/1/up/07/kiosk-1/past", "retained", true, "retained" },
		{ "bl/1/up/07/kiosk-1/hello", "retained", true, "retained" },
		{ "bl/1/up/08/kiosk-1/live", "part", false, "wrong_part" },
		{ "bl/1/up/08/kiosk-1/hello", "part", false, "wrong_part" },
		{ "bl/1/up/08/kiosk-1/presence", "part", true, "wrong_part" },
		{ "bl/1/up/07/nobody/live", "x", false, "unknown_device" },
		{ "bl/1/up/07/nobody/presence", "x", true, "unknown_device" },
		{ "bl/1/up/07/old-1/live", "x", false, "retired" },
		{ "bl/1/up/xx/kiosk-1/live", "x", false, "not_ours" },
		{ "bl/1/up/07/KIOSK/live", "x", false, "not_ours" },
		{ "bl/1/up/07/kiosk-1/else", "x", false, "not_ours" },
		{ "bl/1/down/kiosk-1/receipt", "x", false, "not_ours" },
		{ "bl/1/centre", "x", true, "not_ours" },
		{ "", "x", false, "not_ours" },
	};
	struct ctx *c = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct aside_seen seen;

		for (int again = 0; again < 3; again++)
			take(c, cases[i].topic, cases[i].payload, strlen(cases[i].payload),
			    cases[i].retained);
		seen = aside(c);
		assert_int_equal(seen.n, i + 1);
		assert_string_equal(seen.reason, cases[i].reason);
		pass(c, 2000);
	}
	assert_int_equal(c->n_sent, 0);
	assert_int_equal(totals(c).batches, 0);
}

static void
a_message_over_the_cap_is_set_aside(void **state)
{
	struct ctx *c = *state;
	uint8_t *big = calloc(1, BL_BATCH_WIRE_MAX + 1);

	take(c, topic_of(BL_TOPIC_LIVE, "kiosk-1"), big, BL_BATCH_WIRE_MAX + 1, false);
	assert_string_equal(aside(c).reason, "oversized");
	free(big);
}

/* Every length of every kind of message, on every topic: no crash, and nothing taken for whole. */
static void
truncated_messages_change_nothing(void **state)
{
	static const enum bl_topic_kind topics[] = { BL_TOPIC_HELLO, BL_TOPIC_LIVE, BL_TOPIC_PAST,
		BL_TOPIC_PRESENCE };
	struct ctx *c = *state;
	const struct bl_presence p = { .online = true, .boot = c->boot, .connections = 1 };
	struct bl_hello h = hello(c, "kiosk-1", 1);

	for (int kind = 0; kind < 5; kind++) {
		uint8_t *whole;
		size_t len;

		bl_buf_reset(&c->msg);
		if (kind == 0)
			assert_int_equal(bl_hello_encode(&h, &c->msg), BL_OK);
		else if (kind == 1)
			make_batch(c, 1);
		else if (kind == 2)
			make_dict(c, 1, 3);
		else if (kind == 3)
			make_clock(c, 1);
		else
			assert_int_equal(bl_presence_encode(&p, &c->msg), BL_OK);
		len = c->msg.len;
		whole = malloc(len);
		memcpy(whole, c->msg.data, len);
		for (size_t n = 0; n < len; n++)
			for (size_t t = 0; t < 4; t++)
				take(c, topic_of(topics[t], "kiosk-1"), whole, n, false);
		free(whole);
	}
	assert_int_equal(totals(c).batches, 0);
	assert_int_equal(totals(c).series, 0);
	assert_true(totals(c).set_aside > 0);
}

static void
a_broken_body_is_receipted_as_set_aside_and_a_whole_one_still_taken(void **state)
{
	struct ctx *c = *state;
	struct bl_receipt r;

	make_batch(c, 1);
	c->msg.data[c->msg.len - 3] ^= 0x55;
	take(c, topic_of(BL_TOPIC_LIVE, "kiosk-1"), c->msg.data, c->msg.len, false);
	pass(c, 50);
	r = last_receipt(c, "kiosk-1");
	assert_int_equal(r.stream[2].contiguous, 1);
	assert_int_equal(r.stream[2].aside.n, 1);
	assert_string_equal(aside(c).reason, "undecodable");
	/* It was on its way already. */
	take_batch(c, 1);
	assert_int_equal(totals(c).batches, 1);
	pass(c, 1000);
	assert_int_equal(last_receipt(c, "kiosk-1").stream[2].aside.n, 0);
}

static void
the_same_seq_with_another_content_is_set_aside_and_told(void **state)
{
	struct ctx *c = *state;
	struct fixture_batch b = { .spool = c->spool,
		.boot = c->boot,
		.stream = BL_STREAM_HOST,
		.seq = 1,
		.end_ms = MINUTE,
		.interval_ms = 10000,
		.n_series = 2,
		.twist = 5 };
	struct bl_batch_header h;
	struct bl_receipt r;

	take_batch(c, 1);
	fixture_encode(&b, &c->msg, &h);
	for (int i = 0; i < 3; i++)
		take(c, topic_of(BL_TOPIC_PAST, "kiosk-1"), c->msg.data, c->msg.len, false);
	assert_int_equal(totals(c).batches, 1);
	assert_int_equal(totals(c).conflicts, 1);
	assert_int_equal(aside(c).n, 1);
	assert_string_equal(aside(c).reason, "conflict");
	pass(c, 1000);
	r = last_receipt(c, "kiosk-1");
	assert_int_equal(r.stream[2].aside.n, 1);
	assert_int_equal(r.stream[2].aside.r[0].first, 1);
}

static void
a_spool_of_another_device_is_kept_apart(void **state)
{
	struct ctx *c = *state;
	struct bl_hello h;

	take_batch(c, 1);
	make_batch(c, 2);
	take(c, topic_of(BL_TOPIC_LIVE, "kiosk-2"), c->msg.data, c->msg.len, false);
	assert_int_equal(totals(c).batches, 1);
	assert_string_equal(aside(c).reason, "foreign_identity");
	pass(c, 1000);
	c->n_sent = 0;
	h = hello(c, "kiosk-2", 3);
	take_hello(c, "kiosk-2", &h);
	pass(c, 50);
	assert_int_equal(last_receipt(c, "kiosk-2").verdict, BL_VERDICT_CONFLICT);
	assert_int_equal(last_receipt(c, "kiosk-2").stream[2].contiguous, 0);
	/* The name inside a hello counts for nothing but to be compared. */
	h = hello(c, "kiosk-1", 3);
	take_hello(c, "kiosk-2", &h);
	assert_string_equal(aside(c).reason, "foreign_identity");
}

/* One device that makes up spools must not hold up the others' commits. */
static void
a_device_with_too_many_spools_stops_nobody(void **state)
{
	struct ctx *c = *state;
	const struct store_opts opts = {
		.clock = &c->clock.clock, .path = c->path, .spools_per_device = 2
	};
	struct bl_hello h;
	struct bl_err err = { 0 };

	ingest_core_free(c->core);
	store_close(c->s);
	must(store_open(&c->s, &opts, &err), &err);
	start_core(c);
	for (uint8_t i = 0; i < 4; i++) {
		c->spool = fixture_id((uint8_t)(0x40 + i));
		take_batch(c, 1); /* fails the test when the store is said to have failed */
	}
	assert_int_equal(totals(c).batches, 2);
	assert_int_equal(aside(c).n, 2);
	assert_string_equal(aside(c).reason, "foreign_identity");
	h = hello(c, "kiosk-1", 2);
	take_hello(c, "kiosk-1", &h);
	pass(c, 1000);
	assert_int_equal(last_receipt(c, "kiosk-1").verdict, BL_VERDICT_CONFLICT);
}

static void
a_retired_device_is_told_so(void **state)
{
	struct ctx *c = *state;
	struct bl_hello h = hello(c, "old-1", 1);

	take_hello(c, "old-1", &h);
	pass(c, 50);
	assert_int_equal(last_receipt(c, "old-1").verdict, BL_VERDICT_RETIRED);
	assert_int_equal(last_receipt(c, "old-1").credit_bytes_per_s, 0);
}

/* ---- handshake and receipts ---- */

static void
a_hello_is_answered_at_once_with_what_is_settled(void **state)
{
	struct ctx *c = *state;
	struct bl_hello h = hello(c, "kiosk-1", 6);
	struct bl_receipt r;

	take_batch(c, 1);
	take_batch(c, 2);
	take_hello(c, "kiosk-1", &h);
	pass(c, 50);
	r = last_receipt(c, "kiosk-1");
	assert_true(r.is_answer);
	assert_int_equal(r.nonce, 77);
	assert_int_equal(r.verdict, BL_VERDICT_OK);
	assert_int_equal(r.stream[2].contiguous, 2);
	assert_int_equal(r.credit_bytes_per_s, 1000000);
	assert_memory_equal(r.epoch.b, store_epoch(c->s)->b, BL_ID_BYTES);
	assert_int_equal(r.server_unix_ms, c->clock.unix_ms);
}

static void
receipts_come_once_a_second_and_only_after_the_commit(void **state)
{
	struct ctx *c = *state;
	struct bl_err err = { 0 };
	struct ingest_msg m;

	/* Both maps are known, so that no question comes between. */
	make_dict(c, 1, 2);
	take(c, topic_of(BL_TOPIC_LIVE, "kiosk-1"), c->msg.data, c->msg.len, false);
	make_clock(c, 1);
	take(c, topic_of(BL_TOPIC_LIVE, "kiosk-1"), c->msg.data, c->msg.len, false);
	pass(c, 50);
	pass(c, 2000);
	c->n_sent = 0;
	take_batch(c, 1);
	pass(c, 50);
	assert_int_equal(c->n_sent, 1);
	for (uint64_t i = 2; i < 12; i++) {
		take_batch(c, i);
		pass(c, 50);
	}
	assert_int_equal(c->n_sent, 1);
	pass(c, 500);
	assert_int_equal(c->n_sent, 2);
	assert_int_equal(last_receipt(c, "kiosk-1").stream[2].contiguous, 11);
	pass(c, 5000);
	assert_int_equal(c->n_sent, 2); /* nothing new, nothing said */
	/* A rolled back group leaves no receipt. */
	make_batch(c, 12);
	m = (struct ingest_msg){ topic_of(BL_TOPIC_LIVE, "kiosk-1"), c->msg.data, c->msg.len,
		false };
	must(ingest_core_begin(c->core, &err), &err);
	must(ingest_core_take(c->core, &m, &err), &err);
	ingest_core_rollback(c->core);
	pass(c, 5000);
	assert_int_equal(c->n_sent, 2);
	/* A duplicate is receipted: the receipt before may have been lost. */
	take_batch(c, 3);
	pass(c, 50);
	assert_int_equal(c->n_sent, 3);
	assert_int_equal(last_receipt(c, "kiosk-1").stream[2].contiguous, 11);
}

/* The store cannot tell any more what it has of a spool: no receipt, and no waiting for it either.
 */
static void
a_receipt_that_cannot_be_made_is_given_up(void **state)
{
	struct ctx *c = *state;
	const struct store_opts opts = {
		.clock = &c->clock.clock, .path = c->path, .spools_in_memory = 1
	};
	struct bl_err err = { 0 };
	sqlite3 *db;

	ingest_core_free(c->core);
	store_close(c->s);
	must(store_open(&c->s, &opts, &err), &err);
	start_core(c);
	take_batch(c, 1);
	c->spool = fixture_id(0x12);
	take_batch(c, 1); /* the first one is out of memory now */
	assert_int_equal(sqlite3_open(c->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "DELETE FROM spool", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	c->clock.mono_ms += 5000;
	assert_true(ingest_core_due(c->core) > 0);
	c->clock.mono_ms += 5000;
	assert_true(ingest_core_due(c->core) > 0);
}

static void
a_full_way_out_is_tried_again(void **state)
{
	struct ctx *c = *state;

	c->link_full = true;
	take_batch(c, 1);
	pass(c, 50);
	pass(c, 1000);
	assert_int_equal(c->n_sent, 0);
	c->link_full = false;
	pass(c, 100);
	assert_int_equal(c->n_sent, 1);
}

static void
what_is_lost_at_the_centre_is_asked_for_and_named(void **state)
{
	struct ctx *c = *state;
	struct bl_hello h = hello(c, "kiosk-1", 11);
	struct bl_gone g = { .spool = c->spool, .n = 1 };
	struct bl_question q;
	uint64_t n;
	struct bl_err err = { 0 };

	take_batch(c, 1); /* and 2..5 are lost; the agent holds 6..10 */
	h.stream[2].lowest_held = 6;
	h.stream[2].held.n = 0;
	(void)bl_ranges_add(&h.stream[2].held, 6, 10);
	take_hello(c, "kiosk-1", &h);
	pass(c, 50);
	assert_true(c->n_sent >= 2);
	q = last_question(c);
	assert_int_equal(q.need[2].n, 1);
	assert_int_equal(q.need[2].r[0].first, 2);
	assert_int_equal(q.need[2].r[0].last, 5);
	g.gone[0].stream = BL_STREAM_HOST;
	g.gone[0].range = (struct bl_range){ 2, 5 };
	g.gone[0].reason = BL_GAP_LOST_AT_CENTRE;
	bl_buf_reset(&c->msg);
	assert_int_equal(bl_gone_encode(&g, &c->msg), BL_OK);
	for (int i = 0; i < 2; i++)
		take(c, topic_of(BL_TOPIC_HELLO, "kiosk-1"), c->msg.data, c->msg.len, false);
	assert_int_equal(totals(c).gaps, 1);
	must(store_read_unexplained(c->r, "kiosk-1", &n, &err), &err);
	assert_int_equal(n, 0);
	pass(c, 1000);
	assert_int_equal(last_receipt(c, "kiosk-1").stream[2].contiguous, 5);
	c->n_sent = 0;
	pass(c, 60000);
	assert_int_equal(c->n_sent, 0); /* nobody is asked twice */
}

static void
missing_entries_are_asked_for_after_some_patience(void **state)
{
	struct ctx *c = *state;
	struct bl_question q;

	take_batch(c, 1);
	pass(c, 50);
	pass(c, 1000);
	assert_int_equal(c->n_sent, 1); /* the receipt; entries may be on their way */
	pass(c, 1500);
	assert_int_equal(c->n_sent, 2);
	q = last_question(c);
	assert_true(q.need_dict);
	assert_int_equal(q.dict_from, 1);
	assert_true(q.need_clock);
	assert_int_equal(q.clock_from, 1);
	make_dict(c, 1, 2);
	take(c, topic_of(BL_TOPIC_LIVE, "kiosk-1"), c->msg.data, c->msg.len, false);
	make_clock(c, 1);
	take(c, topic_of(BL_TOPIC_LIVE, "kiosk-1"), c->msg.data, c->msg.len, false);
	pass(c, 1000);
	assert_int_equal(last_receipt(c, "kiosk-1").dict_version, 2);
	assert_int_equal(last_receipt(c, "kiosk-1").clock_version, 1);
	assert_int_equal(totals(c).series, 2);
	assert_int_equal(totals(c).unplaced_batches, 0);
	take_batch(c, 2);
	pass(c, 1000);
	c->n_sent = 0;
	pass(c, 60000);
	assert_int_equal(c->n_sent, 0);
	/* Entries that begin too late are asked for from the first missing one. */
	make_dict(c, 5, 2);
	take(c, topic_of(BL_TOPIC_LIVE, "kiosk-1"), c->msg.data, c->msg.len, false);
	pass(c, 20000);
	pass(c, 20000);
	assert_int_equal(last_question(c).dict_from, 3);
}

static void
the_credit_is_shared_by_those_that_catch_up(void **state)
{
	struct ctx *c = *state;

	make_batch(c, 1);
	take(c, topic_of(BL_TOPIC_PAST, "kiosk-1"), c->msg.data, c->msg.len, false);
	c->spool = fixture_id(0x22);
	make_batch(c, 1);
	take(c, topic_of(BL_TOPIC_PAST, "kiosk-2"), c->msg.data, c->msg.len, false);
	pass(c, 50);
	assert_int_equal(last_receipt(c, "kiosk-2").credit_bytes_per_s, 500000);
	pass(c, 20000);
	make_batch(c, 2);
	take(c, topic_of(BL_TOPIC_PAST, "kiosk-2"), c->msg.data, c->msg.len, false);
	pass(c, 50);
	assert_int_equal(last_receipt(c, "kiosk-2").credit_bytes_per_s, 1000000);
}

static void
without_the_device_table_nothing_is_taken_and_nothing_refused(void **state)
{
	struct ctx *c = *state;
	struct ingest_core_stats stats;

	c->lookup_fails = true;
	take_batch(c, 1);
	pass(c, 2000);
	assert_int_equal(c->n_sent, 0);
	assert_int_equal(totals(c).batches, 0);
	assert_int_equal(aside(c).n, 0);
	ingest_core_stats(c->core, &stats);
	assert_int_equal(stats.lookup_failures, 1);
	c->lookup_fails = false;
	take_batch(c, 1);
	assert_int_equal(totals(c).batches, 1);
}

static void
presence_moves_no_data(void **state)
{
	struct ctx *c = *state;
	const struct bl_presence p = { .online = true, .boot = c->boot, .connections = 3 };
	struct store_device d;
	struct bl_err err = { 0 };

	bl_buf_reset(&c->msg);
	assert_int_equal(bl_presence_encode(&p, &c->msg), BL_OK);
	take(c, topic_of(BL_TOPIC_PRESENCE, "kiosk-1"), c->msg.data, c->msg.len, true);
	take(c, topic_of(BL_TOPIC_PRESENCE, "kiosk-1"), NULL, 0, true); /* cleared */
	must(store_read_device(c->r, "kiosk-1", &d, &err), &err);
	assert_int_equal(d.presence, STORE_PRESENCE_ONLINE);
	assert_false(d.has_spool);
	assert_int_equal(aside(c).n, 0);
	pass(c, 5000);
	assert_int_equal(c->n_sent, 0);
	/* A batch on the topic of presence is not taken. */
	make_batch(c, 1);
	take(c, topic_of(BL_TOPIC_PRESENCE, "kiosk-1"), c->msg.data, c->msg.len, false);
	assert_int_equal(totals(c).batches, 0);
}

static void
the_centre_says_who_it_is(void **state)
{
	struct ctx *c = *state;
	struct bl_centre m, again;
	struct bl_err err = { 0 };

	assert_true(ingest_core_centre(c->core));
	assert_string_equal(c->sent[0].topic, "bl/1/centre");
	assert_true(c->sent[0].retained);
	must(bl_centre_decode(c->sent[0].payload, c->sent[0].len, &m, &err), &err);
	assert_memory_equal(m.epoch.b, store_epoch(c->s)->b, BL_ID_BYTES);
	assert_int_equal(m.server_unix_ms, c->clock.unix_ms);
	/* Another run of the collector is another start: agents say hello. */
	ingest_core_free(c->core);
	start_core(c);
	assert_true(ingest_core_centre(c->core));
	must(bl_centre_decode(c->sent[1].payload, c->sent[1].len, &again, &err), &err);
	assert_memory_not_equal(m.start.b, again.start.b, BL_ID_BYTES);
	assert_memory_equal(m.epoch.b, again.epoch.b, BL_ID_BYTES);
}

/* ---- poison ---- */

static bool die_in_decode;

int __real_bl_batch_verify(
    const struct bl_batch_header *h, const void *raw, size_t len, struct bl_err *err);
int __wrap_bl_batch_verify(
    const struct bl_batch_header *h, const void *raw, size_t len, struct bl_err *err);

/* The linker puts this in the decoder's place (--wrap). */
int
__wrap_bl_batch_verify(
    const struct bl_batch_header *h, const void *raw, size_t len, struct bl_err *err)
{
	if (die_in_decode)
		(void)raise(SIGKILL);
	return __real_bl_batch_verify(h, raw, len, err);
}

static void
die_while_decoding(struct ctx *c)
{
	const pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		const struct ingest_msg m = { topic_of(BL_TOPIC_LIVE, "kiosk-1"), c->msg.data,
			c->msg.len, false };
		struct bl_err err = { 0 };

		die_in_decode = true;
		(void)ingest_core_begin(c->core, &err);
		(void)ingest_core_take(c->core, &m, &err);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static void
what_kills_the_decoder_three_times_is_set_aside(void **state)
{
	struct ctx *c = *state;

	make_batch(c, 1);
	for (int i = 0; i < 3; i++) {
		struct ingest_core *old = c->core;

		die_while_decoding(c);
		start_core(c); /* reads what the dead one left */
		ingest_core_free(old);
	}
	take(c, topic_of(BL_TOPIC_LIVE, "kiosk-1"), c->msg.data, c->msg.len, false);
	assert_string_equal(aside(c).reason, "undecodable");
	pass(c, 50);
	assert_int_equal(last_receipt(c, "kiosk-1").stream[2].aside.n, 1);
	/* Others flow. */
	take_batch(c, 2);
	assert_int_equal(totals(c).batches, 1);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_may_not_be_is_set_aside_once_with_its_reason),
		T(a_message_over_the_cap_is_set_aside),
		T(truncated_messages_change_nothing),
		T(a_broken_body_is_receipted_as_set_aside_and_a_whole_one_still_taken),
		T(the_same_seq_with_another_content_is_set_aside_and_told),
		T(a_spool_of_another_device_is_kept_apart),
		T(a_device_with_too_many_spools_stops_nobody),
		T(a_retired_device_is_told_so),
		T(a_hello_is_answered_at_once_with_what_is_settled),
		T(receipts_come_once_a_second_and_only_after_the_commit),
		T(a_receipt_that_cannot_be_made_is_given_up),
		T(a_full_way_out_is_tried_again),
		T(what_is_lost_at_the_centre_is_asked_for_and_named),
		T(missing_entries_are_asked_for_after_some_patience),
		T(the_credit_is_shared_by_those_that_catch_up),
		T(without_the_device_table_nothing_is_taken_and_nothing_refused),
		T(presence_moves_no_data),
		T(the_centre_says_who_it_is),
		T(what_kills_the_decoder_three_times_is_set_aside),
	};

	bl_log_level_set(BL_LOG_ERROR);
	return cmocka_run_group_tests_name("ingest", tests, NULL, NULL);
}
