/*
 * A place in a file that others write, cut and replace.
 *
 * The place is known again by a hash of what stands before it: a file that was
 * copied and cut (copytruncate) may have grown beyond the place before anybody
 * looked, and its size alone would not tell.
 */
#include "sample_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* FNV-1a over up to LOG_ANCHOR bytes before offset.  False: they cannot be read. */
static bool
anchor_of(int fd, uint64_t offset, uint64_t *anchor)
{
	const size_t n = offset < LOG_ANCHOR ? (size_t)offset : LOG_ANCHOR;
	unsigned char bytes[LOG_ANCHOR];
	uint64_t h = 14695981039346656037ull;

	if (pread(fd, bytes, n, (off_t)(offset - n)) != (ssize_t)n)
		return false;
	for (size_t i = 0; i < n; i++)
		h = (h ^ bytes[i]) * 1099511628211ull;
	*anchor = h;
	return true;
}

static void
go_to(struct log_cursor *c, uint64_t offset)
{
	char before = '\n';

	if (offset > 0 && pread(c->fd, &before, 1, (off_t)(offset - 1)) != 1)
		before = '\n'; /* no such place: the next read begins anew */
	c->at.offset = c->line_offset = offset;
	c->reader.restart(c->reader.ctx, before != '\n');
}

/* It was cut, or written anew. */
static void
begin_anew(struct log_cursor *c)
{
	c->at.cuts++;
	go_to(c, 0);
}

static bool
is_there(const struct log_cursor *c, const struct stat *st, const struct log_place *at)
{
	uint64_t anchor;

	return st->st_dev == at->dev && st->st_ino == at->ino &&
	       (uint64_t)st->st_size >= at->offset && anchor_of(c->fd, at->offset, &anchor) &&
	       anchor == at->anchor;
}

/* A place that is not there any more in the very file that it was in: that was cut. */
static uint64_t
cuts_of(const struct stat *st, enum log_from from, const struct log_place *at)
{
	if (at == NULL || at->dev != st->st_dev || at->ino != st->st_ino)
		return 0;
	return from == LOG_PLACE ? at->cuts : at->cuts + 1;
}

/* The fd is open. */
static int
begin_at(struct log_cursor *c, const char *path, enum log_from from, const struct log_place *at,
    struct bl_err *err)
{
	struct stat st;

	if (fstat(c->fd, &st) < 0)
		return bl_fail_errno(err, BL_EIO, "logs: look at %s", path);
	if (!S_ISREG(st.st_mode))
		return bl_fail(err, BL_EINVAL, "logs: %s is no regular file", path);
	if (from == LOG_PLACE && !is_there(c, &st, at))
		return bl_fail(err, BL_ENOTFOUND, "logs: %s is another file than before", path);
	c->at.dev = st.st_dev;
	c->at.ino = st.st_ino;
	c->at.cuts = cuts_of(&st, from, at);
	go_to(c, from == LOG_PLACE ? at->offset : from == LOG_END ? (uint64_t)st.st_size : 0);
	if (!anchor_of(c->fd, c->at.offset, &c->at.anchor))
		return bl_fail_errno(err, BL_EIO, "logs: read %s", path);
	return BL_OK;
}

/*
 * Opens a regular file, and nothing else even for a moment: whoever may write to a log's folder
 * could put a link there that leads to a device which does something when it is opened.
 */
static int
open_regular(const char *path)
{
	const int at = open(path, O_PATH | O_CLOEXEC);
	char again[32];
	struct stat st;
	int fd = -1, e;

	if (at < 0)
		return -1;
	if (fstat(at, &st) == 0 && !S_ISREG(st.st_mode)) {
		errno = EINVAL;
	} else {
		(void)snprintf(again, sizeof(again), "/proc/self/fd/%d", at);
		fd = open(again, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	}
	e = errno;
	(void)close(at);
	errno = e;
	return fd;
}

int
log_cursor_open(struct log_cursor *c, const char *path, enum log_from from,
    const struct log_place *at, struct bl_err *err)
{
	int rc;

	c->fd = open_regular(path);
	if (c->fd < 0 && errno == EINVAL)
		return bl_fail(err, BL_EINVAL, "logs: %s is no regular file", path);
	if (c->fd < 0)
		return bl_fail_errno(err,
		    errno == ENOENT || errno == ENOTDIR ? BL_ENOTFOUND
		    : errno == EACCES || errno == EPERM ? BL_EDENIED
							: BL_EIO,
		    "logs: open %s", path);
	if ((rc = begin_at(c, path, from, at, err)) < 0)
		log_cursor_close(c);
	return rc;
}

void
log_cursor_close(struct log_cursor *c)
{
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
}

/* Cut, begun anew, or too far behind: the place moves. */
static int
find_place(
    struct log_cursor *c, const struct log_limits *limits, uint64_t *skipped, struct bl_err *err)
{
	struct stat st;
	uint64_t size, anchor;

	if (fstat(c->fd, &st) < 0)
		return bl_fail_errno(err, BL_EIO, "logs: look at an open log");
	size = (uint64_t)st.st_size;
	if (size < c->at.offset || !anchor_of(c->fd, c->at.offset, &anchor) ||
	    anchor != c->at.anchor)
		begin_anew(c);
	if (size - c->at.offset > limits->behind) {
		*skipped += size - limits->keep - c->at.offset;
		go_to(c, size - limits->keep);
	}
	return BL_OK;
}

int
log_cursor_read(struct log_cursor *c, char buf[LOG_READ], const struct log_limits *limits,
    uint64_t *skipped, struct bl_err *err)
{
	uint64_t left = limits->max;
	int rc = find_place(c, limits, skipped, err);

	while (rc == BL_OK && left > 0) {
		const size_t want = left < LOG_READ ? (size_t)left : LOG_READ;
		const ssize_t n = pread(c->fd, buf, want, (off_t)c->at.offset);
		size_t line = 0, taken;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			rc = bl_fail_errno(err, BL_EIO, "logs: read an open log");
		if (n <= 0)
			break;
		taken = c->reader.take(c->reader.ctx, buf, (size_t)n, &line);
		/* 0 also when the line began in an earlier piece and goes on. */
		if (line > 0)
			c->line_offset = c->at.offset + line;
		c->at.offset += taken;
		left -= (uint64_t)n;
		if (taken < (size_t)n)
			break;
	}
	if (rc == BL_OK && !anchor_of(c->fd, c->at.offset, &c->at.anchor))
		begin_anew(c); /* cut this very moment */
	return rc;
}

bool
log_cursor_back(struct log_cursor *c, uint64_t offset)
{
	uint64_t anchor;

	if (c->fd < 0 || offset > c->at.offset || !anchor_of(c->fd, offset, &anchor))
		return false;
	go_to(c, offset);
	c->at.anchor = anchor;
	return true;
}

bool
log_cursor_place(const struct log_cursor *c, uint64_t offset, struct log_place *out)
{
	if (c->fd < 0)
		return false;
	*out = c->at;
	out->offset = offset;
	return anchor_of(c->fd, out->offset, &out->anchor);
}
