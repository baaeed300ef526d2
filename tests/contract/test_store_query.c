/*
 * What every telemetry store answers: the figures of the samples, with gaps,
 * resets and boots marked; events, latest values, presence.
 */
#include "store_kit.h"

/* ---- dictionary and query ---- */

struct series_seen {
	int n;
	int64_t id[8];
	int64_t first, last;
	char name[8][64], labels[8][64];
};

static bool
see_series(void *ctx, const struct store_series *s)
{
	struct series_seen *seen = ctx;

	seen->id[seen->n] = s->id;
	seen->first = s->first_unix_ms;
	seen->last = s->last_unix_ms;
	(void)snprintf(seen->name[seen->n], 64, "%s", s->name);
	(void)snprintf(seen->labels[seen->n++], 64, "%s", s->labels_json);
	return seen->n < 8;
}

static struct series_seen
series(struct ctx *c)
{
	struct series_seen seen = { 0 };
	struct bl_err err = { 0 };

	must(store_read_series(c->r, "kiosk-1", see_series, &seen, &err), &err);
	return seen;
}

static void
the_dictionary_is_append_only(void **state)
{
	struct ctx *c = *state;
	struct bl_series_def def;
	struct bl_err err = { 0 };
	struct series_seen seen;
	char name[16], value[16];

	know_series(c, 2);
	begin(c);
	fixture_series(&def, name, value, 4, BL_STREAM_HOST);
	assert_int_equal(store_dict(c->s, spool(c), &def, &err), STORE_ENTRY_EARLY);
	def.id = 1;
	assert_int_equal(store_dict(c->s, spool(c), &def, &err), STORE_ENTRY_CONFLICT);
	fixture_series(&def, name, value, 1, BL_STREAM_HOST);
	assert_int_equal(store_dict(c->s, spool(c), &def, &err), STORE_ENTRY_KNOWN);
	/* Quotes and control characters in a label stay JSON. */
	fixture_series(&def, name, value, 3, BL_STREAM_HOST);
	def.label[0].value = (struct bl_str){ "a\"\\\n", 4 };
	assert_int_equal(store_dict(c->s, spool(c), &def, &err), STORE_ENTRY_NEW);
	commit(c);
	seen = series(c);
	assert_true(seen.n >= 3);
	assert_string_equal(seen.name[0], "m1");
	assert_string_equal(seen.labels[0], "{\"n\":\"1\"}");
	assert_string_equal(seen.labels[seen.n - 1], "{\"n\":\"a\\\"\\\\\\u000a\"}");
	/* A new spool of the device goes on with the same series. */
	c->spool = fixture_id(0x33);
	know_series(c, 2);
	assert_int_equal(series(c).id[0], seen.id[0]);
}

static struct store_query_result *
ask(struct ctx *c, int64_t id, int64_t from, int64_t to, int64_t step, bool rate)
{
	const struct store_query q = { .series = &id,
		.n_series = 1,
		.from_unix_ms = from,
		.to_unix_ms = to,
		.step_ms = step,
		.rate = rate };
	struct store_query_result *res;
	struct bl_err err = { 0 };

	must(store_read_query(c->r, &q, &res, &err), &err);
	return res;
}

static void
a_query_gives_the_figures_of_the_samples(void **state)
{
	static const int64_t steps[] = { 1000, 10000, 25000, 60000, 3600000 };
	struct ctx *c = *state;
	int64_t id;

	know_series(c, 3);
	know_clock(c, 1, 0, OFFSET);
	put_minutes(c, 0, 8);
	c->clock.unix_ms = OFFSET + 60 * MINUTE;
	id = series(c).id[1];
	for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
		const int64_t from = OFFSET + 35000, to = OFFSET + 6 * MINUTE + 5000;
		struct store_query_result *res = ask(c, id, from, to, steps[k], false);
		uint64_t total = 0;

		assert_int_equal(res->n_steps, (to - from + steps[k] - 1) / steps[k]);
		for (size_t i = 0; i < res->n_steps; i++) {
			double sum = 0, min = INFINITY, max = -INFINITY;
			uint32_t n = 0;

			for (int64_t t = 0; t < 8 * MINUTE; t += INTERVAL) {
				const double v = fixture_value(2, (uint64_t)(t / INTERVAL));
				const int64_t u = t + OFFSET;

				if (u < from || u >= to || (u - from) / steps[k] != (int64_t)i)
					continue;
				n++;
				sum += v;
				min = v < min ? v : min;
				max = v > max ? v : max;
			}
			total += n;
			assert_int_equal(res->series[0].n[i], n);
			if (n == 0) {
				assert_true(isnan(res->series[0].mean[i]));
				continue;
			}
			assert_true(fabs(res->series[0].min[i] - min) < 1e-9);
			assert_true(fabs(res->series[0].max[i] - max) < 1e-9);
			assert_true(fabs(res->series[0].mean[i] - sum / n) < 1e-6);
		}
		assert_int_equal(total, 33);
		assert_int_equal(res->series[0].n_gaps, 0);
		store_query_free(res);
	}
}

