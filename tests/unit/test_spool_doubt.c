/*
 * A commit whose sync failed may be in the log, and what comes next must know:
 * neither twice, when something else was written before it was looked at again,
 * nor gone at a power cut, when that was written on top of pages that never reached the disk.
 */
#include "spool_kit.h"

#include "shim.h"

#define FAILURES                                                                                   \
	12 /* syncs in a row; a failing commit and all that is tried after it take fewer           \
	    */

/* Something else than the commit that is in doubt: an offer is marked on the disk. */
static void
offer(struct kit *k)
{
	const struct spool_want want = { .past_bytes = 1 << 20, .max_frames = 8 };
	struct spool_frame frames[8];
	struct bl_err err = { 0 };
	unsigned n = 0;

	(void)spool_offer(k->s, &want, frames, &n, &err);
	for (unsigned i = 0; i < n; i++)
		bl_buf_free(&frames[i].msg);
}

static void
try_commit(struct kit *k)
{
	struct bl_err err = { 0 };
	uint64_t lost;

	(void)spool_commit(k->s, &lost, &err); /* it may fail: that is the point */
}

static void
judge(struct kit *k)
{
	struct centre *c = centre_new(k);

	kit_commit(k);
	kit_cut_all(k);
	centre_drain(c, k);
	centre_assert_exact(c, BL_STREAM_HOST, k->appended[BL_STREAM_HOST - 1]);
	free(c);
}

static struct kit *
begin(unsigned failures)
{
	struct kit *k;
	struct shim_plan p = { .kind = SHIM_SYNC_EIO, .at_op = 1, .count = failures };

	assert_int_equal(kit_setup((void **)&k), 0);
	kit_open(k, SPOOL_CREATED);
	kit_tick(k, BL_STREAM_HOST);
	kit_commit(k);
	kit_cut_all(k);
	kit_tick(k, BL_STREAM_HOST);
	p.below = k->dir;
	shim_plan(&p);
	try_commit(k);
	offer(k);
	return k;
}

static void
what_is_written_after_a_failed_sync_doubles_nothing(void **state)
{
	(void)state;
	for (unsigned failures = 1; failures <= FAILURES; failures++) {
		struct kit *k = begin(failures);

		shim_plan(NULL);
		spool_outstanding_clear_all(k->s);
		judge(k);
		(void)kit_teardown((void **)&k);
	}
}

static void
what_was_accepted_after_a_failed_sync_survives_a_power_cut(void **state)
{
	(void)state;
	for (unsigned failures = 1; failures <= FAILURES; failures++) {
		struct kit *k = begin(failures);

		shim_plan(NULL);
		kit_tick(k, BL_STREAM_HOST);
		kit_commit(k); /* the word that counts */
		kit_cut_all(k);
		shim_power_cut(k->dir, SHIM_LOSE_ALL);
		spool_close(k->s);
		k->s = NULL;
		kit_open(k, SPOOL_OPENED);
		judge(k);
		(void)kit_teardown((void **)&k);
	}
}

/* An entry that may be in the file already, or wait to be written: no id is left out after it. */
static void
add_entries(struct kit *k, int n)
{
	char value[8];
	struct bl_series_def def = { .stream = BL_STREAM_HOST,
		.kind = BL_GAUGE,
		.interval_ms = 1000,
		.name = { "later", 5 },
		.unit = { "1", 1 },
		.n_labels = 1 };
	struct bl_clock_segment seg = { .boot = k->opts.boot,
		.from_boot_ms = 1000 * n,
		.offset_ms = INT64_C(1700000000000) + 1000 * n,
		.source = BL_CLOCK_NTP };
	struct bl_err err = { 0 };
	uint32_t id;

	(void)snprintf(value, sizeof(value), "%d", n);
	def.label[0] = (struct bl_label){ { "n", 1 }, { value, strlen(value) } };
	assert_int_equal(spool_series(k->s, &def, &id, &err), BL_OK);
	assert_int_equal(spool_clock(k->s, &seg, &err), BL_OK);
}

static uint32_t
dict_version(struct kit *k)
{
	struct bl_hello h = { 0 };
	struct bl_err err = { 0 };

	assert_int_equal(spool_hello(k->s, &h, &err), BL_OK);
	return h.dict_version;
}

static void
entries_that_come_in_doubt_leave_no_hole_in_the_maps(void **state)
{
	const struct spool_want want = { .live = true, .max_frames = 8 };

	(void)state;
	for (unsigned failures = 1; failures <= FAILURES; failures++) {
		struct shim_plan p = { .kind = SHIM_SYNC_EIO, .at_op = 1, .count = failures };
		struct bl_clockmap_reader clock = { 0 };
		struct bl_dict_reader dict = { 0 };
		struct spool_frame frames[8];
		struct bl_err err = { 0 };
		struct bl_buf raw;
		struct kit *k;
		unsigned n = 0;

		assert_int_equal(kit_setup((void **)&k), 0);
		kit_open(k, SPOOL_CREATED);
		kit_tick(k, BL_STREAM_HOST);
		kit_commit(k);
		add_entries(k, 1);
		p.below = k->dir;
		shim_plan(&p);
		try_commit(k);
		add_entries(k, 2); /* while nobody knows */
		try_commit(k);
		add_entries(k, 3);
		shim_plan(NULL);
		kit_commit(k);
		assert_int_equal(spool_offer(k->s, &want, frames, &n, &err), BL_OK);
		bl_buf_init(&raw, BL_BATCH_RAW_MAX);
		for (unsigned i = 0; i < n; i++) {
			if (frames[i].type == BL_MSG_CLOCK)
				assert_int_equal(bl_clockmap_decode(frames[i].msg.data,
						     frames[i].msg.len, &clock, &err),
				    BL_OK);
			if (frames[i].type == BL_MSG_DICT)
				assert_int_equal(bl_dict_decode(frames[i].msg.data,
						     frames[i].msg.len, &dict, &raw, &err),
				    BL_OK);
			bl_buf_free(&frames[i].msg);
		}
		bl_buf_free(&raw);
		assert_int_equal(clock.first, 1);
		assert_int_equal(clock.n, 3);
		assert_int_equal(dict.first, 1);
		assert_int_equal(dict.n, dict_version(k));
		(void)kit_teardown((void **)&k);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_after_a_failed_sync_doubles_nothing),
		cmocka_unit_test(entries_that_come_in_doubt_leave_no_hole_in_the_maps),
		cmocka_unit_test(what_was_accepted_after_a_failed_sync_survives_a_power_cut),
	};

	shim_vfs_install(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
