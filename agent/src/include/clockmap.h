/*
 * The clock map's decisions, pure: from what the machine's clocks and the
 * centre say to new segments and to events about steps.
 *
 * unix_ms = boot_ms + offset.  What is known of the true offset is an interval:
 * a measure (the kernel disciplined by NTP, or the centre's word over a round
 * trip) makes it narrow, time makes it wider by what a crystal may run wrong.  A
 * segment says an offset and an uncertainty that holds the interval; another
 * one is told when it does not any more.  So the stated uncertainty grows while
 * nobody says what time it is, with a new segment at each doubling.
 *
 * A trusted segment never moves what was placed by it.  What may still lie
 * undelivered is another matter: when a measure ends a silence, the time since
 * the last contact gets corrected segments, on the line between the two
 * measures, with what a crystal may stray from that line as uncertainty.
 *
 * The machine's wall clock counts while the kernel says that it is disciplined,
 * and does not run wild; else it only tells of steps.
 */
#ifndef CLOCKMAP_H
#define CLOCKMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "branchline/clock.h"
#include "branchline/wire.h"

#define CLOCKMAP_STEP_MS  250
#define CLOCKMAP_DATE_MS  3600000 /* certificates count in days */
#define CLOCKMAP_SEGMENTS 96u     /* of one decision */
#define CLOCKMAP_GROWN    64u     /* told since the last measure */

struct clockmap {
	struct bl_id boot;
	/* the wall clock */
	bool looked;            /* at least once */
	int64_t wall_offset_ms; /* unix - boot, as last seen */
	bool synced;            /* by NTP, and believed */
	bool wild;              /* it stands, or runs at another speed */
	unsigned moving, quiet; /* looks in a row with and without a step */
	uint64_t steps;
	unsigned untrusted_told;
	bool begun; /* begin_boot_ms is known: nothing was sampled in this boot before */
	int64_t begin_boot_ms;
	/* what is known of the true offset */
	bool known;
	enum bl_clock_source source; /* of the last measure */
	double lo_ms, hi_ms;         /* the interval, as of at_boot_ms */
	int64_t at_boot_ms, at_mono_ms;
	double rate_lo, rate_hi; /* how it may move, in parts of one */
	/* the last measure */
	int64_t measured_boot_ms;
	double measured_ms, measured_doubt_ms;
	/* the crystal's rate, learnt between two measures of the centre */
	bool anchored, rate_known;
	int64_t anchor_boot_ms;
	double anchor_ms, anchor_doubt_ms, rate;
	/* what was told */
	bool told;                      /* a trusted segment */
	struct bl_clock_segment newest; /* what holds now */
	int64_t grown[CLOCKMAP_GROWN];  /* begins of segments told without a measure */
	unsigned n_grown;
	int64_t contact_boot_ms; /* what was sampled before may have been placed */
	/* steps of the wall clock since the last measure */
	unsigned steps_since;
	int64_t step_boot_ms, step_by_ms;
	/* a map has 65,536 segments at most, for years */
	double budget;
	int64_t budget_boot_ms;
	/* the centre's word beside a disciplined clock */
	bool disagrees;
	int64_t centre_less_wall_ms;
};

struct clockmap_now {
	int64_t boot_ms;
	int64_t mono_ms; /* stands still in suspend */
	int64_t unix_ms;
	bool synced; /* the kernel says so, and nothing speaks against the date */
};

struct clockmap_result {
	unsigned n_segments;
	struct bl_clock_segment segment[CLOCKMAP_SEGMENTS]; /* in order; id 0: the spool gives it */
	/* events */
	bool stepped;
	int64_t step_before_ms, step_after_ms; /* wall time without and with the step */
	bool went_wild, went_steady;           /* while wild, single steps are not told */
	bool lost_sync, found_sync;
	bool jumped; /* the true offset is not where any crystal could have taken it */
	int64_t jump_ms;
	bool disagrees; /* begins to: NTP and the centre; centre_less_wall_ms */
};

void clockmap_init(struct clockmap *m, const struct bl_id *boot);
/* The newest segment of this boot that an earlier run of the agent has told; before the first
 * look. */
void clockmap_resume(struct clockmap *m, const struct bl_clock_segment *told, int64_t boot_ms);
/* Once at start and every few seconds. */
void clockmap_look(struct clockmap *m, const struct clockmap_now *now, struct clockmap_result *r);
/*
 * The centre's clock stood at server_unix_ms some time within rtt_ms before
 * now.  Counts while the kernel is not disciplined; else it is compared.
 */
void clockmap_centre(struct clockmap *m, const struct clockmap_now *now, int64_t server_unix_ms,
    int64_t rtt_ms, struct clockmap_result *r);
/* The link was there until now: what was sampled before may have been delivered. */
void clockmap_contact(struct clockmap *m, int64_t boot_ms);

/* True when wall times of this boot can be told. */
bool clockmap_trusted(const struct clockmap *m);
/*
 * True when the machine's own wall clock, too, is right by an hour, as far as
 * the map can tell: dates may be judged by it.
 */
bool clockmap_wall_usable(const struct clockmap *m);
/* By how much an event now may be placed wrong; UINT32_MAX: not known at all. */
uint32_t clockmap_doubt_ms(const struct clockmap *m, int64_t boot_ms);
/* Wall time by the map, whatever the machine's wall clock says; it must be trusted. */
int64_t clockmap_unix_ms(const struct clockmap *m, int64_t boot_ms);
/* The machine's wall clock less the map's time; 0 while not known. */
int64_t clockmap_wall_less_map_ms(const struct clockmap *m);
/* How fast the boot clock runs against the centre's, in parts of 10^9; 0: not measured. */
int64_t clockmap_drift_ppb(const struct clockmap *m);
const char *clockmap_source_name(enum bl_clock_source s);

#endif
