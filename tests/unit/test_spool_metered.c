/* The spool on a metered link: it offers what has room, cuts what is held hourly, loses nothing. */
#include "spool_kit.h"

#define KIB    UINT64_C(1024)
#define EVENTS (BL_STREAM_EVENTS - 1)
#define PROBES (BL_STREAM_PROBES - 1)
#define HOST   (BL_STREAM_HOST - 1)

static struct spool_want
want(uint64_t events, uint64_t probes, uint64_t host)
{
	struct spool_want w = { .metered = true,
		.frame_bytes = 700,
		.live = true,
		.past_bytes = 1 << 20,
		.dict_known = 1000,
		.clock_known = 1000,
		.max_frames = 8 };
	const uint64_t room[] = { events, probes, host };

	memcpy(w.live_room, room, sizeof(room));
	memcpy(w.past_room, room, sizeof(room));
	return w;
}

/* How many of each stream come; the frames are given up. */
static void
offer(struct kit *k, const struct spool_want *w, unsigned n[BL_STREAMS], size_t *bytes)
{
	struct spool_frame f[8];
	struct bl_err err = { 0 };
	unsigned all;

	memset(n, 0, BL_STREAMS * sizeof(*n));
	*bytes = 0;
	if (spool_offer(k->s, w, f, &all, &err) != BL_OK)
		fail_msg("offer: %s", err.msg);
	for (unsigned i = 0; i < all; i++) {
		assert_int_equal(f[i].type, BL_MSG_BATCH);
		n[f[i].stream - 1]++;
		*bytes += f[i].msg.len;
		bl_buf_free(&f[i].msg);
	}
	spool_outstanding_clear_all(k->s);
}

static void
cut(struct kit *k, unsigned batches)
{
	for (unsigned i = 0; i < batches; i++) {
		for (int t = 0; t < 50; t++) {
			kit_tick(k, BL_STREAM_PROBES);
			kit_tick(k, BL_STREAM_HOST);
		}
		kit_commit(k);
		kit_cut_all(k);
	}
}

static void
each_class_goes_as_far_as_its_room(void **state)
{
	struct kit *k = *state;
	struct spool_want w;
	unsigned n[BL_STREAMS];
	size_t bytes, one;

	for (int live = 0; live < 2; live++) {
		kit_open(k, live ? SPOOL_OPENED : SPOOL_CREATED);
		if (live)
			spool_live_begins(k->s);
		cut(k, 3);
		w = want(UINT64_MAX, UINT64_MAX, UINT64_MAX);
		w.past_bytes = live ? 0 : w.past_bytes;
		offer(k, &w, n, &bytes);
		assert_int_equal(n[EVENTS] + n[PROBES] + n[HOST], 8); /* as many as were wanted */

		/* Nothing of a class that is held, whatever it has. */
		w = want(UINT64_MAX, 0, UINT64_MAX);
		w.past_bytes = live ? 0 : w.past_bytes;
		offer(k, &w, n, &bytes);
		assert_int_equal(n[PROBES], 0);
		assert_true(n[HOST] == 3 && n[EVENTS] >= 3);

		/* One fits, two do not; all classes share what there is. */
		w = want(0, 0, 100 * KIB);
		w.past_bytes = live ? 0 : w.past_bytes;
		w.max_frames = 1;
		offer(k, &w, n, &one);
		assert_int_equal(n[HOST], 1);
		w = want(0, 0, one + one / 16 + 700);
		w.past_bytes = live ? 0 : w.past_bytes;
		offer(k, &w, n, &bytes);
		assert_int_equal(n[HOST], 1);
		w = want(0, one + one / 16 + 1300, one + one / 16 + 1300);
		w.past_bytes = live ? 0 : w.past_bytes;
		offer(k, &w, n, &bytes);
		assert_int_equal(n[HOST] + n[PROBES], 1);
		w = want(0, 0, 0);
		offer(k, &w, n, &bytes);
		assert_int_equal(bytes, 0);
		kit_close(k);
	}
}

static unsigned
cut_due(struct kit *k)
{
	struct bl_err err = { 0 };
	int64_t next_ms;
	unsigned n;

	assert_int_equal(spool_cut_due(k->s, true, &n, &next_ms, &err), BL_OK);
	return n;
}

static uint64_t
next_seq(struct kit *k, unsigned stream)
{
	struct spool_status st;
	struct bl_err err = { 0 };

	assert_int_equal(spool_status(k->s, &st, &err), BL_OK);
	return st.stream[stream].next_seq;
}

/* Minute by minute, with receipts: what is cut in how many of them. */
static unsigned
cuts_in(struct kit *k, struct centre *c, unsigned stream, unsigned minutes)
{
	unsigned n = 0;

	for (unsigned i = 0; i < minutes; i++) {
		const uint64_t before = next_seq(k, stream);

		for (int t = 0; t < 60; t++) {
			kit_tick(k, BL_STREAM_HOST);
			kit_commit(k);
		}
		(void)cut_due(k);
		n += next_seq(k, stream) > before;
		if (c != NULL)
			centre_drain(c, k);
	}
	return n;
}

static void
what_is_held_is_cut_hourly_and_at_once_when_it_may_go(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);

	kit_open(k, SPOOL_CREATED);
	(void)cut_due(k);
	assert_in_range(cuts_in(k, c, HOST, 10), 9, 10);
	spool_hold(k->s, 1u << HOST);
	assert_int_equal(cuts_in(k, c, HOST, 59), 0);
	assert_in_range(cuts_in(k, c, HOST, 2), 1, 1);
	assert_in_range(cuts_in(k, c, PROBES, 5), 4, 5); /* the others as ever */
	spool_hold(k->s, 0);
	assert_in_range(cut_due(k), 1, 3);
	assert_in_range(cuts_in(k, c, HOST, 5), 4, 5);
	/* And nothing is lost by it. */
	kit_cut_all(k);
	centre_drain(c, k);
	centre_assert_exact(c, BL_STREAM_HOST, k->appended[HOST]);
	kit_close(k);
	free(c);
}

/* All was held for hours, so no receipt came: that is no reason to go on cutting hourly. */
static void
after_hours_without_a_receipt_it_goes_on_by_the_minute(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);

	kit_open(k, SPOOL_CREATED);
	(void)cut_due(k);
	spool_hold(k->s, 7);
	(void)cuts_in(k, NULL, HOST, 100);
	spool_hold(k->s, 0);
	assert_in_range(cut_due(k), 1, 3);
	assert_in_range(cuts_in(k, NULL, HOST, 3), 2, 3);
	kit_close(k);
	free(c);
}

#define T(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_class_goes_as_far_as_its_room),
		T(what_is_held_is_cut_hourly_and_at_once_when_it_may_go),
		T(after_hours_without_a_receipt_it_goes_on_by_the_minute),
	};

	return cmocka_run_group_tests_name("spool, metered", tests, NULL, NULL);
}
