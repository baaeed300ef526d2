/* Series of a device, and their values over a range. */
#include "api_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POINTS_DFLT  600
#define SERVICES_MAX 64
#define UNIX_MS_MAX  253402300799999.0 /* the end of the year 9999 */

struct query_query {
	struct given_str series;
	struct given_int from, to, step, points;
	struct given_bool rate;
};

static const struct field query_fields[] = {
	{ "series", FIELD_STR, offsetof(struct query_query, series), .required = true,
	    .check = check_series, .help = "1 to 20 series ids, separated by commas" },
	{ "from", FIELD_INT, offsetof(struct query_query, from), .required = true, .min = 0,
	    .max = UNIX_MS_MAX, .help = "begin of the range, Unix milliseconds" },
	{ "to", FIELD_INT, offsetof(struct query_query, to), .required = true, .min = 1,
	    .max = UNIX_MS_MAX, .help = "end of the range (exclusive), Unix milliseconds" },
	{ "step", FIELD_INT, offsetof(struct query_query, step), .min = 1, .max = UNIX_MS_MAX,
	    .help = "length of a step in ms" },
	{ "points", FIELD_INT, offsetof(struct query_query, points), .min = 2,
	    .max = STORE_QUERY_STEPS, .help = "how many steps, instead of step; 600 unless said" },
	{ "rate", FIELD_BOOL, offsetof(struct query_query, rate),
	    .help = "true: counters as rate: growth by known time, per second" },
};
const struct schema query_query = { "", sizeof(struct query_query), query_fields, 6 };

/* ---- the series of a device -------------------------------------------- */

static const char *
kind_name(enum bl_series_kind kind)
{
	return kind == BL_COUNTER ? "counter" : "gauge";
}

static bool
write_series(void *ctx, const struct store_series *s)
{
	struct jsonw *w = ctx;

	jsonw_object(w, NULL);
	jsonw_int(w, "id", s->id);
	jsonw_str(w, "name", s->name);
	jsonw_str(w, "unit", s->unit);
	jsonw_str(w, "kind", kind_name(s->kind));
	jsonw_str(w, "stream", api_stream_name(s->stream));
	jsonw_int(w, "interval_ms", s->interval_ms);
	jsonw_raw(w, "labels", s->labels_json);
	api_time(w, "first_unix_ms", s->first_unix_ms);
	api_time(w, "last_unix_ms", s->last_unix_ms);
	jsonw_object_end(w);
	return true;
}

int
get_devices_id_series(struct api_req *r, struct bl_err *err)
{
	struct store_read *reader;
	struct fleet_device d;
	int rc;

	if ((rc = fleet_device_get(r->db, r->param[0], &d, err)) < 0)
		return rc;
	if (rc == FLEET_UNKNOWN) {
		api_problem(r, 404, "not_found", "There is no device \"%s\".", r->param[0]);
		return 0;
	}
	if ((rc = api_reader_take(r->api, &reader, err)) < 0)
		return rc;
	jsonw_object(&r->w, NULL);
	jsonw_array(&r->w, "items");
	rc = store_read_series(reader, d.id, write_series, &r->w, err);
	api_reader_give(r->api, reader);
	if (rc < 0 && rc != BL_ENOTFOUND)
		return rc;
	jsonw_array_end(&r->w);
	jsonw_null(&r->w, "next");
	jsonw_object_end(&r->w);
	return api_json_send(r, 200);
}

/* ---- gaps and the intervals of service --------------------------------- */

struct services {
	size_t n;
	bool cut;                             /* there are older ones */
	struct fleet_service s[SERVICES_MAX]; /* the newest ones when there are more */
};

static bool
add_service(const struct fleet_service *s, void *ctx)
{
	struct services *all = ctx;

	if (all->n == SERVICES_MAX) {
		memmove(&all->s[0], &all->s[1], (SERVICES_MAX - 1) * sizeof(all->s[0]));
		all->n--;
		all->cut = true;
	}
	all->s[all->n++] = *s;
	return true;
}

static void
write_span(struct jsonw *w, int64_t from, int64_t to, const char *reason)
{
	if (from >= to)
		return;
	jsonw_object(w, NULL);
	jsonw_int(w, "from_unix_ms", from);
	jsonw_int(w, "to_unix_ms", to);
	jsonw_str(w, "reason", reason);
	jsonw_object_end(w);
}

