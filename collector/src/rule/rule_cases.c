/*
 * A case that is still open after a limit: judged by one rule.
 *
 * The version counts that is in force at the deadline it sets.  A case that is
 * known to have ended later was late; one whose end is not known is late only
 * when the events of every device that could have ended it are there up to the
 * deadline.  Pure, but for the coverage and the attributes that it asks for.
 */
#include "rule_internal.h"

#include <string.h>

/* Is this version about such cases, at that site? */
static bool
judges(const struct rule_env *e, const struct define_rule *v, const struct rule_case *c)
{
	return v->kind == DEFINE_CASE_OPEN && strcmp(v->process, c->process) == 0 &&
	       rule_applies(e, v, c->site);
}

/* From when on after t the rule is about such cases no longer. */
static int64_t
off_after(
    const struct rule_env *e, const struct define_rule *first, const struct rule_case *c, int64_t t)
{
	int64_t off = INT64_MAX;

	for (const struct define_rule *v = first; v != NULL; v = rule_next_version(e->set, v)) {
		const int64_t from = v->head.from_unix_ms;

		if (from > t && from < off && !judges(e, v, c) &&
		    define_rule_at(e->set, v->head.id, from) == v)
			off = from;
	}
	return off;
}

static void
found(const struct rule_env *e, const struct define_rule *first, const struct rule_case *c,
    int64_t covered, struct rule_verdict *out)
{
	const int64_t off = off_after(e, first, c, out->deadline);
	int64_t seen = covered == INT64_MAX ? out->deadline : covered;

	out->outcome = BL_OUTCOME_TRUE;
	out->at.begin_unix_ms = out->deadline;
	out->at.end_unix_ms = c->end < off ? c->end : off;
	if (out->at.end_unix_ms != BL_RULE_OPEN)
		seen = out->at.end_unix_ms;
	out->at.last_true_unix_ms = seen;
	out->ended = out->at.end_unix_ms != BL_RULE_OPEN;
}

int
rule_case_judge(const struct rule_env *e, const struct define_rule *first,
    const struct rule_case *c, struct rule_cover *cover, struct rule_verdict *out,
    struct bl_err *err)
{
	for (const struct define_rule *v = first; v != NULL; v = rule_next_version(e->set, v)) {
		int64_t covered = INT64_MAX;
		bool holds;
		int rc;

		*out = (struct rule_verdict){ .v = v, .outcome = BL_OUTCOME_UNKNOWN };
		out->deadline = rule_add(c->begin, v->limit_ms);
		if (!judges(e, v, c) || c->end <= out->deadline ||
		    define_rule_at(e->set, v->head.id, out->deadline) != v)
			continue;
		if (c->end == CASES_OPEN &&
		    (rc = rule_cover_until(cover, c->begin, out->deadline, &covered, err)) < 0)
			return rc;
		if (covered <= out->deadline) /* not known yet */
			return BL_OK;
		if (c->end == CASES_OPEN && e->behind) { /* it may have ended */
			out->pending = true;
			return BL_OK;
		}
		if ((rc = rule_where_holds(e, v, c, out->deadline, &holds, err)) < 0)
			return rc;
		if (holds) {
			found(e, first, c, covered, out);
			return BL_OK;
		}
	}
	*out = (struct rule_verdict){ .v = NULL };
	return BL_OK;
}
