/* What a restored centre or a file that was put back makes of a spool's ids, former ones too. */
#include "spool_handshake_kit.h"

static void
a_restored_centre_gets_everything_again(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k), *backup = malloc(sizeof(*backup));
	struct bl_err err = { 0 };
	struct bl_receipt r;
	bool hello = false;

	assert_non_null(backup);
	kit_open(k, SPOOL_CREATED);
	ticks(k, 5);
	kit_cut_all(k);
	centre_drain(c, k);
	memcpy(backup, c, sizeof(*c)); /* the nightly backup */
	for (int i = 0; i < 4; i++) {
		ticks(k, 5);
		kit_cut_all(k);
	}
	centre_drain(c, k);
	assert_int_equal(status(k).stream[2].waiting_batches, 0);
	/* The disk of the centre dies; yesterday's store comes back under a new epoch. */
	memcpy(c, backup, sizeof(*c));
	c->epoch = bl_id_random(&k->time.clock);
	centre_receipt(c, (struct bl_id[]){ status(k).spool }, false, &r);
	assert_int_equal(spool_on_receipt(k->s, &r, &hello, &err), SPOOL_ANSWER_OK);
	assert_true(hello); /* a receipt of another epoch: say hello */
	ticks(k, 5);
	kit_cut_all(k);
	centre_drain(c, k);
	centre_assert_exact(c, BL_STREAM_HOST, 30);
	assert_int_equal(c->conflicts, 0);
	free(backup);
	free(c);
}

/*
 * Yesterday's copy of the file comes back.  What was cut or delivered after it
 * was taken is not doubled, what is appended after it came back is not lost,
 * whatever the seqs say.
 */
static void
a_file_that_was_put_back_begins_anew(void **state)
{
	static const struct {
		const char *name;
		int open_before;   /* ticks open in the copy */
		int cuts_after;    /* of the original, delivered */
		int cuts_restored; /* by the copy, before it meets the centre */
		int restarts;      /* among them */
	} rows[] = {
		{ "met at once", 0, 3, 0, 0 },
		{ "with an open span", 5, 3, 0, 0 },
		{ "fewer cuts than the original", 5, 4, 1, 0 },
		{ "as many cuts as the original", 5, 3, 3, 0 },
		{ "more cuts than the original", 5, 2, 6, 0 },
		{ "several runs before it meets the centre", 5, 4, 3, 2 },
	};

	for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
		char copy[128];
		struct bl_id old;
		struct centre *c;
		struct kit *k;
		int64_t delivered;

		assert_int_equal(kit_setup((void **)&k), 0);
		c = centre_new(k);
		(void)snprintf(copy, sizeof(copy), "%s/yesterday", k->dir);
		kit_open(k, SPOOL_CREATED);
		ticks(k, 5);
		kit_cut_all(k);
		centre_drain(c, k);
		for (int i = 0; i < rows[row].open_before; i++)
			ticks(k, 1);
		kit_copy_spool(k, copy);
		/* The original goes on and delivers. */
		for (int i = 0; i < rows[row].cuts_after; i++) {
			ticks(k, 3);
			kit_cut_all(k);
		}
		centre_drain(c, k);
		delivered = k->appended[2];
		centre_assert_exact(c, BL_STREAM_HOST, delivered);
		old = status(k).spool;
		kit_close(k);
		/* The copy comes back, on another boot, and runs on alone for a while. */
		kit_restore_spool(k, copy);
		kit_pass(&k->time, 3600000);
		kit_reboot(k);
		kit_open(k, SPOOL_OPENED);
		for (int i = 0; i < rows[row].cuts_restored; i++) {
			ticks(k, 2);
			kit_cut_all(k);
			if (i < rows[row].restarts) {
				kit_crash(k);
				kit_reboot(k);
				kit_open(k, SPOOL_OPENED);
			}
		}
		ticks(k, 2);
		centre_handshake(c, k);
		if (bl_id_equal((struct bl_id[]){ status(k).spool }, &old))
			fail_msg("%s: the roll-back was not seen", rows[row].name);
		assert_true(bl_id_equal((struct bl_id[]){ status(k).predecessor }, &old));
		kit_cut_all(k);
		centre_drain(c, k);
		centre_assert_exact(c, BL_STREAM_HOST, k->appended[2]);
		assert_int_equal(c->conflicts, 0);
		assert_int_equal(status(k).stream[2].waiting_batches, 0);
		/* And it stays so. */
		kit_crash(k);
		kit_open(k, SPOOL_OPENED);
		ticks(k, 2);
		kit_cut_all(k);
		centre_drain(c, k);
		centre_assert_exact(c, BL_STREAM_HOST, k->appended[2]);
		free(c);
		kit_teardown((void **)&k);
	}
	(void)state;
}

