/* Hello, answer, receipts, questions, order; former ids: test_spool_former.c. */
#include "spool_handshake_kit.h"

static void
hello_tells_what_is_held(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct bl_err err = { 0 };
	struct bl_hello h;

	kit_open(k, SPOOL_CREATED);
	assert_int_equal(spool_hello(k->s, &h, &err), BL_OK);
	assert_int_equal(h.stream[2].next_seq, 1);
	assert_int_equal(h.stream[2].lowest_held, 1);
	assert_int_equal(h.stream[2].held.n, 0);
	for (int i = 0; i < 3; i++) {
		ticks(k, 5);
		kit_cut_all(k);
	}
	assert_int_equal(spool_hello(k->s, &h, &err), BL_OK);
	assert_string_equal(h.device, "till-1");
	assert_string_equal(h.software, "0.1.0");
	assert_int_equal(h.stream[2].next_seq, 4);
	assert_int_equal(h.stream[2].lowest_held, 1);
	assert_int_equal(h.stream[2].held.n, 1);
	assert_int_equal(h.stream[2].held.r[0].first, 1);
	assert_int_equal(h.stream[2].held.r[0].last, 3);
	assert_int_equal(h.dict_version, BL_STREAMS * KIT_SERIES);
	free(c);
}

/* Which batches wait after an answer, whatever was receipted before. */
static void
an_answer_settles_exactly_what_it_names(void **state)
{
	static const struct {
		const char *name;
		uint64_t contiguous, beyond_first, beyond_last, aside_first, aside_last;
		uint64_t waiting;
	} rows[] = {
		{ "nothing", 0, 0, 0, 0, 0, 10 },
		{ "a beginning", 4, 0, 0, 0, 0, 6 },
		{ "and a range", 4, 6, 8, 0, 0, 3 },
		{ "and one set aside", 4, 6, 8, 10, 10, 2 },
		{ "all", 10, 0, 0, 0, 0, 0 },
		{ "less again: a restored centre", 2, 0, 0, 0, 0, 8 },
		{ "nothing again", 0, 0, 0, 0, 0, 10 },
	};
	struct kit *k = *state;
	struct bl_err err = { 0 };
	struct bl_receipt r;
	struct spool_frame f[16];
	unsigned n;

	kit_open(k, SPOOL_CREATED);
	for (int i = 0; i < 10; i++) {
		ticks(k, 2);
		kit_cut_all(k);
	}
	/* All offered once: the centre may know them. */
	for (int i = 0; i < 3; i++) {
		const struct spool_want want = { .past_bytes = 1u << 20, .max_frames = 16 };

		assert_int_equal(spool_offer(k->s, &want, f, &n, &err), BL_OK);
		for (unsigned j = 0; j < n; j++)
			bl_buf_free(&f[j].msg);
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bl_receipt_stream *rs = &r.stream[2];

		memset(&r, 0, sizeof(r));
		r.is_answer = true;
		r.spool = status(k).spool;
		r.epoch = bl_id_random(&k->time.clock);
		rs->contiguous = rows[i].contiguous;
		if (rows[i].beyond_first != 0)
			assert_true(
			    bl_ranges_add(&rs->beyond, rows[i].beyond_first, rows[i].beyond_last));
		if (rows[i].aside_first != 0)
			assert_true(
			    bl_ranges_add(&rs->aside, rows[i].aside_first, rows[i].aside_last));
		assert_int_equal(spool_on_answer(k->s, &r, &err), SPOOL_ANSWER_OK);
		if (status(k).stream[2].waiting_batches != rows[i].waiting)
			fail_msg("%s: %llu wait", rows[i].name,
			    (unsigned long long)status(k).stream[2].waiting_batches);
		assert_true(bl_id_equal((struct bl_id[]){ status(k).epoch }, &r.epoch));
	}
}

