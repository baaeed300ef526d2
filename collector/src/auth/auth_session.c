/* Sessions: tokens, finding, listing, ending.  The token itself is never stored. */
#include "auth_internal.h"

#include <stdio.h>
#include <string.h>

#include <mbedtls/sha256.h>

#include "branchline/log.h"

#include "control_sql.h"

#define SEEN_EVERY_MS 60000 /* one write a minute and session; the idle limit is 12 h */

void
auth_token_make(const struct bl_clock *clock, char out[AUTH_TOKEN_SIZE])
{
	struct bl_id half;

	clock->random(clock->ctx, half.b, sizeof(half.b));
	bl_id_hex(&half, out);
	clock->random(clock->ctx, half.b, sizeof(half.b));
	bl_id_hex(&half, out + 2 * BL_ID_BYTES);
}

bool
auth_token_hash(const char *token, uint8_t out[AUTH_HASH_BYTES])
{
	const size_t len = strlen(token);

	return len == AUTH_TOKEN_SIZE - 1 && strspn(token, "0123456789abcdef") == len &&
	       mbedtls_sha256_ret((const unsigned char *)token, len, out, 0) == 0;
}

#define SESSION_COLUMNS                                                                            \
	"s.id, s.created_unix_ms, s.last_seen_unix_ms, s.expires_unix_ms, s.address, "             \
	"s.user_agent, u.name, u.display_name, u.role, u.language, u.disabled, "                   \
	"u.created_unix_ms, u.version FROM session s JOIN user u ON u.name = s.user "

static void
read_session(sqlite3_stmt *st, struct auth_session *s)
{
	char role[16];

	memset(s, 0, sizeof(*s));
	control_sql_text(st, 0, s->id, sizeof(s->id));
	s->created_unix_ms = sqlite3_column_int64(st, 1);
	s->last_seen_unix_ms = sqlite3_column_int64(st, 2);
	s->expires_unix_ms = sqlite3_column_int64(st, 3);
	control_sql_text(st, 4, s->address, sizeof(s->address));
	control_sql_text(st, 5, s->user_agent, sizeof(s->user_agent));
	control_sql_text(st, 6, s->user.name, sizeof(s->user.name));
	control_sql_text(st, 7, s->user.display_name, sizeof(s->user.display_name));
	control_sql_text(st, 8, role, sizeof(role));
	(void)auth_role_parse(role, &s->user.role); /* what is not known may the least */
	control_sql_text(st, 9, s->user.language, sizeof(s->user.language));
	s->user.disabled = sqlite3_column_int(st, 10) != 0;
	s->user.created_unix_ms = sqlite3_column_int64(st, 11);
	s->user.version = sqlite3_column_int64(st, 12);
	if (s->expires_unix_ms > s->last_seen_unix_ms + AUTH_IDLE_MS)
		s->expires_unix_ms = s->last_seen_unix_ms + AUTH_IDLE_MS;
}

int
auth_session_find(struct auth *a, struct sqlite3 *db, const char *token, struct auth_session *out,
    struct bl_err *err)
{
	uint8_t hash[AUTH_HASH_BYTES];
	sqlite3_stmt *st;
	int rc;

	if (!auth_token_hash(token, hash))
		return AUTH_REFUSED;
	/* Found by its hash: comparing takes the same time for every wrong token. */
	rc = control_sql_prepare(&st, db, err, "SELECT " SESSION_COLUMNS "WHERE token_sha256 = ?",
	    "b", (const void *)hash, sizeof(hash));
	if (rc < 0)
		return rc;
	if ((rc = control_sql_step(st, err)) == 1)
		read_session(st, out);
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	if (rc < 0)
		return rc;
	if (rc == 0 || out->user.disabled || out->expires_unix_ms <= bl_unix_ms(a->clock))
		return AUTH_REFUSED;
	return AUTH_DONE;
}

static int
note_seen(struct control_tx *tx, void *ctx, struct bl_err *err)
{
	const struct auth_session *s = ctx;

	control_tx_unaudited(tx);
	return control_sql_run(control_tx_db(tx), err,
	    "UPDATE session SET last_seen_unix_ms = ? WHERE id = ?", "it", control_tx_unix_ms(tx),
	    s->id);
}

void
auth_session_seen(struct auth *a, const struct auth_session *s)
{
	static const struct control_actor who = { "system", "" };
	struct auth_session copy = *s;
	struct bl_err err = { 0 };

	if (bl_unix_ms(a->clock) - s->last_seen_unix_ms < SEEN_EVERY_MS)
		return;
	if (control_write(a->control, &who, note_seen, &copy, &err) < 0)
		bl_warn("auth", "cannot note that a session is in use: %s", err.msg);
}

int
auth_session_each(struct auth *a, struct sqlite3 *db, const char *user, auth_session_cb cb,
    void *ctx, struct bl_err *err)
{
	const int64_t now = bl_unix_ms(a->clock);
	struct auth_session s;
	sqlite3_stmt *st;
	int rc;

	rc = control_sql_prepare(&st, db, err,
	    "SELECT " SESSION_COLUMNS "WHERE s.user = ? ORDER BY s.created_unix_ms DESC, s.id", "t",
	    user);
	if (rc < 0)
		return rc;
	while ((rc = control_sql_step(st, err)) == 1) {
		read_session(st, &s);
		if (s.expires_unix_ms > now && !cb(&s, ctx))
			break;
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc < 0 ? rc : BL_OK;
}

struct revocation {
	const char *user, *id;
};

static int
revoke(struct control_tx *tx, void *ctx, struct bl_err *err)
{
	const struct revocation *r = ctx;
	struct sqlite3 *db = control_tx_db(tx);
	char subject[AUTH_NAME_MAX + 8];
	int64_t n;
	int rc;

	rc = control_sql_int(db, err, 0, &n,
	    "SELECT count(*) FROM session WHERE id = ? AND user = ?", "tt", r->id, r->user);
	if (rc < 0)
		return rc;
	if (n == 0)
		return AUTH_NO_SUCH;
	if ((rc = control_sql_run(db, err, "DELETE FROM session WHERE id = ?", "t", r->id)) < 0)
		return rc;
	(void)snprintf(subject, sizeof(subject), "user/%s", r->user);
	return control_audit(tx, "session.revoke", subject, NULL, NULL, err);
}

int
auth_session_revoke(struct auth *a, const struct control_actor *who, const char *user,
    const char *session_id, struct bl_err *err)
{
	struct revocation r = { user, session_id };

	return control_write(a->control, who, revoke, &r, err);
}

int
auth_sessions_end(
    struct control_tx *tx, const char *user, const char *keep_session, struct bl_err *err)
{
	return control_sql_run(control_tx_db(tx), err,
	    "DELETE FROM session WHERE user = ? AND id IS NOT ?", "tt", user, keep_session);
}
