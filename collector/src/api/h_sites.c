/* Sites. */
#include "api_internal.h"

#include <stdio.h>
#include <string.h>

struct site_body {
	struct given_str id, name, region, zone, tags;
	struct given_num lat, lon;
	struct given_bool retired;
};

#define SITE_FIELDS                                                                                \
	{ "region", FIELD_STR, offsetof(struct site_body, region), .max = FLEET_REGION_MAX,        \
		.check = check_region, .help = "a path such as east/shanghai" },                   \
	    { "zone", FIELD_STR, offsetof(struct site_body, zone), .min = 1,                       \
		    .max = FLEET_ZONE_MAX, .check = check_zone,                                    \
		    .help = "the IANA time zone; the collector's own unless said" },               \
	    { "lat", FIELD_NUM, offsetof(struct site_body, lat), .nullable = true, .min = -90,     \
		    .max = 90, .help = "latitude in degrees, together with lon" },                 \
	    { "lon", FIELD_NUM, offsetof(struct site_body, lon), .nullable = true, .min = -180,    \
		    .max = 180, .help = "longitude in degrees, together with lat" },               \
	{                                                                                          \
		"tags", FIELD_TAGS, offsetof(struct site_body, tags), .help = "short texts by key" \
	}
#define SITE_NAME(needed)                                                                          \
	{                                                                                          \
		"name", FIELD_STR, offsetof(struct site_body, name),                               \
		    .required = needed, .min = 1, .max = FLEET_NAME_MAX, .check = check_name,      \
		    .help = "the name to show"                                                     \
	}

static const struct field site_new_fields[] = {
	{ "id", FIELD_STR, offsetof(struct site_body, id), .min = 1, .max = BL_ID_TEXT_MAX,
	    .check = check_id, .help = "made from the name unless given" },
	SITE_NAME(true),
	SITE_FIELDS,
};
const struct schema body_site_new = { "SiteNew", sizeof(struct site_body), site_new_fields,
	sizeof(site_new_fields) / sizeof(site_new_fields[0]) };

static const struct field site_patch_fields[] = {
	SITE_NAME(false),
	SITE_FIELDS,
	{ "retired", FIELD_BOOL, offsetof(struct site_body, retired),
	    .help = "true: out of use, its history stays" },
};
const struct schema body_site_patch = { "SiteChange", sizeof(struct site_body), site_patch_fields,
	sizeof(site_patch_fields) / sizeof(site_patch_fields[0]) };

struct sites_query {
	struct page_query page;
	struct given_bool retired;
};

static const struct field sites_query_fields[] = {
	{ "limit", FIELD_INT, offsetof(struct sites_query, page.limit), .min = 1,
	    .max = API_LIMIT_MAX, .help = "how many at most" },
	{ "after", FIELD_STR, offsetof(struct sites_query, page.after), .min = 1, .max = 63,
	    .help = "the cursor of the answer before" },
	{ "retired", FIELD_BOOL, offsetof(struct sites_query, retired),
	    .help = "true: retired ones too" },
};
const struct schema query_sites = { "", sizeof(struct sites_query), sites_query_fields, 3 };
/* Its first two fields alone. */
const struct schema query_page = { "", sizeof(struct page_query), sites_query_fields, 2 };

static struct fleet_site_edit
edit_of(const struct site_body *b)
{
	return (struct fleet_site_edit){
		.name = b->name.v,
		.region = b->region.v,
		.zone = b->zone.v,
		.tags = b->tags.v,
		.has_lat = b->lat.given,
		.lat_null = b->lat.null,
		.lat = b->lat.v,
		.has_lon = b->lon.given,
		.lon_null = b->lon.null,
		.lon = b->lon.v,
		.has_retired = b->retired.given,
		.retired = b->retired.v,
	};
}

/* What a table of single fields cannot say. */
static bool
position_whole(struct api_req *r, const struct site_body *b)
{
	struct field_errors errs = { 0 };

	if (b->lat.given == b->lon.given && b->lat.null == b->lon.null)
		return true;
	field_error_add(&errs, b->lat.given ? "lon" : "lat",
	    "latitude and longitude together, both numbers or both null", "only one", NULL);
	api_problem_fields(r, &errs);
	return false;
}

