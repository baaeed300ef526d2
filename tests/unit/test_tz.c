/*
 * Time zones: days of every length, names that lead nowhere, damaged files.
 * All zones of tzdata are compared with Python's zoneinfo in tests/contract/test_tz.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "branchline/tz.h"
#include "tz_internal.h"

static struct bl_tz *
zone(const char *name)
{
	struct bl_tz *tz;
	struct bl_err err = { 0 };

	if (bl_tz_load(&tz, name, NULL, &err) != BL_OK)
		fail_msg("%s: %s", name, err.msg);
	return tz;
}

static int64_t
utc(int64_t year, int month, int day, int hour, int minute)
{
	return (((bl_tz_days(year, month, day) * 24 + hour) * 60) + minute) * 60000;
}

static void
days_have_their_own_lengths(void **state)
{
	static const struct {
		const char *zone;
		int at[5], begin[5]; /* UTC: an instant of the day, its begin */
		int minutes;
	} cases[] = {
		{ "Asia/Shanghai", { 2026, 11, 28, 12, 0 }, { 2026, 11, 27, 16, 0 }, 1440 },
		{ "UTC", { 2026, 11, 28, 0, 0 }, { 2026, 11, 28, 0, 0 }, 1440 },
		{ "Europe/Berlin", { 2026, 3, 29, 12, 0 }, { 2026, 3, 28, 23, 0 }, 1380 },
		{ "Europe/Berlin", { 2026, 10, 25, 12, 0 }, { 2026, 10, 24, 22, 0 }, 1500 },
		{ "Europe/Berlin", { 2026, 10, 24, 21, 59 }, { 2026, 10, 23, 22, 0 }, 1440 },
		/* Half an hour. */
		{ "Australia/Lord_Howe", { 2026, 4, 5, 0, 0 }, { 2026, 4, 4, 13, 0 }, 1470 },
		{ "Australia/Lord_Howe", { 2026, 10, 4, 0, 0 }, { 2026, 10, 3, 13, 30 }, 1410 },
		/* No midnight: the day begins at 01:00. */
		{ "America/Sao_Paulo", { 2018, 11, 4, 12, 0 }, { 2018, 11, 4, 3, 0 }, 1380 },
		{ "Asia/Beirut", { 2026, 3, 29, 12, 0 }, { 2026, 3, 28, 22, 0 }, 1380 },
		/* Midnight twice, for 24:00 goes back to 23:00: the day before is longer. */
		{ "America/Sao_Paulo", { 2018, 2, 18, 2, 30 }, { 2018, 2, 17, 2, 0 }, 1500 },
		/* Midnight twice within one day. */
		{ "America/Havana", { 2026, 11, 1, 12, 0 }, { 2026, 11, 1, 4, 0 }, 1500 },
		/* 00:01 goes back to 23:01: the new day began at the first midnight. */
		{ "America/St_Johns", { 2010, 11, 7, 3, 0 }, { 2010, 11, 7, 2, 30 }, 1500 },
		{ "America/St_Johns", { 2010, 11, 7, 2, 29 }, { 2010, 11, 6, 2, 30 }, 1440 },
		/* 2011-12-30 was skipped: the 29th touches the 31st. */
		{ "Pacific/Apia", { 2011, 12, 30, 9, 59 }, { 2011, 12, 29, 10, 0 }, 1440 },
		{ "Pacific/Apia", { 2011, 12, 30, 10, 0 }, { 2011, 12, 30, 10, 0 }, 1440 },
		{ "Pacific/Kwajalein", { 1993, 8, 21, 11, 59 }, { 1993, 8, 20, 12, 0 }, 1440 },
		/* Long after the table. */
		{ "Europe/Berlin", { 2400, 3, 26, 12, 0 }, { 2400, 3, 25, 23, 0 }, 1380 },
		/* The south's summer began in the year before. */
		{ "America/Santiago", { 2101, 1, 15, 12, 0 }, { 2101, 1, 15, 3, 0 }, 1440 },
		{ "America/Santiago", { 2101, 9, 4, 12, 0 }, { 2101, 9, 4, 4, 0 }, 1380 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const int *a = cases[i].at, *b = cases[i].begin;
		struct bl_tz *tz = zone(cases[i].zone);
		int64_t begin, end;

		bl_tz_day(tz, utc(a[0], a[1], a[2], a[3], a[4]), &begin, &end);
		if (begin != utc(b[0], b[1], b[2], b[3], b[4]) ||
		    end - begin != cases[i].minutes * 60000)
			fail_msg("case %zu %s: [%lld, %lld) %lld min", i, cases[i].zone,
			    (long long)begin, (long long)end, (long long)(end - begin) / 60000);
		bl_tz_free(tz);
	}
}

