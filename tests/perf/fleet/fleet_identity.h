/*
 * Who the agents are: the set-up files that `branchline device add` wrote, one for each.
 * Keys and certificates stay as text until a connection is made with them.
 */
#ifndef FLEET_IDENTITY_H
#define FLEET_IDENTITY_H

#include <stddef.h>

#include "branchline/err.h"
#include "branchline/topic.h"

#define FLEET_PEM_MAX 4096u

struct fleet_identity {
	char device[BL_ID_TEXT_MAX + 1];
	unsigned part;
	char host[256];
	unsigned port;
	char verify_name[256];
	char *ca, *certificate, *key; /* PEM, terminated */
};

/* *ids[*n] of at most max files of the folder, by name.  Freed by fleet_identities_free. */
int fleet_identities_read(
    const char *folder, size_t max, struct fleet_identity **ids, size_t *n, struct bl_err *err);
void fleet_identities_free(struct fleet_identity *ids, size_t n); /* NULL is fine */

/* One file's text, which is changed while it is read. */
int fleet_identity_parse(char *text, struct fleet_identity *out, struct bl_err *err);

#endif
