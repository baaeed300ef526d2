/*
 * Closed hours go into parts, one step after the other, with the store at hand: nothing is lost
 * and nothing doubled, whatever comes late.
 */
#include "compact_kit.h"

static const char *const devices[] = { "kiosk-1", "kiosk-2", "till-3" };

static void
closed_hours_are_packed(void **state)
{
	struct kit *k = *state;
	char *before, *after, *parts;

	for (uint8_t i = 0; i < 3; i++) {
		know(k, (uint8_t)(0xa + i), devices[i]);
		put_minutes(k, devices[i], (uint8_t)(0xa + i), 1, 90);
	}
	before = everything(k, devices, 3);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 0); /* the hour is not over */
	pass(k, HOUR + 10 * MINUTE);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 1);
	assert_int_equal(count(k, "SELECT devices FROM part"), 3);
	assert_int_equal(count(k, "SELECT samples FROM part"), 3 * 2 * 360);
	assert_int_equal(count(k, "SELECT count(*) FROM pack_due"), 3); /* the second hour's */
	/* Rows stay for readers that are at work, and go then; half the batches are of the other
	 * hour. */
	assert_int_equal(count(k, "SELECT count(*) FROM batch"), 3 * 90);
	pass_round(k);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM batch"), 3 * 30);
	assert_int_equal(count(k, "SELECT sum(last - first + 1) FROM packed_seq"), 3 * 60);
	assert_int_equal(count(k, "SELECT count(*) FROM packed_seq"), 3);
	after = everything(k, devices, 3);
	assert_string_equal(after, before);
	free(after);
	/* And the second hour. */
	pass(k, HOUR);
	settle(k);
	pass_round(k);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 2);
	assert_int_equal(count(k, "SELECT count(*) FROM pack_due"), 0);
	/* The newest row stays: its id must not come again. */
	assert_int_equal(count(k, "SELECT count(*) FROM batch"), 1);
	assert_int_equal(count(k, "SELECT count(*) FROM packed_seq"), 3);
	after = everything(k, devices, 3);
	parts = in_parts(k);
	assert_string_equal(after, before);
	assert_string_equal(parts, before);
	free(before);
	free(after);
	free(parts);
}

static void
late_data_join_their_hour(void **state)
{
	struct kit *k = *state;
	char *before, *after, *parts;

	know(k, 0xa, devices[0]);
	know(k, 0xb, devices[1]);
	put_minutes(k, devices[0], 0xa, 1, 60);
	put_minutes(k, devices[1], 0xb, 31, 60);
	pass(k, HOUR + 15 * MINUTE);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 1);
	put_minutes(k, devices[1], 0xb, 1, 30);
	before = everything(k, devices, 2);
	settle(k);
	/* What else is late of this hour is waited for. */
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 1);
	pass(k, 31 * MINUTE);
	settle(k);
	pass_round(k);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 2);
	assert_int_equal(count(k, "SELECT count(*) FROM part_hidden"), 1);
	assert_int_equal(count(k, "SELECT count(*) FROM part_device"), 2);
	assert_int_equal(count(k, "SELECT count(*) FROM pack_due"), 0);
	assert_int_equal(count(k, "SELECT count(*) FROM packed_seq"), 2);
	after = everything(k, devices, 2);
	parts = in_parts(k);
	assert_string_equal(after, before);
	assert_string_equal(parts, before);
	free(before);
	free(after);
	free(parts);
}

/* ---- what waits ---- */

/* Nothing of it is packed as long as it must not be; then all of it is. */
static void
pack_all(struct kit *k, const char *const *names, size_t n, const char *before)
{
	char *after, *parts;

	for (int i = 0; i < 4; i++) {
		pass(k, HOUR);
		settle(k);
	}
	pass_round(k);
	settle(k);
	after = everything(k, names, n);
	parts = in_parts(k);
	assert_string_equal(after, before);
	assert_string_equal(parts, before);
	assert_int_equal(count(k, "SELECT count(*) FROM pack_due"), 0);
	assert_true(count(k, "SELECT count(*) FROM batch WHERE n_events = 0 AND kind = 0") <= 1);
	free(after);
	free(parts);
}

