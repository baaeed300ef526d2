/* The line protocol as an inlet: inlet.h behind the seam of inlet_ops.h. */
#ifndef INLET_STEPS_H
#define INLET_STEPS_H

#include <stdbool.h>

#include "branchline/conf.h"

#include "inlet_ops.h"

struct steps_conf {
	bool enabled;
	char *socket;          /* absolute; by default steps.sock in the state folder */
	char *datagram_socket; /* absolute, or NULL: none */
	char *mode;            /* octal, of the sockets */
	char *group;           /* or NULL */
};

extern const struct bl_conf_section steps_conf_section;
extern const struct inlet_ops steps_ops;

/* Connections now; in may be NULL. */
unsigned steps_clients(const void *in);

#endif
