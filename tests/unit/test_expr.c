/*
 * Expressions.  The cases are in tests/data/expr (name, text, scope, values,
 * and the value or the error expected); here are the runner, the limits, and
 * what a table cannot say.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

#include "branchline/expr.h"

#define FIELDS_MAX 64u

/* ---- a case of the tables ---- */

static unsigned broken; /* cases: all are run, so that one look shows all */

#define complain(...) (broken++, print_error(__VA_ARGS__), print_error("\n"))

struct given {
	const char *file, *name;
	json_t *values;
	const struct bl_expr *e;
	struct bl_expr_field field[FIELDS_MAX];
	struct bl_expr_scope scope;
};

static enum bl_value_type
type_of(const char *name)
{
	static const char *const names[] = { "any", "bool", "number", "text", "time", "duration" };

	for (unsigned i = 0; name != NULL && i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return (enum bl_value_type)i;
	return BL_VALUE_NULL;
}

static struct bl_value
value_of(json_t *v)
{
	struct bl_value out = { .type = BL_VALUE_NULL };
	json_t *ms;

	if (json_is_boolean(v)) {
		out.type = BL_VALUE_BOOL;
		out.boolean = json_is_true(v);
	} else if (json_is_number(v)) {
		out.type = BL_VALUE_NUMBER;
		out.number = json_number_value(v);
	} else if (json_is_string(v)) {
		out.type = BL_VALUE_TEXT;
		out.text = json_string_value(v);
		out.text_len = json_string_length(v);
	} else if ((ms = json_object_get(v, "time")) != NULL) {
		out.type = BL_VALUE_TIME;
		out.ms = json_integer_value(ms);
	} else if ((ms = json_object_get(v, "duration")) != NULL) {
		out.type = BL_VALUE_DURATION;
		out.ms = json_integer_value(ms);
	}
	return out;
}

static void
lookup(void *ctx, size_t i, struct bl_value *out)
{
	const struct given *g = ctx;

	*out = value_of(json_object_get(g->values, bl_expr_name(g->e, i)));
}

static void
read_scope(struct given *g, json_t *c)
{
	const char *name;
	json_t *type;

	memset(&g->scope, 0, sizeof(g->scope));
	g->scope.fields = g->field;
	g->scope.open = json_is_true(json_object_get(c, "open"));
	json_object_foreach(json_object_get(c, "scope"), name, type)
	{
		assert_true(g->scope.n < FIELDS_MAX);
		g->field[g->scope.n++] = (struct bl_expr_field){ .name = name,
			.type = type_of(json_string_value(type)) };
	}
}

static bool
same_value(const struct bl_value *a, const struct bl_value *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case BL_VALUE_NULL:
		return true;
	case BL_VALUE_BOOL:
		return a->boolean == b->boolean;
	case BL_VALUE_NUMBER:
		return a->number == b->number;
	case BL_VALUE_TEXT:
		return a->text_len == b->text_len && memcmp(a->text, b->text, a->text_len) == 0;
	default:
		return a->ms == b->ms;
	}
}

static void
give_value(struct given *g, json_t *c)
{
	const struct bl_expr_env env = { .lookup = lookup,
		.ctx = g,
		.now_unix_ms = json_integer_value(json_object_get(c, "now")) };
	const struct bl_value want = value_of(json_object_get(c, "expect"));
	struct bl_value got;
	enum bl_truth truth;

	bl_expr_eval(g->e, &env, &got);
	if (!same_value(&got, &want))
		complain("%s: %s: got type %d, %d, %.17g, %lld, \"%.*s\"", g->file, g->name,
		    got.type, got.boolean, got.number, (long long)got.ms, (int)got.text_len,
		    got.text == NULL ? "" : got.text);
	truth = got.type != BL_VALUE_BOOL ? BL_UNKNOWN_TRUTH : got.boolean ? BL_TRUE : BL_FALSE;
	assert_int_equal(bl_expr_truth(g->e, &env), truth);
}

