/* Text of other encodings: marks, line breaks, conversion in pieces, what is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "branchline/charset.h"

#define LIT(s) s, sizeof(s) - 1

static const struct {
	enum bl_charset is;
	const char *in;
	size_t len;
	const char *want;
	unsigned wrong;
} cases[] = {
	{ BL_CHARSET_GBK, LIT("\xb6\xa9\xb5\xa5\xba\xc5,1\n"), "订单号,1\n", 0 },
	/* Second bytes that look like a bar and a backslash. */
	{ BL_CHARSET_GBK, LIT("\x81\x5c|\x81\x7c\\"), "乗|亅\\", 0 },
	{ BL_CHARSET_GBK,
	    LIT("\x80"
		"12"),
	    "€12", 0 },
	{ BL_CHARSET_GBK, LIT("a\xffz"), "a\xef\xbf\xbdz", 1 },
	{ BL_CHARSET_GBK, LIT("a\xb6\nb"), "a\xef\xbf\xbd\nb", 1 },
	{ BL_CHARSET_GBK, LIT("a\xb6"), "a\xef\xbf\xbd", 1 },
	{ BL_CHARSET_GBK, LIT("\xa3\xac\xa3\xb1"), "，１", 0 },
	{ BL_CHARSET_GB18030, LIT("\x95\x32\x82\x36\xb6\xa9"), "𠀀订", 0 },
	{ BL_CHARSET_GB18030, LIT("\x95\x32\nx"),
	    "\xef\xbf\xbd"
	    "2\nx",
	    1 },
	{ BL_CHARSET_UTF16LE, LIT("\xa2\x8b,\0\n\0"), "订,\n", 0 },
	{ BL_CHARSET_UTF16LE, LIT("\x40\xd8\0\xdc"), "𠀀", 0 },
	{ BL_CHARSET_UTF16LE, LIT("\0\xdc\n\0"), "\xef\xbf\xbd\n", 1 },
	{ BL_CHARSET_UTF16LE, LIT("\x40\xd8\n\0"), "\xef\xbf\xbd\n", 1 },
	{ BL_CHARSET_UTF16LE, LIT("a\0b"), "a\xef\xbf\xbd", 1 },
	{ BL_CHARSET_UTF16BE, LIT("\x8b\xa2\0,"), "订,", 0 },
	{ BL_CHARSET_LATIN1, LIT("caf\xe9"), "café", 0 },
	{ BL_CHARSET_WINDOWS1252, LIT("\x80 5"), "€ 5", 0 },
	{ BL_CHARSET_WINDOWS1252, LIT("\x81"), "\xef\xbf\xbd", 1 },
};

/* In pieces of `step` bytes, into room that grows by as much. */
static void
convert(size_t i, size_t step)
{
	char out[64];
	struct bl_charset_text t = { cases[i].in, 0, out, 0, 0 };
	size_t given = 0, had = 0;
	struct bl_charset_conv *conv;
	struct bl_err err = { 0 };

	assert_int_equal(bl_charset_open(&conv, cases[i].is, &err), BL_OK);
	while (given < cases[i].len || t.in_len > 0) {
		const size_t more = cases[i].len - given < step ? cases[i].len - given : step;
		const size_t room = sizeof(out) - had < step ? sizeof(out) - had : step;

		given += more;
		had += room;
		t.in_len += more;
		t.room += room;
		bl_charset_convert(conv, &t, given == cases[i].len);
	}
	if ((size_t)(t.out - out) != strlen(cases[i].want) ||
	    memcmp(out, cases[i].want, strlen(cases[i].want)) != 0 || t.wrong != cases[i].wrong)
		fail_msg("case %zu by %zu: \"%.*s\", %u wrong", i, step, (int)(t.out - out), out,
		    t.wrong);
	bl_charset_close(conv);
}

static void
text_is_converted_whole_and_in_pieces(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t step = 1; step < 9; step++)
			convert(i, step);
}

