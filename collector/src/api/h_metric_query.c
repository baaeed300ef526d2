/*
 * One metric over many devices.  A small answer is made at once, a large one
 * while it is sent: what is held meanwhile is 32 bytes a value.
 */
#include "metric_ask_internal.h"

#include <math.h>
#include <stdlib.h>

#define STREAM_CELLS 10000u /* more are sent while they are written */
#define PIECE        1000u  /* numbers at a time */

static const struct field metric_query_fields[] = {
	METRIC_NAME,
	METRIC_RANGE,
	METRIC_STEP,
	{ "points", FIELD_INT, METRIC_AT(points), .min = 1, .max = QUERY_STEPS_MAX,
	    .help = "about how many steps, instead of step; 600 unless said" },
	METRIC_GROUPS,
	METRIC_SITE,
	METRIC_REGION,
	METRIC_DEVICE,
	METRIC_LABELS,
};
const struct schema query_metric_query = { "", sizeof(struct metric_query), metric_query_fields,
	sizeof(metric_query_fields) / sizeof(metric_query_fields[0]) };

enum part { HEAD, TIMES, GROUP, VALUE, COUNT, COVERED, UNKNOWN, GAPS, END };

struct span {
	int64_t from_unix_ms, to_unix_ms; /* within the range */
	int64_t first_unix_ms;            /* when the first of them was installed */
};

/* An answer on its way. */
struct writing {
	struct metric_ask *ask;
	struct query_result *res;
	int64_t now_unix_ms;
	struct span *expected; /* of each group: when something was, at all */
	struct jsonw w;
	enum part part;
	size_t group, at; /* the next number of the part */
};

static void
writing_free(void *ctx)
{
	struct writing *y = ctx;

	query_result_free(y->res);
	metric_ask_close(y->ask);
	free(y->expected);
	jsonw_free(&y->w);
	free(y);
}

/* ---- what was expected ----------------------------------------------------- */

/* From the first of its device's services on, to the end of the last one. */
static void
widen(struct span *e, const struct query_stay *stay, const struct query_place *p, size_t n)
{
	const int64_t from = n > 0 ? p[0].from_unix_ms : INT64_MIN;
	const int64_t to = n > 0 ? p[n - 1].to_unix_ms : INT64_MAX;
	const struct span s = { stay->from_unix_ms > from ? stay->from_unix_ms : from,
		stay->to_unix_ms < to ? stay->to_unix_ms : to, from };

	e->first_unix_ms = from < e->first_unix_ms ? from : e->first_unix_ms;
	if (s.from_unix_ms >= s.to_unix_ms)
		return;
	e->from_unix_ms = s.from_unix_ms < e->from_unix_ms ? s.from_unix_ms : e->from_unix_ms;
	e->to_unix_ms = s.to_unix_ms > e->to_unix_ms ? s.to_unix_ms : e->to_unix_ms;
}

static bool
find_expected(struct writing *y)
{
	const struct metric_ask *a = y->ask;
	const struct query_place *p;
	size_t n_series, n_groups, n;
	const struct query_series *s = query_set_series(a->set, &n_series);

	(void)query_set_groups(a->set, &n_groups);
	if ((y->expected = malloc((n_groups + 1) * sizeof(*y->expected))) == NULL)
		return false;
	for (size_t g = 0; g < n_groups; g++)
		y->expected[g] = (struct span){ INT64_MAX, INT64_MIN, INT64_MAX };
	for (size_t i = 0; i < n_series; i++) {
		n = api_places_of(a->places, s[i].device, &p);
		for (size_t k = 0; k < s[i].n_stays; k++)
			if (s[i].stay[k].group < n_groups)
				widen(&y->expected[s[i].stay[k].group], &s[i].stay[k], p, n);
	}
	return true;
}

/* ---- head ---------------------------------------------------------------- */

