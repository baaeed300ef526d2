/* The text of a plug-in, taken apart; see the header.  No state, no I/O. */
#include "plugins_output.h"

#include <string.h>

/* The length of the character at p, or 0 when it is none, or a control character. */
static size_t
character(const char *p, size_t left)
{
	const unsigned char lead = (unsigned char)p[0];
	const size_t n = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

	return lead >= 0x20 && lead != 0x7f && n <= left && bl_wire_utf8(p, n) ? n : 0;
}

static bool
is_space(char ch)
{
	return ch == ' ' || ch == '\t' || ch == '\r';
}

/* One line of text, without space at its end. */
static void
put_text(struct bl_buf *to, const char *p, size_t len)
{
	size_t n;

	while (len > 0 && is_space(p[len - 1]))
		len--;
	for (size_t i = 0; i < len; i += n) {
		if ((n = character(p + i, len - i)) > 0) {
			bl_buf_bytes(to, p + i, n);
			continue;
		}
		bl_buf_u8(to, p[i] == '\t' ? ' ' : '?');
		n = 1;
	}
}

/* All parts are separated, the newlines of the further text from each other as well. */
static void
put_line(struct bl_buf *to, const char *p, size_t len)
{
	if (to->len > 0)
		bl_buf_u8(to, '\n');
	put_text(to, p, len);
}

static void
put_perf(struct bl_buf *to, const char *p, size_t len)
{
	put_text(to, p, len);
	bl_buf_u8(to, ' ');
}

void
plugins_output_split(
    const char *out, size_t len, struct bl_buf *text, struct bl_buf *detail, struct bl_buf *perf)
{
	const char *p = out, *end = out + len;
	bool first = true, data = false; /* of the further lines */

	for (; p < end; first = false) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		const char *stop = nl != NULL ? nl : end;
		const char *bar = data ? NULL : memchr(p, '|', (size_t)(stop - p));

		if (data)
			put_perf(perf, p, (size_t)(stop - p));
		else if (first)
			put_text(text, p, (size_t)((bar != NULL ? bar : stop) - p));
		else
			put_line(detail, p, (size_t)((bar != NULL ? bar : stop) - p));
		if (bar != NULL)
			put_perf(perf, bar + 1, (size_t)(stop - bar - 1));
		data = data || (!first && bar != NULL);
		p = stop < end ? stop + 1 : end;
	}
	while (detail->len > 0 && detail->data[detail->len - 1] == '\n')
		detail->len--;
}

size_t
plugins_text_cut(const char *text, size_t len, size_t max)
{
	if (len <= max)
		return len;
	while (max > 0 && ((unsigned char)text[max] & 0xc0) == 0x80)
		max--;
	return max;
}
