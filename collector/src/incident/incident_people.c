/*
 * What people do to incidents: acknowledge, assign, resolve, comment.  One short
 * transaction each, with an entry and an audit entry.
 */
#include "incident_internal.h"

#include <stdio.h>
#include <string.h>

#define DETAIL_MAX 16384u

struct act {
	const struct control_actor *who;
	int64_t id, expect_version;
	const char *kind;   /* of the entry */
	const char *action; /* of the audit entry */
	const char *text;   /* a comment; NULL: none */
	const char *user;   /* ASSIGN; NULL: not that */
	struct control_tx *tx;
	sqlite3 *db;
	/* as it stands */
	enum incident_state state;
	char assignee[BL_ATTR_VALUE_MAX + 1];
	int64_t version;
};

/* ---- checks ---- */

static bool
take_state(void *ctx, const struct incident *i)
{
	struct act *a = ctx;

	a->state = i->state;
	a->version = i->version;
	(void)snprintf(a->assignee, sizeof(a->assignee), "%s", i->assignee);
	return false;
}

static int
check(struct act *a, struct bl_err *err)
{
	const int rc = incident_get(a->db, a->id, take_state, a, err);

	if (rc == BL_ENOTFOUND)
		return INCIDENT_NONE;
	if (rc < 0)
		return rc;
	if (a->expect_version != 0 && a->expect_version != a->version)
		return INCIDENT_STALE;
	return INCIDENT_DONE;
}

static int
check_user(struct act *a, struct bl_err *err)
{
	int64_t n;
	int rc;

	if (a->user == NULL || a->user[0] == '\0')
		return INCIDENT_DONE;
	rc = control_sql_int(a->db, err, 0, &n,
	    "SELECT count(*) FROM user WHERE name = ? AND disabled = 0", "t", a->user);
	return rc < 0 ? rc : n > 0 ? INCIDENT_DONE : INCIDENT_NOBODY;
}

static int
check_comments(struct act *a, struct bl_err *err)
{
	int64_t n;
	int rc;

	rc = control_sql_int(a->db, err, 0, &n,
	    "SELECT count(*) FROM incident_entry WHERE incident = ? AND actor <> 'system'", "i",
	    a->id);
	return rc < 0 ? rc : n < INCIDENT_COMMENTS_MAX ? INCIDENT_DONE : INCIDENT_FULL;
}

/* ---- entries ---- */

static void
write_state(struct jsonw *w, enum incident_state state, const char *assignee)
{
	jsonw_object(w, NULL);
	jsonw_str(w, "state", incident_state_name(state));
	jsonw_str(w, "assignee", assignee[0] != '\0' ? assignee : NULL);
}

static int
put_entry(struct act *a, struct bl_err *err)
{
	const char *text;
	struct jsonw w;
	size_t len;
	int rc;

	jsonw_init(&w, DETAIL_MAX);
	jsonw_object(&w, NULL);
	if (a->text != NULL)
		jsonw_str(&w, "text", a->text);
	if (a->user != NULL)
		jsonw_str(&w, "user", a->user[0] != '\0' ? a->user : NULL);
	jsonw_object_end(&w);
	if ((text = jsonw_text(&w, &len)) == NULL)
		rc =
		    bl_fail(err, BL_EFULL, "incident %lld: the text is too long", (long long)a->id);
	else
		rc = incident_put_entry(
		    a->db, a->id, control_tx_unix_ms(a->tx), a->who->name, a->kind, text, err);
	jsonw_free(&w);
	return rc;
}

