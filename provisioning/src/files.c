/* Small files, whole; see the header. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int
code_of_errno(void)
{
	switch (errno) {
	case ENOENT:
	case ENOTDIR:
		return BL_ENOTFOUND;
	case EACCES:
	case EPERM:
		return BL_EDENIED;
	case ENOSPC:
	case EDQUOT:
		return BL_EFULL;
	default:
		return BL_EIO;
	}
}

int
files_read(const char *path, struct bl_buf *b, struct bl_err *err)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	char part[4096];
	ssize_t n;
	int rc = BL_OK;

	if (fd < 0)
		return bl_fail_errno(err, code_of_errno(), "read %s", path);
	while ((n = read(fd, part, sizeof(part))) > 0)
		bl_buf_bytes(b, part, (size_t)n);
	if (n < 0)
		rc = bl_fail_errno(err, code_of_errno(), "read %s", path);
	else if (b->failed)
		rc = bl_fail(err, BL_EFULL, "read %s: larger than %zu bytes", path, b->cap);
	(void)close(fd); /* only read */
	return rc;
}

static int
write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		const ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return fsync(fd);
}

static int
sync_folder(const char *path)
{
	char folder[1024];
	char *slash;
	int fd, rc;

	(void)snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (slash == NULL)
		(void)snprintf(folder, sizeof(folder), ".");
	else
		slash[slash == folder] = '\0';
	if ((fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return -1;
	rc = fsync(fd);
	(void)close(fd);
	return rc;
}

int
files_write(const char *path, const void *data, size_t len, mode_t mode, struct bl_err *err)
{
	char tmp[1100];
	int fd, rc;

	if ((size_t)snprintf(tmp, sizeof(tmp), "%s.new", path) >= sizeof(tmp))
		return bl_fail(err, BL_EINVAL, "write %.80s...: path too long", path);
	/* O_EXCL after unlink: a file or link that somebody left there is not written through. */
	if (unlink(tmp) != 0 && errno != ENOENT)
		return bl_fail_errno(err, code_of_errno(), "write %s", tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return bl_fail_errno(err, code_of_errno(), "write %s", path);
	if (write_all(fd, data, len) != 0) {
		rc = bl_fail_errno(err, code_of_errno(), "write %s", path);
		(void)close(fd);
		(void)unlink(tmp);
		return rc;
	}
	if (close(fd) != 0 || rename(tmp, path) != 0 || sync_folder(path) != 0) {
		rc = bl_fail_errno(err, code_of_errno(), "write %s", path);
		(void)unlink(tmp);
		return rc;
	}
	return BL_OK;
}

/* Whether the file's last line is whole; *size is its length. */
static int
ends_whole(int fd, off_t *size, bool *whole)
{
	char last = '\n';

	if ((*size = lseek(fd, 0, SEEK_END)) < 0 ||
	    (*size > 0 && pread(fd, &last, 1, *size - 1) != 1))
		return -1;
	*whole = last == '\n';
	return 0;
}

int
files_append_line(
    const char *path, const char *line, size_t max_bytes, mode_t mode, struct bl_err *err)
{
	const bool fresh = !files_exists(path);
	const int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode);
	char text[1024];
	bool whole;
	off_t size;
	int rc = BL_OK;

	if (fd < 0)
		return bl_fail_errno(err, code_of_errno(), "write %s", path);
	if (ends_whole(fd, &size, &whole) != 0) {
		rc = bl_fail_errno(err, code_of_errno(), "read %s", path);
		goto out;
	}
	(void)snprintf(text, sizeof(text), "%s%s\n", whole ? "" : "\n", line);
	if ((size_t)size + strlen(text) > max_bytes)
		rc = bl_fail(err, BL_EFULL, "%s: the list is full", path);
	else if (write_all(fd, text, strlen(text)) != 0 || (fresh && sync_folder(path) != 0))
		rc = bl_fail_errno(err, code_of_errno(), "write %s", path);
out:
	if (close(fd) != 0 && rc == BL_OK)
		rc = bl_fail_errno(err, code_of_errno(), "write %s", path);
	return rc;
}

int
files_mkdir(const char *path, mode_t mode, struct bl_err *err)
{
	char part[1024];

	if ((size_t)snprintf(part, sizeof(part), "%s", path) >= sizeof(part))
		return bl_fail(err, BL_EINVAL, "make folder %.80s...: path too long", path);
	for (char *p = part + 1; *p != '\0'; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(part, 0755) != 0 && errno != EEXIST)
			return bl_fail_errno(err, code_of_errno(), "make folder %s", part);
		*p = '/';
	}
	if (mkdir(part, mode) != 0 && errno != EEXIST)
		return bl_fail_errno(err, code_of_errno(), "make folder %s", path);
	return BL_OK;
}

bool
files_exists(const char *path)
{
	return access(path, F_OK) == 0;
}
