/*
 * Closed hours: what of the batches lies in parts (parts.h, chunk.h), and how it gets there.
 *
 * Table part is the manifest: a region of a file exists when a row names it.  A device's hour
 * lies in one part or in none (part_device).  The compactor reads what is due through a reader,
 * writes files, and hands what it has done to the writer as a store_pack, which becomes true in
 * one short transaction; the rows of the batches go later, in slices.
 *
 * WHICH SAMPLES OF A BATCH ARE IN PARTS.  A sample of a batch of device d, placed (by the clock
 * map as it is now) at t in hour H:
 *   a batch without a mark:  batch.id <= part_device(d, H).batch_upto
 *   a batch with a mark (a row in pack_mark):  t < pack_mark.until_unix_ms
 * store_packed_has is that rule.  Whoever follows it counts nothing twice.  Batches are marked that
 * had no clock or whose dictionary was not complete when they were stored, and those whose
 * times have moved since: when they came says nothing of them.
 *
 * WHAT A READER SEES MEANWHILE.  Load the device's hours (store_read_packed) BEFORE the batches.
 * Rows of batches that a pack has taken stay for STORE_PACK_GRACE_MS after it, regions that no part
 * names any more for PARTS_GRACE_MS: within a call that takes no longer, or a state that is held,
 * what was loaded stays right as it is.  (Batches read before their hours were loaded may be
 * there twice; of one boot and boot time one sample counts.)
 */
#ifndef STORE_PACK_H
#define STORE_PACK_H

#include "branchline/batch.h"
#include "parts.h"
#include "store.h"
#include "store_read.h"

#define STORE_HOUR_MS       3600000
#define STORE_PACK_GRACE_MS 120000
/* pack_mark of a batch of which nothing is in parts. */
#define STORE_MARK_NOTHING (INT64_MIN + 1)
/* A batch that spans more hours stays a batch. */
#define STORE_PACK_HOURS_MAX 1000
/* since_unix_ms of what is due and never packed. */
#define STORE_DUE_NEVER (INT64_MAX / 2)

static inline int64_t
store_hour(int64_t unix_ms)
{
	const int64_t in = unix_ms % STORE_HOUR_MS;

	return unix_ms - (in < 0 ? in + STORE_HOUR_MS : in);
}

/* ---- reading: the manifest ---- */

struct store_part {
	int64_t id; /* never comes twice */
	int64_t hour_unix_ms;
	int64_t space; /* 0: its ids are this store's; else store_read_alias has them */
	int64_t offset[PARTS_LEVELS], bytes[PARTS_LEVELS]; /* bytes 0: not there (any more) */
	uint32_t devices, series;
	uint64_t samples;
	int64_t made_unix_ms;
	const int64_t *hidden; /* devices, as the part has them, that must not be read from it; */
	size_t n_hidden;       /* ascending */
};

typedef bool (*store_part_cb)(void *ctx, const struct store_part *p);

/* Parts with from <= hour + 1 h and hour < to, by hour, then id. */
int store_read_parts(struct store_read *r, int64_t from_unix_ms, int64_t to_unix_ms,
    store_part_cb cb, void *ctx, struct bl_err *err);
/* One, without what it hides.  BL_ENOTFOUND (err left alone): its row is gone. */
int store_read_part(struct store_read *r, int64_t id, struct store_part *out, struct bl_err *err);
/* The one with the lowest id above that.  1; 0: there is none.  *holds: its row agrees with its sum.
 */
int store_read_part_after(
    struct store_read *r, int64_t id, struct store_part *out, bool *holds, struct bl_err *err);

/* What the manifest has of a level, and how many batches are rows. */
struct store_part_sum {
	uint64_t parts, samples;
	int64_t bytes;
	int64_t from_unix_ms, to_unix_ms; /* NONE: there are no parts */
};
/* Walks the manifest and an index: now and then. */
int store_read_part_sums(struct store_read *r, struct store_part_sum out[PARTS_LEVELS],
    uint64_t *batches, struct bl_err *err);

enum store_alias { STORE_ALIAS_DEVICE = 1, STORE_ALIAS_SERIES = 2, STORE_ALIAS_BOOT = 3 };
typedef bool (*store_alias_cb)(void *ctx, int64_t old_id, int64_t new_id);
/* Ascending by old_id. */
int store_read_alias(struct store_read *r, int64_t space, enum store_alias kind, store_alias_cb cb,
    void *ctx, struct bl_err *err);

