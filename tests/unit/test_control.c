/* The control database keeps its promises: one writer, an audit entry a change, a chain that shows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control.h"
#include "control_sql.h"
#include "folder.h"
#include "jsonw.h"
#include "shim.h"

static const struct control_actor actor = { "alice", "192.0.2.1" };

struct fixture {
	char dir[FOLDER_MAX];
	char path[96];
	struct control *c;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct control_opts opts = {
		.clock = bl_clock_real(), .readers_max = 2, .write_wait_ms = 200
	};
	struct bl_err err = { 0 };

	if (f == NULL)
		return -1;
	folder_make(f->dir, "control");
	(void)snprintf(f->path, sizeof(f->path), "%s/control.db", f->dir);
	opts.path = f->path;
	*state = f;
	if (control_open(&f->c, &opts, &err) != 0)
		printf("%s\n", err.msg);
	return f->c != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	control_close(f->c);
	folder_remove(f->dir);
	free(f);
	return 0;
}

static int
insert_site(struct control_tx *tx, const char *id, struct bl_err *err)
{
	return control_sql_run(control_tx_db(tx), err,
	    "INSERT INTO site VALUES (?, 'n', '', 'UTC', NULL, NULL, '{}', 1, 0, ?, 1)", "ti", id,
	    control_tx_unix_ms(tx));
}

static int
add_audited(struct control_tx *tx, void *ctx, struct bl_err *err)
{
	const int rc = insert_site(tx, ctx, err);

	return rc < 0 ? rc : control_audit(tx, "site.create", ctx, NULL, "{}", err);
}

static int
add_silently(struct control_tx *tx, void *ctx, struct bl_err *err)
{
	return insert_site(tx, ctx, err);
}

static int
add_then_refuse(struct control_tx *tx, void *ctx, struct bl_err *err)
{
	const int rc = add_audited(tx, ctx, err);

	return rc < 0 ? rc : 7;
}

static int
only_bookkeeping(struct control_tx *tx, void *ctx, struct bl_err *err)
{
	control_tx_unaudited(tx);
	return insert_site(tx, ctx, err);
}

static int64_t
count(struct fixture *f, const char *sql)
{
	struct sqlite3 *db;
	struct bl_err err = { 0 };
	int64_t n = -1;

	assert_int_equal(control_read_begin(f->c, &db, &err), 0);
	assert_int_equal(control_sql_int(db, &err, -1, &n, sql, ""), 0);
	control_read_end(f->c, db);
	return n;
}

static void
change_and_audit_commit_together_or_not_at_all(void **state)
{
	struct fixture *f = *state;
	struct bl_err err = { 0 };
	char a[] = "a", b[] = "b", c[] = "c", d[] = "d";

	assert_int_equal(control_write(f->c, &actor, add_audited, a, &err), 0);
	assert_int_equal(control_write(f->c, &actor, add_silently, b, &err), BL_EINVAL);
	assert_non_null(strstr(err.msg, "without an audit entry"));
	assert_int_equal(control_write(f->c, &actor, add_then_refuse, c, &err), 7);
	assert_int_equal(control_write(f->c, &actor, only_bookkeeping, d, &err), 0);
	assert_int_equal(control_write(f->c, &actor, add_audited, a, &err), BL_EEXIST);
	assert_int_equal(count(f, "SELECT count(*) FROM site WHERE id IN ('a', 'd')"), 2);
	assert_int_equal(count(f, "SELECT count(*) FROM site"), 2);
	assert_int_equal(count(f, "SELECT count(*) FROM audit"), 1);
}

static void
readers_cannot_write_and_are_bounded(void **state)
{
	struct fixture *f = *state;
	struct sqlite3 *one, *two, *three;
	struct bl_err err = { 0 };

	assert_int_equal(control_read_begin(f->c, &one, &err), 0);
	assert_true(control_sql_run(one, &err, "DELETE FROM site", "") < 0);
	assert_int_equal(control_read_begin(f->c, &two, &err), 0);
	assert_int_equal(control_read_begin(f->c, &three, &err), BL_EBUSY);
	control_read_end(f->c, one);
	assert_int_equal(control_read_begin(f->c, &three, &err), 0);
	control_read_end(f->c, two);
	control_read_end(f->c, three);
}

struct rival {
	struct fixture *f;
	int outcome;
	struct bl_err err;
};

static void *
rival_main(void *arg)
{
	struct rival *r = arg;
	char id[] = "rival";

	r->outcome = control_write(r->f->c, &actor, add_audited, id, &r->err);
	return NULL;
}

/* Has the turn while a rival wants it. */
static int
hold_the_turn(struct control_tx *tx, void *ctx, struct bl_err *err)
{
	pthread_t thread;

	(void)tx;
	(void)err;
	assert_int_equal(pthread_create(&thread, NULL, rival_main, ctx), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	return 0;
}

static void
who_gets_no_turn_hears_busy_and_nothing_is_changed(void **state)
{
	struct fixture *f = *state;
	struct rival r = { .f = f };
	struct bl_err err = { 0 };
	uint64_t commits, busy;

	assert_int_equal(control_write(f->c, &actor, hold_the_turn, &r, &err), 0);
	assert_int_equal(r.outcome, BL_EBUSY);
	control_counters(f->c, &commits, &busy);
	assert_int_equal(busy, 1);
	assert_int_equal(count(f, "SELECT count(*) FROM site"), 0);
	(void)rival_main(&r);
	assert_int_equal(r.outcome, 0);
}

static void
read_sees_one_state(void **state)
{
	struct fixture *f = *state;
	struct sqlite3 *db;
	struct bl_err err = { 0 };
	char a[] = "a";
	int64_t n;

	assert_int_equal(control_read_begin(f->c, &db, &err), 0);
	assert_int_equal(control_sql_int(db, &err, -1, &n, "SELECT count(*) FROM site", ""), 0);
	assert_int_equal(control_write(f->c, &actor, add_audited, a, &err), 0);
	assert_int_equal(control_sql_int(db, &err, -1, &n, "SELECT count(*) FROM site", ""), 0);
	assert_int_equal(n, 0);
	control_read_end(f->c, db);
	assert_int_equal(count(f, "SELECT count(*) FROM site"), 1);
}

static void
file_is_private_and_a_newer_one_is_refused(void **state)
{
	struct fixture *f = *state;
	struct control_opts opts = { .path = f->path, .clock = bl_clock_real() };
	struct control *again;
	struct bl_err err = { 0 };
	struct stat st;
	sqlite3 *db;

	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 999", NULL, NULL, NULL), 0);
	sqlite3_close(db);
	assert_int_equal(control_open(&again, &opts, &err), BL_ENEWER);
	assert_null(again);
}

/* People's data are never begun anew behind their backs, nor gone on with half. */
static void
a_damaged_one_is_refused_with_words_and_left_alone(void **state)
{
	static const long places[] = { 0, 105, 4096 * 2, 4096 * 5 };
	struct fixture *f = *state;
	struct control_opts opts = { .path = f->path, .clock = bl_clock_real() };
	char whole[1 << 19], after[1 << 19];
	size_t n;
	FILE *file;

	control_close(f->c);
	f->c = NULL;
	assert_non_null(file = fopen(f->path, "rb"));
	n = fread(whole, 1, sizeof(whole), file);
	(void)fclose(file);
	assert_in_range(n, 4096 * 6, sizeof(whole) - 1);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct control *again;
		struct bl_err err = { 0 };

		assert_non_null(file = fopen(f->path, "wb"));
		assert_int_equal(fwrite(whole, 1, n, file), n);
		assert_int_equal(fseek(file, places[i], SEEK_SET), 0);
		assert_int_equal(fwrite("\xa5\xa5\xa5\xa5\xa5\xa5\xa5\xa5", 1, 8, file), 8);
		assert_int_equal(fclose(file), 0);
		assert_int_equal(control_open(&again, &opts, &err), BL_ECORRUPT);
		assert_null(again);
		assert_non_null(strstr(err.msg, f->path));
		assert_non_null(strstr(err.msg, "put a backup in its place"));
		assert_non_null(file = fopen(f->path, "rb"));
		assert_int_equal(fread(after, 1, sizeof(after), file), n);
		(void)fclose(file);
		memcpy(after + places[i], whole + places[i], 8);
		assert_memory_equal(after, whole, n);
	}
	assert_non_null(file = fopen(f->path, "wb"));
	assert_int_equal(fwrite(whole, 1, n, file), n);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(control_open(&f->c, &opts, NULL), BL_OK);
}

