/*
 * Samples of a span in an order that does not depend on arrival.
 *
 * The rows of coverage that lead to batches are grouped by arrival, so their
 * order says nothing.  All batches of the span are listed first, without their
 * bodies, and sorted by their times; those that overlap in time (two spools, a
 * clock set back) are a section and are decoded together, sorted and
 * rid of what two of them hold.  A batch alone is its own section.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/log.h"
#include "store_log.h"
#include "store_read_internal.h"

#define BATCHES_MAX 200000u
/* A section that grows beyond this is given out in pieces: memory is worth more than its order. */
#define HELD_MAX (1u << 20)

struct listed {
	int64_t id, begin_unix_ms, end_unix_ms, spool_id, boot_id;
	struct bl_id spool, boot;
	uint64_t seq;
};

/* A dictionary entry of one of the wanted series. */
struct entry {
	int64_t spool_id;
	uint32_t number;
	uint32_t series;
};

struct held {
	uint32_t series, batch;
	int64_t unix_ms, boot_ms;
	double value;
	uint32_t thin; /* place + 1 in samples.thin; 0: it stands for itself */
	uint8_t unknown;
};

struct thinned {
	struct bl_thin thin;
	int64_t before_ms;
	double before;
};

struct samples {
	struct store_read *r;
	int64_t device_id;
	enum bl_stream stream;
	int64_t from, to;
	struct entry *entry;
	size_t n_entries, size_entries;
	struct listed *batch;
	size_t n_batches, size_batches;
	struct held *held;
	size_t n_held, size_held;
	struct thinned *thin;
	size_t n_thin, size_thin;
	struct placer place;
	store_log_sample_cb cb;
	void *ctx;
	bool stopped;
};

static int
no_memory(struct bl_err *err)
{
	return bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory");
}

/* Room for one more; p is the array's address. */
static bool
grow(void *p, size_t n, size_t *size, size_t item)
{
	void **array = p, *more;
	size_t want;

	if (n < *size)
		return true;
	want = *size == 0 ? 64 : *size * 2;
	if ((more = realloc(*array, want * item)) == NULL)
		return false;
	*array = more;
	*size = want;
	return true;
}

/* ---- which columns are wanted ---- */

static int
by_entry(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->spool_id != y->spool_id)
		return x->spool_id < y->spool_id ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

static int
find_entries(struct samples *s, const int64_t *ids, size_t n, struct bl_err *err)
{
	for (size_t i = 0; i < n; i++) {
		sqlite3_stmt *st = read_bind(s->r, READ_SERIES_ENTRIES, err, "i", ids[i]);
		int rc;

		while ((rc = read_step(s->r, st, err)) == 1) {
			if (!grow(&s->entry, s->n_entries, &s->size_entries, sizeof(*s->entry))) {
				(void)sqlite3_reset(st);
				return no_memory(err);
			}
			s->entry[s->n_entries++] = (struct entry){ sqlite3_column_int64(st, 0),
				(uint32_t)sqlite3_column_int64(st, 1), (uint32_t)i };
		}
		if (rc < 0)
			return rc;
	}
	if (s->n_entries > 1)
		qsort(s->entry, s->n_entries, sizeof(*s->entry), by_entry);
	return BL_OK;
}

/* ---- which batches ---- */

static int
by_time(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;
	int d;

	if (x->begin_unix_ms != y->begin_unix_ms)
		return x->begin_unix_ms < y->begin_unix_ms ? -1 : 1;
	if ((d = memcmp(&x->spool, &y->spool, sizeof(x->spool))) != 0 ||
	    (d = memcmp(&x->boot, &y->boot, sizeof(x->boot))) != 0)
		return d;
	return (x->seq > y->seq) - (x->seq < y->seq);
}

static int
spool_uuid(struct store_read *r, int64_t spool_id, struct bl_id *out, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_LOG_SPOOL, err, "i", spool_id);
	int rc = read_step(r, st, err);

	if (rc == 1) {
		store_column_id(st, 0, out);
		(void)sqlite3_reset(st);
	}
	return rc < 0 ? rc : BL_OK;
}

static int
add_batch(struct samples *s, const struct scan_batch *b, struct bl_err *err)
{
	const struct listed *last = s->n_batches > 0 ? &s->batch[s->n_batches - 1] : NULL;
	struct listed l = { b->id, b->begin_unix_ms, b->end_unix_ms, b->spool_id, b->boot_id,
		{ { 0 } }, b->h.boot, b->h.seq };
	int rc;

	if (last != NULL && last->spool_id == b->spool_id)
		l.spool = last->spool;
	else if ((rc = spool_uuid(s->r, b->spool_id, &l.spool, err)) < 0)
		return rc;
	if (s->n_batches >= BATCHES_MAX)
		return bl_fail(err, BL_EFULL,
		    "the range has more than %u batches: ask for a shorter one", BATCHES_MAX);
	if (!grow(&s->batch, s->n_batches, &s->size_batches, sizeof(*s->batch)))
		return no_memory(err);
	s->batch[s->n_batches++] = l;
	return BL_OK;
}

