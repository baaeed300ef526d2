/*
 * A store that an earlier program left without what is due to be packed: it is looked through
 * once, packed as if nothing had been missing, and looked through a second time in vain.
 */
#include "compact_kit.h"

#include <sqlite3.h>

#define HOURS 3

static const char *const devices[] = { "kiosk-1", "kiosk-2" };

static void
pass_until(struct kit *k, int64_t unix_ms)
{
	pass(k, unix_ms - k->clock.unix_ms);
}

/*
 * The first device's batches come with a clock, the second's before it: those have marks, and
 * what an earlier program forgot is theirs.  An event and a batch of many hours among them.
 */
static void
make_history(struct kit *k)
{
	const struct put event = {
		.device = devices[0],
		.spool = 0xa,
		.seq = HOURS * 60 + 1,
		.n_series = NOTHING,
		.event = true,
		.from_ms = 0,
		.to_ms = MINUTE,
	};

	know(k, 0xa, devices[0]);
	put_minutes(k, devices[0], 0xa, 1, HOURS * 60);
	(void)put(k, &event);
	begin(k);
	put_dict(k, 0xb, devices[1], 1, 1);
	put_dict(k, 0xb, devices[1], 2, 2);
	commit(k);
	put_minutes(k, devices[1], 0xb, 1, HOURS * 60);
	begin(k);
	put_clock(k, 0xb, devices[1], 1, 1, 0, OFFSET);
	commit(k);
}

/* As the upgrade finds it: to be looked through, sql done to it before. */
static void
leave_behind(struct kit *k, const char *sql)
{
	char all[600];
	char *why = NULL;
	sqlite3 *db;

	kit_stop(k);
	(void)snprintf(all, sizeof(all),
	    "%s; INSERT OR REPLACE INTO meta (key, value)"
	    " SELECT 'due_unseen', max(id) FROM batch",
	    sql);
	assert_int_equal(sqlite3_open(k->path, &db), SQLITE_OK);
	if (sqlite3_exec(db, all, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s", why);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	kit_start(k);
}

/* Hours that were found; stop: after so many slices (0: none). */
static uint64_t
look(struct kit *k, unsigned rows, unsigned stop)
{
	struct store_stats now;
	struct bl_err err = { 0 };
	int rc = 1;

	for (unsigned i = 0; rc == 1 && (stop == 0 || i < stop); i++) {
		begin(k);
		must(rc = store_due_again(k->s, rows, &err), &err);
		commit(k);
	}
	store_stats(k->s, &now);
	assert_int_equal(store_due_again_left(k->s), rc == 1);
	return now.due_found;
}

static const struct {
	const char *name, *forget;
	uint64_t found; /* a device's hours of which no row spoke */
} cases[] = {
	{ "nothing is missing", "SELECT 1", 0 },
	{ "all of a device", "DELETE FROM pack_due WHERE device_id = 2", HOURS },
	{ "everything", "DELETE FROM pack_due", 2 * HOURS },
	{ "one hour", "DELETE FROM pack_due WHERE device_id = 2 AND hour_unix_ms = 1699999200000",
	    1 },
	{ "the seqs of one hour in part",
	    "UPDATE pack_due SET seq_first = 40 WHERE hour_unix_ms = 1699999200000", 0 },
};

static void
what_was_not_noted_is_packed_like_the_rest(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *before, *after, *packed;
		struct kit k;
		uint64_t found;

		kit_open(&k, "due-again");
		make_history(&k);
		before = everything(&k, devices, 2);
		leave_behind(&k, cases[i].forget);
		found = look(&k, 50, 0);
		if (found != cases[i].found)
			fail_msg("%s: %llu found", cases[i].name, (unsigned long long)found);
		/* Once more, on the file as it is now: nothing is found. */
		leave_behind(&k, "SELECT 1");
		assert_int_equal(look(&k, 50, 0), 0);
		pass_until(&k, OFFSET + (HOURS + 4) * (int64_t)HOUR);
		settle(&k);
		assert_int_equal(count(&k, "SELECT count(*) FROM pack_due"), 0);
		assert_int_equal(count(&k, "SELECT count(*) FROM part_device"), 2 * HOURS);
		after = everything(&k, devices, 2);
		packed = in_parts(&k);
		assert_string_equal(after, before);
		assert_string_equal(packed, before);
		/* What is packed is not due. */
		leave_behind(&k, "SELECT 1");
		assert_int_equal(look(&k, 50, 0), 0);
		free(before);
		free(after);
		free(packed);
		kit_close(&k);
	}
}

/* A death between two slices, and one that took its slice along. */
static void
it_goes_on_where_it_was(void **state)
{
	struct kit *k = *state;
	struct bl_err err = { 0 };
	uint64_t found;

	make_history(k);
	leave_behind(k, "DELETE FROM pack_due WHERE device_id = 2");
	found = look(k, 20, 4); /* the second device's came last: within its hours */
	assert_in_range(found, 1, HOURS);
	begin(k);
	must(store_due_again(k->s, 20, &err), &err);
	store_rollback(k->s);
	kit_stop(k);
	kit_start(k);
	assert_true(store_due_again_left(k->s));
	(void)look(k, 20, 0);
	assert_int_equal(count(k, "SELECT count(*) FROM pack_due WHERE device_id = 2"), HOURS);
	assert_int_equal(count(k, "SELECT value FROM meta WHERE key = 'due_unseen'"), 0);
	kit_stop(k);
	kit_start(k);
	assert_false(store_due_again_left(k->s));
}

static void
a_new_store_has_nothing_to_look_at(void **state)
{
	struct kit *k = *state;

	assert_false(store_due_again_left(k->s));
	make_history(k);
	assert_false(store_due_again_left(k->s));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_not_noted_is_packed_like_the_rest),
		cmocka_unit_test_setup_teardown(it_goes_on_where_it_was, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_new_store_has_nothing_to_look_at, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
