/*
 * The collector's REST API through its Unix socket, as the local administrator.
 * One request at a time; libcurl underneath; nothing leaves the machine.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <jansson.h>

#include "branchline/err.h"

#include "org.h"

/*
 * method path (below /api/v1, query included) with a JSON body (borrowed, may
 * be NULL).  *answer: the parsed body, owned by the caller, NULL when there
 * was none.  The API's own problem text becomes err.  BL_ENET: no collector runs.
 */
int client_call(const struct org *o, const char *method, const char *path, json_t *body,
    json_t **answer, struct bl_err *err);

/*
 * The same for callers that look at problems themselves: BL_OK for every answer,
 * *status says which, *answer may be a problem (RFC 9457).
 */
int client_ask(const struct org *o, const char *method, const char *path, json_t *body,
    long *status, json_t **answer, struct bl_err *err);

/*
 * All items of a list, page by page; path has no query.  *items is a JSON array of the
 * caller's.  Of what changes meanwhile an item may be missing, none comes twice.
 */
int client_list(const struct org *o, const char *path, json_t **items, struct bl_err *err);

/* A member as text; "" when absent or null.  Borrowed from the object. */
const char *client_text(const json_t *object, const char *key);

#endif
