/*
 * A log across rotation.
 *
 * Renamed and begun anew: what was open is read to its end and kept open for a
 * minute after its last line, because its writer goes on with it until it is
 * told to begin another.  Copied and cut: see sample_log_cursor.c.  A file that is
 * gone and does not come back is given up after a minute, when it has been read to its end.
 * Rotated again before anybody looked: see sample_log_between.c.
 */
#include "sample_log_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

void
log_file_init(struct log_file *f, const char *path, const struct log_reader reader[2])
{
	memset(f, 0, sizeof(*f));
	f->path = path;
	f->now.fd = f->before.fd = -1;
	f->now.reader = reader[0];
	f->before.reader = reader[1];
}

void
log_file_close(struct log_file *f)
{
	log_cursor_close(&f->now);
	log_cursor_close(&f->before);
}

/*
 * For what was rotated away after this one.  True: there is something.  Its writer may have gone on
 * with the one before it for a moment, and had nothing for this one: that one is not newer.
 */
static bool
look_behind(struct log_file *f, const struct log_cursor *c)
{
	struct stat st;
	int64_t since_ns;

	if (fstat(c->fd, &st) < 0)
		return false;
	since_ns = log_mtime_ns(&st);
	(void)log_between_find(f, since_ns > f->read_ns ? since_ns : f->read_ns, NULL);
	return f->n_between > 0;
}

/* The one before has been read. */
static void
let_go(struct log_file *f)
{
	struct stat st;

	if (fstat(f->before.fd, &st) == 0 && log_mtime_ns(&st) > f->read_ns)
		f->read_ns = log_mtime_ns(&st);
	log_cursor_close(&f->before);
}

bool
log_file_resume(struct log_file *f, const struct log_place *at, size_t n)
{
	struct bl_err ignored = { 0 };
	char rotated[LOG_ROTATED_MAX];
	struct stat st;

	f->looked = true;
	for (size_t i = 0; i < n; i++)
		if (log_cursor_open(&f->now, f->path, LOG_PLACE, &at[i], &ignored) == BL_OK)
			return true;
	/* Rotated or cut meanwhile: the rest of the old one, and all of the new one.  On another
	 * device nothing says that it is new. */
	f->looked = stat(f->path, &st) == 0 && st.st_dev == at[0].dev;
	if (log_find_rotated(f->path, at[0].ino, rotated) &&
	    log_cursor_open(&f->now, rotated, LOG_PLACE, &at[0], &ignored) == BL_OK) {
		f->now_old = look_behind(f, &f->now);
		f->now_looked = true;
		return true;
	}
	if (f->looked)
		(void)log_cursor_open(&f->now, f->path, LOG_BEGINNING, &at[0], &ignored);
	return f->seen_unix_ns != 0 && log_between_find(f, f->seen_unix_ns, &at[0]);
}

bool
log_file_resume_before(struct log_file *f, const struct log_place *at, int64_t boot_ms)
{
	struct bl_err ignored = { 0 };
	char rotated[LOG_ROTATED_MAX];
	uint64_t passed;

	f->before_boot_ms = boot_ms;
	if (!log_find_rotated(f->path, at->ino, rotated) ||
	    log_cursor_open(&f->before, rotated, LOG_PLACE, at, &ignored) < 0)
		return false;
	log_between_forget(f, at->ino);
	/* What is compressed was passed over when this one was looked behind first. */
	passed = f->passed_bytes;
	f->before_old = look_behind(f, &f->before);
	f->passed_bytes = passed;
	f->passed[passed == 0 ? 0 : sizeof(f->passed) - 1] = '\0';
	return true;
}

/* What there is of it still. */
static uint64_t
unread(const struct log_cursor *c)
{
	struct stat st;

	if (c->fd < 0 || fstat(c->fd, &st) < 0 || (uint64_t)st.st_size < c->at.offset)
		return 0;
	return (uint64_t)st.st_size - c->at.offset;
}

/* What is at path is another file than the one that is open: that one steps back.  The one before
 * it is read as far as a turn goes, where what is taken is done with; the rest is passed over. */
static void
step_back(struct log_file *f, char *buf, const struct log_limits *limits, int64_t boot_ms,
    uint64_t *skipped)
{
	struct bl_err ignored = { 0 };
	const struct log_cursor now = f->now;

	if (f->before.fd >= 0 && f->at_once)
		(void)log_cursor_read(&f->before, buf, limits, skipped, &ignored);
	*skipped += unread(&f->before);
	f->before_old = f->now_looked ? f->now_old : look_behind(f, &f->now);
	log_cursor_close(&f->before); /* not sooner: it is none of those */
	f->now = f->before;
	f->before = now;
	f->now_old = f->now_looked = false;
	f->before_boot_ms = boot_ms;
}

