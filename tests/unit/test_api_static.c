/* Files from memory, whose origin may change things, and what may be said of a device. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api_internal.h"

/* Stands for the server's: headers of the one request that is tried. */
static struct {
	const char *name, *value;
} headers[8];

const char *
http_header(const struct http_request *q, const char *name)
{
	(void)q;
	for (size_t i = 0; i < 8 && headers[i].name != NULL; i++)
		if (strcasecmp(headers[i].name, name) == 0)
			return headers[i].value;
	return NULL;
}

static void
header(const char *name, const char *value)
{
	size_t i = 0;

	while (headers[i].name != NULL)
		i++;
	headers[i].name = value != NULL ? name : NULL;
	headers[i].value = value;
}

static void
put(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_non_null(f = fopen(path, "w"));
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

struct fixture {
	char dir[64];
	struct static_files *files;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct bl_err err = { 0 };
	char path[128];

	if (f == NULL)
		return -1;
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/bl-static-XXXXXX");
	if (mkdtemp(f->dir) == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/assets", f->dir);
	if (mkdir(path, 0755) != 0)
		return -1;
	put(f->dir, "index.html", "<html>");
	put(f->dir, "favicon.svg", "<svg/>");
	put(f->dir, ".hidden", "secret");
	put(f->dir, "only.txt.gz", "no plain form");
	put(f->dir, "assets/app-1a2b3c4d.js", "plain");
	put(f->dir, "assets/app-1a2b3c4d.js.gz", "zipped");
	put(f->dir, "assets/app-1a2b3c4d.js.br", "brotli");
	*state = f;
	return static_load(&f->files, f->dir, &err);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	char cmd[96];

	static_free(f->files);
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", f->dir);
	free(f);
	return system(cmd);
}

static const char *
value_of(const struct http_answer *a, const char *name)
{
	for (size_t i = 0; i < a->n_headers; i++)
		if (strcmp(a->header[i].name, name) == 0)
			return a->header[i].value;
	return NULL;
}

static void
only_what_was_there_at_start_is_served(void **state)
{
	static const char html[] = "text/html,application/xhtml+xml";
	static const struct {
		const char *target, *accept, *body; /* body NULL: not there */
	} cases[] = {
		{ "/", "*/*", "<html>" },
		{ "/index.html", "*/*", "<html>" },
		{ "/favicon.svg", "*/*", "<svg/>" },
		{ "/assets/app-1a2b3c4d.js", "*/*", "plain" },
		{ "/sites/shanghai", html, "<html>" },
		{ "/sites/shanghai", "*/*", NULL },
		{ "/missing.js", html, NULL },
		{ "/assets/missing-1a2b3c4d.js", html, NULL },
		{ "/.hidden", "*/*", NULL },
		{ "/only.txt", "*/*", NULL },
		{ "/only.txt.gz", "*/*", NULL },
		{ "/assets/app-1a2b3c4d.js.gz", "*/*", NULL },
		{ "/assets/../index.html", "*/*", NULL },
		{ "/../../../../etc/passwd", "*/*", NULL },
		{ "/%2e%2e/%2e%2e/etc/passwd", "*/*", NULL },
		{ "/..%2f..%2fetc%2fpasswd", "*/*", NULL },
		{ "//etc/passwd", "*/*", NULL },
		{ "/assets", "*/*", NULL },
		{ "/assets/", "*/*", NULL },
		{ "/assets\\app-1a2b3c4d.js", "*/*", NULL },
	};
	struct fixture *f = *state;
	static struct http_request q;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_answer a = { 0 };
		memset(headers, 0, sizeof(headers));
		header("Accept", cases[i].accept);
		assert_true(http_parse_target(&q, cases[i].target));
		if (static_answer(f->files, &q, &a) != (cases[i].body != NULL))
			fail_msg("%s", cases[i].target);
		if (cases[i].body != NULL)
			assert_memory_equal(a.shared, cases[i].body, a.len);
	}
}

static void
link_out_of_the_folder_is_refused(void **state)
{
	struct fixture *f = *state;
	struct static_files *files;
	struct bl_err err = { 0 };
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/assets/passwd.txt", f->dir);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_true(static_load(&files, f->dir, &err) < 0);
	assert_null(files);
	assert_int_equal(static_load(&files, "/nonexistent/folder", &err), BL_ENOTFOUND);
}

static void
form_follows_what_is_accepted_and_tags_save_sending(void **state)
{
	static const struct {
		const char *accept, *body, *coding;
	} cases[] = {
		{ "gzip, deflate, br", "brotli", "br" },
		{ "gzip", "zipped", "gzip" },
		{ "br;q=0, gzip", "zipped", "gzip" },
		{ NULL, "plain", NULL },
		{ "identity", "plain", NULL },
	};
	struct fixture *f = *state;
	static struct http_request q;
	char tags[5][64];

	assert_true(http_parse_target(&q, "/assets/app-1a2b3c4d.js"));
	for (size_t i = 0; i < 5; i++) {
		struct http_answer a = { 0 };
		memset(headers, 0, sizeof(headers));
		header("Accept-Encoding", cases[i].accept);
		assert_true(static_answer(f->files, &q, &a));
		assert_memory_equal(a.shared, cases[i].body, a.len);
		assert_true(
		    (value_of(&a, "Content-Encoding") == NULL) == (cases[i].coding == NULL));
		assert_string_equal(
		    value_of(&a, "Cache-Control"), "public, max-age=31536000, immutable");
		assert_string_equal(value_of(&a, "Vary"), "Accept-Encoding");
		(void)snprintf(tags[i], sizeof(tags[i]), "%s", value_of(&a, "ETag"));
	}
	assert_string_not_equal(tags[0], tags[1]);
	assert_string_not_equal(tags[1], tags[3]);
	struct http_answer a = { 0 };
	header("If-None-Match", tags[3]);
	assert_true(static_answer(f->files, &q, &a));
	assert_int_equal(a.status, 304);
	assert_null(a.shared);
}

static void
only_hashed_names_are_immutable(void **state)
{
	(void)state;
	assert_true(static_immutable("/assets/index-DxYz12_-.css"));
	assert_false(static_immutable("/index-1a2b3c4d.html"));
	assert_false(static_immutable("/assets/logo.svg"));
	assert_false(static_immutable("/assets/my-logo.svg"));
	assert_string_equal(static_type("/a.mjs"), "text/javascript; charset=utf-8");
	assert_string_equal(static_type("/a.woff2"), "font/woff2");
	assert_string_equal(static_type("/a"), "application/octet-stream");
}

static void
only_pages_of_the_own_origin_change_things(void **state)
{
	static const struct {
		const char *origin, *site, *host;
		bool allowed, with_proxy; /* with "https://board.example" configured */
	} cases[] = {
		{ NULL, NULL, "h:8443", true, true }, /* not a browser */
		{ "https://h:8443", NULL, "h:8443", true, true },
		{ "https://h:8443", "same-origin", "h:8443", true, true },
		{ "https://H:8443", "same-origin", "h:8443", true, true },
		{ NULL, "same-origin", "h:8443", true, true },
		{ NULL, "none", "h:8443", true, true },
		{ NULL, "cross-site", "h:8443", false, false },
		{ NULL, "same-site", "h:8443", false, false },
		{ "https://evil.example", NULL, "h:8443", false, false },
		{ "https://evil.example", "same-origin", "h:8443", false, false },
		{ "http://h:8443", NULL, "h:8443", false, false },
		{ "https://h", NULL, "h:8443", false, false },
		{ "https://h:84433", NULL, "h:8443", false, false },
		{ "https://h:8443.evil.example", NULL, "h:8443", false, false },
		{ "null", "cross-site", "h:8443", false, false },
		{ "null", NULL, "h:8443", false, false },
		{ "", NULL, "h:8443", false, false },
		{ "https://board.example", NULL, "h:8443", false, true },
		{ "https://h:8443", "cross-site", "h:8443", false, true },
	};
	char proxy_origin[] = "https://board.example";
	char *no_origins[] = { NULL }, *proxy[] = { proxy_origin, NULL };
	static struct http_request q;
	static struct api api;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(headers, 0, sizeof(headers));
		header("Host", cases[i].host);
		header("Origin", cases[i].origin);
		header("Sec-Fetch-Site", cases[i].site);
		api.origins = no_origins;
		if (api_same_origin(&api, &q) != cases[i].allowed)
			fail_msg("%s / %s", cases[i].origin, cases[i].site);
		api.origins = proxy;
		if (api_same_origin(&api, &q) != cases[i].with_proxy)
			fail_msg("%s / %s behind a proxy", cases[i].origin, cases[i].site);
	}
}

