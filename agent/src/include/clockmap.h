/*
 * The clock map's decisions, pure: from what the machine's clocks and the
 * centre say to new segments and to events about steps.
 *
 * unix_ms = boot_ms + offset.  A trusted segment (kernel disciplined by NTP, or
 * measured against the centre) never moves; when the machine's wall clock is
 * later set by more than CLOCKMAP_STEP_MS a new segment begins at that moment
 * and the step is an event.  An untrusted clock never replaces a trusted one.
 */
#ifndef CLOCKMAP_H
#define CLOCKMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "branchline/clock.h"
#include "branchline/wire.h"

#define CLOCKMAP_STEP_MS 250
#define CLOCKMAP_DATE_MS 3600000 /* certificates count in days */

struct clockmap {
	struct bl_id boot;
	bool begun;
	int64_t wall_offset_ms;         /* unix - boot, as last seen */
	struct bl_clock_segment newest; /* what holds now */
};

struct clockmap_now {
	int64_t boot_ms;
	int64_t unix_ms;
	bool synced;
};

struct clockmap_result {
	bool has_segment;
	struct bl_clock_segment segment; /* id 0: the spool gives it */
	bool stepped;
	int64_t step_before_ms, step_after_ms; /* wall time without and with the step */
};

void clockmap_init(struct clockmap *m, const struct bl_id *boot);
/* Once at start and every few seconds. */
struct clockmap_result clockmap_look(struct clockmap *m, const struct clockmap_now *now);
/*
 * The centre's clock stood at server_unix_ms some time within rtt_ms before
 * now.  Counts while the kernel is not disciplined.
 */
struct clockmap_result clockmap_centre(
    struct clockmap *m, const struct clockmap_now *now, int64_t server_unix_ms, int64_t rtt_ms);
/* True when wall times of this boot can be told. */
bool clockmap_trusted(const struct clockmap *m);
/*
 * True when the machine's own wall clock, too, is right by an hour, as far as
 * the map can tell: dates may be judged by it.
 */
bool clockmap_wall_usable(const struct clockmap *m);
const char *clockmap_source_name(enum bl_clock_source s);

#endif
