/*
 * What the agents measure, and the batches that are made of it.  Pure: all of it
 * follows from the seed, so that whoever looks into the store afterwards can work out
 * what must be there.
 *
 * Live values of agent a are those of mix_init(seed, a).  Backlogs are made once for
 * each of `variants` and shared: agent a has those of mix_init(~seed, a % variants), under
 * its own spool and boot.  With as many variants as agents no two are alike.
 */
#ifndef FLEET_DATA_H
#define FLEET_DATA_H

#include "branchline/batch.h"
#include "branchline/message.h"

#include "mix.h"

#define FLEET_AGENTS_MAX 20000u
#define FLEET_BOOT_MS    600000 /* boot time at which an agent's data begin */
#define FLEET_TICKS_MAX  600u   /* of one batch */

struct fleet_shape {
	uint64_t seed;
	int64_t tick_ms, cut_ms;
	unsigned past_batches; /* of each stream, from before; 0: no backlog */
	int64_t past_cut_ms;
	unsigned variants; /* > 0 */
	bool split;        /* probes in their own stream */
	bool quiet;        /* streams without samples cut empty batches, as an agent's do */
};

/* Ticks one after the other, all series of each. */
struct fleet_ticks {
	unsigned n;
	int64_t at_ms[FLEET_TICKS_MAX]; /* boot time */
	double value[FLEET_TICKS_MAX][MIX_SERIES];
};

struct fleet_data;

/* Makes the backlogs, too: 0.3 s for a day.  Copies shape.  BL_EINVAL: more ticks than a batch
 * holds. */
int fleet_data_create(struct fleet_data **out, const struct fleet_shape *shape, struct bl_err *err);
void fleet_data_free(struct fleet_data *d); /* NULL is fine */
const struct fleet_shape *fleet_data_shape(const struct fleet_data *d);

/* Whether a stream has batches, and how many samples there are of it in a tick. */
bool fleet_data_has(const struct fleet_data *d, enum bl_stream stream, unsigned *per_tick);

/* The ids of an agent: spread like random ones, and the same for the same seed. */
struct bl_id fleet_spool_id(uint64_t seed, unsigned agent);
struct bl_id fleet_boot_id(uint64_t seed, unsigned agent);

/* How many ticks of the grid from + k * tick lie in [from, to). */
unsigned fleet_ticks_in(const struct fleet_shape *s, int64_t from_ms, int64_t to_ms);
/* The next n ticks of m, of which the first was due at from_ms. */
void fleet_ticks_make(struct mix *m, const struct fleet_shape *s, int64_t from_ms, unsigned n,
    struct fleet_ticks *out);

/* The source of a backlog, before its first tick. */
void fleet_past_mix(const struct fleet_shape *s, unsigned agent, struct mix *m);
void fleet_live_mix(const struct fleet_shape *s, unsigned agent, struct mix *m);

/*
 * One batch of a stream; of h spool, boot, stream, seq, collection interval and, if wanted,
 * next_seq and lowest_held are the caller's.  Appends to out.
 */
int fleet_batch(struct fleet_data *d, const struct fleet_ticks *t, struct bl_batch_header *h,
    struct bl_buf *out, struct bl_err *err);

/* Batch seq (1..past_batches) of an agent's backlog; out is reset. */
struct fleet_past {
	unsigned agent;
	enum bl_stream stream;
	uint64_t seq, next_seq, lowest_held;
	struct bl_id spool, boot;
};
int fleet_past_batch(
    struct fleet_data *d, const struct fleet_past *p, struct bl_buf *out, struct bl_err *err);
size_t fleet_past_bytes(
    const struct fleet_data *d, unsigned agent, enum bl_stream stream, uint64_t seq);

/* All names in one message; its entries' number. */
int fleet_dict(const struct bl_id *spool, bool split, struct bl_buf *out, uint32_t *entries,
    struct bl_err *err);
int fleet_clock(const struct bl_id *spool, const struct bl_id *boot, int64_t offset_ms,
    struct bl_buf *out, struct bl_err *err);

#endif
