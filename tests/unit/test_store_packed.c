/*
 * Closed hours in parts: whoever asks gets the same answer as from the batches, to the last
 * byte, whatever came when and whatever was packed in between.
 */
#include "packed_kit.h"

static void
tell_again(struct twin *w, const struct history *h)
{
	struct history dice = *h;

	for (unsigned i = 0; i < 20; i++) {
		struct tell t = h->t[history_random(&dice) % h->n];

		if (t.what != TOLD_BATCH)
			continue;
		twin_tell(w, h, &t);
		t.twist = 3; /* the same number, something else */
		twin_tell(w, h, &t);
	}
}

static void
run(uint64_t seed)
{
	struct history h;
	struct twin w;
	char when[64];

	history_make(&h, seed);
	twin_open(&w);
	if (seed % 2 == 0)
		history_shuffle(&h);
	twin_later(&w, 12 * HOUR);
	for (size_t i = 0; i < h.n; i++) {
		twin_tell(&w, &h, &h.t[i]);
		twin_later(&w, (int64_t)(history_random(&h) % 50000));
		if (history_random(&h) % 40 != 0)
			continue;
		twin_later(&w, HOUR);
		twin_pack(&w);
		(void)snprintf(when, sizeof(when), "seed %llu, told %zu of %zu",
		    (unsigned long long)seed, i + 1, h.n);
		twin_compare(&w, history_random(&h), when);
	}
	twin_later(&w, 2 * HOUR);
	twin_pack(&w);
	(void)snprintf(when, sizeof(when), "seed %llu, at the end", (unsigned long long)seed);
	twin_compare(&w, seed, when);
	assert_true(w.n_packed > 0);
	assert_true(twin_rows(&w.packed) < twin_rows(&w.plain) / 2);
	tell_again(&w, &h);
	twin_compare(&w, seed + 1, "told again");
	twin_close(&w);
}

static void
packing_does_not_show(void **state)
{
	const unsigned n = rounds(5, 300);

	(void)state;
	for (unsigned i = 0; i < n; i++)
		run(i + 1);
}

/* ---- a damaged file beside whole parts ---- */

static void
say_covered(void *ctx, bool gone, int64_t begin, int64_t end)
{
	if (!gone) /* the ledger is not taken over */
		say(ctx, "covered %lld %lld\n", (long long)begin, (long long)end);
}

static bool
say_plainly(void *ctx, const struct store_log_sample *s)
{
	say(ctx, "%lld %.17g %u %u %lld\n", (long long)s->unix_ms, s->value, s->unknown,
	    s->thin.count, (long long)s->before_ms);
	return true;
}

struct one_series {
	struct ctx *c;
	struct text *t;
};

/* By its name: numbers are another store's. */
static bool
say_one_series(void *ctx, const struct store_series *s)
{
	const struct one_series *o = ctx;
	struct bl_err err = { 0 };

	say(o->t, "%s %s\n", s->name, s->labels_json);
	must(store_log_samples(o->c->r, DEVICE, STREAM, &s->id, 1, OFFSET - HOUR, OFFSET + 9 * HOUR,
		 say_plainly, o->t, &err),
	    &err);
	return true;
}

static void
say_data(struct ctx *c, struct text *t)
{
	struct one_series o = { c, t };
	struct bl_err err = { 0 };

	must(store_read_series(c->r, DEVICE, say_one_series, &o, &err), &err);
	must(store_log_coverage(
		 c->r, DEVICE, STREAM, OFFSET - HOUR, OFFSET + 9 * HOUR, say_covered, t, &err),
	    &err);
}

static void
replace_store(struct twin *w)
{
	struct ctx *c = &w->packed;
	const struct store_opts opts = { .path = c->path, .clock = &c->clock.clock };
	struct bl_err err = { 0 };
	FILE *f;
	int rc;

	compact_close(w->compact);
	w->compact = NULL;
	store_read_close(c->r);
	store_close(c->s); /* the last one: the log goes into the file */
	assert_non_null(f = fopen(c->path, "r+b"));
	assert_int_equal(fwrite("not a database at all", 1, 21, f), 21);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(store_open(&c->s, &opts, &err), STORE_REPLACED);
	do {
		begin(c);
		rc = store_salvage(c->s, 16, &err);
		must(rc, &err);
		commit(c);
	} while (rc == 1);
	place_all(c);
	must(store_read_open(&c->r, c->path, &c->clock.clock, &err), &err);
}

static void
a_damaged_store_takes_its_parts_along(void **state)
{
	struct text before = { 0 }, after = { 0 };
	struct history h;
	struct twin w;

	(void)state;
	history_make(&h, 3);
	twin_open(&w);
	twin_later(&w, 12 * HOUR);
	for (size_t i = 0; i < h.n; i++) {
		twin_tell(&w, &h, &h.t[i]);
		twin_later(&w, 20000);
	}
	twin_later(&w, 2 * HOUR);
	twin_pack(&w);
	assert_true(twin_rows(&w.packed) < twin_rows(&w.plain) / 2);
	say_data(&w.plain, &before);
	replace_store(&w);
	say_data(&w.packed, &after);
	assert_string_equal(before.p, after.p);
	/* What is packed is known still. */
	tell_again(&w, &h);
	free(before.p);
	free(after.p);
	twin_close(&w);
}

