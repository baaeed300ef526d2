/*
 * Code from the checked tree.  A name compared with a constant, the most
 * frequent of all, is one instruction.  Every limit is tested here, and the
 * height of the stack is followed, so that evaluation tests nothing.
 */
#include "expr_internal.h"

#include <assert.h>
#include <string.h>

static bool emit(struct expr_compile *c, uint16_t at);

static bool
put(struct expr_compile *c, const struct expr_node *n, enum expr_op op, unsigned arg, size_t a,
    size_t b)
{
	if (c->n_code == BL_EXPR_CODE_MAX)
		return expr_fail_source(c, n->span, "a shorter expression (256 steps at most)");
	c->code[c->n_code++] = (struct expr_insn){
		.op = (uint8_t)op, .arg = (uint8_t)arg, .a = (uint16_t)a, .b = (uint16_t)b
	};
	return true;
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

static bool
emit_compare(struct expr_compile *c, const struct expr_node *n)
{
	const struct expr_node *l = &c->nodes[n->first], *r = &c->nodes[n->last];
	const bool left_is_const = l->kind == NODE_CONST;
	const struct expr_node *name = left_is_const ? r : l, *value = left_is_const ? l : r;
	size_t k;

	if (name->kind == NODE_NAME && value->kind == NODE_CONST)
		return constant(c, value, &k) && push(c, n) &&
		       put(c, n, OP_COMPARE_SLOT, left_is_const ? swapped(n->op) : n->op,
			   name->slot, k);
	if (!emit(c, n->first) || !emit(c, n->last))
		return false;
	pop(c);
	return put(c, n, OP_COMPARE, n->op, 0, 0);
}

/* a; then for each: leave when it is settled, next, combine. */
static bool
emit_chain(struct expr_compile *c, const struct expr_node *n)
{
	const bool is_and = n->kind == NODE_AND;
	const size_t begin = c->n_code;

	if (!emit(c, n->first) || !put(c, n, is_and ? OP_AND_THEN : OP_OR_ELSE, 0, EXPR_NONE, 0))
		return false;
	for (uint16_t i = c->nodes[n->first].next; i != EXPR_NONE; i = c->nodes[i].next) {
		if (!emit(c, i) || !put(c, n, is_and ? OP_AND : OP_OR, 0, EXPR_NONE, 0))
			return false;
		pop(c);
	}
	/* Those inside have their place by now. */
	for (size_t i = begin; i < c->n_code; i++)
		if (c->code[i].op >= OP_AND_THEN && c->code[i].op <= OP_OR &&
		    c->code[i].a == EXPR_NONE)
			c->code[i].a = (uint16_t)c->n_code;
	return true;
}

static bool
emit_if(struct expr_compile *c, const struct expr_node *n)
{
	const uint16_t then = c->nodes[n->first].next;
	size_t branch, jump;

	if (!emit(c, n->first))
		return false;
	pop(c);
	branch = c->n_code;
	if (!put(c, n, OP_IF, 0, 0, 0) || !emit(c, then))
		return false;
	pop(c);
	jump = c->n_code;
	if (!put(c, n, OP_JUMP, 0, 0, 0))
		return false;
	c->code[branch].a = (uint16_t)c->n_code;
	if (!emit(c, n->last))
		return false;
	c->code[branch].b = c->code[jump].a = (uint16_t)c->n_code;
	return true;
}

static bool
emit_coalesce(struct expr_compile *c, const struct expr_node *n)
{
	size_t jumps[EXPR_ARGS_MAX], n_jumps = 0;

	for (uint16_t i = n->first; i != EXPR_NONE; i = c->nodes[i].next) {
		if (!emit(c, i))
			return false;
		if (i == n->last)
			break;
		jumps[n_jumps++] = c->n_code;
		if (!put(c, n, OP_COALESCE, 0, 0, 0))
			return false;
		pop(c);
	}
	while (n_jumps > 0)
		c->code[jumps[--n_jumps]].a = (uint16_t)c->n_code;
	return true;
}

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
		if (folds && !put(c, n, (enum expr_op)op, 0, 0, 0))
			return false;
	}
	if (n->n == 0 && !push(c, n))
		return false;
	return folds || put(c, n, (enum expr_op)op, 0, 0, 0);
}

static bool
emit(struct expr_compile *c, uint16_t at)
{
	const struct expr_node *n = &c->nodes[at];
	size_t k;

	switch ((enum expr_kind)n->kind) {
	case NODE_CONST:
		return constant(c, n, &k) && push(c, n) && put(c, n, OP_CONST, 0, k, 0);
	case NODE_NAME:
		return push(c, n) && put(c, n, OP_LOAD, load_type(n), n->slot, 0);
	case NODE_NOT:
		return emit(c, n->first) && put(c, n, OP_NOT, 0, 0, 0);
	case NODE_NEG:
		return emit(c, n->first) && put(c, n, OP_NEG, 0, 0, 0);
	case NODE_AND:
	case NODE_OR:
		return emit_chain(c, n);
	case NODE_COMPARE:
		return emit_compare(c, n);
	case NODE_ARITH:
		if (!emit(c, n->first) || !emit(c, n->last))
			return false;
		pop(c);
		return put(c, n, (enum expr_op)n->op, 0, 0, 0);
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
	return put(c, &c->nodes[root], OP_END, 0, 0, 0);
}