/* Else it steps back itself. */
static bool
is_at_path(const struct log_file *f)
{
	struct stat st;

	return f->now.fd >= 0 && stat(f->path, &st) == 0 && st.st_dev == f->now.at.dev &&
	       st.st_ino == f->now.at.ino;
}

static void
open_next(struct log_file *f, int64_t boot_ms)
{
	if (f->before.fd >= 0 || f->n_between == 0 || !is_at_path(f))
		return;
	log_between_next(f);
	f->before_boot_ms = boot_ms;
}

static int
read_before(struct log_file *f, char *buf, const struct log_limits *limits, int64_t boot_ms,
    uint64_t *skipped, struct bl_err *err)
{
	const uint64_t offset = f->before.at.offset;
	int rc;

	open_next(f, boot_ms);
	if (f->before.fd < 0)
		return BL_OK;
	rc = log_cursor_read(&f->before, buf, limits, skipped, err);
	if (rc == BL_OK && f->before.at.offset != offset)
		f->before_boot_ms = boot_ms;
	if (rc < 0 ||
	    (!f->held && (boot_ms - f->before_boot_ms >= LOG_LINGER_MS ||
			     (f->before_old && f->n_between > 0 && unread(&f->before) == 0))))
		let_go(f);
	open_next(f, boot_ms); /* so that a later process knows of it */
	return rc;
}

/* Is the open file still the one at path?  A path that leads nowhere now may do so later. */
static int
compare(struct log_file *f, char *buf, const struct log_limits *limits, int64_t boot_ms,
    uint64_t *skipped, struct bl_err *err)
{
	struct stat st;
	const bool there = stat(f->path, &st) == 0;

	/* Nobody knows: it goes on when somebody does. */
	if (!there && errno != ENOENT && errno != ENOTDIR)
		return bl_fail_errno(err, BL_EIO, "logs: look at %s", f->path);
	if (there)
		f->missing = false;
	else if (!f->missing) {
		f->missing = true;
		f->missing_boot_ms = boot_ms;
	}
	if (f->now.fd < 0 || (f->held && (!there || f->before.fd >= 0)))
		return BL_OK;
	if (there && (st.st_dev != f->now.at.dev || st.st_ino != f->now.at.ino))
		step_back(f, buf, limits, boot_ms, skipped);
	else if (!there && boot_ms - f->missing_boot_ms >= LOG_LINGER_MS &&
		 (!f->at_once || unread(&f->now) == 0)) /* else held is what tells */
		log_cursor_close(&f->now);
	return BL_OK;
}

/* After a failure where it was; else what had been there before the first look ends there. */
static int
open_now(struct log_file *f, struct bl_err *err)
{
	const struct log_place at = f->now.at;
	int rc = BL_ENOTFOUND;

	if (at.ino != 0)
		rc = log_cursor_open(&f->now, f->path, LOG_PLACE, &at, err);
	if (rc == BL_ENOTFOUND)
		rc = log_cursor_open(&f->now, f->path,
		    f->looked || f->from_beginning ? LOG_BEGINNING : LOG_END, &at, err);
	f->looked = f->looked || rc == BL_OK || rc == BL_ENOTFOUND;
	return rc;
}

/* What came behind the last look before it was copied and cut stands in the copy alone, which was
 * made just now. */
static int
read_now(struct log_file *f, char *buf, const struct log_limits *limits, uint64_t *skipped,
    struct bl_err *err)
{
	const struct log_place at = f->now.at;
	const int rc = log_cursor_read(&f->now, buf, limits, skipped, err);

	if (rc == BL_OK && f->now.at.cuts != at.cuts && at.offset >= LOG_ANCHOR &&
	    f->n_between == 0 && !log_between_find(f, (int64_t)time(NULL) * 1000000000, &at))
		f->n_between = 0; /* whatever they are */
	return rc;
}

int
log_file_read(struct log_file *f, char buf[LOG_READ], const struct log_limits *limits,
    int64_t boot_ms, uint64_t *skipped, struct bl_err *err)
{
	int rc = compare(f, buf, limits, boot_ms, skipped, err);

	if (rc < 0)
		return rc;
	*skipped += f->passed_bytes;
	f->passed_bytes = 0;
	rc = read_before(f, buf, limits, boot_ms, skipped, err);
	if (rc == BL_OK && f->now.fd < 0)
		rc = open_now(f, err);
	if (rc == BL_OK)
		rc = read_now(f, buf, limits, skipped, err);
	if (rc < 0 && rc != BL_ENOTFOUND)
		log_cursor_close(&f->now);
	return rc;
}
