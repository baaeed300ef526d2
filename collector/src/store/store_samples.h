/*
 * The one way to samples: whatever holds them, they come from here, in one order.
 *
 * Inside the store's folder only.  Readers (queries, the log, latest values) ask for
 * some series of one stream of one device; what is found is given out hour by hour of
 * UTC, within an hour series by series in the order of the ids, within a series in order
 * of time.  A sample that two spools hold (one was set back and cut again) is one: of those of
 * an hour that have the same boot and the same boot time one is left.
 */
#ifndef STORE_SAMPLES_H
#define STORE_SAMPLES_H

#include "store_read_internal.h"

#define SAMPLES_HOUR_MS (60 * 60 * (int64_t)1000)

/* What a sample says beyond its value when it stands for several. */
struct sample_thin {
	struct bl_thin thin;
	/* How long before it the known sample before it of its batch lies, and its value; 0: none.
	 */
	int64_t before_ms;
	double before;
};

struct sample {
	int64_t unix_ms, boot_ms;
	double value;    /* NaN: unknown */
	uint32_t boot;   /* place in samples.boot */
	uint32_t thin;   /* place + 1 in samples.thin; 0: it stands for itself */
	uint32_t from;   /* who holds it */
	uint8_t unknown; /* enum bl_unknown */
};

struct sample_boot {
	int64_t id; /* of this store */
	struct bl_id uuid;
};

/* Neighbours in time of one series; borrowed for the call. */
struct samples {
	size_t series; /* index into samples_ask.ids */
	const struct sample *s;
	size_t n;
	const struct sample_thin *thin;
	const struct sample_boot *boot;
};

/* False: enough. */
typedef bool (*samples_fn)(void *ctx, const struct samples *s);

struct samples_ask {
	int64_t device_id;
	enum bl_stream stream;
	const int64_t *ids; /* distinct; in any order */
	size_t n;
	int64_t from_unix_ms, to_unix_ms; /* exclusive */
	/* A thinned sample comes also when it lies so far behind the end and reaches back over it.
	 */
	int64_t thin_reach_ms;
	int64_t deadline_mono_ms; /* INT64_MAX: none */
	bool leave_damaged;       /* what does not decode is left out, and logged */
	bool need_all;            /* fails for a damaged part also when the ledger names its hour */
	bool parts_only;          /* what lies in parts, and nothing of batches */
	bool sparse;              /* others of the device's series will hardly be asked for next */
};

/* *n_batches (may be NULL): how many were looked into.  BL_ETIMEDOUT, BL_EFULL as in store_read.h.
 */
int samples_of(struct store_read *r, const struct samples_ask *a, samples_fn fn, void *ctx,
    uint64_t *n_batches, struct bl_err *err);

#endif
