/* The part of the state that is about what the link carried and may carry; see status.h. */
#ifndef STATUS_METER_H
#define STATUS_METER_H

#include <stdio.h>

#include <jansson.h>

#include "spool.h"

struct status_budget_class {
	int64_t bytes_per_hour; /* 0: no limit of its own */
	const char *hours;      /* NULL: at any time */
	uint64_t used_bytes;
	bool held;
	int64_t opens_in_ms; /* -1: not known */
};

struct status_budget {
	int64_t bytes_per_hour; /* 0: no limit for all together */
	int64_t window_ms, ends_in_ms;
	uint64_t window_bytes, used_bytes;
	struct status_budget_class class[BL_STREAMS];
};

/* Months, the newest first.  NULL: out of memory. */
json_t *status_usage_json(const struct spool_usage *u);
json_t *status_budget_json(const struct status_budget *b);

/* In words: nothing when nothing was counted. */
void status_print_meter(const json_t *status, FILE *to);

#endif