static void
unknown_is_not_down(void **state)
{
	const int64_t now = 1000000000, fresh = now - 60000, old = now - 180000;
	const struct {
		bool retired, heard, has_spool;
		enum store_presence presence;
		int64_t since, until;
		enum api_state state;
		int64_t state_since;
	} cases[] = {
		{ false, false, false, 0, 0, 0, API_NEVER, STORE_TIME_NONE },
		{ false, true, false, STORE_PRESENCE_NONE, STORE_TIME_NONE, STORE_TIME_NONE,
		    API_NEVER, STORE_TIME_NONE },
		{ false, true, true, STORE_PRESENCE_ONLINE, 5, fresh, API_UP, 5 },
		{ false, true, true, STORE_PRESENCE_ONLINE, 5, old, API_UNKNOWN, now },
		{ false, true, true, STORE_PRESENCE_ONLINE, 5, STORE_TIME_NONE, API_UNKNOWN,
		    STORE_TIME_NONE },
		{ false, true, true, STORE_PRESENCE_OFFLINE, 7, fresh, API_UNKNOWN, 7 },
		{ false, true, true, STORE_PRESENCE_NONE, STORE_TIME_NONE, fresh, API_UNKNOWN,
		    fresh + 180000 },
		{ true, true, true, STORE_PRESENCE_ONLINE, 5, fresh, API_RETIRED, STORE_TIME_NONE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct store_device d = {
			.has_spool = cases[i].has_spool,
			.presence = cases[i].presence,
			.presence_since_unix_ms = cases[i].since,
			.data_until_unix_ms = cases[i].until,
		};
		int64_t since;
		assert_int_equal(
		    api_device_state(cases[i].retired, cases[i].heard ? &d : NULL, now, &since),
		    cases[i].state);
		assert_true(since == cases[i].state_since);
	}
}

#define WITH_FILES(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FILES(only_what_was_there_at_start_is_served),
		WITH_FILES(link_out_of_the_folder_is_refused),
		WITH_FILES(form_follows_what_is_accepted_and_tags_save_sending),
		cmocka_unit_test(only_hashed_names_are_immutable),
		cmocka_unit_test(only_pages_of_the_own_origin_change_things),
		cmocka_unit_test(unknown_is_not_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