/*
 * A copy of an id that was given up since, and that holds more than the centre heard of it:
 * seqs tell no roll-back, the refusal does, by what it has.  One that has nothing is about
 * somebody else's spool.
 */
static void
a_copy_of_a_closed_spool_goes_on_under_a_new_id(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct bl_err err = { 0 };
	struct bl_receipt r;
	struct bl_hello h;
	struct bl_id old;

	kit_open(k, SPOOL_CREATED);
	for (int i = 0; i < 3; i++) {
		ticks(k, 2);
		kit_cut_all(k);
	}
	centre_drain(c, k);
	for (int i = 0; i < 2; i++) {
		ticks(k, 2);
		kit_cut_all(k);
	}
	ticks(k, 1);
	kit_commit(k);
	old = status(k).spool;
	memset(&r, 0, sizeof(r));
	r.is_answer = true;
	r.spool = old;
	r.verdict = BL_VERDICT_CONFLICT;
	assert_int_equal(spool_on_answer(k->s, &r, &err), SPOOL_ANSWER_OTHER);
	assert_true(bl_id_equal((struct bl_id[]){ status(k).spool }, &old));
	centre_receipt(c, &old, true, &r);
	r.verdict = BL_VERDICT_CONFLICT;
	assert_int_equal(spool_on_answer(k->s, &r, &err), SPOOL_ANSWER_ROLLED_BACK);
	assert_int_equal(spool_hello(k->s, &h, &err), BL_OK);
	assert_false(bl_id_equal(&h.spool, &old));
	assert_true(bl_id_equal(&h.predecessor, &old));
	kit_cut_all(k);
	centre_drain(c, k);
	centre_assert_exact(c, BL_STREAM_HOST, k->appended[2]);
	assert_int_equal(c->conflicts, 0);
	free(c);
}

/*
 * What a former id delivered stays as long as other batches, and comes under the id of now when
 * the centre is set back to before it; what was trimmed meanwhile is named.  The centre may know
 * that it was set back (another epoch) or not: then it says less than it had.
 */
static void
a_restored_centre_gets_what_former_ids_delivered(void **state)
{
	static const struct {
		const char *name;
		bool other_epoch, trimmed;
	} rows[] = {
		{ "another epoch", true, false },
		{ "the same epoch", false, false },
		{ "another epoch, trimmed", true, true },
		{ "the same epoch, trimmed", false, true },
	};

	for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
		struct centre *c, *backup = malloc(sizeof(*backup));
		const bool trimmed = rows[row].trimmed;
		struct bl_err err = { 0 };
		bool more = true, named = false;
		struct bl_id old;
		char copy[128];
		struct kit *k;

		assert_non_null(backup);
		assert_int_equal(kit_setup((void **)&k), 0);
		c = centre_new(k);
		(void)snprintf(copy, sizeof(copy), "%s/copy", k->dir);
		kit_open(k, SPOOL_CREATED);
		ticks(k, 5);
		kit_cut_all(k);
		centre_drain(c, k);
		memcpy(backup, c, sizeof(*c));
		for (int i = 0; i < 4; i++) {
			ticks(k, 5);
			kit_cut_all(k);
		}
		centre_drain(c, k);
		old = status(k).spool;
		kit_copy_spool(k, copy);
		/* One cut more, of nothing, so that the copy is seen to be one. */
		kit_pass(&k->time, 60000);
		kit_cut_all(k);
		centre_drain(c, k);
		kit_crash(k);
		kit_restore_spool(k, copy);
		kit_open(k, SPOOL_OPENED);
		ticks(k, 5);
		kit_cut_all(k);
		centre_drain(c, k);
		assert_false(bl_id_equal((struct bl_id[]){ status(k).spool }, &old));
		kit_pass(&k->time, (trimmed ? 73 : 71) * INT64_C(3600000));
		while (more)
			assert_int_equal(spool_trim(k->s, &more, &err), BL_OK);
		if (trimmed != (status(k).stream[2].held_batches == 0))
			fail_msg("%s: %llu are held", rows[row].name,
			    (unsigned long long)status(k).stream[2].held_batches);
		memcpy(c, backup, sizeof(*c));
		if (rows[row].other_epoch)
			c->epoch = bl_id_random(&k->time.clock);
		centre_handshake(c, k);
		for (more = true; more;)
			assert_int_equal(spool_trim(k->s, &more, &err), BL_OK);
		kit_cut_all(k);
		centre_drain(c, k);
		if (!trimmed)
			centre_assert_exact(c, BL_STREAM_HOST, k->appended[2]);
		for (unsigned i = 0; i < c->n_gaps; i++)
			named = named || (bl_id_equal(&c->gap[i].spool, &old) &&
					     c->gap[i].stream == BL_STREAM_HOST &&
					     c->gap[i].reason == (trimmed ? BL_GAP_LOST_AT_CENTRE
									  : BL_GAP_ROLLED_BACK) &&
					     c->gap[i].seq_first <= 2 && c->gap[i].seq_last >= 5);
		if (!named)
			fail_msg("%s: the old id's seqs are not named", rows[row].name);
		assert_int_equal(c->conflicts, 0);
		assert_int_equal(status(k).stream[2].waiting_batches, 0);
		free(backup);
		free(c);
		kit_teardown((void **)&k);
	}
	(void)state;
}

