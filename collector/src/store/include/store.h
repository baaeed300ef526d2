/*
 * Writing the telemetry store: one SQLite file, one writer.
 *
 * What ingest has taken in is changed only between store_begin and
 * store_commit; a commit is durable (WAL, synchronous=FULL) when it returns
 * BL_OK, and only then may a receipt go out.  A batch, its place in the
 * received ranges, its coverage and the gaps it tells of are one transaction.
 *
 * All functions are called by ONE thread, the writer's.  Other threads read
 * through store_read.h.
 *
 * A struct store_spool is the writer's memory of one spool: borrowed, valid
 * until the next store_commit or store_rollback.
 */
#ifndef STORE_H
#define STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/batch.h"
#include "branchline/clock.h"
#include "branchline/err.h"
#include "branchline/message.h"
#include "branchline/report.h"
#include "branchline/wire.h"

struct store;
struct store_spool;

struct store_opts {
	const char *path;             /* of the database; its folder must exist */
	const struct bl_clock *clock; /* kept */
	int64_t aside_bytes;          /* payloads set aside, in all; 0: 64 MiB */
	int64_t aside_rows;           /* and how many messages; 0: 100,000 */
	unsigned spools_in_memory;    /* 0: 20,000; others are read again when needed */
	unsigned spools_per_device;   /* 0: 1,000; refused beyond */
};

enum store_opened {
	STORE_OPENED = 0,
	STORE_CREATED = 1,
	/* The file is older than what this machine had committed before: it was
	 * set back to a copy, and got a new epoch. */
	STORE_SET_BACK = 2,
	/* The file was damaged.  It is set aside, a new one has a new epoch, and
	 * store_salvage takes over what can be read. */
	STORE_REPLACED = 3,
};

/*
 * Opens or makes the store and brings its schema up to date.  BL_ENEWER: made
 * by a newer version, left untouched.  BL_ECORRUPT: another kind of database, left
 * untouched.  BL_EBUSY: another process writes it.
 */
int store_open(struct store **out, const struct store_opts *opts, struct bl_err *err);
/* Rolls back what was begun.  NULL is fine. */
void store_close(struct store *s);

const struct bl_id *store_epoch(const struct store *s);
/* A new epoch, durable at once; outside a transaction.  For use after a restore from a backup. */
int store_new_epoch(struct store *s, struct bl_err *err);

/*
 * After a failure of the disk the file is opened again and made sure of first, a damaged
 * one replaced: the epoch may be another one then.  As long as that fails, so does this.
 */
int store_begin(struct store *s, struct bl_err *err);
/* On failure nothing of the transaction is kept (it has been rolled back). */
int store_commit(struct store *s, struct bl_err *err);
void store_rollback(struct store *s);
bool store_in_transaction(const struct store *s);

/* ---- spools ---- */

enum store_spool_found {
	STORE_SPOOL_OK = 0,
	STORE_SPOOL_NEW = 1, /* first time: bound to this device now */
	STORE_SPOOL_FOREIGN =
	    2, /* bound to another device: *out is that spool, marked "conflict" */
	STORE_SPOOL_TOO_MANY = 3, /* of this device; *out is NULL, nothing was made */
};

int store_spool(struct store *s, const struct bl_id *spool, const char *device,
    struct store_spool **out, struct bl_err *err);
/* The same for one that exists; BL_ENOTFOUND (err left alone): there is none, and none is made. */
int store_spool_known(struct store *s, const struct bl_id *spool, const char *device,
    struct store_spool **out, struct bl_err *err);
bool store_spool_closed(const struct store_spool *sp);
/* Batches below the lowest held that are not settled. */
uint64_t store_spool_missing(const struct store_spool *sp);
/* Entries known: 1..version. */
uint32_t store_spool_dict_version(const struct store_spool *sp);
uint32_t store_spool_clock_version(const struct store_spool *sp);
/* False: no segment of that boot is known at all. */
bool store_spool_knows_boot(const struct store_spool *sp, const struct bl_id *boot);

enum store_hello {
	STORE_HELLO_OK = 0,
	STORE_HELLO_ROLLED_BACK = 1, /* the store knows seqs that this spool has not cut */
	STORE_HELLO_CLOSED = 2,      /* a closed spool goes on: marked "conflict" */
};

/*
 * Takes in a hello: what the spool holds, its predecessor (which is closed).
 * Fills need[] with the seqs that are neither settled here nor held there.
 */
int store_hello(struct store *s, struct store_spool *sp, const struct bl_hello *h,
    struct bl_ranges need[BL_STREAMS], struct bl_err *err);

/* Wall time of a boot's time by what is known of the spool's clock; STORE_TIME_NONE (store_read.h):
 * not known. */
int64_t store_spool_unix_ms(
    const struct store_spool *sp, const struct bl_id *boot, int64_t boot_ms);

