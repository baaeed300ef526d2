/*
 * Smallest parts of one device over a span, from what is stored.  Reads only.
 *
 * A span is taken in pieces: not more parts than there is room for, not more event
 * time than a call should read.  Windows are whole: those at the edges of a piece
 * are worked out from all their data, whatever the span says.
 */
#include "kpi_internal.h"

#include <stdlib.h>
#include <string.h>

#include "control_sql.h"

/* Of a few hours: a hole four times a second.  What is in more pieces counts as not covered. */
#define SPANS_MAX 131072u
/* A version may govern hours of a day that began so long before: 25 h, and zones that skipped a
 * day. */
#define DAY_MAX_MS (50 * 3600000LL)
/* Smallest windows are hours at most, so a service further away has no part in them. */
#define NEAR_MS (2 * 3600000LL)

/* ---- which versions at which sites ---- */

static bool
add_task(struct kpi_job *j, const struct define_kpi *v, const struct roster_site *site,
    const struct roster_service *service, size_t n_services)
{
	if (j->n == j->size) {
		const size_t size = j->size == 0 ? 16 : j->size * 2;
		struct kpi_task *t = realloc(j->task, size * sizeof(*t));

		if (t == NULL) {
			j->rc = bl_fail(j->err, BL_ENOMEM, "kpi: out of memory");
			return false;
		}
		j->task = t;
		j->size = size;
	}
	j->task[j->n++] = (struct kpi_task){ .v = v,
		.index = (size_t)(v - j->set->kpi),
		.site = site,
		.service = service,
		.n_services = n_services,
		.code = kpi_raw_code(v),
		.closed_ms = kpi_closed_at(&j->w->closed, kpi_raw_code(v), j->stream) };
	return true;
}

/* The site's first service of this device that comes near the span: each site once. */
static bool
is_first_near(const struct roster_service *s, size_t i, int64_t begin, int64_t end)
{
	const int64_t from = begin - NEAR_MS, to = end + NEAR_MS;

	if (s[i].from_unix_ms >= to || s[i].to_unix_ms <= from)
		return false;
	for (size_t k = 0; k < i; k++)
		if (s[k].site == s[i].site && s[k].from_unix_ms < to && s[k].to_unix_ms > from)
			return false;
	return true;
}

static bool
touches(const struct define_kpi *v, int64_t begin, int64_t end)
{
	/* A window that touches the span may begin before it, and a rate's after it. */
	return v->head.from_unix_ms < end + DAY_MAX_MS &&
	       v->head.until_unix_ms > begin - DAY_MAX_MS;
}

static int
add_tasks(struct kpi_job *j, int64_t begin, int64_t end, const char *kpi)
{
	size_t n = 0;
	const struct roster_service *s = roster_services_of(j->roster, j->device, &n);

	for (size_t i = 0; i < n; i++) {
		if (!is_first_near(s, i, begin, end))
			continue;
		for (size_t k = 0; k < j->set->n_kpis; k++) {
			const struct define_kpi *v = &j->set->kpi[k];

			if (v->head.enabled && v->stream == j->stream && touches(v, begin, end) &&
			    (kpi == NULL || strcmp(kpi, v->head.id) == 0) &&
			    define_in_scope(&v->scope, s[i].site->id, s[i].site->region) &&
			    !add_task(j, v, s[i].site, s, n))
				return j->rc;
		}
	}
	return BL_OK;
}

/* ---- how far ---- */

/* An upper bound of the parts of [begin, end). */
static size_t
weight_of(const struct kpi_job *j, int64_t begin, int64_t end)
{
	size_t sum = 0;

	for (size_t i = 0; i < j->n; i++) {
		const struct kpi_task *t = &j->task[i];
		const int64_t n = (end - begin + t->lead_ms) / kpi_window_len_ms(t->code) + 2;

		sum += (size_t)n * (t->v->function == BL_FN_PERCENTILE ? KPI_SKETCH_WEIGHT : 1);
	}
	return sum;
}

