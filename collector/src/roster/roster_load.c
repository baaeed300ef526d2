/*
 * Reads the snapshot: sites, each with its zone, and services.  Every array
 * grows by doubling up to a cap; services point at sites only once those no
 * longer move.
 */
#include "roster_internal.h"

#include <stdlib.h>
#include <string.h>

#include "branchline/log.h"
#include "branchline/topic.h"

#include "control_sql.h"

/* Fleet allows 20,000 sites and 50,000 devices; a device may move often. */
#define SITES_MAX    100000u
#define SERVICES_MAX 1000000u
#define ZONES_MAX    1000u /* tzdata has some 600 */
#define TEXT_CHUNK   65536u
#define FIELD_MAX    512u /* name, region path and zone are shorter */

static int
no_memory(struct bl_err *err)
{
	return bl_fail(err, BL_ENOMEM, "roster: out of memory");
}

static int
no_room(struct bl_err *err, const char *what, size_t n, size_t max)
{
	return n < max ? no_memory(err)
		       : bl_fail(err, BL_EFULL, "roster: more than %zu %s", max, what);
}

/* Room for one more element.  False: no memory, or the cap. */
static bool
grow(void *array, size_t n, size_t *room, size_t size, size_t max)
{
	void **at = array, *more;
	const size_t want = *room > 0 ? 2 * *room : 64;

	if (n < *room)
		return true;
	if (n >= max || (more = realloc(*at, want * size)) == NULL)
		return false;
	*at = more;
	*room = want;
	return true;
}

static const char *
keep(struct roster *r, const char *s)
{
	const size_t len = strlen(s) + 1;
	struct roster_text *t = r->text;
	char *out;

	if (t == NULL || t->size - t->used < len) {
		if ((t = malloc(sizeof(*t) + TEXT_CHUNK)) == NULL)
			return NULL;
		t->next = r->text;
		t->used = 0;
		t->size = TEXT_CHUNK;
		r->text = t;
	}
	out = t->bytes + t->used;
	memcpy(out, s, len);
	t->used += len;
	return out;
}

static const char *
keep_column(struct roster *r, sqlite3_stmt *st, int column)
{
	char field[FIELD_MAX];

	control_sql_text(st, column, field, sizeof(field));
	return keep(r, field);
}

/* ---- zones --------------------------------------------------------------- */

/* NULL: no memory. */
static struct bl_tz *
load_zone(const char *name, const char *dir)
{
	struct bl_err why = { 0 };
	struct bl_tz *tz = NULL;
	int rc;

	if (strcmp(name, "UTC") == 0)
		return bl_tz_utc();
	if ((rc = bl_tz_load(&tz, name, dir, &why)) == BL_OK || rc == BL_ENOMEM)
		return tz;
	bl_warn("roster", "%s; the sites of zone %s are reckoned in UTC", why.msg, name);
	return bl_tz_utc();
}

/* Each zone once: many sites share one. */
static int
zone_of(struct roster *r, const char *name, const struct bl_tz **out, struct bl_err *err)
{
	struct roster_zone *z;

	for (size_t i = 0; i < r->n_zones; i++)
		if (strcmp(r->zone[i].name, name) == 0) {
			*out = r->zone[i].tz;
			return BL_OK;
		}
	if (!grow(&r->zone, r->n_zones, &r->zone_room, sizeof(*r->zone), ZONES_MAX))
		return no_room(err, "zones", r->n_zones, ZONES_MAX);
	z = &r->zone[r->n_zones];
	z->name = name;
	if ((z->tz = load_zone(name, r->tz_dir)) == NULL)
		return no_memory(err);
	r->n_zones++;
	*out = z->tz;
	return BL_OK;
}

/* ---- sites and services ---------------------------------------------------- */

typedef int (*take_row)(struct roster *r, sqlite3_stmt *st, struct bl_err *err);

static int
each_row(struct roster *r, struct sqlite3 *db, const char *sql, take_row take, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	if ((rc = control_sql_prepare(&st, db, err, sql, "")) < 0)
		return rc;
	while ((rc = control_sql_step(st, err)) == 1)
		if ((rc = take(r, st, err)) < 0)
			break;
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc < 0 ? rc : BL_OK;
}

