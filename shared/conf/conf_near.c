/*
 * "Did you mean": which of the allowed words is near to the one that stands
 * there.  Distance counts insertions, deletions, replacements and neighbours
 * that changed places, each as one; letters of either case are alike.
 */
#include "conf_internal.h"

#include <ctype.h>
#include <string.h>

#define NEAR_TEXT_MAX 48u /* longer words get no proposal: no bound on the work otherwise */
#define NEAR_STOP     8u

static unsigned
min3(unsigned a, unsigned b, unsigned c)
{
	const unsigned ab = a < b ? a : b;

	return ab < c ? ab : c;
}

static bool
same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

unsigned
conf_distance(const char *a, const char *b)
{
	const size_t la = strlen(a), lb = strlen(b);
	unsigned row[3][NEAR_TEXT_MAX + 1];

	if (la > NEAR_TEXT_MAX || lb > NEAR_TEXT_MAX)
		return NEAR_STOP + 1;
	for (size_t j = 0; j <= lb; j++)
		row[0][j] = (unsigned)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned *cur = row[i % 3], *prev = row[(i + 2) % 3], *prev2 = row[(i + 1) % 3];

		cur[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++) {
			const unsigned cost = same(a[i - 1], b[j - 1]) ? 0 : 1;

			cur[j] = min3(prev[j] + 1, cur[j - 1] + 1, prev[j - 1] + cost);
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) &&
			    same(a[i - 2], b[j - 1]) && prev2[j - 2] + 1 < cur[j])
				cur[j] = prev2[j - 2] + 1;
		}
	}
	return row[la % 3][lb] > NEAR_STOP ? NEAR_STOP + 1 : row[la % 3][lb];
}

bool
conf_is_near(const char *a, const char *b, unsigned *distance)
{
	const size_t la = strlen(a), lb = strlen(b);
	const size_t longer = la > lb ? la : lb;

	*distance = conf_distance(a, b);
	/* A third of the letters may differ; in a short word one. */
	return *distance <= NEAR_STOP && *distance <= (longer < 6 ? 1 : longer / 3) &&
	       *distance < longer;
}
