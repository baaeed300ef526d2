/*
 * Files that are not UTF-8: the same rows out of each encoding, bytes that are none, and files of
 * many buffers that are read on after a restart.
 */
#include "drop_kit.h"

#include <iconv.h>

static const struct {
	const char *name, *iconv, *mark;
} encodings[] = {
	{ "utf-8", "UTF-8", "" },
	{ "utf-8", "UTF-8", "\xef\xbb\xbf" },
	{ "gbk", "UTF-8", "\xef\xbb\xbf" },
	{ "gbk", "GBK", "" },
	{ "gb18030", "GB18030", "" },
	{ "utf-16le", "UTF-16LE", "" },
	{ "utf-16le", "UTF-16LE", "\xff\xfe" },
	{ "utf-8", "UTF-16LE", "\xff\xfe" },
	{ "gbk", "UTF-16BE", "\xfe\xff" },
};
#define ENCODINGS (sizeof(encodings) / sizeof(encodings[0]))

static size_t
encode(const char *to, char *text, size_t len, char *out, size_t room)
{
	iconv_t cd = iconv_open(to, "UTF-8");
	char *at = out;

	assert_true(cd != (iconv_t)-1);
	assert_int_equal(iconv(cd, &text, &len, &at, &room), 0);
	assert_int_equal(iconv_close(cd), 0);
	return (size_t)(at - out);
}

static void
write_as(struct world *w, const char *name, size_t k, char *text)
{
	static char out[1 << 20];
	size_t n = strlen(encodings[k].mark);

	memcpy(out, encodings[k].mark, n);
	n += encode(encodings[k].iconv, text, strlen(text), out + n, sizeof(out) - n);
	put(w, name, out, n, "w");
}

static void
begin(struct world *w, size_t k, const char *options)
{
	char text[1024];

	if (w->inlet != NULL) {
		close_inlet(w);
		bl_conf_release(&drop_conf_section, &w->conf);
	}
	(void)snprintf(text, sizeof(text), "encoding: %s, %s", encodings[k].name, options);
	configure(w, text);
}

/* As Excel saves it, with a bar between columns and letters that hold one in GBK. */
static void
each_encoding_gives_the_same_rows(void **state)
{
	static char sheet[] = "sep=|\r\n订单号|步骤|备注|状态\r\nＤ－１|审核||begin\r\n"
			      "\"乗|亅\\\"|发货|\"加急，\n\"\"易碎\"\"\"|end\r\nD-2|乗亅||begin";
	struct world *w = *state;

	for (size_t k = 0; k < ENCODINGS; k++) {
		begin(w, k,
		    "reports: [{report: step, case: \"{订单号}\", step: \"{步骤}\", phase: "
		    "\"{状态}\"}]");
		write_as(w, "a.csv", k, sheet);
		pass(w);
		assert_said(w, "event step.begin process=default case=Ｄ－１ step=审核\n"
			       "event step.end process=default case=乗|亅\\ step=发货\n"
			       "event step.begin process=default case=D-2 step=乗亅\n");
		assert_false(is_there(w, "bad"));
	}
}

static void
json_lines_are_understood(void **state)
{
	static char text[] = "{\"nr\": \"乗\", \"step\": \"审核\", \"state\": \"begin\"}\n";
	struct world *w = *state;
	char options[512];

	(void)snprintf(options, sizeof(options), "format: jsonl, %s", steps_conf);
	for (size_t k = 0; k < ENCODINGS; k++) {
		begin(w, k, options);
		write_as(w, "a.csv", k, text);
		pass(w);
		assert_said(w, STEP("begin", "乗", "审核"));
	}
}

static void
lines_with_bytes_that_are_none_are_set_aside(void **state)
{
	static const char text[] =
	    HEAD "1,\xc9\xf3\xba\xcb,begin\n2,\xff,begin\n3,s,begin\xb6\n4,s,begin\n"
		 "5,s,end\xb6";
	struct world *w = *state;

	begin(w, 3, steps_conf);
	put(w, "a.csv", text, sizeof(text) - 1, "w");
	pass(w);
	assert_said(w, STEP("begin", "1", "审核") STEP("begin", "4", "s"));
	assert_string_equal(bad_of(w, "bad/a.csv.bad"),
	    "line 3: bytes that are not gbk; here they are \xef\xbf\xbd\n2,\xef\xbf\xbd,begin\n"
	    "line 4: bytes that are not gbk; here they are \xef\xbf\xbd\n3,s,begin\xef\xbf\xbd\n"
	    "line 6: bytes that are not gbk; here they are \xef\xbf\xbd\n5,s,end\xef\xbf\xbd\n");
}

