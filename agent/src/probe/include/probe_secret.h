/*
 * Passwords and tokens, from files that nobody else may read.
 */
#ifndef PROBE_SECRET_H
#define PROBE_SECRET_H

#include "branchline/err.h"

#define PROBE_SECRET_MAX 1024u

/* The first line; a file that others can read, or that is not ours or root's, is refused. */
int probe_secret_read(char out[PROBE_SECRET_MAX + 1], const char *path, struct bl_err *err);

#endif