static void
give_error(const struct given *g, json_t *want, const struct bl_expr_error *e, size_t len)
{
	const char *says = json_string_value(json_object_get(want, "says"));
	const char *suggestion = json_string_value(json_object_get(want, "suggestion"));
	const unsigned column = (unsigned)json_integer_value(json_object_get(want, "column"));

	if (e->column != column || strstr(e->what, says) == NULL ||
	    (suggestion != NULL && strcmp(e->suggestion, suggestion) != 0))
		complain("%s: %s: column %u: %s [%s]", g->file, g->name, e->column, e->what,
		    e->suggestion);
	assert_true(e->at_byte + e->len_bytes <= len);
}

static void
one_case(const char *file, json_t *c)
{
	json_t *text = json_object_get(c, "text"), *error = json_object_get(c, "error");
	struct given g = { .file = file, .values = json_object_get(c, "values") };
	struct bl_expr_error e;
	struct bl_err err;
	struct bl_expr *x;
	int rc;

	g.name = json_string_value(json_object_get(c, "name"));
	assert_non_null(g.name);
	assert_true(json_is_string(text));
	assert_true((error != NULL) != (json_object_get(c, "expect") != NULL));
	read_scope(&g, c);
	rc = bl_expr_compile(&x, json_string_value(text), json_string_length(text), &g.scope,
	    type_of(json_string_value(json_object_get(c, "want"))), &e, &err);
	g.e = x;
	assert_int_equal(rc == BL_OK, x != NULL);
	if (error == NULL) {
		if (rc != BL_OK)
			complain("%s: %s: %s", file, g.name, err.msg);
		else
			give_value(&g, c);
	} else {
		if (rc != BL_EINVAL)
			complain("%s: %s: accepted", file, g.name);
		else
			give_error(&g, error, &e, json_string_length(text));
	}
	bl_expr_free(x);
}

