/*
 * A metric as CSV: its samples, or what a query answers.
 *
 * Samples are read while they are sent: a piece is what a device has in an hour
 * or less of it, and nothing is held between two pieces, neither a reader nor a
 * turn.  So a year of a fleet takes no more memory than an hour of a device.
 */
#include "metric_ask_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/log.h"

#include "csv_internal.h"

#define ROWS_WANTED 4000 /* of a piece */
/* Of a device: their rows of one instant fit into a piece, however long their labels are. */
#define SERIES_AT_ONCE 128u
#define PIECE_MAX      (900u * 1024u)
#define STEP_MS        100  /* of reading: others wait for the thread meanwhile */
#define RESULT_ROWS    500u /* at a time */

static const struct field metric_export_fields[] = {
	METRIC_NAME,
	METRIC_RANGE,
	METRIC_STEP,
	METRIC_GROUPS,
	METRIC_SITE,
	METRIC_REGION,
	METRIC_DEVICE,
	METRIC_LABELS,
	{ "bom", FIELD_BOOL, METRIC_AT(bom),
	    .help = "true: begins with a byte order mark, by which spreadsheets know UTF-8" },
};
const struct schema query_metric_export = { "", sizeof(struct metric_query), metric_export_fields,
	sizeof(metric_export_fields) / sizeof(metric_export_fields[0]) };

/* An export on its way; res: of a query's answer, else NULL. */
struct exporting {
	struct metric_ask *ask;
	char who[AUTH_NAME_MAX + 1]; /* whose turn it is */
	struct query_result *res;
	const struct query_series *series;
	size_t n_series;
	uint32_t *order; /* indices into the series, device by device */
	bool bom, begun;
	size_t first, end;  /* of the device that is being written, some at a time, in order[] */
	int64_t at_unix_ms; /* so far it is written */
	/* Of no device is there a sample in [from, to): found for one, used for all. */
	int64_t none_from_unix_ms, none_to_unix_ms;
	size_t cell;        /* the next one of res */
	struct bl_buf *out; /* of the piece that is being made */
};

static void
exporting_free(void *ctx)
{
	struct exporting *y = ctx;

	export_turns_give(&y->ask->api->exports, y->who);
	query_result_free(y->res);
	metric_ask_close(y->ask);
	free(y->order);
	free(y);
}

/* ---- samples --------------------------------------------------------------- */

/* As query_pairs_parse takes them. */
struct words {
	char text[BL_LABELS_MAX * (2 * (BL_NAME_MAX + BL_LABEL_VALUE_MAX) + 2) + 1];
	size_t n;
};

static void
add_char(struct words *w, char c)
{
	if (w->n < sizeof(w->text) - 1)
		w->text[w->n++] = c;
}

static void
add_quoted(struct words *w, const char *text)
{
	for (; *text != '\0'; text++) {
		if (strchr("\\,=", *text) != NULL)
			add_char(w, '\\');
		add_char(w, *text);
	}
}

static bool
add_word(void *ctx, const char *key, const char *value)
{
	struct words *w = ctx;

	if (w->n > 0)
		add_char(w, ',');
	add_quoted(w, key);
	add_char(w, '=');
	add_quoted(w, value);
	w->text[w->n] = '\0';
	return true;
}

static const char *
site_at(const struct exporting *y, const char *device, int64_t unix_ms)
{
	const struct query_place *p;
	const size_t n = api_places_of(y->ask->places, device, &p);

	for (size_t i = 0; i < n; i++)
		if (p[i].from_unix_ms <= unix_ms && unix_ms < p[i].to_unix_ms)
			return p[i].site;
	return NULL;
}

/* While the filter takes it. */
static bool
counts_at(const struct query_series *s, int64_t unix_ms)
{
	for (size_t i = 0; i < s->n_stays; i++)
		if (s->stay[i].from_unix_ms <= unix_ms && unix_ms < s->stay[i].to_unix_ms)
			return s->stay[i].group != QUERY_NO_GROUP;
	return false;
}

