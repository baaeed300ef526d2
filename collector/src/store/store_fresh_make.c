/*
 * Pieces of the memory of what came lately: from bodies, and back to samples.
 *
 * Times are kept as they are on the device's clock: where they lie on the wall is for each question
 * to find, by the clock map as it is then.  Values are kept small where that gives them back bit by
 * bit (offsets of one, two or four bytes at a decimal scale), else as doubles: a minute of a
 * hundred series takes some 3 KiB, a tenth of that when one of them was asked for.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "store_fresh_internal.h"

#define PIECE_MAX ((size_t)512 << 10)

static const double scale_of[] = { 1, 100, 10000 };
#define SCALES (sizeof(scale_of) / sizeof(scale_of[0]))

/* ---- values ---- */

static bool
same_bits(double a, double b)
{
	return memcmp(&a, &b, sizeof(a)) == 0;
}

/* Whether all of them are integers at that scale, exactly. */
static bool
scaled(const double *v, uint32_t n, double scale, int64_t *least, int64_t *most)
{
	for (uint32_t i = 0; i < n; i++) {
		const double x = v[i] * scale;
		int64_t k;

		if (!(fabs(x) < 9e15))
			return false;
		k = llrint(x);
		if (!same_bits((double)k / scale, v[i]))
			return false;
		*least = i == 0 || k < *least ? k : *least;
		*most = i == 0 || k > *most ? k : *most;
	}
	return true;
}

static void
put_offsets(
    struct bl_buf *b, const double *v, uint32_t n, double scale, int64_t base, uint8_t width)
{
	bl_buf_bytes(b, &base, sizeof(base));
	for (uint32_t i = 0; width > 0 && i < n; i++) {
		const uint64_t off = (uint64_t)(llrint(v[i] * scale) - base);
		const uint8_t one = (uint8_t)off;
		const uint16_t two = (uint16_t)off;
		const uint32_t four = (uint32_t)off;

		bl_buf_bytes(b,
		    width == 1   ? (const void *)&one
		    : width == 2 ? (const void *)&two
				 : (const void *)&four,
		    width);
	}
}

static void
put_values(struct bl_buf *b, struct fresh_column *c, const double *v, const uint8_t *unknown,
    uint32_t n, bool all_known)
{
	int64_t least = 0, most = 0;

	c->at = (uint32_t)b->len;
	for (uint8_t s = 0; all_known && s < SCALES; s++) {
		if (!scaled(v, n, scale_of[s], &least, &most))
			continue;
		if (most - least > UINT32_MAX)
			break;
		c->scale = s;
		c->width = most == least                ? 0
			   : most - least <= UINT8_MAX  ? 1
			   : most - least <= UINT16_MAX ? 2
							: 4;
		put_offsets(b, v, n, scale_of[s], least, c->width);
		return;
	}
	c->width = all_known ? FRESH_DOUBLES : FRESH_UNKNOWN;
	bl_buf_bytes(b, v, n * sizeof(*v));
	if (!all_known)
		bl_buf_bytes(b, unknown, n);
}

static void
get_offsets(const struct fresh_piece *p, const struct fresh_column *c, uint32_t n, double *v)
{
	const uint8_t *at = p->values + c->at;
	const double scale = scale_of[c->scale];
	int64_t base;

	memcpy(&base, at, sizeof(base));
	at += sizeof(base);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t off = 0;

		if (c->width == 1) {
			off = at[i];
		} else if (c->width == 2) {
			uint16_t two;

			memcpy(&two, at + 2 * (size_t)i, sizeof(two));
			off = two;
		} else if (c->width == 4) {
			memcpy(&off, at + 4 * (size_t)i, sizeof(off));
		}
		v[i] = (double)(base + (int64_t)off) / scale;
	}
}

/* ---- making ---- */

static void
begin(struct fresh_maker *m)
{
	struct bl_buf *const all[] = { &m->batch, &m->column, &m->times, &m->ms, &m->values };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (m->open)
			bl_buf_reset(all[i]);
		else
			bl_buf_init(all[i], PIECE_MAX);
	if (!m->open)
		bl_buf_init(&m->raw, BL_BATCH_RAW_MAX);
	m->open = true;
}

