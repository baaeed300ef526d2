/*
 * Regular expressions: what they find, what they refuse, in whatever pieces
 * the text comes, and that neither time nor program grows beyond its bound.
 * glibc's regexec is the judge for what both understand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/regex.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct bl_regex *
compile(const char *pattern)
{
	struct bl_regex *re;
	struct bl_err err = { 0 };

	if (bl_regex_compile(&re, pattern, &err) < 0)
		fail_msg("%s: %s", pattern, err.msg);
	return re;
}

/* In one piece, byte by byte, and in two pieces at every place: all the same. */
static bool
occurs(const char *pattern, const char *text)
{
	struct bl_regex *re = compile(pattern);
	struct bl_regex_scan *s;
	struct bl_err err = { 0 };
	const size_t len = strlen(text);
	bool found;

	assert_int_equal(bl_regex_scan_create(&s, re, &err), BL_OK);
	found = bl_regex_scan_text(s, text, len);
	for (size_t cut = 0; cut <= len; cut++) {
		bl_regex_scan_begin(s);
		bl_regex_scan_feed(s, text, cut);
		bl_regex_scan_feed(s, text + cut, len - cut);
		assert_int_equal(bl_regex_scan_end(s), found);
	}
	bl_regex_scan_begin(s);
	for (size_t i = 0; i < len; i++)
		bl_regex_scan_feed(s, text + i, 1);
	assert_int_equal(bl_regex_scan_end(s), found);
	bl_regex_scan_free(s);
	bl_regex_free(re);
	return found;
}

static void
patterns_occur_or_do_not(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool found;
	} c[] = {
		{ "abc", "xxabcxx", true },
		{ "abc", "ababab", false },
		{ "", "anything", true },
		{ "a.c", "abc", true },
		{ "a.c", "a\nc", false },
		{ "a[^b]c", "a\nc", false },
		{ "[a-c]x[]y]", "bx]", true },
		{ "[^a-c]", "abc", false },
		{ "[a-]", "-", true },
		{ "[\\]\\d]", "]", true },
		{ "[\\]\\d]x", "7x", true },
		{ "ab*c", "ac", true },
		{ "ab+c", "ac", false },
		{ "ab+c", "abbbc", true },
		{ "ab?c", "abbc", false },
		{ "^(ab){2}$", "abab", true },
		{ "^(ab){2}$", "ababab", false },
		{ "^a{2,}$", "aaaa", true },
		{ "^a{2,3}$", "aaaa", false },
		{ "^a{0}$", "", true },
		{ "^a{0}b$", "ab", false },
		{ "^(a|b{2}){2,3}$", "abbbb", true },
		{ "^(a|b{2}){2,3}$", "abbb", false },
		{ "cat|dog|bird", "a bird", true },
		{ "^(cat|dog|)$", "", true },
		{ "^(cat|dog)s?$", "dogs", true },
		{ "(?:ok|up) *=", "up  =", true },
		{ "a*?b", "aab", true },
		{ "(a*)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", false },
		{ "((a?)*)+$", "aaa", true },
		{ "^second$", "first\nsecond\nthird", true },
		{ "^econd", "second", false },
		{ "first$", "first\r\n", false },
		{ "\\bup\\b", "is up.", true },
		{ "\\bup\\b", "upper", false },
		{ "\\Bper", "upper", true },
		{ "\\d{3}-\\d+", "call 555-1", true },
		{ "\\D\\W\\S", "a,b", true },
		{ "\\w\\s\\w", "a\tb", true },
		{ "\\x41\\t", "A\t", true },
		{ "1\\.5\\*\\\\", "1.5*\\", true },
		{ "1\\.5", "1x5", false },
		{ "(?i)status: OK", "STATUS: ok", true },
		{ "(?i)[a-c]{3}", "AbC", true },
		{ "(?i)[^a]", "A", false },
		{ "status: OK", "STATUS: ok", false },
		{ "价格", "总价格: 5", true },
		{ "价格?", "总价: 5", false }, /* the ? is the last byte's */
		{ "\"status\": *\"(ok|degraded)\"", "{\"status\":  \"degraded\"}", true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(c); i++)
		if (occurs(c[i].pattern, c[i].text) != c[i].found)
			fail_msg("%s in %s: %d", c[i].pattern, c[i].text, !c[i].found);
}

static void
what_is_not_understood_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *pattern, *error;
	} c[] = {
		{ "a)", "character 2: a parenthesis ) was never opened" },
		{ "(a", "is not closed" },
		{ "[a", "a bracket [ is not closed" },
		{ "[", "a bracket [ is not closed" },
		{ "[z-a]", "lesser to a greater" },
		{ "[a-\\d]", "lesser to a greater" },
		{ "*a", "nothing to repeat" },
		{ "a**", "nothing to repeat" },
		{ "a|+", "nothing to repeat" },
		{ "^*", "cannot be repeated" },
		{ "a{", "a count is written" },
		{ "a{2", "a count is written" },
		{ "a{,2}", "a count is written" },
		{ "a{3,2}", "a count is written" },
		{ "a{256}", "at most 255" },
		{ "a\\", "nothing behind" },
		{ "[\\", "nothing behind" },
		{ "\\x4", "two hexadecimal" },
		{ "(a)\\1", "references" },
		{ "\\q", "means nothing" },
		{ "(?=a)", "only (?:" },
		{ "a(?i)b", "only (?:" },
		{ "[[:alpha:]]", "not possible: use" },
		{ "[\xc3\xa4]", "only ASCII" },
		{ "(a{200}){200}", "too large" },
		{ "((((((((((((((((((((((((((a))))))))))))))))))))))))))", "too deeply" },
	};
	char lengthy[BL_REGEX_PATTERN_MAX + 2];

	(void)state;
	for (size_t i = 0; i <= COUNT(c); i++) {
		struct bl_regex *re;
		struct bl_err err = { 0 };
		const char *pattern = i < COUNT(c) ? c[i].pattern : lengthy;
		const char *error = i < COUNT(c) ? c[i].error : "at most 512";

		memset(lengthy, 'a', sizeof(lengthy) - 1);
		lengthy[sizeof(lengthy) - 1] = '\0';
		assert_int_equal(bl_regex_compile(&re, pattern, &err), BL_EINVAL);
		assert_null(re);
		if (strstr(err.msg, error) == NULL)
			fail_msg("%s: %s", pattern, err.msg);
	}
}

