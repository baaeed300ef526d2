/*
 * Evaluation: a stack of at most BL_EXPR_DEPTH_MAX values, jumps forward only.
 *
 * The compiler has counted the height of the stack and all limits; what it
 * cannot know are the types of undeclared names.  So every instruction looks
 * at the types it gets and answers null when they do not go together.
 */
#include "expr_internal.h"

#include <float.h>
#include <math.h>

static const struct expr_cell null_cell = { .type = BL_VALUE_NULL };

/* ---- truths ---- */

enum bl_truth
bl_truth_and(enum bl_truth a, enum bl_truth b)
{
	if (a == BL_FALSE || b == BL_FALSE)
		return BL_FALSE;
	return a == BL_TRUE && b == BL_TRUE ? BL_TRUE : BL_UNKNOWN_TRUTH;
}

enum bl_truth
bl_truth_or(enum bl_truth a, enum bl_truth b)
{
	if (a == BL_TRUE || b == BL_TRUE)
		return BL_TRUE;
	return a == BL_FALSE && b == BL_FALSE ? BL_FALSE : BL_UNKNOWN_TRUTH;
}

enum bl_truth
bl_truth_not(enum bl_truth a)
{
	if (a == BL_UNKNOWN_TRUTH)
		return BL_UNKNOWN_TRUTH;
	return a == BL_TRUE ? BL_FALSE : BL_TRUE;
}

static inline enum bl_truth
truth_of(const struct expr_cell *v)
{
	if (v->type != BL_VALUE_BOOL)
		return BL_UNKNOWN_TRUTH;
	return v->ms != 0 ? BL_TRUE : BL_FALSE;
}

static inline void
set_truth(struct expr_cell *v, enum bl_truth t)
{
	v->type = t == BL_UNKNOWN_TRUTH ? BL_VALUE_NULL : BL_VALUE_BOOL;
	v->ms = t == BL_TRUE;
}

static inline void
set_bool(struct expr_cell *v, bool b)
{
	v->type = BL_VALUE_BOOL;
	v->ms = b;
}

static inline void
set_number(struct expr_cell *v, double number)
{
	v->type = fabs(number) <= DBL_MAX ? BL_VALUE_NUMBER : BL_VALUE_NULL;
	v->number = number;
}

static inline void
set_ms(struct expr_cell *v, enum bl_value_type type, int64_t ms)
{
	v->type = (uint8_t)type;
	v->ms = ms;
}

/* A duration that arithmetic gave; null when it does not fit. */
static void
set_rounded(struct expr_cell *v, double ms)
{
	if (fabs(ms) < 9.2e18)
		set_ms(v, BL_VALUE_DURATION, llround(ms));
	else
		*v = null_cell;
}

/* ---- names ---- */

/* What a lookup gave; what cannot be becomes null. */
static inline void
cell_of(const struct bl_value *v, struct expr_cell *out)
{
	switch (v->type) {
	case BL_VALUE_NUMBER:
		set_number(out, v->number);
		return;
	case BL_VALUE_BOOL:
		set_bool(out, v->boolean);
		return;
	case BL_VALUE_TIME:
	case BL_VALUE_DURATION:
		set_ms(out, v->type, v->ms);
		return;
	case BL_VALUE_TEXT:
		out->type = BL_VALUE_TEXT;
		out->lower = false;
		out->text = v->text_len == 0 ? "" : v->text;
		out->len = v->text_len;
		if (out->text != NULL)
			return;
		break;
	default:
		break;
	}
	*out = null_cell;
}

static inline void
load(const struct bl_expr_env *env, const struct expr_insn *i, struct expr_cell *out)
{
	struct bl_value v;

	v.type = BL_VALUE_NULL;
	env->lookup(env->ctx, i->a, &v);
	if (i->arg != BL_VALUE_NULL && v.type != i->arg)
		*out = null_cell;
	else
		cell_of(&v, out);
}

/* ---- comparisons ---- */

static inline unsigned
outcome(bool less, bool same)
{
	return less ? CMP_LESS : same ? CMP_SAME : CMP_MORE;
}

