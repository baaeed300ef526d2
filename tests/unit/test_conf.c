/*
 * Configuration: tests/data/conf/NAME.yaml is read by the table below.  When
 * NAME.errors stands beside it the run must give exactly these lines, else the
 * file must be accepted and its printed form must read back as the same.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "branchline/conf.h"

struct tls {
	char *name;
	bool verify;
};

struct probe {
	char *url;
	int64_t timeout_ms;
	struct bl_conf_strmap headers;
	struct tls tls;
};

struct box {
	char *id;
	char *crl;
	int64_t port;
	int64_t interval_ms;
	int64_t size_bytes;
	double ratio;
	int level;
	bool enabled;
	struct bl_conf_strlist tags;
	struct bl_conf_list probes;
	struct tls tls;
};

static const char *
check_id(const void *value)
{
	const char *id = *(char *const *)value;

	return strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(id)
		   ? NULL
		   : "lower-case letters, digits and hyphens";
}

static const char *
check_probe(const void *section, const char **key)
{
	const struct probe *p = section;

	if (p->tls.verify && p->url != NULL && strncmp(p->url, "https:", 6) != 0 &&
	    p->tls.name != NULL) {
		*key = "url";
		return "tls.name needs an https URL";
	}
	return NULL;
}

static const struct bl_conf_key tls_keys[] = {
	{ .name = "name", .type = BL_CONF_STR, .dflt = "", .offset = offsetof(struct tls, name) },
	{ .name = "verify",
	    .type = BL_CONF_BOOL,
	    .dflt = "true",
	    .offset = offsetof(struct tls, verify) },
	{ 0 },
};
static const struct bl_conf_section tls_section = { "tls", sizeof(struct tls), tls_keys, NULL };

static const struct bl_conf_key probe_keys[] = {
	{ .name = "url",
	    .type = BL_CONF_STR,
	    .offset = offsetof(struct probe, url),
	    .help = "what" },
	{ .name = "timeout",
	    .type = BL_CONF_DURATION,
	    .dflt = "5s",
	    .offset = offsetof(struct probe, timeout_ms),
	    .min = 100,
	    .max = 60000 },
	{ .name = "headers",
	    .type = BL_CONF_MAP,
	    .dflt = "",
	    .offset = offsetof(struct probe, headers),
	    .max = 3 },
	{ .name = "tls",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct probe, tls),
	    .section = &tls_section },
	{ 0 },
};
static const struct bl_conf_section probe_section = { "probe", sizeof(struct probe), probe_keys,
	check_probe };

static const char *const levels[] = { "error", "warn", "info", "debug", NULL };

static const struct bl_conf_key box_keys[] = {
	{ .name = "id",
	    .type = BL_CONF_STR,
	    .offset = offsetof(struct box, id),
	    .min = 1,
	    .max = 63,
	    .help = "who this is",
	    .check = check_id },
	{ .name = "crl", .type = BL_CONF_STR, .dflt = "", .offset = offsetof(struct box, crl) },
	{ .name = "port",
	    .type = BL_CONF_INT,
	    .dflt = "8883",
	    .offset = offsetof(struct box, port),
	    .min = 1,
	    .max = 65535,
	    .help = "where the broker listens" },
	{ .name = "interval",
	    .type = BL_CONF_DURATION,
	    .dflt = "10s",
	    .offset = offsetof(struct box, interval_ms),
	    .min = 1000,
	    .max = 3600000 },
	{ .name = "size",
	    .type = BL_CONF_SIZE,
	    .dflt = "20MiB",
	    .offset = offsetof(struct box, size_bytes),
	    .min = 1 << 20,
	    .max = 1 << 30 },
	{ .name = "ratio",
	    .type = BL_CONF_NUMBER,
	    .dflt = "0.5",
	    .offset = offsetof(struct box, ratio),
	    .min = -1,
	    .max = 1 },
	{ .name = "level",
	    .type = BL_CONF_ENUM,
	    .dflt = "info",
	    .offset = offsetof(struct box, level),
	    .choices = levels },
	{ .name = "enabled",
	    .type = BL_CONF_BOOL,
	    .dflt = "true",
	    .offset = offsetof(struct box, enabled) },
	{ .name = "tags",
	    .type = BL_CONF_STRLIST,
	    .dflt = "[a, b c]",
	    .offset = offsetof(struct box, tags),
	    .max = 4 },
	{ .name = "probes",
	    .type = BL_CONF_LIST,
	    .dflt = "",
	    .offset = offsetof(struct box, probes),
	    .max = 3,
	    .section = &probe_section },
	{ .name = "tls",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct box, tls),
	    .section = &tls_section },
	{ 0 },
};
static const struct bl_conf_section box_section = { "box", sizeof(struct box), box_keys, NULL };

static char *
slurp(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	char *text;

	if (f == NULL)
		return NULL;
	text = calloc(1, 1 << 20);
	assert_non_null(text);
	*len = fread(text, 1, (1 << 20) - 1, f);
	fclose(f);
	return text;
}

static char *
printed(const struct box *b)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	assert_int_equal(bl_conf_print(&box_section, b, f), BL_OK);
	fclose(f);
	return text;
}

static int
parse(const char *text, size_t len, struct box *b, struct bl_conf_errors *errors)
{
	struct bl_err err = { 0 };

	return bl_conf_parse("f", text, len, &box_section, b, errors, &err);
}

static char *
joined(const struct bl_conf_errors *errors)
{
	char *text = calloc(1, 1 << 16);

	assert_non_null(text);
	for (size_t i = 0; i < errors->n_kept; i++) {
		strcat(text, strchr(errors->line[i], ':') + 1);
		strcat(text, "\n");
	}
	return text;
}

static bool
one_file(const char *yaml)
{
	char path[512], *text, *expected, *got, *again;
	struct bl_conf_errors errors;
	size_t len, elen = 0;
	struct box b, b2;
	bool ok;
	int rc;

	snprintf(path, sizeof(path), "%s/conf/%s", BL_TEST_DATA, yaml);
	text = slurp(path, &len);
	assert_non_null(text);
	snprintf(
	    path, sizeof(path), "%s/conf/%.*s.errors", BL_TEST_DATA, (int)strlen(yaml) - 5, yaml);
	expected = slurp(path, &elen);
	rc = parse(text, len, &b, &errors);
	got = joined(&errors);
	ok = strcmp(got, expected != NULL ? expected : "") == 0 &&
	     rc == (expected != NULL ? BL_EINVAL : BL_OK);
	if (!ok)
		print_error("%s: expected\n%sgot\n%s", yaml, expected != NULL ? expected : "", got);
	if (ok && expected == NULL) {
		again = printed(&b);
		assert_int_equal(parse(again, strlen(again), &b2, &errors), BL_OK);
		free(got);
		got = printed(&b2);
		ok = strcmp(got, again) == 0;
		if (!ok)
			print_error("%s: printed as\n%sthen as\n%s", yaml, again, got);
		free(again);
		bl_conf_release(&box_section, &b2);
	}
	bl_conf_release(&box_section, &b);
	bl_conf_errors_free(&errors);
	free(got);
	free(expected);
	free(text);
	return ok;
}

/* The same mistakes, and a struct that is whole all the same. */
static bool
some_of_file(const char *yaml)
{
	struct bl_conf_errors some, strict;
	struct bl_err err = { 0 };
	struct box b, b2;
	char path[512];
	bool ok;

	snprintf(path, sizeof(path), "%s/conf/%s", BL_TEST_DATA, yaml);
	(void)bl_conf_load(path, &box_section, &b2, &strict, &err);
	ok = bl_conf_load_some(path, &box_section, &b, &some, &err) == BL_OK &&
	     some.n == strict.n && b.port > 0;
	if (!ok)
		print_error("%s: %zu errors, not %zu\n", yaml, some.n, strict.n);
	bl_conf_release(&box_section, &b);
	bl_conf_release(&box_section, &b2);
	bl_conf_errors_free(&some);
	bl_conf_errors_free(&strict);
	return ok;
}

