/* Which metrics there are, and which labels their series have. */
#include "metric_ask_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_metric.h"

#define LABELS_MAX 100u
#define VALUES_MAX 1000u /* of one label */

/* ---- the list ------------------------------------------------------------ */

struct metrics_query {
	struct given_str after;
	struct given_int limit;
};

static const struct field metrics_fields[] = {
	{ "after", FIELD_STR, offsetof(struct metrics_query, after), .min = 1, .max = BL_NAME_MAX,
	    .help = "the cursor of the answer before" },
	{ "limit", FIELD_INT, offsetof(struct metrics_query, limit), .min = 1, .max = API_LIMIT_MAX,
	    .help = "how many at most" },
};
const struct schema query_metrics = { "", sizeof(struct metrics_query), metrics_fields, 2 };

struct listing {
	struct api_req *r;
	struct api_page page;
	char last[BL_NAME_MAX + 1];
};

static bool
write_metric(void *ctx, const struct store_metric *m)
{
	struct listing *l = ctx;
	struct jsonw *w = &l->r->w;

	if (!api_page_room(l->r, &l->page))
		return false;
	jsonw_object(w, NULL);
	jsonw_str(w, "name", m->name);
	jsonw_str(w, "unit", m->unit);
	jsonw_array(w, "kinds");
	if (m->gauges)
		jsonw_str(w, NULL, "gauge");
	if (m->counters)
		jsonw_str(w, NULL, "counter");
	jsonw_array_end(w);
	jsonw_int(w, "series", (int64_t)m->series);
	jsonw_int(w, "devices", (int64_t)m->devices);
	jsonw_int_or_null(w, "interval_ms", m->interval_ms > 0, m->interval_ms);
	jsonw_object_end(w);
	(void)snprintf(l->last, sizeof(l->last), "%s", m->name);
	return true;
}

int
get_metrics_list(struct api_req *r, struct bl_err *err)
{
	const struct metrics_query *q = r->query;
	struct listing l = { .r = r };
	struct store_read *reader;
	int rc;

	l.page.limit = q->limit.given ? (size_t)q->limit.v : API_LIMIT_DFLT;
	if ((rc = api_reader_take(r->api, &reader, err)) < 0)
		return rc;
	api_items(r);
	rc = store_read_metrics(
	    reader, q->after.given ? q->after.v : "", l.page.limit + 1, write_metric, &l, err);
	api_reader_give(r->api, reader);
	if (rc < 0)
		return rc;
	api_items_end(r, &l.page, l.last);
	jsonw_object_end(&r->w);
	return api_json_send(r, 200);
}

/* ---- labels -------------------------------------------------------------- */

static const struct field metric_fields[] = { METRIC_NAME };
const struct schema query_metric = { "", sizeof(struct metric_query), metric_fields, 1 };

struct label {
	char key[BL_NAME_MAX + 1];
	char **value; /* ascending */
	size_t n, size;
	bool more;
};

struct labels {
	struct label label[LABELS_MAX]; /* ascending by key */
	size_t n;
	bool more;
	char unit[BL_NAME_MAX + 1];
	size_t n_series;
	bool no_memory;
};

/* NULL: there are as many already. */
static struct label *
label_of(struct labels *l, const char *key)
{
	size_t low = 0, high = l->n;

	while (low < high) {
		const size_t mid = low + (high - low) / 2;

		if (strcmp(l->label[mid].key, key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < l->n && strcmp(l->label[low].key, key) == 0)
		return &l->label[low];
	if (l->n == LABELS_MAX)
		return NULL;
	memmove(&l->label[low + 1], &l->label[low], (l->n - low) * sizeof(l->label[0]));
	l->label[low] = (struct label){ .n = 0 };
	(void)snprintf(l->label[low].key, sizeof(l->label[low].key), "%s", key);
	l->n++;
	return &l->label[low];
}

static bool
value_add(struct label *e, const char *value)
{
	size_t low = 0, high = e->n;
	char **more, *text;

	while (low < high) {
		const size_t mid = low + (high - low) / 2;

		if (strcmp(e->value[mid], value) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < e->n && strcmp(e->value[low], value) == 0)
		return true;
	if (e->n == VALUES_MAX) {
		e->more = true;
		return true;
	}
	if (e->n == e->size) {
		const size_t size = e->size == 0 ? 16 : e->size * 2;

		if ((more = realloc(e->value, size * sizeof(*more))) == NULL)
			return false;
		e->value = more;
		e->size = size;
	}
	if ((text = strdup(value)) == NULL)
		return false;
	memmove(&e->value[low + 1], &e->value[low], (e->n - low) * sizeof(e->value[0]));
	e->value[low] = text;
	e->n++;
	return true;
}

static bool
add_label(void *ctx, const char *key, const char *value)
{
	struct labels *l = ctx;
	struct label *e = label_of(l, key);

	if (e == NULL)
		l->more = true;
	else if (!value_add(e, value))
		l->no_memory = true;
	return !l->no_memory;
}

static bool
add_series(void *ctx, int64_t device_no, const struct store_series *s)
{
	struct labels *l = ctx;

	(void)device_no;
	if (l->n_series++ == 0)
		(void)snprintf(l->unit, sizeof(l->unit), "%s", s->unit);
	query_labels_each(s->labels_json, add_label, l);
	return !l->no_memory;
}

static void
labels_free(struct labels *l)
{
	for (size_t i = 0; i < l->n; i++) {
		for (size_t k = 0; k < l->label[i].n; k++)
			free(l->label[i].value[k]);
		free(l->label[i].value);
	}
}

static int
write_labels(struct api_req *r, const char *metric, const struct labels *l)
{
	struct jsonw *w = &r->w;

	jsonw_object(w, NULL);
	jsonw_str(w, "metric", metric);
	jsonw_str(w, "unit", l->unit);
	jsonw_int(w, "series", (int64_t)l->n_series);
	jsonw_array(w, "items");
	for (size_t i = 0; i < l->n; i++) {
		jsonw_object(w, NULL);
		jsonw_str(w, "key", l->label[i].key);
		jsonw_array(w, "values");
		for (size_t k = 0; k < l->label[i].n; k++)
			jsonw_str(w, NULL, l->label[i].value[k]);
		jsonw_array_end(w);
		jsonw_bool(w, "more", l->label[i].more);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
	jsonw_bool(w, "more", l->more);
	jsonw_object_end(w);
	return api_json_send(r, 200);
}

int
get_metrics_labels(struct api_req *r, struct bl_err *err)
{
	const struct metric_query *q = r->query;
	struct labels l = { 0 };
	struct store_read *reader;
	int rc;

	if ((rc = api_reader_take(r->api, &reader, err)) < 0)
		return rc;
	rc = store_read_metric(reader, q->metric.v, add_series, &l, err);
	api_reader_give(r->api, reader);
	if (rc == BL_OK && l.no_memory)
		rc = bl_fail(err, BL_ENOMEM, "labels: out of memory");
	if (rc == BL_OK && l.n_series == 0)
		api_problem(r, 404, "not_found", "There is no metric \"%s\".", q->metric.v);
	else if (rc == BL_OK)
		rc = write_labels(r, q->metric.v, &l);
	labels_free(&l);
	return rc;
}
