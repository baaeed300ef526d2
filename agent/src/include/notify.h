/*
 * What the service manager is told: ready, reloading, stopping, a line of
 * status, and that all threads get on (the watchdog).
 *
 * The protocol of sd_notify(3) in a datagram each: no library for it.  Without
 * NOTIFY_SOCKET nothing is sent.  Nothing here waits: a message that finds the
 * manager's queue full is counted, and the next one says what counts.
 */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

#include <sys/socket.h>
#include <sys/un.h>

#include "branchline/err.h"

#define NOTIFY_TEXT_MAX 400u /* of a status line */

struct notify {
	int fd; /* -1: nobody wants to hear */
	struct sockaddr_un to;
	socklen_t to_len;
	int64_t watchdog_ms; /* 0: none; the manager ends us after so long without a word */
	uint64_t unsent;
};

/*
 * Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID and takes them out of the
 * environment: what this process starts is not meant.  A socket that cannot be used
 * is BL_EINVAL or BL_EIO with the reason; n then sends nothing.
 */
int notify_open(struct notify *n, struct bl_err *err);
void notify_close(struct notify *n);
/* Somebody wants to hear. */
bool notify_listens(const struct notify *n);

void notify_ready(struct notify *n, const char *status);
void notify_reloading(struct notify *n);
void notify_stopping(struct notify *n);
void notify_status(struct notify *n, const char *status);
/* Everything gets on. */
void notify_alive(struct notify *n);

/* The start takes so much longer from now on than the manager would wait. */
void notify_extend(struct notify *n, int64_t ms, const char *status);

/*
 * How long a thread may be without progress: half of what the manager allows, so that a last word,
 * said just before, and this together stay within twice of it.  INT64_MAX without a watchdog.
 */
int64_t notify_patience_ms(const struct notify *n);
/*
 * In how long notify_alive is due again; INT64_MAX without a watchdog.  Soon when it could not be
 * said: where all of this process stood still (stopped, swapped out), the loop may be back before
 * the others, and a whole turn more could be too late.
 */
int64_t notify_next_ms(const struct notify *n, bool said);

#endif
