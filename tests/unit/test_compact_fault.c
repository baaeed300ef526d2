/*
 * Every operation of the disk fails once, or the power goes at it, while hours are packed, packed
 * again for late data, and rows are taken away.  Whatever happens: every sample is there, once, at
 * any moment; and when the disk works again the work comes to the same end.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compact_kit.h"
#include "shim.h"

static const char *const devices[] = { "kiosk-1", "kiosk-2" };

struct base {
	char folder[FOLDER_MAX];
	char *all;      /* what has to be there */
	int64_t age_ms; /* what time it is in it */
};

static void
copy_file(const char *from, const char *to, const char *name)
{
	static char buf[1 << 16];
	char a[700], b[700];
	FILE *in, *out;
	size_t n;

	(void)snprintf(a, sizeof(a), "%s/%s", from, name);
	(void)snprintf(b, sizeof(b), "%s/%s", to, name);
	in = fopen(a, "re");
	out = fopen(b, "we");
	assert_non_null(in);
	assert_non_null(out);
	while ((n = fread(buf, 1, sizeof(buf), in)) > 0)
		assert_int_equal(fwrite(buf, 1, n, out), n);
	(void)fclose(in);
	assert_int_equal(fclose(out), 0);
}

static void
copy_all(const struct base *b, const char *to)
{
	static const char *const names[] = { "telemetry.db", "telemetry.db.mark",
		"parts/raw-20231114.blp", "parts/m5-20231114.blp", "parts/h1-202311.blp" };
	char parts[700];

	(void)snprintf(parts, sizeof(parts), "%s/parts", to);
	assert_int_equal(mkdir(parts, 0700), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		copy_file(b->folder, to, names[i]);
}

/* Two devices, the first hour packed, but of one half of it is still to come. */
static int
make_base(void **state)
{
	struct base *b = calloc(1, sizeof(*b));
	struct kit k;

	shim_vfs_install(1);
	folder_make(b->folder, "compact-base");
	kit_open_in(&k, b->folder);
	know(&k, 0xa, devices[0]);
	know(&k, 0xb, devices[1]);
	put_minutes(&k, devices[0], 0xa, 1, 70);
	put_minutes(&k, devices[1], 0xb, 31, 70);
	b->age_ms = HOUR + 15 * MINUTE;
	pass(&k, b->age_ms);
	settle(&k);
	assert_int_equal(count(&k, "SELECT count(*) FROM part"), 1);
	kit_stop(&k);
	*state = b;
	return 0;
}

static int
remove_base(void **state)
{
	struct base *b = *state;

	folder_remove(b->folder);
	free(b->all);
	free(b);
	shim_vfs_uninstall();
	return 0;
}

/* Steps until nothing is left; how the first one failed. */
static int
work(struct kit *k, struct bl_err *err)
{
	int rc;

	while ((rc = compact_step(k->compact, err)) > 0)
		;
	return rc;
}

/* The late half hour, as ingest would put it in: again when the transaction did not stand. */
static void
put_late(struct kit *k)
{
	for (uint64_t i = 1; i <= 30; i += 15) {
		const struct put p = { .device = devices[1],
			.spool = 0xb,
			.seq = i,
			.from_ms = (int64_t)(i - 1) * MINUTE,
			.to_ms = (int64_t)(i + 14) * MINUTE };
		const int rc = put(k, &p);

		assert_true(rc == STORE_NEW || rc == STORE_DUPLICATE);
	}
}

/* What the clock brings about, one after the other. */
static int
live(struct kit *k, unsigned *at, struct bl_err *err)
{
	int rc = BL_OK;

	for (; *at < 4 && rc == BL_OK; ++*at) {
		static const int64_t wait[] = { 31 * MINUTE, 15 * MINUTE, HOUR, 15 * MINUTE };

		pass(k, wait[*at]);
		rc = work(k, err);
	}
	return rc;
}

static void
check(struct kit *k, const struct base *b, const char *when, const char *at)
{
	char *now = everything(k, devices, 2);

	if (strcmp(now, b->all) != 0)
		fail_msg("%s %s: not the same samples any more", when, at);
	free(now);
}

/* Nothing is left over in the folder, and all of it is in parts. */
static void
check_end(struct kit *k, const struct base *b, const char *at)
{
	char *parts = in_parts(k);

	if (strcmp(parts, b->all) != 0)
		fail_msg("at the end, %s: parts do not hold every sample once", at);
	free(parts);
	assert_int_equal(count(k, "SELECT count(*) FROM pack_due"), 0);
	assert_int_equal(count(k, "SELECT count(*) FROM batch"), 1);
	assert_int_equal(count(k, "SELECT count(*) FROM pack_clean"), 1); /* the newest waits */
}

static bool
no_tail(void *ctx, enum parts_level level, int64_t hour, int64_t bytes, int64_t blocks)
{
	struct kit *k = ctx;
	struct bl_err err = { 0 };
	int64_t from, to, end;

	(void)blocks;
	parts_period(level, hour, &from, &to);
	must(store_read_part_end(k->r, level, from, to, &end, &err), &err);
	assert_int_equal(end, bytes);
	return true;
}

static void
start_again(struct kit *k, const char *at)
{
	struct bl_err err = { 0 };

	if (kit_try_start(k, &err) < 0)
		fail_msg("after %s: %s", at, err.msg);
	assert_true(k->opened == STORE_OPENED);
}

/* One run with one fault.  False: the work ended before it. */
static bool
run(const struct base *b, enum shim_fault kind, enum shim_loss loss, uint64_t at)
{
	struct shim_plan plan = { .kind = kind, .at_op = at };
	const bool cuts = kind == SHIM_CUT || kind == SHIM_TEAR;
	char folder[FOLDER_MAX], below[FOLDER_MAX + 1], what[300];
	struct bl_err err = { 0 };
	unsigned stage = 0;
	struct kit k;
	bool fired;
	int rc;

	folder_make(folder, "compact-run");
	(void)snprintf(below, sizeof(below), "%s/", folder);
	plan.below = below;
	copy_all(b, folder);
	kit_open_in(&k, folder);
	pass(&k, b->age_ms);
	put_late(&k);
	shim_plan(&plan);
	rc = live(&k, &stage, &err);
	fired = shim_fired();
	(void)snprintf(what, sizeof(what), "%s %llu (%s)", shim_fault_name(kind),
	    (unsigned long long)at, fired ? shim_fired_at() : "not met");
	shim_plan(NULL);
	if (!fired)
		must(rc, &err);
	if (fired && cuts) {
		kit_stop(&k);
		shim_power_cut(below, loss);
		start_again(&k, what);
	}
	if (fired)
		check(&k, b, "right after", what);
	/* The disk is well again: what failed is done. */
	for (int i = 0; i < 4; i++) {
		memset(&err, 0, sizeof(err));
		pass(&k, HOUR);
		rc = live(&k, &stage, &err);
		if (rc < 0)
			fail_msg("after %s it does not go on: %s", what, err.msg);
		must(work(&k, &err), &err);
	}
	check(&k, b, "in the end, after", what);
	check_end(&k, b, what);
	kit_stop(&k);
	start_again(&k, what);
	must(parts_files(k.parts, no_tail, &k, &err), &err);
	check(&k, b, "opened again, after", what);
	kit_close(&k);
	return fired;
}

static void
every(const struct base *b, enum shim_fault kind, enum shim_loss loss, unsigned usual)
{
	const unsigned stride = rounds(usual, 1);
	uint64_t n = 0;

	for (uint64_t at = 1; run(b, kind, loss, at); at += stride)
		n++;
	print_message("%s, %s: %llu places\n", shim_fault_name(kind), shim_loss_name(loss),
	    (unsigned long long)n);
	assert_true(n > 3);
}

static void
survives_power_cuts(void **state)
{
	every(*state, SHIM_CUT, SHIM_LOSE_ALL, 9);
	every(*state, SHIM_CUT, SHIM_TEAR_SOME, 13);
	every(*state, SHIM_TEAR, SHIM_TEAR_SOME, 15);
	every(*state, SHIM_CUT, SHIM_LOSE_NONE, 17); /* kill -9 */
}

static void
survives_errors_of_the_disk(void **state)
{
	every(*state, SHIM_EIO, SHIM_LOSE_ALL, 13);
	every(*state, SHIM_ENOSPC, SHIM_LOSE_ALL, 13);
	every(*state, SHIM_SYNC_EIO, SHIM_LOSE_ALL, 3);
}

static int
know_all(void **state)
{
	struct base *b;
	char folder[FOLDER_MAX];
	struct kit k;

	if (make_base(state) != 0)
		return 1;
	b = *state;
	folder_make(folder, "compact-all");
	copy_all(b, folder);
	kit_open_in(&k, folder);
	pass(&k, b->age_ms);
	put_late(&k);
	b->all = everything(&k, devices, 2);
	kit_close(&k);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(survives_power_cuts),
		cmocka_unit_test(survives_errors_of_the_disk),
	};

	return cmocka_run_group_tests_name("compact and the disk", tests, know_all, remove_base);
}
