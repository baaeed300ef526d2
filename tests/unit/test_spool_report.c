/*
 * Values that programs report: on disk before their giver hears of it, once by their id whatever
 * happens, never dropped for others, and at the time they are of.
 */
#include "spool_kit.h"

#include <math.h>

#include "shim.h"

static int
report(struct kit *k, unsigned series, int64_t boot_ms, double value, const char *id)
{
	const struct spool_sample sample = { k->series[2][series], BL_KNOWN, value };
	struct bl_err err = { 0 };
	const int rc = spool_report(
	    k->s, BL_STREAM_HOST, boot_ms, &sample, (struct bl_str){ id, strlen(id) }, &err);

	assert_int_equal(err.code, rc < 0 ? rc : 0);
	return rc;
}

static int
event(struct kit *k, const char *id)
{
	const struct bl_event ev = {
		.boot_ms = k->time.boot_ms, .type = { "a.b", 3 }, .id = { id, strlen(id) }
	};

	return spool_event(k->s, &ev, NULL);
}

/* What the host stream's batches hold, in the order of the wire. */
struct found {
	unsigned n;
	double sum;
	int64_t first_ms, last_ms;
	uint64_t lost;
};

static void
look_into(struct found *f, const struct spool_frame *frame)
{
	static int64_t ms[4096];
	static double value[4096];
	static uint8_t unknown[4096];
	struct bl_batch_header h;
	struct bl_batch_reader r;
	struct bl_column c;
	struct bl_gap gap;
	struct bl_buf raw;
	const uint8_t *body;
	size_t len;

	if (frame->type != BL_MSG_BATCH)
		return;
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	assert_int_equal(
	    bl_batch_header_decode(frame->msg.data, frame->msg.len, &h, &body, &len, NULL), BL_OK);
	assert_int_equal(bl_batch_inflate(&h, body, len, &raw, NULL), BL_OK);
	assert_int_equal(bl_batch_verify(&h, raw.data, raw.len, NULL), BL_OK);
	assert_int_equal(bl_batch_reader_init(&r, &h, raw.data, raw.len, NULL), BL_OK);
	while (bl_batch_next_column(&r, &c, NULL) == 1) {
		assert_true(c.n <= 4096);
		assert_int_equal(bl_column_decode(&r, &c, ms, value, unknown, NULL), BL_OK);
		for (uint32_t i = 0; i < c.n; i++) {
			f->first_ms = f->n == 0 || ms[i] < f->first_ms ? ms[i] : f->first_ms;
			f->last_ms = f->n == 0 || ms[i] > f->last_ms ? ms[i] : f->last_ms;
			f->sum += value[i];
			f->n++;
		}
	}
	while (bl_batch_next_event(&r, &(struct bl_event){ 0 }, NULL) == 1)
		;
	while (bl_batch_next_gap(&r, &gap, NULL) == 1)
		f->lost += gap.reason == BL_GAP_OFF ? 0 : gap.samples;
	bl_buf_free(&raw);
}

/* Everything that waits, offered to a centre that gives no receipts. */
static void
deliver(struct kit *k, struct found *f)
{
	const struct spool_want want = { .live = true, .past_bytes = 1 << 30, .max_frames = 32 };
	struct bl_receipt answer = { 0 };
	struct spool_frame frame[32];
	struct bl_hello hello;
	unsigned n = 1;

	memset(f, 0, sizeof(*f));
	kit_cut_all(k);
	assert_int_equal(spool_hello(k->s, &hello, NULL), BL_OK);
	answer.spool = hello.spool;
	answer.epoch = (struct bl_id){ { 9 } };
	assert_true(spool_on_answer(k->s, &answer, NULL) >= 0);
	while (n > 0) {
		assert_int_equal(spool_offer(k->s, &want, frame, &n, NULL), BL_OK);
		for (unsigned i = 0; i < n; i++) {
			look_into(f, &frame[i]);
			bl_buf_free(&frame[i].msg);
		}
	}
}

static void
an_id_counts_once_for_events_and_values_alike(void **state)
{
	struct kit *k = *state;
	struct found f;

	kit_open(k, SPOOL_CREATED);
	assert_int_equal(report(k, 0, k->time.boot_ms, 1, "a"), SPOOL_ACCEPTED);
	assert_int_equal(
	    report(k, 1, k->time.boot_ms, 2, "a"), SPOOL_REPEATED); /* it waits still */
	assert_int_equal(event(k, "a"), SPOOL_REPEATED);
	assert_int_equal(event(k, "b"), SPOOL_ACCEPTED);
	assert_int_equal(report(k, 0, k->time.boot_ms, 4, "b"), SPOOL_REPEATED);
	assert_int_equal(report(k, 0, k->time.boot_ms, 8, ""), SPOOL_ACCEPTED);
	assert_int_equal(report(k, 0, k->time.boot_ms, 8, ""), SPOOL_ACCEPTED);
	kit_commit(k);
	assert_int_equal(report(k, 0, k->time.boot_ms, 16, "a"), SPOOL_REPEATED); /* on disk */
	kit_crash(k);
	kit_open(k, SPOOL_OPENED);
	assert_int_equal(report(k, 0, k->time.boot_ms, 32, "a"), SPOOL_REPEATED);
	assert_int_equal(report(k, 0, k->time.boot_ms, 64, "c"), SPOOL_ACCEPTED);
	kit_cut_all(k);
	assert_int_equal(report(k, 0, k->time.boot_ms, 128, "c"), SPOOL_REPEATED);
	kit_pass(&k->time, 24 * 3600000 + 1000);
	assert_int_equal(report(k, 0, k->time.boot_ms, 256, "a"), SPOOL_ACCEPTED);
	deliver(k, &f);
	assert_int_equal(f.n, 5);
	assert_true(f.sum == 1 + 8 + 8 + 64 + 256 && f.lost == 0);
}

