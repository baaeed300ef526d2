/*
 * What an expression of a definition may name.  All scopes are open: labels and
 * attributes are whatever callers make up; the names here are the ones that are
 * always there, with a line of help for editors.
 */
#include "define_internal.h"

#include <stdio.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The first of each is what condition alone sees: where begins at the second. */

static const struct bl_expr_field series_fields[] = {
	{ "value", BL_VALUE_NUMBER, "the value of the sample" },
	{ "device", BL_VALUE_TEXT, "the id of the device" },
};
static const struct bl_expr_field probe_fields[] = {
	{ "value", BL_VALUE_NUMBER, "the value of the sample; probe_up: 1 fine, 0 failed" },
	{ "device", BL_VALUE_TEXT, "the id of the device" },
	{ "probe", BL_VALUE_TEXT, "the name of the probe" },
};
static const struct bl_expr_field step_fields[] = {
	{ "value", BL_VALUE_DURATION, "how long the step took" },
	{ "device", BL_VALUE_TEXT, "the id of the device that ended the step" },
	{ "process", BL_VALUE_TEXT, "the process that the case belongs to" },
	{ "case", BL_VALUE_TEXT, "the id of the case" },
	{ "step", BL_VALUE_TEXT, "the name of the step" },
	{ "status", BL_VALUE_NULL, "the attribute status of the step" },
};
static const struct bl_expr_field case_fields[] = {
	{ "value", BL_VALUE_DURATION, "how long the case took" },
	{ "device", BL_VALUE_TEXT, "the id of the device that ended the case" },
	{ "process", BL_VALUE_TEXT, "the process that the case belongs to" },
	{ "case", BL_VALUE_TEXT, "the id of the case" },
	{ "status", BL_VALUE_TEXT, "the last status that the case had" },
};
static const struct bl_expr_field done_fields[] = {
	{ "process", BL_VALUE_TEXT, "the process that the case belongs to" },
	{ "step", BL_VALUE_TEXT, "the step that has just ended; null when none has" },
	{ "case", BL_VALUE_TEXT, "the id of the case" },
	{ "status", BL_VALUE_TEXT, "the status that the case has now" },
};
static const struct bl_expr_field open_case_fields[] = {
	{ "age", BL_VALUE_DURATION, "how long the case has been open at its deadline" },
	{ "process", BL_VALUE_TEXT, "the process that the case belongs to" },
	{ "case", BL_VALUE_TEXT, "the id of the case" },
	{ "status", BL_VALUE_TEXT, "the status that the case had at its deadline" },
};

void
define_expr_scope(enum define_source source, bool condition, struct bl_expr_scope *out)
{
	static const struct {
		const struct bl_expr_field *fields;
		size_t n;
	} by_source[] = {
		[0] = { series_fields, COUNT(series_fields) },
		[DEFINE_SERIES] = { series_fields, COUNT(series_fields) },
		[DEFINE_PROBE] = { probe_fields, COUNT(probe_fields) },
		[DEFINE_STEP] = { step_fields, COUNT(step_fields) },
		[DEFINE_CASE] = { case_fields, COUNT(case_fields) },
	};
	const unsigned s = (unsigned)source < COUNT(by_source) ? (unsigned)source : 0;
	const size_t skip = condition ? 0 : 1;

	*out = (struct bl_expr_scope){ by_source[s].fields + skip, by_source[s].n - skip, true };
}

void
define_done_scope(struct bl_expr_scope *out)
{
	*out = (struct bl_expr_scope){ done_fields, COUNT(done_fields), true };
}

void
define_open_case_scope(struct bl_expr_scope *out)
{
	*out = (struct bl_expr_scope){ open_case_fields, COUNT(open_case_fields), true };
}

void
define_expr_fault(struct define_errors *errs, const char *field, const struct bl_expr_error *e)
{
	define_fault(errs, field, e->got, "%s", e->expected);
	if (errs->n > DEFINE_ERRORS_MAX)
		return;
	errs->e[errs->n - 1].column = e->column;
	(void)snprintf(
	    errs->e[errs->n - 1].suggestion, sizeof(errs->e[0].suggestion), "%s", e->suggestion);
}