/* A program that was changed over while nobody told the agent: no row of other characters. */
static void
utf_8_where_gbk_was_said_is_not_taken(void **state)
{
	struct world *w = *state;

	begin(w, 3, steps_conf);
	write_file(w, "a.csv", HEAD "1,s,begin\n2,审核,begin\n3,s,begin\n");
	write_file(w, "b.csv", "nr,step,state,备注\n1,s,begin,\n");
	pass(w);
	assert_said(w, STEP("begin", "1", "s") STEP("begin", "3", "s"));
	assert_non_null(strstr(
	    bad_of(w, "bad/a.csv.bad"), "line 3: this is UTF-8, not gbk as `encoding` says\n2,"));
	assert_string_equal(bad_of(w, "bad/b.csv.bad"),
	    "the whole file: this is UTF-8, not gbk as `encoding` says\n");
}

#define ROWS 3000u

/* Rows of very different length, some over two lines; every 700th has too few columns. */
static char *
big_text(void)
{
	static char text[1 << 19];
	size_t n = 0;

	n += (size_t)snprintf(text, sizeof(text), "nr,note,step,state\n");
	for (unsigned i = 0; i < ROWS; i++) {
		const char *pad = i % 3 == 0 ? "乗" : i % 3 == 1 ? "x" : "\n";

		if (i % 700 == 699) {
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%u\n", i);
			continue;
		}
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%u,\"", i);
		for (unsigned p = 0; p < i * 7919 % 40; p++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", pad);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "\",s,begin\n");
		assert_true(n < sizeof(text) - 300);
	}
	/* One that is too long, and what is behind it. */
	memset(text + n, 'y', 40000);
	memcpy(text + n + 40000, "\n9999,,s,begin\n", 16);
	return text;
}

/* Marks the rows that were reported since. */
static unsigned
take_said(struct world *w, unsigned char *seen)
{
	unsigned n = 0;
	const char *at = fake_host_said(w->host);

	while ((at = strstr(at, "case=")) != NULL) {
		const unsigned i = (unsigned)strtoul(at + 5, NULL, 10);

		assert_true(i < 10000);
		seen[i]++;
		at++;
		n++;
	}
	return n;
}

static void
a_big_file_is_read_on_after_restarts(void **state)
{
	struct world *w = *state;
	char *text = big_text();

	w->host->at_once = false;
	for (size_t k = 0; k < ENCODINGS; k++) {
		unsigned char seen[10000] = { 0 };
		unsigned restarts = 0;

		begin(w, k, steps_conf);
		write_as(w, "a.csv", k, text);
		for (unsigned i = 0; i < 600 && is_there(w, "a.csv"); i++) {
			fake_host_pass(w->host, 1000);
			fake_host_answer(w->host, 0);
			(void)take_said(w, seen);
			if (i % 20 == 19) {
				close_inlet(w);
				open_again(w);
				restarts++;
			}
		}
		assert_false(is_there(w, "a.csv"));
		assert_true(restarts > 1);
		for (unsigned i = 0; i < ROWS; i++)
			if (seen[i] != (i % 700 != 699))
				fail_msg("%s: row %u %u times", encodings[k].name, i, seen[i]);
		assert_int_equal(seen[9999], 1);
		assert_non_null(strstr(bad_of(w, "bad/a.csv.bad"), "longer than 16384 bytes"));
		assert_int_equal(remove(path_in(w, "bad/a.csv.bad")), 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_encoding_gives_the_same_rows, setup, teardown),
		cmocka_unit_test_setup_teardown(json_lines_are_understood, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    lines_with_bytes_that_are_none_are_set_aside, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    utf_8_where_gbk_was_said_is_not_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_big_file_is_read_on_after_restarts, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
