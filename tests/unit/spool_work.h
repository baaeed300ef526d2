/*
 * One canonical piece of work of a spool, for tests in which the disk fails or
 * the power goes: open, append, events, commit, cut, offer, receipt, trim, an
 * orderly restart and a kill.  Beside it stands what was accepted, so that the
 * centre can be judged: accepted once, doubtful at most once, nothing twice.
 */
#ifndef SPOOL_WORK_H
#define SPOOL_WORK_H

#include "shim.h"
#include "spool_kit.h"

#define WORK_TICKS 256

struct work {
	struct kit *k;
	struct centre *c;
	char below[FOLDER_MAX + 1]; /* the machine's files, for the shim */
	char what[160];             /* said when the judge finds something */
	bool accepted[BL_STREAMS][WORK_TICKS];
	int64_t
	    marked[BL_STREAMS]; /* appended up to here is accepted, or was lost with a machine */
	unsigned exchanges, frames;
	struct spool_frame late;
	unsigned event_ids, events, events_accepted, events_doubtful;
	enum work_then {
		WORK_GOES_ON,  /* after an error */
		WORK_CUT,      /* the power goes after the first commit that follows the fault */
		WORK_KILL_CUT, /* killed at the fault, a little more work, then the power goes */
	} then;
	bool damage_allowed, no_kill; /* no_kill: without the shim, which the kill needs */
	void (*enter)(void),
	    (*leave)(void); /* around every call of the code under test; may be NULL */
	unsigned told;      /* findings in words */
	/* what the judge found, all runs together */
	struct work_figures {
		uint64_t runs, accepted, stored, doubled, lost, damaged;
	} f;
};

struct work *work_new(void);
void work_free(struct work *w);

/* A machine and a centre of their own, of one run. */
void work_begin(struct work *w);
/* Everything until the end, or until the power is off. */
void work_run(struct work *w);
/* The machine lost its power (or was killed), and starts again. */
void work_restart(struct work *w, enum shim_loss how);
/* Without faults: a little more work, everything to the centre, and the judge.  Ends the run. */
void work_end(struct work *w);

void work_print(const struct work *w, const char *name);
/* Lost, doubled, damaged must be 0; prints the figures. */
void work_assert_clean(const struct work *w, const char *name);

#endif
