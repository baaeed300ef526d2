/*
 * From a pattern to a program, in one pass and without a tree: what a
 * quantifier or a bar applies to is the piece of program that was written last,
 * which is moved or copied (jumps are relative).
 *
 * Every count is capped, also that of groups in groups, since a pattern comes
 * from a configuration that a person wrote, or the centre.
 */
#include "regex_internal.h"

#include <string.h>

#define UNLIMITED (-1)

struct parse {
	struct bl_regex *re;
	const char *p;
	bool fold; /* (?i) */
	unsigned depth;
	const char *wrong;
	struct regex_step nowhere;                     /* written to when there is no room */
	struct regex_step piece[BL_REGEX_PROGRAM_MAX]; /* what is repeated */
};

static void
fail(struct parse *s, const char *wrong)
{
	if (s->wrong == NULL)
		s->wrong = wrong;
}

/* Makes room for one step at a place and shifts what stands behind. */
static struct regex_step *
step_insert(struct parse *s, unsigned at, enum regex_op op)
{
	struct bl_regex *re = s->re;

	if (re->n == BL_REGEX_PROGRAM_MAX) {
		fail(s, "the expression is too large: fewer or smaller counts in {} are needed");
		return &s->nowhere;
	}
	memmove(&re->step[at + 1], &re->step[at], (re->n - at) * sizeof(re->step[0]));
	re->n++;
	re->step[at] = (struct regex_step){ .op = (uint8_t)op };
	return &re->step[at];
}

static struct regex_step *
step_add(struct parse *s, enum regex_op op)
{
	return step_insert(s, s->re->n, op);
}

/* ---- one character ---- */

/* A step for a set; equal sets are held once. */
static void
set_emit(struct parse *s, const struct regex_set *set)
{
	struct bl_regex *re = s->re;
	unsigned i = 0;

	while (i < re->n_sets && memcmp(&re->set[i], set, sizeof(*set)) != 0)
		i++;
	if (i == REGEX_SETS_MAX) {
		fail(s, "there are more than 64 different sets of characters");
		return;
	}
	if (i == re->n_sets)
		re->set[re->n_sets++] = *set;
	step_add(s, REGEX_SET)->x = (int16_t)i;
}

static void
byte_emit(struct parse *s, unsigned char c)
{
	const unsigned char low = (unsigned char)(c | 0x20);
	struct regex_set set = { { 0 } };

	if (!s->fold || low < 'a' || low > 'z') {
		step_add(s, REGEX_BYTE)->c = c;
		return;
	}
	regex_set_add(&set, low, low);
	regex_set_fold(&set);
	set_emit(s, &set);
}

/* ---- characters behind a backslash ---- */

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
is_alnum(char c)
{
	return regex_is_word((unsigned char)c) && c != '_';
}

/* p stands behind the backslash of a single character; returns it and moves on. */
static unsigned char
escaped(struct parse *s)
{
	const char c = *s->p++;

	switch (c) {
	case 'n':
		return '\n';
	case 't':
		return '\t';
	case 'r':
		return '\r';
	case 'x':
		if (hex(s->p[0]) >= 0 && hex(s->p[1]) >= 0) {
			s->p += 2;
			return (unsigned char)(hex(s->p[-2]) << 4 | hex(s->p[-1]));
		}
		fail(s, "\\x wants two hexadecimal digits");
		return 0;
	case '\0':
		s->p--;
		fail(s, "there is nothing behind the last backslash");
		return 0;
	default:
		if (c >= '1' && c <= '9')
			fail(s, "references such as \\1 are not possible");
		else if (is_alnum(c) || (unsigned char)c >= 0x80)
			fail(s, "a backslash means nothing before this character");
		return (unsigned char)c;
	}
}

/* ---- [...] ---- */

/* One character of a range; *named: it was a set like \d instead, and is in the set already. */
static unsigned char
bracket_item(struct parse *s, struct regex_set *set, bool *named)
{
	struct regex_set part;
	const char c = *s->p;

	*named = false;
	if ((unsigned char)c >= 0x80)
		fail(s, "only ASCII is possible in brackets");
	if (c == '[' && s->p[1] == ':')
		fail(s, "classes such as [:alpha:] are not possible: use \\d \\w \\s or a range");
	s->p++;
	if (c != '\\')
		return (unsigned char)c;
	if (!regex_set_named(&part, *s->p))
		return escaped(s);
	s->p++;
	*named = true;
	for (unsigned i = 0; i < sizeof(part.bit); i++)
		set->bit[i] |= part.bit[i];
	return 0;
}

