/* Inside ingest: the core's memory, the queues, the decode marker. */
#ifndef INGEST_INTERNAL_H
#define INGEST_INTERNAL_H

#include "branchline/batch.h"
#include "branchline/log.h"
#include "branchline/message.h"
#include "branchline/topic.h"

#include "ingest.h"
#include "ingest_core.h"
#include "store.h"

#define RECEIPT_EVERY_MS 1000 /* at most one a device */
/* The streams of a device are cut and sent together: one receipt for all of them, not the
 * second one a second later. */
#define RECEIPT_GATHER_MS   30
#define WALK_EVERY_MS       10    /* through the list of those that wait: it may be long */
#define ANSWER_EVERY_MS     200   /* answers to hello: at once, but no flood */
#define REPORT_EVERY_MS     200   /* devices say it every few minutes: no flood */
#define QUESTION_EVERY_MS   10000 /* what was asked for may be on its way */
#define ENTRIES_PATIENCE_MS 2000  /* dictionary entries travel on the other connection */
#define SALVAGE_ALONG_PAGES 8
#define SALVAGE_IDLE_PAGES  32
#define SCRUB_ROWS          100 /* a second at rest: some 10 ms, and 8 million rows a day */
#define OWED_MAX            4   /* spools of one device with something to say */

/* What is owed to one spool of a device. */
struct owed {
	struct bl_id spool;
	bool receipt;
	int64_t receipt_since_mono_ms;
	bool answer;
	uint32_t nonce;
	enum bl_verdict verdict;
	/* to ask for, when still missing then */
	bool want_dict, want_clock, want_batches;
	int64_t want_since_mono_ms;
	struct bl_ranges *need; /* of the last hello; NULL: none */
};

struct device {
	struct device *next; /* hash chain */
	char name[BL_ID_TEXT_MAX + 1];
	uint64_t generation; /* of the look-up */
	bool known;
	struct ingest_device info;
	int64_t last_receipt_mono_ms, last_answer_mono_ms, last_question_mono_ms;
	int64_t last_past_mono_ms;
	int64_t last_report_mono_ms; /* valid when reported */
	bool reported;
	bool waiting; /* in the core's list of those that are owed something */
	bool backlog; /* in the core's list of those that share the credit */
	int64_t backlog_since_mono_ms;
	uint64_t past_bytes; /* since the last sweep */
	/* averaged: bytes a second that came, and that it might have sent */
	double past_rate, credit_rate;
	uint32_t credit;          /* at the last sweep */
	struct bl_id hello_spool; /* of the last one that was welcome; zero: none yet */
	struct bl_id birth_spool, birth_boot;
	uint64_t birth_connections;
	struct identity *identity; /* NULL: nobody else was ever there */
	unsigned n_owed;
	struct owed owed[OWED_MAX];
};

struct marker;

enum ingest_outcome { OUTCOME_TAKEN, OUTCOME_ASIDE, OUTCOME_EXPIRED, OUTCOME_LATER };

struct ingest_core {
	struct ingest_core_opts opts;
	struct store *store;
	const struct bl_clock *clock;
	struct bl_id start; /* of this run */
	/* What bl/1/centre said last, and when; whether it got out. */
	bool centre_said;
	uint32_t centre_floor_ms;
	int64_t centre_mono_ms;
	uint64_t generation;
	struct device **bucket;
	unsigned n_buckets, n_devices;
	/* those with something owed; may hold stale ones */
	struct device **waiting;
	size_t n_waiting, size_waiting;
	int64_t due_mono_ms; /* none of them has anything to be said before */
	/* those that share the credit; demand: room for a number each */
	struct device **backlog;
	uint32_t *demand;
	unsigned n_backlog, size_backlog;
	int64_t total;  /* bytes a second for all, now */
	uint32_t level; /* for one whose link takes any */
	bool credit_stale;
	unsigned pressure_pct; /* how full the writer's queue of backlog is */
	int64_t swept_mono_ms;
	struct bl_buf raw;               /* an inflated body */
	struct bl_buf out;               /* a message to publish */
	uint8_t room[BL_BATCH_WIRE_MAX]; /* for the batches of a pack */
	struct marker *marker;
	struct ingest_core_stats stats, before; /* before: of the last commit */
	const struct store_aside_msg *again;    /* what is tried again; NULL: what came */
	enum ingest_outcome outcome;            /* of the message in hand */
	/* What one device or one failure can repeat with every message. */
	struct bl_log_limit lookup_log, closed_log, receipt_log, rival_log;
};

#define LOG_EVERY_MS 10000

/* One message on its way through take. */
struct arrival {
	const struct ingest_msg *m;
	struct bl_topic topic;
	struct device *dev; /* NULL: unknown */
	uint64_t sum;       /* its name for the decode marker */
	bool bundled;       /* m is a part of a bundle */
};

/* ---- ingest_core.c ---- */

/* Sets m aside; spool NULL: no seq is settled.  err: only the store's failure. */
int ingest_aside(struct ingest_core *c, const struct arrival *a, enum store_aside_reason reason,
    const char *detail, struct store_spool *spool, enum bl_stream stream, uint64_t seq,
    struct bl_err *err);
/*
 * The spool a message is about, when it is the sender's own: 1.  0: it is not,
 * and the message has been set aside.
 */
