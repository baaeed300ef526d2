/* The newest value of every series of a metric, as columns. */
#include "metric_ask_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "latest.h"

#define LIMIT_DFLT 10000
#define LIMIT_MAX  50000

static const struct field metric_latest_fields[] = {
	METRIC_NAME,
	METRIC_SITE,
	METRIC_REGION,
	METRIC_DEVICE,
	METRIC_LABELS,
	{ "limit", FIELD_INT, METRIC_AT(limit), .min = 1, .max = LIMIT_MAX,
	    .help = "how many series at most" },
};
const struct schema query_metric_latest = { "", sizeof(struct metric_query), metric_latest_fields,
	sizeof(metric_latest_fields) / sizeof(metric_latest_fields[0]) };

/* The rows that the filter leaves, and where each device is now. */
struct latest_answer {
	const struct latest_row **row;
	const struct api_place **place;
	size_t n, limit;
	struct query_filter filter;
	char labels[METRIC_LABELS_MAX + 1];
	bool more;
};

/* Both lists are by device: the places go along with the rows. */
static const struct api_place *
place_of(const struct api_places *p, const char *device, size_t *at)
{
	while (*at < p->n && strcmp(p->place[*at].device, device) < 0)
		++*at;
	while (*at + 1 < p->n && strcmp(p->place[*at + 1].device, device) == 0)
		++*at; /* the newest one */
	if (*at == p->n || strcmp(p->place[*at].device, device) != 0 ||
	    p->place[*at].at.to_unix_ms != INT64_MAX)
		return NULL;
	return &p->place[*at];
}

static bool
wanted(const struct query_filter *f, const struct latest_row *row, const struct api_place *place)
{
	if (row->state == LATEST_NONE)
		return false;
	if (f->device != NULL && strcmp(f->device, row->device) != 0)
		return false;
	if (f->site != NULL && (place == NULL || strcmp(place->at.site, f->site) != 0))
		return false;
	if (f->region != NULL && (place == NULL || !query_region_in(place->at.region, f->region)))
		return false;
	return f->n_labels == 0 || query_labels_fit(f, row->labels_json);
}

static int
sort_out(struct latest_answer *a, const struct latest_view *v, const struct api_places *places,
    struct bl_err *err)
{
	size_t at = 0;

	a->row = malloc((v->n + 1) * sizeof(*a->row));
	a->place = malloc((v->n + 1) * sizeof(*a->place));
	if (a->row == NULL || a->place == NULL)
		return bl_fail(err, BL_ENOMEM, "latest: out of memory");
	for (size_t i = 0; i < v->n && !a->more; i++) {
		const struct api_place *place = place_of(places, v->row[i].device, &at);

		if (!wanted(&a->filter, &v->row[i], place))
			continue;
		a->more = a->n == a->limit;
		if (a->more)
			break;
		a->row[a->n] = &v->row[i];
		a->place[a->n++] = place;
	}
	return BL_OK;
}

/* Older than five intervals, three minutes at least: what holds now is not known. */
static const char *
state_of(const struct latest_row *e, int64_t now_unix_ms)
{
	const int64_t five = 5 * e->interval_ms;

	if (e->state == LATEST_UNKNOWN)
		return "unknown";
	return e->unix_ms == STORE_TIME_NONE ||
		       now_unix_ms - e->unix_ms >= (five > API_FRESH_MS ? five : API_FRESH_MS)
		   ? "stale"
		   : "current";
}

static void
write_texts(struct jsonw *w, const struct latest_answer *a)
{
	jsonw_array(w, "series");
	for (size_t i = 0; i < a->n; i++)
		jsonw_int(w, NULL, a->row[i]->series);
	jsonw_array_end(w);
	jsonw_array(w, "device");
	for (size_t i = 0; i < a->n; i++)
		jsonw_str(w, NULL, a->row[i]->device);
	jsonw_array_end(w);
	jsonw_array(w, "site");
	for (size_t i = 0; i < a->n; i++)
		jsonw_str(w, NULL, a->place[i] != NULL ? a->place[i]->at.site : NULL);
	jsonw_array_end(w);
	jsonw_array(w, "labels");
	for (size_t i = 0; i < a->n; i++)
		jsonw_raw(w, NULL, a->row[i]->labels_json);
	jsonw_array_end(w);
}