/*
 * What the original cut after the copy was made lies at the centre alone.  When its store is lost,
 * too, nobody can send that again: the copy names it, for it was told of those seqs.
 */
static void
what_only_the_centre_had_is_named_when_it_is_lost(void **state)
{
	static const struct {
		const char *name;
		bool other_epoch;
	} rows[] = { { "another epoch", true }, { "the same epoch", false } };

	for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
		struct centre *c, *backup = malloc(sizeof(*backup));
		uint64_t copied, delivered;
		struct bl_err err = { 0 };
		bool named = false;
		struct bl_id old;
		char copy[128];
		struct kit *k;

		assert_non_null(backup);
		assert_int_equal(kit_setup((void **)&k), 0);
		c = centre_new(k);
		(void)snprintf(copy, sizeof(copy), "%s/copy", k->dir);
		kit_open(k, SPOOL_CREATED);
		ticks(k, 5);
		kit_cut_all(k);
		centre_drain(c, k);
		memcpy(backup, c, sizeof(*c));
		kit_copy_spool(k, copy);
		copied = status(k).stream[2].next_seq;
		for (int i = 0; i < 3; i++) {
			ticks(k, 5);
			kit_cut_all(k);
		}
		centre_drain(c, k);
		old = status(k).spool;
		delivered = status(k).stream[2].next_seq;
		assert_true(delivered == copied + 3);
		kit_crash(k);
		kit_restore_spool(k, copy);
		kit_open(k, SPOOL_OPENED);
		ticks(k, 5);
		kit_cut_all(k);
		centre_drain(c, k);
		assert_false(bl_id_equal((struct bl_id[]){ status(k).spool }, &old));
		memcpy(c, backup, sizeof(*c));
		if (rows[row].other_epoch)
			c->epoch = bl_id_random(&k->time.clock);
		centre_handshake(c, k);
		for (bool more = true; more;)
			assert_int_equal(spool_trim(k->s, &more, &err), BL_OK);
		ticks(k, 2);
		kit_cut_all(k);
		centre_drain(c, k);
		for (unsigned i = 0; i < c->n_gaps; i++)
			named = named || (bl_id_equal(&c->gap[i].spool, &old) &&
					     c->gap[i].stream == BL_STREAM_HOST &&
					     c->gap[i].reason == BL_GAP_LOST_AT_CENTRE &&
					     c->gap[i].seq_first <= copied &&
					     c->gap[i].seq_last == delivered - 1);
		if (!named)
			fail_msg("%s: what only the centre had is not named", rows[row].name);
		assert_int_equal(c->conflicts, 0);
		free(backup);
		free(c);
		kit_teardown((void **)&k);
	}
	(void)state;
}

/* A question about a former id: what is held of it is cut again. */
static void
a_question_about_a_former_id_brings_what_is_held(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct bl_err err = { 0 };
	struct bl_question q = { 0 };
	struct bl_gone gone;
	struct bl_receipt r;
	bool more = true;

	kit_open(k, SPOOL_CREATED);
	for (int i = 0; i < 3; i++) {
		ticks(k, 2);
		kit_cut_all(k);
	}
	centre_drain(c, k);
	q.spool = status(k).spool;
	centre_receipt(c, &q.spool, true, &r);
	r.stream[2].contiguous = 7; /* another life's */
	assert_int_equal(spool_on_answer(k->s, &r, &err), SPOOL_ANSWER_ROLLED_BACK);
	assert_int_equal(status(k).stream[2].waiting_batches, 0);
	assert_true(bl_ranges_add(&q.need[2], 2, 2));
	assert_int_equal(spool_on_question(k->s, &q, &gone, &err), SPOOL_ANSWER_OK);
	assert_int_equal(gone.n, 1);
	assert_int_equal(gone.gone[0].range.first, 2);
	assert_int_equal(gone.gone[0].range.last, 2);
	assert_int_equal(gone.gone[0].reason, BL_GAP_ROLLED_BACK);
	assert_int_equal(status(k).stream[2].waiting_batches, 1);
	while (more)
		assert_int_equal(spool_trim(k->s, &more, &err), BL_OK);
	assert_int_equal(status(k).stream[2].next_seq, 2);
	free(c);
}

