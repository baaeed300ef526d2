/*
 * bad/NAME.bad: lines that were not taken, each behind its place and reason.
 *
 * The first line says which file it belongs to; when another file's is there
 * already, this one gets a name of its own.  It is cut to where the state says,
 * so that a line which is read again after a crash stands there once.
 */
#include "drop_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD_MAX (NAME_MAX + 80)

void
drop_bad_begin(struct drop_bad *b, const struct drop_place *at)
{
	b->fd = -1;
	b->bytes = at->bad_bytes;
	b->lines = at->bad_lines;
	b->full = false;
}

void
drop_bad_close(struct drop_bad *b)
{
	if (b->fd >= 0)
		(void)close(b->fd);
	b->fd = -1;
}

int
drop_sub_open(int folder, const char *name)
{
	const bool made = mkdirat(folder, name, S_IRWXU) == 0;
	struct stat st;
	int fd;

	if (!made && errno != EEXIST)
		return -1;
	fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* Whatever this process' mask is; where a sandbox forbids setgid it stays as it is. */
	if (made && fd >= 0 && fstat(folder, &st) == 0)
		(void)!fchmod(fd, st.st_mode & 03777);
	return fd;
}

/* The file at b->name in bad/ is this file's, or made.  BL_EEXIST: another's. */
static int
try_name(struct drop_bad *b, int sub, const char *head, struct bl_err *err)
{
	const size_t len = strlen(head);
	char there[HEAD_MAX];
	struct stat st;
	ssize_t n;

	b->fd = openat(sub, b->name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
	    S_IRUSR | S_IWUSR);
	if (b->fd < 0)
		return bl_fail_errno(err, BL_EIO, "drop: write bad/%s", b->name);
	n = pread(b->fd, there, len, 0);
	if (fstat(b->fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1 ||
	    (n > 0 && ((size_t)n != len || memcmp(there, head, len) != 0))) {
		drop_bad_close(b);
		return BL_EEXIST;
	}
	if (b->bytes < len || (uint64_t)st.st_size < b->bytes)
		b->bytes = 0;
	if (ftruncate(b->fd, (off_t)b->bytes) < 0 ||
	    (b->bytes == 0 && pwrite(b->fd, head, len, 0) != (ssize_t)len)) {
		drop_bad_close(b);
		return bl_fail_errno(err, BL_EIO, "drop: write bad/%s", b->name);
	}
	(void)!fchmod(b->fd, S_IRUSR | S_IWUSR | b->mode);
	b->bytes = b->bytes == 0 ? len : b->bytes;
	return BL_OK;
}

static int
open_for(struct drop_bad *b, int folder, const char *file, uint64_t identity, struct bl_err *err)
{
	const int sub = drop_sub_open(folder, "bad");
	char head[HEAD_MAX];
	int rc;

	if (sub < 0)
		return bl_fail_errno(err, BL_EIO, "drop: the folder bad");
	(void)snprintf(
	    head, sizeof(head), "# not taken from %s (%016" PRIx64 ")\n", file, identity);
	(void)snprintf(b->name, sizeof(b->name), "%.*s.bad", NAME_MAX - 24, file);
	if ((rc = try_name(b, sub, head, err)) == BL_EEXIST) {
		(void)snprintf(b->name, sizeof(b->name), "%.*s.%016" PRIx64 ".bad", NAME_MAX - 24,
		    file, identity);
		rc = try_name(b, sub, head, err);
	}
	(void)close(sub);
	return rc != BL_EEXIST ? rc : bl_fail(err, rc, "drop: bad/%s is something else", b->name);
}

bool
drop_bad_is_there(struct drop_bad *b, int folder, const char *file, uint64_t identity)
{
	const uint64_t bytes = b->bytes;
	struct bl_err err = { 0 };

	return bytes == 0 ||
	       (open_for(b, folder, file, identity, &err) == BL_OK && b->bytes == bytes);
}

static int
append(struct drop_bad *b, const char *text, size_t len, struct bl_err *err)
{
	errno = ENOSPC; /* for a write that was cut short, which sets none */
	if (pwrite(b->fd, text, len, (off_t)b->bytes) != (ssize_t)len)
		return bl_fail_errno(err, BL_EIO, "drop: write bad/%s", b->name);
	b->bytes += len;
	return BL_OK;
}

int
drop_bad_put(struct drop_bad *b, int folder, const char *file, uint64_t identity, uint64_t line,
    const char *why, struct bl_str text, struct bl_err *err)
{
	static const char full[] = "... and further ones, which are only counted\n";
	char head[400];
	int n, rc;

	b->lines++;
	if (b->told != NULL)
		b->told->wrong(b->told->ctx, line, text, why);
	if (b->full || b->told != NULL)
		return BL_OK;
	if (b->fd < 0 && (rc = open_for(b, folder, file, identity, err)) < 0)
		return rc;
	if (b->bytes + text.len + sizeof(head) > DROP_BAD_MAX) {
		b->full = true;
		return append(b, full, sizeof(full) - 1, err);
	}
	n = line > 0 ? snprintf(head, sizeof(head), "line %" PRIu64 ": %s\n", line, why)
		     : snprintf(head, sizeof(head), "the whole file: %s\n", why);
	if ((rc = append(b, head, (size_t)n, err)) < 0 || text.len == 0 ||
	    (rc = append(b, text.p, text.len, err)) < 0)
		return rc;
	return text.p[text.len - 1] == '\n' ? BL_OK : append(b, "\n", 1, err);
}