static void
write_reads(struct jsonw *w, const struct query_result *res)
{
	jsonw_array(w, "resolution");
	for (size_t i = 0; i < res->n_reads; i++) {
		jsonw_object(w, NULL);
		jsonw_int(w, "from_unix_ms", res->read[i].from_unix_ms);
		jsonw_int(w, "to_unix_ms", res->read[i].to_unix_ms);
		jsonw_str(w, "level", query_level_name(res->read[i].level));
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
}

static void
write_head(struct jsonw *w, const struct writing *y)
{
	const struct metric_ask *a = y->ask;
	size_t n_series;

	(void)query_set_series(a->set, &n_series);
	jsonw_object(w, NULL);
	jsonw_str(w, "metric", a->metric);
	jsonw_str(w, "unit", a->unit);
	jsonw_str(w, "agg", query_agg_name(a->range.agg));
	jsonw_str(w, "group", metric_groups[a->filter.by]);
	jsonw_str(w, "group_label", a->filter.by_label);
	jsonw_int(w, "from_unix_ms", a->range.from_unix_ms);
	jsonw_int(w, "to_unix_ms", a->range.to_unix_ms);
	jsonw_int(w, "step_ms", a->range.step_ms);
	jsonw_int(w, "steps", (int64_t)y->res->n_steps);
	write_reads(w, y->res);
	if (query_agg_quantile(a->range.agg) > 0)
		jsonw_num(w, "relative_error", 0.01);
	else
		jsonw_null(w, "relative_error");
	jsonw_int(w, "series", (int64_t)n_series);
	jsonw_int(w, "left_out", (int64_t)query_set_left_out(a->set));
	jsonw_int(w, "samples", (int64_t)y->res->n);
	jsonw_int(w, "unknown", (int64_t)y->res->unknown);
}

/* ---- one group ----------------------------------------------------------- */

static void
write_group(struct jsonw *w, const struct writing *y)
{
	const struct metric_ask *a = y->ask;
	const struct query_group *g;
	const char *key;
	size_t n;

	g = &query_set_groups(a->set, &n)[y->group];
	key = a->filter.by == QUERY_BY_ALL ? NULL : g->key;
	jsonw_object(w, NULL);
	jsonw_str(w, "key", key);
	jsonw_str(w, "name", metric_group_name(a, y->group));
	jsonw_int(w, "series", (int64_t)g->n_series);
}

/* Why a step has no value; NULL: it has one. */
static const char *
gap_reason(const struct writing *y, const struct query_cell *c, size_t step)
{
	const struct query_grid *r = &y->ask->range;
	const struct span *e = &y->expected[y->group];
	const int64_t begin = r->from_unix_ms + (int64_t)step * r->step_ms;

	if (isfinite(c->value))
		return NULL;
	if (c->unknown > 0 && c->n == 0)
		return "unknown_value";
	if (begin >= y->now_unix_ms)
		return "future";
	if (e->first_unix_ms < INT64_MAX && r->to_unix_ms <= e->first_unix_ms)
		return "not_yet_installed";
	if (begin >= e->to_unix_ms)
		return "not_in_service"; /* all of it, of a group that nothing was expected of */
	return begin + r->step_ms <= e->from_unix_ms ? "not_yet_installed" : "no_data";
}

static void
write_gaps(struct jsonw *w, const struct writing *y, const struct query_cell *cell)
{
	const struct query_grid *r = &y->ask->range;

	jsonw_array(w, "gaps");
	for (size_t i = 0, end; i < y->res->n_steps; i = end) {
		const char *reason = gap_reason(y, &cell[i], i);
		int64_t to;

		end = i + 1;
		if (reason == NULL)
			continue;
		while (end < y->res->n_steps && gap_reason(y, &cell[end], end) == reason)
			end++;
		to = r->from_unix_ms + (int64_t)end * r->step_ms;
		jsonw_object(w, NULL);
		jsonw_int(w, "from_unix_ms", r->from_unix_ms + (int64_t)i * r->step_ms);
		jsonw_int(w, "to_unix_ms", to < r->to_unix_ms ? to : r->to_unix_ms);
		jsonw_str(w, "reason", reason);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
}

static void
write_number(struct jsonw *w, const struct writing *y, size_t i)
{
	const struct query_cell *c = &y->res->cell[y->group * y->res->n_steps + i];

	switch (y->part) {
	case TIMES:
		jsonw_int(w, NULL, y->ask->range.from_unix_ms + (int64_t)i * y->ask->range.step_ms);
		break;
	case VALUE:
		jsonw_num(w, NULL, c->value);
		break;
	case COUNT:
		jsonw_int(w, NULL, (int64_t)c->n);
		break;
	case COVERED:
		jsonw_int(w, NULL, c->series);
		break;
	default:
		jsonw_int(w, NULL, (int64_t)c->unknown);
		break;
	}
}

/* The next numbers of a column; true: it has ended. */
static bool
write_column(struct jsonw *w, struct writing *y, const char *key)
{
	const size_t end = y->at + PIECE < y->res->n_steps ? y->at + PIECE : y->res->n_steps;

	if (y->at == 0)
		jsonw_array(w, key);
	for (; y->at < end; y->at++)
		write_number(w, y, y->at);
	if (end < y->res->n_steps)
		return false;
	jsonw_array_end(w);
	y->at = 0;
	return true;
}

/* ---- piece by piece ------------------------------------------------------- */

static void
write_group_part(struct jsonw *w, struct writing *y)
{
	static const char *const key[] = {
		[VALUE] = "value", [COUNT] = "n", [COVERED] = "covered", [UNKNOWN] = "unknown"
	};

	if (y->part == GROUP) {
		write_group(w, y);
		y->part = VALUE;
	} else if (y->part == GAPS) {
		write_gaps(w, y, &y->res->cell[y->group * y->res->n_steps]);
		jsonw_object_end(w);
		y->group++;
		y->part = GROUP;
	} else if (write_column(w, y, key[y->part])) {
		y->part++;
	}
}

/* False: that was all. */
static bool
write_piece(struct jsonw *w, struct writing *y)
{
	switch (y->part) {
	case HEAD:
		write_head(w, y);
		y->part = TIMES;
		return true;
	case TIMES:
		if (write_column(w, y, "t")) {
			jsonw_array(w, "groups");
			y->part = GROUP;
		}
		return true;
	case END:
		return false;
	default:
		break;
	}
	if (y->group < y->res->n_groups) {
		write_group_part(w, y);
		return true;
	}
	jsonw_array_end(w);
	jsonw_object_end(w);
	y->part = END;
	return true;
}

static int
next_piece(void *ctx, struct bl_buf *out)
{
	struct writing *y = ctx;
	bool more = true;

	while (more && y->w.buf.len < 16u * 1024u)
		more = write_piece(&y->w, y);
	if (y->w.buf.failed)
		return BL_ENOMEM;
	bl_buf_bytes(out, y->w.buf.data, y->w.buf.len);
	y->w.buf.len = 0;
	return more ? 1 : 0;
}

/* Takes a and res. */
static int
send_result(struct api_req *r, struct metric_ask *a, struct query_result *res, struct bl_err *err)
{
	struct writing *y = calloc(1, sizeof(*y));
	int rc;

	if (y == NULL) {
		query_result_free(res);
		metric_ask_close(a);
		return bl_fail(err, BL_ENOMEM, "query: out of memory");
	}
	*y = (struct writing){ .ask = a, .res = res };
	y->now_unix_ms = bl_unix_ms(r->api->opts.clock);
	jsonw_init(&y->w, 1024u * 1024u);
	if (!find_expected(y)) {
		writing_free(y);
		return bl_fail(err, BL_ENOMEM, "query: out of memory");
	}
	if (res->n_groups * res->n_steps > STREAM_CELLS) {
		r->answer->status = 200;
		r->answer->content_type = "application/json";
		r->answer->stream = (struct http_stream){ y, next_piece, writing_free };
		return BL_OK;
	}
	while (write_piece(&r->w, y))
		;
	rc = api_json_send(r, 200);
	writing_free(y);
	return rc;
}

static int
answer(struct api_req *r, struct query_store *store, struct bl_err *err)
{
	const struct query_limits limits = { r->api->opts.clock,
		bl_mono_ms(r->api->opts.clock) + STORE_QUERY_DEADLINE };
	struct query_result *res;
	struct metric_ask *a;
	int rc;

	if ((rc = metric_ask_open(&a, r, store, r->query, err)) != 1)
		return rc;
	rc = query_run(&res, &a->range, a->set, query_store_source(store), &limits, err);
	if (rc == BL_OK)
		return send_result(r, a, res, err);
	metric_ask_close(a);
	return metric_ask_failed(r, rc, err);
}

int
get_metrics_query(struct api_req *r, struct bl_err *err)
{
	struct store_read *reader;
	struct query_store *store;
	int rc;

	if ((rc = api_query_begin(r->api, err)) < 0)
		return rc;
	if ((rc = api_reader_take(r->api, &reader, err)) == BL_OK) {
		if ((rc = query_store_open(&store, reader, r->api->opts.clock, err)) == BL_OK)
			rc = answer(r, store, err);
		query_store_close(store);
		api_reader_give(r->api, reader);
	}
	api_query_end(r->api);
	return rc;
}
