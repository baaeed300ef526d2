/* Current values: the newest of each series, what is too old, what memory allows; states of probes.
 */
#include "current.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "nomem.h"

#define LABEL(text) .n_labels = 1, .label = { { { "k", 1 }, { text, sizeof(text) - 1 } } }
#define NAME(text)  .name = { text, sizeof(text) - 1 }, .unit = { "1", 1 }

/* By handle. */
static const struct bl_series_def defs[] = {
	{ .stream = BL_STREAM_HOST, .kind = BL_GAUGE, .interval_ms = 10000, NAME("b"), LABEL("2") },
	{ .stream = BL_STREAM_HOST, .kind = BL_GAUGE, .interval_ms = 10000, NAME("b"), LABEL("1") },
	{ .stream = BL_STREAM_HOST, .kind = BL_COUNTER, .interval_ms = 10000, NAME("a") },
	/* The same after a reload with another interval. */
	{ .stream = BL_STREAM_HOST, .kind = BL_COUNTER, .interval_ms = 60000, NAME("a") },
	{ .stream = BL_STREAM_PROBES, .kind = BL_GAUGE, .interval_ms = 0, NAME("rare") },
	/* Another metric of the same name. */
	{ .stream = BL_STREAM_HOST,
	    .kind = BL_COUNTER,
	    .interval_ms = 10000,
	    NAME("b"),
	    LABEL("2") },
	/* The same with the unit that it was given since. */
	{ .stream = BL_STREAM_HOST,
	    .kind = BL_GAUGE,
	    .interval_ms = 0,
	    .name = { "rare", 4 },
	    .unit = { "pct", 3 } },
};
#define DEFS ((int32_t)(sizeof(defs) / sizeof(defs[0])))

static bool
series(void *ctx, int32_t handle, struct bl_series_def *out)
{
	(void)ctx;
	if (handle < 0 || handle >= DEFS)
		return false;
	*out = defs[handle];
	return true;
}

static struct current *
made(void)
{
	struct bl_err err = { 0 };
	struct current *c;

	assert_int_equal(current_create(&c, &err), BL_OK);
	return c;
}

static void
put(struct current *c, int64_t boot_ms, int32_t handle, double value)
{
	const struct spool_thread_sample s = { .handle = handle, .value = value };

	current_put(c, boot_ms, &s, 1);
}

/* "b{1}=2.5@100 ..." of what is current. */
static void
current_is(struct current *c, int64_t boot_ms, const char *expected)
{
	char text[512] = "";
	struct bl_err err = { 0 };
	struct current_snapshot s;

	assert_int_equal(current_snapshot(c, boot_ms, series, NULL, &s, &err), BL_OK);
	for (size_t i = 0; i < s.n; i++) {
		const struct current_row *r = &s.row[i];
		char *at = text + strlen(text);

		(void)snprintf(at, sizeof(text) - (size_t)(at - text), "%s%.*s%s%.*s=%g%s@%lld",
		    i > 0 ? " " : "", (int)r->def.name.len, r->def.name.p,
		    r->def.kind == BL_COUNTER ? "+" : "",
		    (int)(r->def.n_labels > 0 ? r->def.label[0].value.len : 0),
		    r->def.n_labels > 0 ? r->def.label[0].value.p : "", r->value,
		    r->unknown != BL_KNOWN ? "?" : "", (long long)r->boot_ms);
	}
	assert_string_equal(text, expected);
	current_snapshot_free(&s);
}

static void
the_newest_of_each_series_in_order(void **state)
{
	struct current *c = made();
	const struct spool_thread_sample tick[] = { { .handle = 0, .value = 1 },
		{ .handle = 1, .unknown = BL_UNKNOWN_TIMEOUT }, { .handle = 2, .value = 3 },
		{ .handle = 5, .value = 4 } };

	(void)state;
	current_is(c, 0, "");
	current_put(c, 100, tick, 4);
	put(c, 200, 0, 2.5);
	current_is(c, 300, "a+=3@100 b1=0?@100 b2=2.5@200 b+2=4@100");
	current_free(c);
}

static void
what_nobody_puts_any_more_is_not_current(void **state)
{
	struct current *c = made();

	(void)state;
	put(c, 1000, 0, 1);
	put(c, 1000, 4, 7); /* has no interval: stands */
	current_is(c, 1000 + 3 * 10000 + 15000, "b2=1@1000 rare=7@1000");
	current_is(c, 1000 + 3 * 10000 + 15001, "rare=7@1000");
	current_free(c);
}

static void
a_new_definition_replaces_the_old_one(void **state)
{
	struct current *c = made();

	(void)state;
	put(c, 100, 2, 1);
	put(c, 200, 3, 2);
	current_is(c, 300, "a+=2@200");
	/* Back to the old interval. */
	put(c, 400, 2, 3);
	current_is(c, 500, "a+=3@400");
	current_free(c);
}

static void
a_unit_that_was_mended_leaves_one_series(void **state)
{
	struct current *c = made();

	(void)state;
	put(c, 100, 4, 1);
	put(c, 200, 6, 2);
	current_is(c, 300, "rare=2@200");
	put(c, 400, 4, 3);
	current_is(c, 500, "rare=3@400");
	current_free(c);
}

