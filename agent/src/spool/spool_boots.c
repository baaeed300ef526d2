/*
 * Former boots that never knew the time, when the present one learns it: what
 * the spool has of them goes to boots.h, what comes of it into the clock map.
 * A boot without a place stays "clock unknown" at the centre.
 */
#include <stdlib.h>

#include "boots.h"
#include "spool_internal.h"

#define BOOTS_MAX    16u
#define SEGMENTS_MAX 256u

struct former {
	struct boot_known known;
	struct boot_former boot[BOOTS_MAX];
	struct bl_id id[BOOTS_MAX];
	size_t n;
};

/* Boot time up to which the spool has something of a boot; at least at_least. */
static int
boot_end(
    struct spool *s, const struct bl_id *boot, int64_t at_least, int64_t *out, struct bl_err *err)
{
	sqlite3_stmt *st = db_select(s, Q_BATCH_BOOT_END, err, "d", boot);
	int rc;

	*out = at_least;
	if (st == NULL)
		return err->code;
	if ((rc = db_step(s, st, err)) == 1 && sqlite3_column_int64(st, 0) > at_least)
		*out = sqlite3_column_int64(st, 0);
	db_done(st);
	return rc < 0 ? rc : BL_OK;
}

/* Back to the last boot that knew the time. */
static int
find_former(struct spool *s, const struct bl_clock_segment *seg, unsigned n, struct former *f,
    struct bl_err *err)
{
	int64_t end;
	int rc;

	for (unsigned i = 0; i < n; i++) {
		if (bl_id_equal(&seg[i].boot, &s->boot) ||
		    (f->n > 0 && bl_id_equal(&seg[i].boot, &f->id[f->n - 1])))
			continue;
		if ((rc = boot_end(s, &seg[i].boot, seg[i].from_boot_ms, &end, err)) < 0)
			return rc;
		if (seg[i].source != BL_CLOCK_UNTRUSTED) {
			f->known.has_before = true;
			f->known.before_unix_ms =
			    seg[i].offset_ms + end - (int64_t)seg[i].uncertainty_ms;
			return BL_OK;
		}
		if (f->n == BOOTS_MAX)
			return BL_OK;
		f->id[f->n] = seg[i].boot;
		f->boot[f->n++] =
		    (struct boot_former){ .end_ms = end, .wall_offset_ms = seg[i].offset_ms };
	}
	return BL_OK;
}

int
boots_tell(struct spool *s, const struct bl_clock_segment *seg, const struct bl_clock_segment *wall,
    struct bl_err *err)
{
	struct bl_clock_segment *all = malloc(SEGMENTS_MAX * sizeof(*all));
	struct former f = { .known = { .after_unix_ms =
					   seg->offset_ms + (int64_t)seg->uncertainty_ms } };
	int rc;

	if (all == NULL)
		return bl_fail(err, BL_ENOMEM, "spool: out of memory");
	if (wall != NULL) {
		f.known.has_wall = true;
		f.known.wall_error_ms = wall->offset_ms - seg->offset_ms;
	}
	if ((rc = clock_newest_first(s, all, SEGMENTS_MAX, err)) >= 0)
		rc = find_former(s, all, (unsigned)rc, &f, err);
	free(all);
	if (rc < 0)
		return rc;
	boots_place(&f.known, f.boot, f.n);
	for (size_t i = f.n; i > 0 && rc == BL_OK; i--) {
		const struct boot_former *b = &f.boot[i - 1];
		const struct bl_clock_segment told = { .boot = f.id[i - 1],
			.offset_ms = b->offset_ms,
			.uncertainty_ms = b->uncertainty_ms,
			.source = seg->source };

		if (b->placed)
			rc = clock_add(s, &told, err);
	}
	return rc;
}
