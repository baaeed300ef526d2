/*
 * The spool: the agent's durable queue in one SQLite file (WAL,
 * synchronous=FULL), bound to its device id, with three streams.
 *
 * Owned by ONE thread (the agent's spool thread; see spool_thread.h for the
 * way in from others).  Accepted means committed: what spool_commit returned
 * BL_OK for survives kill -9 and power cuts.  Takes clock and paths from
 * outside, knows no network.
 *
 * Life of data: append -> open span -> cut -> batch (immutable once offered)
 * -> receipted (deletable) -> trimmed.  Losses by policy are ledger entries
 * which travel as gaps in the events stream.
 */
#ifndef SPOOL_H
#define SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/buf.h"
#include "branchline/clock.h"
#include "branchline/err.h"
#include "branchline/message.h"
#include "branchline/report.h"
#include "branchline/wire.h"

struct spool;

struct spool_opts {
	const char *path;   /* of the file; its folder must exist */
	const char *device; /* id; another one in the file: it is set aside, a new spool begins */
	int64_t max_bytes;  /* the file with its WAL never grows beyond; >= 1 MiB */
	int64_t keep_receipted_ms; /* how long receipted batches stay while there is room (72 h) */
	size_t memory_bytes;       /* cap of what waits in memory for a commit; 0: 512 KiB */
	/*
	 * 0: what waits is committed when it is asked for.  Else ticks may wait so long in
	 * memory, together, and with a link nothing is cut more often (spool_group_waits).
	 */
	int64_t group_ms;
	int64_t ballast_bytes; /* of a file that is given up when the disk is full; 0: none */
	struct bl_id boot;     /* this boot */
	const struct bl_clock *clock; /* kept */
	const char *software;         /* version, for hello */
};

enum spool_opened {
	SPOOL_OPENED = 0,  /* went on with what was there */
	SPOOL_CREATED = 1, /* there was none */
	SPOOL_REPLACED =
	    2, /* a damaged or foreign one was set aside (named in err), a new one begins */
};

/*
 * BL_ENEWER: written by a newer version, left untouched, nothing opened.
 * BL_EBUSY: another process holds it.  On SPOOL_OPENED and SPOOL_REPLACED the
 * gap "off" since the last commit has been written, and what was open is cut.
 */
int spool_open(struct spool **out, const struct spool_opts *opts, struct bl_err *err);
/* Commits what is pending.  NULL is fine. */
void spool_close(struct spool *s);

/* ---- what comes in ---- */

/* The id of a series, from the dictionary or newly added (durable with the next commit).  BL_EFULL
 * at the cap. */
int spool_series(
    struct spool *s, const struct bl_series_def *def, uint32_t *id, struct bl_err *err);

struct spool_sample {
	uint32_t series_id;
	uint8_t unknown; /* enum bl_unknown */
	double value;
};

/* One tick of one stream (one boot time); values that are not finite become BL_UNKNOWN_UNREADABLE.
 * Borrows.  Not durable before commit. */
int spool_append(struct spool *s, enum bl_stream stream, int64_t boot_ms,
    const struct spool_sample *samples, uint32_t n, struct bl_err *err);
/* SPOOL_REPEATED (1): an event with this caller's id was accepted within 24 h; nothing was added.
 */
enum { SPOOL_ACCEPTED = 0, SPOOL_REPEATED = 1 };
int spool_event(struct spool *s, const struct bl_event *ev, struct bl_err *err);
/*
 * One sample that somebody waits for, at any time, also before this boot.  id as an event's, out
 * of the same table: a report is there once, whatever kind it is of.  No cap drops it to make
 * room for others: BL_EFULL instead.  SPOOL_ACCEPTED, SPOOL_REPEATED, or negative.
 */
int spool_report(struct spool *s, enum bl_stream stream, int64_t boot_ms,
    const struct spool_sample *sample, struct bl_str id, struct bl_err *err);
/* A ledger entry: durable with the next commit, travels in the events stream. */
int spool_gap(struct spool *s, const struct bl_gap *gap, struct bl_err *err);
/* A new segment of the clock map (id is assigned); BL_OK also when it says nothing new. */
int spool_clock(struct spool *s, const struct bl_clock_segment *seg, struct bl_err *err);
/* The newest of a boot, waiting ones included: 1 and *out, 0: none, negative. */
int spool_clock_newest(
    struct spool *s, const struct bl_id *boot, struct bl_clock_segment *out, struct bl_err *err);

/*
 * Everything that happened up to this boot time has been appended: where
 * collection intervals may end.  Never called: the time of the commit.
 */
void spool_covered(struct spool *s, int64_t boot_ms);
/*
 * What is appended to this stream from now on may be as old as boot_ms, whatever
 * spool_covered says: its intervals do not go beyond.  INT64_MAX: it is not.
 */
void spool_open_from(struct spool *s, enum bl_stream stream, int64_t boot_ms);
/* Counts one connection (durable with the next commit); see spool_status. */
void spool_connected(struct spool *s);
/* Gives cached pages back; what needs them reads them again. */
void spool_shrink(struct spool *s);

