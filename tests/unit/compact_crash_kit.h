/*
 * Around a compactor that dies: copies of a folder to die in, every answer of the readers as text,
 * and a look at every byte of the parts' files.
 */
#ifndef COMPACT_CRASH_KIT_H
#define COMPACT_CRASH_KIT_H

#include "compact_kit.h"

#define DAY (24 * (int64_t)HOUR)

extern const char *const crash_devices[];
#define CRASH_DEVICES 4u

/* The files of a folder and of its parts; to has none yet. */
void crash_copy(const char *from, const char *to);

/* All that readers say, in their order: a sample that is there twice is said twice. */
char *crash_answers(struct kit *k);
/* Each value that is somewhere, whenever. */
char *crash_values(struct kit *k);
/* What rows are left, as counts. */
char *crash_manifest(struct kit *k);
/* Frees what is there. */
void crash_same(char *is, const char *expected, const char *what, const char *when);

/*
 * Every byte of the files is named by a row or is zero; to_the_end: and no file goes further
 * than what is named in it.
 */
void crash_check_files(struct kit *k, bool to_the_end, const char *when);

#endif
