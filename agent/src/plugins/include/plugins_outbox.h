/*
 * Lines on their way to the agent's socket (inlet.h), each with an id of its own: told in
 * order, up to 16 under way, told again when the connection ends or the agent could not store
 * them, and forgotten when the agent answered "ok" or "ok repeated".  So what was put is there
 * once, as long as it is not dropped: beyond the cap the oldest goes, values before events, and is
 * counted; so is what the agent refuses for good.
 *
 * One thread.  Nothing in it waits: watch plugins_outbox_poll's descriptor, call
 * plugins_outbox_serve then and when the deadline has come.
 */
#ifndef PLUGINS_OUTBOX_H
#define PLUGINS_OUTBOX_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/clock.h"
#include "branchline/err.h"

struct plugins_outbox;

struct plugins_outbox_counters {
	uint64_t told;    /* answered "ok", repeated ones among them */
	uint64_t dropped; /* beyond the cap, or no memory */
	uint64_t refused; /* the agent will never take it */
	size_t waiting;   /* lines */
};

/* Connects at the first serve.  path is copied, clock kept. */
int plugins_outbox_open(struct plugins_outbox **out, const char *path, size_t cap_bytes,
    const struct bl_clock *clock, struct bl_err *err);
void plugins_outbox_close(struct plugins_outbox *o); /* NULL is fine; what waits is lost */

/* Another socket and cap from now on; what waits goes there. */
int plugins_outbox_change(
    struct plugins_outbox *o, const char *path, size_t cap_bytes, struct bl_err *err);

/* Borrows a line without its newline. */
void plugins_outbox_put(struct plugins_outbox *o, const char *line, size_t len, bool event);

/* What to wait for; fd -1: nothing. */
struct pollfd plugins_outbox_poll(const struct plugins_outbox *o);
/* INT64_MAX: no matter. */
int64_t plugins_outbox_deadline(const struct plugins_outbox *o);
void plugins_outbox_serve(struct plugins_outbox *o);
struct plugins_outbox_counters plugins_outbox_count(const struct plugins_outbox *o);

#endif
