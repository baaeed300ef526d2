/*
 * What every telemetry store promises: a duplicate is reported, not stored;
 * commit is all or nothing; a store opens again after a crash; the ledger says
 * each thing once; a query's figures are those of the samples.
 */
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "branchline/log.h"

#include "store.h"
#include "store_fixture.h"
#include "store_read.h"

#define OFFSET   1700000000000 /* unix = boot + this, by the clock map that tests use */
#define INTERVAL 10000
#define MINUTE   60000

struct ctx {
	char *folder;
	char path[600];
	struct fixture_clock clock;
	struct store *s;
	struct store_read *r;
	struct bl_id spool, boot;
};

static void
must(int rc, const struct bl_err *err)
{
	if (rc < 0)
		fail_msg("%s (%d)", err->msg, rc);
}

static void
reopen(struct ctx *c, int expect)
{
	const struct store_opts opts = { .path = c->path, .clock = &c->clock.clock };
	struct bl_err err = { 0 };
	int rc;

	store_read_close(c->r);
	c->r = NULL;
	store_close(c->s);
	rc = store_open(&c->s, &opts, &err);
	must(rc, &err);
	assert_int_equal(rc, expect);
	must(store_read_open(&c->r, c->path, &c->clock.clock, &err), &err);
}

static int
setup(void **state)
{
	struct ctx *c = calloc(1, sizeof(*c));

	c->folder = fixture_folder();
	(void)snprintf(c->path, sizeof(c->path), "%s/telemetry.db", c->folder);
	fixture_clock_init(&c->clock);
	c->spool = fixture_id(0x11);
	c->boot = fixture_id(0xb0);
	reopen(c, STORE_CREATED);
	*state = c;
	return 0;
}

static int
teardown(void **state)
{
	struct ctx *c = *state;

	store_read_close(c->r);
	store_close(c->s);
	fixture_folder_remove(c->folder);
	free(c);
	return 0;
}

static void
begin(struct ctx *c)
{
	struct bl_err err = { 0 };

	must(store_begin(c->s, &err), &err);
}

static void
commit(struct ctx *c)
{
	struct bl_err err = { 0 };

	must(store_commit(c->s, &err), &err);
}

static struct store_spool *
spool(struct ctx *c)
{
	struct store_spool *sp;
	struct bl_err err = { 0 };
	int rc = store_spool(c->s, &c->spool, "kiosk-1", &sp, &err);

	must(rc, &err);
	assert_true(rc == STORE_SPOOL_OK || rc == STORE_SPOOL_NEW);
	return sp;
}

/* Inside a transaction. */
static int
put(struct ctx *c, const struct fixture_batch *b)
{
	struct bl_buf msg, raw;
	struct bl_batch_header h;
	struct bl_err err = { 0 };
	const uint8_t *body;
	size_t len;
	int rc;

	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	fixture_encode(b, &msg, &h);
	must(bl_batch_header_decode(msg.data, msg.len, &h, &body, &len, &err), &err);
	must(bl_batch_inflate(&h, body, len, &raw, &err), &err);
	rc = store_batch_put(c->s, spool(c), &h, body, len, raw.data, raw.len, &err);
	bl_buf_free(&msg);
	bl_buf_free(&raw);
	return rc;
}

/* Minute number i (from 0) of the host stream: seq i + 1. */
static struct fixture_batch
minute(const struct ctx *c, uint64_t i)
{
	return (struct fixture_batch){ .spool = c->spool,
		.boot = c->boot,
		.stream = BL_STREAM_HOST,
		.seq = i + 1,
		.begin_ms = (int64_t)i * MINUTE,
		.end_ms = (int64_t)(i + 1) * MINUTE,
		.interval_ms = INTERVAL,
		.n_series = 3 };
}

static int
put_minute(struct ctx *c, uint64_t i)
{
	const struct fixture_batch b = minute(c, i);

	return put(c, &b);
}

static void
put_minutes(struct ctx *c, uint64_t from, uint64_t to)
{
	begin(c);
	for (uint64_t i = from; i < to; i++)
		assert_int_equal(put_minute(c, i), STORE_NEW);
	commit(c);
}

static void
know_clock(struct ctx *c, uint32_t id, int64_t from, int64_t offset)
{
	const struct bl_clock_segment seg = { .id = id,
		.boot = c->boot,
		.from_boot_ms = from,
		.offset_ms = offset,
		.source = BL_CLOCK_NTP };
	struct bl_err err = { 0 };

	begin(c);
	assert_int_equal(store_clock(c->s, spool(c), &seg, &err), STORE_ENTRY_NEW);
	commit(c);
}

static void
know_series(struct ctx *c, uint32_t n)
{
	struct bl_err err = { 0 };

	begin(c);
	for (uint32_t i = 1; i <= n; i++) {
		struct bl_series_def def;
		char name[16], value[16];

		fixture_series(&def, name, value, i, BL_STREAM_HOST);
		must(store_dict(c->s, spool(c), &def, &err), &err);
	}
	commit(c);
}

static struct bl_receipt
receipt(struct ctx *c)
{
	struct bl_receipt r = { 0 };

	store_receipt(c->s, spool(c), &r);
	return r;
}

static struct store_totals
totals(struct ctx *c)
{
	struct store_totals t;
	struct bl_err err = { 0 };

	must(store_read_totals(c->r, &t, &err), &err);
	return t;
}

/* ---- batches ---- */

static void
a_duplicate_is_reported_and_not_stored(void **state)
{
	struct ctx *c = *state;

	put_minutes(c, 0, 2);
	begin(c);
	assert_int_equal(put_minute(c, 0), STORE_DUPLICATE);
	assert_int_equal(put_minute(c, 1), STORE_DUPLICATE);
	assert_int_equal(put_minute(c, 2), STORE_NEW);
	assert_int_equal(put_minute(c, 2), STORE_DUPLICATE); /* within one transaction, too */
	commit(c);
	assert_int_equal(totals(c).batches, 3);
	assert_int_equal(totals(c).samples, 3 * 18);
	assert_int_equal(totals(c).duplicates, 3);
	assert_int_equal(receipt(c).stream[BL_STREAM_HOST - 1].contiguous, 3);
	/* And after opening again. */
	reopen(c, STORE_OPENED);
	begin(c);
	assert_int_equal(put_minute(c, 1), STORE_DUPLICATE);
	commit(c);
	assert_int_equal(totals(c).batches, 3);
}

static void
the_same_seq_with_another_content_is_a_conflict(void **state)
{
	struct ctx *c = *state;
	struct fixture_batch b = minute(c, 0);

	put_minutes(c, 0, 1);
	b.twist = 1;
	begin(c);
	assert_int_equal(put(c, &b), STORE_CONFLICT);
	b = minute(c, 0);
	b.n_series = 0; /* an empty one has the same checksum as any empty one */
	b.end_ms += MINUTE;
	assert_int_equal(put(c, &b), STORE_CONFLICT);
	commit(c);
	assert_int_equal(totals(c).batches, 1);
}

