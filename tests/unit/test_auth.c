/* Signing in keeps its promises: equal work, few guesses, sessions that end when they should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth.h"
#include "auth_bucket.h"
#include "control_sql.h"
#include "folder.h"

#define PASSWORD "correct horse battery"

static const struct control_actor admin = { "admin", "192.0.2.1" };

struct fixture {
	char dir[FOLDER_MAX], path[96];
	struct control *c;
	struct auth *a;
	struct bl_clock clock;
	int64_t unix_ms, mono_ms;
	/* Called once, in the middle of signing in: after the look-up, before the work. */
	void (*meanwhile)(struct fixture *f);
};

static int64_t
fake_unix_ms(void *ctx)
{
	return ((struct fixture *)ctx)->unix_ms;
}

static int64_t
fake_mono_ms(void *ctx)
{
	struct fixture *f = ctx;
	void (*meanwhile)(struct fixture *) = f->meanwhile;

	f->meanwhile = NULL;
	if (meanwhile != NULL)
		meanwhile(f);
	return f->mono_ms;
}

static void
add_user(struct fixture *f, const char *name, enum auth_role role)
{
	const struct auth_user_edit e = { .password = PASSWORD, .has_role = true, .role = role };
	struct auth_user u;
	struct bl_err err = { 0 };
	char made[32];

	assert_int_equal(auth_user_create(f->a, &admin, name, &e, &u, made, &err), AUTH_DONE);
	assert_string_equal(made, "");
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct control_opts opts = { 0 };
	struct bl_err err = { 0 };

	if (f == NULL)
		return -1;
	f->clock = *bl_clock_real();
	f->clock.ctx = f;
	f->clock.unix_ms = fake_unix_ms;
	f->clock.mono_ms = fake_mono_ms;
	f->unix_ms = 1700000000000;
	f->mono_ms = 1000000;
	folder_make(f->dir, "auth");
	(void)snprintf(f->path, sizeof(f->path), "%s/control.db", f->dir);
	opts.path = f->path;
	opts.clock = &f->clock;
	*state = f;
	if (control_open(&f->c, &opts, &err) != 0)
		return -1;
	/* The cheapest that argon2 allows: what is tested here is not its strength. */
	return auth_open(&f->a,
	    &(struct auth_opts){
		.control = f->c, .clock = &f->clock, .memory_kib = 8, .passes = 1 },
	    &err);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	auth_close(f->a);
	control_close(f->c);
	folder_remove(f->dir);
	free(f);
	return 0;
}

static int
try(struct fixture *f, const char *user, const char *password, const char *address,
    const char *browser, struct auth_ticket *out)
{
	const struct auth_attempt t = {
		.user = user,
		.password = password,
		.address = address,
		.user_agent = "test",
		.browser = browser,
	};
	struct bl_err err = { 0 };

	return auth_sign_in(f->a, &t, out, &err);
}

static int
find(struct fixture *f, const char *token, struct auth_session *s)
{
	struct sqlite3 *db;
	struct bl_err err = { 0 };
	int rc;

	assert_int_equal(control_read_begin(f->c, &db, &err), 0);
	rc = auth_session_find(f->a, db, token, s, &err);
	control_read_end(f->c, db);
	return rc;
}

static void
only_the_right_password_of_an_enabled_user_opens(void **state)
{
	static const struct {
		const char *user, *password;
		int outcome;
	} cases[] = {
		{ "alice", PASSWORD, AUTH_DONE },
		{ "alice", "wrong", AUTH_REFUSED },
		{ "alice", "", AUTH_REFUSED },
		{ "nobody", PASSWORD, AUTH_REFUSED },
		{ "nobody", "nobody has this password", AUTH_REFUSED },
		{ "gone", PASSWORD, AUTH_REFUSED },
		{ "gone", "nobody has this password", AUTH_REFUSED },
		{ "", "", AUTH_REFUSED },
		{ "Alice", PASSWORD, AUTH_REFUSED },
		{ "alice' OR 1=1 --", PASSWORD, AUTH_REFUSED },
	};
	struct fixture *f = *state;
	const struct auth_user_edit disable = { .has_disabled = true, .disabled = true };
	struct auth_ticket t;
	struct auth_user u;
	struct bl_err err = { 0 };

	add_user(f, "alice", AUTH_VIEWER);
	add_user(f, "gone", AUTH_VIEWER);
	assert_int_equal(
	    auth_user_change(f->a, &admin, "gone", 0, &disable, NULL, &u, &err), AUTH_DONE);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (try(f, cases[i].user, cases[i].password, "192.0.2.9", NULL, &t) !=
		    cases[i].outcome)
			fail_msg("%s / %s", cases[i].user, cases[i].password);
		assert_int_equal(strlen(t.token), cases[i].outcome == AUTH_DONE ? 64 : 0);
	}
}

