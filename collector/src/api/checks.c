/* Checks of single fields: NULL, or what was expected, in words.  Pure but for zones' files. */
#include "api_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

const char *
check_id(const struct api *api, const char *v)
{
	(void)api;
	return bl_id_text_valid(v) ? NULL
				   : "1 to 63 of a-z, 0-9 and -, beginning with a letter or digit";
}

const char *
check_name(const struct api *api, const char *v)
{
	(void)api;
	return fleet_name_valid(v, FLEET_NAME_MAX)
		   ? NULL
		   : "a visible text of at most 128 bytes without control characters";
}

const char *
check_region(const struct api *api, const char *v)
{
	(void)api;
	return v[0] == '\0' || fleet_name_valid(v, FLEET_REGION_MAX)
		   ? NULL
		   : "a path such as \"east/shanghai\", or nothing";
}

const char *
check_zone(const struct api *api, const char *v)
{
	return fleet_zone_valid(v, api != NULL ? api->opts.zoneinfo_dir : NULL)
		   ? NULL
		   : "an IANA time zone name such as \"Asia/Shanghai\"";
}

const char *
check_user(const struct api *api, const char *v)
{
	(void)api;
	return auth_name_valid(v)
		   ? NULL
		   : "1 to 63 of a-z, 0-9 and . _ @ -, beginning with a letter or digit";
}

const char *
check_password(const struct api *api, const char *v)
{
	(void)api;
	return auth_password_problem(NULL, v);
}

static const char *
hex_of(const char *v, size_t least, size_t most, const char *expected)
{
	const size_t len = strlen(v);

	return len >= least && len <= most && strspn(v, "0123456789abcdef") == len ? NULL
										   : expected;
}

const char *
check_text(const struct api *api, const char *v)
{
	(void)api;
	for (const char *p = v; *p != '\0'; p++)
		if (((unsigned char)*p < 0x20 && *p != '\n' && *p != '\t') || *p == 0x7f)
			return "a text without control characters";
	return v[strspn(v, " \n\t")] != '\0' ? NULL : "a text that one can see";
}

const char *
check_hex(const struct api *api, const char *v)
{
	(void)api;
	return hex_of(v, 1, FLEET_SERIAL_MAX, "1 to 64 of 0-9 and a-f");
}

const char *
check_fingerprint(const struct api *api, const char *v)
{
	(void)api;
	return hex_of(v, 64, 64, "64 of 0-9 and a-f");
}

const char *
check_number(const struct api *api, const char *v)
{
	(void)api;
	return v[0] != '\0' && strlen(v) <= 18 && strspn(v, "0123456789") == strlen(v)
		   ? NULL
		   : "a cursor from an earlier answer";
}

const char *
check_series(const struct api *api, const char *v)
{
	static const char expected[] = "1 to 20 series ids, separated by commas";
	size_t n = 1;

	(void)api;
	for (const char *p = v; *p != '\0'; p++) {
		if (*p == ',') {
			n++;
			if (!isdigit((unsigned char)p[1]))
				return expected;
		} else if (!isdigit((unsigned char)*p)) {
			return expected;
		}
	}
	return isdigit((unsigned char)v[0]) && strlen(v) <= 380 && n <= STORE_QUERY_SERIES
		   ? NULL
		   : expected;
}

const char *
check_labels(const struct api *api, const char *v)
{
	struct query_pair pair[QUERY_PAIRS_MAX];
	char text[1025];
	size_t n;

	(void)api;
	(void)snprintf(text, sizeof(text), "%s", v); /* no longer: max says so */
	return query_pairs_parse(text, pair, &n)
		   ? NULL
		   : "key=value, at most 8 of them, separated by commas";
}