static void
what_the_evaluator_has_not_passed_waits(void **state)
{
	struct kit *k = *state;
	char *before;

	know(k, 0xa, devices[0]);
	know(k, 0xb, devices[1]);
	put_minutes(k, devices[0], 0xa, 1, 60);
	put_minutes(k, devices[1], 0xb, 1, 60);
	before = everything(k, devices, 2);
	k->passed = 119;
	pass(k, 2 * HOUR);
	settle(k);
	/* Of one device all was passed. */
	assert_int_equal(count(k, "SELECT devices FROM part"), 1);
	assert_int_equal(count(k, "SELECT count(*) FROM pack_due"), 1);
	k->passed = 120;
	pack_all(k, devices, 2, before);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 2);
	free(before);
}

static void
a_clock_that_comes_late_is_waited_for(void **state)
{
	struct kit *k = *state;
	char *before;

	begin(k);
	put_dict(k, 0xa, devices[0], 1, 1);
	put_dict(k, 0xa, devices[0], 2, 2);
	commit(k);
	know(k, 0xb, devices[1]);
	put_minutes(k, devices[0], 0xa, 1, 90);
	put_minutes(k, devices[1], 0xb, 1, 90);
	pass(k, 5 * HOUR);
	settle(k);
	pass_round(k);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 2);
	assert_int_equal(count(k, "SELECT count(*) FROM pack_mark"), 90);
	assert_int_equal(count(k, "SELECT count(*) FROM batch"), 91);
	/* Their hours are packed already, and their ids lower than what those have taken in. */
	begin(k);
	put_clock(k, 0xa, devices[0], 1, 1, 0, OFFSET);
	commit(k);
	before = everything(k, devices, 2);
	/* The evaluator still has one on its list. */
	k->awaited = 30;
	pass(k, HOUR);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM pack_due"), 1);
	k->awaited = 0;
	pack_all(k, devices, 2, before);
	assert_int_equal(count(k, "SELECT count(*) FROM pack_mark"), 0);
	free(before);
}

/* Before the row of coverage of the batch is written, which then has its place at once. */
static void
a_clock_that_comes_with_the_batches_makes_them_due(void **state)
{
	struct kit *k = *state;
	struct put p = { .device = devices[0], .spool = 0xa, .from_ms = 30 * MINUTE };

	begin(k);
	put_dict(k, 0xa, devices[0], 1, 1);
	put_dict(k, 0xa, devices[0], 2, 2);
	p.seq = 1;
	p.to_ms = p.from_ms + HOUR;
	assert_int_equal(put_in(k, &p), STORE_NEW);
	put_clock(k, 0xa, devices[0], 1, 1, 0, OFFSET);
	p.seq = 2;
	p.from_ms = p.to_ms;
	p.to_ms = p.from_ms + HOUR;
	assert_int_equal(put_in(k, &p), STORE_NEW);
	commit(k);
	assert_int_equal(count(k, "SELECT count(*) FROM pack_due"), 3);
	pass(k, 4 * HOUR);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part_device"), 3);
	assert_int_equal(count(k, "SELECT sum(samples) FROM part"), 2 * 2 * 360);
}

/* Batches of a known clock, and right behind them, in one transaction, word that it was wrong. */
static void
a_clock_that_steps_right_behind_makes_both_places_due(void **state)
{
	struct kit *k = *state;
	struct put p = { .device = devices[0], .spool = 0xa, .seq = 1 };

	begin(k);
	put_dict(k, 0xa, devices[0], 1, 1);
	put_dict(k, 0xa, devices[0], 2, 2);
	put_clock(k, 0xa, devices[0], 1, 1, 0, OFFSET + 100 * (int64_t)HOUR);
	commit(k);
	begin(k);
	p.from_ms = 10 * MINUTE;
	p.to_ms = 20 * MINUTE;
	assert_int_equal(put_in(k, &p), STORE_NEW);
	put_clock(k, 0xa, devices[0], 2, 1, 5 * MINUTE, OFFSET);
	commit(k);
	assert_true(count(k, "SELECT count(*) FROM moved") > 0);
	assert_int_equal(count(k, "SELECT count(DISTINCT hour_unix_ms) FROM pack_due"), 2);
}

