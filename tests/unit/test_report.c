/*
 * Device reports: what may not be said, and what becomes of one at the centre.
 * That both sides read the same bytes is the golden vectors' part.
 */
#include "ingest_kit.h"

#include "branchline/report.h"

/* ---- the message ---- */

static struct bl_report
full_report(void)
{
	static const struct bl_report r = { .boot_ms = 1000,
		.backlog = { { .has = true, .batches = 1, .age_ms = 5 } },
		.clock = { .has = true, .source = BL_CLOCK_NTP, .wall_usable = true },
		.link = { .has = true, .local_address = "10.0.0.7", .connections = 2 },
		.n_months = 2,
		.month = { { 24321, 1, 2, { 0, 0, 1 }, 1 }, { 24322, 5, 9, { 1, 2, 3 }, 3 } },
		.budget = { .has = true, .bytes_per_hour = 1000, .held = 4 },
		.sampling = { .has = true,
		    .safe_mode = true,
		    .whole_in_ms = 5,
		    .series_refused = 6,
		    .samples_refused = 7,
		    .results_dropped = UINT64_MAX } };

	return r;
}

static void
report_survives_the_wire(void **state)
{
	const struct bl_report r = full_report();
	struct bl_report got;
	struct bl_buf out;

	(void)state;
	bl_buf_init(&out, 4096);
	assert_int_equal(bl_report_encode(&r, &out), BL_OK);
	assert_true(out.len <= BL_REPORT_WIRE_MAX);
	assert_int_equal(bl_report_decode(out.data, out.len, &got, NULL), BL_OK);
	assert_memory_equal(&got, &r, sizeof(r));
	bl_buf_free(&out);
}

/* The largest that can be said fits what a centre looks into. */
static void
the_largest_report_fits(void **state)
{
	struct bl_report r = full_report();
	struct bl_buf out;

	(void)state;
	memset(&r.backlog, 0xff, sizeof(r.backlog));
	for (int i = 0; i < BL_STREAMS; i++)
		r.backlog[i].has = true;
	memset(r.link.local_address, 'x', BL_REPORT_ADDRESS_MAX);
	r.n_months = BL_REPORT_MONTHS_MAX;
	memset(r.month, 0xff, sizeof(r.month));
	for (uint32_t i = 0; i < BL_REPORT_MONTHS_MAX; i++)
		r.month[i].month = UINT32_MAX - 20 + i;
	bl_buf_init(&out, 65536);
	assert_int_equal(bl_report_encode(&r, &out), BL_OK);
	assert_true(out.len <= BL_REPORT_WIRE_MAX);
	bl_buf_free(&out);
}

static void
break_boot(struct bl_report *r)
{
	r->boot_ms = INT64_MIN;
}

static void
break_source(struct bl_report *r)
{
	r->clock.source = (enum bl_clock_source)3;
}

static void
break_transport(struct bl_report *r)
{
	r->link.transport = (enum bl_transport)2;
}

static void
break_address(struct bl_report *r)
{
	r->link.local_address[0] = '\xff';
}

static void
break_address_end(struct bl_report *r)
{
	memset(r->link.local_address, 'x', sizeof(r->link.local_address));
}

static void
break_months(struct bl_report *r)
{
	r->n_months = BL_REPORT_MONTHS_MAX + 1;
}

static void
break_order(struct bl_report *r)
{
	r->month[1].month = r->month[0].month;
}

static void
break_held(struct bl_report *r)
{
	r->budget.held = 8;
}

static void
report_refuses_what_cannot_be(void **state)
{
	static void (*const breaks[])(struct bl_report *) = { break_boot, break_source,
		break_transport, break_address, break_address_end, break_months, break_order,
		break_held };
	struct bl_buf out;

	(void)state;
	bl_buf_init(&out, 4096);
	for (size_t i = 0; i < sizeof(breaks) / sizeof(breaks[0]); i++) {
		struct bl_report r = full_report();

		breaks[i](&r);
		assert_int_equal(bl_report_encode(&r, &out), BL_EINVAL);
	}
	assert_int_equal(out.len, 0);
	bl_buf_free(&out);
}

/* ---- at the centre ---- */

static void
take_report(struct ctx *c, const char *device, const struct bl_report *r)
{
	bl_buf_reset(&c->msg);
	assert_int_equal(bl_report_encode(r, &c->msg), BL_OK);
	take(c, topic_of(BL_TOPIC_HELLO, device), c->msg.data, c->msg.len, false);
}

