/*
 * Thinning: when the cap presses, means take the place of samples before anything
 * is dropped.  The oracle of the kit: values rise by one, so a mean with its least
 * and largest says exactly whom it stands for; came and means together must be 1..N.
 */
#include "spool_thin_kit.h"

static bool
probes_are_thin(const struct kit *k)
{
	return with(k, BL_STREAM_PROBES, 8) > 0;
}

static void
means_and_the_rest_are_all_there_is(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);

	kit_open(k, SPOOL_CREATED);
	hours(k, 720);
	press_until(k, host_is_5min);
	kit_pass(&k->time, 1000);
	hours(k, 240);
	press_until(k, probes_are_thin);
	/* Across a restart, too. */
	kit_close(k);
	kit_open(k, SPOOL_OPENED);
	hours(k, 60);
	kit_pass(&k->time, 1000);
	kit_cut_all(k);
	centre_drain(c, k);
	assert_all_there(c, BL_STREAM_HOST, k->appended[2]);
	assert_all_there(c, BL_STREAM_PROBES, k->appended[1]);
	assert_true(means_of(c, 2) > 0 && means_of(c, 1) > 0);
	assert_int_equal(c->conflicts, 0);
	free(c);
}

/* Host to 5 min, host to an hour, probes to 5 min, probes to an hour, and only then is dropped. */
static void
each_step_ends_before_the_next_begins(void **state)
{
	struct kit *k = *state;
	struct bl_err err = { 0 };
	bool seen[4] = { false }, more;

	kit_open(k, SPOOL_CREATED);
	hours(k, 720);
	for (int i = 0; i < STEPS_MAX && !something_was_dropped(k); i++) {
		const bool host_1h = with(k, BL_STREAM_HOST, 8) > 0;
		const bool probes_5min = with(k, BL_STREAM_PROBES, 4 | 8) > 0;
		const bool probes_1h = with(k, BL_STREAM_PROBES, 8) > 0;

		seen[0] = seen[0] || with(k, BL_STREAM_HOST, 4) > 0;
		seen[1] = seen[1] || host_1h;
		seen[2] = seen[2] || probes_5min;
		seen[3] = seen[3] || probes_1h;
		if (host_1h)
			assert_int_equal(without(k, BL_STREAM_HOST, 4 | 8), 0);
		if (probes_5min)
			assert_int_equal(without(k, BL_STREAM_HOST, 8), 0);
		if (probes_1h)
			assert_int_equal(without(k, BL_STREAM_PROBES, 4 | 8), 0);
		fill(k);
		kit_cut_all(k);
		/* One slice at a time. */
		assert_int_equal(spool_trim(k->s, &more, &err), BL_OK);
		assert_under_cap(k);
	}
	assert_true(seen[0] && seen[1] && seen[2] && seen[3]);
	assert_int_equal(without(k, BL_STREAM_PROBES, 8), 0);
}

/* ---- values ---- */

struct got {
	uint32_t series_id;
	int64_t ms;
	double value;
	uint8_t unknown;
	struct bl_thin thin;
};

struct all {
	unsigned n;
	struct got got[20000];
};

static void
collect_batch(struct all *a, const struct spool_frame *f)
{
	struct bl_batch_header h;
	struct bl_batch_reader r;
	struct bl_err err = { 0 };
	struct bl_column c;
	const uint8_t *body;
	struct bl_buf raw;
	size_t len;

	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	assert_int_equal(
	    bl_batch_header_decode(f->msg.data, f->msg.len, &h, &body, &len, &err), BL_OK);
	assert_int_equal(bl_batch_inflate(&h, body, len, &raw, &err), BL_OK);
	assert_int_equal(bl_batch_reader_init(&r, &h, raw.data, raw.len, &err), BL_OK);
	while (bl_batch_next_column(&r, &c, &err) == 1) {
		int64_t *ms = calloc(c.n, sizeof(*ms));
		double *v = calloc(c.n, sizeof(*v));
		uint8_t *u = calloc(c.n, 1);
		struct bl_thin *t = calloc(c.n, sizeof(*t));

		assert_true(ms != NULL && v != NULL && u != NULL && t != NULL);
		assert_int_equal(bl_column_decode(&r, &c, ms, v, u, &err), BL_OK);
		assert_int_equal(bl_column_thin(&r, &c, v, u, t, &err), BL_OK);
		for (uint32_t i = 0; i < c.n; i++) {
			assert_true(a->n < 20000);
			assert_true(ms[i] >= h.collect_begin_ms && ms[i] <= h.collect_end_ms);
			a->got[a->n++] = (struct got){ c.series_id, ms[i], v[i], u[i], t[i] };
		}
		free(ms);
		free(v);
		free(u);
		free(t);
	}
	bl_buf_free(&raw);
}

