/*
 * Sets of bytes: ranges, the named ones, both cases of letters.
 */
#include "regex_internal.h"

#include <string.h>

void
regex_set_add(struct regex_set *set, unsigned lo, unsigned hi)
{
	for (unsigned c = lo; c <= hi; c++)
		set->bit[c >> 3] |= (uint8_t)(1u << (c & 7));
}

void
regex_set_negate(struct regex_set *set)
{
	for (unsigned i = 0; i < sizeof(set->bit); i++)
		set->bit[i] = (uint8_t)~set->bit[i];
}

/* The other case of every letter in it. */
void
regex_set_fold(struct regex_set *set)
{
	for (unsigned c = 'a'; c <= 'z'; c++) {
		if (regex_in_set(set, (unsigned char)c))
			regex_set_add(set, c - 32, c - 32);
		else if (regex_in_set(set, (unsigned char)(c - 32)))
			regex_set_add(set, c, c);
	}
}

/* \d and the like; false: the letter names no set. */
bool
regex_set_named(struct regex_set *set, char letter)
{
	memset(set, 0, sizeof(*set));
	switch (letter | 0x20) {
	case 'd':
		regex_set_add(set, '0', '9');
		break;
	case 'w':
		regex_set_add(set, '0', '9');
		regex_set_add(set, 'a', 'z');
		regex_set_add(set, 'A', 'Z');
		regex_set_add(set, '_', '_');
		break;
	case 's':
		regex_set_add(set, '\t', '\r');
		regex_set_add(set, ' ', ' ');
		break;
	default:
		return false;
	}
	if ((letter & 0x20) == 0)
		regex_set_negate(set);
	return true;
}
