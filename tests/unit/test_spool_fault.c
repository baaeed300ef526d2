/*
 * One workload, every operation: the n-th write, sync, truncate, read fails, or
 * the power goes at it, for n = 1, 2, 3 ... until the workload ends without
 * meeting it.  After each: nothing lost, nothing doubled, the file sound, and
 * of mere errors nobody had to restart.
 *
 * The usual form tries one operation in three (in twelve under the address sanitizer), beginning at
 * another one for each kind; BL_LONG=1 tries every operation with every kind.
 */
#include "spool_work.h"

#ifdef __SANITIZE_ADDRESS__
#define BY_USUAL 12
#else
#define BY_USUAL 3
#endif

struct kind {
	const char *name;
	enum shim_fault fault;
	uint64_t count;
	enum shim_loss how; /* of what cuts the power */
};

/* Syncs are few: each is tried. */
static uint64_t
stride(const struct kind *kind)
{
	static uint64_t n;

	if (n == 0)
		n = rounds(BY_USUAL, 1);
	return kind->fault == SHIM_SYNC_EIO ? 1 : n;
}

static bool
cuts(const struct kind *kind)
{
	return kind->fault == SHIM_CUT || kind->fault == SHIM_TEAR;
}

/* False: the fault was beyond the workload. */
static bool
run_one(struct work *w, const struct kind *kind, uint64_t nth, enum work_then then)
{
	const struct shim_plan plan = { .kind = kind->fault, .at_op = nth, .count = kind->count };
	bool fired;

	work_begin(w);
	w->then = then;
	shim_plan(&plan);
	work_run(w);
	fired = shim_fired();
	(void)snprintf(w->what, sizeof(w->what), "%s at %llu (%.90s)", kind->name,
	    (unsigned long long)nth, shim_fired_at());
	shim_plan(NULL);
	if (cuts(kind) || then != WORK_GOES_ON)
		work_restart(w, kind->how);
	work_end(w);
	return fired;
}

static void
enumerate(const struct kind *kinds, size_t n, enum work_then then, uint64_t at_least)
{
	struct work *w = work_new();

	for (size_t i = 0; i < n; i++) {
		const uint64_t step = stride(&kinds[i]);
		uint64_t nth = 1 + i % step;

		memset(&w->f, 0, sizeof(w->f));
		shim_vfs_install(20261128 + i);
		while (run_one(w, &kinds[i], nth, then))
			nth += step;
		work_assert_clean(w, kinds[i].name);
		print_message("    %llu operations, one in %llu tried\n",
		    (unsigned long long)nth - 1, (unsigned long long)step);
		assert_true(nth > at_least);
	}
	work_free(w);
}

static void
every_power_cut_is_survived(void **state)
{
	static const struct kind kinds[] = {
		{ "cut, unsynced writes lost", SHIM_CUT, 1, SHIM_LOSE_ALL },
		{ "cut, a subset survives", SHIM_CUT, 1, SHIM_LOSE_SOME },
		{ "cut, sectors torn", SHIM_CUT, 1, SHIM_TEAR_SOME },
		{ "cut, that write torn", SHIM_TEAR, 1, SHIM_TEAR_SOME },
		{ "killed", SHIM_CUT, 1, SHIM_LOSE_NONE },
	};

	(void)state;
	enumerate(kinds, sizeof(kinds) / sizeof(kinds[0]), WORK_GOES_ON, 200);
}

static void
every_error_is_survived(void **state)
{
	static const struct kind kinds[] = {
		{ "EIO", SHIM_EIO, 1, 0 },
		{ "EIO, three in a row", SHIM_EIO, 3, 0 },
		{ "disk full", SHIM_ENOSPC, 1, 0 },
		{ "disk full, three in a row", SHIM_ENOSPC, 3, 0 },
		{ "sync EIO", SHIM_SYNC_EIO, 1, 0 },
		{ "sync EIO, three in a row", SHIM_SYNC_EIO, 3, 0 },
	};

	(void)state;
	enumerate(kinds, sizeof(kinds) / sizeof(kinds[0]), WORK_GOES_ON, 20);
}

/* Least of all is a sound file set aside for it. */
static void
a_read_that_fails_is_no_damage(void **state)
{
	static const struct kind kinds[] = {
		{ "read EIO", SHIM_READ_EIO, 1, 0 },
		{ "read EIO, three in a row", SHIM_READ_EIO, 3, 0 },
	};

	(void)state;
	enumerate(kinds, sizeof(kinds) / sizeof(kinds[0]), WORK_GOES_ON, 20);
}

static void
what_was_accepted_after_an_error_survives_a_cut(void **state)
{
	static const struct kind kinds[] = {
		{ "EIO, then a cut", SHIM_EIO, 1, SHIM_LOSE_ALL },
		{ "disk full, then a cut", SHIM_ENOSPC, 1, SHIM_LOSE_ALL },
		{ "sync EIO, then a cut", SHIM_SYNC_EIO, 1, SHIM_LOSE_ALL },
		{ "sync EIO, then a cut that leaves some", SHIM_SYNC_EIO, 1, SHIM_LOSE_SOME },
	};
	/* Killed before it could settle what a failed sync carried; the log in the cache has it. */
	static const struct kind killed = { "sync EIO, a kill, then a cut", SHIM_SYNC_EIO, 1,
		SHIM_LOSE_ALL };

	(void)state;
	enumerate(kinds, sizeof(kinds) / sizeof(kinds[0]), WORK_CUT, 20);
	enumerate(&killed, 1, WORK_KILL_CUT, 20);
}

/*
 * A disk that lies cannot be withstood.  What was accepted since the last sync
 * that told the truth may be gone without a name; but nothing is doubled, and
 * the agent starts.
 */
static void
a_lying_sync_loses_and_never_doubles(void **state)
{
	static const struct kind kind = { "lying sync, then a cut", SHIM_SYNC_LIES, 1,
		SHIM_LOSE_ALL };
	struct work *w = work_new();
	uint64_t nth = 1;

	(void)state;
	shim_vfs_install(20261128);
	w->damage_allowed = true;
	while (run_one(w, &kind, nth, WORK_CUT))
		nth++;
	work_print(w, kind.name);
	assert_true(nth > 20);
	assert_int_equal(w->f.doubled, 0);
	/* The shim's power model works: a sync that lied was paid for. */
	assert_true(w->f.lost > 0);
	work_free(w);
}

/* An argument: only the tests whose names match it. */
int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_power_cut_is_survived),
		cmocka_unit_test(every_error_is_survived),
		cmocka_unit_test(a_read_that_fails_is_no_damage),
		cmocka_unit_test(what_was_accepted_after_an_error_survives_a_cut),
		cmocka_unit_test(a_lying_sync_loses_and_never_doubles),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	shim_vfs_install(20261128);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
