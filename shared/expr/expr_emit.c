/*
 * Code from the checked tree.  A name compared with a constant, the most
 * frequent of all, is one instruction.  Every limit is tested here, and the
 * height of the stack is followed, so that evaluation tests nothing.
 */
#include "expr_internal.h"

#include <assert.h>
#include <string.h>

static bool emit(struct expr_compile *c, uint16_t at);

/* The next instruction, zeros but for op; NULL: no room. */
static struct expr_insn *
put(struct expr_compile *c, const struct expr_node *n, unsigned op)
{
	if (c->n_code == BL_EXPR_CODE_MAX) {
		(void)expr_fail_source(c, n->span, "a shorter expression (256 steps at most)");
		return NULL;
	}
	c->code[c->n_code] = (struct expr_insn){ .op = (uint8_t)op };
	return &c->code[c->n_code++];
}

static bool
push(struct expr_compile *c, const struct expr_node *n)
{
	if (++c->height <= BL_EXPR_DEPTH_MAX)
		return true;
	return expr_fail_source(c, n->span, "at most 64 values waiting for others");
}

static void
pop(struct expr_compile *c)
{
	assert(c->height > 0);
	c->height--;
}

static bool
same_cell(const struct expr_cell *a, const struct expr_cell *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case BL_VALUE_NULL:
		return true;
	case BL_VALUE_TEXT:
		return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
	default: /* bit by bit: -0 is not 0 */
		return a->ms == b->ms;
	}
}

static bool
constant(struct expr_compile *c, const struct expr_node *n, size_t *out)
{
	size_t i = 0;

	while (i < c->n_consts && !same_cell(&c->consts[i], &n->value))
		i++;
	if (i == BL_EXPR_CONSTS_MAX)
		return expr_fail_source(c, n->span, "at most 64 different constants");
	if (i == c->n_consts)
		c->consts[c->n_consts++] = n->value;
	*out = i;
	return true;
}

/* What a name must be when it comes: its declared type. */
static unsigned
load_type(const struct expr_node *n)
{
	return n->type == EXPR_ANY ? BL_VALUE_NULL : n->type;
}

/* a < 5 is 5 > a. */
static unsigned
swapped(unsigned op)
{
	return (op & CMP_SAME) | ((op & CMP_LESS) != 0 ? CMP_MORE : 0) |
	       ((op & CMP_MORE) != 0 ? CMP_LESS : 0);
}

/* A name compared with a constant: the test is one instruction. */
static bool
is_test(const struct expr_compile *c, const struct expr_node *n)
{
	unsigned l, r;

	if (n->kind != NODE_COMPARE)
		return false;
	l = c->nodes[n->first].kind;
	r = c->nodes[n->last].kind;
	return (l == NODE_NAME && r == NODE_CONST) || (l == NODE_CONST && r == NODE_NAME);
}

static bool
emit_test(struct expr_compile *c, const struct expr_node *n, enum expr_op op)
{
	const struct expr_node *l = &c->nodes[n->first], *r = &c->nodes[n->last];
	const bool turned = l->kind == NODE_CONST;
	struct expr_insn *i;
	size_t k;

	if (!constant(c, turned ? l : r, &k) || (i = put(c, n, op)) == NULL)
		return false;
	i->arg = (uint8_t)(turned ? swapped(n->op) : n->op);
	i->a = turned ? r->slot : l->slot;
	i->b = (uint16_t)k;
	return true;
}

static bool
emit_compare(struct expr_compile *c, const struct expr_node *n)
{
	struct expr_insn *i;

	if (is_test(c, n))
		return push(c, n) && emit_test(c, n, OP_TEST);
	if (!emit(c, n->first) || !emit(c, n->last) || (i = put(c, n, OP_COMPARE)) == NULL)
		return false;
	i->arg = n->op;
	pop(c);
	return true;
}

/* ---- what jumps ---- */

/* All jumps of one kind of place, from `begin` on, that have none yet. */
static void
land(struct expr_compile *c, size_t begin)
{
	for (size_t i = begin; i < c->n_code; i++)
		if (c->code[i].op >= OP_TEST_AND_THEN && c->code[i].op <= OP_OR &&
		    c->code[i].c == 0)
			c->code[i].c = (uint16_t)c->n_code;
}

static bool
emit_first(struct expr_compile *c, uint16_t at, bool is_and)
{
	const struct expr_node *n = &c->nodes[at];

	if (is_test(c, n))
		return push(c, n) && emit_test(c, n, is_and ? OP_TEST_AND_THEN : OP_TEST_OR_ELSE);
	return emit(c, at) && put(c, n, is_and ? OP_AND_THEN : OP_OR_ELSE) != NULL;
}