/* True: done; else it has been answered. */
static bool
outcome(struct api_req *r, int rc, const char *id)
{
	switch (rc) {
	case FLEET_DONE:
		return true;
	case FLEET_EXISTS:
		api_problem(r, 409, "exists", "There is a site \"%s\" already.", id);
		return false;
	case FLEET_STALE:
		api_problem(r, 412, "precondition_failed",
		    "Site \"%s\" was changed meanwhile; read it again. Nothing was changed.", id);
		return false;
	case FLEET_IN_SERVICE:
		api_problem(r, 409, "conflict",
		    "Site \"%s\" still has devices in service; move or retire them first.", id);
		return false;
	case FLEET_TOO_MANY:
		api_problem(r, 409, "conflict", "There are %d sites already, which is the limit.",
		    FLEET_SITES_MAX);
		return false;
	default:
		api_problem(r, 404, "not_found", "There is no site \"%s\".", id);
		return false;
	}
}

static int
send_site(struct api_req *r, unsigned status, const struct fleet_site *s)
{
	api_etag(r, s->version);
	fleet_site_json(&r->w, NULL, s);
	return api_json_send(r, status);
}

struct listing {
	struct api_req *r;
	size_t n, limit;
	char last[BL_ID_TEXT_MAX + 1];
	bool more;
};

static bool
list_one(const struct fleet_site *s, void *ctx)
{
	struct listing *l = ctx;

	if (l->n == l->limit) {
		l->more = true;
		return false;
	}
	fleet_site_json(&l->r->w, NULL, s);
	(void)snprintf(l->last, sizeof(l->last), "%s", s->id);
	l->n++;
	return true;
}

int
get_sites(struct api_req *r, struct bl_err *err)
{
	const struct sites_query *q = r->query;
	const struct fleet_filter f = { .after = q->page.after.v, .with_retired = q->retired.v };
	struct listing l = {
		.r = r,
		.limit = q->page.limit.given ? (size_t)q->page.limit.v : API_LIMIT_DFLT,
	};
	int rc;

	jsonw_object(&r->w, NULL);
	jsonw_array(&r->w, "items");
	if ((rc = fleet_site_each(r->db, &f, list_one, &l, err)) < 0)
		return rc;
	jsonw_array_end(&r->w);
	jsonw_str(&r->w, "next", l.more ? l.last : NULL);
	jsonw_object_end(&r->w);
	return api_json_send(r, 200);
}

int
post_sites(struct api_req *r, struct bl_err *err)
{
	const struct site_body *b = r->body;
	struct fleet_site_edit e = edit_of(b);
	struct fleet_site s;
	int rc;

	if (!position_whole(r, b))
		return 0;
	if (e.zone == NULL)
		e.zone = r->api->default_zone;
	rc = fleet_site_create(r->api->opts.control, &r->actor, b->id.v, &e, &s, err);
	if (rc < 0)
		return rc;
	if (!outcome(r, rc, b->id.v != NULL ? b->id.v : b->name.v))
		return 0;
	api_fleet_changed(r->api);
	return send_site(r, 201, &s);
}

int
get_sites_id(struct api_req *r, struct bl_err *err)
{
	struct fleet_site s;
	const int rc = fleet_site_get(r->db, r->param[0], &s, err);

	if (rc < 0)
		return rc;
	if (rc == FLEET_UNKNOWN) {
		api_problem(r, 404, "not_found", "There is no site \"%s\".", r->param[0]);
		return 0;
	}
	return send_site(r, 200, &s);
}

int
patch_sites_id(struct api_req *r, struct bl_err *err)
{
	const struct site_body *b = r->body;
	const struct fleet_site_edit e = edit_of(b);
	struct fleet_site s;
	int rc;

	if (!position_whole(r, b))
		return 0;
	rc = fleet_site_change(
	    r->api->opts.control, &r->actor, r->param[0], r->if_match, &e, &s, err);
	if (rc < 0)
		return rc;
	if (!outcome(r, rc, r->param[0]))
		return 0;
	api_fleet_changed(r->api);
	return send_site(r, 200, &s);
}
