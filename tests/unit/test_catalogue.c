/*
 * The catalogue of metrics: every row is whole, every series of the agent has
 * one, and no row stands for a series that is gone.
 *
 * Series are found in the agent's sources, as rows of tables written as
 * { "name", "unit", BL_GAUGE ...: what a sampler would declare on some other
 * machine is found, too.  A kind that stands in no such row fails the test, so
 * that another way of writing hides nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/catalogue.h"

#define AGENT    BL_SOURCE_DIR "/agent/src"
#define W        "[[:space:]]*"
#define NAME     "\"([a-z][a-z0-9_]*)\""
#define UNIT     "\"([a-z0-9_]+)\""
#define KIND     "(BL_GAUGE|BL_COUNTER)"
#define FILE_MAX (256 * 1024)

static char text[FILE_MAX];

static void
read_file(const char *path)
{
	FILE *f = fopen(path, "r");
	size_t n;

	if (f == NULL)
		fail_msg("cannot read %s", path);
	n = fread(text, 1, sizeof(text) - 1, f);
	assert_int_equal(fclose(f), 0);
	assert_true(n < sizeof(text) - 1);
	text[n] = '\0';
}

static void
each_source(const char *folder, void (*seen)(const char *path, void *ctx), void *ctx)
{
	DIR *dir = opendir(folder);
	struct dirent *e;

	assert_non_null(dir);
	while ((e = readdir(dir)) != NULL) {
		const size_t len = strlen(e->d_name);
		char path[1024];

		if (len < 3 || strcmp(e->d_name + len - 2, ".c") != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		read_file(path);
		seen(path, ctx);
	}
	closedir(dir);
}

/* ---- rows ---- */