static bool
emit_next(struct expr_compile *c, uint16_t at, bool is_and)
{
	const struct expr_node *n = &c->nodes[at];

	if (is_test(c, n))
		return emit_test(c, n, is_and ? OP_TEST_AND : OP_TEST_OR);
	if (!emit(c, at) || put(c, n, is_and ? OP_AND : OP_OR) == NULL)
		return false;
	pop(c);
	return true;
}

/* The first; then each is combined with what the ones before gave.  Settled: leave. */
static bool
emit_chain(struct expr_compile *c, const struct expr_node *n)
{
	const bool is_and = n->kind == NODE_AND;
	const size_t begin = c->n_code;

	if (!emit_first(c, n->first, is_and))
		return false;
	for (uint16_t i = c->nodes[n->first].next; i != EXPR_NONE; i = c->nodes[i].next)
		if (!emit_next(c, i, is_and))
			return false;
	/* Chains inside this one have landed before. */
	land(c, begin);
	return true;
}

static bool
emit_if(struct expr_compile *c, const struct expr_node *n)
{
	struct expr_insn *branch, *jump;

	if (!emit(c, n->first) || (branch = put(c, n, OP_IF)) == NULL)
		return false;
	pop(c);
	if (!emit(c, c->nodes[n->first].next) || (jump = put(c, n, OP_JUMP)) == NULL)
		return false;
	pop(c);
	branch->c = (uint16_t)c->n_code;
	if (!emit(c, n->last))
		return false;
	branch->b = jump->c = (uint16_t)c->n_code;
	return true;
}

static bool
emit_coalesce(struct expr_compile *c, const struct expr_node *n)
{
	struct expr_insn *jump[EXPR_ARGS_MAX];
	size_t n_jumps = 0;

	for (uint16_t i = n->first; i != n->last; i = c->nodes[i].next) {
		if (!emit(c, i) || (jump[n_jumps++] = put(c, n, OP_COALESCE)) == NULL)
			return false;
		pop(c);
	}
	if (!emit(c, n->last))
		return false;
	while (n_jumps > 0)
		jump[--n_jumps]->c = (uint16_t)c->n_code;
	return true;
}

/* ---- the rest ---- */

static bool
emit_call(struct expr_compile *c, const struct expr_node *n)
{
	const bool folds = n->func->op == OP_MIN || n->func->op == OP_MAX; /* two at a time */
	unsigned op = n->func->op;

	if (op == OP_IF)
		return emit_if(c, n);
	if (op == OP_COALESCE)
		return emit_coalesce(c, n);
	if (op == OP_ROUND && n->n == 2)
		op = OP_ROUND_TO;
	for (uint16_t i = n->first; i != EXPR_NONE; i = c->nodes[i].next) {
		if (!emit(c, i))
			return false;
		if (i == n->first)
			continue;
		pop(c);
		if (folds && put(c, n, op) == NULL)
			return false;
	}
	if (n->n == 0 && !push(c, n))
		return false;
	return folds || put(c, n, op) != NULL;
}

static bool
emit(struct expr_compile *c, uint16_t at)
{
	const struct expr_node *n = &c->nodes[at];
	struct expr_insn *i;
	size_t k;

	switch ((enum expr_kind)n->kind) {
	case NODE_CONST:
		if (!constant(c, n, &k) || !push(c, n) || (i = put(c, n, OP_CONST)) == NULL)
			return false;
		i->a = (uint16_t)k;
		return true;
	case NODE_NAME:
		if (!push(c, n) || (i = put(c, n, OP_LOAD)) == NULL)
			return false;
		i->arg = (uint8_t)load_type(n);
		i->a = n->slot;
		return true;
	case NODE_NOT:
		return emit(c, n->first) && put(c, n, OP_NOT) != NULL;
	case NODE_NEG:
		return emit(c, n->first) && put(c, n, OP_NEG) != NULL;
	case NODE_AND:
	case NODE_OR:
		return emit_chain(c, n);
	case NODE_COMPARE:
		return emit_compare(c, n);
	case NODE_ARITH:
		if (!emit(c, n->first) || !emit(c, n->last))
			return false;
		pop(c);
		return put(c, n, n->op) != NULL;
	case NODE_CALL:
		return emit_call(c, n);
	}
	return false;
}

bool
expr_emit(struct expr_compile *c, uint16_t root)
{
	if (!emit(c, root))
		return false;
	assert(c->height == 1);
	return put(c, &c->nodes[root], OP_END) != NULL;
}