static void
give_alice_another_password(struct fixture *f)
{
	const struct auth_user_edit e = { .password = "another horse entirely" };
	struct auth_user u;
	struct bl_err err = { 0 };

	assert_int_equal(auth_user_change(f->a, &admin, "alice", 0, &e, NULL, &u, &err), AUTH_DONE);
}

/* Who was in the middle of signing in with the old one must not come in after the change. */
static void
a_password_that_was_changed_meanwhile_opens_nothing(void **state)
{
	struct fixture *f = *state;
	struct auth_ticket t;

	add_user(f, "alice", AUTH_VIEWER);
	f->meanwhile = give_alice_another_password;
	assert_int_equal(try(f, "alice", PASSWORD, "192.0.2.9", NULL, &t), AUTH_REFUSED);
	assert_null(f->meanwhile);
	assert_string_equal(t.token, "");
	assert_int_equal(
	    try(f, "alice", "another horse entirely", "192.0.2.9", NULL, &t), AUTH_DONE);
}

/* An administrator gives a new password: whoever is signed in with the old one is out. */
static void
a_new_password_from_an_administrator_ends_all_sessions(void **state)
{
	struct fixture *f = *state;
	struct auth_ticket t;
	struct auth_session s;

	add_user(f, "alice", AUTH_VIEWER);
	assert_int_equal(try(f, "alice", PASSWORD, "192.0.2.9", NULL, &t), AUTH_DONE);
	assert_int_equal(find(f, t.token, &s), AUTH_DONE);
	give_alice_another_password(f);
	assert_int_equal(find(f, t.token, &s), AUTH_REFUSED);
}

static void
token_and_password_are_never_stored(void **state)
{
	struct fixture *f = *state;
	struct auth_ticket t;
	struct sqlite3 *db;
	struct bl_err err = { 0 };
	char copy[128], *bytes;
	size_t n;
	FILE *file;

	add_user(f, "alice", AUTH_VIEWER);
	assert_int_equal(try(f, "alice", PASSWORD, "::1", NULL, &t), AUTH_DONE);
	(void)snprintf(copy, sizeof(copy), "%s/copy.db", f->dir);
	assert_int_equal(control_backup(f->c, copy, &err), 0);
	assert_non_null(file = fopen(copy, "r"));
	assert_non_null(bytes = calloc(1, 1 << 20));
	n = fread(bytes, 1, 1 << 20, file);
	(void)fclose(file);
	assert_true(n > 4096);
	assert_non_null(memmem(bytes, n, "$argon2id$v=19$", 15));
	assert_null(memmem(bytes, n, PASSWORD, strlen(PASSWORD)));
	assert_null(memmem(bytes, n, t.token, strlen(t.token)));
	assert_null(memmem(bytes, n, t.browser, strlen(t.browser)));
	free(bytes);
	assert_int_equal(control_read_begin(f->c, &db, &err), 0);
	control_read_end(f->c, db);
}

static void
default_cost_is_at_least_what_is_recommended(void **state)
{
	struct fixture *f = *state;
	struct auth *real;
	struct auth_user u;
	struct bl_err err = { 0 };
	char made[32], hash[160] = "";
	sqlite3_stmt *st;
	sqlite3 *db;

	assert_int_equal(
	    auth_open(&real, &(struct auth_opts){ .control = f->c, .clock = &f->clock }, &err), 0);
	assert_int_equal(
	    auth_user_create(real, &admin, "bob", &(struct auth_user_edit){ 0 }, &u, made, &err),
	    AUTH_DONE);
	assert_int_equal(strlen(made), 23);
	assert_null(auth_password_problem("bob", made));
	assert_int_equal(control_read_begin(f->c, &db, &err), 0);
	assert_int_equal(
	    control_sql_prepare(&st, db, &err, "SELECT password_hash FROM user", ""), 0);
	assert_int_equal(control_sql_step(st, &err), 1);
	control_sql_text(st, 0, hash, sizeof(hash));
	sqlite3_finalize(st);
	control_read_end(f->c, db);
	assert_memory_equal(hash, "$argon2id$v=19$m=19456,t=2,p=1$", 31);
	auth_close(real);
}

