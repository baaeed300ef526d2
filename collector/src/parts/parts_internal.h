/* Inside this folder only. */
#ifndef PARTS_INTERNAL_H
#define PARTS_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>

#include "chunk.h"
#include "parts.h"

#define PARTS_PATH_MAX  4096
#define PARTS_FILES_MAX 64 /* open for reading, of those that nobody uses just now */
#define PARTS_CACHE     (64u << 20)

/* A file that is open for reading. */
struct parts_file {
	struct parts_file *next;
	enum parts_level level;
	int64_t from_unix_ms;
	int fd;
	unsigned users;
	bool gone; /* deleted: whoever still reads reads on, nobody else finds it */
	uint64_t used;
};

/* An index that is parsed. */
struct parts_index {
	struct parts_index *next;
	int64_t part;
	enum parts_level level;
	struct chunk_index *ix;
	size_t bytes;
	unsigned users;
	uint64_t used;
};

/* The file that a level is appended to. */
struct parts_tail {
	bool open, dirty;
	int64_t from_unix_ms, end;
	char path[PARTS_PATH_MAX];
	sqlite3_file *f; /* allocated */
};

struct parts {
	char *folder;
	size_t cache_max;
	pthread_mutex_t lock; /* guards what follows */
	struct parts_file *files;
	struct parts_index *indexes;
	uint64_t clock;
	struct parts_stats stats;
	/* the writing thread's own: */
	struct parts_tail tail[PARTS_LEVELS];
	bool sync_failed; /* since parts_sync last said so */
};

void parts_path(
    const struct parts *p, enum parts_level level, int64_t hour_unix_ms, char out[PARTS_PATH_MAX]);
/* So that nobody opens it again by the descriptor of before. */
void parts_forget_file(struct parts *p, enum parts_level level, int64_t from_unix_ms);
void parts_close_tails(struct parts *p);

#endif
