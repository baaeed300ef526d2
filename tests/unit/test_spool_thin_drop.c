/* What has to go although it was thinned is named, under faults and readers too. */
#include "spool_thin_kit.h"

/* What is dropped after it was thinned is named to the sample, and by all its seqs. */
static void
what_is_dropped_after_all_is_named(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct spool_status st;
	struct bl_receipt r;
	struct bl_hello h;
	struct bl_err err = { 0 };

	kit_open(k, SPOOL_CREATED);
	hours(k, 720);
	press_until(k, something_was_dropped);
	for (int i = 0; i < 60; i++) {
		fill(k);
		if (i % 4 == 3)
			kit_cut_all(k);
		trim(k);
	}
	kit_pass(&k->time, 1000);
	kit_cut_all(k);
	centre_drain(c, k);
	assert_int_equal(spool_status(k->s, &st, &err), BL_OK);
	assert_int_equal(spool_hello(k->s, &h, &err), BL_OK);
	centre_receipt(c, &h.spool, false, &r);
	for (unsigned i = 1; i < BL_STREAMS; i++) {
		uint64_t came = 0;

		for (unsigned s = 0; s < KIT_SERIES; s++)
			for (int64_t n = 1; n < KIT_SAMPLES; n++)
				came += c->seen[i][s][n];
		assert_int_equal(came + centre_lost(c, (enum bl_stream)(i + 1), 0),
		    (uint64_t)k->appended[i] * KIT_SERIES);
		/* Every seq there was is there, superseded, or named. */
		assert_int_equal(r.stream[i].contiguous, st.stream[i].next_seq - 1);
	}
	free(c);
}

/* When sample n of host or probes was made, as the machine's clock and boot have it. */
struct made {
	struct bl_id boot;
	int64_t ms;
};

static void
hours_noted(struct kit *k, int ticks, struct made (*made)[KIT_SAMPLES])
{
	for (int i = 1; i <= ticks; i++) {
		kit_pass(&k->time, 8000);
		for (unsigned m = 1; m < BL_STREAMS; m++) {
			kit_tick(k, (enum bl_stream)(m + 1));
			made[m][k->appended[m]] = (struct made){ k->opts.boot, k->time.boot_ms };
		}
		if (i % PART == 0)
			kit_cut_all(k);
	}
}

