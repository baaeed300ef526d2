/* Devices: what people say of them, joined with what the telemetry store has heard. */
#include "api_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct device_body {
	struct given_str id, site, name;
	struct given_bool retired;
};

#define DEVICE_NAME(needed)                                                                        \
	{                                                                                          \
		"name", FIELD_STR, offsetof(struct device_body, name),                             \
		    .required = needed, .min = 1, .max = FLEET_NAME_MAX, .check = check_name,      \
		    .help = "the name to show"                                                     \
	}

static const struct field device_new_fields[] = {
	{ "id", FIELD_STR, offsetof(struct device_body, id), .min = 1, .max = BL_ID_TEXT_MAX,
	    .check = check_id, .help = "made from site and name unless given" },
	{ "site", FIELD_STR, offsetof(struct device_body, site), .required = true, .min = 1,
	    .max = BL_ID_TEXT_MAX, .check = check_id, .help = "the id of its site" },
	DEVICE_NAME(true),
};
const struct schema body_device_new = { "DeviceNew", sizeof(struct device_body), device_new_fields,
	3 };

static const struct field device_patch_fields[] = {
	DEVICE_NAME(false),
	{ "retired", FIELD_BOOL, offsetof(struct device_body, retired),
	    .help = "true: nothing more is taken from it, its history stays" },
};
const struct schema body_device_patch = { "DeviceChange", sizeof(struct device_body),
	device_patch_fields, 2 };

struct move_body {
	struct given_str site;
	struct given_int from;
};

static const struct field move_fields[] = {
	{ "site", FIELD_STR, offsetof(struct move_body, site), .required = true, .min = 1,
	    .max = BL_ID_TEXT_MAX, .check = check_id, .help = "the id of the new site" },
	{ "from_unix_ms", FIELD_INT, offsetof(struct move_body, from), .min = 1,
	    .max = 253402300799999.0, .help = "since when; now unless given" },
};
const struct schema body_device_move = { "DeviceMove", sizeof(struct move_body), move_fields, 2 };

struct certificate_body {
	struct given_str serial, fingerprint;
	struct given_int not_after;
};

static const struct field certificate_fields[] = {
	{ "serial", FIELD_STR, offsetof(struct certificate_body, serial), .required = true,
	    .min = 1, .max = FLEET_SERIAL_MAX, .check = check_hex,
	    .help = "serial number, hexadecimal" },
	{ "not_after_unix_ms", FIELD_INT, offsetof(struct certificate_body, not_after),
	    .required = true, .min = 1, .max = 253402300799999.0, .help = "when it ends" },
	{ "fingerprint_sha256", FIELD_STR, offsetof(struct certificate_body, fingerprint),
	    .required = true, .min = 64, .max = 64, .check = check_fingerprint,
	    .help = "SHA-256 of the certificate, hexadecimal" },
};
const struct schema body_certificate = { "Certificate", sizeof(struct certificate_body),
	certificate_fields, 3 };

struct devices_query {
	struct page_query page;
	struct given_str site;
	struct given_bool retired;
};

static const struct field devices_query_fields[] = {
	{ "limit", FIELD_INT, offsetof(struct devices_query, page.limit), .min = 1,
	    .max = API_LIMIT_MAX, .help = "how many at most" },
	{ "after", FIELD_STR, offsetof(struct devices_query, page.after), .min = 1, .max = 63,
	    .help = "the cursor of the answer before" },
	{ "site", FIELD_STR, offsetof(struct devices_query, site), .min = 1, .max = BL_ID_TEXT_MAX,
	    .check = check_id, .help = "only those at this site" },
	{ "retired", FIELD_BOOL, offsetof(struct devices_query, retired),
	    .help = "true: retired ones too" },
};
const struct schema query_devices = { "", sizeof(struct devices_query), devices_query_fields, 4 };

/* ---- as JSON ----------------------------------------------------------- */

static const char *
text_or_null(const char *s)
{
	return s[0] != '\0' ? s : NULL;
}

/* What the store has heard; heard NULL: nothing. */
static void
write_heard(struct jsonw *w, const struct store_device *heard)
{
	static const char *const presence[] = { NULL, "online", "offline" };
	char spool[BL_ID_HEX_SIZE] = "";

	if (heard != NULL && heard->has_spool)
		bl_id_hex(&heard->spool, spool);
	jsonw_str(w, "presence", heard != NULL ? presence[heard->presence] : NULL);
	api_time(
	    w, "last_seen_unix_ms", heard != NULL ? heard->last_arrival_unix_ms : STORE_TIME_NONE);
	api_time(
	    w, "data_until_unix_ms", heard != NULL ? heard->data_until_unix_ms : STORE_TIME_NONE);
	jsonw_str(w, "software", heard != NULL ? text_or_null(heard->software) : NULL);
	jsonw_str(w, "spool", text_or_null(spool));
	jsonw_str(w, "clock",
	    heard == NULL || !heard->has_spool ? NULL
	    : heard->clock_trusted             ? "trusted"
					       : "unknown");
	jsonw_int(w, "gaps", heard != NULL ? (int64_t)heard->gaps : 0);
	jsonw_int(w, "set_aside", heard != NULL ? (int64_t)heard->set_aside : 0);
	jsonw_int(w, "waiting_batches", heard != NULL ? (int64_t)heard->waiting : 0);
	jsonw_bool(w, "conflict", heard != NULL && heard->conflict);
}

