/*
 * A log across rotation.
 *
 * Renamed and begun anew: what was open is read to its end and kept open for a
 * minute after its last line, because its writer goes on with it until it is
 * told to begin another.  Copied and cut: see sample_log_cursor.c.  A file that is
 * gone and does not come back is given up after a minute, when it has been read to its end.
 */
#include "sample_log.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define ROTATED_MAX 1100 /* bytes of a path with what a rotation adds to it */
#define ENTRIES_MAX 4096 /* of a folder that are looked at */

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

/* Where the file lies that had this path, whatever a rotation calls it; not known: NAME.1. */
static bool
find_rotated(const char *path, uint64_t ino, char out[ROTATED_MAX])
{
	const char *slash = strrchr(path, '/');
	const char *base = slash != NULL ? slash + 1 : path;
	const int folder = (int)(base - path);
	const struct dirent *entry;
	bool found = false;
	DIR *dir;
	int n = snprintf(out, ROTATED_MAX, "%.*s", folder, path);

	if (n < 0 || n >= ROTATED_MAX || (dir = opendir(folder > 0 ? out : ".")) == NULL)
		return false;
	for (unsigned i = 0; i < ENTRIES_MAX && !found && (entry = readdir(dir)) != NULL; i++) {
		found = entry->d_ino == ino && strncmp(entry->d_name, base, strlen(base)) == 0;
		if (found)
			n = snprintf(out, ROTATED_MAX, "%.*s%s", folder, path, entry->d_name);
	}
	(void)closedir(dir);
	if (!found)
		n = snprintf(out, ROTATED_MAX, "%s.1", path);
	return n > 0 && n < ROTATED_MAX;
}

bool
log_file_resume(struct log_file *f, const struct log_place *at, size_t n)
{
	struct bl_err ignored = { 0 };
	char rotated[ROTATED_MAX];
	struct stat st;

	f->looked = true;
	for (size_t i = 0; i < n; i++)
		if (log_cursor_open(&f->now, f->path, LOG_PLACE, &at[i], &ignored) == BL_OK)
			return true;
	/* Rotated or cut meanwhile: the rest of the old one, and all of the new one.  On another
	 * device nothing says that it is new. */
	f->looked = stat(f->path, &st) == 0 && st.st_dev == at[0].dev;
	if (find_rotated(f->path, at[0].ino, rotated) &&
	    log_cursor_open(&f->now, rotated, LOG_PLACE, &at[0], &ignored) == BL_OK)
		return true;
	if (f->looked)
		(void)log_cursor_open(&f->now, f->path, LOG_BEGINNING, &at[0], &ignored);
	return false;
}

bool
log_file_resume_before(struct log_file *f, const struct log_place *at, int64_t boot_ms)
{
	struct bl_err ignored = { 0 };
	char rotated[ROTATED_MAX];

	f->before_boot_ms = boot_ms;
	return find_rotated(f->path, at->ino, rotated) &&
	       log_cursor_open(&f->before, rotated, LOG_PLACE, at, &ignored) == BL_OK;
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
 * it is read as far as a turn goes; the rest is passed over. */
static void
step_back(struct log_file *f, char *buf, const struct log_limits *limits, int64_t boot_ms,
    uint64_t *skipped)
{
	struct bl_err ignored = { 0 };
	const struct log_cursor now = f->now;

	if (f->before.fd >= 0)
		(void)log_cursor_read(&f->before, buf, limits, skipped, &ignored);
	*skipped += unread(&f->before);
	log_cursor_close(&f->before);
	f->now = f->before;
	f->before = now;
	f->before_boot_ms = boot_ms;
}

static int
read_before(struct log_file *f, char *buf, const struct log_limits *limits, int64_t boot_ms,
    uint64_t *skipped, struct bl_err *err)
{
	const uint64_t offset = f->before.at.offset;
	int rc;

	if (f->before.fd < 0)
		return BL_OK;
	rc = log_cursor_read(&f->before, buf, limits, skipped, err);
	if (rc == BL_OK && f->before.at.offset != offset)
		f->before_boot_ms = boot_ms;
	if (rc < 0 || (boot_ms - f->before_boot_ms >= LOG_LINGER_MS && !f->held))
		log_cursor_close(&f->before);
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
	else if (!there && boot_ms - f->missing_boot_ms >= LOG_LINGER_MS && unread(&f->now) == 0)
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

int
log_file_read(struct log_file *f, char buf[LOG_READ], const struct log_limits *limits,
    int64_t boot_ms, uint64_t *skipped, struct bl_err *err)
{
	int rc = compare(f, buf, limits, boot_ms, skipped, err);

	if (rc < 0)
		return rc;
	rc = read_before(f, buf, limits, boot_ms, skipped, err);
	if (rc == BL_OK && f->now.fd < 0)
		rc = open_now(f, err);
	if (rc == BL_OK)
		rc = log_cursor_read(&f->now, buf, limits, skipped, err);
	if (rc < 0 && rc != BL_ENOTFOUND)
		log_cursor_close(&f->now);
	return rc;
}
