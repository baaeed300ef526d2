/*
 * The encoder's end: columns are put in order (metric, source, series), and
 * each level is written as a region.  README.md has the bytes.
 */
#include "chunk_internal.h"

/*
 * A block is read and checked as a whole to get at one series: raw ones hold about twelve, the
 * others some forty; their entry in the directory costs ten bytes.
 */
static const uint32_t block_bytes[CHUNK_LEVELS] = { 4096, 2048, 1024 };

struct finish {
	struct chunk_enc *e;
	struct chunk_orders o;
	struct bl_buf dir, blocks, index;
	struct bl_buf *out; /* the region under way */
};

static void
finish_free(struct finish *f)
{
	chunk_orders_free(&f->o);
	bl_buf_free(&f->dir);
	bl_buf_free(&f->blocks);
	bl_buf_free(&f->index);
}

/* ---- blocks ---- */

/* What an entry's fields are told apart from; the reader has the same. */
struct entry_state {
	uint32_t source, interval_ms;
	int64_t series, step[2];
};

static uint8_t
entry_flags(const struct enc_column *c, unsigned level)
{
	uint8_t flags = c->counter ? COL_COUNTER : 0;

	if (level == CHUNK_RAW) {
		flags |= c->unknown ? COL_UNKNOWN : 0;
		flags |= c->thin ? COL_THIN : 0;
	} else {
		flags |= c->has_edge && c->edge != 0 ? COL_UNKNOWN : 0;
		flags |= c->first_own ? COL_THIN : 0;
	}
	return flags;
}

/* Which time column or shape; one beyond the shapes: it is not in the index. */
static uint32_t
reference(const struct finish *f, const struct enc_column *c, unsigned level)
{
	const struct chunk_shape_refs *s = &f->o.shapes[level == CHUNK_H1];
	uint32_t ref;

	if (level == CHUNK_RAW)
		return c->times;
	ref = s->ref[c->shape[level - 1]];
	return ref < s->n ? ref : s->n;
}

/* A shape that is not in the index stands in the entry. */
static void
put_shape(struct finish *f, const struct enc_column *c, unsigned level, uint32_t ref)
{
	const struct chunk_intern *t = &f->e->shape[level - 1];
	const struct chunk_item *m = &t->item[c->shape[level - 1]];

	if (ref == f->o.shapes[level - 1].n)
		bl_buf_bytes(&f->blocks, t->bytes.data + m->at, m->len);
}

static void
put_entry(struct finish *f, const struct enc_column *c, unsigned level, struct entry_state *st)
{
	const uint32_t source = f->o.source_rank[c->source], ahead = source - st->source;
	const int64_t step = (int64_t)((uint64_t)c->series - (uint64_t)st->series);
	const uint32_t ref = reference(f, c, level);
	const struct chunk_piece *body = &c->piece[level];
	struct bl_buf *out = &f->blocks;
	uint8_t flags = entry_flags(c, level);

	flags |= (uint8_t)(ahead > 1 ? COL_STEP_STATED : ahead);
	flags |= step != st->step[ahead > 0] ? COL_SERIES : 0;
	flags |= c->interval_ms != st->interval_ms ? COL_INTERVAL : 0;
	flags |= ref != 0 || (level != CHUNK_RAW && f->o.shapes[level - 1].n == 0) ? COL_REF : 0;
	bl_buf_u8(out, flags);
	if (ahead > 1)
		bl_buf_varint(out, ahead);
	if ((flags & COL_SERIES) != 0)
		bl_buf_zigzag(out, step);
	if ((flags & COL_INTERVAL) != 0)
		bl_buf_varint(out, c->interval_ms);
	if ((flags & COL_REF) != 0)
		bl_buf_varint(out, ref);
	if (level != CHUNK_RAW) {
		put_shape(f, c, level, ref);
		if ((flags & COL_UNKNOWN) != 0)
			bl_buf_varint(out, c->edge);
	}
	bl_buf_varint(out, body->len);
	bl_buf_bytes(out, f->e->level[level].data + body->at, body->len);
	st->source = source;
	st->series = c->series;
	st->step[ahead > 0] = step;
	st->interval_ms = c->interval_ms;
}

/* One block from column first on; returns the first one behind it. */
static size_t
put_block(struct finish *f, size_t first, size_t end, unsigned level, uint32_t *last_source)
{
	const struct chunk_enc *e = f->e;
	const size_t at = f->blocks.len;
	const uint32_t begin = f->o.source_rank[e->column[f->o.column[first]].source];
	struct entry_state st = { .source = begin };
	size_t i = first;

	do {
		put_entry(f, &e->column[f->o.column[i++]], level, &st);
	} while (i < end && f->blocks.len - at < block_bytes[level]);
	bl_buf_varint(&f->dir, i - first);
	bl_buf_varint(&f->dir, begin - *last_source);
	bl_buf_varint(&f->dir, st.source - begin);
	bl_buf_varint(&f->dir, f->blocks.len - at);
	bl_buf_u32(
	    &f->dir, f->blocks.failed ? 0 : chunk_crc(f->blocks.data + at, f->blocks.len - at));
	*last_source = st.source;
	return i;
}

