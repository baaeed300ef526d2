/*
 * The history of a device's link: per stream, and the worst of them together.
 *
 * At most LINK_SPANS spans a list (store_link_coarsen), so that a month is as small an
 * answer as an hour, and a page can draw it as it is.
 */
#include "api_internal.h"

#include <stdlib.h>
#include <string.h>

#include "store_link.h"

#define LINK_SPANS    248u /* four lists: below a thousand */
#define LINK_SERVICES 64u

struct link_query {
	struct given_int from, to;
	struct given_enum stream; /* from 0, in the order of enum bl_stream */
};

static const char *const link_streams[] = { "events", "probes", "host", NULL };

static const struct field link_fields[] = {
	{ "from", FIELD_INT, offsetof(struct link_query, from), .required = true, .min = 0,
	    .max = QUERY_MS_MAX, .help = "begin of the range, Unix milliseconds" },
	{ "to", FIELD_INT, offsetof(struct link_query, to), .required = true, .min = 1,
	    .max = QUERY_MS_MAX,
	    .help = "end of the range (exclusive); it ends at the present in any case" },
	{ "stream", FIELD_ENUM, offsetof(struct link_query, stream), .choices = link_streams,
	    .help = "only this one; all of them unless given" },
};
const struct schema query_link = { "", sizeof(struct link_query), link_fields, 3 };

struct link_answer {
	struct store_link_query q;
	struct store_link_time service[LINK_SERVICES]; /* the newest when there are more */
	enum bl_stream stream[BL_STREAMS];
	struct store_link_spans list[BL_STREAMS];
	size_t n;
	struct store_link_spans all;
	int64_t resolution_ms;
};

static void
free_answer(struct link_answer *a)
{
	for (size_t i = 0; i < BL_STREAMS; i++)
		store_link_free(&a->list[i]);
	store_link_free(&a->all);
}

/* ---- facts -------------------------------------------------------------- */

static bool
add_service(const struct fleet_service *s, void *ctx)
{
	struct link_answer *a = ctx;
	struct store_link_time *last = a->q.n_service > 0 ? &a->service[a->q.n_service - 1] : NULL;

	if (last != NULL && s->from_unix_ms <= last->to) { /* moved from site to site */
		last->to = s->to_unix_ms;
		return true;
	}
	if (a->q.n_service == LINK_SERVICES) {
		memmove(
		    &a->service[0], &a->service[1], (LINK_SERVICES - 1) * sizeof(a->service[0]));
		a->q.n_service--;
	}
	a->service[a->q.n_service++] = (struct store_link_time){ s->from_unix_ms, s->to_unix_ms };
	return true;
}

/*
 * What the device has said that it holds of a stream.  While it is there, it goes on
 * holding it (a metered link); of one that went away nothing newer is known.
 */
static struct store_link_time
waiting(const struct store_report *said, enum bl_stream stream, bool online, int64_t now)
{
	const struct bl_report_backlog *b = &said->report.backlog[stream - 1];

	if (!b->has || b->batches == 0 || b->age_ms == 0 || b->age_ms > (uint64_t)INT64_MAX / 2)
		return (struct store_link_time){ 0, 0 };
	return (struct store_link_time){ said->arrived_unix_ms - (int64_t)b->age_ms,
		online ? now : said->arrived_unix_ms };
}

static int
read_lists(struct link_answer *a, struct store_read *reader, struct bl_err *err)
{
	struct store_device heard;
	struct store_report said = { 0 };
	int rc;

	if ((rc = store_read_device(reader, a->q.device, &heard, err)) < 0 && rc != BL_ENOTFOUND)
		return rc;
	a->q.online = rc == BL_OK && heard.presence == STORE_PRESENCE_ONLINE;
	if ((rc = store_read_report(reader, a->q.device, &said, err)) < 0 && rc != BL_ENOTFOUND)
		return rc;
	for (size_t i = 0; i < a->n; i++) {
		a->q.stream = a->stream[i];
		a->q.waiting = waiting(&said, a->q.stream, a->q.online, a->q.now_unix_ms);
		if ((rc = store_read_link(reader, &a->q, &a->list[i], err)) < 0)
			return rc;
	}
	if ((rc = store_link_combine(a->list, a->n, &a->all)) < 0)
		return bl_fail(err, rc, "link: out of memory");
	return BL_OK;
}

static int
coarsen(struct link_answer *a, struct store_link_spans *l, struct bl_err *err)
{
	int64_t slot_ms;

	if (store_link_coarsen(l, LINK_SPANS, &slot_ms) < 0)
		return bl_fail(err, BL_ENOMEM, "link: out of memory");
	if (slot_ms > a->resolution_ms)
		a->resolution_ms = slot_ms;
	return BL_OK;
}