/*
 * Makes everything since the last commit durable (one fsync).  On failure
 * (BL_EFULL: disk full; BL_EIO, BL_EDENIED: read-only or broken; BL_EBUSY)
 * everything stays in memory and the next call tries again.  BL_ECORRUPT:
 * spool_replace.  *lost: samples that memory had no room for since the last call;
 * they are named in the ledger.
 */
int spool_commit(struct spool *s, uint64_t *lost, struct bl_err *err);

/*
 * True: what waits need not be committed yet: group_ms has not passed since the last
 * commit, and memory has room.  An event, or one's own wish, is reason enough all the same.
 */
bool spool_group_waits(const struct spool *s);

/* Waiting in memory for a commit, and the cap of it. */
size_t spool_memory_bytes(const struct spool *s);
size_t spool_memory_max(const struct spool *s);

/* Why the last thing that failed did so, for people. */
enum spool_trouble {
	SPOOL_FINE = 0,
	SPOOL_DISK_FULL,      /* no room, or no inode, on the disk */
	SPOOL_DISK_READ_ONLY, /* mounted read-only */
	SPOOL_DISK_FAILS,     /* reads, writes or syncs fail, or it may not be used */
	SPOOL_HELD_BACK,      /* a reader of the file keeps its log from being worked off */
	SPOOL_IS_DAMAGED,
	SPOOL_NO_MEMORY,
};

enum spool_trouble spool_trouble_of(const struct spool *s);

/* The file was found damaged: every call says BL_ECORRUPT until spool_replace. */
bool spool_damaged(const struct spool *s);
/*
 * Sets the damaged file aside and begins a new one that names it as its
 * predecessor; what waits in memory goes into it.  What the old one still holds
 * without a receipt comes over in slices with spool_trim, as far as it can be
 * read; the rest is a gap "damaged".  All series ids are void: ask spool_series
 * again.  SPOOL_REPLACED, or negative: try again later.
 */
int spool_replace(struct spool *s, struct bl_err *err);

/* How the recovery from a damaged file goes, or went in this process. */
struct spool_recovery {
	bool running;
	unsigned pct;        /* of it, while it runs */
	unsigned batches;    /* that came over */
	unsigned lost;       /* that could not be read */
	uint64_t samples;    /* of those that had not been cut, came over */
	uint64_t unreadable; /* samples of series whose names were lost */
};

void spool_recovery(const struct spool *s, struct spool_recovery *out);
/* The name of the file that this process set aside last, in the same folder; "": none. */
const char *spool_aside(const struct spool *s);

/* ---- cutting ---- */

/*
 * Cuts what is due now by policy (60 s with a link, 5 s after an event, 1 h
 * without a link, size caps, quiet streams too) and commits.  *cut: how many batches were made.
 * *next_ms: in how long to ask again at the latest.
 */
int spool_cut_due(
    struct spool *s, bool link_up, unsigned *cut, int64_t *next_ms, struct bl_err *err);
/*
 * A metered link holds these streams back (bit stream - 1): they are cut hourly, with a link, too.
 * One that is not held any more is due at once.
 */
void spool_hold(struct spool *s, uint8_t streams);
/* Cuts every stream now (reconnection, shutdown). */
int spool_cut_all(struct spool *s, unsigned *cut, struct bl_err *err);

/* ---- what goes out ---- */

/*
 * Fills all but nonce and config_hash.  After damage it first speaks for the
 * former spool id, so that the centre says what it has of it; the answer to
 * that is SPOOL_ANSWER_ROLLED_BACK.
 */
int spool_hello(struct spool *s, struct bl_hello *out, struct bl_err *err);

/*
 * The same, read-only from a file whose daemon is dead: nothing is locked, begun
 * or cut.  Uses path, device, boot, clock and software of opts.  BL_ENOTFOUND,
 * BL_ENEWER, BL_ECORRUPT, BL_EDENIED; BL_EEXIST: another device's.
 */
int spool_hello_of_file(const struct spool_opts *opts, struct bl_hello *out, struct bl_err *err);

enum spool_answer {
	SPOOL_ANSWER_OK = 0,
	SPOOL_ANSWER_ROLLED_BACK = 1, /* the file is an older copy: a new spool id began (or a
					 former one is settled); say hello again */
	SPOOL_ANSWER_OTHER = 2,       /* about another spool id: ignored */
};

/*
 * Takes the answer to a hello: marks exactly what it settles as receipted and
 * everything else that is held as to be offered.
 */
int spool_on_answer(struct spool *s, const struct bl_receipt *r, struct bl_err *err);
/* A later receipt: marks more as receipted.  SPOOL_ANSWER_*; a regression is reported as
 * ROLLED_BACK never, but by *say_hello. */
int spool_on_receipt(
    struct spool *s, const struct bl_receipt *r, bool *say_hello, struct bl_err *err);

/* An encoded message, ready to publish. */
struct spool_frame {
	enum bl_msg_type type; /* BATCH, DICT, CLOCK */
	enum bl_stream stream; /* BATCH */
	uint64_t seq;          /* BATCH */
	bool past;             /* which topic */
	struct bl_buf msg;     /* owned by the frame: bl_buf_free */
};

