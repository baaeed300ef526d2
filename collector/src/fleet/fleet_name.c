/* Names, ids and zone names: pure but for the look at the zone's file. */
#include "fleet_internal.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control_sql.h"

#define ZONEINFO_DIR "/usr/share/zoneinfo"

void
fleet_id_from_name(const char *name, const char *fallback, char *out)
{
	size_t n = 0;

	for (const char *p = name; *p != '\0' && n < BL_ID_TEXT_MAX; p++) {
		const unsigned char ch = (unsigned char)*p;
		if (ch < 0x80 && isalnum(ch))
			out[n++] = (char)tolower(ch);
		else if (n > 0 && out[n - 1] != '-')
			out[n++] = '-';
	}
	while (n > 0 && out[n - 1] == '-')
		n--;
	out[n] = '\0';
	if (n == 0)
		(void)snprintf(out, BL_ID_TEXT_MAX + 1, "%s", fallback);
}

int
fleet_free_id(
    struct sqlite3 *db, const char *table, const char *base, char *out, struct bl_err *err)
{
	char sql[64];
	int64_t taken;
	int rc;

	(void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s WHERE id = ?", table);
	(void)snprintf(out, BL_ID_TEXT_MAX + 1, "%s", base);
	for (int i = 2; i < 10000; i++) {
		if ((rc = control_sql_int(db, err, 0, &taken, sql, "t", out)) < 0)
			return rc;
		if (taken == 0)
			return FLEET_DONE;
		(void)snprintf(out, BL_ID_TEXT_MAX + 1, "%.57s-%d", base, i);
	}
	return FLEET_EXISTS;
}

/* [A-Za-z0-9_+-] in parts joined by '/': no dots, so no way up. */
static bool
zone_name_shaped(const char *zone)
{
	const size_t len = strlen(zone);
	char before = '/';

	if (len == 0 || len > FLEET_ZONE_MAX)
		return false;
	for (const char *p = zone; *p != '\0'; before = *p++) {
		const unsigned char ch = (unsigned char)*p;
		if (ch == '/' && before == '/')
			return false;
		if (ch != '/' && ch != '_' && ch != '+' && ch != '-' && !(ch < 0x80 && isalnum(ch)))
			return false;
	}
	return before != '/';
}

bool
fleet_zone_valid(const char *zone, const char *dir)
{
	/* Not names of zones: this machine's own choice, and other flavours of all. */
	static const char *const refused[] = { "localtime", "posixrules", "Factory" };
	char path[512], magic[4] = "";
	struct stat st;
	bool ok;
	int fd;

	if (!zone_name_shaped(zone) || strncmp(zone, "posix/", 6) == 0 ||
	    strncmp(zone, "right/", 6) == 0)
		return false;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (strcmp(zone, refused[i]) == 0)
			return false;
	if (strcmp(zone, "UTC") == 0)
		return true; /* also where no zone data are installed */
	(void)snprintf(path, sizeof(path), "%s/%s", dir != NULL ? dir : ZONEINFO_DIR, zone);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) < 0)
		return false;
	ok = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	     read(fd, magic, sizeof(magic)) == (ssize_t)sizeof(magic) &&
	     memcmp(magic, "TZif", sizeof(magic)) == 0;
	(void)close(fd); /* read only */
	return ok;
}

/* Length of the valid UTF-8 sequence at s, 0 when there is none. */
static size_t
utf8_len(const unsigned char *s)
{
	static const struct {
		unsigned char lo, hi, second_lo, second_hi;
		size_t n;
	} forms[] = {
		{ 0x01, 0x7f, 0x00, 0x00, 1 },
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (s[0] < forms[i].lo || s[0] > forms[i].hi)
			continue;
		if (forms[i].n == 1)
			return 1;
		if (s[1] < forms[i].second_lo || s[1] > forms[i].second_hi)
			return 0;
		for (size_t k = 2; k < forms[i].n; k++)
			if (s[k] < 0x80 || s[k] > 0xbf)
				return 0;
		return forms[i].n;
	}
	return 0;
}

bool
fleet_name_valid(const char *name, size_t max)
{
	const unsigned char *s = (const unsigned char *)name;
	bool visible = false;

	if (strlen(name) > max)
		return false;
	while (*s != '\0') {
		const size_t n = utf8_len(s);
		/* C0, DEL and C1 control characters have no place in a name */
		if (n == 0 || *s < 0x20 || *s == 0x7f || (n == 2 && s[0] == 0xc2 && s[1] < 0xa0))
			return false;
		if (*s != ' ')
			visible = true;
		s += n;
	}
	return visible;
}
