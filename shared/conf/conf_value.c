/*
 * Single values: text to field, and what to say when it does not fit.
 */
#include "conf_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *suffix;
	int64_t ms;
} duration_units[] = {
	{ "d", 86400000 },
	{ "h", 3600000 },
	{ "m", 60000 },
	{ "s", 1000 },
	{ "ms", 1 },
};

static const struct {
	const char *suffix;
	int64_t bytes;
} size_units[] = {
	{ "TiB", INT64_C(1) << 40 },
	{ "GiB", INT64_C(1) << 30 },
	{ "MiB", INT64_C(1) << 20 },
	{ "KiB", INT64_C(1) << 10 },
	{ "B", 1 },
	{ "", 1 },
};

static const struct {
	const char *word;
	bool value;
} bool_words[] = {
	{ "true", true },
	{ "false", false },
	{ "yes", true },
	{ "no", false },
	{ "on", true },
	{ "off", false },
};

#define N_OF(a) (sizeof(a) / sizeof((a)[0]))

/* Digits, perhaps with a fraction, then the suffix; *rest points at it.  No sign, no space. */
static bool
split_number(const char *text, double *v, const char **rest)
{
	const char *p = text;
	size_t digits = 0;

	for (; *p >= '0' && *p <= '9'; p++)
		digits++;
	if (*p == '.' && digits > 0)
		for (p++; *p >= '0' && *p <= '9'; p++)
			digits++;
	if (digits == 0 || digits > 18 || p[-1] == '.')
		return false;
	*v = strtod(text, NULL); /* right where no suffix follows, and only there it is looked at */
	*rest = p;
	return true;
}

/* The number alone is parsed again, so that an exponent cannot slip in. */
static bool
scale(const char *text, const char *rest, int64_t unit, int64_t *out)
{
	char digits[24];
	const size_t len = (size_t)(rest - text);
	double v, whole;

	if (len >= sizeof(digits))
		return false;
	memcpy(digits, text, len);
	digits[len] = '\0';
	v = strtod(digits, NULL) * (double)unit;
	if (v > 9e15)
		return false;
	whole = (double)(int64_t)(v + 0.5);
	if (v - whole > 1e-6 || whole - v > 1e-6)
		return false; /* half a millisecond or half a byte is not a thing */
	*out = (int64_t)whole;
	return true;
}

bool
bl_conf_duration_parse(const char *text, int64_t *ms)
{
	const char *rest;
	double v;

	if (!split_number(text, &v, &rest))
		return false;
	if (*rest == '\0' && v == 0) { /* nought needs no unit */
		*ms = 0;
		return true;
	}
	for (size_t i = 0; i < N_OF(duration_units); i++)
		if (strcmp(rest, duration_units[i].suffix) == 0)
			return scale(text, rest, duration_units[i].ms, ms);
	return false;
}

bool
bl_conf_size_parse(const char *text, int64_t *bytes)
{
	const char *rest;
	double v;

	if (!split_number(text, &v, &rest))
		return false;
	for (size_t i = 0; i < N_OF(size_units); i++)
		if (strcmp(rest, size_units[i].suffix) == 0)
			return scale(text, rest, size_units[i].bytes, bytes);
	return false;
}

void
conf_format_duration(int64_t ms, char *out, size_t size)
{
	for (size_t i = 0; i < N_OF(duration_units); i++) {
		if (ms % duration_units[i].ms == 0 && (ms != 0 || i == 3)) {
			(void)snprintf(out, size, "%" PRId64 "%s", ms / duration_units[i].ms,
			    duration_units[i].suffix);
			return;
		}
	}
	(void)snprintf(out, size, "%" PRId64 "ms", ms);
}

void
conf_format_size(int64_t bytes, char *out, size_t size)
{
	for (size_t i = 0; i + 2 < N_OF(size_units); i++) {
		if (bytes != 0 && bytes % size_units[i].bytes == 0) {
			(void)snprintf(out, size, "%" PRId64 "%s", bytes / size_units[i].bytes,
			    size_units[i].suffix);
			return;
		}
	}
	(void)snprintf(out, size, "%" PRId64, bytes);
}

