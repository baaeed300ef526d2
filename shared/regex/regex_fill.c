/*
 * A program, and what is known of it before any text: what a match can begin with.
 */
#include "regex_internal.h"

/* The bytes that a match can begin with: all that is reached from the first step without one. */
static void
begin_find(struct bl_regex *re)
{
	uint16_t stack[BL_REGEX_PROGRAM_MAX];
	uint8_t seen[BL_REGEX_PROGRAM_MAX] = { 0 };
	unsigned n = 1;

	stack[0] = 0;
	while (n > 0) {
		const unsigned pc = stack[--n];
		const struct regex_step *step = &re->step[pc];
		const unsigned to[2] = { step->op == REGEX_SPLIT || step->op == REGEX_JUMP
					     ? (unsigned)((int)pc + step->x)
					     : pc + 1,
			(unsigned)((int)pc + step->y) };

		if (step->op == REGEX_FOUND) {
			re->any_begin = true;
		} else if (step->op == REGEX_BYTE) {
			regex_set_add(&re->begin, step->c, step->c);
		} else if (step->op == REGEX_SET) {
			for (unsigned i = 0; i < sizeof(re->begin.bit); i++)
				re->begin.bit[i] |= re->set[step->x].bit[i];
		} else {
			for (unsigned i = 0; i < (step->op == REGEX_SPLIT ? 2u : 1u); i++)
				if (!seen[to[i]]) {
					seen[to[i]] = 1;
					stack[n++] = (uint16_t)to[i];
				}
		}
	}
}

int
regex_fill(struct bl_regex *re, struct regex_names *names, const char *pattern, struct bl_err *err)
{
	size_t at = 0;
	const char *wrong = regex_parse(re, names, pattern, &at);

	if (wrong != NULL)
		return bl_fail(
		    err, BL_EINVAL, "regular expression, at character %zu: %s", at + 1, wrong);
	begin_find(re);
	return BL_OK;
}
