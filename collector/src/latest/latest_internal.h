/* What the files of this folder share. */
#ifndef LATEST_INTERNAL_H
#define LATEST_INTERNAL_H

#include <pthread.h>

#include "branchline/batch.h"

#include "latest.h"

struct latest_value {
	int64_t unix_ms;
	double value;
	uint8_t state; /* enum latest_state */
};

/* A batch that is looked into when somebody asks, or when the next one takes its place. */
struct latest_stash {
	struct bl_batch_header h;
	int64_t end_unix_ms;
	size_t len;
	uint8_t raw[];
};

/* The values of one spool, by the numbers of its dictionary. */
struct latest_spool {
	struct bl_id id;
	struct latest_value *v; /* [number - 1] */
	uint32_t n;
	int64_t until_unix_ms[BL_STREAMS];  /* the newest that was taken */
	int64_t looked_mono_ms[BL_STREAMS]; /* when one was looked into; 0: none was */
	struct latest_stash *stash[BL_STREAMS];
};

/* A series of a metric, and where its values are. */
struct latest_name {
	int64_t series;
	char *device, *labels; /* one block, owned by device */
	int64_t interval_ms;
	struct bl_id spool;
	uint32_t number;
	bool again; /* the same series as the one before, in another spool */
};

/* Never changes once it is made. */
struct latest_names {
	char metric[BL_NAME_MAX + 1], unit[BL_NAME_MAX + 1];
	struct latest_name *s; /* by device, labels, series */
	size_t n, n_series;
	uint64_t grown; /* of the table when it was made */
	bool early;     /* something was new then that may not have been committed yet */
	int64_t made_mono_ms, used_mono_ms;
	unsigned uses; /* guarded by the table's lock */
};

struct latest {
	const struct bl_clock *clock;
	size_t series_max;
	pthread_cond_t wake;
	pthread_mutex_t lock; /* guards all below */
	struct latest_spool *spool;
	size_t n_spools, size_spools;
	uint32_t *slot; /* hash of spools: index + 1 */
	size_t n_slots;
	size_t n_places; /* of all spools' arrays */
	uint64_t n_values, refused;
	uint64_t grown; /* counts spools and numbers that were met */
	int64_t grown_mono_ms;
	bool complete;
	struct latest_names *names[LATEST_METRICS_MAX];
	size_t n_stashed, stash_bytes;
	/* one column */
	int64_t *boot_ms, *i;
	double *d;
	uint8_t *unknown;
	size_t room;
};

/* ---- latest.c */

/* The values of a spool, made when create; NULL: none, or no memory. */
struct latest_spool *latest_spool_locked(struct latest *l, const struct bl_id *id, bool create);
/* The place of a number's value; NULL: no room, which is counted. */
struct latest_value *latest_value_locked(struct latest *l, struct latest_spool *s, uint32_t number);

/* Looks into what was put off.  Not locked. */
void latest_look_now(struct latest *l);

/* ---- latest_names.c */

/* Reads what a metric's series are and where; the caller frees. */
int latest_names_read(struct latest *l, struct store_read *r, const char *metric,
    struct latest_names **out, struct bl_err *err);
void latest_names_free(struct latest_names *m);

#endif
