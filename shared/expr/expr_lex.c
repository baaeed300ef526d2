/*
 * Tokens: blanks, words, names in brackets, operators; values are read in
 * expr_lex_value.c.  Signs may be full-width, as Chinese input methods type them.
 */
#include "expr_internal.h"

#include <stdio.h>
#include <string.h>

#define CP_AND 0x4e14u /* 且 */
#define CP_OR  0x6216u /* 或 */
#define CP_NOT 0x975eu /* 非 */

/* Longest first.  What has a proposal is a slip. */
static const struct {
	const char *sign;
	enum expr_tok kind;
	const char *meant;
} signs[] = {
	{ "===", TOK_END, "=" },
	{ "!==", TOK_END, "!=" },
	{ "==", TOK_EQ, NULL },
	{ "!=", TOK_NE, NULL },
	{ "<>", TOK_NE, NULL },
	{ "<=", TOK_LE, NULL },
	{ ">=", TOK_GE, NULL },
	{ "&&", TOK_AND, NULL },
	{ "||", TOK_OR, NULL },
	{ "=<", TOK_END, "<=" },
	{ "=>", TOK_END, ">=" },
	{ "><", TOK_END, "!=" },
	{ ":=", TOK_END, "=" },
	{ "=", TOK_EQ, NULL },
	{ "<", TOK_LT, NULL },
	{ ">", TOK_GT, NULL },
	{ "!", TOK_NOT, NULL },
	{ "+", TOK_PLUS, NULL },
	{ "-", TOK_MINUS, NULL },
	{ "*", TOK_STAR, NULL },
	{ "/", TOK_SLASH, NULL },
	{ "%", TOK_PERCENT, NULL },
	{ "(", TOK_LPAREN, NULL },
	{ ")", TOK_RPAREN, NULL },
	{ ",", TOK_COMMA, NULL },
	{ "&", TOK_END, "and" },
	{ "|", TOK_END, "or" },
	{ "~", TOK_END, "not" },
	{ ";", TOK_END, "," },
	{ "?", TOK_END, "if(condition, then, else)" },
};

static const struct {
	uint32_t cp;
	enum expr_tok kind;
} wide_signs[] = {
	{ 0x2260, TOK_NE }, /* ≠ */
	{ 0x2264, TOK_LE }, /* ≤ */
	{ 0x2266, TOK_LE }, /* ≦ */
	{ 0x2265, TOK_GE }, /* ≥ */
	{ 0x2267, TOK_GE }, /* ≧ */
};

static const struct {
	const char *word;
	enum expr_tok kind;
} words[] = {
	{ "and", TOK_AND },
	{ "or", TOK_OR },
	{ "not", TOK_NOT },
	{ "true", TOK_TRUE },
	{ "false", TOK_FALSE },
	{ "null", TOK_NULL },
};

/* The character at c->pos + skip; 0 at the end (the text was validated). */
static size_t
peek(const struct expr_compile *c, size_t skip, uint32_t *cp)
{
	const size_t at = c->pos + skip;

	*cp = 0;
	return at >= c->len ? 0 : expr_utf8(c->text + at, c->len - at, cp);
}

static struct expr_span
span_from(const struct expr_compile *c, size_t at)
{
	return (struct expr_span){ .at = (uint16_t)at, .len = (uint16_t)(c->pos - at) };
}

static bool
token(struct expr_compile *c, enum expr_tok kind, size_t bytes)
{
	c->tok.kind = kind;
	c->tok.span.len = (uint16_t)bytes;
	c->pos += bytes;
	return true;
}

/* The character at pos, which is no part of the language. */
static bool
foreign(struct expr_compile *c, const char *expected)
{
	uint32_t cp;
	const size_t n = peek(c, 0, &cp);
	const struct expr_span at = { (uint16_t)c->pos, (uint16_t)n };
	char got[24];

	if (cp >= 0x20 && cp != 0x7f && !(cp >= 0x80 && cp < 0xa0))
		return expr_fail_source(c, at, expected);
	(void)snprintf(got, sizeof(got), "a control character");
	return expr_fail(c, at, expected, got);
}

static bool
lex_sign(struct expr_compile *c)
{
	char plain[4] = "";
	size_t ends[4] = { 0 };
	uint32_t cp;

	for (size_t i = 0; i < 3; i++) {
		const size_t n = peek(c, ends[i], &cp);

		cp = expr_plain(cp);
		if (n == 0 || cp >= 0x80)
			break;
		plain[i] = (char)cp;
		ends[i + 1] = ends[i] + n;
	}
	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
		const size_t n = strlen(signs[i].sign);

		if (strncmp(plain, signs[i].sign, n) != 0)
			continue;
		if (signs[i].meant == NULL)
			return token(c, signs[i].kind, ends[n]);
		(void)token(c, TOK_END, ends[n]);
		(void)expr_fail_source(c, c->tok.span, "an operator that exists");
		expr_suggest(c, "%s", signs[i].meant);
		return false;
	}
	(void)peek(c, 0, &cp);
	for (size_t i = 0; i < sizeof(wide_signs) / sizeof(wide_signs[0]); i++)
		if (wide_signs[i].cp == cp)
			return token(c, wide_signs[i].kind, 3);
	return foreign(c, "a value, a name or an operator");
}