static inline bool
is_equality(unsigned set)
{
	return set == CMP_SAME || set == (CMP_LESS | CMP_MORE);
}

static inline unsigned
compare_texts(const struct expr_cell *a, const struct expr_cell *b)
{
	const int c = expr_text_compare(a, b);

	return outcome(c < 0, c == 0);
}

static inline void
compare(struct expr_cell *out, const struct expr_cell *a, const struct expr_cell *b, unsigned set)
{
	unsigned o;

	if (a->type != b->type) {
		*out = null_cell;
		return;
	}
	switch (a->type) {
	case BL_VALUE_NUMBER:
		o = outcome(a->number < b->number, a->number == b->number);
		break;
	case BL_VALUE_TEXT:
		o = compare_texts(a, b);
		break;
	case BL_VALUE_TIME:
	case BL_VALUE_DURATION:
		o = outcome(a->ms < b->ms, a->ms == b->ms);
		break;
	case BL_VALUE_BOOL:
		/* Equal or not; false is not less than true. */
		if (is_equality(set)) {
			o = outcome(a->ms < b->ms, a->ms == b->ms);
			break;
		}
		*out = null_cell;
		return;
	default:
		*out = null_cell;
		return;
	}
	set_bool(out, (o & set) != 0);
}

static enum bl_truth
test_text(const struct bl_value *v, const struct expr_cell *k, unsigned set)
{
	struct expr_cell value;

	cell_of(v, &value);
	if (value.type != BL_VALUE_TEXT)
		return BL_UNKNOWN_TRUTH;
	return (compare_texts(&value, k) & set) != 0 ? BL_TRUE : BL_FALSE;
}

/*
 * OP_TEST...: most conditions are made of these, so a value is compared where
 * the caller put it, without a detour over a cell, and in each of the five
 * places.  The check has seen to it that a boolean is only compared for
 * (in)equality; other types than the constant's are unknown.
 */
static inline __attribute__((always_inline)) enum bl_truth
test(const struct bl_expr_env *env, const struct expr_insn *i, const struct expr_cell *k)
{
	struct bl_value v;
	unsigned o;
	int64_t ms;

	v.type = BL_VALUE_NULL;
	env->lookup(env->ctx, i->a, &v);
	if (v.type != k->type)
		return BL_UNKNOWN_TRUTH;
	if (v.type == BL_VALUE_NUMBER) {
		if (!(fabs(v.number) <= DBL_MAX))
			return BL_UNKNOWN_TRUTH;
		o = outcome(v.number < k->number, v.number == k->number);
	} else if (v.type == BL_VALUE_TEXT) {
		/* Whether texts are equal is mostly seen from their lengths. */
		if (v.text_len == k->len || v.text == NULL || !is_equality(i->arg))
			return test_text(&v, k, i->arg);
		o = CMP_LESS;
	} else {
		ms = v.type == BL_VALUE_BOOL ? v.boolean : v.ms;
		o = outcome(ms < k->ms, ms == k->ms);
	}
	return (o & i->arg) != 0 ? BL_TRUE : BL_FALSE;
}

/* ---- arithmetic ---- */

static bool
are(const struct expr_cell *a, const struct expr_cell *b, enum bl_value_type ta,
    enum bl_value_type tb)
{
	return a->type == ta && b->type == tb;
}

static void
add(struct expr_cell *a, const struct expr_cell *b)
{
	const bool is_time = a->type == BL_VALUE_TIME || b->type == BL_VALUE_TIME;
	int64_t sum;

	if (are(a, b, BL_VALUE_NUMBER, BL_VALUE_NUMBER))
		set_number(a, a->number + b->number);
	else if ((are(a, b, BL_VALUE_DURATION, BL_VALUE_DURATION) ||
		     are(a, b, BL_VALUE_TIME, BL_VALUE_DURATION) ||
		     are(a, b, BL_VALUE_DURATION, BL_VALUE_TIME)) &&
		 !__builtin_add_overflow(a->ms, b->ms, &sum))
		set_ms(a, is_time ? BL_VALUE_TIME : BL_VALUE_DURATION, sum);
	else
		*a = null_cell;
}

