/*
 * What a simulated agent holds: its backlog, and the batches cut since, until the
 * receipt.  In place of the agent's spool (agent/src/spool) between the uplink and the data, with
 * the same order: maps first, then live from the newest, then past from the oldest.
 * In memory only, without a disk's promises: it is the centre that is looked at here.
 *
 * Times: boot ms for data; monotonic microseconds for what is measured.
 */
#ifndef FLEET_SPOOL_H
#define FLEET_SPOOL_H

#include "uplink.h"

#include "fleet_data.h"
#include "fleet_record.h"

#define FLEET_FRAMES_MAX 8u
#define FLEET_HELD_MAX   96u /* live batches without a receipt; half an hour of silence */

struct fleet_frame {
	struct uplink_frame f;
	struct bl_buf msg; /* the taker's */
};

/* What became of batches; one for the whole fleet.  Called for each receipt of a live batch. */
struct fleet_spool_tally {
	uint64_t cut_batches, cut_samples;
	uint64_t past_left; /* batches of backlogs without a receipt */
	uint64_t past_offered_bytes;
	uint64_t settled_live, settled_past, settled_samples;
	uint64_t dropped; /* live batches for which there was no room: the figure is void */
	uint64_t aside;   /* receipts that name batches set aside by the centre */
	uint64_t foreign; /* receipts about another spool */
	uint64_t gone;    /* asked for, and not held any more */
	void (*settled)(void *ctx, int64_t cut_us, int64_t end_boot_ms, unsigned agent);
	void *ctx;
};

struct fleet_item {
	enum bl_stream stream;
	uint64_t seq;
	int64_t cut_us; /* when it was due to be cut */
	int64_t end_ms;
	uint32_t samples;
	bool out, live;
	struct bl_buf msg;
};

struct fleet_spool {
	struct fleet_data *data;
	struct fleet_spool_tally *tally;
	unsigned agent;
	struct bl_id spool, boot;
	int64_t offset_ms; /* unix time less boot time */
	struct mix mix;
	int64_t live_begin_ms; /* first tick of live */
	int64_t tick_ms;       /* the next one */
	uint64_t connections;
	uint32_t dict_sent, clock_sent;
	struct fleet_held_stream {
		bool used;
		uint64_t next_seq;
		int64_t begin_ms;
		uint8_t *past;     /* by seq - 1: enum in fleet_spool.c */
		uint64_t past_low; /* the lowest not settled */
	} stream[BL_STREAMS];
	uint64_t past_left;
	unsigned n_items, items_size;
	struct fleet_item *item;
};

/* Keeps data and tally.  now_unix_ms: when the backlog ends. */
int fleet_spool_open(struct fleet_spool *s, struct fleet_data *data,
    struct fleet_spool_tally *tally, unsigned agent, int64_t now_unix_ms, struct bl_err *err);
void fleet_spool_close(struct fleet_spool *s);

/* Live data begin with a tick at this boot time. */
void fleet_spool_begin(struct fleet_spool *s, int64_t boot_ms);
/* Cuts every stream at this boot time; cut_us is when that was due. */
int fleet_spool_cut(struct fleet_spool *s, int64_t boot_ms, int64_t cut_us, struct bl_err *err);

void fleet_spool_link_up(struct fleet_spool *s);
void fleet_spool_link_down(struct fleet_spool *s);
void fleet_spool_hello(
    const struct fleet_spool *s, const char *device, int64_t boot_ms, struct bl_hello *h);
int fleet_spool_offer(struct fleet_spool *s, const struct uplink_offer *want,
    struct fleet_frame frames[FLEET_FRAMES_MAX], unsigned *n, struct bl_err *err);
void fleet_spool_clear(struct fleet_spool *s, enum bl_stream stream, uint64_t seq);
/* An answer or a receipt. */
void fleet_spool_receipt(
    struct fleet_spool *s, const struct bl_receipt *r, struct uplink_outcome *o);
/* gone->n > 0: to be said. */
void fleet_spool_question(struct fleet_spool *s, const struct bl_question *q, struct bl_gone *gone,
    struct uplink_outcome *o);
/* What the centre must have of it when every batch has its receipt. */
void fleet_spool_record(const struct fleet_spool *s, const char *device, struct fleet_record *out);
/* Batches without a receipt. */
uint64_t fleet_spool_waiting(const struct fleet_spool *s);

#endif
