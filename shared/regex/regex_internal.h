/* The program that a pattern becomes. */
#ifndef REGEX_INTERNAL_H
#define REGEX_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/regex.h"

enum regex_op {
	REGEX_BYTE,  /* c */
	REGEX_SET,   /* set number x */
	REGEX_SPLIT, /* both at +x and at +y */
	REGEX_JUMP,  /* at +x */
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
	struct regex_step step[BL_REGEX_PROGRAM_MAX];
	struct regex_set set[REGEX_SETS_MAX];
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

void regex_set_add(struct regex_set *set, unsigned lo, unsigned hi);
void regex_set_negate(struct regex_set *set);
/* The other case of every letter in it. */
void regex_set_fold(struct regex_set *set);
/* \d and the like; false: the letter names no set. */
bool regex_set_named(struct regex_set *set, char letter);

/* Fills an empty program.  NULL, or what is wrong; *at is then where in the pattern. */
const char *regex_parse(struct bl_regex *re, const char *pattern, size_t *at);

#endif