static void
a_regressing_receipt_asks_for_a_hello(void **state)
{
	static const struct {
		const char *name;
		int64_t contiguous; /* relative to what was receipted */
		bool other_epoch, other_spool, hello;
		int rc;
	} rows[] = {
		{ "the same", 0, false, false, false, SPOOL_ANSWER_OK },
		{ "less", -1, false, false, true, SPOOL_ANSWER_OK },
		{ "more than was cut", 1, false, false, true, SPOOL_ANSWER_OK },
		{ "another epoch", 0, true, false, true, SPOOL_ANSWER_OK },
		{ "another spool", 0, false, true, false, SPOOL_ANSWER_OTHER },
	};
	struct kit *k = *state;
	struct centre *c = centre_new(k);

	kit_open(k, SPOOL_CREATED);
	ticks(k, 3);
	kit_cut_all(k);
	ticks(k, 3);
	kit_cut_all(k);
	centre_drain(c, k);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bl_err err = { 0 };
		struct bl_receipt r;
		bool hello;

		centre_receipt(c, (struct bl_id[]){ status(k).spool }, false, &r);
		r.stream[2].contiguous =
		    (uint64_t)((int64_t)r.stream[2].contiguous + rows[i].contiguous);
		if (rows[i].other_epoch)
			r.epoch = bl_id_random(&k->time.clock);
		if (rows[i].other_spool)
			r.spool = bl_id_random(&k->time.clock);
		assert_int_equal(spool_on_receipt(k->s, &r, &hello, &err), rows[i].rc);
		if (hello != rows[i].hello)
			fail_msg("%s: hello %d", rows[i].name, hello);
		assert_int_equal(status(k).stream[2].waiting_batches, 0);
	}
	free(c);
}

/* Anybody who owns the broker could say it; nobody is to count to it. */
static void
seqs_that_no_spool_can_have_are_refused(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct bl_err err = { 0 };
	struct bl_receipt r;
	bool say_hello;

	kit_open(k, SPOOL_CREATED);
	ticks(k, 2);
	kit_cut_all(k);
	centre_handshake(c, k);
	for (int i = 0; i < 3; i++) {
		const struct bl_id id = status(k).spool;

		centre_receipt(c, &id, true, &r);
		if (i == 0)
			r.stream[2].contiguous = UINT64_MAX;
		else
			assert_true(bl_ranges_add(i == 1 ? &r.stream[2].beyond : &r.stream[2].aside,
			    UINT64_MAX - 5, UINT64_MAX));
		assert_int_equal(spool_on_answer(k->s, &r, &err), BL_EINVAL);
		assert_int_equal(spool_on_receipt(k->s, &r, &say_hello, &err), BL_EINVAL);
		assert_false(say_hello);
		assert_true(bl_id_equal(&id, (struct bl_id[]){ status(k).spool }));
	}
	centre_drain(c, k);
	centre_assert_exact(c, BL_STREAM_HOST, 2);
	free(c);
}

/* `diagnose` asks the centre with it; the file stays as it is. */
static void
a_hello_is_read_from_the_file_of_a_dead_daemon(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct bl_hello live, read;
	struct bl_err err = { 0 };

	assert_int_equal(spool_hello_of_file(&k->opts, &read, &err), BL_ENOTFOUND);
	kit_open(k, SPOOL_CREATED);
	for (int i = 0; i < 4; i++) {
		ticks(k, 3);
		kit_cut_all(k);
		if (i == 1)
			centre_drain(c, k);
	}
	ticks(k, 1); /* stays open */
	for (int beside = 1; beside >= 0; beside--) {
		if (beside == 0)
			kit_crash(k);
		else
			assert_int_equal(spool_hello(k->s, &live, &err), BL_OK);
		memset(&read, 0xff, sizeof(read));
		assert_int_equal(spool_hello_of_file(&k->opts, &read, &err), BL_OK);
		assert_memory_equal(&read, &live, sizeof(live));
	}
	assert_int_equal(live.stream[2].next_seq, 5);
	k->opts.device = "till-2";
	assert_int_equal(spool_hello_of_file(&k->opts, &read, &err), BL_EEXIST);
	assert_non_null(strstr(err.msg, "till-1"));
	free(c);
}