/* A batch, its clock and a step of that in one transaction: each part is due where it ends up. */
static void
a_clock_and_its_step_with_the_batch_make_both_places_due(void **state)
{
	struct kit *k = *state;
	struct put p = { .device = devices[0],
		.spool = 0xa,
		.seq = 1,
		.from_ms = 10 * MINUTE,
		.to_ms = 20 * MINUTE };

	begin(k);
	put_dict(k, 0xa, devices[0], 1, 1);
	put_dict(k, 0xa, devices[0], 2, 2);
	assert_int_equal(put_in(k, &p), STORE_NEW);
	put_clock(k, 0xa, devices[0], 1, 1, 0, OFFSET + 2 * (int64_t)HOUR);
	put_clock(k, 0xa, devices[0], 2, 1, 15 * MINUTE, OFFSET);
	commit(k);
	pass(k, 6 * HOUR);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part_device"), 2);
	assert_int_equal(count(k, "SELECT sum(samples) FROM part"), 2 * 60);
	assert_int_equal(count(k, "SELECT count(*) FROM pack_due"), 0);
}

static void
a_dictionary_that_comes_late_is_waited_for(void **state)
{
	struct kit *k = *state;
	char *before;

	begin(k);
	put_dict(k, 0xa, devices[0], 1, 1);
	put_clock(k, 0xa, devices[0], 1, 1, 0, OFFSET);
	commit(k);
	put_minutes(k, devices[0], 0xa, 1, 70);
	pass(k, 3 * HOUR);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 0);
	begin(k);
	put_dict(k, 0xa, devices[0], 2, 2);
	commit(k);
	before = everything(k, devices, 1);
	pack_all(k, devices, 1, before);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 2);
	assert_int_equal(
	    count(k, "SELECT count(*) FROM pack_mark"), 1); /* of the newest, which stays */
	free(before);
}

/* ---- batches of all kinds ---- */

static void
batches_that_span_hours_go_with_the_last_one(void **state)
{
	const struct put first = { .device = devices[0],
		.spool = 0xa,
		.seq = 1,
		.from_ms = 30 * MINUTE,
		.to_ms = 30 * MINUTE + 3 * HOUR };
	const struct put second = { .device = devices[0],
		.spool = 0xa,
		.seq = 2,
		.from_ms = 30 * MINUTE + 3 * HOUR,
		.to_ms = 31 * MINUTE + 3 * HOUR };
	struct kit *k = *state;
	char *before;

	know(k, 0xa, devices[0]);
	assert_int_equal(put(k, &first), STORE_NEW);
	assert_int_equal(put(k, &second), STORE_NEW);
	before = everything(k, devices, 1);
	assert_int_equal(count(k, "SELECT count(*) FROM pack_due"), 4);
	pass(k, 3 * HOUR + 20 * MINUTE);
	settle(k);
	pass_round(k);
	settle(k);
	/* The fourth hour is still open. */
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 3);
	assert_int_equal(count(k, "SELECT count(*) FROM batch"), 2);
	assert_int_equal(count(k, "SELECT count(*) FROM packed_seq"), 0);
	pack_all(k, devices, 1, before);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 4);
	assert_int_equal(count(k, "SELECT count(*) FROM batch"), 1);
	free(before);
}

