/*
 * One cell: the parts of the devices in service at the site, merged in order of
 * device, and what has changed about it.
 */
#include "kpi_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- merging ---- */

struct kpi_merge {
	struct bl_part plain, sketched; /* what is merged into */
	struct bl_part *into, from;
};

int
kpi_merge_create(struct kpi_merge **out, struct bl_err *err)
{
	struct kpi_merge *m = calloc(1, sizeof(*m));

	*out = NULL;
	if (m == NULL)
		return bl_fail(err, BL_ENOMEM, "kpi: out of memory");
	if (bl_part_init(&m->plain, false) < 0)
		goto fail;
	if (bl_part_init(&m->from, false) < 0)
		goto fail_plain;
	if (bl_part_init(&m->sketched, true) < 0)
		goto fail_from;
	m->into = &m->plain;
	*out = m;
	return BL_OK;

fail_from:
	bl_part_free(&m->from);
fail_plain:
	bl_part_free(&m->plain);
fail:
	free(m);
	return bl_fail(err, BL_ENOMEM, "kpi: out of memory");
}

void
kpi_merge_free(struct kpi_merge *m)
{
	if (m == NULL)
		return;
	bl_part_free(&m->plain);
	bl_part_free(&m->sketched);
	bl_part_free(&m->from);
	free(m);
}

struct bl_part *
kpi_merge_begin(struct kpi_merge *m, const struct define_kpi *v)
{
	m->into = v->function == BL_FN_PERCENTILE ? &m->sketched : &m->plain;
	bl_part_reset(m->into);
	return m->into;
}

int
kpi_merge_add(struct kpi_merge *m, const void *data, size_t len, struct bl_err *err)
{
	int rc = bl_part_decode(&m->from, data, len, err);

	if (rc >= 0 && (rc = bl_part_merge(m->into, &m->from)) < 0)
		return bl_fail(err, rc, "kpi: merge parts");
	return rc;
}

/* ---- who was in service ---- */

struct kpi_due {
	const char *device;
	int64_t expected_ms;
};

struct due_ctx {
	struct kpi_cell_job *j;
	int64_t begin, end;
};

static bool
on_service(const struct roster_service *s, void *ctx)
{
	struct due_ctx *c = ctx;
	struct kpi_cell_job *j = c->j;
	const int64_t from = s->from_unix_ms > c->begin ? s->from_unix_ms : c->begin;
	const int64_t to = s->to_unix_ms < c->end ? s->to_unix_ms : c->end;

	if (to <= from)
		return true;
	if (j->n_due > 0 && strcmp(j->due[j->n_due - 1].device, s->device) == 0) {
		j->due[j->n_due - 1].expected_ms += to - from;
		return true;
	}
	if (j->n_due == j->due_size) {
		const size_t size = j->due_size == 0 ? 16 : j->due_size * 2;
		struct kpi_due *d = realloc(j->due, size * sizeof(*d));

		if (d == NULL) {
			j->rc = BL_ENOMEM;
			return false;
		}
		j->due = d;
		j->due_size = size;
	}
	j->due[j->n_due++] = (struct kpi_due){ s->device, to - from };
	return true;
}

static int
find_due(struct kpi_cell_job *j, const struct kpi_key *k)
{
	struct due_ctx c = { j, k->begin, k->end };

	j->n_due = 0;
	j->rc = BL_OK;
	roster_in_service(j->roster, k->site, k->begin, k->end, on_service, &c);
	return j->rc < 0 ? bl_fail(j->err, j->rc, "kpi: out of memory") : BL_OK;
}

/* ---- what it is ---- */

/* The key of a cell, bound. */
#define KEY       "titi"
#define KEY_OF(k) (k)->kpi, (int64_t)(k)->window, (k)->site, (k)->begin

/* A row of kpi_cell. */
struct cell {
	bool there;
	int64_t end, version, n, revisions, known_unix_ms;
	bool known, ready;
	double value, completeness;
	enum kpi_state state;
};

struct tally {
	size_t rows;
	int64_t expected_ms, covered_ms, gone_ms;
	bool ready, settled; /* of every device */
};

static void
count_device(struct tally *t, int64_t expected, int64_t covered, int64_t gone)
{
	covered = covered < expected ? covered : expected;
	gone = gone < expected - covered ? gone : expected - covered;
	t->expected_ms += expected;
	t->covered_ms += covered;
	t->gone_ms += gone;
	t->ready = t->ready && covered == expected;
	t->settled = t->settled && covered + gone == expected;
}

/* Both in order of device: rows of devices that are not in service here are passed over. */
static int
merge_devices(
    struct kpi_cell_job *j, const struct kpi_key *k, const struct define_kpi *v, struct tally *t)
{
	sqlite3_stmt *st = kpi_sql_bind(j->sql, KPI_SQL_PARTS_SITE, j->err, KEY, KEY_OF(k));
	size_t at = 0;
	int rc;

