/*
 * What the configuration names and this machine lacks.
 */
#ifndef CHECK_MACHINE_H
#define CHECK_MACHINE_H

#include "config.h"

/*
 * Writes a line a finding to stderr: "warning: KEY: what is wrong; what comes of it".  Looks as the
 * service's user does where root asks: the owner of the state folder, before there is one
 * branchline-agent where the machine has it.  What the service manager gives or takes (groups,
 * folders below /run, a sandbox) is not seen.  Returns the number of findings; a child process does
 * the looking.
 */
unsigned check_machine(const struct config *c);

#endif
