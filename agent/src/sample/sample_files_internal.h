/* Looking at a file, or at the files of a folder. */
#ifndef SAMPLE_FILES_INTERNAL_H
#define SAMPLE_FILES_INTERNAL_H

#include "sample_watch_internal.h"

#define FILES_DEPTH 16u /* folders in folders */

struct files_look {
	const char *path;  /* root included */
	const char *match; /* NULL: the thing itself */
	bool recursive;
	unsigned max_entries;
};

struct files_found {
	bool exists;
	bool more; /* entries beyond max_entries or FILES_DEPTH: the rest is of no use */
	uint64_t count;
	uint64_t bytes;
	int64_t newest_unix_ms, oldest_unix_ms; /* of their changes; count > 0 */
	unsigned entries;                       /* looked at */
};

/*
 * BL_OK also for what does not exist and for what is too much (found->more).
 * Negative: it, or a folder in it, could not be read.  Symbolic links in the
 * folder are not followed, other file systems below it not entered; a file
 * that vanishes meanwhile does not count.
 */
int files_look(const struct files_look *look, struct files_found *found, struct bl_err *err);

#endif