struct event_seen {
	int n;
	int64_t unix_ms[8];
	char type[8][32];
};

static bool
see_event(void *ctx, const struct store_event *e)
{
	struct event_seen *s = ctx;

	s->unix_ms[s->n] = e->unix_ms;
	(void)snprintf(s->type[s->n++], 32, "%.*s", (int)e->ev->type.len, e->ev->type.p);
	return s->n < 8;
}

/* More rows than one slice of a reader holds, of batches and of coverage. */
static void
a_long_range_is_read_in_slices_without_loss(void **state)
{
	struct ctx *c = *state;
	struct event_seen events = { 0 };
	struct store_query_result *res;
	struct bl_event ev = { .type = { "tick", 4 } };
	struct bl_err err = { 0 };

	know_series(c, 3);
	know_clock(c, 1, 0, OFFSET);
	for (uint64_t i = 0; i < 300; i++) {
		struct fixture_batch b = minute(c, i);

		put_minutes(c, i, i + 1);
		ev.boot_ms = b.begin_ms;
		b.stream = BL_STREAM_EVENTS;
		b.n_series = 0;
		b.event = &ev;
		begin(c);
		assert_int_equal(put(c, &b), STORE_NEW);
		commit(c);
		c->clock.unix_ms += 61000;
	}
	put_minutes(c, 300, 900); /* and a backlog at once */
	c->clock.unix_ms = OFFSET + 900 * MINUTE;
	res = ask(c, series(c).id[2], OFFSET, OFFSET + 900 * MINUTE, MINUTE, false);
	for (size_t i = 0; i < 900; i++)
		assert_int_equal(res->series[0].n[i], 6);
	assert_int_equal(res->series[0].n_gaps, 0);
	assert_int_equal(res->batches_read, 900);
	store_query_free(res);
	/* A narrow range in the middle of the backlog reads what it needs. */
	res = ask(c, series(c).id[2], OFFSET + 600 * MINUTE, OFFSET + 601 * MINUTE, MINUTE, false);
	assert_int_equal(res->series[0].n[0], 6);
	assert_true(res->batches_read <= 2);
	store_query_free(res);
	must(store_read_events(
		 c->r, "kiosk-1", OFFSET, OFFSET + 900 * MINUTE, 7, see_event, &events, &err),
	    &err);
	assert_int_equal(events.n, 7);
	for (int i = 0; i < 7; i++)
		assert_int_equal(events.unix_ms[i], OFFSET + (299 - i) * MINUTE);
}

static void
gaps_are_marked_at_both_edges_and_with_their_reason(void **state)
{
	struct ctx *c = *state;
	struct store_query_result *res;
	struct bl_err err = { 0 };
	int64_t id;

	know_series(c, 3);
	know_clock(c, 1, 0, OFFSET);
	put_minutes(c, 2, 4);  /* 3, 4 */
	put_minutes(c, 6, 7);  /* 7 */
	put_minutes(c, 9, 10); /* 10 */
	begin(c);
	must(store_gone(c->s, spool(c), BL_STREAM_HOST, 5, 6, BL_GAP_EVICTED, &err), &err);
	commit(c);
	c->clock.unix_ms = OFFSET + 12 * MINUTE;
	id = series(c).id[0];
	res = ask(c, id, OFFSET, OFFSET + 20 * MINUTE, MINUTE, false);
	assert_int_equal(res->series[0].n_gaps, 4);
	assert_int_equal(res->series[0].gap[0].from_unix_ms, OFFSET);
	assert_int_equal(res->series[0].gap[0].to_unix_ms, OFFSET + 2 * MINUTE);
	assert_int_equal(res->series[0].gap[0].reason, STORE_GAP_NOT_ARRIVED);
	assert_int_equal(res->series[0].gap[1].from_unix_ms, OFFSET + 4 * MINUTE);
	assert_int_equal(res->series[0].gap[1].reason, BL_GAP_EVICTED);
	assert_int_equal(res->series[0].gap[2].reason, STORE_GAP_NOT_ARRIVED);
	assert_int_equal(res->series[0].gap[3].from_unix_ms, OFFSET + 10 * MINUTE);
	/* Not the future: that is no gap. */
	assert_int_equal(res->series[0].gap[3].to_unix_ms, OFFSET + 12 * MINUTE);
	assert_int_equal(res->series[0].n[1], 0);
	assert_int_equal(res->series[0].n[2], 6);
	store_query_free(res);
}