/* ---- as JSON ------------------------------------------------------------ */

static void
write_spans(struct jsonw *w, const char *key, const struct store_link_spans *l)
{
	jsonw_array(w, key);
	for (size_t i = 0; i < l->n; i++) {
		const struct store_link_span *s = &l->s[i];
		const bool late =
		    s->state == STORE_LINK_FILLED_IN || s->state == STORE_LINK_THINNED;

		jsonw_object(w, NULL);
		jsonw_int(w, "from_unix_ms", s->from_unix_ms);
		jsonw_int(w, "to_unix_ms", s->to_unix_ms);
		jsonw_str(w, "state", store_link_state_name(s->state));
		jsonw_str(w, "reason", s->reason != 0 ? store_gap_reason_name(s->reason) : NULL);
		api_time(w, "arrived_unix_ms", late ? s->arrived_unix_ms : STORE_TIME_NONE);
		jsonw_int(w, "lasted_ms", s->lasted_ms);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
}

static int
write_answer(struct api_req *r, struct link_answer *a, struct bl_err *err)
{
	const int64_t now = a->q.now_unix_ms, from = a->q.from_unix_ms, to = a->q.to_unix_ms;
	int64_t ms[STORE_LINK_STATES];
	struct jsonw *w = &r->w;
	int rc;

	store_link_sum(&a->all, ms);
	if ((rc = coarsen(a, &a->all, err)) < 0)
		return rc;
	for (size_t i = 0; i < a->n; i++)
		if ((rc = coarsen(a, &a->list[i], err)) < 0)
			return rc;
	jsonw_object(w, NULL);
	jsonw_int(w, "from_unix_ms", a->q.from_unix_ms);
	jsonw_int(w, "to_unix_ms", to < now ? to : now > from ? now : from);
	jsonw_int(w, "late_ms", a->q.late_ms);
	jsonw_int(w, "resolution_ms", a->resolution_ms);
	jsonw_object(w, "total_ms");
	for (int i = 0; i < STORE_LINK_STATES; i++)
		jsonw_int(w, store_link_state_name((enum store_link_state)i), ms[i]);
	jsonw_object_end(w);
	write_spans(w, "combined", &a->all);
	jsonw_array(w, "streams");
	for (size_t i = 0; i < a->n; i++) {
		jsonw_object(w, NULL);
		jsonw_str(w, "stream", api_stream_name(a->stream[i]));
		write_spans(w, "spans", &a->list[i]);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
	jsonw_object_end(w);
	return api_json_send(r, 200);
}

/* ---- the handler -------------------------------------------------------- */

static void
choose_streams(const struct link_query *p, struct link_answer *a)
{
	for (int s = 1; s <= BL_STREAMS; s++)
		if (!p->stream.given || p->stream.v == s - 1)
			a->stream[a->n++] = (enum bl_stream)s;
}

/* False: it has been answered. */
static bool
check(struct api_req *r, bool known)
{
	const struct link_query *p = r->query;
	struct field_errors errs = { 0 };

	if (!known) {
		api_problem(r, 404, "not_found", "There is no device \"%s\".", r->param[0]);
		return false;
	}
	if (p->from.v < p->to.v)
		return true;
	field_error_add(&errs, "to", "later than from", "an empty range", NULL);
	api_problem_fields(r, &errs);
	return false;
}

int
get_devices_id_link(struct api_req *r, struct bl_err *err)
{
	const struct link_query *p = r->query;
	struct link_answer a = { .q = { .device = r->param[0], .late_ms = API_FRESH_MS } };
	struct store_read *reader;
	struct fleet_device d;
	int rc;

	if ((rc = fleet_device_get(r->db, r->param[0], &d, err)) < 0)
		return rc;
	if (!check(r, rc == FLEET_KNOWN))
		return 0;
	a.q.from_unix_ms = p->from.v;
	a.q.to_unix_ms = p->to.v;
	a.q.now_unix_ms = bl_unix_ms(r->api->opts.clock);
	a.q.service = a.service;
	choose_streams(p, &a);
	if ((rc = fleet_service_each(r->db, d.id, add_service, &a, err)) < 0 ||
	    (rc = api_reader_take(r->api, &reader, err)) < 0)
		return rc;
	rc = read_lists(&a, reader, err);
	api_reader_give(r->api, reader);
	if (rc == BL_OK)
		rc = write_answer(r, &a, err);
	free_answer(&a);
	if (rc != BL_EFULL)
		return rc;
	api_problem(r, 422, "too_many_points",
	    "Too much coverage for one answer (%s); ask for a shorter range.", err->msg);
	return 0;
}