	while ((rc = kpi_sql_step(st, j->err)) == 1) {
		const char *device = (const char *)sqlite3_column_text(st, 0);

		if (device == NULL)
			continue; /* NOT NULL: only without memory, and then step fails next */
		t->rows++;
		for (; at < j->n_due && strcmp(j->due[at].device, device) < 0; at++)
			count_device(t, j->due[at].expected_ms, 0, 0);
		if (at == j->n_due || strcmp(j->due[at].device, device) != 0 ||
		    !kpi_same_meaning(j->set, v, sqlite3_column_int64(st, 1)))
			continue;
		count_device(t, j->due[at++].expected_ms, sqlite3_column_int64(st, 2),
		    sqlite3_column_int64(st, 3));
		if ((rc = kpi_merge_add(j->merge, sqlite3_column_blob(st, 4),
			 (size_t)sqlite3_column_bytes(st, 4), j->err)) < 0) {
			kpi_sql_reset(st);
			return rc;
		}
	}
	for (; rc >= 0 && at < j->n_due; at++)
		count_device(t, j->due[at].expected_ms, 0, 0);
	return rc;
}

static void
sum_up(const struct define_kpi *v, const struct bl_part *p, const struct tally *t, struct cell *c)
{
	c->there = true;
	c->version = v->head.version;
	c->n = p->n > INT64_MAX ? INT64_MAX : (int64_t)p->n;
	c->completeness = (double)t->covered_ms / (double)t->expected_ms;
	c->ready = t->ready;
	c->state = !t->settled      ? KPI_PROVISIONAL
		   : t->gone_ms > 0 ? KPI_FINAL_INCOMPLETE
				    : KPI_FINAL;
	/* A count of nothing is 0 only where somebody could have counted. */
	c->known = (t->covered_ms > 0 || p->n > 0) &&
		   bl_part_value(p, v->function, v->quantile, &c->value) && isfinite(c->value);
	if (!c->known)
		c->value = 0;
}

/* c->there stays false: there is to be no cell. */
static int
make_cell(
    struct kpi_cell_job *j, const struct kpi_key *k, const struct define_kpi *v, struct cell *c)
{
	struct tally t = { .ready = true, .settled = true };
	struct bl_part *p;
	int rc;

	if (v == NULL)
		return BL_OK;
	p = kpi_merge_begin(j->merge, v);
	if ((rc = find_due(j, k)) < 0 || (rc = merge_devices(j, k, v, &t)) < 0)
		return rc;
	if (t.rows == 0 || t.expected_ms == 0)
		return BL_OK;
	c->end = k->end;
	sum_up(v, p, &t, c);
	return BL_OK;
}

/* ---- what it was ---- */

static int
read_cell(struct kpi_cell_job *j, const struct kpi_key *k, struct cell *c)
{
	sqlite3_stmt *st = kpi_sql_bind(j->sql, KPI_SQL_CELL_GET, j->err, KEY, KEY_OF(k));
	const int rc = kpi_sql_step(st, j->err);

	if (rc != 1)
		return rc;
	c->there = true;
	c->end = sqlite3_column_int64(st, 0);
	c->version = sqlite3_column_int64(st, 1);
	c->known = sqlite3_column_type(st, 2) != SQLITE_NULL;
	c->value = sqlite3_column_double(st, 2);
	c->n = sqlite3_column_int64(st, 3);
	c->completeness = sqlite3_column_double(st, 4);
	c->ready = sqlite3_column_int(st, 5) != 0;
	c->state = (enum kpi_state)sqlite3_column_int(st, 6);
	c->revisions = sqlite3_column_int64(st, 7);
	c->known_unix_ms = sqlite3_column_int64(st, 8);
	kpi_sql_reset(st);
	return BL_OK;
}

/* A cell that went and comes back goes on counting where it was. */
static int
last_revision(struct kpi_cell_job *j, const struct kpi_key *k, int64_t *out)
{
	sqlite3_stmt *st = kpi_sql_bind(j->sql, KPI_SQL_REVISION_LAST, j->err, KEY, KEY_OF(k));
	const int rc = kpi_sql_step(st, j->err);

	*out = 0;
	if (rc != 1)
		return rc;
	*out = sqlite3_column_int64(st, 0);
	kpi_sql_reset(st);
	return BL_OK;
}

/* ---- what has changed ---- */

static bool
same_number(double a, double b)
{
	return !(a < b) && !(a > b);
}

static bool
same_value(const struct cell *a, const struct cell *b)
{
	return a->known == b->known && same_number(a->value, b->value);
}

