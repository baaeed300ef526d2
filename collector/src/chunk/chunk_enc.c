/*
 * The encoder: takes time columns and columns, writes their bodies at once and
 * remembers where they are; chunk_finish.c puts them in their order.
 */
#include "chunk_internal.h"

#include <math.h>
#include <stdlib.h>

/* Memory of each array that is kept from one part to the next. */
#define KEEP_BYTES      (1u << 20)
#define TIMES_LOOKED_AT 256u
#define EDGES_LOOKED_AT 16u

static int
no_memory(struct bl_err *err)
{
	return bl_fail(err, BL_ENOMEM, "part: out of memory");
}

/* ---- life ---- */

struct chunk_enc *
chunk_enc_create(int64_t hour_unix_ms)
{
	struct chunk_enc *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	e->hour_unix_ms = hour_unix_ms;
	for (unsigned l = 0; l < CHUNK_LEVELS; l++)
		bl_buf_init(&e->level[l], CHUNK_REGION_MAX);
	bl_buf_init(&e->time_bytes, CHUNK_REGION_MAX);
	chunk_intern_init(&e->metric);
	chunk_intern_init(&e->shape[0]);
	chunk_intern_init(&e->shape[1]);
	if ((e->sketcher = chunk_sketcher_create()) == NULL) {
		chunk_enc_free(e);
		return NULL;
	}
	return e;
}

void
chunk_enc_free(struct chunk_enc *e)
{
	if (e == NULL)
		return;
	for (unsigned l = 0; l < CHUNK_LEVELS; l++)
		bl_buf_free(&e->level[l]);
	bl_buf_free(&e->time_bytes);
	chunk_intern_free(&e->metric);
	chunk_intern_free(&e->shape[0]);
	chunk_intern_free(&e->shape[1]);
	chunk_sketcher_free(e->sketcher);
	free(e->source);
	free(e->times);
	free(e->edge);
	free(e->column);
	free(e->ms);
	free(e->run);
	free(e->scratch);
	free(e);
}

static void
reset_buf(struct bl_buf *b)
{
	if (b->size > KEEP_BYTES)
		bl_buf_free(b);
	bl_buf_reset(b);
}

/* Gives an array back that has grown beyond what is usual. */
static void
reset_array(void *p, size_t *n, size_t *size, size_t item)
{
	void **array = p;

	*n = 0;
	if (*size <= KEEP_BYTES / item)
		return;
	free(*array);
	*array = NULL;
	*size = 0;
}

void
chunk_enc_reset(struct chunk_enc *e, int64_t hour_unix_ms)
{
	size_t none = 0;

	e->hour_unix_ms = hour_unix_ms;
	e->n_samples = 0;
	e->device_sources = e->device_times = 0;
	for (unsigned l = 0; l < CHUNK_LEVELS; l++)
		reset_buf(&e->level[l]);
	reset_buf(&e->time_bytes);
	chunk_intern_reset(&e->metric);
	chunk_intern_reset(&e->shape[0]);
	chunk_intern_reset(&e->shape[1]);
	reset_array(&e->source, &e->n_sources, &e->size_sources, sizeof(*e->source));
	reset_array(&e->times, &e->n_times, &e->size_times, sizeof(*e->times));
	reset_array(&e->edge, &e->n_edges, &e->size_edges, sizeof(*e->edge));
	reset_array(&e->column, &e->n_columns, &e->size_columns, sizeof(*e->column));
	reset_array(&e->ms, &e->n_ms, &e->size_ms, sizeof(*e->ms));
	reset_array(&e->run, &e->n_runs, &e->size_runs, sizeof(*e->run));
	reset_array(&e->scratch, &none, &e->size_scratch, sizeof(*e->scratch));
}

size_t
chunk_enc_bytes(const struct chunk_enc *e)
{
	size_t bytes = e->time_bytes.len + e->metric.bytes.len;

	for (unsigned l = 0; l < CHUNK_LEVELS; l++)
		bytes += e->level[l].len;
	/* What stands in front of a column comes to about four bytes a level. */
	return bytes + e->n_columns * 12;
}

