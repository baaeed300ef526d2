/* Events, coverage, gaps, and what was set aside. */
#include "api_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNIX_MS_MAX      253402300799999.0 /* the end of the year 9999 */
#define SITE_DEVICES_MAX 4096

struct range_query {
	struct page_query page;
	struct given_int from, to;
	struct given_str device, site;
};

#define FROM_TO                                                                                    \
	{ "from", FIELD_INT, offsetof(struct range_query, from), .min = 0, .max = UNIX_MS_MAX,     \
		.help = "begin of the range, Unix milliseconds; open unless given" },              \
	{                                                                                          \
		"to", FIELD_INT, offsetof(struct range_query, to),                                 \
		    .min = 1, .max = UNIX_MS_MAX,                                                  \
		    .help = "end of the range (exclusive); open unless given"                      \
	}
#define LIMIT                                                                                      \
	{                                                                                          \
		"limit", FIELD_INT, offsetof(struct range_query, page.limit),                      \
		    .min = 1, .max = API_LIMIT_MAX, .help = "how many at most"                     \
	}

static const struct field range_fields[] = { FROM_TO };
const struct schema query_range = { "", sizeof(struct range_query), range_fields, 2 };

static const struct field events_fields[] = { FROM_TO, LIMIT };
const struct schema query_events = { "", sizeof(struct range_query), events_fields, 3 };

static const struct field gaps_fields[] = {
	FROM_TO,
	LIMIT,
	{ "after", FIELD_STR, offsetof(struct range_query, page.after), .min = 1, .max = 18,
	    .check = check_number, .help = "the cursor of the answer before" },
	{ "device", FIELD_STR, offsetof(struct range_query, device), .min = 1,
	    .max = BL_ID_TEXT_MAX, .check = check_id, .help = "only of this device" },
	{ "site", FIELD_STR, offsetof(struct range_query, site), .min = 1, .max = BL_ID_TEXT_MAX,
	    .check = check_id, .help = "only of devices now at this site" },
};
const struct schema query_gaps = { "", sizeof(struct range_query), gaps_fields, 6 };

static int64_t
from_of(const struct range_query *q)
{
	return q->from.given ? q->from.v : 0;
}

static int64_t
to_of(const struct range_query *q)
{
	return q->to.given ? q->to.v : (int64_t)UNIX_MS_MAX;
}

static size_t
limit_of(const struct page_query *q)
{
	return q->limit.given ? (size_t)q->limit.v : API_LIMIT_DFLT;
}

/* The device of the path is there and the range makes sense; else it has been answered. */
static int
check_device(struct api_req *r, bool *go_on, struct bl_err *err)
{
	const struct range_query *q = r->query;
	struct fleet_device d;
	struct field_errors errs = { 0 };
	const int rc = fleet_device_get(r->db, r->param[0], &d, err);

	*go_on = false;
	if (rc < 0)
		return rc;
	if (rc == FLEET_UNKNOWN) {
		api_problem(r, 404, "not_found", "There is no device \"%s\".", r->param[0]);
	} else if (from_of(q) >= to_of(q)) {
		field_error_add(&errs, "to", "later than from", "an empty range", NULL);
		api_problem_fields(r, &errs);
	} else {
		*go_on = true;
	}
	return BL_OK;
}

/* ---- events ------------------------------------------------------------ */

/* The bytes are not terminated; names and values are at most 1 KiB. */
static const char *
terminated(struct bl_str s, char room[BL_ATTR_VALUE_MAX + 1])
{
	(void)snprintf(room, BL_ATTR_VALUE_MAX + 1, "%.*s", (int)s.len, s.p != NULL ? s.p : "");
	return room;
}

static void
write_attr(struct jsonw *w, const struct bl_attr *a)
{
	char key[BL_ATTR_VALUE_MAX + 1], value[BL_ATTR_VALUE_MAX + 1];

	(void)terminated(a->key, key);
	switch (a->type) {
	case BL_ATTR_TEXT:
		jsonw_str(w, key, terminated(a->text, value));
		return;
	case BL_ATTR_NUMBER:
		jsonw_num(w, key, a->number);
		return;
	case BL_ATTR_BOOL:
		jsonw_bool(w, key, a->boolean);
		return;
	case BL_ATTR_NULL:
		break;
	}
	jsonw_null(w, key);
}

