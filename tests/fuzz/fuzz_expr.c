/*
 * libFuzzer target: a text is compiled and evaluated over values of every type.
 *
 * The first byte chooses scope and wanted type (a digit in the corpus, so that
 * it reads well), the rest is the expression.  Looked for, besides what the
 * sanitizers see: an error that does not say where it is, a result of another
 * type than wanted, a number that is not finite, two evaluations that differ.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/expr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct bl_expr_field fields[] = {
	{ "status", BL_VALUE_TEXT, NULL },
	{ "amount", BL_VALUE_NUMBER, NULL },
	{ "age", BL_VALUE_DURATION, NULL },
	{ "begin", BL_VALUE_TIME, NULL },
	{ "paid", BL_VALUE_BOOL, NULL },
	{ "x", BL_VALUE_NULL, NULL },
	{ "order type", BL_VALUE_TEXT, NULL },
	{ "\xe9\x87\x91\xe9\xa2\x9d", BL_VALUE_NUMBER, NULL },
};

static void
check(bool holds)
{
	if (!holds)
		abort();
}

/* Any name may be of any type, odd ones included: it depends on the round only. */
static void
lookup(void *ctx, size_t i, struct bl_value *out)
{
	static const struct bl_value values[] = {
		{ .type = BL_VALUE_NULL },
		{ .type = BL_VALUE_BOOL, .boolean = true },
		{ .type = BL_VALUE_BOOL },
		{ .type = BL_VALUE_NUMBER, .number = 0 },
		{ .type = BL_VALUE_NUMBER, .number = -1.5 },
		{ .type = BL_VALUE_NUMBER, .number = 1e308 },
		{ .type = BL_VALUE_NUMBER, .number = (double)INFINITY },
		{ .type = BL_VALUE_TEXT,
		    .text = "\xc3\x84"
			    "b\xff",
		    .text_len = 4 },
		{ .type = BL_VALUE_TEXT },
		{ .type = BL_VALUE_TIME, .ms = 1764322200000 },
		{ .type = BL_VALUE_TIME, .ms = INT64_MIN },
		{ .type = BL_VALUE_DURATION, .ms = 60000 },
		{ .type = BL_VALUE_DURATION, .ms = INT64_MIN },
		{ .type = BL_VALUE_DURATION, .ms = INT64_MAX },
	};
	const size_t round = *(const size_t *)ctx;

	*out = values[(round + i * (round / 3 + 1)) % (sizeof(values) / sizeof(values[0]))];
}

static bool
same(const struct bl_value *a, const struct bl_value *b)
{
	return a->type == b->type && a->boolean == b->boolean && a->ms == b->ms &&
	       memcmp(&a->number, &b->number, sizeof(a->number)) == 0 && a->text == b->text &&
	       a->text_len == b->text_len;
}

static void
evaluate(const struct bl_expr *e, enum bl_value_type want)
{
	for (size_t round = 0; round < 28; round++) {
		const struct bl_expr_env env = { .lookup = lookup,
			.ctx = &round,
			.now_unix_ms = round % 2 == 0 ? 1764322200000 : INT64_MAX };
		struct bl_value a, b;
		enum bl_truth t;

		bl_expr_eval(e, &env, &a);
		bl_expr_eval(e, &env, &b);
		check(same(&a, &b));
		check(a.type == BL_VALUE_NULL || want == BL_VALUE_NULL || a.type == want);
		check(a.type != BL_VALUE_NUMBER || isfinite(a.number));
		check(a.type != BL_VALUE_TEXT || a.text != NULL);
		t = bl_expr_truth(e, &env);
		if (want == BL_VALUE_BOOL || a.type == BL_VALUE_BOOL)
			check(t == (a.type != BL_VALUE_BOOL ? BL_UNKNOWN_TRUTH
				       : a.boolean          ? BL_TRUE
							    : BL_FALSE));
	}
}

/* Ways to say the same: other code must give the same value. */
static void
say_it_otherwise(const struct bl_expr *e, const char *text, size_t len,
    const struct bl_expr_scope *scope, enum bl_value_type want)
{
	static const struct {
		const char *before, *after;
		bool conditions_only;
	} ways[] = {
		{ "(", ")", false },
		{ "if(true, ", ", null)", false },
		{ "coalesce(null, ", ", null)", false },
		{ "not (not (", "))", true },
		{ "(", ") and true", true },
		{ "false or (", ")", true },
		{ "1 = 1 and (", ") and not false", true },
	};
	char *longer = malloc(len + 64);

	if (longer == NULL)
		abort();
	for (size_t w = 0; w < sizeof(ways) / sizeof(ways[0]); w++) {
		size_t n = strlen(ways[w].before);
		struct bl_expr_error error;
		struct bl_expr *other;

		if (ways[w].conditions_only && want != BL_VALUE_BOOL)
			continue;
		memcpy(longer, ways[w].before, n);
		memcpy(longer + n, text, len);
		n += len;
		memcpy(longer + n, ways[w].after, strlen(ways[w].after));
		n += strlen(ways[w].after);
		if (bl_expr_compile(&other, longer, n, scope, want, &error, NULL) != BL_OK) {
			/* Only because it is longer now. */
			check(strstr(error.expected, "at most") != NULL);
			continue;
		}
		for (size_t round = 0; round < 28; round++) {
			struct bl_expr_env env = {
				.lookup = lookup, .ctx = &round, .now_unix_ms = 1764322200000
			};
			struct bl_value a, b;

			bl_expr_eval(e, &env, &a);
			bl_expr_eval(other, &env, &b);
			check(a.type == b.type && a.boolean == b.boolean && a.ms == b.ms &&
			      memcmp(&a.number, &b.number, sizeof(a.number)) == 0 &&
			      a.text_len == b.text_len);
		}
		bl_expr_free(other);
	}
	free(longer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const unsigned choice = size > 0 ? data[0] : 0;
	const struct bl_expr_scope scope = { fields, sizeof(fields) / sizeof(fields[0]),
		(choice & 1) != 0 };
	const enum bl_value_type want = (choice >> 1 & 7) == 1 ? BL_VALUE_BOOL
					: (choice & 8) != 0 ? (enum bl_value_type)(choice >> 1 & 3)
							    : BL_VALUE_NULL;
	const char *text = (const char *)data + (size > 0);
	const size_t len = size > 0 ? size - 1 : 0;
	struct bl_expr_error error;
	struct bl_err err;
	struct bl_expr *e;

	if (bl_expr_compile(&e, text, len, &scope, want, &error, &err) == BL_OK) {
		for (size_t i = 0; i < bl_expr_names(e); i++)
			check(strlen(bl_expr_name(e, i)) <= BL_EXPR_NAME_MAX);
		evaluate(e, want);
		say_it_otherwise(e, text, len, &scope, want);
		bl_expr_free(e);
		return 0;
	}
	check(e == NULL && err.code == BL_EINVAL);
	check(error.at_byte + error.len_bytes <= len);
	check(error.column >= 1 && error.column <= error.at_byte + 1);
	check(error.expected[0] != '\0' && error.got[0] != '\0');
	check(strlen(error.what) < sizeof(error.what) &&
	      strlen(error.suggestion) < sizeof(error.suggestion));
	return 0;
}