static void
session_ends_idle_absolute_revoked_or_disabled(void **state)
{
	struct fixture *f = *state;
	const struct auth_user_edit disable = { .has_disabled = true, .disabled = true };
	const int64_t start = f->unix_ms;
	struct auth_ticket t;
	struct auth_session s;
	struct auth_user u;
	struct bl_err err = { 0 };

	add_user(f, "alice", AUTH_VIEWER);
	assert_int_equal(try(f, "alice", PASSWORD, "a", NULL, &t), AUTH_DONE);
	assert_int_equal(find(f, t.token, &s), AUTH_DONE);
	assert_int_equal(find(f, "0123", &s), AUTH_REFUSED);
	f->unix_ms = start + AUTH_IDLE_MS - 1;
	assert_int_equal(find(f, t.token, &s), AUTH_DONE);
	f->unix_ms = start + AUTH_IDLE_MS;
	assert_int_equal(find(f, t.token, &s), AUTH_REFUSED);
	for (f->unix_ms = start; f->unix_ms < start + AUTH_ABSOLUTE_MS;
	     f->unix_ms += AUTH_IDLE_MS / 2) {
		assert_int_equal(find(f, t.token, &s), AUTH_DONE);
		auth_session_seen(f->a, &s);
	}
	f->unix_ms = start + AUTH_ABSOLUTE_MS;
	assert_int_equal(find(f, t.token, &s), AUTH_REFUSED);

	assert_int_equal(try(f, "alice", PASSWORD, "a", NULL, &t), AUTH_DONE);
	assert_int_equal(find(f, t.token, &s), AUTH_DONE);
	assert_int_equal(auth_session_revoke(f->a, &admin, "bob", s.id, &err), AUTH_NO_SUCH);
	assert_int_equal(auth_session_revoke(f->a, &admin, "alice", s.id, &err), AUTH_DONE);
	assert_int_equal(find(f, t.token, &s), AUTH_REFUSED);

	assert_int_equal(try(f, "alice", PASSWORD, "a", NULL, &t), AUTH_DONE);
	assert_int_equal(
	    auth_user_change(f->a, &admin, "alice", 0, &disable, NULL, &u, &err), AUTH_DONE);
	assert_int_equal(find(f, t.token, &s), AUTH_REFUSED);
}

static void
changing_the_password_ends_the_other_sessions(void **state)
{
	struct fixture *f = *state;
	const struct control_actor self = { "alice", "a" };
	struct auth_ticket one, two;
	struct auth_session s;
	struct bl_err err = { 0 };
	int64_t wait;

	add_user(f, "alice", AUTH_VIEWER);
	assert_int_equal(try(f, "alice", PASSWORD, "a", NULL, &one), AUTH_DONE);
	assert_int_equal(try(f, "alice", PASSWORD, "b", NULL, &two), AUTH_DONE);
	assert_int_equal(auth_password_change(
			     f->a, &self, &one.session, "wrong", "another long one", &wait, &err),
	    AUTH_REFUSED);
	assert_int_equal(
	    auth_password_change(f->a, &self, &one.session, PASSWORD, "short", &wait, &err),
	    BL_EINVAL);
	assert_int_equal(auth_password_change(
			     f->a, &self, &one.session, PASSWORD, "another long one", &wait, &err),
	    AUTH_DONE);
	assert_int_equal(find(f, one.token, &s), AUTH_DONE);
	assert_int_equal(find(f, two.token, &s), AUTH_REFUSED);
	assert_int_equal(try(f, "alice", PASSWORD, "c", NULL, &two), AUTH_REFUSED);
	assert_int_equal(try(f, "alice", "another long one", "c", NULL, &two), AUTH_DONE);
	for (int i = 0; i < 30; i++)
		(void)auth_password_change(
		    f->a, &self, &one.session, "wrong", "another long one", &wait, &err);
	assert_true(wait > 0); /* nor may a stolen session guess without end */
}