static void
rows_with_events_stay_and_empty_ones_go(void **state)
{
	struct put p = { .device = devices[0], .spool = 0xa };
	struct kit *k = *state;
	char *before;

	know(k, 0xa, devices[0]);
	for (uint64_t i = 1; i <= 60; i++) {
		p.seq = i;
		p.from_ms = (int64_t)(i - 1) * MINUTE;
		p.to_ms = (int64_t)i * MINUTE;
		p.event = i % 20 == 0;
		p.n_series = i % 3 == 0 ? NOTHING : 2;
		assert_int_equal(put(k, &p), STORE_NEW);
	}
	before = everything(k, devices, 1);
	pack_all(k, devices, 1, before);
	assert_int_equal(count(k, "SELECT count(*) FROM batch WHERE n_events > 0"), 3);
	assert_int_equal(count(k, "SELECT count(*) FROM batch"), 3);
	/* Known as before: the same is a duplicate, another one contradicts it. */
	for (uint64_t i = 1; i <= 60; i++) {
		p.seq = i;
		p.from_ms = (int64_t)(i - 1) * MINUTE;
		p.to_ms = (int64_t)i * MINUTE;
		p.event = i % 20 == 0;
		p.n_series = i % 3 == 0 ? NOTHING : 2;
		p.twist = 0;
		assert_int_equal(put(k, &p), STORE_DUPLICATE);
		p.twist = 1;
		p.to_ms +=
		    p.n_series == NOTHING ? 1 : 0; /* empty ones differ by their times alone */
		if (i % 20 != 0)
			assert_int_equal(put(k, &p), STORE_CONFLICT);
	}
	free(before);
}

static void
thinned_samples_keep_what_they_stand_for(void **state)
{
	const struct put fine = { .device = devices[0],
		.spool = 0xa,
		.seq = 2,
		.from_ms = 2 * HOUR,
		.to_ms = 2 * HOUR + 20 * MINUTE };
	const struct put thin = { .device = devices[0],
		.spool = 0xa,
		.seq = 3,
		.from_ms = 10 * MINUTE,
		.to_ms = 110 * MINUTE,
		.supersedes_first = 1,
		.supersedes_last = 1,
		.thin_ms = 5 * MINUTE };
	struct kit *k = *state;
	char *before;

	know(k, 0xa, devices[0]);
	assert_int_equal(put(k, &fine), STORE_NEW);
	assert_int_equal(put(k, &thin), STORE_NEW);
	before = everything(k, devices, 1);
	assert_non_null(strstr(before, " n30"));
	pack_all(k, devices, 1, before);
	/* Its row says what it stands for. */
	assert_int_equal(count(k, "SELECT count(*) FROM batch"), 1);
	free(before);
}

static void
two_spools_of_one_boot_are_one(void **state)
{
	struct kit *k = *state;
	char *before;

	know(k, 0xa, devices[0]);
	know(k, 0xb, devices[0]);
	put_minutes(k, devices[0], 0xa, 1, 40);
	for (uint64_t i = 21; i <= 60; i += 5) {
		const struct put p = { .device = devices[0],
			.spool = 0xb,
			.seq = i,
			.from_ms = (int64_t)(i - 1) * MINUTE,
			.to_ms = (int64_t)(i + 4) * MINUTE };

		(void)put(k, &p);
	}
	before = everything(k, devices, 1);
	assert_int_equal(count(k, "SELECT count(DISTINCT spool_id) FROM batch"), 2);
	pack_all(k, devices, 1, before);
	assert_int_equal(count(k, "SELECT samples FROM part"), 2 * 360);
	free(before);
}

static void
all_that_is_due_of_a_devices_hour_goes_together(void **state)
{
	const struct put other = { .device = devices[0],
		.spool = 0xb,
		.boot = 2,
		.seq = 1,
		.from_ms = 0,
		.to_ms = 10 * MINUTE };
	struct kit *k = *state;
	char *before, *after;

	know(k, 0xa, devices[0]);
	know(k, 0xb, devices[0]);
	begin(k);
	put_clock(k, 0xb, devices[0], 2, 2, 0, OFFSET + 30 * MINUTE);
	commit(k);
	pass(k, 3 * HOUR);
	put_minutes(k, devices[0], 0xa, 1, 20);
	pass(k, 20 * MINUTE);
	assert_int_equal(put(k, &other), STORE_NEW);
	before = everything(k, devices, 1);
	/* What came first has waited for long enough, what came then has not. */
	pass(k, 11 * MINUTE);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 1);
	after = everything(k, devices, 1);
	assert_string_equal(after, before);
	free(after);
	pack_all(k, devices, 1, before);
	free(before);
}

