/*
 * Inside the spool: its state and what its files offer each other.
 *
 * Every change of state is one transaction: txn_begin, statements, txn_commit.
 * The durable counters live in struct spool_durable; they are copied at
 * txn_begin, written by txn_commit and put back by txn_rollback, so that
 * memory never says more than the file.
 *
 * What has been appended but not committed waits in memory (struct
 * spool_pending) and not in an open transaction: SQLite may roll one back by
 * itself when the disk is full, memory does not forget.
 */
#ifndef SPOOL_INTERNAL_H
#define SPOOL_INTERNAL_H

#include <stdio.h>

#include <sqlite3.h>

#include "branchline/batch.h"
#include "branchline/log.h"
#include "spool.h"

#define SPOOL_SCHEMA          2
#define SPOOL_APPLICATION_ID  0x424c5350 /* "BLSP" */
#define SPOOL_PAGE_BYTES      1024       /* of files that are made now */
#define SPOOL_PAGE_BYTES_MOST 4096       /* of files from before */
#define SPOOL_MEMORY_BYTES    (512u * 1024u)
#define SPOOL_TXN_BYTES       (64u * 1024u) /* of pending data in one transaction */
#define SPOOL_TXN_WAL_BYTES   (192 * 1024)  /* what one transaction may add to the WAL */
#define SPOOL_WAL_TIDY_BYTES  (512 * 1024)  /* of the log: checkpoint, if the cap has room */
#define SPOOL_WAL_LATE_BYTES  (128 * 1024)  /* so much later the commit itself does it */
#define SPOOL_LEDGER_ROWS     4096
#define SPOOL_TRIMMED_ROWS    1024
#define SPOOL_BATCH_GAPS      256 /* ledger entries in one batch: they fit the smallest packet */
#define SPOOL_SEEN_ROWS       65536
#define SPOOL_SEEN_MS         (24 * 3600 * (int64_t)1000)
#define SPOOL_OUTSTANDING     256
#define SPOOL_INDIVISIBLE     32
#define SPOOL_PENDING_GAPS    64
#define SPOOL_PENDING_CLOCKS  160  /* one decision of the clock map, and former boots */
#define SPOOL_ROW_SAMPLES     4096 /* a longer tick becomes several rows */
#define SPOOL_CUT_LINK_MS     (60 * (int64_t)1000)
#define SPOOL_CUT_EVENTS_MS                                                                        \
	(5 * (int64_t)1000)     /* after an event or an entry about batches, with a link */
#define SPOOL_CUT_LEAST    2048 /* bytes: a smaller packet makes no smaller batches */
#define SPOOL_CUT_ALONE_MS (3600 * (int64_t)1000)
#define SPOOL_ALONE_MS     (5 * 60 * (int64_t)1000) /* without a receipt: alone */

/* Generation of a file that replaced a damaged one: below it is room for what that held. */
#define SPOOL_GEN_AFTER_DAMAGE 8

#define SPOOL_AGE_MS (10 * 60 * (int64_t)1000) /* between looks for what is too old */

/* Row ids of batches: generation of the spool id, stream, seq. */
#define BATCH_SEQ_BITS 48
#define BATCH_GEN_BITS 50
#define BATCH_SEQ_MAX  ((INT64_C(1) << BATCH_SEQ_BITS) - 1)

static inline int64_t
batch_id(int64_t gen, enum bl_stream stream, uint64_t seq)
{
	const uint64_t capped = seq > (uint64_t)BATCH_SEQ_MAX ? (uint64_t)BATCH_SEQ_MAX : seq;

	return gen << BATCH_GEN_BITS | (int64_t)stream << BATCH_SEQ_BITS | (int64_t)capped;
}

static inline uint64_t
batch_seq(int64_t id)
{
	return (uint64_t)(id & BATCH_SEQ_MAX);
}

static inline enum bl_stream
batch_stream(int64_t id)
{
	return (enum bl_stream)(id >> BATCH_SEQ_BITS & 3);
}