static void
row_is_whole(const struct bl_metric *m)
{
	bool chinese = false;

	assert_true(strlen(m->name) <= BL_NAME_MAX);
	assert_true(strspn(m->name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(m->name));
	if (m->kind != BL_GAUGE && m->kind != BL_COUNTER)
		fail_msg("%s: neither gauge nor counter", m->name);
	if (bl_catalogue_unit(m->unit, strlen(m->unit)) == NULL)
		fail_msg("%s: \"%s\" is not in the list of units", m->name, m->unit);
	if (m->en == NULL || strlen(m->en) < 8 || m->en[strlen(m->en) - 1] == '.')
		fail_msg("%s: no sentence in English, or one with a full stop", m->name);
	for (const char *p = m->zh; p != NULL && *p != '\0'; p++)
		chinese = chinese || (unsigned char)*p >= 0xe4;
	if (!chinese)
		fail_msg("%s: no sentence in Chinese", m->name);
	/* the first of this name, so no other one has it */
	if (bl_catalogue_find(m->name, strlen(m->name)) != m)
		fail_msg("%s: twice in the catalogue", m->name);
}

static void
rows_are_whole_and_stand_once(void **state)
{
	size_t n = 0;

	(void)state;
	for (const struct bl_catalogue_area *a = bl_catalogue_areas; a->name != NULL; a++) {
		assert_non_null(a->row->name);
		for (const struct bl_metric *m = a->row; m->name != NULL; m++, n++)
			row_is_whole(m);
	}
	assert_true(n > 40);
}

static void
only_whole_names_are_found(void **state)
{
	(void)state;
	assert_non_null(bl_catalogue_find("cpu_used_pct", 12));
	assert_string_equal(bl_catalogue_find("load1", 5)->unit, "1");
	assert_string_equal(bl_catalogue_find("load15", 6)->name, "load15");
	assert_null(bl_catalogue_find("load", 4));
	assert_null(bl_catalogue_find("cpu_used_pct_", 13));
	assert_null(bl_catalogue_find("", 0));
	assert_true(bl_catalogue_own("cpu_used_pct", 12));
	assert_non_null(bl_catalogue_find("plugin_state", 12));
	assert_false(bl_catalogue_own("plugin_state", 12));
	assert_false(bl_catalogue_own("nobody", 6));
	assert_null(bl_catalogue_unit("bytes/s", 7));
	assert_string_equal(bl_catalogue_unit("pct", 3)->en, "%");
}

/* ---- the agent's sources ---- */

struct walk {
	regex_t row;
	unsigned found;
};

static void
check_series(const char *path, const char *name, const char *unit, const char *kind)
{
	const struct bl_metric *m = bl_catalogue_find(name, strlen(name));

	if (m == NULL)
		fail_msg("%s: %s has no row in shared/catalogue", path, name);
	if (strcmp(m->unit, unit) != 0)
		fail_msg(
		    "%s: %s is in \"%s\", in the catalogue in \"%s\"", path, name, unit, m->unit);
	if (kind[0] != '\0' && (m->kind == BL_COUNTER) != (strcmp(kind, "BL_COUNTER") == 0))
		fail_msg("%s: %s is of another kind in the catalogue", path, name);
}

static void
take(char *out, size_t size, const char *from, const regmatch_t *m)
{
	snprintf(
	    out, size, "%.*s", (int)(m->rm_eo - m->rm_so), m->rm_so < 0 ? "" : from + m->rm_so);
}

/* Rows with a kind; in the probes' folder also those without one, when they name a unit. */
static void
walk_rows(const char *path, void *ctx)
{
	struct walk *w = ctx;
	const bool probes = strstr(path, "/probe/") != NULL;
	regmatch_t m[6];

	for (const char *at = text; regexec(&w->row, at, 6, m, 0) == 0; at += m[0].rm_eo) {
		char name[128], unit[32], kind[16];

		take(name, sizeof(name), at, &m[2]);
		take(unit, sizeof(unit), at, &m[3]);
		take(kind, sizeof(kind), at, &m[5]);
		if (kind[0] == '\0' && (!probes || bl_catalogue_unit(unit, strlen(unit)) == NULL))
			continue;
		check_series(path, name, unit, kind);
		w->found++;
	}
}

/* Every kind stands in a row that the walk can read. */
static void
walk_kinds(const char *path, void *ctx)
{
	struct walk *w = ctx;
	unsigned kinds = 0, rows = 0;
	regmatch_t m[6];

	for (const char *at = text; regexec(&w->row, at, 6, m, 0) == 0; at += m[0].rm_eo)
		rows += m[5].rm_so >= 0;
	for (const char *at = text; (at = strstr(at, "BL_")) != NULL; at += 3)
		kinds += strncmp(at, "BL_GAUGE", 8) == 0 || strncmp(at, "BL_COUNTER", 10) == 0;
	if (kinds != rows)
		fail_msg("%s: a series of which this test sees no row: write it as "
			 "{ \"name\", \"unit\", BL_GAUGE, ... }",
		    path);
}

static void
every_series_of_the_agent_has_a_row(void **state)
{
	struct walk w = { .found = 0 };

	(void)state;
	assert_int_equal(
	    regcomp(&w.row, "(\\{|put_own\\(a,)" W NAME W "," W UNIT "(" W "," W KIND ")?",
		REG_EXTENDED),
	    0);
	each_source(AGENT "/sample", walk_rows, &w);
	assert_true(w.found >= 40);
	w.found = 0;
	each_source(AGENT "/probe", walk_rows, &w);
	assert_true(w.found >= 11);
	w.found = 0;
	each_source(AGENT "/scrape", walk_rows, &w);
	assert_true(w.found >= 3);
	w.found = 0;
	each_source(AGENT "/run", walk_rows, &w);
	assert_true(w.found >= 4);
	each_source(AGENT "/sample", walk_kinds, &w);
	regfree(&w.row);
}

static char all[2 * 1024 * 1024];

static void
append(const char *path, void *ctx)
{
	size_t *n = ctx;
	const size_t len = strlen(text);

	(void)path;
	assert_true(*n + len < sizeof(all));
	memcpy(all + *n, text, len + 1);
	*n += len;
}

static void
no_row_outlives_its_series(void **state)
{
	char quoted[BL_NAME_MAX + 3];
	size_t n = 0;

	(void)state;
	each_source(AGENT "/sample", append, &n);
	each_source(AGENT "/probe", append, &n);
	each_source(AGENT "/scrape", append, &n);
	each_source(AGENT "/plugins", append, &n);
	each_source(AGENT "/run", append, &n);
	for (const struct bl_catalogue_area *a = bl_catalogue_areas; a->name != NULL; a++)
		for (const struct bl_metric *m = a->row; m->name != NULL; m++) {
			snprintf(quoted, sizeof(quoted), "\"%s\"", m->name);
			if (strstr(all, quoted) == NULL)
				fail_msg("%s is in the catalogue, but nothing samples it", m->name);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_whole_and_stand_once),
		cmocka_unit_test(only_whole_names_are_found),
		cmocka_unit_test(every_series_of_the_agent_has_a_row),
		cmocka_unit_test(no_row_outlives_its_series),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