static void
write_values(struct jsonw *w, const struct latest_answer *a, int64_t now_unix_ms)
{
	jsonw_array(w, "unix_ms");
	for (size_t i = 0; i < a->n; i++)
		api_time(w, NULL, a->row[i]->unix_ms);
	jsonw_array_end(w);
	jsonw_array(w, "value");
	for (size_t i = 0; i < a->n; i++)
		if (a->row[i]->state == LATEST_KNOWN)
			jsonw_num(w, NULL, a->row[i]->value);
		else
			jsonw_null(w, NULL);
	jsonw_array_end(w);
	jsonw_array(w, "state");
	for (size_t i = 0; i < a->n; i++)
		jsonw_str(w, NULL, state_of(a->row[i], now_unix_ms));
	jsonw_array_end(w);
}

static int
send_view(struct api_req *r, struct latest_answer *a, const struct latest_view *v, bool complete,
    struct bl_err *err)
{
	const struct metric_query *q = r->query;
	const int64_t now = bl_unix_ms(r->api->opts.clock);
	struct api_places *places;
	int rc;

	if ((rc = api_places_take(r, &places, err)) < 0)
		return rc;
	if ((rc = sort_out(a, v, places, err)) == BL_OK) {
		jsonw_object(&r->w, NULL);
		jsonw_str(&r->w, "metric", q->metric.v);
		jsonw_str(&r->w, "unit", v->unit);
		jsonw_int(&r->w, "now_unix_ms", now);
		jsonw_bool(&r->w, "complete", complete);
		jsonw_bool(&r->w, "more", a->more);
		write_texts(&r->w, a);
		write_values(&r->w, a, now);
		jsonw_object_end(&r->w);
		rc = api_json_send(r, 200);
	}
	api_places_give(r->api, places);
	return rc;
}

/* By the collector's table, or by one that is filled for this question. */
static int
ask_table(struct api_req *r, struct latest_answer *a, struct bl_err *err)
{
	const struct metric_query *q = r->query;
	struct latest *own = NULL, *l = r->api->opts.latest;
	struct store_read *reader;
	struct latest_view v = { .n = 0 };
	int rc;

	if (l == NULL && (l = own = latest_create(r->api->opts.clock, 0)) == NULL)
		return bl_fail(err, BL_ENOMEM, "latest: out of memory");
	if ((rc = api_reader_take(r->api, &reader, err)) == BL_OK) {
		if (own != NULL)
			rc = latest_fill(own, reader, q->metric.v, NULL, err);
		if (rc == BL_OK)
			rc = latest_view(l, reader, q->metric.v, &v, err);
		api_reader_give(r->api, reader);
	}
	if (rc == BL_OK)
		rc = send_view(r, a, &v, own != NULL || latest_complete(l), err);
	latest_view_done(l, &v);
	latest_free(own);
	return rc;
}

int
get_metrics_latest(struct api_req *r, struct bl_err *err)
{
	const struct metric_query *q = r->query;
	struct latest_answer a = { .limit = q->limit.given ? (size_t)q->limit.v : LIMIT_DFLT };
	int rc;

	a.filter.site = q->site.given ? q->site.v : NULL;
	a.filter.region = q->region.given ? q->region.v : NULL;
	a.filter.device = q->device.given ? q->device.v : NULL;
	if (q->labels.given) {
		(void)snprintf(a.labels, sizeof(a.labels), "%s", q->labels.v);
		(void)query_pairs_parse(a.labels, a.filter.label, &a.filter.n_labels);
	}
	rc = ask_table(r, &a, err);
	free(a.row);
	free(a.place);
	if (rc != BL_ENOTFOUND)
		return rc;
	api_problem(r, 404, "not_found", "There is no metric \"%s\".", q->metric.v);
	return 0;
}
