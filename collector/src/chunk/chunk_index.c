/*
 * Head and index of a region: which devices and metrics it has, and where
 * their bytes are.  Everything that a later step goes by without asking again is
 * checked here: orders, places within the region, sums of counts.
 */
#include "chunk_internal.h"

#include <stdlib.h>

static int
corrupt(struct bl_err *err, const char *what)
{
	return bl_fail(err, BL_ECORRUPT, "part: %s", what);
}

int
chunk_head_parse(const void *bytes, size_t len, struct chunk_head *out, struct bl_err *err)
{
	struct bl_rd rd;
	unsigned format, level;
	uint32_t crc;

	if (len < CHUNK_HEAD_BYTES)
		return corrupt(err, "the head is cut off");
	if (memcmp(bytes, CHUNK_MAGIC, CHUNK_MAGIC_LEN) != 0)
		return corrupt(err, "this is no part");
	bl_rd_init(
	    &rd, (const uint8_t *)bytes + CHUNK_MAGIC_LEN, CHUNK_HEAD_BYTES - CHUNK_MAGIC_LEN);
	format = bl_rd_u8(&rd);
	level = bl_rd_u8(&rd);
	*out = (struct chunk_head){ 0 };
	out->hour_unix_ms = (int64_t)bl_rd_u64(&rd);
	out->region_bytes = bl_rd_u32(&rd);
	out->index.len = bl_rd_u32(&rd);
	out->index.crc = bl_rd_u32(&rd);
	out->n_series = bl_rd_u32(&rd);
	out->n_samples = bl_rd_u64(&rd);
	(void)bl_rd_u32(&rd);
	crc = bl_rd_u32(&rd);
	if (crc != chunk_crc(bytes, CHUNK_HEAD_BYTES - 4))
		return corrupt(err, "the head's checksum is wrong");
	if (format > CHUNK_FORMAT)
		return bl_fail(
		    err, BL_ENEWER, "part: format %u is newer than this program", format);
	if (format == 0 || level >= CHUNK_LEVELS)
		return corrupt(err, "the head's format or level");
	if (out->region_bytes > CHUNK_REGION_MAX || out->index.len > CHUNK_REGION_MAX ||
	    out->region_bytes < CHUNK_HEAD_BYTES + out->index.len || out->n_series == 0 ||
	    out->n_series > CHUNK_SERIES_MAX || out->hour_unix_ms < -(INT64_C(1) << 53) ||
	    out->hour_unix_ms > INT64_C(1) << 53)
		return corrupt(err, "the head's sizes");
	out->index.offset = out->region_bytes - out->index.len;
	out->level = (enum chunk_level)level;
	return BL_OK;
}

/* ---- sources ---- */

/* Both below add what a source has; NULL or what is wrong; "" for out of memory. */
static const char *
get_times(struct chunk_index *ix, struct bl_rd *rd, struct ix_source *s)
{
	s->n = (uint32_t)bl_rd_varint_max(rd, bl_rd_left(rd) / 2);
	s->first = (uint32_t)ix->n_times;
	if (s->n > 0)
		s->times.crc = bl_rd_u32(rd);
	if (rd->failed)
		return "time columns";
	if (!chunk_grow(&ix->times, ix->n_times, s->n, &ix->size_times, sizeof(*ix->times)))
		return "";
	for (uint32_t i = 0; i < s->n; i++) {
		struct ix_times t = { .offset = s->times.len };

		t.n = (uint32_t)bl_rd_varint_max(rd, CHUNK_SAMPLES_MAX);
		t.len = (uint32_t)bl_rd_varint_max(rd, ix->head.region_bytes - s->times.len);
		if (rd->failed || t.n == 0 || t.len == 0)
			return "time columns";
		s->times.len += t.len;
		ix->times[ix->n_times++] = t;
	}
	return NULL;
}