/* What stands in lists, too; the object stays open. */
static void
write_device(struct jsonw *w, const struct fleet_device *d, const struct store_device *heard,
    int64_t now_unix_ms)
{
	int64_t since;
	const enum api_state state = api_device_state(d->retired, heard, now_unix_ms, &since);

	jsonw_object(w, NULL);
	fleet_device_json_members(w, d);
	jsonw_str(w, "state", api_state_name(state));
	api_time(w, "state_since_unix_ms", since);
	write_heard(w, heard);
}

static int
send_device(struct api_req *r, unsigned status, const struct fleet_device *d, const char *note,
    struct bl_err *err)
{
	struct store_device heard;
	struct store_report report;
	struct store_read *reader;
	const int64_t now = bl_unix_ms(r->api->opts.clock);
	int rc, said = BL_ENOTFOUND;

	if ((rc = api_reader_take(r->api, &reader, err)) < 0)
		return rc;
	if ((rc = store_read_device(reader, d->id, &heard, err)) == BL_OK)
		said = store_read_report(reader, d->id, &report, err);
	if ((rc < 0 && rc != BL_ENOTFOUND) || (said < 0 && said != BL_ENOTFOUND)) {
		api_reader_give(r->api, reader);
		return rc < 0 && rc != BL_ENOTFOUND ? rc : said;
	}
	api_etag(r, d->version);
	write_device(&r->w, d, rc == BL_OK ? &heard : NULL, now);
	api_report_member(&r->w, said == BL_OK ? &report : NULL);
	rc = api_identity_member(&r->w, reader, d->id, now, err);
	api_reader_give(r->api, reader);
	if (rc < 0)
		return rc;
	if (note != NULL)
		jsonw_str(&r->w, "note", note);
	jsonw_object_end(&r->w);
	return api_json_send(r, status);
}

/* True: done; else it has been answered. */
static bool
outcome(struct api_req *r, int rc, const char *id, const char *site)
{
	switch (rc) {
	case FLEET_DONE:
		return true;
	case FLEET_EXISTS:
		api_problem(r, 409, "exists", "There is a device \"%s\" already.", id);
		return false;
	case FLEET_NO_SUCH_SITE:
		api_problem(r, 422, "invalid_field", "There is no site \"%s\".", site);
		return false;
	case FLEET_SITE_RETIRED:
		api_problem(r, 409, "conflict",
		    "The site is retired and takes no devices; nothing was changed.");
		return false;
	case FLEET_STALE:
		api_problem(r, 412, "precondition_failed",
		    "Device \"%s\" was changed meanwhile; read it again. Nothing was changed.", id);
		return false;
	case FLEET_DEVICE_RETIRED:
		api_problem(r, 409, "conflict",
		    "Device \"%s\" is retired; take it back into service first.", id);
		return false;
	case FLEET_BAD_TIME:
		api_problem(r, 422, "invalid_field",
		    "from_unix_ms must not lie before the device came to its present site, nor in "
		    "the future.");
		return false;
	case FLEET_TOO_MANY:
		api_problem(r, 409, "conflict", "There are %d devices already, which is the limit.",
		    FLEET_DEVICES_MAX);
		return false;
	default:
		api_problem(r, 404, "not_found", "There is no device \"%s\".", id);
		return false;
	}
}

/* ---- lists ------------------------------------------------------------- */

struct listing {
	struct api_req *r;
	struct store_read *reader;
	struct bl_err *err;
	size_t n, limit;
	char last[BL_ID_TEXT_MAX + 1];
	bool more;
	int rc;
};

static bool
list_one(const struct fleet_device *d, void *ctx)
{
	struct listing *l = ctx;
	struct store_device heard;

	if (l->n == l->limit) {
		l->more = true;
		return false;
	}
	l->rc = store_read_device(l->reader, d->id, &heard, l->err);
	if (l->rc < 0 && l->rc != BL_ENOTFOUND)
		return false;
	write_device(
	    &l->r->w, d, l->rc == BL_OK ? &heard : NULL, bl_unix_ms(l->r->api->opts.clock));
	jsonw_object_end(&l->r->w);
	l->rc = BL_OK;
	(void)snprintf(l->last, sizeof(l->last), "%s", d->id);
	l->n++;
	return true;
}

