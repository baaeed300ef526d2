/*
 * Out of memory at every single allocation of the StatsD inlet: what has no room is counted, once a
 * line, the rest is counted as ever, and all of it works again afterwards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nomem.h"
#include "statsd_internal.h"

#define SERIES 200

/* A host that allocates nothing. */
struct host {
	struct inlet_host host;
	struct sample_sink sink;
	struct bl_clock clock;
	char name[SERIES][BL_NAME_MAX + 1];
	double value[SERIES];
	int32_t n;
	int64_t ms;
};

static int32_t
declare(void *ctx, const struct bl_series_def *def)
{
	struct host *h = ctx;

	assert_in_range(h->n, 0, SERIES - 1);
	(void)snprintf(h->name[h->n], sizeof(h->name[0]), "%.*s", (int)def->name.len, def->name.p);
	return h->n++;
}

static void
put(void *ctx, int32_t handle, double value)
{
	struct host *h = ctx;

	/* Of values that are all 5, and one 9. */
	if (strcmp(h->name[handle], "t_min") == 0 || strcmp(h->name[handle], "t_p50") == 0)
		assert_true(value == 5 || value == 9);
	h->value[handle] = value;
}

static void
unknown(void *ctx, int32_t handle, enum bl_unknown reason)
{
	(void)reason;
	((struct host *)ctx)->value[handle] = -1;
}

static void
flush(void *ctx, int64_t boot_ms)
{
	(void)ctx;
	(void)boot_ms;
}

static int
no_room(void *ctx, const struct inlet_report *r, uint64_t token, struct bl_err *err)
{
	(void)ctx;
	(void)r;
	(void)token;
	(void)err;
	return BL_EFULL;
}

static int64_t
now(void *ctx)
{
	return ((struct host *)ctx)->ms;
}

static void
no_random(void *ctx, void *out, size_t len)
{
	(void)ctx;
	memset(out, 7, len);
}

static void
host_init(struct host *h)
{
	memset(h, 0, sizeof(*h));
	h->ms = 1000;
	h->clock =
	    (struct bl_clock){ .ctx = h, .boot_ms = now, .mono_ms = now, .random = no_random };
	h->sink =
	    (struct sample_sink){ .ctx = h, .declare = declare, .put = put, .unknown = unknown };
	h->host = (struct inlet_host){ .ctx = h,
		.clock = &h->clock,
		.interval_ms = 10000,
		.report = no_room,
		.sink = &h->sink,
		.flush = flush };
}

static double
value(const struct host *h, const char *name)
{
	for (int32_t i = 0; i < h->n; i++)
		if (strcmp(h->name[i], name) == 0)
			return h->value[i];
	fail_msg("no series %s", name);
	return 0;
}

static uint64_t
counted(const struct statsd *s)
{
	struct inlet_count c[INLET_COUNTS_MAX];
	const unsigned n = statsd_ops.count(s, c);
	uint64_t all = 0;

	for (unsigned i = 0; i < n; i++)
		if (c[i].refused || strcmp(c[i].name, "accepted") == 0)
			all += c[i].n;
	return all;
}

static uint64_t
waiting(const struct statsd *s)
{
	struct bl_rd rd;
	uint64_t n = 0;
	size_t len;

	bl_rd_init(&rd, s->wait.data, s->wait.len);
	for (; bl_rd_left(&rd) > 0; n++) {
		(void)bl_rd_blob(&rd, STATSD_PACKET_MAX, &len);
		assert_false(rd.failed);
	}
	return n;
}

static void
take(struct statsd *s, const char *text)
{
	(void)statsd_take_packet(s, text, strlen(text), false);
	statsd_series_settle(&s->series);
}

static void
tick(struct statsd *s, struct host *h)
{
	h->ms += 10000;
	statsd_series_tick(&s->series, h->ms);
}

/* 40 names make all tables grow; 7 lines each round. */
static const char round_of[] =
    "c%u:1|c|#n:%u\nc%u:2|c\ns:%u|s\nt:5|ms\nt%u:1:2|h\ng:%u|g\n_e{1,0}:x|";
#define LINES 7u

static bool
a_run(unsigned nth)
{
	static const struct statsd_conf conf = { .max_series = SERIES, .hold_ms = 60000 };
	struct host h;
	struct statsd s = { .conf = &conf, .epoll_fd = -1 };
	struct bl_err err = { 0 };
	char text[256];
	uint64_t lines = 0, before;
	bool fired;
	int rc;

	host_init(&h);
	s.host = &h.host;
	bl_buf_init(&s.wait, STATSD_WAIT_BYTES);
	nomem_arm(nth);
	rc = statsd_series_open(&s.series, &conf, &h.host, &err);
	for (unsigned i = 0; rc == BL_OK && i < 40; i++) {
		(void)snprintf(text, sizeof(text), round_of, i % 20, i % 5, i % 20, i, i % 3, i);
		take(&s, text);
		lines += LINES;
		if (i % 10 == 9)
			tick(&s, &h);
	}
	fired = nomem_disarm();
	if (rc < 0) {
		assert_true(fired && rc == BL_ENOMEM);
		statsd_series_close(&s.series);
		return true;
	}
	/* Each once; what waits for room is neither taken nor refused yet. */
	before = counted(&s);
	assert_int_equal(before + waiting(&s), lines);
	/* What came before may have been refused; what comes now is not. */
	take(&s, "after:3|c\nt:9|ms\ns:a|s\ns:b|s");
	assert_int_equal(counted(&s), before + 4);
	tick(&s, &h);
	assert_true(value(&h, "after_total") == 3);
	assert_true(value(&h, "t_max") == 9 && value(&h, "t_p50") == 9);
	assert_true(value(&h, "s_distinct") == 2);
	statsd_series_close(&s.series);
	assert_int_equal(s.series.set_room, 0);
	bl_buf_free(&s.wait);
	return fired;
}

static void
each_allocation_may_fail(void **state)
{
	unsigned nth = 0;

	(void)state;
	bl_log_level_set(BL_LOG_ERROR);
	while (a_run(++nth))
		;
	assert_true(nth > 60);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
