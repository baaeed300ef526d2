/*
 * Logs: counting lines in a stream of bytes, a place in a file that may be
 * truncated, and the two files of a log that is being rotated.
 *
 * Nothing here allocates after opening; all of it is driven by sample_logs.c.
 */
#ifndef SAMPLE_LOG_INTERNAL_H
#define SAMPLE_LOG_INTERNAL_H

#include <sys/types.h>

#include "branchline/regex.h"

#include "sample_watch_internal.h"

#define LOG_ANCHOR    64u           /* bytes before the place by which it is known again */
#define LOG_LINGER_MS (60 * 1000)   /* this long a file is read on after another took its place */
#define LOG_LAGS      16            /* times max_bytes: further behind, the rest is passed over */
#define LOG_READ      (64u * 1024u) /* at once */

/* ---- lines (sample_log_lines.c); pure ---- */

struct log_counts {
	uint64_t lines;
	uint64_t matched;
	uint64_t skipped_bytes;
};

struct log_lines {
	struct bl_regex_scan *match, *ignore; /* owned; ignore may be NULL */
	bool found, ignored;                  /* in the line that has begun */
	bool held_return;                     /* the last byte was a carriage return */
	bool begun;
};

int log_lines_open(struct log_lines *l, const struct bl_regex *match, const struct bl_regex *ignore,
    struct bl_err *err);
void log_lines_close(struct log_lines *l);
/* Forgets the line that has begun. */
void log_lines_restart(struct log_lines *l);
/* Bytes go on.  Returns where in them the line begins that has not ended; len: at their end. */
size_t log_lines_feed(struct log_lines *l, const char *data, size_t len, struct log_counts *counts);

/* ---- a place in a file (sample_log_cursor.c) ---- */

struct log_place {
	uint64_t dev, ino;
	uint64_t offset;
	uint64_t anchor; /* hash of up to LOG_ANCHOR bytes before offset */
};

struct log_cursor {
	int fd;               /* -1: none */
	struct log_place at;  /* what has been read */
	uint64_t line_offset; /* where the line begins that has not ended */
	struct log_lines lines;
};

/*
 * Opens path at its beginning, its end, or *at (known again by device, inode
 * and what stands before it).  BL_ENOTFOUND: no such file, or another one than
 * at; BL_EIO, BL_EDENIED; BL_EINVAL: no regular file.
 */
enum log_from { LOG_BEGINNING, LOG_END, LOG_PLACE };
int log_cursor_open(struct log_cursor *c, const char *path, enum log_from from,
    const struct log_place *at, struct bl_err *err);
void log_cursor_close(struct log_cursor *c);
/*
 * Reads on, max bytes at most, through buf.  A file that was cut, or written
 * anew under the same name, begins anew.  What lies further behind than
 * LOG_LAGS times max is passed over and counted.  Negative: it cannot be read.
 */
int log_cursor_read(struct log_cursor *c, char buf[LOG_READ], uint64_t max,
    struct log_counts *counts, struct bl_err *err);
/* Where a later process goes on: the beginning of the line that has not ended.  False: nowhere. */
bool log_cursor_place(const struct log_cursor *c, struct log_place *out);

/* ---- a log across rotation (sample_log_rotate.c) ---- */

struct log_file {
	const char *path;
	bool looked;              /* at least once: what appears now is new from its beginning */
	struct log_cursor now;    /* what was at path when it was last there */
	struct log_cursor before; /* what another file took the place of */
	int64_t before_boot_ms;   /* since when, or since something was last read of it */
	bool missing;
	int64_t missing_boot_ms;
};

int log_file_open(struct log_file *f, const char *path, const struct bl_regex *match,
    const struct bl_regex *ignore, struct bl_err *err);
void log_file_close(struct log_file *f);
/* Goes on where an earlier process was; before the first read.  Fails silently to begin at the
 * end. */
void log_file_resume(struct log_file *f, const struct log_place *at);
/*
 * Reads what came.  BL_OK; BL_ENOTFOUND: there is no such file, and nothing
 * open that could still be it; BL_EIO, BL_EDENIED, BL_EINVAL.
 */
int log_file_read(struct log_file *f, char buf[LOG_READ], uint64_t max, int64_t boot_ms,
    struct log_counts *counts, struct bl_err *err);

/* ---- places kept from one process to the next (sample_log_state.c) ---- */

struct log_kept {
	const char *name, *path; /* of the watch */
	struct log_place at;
	bool known;
};

/*
 * Takes the file away and fills in what it says of the n logs.  One that is
 * missing says nothing.  BL_ECORRUPT, BL_EIO, BL_EDENIED: it is not as we write it, or cannot
 * be read or taken away; nothing is filled in.
 */
int log_state_take(const char *file, struct log_kept *kept, size_t n, struct bl_err *err);
/* Writes the known ones.  Negative: they are lost, and counting begins at the end next time,
 * which says so where an empty file could be left. */
int log_state_save(const char *file, const struct log_kept *kept, size_t n, struct bl_err *err);

#endif
