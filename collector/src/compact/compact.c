/*
 * The compactor: what it does next, and what it knows of itself.  One thread (or test) steps;
 * status may be asked by any.
 */
#include "compact_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/fault.h"
#include "branchline/log.h"

#define ROUND_EVERY_MS 30000 /* what is due is looked at again, when nothing was */
#define UNUSED_MS      (3 * 60 * 60 * (int64_t)1000)
#define CLEAN_MIN      100u
#define CLEAN_MAX      20000u
#define SLICE_MS       20 /* what the writer is kept by a slice of cleaning, about */

static int64_t
mono(const struct compact *c)
{
	return bl_mono_ms(c->opts.clock);
}

/* ---- writing ---- */

struct timed {
	compact_write_fn fn;
	void *arg;
	const struct bl_clock *clock;
	int64_t ms;
};

static int
timed_fn(struct store *s, void *arg, struct bl_err *err)
{
	struct timed *t = arg;
	const int64_t begin = bl_mono_ms(t->clock);
	const int rc = t->fn(s, t->arg, err);

	t->ms = bl_mono_ms(t->clock) - begin;
	return rc;
}

int
compact_write(struct compact *c, compact_write_fn fn, void *arg, struct bl_err *err)
{
	struct timed t = { .fn = fn, .arg = arg, .clock = c->opts.clock };
	const int rc = c->opts.write(c->opts.ctx, timed_fn, &t, err);

	(void)pthread_mutex_lock(&c->lock);
	if (t.ms > c->status.longest_write_ms)
		c->status.longest_write_ms = t.ms;
	(void)pthread_mutex_unlock(&c->lock);
	c->last_write_ms = t.ms;
	return rc;
}

/* ---- rows that go ---- */

struct cleaning {
	unsigned rows;
	int more;
};

static int
clean_fn(struct store *s, void *arg, struct bl_err *err)
{
	struct cleaning *x = arg;

	x->more = store_pack_clean(s, x->rows, err);
	return x->more;
}

/* 1: a slice of them went. */
static int
clean(struct compact *c, struct bl_err *err)
{
	struct cleaning x = { .rows = c->clean_rows };
	int64_t after = STORE_TIME_NONE;
	int rc;

	if ((rc = store_read_clean(c->r, &after, err)) < 0)
		return rc;
	if (after == STORE_TIME_NONE || after > bl_unix_ms(c->opts.clock))
		return 0;
	if ((rc = compact_write(c, clean_fn, &x, err)) < 0)
		return rc;
	(void)bl_fault_hit("compact.cleaned");
	/* So many at a time that nobody waits long for the writer. */
	if (c->last_write_ms > SLICE_MS && c->clean_rows > CLEAN_MIN)
		c->clean_rows /= 2;
	else if (c->last_write_ms < SLICE_MS / 2 && c->clean_rows < CLEAN_MAX)
		c->clean_rows *= 2;
	return x.more;
}

/* ---- the folder ---- */

static int
nothing_fn(struct store *s, void *arg, struct bl_err *err)
{
	(void)s;
	(void)arg;
	(void)err;
	return BL_OK;
}

int
compact_tidy(struct compact *c, struct bl_err *err)
{
	int rc;

	/* The writer finds out first whether what failed has become true after all. */
	if ((rc = compact_write(c, nothing_fn, NULL, err)) < 0 ||
	    (rc = store_read_refresh(c->r, err)) < 0)
		return rc;
	for (int i = 0; i < PARTS_LEVELS; i++) {
		int64_t from, to, end = 0;

		if (!c->tail[i].there)
			continue;
		parts_period((enum parts_level)i, c->tail[i].hour_unix_ms, &from, &to);
		if ((rc = store_read_part_end(c->r, (enum parts_level)i, from, to, &end, err)) < 0)
			return rc;
		/* Below that may lie what a damaged store named, and nothing here does yet. */
		if (end <= c->tail[i].offset &&
		    (rc = parts_cut(c->opts.parts, (enum parts_level)i, c->tail[i].hour_unix_ms,
			 c->tail[i].offset, err)) < 0)
			return rc;
		c->tail[i].there = false;
	}
	c->untidy = false;
	return BL_OK;
}

