/*
 * libFuzzer target: a regular expression, a newline, and the text that it is
 * sought in.  In whatever pieces the text comes, it is found or it is not, and a
 * pattern that is refused says why.  The walk that knows groups finds it where the other does, and
 * its groups lie in the text.
 *
 * The first byte is the size of the pieces.
 */
#include "branchline/regex.h"
#include "branchline/regex_groups.h"
#include "fuzz.h"

static bool
found(struct bl_regex_scan *s, const char *data, size_t size, size_t piece)
{
	bl_regex_scan_begin(s);
	for (size_t at = 0; at < size; at += piece) {
		const size_t n = size - at < piece ? size - at : piece;

		if (bl_regex_scan_feed(s, data + at, n))
			return true;
	}
	return bl_regex_scan_end(s);
}

/* 1 or 0: it occurs; negative: not known, or the pattern is refused. */
static int
find_groups(const char *pattern, const char *text, size_t len)
{
	struct bl_regex_span span[BL_REGEX_GROUPS_MAX];
	struct bl_regex_groups *g;
	struct bl_regex_finder *f;
	struct bl_err err = { 0 };
	int rc = bl_regex_groups_compile(&g, pattern, &err);

	if (rc < 0) {
		CHECK(err.msg[0] != '\0' && g == NULL);
		return rc;
	}
	CHECK(bl_regex_finder_create(&f, g, &err) == BL_OK);
	rc = bl_regex_find(f, text, len, span);
	for (unsigned i = 0; rc == 1 && i < bl_regex_groups_count(g); i++)
		CHECK(span[i].begin == -1 ? span[i].end == -1
					  : span[i].begin >= 0 && span[i].begin <= span[i].end &&
						(size_t)span[i].end <= len);
	bl_regex_finder_free(f);
	bl_regex_groups_free(g);
	return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bl_err err = { 0 };
	struct bl_regex *re;
	struct bl_regex_scan *s;
	char *text;
	size_t len;
	int groups;

	if (size == 0)
		return 0;
	text = fuzz_text(data + 1, size - 1);
	len = strcspn(text, "\n");
	if (len < size - 1)
		text[len++] = '\0';
	groups = find_groups(text, text + len, size - 1 - len);
	if (bl_regex_compile(&re, text, &err) < 0) {
		CHECK(err.msg[0] != '\0' && re == NULL);
	} else {
		CHECK(bl_regex_scan_create(&s, re, &err) == BL_OK);
		CHECK(found(s, text + len, size - 1 - len, 1u + data[0] % 16) ==
		      bl_regex_scan_text(s, text + len, size - 1 - len));
		CHECK(groups == bl_regex_scan_text(s, text + len, size - 1 - len) ||
		      groups == BL_EFULL);
		bl_regex_scan_free(s);
		bl_regex_free(re);
	}
	free(text);
	return 0;
}