/* One device's hours that are in parts, ascending.  Zero to begin with. */
struct store_packed {
	struct store_packed_hour {
		int64_t hour_unix_ms;
		int64_t part;
		int64_t batch_upto;
	} * h; /* owned */
	size_t n, size;
};
/* Adds those that touch [from, to) behind what *out has.  device_id: the store's number. */
int store_read_packed(struct store_read *r, int64_t device_id, int64_t from_unix_ms,
    int64_t to_unix_ms, struct store_packed *out, struct bl_err *err);
void store_packed_free(struct store_packed *p);
/* NULL: the hour that t lies in is in no part. */
const struct store_packed_hour *store_packed_at(const struct store_packed *p, int64_t unix_ms);
/* The rule.  mark_unix_ms: of pack_mark; STORE_TIME_NONE: it has none. */
bool store_packed_has(
    const struct store_packed *p, int64_t batch_id, int64_t mark_unix_ms, int64_t unix_ms);

/* The numbers that parts have.  BL_ENOTFOUND: never heard of (err left alone). */
int store_read_device_number(
    struct store_read *r, const char *device, int64_t *out, struct bl_err *err);

/* What is left of a batch whose row is gone: a CRC-32 over checksum, raw size, collection interval
 * and boot, which is all that a duplicate has to share. */
uint32_t store_pack_check(const struct bl_batch_header *h);

/* ---- reading: what is due ---- */

/*
 * Batches of one stream of one spool of which something may lie in an hour and in no part.
 * Others lie between, those of neighbouring hours.
 */
struct store_due {
	int64_t hour_unix_ms, device_id, spool_id;
	enum bl_stream stream;
	uint64_t seq_first, seq_last;
	int64_t since_unix_ms; /* when this was noted first */
};

typedef bool (*store_due_cb)(void *ctx, const struct store_due *d);

/*
 * By hour, device, spool and stream, behind (after_hour, after_device); hours up to upto_hour,
 * noted before.  STORE_TIME_NONE as after_hour: from the first.  A slice of the reader's.
 */
int store_read_due(struct store_read *r, int64_t after_hour_unix_ms, int64_t after_device,
    int64_t upto_hour_unix_ms, int64_t noted_before_unix_ms, size_t limit, store_due_cb cb,
    void *ctx, struct bl_err *err);
/* How much is due (rows), and the oldest hour; NONE: nothing. */
int store_read_due_sum(
    struct store_read *r, uint64_t *rows, int64_t *oldest_unix_ms, struct bl_err *err);

/* A piece of a batch's time with one offset: unix = boot time + offset. */
struct store_piece {
	int64_t from_ms, to_ms; /* boot time; to: exclusive */
	int64_t offset_ms;
};

struct store_pack_batch {
	int64_t id, spool_id, boot_id, mark_unix_ms; /* mark: NONE: it has none */
	struct bl_batch_header h;                    /* spool is not filled */
	bool placed;                                 /* else there are no pieces */
	int64_t begin_unix_ms, end_unix_ms;          /* extent of what is inside, both included */
	const struct store_piece *piece;             /* cover the event interval, ascending */
	size_t n_pieces;
	const uint8_t *body; /* compressed */
	size_t body_len;
};

typedef bool (*store_pack_batch_cb)(void *ctx, const struct store_pack_batch *b);

/* The batches of d with ids up to upto_id that touch the hour, by seq.  Marked ones, too. */
int store_read_due_batches(struct store_read *r, const struct store_due *d, int64_t upto_id,
    store_pack_batch_cb cb, void *ctx, struct bl_err *err);

/* Which seqs of a stream are due in that hour; false: none are. */
int store_read_due_seqs(struct store_read *r, const struct store_due *d, int64_t hour_unix_ms,
    struct bl_range *out, bool *there, struct bl_err *err);
/* When the first rows of batches may go (store_pack_clean); NONE: there are none. */
int store_read_clean(struct store_read *r, int64_t *after_unix_ms, struct bl_err *err);
/* A boot's id by its number.  BL_ENOTFOUND: there is none. */
int store_read_boot(struct store_read *r, int64_t boot, struct bl_id *out, struct bl_err *err);
/* How far the regions go that rows name (or named lately) in a file: hours of [from, to). */
int store_read_part_end(struct store_read *r, enum parts_level level, int64_t from_unix_ms,
    int64_t to_unix_ms, int64_t *end, struct bl_err *err);

