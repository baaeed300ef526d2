/*
 * Types and names: what cannot hold is refused here, with the part that does
 * not fit.  Names of unknown type (EXPR_ANY) fit everywhere; evaluation looks
 * at what they are and gives null where it does not go together.
 */
#include "expr_internal.h"

#include <stdio.h>
#include <string.h>

static bool check(struct expr_compile *c, uint16_t at);

static struct expr_node *
at_node(struct expr_compile *c, uint16_t at)
{
	return &c->nodes[at];
}

/* ---- names ---- */

static const struct bl_expr_field *
find_field(const struct expr_compile *c, struct expr_span name)
{
	for (size_t i = 0; c->scope != NULL && i < c->scope->n; i++) {
		const char *s = c->scope->fields[i].name;

		if (strlen(s) == name.len && memcmp(s, c->text + name.at, name.len) == 0)
			return &c->scope->fields[i];
	}
	return NULL;
}

/* Where the name is among those used; c->n_names: not yet. */
static size_t
find_slot(const struct expr_compile *c, struct expr_span name)
{
	size_t i = 0;

	while (i < c->n_names &&
	       (c->name[i].len != name.len ||
		   memcmp(c->text + c->name[i].at, c->text + name.at, name.len) != 0))
		i++;
	return i;
}

static bool
take_slot(struct expr_compile *c, struct expr_node *n)
{
	const size_t i = find_slot(c, n->word);

	if (i == BL_EXPR_NAMES_MAX)
		return expr_fail_source(c, n->span, "at most 32 different names");
	if (i == c->n_names)
		c->name[c->n_names++] = n->word;
	n->slot = (uint16_t)i;
	return true;
}

/* A word that would be taken for something else in a scope that takes all names. */
static bool
is_misread(const struct expr_compile *c, const struct expr_node *n)
{
	const char *s = c->text + n->word.at;
	const struct expr_func *f = expr_func_find(s, n->word.len);

	if (n->span.len != n->word.len) /* in brackets: it is meant */
		return false;
	return (f != NULL && (f->op == OP_IF || f->max == 0)) ||
	       (n->word.len > 3 && memcmp(s, "\xe9\x9d\x9e", 3) == 0); /* 非... */
}

static bool
check_name(struct expr_compile *c, struct expr_node *n, bool may_be_text)
{
	const struct bl_expr_field *f = find_field(c, n->word);

	if (f == NULL && (c->scope == NULL || !c->scope->open || is_misread(c, n))) {
		(void)expr_fail_source(c, n->span, "a name that is known here");
		expr_slip_name(c, n->word, may_be_text && n->span.len == n->word.len);
		return false;
	}
	n->type = f == NULL || f->type == BL_VALUE_NULL ? EXPR_ANY : (uint8_t)f->type;
	return take_slot(c, n);
}

/* A child where a text may stand: an unknown word may be a text without quotes. */
static bool
check_child(struct expr_compile *c, uint16_t at, bool may_be_text)
{
	struct expr_node *n = at_node(c, at);

	return n->kind == NODE_NAME ? check_name(c, n, may_be_text) : check(c, at);
}

static bool
may_be(unsigned type, unsigned wanted)
{
	return type == wanted || type == EXPR_ANY;
}

static bool
fail_type(struct expr_compile *c, const struct expr_node *n, const char *expected, unsigned wanted)
{
	(void)expr_fail(c, n->span, expected, expr_type_name(n->type));
	expr_slip_type(c, n, wanted);
	return false;
}

/* ---- and, or, not ---- */

/* status = "a" or "b" */
static void
slip_or_value(struct expr_compile *c, const struct expr_node *before, const struct expr_node *n)
{
	const struct expr_node *left;

	if (before == NULL || before->kind != NODE_COMPARE || n->kind != NODE_CONST)
		return;
	left = at_node(c, before->first);
	if (left->kind == NODE_NAME && may_be(left->type, n->type))
		expr_suggest(c, "%.*s %.*s %.*s", EXPR_SPAN(c, left->span),
		    EXPR_SPAN(c, before->word), EXPR_SPAN(c, n->span));
}

static bool
check_logic(struct expr_compile *c, struct expr_node *n)
{
	const struct expr_node *before = NULL;

	for (uint16_t i = n->first; i != EXPR_NONE; i = at_node(c, i)->next) {
		const struct expr_node *child = at_node(c, i);

		if (!check(c, i))
			return false;
		if (!may_be(child->type, BL_VALUE_BOOL)) {
			(void)fail_type(c, child, "a condition (true or false)", BL_VALUE_BOOL);
			slip_or_value(c, before, child);
			return false;
		}
		before = child;
	}
	n->type = BL_VALUE_BOOL;
	return true;
}

