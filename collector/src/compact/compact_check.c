/*
 * The daily look at everything that lies in parts: rows of the manifest agree with their sums, and
 * every byte that they name is there and agrees with its own.
 *
 * A disk changes bits of what nobody reads for months.  What cannot be read is named, with
 * its file and hour, and stays so until it can, or is there no more: an hour without its
 * samples must not look like one in which there were none.  So what a part has of its devices' hour
 * at the finest level that it still has goes into the ledger (compact_lost.c), and out again.
 */
#include "compact_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "branchline/log.h"

#define ROUND_EVERY_MS 86400000
#define SLICE_BYTES    (4 << 20) /* of a step that had nothing else to do */
#define PIECE_BYTES    4096      /* what a small piece costs at least */

/* ---- what was found ---- */

static void
say(const struct compact_damage *d)
{
	const time_t t = (time_t)(d->hour_unix_ms / 1000);
	char hour[32];
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL || strftime(hour, sizeof(hour), "%Y-%m-%dT%H:00Z", &tm) == 0)
		(void)snprintf(hour, sizeof(hour), "%lld", (long long)d->hour_unix_ms);
	bl_error("compact",
	    "a part does not hold: %s; its hours are unknown until the file is put back out of a"
	    " copy file=%s hour=%s part=%lld",
	    d->why, d->file, hour, (long long)d->part);
}

static void
publish(struct compact *c)
{
	const struct check *k = &c->check;
	struct compact_status *s = &c->status;

	(void)pthread_mutex_lock(&c->lock);
	s->damaged = k->n_bad + (k->more > k->more_last ? k->more : k->more_last);
	s->damaged_listed = k->n_bad < COMPACT_DAMAGED ? (unsigned)k->n_bad : COMPACT_DAMAGED;
	for (unsigned i = 0; i < s->damaged_listed; i++)
		s->damaged_at[i] = k->bad[i].d;
	(void)pthread_mutex_unlock(&c->lock);
}

/* What is to be looked at is named no more, or lies elsewhere: retention, a part written anew. */
static int
still_named(struct compact *c, bool *out, struct bl_err *err)
{
	const struct check *k = &c->check;
	struct store_part now;
	const int rc = store_read_part(c->r, k->part.id, &now, err);

	*out = rc == BL_OK && now.hour_unix_ms == k->part.hour_unix_ms &&
	       (k->level < 0 || (now.bytes[k->level] == k->part.bytes[k->level] &&
				    now.offset[k->level] == k->part.offset[k->level]));
	return rc == BL_ENOTFOUND ? BL_OK : rc;
}

static int
note(struct compact *c, const char *why, struct bl_err *err)
{
	struct check *k = &c->check;
	struct compact_damage d = { .part = k->part.id, .hour_unix_ms = k->part.hour_unix_ms };
	bool named;
	size_t i = 0;
	int rc;

	(void)snprintf(d.why, sizeof(d.why), "%s", why);
	if ((rc = still_named(c, &named, err)) < 0 || !named)
		return rc;
	if (k->level < 0)
		(void)snprintf(d.file, sizeof(d.file), "telemetry.db");
	else
		parts_name((enum parts_level)k->level, d.hour_unix_ms, d.file);
	while (
	    i < k->n_bad && (k->bad[i].d.part != d.part || strcmp(k->bad[i].d.file, d.file) != 0))
		i++;
	if (i == CHECK_BAD_MAX) {
		if (k->more++ == 0)
			say(&d);
	} else {
		if (i == k->n_bad) {
			k->n_bad++;
			say(&d);
		}
		k->bad[i].d = d;
		k->bad[i].round = k->round;
	}
	publish(c);
	return k->level == compact_finest(&k->part) ? compact_lost(c, &k->part, err) : BL_OK;
}

/* ---- bytes ---- */

static int
fetch(struct compact *c, const struct chunk_span *s, struct check_bytes *b, struct bl_err *err)
{
	struct check *k = &c->check;
	int rc;

	k->left -= PIECE_BYTES + (int64_t)s->len;
	/* Before there is memory for what no region can have. */
	if ((int64_t)s->offset > k->region.bytes ||
	    (int64_t)s->len > k->region.bytes - (int64_t)s->offset)
		return bl_fail(err, BL_ECORRUPT, "its index leads out of it");
	if (s->len >= b->size) {
		uint8_t *more = realloc(b->p, (size_t)s->len + 1);

		if (more == NULL)
			return bl_fail(err, BL_ENOMEM, "compact: out of memory");
		b->p = more;
		b->size = (size_t)s->len + 1;
	}
	if (s->len == 0)
		return BL_OK;
	if ((rc = parts_read(c->opts.parts, &k->region, s->offset, b->p, s->len, err)) < 0)
		return rc;
	if (!chunk_span_ok(s, b->p))
		return bl_fail(err, BL_ECORRUPT,
		    "%u bytes at %lld do not agree with their checksum", s->len,
		    (long long)(k->region.offset + (int64_t)s->offset));
	return BL_OK;
}