/* Everything that waits, of all streams. */
static struct all *
collect(struct kit *k)
{
	const struct spool_want want = { .live = true, .past_bytes = 1u << 22, .max_frames = 64 };
	struct all *a = calloc(1, sizeof(*a));
	struct spool_frame f[64];
	struct bl_err err = { 0 };
	unsigned n = 1;

	assert_non_null(a);
	while (n > 0) {
		assert_int_equal(spool_offer(k->s, &want, f, &n, &err), BL_OK);
		for (unsigned i = 0; i < n; i++) {
			if (f[i].type == BL_MSG_BATCH)
				collect_batch(a, &f[i]);
			bl_buf_free(&f[i].msg);
		}
	}
	return a;
}

static uint32_t
series(struct kit *k, enum bl_stream stream, enum bl_series_kind kind, const char *name,
    const char *probe)
{
	struct bl_series_def def = {
		.stream = stream, .kind = kind, .interval_ms = 10000, .unit = { "1", 1 }
	};
	struct bl_err err = { 0 };
	uint32_t id;

	def.name = (struct bl_str){ name, strlen(name) };
	if (probe != NULL) {
		def.n_labels = 1;
		def.label[0] = (struct bl_label){ { "probe", 5 }, { probe, strlen(probe) } };
	}
	assert_int_equal(spool_series(k->s, &def, &id, &err), BL_OK);
	return id;
}

static void
put(struct kit *k, enum bl_stream stream, const struct spool_sample *sm, uint32_t n)
{
	struct bl_err err = { 0 };

	assert_int_equal(spool_append(k->s, stream, k->time.boot_ms, sm, n, &err), BL_OK);
}

static bool
a_failed(int tick)
{
	return tick % 97 == 5 || (tick > 300 && tick < 310);
}

/* Both series of the probe that failed, at that instant; the other probe and the rest are thinned.
 */
static void
a_run_that_failed_stays_one_by_one(void **state)
{
	struct kit *k = *state;
	uint32_t up_a, ms_a, up_b, ms_b;
	int64_t failed = 0, kept = 0, means_b = 0;
	struct all *a;

	kit_open(k, SPOOL_CREATED);
	up_a = series(k, BL_STREAM_PROBES, BL_GAUGE, "probe_up", "a");
	ms_a = series(k, BL_STREAM_PROBES, BL_GAUGE, "probe_total_ms", "a");
	up_b = series(k, BL_STREAM_PROBES, BL_GAUGE, "probe_up", "b");
	ms_b = series(k, BL_STREAM_PROBES, BL_GAUGE, "probe_total_ms", "b");
	for (int i = 1; i <= 720; i++) {
		const struct spool_sample sm[] = { { up_a, BL_KNOWN, a_failed(i) ? 0 : 1 },
			{ ms_a, a_failed(i) ? BL_UNKNOWN_TIMEOUT : BL_KNOWN, i },
			{ up_b, BL_KNOWN, 1 }, { ms_b, BL_KNOWN, i } };

		kit_pass(&k->time, 10000);
		put(k, BL_STREAM_PROBES, sm, 4);
		failed += a_failed(i);
		if (i % PART == 0)
			kit_cut_all(k);
	}
	press_until(k, probes_are_thin);
	a = collect(k);
	for (unsigned i = 0; i < a->n; i++) {
		const struct got *g = &a->got[i];
		const bool of_a = g->series_id == up_a || g->series_id == ms_a;
		const int tick = (int)((g->ms - 100000) / 10000);

		if (of_a && g->thin.count <= 1 && a_failed(tick)) {
			kept++;
			assert_true(g->series_id == ms_a ? g->unknown == BL_UNKNOWN_TIMEOUT
							 : g->value == 0);
		}
		if (g->thin.count > 1)
			assert_false(of_a && a_failed(tick));
		if (g->series_id == up_a && g->thin.count > 1)
			assert_true(g->value == 1 && g->thin.min == 1); /* no failure in a mean */
		means_b += g->series_id == ms_b && g->thin.count > 1;
	}
	assert_int_equal(kept, 2 * failed);
	assert_true(means_b > 0 && means_b <= 5);
	free(a);
}