static void
what_is_rolled_back_leaves_nothing(void **state)
{
	struct ctx *c = *state;

	put_minutes(c, 0, 1);
	begin(c);
	assert_int_equal(put_minute(c, 1), STORE_NEW);
	assert_int_equal(put_minute(c, 2), STORE_NEW);
	store_rollback(c->s);
	assert_int_equal(totals(c).batches, 1);
	assert_int_equal(receipt(c).stream[BL_STREAM_HOST - 1].contiguous, 1);
	put_minutes(c, 1, 3);
	assert_int_equal(totals(c).batches, 3);
	assert_int_equal(totals(c).samples, 54);
}

static void
ranges_beyond_a_hole_are_told_and_close(void **state)
{
	struct ctx *c = *state;
	struct bl_receipt r;

	put_minutes(c, 0, 2);
	put_minutes(c, 5, 7);
	put_minutes(c, 9, 10);
	reopen(c, STORE_OPENED);
	r = receipt(c);
	assert_int_equal(r.stream[2].contiguous, 2);
	assert_int_equal(r.stream[2].beyond.n, 2);
	assert_int_equal(r.stream[2].beyond.r[0].first, 6);
	assert_int_equal(r.stream[2].beyond.r[0].last, 7);
	assert_int_equal(r.stream[2].beyond.r[1].first, 10);
	put_minutes(c, 2, 5);
	reopen(c, STORE_OPENED);
	r = receipt(c);
	assert_int_equal(r.stream[2].contiguous, 7);
	assert_int_equal(r.stream[2].beyond.n, 1);
	put_minutes(c, 7, 9);
	assert_int_equal(receipt(c).stream[2].contiguous, 10);
	assert_int_equal(receipt(c).stream[2].beyond.n, 0);
}

static void
too_many_holes_are_refused_and_nothing_is_stored(void **state)
{
	struct ctx *c = *state;
	int rc = STORE_NEW;
	uint64_t i = 0;

	begin(c);
	while (i < 3000 && (rc = put_minute(c, i * 2 + 1)) == STORE_NEW)
		i++;
	assert_int_equal(rc, STORE_REFUSED);
	commit(c);
	assert_int_equal(totals(c).batches, i);
	/* Filling a hole is always possible. */
	begin(c);
	assert_int_equal(put_minute(c, 2), STORE_NEW);
	assert_int_equal(put_minute(c, i * 2 + 1), STORE_NEW);
	commit(c);
}

