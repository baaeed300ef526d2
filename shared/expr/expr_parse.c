/*
 * Pratt parser: tokens to a tree.  `and` and `or` take any number of children,
 * so that one instruction can leave a chain from any place; everything else
 * binary leans to the left.  Comparisons do not chain.
 *
 * Recursion is bounded by c->depth: only what nests counts, each level has at
 * most one operator of each precedence waiting.
 */
#include "expr_internal.h"

#include <stdio.h>

enum power {
	POWER_OR = 1,
	POWER_AND,
	POWER_NOT,
	POWER_COMPARE,
	POWER_SUM,
	POWER_PRODUCT,
	POWER_SIGN
};

struct infix {
	enum expr_tok tok;
	enum power power;
	enum expr_kind kind;
	uint8_t op;
};

static const struct infix infixes[] = {
	{ TOK_OR, POWER_OR, NODE_OR, 0 },
	{ TOK_AND, POWER_AND, NODE_AND, 0 },
	{ TOK_EQ, POWER_COMPARE, NODE_COMPARE, CMP_SAME },
	{ TOK_NE, POWER_COMPARE, NODE_COMPARE, CMP_LESS | CMP_MORE },
	{ TOK_LT, POWER_COMPARE, NODE_COMPARE, CMP_LESS },
	{ TOK_LE, POWER_COMPARE, NODE_COMPARE, CMP_LESS | CMP_SAME },
	{ TOK_GT, POWER_COMPARE, NODE_COMPARE, CMP_MORE },
	{ TOK_GE, POWER_COMPARE, NODE_COMPARE, CMP_MORE | CMP_SAME },
	{ TOK_PLUS, POWER_SUM, NODE_ARITH, OP_ADD },
	{ TOK_MINUS, POWER_SUM, NODE_ARITH, OP_SUB },
	{ TOK_STAR, POWER_PRODUCT, NODE_ARITH, OP_MUL },
	{ TOK_SLASH, POWER_PRODUCT, NODE_ARITH, OP_DIV },
	{ TOK_PERCENT, POWER_PRODUCT, NODE_ARITH, OP_MOD },
};

static uint16_t parse_binary(struct expr_compile *c, unsigned power);

static const struct infix *
infix_of(enum expr_tok tok)
{
	for (size_t i = 0; i < sizeof(infixes) / sizeof(infixes[0]); i++)
		if (infixes[i].tok == tok)
			return &infixes[i];
	return NULL;
}

static uint16_t
node(struct expr_compile *c, enum expr_kind kind, struct expr_span span)
{
	struct expr_node *n;

	if (c->n_nodes == c->max_nodes) {
		(void)expr_fail_source(c, span, "a shorter expression (256 steps at most)");
		return EXPR_NONE;
	}
	n = &c->nodes[c->n_nodes];
	*n = (struct expr_node){ .kind = (uint8_t)kind,
		.first = EXPR_NONE,
		.last = EXPR_NONE,
		.next = EXPR_NONE,
		.span = span,
		.word = span };
	return (uint16_t)c->n_nodes++;
}

static void
add_child(struct expr_compile *c, uint16_t parent, uint16_t child)
{
	struct expr_node *p = &c->nodes[parent];

	if (p->last == EXPR_NONE)
		p->first = child;
	else
		c->nodes[p->last].next = child;
	p->last = child;
	p->n++;
}

/* From where the node begins to the end of the token before this one. */
static void
close_span(struct expr_compile *c, uint16_t at, uint16_t begin)
{
	struct expr_node *n = &c->nodes[at];

	n->span.at = begin;
	n->span.len = (uint16_t)(c->prev.span.at + c->prev.span.len - begin);
}

static bool
enter(struct expr_compile *c)
{
	if (++c->depth <= BL_EXPR_DEPTH_MAX)
		return true;
	return expr_fail_source(c, c->prev.span, "at most 64 levels of nesting");
}

static uint16_t
after_value(struct expr_compile *c, const char *expected)
{
	(void)expr_fail_source(c, c->tok.span, expected);
	expr_slip_after(c);
	return EXPR_NONE;
}