/* What is known of a batch: bits of column "offered". */
#define BATCH_OFFERED   1 /* under its seq */
#define BATCH_ELSEWHERE 2 /* what is in it may have been, under another seq */
#define BATCH_THIN_5MIN 4 /* thinned to windows of 5 min, or 1 h */
#define BATCH_THIN_1H   8
#define BATCH_WHOLE     16 /* no split makes it smaller */

/* One stream's durable counters: a row of table stream. */
struct spool_stream {
	int64_t next_seq;
	int64_t contiguous; /* receipted 1..contiguous */
	int64_t begin_ms;   /* of the open collection interval, boot time of durable.boot */
	int64_t held, held_bytes;
	int64_t waiting, waiting_bytes;
	int64_t open_rows, open_samples, open_bytes;
	int64_t dropped_batches, dropped_samples;
	/*
	 * The first seq of the first run since an answer agreed with this file.
	 * Where an older copy of the file was put back, what was cut before it is
	 * a copy of what the centre has, what was cut from it on is new.
	 */
	int64_t fork_seq;
};

/* The durable state: the one row of table state, and the rows of table stream. */
struct spool_durable {
	struct bl_id spool, predecessor, epoch, boot;
	int64_t gen;
	int64_t commit_no;
	int64_t covered_ms; /* boot time up to which everything has been committed */
	int64_t commit_unix_ms, receipt_unix_ms;
	int64_t samples, events, gaps, forgotten, connections;
	int64_t dict, clock; /* versions */
	struct spool_stream stream[BL_STREAMS];
};

enum spool_row_kind { ROW_TICK = 1, ROW_EVENT = 2 };

/* A row that waits for its commit. */
struct spool_row {
	struct spool_row *next;
	enum bl_stream stream;
	enum spool_row_kind kind;
	int64_t boot_ms;
	uint32_t n;
	char id[BL_EVENT_ID_MAX + 1]; /* the caller's, of an event or a sample that was reported */
	bool promised;                /* somebody waits for it: it is not dropped for others */
	size_t len;
	uint8_t data[];
};

/* A row that is told from others by what is in it. */
struct spool_twin {
	int64_t stream, boot_ms, crc;
};

struct spool_def {
	struct spool_def *next; /* in the list of pending ones */
	uint32_t id;
	int64_t hash;
	size_t len;
	uint8_t data[];
};

struct spool_pending {
	struct spool_row *head, **tail;
	size_t bytes;
	struct spool_def *defs, **defs_tail;
	uint32_t n_defs;
	unsigned n_gaps;
	struct bl_gap gap[SPOOL_PENDING_GAPS];
	unsigned n_clocks;
	struct bl_clock_segment clock[SPOOL_PENDING_CLOCKS];
	unsigned connections;
	uint64_t lost; /* samples dropped since the last commit that worked */
	/*
	 * A commit failed on its way to the disk and could not be looked at yet:
	 * it carried this chunk, which must neither change nor go before the
	 * file says whether transaction doubt_no is in it.
	 */
	int64_t doubt_no; /* 0: none */
	struct pending_chunk {
		unsigned rows, gaps, clocks, defs, connections;
	} doubt;
};

