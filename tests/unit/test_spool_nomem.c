/*
 * Memory ends in the spool at every single allocation, its own or SQLite's: it
 * says so, the next try works, nothing is lost and nothing comes twice.
 *
 * All of its own are tried; of SQLite's, one in many, and with BL_LONG=1 one in 9.
 */
#include "alloc_faults.h"
#include "spool_work.h"

#include "branchline/log.h"

#define GROUP_MS 60000

static bool
run_one(struct work *w, enum alloc_kind kind, unsigned nth)
{
	bool fired;

	work_begin(w);
	(void)snprintf(w->what, sizeof(w->what), "allocation %u of kind %d", nth, (int)kind);
	alloc_plan(kind, nth);
	work_run(w);
	fired = alloc_fired();
	alloc_plan(kind, 0);
	work_end(w);
	return fired;
}

static void
enumerate(enum alloc_kind kind, unsigned step, const char *name)
{
	struct work *w = work_new();
	unsigned nth = 1;

	w->no_kill = true; /* the shim needs memory, too */
	w->enter = alloc_enter;
	w->leave = alloc_leave;
	while (run_one(w, kind, nth))
		nth += step;
	work_assert_clean(w, name);
	print_message("    %u allocations, one in %u tried\n", nth - 1, step);
	assert_true(nth > 40);
	work_free(w);
}

static void
each_failed_allocation_of_its_own_is_survived(void **state)
{
	(void)state;
	enumerate(ALLOC_OURS, 1, "memory ends in the spool");
}

static void
each_failed_allocation_of_sqlite_is_survived(void **state)
{
	(void)state;
	enumerate(ALLOC_SQLITE, rounds(97, 9), "memory ends in SQLite");
}

/*
 * What goes together in one transaction, when memory ends before any of it was written, or after
 * some was and none of it asked for a rollback: all of it is undone, and then done one by one.
 */
static bool
group_fails_at(int64_t group_ms, unsigned nth)
{
	struct bl_err err = { 0 };
	struct centre *c;
	struct kit *k;
	unsigned cut;
	int64_t next;
	int rc;

	assert_int_equal(kit_setup((void **)&k), 0);
	k->opts.group_ms = group_ms;
	kit_open(k, SPOOL_CREATED);
	kit_tick(k, BL_STREAM_HOST);
	kit_commit(k);
	assert_int_equal(spool_cut_due(k->s, true, &cut, &next, &err), BL_OK);
	c = centre_new(k);
	for (int i = 0; i < 6; i++) {
		kit_tick(k, BL_STREAM_HOST);
		kit_tick(k, BL_STREAM_PROBES);
		if (group_ms == 0)
			kit_commit(k);
	}
	kit_pass(&k->time, GROUP_MS);
	alloc_plan(ALLOC_OURS, nth);
	alloc_enter();
	rc = spool_cut_due(k->s, true, &cut, &next, &err);
	alloc_leave();
	if (rc < 0 && spool_cut_due(k->s, true, &cut, &next, &err) < 0)
		fail_msg("allocation %u, group of %lld ms: %s", nth, (long long)group_ms, err.msg);
	kit_cut_all(k);
	centre_drain(c, k);
	centre_assert_exact(c, BL_STREAM_HOST, k->appended[2]);
	centre_assert_exact(c, BL_STREAM_PROBES, k->appended[1]);
	assert_int_equal(c->conflicts, 0);
	free(c);
	(void)kit_teardown((void **)&k);
	return alloc_fired();
}

static void
a_group_that_fails_is_undone_whole(void **state)
{
	static const int64_t group_ms[] = { 0, GROUP_MS };

	(void)state;
	bl_log_level_set((enum bl_log_level)0); /* faults are expected here */
	for (unsigned i = 0; i < 2; i++) {
		unsigned nth = 1;

		while (group_fails_at(group_ms[i], nth))
			nth++;
		alloc_plan(ALLOC_OURS, 0);
		print_message(
		    "    group of %lld ms: %u allocations\n", (long long)group_ms[i], nth - 1);
		assert_true(nth > 3);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_group_that_fails_is_undone_whole),
		cmocka_unit_test(each_failed_allocation_of_its_own_is_survived),
		cmocka_unit_test(each_failed_allocation_of_sqlite_is_survived),
	};

	alloc_faults_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