static bool
says_the_same(const struct cell *a, const struct cell *b)
{
	return a->there == b->there && same_value(a, b) &&
	       same_number(a->completeness, b->completeness) && a->ready == b->ready &&
	       a->state == b->state;
}

/* Once final, it stays so: what its limit made final may still be incomplete. */
static void
keep_final(const struct kpi_cell_job *j, const struct define_kpi *v, const struct cell *was,
    struct cell *is)
{
	if (was->there && was->state != KPI_PROVISIONAL && is->there &&
	    is->state == KPI_PROVISIONAL && kpi_same_meaning(j->set, v, was->version))
		is->state = KPI_FINAL_INCOMPLETE;
}

static int
put_revision(struct kpi_cell_job *j, const struct kpi_key *k, const struct cell *was, int64_t n)
{
	return kpi_sql_run(kpi_sql_bind(j->sql, KPI_SQL_REVISION_PUT, j->err, KEY "iodiiit",
			       KEY_OF(k), n, (int)was->known, was->value, was->completeness,
			       (int64_t)was->state, was->known_unix_ms, j->now_unix_ms, j->why),
	    j->err);
}

static int
put_cell(struct kpi_cell_job *j, const struct kpi_key *k, const struct cell *c)
{
	if (!c->there)
		return kpi_sql_run(
		    kpi_sql_bind(j->sql, KPI_SQL_CELL_DELETE, j->err, KEY, KEY_OF(k)), j->err);
	return kpi_sql_run(
	    kpi_sql_bind(j->sql, KPI_SQL_CELL_PUT, j->err, KEY "iioidiiii", KEY_OF(k), c->end,
		c->version, (int)c->known, c->value, c->n, c->completeness, (int64_t)c->ready,
		(int64_t)c->state, c->revisions, c->known_unix_ms),
	    j->err);
}

/*
 * A site's clock was set to another zone: cells of hours and days that there are no
 * more lie across this one.  They can only be found where one is made for the first time.
 */
static int
clear_across(struct kpi_cell_job *j, const struct kpi_key *k)
{
	struct kpi_key other = *k;
	struct cell none = { 0 };
	sqlite3_stmt *st;
	int rc;

	while (k->window >= BL_WINDOW_1H) {
		st = kpi_sql_bind(j->sql, KPI_SQL_CELL_ACROSS, j->err, "titiii", k->kpi,
		    (int64_t)k->window, k->site, k->begin - 2 * kpi_window_len_ms((int)k->window),
		    k->end, k->begin);
		if ((rc = kpi_sql_step(st, j->err)) != 1)
			return rc;
		other.begin = sqlite3_column_int64(st, 0);
		other.end = sqlite3_column_int64(st, 1);
		kpi_sql_reset(st);
		if ((rc = put_cell(j, &other, &none)) < 0 ||
		    (rc = kpi_changes_add(j->out, &other, j->err)) < 0)
			return rc;
	}
	return BL_OK;
}

/* What goes along with a cell that is made, or whose value changes. */
static int
date_cell(struct kpi_cell_job *j, const struct kpi_key *k, const struct cell *was, struct cell *is)
{
	int rc;

	is->revisions = was->revisions;
	if (!was->there &&
	    ((rc = last_revision(j, k, &is->revisions)) < 0 || (rc = clear_across(j, k)) < 0))
		return rc;
	is->known_unix_ms = was->there && same_value(was, is) && was->state == is->state
				? was->known_unix_ms
				: j->now_unix_ms;
	if (was->there && was->state != KPI_PROVISIONAL && (!is->there || !same_value(was, is)))
		return put_revision(j, k, was, ++is->revisions);
	return BL_OK;
}

int
kpi_cell_update(struct kpi_cell_job *j, const struct kpi_key *k)
{
	const struct roster_site *at = roster_site(j->roster, k->site);
	const struct define_kpi *v =
	    at == NULL ? NULL : kpi_governs(j->set, k->kpi, at, (int)k->window, k->begin);
	struct cell was = { 0 }, is = { 0 };
	int rc;

	if ((rc = make_cell(j, k, v, &is)) < 0 || (rc = read_cell(j, k, &was)) < 0)
		return rc;
	if (!was.there && !is.there)
		return BL_OK;
	keep_final(j, v, &was, &is);
	if ((rc = date_cell(j, k, &was, &is)) < 0)
		return rc;
	if (says_the_same(&was, &is) && was.n == is.n && was.version == is.version &&
	    was.end == is.end)
		return BL_OK;
	if ((rc = put_cell(j, k, &is)) < 0 || says_the_same(&was, &is))
		return rc;
	return kpi_changes_add(j->out, k, j->err);
}
