/*
 * The newest value of every series: what the writer puts in and what is filled in from the store
 * are the same.
 */
#include "compact_kit.h"

#include <math.h>

#include "latest.h"

static const char *const devices[] = { "kiosk-1", "kiosk-2" };

struct rig {
	struct kit k;
	struct latest *l;
};

static int
rig_open(void **state)
{
	struct rig *g = calloc(1, sizeof(*g));

	kit_open(&g->k, "latest");
	g->l = latest_create(&g->k.clock.clock, 0);
	assert_non_null(g->l);
	*state = g;
	return 0;
}

static int
rig_close(void **state)
{
	struct rig *g = *state;

	latest_free(g->l);
	kit_close(&g->k);
	free(g);
	return 0;
}

/* One batch of up to two series, as ingest would store it and tell of it. */
struct told {
	const char *device;
	uint8_t spool;
	uint64_t seq;
	int64_t end_ms;  /* boot time of the last sample; three of them, a second apart */
	double value[2]; /* of the last one; NaN: unknown */
};
#define ABSENT (-1e300) /* the series is not in it */

static void
tell_into(struct rig *g, struct latest *l, const struct told *t)
{
	struct bl_batch_enc *e = bl_batch_enc_create();
	struct bl_batch_header h = { .spool = fixture_id(t->spool),
		.boot = fixture_id(1),
		.stream = BL_STREAM_HOST,
		.seq = t->seq,
		.collect_begin_ms = t->end_ms - 3000,
		.collect_end_ms = t->end_ms };
	struct bl_buf msg, raw;
	struct bl_err err = { 0 };
	const uint8_t *body;
	size_t len;

	assert_non_null(e);
	for (uint32_t s = 0; s < 2; s++)
		for (int k = 2; k >= 0 && t->value[s] != ABSENT; k--)
			assert_int_equal(
			    bl_batch_enc_sample(e, s + 1, t->end_ms - k * 1000,
				k > 0 ? 7.5 : t->value[s],
				k == 0 && isnan(t->value[s]) ? BL_UNKNOWN_UNREADABLE : BL_KNOWN),
			    BL_OK);
	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	must(bl_batch_enc_finish(e, &h, &msg, &err), &err);
	must(bl_batch_header_decode(msg.data, msg.len, &h, &body, &len, &err), &err);
	must(bl_batch_inflate(&h, body, len, &raw, &err), &err);
	begin(&g->k);
	must(store_batch_put(g->k.s, spool_of(&g->k, t->spool, t->device), &h, body, len, raw.data,
		 raw.len, &err),
	    &err);
	commit(&g->k);
	if (l != NULL) {
		const struct latest_batch b = { &h, raw.data, raw.len,
			store_spool_unix_ms(
			    spool_of(&g->k, t->spool, t->device), &h.boot, h.event_end_ms) };

		latest_take(l, &b);
	}
	bl_buf_free(&msg);
	bl_buf_free(&raw);
	bl_batch_enc_free(e);
}

/* "device value@seconds ..." of a metric; "?" unknown, "-" nothing. */
static void
rows_are(struct rig *g, struct latest *l, const char *metric, const char *expected)
{
	struct latest_view v;
	struct bl_err err = { 0 };
	char text[512] = "";
	size_t at = 0;

	must(latest_view(l, g->k.r, metric, &v, &err), &err);
	for (size_t i = 0; i < v.n; i++) {
		const struct latest_row *r = &v.row[i];
		const long long s = (long long)(r->unix_ms - OFFSET) / 1000;

		at += (size_t)snprintf(
		    text + at, sizeof(text) - at, "%s%s ", i > 0 ? " " : "", r->device);
		if (r->state == LATEST_NONE)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "-");
		else if (r->state == LATEST_UNKNOWN)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "?@%lld", s);
		else
			at +=
			    (size_t)snprintf(text + at, sizeof(text) - at, "%g@%lld", r->value, s);
	}
	assert_string_equal(v.unit, "1");
	latest_view_done(l, &v);
	assert_string_equal(text, expected);
}

/* What the table says, and what one says that is filled from the store alone. */
static void
both_say(struct rig *g, const char *metric, const char *expected)
{
	struct latest *filled = latest_create(&g->k.clock.clock, 0);
	struct bl_err err = { 0 };

	rows_are(g, g->l, metric, expected);
	must(latest_fill(filled, g->k.r, NULL, NULL, &err), &err);
	assert_true(latest_complete(filled));
	rows_are(g, filled, metric, expected);
	latest_free(filled);
}

