/* Users: reading and changing.  Hashing happens before the change, outside of its lock. */
#include "auth_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "control_sql.h"
#include "jsonw.h"

#define USER_COLUMNS                                                                               \
	"name, display_name, role, language, disabled, created_unix_ms, version, password_hash"

static const char *const role_names[AUTH_ROLES] = {
	[AUTH_VIEWER] = "viewer",
	[AUTH_OPERATOR] = "operator",
	[AUTH_ADMINISTRATOR] = "administrator",
};

const char *
auth_role_name(enum auth_role role)
{
	return (unsigned)role < AUTH_ROLES ? role_names[role] : role_names[AUTH_VIEWER];
}

bool
auth_role_parse(const char *name, enum auth_role *out)
{
	for (unsigned i = 0; i < AUTH_ROLES; i++)
		if (strcmp(name, role_names[i]) == 0) {
			*out = (enum auth_role)i;
			return true;
		}
	*out = AUTH_VIEWER;
	return false;
}

bool
auth_name_valid(const char *name)
{
	const size_t len = strlen(name);

	if (len == 0 || len > AUTH_NAME_MAX)
		return false;
	if (strchr("._@-", name[0]) != NULL)
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._@-") == len;
}

static void
read_user(sqlite3_stmt *st, struct auth_user *u)
{
	char role[16];

	memset(u, 0, sizeof(*u));
	control_sql_text(st, 0, u->name, sizeof(u->name));
	control_sql_text(st, 1, u->display_name, sizeof(u->display_name));
	control_sql_text(st, 2, role, sizeof(role));
	(void)auth_role_parse(role, &u->role); /* what is not known may the least */
	control_sql_text(st, 3, u->language, sizeof(u->language));
	u->disabled = sqlite3_column_int(st, 4) != 0;
	u->created_unix_ms = sqlite3_column_int64(st, 5);
	u->version = sqlite3_column_int64(st, 6);
}

