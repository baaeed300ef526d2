/*
 * Kill -9 of the collector's writer, again and again, in the middle of whatever
 * it does: nothing that was receipted is lost, nothing is stored twice, and
 * every value is the oracle's f(series, n).
 *
 * The child is a collector and an agent in one: it begins where the store says
 * it is, feeds batches out of order and some twice, and tells through a pipe
 * each receipt that goes out.  The parent kills it at a random moment, or it
 * dies by itself at the nth hit of a named place.
 */
#include <math.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "branchline/fault.h"
#include "branchline/log.h"
#include "branchline/topic.h"

#include "folder.h"
#include "ingest_core.h"
#include "store.h"
#include "store_fixture.h"
#include "store_read.h"

#define KILLS    40
#define ROUNDS   400 /* a child that has not died by then never will */
#define MINUTE   60000
#define INTERVAL 10000
#define SERIES   3
#define OFFSET   1700000000000

struct child {
	struct fixture_clock clock;
	struct store *s;
	struct ingest_core *core;
	struct bl_buf msg;
	int pipe_fd;
	uint64_t random;
};

static int
lookup(void *ctx, const char *device, struct ingest_device *out, struct bl_err *err)
{
	(void)ctx;
	(void)device;
	(void)err;
	out->part = 7;
	out->retired = false;
	return 1;
}

static bool
publish(void *ctx, const char *topic, const void *payload, size_t len, bool retained)
{
	const struct child *c = ctx;
	struct bl_receipt r;
	struct bl_err err = { 0 };

	(void)topic;
	(void)retained;
	if (bl_receipt_decode(payload, len, &r, &err) == BL_OK)
		(void)!write(c->pipe_fd, &r.stream[2].contiguous, sizeof(uint64_t));
	return true;
}

static uint64_t
next_random(struct child *c)
{
	c->random = c->random * 6364136223846793005u + 1442695040888963407u;
	return c->random >> 33;
}

static void
make(struct child *c, uint64_t seq)
{
	const struct fixture_batch b = { .spool = fixture_id(0x11),
		.boot = fixture_id(0xb0),
		.stream = BL_STREAM_HOST,
		.seq = seq,
		.begin_ms = (int64_t)(seq - 1) * MINUTE,
		.end_ms = (int64_t)seq * MINUTE,
		.interval_ms = INTERVAL,
		.n_series = SERIES };
	struct bl_batch_header h;

	fixture_encode(&b, &c->msg, &h);
}

static void
take_past(struct child *c, const struct bl_buf *msg)
{
	const struct ingest_msg m = { "bl/1/up/07/kiosk-1/past", msg->data, msg->len, false };
	struct bl_err err = { 0 };

	if (ingest_core_take(c->core, &m, &err) < 0)
		_exit(3);
}

static void
feed(struct child *c, uint64_t seq)
{
	make(c, seq);
	take_past(c, &c->msg);
}

/* Three in one message, of those around seq. */
static void
feed_bundle(struct child *c, uint64_t seq)
{
	struct bl_bundle b = { .n = 3, .packed = seq % 2 == 0 };
	struct bl_buf part[3], msg;

	for (unsigned i = 0; i < b.n; i++) {
		make(c, seq + next_random(c) % 8);
		bl_buf_init(&part[i], BL_BATCH_WIRE_MAX);
		bl_buf_bytes(&part[i], c->msg.data, c->msg.len);
		b.batch[i] = (struct bl_bundle_batch){ part[i].data, part[i].len };
	}
	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	if (bl_bundle_encode(&b, &msg) < 0)
		_exit(3);
	take_past(c, &msg);
	bl_buf_free(&msg);
	for (unsigned i = 0; i < b.n; i++)
		bl_buf_free(&part[i]);
}

static void
feed_maps(struct child *c)
{
	const struct bl_id spool = fixture_id(0x11);
	const struct bl_clock_segment seg = {
		.id = 1, .boot = fixture_id(0xb0), .offset_ms = OFFSET, .source = BL_CLOCK_NTP
	};
	struct ingest_msg m = { "bl/1/up/07/kiosk-1/live", NULL, 0, false };
	struct bl_series_def def[SERIES];
	char name[SERIES][16], value[SERIES][16];
	struct bl_err err = { 0 };
	uint32_t encoded;

	for (uint32_t i = 0; i < SERIES; i++)
		fixture_series(&def[i], name[i], value[i], i + 1, BL_STREAM_HOST);
	bl_buf_reset(&c->msg);
	(void)bl_dict_encode(&spool, def, SERIES, &c->msg, &encoded, &err);
	m.payload = c->msg.data;
	m.len = c->msg.len;
	if (ingest_core_take(c->core, &m, &err) < 0)
		_exit(3);
	bl_buf_reset(&c->msg);
	(void)bl_clockmap_encode(&spool, &seg, 1, &c->msg, &encoded, &err);
	m.payload = c->msg.data;
	m.len = c->msg.len;
	if (ingest_core_take(c->core, &m, &err) < 0)
		_exit(3);
}

