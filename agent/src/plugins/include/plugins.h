/*
 * The process that runs monitoring plug-ins and reports what they say to the agent
 * (branchline-plugins run): its loop.
 *
 * Checks are spread over their interval, a twentieth of it at random, and never run
 * twice at a time; what was missed (a machine that slept, all places taken) is left out and
 * counted.  One thread.
 */
#ifndef PLUGINS_H
#define PLUGINS_H

#include <stdint.h>

#include "branchline/clock.h"
#include "branchline/err.h"

#include "plugins_conf.h"

/*
 * When started by root: becomes the user of the configuration, for good.  BL_ENOTFOUND: there is
 * no such user; BL_EDENIED: it is root.
 */
int plugins_become(const struct plugins_conf *c, struct bl_err *err);

/*
 * Runs until SIGTERM or SIGINT, which it blocks for the process, like SIGCHLD; SIGHUP reads path
 * again: with a mistake in it nothing changes, else what runs is waited for, and the new
 * configuration holds.  Takes conf.  BL_OK, or what kept it from running.
 */
int plugins_loop(
    struct plugins_conf *conf, const char *path, const struct bl_clock *clock, struct bl_err *err);

/* The program: its exit code.  The configuration is read with the caller's rights, all else done
 * with the user's. */
int plugins_command(int argc, char **argv);
extern const char plugins_help[];

/* ---- when a check runs, pure ---- */

struct plugins_due {
	int64_t even_mono_ms; /* as if there were no chance */
	int64_t mono_ms;      /* when it is to run */
};

/* The i-th of n checks at the start: all of them within an interval, and within 30 s. */
struct plugins_due plugins_due_first(
    int64_t now_mono_ms, int64_t interval_ms, size_t i, size_t n, uint32_t chance);
/* After a run that was begun; *missed is how many were left out. */
struct plugins_due plugins_due_next(struct plugins_due last, int64_t now_mono_ms,
    int64_t interval_ms, uint32_t chance, unsigned *missed);

#endif
