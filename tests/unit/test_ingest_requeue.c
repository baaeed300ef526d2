/*
 * What was set aside, tried again: stored exactly once when it is understood now, kept
 * with what is wrong with it now when it is not, and never lost in between.
 */
#include "ingest_kit.h"

/* ---- the decoder of an older build: it does not understand such batches yet ---- */

static bool too_new;

int __real_bl_batch_verify(
    const struct bl_batch_header *h, const void *raw, size_t len, struct bl_err *err);
int __wrap_bl_batch_verify(
    const struct bl_batch_header *h, const void *raw, size_t len, struct bl_err *err);

/* The linker puts this in the decoder's place (--wrap). */
int
__wrap_bl_batch_verify(
    const struct bl_batch_header *h, const void *raw, size_t len, struct bl_err *err)
{
	if (too_new)
		return bl_fail(err, BL_ENEWER, "an encoding that this build does not know");
	return __real_bl_batch_verify(h, raw, len, err);
}

/* ---- */

static struct ingest_requeue_sums
requeue(struct ctx *c, const struct ingest_requeue *what)
{
	struct ingest_requeue_at at = { 0 };
	struct bl_err err = { 0 };

	for (unsigned slices = 0; !at.done; slices++) {
		assert_true(slices < 100);
		must(ingest_core_begin(c->core, &err), &err);
		must(ingest_core_requeue(c->core, what, &at, 2, &err), &err);
		must(ingest_core_commit(c->core, &err), &err);
	}
	assert_int_equal(
	    at.sums.tried, at.sums.taken + at.sums.kept + at.sums.expired + at.sums.later);
	return at.sums;
}

static struct ingest_requeue_sums
requeue_all(struct ctx *c)
{
	return requeue(c, &(struct ingest_requeue){ 0 });
}

static void
from(struct ctx *c, const char *device, uint64_t seq)
{
	make_batch(c, seq);
	take(c, topic_of(BL_TOPIC_LIVE, device), c->msg.data, c->msg.len, false);
}

struct rows {
	int n;
	struct store_aside_row last;
	char reason[32], detail[128];
	int64_t id[16];
};

static bool
see_row(void *ctx, const struct store_aside_row *a)
{
	struct rows *r = ctx;

	r->last = *a;
	(void)snprintf(r->reason, sizeof(r->reason), "%s", a->reason);
	(void)snprintf(r->detail, sizeof(r->detail), "%s", a->detail);
	r->id[r->n++ % 16] = a->id;
	return true;
}

static struct rows
rows(struct ctx *c)
{
	struct rows r = { 0 };
	struct bl_err err = { 0 };

	must(store_read_aside(c->r, NULL, 0, 1000, see_row, &r, &err), &err);
	assert_int_equal(totals(c).set_aside, r.n);
	return r;
}

static void
a_device_that_is_added_later_gets_its_batches(void **state)
{
	struct ctx *c = *state;
	struct ingest_requeue_sums s;

	for (uint64_t seq = 1; seq <= 3; seq++)
		from(c, "kiosk-3", seq);
	from(c, "kiosk-3", 2); /* offered again: nobody gave a receipt */
	assert_int_equal(rows(c).n, 3);
	s = requeue_all(c);
	assert_int_equal(s.tried, 3);
	assert_int_equal(s.kept, 3);
	assert_int_equal(rows(c).n, 3);
	c->added = "kiosk-3";
	ingest_core_devices_changed(c->core);
	s = requeue_all(c);
	assert_int_equal(s.taken, 3);
	assert_int_equal(rows(c).n, 0);
	assert_int_equal(totals(c).batches, 3);
	assert_int_equal(totals(c).requeued, 3);
	/* Again changes nothing, and what the agent still offers is a duplicate. */
	assert_int_equal(requeue_all(c).tried, 0);
	from(c, "kiosk-3", 2);
	assert_int_equal(totals(c).batches, 3);
	assert_int_equal(totals(c).duplicates, 1);
	pass(c, 1000);
	assert_int_equal(last_receipt(c, "kiosk-3").stream[2].contiguous, 3);
}

