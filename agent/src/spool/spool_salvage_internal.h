/*
 * What the files of salvage share (spool_salvage.c says what it does); all on the spool's thread.
 */
#ifndef SPOOL_SALVAGE_INTERNAL_H
#define SPOOL_SALVAGE_INTERNAL_H

#include "spool_wreck.h"

#define SALVAGE_FORMER_MOST (SPOOL_GEN_AFTER_DAMAGE - 2)

/* An open row of the wreck. */
struct kept {
	int64_t n; /* its place in the order of arrival */
	struct spool_row *row;
};

/* A spool id that the wreck itself only kept batches of. */
struct former_id {
	int64_t gen, into;
	struct bl_id spool;
	int64_t asked, next[BL_STREAMS];
};

struct salvage {
	struct wreck *w;
	char path[4096];
	int64_t into; /* generation of the wreck's own id in the new file */
	int64_t page; /* as in the file; 0: the open rows have not come over */
	struct bl_id spool, end_boot;
	int64_t end_ms;
	uint32_t look; /* next page to look at */
	bool looked;

	/* found by looking */
	struct spool_durable old;
	char device[BL_DEVICE_ID_MAX + 1];
	bool state_found, stream_found[BL_STREAMS], sealed;
	int64_t seal, top_gen, top[BL_STREAMS];
	int64_t *delivered; /* ids of batches, ascending once all pages were looked at */
	size_t n_delivered, size_delivered;
	struct bl_id top_boot;
	uint32_t *series; /* old id -> new id */
	size_t n_series;
	struct kept *kept;
	size_t n_kept, size_kept, kept_bytes;
	struct former_id former[SALVAGE_FORMER_MOST];
	unsigned n_former;

	/* of the slice */
	struct spool *s;
	struct bl_err *err;
	int rc;
	size_t txn_bytes;
};

/* True when this slice, begun at that monotonic time, has had its pages or its time. */
bool salvage_slice_over(const struct salvage *v, int64_t began_ms, unsigned pages);
/* Looks at the next pages; after the last v->looked is set and the counters are settled. */
int salvage_look_slice(struct salvage *v);
/* The wreck's counters as far as they can be believed: v->old. */
void salvage_settle_counters(struct salvage *v);
/* Whether the wreck says that the centre has this batch; once all pages were looked at. */
bool salvage_was_delivered(const struct salvage *v, int64_t id);
/* Id of a series in the new file; 0: none. ctx: the struct salvage. */
uint32_t salvage_renamed(void *ctx, uint32_t id);
/* The open rows become batches under the old id, and their end is named: one transaction. */
int salvage_open_slice(struct salvage *v);

#endif