static const char *
get_edges(struct chunk_index *ix, struct bl_rd *rd, struct ix_source *s, int64_t *boot)
{
	const int64_t hour = ix->head.hour_unix_ms;

	s->n = (uint32_t)bl_rd_varint_max(rd, bl_rd_left(rd) / 4);
	s->first = (uint32_t)ix->n_edges;
	if (rd->failed)
		return "edges";
	if (!chunk_grow(&ix->edge, ix->n_edges, s->n, &ix->size_edges, sizeof(*ix->edge)))
		return "";
	for (uint32_t i = 0; i < s->n; i++) {
		struct chunk_edge g;

		g.first_unix_ms = hour + (int64_t)bl_rd_varint_max(rd, CHUNK_HOUR_MS - 1);
		g.last_unix_ms =
		    hour + CHUNK_HOUR_MS - 1 - (int64_t)bl_rd_varint_max(rd, CHUNK_HOUR_MS - 1);
		g.first_boot = (int64_t)((uint64_t)*boot + (uint64_t)bl_rd_zigzag(rd));
		g.last_boot = (int64_t)((uint64_t)g.first_boot + (uint64_t)bl_rd_zigzag(rd));
		if (rd->failed || g.first_unix_ms > g.last_unix_ms)
			return "edges";
		*boot = g.last_boot;
		ix->edge[ix->n_edges++] = g;
	}
	return NULL;
}

static const char *
get_sources(struct chunk_index *ix, struct bl_rd *rd)
{
	const uint64_t n = bl_rd_varint_max(rd, CHUNK_DEVICES_MAX);
	const struct ix_source *last = NULL;
	const char *bad = NULL;
	int64_t boot = 0;

	/* A source is three bytes at least. */
	if (rd->failed || n == 0 || n > bl_rd_left(rd) / 3)
		return "number of devices";
	if ((ix->source = calloc(n, sizeof(*ix->source))) == NULL)
		return "";
	for (; bad == NULL && ix->n_sources < n; last = &ix->source[ix->n_sources++]) {
		struct ix_source *s = &ix->source[ix->n_sources];

		if (last == NULL)
			s->device = bl_rd_zigzag(rd);
		else
			s->device = (int64_t)((uint64_t)last->device + bl_rd_varint(rd));
		s->stream = bl_rd_u8(rd);
		if (rd->failed || s->stream < BL_STREAM_EVENTS || s->stream > BL_STREAM_HOST ||
		    (last != NULL && (s->device < last->device ||
					 (s->device == last->device && s->stream <= last->stream))))
			return "order of devices";
		bad = ix->head.level == CHUNK_RAW ? get_times(ix, rd, s)
						  : get_edges(ix, rd, s, &boot);
	}
	return bad;
}

/* ---- shapes ---- */

static const char *
get_shapes(struct chunk_index *ix, struct bl_rd *rd)
{
	const unsigned windows = ix->head.level == CHUNK_M5 ? CHUNK_WINDOWS : 1;
	const uint64_t n = bl_rd_varint_max(rd, bl_rd_left(rd) / 2);
	const uint8_t *begin = rd->p;
	struct chunk_shape shape;

	if (rd->failed)
		return "number of shapes";
	if ((ix->shape_at = calloc(n + 1, sizeof(*ix->shape_at))) == NULL)
		return "";
	for (ix->n_shapes = 0; ix->n_shapes < n;) {
		chunk_shape_get(rd, &shape, windows);
		if (rd->failed)
			return "shapes";
		ix->shape_at[++ix->n_shapes] = (uint32_t)(rd->p - begin);
	}
	if ((ix->shapes = malloc(ix->shape_at[n] + 1)) == NULL)
		return "";
	memcpy(ix->shapes, begin, ix->shape_at[n]);
	return NULL;
}

/* ---- metrics ---- */

static const char *
get_name(
    struct chunk_index *ix, struct bl_rd *rd, const struct ix_metric *last, struct ix_metric *m)
{
	const uint64_t same = bl_rd_varint_max(rd, last == NULL ? 0 : last->name_len);
	char name[BL_NAME_MAX];
	const uint8_t *rest;
	int order = 1;
	size_t len;