static struct bl_report
of_spool(const struct ctx *c, int64_t boot_ms)
{
	struct bl_report r = full_report();

	r.spool = c->spool;
	r.boot = c->boot;
	r.boot_ms = boot_ms;
	return r;
}

static void
say_hello(struct ctx *c)
{
	const struct bl_hello h = hello(c, "kiosk-1", 1);

	take_hello(c, "kiosk-1", &h);
}

static int64_t
seen_boot_ms(struct ctx *c)
{
	struct store_report got;
	struct bl_err err = { 0 };
	const int rc = store_read_report(c->r, "kiosk-1", &got, &err);

	if (rc == BL_ENOTFOUND)
		return -1;
	must(rc, &err);
	return got.report.boot_ms;
}

static void
the_newest_report_stands(void **state)
{
	struct ctx *c = *state;
	struct bl_report r;
	struct store_report got;
	struct bl_err err = { 0 };

	say_hello(c);
	assert_int_equal(seen_boot_ms(c), -1);
	r = of_spool(c, 2000);
	take_report(c, "kiosk-1", &r);
	must(store_read_report(c->r, "kiosk-1", &got, &err), &err);
	assert_memory_equal(&got.report, &r, sizeof(r));
	assert_int_equal(got.arrived_unix_ms, c->clock.unix_ms);
	/* One that comes late says nothing; one of another boot does. */
	pass(c, 1000);
	r = of_spool(c, 1500);
	take_report(c, "kiosk-1", &r);
	assert_int_equal(seen_boot_ms(c), 2000);
	pass(c, 1000);
	memset(r.boot.b, 9, sizeof(r.boot.b));
	r.boot_ms = 7;
	take_report(c, "kiosk-1", &r);
	assert_int_equal(seen_boot_ms(c), 7);
	assert_int_equal(aside(c).n, 0);
	assert_int_equal(totals(c).batches, 0);
}

static void
a_flood_of_reports_is_not_written(void **state)
{
	struct ctx *c = *state;
	struct bl_report r;

	say_hello(c);
	for (int i = 0; i < 50; i++) {
		r = of_spool(c, 1000 + i);
		take_report(c, "kiosk-1", &r);
	}
	assert_int_equal(seen_boot_ms(c), 1000);
	pass(c, 1000);
	take_report(c, "kiosk-1", &r);
	assert_int_equal(seen_boot_ms(c), 1049);
}

static void
usage_of_a_month_only_grows(void **state)
{
	struct ctx *c = *state;
	struct bl_report r;
	struct store_usage u[4];
	struct bl_err err = { 0 };

	say_hello(c);
	r = of_spool(c, 1000);
	take_report(c, "kiosk-1", &r);
	pass(c, 1000);
	/* The file was new: it counts from zero again. */
	r = of_spool(c, 2000);
	r.month[1] = (struct bl_report_month){ 24322, 4, 8, { 1, 1, 1 }, 5 };
	take_report(c, "kiosk-1", &r);
	assert_int_equal(store_read_usage(c->r, "kiosk-1", u, 4, &err), 2);
	assert_int_equal(u[0].month.month, 24322);
	assert_int_equal(u[0].month.in_bytes, 5);
	assert_int_equal(u[0].month.class_bytes[2], 3);
	assert_int_equal(u[1].month.month, 24321);
	pass(c, 1000);
	r = of_spool(c, 3000);
	r.month[1] = (struct bl_report_month){ 24322, 5, UINT64_MAX, { 4, 5, 6 }, 7 };
	take_report(c, "kiosk-1", &r);
	assert_int_equal(store_read_usage(c->r, "kiosk-1", u, 4, &err), 2);
	assert_int_equal(u[0].month.out_bytes, INT64_MAX);
	assert_int_equal(u[0].month.other_bytes, 7);
	assert_int_equal(u[0].known_unix_ms, c->clock.unix_ms);
	assert_int_equal(store_read_usage(c->r, "nobody", u, 4, &err), 0);
}

