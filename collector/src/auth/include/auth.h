/*
 * Who may come in: users, passwords (argon2id), sessions, and limits on guessing.
 *
 * Tokens are 256 random bits; only their SHA-256 is stored.  A try costs the
 * same work whether the user exists, is disabled or is refused for its
 * password; how many are worked on at all is bounded by token buckets (auth_bucket.h).
 * Functions with a struct sqlite3 read from a lent read-only connection.  Any thread.
 */
#ifndef AUTH_H
#define AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/clock.h"
#include "branchline/err.h"
#include "control.h"

#define AUTH_NAME_MAX          63
#define AUTH_DISPLAY_MAX       128
#define AUTH_PASSWORD_MIN      10  /* characters */
#define AUTH_PASSWORD_MAX      256 /* bytes */
#define AUTH_TOKEN_SIZE        65  /* 64 hexadecimal digits and a NUL */
#define AUTH_SESSION_ID_SIZE   33
#define AUTH_IDLE_MS           (12 * 3600 * INT64_C(1000))
#define AUTH_ABSOLUTE_MS       (7 * 86400 * INT64_C(1000))
#define AUTH_BROWSER_MS        (180 * 86400 * INT64_C(1000))
#define AUTH_SESSIONS_PER_USER 20 /* the oldest makes room */
#define AUTH_USERS_MAX         1000

struct sqlite3;
struct auth;

/* Each may what the one before may, and more. */
enum auth_role { AUTH_VIEWER = 0, AUTH_OPERATOR, AUTH_ADMINISTRATOR, AUTH_ROLES };

const char *auth_role_name(enum auth_role role); /* "viewer", "operator", "administrator" */
/* False: no such role; *out is then AUTH_VIEWER, which may the least. */
bool auth_role_parse(const char *name, enum auth_role *out);

struct auth_user {
	char name[AUTH_NAME_MAX + 1];
	char display_name[AUTH_DISPLAY_MAX + 1];
	char language[8]; /* "zh-CN", "en" */
	enum auth_role role;
	bool disabled;
	int64_t created_unix_ms;
	int64_t version;
};

struct auth_session {
	char id[AUTH_SESSION_ID_SIZE]; /* names it in lists; opens nothing */
	struct auth_user user;
	int64_t created_unix_ms;
	int64_t last_seen_unix_ms;
	int64_t expires_unix_ms; /* the earlier of idle and absolute end, as of now */
	char address[64];
	char user_agent[201];
};

struct auth_opts {
	struct control *control;      /* keeps */
	const struct bl_clock *clock; /* keeps */
	uint32_t memory_kib;          /* 0: 19456 (19 MiB) */
	uint32_t passes;              /* 0: 2 */
};

/* Takes as long as one password: it makes the hash that unknown users are tried against. */
int auth_open(struct auth **out, const struct auth_opts *opts, struct bl_err *err);
void auth_close(struct auth *a);

enum auth_outcome {
	AUTH_DONE = 0,
	AUTH_REFUSED,    /* wrong user or password, no such session: no more is told */
	AUTH_LIMITED,    /* too many tries: nothing was looked at */
	AUTH_NO_SUCH,    /* no such user or session */
	AUTH_EXISTS,     /* the name is taken */
	AUTH_STALE,      /* another version than expected */
	AUTH_LAST_ADMIN, /* nobody would be left to administrate */
	AUTH_TOO_MANY,   /* AUTH_USERS_MAX */
};

/* ---- signing in -------------------------------------------------------- */

struct auth_attempt {
	const char *user;
	const char *password;
	const char *address;    /* of the peer */
	const char *user_agent; /* for the list of sessions; cut */
	const char *browser;    /* the known-browser token it sent, or NULL */
	const char *old_token;  /* a session it brought along, which ends; or NULL */
};

struct auth_ticket {
	char token[AUTH_TOKEN_SIZE];
	char browser[AUTH_TOKEN_SIZE]; /* to keep for the next time; "" when the old one goes on */
	struct auth_session session;
	int64_t retry_after_s; /* AUTH_LIMITED */
};

/*
 * AUTH_DONE, AUTH_REFUSED, AUTH_LIMITED, or negative (BL_EBUSY: too many at
 * once).  Takes some 50 ms of a core; holds no lock meanwhile.
 */
int auth_sign_in(
    struct auth *a, const struct auth_attempt *try, struct auth_ticket *out, struct bl_err *err);

/* AUTH_DONE or AUTH_REFUSED (unknown, expired, user disabled), or negative. */
int auth_session_find(struct auth *a, struct sqlite3 *db, const char *token,
    struct auth_session *out, struct bl_err *err);
/* Notes that a session is in use, once a minute at most; a busy writer is no failure. */
void auth_session_seen(struct auth *a, const struct auth_session *s);

typedef bool (*auth_session_cb)(const struct auth_session *s, void *ctx);
/* Sessions of one user that still hold, newest first. */
int auth_session_each(struct auth *a, struct sqlite3 *db, const char *user, auth_session_cb cb,
    void *ctx, struct bl_err *err);
/* AUTH_DONE or AUTH_NO_SUCH. */
int auth_session_revoke(struct auth *a, const struct control_actor *who, const char *user,
    const char *session_id, struct bl_err *err);

/* ---- users ------------------------------------------------------------- */

typedef bool (*auth_user_cb)(const struct auth_user *u, void *ctx);
int auth_user_each(
    struct sqlite3 *db, const char *after, auth_user_cb cb, void *ctx, struct bl_err *err);
/* AUTH_DONE or AUTH_NO_SUCH. */
int auth_user_get(struct sqlite3 *db, const char *name, struct auth_user *out, struct bl_err *err);
int auth_user_count(struct sqlite3 *db, int64_t *out, struct bl_err *err);

/* What to set; NULL or has_* false: leave as it is. */
struct auth_user_edit {
	const char *display_name;
	const char *language;
	const char *password;
	bool has_role;
	enum auth_role role;
	bool has_disabled, disabled;
};

/* password NULL: made here and written to made (at least 32 bytes). */
int auth_user_create(struct auth *a, const struct control_actor *who, const char *name,
    const struct auth_user_edit *e, struct auth_user *out, char *made, struct bl_err *err);
/*
 * expect_version 0: any.  A new password, role or disabling ends the user's
 * sessions, except keep_session (an id; NULL: none).
 */
int auth_user_change(struct auth *a, const struct control_actor *who, const char *name,
    int64_t expect_version, const struct auth_user_edit *e, const char *keep_session,
    struct auth_user *out, struct bl_err *err);
int auth_user_delete(struct auth *a, const struct control_actor *who, const char *name,
    int64_t expect_version, struct bl_err *err);
/*
 * The user's own change.  AUTH_REFUSED: the old one is wrong.  AUTH_LIMITED
 * with *retry_after_s: tried too often.
 */
int auth_password_change(struct auth *a, const struct control_actor *who,
    const struct auth_session *s, const char *old_password, const char *new_password,
    int64_t *retry_after_s, struct bl_err *err);

/* ---- pure -------------------------------------------------------------- */

/* [a-z0-9][a-z0-9._@-]{0,62} */
bool auth_name_valid(const char *name);
/* NULL, or what a password has to be ("at least 10 characters"). */
const char *auth_password_problem(const char *user, const char *password);

/* ---- figures ----------------------------------------------------------- */

struct auth_counters {
	uint64_t signed_in;
	uint64_t refused; /* worked on, and wrong */
	uint64_t limited; /* not worked on */
	uint64_t busy;
};
void auth_counters(struct auth *a, struct auth_counters *out);

#endif
