/*
 * The agent's state as one JSON object: built by the daemon from what it
 * knows, or from the spool file alone when no daemon lives; and as text for
 * people.  `status` and `diagnose` read nothing else.
 */
#ifndef STATUS_H
#define STATUS_H

#include <stdio.h>

#include <jansson.h>

#include "branchline/err.h"

#include "spool.h"

#define STATUS_SOCKET  "agent.sock"
#define STATUS_SPOOL   "spool.db"
#define STATUS_NOW_MAX (4u * 1024u * 1024u) /* bytes of the answer to "now" */

enum status_health { STATUS_HEALTHY = 0, STATUS_DEGRADED = 1, STATUS_DEAD = 2 };

/* The members `spool` and `gaps` of the object.  NULL: out of memory. */
json_t *status_spool_json(const struct spool_status *s);
json_t *status_gaps_json(const struct bl_gap *gaps, unsigned n);
const char *status_stream_name(enum bl_stream s);
/* "full", "read_only", "failing", "held_back", "damaged", "no_memory"; "ok" when it works. */
const char *status_trouble_name(enum spool_trouble t);
const char *status_gap_reason(enum bl_gap_reason r); /* "off", "evicted" ... */

/*
 * Asks the daemon over its socket.  BL_ENOTFOUND: nobody answers there (why in
 * err); BL_EDENIED; BL_ETIMEDOUT: it lives but does not answer.
 */
int status_ask(const char *state_dir, json_t **out, struct bl_err *err);
/* The same for all that is current (local_now.h). */
int status_ask_now(const char *state_dir, json_t **out, struct bl_err *err);
/* The same object from the spool file alone; daemon is "dead". */
int status_of_files(const char *state_dir, json_t **out, struct bl_err *err);

/* In words; nothing in them steers a terminal. */
void status_print(const json_t *status, FILE *to);
enum status_health status_health(const json_t *status);

/* A path below dir that fits a socket address, through /proc when dir is long.  fd: close it. */
int status_socket_path(
    const char *state_dir, char *out, size_t size, int *dir_fd, struct bl_err *err);

#endif