static void
a_question_gets_what_is_held_and_a_word_on_the_rest(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct bl_err err = { 0 };
	struct bl_question q;
	struct bl_gone gone;
	bool more = true;

	k->opts.keep_receipted_ms = 1000;
	kit_open(k, SPOOL_CREATED);
	for (int i = 0; i < 3; i++) {
		ticks(k, 2);
		kit_cut_all(k);
	}
	centre_drain(c, k);
	kit_pass(&k->time, 5000);
	while (more)
		assert_int_equal(spool_trim(k->s, &more, &err), BL_OK);
	assert_int_equal(status(k).stream[2].held_batches, 0);
	for (int i = 0; i < 2; i++) {
		ticks(k, 2);
		kit_cut_all(k);
	}
	centre_drain(c, k);
	assert_int_equal(status(k).stream[2].waiting_batches, 0);
	memset(&q, 0, sizeof(q));
	q.spool = status(k).spool;
	assert_true(bl_ranges_add(&q.need[2], 2, 4));
	assert_true(bl_ranges_add(&q.need[2], 6, UINT64_MAX)); /* never cut: no word */
	assert_int_equal(spool_on_question(k->s, &q, &gone, &err), SPOOL_ANSWER_OK);
	assert_int_equal(gone.n, 1);
	assert_int_equal(gone.gone[0].stream, BL_STREAM_HOST);
	assert_int_equal(gone.gone[0].range.first, 2);
	assert_int_equal(gone.gone[0].range.last, 3);
	assert_int_equal(gone.gone[0].reason, BL_GAP_LOST_AT_CENTRE);
	assert_int_equal(status(k).stream[2].waiting_batches, 1); /* seq 4 is due again */
	q.spool = bl_id_random(&k->time.clock);
	assert_int_equal(spool_on_question(k->s, &q, &gone, &err), SPOOL_ANSWER_OTHER);
	free(c);
}

static void
the_dictionary_goes_first_and_from_where_it_is_missing(void **state)
{
	struct kit *k = *state;
	struct bl_err err = { 0 };
	struct spool_frame f[8];
	struct spool_want want = { .live = true, .past_bytes = 1, .max_frames = 8 };
	struct bl_dict_reader r;
	struct bl_buf raw;
	unsigned n;

	kit_open(k, SPOOL_CREATED);
	ticks(k, 3);
	kit_cut_all(k);
	want.dict_known = 5;
	assert_int_equal(spool_offer(k->s, &want, f, &n, &err), BL_OK);
	assert_int_equal(n, 2); /* one past frame in spite of a credit of one byte */
	assert_int_equal(f[0].type, BL_MSG_DICT);
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	assert_int_equal(bl_dict_decode(f[0].msg.data, f[0].msg.len, &r, &raw, &err), BL_OK);
	assert_int_equal(r.first, 6);
	assert_int_equal(r.n, BL_STREAMS * KIT_SERIES - 5);
	bl_buf_free(&raw);
	assert_int_equal(f[1].type, BL_MSG_BATCH);
	assert_true(f[1].past);
	for (unsigned i = 0; i < n; i++)
		bl_buf_free(&f[i].msg);
	/* Not twice while it is on its way. */
	assert_int_equal(spool_offer(k->s, &want, f, &n, &err), BL_OK);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(f[i].type, BL_MSG_BATCH);
		bl_buf_free(&f[i].msg);
	}
}

/* Live: newest first.  Past: events before probes before host, oldest first. */
static void
live_goes_before_past_and_streams_by_priority(void **state)
{
	static const struct {
		enum bl_stream stream;
		uint64_t seq;
		bool past;
	} expected[] = {
		{ BL_STREAM_EVENTS, 5, false },
		{ BL_STREAM_PROBES, 5, false },
		{ BL_STREAM_HOST, 5, false },
		{ BL_STREAM_EVENTS, 4, false },
		{ BL_STREAM_PROBES, 4, false },
		{ BL_STREAM_HOST, 4, false },
		{ BL_STREAM_EVENTS, 1, true },
		{ BL_STREAM_EVENTS, 2, true },
		{ BL_STREAM_EVENTS, 3, true },
		{ BL_STREAM_PROBES, 1, true },
		{ BL_STREAM_PROBES, 2, true },
		{ BL_STREAM_PROBES, 3, true },
		{ BL_STREAM_HOST, 1, true },
	};
	struct kit *k = *state;
	struct bl_err err = { 0 };
	struct spool_want want = { .live = true, .past_bytes = 1u << 20, .max_frames = 13 };
	struct spool_frame f[16];
	unsigned n;

	kit_open(k, SPOOL_CREATED);
	for (int i = 0; i < 5; i++) {
		if (i == 3)
			spool_live_begins(k->s);
		ticks(k, 2);
		kit_cut_all(k);
	}
	want.dict_known = status(k).dict_version;
	assert_int_equal(spool_offer(k->s, &want, f, &n, &err), BL_OK);
	assert_int_equal(n, 13);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(f[i].stream, expected[i].stream);
		assert_int_equal(f[i].seq, expected[i].seq);
		assert_int_equal(f[i].past, expected[i].past);
		bl_buf_free(&f[i].msg);
	}
	/* Outstanding ones do not come again until they are cleared. */
	assert_int_equal(spool_offer(k->s, &want, f, &n, &err), BL_OK);
	assert_int_equal(n, 2);
	for (unsigned i = 0; i < n; i++)
		bl_buf_free(&f[i].msg);
	spool_outstanding_clear(k->s, BL_STREAM_PROBES, 2);
	assert_int_equal(spool_offer(k->s, &want, f, &n, &err), BL_OK);
	assert_int_equal(n, 1);
	assert_int_equal(f[0].stream, BL_STREAM_PROBES);
	assert_int_equal(f[0].seq, 2);
	bl_buf_free(&f[0].msg);
	/* No credit: no past. */
	spool_outstanding_clear_all(k->s);
	want.past_bytes = 0;
	assert_int_equal(spool_offer(k->s, &want, f, &n, &err), BL_OK);
	assert_int_equal(n, 6);
	for (unsigned i = 0; i < n; i++)
		bl_buf_free(&f[i].msg);
}