static void
flood_of_guesses_is_little_work_and_locks_no_one_out(void **state)
{
	struct fixture *f = *state;
	struct auth_ticket victim, again, t;
	struct auth_session s;
	struct auth_counters c;
	char address[32];

	add_user(f, "victim", AUTH_VIEWER);
	assert_int_equal(try(f, "victim", PASSWORD, "198.51.100.7", NULL, &victim), AUTH_DONE);
	for (int i = 0; i < 10000; i++) {
		/* from the victim's own address and from 250 others, a hundred a second */
		(void)snprintf(address, sizeof(address), "198.51.100.%d", i % 250);
		assert_int_not_equal(try(f, "victim", "a guess", address, NULL, &t), AUTH_DONE);
		f->mono_ms += i % 3 == 0 ? 1 : 0;
	}
	auth_counters(f->a, &c);
	assert_true(c.refused <= 100);
	assert_int_equal(c.refused + c.limited, 10000);
	assert_int_equal(try(f, "victim", PASSWORD, "198.51.100.7", NULL, &t), AUTH_LIMITED);
	assert_true(t.retry_after_s > 0);
	/* signed in: goes on; the known browser: comes in; the token alone opens nothing */
	assert_int_equal(find(f, victim.token, &s), AUTH_DONE);
	assert_int_equal(
	    try(f, "victim", PASSWORD, "198.51.100.7", victim.browser, &again), AUTH_DONE);
	assert_string_equal(again.browser, "");
	assert_int_equal(find(f, victim.browser, &s), AUTH_REFUSED);
	for (int i = 0; i < 50; i++) /* a stolen one is limited too */
		(void)try(f, "victim", "a guess", "x", victim.browser, &t);
	assert_int_equal(try(f, "victim", "a guess", "x", victim.browser, &t), AUTH_LIMITED);
}

static void
last_administrator_stays(void **state)
{
	struct fixture *f = *state;
	const struct auth_user_edit demote = { .has_role = true, .role = AUTH_VIEWER };
	const struct auth_user_edit disable = { .has_disabled = true, .disabled = true };
	struct auth_user u;
	struct bl_err err = { 0 };

	add_user(f, "root", AUTH_ADMINISTRATOR);
	add_user(f, "view", AUTH_VIEWER);
	assert_int_equal(
	    auth_user_change(f->a, &admin, "root", 0, &demote, NULL, &u, &err), AUTH_LAST_ADMIN);
	assert_int_equal(
	    auth_user_change(f->a, &admin, "root", 0, &disable, NULL, &u, &err), AUTH_LAST_ADMIN);
	assert_int_equal(auth_user_delete(f->a, &admin, "root", 0, &err), AUTH_LAST_ADMIN);
	add_user(f, "two", AUTH_ADMINISTRATOR);
	assert_int_equal(auth_user_delete(f->a, &admin, "root", 2, &err), AUTH_STALE);
	assert_int_equal(auth_user_delete(f->a, &admin, "root", 1, &err), AUTH_DONE);
	assert_int_equal(auth_user_delete(f->a, &admin, "root", 0, &err), AUTH_NO_SUCH);
}

static void
each_role_is_kept_and_an_unknown_name_is_the_least(void **state)
{
	static const char *const names[AUTH_ROLES] = { "viewer", "operator", "administrator" };
	struct fixture *f = *state;
	enum auth_role role;
	struct auth_user u;
	struct bl_err err = { 0 };
	struct sqlite3 *db;

	for (unsigned i = 0; i < AUTH_ROLES; i++) {
		assert_string_equal(auth_role_name((enum auth_role)i), names[i]);
		assert_true(auth_role_parse(names[i], &role));
		assert_int_equal(role, i);
		add_user(f, names[i], role);
		assert_int_equal(control_read_begin(f->c, &db, &err), 0);
		assert_int_equal(auth_user_get(db, names[i], &u, &err), AUTH_DONE);
		control_read_end(f->c, db);
		assert_int_equal(u.role, i);
	}
	assert_false(auth_role_parse("Administrator", &role));
	assert_int_equal(role, AUTH_VIEWER);
	/* an operator is nobody who could administrate */
	assert_int_equal(auth_user_delete(f->a, &admin, "administrator", 0, &err), AUTH_LAST_ADMIN);
}

