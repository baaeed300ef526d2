/*
 * Changes of devices.  Any thread; each is one change of the control writer.
 *
 * A device is in service at one site at a time, by intervals that touch or
 * leave gaps (retired) but never overlap.  Its part never changes: it stands in
 * its topics and in the broker's rules; only a reissue could change it.
 */
#include "fleet_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "control_sql.h"

struct device_change {
	const char *id; /* NULL: make one */
	int64_t expect_version;
	const struct fleet_device_edit *e;
	const char *site;
	const char *name;
	int64_t from_unix_ms;
	const char *serial, *fingerprint;
	int64_t not_after_unix_ms;
	struct fleet_device *out;
};

static int
store(struct sqlite3 *db, const struct fleet_device *d, struct bl_err *err)
{
	const bool cert = d->serial[0] != '\0';

	return control_sql_run(db, err,
	    "INSERT INTO device (id, name, site, part, retired, since_unix_ms, created_unix_ms, "
	    "version, cert_serial, cert_fingerprint, cert_not_after_unix_ms) "
	    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
	    "name = excluded.name, site = excluded.site, retired = excluded.retired, "
	    "since_unix_ms = excluded.since_unix_ms, version = excluded.version, "
	    "cert_serial = excluded.cert_serial, cert_fingerprint = excluded.cert_fingerprint, "
	    "cert_not_after_unix_ms = excluded.cert_not_after_unix_ms",
	    "tttiiiiitti", d->id, d->name, d->site, (int64_t)d->part, (int64_t)d->retired,
	    d->since_unix_ms, d->created_unix_ms, d->version, cert ? d->serial : NULL,
	    cert ? d->fingerprint : NULL, cert ? d->not_after_unix_ms : (int64_t)0);
}

static int
service_end(struct sqlite3 *db, const char *device, int64_t at_unix_ms, struct bl_err *err)
{
	return control_sql_run(db, err,
	    "UPDATE service SET to_unix_ms = max(from_unix_ms, ?) "
	    "WHERE device = ? AND to_unix_ms IS NULL",
	    "it", at_unix_ms, device);
}

/* An interval of no length that began at the same instant gives way. */
static int
service_begin(struct sqlite3 *db, const struct fleet_device *d, struct bl_err *err)
{
	return control_sql_run(db, err,
	    "INSERT INTO service (device, from_unix_ms, to_unix_ms, site) VALUES (?, ?, NULL, ?) "
	    "ON CONFLICT (device, from_unix_ms) DO UPDATE SET to_unix_ms = NULL, "
	    "site = excluded.site",
	    "tit", d->id, d->since_unix_ms, d->site);
}

static int
audit(struct control_tx *tx, const char *action, const struct fleet_device *before,
    const struct fleet_device *after, struct bl_err *err)
{
	struct jsonw b = { 0 }, a;
	char subject[BL_ID_TEXT_MAX + 8];
	int rc;

	(void)snprintf(subject, sizeof(subject), "device/%s", after->id);
	rc = control_audit(tx, action, subject,
	    before != NULL ? fleet_device_text(&b, before) : NULL, fleet_device_text(&a, after),
	    err);
	jsonw_free(&b);
	jsonw_free(&a);
	return rc;
}

/* The site must be there and not retired. */
static int
check_site(struct sqlite3 *db, const char *id, struct fleet_site *s, struct bl_err *err)
{
	const int rc = fleet_site_get(db, id, s, err);

	if (rc < 0)
		return rc;
	if (rc == FLEET_UNKNOWN)
		return FLEET_NO_SUCH_SITE;
	return s->retired ? FLEET_SITE_RETIRED : FLEET_DONE;
}

static int
pick_id(struct sqlite3 *db, const struct device_change *ch, char *out, struct bl_err *err)
{
	char joined[BL_ID_TEXT_MAX + FLEET_NAME_MAX + 2], base[BL_ID_TEXT_MAX + 1];
	int64_t n;
	int rc;

	if (ch->id == NULL) {
		(void)snprintf(joined, sizeof(joined), "%s-%s", ch->site, ch->name);
		fleet_id_from_name(joined, "device", base);
		return fleet_free_id(db, "device", base, out, err);
	}
	(void)snprintf(out, BL_ID_TEXT_MAX + 1, "%s", ch->id);
	rc = control_sql_int(db, err, 0, &n, "SELECT count(*) FROM device WHERE id = ?", "t", out);
	if (rc < 0)
		return rc;
	return n > 0 ? FLEET_EXISTS : FLEET_DONE;
}