#define SPOOL_STATEMENTS(X)                                                                        \
	X(Q_STATE_SAVE)                                                                            \
	X(Q_STREAM_SAVE)                                                                           \
	X(Q_OPEN_ADD)                                                                              \
	X(Q_OPEN_READ)                                                                             \
	X(Q_OPEN_DROP)                                                                             \
	X(Q_OPEN_NEWEST)                                                                           \
	X(Q_DICT_ADD)                                                                              \
	X(Q_DICT_FIND)                                                                             \
	X(Q_DICT_READ)                                                                             \
	X(Q_CLOCK_ADD)                                                                             \
	X(Q_CLOCK_READ)                                                                            \
	X(Q_CLOCK_NEWEST)                                                                          \
	X(Q_BATCH_BOOT_END)                                                                        \
	X(Q_CLOCK_OF_BOOT)                                                                         \
	X(Q_SEEN_ADD)                                                                              \
	X(Q_SEEN_FIND)                                                                             \
	X(Q_SEEN_PRUNE)                                                                            \
	X(Q_BATCH_ADD)                                                                             \
	X(Q_BODY_ADD)                                                                              \
	X(Q_BATCH_GET)                                                                             \
	X(Q_BODY_GET)                                                                              \
	X(Q_BATCH_DROP)                                                                            \
	X(Q_BODY_DROP)                                                                             \
	X(Q_BATCH_WALK)                                                                            \
	X(Q_BATCH_WALK_DOWN)                                                                       \
	X(Q_BATCH_FORMER)                                                                          \
	X(Q_BATCH_RECEIPT)                                                                         \
	X(Q_BATCH_FLAGS)                                                                           \
	X(Q_WAITING_UP)                                                                            \
	X(Q_WAITING_DOWN)                                                                          \
	X(Q_RECEIPTED_UP)                                                                          \
	X(Q_LEDGER_ADD)                                                                            \
	X(Q_LEDGER_TOUCHING)                                                                       \
	X(Q_LEDGER_EXTEND)                                                                         \
	X(Q_LEDGER_TRAVEL)                                                                         \
	X(Q_LEDGER_TRAVELLED)                                                                      \
	X(Q_LEDGER_RESET)                                                                          \
	X(Q_LEDGER_REPLACED)                                                                       \
	X(Q_LEDGER_UNTOLD)                                                                         \
	X(Q_LEDGER_COUNT)                                                                          \
	X(Q_LEDGER_FORGET)                                                                         \
	X(Q_LEDGER_ABOUT)                                                                          \
	X(Q_TRIMMED_PUT)                                                                           \
	X(Q_TRIMMED_DROP)                                                                          \
	X(Q_TRIMMED_CAP)                                                                           \
	X(Q_TRIMMED_BELOW)                                                                         \
	X(Q_TRIMMED_FROM)                                                                          \
	X(Q_BATCH_COUNT)                                                                           \
	X(Q_GEN_ADD)                                                                               \
	X(Q_GEN_SALVAGE)                                                                           \
	X(Q_GEN_FOUND)                                                                             \
	X(Q_GEN_PAGE)                                                                              \
	X(Q_GEN_DONE)                                                                              \
	X(Q_GEN_OWED)                                                                              \
	X(Q_GEN_ASKED)                                                                             \
	X(Q_GEN_UNASKED)                                                                           \
	X(Q_GEN_OF_SPOOL)                                                                          \
	X(Q_GEN_GET)                                                                               \
	X(Q_USAGE_PUT)                                                                             \
	X(Q_USAGE_DROP)

#define SPOOL_ENUM(name) name,
enum spool_query { SPOOL_STATEMENTS(SPOOL_ENUM) Q_COUNT };

struct spool {
	char *path, *device, *software;
	int64_t max_bytes, keep_receipted_ms;
	size_t memory_bytes;
	int64_t group_ms, grouped_mono_ms; /* the last commit, or attempt at one */
	struct bl_id boot; /* of this run; durable.boot follows it in spool_begin_boot */
	const struct bl_clock *clock;
	int lock_fd;

	sqlite3 *db; /* NULL: could not be opened again after an error; retried */
	sqlite3_stmt *stmt[Q_COUNT];
	int wal_frames;
	int64_t page_bytes, max_pages, wal_max_bytes, wal_tidy_bytes;
	bool in_txn;
	enum { TXN_SINGLE, TXN_GROUP, TXN_GROUP_FAILED } group; /* txn_group_begin */
	int64_t group_bytes;
	bool suspect; /* an I/O error: close, open, look again before the next write */
	/* a commit that failed may be in the log, and not on the disk: nothing goes on top of it
	 * before the log has been written anew */
	bool log_unsure;
	int64_t attempted_no;            /* of the last commit that was tried */
	bool damaged;                    /* SQLite says corrupt: spool_replace */
	bool loaded;                     /* d is what a sound file said */
	bool trimmed_missing;            /* no room yet for the table of what was trimmed */
	bool trimmed_fresh;              /* made in the transaction that is open */
	bool usage_missing, usage_fresh; /* the same of the table of what the link carried */
	bool usage_dirty;                /* usage says more than the file */
	struct spool_usage usage;
	bool begun; /* this run's boot and off gap are in the file */