/* ---- sections ---- */

static void
put_name(struct finish *f, uint32_t metric, uint32_t before)
{
	const struct chunk_intern *t = &f->e->metric;
	const struct chunk_item *m = &t->item[metric], *b = &t->item[before];
	const uint8_t *name = t->bytes.data + m->at;
	uint32_t same = 0;

	while (metric != before && same < m->len && same < b->len &&
	       name[same] == t->bytes.data[b->at + same])
		same++;
	bl_buf_varint(&f->index, same);
	bl_buf_blob(&f->index, name + same, m->len - same);
}

/* The columns of one metric, first.. of f->o.column; returns the first one behind them. */
static size_t
put_section(struct finish *f, size_t first, uint32_t before, unsigned level)
{
	const struct chunk_enc *e = f->e;
	const uint32_t metric = e->column[f->o.column[first]].metric;
	uint32_t last_source = 0, blocks = 0;
	size_t end = first;

	while (end < e->n_columns && e->column[f->o.column[end]].metric == metric)
		end++;
	bl_buf_reset(&f->dir);
	bl_buf_reset(&f->blocks);
	for (size_t i = first; i < end; blocks++)
		i = put_block(f, i, end, level, &last_source);
	put_name(f, metric, before);
	bl_buf_varint(&f->index, end - first);
	bl_buf_varint(&f->index, blocks);
	bl_buf_varint(&f->index, f->dir.len);
	bl_buf_u32(&f->index, f->dir.failed ? 0 : chunk_crc(f->dir.data, f->dir.len));
	bl_buf_varint(&f->index, f->blocks.len);
	bl_buf_bytes(f->out, f->dir.data, f->dir.len);
	bl_buf_bytes(f->out, f->blocks.data, f->blocks.len);
	f->out->failed = f->out->failed || f->dir.failed || f->blocks.failed;
	return end;
}

/* ---- index ---- */

/* The edges of one source, which begin at g; boot: of the edge before. */
static void
put_edges(struct finish *f, const uint32_t *g, uint32_t n, int64_t *boot)
{
	const int64_t hour = f->e->hour_unix_ms;

	bl_buf_varint(&f->index, n);
	for (uint32_t i = 0; i < n; i++) {
		const struct chunk_edge *x = &f->e->edge[g[i]].edge;

		bl_buf_varint(&f->index, (uint64_t)(x->first_unix_ms - hour));
		bl_buf_varint(&f->index, (uint64_t)(hour + CHUNK_HOUR_MS - 1 - x->last_unix_ms));
		bl_buf_zigzag(&f->index, (int64_t)((uint64_t)x->first_boot - (uint64_t)*boot));
		bl_buf_zigzag(
		    &f->index, (int64_t)((uint64_t)x->last_boot - (uint64_t)x->first_boot));
		*boot = x->last_boot;
	}
}

static void
put_time_bytes(const struct finish *f, uint32_t t, struct bl_buf *out)
{
	const struct chunk_piece *p = &f->e->times[t].bytes;

	bl_buf_bytes(out, f->e->time_bytes.data + p->at, p->len);
}

/* What is said of the time columns of one source, which begin at t. */
static void
put_times(struct finish *f, const uint32_t *t, uint32_t n)
{
	const struct chunk_enc *e = f->e;

	bl_buf_varint(&f->index, n);
	bl_buf_reset(&f->blocks);
	for (uint32_t i = 0; i < n; i++)
		put_time_bytes(f, t[i], &f->blocks);
	f->index.failed = f->index.failed || f->blocks.failed;
	if (n > 0 && !f->blocks.failed)
		bl_buf_u32(&f->index, chunk_crc(f->blocks.data, f->blocks.len));
	for (uint32_t i = 0; i < n; i++) {
		bl_buf_varint(&f->index, e->times[t[i]].n);
		bl_buf_varint(&f->index, e->times[t[i]].bytes.len);
	}
}

static void
put_sources(struct finish *f, unsigned level)
{
	const uint32_t *times = f->o.times, *edge = f->o.edge;
	const struct chunk_enc *e = f->e;
	int64_t device = 0, boot = 0;

	bl_buf_varint(&f->index, e->n_sources);
	for (size_t i = 0; i < e->n_sources; i++) {
		const struct enc_source *s = &e->source[f->o.source[i]];

		if (i == 0)
			bl_buf_zigzag(&f->index, s->device);
		else
			bl_buf_varint(&f->index, (uint64_t)s->device - (uint64_t)device);
		bl_buf_u8(&f->index, (uint8_t)s->stream);
		device = s->device;
		if (level == CHUNK_RAW)
			put_times(f, times, s->n_times);
		else
			put_edges(f, edge, s->n_edges, &boot);
		times += s->n_times;
		edge += s->n_edges;
	}
}

