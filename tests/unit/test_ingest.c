/*
 * What ingest promises, with a fake link: whatever comes on whatever topic is
 * taken in once or set aside once; nothing loops; nothing is receipted before
 * it is committed.
 */
#include "ingest_kit.h"

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
	assert_int_equal(r.takes, BL_MSG_PACK);
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
	struct store_unexplained n;
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
	assert_int_equal(n.gaps, 0);
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
	/* The other one has had none for so long that it has no backlog any more. */
	pass(c, 40000);
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
	/* It goes to every agent: not again while it says the same. */
	assert_false(ingest_core_centre_stale(c->core));
	c->clock.mono_ms += 59 * 60000;
	assert_false(ingest_core_centre_stale(c->core));
	c->clock.mono_ms += 60000;
	assert_true(ingest_core_centre_stale(c->core));
	/* Another run of the collector is another start: agents say hello. */
	ingest_core_free(c->core);
	start_core(c);
	assert_true(ingest_core_centre(c->core));
	must(bl_centre_decode(c->sent[1].payload, c->sent[1].len, &again, &err), &err);
	assert_memory_not_equal(m.start.b, again.start.b, BL_ID_BYTES);
	assert_memory_equal(m.epoch.b, again.epoch.b, BL_ID_BYTES);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
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
	};

	bl_log_level_set(BL_LOG_ERROR);
	return cmocka_run_group_tests_name("ingest", tests, NULL, NULL);
}
