/*
 * What the spool says of what it does not have: a reason where it knows one, and
 * "vanished" where somebody's hand was quicker.
 */
#include "spool_kit.h"

#include <sqlite3.h>

static void
by_hand(const struct kit *k, const char *sql, int changes)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(k->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	if (changes > 0)
		assert_int_equal(sqlite3_changes(db), changes);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

#define HOST_ROW "((1<<50)+(3<<48)+%d)"

static void
delete_batch(const struct kit *k, int seq)
{
	char sql[96];

	(void)snprintf(sql, sizeof(sql), "DELETE FROM batch WHERE id=" HOST_ROW, seq);
	by_hand(k, sql, 1);
}

static struct spool_status
status(struct kit *k)
{
	struct bl_err err = { 0 };
	struct spool_status st;

	assert_int_equal(spool_status(k->s, &st, &err), BL_OK);
	return st;
}

static void
batches(struct kit *k, int n)
{
	for (int i = 0; i < n; i++) {
		kit_tick(k, BL_STREAM_HOST);
		kit_cut_all(k);
	}
}

/* The centre asks about host batches first..last. */
static struct bl_gone
ask(struct kit *k, uint64_t first, uint64_t last)
{
	struct bl_question q = { .spool = status(k).spool };
	struct bl_err err = { 0 };
	struct bl_gone gone;

	assert_true(bl_ranges_add(&q.need[2], first, last));
	assert_int_equal(spool_on_question(k->s, &q, &gone, &err), SPOOL_ANSWER_OK);
	return gone;
}

static void
assert_gone(const struct bl_gone *g, uint32_t i, uint64_t first, uint64_t last, int reason)
{
	assert_true(i < g->n);
	assert_int_equal(g->gone[i].stream, BL_STREAM_HOST);
	assert_int_equal(g->gone[i].range.first, first);
	assert_int_equal(g->gone[i].range.last, last);
	assert_int_equal(g->gone[i].reason, reason);
}

static void
trim_all(struct kit *k)
{
	struct bl_err err = { 0 };
	bool more = true;

	while (more)
		assert_int_equal(spool_trim(k->s, &more, &err), BL_OK);
}

static void
a_deleted_batch_has_vanished_and_a_trimmed_one_was_lost_at_the_centre(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct bl_gone g;

	kit_open(k, SPOOL_CREATED);
	batches(k, 6);
	centre_drain(c, k);
	kit_pass(&k->time, 74 * 3600000);
	trim_all(k); /* all six had their receipt */
	batches(k, 6);
	delete_batch(k, 8);
	delete_batch(k, 10);
	delete_batch(k, 11);
	g = ask(k, 1, 12);
	assert_int_equal(g.n, 3);
	assert_gone(&g, 0, 1, 6, BL_GAP_LOST_AT_CENTRE);
	assert_gone(&g, 1, 8, 8, BL_GAP_VANISHED);
	assert_gone(&g, 2, 10, 11, BL_GAP_VANISHED);
	/* The counters say what is there. */
	assert_int_equal(status(k).stream[2].held_batches, 3);
	assert_int_equal(status(k).stream[2].waiting_batches, 3);
	/* The same after a restart: what was trimmed is remembered, what vanished is not excused.
	 */
	kit_close(k);
	kit_open(k, SPOOL_OPENED);
	g = ask(k, 1, 12);
	assert_int_equal(g.n, 3);
	assert_gone(&g, 0, 1, 6, BL_GAP_LOST_AT_CENTRE);
	assert_gone(&g, 2, 10, 11, BL_GAP_VANISHED);
	free(c);
}

static void
a_receipted_row_that_was_deleted_is_no_excuse_either(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct bl_gone g;

	kit_open(k, SPOOL_CREATED);
	batches(k, 4);
	centre_drain(c, k);
	delete_batch(k, 2); /* receipted, but nobody trimmed it */
	g = ask(k, 1, 4);
	assert_int_equal(g.n, 1);
	assert_gone(&g, 0, 2, 2, BL_GAP_VANISHED);
	assert_int_equal(status(k).stream[2].waiting_batches, 3); /* due again */
	free(c);
}

static void
a_file_of_before_counts_what_was_receipted_in_one_piece_as_trimmed(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct bl_gone g;

	kit_open(k, SPOOL_CREATED);
	batches(k, 4);
	centre_drain(c, k);
	kit_pass(&k->time, 74 * 3600000);
	trim_all(k);
	batches(k, 2);
	kit_close(k);
	delete_batch(k, 5);
	by_hand(k, /* as the first schema was */
	    "DROP TABLE trimmed; ALTER TABLE state DROP COLUMN seal;"
	    "ALTER TABLE state DROP COLUMN layout; ALTER TABLE spool_gen DROP COLUMN aside;"
	    "ALTER TABLE spool_gen DROP COLUMN page; ALTER TABLE spool_gen DROP COLUMN end_boot;"
	    "ALTER TABLE spool_gen DROP COLUMN end_ms; PRAGMA user_version=1",
	    0);
	kit_open(k, SPOOL_OPENED);
	g = ask(k, 1, 6);
	assert_int_equal(g.n, 2);
	assert_gone(&g, 0, 1, 4, BL_GAP_LOST_AT_CENTRE);
	assert_gone(&g, 1, 5, 5, BL_GAP_VANISHED);
	free(c);
}

/* The lowest that a batch names is the lowest without a receipt: what lies below must be there. */
static void
a_batch_names_the_lowest_without_a_receipt(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	const struct bl_batch_header *last;

	kit_open(k, SPOOL_CREATED);
	batches(k, 3);
	centre_drain(c, k);
	assert_int_equal(status(k).stream[2].lowest_held, 1); /* kept for 72 h */
	batches(k, 1);
	centre_drain(c, k);
	last = &c->batch[c->n - 1].h;
	assert_int_equal(last->seq, 4);
	assert_int_equal(last->lowest_held, 4);
	free(c);
}

static void
accepted_rows_that_vanish_before_the_cut_are_told(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);

	kit_open(k, SPOOL_CREATED);
	for (int i = 0; i < 3; i++)
		kit_tick(k, BL_STREAM_HOST);
	kit_commit(k);
	by_hand(k, "DELETE FROM open WHERE n=(SELECT min(n) FROM open WHERE stream=3)", 1);
	kit_cut_all(k);
	assert_int_equal(status(k).stream[2].open_samples, 0);
	kit_cut_all(k); /* the batch of events that tells */
	kit_pass(&k->time, 1000);
	kit_cut_all(k);
	centre_drain(c, k);
	assert_int_equal(centre_lost(c, BL_STREAM_HOST, BL_GAP_VANISHED), KIT_SERIES);
	assert_int_equal(centre_lost(c, BL_STREAM_HOST, 0), KIT_SERIES);
	free(c);
}

