/*
 * The whole of a compile: text to tree, tree to code, code into one block of
 * memory.  What is needed only meanwhile is in struct expr_compile, freed at
 * the end; a program keeps nothing of the text or the scope.
 */
#include "expr_internal.h"

#include <stdlib.h>
#include <string.h>

static bool
validate(struct expr_compile *c)
{
	uint32_t cp;
	size_t n;

	if (c->len > BL_EXPR_TEXT_MAX) {
		struct expr_span at = { 0, 0 };

		return expr_fail(c, at, "at most 4096 bytes", "more");
	}
	for (size_t at = 0; at < c->len; at += n)
		if ((n = expr_utf8(c->text + at, c->len - at, &cp)) == 0 || cp == 0) {
			const struct expr_span span = { (uint16_t)at, 1 };

			return expr_fail(c, span, "text in UTF-8",
			    n == 0 ? "a byte that is none" : "a zero byte");
		}
	return true;
}

/* Copies n bytes to *end and moves it on. */
static const char *
append(char **end, const char *s, size_t n)
{
	char *begin = *end;

	memcpy(begin, s, n);
	*end += n;
	return begin;
}

static struct bl_expr *
assemble(const struct expr_compile *c)
{
	const size_t const_bytes = c->n_consts * sizeof(struct expr_cell);
	const size_t code_bytes = c->n_code * sizeof(struct expr_insn);
	size_t text_bytes = 0;
	struct expr_cell *consts;
	struct expr_insn *code;
	struct bl_expr *e;
	char *end;

	for (size_t i = 0; i < c->n_names; i++)
		text_bytes += c->name[i].len + 1u;
	for (size_t i = 0; i < c->n_consts; i++)
		text_bytes += c->consts[i].len;
	if ((e = malloc(sizeof(*e) + const_bytes + code_bytes + text_bytes)) == NULL)
		return NULL;
	consts = (struct expr_cell *)(e + 1);
	code = (struct expr_insn *)(consts + c->n_consts);
	end = (char *)(code + c->n_code);
	*e = (struct bl_expr){
		.consts = consts, .code = code, .n_names = c->n_names, .want = (uint8_t)c->want
	};
	memcpy(code, c->code, code_bytes);
	for (size_t i = 0; i < c->n_consts; i++) {
		consts[i] = c->consts[i];
		if (consts[i].type == BL_VALUE_TEXT)
			consts[i].text = append(&end, consts[i].text, consts[i].len);
	}
	for (size_t i = 0; i < c->n_names; i++) {
		e->names[i] = append(&end, c->text + c->name[i].at, c->name[i].len);
		(void)append(&end, "", 1);
	}
	return e;
}

/* BL_EINVAL: c->error. */
static int
compile(struct expr_compile *c, struct bl_expr **out)
{
	uint16_t root;

	if (!validate(c))
		return BL_EINVAL;
	/* A token is a byte at least and gives a node at most. */
	c->max_nodes = c->len + 1 < EXPR_NODES_MAX ? c->len + 1 : EXPR_NODES_MAX;
	c->nodes = malloc(c->max_nodes * sizeof(*c->nodes));
	c->pool = malloc(c->len + 1);
	if (c->nodes == NULL || c->pool == NULL)
		return BL_ENOMEM;
	if ((root = expr_parse(c)) == EXPR_NONE || !expr_check(c, root) || !expr_emit(c, root))
		return BL_EINVAL;
	return (*out = assemble(c)) != NULL ? BL_OK : BL_ENOMEM;
}

int
bl_expr_compile(struct bl_expr **out, const char *text, size_t len,
    const struct bl_expr_scope *scope, enum bl_value_type want, struct bl_expr_error *error,
    struct bl_err *err)
{
	struct expr_compile *c = calloc(1, sizeof(*c));
	int rc = BL_ENOMEM;

	*out = NULL;
	if (c != NULL) {
		c->text = text;
		c->len = len;
		c->scope = scope;
		c->want = want;
		rc = compile(c, out);
		free(c->nodes);
		free(c->pool);
	}
	if (rc == BL_ENOMEM)
		(void)bl_fail(err, BL_ENOMEM, "expression: out of memory");
	if (rc == BL_EINVAL) {
		(void)bl_fail(
		    err, BL_EINVAL, "expression: column %u: %s", c->error.column, c->error.what);
		if (error != NULL)
			*error = c->error;
	}
	free(c);
	return rc;
}

void
bl_expr_free(struct bl_expr *e)
{
	free(e);
}

size_t
bl_expr_names(const struct bl_expr *e)
{
	return e->n_names;
}

const char *
bl_expr_name(const struct bl_expr *e, size_t i)
{
	return i < e->n_names ? e->names[i] : NULL;
}
