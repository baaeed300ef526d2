/*
 * A log across rotation.
 *
 * Renamed and begun anew: what was open is read to its end and kept open for a
 * minute after its last line, because its writer goes on with it until it is
 * told to begin another.  Copied and cut: see sample_log_cursor.c.  A file that is
 * gone and does not come back is given up after a minute.
 */
#include "sample_log_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int
log_file_open(struct log_file *f, const char *path, const struct bl_regex *match,
    const struct bl_regex *ignore, struct bl_err *err)
{
	int rc;

	memset(f, 0, sizeof(*f));
	f->path = path;
	f->now.fd = f->before.fd = -1;
	if ((rc = log_lines_open(&f->now.lines, match, ignore, err)) < 0)
		return rc;
	if ((rc = log_lines_open(&f->before.lines, match, ignore, err)) < 0)
		log_lines_close(&f->now.lines);
	return rc;
}

void
log_file_close(struct log_file *f)
{
	log_cursor_close(&f->now);
	log_cursor_close(&f->before);
	log_lines_close(&f->now.lines);
	log_lines_close(&f->before.lines);
}

void
log_file_resume(struct log_file *f, const struct log_place *at)
{
	struct bl_err ignored = { 0 };
	char rotated[1100];
	struct stat st;

	if (log_cursor_open(&f->now, f->path, LOG_PLACE, at, &ignored) == BL_OK) {
		f->looked = true;
		return;
	}
	/* Rotated or cut meanwhile: the rest of the old one, if it has its usual name, and all of
	 * the new one.  On another device nothing says that it is new. */
	(void)snprintf(rotated, sizeof(rotated), "%s.1", f->path);
	(void)log_cursor_open(&f->now, rotated, LOG_PLACE, at, &ignored);
	f->looked = stat(f->path, &st) == 0 && st.st_dev == at->dev;
}

/* What is at path is another file than the one that is open: that one steps back. */
static void
step_back(struct log_file *f, int64_t boot_ms)
{
	const struct log_cursor before = f->before;

	f->before = f->now;
	f->now = before;
	log_cursor_close(&f->now);
	log_lines_restart(&f->now.lines);
	f->before_boot_ms = boot_ms;
}

static int
read_before(struct log_file *f, char *buf, uint64_t max, int64_t boot_ms, struct log_counts *counts,
    struct bl_err *err)
{
	const uint64_t offset = f->before.at.offset;
	int rc;

	if (f->before.fd < 0)
		return BL_OK;
	rc = log_cursor_read(&f->before, buf, max, counts, err);
	if (rc == BL_OK && f->before.at.offset != offset)
		f->before_boot_ms = boot_ms;
	if (rc < 0 || boot_ms - f->before_boot_ms >= LOG_LINGER_MS)
		log_cursor_close(&f->before);
	return rc;
}

/* Is the open file still the one at path?  A path that leads nowhere now may do so later. */
static void
compare(struct log_file *f, int64_t boot_ms)
{
	struct stat st;
	const bool there = stat(f->path, &st) == 0;

	if (there)
		f->missing = false;
	else if (!f->missing) {
		f->missing = true;
		f->missing_boot_ms = boot_ms;
	}
	if (f->now.fd < 0)
		return;
	if (there && (st.st_dev != f->now.at.dev || st.st_ino != f->now.at.ino))
		step_back(f, boot_ms);
	else if (!there && boot_ms - f->missing_boot_ms >= LOG_LINGER_MS)
		log_cursor_close(&f->now);
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
		rc = log_cursor_open(
		    &f->now, f->path, f->looked ? LOG_BEGINNING : LOG_END, NULL, err);
	f->looked = f->looked || rc == BL_OK || rc == BL_ENOTFOUND;
	return rc;
}

int
log_file_read(struct log_file *f, char buf[LOG_READ], uint64_t max, int64_t boot_ms,
    struct log_counts *counts, struct bl_err *err)
{
	int rc = BL_OK;

	compare(f, boot_ms);
	rc = read_before(f, buf, max, boot_ms, counts, err);
	if (rc == BL_OK && f->now.fd < 0)
		rc = open_now(f, err);
	if (rc == BL_OK)
		rc = log_cursor_read(&f->now, buf, max, counts, err);
	if (rc < 0 && rc != BL_ENOTFOUND)
		log_cursor_close(&f->now);
	return rc;
}
