/* When the agent is near its ceiling of memory, and what it says then; a ledger entry without room.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent_limits.h"
#include "agent_memory.h"

#define MIB ((uint64_t)1 << 20)

static void
what_can_be_done_without_is_dropped_near_the_ceiling(void **state)
{
	static const struct {
		int64_t mono_ms;
		uint64_t used_mib;
		bool drop, high;
	} look[] = {
		{ 1000, 79, false, false }, { 2000, 80, true, true },
		{ 3000, 99, false, true }, /* it was done just now */
		{ 61999, 99, false, true }, { 62000, 99, true, true },
		{ 63000, 70, false, true }, /* not yet well below */
		{ 64000, 69, false, false },
		{ 65000, 130, true, true }, /* resident pages may be more than the ceiling */
	};
	struct memory m = { .ceiling_bytes = 100 * MIB };

	(void)state;
	for (size_t i = 0; i < sizeof(look) / sizeof(look[0]); i++) {
		assert_int_equal(
		    memory_judge(&m, look[i].used_mib * MIB, look[i].mono_ms), look[i].drop);
		assert_int_equal(m.high, look[i].high);
		assert_int_equal(memory_pct(&m), look[i].used_mib);
	}
	assert_int_equal(m.relieved, 3);
}

static void
without_a_ceiling_nothing_is_dropped(void **state)
{
	struct memory m = { 0 };

	(void)state;
	assert_false(memory_judge(&m, 1000 * MIB, 1000));
	assert_false(m.high);
	assert_int_equal(memory_pct(&m), 0);
}

static void
what_was_left_out_is_worth_a_word_for_ten_minutes(void **state)
{
	struct memory m = { 0 };

	(void)state;
	assert_false(memory_short(&m, 0));
	memory_failed(&m, 7, 1000);
	memory_failed(&m, 1, 2000);
	assert_true(memory_short(&m, 601999));
	assert_false(memory_short(&m, 602000));
	assert_int_equal(m.failed, 8);
}

static void
the_kernel_says_what_is_used(void **state)
{
	(void)state;
	assert_in_range(memory_used(), MIB / 4, UINT64_MAX);
}

static void
an_entry_that_found_no_room_is_due_again_with_all_of_it(void **state)
{
	const struct bl_id boot = { { 7 } };
	struct limits l = { 0 };
	struct bl_gap gap;

	(void)state;
	limits_sample(&l, BL_STREAM_HOST, 1000);
	limits_sample(&l, BL_STREAM_HOST, 1000);
	assert_true(limits_due(&l, &boot, 1500, false, &gap));
	assert_int_equal(gap.samples, 2);
	limits_untold(&l, &gap);
	limits_sample(&l, BL_STREAM_HOST, 2000);
	assert_true(limits_due(&l, &boot, 2500, false, &gap));
	assert_int_equal(gap.begin_boot_ms, 1000);
	assert_int_equal(gap.end_boot_ms, 2500);
	assert_int_equal(gap.samples, 3);
	assert_false(limits_due(&l, &boot, 2600, false, &gap));
	/* Counted ones beside such as nobody can count: how many is not known. */
	limits_results(&l, 5, 3000, 3000);
	assert_true(limits_due(&l, &boot, 3000, false, &gap));
	limits_untold(&l, &gap);
	assert_true(limits_due(&l, &boot, 3100, false, &gap));
	assert_int_equal(gap.stream, BL_STREAM_PROBES);
	assert_int_equal(gap.samples, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_can_be_done_without_is_dropped_near_the_ceiling),
		cmocka_unit_test(without_a_ceiling_nothing_is_dropped),
		cmocka_unit_test(what_was_left_out_is_worth_a_word_for_ten_minutes),
		cmocka_unit_test(the_kernel_says_what_is_used),
		cmocka_unit_test(an_entry_that_found_no_room_is_due_again_with_all_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
