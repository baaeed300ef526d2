/*
 * Logs: counting lines in a stream of bytes.  What is shared with others who
 * read logs stands in sample_log.h.
 *
 * Nothing here allocates after opening; all of it is driven by sample_logs.c.
 */
#ifndef SAMPLE_LOG_INTERNAL_H
#define SAMPLE_LOG_INTERNAL_H

#include <sys/stat.h>

#include "branchline/regex.h"

#include "sample_log.h"
#include "sample_watch_internal.h"

#define LOG_LAGS 16 /* times max_bytes: further behind, the rest is passed over */

/* ---- lines (sample_log_lines.c); pure ---- */

struct log_counts {
	uint64_t lines;
	uint64_t matched;
	uint64_t skipped_bytes;
};

struct log_lines {
	struct bl_regex_scan *match, *ignore; /* owned; ignore may be NULL */
	struct log_counts *counts;            /* kept */
	bool found, ignored;                  /* in the line that has begun */
	bool held_return;                     /* the last byte was a carriage return */
	bool begun;
};

int log_lines_open(struct log_lines *l, const struct bl_regex *match, const struct bl_regex *ignore,
    struct log_counts *counts, struct bl_err *err);
void log_lines_close(struct log_lines *l);
/* Forgets the line that has begun. */
void log_lines_restart(struct log_lines *l);
/* Bytes go on.  Returns where in them the line begins that has not ended; len: at their end. */
size_t log_lines_feed(struct log_lines *l, const char *data, size_t len);
/* As what reads a log; keeps l. */
struct log_reader log_lines_reader(struct log_lines *l);

/* ---- files between the one that was read and the one at the path (sample_log_between.c) ---- */

#define LOG_ROTATED_MAX 1100 /* bytes of a path with what a rotation adds to it */

/* A rotation of the log called base has this name; *compressed: it would have to be unpacked. */
bool log_is_rotation(const char *base, const char *name, bool *compressed);
/* Where the file lies that had this path, whatever a rotation calls it; not known: NAME.1. */
bool log_find_rotated(const char *path, uint64_t ino, char out[LOG_ROTATED_MAX]);
/*
 * Looks for those that are newer than since_ns; those that are compressed are passed over.  at: a
 * place in a file that was copied and cut, or is gone, or NULL.  True: a copy of that file is
 * there.
 */
bool log_between_find(struct log_file *f, int64_t since_ns, const struct log_place *at);
int64_t log_mtime_ns(const struct stat *st);
/* It is read already. */
void log_between_forget(struct log_file *f, uint64_t ino);
/* Nothing is open as `before`: the oldest of them is. */
void log_between_next(struct log_file *f);

#endif