static int
write_samples(void *ctx, size_t i, const struct query_samples *q, struct bl_err *err)
{
	struct exporting *y = ctx;
	const struct query_series *s = &y->series[i];
	struct csv c = { .out = y->out };
	struct words labels = { .n = 0 };

	(void)err;
	query_labels_each(s->labels_json, add_word, &labels);
	for (size_t k = 0; k < q->n; k++) {
		const bool known = q->unknown == NULL || q->unknown[k] == BL_KNOWN;

		if (!counts_at(s, q->unix_ms[k]))
			continue;
		csv_time(&c, q->unix_ms[k]);
		csv_int(&c, q->unix_ms[k]);
		csv_text(&c, s->device);
		csv_text(&c, site_at(y, s->device, q->unix_ms[k]));
		csv_text(&c, labels.n > 0 ? labels.text : NULL);
		if (known)
			csv_number(&c, q->value[k]);
		else
			csv_text(&c, NULL);
		csv_int(&c, !known ? 0 : q->thin != NULL ? q->thin[k].thin.count : 1);
		csv_text(&c, known ? "known" : "unknown");
		csv_row(&c);
	}
	return BL_OK;
}

/* Roll-ups stand where samples are not kept any more: no samples. */
static int
pass_hour(void *ctx, size_t i, const struct query_hour_roll *h, struct bl_err *err)
{
	(void)ctx;
	(void)i;
	(void)h;
	(void)err;
	return BL_OK;
}

static int
pass_five(void *ctx, size_t i, int64_t begin_unix_ms,
    const struct query_roll roll[QUERY_M5_OF_HOUR], const struct query_edge *first,
    const struct query_edge *last, struct bl_err *err)
{
	(void)ctx;
	(void)i;
	(void)begin_unix_ms;
	(void)roll;
	(void)first;
	(void)last;
	(void)err;
	return BL_OK;
}

static int
read_piece(struct exporting *y, struct query_store *store, int64_t to, struct bl_err *err)
{
	const struct query_source *src = query_store_source(store);
	const struct query_take take = { y, pass_hour, pass_five, write_samples };
	const struct query_want w = {
		.from_unix_ms = y->at_unix_ms,
		.to_unix_ms = to,
		.level = QUERY_RAW,
		.series = y->series,
		.n_series = y->n_series,
		.want = y->order + y->first,
		.n_want = y->end - y->first,
		.deadline_mono_ms =
		    INT64_MAX, /* a piece of one that goes on for as long as it takes */
	};

	return src->read(src->ctx, &w, &take, err);
}

static int64_t
hour_after(int64_t unix_ms)
{
	return unix_ms - unix_ms % QUERY_HOUR_MS + QUERY_HOUR_MS; /* from is not below 0 */
}

/* How far the next piece goes: an hour at most, less where it would have too many rows. */
static int64_t
piece_end(const struct exporting *y)
{
	const struct metric_ask *a = y->ask;
	const int64_t interval = y->series[y->order[y->first]].interval_ms;
	const int64_t span =
	    ROWS_WANTED * (interval > 0 ? interval : 1000) / (int64_t)(y->end - y->first);
	int64_t to = hour_after(y->at_unix_ms);

	if (span < to - y->at_unix_ms)
		to = y->at_unix_ms + (span > 0 ? span : 1);
	return to < a->range.to_unix_ms ? to : a->range.to_unix_ms;
}

/* Reads until the piece fits: where samples are denser than their interval says, less. */
static int
fit_piece(struct exporting *y, struct query_store *store, struct bl_err *err)
{
	const size_t before = y->out->len;
	int64_t to = piece_end(y);
	int rc;

	while ((rc = read_piece(y, store, to, err)) == BL_OK) {
		if (!y->out->failed && y->out->len <= PIECE_MAX) {
			y->at_unix_ms = to;
			return BL_OK;
		}
		if (to - y->at_unix_ms < 2)
			return bl_fail(err, BL_EFULL, "export: too many samples at one instant");
		y->out->failed = false;
		y->out->len = before;
		to = y->at_unix_ms + (to - y->at_unix_ms) / 2;
	}
	return rc;
}