/* As an agent does that was connected anew: answered after the commit. */
static void
feed_hello(struct child *c, uint64_t next)
{
	struct bl_hello h = { .nonce = 77, .spool = fixture_id(0x11), .boot = fixture_id(0xb0) };
	struct ingest_msg m = { "bl/1/up/07/kiosk-1/hello", NULL, 0, false };
	struct bl_err err = { 0 };

	(void)snprintf(h.device, sizeof(h.device), "kiosk-1");
	(void)snprintf(h.software, sizeof(h.software), "0.1.0");
	for (int i = 0; i < BL_STREAMS; i++)
		h.stream[i].next_seq = h.stream[i].lowest_held = 1;
	h.stream[2].next_seq = next + 8;
	if (!bl_ranges_add(&h.stream[2].held, 1, next + 7))
		_exit(3);
	bl_buf_reset(&c->msg);
	(void)bl_hello_encode(&h, &c->msg);
	m.payload = c->msg.data;
	m.len = c->msg.len;
	if (ingest_core_take(c->core, &m, &err) < 0)
		_exit(3);
}

static uint64_t
contiguous(struct child *c)
{
	struct bl_receipt r = { 0 };
	struct store_spool *sp;
	struct bl_err err = { 0 };
	const struct bl_id spool = fixture_id(0x11);

	if (store_spool_known(c->s, &spool, "kiosk-1", &sp, &err) != STORE_SPOOL_OK)
		return 0;
	store_receipt(c->s, sp, &r);
	return r.stream[2].contiguous;
}

/* One transaction of the writer, and what follows it. */
static void
round_of(struct child *c)
{
	const uint64_t next = contiguous(c) + 1;
	struct bl_err err = { 0 };

	if (ingest_core_begin(c->core, &err) < 0)
		_exit(6);
	feed_hello(c, next);
	feed_maps(c);
	/* Out of order, some twice, some known already. */
	for (int i = 0; i < 3; i++)
		feed(c, next + next_random(c) % 8);
	feed_bundle(c, next);
	if (next > 3)
		feed(c, next - 2);
	feed(c, next);
	if (ingest_core_commit(c->core, &err) < 0)
		_exit(7);
	/* The answer to the hello at once; the receipt a second later. */
	(void)ingest_core_due(c->core);
	if (ingest_core_begin(c->core, &err) < 0)
		_exit(6);
	feed(c, next + next_random(c) % 8);
	if (ingest_core_commit(c->core, &err) < 0)
		_exit(7);
	c->clock.mono_ms += 1000;
	c->clock.unix_ms += 1000;
	(void)ingest_core_due(c->core);
}

/* Runs until it is killed, or dies at the nth hit of place (NULL: nowhere). */
static void
run_child(const char *path, const char *marker, int pipe_fd, uint64_t seed, const char *place,
    unsigned nth)
{
	struct child c = { .pipe_fd = pipe_fd, .random = seed };
	struct store_opts opts = { .path = path, .clock = &c.clock.clock };
	struct ingest_core_opts core = { .clock = &c.clock.clock,
		.lookup = lookup,
		.publish = publish,
		.publish_ctx = &c,
		.marker_path = marker };
	struct bl_err err = { 0 };

	fixture_clock_init(&c.clock);
	bl_buf_init(&c.msg, 1 << 20);
	if (store_open(&c.s, &opts, &err) < 0)
		_exit(4);
	core.store = c.s;
	if (ingest_core_create(&c.core, &core, &err) < 0)
		_exit(5);
	if (place != NULL && !bl_fault_arm_action(place, nth, BL_FAULT_KILL))
		_exit(8);
	for (unsigned i = 0; place == NULL || i < ROUNDS; i++)
		round_of(&c);
	_exit(9);
}

/* The highest seq up to which a receipt that went out settles. */
static uint64_t
run_and_kill(const char *path, const char *marker, uint64_t seed, const char *place, unsigned nth)
{
	const struct timespec wait = { 0, (long)(2000000 + seed * 7919 % 30000000) };
	uint64_t told = 0, n;
	int fds[2], status;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)close(fds[0]);
		run_child(path, marker, fds[1], seed, place, nth);
		_exit(1);
	}
	(void)close(fds[1]);
	if (place == NULL) {
		/*
		 * The moment of the kill is what varies; what is checked does not depend on it.
		 * Three of four children have told of something before, however slow the machine.
		 */
		if (seed % 4 != 0)
			(void)poll(&(struct pollfd){ .fd = fds[0], .events = POLLIN }, 1, 120000);
		(void)nanosleep(&wait, NULL);
		assert_int_equal(kill(pid, SIGKILL), 0);
	}
	while (read(fds[0], &n, sizeof(n)) == (ssize_t)sizeof(n))
		told = n > told ? n : told;
	(void)close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		fail_msg("%s: the child ended by itself: %x", place != NULL ? place : "-",
		    (unsigned)status);
	return told;
}

struct found {
	int64_t id[SERIES];
	int n;
};

static bool
see_series(void *ctx, const struct store_series *s)
{
	struct found *f = ctx;

	if (f->n < SERIES)
		f->id[f->n++] = s->id;
	return true;
}