static size_t
run_table(const char *file)
{
	char path[512];
	json_error_t error;
	json_t *cases, *c;
	size_t i, n;

	(void)snprintf(path, sizeof(path), "%s/expr/%s", BL_TEST_DATA, file);
	cases = json_load_file(path, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	if (cases == NULL)
		fail_msg("%s:%d: %s", file, error.line, error.text);
	json_array_foreach(cases, i, c) one_case(file, c);
	n = json_array_size(cases);
	json_decref(cases);
	assert_int_equal(broken, 0);
	return n;
}

static void
truth_tables_are_complete(void **state)
{
	(void)state;
	/* 3 of not; 9 of and, of or; 27 of three in a chain, of both kinds, and mixed. */
	assert_int_equal(run_table("truth.json"), 3 + 2 * 9 + 3 * 27);
}

static void
values_and_arithmetic(void **state)
{
	(void)state;
	assert_true(run_table("values.json") > 90);
}

static void
operators_and_functions(void **state)
{
	(void)state;
	assert_true(run_table("operators.json") > 200);
}

static void
mistakes_name_place_and_remedy(void **state)
{
	(void)state;
	assert_true(run_table("errors.json") > 130);
}

/* ---- truths as functions ---- */

static void
truth_functions_follow_kleene(void **state)
{
	static const enum bl_truth f = BL_FALSE, t = BL_TRUE, u = BL_UNKNOWN_TRUTH;
	/* rows: a = false, true, unknown; columns: b the same */
	const enum bl_truth both[3][3] = { { f, f, f }, { f, t, u }, { f, u, u } };
	const enum bl_truth either[3][3] = { { f, t, u }, { t, t, t }, { u, t, u } };

	(void)state;
	for (int a = 0; a < 3; a++)
		for (int b = 0; b < 3; b++) {
			assert_int_equal(
			    bl_truth_and((enum bl_truth)a, (enum bl_truth)b), both[a][b]);
			assert_int_equal(
			    bl_truth_or((enum bl_truth)a, (enum bl_truth)b), either[a][b]);
		}
	assert_int_equal(bl_truth_not(f), t);
	assert_int_equal(bl_truth_not(t), f);
	assert_int_equal(bl_truth_not(u), u);
}

/* ---- random formulas against the definition ---- */

static uint64_t rng = 88172645463325252u;

static unsigned
below(unsigned n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (unsigned)(rng >> 33) % n;
}

struct formula {
	char text[2000];
	size_t len;
	unsigned leaves;
};

static void
say(struct formula *f, const char *s)
{
	const size_t n = strlen(s);

	assert_true(f->len + n < sizeof(f->text));
	memcpy(f->text + f->len, s, n + 1);
	f->len += n;
}

/* The leaves: a is true, b false, c unknown.  Returns what the formula is. */
static enum bl_truth
make(struct formula *f, unsigned depth)
{
	static const char *const leaf[] = { "a", "b", "c" };
	static const enum bl_truth is[] = { BL_TRUE, BL_FALSE, BL_UNKNOWN_TRUTH };
	const unsigned kind = depth == 0 || f->leaves > 60 ? 0 : below(4);
	const unsigned which = below(3), n = 2 + below(3);
	enum bl_truth t;

	if (kind == 0) {
		f->leaves++;
		say(f, leaf[which]);
		return is[which];
	}
	if (kind == 1) {
		say(f, "not (");
		t = bl_truth_not(make(f, depth - 1));
		say(f, ")");
		return t;
	}
	say(f, "(");
	t = make(f, depth - 1);
	for (unsigned i = 1; i < n; i++) {
		say(f, kind == 2 ? " and " : " or ");
		t = kind == 2 ? bl_truth_and(t, make(f, depth - 1))
			      : bl_truth_or(t, make(f, depth - 1));
	}
	say(f, ")");
	return t;
}

static void
abc(void *ctx, size_t i, struct bl_value *out)
{
	const char name = bl_expr_name(*(struct bl_expr **)ctx, i)[0];

	out->type = name == 'c' ? BL_VALUE_NULL : BL_VALUE_BOOL;
	out->boolean = name == 'a';
}

static void
random_formulas_follow_the_definition(void **state)
{
	static const struct bl_expr_field fields[] = { { "a", BL_VALUE_BOOL, NULL },
		{ "b", BL_VALUE_BOOL, NULL }, { "c", BL_VALUE_NULL, NULL } };
	const struct bl_expr_scope scope = { fields, 3, false };
	unsigned seen[3] = { 0 };

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		struct formula f = { .len = 0 };
		const enum bl_truth want = make(&f, 5);
		struct bl_expr *e;
		const struct bl_expr_env env = { .lookup = abc, .ctx = &e };
		struct bl_err err;

		if (bl_expr_compile(&e, f.text, f.len, &scope, BL_VALUE_BOOL, NULL, &err) != BL_OK)
			fail_msg("%s: %s", f.text, err.msg);
		if (bl_expr_truth(e, &env) != want)
			fail_msg("%s: is not %d", f.text, want);
		seen[want]++;
		bl_expr_free(e);
	}
	assert_true(seen[0] > 1000 && seen[1] > 1000 && seen[2] > 1000);
}

/* ---- limits: the last that fits, and the first that does not ---- */

static struct bl_expr_error last_error;

static bool
compiles(const char *text, size_t len, bool open)
{
	const struct bl_expr_scope scope = { .open = open };
	struct bl_expr *e;
	const int rc = bl_expr_compile(&e, text, len, &scope, BL_VALUE_NULL, &last_error, NULL);

	assert_true(rc == BL_OK || rc == BL_EINVAL);
	assert_int_equal(rc == BL_OK, e != NULL);
	bl_expr_free(e);
	return rc == BL_OK;
}

/* before^n middle after^n */
static bool
nested(const char *before, const char *middle, const char *after, size_t n)
{
	char *text = calloc(1, n * (strlen(before) + strlen(after)) + strlen(middle) + 1);
	char *s = text;
	bool fits;

	assert_non_null(text);
	for (size_t i = 0; i < n; i++)
		s = stpcpy(s, before);
	s = stpcpy(s, middle);
	for (size_t i = 0; i < n; i++)
		s = stpcpy(s, after);
	fits = compiles(text, strlen(text), true);
	free(text);
	return fits;
}

