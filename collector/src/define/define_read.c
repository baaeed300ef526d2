/* Stored versions as rows: for the API's lists and for those inside a change.  Any thread. */
#include "define_internal.h"

#include <stdio.h>
#include <string.h>

#include "control_sql.h"

/* A version with where the next one begins; whoever adds a WHERE names v and d. */
#define ROW_SELECT                                                                                 \
	"SELECT v.id, v.name, v.version, v.from_unix_ms, n.from_unix_ms, v.enabled, v.author, "    \
	"v.created_unix_ms, v.body, s.channel IS NOT NULL FROM definition d "                      \
	"JOIN definition_version v ON v.kind = d.kind AND v.id = d.id "                            \
	"LEFT JOIN definition_version n "                                                          \
	"ON n.kind = v.kind AND n.id = v.id AND n.version = v.version + 1 "                        \
	"LEFT JOIN channel_secret s ON v.kind = 'channel' AND s.channel = v.id "

void
define_row_head(struct sqlite3_stmt *st, struct define_head *out)
{
	memset(out, 0, sizeof(*out));
	control_sql_text(st, 0, out->id, sizeof(out->id));
	control_sql_text(st, 1, out->name, sizeof(out->name));
	out->version = sqlite3_column_int64(st, 2);
	out->from_unix_ms = sqlite3_column_int64(st, 3);
	out->until_unix_ms =
	    sqlite3_column_type(st, 4) == SQLITE_NULL ? INT64_MAX : sqlite3_column_int64(st, 4);
	out->enabled = sqlite3_column_int(st, 5) != 0;
	control_sql_text(st, 6, out->author, sizeof(out->author));
	out->created_unix_ms = sqlite3_column_int64(st, 7);
}

/* Finalises st.  *n: how many rows came. */
static int
run(sqlite3_stmt *st, enum define_kind kind, define_row_cb cb, void *ctx, size_t *n,
    struct bl_err *err)
{
	struct define_row row = { .kind = kind };
	int rc;

	*n = 0;
	while ((rc = control_sql_step(st, err)) == 1) {
		define_row_head(st, &row.head);
		row.body = (const char *)sqlite3_column_text(st, 8);
		row.has_secret = sqlite3_column_int(st, 9) != 0;
		if (row.body == NULL) { /* the column is NOT NULL: it is memory that is short */
			rc = bl_fail(err, BL_ENOMEM, "definition %s: out of memory", row.head.id);
			break;
		}
		++*n;
		if (!cb(ctx, &row))
			break;
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc < 0 ? rc : BL_OK;
}

int
define_each(struct sqlite3 *db, enum define_kind kind, const char *after, define_row_cb cb,
    void *ctx, struct bl_err *err)
{
	sqlite3_stmt *st;
	size_t n;
	int rc;

	rc = control_sql_prepare(&st, db, err,
	    ROW_SELECT "WHERE d.kind = ? AND d.id > ? AND v.version = d.version ORDER BY d.id",
	    "tt", define_kind_name(kind), after != NULL ? after : "");
	return rc < 0 ? rc : run(st, kind, cb, ctx, &n, err);
}

int
define_get(struct sqlite3 *db, enum define_kind kind, const char *id, int64_t version,
    define_row_cb cb, void *ctx, struct bl_err *err)
{
	sqlite3_stmt *st;
	size_t n;
	int rc;

	rc = control_sql_prepare(&st, db, err,
	    ROW_SELECT "WHERE d.kind = ?1 AND d.id = ?2 AND "
		       "v.version = CASE WHEN ?3 > 0 THEN ?3 ELSE d.version END",
	    "tti", define_kind_name(kind), id, version);
	if (rc < 0 || (rc = run(st, kind, cb, ctx, &n, err)) < 0)
		return rc;
	return n > 0 ? BL_OK : BL_ENOTFOUND;
}

int
define_history(struct sqlite3 *db, enum define_kind kind, const char *id, define_row_cb cb,
    void *ctx, struct bl_err *err)
{
	sqlite3_stmt *st;
	size_t n;
	int rc;

	rc = control_sql_prepare(&st, db, err,
	    ROW_SELECT "WHERE d.kind = ? AND d.id = ? ORDER BY v.version DESC", "tt",
	    define_kind_name(kind), id);
	if (rc < 0 || (rc = run(st, kind, cb, ctx, &n, err)) < 0)
		return rc;
	return n > 0 ? BL_OK : BL_ENOTFOUND;
}

struct loaded {
	struct define_head *head;
	json_t *body;
	int rc;
	struct bl_err *err;
};

static bool
take(void *ctx, const struct define_row *row)
{
	struct loaded *l = ctx;

	*l->head = row->head;
	l->rc =
	    bl_json_parse(&l->body, row->body, strlen(row->body), SIZE_MAX, row->head.id, l->err);
	return false;
}

int
define_row_load(struct sqlite3 *db, enum define_kind kind, const char *id, struct define_head *head,
    json_t **body, struct bl_err *err)
{
	struct loaded l = { .head = head, .err = err };
	int rc;

	*body = NULL;
	if ((rc = define_get(db, kind, id, 0, take, &l, err)) < 0)
		return rc;
	if (l.rc == BL_EINVAL)
		return bl_fail(err, BL_ECORRUPT, "%s %s: its stored text is no JSON",
		    define_kind_name(kind), id);
	*body = l.body;
	return l.rc;
}

int
define_versions(struct sqlite3 *db, int64_t *out, struct bl_err *err)
{
	return control_sql_int(db, err, 0, out, "SELECT count(*) FROM definition_version", "");
}