static void
a_line_break_is_found_where_one_is(void **state)
{
	static const struct {
		enum bl_charset is;
		const char *in;
		size_t len;
		int want; /* -1: none */
	} lines[] = {
		{ BL_CHARSET_GBK, LIT("\xb6\xa9\nx"), 3 },
		{ BL_CHARSET_UTF8, LIT("abc"), -1 },
		{ BL_CHARSET_UTF16LE, LIT("a\0\n\0b\0"), 4 },
		{ BL_CHARSET_UTF16LE, LIT("a\0\n"), -1 },
		{ BL_CHARSET_UTF16LE, LIT("\0\n\0\n\n\0"), 6 }, /* U+0A00 */
		{ BL_CHARSET_UTF16LE, LIT("\n\n\n\0"), 4 },     /* U+0A0A */
		{ BL_CHARSET_UTF16BE, LIT("\0a\0\n\0b"), 4 },
		{ BL_CHARSET_UTF16BE, LIT("\n\0\0\n"), 4 },
		{ BL_CHARSET_UTF16BE, LIT("\n\n\n\0"), -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const char *at = bl_charset_behind_line(lines[i].is, lines[i].in, lines[i].len);

		if ((at == NULL ? -1 : (int)(at - lines[i].in)) != lines[i].want)
			fail_msg("case %zu", i);
	}
}

/* GBK that is good UTF-8 as well is short: 一 is D2 BB, Greek and the like in UTF-8. */
static void
utf_8_is_known_where_something_else_was_said(void **state)
{
	static const struct {
		enum bl_charset is;
		const char *in;
		bool want;
	} texts[] = {
		{ BL_CHARSET_GBK, "1,完成", true },
		{ BL_CHARSET_GB18030, "审核 done", true },
		{ BL_CHARSET_GBK, "1,done", false },
		{ BL_CHARSET_GBK, "\xd2\xbb", false },
		{ BL_CHARSET_GBK, "\xb6\xa9\xb5\xa5\xba\xc5", false },
		{ BL_CHARSET_GBK, "\xc1\xaa\xcd\xa8", false }, /* 联通 */
		{ BL_CHARSET_GBK, "完成\xff", false },
		{ BL_CHARSET_GBK, "完成\xe5\xae", false },
		{ BL_CHARSET_LATIN1, "caf\xc3\xa9", true },
		{ BL_CHARSET_WINDOWS1252, "caf\xe9", false },
		{ BL_CHARSET_UTF8, "完成", false },
		{ BL_CHARSET_UTF16LE, "完成", false },
		{ BL_CHARSET_GBK, "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (bl_charset_is_utf8(texts[i].is, texts[i].in, strlen(texts[i].in)) !=
		    texts[i].want)
			fail_msg("case %zu", i);
}

static void
a_mark_says_what_it_is(void **state)
{
	size_t mark;

	(void)state;
	assert_int_equal(
	    bl_charset_told(LIT("\xef\xbb\xbfx"), BL_CHARSET_GBK, &mark), BL_CHARSET_UTF8);
	assert_int_equal(mark, 3);
	assert_int_equal(
	    bl_charset_told(LIT("\xff\xfe"), BL_CHARSET_GBK, &mark), BL_CHARSET_UTF16LE);
	assert_int_equal(mark, 2);
	assert_int_equal(
	    bl_charset_told(LIT("\xfe\xff"), BL_CHARSET_UTF8, &mark), BL_CHARSET_UTF16BE);
	assert_int_equal(bl_charset_told(LIT("\xef\xbb"), BL_CHARSET_GBK, &mark), BL_CHARSET_GBK);
	assert_int_equal(mark, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_converted_whole_and_in_pieces),
		cmocka_unit_test(a_line_break_is_found_where_one_is),
		cmocka_unit_test(utf_8_is_known_where_something_else_was_said),
		cmocka_unit_test(a_mark_says_what_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
