/*
 * The spool thread: the one owner of a struct spool, and the way in and out
 * for everybody else.
 *
 *   in   spool_thread_* below: copied into a bounded queue, never waits for
 *        the disk.  Any thread may post; what one thread posts stays in order.
 *   out  results queue up; spool_thread_fd() becomes readable; the loop calls
 *        spool_thread_dispatch(), which makes the callbacks ON THE LOOP'S
 *        thread.  Nothing is ever called back from the spool thread itself.
 *
 * The thread commits when asked (spool_thread_commit, once a tick), at once
 * when somebody waits for an event's answer (all events that are there in one
 * commit; what comes during it is the next one's), and by itself at the latest
 * SPOOL_THREAD_COMMIT_MS after the first thing that was posted.  With spool.group_ms
 * ticks wait that long, whoever asks, and every event is committed at once.  It cuts and
 * trims by itself.  A spool that cannot commit (disk full, read-only) keeps what comes in
 * memory up to a cap; what does not fit is dropped, oldest host ticks first, and
 * becomes a ledger entry when the disk is back.  A spool found damaged is set
 * aside and replaced without a word from the caller.
 */
#ifndef SPOOL_THREAD_H
#define SPOOL_THREAD_H

#include "spool.h"

#define SPOOL_THREAD_COMMIT_MS   1000
#define SPOOL_THREAD_QUEUE_BYTES (256u * 1024u) /* default cap of ticks and events under way */
#define SPOOL_THREAD_REQUESTS                                                                      \
	256u                        /* cap of everything else under way (twice it for              \
				     * gaps, clock segments, link events, clears) */
#define SPOOL_THREAD_FRAMES_MAX 32u /* of one offer */
#define SPOOL_THREAD_GAPS       16u /* newest ledger entries in a status */

struct spool_thread;

struct spool_thread_opts {
	struct spool_opts spool; /* strings are copied, the clock is kept */
	size_t queue_bytes;      /* 0: SPOOL_THREAD_QUEUE_BYTES */
};

/* What became of an answer, a receipt or a question. */
struct spool_outcome {
	int rc;         /* enum spool_answer, or a negative code: not taken (logged) */
	bool say_hello; /* hand in a hello request: the id is new, or the centre lost something */
	bool more;      /* something may be offered now */
	struct bl_receipt r; /* what it was about (credit, versions, epoch); not for a question */
};

struct spool_thread_status {
	struct spool_status spool;
	bool spool_valid;              /* false: the spool could not be asked; why is in problem */
	bool committing;               /* the last commit worked */
	int64_t failing_since_unix_ms; /* 0: it works */
	char problem[256];             /* the last failure, with what happens next; empty: none */
	enum spool_trouble trouble;    /* while it does not: why */
	uint64_t memory_bytes;         /* waiting in memory for a commit */
	uint64_t memory_max;           /* then samples are dropped and named */
	uint64_t refused_samples;      /* the queue was full (reason overload) */
	uint64_t refused_events;
	uint64_t refused_requests;      /* other posts that found the queue full */
	uint64_t replaced;              /* spools set aside as damaged by this process */
	struct spool_recovery recovery; /* of the last of them */
	char aside[256];                /* its name; empty: none */
	unsigned n_gaps;
	struct bl_gap gap[SPOOL_THREAD_GAPS]; /* newest first */
};

