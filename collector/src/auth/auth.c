/*
 * Opening, and signing in: limits first, then the same work for everyone, then
 * one change that makes the session.  Nothing is held during the work.
 */
#include "auth_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/log.h"

#include "control_sql.h"
#include "jsonw.h"

#define MEMORY_KIB 19456u /* 19 MiB, 2 passes, 1 lane: OWASP's least for argon2id */
#define PASSES     2u
#define WORKERS    2u

/*
 * Somebody who forgot a password gets five tries and then one a minute; a whole
 * office behind one address twenty and then one every ten seconds; the whole
 * world fifty and then one a second (5 % of a core).  A browser that the user
 * has signed in from before stands apart: no flood can lock it out.
 */
static const struct auth_bucket_rule rule_account = { 5, 60000 };
static const struct auth_bucket_rule rule_address = { 20, 10000 };
static const struct auth_bucket_rule rule_browser = { 10, 30000 };
static const struct auth_bucket_rule rule_global = { 50, 1000 };

#define SLOTS      2048
#define GLOBAL_KEY 1

/* ---- opening ----------------------------------------------------------- */

static bool
buckets_open(struct auth *a)
{
	return auth_buckets_init(&a->by_account, rule_account, SLOTS) &&
	       auth_buckets_init(&a->by_address, rule_address, SLOTS) &&
	       auth_buckets_init(&a->by_browser, rule_browser, SLOTS) &&
	       auth_buckets_init(&a->global, rule_global, 1);
}

static void
buckets_close(struct auth *a)
{
	auth_buckets_free(&a->by_account);
	auth_buckets_free(&a->by_address);
	auth_buckets_free(&a->by_browser);
	auth_buckets_free(&a->global);
}

int
auth_open(struct auth **out, const struct auth_opts *opts, struct bl_err *err)
{
	struct auth *a;
	int rc;

	*out = NULL;
	if ((a = calloc(1, sizeof(*a))) == NULL)
		return bl_fail(err, BL_ENOMEM, "sign-in: out of memory");
	a->control = opts->control;
	a->clock = opts->clock;
	a->memory_kib = opts->memory_kib != 0 ? opts->memory_kib : MEMORY_KIB;
	a->passes = opts->passes != 0 ? opts->passes : PASSES;
	a->clock->random(a->clock->ctx, &a->key_seed, sizeof(a->key_seed));
	if (!buckets_open(a)) {
		rc = bl_fail(err, BL_ENOMEM, "sign-in: out of memory");
		goto fail_buckets;
	}
	if (pthread_mutex_init(&a->lock, NULL) != 0 || sem_init(&a->workers, 0, WORKERS) != 0) {
		rc = bl_fail(err, BL_ENOMEM, "sign-in: no mutex");
		goto fail_buckets;
	}
	if ((rc = auth_password_hash(a, "nobody has this password", a->nobody, err)) < 0)
		goto fail_locks;
	*out = a;
	return BL_OK;

fail_locks:
	(void)sem_destroy(&a->workers); /* nobody waits on it */
	(void)pthread_mutex_destroy(&a->lock);
fail_buckets:
	buckets_close(a);
	free(a);
	return rc;
}

void
auth_close(struct auth *a)
{
	if (a == NULL)
		return;
	(void)sem_destroy(&a->workers); /* nobody waits on it any more */
	(void)pthread_mutex_destroy(&a->lock);
	buckets_close(a);
	free(a);
}

/* ---- limits ------------------------------------------------------------ */

struct limit_keys {
	uint64_t account, address, browser; /* browser 0: not a known one */
};

/* FNV-1a over a secret seed and two texts; 0 stands for "free" in the table. */
static uint64_t
key_of(const struct auth *a, const char *one, const char *two)
{
	uint64_t h = 0xcbf29ce484222325u ^ a->key_seed;

	for (const char *p = one; *p != '\0'; p++)
		h = (h ^ (unsigned char)*p) * 0x100000001b3u;
	h = (h ^ 0x1ff) * 0x100000001b3u; /* no byte of a text has this value */
	for (const char *p = two; *p != '\0'; p++)
		h = (h ^ (unsigned char)*p) * 0x100000001b3u;
	return h != 0 ? h : 1;
}