int
get_devices(struct api_req *r, struct bl_err *err)
{
	const struct devices_query *q = r->query;
	const struct fleet_filter f = {
		.after = q->page.after.v,
		.site = q->site.v,
		.with_retired = q->retired.v,
	};
	struct listing l = {
		.r = r,
		.err = err,
		.limit = q->page.limit.given ? (size_t)q->page.limit.v : API_LIMIT_DFLT,
	};
	int rc;

	if ((rc = api_reader_take(r->api, &l.reader, err)) < 0)
		return rc;
	jsonw_object(&r->w, NULL);
	jsonw_array(&r->w, "items");
	rc = fleet_device_each(r->db, &f, list_one, &l, err);
	api_reader_give(r->api, l.reader);
	if (rc < 0 || l.rc < 0)
		return rc < 0 ? rc : l.rc;
	jsonw_array_end(&r->w);
	jsonw_str(&r->w, "next", l.more ? l.last : NULL);
	jsonw_object_end(&r->w);
	return api_json_send(r, 200);
}

static bool
write_service(const struct fleet_service *s, void *ctx)
{
	struct jsonw *w = ctx;

	jsonw_object(w, NULL);
	jsonw_str(w, "site", s->site);
	jsonw_int(w, "from_unix_ms", s->from_unix_ms);
	jsonw_int_or_null(w, "to_unix_ms", s->to_unix_ms != INT64_MAX, s->to_unix_ms);
	jsonw_object_end(w);
	return true;
}

int
get_devices_id_service(struct api_req *r, struct bl_err *err)
{
	struct fleet_device d;
	int rc;

	if ((rc = fleet_device_get(r->db, r->param[0], &d, err)) < 0)
		return rc;
	if (rc == FLEET_UNKNOWN)
		return outcome(r, FLEET_NO_SUCH, r->param[0], "");
	jsonw_object(&r->w, NULL);
	jsonw_array(&r->w, "items");
	if ((rc = fleet_service_each(r->db, r->param[0], write_service, &r->w, err)) < 0)
		return rc;
	jsonw_array_end(&r->w);
	jsonw_object_end(&r->w);
	return api_json_send(r, 200);
}

/* ---- one --------------------------------------------------------------- */

int
get_devices_id(struct api_req *r, struct bl_err *err)
{
	struct fleet_device d;
	const int rc = fleet_device_get(r->db, r->param[0], &d, err);

	if (rc < 0)
		return rc;
	if (rc == FLEET_UNKNOWN)
		return outcome(r, FLEET_NO_SUCH, r->param[0], "");
	return send_device(r, 200, &d, NULL, err);
}

int
post_devices(struct api_req *r, struct bl_err *err)
{
	const struct device_body *b = r->body;
	struct fleet_device d;
	int rc;

	rc = fleet_device_create(
	    r->api->opts.control, &r->actor, b->id.v, b->site.v, b->name.v, &d, err);
	if (rc < 0)
		return rc;
	if (!outcome(r, rc, b->id.v != NULL ? b->id.v : b->name.v, b->site.v))
		return 0;
	api_fleet_changed(r->api);
	return send_device(r, 201, &d, NULL, err);
}

int
patch_devices_id(struct api_req *r, struct bl_err *err)
{
	const struct device_body *b = r->body;
	const struct fleet_device_edit e = {
		.name = b->name.v,
		.has_retired = b->retired.given,
		.retired = b->retired.v,
	};
	struct fleet_device d;
	int rc;

	rc = fleet_device_change(
	    r->api->opts.control, &r->actor, r->param[0], r->if_match, &e, &d, err);
	if (rc < 0)
		return rc;
	if (!outcome(r, rc, r->param[0], ""))
		return 0;
	api_fleet_changed(r->api);
	return send_device(r, 200, &d, NULL, err);
}

int
post_devices_id_move(struct api_req *r, struct bl_err *err)
{
	const struct move_body *b = r->body;
	struct fleet_device d;
	char note[192] = "";
	int rc;

	rc = fleet_device_move(r->api->opts.control, &r->actor, r->param[0], r->if_match, b->site.v,
	    b->from.given ? b->from.v : 0, &d, err);
	if (rc < 0)
		return rc;
	if (!outcome(r, rc, r->param[0], b->site.v))
		return 0;
	api_fleet_changed(r->api);
	if (d.part != bl_part_of_site(d.site))
		(void)snprintf(note, sizeof(note),
		    "It keeps part %u of its first site in its topics; only a reissue of its "
		    "certificate and configuration would change that. Nothing needs to be done.",
		    d.part);
	return send_device(r, 200, &d, note[0] != '\0' ? note : NULL, err);
}

int
put_devices_id_certificate(struct api_req *r, struct bl_err *err)
{
	const struct certificate_body *b = r->body;
	struct fleet_device d;
	int rc;

	rc = fleet_device_certificate(r->api->opts.control, &r->actor, r->param[0], b->serial.v,
	    b->fingerprint.v, b->not_after.v, &d, err);
	if (rc < 0)
		return rc;
	if (!outcome(r, rc, r->param[0], ""))
		return 0;
	api_fleet_changed(r->api);
	return send_device(r, 200, &d, NULL, err);
}
