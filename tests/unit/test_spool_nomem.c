/*
 * Memory ends in the spool at every single allocation, its own or SQLite's: it
 * says so, the next try works, nothing is lost and nothing comes twice.
 *
 * All of its own are tried; of SQLite's, one in many, and with BL_LONG=1 one in 9.
 */
#include "alloc_faults.h"
#include "spool_work.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_failed_allocation_of_its_own_is_survived),
		cmocka_unit_test(each_failed_allocation_of_sqlite_is_survived),
	};

	alloc_faults_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