static void
know_all(struct rig *g)
{
	for (uint8_t i = 0; i < 2; i++)
		know(&g->k, (uint8_t)(0xa + i), devices[i]);
}

/* Names that were looked up while they grew are looked up again after two seconds. */
static void
later(struct rig *g)
{
	pass(&g->k, 10000);
}

static void
the_last_sample_of_each_series_counts(void **state)
{
	struct rig *g = *state;

	know_all(g);
	tell_into(g, g->l, &(struct told){ devices[0], 0xa, 1, 60000, { 1.25, 2 } });
	tell_into(g, g->l, &(struct told){ devices[1], 0xb, 1, 61000, { -3, NAN } });
	both_say(g, "m1", "kiosk-1 1.25@60 kiosk-2 -3@61");
	both_say(g, "m2", "kiosk-1 2@60 kiosk-2 ?@61");
	later(g);
	tell_into(g, g->l, &(struct told){ devices[0], 0xa, 2, 120000, { 4, NAN } });
	both_say(g, "m1", "kiosk-1 4@120 kiosk-2 -3@61");
	both_say(g, "m2", "kiosk-1 ?@120 kiosk-2 ?@61");
	/* The wire may hold it; nobody is told it. */
	later(g);
	tell_into(g, g->l, &(struct told){ devices[0], 0xa, 3, 180000, { INFINITY, -INFINITY } });
	both_say(g, "m1", "kiosk-1 ?@180 kiosk-2 -3@61");
	both_say(g, "m2", "kiosk-1 ?@180 kiosk-2 ?@61");
}

static void
backlog_does_not_set_values_back(void **state)
{
	struct rig *g = *state;

	know_all(g);
	tell_into(g, g->l, &(struct told){ devices[0], 0xa, 5, 300000, { 5, 6 } });
	tell_into(g, g->l, &(struct told){ devices[0], 0xa, 1, 60000, { 1, 1 } });
	rows_are(g, g->l, "m1", "kiosk-1 5@300 kiosk-2 -");
	rows_are(g, g->l, "m2", "kiosk-1 6@300 kiosk-2 -");
	tell_into(g, g->l, &(struct told){ devices[0], 0xa, 6, 360000, { 7, 8 } });
	tell_into(g, g->l, &(struct told){ devices[0], 0xa, 2, 120000, { 1, 1 } });
	rows_are(g, g->l, "m1", "kiosk-1 7@360 kiosk-2 -");
}

/* One that comes once an hour is not forgotten when the next batch is without it. */
static void
a_series_that_is_not_in_the_newest_batch_stays(void **state)
{
	struct rig *g = *state;

	know_all(g);
	tell_into(g, g->l, &(struct told){ devices[0], 0xa, 1, 60000, { 1, 11 } });
	tell_into(g, g->l, &(struct told){ devices[0], 0xa, 2, 120000, { 2, ABSENT } });
	rows_are(g, g->l, "m1", "kiosk-1 2@120 kiosk-2 -");
	rows_are(g, g->l, "m2", "kiosk-1 11@60 kiosk-2 -");
}

/* What comes faster than it is looked into is there when somebody asks. */
static void
the_newest_of_a_burst_counts(void **state)
{
	struct rig *g = *state;

	know_all(g);
	for (uint64_t i = 1; i <= 20; i++)
		tell_into(g, g->l,
		    &(struct told){ devices[0], 0xa, i, (int64_t)i * 60000, { (double)i, NAN } });
	rows_are(g, g->l, "m1", "kiosk-1 20@1200 kiosk-2 -");
	tell_into(g, g->l, &(struct told){ devices[0], 0xa, 21, 1260000, { 21, 1 } });
	tell_into(g, g->l, &(struct told){ devices[1], 0xb, 1, 60000, { 1, 1 } });
	rows_are(g, g->l, "m1", "kiosk-1 21@1260 kiosk-2 1@60");
	rows_are(g, g->l, "m2", "kiosk-1 1@1260 kiosk-2 1@60");
}