/* Killed with work that the evaluator had before it: SQLite's check sees a NULL where none is. */
static void
one_with_work_to_do_is_opened(void **state)
{
	struct fixture *f = *state;
	struct control_opts opts = { .path = f->path, .clock = bl_clock_real() };
	struct bl_err err = { 0 };
	sqlite3 *db;

	control_close(f->c);
	f->c = NULL;
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
			     "INSERT INTO eval_dirty VALUES ('till-1', 3, 1000, 2000, 0),"
			     " ('till-2', 3, 1000, 2000, 0)",
			     NULL, NULL, NULL),
	    SQLITE_OK);
	sqlite3_close(db);
	if (control_open(&f->c, &opts, &err) != BL_OK)
		fail_msg("%s", err.msg);
	assert_int_equal(count(f, "SELECT count(*) FROM eval_dirty"), 2);
}

static int
give_ids(struct control_tx *tx, void *ctx, struct bl_err *err)
{
	const int64_t *n = ctx;
	int rc = BL_OK;

	control_tx_unaudited(tx);
	for (int64_t i = 0; i < *n && rc == BL_OK; i++) {
		rc = control_sql_run(control_tx_db(tx), err,
		    "INSERT INTO outbox (key, channel, kind, site, facts, created_unix_ms,"
		    " due_unix_ms, tries, state, answer)"
		    " VALUES (hex(randomblob(8)), 'ops', 'test', '', '{}', 0, 0, 0, 'sent', '')",
		    "");
	}
	return rc;
}

