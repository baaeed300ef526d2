/*
 * Durations of steps and cases into slots: read from the cases that have been put
 * together, in the window of their end.
 */
#include "kpi_internal.h"

#include <string.h>

#include "branchline/expr.h"
#include "cases.h"

struct steps_ctx {
	struct kpi_job *j;
	enum define_source source;
};

/* One step or case, as expressions see it. */
struct row {
	const struct bl_expr *e;
	const char *device;
	const struct cases_row *c;
	const struct cases_step *s; /* NULL: a case */
	const struct cases_attrs *attrs;
	bool has_value;
	int64_t ms;
};

static void
text_value(const char *text, struct bl_value *out)
{
	out->type = BL_VALUE_TEXT;
	out->text = text;
	out->text_len = strlen(text);
}

static void
lookup(void *ctx, size_t i, struct bl_value *out)
{
	const struct row *r = ctx;
	const char *name = bl_expr_name(r->e, i);

	memset(out, 0, sizeof(*out));
	if (r->has_value && strcmp(name, "value") == 0) {
		out->type = BL_VALUE_DURATION;
		out->ms = r->ms;
	} else if (strcmp(name, "device") == 0) {
		text_value(r->device, out);
	} else if (strcmp(name, "process") == 0) {
		text_value(r->c->process, out);
	} else if (strcmp(name, "case") == 0) {
		text_value(r->c->case_id, out);
	} else if (r->s != NULL && strcmp(name, "step") == 0) {
		text_value(r->s->step, out);
	} else if (r->s == NULL && strcmp(name, "status") == 0) {
		if (r->c->status[0] != '\0')
			text_value(r->c->status, out);
	} else {
		cases_attr(r->attrs, name, out);
	}
}

static enum bl_truth
truth_of(struct row *r, const struct bl_expr *e, bool with_value, int64_t now)
{
	const struct bl_expr_env env = { lookup, r, now };

	r->e = e;
	r->has_value = with_value;
	return bl_expr_truth(e, &env);
}

static bool
is_about(const struct define_kpi *v, const struct cases_row *c, const struct cases_step *s)
{
	if (strcmp(v->process, c->process) != 0)
		return false;
	return s == NULL || v->step[0] == '\0' || strcmp(v->step, s->step) == 0;
}

static int
take(struct kpi_task *t, struct row *r, int64_t end)
{
	const struct define_kpi *v = t->v;
	struct bl_part *p = kpi_task_part(t, end);
	enum bl_truth hit = BL_FALSE;

	if (p == NULL || v->function == BL_FN_RATE)
		return BL_OK;
	if (v->where != NULL && truth_of(r, v->where, false, end) != BL_TRUE)
		return BL_OK;
	if (v->function == BL_FN_SHARE) {
		hit =
		    v->condition == NULL ? BL_UNKNOWN_TRUTH : truth_of(r, v->condition, true, end);
		if (hit == BL_UNKNOWN_TRUTH)
			return BL_OK;
	}
	return bl_part_add(p, (double)r->ms, hit == BL_TRUE);
}

static bool
on_ended(void *ctx, const struct cases_row *c, const struct cases_step *s)
{
	const struct steps_ctx *x = ctx;
	struct kpi_job *j = x->j;
	const int64_t begin = s != NULL ? s->begin_unix_ms : c->begin_unix_ms;
	const int64_t end = s != NULL ? s->end_unix_ms : c->end_unix_ms;
	struct row r = { .device = j->device, .c = c, .s = s, .ms = end - begin };
	struct cases_attrs *attrs = NULL;
	int rc = BL_OK;

	for (size_t i = 0; rc >= 0 && i < j->n; i++) {
		struct kpi_task *t = &j->task[i];

		if (t->v->source != x->source || !is_about(t->v, c, s) ||
		    strcmp(t->site->id, c->site) != 0)
			continue;
		if (attrs == NULL && (t->v->where != NULL || t->v->condition != NULL) &&
		    (rc = cases_attrs_parse(&attrs, s != NULL ? s->attrs : c->attrs, j->err)) < 0)
			break;
		r.attrs = attrs;
		if ((rc = take(t, &r, end)) < 0)
			(void)bl_fail(j->err, rc, "kpi: out of memory");
	}
	cases_attrs_free(attrs);
	j->rc = rc < 0 ? rc : j->rc;
	return rc >= 0;
}

static bool
any_of(const struct kpi_job *j, enum define_source source)
{
	for (size_t i = 0; i < j->n; i++)
		if (j->task[i].v->source == source && j->task[i].n_slots > 0)
			return true;
	return false;
}

int
kpi_feed_steps(struct kpi_job *j)
{
	struct steps_ctx x = { j, DEFINE_STEP };
	int64_t begin, end;
	int rc = BL_OK;

	if (!kpi_job_span(j, &begin, &end))
		return BL_OK;
	if (any_of(j, DEFINE_STEP))
		rc = cases_ended_steps(j->control, j->device, begin, end, on_ended, &x, j->err);
	x.source = DEFINE_CASE;
	if (rc >= 0 && j->rc >= 0 && any_of(j, DEFINE_CASE))
		rc = cases_ended(j->control, j->device, begin, end, on_ended, &x, j->err);
	return rc < 0 ? rc : j->rc;
}
