/*
 * Wall time: what the centre's clock maps make of boot times has to be the true time, give or
 * take the uncertainty that they state.
 */
#include "sim_oracle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define TOLD_MS (40 * SIM_MINUTE) /* after a pause NTP or the centre has told the time by then */
#define READ_MS 2                 /* clocks are read in whole milliseconds, twice */

void
judge_clock_maps(struct judge *j)
{
	sqlite3_stmt *st = judge_query(j, j->db,
	    "SELECT spool_id, entry, boot_uuid, from_ms, offset_ms, uncertainty_ms, source"
	    " FROM clock_segment ORDER BY spool_id, entry");

	while (judge_row(j, st)) {
		const int64_t spool = sqlite3_column_int64(st, 0);

		if (spool >= SPOOLS_MAX)
			continue;
		if (j->n_segments == j->size_segments) {
			j->size_segments = j->size_segments * 2 + 256;
			j->segment = realloc(j->segment, j->size_segments * sizeof(*j->segment));
			assert(j->segment != NULL);
		}
		if (j->segments_of[spool].n++ == 0)
			j->segments_of[spool].first = j->n_segments;
		j->segment[j->n_segments++] =
		    (struct bl_clock_segment){ .id = (uint32_t)sqlite3_column_int64(st, 1),
			    .boot = judge_column_id(st, 2),
			    .from_boot_ms = sqlite3_column_int64(st, 3),
			    .offset_ms = sqlite3_column_int64(st, 4),
			    .uncertainty_ms = (uint32_t)sqlite3_column_int64(st, 5),
			    .source = (enum bl_clock_source)sqlite3_column_int(st, 6) };
	}
}

/* Made after a pause that boot time does not count, before anybody can have said so. */
static bool
after_pause(const struct sim *w, const struct bl_id *boot, int64_t boot_ms, int64_t true_ms)
{
	unsigned machine;

	(void)machine_true_time(w, boot, boot_ms, &machine);
	for (unsigned i = 0; i < w->n_naps; i++)
		if (w->nap[i].paused && w->nap[i].machine == machine && true_ms >= w->nap[i].to &&
		    true_ms < w->nap[i].to + TOLD_MS)
			return true;
	return false;
}

void
judge_place(
    struct judge *j, int64_t spool, const struct bl_id *boot, int64_t boot_ms, int64_t true_ms)
{
	const size_t first = j->segments_of[spool].first, n = j->segments_of[spool].n;
	uint32_t uncertainty_ms;
	int64_t unix_ms, off;

	if (n == 0 ||
	    !bl_clock_place(&j->segment[first], n, boot, boot_ms, &unix_ms, &uncertainty_ms))
		return; /* nobody has told its boot the time */
	j->placed++;
	off = unix_ms > true_ms ? unix_ms - true_ms : true_ms - unix_ms;
	if (off > (int64_t)uncertainty_ms + READ_MS && !after_pause(j->w, boot, boot_ms, true_ms))
		sim_fail(j->w, "placed %lld ms off, %u stated: made at %.3f s, boot time %.3f s",
		    (long long)off, uncertainty_ms, (double)(true_ms - j->w->begin) / 1000.0,
		    (double)boot_ms / 1000.0);
}
