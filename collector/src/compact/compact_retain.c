/*
 * What goes by its age, and what nobody names any more: rows first, files when no reader can
 * be at them.
 */
#include "compact_internal.h"

#include <string.h>

#include "branchline/fault.h"
#include "branchline/log.h"

#define EVERY_MS     600000
#define SLICE_ROWS   200u
#define DEAD_AT_ONCE 64

struct slice {
	enum parts_level level;
	int64_t before;
	unsigned rows;
	int more;
	int64_t id;
	struct store_checks_at at;
};

static int
forget_fn(struct store *s, void *arg, struct bl_err *err)
{
	struct slice *x = arg;

	return x->more = store_pack_forget(s, x->level, x->before, x->rows, err);
}

static int
forget_batches_fn(struct store *s, void *arg, struct bl_err *err)
{
	struct slice *x = arg;

	return x->more = store_pack_forget_batches(s, x->before, x->rows, err);
}

static int
sweep_fn(struct store *s, void *arg, struct bl_err *err)
{
	struct slice *x = arg;

	return x->more = store_pack_sweep(s, x->rows, err);
}

static int
dead_fn(struct store *s, void *arg, struct bl_err *err)
{
	const struct slice *x = arg;

	return store_pack_dead_gone(s, x->id, err);
}

/* ---- by age ---- */

static int64_t
kept_ms(const struct compact_retention *r, enum parts_level level)
{
	return level == PARTS_RAW  ? r->raw_ms
	       : level == PARTS_M5 ? r->five_minutes_ms
				   : r->hours_ms;
}

/* By now; fails with the store. */
static int
too_old(struct compact *c, int64_t kept_ms, int64_t *before_unix_ms, struct bl_err *err)
{
	const int rc = store_age_now(&c->age, c->r, c->opts.clock, before_unix_ms, err);

	*before_unix_ms -= kept_ms;
	return rc;
}

static int
keep_age_fn(struct store *s, void *arg, struct bl_err *err)
{
	return store_age_keep(s, arg, err);
}

/* Before anything goes by it. */
static int
keep_age(struct compact *c, struct bl_err *err)
{
	int64_t now;
	int rc = store_age_now(&c->age, c->r, c->opts.clock, &now, err);

	if (rc < 0 || !store_age_unkept(&c->age))
		return rc;
	if ((rc = compact_write(c, keep_age_fn, &c->age, err)) < 0)
		return rc;
	store_age_was_kept(&c->age);
	return BL_OK;
}

static int
forget_level(struct compact *c, enum parts_level level, struct bl_err *err)
{
	const int64_t kept = kept_ms(&c->opts.retention, level);
	struct slice x = { .level = level, .rows = SLICE_ROWS, .more = 1 };
	bool any = false;
	int64_t before, to;
	int rc;

	if (kept <= 0)
		return BL_OK;
	if ((rc = too_old(c, kept, &before, err)) < 0)
		return rc;
	/* Whole files: up to the begin of the one that is partly old enough. */
	parts_period(level, before, &x.before, &to);
	if ((rc = store_read_retained(c->r, level, x.before, &any, err)) < 0 || !any)
		return rc;
	while (x.more == 1)
		if ((rc = compact_write(c, forget_fn, &x, err)) < 0)
			return rc;
	(void)bl_fault_hit("compact.forgotten");
	return BL_OK;
}

static int
forget_checks_fn(struct store *s, void *arg, struct bl_err *err)
{
	struct slice *x = arg;

	return x->more = store_pack_forget_checks(s, x->before, &x->at, x->rows, err);
}

/* With the samples; when another day of them is old enough. */
static int
forget_checks(struct compact *c, struct bl_err *err)
{
	struct slice x = { .rows = SLICE_ROWS, .more = 1 };
	int64_t before, to;
	int rc;

	if (c->opts.retention.raw_ms <= 0)
		return BL_OK;
	if ((rc = too_old(c, c->opts.retention.raw_ms, &before, err)) < 0)
		return rc;
	parts_period(PARTS_RAW, before, &x.before, &to);
	if (x.before <= c->checks_before)
		return BL_OK;
	while (x.more == 1)
		if ((rc = compact_write(c, forget_checks_fn, &x, err)) < 0)
			return rc;
	c->checks_before = x.before;
	return BL_OK;
}

static int
forget_batches(struct compact *c, struct bl_err *err)
{
	struct slice x = { .rows = SLICE_ROWS, .more = 1 };
	int64_t oldest = STORE_TIME_NONE;
	int rc;

	if (c->opts.retention.events_ms <= 0)
		return BL_OK;
	if ((rc = too_old(c, c->opts.retention.events_ms, &x.before, err)) < 0 ||
	    (rc = store_read_oldest_batch(c->r, &oldest, err)) < 0 || oldest == STORE_TIME_NONE ||
	    oldest >= x.before)
		return rc;
	while (x.more == 1)
		if ((rc = compact_write(c, forget_batches_fn, &x, err)) < 0)
			return rc;
	return BL_OK;
}

/* ---- files ---- */

struct old_files {
	struct compact *c;
	struct bl_err *err;
	int rc;
};

