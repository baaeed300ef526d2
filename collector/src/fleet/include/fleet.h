/*
 * The fleet: sites (branches, places) and devices (one agent's identity each),
 * in service at sites by intervals of time.
 *
 * A site's part and a device's part are fixed when they are added.  Nothing is
 * ever deleted: what is retired keeps its history.  Functions with a struct
 * sqlite3 read from a lent read-only connection (control_read_begin); changes
 * go through the control writer and leave an audit entry.
 */
#ifndef FLEET_H
#define FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/err.h"
#include "branchline/topic.h"
#include "control.h"
#include "jsonw.h"

#define FLEET_NAME_MAX        128 /* bytes of a name */
#define FLEET_REGION_MAX      255
#define FLEET_ZONE_MAX        64
#define FLEET_TAGS_MAX        32
#define FLEET_TAGS_JSON_MAX   4096
#define FLEET_SERIAL_MAX      64 /* hex digits of a certificate's serial number */
#define FLEET_FINGERPRINT_MAX 64 /* hex digits of SHA-256 */
#define FLEET_SITES_MAX       20000
#define FLEET_DEVICES_MAX     50000

/* ---- what ingest asks -------------------------------------------------- */

enum fleet_known { FLEET_UNKNOWN = 0, FLEET_KNOWN = 1 };

struct fleet_place {
	char site[BL_ID_TEXT_MAX + 1];
	uint8_t part;
	bool retired;
};

struct fleet_lookup;

/* A connection of its own for one thread; keeps c.  Each look-up sees the latest commit. */
int fleet_lookup_open(struct fleet_lookup **out, struct control *c, struct bl_err *err);
void fleet_lookup_close(struct fleet_lookup *l);

/*
 * FLEET_KNOWN with *place filled, FLEET_UNKNOWN, or negative when the database
 * cannot be read (then nothing is known: neither store nor receipt).  Some
 * microseconds; only the thread that owns l.
 */
int fleet_device_lookup(
    struct fleet_lookup *l, const char *device, struct fleet_place *place, struct bl_err *err);

/* ---- what the API shows ------------------------------------------------ */

struct fleet_site {
	char id[BL_ID_TEXT_MAX + 1];
	char name[FLEET_NAME_MAX + 1];
	char region[FLEET_REGION_MAX + 1];
	char zone[FLEET_ZONE_MAX + 1];
	char tags[FLEET_TAGS_JSON_MAX + 1]; /* a JSON object of strings */
	bool has_position;
	double lat, lon;
	uint8_t part;
	bool retired;
	int64_t created_unix_ms;
	int64_t version;
};

struct fleet_device {
	char id[BL_ID_TEXT_MAX + 1];
	char name[FLEET_NAME_MAX + 1];
	char site[BL_ID_TEXT_MAX + 1];
	uint8_t part;
	bool retired;
	int64_t since_unix_ms; /* in service at site since */
	int64_t created_unix_ms;
	int64_t version;
	char serial[FLEET_SERIAL_MAX + 1]; /* empty: no certificate yet */
	char fingerprint[FLEET_FINGERPRINT_MAX + 1];
	int64_t not_after_unix_ms;
};

struct fleet_service {
	char site[BL_ID_TEXT_MAX + 1];
	int64_t from_unix_ms;
	int64_t to_unix_ms; /* INT64_MAX: still */
};

/* Return false to stop early (that is no failure). */
typedef bool (*fleet_site_cb)(const struct fleet_site *s, void *ctx);
typedef bool (*fleet_device_cb)(const struct fleet_device *d, void *ctx);
typedef bool (*fleet_service_cb)(const struct fleet_service *s, void *ctx);

struct fleet_filter {
	const char *after; /* ids greater than this; NULL: from the first */
	const char *site;  /* devices: now at this site; NULL: any */
	bool with_retired;
};

/* In order of id.  BL_OK or negative. */
int fleet_site_each(struct sqlite3 *db, const struct fleet_filter *f, fleet_site_cb cb, void *ctx,
    struct bl_err *err);
int fleet_device_each(struct sqlite3 *db, const struct fleet_filter *f, fleet_device_cb cb,
    void *ctx, struct bl_err *err);