static void
limit(const char *before, const char *middle, const char *after, size_t n, const char *says)
{
	if (!nested(before, middle, after, n))
		fail_msg("%s x %zu: %s", before[0] ? before : after, n, last_error.what);
	if (nested(before, middle, after, n + 1))
		fail_msg("%s x %zu: accepted", before[0] ? before : after, n + 1);
	if (strstr(last_error.what, says) == NULL)
		fail_msg("%s: \"%s\" lacks \"%s\"", before, last_error.what, says);
}

static void
nesting_has_a_limit(void **state)
{
	(void)state;
	limit("(", "1", ")", BL_EXPR_DEPTH_MAX, "64 levels");
	limit("not ", "x", "", BL_EXPR_DEPTH_MAX, "64 levels");
	limit("- ", "x", "", BL_EXPR_DEPTH_MAX, "64 levels");
	limit("abs(", "x", ")", BL_EXPR_DEPTH_MAX, "64 levels");
	/* Each level keeps one value waiting; the last needs one for itself. */
	limit("1+(", "x", ")", BL_EXPR_DEPTH_MAX - 1, "64 values");
	limit("2+3*(", "x", ")", BL_EXPR_DEPTH_MAX / 2 - 1, "64 values");
}

static void
program_length_has_a_limit(void **state)
{
	(void)state;
	/* The first name, two instructions a sum, and the end. */
	limit("x+", "x", "", (BL_EXPR_CODE_MAX - 2) / 2, "256 steps");
	/* A test each, the first included, and the end. */
	limit("", "x=1", " and x=1", BL_EXPR_CODE_MAX - 2, "256 steps");
	limit("", "x=1", " or x=1", BL_EXPR_CODE_MAX - 2, "256 steps");
	/* Each needs one more to be combined. */
	limit("", "x", " and x", (BL_EXPR_CODE_MAX - 3) / 2, "256 steps");
	/* More nodes than the tree may have, before any code is made. */
	assert_false(nested("1+", "1", "", 600));
	assert_non_null(strstr(last_error.what, "256 steps"));
}

static void
numbered(char *text, size_t n, const char *prefix)
{
	char *s = text;

	for (size_t i = 0; i < n; i++)
		s += sprintf(s, "%s%s%zu", i == 0 ? "" : "+", prefix, i + 1);
}

/* Before each of these, tests that fill the program up to its last instructions. */
static void
any_instruction_may_be_the_one_too_many(void **state)
{
	static const char *const rich[] = {
		"if(x, y + 1, -z) > coalesce(a, b, 1) and not c",
		"(x = 1 or y = 2 or z or a > b) and (x or y)",
		"contains(lower(a), \"b\") or max(1, y, z) < round(x, 2) * abs(y) - len(b)",
		"age(time(a)) < 5min or now() > a or is_null(b)",
	};
	char text[BL_EXPR_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(rich) / sizeof(rich[0]); i++) {
		unsigned fitted = 0, refused = 0;

		for (size_t n = 220; n < BL_EXPR_CODE_MAX; n++) {
			char *s = text;

			for (size_t k = 0; k < n; k++)
				s = stpcpy(s, "x=1 and ");
			s += sprintf(s, "(%s)", rich[i]);
			if (compiles(text, (size_t)(s - text), true)) {
				fitted++;
				assert_int_equal(refused, 0);
				continue;
			}
			refused++;
			assert_non_null(strstr(last_error.what, "256 steps"));
		}
		assert_true(fitted > 5 && refused > 10);
	}
}

static void
constants_have_a_limit(void **state)
{
	char text[1000];

	(void)state;
	numbered(text, BL_EXPR_CONSTS_MAX, "");
	assert_true(compiles(text, strlen(text), false));
	numbered(text, BL_EXPR_CONSTS_MAX + 1, "");
	assert_false(compiles(text, strlen(text), false));
	assert_non_null(strstr(last_error.what, "64 different constants"));
	/* The same one again costs nothing. */
	assert_true(nested("1+", "1", "", 100));
}