void
conf_format_number(double v, char *out, size_t size)
{
	/* The shortest of the forms that read back as the same number. */
	for (int digits = 6; digits <= 17; digits++) {
		(void)snprintf(out, size, "%.*g", digits, v);
		if (strtod(out, NULL) == v)
			return;
	}
}

static bool
in_bounds(const struct bl_conf_key *key, double v)
{
	return (key->min == 0 && key->max == 0) || (v >= key->min && v <= key->max);
}

static bool
read_int(const char *text, int64_t *out)
{
	char *end;

	if ((text[0] < '0' || text[0] > '9') && text[0] != '-')
		return false;
	errno = 0;
	*out = strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == '\0';
}

static bool
read_number(const char *text, double *out)
{
	char *end;

	/* No hexadecimal, no "inf", no "nan", no leading space. */
	if (text[0] == '\0' || text[strspn(text, "0123456789+-.eE")] != '\0')
		return false;
	errno = 0;
	*out = strtod(text, &end);
	return end != text && *end == '\0' && isfinite(*out);
}

static enum conf_value
read_str(const struct bl_conf_key *key, const char *text, char **field)
{
	const size_t len = strlen(text);
	char *copy = NULL;

	if (len == 0 && key->dflt != NULL && key->dflt[0] == '\0') {
		free(*field); /* written as "", which means absent here */
		*field = NULL;
		return CONF_VALUE_OK;
	}
	if (!in_bounds(key, (double)len) || (len == 0 && key->dflt == NULL))
		return CONF_VALUE_WRONG;
	if ((copy = strdup(text)) == NULL)
		return CONF_VALUE_NO_MEMORY;
	free(*field);
	*field = copy;
	return CONF_VALUE_OK;
}

static bool
read_bool(const char *text, bool *out)
{
	for (size_t i = 0; i < N_OF(bool_words); i++) {
		if (strcasecmp(text, bool_words[i].word) == 0) {
			*out = bool_words[i].value;
			return true;
		}
	}
	return false;
}

static bool
read_enum(const struct bl_conf_key *key, const char *text, int *out)
{
	for (int i = 0; key->choices[i] != NULL; i++) {
		if (strcmp(text, key->choices[i]) == 0) {
			*out = i;
			return true;
		}
	}
	return false;
}

static enum conf_value
read_whole(const struct bl_conf_key *key, const char *text, int64_t *field)
{
	int64_t v;
	bool ok;

	if (key->type == BL_CONF_DURATION)
		ok = bl_conf_duration_parse(text, &v);
	else if (key->type == BL_CONF_SIZE)
		ok = bl_conf_size_parse(text, &v);
	else
		ok = read_int(text, &v);
	if (!ok || !in_bounds(key, (double)v))
		return CONF_VALUE_WRONG;
	*field = v;
	return CONF_VALUE_OK;
}

enum conf_value
conf_value_read(const struct bl_conf_key *key, const char *text, void *field)
{
	double number;

	switch (key->type) {
	case BL_CONF_STR:
		return read_str(key, text, field);
	case BL_CONF_INT:
	case BL_CONF_DURATION:
	case BL_CONF_SIZE:
		return read_whole(key, text, field);
	case BL_CONF_NUMBER:
		if (!read_number(text, &number) || !in_bounds(key, number))
			return CONF_VALUE_WRONG;
		*(double *)field = number;
		return CONF_VALUE_OK;
	case BL_CONF_BOOL:
		return read_bool(text, field) ? CONF_VALUE_OK : CONF_VALUE_WRONG;
	case BL_CONF_ENUM:
		return read_enum(key, text, field) ? CONF_VALUE_OK : CONF_VALUE_WRONG;
	default:
		return CONF_VALUE_WRONG;
	}
}

/* ---- what to say ---- */