/* Oldest first. */
int fleet_service_each(
    struct sqlite3 *db, const char *device, fleet_service_cb cb, void *ctx, struct bl_err *err);
/* FLEET_KNOWN, FLEET_UNKNOWN or negative. */
int fleet_site_get(struct sqlite3 *db, const char *id, struct fleet_site *out, struct bl_err *err);
int fleet_device_get(
    struct sqlite3 *db, const char *id, struct fleet_device *out, struct bl_err *err);

/* ---- changes ----------------------------------------------------------- */

enum fleet_outcome {
	FLEET_DONE = 0,
	FLEET_EXISTS,       /* the id is taken */
	FLEET_NO_SUCH,      /* the thing to change does not exist */
	FLEET_NO_SUCH_SITE, /* the site named for a device does not exist */
	FLEET_STALE,        /* its version is another one than expected */
	FLEET_SITE_RETIRED, /* a retired site takes no devices */
	FLEET_IN_SERVICE,   /* a site with devices in service cannot retire */
	FLEET_DEVICE_RETIRED,
	FLEET_BAD_TIME, /* a move before the present interval began, or in the future */
	FLEET_TOO_MANY, /* FLEET_SITES_MAX or FLEET_DEVICES_MAX */
};

/* What a caller wants to set; NULL or has_* false: leave as it is (create: default). */
struct fleet_site_edit {
	const char *name;
	const char *region;
	const char *zone;
	const char *tags;        /* JSON object of strings */
	bool has_lat, has_lon;   /* given at all */
	bool lat_null, lon_null; /* given as null: position unknown */
	double lat, lon;
	bool has_retired, retired;
};

struct fleet_device_edit {
	const char *name;
	bool has_retired, retired;
};

/*
 * All return enum fleet_outcome, or negative (BL_EINVAL: a value is not valid).
 * expect_version 0: whatever it is.  *out is what is now stored, on FLEET_DONE.
 * id NULL: made from the name.  since_unix_ms <= 0: now.
 */
int fleet_site_create(struct control *c, const struct control_actor *who, const char *id,
    const struct fleet_site_edit *e, struct fleet_site *out, struct bl_err *err);
int fleet_site_change(struct control *c, const struct control_actor *who, const char *id,
    int64_t expect_version, const struct fleet_site_edit *e, struct fleet_site *out,
    struct bl_err *err);
int fleet_device_create(struct control *c, const struct control_actor *who, const char *id,
    const char *site, const char *name, struct fleet_device *out, struct bl_err *err);
int fleet_device_change(struct control *c, const struct control_actor *who, const char *id,
    int64_t expect_version, const struct fleet_device_edit *e, struct fleet_device *out,
    struct bl_err *err);
/* Ends the present interval and begins one at site; the part stays (see README). */
int fleet_device_move(struct control *c, const struct control_actor *who, const char *id,
    int64_t expect_version, const char *site, int64_t from_unix_ms, struct fleet_device *out,
    struct bl_err *err);
int fleet_device_certificate(struct control *c, const struct control_actor *who, const char *id,
    const char *serial, const char *fingerprint, int64_t not_after_unix_ms,
    struct fleet_device *out, struct bl_err *err);

/* ---- as JSON: in answers and in the audit log ---------------------------- */

void fleet_site_json(struct jsonw *w, const char *key, const struct fleet_site *s);
/* The members only, inside an object that the caller opens: the API adds telemetry's. */
void fleet_device_json_members(struct jsonw *w, const struct fleet_device *d);

/* ---- pure helpers ------------------------------------------------------ */

/*
 * Makes an id of the allowed form: lower case, runs of anything else become one
 * '-'.  A name without any letter or digit of ASCII gives fallback.  out has
 * BL_ID_TEXT_MAX + 1 bytes.
 */
void fleet_id_from_name(const char *name, const char *fallback, char *out);

/* The name has a TZif file below dir (NULL: the system's zoneinfo).  No path tricks. */
bool fleet_zone_valid(const char *zone, const char *dir);

/* Valid UTF-8 without control characters, 1..max bytes, not only blanks. */
bool fleet_name_valid(const char *name, size_t max);

#endif