static void
next_device(struct exporting *y, const struct query_kept *kept)
{
	const char *device;

	y->first = y->end;
	if (y->first == y->n_series)
		return;
	device = y->series[y->order[y->first]].device;
	while (y->end < y->n_series && y->end - y->first < SERIES_AT_ONCE &&
	       strcmp(y->series[y->order[y->end]].device, device) == 0)
		y->end++;
	y->at_unix_ms = y->ask->range.from_unix_ms > kept->begin_unix_ms
			    ? y->ask->range.from_unix_ms
			    : kept->begin_unix_ms;
}

/*
 * Passes over hours of which no samples are stored: those of which there are only roll-ups, and
 * those that one device's wrong clock makes.
 */
static int
skip_hours(struct exporting *y, struct query_store *store, struct bl_err *err)
{
	const int64_t hour = y->at_unix_ms - y->at_unix_ms % QUERY_HOUR_MS;
	const int64_t to = y->ask->range.to_unix_ms;
	int rc;

	if (hour < y->none_from_unix_ms || hour >= y->none_to_unix_ms) {
		if ((rc = query_store_next_raw(store, hour, &y->none_to_unix_ms, err)) < 0)
			return rc;
		y->none_from_unix_ms = hour;
	}
	if (y->none_to_unix_ms > y->at_unix_ms)
		y->at_unix_ms = y->none_to_unix_ms < to ? y->none_to_unix_ms : to;
	return BL_OK;
}

/* Nothing is left of the device that is being written. */
static bool
is_through(const struct exporting *y, const struct query_kept *kept)
{
	return y->end == 0 || y->at_unix_ms >= y->ask->range.to_unix_ms ||
	       y->at_unix_ms >= kept->end_unix_ms;
}

/* A few pieces of reading; perhaps there is nothing to send yet.  1; 0: that was all. */
static int
write_some(struct exporting *y, struct query_store *store, struct bl_err *err)
{
	const struct query_source *src = query_store_source(store);
	const struct bl_clock *clock = y->ask->api->opts.clock;
	const int64_t until_mono_ms = bl_mono_ms(clock) + STEP_MS;
	const size_t before = y->out->len;
	struct query_kept kept;
	int rc;

	query_store_metric(store, y->ask->metric);
	if ((rc = src->kept(src->ctx, y->ask->range.from_unix_ms, &kept, err)) < 0)
		return rc;
	while (bl_mono_ms(clock) < until_mono_ms && y->out->len - before < 32u * 1024u) {
		if (is_through(y, &kept))
			next_device(y, &kept);
		if (y->first == y->n_series)
			return 0;
		if ((rc = skip_hours(y, store, err)) < 0)
			return rc;
		if (!is_through(y, &kept) && (rc = fit_piece(y, store, err)) < 0)
			return rc;
	}
	return 1;
}

static void
write_titles(struct exporting *y)
{
	static const char *const samples[] = { "time", "unix_ms", "device", "site", "labels",
		"value", "count", "state", NULL };
	static const char *const steps[] = { "time", "unix_ms", "group", "name", "value", "samples",
		"series", "unknown", NULL };
	const char *const *title = y->res != NULL ? steps : samples;
	struct csv c = { .out = y->out };

	if (y->bom)
		csv_bom(y->out);
	while (*title != NULL)
		csv_text(&c, *title++);
	csv_row(&c);
	y->begun = true;
}

