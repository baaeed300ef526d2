/* A spool under a cap, and what is thin in it. */
#ifndef SPOOL_THIN_KIT_H
#define SPOOL_THIN_KIT_H

#include <math.h>

#include "spool_kit.h"

#include <sqlite3.h>

#include "shim.h"

#define STEPS_MAX 400 /* that fill a small spool, and more */
#define PART      30  /* ticks of a batch */

int setup(void **state);

/* A step that fills the spool: it does not compress, and no policy thins it. */
void fill(struct kit *k);
void assert_under_cap(const struct kit *k);
int64_t number(const struct kit *k, const char *sql);

/* Batches of a stream that have none of these bits. */
int64_t without(const struct kit *k, enum bl_stream stream, int bits);
int64_t with(const struct kit *k, enum bl_stream stream, int bits);
void trim(struct kit *k);

/* Steps until the spool has thinned so far. */
void press_until(struct kit *k, bool (*enough)(const struct kit *k));
bool host_is_5min(const struct kit *k);
bool something_was_dropped(const struct kit *k);

/* One tick of host and probes every ten seconds, cut every five minutes. */
void hours(struct kit *k, int ticks);
int64_t means_of(const struct centre *c, unsigned stream);

/* One by one, or by a mean: each once. */
void assert_all_there(const struct centre *c, enum bl_stream stream, int64_t upto);

#endif