static bool
write_event(void *ctx, const struct store_event *e)
{
	struct jsonw *w = ctx;
	char room[BL_ATTR_VALUE_MAX + 1];

	jsonw_object(w, NULL);
	api_time(w, "unix_ms", e->unix_ms);
	jsonw_int_or_null(w, "uncertainty_ms", e->unix_ms != STORE_TIME_NONE, e->uncertainty_ms);
	jsonw_int(w, "boot_ms", e->ev->boot_ms);
	jsonw_str(w, "type", terminated(e->ev->type, room));
	jsonw_str(w, "id", e->ev->id.len > 0 ? terminated(e->ev->id, room) : NULL);
	jsonw_object(w, "attrs");
	for (uint32_t i = 0; i < e->ev->n_attrs; i++)
		write_attr(w, &e->ev->attr[i]);
	jsonw_object_end(w);
	api_time(w, "arrived_unix_ms", e->arrived_unix_ms);
	jsonw_object_end(w);
	return true;
}

int
get_devices_id_events(struct api_req *r, struct bl_err *err)
{
	const struct range_query *q = r->query;
	struct store_read *reader;
	bool go_on;
	int rc;

	if ((rc = check_device(r, &go_on, err)) < 0 || !go_on)
		return rc;
	if ((rc = api_reader_take(r->api, &reader, err)) < 0)
		return rc;
	jsonw_object(&r->w, NULL);
	jsonw_array(&r->w, "items");
	rc = store_read_events(
	    reader, r->param[0], from_of(q), to_of(q), limit_of(&q->page), write_event, &r->w, err);
	api_reader_give(r->api, reader);
	if (rc < 0 && rc != BL_ENOTFOUND)
		return rc;
	jsonw_array_end(&r->w);
	jsonw_object_end(&r->w);
	return api_json_send(r, 200);
}

/* ---- coverage ---------------------------------------------------------- */

static bool
write_coverage(void *ctx, const struct store_coverage *c)
{
	struct jsonw *w = ctx;

	jsonw_object(w, NULL);
	jsonw_str(w, "stream", api_stream_name(c->stream));
	jsonw_int(w, "from_unix_ms", c->from_unix_ms);
	jsonw_int(w, "to_unix_ms", c->to_unix_ms);
	jsonw_int(w, "arrived_unix_ms", c->arrived_unix_ms);
	jsonw_object_end(w);
	return !w->buf.failed;
}

int
get_devices_id_coverage(struct api_req *r, struct bl_err *err)
{
	const struct range_query *q = r->query;
	struct store_read *reader;
	bool go_on;
	int rc;

	if ((rc = check_device(r, &go_on, err)) < 0 || !go_on)
		return rc;
	if ((rc = api_reader_take(r->api, &reader, err)) < 0)
		return rc;
	jsonw_object(&r->w, NULL);
	jsonw_array(&r->w, "items");
	rc = store_read_coverage(
	    reader, r->param[0], from_of(q), to_of(q), write_coverage, &r->w, err);
	api_reader_give(r->api, reader);
	if (rc < 0 && rc != BL_ENOTFOUND)
		return rc;
	jsonw_array_end(&r->w);
	jsonw_object_end(&r->w);
	if (api_json_send(r, 200) < 0)
		api_problem(r, 422, "too_many_points",
		    "Too much coverage for one answer; ask for a shorter range.");
	return 0;
}

/* ---- gaps -------------------------------------------------------------- */

struct gap_list {
	struct jsonw *w;
	char (*device)[BL_ID_TEXT_MAX + 1]; /* of the site; NULL: any */
	size_t n_devices;
	size_t n, limit;
	int64_t seen; /* from the store, kept or not */
	int64_t last; /* id of the last one seen */
	bool full;
};