	rest = bl_rd_blob(rd, BL_NAME_MAX - same, &len);
	if (rd->failed || same + len == 0)
		return "name of a metric";
	if (last != NULL)
		memcpy(name, ix->names.data + last->name, same);
	memcpy(name + same, rest, len);
	m->name = (uint32_t)ix->names.len;
	m->name_len = (uint8_t)(same + len);
	if (last != NULL) {
		const uint8_t shorter = last->name_len < m->name_len ? last->name_len : m->name_len;

		order = memcmp(name, ix->names.data + last->name, shorter);
		if (order == 0)
			order = m->name_len - last->name_len;
	}
	if (order <= 0)
		return "order of metrics";
	bl_buf_bytes(&ix->names, name, m->name_len);
	return ix->names.failed ? "" : NULL;
}

/* *at: where the section begins; moved behind it. */
static const char *
get_metric(struct chunk_index *ix, struct bl_rd *rd, const struct ix_metric *last,
    struct ix_metric *m, uint64_t *at)
{
	const uint64_t most = ix->head.index.offset;
	const char *bad = get_name(ix, rd, last, m);

	if (bad != NULL)
		return bad;
	m->n_series = (uint32_t)bl_rd_varint_max(rd, CHUNK_SERIES_MAX);
	m->blocks = (uint32_t)bl_rd_varint_max(rd, m->n_series);
	m->dir_len = (uint32_t)bl_rd_varint_max(rd, most);
	m->dir_crc = bl_rd_u32(rd);
	m->len = m->dir_len + (uint32_t)bl_rd_varint_max(rd, most);
	m->offset = (uint32_t)*at;
	*at += m->len;
	if (rd->failed || m->blocks == 0 || m->dir_len / 8 < m->blocks || *at > most)
		return "place of a metric";
	return NULL;
}

static const char *
get_metrics(struct chunk_index *ix, struct bl_rd *rd, uint64_t *at)
{
	const uint64_t n = bl_rd_varint_max(rd, bl_rd_left(rd) / 10);
	const struct ix_metric *last = NULL;
	const char *bad = NULL;
	uint64_t series = 0;

	if (rd->failed || n == 0)
		return "number of metrics";
	if ((ix->metric = calloc(n, sizeof(*ix->metric))) == NULL)
		return "";
	for (; bad == NULL && ix->n_metrics < n; last = &ix->metric[ix->n_metrics++]) {
		bad = get_metric(ix, rd, last, &ix->metric[ix->n_metrics], at);
		series += ix->metric[ix->n_metrics].n_series;
	}
	if (bad == NULL && series != ix->head.n_series)
		return "number of series";
	return bad;
}

/* ---- all of it ---- */

static const char *
parse(struct chunk_index *ix, struct bl_rd *rd)
{
	uint64_t at = CHUNK_HEAD_BYTES;
	const char *bad = get_sources(ix, rd);

	if (bad == NULL && ix->head.level != CHUNK_RAW)
		bad = get_shapes(ix, rd);
	if (bad == NULL)
		bad = get_metrics(ix, rd, &at);
	if (bad != NULL)
		return bad;
	for (uint32_t i = 0; i < ix->n_sources; i++) {
		ix->source[i].times.offset = (uint32_t)at;
		at += ix->source[i].times.len;
		if (at > ix->head.index.offset)
			return "place of time columns";
	}
	return at != ix->head.index.offset || bl_rd_left(rd) != 0 ? "bytes that nothing names"
								  : NULL;
}

int
chunk_index_parse(
    struct chunk_index **out, const struct chunk_head *head, const void *bytes, struct bl_err *err)
{
	struct chunk_index *ix;
	const char *bad;
	struct bl_rd rd;

