/* Text from the wire: UTF-8 in its shortest form, no surrogates, no U+0000, within its cap. */
#include "codec_internal.h"

#include <string.h>

size_t
bl_wire_utf8_step(const char *text, size_t left)
{
	const uint8_t *p = (const uint8_t *)text, lead = p[0];
	uint8_t low = 0x80, high = 0xbf; /* bounds of the second byte */
	size_t n;

	if (lead < 0x80)
		return lead != 0;
	if (lead < 0xc2 || lead > 0xf4)
		return 0;
	n = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	if (left < n)
		return 0;
	if (lead == 0xe0)
		low = 0xa0;
	else if (lead == 0xed)
		high = 0x9f;
	else if (lead == 0xf0)
		low = 0x90;
	else if (lead == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

bool
codec_utf8(const char *p, size_t len)
{
	while (len > 0) {
		const size_t n = bl_wire_utf8_step(p, len);

		if (n == 0)
			return false;
		p += n;
		len -= n;
	}
	return true;
}

bool
bl_wire_utf8(const char *p, size_t len)
{
	return codec_utf8(p, len);
}

bool
codec_text_ok(struct bl_str s, size_t min, size_t max)
{
	return s.len >= min && s.len <= max && (s.len == 0 || codec_utf8(s.p, s.len));
}

struct bl_str
codec_get_text(struct bl_rd *rd, size_t min, size_t max)
{
	struct bl_str s;

	s.p = (const char *)bl_rd_blob(rd, max, &s.len);
	if (rd->failed || s.len < min || !codec_utf8(s.p, s.len)) {
		rd->failed = true;
		return (struct bl_str){ "", 0 };
	}
	return s;
}

void
codec_get_cstr(struct bl_rd *rd, char *out, size_t size)
{
	const struct bl_str s = codec_get_text(rd, 0, size - 1);

	memcpy(out, s.p, s.len);
	out[s.len] = '\0';
}

void
codec_put_text(struct bl_buf *out, struct bl_str s)
{
	bl_buf_blob(out, s.p, s.len);
}