static void
a_part_that_was_wrong_and_is_right_now(void **state)
{
	struct ctx *c = *state;

	c->part = PART + 1;
	from(c, "kiosk-1", 1);
	assert_string_equal(rows(c).reason, "wrong_part");
	c->part = PART;
	ingest_core_devices_changed(c->core);
	assert_int_equal(requeue_all(c).taken, 1);
	assert_int_equal(totals(c).batches, 1);
	assert_int_equal(rows(c).n, 0);
}

static void
what_an_upgrade_understands_is_stored(void **state)
{
	struct ctx *c = *state;
	struct ingest_requeue_sums s;

	make_dict(c, 1, 2);
	take(c, topic_of(BL_TOPIC_LIVE, "kiosk-1"), c->msg.data, c->msg.len, false);
	make_clock(c, 1);
	take(c, topic_of(BL_TOPIC_LIVE, "kiosk-1"), c->msg.data, c->msg.len, false);
	too_new = true;
	for (uint64_t seq = 1; seq <= 3; seq++)
		from(c, "kiosk-1", seq);
	too_new = false;
	take_batch(c, 4);
	pass(c, 1000);
	assert_int_equal(last_receipt(c, "kiosk-1").stream[2].contiguous, 4);
	assert_int_equal(last_receipt(c, "kiosk-1").stream[2].aside.n, 1);
	make_batch(c, 5); /* and one that is bad in any build */
	c->msg.data[c->msg.len - 3] ^= 0x55;
	take(c, topic_of(BL_TOPIC_LIVE, "kiosk-1"), c->msg.data, c->msg.len, false);
	assert_int_equal(rows(c).n, 4);
	s = requeue_all(c);
	assert_int_equal(s.taken, 3);
	assert_int_equal(s.kept, 1);
	assert_int_equal(rows(c).n, 1);
	assert_true(rows(c).last.tried_unix_ms != STORE_TIME_NONE);
	assert_int_equal(totals(c).batches, 4);
	assert_int_equal(totals(c).unexplained.gaps, 0);
	pass(c, 1000);
	assert_int_equal(last_receipt(c, "kiosk-1").stream[2].contiguous, 5);
	assert_int_equal(last_receipt(c, "kiosk-1").stream[2].aside.r[0].first, 5);
}

/* Its samples stand for those of batches 1 and 2, of which the agent has only this ledger entry. */
static void
a_superseding_batch_supersedes_when_it_is_tried_again(void **state)
{
	struct ctx *c = *state;
	const struct fixture_batch b = { .spool = c->spool,
		.boot = c->boot,
		.stream = BL_STREAM_HOST,
		.seq = 3,
		.end_ms = 2 * MINUTE,
		.interval_ms = 10000,
		.n_series = 2,
		.lowest_held = 3,
		.supersedes_first = 1,
		.supersedes_last = 2,
		.thin_ms = 2 * MINUTE };
	const struct bl_gone gone = {
		.spool = c->spool, .n = 1, .gone = { { BL_STREAM_HOST, { 1, 2 }, BL_GAP_THINNED } }
	};
	struct bl_batch_header h;

	fixture_encode(&b, &c->msg, &h);
	too_new = true;
	take(c, topic_of(BL_TOPIC_LIVE, "kiosk-1"), c->msg.data, c->msg.len, false);
	too_new = false;
	assert_int_equal(rows(c).n, 1);
	bl_buf_reset(&c->msg);
	assert_int_equal(bl_gone_encode(&gone, &c->msg), BL_OK);
	take(c, topic_of(BL_TOPIC_HELLO, "kiosk-1"), c->msg.data, c->msg.len, false);
	assert_int_equal(totals(c).gaps_by[BL_GAP_THINNED - 1].batches, 2);
	assert_int_equal(requeue_all(c).taken, 1);
	assert_int_equal(totals(c).batches, 1);
	assert_int_equal(totals(c).samples, 2);
	from(c, "kiosk-1", 1); /* late, and out of date */
	assert_int_equal(totals(c).batches, 1);
	assert_int_equal(totals(c).unexplained.gaps, 0);
	assert_int_equal(totals(c).gaps_by[BL_GAP_THINNED - 1].batches, 2);
	pass(c, 1000);
	assert_int_equal(last_receipt(c, "kiosk-1").stream[2].contiguous, 3);
}

