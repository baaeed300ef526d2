/*
 * Out of memory at every single allocation of the inlet `scrape`: what it is asked for it
 * does or says so, what it puts is right, and with memory all of it is there.
 */
#include "inlet_host.h"
#include "nomem.h"
#include "scrape_internal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERIES 136u

static struct scrape_exporter_conf exporter = { .name = (char *)"job",
	.url = (char *)"http://localhost:1/metrics",
	.interval_ms = 60000,
	.timeout_ms = 5000,
	.max_series = SERIES,
	.max_bytes = 65536 };

static void
it_is_opened_or_not(void **state)
{
	struct scrape_exporter_conf two[2] = { exporter, exporter };
	const struct scrape_conf conf = { { 2, two } };
	struct fake_host *h = fake_host_create("/nowhere");
	unsigned nth = 0;
	bool fired;

	(void)state;
	two[1].name = (char *)"other";
	do {
		struct bl_err err = { 0 };
		void *in;
		int rc;

		nomem_arm(++nth);
		rc = scrape_ops.open(&in, &conf, &h->host, &err);
		fired = nomem_disarm();
		assert_int_equal(rc, fired ? BL_ENOMEM : BL_OK);
		assert_true((in != NULL) == (rc == BL_OK));
		assert_true(rc == BL_OK || err.msg[0] != '\0');
		scrape_ops.close(in);
	} while (fired);
	assert_true(nth > 6);
	fake_host_free(h);
}

/* Each series with its number; every fourth line makes none. */
static size_t
write_page(char *out, size_t size)
{
	size_t n = 0;

	for (unsigned i = 0; i < SERIES; i++)
		n += (size_t)snprintf(out + n, size - n, "%s{n=\"%u\"} %u\n",
		    i % 4 == 3 ? "cpu_used_pct" : "m", i, i);
	assert_true(n < size);
	return n;
}

static uint32_t
read_page(struct scrape_page *p, const char *text, size_t len)
{
	uint32_t bad;

	scrape_page_begin(p, false, FAKE_HOST_UNIX_MS);
	scrape_page_feed(p, text, len);
	assert_null(scrape_page_end(p, true, &bad));
	assert_int_equal(bad, 0);
	return scrape_page_put(p, 0);
}

/* A sink that allocates nothing: the series is the number in its label. */
static int32_t
sink_declare(void *ctx, const struct bl_series_def *def)
{
	(void)ctx;
	assert_int_equal(def->label[0].key.len, 1);
	return (int32_t)strtoul(def->label[0].value.p, NULL, 10);
}

static void
sink_put(void *ctx, int32_t handle, double value)
{
	(void)ctx;
	assert_true(value == handle);
}

static void
sink_unknown(void *ctx, int32_t handle, enum bl_unknown reason)
{
	(void)ctx;
	fail_msg("series %d is unknown (%d)", (int)handle, (int)reason);
}

static void
a_page_is_read_as_far_as_memory_goes(void **state)
{
	static char text[32 * SERIES];
	const size_t len = write_page(text, sizeof(text));
	struct sample_sink sink = {
		.declare = sink_declare, .put = sink_put, .unknown = sink_unknown
	};
	const struct intake_opts opts = {
		.source = "job", .max_series = SERIES, .interval_ms = 60000, .sink = &sink
	};
	unsigned nth = 0;
	bool fired;

	(void)state;
	do {
		struct scrape_counts counts = { 0 };
		struct scrape_page *page;
		struct intake *intake;
		struct bl_err err;
		uint32_t n;

		assert_int_equal(intake_open(&intake, &opts, &err), BL_OK);
		assert_int_equal(
		    scrape_page_create(&page, intake, &exporter, &counts, &err), BL_OK);
		nomem_arm(++nth);
		n = read_page(page, text, len);
		fired = nomem_disarm();
		assert_true(fired ? n >= SERIES * 3 / 4 - 1 : n == SERIES * 3 / 4);
		n = read_page(page, text, len);
		if (n != SERIES * 3 / 4)
			fail_msg("allocation %u: %u series", nth, n);
		scrape_page_free(page);
		intake_close(intake);
	} while (fired);
	assert_true(nth > SERIES);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_opened_or_not),
		cmocka_unit_test(a_page_is_read_as_far_as_memory_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
