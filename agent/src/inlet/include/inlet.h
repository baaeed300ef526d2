/*
 * The line inlet: a Unix stream socket where programs of this machine report
 * steps of business processes, events and values, one line a message (inlet_line.h), one line
 * an answer, in order:
 *
 *   ok                 the report is on disk
 *   ok repeated        a report with this id is there already (24 h)
 *   error: ...         it was not taken, and why; "column N:" first when the
 *                      line itself is wrong
 *
 * Beside it, where it is wanted, a Unix datagram socket: a line a datagram, in a syslog
 * envelope perhaps (`logger -u`), answered where the sender has bound an address.
 *
 * It knows a sink, not the spool.  Everything is bounded: clients, bytes of a
 * line, messages of a client and of all that wait for the disk, messages of a
 * turn.  A client that does not read its answers is not read from either.
 *
 * One thread.  inlet_fd is watched for reading; inlet_serve is called when it
 * is ready and when inlet_deadline has come.  Nothing in it waits.
 */
#ifndef INLET_H
#define INLET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/clock.h"
#include "branchline/err.h"

#include "inlet_report.h"

#include "inlet_socket.h"

#define INLET_CLIENTS 128u
#define INLET_USER_MOST                                                                            \
	64u /* of them, of one user; as many as are left for others, once there are some */
#define INLET_ANSWER_MS 8000   /* for the disk; then the answer says that it does not come */
#define INLET_IDLE_MS   600000 /* a client that says nothing for so long is let go */

struct inlet;

struct inlet_sink {
	void *ctx;
	/*
	 * Takes a report (copies it) and answers it with inlet_done, exactly once, never
	 * from inside this call.  Negative: it was not taken and there will be no inlet_done
	 * (BL_EFULL: too much waits; BL_EINVAL: it never will be, err says why).
	 */
	int (*report)(void *ctx, const struct inlet_report *r, uint64_t token, struct bl_err *err);
	/* Why nothing is stored at the moment, as far as it is known; else empty. */
	void (*problem)(void *ctx, char *out, size_t size);
};

struct inlet_opts {
	const char *path;           /* of the socket; its folder is made when its parent is there */
	const char *datagram;       /* of a datagram socket beside it; NULL or empty: none */
	unsigned mode;              /* of the socket: who may write to it may report */
	const char *group;          /* of the socket; NULL or empty: as it comes */
	int64_t answer_ms, idle_ms; /* 0: the defaults */
	const struct bl_clock *clock; /* kept */
	struct inlet_sink sink;       /* copied */
};

struct inlet_counters {
	unsigned clients;
	uint64_t accepted, repeated; /* answered "ok" */
	uint64_t bad_lines;          /* not understood, or over a cap */
	uint64_t not_stored;         /* the sink did not take it, or did not keep it */
	uint64_t late;               /* not stored within answer_ms; kept in memory by the sink */
	uint64_t too_many_series;    /* a cap has no room for its series */
	uint64_t refused_clients;    /* there were INLET_CLIENTS */
	uint64_t user_clients;       /* there was room, but not for another one of this user */
	uint64_t idle_clients;       /* let go */
	uint64_t unanswered;         /* datagrams whose sender did not take its answer */
};

/*
 * Listens.  A socket that a dead program left there is replaced.  BL_EBUSY:
 * another program listens there; BL_EEXIST: what lies there is no socket;
 * BL_ENOTFOUND: no such group or folder; BL_EDENIED, BL_EIO, BL_ENOMEM.
 */
int inlet_open(struct inlet **out, const struct inlet_opts *opts, struct bl_err *err);
/* Listens and reads no more; what was taken is answered still. */
void inlet_finish(struct inlet *in);
/* Ends all connections, removes the socket.  NULL is fine. */
void inlet_close(struct inlet *in);

int inlet_fd(const struct inlet *in);
/* When inlet_serve is to be called at the latest; INT64_MAX: when the descriptor is ready. */
int64_t inlet_deadline(const struct inlet *in);
void inlet_serve(struct inlet *in);

/*
 * What became of a report: 0 stored, 1 stored before (one with its id),
 * negative: not stored, and it will not be.
 */
void inlet_done(struct inlet *in, uint64_t token, int rc);

void inlet_count(const struct inlet *in, struct inlet_counters *out);

#endif
