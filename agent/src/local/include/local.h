/*
 * The page for people at this machine: a very small HTTP server, of which
 * nothing runs unless somebody asks.  It listens on a loopback address or a
 * Unix socket and on nothing else, answers GET, and gives out:
 *
 *   /             the status page; /page.js, /page.css, /words.json belong to it
 *   /now.json     what the page and `branchline-agent top` show
 *   /metrics      current values for a local Prometheus
 *
 * It changes nothing and takes nothing in.  One connection an answer, at most
 * LOCAL_CLIENTS at a time, each with a deadline, at most LOCAL_A_SECOND answers
 * that have to be made a second and LOCAL_UNDER_WAY bytes under way: what is
 * beyond gets 503.
 *
 * No thread of its own: its owner's loop watches local_fd().
 */
#ifndef LOCAL_H
#define LOCAL_H

#include "branchline/buf.h"
#include "branchline/clock.h"
#include "branchline/conf.h"
#include "branchline/err.h"

#define LOCAL_CLIENTS  16u
#define LOCAL_CONNECTS 100u /* taken in a second; further ones wait in the kernel */
#define LOCAL_A_SECOND 20u  /* answers that have to be made */
#define LOCAL_BODY_MAX (4u * 1024u * 1024u)
#define LOCAL_UNDER_WAY                                                                            \
	(4u * 1024u * 1024u) /* nothing more is written before some of it is gone                  \
			      */
#define LOCAL_HEAD_MS 5000   /* for the whole request */
#define LOCAL_WAIT_MS 3000   /* until `late` */
#define LOCAL_SEND_MS 10000  /* for the whole answer */

struct local;

enum local_what { LOCAL_NOW, LOCAL_METRICS, LOCAL_METRICS_OPENMETRICS };

struct local_calls {
	void *ctx;
	/* Somebody wants it: local_answer with this id, now or later. */
	void (*ask)(void *ctx, uint32_t id, enum local_what what);
	/* It was not answered within LOCAL_WAIT_MS: do it now, or it is refused. */
	void (*late)(void *ctx, uint32_t id, enum local_what what);
};

struct local_opts {
	const char *listen;                  /* "127.0.0.1:9480", "[::1]:9480", "/run/..." */
	unsigned mode;                       /* of a Unix socket */
	const struct bl_conf_strlist *hosts; /* further names; kept */
	const struct bl_clock *clock;        /* kept */
	struct local_calls calls;
};

struct local_counters {
	uint64_t answers;
	uint64_t refused; /* bad requests, foreign names */
	uint64_t busy;    /* beyond one of the limits */
	unsigned clients; /* now */
};

int local_open(struct local **out, const struct local_opts *opts, struct bl_err *err);
/* NULL is fine. */
void local_close(struct local *l);
/* Readable when local_serve has something to do. */
int local_fd(const struct local *l);
/* When local_serve wants to be called at the latest, monotonic; INT64_MAX: no matter. */
int64_t local_deadline(const struct local *l);
/* Never blocks. */
void local_serve(struct local *l);
/*
 * The answer to an ask.  Takes body (emptied); one that failed, or NULL, is answered with 503.
 * Nobody waits for that id any more: dropped.
 */
void local_answer(struct local *l, uint32_t id, const char *type, struct bl_buf *body);
void local_count(const struct local *l, struct local_counters *out);

#endif
