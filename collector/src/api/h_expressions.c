/* Expressions, checked while they are written: is it one, and what may it name? */
#include "api_internal.h"

#include <string.h>

#include "branchline/expr.h"

enum use { USE_WHERE, USE_CONDITION, USE_DONE, USE_OPEN_CASE };
static const char *const uses[] = { "where", "condition", "done", "open_case", NULL };
/* As enum define_source, which counts from 1. */
static const char *const sources[] = { "series", "probe", "step", "case", NULL };

struct expression_body {
	struct given_str text;
	struct given_enum use, source;
};

static const struct field expression_fields[] = {
	{ "text", FIELD_STR, offsetof(struct expression_body, text), .required = true,
	    .max = BL_EXPR_TEXT_MAX, .help = "the expression" },
	{ "use", FIELD_ENUM, offsetof(struct expression_body, use), .required = true,
	    .choices = uses,
	    .help = "where and condition of a KPI, done of a process, open_case: where of a rule "
		    "about open cases" },
	{ "source", FIELD_ENUM, offsetof(struct expression_body, source), .choices = sources,
	    .help = "of the KPI: for where and condition" },
};
const struct schema body_expression = { "ExpressionCheck", sizeof(struct expression_body),
	expression_fields, 3 };

static const char *
type_name(enum bl_value_type t)
{
	static const char *const names[] = { [BL_VALUE_NULL] = "any",
		[BL_VALUE_BOOL] = "boolean",
		[BL_VALUE_NUMBER] = "number",
		[BL_VALUE_TEXT] = "text",
		[BL_VALUE_TIME] = "time",
		[BL_VALUE_DURATION] = "duration" };

	return names[t];
}

/* False: the source is missing, it has been answered. */
static bool
scope_of(struct api_req *r, const struct expression_body *b, struct bl_expr_scope *out)
{
	const enum define_source source = (enum define_source)(b->source.v + DEFINE_SERIES);
	struct field_errors errs = { 0 };

	switch ((enum use)b->use.v) {
	case USE_DONE:
		define_done_scope(out);
		return true;
	case USE_OPEN_CASE:
		define_open_case_scope(out);
		return true;
	case USE_WHERE:
	case USE_CONDITION:
		break;
	}
	if (b->source.given) {
		define_expr_scope(source, b->use.v == USE_CONDITION, out);
		return true;
	}
	field_error_add(&errs, "source", "where the KPI's values come from", "nothing", NULL);
	api_problem_fields(r, &errs);
	return false;
}

static void
write_error(struct jsonw *w, const struct bl_expr_error *e)
{
	jsonw_object(w, NULL);
	jsonw_int(w, "column", e->column);
	jsonw_str(w, "expected", e->expected);
	jsonw_str(w, "got", e->got);
	jsonw_str(w, "suggestion", e->suggestion[0] != '\0' ? e->suggestion : NULL);
	jsonw_object_end(w);
}

static void
write_names(struct jsonw *w, const struct bl_expr_scope *scope)
{
	jsonw_array(w, "names");
	for (size_t i = 0; i < scope->n; i++) {
		const struct bl_expr_field *f = &scope->fields[i];

		jsonw_object(w, NULL);
		jsonw_str(w, "name", f->name);
		jsonw_str(w, "type", type_name(f->type));
		jsonw_str(w, "help", f->help != NULL ? f->help : "");
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
}

int
post_expressions_check(struct api_req *r, struct bl_err *err)
{
	const struct expression_body *b = r->body;
	struct bl_expr_scope scope;
	struct bl_expr_error wrong;
	struct bl_expr *e = NULL;
	int rc;

	if (!scope_of(r, b, &scope))
		return 0;
	rc = bl_expr_compile(&e, b->text.v, strlen(b->text.v), &scope, BL_VALUE_BOOL, &wrong, err);
	bl_expr_free(e);
	if (rc < 0 && rc != BL_EINVAL)
		return rc;
	jsonw_object(&r->w, NULL);
	jsonw_bool(&r->w, "ok", rc == BL_OK);
	jsonw_array(&r->w, "errors");
	if (rc == BL_EINVAL)
		write_error(&r->w, &wrong);
	jsonw_array_end(&r->w);
	write_names(&r->w, &scope);
	jsonw_object_end(&r->w);
	return api_json_send(r, 200);
}