/* Where ticks are grouped, what waits goes straight into a batch: its id is kept all the same. */
static void
an_id_counts_where_nothing_is_written_before_the_cut(void **state)
{
	struct kit *k = *state;
	unsigned cut = 0;
	int64_t next_ms;
	struct found f;

	k->opts.group_ms = 60000;
	kit_open(k, SPOOL_CREATED);
	kit_commit(k);
	kit_pass(&k->time, 120000);
	assert_int_equal(report(k, 0, k->time.boot_ms, 1, "a"), SPOOL_ACCEPTED);
	spool_covered(k->s, k->time.boot_ms);
	assert_int_equal(spool_cut_due(k->s, true, &cut, &next_ms, NULL), BL_OK);
	assert_true(cut > 0);
	assert_int_equal(report(k, 0, k->time.boot_ms, 2, "a"), SPOOL_REPEATED);
	kit_crash(k);
	kit_open(k, SPOOL_OPENED);
	assert_int_equal(report(k, 0, k->time.boot_ms, 4, "a"), SPOOL_REPEATED);
	deliver(k, &f);
	assert_true(f.n == 1 && f.sum == 1 && f.lost == 0);
}

/* What was not committed may be said again, and is there once. */
static void
what_a_death_took_may_be_repeated(void **state)
{
	struct kit *k = *state;
	struct found f;

	kit_open(k, SPOOL_CREATED);
	assert_int_equal(report(k, 0, k->time.boot_ms, 1, "a"), SPOOL_ACCEPTED);
	kit_crash(k);
	kit_open(k, SPOOL_OPENED);
	assert_int_equal(report(k, 0, k->time.boot_ms, 1, "a"), SPOOL_ACCEPTED);
	kit_commit(k);
	deliver(k, &f);
	assert_int_equal(f.n, 1);
}

/* Late ones among the ticks, from before this boot, too: nothing is lost, each at its time. */
static void
values_of_the_past_keep_their_time(void **state)
{
	struct kit *k = *state;
	const int64_t week = INT64_C(7) * 24 * 3600000;
	struct found f;
	double sum = 0;

	kit_open(k, SPOOL_CREATED);
	for (unsigned i = 0; i < 300; i++) {
		assert_int_equal(report(k, i % 2, k->time.boot_ms - (i % 3) * (week / 2), i, ""),
		    SPOOL_ACCEPTED);
		sum += i;
		if (i % 50 == 0)
			kit_commit(k);
		kit_pass(&k->time, 1000);
	}
	kit_commit(k);
	deliver(k, &f);
	assert_int_equal(f.n, 300);
	assert_true(f.sum == sum && f.lost == 0);
	assert_true(f.first_ms < k->time.boot_ms - week + 1000 && f.last_ms <= k->time.boot_ms);
}

/* Ticks make room; then it is refused, and what was taken before stays. */
static void
what_was_promised_is_not_dropped_for_others(void **state)
{
	struct kit *k = *state;
	struct spool_sample tick = { .unknown = BL_KNOWN };
	unsigned taken = 0;
	uint64_t lost = 0;
	struct found f;
	int rc;

	k->opts.memory_bytes = 16 << 10;
	kit_open(k, SPOOL_CREATED);
	tick.series_id = k->series[2][0];
	for (unsigned i = 0; i < 20; i++)
		kit_tick(k, BL_STREAM_HOST);
	while ((rc = report(k, 0, k->time.boot_ms, 1, "")) == SPOOL_ACCEPTED)
		assert_true(++taken < 1000);
	assert_int_equal(rc, BL_EFULL);
	assert_true(taken > 50);
	assert_int_equal(spool_append(k->s, BL_STREAM_HOST, k->time.boot_ms, &tick, 1, NULL),
	    BL_EFULL); /* named */
	assert_int_equal(event(k, "late"), BL_EFULL);
	assert_int_equal(spool_commit(k->s, &lost, NULL), BL_OK);
	assert_int_equal(lost, 20 * KIT_SERIES + 1);
	deliver(k, &f);
	assert_int_equal(f.n, taken);
	assert_int_equal(f.lost, 20 * KIT_SERIES + 1);
}

