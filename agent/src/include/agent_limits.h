/*
 * What the agent's own limits refused, and how it gets its name in the ledger.  Pure.
 *
 * A series that is refused (too many, or its name or a label is too long) never
 * appears, so nobody at the centre could miss it; a sample beyond the cap of a
 * tick is gone; so is the result of a probe that found no room, and what lies
 * beyond a sampler's own cap.  All are counted here, and told as an entry
 * "overload": at once, then once an hour for as long as it lasts; once a day what a
 * sampler's cap leaves out, which is the machine's nature rather than a mishap.
 */
#ifndef AGENT_LIMITS_H
#define AGENT_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "branchline/wire.h"

#define LIMITS_TELL_MS  (60 * 60 * 1000)
#define LIMITS_DAY_MS   (24 * LIMITS_TELL_MS)
#define LIMITS_NAME_MAX 200u

struct limits_stream {
	unsigned series;  /* refused by those who ask now: they put nothing at any tick */
	bool pending;     /* something is to be told */
	uint64_t samples; /* of these, known by number */
	bool uncounted;   /* of something it is not known how many samples it would have had */
	bool left_out;    /* the same, by a sampler's cap */
	int64_t since_boot_ms;
	int64_t told_boot_ms; /* 0: never */
};

struct limits {
	uint64_t refused_series;      /* asked for in vain, ever */
	uint64_t refused_samples;     /* beyond a tick's cap, or out of memory; ever */
	uint64_t dropped_results;     /* of probes; ever */
	char newest[LIMITS_NAME_MAX]; /* the series refused last, with its labels; empty: none */
	struct limits_stream stream[BL_STREAMS];
};

/* A series was refused.  Borrows def. */
void limits_series(struct limits *l, const struct bl_series_def *def, int64_t boot_ms);
void limits_sample(struct limits *l, enum bl_stream stream, int64_t boot_ms);
/* Results of probes were dropped, somewhere between the two instants. */
void limits_results(struct limits *l, uint64_t n, int64_t from_boot_ms, int64_t boot_ms);
/* Something was lost of which it is not known how many samples it would have had. */
void limits_lost(struct limits *l, enum bl_stream stream, int64_t boot_ms);
/* A sampler leaves out what lies beyond its cap; told at each of its ticks. */
void limits_left_out(struct limits *l, enum bl_stream stream, int64_t boot_ms);
/* Series of the stream that are refused now. */
unsigned limits_refused_now(const struct limits *l);
/*
 * The next entry that is due; false: none.  ending: whoever asks now ends, so tell
 * what is there at once, and forget which series they were refused.  boot
 * is the boot that boot_ms belongs to.
 */
bool limits_due(
    struct limits *l, const struct bl_id *boot, int64_t boot_ms, bool ending, struct bl_gap *out);
/* The entry that was handed out last found no room: it is due again. */
void limits_untold(struct limits *l, const struct bl_gap *gap);

#endif