/* All optional (NULL: not wanted), all on the thread that calls spool_thread_dispatch. */
struct spool_calls {
	void *ctx;
	/*
	 * An event or a report posted with this token, exactly once: SPOOL_ACCEPTED or
	 * SPOOL_REPEATED once it is on disk (not before the disk can be written again); BL_EFULL:
	 * not accepted (disk and memory are full); BL_EINVAL: not a valid event; another negative
	 * code: not accepted.
	 */
	void (*event_done)(void *ctx, uint64_t token, int rc);
	/*
	 * The hello that was asked for, without nonce and config_hash.
	 * connections: link_up posts since the spool was made, for presence.
	 */
	void (*hello)(void *ctx, const struct bl_hello *hello, uint64_t connections);
	/* Takes the messages (bl_buf_free each), not the array.  n may be 0.  One call per offer.
	 */
	void (*frames)(void *ctx, struct spool_frame *frames, unsigned n);
	void (*answered)(void *ctx, const struct spool_outcome *o);  /* an answer was worked in */
	void (*receipted)(void *ctx, const struct spool_outcome *o); /* a receipt was */
	/* A question was worked in; gone->n may be 0, else it wants to be sent. */
	void (*questioned)(void *ctx, const struct spool_outcome *o, const struct bl_gone *gone);
	/* There is more to offer than before (a cut while the link is up). */
	void (*cut)(void *ctx, unsigned batches);
	void (*status)(void *ctx, uint64_t token, const struct spool_thread_status *st);
	/*
	 * The spool was damaged and has been replaced: another id, so say hello again.
	 * why: what was wrong and where the damaged file is.
	 */
	void (*replaced)(void *ctx, const char *why);
	/* What could be read of it has come over: say hello again, to ask about it. */
	void (*recovered)(void *ctx, const struct spool_recovery *r);
	/* Commits failed from then on, and work again; trouble says why they did. */
	void (*working)(void *ctx, enum spool_trouble trouble, int64_t failed_ms);
};

/*
 * Opens the spool and starts its thread.  *opened is enum spool_opened; err
 * is filled with a sentence on SPOOL_REPLACED, too.  Failures are those of
 * spool_open (BL_ENEWER, BL_EBUSY, BL_EDENIED ...).  calls is copied.
 */
int spool_thread_start(struct spool_thread **out, const struct spool_thread_opts *opts,
    const struct spool_calls *calls, int *opened, struct bl_err *err);

/*
 * The same without a thread of its own: its body runs in spool_thread_turn, when
 * and as often as the caller says.  For simulators, which own time; everything
 * else is used as above, on the one thread there is.
 */
int spool_thread_open(struct spool_thread **out, const struct spool_thread_opts *opts,
    const struct spool_calls *calls, int *opened, struct bl_err *err);
/* One turn: what was posted, then what is due.  In how many ms (monotonic) more is due. */
int64_t spool_thread_turn(struct spool_thread *t);
/* Nothing was posted that was not worked off, no callback waits. */
bool spool_thread_idle(struct spool_thread *t);
/* Bytes that were taken in and are not on the disk yet; 0: all of it is accepted. */
size_t spool_thread_unsafe(struct spool_thread *t);

/*
 * Works off what was posted, commits, cuts, closes, joins, makes the callbacks
 * that are left, frees.  Waits for the disk.  Loop thread; nobody may post any
 * more.  NULL is fine.
 */
void spool_thread_stop(struct spool_thread *t);

/* Readable (poll) when dispatch has something to do. */
int spool_thread_fd(const struct spool_thread *t);
/* Makes the callbacks that are due.  Loop thread only; callbacks may post. */
void spool_thread_dispatch(struct spool_thread *t);

/* Monotonic ms of the thread's last turn, for a watchdog.  It turns at least every 5 s. */
int64_t spool_thread_turned_mono_ms(const struct spool_thread *t);

/* The last failure with what happens next, or an empty text; at any time, without a question. */
void spool_thread_problem(struct spool_thread *t, char *out, size_t size);

/* ---- data in ---- */

/*
 * The handle (>= 0) of a series; copies def, whose id is ignored.  The same
 * definition gives the same handle; handles outlive a replaced spool.  Fits
 * sample_sink.declare.  BL_EINVAL: a cap or rule of wire.h is broken; BL_EFULL, BL_ENOMEM.
 */
int32_t spool_thread_series(struct spool_thread *t, const struct bl_series_def *def);
/* The same; one that is not known yet is BL_EFULL when there are max already. */
int32_t spool_thread_series_within(
    struct spool_thread *t, const struct bl_series_def *def, uint32_t max);
/* What a handle stands for, with id 0; texts live as long as t does.  False: there is no such
 * handle. */
bool spool_thread_series_def(struct spool_thread *t, int32_t handle, struct bl_series_def *out);
/* How many have been declared in this process. */
uint32_t spool_thread_series_count(struct spool_thread *t);