/* ---- what another life of the spool cut as well ---- */

static void
follow(struct ctx *c)
{
	struct bl_ranges need[BL_STREAMS];
	struct bl_hello h = { .spool = fixture_id(0xb), .predecessor = fixture_id(0xa) };
	struct bl_err err = { 0 };

	for (unsigned i = 0; i < BL_STREAMS; i++)
		h.stream[i].next_seq = h.stream[i].lowest_held = 1;
	begin(c);
	must(store_hello(c->s, spool(c, 0xb), &h, need, &err), &err);
	commit(c);
}

/* With values in it that are infinite, which parts do not have. */
static void
what_is_packed_is_recognised_under_another_spool(void **state)
{
	struct tell t = { .what = TOLD_BATCH,
		.spool = 0xa,
		.boot = 1,
		.stream = STREAM,
		.seq = 1,
		.end_ms = 40 * (int64_t)MINUTE };
	struct history h;
	struct twin w;

	(void)state;
	history_make(&h, 3);
	h.swapped = false;
	twin_open(&w);
	twin_later(&w, 12 * HOUR);
	for (size_t i = 0; i < h.n; i++)
		if (h.t[i].what == TOLD_DICT || h.t[i].what == TOLD_CLOCK)
			twin_tell(&w, &h, &h.t[i]);
	twin_tell(&w, &h, &t);
	t.seq = 2;
	t.begin_ms = t.end_ms;
	t.end_ms += 5 * (int64_t)MINUTE;
	twin_tell(&w, &h, &t);
	twin_later(&w, 2 * HOUR);
	twin_pack(&w);
	assert_int_equal(twin_rows(&w.plain), 2);
	assert_int_equal(twin_rows(&w.packed), 1);
	follow(&w.plain);
	follow(&w.packed);
	t.spool = 0xb;
	t.seq = 1;
	t.begin_ms = 10 * (int64_t)MINUTE;
	t.end_ms = 20 * (int64_t)MINUTE;
	twin_tell(&w, &h, &t);
	assert_int_equal(twin_rows(&w.plain), 2); /* nothing new in it */
	assert_int_equal(twin_rows(&w.packed), 1);
	t.seq = 2;
	t.twist = 3;
	twin_tell(&w, &h, &t);
	assert_int_equal(twin_rows(&w.plain), 3);
	twin_compare(&w, 1, "cut again");
	twin_close(&w);
}

/* Means are packed, and what they were made of comes one by one (store_again_mean.c). */
static void
what_packed_means_stand_for_is_recognised(void **state)
{
	struct tell t = { .what = TOLD_BATCH,
		.spool = 0xa,
		.boot = 1,
		.stream = STREAM,
		.seq = 2,
		.supersedes = 1,
		.last = 1,
		.thin = true,
		.end_ms = 40 * (int64_t)MINUTE };
	struct history h;
	struct twin w;

	(void)state;
	history_make(&h, 3);
	h.swapped = false;
	twin_open(&w);
	twin_later(&w, 12 * HOUR);
	for (size_t i = 0; i < h.n; i++)
		if (h.t[i].what == TOLD_DICT || h.t[i].what == TOLD_CLOCK)
			twin_tell(&w, &h, &h.t[i]);
	twin_tell(&w, &h, &t);
	twin_later(&w, 2 * HOUR);
	twin_pack(&w);
	follow(&w.plain);
	follow(&w.packed);
	t = (struct tell){ .what = TOLD_BATCH,
		.spool = 0xb,
		.boot = 1,
		.stream = STREAM,
		.seq = 1,
		.begin_ms = 12 * (int64_t)MINUTE,
		.end_ms = 18 * (int64_t)MINUTE };
	twin_tell(&w, &h, &t);
	assert_int_equal(twin_rows(&w.plain), 1);
	assert_int_equal(twin_rows(&w.packed), 1); /* what supersedes keeps its row */
	t.seq = 2;
	t.twist = 3;
	twin_tell(&w, &h, &t);
	assert_int_equal(twin_rows(&w.plain), 2);
	assert_int_equal(twin_rows(&w.packed), 2);
	twin_close(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packing_does_not_show),
		cmocka_unit_test(what_is_packed_is_recognised_under_another_spool),
		cmocka_unit_test(what_packed_means_stand_for_is_recognised),
		cmocka_unit_test(a_damaged_store_takes_its_parts_along),
	};

	return cmocka_run_group_tests_name("packed and not packed", tests, NULL, NULL);
}
