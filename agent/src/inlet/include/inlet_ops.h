/*
 * The inlet seam: what an inlet is, and what the agent gives it.
 *
 * An inlet takes in what programs of this machine say, in its own language, and
 * knows nothing of spool, link or loop: it is a row in the table of
 * agent_inlets.c.  Two ways lead out of it:
 *
 *   reports   one by one, each answered when it is on disk ("ok" is a promise)
 *   samples   of series, put at a tick or when they come, like a sampler's
 *
 * Loop thread only.  Nothing in an inlet waits: neither for a disk nor for a
 * network nor for who sends; a turn (serve, tick) takes 10 ms at most, what is left
 * comes in the next one.  Whatever can grow has a cap, and what a cap refuses is
 * counted under a name.
 */
#ifndef INLET_OPS_H
#define INLET_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/clock.h"
#include "branchline/conf.h"
#include "branchline/err.h"

#include "inlet_report.h"
#include "sample.h"

/* What the agent offers; outlives the inlet. */
struct inlet_host {
	void *ctx;
	const struct bl_clock *clock;
	const char *state_dir; /* for what has to outlive the process; absolute */
	uint32_t interval_ms;  /* of ticks; the inlet is opened anew when it changes */

	/*
	 * Takes a report (copies it) and answers with ops->done, exactly once, never from inside
	 * this call.  token: any number.  Negative: not taken, there will be no done.
	 * BL_EFULL: what this inlet may have under way is used up, or the disk does not keep up:
	 * try again after the next done, or in a second; BL_EINVAL with a sentence: it breaks a
	 * rule (a name of the agent's own, a time too far away), and never will be taken; err->code
	 * is BL_EFULL then where the rule is a cap of series.
	 */
	int (*report)(void *ctx, const struct inlet_report *r, uint64_t token, struct bl_err *err);
	/* Why nothing is stored at the moment, as far as it is known; else empty. */
	void (*problem)(void *ctx, char *out, size_t size);

	/*
	 * Where samples go.  In ops->tick they are handed on by the agent when tick returns; at any
	 * other time call flush after the last put of one instant, before returning.  A tenth of
	 * the agent's max_series is kept for its own; sink->event is NULL: see report.
	 */
	struct sample_sink *sink;
	void (*flush)(void *ctx, int64_t boot_ms);

	/*
	 * Something was lost that nobody was told of (datagrams that the kernel dropped): it gets a
	 * name in the ledger, "overload".  stream: of what it would have become.
	 */
	void (*lost)(void *ctx, enum bl_stream stream, uint64_t n);
};

/* One of the numbers that status, /metrics, the page and the device report show. */
struct inlet_count {
	const char *name; /* "accepted", "bad_lines", "too_many_series" ...: [a-z_]+, constant */
	uint64_t n;       /* since open; the agent adds what was before */
	bool refused;     /* it is something that was not taken */
};
#define INLET_COUNTS_MAX 24u

struct inlet_ops {
	const char *name; /* its section under `inlets`, and in status: "http", "statsd" ... */
	/*
	 * conf is its section's struct, kept by the caller for the inlet's life; host, too.
	 * BL_OK with *out NULL: it is switched off.  A failure is said in status and tried again
	 * every minute; nothing else depends on it.
	 */
	int (*open)(
	    void **out, const void *conf, const struct inlet_host *host, struct bl_err *err);
	/* Takes in no more; what was taken is answered still.  NULL: nothing to do. */
	void (*finish)(void *in);
	void (*close)(void *in);
	/* Readable when serve has something to do (an epoll descriptor is one); -1: never.  The
	 * same for its life. */
	int (*fd)(const void *in);
	/* When serve is to be called at the latest, monotonic ms; INT64_MAX: no matter. */
	int64_t (*deadline)(const void *in);
	void (*serve)(void *in);
	/* Once an interval: puts its samples of this instant.  NULL: it has none. */
	void (*tick)(void *in, int64_t boot_ms);
	/* What became of a report: 0 on disk, 1 was there before, negative: not stored, and it
	 * will not be.  NULL: it makes no reports. */
	void (*done)(void *in, uint64_t token, int rc);
	/*
	 * Fills out (INLET_COUNTS_MAX); how many.  Always the same ones in the same order.
	 * "accepted" is among them: what was taken in, in whatever the inlet counts (reports,
	 * packets, series).
	 */
	unsigned (*count)(const void *in, struct inlet_count *out);
	/* What is wrong at the moment although it is open, for status: a folder that cannot be
	 * read; else empty.  NULL: it never has anything to say. */
	void (*problem)(const void *in, char *out, size_t size);
	/* How much of what it reads from is there and not yet taken, in files; NULL: it has no such
	 * backlog. */
	uint64_t (*waiting)(const void *in);
};

#endif