static void
sub(struct expr_cell *a, const struct expr_cell *b)
{
	int64_t diff;

	if (are(a, b, BL_VALUE_NUMBER, BL_VALUE_NUMBER))
		set_number(a, a->number - b->number);
	else if ((are(a, b, BL_VALUE_DURATION, BL_VALUE_DURATION) ||
		     are(a, b, BL_VALUE_TIME, BL_VALUE_DURATION) ||
		     are(a, b, BL_VALUE_TIME, BL_VALUE_TIME)) &&
		 !__builtin_sub_overflow(a->ms, b->ms, &diff))
		set_ms(a,
		    are(a, b, BL_VALUE_TIME, BL_VALUE_DURATION) ? BL_VALUE_TIME : BL_VALUE_DURATION,
		    diff);
	else
		*a = null_cell;
}

static void
mul(struct expr_cell *a, const struct expr_cell *b)
{
	if (are(a, b, BL_VALUE_NUMBER, BL_VALUE_NUMBER))
		set_number(a, a->number * b->number);
	else if (are(a, b, BL_VALUE_DURATION, BL_VALUE_NUMBER))
		set_rounded(a, (double)a->ms * b->number);
	else if (are(a, b, BL_VALUE_NUMBER, BL_VALUE_DURATION))
		set_rounded(a, a->number * (double)b->ms);
	else
		*a = null_cell;
}

static void
divide(struct expr_cell *a, const struct expr_cell *b)
{
	if ((b->type == BL_VALUE_NUMBER && b->number == 0) ||
	    (b->type == BL_VALUE_DURATION && b->ms == 0))
		*a = null_cell;
	else if (are(a, b, BL_VALUE_NUMBER, BL_VALUE_NUMBER))
		set_number(a, a->number / b->number);
	else if (are(a, b, BL_VALUE_DURATION, BL_VALUE_NUMBER))
		set_rounded(a, (double)a->ms / b->number);
	else if (are(a, b, BL_VALUE_DURATION, BL_VALUE_DURATION))
		set_number(a, (double)a->ms / (double)b->ms);
	else
		*a = null_cell;
}

/* The rest has the sign of what is divided. */
static void
modulo(struct expr_cell *a, const struct expr_cell *b)
{
	if (are(a, b, BL_VALUE_NUMBER, BL_VALUE_NUMBER) && b->number != 0)
		set_number(a, fmod(a->number, b->number));
	else if (are(a, b, BL_VALUE_DURATION, BL_VALUE_DURATION) && b->ms != 0)
		set_ms(a, BL_VALUE_DURATION, b->ms == -1 ? 0 : a->ms % b->ms);
	else
		*a = null_cell;
}

static void
negate(struct expr_cell *a)
{
	if (a->type == BL_VALUE_NUMBER)
		a->number = -a->number;
	else if (a->type == BL_VALUE_DURATION && a->ms != INT64_MIN)
		a->ms = -a->ms;
	else
		*a = null_cell;
}

/* ---- functions ---- */

static void
absolute(struct expr_cell *a)
{
	if (a->type == BL_VALUE_NUMBER)
		a->number = fabs(a->number);
	else if (a->type != BL_VALUE_DURATION || a->ms == INT64_MIN)
		*a = null_cell;
	else if (a->ms < 0)
		a->ms = -a->ms;
}

static void
extreme(struct expr_cell *a, const struct expr_cell *b, unsigned keep_when)
{
	struct expr_cell first;

	if (a->type != BL_VALUE_NUMBER && a->type != BL_VALUE_TIME &&
	    a->type != BL_VALUE_DURATION) {
		*a = null_cell;
		return;
	}
	compare(&first, a, b, keep_when);
	if (first.type == BL_VALUE_NULL)
		*a = null_cell;
	else if (first.ms == 0)
		*a = *b;
}

