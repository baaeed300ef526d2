/*
 * The compactor: closed hours go from batches into parts, old ones go away.
 *
 * compact_step does a bounded piece of work (one part, one slice of a retention) and can be
 * driven by a test or a benchmark with the store at hand; compact_start runs it in a thread of
 * its own.  Everything that changes the store goes through opts.write, a few
 * milliseconds at a time, so that what comes in never waits for it.
 *
 * Crash-safe at every point: a part's bytes are on the disk before its row is committed, and
 * nothing of a batch goes before both are.  What a crash leaves are bytes that no row
 * names, which are cut off or written over.
 */
#ifndef COMPACT_H
#define COMPACT_H

#include <stdbool.h>
#include <stdint.h>

#include "branchline/clock.h"
#include "branchline/err.h"
#include "parts.h"
#include "store.h"
#include "store_age.h"
#include "store_read.h"

#define COMPACT_AFTER_MS (30 * 60 * (int64_t)1000)
#define COMPACT_PART_BYTES                                                                         \
	(16u << 20)                /* of encoded columns: bounds memory and what a rewrite costs */
#define COMPACT_PART_DEVICES 1000u /* bounds the transaction that makes a part true */

struct compact;

/* Runs inside a transaction of the store's writer.  Negative: rolled back. */
typedef int (*compact_write_fn)(struct store *s, void *arg, struct bl_err *err);

struct compact_retention {
	int64_t raw_ms, five_minutes_ms, hours_ms, events_ms; /* 0: for ever */
};

struct compact_opts {
	const char *telemetry_path; /* keeps, as all of these */
	struct parts *parts;
	const struct bl_clock *clock;
	/*
	 * Runs fn in a transaction of its own on the writer's thread and waits for it.
	 * BL_EBUSY: not now (stopping).
	 */
	int (*write)(void *ctx, compact_write_fn fn, void *arg, struct bl_err *err);
	/* Batches of the store of that epoch with ids up to this have been taken in by all who
	 * follow the log; NULL: all. */
	int64_t (*passed)(void *ctx, const struct bl_id *epoch);
	/* Somebody still waits for this one to be placed or named; NULL: nobody. */
	bool (*awaited)(void *ctx, int64_t batch_id);
	/* Room on the disk for so many bytes more, or BL_EFULL; NULL: there is. */
	int (*room)(void *ctx, int64_t bytes, struct bl_err *err);
	store_damaged_fn damaged; /* a batch does not hold, as store_read_watch; may be NULL */
	void *ctx;
	int64_t after_ms;  /* an hour's end or the coming of what is late; 0: COMPACT_AFTER_MS */
	size_t part_bytes; /* 0: COMPACT_PART_BYTES */
	unsigned part_devices; /* 0: COMPACT_PART_DEVICES */
	struct compact_retention retention;
	/* Begun before anything comes; all zero: it begins with the first step. */
	struct store_age age;
	/* Pages of the database that were unused for so long go back to the disk; 0: 3 h. */
	int64_t unused_ms;
	bool keep_unpacked; /* packs nothing; retention goes on */
};

/*
 * Also puts the folder right: cuts off tails that no row names, deletes files that none does
 * (neither while a damaged store is being taken over, or after one was set back to a copy:
 * changed says so, as store_open answered).
 */
int compact_open(
    struct compact **out, const struct compact_opts *opts, int opened, struct bl_err *err);
void compact_close(struct compact *c); /* NULL is fine */

/* 1: there is more to do now; 0: nothing until time passes or something comes; negative: failed,
 * nothing is half done, try again later. */
int compact_step(struct compact *c, struct bl_err *err);

/* A thread that steps. */
int compact_start(struct compact *c, struct bl_err *err);
void compact_stop(struct compact *c);

#define COMPACT_DAMAGED 16u /* that status names */

/* A part, or one level of it, that cannot be read. */
struct compact_damage {
	int64_t part, hour_unix_ms;
	char file[PARTS_NAME_SIZE]; /* in the folder of the parts; "telemetry.db": its row */
	char why[160];
};

struct compact_status {
	bool ok, working; /* the last step went well; did something */
	char why[192];
	uint64_t due;                   /* streams' hours of which something is due or open */
	int64_t due_oldest_unix_ms;     /* 0: nothing is */
	uint64_t parts, samples, bytes; /* written since the start */
	uint64_t late;                  /* devices' hours that were packed again */
	uint64_t rewritten;             /* parts written anew to give space back */
	uint64_t batches;               /* whose rows may go or have gone */
	uint64_t left_out;              /* devices that had to be packed again: their times moved */
	uint64_t left_alone; /* devices' hours of which something did not hold, or was too much */
	uint64_t too_late;   /* devices' hours of which data came after their samples had been
				deleted by their age: they stay in batches */
	uint64_t forgotten_files; /* by retention */
	uint64_t given_back;      /* bytes since the start: of files, regions and pages */
	bool age_held;       /* the clock is too far ahead: nothing goes by its age (store_age.h) */
	int64_t age_left_ms; /* for so long, unless it is set right */
	int64_t longest_write_ms; /* that the writer was kept */
	int64_t last_step_mono_ms;
	int64_t packed_last_unix_ms; /* when something was packed last; 0: not since the start */
	/* Of the last look at every byte of every part, a slice at a time, and the one under way.
	 */
	int64_t checked_unix_ms; /* when one ended last; 0: not since the start */
	uint64_t damaged;        /* that cannot be read */
	uint64_t lost_refused;   /* parts of which the ledger had no room to name all hours */
	unsigned damaged_listed;
	struct compact_damage damaged_at[COMPACT_DAMAGED];
	/* As of some minutes ago. */
	struct compact_level {
		uint64_t parts, samples, files;
		int64_t bytes;                    /* that rows name */
		int64_t disk_bytes;               /* of its files, as the disk counts them */
		int64_t from_unix_ms, to_unix_ms; /* 0: there are none */
	} level[PARTS_LEVELS];
	uint64_t rows; /* batches that have one */
};
void compact_status(struct compact *c, struct compact_status *out); /* any thread */

#endif
