/*
 * From a metric's section to its columns: the directory of its blocks, the
 * entries in a block; and the time columns of a source.
 */
#include "chunk_internal.h"

static int
corrupt(struct bl_err *err, const char *what)
{
	return bl_fail(err, BL_ECORRUPT, "part: %s", what);
}

/* ---- directory ---- */

int
chunk_dir_open(struct chunk_dir *d, const struct chunk_index *ix, const struct chunk_metric *m,
    const void *bytes, struct bl_err *err)
{
	if (!chunk_span_ok(&m->dir, bytes))
		return corrupt(err, "a directory's checksum is wrong");
	*d = (struct chunk_dir){ .ix = ix,
		.blocks_left = m->n_blocks,
		.series_left = m->n_series,
		.offset = m->offset + m->dir.len,
		.end = m->offset + m->len };
	bl_rd_init(&d->rd, bytes, m->dir.len);
	return BL_OK;
}

int
chunk_dir_next(struct chunk_dir *d, struct chunk_block *b, struct bl_err *err)
{
	const uint32_t sources = d->ix->n_sources;

	if (d->blocks_left == 0) {
		if (d->series_left != 0 || d->offset != d->end || bl_rd_left(&d->rd) != 0)
			return corrupt(err, "a directory and its section do not agree");
		return 0;
	}
	b->n_series = (uint32_t)bl_rd_varint_max(&d->rd, d->series_left);
	b->first = d->source + (uint32_t)bl_rd_varint_max(&d->rd, sources - 1 - d->source);
	if (d->rd.failed)
		return corrupt(err, "a block's place");
	b->last = b->first + (uint32_t)bl_rd_varint_max(&d->rd, sources - 1 - b->first);
	b->span.offset = d->offset;
	b->span.len = (uint32_t)bl_rd_varint_max(&d->rd, d->end - d->offset);
	b->span.crc = bl_rd_u32(&d->rd);
	/* An entry is two bytes at least. */
	if (d->rd.failed || b->n_series == 0 || b->span.len / 2 < b->n_series)
		return corrupt(err, "a block's place");
	d->source = b->last;
	d->series_left -= b->n_series;
	d->offset += b->span.len;
	d->blocks_left--;
	return 1;
}

int
chunk_dir_find(struct chunk_dir *d, uint32_t source, struct chunk_block *b, struct bl_err *err)
{
	int rc;

	while ((rc = chunk_dir_next(d, b, err)) == 1) {
		if (b->first > source)
			return 0;
		if (b->last >= source)
			return 1;
	}
	return rc;
}

/* ---- block ---- */

int
chunk_block_open(struct chunk_block_it *it, const struct chunk_index *ix,
    const struct chunk_block *b, const void *bytes, struct bl_err *err)
{
	if (!chunk_span_ok(&b->span, bytes))
		return corrupt(err, "a block's checksum is wrong");
	*it = (struct chunk_block_it){
		.ix = ix, .left = b->n_series, .source = b->first, .last_source = b->last
	};
	bl_rd_init(&it->rd, bytes, b->span.len);
	return BL_OK;
}

/* Source, series, interval; what is not stated follows from the column before. */
static bool
get_place(struct chunk_block_it *it, struct chunk_column *c)
{
	const unsigned step = c->flags & COL_STEP;
	struct bl_rd *rd = &it->rd;
	uint32_t ahead = step;
	int64_t before = it->series;

	if (step == COL_STEP_STATED)
		ahead = (uint32_t)bl_rd_varint_max(rd, it->last_source - it->source);
	if (step == COL_STEP || ahead > it->last_source - it->source)
		return false;
	it->source += ahead;
	if ((c->flags & COL_SERIES) != 0)
		it->step[ahead > 0] = bl_rd_zigzag(rd);
	it->series = (int64_t)((uint64_t)it->series + (uint64_t)it->step[ahead > 0]);
	if ((c->flags & COL_INTERVAL) != 0)
		it->interval_ms = (uint32_t)bl_rd_varint_max(rd, UINT32_MAX);
	if (it->begun && ahead == 0 && it->series <= before)
		return false;
	it->begun = true;
	c->source = it->source;
	c->series = it->series;
	c->interval_ms = it->interval_ms;
	c->kind = (c->flags & COL_COUNTER) != 0 ? BL_COUNTER : BL_GAUGE;
	return !rd->failed;
}

