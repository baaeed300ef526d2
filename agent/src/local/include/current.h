/*
 * The current values: the one place inside the agent that knows the last value
 * of every series, and of every probe its last result.  What people and local
 * programs see (`top`, the page, /metrics) is read from here, so they agree.
 *
 * Written where samples are handed to the spool: what stands here is what the
 * centre gets, bit for bit.  24 bytes a series, by the spool's handle, and what
 * a series is called stays with the spool; so memory is bounded by max_series.
 *
 * Any thread: a lock inside, held for a copy at most.
 */
#ifndef CURRENT_H
#define CURRENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/err.h"
#include "branchline/wire.h"

#include "probe.h"
#include "spool_thread.h"

struct current;

/* Where a series' definition is found; false: there is no such handle. */
typedef bool (*current_series_fn)(void *ctx, int32_t handle, struct bl_series_def *out);

int current_create(struct current **out, struct bl_err *err);
/* NULL is fine. */
void current_free(struct current *c);

/* As of one instant; what is there of a later one stays.  Borrows.  Out of memory: they are missing
 * here, and counted. */
void current_put(
    struct current *c, int64_t boot_ms, const struct spool_thread_sample *samples, uint32_t n);

/* Another list of probes; nothing is known of them yet.  n 0: none. */
void current_probes(struct current *c, const struct bl_conf_list *probes);
/* A result of one of them; others are ignored.  Borrows r. */
void current_result(struct current *c, const struct probe_result *r);

/* ---- reading ---- */

struct current_row {
	int32_t handle;
	struct bl_series_def def; /* texts are the source's */
	int64_t boot_ms;          /* of the value */
	double value;             /* when unknown is BL_KNOWN */
	enum bl_unknown unknown;
};

struct current_probe {
	char name[PROBE_NAME_MAX + 1];
	enum probe_kind kind;
	int64_t interval_ms;
	int up;                /* -1: not known yet, or it could not be tried */
	bool ran;              /* there is a result: what follows is its */
	int64_t boot_ms;       /* when the last run began */
	int64_t since_boot_ms; /* since when `up` is what it is */
	enum probe_reason reason;
	double total_ms; /* NaN: unknown */
	char detail[192];
};

struct current_snapshot {
	int64_t boot_ms;
	struct current_row *row; /* by name, kind, unit, labels; one of each: the newest */
	size_t n;
	size_t old; /* left out: nobody has put them lately */
	struct current_probe *probe;
	size_t n_probes;
	uint64_t missing; /* values that found no memory, ever */
};

/*
 * What is current at boot_ms.  A series that was not put for three of its
 * intervals and 15 s more is not: what it measured is gone, or its definition
 * has changed.  series is called without the lock.  On failure *out is empty.
 */
int current_snapshot(struct current *c, int64_t boot_ms, current_series_fn series, void *ctx,
    struct current_snapshot *out, struct bl_err *err);
void current_snapshot_free(struct current_snapshot *s);

#endif
