/* The three things that `fleet` does.  0, or the exit code. */
#ifndef FLEET_RUN_H
#define FLEET_RUN_H

#include "fleet_data.h"
#include "fleet_opts.h"

int fleet_run(const struct fleet_opts *o);
int fleet_direct(const struct fleet_opts *o);
int fleet_check(const struct fleet_opts *o);

/* A line of progress on standard error. */
void fleet_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