/* A spool that is replaced while it waits takes it over, with its id. */
static void
what_waits_goes_into_the_next_spool(void **state)
{
	struct kit *k = *state;
	struct bl_err err = { .code = BL_ECORRUPT, .msg = "told to" };
	struct found f;

	kit_open(k, SPOOL_CREATED);
	kit_commit(k);
	assert_int_equal(report(k, 2, k->time.boot_ms, 5, "a"), SPOOL_ACCEPTED);
	assert_int_equal(spool_replace(k->s, &err), SPOOL_REPLACED);
	kit_declare(k);
	assert_int_equal(report(k, 2, k->time.boot_ms, 5, "a"), SPOOL_REPEATED);
	kit_commit(k);
	assert_int_equal(report(k, 2, k->time.boot_ms, 5, "a"), SPOOL_REPEATED);
	kit_salvage(k);
	deliver(k, &f);
	assert_int_equal(f.n, 1);
	assert_true(f.sum == 5);
}

/*
 * A report of the past in a commit whose fate is unknown, and then the file is given up: neither
 * it twice, nor those that were accepted since its time not at all.
 */
static void
what_is_late_and_in_doubt_takes_nobody_along(void **state)
{
	const int64_t hour = 3600000;

	(void)state;
	for (unsigned failures = 1; failures <= 12; failures++) {
		struct shim_plan p = { .kind = SHIM_SYNC_EIO, .at_op = 1, .count = failures };
		struct bl_err err = { 0 };
		uint64_t lost;
		struct found f;
		struct kit *k;

		assert_int_equal(kit_setup((void **)&k), 0);
		kit_open(k, SPOOL_CREATED);
		assert_int_equal(report(k, 0, k->time.boot_ms - hour, 1, ""), SPOOL_ACCEPTED);
		kit_tick(k, BL_STREAM_HOST);
		spool_covered(k->s, k->time.boot_ms);
		kit_commit(k);
		assert_int_equal(report(k, 1, k->time.boot_ms - 2 * hour, 2, "b"), SPOOL_ACCEPTED);
		p.below = k->dir;
		shim_plan(&p);
		(void)spool_commit(k->s, &lost, &err); /* it may fail: that is the point */
		shim_plan(NULL);
		err = (struct bl_err){ .code = BL_ECORRUPT, .msg = "told to" };
		assert_int_equal(spool_replace(k->s, &err), SPOOL_REPLACED);
		kit_declare(k);
		kit_commit(k);
		kit_salvage(k);
		deliver(k, &f);
		assert_int_equal(f.n, 2 + KIT_SERIES);
		(void)kit_teardown((void **)&k);
	}
}

static void
what_cannot_be_sent_is_refused(void **state)
{
	const struct spool_sample unknown = { 4711, BL_KNOWN, 1 }, none = { 0, BL_KNOWN, 1 };
	const struct bl_str no_id = { "", 0 };
	struct kit *k = *state;
	struct spool_sample good;
	char longer[BL_EVENT_ID_MAX + 2];

	kit_open(k, SPOOL_CREATED);
	good = (struct spool_sample){ k->series[2][0], BL_KNOWN, 1 };
	memset(longer, 'i', sizeof(longer));
	assert_int_equal(spool_report(k->s, BL_STREAM_HOST, 1, &unknown, no_id, NULL), BL_EINVAL);
	assert_int_equal(spool_report(k->s, BL_STREAM_HOST, 1, &none, no_id, NULL), BL_EINVAL);
	assert_int_equal(spool_report(k->s, (enum bl_stream)9, 1, &good, no_id, NULL), BL_EINVAL);
	assert_int_equal(spool_report(k->s, BL_STREAM_HOST, 1, &good,
			     (struct bl_str){ longer, BL_EVENT_ID_MAX + 1 }, NULL),
	    BL_EINVAL);
	assert_int_equal(
	    spool_report(k->s, BL_STREAM_HOST, 1, &good, (struct bl_str){ "a\0b", 3 }, NULL),
	    BL_EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    an_id_counts_once_for_events_and_values_alike, kit_setup, kit_teardown),
		cmocka_unit_test_setup_teardown(
		    an_id_counts_where_nothing_is_written_before_the_cut, kit_setup, kit_teardown),
		cmocka_unit_test_setup_teardown(
		    what_a_death_took_may_be_repeated, kit_setup, kit_teardown),
		cmocka_unit_test_setup_teardown(
		    values_of_the_past_keep_their_time, kit_setup, kit_teardown),
		cmocka_unit_test_setup_teardown(
		    what_was_promised_is_not_dropped_for_others, kit_setup, kit_teardown),
		cmocka_unit_test_setup_teardown(
		    what_waits_goes_into_the_next_spool, kit_setup, kit_teardown),
		cmocka_unit_test_setup_teardown(
		    what_cannot_be_sent_is_refused, kit_setup, kit_teardown),
		cmocka_unit_test(what_is_late_and_in_doubt_takes_nobody_along),
	};

	shim_vfs_install(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
