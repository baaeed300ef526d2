/*
 * Room on the disk of state_dir: a ballast file that is given up when the disk is full, and
 * what must be free before telemetry is taken in again.
 *
 * The ballast is for people: with it gone they can still sign in, see why and change what
 * has to be changed.  Telemetry does not get it: agents keep what has no receipt.
 */
#ifndef COLLECTOR_DISK_H
#define COLLECTOR_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "branchline/clock.h"
#include "branchline/err.h"

struct disk;

struct disk_status {
	int64_t free_bytes; /* for us; -1: not known */
	int64_t ballast_bytes;
	bool full; /* the ballast was given up, and is not back yet */
};

/*
 * Makes the ballast as far as there is room (at most a 16th of the file system; 0: none).
 * A disk that has no room for it is not a failure.  Keeps clock, copies folder.
 */
int disk_open(struct disk **out, const char *folder, int64_t ballast_bytes,
    const struct bl_clock *clock, struct bl_err *err);
/* The ballast stays.  NULL is fine. */
void disk_close(struct disk *d);

/* Something did not fit: the ballast goes.  Any thread. */
void disk_full(struct disk *d);
/*
 * Whether there is room to go on; after disk_full that is when twice the ballast is free, which is
 * then made anew.  BL_EFULL with words for people.  Any thread.
 */
int disk_room(struct disk *d, struct bl_err *err);
void disk_status(struct disk *d, struct disk_status *out);

#endif