/* ---- comparisons ---- */

static bool
null_compared(struct expr_compile *c, const struct expr_node *n)
{
	const struct expr_node *l = at_node(c, n->first), *r = at_node(c, n->last);
	const bool left_is_null = l->type == BL_VALUE_NULL;
	const struct expr_node *null = left_is_null ? l : r, *other = left_is_null ? r : l;

	(void)expr_fail(c, null->span, "a value (a comparison with null is never known)", "null");
	if (n->op == CMP_SAME)
		expr_suggest(c, "is_null(%.*s)", EXPR_SPAN(c, other->span));
	else if (n->op == (CMP_LESS | CMP_MORE))
		expr_suggest(c, "not is_null(%.*s)", EXPR_SPAN(c, other->span));
	return false;
}

/*
 * status = completed: where every name is allowed, that is one, and the whole
 * never true.  Quotes were forgotten, unless brackets or an earlier use say
 * that a name is meant.
 */
static bool
lacks_quotes(const struct expr_compile *c, const struct expr_node *n)
{
	const struct expr_node *l = &c->nodes[n->first], *r = &c->nodes[n->last];

	if (c->scope == NULL || !c->scope->open || l->kind != NODE_NAME || r->kind != NODE_NAME ||
	    (n->op != CMP_SAME && n->op != (CMP_LESS | CMP_MORE)))
		return false;
	return may_be(l->type, BL_VALUE_TEXT) && r->span.len == r->word.len &&
	       find_field(c, r->word) == NULL && find_slot(c, r->word) == c->n_names;
}

static bool
check_compare(struct expr_compile *c, struct expr_node *n)
{
	const struct expr_node *l = at_node(c, n->first), *r = at_node(c, n->last), *odd = r;
	char expected[64];

	if (!check(c, n->first))
		return false;
	if (lacks_quotes(c, n)) {
		(void)expr_fail_source(c, r->span, "a text in quotes, or a name in brackets");
		expr_suggest(c, "\"%.*s\"", EXPR_SPAN(c, r->span));
		return false;
	}
	if (!check_child(c, n->last, may_be(l->type, BL_VALUE_TEXT)))
		return false;
	if (l->type == BL_VALUE_NULL || r->type == BL_VALUE_NULL)
		return null_compared(c, n);
	n->type = BL_VALUE_BOOL;
	if (l->type != r->type && l->type != EXPR_ANY && r->type != EXPR_ANY) {
		if (l->kind == NODE_CONST && r->kind != NODE_CONST)
			odd = l;
		(void)snprintf(expected, sizeof(expected), "%s to compare with %s",
		    expr_type_name(odd == r ? l->type : r->type),
		    expr_type_name(odd == r ? l->type : r->type));
		return fail_type(c, odd, expected, odd == r ? l->type : r->type);
	}
	if ((l->type == BL_VALUE_BOOL || r->type == BL_VALUE_BOOL) && n->op != CMP_SAME &&
	    n->op != (CMP_LESS | CMP_MORE))
		return expr_fail_source(c, n->word, "\"=\" or \"!=\" between true and false");
	return true;
}

/* ---- arithmetic ---- */

static const struct {
	uint8_t op, left, right, result;
} sums[] = {
	{ OP_ADD, BL_VALUE_NUMBER, BL_VALUE_NUMBER, BL_VALUE_NUMBER },
	{ OP_ADD, BL_VALUE_DURATION, BL_VALUE_DURATION, BL_VALUE_DURATION },
	{ OP_ADD, BL_VALUE_TIME, BL_VALUE_DURATION, BL_VALUE_TIME },
	{ OP_ADD, BL_VALUE_DURATION, BL_VALUE_TIME, BL_VALUE_TIME },
	{ OP_SUB, BL_VALUE_NUMBER, BL_VALUE_NUMBER, BL_VALUE_NUMBER },
	{ OP_SUB, BL_VALUE_DURATION, BL_VALUE_DURATION, BL_VALUE_DURATION },
	{ OP_SUB, BL_VALUE_TIME, BL_VALUE_DURATION, BL_VALUE_TIME },
	{ OP_SUB, BL_VALUE_TIME, BL_VALUE_TIME, BL_VALUE_DURATION },
	{ OP_MUL, BL_VALUE_NUMBER, BL_VALUE_NUMBER, BL_VALUE_NUMBER },
	{ OP_MUL, BL_VALUE_DURATION, BL_VALUE_NUMBER, BL_VALUE_DURATION },
	{ OP_MUL, BL_VALUE_NUMBER, BL_VALUE_DURATION, BL_VALUE_DURATION },
	{ OP_DIV, BL_VALUE_NUMBER, BL_VALUE_NUMBER, BL_VALUE_NUMBER },
	{ OP_DIV, BL_VALUE_DURATION, BL_VALUE_NUMBER, BL_VALUE_DURATION },
	{ OP_DIV, BL_VALUE_DURATION, BL_VALUE_DURATION, BL_VALUE_NUMBER },
	{ OP_MOD, BL_VALUE_NUMBER, BL_VALUE_NUMBER, BL_VALUE_NUMBER },
	{ OP_MOD, BL_VALUE_DURATION, BL_VALUE_DURATION, BL_VALUE_DURATION },
};
#define SUMS (sizeof(sums) / sizeof(sums[0]))