/* ---- clocks ---- */

static const struct {
	const char *name;
	int64_t from_ms, offset_ms;
} steps[] = {
	{ "back within the hour", 30 * MINUTE, -10 * MINUTE },
	{ "back into the hour before", 20 * MINUTE + 5000, -35 * MINUTE },
	{ "on by hours", 45 * MINUTE, 3 * HOUR },
	{ "all of an hour", 0, -2 * HOUR },
	{ "a little", 10 * MINUTE, 15 },
};

static void
play(struct kit *k, size_t step, bool late, bool cleaned)
{
	begin(k);
	put_dict(k, 0xa, devices[0], 1, 1);
	put_dict(k, 0xa, devices[0], 2, 2);
	put_clock(k, 0xa, devices[0], 1, 1, 0, OFFSET);
	if (!late)
		put_clock(
		    k, 0xa, devices[0], 2, 1, steps[step].from_ms, OFFSET + steps[step].offset_ms);
	commit(k);
	know(k, 0xb, devices[1]);
	put_minutes(k, devices[0], 0xa, 1, 100);
	put_minutes(k, devices[1], 0xb, 1, 100);
	if (!late)
		return;
	pass(k, 2 * HOUR);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 1);
	if (cleaned) {
		pass_round(k);
		settle(k);
	}
	begin(k);
	put_clock(k, 0xa, devices[0], 2, 1, steps[step].from_ms, OFFSET + steps[step].offset_ms);
	commit(k);
}

static void
a_step_of_the_clock_that_is_told_late_moves_what_is_packed(void **state)
{
	struct kit *k;
	(void)state;

	for (size_t i = 0; i < 2 * sizeof(steps) / sizeof(steps[0]); i++) {
		char *expected, *after, *parts;

		k = calloc(1, sizeof(*k));
		kit_open(k, "compact-told");
		play(k, i / 2, false, false);
		expected = everything(k, devices, 2);
		kit_close(k);
		kit_open(k, "compact-late");
		play(k, i / 2, true, i % 2 == 1);
		settle(k);
		for (int j = 0; j < 8; j++) {
			pass(k, HOUR);
			settle(k);
		}
		after = everything(k, devices, 2);
		parts = in_parts(k);
		if (strcmp(after, expected) != 0 || strcmp(parts, expected) != 0)
			fail_msg("%s%s: they do not lie where the clock says", steps[i / 2].name,
			    i % 2 == 1 ? ", rows gone" : "");
		assert_int_equal(count(k, "SELECT count(*) FROM pack_due"), 0);
		/* Who follows the log hears of it when it has happened. */
		assert_true(count(k, "SELECT count(*) FROM moved WHERE boot_id = 0") > 0);
		kit_close(k);
		free(k);
		free(expected);
		free(after);
		free(parts);
	}
}

/* ---- large and small ---- */

static void
parts_end_at_their_size_and_go_on_with_the_next_device(void **state)
{
	struct kit *k = *state;
	char *before;

	kit_stop(k);
	k->opts.part_devices = 2;
	kit_start(k);
	for (uint8_t i = 0; i < 3; i++) {
		know(k, (uint8_t)(0xa + i), devices[i]);
		put_minutes(k, devices[i], (uint8_t)(0xa + i), 1, 60);
	}
	before = everything(k, devices, 3);
	pack_all(k, devices, 3, before);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 2);
	assert_int_equal(count(k, "SELECT max(devices) FROM part"), 2);
	free(before);
}