static void
an_off_gap_has_its_own_times(void **state)
{
	struct ctx *c = *state;
	struct bl_gap g = { .reason = BL_GAP_OFF,
		.stream = BL_STREAM_HOST,
		.begin_boot = c->boot,
		.begin_boot_ms = 2 * MINUTE,
		.end_boot = c->boot,
		.end_boot_ms = 4 * MINUTE };
	struct fixture_batch b = { .spool = c->spool,
		.boot = c->boot,
		.stream = BL_STREAM_EVENTS,
		.seq = 1,
		.end_ms = MINUTE,
		.interval_ms = INTERVAL,
		.gap = &g };
	struct fixture_batch later = minute(c, 2);
	struct store_query_result *res;

	know_series(c, 3);
	put_minutes(c, 0, 2);
	later.begin_ms = 5 * MINUTE;
	later.end_ms = 6 * MINUTE;
	begin(c);
	assert_int_equal(put(c, &later), STORE_NEW);
	assert_int_equal(put(c, &b), STORE_NEW); /* before the clock is known */
	commit(c);
	know_clock(c, 1, 0, OFFSET);
	place_all(c);
	c->clock.unix_ms = OFFSET + 6 * MINUTE;
	res = ask(c, series(c).id[0], OFFSET, OFFSET + 6 * MINUTE, MINUTE, false);
	assert_int_equal(res->series[0].n_gaps, 2);
	assert_int_equal(res->series[0].gap[0].reason, BL_GAP_OFF);
	assert_int_equal(res->series[0].gap[0].from_unix_ms, OFFSET + 2 * MINUTE);
	assert_int_equal(res->series[0].gap[0].to_unix_ms, OFFSET + 4 * MINUTE);
	assert_int_equal(res->series[0].gap[1].reason, STORE_GAP_NOT_ARRIVED);
	store_query_free(res);
}

static void
a_rate_knows_resets_and_boots(void **state)
{
	struct ctx *c = *state;
	struct bl_batch_enc *e = bl_batch_enc_create();
	struct bl_series_def def;
	struct bl_batch_header h = { .spool = c->spool,
		.boot = c->boot,
		.stream = BL_STREAM_HOST,
		.seq = 1,
		.collect_end_ms = MINUTE,
		.next_seq = 2,
		.lowest_held = 1 };
	static const double values[] = { 100, 200, 250, 50, 150 }; /* a reset before 50 */
	struct store_query_result *res;
	struct bl_buf msg, raw;
	struct bl_err err = { 0 };
	const uint8_t *body;
	char name[16], label[16];
	size_t len;

	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	know_clock(c, 1, 0, OFFSET);
	begin(c);
	fixture_series(&def, name, label, 1, BL_STREAM_HOST);
	def.kind = BL_COUNTER;
	must(store_dict(c->s, spool(c), &def, &err), &err);
	for (int i = 0; i < 5; i++)
		must(bl_batch_enc_sample(e, 1, i * INTERVAL, values[i], BL_KNOWN), &err);
	must(bl_batch_enc_finish(e, &h, &msg, &err), &err);
	must(bl_batch_header_decode(msg.data, msg.len, &h, &body, &len, &err), &err);
	must(bl_batch_inflate(&h, body, len, &raw, &err), &err);
	assert_int_equal(
	    store_batch_put(c->s, spool(c), &h, body, len, raw.data, raw.len, &err), STORE_NEW);
	commit(c);
	c->clock.unix_ms = OFFSET + MINUTE;
	res = ask(c, series(c).id[0], OFFSET, OFFSET + 50000, 10000, true);
	assert_int_equal(res->series[0].n[0], 0); /* nothing before the first */
	assert_true(res->series[0].mean[1] == 10.0);
	assert_true(res->series[0].mean[2] == 5.0);
	assert_true(res->series[0].mean[3] == 5.0); /* 50 since the reset */
	assert_true(res->series[0].mean[4] == 10.0);
	store_query_free(res);
	/* The pair across the range's begin counts. */
	res = ask(c, series(c).id[0], OFFSET + 20000, OFFSET + 30000, 10000, true);
	assert_int_equal(res->series[0].n[0], 1);
	store_query_free(res);
	bl_batch_enc_free(e);
	bl_buf_free(&msg);
	bl_buf_free(&raw);
}