/* A text that makes backtrackers and lazy state machines explode is read in linear time. */
static void
no_text_takes_long(void **state)
{
	static const char *const patterns[] = { "(a|b)*a(a|b){20}c", "(a*)*(a*)*c", "(a|aa)+$",
		"(((a{5}){5}){5}|b){2}c" };
	static char text[200000];

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (i * 2654435761u >> 7) % 2 == 0 ? 'a' : 'b';
	text[sizeof(text) - 1] = '.';
	for (size_t i = 0; i < COUNT(patterns); i++) {
		struct bl_regex *re = compile(patterns[i]);
		struct bl_regex_scan *s;
		struct bl_err err = { 0 };

		assert_int_equal(bl_regex_scan_create(&s, re, &err), BL_OK);
		assert_false(bl_regex_scan_text(s, text, sizeof(text)));
		bl_regex_scan_free(s);
		bl_regex_free(re);
	}
}

static uint32_t seed = 20261128;

static unsigned
below(unsigned n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 16) % n;
}

/* A pattern that both understand alike. */
static void
pattern_make(char *out, size_t size, unsigned depth)
{
	static const char *const atoms[] = { "a", "b", "c", ".", "[ab]", "[^a]", "[b-c]" };
	static const char *const counts[] = { "", "", "", "*", "+", "?", "{2}", "{1,3}", "{0,2}",
		"{2,}" };
	const unsigned n = 1 + below(3);

	out[0] = '\0';
	for (unsigned i = 0; i < n; i++) {
		char part[400];
		char whole[500];

		if (depth > 0 && below(3) == 0) {
			char left[100];
			char right[100];

			pattern_make(left, sizeof(left), depth - 1);
			pattern_make(right, sizeof(right), depth - 1);
			snprintf(part, sizeof(part), "(%s|%s)", left, right);
		} else {
			snprintf(part, sizeof(part), "%s", atoms[below(COUNT(atoms))]);
		}
		snprintf(whole, sizeof(whole), "%s%s", part, counts[below(COUNT(counts))]);
		if (strlen(out) + strlen(whole) < size)
			strcat(out, whole);
	}
}

static void
the_same_is_found_as_by_the_c_library(void **state)
{
	unsigned judged = 0;
	unsigned found = 0;

	(void)state;
	for (unsigned round = 0; round < 1500; round++) {
		char inner[96];
		char pattern[100];
		regex_t judge;

		pattern_make(inner, sizeof(inner), 2);
		snprintf(pattern, sizeof(pattern), "%s%s%s", below(4) == 0 ? "^" : "", inner,
		    below(4) == 0 ? "$" : "");
		if (regcomp(&judge, pattern, REG_EXTENDED | REG_NEWLINE | REG_NOSUB) != 0)
			continue;
		for (unsigned k = 0; k < 6; k++) {
			char text[16] = { 0 };
			const unsigned len = below(sizeof(text));
			bool is;

			for (unsigned i = 0; i < len; i++)
				text[i] = "abcabcabd\n"[below(10)];
			is = regexec(&judge, text, 0, NULL, 0) == 0;
			if (occurs(pattern, text) != is)
				fail_msg("%s in %s: the C library says %d", pattern, text, is);
			judged++;
			found += is;
		}
		regfree(&judge);
	}
	assert_true(judged > 5000 && found > judged / 10 && found < judged - judged / 10);
}

/* Whatever stands in a pattern: an error or a program within its bounds. */
static void
mutated_patterns_do_no_harm(void **state)
{
	static const char chars[] = "ab()[]{}|*+?^$\\.,-:2d9xi\xc3";

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		char pattern[24] = { 0 };
		const unsigned len = below(sizeof(pattern));
		struct bl_regex *re;
		struct bl_regex_scan *s;
		struct bl_err err = { 0 };

		for (unsigned i = 0; i < len; i++)
			pattern[i] = chars[below(sizeof(chars) - 1)];
		if (bl_regex_compile(&re, pattern, &err) < 0) {
			assert_true(err.msg[0] != '\0');
			continue;
		}
		assert_int_equal(bl_regex_scan_create(&s, re, &err), BL_OK);
		bl_regex_scan_text(s, "aab2\nbx-", 8);
		bl_regex_scan_free(s);
		bl_regex_free(re);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_occur_or_do_not),
		cmocka_unit_test(what_is_not_understood_is_refused_with_its_place),
		cmocka_unit_test(no_text_takes_long),
		cmocka_unit_test(the_same_is_found_as_by_the_c_library),
		cmocka_unit_test(mutated_patterns_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