static void
what_is_still_bad_stays_with_what_is_wrong_now(void **state)
{
	struct ctx *c = *state;

	from(c, "kiosk-3", 1);
	assert_string_equal(rows(c).reason, "unknown_device");
	c->added = "kiosk-3";
	ingest_core_devices_changed(c->core);
	too_new = true;
	assert_int_equal(requeue_all(c).kept, 1);
	too_new = false;
	assert_string_equal(rows(c).reason, "undecodable");
	assert_string_equal(rows(c).detail, "an encoding that this build does not know");
	assert_int_equal(rows(c).n, 1);
	assert_int_equal(requeue_all(c).taken, 1);
	assert_int_equal(totals(c).batches, 1);
}

/* The agent was given a new spool since; its old one is closed. */
static void
a_batch_of_a_spool_that_was_closed_since_is_stored(void **state)
{
	struct ctx *c = *state;
	struct bl_hello h;
	struct ingest_requeue_sums s;

	take_batch(c, 1);
	too_new = true;
	from(c, "kiosk-1", 2);
	too_new = false;
	take_batch(c, 3);
	h = hello(c, "kiosk-1", 1);
	h.predecessor = c->spool;
	h.spool = fixture_id(0x22);
	take_hello(c, "kiosk-1", &h);
	/* Somebody goes on with the old one: another content under 2, and 4. */
	from(c, "kiosk-1", 4);
	assert_string_equal(rows(c).reason, "undecodable"); /* the oldest is listed last */
	assert_int_equal(rows(c).n, 2);
	s = requeue_all(c);
	assert_int_equal(s.taken, 1);
	assert_int_equal(s.kept, 1);
	assert_int_equal(totals(c).batches, 3);
	assert_string_equal(rows(c).reason, "conflict");
	assert_int_equal(requeue_all(c).kept, 1);
	assert_int_equal(totals(c).batches, 3);
}

static void
what_spoke_of_its_moment_has_expired(void **state)
{
	struct ctx *c = *state;
	struct bl_hello h = hello(c, "kiosk-3", 9);
	struct ingest_requeue_sums s;

	take_hello(c, "kiosk-3", &h);
	make_dict(c, 1, 2);
	take(c, topic_of(BL_TOPIC_LIVE, "kiosk-3"), c->msg.data, c->msg.len, false);
	take(c, topic_of(BL_TOPIC_PRESENCE, "kiosk-3"), "rubbish", 7, true);
	c->added = "kiosk-3";
	ingest_core_devices_changed(c->core);
	c->n_sent = 0;
	s = requeue_all(c);
	assert_int_equal(s.expired, 1);
	assert_int_equal(s.taken, 1);
	assert_int_equal(s.kept, 1); /* rubbish stays rubbish */
	assert_int_equal(rows(c).n, 1);
	assert_string_equal(rows(c).reason, "undecodable");
	assert_int_equal(totals(c).requeued, 1);
	pass(c, 1000);
	for (size_t i = 0; i < c->n_sent; i++) { /* no answer to a hello of long ago */
		struct bl_receipt r;
		struct bl_err err = { 0 };

		must(bl_receipt_decode(c->sent[i].payload, c->sent[i].len, &r, &err), &err);
		assert_false(r.is_answer);
	}
}

