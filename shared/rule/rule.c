/* Outcomes, sections and notices: functions of their arguments alone. */
#include "branchline/rule.h"

#include <math.h>
#include <string.h>

static const char *const op_names[BL_OP_NE + 1] = {
	[BL_OP_GT] = ">",
	[BL_OP_GE] = ">=",
	[BL_OP_LT] = "<",
	[BL_OP_LE] = "<=",
	[BL_OP_EQ] = "=",
	[BL_OP_NE] = "!=",
};

const char *
bl_rule_op_name(enum bl_rule_op op)
{
	return op >= BL_OP_GT && op <= BL_OP_NE ? op_names[op] : NULL;
}

bool
bl_rule_op_parse(const char *text, enum bl_rule_op *out)
{
	if (strcmp(text, "==") == 0)
		text = "=";
	else if (strcmp(text, "<>") == 0)
		text = "!=";
	for (int op = BL_OP_GT; op <= BL_OP_NE; op++) {
		if (strcmp(text, op_names[op]) == 0) {
			*out = (enum bl_rule_op)op;
			return true;
		}
	}
	return false;
}

/* Neither is NaN.  Equal is exactly equal. */
static bool
compare(double value, enum bl_rule_op op, double threshold)
{
	switch (op) {
	case BL_OP_GT:
		return value > threshold;
	case BL_OP_GE:
		return value >= threshold;
	case BL_OP_LT:
		return value < threshold;
	case BL_OP_LE:
		return value <= threshold;
	case BL_OP_EQ:
		return value == threshold;
	case BL_OP_NE:
		return value != threshold;
	}
	return false;
}

enum bl_outcome
bl_rule_threshold(bool known, double value, enum bl_rule_op op, double threshold,
    double completeness, double need)
{
	/* A completeness that is no number is not enough either. */
	if (!known || isnan(value) || isnan(threshold) || !(completeness >= need))
		return BL_OUTCOME_UNKNOWN;
	return compare(value, op, threshold) ? BL_OUTCOME_TRUE : BL_OUTCOME_FALSE;
}

bool
bl_rule_section(
    const struct bl_run *runs, size_t n, uint32_t need, int64_t closed_at, struct bl_interval *out)
{
	const uint64_t enough = need > 0 ? need : 1;
	uint64_t windows = 0; /* of the stretch that ends with the run looked at */
	int64_t begin = 0, stretch_end = 0;
	bool open = false;

	for (size_t i = 0; i < n; i++) {
		if (runs[i].outcome != BL_OUTCOME_TRUE || runs[i].windows == 0) {
			windows = 0;
			continue;
		}
		if (windows == 0 || runs[i].begin_unix_ms != stretch_end) {
			windows = 0;
			begin = runs[i].begin_unix_ms;
		}
		windows += runs[i].windows;
		stretch_end = runs[i].end_unix_ms;
		if (!open && windows >= enough) {
			open = true;
			out->begin_unix_ms = begin;
			out->end_unix_ms = closed_at;
		}
		if (open)
			out->last_true_unix_ms = stretch_end;
	}
	return open;
}

enum bl_notice
bl_rule_notice(const struct bl_notice_policy *p, const struct bl_interval *at,
    int64_t known_since_unix_ms, int64_t now_unix_ms)
{
	const int64_t news = at->last_true_unix_ms > known_since_unix_ms ? at->last_true_unix_ms
									 : known_since_unix_ms;

	if (at->end_unix_ms != BL_RULE_OPEN)
		return BL_NOTICE_DIGEST;
	if (at->last_true_unix_ms >= now_unix_ms - p->fresh_ms)
		return BL_NOTICE_PAGE;
	return news <= now_unix_ms - p->stale_ms ? BL_NOTICE_DIGEST : BL_NOTICE_WAIT;
}