static int
next_samples(void *ctx, struct bl_buf *out)
{
	struct exporting *y = ctx;
	struct query_store *store = NULL;
	struct store_read *reader;
	struct bl_err err = { 0 };
	int rc;

	y->out = out;
	if (!y->begun)
		write_titles(y);
	if ((rc = api_reader_take(y->ask->api, &reader, &err)) == BL_OK) {
		rc = query_store_open(&store, reader, y->ask->api->opts.clock, &err);
		if (rc == BL_OK)
			rc = write_some(y, store, &err);
		query_store_close(store);
		api_reader_give(y->ask->api, reader);
	}
	if (rc < 0)
		bl_warn("api", "an export of %s ended early: %s", y->ask->metric, err.msg);
	return rc;
}

/* ---- what a query answers ---------------------------------------------------- */

static void
write_step(struct exporting *y, size_t group, size_t step)
{
	const struct metric_ask *a = y->ask;
	const struct query_cell *cell = &y->res->cell[group * y->res->n_steps + step];
	const int64_t t = a->range.from_unix_ms + (int64_t)step * a->range.step_ms;
	struct csv c = { .out = y->out };
	size_t n;

	csv_time(&c, t);
	csv_int(&c, t);
	csv_text(&c, query_set_groups(a->set, &n)[group].key);
	csv_text(&c, metric_group_name(a, group));
	csv_number(&c, cell->value);
	csv_int(&c, (int64_t)cell->n);
	csv_int(&c, cell->series);
	csv_int(&c, (int64_t)cell->unknown);
	csv_row(&c);
}

static int
next_steps(void *ctx, struct bl_buf *out)
{
	struct exporting *y = ctx;
	const size_t n = y->res->n_groups * y->res->n_steps;
	const size_t end = y->cell + RESULT_ROWS < n ? y->cell + RESULT_ROWS : n;

	y->out = out;
	if (!y->begun)
		write_titles(y);
	for (; y->cell < end; y->cell++)
		write_step(y, y->cell / y->res->n_steps, y->cell % y->res->n_steps);
	return y->cell < n ? 1 : 0;
}

/* ---- beginning ---------------------------------------------------------------- */

static int
by_device(const void *a, const void *b, void *series)
{
	const struct query_series *s = series;
	const struct query_series *x = &s[*(const uint32_t *)a], *y = &s[*(const uint32_t *)b];
	const int c = strcmp(x->device, y->device);

	return c != 0 ? c : (x->id > y->id) - (x->id < y->id);
}

static int
sort_series(struct exporting *y, struct bl_err *err)
{
	union {
		const struct query_series *in;
		void *out;
	} u;

	u.in = y->series = query_set_series(y->ask->set, &y->n_series);
	if ((y->order = malloc((y->n_series + 1) * sizeof(*y->order))) == NULL)
		return bl_fail(err, BL_ENOMEM, "export: out of memory");
	for (size_t i = 0; i < y->n_series; i++)
		y->order[i] = (uint32_t)i;
	qsort_r(y->order, y->n_series, sizeof(*y->order), by_device, u.out);
	return BL_OK;
}

static void
name_file(struct api_req *r, const char *metric)
{
	char name[BL_NAME_MAX + 1], value[128];
	size_t n = 0;

	for (; metric[n] != '\0' && n < sizeof(name) - 1; n++)
		name[n] = strchr("abcdefghijklmnopqrstuvwxyz0123456789_-", metric[n]) != NULL
			      ? metric[n]
			      : '_';
	name[n] = '\0';
	(void)snprintf(value, sizeof(value), "attachment; filename=\"%s.csv\"", name);
	http_answer_header(r->answer, "Content-Disposition", value);
}

/* Takes a and res. */
static int
send_export(
    struct api_req *r, struct metric_ask *a, struct query_result *res, bool bom, struct bl_err *err)
{
	struct exporting *y = calloc(1, sizeof(*y));
	int rc;

