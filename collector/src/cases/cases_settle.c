/*
 * Working touched cases out again: all events of a case are loaded, folded
 * (cases_fold.c) and compared with what is stored; rows that differ are written,
 * and the change says which windows of event time they touch.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases_internal.h"

#define TEXT_MAX (256u * 1024u * 1024u) /* the cap on events holds first */

/* What is stored of a case. */
struct stored {
	char *site, *process, *case_id, *end_device, *status, *attrs;
	int64_t begin_unix_ms, end_unix_ms;
	size_t events;
	struct fold_step *step; /* strings owned */
	size_t n_steps, size_steps;
};

static int
no_memory(struct bl_err *err)
{
	return bl_fail(err, BL_ENOMEM, "cases: out of memory");
}

/* ---- events ---- */

void
cases_events_free(struct cases_events *l)
{
	free(l->e);
	bl_buf_free(&l->text);
	memset(l, 0, sizeof(*l));
}

/* Strings are kept one after another; where they lie is known when the buffer has stopped moving.
 */
static void
keep_text(struct cases_events *l, sqlite3_stmt *st, int i)
{
	const void *text = sqlite3_column_text(st, i);

	bl_buf_bytes(&l->text, text != NULL ? text : "", (size_t)sqlite3_column_bytes(st, i));
	bl_buf_u8(&l->text, 0);
}

static void
point_at_texts(struct cases_events *l)
{
	const char *at = (const char *)l->text.data;

	for (size_t i = 0; i < l->n; i++) {
		const char **field[] = { &l->e[i].device, &l->e[i].type, &l->e[i].step,
			&l->e[i].event_id, &l->e[i].attrs };

		for (size_t k = 0; k < sizeof(field) / sizeof(field[0]); k++) {
			*field[k] = at;
			at += strlen(at) + 1;
		}
	}
}

int
cases_events_load(struct cases_events *l, struct cases_work *w, int64_t no, struct bl_err *err)
{
	sqlite3_stmt *st = cases_bind(w, CASES_SQL_EVENTS, err, "i", no);
	int rc;

	memset(l, 0, sizeof(*l));
	bl_buf_init(&l->text, TEXT_MAX);
	while ((rc = cases_step(st, err)) == 1) {
		if (l->n == l->size) {
			const size_t size = l->size == 0 ? 32 : l->size * 2;
			struct fold_event *more = realloc(l->e, size * sizeof(*more));

			if (more == NULL)
				break;
			l->e = more;
			l->size = size;
		}
		l->e[l->n++] = (struct fold_event){ .unix_ms = sqlite3_column_int64(st, 0),
			.boot_ms = sqlite3_column_int64(st, 1),
			.n = sqlite3_column_int64(st, 2),
			.batch_id = sqlite3_column_int64(st, 8) };
		for (int i = 3; i <= 7; i++)
			keep_text(l, st, i);
	}
	if (rc == 1)
		(void)sqlite3_reset(st); /* a row: nothing failed */
	if (rc == 1 || l->text.failed) {
		cases_events_free(l);
		return no_memory(err);
	}
	if (rc < 0)
		cases_events_free(l);
	else
		point_at_texts(l);
	return rc;
}

/* Of too many the first by time stay: which ones does not depend on arrival. */
static int
prune(struct cases_events *l, struct cases_work *w, uint64_t *refused, struct bl_err *err)
{
	int rc;

	if (l->n <= CASES_EVENTS_MAX)
		return BL_OK;
	qsort(l->e, l->n, sizeof(*l->e), cases_by_time);
	for (size_t i = CASES_EVENTS_MAX; i < l->n; i++)
		if ((rc = cases_step(
			 cases_bind(w, CASES_SQL_FORGET, err, "ii", l->e[i].batch_id, l->e[i].n),
			 err)) < 0)
			return rc;
	*refused += l->n - CASES_EVENTS_MAX;
	l->n = CASES_EVENTS_MAX;
	return BL_OK;
}

/* ---- what is stored ---- */

static char *
column_dup(sqlite3_stmt *st, int i)
{
	const char *text = (const char *)sqlite3_column_text(st, i);

	return strdup(text != NULL ? text : "");
}

static void
stored_free(struct stored *s)
{
	for (size_t i = 0; i < s->n_steps; i++) {
		free((char *)(uintptr_t)s->step[i].step);
		free((char *)(uintptr_t)s->step[i].device);
		free(s->step[i].attrs);
	}
	free(s->step);
	free(s->site);
	free(s->process);
	free(s->case_id);
	free(s->end_device);
	free(s->status);
	free(s->attrs);
	memset(s, 0, sizeof(*s));
}

static int
stored_step(struct stored *s, sqlite3_stmt *st)
{
	struct fold_step *more, *x;

	if (s->n_steps == s->size_steps) {
		const size_t size = s->size_steps == 0 ? 16 : s->size_steps * 2;

		if ((more = realloc(s->step, size * sizeof(*more))) == NULL)
			return BL_ENOMEM;
		s->step = more;
		s->size_steps = size;
	}
	x = &s->step[s->n_steps++];
	*x = (struct fold_step){ .step = column_dup(st, 0),
		.device = column_dup(st, 1),
		.begin_unix_ms = cases_column_begin(st, 2),
		.end_unix_ms = cases_column_end(st, 3),
		.attrs = column_dup(st, 4) };
	return x->step != NULL && x->device != NULL && x->attrs != NULL ? BL_OK : BL_ENOMEM;
}