static void
many_small_parts_of_an_hour_become_one(void **state)
{
	static const char *const all[] = { "kiosk-1", "kiosk-2", "till-3", "till-4" };
	struct kit *k = *state;
	char *before, *after, *parts;

	pass(k, HOUR + 15 * MINUTE);
	for (uint8_t i = 0; i < 4; i++) {
		know(k, (uint8_t)(0xa + i), all[i]);
		put_minutes(k, all[i], (uint8_t)(0xa + i), 1, 60);
		pass(k, 31 * MINUTE);
		settle(k);
	}
	before = everything(k, all, 4);
	/* What is still coming is waited for. */
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 4);
	pass(k, 32 * MINUTE);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 1);
	assert_int_equal(count(k, "SELECT devices FROM part"), 4);
	assert_int_equal(count(k, "SELECT count(*) FROM part_hidden"), 0);
	assert_int_equal(count(k, "SELECT count(*) FROM part_device"), 4);
	/* What batches each device's hour has taken in is as before. */
	assert_int_equal(count(k, "SELECT count(DISTINCT batch_upto) FROM part_device"), 4);
	after = everything(k, all, 4);
	parts = in_parts(k);
	assert_string_equal(after, before);
	assert_string_equal(parts, before);
	/* Their bytes stay for those who read them, and go then. */
	assert_true(count(k, "SELECT count(*) FROM part_dead") >= 12);
	pass(k, 12 * (int64_t)HOUR);
	settle(k);
	assert_true(count(k, "SELECT count(*) FROM part_dead") >= 12);
	pass(k, 13 * (int64_t)HOUR);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part_dead"), 0);
	free(before);
	free(after);
	free(parts);
}

/* ---- retention ---- */

#define DAY          (24 * (int64_t)HOUR)
#define AS_THEY_CAME "SELECT count(*) FROM batch WHERE n_events = 0 AND n_samples > 0"

struct files {
	unsigned n[PARTS_LEVELS];
};

static bool
count_file(void *ctx, enum parts_level level, int64_t hour, int64_t bytes, int64_t blocks)
{
	struct files *f = ctx;

	(void)hour;
	(void)bytes;
	(void)blocks;
	f->n[level]++;
	return true;
}

static struct files
files(struct kit *k)
{
	struct files f = { { 0 } };
	struct bl_err err = { 0 };

	must(parts_files(k->parts, count_file, &f, &err), &err);
	return f;
}

