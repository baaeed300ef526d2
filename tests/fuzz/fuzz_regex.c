/*
 * libFuzzer target: a regular expression, a newline, and the text that it is
 * sought in.  In whatever pieces the text comes, it is found or it is not, and a
 * pattern that is refused says why.
 *
 * The first byte is the size of the pieces.
 */
#include "branchline/regex.h"
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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bl_err err = { 0 };
	struct bl_regex *re;
	struct bl_regex_scan *s;
	char *text;
	size_t len;

	if (size == 0)
		return 0;
	text = fuzz_text(data + 1, size - 1);
	len = strcspn(text, "\n");
	if (len < size - 1)
		text[len++] = '\0';
	if (bl_regex_compile(&re, text, &err) < 0) {
		CHECK(err.msg[0] != '\0' && re == NULL);
	} else {
		CHECK(bl_regex_scan_create(&s, re, &err) == BL_OK);
		CHECK(found(s, text + len, size - 1 - len, 1u + data[0] % 16) ==
		      bl_regex_scan_text(s, text + len, size - 1 - len));
		bl_regex_scan_free(s);
		bl_regex_free(re);
	}
	free(text);
	return 0;
}
