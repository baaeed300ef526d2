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

/* ---- keys ---- */

/* The path of a key of this exact name in some other section, for "belongs into". */
static bool
find_elsewhere(
    const struct bl_conf_section *s, const char *name, char *path, size_t size, unsigned depth)
{
	const size_t used = strlen(path);

	for (const struct bl_conf_key *k = s->keys; k->name != NULL; k++) {
		(void)snprintf(path + used, size - used, "%s%s", used > 0 ? "." : "", k->name);
		if (strcmp(k->name, name) == 0)
			return true;
		if (k->type == BL_CONF_SECTION && depth > 0 &&
		    find_elsewhere(k->section, name, path, size, depth - 1))
			return true;
	}
	path[used] = '\0';
	return false;
}

void
conf_unknown_key(
    struct conf_run *run, const struct bl_conf_section *s, const struct conf_node *member)
{
	const char *nearest = NULL;
	char elsewhere[CONF_PATH_SIZE] = "";
	unsigned best = UINT32_MAX, d;

	for (const struct bl_conf_key *k = s->keys; k->name != NULL; k++) {
		if (conf_is_near(member->key, k->name, &d) && d < best) {
			best = d;
			nearest = k->name;
		}
	}
	if (nearest != NULL)
		conf_error(run, member->key_at, "unknown key; did you mean \"%s\"?", nearest);
	else if (find_elsewhere(run->root, member->key, elsewhere, sizeof(elsewhere), 4))
		conf_error(
		    run, member->key_at, "unknown key here; did you mean \"%s\"?", elsewhere);
	else
		conf_error(
		    run, member->key_at, "unknown key; it is not one of this section's keys");
}
