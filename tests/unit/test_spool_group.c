/*
 * Several pieces of work in one transaction: cutting all streams, a receipt's word on all of
 * them, and, where ticks wait for each other, what waits straight into the batches.
 *
 * Every write and sync of such work fails once, or is the one at which the power goes: nothing
 * that was accepted is lost, nothing is doubled, and what had not been accepted is whole or gone.
 */
#include "spool_kit.h"

#include "branchline/log.h"
#include "shim.h"

#define GROUP_MS 60000
#define TRIES    6
#define N_FAULTS 5

static unsigned
cut_due(struct kit *k, bool link_up)
{
	struct bl_err err = { 0 };
	unsigned cut = 0;
	int64_t next;

	assert_int_equal(spool_cut_due(k->s, link_up, &cut, &next, &err), BL_OK);
	return cut;
}

static struct kit *
begin(int64_t group_ms)
{
	struct kit *k;

	assert_int_equal(kit_setup((void **)&k), 0);
	k->opts.group_ms = group_ms;
	kit_open(k, SPOOL_CREATED);
	kit_tick(k, BL_STREAM_HOST);
	kit_commit(k);
	assert_int_equal(cut_due(k, true), 0);
	return k;
}

static void
event(struct kit *k, const char *id)
{
	const struct bl_event ev = {
		.boot_ms = k->time.boot_ms, .type = { "order.done", 10 }, .id = { id, strlen(id) }
	};
	struct bl_err err = { 0 };

	assert_int_equal(spool_event(k->s, &ev, &err), SPOOL_ACCEPTED);
}

/* ---- what waits, and how long ---- */

