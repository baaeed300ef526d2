/*
 * What was probably meant: proposals for the mistakes that people make, each
 * a text that can stand in place of what was marked.
 */
#include "expr_internal.h"

#include <string.h>

/* ---- units ---- */

static const struct {
	const char *word, *unit;
	double times;
} unit_words[] = {
	{ "m", "min", 1 }, { "mi", "min", 1 }, { "min", "min", 1 }, { "mins", "min", 1 },
	{ "minute", "min", 1 }, { "minutes", "min", 1 }, { "s", "s", 1 }, { "sec", "s", 1 },
	{ "secs", "s", 1 }, { "second", "s", 1 }, { "seconds", "s", 1 }, { "ms", "ms", 1 },
	{ "msec", "ms", 1 }, { "millisecond", "ms", 1 }, { "milliseconds", "ms", 1 },
	{ "h", "h", 1 }, { "hr", "h", 1 }, { "hrs", "h", 1 }, { "hour", "h", 1 },
	{ "hours", "h", 1 }, { "d", "d", 1 }, { "day", "d", 1 }, { "days", "d", 1 },
	{ "w", "d", 7 }, { "week", "d", 7 }, { "weeks", "d", 7 },
	{ "\xe5\x88\x86", "min", 1 },                       /* 分 */
	{ "\xe5\x88\x86\xe9\x92\x9f", "min", 1 },           /* 分钟 */
	{ "\xe6\x97\xb6", "h", 1 },                         /* 时 */
	{ "\xe5\xb0\x8f\xe6\x97\xb6", "h", 1 },             /* 小时 */
	{ "\xe4\xb8\xaa\xe5\xb0\x8f\xe6\x97\xb6", "h", 1 }, /* 个小时 */
	{ "\xe7\xa7\x92", "s", 1 },                         /* 秒 */
	{ "\xe7\xa7\x92\xe9\x92\x9f", "s", 1 },             /* 秒钟 */
	{ "\xe6\xaf\xab\xe7\xa7\x92", "ms", 1 },            /* 毫秒 */
	{ "\xe5\xa4\xa9", "d", 1 },                         /* 天 */
	{ "\xe6\x97\xa5", "d", 1 },                         /* 日 */
	{ "\xe5\x91\xa8", "d", 7 },                         /* 周 */
};

bool
expr_slip_unit(struct expr_compile *c, double number, const char *word, size_t len)
{
	for (size_t i = 0; i < sizeof(unit_words) / sizeof(unit_words[0]); i++)
		if (expr_word_is(word, len, unit_words[i].word)) {
			expr_suggest(
			    c, "%.15g%s", number * unit_words[i].times, unit_words[i].unit);
			return true;
		}
	return false;
}

static bool
digit_at(const struct expr_compile *c, size_t at)
{
	return at < c->len && c->text[at] >= '0' && c->text[at] <= '9';
}

bool
expr_slip_thousands(struct expr_compile *c, size_t comma)
{
	size_t begin = comma, n = 1;
	uint32_t cp;

	if (comma >= c->len || (n = expr_utf8(c->text + comma, c->len - comma, &cp)) == 0 ||
	    expr_plain(cp) != ',')
		return false;
	while (begin > 0 && digit_at(c, begin - 1))
		begin--;
	if (begin == comma || comma - begin > 3 || !digit_at(c, comma + n) ||
	    !digit_at(c, comma + n + 1) || !digit_at(c, comma + n + 2) ||
	    digit_at(c, comma + n + 3))
		return false;
	expr_suggest(c, "%.*s%.3s", (int)(comma - begin), c->text + begin, c->text + comma + n);
	return true;
}

/* ---- names ---- */

/* A declared name with blanks or signs in it that stands in the source at that byte. */
static const char *
field_at(const struct expr_compile *c, size_t at, size_t longer_than)
{
	for (size_t i = 0; c->scope != NULL && i < c->scope->n; i++) {
		const char *name = c->scope->fields[i].name;
		const size_t n = strlen(name);

		if (n > longer_than && n <= c->len - at && memcmp(c->text + at, name, n) == 0)
			return name;
	}
	return NULL;
}

