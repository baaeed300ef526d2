/*
 * What every telemetry store keeps beside its data, and what it does to the file:
 * messages set aside, owners, versions, older copies.
 */
#include "store_kit.h"

/* ---- set aside ---- */

struct aside_seen {
	int n;
	uint64_t repeats;
	int kept;
	char reason[32];
};

static bool
see_aside(void *ctx, const struct store_aside_row *a)
{
	struct aside_seen *s = ctx;

	s->n++;
	s->repeats += a->repeats;
	s->kept += a->kept;
	(void)snprintf(s->reason, sizeof(s->reason), "%s", a->reason);
	return true;
}

static void
a_message_is_set_aside_once_and_its_seq_settled(void **state)
{
	struct ctx *c = *state;
	struct store_aside a = { .reason = STORE_ASIDE_UNDECODABLE,
		.topic = "bl/1/up/07/kiosk-1/live",
		.device = "kiosk-1",
		.part = 7,
		.detail = "bad",
		.payload = "rubbish",
		.len = 7,
		.stream = BL_STREAM_HOST,
		.seq = 1 };
	struct aside_seen seen = { 0 };
	struct bl_err err = { 0 };

	begin(c);
	a.spool = spool(c);
	assert_int_equal(store_aside(c->s, &a, &err), STORE_ASIDE_NEW);
	assert_int_equal(store_aside(c->s, &a, &err), STORE_ASIDE_AGAIN);
	commit(c);
	reopen(c, STORE_OPENED);
	begin(c);
	a.spool = spool(c);
	assert_int_equal(store_aside(c->s, &a, &err), STORE_ASIDE_AGAIN);
	commit(c);
	must(store_read_aside(c->r, NULL, 0, 10, see_aside, &seen, &err), &err);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.repeats, 2);
	assert_int_equal(seen.kept, 1);
	assert_string_equal(seen.reason, "undecodable");
	assert_int_equal(totals(c).set_aside_by[STORE_ASIDE_UNDECODABLE - 1], 3);
	assert_int_equal(receipt(c).stream[2].contiguous, 1);
	assert_int_equal(receipt(c).stream[2].aside.n, 1);
}

static int
set_batch_aside(struct ctx *c, uint64_t seq, const char *payload)
{
	const struct store_aside a = { .reason = STORE_ASIDE_UNDECODABLE,
		.topic = "bl/1/up/07/kiosk-1/live",
		.device = "kiosk-1",
		.part = 7,
		.detail = "bad",
		.payload = payload,
		.len = strlen(payload),
		.spool = spool(c),
		.stream = BL_STREAM_HOST,
		.seq = seq };
	struct bl_err err = { 0 };
	const int rc = store_aside(c->s, &a, &err);

	must(rc, &err);
	return rc;
}

static void
the_list_of_what_was_set_aside_is_capped(void **state)
{
	struct ctx *c = *state;
	const struct store_opts opts = {
		.path = c->path, .clock = &c->clock.clock, .aside_bytes = 28, .aside_rows = 5
	};
	struct aside_seen seen = { 0 };
	struct bl_err err = { 0 };
	int last = 0;

	store_close(c->s);
	must(store_open(&c->s, &opts, &err), &err);
	begin(c);
	for (int i = 0; i < 10; i++) {
		char text[10];
		const struct store_aside a = { .reason = STORE_ASIDE_NOT_OURS,
			.topic = "x",
			.part = -1,
			.detail = "",
			.payload = text,
			.len = sizeof(text) };

		(void)snprintf(text, sizeof(text), "%09d", i);
		last = store_aside(c->s, &a, &err);
		must(last, &err);
	}
	commit(c);
	assert_int_equal(last, STORE_ASIDE_REFUSED);
	must(store_read_aside(c->r, NULL, 0, 10, see_aside, &seen, &err), &err);
	assert_int_equal(seen.n, 4);
	assert_int_equal(seen.kept, 2);
	assert_int_equal(totals(c).set_aside_by[STORE_ASIDE_NOT_OURS - 1], 10);
	assert_int_equal(totals(c).set_aside_refused, 8);
	/* A quarter is left for batches of known spools: strangers cannot take it. */
	begin(c);
	assert_int_equal(set_batch_aside(c, 1, "bad one"), STORE_ASIDE_NEW);
	/* No room at all: not kept, so not receipted either; the agent keeps it. */
	assert_int_equal(set_batch_aside(c, 2, "bad two"), STORE_ASIDE_REFUSED);
	commit(c);
	assert_int_equal(receipt(c).stream[2].contiguous, 1);
	assert_int_equal(receipt(c).stream[2].aside.n, 1);
	assert_int_equal(receipt(c).stream[2].aside.r[0].last, 1);
}