static void
put_shapes(struct finish *f, unsigned level)
{
	const struct chunk_shape_refs *s = &f->o.shapes[level - 1];
	const struct chunk_intern *t = &f->e->shape[level - 1];

	bl_buf_varint(&f->index, s->n);
	for (uint32_t i = 0; i < s->n; i++) {
		const struct chunk_item *m = &t->item[s->order[i]];

		bl_buf_bytes(&f->index, t->bytes.data + m->at, m->len);
	}
}

/* ---- regions ---- */

/* Over the room that was left for it at the region's begin. */
static void
put_head(const struct finish *f, unsigned level, uint8_t *at, size_t region)
{
	const struct chunk_enc *e = f->e;
	struct bl_buf out = { at, 0, CHUNK_HEAD_BYTES, CHUNK_HEAD_BYTES, false };

	bl_buf_bytes(&out, CHUNK_MAGIC, CHUNK_MAGIC_LEN);
	bl_buf_u8(&out, CHUNK_FORMAT);
	bl_buf_u8(&out, (uint8_t)level);
	bl_buf_u64(&out, (uint64_t)e->hour_unix_ms);
	bl_buf_u32(&out, (uint32_t)region);
	bl_buf_u32(&out, (uint32_t)f->index.len);
	bl_buf_u32(&out, chunk_crc(f->index.data, f->index.len));
	bl_buf_u32(&out, (uint32_t)e->n_columns);
	bl_buf_u64(&out, e->n_samples);
	bl_buf_u32(&out, 0);
	bl_buf_u32(&out, chunk_crc(at, CHUNK_HEAD_BYTES - 4));
}

static int
write_region(struct finish *f, unsigned level, struct bl_buf *out)
{
	static const uint8_t room[CHUNK_HEAD_BYTES];
	const struct chunk_enc *e = f->e;
	uint32_t before = e->column[f->o.column[0]].metric;
	const size_t begin = out->len;
	size_t region;

	bl_buf_reset(&f->index);
	f->out = out;
	bl_buf_bytes(out, room, sizeof(room));
	put_sources(f, level);
	if (level != CHUNK_RAW)
		put_shapes(f, level);
	bl_buf_varint(&f->index, f->o.n_metrics);
	for (size_t i = 0, end; i < e->n_columns; i = end) {
		end = put_section(f, i, before, level);
		before = e->column[f->o.column[i]].metric;
	}
	for (size_t i = 0; level == CHUNK_RAW && i < e->n_times; i++)
		put_time_bytes(f, f->o.times[i], out);
	bl_buf_bytes(out, f->index.data, f->index.len);
	if (out->failed || f->index.failed)
		return chunk_enc_bytes(e) > out->cap - begin ? BL_EFULL : BL_ENOMEM;
	region = out->len - begin;
	if (region > CHUNK_REGION_MAX)
		return BL_EFULL;
	put_head(f, level, out->data + begin, region);
	return BL_OK;
}

static void
count(const struct finish *f, struct chunk_counts *c)
{
	const struct chunk_enc *e = f->e;

	c->samples = e->n_samples;
	c->series = (uint32_t)e->n_columns;
	c->sources = (uint32_t)e->n_sources;
	c->metrics = f->o.n_metrics;
}

int
chunk_enc_finish(struct chunk_enc *e, struct bl_buf out[CHUNK_LEVELS], struct chunk_counts *counts,
    struct bl_err *err)
{
	struct finish f = { .e = e };
	size_t before[CHUNK_LEVELS];
	int rc;

	if (e->n_columns == 0)
		return bl_fail(err, BL_EINVAL, "part: no series");
	bl_buf_init(&f.dir, CHUNK_REGION_MAX);
	bl_buf_init(&f.blocks, CHUNK_REGION_MAX);
	bl_buf_init(&f.index, CHUNK_REGION_MAX);
	for (unsigned l = 0; l < CHUNK_LEVELS; l++)
		before[l] = out[l].len;
	if ((rc = chunk_orders_make(&f.o, e, err)) < 0)
		goto done;
	for (unsigned l = 0; rc == BL_OK && l < CHUNK_LEVELS; l++)
		rc = write_region(&f, l, &out[l]);
	if (rc == BL_OK && counts != NULL)
		count(&f, counts);
	for (unsigned l = 0; rc < 0 && l < CHUNK_LEVELS; l++) {
		out[l].len = before[l];
		out[l].failed = false;
	}
	if (rc < 0)
		rc = bl_fail(err, rc, "part: %s",
		    rc == BL_EFULL ? "a region passes its cap" : "out of memory");
done:
	finish_free(&f);
	return rc;
}