static int64_t
longest(int64_t x, int64_t y)
{
	return x > y ? x : y;
}

/*
 * 0: taken, go on; else how long to wait (ms), nothing taken.  The log names the
 * address, never the user: people type passwords into the wrong field.
 */
static int64_t
limits_take(struct auth *a, const struct limit_keys *k, const char *address)
{
	const int64_t now = bl_mono_ms(a->clock);
	unsigned more = 0;
	bool tell = false;
	int64_t wait;

	pthread_mutex_lock(&a->lock);
	if (k->browser != 0) {
		wait = auth_bucket_wait(&a->by_browser, k->browser, now);
		if (wait == 0)
			auth_bucket_take(&a->by_browser, k->browser, now);
	} else {
		wait = auth_bucket_wait(&a->by_account, k->account, now);
		wait = longest(wait, auth_bucket_wait(&a->by_address, k->address, now));
		wait = longest(wait, auth_bucket_wait(&a->global, GLOBAL_KEY, now));
		if (wait == 0) {
			auth_bucket_take(&a->by_account, k->account, now);
			auth_bucket_take(&a->by_address, k->address, now);
			auth_bucket_take(&a->global, GLOBAL_KEY, now);
		}
	}
	if (wait != 0) {
		a->counters.limited++;
		tell = bl_log_allow(&a->limited_log, now, 60000, &more);
	}
	pthread_mutex_unlock(&a->lock);
	if (tell)
		bl_warn("auth",
		    "too many tries to sign in; not looked at address=%s more_like_it=%u", address,
		    more);
	return wait;
}

static void
limits_settle(struct auth *a, const struct limit_keys *k, int outcome)
{
	pthread_mutex_lock(&a->lock);
	if (outcome == AUTH_DONE) {
		auth_bucket_reset(&a->by_account, k->account);
		if (k->browser != 0) {
			auth_bucket_reset(&a->by_browser, k->browser);
		} else { /* what it took was not a guess */
			auth_bucket_give(&a->by_address, k->address);
			auth_bucket_give(&a->global, GLOBAL_KEY);
		}
		a->counters.signed_in++;
	} else if (outcome == AUTH_REFUSED) {
		a->counters.refused++;
	}
	pthread_mutex_unlock(&a->lock);
}

static int64_t
seconds_up(int64_t ms)
{
	return (ms + 999) / 1000;
}

/* ---- signing in -------------------------------------------------------- */

/* What is read before the work: the user's hash, and whether the browser is a known one. */
static int
look_up(struct auth *a, const struct auth_attempt *try, char encoded[AUTH_ENCODED_SIZE],
    struct limit_keys *k, struct bl_err *err)
{
	uint8_t hash[AUTH_HASH_BYTES];
	struct auth_user user;
	struct sqlite3 *db;
	int64_t known = 0;
	int rc;

	if ((rc = control_read_begin(a->control, &db, err)) < 0)
		return rc;
	if (try->browser != NULL && auth_token_hash(try->browser, hash))
		rc = control_sql_int(db, err, 0, &known,
		    "SELECT count(*) FROM known_browser WHERE token_sha256 = ? AND user = ? "
		    "AND last_used_unix_ms > ?",
		    "bti", (const void *)hash, sizeof(hash), try->user,
		    bl_unix_ms(a->clock) - AUTH_BROWSER_MS);
	if (rc >= 0)
		rc = auth_user_load(db, try->user, &user, encoded, err);
	control_read_end(a->control, db);
	if (rc < 0)
		return rc;
	if (rc != AUTH_DONE || user.disabled)
		memcpy(encoded, a->nobody, AUTH_ENCODED_SIZE);
	k->account = key_of(a, try->user, try->address);
	k->address = key_of(a, "", try->address);
	k->browser = known != 0 ? key_of(a, try->user, try->browser) : 0;
	return rc == AUTH_DONE && !user.disabled ? AUTH_DONE : AUTH_REFUSED;
}