/* As everywhere behind the spool; the wire itself would take them. */
static void
infinite_values_are_unreadable(void **state)
{
	struct kit *k = *state;
	uint32_t up, down, fine;
	struct all *a;

	kit_open(k, SPOOL_CREATED);
	up = series(k, BL_STREAM_HOST, BL_GAUGE, "up", NULL);
	down = series(k, BL_STREAM_HOST, BL_COUNTER, "down", NULL);
	fine = series(k, BL_STREAM_HOST, BL_GAUGE, "fine", NULL);
	for (int i = 0; i < 5; i++) {
		const struct spool_sample sm[] = { { up, BL_KNOWN, (double)INFINITY },
			{ down, BL_KNOWN, -(double)INFINITY }, { fine, BL_KNOWN, 1e300 } };

		kit_pass(&k->time, 10000);
		put(k, BL_STREAM_HOST, sm, 3);
	}
	kit_cut_all(k);
	a = collect(k);
	assert_int_equal(a->n, 15);
	for (unsigned i = 0; i < a->n; i++)
		assert_int_equal(a->got[i].unknown,
		    a->got[i].series_id == fine ? BL_KNOWN : BL_UNKNOWN_UNREADABLE);
	free(a);
}

/* What a counter was last, a gauge on average; unknown samples are nobody's, infinite ones are
 * unknown, and all of them is one. */
static void
values_are_what_the_series_is(void **state)
{
	struct kit *k = *state;
	uint32_t counter, gauge, broken;
	int64_t known[3] = { 0 }, entries = 0;
	struct all *a;

	kit_open(k, SPOOL_CREATED);
	counter = series(k, BL_STREAM_HOST, BL_COUNTER, "bytes_total", NULL);
	gauge = series(k, BL_STREAM_HOST, BL_GAUGE, "level", NULL);
	broken = series(k, BL_STREAM_HOST, BL_GAUGE, "broken", NULL);
	for (int i = 1; i <= 720; i++) {
		const struct spool_sample sm[] = { { counter, BL_KNOWN, 1000.0 * i },
			{ gauge, i % 14 == 0 ? BL_UNKNOWN_UNREADABLE : BL_KNOWN,
			    i % 14 == 7 ? (double)INFINITY : i % 5 },
			{ broken, BL_UNKNOWN_UNSUPPORTED, 0 } };

		kit_pass(&k->time, 10000);
		put(k, BL_STREAM_HOST, sm, 3);
		known[1] += i % 7 != 0;
		if (i % PART == 0)
			kit_cut_all(k);
	}
	press_until(k, probes_are_thin);
	a = collect(k);
	for (unsigned i = 0; i < a->n; i++) {
		const struct got *g = &a->got[i];

		if (g->series_id == counter) {
			known[0] += g->thin.count;
			assert_true(g->value == g->thin.max);
			assert_true(g->value == 1000.0 * (double)((g->ms - 100000) / 10000));
			/* Neighbours: all of one window. */
			assert_true(g->thin.max - g->thin.min == 1000.0 * (g->thin.count - 1));
			assert_true(((int64_t)g->thin.min / 1000 * 10000 + 100000) / 3600000 ==
				    g->ms / 3600000);
		} else if (g->series_id == gauge) {
			known[2] += g->thin.count;
			if (g->thin.count > 100)
				assert_true(g->value > 1.9 && g->value < 2.1 && g->thin.min == 0 &&
					    g->thin.max == 4);
		} else if (g->series_id == broken) {
			entries++;
			assert_true(g->unknown == BL_UNKNOWN_UNSUPPORTED && g->thin.count == 0);
		}
	}
	assert_int_equal(known[0], 720);
	assert_int_equal(known[2], known[1]);
	assert_true(entries >= 2 && entries <= 4);
	free(a);
}