/* The seqs below the lowest held that are not settled: what to ask for. */
void store_missing(const struct store_spool *sp, struct bl_ranges need[BL_STREAMS]);

/* Fills spool, epoch, dict_version, clock_version and stream[]; the rest is the caller's. */
void store_receipt(const struct store *s, const struct store_spool *sp, struct bl_receipt *out);

/* ---- batches ---- */

enum store_put {
	STORE_NEW = 0,
	STORE_DUPLICATE = 1,  /* known and the same: nothing to store */
	STORE_CONFLICT = 2,   /* known with another checksum, or a closed spool that goes on */
	STORE_SUPERSEDED = 3, /* a newer, thinned batch stands for it, or the other way round, or it
				 came under another spool id before (put alone knows that):
				 settled without being stored */
	STORE_REFUSED = 4,    /* too many holes in this stream to keep track of: nothing was stored,
				 no receipt may be given */
};

/*
 * What would become of a batch, known from its header alone; nothing changes.
 * Ask before inflating.
 */
int store_batch_peek(
    struct store *s, struct store_spool *sp, const struct bl_batch_header *h, struct bl_err *err);

/*
 * Stores a batch that passed bl_batch_verify: body is the compressed body as
 * it came, raw the inflated one (gaps are read from it).  Borrows all.  Answers
 * as peek does, or STORE_REFUSED; on STORE_NEW and STORE_SUPERSEDED its seq is
 * settled.  BL_EINVAL: something in it is impossible, nothing was stored.  After
 * any other failure the transaction must be rolled back.
 */
int store_batch_put(struct store *s, struct store_spool *sp, const struct bl_batch_header *h,
    const void *body, size_t body_len, const void *raw, size_t raw_len, struct bl_err *err);

/* The agent's answer to a question: writes ledger entries for what is not settled yet. */
int store_gone(struct store *s, struct store_spool *sp, enum bl_stream stream, uint64_t first,
    uint64_t last, enum bl_gap_reason reason, struct bl_err *err);

/* ---- dictionaries and clock maps ---- */

enum store_entry {
	STORE_ENTRY_NEW = 0,
	STORE_ENTRY_KNOWN = 1,
	STORE_ENTRY_CONFLICT = 2, /* the same id means something else already: nothing changed */
	STORE_ENTRY_EARLY = 3,    /* entries before it are missing: nothing changed */
};

int store_dict(
    struct store *s, struct store_spool *sp, const struct bl_series_def *def, struct bl_err *err);
/* Batches of its boot that are not placed yet are placed by store_place. */
int store_clock(struct store *s, struct store_spool *sp, const struct bl_clock_segment *seg,
    struct bl_err *err);
/*
 * Places a slice of what waits for a clock map (inside a transaction).
 * Returns how many rows changed; 0: nothing waits.
 */
int store_place(struct store *s, unsigned max_rows, struct bl_err *err);

/* Something may wait for store_place. */
bool store_placing(const struct store *s);

/*
 * Of what an earlier program stored: looks at the next batches (so many at most, inside a
 * transaction) and notes what of them is due to be packed and was not noted.  Once in the life of
 * a store, from its upgrade on; looked at twice changes nothing.  1: there is more; 0: done.
 */
int store_due_again(struct store *s, unsigned rows, struct bl_err *err);
/* Something is left for it. */
bool store_due_again_left(const struct store *s);

/* ---- presence ---- */

int store_presence(
    struct store *s, const char *device, const struct bl_presence *p, struct bl_err *err);

/* ---- what a device says of itself ---- */

/*
 * Keeps the last report of a device, payload as it came (borrowed), and what it used by
 * month, where the larger count stands.  An older one of the same boot changes nothing.
 */
int store_report(struct store *s, const char *device, const struct bl_report *r,
    const void *payload, size_t len, struct bl_err *err);

/* One of several machines that take turns with a device's identity; borrowed. */
struct store_party {
	struct bl_id spool, boot;
	const char *software, *address; /* address: empty: not known, what was known stands */
	bool returned;                  /* it came back after another one: counted */
};

int store_party(
    struct store *s, const char *device, const struct store_party *p, struct bl_err *err);

/* ---- set aside ---- */

enum store_aside_reason {
	STORE_ASIDE_NOT_OURS = 1,
	STORE_ASIDE_UNDECODABLE,
	STORE_ASIDE_FOREIGN_IDENTITY,
	STORE_ASIDE_WRONG_PART,
	STORE_ASIDE_RETAINED,
	STORE_ASIDE_OVERSIZED,
	STORE_ASIDE_CONFLICT,
	STORE_ASIDE_UNKNOWN_DEVICE,
	STORE_ASIDE_RETIRED,
};