static void
names_have_a_limit(void **state)
{
	char text[1000];

	(void)state;
	numbered(text, BL_EXPR_NAMES_MAX, "x");
	assert_true(compiles(text, strlen(text), true));
	numbered(text, BL_EXPR_NAMES_MAX + 1, "x");
	assert_false(compiles(text, strlen(text), true));
	assert_non_null(strstr(last_error.what, "32 different names"));
	assert_true(nested("x+", "y", "", 100));

	memset(text, 'a', BL_EXPR_NAME_MAX + 1);
	assert_true(compiles(text, BL_EXPR_NAME_MAX, true));
	assert_false(compiles(text, BL_EXPR_NAME_MAX + 1, true));
}

static void
text_has_a_limit(void **state)
{
	char text[BL_EXPR_TEXT_MAX + 1];

	(void)state;
	memset(text, ' ', sizeof(text));
	text[0] = '1';
	assert_true(compiles(text, BL_EXPR_TEXT_MAX, false));
	assert_false(compiles(text, BL_EXPR_TEXT_MAX + 1, false));
	assert_string_equal(last_error.what, "expected at most 4096 bytes, got more");
	/* A text constant as long as the source lets it be. */
	memset(text, 'a', sizeof(text));
	text[0] = text[BL_EXPR_TEXT_MAX - 1] = '"';
	assert_true(compiles(text, BL_EXPR_TEXT_MAX, false));
	assert_false(compiles(NULL, 0, false));
}

/* ---- UTF-8 ---- */

static void
bytes_that_are_no_utf8_are_refused(void **state)
{
	static const char *const bad[] = {
		"\x80",
		"\xff",
		"\xc0\xaf",
		"\xc1\xbf",
		"\xe0\x80\xaf",
		"\xe4\xb8",
		"\xe4\x41\x41",
		"\xed\xa0\x80",
		"\xf0\x80\x80\xaf",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xf0\x9f\x9a",
	};
	char text[32];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		/* Also in a text, also with characters before. */
		(void)snprintf(text, sizeof(text), "'\xe5\xba\x97%s' = a", bad[i]);
		assert_false(compiles(text, strlen(text), true));
		assert_string_equal(
		    last_error.what, "expected text in UTF-8, got a byte that is none");
		assert_int_equal(last_error.column, 3);
		assert_int_equal(last_error.at_byte, 4);
	}
	assert_true(compiles("\xf0\x9f\x9a\x9a", 4, true));
}

