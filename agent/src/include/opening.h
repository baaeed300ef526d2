/*
 * While the spool is being opened: a large one that has to be checked may take longer than a
 * service manager waits for a start.  A thread of its own, for as long as that lasts, asks for
 * more time whenever this process has read or written something since the last look: so an
 * opening that gets on is waited for, and one that stands still is not.
 */
#ifndef OPENING_H
#define OPENING_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "notify.h"

#define OPENING_EVERY_MS  5000
#define OPENING_EXTEND_MS 60000 /* a disk may stall for so long between two looks */

struct opening {
	struct notify *notify;    /* kept; nobody else uses it meanwhile */
	bool (*moved)(void *ctx); /* has anything been done since it was last asked? */
	void *ctx;
	int every_ms;
	bool running, over;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t end;
	uint64_t seen; /* bytes, by opening_has_moved */
};

/*
 * Begins to ask for time; moved NULL: as /proc/self/io tells.  Without a manager that listens, or
 * a thread to be had, nothing is done.  opening_end in any case.
 */
void opening_begin(
    struct opening *o, struct notify *n, int every_ms, bool (*moved)(void *ctx), void *ctx);
void opening_end(struct opening *o);
/* Bytes that /proc/self/io says were read and written; 0: it does not say.  Pure. */
uint64_t opening_bytes(const char *io);

#endif