struct opening {
	struct auth *a;
	const struct auth_attempt *try;
	const char *verified; /* the stored hash that the password fits */
	bool known_browser;
	struct auth_ticket *out;
};

/* Old ones go: expired, beyond the cap, and the one that this browser brought along. */
static int
clear_old(struct control_tx *tx, const struct opening *o, struct bl_err *err)
{
	struct sqlite3 *db = control_tx_db(tx);
	const int64_t now = control_tx_unix_ms(tx);
	uint8_t hash[AUTH_HASH_BYTES];
	int rc;

	rc = control_sql_run(db, err,
	    "DELETE FROM session WHERE expires_unix_ms <= ? OR last_seen_unix_ms <= ?", "ii", now,
	    now - AUTH_IDLE_MS);
	if (rc == BL_OK)
		rc = control_sql_run(db, err,
		    "DELETE FROM session WHERE user = ?1 AND id NOT IN (SELECT id FROM session "
		    "WHERE user = ?1 ORDER BY last_seen_unix_ms DESC LIMIT ?2)",
		    "ti", o->try->user, (int64_t)AUTH_SESSIONS_PER_USER - 1);
	if (rc == BL_OK && o->try->old_token != NULL && auth_token_hash(o->try->old_token, hash))
		rc = control_sql_run(db, err, "DELETE FROM session WHERE token_sha256 = ?", "b",
		    (const void *)hash, sizeof(hash));
	if (rc == BL_OK)
		rc = control_sql_run(db, err,
		    "DELETE FROM known_browser WHERE last_used_unix_ms <= ?1 OR (user = ?2 AND "
		    "token_sha256 NOT IN (SELECT token_sha256 FROM known_browser WHERE user = ?2 "
		    "ORDER BY last_used_unix_ms DESC LIMIT ?3))",
		    "iti", now - AUTH_BROWSER_MS, o->try->user,
		    (int64_t)AUTH_SESSIONS_PER_USER - 1);
	return rc;
}

static int
remember_browser(struct control_tx *tx, const struct opening *o, struct bl_err *err)
{
	struct sqlite3 *db = control_tx_db(tx);
	uint8_t hash[AUTH_HASH_BYTES];

	o->out->browser[0] = '\0';
	if (o->known_browser && auth_token_hash(o->try->browser, hash))
		return control_sql_run(db, err,
		    "UPDATE known_browser SET last_used_unix_ms = ? WHERE token_sha256 = ?", "ib",
		    control_tx_unix_ms(tx), (const void *)hash, sizeof(hash));
	auth_token_make(o->a->clock, o->out->browser);
	(void)auth_token_hash(o->out->browser, hash); /* we just made it */
	return control_sql_run(db, err,
	    "INSERT INTO known_browser (token_sha256, user, last_used_unix_ms) VALUES (?, ?, ?)",
	    "bti", (const void *)hash, sizeof(hash), o->try->user, control_tx_unix_ms(tx));
}

static int
insert_session(struct control_tx *tx, const struct opening *o, struct bl_err *err)
{
	struct auth_session *s = &o->out->session;
	uint8_t hash[AUTH_HASH_BYTES];
	struct bl_id id = bl_id_random(o->a->clock);

	bl_id_hex(&id, s->id);
	s->created_unix_ms = s->last_seen_unix_ms = control_tx_unix_ms(tx);
	s->expires_unix_ms = s->created_unix_ms + AUTH_ABSOLUTE_MS;
	(void)snprintf(s->address, sizeof(s->address), "%s", o->try->address);
	(void)snprintf(s->user_agent, sizeof(s->user_agent), "%s", o->try->user_agent);
	auth_token_make(o->a->clock, o->out->token);
	(void)auth_token_hash(o->out->token, hash); /* we just made it */
	return control_sql_run(control_tx_db(tx), err,
	    "INSERT INTO session (token_sha256, id, user, created_unix_ms, last_seen_unix_ms, "
	    "expires_unix_ms, address, user_agent) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
	    "bttiiitt", (const void *)hash, sizeof(hash), s->id, s->user.name, s->created_unix_ms,
	    s->last_seen_unix_ms, s->expires_unix_ms, s->address, s->user_agent);
}