static bool
get_raw(struct chunk_block_it *it, struct chunk_column *c)
{
	const struct ix_source *s = &it->ix->source[c->source];

	c->times = (c->flags & COL_REF) != 0 ? (uint32_t)bl_rd_varint_max(&it->rd, UINT32_MAX) : 0;
	if (it->rd.failed || c->times >= s->n)
		return false;
	c->n = it->ix->times[s->first + c->times].n;
	return true;
}

static bool
get_roll(struct chunk_block_it *it, struct chunk_column *c)
{
	const struct chunk_index *ix = it->ix;
	struct chunk_shape skip;

	c->ref = 0;
	if ((c->flags & COL_REF) != 0)
		c->ref = (uint32_t)bl_rd_varint_max(&it->rd, ix->n_shapes);
	else if (ix->n_shapes == 0)
		return false;
	c->shape = it->rd.p;
	if (c->ref == ix->n_shapes)
		chunk_shape_get(&it->rd, &skip, ix->head.level == CHUNK_M5 ? CHUNK_WINDOWS : 1);
	c->shape_end = it->rd.p;
	if (it->rd.failed)
		return false;
	if (c->ref < ix->n_shapes) {
		c->shape = ix->shapes + ix->shape_at[c->ref];
		c->shape_end = ix->shapes + ix->shape_at[c->ref + 1];
	}
	c->edge = 0;
	if (c->kind != BL_COUNTER)
		return (c->flags & (COL_UNKNOWN | COL_THIN)) == 0;
	if ((c->flags & COL_UNKNOWN) != 0)
		c->edge = (uint32_t)bl_rd_varint_max(&it->rd, UINT32_MAX);
	return !it->rd.failed;
}

int
chunk_block_next(struct chunk_block_it *it, struct chunk_column *c, struct bl_err *err)
{
	const bool raw = it->ix->head.level == CHUNK_RAW;
	size_t len;

	if (it->left == 0) {
		if (bl_rd_left(&it->rd) != 0 || it->source != it->last_source)
			return corrupt(err, "a block has more than its series");
		return 0;
	}
	*c = (struct chunk_column){ .ix = it->ix, .flags = bl_rd_u8(&it->rd) };
	if (it->rd.failed || !get_place(it, c) || !(raw ? get_raw(it, c) : get_roll(it, c)))
		return corrupt(err, "the head of a series");
	c->data = bl_rd_blob(&it->rd, CHUNK_REGION_MAX, &len);
	if (it->rd.failed)
		return corrupt(err, "the length of a series");
	c->end = c->data + len;
	it->left--;
	return 1;
}

/* ---- times ---- */

int
chunk_times_get(const struct chunk_index *ix, uint32_t source, uint32_t k, const void *bytes,
    int64_t *unix_ms, struct chunk_run *runs, uint32_t size, uint32_t *n_runs, struct bl_err *err)
{
	if (!chunk_span_ok(&ix->source[source].times, bytes))
		return corrupt(err, "the checksum of time columns is wrong");
	return chunk_times_more(ix, source, k, bytes, unix_ms, runs, size, n_runs, err);
}

int
chunk_times_more(const struct chunk_index *ix, uint32_t source, uint32_t k, const void *bytes,
    int64_t *unix_ms, struct chunk_run *runs, uint32_t size, uint32_t *n_runs, struct bl_err *err)
{
	const struct ix_source *s = &ix->source[source];
	const struct ix_times *t;
	struct bl_rd rd;

	if (ix->head.level != CHUNK_RAW || k >= s->n)
		return bl_fail(err, BL_EINVAL, "part: no such time column");
	t = &ix->times[s->first + k];
	bl_rd_init(&rd, (const uint8_t *)bytes + t->offset, t->len);
	if (!chunk_times_read(&rd, ix->head.hour_unix_ms, t->n, unix_ms, runs, size, n_runs))
		return corrupt(err, "a time column");
	return BL_OK;
}
