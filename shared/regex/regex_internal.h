/* The program that a pattern becomes. */
#ifndef REGEX_INTERNAL_H
#define REGEX_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/regex.h"
#include "branchline/regex_groups.h"

enum regex_op {
	REGEX_BYTE,  /* c */
	REGEX_SET,   /* set number x */
	REGEX_SPLIT, /* both at +x and at +y */
	REGEX_JUMP,  /* at +x */
	REGEX_SAVE,  /* the place becomes number x: a group begins (even) or ends (odd) */
	REGEX_LINE_BEGIN,
	REGEX_LINE_END,
	REGEX_WORD_EDGE,
	REGEX_NO_WORD_EDGE,
	REGEX_FOUND,
};

/* x and y are relative to the step itself, so that a fragment may be moved and copied. */
struct regex_step {
	uint8_t op;
	uint8_t c;
	int16_t x, y;
};

struct regex_set {
	uint8_t bit[32];
};

#define REGEX_SETS_MAX 64u

struct bl_regex {
	uint16_t n, n_sets;
	bool any_begin;         /* it matches nothing at all, wherever its conditions hold */
	struct regex_set begin; /* else the bytes that a match can begin with */
	struct regex_set set[REGEX_SETS_MAX];
	struct regex_step step[BL_REGEX_PROGRAM_MAX]; /* last: of a whole one, n are in memory */
};

static inline bool
regex_in_set(const struct regex_set *s, unsigned char c)
{
	return (s->bit[c >> 3] >> (c & 7) & 1) != 0;
}

static inline bool
regex_is_word(int c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '_';
}

/* Negative: no hexadecimal digit. */
static inline int
regex_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Of a group's name: ASCII letters, digits but at its beginning, _ and whatever is beyond ASCII. */
static inline bool
regex_in_name(int c, bool first)
{
	return c >= 0x80 || (regex_is_word(c) && !(first && c >= '0' && c <= '9'));
}

void regex_set_add(struct regex_set *set, unsigned lo, unsigned hi);
void regex_set_negate(struct regex_set *set);
/* The other case of every letter in it. */
void regex_set_fold(struct regex_set *set);
/* \d and the like; false: the letter names no set. */
bool regex_set_named(struct regex_set *set, char letter);

struct regex_names {
	unsigned n;
	char name[BL_REGEX_GROUPS_MAX][BL_REGEX_NAME_MAX + 1];
};

/*
 * Fills an empty program.  NULL, or what is wrong; *at is then where in the pattern.  names NULL:
 * groups with names are refused.
 */
const char *regex_parse(
    struct bl_regex *re, struct regex_names *names, const char *pattern, size_t *at);
/* Bytes that the steps of a whole program do not use, behind all else. */
static inline size_t
regex_spare(const struct bl_regex *re)
{
	return (BL_REGEX_PROGRAM_MAX - re->n) * sizeof(re->step[0]);
}

/* The same with a sentence, and finds out what a match can begin with. */
int regex_fill(
    struct bl_regex *re, struct regex_names *names, const char *pattern, struct bl_err *err);

#endif
