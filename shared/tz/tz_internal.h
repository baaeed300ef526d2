/*
 * What the files of shared/tz know of each other: a zone in memory, and the two
 * parsers, which work from memory so that a fuzzer reaches them.
 * All times here are whole seconds since 1970 in UTC.
 */
#ifndef BL_TZ_INTERNAL_H
#define BL_TZ_INTERNAL_H

#include "branchline/tz.h"

#define TZ_NAME_MAX   63u
#define TZ_FILE_MAX   (64u * 1024u) /* the largest of tzdata is under 4 KiB */
#define TZ_TYPES_MAX  256u
#define TZ_ABBR_MAX   15u
#define TZ_OFFSET_MAX 93599 /* 25:59:59 east; RFC 9636, section 3.2 */
#define TZ_OFFSET_MIN (-89999)
#define TZ_DAY_S      86400

struct tz_type {
	int32_t offset_s;
	char abbr[TZ_ABBR_MAX + 1]; /* cut when longer */
};

/* "Jn", "n" or "Mm.w.d", and a time of day that may lie days away. */
enum tz_rule_kind { TZ_RULE_JULIAN, TZ_RULE_DAY, TZ_RULE_MONTH };
struct tz_rule {
	enum tz_rule_kind kind;
	int month, week, day;
	int32_t time_s;
};

/* The footer: a standard time, and perhaps a second one with when it begins and ends. */
struct tz_footer {
	bool present, has_dst;
	struct tz_type std, dst;
	struct tz_rule begin, end;
};

struct bl_tz {
	char name[TZ_NAME_MAX + 1];
	size_t n_times, n_types;
	int64_t *time_s;  /* strictly ascending */
	uint8_t *type_at; /* the type from that time on */
	struct tz_type *types;
	struct tz_footer footer;
};

/* A stretch of time with one type. */
struct tz_piece {
	const struct tz_type *type;
	int64_t until_s; /* exclusive; INT64_MAX: for ever */
};

/* Fills a zeroed zone; what it allocated before a failure goes with bl_tz_free. */
int bl_tz_parse_file(struct bl_tz *tz, const uint8_t *data, size_t len, struct bl_err *err);
/* A POSIX TZ string of len bytes with the extensions of RFC 9636. False: it is none. */
bool bl_tz_parse_footer(struct tz_footer *f, const char *text, size_t len);

struct tz_piece bl_tz_piece(const struct bl_tz *tz, int64_t at_s);
struct tz_piece bl_tz_footer_piece(const struct tz_footer *f, int64_t at_s);

static inline int64_t
tz_floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b != 0 && (a % b < 0) != (b < 0));
}

/* Days since 1970-01-01 of a Gregorian date, any year; and back. */
int64_t bl_tz_days(int64_t year, int month, int day);
void bl_tz_date(int64_t days, int64_t *year, int *month, int *day);

#endif
