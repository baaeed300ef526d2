/*
 * What every telemetry store promises: a duplicate is reported, not stored;
 * commit is all or nothing; a store opens again after a crash; the ledger says
 * each thing once; a query's figures are those of the samples.
 */
#include "store_kit.h"

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
	struct store_unexplained n;

	put_minutes(c, 0, 4); /* 1..4 here; 10..20 there; 5..9 nowhere */
	begin(c);
	assert_int_equal(store_hello(c->s, spool(c), &h, need, &err), STORE_HELLO_OK);
	commit(c);
	assert_int_equal(need[2].n, 1);
	assert_int_equal(need[2].r[0].first, 5);
	assert_int_equal(need[2].r[0].last, 9);
	assert_int_equal(need[0].n, 0);
	must(store_read_unexplained(c->r, "kiosk-1", &n, &err), &err);
	assert_int_equal(n.gaps, 1);
	assert_int_equal(n.batches, 5);
	assert_int_equal(n.unanswered, 5);
	/* The agent's answer explains them. */
	begin(c);
	must(store_gone(c->s, spool(c), BL_STREAM_HOST, 5, 9, BL_GAP_LOST_AT_CENTRE, &err), &err);
	must(store_gone(c->s, spool(c), BL_STREAM_HOST, 5, 9, BL_GAP_LOST_AT_CENTRE, &err), &err);
	commit(c);
	must(store_read_unexplained(c->r, NULL, &n, &err), &err);
	assert_int_equal(n.gaps, 0);
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
	struct store_unexplained n;

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
	assert_int_equal(n.gaps, 0); /* what never was ours is not missing */
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

/*
 * The store that knew the spool is lost: what its file's later life says of it stands all the same.
 * It closes nothing and settles nothing, for a copy of that spool may yet come with what is named.
 */
static void
the_ledger_takes_what_is_said_of_a_spool_never_heard_of(void **state)
{
	struct ctx *c = *state;
	const struct bl_id mine = c->spool, lost = fixture_id(0x77);
	struct bl_gap g = { .reason = BL_GAP_LOST_AT_CENTRE,
		.spool = lost,
		.stream = BL_STREAM_HOST,
		.seq_first = 2,
		.seq_last = 4 };
	struct fixture_batch b = { .spool = c->spool,
		.boot = c->boot,
		.stream = BL_STREAM_EVENTS,
		.seq = 1,
		.end_ms = MINUTE,
		.interval_ms = INTERVAL,
		.gap = &g };
	struct bl_hello h = hello_of(c, 1, 1);
	struct bl_ranges need[BL_STREAMS];
	struct store_unexplained n;
	struct bl_err err = { 0 };

	for (; b.seq <= 2; b.seq++) { /* told twice */
		begin(c);
		assert_int_equal(put(c, &b), STORE_NEW);
		commit(c);
		assert_int_equal(gaps(c).n, 1);
		assert_int_equal(gaps(c).seqs, 3);
		assert_int_equal(gaps(c).last.reason, BL_GAP_LOST_AT_CENTRE);
	}
	reopen(c, STORE_OPENED);
	h.predecessor = lost;
	h.stream[0].next_seq = 3;
	begin(c);
	assert_int_equal(store_hello(c->s, spool(c), &h, need, &err), STORE_HELLO_OK);
	commit(c);
	must(store_read_unexplained(c->r, NULL, &n, &err), &err);
	assert_int_equal(n.gaps, 0);
	/* It comes after all, and has some of it. */
	c->spool = lost;
	assert_false(store_spool_closed(spool(c)));
	assert_int_equal(receipt(c).stream[2].contiguous, 0);
	assert_int_equal(receipt(c).stream[2].beyond.n, 0);
	h = hello_of(c, 6, 1);
	begin(c);
	assert_int_equal(store_hello(c->s, spool(c), &h, need, &err), STORE_HELLO_OK);
	assert_int_equal(put_minute(c, 2), STORE_NEW); /* seq 3 */
	commit(c);
	assert_int_equal(gaps(c).n, 2);
	assert_int_equal(gaps(c).seqs, 2);
	/* Its next life closes it as any other. */
	h = hello_of(c, 1, 1);
	h.predecessor = lost;
	h.spool = c->spool = mine;
	h.stream[0].next_seq = 3;
	begin(c);
	assert_int_equal(store_hello(c->s, spool(c), &h, need, &err), STORE_HELLO_OK);
	commit(c);
	c->spool = lost;
	assert_true(store_spool_closed(spool(c)));
}

/* ---- clock ---- */

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
		T(the_ledger_takes_what_is_said_of_a_spool_never_heard_of),
		T(what_came_before_its_clock_is_placed_by_it),
		T(a_later_step_moves_only_what_lies_beyond_it),
		T(clock_entries_count_without_holes_and_never_change),
		T(coverage_is_merged_only_within_two_minutes_of_arrival),
	};

	bl_log_level_set(BL_LOG_ERROR);
	return cmocka_run_group_tests_name("store contract", tests, NULL, NULL);
}
