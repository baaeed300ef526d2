/*
 * Where devices were in service when: one immutable snapshot for all queries,
 * made anew when sites or devices have changed.
 */
#include "api_internal.h"

#include <stdlib.h>
#include <string.h>

#include "control_sql.h"

static void
places_free(struct api_places *p)
{
	union {
		const void *in;
		void *out;
	} text;

	if (p == NULL)
		return;
	for (size_t i = 0; i < p->n; i++) {
		text.in = p->place[i].device; /* one block for all texts of a row */
		free(text.out);
	}
	free(p->place);
	free(p->at);
	free(p->by_site);
	free(p);
}

/* The texts of a row in one block, one after another. */
static bool
take_texts(sqlite3_stmt *st, const char **out, int n)
{
	size_t len = 0;
	char *at;

	for (int i = 0; i < n; i++) {
		(void)sqlite3_column_text(st, i);
		len += (size_t)sqlite3_column_bytes(st, i) + 1;
	}
	if ((at = malloc(len)) == NULL)
		return false;
	for (int i = 0; i < n; i++) {
		const size_t size = (size_t)sqlite3_column_bytes(st, i) + 1;

		control_sql_text(st, i, at, size);
		out[i] = at;
		at += size;
	}
	return true;
}

static bool
add_place(struct api_places *p, size_t *size, sqlite3_stmt *st)
{
	const char *text[5];
	struct api_place *more;

	if (p->n == *size) {
		*size = *size == 0 ? 256 : *size * 2;
		if ((more = realloc(p->place, *size * sizeof(*more))) == NULL)
			return false;
		p->place = more;
	}
	if (!take_texts(st, text, 5))
		return false;
	p->place[p->n++] = (struct api_place){
		.device = text[0],
		.device_name = text[1],
		.site_name = text[4],
		.at = { sqlite3_column_int64(st, 5),
		    sqlite3_column_type(st, 6) == SQLITE_NULL ? INT64_MAX
							      : sqlite3_column_int64(st, 6),
		    text[2], text[3] },
	};
	return true;
}

static int
by_site(const void *a, const void *b)
{
	const struct api_place *const *x = a, *const *y = b;

	return strcmp((*x)->at.site, (*y)->at.site);
}

static int
load(struct sqlite3 *db, struct api_places **out, struct bl_err *err)
{
	struct api_places *p = calloc(1, sizeof(*p));
	sqlite3_stmt *st = NULL;
	size_t size = 0;
	int rc;

	if (p == NULL)
		return bl_fail(err, BL_ENOMEM, "places: out of memory");
	rc = control_sql_prepare(&st, db, err,
	    "SELECT s.device, d.name, s.site, t.region, t.name, s.from_unix_ms, s.to_unix_ms"
	    " FROM service s JOIN device d ON d.id = s.device JOIN site t ON t.id = s.site"
	    " ORDER BY s.device, s.from_unix_ms",
	    "");
	while (rc >= 0 && (rc = control_sql_step(st, err)) == 1)
		if (!add_place(p, &size, st))
			rc = bl_fail(err, BL_ENOMEM, "places: out of memory");
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	if (rc >= 0 && ((p->at = malloc((p->n + 1) * sizeof(*p->at))) == NULL ||
			   (p->by_site = malloc((p->n + 1) * sizeof(*p->by_site))) == NULL))
		rc = bl_fail(err, BL_ENOMEM, "places: out of memory");
	if (rc < 0) {
		places_free(p);
		return rc;
	}
	for (size_t i = 0; i < p->n; i++) {
		p->at[i] = p->place[i].at;
		p->by_site[i] = &p->place[i];
	}
	if (p->n > 1)
		qsort(p->by_site, p->n, sizeof(p->by_site[0]), by_site);
	*out = p;
	return BL_OK;
}

/* Called with the lock held: the others wait for it instead of making theirs. */
static int
renew_locked(struct api_req *r, struct bl_err *err)
{
	struct api_places_cache *c = &r->api->places;
	struct api_places *p = NULL;
	int rc;

	/* A state of the database from after the change that was told. */
	if ((rc = api_db_renew(r, err)) < 0 || (rc = load(r->db, &p, err)) < 0)
		return rc;
	if (c->now != NULL && --c->now->uses == 0)
		places_free(c->now);
	c->now = p;
	p->uses = 1;
	return BL_OK;
}

int
api_places_take(struct api_req *r, struct api_places **out, struct bl_err *err)
{
	struct api_places_cache *c = &r->api->places;
	int rc = BL_OK;

	*out = NULL;
	pthread_mutex_lock(&c->lock);
	if (atomic_exchange(&c->stale, false) || c->now == NULL) {
		rc = renew_locked(r, err);
		if (rc < 0)
			atomic_store(&c->stale, true);
	}
	if (rc == BL_OK) {
		c->now->uses++;
		*out = c->now;
	}
	pthread_mutex_unlock(&c->lock);
	return rc;
}

void
api_places_give(struct api *api, struct api_places *p)
{
	bool last;

	if (p == NULL)
		return;
	pthread_mutex_lock(&api->places.lock);
	last = --p->uses == 0;
	pthread_mutex_unlock(&api->places.lock);
	if (last)
		places_free(p);
}

/* The first row of the device; n when there is none. */
static size_t
first_of(const struct api_places *p, const char *device)
{
	size_t low = 0, high = p->n;

	while (low < high) {
		const size_t mid = low + (high - low) / 2;

		if (strcmp(p->place[mid].device, device) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < p->n && strcmp(p->place[low].device, device) == 0 ? low : p->n;
}

size_t
api_places_of(void *ctx, const char *device, const struct query_place **out)
{
	const struct api_places *p = ctx;
	const size_t first = first_of(p, device);
	size_t n = 0;

	while (first + n < p->n && strcmp(p->place[first + n].device, device) == 0)
		n++;
	*out = &p->at[first];
	return n;
}

const struct api_place *
api_place_now(const struct api_places *p, const char *device)
{
	const struct query_place *at;
	const size_t n = api_places_of((void *)(uintptr_t)p, device, &at);
	const struct api_place *last;

	if (n == 0)
		return NULL;
	last = &p->place[first_of(p, device) + n - 1];
	return last->at.to_unix_ms == INT64_MAX ? last : NULL;
}

const char *
api_place_device_name(const struct api_places *p, const char *device)
{
	const size_t at = first_of(p, device);

	return at < p->n ? p->place[at].device_name : NULL;
}

static int
compare_site(const void *site, const void *item)
{
	const struct api_place *const *p = item;

	return strcmp(site, (*p)->at.site);
}

const char *
api_place_site_name(const struct api_places *p, const char *site)
{
	const struct api_place **found =
	    p->n > 0 ? bsearch(site, p->by_site, p->n, sizeof(p->by_site[0]), compare_site) : NULL;

	return found != NULL ? (*found)->site_name : NULL;
}
