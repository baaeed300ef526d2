/* The condition of a rule about cases, over the case as it was at an instant. */
#include "rule_internal.h"

#include <string.h>

struct where {
	const struct rule_case *c;
	int64_t unix_ms;
	const struct bl_expr *expr;
	const struct cases_attrs *attrs;
};

static void
set_text(struct bl_value *out, const char *text)
{
	*out = (struct bl_value){ .type = BL_VALUE_TEXT, .text = text, .text_len = strlen(text) };
}

static void
lookup(void *ctx, size_t i, struct bl_value *out)
{
	const struct where *w = ctx;
	const char *name = bl_expr_name(w->expr, i);

	if (strcmp(name, "age") == 0) {
		*out =
		    (struct bl_value){ .type = BL_VALUE_DURATION, .ms = w->unix_ms - w->c->begin };
	} else if (strcmp(name, "process") == 0) {
		set_text(out, w->c->process);
	} else if (strcmp(name, "case") == 0) {
		set_text(out, w->c->case_id);
	} else {
		cases_attr(w->attrs, name, out);
		/* All events up to here are there: no status is known to be none, not unknown. */
		if (out->type == BL_VALUE_NULL && strcmp(name, "status") == 0)
			set_text(out, "");
	}
}

int
rule_where_holds(const struct rule_env *e, const struct define_rule *v, const struct rule_case *c,
    int64_t unix_ms, bool *out, struct bl_err *err)
{
	struct where w = { .c = c, .unix_ms = unix_ms, .expr = v->where };
	const struct bl_expr_env env = { .lookup = lookup, .ctx = &w, .now_unix_ms = unix_ms };
	struct cases_attrs *attrs;
	int rc;

	*out = true;
	if (v->where == NULL)
		return BL_OK;
	if ((rc = cases_attrs_at(&attrs, e->db, c->no, unix_ms, err)) < 0)
		return rc;
	w.attrs = attrs;
	*out = bl_expr_truth(v->where, &env) == BL_TRUE;
	cases_attrs_free(attrs);
	return BL_OK;
}
