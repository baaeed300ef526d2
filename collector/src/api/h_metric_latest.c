/* The newest value of every series of a metric, as columns. */
#include "metric_ask_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_metric.h"

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

struct row {
	int64_t series, unix_ms;
	char *device, *labels; /* one block */
	const struct api_place *place;
	int64_t interval_ms;
	double value;
	bool known;
};

struct latest {
	struct row *row;
	size_t n, size, limit;
	const struct api_places *places;
	struct query_filter filter;
	char labels[METRIC_LABELS_MAX + 1];
	char unit[BL_NAME_MAX + 1];
	bool more, no_memory;
};

static bool
place_fits(const struct latest *l, const struct api_place *p)
{
	const struct query_filter *f = &l->filter;

	if (f->site != NULL && (p == NULL || strcmp(p->at.site, f->site) != 0))
		return false;
	return f->region == NULL || (p != NULL && query_region_in(p->at.region, f->region));
}

static bool
room(struct latest *l)
{
	struct row *more;
	size_t size;

	if (l->n < l->size)
		return true;
	size = l->size == 0 ? 256 : l->size * 2;
	if ((more = realloc(l->row, size * sizeof(*more))) == NULL)
		return false;
	l->row = more;
	l->size = size;
	return true;
}

static bool
add(void *ctx, const struct store_latest *s)
{
	struct latest *l = ctx;
	const struct api_place *p = api_place_now(l->places, s->device);
	const size_t device = strlen(s->device) + 1, labels = strlen(s->labels_json) + 1;
	struct row *e;

	if ((l->filter.device != NULL && strcmp(l->filter.device, s->device) != 0) ||
	    !place_fits(l, p) || !query_labels_fit(&l->filter, s->labels_json))
		return true;
	if (l->n == l->limit) {
		l->more = true;
		return false;
	}
	if (!room(l) || (l->row[l->n].device = malloc(device + labels)) == NULL) {
		l->no_memory = true;
		return false;
	}
	e = &l->row[l->n++];
	memcpy(e->device, s->device, device);
	e->labels = e->device + device;
	memcpy(e->labels, s->labels_json, labels);
	e->series = s->series;
	e->unix_ms = s->unix_ms;
	e->place = p;
	e->value = s->value;
	e->known = s->known;
	return true;
}

static int
by_device(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	const int c = strcmp(x->device, y->device);

	return c != 0 ? c : strcmp(x->labels, y->labels);
}

static const char *
state_of(const struct row *e, int64_t now_unix_ms)
{
	if (!e->known)
		return "unknown";
	return e->unix_ms == STORE_TIME_NONE || now_unix_ms - e->unix_ms >= API_FRESH_MS
		   ? "stale"
		   : "current";
}

static void
write_columns(struct jsonw *w, const struct latest *l, int64_t now_unix_ms)
{
	jsonw_array(w, "series");
	for (size_t i = 0; i < l->n; i++)
		jsonw_int(w, NULL, l->row[i].series);
	jsonw_array_end(w);
	jsonw_array(w, "device");
	for (size_t i = 0; i < l->n; i++)
		jsonw_str(w, NULL, l->row[i].device);
	jsonw_array_end(w);
	jsonw_array(w, "site");
	for (size_t i = 0; i < l->n; i++)
		jsonw_str(w, NULL, l->row[i].place != NULL ? l->row[i].place->at.site : NULL);
	jsonw_array_end(w);
	jsonw_array(w, "labels");
	for (size_t i = 0; i < l->n; i++)
		jsonw_raw(w, NULL, l->row[i].labels);
	jsonw_array_end(w);
	jsonw_array(w, "unix_ms");
	for (size_t i = 0; i < l->n; i++)
		api_time(w, NULL, l->row[i].unix_ms);
	jsonw_array_end(w);
	jsonw_array(w, "value");
	for (size_t i = 0; i < l->n; i++)
		jsonw_num(w, NULL, l->row[i].known ? l->row[i].value : (double)NAN);
	jsonw_array_end(w);
	jsonw_array(w, "state");
	for (size_t i = 0; i < l->n; i++)
		jsonw_str(w, NULL, state_of(&l->row[i], now_unix_ms));
	jsonw_array_end(w);
}

static bool
take_unit(void *ctx, int64_t device_no, const struct store_series *s)
{
	struct latest *l = ctx;

	(void)device_no;
	(void)snprintf(l->unit, sizeof(l->unit), "%s", s->unit);
	l->n = 1;
	return false;
}

static int
answer(struct api_req *r, struct latest *l, const char *metric, struct bl_err *err)
{
	const int64_t now = bl_unix_ms(r->api->opts.clock);
	struct store_read *reader;
	int rc;

	if ((rc = api_reader_take(r->api, &reader, err)) < 0)
		return rc;
	if ((rc = store_read_metric(reader, metric, take_unit, l, err)) == BL_OK && l->n > 0) {
		l->n = 0;
		if ((rc = store_read_latest(reader, &metric, 1, add, l, err)) == BL_OK)
			rc = 1;
	}
	api_reader_give(r->api, reader);
	if (rc < 0)
		return rc;
	if (rc == 0) {
		api_problem(r, 404, "not_found", "There is no metric \"%s\".", metric);
		return 0;
	}
	if (l->no_memory)
		return bl_fail(err, BL_ENOMEM, "latest: out of memory");
	if (l->n > 1)
		qsort(l->row, l->n, sizeof(*l->row), by_device);
	jsonw_object(&r->w, NULL);
	jsonw_str(&r->w, "metric", metric);
	jsonw_str(&r->w, "unit", l->unit);
	jsonw_int(&r->w, "now_unix_ms", now);
	jsonw_bool(&r->w, "complete", true);
	jsonw_bool(&r->w, "more", l->more);
	write_columns(&r->w, l, now);
	jsonw_object_end(&r->w);
	return api_json_send(r, 200);
}

int
get_metrics_latest(struct api_req *r, struct bl_err *err)
{
	const struct metric_query *q = r->query;
	struct latest *l = calloc(1, sizeof(*l));
	struct api_places *places = NULL;
	int rc;

	if (l == NULL)
		return bl_fail(err, BL_ENOMEM, "latest: out of memory");
	l->limit = q->limit.given ? (size_t)q->limit.v : LIMIT_DFLT;
	l->filter.site = q->site.given ? q->site.v : NULL;
	l->filter.region = q->region.given ? q->region.v : NULL;
	l->filter.device = q->device.given ? q->device.v : NULL;
	if (q->labels.given) {
		(void)snprintf(l->labels, sizeof(l->labels), "%s", q->labels.v);
		(void)query_pairs_parse(l->labels, l->filter.label, &l->filter.n_labels);
	}
	if ((rc = api_places_take(r, &places, err)) == BL_OK) {
		l->places = places;
		rc = answer(r, l, q->metric.v, err);
	}
	api_places_give(r->api, places);
	for (size_t i = 0; i < l->n; i++)
		free(l->row != NULL ? l->row[i].device : NULL);
	free(l->row);
	free(l);
	return rc;
}
