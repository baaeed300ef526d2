/* The spool's thread under pressure: floods, full queues, damage, a full disk. */
#include "spool_thread_kit.h"

static void post_bulk(struct kit *k, struct seen *s, unsigned n);

/* Many are under way: nothing waits for the end of a period to become a batch. */
static void
a_flood_of_events_is_cut_while_it_comes(void **state)
{
	struct kit *k = *state;
	struct seen s = { .c = centre_new(k) };

	start(k, &s, 0);
	post_bulk(k, &s, 400); /* 400 KiB */
	ask_status(&s);
	assert_true(s.status.spool.stream[0].waiting_batches >= 4);
	spool_thread_stop(s.t);
	free(s.c);
}

static void
a_full_queue_refuses_counts_and_names(void **state)
{
	struct kit *k = *state;
	struct seen s = { .c = centre_new(k) };
	struct bl_receipt r;
	struct spool_want want = { .live = true, .past_bytes = 65536, .max_frames = 32 };
	uint64_t refused = 0, taken = 0;

	/* Room for every tick between two commits: what is refused here, the queue refused. */
	k->opts.memory_bytes = 4u << 20;
	start(k, &s, 2000); /* a few ticks */
	for (int n = 1; n <= 5000; n++) {
		const int rc = tick(&s, BL_STREAM_HOST, n);

		assert_true(rc == BL_OK || rc == BL_EFULL);
		refused += rc == BL_EFULL ? KIT_SERIES : 0;
		taken += rc == BL_OK ? KIT_SERIES : 0;
	}
	assert_true(refused > 0 && taken > 0);
	assert_int_equal(spool_thread_commit(s.t, bl_boot_ms(bl_clock_real())), BL_OK);
	assert_int_equal(spool_thread_link_up(s.t), BL_OK);
	assert_int_equal(spool_thread_hello(s.t), BL_OK);
	await(&s, &s.hellos, 1);
	ask_status(&s);
	assert_int_equal(s.status.refused_samples, refused);
	centre_receipt(s.c, &s.hello.spool, true, &r);
	assert_int_equal(spool_thread_answer(s.t, &r), BL_OK);
	assert_int_equal(spool_thread_offer(s.t, &want), BL_OK);
	await(&s, &s.frames_calls, 1);
	/* What came and what is named is all there was. */
	assert_int_equal(s.status.spool.accepted_samples, taken);
	assert_int_equal(centre_lost(s.c, BL_STREAM_HOST, BL_GAP_OVERLOAD), refused);
	spool_thread_stop(s.t);
	free(s.c);
}