/* An hour after its rows have gone no reader is at it. */
static bool
delete_old(void *ctx, enum parts_level level, int64_t hour, int64_t bytes, int64_t blocks)
{
	struct old_files *f = ctx;
	struct compact *c = f->c;
	const int64_t kept = kept_ms(&c->opts.retention, level);
	int64_t from, to, before, end = 0;

	(void)bytes;
	if ((f->rc = too_old(c, kept + STORE_HOUR_MS, &before, f->err)) < 0)
		return false;
	parts_period(level, hour, &from, &to);
	if (kept <= 0 || to > before)
		return true;
	if ((f->rc = store_read_part_end(c->r, level, from, to, &end, f->err)) < 0)
		return false;
	if (end > 0)
		return true; /* named: its rows go first */
	(void)bl_fault_hit("compact.delete");
	if ((f->rc = parts_delete(c->opts.parts, level, hour, f->err)) < 0)
		return false;
	(void)pthread_mutex_lock(&c->lock);
	c->status.forgotten_files++;
	c->status.given_back += (uint64_t)blocks;
	(void)pthread_mutex_unlock(&c->lock);
	return true;
}

static void
note_given_back(struct compact *c, int64_t bytes)
{
	(void)pthread_mutex_lock(&c->lock);
	c->status.given_back += (uint64_t)bytes;
	(void)pthread_mutex_unlock(&c->lock);
}

struct deads {
	struct store_dead d[DEAD_AT_ONCE];
	size_t n;
};

static bool
take_dead(void *ctx, const struct store_dead *d)
{
	struct deads *l = ctx;

	l->d[l->n++] = *d;
	return l->n < DEAD_AT_ONCE;
}

/* Regions that no part names and no reader can be at any more. */
static int
give_back(struct compact *c, struct bl_err *err)
{
	struct deads l;
	int rc;

	l.n = 0;
	if ((rc = store_read_dead(c->r, bl_unix_ms(c->opts.clock) - PARTS_GRACE_MS, DEAD_AT_ONCE,
		 take_dead, &l, err)) < 0)
		return rc;
	for (size_t i = 0; i < l.n; i++) {
		const struct store_dead *d = &l.d[i];
		const struct parts_region g = { 0, d->hour_unix_ms, d->level, d->offset, d->bytes };
		struct slice x = { .id = d->id };

		/* Given back twice is as good as once: the row goes after. */
		if ((rc = parts_punch(c->opts.parts, &g, err)) < 0)
			return rc;
		(void)bl_fault_hit("compact.punched");
		if ((rc = compact_write(c, dead_fn, &x, err)) < 0)
			return rc;
		note_given_back(c, d->bytes);
	}
	return BL_OK;
}

int
compact_sweep(struct compact *c, struct bl_err *err)
{
	struct slice x = { .rows = SLICE_ROWS, .more = 1 };
	int rc;

	if (!c->hid_some)
		return BL_OK;
	while (x.more == 1)
		if ((rc = compact_write(c, sweep_fn, &x, err)) < 0)
			return rc;
	(void)bl_fault_hit("compact.swept");
	c->hid_some = false;
	return BL_OK;
}

/* ---- the database ---- */

#define PAGE_BYTES   8192
#define UNUSED_LEAST 64u  /* half a MiB */
#define SHRINK_PAGES 256u /* of a slice */

static int
shrink_fn(struct store *s, void *arg, struct bl_err *err)
{
	const struct slice *x = arg;

	return store_pack_shrink(s, x->rows, err);
}

/*
 * Pages that rows leave are filled by what comes next.  What stayed unused for hours is more
 * than that: it goes back to the disk.
 */
static int
shrink(struct compact *c, struct bl_err *err)
{
	const int64_t now = bl_mono_ms(c->opts.clock);
	int64_t left;
	int rc;

	if ((rc = store_read_free_pages(c->r, &left, err)) < 0)
		return rc;
	if (c->free_since_mono_ms == INT64_MIN || left < c->free_least)
		c->free_least = left;
	if (c->free_since_mono_ms == INT64_MIN)
		c->free_since_mono_ms = now;
	if (now - c->free_since_mono_ms < c->opts.unused_ms)
		return BL_OK;
	for (left = c->free_least; left > UNUSED_LEAST; left -= SHRINK_PAGES) {
		struct slice x = { .rows = SHRINK_PAGES };

		if ((rc = compact_write(c, shrink_fn, &x, err)) < 0)
			return rc;
		note_given_back(c, (int64_t)SHRINK_PAGES * PAGE_BYTES);
	}
	c->free_since_mono_ms = INT64_MIN;
	return BL_OK;
}

int
compact_retain(struct compact *c, struct bl_err *err)
{
	struct old_files f = { .c = c, .err = err };
	int rc;

	if (bl_mono_ms(c->opts.clock) < c->retain_mono_ms)
		return 0;
	if ((rc = keep_age(c, err)) < 0 || (rc = forget_level(c, PARTS_RAW, err)) < 0 ||
	    (rc = forget_checks(c, err)) < 0 || (rc = forget_level(c, PARTS_M5, err)) < 0 ||
	    (rc = forget_level(c, PARTS_H1, err)) < 0 || (rc = forget_batches(c, err)) < 0 ||
	    (rc = compact_sweep(c, err)) < 0 || (rc = give_back(c, err)) < 0 ||
	    (rc = shrink(c, err)) < 0 || (rc = parts_files(c->opts.parts, delete_old, &f, err)) < 0)
		return rc;
	if (f.rc < 0)
		return f.rc;
	c->retain_mono_ms = bl_mono_ms(c->opts.clock) + EVERY_MS;
	(void)pthread_mutex_lock(&c->lock);
	c->status.age_held = c->age.held;
	c->status.age_left_ms = store_age_left_ms(&c->age);
	(void)pthread_mutex_unlock(&c->lock);
	return 0;
}
