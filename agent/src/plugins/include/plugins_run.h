/*
 * One run of a plug-in: a process group of its own, without a shell, within limits, and what
 * became of it.
 *
 * The plug-in gets no more than: its arguments, LC_ALL=C and a PATH of system folders, /dev/null
 * as standard input, the folder "/", a session of its own, no new privileges, and limits of memory,
 * processor time, processes, files and their size.  It ends with everything that it started: its
 * process group when it ends itself or its time is over, and what left the group when
 * plugins_run_sweep finds it.
 *
 * One thread, which is the parent of all plug-ins.  Nothing here waits.
 */
#ifndef PLUGINS_RUN_H
#define PLUGINS_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "branchline/buf.h"
#include "branchline/clock.h"
#include "branchline/err.h"

#include "plugins_conf.h"

enum plugins_state { PLUGINS_OK, PLUGINS_WARNING, PLUGINS_CRITICAL, PLUGINS_UNKNOWN };
/* "ok", "warning", "critical", "unknown" */
extern const char *const plugins_state_names[];

struct plugins_run {
	const struct plugins_check *check; /* kept */
	pid_t pid;                         /* 0: nothing runs */
	int out_fd, err_fd;                /* -1: closed */
	struct bl_buf out, errors;         /* standard output; the begin of standard error */
	int64_t errors_bytes;              /* all of it */
	int64_t begun_mono_ms, ended_mono_ms, deadline_mono_ms;
	bool ended;     /* its status is known */
	bool timed_out; /* plugins_run_time_out */
	int status;
	enum { PLUGINS_CUT_NOT, PLUGINS_CUT_TIME, PLUGINS_CUT_OUTPUT } cut; /* by us, why */
};

/*
 * Starts it.  Negative, with a sentence: it is not allowed, or could not be started; r is as
 * before plugins_run_init.
 */
int plugins_run_start(struct plugins_run *r, const struct plugins_conf *c,
    const struct plugins_check *check, int64_t now_mono_ms, struct bl_err *err);
/* Reads what it has printed; ends it when that is too much. */
void plugins_run_read(struct plugins_run *r);
/*
 * Its time is over: it is ended with its group, and plugins_run_reap finds it as soon as the
 * kernel lets go of it, which may take long where it waits for a dead disk or file server: so its
 * time is over again after another interval.
 */
void plugins_run_time_out(struct plugins_run *r, int64_t now_mono_ms);
/* Kills what runs, without waiting for it, and forgets all. */
void plugins_run_drop(struct plugins_run *r);

/*
 * Its state by the rules for plug-ins, UNKNOWN for whatever breaks them; *why then says what
 * (else it is empty).  When r->ended, or after plugins_run_time_out.
 */
enum plugins_state plugins_run_state(const struct plugins_run *r, char *why, size_t size);

/*
 * Takes in every child of this process that has ended: of those among the n runs the group is
 * ended, too, what they had printed is read, and they are `ended`.  Others are what plug-ins left
 * behind; how many of those: what they leave behind in turn is for plugins_run_sweep.
 */
unsigned plugins_run_reap(struct plugins_run *run, size_t n, int64_t now_mono_ms);

/* This process is the parent of what plug-ins leave behind. */
void plugins_run_adopt(void);
/*
 * Kills children of this process that belong to none of the n runs; how many.  Needs
 * /proc/self/task/N/children, as all distributions have it; without it: 0.
 */
unsigned plugins_run_sweep(const struct plugins_run *run, size_t n);

#endif