/* What may stand right of that, in words; wanted: one type of them. */
static void
right_of(unsigned op, unsigned left, char *out, size_t size, unsigned *wanted)
{
	size_t n = 0;

	*wanted = EXPR_ANY;
	out[0] = '\0';
	for (size_t i = 0; i < SUMS && n < size; i++)
		if (sums[i].op == op && sums[i].left == left) {
			n += (size_t)snprintf(out + n, size - n, "%s%s", n == 0 ? "" : " or ",
			    expr_type_name(sums[i].right));
			if (*wanted == EXPR_ANY || sums[i].right == BL_VALUE_DURATION)
				*wanted = sums[i].right;
		}
}

static bool
fail_arith(struct expr_compile *c, const struct expr_node *n)
{
	const struct expr_node *l = at_node(c, n->first), *r = at_node(c, n->last);
	char expected[80];
	unsigned wanted;

	right_of(n->op, l->type, expected, sizeof(expected), &wanted);
	if (expected[0] != '\0')
		return fail_type(c, r, expected, wanted);
	if (l->type == BL_VALUE_TEXT && n->op == OP_ADD)
		return fail_type(
		    c, l, "a number, a time or a duration (text cannot be added)", BL_VALUE_NUMBER);
	return fail_type(c, l,
	    n->op == OP_MUL || n->op == OP_DIV || n->op == OP_MOD
		? "a number or a duration"
		: "a number, a time or a duration",
	    BL_VALUE_NUMBER);
}

static bool
check_arith(struct expr_compile *c, struct expr_node *n)
{
	const struct expr_node *l = at_node(c, n->first), *r = at_node(c, n->last);
	unsigned result = BL_VALUE_NULL;

	if (!check(c, n->first) || !check(c, n->last))
		return false;
	for (size_t i = 0; i < SUMS; i++)
		if (sums[i].op == n->op && may_be(l->type, sums[i].left) &&
		    may_be(r->type, sums[i].right))
			result = result == BL_VALUE_NULL || result == sums[i].result
				     ? sums[i].result
				     : EXPR_ANY;
	if (result == BL_VALUE_NULL)
		return fail_arith(c, n);
	n->type = (uint8_t)result;
	if ((n->op == OP_DIV || n->op == OP_MOD) && r->kind == NODE_CONST &&
	    (r->type == BL_VALUE_NUMBER ? r->value.number == 0 : r->value.ms == 0))
		return expr_fail_source(c, r->span, "a divisor that is not zero");
	return true;
}

static bool
check_neg(struct expr_compile *c, struct expr_node *n)
{
	const struct expr_node *child = at_node(c, n->first);

	if (!check(c, n->first))
		return false;
	if (!may_be(child->type, BL_VALUE_NUMBER) && child->type != BL_VALUE_DURATION)
		return fail_type(c, child, "a number or a duration after \"-\"", BL_VALUE_NUMBER);
	n->type = child->type;
	return true;
}

/* ---- calls ---- */

static void
name_types(unsigned allowed, char *out, size_t size, unsigned *wanted)
{
	size_t n = 0;

	if ((allowed & EXPR_VALUES) == EXPR_VALUES) {
		(void)snprintf(out, size, "a value");
		*wanted = EXPR_ANY;
		return;
	}
	for (unsigned t = BL_VALUE_BOOL; t <= BL_VALUE_DURATION && n < size; t++)
		if ((allowed & EXPR_BIT(t)) != 0) {
			if (n == 0)
				*wanted = t;
			n += (size_t)snprintf(
			    out + n, size - n, "%s%s", n == 0 ? "" : " or ", expr_type_name(t));
		}
}

static bool
arg_fits(struct expr_compile *c, const struct expr_node *call, const struct expr_node *arg,
    unsigned allowed)
{
	char types[64] = "", expected[96];
	unsigned wanted = EXPR_ANY;

	if (arg->type == EXPR_ANY || (allowed & EXPR_BIT(arg->type)) != 0)
		return true;
	name_types(allowed, types, sizeof(types), &wanted);
	(void)snprintf(expected, sizeof(expected), "%s in %s()", types, call->func->name);
	return fail_type(c, arg, expected, wanted);
}