static void
signs_and_what_is_not_seen_are_no_names(void **state)
{
	static const char *const bad[] = {
		"\xc2\x85",
		"\xc2\xad",
		"\xc2\xa7",
		"\xe2\x80\x8b",
		"\xe2\x80\xae",
		"\xe2\x82\xac",
		"\xe2\x86\x92",
		"\xe3\x80\x82",
		"\xe3\x80\x8a",
		"\xef\xbc\x9f",
		"\xee\x80\x80",
		"\xe3\x85\xa4",
		"\xef\xbf\xbd",
		"\xf3\xa0\x80\xa1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (compiles(bad[i], strlen(bad[i]), true))
			fail_msg("sign %zu is taken for a name", i);
}

/* ---- what evaluation is given and gives ---- */

struct odd {
	struct bl_value v;
	unsigned asked;
};

static void
odd_lookup(void *ctx, size_t i, struct bl_value *out)
{
	struct odd *o = ctx;

	(void)i;
	o->asked++;
	*out = o->v;
}

static struct bl_value
eval_with(const char *text, struct bl_value v, unsigned *asked)
{
	const struct bl_expr_scope scope = { .open = true };
	struct odd o = { .v = v };
	const struct bl_expr_env env = { .lookup = odd_lookup, .ctx = &o };
	struct bl_value out;
	struct bl_expr *e;

	assert_int_equal(
	    bl_expr_compile(&e, text, strlen(text), &scope, BL_VALUE_NULL, NULL, NULL), BL_OK);
	bl_expr_eval(e, &env, &out);
	bl_expr_free(e);
	if (asked != NULL)
		*asked = o.asked;
	return out;
}

static void
values_that_cannot_be_are_missing(void **state)
{
	const struct bl_value odd[] = {
		{ .type = BL_VALUE_NUMBER, .number = (double)INFINITY },
		{ .type = BL_VALUE_NUMBER, .number = -(double)INFINITY },
		{ .type = BL_VALUE_NUMBER, .number = (double)NAN },
		{ .type = BL_VALUE_TEXT, .text = NULL, .text_len = 5 },
		{ .type = (enum bl_value_type)6 },
		{ .type = (enum bl_value_type)77 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		assert_int_equal(eval_with("x", odd[i], NULL).type, BL_VALUE_NULL);
		assert_true(eval_with("is_null(x)", odd[i], NULL).boolean);
		assert_int_equal(eval_with("x = 1", odd[i], NULL).type, BL_VALUE_NULL);
		assert_int_equal(eval_with("x = 'a'", odd[i], NULL).type, BL_VALUE_NULL);
		assert_int_equal(eval_with("x != x", odd[i], NULL).type, BL_VALUE_NULL);
	}
	assert_int_equal(eval_with("len(x)", (struct bl_value){ .type = BL_VALUE_TEXT }, NULL).type,
	    BL_VALUE_NUMBER);
}

static void
text_that_is_no_utf8_stands_for_its_bytes(void **state)
{
	const struct bl_value v = { .type = BL_VALUE_TEXT, .text = "A\xff\xc3", .text_len = 3 };

	(void)state;
	assert_true(eval_with("lower(x) > \"a\"", v, NULL).boolean);
	assert_true(eval_with("starts_with(lower(x), \"a\")", v, NULL).boolean);
	assert_true(eval_with("lower(x) = lower(x)", v, NULL).boolean);
	assert_true(eval_with("len(x) = 3", v, NULL).boolean);
}

static void
what_is_settled_is_not_looked_up(void **state)
{
	static const struct {
		const char *text;
		unsigned asked;
	} cases[] = {
		{ "false and x", 0 },
		{ "true or x", 0 },
		{ "x = 2 and x = 3 and x = 4", 1 },
		{ "x = 1 or x = 3 or x = 4", 1 },
		{ "x = 1 and x = 2 and x = 4", 2 },
		{ "x = 1 and x = 1 and x = 1", 3 },
		{ "(x = 2 and x = 1) or x = 1", 2 },
		{ "if(true, x, x + x)", 1 },
		{ "coalesce(x, x, x)", 1 },
	};
	const struct bl_value one = { .type = BL_VALUE_NUMBER, .number = 1 };
	unsigned asked;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)eval_with(cases[i].text, one, &asked);
		if (asked != cases[i].asked)
			fail_msg("%s: asked %u times", cases[i].text, asked);
	}
}

static void
names_are_listed_once_in_order(void **state)
{
	static const char text[] = "b > 1 and [a c] = b or coalesce(a, b, [b]) = d";
	static const char *const want[] = { "b", "a c", "a", "d" };
	const struct bl_expr_scope scope = { .open = true };
	struct bl_expr *e;

	(void)state;
	assert_int_equal(
	    bl_expr_compile(&e, text, strlen(text), &scope, BL_VALUE_BOOL, NULL, NULL), BL_OK);
	assert_int_equal(bl_expr_names(e), 4);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(bl_expr_name(e, i), want[i]);
	assert_null(bl_expr_name(e, 4));
	bl_expr_free(e);
}

