/*
 * The ledger in figures: what nothing explains, and what is lost by reason, device and
 * time.  Entries count where they are; their time as far as it lies in the range.
 */
#include "api_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNIX_MS_MAX  253402300799999.0 /* the end of the year 9999 */
#define DEVICES_MAX  20000
#define DEVICES_TOLD 500
#define BUCKETS_MAX  400
#define MISSING_MAX  1000

struct totals_query {
	struct given_int from, to, step;
	struct given_str device;
};

#define AT(m) offsetof(struct totals_query, m)
static const struct field totals_fields[] = {
	{ "from", FIELD_INT, AT(from), .min = 0, .max = UNIX_MS_MAX,
	    .help = "begin of the range, Unix milliseconds; open unless given" },
	{ "to", FIELD_INT, AT(to), .min = 1, .max = UNIX_MS_MAX,
	    .help = "end of the range (exclusive); open unless given" },
	{ "step", FIELD_INT, AT(step), .min = 60000, .max = UNIX_MS_MAX,
	    .help =
		"milliseconds: with from and to, time by reason in steps of this, at most 400" },
	{ "device", FIELD_STR, AT(device), .min = 1, .max = BL_ID_TEXT_MAX, .check = check_id,
	    .help = "only of this device" },
};
#undef AT
const struct schema query_gap_totals = { "", sizeof(struct totals_query), totals_fields, 4 };

struct missing_query {
	struct given_int limit;
	struct given_str device;
};

static const struct field missing_fields[] = {
	{ "limit", FIELD_INT, offsetof(struct missing_query, limit), .min = 1, .max = MISSING_MAX,
	    .help = "how many at most" },
	{ "device", FIELD_STR, offsetof(struct missing_query, device), .min = 1,
	    .max = BL_ID_TEXT_MAX, .check = check_id, .help = "only of this device" },
};
const struct schema query_missing = { "", sizeof(struct missing_query), missing_fields, 2 };

/* ---- what nothing explains --------------------------------------------- */

static void
write_unexplained(struct jsonw *w, const struct store_unexplained *u)
{
	jsonw_object(w, "unexplained");
	jsonw_int(w, "gaps", (int64_t)u->gaps);
	jsonw_int(w, "batches", (int64_t)u->batches);
	jsonw_int(w, "unanswered", (int64_t)u->unanswered);
	api_time(w, "since_unix_ms", u->since_unix_ms);
	jsonw_object_end(w);
}

static bool
write_missing(void *ctx, const struct store_missing *m)
{
	static const char *const what[] = { "unanswered", "vanished", "hole", "samples" };
	struct jsonw *w = ctx;

	jsonw_object(w, NULL);
	jsonw_str(w, "device", m->device);
	jsonw_str(w, "stream", api_stream_name(m->stream));
	jsonw_str(w, "what", what[m->what]);
	jsonw_int_or_null(w, "seq_first", m->seq_first != 0, (int64_t)m->seq_first);
	jsonw_int_or_null(w, "seq_last", m->seq_last != 0, (int64_t)m->seq_last);
	api_time(w, "from_unix_ms", m->from_unix_ms);
	api_time(w, "to_unix_ms", m->to_unix_ms);
	jsonw_int_or_null(w, "samples", m->samples != 0, (int64_t)m->samples);
	api_time(w, "since_unix_ms", m->since_unix_ms);
	jsonw_object_end(w);
	return !w->buf.failed;
}

int
get_gaps_unexplained(struct api_req *r, struct bl_err *err)
{
	const struct missing_query *q = r->query;
	const size_t limit = q->limit.given ? (size_t)q->limit.v : API_LIMIT_DFLT;
	struct store_read *reader;
	struct store_unexplained u;
	int rc;

	if ((rc = api_reader_take(r->api, &reader, err)) < 0)
		return rc;
	jsonw_object(&r->w, NULL);
	if ((rc = store_read_unexplained(reader, q->device.v, &u, err)) == BL_OK) {
		write_unexplained(&r->w, &u);
		jsonw_array(&r->w, "items");
		rc = store_read_missing(reader, q->device.v, limit, write_missing, &r->w, err);
		jsonw_array_end(&r->w);
	}
	api_reader_give(r->api, reader);
	jsonw_object_end(&r->w);
	return rc < 0 ? rc : api_json_send(r, 200);
}

/* ---- sums -------------------------------------------------------------- */

struct sum {
	int reason;
	struct store_gap_total t; /* its device is not set */
};

struct device_sums {
	char name[BL_ID_TEXT_MAX + 1];
	uint64_t unexplained;
	int64_t time_ms;
	struct sum by[STORE_GAP_REASONS + 1]; /* what this build does not know comes last */
};

struct totals {
	struct device_sums *d; /* by name */
	size_t n, size;
	struct sum by[STORE_GAP_REASONS + 1];
	bool failed;
};