static void
only_what_is_meant_is_tried(void **state)
{
	struct ctx *c = *state;
	struct ingest_requeue what = { .n_ids = 2 };
	struct rows all;

	too_new = true;
	for (uint64_t seq = 1; seq <= 4; seq++)
		from(c, "kiosk-1", seq);
	too_new = false;
	from(c, "kiosk-3", 5);
	all = rows(c); /* newest first */
	assert_int_equal(all.n, 5);
	what.id[0] = all.id[4];
	what.id[1] = all.id[2];
	assert_int_equal(requeue(c, &what).taken, 2);
	assert_int_equal(requeue(c, &what).tried, 0); /* they are gone */
	what = (struct ingest_requeue){ .device = "kiosk-2" };
	assert_int_equal(requeue(c, &what).tried, 0);
	what = (struct ingest_requeue){ .reason = STORE_ASIDE_UNKNOWN_DEVICE };
	assert_int_equal(requeue(c, &what).kept, 1);
	what = (struct ingest_requeue){ .reason = STORE_ASIDE_UNDECODABLE, .device = "kiosk-1" };
	assert_int_equal(requeue(c, &what).taken, 2);
	assert_int_equal(rows(c).n, 1);
	assert_int_equal(totals(c).batches, 4);
}

static void
what_cannot_be_told_now_stays_as_it_is(void **state)
{
	struct ctx *c = *state;

	from(c, "kiosk-3", 1);
	c->added = "kiosk-3";
	ingest_core_devices_changed(c->core);
	c->lookup_fails = true;
	assert_int_equal(requeue_all(c).later, 1);
	assert_string_equal(rows(c).reason, "unknown_device");
	c->lookup_fails = false;
	assert_int_equal(requeue_all(c).taken, 1);
}

static void
reopen_as_after_a_crash(struct ctx *c)
{
	const struct store_opts opts = { .path = c->path, .clock = &c->clock.clock };
	struct bl_err err = { 0 };

	ingest_core_free(c->core);
	store_close(c->s); /* what was not committed is gone */
	must(store_open(&c->s, &opts, &err), &err);
	start_core(c);
}

static void
a_crash_in_between_loses_and_doubles_nothing(void **state)
{
	struct ctx *c = *state;
	const struct ingest_requeue what = { 0 };
	struct ingest_requeue_at at;
	struct bl_err err = { 0 };

	for (uint64_t seq = 1; seq <= 4; seq++)
		from(c, "kiosk-3", seq);
	c->added = "kiosk-3";
	ingest_core_devices_changed(c->core);
	for (unsigned slice = 0; slice <= 4; slice++) {
		/* Dies before the commit of a slice. */
		memset(&at, 0, sizeof(at));
		must(ingest_core_begin(c->core, &err), &err);
		must(ingest_core_requeue(c->core, &what, &at, slice, &err), &err);
		reopen_as_after_a_crash(c);
		assert_int_equal(rows(c).n + (int)totals(c).batches, 4);
		/* And after it: one more is in. */
		memset(&at, 0, sizeof(at));
		must(ingest_core_begin(c->core, &err), &err);
		must(ingest_core_requeue(c->core, &what, &at, 1, &err), &err);
		must(ingest_core_commit(c->core, &err), &err);
		reopen_as_after_a_crash(c);
		assert_int_equal(rows(c).n + (int)totals(c).batches, 4);
		assert_int_equal(totals(c).batches, slice < 4 ? slice + 1 : 4);
		assert_int_equal(totals(c).requeued, totals(c).batches);
	}
	assert_int_equal(rows(c).n, 0);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_device_that_is_added_later_gets_its_batches),
		T(a_part_that_was_wrong_and_is_right_now),
		T(what_an_upgrade_understands_is_stored),
		T(a_superseding_batch_supersedes_when_it_is_tried_again),
		T(what_is_still_bad_stays_with_what_is_wrong_now),
		T(a_batch_of_a_spool_that_was_closed_since_is_stored),
		T(what_spoke_of_its_moment_has_expired),
		T(only_what_is_meant_is_tried),
		T(what_cannot_be_told_now_stays_as_it_is),
		T(a_crash_in_between_loses_and_doubles_nothing),
	};

	bl_log_level_set(BL_LOG_ERROR);
	return cmocka_run_group_tests_name("ingest: tried again", tests, NULL, NULL);
}