	if (y == NULL) {
		export_turns_give(&r->api->exports, r->actor.name);
		query_result_free(res);
		metric_ask_close(a);
		return bl_fail(err, BL_ENOMEM, "export: out of memory");
	}
	*y = (struct exporting){ .ask = a, .res = res, .bom = bom };
	(void)snprintf(y->who, sizeof(y->who), "%s", r->actor.name);
	if ((rc = sort_series(y, err)) < 0) {
		exporting_free(y);
		return rc;
	}
	name_file(r, a->metric);
	r->answer->status = 200;
	r->answer->content_type = "text/csv; charset=utf-8; header=present";
	r->answer->stream =
	    (struct http_stream){ y, res != NULL ? next_steps : next_samples, exporting_free };
	return BL_OK;
}

/* Samples are neither put together nor grouped: who asks for that has forgotten the step. */
static bool
check_step(struct api_req *r, const struct metric_query *q)
{
	struct field_errors errs = { 0 };

	if (q->step.given || !(q->agg.given || q->group.given || q->align.given))
		return true;
	field_error_add(
	    &errs, "step", "with agg, group or align: the length of a step", "none", NULL);
	api_problem_fields(r, &errs);
	return false;
}

/* With its turn taken, which the answer gives back. */
static int
begin(struct api_req *r, struct query_store *store, bool *sent, struct bl_err *err)
{
	const struct metric_query *q = r->query;
	const struct query_limits limits = { r->api->opts.clock,
		bl_mono_ms(r->api->opts.clock) + STORE_QUERY_DEADLINE };
	struct metric_query p = *q;
	struct query_result *res = NULL;
	struct metric_ask *a;
	int rc;

	if (!check_step(r, q))
		return BL_OK;
	if (!q->step.given) {
		/* Samples: of every kind, exactly of the range. */
		p.agg = (struct given_enum){ true, QUERY_COUNT };
		p.align = (struct given_bool){ true, false };
		p.step = (struct given_int){ true, (int64_t)QUERY_MS_MAX };
	}
	if ((rc = metric_ask_open(&a, r, store, &p, err)) != 1)
		return rc;
	a->range.from_unix_ms = q->step.given ? a->range.from_unix_ms : q->from.v;
	if (q->step.given) {
		rc = query_run(&res, &a->range, a->set, query_store_source(store), &limits, err);
		if (rc < 0) {
			metric_ask_close(a);
			return metric_ask_failed(r, rc, err);
		}
	}
	*sent = true;
	return send_export(r, a, res, q->bom.given && q->bom.v, err);
}

/* One ends when its reader has it all or goes away: nobody knows when. */
#define EXPORT_RETRY_S "10"

static bool
take_turn(struct api_req *r)
{
	const enum export_turn turn = export_turns_take(&r->api->exports, r->actor.name);

	if (turn == EXPORT_TURN_TAKEN)
		return true;
	http_answer_header(r->answer, "Retry-After", EXPORT_RETRY_S);
	if (turn == EXPORT_TURN_OWN)
		api_problem(r, 429, "too_many_requests",
		    "You have %u exports on their way, and no more are made for one user at once."
		    " Let one end or cancel its download, then ask again.",
		    r->api->exports.per_user);
	else
		api_problem(r, 503, "busy",
		    "Others have as many exports on their way as are made at once. Ask again"
		    " soon.");
	return false;
}

int
get_metrics_export(struct api_req *r, struct bl_err *err)
{
	struct query_store *store = NULL;
	struct store_read *reader;
	bool sent = false;
	int rc;

	if (!take_turn(r))
		return BL_OK;
	if ((rc = api_reader_take(r->api, &reader, err)) == BL_OK) {
		if ((rc = query_store_open(&store, reader, r->api->opts.clock, err)) == BL_OK)
			rc = begin(r, store, &sent, err);
		query_store_close(store);
		api_reader_give(r->api, reader);
	}
	if (!sent)
		export_turns_give(&r->api->exports, r->actor.name);
	return rc;
}