	struct spool_durable d, saved;
	struct spool_pending p;
	int64_t opened_ms;  /* boot time: this run's first collection intervals begin here */
	int64_t covered_ms; /* what the next commit will say */
	bool covered_told;  /* by spool_covered; else it is the time of the commit */
	int64_t open_from_ms[BL_STREAMS]; /* see spool_open_from */
	int64_t last_append_ms[BL_STREAMS];
	uint64_t crc_bad_rows;

	/* dictionary of this process's life, by id; NULL: not declared in it */
	struct spool_def **defs;
	size_t defs_size;

	/* cutting */
	int64_t cut_mono_ms[BL_STREAMS];
	bool cutting_pending;  /* ticks that wait go into the batches, without a row of their own */
	int64_t event_mono_ms; /* of the first event, or ledger entry about batches, since the
			       events stream was cut; INT64_MAX: none */
	int64_t receipt_mono_ms;
	struct {
		bool looked;
		int64_t offset_ms; /* unix - boot time, at the last look */
		unsigned n;
		struct spool_wall_step {
			int64_t boot_ms;
			int64_t before_unix_ms; /* what it would have said then */
		} step[4];                      /* the newest; n counts on */
	} wall;
	bool link_was_up;
	uint8_t held; /* bit stream - 1: a budget holds it back, so it is cut as if alone */
	int64_t raw_per_open_pct[BL_STREAMS]; /* learned: body bytes per 100 bytes of open rows */

	int64_t ballast_bytes;
	bool disk_full; /* not the file's cap: the disk; until the ballast is there again */
	enum spool_trouble trouble; /* of the last failure */

	/* replacing a damaged file, and salvage */
	char aside[256]; /* base name of the file set aside; empty: none */
	struct bl_id replaced_id;
	struct spool_durable replaced; /* what this process knew of it */
	bool replaced_known;
	bool replacing;                        /* set aside, the new one is not made yet */
	bool salvage_wanted;                   /* of aside, into a file that is about to be made */
	int64_t in_memory_from_ms[BL_STREAMS]; /* rows since then wait in memory: not out of it */
	struct spool_twin *in_memory; /* and these, which are older: by time and checksum */
	unsigned n_in_memory;
	bool salvaging;          /* something is to come over, as the file says */
	struct salvage *salvage; /* NULL: not begun in this process */
	struct spool_recovery recovery;

	int64_t age_mono_ms; /* look for receipted batches past their time then */

	/* offering; in memory only */
	int64_t outstanding[SPOOL_OUTSTANDING];
	unsigned n_outstanding;
	int64_t live_from[BL_STREAMS]; /* seq; INT64_MAX: nothing is live */
	int64_t live_ms[BL_STREAMS];   /* and what ended before is not, whatever its seq */
	size_t max_packet;             /* the last that a broker stated; what is cut fits it */
	/* Batches that no split makes small enough for this max_packet, beside those that are
	 * BATCH_WHOLE; the oldest is forgotten first. */
	int64_t indivisible[SPOOL_INDIVISIBLE];
	unsigned n_indivisible;
	uint32_t dict_sent, clock_sent;
	struct bl_log_limit too_big, reopen_log;
};

/* ---- spool_db.c: the file through SQLite ---- */

/* Opens or makes the file at s->path and loads the durable state.  *created. */
int db_open(struct spool *s, bool *created, struct bl_err *err);
void db_close(struct spool *s);
/* Translates an SQLite code; remembers damage and suspicion. */
int db_fail(struct spool *s, int sqlite_rc, struct bl_err *err, const char *what);
/* integrity_check: indexes, too, for what is to be sent is found by one.  BL_ECORRUPT with its
 * first complaint. */
int db_check(struct spool *s, struct bl_err *err);

/*
 * A statement with its values bound: i int64_t, b (const void *, size_t), t
 * (const char *), d const struct bl_id * (NULL when zero), n nothing.
 * db_select leaves it ready for db_step (1 row, 0 end, negative); db_run steps
 * to the end.  db_done resets.
 */
sqlite3_stmt *db_select(
    struct spool *s, enum spool_query q, struct bl_err *err, const char *kinds, ...);