static void
ticks_wait_until_their_time_or_until_memory_is_half_full(void **state)
{
	static const struct {
		const char *name;
		int64_t group_ms;
		size_t memory;
		unsigned ticks; /* until they are to be committed */
	} rows[] = {
		{ "no group", 0, 0, 1 },
		{ "five seconds", 5000, 0, 5 },
		{ "a minute", 60000, 0, 60 },
		{ "little memory", 600000, 16384, 120 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct kit *k;
		unsigned n = 0;

		assert_int_equal(kit_setup((void **)&k), 0);
		k->opts.group_ms = rows[i].group_ms;
		k->opts.memory_bytes = rows[i].memory;
		kit_open(k, SPOOL_CREATED);
		kit_commit(k);
		do {
			kit_tick(k, BL_STREAM_HOST);
			n++;
		} while (spool_group_waits(k->s));
		if (rows[i].memory == 0 ? n != rows[i].ticks : n > rows[i].ticks)
			fail_msg("%s: %u ticks waited", rows[i].name, n);
		(void)kit_teardown((void **)&k);
	}
}

static void
what_waits_goes_into_the_batches_of_its_time(void **state)
{
	struct centre *c;
	struct kit *k = begin(GROUP_MS);
	struct spool_status st;
	struct bl_err err = { 0 };
	unsigned cut;

	(void)state;
	c = centre_new(k);
	for (int i = 0; i < 29; i++) {
		kit_tick(k, BL_STREAM_HOST);
		kit_tick(k, BL_STREAM_PROBES);
	}
	event(k, "one");
	assert_int_equal(spool_status(k->s, &st, &err), BL_OK);
	assert_int_equal(st.accepted_samples, KIT_SERIES); /* accepted: the first tick */
	kit_pass(&k->time, 5000);
	cut = cut_due(k, true);
	assert_int_equal(cut, 3);
	assert_int_equal(spool_memory_bytes(k->s), 0);
	assert_int_equal(spool_status(k->s, &st, &err), BL_OK);
	assert_int_equal(st.accepted_samples, 59 * KIT_SERIES);
	assert_int_equal(st.accepted_events, 1);
	for (unsigned i = 0; i < BL_STREAMS; i++)
		assert_int_equal(st.stream[i].waiting_batches, 1);
	/* A caller's id is known although its event never had a row of its own for long. */
	event(k, "two");
	kit_cut_all(k);
	centre_drain(c, k);
	centre_assert_exact(c, BL_STREAM_HOST, k->appended[2]);
	centre_assert_exact(c, BL_STREAM_PROBES, k->appended[1]);
	assert_int_equal(c->events, 2);
	(void)centre_assert_touching(c, &c->batch[0].spool, BL_STREAM_HOST);
	free(c);
	(void)kit_teardown((void **)&k);
}

/* A crash costs what waited, and "off" begins where the last commit stood. */
static void
a_crash_costs_the_group_and_names_it(void **state)
{
	struct centre *c;
	struct kit *k = begin(GROUP_MS);
	int64_t from_ms = k->time.boot_ms, to_ms;
	bool named = false;

	(void)state;
	c = centre_new(k);
	for (int i = 0; i < 20; i++)
		kit_tick(k, BL_STREAM_HOST);
	to_ms = k->time.boot_ms;
	kit_crash(k);
	kit_pass(&k->time, 1000);
	kit_open(k, SPOOL_OPENED);
	kit_pass(&k->time, 1000);
	kit_cut_all(k);
	centre_drain(c, k);
	centre_assert_exact(c, BL_STREAM_HOST, 1);
	for (unsigned i = 0; i < c->n_gaps; i++)
		named = named ||
			(c->gap[i].reason == BL_GAP_OFF && c->gap[i].stream == BL_STREAM_HOST &&
			    c->gap[i].begin_boot_ms <= from_ms + 1000 &&
			    c->gap[i].end_boot_ms >= to_ms);
	assert_true(named);
	free(c);
	(void)kit_teardown((void **)&k);
}

/* A probe that hangs, or hosts that are sampled seldom: the interval stands where it stood. */
static void
what_waits_is_cut_though_its_interval_has_not_moved(void **state)
{
	struct centre *c;
	struct kit *k = begin(GROUP_MS);
	const int64_t hangs_ms = k->time.boot_ms;

	(void)state;
	c = centre_new(k);
	for (int i = 0; i < 3; i++) {
		kit_tick(k, BL_STREAM_PROBES);
		kit_tick(k, BL_STREAM_HOST);
		kit_pass(&k->time, GROUP_MS);
		spool_covered(k->s, k->time.boot_ms);
		spool_open_from(k->s, BL_STREAM_PROBES, hangs_ms);
		(void)cut_due(k, true);
		assert_int_equal(spool_memory_bytes(k->s), 0);
	}
	kit_cut_all(k);
	centre_drain(c, k);
	centre_assert_exact(c, BL_STREAM_PROBES, k->appended[1]);
	centre_assert_exact(c, BL_STREAM_HOST, k->appended[2]);
	free(c);
	(void)kit_teardown((void **)&k);
}

/* ---- failures ---- */

struct fault {
	const char *name;
	enum shim_fault fault;
	bool cuts;
	enum shim_loss how;
	unsigned more; /* in a row */
};

/* As the thread does: later again. */
static bool
cut_with_faults(struct kit *k)
{
	struct bl_err err = { 0 };
	unsigned cut;
	int64_t next;

	for (int i = 0; i < TRIES && !shim_power_is_off(); i++)
		if (spool_cut_due(k->s, true, &cut, &next, &err) == BL_OK)
			return true;
	return false;
}

/* plan: from the receipt on, which then comes once; NULL: what is planned already goes on. */
static void
exchange(struct kit *k, struct centre *c, const struct shim_plan *plan)
{
	const struct spool_want want = { .live = true, .past_bytes = 65536, .max_frames = 16 };
	struct spool_frame f[16];
	struct bl_err err = { 0 };
	struct bl_receipt r;
	struct bl_hello h;
	unsigned n = 0;
	bool hello;

	if (spool_hello(k->s, &h, &err) < 0 || spool_offer(k->s, &want, f, &n, &err) < 0)
		return;
	for (unsigned i = 0; i < n; i++) {
		centre_take(c, &f[i]);
		bl_buf_free(&f[i].msg);
	}
	centre_receipt(c, &h.spool, false, &r);
	if (plan != NULL)
		shim_plan(plan);
	for (int i = 0; i < (plan != NULL ? 1 : TRIES) && !shim_power_is_off(); i++)
		if (spool_on_receipt(k->s, &r, &hello, &err) >= 0)
			return;
}

static void
fill(struct kit *k, int64_t group_ms)
{
	for (int i = 0; i < 12; i++) {
		kit_tick(k, BL_STREAM_HOST);
		kit_tick(k, BL_STREAM_PROBES);
		if (group_ms == 0)
			kit_commit(k);
	}
	kit_pass(&k->time, GROUP_MS);
}

/* All of a stream up to n exactly once, what follows at most once, and all of a tick or nothing. */
static void
judge(
    const struct centre *c, const struct kit *k, enum bl_stream stream, int64_t n, const char *what)
{
	const unsigned s = (unsigned)stream - 1;

	for (int64_t i = 1; i <= k->appended[s]; i++)
		for (unsigned j = 0; j < KIT_SERIES; j++) {
			const unsigned seen = c->seen[s][j][i];

			if (seen > 1 || (i <= n && seen == 0) || seen != c->seen[s][0][i])
				fail_msg("%s: stream %u tick %lld came %u times, accepted %lld",
				    what, s + 1, (long long)i, seen, (long long)n);
		}
}

static bool
one(int64_t group_ms, const struct fault *f, uint64_t nth)
{
	const struct shim_plan plan = { .kind = f->fault, .at_op = nth, .count = 1 + f->more };
	struct kit *k = begin(group_ms);
	struct centre *c = centre_new(k);
	char below[FOLDER_MAX + 2];
	int64_t n[2];
	bool fired;

	(void)snprintf(below, sizeof(below), "%s/", k->dir);
	centre_handshake(c, k);
	fill(k, group_ms);
	n[0] = k->accepted[1];
	n[1] = k->accepted[2];
	shim_plan(&plan);
	if (cut_with_faults(k)) {
		n[0] = k->appended[1];
		n[1] = k->appended[2];
	}
	if (!shim_power_is_off())
		exchange(k, c, NULL);
	fired = shim_fired();
	shim_plan(NULL);
	if (f->cuts) {
		shim_power_off(below);
		kit_close(k);
		shim_power_cut(below, f->how);
		kit_open(k, SPOOL_OPENED);
	} else {
		n[0] = k->appended[1];
		n[1] = k->appended[2];
	}
	kit_pass(&k->time, 1000);
	kit_cut_all(k);
	centre_drain(c, k);
	judge(c, k, BL_STREAM_PROBES, n[0], f->name);
	judge(c, k, BL_STREAM_HOST, n[1], f->name);
	assert_int_equal(c->conflicts, 0);
	free(c);
	(void)kit_teardown((void **)&k);
	shim_power_cut(below, SHIM_LOSE_NONE); /* the folder is gone: forget its files */
	return fired;
}

static void
no_failure_loses_or_doubles_what_goes_together(void **state)
{
	static const struct fault faults[N_FAULTS] = {
		{ "cut", SHIM_CUT, true, SHIM_LOSE_ALL, 0 },
		{ "cut, torn", SHIM_TEAR, true, SHIM_TEAR_SOME, 0 },
		{ "EIO", SHIM_EIO, false, 0, 0 },
		{ "disk full", SHIM_ENOSPC, false, 0, 0 },
		{ "sync EIO", SHIM_SYNC_EIO, false, 0, 0 },
	};
	static const int64_t group_ms[] = { 0, GROUP_MS };
	const unsigned step = rounds(5, 1);

	(void)state;
	bl_log_level_set((enum bl_log_level)0); /* faults are expected here */
	for (unsigned i = 0; i < 2 * N_FAULTS; i++) {
		const struct fault *f = &faults[i % N_FAULTS];
		uint64_t nth = 1 + i % step;

		shim_vfs_install(20261128 + i);
		while (one(group_ms[i / N_FAULTS], f, nth))
			nth += f->fault == SHIM_SYNC_EIO ? 1 : step;
		print_message("%s, %s: %llu operations\n", i < N_FAULTS ? "rows" : "in a group",
		    f->name, (unsigned long long)nth - 1);
		shim_vfs_uninstall();
	}
}

/* What became of a commit cannot be looked at while syncs go on failing. */
static void
a_commit_in_doubt_doubles_nothing(void **state)
{
	static const int64_t group_ms[] = { 0, GROUP_MS };

	(void)state;
	shim_vfs_install(20261128);
	for (unsigned i = 0; i < 2; i++)
		for (unsigned more = 0; more < 16; more++) {
			const struct fault f = { "syncs EIO", SHIM_SYNC_EIO, false, 0, more };

			assert_true(one(group_ms[i], &f, 1));
		}
	shim_vfs_uninstall();
}

/* It was a receipt's, and what waits has no part in it. */
static void
a_commit_of_others_in_doubt_loses_nothing(void **state)
{
	(void)state;
	shim_vfs_install(20261128);
	for (unsigned more = 0; more < 16; more++) {
		const struct shim_plan plan = {
			.kind = SHIM_SYNC_EIO, .at_op = 1, .count = 1 + more
		};
		struct kit *k = begin(GROUP_MS);
		struct centre *c = centre_new(k);
		char below[FOLDER_MAX + 2];

		(void)snprintf(below, sizeof(below), "%s/", k->dir);
		centre_handshake(c, k);
		fill(k, GROUP_MS);
		assert_int_equal(cut_due(k, true), 3);
		fill(k, GROUP_MS);
		exchange(k, c, &plan);
		(void)cut_with_faults(k);
		shim_plan(NULL);
		kit_pass(&k->time, 1000);
		kit_cut_all(k);
		centre_drain(c, k);
		judge(c, k, BL_STREAM_PROBES, k->appended[1], "a receipt in doubt");
		judge(c, k, BL_STREAM_HOST, k->appended[2], "a receipt in doubt");
		free(c);
		(void)kit_teardown((void **)&k);
		shim_power_cut(below, SHIM_LOSE_NONE);
	}
	shim_vfs_uninstall();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ticks_wait_until_their_time_or_until_memory_is_half_full),
		cmocka_unit_test(what_waits_goes_into_the_batches_of_its_time),
		cmocka_unit_test(a_crash_costs_the_group_and_names_it),
		cmocka_unit_test(what_waits_is_cut_though_its_interval_has_not_moved),
		cmocka_unit_test(no_failure_loses_or_doubles_what_goes_together),
		cmocka_unit_test(a_commit_in_doubt_doubles_nothing),
		cmocka_unit_test(a_commit_of_others_in_doubt_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
