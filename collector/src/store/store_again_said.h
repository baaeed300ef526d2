/* What a batch says, one entry for each sample and event, and what of it others said, too. */
#ifndef BRANCHLINE_STORE_AGAIN_SAID_H
#define BRANCHLINE_STORE_AGAIN_SAID_H

#include "store_internal.h"

#define SAID_HOUR_MS (60 * 60 * (int64_t)1000) /* the longest window of a mean */

/* Of an event only sum and ms; its series is 0. */
struct said_one {
	uint64_t sum; /* over all that it says */
	uint32_t series;
	uint8_t unknown;
	int64_t ms;
	int64_t after_ms; /* one that stands for several stands for what lies after this */
	struct bl_thin thin;
	bool before;  /* somebody else said so, too */
	bool in_mean; /* as part of a mean; of a mean: all of its parts */
	/* parts of a mean that others said one by one */
	uint32_t parts;
	double parts_min, parts_max;
	bool last_part; /* the one whose time it has */
};

struct said {
	struct said_one *one; /* by series, time and sum once sorted */
	size_t n, size;
};

int said_order(const void *a, const void *b);
/* The first at this time of a series, or after it; n: there is none. */
size_t said_from(const struct said *x, uint32_t series, int64_t ms);

/* How much of it others said: NONE, SOME or ALL (enum store_before). */
int said_before(const struct said *x, bool closed);

/* ---- store_again_mean.c ---- */

/* Somebody else said this sample: what of x it stands for, and what of x it is a part of. */
void said_mean(struct said *x, const struct said_one *other);
/* All parts of this mean were said by others. */
bool said_mean_whole(const struct said_one *o);

#endif