static int64_t
last_message(struct fixture *f)
{
	sqlite3 *db;
	int64_t n;

	assert_int_equal(control_read_begin(f->c, &db, NULL), 0);
	assert_int_equal(control_sql_int(db, NULL, 0, &n, "SELECT max(id) FROM outbox", ""), 0);
	control_read_end(f->c, db);
	return n;
}

static void
an_older_copy_gives_no_id_twice_and_is_evaluated_anew(void **state)
{
	struct fixture *f = *state;
	const struct control_opts opts = { .path = f->path, .clock = bl_clock_real() };
	const struct control_actor me = { "test", "" };
	struct bl_err err = { 0 };
	char copy[600];
	int64_t n = 3;

	(void)snprintf(copy, sizeof(copy), "%s.copy", f->path);
	assert_int_equal(control_write(f->c, &me, give_ids, &n, &err), 0);
	assert_int_equal(control_backup(f->c, copy, &err), 0);
	n = 5;
	assert_int_equal(control_write(f->c, &me, give_ids, &n, &err), 0);
	assert_int_equal(last_message(f), 8);
	control_close(f->c);
	assert_int_equal(rename(copy, f->path), 0);
	assert_int_equal(control_open(&f->c, &opts, &err), BL_OK);
	assert_int_equal(last_message(f), 3);
	assert_int_equal(count(f, "SELECT count(*) FROM eval WHERE epoch = zeroblob(16)"), 1);
	n = 1;
	assert_int_equal(control_write(f->c, &me, give_ids, &n, &err), 0);
	assert_int_equal(last_message(f), 9);
	/* Once is enough: it is no older copy any more. */
	control_close(f->c);
	assert_int_equal(control_open(&f->c, &opts, &err), BL_OK);
	n = 1;
	assert_int_equal(control_write(f->c, &me, give_ids, &n, &err), 0);
	assert_int_equal(last_message(f), 10);
}

static int
remove_ann(struct control_tx *tx, void *ctx, struct bl_err *err)
{
	(void)ctx;
	control_tx_unaudited(tx);
	return control_sql_run(control_tx_db(tx), err, "DELETE FROM user WHERE name = 'ann'", "");
}

static void
run_file(sqlite3 *db, const char *name)
{
	char path[512], sql[65536];
	FILE *file;
	size_t n;

	(void)snprintf(path, sizeof(path), BL_SOURCE_DIR "/collector/sql/control/%s", name);
	assert_non_null(file = fopen(path, "r"));
	n = fread(sql, 1, sizeof(sql) - 1, file);
	assert_true(n > 0 && n < sizeof(sql) - 1);
	sql[n] = '\0';
	assert_int_equal(fclose(file), 0);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
}