static void
a_crash_keeps_what_was_committed_and_nothing_else(void **state)
{
	struct ctx *c = *state;
	pid_t pid;
	int status;

	store_read_close(c->r);
	store_close(c->s);
	c->r = NULL;
	c->s = NULL;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		const struct store_opts opts = { .path = c->path, .clock = &c->clock.clock };
		struct bl_err err = { 0 };

		if (store_open(&c->s, &opts, &err) < 0)
			_exit(1);
		put_minutes(c, 0, 5);
		begin(c);
		(void)put_minute(c, 5);
		(void)raise(SIGKILL);
		_exit(2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	reopen(c, STORE_OPENED);
	assert_int_equal(totals(c).batches, 5);
	assert_int_equal(receipt(c).stream[2].contiguous, 5);
	begin(c);
	assert_int_equal(put_minute(c, 4), STORE_DUPLICATE);
	assert_int_equal(put_minute(c, 5), STORE_NEW);
	commit(c);
}

static void
a_superseding_batch_is_ignored_where_a_part_is_held(void **state)
{
	struct ctx *c = *state;
	struct fixture_batch b = minute(c, 20);

	put_minutes(c, 0, 3);
	b.supersedes_first = 3; /* held */
	b.supersedes_last = 6;
	begin(c);
	assert_int_equal(put(c, &b), STORE_SUPERSEDED);
	assert_int_equal(put(c, &b), STORE_SUPERSEDED);
	commit(c);
	assert_int_equal(totals(c).batches, 3);
	assert_int_equal(receipt(c).stream[2].contiguous, 6);
	/* Nothing of 7..9 is held: stored, and the originals are not taken any more. */
	b = minute(c, 21);
	b.supersedes_first = 7;
	b.supersedes_last = 9;
	begin(c);
	assert_int_equal(put(c, &b), STORE_NEW);
	assert_int_equal(put_minute(c, 7), STORE_SUPERSEDED);
	commit(c);
	assert_int_equal(totals(c).batches, 4);
	assert_int_equal(receipt(c).stream[2].contiguous, 9);
}

/* A full disk, as a limit on what files may grow to. */
static void
a_commit_that_fails_leaves_nothing_and_can_be_repeated(void **state)
{
	struct ctx *c = *state;
	struct rlimit before, small;
	struct bl_err err = { 0 };
	int rc = STORE_NEW;

	put_minutes(c, 0, 2);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	small = before;
	small.rlim_cur = 300000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (uint64_t i = 2; i < 2000 && rc == STORE_NEW; i += 50) {
		begin(c);
		for (uint64_t k = i; k < i + 50 && rc == STORE_NEW; k++)
			rc = put_minute(c, k);
		if (rc == STORE_NEW)
			rc = store_commit(c->s, &err) < 0 ? -1 : STORE_NEW;
		else
			store_rollback(c->s);
	}
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_true(rc < 0);
	assert_false(store_in_transaction(c->s));
	{
		const uint64_t have = receipt(c).stream[2].contiguous;

		assert_true(have >= 2);
		assert_int_equal(totals(c).batches, have);
		put_minutes(c, have, have + 60);
		assert_int_equal(totals(c).batches, have + 60);
	}
	reopen(c, STORE_OPENED);
	assert_int_equal(totals(c).batches, receipt(c).stream[2].contiguous);
}

static void
an_impossible_ledger_entry_stores_nothing(void **state)
{
	struct ctx *c = *state;
	struct bl_gap g = { .reason = BL_GAP_EVICTED,
		.stream = BL_STREAM_HOST,
		.seq_first = 1,
		.seq_last = UINT64_MAX / 2 };
	struct fixture_batch b = minute(c, 0);

	b.stream = BL_STREAM_EVENTS;
	b.n_series = 0;
	b.gap = &g;
	begin(c);
	assert_int_equal(put(c, &b), BL_EINVAL);
	commit(c);
	assert_int_equal(totals(c).batches, 0);
	assert_int_equal(receipt(c).stream[0].contiguous, 0);
}

/* ---- identity ---- */

static void
a_spool_under_another_device_is_foreign(void **state)
{
	struct ctx *c = *state;
	struct store_spool *sp;
	struct store_device d;
	struct bl_err err = { 0 };

	put_minutes(c, 0, 1);
	begin(c);
	assert_int_equal(store_spool(c->s, &c->spool, "kiosk-2", &sp, &err), STORE_SPOOL_FOREIGN);
	commit(c);
	must(store_read_device(c->r, "kiosk-1", &d, &err), &err);
	assert_true(d.conflict);
	assert_int_equal(store_read_device(c->r, "kiosk-2", &d, &err), BL_ENOTFOUND);
}

static struct bl_hello
hello_of(const struct ctx *c, uint64_t next, uint64_t lowest)
{
	struct bl_hello h = { .spool = c->spool, .boot = c->boot };

	for (int i = 0; i < BL_STREAMS; i++) {
		h.stream[i].next_seq = 1;
		h.stream[i].lowest_held = 1;
	}
	h.stream[2].next_seq = next;
	h.stream[2].lowest_held = lowest;
	if (lowest < next)
		(void)bl_ranges_add(&h.stream[2].held, lowest, next - 1);
	(void)snprintf(h.software, sizeof(h.software), "0.1.0");
	return h;
}

static void
hello_finds_what_is_missing_here_and_there(void **state)
{
	struct ctx *c = *state;
	struct bl_hello h = hello_of(c, 21, 10);
	struct bl_ranges need[BL_STREAMS];
	struct bl_err err = { 0 };
	uint64_t n;

	put_minutes(c, 0, 4); /* 1..4 here; 10..20 there; 5..9 nowhere */
	begin(c);
	assert_int_equal(store_hello(c->s, spool(c), &h, need, &err), STORE_HELLO_OK);
	commit(c);
	assert_int_equal(need[2].n, 1);
	assert_int_equal(need[2].r[0].first, 5);
	assert_int_equal(need[2].r[0].last, 9);
	assert_int_equal(need[0].n, 0);
	must(store_read_unexplained(c->r, "kiosk-1", &n, &err), &err);
	assert_int_equal(n, 5);
	/* The agent's answer explains them. */
	begin(c);
	must(store_gone(c->s, spool(c), BL_STREAM_HOST, 5, 9, BL_GAP_LOST_AT_CENTRE, &err), &err);
	must(store_gone(c->s, spool(c), BL_STREAM_HOST, 5, 9, BL_GAP_LOST_AT_CENTRE, &err), &err);
	commit(c);
	must(store_read_unexplained(c->r, NULL, &n, &err), &err);
	assert_int_equal(n, 0);
	assert_int_equal(totals(c).gaps, 1);
	assert_int_equal(receipt(c).stream[2].contiguous, 9);
	/* A hole among what is held there is asked for, too. */
	h.stream[2].held.n = 0;
	(void)bl_ranges_add(&h.stream[2].held, 10, 12);
	(void)bl_ranges_add(&h.stream[2].held, 15, 20);
	begin(c);
	assert_int_equal(store_hello(c->s, spool(c), &h, need, &err), STORE_HELLO_OK);
	commit(c);
	assert_int_equal(need[2].n, 1);
	assert_int_equal(need[2].r[0].first, 13);
	assert_int_equal(need[2].r[0].last, 14);
}

static void
hello_of_a_rolled_back_spool_is_seen(void **state)
{
	struct ctx *c = *state;
	struct bl_hello h = hello_of(c, 3, 1);
	struct bl_ranges need[BL_STREAMS];
	struct bl_err err = { 0 };

	put_minutes(c, 0, 4);
	begin(c);
	assert_int_equal(store_hello(c->s, spool(c), &h, need, &err), STORE_HELLO_ROLLED_BACK);
	commit(c);
	assert_int_equal(need[2].n, 0);
}

static void
a_closed_spool_that_goes_on_is_a_conflict(void **state)
{
	struct ctx *c = *state;
	const struct bl_id old = c->spool;
	struct bl_hello h = hello_of(c, 5, 1);
	struct bl_ranges need[BL_STREAMS];
	struct bl_err err = { 0 };
	struct store_device d;

	put_minutes(c, 0, 4);
	h.spool = c->spool = fixture_id(0x22);
	h.predecessor = old;
	begin(c);
	assert_int_equal(store_hello(c->s, spool(c), &h, need, &err), STORE_HELLO_OK);
	commit(c);
	c->spool = old;
	assert_true(store_spool_closed(spool(c)));
	begin(c);
	assert_int_equal(put_minute(c, 3), STORE_DUPLICATE); /* was on its way */
	assert_int_equal(put_minute(c, 4), STORE_CONFLICT);
	h = hello_of(c, 9, 1);
	assert_int_equal(store_hello(c->s, spool(c), &h, need, &err), STORE_HELLO_CLOSED);
	commit(c);
	must(store_read_device(c->r, "kiosk-1", &d, &err), &err);
	assert_true(d.conflict);
	assert_memory_equal(d.spool.b, fixture_id(0x22).b, BL_ID_BYTES);
}

/* What goes on under a closed id is kept apart for good: no number of it opens a way for others. */
static void
nothing_new_of_a_closed_spool_is_stored(void **state)
{
	struct ctx *c = *state;
	const struct bl_id old = c->spool;
	struct bl_hello h = hello_of(c, 5, 1);
	struct bl_ranges need[BL_STREAMS];
	struct bl_err err = { 0 };
	uint64_t n;

	put_minutes(c, 0, 4);
	h.spool = c->spool = fixture_id(0x22);
	h.predecessor = old;
	begin(c);
	assert_int_equal(store_hello(c->s, spool(c), &h, need, &err), STORE_HELLO_OK);
	c->spool = old;
	{
		const struct store_aside a = { .reason = STORE_ASIDE_CONFLICT,
			.topic = "bl/1/up/07/kiosk-1/live",
			.device = "kiosk-1",
			.part = 7,
			.detail = "a spool that was closed goes on",
			.payload = "x",
			.len = 1,
			.spool = spool(c),
			.stream = BL_STREAM_HOST,
			.seq = 9 };

		must(store_aside(c->s, &a, &err), &err);
	}
	assert_int_equal(put_minute(c, 6), STORE_CONFLICT); /* seq 7, below the one set aside */
	commit(c);
	must(store_read_unexplained(c->r, NULL, &n, &err), &err);
	assert_int_equal(n, 0); /* what never was ours is not missing */
}

/*
 * A copy of a spool that is put back a second time: its id was closed by the
 * first time's successor.  It is set back all the same, and told so: then it
 * goes on under a new id, instead of never delivering again.
 */
static void
a_closed_spool_that_was_set_back_is_told_so(void **state)
{
	struct ctx *c = *state;
	const struct bl_id old = c->spool;
	struct bl_hello h = hello_of(c, 5, 1);
	struct bl_ranges need[BL_STREAMS];
	struct bl_err err = { 0 };
	struct store_device d;

	put_minutes(c, 0, 4);
	h.spool = c->spool = fixture_id(0x22);
	h.predecessor = old;
	begin(c);
	assert_int_equal(store_hello(c->s, spool(c), &h, need, &err), STORE_HELLO_OK);
	c->spool = old;
	h = hello_of(c, 3, 1);
	assert_int_equal(store_hello(c->s, spool(c), &h, need, &err), STORE_HELLO_ROLLED_BACK);
	assert_true(store_spool_closed(spool(c)));
	commit(c);
	must(store_read_device(c->r, "kiosk-1", &d, &err), &err);
	assert_false(d.conflict);
}

/* ---- the ledger ---- */

struct gap_seen {
	int n;
	struct store_gap last;
	uint64_t seqs;
};

static bool
see_gap(void *ctx, const struct store_gap *g)
{
	struct gap_seen *s = ctx;

	s->n++;
	s->last = *g;
	if (g->seq_first != 0)
		s->seqs += g->seq_last - g->seq_first + 1;
	return true;
}

static struct gap_seen
gaps(struct ctx *c)
{
	const struct store_gap_filter f = { .device = "kiosk-1",
		.from_unix_ms = STORE_TIME_NONE,
		.to_unix_ms = STORE_TIME_NONE,
		.limit = 1000 };
	struct gap_seen seen = { 0 };
	struct bl_err err = { 0 };

	must(store_read_gaps(c->r, &f, see_gap, &seen, &err), &err);
	return seen;
}

static void
the_ledger_says_each_seq_once_and_never_one_that_is_stored(void **state)
{
	struct ctx *c = *state;
	struct bl_gap g = { .reason = BL_GAP_EVICTED,
		.stream = BL_STREAM_HOST,
		.seq_first = 1,
		.seq_last = 10,
		.begin_boot = c->boot,
		.begin_boot_ms = 0,
		.end_boot = c->boot,
		.end_boot_ms = 10 * MINUTE,
		.samples = 180 };
	struct fixture_batch b = { .spool = c->spool,
		.boot = c->boot,
		.stream = BL_STREAM_EVENTS,
		.seq = 1,
		.end_ms = MINUTE,
		.interval_ms = INTERVAL,
		.gap = &g };
	struct bl_err err = { 0 };
	struct gap_seen seen;

	put_minutes(c, 3, 5); /* 4 and 5 came before they were dropped */
	begin(c);
	must(store_gone(c->s, spool(c), BL_STREAM_HOST, 2, 3, BL_GAP_EVICTED, &err), &err);
	assert_int_equal(put(c, &b), STORE_NEW);
	commit(c);
	seen = gaps(c);
	assert_int_equal(seen.n, 2); /* 1..3 and 6..10 */
	assert_int_equal(seen.seqs, 8);
	assert_int_equal(seen.last.reason, BL_GAP_EVICTED);
	assert_int_equal(receipt(c).stream[2].contiguous, 10);
	/* The same again, in a batch of its own. */
	b.seq = 2;
	begin(c);
	assert_int_equal(put(c, &b), STORE_NEW);
	must(store_gone(c->s, spool(c), BL_STREAM_HOST, 1, 10, BL_GAP_LOST_AT_CENTRE, &err), &err);
	commit(c);
	seen = gaps(c);
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.seqs, 8);
	/* One comes after all. */
	begin(c);
	assert_int_equal(put_minute(c, 7), STORE_NEW);
	assert_int_equal(put_minute(c, 7), STORE_DUPLICATE);
	commit(c);
	seen = gaps(c);
	assert_int_equal(seen.n, 3); /* 1..3, 6..7, 9..10 */
	assert_int_equal(seen.seqs, 7);
}

