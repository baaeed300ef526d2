/*
 * Series: a row for each of a device, and what they say of themselves once for all.
 *
 * Of a device one row has a name and labels; its unit, kind, stream and interval are the
 * newest that were announced.  So a definition is found by all that it says, a row by
 * the definitions that have its name and labels, of which there are few.  A definition
 * that no row has any more goes, so that there are never more of them than rows.
 *
 * A row's sum names its id, which has to be known before: the highest ones are kept.
 */
#include "store_internal.h"

static int
next_id(struct store *s, enum store_sql which, int64_t *last, int64_t *id, struct bl_err *err)
{
	if (*last < 0) {
		sqlite3_stmt *st = store_bind(s, which, err, "");
		const int rc = store_step(s, st, err);

		if (rc < 0)
			return rc;
		*last = rc == 1 ? sqlite3_column_int64(st, 0) : 0;
		(void)sqlite3_reset(st);
	}
	*id = ++*last;
	return BL_OK;
}

/* The definition that says just this, made when there is none. */
static int
def_of(struct store *s, const struct series_text *t, int64_t *id, struct bl_err *err)
{
	sqlite3_stmt *st = store_bind(s, SQL_DEF_GET, err, "tttiii", t->name, t->labels, t->unit,
	    t->kind, t->stream, t->interval_ms);
	int rc = store_step(s, st, err);

	if (rc == 1) {
		*id = sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
	}
	if (rc != 0)
		return rc < 0 ? rc : BL_OK;
	rc = next_id(s, SQL_DEF_LAST, &s->def_last, id, err);
	return rc < 0 ? rc
		      : store_run(s, SQL_DEF_ADD, err, "itttiii", *id, t->name, t->labels, t->unit,
			    t->kind, t->stream, t->interval_ms);
}

/* 1: it is there. */
static int
find(struct store *s, int64_t device_id, const struct series_text *t, int64_t *id, int64_t *def_id,
    struct bl_err *err)
{
	sqlite3_stmt *st = store_bind(s, SQL_SERIES_GET, err, "itt", device_id, t->name, t->labels);
	const int rc = store_step(s, st, err);

	*id = *def_id = 0;
	if (rc == 1) {
		*id = sqlite3_column_int64(st, 0);
		*def_id = sqlite3_column_int64(st, 1);
		(void)sqlite3_reset(st);
	}
	return rc;
}

int
store_series_find(struct store *s, int64_t device_id, const struct series_text *t, int64_t *id,
    struct bl_err *err)
{
	int64_t def_id;
	const int rc = find(s, device_id, t, id, &def_id, err);

	return rc < 0 ? rc : BL_OK;
}

int
store_series_set(struct store *s, int64_t device_id, const struct series_text *t, int64_t *id,
    struct bl_err *err)
{
	int64_t before, def_id;
	int rc = find(s, device_id, t, id, &before, err);

	if (rc != 1 || (rc = def_of(s, t, &def_id, err)) < 0 || def_id == before)
		return rc < 0 ? rc : BL_OK;
	if ((rc = store_run(s, SQL_SERIES_SET, err, "iii", *id, device_id, def_id)) < 0)
		return rc;
	return store_run(s, SQL_DEF_UNUSED, err, "i", before);
}

int
store_series_add(struct store *s, int64_t device_id, const struct series_text *t, int64_t *id,
    struct bl_err *err)
{
	int64_t def_id;
	int rc;

	if ((rc = def_of(s, t, &def_id, err)) < 0 ||
	    (rc = next_id(s, SQL_SERIES_LAST, &s->series_last, id, err)) < 0)
		return rc;
	return store_run(s, SQL_SERIES_ADD, err, "iii", *id, device_id, def_id);
}