/* A clock map of the device's spools waits to be applied: its times are not settled. */
int store_read_placing(struct store_read *r, int64_t spool_id, bool *out, struct bl_err *err);

/* Parts of a damaged store are still to be taken over: which of its devices' hours are in parts is
 * not known yet. */
int store_read_parts_come(struct store_read *r, bool *out, struct bl_err *err);

/* A row of table moved: from_ms on of a boot lies elsewhere; before and after, joined. */
struct store_moved_row {
	int64_t id, spool_id, device_id, boot_id;
	int64_t from_ms, begin_unix_ms, end_unix_ms;
};
/* The first one that the compactor has not followed.  1, 0: none, negative. */
int store_read_moved(struct store_read *r, struct store_moved_row *out, struct bl_err *err);
/* Places n boot times by the clock map as it is; those that have no place stay as they are. */
int store_read_places(struct store_read *r, int64_t spool_id, int64_t boot_id,
    const int64_t *boot_ms, int64_t *unix_ms, size_t n, struct bl_err *err);
/* It was followed.  When hours were written for it (store_pack.following), if only before a
 * crash, whoever follows the log is told of the span once more. */
int store_pack_followed(struct store *s, const struct store_moved_row *m, struct bl_err *err);

/* What the entries of a spool's dictionary mean, in order of the entries from 1. */
struct store_pack_series {
	int64_t id; /* 0: the entry is not known */
	const char *name;
	enum bl_series_kind kind;
	enum bl_stream stream;
	uint32_t interval_ms;
};
typedef bool (*store_pack_series_cb)(void *ctx, uint32_t entry, const struct store_pack_series *s);
int store_read_pack_series(
    struct store_read *r, int64_t spool_id, store_pack_series_cb cb, void *ctx, struct bl_err *err);

/* ---- writing ---- */

/* What a pack did to one stream of a spool. */
struct store_pack_seq {
	int64_t spool_id;
	enum bl_stream stream;
	uint64_t seq;
	uint32_t check;
	int64_t batch_id;
	bool stays; /* events, gaps or what it supersedes keep its row */
};

struct store_pack_mark {
	int64_t batch_id, until_unix_ms;
};

struct store_pack_device {
	int64_t device_id;
	/* In the place of the pack's, when it is not 0: what was written anew is no newer for that.
	 */
	int64_t batch_upto;
	bool in_part; /* has columns in it */
	/* Its due rows are never looked at again: the samples of the hour are past their retention,
	 * and what came after that stays as it came. */
	bool given_up;
	bool vacated; /* not in_part: nothing is left of its hour, it is in no part any more */
	const struct store_due *due; /* settled by this, unless something newer came */
	size_t n_due;
	const struct store_pack_seq *seq;   /* all of whose samples are in parts now */
	size_t n_seqs;                      /* by spool, stream, seq */
	const struct store_pack_mark *mark; /* of marked batches that are further now */
	size_t n_marks;
};

/* One hour of some devices, its files written and synced. */
struct store_pack {
	int64_t hour_unix_ms;
	int64_t
	    batch_upto; /* the newest batch when it was read, that was passed by all who follow */
	int64_t moved_upto; /* the newest row of table moved when it was read */
	int64_t following;  /* the row of table moved that this is written for; 0: none */
	int64_t offset[PARTS_LEVELS], bytes[PARTS_LEVELS];
	uint32_t series;
	uint64_t samples;
	const struct store_pack_device *device; /* each once */
	size_t n_devices;
};

struct store_packed_sum {
	int64_t part;               /* 0: there is none, nothing had columns */
	unsigned devices, left_out; /* whose times have moved meanwhile: they are due again */
};

/*
 * Makes a pack true, inside a transaction: part, places of its devices, what they leave behind,
 * what is settled.  Some 10 ms for 1,000 devices.  A device whose times have moved since
 * moved_upto is left out and stays due.
 */
int store_pack_install(
    struct store *s, const struct store_pack *p, struct store_packed_sum *out, struct bl_err *err);