int
auth_user_load(struct sqlite3 *db, const char *name, struct auth_user *out,
    char encoded[AUTH_ENCODED_SIZE], struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	rc = control_sql_prepare(
	    &st, db, err, "SELECT " USER_COLUMNS " FROM user WHERE name = ?", "t", name);
	if (rc < 0)
		return rc;
	if ((rc = control_sql_step(st, err)) == 1) {
		read_user(st, out);
		control_sql_text(st, 7, encoded, AUTH_ENCODED_SIZE);
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	if (rc < 0)
		return rc;
	return rc == 1 ? AUTH_DONE : AUTH_NO_SUCH;
}

int
auth_user_get(struct sqlite3 *db, const char *name, struct auth_user *out, struct bl_err *err)
{
	char encoded[AUTH_ENCODED_SIZE];

	return auth_user_load(db, name, out, encoded, err);
}

int
auth_user_each(
    struct sqlite3 *db, const char *after, auth_user_cb cb, void *ctx, struct bl_err *err)
{
	struct auth_user u;
	sqlite3_stmt *st;
	int rc;

	rc = control_sql_prepare(&st, db, err,
	    "SELECT " USER_COLUMNS " FROM user WHERE name > ? ORDER BY name", "t",
	    after != NULL ? after : "");
	if (rc < 0)
		return rc;
	while ((rc = control_sql_step(st, err)) == 1) {
		read_user(st, &u);
		if (!cb(&u, ctx))
			break;
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc < 0 ? rc : BL_OK;
}

int
auth_user_count(struct sqlite3 *db, int64_t *out, struct bl_err *err)
{
	return control_sql_int(db, err, 0, out, "SELECT count(*) FROM user", "");
}

/* ---- changes ----------------------------------------------------------- */

struct user_change {
	const char *name;
	int64_t expect_version;
	const struct auth_user_edit *e;
	const char *encoded; /* of the new password, or NULL */
	const char *keep_session;
	struct auth_user *out;
};

static const char *
user_text(struct jsonw *w, const struct auth_user *u)
{
	jsonw_init(w, 2048);
	jsonw_object(w, NULL);
	jsonw_str(w, "name", u->name);
	jsonw_str(w, "display_name", u->display_name);
	jsonw_str(w, "role", auth_role_name(u->role));
	jsonw_str(w, "language", u->language);
	jsonw_bool(w, "disabled", u->disabled);
	jsonw_int(w, "version", u->version);
	jsonw_object_end(w);
	return jsonw_text(w, NULL);
}

static int
audit(struct control_tx *tx, const char *action, const struct auth_user *before,
    const struct auth_user *after, struct bl_err *err)
{
	struct jsonw b = { 0 }, w = { 0 };
	char subject[AUTH_NAME_MAX + 8];
	int rc;

	(void)snprintf(
	    subject, sizeof(subject), "user/%s", after != NULL ? after->name : before->name);
	rc = control_audit(tx, action, subject, before != NULL ? user_text(&b, before) : NULL,
	    after != NULL ? user_text(&w, after) : NULL, err);
	jsonw_free(&b);
	jsonw_free(&w);
	return rc;
}

static void
apply(struct auth_user *u, const struct auth_user_edit *e)
{
	if (e->display_name != NULL)
		(void)snprintf(u->display_name, sizeof(u->display_name), "%s", e->display_name);
	if (e->language != NULL)
		(void)snprintf(u->language, sizeof(u->language), "%s", e->language);
	if (e->has_role)
		u->role = e->role;
	if (e->has_disabled)
		u->disabled = e->disabled;
}

static int
create(struct control_tx *tx, void *ctx, struct bl_err *err)
{
	const struct user_change *ch = ctx;
	struct sqlite3 *db = control_tx_db(tx);
	struct auth_user u = { .language = "zh-CN", .version = 1 };
	int64_t n;
	int rc;

	if ((rc = auth_user_count(db, &n, err)) < 0)
		return rc;
	if (n >= AUTH_USERS_MAX)
		return AUTH_TOO_MANY;
	if ((rc = auth_user_get(db, ch->name, &u, err)) != AUTH_NO_SUCH)
		return rc < 0 ? rc : AUTH_EXISTS;
	(void)snprintf(u.name, sizeof(u.name), "%s", ch->name);
	(void)snprintf(u.display_name, sizeof(u.display_name), "%s", ch->name);
	u.created_unix_ms = control_tx_unix_ms(tx);
	apply(&u, ch->e);
	rc = control_sql_run(db, err,
	    "INSERT INTO user (name, display_name, role, language, disabled, password_hash, "
	    "created_unix_ms, version) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
	    "ttttitii", u.name, u.display_name, auth_role_name(u.role), u.language,
	    (int64_t)u.disabled, ch->encoded, u.created_unix_ms, u.version);
	if (rc < 0)
		return rc;
	*ch->out = u;
	return audit(tx, "user.create", NULL, &u, err);
}

/* AUTH_LAST_ADMIN when nobody but this one may administrate. */
static int
others_remain(struct sqlite3 *db, const char *name, struct bl_err *err)
{
	int64_t n;
	const int rc = control_sql_int(db, err, 0, &n,
	    "SELECT count(*) FROM user WHERE role = 'administrator' AND disabled = 0 AND name <> ?",
	    "t", name);

	if (rc < 0)
		return rc;
	return n > 0 ? AUTH_DONE : AUTH_LAST_ADMIN;
}

static bool
administrates(const struct auth_user *u)
{
	return u->role == AUTH_ADMINISTRATOR && !u->disabled;
}

static int
change(struct control_tx *tx, void *ctx, struct bl_err *err)
{
	const struct user_change *ch = ctx;
	struct sqlite3 *db = control_tx_db(tx);
	char encoded[AUTH_ENCODED_SIZE];
	struct auth_user before, after;
	int rc;

	if ((rc = auth_user_load(db, ch->name, &before, encoded, err)) != AUTH_DONE)
		return rc;
	if (ch->expect_version != 0 && ch->expect_version != before.version)
		return AUTH_STALE;
	after = before;
	apply(&after, ch->e);
	after.version++;
	if (administrates(&before) && !administrates(&after) &&
	    (rc = others_remain(db, ch->name, err)) != AUTH_DONE)
		return rc;
	rc = control_sql_run(db, err,
	    "UPDATE user SET display_name = ?, role = ?, language = ?, disabled = ?, "
	    "password_hash = ?, version = ? WHERE name = ?",
	    "tttitit", after.display_name, auth_role_name(after.role), after.language,
	    (int64_t)after.disabled, ch->encoded != NULL ? ch->encoded : encoded, after.version,
	    ch->name);
	if (rc == BL_OK &&
	    (ch->encoded != NULL || after.role != before.role || after.disabled != before.disabled))
		rc = auth_sessions_end(tx, ch->name, ch->keep_session, err);
	if (rc == BL_OK &&
	    ch->encoded != NULL) /* what was known under the old one is not any more */
		rc = control_sql_run(
		    db, err, "DELETE FROM known_browser WHERE user = ?", "t", ch->name);
	if (rc < 0)
		return rc;
	*ch->out = after;
	return audit(
	    tx, ch->encoded != NULL ? "user.password" : "user.change", &before, &after, err);
}

static int
remove_user(struct control_tx *tx, void *ctx, struct bl_err *err)
{
	const struct user_change *ch = ctx;
	struct sqlite3 *db = control_tx_db(tx);
	struct auth_user u;
	int rc;

	if ((rc = auth_user_get(db, ch->name, &u, err)) != AUTH_DONE)
		return rc;
	if (ch->expect_version != 0 && ch->expect_version != u.version)
		return AUTH_STALE;
	if (administrates(&u) && (rc = others_remain(db, ch->name, err)) != AUTH_DONE)
		return rc;
	if ((rc = control_sql_run(db, err, "DELETE FROM user WHERE name = ?", "t", ch->name)) < 0)
		return rc;
	return audit(tx, "user.delete", &u, NULL, err);
}

static int
check_edit(const char *name, const struct auth_user_edit *e, struct bl_err *err)
{
	const char *problem;

	if (e->language != NULL && strcmp(e->language, "zh-CN") != 0 &&
	    strcmp(e->language, "en") != 0)
		return bl_fail(err, BL_EINVAL, "user %s: the language is zh-CN or en", name);
	if (e->password != NULL && (problem = auth_password_problem(name, e->password)) != NULL)
		return bl_fail(err, BL_EINVAL, "user %s: the password has to be %s", name, problem);
	return BL_OK;
}

int
auth_user_create(struct auth *a, const struct control_actor *who, const char *name,
    const struct auth_user_edit *e, struct auth_user *out, char *made, struct bl_err *err)
{
	char encoded[AUTH_ENCODED_SIZE];
	struct user_change ch = { .name = name, .e = e, .encoded = encoded, .out = out };
	int rc;

	made[0] = '\0';
	if (!auth_name_valid(name))
		return bl_fail(err, BL_EINVAL, "new user: not a valid name");
	if ((rc = check_edit(name, e, err)) < 0)
		return rc;
	if (e->password == NULL)
		auth_password_make(a->clock, made);
	rc = auth_password_hash(a, e->password != NULL ? e->password : made, encoded, err);
	if (rc < 0)
		return rc;
	rc = control_write(a->control, who, create, &ch, err);
	if (rc != AUTH_DONE)
		memset(made, 0, strlen(made));
	return rc;
}

int
auth_user_change(struct auth *a, const struct control_actor *who, const char *name,
    int64_t expect_version, const struct auth_user_edit *e, const char *keep_session,
    struct auth_user *out, struct bl_err *err)
{
	char encoded[AUTH_ENCODED_SIZE];
	struct user_change ch = {
		.name = name,
		.expect_version = expect_version,
		.e = e,
		.keep_session = keep_session,
		.out = out,
	};
	int rc;

	if ((rc = check_edit(name, e, err)) < 0)
		return rc;
	if (e->password != NULL) {
		if ((rc = auth_password_hash(a, e->password, encoded, err)) < 0)
			return rc;
		ch.encoded = encoded;
	}
	return control_write(a->control, who, change, &ch, err);
}

int
auth_user_delete(struct auth *a, const struct control_actor *who, const char *name,
    int64_t expect_version, struct bl_err *err)
{
	struct user_change ch = { .name = name, .expect_version = expect_version };

	return control_write(a->control, who, remove_user, &ch, err);
}