/* ---- clock ---- */

struct cover_seen {
	int n;
	struct store_coverage c[64];
};

static bool
see_cover(void *ctx, const struct store_coverage *c)
{
	struct cover_seen *s = ctx;

	s->c[s->n++] = *c;
	return s->n < 64;
}

static struct cover_seen
coverage(struct ctx *c)
{
	struct cover_seen seen = { 0 };
	struct bl_err err = { 0 };

	must(store_read_coverage(
		 c->r, "kiosk-1", OFFSET - MINUTE, OFFSET + 100 * MINUTE, see_cover, &seen, &err),
	    &err);
	return seen;
}

static void
place_all(struct ctx *c)
{
	struct bl_err err = { 0 };
	int rc;

	do {
		begin(c);
		rc = store_place(c->s, 3, &err);
		must(rc, &err);
		commit(c);
	} while (rc > 0);
}

static void
what_came_before_its_clock_is_placed_by_it(void **state)
{
	struct ctx *c = *state;
	struct store_device d;
	struct bl_err err = { 0 };

	put_minutes(c, 0, 10);
	assert_int_equal(totals(c).unplaced_batches, 10);
	assert_int_equal(coverage(c).n, 0);
	must(store_read_device(c->r, "kiosk-1", &d, &err), &err);
	assert_false(d.clock_trusted);
	assert_true(d.data_until_unix_ms == STORE_TIME_NONE);
	know_clock(c, 1, 0, OFFSET);
	place_all(c);
	assert_int_equal(totals(c).unplaced_batches, 0);
	assert_int_equal(coverage(c).n, 1);
	assert_int_equal(coverage(c).c[0].from_unix_ms, OFFSET);
	assert_int_equal(coverage(c).c[0].to_unix_ms, OFFSET + 10 * MINUTE);
	must(store_read_device(c->r, "kiosk-1", &d, &err), &err);
	assert_true(d.clock_trusted);
	assert_int_equal(d.data_until_unix_ms, OFFSET + 10 * MINUTE);
}

static void
a_later_step_moves_only_what_lies_beyond_it(void **state)
{
	struct ctx *c = *state;
	struct cover_seen seen;

	know_clock(c, 1, 0, OFFSET);
	place_all(c);
	put_minutes(c, 0, 2);
	c->clock.unix_ms += 300000;
	put_minutes(c, 2, 4);
	know_clock(c, 2, 3 * MINUTE, OFFSET + 5000);
	place_all(c);
	seen = coverage(c);
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.c[0].to_unix_ms, OFFSET + 2 * MINUTE);
	assert_int_equal(seen.c[1].from_unix_ms, OFFSET + 2 * MINUTE);
	assert_int_equal(seen.c[1].to_unix_ms, OFFSET + 4 * MINUTE + 5000);
}

static void
clock_entries_count_without_holes_and_never_change(void **state)
{
	struct ctx *c = *state;
	struct bl_clock_segment seg = { .id = 2, .boot = c->boot, .source = BL_CLOCK_NTP };
	struct bl_err err = { 0 };

	know_clock(c, 1, 0, OFFSET);
	begin(c);
	seg.id = 3;
	assert_int_equal(store_clock(c->s, spool(c), &seg, &err), STORE_ENTRY_EARLY);
	seg.id = 1;
	assert_int_equal(store_clock(c->s, spool(c), &seg, &err), STORE_ENTRY_CONFLICT);
	seg.offset_ms = OFFSET;
	assert_int_equal(store_clock(c->s, spool(c), &seg, &err), STORE_ENTRY_KNOWN);
	commit(c);
	assert_int_equal(receipt(c).clock_version, 1);
}

/* ---- coverage ---- */

static void
coverage_is_merged_only_within_two_minutes_of_arrival(void **state)
{
	struct ctx *c = *state;
	struct cover_seen seen;

	know_clock(c, 1, 0, OFFSET);
	for (uint64_t i = 0; i < 6; i++) {
		put_minutes(c, i, i + 1);
		c->clock.unix_ms += 60000;
	}
	seen = coverage(c);
	assert_int_equal(seen.n, 2); /* three within two minutes, and again */
	assert_int_equal(seen.c[0].seq_first, 1);
	assert_int_equal(seen.c[0].seq_last, 3);
	assert_int_equal(seen.c[0].to_unix_ms, seen.c[1].from_unix_ms);
	assert_int_equal(seen.c[1].seq_last, 6);
	/* A hole in between is one in the coverage. */
	put_minutes(c, 8, 10);
	seen = coverage(c);
	assert_int_equal(seen.n, 3);
	assert_int_equal(seen.c[2].from_unix_ms, OFFSET + 8 * MINUTE);
}

