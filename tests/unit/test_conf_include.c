/*
 * Configuration files that include others: what becomes of them, what is refused
 * and how that is named, and where each value is said to come from.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "branchline/conf.h"
#include "folder.h"

struct shop {
	char *name;
	char *url;
	struct bl_conf_strmap headers;
};

struct box {
	char *id;
	int64_t port;
	struct bl_conf_strlist tags;
	struct bl_conf_list shops;
	struct {
		bool on;
		char *key;
	} inner;
};

static const char *
check_url(const void *value)
{
	return strncmp(*(char *const *)value, "http://", 7) == 0 ? NULL : "an address";
}

static const struct bl_conf_key shop_keys[] = {
	{ .name = "name",
	    .type = BL_CONF_STR,
	    .offset = offsetof(struct shop, name),
	    .min = 1,
	    .max = 9 },
	{ .name = "url",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct shop, url),
	    .check = check_url,
	    .secret = BL_CONF_HIDDEN_QUERY },
	{ .name = "headers",
	    .type = BL_CONF_MAP,
	    .dflt = "",
	    .offset = offsetof(struct shop, headers),
	    .secret = BL_CONF_HIDDEN },
	{ 0 },
};
static const struct bl_conf_section shop_section = { "shop", sizeof(struct shop), shop_keys, NULL };

static const struct bl_conf_key inner_keys[] = {
	{ .name = "on", .type = BL_CONF_BOOL, .dflt = "yes", .offset = 0 },
	{ .name = "key",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct box, inner.key) - offsetof(struct box, inner),
	    .secret = BL_CONF_HIDDEN },
	{ 0 },
};
static const struct bl_conf_section inner_section = { "inner", sizeof(((struct box *)0)->inner),
	inner_keys, NULL };

static const struct bl_conf_key box_keys[] = {
	{ .name = "include", .type = BL_CONF_INCLUDE, .dflt = "", .help = "further files" },
	{ .name = "id", .type = BL_CONF_STR, .offset = offsetof(struct box, id), .help = "who" },
	{ .name = "port",
	    .type = BL_CONF_INT,
	    .dflt = "1",
	    .offset = offsetof(struct box, port),
	    .min = 1,
	    .max = 9 },
	{ .name = "tags",
	    .type = BL_CONF_STRLIST,
	    .dflt = "",
	    .offset = offsetof(struct box, tags) },
	{ .name = "shops",
	    .type = BL_CONF_LIST,
	    .dflt = "",
	    .offset = offsetof(struct box, shops),
	    .section = &shop_section,
	    .unique = "name" },
	{ .name = "inner",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct box, inner),
	    .section = &inner_section },
	{ 0 },
};
static const struct bl_conf_section box_section = { "box", sizeof(struct box), box_keys, NULL };

/* A folder of its own for each test, and this one's files in it. */
struct place {
	char dir[FOLDER_MAX];
	char before[256];
};

static int
enter(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	folder_make(p->dir, "include");
	assert_non_null(getcwd(p->before, sizeof(p->before)));
	assert_int_equal(chdir(p->dir), 0);
	*state = p;
	return 0;
}

static int
leave(void **state)
{
	struct place *p = *state;

	assert_int_equal(chdir(p->before), 0);
	folder_remove(p->dir);
	free(p);
	return 0;
}