/* Whatever months a device makes up, it has ten years of them, and each has a name. */
static void
usage_is_bounded(void **state)
{
	struct ctx *c = *state;
	struct store_usage u[200];
	struct bl_report r;
	struct bl_err err = { 0 };

	say_hello(c);
	for (uint32_t i = 0; i < 12; i++) {
		r = of_spool(c, 1000 + i);
		r.n_months = BL_REPORT_MONTHS_MAX;
		for (uint32_t k = 0; k < r.n_months; k++)
			r.month[k] =
			    (struct bl_report_month){ 24000 + i * r.n_months + k, 1, 1, { 0 }, 1 };
		take_report(c, "kiosk-1", &r);
		pass(c, 1000);
	}
	r.boot_ms++;
	r.month[0].month = 3;
	r.month[12].month = UINT32_MAX;
	take_report(c, "kiosk-1", &r);
	assert_int_equal(store_read_usage(c->r, "kiosk-1", u, 200, &err), 120);
	assert_int_equal(u[0].month.month, 24155);
	assert_int_equal(u[119].month.month, 24036);
}

static void
a_report_binds_no_spool(void **state)
{
	struct ctx *c = *state;
	struct bl_report r = of_spool(c, 1000);
	struct store_device d;

	take_report(c, "kiosk-1", &r);
	assert_int_equal(seen_boot_ms(c), -1);
	assert_int_equal(store_read_device(c->r, "kiosk-1", &d, NULL), BL_ENOTFOUND);
	assert_int_equal(aside(c).n, 0);
}

static void
identity_comes_from_the_topic(void **state)
{
	struct ctx *c = *state;
	struct bl_report r = of_spool(c, 1000);
	struct store_report got;

	say_hello(c);
	take_report(c, "kiosk-2", &r);
	assert_string_equal(aside(c).reason, "foreign_identity");
	assert_int_equal(store_read_report(c->r, "kiosk-2", &got, NULL), BL_ENOTFOUND);
}

static void
what_is_no_report_is_set_aside(void **state)
{
	struct ctx *c = *state;
	struct bl_report r = of_spool(c, 1000);
	static uint8_t large[BL_REPORT_WIRE_MAX + 1];

	say_hello(c);
	bl_buf_reset(&c->msg);
	assert_int_equal(bl_report_encode(&r, &c->msg), BL_OK);
	take(c, topic_of(BL_TOPIC_HELLO, "kiosk-1"), c->msg.data, c->msg.len - 1, false);
	assert_string_equal(aside(c).reason, "undecodable");
	/* An unknown section of two thousand bytes is one too much. */
	memcpy(large, c->msg.data, c->msg.len);
	take(c, topic_of(BL_TOPIC_HELLO, "kiosk-1"), large, sizeof(large), false);
	assert_string_equal(aside(c).reason, "oversized");
	take(c, topic_of(BL_TOPIC_HELLO, "kiosk-1"), c->msg.data, c->msg.len, true);
	assert_string_equal(aside(c).reason, "retained");
	take(c, topic_of(BL_TOPIC_LIVE, "kiosk-1"), c->msg.data, c->msg.len, false);
	assert_string_equal(aside(c).reason, "undecodable");
	assert_int_equal(aside(c).n, 4);
	assert_int_equal(seen_boot_ms(c), -1);
}

/* Tried again, it spoke of a moment that has passed. */
static void
a_report_set_aside_expires(void **state)
{
	struct ctx *c = *state;
	struct bl_report r = of_spool(c, 1000);
	const struct ingest_requeue all = { 0 };
	struct ingest_requeue_at at = { 0 };
	struct bl_err err = { 0 };

	say_hello(c);
	c->part = PART + 1;
	ingest_core_devices_changed(c->core);
	take_report(c, "kiosk-1", &r);
	assert_string_equal(aside(c).reason, "wrong_part");
	c->part = PART;
	ingest_core_devices_changed(c->core);
	must(ingest_core_begin(c->core, &err), &err);
	must(ingest_core_requeue(c->core, &all, &at, 100, &err), &err);
	must(ingest_core_commit(c->core, &err), &err);
	assert_int_equal(at.sums.expired, 1);
	assert_int_equal(seen_boot_ms(c), -1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(report_survives_the_wire),
		cmocka_unit_test(the_largest_report_fits),
		cmocka_unit_test(report_refuses_what_cannot_be),
		T(the_newest_report_stands),
		T(a_flood_of_reports_is_not_written),
		T(usage_of_a_month_only_grows),
		T(usage_is_bounded),
		T(a_report_binds_no_spool),
		T(identity_comes_from_the_topic),
		T(what_is_no_report_is_set_aside),
		T(a_report_set_aside_expires),
	};

	bl_log_level_set(BL_LOG_ERROR);
	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
