/*
 * Wall time of a boot's times, by the clock map as it is when it is asked.
 *
 * A clock may be set while a boot lasts: from a segment's begin on another
 * offset holds.  So a span of boot time can be several spans of wall time, and
 * its extent need not lie between its two ends.
 */
#include <stdlib.h>
#include <string.h>

#include "store_read_internal.h"

static int
find_boot(struct placer *p, int64_t boot_id, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(p->r, READ_BOOT, err, "i", boot_id);
	int rc = read_step(p->r, st, err);

	if (rc < 0)
		return rc;
	if (rc == 0)
		return bl_fail(err, BL_ECORRUPT, "telemetry store: a batch names no boot");
	store_column_id(st, 0, &p->boot);
	(void)sqlite3_reset(st);
	return BL_OK;
}

static int
add_segment(struct placer *p, sqlite3_stmt *st)
{
	struct bl_clock_segment *seg;

	if (p->n_segs == p->size_segs) {
		const size_t size = p->size_segs == 0 ? 8 : p->size_segs * 2;

		if ((seg = realloc(p->seg, size * sizeof(*seg))) == NULL)
			return BL_ENOMEM;
		p->seg = seg;
		p->size_segs = size;
	}
	p->seg[p->n_segs++] = (struct bl_clock_segment){
		.id = (uint32_t)sqlite3_column_int64(st, 0),
		.boot = p->boot,
		.from_boot_ms = sqlite3_column_int64(st, 1),
		.offset_ms = sqlite3_column_int64(st, 2),
		.uncertainty_ms = (uint32_t)sqlite3_column_int64(st, 3),
		.source = (enum bl_clock_source)sqlite3_column_int(st, 4),
	};
	return BL_OK;
}

int
placer_for(struct placer *p, int64_t spool_id, int64_t boot_id, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	if (p->spool_id == spool_id && p->boot_id == boot_id)
		return BL_OK;
	p->spool_id = p->boot_id = 0;
	p->n_segs = 0;
	p->same_from = p->same_to = 0; /* nothing */
	if ((rc = find_boot(p, boot_id, err)) < 0)
		return rc;
	st = read_bind(p->r, READ_SEGMENTS, err, "id", spool_id, &p->boot);
	while ((rc = read_step(p->r, st, err)) == 1)
		if (add_segment(p, st) < 0) {
			(void)sqlite3_reset(st);
			return bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory");
		}
	if (rc < 0)
		return rc;
	p->spool_id = spool_id;
	p->boot_id = boot_id;
	return BL_OK;
}

void
placer_free(struct placer *p)
{
	free(p->seg);
	memset(p, 0, sizeof(*p));
}

/* Between two begins of trusted segments all is placed alike. */
static void
note_same(struct placer *p, int64_t boot_ms, int64_t unix_ms, uint32_t uncertainty_ms)
{
	p->same_from = INT64_MIN;
	p->same_to = INT64_MAX;
	for (size_t i = 0; i < p->n_segs; i++) {
		const int64_t from = p->seg[i].from_boot_ms;

		if (p->seg[i].source == BL_CLOCK_UNTRUSTED)
			continue;
		if (from <= boot_ms && from > p->same_from)
			p->same_from = from;
		if (from > boot_ms && from < p->same_to)
			p->same_to = from;
	}
	p->offset_ms = unix_ms - boot_ms;
	p->uncertainty_ms = uncertainty_ms;
}

int64_t
placer_place_within(struct placer *p, int64_t boot_ms, uint32_t *uncertainty_ms)
{
	int64_t unix_ms;

	*uncertainty_ms = 0;
	if (boot_ms < p->same_from || boot_ms >= p->same_to) {
		if (!bl_clock_place(p->seg, p->n_segs, &p->boot, boot_ms, &unix_ms, uncertainty_ms))
			return STORE_TIME_NONE;
		note_same(p, boot_ms, unix_ms, *uncertainty_ms);
	}
	*uncertainty_ms = p->uncertainty_ms;
	return boot_ms + p->offset_ms;
}

int64_t
placer_place(struct placer *p, int64_t boot_ms)
{
	uint32_t uncertainty;

	return placer_place_within(p, boot_ms, &uncertainty);
}

int64_t
placer_until(const struct placer *p, int64_t boot_ms, int64_t end_ms)
{
	return store_clock_until(p->seg, p->n_segs, &p->boot, boot_ms, end_ms);
}

bool
placer_extent(const struct placer *p, int64_t begin_ms, int64_t end_ms, int64_t *lo, int64_t *hi)
{
	return store_clock_extent(p->seg, p->n_segs, &p->boot, begin_ms, end_ms, lo, hi);
}
