/*
 * The inlets of the running agent: one row each in the table of agent_inlets.c, and what the agent
 * knows of each beyond its row.  Loop thread only.
 */
#ifndef AGENT_INLETS_H
#define AGENT_INLETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "branchline/log.h"

#include "inlet_ops.h"
#include "intake.h"

#define AGENT_INLETS_MAX 8u
#define AGENT_INLETS_MS  60000 /* one that could not be opened is tried again */

struct agent;
struct config;

struct agent_inlet_row {
	const struct inlet_ops *ops;
	const struct bl_conf_section *section;
	size_t offset;      /* of its struct in struct config_inlets */
	const char *source; /* label of the metrics that it reports */
	/* What may be under way to the disk: reports, and bytes of their texts.  0: it makes none.
	 */
	unsigned reports;
	uint32_t bytes;
	bool safe; /* it is open in safe mode, too */
};

/* A report under way; its place is the lower part of the spool's token. */
struct agent_report {
	bool used;
	uint32_t opening; /* whose it is: an inlet that is gone hears nothing */
	uint32_t bytes;
	uint64_t token; /* the inlet's */
	/* Of a metric: what is shown when it is on disk. */
	int32_t handle; /* -1: it is none */
	int64_t boot_ms;
	double value;
};

struct agent_inlet {
	struct agent *agent;
	const struct agent_inlet_row *row;
	struct inlet_host host;
	void *in;              /* NULL: switched off, or not opened */
	int fd;                /* its descriptor; -1: none */
	struct config *config; /* that it was opened with; kept */
	char problem[256];     /* why it is not open; empty: no reason */
	int64_t retry_mono_ms; /* INT64_MAX: no matter */
	/* Counted by those that were closed: names, and sums. */
	unsigned n_counted;
	struct inlet_count counted[INLET_COUNTS_MAX];
	uint64_t before[INLET_COUNTS_MAX];
	uint64_t lost;
	int64_t longest_ms; /* turn */
	struct bl_log_limit lost_log, failed_log;
	/* Of the agent's own series about it, by counter, and of what was lost; -1: not asked yet.
	 */
	int32_t handle[INLET_COUNTS_MAX + 1];
	uint32_t handle_interval_ms; /* that they were asked for with */

	/* reports */
	uint32_t opening;
	struct agent_report *way; /* row->reports of them; NULL: none was made yet */
	unsigned n_way;
	uint32_t way_bytes;
	struct intake *metrics; /* of reports; NULL: there was none yet */
};

/* ---- agent_inlets.c ---- */
/* Bytes of the spool's queue that reports of all inlets may take at most. */
size_t agent_inlets_queue_bytes(void);
/* At the start.  A failure is kept in problem and tried again: sampling does not depend on it. */
void agent_inlets_open(struct agent *a);
/* No new reports; those that were taken are answered while the spool still works them off. */
void agent_inlets_finish(struct agent *a);
void agent_inlets_close(struct agent *a);
/* The configuration is another one, or safe mode is over: opens what is not open, and closes what
 * is to be another. */
void agent_inlets_reload(struct agent *a);
/* Refused series are to be asked for again: what put some ends here, and begins with
 * agent_inlets_reload. */
void agent_inlets_ask_again(struct agent *a);
/* True when fd was one of theirs. */
bool agent_inlets_serve(struct agent *a, int fd);
/* What is due by time. */
void agent_inlets_tick(struct agent *a);
int64_t agent_inlets_deadline(const struct agent *a);
/* With the agent's tick: their samples of this instant, handed to the spool. */
void agent_inlets_sample(struct agent *a, int64_t boot_ms);
/* How many rows there are. */
unsigned agent_inlets_n(void);
/* Its part of the configuration in force. */
const void *agent_inlet_conf(const struct agent *a, unsigned i);
/* Counters since the agent's start; how many. */
unsigned agent_inlet_count(const struct agent *a, unsigned i, struct inlet_count *out);

/* ---- agent_inlet_reports.c ---- */
int agent_inlet_report(void *ctx, const struct inlet_report *r, uint64_t token, struct bl_err *err);
/* The spool's answer for the token that it was given. */
void agent_inlets_done(struct agent *a, uint64_t token, int rc);
/* When the inlet ends for good. */
void agent_inlet_reports_free(struct agent_inlet *x);

/* ---- agent_inlets_say.c ---- */
/* {"steps": {"state": "open" ...} ...}; NULL: out of memory. */
json_t *agent_inlets_json(const struct agent *a);
/* Puts the agent's own series about them, into the sink of its tick. */
void agent_inlets_put_own(struct agent *a);

#endif