static void
format_bound(enum bl_conf_type type, double v, char *out, size_t size)
{
	if (type == BL_CONF_DURATION)
		conf_format_duration((int64_t)v, out, size);
	else if (type == BL_CONF_SIZE)
		conf_format_size((int64_t)v, out, size);
	else if (type == BL_CONF_NUMBER)
		conf_format_number(v, out, size);
	else
		(void)snprintf(out, size, "%.0f", v);
}

static void
expected_choices(const struct bl_conf_key *key, char *out, size_t size)
{
	size_t used = (size_t)snprintf(out, size, "one of ");

	for (int i = 0; key->choices[i] != NULL && used < size; i++)
		used += (size_t)snprintf(
		    out + used, size - used, "%s%s", i == 0 ? "" : ", ", key->choices[i]);
}

void
conf_value_expected(const struct bl_conf_key *key, char *out, size_t size)
{
	const bool bounded = key->min != 0 || key->max != 0;
	char lo[32], hi[32];

	format_bound(key->type, key->min, lo, sizeof(lo));
	format_bound(key->type, key->max, hi, sizeof(hi));
	switch (key->type) {
	case BL_CONF_STR:
		if (bounded)
			(void)snprintf(out, size, "text of %s to %s bytes", lo, hi);
		else
			(void)snprintf(out, size, "text");
		break;
	case BL_CONF_INT:
		(void)snprintf(
		    out, size, bounded ? "a number from %s to %s" : "a whole number", lo, hi);
		break;
	case BL_CONF_NUMBER:
		(void)snprintf(out, size, bounded ? "a number from %s to %s" : "a number", lo, hi);
		break;
	case BL_CONF_BOOL:
		(void)snprintf(out, size, "true or false");
		break;
	case BL_CONF_DURATION:
		(void)snprintf(out, size,
		    bounded ? "a duration from %s to %s, with its unit (ms, s, m, h, d)"
			    : "a duration with its unit, like 500ms, 10s, 5m, 72h or 7d",
		    lo, hi);
		break;
	case BL_CONF_SIZE:
		(void)snprintf(out, size,
		    bounded ? "a size from %s to %s (KiB, MiB, GiB)"
			    : "a size, like 512, 64KiB, 20MiB or 1GiB",
		    lo, hi);
		break;
	case BL_CONF_ENUM:
		expected_choices(key, out, size);
		break;
	case BL_CONF_STRLIST:
		(void)snprintf(out, size, "a list of texts, like [a, b]");
		break;
	case BL_CONF_MAP:
		(void)snprintf(out, size, "keys with a text each, like key: value");
		break;
	case BL_CONF_SECTION:
		(void)snprintf(out, size, "a section (keys with values, indented below it)");
		break;
	case BL_CONF_LIST:
		(void)snprintf(out, size, "a list of sections (each beginning with \"- \")");
		break;
	case BL_CONF_INCLUDE:
		(void)snprintf(out, size, "a file's name or a list of such, like conf.d/*.yaml");
		break;
	}
}

