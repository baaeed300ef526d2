/* A KPI of thinned samples beside the same KPI of the samples themselves. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kpi_kit.h"

#define HOST     BL_STREAM_HOST
#define INTERVAL 10000
#define PER_HOUR 360

/* Up and down, never the same for long; as a counter: ascending, with one reset. */
static double
value_at(enum bl_series_kind kind, int64_t n)
{
	if (kind == BL_GAUGE)
		return (double)(n * 7919 % 1000) / 10;
	return n < 500 ? 5000.0 + (double)(n * 7 + n % 7) : (double)(n - 500) * 7;
}

/* One hour of the device's series, plain or in windows of so many samples. */
static struct kit_batch *
hour_of(struct kit *k, const char *device, int64_t series, enum bl_series_kind kind, int64_t hour,
    int64_t window)
{
	const int64_t first = hour * PER_HOUR, begin = KIT_T0 + hour * KIT_HOUR;
	struct kit_batch *b = kit_batch(k, device, HOST, begin, begin + KIT_HOUR);
	struct kit_sample s = { .series = series };

	for (int64_t n = first; n < first + PER_HOUR; n++) {
		const double v = value_at(kind, n);

		if (window == 1) {
			kit_sample(k, b, series, KIT_T0 + n * INTERVAL, v);
			continue;
		}
		if (n % window == 0)
			s = (struct kit_sample){ .series = series, .thin = { v, v, 0 } };
		s.thin.min = v < s.thin.min ? v : s.thin.min;
		s.thin.max = v > s.thin.max ? v : s.thin.max;
		s.thin.count++;
		s.value += v;
		if (n % window != window - 1)
			continue;
		s.value = kind == BL_GAUGE ? s.value / (double)window : v;
		s.unix_ms = KIT_T0 + n * INTERVAL;
		if (n - window >= first) {
			s.before_ms = window * INTERVAL;
			s.before = value_at(kind, n - window);
		}
		kit_thin(k, b, &s);
	}
	return b;
}

static void
the_same_hours_give_the_same_kpi(void **state)
{
	static const struct {
		enum bl_function f;
		enum bl_series_kind kind;
		const char *condition;
		double off; /* of the value, as far as it may */
	} rows[] = {
		{ BL_FN_MEAN, BL_GAUGE, NULL, 1e-9 },
		{ BL_FN_SUM, BL_GAUGE, NULL, 1e-6 },
		{ BL_FN_COUNT, BL_GAUGE, NULL, 0 },
		{ BL_FN_MIN, BL_GAUGE, NULL, 0 },
		{ BL_FN_MAX, BL_GAUGE, NULL, 0 },
		{ BL_FN_SHARE, BL_GAUGE, "value >= 0", 0 },
		/* Of the first window of a batch the pair is not known: an hour less five minutes.
		 */
		{ BL_FN_RATE, BL_COUNTER, NULL, 0.01 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct kit *k = malloc(sizeof(*k));
		int64_t id[2];

		assert_non_null(k);
		kit_open(k);
		kit_site(k, "plain", "UTC");
		kit_site(k, "thin", "UTC");
		kit_service(k, "p", "plain", KIT_T0, 0);
		kit_service(k, "t", "thin", KIT_T0, 0);
		kit_roster(k);
		id[0] = kit_series(k, "p", "m", "{}", rows[i].kind, HOST, INTERVAL);
		id[1] = kit_series(k, "t", "m", "{}", rows[i].kind, HOST, INTERVAL);
		{
			struct define_kpi *v = kit_kpi(k, "k", 0);

			v->function = rows[i].f;
			v->resolution = BL_WINDOW_1H;
			if (rows[i].condition != NULL)
				(void)snprintf(v->condition_text, sizeof(v->condition_text), "%s",
				    rows[i].condition);
			kit_compile(k);
		}
		for (int64_t h = 0; h < 3; h++) {
			kit_arrive(k, hour_of(k, "p", id[0], rows[i].kind, h, 1));
			kit_arrive(k, hour_of(k, "t", id[1], rows[i].kind, h, h == 1 ? 60 : 30));
		}
		for (int64_t h = 0; h < 3; h++) {
			const int64_t at = KIT_T0 + h * KIT_HOUR;
			const struct kit_cell p = kit_cell(k, "k", BL_WINDOW_1H, "plain", at);
			const struct kit_cell t = kit_cell(k, "k", BL_WINDOW_1H, "thin", at);

			assert_true(p.known && t.known && p.ready && t.ready);
			assert_true(t.completeness >= p.completeness);
			if (rows[i].f != BL_FN_RATE)
				assert_int_equal(t.n, p.n);
			if (fabs(p.value - t.value) > rows[i].off)
				fail_msg("row %zu, hour %d: %.17g and %.17g", i, (int)h, p.value,
				    t.value);
		}
		kit_close(k);
		free(k);
	}
}

/* As ever: the rows do not depend on what came first, nor on how often a span is worked out. */
static void
the_order_of_arrival_does_not_show(void **state)
{
	static const int orders[][3] = { { 0, 1, 2 }, { 2, 1, 0 }, { 1, 2, 0 }, { 1, 0, 2 } };
	char *first = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		struct kit *k = malloc(sizeof(*k));
		size_t at[3];
		char *dump;

		assert_non_null(k);
		kit_open(k);
		kit_site(k, "s", "UTC");
		kit_service(k, "d", "s", KIT_T0, 0);
		kit_roster(k);
		for (int n = 0; n < 2; n++) {
			struct define_kpi *v = kit_kpi(k, n == 0 ? "a" : "b", 0);

			v->function = n == 0 ? BL_FN_RATE : BL_FN_MEAN;
			v->resolution = BL_WINDOW_5M;
		}
		kit_compile(k);
		{
			const int64_t id =
			    kit_series(k, "d", "m", "{}", BL_COUNTER, HOST, INTERVAL);

			for (int64_t h = 0; h < 3; h++) {
				/* Plain, thinned to an hour's sixth, to five minutes. */
				struct kit_batch *b = hour_of(k, "d", id, BL_COUNTER, h,
				    h == 0   ? 1
				    : h == 1 ? 60
					     : 30);

				at[h] = (size_t)(b - k->batch);
			}
		}
		for (int n = 0; n < 3; n++)
			kit_arrive(k, &k->batch[at[orders[i][n]]]);
		kit_redo(k, "d", HOST, KIT_T0 + 70 * KIT_MINUTE, KIT_T0 + 75 * KIT_MINUTE);
		dump = kit_dump(k);
		if (first == NULL) {
			first = dump;
		} else {
			assert_string_equal(dump, first);
			free(dump);
		}
		kit_close(k);
		free(k);
	}
	free(first);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_hours_give_the_same_kpi),
		cmocka_unit_test(the_order_of_arrival_does_not_show),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