/* Out of the file: the index that readers keep tells nothing of it. */
static int
open_region(struct compact *c, struct bl_err *err)
{
	struct check *k = &c->check;
	const struct parts_region *g = &k->region;
	uint8_t bytes[CHUNK_HEAD_BYTES];
	struct chunk_head head;
	int rc;

	parts_look(c->opts.parts, g->level, g->hour_unix_ms);
	if ((rc = parts_read(c->opts.parts, g, 0, bytes, sizeof(bytes), err)) < 0 ||
	    (rc = chunk_head_parse(bytes, sizeof(bytes), &head, err)) < 0)
		return rc;
	if (head.level != (enum chunk_level)g->level || head.hour_unix_ms != g->hour_unix_ms ||
	    (int64_t)head.region_bytes != g->bytes)
		return bl_fail(err, BL_ECORRUPT, "there is another part in its place");
	if ((rc = fetch(c, &head.index, &k->dir_bytes, err)) < 0)
		return rc;
	return chunk_index_parse(&k->ix, &head, k->dir_bytes.p, err);
}

static void
close_region(struct check *k)
{
	chunk_index_free(k->ix);
	k->ix = NULL;
	k->source = k->metric = 0;
	k->in_dir = k->in_region = false;
}

/* The next block of the metric: 1, 0: it has no more. */
static int
look_at_block(struct compact *c, struct bl_err *err)
{
	struct check *k = &c->check;
	struct chunk_block b;
	int rc = chunk_dir_next(&k->dir, &b, err);

	if (rc == 1 && (rc = fetch(c, &b.span, &k->block, err)) == BL_OK)
		return 1;
	k->in_dir = false;
	return rc;
}

/* 1: there is more of the region; 0: it holds; negative. */
static int
look_at_piece(struct compact *c, struct bl_err *err)
{
	struct check *k = &c->check;
	struct chunk_source s;
	struct chunk_metric m;
	int rc;

	if (k->ix == NULL) {
		rc = open_region(c, err);
	} else if (k->source < chunk_sources(k->ix)) {
		chunk_source_at(k->ix, k->source++, &s);
		rc = fetch(c, &s.times, &k->block, err);
	} else if (k->in_dir) {
		rc = look_at_block(c, err);
	} else if (k->metric < chunk_metrics(k->ix)) {
		chunk_metric_at(k->ix, k->metric++, &m);
		if ((rc = fetch(c, &m.dir, &k->dir_bytes, err)) == BL_OK)
			rc = chunk_dir_open(&k->dir, k->ix, &m, k->dir_bytes.p, err);
		k->in_dir = rc == BL_OK;
	} else {
		return 0;
	}
	return rc < 0 ? rc : 1;
}

/* ---- the round ---- */

/* The next region that rows name: 1; 0: there is none. */
static int
next_region(struct compact *c, struct bl_err *err)
{
	struct check *k = &c->check;
	bool holds;
	int rc;

	for (;;) {
		while (++k->level < PARTS_LEVELS) {
			if (k->part.bytes[k->level] == 0)
				continue;
			k->region = (struct parts_region){ k->part.id, k->part.hour_unix_ms,
				(enum parts_level)k->level, k->part.offset[k->level],
				k->part.bytes[k->level] };
			return k->in_region = true;
		}
		if ((rc = store_read_part_after(c->r, k->part.id, &k->part, &holds, err)) <= 0)
			return rc;
		k->level = -1;
		if (!holds && (rc = note(c, "its row does not agree with its checksum", err)) < 0)
			return rc;
	}
}

static int
end_round(struct compact *c, struct bl_err *err)
{
	struct check *k = &c->check;
	size_t n = 0;
	int rc;

	if ((rc = compact_found(c, err)) < 0)
		return rc;

	for (size_t i = 0; i < k->n_bad; i++)
		if (k->bad[i].round == k->round)
			k->bad[n++] = k->bad[i];
	k->n_bad = n;
	k->more_last = k->more;
	k->in_round = false;
	publish(c);
	(void)pthread_mutex_lock(&c->lock);
	c->status.checked_unix_ms = bl_unix_ms(c->opts.clock);
	(void)pthread_mutex_unlock(&c->lock);
	return BL_OK;
}

static int
begin_round(struct compact *c, struct bl_err *err)
{
	struct check *k = &c->check;
	int rc;

	if ((rc = compact_lost_load(c, err)) < 0)
		return rc;
	k->in_round = true;
	k->round++;
	k->more = 0;
	memset(&k->part, 0, sizeof(k->part));
	k->level = PARTS_LEVELS;
	k->next_mono_ms = bl_mono_ms(c->opts.clock) + ROUND_EVERY_MS;
	return BL_OK;
}

/* What is wrong with the region, not with this program. */
static bool
is_damage(int rc)
{
	return rc == BL_ECORRUPT || rc == BL_ENOTFOUND || rc == BL_EIO || rc == BL_ENEWER;
}

int
compact_check(struct compact *c, struct bl_err *err)
{
	struct check *k = &c->check;
	int rc;

	if (!k->in_round && bl_mono_ms(c->opts.clock) < k->next_mono_ms)
		return 0;
	if (!k->in_round && (rc = begin_round(c, err)) < 0)
		return rc;
	for (k->left = SLICE_BYTES; k->left > 0;) {
		if (!k->in_region) {
			if ((rc = next_region(c, err)) < 0)
				return rc;
			if (rc == 0)
				return end_round(c, err);
		}
		if ((rc = look_at_piece(c, err)) == 1)
			continue;
		close_region(k);
		if (rc < 0 && (!is_damage(rc) || (rc = note(c, err->msg, err)) < 0))
			return rc;
	}
	return 0;
}

void
compact_check_free(struct check *k)
{
	close_region(k);
	free(k->lost);
	free(k->dir_bytes.p);
	free(k->block.p);
}
