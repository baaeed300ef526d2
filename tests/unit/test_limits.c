/* What the agent's own limits refuse is counted, has a name, and is told in the ledger. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "agent_limits.h"

static const struct bl_id boot = { { 1 } };

static struct bl_series_def
def_of(enum bl_stream stream, const char *name, const char *value)
{
	struct bl_series_def def = { .stream = stream, .name = { name, strlen(name) } };

	if (value != NULL) {
		def.n_labels = 2;
		def.label[0].key = (struct bl_str){ "a", 1 };
		def.label[0].value = (struct bl_str){ "1", 1 };
		def.label[1].key = (struct bl_str){ "mount", 5 };
		def.label[1].value = (struct bl_str){ value, strlen(value) };
	}
	return def;
}

static void
refuse(struct limits *l, enum bl_stream stream, int64_t boot_ms)
{
	const struct bl_series_def def = def_of(stream, "disk_used_bytes", "/srv");

	limits_series(l, &def, boot_ms);
}

/* Ledger entries as text: "stream from-to samples" each. */
static const char *
told(struct limits *l, int64_t boot_ms, bool ending)
{
	static char text[256];
	struct bl_gap gap;
	size_t n = 0;

	text[0] = '\0';
	for (unsigned i = 0; limits_due(l, &boot, boot_ms, ending, &gap); i++) {
		assert_true(i < BL_STREAMS); /* it ends */
		assert_int_equal(gap.reason, BL_GAP_OVERLOAD);
		assert_memory_equal(&gap.begin_boot, &boot, sizeof(boot));
		assert_memory_equal(&gap.end_boot, &boot, sizeof(boot));
		assert_int_equal(gap.seq_first, 0);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%d %lld-%lld %llu",
		    i > 0 ? ", " : "", (int)gap.stream, (long long)gap.begin_boot_ms,
		    (long long)gap.end_boot_ms, (unsigned long long)gap.samples);
	}
	return text;
}

static void
refused_series_are_told_at_once_then_hourly(void **state)
{
	struct limits l = { 0 };

	(void)state;
	assert_string_equal(told(&l, 1000, false), "");
	refuse(&l, BL_STREAM_HOST, 5000);
	refuse(&l, BL_STREAM_HOST, 5000);
	refuse(&l, BL_STREAM_PROBES, 5000);
	assert_int_equal(limits_refused_now(&l), 3);
	assert_string_equal(told(&l, 5000, false), "2 5000-5000 0, 3 5000-5000 0");
	assert_string_equal(told(&l, 15000, false), "");
	refuse(&l, BL_STREAM_HOST, 20000);
	assert_string_equal(told(&l, 20000, false), "");
	assert_string_equal(told(&l, 5000 + LIMITS_TELL_MS - 1, false), "");
	assert_string_equal(
	    told(&l, 5000 + LIMITS_TELL_MS, false), "2 5000-3605000 0, 3 5000-3605000 0");
	/* whoever asked ends: the rest of the time is told, and nobody is refused any more */
	assert_string_equal(told(&l, 3700000, true), "2 3605000-3700000 0, 3 3605000-3700000 0");
	assert_int_equal(limits_refused_now(&l), 0);
	assert_int_equal(l.refused_series, 4);
	assert_string_equal(told(&l, 9900000, false), "");
	assert_string_equal(told(&l, 9900000, true), "");
	/* the next time is a first time again */
	refuse(&l, BL_STREAM_HOST, 9900000);
	assert_string_equal(told(&l, 9900000, false), "3 9900000-9900000 0");
}

static void
refused_samples_are_told_by_number(void **state)
{
	struct limits l = { 0 };

	(void)state;
	for (int i = 0; i < 7; i++)
		limits_sample(&l, BL_STREAM_HOST, 1000);
	assert_string_equal(told(&l, 1000, false), "3 1000-1000 7");
	limits_sample(&l, BL_STREAM_HOST, 2000);
	limits_sample(&l, BL_STREAM_HOST, 3000);
	assert_string_equal(told(&l, 4000, false), "");
	assert_string_equal(told(&l, 1000 + LIMITS_TELL_MS, false), "3 2000-3601000 2");
	assert_string_equal(told(&l, 9000000, false), "");
	assert_int_equal(l.refused_samples, 9);
	/* with series of which nobody knows how many samples they had, the number is not known */
	limits_sample(&l, BL_STREAM_HOST, 9000000);
	refuse(&l, BL_STREAM_HOST, 9000000);
	assert_string_equal(told(&l, 9000000, true), "3 9000000-9000000 0");
}