static void
seqs_begin_at_one_after_a_roll_back(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct bl_err err = { 0 };
	struct bl_receipt r;
	struct bl_hello h;
	struct bl_id old;

	kit_open(k, SPOOL_CREATED);
	for (int i = 0; i < 5; i++) {
		ticks(k, 2);
		kit_cut_all(k);
	}
	old = status(k).spool;
	centre_receipt(c, &old, true, &r);
	r.stream[2].contiguous = 2;
	assert_true(bl_ranges_add(&r.stream[2].beyond, 9, 12));
	assert_int_equal(spool_on_answer(k->s, &r, &err), SPOOL_ANSWER_ROLLED_BACK);
	assert_int_equal(spool_hello(k->s, &h, &err), BL_OK);
	assert_false(bl_id_equal(&h.spool, &old));
	assert_true(bl_id_equal(&h.predecessor, &old));
	/* Never offered and of the run since the last answer: new data, all five. */
	assert_int_equal(h.stream[2].next_seq, 6);
	assert_int_equal(h.stream[2].lowest_held, 1);
	assert_int_equal(h.stream[2].held.r[0].last, 5);
	/* The old id's seqs are named: 3..8, and 1..5 as moved. */
	kit_pass(&k->time, 1000);
	kit_cut_all(k);
	centre_drain(c, k);
	for (uint64_t seq = 3; seq <= 8; seq++) {
		bool named = false;

		for (unsigned i = 0; i < c->n_gaps; i++)
			named =
			    named || (bl_id_equal(&c->gap[i].spool, &old) &&
					 c->gap[i].stream == BL_STREAM_HOST &&
					 c->gap[i].reason == BL_GAP_ROLLED_BACK &&
					 c->gap[i].seq_first <= seq && seq <= c->gap[i].seq_last);
		assert_true(named);
	}
	centre_assert_exact(c, BL_STREAM_HOST, 10);
	free(c);
}

/* The centre calls the old id's batches unexplained until then, and can ask nobody. */
static void
what_a_roll_back_names_is_told_within_seconds(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct bl_err err = { 0 };
	struct bl_receipt r;
	struct bl_id old;
	unsigned cut;
	int64_t next;

	kit_open(k, SPOOL_CREATED);
	ticks(k, 2);
	kit_cut_all(k);
	old = status(k).spool;
	centre_receipt(c, &old, true, &r);
	r.stream[2].contiguous = 7;
	kit_pass(&k->time, 1000);
	assert_int_equal(spool_cut_due(k->s, true, &cut, &next, &err), BL_OK);
	assert_int_equal(spool_on_answer(k->s, &r, &err), SPOOL_ANSWER_ROLLED_BACK);
	kit_pass(&k->time, 4000);
	assert_int_equal(spool_cut_due(k->s, true, &cut, &next, &err), BL_OK);
	assert_int_equal(cut, 0);
	assert_in_range(next, 1, 1000);
	kit_pass(&k->time, 1000);
	assert_int_equal(spool_cut_due(k->s, true, &cut, &next, &err), BL_OK);
	assert_int_equal(cut, 1); /* the events stream alone */
	centre_drain(c, k);
	assert_true(c->n_gaps > 0);
	free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)
		T(a_restored_centre_gets_everything_again),
		cmocka_unit_test(a_file_that_was_put_back_begins_anew),
		cmocka_unit_test(a_restored_centre_gets_what_former_ids_delivered),
		cmocka_unit_test(what_only_the_centre_had_is_named_when_it_is_lost),
		T(a_question_about_a_former_id_brings_what_is_held),
		T(a_copy_of_a_closed_spool_goes_on_under_a_new_id),
		T(seqs_begin_at_one_after_a_roll_back),
		T(what_a_roll_back_names_is_told_within_seconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
