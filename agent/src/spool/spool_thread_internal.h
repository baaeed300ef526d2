/*
 * Between the two halves of the spool thread: spool_post.c runs on everybody
 * else's threads (posting, handles, dispatch), spool_thread.c on its own.
 * What both touch is under t->mtx; what is marked "own" belongs to the thread.
 */
#ifndef SPOOL_THREAD_INTERNAL_H
#define SPOOL_THREAD_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "spool_internal.h"
#include "spool_thread.h"

#define HANDLE_BUCKETS 256
#define ANSWERS_MAX    4096 /* events whose commit is waited for */

enum post_kind {
	POST_TICK,
	POST_EVENT,
	POST_REPORT,
	POST_GAP,
	POST_CLOCK,
	POST_COMMIT,
	POST_LINK_UP,
	POST_LINK_DOWN,
	POST_HELLO,
	POST_ANSWER,
	POST_RECEIPT,
	POST_QUESTION,
	POST_OFFER,
	POST_CLEAR,
	POST_CLEAR_ALL,
	POST_STATUS,
	POST_USAGE,
	POST_HOLD,
};

/* One request; what follows it in memory depends on its kind. */
struct post {
	struct post *next;
	struct result *answer; /* owned; events whose giver waits: no memory is wanted later on */
	enum post_kind kind;
	size_t bytes; /* counted against the queue; 0: counted as a request */
	enum bl_stream stream;
	int64_t boot_ms;
	uint64_t token; /* or seq */
	uint32_t n;
	union {
		struct bl_gap gap;
		struct bl_clock_segment clock;
		struct spool_want want;
		int64_t probes_from_ms;
		struct spool_usage_add usage;
	} u;
	max_align_t data[]; /* samples, an event or report with its texts, a receipt, a question */
};

enum result_kind {
	RESULT_EVENT,
	RESULT_HELLO,
	RESULT_FRAMES,
	RESULT_ANSWER,
	RESULT_RECEIPT,
	RESULT_QUESTION,
	RESULT_CUT,
	RESULT_STATUS,
	RESULT_REPLACED,
	RESULT_RECOVERED,
	RESULT_WORKING,
};

struct result {
	struct result *next;
	enum result_kind kind;
	uint64_t token; /* or connections */
	int rc;
	unsigned n;
	max_align_t data[]; /* the struct of its kind */
};

struct question_result {
	struct spool_outcome outcome;
	struct bl_gone gone;
};

static inline bool
is_report(enum post_kind kind)
{
	return kind == POST_EVENT || kind == POST_REPORT;
}

/* A series as its users know it.  All but id is fixed when it is made. */
struct handle {
	struct handle *next; /* of its bucket */
	int32_t number;
	enum bl_stream stream;
	int64_t hash;
	uint32_t id; /* own: in the spool's dictionary; 0: not asked yet */
	size_t len;
	uint8_t def[];
};

/* What the queue refused of one stream, until the thread names it. */
struct refused {
	uint64_t samples;
	int64_t first_ms, last_ms;
};

struct spool_thread {
	pthread_t thread;
	bool threaded; /* else the caller turns it */
	pthread_mutex_t mtx;
	pthread_cond_t wake;
	int event_fd;
	const struct bl_clock *clock;
	struct bl_id boot;
	struct spool_calls calls;
	size_t queue_max;
	_Atomic int64_t turned_mono_ms;
	_Atomic bool shrink; /* give back what is cached */

	/* under mtx */
	struct post *head, **tail;
	size_t queue_bytes;
	unsigned requests;
	bool stopping;
	struct result *results, **results_tail;
	struct handle *bucket[HANDLE_BUCKETS];
	struct handle **handles;
	int32_t n_handles, handles_size;
	struct refused refused[BL_STREAMS];
	uint64_t refused_samples, refused_events, refused_requests;
	char problem[256]; /* written by the thread alone */

	/* own */
	struct spool *spool;
	bool link_up;
	bool has_told;
	struct bl_clock_segment told; /* of this boot, as of the opening */
	bool clock_waits;             /* a segment for its commit */
	int64_t commit_ms;            /* something may wait so long for its commit */
	bool event_waits;             /* for its commit, and its giver does not */
	bool dirty;                   /* something waits for a commit, since: */
	int64_t dirty_mono_ms;
	int64_t cut_mono_ms; /* ask the spool for cutting at the latest then */
	int64_t trim_mono_ms;
	struct result *answers, **answers_tail; /* of events, until their commit */
	unsigned n_answers;
	bool committing;
	int64_t failing_since_unix_ms, failing_since_mono_ms;
	enum spool_trouble trouble;
	uint64_t replaced;
	int64_t replace_mono_ms; /* not tried before */
	bool recovering;
	struct bl_log_limit problem_log, lost_log;
	uint64_t lost_unsaid;
};

/* The thread's body, and its last turn. */
void *spool_thread_run(void *arg);
void spool_thread_finish(struct spool_thread *t);

/* Hands a result to the loop; takes it. */
void result_post(struct spool_thread *t, struct result *r);
/* The same with a list; last is its end. */
void results_post(struct spool_thread *t, struct result *first, struct result *last);
/* Takes p, NULL included. */
void post_free(struct post *p);
struct result *result_new(enum result_kind kind, size_t data_bytes);

#endif