/* No message of host and probes is what was written. */
static void
spoil(const struct kit *k)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(k->path, &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db, "UPDATE body SET msg=zeroblob(length(msg)) WHERE (id>>48)&3>1", NULL,
		NULL, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* An entry about a drop has this time in it; the first boot was before all others. */
static bool
is_named(const struct centre *c, unsigned stream, const struct bl_id *first, const struct made *at)
{
	const bool later = !bl_id_equal(&at->boot, first);

	for (unsigned i = 0; i < c->n_gaps; i++) {
		const struct bl_gap *g = &c->gap[i];
		const bool begins_later = !bl_id_equal(&g->begin_boot, first);
		const bool ends_later = !bl_id_equal(&g->end_boot, first);

		if (g->reason == BL_GAP_DAMAGED && g->stream == stream + 1 &&
		    (begins_later == later ? at->ms > g->begin_boot_ms : later) &&
		    (ends_later == later ? at->ms <= g->end_boot_ms : ends_later))
			return true;
	}
	return false;
}

/*
 * Means are older than their seqs: neighbours by seq may be of different boots, or hours
 * apart.  When they are dropped, the ledger says of each when it was.
 */
static void
what_is_dropped_has_its_time_in_the_ledger(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct made(*made)[KIT_SAMPLES] = calloc(BL_STREAMS, sizeof(*made));
	struct bl_err err = { 0 };
	bool more;

	assert_non_null(made);
	kit_open(k, SPOOL_CREATED);
	hours_noted(k, 480, made);
	kit_close(k);
	kit_reboot(k);
	kit_open(k, SPOOL_OPENED);
	hours_noted(k, 120, made);
	/* One slice: means of the first boot behind what the second cut. */
	for (int i = 0; i < STEPS_MAX && !host_is_5min(k); i++) {
		fill(k);
		kit_cut_all(k);
		assert_int_equal(spool_trim(k->s, &more, &err), BL_OK);
	}
	assert_true(without(k, BL_STREAM_HOST, 4) > 0);
	kit_close(k);
	spoil(k);
	kit_open(k, SPOOL_OPENED);
	centre_drain(c, k);
	kit_pass(&k->time, 1000);
	kit_cut_all(k);
	centre_drain(c, k);
	for (unsigned i = 1; i < BL_STREAMS; i++)
		for (int64_t n = 1; n <= k->appended[i]; n++)
			if (!is_named(c, i, &made[i][1].boot, &made[i][n]))
				fail_msg(
				    "stream %u sample %lld was dropped; no entry has its time %lld",
				    i + 1, (long long)n, (long long)made[i][n].ms);
	free(made);
	free(c);
}

/* ---- the disk fails, the power goes ---- */

struct fault {
	const char *name;
	enum shim_fault fault;
	bool cuts;
	enum shim_loss how;
};

/* To the point where the next trim thins: less than 128 of the file's 576 pages are free. */
static void
prepare(struct kit *k)
{
	hours(k, 120);
	while (576 - number(k, "PRAGMA page_count") + number(k, "PRAGMA freelist_count") >= 128) {
		fill(k);
		kit_cut_all(k);
	}
	assert_int_equal(with(k, BL_STREAM_HOST, 4 | 8), 0);
}

static bool
thin_and_fail(const struct fault *f, uint64_t nth)
{
	const struct shim_plan plan = { .kind = f->fault, .at_op = nth, .count = 1 };
	char below[FOLDER_MAX + 2];
	struct bl_err err = { 0 };
	struct centre *c;
	bool more = true, fired;
	struct kit *k;

	assert_int_equal(setup((void **)&k), 0);
	(void)snprintf(below, sizeof(below), "%s/", k->dir);
	c = centre_new(k);
	kit_open(k, SPOOL_CREATED);
	prepare(k);
	shim_plan(&plan);
	for (int i = 0; more && i < 40 && !shim_power_is_off(); i++)
		if (spool_trim(k->s, &more, &err) < 0)
			more = true; /* as the thread does: later again */
	fired = shim_fired();
	shim_plan(NULL);
	if (!f->cuts) {
		kit_tick(k, BL_STREAM_HOST); /* a commit opens the file again */
		kit_commit(k);
	} else {
		shim_power_off(below);
		kit_close(k);
		shim_power_cut(below, f->how);
		kit_open(k, SPOOL_OPENED);
	}
	trim(k);
	assert_true(with(k, BL_STREAM_HOST, 4 | 8) > 0);
	kit_pass(&k->time, 1000);
	kit_cut_all(k);
	centre_drain(c, k);
	assert_all_there(c, BL_STREAM_HOST, k->appended[2]);
	assert_all_there(c, BL_STREAM_PROBES, k->appended[1]);
	free(c);
	kit_teardown((void **)&k);
	shim_power_cut(below, SHIM_LOSE_NONE); /* the folder is gone: forget its files */
	return fired;
}

static void
no_failure_loses_or_doubles_what_is_thinned(void **state)
{
	static const struct fault faults[] = {
		{ "cut", SHIM_CUT, true, SHIM_LOSE_ALL },
		{ "cut, torn", SHIM_TEAR, true, SHIM_TEAR_SOME },
		{ "EIO", SHIM_EIO, false, 0 },
		{ "disk full", SHIM_ENOSPC, false, 0 },
		{ "sync EIO", SHIM_SYNC_EIO, false, 0 },
	};
	const unsigned step = rounds(17, 1);

	(void)state;
	for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		uint64_t nth = 1 + i % step;

		shim_vfs_install(20261128 + i);
		while (thin_and_fail(&faults[i], nth))
			nth += faults[i].fault == SHIM_SYNC_EIO ? 1 : step;
		print_message("%s: %llu operations\n", faults[i].name, (unsigned long long)nth - 1);
		shim_vfs_uninstall();
	}
}

/* ---- the cap, held to by a reader who keeps the log ---- */

static void
the_cap_holds_while_a_reader_keeps_the_log(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct bl_err err = { 0 };
	sqlite3 *db = NULL;
	uint64_t lost;
	unsigned cut;

	kit_open(k, SPOOL_CREATED);
	hours(k, 360);
	for (int round = 0; round < 6; round++) {
		assert_int_equal(sqlite3_open(k->path, &db), SQLITE_OK);
		assert_int_equal(
		    sqlite3_exec(db, "BEGIN;SELECT count(*) FROM batch", NULL, NULL, NULL),
		    SQLITE_OK);
		for (int i = 0; i < 40; i++) {
			bool more;

			kit_pass(&k->time, 8000);
			kit_tick(k, BL_STREAM_HOST);
			kit_tick(k, BL_STREAM_PROBES);
			if (i % 10 == 0)
				fill(k);
			(void)spool_commit(k->s, &lost, &err); /* waits when the log is full */
			assert_under_cap(k);
			if (i % 8 == 7)
				(void)spool_cut_all(k->s, &cut, &err);
			assert_under_cap(k);
			(void)spool_trim(k->s, &more, &err);
			assert_under_cap(k);
		}
		assert_int_equal(sqlite3_close(db), SQLITE_OK);
		kit_cut_all(k);
		trim(k);
	}
	kit_pass(&k->time, 1000);
	kit_cut_all(k);
	centre_drain(c, k);
	assert_all_there(c, BL_STREAM_HOST, k->appended[2]);
	assert_all_there(c, BL_STREAM_PROBES, k->appended[1]);
	free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    what_is_dropped_after_all_is_named, setup, kit_teardown),
		cmocka_unit_test_setup_teardown(
		    what_is_dropped_has_its_time_in_the_ledger, setup, kit_teardown),
		cmocka_unit_test_setup_teardown(
		    the_cap_holds_while_a_reader_keeps_the_log, setup, kit_teardown),
		cmocka_unit_test(no_failure_loses_or_doubles_what_is_thinned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