static void
handles_that_nobody_knows_are_left_out(void **state)
{
	struct current *c = made();

	(void)state;
	put(c, 100, DEFS, 1);
	put(c, 100, -1, 1);
	put(c, 100, 70000, 1); /* more series than a dictionary may have */
	put(c, 100, 0, 1);
	current_is(c, 200, "b2=1@100");
	current_free(c);
}

static void
no_memory_is_counted_and_survived(void **state)
{
	struct bl_err err = { 0 };
	struct current_snapshot s;
	struct current *c;

	(void)state;
	nomem_arm(1);
	assert_int_equal(current_create(&c, &err), BL_ENOMEM);
	nomem_disarm();
	c = made();
	nomem_arm(1);
	put(c, 100, 0, 1);
	nomem_disarm();
	put(c, 200, 1, 2);
	nomem_arm(1);
	assert_int_equal(current_snapshot(c, 300, series, NULL, &s, &err), BL_ENOMEM);
	nomem_disarm();
	assert_null(s.row);
	assert_int_equal(current_snapshot(c, 300, series, NULL, &s, &err), BL_OK);
	assert_int_equal(s.missing, 1);
	assert_int_equal(s.n, 1);
	current_snapshot_free(&s);
	current_free(c);
}

/* ---- probes ---- */

static struct probe_conf two[] = { { .name = (char *)"shop", .interval_ms = 30000 },
	{ .name = (char *)"till", .kind = PROBE_MODBUS, .interval_ms = 1000 } };
static const struct bl_conf_list probes = { 2, two };

static struct current_probe
probe(struct current *c, unsigned i)
{
	struct bl_err err = { 0 };
	struct current_snapshot s;
	struct current_probe p;

	assert_int_equal(current_snapshot(c, 0, series, NULL, &s, &err), BL_OK);
	assert_true(i < s.n_probes);
	p = s.probe[i];
	current_snapshot_free(&s);
	return p;
}

static void
result(struct current *c, unsigned i, int64_t boot_ms, enum probe_reason reason)
{
	struct probe_result r = { .probe = i, .boot_ms = boot_ms, .reason = reason };

	(void)snprintf(r.detail, sizeof(r.detail), "%s", probe_reason_name(reason));
	if (reason == PROBE_OK)
		r.value[PROBE_TOTAL_MS] = (struct probe_value){ PROBE_HAVE, 12.5 };
	current_result(c, &r);
}

static void
a_probe_is_what_its_last_run_found(void **state)
{
	static const struct {
		int64_t at;
		enum probe_reason reason;
		int up;
		int64_t since;
	} runs[] = {
		{ 100, PROBE_OK, 1, 100 },
		{ 200, PROBE_OK, 1, 100 },
		{ 300, PROBE_FAIL_DNS, 0, 300 },
		{ 400, PROBE_FAIL_TIMEOUT, 0, 300 },
		{ 500, PROBE_FAIL_INTERNAL, -1, 500 }, /* says nothing about the service */
		{ 600, PROBE_FAIL_NOT_ALLOWED, -1, 500 },
		{ 700, PROBE_OK, 1, 700 },
	};
	struct current *c = made();

	(void)state;
	current_probes(c, &probes);
	assert_false(probe(c, 0).ran);
	assert_int_equal(probe(c, 0).up, -1);
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		struct current_probe p;

		result(c, 0, runs[i].at, runs[i].reason);
		p = probe(c, 0);
		assert_true(p.ran);
		assert_int_equal(p.up, runs[i].up);
		assert_int_equal(p.boot_ms, runs[i].at);
		assert_int_equal(p.since_boot_ms, runs[i].since);
		assert_string_equal(p.detail, probe_reason_name(runs[i].reason));
		assert_true(runs[i].up == 1 ? p.total_ms == 12.5 : isnan(p.total_ms));
	}
	assert_false(probe(c, 1).ran);
	assert_string_equal(probe(c, 1).name, "till");
	current_free(c);
}

static void
results_of_another_list_are_ignored(void **state)
{
	struct bl_err err = { 0 };
	struct current_snapshot s;
	struct current *c = made();

	(void)state;
	current_probes(c, &probes);
	result(c, 2, 100, PROBE_OK);
	result(c, 1, 100, PROBE_OK);
	current_probes(c, &probes); /* begins anew */
	assert_false(probe(c, 1).ran);
	current_probes(c, NULL);
	result(c, 0, 100, PROBE_OK);
	assert_int_equal(current_snapshot(c, 0, series, NULL, &s, &err), BL_OK);
	assert_int_equal(s.n_probes, 0);
	current_snapshot_free(&s);
	current_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_newest_of_each_series_in_order),
		cmocka_unit_test(what_nobody_puts_any_more_is_not_current),
		cmocka_unit_test(a_new_definition_replaces_the_old_one),
		cmocka_unit_test(a_unit_that_was_mended_leaves_one_series),
		cmocka_unit_test(handles_that_nobody_knows_are_left_out),
		cmocka_unit_test(no_memory_is_counted_and_survived),
		cmocka_unit_test(a_probe_is_what_its_last_run_found),
		cmocka_unit_test(results_of_another_list_are_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
