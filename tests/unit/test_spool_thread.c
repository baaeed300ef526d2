/* The spool thread: posts never wait, results come on the caller's thread, nothing is lost
 * silently. */
#include "spool_thread_kit.h"

/* A cap on new series; the ones that are there are found whatever the cap is. */
static void
further_series_than_the_cap_are_refused(void **state)
{
	struct kit *k = *state;
	struct seen s = { 0 };
	struct bl_series_def def = { .stream = BL_STREAM_HOST,
		.kind = BL_GAUGE,
		.interval_ms = 10000,
		.name = { "y", 1 },
		.unit = { "1", 1 } };
	int32_t first;

	start(k, &s, 0);
	assert_int_equal(spool_thread_series_count(s.t), 0);
	first = spool_thread_series_within(s.t, &def, 1);
	assert_int_equal(first, 0);
	def.name = (struct bl_str){ "z", 1 };
	assert_int_equal(spool_thread_series_within(s.t, &def, 1), BL_EFULL);
	assert_int_equal(spool_thread_series_within(s.t, &def, 2), 1);
	def.name = (struct bl_str){ "y", 1 };
	assert_int_equal(spool_thread_series_within(s.t, &def, 1), first);
	def.name = (struct bl_str){ "Not a name", 10 };
	assert_true(spool_thread_series_within(s.t, &def, 99) < 0);
	assert_int_equal(spool_thread_series_count(s.t), 2);
	spool_thread_stop(s.t);
}

/* Each is answered once, by its own id; what cannot be taken is said at once. */
static void
reported_values_are_answered_like_events(void **state)
{
	struct kit *k = *state;
	struct seen s = { 0 };
	struct spool_thread_report r = { .value = 1.5, .id = { "a", 1 } };
	char longer[BL_EVENT_ID_MAX + 1];
	unsigned taken = 0;
	int rc;

	start(k, &s, 4096);
	memset(longer, 'i', sizeof(longer));
	r.handle = series(&s, BL_STREAM_HOST, 0);
	assert_int_equal(spool_thread_report(s.t, &r, 1), BL_OK);
	await(&s, &s.events_ok, 1);
	assert_int_equal(spool_thread_report(s.t, &r, 2), BL_OK);
	await(&s, &s.events_repeated, 1);
	r.id.len = 0;
	r.boot_ms = -86400000;
	assert_int_equal(spool_thread_report(s.t, &r, 3), BL_OK);
	await(&s, &s.events_ok, 2);
	assert_int_equal(spool_thread_report(s.t, &r, 0), BL_OK); /* nobody waits */
	r.value = INFINITY;
	assert_int_equal(spool_thread_report(s.t, &r, 4), BL_EINVAL);
	r.value = 1;
	r.handle++;
	assert_int_equal(spool_thread_report(s.t, &r, 4), BL_EINVAL);
	r.handle--;
	r.id = (struct bl_str){ longer, sizeof(longer) };
	assert_int_equal(spool_thread_report(s.t, &r, 4), BL_EINVAL);
	r.id.len = 0;
	ask_status(&s);
	assert_int_equal(s.status.refused_samples, 0);
	/* The queue is bounded, and who is refused hears nothing more. */
	while ((rc = spool_thread_report(s.t, &r, 5)) == BL_OK)
		assert_true(++taken < 1000000);
	assert_int_equal(rc, BL_EFULL);
	await(&s, &s.events_ok, 2 + taken);
	ask_status(&s);
	assert_int_equal(s.events_ok, 2 + taken);
	assert_int_equal(s.events_refused, 0);
	assert_int_equal(s.status.refused_samples, 1);
	assert_int_equal(s.status.spool.gaps, 0); /* its giver knows */
	assert_int_equal(s.status.spool.accepted_samples, 3 + taken);
	spool_thread_stop(s.t);
}