/* The comment itself stands in its entry: the audit log says that there was one. */
static int
put_audit(struct act *a, enum incident_state state, const char *assignee, struct bl_err *err)
{
	const char *before, *after;
	struct jsonw was, is;
	char subject[48];
	size_t len;
	int rc;

	(void)snprintf(subject, sizeof(subject), "incident/%lld", (long long)a->id);
	jsonw_init(&was, DETAIL_MAX);
	write_state(&was, a->state, a->assignee);
	jsonw_object_end(&was);
	jsonw_init(&is, DETAIL_MAX);
	write_state(&is, state, assignee);
	jsonw_bool(&is, "comment", a->text != NULL);
	jsonw_object_end(&is);
	before = jsonw_text(&was, &len);
	after = jsonw_text(&is, &len);
	if (before == NULL || after == NULL)
		rc = bl_fail(err, BL_ENOMEM, "incident %lld: out of memory", (long long)a->id);
	else
		rc = control_audit(a->tx, a->action, subject, before, after, err);
	jsonw_free(&was);
	jsonw_free(&is);
	return rc;
}

/* ---- the change ---- */

static int
put_state(struct act *a, enum incident_state state, const char *assignee, struct bl_err *err)
{
	int rc;

	rc = control_sql_run(a->db, err,
	    "UPDATE incident SET state = ?, assignee = ?, changed_unix_ms = ?,"
	    " version = version + 1 WHERE id = ?",
	    "ttii", incident_state_name(state), assignee, control_tx_unix_ms(a->tx), a->id);
	if (rc < 0 || (rc = put_entry(a, err)) < 0)
		return rc;
	return put_audit(a, state, assignee, err);
}

static enum incident_state
state_after(const struct act *a)
{
	if (strcmp(a->kind, "resolved") == 0)
		return INCIDENT_RESOLVED;
	if (strcmp(a->kind, "acknowledged") == 0 && a->state == INCIDENT_STATE_OPEN)
		return INCIDENT_ACKNOWLEDGED;
	return a->state;
}

static int
act(struct control_tx *tx, void *ctx, struct bl_err *err)
{
	struct act *a = ctx;
	int rc;

	a->tx = tx;
	a->db = control_tx_db(tx);
	if ((rc = check(a, err)) != INCIDENT_DONE)
		return rc;
	/* A comment can be made on anything. */
	if (strcmp(a->kind, "commented") != 0 &&
	    (a->state == INCIDENT_WITHDRAWN || a->state == INCIDENT_MERGED))
		return INCIDENT_ENDED;
	if ((rc = check_user(a, err)) != INCIDENT_DONE ||
	    (rc = check_comments(a, err)) != INCIDENT_DONE)
		return rc;
	return put_state(a, state_after(a), a->user != NULL ? a->user : a->assignee, err);
}

static int
run(struct control *c, struct act *a, struct bl_err *err)
{
	if (a->text != NULL && strlen(a->text) > INCIDENT_COMMENT_MAX)
		return bl_fail(
		    err, BL_EINVAL, "a comment has at most %u bytes", INCIDENT_COMMENT_MAX);
	return control_write(c, a->who, act, a, err);
}

int
incident_acknowledge(struct control *c, const struct control_actor *who, int64_t id,
    int64_t expect_version, struct bl_err *err)
{
	struct act a = { .who = who,
		.id = id,
		.expect_version = expect_version,
		.kind = "acknowledged",
		.action = "incident.acknowledge" };

	return run(c, &a, err);
}

int
incident_assign(struct control *c, const struct control_actor *who, int64_t id,
    int64_t expect_version, const char *user, struct bl_err *err)
{
	struct act a = { .who = who,
		.id = id,
		.expect_version = expect_version,
		.kind = "assigned",
		.action = "incident.assign",
		.user = user };

	return run(c, &a, err);
}

int
incident_resolve(struct control *c, const struct control_actor *who, int64_t id,
    int64_t expect_version, const char *comment, struct bl_err *err)
{
	struct act a = { .who = who,
		.id = id,
		.expect_version = expect_version,
		.kind = "resolved",
		.action = "incident.resolve",
		.text = comment };

	return run(c, &a, err);
}

int
incident_comment(struct control *c, const struct control_actor *who, int64_t id, const char *text,
    struct bl_err *err)
{
	struct act a = { .who = who,
		.id = id,
		.kind = "commented",
		.action = "incident.comment",
		.text = text };

	return run(c, &a, err);
}