/* Every sample of 1..last exactly once, with its value. */
static void
check_values(const char *path, const struct bl_clock *clock, uint64_t last)
{
	struct store_read *r;
	struct found f = { 0 };
	struct bl_err err = { 0 };
	const uint64_t total = last * MINUTE / INTERVAL;

	assert_int_equal(store_read_open(&r, path, clock, &err), BL_OK);
	assert_int_equal(store_read_series(r, "kiosk-1", see_series, &f, &err), BL_OK);
	assert_int_equal(f.n, SERIES);
	for (uint64_t at = 0; at < total; at += 5000) {
		const uint64_t n = total - at < 5000 ? total - at : 5000;
		const struct store_query q = { .series = f.id,
			.n_series = SERIES,
			.from_unix_ms = OFFSET + (int64_t)at * INTERVAL,
			.to_unix_ms = OFFSET + (int64_t)(at + n) * INTERVAL,
			.step_ms = INTERVAL,
			.deadline_ms = 60000 };
		struct store_query_result *res;

		assert_int_equal(store_read_query(r, &q, &res, &err), BL_OK);
		for (uint32_t k = 0; k < SERIES; k++)
			for (uint64_t i = 0; i < n; i++) {
				assert_int_equal(res->series[k].n[i], 1);
				assert_true(fabs(res->series[k].mean[i] -
						 fixture_value(k + 1, at + i)) < 1e-9);
			}
		store_query_free(res);
	}
	store_read_close(r);
}

struct files {
	char *folder;
	char path[600], marker[600];
	struct fixture_clock clock;
};

static int
setup(void **state)
{
	struct files *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	fixture_clock_init(&f->clock);
	f->folder = fixture_folder();
	(void)snprintf(f->path, sizeof(f->path), "%s/telemetry.db", f->folder);
	(void)snprintf(f->marker, sizeof(f->marker), "%s/marker", f->folder);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct files *f = *state;

	fixture_folder_remove(f->folder);
	free(f);
	return 0;
}

/* What the store itself says after a death: 1..n are there, none of them set aside. */
static uint64_t
reopened(struct files *f)
{
	struct child c = { .random = 0 };
	struct store_opts opts = { .path = f->path, .clock = &f->clock.clock };
	const struct bl_id spool = fixture_id(0x11);
	struct bl_receipt r = { 0 };
	struct store_spool *sp;
	struct bl_err err = { 0 };

	if (store_open(&c.s, &opts, &err) < 0)
		fail_msg("%s", err.msg);
	if (store_spool_known(c.s, &spool, "kiosk-1", &sp, &err) == STORE_SPOOL_OK)
		store_receipt(c.s, sp, &r);
	store_close(c.s);
	assert_int_equal(r.stream[2].aside.n, 0);
	return r.stream[2].contiguous;
}

static void
nothing_receipted_is_lost_and_nothing_is_stored_twice(void **state)
{
	struct files *f = *state;
	uint64_t told = 0, have = 0;

	for (uint64_t i = 1; i <= KILLS; i++) {
		const uint64_t n = run_and_kill(f->path, f->marker, i * 1000003, NULL, 0);

		told = n > told ? n : told;
		have = reopened(f);
		assert_true(have >= told);
	}
	/* The test is worth something only when the child came to do something. */
	assert_true(told > 20);
	check_values(f->path, &f->clock.clock, have);
}

/* In the order in which the writer passes them; collector/src/ingest/README.md explains each. */
static const char *const places[] = {
	"ingest.begin",
	"ingest.begun",
	"ingest.admitted",
	"ingest.dict",
	"ingest.decoded",
	"ingest.put",
	"ingest.bundled",
	"ingest.taken",
	"store.commit",
	"store.committed",
	"store.marked",
	"ingest.committed",
	"ingest.answer",
	"ingest.receipt",
	"ingest.published",
};
#define PLACES (sizeof(places) / sizeof(places[0]))

static void
dying_at_any_place_between_commit_and_receipt_loses_and_doubles_nothing(void **state)
{
	const unsigned times = rounds(20, 200);
	struct files *f = *state;

	for (size_t p = 0; p < PLACES; p++) {
		uint64_t told = 0, have = 0;

		for (unsigned nth = 1; nth <= times; nth++) {
			const uint64_t n =
			    run_and_kill(f->path, f->marker, p * 1000003 + nth, places[p], nth);

			told = n > told ? n : told;
			have = reopened(f);
			if (have < told)
				fail_msg("%s, hit %u: %llu were receipted, %llu are there",
				    places[p], nth, (unsigned long long)told,
				    (unsigned long long)have);
		}
		assert_true(told > 0);
		check_values(f->path, &f->clock.clock, have);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    nothing_receipted_is_lost_and_nothing_is_stored_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    dying_at_any_place_between_commit_and_receipt_loses_and_doubles_nothing, setup,
		    teardown),
	};

	bl_log_level_set(BL_LOG_ERROR);
	return cmocka_run_group_tests_name("ingest crash", tests, NULL, NULL);
}