int db_step(struct spool *s, sqlite3_stmt *st, struct bl_err *err);
void db_done(sqlite3_stmt *st);
int db_run(struct spool *s, enum spool_query q, struct bl_err *err, const char *kinds, ...);
struct bl_id db_column_id(sqlite3_stmt *st, int column);
/* One number from a statement that is not kept. */
int db_number(struct spool *s, const char *sql, int64_t *out, struct bl_err *err);

/* ---- spool_txn.c ---- */

int txn_begin(struct spool *s, struct bl_err *err);
/* One that writes or frees so many bytes of messages and rows: the log must have room for it. */
int txn_begin_for(struct spool *s, int64_t bytes, struct bl_err *err);
/* The most that may be said to it: the whole log is for that transaction. */
int64_t txn_bytes_most(const struct spool *s);
int txn_commit(struct spool *s, struct bl_err *err);
void txn_rollback(struct spool *s);

/*
 * Until txn_group_end all transactions are one, which begins with the first of them and
 * writes or frees so many bytes.  When one of them is rolled back all are, and those that
 * follow fail.  done: what came of the work; negative: all of it is rolled back.  Negative
 * from txn_group_end: nothing of it is in the file; the caller puts back what it keeps
 * outside of s->d, and does the same again without a group.
 */
void txn_group_begin(struct spool *s, int64_t bytes);
int txn_group_end(struct spool *s, int done, struct bl_err *err);
/*
 * Copies the log into the main file, which writes and syncs it anew: after a
 * failed sync the kernel may hold pages as clean that never reached the disk.
 */
int db_rewrite_log(struct spool *s, struct bl_err *err);
/* mode: SQLITE_CHECKPOINT_*; a reader in the way is no failure. */
int db_checkpoint(struct spool *s, int mode, struct bl_err *err);
/* Moves the log into the file when it has so many bytes: the work of a quiet moment. */
void db_tidy(struct spool *s, int64_t bytes);
/* Pages that could still be used under the cap. */
int db_free_pages(struct spool *s, int64_t *out, struct bl_err *err);

/* ---- spool_read.c: from outside the daemon ---- */
/* Opens a file that may be in use, read-only; refuses what is newer. */
int db_open_to_read(sqlite3 **db, const char *path, struct bl_err *err);
/* There is no file, or one without any table yet. */
bool db_is_empty(const char *path);
int db_code_plain(int sqlite_rc);

/* ---- spool_schema.c ---- */
int schema_make(struct spool *s, struct bl_err *err);
/* An older file becomes one of today's version; nothing to do for others. */
int schema_upgrade(struct spool *s, struct bl_err *err);
/* Remembers the tables as they are, in the transaction that makes them; BL_ECORRUPT: they are not
 * what was made. */
int layout_note(struct spool *s, struct bl_err *err);
int layout_check(struct spool *s, struct bl_err *err);
/* A checksum over all counters and the device: a flipped bit in them is damage, not news. */
int64_t durable_seal(const struct spool_durable *d, const char *device);
int durable_load(sqlite3 *db, struct spool_durable *d, char *device, size_t device_size);
int durable_save(struct spool *s, struct bl_err *err);

/* ---- spool_file.c: lock, set aside ---- */
int file_lock(struct spool *s, struct bl_err *err);
/* Who the spool is, beside it, for the day its first page is damaged. */
void file_note_identity(struct spool *s);
bool file_noted_identity(struct spool *s, struct bl_id *id);
/* The noted id is that of another device's spool. */
bool file_noted_other_device(struct spool *s);
/* Renames the file with its WAL; to (>= path + 64) gets the new name. */
int file_set_aside(struct spool *s, const char *why, char *to, size_t to_size, struct bl_err *err);
/* The file that was set aside last, if it was for this reason; to as above. */
bool file_last_aside(const struct spool *s, const char *why, char *to, size_t to_size);
/* Its log, if a death left it behind, follows it. */
void file_finish_aside(const struct spool *s, const char *aside);
int64_t file_bytes(const char *path, const char *suffix);

/* ---- spool_ballast.c: room for when there is none ---- */
/* Makes it where it is missing and the disk has room. */
void ballast_keep(struct spool *s);
/* Gives it up: the disk is full.  False: there was none. */
bool ballast_release(struct spool *s);