/*
 * The type that arguments have in common.  One of unknown type leaves it open
 * where any value may come out; min, max and abs give their kind or null.
 */
static bool
join(struct expr_compile *c, const struct expr_node *call, const struct expr_node *arg,
    unsigned *common, bool *open)
{
	char expected[96];

	if (arg->type == BL_VALUE_NULL)
		return true;
	if (arg->type == EXPR_ANY) {
		*open = true;
		return true;
	}
	if (*common != BL_VALUE_NULL && *common != arg->type) {
		(void)snprintf(expected, sizeof(expected), "%s, as before in %s()",
		    expr_type_name(*common), call->func->name);
		return fail_type(c, arg, expected, *common);
	}
	*common = arg->type;
	return true;
}

/* Whether the text is a time once that stands behind it; then it is proposed. */
static bool
slip_time(struct expr_compile *c, const struct expr_cell *text, const char *behind)
{
	char longer[48];
	int64_t ms;
	int n;

	if (text->len > sizeof("2026-11-28T09:30:00.123"))
		return false;
	n = snprintf(longer, sizeof(longer), "%.*s%s", (int)text->len, text->text, behind);
	if (n < 0 || !bl_time_parse(longer, (size_t)n, &ms))
		return false;
	expr_suggest(c, "\"%s\"", longer);
	return true;
}

static bool
fold_time(struct expr_compile *c, struct expr_node *call)
{
	const struct expr_node *arg = at_node(c, call->first);
	struct expr_cell t = { .type = BL_VALUE_TIME };

	if (arg->kind != NODE_CONST)
		return true;
	if (!bl_time_parse(arg->value.text, arg->value.len, &t.ms)) {
		(void)expr_fail_source(
		    c, arg->span, "a date, a time and a zone: \"2026-11-28T09:30:00+08:00\"");
		(void)(slip_time(c, &arg->value, "T00:00:00Z") || slip_time(c, &arg->value, "Z"));
		return false;
	}
	call->kind = NODE_CONST;
	call->value = t;
	return true;
}

static bool
check_call(struct expr_compile *c, struct expr_node *n)
{
	const struct expr_func *f = n->func;
	unsigned common = BL_VALUE_NULL, i = 0;
	bool open = false;

	for (uint16_t k = n->first; k != EXPR_NONE; k = at_node(c, k)->next, i++) {
		const struct expr_node *arg = at_node(c, k);
		const unsigned allowed = i == 0 ? f->first : f->rest;

		if (!check_child(c, k, allowed == EXPR_BIT(BL_VALUE_TEXT)) ||
		    !arg_fits(c, n, arg, allowed) ||
		    (i >= f->join_from && !join(c, n, arg, &common, &open)))
			return false;
		n->lower |= arg->lower && i >= f->join_from;
	}
	n->type = f->result;
	if (f->result == EXPR_JOINED) {
		const bool any_may_come = (f->rest & EXPR_BIT(BL_VALUE_NULL)) != 0;

		n->type = (uint8_t)(open && (any_may_come || common == BL_VALUE_NULL) ? EXPR_ANY
										      : common);
	}
	n->lower |= f->op == OP_LOWER;
	return f->op != OP_TIME || fold_time(c, n);
}

/* ---- the whole ---- */

static bool
check(struct expr_compile *c, uint16_t at)
{
	struct expr_node *n = at_node(c, at);

	switch ((enum expr_kind)n->kind) {
	case NODE_CONST:
		n->type = n->value.type;
		return true;
	case NODE_NAME:
		return check_name(c, n, false);
	case NODE_NOT:
	case NODE_AND:
	case NODE_OR:
		return check_logic(c, n);
	case NODE_NEG:
		return check_neg(c, n);
	case NODE_COMPARE:
		return check_compare(c, n);
	case NODE_ARITH:
		return check_arith(c, n);
	case NODE_CALL:
		return check_call(c, n);
	}
	return false;
}

bool
expr_check(struct expr_compile *c, uint16_t root)
{
	const struct expr_node *n = at_node(c, root);

	if (!check(c, root))
		return false;
	if (c->want != BL_VALUE_NULL && !may_be(n->type, c->want)) {
		(void)fail_type(c, n,
		    c->want == BL_VALUE_BOOL ? "a condition (true or false)"
					     : expr_type_name(c->want),
		    c->want);
		if (c->want == BL_VALUE_BOOL && n->kind == NODE_NAME && n->type == BL_VALUE_TEXT)
			expr_suggest(c, "%.*s = \"...\"", EXPR_SPAN(c, n->span));
		return false;
	}
	if (n->lower)
		return expr_fail(
		    c, n->span, "a comparison of what lower() gives", "the text itself");
	return true;
}