static void
round_to(struct expr_cell *a, const struct expr_cell *digits)
{
	double scale, scaled;

	if (!are(a, digits, BL_VALUE_NUMBER, BL_VALUE_NUMBER) || fabs(digits->number) > 15 ||
	    digits->number != trunc(digits->number)) {
		*a = null_cell;
		return;
	}
	scale = pow(10, fabs(digits->number));
	if (digits->number < 0) {
		set_number(a, round(a->number / scale) * scale);
		return;
	}
	scaled = a->number * scale;
	/* From 2^52 on there are no decimals left to round. */
	if (fabs(scaled) < 4503599627370496.0)
		a->number = round(scaled) / scale;
}

static void
age_of(struct expr_cell *a, int64_t now_unix_ms)
{
	struct expr_cell now = { .type = BL_VALUE_TIME, .ms = now_unix_ms };

	if (a->type == BL_VALUE_TIME)
		sub(&now, a);
	else
		now = null_cell;
	*a = now;
}

static void
time_of(struct expr_cell *a)
{
	int64_t ms;

	if (a->type == BL_VALUE_TEXT && !a->lower && bl_time_parse(a->text, a->len, &ms))
		set_ms(a, BL_VALUE_TIME, ms);
	else
		*a = null_cell;
}

static void
text_test(struct expr_cell *a, const struct expr_cell *b,
    bool (*holds)(const struct expr_cell *, const struct expr_cell *))
{
	if (are(a, b, BL_VALUE_TEXT, BL_VALUE_TEXT))
		set_bool(a, holds(a, b));
	else
		*a = null_cell;
}

static void
function_of_one(unsigned op, struct expr_cell *a, const struct bl_expr_env *env)
{
	switch (op) {
	case OP_NEG:
		negate(a);
		return;
	case OP_ABS:
		absolute(a);
		return;
	case OP_IS_NULL:
		set_bool(a, a->type == BL_VALUE_NULL);
		return;
	case OP_AGE:
		age_of(a, env->now_unix_ms);
		return;
	case OP_TIME:
		time_of(a);
		return;
	case OP_ROUND:
		if (a->type == BL_VALUE_NUMBER)
			a->number = round(a->number);
		else
			*a = null_cell;
		return;
	case OP_LEN:
		if (a->type == BL_VALUE_TEXT)
			set_number(a, (double)expr_chars(a->text, a->len));
		else
			*a = null_cell;
		return;
	default: /* OP_LOWER */
		if (a->type == BL_VALUE_TEXT)
			a->lower = true;
		else
			*a = null_cell;
	}
}

static void
function_of_two(unsigned op, struct expr_cell *a, const struct expr_cell *b)
{
	switch (op) {
	case OP_ADD:
		add(a, b);
		return;
	case OP_SUB:
		sub(a, b);
		return;
	case OP_MUL:
		mul(a, b);
		return;
	case OP_DIV:
		divide(a, b);
		return;
	case OP_MOD:
		modulo(a, b);
		return;
	case OP_MIN:
		extreme(a, b, CMP_LESS | CMP_SAME);
		return;
	case OP_MAX:
		extreme(a, b, CMP_MORE | CMP_SAME);
		return;
	case OP_ROUND_TO:
		round_to(a, b);
		return;
	case OP_CONTAINS:
		text_test(a, b, expr_text_contains);
		return;
	default: /* OP_STARTS */
		text_test(a, b, expr_text_starts);
	}
}

/* ---- the machine ---- */