static void
the_whole_way_from_tick_to_receipt(void **state)
{
	struct kit *k = *state;
	struct seen s = { .c = centre_new(k) };
	struct spool_want want = { .live = true, .past_bytes = 65536, .max_frames = 99 };
	struct bl_receipt r;

	start(k, &s, 0);
	for (int n = 1; n <= 20; n++) {
		assert_int_equal(tick(&s, BL_STREAM_HOST, n), BL_OK);
		assert_int_equal(spool_thread_commit(s.t, bl_boot_ms(bl_clock_real())), BL_OK);
	}
	assert_int_equal(spool_thread_link_up(s.t), BL_OK);
	assert_int_equal(spool_thread_hello(s.t), BL_OK);
	await(&s, &s.hellos, 1);
	assert_int_equal(s.connections, 1);
	assert_int_equal(s.hello.stream[2].next_seq, 2); /* the open span was cut */
	centre_receipt(s.c, &s.hello.spool, true, &r);
	assert_int_equal(spool_thread_answer(s.t, &r), BL_OK);
	await(&s, &s.answers, 1);
	assert_int_equal(s.outcome.rc, SPOOL_ANSWER_OK);
	assert_true(s.outcome.more);
	assert_int_equal(spool_thread_offer(s.t, &want), BL_OK);
	await(&s, &s.frames_calls, 1);
	assert_true(s.frames >= 2);
	centre_assert_exact(s.c, BL_STREAM_HOST, 20);
	centre_receipt(s.c, &s.hello.spool, false, &r);
	assert_int_equal(spool_thread_receipt(s.t, &r), BL_OK);
	await(&s, &s.receipts, 1);
	want.dict_known = r.dict_version;
	assert_int_equal(spool_thread_offer(s.t, &want), BL_OK); /* answered with nothing */
	await(&s, &s.frames_calls, 2);
	ask_status(&s);
	assert_true(s.status.spool_valid && s.status.committing);
	assert_int_equal(s.status.spool.stream[2].waiting_batches, 0);
	assert_int_equal(s.status.spool.accepted_samples, 20 * KIT_SERIES);
	assert_int_equal(s.c->duplicates, 0);
	spool_thread_stop(s.t);
	free(s.c);
}

/* The simulator's way: the same body, turned by hand. */
static void
without_a_thread_it_does_the_same(void **state)
{
	struct kit *k = *state;
	struct seen s = { .c = centre_new(k) };
	const struct spool_calls calls = {
		.ctx = &s, .hello = on_hello, .frames = on_frames, .status = on_status
	};
	const struct spool_thread_opts opts = { .spool = k->opts };
	const struct spool_want want = { .live = true, .max_frames = 8 };
	struct bl_err err = { 0 };
	int opened;

	assert_int_equal(spool_thread_open(&s.t, &opts, &calls, &opened, &err), BL_OK);
	kit_pass(&k->time, 10000);
	for (unsigned j = 0; j < KIT_SERIES; j++) {
		const struct spool_thread_sample sm = { series(&s, BL_STREAM_HOST, j), BL_KNOWN,
			kit_value(j, 1) };

		assert_int_equal(
		    spool_thread_append(s.t, BL_STREAM_HOST, bl_boot_ms(k->opts.clock), &sm, 1),
		    BL_OK);
	}
	assert_true(spool_thread_unsafe(s.t) > 0);
	(void)spool_thread_turn(s.t);
	assert_true(spool_thread_unsafe(s.t) > 0); /* not asked for, and not a second old */
	assert_int_equal(spool_thread_commit(s.t, bl_boot_ms(k->opts.clock)), BL_OK);
	assert_false(spool_thread_idle(s.t));
	(void)spool_thread_turn(s.t);
	assert_true(spool_thread_idle(s.t));
	assert_int_equal(spool_thread_unsafe(s.t), 0);
	assert_int_equal(spool_thread_link_up(s.t), BL_OK);
	assert_int_equal(spool_thread_hello(s.t), BL_OK);
	assert_int_equal(spool_thread_offer(s.t, &want), BL_OK);
	(void)spool_thread_turn(s.t);
	assert_int_equal(s.hellos + s.frames_calls, 0); /* only dispatch calls back */
	spool_thread_dispatch(s.t);
	assert_int_equal(s.hellos, 1);
	assert_int_equal(s.frames_calls, 1);
	centre_assert_exact(s.c, BL_STREAM_HOST, 1);
	spool_thread_stop(s.t);
	free(s.c);
}

/* "ok" comes after the commit, without anybody asking for one. */
static void
an_event_is_answered_after_its_commit(void **state)
{
	struct kit *k = *state;
	struct seen s = { .c = centre_new(k) };
	struct spool_status st;
	struct bl_err err = { 0 };
	struct bl_event ev = event("a-1"), bad = event("");

	start(k, &s, 0);
	assert_int_equal(spool_thread_event(s.t, &ev, 1), BL_OK);
	assert_int_equal(spool_thread_event(s.t, &ev, 2), BL_OK);
	bad.type.len = 0;
	assert_int_equal(spool_thread_event(s.t, &bad, 3), BL_OK);
	await(&s, &s.events_refused, 1);
	await(&s, &s.events_ok, 1);
	await(&s, &s.events_repeated, 1);
	/* On the disk: another process sees it. */
	assert_int_equal(spool_status_of_file(k->path, &st, &err), BL_OK);
	assert_int_equal(st.accepted_events, 1);
	spool_thread_stop(s.t);
	free(s.c);
}