/* At or before `at`, on a whole hour or minute: few windows are then worked out twice. */
static int64_t
cut_at(int64_t begin, int64_t at, int64_t end)
{
	static const int64_t grid[] = { 3600000, 300000, 60000, 1 };

	for (size_t i = 0; i < sizeof(grid) / sizeof(grid[0]); i++) {
		const int64_t cut = at - ((at % grid[i]) + grid[i]) % grid[i];

		if (cut > begin)
			return cut;
	}
	return end;
}

/* The end of the piece that there is room for; begin: none. */
static int64_t
piece_end(const struct kpi_job *j, int64_t begin, int64_t end)
{
	const size_t room = j->w->weight < j->w->limit ? j->w->limit - j->w->weight : 0;

	if (end - begin > KPI_SPAN_MAX_MS)
		end = cut_at(begin, begin + KPI_SPAN_MAX_MS, end);
	while (weight_of(j, begin, end) > room) {
		/* One minute of everything is let into an empty one, whatever it weighs. */
		if (end - begin <= 60000)
			return j->w->n == 0 ? end : begin;
		end = cut_at(begin, begin + (end - begin) / 2, end);
	}
	return end;
}

/* ---- coverage ---- */

struct coverage {
	struct bl_spans covered, either;
	int rc;
};

static void
on_span(void *ctx, bool gone, int64_t begin, int64_t end)
{
	struct coverage *c = ctx;

	if (c->rc >= 0 && !gone)
		c->rc = bl_spans_add(&c->covered, begin, end);
	if (c->rc >= 0)
		c->rc = bl_spans_add(&c->either, begin, end);
	if (c->rc == BL_EFULL) /* a cap must not keep everybody else waiting */
		c->rc = BL_OK;
}

static int
read_coverage(struct kpi_job *j, struct coverage *c)
{
	int64_t begin, end;
	int rc;

	bl_spans_init(&c->covered, SPANS_MAX);
	bl_spans_init(&c->either, SPANS_MAX);
	c->rc = BL_OK;
	if (!kpi_job_span(j, &begin, &end))
		return BL_OK;
	if ((rc = store_log_coverage(
		 j->telemetry, j->device, j->stream, begin, end, on_span, c, j->err)) < 0)
		return rc;
	return c->rc < 0 ? bl_fail(j->err, c->rc, "kpi: out of memory") : BL_OK;
}

static void
coverage_free(struct coverage *c)
{
	bl_spans_free(&c->covered);
	bl_spans_free(&c->either);
}

/* Only what was served at the task's site counts. */
static void
measure(const struct kpi_task *t, const struct kpi_slot *s, const struct coverage *c,
    struct kpi_entry *e)
{
	for (size_t i = 0; i < t->n_services; i++) {
		const struct roster_service *v = &t->service[i];
		const int64_t from =
		    v->from_unix_ms > s->begin_unix_ms ? v->from_unix_ms : s->begin_unix_ms;
		const int64_t to = v->to_unix_ms < s->end_unix_ms ? v->to_unix_ms : s->end_unix_ms;
		int64_t covered, either;

		if (v->site != t->site || to <= from)
			continue;
		covered = bl_spans_covered_ms(&c->covered, from, to);
		e->expected_ms += to - from;
		e->covered_ms += covered;
		either = bl_spans_covered_ms(&c->either, from, to);
		e->gone_ms += either > covered ? either - covered : 0;
	}
}

/* ---- what comes out ---- */

/* A part that says nothing is no row: whether there is one must not depend on who looked when. */
static bool
says_something(const struct kpi_entry *e, const struct bl_part *p)
{
	return e->expected_ms > 0 &&
	       (e->covered_ms > 0 || e->gone_ms > 0 || p->n > 0 || p->span_ms > 0);
}