static size_t
slot(int reason)
{
	return reason >= 1 && reason <= STORE_GAP_REASONS ? (size_t)reason - 1 : STORE_GAP_REASONS;
}

/* Where a device is, or would be. */
static size_t
place(const struct totals *t, const char *name, bool *there)
{
	size_t lo = 0, hi = t->n;

	while (lo < hi) {
		const size_t mid = lo + (hi - lo) / 2;
		const int c = strcmp(t->d[mid].name, name);

		*there = c == 0;
		if (c == 0)
			return mid;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*there = false;
	return lo;
}

static struct device_sums *
of_device(struct totals *t, const char *name)
{
	struct device_sums *d;
	bool there;
	const size_t i = place(t, name, &there);

	if (there)
		return &t->d[i];
	if (t->n == t->size) {
		const size_t size = t->size == 0 ? 64 : t->size * 2;

		if (size > DEVICES_MAX * 2 || (d = realloc(t->d, size * sizeof(*d))) == NULL) {
			t->failed = true;
			return NULL;
		}
		t->d = d;
		t->size = size;
	}
	memmove(&t->d[i + 1], &t->d[i], (t->n - i) * sizeof(*t->d));
	t->n++;
	memset(&t->d[i], 0, sizeof(t->d[i]));
	(void)snprintf(t->d[i].name, sizeof(t->d[i].name), "%s", name);
	return &t->d[i];
}

static void
add(struct sum *s, const struct store_gap_total *t)
{
	s->reason = t->reason;
	if (s->t.entries == 0) {
		s->t.first_unix_ms = t->first_unix_ms;
		s->t.last_unix_ms = t->last_unix_ms;
	}
	s->t.entries += t->entries;
	s->t.batches += t->batches;
	s->t.samples += t->samples;
	s->t.time_ms += t->time_ms;
}

static bool
take_total(void *ctx, const struct store_gap_total *row)
{
	struct totals *t = ctx;
	struct device_sums *d = of_device(t, row->device);

	if (d == NULL)
		return false;
	add(&d->by[slot(row->reason)], row);
	add(&t->by[slot(row->reason)], row);
	d->time_ms += row->time_ms;
	return true;
}

static bool
take_missing(void *ctx, const struct store_missing *m)
{
	struct totals *t = ctx;
	struct device_sums *d = of_device(t, m->device);

	if (d != NULL)
		d->unexplained++;
	return d != NULL;
}

static void
write_sum(struct jsonw *w, const struct sum *s, bool times)
{
	jsonw_object(w, NULL);
	jsonw_str(w, "reason", store_gap_reason_name(s->reason));
	jsonw_int(w, "entries", (int64_t)s->t.entries);
	jsonw_int(w, "batches", (int64_t)s->t.batches);
	jsonw_int(w, "samples", (int64_t)s->t.samples);
	jsonw_int(w, "time_ms", s->t.time_ms);
	if (times) {
		api_time(w, "first_unix_ms", s->t.first_unix_ms);
		api_time(w, "last_unix_ms", s->t.last_unix_ms);
	}
	jsonw_object_end(w);
}

static void
write_sums(struct jsonw *w, const struct sum by[STORE_GAP_REASONS + 1], bool times)
{
	jsonw_array(w, "reasons");
	for (size_t i = 0; i <= STORE_GAP_REASONS; i++)
		if (by[i].t.entries > 0)
			write_sum(w, &by[i], times);
	jsonw_array_end(w);
}

/* What nothing explains first, then who lost most. */
static int
by_weight(const void *a, const void *b)
{
	const struct device_sums *x = a, *y = b;

	if (x->unexplained != y->unexplained)
		return x->unexplained < y->unexplained ? 1 : -1;
	if (x->time_ms != y->time_ms)
		return x->time_ms < y->time_ms ? 1 : -1;
	return strcmp(x->name, y->name);
}

static void
write_devices(struct jsonw *w, struct totals *t)
{
	const size_t told = t->n < DEVICES_TOLD ? t->n : DEVICES_TOLD;

	if (t->n > 1)
		qsort(t->d, t->n, sizeof(*t->d), by_weight);
	jsonw_array(w, "devices");
	for (size_t i = 0; i < told; i++) {
		jsonw_object(w, NULL);
		jsonw_str(w, "device", t->d[i].name);
		jsonw_int(w, "unexplained", (int64_t)t->d[i].unexplained);
		write_sums(w, t->d[i].by, true);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
	jsonw_bool(w, "more_devices", told < t->n);
}

/* ---- over time --------------------------------------------------------- */

struct buckets {
	int64_t from, to, step;
	size_t n;
	int64_t last_id;
	size_t seen;
	int64_t (*ms)[STORE_GAP_REASONS + 1];
};

static bool
take_span(void *ctx, const struct store_gap *g)
{
	struct buckets *b = ctx;
	int64_t at = g->from_unix_ms, end = g->to_unix_ms;

	b->seen++;
	b->last_id = g->id;
	if (at == STORE_TIME_NONE || end == STORE_TIME_NONE)
		return true;
	at = at > b->from ? at : b->from;
	end = end < b->to ? end : b->to;
	while (at < end) {
		const int64_t i = (at - b->from) / b->step;
		const int64_t next = b->from + (i + 1) * b->step;
		const int64_t upto = next < end ? next : end;

		b->ms[i][slot(g->reason)] += upto - at;
		at = upto;
	}
	return true;
}

static int
read_buckets(
    struct store_read *reader, const struct totals_query *q, struct buckets *b, struct bl_err *err)
{
	struct store_gap_filter f = { .device = q->device.v,
		.from_unix_ms = b->from,
		.to_unix_ms = b->to,
		.limit = API_LIMIT_MAX };
	size_t before;
	int rc;

	do {
		before = b->seen;
		if ((rc = store_read_gaps(reader, &f, take_span, b, err)) < 0)
			return rc;
		f.before_id = b->last_id;
	} while (b->seen - before == API_LIMIT_MAX && b->seen < 1000 * API_LIMIT_MAX);
	return BL_OK;
}

static void
write_buckets(struct jsonw *w, const struct buckets *b)
{
	jsonw_array(w, "buckets");
	for (size_t i = 0; i < b->n; i++) {
		jsonw_object(w, NULL);
		jsonw_int(w, "from_unix_ms", b->from + (int64_t)i * b->step);
		jsonw_object(w, "time_ms");
		for (size_t k = 0; k <= STORE_GAP_REASONS; k++)
			if (b->ms[i][k] > 0)
				jsonw_int(w, store_gap_reason_name((int)k + 1), b->ms[i][k]);
		jsonw_object_end(w);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
}

/* False: it has been answered. */
static bool
check(struct api_req *r, const struct totals_query *q, struct buckets *b)
{
	struct field_errors errs = { 0 };

	if (q->from.given && q->to.given && q->from.v >= q->to.v)
		field_error_add(&errs, "to", "later than from", "an empty range", NULL);
	else if (q->step.given && (!q->from.given || !q->to.given))
		field_error_add(&errs, "step", "from and to as well", "it without them", NULL);
	else if (q->step.given && (q->to.v - q->from.v) / q->step.v >= BUCKETS_MAX)
		field_error_add(&errs, "step", "at most 400 steps from from to to", "more", NULL);
	if (errs.n > 0) {
		api_problem_fields(r, &errs);
		return false;
	}
	if (q->step.given) {
		*b = (struct buckets){ .from = q->from.v, .to = q->to.v, .step = q->step.v };
		b->n = (size_t)((b->to - b->from + b->step - 1) / b->step);
	}
	return true;
}

static int
read_all(struct api_req *r, struct totals *t, struct buckets *b, struct store_unexplained *u,
    struct bl_err *err)
{
	const struct totals_query *q = r->query;
	const struct store_gap_filter f = {
		.device = q->device.v,
		.from_unix_ms = q->from.given ? q->from.v : STORE_TIME_NONE,
		.to_unix_ms = q->to.given ? q->to.v : STORE_TIME_NONE,
	};
	struct store_read *reader;
	int rc;

	if (b->n > 0 && (b->ms = calloc(b->n, sizeof(*b->ms))) == NULL)
		return bl_fail(err, BL_ENOMEM, "gaps: out of memory");
	if ((rc = api_reader_take(r->api, &reader, err)) < 0)
		return rc;
	rc = store_read_unexplained(reader, q->device.v, u, err);
	if (rc == BL_OK)
		rc = store_read_gap_totals(reader, &f, take_total, t, err);
	if (rc == BL_OK && u->gaps > 0)
		rc = store_read_missing(reader, q->device.v, DEVICES_MAX, take_missing, t, err);
	if (rc == BL_OK && b->n > 0)
		rc = read_buckets(reader, q, b, err);
	api_reader_give(r->api, reader);
	if (rc == BL_OK && t->failed)
		rc = bl_fail(err, BL_ENOMEM, "gaps: out of memory");
	return rc;
}

int
get_gaps_totals(struct api_req *r, struct bl_err *err)
{
	struct totals t = { 0 };
	struct buckets b = { 0 };
	struct store_unexplained u;
	int rc = 0;

	if (check(r, r->query, &b) && (rc = read_all(r, &t, &b, &u, err)) == BL_OK) {
		jsonw_object(&r->w, NULL);
		write_unexplained(&r->w, &u);
		write_sums(&r->w, t.by, false);
		write_devices(&r->w, &t);
		write_buckets(&r->w, &b);
		jsonw_object_end(&r->w);
		rc = api_json_send(r, 200);
	}
	free(t.d);
	free(b.ms);
	return rc;
}
