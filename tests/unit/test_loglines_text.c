/* Logs that are not UTF-8: written byte by byte, over restarts and cuts, with bytes that are none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <iconv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "folder.h"
#include "inlet_host.h"
#include "loglines.h"

struct place {
	char root[FOLDER_MAX], log[FOLDER_MAX + 32];
	struct loglines_conf conf;
	struct fake_host *h;
	void *in;
};

static void
start(struct place *p, const char *encoding)
{
	struct bl_conf_errors errors = { 0 };
	struct bl_err err = { 0 };
	char yaml[1024];

	(void)snprintf(yaml, sizeof(yaml),
	    "max_behind: 1MiB\n"
	    "watch:\n  - name: shop\n    path: %s\n    from: beginning\n    encoding: %s\n"
	    "    patterns:\n      - match: '^订单\\|(?<no>[^|]+)\\|(?<step>\\S+)$'\n"
	    "        map: {report: case, case: '{no}', attributes: {what: '{step}'}}\n",
	    p->log, encoding);
	if (bl_conf_parse(
		"t", yaml, strlen(yaml), &loglines_conf_section, &p->conf, &errors, &err) < 0)
		fail_msg("%s", errors.n_kept > 0 ? errors.line[0] : err.msg);
	bl_conf_errors_free(&errors);
	if (loglines_ops.open(&p->in, &p->conf, &p->h->host, &err) < 0)
		fail_msg("%s", err.msg);
	fake_host_inlet(p->h, &loglines_ops, p->in);
}

static void
stop(struct place *p)
{
	loglines_ops.close(p->in);
	bl_conf_release(&loglines_conf_section, &p->conf);
}

static void
put(struct place *p, const char *bytes, size_t len, int flags)
{
	const int fd = open(p->log, O_WRONLY | O_CREAT | flags, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	assert_int_equal(close(fd), 0);
}

static size_t
encode(const char *to, const char *text, char *out, size_t room)
{
	iconv_t cd = iconv_open(to, "UTF-8");
	size_t len = strlen(text);
	char *in = (char *)(uintptr_t)text, *at = out;

	assert_true(cd != (iconv_t)-1);
	assert_int_equal(iconv(cd, &in, &len, &at, &room), 0);
	assert_int_equal(iconv_close(cd), 0);
	return (size_t)(at - out);
}

/* What was reported, without ids; all of it is stored. */
static const char *
said(struct place *p)
{
	static char out[65536];
	const char *from;
	size_t n = 0;

	fake_host_pass(p->h, 1100);
	(void)fake_host_turn(p->h);
	fake_host_answer(p->h, 0);
	for (from = fake_host_said(p->h); *from != '\0';) {
		if (strncmp(from, " id=", 4) == 0)
			from += 4 + strcspn(from + 4, " \n");
		out[n++] = *from++;
	}
	out[n] = '\0';
	return out;
}

static int
setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	folder_make(p->root, "loglines-text");
	(void)snprintf(p->log, sizeof(p->log), "%s/shop.log", p->root);
	p->h = fake_host_create(p->root);
	*state = p;
	return 0;
}

static int
teardown(void **state)
{
	struct place *p = *state;

	fake_host_free(p->h);
	folder_remove(p->root);
	free(p);
	return 0;
}

static const struct {
	const char *name, *iconv, *mark;
} encodings[] = {
	{ "utf-8", "UTF-8", "" },
	{ "utf-8", "UTF-8", "\xef\xbb\xbf" },
	{ "gbk", "GBK", "" },
	{ "gb18030", "GB18030", "" },
	{ "utf-16le", "UTF-16LE", "" },
	{ "utf-8", "UTF-16LE", "\xff\xfe" },
	{ "gbk", "UTF-16BE", "\xfe\xff" },
};

#define CASE(no, step) "event step.event process=default case=" no " what=" step "\n"

