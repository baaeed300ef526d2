/*
 * What a device has sent before under another spool id.
 *
 * An agent whose spool was set back to an older copy cannot know which of its
 * batches are here: seqs say nothing, since the other life of the file gave the
 * same ones to other batches, and what was not cut yet when the copy was made
 * has been cut elsewhere by each.  So it cuts again under a new id what it never offered
 * itself, and this is where it is recognised: what a device's boot said of one
 * series at one instant is one sample, whatever batch it lies in.
 *
 * Asked only where it can be: of what is older than its spool's first word and
 * comes from a spool with a predecessor, and of what a closed spool still delivers, which may
 * have been cut again meanwhile.
 */
#include <stdlib.h>
#include <string.h>

#include "store_again_said.h"
#include "store_samples.h"

/* Clocks and the way: a spool's first word comes later than what it had cut before. */
#define BIRTH_SLACK_MS (10 * 60 * (int64_t)1000)

/* ---- what a batch says ---- */

static void
said_free(struct said *x)
{
	free(x->one);
}

static uint64_t
add_bytes(uint64_t h, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 1099511628211u;
	return h;
}

static uint64_t
add_str(uint64_t h, const struct bl_str *s)
{
	h = add_bytes(h, &s->len, sizeof(s->len));
	return add_bytes(h, s->p, s->len);
}

static uint64_t
sum_of_event(const struct bl_event *ev)
{
	uint64_t h = add_bytes(14695981039346656037u, &ev->boot_ms, sizeof(ev->boot_ms));

	h = add_str(add_str(h, &ev->type), &ev->id);
	for (uint32_t i = 0; i < ev->n_attrs; i++) {
		const struct bl_attr *a = &ev->attr[i];
		const uint8_t type = (uint8_t)a->type;

		h = add_bytes(add_str(h, &a->key), &type, 1);
		if (a->type == BL_ATTR_TEXT)
			h = add_str(h, &a->text);
		if (a->type == BL_ATTR_NUMBER)
			h = add_bytes(h, &a->number, sizeof(a->number));
		if (a->type == BL_ATTR_BOOL)
			h = add_bytes(h, &a->boolean, sizeof(a->boolean));
	}
	return h;
}

static uint64_t
sum_of_sample(const struct said_one *o, double value)
{
	uint64_t h = add_bytes(14695981039346656037u, &o->series, sizeof(o->series));

	h = add_bytes(add_bytes(h, &o->ms, sizeof(o->ms)), &o->unknown, 1);
	if (o->thin.count > 1) { /* several are not the one whose time they have */
		h = add_bytes(h, &o->thin.count, sizeof(o->thin.count));
		h = add_bytes(h, &o->thin.min, sizeof(o->thin.min));
		h = add_bytes(h, &o->thin.max, sizeof(o->thin.max));
	}
	return o->unknown == BL_KNOWN ? add_bytes(h, &value, sizeof(value)) : h;
}

/* prev_ms: where the known one before it lay when means were made. */
static struct said_one
sample_of(uint32_t series, int64_t ms, int64_t prev_ms, uint8_t unknown, double value,
    const struct bl_thin *thin)
{
	const int64_t hour = ms - (ms % SAID_HOUR_MS + SAID_HOUR_MS) % SAID_HOUR_MS;
	struct said_one o = { .series = series,
		.unknown = unknown,
		.ms = ms,
		.after_ms = prev_ms > hour - 1 ? prev_ms : hour - 1,
		.thin = *thin };

	if (o.thin.count <= 1)
		o.thin = (struct bl_thin){ value, value, 1 };
	o.sum = sum_of_sample(&o, value);
	return o;
}

typedef void (*said_fn)(void *ctx, const struct said_one *o);

static int
tell_column(const struct bl_batch_reader *r, const struct bl_column *c, int64_t after_ms,
    said_fn fn, void *ctx, struct bl_err *err)
{
	int64_t *ms = calloc(c->n + 1, sizeof(*ms));
	double *value = calloc(c->n + 1, sizeof(*value));
	uint8_t *unknown = calloc(c->n + 1, 1);
	struct bl_thin *thin = calloc(c->n + 1, sizeof(*thin));
	int rc;

	rc = ms == NULL || value == NULL || unknown == NULL || thin == NULL
		 ? bl_fail(err, BL_ENOMEM, "telemetry store: out of memory")
		 : bl_column_decode(r, c, ms, value, unknown, err);
	if (rc == BL_OK)
		rc = bl_column_thin(r, c, value, unknown, thin, err);
	if (rc == BL_OK) /* parts know them as unreadable */
		bl_column_drop_infinite(c, value, unknown, thin);
	for (uint32_t i = 0; rc == BL_OK && i < c->n; i++) {
		const struct said_one o =
		    sample_of(c->series_id, ms[i], after_ms, unknown[i], value[i], &thin[i]);

		fn(ctx, &o);
		if (o.unknown == BL_KNOWN)
			after_ms = o.ms;
	}
	free(ms);
	free(value);
	free(unknown);
	free(thin);
	return rc;
}