/* Entries of the ledger that were in it are told by another batch. */
static void
what_a_vanished_batch_had_told_is_told_again(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct bl_question q = { 0 };
	struct bl_err err = { 0 };
	struct bl_gone gone;

	kit_open(k, SPOOL_CREATED);
	batches(k, 1);
	kit_close(k);
	kit_open(k, SPOOL_OPENED);
	kit_commit(k);
	kit_pass(&k->time, 1000);
	kit_cut_all(k); /* the batch of events with the three entries "off" */
	q.spool = status(k).spool;
	assert_true(status(k).stream[0].next_seq > 1);
	assert_true(bl_ranges_add(&q.need[0], 1, status(k).stream[0].next_seq - 1));
	by_hand(k, "DELETE FROM batch WHERE (id>>48)&3=1 AND gaps>0", 1);
	assert_int_equal(spool_on_question(k->s, &q, &gone, &err), SPOOL_ANSWER_OK);
	assert_int_equal(gone.n, 1);
	assert_int_equal(gone.gone[0].reason, BL_GAP_VANISHED);
	kit_pass(&k->time, 1000);
	kit_cut_all(k);
	centre_drain(c, k);
	assert_int_equal(c->n_gaps, 3);
	for (unsigned i = 0; i < c->n_gaps; i++)
		assert_int_equal(c->gap[i].reason, BL_GAP_OFF);
	free(c);
}

/* A store that was set back has lost the batch and all that it told; nobody has the batch, the entries are here. */
static void
what_a_trimmed_batch_had_told_is_told_again(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct bl_question q = { 0 };
	struct bl_err err = { 0 };
	struct bl_gone gone;

	kit_open(k, SPOOL_CREATED);
	batches(k, 1);
	kit_close(k);
	kit_open(k, SPOOL_OPENED);
	kit_commit(k);
	kit_pass(&k->time, 1000);
	kit_cut_all(k);
	centre_drain(c, k);
	assert_int_equal(c->n_gaps, 3);
	kit_pass(&k->time, 74 * 3600000);
	trim_all(k);
	q.spool = status(k).spool;
	assert_true(bl_ranges_add(&q.need[0], 1, status(k).stream[0].next_seq - 1));
	for (int i = 0; i < 2; i++) { /* asked twice, told once */
		assert_int_equal(spool_on_question(k->s, &q, &gone, &err), SPOOL_ANSWER_OK);
		assert_int_equal(gone.n, 1);
		assert_int_equal(gone.gone[0].reason, BL_GAP_LOST_AT_CENTRE);
		kit_pass(&k->time, 1000);
		kit_cut_all(k);
		centre_drain(c, k);
		assert_int_equal(c->n_gaps, 6);
	}
	for (unsigned i = 3; i < c->n_gaps; i++)
		assert_int_equal(c->gap[i].reason, BL_GAP_OFF);
	free(c);
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_deleted_batch_has_vanished_and_a_trimmed_one_was_lost_at_the_centre),
		CASE(a_receipted_row_that_was_deleted_is_no_excuse_either),
		CASE(a_file_of_before_counts_what_was_receipted_in_one_piece_as_trimmed),
		CASE(a_batch_names_the_lowest_without_a_receipt),
		CASE(accepted_rows_that_vanish_before_the_cut_are_told),
		CASE(what_a_vanished_batch_had_told_is_told_again),
		CASE(what_a_trimmed_batch_had_told_is_told_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