void
fresh_maker_free(struct fresh_maker *m)
{
	if (!m->open)
		return;
	bl_buf_free(&m->batch);
	bl_buf_free(&m->column);
	bl_buf_free(&m->times);
	bl_buf_free(&m->ms);
	bl_buf_free(&m->values);
	bl_buf_free(&m->raw);
	m->open = false;
}

/* One batch on its way into a piece. */
struct taking {
	struct fresh_maker *m;
	struct store_read *r;
	struct bl_batch_reader rd;
	struct fresh_batch out;
	int32_t shared[BL_BATCH_TIMES_MAX]; /* place among its time columns; -1: not there yet */
	uint32_t n_times;
};

static uint32_t
count_of(const struct bl_buf *b, size_t item)
{
	return (uint32_t)(b->len / item);
}

/* Of the times that were just decoded.  False: they reach further than is kept. */
static bool
put_times(struct taking *t, uint32_t n)
{
	const struct fresh_times times = { count_of(&t->m->ms, sizeof(int32_t)), n };

	for (uint32_t i = 0; i < n; i++) {
		const int64_t ms = t->r->boot_ms[i] - t->out.event_begin_ms;
		const int32_t small = (int32_t)ms;

		if (small != ms)
			return false;
		bl_buf_bytes(&t->m->ms, &small, sizeof(small));
	}
	bl_buf_bytes(&t->m->times, &times, sizeof(times));
	t->n_times++;
	return t->n_times <= UINT16_MAX;
}

static bool
put_column(struct taking *t, const struct bl_column *c)
{
	const int32_t had = c->time_index >= 0 ? t->shared[c->time_index] : -1;
	struct fresh_column out = { .number = c->series_id };
	struct store_read *r = t->r;
	struct bl_err err = { 0 };
	bool all_known = true;

	if (bl_column_is_thin(c) || bl_column_decode(&t->rd, c, had < 0 ? r->boot_ms : NULL,
					r->value, r->unknown, &err) < 0)
		return false;
	bl_column_drop_infinite(c, r->value, r->unknown, NULL);
	if (had < 0) {
		if (c->time_index >= 0)
			t->shared[c->time_index] = (int32_t)t->n_times;
		out.times = (uint16_t)t->n_times;
		if (!put_times(t, c->n))
			return false;
	} else {
		out.times = (uint16_t)had;
	}
	for (uint32_t i = 0; i < c->n; i++)
		all_known = all_known && r->unknown[i] == BL_KNOWN;
	put_values(&t->m->values, &out, r->value, r->unknown, c->n, all_known);
	bl_buf_bytes(&t->m->column, &out, sizeof(out));
	t->out.n_columns++;
	return true;
}

/* Columns ascend, and so does what is wanted of them. */
static bool
put_columns(struct taking *t, const struct fresh_want *w)
{
	struct bl_err err = { 0 };
	struct bl_column c;
	uint32_t k = 0;
	int rc = 0;

	while ((w->whole || k < w->n) && (rc = bl_batch_next_column(&t->rd, &c, &err)) == 1) {
		while (!w->whole && k < w->n && w->number[k] < c.series_id)
			k++;
		if (!w->whole && (k == w->n || w->number[k] != c.series_id))
			continue;
		if (!put_column(t, &c))
			return false;
	}
	return rc >= 0;
}

static bool
put_batch(struct fresh_maker *m, struct store_read *r, const struct scan_batch *b,
    const struct fresh_want *w)
{
	struct taking t = { .m = m,
		.r = r,
		.out = { .id = b->id,
		    .event_begin_ms = b->h.event_begin_ms,
		    .event_end_ms = b->h.event_end_ms,
		    .n_samples = b->h.n_samples,
		    .column = count_of(&m->column, sizeof(struct fresh_column)),
		    .times = count_of(&m->times, sizeof(struct fresh_times)) } };
	struct bl_err err = { 0 };

	if (b->h.kind != BL_BATCH_NORMAL)
		return false;
	for (size_t i = 0; i < BL_BATCH_TIMES_MAX; i++)
		t.shared[i] = -1;
	/* What does not hold is told, and left out, by who reads it as it is. */
	if (b->h.n_samples > 0 &&
	    (bl_batch_inflate(&b->h, b->body, b->body_len, &m->raw, &err) < 0 ||
		bl_batch_reader_init(&t.rd, &b->h, m->raw.data, m->raw.len, &err) < 0 ||
		!put_columns(&t, w)))
		return false;
	bl_buf_bytes(&m->batch, &t.out, sizeof(t.out));
	return true;
}