/* ---- spool_row.c: the bytes of open rows and of dictionary entries ---- */
struct spool_row *row_of_samples(
    enum bl_stream stream, int64_t boot_ms, const struct spool_sample *samples, uint32_t n);
struct spool_row *row_of_event(const struct bl_event *ev, struct bl_err *err);
/* Feeds a row to an encoder; skipped: samples it refused.  BL_ECORRUPT, BL_EFULL, BL_ENOMEM. */
int row_encode(const void *data, size_t len, enum spool_row_kind kind, int64_t boot_ms,
    struct bl_batch_enc *enc, uint32_t *skipped);
/* Gives the samples of a row other series ids (a replaced spool). */
struct spool_row *row_renumber(
    const struct spool_row *row, uint32_t (*map)(void *ctx, uint32_t id), void *ctx);
int def_encode(const struct bl_series_def *def, struct bl_buf *out, struct bl_err *err);
int def_decode(const void *data, size_t len, struct bl_series_def *def);
int64_t row_crc(
    int64_t stream, int64_t kind, int64_t boot_ms, int64_t samples, const void *data, size_t len);
int64_t hash_bytes(const void *data, size_t len);
uint32_t crc_bytes(const void *data, size_t len);

/* ---- spool_pending.c ---- */
void pending_init(struct spool_pending *p);
void pending_free(struct spool_pending *p);
bool pending_empty(const struct spool *s);
/* The next part that one transaction can carry, and letting go of it. */
struct pending_chunk pending_chunk(const struct spool_pending *p);
void pending_release(struct spool_pending *p, const struct pending_chunk *c);
/* Names rows that memory had no room for. */
void pending_drop_gap(struct spool *s, enum bl_gap_reason reason, const struct spool_row *row);
/* Other series ids for everything that waits (a replaced spool). */
int pending_renumber(struct spool *s, struct bl_err *err);

/* ---- spool_dict.c ---- */
void defs_free(struct spool *s);
/* The last entry that has an id, written or waiting. */
int64_t dict_last(const struct spool *s);
int clock_add(struct spool *s, const struct bl_clock_segment *seg, struct bl_err *err);
/* Of any boot; newest first, at most max.  How many, or negative. */
int clock_newest_first(
    struct spool *s, struct bl_clock_segment *out, unsigned max, struct bl_err *err);
int clock_read(
    struct spool *s, uint32_t from, struct bl_clock_segment *out, unsigned max, struct bl_err *err);
/* The segments of a boot, ascending. */
int clock_of_boot(struct spool *s, const struct bl_id *boot, struct bl_clock_segment *out,
    unsigned max, struct bl_err *err);

/* ---- spool_boots.c ---- */

/*
 * seg is the first trusted one of the present boot, before it the wall clock stood at wall
 * (NULL: unknown): former boots that never knew the time get a place with what is known.
 */
int boots_tell(struct spool *s, const struct bl_clock_segment *seg,
    const struct bl_clock_segment *wall, struct bl_err *err);

/* ---- spool_commit.c ---- */
/* Commits and, on the first call of a run, writes the off gaps and begins the boot. */
int commit_all(struct spool *s, struct bl_err *err);
int begin_boot(struct spool *s, struct bl_err *err);
/*
 * In a transaction: all that waits is written but ticks, which the caller cuts in the same
 * one.  Afterwards commit_for_cut_done with what came of that transaction, if it began.
 */
int commit_for_cut(struct spool *s, struct bl_err *err);
void commit_for_cut_done(struct spool *s, int rc);

/* ---- spool_wall.c ---- */
/* Before a stamp is written, and now and then: a step of the wall clock is noticed by the next. */
void wall_look(struct spool *s);
/* What was stamped then was so long ago, as far as this process can tell. */
bool wall_older(struct spool *s, int64_t stamp_unix_ms, int64_t age_ms);
/* It was set forward so short a time ago that ages by it are not what they seem. */
bool wall_set_within(struct spool *s, int64_t age_ms);

