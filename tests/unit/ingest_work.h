/*
 * One canonical piece of work of the collector's writer, for tests in which the
 * disk fails or the power goes: batches out of order, live before past, twice,
 * of two boots, one in conflict; maps, hellos, receipts, an orderly restart and
 * a kill.
 *
 * The agent in it is as careless as the contract allows: what is receipted it
 * deletes at once.  So whatever the store loses after its receipt is lost.
 */
#ifndef INGEST_WORK_H
#define INGEST_WORK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "folder.h"
#include "ingest_core.h"
#include "shim.h"
#include "store.h"
#include "store_fixture.h"

#define IWORK_BATCHES 20 /* the first IWORK_FIRST of the first boot, the others of the second */
#define IWORK_FIRST   13
#define IWORK_SERIES  3

struct iwork {
	char dir[FOLDER_MAX], below[FOLDER_MAX + 1], path[96], marker[96];
	struct fixture_clock clock;
	struct store *s;
	struct ingest_core *core;
	struct bl_buf msg;
	bool receipted[IWORK_BATCHES + 1], sent[IWORK_BATCHES + 1];
	bool dict_known, clock_known[2];
	enum iwork_then {
		IWORK_GOES_ON, /* after an error */
		IWORK_CUT,     /* the power goes after the first commit that follows the fault */
	} then;
	bool no_kill; /* without the shim, which the kill needs */
	void (*enter)(void),
	    (*leave)(void); /* around every call of the code under test; may be NULL */
	char what[160];
	unsigned told;
	struct iwork_figures {
		uint64_t runs, accepted, stored, aside, doubled, lost, damaged;
	} f;
};

struct iwork *iwork_new(void);
void iwork_free(struct iwork *w);
void iwork_begin(struct iwork *w);
/* Everything until the end, or until the power is off. */
void iwork_run(struct iwork *w);
void iwork_restart(struct iwork *w, enum shim_loss how);
/* Without faults: what is not receipted comes again; then the judge.  Ends the run. */
void iwork_end(struct iwork *w);
/* Lost, doubled, damaged must be 0; prints the figures. */
void iwork_assert_clean(const struct iwork *w, const char *name);

#endif
