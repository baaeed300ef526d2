/* The state as it may be shown: another program may sit on the socket, and names come from
 * everywhere. */
#ifndef STATUS_CLEAN_H
#define STATUS_CLEAN_H

#include <jansson.h>

/*
 * A copy in which no text and no name of a member steers a terminal: what could becomes "?",
 * as `top` does it (top.h).  Members whose names become the same are one, the last.  NULL: out
 * of memory.
 */
json_t *status_clean(const json_t *status);

#endif
