/* Sites and devices as JSON; see the header. */
#include "fleet_internal.h"

#define TEXT_MAX 16384u /* the largest site has 4 KiB of tags, doubled by escapes */

void
fleet_site_json(struct jsonw *w, const char *key, const struct fleet_site *s)
{
	jsonw_object(w, key);
	jsonw_str(w, "id", s->id);
	jsonw_str(w, "name", s->name);
	jsonw_str(w, "region", s->region);
	jsonw_str(w, "zone", s->zone);
	if (s->has_position) {
		jsonw_num(w, "lat", s->lat);
		jsonw_num(w, "lon", s->lon);
	} else {
		jsonw_null(w, "lat");
		jsonw_null(w, "lon");
	}
	jsonw_raw(w, "tags", s->tags);
	jsonw_bool(w, "retired", s->retired);
	jsonw_int(w, "part", s->part);
	jsonw_int(w, "created_unix_ms", s->created_unix_ms);
	jsonw_int(w, "version", s->version);
	jsonw_object_end(w);
}

void
fleet_device_json_members(struct jsonw *w, const struct fleet_device *d)
{
	jsonw_str(w, "id", d->id);
	jsonw_str(w, "name", d->name);
	jsonw_str(w, "site", d->site);
	jsonw_int(w, "part", d->part);
	jsonw_bool(w, "retired", d->retired);
	jsonw_int(w, "since_unix_ms", d->since_unix_ms);
	jsonw_int(w, "created_unix_ms", d->created_unix_ms);
	jsonw_int(w, "version", d->version);
	if (d->serial[0] == '\0') {
		jsonw_null(w, "certificate");
		return;
	}
	jsonw_object(w, "certificate");
	jsonw_str(w, "serial", d->serial);
	jsonw_int(w, "not_after_unix_ms", d->not_after_unix_ms);
	jsonw_str(w, "fingerprint_sha256", d->fingerprint);
	jsonw_object_end(w);
}

const char *
fleet_site_text(struct jsonw *w, const struct fleet_site *s)
{
	jsonw_init(w, TEXT_MAX);
	fleet_site_json(w, NULL, s);
	return jsonw_text(w, NULL);
}

const char *
fleet_device_text(struct jsonw *w, const struct fleet_device *d)
{
	jsonw_init(w, TEXT_MAX);
	jsonw_object(w, NULL);
	fleet_device_json_members(w, d);
	jsonw_object_end(w);
	return jsonw_text(w, NULL);
}