/* sp: the first free place; what is computed stands at sp[-1]. */
static void
run(const struct bl_expr *e, const struct bl_expr_env *env, struct expr_cell *out)
{
	struct expr_cell stack[BL_EXPR_DEPTH_MAX], *sp = stack;
	const struct expr_insn *i = e->code;
	enum bl_truth t;

	for (;; i++)
		switch (i->op) {
		case OP_END:
			*out = sp[-1];
			return;
		case OP_CONST:
			*sp++ = e->consts[i->a];
			break;
		case OP_LOAD:
			load(env, i, sp++);
			break;
		case OP_COMPARE:
			sp--;
			compare(&sp[-1], &sp[-1], sp, i->arg);
			break;
		case OP_TEST:
			set_truth(sp++, test(env, i, &e->consts[i->b]));
			break;
		case OP_TEST_AND_THEN:
			t = test(env, i, &e->consts[i->b]);
			set_truth(sp++, t);
			if (t == BL_FALSE)
				i = e->code + i->c - 1;
			break;
		case OP_TEST_OR_ELSE:
			t = test(env, i, &e->consts[i->b]);
			set_truth(sp++, t);
			if (t == BL_TRUE)
				i = e->code + i->c - 1;
			break;
		/* From here on the top is not false (AND) or not true (OR): that has left. */
		case OP_TEST_AND:
			t = test(env, i, &e->consts[i->b]);
			if (t == BL_TRUE)
				break;
			set_truth(&sp[-1], t);
			if (t == BL_FALSE)
				i = e->code + i->c - 1;
			break;
		case OP_TEST_OR:
			t = test(env, i, &e->consts[i->b]);
			if (t == BL_FALSE)
				break;
			set_truth(&sp[-1], t);
			if (t == BL_TRUE)
				i = e->code + i->c - 1;
			break;
		case OP_AND:
			t = truth_of(--sp);
			if (t == BL_TRUE)
				break;
			set_truth(&sp[-1], t);
			if (t == BL_FALSE)
				i = e->code + i->c - 1;
			break;
		case OP_OR:
			t = truth_of(--sp);
			if (t == BL_FALSE)
				break;
			set_truth(&sp[-1], t);
			if (t == BL_TRUE)
				i = e->code + i->c - 1;
			break;
		case OP_AND_THEN:
			t = truth_of(&sp[-1]);
			set_truth(&sp[-1], t);
			if (t == BL_FALSE)
				i = e->code + i->c - 1;
			break;
		case OP_OR_ELSE:
			t = truth_of(&sp[-1]);
			set_truth(&sp[-1], t);
			if (t == BL_TRUE)
				i = e->code + i->c - 1;
			break;
		case OP_NOT:
			set_truth(&sp[-1], bl_truth_not(truth_of(&sp[-1])));
			break;
		case OP_IF:
			t = truth_of(--sp);
			if (t == BL_FALSE) {
				i = e->code + i->c - 1;
			} else if (t == BL_UNKNOWN_TRUTH) {
				*sp++ = null_cell;
				i = e->code + i->b - 1;
			}
			break;
		case OP_JUMP:
			i = e->code + i->c - 1;
			break;
		case OP_COALESCE:
			if (sp[-1].type != BL_VALUE_NULL)
				i = e->code + i->c - 1;
			else
				sp--;
			break;
		case OP_NOW:
			set_ms(sp++, BL_VALUE_TIME, env->now_unix_ms);
			break;
		default:
			if (i->op < OP_FIRST_OF_TWO) {
				function_of_one(i->op, &sp[-1], env);
			} else {
				sp--;
				function_of_two(i->op, &sp[-1], sp);
			}
		}
}

void
bl_expr_eval(const struct bl_expr *e, const struct bl_expr_env *env, struct bl_value *out)
{
	struct expr_cell v;

	run(e, env, &v);
	*out = (struct bl_value){ .type = BL_VALUE_NULL };
	if (e->want != BL_VALUE_NULL && v.type != e->want)
		return;
	out->type = (enum bl_value_type)v.type;
	switch (out->type) {
	case BL_VALUE_BOOL:
		out->boolean = v.ms != 0;
		return;
	case BL_VALUE_NUMBER:
		out->number = v.number;
		return;
	case BL_VALUE_TIME:
	case BL_VALUE_DURATION:
		out->ms = v.ms;
		return;
	case BL_VALUE_TEXT:
		out->text = v.text;
		out->text_len = v.len;
		return;
	case BL_VALUE_NULL:
		return;
	}
}

enum bl_truth
bl_expr_truth(const struct bl_expr *e, const struct bl_expr_env *env)
{
	struct expr_cell v;

	run(e, env, &v);
	return truth_of(&v);
}
