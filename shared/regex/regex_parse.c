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
	struct regex_names *names; /* NULL: there may be none */
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
		if (regex_hex(s->p[0]) >= 0 && regex_hex(s->p[1]) >= 0) {
			s->p += 2;
			return (unsigned char)(regex_hex(s->p[-2]) << 4 | regex_hex(s->p[-1]));
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
		else if ((regex_is_word((unsigned char)c) && c != '_') || (unsigned char)c >= 0x80)
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
		fail(s, "only ASCII is possible in brackets; of others say (a|b)");
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

/* p stands at a name and goes behind its ">".  Its group's number. */
static unsigned
group_name(struct parse *s)
{
	struct regex_names *names = s->names;
	size_t len = 0;

	while (regex_in_name((unsigned char)s->p[len], len == 0))
		len++;
	if (len == 0 || len > BL_REGEX_NAME_MAX || s->p[len] != '>')
		fail(s, "a group's name is up to 32 letters, digits and _, and > ends it");
	else if (names->n == BL_REGEX_GROUPS_MAX)
		fail(s, "there are more than 24 groups with names");
	for (unsigned i = 0; s->wrong == NULL && i < names->n; i++)
		if (strncmp(names->name[i], s->p, len) == 0 && names->name[i][len] == '\0')
			fail(s, "two groups have this name");
	if (s->wrong != NULL)
		return 0;
	memcpy(names->name[names->n], s->p, len);
	names->name[names->n][len] = '\0';
	s->p += len + 1;
	return names->n++;
}

/* p stands behind the parenthesis and goes behind what says which kind of group it is.  The
 * number of one with a name, else negative. */
static int
group_kind(struct parse *s)
{
	const size_t python = s->p[0] == '?' && s->p[1] == 'P' ? 1 : 0;

	if (s->p[0] != '?')
		return -1;
	if (s->p[1] == ':') {
		s->p += 2;
		return -1;
	}
	if (s->names != NULL && s->p[1 + python] == '<' && s->p[2 + python] != '=' &&
	    s->p[2 + python] != '!') {
		s->p += 2 + python;
		return (int)group_name(s);
	}
	fail(s, s->names == NULL ? "of the groups with (? only (?:...) is possible, and (?i) at "
				   "the beginning"
				 : "of the groups with (? only (?<name>...) and (?:...) are "
				   "possible, and (?i) at the beginning");
	return -1;
}

/* p stands behind the parenthesis. */
static void
group(struct parse *s)
{
	const int kept = group_kind(s);

	if (kept >= 0)
		step_add(s, REGEX_SAVE)->x = (int16_t)(2 * kept);
	if (++s->depth > BL_REGEX_DEPTH_MAX)
		fail(s, "groups are nested too deeply");
	if (s->wrong == NULL)
		alternatives(s);
	s->depth--;
	if (s->wrong == NULL && *s->p != ')')
		fail(s, "a parenthesis ( is not closed");
	else if (s->wrong == NULL)
		s->p++;
	if (kept >= 0)
		step_add(s, REGEX_SAVE)->x = (int16_t)(2 * kept + 1);
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

struct times {
	int min, max;
	bool few; /* as few as possible, else as many */
};

/* False: no quantifier stands here. */
static bool
quantifier(struct parse *s, struct times *t)
{
	const char c = *s->p;

	if (c != '*' && c != '+' && c != '?' && c != '{')
		return false;
	s->p++;
	t->min = c == '+' ? 1 : 0;
	t->max = c == '?' ? 1 : UNLIMITED;
	if (c == '{') {
		t->max = t->min = number(s);
		if (t->min != UNLIMITED && *s->p == ',') {
			s->p++;
			t->max = number(s);
		}
		if (t->min == UNLIMITED || *s->p != '}' || (t->max != UNLIMITED && t->max < t->min))
			fail(s, "a count is written {2}, {2,} or {2,5} (\\{ is the character)");
		else
			s->p++;
	}
	t->few = s->wrong == NULL && *s->p == '?';
	s->p += t->few ? 1 : 0;
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

/* The last `len` steps may be passed over: a SPLIT before them, which leads on at +past and tries x
 * first. */
static void
optional(struct parse *s, unsigned len, unsigned past, bool few)
{
	struct regex_step *split = step_insert(s, s->re->n - len, REGEX_SPLIT);

	split->x = few ? (int16_t)past : 1;
	split->y = few ? 1 : (int16_t)past;
}

/* The program from `at` on, so many times. */
static void
repeat(struct parse *s, unsigned at, const struct times *t)
{
	const unsigned len = s->re->n - at;

	memcpy(s->piece, &s->re->step[at], len * sizeof(s->piece[0]));
	s->re->n = (uint16_t)at;
	for (int i = 0; i < t->min && s->wrong == NULL; i++)
		copy(s, len);
	if (t->max == UNLIMITED && s->wrong == NULL) {
		copy(s, len);
		if (s->wrong == NULL)
			optional(s, len, len + 2, t->few);
		step_add(s, REGEX_JUMP)->x = (int16_t) - (int)(len + 1);
	}
	/* (x(x)?)?: who passes one over passes all that follow over. */
	for (int i = t->min; i < t->max && s->wrong == NULL; i++) {
		copy(s, len);
		if (s->wrong == NULL)
			optional(s, len, (unsigned)(t->max - i) * (len + 1), t->few);
	}
}

static void
piece(struct parse *s)
{
	const unsigned at = s->re->n;
	const char *begin = s->p;
	const bool condition = atom(s);
	struct times times;

	if (s->wrong != NULL || !quantifier(s, &times))
		return;
	if (condition) {
		s->p = begin;
		fail(s, "a condition such as ^ or \\b cannot be repeated");
	} else if (s->wrong == NULL) {
		repeat(s, at, &times);
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
regex_parse(struct bl_regex *re, struct regex_names *names, const char *pattern, size_t *at)
{
	struct parse s;

	s.re = re;
	s.names = names;
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
