/*
 * What the evaluator would have made of a day, written into a control database:
 * cells, parts, runs, cases, incidents, messages.
 */
#ifndef API_EVALUATION_H
#define API_EVALUATION_H

#include <stdint.h>

#include "control.h"

/*
 * Of the KPI "failures", the rules "too-many", "overdue" and "silent", the process
 * "orders" and the channel "ops", which need not be defined.  base: a full minute;
 * everything lies within the hour after it.  The rows stand in api_evaluation.c.
 */
int api_evaluation_put(struct control *c, const char *site, const char *device,
    const char *other_site, int64_t base_unix_ms, struct bl_err *err);

#endif
