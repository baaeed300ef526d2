/* Thinned batches in a store. */
#ifndef THIN_STORE_KIT_H
#define THIN_STORE_KIT_H

#include "store_kit.h"
#include "store_log.h"

#define HOUR   (60 * (int64_t)MINUTE)
#define FIVE   (5 * (int64_t)MINUTE)
#define HOURS  4
#define SERIES 2

/* Batches 1..HOURS hold an hour each; what supersedes them is one batch. */
struct fixture_batch hour(const struct ctx *c, uint64_t i);
struct fixture_batch thinned(const struct ctx *c, int64_t window_ms);
void know_all(struct ctx *c, enum bl_series_kind kind);
void put_one(struct ctx *c, const struct fixture_batch *b, int expect);
int64_t id_of(struct ctx *c, const char *metric);
struct store_query_result *ask(struct ctx *c, int64_t from, int64_t to, int64_t step, bool rate);

struct seen {
	size_t n, thin;
	uint64_t count;
	double sum;
	int64_t last_ms;
};

struct seen log_of(struct ctx *c, int64_t from, int64_t to);

#endif