/* ---- dictionary and query ---- */

struct series_seen {
	int n;
	int64_t id[8];
	int64_t first, last;
	char name[8][64], labels[8][64];
};

static bool
see_series(void *ctx, const struct store_series *s)
{
	struct series_seen *seen = ctx;

	seen->id[seen->n] = s->id;
	seen->first = s->first_unix_ms;
	seen->last = s->last_unix_ms;
	(void)snprintf(seen->name[seen->n], 64, "%s", s->name);
	(void)snprintf(seen->labels[seen->n++], 64, "%s", s->labels_json);
	return seen->n < 8;
}

static struct series_seen
series(struct ctx *c)
{
	struct series_seen seen = { 0 };
	struct bl_err err = { 0 };

	must(store_read_series(c->r, "kiosk-1", see_series, &seen, &err), &err);
	return seen;
}

static void
the_dictionary_is_append_only(void **state)
{
	struct ctx *c = *state;
	struct bl_series_def def;
	struct bl_err err = { 0 };
	struct series_seen seen;
	char name[16], value[16];

	know_series(c, 2);
	begin(c);
	fixture_series(&def, name, value, 4, BL_STREAM_HOST);
	assert_int_equal(store_dict(c->s, spool(c), &def, &err), STORE_ENTRY_EARLY);
	def.id = 1;
	assert_int_equal(store_dict(c->s, spool(c), &def, &err), STORE_ENTRY_CONFLICT);
	fixture_series(&def, name, value, 1, BL_STREAM_HOST);
	assert_int_equal(store_dict(c->s, spool(c), &def, &err), STORE_ENTRY_KNOWN);
	/* Quotes and control characters in a label stay JSON. */
	fixture_series(&def, name, value, 3, BL_STREAM_HOST);
	def.label[0].value = (struct bl_str){ "a\"\\\n", 4 };
	assert_int_equal(store_dict(c->s, spool(c), &def, &err), STORE_ENTRY_NEW);
	commit(c);
	seen = series(c);
	assert_true(seen.n >= 3);
	assert_string_equal(seen.name[0], "m1");
	assert_string_equal(seen.labels[0], "{\"n\":\"1\"}");
	assert_string_equal(seen.labels[seen.n - 1], "{\"n\":\"a\\\"\\\\\\u000a\"}");
	/* A new spool of the device goes on with the same series. */
	c->spool = fixture_id(0x33);
	know_series(c, 2);
	assert_int_equal(series(c).id[0], seen.id[0]);
}

static struct store_query_result *
ask(struct ctx *c, int64_t id, int64_t from, int64_t to, int64_t step, bool rate)
{
	const struct store_query q = { .series = &id,
		.n_series = 1,
		.from_unix_ms = from,
		.to_unix_ms = to,
		.step_ms = step,
		.rate = rate };
	struct store_query_result *res;
	struct bl_err err = { 0 };

	must(store_read_query(c->r, &q, &res, &err), &err);
	return res;
}

static void
a_query_gives_the_figures_of_the_samples(void **state)
{
	static const int64_t steps[] = { 1000, 10000, 25000, 60000, 3600000 };
	struct ctx *c = *state;
	int64_t id;

	know_series(c, 3);
	know_clock(c, 1, 0, OFFSET);
	put_minutes(c, 0, 8);
	c->clock.unix_ms = OFFSET + 60 * MINUTE;
	id = series(c).id[1];
	for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
		const int64_t from = OFFSET + 35000, to = OFFSET + 6 * MINUTE + 5000;
		struct store_query_result *res = ask(c, id, from, to, steps[k], false);
		uint64_t total = 0;

		assert_int_equal(res->n_steps, (to - from + steps[k] - 1) / steps[k]);
		for (size_t i = 0; i < res->n_steps; i++) {
			double sum = 0, min = INFINITY, max = -INFINITY;
			uint32_t n = 0;

			for (int64_t t = 0; t < 8 * MINUTE; t += INTERVAL) {
				const double v = fixture_value(2, (uint64_t)(t / INTERVAL));
				const int64_t u = t + OFFSET;

				if (u < from || u >= to || (u - from) / steps[k] != (int64_t)i)
					continue;
				n++;
				sum += v;
				min = v < min ? v : min;
				max = v > max ? v : max;
			}
			total += n;
			assert_int_equal(res->series[0].n[i], n);
			if (n == 0) {
				assert_true(isnan(res->series[0].mean[i]));
				continue;
			}
			assert_true(fabs(res->series[0].min[i] - min) < 1e-9);
			assert_true(fabs(res->series[0].max[i] - max) < 1e-9);
			assert_true(fabs(res->series[0].mean[i] - sum / n) < 1e-6);
		}
		assert_int_equal(total, 33);
		assert_int_equal(res->series[0].n_gaps, 0);
		store_query_free(res);
	}
}

struct event_seen {
	int n;
	int64_t unix_ms[8];
	char type[8][32];
};

static bool
see_event(void *ctx, const struct store_event *e)
{
	struct event_seen *s = ctx;

	s->unix_ms[s->n] = e->unix_ms;
	(void)snprintf(s->type[s->n++], 32, "%.*s", (int)e->ev->type.len, e->ev->type.p);
	return s->n < 8;
}

/* More rows than one slice of a reader holds, of batches and of coverage. */
static void
a_long_range_is_read_in_slices_without_loss(void **state)
{
	struct ctx *c = *state;
	struct event_seen events = { 0 };
	struct store_query_result *res;
	struct bl_event ev = { .type = { "tick", 4 } };
	struct bl_err err = { 0 };

	know_series(c, 3);
	know_clock(c, 1, 0, OFFSET);
	for (uint64_t i = 0; i < 300; i++) {
		struct fixture_batch b = minute(c, i);

		put_minutes(c, i, i + 1);
		ev.boot_ms = b.begin_ms;
		b.stream = BL_STREAM_EVENTS;
		b.n_series = 0;
		b.event = &ev;
		begin(c);
		assert_int_equal(put(c, &b), STORE_NEW);
		commit(c);
		c->clock.unix_ms += 61000;
	}
	put_minutes(c, 300, 900); /* and a backlog at once */
	c->clock.unix_ms = OFFSET + 900 * MINUTE;
	res = ask(c, series(c).id[2], OFFSET, OFFSET + 900 * MINUTE, MINUTE, false);
	for (size_t i = 0; i < 900; i++)
		assert_int_equal(res->series[0].n[i], 6);
	assert_int_equal(res->series[0].n_gaps, 0);
	assert_int_equal(res->batches_read, 900);
	store_query_free(res);
	/* A narrow range in the middle of the backlog reads what it needs. */
	res = ask(c, series(c).id[2], OFFSET + 600 * MINUTE, OFFSET + 601 * MINUTE, MINUTE, false);
	assert_int_equal(res->series[0].n[0], 6);
	assert_true(res->batches_read <= 2);
	store_query_free(res);
	must(store_read_events(
		 c->r, "kiosk-1", OFFSET, OFFSET + 900 * MINUTE, 7, see_event, &events, &err),
	    &err);
	assert_int_equal(events.n, 7);
	for (int i = 0; i < 7; i++)
		assert_int_equal(events.unix_ms[i], OFFSET + (299 - i) * MINUTE);
}