static int
load_stored(struct stored *s, struct cases_work *w, int64_t no, struct bl_err *err)
{
	sqlite3_stmt *st = cases_bind(w, CASES_SQL_HEAD, err, "i", no);
	int rc = cases_step(st, err);

	memset(s, 0, sizeof(*s));
	if (rc <= 0)
		return rc < 0 ? rc
			      : bl_fail(err, BL_ECORRUPT, "case %lld is not there", (long long)no);
	s->site = column_dup(st, 0);
	s->process = column_dup(st, 1);
	s->case_id = column_dup(st, 2);
	s->begin_unix_ms = sqlite3_column_int64(st, 3);
	s->end_unix_ms = cases_column_end(st, 4);
	s->end_device = column_dup(st, 5);
	s->status = column_dup(st, 6);
	s->attrs = column_dup(st, 7);
	s->events = (size_t)sqlite3_column_int64(st, 8);
	(void)sqlite3_reset(st); /* a row: nothing failed */
	if (s->site == NULL || s->process == NULL || s->case_id == NULL || s->end_device == NULL ||
	    s->status == NULL || s->attrs == NULL)
		return no_memory(err);
	st = cases_bind(w, CASES_SQL_STEPS, err, "i", no);
	while ((rc = cases_step(st, err)) == 1)
		if (stored_step(s, st) < 0) {
			(void)sqlite3_reset(st); /* a row: nothing failed */
			return no_memory(err);
		}
	return rc;
}

/* ---- what changed ---- */

static bool
same_step(const struct fold_step *a, const struct fold_step *b)
{
	return a->begin_unix_ms == b->begin_unix_ms && a->end_unix_ms == b->end_unix_ms &&
	       strcmp(a->step, b->step) == 0 && strcmp(a->device, b->device) == 0 &&
	       strcmp(a->attrs, b->attrs) == 0;
}

static void
touch_time(struct cases_change *c, int64_t end_unix_ms)
{
	if (end_unix_ms == CASES_OPEN)
		return;
	if (end_unix_ms < c->touched_begin_unix_ms)
		c->touched_begin_unix_ms = end_unix_ms;
	if (end_unix_ms >= c->touched_end_unix_ms)
		c->touched_end_unix_ms = end_unix_ms + 1;
}

/* Touches the ends of steps of a that are not in b; they are most likely at the same place. */
static void
touch_missing(struct cases_change *c, const struct fold_step *a, size_t n_a,
    const struct fold_step *b, size_t n_b)
{
	size_t at = 0; /* where the last one was */

	for (size_t i = 0; i < n_a; i++) {
		bool found = false;

		for (size_t k = 0; k < n_b && !found; k++) {
			const size_t j = (at + k) % n_b;

			if ((found = same_step(&a[i], &b[j])))
				at = j + 1;
		}
		if (!found)
			touch_time(c, a[i].end_unix_ms);
	}
}

static bool
same_head(const struct stored *s, const struct fold *f)
{
	return s->events == f->events && s->begin_unix_ms == f->begin_unix_ms &&
	       s->end_unix_ms == f->end_unix_ms && strcmp(s->end_device, f->end_device) == 0 &&
	       strcmp(s->status, f->status) == 0 && strcmp(s->attrs, f->attrs) == 0;
}

static bool
same_steps(const struct stored *s, const struct fold *f)
{
	if (s->n_steps != f->n_steps)
		return false;
	for (size_t i = 0; i < s->n_steps; i++)
		if (!same_step(&s->step[i], &f->step[i]))
			return false;
	return true;
}

static int
add_change(struct cases_changes *out, struct cases_change **added, int64_t no,
    const struct stored *s, struct bl_err *err)
{
	struct cases_change *c;

	if (out->n == out->size) {
		const size_t size = out->size == 0 ? 32 : out->size * 2;

		if ((c = realloc(out->c, size * sizeof(*c))) == NULL)
			return no_memory(err);
		out->c = c;
		out->size = size;
	}
	c = &out->c[out->n++];
	memset(c, 0, sizeof(*c));
	c->no = no;
	(void)snprintf(c->site, sizeof(c->site), "%s", s->site);
	(void)snprintf(c->process, sizeof(c->process), "%s", s->process);
	c->begin_unix_ms = s->begin_unix_ms;
	c->end_unix_ms = s->end_unix_ms;
	c->touched_begin_unix_ms = INT64_MAX;
	c->touched_end_unix_ms = INT64_MIN;
	*added = c;
	return BL_OK;
}

static int
note_change(struct cases_changes *out, int64_t no, const struct stored *s, const struct fold *f,
    struct bl_err *err)
{
	struct cases_change *c = NULL;
	int rc;

