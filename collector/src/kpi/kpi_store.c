/*
 * Parts into the database: the smallest as they were worked out, larger ones from
 * the device's parts one level below, then the cells of all windows touched.
 * Inside the evaluator's write transaction.
 *
 * Nothing is added to what stands there: each row is made anew and written only
 * when it differs, so that doing it twice writes nothing.
 */
#include "kpi_internal.h"

#include <stdlib.h>
#include <string.h>

#include "branchline/buf.h"

#define PART_BYTES_MAX (1u << 20)

/* A row of parts (device not NULL) or a cell that has to be looked at. */
struct touch {
	const char *kpi, *site, *device; /* borrowed from the work's entries */
	int code;
	int64_t begin, end;
};

struct touches {
	struct touch *t;
	size_t n, size;
};

struct store_job {
	struct kpi_work *w;
	const struct define_set *set;
	const struct roster *roster;
	struct kpi_merge *merge;
	struct bl_buf bytes;
	struct touches parts[2]; /* of the level at hand, of the one above */
	struct touches days;     /* of KPI_DAY_HOURS, until days are at hand */
	struct touches cells;
	struct bl_err *err;
};

static int
touch(struct store_job *j, struct touches *l, const struct touch *t)
{
	if (l->n == l->size) {
		const size_t size = l->size == 0 ? 64 : l->size * 2;
		struct touch *more = realloc(l->t, size * sizeof(*more));

		if (more == NULL)
			return bl_fail(j->err, BL_ENOMEM, "kpi: out of memory");
		l->t = more;
		l->size = size;
	}
	l->t[l->n++] = *t;
	return BL_OK;
}