/* ---- the file ---- */

static void
exec_on(struct ctx *c, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(c->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int
version_of(struct ctx *c)
{
	sqlite3_stmt *st;
	sqlite3 *db;
	int version;

	assert_int_equal(sqlite3_open(c->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	version = sqlite3_column_int(st, 0);
	assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return version;
}

/* Whatever the umask is: what machines and people did is nobody else's business. */
static void
the_files_are_the_owners_alone(void **state)
{
	static const char *const suffix[] = { "", "-wal", "-shm", ".mark" };
	struct ctx *c = *state;
	struct stat sb;
	char path[700];

	put_minutes(c, 0, 1);
	for (size_t i = 0; i < sizeof(suffix) / sizeof(suffix[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", c->path, suffix[i]);
		assert_int_equal(stat(path, &sb), 0);
		assert_int_equal(sb.st_mode & 0777, 0600);
	}
}

static void
a_newer_version_is_refused_and_left_alone(void **state)
{
	struct ctx *c = *state;
	const struct store_opts opts = { .path = c->path, .clock = &c->clock.clock };
	char back[48];
	struct bl_err err = { 0 };

	put_minutes(c, 0, 1);
	store_read_close(c->r);
	store_close(c->s);
	c->r = NULL;
	(void)snprintf(back, sizeof(back), "PRAGMA user_version = %d", version_of(c));
	exec_on(c, "PRAGMA user_version = 99");
	assert_int_equal(store_open(&c->s, &opts, &err), BL_ENEWER);
	assert_null(c->s);
	assert_non_null(strstr(err.msg, "version 99"));
	assert_int_equal(store_read_open(&c->r, c->path, &c->clock.clock, &err), BL_ENEWER);
	exec_on(c, back);
	reopen(c, STORE_OPENED);
	assert_int_equal(totals(c).batches, 1);
}

static void
another_database_is_refused(void **state)
{
	struct ctx *c = *state;
	struct store_opts opts = { .clock = &c->clock.clock };
	struct bl_err err = { 0 };
	struct store *s;

	(void)snprintf(c->path, sizeof(c->path), "%s/other.db", c->folder);
	exec_on(c, "CREATE TABLE mine (x)");
	opts.path = c->path;
	assert_int_equal(store_open(&s, &opts, &err), BL_ECORRUPT);
	assert_null(s);
}

static void
a_second_writer_is_refused(void **state)
{
	struct ctx *c = *state;
	const struct store_opts opts = { .path = c->path, .clock = &c->clock.clock };
	struct bl_err err = { 0 };
	struct store *s;

	assert_int_equal(store_open(&s, &opts, &err), BL_EBUSY);
	assert_null(s);
}

static void
copy_file(const char *from, const char *to)
{
	char buf[65536];
	FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
	size_t n;

	assert_non_null(in);
	assert_non_null(out);
	while ((n = fread(buf, 1, sizeof(buf), in)) > 0)
		assert_int_equal(fwrite(buf, 1, n, out), n);
	(void)fclose(in);
	assert_int_equal(fclose(out), 0);
}

static void
an_older_copy_gets_a_new_epoch_and_is_filled_again(void **state)
{
	struct ctx *c = *state;
	struct bl_id before;
	char copy[700];

	(void)snprintf(copy, sizeof(copy), "%s/copy", c->folder);
	put_minutes(c, 0, 2);
	reopen(c, STORE_OPENED); /* closing empties the log into the file */
	before = *store_epoch(c->s);
	store_read_close(c->r);
	store_close(c->s);
	c->r = NULL;
	c->s = NULL;
	copy_file(c->path, copy);
	reopen(c, STORE_OPENED);
	put_minutes(c, 2, 4);
	store_read_close(c->r);
	store_close(c->s);
	c->r = NULL;
	c->s = NULL;
	copy_file(copy, c->path);
	reopen(c, STORE_SET_BACK);
	assert_false(bl_id_equal(&before, store_epoch(c->s)));
	assert_int_equal(receipt(c).stream[2].contiguous, 2);
	put_minutes(c, 2, 4);
	assert_int_equal(totals(c).batches, 4);
	reopen(c, STORE_OPENED);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_message_is_set_aside_once_and_its_seq_settled),
		T(the_list_of_what_was_set_aside_is_capped),
		T(the_files_are_the_owners_alone),
		T(a_newer_version_is_refused_and_left_alone),
		T(another_database_is_refused),
		T(a_second_writer_is_refused),
		T(an_older_copy_gets_a_new_epoch_and_is_filled_again),
	};

	bl_log_level_set(BL_LOG_ERROR);
	return cmocka_run_group_tests_name("store contract: the file", tests, NULL, NULL);
}