/* The centre would take the raw ones and the mean of them for two things. */
static void
what_may_be_at_the_centre_stays_as_it_is(void **state)
{
	const struct spool_want want = { .past_bytes = 1u << 20, .max_frames = 64 };
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct spool_frame f[64];
	struct bl_err err = { 0 };
	unsigned n;

	kit_open(k, SPOOL_CREATED);
	hours(k, 360);
	assert_int_equal(spool_offer(k->s, &want, f, &n, &err), BL_OK);
	for (unsigned i = 0; i < n; i++) {
		/* Half of them arrive, and nobody hears of it. */
		if (f[i].type != BL_MSG_BATCH || i % 2 == 0)
			centre_take(c, &f[i]);
		bl_buf_free(&f[i].msg);
	}
	spool_outstanding_clear_all(k->s);
	hours(k, 360);
	press_until(k, probes_are_thin);
	kit_pass(&k->time, 1000);
	kit_cut_all(k);
	centre_drain(c, k);
	assert_all_there(c, BL_STREAM_HOST, k->appended[2]);
	assert_all_there(c, BL_STREAM_PROBES, k->appended[1]);
	for (unsigned s = 0; s < KIT_SERIES; s++)
		for (int64_t i = 1; i <= 360; i++)
			assert_int_equal(c->seen[2][s][i], 1);
	free(c);
}

/* A series whose sums overflow: the mean of means is none. */
static void
values_beyond_all_sums_stop_nobody(void **state)
{
	struct kit *k = *state;
	const struct bl_series_def def = {
		.stream = BL_STREAM_HOST, .name = { "far_out", 7 }, .kind = BL_GAUGE
	};
	struct bl_err err = { 0 };
	uint32_t id = 0;

	kit_open(k, SPOOL_CREATED);
	assert_int_equal(spool_series(k->s, &def, &id, &err), BL_OK);
	for (int i = 1; i <= 720; i++) {
		const struct spool_sample sm = { id, BL_KNOWN,
			i / PART % 2 == 0 ? 1.7e308 : -1.7e308 };

		kit_pass(&k->time, 9000);
		kit_tick(k, BL_STREAM_HOST);
		assert_int_equal(
		    spool_append(k->s, BL_STREAM_HOST, k->time.boot_ms, &sm, 1, &err), BL_OK);
		if (i % PART == 0)
			kit_cut_all(k);
	}
	press_until(k, something_was_dropped);
	assert_int_equal(without(k, BL_STREAM_HOST, 8), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    means_and_the_rest_are_all_there_is, setup, kit_teardown),
		cmocka_unit_test_setup_teardown(
		    each_step_ends_before_the_next_begins, setup, kit_teardown),
		cmocka_unit_test_setup_teardown(
		    a_run_that_failed_stays_one_by_one, setup, kit_teardown),
		cmocka_unit_test_setup_teardown(
		    infinite_values_are_unreadable, setup, kit_teardown),
		cmocka_unit_test_setup_teardown(values_are_what_the_series_is, setup, kit_teardown),
		cmocka_unit_test_setup_teardown(
		    values_beyond_all_sums_stop_nobody, setup, kit_teardown),
		cmocka_unit_test_setup_teardown(
		    what_may_be_at_the_centre_stays_as_it_is, setup, kit_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
