/*
 * The running collector: every part of it, put together and taken apart.  Main
 * thread; the parts bring their own.
 */
#ifndef COLLECTOR_H
#define COLLECTOR_H

#include "branchline/clock.h"
#include "branchline/err.h"
#include "config.h"

struct collector;

/* Keeps cfg and clock. */
int collector_start(struct collector **out, const struct config *cfg, const struct bl_clock *clock,
    struct bl_err *err);
/* Orderly: no new requests, what was received is committed, everything closed.  NULL is fine. */
void collector_stop(struct collector *c);

/* STATE/telemetry.db and the like; allocated. */
char *collector_path(const struct config *cfg, const char *name);

#endif