static void
levels_go_one_after_the_other_with_their_files(void **state)
{
	static const struct {
		int64_t days;
		int64_t raw, m5, h1, batches; /* what is left then */
	} step[] = {
		{ 1, 1, 1, 1, 1 },
		{ 4, 0, 1, 1, 1 },
		{ 12, 0, 0, 1, 0 },
		{ 80, 0, 0, 0, 0 },
	};
	const struct put late = { .device = devices[1],
		.spool = 0xb,
		.seq = 1,
		.from_ms = HOUR + 5 * MINUTE,
		.to_ms = HOUR + 10 * MINUTE };
	const struct put stays = { .device = devices[0],
		.spool = 0xa,
		.seq = 62,
		.from_ms = 5 * MINUTE + 1000,
		.to_ms = 10 * MINUTE };
	struct put newest = { .device = devices[2], .spool = 0xc, .n_series = NOTHING };
	struct put p = { .device = devices[0],
		.spool = 0xa,
		.seq = 61,
		.from_ms = HOUR,
		.to_ms = HOUR + MINUTE,
		.event = true };
	struct kit *k = *state;
	struct compact_status s;
	int64_t age = 0;

	kit_stop(k);
	k->opts.retention = (struct compact_retention){ 2 * DAY, 10 * DAY, 40 * DAY, 10 * DAY };
	kit_start(k);
	know(k, 0xa, devices[0]);
	know(k, 0xb, devices[1]);
	know(k, 0xc, devices[2]);
	put_minutes(k, devices[0], 0xa, 1, 60);
	assert_int_equal(put(k, &p), STORE_NEW);
	for (size_t i = 0; i < sizeof(step) / sizeof(step[0]); i++) {
		/* Something newer, so that the last one is not the newest. */
		newest.seq = i + 1;
		newest.from_ms = step[i].days * DAY;
		newest.to_ms = newest.from_ms + MINUTE;
		pass(k, step[i].days * DAY - age);
		age = step[i].days * DAY + 6 * HOUR;
		assert_int_equal(put(k, &newest), STORE_NEW);
		for (int j = 0; j < 3; j++) {
			settle(k);
			pass(k, 2 * HOUR);
		}
		assert_int_equal(count(k, "SELECT count(*) FROM part WHERE raw_bytes > 0"
					  " AND hour_unix_ms = 1699999200000"),
		    step[i].raw);
		assert_int_equal(count(k, "SELECT count(*) FROM part WHERE m5_bytes > 0"
					  " AND hour_unix_ms = 1699999200000"),
		    step[i].m5);
		assert_int_equal(
		    count(k, "SELECT count(*) FROM part WHERE hour_unix_ms = 1699999200000"),
		    step[i].h1);
		assert_int_equal(count(k, "SELECT count(*) FROM part_device WHERE device_id = 1"
					  " AND hour_unix_ms = 1699999200000"),
		    step[i].h1);
		assert_int_equal(files(k).n[PARTS_RAW], step[i].raw);
		assert_int_equal(files(k).n[PARTS_M5], step[i].m5);
		assert_int_equal(files(k).n[PARTS_H1], step[i].h1);
		assert_int_equal(
		    count(k, "SELECT count(*) FROM batch WHERE n_events > 0"), step[i].batches);
		assert_int_equal(count(k, AS_THEY_CAME), i == 2);
		assert_int_equal(count(k, "SELECT count(*) FROM pack_due"), i == 2);
		/* Another device's data of an hour, when its samples are too old to be kept. */
		if (i == 1) {
			assert_int_equal(put(k, &late), STORE_NEW);
			pass(k, HOUR);
			settle(k);
			assert_int_equal(
			    count(k, "SELECT count(*) FROM part WHERE raw_bytes > 0"), 0);
			assert_int_equal(count(k, "SELECT count(*) FROM part WHERE m5_bytes > 0"
						  " AND hour_unix_ms = 1700002800000"),
			    2);
			/* And of one whose roll-ups are there: it stays as it came. */
			assert_int_equal(put(k, &stays), STORE_NEW);
			pass(k, HOUR);
			settle(k);
			assert_int_equal(count(k, AS_THEY_CAME), 1);
			assert_int_equal(count(k, "SELECT count(*) FROM pack_due"), 1);
			compact_status(k->compact, &s);
			assert_int_equal(s.too_late, 1);
			age += 2 * HOUR;
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(closed_hours_are_packed, setup, teardown),
		cmocka_unit_test_setup_teardown(late_data_join_their_hour, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_the_evaluator_has_not_passed_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_clock_that_comes_late_is_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_clock_that_comes_with_the_batches_makes_them_due, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_clock_that_steps_right_behind_makes_both_places_due, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_clock_and_its_step_with_the_batch_make_both_places_due, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_dictionary_that_comes_late_is_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    batches_that_span_hours_go_with_the_last_one, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    rows_with_events_stay_and_empty_ones_go, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    thinned_samples_keep_what_they_stand_for, setup, teardown),
		cmocka_unit_test_setup_teardown(two_spools_of_one_boot_are_one, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    all_that_is_due_of_a_devices_hour_goes_together, setup, teardown),
		cmocka_unit_test(a_step_of_the_clock_that_is_told_late_moves_what_is_packed),
		cmocka_unit_test_setup_teardown(
		    parts_end_at_their_size_and_go_on_with_the_next_device, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    many_small_parts_of_an_hour_become_one, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    levels_go_one_after_the_other_with_their_files, setup, teardown),
	};

	return cmocka_run_group_tests_name("compact", tests, NULL, NULL);
}
