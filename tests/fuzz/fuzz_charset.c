/*
 * libFuzzer target: text of any encoding.  The first byte says which, and in which pieces it comes
 * and goes.  Looked for, besides what the sanitizers see: text that is not UTF-8, a line break that
 * comes or goes, text that differs by the pieces, a conversion that does not end.
 */
#include "branchline/charset.h"
#include "branchline/wire.h"
#include "fuzz.h"

#define MAX 2048u

static unsigned
breaks(enum bl_charset c, const char *p, size_t len)
{
	const char *const end = p + len;
	unsigned n = 0;

	while ((p = bl_charset_behind_line(c, p, (size_t)(end - p))) != NULL)
		n++;
	return n;
}

static size_t
convert(enum bl_charset c, const char *in, size_t len, size_t step, char *out, unsigned *wrong)
{
	struct bl_charset_text t = { in, 0, out, 0, 0 };
	struct bl_charset_conv *conv;
	struct bl_err err = { 0 };
	size_t given = 0, room = 0;

	CHECK(bl_charset_open(&conv, c, &err) == BL_OK);
	for (unsigned i = 0; given < len || t.in_len > 0; i++) {
		const size_t more = len - given < step ? len - given : step;

		CHECK(i < 8 * MAX && room + step <= 3 * MAX + 8 * MAX);
		given += more;
		t.in_len += more;
		room += step;
		t.room += step;
		bl_charset_convert(conv, &t, given == len);
	}
	bl_charset_close(conv);
	*wrong = t.wrong;
	return (size_t)(t.out - out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char whole[12 * MAX], pieces[12 * MAX];
	const char *in = (const char *)data + 1;
	enum bl_charset c;
	size_t n, k, line = 0;
	unsigned wrong[2];

	if (size < 2 || size - 1 > MAX)
		return 0;
	c = BL_CHARSET_GBK + data[0] % (BL_CHARSETS - BL_CHARSET_GBK);
	n = convert(c, in, size - 1, MAX, whole, &wrong[0]);
	k = convert(c, in, size - 1, 1 + (data[0] >> 3), pieces, &wrong[1]);
	CHECK(n == k && memcmp(whole, pieces, n) == 0 && wrong[0] == wrong[1]);
	for (size_t i = 0; i < n; i++) /* a zero byte is no text, but may be there */
		if (whole[i] == '\0')
			whole[i] = ' ';
	CHECK(bl_wire_utf8(whole, n));
	CHECK(breaks(c, in, size - 1) == breaks(BL_CHARSET_UTF8, whole, n));
	(void)bl_charset_is_utf8(c, in, size - 1);
	(void)bl_charset_told(in, size - 1, c, &line);
	return 0;
}