static void
every_file_gives_exactly_its_errors(void **state)
{
	unsigned files = 0, failed = 0;
	struct dirent *e;
	DIR *d = opendir(BL_TEST_DATA "/conf");

	(void)state;
	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		const size_t len = strlen(e->d_name);

		if (len > 5 && strcmp(e->d_name + len - 5, ".yaml") == 0) {
			files++;
			if (!one_file(e->d_name) || !some_of_file(e->d_name))
				failed++;
		}
	}
	closedir(d);
	assert_true(files >= 15);
	assert_int_equal(failed, 0);
}

static void
every_prefix_of_every_file_is_survived(void **state)
{
	struct bl_conf_errors errors;
	struct dirent *e;
	struct box b;
	DIR *d = opendir(BL_TEST_DATA "/conf");
	char path[512], *text;
	size_t len;

	(void)state;
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/conf/%s", BL_TEST_DATA, e->d_name);
		text = slurp(path, &len);
		for (size_t n = 0; n <= len && n < 3000; n++) {
			char *copy = malloc(n); /* exact size: ASan sees one byte too far */

			memcpy(copy, text, n);
			parse(copy, n, &b, &errors);
			bl_conf_release(&box_section, &b);
			bl_conf_errors_free(&errors);
			free(copy);
		}
		free(text);
	}
	closedir(d);
}

