/*
 * Characters: UTF-8, what belongs into a name, how input methods type signs,
 * lower case.  All by ranges of code points: no locale, no tables of Unicode.
 */
#include "expr_internal.h"

struct range {
	uint32_t first, last;
};

size_t
expr_utf8(const char *s, size_t len, uint32_t *cp)
{
	static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *b = (const unsigned char *)s;
	size_t n;

	if (len == 0)
		return 0;
	*cp = b[0];
	if (b[0] < 0x80)
		return 1;
	n = b[0] >= 0xf0 ? 4 : b[0] >= 0xe0 ? 3 : 2;
	if (b[0] < 0xc2 || b[0] > 0xf4 || n > len)
		return 0;
	*cp = b[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((b[i] & 0xc0) != 0x80)
			return 0;
		*cp = *cp << 6 | (b[i] & 0x3fu);
	}
	if (*cp < least[n] || *cp > 0x10ffff || (*cp >= 0xd800 && *cp <= 0xdfff))
		return 0;
	return n;
}

size_t
expr_utf8_put(char out[4], uint32_t cp)
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xc0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (char)(0xe0 | cp >> 12);
		out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		out[2] = (char)(0x80 | (cp & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | cp >> 18);
	out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
	out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
	out[3] = (char)(0x80 | (cp & 0x3f));
	return 4;
}

size_t
expr_chars(const char *s, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += (s[i] & 0xc0) != 0x80;
	return n;
}

/* From U+0080 on: what is no part of a word (controls, spaces, signs, what cannot be seen). */
static const struct range no_word[] = {
	{ 0x80, 0xa9 },
	{ 0xab, 0xb4 },
	{ 0xb6, 0xb9 },
	{ 0xbb, 0xbf },
	{ 0xd7, 0xd7 },
	{ 0xf7, 0xf7 },
	{ 0x115f, 0x1160 },
	{ 0x1680, 0x1680 },
	{ 0x180e, 0x180e },
	{ 0x2000, 0x206f },
	{ 0x20a0, 0x20cf },
	{ 0x2190, 0x2bff },
	{ 0x2e00, 0x2e7f },
	{ 0x3000, 0x3004 },
	{ 0x3008, 0x3020 },
	{ 0x3030, 0x3030 },
	{ 0x3164, 0x3164 },
	{ 0xe000, 0xf8ff },
	{ 0xfe10, 0xfe1f },
	{ 0xfe30, 0xfe6f },
	{ 0xfeff, 0xfeff },
	{ 0xff00, 0xff20 },
	{ 0xff3b, 0xff40 },
	{ 0xff5b, 0xff65 },
	{ 0xffa0, 0xffa0 },
	{ 0xffe0, 0xffff },
	{ 0xe0000, 0x10ffff },
};

static bool
in_ranges(uint32_t cp, const struct range *r, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (cp >= r[i].first && cp <= r[i].last)
			return true;
	return false;
}

bool
expr_is_letter(uint32_t cp)
{
	if (cp < 0x80)
		return (cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z') || cp == '_';
	return !in_ranges(cp, no_word, sizeof(no_word) / sizeof(no_word[0]));
}

bool
expr_is_name_char(uint32_t cp)
{
	/* The joiners of Indic and Persian words are seen, if only by what they do. */
	return (cp >= '0' && cp <= '9') || cp == 0x200c || cp == 0x200d || expr_is_letter(cp);
}

uint32_t
expr_plain(uint32_t cp)
{
	static const struct {
		uint32_t from;
		char to;
	} signs[] = {
		{ 0x00a0, ' ' }, { 0x3000, ' ' }, { 0xfeff, ' ' }, { 0x2018, '\'' },
		{ 0x2019, '\'' }, { 0x201c, '"' }, { 0x201d, '"' }, { 0x3010, '[' },
		{ 0x3011, ']' }, { 0x00d7, '*' }, { 0x00f7, '/' }, { 0x2212, '-' },
		{ 0x3001, ';' }, /* no comma, but meant as one */
	};

	if (cp < 0x80)
		return cp;
	if (cp >= 0xff01 && cp <= 0xff5e && !expr_is_letter(cp))
		return cp - 0xfee0;
	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		if (signs[i].from == cp)
			return (uint32_t)signs[i].to;
	return cp;
}

/* Ranges of capitals: each step-th has its small letter `plus` further on. */
static const struct {
	uint32_t first, last, step, plus;
} capitals[] = {
	{ 'A', 'Z', 1, 32 }, /* Latin */
	{ 0xc0, 0xd6, 1, 32 }, { 0xd8, 0xde, 1, 32 }, { 0x100, 0x12e, 2, 1 },
	{ 0x132, 0x136, 2, 1 }, { 0x139, 0x147, 2, 1 }, { 0x14a, 0x176, 2, 1 },
	{ 0x179, 0x17d, 2, 1 }, { 0x388, 0x38a, 1, 37 },                           /* Greek */
	{ 0x391, 0x3a1, 1, 32 }, { 0x3a3, 0x3ab, 1, 32 }, { 0x400, 0x40f, 1, 80 }, /* Cyrillic */
	{ 0x410, 0x42f, 1, 32 }, { 0x460, 0x480, 2, 1 }, { 0x48a, 0x4be, 2, 1 },
	{ 0x4c1, 0x4cd, 2, 1 }, { 0x4d0, 0x52e, 2, 1 }, { 0x531, 0x556, 1, 48 }, /* Armenian */
	{ 0x1e00, 0x1e94, 2, 1 },                            /* Latin with marks, Vietnamese */
	{ 0x1ea0, 0x1efe, 2, 1 }, { 0xff21, 0xff3a, 1, 32 }, /* full width */
};

uint32_t
expr_lower(uint32_t cp)
{
	for (size_t i = 0; i < sizeof(capitals) / sizeof(capitals[0]); i++) {
		if (cp < capitals[i].first)
			break;
		if (cp <= capitals[i].last)
			return (cp - capitals[i].first) % capitals[i].step == 0
				   ? cp + capitals[i].plus
				   : cp;
	}
	return cp == 0x178 ? 0xff : cp;
}
