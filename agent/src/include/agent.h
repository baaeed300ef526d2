/*
 * The running agent: one event loop, and the threads of spool and prober.
 *
 * Samples, events and probe results go to the spool thread; what it offers
 * goes through the uplink's decisions to the broker; what the centre says
 * comes back the same way.  Nothing of the network can stop sampling.
 */
#ifndef AGENT_H
#define AGENT_H

#include "branchline/clock.h"
#include "branchline/err.h"

#include "config.h"

struct agent;

/*
 * Opens spool, samplers, link, control socket and starts the threads; blocks
 * the signals it serves (SIGTERM, SIGINT, SIGHUP).  Takes config.  Failures:
 * BL_EBUSY (another agent has the spool), BL_ENEWER, BL_EDENIED, BL_EIO ...
 * A bad certificate is none of them: it is a reason for the link to be down.
 */
int agent_start(
    struct agent **out, struct config *config, const struct bl_clock *clock, struct bl_err *err);
/* Serves until SIGTERM or SIGINT.  BL_OK, or BL_EIO when the loop itself failed. */
int agent_run(struct agent *a, struct bl_err *err);
/* Cuts, says goodbye, closes; about a second at most.  NULL is fine. */
void agent_stop(struct agent *a);

#endif