/* ---- prefix ---- */

static uint16_t
parse_const(struct expr_compile *c, struct expr_cell value)
{
	const uint16_t at = node(c, NODE_CONST, c->tok.span);

	if (at == EXPR_NONE)
		return EXPR_NONE;
	c->nodes[at].value = value;
	return expr_advance(c) ? at : EXPR_NONE;
}

static uint16_t
parse_unary(struct expr_compile *c, enum expr_kind kind, unsigned power)
{
	const struct expr_span word = c->tok.span;
	uint16_t at, child;
	struct expr_node *n;

	if (!expr_advance(c) || !enter(c) || (child = parse_binary(c, power)) == EXPR_NONE)
		return EXPR_NONE;
	c->depth--;
	n = &c->nodes[child];
	if (kind == NODE_NEG && n->kind == NODE_CONST &&
	    (n->value.type == BL_VALUE_NUMBER || n->value.type == BL_VALUE_DURATION)) {
		if (n->value.type == BL_VALUE_NUMBER)
			n->value.number = -n->value.number;
		else
			n->value.ms = -n->value.ms;
		close_span(c, child, word.at);
		return child;
	}
	if ((at = node(c, kind, word)) == EXPR_NONE)
		return EXPR_NONE;
	add_child(c, at, child);
	close_span(c, at, word.at);
	return at;
}

static uint16_t
parse_parens(struct expr_compile *c)
{
	const uint16_t begin = c->tok.span.at;
	uint16_t at;

	if (!expr_advance(c) || !enter(c) || (at = parse_binary(c, 0)) == EXPR_NONE)
		return EXPR_NONE;
	c->depth--;
	if (c->tok.kind != TOK_RPAREN)
		return after_value(c, "an operator or \")\"");
	if (!expr_advance(c))
		return EXPR_NONE;
	close_span(c, at, begin);
	return at;
}

static bool
count_fits(struct expr_compile *c, uint16_t at)
{
	const struct expr_node *n = &c->nodes[at];
	const size_t end = (size_t)n->span.at + n->span.len;
	char got[24];

	if (n->n >= n->func->min && n->n <= n->func->max)
		return true;
	(void)snprintf(got, sizeof(got), "%u value%s", n->n, n->n == 1 ? "" : "s");
	(void)expr_fail(c, n->span, n->func->usage, got);
	for (size_t i = n->span.at; n->n > n->func->max && i < end; i++)
		if (expr_slip_thousands(c, i))
			break;
	return false;
}

static bool
parse_args(struct expr_compile *c, uint16_t at)
{
	uint16_t arg;

	if (c->tok.kind == TOK_RPAREN)
		return true;
	for (;;) {
		if (c->nodes[at].n == EXPR_ARGS_MAX)
			return expr_fail_source(c, c->tok.span, "at most 16 values in a function");
		if ((arg = parse_binary(c, 0)) == EXPR_NONE)
			return false;
		add_child(c, at, arg);
		if (c->tok.kind != TOK_COMMA)
			break;
		if (!expr_advance(c))
			return false;
	}
	if (c->tok.kind != TOK_RPAREN)
		(void)after_value(c, "an operator, \",\" or \")\"");
	return !c->failed;
}

/* At the parenthesis behind a name. */
static uint16_t
parse_call(struct expr_compile *c, struct expr_span name)
{
	const struct expr_func *f = expr_func_find(c->text + name.at, name.len);
	const uint16_t at = node(c, NODE_CALL, name);

	if (at == EXPR_NONE)
		return EXPR_NONE;
	if (f == NULL) {
		(void)expr_fail_source(c, name, "a function");
		expr_slip_function(c, name);
		return EXPR_NONE;
	}
	c->nodes[at].func = f;
	if (!expr_advance(c) || !enter(c) || !parse_args(c, at) || !expr_advance(c))
		return EXPR_NONE;
	c->depth--;
	close_span(c, at, name.at);
	return count_fits(c, at) ? at : EXPR_NONE;
}