struct opening {
	struct compact *c;
	struct bl_err *err;
	int rc;
};

/* What a crash left behind, or retention. */
static bool
open_file(void *ctx, enum parts_level level, int64_t hour, int64_t bytes, int64_t blocks)
{
	struct opening *o = ctx;
	int64_t from, to, end = 0;

	(void)blocks;
	parts_period(level, hour, &from, &to);
	if ((o->rc = store_read_part_end(o->c->r, level, from, to, &end, o->err)) < 0)
		return false;
	if (end == 0)
		o->rc = parts_delete(o->c->opts.parts, level, hour, o->err);
	else if (end < bytes)
		o->rc = parts_cut(o->c->opts.parts, level, hour, end, o->err);
	if (end < bytes)
		(void)bl_fault_hit("compact.cut");
	return o->rc >= 0;
}

/* ---- figures ---- */

#define LOOK_EVERY_MS 60000

static bool
add_file(void *ctx, enum parts_level level, int64_t hour, int64_t bytes, int64_t blocks)
{
	struct compact_level *l = ctx;

	(void)hour;
	(void)bytes;
	l[level].files++;
	l[level].disk_bytes += blocks;
	return true;
}

static void
look(struct compact *c)
{
	struct compact_level level[PARTS_LEVELS] = { { 0 } };
	struct store_part_sum sum[PARTS_LEVELS] = { { 0 } };
	struct bl_err none = { 0 };
	uint64_t rows = 0;

	if (mono(c) < c->look_mono_ms)
		return;
	c->look_mono_ms = mono(c) + LOOK_EVERY_MS;
	if (store_read_part_sums(c->r, sum, &rows, &none) < 0 ||
	    parts_files(c->opts.parts, add_file, level, &none) < 0)
		return; /* the next step says what is wrong */
	for (int i = 0; i < PARTS_LEVELS; i++) {
		level[i].parts = sum[i].parts;
		level[i].samples = sum[i].samples;
		level[i].bytes = sum[i].bytes;
		if (sum[i].parts > 0) {
			level[i].from_unix_ms = sum[i].from_unix_ms;
			level[i].to_unix_ms = sum[i].to_unix_ms;
		}
	}
	(void)pthread_mutex_lock(&c->lock);
	memcpy(c->status.level, level, sizeof(level));
	c->status.rows = rows;
	(void)pthread_mutex_unlock(&c->lock);
}

/* ---- steps ---- */

static void
end_round(struct compact *c)
{
	c->after_hour = STORE_TIME_NONE;
	c->after_device = 0;
	c->packed_some = false;
	compact_try_bad_again(c);
	c->round_mono_ms = mono(c) + ROUND_EVERY_MS;
}

static int
pack_round(struct compact *c, struct bl_err *err)
{
	bool come;
	int rc;

	if (c->opts.keep_unpacked || mono(c) < c->round_mono_ms)
		return 0;
	/* A device's hour lies in one part: not before it is known in which it lies. */
	if ((rc = store_read_parts_come(c->r, &come, err)) < 0 || come)
		return rc;
	if (c->untidy && (rc = compact_tidy(c, err)) < 0)
		return rc;
	if ((rc = compact_follow_moved(c, err)) != 0 || (rc = compact_pack_next(c, err)) != 0)
		return rc;
	/* Nothing is due. */
	if ((rc = compact_rewrite(c, err)) != 0)
		return rc < 0 ? rc : (rc = compact_sweep(c, err)) < 0 ? rc : 1;
	end_round(c);
	return 0;
}

static void
note_step(struct compact *c, int rc, const struct bl_err *err)
{
	uint64_t due = 0;
	int64_t oldest = STORE_TIME_NONE;
	struct bl_err none = { 0 };
	const bool known = rc >= 0 && store_read_due_sum(c->r, &due, &oldest, &none) == BL_OK;

	(void)pthread_mutex_lock(&c->lock);
	c->status.ok = rc >= 0;
	c->status.working = rc > 0;
	(void)snprintf(c->status.why, sizeof(c->status.why), "%s", rc < 0 ? err->msg : "");
	if (known) {
		c->status.due = due;
		c->status.due_oldest_unix_ms = oldest == STORE_TIME_NONE ? 0 : oldest;
	}
	c->status.last_step_mono_ms = mono(c);
	(void)pthread_mutex_unlock(&c->lock);
}