/* While a disk hangs commits and the like pile up; a gap must not be lost for that. */
static void
what_must_not_be_lost_gets_through_a_full_queue(void **state)
{
	struct kit *k = *state;
	struct seen s = { .c = centre_new(k) };
	const struct bl_gap gap = { .reason = BL_GAP_OFF,
		.stream = BL_STREAM_HOST,
		.begin_boot = k->opts.boot,
		.begin_boot_ms = 1000,
		.end_boot = k->opts.boot,
		.end_boot_ms = 2000 };
	struct bl_gap read[4];
	struct bl_err err = { 0 };
	unsigned posted = 0;
	sqlite3 *other;

	start(k, &s, 0);
	ask_status(&s);
	assert_int_equal(sqlite3_open(k->path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(tick(&s, BL_STREAM_HOST, 1), BL_OK);
	while (posted < 100000 && spool_thread_commit(s.t, bl_boot_ms(bl_clock_real())) == BL_OK)
		posted++;
	assert_true(posted < 100000);
	assert_int_equal(spool_thread_status(s.t, 77), BL_EFULL);
	assert_int_equal(spool_thread_gap(s.t, &gap), BL_OK);
	assert_int_equal(spool_thread_clear(s.t, BL_STREAM_HOST, 1), BL_OK);
	assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(other), SQLITE_OK);
	spool_thread_stop(s.t);
	assert_int_equal(spool_recent_gaps_of_file(k->path, read, 4, &err), 1);
	assert_int_equal(read[0].reason, BL_GAP_OFF);
	free(s.c);
}

/* Events of about 1 KiB that do not compress, so that the file outgrows the page cache. */
static void
post_bulk(struct kit *k, struct seen *s, unsigned n)
{
	char text[1000];

	for (unsigned i = 0; i < n; i++) {
		struct bl_event ev = event("");

		for (size_t j = 0; j < sizeof(text); j++)
			text[j] = (char)('0' + kit_random(&k->time, 75));
		ev.n_attrs = 1;
		ev.attr[0] = (struct bl_attr){ .key = { "t", 1 }, .type = BL_ATTR_TEXT };
		ev.attr[0].text = (struct bl_str){ text, sizeof(text) };
		assert_int_equal(spool_thread_event(s->t, &ev, i + 1), BL_OK);
		if (i % 40 != 39 && i + 1 != n)
			continue;
		assert_int_equal(spool_thread_commit(s->t, bl_boot_ms(bl_clock_real())), BL_OK);
		await(s, &s->events_ok, i + 1);
	}
}

/* The file is overwritten under the running thread: it is replaced, and sampling goes on. */
static void
damage_while_running_is_survived(void **state)
{
	struct kit *k = *state;
	struct seen s = { .c = centre_new(k) };
	char junk[65536];
	int64_t n = 0, at;
	int fd;

	start(k, &s, 0);
	post_bulk(k, &s, 800);
	assert_int_equal(spool_thread_link_up(s.t), BL_OK);
	ask_status(&s);
	memset(junk, 0x5a, sizeof(junk));
	fd = open(k->path, O_WRONLY);
	assert_true(fd >= 0);
	for (at = 0; at < 2 * 1024 * 1024; at += (int64_t)sizeof(junk))
		assert_int_equal(pwrite(fd, junk, sizeof(junk), at), sizeof(junk));
	(void)snprintf(junk, sizeof(junk), "%s-wal", k->path);
	assert_int_equal(truncate(junk, 0), 0);
	while (s.status.replaced == 0 && n < 200) {
		const struct spool_want want = { .past_bytes = 1u << 20, .max_frames = 32 };

		assert_int_equal(tick(&s, BL_STREAM_HOST, ++n), BL_OK);
		assert_int_equal(spool_thread_commit(s.t, bl_boot_ms(bl_clock_real())), BL_OK);
		assert_int_equal(spool_thread_offer(s.t, &want), BL_OK);
		assert_int_equal(spool_thread_link_up(s.t), BL_OK);
		ask_status(&s);
	}
	assert_int_equal(s.status.replaced, 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(tick(&s, BL_STREAM_HOST, ++n), BL_OK);
	assert_int_equal(spool_thread_commit(s.t, bl_boot_ms(bl_clock_real())), BL_OK);
	ask_status(&s);
	assert_true(s.status.committing);
	assert_true(s.status.spool.accepted_samples >= 3 * KIT_SERIES);
	/* A status asked in between slices of the recovery. */
	while (s.status.recovery.running)
		ask_status(&s);
	assert_true(s.status.n_gaps >= 3);
	assert_int_equal(s.status.gap[0].reason, BL_GAP_DAMAGED);
	assert_int_equal(close(fd), 0);
	spool_thread_stop(s.t);
	free(s.c);
}

static void
limit_file_size(rlim_t bytes)
{
	struct rlimit rl;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &rl), 0);
	rl.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &rl), 0);
}

/* The disk is full for a while: the status says so, the event's "ok" waits, nothing is lost. */
static void
a_full_disk_is_shown_and_waited_out(void **state)
{
	struct kit *k = *state;
	struct seen s = { .c = centre_new(k) };
	struct bl_event ev = event("order-1");

	(void)signal(SIGXFSZ, SIG_IGN);
	start(k, &s, 0);
	assert_int_equal(tick(&s, BL_STREAM_HOST, 1), BL_OK);
	assert_int_equal(spool_thread_commit(s.t, bl_boot_ms(bl_clock_real())), BL_OK);
	ask_status(&s);
	assert_true(s.status.committing);
	limit_file_size(4096);
	assert_int_equal(spool_thread_event(s.t, &ev, 5), BL_OK);
	for (int n = 2; n <= 30; n++) {
		assert_int_equal(tick(&s, BL_STREAM_HOST, n), BL_OK);
		assert_int_equal(spool_thread_commit(s.t, bl_boot_ms(bl_clock_real())), BL_OK);
	}
	ask_status(&s);
	assert_false(s.status.committing);
	assert_true(s.status.failing_since_unix_ms > 0);
	assert_true(s.status.memory_bytes > 0);
	assert_true(s.status.problem[0] != '\0');
	assert_int_equal(s.events_ok, 0);
	limit_file_size(RLIM_INFINITY);
	assert_int_equal(spool_thread_commit(s.t, bl_boot_ms(bl_clock_real())), BL_OK);
	await(&s, &s.events_ok, 1);
	ask_status(&s);
	assert_true(s.status.committing);
	assert_int_equal(s.status.memory_bytes, 0);
	assert_int_equal(s.status.spool.accepted_samples, 30 * KIT_SERIES);
	assert_int_equal(s.status.spool.gaps, 0);
	spool_thread_stop(s.t);
	free(s.c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)
		T(a_flood_of_events_is_cut_while_it_comes),
		T(a_full_queue_refuses_counts_and_names),
		T(what_must_not_be_lost_gets_through_a_full_queue),
		T(damage_while_running_is_survived),
		T(a_full_disk_is_shown_and_waited_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