static void
gaps_are_marked_at_both_edges_and_with_their_reason(void **state)
{
	struct ctx *c = *state;
	struct store_query_result *res;
	struct bl_err err = { 0 };
	int64_t id;

	know_series(c, 3);
	know_clock(c, 1, 0, OFFSET);
	put_minutes(c, 2, 4);  /* 3, 4 */
	put_minutes(c, 6, 7);  /* 7 */
	put_minutes(c, 9, 10); /* 10 */
	begin(c);
	must(store_gone(c->s, spool(c), BL_STREAM_HOST, 5, 6, BL_GAP_EVICTED, &err), &err);
	commit(c);
	c->clock.unix_ms = OFFSET + 12 * MINUTE;
	id = series(c).id[0];
	res = ask(c, id, OFFSET, OFFSET + 20 * MINUTE, MINUTE, false);
	assert_int_equal(res->series[0].n_gaps, 4);
	assert_int_equal(res->series[0].gap[0].from_unix_ms, OFFSET);
	assert_int_equal(res->series[0].gap[0].to_unix_ms, OFFSET + 2 * MINUTE);
	assert_int_equal(res->series[0].gap[0].reason, STORE_GAP_NOT_ARRIVED);
	assert_int_equal(res->series[0].gap[1].from_unix_ms, OFFSET + 4 * MINUTE);
	assert_int_equal(res->series[0].gap[1].reason, BL_GAP_EVICTED);
	assert_int_equal(res->series[0].gap[2].reason, STORE_GAP_NOT_ARRIVED);
	assert_int_equal(res->series[0].gap[3].from_unix_ms, OFFSET + 10 * MINUTE);
	/* Not the future: that is no gap. */
	assert_int_equal(res->series[0].gap[3].to_unix_ms, OFFSET + 12 * MINUTE);
	assert_int_equal(res->series[0].n[1], 0);
	assert_int_equal(res->series[0].n[2], 6);
	store_query_free(res);
}

static void
an_off_gap_has_its_own_times(void **state)
{
	struct ctx *c = *state;
	struct bl_gap g = { .reason = BL_GAP_OFF,
		.stream = BL_STREAM_HOST,
		.begin_boot = c->boot,
		.begin_boot_ms = 2 * MINUTE,
		.end_boot = c->boot,
		.end_boot_ms = 4 * MINUTE };
	struct fixture_batch b = { .spool = c->spool,
		.boot = c->boot,
		.stream = BL_STREAM_EVENTS,
		.seq = 1,
		.end_ms = MINUTE,
		.interval_ms = INTERVAL,
		.gap = &g };
	struct fixture_batch later = minute(c, 2);
	struct store_query_result *res;

	know_series(c, 3);
	put_minutes(c, 0, 2);
	later.begin_ms = 5 * MINUTE;
	later.end_ms = 6 * MINUTE;
	begin(c);
	assert_int_equal(put(c, &later), STORE_NEW);
	assert_int_equal(put(c, &b), STORE_NEW); /* before the clock is known */
	commit(c);
	know_clock(c, 1, 0, OFFSET);
	place_all(c);
	c->clock.unix_ms = OFFSET + 6 * MINUTE;
	res = ask(c, series(c).id[0], OFFSET, OFFSET + 6 * MINUTE, MINUTE, false);
	assert_int_equal(res->series[0].n_gaps, 2);
	assert_int_equal(res->series[0].gap[0].reason, BL_GAP_OFF);
	assert_int_equal(res->series[0].gap[0].from_unix_ms, OFFSET + 2 * MINUTE);
	assert_int_equal(res->series[0].gap[0].to_unix_ms, OFFSET + 4 * MINUTE);
	assert_int_equal(res->series[0].gap[1].reason, STORE_GAP_NOT_ARRIVED);
	store_query_free(res);
}

static void
a_rate_knows_resets_and_boots(void **state)
{
	struct ctx *c = *state;
	struct bl_batch_enc *e = bl_batch_enc_create();
	struct bl_series_def def;
	struct bl_batch_header h = { .spool = c->spool,
		.boot = c->boot,
		.stream = BL_STREAM_HOST,
		.seq = 1,
		.collect_end_ms = MINUTE,
		.next_seq = 2,
		.lowest_held = 1 };
	static const double values[] = { 100, 200, 250, 50, 150 }; /* a reset before 50 */
	struct store_query_result *res;
	struct bl_buf msg, raw;
	struct bl_err err = { 0 };
	const uint8_t *body;
	char name[16], label[16];
	size_t len;

	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	know_clock(c, 1, 0, OFFSET);
	begin(c);
	fixture_series(&def, name, label, 1, BL_STREAM_HOST);
	def.kind = BL_COUNTER;
	must(store_dict(c->s, spool(c), &def, &err), &err);
	for (int i = 0; i < 5; i++)
		must(bl_batch_enc_sample(e, 1, i * INTERVAL, values[i], BL_KNOWN), &err);
	must(bl_batch_enc_finish(e, &h, &msg, &err), &err);
	must(bl_batch_header_decode(msg.data, msg.len, &h, &body, &len, &err), &err);
	must(bl_batch_inflate(&h, body, len, &raw, &err), &err);
	assert_int_equal(
	    store_batch_put(c->s, spool(c), &h, body, len, raw.data, raw.len, &err), STORE_NEW);
	commit(c);
	c->clock.unix_ms = OFFSET + MINUTE;
	res = ask(c, series(c).id[0], OFFSET, OFFSET + 50000, 10000, true);
	assert_int_equal(res->series[0].n[0], 0); /* nothing before the first */
	assert_true(res->series[0].mean[1] == 10.0);
	assert_true(res->series[0].mean[2] == 5.0);
	assert_true(res->series[0].mean[3] == 5.0); /* 50 since the reset */
	assert_true(res->series[0].mean[4] == 10.0);
	store_query_free(res);
	/* The pair across the range's begin counts. */
	res = ask(c, series(c).id[0], OFFSET + 20000, OFFSET + 30000, 10000, true);
	assert_int_equal(res->series[0].n[0], 1);
	store_query_free(res);
	bl_batch_enc_free(e);
	bl_buf_free(&msg);
	bl_buf_free(&raw);
}

static void
impossible_questions_are_refused(void **state)
{
	struct ctx *c = *state;
	const int64_t ids[2] = { 1, 1 };
	const struct {
		size_t n;
		int64_t from, to, step;
		int rc;
	} cases[] = { { 0, 0, 10, 1, BL_EINVAL }, { 21, 0, 10, 1, BL_EINVAL },
		{ 1, 10, 10, 1, BL_EINVAL }, { 1, 0, 10, 0, BL_EINVAL },
		{ 1, 0, 5001, 1, BL_EINVAL }, { 1, INT64_MIN, INT64_MAX, 1, BL_EINVAL },
		{ 2, 0, 10, 1, BL_EINVAL }, { 1, 0, 5000, 1, BL_ENOTFOUND } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct store_query q = { .series = ids,
			.n_series = cases[i].n,
			.from_unix_ms = cases[i].from,
			.to_unix_ms = cases[i].to,
			.step_ms = cases[i].step };
		struct store_query_result *res;
		struct bl_err err = { 0 };

		assert_int_equal(store_read_query(c->r, &q, &res, &err), cases[i].rc);
		assert_null(res);
		assert_true(err.msg[0] != '\0');
	}
}

