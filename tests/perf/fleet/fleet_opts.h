/* The command line. */
#ifndef FLEET_OPTS_H
#define FLEET_OPTS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "fleet_data.h"

enum fleet_command { FLEET_RUN, FLEET_DIRECT, FLEET_CHECK };

struct fleet_opts {
	enum fleet_command command;
	const char *devices; /* run: folder of set-up files */
	const char *store;   /* direct: folder for a store; check: telemetry.db */
	const char *record;  /* file: what was sent, for check; may be NULL */
	unsigned agents, connects_per_s, together;
	uint64_t seed;
	int64_t tick_ms, cut_ms, past_cut_ms;
	int64_t measure_ms, limit_ms;
	unsigned past_hours, variants, sample;
	bool host_only, split;
};

/* 0: go on; 1: --help was printed; 2: a mistake, which was told. */
int fleet_opts_parse(struct fleet_opts *o, int argc, char **argv);
/* What the agents are to measure. */
struct fleet_shape fleet_shape_of(const struct fleet_opts *o);

#endif
