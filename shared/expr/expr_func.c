/* The table of functions: what each takes and gives, and how it is written. */
#include "expr_internal.h"

#define B      EXPR_BIT(BL_VALUE_BOOL)
#define N      EXPR_BIT(BL_VALUE_NUMBER)
#define X      EXPR_BIT(BL_VALUE_TEXT)
#define T      EXPR_BIT(BL_VALUE_TIME)
#define D      EXPR_BIT(BL_VALUE_DURATION)
#define V      EXPR_VALUES
#define NULL_T EXPR_BIT(BL_VALUE_NULL)
#define NO     EXPR_NO_JOIN

static const struct expr_func funcs[] = {
	{ "if", "if(condition, then, else)", OP_IF, 3, 3, B, V | NULL_T, 1, EXPR_JOINED },
	{ "coalesce", "coalesce(value, or else ...)", OP_COALESCE, 2, EXPR_ARGS_MAX, V | NULL_T,
	    V | NULL_T, 0, EXPR_JOINED },
	{ "min", "min(a, b ...)", OP_MIN, 2, EXPR_ARGS_MAX, N | T | D, N | T | D, 0, EXPR_JOINED },
	{ "max", "max(a, b ...)", OP_MAX, 2, EXPR_ARGS_MAX, N | T | D, N | T | D, 0, EXPR_JOINED },
	{ "round", "round(number) or round(number, digits)", OP_ROUND, 1, 2, N, N, NO,
	    BL_VALUE_NUMBER },
	{ "abs", "abs(number or duration)", OP_ABS, 1, 1, N | D, 0, 0, EXPR_JOINED },
	{ "len", "len(text)", OP_LEN, 1, 1, X, 0, NO, BL_VALUE_NUMBER },
	{ "lower", "lower(text)", OP_LOWER, 1, 1, X, 0, NO, BL_VALUE_TEXT },
	{ "contains", "contains(text, part)", OP_CONTAINS, 2, 2, X, X, NO, BL_VALUE_BOOL },
	{ "starts_with", "starts_with(text, beginning)", OP_STARTS, 2, 2, X, X, NO, BL_VALUE_BOOL },
	{ "is_null", "is_null(value)", OP_IS_NULL, 1, 1, V, 0, NO, BL_VALUE_BOOL },
	{ "now", "now()", OP_NOW, 0, 0, 0, 0, NO, BL_VALUE_TIME },
	{ "age", "age(time)", OP_AGE, 1, 1, T, 0, NO, BL_VALUE_DURATION },
	{ "time", "time(\"2026-11-28T09:30:00+08:00\")", OP_TIME, 1, 1, X, 0, NO, BL_VALUE_TIME },
};

const struct expr_func *
expr_func_at(size_t i)
{
	return i < sizeof(funcs) / sizeof(funcs[0]) ? &funcs[i] : NULL;
}

const struct expr_func *
expr_func_find(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(funcs) / sizeof(funcs[0]); i++)
		if (expr_word_is(name, len, funcs[i].name))
			return &funcs[i];
	return NULL;
}