static uint16_t
parse_name(struct expr_compile *c)
{
	const struct expr_token name = c->tok;
	uint16_t at;

	if (!expr_advance(c))
		return EXPR_NONE;
	if (name.kind == TOK_NAME && c->tok.kind == TOK_LPAREN)
		return parse_call(c, name.span);
	if ((at = node(c, NODE_NAME, name.span)) != EXPR_NONE)
		c->nodes[at].word = name.name;
	return at;
}

static uint16_t
parse_prefix(struct expr_compile *c)
{
	const struct expr_cell yes = { .type = BL_VALUE_BOOL, .ms = 1 },
			       no = { .type = BL_VALUE_BOOL }, null = { .type = BL_VALUE_NULL };

	switch (c->tok.kind) {
	case TOK_NUMBER:
	case TOK_DURATION:
	case TOK_TEXT:
		return parse_const(c, c->tok.value);
	case TOK_TRUE:
		return parse_const(c, yes);
	case TOK_FALSE:
		return parse_const(c, no);
	case TOK_NULL:
		return parse_const(c, null);
	case TOK_NAME:
	case TOK_QUOTED:
		return parse_name(c);
	case TOK_NOT:
		return parse_unary(c, NODE_NOT, POWER_NOT);
	case TOK_MINUS:
		return parse_unary(c, NODE_NEG, POWER_SIGN);
	case TOK_LPAREN:
		return parse_parens(c);
	default:
		(void)expr_fail_source(c, c->tok.span, "a value, a name or \"(\"");
		expr_slip_before(c);
		return EXPR_NONE;
	}
}

/* ---- infix ---- */

/* "1 < x < 5": what stands there, and what is meant. */
static uint16_t
chained(struct expr_compile *c, uint16_t left, uint16_t right)
{
	const struct expr_span first = c->nodes[left].span, middle = c->nodes[right].span;
	const struct expr_span both = { first.at, (uint16_t)(middle.at + middle.len - first.at) };

	(void)expr_fail_source(c, c->tok.span, "\"and\" between two comparisons");
	expr_suggest(c, "%.*s and %.*s %.*s ...", EXPR_SPAN(c, both), EXPR_SPAN(c, middle),
	    EXPR_SPAN(c, c->tok.span));
	return EXPR_NONE;
}

static uint16_t
parse_infix(struct expr_compile *c, uint16_t left, const struct infix *op)
{
	const bool is_chain = op->kind == NODE_AND || op->kind == NODE_OR;
	const struct expr_span word = c->tok.span;
	uint16_t at, right;

	if (!expr_advance(c) || (right = parse_binary(c, op->power)) == EXPR_NONE)
		return EXPR_NONE;
	if (op->kind == NODE_COMPARE && infix_of(c->tok.kind) != NULL &&
	    infix_of(c->tok.kind)->kind == NODE_COMPARE)
		return chained(c, left, right);
	if (is_chain && c->nodes[left].kind == op->kind) {
		add_child(c, left, right);
		close_span(c, left, c->nodes[left].span.at);
		return left;
	}
	if ((at = node(c, op->kind, word)) == EXPR_NONE)
		return EXPR_NONE;
	c->nodes[at].op = op->op;
	add_child(c, at, left);
	add_child(c, at, right);
	close_span(c, at, c->nodes[left].span.at);
	return at;
}

static uint16_t
parse_binary(struct expr_compile *c, unsigned power)
{
	const struct infix *op;
	uint16_t left = parse_prefix(c);

	while (left != EXPR_NONE && (op = infix_of(c->tok.kind)) != NULL && op->power > power)
		left = parse_infix(c, left, op);
	return left;
}

uint16_t
expr_parse(struct expr_compile *c)
{
	uint16_t root;

	if (!expr_advance(c) || (root = parse_binary(c, 0)) == EXPR_NONE)
		return EXPR_NONE;
	if (c->tok.kind != TOK_END)
		return after_value(c, "an operator or the end");
	return root;
}
