/*
 * Passwords and tokens, from files that nobody else may read.
 *
 * Read again for every request that needs one, so that a new one is used at
 * once; nothing but the request keeps it.  Never waits: a pipe is refused.
 */
#include "probe_http_internal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "branchline/secret.h"

static int
judge(const char *path, const struct stat *st, struct bl_err *err)
{
	if (!S_ISREG(st->st_mode))
		return bl_fail(err, BL_EINVAL, "secret %.80s: it is no file", path);
	if (bl_secret_is_open(path, st))
		return bl_fail(err, BL_EINVAL,
		    "secret %.80s can be read by others (mode %03o); make it 0600", path,
		    (unsigned)st->st_mode & 0777);
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return bl_fail(err, BL_EINVAL, "secret %.80s belongs to somebody else (user %u)",
		    path, (unsigned)st->st_uid);
	return BL_OK;
}

/* The first line is what counts: most editors end it. */
static int
line_check(char *line, const char *path, struct bl_err *err)
{
	line[strcspn(line, "\r\n")] = '\0';
	if (line[0] == '\0')
		return bl_fail(err, BL_EINVAL, "secret %.80s: its first line is empty", path);
	if (strlen(line) >= PROBE_SECRET_MAX)
		return bl_fail(err, BL_EINVAL, "secret %.80s is longer than %u bytes", path,
		    PROBE_SECRET_MAX - 1);
	for (const unsigned char *p = (const unsigned char *)line; *p != '\0'; p++)
		if (*p < ' ' || *p == 0x7f)
			return bl_fail(
			    err, BL_EINVAL, "secret %.80s holds control characters", path);
	return BL_OK;
}

int
probe_secret_read(char out[PROBE_SECRET_MAX + 1], const char *path, struct bl_err *err)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	ssize_t n = -1;
	int rc;

	out[0] = '\0';
	if (fd < 0)
		return bl_fail_errno(err, BL_EIO, "secret %.80s", path);
	rc = fstat(fd, &st) < 0 ? bl_fail_errno(err, BL_EIO, "secret %.80s", path)
				: judge(path, &st, err);
	if (rc == BL_OK && (n = read(fd, out, PROBE_SECRET_MAX)) < 0)
		rc = bl_fail_errno(err, BL_EIO, "secret %.80s", path);
	(void)close(fd);
	out[n > 0 ? n : 0] = '\0';
	if (rc == BL_OK)
		rc = line_check(out, path, err);
	if (rc < 0)
		explicit_bzero(out, PROBE_SECRET_MAX);
	return rc;
}