static int64_t
later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t
sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* What did not arrive while the device was not in service was never expected. */
static void
write_gap(struct jsonw *w, const struct store_span *gap, const struct services *all)
{
	const char *reason = store_gap_reason_name(gap->reason);
	int64_t at = gap->from_unix_ms;

	if (gap->reason != STORE_GAP_NOT_ARRIVED) {
		write_span(w, gap->from_unix_ms, gap->to_unix_ms, reason);
		return;
	}
	if (all->n > 0 && !all->cut) {
		const int64_t first = sooner(gap->to_unix_ms, all->s[0].from_unix_ms);

		write_span(w, at, first, "not_yet_installed");
		at = later(at, first);
	}
	for (size_t i = 0; i < all->n && at < gap->to_unix_ms; i++) {
		const int64_t from = later(at, all->s[i].from_unix_ms);
		const int64_t to = sooner(gap->to_unix_ms, all->s[i].to_unix_ms);
		if (from >= to)
			continue;
		write_span(w, at, from, "not_in_service");
		write_span(w, from, to, reason);
		at = to;
	}
	write_span(w, at, gap->to_unix_ms, "not_in_service");
}

/* ---- the query --------------------------------------------------------- */

struct series_head {
	char device[BL_DEVICE_ID_MAX + 1];
	char name[BL_NAME_MAX + 1];
	char unit[BL_NAME_MAX + 1];
	char *labels; /* owned */
};

static bool
keep_head(void *ctx, const struct store_series *s)
{
	struct series_head *h = ctx;

	(void)snprintf(h->device, sizeof(h->device), "%s", s->device);
	(void)snprintf(h->name, sizeof(h->name), "%s", s->name);
	(void)snprintf(h->unit, sizeof(h->unit), "%s", s->unit);
	h->labels = strdup(s->labels_json);
	return false;
}

static void
write_numbers(struct jsonw *w, const char *key, const double *v, size_t n)
{
	jsonw_array(w, key);
	for (size_t i = 0; i < n; i++)
		jsonw_num(w, NULL, v[i]);
	jsonw_array_end(w);
}

static void
write_points(
    struct jsonw *w, const struct store_query *q, const struct store_query_series *s, size_t n)
{
	jsonw_object(w, "points");
	jsonw_array(w, "t");
	for (size_t i = 0; i < n; i++)
		jsonw_int(w, NULL, q->from_unix_ms + (int64_t)i * q->step_ms);
	jsonw_array_end(w);
	jsonw_array(w, "n");
	for (size_t i = 0; i < n; i++)
		jsonw_int(w, NULL, (int64_t)s->n[i]);
	jsonw_array_end(w);
	write_numbers(w, "min", s->min, n);
	write_numbers(w, "max", s->max, n);
	write_numbers(w, "mean", s->mean, n);
	jsonw_object_end(w);
}

