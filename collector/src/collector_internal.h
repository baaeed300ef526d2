/* The parts of the running collector, and what the API asks of them. */
#ifndef COLLECTOR_INTERNAL_H
#define COLLECTOR_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "collector.h"

#include "compact.h"
#include "control.h"
#include "deliver.h"
#include "disk.h"
#include "eval.h"
#include "fleet.h"
#include "ingest.h"
#include "latest.h"
#include "parts.h"
#include "store.h"
#include "store_fresh.h"
#include "store_read.h"

struct api;

struct collector {
	const struct config *cfg;
	const struct bl_clock *clock;
	char *telemetry_path, *control_path, *marker_path, *socket_path, *parts_path;
	struct disk *disk;
	struct store *store;
	int opened; /* what store_open answered */
	struct store_age age; /* as it was before anything came */
	struct parts *parts;
	struct store_fresh *fresh; /* what the API's readers have decoded of open hours */
	struct control *control;
	struct fleet_lookup *lookup; /* the ingest writer's */
	struct ingest *ingest;
	struct eval *eval;
	struct compact *compact;
	struct latest *latest;
	pthread_t latest_filler;
	bool latest_filling;
	atomic_bool latest_stop;
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

/* The table of newest values, which a thread fills from the store and ingest keeps up. */
int collector_latest_open(struct collector *c, struct bl_err *err);
int collector_latest_fill(struct collector *c, struct bl_err *err);
void collector_latest_close(struct collector *c);
/* On the ingest writer's thread. */
void collector_latest_took(void *ctx, const struct ingest_took *t);

struct api_storage;
struct api_metrics;
/* What of the API's hooks is about parts. */
void collector_storage(void *ctx, struct api_storage *out);
void collector_compact_metrics(const struct collector *c, struct api_metrics *m);
void collector_latest_storage(const struct collector *c, struct api_storage *out);
void collector_latest_metrics(const struct collector *c, struct api_metrics *m);

/* Starts the API, or says that this build has none. */
int collector_api_start(struct collector *c, struct bl_err *err);
void collector_api_stop(struct collector *c);

#endif