static void
changed_bytes_are_survived(void **state)
{
	struct bl_conf_errors errors;
	char path[512], *text;
	struct box b;
	size_t len;
	unsigned seed = 7;

	(void)state;
	snprintf(path, sizeof(path), "%s/conf/full.yaml", BL_TEST_DATA);
	text = slurp(path, &len);
	for (unsigned round = 0; round < 3000; round++) {
		const size_t at = (size_t)rand_r(&seed) % len;
		const char before = text[at];

		text[at] = (char)rand_r(&seed);
		parse(text, len, &b, &errors);
		bl_conf_release(&box_section, &b);
		bl_conf_errors_free(&errors);
		if (round % 3 != 0)
			text[at] = before;
	}
	free(text);
}

static void
defaults_fill_what_is_not_said(void **state)
{
	struct bl_conf_errors errors;
	struct box b;

	(void)state;
	assert_int_equal(parse("id: x", 5, &b, &errors), BL_OK);
	assert_string_equal(b.id, "x");
	assert_null(b.crl);
	assert_int_equal(b.port, 8883);
	assert_int_equal(b.interval_ms, 10000);
	assert_int_equal(b.size_bytes, 20 << 20);
	assert_true(b.ratio == 0.5);
	assert_int_equal(b.level, 2);
	assert_true(b.enabled);
	assert_int_equal(b.tags.n, 2);
	assert_string_equal(b.tags.item[1], "b c");
	assert_true(b.tls.verify);
	assert_null(b.tls.name);
	bl_conf_release(&box_section, &b);
}

static void
a_section_of_its_own_defaults_keeps_its_list_once(void **state)
{
	static const char text[] = "id: x\ntls:\n  verify: no\ntags: [z]\n";
	struct bl_conf_errors errors;
	struct box b;

	(void)state;
	assert_int_equal(parse(text, sizeof(text) - 1, &b, &errors), BL_OK);
	assert_false(b.tls.verify);
	assert_int_equal(b.tags.n, 1);
	assert_string_equal(b.tags.item[0], "z");
	bl_conf_release(&box_section, &b);
}

static void
errors_beyond_the_cap_are_counted(void **state)
{
	struct bl_conf_errors errors;
	char *text = NULL;
	struct box b;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	fputs("id: x\n", f);
	for (int i = 0; i < 300; i++)
		fprintf(f, "zzzzzz%d: 1\n", i);
	fclose(f);
	assert_int_equal(parse(text, len, &b, &errors), BL_EINVAL);
	assert_int_equal(errors.n, 300);
	assert_int_equal(errors.n_kept, BL_CONF_ERRORS_MAX);
	bl_conf_errors_free(&errors);
	free(text);
}