	if ((rc = add_change(out, &c, no, s, err)) < 0)
		return rc;
	c->gone = f->events == 0;
	c->begin_unix_ms = f->begin_unix_ms;
	c->end_unix_ms = f->end_unix_ms;
	touch_missing(c, s->step, s->n_steps, f->step, f->n_steps);
	touch_missing(c, f->step, f->n_steps, s->step, s->n_steps);
	if (!same_head(s, f)) {
		touch_time(c, s->end_unix_ms);
		touch_time(c, f->end_unix_ms);
	}
	if (c->touched_begin_unix_ms > c->touched_end_unix_ms)
		c->touched_begin_unix_ms = c->touched_end_unix_ms = 0;
	return BL_OK;
}

/* ---- writing ---- */

static int
write_steps(struct cases_work *w, int64_t no, const struct stored *s, const struct fold *f,
    struct bl_err *err)
{
	int rc;

	for (size_t i = 0; i < f->n_steps; i++) {
		const struct fold_step *x = &f->step[i];

		if (i < s->n_steps && same_step(&s->step[i], x))
			continue;
		rc = cases_step(cases_bind(w, CASES_SQL_STEP_SET, err, "iitgett", no, (int64_t)i,
				    x->step, x->begin_unix_ms, x->end_unix_ms, x->device, x->attrs),
		    err);
		if (rc < 0)
			return rc;
	}
	if (s->n_steps <= f->n_steps)
		return BL_OK;
	return cases_step(
	    cases_bind(w, CASES_SQL_STEPS_CUT, err, "ii", no, (int64_t)f->n_steps), err);
}

static int
write_case(struct cases_work *w, int64_t no, const struct stored *s, const struct fold *f,
    struct bl_err *err)
{
	int rc;

	if ((rc = write_steps(w, no, s, f, err)) < 0 || same_head(s, f))
		return rc;
	return cases_step(
	    cases_bind(w, CASES_SQL_HEAD_SET, err, "ietttii", f->begin_unix_ms, f->end_unix_ms,
		f->end_device, f->status, f->attrs, (int64_t)f->events, no),
	    err);
}

static int
fold_case(struct fold *f, struct cases_events *l, const struct stored *s,
    const struct define_set *set, struct cases_work *w, struct bl_err *err)
{
	if (l->n > 0)
		return cases_fold(f, l->e, l->n, s->case_id, s->process, set, &w->json, err);
	*f = (struct fold){ .begin_unix_ms = s->begin_unix_ms,
		.end_unix_ms = CASES_OPEN,
		.end_device = "",
		.status = strdup(""),
		.attrs = strdup("{}") };
	return f->status != NULL && f->attrs != NULL ? BL_OK : no_memory(err);
}

static int
settle_one(struct cases_work *w, const struct define_set *set, int64_t no,
    struct cases_changes *out, struct bl_err *err)
{
	struct cases_events l;
	struct stored s = { 0 };
	struct fold f = { 0 };
	int rc;

	if ((rc = cases_events_load(&l, w, no, err)) < 0)
		return rc;
	if ((rc = prune(&l, w, &out->refused, err)) < 0 || (rc = load_stored(&s, w, no, err)) < 0 ||
	    (rc = fold_case(&f, &l, &s, set, w, err)) < 0)
		goto done;
	if (same_head(&s, &f) && same_steps(&s, &f))
		goto done;
	if ((rc = note_change(out, no, &s, &f, err)) == BL_OK)
		rc = write_case(w, no, &s, &f, err);
done:
	cases_fold_free(&f);
	stored_free(&s);
	cases_events_free(&l);
	return rc;
}

static int
by_no(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int
cases_settle(
    struct sqlite3 *db, const struct define_set *set, struct cases_changes *out, struct bl_err *err)
{
	struct cases_work *w;
	int rc;

	if ((rc = cases_work(out, db, &w, err)) < 0)
		return rc;
	if (w->n_touched > 1)
		qsort(w->touched, w->n_touched, sizeof(*w->touched), by_no);
	for (size_t i = 0; i < w->n_touched; i++)
		if ((i == 0 || w->touched[i] != w->touched[i - 1]) &&
		    (rc = settle_one(w, set, w->touched[i], out, err)) < 0)
			return rc;
	w->n_touched = 0;
	return BL_OK;
}

int
cases_redo(struct sqlite3 *db, const struct define_set *set, const char *process, int64_t from,
    int64_t after_no, size_t limit, int64_t *last_no, struct cases_changes *out, struct bl_err *err)
{
	struct cases_work *w;
	int64_t no = after_no;
	int rc, n = 0;

	*last_no = after_no;
	if ((rc = cases_work(out, db, &w, err)) < 0)
		return rc;
	while ((size_t)n < limit) {
		sqlite3_stmt *st = cases_bind(w, CASES_SQL_NEXT, err, "tii", process, from, no);

		if ((rc = cases_step(st, err)) <= 0)
			return rc < 0 ? rc : n;
		no = sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st); /* a row: nothing failed */
		if ((rc = settle_one(w, set, no, out, err)) < 0)
			return rc;
		*last_no = no;
		n++;
	}
	return n;
}
