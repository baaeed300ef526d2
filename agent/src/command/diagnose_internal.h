/* What the two files of `diagnose` share. */
#ifndef DIAGNOSE_INTERNAL_H
#define DIAGNOSE_INTERNAL_H

#include <stdbool.h>

#include "branchline/link.h"

#include "config.h"

/* One line each; ms < 0: no time belongs to it. */
void diagnose_ok(const char *step, double ms, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void diagnose_failed(const char *step, double ms, const char *advice, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* A step that was left out, which is no failure. */
void diagnose_skipped(const char *step, const char *why);
const char *diagnose_advice(enum bl_link_fault fault);

/* The steps `broker` and `collector`, with a connection of our own: no agent is running. */
bool diagnose_broker(const struct config *c);

/* As the agent: a clock that stands before this program was built judges no certificate's dates. */
bool diagnose_clock_wrong(void);

#endif
