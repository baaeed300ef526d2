/*
 * The files that parts lie in: STATE/parts/raw-20261128.blp and m5-20261128.blp (one a
 * UTC day), h1-202611.blp (one a month).  A file is regions one behind the other, and says
 * nothing of itself: what exists is what the rows of table part name (store_pack.h).
 * Bytes between or behind the regions that are named are nobody's.
 *
 * One thread writes (the compactor's), any thread reads.  A region never changes once
 * it was named, so readers need no lock; what is named no more stays readable for
 * PARTS_GRACE_MS, longer than any call of a reader and than a copy of the folder takes.
 */
#ifndef PARTS_H
#define PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/err.h"

/* As enum chunk_level has them. */
enum parts_level { PARTS_RAW = 0, PARTS_M5 = 1, PARTS_H1 = 2 };
#define PARTS_LEVELS 3

/* Until the bytes of a region that no row names any more may go. */
#define PARTS_GRACE_MS (24 * 60 * 60 * (int64_t)1000)

struct parts;
struct chunk_index;

/* Makes the folder when it is not there.  Parsed indexes are kept up to cache_bytes (0: 64 MiB). */
int parts_open(struct parts **out, const char *folder, size_t cache_bytes, struct bl_err *err);
void parts_close(struct parts *p); /* NULL is fine; every index was given back */

/* "raw-20261128.blp": the file that a level of an hour lies in. */
#define PARTS_NAME_SIZE 32
void parts_name(enum parts_level level, int64_t hour_unix_ms, char out[PARTS_NAME_SIZE]);
/* The span of hours of that file: [from, to). */
void parts_period(
    enum parts_level level, int64_t hour_unix_ms, int64_t *from_unix_ms, int64_t *to_unix_ms);

/* ---- reading: any thread ---- */

/* One level of one part, as its row names it. */
struct parts_region {
	int64_t part; /* its id, for the cache */
	int64_t hour_unix_ms;
	enum parts_level level;
	int64_t offset, bytes; /* in the file; bytes 0: retention has taken it, or it never was */
};

/*
 * Reads [at, at + len) of the region into buf.  BL_ENOTFOUND: the file is not there;
 * BL_ECORRUPT: the file ends before (or the span lies outside of the region); BL_EIO.
 */
int parts_read(struct parts *p, const struct parts_region *g, uint32_t at, void *buf, size_t len,
    struct bl_err *err);
/*
 * The region's index, parsed, out of the cache or the file; give it back with parts_index_done.
 * Also BL_ECORRUPT when it does not hold or is another hour's or level's.
 */
int parts_index(struct parts *p, const struct parts_region *g, const struct chunk_index **out,
    struct bl_err *err);
void parts_index_done(struct parts *p, const struct chunk_index *ix); /* NULL is fine */
/* Files stay open for reading: when another one has the name of that one by now, or none, what
 * comes next is read from there. */
void parts_look(struct parts *p, enum parts_level level, int64_t hour_unix_ms);

/* ---- writing: one thread ---- */

/*
 * What is appended to that file next lies at end or behind it: rows name what is before, even when
 * the file ends earlier, as in a folder that is older than its database.
 */
int parts_keep(
    struct parts *p, enum parts_level level, int64_t hour_unix_ms, int64_t end, struct bl_err *err);
/*
 * Appends a region; nothing is durable yet.  After a failure (BL_EFULL: no room) the file is
 * as long as before, or has a tail that nobody names.
 */
int parts_append(struct parts *p, enum parts_level level, int64_t hour_unix_ms, const void *data,
    size_t len, int64_t *offset, struct bl_err *err);
/*
 * Makes durable what was appended since the last call, files and folder.  After a failure
 * none of it may be named: what a failed sync carried can be lost although it reads well.
 */
int parts_sync(struct parts *p, struct bl_err *err);

/* Cuts off what lies behind end; a file that ends before is left alone. */
int parts_cut(
    struct parts *p, enum parts_level level, int64_t hour_unix_ms, int64_t end, struct bl_err *err);
/*
 * Gives a region's blocks back to the disk; the file stays as long as it is.  A file
 * system that cannot do that leaves them where they are, which is no failure.
 */
int parts_punch(struct parts *p, const struct parts_region *g, struct bl_err *err);
/* Deletes the file that the hour's level lies in.  Not there: fine. */
int parts_delete(struct parts *p, enum parts_level level, int64_t hour_unix_ms, struct bl_err *err);

/* Every file in the folder, in any order; its length, and one hour of its period. */
typedef bool (*parts_file_cb)(
    void *ctx, enum parts_level level, int64_t hour_unix_ms, int64_t bytes, int64_t blocks_bytes);
int parts_files(struct parts *p, parts_file_cb cb, void *ctx, struct bl_err *err);

struct parts_stats {
	uint64_t bytes_written, syncs, reads, bytes_read;
	uint64_t index_hits, index_misses;
	size_t cache_bytes;
	unsigned open_files;
};
void parts_stats(struct parts *p, struct parts_stats *out); /* any thread */

#endif