static void
put(const char *name, const char *text)
{
	const char *slash = strrchr(name, '/');
	char dir[64];
	FILE *f;

	if (slash != NULL) {
		snprintf(dir, sizeof(dir), "%.*s", (int)(slash - name), name);
		(void)mkdir(dir, 0700);
	}
	f = fopen(name, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* The errors a line each, or the configuration as people see it. */
static char *
outcome(const char *path, bool with_sources)
{
	struct bl_conf_sources sources = { 0 };
	struct bl_conf_errors errors;
	struct bl_err err = { 0 };
	struct box b;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	int rc;

	assert_non_null(f);
	rc = bl_conf_load_from(path, &box_section, &b, &sources, &errors, &err);
	assert_int_equal(rc == BL_OK, errors.n == 0);
	for (size_t i = 0; i < errors.n_kept; i++)
		fprintf(f, "%s\n", errors.line[i]);
	if (rc == BL_OK)
		assert_int_equal(bl_conf_print_for_people(&box_section, &b,
				     with_sources ? &sources : NULL, !with_sources, f),
		    BL_OK);
	fclose(f);
	bl_conf_release(&box_section, &b);
	bl_conf_errors_free(&errors);
	bl_conf_sources_free(&sources);
	return text;
}

static void
expect(const char *path, const char *wanted)
{
	char *got = outcome(path, true);

	assert_string_equal(got, wanted);
	free(got);
}

struct file {
	const char *name, *text;
};

static const struct {
	const char *what;
	struct file files[5];
	const char *outcome;
} cases[] = {
	{ "a pattern that matches nothing is no mistake",
	    { { "m.yaml", "id: a\ninclude: conf.d/*.yaml\n" } },
	    "id: \"a\"  # m.yaml:1\nport: 1  # default\ninner:\n  on: true  # default\n" },
	{ "sections are merged, lists go on in the order of names",
	    { { "m.yaml",
		  "include: conf.d/*.yaml\nid: a\nshops: [{name: one}]\ninner: {on: no}\n" },
		{ "conf.d/20.yaml", "shops:\n  - name: three\n" },
		{ "conf.d/10.yaml", "shops:\n  - name: two\nport: 2\ninner: {key: k}\n" },
		{ "conf.d/30.yml", "port: 3\n" } },
	    "id: \"a\"  # m.yaml:2\nport: 2  # conf.d/10.yaml:3\nshops:\n"
	    "- name: \"one\"  # m.yaml:3\n- name: \"two\"  # conf.d/10.yaml:2\n"
	    "- name: \"three\"  # conf.d/20.yaml:2\ninner:\n  on: false  # m.yaml:4\n"
	    "  key: \"***\"  # conf.d/10.yaml:4\n" },
	{ "the list of names decides the order of files",
	    { { "m.yaml", "id: a\ninclude: [b.yaml, a.yaml]\n" },
		{ "a.yaml", "shops: [{name: a}]\n" }, { "b.yaml", "shops: [{name: b}]\n" } },
	    "id: \"a\"  # m.yaml:1\nport: 1  # default\nshops:\n- name: \"b\"  # b.yaml:1\n"
	    "- name: \"a\"  # a.yaml:1\ninner:\n  on: true  # default\n" },
	{ "included files may include, relative to the first one's folder",
	    { { "m.yaml", "include: d/a.yaml\n" }, { "d/a.yaml", "port: 2\ninclude: d/b.yaml\n" },
		{ "d/b.yaml", "id: b\n" } },
	    "id: \"b\"  # d/b.yaml:1\nport: 2  # d/a.yaml:1\ninner:\n  on: true  # default\n" },
	{ "what stands empty takes what another file has",
	    { { "m.yaml", "id: a\nshops:\ninner:\ninclude: b.yaml\n" },
		{ "b.yaml", "shops: [{name: x}]\ninner: {on: off}\ntags:\n" } },
	    "id: \"a\"  # m.yaml:1\nport: 1  # default\nshops:\n- name: \"x\"  # b.yaml:1\n"
	    "inner:\n  on: false  # b.yaml:2\n" },
	{ "an empty file, and one of remarks alone",
	    { { "m.yaml", "id: a\ninclude: [b.yaml, c.yaml]\n" }, { "b.yaml", "" },
		{ "c.yaml", "# port: 5\n" } },
	    "id: \"a\"  # m.yaml:1\nport: 1  # default\ninner:\n  on: true  # default\n" },
	{ "secrets are not shown",
	    { { "m.yaml", "id: a\nshops:\n  - name: x\n    url: http://h/p?token=1\n    headers: "
			  "{A: b}\n" } },
	    "id: \"a\"  # m.yaml:1\nport: 1  # default\nshops:\n- name: \"x\"  # m.yaml:3\n"
	    "  url: \"http://h/p?\" # without its query;  # m.yaml:4\n  headers:  # m.yaml:5\n"
	    "    \"A\": \"***\"\ninner:\n  on: true  # default\n" },

	{ "nor repeated where they are wrong",
	    { { "m.yaml",
		"id: a\nshops:\n  - name: x\n    headers: 'Authorization: s3cret'\n"
		"  - name: y\n    url: 'h://h/?token=s3cret'\n"
		"  - name: z\n    url: 'h://u:s3cret?s3@h'\n"
		"  - name: a\n    url: 'h://u:s3cret-s3cret-s3cret-s3cret-s3cret-s3cret-s3cret-"
		"s3cret-s3cret@h?s3cret'\n"
		"inner: {key: [s3cret]}\n" } },
	    "m.yaml:4:14: shops[0].headers: expected keys with a text each, like key: value, got "
	    "text that is not shown\n"
	    "m.yaml:6:10: shops[1].url: expected an address, got \"h://h/\" and a query that is "
	    "not shown\n"
	    "m.yaml:8:10: shops[2].url: expected an address, got text that is not shown\n"
	    "m.yaml:10:10: shops[3].url: expected an address, got \"h://***...\" and a query "
	    "that is not shown\n"
	    "m.yaml:11:14: inner.key: expected text, got a list\n" },

	{ "a key in two files names both",
	    { { "m.yaml", "id: a\nport: 2\ninner:\n  on: no\ntags: [a]\ninclude: conf.d/*\n" },
		{ "conf.d/a.yaml", "port: 3\ninner:\n    on: no\n" },
		{ "conf.d/b.yaml", "tags: [b]\n" } },
	    "conf.d/a.yaml:1:1: port: is set already, at m.yaml:2; remove one of the two\n"
	    "conf.d/a.yaml:3:5: inner.on: is set already, at m.yaml:4; remove one of the two\n"
	    "conf.d/b.yaml:1:1: tags: is set already, at m.yaml:5; remove one of the two\n" },
	{ "also in two included ones",
	    { { "m.yaml", "id: a\ninclude: [a.yaml, b.yaml]\n" }, { "a.yaml", "\nport: 3\n" },
		{ "b.yaml", "port: 3\n" } },
	    "b.yaml:1:1: port: is set already, at a.yaml:2; remove one of the two\n" },
	{ "a name of a list in two files names both",
	    { { "m.yaml", "id: a\nshops: [{name: x}, {name: y}]\ninclude: b.yaml\n" },
		{ "b.yaml", "shops:\n  - name: z\n  - name: y\n" } },
	    "b.yaml:3:11: shops[3].name: name \"y\" is taken by the entry on m.yaml:2; they have "
	    "to "
	    "differ\n" },
	{ "and in one file its line", { { "m.yaml", "id: a\nshops:\n  - name: x\n  - name: x\n" } },
	    "m.yaml:4:11: shops[1].name: name \"x\" is taken by the entry on line 3; they have to "
	    "differ\n" },
	{ "mistakes are named with their file, all at once, in its order",
	    { { "m.yaml", "port: 10\ninclude: [a.yaml, b.yaml]\n" }, { "a.yaml", "prot: 3\n" },
		{ "b.yaml", "inner:\n  on: 7\nshops: [{nam: x}]\n" } },
	    "m.yaml:1:1: id: required key is missing; expected text (who)\n"
	    "m.yaml:1:7: port: expected a number from 1 to 9, got \"10\"\n"
	    "a.yaml:1:1: prot: unknown key; did you mean \"port\"?\n"
	    "b.yaml:2:7: inner.on: expected true or false, got \"7\"\n"
	    "b.yaml:3:9: shops[0].name: required key is missing; expected text of 1 to 9 bytes "
	    "(name)\n"
	    "b.yaml:3:10: shops[0].nam: unknown key; did you mean \"name\"?\n" },
	{ "a broken file hides no mistake of another and calls nothing missing",
	    { { "m.yaml", "port: 10\ninclude: [a.yaml, b.yaml]\n" }, { "a.yaml", "tags: [\n" },
		{ "b.yaml", "port: 3\nx: 1\n" } },
	    "m.yaml:1:7: port: expected a number from 1 to 9, got \"10\"\n"
	    "a.yaml:2:1: not valid YAML: did not find expected node content (while parsing a flow "
	    "node that began on line 2)\n"
	    "b.yaml:1:1: port: is set already, at m.yaml:1; remove one of the two\n"
	    "b.yaml:2:1: x: unknown key; it is not one of this section's keys\n" },
	{ "a name has to be there", { { "m.yaml", "id: a\ninclude: no.yaml\n" } },
	    "m.yaml:2:10: include: open configuration no.yaml: No such file or directory\n" },
	{ "a folder is no file", { { "m.yaml", "id: a\ninclude: d\n" }, { "d/x", "" } },
	    "m.yaml:2:10: include: open configuration d: it is a folder\n" },
	{ "a device is no file", { { "m.yaml", "id: a\ninclude: /dev/null\n" } },
	    "m.yaml:2:10: include: expected a file, not a pipe or a device, got \"/dev/null\"\n" },
	{ "the first file is not included again", { { "m.yaml", "id: a\ninclude: \"*.yaml\"\n" } },
	    "m.yaml:2:10: include: expected other files than the first one itself, got "
	    "\"m.yaml\"\n" },
	{ "files that include each other end",
	    { { "m.yaml", "id: a\ninclude: a.yaml\n" }, { "a.yaml", "include: b.yaml\n" },
		{ "b.yaml", "\ninclude: a.yaml\n" } },
	    "b.yaml:2:10: include: expected each file once, and this one is included on m.yaml:2, "
	    "got \"a.yaml\"\n" },
	{ "a file twice",
	    { { "m.yaml", "id: a\ninclude: [a.yaml, ./a.yaml]\n" }, { "a.yaml", "port: 2\n" } },
	    "m.yaml:2:19: include: expected each file once, and this one is included on line 2, "
	    "got "
	    "\"./a.yaml\"\n" },
	{ "only names", { { "m.yaml", "id: a\ninclude: [{a: b}, [c], \"\"]\n" } },
	    "m.yaml:2:11: include: expected a file's name or a list of such, like conf.d/*.yaml, "
	    "got "
	    "\"a section\"\n"
	    "m.yaml:2:19: include: expected a file's name or a list of such, like conf.d/*.yaml, "
	    "got "
	    "\"a list\"\n"
	    "m.yaml:2:24: include: expected a file's name or a list of such, like conf.d/*.yaml, "
	    "got "
	    "\"nothing\"\n" },
	{ "an included file is a section, too",
	    { { "m.yaml", "id: a\ninclude: [a.yaml, b.yaml]\n" }, { "a.yaml", "- 1\n" },
		{ "b.yaml", "x\n" } },
	    "a.yaml:1:1: expected a section of keys and values, got a list\n"
	    "b.yaml:1:1: expected a section of keys and values, got text\n" },
	{ "include belongs to the top", { { "m.yaml", "id: a\ninner: {include: x.yaml}\n" } },
	    "m.yaml:2:9: inner.include: unknown key here; did you mean \"include\"?\n" },
};

static void
each_case_has_its_outcome(void **state)
{
	struct place *p = *state;
	unsigned failed = 0;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *got, dir[16];

		snprintf(dir, sizeof(dir), "c%zu", i);
		assert_int_equal(mkdir(dir, 0700), 0);
		assert_int_equal(chdir(dir), 0);
		for (size_t k = 0; k < 5 && cases[i].files[k].name != NULL; k++)
			put(cases[i].files[k].name, cases[i].files[k].text);
		got = outcome("m.yaml", true);
		if (strcmp(got, cases[i].outcome) != 0) {
			print_error(
			    "%s: expected\n%sgot\n%s", cases[i].what, cases[i].outcome, got);
			failed++;
		}
		free(got);
		assert_int_equal(chdir(p->dir), 0);
	}
	assert_int_equal(failed, 0);
}

static void
names_are_relative_to_the_first_files_folder(void **state)
{
	char path[FOLDER_MAX + 16], wanted[FOLDER_MAX + 200];

	put("etc/m.yaml", "include: d.yaml\n");
	put("etc/d.yaml", "id: x\n");
	put("d.yaml", "id: wrong\n");
	expect("etc/m.yaml",
	    "id: \"x\"  # etc/d.yaml:1\nport: 1  # default\ninner:\n  on: true  # default\n");
	/* A folder is no pattern, whatever its name. */
	put("e*[c]/m.yaml", "include: [conf-?.yaml, d.yaml]\n");
	put("e*[c]/conf-1.yaml", "id: y\n");
	put("e*[c]/d.yaml", "port: 2\n");
	put("ecc/conf-2.yaml", "id: wrong\n");
	expect("e*[c]/m.yaml",
	    "id: \"y\"  # e*[c]/conf-1.yaml:1\nport: 2  # e*[c]/d.yaml:1\ninner:\n  on: true  # "
	    "default\n");
	snprintf(path, sizeof(path), "%s/etc/m.yaml", ((struct place *)*state)->dir);
	snprintf(wanted, sizeof(wanted),
	    "id: \"x\"  # %s/etc/d.yaml:1\nport: 1  # default\ninner:\n  on: true  # default\n",
	    ((struct place *)*state)->dir);
	expect(path, wanted);
}

static void
as_many_files_as_allowed_and_no_more(void **state)
{
	char name[32], *got;

	(void)state;
	put("m.yaml", "id: a\ninclude: conf.d/*\n");
	for (unsigned i = 1; i < BL_CONF_FILES_MAX; i++) {
		snprintf(name, sizeof(name), "conf.d/%03u", i);
		put(name, "shops: [{}]\n");
	}
	got = outcome("m.yaml", true);
	assert_null(strstr(got, "too many files"));
	assert_non_null(strstr(got, "conf.d/063:1:9: shops[62].name: required"));
	free(got);
	put("conf.d/064", "shops: []\n");
	expect("m.yaml",
	    "m.yaml:2:10: include: too many files: a configuration has at most 64, got "
	    "\"conf.d/064\"\n");
}

/* Some devices do something when they are opened. */
static void
a_pipe_is_not_even_opened(void **state)
{
	struct inotify_event event;
	int watch;

	(void)state;
	put("m.yaml", "id: a\ninclude: p\n");
	assert_int_equal(mkfifo("p", 0600), 0);
	watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	assert_true(watch >= 0 && inotify_add_watch(watch, "p", IN_OPEN) >= 0);
	expect(
	    "m.yaml", "m.yaml:2:10: include: expected a file, not a pipe or a device, got \"p\"\n");
	assert_int_equal(read(watch, &event, sizeof(event)), -1);
	assert_int_equal(errno, EAGAIN);
	(void)close(open("p", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	assert_int_equal(read(watch, &event, sizeof(event)), sizeof(event)); /* it would be seen */
	close(watch);
}

static void
a_text_that_was_handed_over_includes_nothing(void **state)
{
	static const char text[] = "id: a\ninclude: /etc/hostname\n";
	struct bl_conf_errors errors;
	struct bl_err err = { 0 };
	struct box b;

	(void)state;
	assert_int_equal(
	    bl_conf_parse("t", text, sizeof(text) - 1, &box_section, &b, &errors, &err), BL_EINVAL);
	assert_int_equal(errors.n, 1);
	assert_string_equal(errors.line[0],
	    "t:2:1: include: expected nothing here: only a configuration file includes others, got "
	    "\"/etc/hostname\"");
	bl_conf_errors_free(&errors);
}

/* With secrets and without comments, what is printed reads back as the same. */
static void
what_is_printed_reads_back(void **state)
{
	char *first, *again;

	(void)state;
	put("m.yaml",
	    "id: a\ninclude: b\nshops: [{name: x, url: 'http://h/?q#', headers: {A: 'b # c'}}]\n");
	put("b", "inner: {key: k}\ntags: ['# x']\n");
	first = outcome("m.yaml", false);
	assert_non_null(strstr(first, "?q#"));
	put("n.yaml", first);
	again = outcome("n.yaml", false);
	assert_string_equal(first, again);
	free(again);
	again = outcome("m.yaml", true);
	put("n.yaml", again); /* comments behind values are comments */
	free(again);
	again = outcome("n.yaml", true);
	assert_non_null(strstr(again, "tags: [\"# x\"]  # n.yaml:"));
	free(again);
	free(first);
}

static void
the_man_page_has_every_key_once(void **state)
{
	static const char *const wanted[] = { ".B include\n", ".B id\nwho.\n.br\ntext; required\n",
		".B port\na number from 1 to 9; default: 1\n", ".B shops\n", ".SS shops[]\n",
		".B shops[].headers\n", ".SS inner\n", ".B inner.key\n" };
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	bl_conf_print_man(&box_section, f);
	fclose(f);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		const char *at = strstr(text, wanted[i]);

		if (at == NULL || strstr(at + 1, wanted[i]) != NULL)
			fail_msg("not once \"%s\" in\n%s", wanted[i], text);
	}
	free(text);
}

static void
text_for_a_man_page_means_itself(void **state)
{
	static const struct {
		const char *text, *wanted;
	} texts[] = {
		{ "a-b", "a\\-b" },
		{ ".TH x\n'y\nz.", "\\&.TH x\n\\&'y\nz." },
		{ "\\fB", "\\efB" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char *text = NULL;
		size_t len;
		FILE *f = open_memstream(&text, &len);

		bl_conf_print_roff(texts[i].text, f);
		fclose(f);
		assert_string_equal(text, texts[i].wanted);
		free(text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_case_has_its_outcome, enter, leave),
		cmocka_unit_test_setup_teardown(
		    names_are_relative_to_the_first_files_folder, enter, leave),
		cmocka_unit_test_setup_teardown(as_many_files_as_allowed_and_no_more, enter, leave),
		cmocka_unit_test_setup_teardown(a_pipe_is_not_even_opened, enter, leave),
		cmocka_unit_test(a_text_that_was_handed_over_includes_nothing),
		cmocka_unit_test_setup_teardown(what_is_printed_reads_back, enter, leave),
		cmocka_unit_test(the_man_page_has_every_key_once),
		cmocka_unit_test(text_for_a_man_page_means_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