/* The steps for which thinned samples stand, joined. */
static void
write_thinned(
    struct jsonw *w, const struct store_query *q, const struct store_query_series *s, size_t n)
{
	jsonw_array(w, "thinned");
	for (size_t i = 0, end; s->thin != NULL && i < n; i = end) {
		const int64_t from = q->from_unix_ms + (int64_t)i * q->step_ms;
		int64_t to;

		end = i + 1;
		if (!s->thin[i])
			continue;
		while (end < n && s->thin[end])
			end++;
		to = q->from_unix_ms + (int64_t)end * q->step_ms;
		jsonw_object(w, NULL);
		jsonw_int(w, "from_unix_ms", from);
		jsonw_int(w, "to_unix_ms", to < q->to_unix_ms ? to : q->to_unix_ms);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
}

static bool
write_doubt(void *ctx, const struct store_doubt *d)
{
	struct jsonw *w = ctx;

	jsonw_object(w, NULL);
	jsonw_int(w, "from_unix_ms", d->from_unix_ms);
	jsonw_int(w, "to_unix_ms", d->to_unix_ms);
	jsonw_int(w, "uncertainty_ms", d->uncertainty_ms);
	jsonw_object_end(w);
	return !w->buf.failed;
}

static int
write_one(struct api_req *r, struct store_read *reader, const struct store_query *q,
    const struct store_query_series *s, size_t n_steps, struct bl_err *err)
{
	struct services all = { 0 };
	struct series_head h = { 0 };
	int rc;

	rc = store_read_series_by_id(reader, s->id, keep_head, &h, err);
	if (rc < 0)
		return rc;
	if (h.labels == NULL)
		return bl_fail(err, BL_ENOMEM, "query: out of memory");
	if ((rc = fleet_service_each(r->db, h.device, add_service, &all, err)) < 0)
		goto done;
	jsonw_object(&r->w, NULL);
	jsonw_int(&r->w, "id", s->id);
	jsonw_str(&r->w, "name", h.name);
	jsonw_str(&r->w, "unit", h.unit);
	jsonw_raw(&r->w, "labels", h.labels);
	write_points(&r->w, q, s, n_steps);
	write_thinned(&r->w, q, s, n_steps);
	jsonw_array(&r->w, "gaps");
	for (size_t i = 0; i < s->n_gaps; i++)
		write_gap(&r->w, &s->gap[i], &all);
	jsonw_array_end(&r->w);
	jsonw_array(&r->w, "doubts");
	if ((rc = store_read_doubts(reader, h.device, q->from_unix_ms, q->to_unix_ms,
		 STORE_DOUBT_MIN_MS, write_doubt, &r->w, err)) < 0)
		goto done;
	jsonw_array_end(&r->w);
	jsonw_object_end(&r->w);
done:
	free(h.labels);
	return rc < 0 ? rc : BL_OK;
}

static int
write_result(struct api_req *r, struct store_read *reader, const struct store_query *q,
    const struct store_query_result *res, struct bl_err *err)
{
	int rc = BL_OK;

	jsonw_object(&r->w, NULL);
	jsonw_int(&r->w, "from_unix_ms", q->from_unix_ms);
	jsonw_int(&r->w, "to_unix_ms", q->to_unix_ms);
	jsonw_int(&r->w, "step_ms", q->step_ms);
	jsonw_array(&r->w, "series");
	for (size_t i = 0; i < res->n_series && rc == BL_OK; i++)
		rc = write_one(r, reader, q, &res->series[i], res->n_steps, err);
	if (rc < 0)
		return rc;
	jsonw_array_end(&r->w);
	jsonw_object_end(&r->w);
	return api_json_send(r, 200);
}

static size_t
parse_ids(const char *text, int64_t ids[STORE_QUERY_SERIES])
{
	size_t n = 0;
	char *end;

	while (n < STORE_QUERY_SERIES) {
		ids[n++] = strtoll(text, &end, 10);
		if (*end != ',')
			break;
		text = end + 1;
	}
	return n;
}

/* False: it has been answered. */
static bool
plan(struct api_req *r, const struct query_query *p, struct store_query *q)
{
	struct field_errors errs = { 0 };
	const int64_t range = p->to.v - p->from.v;
	const int64_t points = p->points.given ? p->points.v : POINTS_DFLT;

	if (range <= 0)
		field_error_add(&errs, "to", "later than from", "an empty range", NULL);
	if (p->step.given && p->points.given)
		field_error_add(&errs, "points", "either step or points", "both", NULL);
	if (errs.n > 0) {
		api_problem_fields(r, &errs);
		return false;
	}
	q->from_unix_ms = p->from.v;
	q->to_unix_ms = p->to.v;
	q->step_ms = p->step.given ? p->step.v : (range + points - 1) / points;
	q->rate = p->rate.v;
	if ((range - 1) / q->step_ms + 1 <= STORE_QUERY_STEPS)
		return true;
	api_problem(r, 422, "too_many_points",
	    "That would be more than %u steps; ask for a longer step or a shorter range.",
	    STORE_QUERY_STEPS);
	return false;
}

/*
 * A query may take seconds of a thread; the others are kept for everybody
 * else.  A page asks for all its charts at once: a few wait for their turn.
 */
int
api_query_begin(struct api *api, struct bl_err *err)
{
	struct timespec until;

	if (atomic_fetch_add(&api->queries, 1) < API_QUERIES_MAX + API_QUERIES_WAIT &&
	    clock_gettime(CLOCK_MONOTONIC, &until) == 0) {
		until.tv_sec += API_QUERY_WAIT_S;
		while (sem_clockwait(&api->query_turns, CLOCK_MONOTONIC, &until) != 0)
			if (errno != EINTR)
				goto busy;
		return BL_OK;
	}
busy:
	atomic_fetch_sub(&api->queries, 1);
	return bl_fail(err, BL_EBUSY, "%d queries are running", API_QUERIES_MAX);
}

void
api_query_end(struct api *api)
{
	(void)sem_post(&api->query_turns); /* cannot overflow: one for each wait */
	atomic_fetch_sub(&api->queries, 1);
}

static int
run_query(
    struct api_req *r, struct store_read *reader, const struct store_query *q, struct bl_err *err)
{
	struct store_query_result *res;
	int rc;

	if ((rc = api_query_begin(r->api, err)) < 0)
		return rc;
	rc = store_read_query(reader, q, &res, err);
	if (rc == BL_OK) {
		rc = write_result(r, reader, q, res, err);
		store_query_free(res);
	}
	api_query_end(r->api);
	return rc;
}

int
get_query(struct api_req *r, struct bl_err *err)
{
	const struct query_query *p = r->query;
	int64_t ids[STORE_QUERY_SERIES];
	struct store_query q = { .series = ids, .n_series = parse_ids(p->series.v, ids) };
	struct store_read *reader;
	int rc;

	if (!plan(r, p, &q))
		return 0;
	if ((rc = api_reader_take(r->api, &reader, err)) < 0)
		return rc;
	rc = run_query(r, reader, &q, err);
	api_reader_give(r->api, reader);
	if (rc == BL_ENOTFOUND) {
		api_problem(r, 404, "not_found", "%s",
		    err->msg[0] != '\0' ? err->msg : "There is no such series.");
		return 0;
	}
	if (rc == BL_EFULL) {
		api_problem(r, 422, "too_many_points",
		    "Too much data for one answer (%s); ask for fewer series or a shorter range.",
		    err->msg);
		return 0;
	}
	return rc;
}