static void
times_are_written_as_people_read_them(void **state)
{
	static const struct {
		const char *zone;
		int64_t unix_ms;
		const char *text, *rfc3339, *abbreviation;
		int weekday;
	} cases[] = {
		{ "Asia/Shanghai", INT64_C(1795845787123), "2026-11-28 14:03:07",
		    "2026-11-28T14:03:07+08:00", "CST", 6 },
		{ "Asia/Kolkata", 0, "1970-01-01 05:30:00", "1970-01-01T05:30:00+05:30", "IST", 4 },
		{ "America/St_Johns", INT64_C(1795845787000), "2026-11-28 02:33:07",
		    "2026-11-28T02:33:07-03:30", "NST", 6 },
		{ "UTC", -1, "1969-12-31 23:59:59", "1969-12-31T23:59:59+00:00", "UTC", 3 },
		{ "America/Sao_Paulo", INT64_C(1795845787000), "2026-11-28 03:03:07",
		    "2026-11-28T03:03:07-03:00", "-03", 6 },
		/* 44 min 30 s west: whole minutes are printed, and the instant is right. */
		{ "Africa/Monrovia", 0, "1969-12-31 23:15:30", "1969-12-31T23:15:00-00:45", "MMT",
		    3 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bl_tz *tz = zone(cases[i].zone);
		struct bl_civil c;
		char text[64];

		bl_tz_text(tz, cases[i].unix_ms, text, sizeof(text));
		assert_string_equal(text, cases[i].text);
		bl_tz_rfc3339(tz, cases[i].unix_ms, text, sizeof(text));
		assert_string_equal(text, cases[i].rfc3339);
		bl_tz_civil(tz, cases[i].unix_ms, &c);
		assert_string_equal(c.abbreviation, cases[i].abbreviation);
		assert_int_equal(c.weekday, cases[i].weekday);
		assert_int_equal(c.ms, (cases[i].unix_ms % 1000 + 1000) % 1000);
		bl_tz_text(tz, cases[i].unix_ms, text, 8);
		assert_int_equal(strlen(text), 7);
		bl_tz_free(tz);
	}
}

static void
utc_needs_no_file(void **state)
{
	struct bl_tz *tz = bl_tz_utc();
	int64_t begin, end;

	(void)state;
	assert_string_equal(bl_tz_name(tz), "UTC");
	assert_int_equal(bl_tz_offset_ms(tz, INT64_MAX), 0);
	bl_tz_day(tz, -1, &begin, &end);
	assert_int_equal(begin, -86400000);
	assert_int_equal(end, 0);
	bl_tz_free(tz);
	bl_tz_free(NULL);
}

static void
names_that_are_none_are_refused(void **state)
{
	static const struct {
		const char *name;
		int code;
	} cases[] = {
		{ "", BL_EINVAL },
		{ "/etc/passwd", BL_EINVAL },
		{ "../zoneinfo/UTC", BL_EINVAL },
		{ "Europe/../UTC", BL_EINVAL },
		{ "./UTC", BL_EINVAL },
		{ "Europe//Berlin", BL_EINVAL },
		{ "Europe/", BL_EINVAL },
		{ "tzdata.zi", BL_EINVAL },
		{ "Europe/Ber\nlin", BL_EINVAL },
		{ "Europe/Ber lin", BL_EINVAL },
		{ "localtime", BL_EINVAL },
		{ "posixrules", BL_EINVAL },
		{ "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", BL_EINVAL },
		{ "Europe", BL_ENOTFOUND },
		{ "Europe/Berlin/Mitte", BL_ENOTFOUND },
		{ "Europe/Atlantis", BL_ENOTFOUND },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bl_tz *tz = (struct bl_tz *)1;
		struct bl_err err = { 0 };
		const int rc = bl_tz_load(&tz, cases[i].name, NULL, &err);

		if (rc != cases[i].code || tz != NULL || err.msg[0] == '\0')
			fail_msg("\"%s\": %d %s", cases[i].name, rc, err.msg);
	}
}

static void
footers_parse_or_are_refused(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		int std_s, dst_s;
	} cases[] = {
		{ "UTC0", true, 0, 0 },
		{ "<+03>-3", true, 10800, 0 },
		{ "<-0330>3:30", true, -12600, 0 },
		{ "CET-1CEST,M3.5.0,M10.5.0/3", true, 3600, 7200 },
		{ "IST-1GMT0,M10.5.0,M3.5.0/1", true, 3600, 0 },
		{ "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", true, -7200, -3600 },
		{ "EET-2EEST,M3.4.4/50,M10.4.4/50", true, 7200, 10800 },
		{ "XXX3EDT4,0/0,J365/23", true, -10800, -14400 },
		{ "AAA+24:59:59", true, -89999, 0 },
		{ "AAA-24BBB-25,J1,J365/-167", false, 0, 0 },
		{ "AAA3BBB,M1.1.0/-167,M12.5.6/167", true, -10800, -7200 },
		{ "", false, 0, 0 },
		{ "UT0", false, 0, 0 },
		{ "UTC", false, 0, 0 },
		{ "UTC0 ", false, 0, 0 },
		{ "UTC25", false, 0, 0 },
		{ "UTC0:60", false, 0, 0 },
		{ "<+03-3", false, 0, 0 },
		{ "<+0>-3", false, 0, 0 },
		{ "<+03>", false, 0, 0 },
		{ "CET-1CEST", false, 0, 0 },
		{ "CET-1CEST,M3.5.0", false, 0, 0 },
		{ "CET-1CEST,M0.5.0,M10.5.0", false, 0, 0 },
		{ "CET-1CEST,M13.5.0,M10.5.0", false, 0, 0 },
		{ "CET-1CEST,M3.6.0,M10.5.0", false, 0, 0 },
		{ "CET-1CEST,M3.0.0,M10.5.0", false, 0, 0 },
		{ "CET-1CEST,M3.5.7,M10.5.0", false, 0, 0 },
		{ "CET-1CEST,J0,M10.5.0", false, 0, 0 },
		{ "CET-1CEST,J366,M10.5.0", false, 0, 0 },
		{ "CET-1CEST,366,M10.5.0", false, 0, 0 },
		{ "CET-1CEST,M3.5.0/168,M10.5.0", false, 0, 0 },
		{ "CET-1CEST,M3.5.0,M10.5.0,", false, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tz_footer f;
		const bool ok = bl_tz_parse_footer(&f, cases[i].text, strlen(cases[i].text));

		if (ok != cases[i].ok)
			fail_msg("\"%s\" %s", cases[i].text, ok ? "parsed" : "was refused");
		if (ok && (f.std.offset_s != cases[i].std_s || f.dst.offset_s != cases[i].dst_s))
			fail_msg("\"%s\": %d %d", cases[i].text, f.std.offset_s, f.dst.offset_s);
	}
}

/* The first is an example of RFC 9636; in the second summer ends the moment it begins. */
static void
a_second_time_may_hold_all_year(void **state)
{
	static const char *const texts[] = { "XXX3EDT4,0/0,J365/23", "XXX5EDT4,0/0,0/1" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct tz_footer f;

		assert_true(bl_tz_parse_footer(&f, texts[i], strlen(texts[i])));
		for (int64_t s = utc(2026, 12, 30, 0, 0) / 1000; s < utc(2027, 1, 3, 0, 0) / 1000;
		     s += 600)
			assert_int_equal(bl_tz_footer_piece(&f, s).type->offset_s, -14400);
	}
}

static void
footers_strike_on_their_day(void **state)
{
	static const struct {
		const char *text;
		int before[5], after[5]; /* the first is standard time, the second is not */
	} cases[] = {
		/* 2028 is a leap year: day 60 is the 1st of March, day 59 from 0 the 29th of
		   February. */
		{ "AAA0BBB,J60/0,J300/0", { 2028, 2, 29, 23, 59 }, { 2028, 3, 1, 0, 0 } },
		{ "AAA0BBB,J60/0,J300/0", { 2027, 2, 28, 23, 59 }, { 2027, 3, 1, 0, 0 } },
		{ "AAA0BBB,59/0,300/0", { 2028, 2, 28, 23, 59 }, { 2028, 2, 29, 0, 0 } },
		{ "AAA0BBB,59/0,300/0", { 2027, 2, 28, 23, 59 }, { 2027, 3, 1, 0, 0 } },
		/* The 29th of February 2028 is the fifth Tuesday; 2027 has only four. */
		{ "AAA0BBB,M2.5.2/0,M10.1.0", { 2028, 2, 28, 23, 59 }, { 2028, 2, 29, 0, 0 } },
		{ "AAA0BBB,M2.5.2/0,M10.1.0", { 2027, 2, 22, 23, 59 }, { 2027, 2, 23, 0, 0 } },
		{ "AAA0BBB,M12.5.5/0,M1.5.0", { 2027, 12, 30, 23, 59 }, { 2027, 12, 31, 0, 0 } },
		{ "AAA0BBB,M2.1.2,M10.1.0", { 2028, 2, 1, 1, 59 }, { 2028, 2, 1, 2, 0 } },
		/* Times of day that lie days away, also over a new year. */
		{ "AAA0BBB,J100/167,J300/0", { 2027, 4, 16, 22, 59 }, { 2027, 4, 16, 23, 0 } },
		{ "AAA0BBB,J2/-167,J300/0", { 2026, 12, 26, 0, 59 }, { 2026, 12, 26, 1, 0 } },
		{ "AAA0BBB,J365/30,J100/0", { 2028, 1, 1, 5, 59 }, { 2028, 1, 1, 6, 0 } },
		{ "AAA0BBB,J10/1:02:03,J300/0", { 2027, 1, 10, 1, 2 }, { 2027, 1, 10, 1, 3 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const int *b = cases[i].before, *a = cases[i].after;
		struct tz_footer f;
		struct tz_piece before, after;

		assert_true(bl_tz_parse_footer(&f, cases[i].text, strlen(cases[i].text)));
		before = bl_tz_footer_piece(&f, utc(b[0], b[1], b[2], b[3], b[4]) / 1000);
		after = bl_tz_footer_piece(&f, utc(a[0], a[1], a[2], a[3], a[4]) / 1000);
		if (before.type != &f.std || after.type != &f.dst)
			fail_msg("case %zu: %s %s", i, before.type->abbr, after.type->abbr);
		assert_true(before.until_s > utc(b[0], b[1], b[2], b[3], b[4]) / 1000);
		assert_true(before.until_s <= utc(a[0], a[1], a[2], a[3], a[4]) / 1000);
	}
}

static size_t
read_file(const char *path, uint8_t *out, size_t size)
{
	FILE *f = fopen(path, "rb");
	size_t n;

	assert_non_null(f);
	n = fread(out, 1, size, f);
	fclose(f);
	return n;
}

static int
parse(const uint8_t *data, size_t len, int64_t *offset_ms)
{
	struct bl_tz *tz = calloc(1, sizeof(*tz));
	/* A copy of exactly its length, so that the sanitizer sees what is read behind it. */
	uint8_t *copy = malloc(len > 0 ? len : 1);
	struct bl_err err = { 0 };
	int rc;

	assert_non_null(tz);
	assert_non_null(copy);
	if (len > 0)
		memcpy(copy, data, len);
	rc = bl_tz_parse_file(tz, copy, len, &err);
	free(copy);
	if (rc == BL_OK)
		*offset_ms = bl_tz_offset_ms(tz, 0) + bl_tz_offset_ms(tz, INT64_C(4000000000000));
	else
		assert_true(err.msg[0] != '\0');
	bl_tz_free(tz);
	return rc;
}

static void
a_file_cut_anywhere_is_refused(void **state)
{
	static uint8_t data[8192];
	const size_t len = read_file("/usr/share/zoneinfo/Europe/Berlin", data, sizeof(data));
	int64_t offset;

	(void)state;
	assert_int_equal(parse(data, len, &offset), BL_OK);
	for (size_t cut = 0; cut < len; cut++)
		if (parse(data, cut, &offset) != BL_ECORRUPT)
			fail_msg("a file cut at %zu of %zu was taken", cut, len);
}

static void
damage_is_refused_or_harmless(void **state)
{
	static uint8_t data[8192];
	const size_t len = read_file("/usr/share/zoneinfo/Australia/Lord_Howe", data, sizeof(data));
	int refused = 0;

	(void)state;
	for (size_t at = 0; at < len; at++) {
		static const uint8_t masks[] = { 0x01, 0x80, 0xff };

		for (size_t m = 0; m < sizeof(masks); m++) {
			int64_t offset = 0;
			int rc;

			data[at] ^= masks[m];
			rc = parse(data, len, &offset);
			data[at] ^= masks[m];
			assert_true(rc == BL_OK || rc == BL_ECORRUPT || rc == BL_EUNSUPPORTED);
			refused += rc != BL_OK;
			assert_true(
			    offset >= 2 * INT64_C(-89999000) && offset <= 2 * INT64_C(93599000));
		}
	}
	assert_true(refused > 100);
}

/* Version 1 by hand: two changes, three types of 0, 1 and 2 hours. */
static const uint8_t small_file[] = {
	'T',
	'Z',
	'i',
	'f',
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0, /* magic, version */
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	2,
	0,
	0,
	0,
	3,
	0,
	0,
	0,
	4, /* counts */
	0,
	0,
	1,
	0,
	0,
	0,
	2,
	0,
	1,
	2, /* times, and their types */
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0x0e,
	0x10,
	1,
	0,
	0,
	0,
	0x1c,
	0x20,
	0,
	0, /* types */
	'A',
	'B',
	'C',
	0,
};

static void
every_field_of_a_file_is_checked(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		int code;
	} cases[] = {
		{ 0, 'T', BL_OK }, { 0, 't', BL_ECORRUPT },
		{ 4, '1', BL_ECORRUPT }, /* no such version */
		{ 4, '2', BL_ECORRUPT }, /* its second part is missing */
		{ 23, 3, BL_ECORRUPT },  /* flags that are not there */
		{ 23, 2, BL_ECORRUPT },  /* flags, but not one a type */
		{ 27, 1, BL_ECORRUPT },
		{ 31, 1, BL_EUNSUPPORTED }, /* leap seconds, even cut short */
		{ 32, 0xff, BL_ECORRUPT },  /* four thousand million changes */
		{ 35, 1, BL_ECORRUPT },     /* all that follows is shifted */
		{ 39, 0, BL_ECORRUPT },     /* no type */
		{ 38, 2, BL_ECORRUPT },     /* more types than an index can name */
		{ 43, 0, BL_ECORRUPT },     /* no abbreviation */
		{ 43, 3, BL_ECORRUPT },     /* one without an end */
		{ 43, 5, BL_ECORRUPT },     /* one byte more than there are */
		{ 50, 0, BL_ECORRUPT },     /* a time before its neighbour */
		{ 50, 1, BL_ECORRUPT },     /* the same time twice */
		{ 53, 3, BL_ECORRUPT },     /* a type that is not there */
		{ 54, 0x7f, BL_ECORRUPT },  /* an offset of years */
		{ 58, 2, BL_ECORRUPT },     /* neither summer nor winter */
		{ 59, 3, BL_OK },           /* an empty abbreviation */
		{ 59, 4, BL_ECORRUPT },     /* one beyond the table */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t data[sizeof(small_file)];
		int64_t offset;
		int rc;

		memcpy(data, small_file, sizeof(data));
		data[cases[i].at] = cases[i].value;
		rc = parse(data, sizeof(data), &offset);
		if (rc != cases[i].code)
			fail_msg("case %zu, byte %zu: %d", i, cases[i].at, rc);
	}
}

static void
the_first_type_stands_before_the_table(void **state)
{
	static const struct {
		int64_t at;
		int hours;
	} cases[] = { { -1, 0 }, { 255, 0 }, { 256, 1 }, { 511, 1 }, { 512, 2 }, { INT32_MAX, 2 } };
	struct bl_tz *tz = calloc(1, sizeof(*tz));

	(void)state;
	assert_non_null(tz);
	assert_int_equal(bl_tz_parse_file(tz, small_file, sizeof(small_file), NULL), BL_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(bl_tz_offset_ms(tz, cases[i].at * 1000), cases[i].hours * 3600000);
	bl_tz_free(tz);
}

static void
a_file_that_is_none_is_refused(void **state)
{
	char dir[] = "/tmp/bl-tz-XXXXXX", path[64];
	struct bl_tz *tz;
	struct bl_err err;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/Big", dir);
	f = fopen(path, "wb");
	assert_non_null(f);
	for (int i = 0; i < 70000; i++)
		fputc('T', f);
	fclose(f);
	assert_int_equal(bl_tz_load(&tz, "Big", dir, &err), BL_ECORRUPT);
	unlink(path);
	/* Opening it for reading would wait for a writer. */
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(bl_tz_load(&tz, "Big", dir, &err), BL_ENOTFOUND);
	unlink(path);
	rmdir(dir);
}

static void
the_release_is_known(void **state)
{
	char release[16], dir[] = "/tmp/bl-tz-XXXXXX", path[64];
	FILE *f;

	(void)state;
	bl_tz_release(NULL, release, sizeof(release));
	assert_true(strlen(release) >= 5 && strncmp(release, "20", 2) == 0);
	assert_non_null(mkdtemp(dir));
	bl_tz_release(dir, release, sizeof(release));
	assert_string_equal(release, "");
	snprintf(path, sizeof(path), "%s/+VERSION", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("2026a\n", f);
	fclose(f);
	bl_tz_release(dir, release, sizeof(release));
	assert_string_equal(release, "2026a");
	unlink(path);
	rmdir(dir);
}

static void
instants_at_the_edge_of_time_are_harmless(void **state)
{
	static const int64_t at[] = { INT64_MIN, INT64_MIN + 1, INT64_MAX - 1, INT64_MAX };
	struct bl_tz *tz = zone("Europe/Berlin");

	(void)state;
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		struct bl_civil c;
		int64_t begin, end;

		bl_tz_civil(tz, at[i], &c);
		bl_tz_day(tz, at[i], &begin, &end);
		assert_true(begin <= at[i] && begin < end);
	}
	bl_tz_free(tz);
}

/* What a clock shows leads back to an instant at which it shows that: the earlier of two. */
static void
local_time_leads_back(void **state)
{
	static const char *const zones[] = { "UTC", "Asia/Shanghai", "Europe/Berlin",
		"America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Beirut" };

	(void)state;
	for (size_t z = 0; z < sizeof(zones) / sizeof(zones[0]); z++) {
		struct bl_tz *tz = zone(zones[z]);

		/* Every 17 min of two years, so that the minute comes to all of its values. */
		for (int64_t at = utc(2025, 1, 1, 0, 0); at < utc(2027, 1, 1, 0, 0);
		     at += 17 * 60000 + 1) {
			struct bl_civil a, b;
			int64_t back;

			bl_tz_civil(tz, at, &a);
			assert_true(bl_tz_civil_valid(&a));
			back = bl_tz_unix_ms(tz, &a);
			bl_tz_civil(tz, back, &b);
			if (back > at || a.day != b.day || a.hour != b.hour ||
			    a.minute != b.minute || a.second != b.second || a.ms != b.ms)
				fail_msg("%s %lld: %lld", zones[z], (long long)at, (long long)back);
		}
		bl_tz_free(tz);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(local_time_leads_back),
		cmocka_unit_test(days_have_their_own_lengths),
		cmocka_unit_test(times_are_written_as_people_read_them),
		cmocka_unit_test(utc_needs_no_file),
		cmocka_unit_test(names_that_are_none_are_refused),
		cmocka_unit_test(footers_parse_or_are_refused),
		cmocka_unit_test(a_second_time_may_hold_all_year),
		cmocka_unit_test(footers_strike_on_their_day),
		cmocka_unit_test(every_field_of_a_file_is_checked),
		cmocka_unit_test(the_first_type_stands_before_the_table),
		cmocka_unit_test(a_file_cut_anywhere_is_refused),
		cmocka_unit_test(damage_is_refused_or_harmless),
		cmocka_unit_test(a_file_that_is_none_is_refused),
		cmocka_unit_test(the_release_is_known),
		cmocka_unit_test(instants_at_the_edge_of_time_are_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