/* p stands behind the bracket. */
static void
bracket(struct parse *s)
{
	struct regex_set set = { { 0 } };
	const bool negate = *s->p == '^';
	bool named;

	s->p += negate ? 1 : 0;
	for (bool first = true; s->wrong == NULL && (first || *s->p != ']'); first = false) {
		unsigned lo;
		unsigned hi;

		if (*s->p == '\0') {
			fail(s, "a bracket [ is not closed");
			return;
		}
		hi = lo = bracket_item(s, &set, &named);
		if (named)
			continue;
		if (s->p[0] == '-' && s->p[1] != ']' && s->p[1] != '\0') {
			s->p++;
			hi = bracket_item(s, &set, &named);
			if (named || hi < lo)
				fail(s, "a range in brackets goes from a lesser to a greater "
					"character");
		}
		regex_set_add(&set, lo, hi);
	}
	s->p++;
	if (s->fold)
		regex_set_fold(&set);
	if (negate) {
		regex_set_add(&set, '\n', '\n');
		regex_set_negate(&set);
	}
	if (s->wrong == NULL)
		set_emit(s, &set);
}

/* ---- atoms ---- */

static void alternatives(struct parse *s);

/* p stands behind the parenthesis. */
static void
group(struct parse *s)
{
	if (s->p[0] == '?' && s->p[1] == ':')
		s->p += 2;
	else if (s->p[0] == '?')
		fail(
		    s, "of the groups with (? only (?:...) is possible, and (?i) at the beginning");
	if (++s->depth > BL_REGEX_DEPTH_MAX)
		fail(s, "groups are nested too deeply");
	if (s->wrong == NULL)
		alternatives(s);
	s->depth--;
	if (s->wrong == NULL && *s->p != ')')
		fail(s, "a parenthesis ( is not closed");
	else if (s->wrong == NULL)
		s->p++;
}

/* True: what was read is a condition, which may not be repeated. */
static bool
backslash(struct parse *s)
{
	struct regex_set set;

	if (*s->p == 'b' || *s->p == 'B') {
		step_add(s, *s->p == 'b' ? REGEX_WORD_EDGE : REGEX_NO_WORD_EDGE);
		s->p++;
		return true;
	}
	if (regex_set_named(&set, *s->p)) {
		s->p++;
		set_emit(s, &set);
	} else {
		byte_emit(s, escaped(s));
	}
	return false;
}

/* True: a condition. */
static bool
atom(struct parse *s)
{
	struct regex_set set = { { 0 } };
	const char c = *s->p;

	if (c == '*' || c == '+' || c == '?' || c == '{') {
		fail(s, "there is nothing to repeat here (\\ before it takes it as it is)");
		return false;
	}
	s->p++;
	switch (c) {
	case '^':
		step_add(s, REGEX_LINE_BEGIN);
		return true;
	case '$':
		step_add(s, REGEX_LINE_END);
		return true;
	case '.':
		regex_set_add(&set, '\n', '\n');
		regex_set_negate(&set);
		set_emit(s, &set);
		return false;
	case '[':
		bracket(s);
		return false;
	case '(':
		group(s);
		return false;
	case '\\':
		return backslash(s);
	default:
		byte_emit(s, (unsigned char)c);
		return false;
	}
}

/* ---- quantifiers ---- */

/* Digits to a number of at most BL_REGEX_COUNT_MAX; UNLIMITED: there are none. */
static int
number(struct parse *s)
{
	int n = UNLIMITED;

	for (; *s->p >= '0' && *s->p <= '9' && s->wrong == NULL; s->p++) {
		n = (n == UNLIMITED ? 0 : n * 10) + (*s->p - '0');
		if (n > (int)BL_REGEX_COUNT_MAX)
			fail(s, "a count is at most 255");
	}
	return n;
}

