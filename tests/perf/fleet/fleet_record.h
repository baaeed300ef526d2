/*
 * What was sent, as a text file: a line for the shape, then one for each agent.  By it
 * and the seed a later process knows every value that must be in the store.
 */
#ifndef FLEET_RECORD_H
#define FLEET_RECORD_H

#include "branchline/err.h"
#include "branchline/topic.h"

#include "fleet_data.h"

struct fleet_record {
	unsigned agent;
	char device[BL_ID_TEXT_MAX + 1];
	int64_t offset_ms;     /* unix time less boot time */
	int64_t live_begin_ms; /* boot time of the first live tick */
	uint64_t live_ticks;
	uint64_t batches, samples; /* of all streams, backlog included */
};

int fleet_record_write(const char *path, const struct fleet_shape *shape,
    const struct fleet_record *r, size_t n, struct bl_err *err);
/* *r is the caller's to free. */
int fleet_record_read(const char *path, struct fleet_shape *shape, struct fleet_record **r,
    size_t *n, struct bl_err *err);

#endif