/* 乗 and 亅 hold a backslash and a bar in GBK. */
static void
lines_come_once_however_they_are_cut(void **state)
{
	struct place *p = *state;
	char bytes[512];

	for (size_t k = 0; k < sizeof(encodings) / sizeof(encodings[0]); k++) {
		const bool marked = encodings[k].mark[0] != '\0';
		size_t n = strlen(encodings[k].mark), came = 0;

		memcpy(bytes, encodings[k].mark, n);
		n += encode(encodings[k].iconv, "订单|乗亅|审核\r\nother\n订单|Ｄ２|发货\n",
		    bytes + n, sizeof(bytes) - n);
		(void)unlink(p->log);
		start(p, encodings[k].name);
		(void)said(p);
		for (size_t i = 0; i < n; i++) {
			const char *what;

			put(p, &bytes[i], 1, O_APPEND);
			if (i % 7 == 3) {
				stop(p);
				start(p, encodings[k].name);
			}
			what = said(p);
			if (*what == '\0')
				continue;
			came++;
			assert_string_equal(
			    what, came == 1 ? CASE("乗亅", "审核") : CASE("Ｄ２", "发货"));
		}
		if (came != 2)
			fail_msg(
			    "%s%s: %zu", encodings[k].name, marked ? " with a mark" : "", came);
		stop(p);
	}
}

static void
bytes_that_are_none_make_a_bad_line(void **state)
{
	static const char bytes[] = "\xb6\xa9\xb5\xa5|1|\xff\n\xb6\xa9\xb5\xa5|2|x\n\xff\n";
	struct place *p = *state;

	put(p, bytes, sizeof(bytes) - 1, 0);
	start(p, "gbk");
	assert_string_equal(said(p), CASE("2", "x"));
	assert_int_equal(fake_host_count(p->h, "bad_lines"), 1);
	assert_int_equal(fake_host_count(p->h, "lines"), 3);
	stop(p);
}

static void
a_log_that_is_written_anew_says_its_encoding_anew(void **state)
{
	struct place *p = *state;
	char bytes[256];

	put(p, bytes, encode("GBK", "订单|1|a\n订单|1|b\n", bytes, sizeof(bytes)), 0);
	start(p, "gbk");
	assert_string_equal(said(p), CASE("1", "a") CASE("1", "b"));
	memcpy(bytes, "\xff\xfe", 2);
	put(p, bytes, 2 + encode("UTF-16LE", "订单|2|c\n", bytes + 2, sizeof(bytes) - 2), O_TRUNC);
	assert_string_equal(said(p), CASE("2", "c"));
	stop(p);
}

/* The cap is that of the text; what is behind a line that is too long counts again. */
static void
long_lines_are_counted(void **state)
{
	static char text[70000], bytes[140000];
	static const size_t len[] = { 8000, 8200, 60000 };
	struct place *p = *state;

	for (size_t i = 0; i < 3; i++) {
		size_t n;

		memset(text, 'x', len[i]);
		memcpy(text, "订单|1|", strlen("订单|1|"));
		strcpy(text + len[i], "\n订单|2|y\n");
		n = encode("UTF-16LE", text, bytes, sizeof(bytes));
		(void)unlink(p->log);
		put(p, bytes, n, 0);
		start(p, "utf-16le");
		assert_non_null(strstr(said(p), CASE("2", "y")));
		assert_int_equal(fake_host_count(p->h, "long_lines"), i > 0);
		stop(p);
	}
}

/* Passed over up to the middle of a character, in the middle of a line. */
static void
a_log_too_far_behind_is_taken_up_at_a_line(void **state)
{
	static char text[800001], bytes[1600004];
	struct place *p = *state;
	size_t n;

	start(p, "utf-16le");
	(void)said(p);
	memset(text, '\n', 800000);
	memcpy(text + 800000 - 12, "订单|3|z\n", 12);
	n = encode("UTF-16LE", text, bytes, sizeof(bytes));
	/* An odd size: half a character is there. */
	put(p, bytes, n - 1, 0);
	for (unsigned i = 0; i < 40; i++)
		assert_string_equal(said(p), "");
	put(p, bytes + n - 1, 1, O_APPEND);
	assert_string_equal(said(p), CASE("3", "z"));
	assert_true(fake_host_count(p->h, "skipped_bytes") > 0);
	stop(p);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(lines_come_once_however_they_are_cut),
		T(bytes_that_are_none_make_a_bad_line),
		T(a_log_that_is_written_anew_says_its_encoding_anew),
		T(long_lines_are_counted),
		T(a_log_too_far_behind_is_taken_up_at_a_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