/* The next n bytes of a piece, for what is in src. */
static const void *
lay(uint8_t **at, const void *src, size_t len)
{
	uint8_t *to = *at;

	if (len > 0)
		memcpy(to, src, len);
	*at += (len + 7) & ~(size_t)7;
	return to;
}

static size_t
room_of(size_t len)
{
	return (len + 7) & ~(size_t)7;
}

static struct fresh_piece *
finish(struct fresh_maker *m, const struct fresh_key *key, const struct fresh_want *w)
{
	const size_t asked = w->whole ? 0 : w->n * sizeof(*w->number);
	const size_t bytes = sizeof(struct fresh_piece) + room_of(m->batch.len) +
			     room_of(m->column.len) + room_of(m->times.len) + room_of(m->ms.len) +
			     room_of(asked) + room_of(m->values.len);
	struct fresh_piece *p;
	uint8_t *at;

	if (m->batch.failed || m->column.failed || m->times.failed || m->ms.failed ||
	    m->values.failed || bytes > PIECE_MAX || (p = malloc(bytes)) == NULL)
		return NULL;
	at = (uint8_t *)(p + 1);
	*p = (struct fresh_piece){ .key = *key,
		.whole = w->whole,
		.bytes = bytes,
		.n_batches = count_of(&m->batch, sizeof(struct fresh_batch)),
		.n_asked = w->whole ? 0 : w->n };
	p->batch = lay(&at, m->batch.data, m->batch.len);
	p->column = lay(&at, m->column.data, m->column.len);
	p->times = lay(&at, m->times.data, m->times.len);
	p->ms = lay(&at, m->ms.data, m->ms.len);
	p->asked = lay(&at, w->number, asked);
	p->values = lay(&at, m->values.data, m->values.len);
	return p;
}

struct fresh_piece *
fresh_make(struct fresh_maker *m, struct store_read *r, const struct fresh_key *key,
    const struct scan_batch *b, size_t n, const struct fresh_want *w)
{
	begin(m);
	for (size_t i = 0; i < n; i++)
		if (!put_batch(m, r, &b[i], w))
			return NULL;
	return finish(m, key, w);
}

/* ---- reading ---- */

const struct fresh_column *
fresh_find(const struct fresh_piece *p, const struct fresh_batch *b, uint32_t number)
{
	const struct fresh_column *c = p->column + b->column;
	uint32_t lo = 0, hi = b->n_columns;

	/* Numbers mostly go up by one: it lies where it would without a gap. */
	if (hi > 0 && number >= c[0].number && number - c[0].number < hi &&
	    c[number - c[0].number].number == number)
		return &c[number - c[0].number];
	while (lo < hi) {
		const uint32_t mid = lo + (hi - lo) / 2;

		if (c[mid].number < number)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < b->n_columns && c[lo].number == number ? &c[lo] : NULL;
}

uint32_t
fresh_decode(const struct fresh_piece *p, const struct fresh_batch *b, const struct fresh_column *c,
    int64_t *boot_ms, double *value, uint8_t *unknown)
{
	const struct fresh_times *t = &p->times[b->times + c->times];
	const uint8_t *at = p->values + c->at;

	for (uint32_t i = 0; i < t->n; i++)
		boot_ms[i] = b->event_begin_ms + p->ms[t->at + i];
	if (c->width < FRESH_DOUBLES)
		get_offsets(p, c, t->n, value);
	else
		memcpy(value, at, t->n * sizeof(*value));
	if (c->width == FRESH_UNKNOWN)
		memcpy(unknown, at + t->n * sizeof(*value), t->n);
	else
		memset(unknown, BL_KNOWN, t->n);
	return t->n;
}