/* ---- times ---- */

static const char *
times_bad(const struct chunk_enc *e, const int64_t *unix_ms, uint32_t n,
    const struct chunk_run *runs, uint32_t n_runs)
{
	uint64_t total = 0;

	if (n == 0 || n > CHUNK_SAMPLES_MAX)
		return "number of times";
	if (n_runs == 0 || n_runs > CHUNK_RUNS_MAX)
		return "number of boot runs";
	if (unix_ms[0] < e->hour_unix_ms || unix_ms[n - 1] >= e->hour_unix_ms + CHUNK_HOUR_MS)
		return "a time outside of the hour";
	for (uint32_t i = 1; i < n; i++)
		if (unix_ms[i] < unix_ms[i - 1])
			return "times that descend";
	for (uint32_t i = 0; i < n_runs; i++) {
		if (runs[i].n == 0)
			return "an empty boot run";
		total += runs[i].n;
	}
	return total == n ? NULL : "boot runs that do not make up the times";
}

static void
make_ticks(struct chunk_ticks *t, int64_t hour, const int64_t *unix_ms, uint32_t n,
    const struct chunk_run *runs, uint32_t n_runs)
{
	unsigned w = 0;

	*t = (struct chunk_ticks){ .unix_ms = unix_ms, .n = n, .runs = runs, .n_runs = n_runs };
	for (uint32_t i = 0; i < n; i++) {
		const int64_t gap = i > 0 ? unix_ms[i] - unix_ms[i - 1] : 0;

		while (unix_ms[i] - hour >= (int64_t)(w + 1) * CHUNK_WINDOW_MS)
			t->begin[++w] = i;
		if (i == 1 || (i > 1 && gap < t->gap_min_ms))
			t->gap_min_ms = gap;
		if (gap > t->gap_max_ms)
			t->gap_max_ms = gap;
	}
	while (w < CHUNK_WINDOWS)
		t->begin[++w] = n;
	t->one_boot = true;
	for (uint32_t i = 1, at = runs[0].n; i < n_runs; at += runs[i++].n) {
		const int64_t gap =
		    unix_ms[at] - unix_ms[at - 1] - (runs[i].offset_ms - runs[i - 1].offset_ms);

		t->one_boot = t->one_boot && runs[i].boot == runs[0].boot;
		t->gap_min_ms = gap < t->gap_min_ms ? gap : t->gap_min_ms;
		t->gap_max_ms = gap > t->gap_max_ms ? gap : t->gap_max_ms;
	}
}

static uint64_t
hash_times(const int64_t *unix_ms, uint32_t n)
{
	uint64_t h = n;

	for (uint32_t i = 0; i < n; i++)
		h = (h ^ (uint64_t)unix_ms[i]) * UINT64_C(0x9e3779b97f4a7c15);
	return h;
}

static bool
runs_equal(const struct chunk_run *a, const struct chunk_run *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (a[i].boot != b[i].boot || a[i].offset_ms != b[i].offset_ms || a[i].n != b[i].n)
			return false;
	return true;
}

/* The source's column with these times, or -1. */
static int64_t
find_times(const struct chunk_enc *e, uint32_t source, uint64_t hash, const int64_t *unix_ms,
    uint32_t n, const struct chunk_run *runs, uint32_t n_runs)
{
	size_t i = e->n_times;

	/* Of series that all have times of their own, only some are looked through. */
	while (i-- > e->device_times && e->n_times - i <= TIMES_LOOKED_AT) {
		const struct enc_times *t = &e->times[i];

		if (t->hash == hash && t->source == source && t->n == n &&
		    t->ticks.n_runs == n_runs &&
		    memcmp(e->ms + t->at, unix_ms, n * sizeof(*unix_ms)) == 0 &&
		    runs_equal(e->run + t->runs, runs, n_runs))
			return (int64_t)i;
	}
	return -1;
}