int
compact_step(struct compact *c, struct bl_err *err)
{
	int rc;

	if ((rc = store_read_refresh(c->r, err)) == BL_OK && (rc = clean(c, err)) == 0 &&
	    (rc = compact_retain(c, err)) == 0)
		rc = pack_round(c, err);
	if (rc == 0)
		rc = compact_check(c, err);
	look(c);
	note_step(c, rc, err);
	return rc;
}

/* ---- opening ---- */

static int
open_parts(struct compact *c, int opened, struct bl_err *err)
{
	struct opening o = { .c = c, .err = err };
	int rc;

	if ((rc = store_read_open(&c->r, c->opts.telemetry_path, c->opts.clock, err)) < 0)
		return rc;
	if (c->opts.damaged != NULL)
		store_read_watch(c->r, c->opts.damaged, c->opts.ctx);
	/* What a damaged store or a later one named is not for this one to judge. */
	if (opened != STORE_OPENED)
		return BL_OK;
	rc = parts_files(c->opts.parts, open_file, &o, err);
	return rc < 0 ? rc : o.rc;
}

int
compact_open(struct compact **out, const struct compact_opts *opts, int opened, struct bl_err *err)
{
	struct compact *c;
	int rc;

	*out = NULL;
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return bl_fail(err, BL_ENOMEM, "compact: out of memory");
	c->opts = *opts;
	c->age = opts->age;
	if (c->opts.after_ms == 0)
		c->opts.after_ms = COMPACT_AFTER_MS;
	if (c->opts.part_bytes == 0)
		c->opts.part_bytes = COMPACT_PART_BYTES;
	if (c->opts.part_devices == 0)
		c->opts.part_devices = COMPACT_PART_DEVICES;
	if (c->opts.unused_ms == 0)
		c->opts.unused_ms = UNUSED_MS;
	c->clean_rows = 1000;
	c->free_since_mono_ms = INT64_MIN;
	c->check.next_mono_ms = INT64_MIN;
	c->worn_after = STORE_TIME_NONE;
	c->checks_before = INT64_MIN;
	c->status.ok = true;
	c->hid_some = true;
	(void)pthread_mutex_init(&c->lock, NULL); /* neither can fail with these arguments */
	(void)pthread_cond_init(&c->wake, NULL);
	for (int i = 0; i < PARTS_LEVELS; i++)
		bl_buf_init(&c->region[i], CHUNK_REGION_MAX);
	end_round(c);
	c->round_mono_ms = INT64_MIN;
	c->retain_mono_ms = c->look_mono_ms = INT64_MIN;
	if ((c->enc = chunk_enc_create(0)) == NULL) {
		rc = bl_fail(err, BL_ENOMEM, "compact: out of memory");
		goto fail;
	}
	if ((rc = gather_open(&c->gather, err)) < 0 || (rc = open_parts(c, opened, err)) < 0)
		goto fail;
	*out = c;
	return BL_OK;

fail:
	compact_close(c);
	return rc;
}

void
compact_close(struct compact *c)
{
	if (c == NULL)
		return;
	compact_stop(c);
	store_read_close(c->r);
	gather_close(&c->gather);
	dicts_free(&c->dicts);
	old_part_free(&c->old);
	compact_check_free(&c->check);
	chunk_enc_free(c->enc);
	for (int i = 0; i < PARTS_LEVELS; i++)
		bl_buf_free(&c->region[i]);
	free(c->pack.due);
	free(c->pack.seq);
	free(c->pack.mark);
	free(c->pack.device);
	free(c->bad);
	(void)pthread_cond_destroy(&c->wake);
	(void)pthread_mutex_destroy(&c->lock);
	free(c);
}

void
compact_status(struct compact *c, struct compact_status *out)
{
	(void)pthread_mutex_lock(&c->lock);
	*out = c->status;
	(void)pthread_mutex_unlock(&c->lock);
}