static int
open_session(struct control_tx *tx, void *ctx, struct bl_err *err)
{
	const struct opening *o = ctx;
	char subject[AUTH_NAME_MAX + 8], encoded[AUTH_ENCODED_SIZE];
	int rc;

	/*
	 * Looked at again: during the work the user may have been disabled or
	 * deleted, or a new password may have ended all sessions of the old one.
	 */
	rc = auth_user_load(control_tx_db(tx), o->try->user, &o->out->session.user, encoded, err);
	if (rc != AUTH_DONE || o->out->session.user.disabled || strcmp(encoded, o->verified) != 0)
		return rc < 0 ? rc : AUTH_REFUSED;
	if ((rc = clear_old(tx, o, err)) < 0 || (rc = insert_session(tx, o, err)) < 0 ||
	    (rc = remember_browser(tx, o, err)) < 0)
		return rc;
	(void)snprintf(subject, sizeof(subject), "user/%s", o->try->user);
	return control_audit(tx, "session.create", subject, NULL, NULL, err);
}

int
auth_sign_in(
    struct auth *a, const struct auth_attempt *try, struct auth_ticket *out, struct bl_err *err)
{
	const struct control_actor who = { try->user, try->address };
	char encoded[AUTH_ENCODED_SIZE];
	struct opening o = { .a = a, .try = try, .verified = encoded, .out = out };
	struct limit_keys k;
	int64_t wait;
	int rc, found;

	memset(out, 0, sizeof(*out));
	if (!auth_name_valid(try->user) || strlen(try->password) > AUTH_PASSWORD_MAX)
		return AUTH_REFUSED; /* cannot exist: telling so early tells nothing */
	if ((found = look_up(a, try, encoded, &k, err)) < 0)
		return found;
	if ((wait = limits_take(a, &k, try->address)) != 0) {
		out->retry_after_s = seconds_up(wait);
		return AUTH_LIMITED;
	}
	if ((rc = auth_password_verify(a, encoded, try->password, err)) < 0)
		return rc;
	if (rc == AUTH_DONE)
		rc = found; /* the dummy's password lets nobody in */
	if (rc == AUTH_DONE) {
		o.known_browser = k.browser != 0;
		rc = control_write(a->control, &who, open_session, &o, err);
	}
	limits_settle(a, &k, rc);
	if (rc != AUTH_DONE)
		memset(out, 0, sizeof(*out));
	return rc;
}

int
auth_password_change(struct auth *a, const struct control_actor *who, const struct auth_session *s,
    const char *old_password, const char *new_password, int64_t *retry_after_s, struct bl_err *err)
{
	const struct auth_user_edit e = { .password = new_password };
	const struct auth_attempt try = { .user = s->user.name, .address = s->address };
	/* Its own bucket: who has got hold of a session must not guess through here. */
	struct limit_keys k = { .browser = key_of(a, s->user.name, "password change") };
	struct limit_keys unused;
	char encoded[AUTH_ENCODED_SIZE];
	struct auth_user user;
	int64_t wait;
	int rc;

	*retry_after_s = 0;
	if (strlen(old_password) > AUTH_PASSWORD_MAX)
		return AUTH_REFUSED;
	if ((rc = look_up(a, &try, encoded, &unused, err)) != AUTH_DONE)
		return rc;
	if ((wait = limits_take(a, &k, s->address)) != 0) {
		*retry_after_s = seconds_up(wait);
		return AUTH_LIMITED;
	}
	if ((rc = auth_password_verify(a, encoded, old_password, err)) != AUTH_DONE)
		return rc;
	return auth_user_change(a, who, s->user.name, 0, &e, s->id, &user, err);
}

void
auth_counters(struct auth *a, struct auth_counters *out)
{
	pthread_mutex_lock(&a->lock);
	*out = a->counters;
	pthread_mutex_unlock(&a->lock);
}
