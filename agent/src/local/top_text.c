/* Text for a terminal: how wide it is, and nothing in it that steers one. */
#include "top.h"

#include <string.h>

#include "local_text.h"

static uint32_t
code_of(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;

	switch (n) {
	case 1:
		return p[0];
	case 2:
		return (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
	case 3:
		return (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);
	default:
		return (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12 |
		       (uint32_t)(p[2] & 0x3f) << 6 | (p[3] & 0x3f);
	}
}

static bool
between(uint32_t c, const uint32_t (*range)[2], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (c >= range[i][0] && c <= range[i][1])
			return true;
	return false;
}

/* Steers a terminal, turns the direction of writing, joins others, or takes no room of its own. */
static bool
harmful(uint32_t c)
{
	static const uint32_t ranges[][2] = { { 0, 0x1f }, { 0x7f, 0x9f }, { 0xad, 0xad },
		{ 0x300, 0x36f }, { 0x483, 0x489 }, { 0x591, 0x8ff }, { 0x180b, 0x180f },
		{ 0x1ab0, 0x1aff }, { 0x1dc0, 0x1dff }, { 0x200b, 0x200f }, { 0x2028, 0x202e },
		{ 0x2060, 0x206f }, { 0x20d0, 0x20ff }, { 0xe000, 0xf8ff }, { 0xfb1d, 0xfdff },
		{ 0xfe00, 0xfe0f }, { 0xfe20, 0xfe2f }, { 0xfe70, 0xfeff }, { 0xfff0, 0xffff },
		{ 0x1f000, 0x1ffff }, { 0xe0000, 0x10ffff } };

	return between(c, ranges, sizeof(ranges) / sizeof(ranges[0]));
}

/* East Asian Wide and Fullwidth. */
static bool
wide(uint32_t c)
{
	static const uint32_t ranges[][2] = { { 0x1100, 0x115f }, { 0x2e80, 0x303e },
		{ 0x3041, 0xa4cf }, { 0xa960, 0xa97f }, { 0xac00, 0xd7a3 }, { 0xf900, 0xfaff },
		{ 0xfe10, 0xfe19 }, { 0xfe30, 0xfe6f }, { 0xff00, 0xff60 }, { 0xffe0, 0xffe6 },
		{ 0x20000, 0x3fffd } };

	return between(c, ranges, sizeof(ranges) / sizeof(ranges[0]));
}

/* The next character: its bytes, its columns, and whether it can be shown. */
static size_t
next(const char *s, bool utf8, unsigned *cols, bool *good)
{
	const size_t n = local_text_utf8(s, strlen(s));
	const uint32_t c = n > 0 ? code_of(s, n) : 0;

	*good = n > 0 && !harmful(c) && (utf8 || c < 0x80);
	*cols = *good && wide(c) ? 2 : 1;
	return n > 0 ? n : 1;
}

unsigned
top_width(const char *s, bool utf8)
{
	unsigned all = 0, cols;
	bool good;

	while (*s != '\0') {
		s += next(s, utf8, &cols, &good);
		all += cols;
	}
	return all;
}

unsigned
top_fit(struct bl_buf *b, const char *s, unsigned room, bool utf8)
{
	unsigned used = 0, cols;
	bool good;

	while (*s != '\0') {
		const size_t n = next(s, utf8, &cols, &good);

		if (used + cols > room)
			break;
		if (good)
			bl_buf_bytes(b, s, n);
		else
			bl_buf_u8(b, '?');
		used += cols;
		s += n;
	}
	return used;
}
