/*
 * Log files that others write, rotate and cut: a place in a file, the two files
 * of a log that is being rotated, places kept from one process to the next.
 *
 * Who reads says what becomes of the bytes (struct log_reader): the sampler
 * counts lines that match, the inlet `loglines` makes reports of them.  Nothing
 * here allocates, but where it says so; loop thread, or whoever has the object.
 */
#ifndef SAMPLE_LOG_H
#define SAMPLE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/conf.h"
#include "branchline/err.h"

#define LOG_ANCHOR    64u           /* bytes before the place by which it is known again */
#define LOG_LINGER_MS (60 * 1000)   /* this long a file is read on after another took its place */
#define LOG_READ      (64u * 1024u) /* at once */

/* ---- a place in a file (sample_log_cursor.c) ---- */

struct log_place {
	uint64_t dev, ino;
	uint64_t offset;
	uint64_t anchor; /* hash of up to LOG_ANCHOR bytes before offset */
	uint64_t cuts;   /* how often this file was seen to begin anew under its inode */
};

struct log_reader {
	void *ctx;
	/*
	 * Bytes that follow those taken before.  Returns how many of them it took; what it did not
	 * take ends this read and comes again with the next.  *line: where in what it took a line
	 * begins that has not ended; the end of it: none; 0: one that began before.
	 */
	size_t (*take)(void *ctx, const char *data, size_t len, size_t *line);
	/* The bytes that follow are from another place: within a line, or at the beginning of one.
	 */
	void (*restart)(void *ctx, bool within);
};

struct log_cursor {
	int fd;               /* -1: none */
	struct log_place at;  /* what has been taken */
	uint64_t line_offset; /* where the line begins that has not ended */
	uint64_t copy_of;     /* inode of the log of which this is a copy that goes on; 0: none */
	struct log_reader reader;
};

struct log_limits {
	uint64_t max;    /* bytes of one read */
	uint64_t behind; /* so far behind, the rest is passed over ... */
	uint64_t keep;   /* ... but for so many bytes */
};

/*
 * Opens path at its beginning, its end, or *at (known again by device, inode
 * and what stands before it).  BL_ENOTFOUND: no such file, or another one than
 * at; BL_EIO, BL_EDENIED; BL_EINVAL: no regular file.  at may be given with the other
 * two as well: the place where somebody was before, for its cuts.
 */
enum log_from { LOG_BEGINNING, LOG_END, LOG_PLACE };
int log_cursor_open(struct log_cursor *c, const char *path, enum log_from from,
    const struct log_place *at, struct bl_err *err);
void log_cursor_close(struct log_cursor *c);
/*
 * Reads on through buf.  A file that was cut, or written anew under the same
 * name, begins anew.  What lies too far behind is passed over and added to
 * *skipped.  Negative: it cannot be read.
 */
int log_cursor_read(struct log_cursor *c, char buf[LOG_READ], const struct log_limits *limits,
    uint64_t *skipped, struct bl_err *err);
/* Back to an earlier place of the same file.  False: it does not go so far any more. */
bool log_cursor_back(struct log_cursor *c, uint64_t offset);
/* The place at an offset of the file that is open, as a later process finds it.  False: nowhere. */
bool log_cursor_place(const struct log_cursor *c, uint64_t offset, struct log_place *out);

/* ---- a log across rotation (sample_log_rotate.c) ---- */

#define LOG_BETWEEN_MAX 16u

/* A file that a log was rotated to while nobody looked. */
struct log_between {
	uint64_t ino;
	int64_t mtime_ns;
	uint64_t bytes;
	struct log_place from; /* ino 0: its beginning */
	uint64_t copy_of;      /* else of what it is the copy, by inode */
};

struct log_file {
	const char *path;
	bool looked;              /* at least once: what appears now is new from its beginning */
	bool from_beginning;      /* so is what is there at the first look */
	bool held;                /* set by who reads: nothing that is open is let go */
	bool at_once;             /* the same: what is taken is done with, and never gone back to */
	struct log_cursor now;    /* what was at path when it was last there */
	struct log_cursor before; /* what another file took the place of */
	int64_t before_boot_ms;   /* since when, or since something was last read of it */
	/* Set by who resumes: when an earlier process last looked; 0: not known. */
	int64_t seen_unix_ns;
	bool now_looked;          /* for that; */
	bool now_old, before_old; /* another was rotated after it: nobody writes to it */
	int64_t read_ns;          /* what was read to its end, and let go, was written last */
	unsigned n_between;       /* to be read after `before`, the oldest first */
	struct log_between between[LOG_BETWEEN_MAX];
	/* Of files that were not read: the next read adds them to *skipped. */
	uint64_t passed_bytes;
	char passed[256]; /* one of them, for people; "" before there was one */
	bool missing;
	int64_t missing_boot_ms;
};

/* Keeps path.  The readers are for the two files that may be open at a time. */
void log_file_init(struct log_file *f, const char *path, const struct log_reader reader[2]);
void log_file_close(struct log_file *f);
/*
 * Goes on where an earlier process was; before the first read.  Of its n places (n > 0, the
 * newest first, all in one file) the first counts that is still there; the newest also where a
 * rotation put the file in its folder.  False: none is, the file has gone or was cut; what is at
 * path is read from its beginning, or where it lies on another device as at a first look.  Files
 * that were rotated away between the two are read, too.
 */
bool log_file_resume(struct log_file *f, const struct log_place *at, size_t n);
/* The same for the file that another had taken the place of; after the former. */
bool log_file_resume_before(struct log_file *f, const struct log_place *at, int64_t boot_ms);
/*
 * Reads what came.  BL_OK; BL_ENOTFOUND: there is no such file, and nothing
 * open that could still be it; BL_EIO, BL_EDENIED, BL_EINVAL.
 */
int log_file_read(struct log_file *f, char buf[LOG_READ], const struct log_limits *limits,
    int64_t boot_ms, uint64_t *skipped, struct bl_err *err);

/* ---- places kept from one process to the next (sample_log_state.c) ---- */

struct log_kept {
	const char *name, *path; /* of the watch */
	struct log_place at;
	bool known;
};

/*
 * Fills in what the file says of the n logs.  One that is missing says nothing.
 * BL_ECORRUPT, BL_EIO, BL_EDENIED: it is not as we write it, or cannot be read;
 * nothing is filled in.
 */
int log_state_read(const char *file, struct log_kept *kept, size_t n, struct bl_err *err);
/* The same, and takes the file away; where that fails nothing is filled in, either. */
int log_state_take(const char *file, struct log_kept *kept, size_t n, struct bl_err *err);
/* Writes the known ones.  Negative: they are lost, and counting begins at the end next time,
 * which says so where an empty file could be left. */
int log_state_save(const char *file, const struct log_kept *kept, size_t n, struct bl_err *err);
/* Writes the known ones in place of what the file held; whatever fails or ends this process leaves
 * one of the two. */
int log_state_replace(const char *file, const struct log_kept *kept, size_t n, struct bl_err *err);

/* ---- what may be touched (sample_watch_mounts.c) ---- */

/*
 * Nothing on the agent's loop may hang, so a path from the configuration is
 * touched only where the table of mounts says that everything on the way to it,
 * and where the links on the way lead, answers at once.
 */
struct log_way;

/* Keeps types: further file systems to count as local.  BL_ENOMEM. */
int log_way_open(struct log_way **out, const struct bl_conf_strlist *types, struct bl_err *err);
void log_way_close(struct log_way *w); /* NULL is fine */
/* Looks at the table again when the kernel says that it changed. */
bool log_way_harmless(struct log_way *w, const char *path);

#endif
