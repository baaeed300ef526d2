/* The parts of the running collector, and what the API asks of them. */
#ifndef COLLECTOR_INTERNAL_H
#define COLLECTOR_INTERNAL_H

#include <stdatomic.h>

#include "collector.h"

#include "control.h"
#include "deliver.h"
#include "disk.h"
#include "eval.h"
#include "fleet.h"
#include "ingest.h"
#include "store.h"
#include "store_read.h"

struct api;

struct collector {
	const struct config *cfg;
	const struct bl_clock *clock;
	char *telemetry_path, *control_path, *marker_path, *socket_path;
	struct disk *disk;
	struct store *store;
	struct control *control;
	struct fleet_lookup *lookup; /* the ingest writer's */
	struct ingest *ingest;
	struct eval *eval;
	struct deliver *deliver;
	struct api *api;
	char live_id[65], past_id[65];
	_Atomic int64_t complaint; /* what a reader found damaged; -1: nothing */
};

/* A reader found the telemetry store damaged: store_damaged_fn.  Any thread. */
void collector_store_damaged(void *ctx, int64_t batch);

/* Starts the API, or says that this build has none. */
int collector_api_start(struct collector *c, struct bl_err *err);
void collector_api_stop(struct collector *c);

#endif