/* The place of the source, which is made when it is not there. */
static int64_t
take_source(struct chunk_enc *e, int64_t device, enum bl_stream stream, struct bl_err *err)
{
	if (e->n_sources == e->device_sources || e->source[e->device_sources].device != device) {
		e->device_sources = e->n_sources;
		e->device_times = e->n_times;
		e->n_ms = 0;
		e->n_runs = 0;
	}
	for (size_t i = e->device_sources; i < e->n_sources; i++)
		if (e->source[i].stream == stream)
			return (int64_t)i;
	if (e->n_sources >= CHUNK_DEVICES_MAX)
		return bl_fail(err, BL_EFULL, "part: too many devices");
	if (!chunk_grow(&e->source, e->n_sources, 1, &e->size_sources, sizeof(*e->source)))
		return no_memory(err);
	e->source[e->n_sources] = (struct enc_source){ .device = device, .stream = stream };
	return (int64_t)e->n_sources++;
}

static int
add_times(struct chunk_enc *e, uint32_t source, uint64_t hash, const int64_t *unix_ms, uint32_t n,
    const struct chunk_run *runs, uint32_t n_runs, struct bl_err *err)
{
	const size_t before = e->time_bytes.len;
	struct enc_times t = { .n = n,
		.source = source,
		.place = e->source[source].n_times,
		.hash = hash,
		.at = e->n_ms,
		.runs = e->n_runs };
	int rc;

	if (e->n_times >= INT32_MAX)
		return bl_fail(err, BL_EFULL, "part: too many time columns");
	if (!chunk_grow(&e->times, e->n_times, 1, &e->size_times, sizeof(*e->times)) ||
	    !chunk_grow(&e->ms, e->n_ms, n, &e->size_ms, sizeof(*e->ms)) ||
	    !chunk_grow(&e->run, e->n_runs, n_runs, &e->size_runs, sizeof(*e->run)) ||
	    !chunk_grow(&e->scratch, 0, n, &e->size_scratch, sizeof(*e->scratch)))
		return no_memory(err);
	make_ticks(&t.ticks, e->hour_unix_ms, unix_ms, n, runs, n_runs);
	rc = chunk_times_put(&e->time_bytes, e->hour_unix_ms, &t.ticks, err);
	if (rc < 0 || e->time_bytes.failed) {
		e->time_bytes.len = before;
		e->time_bytes.failed = false;
		return rc < 0 ? rc : no_memory(err);
	}
	t.bytes = (struct chunk_piece){ (uint32_t)before, (uint32_t)(e->time_bytes.len - before) };
	memcpy(e->ms + e->n_ms, unix_ms, n * sizeof(*unix_ms));
	memcpy(e->run + e->n_runs, runs, n_runs * sizeof(*runs));
	e->n_ms += n;
	e->n_runs += n_runs;
	e->source[source].n_times++;
	e->times[e->n_times++] = t;
	return (int)e->n_times - 1;
}

int
chunk_enc_times(struct chunk_enc *e, int64_t device, enum bl_stream stream, const int64_t *unix_ms,
    uint32_t n, const struct chunk_run *runs, uint32_t n_runs, struct bl_err *err)
{
	const char *bad = times_bad(e, unix_ms, n, runs, n_runs);
	uint64_t hash;
	int64_t source, have;

	if (bad == NULL && (stream < BL_STREAM_EVENTS || stream > BL_STREAM_HOST))
		bad = "stream";
	if (bad != NULL)
		return bl_fail(err, BL_EINVAL, "part: device %lld: %s", (long long)device, bad);
	if ((source = take_source(e, device, stream, err)) < 0)
		return (int)source;
	hash = hash_times(unix_ms, n);
	have = find_times(e, (uint32_t)source, hash, unix_ms, n, runs, n_runs);
	if (have >= 0)
		return (int)have;
	return add_times(e, (uint32_t)source, hash, unix_ms, n, runs, n_runs, err);
}

/* ---- columns ---- */

