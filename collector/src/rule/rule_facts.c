/*
 * Why, in numbers: the facts of a threshold's interval, from the runs and the
 * cells of its first windows.  A function of what is stored, so that facts do not
 * tell in which order data came.
 */
#include "rule_internal.h"

#include <stdlib.h>
#include <string.h>

struct facts {
	const struct rule_env *e;
	const struct define_rule *v;
	const char *site;
	const struct rule_piece *piece;
	size_t n;
	const struct bl_interval *at;
	struct jsonw w;
	unsigned named;
};

int
rule_facts_take(struct jsonw *w, char **out, struct bl_err *err)
{
	size_t len;
	const char *text = jsonw_text(w, &len);
	int rc = BL_OK;

	*out = text == NULL ? NULL : strdup(text);
	if (*out == NULL)
		rc = bl_fail(err, text == NULL ? BL_EFULL : BL_ENOMEM, "facts of an incident: %s",
		    text == NULL ? "too large" : "out of memory");
	jsonw_free(w);
	return rc;
}

static bool
counts(const struct facts *f, size_t i)
{
	return f->piece[i].run.outcome == BL_OUTCOME_TRUE &&
	       f->piece[i].run.begin_unix_ms >= f->at->begin_unix_ms;
}

static bool
name_window(void *ctx, const struct kpi_cell *c)
{
	struct facts *f = ctx;
	enum bl_outcome o;

	if (c->begin_unix_ms < f->at->begin_unix_ms ||
	    !rule_outcome(f->v, c, f->e->now_unix_ms, &o) || o != BL_OUTCOME_TRUE)
		return true;
	jsonw_object(&f->w, NULL);
	jsonw_int(&f->w, "begin_unix_ms", c->begin_unix_ms);
	jsonw_int(&f->w, "end_unix_ms", c->end_unix_ms);
	if (c->known)
		jsonw_num(&f->w, "value", c->value);
	else
		jsonw_null(&f->w, "value");
	jsonw_num(&f->w, "completeness", c->completeness);
	jsonw_object_end(&f->w);
	return ++f->named < RULE_WINDOWS_MAX;
}

static int
name_windows(struct facts *f, struct bl_err *err)
{
	int rc = BL_OK;

	jsonw_array(&f->w, "windows");
	for (size_t i = 0; i < f->n && f->named < RULE_WINDOWS_MAX && rc >= 0; i++)
		if (counts(f, i))
			rc = kpi_cells(f->e->db, f->v->kpi, f->v->window, f->site,
			    f->piece[i].run.begin_unix_ms, f->piece[i].run.end_unix_ms,
			    RULE_WINDOWS_MAX + 1, name_window, f, err);
	jsonw_array_end(&f->w);
	return rc;
}

static bool
worst(const struct facts *f, double *out)
{
	const bool low = f->v->op == BL_OP_LT || f->v->op == BL_OP_LE;
	bool any = false;

	for (size_t i = 0; i < f->n; i++) {
		const double x = low ? f->piece[i].min : f->piece[i].max;

		if (!counts(f, i) || !f->piece[i].known)
			continue;
		if (!any || (low ? x < *out : x > *out))
			*out = x;
		any = true;
	}
	return any;
}

static void
write_totals(struct facts *f)
{
	int64_t end = f->at->end_unix_ms, true_ms = 0, windows = 0, unknown;

	if (end == BL_RULE_OPEN)
		end = f->piece[f->n - 1].run.end_unix_ms;
	for (size_t i = 0; i < f->n; i++) {
		if (!counts(f, i))
			continue;
		windows += f->piece[i].run.windows;
		true_ms += f->piece[i].run.end_unix_ms - f->piece[i].run.begin_unix_ms;
	}
	unknown = end - f->at->begin_unix_ms - true_ms;
	jsonw_int(&f->w, "true_windows", windows);
	jsonw_int(&f->w, "unknown_ms", unknown > 0 ? unknown : 0);
}

int
rule_facts(const struct rule_env *e, const struct define_rule *v, const char *site,
    const struct rule_piece *piece, size_t n, const struct bl_interval *at, char **out,
    struct bl_err *err)
{
	struct facts f = { .e = e, .v = v, .site = site, .piece = piece, .n = n, .at = at };
	const struct define_kpi *k = define_kpi_at(e->set, v->kpi, at->begin_unix_ms);
	double x = 0;
	int rc;

	*out = NULL;
	jsonw_init(&f.w, RULE_FACTS_MAX);
	jsonw_object(&f.w, NULL);
	jsonw_str(&f.w, "kind", "threshold");
	jsonw_str(&f.w, "kpi", v->kpi);
	jsonw_str(&f.w, "kpi_name", k != NULL ? k->head.name : v->kpi);
	jsonw_str(&f.w, "unit", k != NULL ? k->unit : "");
	jsonw_str(&f.w, "window", bl_window_name(v->window));
	jsonw_str(&f.w, "op", bl_rule_op_name(v->op));
	jsonw_num(&f.w, "threshold", v->value);
	jsonw_int(&f.w, "for", v->for_windows);
	if (worst(&f, &x))
		jsonw_num(&f.w, "worst", x);
	else
		jsonw_null(&f.w, "worst");
	if ((rc = name_windows(&f, err)) < 0) {
		jsonw_free(&f.w);
		return rc;
	}
	write_totals(&f);
	jsonw_object_end(&f.w);
	return rule_facts_take(&f.w, out, err);
}
