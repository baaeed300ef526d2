/*
 * What a case is, from all its events: pure, and the same whatever the order and
 * the grouping in which they came.
 *
 * Events are sorted by time, then by everything else that the devices said, and
 * what is the same twice counts once (a spool that was set back sends again).
 * Then they are gone through once.  At the first event at which the process is
 * done the case has ended: steps do not change any more, attributes still do.
 */
#include <stdlib.h>
#include <string.h>

#include "cases_internal.h"

struct run {
	struct fold *f;
	const struct fold_event *e;
	size_t n;
	const char *case_id;
	const char *process;
	const struct define_process *p; /* NULL: not defined */
	json_t *attrs;
	struct jsonw *w;
	/* while done is looked at */
	const char *just_ended; /* a step; NULL: none */
	const struct bl_expr *expr;
};

/* ---- in order, each once ---- */

static int
by_content(const struct fold_event *x, const struct fold_event *y)
{
	int d;

	if ((d = strcmp(x->type, y->type)) != 0 || (d = strcmp(x->step, y->step)) != 0 ||
	    (d = strcmp(x->event_id, y->event_id)) != 0)
		return d;
	return strcmp(x->attrs, y->attrs);
}

/* Same time and device: doubles beside each other, the one that the device put first in front. */
static int
by_double(const void *a, const void *b)
{
	const struct fold_event *x = a, *y = b;
	int d;

	if (x->unix_ms != y->unix_ms)
		return x->unix_ms < y->unix_ms ? -1 : 1;
	if ((d = strcmp(x->device, y->device)) != 0 || (d = by_content(x, y)) != 0)
		return d;
	if (x->boot_ms != y->boot_ms)
		return x->boot_ms < y->boot_ms ? -1 : 1;
	return (x->n > y->n) - (x->n < y->n);
}

int
cases_by_time(const void *a, const void *b)
{
	const struct fold_event *x = a, *y = b;
	int d;

	if (x->unix_ms != y->unix_ms)
		return x->unix_ms < y->unix_ms ? -1 : 1;
	if ((d = strcmp(x->device, y->device)) != 0)
		return d;
	if (x->boot_ms != y->boot_ms)
		return x->boot_ms < y->boot_ms ? -1 : 1;
	if (x->n != y->n)
		return x->n < y->n ? -1 : 1;
	return by_content(x, y);
}

static size_t
sort_events(struct fold_event *e, size_t n)
{
	size_t kept = 0;

	qsort(e, n, sizeof(*e), by_double);
	for (size_t i = 0; i < n; i++) {
		if (kept > 0 && e[kept - 1].unix_ms == e[i].unix_ms &&
		    strcmp(e[kept - 1].device, e[i].device) == 0 &&
		    by_content(&e[kept - 1], &e[i]) == 0)
			continue;
		e[kept++] = e[i];
	}
	qsort(e, kept, sizeof(*e), cases_by_time);
	return kept;
}

/* ---- steps ---- */

static char *
attrs_now(struct run *r)
{
	const char *text = cases_object_json(r->w, r->attrs);

	return text != NULL ? strdup(text) : NULL;
}

/* The attributes of a step that is open are filled in at its end, or the case's. */
static struct fold_step *
add_step(struct run *r, const struct fold_event *e)
{
	struct fold *f = r->f;
	struct fold_step *more;

	if (f->n_steps == f->size_steps) {
		const size_t size = f->size_steps == 0 ? 8 : f->size_steps * 2;

		if ((more = realloc(f->step, size * sizeof(*more))) == NULL)
			return NULL;
		f->step = more;
		f->size_steps = size;
	}
	f->step[f->n_steps] = (struct fold_step){ .step = e->step,
		.device = e->device,
		.begin_unix_ms = CASES_NONE,
		.end_unix_ms = CASES_OPEN };
	return &f->step[f->n_steps++];
}

/* The most recently begun open one of that name: of the same device, else of any. */
static struct fold_step *
open_step(struct fold *f, const struct fold_event *e)
{
	struct fold_step *any = NULL;

	for (size_t i = f->n_steps; i-- > 0;) {
		struct fold_step *s = &f->step[i];

		if (s->end_unix_ms != CASES_OPEN || strcmp(s->step, e->step) != 0)
			continue;
		if (strcmp(s->device, e->device) == 0)
			return s;
		if (any == NULL)
			any = s;
	}
	return any;
}

static int
take_step(struct run *r, const struct fold_event *e)
{
	struct fold_step *s;

	if (strcmp(e->type, "step.begin") == 0) {
		if ((s = add_step(r, e)) == NULL)
			return BL_ENOMEM;
		s->begin_unix_ms = e->unix_ms;
		return BL_OK;
	}
	if (strcmp(e->type, "step.end") != 0)
		return BL_OK;
	if ((s = open_step(r->f, e)) == NULL && (s = add_step(r, e)) == NULL)
		return BL_ENOMEM;
	s->end_unix_ms = e->unix_ms;
	s->device = e->device;
	r->just_ended = e->step;
	return (s->attrs = attrs_now(r)) != NULL ? BL_OK : BL_ENOMEM;
}