static void
fill_key(struct kpi_entry *e, const char *kpi, const char *site, const char *device)
{
	memset(e, 0, sizeof(*e));
	memcpy(e->kpi, kpi, strnlen(kpi, sizeof(e->kpi) - 1));
	memcpy(e->site, site, strnlen(site, sizeof(e->site) - 1));
	memcpy(e->device, device, strnlen(device, sizeof(e->device) - 1));
}

static int
put_task(struct kpi_job *j, const struct kpi_task *t, const struct coverage *c)
{
	struct kpi_entry e;
	int rc = BL_OK;

	for (size_t i = 0; rc >= 0 && i < t->n_slots; i++) {
		const struct kpi_slot *s = &t->slot[i];

		fill_key(&e, t->v->head.id, t->site->id, j->device);
		e.code = t->code;
		e.begin_unix_ms = s->begin_unix_ms;
		e.end_unix_ms = s->end_unix_ms;
		e.version = t->v->head.version;
		measure(t, s, c, &e);
		rc = kpi_work_add(j->w, &e, says_something(&e, &s->part) ? &s->part : NULL, j->err);
	}
	return rc;
}

/* ---- rows that are to go ---- */

static int
drop_row(struct kpi_job *j, sqlite3_stmt *st, const char *kpi, int code, int64_t begin, int64_t end)
{
	const char *name = (const char *)sqlite3_column_text(st, 0);
	const struct roster_site *site = name != NULL ? roster_site(j->roster, name) : NULL;
	struct kpi_entry e;
	int64_t b, to;

	if (site == NULL)
		return BL_OK;
	kpi_window_at(code, site->tz, sqlite3_column_int64(st, 1), &b, &to);
	if (b >= end || to <= begin || b < kpi_closed_at(&j->w->closed, code, j->stream))
		return BL_OK;
	if (kpi_governs(j->set, kpi, site, code, b) != NULL &&
	    kpi_served_ms(j->roster, j->device, site->id, b, to) > 0)
		return BL_OK;
	fill_key(&e, kpi, site->id, j->device);
	e.code = code;
	e.begin_unix_ms = b;
	e.end_unix_ms = to;
	return kpi_work_add(j->w, &e, NULL, j->err);
}

/*
 * Rows of a version that is no longer in force there: only a KPI with several can have
 * some.  And those of a site where the device was not in service after all.
 */
static int
drop_stale(struct kpi_job *j, const char *kpi, int64_t begin, int64_t end)
{
	static const int code[] = { BL_WINDOW_1M, BL_WINDOW_5M, BL_WINDOW_1H, KPI_DAY_HOURS };
	sqlite3_stmt *st;
	int rc = BL_OK;

	for (size_t i = 0; rc >= 0 && i < sizeof(code) / sizeof(code[0]); i++) {
		rc = control_sql_prepare(&st, j->control, j->err,
		    "SELECT site, begin_unix_ms FROM kpi_part INDEXED BY kpi_part_device"
		    " WHERE device = ? AND kpi = ? AND window = ? AND begin_unix_ms > ?"
		    " AND begin_unix_ms < ?",
		    "ttiii", j->device, kpi, (int64_t)code[i],
		    begin - 2 * kpi_window_len_ms(code[i]), end);
		while (rc >= 0 && (rc = control_sql_step(st, j->err)) == 1)
			rc = drop_row(j, st, kpi, code[i], begin, end);
		(void)sqlite3_finalize(st); /* repeats the failure of the step */
	}
	return rc;
}

/* How many versions of the same KPI stand before it. */
static size_t
versions_before(const struct define_set *set, size_t k)
{
	size_t n = 0;

	while (n < k && strcmp(set->kpi[k].head.id, set->kpi[k - n - 1].head.id) == 0)
		n++;
	return n;
}

/* The second version of a KPI stands for it; where all are looked for, the first. */
static bool
may_be_stale(const struct kpi_job *j, size_t k, const char *kpi)
{
	return (kpi == NULL || strcmp(kpi, j->set->kpi[k].head.id) == 0) &&
	       versions_before(j->set, k) == (j->w->look_back ? 0 : 1);
}