static const char *
column_bad(const struct chunk_enc *e, const struct chunk_in *in)
{
	const struct bl_seq *s = in->values;
	uint32_t n, known;

	if (in->times < 0 || (size_t)in->times >= e->n_times || (size_t)in->times < e->device_times)
		return "handle of its times";
	if (in->metric.len == 0 || in->metric.len > BL_NAME_MAX)
		return "name of its metric";
	if (in->kind != BL_GAUGE && in->kind != BL_COUNTER)
		return "kind";
	n = known = e->times[in->times].n;
	for (uint32_t j = 0; in->unknown != NULL && j < n; j++) {
		if (in->unknown[j] > BL_UNKNOWN_LATE)
			return "reason of an unknown sample";
		known -= in->unknown[j] != BL_KNOWN;
	}
	if (s->n != known)
		return "number of values";
	for (uint32_t i = 0; !s->integers && i < s->n; i++)
		if (!isfinite(s->d[i]))
			return "a value that is not finite";
	return s->scale > BL_SEQ_SCALE_SHIFT || s->shift > 63 ? "scale" : NULL;
}

/* Also finds out whether any is thinned or unknown at all. */
static const char *
thin_bad(struct chunk_in *in, uint32_t n)
{
	bool any = false;

	for (uint32_t j = 0; in->thin != NULL && j < n; j++) {
		const struct chunk_thin *t = &in->thin[j];

		if (t->thin.count <= 1 || (in->unknown != NULL && in->unknown[j] != BL_KNOWN))
			continue;
		any = true;
		if (!isfinite(t->thin.min) || !isfinite(t->thin.max) ||
		    !(t->thin.min <= t->thin.max) || t->thin.count > BL_THIN_COUNT_MAX ||
		    t->before_ms < 0 || t->before_ms > INT64_C(1) << 53 ||
		    (t->before_ms > 0 && !isfinite(t->before)))
			return "what a thinned sample stands for";
	}
	if (!any)
		in->thin = NULL;
	if (in->unknown != NULL && in->values->n == n)
		in->unknown = NULL;
	return NULL;
}

static int64_t
boot_at(const struct chunk_ticks *t, uint32_t j)
{
	uint32_t i = 0;

	for (; j >= t->runs[i].n; i++)
		j -= t->runs[i].n;
	return t->runs[i].boot;
}

/* The place among the source's edges; only the last few are looked through, most often one. */
static int64_t
add_edge(struct chunk_enc *e, uint32_t source, const struct chunk_ticks *t,
    const struct chunk_ends *ends)
{
	const struct chunk_edge edge = { t->unix_ms[ends->first], t->unix_ms[ends->last],
		boot_at(t, ends->first), boot_at(t, ends->last) };
	size_t i = e->n_edges;

	while (i-- > 0 && e->n_edges - i <= EDGES_LOOKED_AT) {
		const struct chunk_edge *have = &e->edge[i].edge;

		if (e->edge[i].source == source && have->first_unix_ms == edge.first_unix_ms &&
		    have->last_unix_ms == edge.last_unix_ms &&
		    have->first_boot == edge.first_boot && have->last_boot == edge.last_boot)
			return e->edge[i].place;
	}
	if (!chunk_grow(&e->edge, e->n_edges, 1, &e->size_edges, sizeof(*e->edge)))
		return -1;
	e->edge[e->n_edges++] = (struct enc_edge){ edge, source, e->source[source].n_edges };
	return e->source[source].n_edges++;
}

static int64_t
add_shape(struct chunk_enc *e, unsigned which, const struct chunk_roll *r)
{
	uint8_t bytes[2 * CHUNK_WINDOWS * 10];
	struct bl_buf b = { bytes, 0, sizeof(bytes), sizeof(bytes), false };

	chunk_shape_put(&b, &r->shape, r->windows);
	return b.failed ? -1 : chunk_intern_add(&e->shape[which], bytes, (uint32_t)b.len);
}

/* One level's body behind what the level has. */
static void
put_roll(struct chunk_enc *e, unsigned level, const struct chunk_roll *r)
{
	struct bl_bits_w w = { .b = &e->level[level] };

	chunk_roll_put(&w, r);
	bl_bits_flush(&w);
}

static int
put_hour(struct chunk_enc *e, const struct chunk_in *in, uint32_t n, const struct chunk_roll *r)
{
	struct bl_bits_w w = { .b = &e->level[CHUNK_H1] };
	int rc = BL_OK;

	chunk_roll_put(&w, r);
	if (!r->counter && in->values->n > 0)
		rc = chunk_sketch_put(&w, e->sketcher, in, n, r);
	bl_bits_flush(&w);
	return rc;
}

