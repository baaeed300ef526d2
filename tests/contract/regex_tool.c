/*
 * Lines "PATTERN<tab>TEXT" from standard input; for each one line: "no", or "yes" and
 * for each group " BEGIN:END" (-1:-1 where it took no part), or what is wrong.
 */
#include <stdio.h>
#include <string.h>

#include "branchline/regex_groups.h"

static void
say(const struct bl_regex_groups *g, const char *text)
{
	struct bl_regex_span span[BL_REGEX_GROUPS_MAX];
	struct bl_regex_finder *f;
	struct bl_err err = { 0 };
	int rc = bl_regex_finder_create(&f, g, &err);

	if (rc == BL_OK)
		rc = bl_regex_find(f, text, strlen(text), span);
	bl_regex_finder_free(f);
	if (rc < 0) {
		(void)printf("error %d\n", rc);
		return;
	}
	(void)fputs(rc == 1 ? "yes" : "no", stdout);
	for (unsigned i = 0; rc == 1 && i < bl_regex_groups_count(g); i++)
		(void)printf(" %d:%d", span[i].begin, span[i].end);
	(void)fputc('\n', stdout);
}

int
main(void)
{
	static char line[65536];

	while (fgets(line, sizeof(line), stdin) != NULL) {
		char *tab = strchr(line, '\t');
		struct bl_regex_groups *g;
		struct bl_err err = { 0 };

		line[strcspn(line, "\n")] = '\0';
		if (tab == NULL)
			return 64;
		*tab = '\0';
		if (bl_regex_groups_compile(&g, line, &err) < 0) {
			(void)printf("error %s\n", err.msg);
			continue;
		}
		say(g, tab + 1);
		bl_regex_groups_free(g);
	}
	return 0;
}
