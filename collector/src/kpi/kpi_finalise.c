/* Cells that have waited long enough, and the list of what changed. */
#include "kpi_internal.h"

#include <stdlib.h>
#include <string.h>

#include "control_sql.h"

void
kpi_changes_free(struct kpi_changes *l)
{
	free(l->c);
	memset(l, 0, sizeof(*l));
}

int
kpi_changes_add(struct kpi_changes *l, const struct kpi_key *k, struct bl_err *err)
{
	struct kpi_change *c;

	if (l->n == l->size) {
		const size_t size = l->size == 0 ? 32 : l->size * 2;

		if ((c = realloc(l->c, size * sizeof(*c))) == NULL)
			return bl_fail(err, BL_ENOMEM, "kpi: out of memory");
		l->c = c;
		l->size = size;
	}
	c = &l->c[l->n++];
	memset(c, 0, sizeof(*c));
	memcpy(c->kpi, k->kpi, strnlen(k->kpi, sizeof(c->kpi) - 1));
	memcpy(c->site, k->site, strnlen(k->site, sizeof(c->site) - 1));
	c->window = k->window;
	c->begin_unix_ms = k->begin;
	c->end_unix_ms = k->end;
	return BL_OK;
}

/* Found first, changed after: the index that they are found by changes with them. */
static int
find_due_cells(
    sqlite3 *db, int64_t before, size_t limit, struct kpi_changes *out, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc = control_sql_prepare(&st, db, err,
	    "SELECT kpi, site, window, begin_unix_ms, end_unix_ms FROM kpi_cell"
	    " WHERE state = 0 AND end_unix_ms <= ?"
	    " ORDER BY end_unix_ms, kpi, window, site, begin_unix_ms LIMIT ?",
	    "ii", before, (int64_t)limit);

	while (rc >= 0 && (rc = control_sql_step(st, err)) == 1) {
		const struct kpi_key k = { (const char *)sqlite3_column_text(st, 0),
			(const char *)sqlite3_column_text(st, 1),
			(enum bl_window)sqlite3_column_int(st, 2), sqlite3_column_int64(st, 3),
			sqlite3_column_int64(st, 4) };

		rc = k.kpi != NULL && k.site != NULL
			 ? kpi_changes_add(out, &k, err)
			 : bl_fail(err, BL_ENOMEM, "kpi: out of memory");
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc;
}

int
kpi_finalise(struct sqlite3 *db, int64_t now_unix_ms, int64_t after_ms, size_t limit,
    struct kpi_changes *out, struct bl_err *err)
{
	const size_t first = out->n;
	int rc = find_due_cells(db, now_unix_ms - after_ms, limit, out, err);

	for (size_t i = first; rc >= 0 && i < out->n; i++)
		rc = control_sql_run(db, err,
		    "UPDATE kpi_cell SET state = ?, known_unix_ms = ?"
		    " WHERE kpi = ? AND window = ? AND site = ? AND begin_unix_ms = ?",
		    "iititi", (int64_t)KPI_FINAL_INCOMPLETE, now_unix_ms, out->c[i].kpi,
		    (int64_t)out->c[i].window, out->c[i].site, out->c[i].begin_unix_ms);
	return rc < 0 ? rc : (int)(out->n - first);
}
