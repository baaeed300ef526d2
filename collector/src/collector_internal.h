/* The parts of the running collector, and what the API asks of them. */
#ifndef COLLECTOR_INTERNAL_H
#define COLLECTOR_INTERNAL_H

#include "collector.h"

#include "control.h"
#include "deliver.h"
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
	struct store *store;
	struct control *control;
	struct fleet_lookup *lookup; /* the ingest writer's */
	struct ingest *ingest;
	struct eval *eval;
	struct deliver *deliver;
	struct api *api;
	char live_id[65], past_id[65];
};

/* Starts the API, or says that this build has none. */
int collector_api_start(struct collector *c, struct bl_err *err);
void collector_api_stop(struct collector *c);

#endif