static int
list_batches(struct samples *s, struct bl_err *err)
{
	struct scan_batch *b;
	struct scan sc;
	int rc;

	if ((rc = scan_begin(
		 &sc, s->r, SCAN_UP, s->device_id, s->stream, s->from, s->to, INT64_MAX, err)) < 0)
		goto done;
	sc.bare = true;
	while ((rc = scan_next(&sc, &b, err)) == 1)
		if (b->h.n_samples > 0 && (rc = add_batch(s, b, err)) < 0)
			break;
	if (rc == BL_OK && s->n_batches > 1)
		qsort(s->batch, s->n_batches, sizeof(*s->batch), by_time);
done:
	scan_end(&sc);
	return rc;
}

/* ---- a section ---- */

static int
by_value(const struct held *x, const struct held *y)
{
	if (x->unknown != y->unknown)
		return x->unknown < y->unknown ? -1 : 1; /* a known one first */
	if (x->unknown != BL_KNOWN)
		return 0;
	if ((x->thin > 0) != (y->thin > 0))
		return x->thin == 0 ? -1 : 1; /* one that is itself first */
	return (x->value > y->value) - (x->value < y->value);
}

/* Which boot, by its id, which every store shares. */
static int
by_boot(const struct listed *list, const struct held *x, const struct held *y)
{
	return memcmp(&list[x->batch].boot, &list[y->batch].boot, sizeof(list->boot));
}

static int
in_boot_order(const void *a, const void *b, void *ctx)
{
	const struct held *x = a, *y = b;
	int d;

	if (x->series != y->series)
		return x->series < y->series ? -1 : 1;
	if ((d = by_boot(ctx, x, y)) != 0)
		return d;
	if (x->boot_ms != y->boot_ms)
		return x->boot_ms < y->boot_ms ? -1 : 1;
	if ((d = by_value(x, y)) != 0)
		return d;
	return (x->unix_ms > y->unix_ms) - (x->unix_ms < y->unix_ms);
}

static int
in_order(const void *a, const void *b, void *ctx)
{
	const struct held *x = a, *y = b;
	int d;

	if (x->series != y->series)
		return x->series < y->series ? -1 : 1;
	if (x->unix_ms != y->unix_ms)
		return x->unix_ms < y->unix_ms ? -1 : 1;
	if ((d = by_boot(ctx, x, y)) != 0)
		return d;
	if (x->boot_ms != y->boot_ms)
		return x->boot_ms < y->boot_ms ? -1 : 1;
	return by_value(x, y);
}

/* What two batches hold of the same boot at the same instant is one sample. */
static void
drop_doubles(struct samples *s)
{
	size_t n = 0;

	qsort_r(s->held, s->n_held, sizeof(*s->held), in_boot_order, s->batch);
	for (size_t i = 0; i < s->n_held; i++) {
		const struct held *x = &s->held[i], *last = n > 0 ? &s->held[n - 1] : NULL;

		if (last != NULL && last->series == x->series && last->boot_ms == x->boot_ms &&
		    s->batch[last->batch].boot_id == s->batch[x->batch].boot_id)
			continue;
		s->held[n++] = *x;
	}
	s->n_held = n;
}

static bool
give_one(const struct samples *s, const struct held *h)
{
	struct store_log_sample out = { .series = h->series,
		.unix_ms = h->unix_ms,
		.value = h->value,
		.unknown = h->unknown,
		.boot = s->batch[h->batch].boot_id,
		.thin = { h->value, h->value, h->unknown == BL_KNOWN } };

	if (h->thin > 0) {
		const struct thinned *t = &s->thin[h->thin - 1];

		out.thin = t->thin;
		out.before_ms = t->before_ms;
		out.before = t->before;
	}
	return s->cb(s->ctx, &out);
}

static void
give_out(struct samples *s, bool several)
{
	bool sorted = true;

	if (several)
		drop_doubles(s);
	for (size_t i = 1; sorted && i < s->n_held; i++)
		sorted = in_order(&s->held[i - 1], &s->held[i], s->batch) <= 0;
	if (!sorted)
		qsort_r(s->held, s->n_held, sizeof(*s->held), in_order, s->batch);
	for (size_t i = 0; i < s->n_held && !s->stopped; i++)
		s->stopped = !give_one(s, &s->held[i]);
	s->n_held = s->n_thin = 0;
}

/* What sample i of the column that was decoded last stands for; *place: where, 0 for itself. */
static bool
hold_thin(struct samples *s, uint32_t i, uint32_t *place)
{
	const struct store_read *r = s->r;
	struct thinned t = { .thin = r->thin[i] };
	uint32_t k = i;

	*place = 0;
	if (t.thin.count <= 1)
		return true;
	if (!grow(&s->thin, s->n_thin, &s->size_thin, sizeof(*s->thin)))
		return false;
	while (k > 0 && r->unknown[k - 1] != BL_KNOWN)
		k--;
	if (k > 0) {
		t.before_ms = r->boot_ms[i] - r->boot_ms[k - 1];
		t.before = r->value[k - 1];
	}
	s->thin[s->n_thin++] = t;
	*place = (uint32_t)s->n_thin;
	return true;
}