const char *store_aside_reason_name(enum store_aside_reason reason);

struct store_aside {
	enum store_aside_reason reason;
	const char *topic;  /* as it came */
	const char *device; /* from the topic; NULL: none */
	int part;           /* -1: none */
	const char *detail; /* a sentence for people */
	const void *payload;
	size_t len;
	/* When it is known which batch it is and it is this spool's own: its seq is
	 * settled as "set aside", so that it does not come again.  Else NULL. */
	struct store_spool *spool;
	enum bl_stream stream;
	uint64_t seq;
};

enum store_aside_put {
	STORE_ASIDE_NEW = 0,
	STORE_ASIDE_AGAIN = 1,  /* the same message is there already: counted */
	STORE_ASIDE_REFUSED = 2 /* the list is full: counted, not kept; the seq of an undecodable
				   batch is then not settled, so its agent keeps it */
};

int store_aside(struct store *s, const struct store_aside *a, struct bl_err *err);

/* ---- damage ---- */

/*
 * A reader found the file damaged: it is looked at before the next transaction.  batch: the
 * id of the batch that does not hold; 0: SQLite said so.
 */
void store_suspect(struct store *s, int64_t batch);

/*
 * Looks at the next rows (batches of them at most), outside a transaction: each must agree with
 * its checksums and be found by its index, so that damage at rest is found while agents still
 * hold what it costs.  A round a day; nothing is read between.  Returns 1: there is more of
 * this round; 0: not now; BL_ECORRUPT: found damage, the next transaction begins anew.
 */
int store_scrub(struct store *s, unsigned rows, struct bl_err *err);

/* Something is left for store_salvage. */
bool store_salvaging(const struct store *s);
/*
 * Takes over a slice of the newest file that was set aside (inside a transaction), at
 * most so many of its pages.  Returns 1: there may be more; 0: done, or put off to the
 * next start because the file cannot be read.  Negative: the store itself failed.
 */
int store_salvage(struct store *s, unsigned pages, struct bl_err *err);

/* Files beside the store that were set aside as damaged.  Any thread. */
struct store_aside_files {
	unsigned n;
	int64_t bytes;
	char newest[256]; /* its name; empty: none */
};

void store_aside_files(const char *path, struct store_aside_files *out);

struct store_damage {
	unsigned replaced; /* since the start */
	bool salvaging;
	char file[256]; /* that is or was taken over last; empty: none ever */
	uint64_t pages_done, pages;
	uint64_t batches, samples; /* taken over */
	uint64_t known;            /* were there already: an agent was faster */
	uint64_t conflicts;        /* another one has their place by now */
	uint64_t unreadable;       /* rows that looked like batches and do not hold */
};

void store_damage(const struct store *s, struct store_damage *out);

/* ---- set aside, tried again ---- */

/* One row of the list with its message. */
struct store_aside_msg {
	int64_t id;
	enum store_aside_reason reason;
	char topic[192];
	void *payload; /* owned: store_aside_msg_free */
	size_t len;
};

struct store_aside_filter {
	int reason;         /* enum store_aside_reason; 0: any */
	const char *device; /* NULL: any */
	int64_t upto_id;    /* 0: to the end */
};

/* The first row after after_id whose message was kept: 1; 0: none; negative. */
int store_aside_next(struct store *s, const struct store_aside_filter *f, int64_t after_id,
    struct store_aside_msg *out, struct bl_err *err);
void store_aside_msg_free(struct store_aside_msg *a); /* a zeroed one is fine */
/* The newest row; 0: there is none. */
int store_aside_last(struct store *s, int64_t *id, struct bl_err *err);
/*
 * While true, a batch whose seq was settled as "set aside" is stored also into a closed
 * spool: it is the one that was set aside then, and not somebody who goes on.
 */
void store_decode_again(struct store *s, bool again);
/* Inside a transaction: it is still bad, for this reason now. */
int store_aside_stays(struct store *s, int64_t id, enum store_aside_reason reason,
    const char *detail, struct bl_err *err);
/* Inside the transaction that took it in (or has seen that it says nothing any more). */
int store_aside_leaves(
    struct store *s, const struct store_aside_msg *a, bool taken, struct bl_err *err);

/* ---- figures of this run, for logs and metrics; the lasting ones are in store_read_totals ---- */

struct store_stats {
	uint64_t commits;
	int64_t last_commit_mono_ms;
	uint64_t stored, duplicates, conflicts, superseded, aside;
	uint64_t holes_refused; /* seqs not settled because their stream has too many holes */
	unsigned spools_in_memory;
	uint64_t commit_failures, checkpoint_failures, reopened;
	uint64_t due_seen, due_found; /* store_due_again: batches, hours that were not noted */
	int64_t wal_bytes;
};

void store_stats(const struct store *s, struct store_stats *out);

#endif
