/* Reading sites, devices and service intervals; ingest's look-up.  See the header for threads. */
#include "fleet_internal.h"

#include <stdlib.h>
#include <string.h>

#include "control_sql.h"

#define SITE_COLUMNS                                                                               \
	"id, name, region, zone, tags, lat, lon, part, retired, created_unix_ms, version"
#define DEVICE_COLUMNS                                                                             \
	"id, name, site, part, retired, since_unix_ms, created_unix_ms, version, cert_serial, "    \
	"cert_fingerprint, cert_not_after_unix_ms"

static void
read_site(sqlite3_stmt *st, struct fleet_site *s)
{
	memset(s, 0, sizeof(*s));
	control_sql_text(st, 0, s->id, sizeof(s->id));
	control_sql_text(st, 1, s->name, sizeof(s->name));
	control_sql_text(st, 2, s->region, sizeof(s->region));
	control_sql_text(st, 3, s->zone, sizeof(s->zone));
	control_sql_text(st, 4, s->tags, sizeof(s->tags));
	s->has_position =
	    sqlite3_column_type(st, 5) != SQLITE_NULL && sqlite3_column_type(st, 6) != SQLITE_NULL;
	s->lat = sqlite3_column_double(st, 5);
	s->lon = sqlite3_column_double(st, 6);
	s->part = (uint8_t)sqlite3_column_int(st, 7);
	s->retired = sqlite3_column_int(st, 8) != 0;
	s->created_unix_ms = sqlite3_column_int64(st, 9);
	s->version = sqlite3_column_int64(st, 10);
}

static void
read_device(sqlite3_stmt *st, struct fleet_device *d)
{
	memset(d, 0, sizeof(*d));
	control_sql_text(st, 0, d->id, sizeof(d->id));
	control_sql_text(st, 1, d->name, sizeof(d->name));
	control_sql_text(st, 2, d->site, sizeof(d->site));
	d->part = (uint8_t)sqlite3_column_int(st, 3);
	d->retired = sqlite3_column_int(st, 4) != 0;
	d->since_unix_ms = sqlite3_column_int64(st, 5);
	d->created_unix_ms = sqlite3_column_int64(st, 6);
	d->version = sqlite3_column_int64(st, 7);
	control_sql_text(st, 8, d->serial, sizeof(d->serial));
	control_sql_text(st, 9, d->fingerprint, sizeof(d->fingerprint));
	d->not_after_unix_ms = sqlite3_column_int64(st, 10);
}

/* Ends a statement whose last step returned rc; a visitor that stopped early is no failure. */
static int
finish(sqlite3_stmt *st, int rc)
{
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc < 0 ? rc : BL_OK;
}

int
fleet_site_each(struct sqlite3 *db, const struct fleet_filter *f, fleet_site_cb cb, void *ctx,
    struct bl_err *err)
{
	struct fleet_site s;
	sqlite3_stmt *st;
	int rc;

	rc = control_sql_prepare(&st, db, err,
	    "SELECT " SITE_COLUMNS " FROM site WHERE id > ? AND retired <= ? ORDER BY id", "ti",
	    f->after != NULL ? f->after : "", (int64_t)f->with_retired);
	if (rc < 0)
		return rc;
	while ((rc = control_sql_step(st, err)) == 1) {
		read_site(st, &s);
		if (!cb(&s, ctx))
			break;
	}
	return finish(st, rc);
}

int
fleet_device_each(struct sqlite3 *db, const struct fleet_filter *f, fleet_device_cb cb, void *ctx,
    struct bl_err *err)
{
	struct fleet_device d;
	sqlite3_stmt *st;
	int rc;

	/* Two statements: with an OR over the site its index would not be used. */
	rc = control_sql_prepare(&st, db, err,
	    f->site != NULL ? "SELECT " DEVICE_COLUMNS " FROM device WHERE id > ?1 AND "
			      "retired <= ?2 AND site = ?3 ORDER BY id"
			    : "SELECT " DEVICE_COLUMNS " FROM device WHERE id > ?1 AND "
			      "retired <= ?2 AND ?3 IS NULL ORDER BY id",
	    "tit", f->after != NULL ? f->after : "", (int64_t)f->with_retired, f->site);
	if (rc < 0)
		return rc;
	while ((rc = control_sql_step(st, err)) == 1) {
		read_device(st, &d);
		if (!cb(&d, ctx))
			break;
	}
	return finish(st, rc);
}

