/*
 * Memory ends at each allocation of reading a configuration with what it includes:
 * it is read as before or the code says why not, and nothing is held.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "branchline/conf.h"
#include "folder.h"
#include "nomem.h"

struct entry {
	char *name;
	struct bl_conf_strmap map;
};

struct box {
	char *id;
	struct bl_conf_strlist tags;
	struct bl_conf_list entries;
};

static const struct bl_conf_key entry_keys[] = {
	{ .name = "name",
	    .type = BL_CONF_STR,
	    .offset = offsetof(struct entry, name),
	    .min = 1,
	    .max = 9 },
	{ .name = "map", .type = BL_CONF_MAP, .dflt = "", .offset = offsetof(struct entry, map) },
	{ 0 },
};
static const struct bl_conf_section entry_section = { "entry", sizeof(struct entry), entry_keys,
	NULL };
static const struct bl_conf_key box_keys[] = {
	{ .name = "include", .type = BL_CONF_INCLUDE, .dflt = "" },
	{ .name = "id",
	    .type = BL_CONF_STR,
	    .dflt = "nobody",
	    .offset = offsetof(struct box, id),
	    .min = 1,
	    .max = 9 },
	{ .name = "tags",
	    .type = BL_CONF_STRLIST,
	    .dflt = "[a, b]",
	    .offset = offsetof(struct box, tags) },
	{ .name = "entries",
	    .type = BL_CONF_LIST,
	    .dflt = "",
	    .offset = offsetof(struct box, entries),
	    .section = &entry_section,
	    .unique = "name" },
	{ 0 },
};
static const struct bl_conf_section box_section = { "box", sizeof(struct box), box_keys, NULL };

static void
put(const char *dir, const char *name, const char *text)
{
	char path[FOLDER_MAX + 16];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

#define VALUES 8u /* of the case that is good, the two keys without a field among them */

/* The nth allocation fails.  False: there are not so many. */
static bool
once(const char *path, unsigned nth, int wanted, size_t errors_wanted)
{
	struct bl_conf_sources sources = { 0 };
	struct bl_conf_errors errors;
	struct bl_err err = { 0 };
	struct box b;
	bool failed;
	int rc;

	nomem_arm(nth);
	rc = bl_conf_load_from(path, &box_section, &b, &sources, &errors, &err);
	failed = nomem_disarm();
	if (rc != BL_ENOMEM) {
		if (rc != wanted || errors.n != errors_wanted)
			fail_msg(
			    "allocation %u: code %d, %zu errors: %s", nth, rc, errors.n, err.msg);
		if (rc == BL_OK)
			assert_int_equal(b.entries.n, 3);
		/* Where a value comes from is told of all of them, or of none. */
		if (rc == BL_OK && sources.n_files > 0)
			assert_int_equal(sources.n, VALUES);
	} else {
		assert_true(failed);
		assert_non_null(strstr(err.msg, "out of memory"));
		assert_null(b.id); /* released already */
	}
	bl_conf_release(&box_section, &b);
	bl_conf_errors_free(&errors);
	bl_conf_sources_free(&sources);
	return failed;
}

static void
each_allocation_may_fail(void **state)
{
	static const struct {
		const char *first, *second;
		int wanted;
		size_t errors;
	} cases[] = {
		{ "id: x\ninclude: [b.yaml, c*.yaml]\nentries:\n  - {name: one, map: {k: v}}\n",
		    "tags: [z]\nentries: [{name: two}, {name: three}]\n", BL_OK, 0 },
		{ "id: x\ninclude: b.yaml\nentries: [{name: two}]\ntags: [y]\n",
		    "tags: [z]\nentries: [{name: two}, {nam: three}]\nx: 1\n", BL_EINVAL, 4 },
	};
	char dir[FOLDER_MAX], path[FOLDER_MAX + 16];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned nth = 1;

		folder_make(dir, "conf-nomem");
		snprintf(path, sizeof(path), "%s/m.yaml", dir);
		put(dir, "m.yaml", cases[i].first);
		put(dir, "b.yaml", cases[i].second);
		while (once(path, nth, cases[i].wanted, cases[i].errors))
			nth++;
		assert_in_range(nth, 30, 1000);
		folder_remove(dir);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