static int
create(struct control_tx *tx, void *ctx, struct bl_err *err)
{
	const struct device_change *ch = ctx;
	struct sqlite3 *db = control_tx_db(tx);
	struct fleet_device d = { .version = 1 };
	struct fleet_site site;
	int64_t n;
	int rc;

	if ((rc = control_sql_int(db, err, 0, &n, "SELECT count(*) FROM device", "")) < 0)
		return rc;
	if (n >= FLEET_DEVICES_MAX)
		return FLEET_TOO_MANY;
	if ((rc = check_site(db, ch->site, &site, err)) != FLEET_DONE ||
	    (rc = pick_id(db, ch, d.id, err)) != FLEET_DONE)
		return rc;
	(void)snprintf(d.name, sizeof(d.name), "%s", ch->name);
	(void)snprintf(d.site, sizeof(d.site), "%s", ch->site);
	d.part = site.part;
	d.created_unix_ms = d.since_unix_ms = control_tx_unix_ms(tx);
	if ((rc = store(db, &d, err)) < 0 || (rc = service_begin(db, &d, err)) < 0)
		return rc;
	*ch->out = d;
	return audit(tx, "device.create", NULL, &d, err);
}

/* Loads the device of a change; FLEET_DONE when it may go on. */
static int
load(struct sqlite3 *db, const struct device_change *ch, struct fleet_device *d, struct bl_err *err)
{
	const int rc = fleet_device_get(db, ch->id, d, err);

	if (rc < 0)
		return rc;
	if (rc == FLEET_UNKNOWN)
		return FLEET_NO_SUCH;
	if (ch->expect_version != 0 && ch->expect_version != d->version)
		return FLEET_STALE;
	return FLEET_DONE;
}

static int
store_changed(struct control_tx *tx, const struct device_change *ch, const char *action,
    const struct fleet_device *before, struct fleet_device *after, struct bl_err *err)
{
	int rc;

	after->version = before->version + 1;
	if ((rc = store(control_tx_db(tx), after, err)) < 0)
		return rc;
	*ch->out = *after;
	return audit(tx, action, before, after, err);
}

static int
retire_or_return(struct control_tx *tx, struct fleet_device *d, bool retired, struct bl_err *err)
{
	struct sqlite3 *db = control_tx_db(tx);
	struct fleet_site site;
	int rc;

	d->retired = retired;
	if (retired)
		return service_end(db, d->id, control_tx_unix_ms(tx), err);
	if ((rc = check_site(db, d->site, &site, err)) != FLEET_DONE)
		return rc;
	d->since_unix_ms = control_tx_unix_ms(tx);
	return service_begin(db, d, err);
}

static int
change(struct control_tx *tx, void *ctx, struct bl_err *err)
{
	const struct device_change *ch = ctx;
	struct fleet_device before, after;
	int rc;

	if ((rc = load(control_tx_db(tx), ch, &before, err)) != FLEET_DONE)
		return rc;
	after = before;
	if (ch->e->name != NULL)
		(void)snprintf(after.name, sizeof(after.name), "%s", ch->e->name);
	if (ch->e->has_retired && ch->e->retired != before.retired) {
		rc = retire_or_return(tx, &after, ch->e->retired, err);
		if (rc != FLEET_DONE)
			return rc;
	}
	return store_changed(tx, ch, "device.change", &before, &after, err);
}