static bool
is_field(const struct expr_compile *c, const char *s, size_t len)
{
	for (size_t i = 0; c->scope != NULL && i < c->scope->n; i++)
		if (strlen(c->scope->fields[i].name) == len &&
		    memcmp(c->scope->fields[i].name, s, len) == 0)
			return true;
	return false;
}

/* Whether it can be written without brackets. */
static bool
is_bare(const char *name)
{
	size_t len = strlen(name), n;
	uint32_t cp;
	bool first = true;

	for (; len > 0; name += n, len -= n, first = false)
		if ((n = expr_utf8(name, len, &cp)) == 0 || cp == 0x4e14 || cp == 0x6216 ||
		    !(first ? expr_is_letter(cp) : expr_is_name_char(cp) || cp == '.'))
			return false;
	return true;
}

static void
suggest_field(struct expr_compile *c, const char *name)
{
	if (is_bare(name))
		expr_suggest(c, "%s", name);
	else
		expr_suggest(c, "[%s]", name);
}

static const char *
near_field(const struct expr_compile *c, const char *s, size_t len)
{
	const char *best = NULL;
	unsigned best_distance = 99, d;

	for (size_t i = 0; c->scope != NULL && i < c->scope->n; i++)
		if (expr_near(s, len, c->scope->fields[i].name, &d) && d < best_distance) {
			best_distance = d;
			best = c->scope->fields[i].name;
		}
	return best;
}

static const struct expr_func *
near_function(const char *s, size_t len)
{
	const struct expr_func *f, *best = NULL;
	unsigned best_distance = 99, d;

	for (size_t i = 0; (f = expr_func_at(i)) != NULL; i++)
		if (expr_near(s, len, f->name, &d) && d < best_distance) {
			best_distance = d;
			best = f;
		}
	return best;
}

void
expr_slip_name(struct expr_compile *c, struct expr_span name, bool may_be_text)
{
	static const char *const values[] = { "true", "false", "null" };
	const char *s = c->text + name.at, *field;
	const struct expr_func *f;
	unsigned d;

	/* 非已付款: NOT without a blank. */
	if (name.len > 3 && memcmp(s, "\xe9\x9d\x9e", 3) == 0 &&
	    (c->scope == NULL || c->scope->open || is_field(c, s + 3, name.len - 3u))) {
		expr_suggest(c, "\xe9\x9d\x9e %.*s", (int)name.len - 3, s + 3);
		return;
	}
	if ((field = field_at(c, name.at, name.len)) != NULL ||
	    (field = near_field(c, s, name.len)) != NULL) {
		suggest_field(c, field);
		return;
	}
	if ((f = expr_func_find(s, name.len)) != NULL) {
		expr_suggest(c, "%s", f->usage);
		return;
	}
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (expr_near(s, name.len, values[i], &d)) {
			expr_suggest(c, "%s", values[i]);
			return;
		}
	if (may_be_text)
		expr_suggest(c, "\"%.*s\"", EXPR_SPAN(c, name));
}

void
expr_slip_function(struct expr_compile *c, struct expr_span name)
{
	static const struct {
		const char *word, *meant;
	} others[] = {
		{ "iff", "if" },
		{ "iif", "if" },
		{ "isnull", "is_null" },
		{ "ifnull", "coalesce" },
		{ "nvl", "coalesce" },
		{ "length", "len" },
		{ "tolower", "lower" },
		{ "lcase", "lower" },
		{ "startswith", "starts_with" },
		{ "includes", "contains" },
		{ "minimum", "min" },
		{ "maximum", "max" },
		{ "date", "time" },
		{ "datetime", "time" },
		{ "timestamp", "time" },
		{ "today", "now" },
	};
	const char *s = c->text + name.at;
	const struct expr_func *f = near_function(s, name.len);

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (expr_word_is(s, name.len, others[i].word))
			f = expr_func_find(others[i].meant, strlen(others[i].meant));
	if (f != NULL)
		expr_suggest(c, "%s", f->usage);
}

/* ---- before and behind a value ---- */

/* 50%: there are no parts of a hundred. */
void
expr_slip_before(struct expr_compile *c)
{
	const size_t end = c->prev.span.at;
	size_t begin = end;

	while (begin > 0 && (digit_at(c, begin - 1) || c->text[begin - 1] == '.'))
		begin--;
	if (c->prev.kind == TOK_PERCENT && begin < end)
		expr_suggest(c, "%.*s", (int)(end - begin), c->text + begin);
}