struct spool_want {
	/* Metered: a batch goes only where its class has room, and takes it from all classes. */
	bool metered;
	uint64_t live_room[BL_STREAMS], past_room[BL_STREAMS];
	size_t frame_bytes;  /* what a message takes beside its own bytes */
	bool live;           /* newest first: cut since the link came up */
	size_t past_bytes;   /* credit for backlog, oldest first by priority of stream; 0: none */
	uint32_t dict_known; /* the centre's versions: missing entries go first */
	uint32_t clock_known;
	size_t max_packet; /* 0: BL_BATCH_WIRE_MAX */
	unsigned max_frames;
};

/*
 * Up to want->max_frames frames that are held, not receipted and not marked
 * outstanding; marks them outstanding.  Live ones first.  *n: how many.
 */
int spool_offer(struct spool *s, const struct spool_want *want, struct spool_frame *frames,
    unsigned *n, struct bl_err *err);
/*
 * No receipt came in time, or the connection ended: these (or all) may be
 * offered again.  Stream 0: dictionary and clock map.
 */
void spool_outstanding_clear(struct spool *s, enum bl_stream stream, uint64_t seq);
void spool_outstanding_clear_all(struct spool *s);
/* From now on what is cut is live; what was cut before is past. */
void spool_live_begins(struct spool *s);

/*
 * What the centre asks for: held ones become due again; *gone tells of the
 * rest with reasons (n = 0: nothing to say).
 */
int spool_on_question(
    struct spool *s, const struct bl_question *q, struct bl_gone *gone, struct bl_err *err);

/* ---- upkeep ---- */

/*
 * Recovers from a damaged file; deletes receipted batches that are too old or
 * in the way; when the cap still presses, drops by priority (host, probes, events) with ledger
 * entries. A slice of work: *more when there is more to do.
 */
int spool_trim(struct spool *s, bool *more, struct bl_err *err);

/* ---- what the link carried ---- */

/* The hour of a budget (agent/src/budget): when it ends, and what of it is spent. */
struct spool_hour {
	bool has;
	struct bl_id boot; /* of ends_boot_ms */
	int64_t ends_boot_ms;
	int64_t hour; /* unix time / 3,600,000; INT64_MIN: not known */
	uint64_t used_bytes;
	uint64_t class_bytes[BL_STREAMS];
};

struct spool_usage {
	uint32_t n; /* ascending; the first may be month 0: before the month was known */
	struct bl_report_month month[BL_REPORT_MONTHS_MAX];
	struct spool_hour hour;
};

struct spool_usage_add {
	uint32_t month; /* year * 12 + month - 1; 0: not known yet */
	uint64_t in_bytes, out_bytes;
	uint64_t class_bytes[BL_STREAMS]; /* of out_bytes */
	struct spool_hour hour;           /* has: stands from now on */
};

/* Adds to the figures of the file; durable with the next commit. */
void spool_usage_add(struct spool *s, const struct spool_usage_add *add);
/* The same to figures in memory.  Pure. */
void spool_usage_book(struct spool_usage *u, const struct spool_usage_add *add);

struct spool_stream_status {
	uint64_t next_seq, lowest_held, receipted_contiguous;
	uint64_t held_batches, held_bytes;
	uint64_t waiting_batches, waiting_bytes;   /* held and not receipted */
	int64_t oldest_waiting_unix_ms;            /* 0: none or clock unknown */
	uint64_t open_samples;                     /* committed, not yet cut */
	uint64_t dropped_batches, dropped_samples; /* by policy, ever */
};

struct spool_status {
	struct bl_id spool, predecessor, epoch;
	char device[BL_DEVICE_ID_MAX + 1];
	int64_t file_bytes; /* with its log */
	int64_t max_bytes;  /* 0: not known (read from a file) */
	bool reserve_gone;  /* the disk was full: the ballast is given up until it has room again */
	uint64_t accepted_samples, accepted_events;        /* since the file was made */
	int64_t last_commit_unix_ms, last_receipt_unix_ms; /* 0: never */
	uint64_t gaps;                                     /* ledger entries, ever */
	uint64_t gaps_forgotten; /* of them no longer in the file: its ledger has a cap */
	uint64_t connections;    /* ever */
	uint32_t dict_version, clock_version;
	bool clock_trusted;
	struct spool_usage usage;
	struct spool_stream_status stream[BL_STREAMS];
};

int spool_status(struct spool *s, struct spool_status *out, struct bl_err *err);
/*
 * The same, read-only from a file whose daemon is dead (or alive: it only
 * reads).  BL_ENOTFOUND, BL_ENEWER, BL_ECORRUPT, BL_EDENIED.
 */
int spool_status_of_file(const char *path, struct spool_status *out, struct bl_err *err);

/* The newest ledger entries, newest first, for status.  Returns how many, or negative. */
int spool_recent_gaps(struct spool *s, struct bl_gap *out, unsigned max, struct bl_err *err);
int spool_recent_gaps_of_file(
    const char *path, struct bl_gap *out, unsigned max, struct bl_err *err);

#endif
