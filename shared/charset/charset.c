/* Encodings through iconv; see the header. */
#include "branchline/charset.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>

struct bl_charset_conv {
	enum bl_charset is;
	iconv_t cd;
};

const char *const bl_charset_names[BL_CHARSETS + 1] = { "utf-8", "gbk", "gb18030", "utf-16le",
	"utf-16be", "latin1", "windows-1252", NULL };

enum bl_charset
bl_charset_told(const void *p, size_t len, enum bl_charset otherwise, size_t *mark)
{
	*mark = 3;
	if (len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		return BL_CHARSET_UTF8;
	*mark = 2;
	if (len >= 2 && memcmp(p, "\xff\xfe", 2) == 0)
		return BL_CHARSET_UTF16LE;
	if (len >= 2 && memcmp(p, "\xfe\xff", 2) == 0)
		return BL_CHARSET_UTF16BE;
	*mark = 0;
	return otherwise;
}

size_t
bl_charset_width(enum bl_charset c)
{
	return c == BL_CHARSET_UTF16LE || c == BL_CHARSET_UTF16BE ? 2 : 1;
}

const char *
bl_charset_behind_line(enum bl_charset c, const char *p, size_t len)
{
	const size_t width = bl_charset_width(c);
	const char *const from = p;
	const char *at;

	while ((at = memchr(p, '\n', len - (size_t)(p - from))) != NULL) {
		const size_t i = (size_t)(at - from);

		p = at + 1;
		if (width == 1)
			return p;
		if (c == BL_CHARSET_UTF16LE && i % 2 == 0 && i + 1 < len && at[1] == '\0')
			return at + 2;
		if (c == BL_CHARSET_UTF16BE && i % 2 == 1 && at[-1] == '\0')
			return p;
	}
	return NULL;
}

/* Bytes of the character that p begins, by its first one; 0: none begins so. */
static size_t
utf8_len(unsigned char first)
{
	return first < 0x80   ? 1
	       : first < 0xc2 ? 0
	       : first < 0xe0 ? 2
	       : first < 0xf0 ? 3
	       : first < 0xf5 ? 4
			      : 0;
}

bool
bl_charset_is_utf8(enum bl_charset c, const char *p, size_t len)
{
	const bool wide = c == BL_CHARSET_GBK || c == BL_CHARSET_GB18030;
	unsigned found = 0;

	if (!wide && c != BL_CHARSET_LATIN1 && c != BL_CHARSET_WINDOWS1252)
		return false;
	for (size_t i = 0; i < len;) {
		const size_t n = utf8_len((unsigned char)p[i]);

		if (n == 0 || n > len - i)
			return false;
		for (size_t k = 1; k < n; k++)
			if (((unsigned char)p[i + k] & 0xc0) != 0x80)
				return false;
		found += n > (wide ? 2u : 1u);
		i += n;
	}
	return found > (wide ? 1u : 0u);
}

int
bl_charset_open(struct bl_charset_conv **out, enum bl_charset c, struct bl_err *err)
{
	struct bl_charset_conv *conv = malloc(sizeof(*conv));

	*out = NULL;
	if (conv == NULL)
		return bl_fail(err, BL_ENOMEM, "charset: out of memory");
	conv->is = c;
	conv->cd =
	    iconv_open("UTF-8", c == BL_CHARSET_WINDOWS1252 ? "CP1252" : bl_charset_names[c]);
	if (conv->cd == (iconv_t)-1) { /* NOLINT(performance-no-int-to-ptr): iconv's own word */
		free(conv);
		return bl_fail(err, BL_EUNSUPPORTED,
		    "this system cannot convert %s; install libc-gconv-modules-extra (Debian, "
		    "Ubuntu) "
		    "or glibc-gconv-extra (Red Hat and its kin)",
		    bl_charset_names[c]);
	}
	*out = conv;
	return BL_OK;
}

void
bl_charset_close(struct bl_charset_conv *conv)
{
	if (conv != NULL)
		(void)iconv_close(conv->cd);
	free(conv);
}

/* What stands at t->in is none.  False: no room to say so. */
static bool
put_wrong(const struct bl_charset_conv *conv, struct bl_charset_text *t, size_t len)
{
	const bool euro = conv->is == BL_CHARSET_GBK && (unsigned char)*t->in == 0x80;

	if (t->room < 3)
		return false;
	memcpy(t->out, euro ? "\xe2\x82\xac" : "\xef\xbf\xbd", 3);
	t->out += 3;
	t->room -= 3;
	t->wrong += !euro;
	t->in += len;
	t->in_len -= len;
	return true;
}

void
bl_charset_convert(struct bl_charset_conv *conv, struct bl_charset_text *t, bool end)
{
	const size_t width = bl_charset_width(conv->is);

	while (t->in_len > 0) {
		char *in = (char *)(size_t)t->in; /* iconv does not write there */
		const size_t rc = iconv(conv->cd, &in, &t->in_len, &t->out, &t->room);
		const int e = errno;

		t->in = in;
		if (rc != (size_t)-1 || e == E2BIG || (e == EINVAL && !end))
			return;
		/* Of one that is cut short nothing more comes. */
		if (!put_wrong(conv, t, e == EINVAL || t->in_len < width ? t->in_len : width))
			return;
	}
}