struct spool_thread_sample {
	int32_t handle;
	uint8_t unknown; /* enum bl_unknown */
	double value;
};

/*
 * One tick of one stream.  Copies.  BL_EFULL: the queue is full; the samples
 * are counted and named in the ledger (overload), nothing is left to do for
 * the caller.  BL_EINVAL: an unknown handle, or one of another stream; nothing was taken.
 */
int spool_thread_append(struct spool_thread *t, enum bl_stream stream, int64_t boot_ms,
    const struct spool_thread_sample *samples, uint32_t n);

/*
 * An event; copies.  token 0: no event_done wanted.  ev->boot_ms 0: now.
 * BL_EFULL: the queue is full; the event is NOT accepted, there will be no
 * event_done; counted, and named in the ledger when token is 0.
 */
int spool_thread_event(struct spool_thread *t, const struct bl_event *ev, uint64_t token);

/* One value that a program reported. */
struct spool_thread_report {
	int32_t handle;
	int64_t boot_ms;  /* 0: now; may lie before this boot (negative), not in the future */
	double value;     /* finite */
	struct bl_str id; /* unique for 24 h among events and these; empty: none */
};

/*
 * A sample that is on disk before its giver hears of it; copies.  Answered like an event, by
 * event_done with this token (0: not wanted): at once on disk, once by its id, never dropped
 * for others once it was taken.  BL_EFULL: the queue is full, it is NOT taken, there will be no
 * event_done; BL_EINVAL: no such handle, a value that is not finite, no id; BL_ENOMEM.
 * The series: spool_thread_series_within, of BL_STREAM_HOST, interval 0.
 */
int spool_thread_report(
    struct spool_thread *t, const struct spool_thread_report *r, uint64_t token);

int spool_thread_gap(struct spool_thread *t, const struct bl_gap *gap);
int spool_thread_clock(struct spool_thread *t, const struct bl_clock_segment *seg);
/* The newest one of this boot that the spool held when it was opened; false: none. */
bool spool_thread_clock_told(const struct spool_thread *t, struct bl_clock_segment *out);

/*
 * The end of a tick: make durable what was posted.  boot_ms: all that happened
 * before it has been posted; collection intervals end there, not later.
 * BL_EFULL is harmless: the thread commits within SPOOL_THREAD_COMMIT_MS anyway.
 */
int spool_thread_commit(struct spool_thread *t, int64_t boot_ms);
/*
 * The same where results of probes are to come that may be as old as
 * probes_from_ms: collection intervals of that stream end there.
 */
int spool_thread_commit_probes(struct spool_thread *t, int64_t boot_ms, int64_t probes_from_ms);

/* What the link carried; durable with the next commit. */
int spool_thread_usage(struct spool_thread *t, const struct spool_usage_add *add);

/* Cached pages of the file are given back with the next turn.  Any thread. */
void spool_thread_shrink(struct spool_thread *t);

/* See spool_hold. */
int spool_thread_hold(struct spool_thread *t, uint8_t streams);

/* ---- link ---- */

/*
 * Connected: forgets what was outstanding, begins "live", cuts the open span.
 * Post a hello request after it.
 */
int spool_thread_link_up(struct spool_thread *t);
/* Not connected any more: forgets what was outstanding. */
int spool_thread_link_down(struct spool_thread *t);

int spool_thread_hello(struct spool_thread *t);
int spool_thread_answer(struct spool_thread *t, const struct bl_receipt *r);
int spool_thread_receipt(struct spool_thread *t, const struct bl_receipt *r);
int spool_thread_question(struct spool_thread *t, const struct bl_question *q);

/* max_frames is capped to SPOOL_THREAD_FRAMES_MAX.  Answered by exactly one frames() call. */
int spool_thread_offer(struct spool_thread *t, const struct spool_want *want);
/* See spool_outstanding_clear. */
int spool_thread_clear(struct spool_thread *t, enum bl_stream stream, uint64_t seq);
int spool_thread_clear_all(struct spool_thread *t);

/* Answered by exactly one status() call. */
int spool_thread_status(struct spool_thread *t, uint64_t token);

/* All of the above but the documented ones: BL_OK, BL_EFULL (counted) or BL_ENOMEM. */

#endif
