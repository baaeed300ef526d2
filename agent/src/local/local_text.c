/* Texts into a buffer; see the header. */
#include "local_text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/wire.h"

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
	return s[0] == '\0' ? 1 : bl_wire_utf8_step(s, len);
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