static void
a_new_spool_goes_on_with_the_same_series(void **state)
{
	struct rig *g = *state;

	know_all(g);
	tell_into(g, g->l, &(struct told){ devices[0], 0xa, 1, 60000, { 1, 2 } });
	rows_are(g, g->l, "m1", "kiosk-1 1@60 kiosk-2 -");
	know(&g->k, 0x1a, devices[0]);
	tell_into(g, g->l, &(struct told){ devices[0], 0x1a, 1, 90000, { 3, 4 } });
	rows_are(g, g->l, "m1", "kiosk-1 3@90 kiosk-2 -");
	tell_into(g, g->l, &(struct told){ devices[0], 0xa, 2, 70000, { 9, 9 } });
	rows_are(g, g->l, "m1", "kiosk-1 3@90 kiosk-2 -");
	tell_into(g, g->l, &(struct told){ devices[0], 0xa, 3, 95000, { 8, 8 } });
	rows_are(g, g->l, "m1", "kiosk-1 8@95 kiosk-2 -");
}

/* What was filled in never takes the place of what is newer. */
static void
filling_keeps_what_is_newer(void **state)
{
	struct rig *g = *state;
	struct bl_err err = { 0 };

	know_all(g);
	tell_into(g, NULL, &(struct told){ devices[0], 0xa, 1, 60000, { 1, 2 } });
	tell_into(g, NULL, &(struct told){ devices[1], 0xb, 1, 60000, { 1, 2 } });
	tell_into(g, g->l, &(struct told){ devices[0], 0xa, 2, 120000, { 3, ABSENT } });
	assert_false(latest_complete(g->l));
	rows_are(g, g->l, "m1", "kiosk-1 3@120 kiosk-2 -");
	must(latest_fill(g->l, g->k.r, NULL, NULL, &err), &err);
	later(g);
	rows_are(g, g->l, "m1", "kiosk-1 3@120 kiosk-2 1@60");
}

static void
what_finds_no_room_is_counted(void **state)
{
	struct rig *g = *state;
	struct latest *small = latest_create(&g->k.clock.clock, 64); /* one spool's places */
	struct latest_stats s;

	know_all(g);
	for (uint64_t i = 1; i < 40; i++)
		tell_into(
		    g, small, &(struct told){ devices[0], 0xa, i, (int64_t)i * 60000, { 1, 2 } });
	latest_stats(small, &s);
	assert_int_equal(s.series, 2);
	assert_int_equal(s.refused, 0);
	tell_into(g, small, &(struct told){ devices[1], 0xb, 1, 60000, { 3, 4 } });
	latest_stats(small, &s);
	assert_int_equal(s.series, 2);
	assert_int_equal(s.refused, 2);
	rows_are(g, small, "m1", "kiosk-1 1@2340 kiosk-2 -");
	latest_free(small);
}

static void
an_unknown_metric_is_none(void **state)
{
	struct rig *g = *state;
	struct latest_view v;
	struct bl_err err = { 0 };

	know_all(g);
	assert_int_equal(latest_view(g->l, g->k.r, "nothing", &v, &err), BL_ENOTFOUND);
	assert_int_equal(err.code, 0);
	latest_view_done(g->l, &v);
}

/* More metrics than are kept looked up: each is still right, also while its view is held. */
static void
names_come_and_go(void **state)
{
	struct rig *g = *state;
	struct latest_view held;
	struct bl_err err = { 0 };
	char metric[16];

	know_all(g);
	begin(&g->k);
	for (uint32_t i = 3; i <= 40; i++)
		put_dict(&g->k, 0xa, devices[0], i, i);
	commit(&g->k);
	tell_into(g, g->l, &(struct told){ devices[0], 0xa, 1, 60000, { 1, 2 } });
	must(latest_view(g->l, g->k.r, "m1", &held, &err), &err);
	for (uint32_t i = 2; i <= 40; i++) {
		(void)snprintf(metric, sizeof(metric), "m%u", i);
		rows_are(g, g->l, metric, i == 2 ? "kiosk-1 2@60 kiosk-2 -" : "kiosk-1 -");
	}
	assert_string_equal(held.row[0].device, "kiosk-1");
	latest_view_done(g->l, &held);
	rows_are(g, g->l, "m1", "kiosk-1 1@60 kiosk-2 -");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_open, rig_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_last_sample_of_each_series_counts),
		TEST(backlog_does_not_set_values_back),
		TEST(a_series_that_is_not_in_the_newest_batch_stays),
		TEST(the_newest_of_a_burst_counts),
		TEST(a_new_spool_goes_on_with_the_same_series),
		TEST(filling_keeps_what_is_newer),
		TEST(what_finds_no_room_is_counted),
		TEST(an_unknown_metric_is_none),
		TEST(names_come_and_go),
	};

	return cmocka_run_group_tests_name("latest", tests, NULL, NULL);
}
