/*
 * Files of /proc that are read at every tick: opened once, then pread from
 * their start, which makes the kernel produce the text anew.
 *
 * A failed read closes the descriptor, so that the next tick starts clean:
 * that is all the recovery there is, and it needs no timer.
 */
#include "sample_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int
sample_file_init(struct sample_file *f, const char *root, const char *path, struct bl_err *err)
{
	f->fd = -1;
	f->path = NULL;
	if (asprintf(&f->path, "%s%s", root, path) < 0) {
		f->path = NULL;
		return bl_fail(err, BL_ENOMEM, "sample: out of memory");
	}
	return BL_OK;
}

void
sample_file_close(struct sample_file *f)
{
	if (f->path == NULL)
		return; /* never initialised: its descriptor is not ours */
	if (f->fd >= 0)
		(void)close(f->fd);
	free(f->path);
	f->path = NULL;
	f->fd = -1;
}

static int
fail_and_close(struct sample_file *f, const char *what, struct bl_err *err)
{
	const int rc = bl_fail_errno(err, BL_EIO, "sample: %s %s", what, f->path);

	if (f->fd >= 0)
		(void)close(f->fd);
	f->fd = -1;
	return rc;
}

/*
 * All files of /proc end with a newline; a line that was cut in two would read
 * as a smaller number, so an unfinished last one is forgotten.
 */
static size_t
drop_last_line(char *buf, size_t len)
{
	while (len > 0 && buf[len - 1] != '\n')
		len--;
	buf[len] = '\0';
	return len;
}

int
sample_file_read(struct sample_file *f, char *buf, size_t size, bool *cut, struct bl_err *err)
{
	size_t len = 0;

	*cut = false;
	buf[0] = '\0';
	if (f->fd < 0 && (f->fd = open(f->path, O_RDONLY | O_CLOEXEC)) < 0)
		return fail_and_close(f, "open", err);

	/* The kernel hands out at most a page at a time, so until the end. */
	while (len < size - 1) {
		const ssize_t n = pread(f->fd, buf + len, size - 1 - len, (off_t)len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_and_close(f, "read", err);
		if (n == 0)
			break;
		len += (size_t)n;
	}
	*cut = len == size - 1;
	len = drop_last_line(buf, len);
	if (len == 0) {
		errno = ENODATA;
		return fail_and_close(f, "read", err);
	}
	return (int)len;
}

bool
sample_file_changed(const struct sample_file *f)
{
	struct pollfd p = { .fd = f->fd, .events = POLLPRI };

	return f->fd < 0 || (poll(&p, 1, 0) > 0 && (p.revents & (POLLPRI | POLLERR)) != 0);
}

int
sample_file_result(int rc, const struct bl_err *why, struct bl_err *err)
{
	const int e = why->os_errno;

	/* EOPNOTSUPP: a kernel that was built with it and started without (psi=0). */
	if (rc >= 0 || e == ENOENT || e == ENOTDIR || e == EOPNOTSUPP)
		return BL_OK;
	if (err != NULL)
		*err = *why;
	return rc;
}

/* ---- what is read once in a while ---- */

bool
sample_text_read(const char *path, char *buf, size_t size)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n;

	buf[0] = '\0';
	if (fd < 0)
		return false;
	do
		n = read(fd, buf, size - 1);
	while (n < 0 && errno == EINTR);
	(void)close(fd);
	if (n <= 0)
		return false;
	if (buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return n > 0;
}

/* In its place, as `ls -v` has it; there are few. */
static void
entry_insert(struct sample_entries *e, const char *name)
{
	unsigned i = e->n;

	if (e->n == sizeof(e->name) / sizeof(e->name[0]) || strlen(name) >= SAMPLE_ENTRY_MAX) {
		e->left_out++;
		return;
	}
	for (; i > 0 && strverscmp(e->name[i - 1], name) > 0; i--)
		memcpy(e->name[i], e->name[i - 1], SAMPLE_ENTRY_MAX);
	memcpy(e->name[i], name, strlen(name) + 1);
	e->n++;
}

bool
sample_entries_read(const char *path, bool (*wanted)(const char *name), struct sample_entries *e)
{
	char buf[4096] __attribute__((aligned(8)));
	const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long got;

	e->n = 0;
	e->left_out = 0;
	if (fd < 0)
		return false;
	/* Not opendir, which allocates. */
	while ((got = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < got;) {
			const struct dirent64 *entry = (const struct dirent64 *)(buf + at);

			at += entry->d_reclen;
			if (entry->d_name[0] != '.' && (wanted == NULL || wanted(entry->d_name)))
				entry_insert(e, entry->d_name);
		}
	}
	(void)close(fd);
	return got == 0;
}
