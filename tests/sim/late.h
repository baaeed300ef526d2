/*
 * The simulation of late.c in three parts: the history and its batches
 * (late_history.c), the delivery (late_deliver.c), the centre and what it made of it
 * (late_centre.c).
 */
#ifndef LATE_H
#define LATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/batch.h"
#include "branchline/clock.h"
#include "branchline/message.h"

#define LATE_SITES_MAX 200u
#define LATE_MINUTE    60000
#define LATE_CUT_MS    (30 * LATE_MINUTE) /* live: a batch of each stream */

struct late_opts {
	unsigned sites, days;
	int64_t start_unix_ms;
	const char *folder;
	bool keep; /* the databases stay for a look */
};

/* ---- late_history.c ---- */

struct late_device {
	unsigned site, number; /* number: of all devices */
	bool orders;           /* it sees the order process */
	char id[64];
	struct bl_id spool;
	/* Two boots when it was off in between (else off_begin == off_end == end). */
	struct bl_id boot[2];
	int64_t off_begin_ms, off_end_ms; /* since the start of the history */
	int64_t boot_offset_ms[2];        /* wall = boot time + this */
};

struct late_history {
	unsigned sites, n_devices;
	int64_t start_unix_ms, length_ms;
	struct late_device *device;
};

void late_history_make(struct late_history *h, const struct late_opts *o);
void late_history_free(struct late_history *h);
const char *late_zone(unsigned site);
void late_site_id(unsigned site, char out[32]);

/* One message from a device: a batch, dictionary or clock map. */
struct late_message {
	unsigned device;
	int64_t ready_ms; /* cut then, since the start of the history */
	bool past;        /* topic */
	struct bl_buf msg;
};

/*
 * The batch of [begin, end) of one stream; begin and end within one boot.  gap:
 * it carries the ledger entry of the time that the device was off.
 */
void late_batch(const struct late_history *h, const struct late_device *d, enum bl_stream stream,
    uint64_t seq, int64_t begin_ms, int64_t end_ms, bool gap, struct bl_buf *out);
void late_dictionary(const struct late_device *d, struct bl_buf *out);
/* The clock map with entries 1..n (1: the first boot, 2: the second). */
void late_clock_map(
    const struct late_history *h, const struct late_device *d, unsigned n, struct bl_buf *out);

/* ---- late_deliver.c ---- */

struct late_plan {
	struct late_message *m; /* in order of delivery */
	int64_t *at_ms;         /* when each is delivered */
	size_t n, size;
};

/* seed 0: live.  Else torn. */
void late_plan_make(struct late_plan *p, const struct late_history *h, unsigned seed);
void late_plan_free(struct late_plan *p);

/* ---- late_centre.c ---- */

struct late_result {
	char *text; /* everything that must be the same, one line a row, ordered */
	size_t len;
	size_t cells, incidents;
};

void late_run(const struct late_opts *o, unsigned seed, struct late_result *out);
void late_result_free(struct late_result *r);
/* Says the first difference. */
bool late_same(const struct late_result *live, const struct late_result *torn, unsigned seed);

/* A small generator of its own for each use, so that a seed reproduces a run. */
uint64_t late_random(uint64_t *state);

#endif