/* ---- spool_ledger.c ---- */
int ledger_add(struct spool *s, const struct bl_gap *gap, struct bl_err *err);
/* A row of its own; travel: the batch that tells it, 0: none yet. */
int ledger_put(struct spool *s, const struct bl_gap *gap, int64_t travel, struct bl_err *err);
/* Other batches stand for these seqs of now: nothing is missing, nobody is told. */
int ledger_replaced(struct spool *s, const struct bl_gap *gap, struct bl_err *err);
/* A row of LEDGER_COLUMNS. */
void ledger_row(sqlite3_stmt *st, int64_t *id, struct bl_gap *gap);
/* Adds what has not travelled to an events batch: n entries up to row last_id. */
int ledger_encode(
    struct spool *s, struct bl_batch_enc *enc, int64_t *last_id, unsigned *n, struct bl_err *err);

/* ---- spool_cut.c ---- */
/* Cuts one stream up to s->d.covered_ms; *cut grows by the batches made. */
int cut_stream(struct spool *s, enum bl_stream stream, unsigned *cut, struct bl_err *err);
/* What is committed and open would fill a batch. */
bool cut_pressing(const struct spool *s);
/*
 * Inserts an encoded batch under its header and counts it; inside a transaction.
 * flags: BATCH_ELSEWHERE and the like; samples: those that are in it one by one.
 */
int batch_insert(struct spool *s, int64_t id, const struct bl_batch_header *h, int flags,
    int64_t samples, const struct bl_buf *msg, struct bl_err *err);
/* Deletes one batch and uncounts it; inside a transaction. */
int batch_delete(struct spool *s, int64_t id, bool waiting, int64_t bytes, struct bl_err *err);
int64_t lowest_held(struct spool *s, enum bl_stream stream, struct bl_err *err);
/* The lowest without a receipt; the next seq when there is none. */
int64_t lowest_waiting(struct spool *s, enum bl_stream stream, struct bl_err *err);

/* ---- spool_content.c: what is in a batch ---- */
struct content {
	struct bl_batch_header h;
	struct bl_buf raw;
};

struct content_column {
	uint32_t series_id, n;
	int64_t *ms;
	double *value;
	uint8_t *unknown;
	struct bl_thin *thin; /* NULL: every sample is for itself */
};

int content_decode(struct content *c, const void *msg, size_t len, struct bl_err *err);
void content_free(struct content *c);
/*
 * The content of a stored batch: 1.  0: the bytes are not what was written; it was
 * named as damaged and is gone.  Outside a transaction.
 */
int content_load(struct spool *s, int64_t id, uint32_t crc, struct content *c, struct bl_err *err);
/* How many samples i of a column stands for; 0: it is unknown, 1: itself. */
static inline uint32_t
content_count(const struct content_column *c, uint32_t i)
{
	return c->unknown[i] != BL_KNOWN ? 0 : c->thin != NULL ? c->thin[i].count : 1;
}

/* One sample of a column into an encoder, as it is, under this series. */
int content_put(
    struct bl_batch_enc *enc, const struct content_column *c, uint32_t i, uint32_t series_id);
/* Gives all columns that r has not given yet, each for the time of the call. */
int content_columns(struct bl_batch_reader *r,
    int (*take)(void *ctx, const struct content_column *col, struct bl_err *err), void *ctx,
    struct bl_err *err);

/* ---- spool_split.c: what is too large for the broker ---- */
/*
 * Cuts a waiting batch of now into parts of at most limit bytes; flags are its own.
 * 1: done (or it was damaged, and is gone); 0: it cannot be split so far, or, when
 * *never, not at all, which its flags then say (BATCH_WHOLE); negative.
 */
int split_batch(struct spool *s, int64_t id, int64_t bytes, uint32_t crc, int flags, size_t limit,
    bool *never, struct bl_err *err);

/* ---- spool_recut.c: what a former spool id left behind ---- */
/* Up to max batches of former ids that wait are cut again.  *more. */
int recut_slice(struct spool *s, unsigned max, bool *more, struct bl_err *err);
/*
 * Receipted batches of former ids, from lo to hi, are wanted again: they wait from
 * here on, and their seqs are named as rolled back.  In transactions of its own.
 */