/* A link that loses, doubles and reorders frames and receipts, and dies; any seed. */
static void
a_bad_link_loses_and_doubles_nothing(void **state)
{
	const char *text = getenv("BL_SEED");
	const uint64_t first = text != NULL ? strtoull(text, NULL, 10) : 1;

	for (uint64_t seed = first; seed < first + 5; seed++) {
		struct spool_frame f[8];
		struct bl_err err = { 0 };
		struct bl_receipt r;
		struct centre *c;
		struct kit *k;
		unsigned n;
		bool hello;

		print_message("seed %llu\n", (unsigned long long)seed);
		assert_int_equal(kit_setup((void **)&k), 0);
		k->time.rng = seed;
		c = centre_new(k);
		kit_open(k, SPOOL_CREATED);
		centre_handshake(c, k);
		spool_live_begins(k->s);
		for (int turn = 0; turn < 150; turn++) {
			struct spool_want want = { .live = true,
				.past_bytes = kit_random(&k->time, 4000),
				.max_frames = 1 + (unsigned)kit_random(&k->time, 8) };

			for (uint64_t i = kit_random(&k->time, 4); i > 0; i--)
				kit_tick(k, (enum bl_stream)(2 + kit_random(&k->time, 2)));
			kit_commit(k);
			if (kit_random(&k->time, 3) == 0)
				kit_cut_all(k);
			if (kit_random(&k->time, 20) == 0) {
				kit_crash(k);
				kit_open(k, SPOOL_OPENED);
				centre_handshake(c, k);
			}
			if (kit_random(&k->time, 8) == 0)
				spool_outstanding_clear_all(k->s);
			centre_receipt(c, (struct bl_id[]){ status(k).spool }, false, &r);
			want.dict_known = r.dict_version;
			assert_int_equal(spool_offer(k->s, &want, f, &n, &err), BL_OK);
			/* Backwards, every third lost, every fifth twice; a lost dictionary
			 * loses what needs it. */
			for (unsigned i = n; i > 0; i--) {
				const bool dict = f[0].type == BL_MSG_DICT;

				if (dict || kit_random(&k->time, 3) != 0)
					centre_take(c, dict ? &f[n - i] : &f[i - 1]);
				if (!dict && kit_random(&k->time, 5) == 0)
					centre_take(c, &f[i - 1]);
			}
			for (unsigned i = 0; i < n; i++)
				bl_buf_free(&f[i].msg);
			centre_receipt(c, (struct bl_id[]){ status(k).spool }, false, &r);
			if (kit_random(&k->time, 2) == 0)
				assert_true(spool_on_receipt(k->s, &r, &hello, &err) >= 0);
		}
		kit_cut_all(k);
		centre_drain(c, k);
		centre_assert_exact(c, BL_STREAM_PROBES, k->appended[1]);
		centre_assert_exact(c, BL_STREAM_HOST, k->appended[2]);
		assert_int_equal(c->conflicts, 0);
		assert_true(c->duplicates > 0); /* the link was bad indeed */
		free(c);
		kit_teardown((void **)&k);
	}
	(void)state;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)
		T(hello_tells_what_is_held),
		T(an_answer_settles_exactly_what_it_names),
		T(a_regressing_receipt_asks_for_a_hello),
		T(seqs_that_no_spool_can_have_are_refused),
		T(a_hello_is_read_from_the_file_of_a_dead_daemon),
		T(a_question_gets_what_is_held_and_a_word_on_the_rest),
		T(the_dictionary_goes_first_and_from_where_it_is_missing),
		T(live_goes_before_past_and_streams_by_priority),
		cmocka_unit_test(a_bad_link_loses_and_doubles_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
