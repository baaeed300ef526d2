/* Changes of sites.  Any thread; each is one change of the control writer. */
#include "fleet_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "control_sql.h"

struct site_change {
	const char *id; /* NULL: make one */
	int64_t expect_version;
	const struct fleet_site_edit *e;
	struct fleet_site *out;
};

static bool
position_valid(const struct fleet_site *s)
{
	return !s->has_position ||
	       (isfinite(s->lat) && isfinite(s->lon) && fabs(s->lat) <= 90 && fabs(s->lon) <= 180);
}

/* Puts what the edit gives into *s; BL_EINVAL when a value is not one. */
static int
apply(struct fleet_site *s, const struct fleet_site_edit *e, struct bl_err *err)
{
	if (e->name != NULL) {
		if (!fleet_name_valid(e->name, FLEET_NAME_MAX))
			return bl_fail(err, BL_EINVAL, "site %s: not a valid name", s->id);
		(void)snprintf(s->name, sizeof(s->name), "%s", e->name);
	}
	if (e->region != NULL) {
		if (e->region[0] != '\0' && !fleet_name_valid(e->region, FLEET_REGION_MAX))
			return bl_fail(err, BL_EINVAL, "site %s: not a valid region", s->id);
		(void)snprintf(s->region, sizeof(s->region), "%s", e->region);
	}
	if (e->zone != NULL) {
		if (e->zone[0] == '\0' || strlen(e->zone) > FLEET_ZONE_MAX)
			return bl_fail(err, BL_EINVAL, "site %s: not a time zone", s->id);
		(void)snprintf(s->zone, sizeof(s->zone), "%s", e->zone);
	}
	if (e->tags != NULL) {
		if (strlen(e->tags) > FLEET_TAGS_JSON_MAX)
			return bl_fail(err, BL_EINVAL, "site %s: its tags are too long", s->id);
		(void)snprintf(s->tags, sizeof(s->tags), "%s", e->tags);
	}
	if (e->has_lat || e->has_lon) {
		if (e->lat_null != e->lon_null || e->has_lat != e->has_lon)
			return bl_fail(
			    err, BL_EINVAL, "site %s: latitude and longitude go together", s->id);
		s->has_position = !e->lat_null;
		s->lat = e->lat;
		s->lon = e->lon;
	}
	if (!position_valid(s))
		return bl_fail(err, BL_EINVAL, "site %s: not a position", s->id);
	if (e->has_retired)
		s->retired = e->retired;
	return BL_OK;
}

static int
store(struct sqlite3 *db, const struct fleet_site *s, struct bl_err *err)
{
	return control_sql_run(db, err,
	    "INSERT INTO site (id, name, region, zone, lat, lon, tags, part, retired, "
	    "created_unix_ms, version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
	    "ON CONFLICT (id) DO UPDATE SET name = excluded.name, region = excluded.region, "
	    "zone = excluded.zone, lat = excluded.lat, lon = excluded.lon, tags = excluded.tags, "
	    "retired = excluded.retired, version = excluded.version",
	    "ttttootiiii", s->id, s->name, s->region, s->zone, s->has_position, s->lat,
	    s->has_position, s->lon, s->tags, (int64_t)s->part, (int64_t)s->retired,
	    s->created_unix_ms, s->version);
}

static int
audit(struct control_tx *tx, const char *action, const struct fleet_site *before,
    const struct fleet_site *after, struct bl_err *err)
{
	struct jsonw b = { 0 }, a;
	char subject[BL_ID_TEXT_MAX + 8];
	int rc;

	(void)snprintf(subject, sizeof(subject), "site/%s", after->id);
	rc = control_audit(tx, action, subject, before != NULL ? fleet_site_text(&b, before) : NULL,
	    fleet_site_text(&a, after), err);
	jsonw_free(&b);
	jsonw_free(&a);
	return rc;
}

static int
create(struct control_tx *tx, void *ctx, struct bl_err *err)
{
	const struct site_change *ch = ctx;
	struct sqlite3 *db = control_tx_db(tx);
	struct fleet_site s = { .tags = "{}", .zone = "UTC", .version = 1 };
	char base[BL_ID_TEXT_MAX + 1];
	int64_t n;
	int rc;

	if ((rc = control_sql_int(db, err, 0, &n, "SELECT count(*) FROM site", "")) < 0)
		return rc;
	if (n >= FLEET_SITES_MAX)
		return FLEET_TOO_MANY;
	if (ch->id == NULL) {
		fleet_id_from_name(ch->e->name, "site", base);
		if ((rc = fleet_free_id(db, "site", base, s.id, err)) != FLEET_DONE)
			return rc;
	} else {
		(void)snprintf(s.id, sizeof(s.id), "%s", ch->id);
		rc = control_sql_int(
		    db, err, 0, &n, "SELECT count(*) FROM site WHERE id = ?", "t", s.id);
		if (rc < 0)
			return rc;
		if (n > 0)
			return FLEET_EXISTS;
	}
	s.part = bl_part_of_site(s.id);
	s.created_unix_ms = control_tx_unix_ms(tx);
	if ((rc = apply(&s, ch->e, err)) < 0 || (rc = store(db, &s, err)) < 0)
		return rc;
	*ch->out = s;
	return audit(tx, "site.create", NULL, &s, err);
}

static int
change(struct control_tx *tx, void *ctx, struct bl_err *err)
{
	const struct site_change *ch = ctx;
	struct sqlite3 *db = control_tx_db(tx);
	struct fleet_site before, after;
	int64_t devices;
	int rc;

	if ((rc = fleet_site_get(db, ch->id, &before, err)) != FLEET_KNOWN)
		return rc < 0 ? rc : FLEET_NO_SUCH;
	if (ch->expect_version != 0 && ch->expect_version != before.version)
		return FLEET_STALE;
	after = before;
	if ((rc = apply(&after, ch->e, err)) < 0)
		return rc;
	if (after.retired && !before.retired) {
		rc = control_sql_int(db, err, 0, &devices,
		    "SELECT count(*) FROM device WHERE site = ? AND retired = 0", "t", ch->id);
		if (rc < 0)
			return rc;
		if (devices > 0)
			return FLEET_IN_SERVICE;
	}
	after.version++;
	if ((rc = store(db, &after, err)) < 0)
		return rc;
	*ch->out = after;
	return audit(tx, "site.change", &before, &after, err);
}

int
fleet_site_create(struct control *c, const struct control_actor *who, const char *id,
    const struct fleet_site_edit *e, struct fleet_site *out, struct bl_err *err)
{
	struct site_change ch = { .id = id, .e = e, .out = out };

	if (e->name == NULL)
		return bl_fail(err, BL_EINVAL, "new site: it needs a name");
	if (id != NULL && !bl_id_text_valid(id))
		return bl_fail(err, BL_EINVAL, "new site: not a valid id");
	return control_write(c, who, create, &ch, err);
}

int
fleet_site_change(struct control *c, const struct control_actor *who, const char *id,
    int64_t expect_version, const struct fleet_site_edit *e, struct fleet_site *out,
    struct bl_err *err)
{
	struct site_change ch = { id, expect_version, e, out };

	return control_write(c, who, change, &ch, err);
}