/* ---- events, latest, presence ---- */

static void
events_come_newest_first(void **state)
{
	struct ctx *c = *state;
	struct event_seen seen = { 0 };
	struct bl_err err = { 0 };

	know_clock(c, 1, 0, OFFSET);
	begin(c);
	for (uint64_t i = 0; i < 5; i++) {
		char type[32];
		struct bl_event ev = { .boot_ms = (int64_t)i * MINUTE + 5, .n_attrs = 1 };
		struct fixture_batch b = minute(c, i);

		(void)snprintf(type, sizeof(type), "e.%d", (int)i);
		ev.type = (struct bl_str){ type, strlen(type) };
		ev.attr[0] =
		    (struct bl_attr){ .key = { "k", 1 }, .type = BL_ATTR_TEXT, .text = { "v", 1 } };
		b.stream = BL_STREAM_EVENTS;
		b.n_series = 0;
		b.event = &ev;
		assert_int_equal(put(c, &b), STORE_NEW);
	}
	commit(c);
	must(store_read_events(
		 c->r, "kiosk-1", OFFSET, OFFSET + 4 * MINUTE, 2, see_event, &seen, &err),
	    &err);
	assert_int_equal(seen.n, 2);
	assert_string_equal(seen.type[0], "e.3");
	assert_int_equal(seen.unix_ms[0], OFFSET + 3 * MINUTE + 5);
	assert_string_equal(seen.type[1], "e.2");
}

static bool
see_latest(void *ctx, const struct store_latest *l)
{
	struct store_latest *out = ctx;

	assert_string_equal(l->device, "kiosk-1");
	*out = *l;
	return true;
}

static void
the_latest_value_is_the_newest_sample(void **state)
{
	static const char *const names[] = { "m2", "nothing" };
	struct ctx *c = *state;
	struct store_latest l = { 0 };
	struct bl_err err = { 0 };

	know_series(c, 3);
	know_clock(c, 1, 0, OFFSET);
	put_minutes(c, 0, 4);
	must(store_read_latest(c->r, names, 2, see_latest, &l, &err), &err);
	assert_true(l.known);
	assert_int_equal(l.unix_ms, OFFSET + 4 * MINUTE - INTERVAL);
	assert_true(fabs(l.value - fixture_value(2, 23)) < 1e-9);
	assert_int_equal(series(c).first, OFFSET);
	assert_int_equal(series(c).last, OFFSET + 4 * MINUTE - INTERVAL);
}

static void
presence_moves_when_the_state_does(void **state)
{
	struct ctx *c = *state;
	struct bl_presence p = { .online = true, .boot = c->boot, .connections = 5 };
	struct store_device d;
	struct bl_err err = { 0 };
	const int64_t at = c->clock.unix_ms;

	for (int i = 0; i < 3; i++) {
		begin(c);
		must(store_presence(c->s, "kiosk-1", &p, &err), &err);
		commit(c);
		c->clock.unix_ms += 1000;
	}
	must(store_read_device(c->r, "kiosk-1", &d, &err), &err);
	assert_int_equal(d.presence, STORE_PRESENCE_ONLINE);
	assert_int_equal(d.presence_since_unix_ms, at);
	/* The will of an earlier connection came late. */
	p.online = false;
	p.connections = 4;
	begin(c);
	must(store_presence(c->s, "kiosk-1", &p, &err), &err);
	commit(c);
	must(store_read_device(c->r, "kiosk-1", &d, &err), &err);
	assert_int_equal(d.presence, STORE_PRESENCE_ONLINE);
}

/* ---- set aside ---- */

struct aside_seen {
	int n;
	uint64_t repeats;
	int kept;
	char reason[32];
};

static bool
see_aside(void *ctx, const struct store_aside_row *a)
{
	struct aside_seen *s = ctx;

	s->n++;
	s->repeats += a->repeats;
	s->kept += a->kept;
	(void)snprintf(s->reason, sizeof(s->reason), "%s", a->reason);
	return true;
}

static void
a_message_is_set_aside_once_and_its_seq_settled(void **state)
{
	struct ctx *c = *state;
	struct store_aside a = { .reason = STORE_ASIDE_UNDECODABLE,
		.topic = "bl/1/up/07/kiosk-1/live",
		.device = "kiosk-1",
		.part = 7,
		.detail = "bad",
		.payload = "rubbish",
		.len = 7,
		.stream = BL_STREAM_HOST,
		.seq = 1 };
	struct aside_seen seen = { 0 };
	struct bl_err err = { 0 };

	begin(c);
	a.spool = spool(c);
	assert_int_equal(store_aside(c->s, &a, &err), STORE_ASIDE_NEW);
	assert_int_equal(store_aside(c->s, &a, &err), STORE_ASIDE_AGAIN);
	commit(c);
	reopen(c, STORE_OPENED);
	begin(c);
	a.spool = spool(c);
	assert_int_equal(store_aside(c->s, &a, &err), STORE_ASIDE_AGAIN);
	commit(c);
	must(store_read_aside(c->r, NULL, 0, 10, see_aside, &seen, &err), &err);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.repeats, 2);
	assert_int_equal(seen.kept, 1);
	assert_string_equal(seen.reason, "undecodable");
	assert_int_equal(totals(c).set_aside_by[STORE_ASIDE_UNDECODABLE - 1], 3);
	assert_int_equal(receipt(c).stream[2].contiguous, 1);
	assert_int_equal(receipt(c).stream[2].aside.n, 1);
}

static int
set_batch_aside(struct ctx *c, uint64_t seq, const char *payload)
{
	const struct store_aside a = { .reason = STORE_ASIDE_UNDECODABLE,
		.topic = "bl/1/up/07/kiosk-1/live",
		.device = "kiosk-1",
		.part = 7,
		.detail = "bad",
		.payload = payload,
		.len = strlen(payload),
		.spool = spool(c),
		.stream = BL_STREAM_HOST,
		.seq = seq };
	struct bl_err err = { 0 };
	const int rc = store_aside(c->s, &a, &err);

	must(rc, &err);
	return rc;
}

