/*
 * Small files, whole: read, and written so that a reader sees the old or the
 * new content and never a part, never with wider rights than asked for.  And lists
 * of lines that only grow.
 */
#ifndef FILES_H
#define FILES_H

#include <stdbool.h>
#include <sys/types.h>

#include "branchline/buf.h"
#include "branchline/err.h"

/* Appends the file to b.  BL_ENOTFOUND, BL_EDENIED, BL_EFULL (over b's cap), BL_EIO. */
int files_read(const char *path, struct bl_buf *b, struct bl_err *err);
/* Temporary file in the same folder, fsync, rename, fsync of the folder. */
int files_write(const char *path, const void *data, size_t len, mode_t mode, struct bl_err *err);
/*
 * Adds a line to a list of lines and syncs it; makes the file (and syncs its folder) where there is
 * none.  A line that a crash left torn is ended first, so that it spoils none but itself.
 * BL_EFULL: the file would become larger than max_bytes.
 */
int files_append_line(
    const char *path, const char *line, size_t max_bytes, mode_t mode, struct bl_err *err);
/* Makes a folder (0700 or as given) and its parents; an existing one is fine. */
int files_mkdir(const char *path, mode_t mode, struct bl_err *err);
bool files_exists(const char *path);

#endif