static void
hostile_depth_and_size_end_soon(void **state)
{
	struct bl_conf_errors errors;
	char *text = malloc(1 << 20);
	struct box b;

	(void)state;
	memset(text, '[', 1 << 20);
	assert_int_equal(parse(text, 1 << 20, &b, &errors), BL_EINVAL);
	bl_conf_errors_free(&errors);
	for (size_t i = 0; i + 2 <= 1 << 20; i += 2)
		memcpy(text + i, "- ", 2);
	assert_int_equal(parse(text, 1 << 20, &b, &errors), BL_EINVAL);
	bl_conf_errors_free(&errors);
	memcpy(text, "tags: [", 7);
	for (size_t i = 7; i + 2 <= 1 << 20; i += 2)
		memcpy(text + i, "a,", 2);
	assert_int_equal(parse(text, 1 << 20, &b, &errors), BL_EINVAL);
	bl_conf_errors_free(&errors);
	free(text);
}

static void
files_that_cannot_be_read_say_so(void **state)
{
	static const struct {
		const char *path;
		int rc;
		const char *text;
	} cases[] = {
		{ "/nonexistent/agent.yaml", BL_ENOTFOUND, "/nonexistent/agent.yaml" },
		{ "/", BL_EIO, "folder" },
		{ "/dev/zero", BL_EFULL, "larger than" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bl_conf_errors errors;
		struct bl_err err = { 0 };
		struct box b;

		assert_int_equal(
		    bl_conf_load(cases[i].path, &box_section, &b, &errors, &err), cases[i].rc);
		assert_non_null(strstr(err.msg, cases[i].text));
		assert_int_equal(errors.n, 0);
	}
}

static void
durations_and_sizes_read_as_written(void **state)
{
	static const struct {
		const char *text;
		int64_t duration, size; /* -1: refused */
	} cases[] = {
		{ "500ms", 500, -1 },
		{ "10s", 10000, -1 },
		{ "1.5h", 5400000, -1 },
		{ "72h", 259200000, -1 },
		{ "7d", 604800000, -1 },
		{ "0", 0, 0 },
		{ "0s", 0, -1 },
		{ "10", -1, 10 },
		{ "512B", -1, 512 },
		{ "64KiB", -1, 65536 },
		{ "1.5MiB", -1, 1572864 },
		{ "0.5B", -1, -1 },
		{ "0.1ms", -1, -1 },
		{ "-1s", -1, -1 },
		{ "+1s", -1, -1 },
		{ " 1s", -1, -1 },
		{ "1 s", -1, -1 },
		{ "1e3s", -1, -1 },
		{ "0x10", -1, -1 },
		{ "inf", -1, -1 },
		{ "", -1, -1 },
		{ ".", -1, -1 },
		{ "1.s", -1, -1 },
		{ "s", -1, -1 },
		{ "9999999999999999d", -1, -1 },
		{ "99999999TiB", -1, -1 },
		{ "1111111111111111111111111111", -1, -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t d = -1, s = -1;

		if (!bl_conf_duration_parse(cases[i].text, &d))
			d = -1;
		if (!bl_conf_size_parse(cases[i].text, &s))
			s = -1;
		if (d != cases[i].duration || s != cases[i].size)
			fail_msg("\"%s\": got %lld ms, %lld bytes", cases[i].text, (long long)d,
			    (long long)s);
	}
}

static void
options_name_every_key_with_its_bounds(void **state)
{
	static const char *const wanted[] = { "probes[].tls.verify", "from 1 to 65535",
		"from 1s to 1h", "from 1MiB to 1GiB", "one of error, warn, info, debug", "required",
		"default: 8883", "where the broker listens" };
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	bl_conf_print_options(&box_section, f);
	fclose(f);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (strstr(text, wanted[i]) == NULL)
			fail_msg("no \"%s\" in\n%s", wanted[i], text);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_file_gives_exactly_its_errors),
		cmocka_unit_test(every_prefix_of_every_file_is_survived),
		cmocka_unit_test(changed_bytes_are_survived),
		cmocka_unit_test(defaults_fill_what_is_not_said),
		cmocka_unit_test(a_section_of_its_own_defaults_keeps_its_list_once),
		cmocka_unit_test(errors_beyond_the_cap_are_counted),
		cmocka_unit_test(hostile_depth_and_size_end_soon),
		cmocka_unit_test(files_that_cannot_be_read_say_so),
		cmocka_unit_test(durations_and_sizes_read_as_written),
		cmocka_unit_test(options_name_every_key_with_its_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