static int
cmp_i64(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static int
by_key(const void *a, const void *b)
{
	const struct touch *x = a, *y = b;
	int c = strcmp(x->kpi, y->kpi);

	if (c == 0)
		c = (x->code > y->code) - (x->code < y->code);
	if (c == 0)
		c = strcmp(x->site, y->site);
	if (c == 0)
		c = cmp_i64(x->begin, y->begin);
	if (c == 0 && x->device != NULL && y->device != NULL)
		c = strcmp(x->device, y->device);
	return c;
}

/* Ascending, each once. */
static void
settle(struct touches *l)
{
	size_t n = 0;

	if (l->n > 1)
		qsort(l->t, l->n, sizeof(*l->t), by_key);
	for (size_t i = 0; i < l->n; i++)
		if (n == 0 || by_key(&l->t[n - 1], &l->t[i]) != 0)
			l->t[n++] = l->t[i];
	l->n = n;
}

/* ---- one row of parts ---- */

struct row {
	int64_t version, expected_ms, covered_ms, gone_ms;
	const void *data;
	size_t len;
};

static bool
stands_so(sqlite3_stmt *st, const struct touch *t, const struct row *r)
{
	return sqlite3_column_int64(st, 0) == r->version && sqlite3_column_int64(st, 1) == t->end &&
	       sqlite3_column_int64(st, 2) == r->expected_ms &&
	       sqlite3_column_int64(st, 3) == r->covered_ms &&
	       sqlite3_column_int64(st, 4) == r->gone_ms &&
	       (size_t)sqlite3_column_bytes(st, 5) == r->len &&
	       memcmp(sqlite3_column_blob(st, 5), r->data, r->len) == 0;
}

#define KEY       "titit"
#define KEY_OF(t) (t)->kpi, (int64_t)(t)->code, (t)->site, (t)->begin, (t)->device

/* The first of its kind here: rows of hours and days of another zone may lie across it. */
static int
clear_across(struct store_job *j, const struct touch *t)
{
	if (t->code < BL_WINDOW_1H)
		return BL_OK;
	return kpi_sql_run(kpi_sql_bind(&j->w->sql, KPI_SQL_PARTS_ACROSS, j->err, "titiiit", t->kpi,
			       (int64_t)t->code, t->site, t->begin - 2 * kpi_window_len_ms(t->code),
			       t->end, t->begin, t->device),
	    j->err);
}

/* r NULL: there is to be none.  Writes only what differs. */
static int
put_row(struct store_job *j, const struct touch *t, const struct row *r)
{
	struct kpi_sql *s = &j->w->sql;
	sqlite3_stmt *st = kpi_sql_bind(s, KPI_SQL_PART_GET, j->err, KEY, KEY_OF(t));
	const int found = kpi_sql_step(st, j->err);
	bool same;
	int rc;

	if (found < 0)
		return found;
	same = found == 1 ? r != NULL && stands_so(st, t, r) : r == NULL;
	if (found == 1)
		kpi_sql_reset(st);
	if (same)
		return BL_OK;
	if (r == NULL)
		return kpi_sql_run(
		    kpi_sql_bind(s, KPI_SQL_PART_DELETE, j->err, KEY, KEY_OF(t)), j->err);
	if (found == 0 && (rc = clear_across(j, t)) < 0)
		return rc;
	return kpi_sql_run(
	    kpi_sql_bind(s, KPI_SQL_PART_PUT, j->err, KEY "iiiiib", KEY_OF(t), t->end, r->version,
		r->expected_ms, r->covered_ms, r->gone_ms, r->data, r->len),
	    j->err);
}

/* The row above this one, and the cell of this one, have to be looked at. */
static int
spread(struct store_job *j, const struct touch *t, struct touches *above_list)
{
	const struct roster_site *site = roster_site(j->roster, t->site);
	struct touch above = *t;
	int rc;

	if (t->code != KPI_DAY_HOURS) {
		const struct touch cell = { t->kpi, t->site, NULL, t->code, t->begin, t->end };

		if ((rc = touch(j, &j->cells, &cell)) < 0)
			return rc;
	}
	above.code = kpi_code_above(t->code);
	if (above.code == 0 || site == NULL)
		return BL_OK;
	kpi_window_at(above.code, site->tz, t->begin, &above.begin, &above.end);
	return touch(j, above_list, &above);
}

/* ---- the smallest ---- */

static int
by_entry(const void *a, const void *b)
{
	const struct kpi_entry *x = a, *y = b;
	int c = (x->code > y->code) - (x->code < y->code);

	if (c == 0)
		c = strcmp(x->kpi, y->kpi);
	if (c == 0)
		c = strcmp(x->site, y->site);
	if (c == 0)
		c = cmp_i64(x->begin_unix_ms, y->begin_unix_ms);
	if (c == 0)
		c = strcmp(x->device, y->device);
	if (c == 0)
		c = (x->order > y->order) - (x->order < y->order);
	return c;
}

static bool
same_row(const struct kpi_entry *x, const struct kpi_entry *y)
{
	return x->code == y->code && x->begin_unix_ms == y->begin_unix_ms &&
	       strcmp(x->kpi, y->kpi) == 0 && strcmp(x->site, y->site) == 0 &&
	       strcmp(x->device, y->device) == 0;
}

static int
put_entry(struct store_job *j, const struct kpi_entry *e, struct touches *above)
{
	const struct touch t = { e->kpi, e->site, e->device, e->code, e->begin_unix_ms,
		e->end_unix_ms };
	const struct row r = { e->version, e->expected_ms, e->covered_ms, e->gone_ms,
		j->w->bytes.data + e->at, e->len };
	const int rc = put_row(j, &t, e->absent ? NULL : &r);

	return rc < 0 ? rc : spread(j, &t, above);
}

/* Entries of one kind of window; of the same row, the last one worked out counts. */
static int
put_entries(struct store_job *j, int code, struct touches *above)
{
	const struct kpi_work *w = j->w;
	int rc = BL_OK;

	for (size_t i = 0; rc >= 0 && i < w->n; i++)
		if (w->e[i].code == code && (i + 1 == w->n || !same_row(&w->e[i], &w->e[i + 1])))
			rc = put_entry(j, &w->e[i], above);
	return rc;
}

/* ---- larger ones ---- */

static int64_t
at_most(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int
merge_below(struct store_job *j, const struct touch *t, const struct define_kpi *v, int below,
    struct row *r)
{
	sqlite3_stmt *st = kpi_sql_bind(&j->w->sql, KPI_SQL_PARTS_BELOW, j->err, "ttiiit",
	    t->device, t->kpi, (int64_t)below, t->begin, t->end, t->site);
	int rc;

	while ((rc = kpi_sql_step(st, j->err)) == 1) {
		if (!kpi_same_meaning(j->set, v, sqlite3_column_int64(st, 0)))
			continue;
		r->covered_ms += sqlite3_column_int64(st, 1);
		r->gone_ms += sqlite3_column_int64(st, 2);
		if ((rc = kpi_merge_add(j->merge, sqlite3_column_blob(st, 3),
			 (size_t)sqlite3_column_bytes(st, 3), j->err)) < 0) {
			kpi_sql_reset(st);
			return rc;
		}
	}
	return rc;
}

static int
make_larger(struct store_job *j, const struct touch *t, const struct define_kpi *v, int below)
{
	struct row r = { .version = v->head.version };
	struct bl_part *p = kpi_merge_begin(j->merge, v);
	int rc;

	if (p == NULL)
		return bl_fail(j->err, BL_ENOMEM, "kpi: out of memory");
	if ((rc = merge_below(j, t, v, below, &r)) < 0)
		return rc;
	/* Rows below that the roster has overtaken may say more than there is to have. */
	r.expected_ms = kpi_served_ms(j->roster, t->device, t->site, t->begin, t->end);
	r.covered_ms = at_most(r.covered_ms, r.expected_ms);
	r.gone_ms = at_most(r.gone_ms, r.expected_ms - r.covered_ms);
	if (r.expected_ms == 0 ||
	    (r.covered_ms == 0 && r.gone_ms == 0 && p->n == 0 && p->span_ms == 0))
		return put_row(j, t, NULL);
	bl_buf_reset(&j->bytes);
	if ((rc = bl_part_encode(p, &j->bytes)) < 0)
		return bl_fail(j->err, rc, "kpi: encode a part of %s", t->kpi);
	r.data = j->bytes.data;
	r.len = j->bytes.len;
	return put_row(j, t, &r);
}

static int
put_larger(struct store_job *j, const struct touch *t)
{
	const struct roster_site *site = roster_site(j->roster, t->site);
	const struct define_kpi *v =
	    site == NULL ? NULL : kpi_governs(j->set, t->kpi, site, t->code, t->begin);
	int below;

	if (v == NULL)
		return put_row(j, t, NULL);
	below = kpi_code_below(v, t->code);
	/* From raw data: kpi_compute has worked it out, or will. */
	return below == 0 ? BL_OK : make_larger(j, t, v, below);
}

static int
put_level(struct store_job *j, struct touches *level, struct touches *above)
{
	int rc = BL_OK;

	settle(level);
	for (size_t i = 0; rc >= 0 && i < level->n; i++)
		if ((rc = put_larger(j, &level->t[i])) >= 0)
			rc = spread(j, &level->t[i], above);
	level->n = 0;
	return rc;
}

static int
put_parts(struct store_job *j)
{
	struct touches *level = &j->parts[0], *above = &j->parts[1], *swap;
	int rc;

	if (j->w->n > 1)
		qsort(j->w->e, j->w->n, sizeof(*j->w->e), by_entry);
	if ((rc = put_entries(j, KPI_DAY_HOURS, &j->days)) < 0)
		return rc;
	for (int code = BL_WINDOW_1M; code <= BL_WINDOW_1D; code++) {
		for (size_t i = 0; code == BL_WINDOW_1D && i < j->days.n; i++)
			if ((rc = touch(j, level, &j->days.t[i])) < 0)
				return rc;
		if ((rc = put_level(j, level, above)) < 0 || (rc = put_entries(j, code, above)) < 0)
			return rc;
		swap = level;
		level = above;
		above = swap;
	}
	return BL_OK;
}

/* ---- cells ---- */

static int
put_cells(struct store_job *j, int64_t now_unix_ms, const char *why, struct kpi_changes *out)
{
	struct kpi_cell_job c = { .sql = &j->w->sql,
		.set = j->set,
		.roster = j->roster,
		.merge = j->merge,
		.now_unix_ms = now_unix_ms,
		.why = why,
		.out = out,
		.err = j->err };
	int rc = BL_OK;

	settle(&j->cells);
	for (size_t i = 0; rc >= 0 && i < j->cells.n; i++) {
		const struct touch *t = &j->cells.t[i];
		const struct kpi_key k = { t->kpi, t->site, (enum bl_window)t->code, t->begin,
			t->end };

		rc = kpi_cell_update(&c, &k);
	}
	free(c.due);
	return rc;
}

int
kpi_store(struct kpi_work *w, struct sqlite3 *db, const struct define_set *set,
    const struct roster *roster, int64_t now_unix_ms, const char *why, struct kpi_changes *out,
    struct bl_err *err)
{
	struct store_job j = { .w = w, .set = set, .roster = roster, .err = err };
	int rc;

	if (w->n == 0)
		return BL_OK;
	kpi_sql_attach(&w->sql, db);
	bl_buf_init(&j.bytes, PART_BYTES_MAX);
	if ((rc = kpi_merge_create(&j.merge, err)) >= 0 && (rc = put_parts(&j)) >= 0)
		rc = put_cells(&j, now_unix_ms, why, out);
	kpi_merge_free(j.merge);
	bl_buf_free(&j.bytes);
	free(j.parts[0].t);
	free(j.parts[1].t);
	free(j.days.t);
	free(j.cells.t);
	return rc;
}