	*out = NULL;
	if (!chunk_span_ok(&head->index, bytes))
		return corrupt(err, "the index's checksum is wrong");
	if ((ix = calloc(1, sizeof(*ix))) == NULL)
		return bl_fail(err, BL_ENOMEM, "part: out of memory");
	ix->head = *head;
	bl_buf_init(&ix->names, CHUNK_REGION_MAX);
	bl_rd_init(&rd, bytes, head->index.len);
	bad = parse(ix, &rd);
	if (bad == NULL) {
		*out = ix;
		return BL_OK;
	}
	chunk_index_free(ix);
	return *bad == '\0' ? bl_fail(err, BL_ENOMEM, "part: out of memory") : corrupt(err, bad);
}

void
chunk_index_free(struct chunk_index *ix)
{
	if (ix == NULL)
		return;
	free(ix->source);
	free(ix->times);
	free(ix->edge);
	free(ix->metric);
	free(ix->shapes);
	free(ix->shape_at);
	bl_buf_free(&ix->names);
	free(ix);
}

/* ---- asking ---- */

const struct chunk_head *
chunk_index_head(const struct chunk_index *ix)
{
	return &ix->head;
}

size_t
chunk_index_bytes(const struct chunk_index *ix)
{
	return sizeof(*ix) + ix->n_sources * sizeof(*ix->source) +
	       ix->size_times * sizeof(*ix->times) + ix->size_edges * sizeof(*ix->edge) +
	       ix->n_metrics * sizeof(*ix->metric) + ix->names.size +
	       (ix->n_shapes + 1) * sizeof(*ix->shape_at) +
	       (ix->n_shapes > 0 ? ix->shape_at[ix->n_shapes] : 0);
}

uint32_t
chunk_sources(const struct chunk_index *ix)
{
	return ix->n_sources;
}

void
chunk_source_at(const struct chunk_index *ix, uint32_t source, struct chunk_source *out)
{
	const struct ix_source *s = &ix->source[source];

	out->device = s->device;
	out->stream = (enum bl_stream)s->stream;
	out->n_times = ix->head.level == CHUNK_RAW ? s->n : 0;
	out->times = s->times;
}

int64_t
chunk_source_find(const struct chunk_index *ix, int64_t device, enum bl_stream stream)
{
	uint32_t low = 0, high = ix->n_sources;

	while (low < high) {
		const uint32_t mid = low + (high - low) / 2;
		const struct ix_source *s = &ix->source[mid];

		if (s->device < device || (s->device == device && s->stream < (int)stream))
			low = mid + 1;
		else
			high = mid;
	}
	return low < ix->n_sources && ix->source[low].device == device &&
		       ix->source[low].stream == (int)stream
		   ? (int64_t)low
		   : -1;
}

uint32_t
chunk_metrics(const struct chunk_index *ix)
{
	return ix->n_metrics;
}

void
chunk_metric_at(const struct chunk_index *ix, uint32_t metric, struct chunk_metric *out)
{
	const struct ix_metric *m = &ix->metric[metric];

	out->name = (struct bl_str){ (const char *)ix->names.data + m->name, m->name_len };
	out->n_series = m->n_series;
	out->n_blocks = m->blocks;
	out->dir = (struct chunk_span){ m->offset, m->dir_len, m->dir_crc };
	out->offset = m->offset;
	out->len = m->len;
}

int64_t
chunk_metric_find(const struct chunk_index *ix, struct bl_str name)
{
	uint32_t low = 0, high = ix->n_metrics;

	while (low < high) {
		const uint32_t mid = low + (high - low) / 2;
		const struct ix_metric *m = &ix->metric[mid];
		const size_t shorter = m->name_len < name.len ? m->name_len : name.len;
		int order = memcmp(ix->names.data + m->name, name.p, shorter);

		if (order == 0 && m->name_len == name.len)
			return mid;
		if (order == 0)
			order = m->name_len < name.len ? -1 : 1;
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return -1;
}

uint32_t
chunk_times_n(const struct chunk_index *ix, uint32_t source, uint32_t k)
{
	const struct ix_source *s = &ix->source[source];

	return ix->head.level == CHUNK_RAW && k < s->n ? ix->times[s->first + k].n : 0;
}