static bool
slip_number(struct expr_compile *c)
{
	const struct expr_token *p = &c->prev, *t = &c->tok;

	if (t->kind == TOK_COMMA)
		return expr_slip_thousands(c, t->span.at);
	if (t->kind == TOK_NAME)
		return expr_slip_unit(c, p->value.number, c->text + t->span.at, t->span.len);
	if (t->kind != TOK_NUMBER || t->span.len != 3)
		return false;
	expr_suggest(c, "%.*s%.*s", EXPR_SPAN(c, p->span), EXPR_SPAN(c, t->span)); /* 1 000 */
	return true;
}

/* Words of other languages; %.*s is what stands before. */
static bool
slip_operator_word(struct expr_compile *c)
{
	const char *s = c->text + c->tok.span.at;
	const size_t len = c->tok.span.len;
	const struct expr_span p = c->prev.span;
	unsigned d;

	if (expr_word_is(s, len, "is"))
		expr_suggest(c, "is_null(%.*s)", EXPR_SPAN(c, p));
	else if (expr_word_is(s, len, "in"))
		expr_suggest(c, "%.*s = \"a\" or %.*s = \"b\"", EXPR_SPAN(c, p), EXPR_SPAN(c, p));
	else if (expr_word_is(s, len, "between"))
		expr_suggest(c, "%.*s >= 1 and %.*s <= 2", EXPR_SPAN(c, p), EXPR_SPAN(c, p));
	else if (expr_word_is(s, len, "like") || expr_word_is(s, len, "contains"))
		expr_suggest(c, "contains(%.*s, \"part\")", EXPR_SPAN(c, p));
	else if (expr_word_is(s, len, "equals") || expr_word_is(s, len, "eq"))
		expr_suggest(c, "=");
	else if (expr_word_is(s, len, "mod"))
		expr_suggest(c, "%%");
	else if (expr_near(s, len, "and", &d))
		expr_suggest(c, "and");
	else if (expr_near(s, len, "or", &d))
		expr_suggest(c, "or");
	else
		return false;
	return true;
}

void
expr_slip_after(struct expr_compile *c)
{
	const bool after_name = c->prev.kind == TOK_NAME;
	const char *field;

	if (c->prev.kind == TOK_NUMBER && slip_number(c))
		return;
	if (after_name && (field = field_at(c, c->prev.span.at, c->prev.span.len)) != NULL) {
		suggest_field(c, field);
		return;
	}
	if (c->tok.kind == TOK_NAME && slip_operator_word(c))
		return;
	if (after_name && (c->tok.kind == TOK_TEXT || c->tok.kind == TOK_NUMBER))
		expr_suggest(c, "=");
}

/* ---- types ---- */

void
expr_slip_type(struct expr_compile *c, const struct expr_node *n, unsigned wanted)
{
	const struct expr_cell *v = &n->value;
	const int len = (int)v->len;
	int64_t ms;

	if (n->kind != NODE_CONST)
		return;
	if (v->type == BL_VALUE_NUMBER && wanted == BL_VALUE_DURATION)
		expr_suggest(c, "%.*smin", EXPR_SPAN(c, n->span));
	else if (v->type == BL_VALUE_NUMBER && wanted == BL_VALUE_TEXT)
		expr_suggest(c, "\"%.*s\"", EXPR_SPAN(c, n->span));
	else if (v->type == BL_VALUE_BOOL && wanted == BL_VALUE_TEXT)
		expr_suggest(c, "\"%.*s\"", EXPR_SPAN(c, n->span));
	if (v->type != BL_VALUE_TEXT)
		return;
	if (wanted == BL_VALUE_TIME && bl_time_parse(v->text, v->len, &ms))
		expr_suggest(c, "time(%.*s)", EXPR_SPAN(c, n->span));
	else if ((wanted == BL_VALUE_NUMBER && expr_lex_what(v->text, v->len) == TOK_NUMBER) ||
		 (wanted == BL_VALUE_DURATION && expr_lex_what(v->text, v->len) == TOK_DURATION) ||
		 (wanted == BL_VALUE_BOOL && (expr_word_is(v->text, v->len, "true") ||
						 expr_word_is(v->text, v->len, "false"))))
		expr_suggest(c, "%.*s", len, v->text);
}