/* A unit that people write and we do not: "10 s", "10sec", "20MB"; or none at all. */
static bool
near_unit(const struct bl_conf_key *key, const char *text, char *out, size_t size)
{
	static const struct {
		enum bl_conf_type type;
		const char *wrong, *right;
	} spellings[] = {
		{ BL_CONF_DURATION, "", "s" },
		{ BL_CONF_DURATION, "sec", "s" },
		{ BL_CONF_DURATION, "secs", "s" },
		{ BL_CONF_DURATION, "second", "s" },
		{ BL_CONF_DURATION, "seconds", "s" },
		{ BL_CONF_DURATION, "min", "m" },
		{ BL_CONF_DURATION, "mins", "m" },
		{ BL_CONF_DURATION, "minute", "m" },
		{ BL_CONF_DURATION, "minutes", "m" },
		{ BL_CONF_DURATION, "hour", "h" },
		{ BL_CONF_DURATION, "hours", "h" },
		{ BL_CONF_DURATION, "day", "d" },
		{ BL_CONF_DURATION, "days", "d" },
		{ BL_CONF_SIZE, "k", "KiB" },
		{ BL_CONF_SIZE, "kb", "KiB" },
		{ BL_CONF_SIZE, "kib", "KiB" },
		{ BL_CONF_SIZE, "m", "MiB" },
		{ BL_CONF_SIZE, "mb", "MiB" },
		{ BL_CONF_SIZE, "mib", "MiB" },
		{ BL_CONF_SIZE, "g", "GiB" },
		{ BL_CONF_SIZE, "gb", "GiB" },
		{ BL_CONF_SIZE, "gib", "GiB" },
		/* "10 s": the right unit behind a space */
		{ BL_CONF_DURATION, "ms", "ms" },
		{ BL_CONF_DURATION, "s", "s" },
		{ BL_CONF_DURATION, "m", "m" },
		{ BL_CONF_DURATION, "h", "h" },
		{ BL_CONF_DURATION, "d", "d" },
	};
	const char *rest, *unit;
	int64_t v;
	double number;

	if (!split_number(text, &number, &rest))
		return false;
	unit = rest + strspn(rest, " ");
	for (size_t i = 0; i < N_OF(spellings); i++) {
		if (spellings[i].type != key->type || strcasecmp(unit, spellings[i].wrong) != 0)
			continue;
		(void)snprintf(out, size, "%.*s%s", (int)(rest - text), text, spellings[i].right);
		if (strcmp(out, text) == 0)
			return false;
		return (key->type == BL_CONF_SIZE ? bl_conf_size_parse(out, &v)
						  : bl_conf_duration_parse(out, &v)) &&
		       in_bounds(key, (double)v);
	}
	return false;
}

bool
conf_value_near(const struct bl_conf_key *key, const char *text, char *out, size_t size)
{
	unsigned best = UINT32_MAX, d;

	if (key->type == BL_CONF_DURATION || key->type == BL_CONF_SIZE)
		return near_unit(key, text, out, size);
	if (key->type == BL_CONF_ENUM) {
		for (int i = 0; key->choices[i] != NULL; i++) {
			if (conf_is_near(text, key->choices[i], &d) && d < best) {
				best = d;
				(void)snprintf(out, size, "%s", key->choices[i]);
			}
		}
	}
	if (key->type == BL_CONF_BOOL) {
		for (size_t i = 0; i < N_OF(bool_words); i++) {
			if (conf_is_near(text, bool_words[i].word, &d) && d < best) {
				best = d;
				(void)snprintf(out, size, "%s", bool_words[i].word);
			}
		}
	}
	return best != UINT32_MAX;
}

/* What stands between :// and the last @ is not repeated: it may be a password, and this goes to
 * the log. */
static size_t
secret_len(const char *from)
{
	const char *at = strrchr(from, '@');

	return at == NULL ? 0 : (size_t)(at - from);
}

void
conf_quote_got(const char *text, char *out, size_t size)
{
	const char *scheme = strstr(text, "://");
	const char *secret = scheme == NULL ? NULL : scheme + 3;
	const size_t most = 40; /* bytes: enough to find the place, too little to leak a key */
	size_t n = 0, used = 0;

	out[used++] = '"';
	for (; text[n] != '\0' && n < most && used + 8 < size; n++) {
		const unsigned char ch = (unsigned char)text[n];
		const size_t hidden = text + n == secret ? secret_len(secret) : 0;

		if (hidden > 0) {
			memcpy(out + used, "***", 3);
			used += 3;
			n += hidden - 1;
			continue;
		}
		out[used++] = ch < 0x20 || ch == 0x7f ? ' ' : (char)ch;
	}
	if (text[n] != '\0') {
		/* Do not leave half a character behind. */
		while (used > 1 && ((unsigned char)text[n] & 0xc0) == 0x80) {
			n--;
			used--;
		}
		memcpy(out + used, "...", 3);
		used += 3;
	}
	out[used++] = '"';
	out[used] = '\0';
}
