/*
 * The collector's writer, every operation: the n-th write, sync, truncate fails,
 * or the power goes at it, for n = 1, 2, 3 ... until the work ends without
 * meeting it.  After each: what was receipted is there, nothing twice, nothing
 * set aside that was good, the file sound.
 *
 * The usual form tries one operation in three (in twelve under the address sanitizer),
 * beginning at another one for each kind; BL_LONG=1 tries every operation with every kind.
 */
#include "ingest_work.h"

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

/* False: the fault was beyond the work. */
static bool
run_one(struct iwork *w, const struct kind *kind, uint64_t nth, enum iwork_then then)
{
	const struct shim_plan plan = { .kind = kind->fault, .at_op = nth, .count = kind->count };
	bool fired;

	iwork_begin(w);
	w->then = then;
	shim_plan(&plan);
	iwork_run(w);
	fired = shim_fired();
	(void)snprintf(w->what, sizeof(w->what), "%s at %llu (%.90s)", kind->name,
	    (unsigned long long)nth, shim_fired_at());
	shim_plan(NULL);
	if (kind->fault == SHIM_CUT || kind->fault == SHIM_TEAR || then != IWORK_GOES_ON)
		iwork_restart(w, kind->how);
	iwork_end(w);
	return fired;
}

static void
enumerate(const struct kind *kinds, size_t n, enum iwork_then then, uint64_t at_least)
{
	struct iwork *w = iwork_new();

	for (size_t i = 0; i < n; i++) {
		const uint64_t step = stride(&kinds[i]);
		uint64_t nth = 1 + i % step;

		memset(&w->f, 0, sizeof(w->f));
		shim_vfs_install(20261128 + i);
		while (run_one(w, &kinds[i], nth, then))
			nth += step;
		iwork_assert_clean(w, kinds[i].name);
		print_message("    %llu operations, one in %llu tried\n",
		    (unsigned long long)nth - 1, (unsigned long long)step);
		assert_true(nth > at_least);
	}
	iwork_free(w);
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
	enumerate(kinds, sizeof(kinds) / sizeof(kinds[0]), IWORK_GOES_ON, 200);
}

static void
every_error_is_survived(void **state)
{
	static const struct kind kinds[] = {
		{ "EIO", SHIM_EIO, 1, 0 },
		{ "EIO, three in a row", SHIM_EIO, 3, 0 },
		{ "disk full", SHIM_ENOSPC, 1, 0 },
		{ "sync EIO", SHIM_SYNC_EIO, 1, 0 },
		{ "sync EIO, three in a row", SHIM_SYNC_EIO, 3, 0 },
	};

	(void)state;
	enumerate(kinds, sizeof(kinds) / sizeof(kinds[0]), IWORK_GOES_ON, 15);
}

static void
what_was_receipted_after_an_error_survives_a_cut(void **state)
{
	static const struct kind kinds[] = {
		{ "EIO, then a cut", SHIM_EIO, 1, SHIM_LOSE_ALL },
		{ "disk full, then a cut", SHIM_ENOSPC, 1, SHIM_LOSE_ALL },
		{ "sync EIO, then a cut", SHIM_SYNC_EIO, 1, SHIM_LOSE_ALL },
		{ "sync EIO, then a cut that leaves some", SHIM_SYNC_EIO, 1, SHIM_LOSE_SOME },
	};

	(void)state;
	enumerate(kinds, sizeof(kinds) / sizeof(kinds[0]), IWORK_CUT, 15);
}

/* No fault at all: what the variants that are broken on purpose fail at once. */
static void
without_a_fault_all_is_there_once(void **state)
{
	static const struct kind none = { "no fault", SHIM_NONE, 1, SHIM_LOSE_NONE };
	struct iwork *w = iwork_new();

	(void)state;
	assert_false(run_one(w, &none, 1, IWORK_GOES_ON));
	iwork_assert_clean(w, none.name);
	iwork_free(w);
}

/* An argument: only the tests whose names match it. */
int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_fault_all_is_there_once),
		cmocka_unit_test(every_power_cut_is_survived),
		cmocka_unit_test(every_error_is_survived),
		cmocka_unit_test(what_was_receipted_after_an_error_survives_a_cut),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	shim_vfs_install(20261128);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