static void
results_and_things_left_out_have_no_number(void **state)
{
	struct limits l = { 0 };

	(void)state;
	limits_results(&l, 3, 4000, 5000);
	assert_string_equal(told(&l, 5000, false), "2 4000-5000 0");
	limits_results(&l, 1, 14000, 15000);
	limits_results(&l, 2, 15000, 16000);
	assert_int_equal(l.dropped_results, 6);
	assert_string_equal(told(&l, 16000, false), "");
	assert_string_equal(told(&l, 5000 + LIMITS_TELL_MS, false), "2 14000-3605000 0");
	assert_string_equal(told(&l, 9999000, false), ""); /* it is over */

	/* It is told for as long as it lasts, and not without a number because of what was. */
	limits_sample(&l, BL_STREAM_HOST, 20000);
	limits_left_out(&l, BL_STREAM_HOST, 20000);
	assert_string_equal(told(&l, 20000, false), "3 20000-20000 0");
	limits_left_out(&l, BL_STREAM_HOST, 30000);
	assert_string_equal(told(&l, 30000, false), "");
	/* Once a day, unless something else is to be told. */
	assert_string_equal(told(&l, 30000 + LIMITS_TELL_MS, false), "");
	assert_string_equal(told(&l, 20000 + LIMITS_DAY_MS, false), "3 30000-86420000 0");
	limits_left_out(&l, BL_STREAM_HOST, 86430000);
	limits_sample(&l, BL_STREAM_HOST, 86440000);
	assert_string_equal(told(&l, 86440000, false), "");
	assert_string_equal(told(&l, 86420000 + LIMITS_TELL_MS, false), "3 86430000-90020000 0");
	limits_left_out(&l, BL_STREAM_HOST, 90030000);
	assert_string_equal(told(&l, 90040000, true), "3 90030000-90040000 0");
	limits_sample(&l, BL_STREAM_HOST, 50000);
	assert_string_equal(told(&l, 50000, false), "3 50000-50000 1");
}

static void
the_newest_has_a_name_whatever_is_in_it(void **state)
{
	char longer[4097];
	struct bl_series_def def;
	struct limits l = { 0 };

	(void)state;
	refuse(&l, BL_STREAM_HOST, 1);
	assert_string_equal(l.newest, "disk_used_bytes{a=1,mount=/srv}");
	def = def_of(BL_STREAM_HOST, "bad\n\xff", "\x1b[31m");
	limits_series(&l, &def, 1);
	assert_string_equal(l.newest, "bad??{a=1,mount=?[31m}");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	for (size_t len = 400; len <= 4096; len += 4096 - 400) {
		l.newest[0] = '\0';
		def = def_of(BL_STREAM_HOST, longer, longer);
		def.name.len = len;
		limits_series(&l, &def, 1);
		assert_int_equal(strlen(l.newest), LIMITS_NAME_MAX - 1);
		assert_int_equal(l.newest[0], 'x');
		def = def_of(BL_STREAM_HOST, "m", longer);
		def.label[1].value.len = len;
		limits_series(&l, &def, 1);
		assert_int_equal(strlen(l.newest), LIMITS_NAME_MAX - 1);
	}
	def = def_of(BL_STREAM_HOST, "", NULL);
	limits_series(&l, &def, 1);
	assert_string_equal(l.newest, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused_series_are_told_at_once_then_hourly),
		cmocka_unit_test(refused_samples_are_told_by_number),
		cmocka_unit_test(results_and_things_left_out_have_no_number),
		cmocka_unit_test(the_newest_has_a_name_whatever_is_in_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