/* The table of users is made anew; what refers to it must come along, and still refer to it. */
static void
widening_the_roles_keeps_users_sessions_and_browsers(void **state)
{
	struct fixture *f = *state;
	struct control_opts opts = { .clock = bl_clock_real() };
	struct bl_err err = { 0 };
	char old[128];
	sqlite3 *db;

	(void)snprintf(old, sizeof(old), "%s/old.db", f->dir);
	assert_int_equal(sqlite3_open(old, &db), SQLITE_OK);
	run_file(db, "001-base.sql");
	run_file(db, "002-evaluation.sql");
	assert_int_equal(
	    sqlite3_exec(db,
		"INSERT INTO user VALUES ('ann', 'Ann', 'viewer', 'en', 0, 'hash', 5, 3),"
		" ('bob', 'Bob', 'administrator', 'zh-CN', 1, 'hash', 6, 1);"
		"INSERT INTO session VALUES (zeroblob(32), 's1', 'ann', 1, 2, 3, 'a', 'u');"
		"INSERT INTO known_browser VALUES (zeroblob(32), 'ann', 9);"
		"PRAGMA user_version = 2",
		NULL, NULL, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	control_close(f->c);
	f->c = NULL;
	opts.path = old;
	assert_int_equal(control_open(&f->c, &opts, &err), 0);
	assert_int_equal(
	    count(f, "SELECT count(*) FROM user WHERE (name, role, version, disabled) IN "
		     "(VALUES ('ann', 'viewer', 3, 0), ('bob', 'administrator', 1, 1))"),
	    2);
	assert_int_equal(
	    count(f, "SELECT count(*) FROM session WHERE id = 's1' AND user = 'ann'"), 1);
	assert_int_equal(
	    count(f, "SELECT count(*) FROM known_browser WHERE last_used_unix_ms = 9"), 1);
	assert_int_equal(count(f, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
	assert_int_equal(count(f, "SELECT count(*) FROM sqlite_schema WHERE name LIKE '%\\_new%' "
				  "ESCAPE '\\' OR sql LIKE '%\\_new%' ESCAPE '\\'"),
	    0);
	assert_int_equal(count(f, "SELECT count(*) FROM sqlite_schema WHERE name IN "
				  "('session_by_user', 'known_browser_by_user')"),
	    2);
	/* both still refer to the users there are: they go along with one */
	assert_int_equal(control_write(f->c, &actor, remove_ann, NULL, &err), 0);
	assert_int_equal(count(f, "SELECT count(*) FROM session"), 0);
	assert_int_equal(count(f, "SELECT count(*) FROM known_browser"), 0);
}

/* Each row harms the log in another way; the chain must name the place. */
static void
audit_shows_each_kind_of_tampering(void **state)
{
	static const struct {
		const char *sql;
		int64_t bad;
	} cases[] = {
		{ "SELECT 1", 0 },
		{ "UPDATE audit SET actor = 'mallory' WHERE n = 2", 2 },
		{ "UPDATE audit SET unix_ms = unix_ms + 1 WHERE n = 3", 3 },
		{ "UPDATE audit SET after = NULL WHERE n = 1", 1 },
		{ "UPDATE audit SET before = '' WHERE n = 1", 1 },
		{ "DELETE FROM audit WHERE n = 2", 3 },
		{ "UPDATE audit SET n = 9 WHERE n = 2; UPDATE audit SET n = 2 WHERE n = 3;"
		  "UPDATE audit SET n = 3 WHERE n = 9",
		    2 },
		{ "INSERT INTO audit SELECT 5, unix_ms, actor, address, action, subject, before, "
		  "after,"
		  "hash FROM audit WHERE n = 4",
		    5 },
	};
	struct fixture *f = *state;
	struct control_audit_report report;
	struct bl_err err = { 0 };
	char id[2] = "a";
	sqlite3 *db;

	for (; id[0] <= 'd'; id[0]++)
		assert_int_equal(control_write(f->c, &actor, add_audited, id, &err), 0);
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_not_equal(sqlite3_exec(db, "DELETE FROM audit", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(
		db, "DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete", NULL, NULL, NULL),
	    0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(sqlite3_exec(db, "BEGIN", NULL, NULL, NULL), 0);
		assert_int_equal(sqlite3_exec(db, cases[i].sql, NULL, NULL, NULL), 0);
		assert_int_equal(control_audit_verify(db, &report, &err), 0);
		if (report.bad_entry != cases[i].bad)
			fail_msg("%s: entry %lld", cases[i].sql, (long long)report.bad_entry);
		assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), 0);
	}
	sqlite3_close(db);
}

static void
backup_is_a_whole_copy(void **state)
{
	struct fixture *f = *state;
	struct control_opts opts = { .clock = bl_clock_real() };
	struct control *copy;
	struct bl_err err = { 0 };
	char a[] = "a", dst[128];

	assert_int_equal(control_write(f->c, &actor, add_audited, a, &err), 0);
	(void)snprintf(dst, sizeof(dst), "%s/copy.db", f->dir);
	assert_int_equal(control_backup(f->c, dst, &err), 0);
	assert_true(control_backup(f->c, dst, &err) < 0); /* never over something */
	opts.path = dst;
	assert_int_equal(control_open(&copy, &opts, &err), 0);
	control_close(copy);
}

static void
json_writer_escapes_and_mends(void **state)
{
	struct jsonw w;

	(void)state;
	jsonw_init(&w, 4096);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "a\"", "\x01\n\\ \xe5\x88\x86 \xff \xed\xa0\x80");
	jsonw_array(&w, "n");
	jsonw_num(&w, NULL, 0.1);
	jsonw_num(&w, NULL, NAN);
	jsonw_num(&w, NULL, 1e300);
	jsonw_int(&w, NULL, INT64_MIN);
	jsonw_array_end(&w);
	jsonw_raw(&w, "r", "{}");
	jsonw_object_end(&w);
	assert_string_equal(jsonw_text(&w, NULL),
	    "{\"a\\\"\":\"\\u0001\\n\\\\ \xe5\x88\x86 \xef\xbf\xbd "
	    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\",\"n\":[0.1,null,1e+300,-9223372036854775808],"
	    "\"r\":{}}");
	jsonw_free(&w);
	jsonw_init(&w, 100);
	jsonw_array(&w, NULL);
	for (int i = 0; i < 20; i++)
		jsonw_str(&w, NULL, "longer than the cap");
	jsonw_array_end(&w);
	assert_null(jsonw_text(&w, NULL));
	jsonw_free(&w);
	jsonw_init(&w, 64);
	jsonw_object(&w, NULL);
	assert_null(jsonw_text(&w, NULL)); /* still open */
	jsonw_free(&w);
}

/* What could not be read is not damaged: no start tells people to go back to a backup. */
static void
a_read_that_fails_at_the_start_is_no_damage(void **state)
{
	struct fixture *f = *state;
	struct control_opts opts = { .path = f->path, .clock = bl_clock_real() };
	struct shim_plan plan = { .kind = SHIM_READ_EIO, .at_op = 1, .below = f->dir };
	struct bl_err err = { 0 };
	unsigned failed = 0;

	control_close(f->c);
	f->c = NULL;
	shim_vfs_install(1);
	for (bool fired = true; fired; plan.at_op++) {
		int rc;

		shim_plan(&plan);
		rc = control_open(&f->c, &opts, &err);
		fired = shim_fired();
		shim_plan(NULL);
		if (rc == BL_ECORRUPT)
			fail_msg("read %u: %s", (unsigned)plan.at_op, err.msg);
		failed += rc < 0;
		control_close(f->c);
		f->c = NULL;
	}
	print_message("%u reads, %u starts failed\n", (unsigned)plan.at_op - 2, failed);
	assert_true(plan.at_op > 20 && failed > 20);
	shim_vfs_uninstall();
	assert_int_equal(control_open(&f->c, &opts, &err), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    change_and_audit_commit_together_or_not_at_all, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    readers_cannot_write_and_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    who_gets_no_turn_hears_busy_and_nothing_is_changed, setup, teardown),
		cmocka_unit_test_setup_teardown(read_sees_one_state, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    file_is_private_and_a_newer_one_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    an_older_copy_gives_no_id_twice_and_is_evaluated_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_damaged_one_is_refused_with_words_and_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(one_with_work_to_do_is_opened, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    widening_the_roles_keeps_users_sessions_and_browsers, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    audit_shows_each_kind_of_tampering, setup, teardown),
		cmocka_unit_test_setup_teardown(backup_is_a_whole_copy, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_read_that_fails_at_the_start_is_no_damage, setup, teardown),
		cmocka_unit_test(json_writer_escapes_and_mends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