static int
put_bodies(struct chunk_enc *e, const struct chunk_in *in, const struct chunk_ticks *ticks,
    struct enc_column *c, struct bl_err *err)
{
	struct chunk_roll m5, h1;
	struct chunk_ends ends;
	int64_t shape[2], edge = 0;
	int rc;

	if ((rc = chunk_raw_put(&e->level[CHUNK_RAW], in, ticks, e->scratch, err)) < 0)
		return rc;
	chunk_roll_make(&m5, in, ticks, e->scratch, &ends);
	chunk_roll_hour(&h1, &m5);
	put_roll(e, CHUNK_M5, &m5);
	if (put_hour(e, in, ticks->n, &h1) < 0)
		return no_memory(err);
	c->has_edge = c->counter && in->values->n > 0;
	c->first_own = c->has_edge && ends.first_own;
	if ((shape[0] = add_shape(e, 0, &m5)) < 0 || (shape[1] = add_shape(e, 1, &h1)) < 0 ||
	    (c->has_edge && (edge = add_edge(e, c->source, ticks, &ends)) < 0))
		return no_memory(err);
	c->shape[0] = (uint32_t)shape[0];
	c->shape[1] = (uint32_t)shape[1];
	c->edge = (uint32_t)edge;
	return BL_OK;
}

/* Adds the column's bodies, or leaves the levels as they were. */
static int
add_column(struct chunk_enc *e, const struct chunk_in *in, struct enc_column *c, struct bl_err *err)
{
	struct chunk_ticks ticks = e->times[in->times].ticks;
	size_t before[CHUNK_LEVELS];
	bool failed = false;
	int rc;

	ticks.unix_ms = e->ms + e->times[in->times].at;
	ticks.runs = e->run + e->times[in->times].runs;
	for (unsigned l = 0; l < CHUNK_LEVELS; l++)
		before[l] = e->level[l].len;
	rc = put_bodies(e, in, &ticks, c, err);
	for (unsigned l = 0; l < CHUNK_LEVELS; l++) {
		failed = failed || e->level[l].failed;
		c->piece[l] = (struct chunk_piece){ (uint32_t)before[l],
			(uint32_t)(e->level[l].len - before[l]) };
	}
	if (rc == BL_OK && !failed)
		return BL_OK;
	for (unsigned l = 0; l < CHUNK_LEVELS; l++) {
		e->level[l].len = before[l];
		e->level[l].failed = false;
	}
	return rc < 0 ? rc : no_memory(err);
}

int
chunk_enc_column(struct chunk_enc *e, const struct chunk_in *in, struct bl_err *err)
{
	struct chunk_in x = *in;
	struct enc_column c = { .series = in->series, .interval_ms = in->interval_ms };
	const char *bad = column_bad(e, in);
	int64_t metric;
	int rc;

	if (bad == NULL)
		bad = thin_bad(&x, e->times[in->times].n);
	if (bad != NULL)
		return bl_fail(err, BL_EINVAL, "part: series %lld: %s", (long long)in->series, bad);
	if (e->n_columns >= CHUNK_SERIES_MAX)
		return bl_fail(err, BL_EFULL, "part: too many series");
	c.source = e->times[in->times].source;
	c.times = e->times[in->times].place;
	c.counter = in->kind == BL_COUNTER;
	c.unknown = x.unknown != NULL;
	c.thin = x.thin != NULL;
	if (!chunk_grow(&e->column, e->n_columns, 1, &e->size_columns, sizeof(*e->column)) ||
	    (metric = chunk_intern_add(&e->metric, in->metric.p, (uint32_t)in->metric.len)) < 0)
		return no_memory(err);
	c.metric = (uint32_t)metric;
	if ((rc = add_column(e, &x, &c, err)) < 0)
		return rc;
	e->column[e->n_columns++] = c;
	e->n_samples += e->times[in->times].n;
	return BL_OK;
}
