/* KPIs over a real telemetry store: what the log tells of is worked out, in whatever order it came.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kpi_kit.h"
#include "store.h"
#include "store_fixture.h"

#define INTERVAL 10000
#define PIECES   90 /* of a minute */
#define LOST     40 /* the ledger has this one and the next */
#define STREAM   BL_STREAM_HOST
#define DEVICE   "kiosk-1"

struct centre {
	struct kit k;
	char *folder, path[600];
	struct fixture_clock clock;
	struct store *s;
	int64_t batch_id, gap_id; /* taken in */
	int64_t begin[64], end[64];
	size_t n; /* spans to be worked out */
};

static void
must(int rc, const struct bl_err *err)
{
	if (rc < 0)
		fail_msg("%s (%d)", err->msg, rc);
}

static struct store_spool *
spool(struct centre *c)
{
	const struct bl_id id = fixture_id(1);
	struct bl_err err = { 0 };
	struct store_spool *sp;

	must(store_spool(c->s, &id, DEVICE, &sp, &err), &err);
	return sp;
}

static void
open_centre(struct centre *c)
{
	const struct store_opts opts = { .path = c->path, .clock = &c->clock.clock };
	const struct bl_clock_segment seg = {
		.id = 1, .boot = fixture_id(2), .offset_ms = KIT_T0, .source = BL_CLOCK_NTP
	};
	struct bl_series_def def;
	char name[16], value[16];
	struct bl_err err = { 0 };

	memset(c, 0, sizeof(*c));
	kit_open(&c->k);
	c->folder = fixture_folder();
	(void)snprintf(c->path, sizeof(c->path), "%s/telemetry.db", c->folder);
	fixture_clock_init(&c->clock);
	must(store_open(&c->s, &opts, &err), &err);
	must(store_read_open(&c->k.telemetry, c->path, &c->clock.clock, &err), &err);
	must(store_begin(c->s, &err), &err);
	must(store_clock(c->s, spool(c), &seg, &err), &err);
	for (uint32_t i = 1; i <= 2; i++) {
		fixture_series(&def, name, value, i, STREAM);
		must(store_dict(c->s, spool(c), &def, &err), &err);
	}
	must(store_commit(c->s, &err), &err);
}

static void
close_centre(struct centre *c)
{
	store_read_close(c->k.telemetry);
	store_close(c->s);
	fixture_folder_remove(c->folder);
	kit_close(&c->k);
}

static void
put_minute(struct centre *c, int64_t i)
{
	const struct fixture_batch b = { .spool = fixture_id(1),
		.boot = fixture_id(2),
		.stream = STREAM,
		.seq = (uint64_t)i + 1,
		.begin_ms = i * KIT_MINUTE,
		.end_ms = (i + 1) * KIT_MINUTE,
		.interval_ms = INTERVAL,
		.n_series = 2 };
	struct bl_buf msg, raw;
	struct bl_batch_header h;
	struct bl_err err = { 0 };
	const uint8_t *body;
	size_t len;

	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	fixture_encode(&b, &msg, &h);
	must(bl_batch_header_decode(msg.data, msg.len, &h, &body, &len, &err), &err);
	must(bl_batch_inflate(&h, body, len, &raw, &err), &err);
	must(store_batch_put(c->s, spool(c), &h, body, len, raw.data, raw.len, &err), &err);
	bl_buf_free(&msg);
	bl_buf_free(&raw);
}

/* ---- what the log tells of ---- */

static bool
on_batch(void *ctx, const struct store_log_batch *b)
{
	struct centre *c = ctx;

	assert_string_equal(b->device, DEVICE);
	c->batch_id = b->id;
	c->begin[c->n] = b->begin_unix_ms;
	c->end[c->n++] = b->end_unix_ms;
	return c->n < 64;
}

static bool
on_gap(void *ctx, const struct store_gap *g)
{
	struct centre *c = ctx;

	c->gap_id = g->id;
	if (g->from_unix_ms != STORE_TIME_NONE && g->to_unix_ms != STORE_TIME_NONE) {
		c->begin[c->n] = g->from_unix_ms;
		c->end[c->n++] = g->to_unix_ms;
	}
	return c->n < 64;
}