/* False: no quantifier stands here. */
static bool
quantifier(struct parse *s, int *min, int *max)
{
	const char c = *s->p;

	if (c != '*' && c != '+' && c != '?' && c != '{')
		return false;
	s->p++;
	*min = c == '+' ? 1 : 0;
	*max = c == '?' ? 1 : UNLIMITED;
	if (c == '{') {
		*max = *min = number(s);
		if (*min != UNLIMITED && *s->p == ',') {
			s->p++;
			*max = number(s);
		}
		if (*min == UNLIMITED || *s->p != '}' || (*max != UNLIMITED && *max < *min))
			fail(s, "a count is written {2}, {2,} or {2,5} (\\{ is the character)");
		else
			s->p++;
	}
	if (s->wrong == NULL && *s->p == '?')
		s->p++; /* as few as possible: whether it occurs does not depend on that */
	return true;
}

/* Writes a copy of the piece behind it all. */
static void
copy(struct parse *s, unsigned len)
{
	for (unsigned i = 0; i < len && s->wrong == NULL; i++) {
		struct regex_step *step = step_add(s, (enum regex_op)s->piece[i].op);

		if (s->wrong == NULL)
			*step = s->piece[i];
	}
}

/* The last `len` steps may be passed over: a SPLIT before them. */
static void
optional(struct parse *s, unsigned len, bool loop)
{
	const unsigned at = s->re->n - len;
	struct regex_step *split = step_insert(s, at, REGEX_SPLIT);

	split->x = 1;
	split->y = (int16_t)(len + 1 + (loop ? 1 : 0));
	if (loop)
		step_add(s, REGEX_JUMP)->x = (int16_t) - (int)(len + 1);
}

/* The program from `at` on, min to max times. */
static void
repeat(struct parse *s, unsigned at, int min, int max)
{
	const unsigned len = s->re->n - at;

	memcpy(s->piece, &s->re->step[at], len * sizeof(s->piece[0]));
	s->re->n = (uint16_t)at;
	for (int i = 0; i < min && s->wrong == NULL; i++)
		copy(s, len);
	if (max == UNLIMITED && s->wrong == NULL) {
		copy(s, len);
		if (s->wrong == NULL)
			optional(s, len, true);
	}
	for (int i = min; i < max && s->wrong == NULL; i++) {
		copy(s, len);
		if (s->wrong == NULL)
			optional(s, len, false);
	}
}

static void
piece(struct parse *s)
{
	const unsigned at = s->re->n;
	const char *begin = s->p;
	const bool condition = atom(s);
	int min;
	int max;

	if (s->wrong != NULL || !quantifier(s, &min, &max))
		return;
	if (condition) {
		s->p = begin;
		fail(s, "a condition such as ^ or \\b cannot be repeated");
	} else if (s->wrong == NULL) {
		repeat(s, at, min, max);
	}
}

static void
alternatives(struct parse *s)
{
	struct bl_regex *re = s->re;
	unsigned at = re->n;
	unsigned last_jump =
	    0; /* a chain through y of the jumps that leave the alternatives; 0: its end */

	for (;;) {
		struct regex_step *split;
		unsigned before;

		while (s->wrong == NULL && *s->p != '\0' && *s->p != '|' && *s->p != ')')
			piece(s);
		if (s->wrong != NULL || *s->p != '|')
			break;
		s->p++;
		split = step_insert(s, at, REGEX_SPLIT);
		split->x = 1;
		split->y = (int16_t)(re->n - at + 1);
		before = last_jump;
		last_jump = re->n;
		step_add(s, REGEX_JUMP)->y = (int16_t)before;
		at = re->n;
	}
	while (s->wrong == NULL && last_jump != 0) {
		struct regex_step *jump = &re->step[last_jump];
		const unsigned before = (unsigned)jump->y;

		jump->x = (int16_t)(re->n - last_jump);
		jump->y = 0;
		last_jump = before;
	}
}

const char *
regex_parse(struct bl_regex *re, const char *pattern, size_t *at)
{
	struct parse s;

	s.re = re;
	s.p = pattern;
	s.fold = false;
	s.depth = 0;
	s.wrong = NULL;
	*at = 0;
	if (strlen(pattern) > BL_REGEX_PATTERN_MAX)
		return "a pattern is at most 512 bytes long";
	if (strncmp(pattern, "(?i)", 4) == 0) {
		s.fold = true;
		s.p += 4;
	}
	alternatives(&s);
	if (s.wrong == NULL && *s.p == ')')
		fail(&s, "a parenthesis ) was never opened");
	if (s.wrong == NULL)
		step_add(&s, REGEX_FOUND);
	*at = (size_t)(s.p - pattern);
	return s.wrong;
}