static int
take_site(struct roster *r, sqlite3_stmt *st, struct bl_err *err)
{
	struct roster_site *s;
	int rc;

	if (!grow(&r->site, r->n_sites, &r->site_room, sizeof(*r->site), SITES_MAX))
		return no_room(err, "sites", r->n_sites, SITES_MAX);
	s = &r->site[r->n_sites];
	s->id = keep_column(r, st, 0);
	s->name = keep_column(r, st, 1);
	s->region = keep_column(r, st, 2);
	s->zone = keep_column(r, st, 3);
	s->retired = sqlite3_column_int(st, 4) != 0;
	if (s->id == NULL || s->name == NULL || s->region == NULL || s->zone == NULL)
		return no_memory(err);
	if ((rc = zone_of(r, s->zone, &s->tz, err)) < 0)
		return rc;
	r->n_sites++;
	return BL_OK;
}

static int
take_service(struct roster *r, sqlite3_stmt *st, struct bl_err *err)
{
	struct roster_service *s, *before;
	char id[BL_ID_TEXT_MAX + 1];
	size_t site;

	if (!grow(&r->service, r->n_services, &r->service_room, sizeof(*r->service), SERVICES_MAX))
		return no_room(err, "services", r->n_services, SERVICES_MAX);
	s = &r->service[r->n_services];
	before = r->n_services > 0 ? s - 1 : NULL;
	control_sql_text(st, 1, id, sizeof(id));
	if ((site = roster_site_index(r, id)) == r->n_sites)
		return bl_fail(
		    err, BL_ECORRUPT, "roster: a service at site %s, which is not there", id);
	s->site = &r->site[site];
	s->from_unix_ms = sqlite3_column_int64(st, 2);
	s->to_unix_ms =
	    sqlite3_column_type(st, 3) == SQLITE_NULL ? INT64_MAX : sqlite3_column_int64(st, 3);
	control_sql_text(st, 0, id, sizeof(id));
	s->device =
	    before != NULL && strcmp(before->device, id) == 0 ? before->device : keep(r, id);
	if (s->device == NULL)
		return no_memory(err);
	r->n_services++;
	return BL_OK;
}

/* Counting sort by site: it keeps the order of devices and times within one. */
static int
index_sites(struct roster *r, struct bl_err *err)
{
	size_t *next;

	r->first_at = calloc(r->n_sites + 1, sizeof(*r->first_at));
	r->at_site = calloc(r->n_services + 1, sizeof(struct roster_service *));
	next = calloc(r->n_sites + 1, sizeof(*next));
	if (r->first_at == NULL || r->at_site == NULL || next == NULL) {
		free(next);
		return no_memory(err);
	}
	for (size_t i = 0; i < r->n_services; i++)
		r->first_at[r->service[i].site - r->site + 1]++;
	for (size_t i = 0; i < r->n_sites; i++)
		r->first_at[i + 1] += r->first_at[i];
	memcpy(next, r->first_at, (r->n_sites + 1) * sizeof(*next));
	for (size_t i = 0; i < r->n_services; i++)
		r->at_site[next[r->service[i].site - r->site]++] = &r->service[i];
	free(next);
	return BL_OK;
}

int
roster_load(struct roster **out, struct sqlite3 *db, const char *tz_dir, struct bl_err *err)
{
	struct roster *r;
	int rc;

	*out = NULL;
	if ((r = calloc(1, sizeof(*r))) == NULL)
		return no_memory(err);
	r->tz_dir = tz_dir;
	rc = each_row(
	    r, db, "SELECT id, name, region, zone, retired FROM site ORDER BY id", take_site, err);
	/* One that ended as it began has no instant; it would only look like a second one. */
	if (rc == BL_OK)
		rc = each_row(r, db,
		    "SELECT device, site, from_unix_ms, to_unix_ms FROM service "
		    "WHERE to_unix_ms IS NULL OR to_unix_ms > from_unix_ms "
		    "ORDER BY device, from_unix_ms",
		    take_service, err);
	if (rc == BL_OK)
		rc = index_sites(r, err);
	if (rc < 0) {
		roster_free(r);
		return rc;
	}
	r->tz_dir = NULL;
	*out = r;
	return BL_OK;
}

void
roster_free(struct roster *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->n_zones; i++)
		bl_tz_free(r->zone[i].tz);
	for (struct roster_text *t = r->text, *next; t != NULL; t = next) {
		next = t->next;
		free(t);
	}
	free(r->zone);
	free(r->site);
	free(r->service);
	free(r->at_site);
	free(r->first_at);
	free(r);
}