int recut_due(struct spool *s, int64_t lo, int64_t hi, struct bl_err *err);
/*
 * When an answer about the id of now shows that the centre was set back since those receipts:
 * all of them, and what was trimmed is named, for nobody asks about an id that is over.  Before
 * anything of the answer is noted.
 */
int recut_if_set_back(struct spool *s, const struct bl_receipt *r, struct bl_err *err);
struct recoded {
	uint32_t samples;  /* one by one */
	uint32_t nameless; /* left out: their series have no name */
};

/*
 * Encodes msg again under to->spool and to->seq; series go through map (NULL:
 * stay; 0 from it: nameless).  Fills the rest of *to.
 */
int recode(const void *msg, size_t len, uint32_t (*map)(void *ctx, uint32_t id), void *ctx,
    struct recoded *done, struct bl_batch_header *to, struct bl_buf *out, struct bl_err *err);

/* ---- spool_offer.c ---- */
void outstanding_forget(struct spool *s, int64_t id);
bool outstanding_has(const struct spool *s, int64_t id);

/* ---- spool_trim.c ---- */
/* The spool id of a generation. */
int spool_of_gen(struct spool *s, int64_t gen, struct bl_id *spool, struct bl_err *err);
/* Makes room: one slice.  *freed: batches that went. */
int trim_for_room(struct spool *s, unsigned *freed, struct bl_err *err);
/* A batch that does not carry its bytes any more: named in the ledger, deleted. */
int batch_lost(struct spool *s, int64_t id, enum bl_gap_reason reason, struct bl_err *err);

/* ---- spool_usage.c ---- */
/* When a file has been opened.  What memory has stands against what the file has. */
int usage_load(struct spool *s, struct bl_err *err);
/* An SQLite code; zeroes when there is no such table. */
int usage_read(sqlite3 *db, struct spool_usage *out);
/* In a transaction; makes the table when it is the first time. */
int usage_write(struct spool *s, struct bl_err *err);

/* ---- spool_thin.c ---- */
/*
 * One slice: the oldest host batches, then probes, that never left become one of
 * means.  *n: how many batches; 0: there are none that this could make smaller.
 */
int thin_slice(struct spool *s, unsigned *n, struct bl_err *err);

/* ---- spool_trimmed.c ---- */
/* The table, for a file that has none yet; outside a transaction. */
int trimmed_make(struct spool *s, struct bl_err *err);
/* A batch that has its receipt is deleted; inside a transaction, as are those below. */
int trimmed_add(struct spool *s, int64_t id, struct bl_err *err);
/* Seqs of a former id that the centre has and this file never cut: another life of it did. */
int trimmed_elsewhere(struct spool *s, int64_t gen, enum bl_stream stream, uint64_t first,
    uint64_t last, struct bl_err *err);
/* The first part of [id, end] that was trimmed: 1; 0: none. */
int trimmed_next(
    struct spool *s, int64_t id, int64_t end, int64_t *first, int64_t *last, struct bl_err *err);
/*
 * In a transaction: of seqs 1..upto, all of which had their receipt, those that are not held
 * count as trimmed; of a generation that no trimming has touched here.
 */
int trimmed_unheld(
    struct spool *s, int64_t gen, enum bl_stream stream, uint64_t upto, struct bl_err *err);
/* Names what was trimmed of former ids, or another life cut, as lost at the centre. */
int trimmed_name_former(struct spool *s, struct bl_err *err);
/* Rows went without us: the stream's counters are made to say what is there. */
int batches_recount(struct spool *s, enum bl_stream stream, struct bl_err *err);

/* ---- spool_salvage.c ---- */
/* Whether the file says that something is to come over: s->salvaging. */
int salvage_find(struct spool *s, struct bl_err *err);
/* A slice of what a damaged file still has and the centre may not.  *more. */
int salvage_slice(struct spool *s, bool *more, struct bl_err *err);
void salvage_free(struct spool *s);

static inline unsigned
stream_index(enum bl_stream stream)
{
	return (unsigned)stream - 1;
}

static inline bool
stream_valid(enum bl_stream stream)
{
	return stream >= BL_STREAM_EVENTS && stream <= BL_STREAM_HOST;
}

#endif