static int
move(struct control_tx *tx, void *ctx, struct bl_err *err)
{
	const struct device_change *ch = ctx;
	struct sqlite3 *db = control_tx_db(tx);
	const int64_t now = control_tx_unix_ms(tx);
	struct fleet_device before, after;
	struct fleet_site site;
	int rc;

	if ((rc = load(db, ch, &before, err)) != FLEET_DONE ||
	    (rc = check_site(db, ch->site, &site, err)) != FLEET_DONE)
		return rc;
	if (before.retired)
		return FLEET_DEVICE_RETIRED;
	if (strcmp(before.site, ch->site) == 0) {
		*ch->out = before; /* it is there already: nothing changes */
		return FLEET_DONE;
	}
	after = before;
	if (ch->from_unix_ms > 0 &&
	    (ch->from_unix_ms < before.since_unix_ms || ch->from_unix_ms > now))
		return FLEET_BAD_TIME;
	after.since_unix_ms = ch->from_unix_ms > 0 ? ch->from_unix_ms : now;
	if (after.since_unix_ms < before.since_unix_ms)
		after.since_unix_ms = before.since_unix_ms; /* our clock went back */
	(void)snprintf(after.site, sizeof(after.site), "%s", ch->site);
	if ((rc = service_end(db, ch->id, after.since_unix_ms, err)) < 0 ||
	    (rc = service_begin(db, &after, err)) < 0)
		return rc;
	return store_changed(tx, ch, "device.move", &before, &after, err);
}

static int
certificate(struct control_tx *tx, void *ctx, struct bl_err *err)
{
	const struct device_change *ch = ctx;
	struct fleet_device before, after;
	int rc;

	if ((rc = load(control_tx_db(tx), ch, &before, err)) != FLEET_DONE)
		return rc;
	if (before.retired)
		return FLEET_DEVICE_RETIRED;
	after = before;
	(void)snprintf(after.serial, sizeof(after.serial), "%s", ch->serial);
	(void)snprintf(after.fingerprint, sizeof(after.fingerprint), "%s", ch->fingerprint);
	after.not_after_unix_ms = ch->not_after_unix_ms;
	return store_changed(tx, ch, "device.certificate", &before, &after, err);
}

/* ---- what others call -------------------------------------------------- */

int
fleet_device_create(struct control *c, const struct control_actor *who, const char *id,
    const char *site, const char *name, struct fleet_device *out, struct bl_err *err)
{
	struct device_change ch = { .id = id, .site = site, .name = name, .out = out };

	if (id != NULL && !bl_id_text_valid(id))
		return bl_fail(err, BL_EINVAL, "new device: not a valid id");
	if (!fleet_name_valid(name, FLEET_NAME_MAX))
		return bl_fail(err, BL_EINVAL, "new device: not a valid name");
	return control_write(c, who, create, &ch, err);
}

int
fleet_device_change(struct control *c, const struct control_actor *who, const char *id,
    int64_t expect_version, const struct fleet_device_edit *e, struct fleet_device *out,
    struct bl_err *err)
{
	struct device_change ch = {
		.id = id, .expect_version = expect_version, .e = e, .out = out
	};

	if (e->name != NULL && !fleet_name_valid(e->name, FLEET_NAME_MAX))
		return bl_fail(err, BL_EINVAL, "device %s: not a valid name", id);
	return control_write(c, who, change, &ch, err);
}

int
fleet_device_move(struct control *c, const struct control_actor *who, const char *id,
    int64_t expect_version, const char *site, int64_t from_unix_ms, struct fleet_device *out,
    struct bl_err *err)
{
	struct device_change ch = {
		.id = id,
		.expect_version = expect_version,
		.site = site,
		.from_unix_ms = from_unix_ms,
		.out = out,
	};

	return control_write(c, who, move, &ch, err);
}

static bool
hex_valid(const char *text, size_t least, size_t most)
{
	const size_t len = strlen(text);

	for (const char *p = text; *p != '\0'; p++)
		if (!isxdigit((unsigned char)*p))
			return false;
	return len >= least && len <= most;
}

int
fleet_device_certificate(struct control *c, const struct control_actor *who, const char *id,
    const char *serial, const char *fingerprint, int64_t not_after_unix_ms,
    struct fleet_device *out, struct bl_err *err)
{
	struct device_change ch = {
		.id = id,
		.serial = serial,
		.fingerprint = fingerprint,
		.not_after_unix_ms = not_after_unix_ms,
		.out = out,
	};

	if (!hex_valid(serial, 1, FLEET_SERIAL_MAX) ||
	    !hex_valid(fingerprint, FLEET_FINGERPRINT_MAX, FLEET_FINGERPRINT_MAX))
		return bl_fail(
		    err, BL_EINVAL, "device %s: serial number and fingerprint are hexadecimal", id);
	return control_write(c, who, certificate, &ch, err);
}
