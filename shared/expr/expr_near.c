/*
 * "Did you mean": insertions, deletions, replacements and neighbours that
 * changed places count one each, by characters; letters of either case are alike.
 */
#include "expr_internal.h"

#include <string.h>

#define NEAR_CHARS_MAX 64u
#define NEAR_MAX       2u

struct word {
	uint32_t cp[NEAR_CHARS_MAX];
	size_t n;
};

/* False: too long, or no text. */
static bool
read_word(struct word *w, const char *s, size_t len)
{
	uint32_t cp;
	size_t bytes;

	w->n = 0;
	for (; len > 0; s += bytes, len -= bytes) {
		if (w->n == NEAR_CHARS_MAX || (bytes = expr_utf8(s, len, &cp)) == 0)
			return false;
		w->cp[w->n++] = expr_lower(cp);
	}
	return true;
}

static unsigned
least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static unsigned
distance_of(const struct word *a, const struct word *b)
{
	unsigned row[3][NEAR_CHARS_MAX + 1];

	for (size_t j = 0; j <= b->n; j++)
		row[0][j] = (unsigned)j;
	for (size_t i = 1; i <= a->n; i++) {
		unsigned *cur = row[i % 3], *prev = row[(i + 2) % 3], *prev2 = row[(i + 1) % 3];

		cur[0] = (unsigned)i;
		for (size_t j = 1; j <= b->n; j++) {
			const unsigned cost = a->cp[i - 1] == b->cp[j - 1] ? 0 : 1;

			cur[j] = least(least(prev[j] + 1, cur[j - 1] + 1), prev[j - 1] + cost);
			if (i > 1 && j > 1 && a->cp[i - 1] == b->cp[j - 2] &&
			    a->cp[i - 2] == b->cp[j - 1])
				cur[j] = least(cur[j], prev2[j - 2] + 1);
		}
	}
	return row[a->n % 3][b->n];
}

bool
expr_near(const char *typed, size_t len, const char *word, unsigned *distance)
{
	struct word a, b;
	size_t longer;

	if (!read_word(&a, typed, len) || !read_word(&b, word, strlen(word)))
		return false;
	longer = a.n > b.n ? a.n : b.n;
	*distance = distance_of(&a, &b);
	/* In a short word one: two of five letters make another word. */
	return *distance < longer && *distance <= (longer < 6 ? 1 : NEAR_MAX);
}