static bool
count_one(const struct auth_session *s, void *ctx)
{
	(void)s;
	++*(int *)ctx;
	return true;
}

static void
sessions_of_one_user_are_bounded(void **state)
{
	struct fixture *f = *state;
	struct auth_ticket t;
	struct sqlite3 *db;
	struct bl_err err = { 0 };
	int n = 0;

	add_user(f, "alice", AUTH_VIEWER);
	for (int i = 0; i < 30; i++) {
		f->unix_ms += 1000;
		assert_int_equal(try(f, "alice", PASSWORD, "a", NULL, &t), AUTH_DONE);
	}
	assert_int_equal(control_read_begin(f->c, &db, &err), 0);
	assert_int_equal(auth_session_each(f->a, db, "alice", count_one, &n, &err), 0);
	control_read_end(f->c, db);
	assert_int_equal(n, AUTH_SESSIONS_PER_USER);
}

static void
bucket_gives_a_burst_and_then_its_rate(void **state)
{
	struct auth_buckets b;
	int64_t now = 5000;
	int taken = 0;

	(void)state;
	assert_true(auth_buckets_init(&b, (struct auth_bucket_rule){ 3, 1000 }, 4));
	for (int i = 0; i < 10; i++) {
		if (auth_bucket_wait(&b, 7, now) == 0) {
			auth_bucket_take(&b, 7, now);
			taken++;
		}
	}
	assert_int_equal(taken, 3);
	assert_int_equal(auth_bucket_wait(&b, 7, now), 1000);
	assert_int_equal(auth_bucket_wait(&b, 7, now + 999), 1);
	assert_int_equal(auth_bucket_wait(&b, 7, now + 1000), 0);
	assert_int_equal(auth_bucket_wait(&b, 8, now), 0);
	auth_bucket_reset(&b, 7);
	assert_int_equal(auth_bucket_wait(&b, 7, now), 0);
	for (uint64_t key = 1; key <= 9; key++)
		auth_bucket_take(&b, key, now);
	assert_int_equal(b.forgotten, 5);
	auth_buckets_free(&b);
}

static void
weak_passwords_are_named(void **state)
{
	static const struct {
		const char *password;
		bool good;
	} cases[] = {
		{ "short", false },
		{ "123456789", false },
		{ "1234567890", false },
		{ "aaaaaaaaaaaaaa", false },
		{ "alice12345", false },
		{ "branchline", false },
		{ "correct horse", true },
		{ "\xe4\xb8\x8a\xe6\xb5\xb7\xe5\x88\x86\xe5\xba\x97", false },
		{ "\xe4\xb8\x8a\xe6\xb5\xb7\xe5\x88\x86\xe5\xba\x97\xe5\xbe\x88\xe5\xa5\xbd\xe7\x9a"
		  "\x84"
		  "\xe5\xaf\x86\xe7\xa0\x81\xef\xbc\x81",
		    true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if ((auth_password_problem("alice", cases[i].password) == NULL) != cases[i].good)
			fail_msg("\"%s\"", cases[i].password);
}

#define WITH_DB(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bucket_gives_a_burst_and_then_its_rate),
		cmocka_unit_test(weak_passwords_are_named),
		WITH_DB(only_the_right_password_of_an_enabled_user_opens),
		WITH_DB(a_password_that_was_changed_meanwhile_opens_nothing),
		WITH_DB(a_new_password_from_an_administrator_ends_all_sessions),
		WITH_DB(token_and_password_are_never_stored),
		WITH_DB(default_cost_is_at_least_what_is_recommended),
		WITH_DB(session_ends_idle_absolute_revoked_or_disabled),
		WITH_DB(changing_the_password_ends_the_other_sessions),
		WITH_DB(flood_of_guesses_is_little_work_and_locks_no_one_out),
		WITH_DB(last_administrator_stays),
		WITH_DB(each_role_is_kept_and_an_unknown_name_is_the_least),
		WITH_DB(sessions_of_one_user_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