/*
 * Takes away a slice of the rows of batches that are in parts and whose grace is over (rows of
 * them at most), inside a transaction.  1: there may be more; 0: not now.
 */
int store_pack_clean(struct store *s, unsigned rows, struct bl_err *err);

/*
 * Retention, a slice of it inside a transaction: parts of hours before that lose that level,
 * and their rows when it was the last one.  1: there may be more; 0.
 */
int store_pack_forget(struct store *s, enum parts_level level, int64_t before_unix_ms,
    unsigned rows, struct bl_err *err);
/* Batches (of events) that ended and came before that.  1: there may be more; 0. */
int store_pack_forget_batches(
    struct store *s, int64_t before_unix_ms, unsigned rows, struct bl_err *err);
/*
 * Checksums of batches whose samples are older than that, about: what stays is that they were
 * packed, so one that comes again is a duplicate and not told from one that contradicts it.  Goes
 * on behind *at (zero to begin with).  1: there may be more; 0.
 */
struct store_checks_at {
	int64_t spool_id;
	enum bl_stream stream;
};
int store_pack_forget_checks(struct store *s, int64_t before_unix_ms, struct store_checks_at *at,
    unsigned rows, struct bl_err *err);
/* Parts whose devices all lie elsewhere by now: their rows go, their regions are dead. */
int store_pack_sweep(struct store *s, unsigned rows, struct bl_err *err);

/* Whether store_pack_forget would find something. */
int store_read_retained(struct store_read *r, enum parts_level level, int64_t before_unix_ms,
    bool *out, struct bl_err *err);
/* When the oldest batch that is a row came; NONE: there is none. */
int store_read_oldest_batch(struct store_read *r, int64_t *arrived_unix_ms, struct bl_err *err);

/*
 * The oldest hour behind after_hour (NONE: of all) worth writing anew: one with a part of which
 * more than half lies elsewhere by now, or at least n_small parts below small_bytes and
 * small_devices; nothing of it is due, and its parts are older than made_before.  NONE: there is
 * none.
 */
int store_read_worn_hour(struct store_read *r, int64_t after_hour_unix_ms, int64_t small_bytes,
    unsigned small_devices, unsigned n_small, int64_t made_before_unix_ms, int64_t *hour_unix_ms,
    struct bl_err *err);

/* Gives up to so many unused pages of the database back to the disk, inside a transaction; a store
 * that was made before version 9 keeps them. */
int store_pack_shrink(struct store *s, unsigned pages, struct bl_err *err);
/* How many pages of the database are unused. */
int store_read_free_pages(struct store_read *r, int64_t *out, struct bl_err *err);

/*
 * The devices' hours of a part that cannot be read, in the ledger ("lost_at_centre", the whole
 * hour), so that what came no longer counts as known; and out of it, when the part is whole again
 * or is named no more.  Both in slices, inside a transaction: devices behind *after (0 to begin
 * with), so many at most.  1: there may be more; 0: done.  BL_EFULL: the ledger has no room for
 * more of them.
 */
#define STORE_LOST_MAX 1000000u /* entries */
int store_pack_lost(struct store *s, int64_t part, int64_t hour_unix_ms, int64_t *after,
    unsigned devices, struct bl_err *err);
int store_pack_found(struct store *s, int64_t part, int64_t hour_unix_ms, int64_t *after,
    unsigned devices, struct bl_err *err);
/* The parts that the ledger names, ascending. */
typedef bool (*store_lost_cb)(void *ctx, int64_t part, int64_t hour_unix_ms);
int store_read_lost_parts(struct store_read *r, store_lost_cb cb, void *ctx, struct bl_err *err);
/* 1: the ledger names that hour of a device's stream; 0. */
int store_read_lost_hour(struct store_read *r, int64_t device_id, enum bl_stream stream,
    int64_t hour_unix_ms, struct bl_err *err);

struct store_dead {
	int64_t id;
	enum parts_level level;
	int64_t hour_unix_ms, offset, bytes, since_unix_ms;
};
typedef bool (*store_dead_cb)(void *ctx, const struct store_dead *d);
int store_read_dead(struct store_read *r, int64_t since_before_unix_ms, size_t limit,
    store_dead_cb cb, void *ctx, struct bl_err *err);
int store_pack_dead_gone(struct store *s, int64_t id, struct bl_err *err);

#endif