static int
hold_column(struct samples *s, uint32_t batch, uint32_t series, const struct bl_batch_reader *rd,
    const struct bl_column *c, struct bl_err *err)
{
	const bool thin = bl_column_is_thin(c);
	struct store_read *r = s->r;
	uint32_t place = 0;
	int rc;

	if ((rc = bl_column_decode(rd, c, r->boot_ms, r->value, r->unknown, err)) < 0 ||
	    (thin && (rc = read_thin(r, rd, c, err)) < 0))
		return rc;
	for (uint32_t i = 0; i < c->n; i++) {
		const int64_t t = placer_place(&s->place, r->boot_ms[i]);

		if (t < s->from || t >= s->to)
			continue;
		if (!grow(&s->held, s->n_held, &s->size_held, sizeof(*s->held)) ||
		    (thin && !hold_thin(s, i, &place)))
			return no_memory(err);
		s->held[s->n_held++] = (struct held){ series, batch, t, r->boot_ms[i],
			r->unknown[i] == BL_KNOWN ? r->value[i] : (double)NAN, place,
			r->unknown[i] };
	}
	return BL_OK;
}

static int
hold_batch(struct samples *s, uint32_t batch, struct bl_err *err)
{
	const struct listed *l = &s->batch[batch];
	struct store_read *r = s->r;
	struct bl_batch_header h;
	struct bl_batch_reader rd;
	struct bl_column c;
	int64_t spool_id, boot_id;
	int rc;

	/* It was there a moment ago; what is gone since then holds nothing. */
	rc = read_batch(r, l->id, &h, &spool_id, &boot_id, err);
	if (rc == BL_ECORRUPT) { /* it was checked before it was stored: the disk has changed it */
		bl_error(
		    "store", "samples of batch %lld are left out: %s", (long long)l->id, err->msg);
		return BL_OK;
	}
	if (rc <= 0 || (rc = placer_for(&s->place, spool_id, boot_id, err)) < 0)
		return rc;
	h.boot = s->place.boot;
	if ((rc = bl_batch_reader_init(&rd, &h, r->raw.data, r->raw.len, err)) < 0)
		return rc;
	while ((rc = bl_batch_next_column(&rd, &c, err)) == 1) {
		const struct entry want = { spool_id, c.series_id, 0 };
		const struct entry *e =
		    bsearch(&want, s->entry, s->n_entries, sizeof(want), by_entry);

		if (e == NULL)
			continue;
		if ((rc = hold_column(s, batch, e->series, &rd, &c, err)) < 0)
			return rc;
	}
	return rc;
}

/* Batches first.. that overlap in time: returns the first one behind them. */
static size_t
section_end(const struct samples *s, size_t first)
{
	int64_t end = s->batch[first].end_unix_ms;
	size_t i = first + 1;

	for (; i < s->n_batches && s->batch[i].begin_unix_ms <= end; i++)
		if (s->batch[i].end_unix_ms > end)
			end = s->batch[i].end_unix_ms;
	return i;
}

static int
give_section(struct samples *s, size_t first, size_t end, struct bl_err *err)
{
	int rc;

	for (size_t i = first; i < end; i++) {
		if (s->n_held >= HELD_MAX)
			give_out(s, true);
		if ((rc = hold_batch(s, (uint32_t)i, err)) < 0)
			return rc;
	}
	give_out(s, end - first > 1);
	return BL_OK;
}

int
store_log_samples(struct store_read *r, const char *device, enum bl_stream stream,
    const int64_t *ids, size_t n, int64_t from_unix_ms, int64_t to_unix_ms, store_log_sample_cb cb,
    void *ctx, struct bl_err *err)
{
	struct samples s = { .r = r,
		.stream = stream,
		.from = from_unix_ms,
		.to = to_unix_ms,
		.place = { .r = r },
		.cb = cb,
		.ctx = ctx };
	int rc;

	if (n == 0 || from_unix_ms >= to_unix_ms)
		return BL_OK;
	if ((rc = read_device_id(r, device, &s.device_id, err)) <= 0)
		return rc; /* never heard of: no samples */
	if ((rc = read_scratch(r, err)) < 0 || (rc = find_entries(&s, ids, n, err)) < 0 ||
	    s.n_entries == 0 || (rc = list_batches(&s, err)) < 0)
		goto done;
	for (size_t i = 0, end; i < s.n_batches && !s.stopped; i = end) {
		end = section_end(&s, i);
		if ((rc = give_section(&s, i, end, err)) < 0)
			break;
	}
done:
	placer_free(&s.place);
	free(s.entry);
	free(s.batch);
	free(s.held);
	free(s.thin);
	return rc;
}