int
fleet_service_each(
    struct sqlite3 *db, const char *device, fleet_service_cb cb, void *ctx, struct bl_err *err)
{
	struct fleet_service s;
	sqlite3_stmt *st;
	int rc;

	rc = control_sql_prepare(&st, db, err,
	    "SELECT site, from_unix_ms, to_unix_ms FROM service WHERE device = ? "
	    "ORDER BY from_unix_ms",
	    "t", device);
	if (rc < 0)
		return rc;
	while ((rc = control_sql_step(st, err)) == 1) {
		control_sql_text(st, 0, s.site, sizeof(s.site));
		s.from_unix_ms = sqlite3_column_int64(st, 1);
		s.to_unix_ms = sqlite3_column_type(st, 2) == SQLITE_NULL
				   ? INT64_MAX
				   : sqlite3_column_int64(st, 2);
		if (!cb(&s, ctx))
			break;
	}
	return finish(st, rc);
}

int
fleet_site_get(struct sqlite3 *db, const char *id, struct fleet_site *out, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	rc = control_sql_prepare(
	    &st, db, err, "SELECT " SITE_COLUMNS " FROM site WHERE id = ?", "t", id);
	if (rc < 0)
		return rc;
	if ((rc = control_sql_step(st, err)) == 1)
		read_site(st, out);
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc;                  /* a row: FLEET_KNOWN; none: FLEET_UNKNOWN */
}

int
fleet_device_get(struct sqlite3 *db, const char *id, struct fleet_device *out, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	rc = control_sql_prepare(
	    &st, db, err, "SELECT " DEVICE_COLUMNS " FROM device WHERE id = ?", "t", id);
	if (rc < 0)
		return rc;
	if ((rc = control_sql_step(st, err)) == 1)
		read_device(st, out);
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc;                  /* a row: FLEET_KNOWN; none: FLEET_UNKNOWN */
}

/* ---- ingest's look-up -------------------------------------------------- */

struct fleet_lookup {
	struct control *control;
	sqlite3 *db;
	sqlite3_stmt *st;
};

int
fleet_lookup_open(struct fleet_lookup **out, struct control *c, struct bl_err *err)
{
	struct fleet_lookup *l;
	int rc;

	*out = NULL;
	if ((l = calloc(1, sizeof(*l))) == NULL)
		return bl_fail(err, BL_ENOMEM, "fleet: out of memory");
	l->control = c;
	if ((rc = control_reader_open(c, &l->db, err)) < 0)
		goto fail;
	rc = control_sql_prepare(
	    &l->st, l->db, err, "SELECT site, part, retired FROM device WHERE id = ?1", "n");
	if (rc < 0)
		goto fail;
	*out = l;
	return BL_OK;
fail:
	fleet_lookup_close(l);
	return rc;
}

void
fleet_lookup_close(struct fleet_lookup *l)
{
	if (l == NULL)
		return;
	(void)sqlite3_finalize(l->st); /* repeats the failure of a step */
	control_reader_close(l->db);
	free(l);
}

int
fleet_device_lookup(
    struct fleet_lookup *l, const char *device, struct fleet_place *place, struct bl_err *err)
{
	int rc;

	if (sqlite3_bind_text(l->st, 1, device, -1, SQLITE_STATIC) != SQLITE_OK)
		return control_sql_fail(l->db, "look up a device", err);
	if ((rc = control_sql_step(l->st, err)) == 1) {
		control_sql_text(l->st, 0, place->site, sizeof(place->site));
		place->part = (uint8_t)sqlite3_column_int(l->st, 1);
		place->retired = sqlite3_column_int(l->st, 2) != 0;
	}
	(void)sqlite3_reset(l->st); /* ends the read; repeats the failure of the step */
	(void)sqlite3_clear_bindings(l->st);
	return rc;
}