static bool
any_may_be_stale(const struct kpi_job *j, const char *kpi)
{
	for (size_t k = 0; k < j->set->n_kpis; k++)
		if (may_be_stale(j, k, kpi))
			return true;
	return false;
}

static int
drop_all_stale(struct kpi_job *j, int64_t begin, int64_t end, const char *kpi)
{
	int rc = BL_OK;

	for (size_t k = 0; rc >= 0 && k < j->set->n_kpis; k++)
		if (may_be_stale(j, k, kpi))
			rc = drop_stale(j, j->set->kpi[k].head.id, begin, end);
	return rc;
}

/* ---- the whole ---- */

static int
make_slots(struct kpi_job *j, int64_t begin, int64_t end)
{
	int rc = BL_OK;

	/* A sample is the neighbour of those after it: a rate's windows reach further. */
	for (size_t i = 0; rc >= 0 && i < j->n; i++)
		rc = kpi_task_slots(&j->task[i], begin, end + j->task[i].lead_ms, j->err);
	return rc;
}

static int
work_out(struct kpi_job *j, struct kpi_feed *feed, int64_t begin, int64_t end)
{
	struct coverage c;
	int rc;

	if ((rc = make_slots(j, begin, end)) < 0)
		return rc;
	if ((rc = read_coverage(j, &c)) >= 0 && (rc = kpi_feed_samples(feed)) >= 0)
		rc = kpi_feed_steps(j);
	for (size_t i = 0; rc >= 0 && i < j->n; i++)
		rc = put_task(j, &j->task[i], &c);
	coverage_free(&c);
	return rc;
}

/* Nothing in [.., end) is worked out any more, however long ago it begins. */
static bool
all_closed(const struct kpi_job *j, int64_t end)
{
	for (size_t i = 0; i < j->n; i++)
		if (end + j->task[i].lead_ms > j->task[i].closed_ms)
			return false;
	return true;
}

static int
compute(struct kpi_job *j, int64_t begin, int64_t end, const char *kpi, int64_t *done_until)
{
	struct kpi_feed *feed = NULL;
	int64_t to;
	int rc;

	if ((rc = add_tasks(j, begin, end, kpi)) < 0 || (j->n == 0 && !any_may_be_stale(j, kpi)) ||
	    (rc = kpi_feed_create(&feed, j)) < 0)
		return rc;
	kpi_feed_leads(feed);
	if (j->n > 0 && all_closed(j, end)) {
		kpi_feed_free(feed);
		return BL_OK;
	}
	to = piece_end(j, begin, end);
	if (to > begin && (rc = work_out(j, feed, begin, to)) >= 0)
		rc = drop_all_stale(j, begin, to, kpi);
	kpi_feed_free(feed);
	*done_until = to;
	return rc;
}

int
kpi_compute(struct kpi_work *w, struct store_read *telemetry, struct sqlite3 *control,
    const struct define_set *set, const struct roster *roster, const char *device,
    enum bl_stream stream, int64_t begin, int64_t end, const char *kpi, int64_t *done_until,
    struct bl_err *err)
{
	struct kpi_job j = { .w = w,
		.telemetry = telemetry,
		.control = control,
		.set = set,
		.roster = roster,
		.device = device,
		.stream = stream,
		.err = err };
	const size_t n = w->n, weight = w->weight, bytes = w->bytes.len;
	int rc;

	*done_until = end;
	if (begin >= end)
		return BL_OK;
	rc = compute(&j, begin, end, kpi, done_until);
	if (rc < 0) { /* as if it had not been asked */
		w->n = n;
		w->weight = weight;
		w->bytes.len = bytes;
		w->bytes.failed = false;
	}
	for (size_t i = 0; i < j.n; i++)
		kpi_task_free(&j.task[i]);
	free(j.task);
	return rc;
}