int ingest_own_spool(struct ingest_core *c, const struct arrival *a, const struct bl_id *uuid,
    struct store_spool **out, struct bl_err *err);
/* The message has been decoded: what kills us from here on is not its form. */
void ingest_decoded(struct ingest_core *c, const struct arrival *a);
/* A batch of this bundle, as ingest_core_take does with one that came alone. */
int ingest_bundled(struct ingest_core *c, const struct arrival *bundle, const uint8_t *msg,
    size_t len, struct bl_err *err);
/* The message is at fault, not the store: err is about it. */
bool ingest_bad_message(int rc);

/* ---- handlers ---- */

int ingest_take_batch(struct ingest_core *c, const struct arrival *a, struct bl_err *err);
int ingest_take_bundle(struct ingest_core *c, const struct arrival *a, struct bl_err *err);
int ingest_take_hello(struct ingest_core *c, const struct arrival *a, struct bl_err *err);
int ingest_take_gone(struct ingest_core *c, const struct arrival *a, struct bl_err *err);
int ingest_take_dict(struct ingest_core *c, const struct arrival *a, struct bl_err *err);
int ingest_take_clock(struct ingest_core *c, const struct arrival *a, struct bl_err *err);
/* A hello or a presence that is tried again. */
int ingest_requeue_moment(struct ingest_core *c, const struct arrival *a, struct bl_err *err);
int ingest_take_report(struct ingest_core *c, const struct arrival *a, struct bl_err *err);
int ingest_take_presence(struct ingest_core *c, const struct arrival *a, struct bl_err *err);

/* ---- ingest_devices.c ---- */

/* 1: *out, also for a retired one; 0: no such device; negative: cannot tell. */
int ingest_device(struct ingest_core *c, const char *name, struct device **out, struct bl_err *err);
void ingest_devices_free(struct ingest_core *c);

/* ---- ingest_credit.c ---- */

/* A sign of backlog, and how much of it came: shares the credit from now on. */
void ingest_backlog_seen(struct ingest_core *c, struct device *d, size_t bytes);
void ingest_backlog_forget(struct ingest_core *c, struct device *d);
void ingest_backlog_sweep(struct ingest_core *c);
/* What the next receipt to d says. */
uint32_t ingest_credit(struct ingest_core *c, const struct device *d);
/*
 * The level at which the sum of min(demand, level) is total, rounded down; when all demands
 * together are less: total.  Pure.
 */
uint32_t ingest_credit_level(const uint32_t *demand, size_t n, int64_t total);

/* ---- ingest_receipt.c ---- */

/* A receipt, soon. */
void ingest_owe_receipt(struct ingest_core *c, const struct device *d, struct owed *o);
/* Something else is owed: the next due looks through all. */
void ingest_owe_now(struct ingest_core *c);
/* What is owed to a spool of d; makes the entry.  NULL: too many at once. */
struct owed *ingest_owe(struct ingest_core *c, struct device *d, const struct bl_id *spool);
void ingest_owed_clear(struct owed *o);

/* ---- ingest_identity.c ---- */

/* A hello of this spool was welcome: the birth that follows is its machine's. */
void ingest_identity_hello(struct device *d, const struct bl_id *spool);
/* Inside begin ... commit; negative: the store failed. */
int ingest_identity_birth(
    struct ingest_core *c, struct device *d, const struct bl_presence *p, struct bl_err *err);
struct bl_report;
int ingest_identity_report(
    struct ingest_core *c, struct device *d, const struct bl_report *r, struct bl_err *err);
/* How often one of several machines came back in the last hour; 0: there is no conflict. */
uint32_t ingest_rival(const struct ingest_core *c, const struct device *d);
void ingest_identity_free(struct device *d);

/* ---- ingest_marker.c ---- */

int marker_open(struct marker **out, const char *path, struct bl_err *err);
void marker_close(struct marker *m);
/* A name for a message, never 0.  Pure. */
uint64_t marker_sum(uint64_t seed, const void *data, size_t len);
/*
 * About to decode this: returns how often the process has died of it; from
 * MARKER_STRIKES on it is not marked and must not be decoded.  m NULL: 0.
 */
unsigned marker_enter(struct marker *m, uint64_t sum);
/* It was decoded, and we live. */
void marker_leave(struct marker *m, uint64_t sum);
#define MARKER_STRIKES 3

/* ---- ingest_queue.c ---- */

struct queue_item {
	char *topic; /* owned, as is payload; one block */
	void *payload;
	size_t len;
	bool retained;
};

struct queue;

int queue_create(struct queue **out, size_t max_messages, size_t max_bytes, struct bl_err *err);
void queue_free(struct queue *q);
/* Any thread.  Copies.  False: full (counted), or out of memory. */
bool queue_push(struct queue *q, const char *topic, const void *payload, size_t len, bool retained);
/* False: empty. */
bool queue_pop(struct queue *q, struct queue_item *out);
void queue_item_free(struct queue_item *it);
/* Puts it back in front; only what was just popped. */
void queue_unpop(struct queue *q, const struct queue_item *it);
void queue_figures(struct queue *q, uint64_t *messages, uint64_t *bytes, uint64_t *dropped);

#endif