static void
a_program_keeps_nothing_of_its_source(void **state)
{
	char text[] = "if(name = 'abc', 'yes', 'no')", name[] = "name";
	struct bl_expr_field field = { name, BL_VALUE_TEXT, NULL };
	const struct bl_expr_scope scope = { &field, 1, false };
	struct odd o = { .v = { .type = BL_VALUE_TEXT, .text = "abc", .text_len = 3 } };
	const struct bl_expr_env env = { .lookup = odd_lookup, .ctx = &o };
	struct bl_value out;
	struct bl_expr *e;

	(void)state;
	assert_int_equal(
	    bl_expr_compile(&e, text, strlen(text), &scope, BL_VALUE_TEXT, NULL, NULL), BL_OK);
	memset(text, 'x', sizeof(text));
	memset(name, 'y', sizeof(name));
	memset(&field, 0, sizeof(field));
	assert_string_equal(bl_expr_name(e, 0), "name");
	bl_expr_eval(e, &env, &out);
	assert_int_equal(out.text_len, 3);
	assert_memory_equal(out.text, "yes", 3);
	bl_expr_free(e);
	bl_expr_free(NULL);
}

static void
errors_say_the_same_in_parts_and_as_a_whole(void **state)
{
	static const char text[] = "x > 5 and )";
	const struct bl_expr_scope scope = { .open = true };
	struct bl_expr_error error;
	struct bl_err err;
	struct bl_expr *e;

	(void)state;
	assert_int_equal(
	    bl_expr_compile(&e, text, strlen(text), &scope, BL_VALUE_BOOL, &error, &err),
	    BL_EINVAL);
	assert_string_equal(error.expected, "a value, a name or \"(\"");
	assert_string_equal(error.got, "\")\"");
	assert_string_equal(error.what, "expected a value, a name or \"(\", got \")\"");
	assert_string_equal(
	    err.msg, "expression: column 11: expected a value, a name or \"(\", got \")\"");
	assert_int_equal(error.at_byte, 10);
	assert_int_equal(error.len_bytes, 1);
	assert_int_equal(
	    bl_expr_compile(&e, text, strlen(text), NULL, BL_VALUE_BOOL, NULL, NULL), BL_EINVAL);
}

/* Long names and texts of wide characters: cut between characters, never overrun. */
static void
long_pieces_are_cut_between_characters(void **state)
{
	char text[200];
	size_t n;

	(void)state;
	for (size_t ascii = 0; ascii < 4; ascii++) {
		memset(text, 'a', ascii);
		for (n = ascii; n + 3 <= 60; n += 3)
			memcpy(text + n, "\xe5\xba\x97", 3);
		assert_false(compiles(text, n, false));
		assert_non_null(strstr(last_error.got, "..."));
		for (const char *s = last_error.got + 1 + ascii; *s == '\xe5'; s += 3)
			assert_memory_equal(s, "\xe5\xba\x97", 3);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(truth_tables_are_complete),
		cmocka_unit_test(values_and_arithmetic),
		cmocka_unit_test(operators_and_functions),
		cmocka_unit_test(mistakes_name_place_and_remedy),
		cmocka_unit_test(truth_functions_follow_kleene),
		cmocka_unit_test(random_formulas_follow_the_definition),
		cmocka_unit_test(nesting_has_a_limit),
		cmocka_unit_test(program_length_has_a_limit),
		cmocka_unit_test(any_instruction_may_be_the_one_too_many),
		cmocka_unit_test(constants_have_a_limit),
		cmocka_unit_test(names_have_a_limit),
		cmocka_unit_test(text_has_a_limit),
		cmocka_unit_test(bytes_that_are_no_utf8_are_refused),
		cmocka_unit_test(signs_and_what_is_not_seen_are_no_names),
		cmocka_unit_test(values_that_cannot_be_are_missing),
		cmocka_unit_test(text_that_is_no_utf8_stands_for_its_bytes),
		cmocka_unit_test(what_is_settled_is_not_looked_up),
		cmocka_unit_test(names_are_listed_once_in_order),
		cmocka_unit_test(a_program_keeps_nothing_of_its_source),
		cmocka_unit_test(errors_say_the_same_in_parts_and_as_a_whole),
		cmocka_unit_test(long_pieces_are_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
