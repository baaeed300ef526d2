/*
 * What the link carried, while the disk fails: the n-th write, sync, truncate fails or the power
 * goes at it, for n = 1, 2, 3 ... until the work ends without meeting it.  What a commit said yes
 * to is there afterwards, nothing is counted twice, and the samples beside it come through as ever.
 */
#include "spool_kit.h"

#include "branchline/log.h"

#include "shim.h"

#define NOV    24322u
#define ROUNDS 3
#define ONE    100u /* bytes of a round */

struct run {
	struct kit *k;
	uint64_t tried, committed; /* rounds */
};

static void
one_round(struct run *r)
{
	const struct spool_usage_add a = { .month = NOV,
		.out_bytes = ONE,
		.hour = { .has = true, .used_bytes = (r->tried + 1) * ONE } };
	struct bl_err err = { 0 };
	uint64_t lost;

	kit_tick(r->k, BL_STREAM_HOST);
	spool_usage_add(r->k->s, &a);
	r->tried++;
	if (spool_commit(r->k->s, &lost, &err) == BL_OK)
		r->committed = r->tried;
}

static void
assert_counted(struct run *r, const char *what)
{
	struct spool_status st;
	struct bl_err err = { 0 };
	uint64_t got;

	assert_int_equal(spool_status(r->k->s, &st, &err), BL_OK);
	got = st.usage.n > 0 ? st.usage.month[0].out_bytes / ONE : 0;
	if (got < r->committed || got > r->tried || st.usage.hour.used_bytes != got * ONE)
		fail_msg(
		    "%s: %llu rounds are there, %llu were committed of %llu, the hour has %llu",
		    what, (unsigned long long)got, (unsigned long long)r->committed,
		    (unsigned long long)r->tried, (unsigned long long)st.usage.hour.used_bytes);
}

/* False: the fault was beyond the work. */
static bool
run_one(void **state, enum shim_fault fault, uint64_t nth, enum shim_loss how)
{
	const struct shim_plan plan = { .kind = fault, .at_op = nth };
	struct run r = { 0 };
	char what[160];
	bool fired;

	shim_vfs_install(nth);
	assert_int_equal(kit_setup(state), 0);
	r.k = *state;
	kit_open(r.k, SPOOL_CREATED);
	kit_commit(r.k);
	shim_plan(&plan);
	for (int i = 0; i < ROUNDS; i++)
		one_round(&r);
	fired = shim_fired();
	(void)snprintf(what, sizeof(what), "%s at %llu (%.90s)", shim_fault_name(fault),
	    (unsigned long long)nth, shim_fired_at());
	shim_plan(NULL);
	if (fault == SHIM_CUT) {
		shim_power_off(r.k->dir);
		kit_crash(r.k);
		shim_power_cut(r.k->dir, how);
		kit_open(r.k, SPOOL_OPENED);
		assert_counted(&r, what);
	} else {
		/* The disk works again: nothing was forgotten, though nothing is added to it. */
		kit_tick(r.k, BL_STREAM_HOST);
		kit_commit(r.k);
		r.committed = r.tried;
		kit_crash(r.k);
		kit_open(r.k, SPOOL_OPENED);
		assert_counted(&r, what);
	}
	kit_close(r.k);
	assert_int_equal(kit_teardown(state), 0);
	return fired;
}

static void
enumerate(void **state, enum shim_fault fault, enum shim_loss how)
{
	/* Syncs are few: each is tried. */
	const uint64_t step = fault == SHIM_SYNC_EIO ? 1 : rounds(5, 1);
	uint64_t nth = 1 + (uint64_t)how % step;

	for (; run_one(state, fault, nth, how); nth += step)
		;
	assert_true(nth > 3);
	print_message("%s: of %llu operations\n", shim_fault_name(fault), (unsigned long long)nth);
}

static void
each_failed_operation_is_made_good(void **state)
{
	enumerate(state, SHIM_EIO, SHIM_LOSE_ALL);
	enumerate(state, SHIM_ENOSPC, SHIM_LOSE_ALL);
	enumerate(state, SHIM_SYNC_EIO, SHIM_LOSE_ALL);
}

static void
each_power_cut_leaves_what_was_committed(void **state)
{
	enumerate(state, SHIM_CUT, SHIM_LOSE_ALL);
	enumerate(state, SHIM_CUT, SHIM_TEAR_SOME);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_failed_operation_is_made_good),
		cmocka_unit_test(each_power_cut_leaves_what_was_committed),
	};

	bl_log_level_set(BL_LOG_ERROR);
	return cmocka_run_group_tests_name("spool usage, failing disk", tests, NULL, NULL);
}
