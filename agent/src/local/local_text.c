/* Texts into a buffer; see the header. */
#include "local_text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
local_text_put(struct bl_buf *b, const char *s)
{
	bl_buf_bytes(b, s, strlen(s));
}

void
local_text_printf(struct bl_buf *b, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	local_text_put(b, text);
}

size_t
local_text_utf8(const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s;
	const size_t n = p[0] < 0x80   ? 1
			 : p[0] < 0xc2 ? 0
			 : p[0] < 0xe0 ? 2
			 : p[0] < 0xf0 ? 3
			 : p[0] < 0xf5 ? 4
				       : 0;

	if (n == 0 || n > len)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* Longer than needed, a half of a surrogate pair, beyond the last one. */
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

void
local_text_json(struct bl_buf *b, const char *s, size_t len)
{
	bl_buf_u8(b, '"');
	for (size_t i = 0; i < len;) {
		const size_t n = local_text_utf8(s + i, len - i);
		const unsigned char c = (unsigned char)s[i];

		if (n == 0)
			bl_buf_u8(b, '?');
		else if (c == '"' || c == '\\')
			local_text_printf(b, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			local_text_printf(b, "\\u%04x", c);
		else
			bl_buf_bytes(b, s + i, n);
		i += n > 0 ? n : 1;
	}
	bl_buf_u8(b, '"');
}

void
local_text_number(struct bl_buf *b, double v)
{
	char text[40];

	if (isnan(v) || isinf(v)) {
		local_text_put(b, isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf");
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		(void)snprintf(text, sizeof(text), "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	local_text_put(b, text);
}
