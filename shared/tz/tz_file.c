/*
 * TZif (RFC 9636): bytes to a zone.  Pure; every count is checked against the
 * bytes that are there before it is used.
 *
 * Two layouts: version 1 has 32-bit times; later ones repeat everything with
 * 64-bit times and end with a footer.  Files that count leap seconds ("right/")
 * are refused: the rest of the product counts POSIX time.
 */
#include "tz_internal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_BYTES 44u

struct header {
	char version;
	uint32_t isut, isstd, leap, times, types, chars;
};

/* What is left to read. */
struct input {
	const uint8_t *p;
	size_t left;
};

static const uint8_t *
take(struct input *in, size_t len)
{
	const uint8_t *p = in->p;

	if (len > in->left)
		return NULL;
	in->p += len;
	in->left -= len;
	return p;
}

static uint32_t
be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t
signed32(const uint8_t *p)
{
	return (int32_t)be32(p);
}

static int64_t
signed64(const uint8_t *p)
{
	return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

static bool
read_header(struct input *in, struct header *h)
{
	const uint8_t *p = take(in, HEADER_BYTES);

	if (p == NULL || memcmp(p, "TZif", 4) != 0 || (p[4] != 0 && (p[4] < '2' || p[4] > '9')))
		return false;
	*h = (struct header){
		.version = (char)p[4],
		.isut = be32(p + 20),
		.isstd = be32(p + 24),
		.leap = be32(p + 28),
		.times = be32(p + 32),
		.types = be32(p + 36),
		.chars = be32(p + 40),
	};
	return h->types != 0 && h->types <= TZ_TYPES_MAX && h->chars != 0 &&
	       (h->isut == 0 || h->isut == h->types) && (h->isstd == 0 || h->isstd == h->types);
}

/* The bytes of a data block whose times are width bytes wide. */
static uint64_t
block_bytes(const struct header *h, uint64_t width)
{
	return (uint64_t)h->times * (width + 1) + (uint64_t)h->types * 6 + h->chars +
	       (uint64_t)h->leap * (width + 4) + h->isstd + h->isut;
}

/* One local time type of 6 bytes; its abbreviation ends within chars. */
static bool
read_type(struct tz_type *t, const uint8_t *p, const uint8_t *chars, size_t n_chars)
{
	const int64_t offset = signed32(p);
	const size_t at = p[5];
	size_t len;

	if (offset < TZ_OFFSET_MIN || offset > TZ_OFFSET_MAX || p[4] > 1 || at >= n_chars ||
	    memchr(chars + at, 0, n_chars - at) == NULL)
		return false;
	t->offset_s = (int32_t)offset;
	len = strnlen((const char *)chars + at, TZ_ABBR_MAX);
	memcpy(t->abbr, chars + at, len);
	t->abbr[len] = '\0';
	return true;
}

static bool
read_times(struct bl_tz *tz, const uint8_t *times, const uint8_t *at, size_t width)
{
	for (size_t i = 0; i < tz->n_times; i++) {
		const uint8_t *p = times + i * width;

		tz->time_s[i] = width == 8 ? signed64(p) : signed32(p);
		tz->type_at[i] = at[i];
		if (at[i] >= tz->n_types || (i > 0 && tz->time_s[i] <= tz->time_s[i - 1]))
			return false;
	}
	return true;
}

static int
read_block(
    struct bl_tz *tz, struct input *in, const struct header *h, size_t width, struct bl_err *err)
{
	const uint64_t bytes = block_bytes(h, width);
	const uint8_t *times, *at, *types, *chars;

	if (bytes > in->left)
		return bl_fail(err, BL_ECORRUPT, "time zone file ends within its table");
	times = take(in, (size_t)bytes);
	at = times + h->times * width;
	types = at + h->times;
	chars = types + h->types * 6u;

	tz->n_times = h->times;
	tz->n_types = h->types;
	tz->types = calloc(tz->n_types, sizeof(*tz->types));
	tz->time_s = calloc(tz->n_times + 1, sizeof(*tz->time_s));
	tz->type_at = calloc(tz->n_times + 1, sizeof(*tz->type_at));
	if (tz->types == NULL || tz->time_s == NULL || tz->type_at == NULL)
		return bl_fail(err, BL_ENOMEM, "time zone: out of memory");

	for (size_t i = 0; i < tz->n_types; i++)
		if (!read_type(&tz->types[i], types + i * 6, chars, h->chars))
			return bl_fail(
			    err, BL_ECORRUPT, "time zone file: local time type %zu is wrong", i);
	if (!read_times(tz, times, at, width))
		return bl_fail(err, BL_ECORRUPT, "time zone file: its times are out of order");
	return BL_OK;
}

/* "\nTZ\n" and nothing behind; empty: the zone says nothing of later times. */
static int
read_footer(struct bl_tz *tz, struct input *in, struct bl_err *err)
{
	const size_t len = in->left;

	if (len < 2 || in->p[0] != '\n' || in->p[len - 1] != '\n')
		return bl_fail(err, BL_ECORRUPT, "time zone file: its footer is missing or cut");
	if (len > 2 && !bl_tz_parse_footer(&tz->footer, (const char *)in->p + 1, len - 2))
		return bl_fail(err, BL_ECORRUPT, "time zone file: its footer does not parse");
	return BL_OK;
}

int
bl_tz_parse_file(struct bl_tz *tz, const uint8_t *data, size_t len, struct bl_err *err)
{
	struct input in = { data, len };
	struct header h;
	size_t width = 4;
	int rc;

	if (!read_header(&in, &h))
		return bl_fail(err, BL_ECORRUPT, "not a time zone file (TZif)");
	if (h.version != 0) {
		const uint64_t first = block_bytes(&h, 4);

		if (first > in.left || take(&in, (size_t)first) == NULL || !read_header(&in, &h))
			return bl_fail(err, BL_ECORRUPT, "time zone file: no second part");
		width = 8;
	}
	if (h.leap != 0)
		return bl_fail(err, BL_EUNSUPPORTED, "time zone file counts leap seconds");
	if ((rc = read_block(tz, &in, &h, width, err)) < 0)
		return rc;
	return width == 8 ? read_footer(tz, &in, err) : BL_OK;
}
