/*
 * The roster: which devices were in service at which site when, and each site's
 * calendar; a snapshot in memory for the evaluator.
 *
 * Immutable after loading; any thread.  Strings are borrowed from the roster.
 */
#ifndef ROSTER_H
#define ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/err.h"
#include "branchline/tz.h"

struct sqlite3;
struct roster;

struct roster_site {
	const char *id, *name, *region, *zone;
	const struct bl_tz *tz; /* UTC when the zone's file cannot be read (logged once) */
	bool retired;
};

struct roster_service {
	const char *device;
	const struct roster_site *site;
	int64_t from_unix_ms, to_unix_ms; /* [from, to); INT64_MAX: still */
};

/* tz_dir NULL: the system's.  db: any connection to the control database. */
int roster_load(struct roster **out, struct sqlite3 *db, const char *tz_dir, struct bl_err *err);
void roster_free(struct roster *r); /* NULL is fine */

size_t roster_sites(const struct roster *r);
const struct roster_site *roster_site_at(const struct roster *r, size_t i); /* by id, ascending */
const struct roster_site *roster_site(const struct roster *r, const char *id); /* NULL: none */
/* Where the device was in service at that instant; NULL: nowhere. */
const struct roster_site *roster_site_of(
    const struct roster *r, const char *device, int64_t unix_ms);
/* A device's services, oldest first; *n how many. */
const struct roster_service *roster_services_of(
    const struct roster *r, const char *device, size_t *n);

/*
 * Each service at the site that touches [begin, end), in order of device id,
 * then of time; not clipped.  False stops.
 */
typedef bool (*roster_service_cb)(const struct roster_service *s, void *ctx);
void roster_in_service(const struct roster *r, const char *site, int64_t begin, int64_t end,
    roster_service_cb cb, void *ctx);

#endif