static void
evaluate(struct centre *c)
{
	struct bl_err err = { 0 };

	c->n = 0;
	must(store_log_batches(c->k.telemetry, c->batch_id, 16, on_batch, c, &err), &err);
	must(store_log_gaps(c->k.telemetry, c->gap_id, 16, on_gap, c, &err), &err);
	for (size_t i = 0; i < c->n; i++)
		kit_redo(&c->k, DEVICE, STREAM, c->begin[i], c->end[i]);
}

static void
define(struct kit *k)
{
	struct define_kpi *v;

	kit_site(k, "india", "Asia/Kolkata");
	kit_service(k, DEVICE, "india", KIT_T0, 0);
	kit_roster(k);
	v = kit_kpi(k, "first", 0);
	(void)snprintf(v->metric, sizeof(v->metric), "m1");
	v = kit_kpi(k, "none", 0); /* no series has this label */
	(void)snprintf(v->metric, sizeof(v->metric), "m1");
	(void)snprintf(v->where_text, sizeof(v->where_text), "n = \"2\"");
	v = kit_kpi(k, "second", 0);
	(void)snprintf(v->metric, sizeof(v->metric), "m2");
	(void)snprintf(v->where_text, sizeof(v->where_text), "n = \"2\"");
	v->function = BL_FN_PERCENTILE;
	v->quantile = 0.5;
	v->resolution = BL_WINDOW_1H;
	kit_compile(k);
}

/* step: prime to PIECES: the order of arrival; the loss is told of after so many. */
static char *
run(size_t step, size_t loss_after, struct kit_cell *minute, struct kit_cell *lost)
{
	struct centre c;
	struct bl_err err = { 0 };
	char *text;

	open_centre(&c);
	define(&c.k);
	for (size_t i = 0; i < PIECES; i++) {
		const int64_t at = (int64_t)(i * step % PIECES);

		must(store_begin(c.s, &err), &err);
		if (at != LOST && at != LOST + 1)
			put_minute(&c, at);
		if (i == loss_after)
			must(store_gone(
				 c.s, spool(&c), STREAM, LOST + 1, LOST + 2, BL_GAP_EVICTED, &err),
			    &err);
		must(store_commit(c.s, &err), &err);
		if (i % 3 == 0 || i + 1 == PIECES)
			evaluate(&c);
	}
	*minute = kit_cell(&c.k, "first", BL_WINDOW_1M, "india", KIT_T0 + 7 * KIT_MINUTE);
	*lost = kit_cell(&c.k, "first", BL_WINDOW_1M, "india", KIT_T0 + LOST * KIT_MINUTE);
	text = kit_dump(&c.k);
	close_centre(&c);
	return text;
}

static void
a_store_gives_the_same_cells_whatever_the_order(void **state)
{
	static const size_t step[] = { 7, 89, 43 }, after[] = { 0, 89, 45 };
	struct kit_cell minute, lost;
	char *live = run(1, 60, &minute, &lost);
	double sum = 0;

	(void)state;
	for (int64_t t = 7 * KIT_MINUTE; t < 8 * KIT_MINUTE; t += INTERVAL)
		sum += fixture_value(1, (uint64_t)(t / INTERVAL));
	assert_true(minute.there && minute.ready && minute.n == 6);
	assert_true(minute.value > sum / 6 - 1e-9 && minute.value < sum / 6 + 1e-9);
	assert_true(lost.there && !lost.known && lost.state == KPI_FINAL_INCOMPLETE);
	assert_non_null(strstr(live, "cell second 3 india"));
	assert_non_null(strstr(live, "cell none 1 india"));
	for (size_t i = 0; i < 3; i++) {
		char *torn = run(step[i], after[i], &minute, &lost);

		assert_string_equal(live, torn);
		free(torn);
	}
	free(live);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_store_gives_the_same_cells_whatever_the_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
