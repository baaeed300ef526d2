/*
 * Zones: loading from tzdata's folder, and which local time type holds when.
 *
 * A name is checked letter by letter before a path is made of it; what the
 * administrator links within the folder is his own.
 */
#include "tz_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYSTEM_DIR "/usr/share/zoneinfo"

static bool
name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '+' || c == '-' || c == '/';
}

/* No dot at all (and so no ".."), no empty component, and not what means "this machine's zone". */
static bool
name_ok(const char *name)
{
	const size_t len = strnlen(name, TZ_NAME_MAX + 1);

	if (len == 0 || len > TZ_NAME_MAX || name[0] == '/' || name[len - 1] == '/' ||
	    strstr(name, "//") != NULL)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!name_char(name[i]))
			return false;
	return strcmp(name, "localtime") != 0 && strcmp(name, "posixrules") != 0;
}

/* At most size bytes of an open file; negative: errno. */
static ssize_t
read_upto(int fd, uint8_t *out, size_t size)
{
	size_t len = 0;

	while (len < size) {
		const ssize_t n = read(fd, out + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

/* The whole file, owned by the caller; BL_ENOTFOUND also for what is no file. */
static int
read_zone(const char *name, const char *dir, uint8_t **data, size_t *len, struct bl_err *err)
{
	char path[4096];
	struct stat st;
	ssize_t n;
	int fd, rc;

	*data = NULL;
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
		return bl_fail(err, BL_EINVAL, "time zone folder: the path is too long");
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) < 0)
		return errno == ENOENT || errno == ENOTDIR
			   ? bl_fail(err, BL_ENOTFOUND, "no time zone \"%s\" in %s", name, dir)
			   : bl_fail_errno(err, BL_EIO, "open time zone %s", path);
	if (fstat(fd, &st) != 0) {
		rc = bl_fail_errno(err, BL_EIO, "look at time zone %s", path);
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		rc = bl_fail(err, BL_ENOTFOUND, "no time zone \"%s\" in %s", name, dir);
		goto out;
	}
	if ((*data = malloc(TZ_FILE_MAX + 1)) == NULL) {
		rc = bl_fail(err, BL_ENOMEM, "time zone: out of memory");
		goto out;
	}
	if ((n = read_upto(fd, *data, TZ_FILE_MAX + 1)) < 0)
		rc = bl_fail_errno(err, BL_EIO, "read time zone %s", path);
	else if ((size_t)n > TZ_FILE_MAX)
		rc = bl_fail(err, BL_ECORRUPT, "time zone file is over %u bytes", TZ_FILE_MAX);
	else
		rc = BL_OK;
	*len = n < 0 ? 0 : (size_t)n;
out:
	close(fd);
	return rc;
}

/* The file called name in dir becomes a zone of that name. */
static int
load(struct bl_tz **out, const char *name, const char *dir, struct bl_err *err)
{
	struct bl_tz *tz = NULL;
	uint8_t *data = NULL;
	size_t len = 0;
	int rc;

	if ((rc = read_zone(name, dir, &data, &len, err)) < 0)
		goto out;
	if ((tz = calloc(1, sizeof(*tz))) == NULL) {
		rc = bl_fail(err, BL_ENOMEM, "time zone: out of memory");
		goto out;
	}
	memcpy(tz->name, name, strlen(name) + 1);
	if ((rc = bl_tz_parse_file(tz, data, len, err)) < 0) {
		bl_err_prefix(err, "%s", name);
		bl_tz_free(tz);
		goto out;
	}
	*out = tz;
out:
	free(data);
	return rc;
}

int
bl_tz_load(struct bl_tz **out, const char *name, const char *dir, struct bl_err *err)
{
	*out = NULL;
	if (!name_ok(name))
		return bl_fail(err, BL_EINVAL, "\"%.80s\" is no name of a time zone", name);
	return load(out, name, dir != NULL ? dir : SYSTEM_DIR, err);
}

int
bl_tz_machine(struct bl_tz **out, struct bl_err *err)
{
	static const char mark[] = "/zoneinfo/";
	char to[256];
	const ssize_t n = readlink("/etc/localtime", to, sizeof(to) - 1);
	const char *at;
	int rc;

	*out = NULL;
	to[n > 0 ? n : 0] = '\0';
	if ((at = strstr(to, mark)) != NULL && name_ok(at + sizeof(mark) - 1))
		return load(out, at + sizeof(mark) - 1, SYSTEM_DIR, err);
	if ((rc = load(out, "localtime", "/etc", err)) != BL_ENOTFOUND)
		return rc;
	return (*out = bl_tz_utc()) != NULL ? BL_OK
					    : bl_fail(err, BL_ENOMEM, "time zone: out of memory");
}

struct bl_tz *
bl_tz_utc(void)
{
	struct bl_tz *tz = calloc(1, sizeof(*tz));

	if (tz == NULL)
		return NULL;
	memcpy(tz->name, "UTC", 4);
	memcpy(tz->footer.std.abbr, "UTC", 4);
	tz->footer.present = true;
	return tz;
}

void
bl_tz_free(struct bl_tz *tz)
{
	if (tz == NULL)
		return;
	free(tz->time_s);
	free(tz->type_at);
	free(tz->types);
	free(tz);
}

const char *
bl_tz_name(const struct bl_tz *tz)
{
	return tz->name;
}

/* The first type stands for what lies before the table, the footer for what lies behind it. */
struct tz_piece
bl_tz_piece(const struct bl_tz *tz, int64_t at_s)
{
	size_t low = 0, high = tz->n_times; /* times below low are <= at_s, from high on > at_s */

	while (low < high) {
		const size_t mid = low + (high - low) / 2;

		if (tz->time_s[mid] <= at_s)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == tz->n_times && tz->footer.present)
		return bl_tz_footer_piece(&tz->footer, at_s);
	return (struct tz_piece){
		.type = &tz->types[low > 0 ? tz->type_at[low - 1] : 0],
		.until_s = low < tz->n_times ? tz->time_s[low] : INT64_MAX,
	};
}

/* What follows "# version " in the first line of tzdata.zi, or the whole of +VERSION. */
void
bl_tz_release(const char *dir, char *out, size_t size)
{
	static const struct {
		const char *file, *before;
	} places[] = { { "tzdata.zi", "# version " }, { "+VERSION", "" } };

	out[0] = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && out[0] == '\0'; i++) {
		const size_t skip = strlen(places[i].before);
		char path[4096], line[64] = "";
		FILE *f;

		if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir != NULL ? dir : SYSTEM_DIR,
			places[i].file) >= sizeof(path) ||
		    (f = fopen(path, "re")) == NULL)
			continue;
		if (fgets(line, sizeof(line), f) != NULL &&
		    strncmp(line, places[i].before, skip) == 0)
			snprintf(
			    out, size, "%.*s", (int)strcspn(line + skip, " \r\n"), line + skip);
		fclose(f);
	}
}