static int
compare_ids(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void
seq_or_null(struct jsonw *w, const char *key, uint64_t seq)
{
	jsonw_int_or_null(w, key, seq != 0, (int64_t)seq);
}

static void
write_gap(struct jsonw *w, const struct store_gap *g)
{
	jsonw_object(w, NULL);
	jsonw_str(w, "device", g->device);
	jsonw_str(w, "stream", api_stream_name(g->stream));
	seq_or_null(w, "seq_first", g->seq_first);
	seq_or_null(w, "seq_last", g->seq_last);
	api_time(w, "from_unix_ms", g->from_unix_ms);
	api_time(w, "to_unix_ms", g->to_unix_ms);
	api_time(w, "not_before_unix_ms", g->not_before_unix_ms);
	api_time(w, "not_after_unix_ms", g->not_after_unix_ms);
	jsonw_str(w, "reason", store_gap_reason_name(g->reason));
	seq_or_null(w, "samples", g->samples);
	jsonw_int(w, "known_unix_ms", g->known_unix_ms);
	jsonw_object_end(w);
}

static bool
take_gap(void *ctx, const struct store_gap *g)
{
	struct gap_list *l = ctx;

	if (l->n == l->limit) {
		l->full = true;
		return false;
	}
	l->seen++;
	l->last = g->id;
	if (l->device != NULL &&
	    bsearch(g->device, l->device, l->n_devices, sizeof(l->device[0]), compare_ids) == NULL)
		return true;
	write_gap(l->w, g);
	l->n++;
	return true;
}

/* Page by page until enough belong to the site, or there are no more. */
static int
read_gaps(
    struct store_read *reader, const struct range_query *q, struct gap_list *l, struct bl_err *err)
{
	struct store_gap_filter f = {
		.device = q->device.v,
		.from_unix_ms = q->from.given ? q->from.v : STORE_TIME_NONE,
		.to_unix_ms = q->to.given ? q->to.v : STORE_TIME_NONE,
		.before_id = q->page.after.given ? strtoll(q->page.after.v, NULL, 10) : 0,
		.limit = API_LIMIT_MAX,
	};
	int64_t before;
	int rc;

	do {
		before = l->seen;
		if ((rc = store_read_gaps(reader, &f, take_gap, l, err)) < 0)
			return rc;
		f.before_id = l->last;
	} while (!l->full && l->seen - before == API_LIMIT_MAX && l->seen < 100 * API_LIMIT_MAX);
	if (!l->full && l->seen - before == API_LIMIT_MAX)
		l->full = true; /* enough work for one answer: the cursor goes on from here */
	return BL_OK;
}

static bool
add_site_device(const struct fleet_device *d, void *ctx)
{
	struct gap_list *l = ctx;

	(void)snprintf(l->device[l->n_devices++], BL_ID_TEXT_MAX + 1, "%s", d->id);
	return l->n_devices < SITE_DEVICES_MAX;
}

static int
unexplained(struct store_read *reader, const struct range_query *q, const struct gap_list *l,
    struct store_unexplained *out, struct bl_err *err)
{
	struct store_unexplained one;
	int rc;

	*out = (struct store_unexplained){ .since_unix_ms = STORE_TIME_NONE };
	if (l->device == NULL)
		return store_read_unexplained(reader, q->device.v, out, err);
	for (size_t i = 0; i < l->n_devices; i++) {
		if ((rc = store_read_unexplained(reader, l->device[i], &one, err)) < 0)
			return rc;
		out->gaps += one.gaps;
		out->batches += one.batches;
	}
	return BL_OK;
}

static int
write_gaps(struct api_req *r, struct store_read *reader, struct gap_list *l, struct bl_err *err)
{
	const struct range_query *q = r->query;
	struct store_unexplained missing;
	char cursor[24];
	int rc;

	jsonw_object(&r->w, NULL);
	jsonw_array(&r->w, "items");
	rc = read_gaps(reader, q, l, err);
	if (rc == BL_OK)
		rc = unexplained(reader, q, l, &missing, err);
	if (rc < 0)
		return rc;
	jsonw_array_end(&r->w);
	(void)snprintf(cursor, sizeof(cursor), "%lld", (long long)l->last);
	jsonw_str(&r->w, "next", l->full ? cursor : NULL);
	jsonw_int(&r->w, "unexplained", (int64_t)missing.gaps);
	jsonw_int(&r->w, "unexplained_batches", (int64_t)missing.batches);
	jsonw_object_end(&r->w);
	return api_json_send(r, 200);
}

int
get_gaps(struct api_req *r, struct bl_err *err)
{
	const struct range_query *q = r->query;
	const struct fleet_filter at_site = { .site = q->site.v, .with_retired = true };
	struct gap_list l = { .w = &r->w, .limit = limit_of(&q->page) };
	struct store_read *reader = NULL;
	int rc = BL_OK;

	if (q->site.given) {
		l.device = calloc(SITE_DEVICES_MAX, sizeof(l.device[0]));
		rc = l.device == NULL
			 ? bl_fail(err, BL_ENOMEM, "gaps: out of memory")
			 : fleet_device_each(r->db, &at_site, add_site_device, &l, err);
	}
	if (rc == BL_OK && (rc = api_reader_take(r->api, &reader, err)) == BL_OK)
		rc = write_gaps(r, reader, &l, err);
	api_reader_give(r->api, reader);
	free(l.device);
	return rc;
}

/* ---- set aside --------------------------------------------------------- */

struct aside_list {
	struct jsonw *w;
	size_t n, limit;
	int64_t last;
	bool more;
};

static bool
write_aside(void *ctx, const struct store_aside_row *a)
{
	struct aside_list *l = ctx;
	struct jsonw *w = l->w;

	if (l->n == l->limit) {
		l->more = true;
		return false;
	}
	jsonw_object(w, NULL);
	jsonw_int(w, "id", a->id);
	jsonw_int(w, "arrived_unix_ms", a->arrived_unix_ms);
	jsonw_str(w, "topic", a->topic);
	jsonw_str(w, "device", a->device);
	jsonw_int_or_null(w, "part", a->part >= 0, a->part);
	jsonw_str(w, "reason", a->reason);
	jsonw_str(w, "detail", a->detail);
	jsonw_int(w, "bytes", (int64_t)a->bytes);
	jsonw_int(w, "repeats", (int64_t)a->repeats);
	jsonw_bool(w, "kept", a->kept);
	api_time(w, "tried_unix_ms", a->tried_unix_ms);
	jsonw_object_end(w);
	l->last = a->id;
	l->n++;
	return true;
}

int
get_set_aside(struct api_req *r, struct bl_err *err)
{
	const struct page_query *q = r->query;
	struct aside_list l = { .w = &r->w, .limit = limit_of(q) };
	struct store_read *reader;
	struct field_errors errs = { 0 };
	int64_t before = 0;
	char cursor[24];
	int rc;

	if (q->after.given && check_number(r->api, q->after.v) != NULL) {
		field_error_add(&errs, "after", check_number(r->api, q->after.v), q->after.v, NULL);
		api_problem_fields(r, &errs);
		return 0;
	}
	if (q->after.given)
		before = strtoll(q->after.v, NULL, 10);
	if ((rc = api_reader_take(r->api, &reader, err)) < 0)
		return rc;
	jsonw_object(&r->w, NULL);
	jsonw_array(&r->w, "items");
	/* One more than asked for tells whether there is a next page; the store gives 1000. */
	rc = store_read_aside(reader, NULL, before, l.limit < API_LIMIT_MAX ? l.limit + 1 : l.limit,
	    write_aside, &l, err);
	api_reader_give(r->api, reader);
	if (rc < 0)
		return rc;
	jsonw_array_end(&r->w);
	(void)snprintf(cursor, sizeof(cursor), "%lld", (long long)l.last);
	jsonw_str(&r->w, "next", l.more || l.n == API_LIMIT_MAX ? cursor : NULL);
	jsonw_object_end(&r->w);
	return api_json_send(r, 200);
}