static void
impossible_questions_are_refused(void **state)
{
	struct ctx *c = *state;
	const int64_t ids[2] = { 1, 1 };
	const struct {
		size_t n;
		int64_t from, to, step;
		int rc;
	} cases[] = { { 0, 0, 10, 1, BL_EINVAL }, { 21, 0, 10, 1, BL_EINVAL },
		{ 1, 10, 10, 1, BL_EINVAL }, { 1, 0, 10, 0, BL_EINVAL },
		{ 1, 0, 5001, 1, BL_EINVAL }, { 1, INT64_MIN, INT64_MAX, 1, BL_EINVAL },
		{ 2, 0, 10, 1, BL_EINVAL }, { 1, 0, 5000, 1, BL_ENOTFOUND } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct store_query q = { .series = ids,
			.n_series = cases[i].n,
			.from_unix_ms = cases[i].from,
			.to_unix_ms = cases[i].to,
			.step_ms = cases[i].step };
		struct store_query_result *res;
		struct bl_err err = { 0 };

		assert_int_equal(store_read_query(c->r, &q, &res, &err), cases[i].rc);
		assert_null(res);
		assert_true(err.msg[0] != '\0');
	}
}

/* ---- events, latest, presence ---- */

static void
events_come_newest_first(void **state)
{
	struct ctx *c = *state;
	struct event_seen seen = { 0 };
	struct bl_err err = { 0 };

	know_clock(c, 1, 0, OFFSET);
	begin(c);
	for (uint64_t i = 0; i < 5; i++) {
		char type[32];
		struct bl_event ev = { .boot_ms = (int64_t)i * MINUTE + 5, .n_attrs = 1 };
		struct fixture_batch b = minute(c, i);

		(void)snprintf(type, sizeof(type), "e.%d", (int)i);
		ev.type = (struct bl_str){ type, strlen(type) };
		ev.attr[0] =
		    (struct bl_attr){ .key = { "k", 1 }, .type = BL_ATTR_TEXT, .text = { "v", 1 } };
		b.stream = BL_STREAM_EVENTS;
		b.n_series = 0;
		b.event = &ev;
		assert_int_equal(put(c, &b), STORE_NEW);
	}
	commit(c);
	must(store_read_events(
		 c->r, "kiosk-1", OFFSET, OFFSET + 4 * MINUTE, 2, see_event, &seen, &err),
	    &err);
	assert_int_equal(seen.n, 2);
	assert_string_equal(seen.type[0], "e.3");
	assert_int_equal(seen.unix_ms[0], OFFSET + 3 * MINUTE + 5);
	assert_string_equal(seen.type[1], "e.2");
}

static bool
see_latest(void *ctx, const struct store_latest *l)
{
	struct store_latest *out = ctx;

	assert_string_equal(l->device, "kiosk-1");
	*out = *l;
	return true;
}

static void
the_latest_value_is_the_newest_sample(void **state)
{
	static const char *const names[] = { "m2", "nothing" };
	struct ctx *c = *state;
	struct store_latest l = { 0 };
	struct bl_err err = { 0 };

	know_series(c, 3);
	know_clock(c, 1, 0, OFFSET);
	put_minutes(c, 0, 4);
	must(store_read_latest(c->r, names, 2, see_latest, &l, &err), &err);
	assert_true(l.known);
	assert_int_equal(l.unix_ms, OFFSET + 4 * MINUTE - INTERVAL);
	assert_true(fabs(l.value - fixture_value(2, 23)) < 1e-9);
	assert_int_equal(series(c).first, OFFSET);
	assert_int_equal(series(c).last, OFFSET + 4 * MINUTE - INTERVAL);
}

static void
presence_moves_when_the_state_does(void **state)
{
	struct ctx *c = *state;
	struct bl_presence p = { .online = true, .boot = c->boot, .connections = 5 };
	struct store_device d;
	struct bl_err err = { 0 };
	const int64_t at = c->clock.unix_ms;

	for (int i = 0; i < 3; i++) {
		begin(c);
		must(store_presence(c->s, "kiosk-1", &p, &err), &err);
		commit(c);
		c->clock.unix_ms += 1000;
	}
	must(store_read_device(c->r, "kiosk-1", &d, &err), &err);
	assert_int_equal(d.presence, STORE_PRESENCE_ONLINE);
	assert_int_equal(d.presence_since_unix_ms, at);
	/* The will of an earlier connection came late. */
	p.online = false;
	p.connections = 4;
	begin(c);
	must(store_presence(c->s, "kiosk-1", &p, &err), &err);
	commit(c);
	must(store_read_device(c->r, "kiosk-1", &d, &err), &err);
	assert_int_equal(d.presence, STORE_PRESENCE_ONLINE);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_dictionary_is_append_only),
		T(a_query_gives_the_figures_of_the_samples),
		T(a_long_range_is_read_in_slices_without_loss),
		T(gaps_are_marked_at_both_edges_and_with_their_reason),
		T(an_off_gap_has_its_own_times),
		T(a_rate_knows_resets_and_boots),
		T(impossible_questions_are_refused),
		T(events_come_newest_first),
		T(the_latest_value_is_the_newest_sample),
		T(presence_moves_when_the_state_does),
	};

	bl_log_level_set(BL_LOG_ERROR);
	return cmocka_run_group_tests_name("store contract: questions", tests, NULL, NULL);
}