/* Negative: the batch does not decode, or memory is out. */
static int
tell_all(const struct bl_batch_header *h, const void *raw, size_t len, said_fn fn, void *ctx,
    struct bl_err *err)
{
	struct bl_batch_reader r;
	struct bl_column c;
	struct bl_event ev;
	int rc;

	if ((rc = bl_batch_reader_init(&r, h, raw, len, err)) < 0)
		return rc;
	while ((rc = bl_batch_next_column(&r, &c, err)) == 1)
		if ((rc = tell_column(&r, &c, h->collect_begin_ms - 1, fn, ctx, err)) < 0)
			return rc;
	while (rc >= 0 && (rc = bl_batch_next_event(&r, &ev, err)) == 1) {
		const struct said_one o = { .sum = sum_of_event(&ev), .ms = ev.boot_ms };

		fn(ctx, &o);
	}
	return rc;
}

static void
note_said(void *ctx, const struct said_one *o)
{
	struct said *x = ctx;

	if (x->n < x->size)
		x->one[x->n++] = *o;
}

int
said_order(const void *a, const void *b)
{
	const struct said_one *x = a, *y = b;

	if (x->series != y->series)
		return x->series < y->series ? -1 : 1;
	if (x->ms != y->ms)
		return x->ms < y->ms ? -1 : 1;
	return (x->sum > y->sum) - (x->sum < y->sum);
}

