/* A question about a metric: parameters, limits in words, series, groups. */
#include "metric_ask_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POINTS_DFLT 600

const char *const metric_groups[] = { "all", "site", "region", "device", "label", NULL };

static const char *
keep_text(char *room, size_t size, const struct given_str *g)
{
	if (!g->given)
		return NULL;
	(void)snprintf(room, size, "%s", g->v);
	return room;
}

static bool
check_together(struct api_req *r, const struct metric_query *p)
{
	const bool by_label = p->group.given && p->group.v == QUERY_BY_LABEL;
	struct field_errors errs = { 0 };

	if (p->from.v >= p->to.v)
		field_error_add(&errs, "to", "later than from", "an empty range", NULL);
	if (p->step.given && p->points.given)
		field_error_add(&errs, "points", "either step or points", "both", NULL);
	if (by_label != p->group_label.given)
		field_error_add(&errs, "group_label", "with group=label, and only then",
		    by_label ? "none" : "another group", NULL);
	if (p->depth.given && !(p->group.given && p->group.v == QUERY_BY_REGION))
		field_error_add(&errs, "depth", "only with group=region", "another group", NULL);
	if (errs.n == 0)
		return true;
	api_problem_fields(r, &errs);
	return false;
}

static void
fill(struct metric_ask *a, const struct metric_query *p)
{
	struct query_filter *f = &a->filter;

	(void)keep_text(a->metric, sizeof(a->metric), &p->metric);
	f->site = keep_text(a->site, sizeof(a->site), &p->site);
	f->region = keep_text(a->region, sizeof(a->region), &p->region);
	f->device = keep_text(a->device, sizeof(a->device), &p->device);
	f->by_label = keep_text(a->by_label, sizeof(a->by_label), &p->group_label);
	if (keep_text(a->labels, sizeof(a->labels), &p->labels) != NULL)
		(void)query_pairs_parse(a->labels, f->label, &f->n_labels); /* it was checked */
	f->by = p->group.given ? (enum query_by)p->group.v : QUERY_BY_ALL;
	f->by_depth = (unsigned)p->depth.v;
	f->places = api_places_of;
	f->places_ctx = a->places;
	a->range = (struct query_grid){ .from_unix_ms = p->from.v, .to_unix_ms = p->to.v };
	a->range.step_ms = p->step.given ? p->step.v
					 : query_step_for(p->to.v - p->from.v,
					       p->points.given ? p->points.v : POINTS_DFLT);
}

/* The aggregate that suits the metric, when none was asked for. */
static int
choose_agg(struct metric_ask *a, struct query_store *store, const struct metric_query *p,
    struct bl_err *err)
{
	enum bl_series_kind kind;
	const int rc = query_store_kind(store, a->metric, &kind, err);

	if (rc < 0)
		return rc;
	a->range.agg = p->agg.given         ? (enum query_agg)p->agg.v
		       : kind == BL_COUNTER ? QUERY_RATE
					    : QUERY_AVG;
	return BL_OK;
}

static int
find_series(struct metric_ask *a, struct query_store *store, bool align, struct bl_err *err)
{
	const struct query_source *src = query_store_source(store);
	/* An aligned step reaches back, and what is kept may ask for a longer one. */
	const int64_t from =
	    a->range.from_unix_ms - (align ? a->range.from_unix_ms % a->range.step_ms : 0);
	struct query_kept kept;
	size_t n;
	int rc;

	if ((rc = src->kept(src->ctx, from - 2 * QUERY_HOUR_MS, &kept, err)) < 0 ||
	    (rc = query_plan(&a->range, &kept, align, err)) < 0)
		return rc;
	a->filter.agg = a->range.agg;
	a->filter.from_unix_ms = a->range.from_unix_ms;
	a->filter.to_unix_ms = a->range.to_unix_ms;
	if ((rc = query_set_create(&a->set, &a->filter, err)) < 0 ||
	    (rc = query_store_series(store, a->metric, a->set, a->unit, &n, err)) < 0)
		return rc;
	return query_set_end(a->set, err);
}

/* All of the metric's series are of the kind that the aggregate does not take. */
static bool
wrong_kind(struct api_req *r, const struct metric_ask *a)
{
	const char *name = query_agg_name(a->range.agg);
	const bool growth =
	    query_agg_takes(a->range.agg, BL_COUNTER) && !query_agg_takes(a->range.agg, BL_GAUGE);
	size_t n;

	(void)query_set_series(a->set, &n);
	if (n > 0 || query_set_left_out(a->set) == 0)
		return false;
	if (growth)
		api_problem(r, 422, "invalid_field",
		    "\"%s\" is no counter, so it has no %s; ask for avg, min, max or a percentile.",
		    a->metric, name);
	else
		api_problem(r, 422, "invalid_field",
		    "\"%s\" is a counter: of what it stands at, %s says nothing; ask for rate or "
		    "increase.",
		    a->metric, name);
	return true;
}

int
metric_ask_failed(struct api_req *r, int rc, const struct bl_err *err)
{
	switch (rc) {
	case BL_ENOTFOUND:
		api_problem(r, 404, "not_found", "There is no such metric.");
		return 0;
	case BL_EINVAL:
	case BL_EFULL:
		api_problem(r, 422, "too_many_points", "Too much for one answer: %s.", err->msg);
		return 0;
	case BL_ETIMEDOUT:
		api_problem(r, 422, "too_many_points", "Given up after %d s: %s.",
		    STORE_QUERY_DEADLINE / 1000, err->msg);
		return 0;
	default:
		return rc;
	}
}

int
metric_ask_open(struct metric_ask **out, struct api_req *r, struct query_store *store,
    const struct metric_query *p, struct bl_err *err)
{
	struct metric_ask *a;
	int rc;

	*out = NULL;
	if (!check_together(r, p))
		return 0;
	if ((a = calloc(1, sizeof(*a))) == NULL)
		return bl_fail(err, BL_ENOMEM, "query: out of memory");
	a->api = r->api;
	if ((rc = api_places_take(r, &a->places, err)) < 0)
		goto fail;
	fill(a, p);
	if ((rc = choose_agg(a, store, p, err)) < 0 ||
	    (rc = find_series(a, store, !p->align.given || p->align.v, err)) < 0) {
		rc = metric_ask_failed(r, rc, err);
		goto fail;
	}
	if (wrong_kind(r, a)) {
		rc = 0;
		goto fail;
	}
	*out = a;
	return 1;
fail:
	metric_ask_close(a);
	return rc;
}

void
metric_ask_close(struct metric_ask *a)
{
	if (a == NULL)
		return;
	query_set_free(a->set);
	api_places_give(a->api, a->places);
	free(a);
}

const char *
metric_group_name(const struct metric_ask *a, size_t group)
{
	size_t n;
	const char *key = query_set_groups(a->set, &n)[group].key;

	if (key != NULL && a->filter.by == QUERY_BY_SITE)
		return api_place_site_name(a->places, key);
	return key != NULL && a->filter.by == QUERY_BY_DEVICE
		   ? api_place_device_name(a->places, key)
		   : NULL;
}