static void
the_list_of_what_was_set_aside_is_capped(void **state)
{
	struct ctx *c = *state;
	const struct store_opts opts = {
		.path = c->path, .clock = &c->clock.clock, .aside_bytes = 28, .aside_rows = 5
	};
	struct aside_seen seen = { 0 };
	struct bl_err err = { 0 };
	int last = 0;

	store_close(c->s);
	must(store_open(&c->s, &opts, &err), &err);
	begin(c);
	for (int i = 0; i < 10; i++) {
		char text[10];
		const struct store_aside a = { .reason = STORE_ASIDE_NOT_OURS,
			.topic = "x",
			.part = -1,
			.detail = "",
			.payload = text,
			.len = sizeof(text) };

		(void)snprintf(text, sizeof(text), "%09d", i);
		last = store_aside(c->s, &a, &err);
		must(last, &err);
	}
	commit(c);
	assert_int_equal(last, STORE_ASIDE_REFUSED);
	must(store_read_aside(c->r, NULL, 0, 10, see_aside, &seen, &err), &err);
	assert_int_equal(seen.n, 4);
	assert_int_equal(seen.kept, 2);
	assert_int_equal(totals(c).set_aside_by[STORE_ASIDE_NOT_OURS - 1], 10);
	assert_int_equal(totals(c).set_aside_refused, 8);
	/* A quarter is left for batches of known spools: strangers cannot take it. */
	begin(c);
	assert_int_equal(set_batch_aside(c, 1, "bad one"), STORE_ASIDE_NEW);
	/* No room at all: not kept, so not receipted either; the agent keeps it. */
	assert_int_equal(set_batch_aside(c, 2, "bad two"), STORE_ASIDE_REFUSED);
	commit(c);
	assert_int_equal(receipt(c).stream[2].contiguous, 1);
	assert_int_equal(receipt(c).stream[2].aside.n, 1);
	assert_int_equal(receipt(c).stream[2].aside.r[0].last, 1);
}

/* ---- the file ---- */

static void
exec_on(struct ctx *c, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(c->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Whatever the umask is: what machines and people did is nobody else's business. */
static void
the_files_are_the_owners_alone(void **state)
{
	static const char *const suffix[] = { "", "-wal", "-shm", ".mark" };
	struct ctx *c = *state;
	struct stat sb;
	char path[700];

	put_minutes(c, 0, 1);
	for (size_t i = 0; i < sizeof(suffix) / sizeof(suffix[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", c->path, suffix[i]);
		assert_int_equal(stat(path, &sb), 0);
		assert_int_equal(sb.st_mode & 0777, 0600);
	}
}

static void
a_newer_version_is_refused_and_left_alone(void **state)
{
	struct ctx *c = *state;
	const struct store_opts opts = { .path = c->path, .clock = &c->clock.clock };
	struct bl_err err = { 0 };

	put_minutes(c, 0, 1);
	store_read_close(c->r);
	store_close(c->s);
	c->r = NULL;
	exec_on(c, "PRAGMA user_version = 99");
	assert_int_equal(store_open(&c->s, &opts, &err), BL_ENEWER);
	assert_null(c->s);
	assert_non_null(strstr(err.msg, "version 99"));
	assert_int_equal(store_read_open(&c->r, c->path, &c->clock.clock, &err), BL_ENEWER);
	exec_on(c, "PRAGMA user_version = 2");
	reopen(c, STORE_OPENED);
	assert_int_equal(totals(c).batches, 1);
}

static void
another_database_is_refused(void **state)
{
	struct ctx *c = *state;
	struct store_opts opts = { .clock = &c->clock.clock };
	struct bl_err err = { 0 };
	struct store *s;

	(void)snprintf(c->path, sizeof(c->path), "%s/other.db", c->folder);
	exec_on(c, "CREATE TABLE mine (x)");
	opts.path = c->path;
	assert_int_equal(store_open(&s, &opts, &err), BL_ECORRUPT);
	assert_null(s);
}

static void
a_second_writer_is_refused(void **state)
{
	struct ctx *c = *state;
	const struct store_opts opts = { .path = c->path, .clock = &c->clock.clock };
	struct bl_err err = { 0 };
	struct store *s;

	assert_int_equal(store_open(&s, &opts, &err), BL_EBUSY);
	assert_null(s);
}

static void
copy_file(const char *from, const char *to)
{
	char buf[65536];
	FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
	size_t n;

	assert_non_null(in);
	assert_non_null(out);
	while ((n = fread(buf, 1, sizeof(buf), in)) > 0)
		assert_int_equal(fwrite(buf, 1, n, out), n);
	(void)fclose(in);
	assert_int_equal(fclose(out), 0);
}

static void
an_older_copy_gets_a_new_epoch_and_is_filled_again(void **state)
{
	struct ctx *c = *state;
	struct bl_id before;
	char copy[700];

	(void)snprintf(copy, sizeof(copy), "%s/copy", c->folder);
	put_minutes(c, 0, 2);
	reopen(c, STORE_OPENED); /* closing empties the log into the file */
	before = *store_epoch(c->s);
	store_read_close(c->r);
	store_close(c->s);
	c->r = NULL;
	c->s = NULL;
	copy_file(c->path, copy);
	reopen(c, STORE_OPENED);
	put_minutes(c, 2, 4);
	store_read_close(c->r);
	store_close(c->s);
	c->r = NULL;
	c->s = NULL;
	copy_file(copy, c->path);
	reopen(c, STORE_SET_BACK);
	assert_false(bl_id_equal(&before, store_epoch(c->s)));
	assert_int_equal(receipt(c).stream[2].contiguous, 2);
	put_minutes(c, 2, 4);
	assert_int_equal(totals(c).batches, 4);
	reopen(c, STORE_OPENED);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_duplicate_is_reported_and_not_stored),
		T(the_same_seq_with_another_content_is_a_conflict),
		T(what_is_rolled_back_leaves_nothing),
		T(ranges_beyond_a_hole_are_told_and_close),
		T(too_many_holes_are_refused_and_nothing_is_stored),
		T(a_crash_keeps_what_was_committed_and_nothing_else),
		T(a_superseding_batch_is_ignored_where_a_part_is_held),
		T(a_commit_that_fails_leaves_nothing_and_can_be_repeated),
		T(an_impossible_ledger_entry_stores_nothing),
		T(a_spool_under_another_device_is_foreign),
		T(hello_finds_what_is_missing_here_and_there),
		T(hello_of_a_rolled_back_spool_is_seen),
		T(a_closed_spool_that_goes_on_is_a_conflict),
		T(nothing_new_of_a_closed_spool_is_stored),
		T(a_closed_spool_that_was_set_back_is_told_so),
		T(the_ledger_says_each_seq_once_and_never_one_that_is_stored),
		T(what_came_before_its_clock_is_placed_by_it),
		T(a_later_step_moves_only_what_lies_beyond_it),
		T(clock_entries_count_without_holes_and_never_change),
		T(coverage_is_merged_only_within_two_minutes_of_arrival),
		T(the_dictionary_is_append_only),
		T(a_query_gives_the_figures_of_the_samples),
		T(a_long_range_is_read_in_slices_without_loss),
		T(gaps_are_marked_at_both_edges_and_with_their_reason),
		T(an_off_gap_has_its_own_times),
		T(a_rate_knows_resets_and_boots),
		T(impossible_questions_are_refused),
		T(events_come_newest_first),
		T(the_latest_value_is_the_newest_sample),
		T(presence_moves_when_the_state_does),
		T(a_message_is_set_aside_once_and_its_seq_settled),
		T(the_list_of_what_was_set_aside_is_capped),
		T(the_files_are_the_owners_alone),
		T(a_newer_version_is_refused_and_left_alone),
		T(another_database_is_refused),
		T(a_second_writer_is_refused),
		T(an_older_copy_gets_a_new_epoch_and_is_filled_again),
	};

	bl_log_level_set(BL_LOG_ERROR);
	return cmocka_run_group_tests_name("store contract", tests, NULL, NULL);
}