/* The first that is not before this one. */
static size_t
first_from(const struct said *x, const struct said_one *at)
{
	size_t lo = 0, hi = x->n;

	while (lo < hi) {
		const size_t mid = lo + (hi - lo) / 2;

		if (said_order(&x->one[mid], at) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

size_t
said_from(const struct said *x, uint32_t series, int64_t ms)
{
	const struct said_one at = { .series = series, .ms = ms };

	return first_from(x, &at);
}

static void
note_before(void *ctx, const struct said_one *o)
{
	struct said *x = ctx;

	/* All of the same: an event may have been told twice.  They are noted together. */
	for (size_t i = first_from(x, o);
	     i < x->n && !x->one[i].before && said_order(&x->one[i], o) == 0; i++)
		x->one[i].before = true;
	said_mean(x, o);
}

static int
said_of(struct said *x, const struct bl_batch_header *h, const void *raw, size_t len,
    struct bl_err *err)
{
	int rc;

	x->size = (size_t)h->n_samples + h->n_events;
	if ((x->one = calloc(x->size + 1, sizeof(*x->one))) == NULL)
		return bl_fail(err, BL_ENOMEM, "telemetry store: out of memory");
	if ((rc = tell_all(h, raw, len, note_said, x, err)) < 0)
		return rc;
	qsort(x->one, x->n, sizeof(*x->one), said_order);
	return BL_OK;
}

int
said_before(const struct said *x, bool closed)
{
	size_t before = 0, either = 0, touched = 0;

	for (size_t i = 0; i < x->n; i++) {
		const struct said_one *o = &x->one[i];
		const bool mean = o->in_mean || said_mean_whole(o);

		before += o->before;
		either += o->before || mean;
		touched += o->before || mean || o->parts > 0;
	}
	if (either == x->n && either > 0)
		return STORE_BEFORE_ALL;
	/* What a closed spool brings late, and is not settled by that, is kept and shown. */
	return before > 0 || (closed && touched > 0) ? STORE_BEFORE_SOME : STORE_BEFORE_NONE;
}

/* ---- looking for it ---- */

static int
know_birth(struct store *s, struct store_spool *sp, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	if (sp->birth_known)
		return BL_OK;
	st = store_bind(s, SQL_SPOOL_BIRTH, err, "i", sp->id);
	if ((rc = store_step(s, st, err)) < 0)
		return rc;
	if (rc == 1) {
		sp->made_unix_ms = sqlite3_column_int64(st, 0);
		sp->has_predecessor = sqlite3_column_int(st, 1) > 0;
		(void)sqlite3_reset(st);
	}
	sp->birth_known = true;
	return BL_OK;
}

/* 1: it may have come under another id. */
static int
may_be_again(
    struct store *s, struct store_spool *sp, const struct bl_batch_header *h, struct bl_err *err)
{
	int64_t until;
	int rc;

	if (sp->closed)
		return 1;
	if ((rc = know_birth(s, sp, err)) < 0 || !sp->has_predecessor)
		return rc;
	until = store_place_time(sp, &h->boot, h->collect_end_ms);
	return until == STORE_TIME_NONE || until <= sp->made_unix_ms + BIRTH_SLACK_MS;
}

/* A mean has the time of the last that it stands for, and they lie in its batch's interval. */
static int64_t
from_ms(const struct bl_batch_header *h)
{
	return h->collect_begin_ms < h->event_begin_ms ? h->collect_begin_ms : h->event_begin_ms;
}

/* The row of SQL_BATCH_AGAIN. */
static int
compare(sqlite3_stmt *st, const struct bl_batch_header *h, struct said *x, struct bl_err *err)
{
	struct bl_batch_header other = *h;
	struct bl_err why = { 0 };
	struct bl_buf raw;
	int rc;

	other.crc32 = (uint32_t)sqlite3_column_int64(st, 0);
	other.raw_bytes = (uint32_t)sqlite3_column_int64(st, 1);
	other.n_samples = (uint32_t)sqlite3_column_int64(st, 2);
	other.n_events = (uint32_t)sqlite3_column_int64(st, 3);
	other.n_gaps = (uint32_t)sqlite3_column_int64(st, 4);
	other.event_begin_ms = sqlite3_column_int64(st, 5);
	other.event_end_ms = sqlite3_column_int64(st, 6);
	other.collect_begin_ms = sqlite3_column_int64(st, 7);
	other.collect_end_ms = sqlite3_column_int64(st, 8);
	other.dict_version = (uint32_t)sqlite3_column_int64(st, 9);
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	rc = bl_batch_inflate(
	    &other, sqlite3_column_blob(st, 10), (size_t)sqlite3_column_bytes(st, 10), &raw, &why);
	if (rc == BL_OK)
		rc = tell_all(&other, raw.data, raw.len, note_before, x, &why);
	bl_buf_free(&raw);
	/* One that is damaged there says nothing. */
	return rc == BL_ENOMEM ? bl_fail(err, rc, "%s", why.msg) : BL_OK;
}

static int
look(struct store *s, struct store_spool *sp, const struct bl_batch_header *h, struct said *x,
    struct bl_err *err)
{
	sqlite3_stmt *st;
	int64_t boot_id;
	int rc;

	/* What this transaction has taken in stands in the rows of coverage only afterwards. */
	if ((rc = store_boot_id(s, sp, &h->boot, &boot_id, err)) < 0 ||
	    (rc = store_flush_coverage(s, err)) < 0)
		return rc;
	st = store_bind(s, SQL_BATCH_AGAIN, err, "iiiiii", sp->device_id, (int64_t)h->stream,
	    boot_id, from_ms(h), h->event_end_ms, sp->id);
	while ((rc = store_step(s, st, err)) == 1)
		if ((rc = compare(st, h, x, err)) < 0) {
			(void)sqlite3_reset(st);
			break;
		}
	return rc;
}

/* ---- looking for it in parts, which do not say whose spool it was ---- */

/* Where in time the other spools have something of this boot of which no row is left. */
static int
packed_extent(struct store *s, const struct store_spool *sp, const struct bl_batch_header *h,
    int64_t boot_id, int64_t *from, int64_t *to, struct bl_err *err)
{
	sqlite3_stmt *st = store_bind(s, SQL_PACKED_AGAIN, err, "iiiiii", sp->device_id,
	    (int64_t)h->stream, boot_id, from_ms(h), h->event_end_ms, sp->id);
	int rc = store_step(s, st, err);

	if (rc <= 0)
		return rc;
	*from = store_column_time(st, 0);
	*to = store_column_time(st, 1);
	(void)sqlite3_reset(st);
	return *from != STORE_TIME_NONE && *to != STORE_TIME_NONE;
}

/* The series of a batch, and the numbers that its spool has for them. */
struct columns {
	int64_t *id;
	uint32_t *number;
	size_t n;
};

static void
columns_free(struct columns *c)
{
	free(c->id);
	free(c->number);
}

static int
add_column(struct store *s, const struct store_spool *sp, uint32_t number, struct columns *c,
    struct bl_err *err)
{
	sqlite3_stmt *st = store_bind(s, SQL_DICT_GET, err, "ii", sp->id, (int64_t)number);
	const int rc = store_step(s, st, err);

	if (rc <= 0)
		return rc; /* of a series without a name nothing was packed */
	c->id[c->n] = sqlite3_column_int64(st, 0);
	c->number[c->n++] = number;
	(void)sqlite3_reset(st);
	return BL_OK;
}

static int
columns_of(struct store *s, const struct store_spool *sp, const struct bl_batch_header *h,
    const void *raw, size_t len, struct columns *out, struct bl_err *err)
{
	struct bl_batch_reader r;
	struct bl_column c;
	int rc;

	if ((rc = bl_batch_reader_init(&r, h, raw, len, err)) < 0)
		return rc;
	out->id = calloc((size_t)r.columns_left + 1, sizeof(*out->id));
	out->number = calloc((size_t)r.columns_left + 1, sizeof(*out->number));
	if (out->id == NULL || out->number == NULL)
		return bl_fail(err, BL_ENOMEM, "telemetry store: out of memory");
	while ((rc = bl_batch_next_column(&r, &c, err)) == 1)
		if ((rc = add_column(s, sp, c.series_id, out, err)) < 0)
			return rc;
	return rc;
}

struct packed {
	const struct columns *c;
	int64_t boot_id;
	struct said *x;
};

static bool
note_packed(void *ctx, const struct samples *l)
{
	const struct packed *p = ctx;

	int64_t prev_ms = INT64_MIN;

	for (size_t i = 0; i < l->n; i++) {
		const struct sample *a = &l->s[i];
		const struct bl_thin one = { 0, 0, 1 };
		struct said_one o;

		if (l->boot[a->boot].id != p->boot_id)
			continue;
		o = sample_of(p->c->number[l->series], a->boot_ms, prev_ms, a->unknown, a->value,
		    a->thin > 0 ? &l->thin[a->thin - 1].thin : &one);
		note_before(p->x, &o);
		if (o.unknown == BL_KNOWN)
			prev_ms = o.ms;
	}
	return true;
}

static int
look_in_parts(struct store *s, struct store_spool *sp, const struct bl_batch_header *h,
    const void *raw, size_t raw_len, struct said *x, struct bl_err *err)
{
	struct columns c = { 0 };
	struct packed p = { .c = &c, .x = x };
	struct samples_ask a = { .device_id = sp->device_id,
		.stream = h->stream,
		.deadline_mono_ms = INT64_MAX,
		.leave_damaged = true,
		.parts_only = true };
	int rc;

	if (h->n_samples == 0)
		return BL_OK;
	if ((rc = store_boot_id(s, sp, &h->boot, &p.boot_id, err)) < 0 ||
	    (rc = packed_extent(s, sp, h, p.boot_id, &a.from_unix_ms, &a.to_unix_ms, err)) <= 0)
		return rc;
	a.to_unix_ms++;
	if ((rc = columns_of(s, sp, h, raw, raw_len, &c, err)) == BL_OK) {
		a.ids = c.id;
		a.n = c.n;
		if ((rc = store_own_reader(s, err)) == BL_OK)
			rc = samples_of(s->reader, &a, note_packed, &p, NULL, err);
	}
	columns_free(&c);
	return rc;
}

int
store_came_before(struct store *s, struct store_spool *sp, const struct bl_batch_header *h,
    const void *raw, size_t raw_len, struct bl_err *err)
{
	struct said x = { 0 };
	int rc;

	/* Of whatever kind: a batch that was too large is cut into parts that supersede it. */
	if (h->n_samples + h->n_events == 0 || (rc = may_be_again(s, sp, h, err)) == 0)
		return STORE_BEFORE_NONE;
	if (rc > 0 && (rc = said_of(&x, h, raw, raw_len, err)) == BL_OK)
		rc = look(s, sp, h, &x, err);
	if (rc >= 0 && x.n > 0)
		rc = look_in_parts(s, sp, h, raw, raw_len, &x, err);
	if (rc >= 0)
		rc = said_before(&x, sp->closed);
	said_free(&x);
	return rc;
}
