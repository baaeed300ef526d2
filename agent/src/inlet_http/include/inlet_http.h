/*
 * The HTTP inlet: programs of this machine report with POST and JSON, one or
 * many reports in a request, and are answered when all of them are on disk.
 * README.md has the contract.
 *
 * A loopback address or a Unix socket.  Off while `listen` is empty.  Loop
 * thread only.
 */
#ifndef INLET_HTTP_H
#define INLET_HTTP_H

#include "branchline/conf.h"

#include "inlet_ops.h"

struct inlet_http_conf {
	char *listen;     /* NULL: off */
	char *mode;       /* octal, of a Unix socket */
	char *group;      /* of a Unix socket, or NULL */
	char *token_file; /* or NULL; absolute */
	int64_t max_body; /* bytes */
	struct bl_conf_strlist hosts;
};

extern const struct bl_conf_section inlet_http_conf_section;
extern const struct inlet_ops inlet_http_ops;

#endif
