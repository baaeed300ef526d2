/*
 * The sampler seam: what a sampler is, and where its samples go.
 *
 * Samplers know a sink, not the spool.  A sampler declares its series once (or
 * when a new disk, interface ... appears) and puts one value per series and
 * tick; a read that failed is an "unknown" sample with a reason, never a
 * silence and never a zero.  Loop thread only; nothing here blocks on a network.
 */
#ifndef SAMPLE_H
#define SAMPLE_H

#include <stdint.h>

#include "branchline/conf.h"
#include "branchline/err.h"
#include "branchline/wire.h"

/* Where samples go.  All samples between begin and end carry the same boot time. */
struct sample_sink {
	void *ctx;
	/*
	 * Makes a series known; the handle (>= 0) is good for the life of the
	 * sink.  Borrows def (def->id is ignored).  The same definition gives the
	 * same handle.  Negative: a cap was reached or def is invalid (counted).
	 */
	int32_t (*declare)(void *ctx, const struct bl_series_def *def);
	void (*put)(void *ctx, int32_t handle, double value);
	void (*unknown)(void *ctx, int32_t handle, enum bl_unknown reason);
	/* So many things found no room in the series that a name counts (disk_mounts_skipped); at
	 * each tick for as long as it lasts.  NULL: nobody wants to know. */
	void (*left_out)(void *ctx, const char *name, unsigned n);
	/* Something that happened; copied.  boot_ms 0: now. */
	void (*event)(void *ctx, const struct bl_event *ev);
};

struct sampler;

struct sampler_ops {
	const char *kind;                      /* "cpu", "memory", "disk" ... */
	const struct bl_conf_section *options; /* its configuration table; NULL: none */
	/*
	 * conf is a struct of options->size, kept by the caller for the
	 * sampler's life.  root is prefixed to /proc, /sys (tests; "" in life).
	 */
	int (*open)(struct sampler **out, const void *conf, const char *root, uint32_t interval_ms,
	    struct bl_err *err);
	/* Puts its samples of this instant.  A negative code is for the log; unknowns have been
	 * put. */
	int (*sample)(
	    struct sampler *s, int64_t boot_ms, struct sample_sink *sink, struct bl_err *err);
	void (*close)(struct sampler *s); /* accepts NULL */
};

/* Every sampler there is; ends with NULL. */
extern const struct sampler_ops *const samplers[];

#endif