static int
fill_open_steps(struct run *r)
{
	struct fold *f = r->f;
	char *text;

	for (size_t i = 0; i < f->n_steps; i++) {
		if (f->step[i].attrs != NULL)
			continue;
		if ((text = attrs_now(r)) == NULL)
			return BL_ENOMEM;
		f->step[i].attrs = text;
	}
	return BL_OK;
}

/* ---- the end ---- */

static void
text_value(const char *text, struct bl_value *out)
{
	memset(out, 0, sizeof(*out));
	if (text != NULL)
		*out = (struct bl_value){
			.type = BL_VALUE_TEXT, .text = text, .text_len = strlen(text)
		};
}

static void
lookup(void *ctx, size_t i, struct bl_value *out)
{
	const struct run *r = ctx;
	const char *name = bl_expr_name(r->expr, i);

	if (strcmp(name, "step") == 0)
		text_value(r->just_ended, out);
	else if (strcmp(name, "case") == 0)
		text_value(r->case_id, out);
	else if (strcmp(name, "process") == 0)
		text_value(r->process, out);
	else
		cases_value(r->attrs, name, out);
}

static const char *
status_of(const struct run *r)
{
	const char *text = json_string_value(json_object_get(r->attrs, "status"));

	return text != NULL ? text : "";
}

static bool
done_by_default(const struct run *r)
{
	static const char *const last[] = { "completed", "cancelled", "closed", "done" };
	const struct define_process *p = r->p;
	const char *status = status_of(r);

	for (size_t i = 0; i < sizeof(last) / sizeof(last[0]); i++)
		if (strcmp(status, last[i]) == 0)
			return true;
	return p != NULL && p->n_steps > 0 && r->just_ended != NULL &&
	       strcmp(r->just_ended, p->step[p->n_steps - 1]) == 0;
}

static bool
done(struct run *r, int64_t unix_ms)
{
	const struct bl_expr_env env = { lookup, r, unix_ms };

	if (r->p == NULL || r->p->done == NULL)
		return done_by_default(r);
	r->expr = r->p->done;
	return bl_expr_truth(r->p->done, &env) == BL_TRUE;
}

/* ---- the whole ---- */

static int
take_event(struct run *r, const struct fold_event *e, struct bl_err *err)
{
	struct fold *f = r->f;
	json_t *attrs = cases_object(e->attrs, err);
	bool folded;
	int rc;

	if (attrs == NULL)
		return BL_ECORRUPT;
	folded = cases_attrs_fold(r->attrs, attrs);
	json_decref(attrs);
	if (!folded)
		return bl_fail(err, BL_ENOMEM, "cases: out of memory");
	if (f->end_unix_ms != CASES_OPEN)
		return BL_OK;
	r->just_ended = NULL;
	rc = take_step(r, e);
	if (rc == BL_OK && done(r, e->unix_ms)) {
		f->end_unix_ms = e->unix_ms;
		f->end_device = e->device;
		rc = fill_open_steps(r);
	}
	return rc < 0 ? bl_fail(err, rc, "cases: out of memory") : BL_OK;
}

int
cases_fold(struct fold *out, struct fold_event *events, size_t n, const char *case_id,
    const char *process, const struct define_set *set, struct jsonw *w, struct bl_err *err)
{
	struct run r = { .f = out, .e = events, .case_id = case_id, .process = process, .w = w };
	int rc = BL_OK;

	memset(out, 0, sizeof(*out));
	r.n = out->events = sort_events(events, n);
	out->begin_unix_ms = events[0].unix_ms;
	out->end_unix_ms = CASES_OPEN;
	out->end_device = "";
	r.p = define_process_at(set, process, out->begin_unix_ms);
	if ((r.attrs = json_object()) == NULL)
		return bl_fail(err, BL_ENOMEM, "cases: out of memory");
	for (size_t i = 0; i < r.n && rc == BL_OK; i++)
		rc = take_event(&r, &events[i], err);
	if (rc == BL_OK) {
		out->attrs = attrs_now(&r);
		out->status = strdup(status_of(&r));
		if (out->attrs == NULL || out->status == NULL || fill_open_steps(&r) < 0)
			rc = bl_fail(err, BL_ENOMEM, "cases: out of memory");
	}
	json_decref(r.attrs);
	if (rc < 0)
		cases_fold_free(out);
	return rc;
}

void
cases_fold_free(struct fold *f)
{
	for (size_t i = 0; i < f->n_steps; i++)
		free(f->step[i].attrs);
	free(f->step);
	free(f->status);
	free(f->attrs);
	memset(f, 0, sizeof(*f));
}