static int64_t
latest_interval_end(const struct kit *k, enum bl_stream stream, unsigned *batches)
{
	sqlite3_stmt *st;
	sqlite3 *db;
	int64_t end;

	assert_int_equal(sqlite3_open(k->path, &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_prepare_v2(
		db, "SELECT count(*),max(end_ms) FROM batch WHERE (id>>48)&3=?1", -1, &st, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_bind_int(st, 1, (int)stream), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	*batches = (unsigned)sqlite3_column_int(st, 0);
	end = sqlite3_column_int64(st, 1);
	(void)sqlite3_finalize(st);
	(void)sqlite3_close(db);
	return end;
}

/*
 * What was posted before may still lie in the queue when the thread commits by
 * itself: only whoever posts knows up to when everything has been.
 */
static void
no_interval_goes_beyond_what_the_loop_said(void **state)
{
	const int64_t begin = bl_boot_ms(bl_clock_real());
	struct kit *k = *state;
	struct seen s = { .c = centre_new(k) };
	struct bl_event ev = event("");
	unsigned batches;
	int64_t told;

	start(k, &s, 0);
	told = bl_boot_ms(bl_clock_real()); /* the first interval begins at the latest now */
	while (bl_boot_ms(bl_clock_real()) < told + 20)
		;
	assert_int_equal(spool_thread_event(s.t, &ev, 1), BL_OK);
	await(&s, &s.events_ok, 1);
	assert_int_equal(spool_thread_link_up(s.t), BL_OK);
	ask_status(&s);
	assert_in_range(latest_interval_end(k, BL_STREAM_EVENTS, &batches), begin, told);
	assert_int_equal(batches, 1);
	told = bl_boot_ms(bl_clock_real());
	assert_int_equal(spool_thread_commit_probes(s.t, told, told - 7), BL_OK);
	spool_thread_stop(s.t);
	assert_int_equal(latest_interval_end(k, BL_STREAM_EVENTS, &batches), told);
	assert_int_equal(latest_interval_end(k, BL_STREAM_PROBES, &batches), told - 7);
	assert_int_equal(latest_interval_end(k, BL_STREAM_HOST, &batches), told);
	free(s.c);
}

/* Ten seconds on played time: a sample, and a commit asked for. */
static void
play_tick(struct kit *k, struct seen *s)
{
	const struct spool_thread_sample sm = { series(s, BL_STREAM_HOST, 0), BL_KNOWN, 1 };
	int64_t boot_ms;

	for (int i = 0; i < 10; i++) {
		kit_pass(&k->time, 1000);
		(void)spool_thread_turn(s->t);
	}
	boot_ms = bl_boot_ms(k->opts.clock);
	assert_int_equal(spool_thread_append(s->t, BL_STREAM_HOST, boot_ms, &sm, 1), BL_OK);
	assert_int_equal(spool_thread_commit(s->t, boot_ms), BL_OK);
	(void)spool_thread_turn(s->t);
}

/* The clock stands still: nothing that is due by time can be what commits. */
static void
an_event_waits_for_the_disk_and_for_no_clock(void **state)
{
	struct kit *k = *state;
	struct seen s = { .c = centre_new(k) };
	const struct spool_calls calls = { .ctx = &s, .event_done = on_event };
	struct spool_thread_opts opts = { .spool = k->opts };
	struct spool_status st;
	struct bl_err err = { 0 };
	int opened;

	assert_int_equal(spool_thread_start(&s.t, &opts, &calls, &opened, &err), BL_OK);
	for (unsigned n = 1; n <= 50; n++) {
		struct bl_event ev = event("");

		assert_int_equal(spool_thread_event(s.t, &ev, n), BL_OK);
		if (n % 10 == 0) {
			await(&s, &s.events_ok, n);
			assert_int_equal(spool_status_of_file(k->path, &st, &err), BL_OK);
			assert_true(st.accepted_events == n);
		}
	}
	spool_thread_stop(s.t);
	assert_int_equal(s.events_refused, 0);
	free(s.c);
}

/*
 * Ticks wait for each other, though a commit is asked for with each; an event waits for the disk
 * alone, whether anybody waits for its answer or not, and takes with it what waits.
 */
static void
in_a_group_ticks_wait_and_events_do_not(void **state)
{
	struct kit *k = *state;
	struct seen s = { .c = centre_new(k) };
	const struct spool_calls calls = { .ctx = &s, .event_done = on_event };
	struct spool_thread_opts opts = { .spool = k->opts };
	struct spool_status st;
	struct bl_err err = { 0 };
	uint64_t ticks = 0;
	int opened;

	opts.spool.group_ms = 600000;
	assert_int_equal(spool_thread_open(&s.t, &opts, &calls, &opened, &err), BL_OK);
	for (uint64_t n = 1; n <= 3; n++) {
		struct bl_event ev = event("");

		for (int i = 0; i < 6; i++, ticks++)
			play_tick(k, &s);
		assert_int_equal(spool_status_of_file(k->path, &st, &err), BL_OK);
		assert_int_equal(st.accepted_samples, ticks - 6);
		assert_int_equal(spool_thread_event(s.t, &ev, n == 3 ? 0 : n), BL_OK);
		(void)spool_thread_turn(s.t);
		assert_int_equal(spool_status_of_file(k->path, &st, &err), BL_OK);
		assert_int_equal(st.accepted_events, n);
		assert_int_equal(st.accepted_samples, ticks);
		spool_thread_dispatch(s.t);
		assert_int_equal(s.events_ok, n < 3 ? n : 2);
	}
	spool_thread_stop(s.t);
	free(s.c);
}

static int64_t
commits(const struct kit *k)
{
	sqlite3_stmt *st;
	sqlite3 *db;
	int64_t n;

	assert_int_equal(sqlite3_open(k->path, &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_prepare_v2(db, "SELECT commit_no FROM state", -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st);
	(void)sqlite3_close(db);
	return n;
}

/* One commit for each, which is its cut: nothing is left that seems to wait. */
static void
a_group_is_written_once(void **state)
{
	struct kit *k = *state;
	struct seen s = { .c = centre_new(k) };
	const struct spool_calls calls = { .ctx = &s };
	struct spool_thread_opts opts = { .spool = k->opts };
	struct bl_err err = { 0 };
	int64_t before;
	int opened;

	opts.spool.group_ms = 120000;
	assert_int_equal(spool_thread_open(&s.t, &opts, &calls, &opened, &err), BL_OK);
	play_tick(k, &s);
	kit_pass(&k->time, 4500);
	assert_int_equal(spool_thread_link_up(s.t), BL_OK);
	(void)spool_thread_turn(s.t);
	kit_pass(&k->time, 5500);
	before = commits(k);
	for (int i = 0; i < 48; i++) /* eight minutes */
		play_tick(k, &s);
	assert_int_equal(commits(k) - before, 4);
	spool_thread_stop(s.t);
	free(s.c);
}

static void
stopping_commits_and_cuts_and_answers(void **state)
{
	struct kit *k = *state;
	struct seen s = { .c = centre_new(k) };
	struct bl_event ev = event("a-1");
	struct spool_status st;
	struct bl_err err = { 0 };

	start(k, &s, 0);
	for (int n = 1; n <= 5; n++)
		assert_int_equal(tick(&s, BL_STREAM_PROBES, n), BL_OK);
	assert_int_equal(spool_thread_event(s.t, &ev, 9), BL_OK);
	spool_thread_stop(s.t);
	assert_int_equal(s.events_ok, 1);
	assert_int_equal(spool_status_of_file(k->path, &st, &err), BL_OK);
	assert_int_equal(st.accepted_samples, 5 * KIT_SERIES);
	assert_int_equal(st.stream[1].open_samples, 0);
	assert_int_equal(st.stream[1].waiting_batches, 1);
	free(s.c);
}

static void
handles_are_stable_and_checked(void **state)
{
	struct kit *k = *state;
	struct seen s = { .c = centre_new(k) };
	struct bl_series_def bad = { .stream = BL_STREAM_HOST, .kind = BL_GAUGE };
	struct spool_thread_sample sm = { 0, BL_KNOWN, 1 };
	int32_t a, b;

	start(k, &s, 0);
	a = series(&s, BL_STREAM_HOST, 0);
	b = series(&s, BL_STREAM_PROBES, 0);
	assert_true(a >= 0 && b >= 0 && a != b);
	assert_int_equal(series(&s, BL_STREAM_HOST, 0), a);
	assert_int_equal(spool_thread_series(s.t, &bad), BL_EINVAL);
	sm.handle = b;
	assert_int_equal(spool_thread_append(s.t, BL_STREAM_HOST, 1, &sm, 1), BL_EINVAL);
	sm.handle = 99;
	assert_int_equal(spool_thread_append(s.t, BL_STREAM_HOST, 1, &sm, 1), BL_EINVAL);
	sm.handle = -1;
	assert_int_equal(spool_thread_append(s.t, BL_STREAM_HOST, 1, &sm, 1), BL_EINVAL);
	spool_thread_stop(s.t);
	free(s.c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)
		T(further_series_than_the_cap_are_refused),
		T(reported_values_are_answered_like_events),
		T(the_whole_way_from_tick_to_receipt),
		T(without_a_thread_it_does_the_same),
		T(an_event_is_answered_after_its_commit),
		T(no_interval_goes_beyond_what_the_loop_said),
		T(an_event_waits_for_the_disk_and_for_no_clock),
		T(in_a_group_ticks_wait_and_events_do_not),
		T(a_group_is_written_once),
		T(stopping_commits_and_cuts_and_answers),
		T(handles_are_stable_and_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
