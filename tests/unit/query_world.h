/* A world of samples that is made up, and a source of queries that has them. */
#ifndef QUERY_WORLD_H
#define QUERY_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/clock.h"
#include "branchline/sketch.h"

#include "folder.h"
#include "pure_kit.h"
#include "query.h"
#include "store_read.h"

#define HOURS    6
#define SERIES   5
#define BASE     (INT64_C(1795860000000)) /* an hour's begin */
#define END      (BASE + HOURS * QUERY_HOUR_MS)
#define TICK     10000
#define MOVES_AT (BASE + 2 * QUERY_HOUR_MS + 17 * 60000 + 3)
#define GAP_FROM (BASE + 4 * QUERY_HOUR_MS + 100000)
#define GAP_TO   (GAP_FROM + 20 * 60000)

struct sample {
	int64_t t, boot;
	double v;
	uint8_t unknown;
};

struct world {
	enum bl_series_kind kind;
	struct sample s[SERIES][HOURS * (QUERY_HOUR_MS / TICK)];
	size_t n[SERIES];
	/* what the source does */
	struct query_kept kept;
	unsigned reads[QUERY_LEVELS];
	bool raw_only; /* nothing is rolled up yet */
};

void make_world(struct world *w, enum bl_series_kind kind, uint64_t seed);
bool pair(const struct sample *a, const struct sample *b);
int read_world(
    void *ctx, const struct query_want *q, const struct query_take *t, struct bl_err *err);
int kept_of(void *ctx, int64_t from, struct query_kept *out, struct bl_err *err);
struct query_set *set_of(const struct world *w, const struct query_grid *g, enum query_by by);
struct query_result *run(struct world *w, const struct query_grid *g, enum query_by by);
int kept_all(void *ctx, int64_t from, struct query_kept *out, struct bl_err *err);

/* One hour of series 0, as it stands in ctx. */
int give_block(
    void *ctx, const struct query_want *q, const struct query_take *t, struct bl_err *err);

#endif
