/* The parts of the running collector, and what the API asks of them. */
#ifndef COLLECTOR_INTERNAL_H
#define COLLECTOR_INTERNAL_H

#include <stdatomic.h>

#include "collector.h"

#include "compact.h"
#include "control.h"
#include "deliver.h"
#include "disk.h"
#include "eval.h"
#include "fleet.h"
#include "ingest.h"
#include "parts.h"
#include "store.h"
#include "store_read.h"

struct api;

struct collector {
	const struct config *cfg;
	const struct bl_clock *clock;
	char *telemetry_path, *control_path, *marker_path, *socket_path, *parts_path;
	struct disk *disk;
	struct store *store;
	int opened; /* what store_open answered */
	struct parts *parts;
	struct control *control;
	struct fleet_lookup *lookup; /* the ingest writer's */
	struct ingest *ingest;
	struct eval *eval;
	struct compact *compact;
	struct sqlite3 *compact_control; /* the compactor's reader of the control database */
	struct deliver *deliver;
	struct api *api;
	char live_id[65], past_id[65];
	_Atomic int64_t complaint; /* what a reader found damaged; -1: nothing */
};

/* A reader found the telemetry store damaged: store_damaged_fn.  Any thread. */
void collector_store_damaged(void *ctx, int64_t batch);

/* Starts the compactor, when ingest and the evaluator are there. */
int collector_compact_start(struct collector *c, struct bl_err *err);
void collector_compact_stop(struct collector *c);

struct api_storage;
struct api_metrics;
/* What of the API's hooks is about parts. */
void collector_storage(void *ctx, struct api_storage *out);
void collector_compact_metrics(const struct collector *c, struct api_metrics *m);

/* Starts the API, or says that this build has none. */
int collector_api_start(struct collector *c, struct bl_err *err);
void collector_api_stop(struct collector *c);

#endif