/* Whether the character after the one of n bytes at pos goes on with a name. */
static bool
name_goes_on(const struct expr_compile *c, size_t n)
{
	uint32_t cp;

	return peek(c, n, &cp) != 0 && expr_is_name_char(cp) && cp != CP_AND && cp != CP_OR;
}

/*
 * 且 and 或 end a name, since Chinese has no blanks there; [退货或换货] names
 * what has one inside.  非 begins many words and is NOT only when it stands alone.
 */
static bool
lex_chinese(struct expr_compile *c, uint32_t cp, bool *done)
{
	uint32_t next;

	*done = true;
	(void)peek(c, 3, &next);
	if (cp == CP_AND)
		return token(c, TOK_AND, 3);
	if (cp == 0x5e76 && next == CP_AND) /* 并且 */
		return token(c, TOK_AND, 6);
	if (cp == CP_OR)
		return token(c, TOK_OR, next == 0x8005 ? 6 : 3); /* 或者 */
	if (cp == CP_NOT && !name_goes_on(c, 3))
		return token(c, TOK_NOT, 3);
	*done = false;
	return true;
}

static bool
name_token(struct expr_compile *c, enum expr_tok kind, struct expr_span name)
{
	c->tok.kind = kind;
	c->tok.name = name;
	if (name.len <= BL_EXPR_NAME_MAX)
		return true;
	return expr_fail_source(c, name, "a name of at most 64 bytes");
}

static bool
lex_word(struct expr_compile *c)
{
	const size_t begin = c->pos;
	uint32_t cp, next;
	size_t n;

	while ((n = peek(c, 0, &cp)) != 0 && cp != CP_AND && cp != CP_OR) {
		/* A dot inside: order.type */
		if (!expr_is_name_char(cp) &&
		    !(cp == '.' && c->pos > begin && peek(c, 1, &next) != 0 &&
			expr_is_name_char(next)))
			break;
		if (cp == 0x5e76 && c->pos > begin && peek(c, n, &next) != 0 && next == CP_AND)
			break;
		c->pos += n;
	}
	c->tok.span = span_from(c, begin);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (expr_word_is(c->text + begin, c->tok.span.len, words[i].word)) {
			c->tok.kind = words[i].kind;
			return true;
		}
	return name_token(c, TOK_NAME, c->tok.span);
}

static bool
lex_bracket(struct expr_compile *c, size_t open_bytes)
{
	const size_t begin = c->pos;
	struct expr_span name;
	uint32_t cp = 0;
	size_t n;

	c->pos += open_bytes;
	while ((n = peek(c, 0, &cp)) != 0 && cp != ']' && cp != 0x3011) {
		if (cp < 0x20 || cp == 0x7f)
			return foreign(c, "a name in one line, then \"]\"");
		c->pos += n;
	}
	name.at = (uint16_t)(begin + open_bytes);
	name.len = (uint16_t)(c->pos - name.at);
	if (n == 0)
		return expr_fail_source(c, span_from(c, c->pos), "\"]\" after the name");
	c->pos += n;
	c->tok.span = span_from(c, begin);
	if (name.len == 0)
		return expr_fail_source(c, c->tok.span, "a name between \"[\" and \"]\"");
	return name_token(c, TOK_QUOTED, name);
}

static void
skip_blanks(struct expr_compile *c)
{
	uint32_t cp;
	size_t n;

	while ((n = peek(c, 0, &cp)) != 0) {
		cp = expr_plain(cp);
		if (cp != ' ' && cp != '\t' && cp != '\n' && cp != '\r')
			return;
		c->pos += n;
	}
}

/* ".5": digits are wanted on both sides of the point. */
static bool
bare_point(struct expr_compile *c)
{
	const size_t begin = c->pos;
	struct expr_span at;

	for (c->pos++; c->pos < c->len && c->text[c->pos] >= '0' && c->text[c->pos] <= '9';)
		c->pos++;
	at = span_from(c, begin);
	(void)expr_fail_source(c, at, "a number that begins with a digit");
	expr_suggest(c, "0%.*s", EXPR_SPAN(c, at));
	return false;
}

bool
expr_advance(struct expr_compile *c)
{
	uint32_t cp, plain, next;
	size_t n;
	bool done;

	c->prev = c->tok;
	skip_blanks(c);
	memset(&c->tok, 0, sizeof(c->tok));
	c->tok.span.at = (uint16_t)c->pos;
	if ((n = peek(c, 0, &cp)) == 0)
		return token(c, TOK_END, 0);
	plain = expr_plain(cp);
	if (plain >= '0' && plain <= '9')
		return expr_lex_number(c);
	if (plain == '"' || plain == '\'')
		return expr_lex_text(c);
	if (plain == '[')
		return lex_bracket(c, n);
	if (plain == '.' && n == 1 && peek(c, 1, &next) != 0 && next >= '0' && next <= '9')
		return bare_point(c);
	if (!lex_chinese(c, cp, &done) || done)
		return !c->failed;
	if (expr_is_letter(cp))
		return lex_word(c);
	return lex_sign(c);
}
