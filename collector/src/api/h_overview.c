/*
 * All sites at a glance.
 *
 * Every open page asks for this every few seconds, so one answer serves all who
 * ask within two seconds: whoever comes first makes it, the others wait for it.
 *
 * A site is down when its data are current and a probe of it fails; without
 * current data it is unknown, never down.
 */
#include "api_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control_sql.h"

struct device_sum {
	char id[BL_DEVICE_ID_MAX + 1];
	bool heard;
	struct store_device store;
	unsigned ok, failing, unknown; /* probes */
	double cpu_pct, memory_pct;    /* NaN: not known */
};

struct overview {
	struct jsonw *w;
	int64_t now_unix_ms;
	struct device_sum *device; /* those that the store has heard of, by id */
	size_t n, size;
	bool no_memory;

	struct sqlite3_stmt *live; /* incidents by site and severity, in order of site */
	bool has_live;             /* it stands on a row */

	/* the site that is being summed up, and all */
	struct sqlite3 *db;
	struct bl_err *err;
	int rc;
	int64_t sites, devices, by_state[API_RETIRED];
};

static bool
add_device(void *ctx, const struct store_device *d)
{
	struct overview *o = ctx;
	struct device_sum *s;

	if (o->n == o->size) {
		const size_t size = o->size != 0 ? 2 * o->size : 256;
		struct device_sum *more = realloc(o->device, size * sizeof(*more));
		if (more == NULL) {
			o->no_memory = true;
			return false;
		}
		o->device = more;
		o->size = size;
	}
	s = &o->device[o->n++];
	*s = (struct device_sum){ .store = *d, .cpu_pct = NAN, .memory_pct = NAN };
	(void)snprintf(s->id, sizeof(s->id), "%s", d->device);
	return true;
}

static int
compare_device(const void *key, const void *item)
{
	return strcmp(key, ((const struct device_sum *)item)->id);
}

static struct device_sum *
find_device(const struct overview *o, const char *id)
{
	if (o->n == 0)
		return NULL;
	return bsearch(id, o->device, o->n, sizeof(o->device[0]), compare_device);
}

static bool
add_latest(void *ctx, const struct store_latest *l)
{
	struct overview *o = ctx;
	struct device_sum *s = find_device(o, l->device);
	const bool current =
	    l->known && l->unix_ms != STORE_TIME_NONE && o->now_unix_ms - l->unix_ms < API_FRESH_MS;

	if (s == NULL)
		return true;
	if (strcmp(l->name, "probe_up") == 0) {
		s->ok += current && l->value != 0;
		s->failing += current && l->value == 0;
		s->unknown += !current;
	} else if (current && strcmp(l->name, "cpu_used_pct") == 0) {
		s->cpu_pct = l->value;
	} else if (current && strcmp(l->name, "memory_used_pct") == 0) {
		s->memory_pct = l->value;
	}
	return true;
}

static int
read_store(struct overview *o, struct api *api, struct bl_err *err)
{
	static const char *const names[] = { "probe_up", "cpu_used_pct", "memory_used_pct" };
	struct store_read *reader;
	int rc;

	if ((rc = api_reader_take(api, &reader, err)) < 0)
		return rc;
	rc = store_read_devices(reader, add_device, o, err);
	if (rc == BL_OK && o->no_memory)
		rc = bl_fail(err, BL_ENOMEM, "overview: out of memory");
	if (rc == BL_OK)
		rc = store_read_latest(reader, names, 3, add_latest, o, err);
	api_reader_give(api, reader);
	return rc;
}

/* ---- incidents ------------------------------------------------------------ */

/* One question for all sites: both lists are in order of the site's id. */
static int
begin_incidents(struct overview *o)
{
	int rc;

	rc = control_sql_prepare(&o->live, o->db, o->err,
	    "SELECT site, severity, count(*) FROM incident"
	    " WHERE state IN ('open', 'acknowledged') GROUP BY site, severity ORDER BY site",
	    "");
	if (rc < 0 || (rc = control_sql_step(o->live, o->err)) < 0)
		return rc;
	o->has_live = rc == 1;
	return BL_OK;
}

static void
count_severity(struct overview *o, int64_t count[DEFINE_CRITICAL + 1])
{
	const char *severity = (const char *)sqlite3_column_text(o->live, 1);

	for (unsigned i = DEFINE_INFO; severity != NULL && i <= DEFINE_CRITICAL; i++)
		if (strcmp(severity, define_severity_name((enum define_severity)i)) == 0)
			count[i] = sqlite3_column_int64(o->live, 2);
}

/* Those of the site, which no site before it has had. */
static int
write_incidents(struct overview *o, const char *site)
{
	int64_t count[DEFINE_CRITICAL + 1] = { 0 };
	const char *at;
	int rc, order;

	while (o->has_live) {
		at = (const char *)sqlite3_column_text(o->live, 0);
		order = at != NULL ? strcmp(at, site) : -1;
		if (order > 0)
			break;
		if (order == 0)
			count_severity(o, count);
		if ((rc = control_sql_step(o->live, o->err)) < 0)
			return rc;
		o->has_live = rc == 1;
	}
	jsonw_object(o->w, "incidents");
	for (unsigned i = DEFINE_INFO; i <= DEFINE_CRITICAL; i++)
		jsonw_int(o->w, define_severity_name((enum define_severity)i), count[i]);
	jsonw_object_end(o->w);
	return BL_OK;
}

/* ---- one site ---------------------------------------------------------- */

struct site_sum {
	struct overview *o;
	int64_t by_state[API_RETIRED];
	int64_t devices;
	int64_t data_until, last_seen, oldest; /* STORE_TIME_NONE: none */
	int64_t filling, waiting;              /* devices that send their backlog; its batches */
	int64_t ok, failing, unknown;
	double cpu_pct, memory_pct;
};

static int64_t
later(int64_t a, int64_t b)
{
	return a > b ? a : b; /* STORE_TIME_NONE is the least of all */
}

static bool
sum_device(const struct fleet_device *d, void *ctx)
{
	struct site_sum *s = ctx;
	const struct device_sum *heard = find_device(s->o, d->id);
	enum api_state state;
	int64_t since;

	state = api_device_state(
	    false, heard != NULL ? &heard->store : NULL, s->o->now_unix_ms, &since);
	s->by_state[state]++;
	s->devices++;
	if (heard == NULL)
		return true;
	s->data_until = later(s->data_until, heard->store.data_until_unix_ms);
	s->last_seen = later(s->last_seen, heard->store.last_arrival_unix_ms);
	if (heard->store.data_until_unix_ms != STORE_TIME_NONE &&
	    (s->oldest == STORE_TIME_NONE || heard->store.data_until_unix_ms < s->oldest))
		s->oldest = heard->store.data_until_unix_ms;
	if (state != API_UP) { /* what they said last is not known to hold */
		s->unknown += heard->ok + heard->failing + heard->unknown;
		return true;
	}
	if (heard->store.waiting > API_BACKLOG_MIN) {
		s->filling++;
		s->waiting += (int64_t)heard->store.waiting;
	}
	s->ok += heard->ok;
	s->failing += heard->failing;
	s->unknown += heard->unknown;
	s->cpu_pct = fmax(s->cpu_pct, heard->cpu_pct); /* fmax prefers a number to NaN */
	s->memory_pct = fmax(s->memory_pct, heard->memory_pct);
	return true;
}

static enum api_state
site_state(const struct site_sum *s)
{
	if (s->by_state[API_DOWN] > 0 || s->failing > 0)
		return API_DOWN;
	if (s->by_state[API_UNKNOWN] > 0)
		return API_UNKNOWN;
	return s->by_state[API_UP] > 0 ? API_UP : API_NEVER;
}

static int
write_site(struct jsonw *w, const struct fleet_site *site, const struct site_sum *s)
{
	int rc;

	jsonw_object(w, NULL);
	jsonw_str(w, "id", site->id);
	jsonw_str(w, "name", site->name);
	jsonw_str(w, "region", site->region);
	jsonw_str(w, "zone", site->zone);
	jsonw_raw(w, "tags", site->tags);
	jsonw_str(w, "state", api_state_name(site_state(s)));
	jsonw_object(w, "devices");
	for (int i = API_UP; i < API_RETIRED; i++)
		jsonw_int(w, api_state_name((enum api_state)i), s->by_state[i]);
	jsonw_object_end(w);
	api_time(w, "data_until_unix_ms", s->data_until);
	api_time(w, "last_seen_unix_ms", s->last_seen);
	api_time(w, "oldest_data_until_unix_ms", s->oldest);
	jsonw_object(w, "probes");
	jsonw_int(w, "ok", s->ok);
	jsonw_int(w, "failing", s->failing);
	jsonw_int(w, "unknown", s->unknown);
	jsonw_object_end(w);
	jsonw_object(w, "backlog");
	jsonw_int(w, "devices", s->filling);
	jsonw_int(w, "batches", s->waiting);
	jsonw_object_end(w);
	jsonw_num(w, "cpu_used_pct", s->cpu_pct);
	jsonw_num(w, "memory_used_pct", s->memory_pct);
	rc = write_incidents(s->o, site->id);
	jsonw_object_end(w);
	return rc;
}

static bool
sum_site(const struct fleet_site *site, void *ctx)
{
	struct overview *o = ctx;
	const struct fleet_filter f = { .site = site->id };
	struct site_sum s = {
		.o = o,
		.data_until = STORE_TIME_NONE,
		.last_seen = STORE_TIME_NONE,
		.oldest = STORE_TIME_NONE,
		.cpu_pct = NAN,
		.memory_pct = NAN,
	};

	if ((o->rc = fleet_device_each(o->db, &f, sum_device, &s, o->err)) < 0 ||
	    (o->rc = write_site(o->w, site, &s)) < 0)
		return false;
	o->sites++;
	o->devices += s.devices;
	o->by_state[site_state(&s)]++;
	return true;
}

static int
write_conflicts(struct overview *o, struct api *api, struct bl_err *err)
{
	struct store_read *reader;
	int rc;

	if ((rc = api_reader_take(api, &reader, err)) < 0)
		return rc;
	rc = api_identity_conflicts(o->w, reader, o->db, o->now_unix_ms, err);
	api_reader_give(api, reader);
	return rc;
}

static int
write_overview(struct api *api, struct sqlite3 *db, struct jsonw *w, struct bl_err *err)
{
	const struct fleet_filter all = { 0 };
	struct overview o = {
		.w = w, .db = db, .err = err, .now_unix_ms = bl_unix_ms(api->opts.clock)
	};
	int rc;

	if ((rc = read_store(&o, api, err)) < 0 || (rc = begin_incidents(&o)) < 0)
		goto done;
	jsonw_object(w, NULL);
	jsonw_int(w, "now_unix_ms", o.now_unix_ms);
	jsonw_array(w, "sites");
	rc = fleet_site_each(db, &all, sum_site, &o, err);
	if (rc < 0 || (rc = o.rc) < 0)
		goto done;
	jsonw_array_end(w);
	if ((rc = write_conflicts(&o, api, err)) < 0)
		goto done;
	jsonw_object(w, "totals");
	jsonw_int(w, "sites", o.sites);
	for (int i = API_UP; i < API_RETIRED; i++)
		jsonw_int(w, api_state_name((enum api_state)i), o.by_state[i]);
	jsonw_int(w, "devices", o.devices);
	jsonw_object_end(w);
	jsonw_object_end(w);
done:
	(void)sqlite3_finalize(o.live); /* repeats the failure of the step */
	free(o.device);
	return rc;
}

/* Makes a new text for everybody; the lock is held. */
static int
renew_locked(struct api_req *r, struct overview_cache *c, struct bl_err *err)
{
	size_t len;
	int rc;

	if ((rc = write_overview(r->api, r->db, &r->w, err)) < 0)
		return rc;
	if (jsonw_text(&r->w, &len) == NULL)
		return bl_fail(err, BL_EFULL, "overview: more than %u bytes", API_ANSWER_MAX);
	free(c->text);
	c->text = (char *)r->w.buf.data;
	c->len = len;
	c->made_mono_ms = bl_mono_ms(r->api->opts.clock);
	r->w.buf.data = NULL;
	r->w.buf.len = r->w.buf.size = 0;
	return BL_OK;
}

void
api_fleet_changed(struct api *api)
{
	atomic_store(&api->overview.stale, true);
	atomic_store(&api->places.stale, true);
	if (api->opts.hooks.devices_changed != NULL)
		api->opts.hooks.devices_changed(api->opts.hooks.ctx);
}

int
get_overview(struct api_req *r, struct bl_err *err)
{
	struct overview_cache *c = &r->api->overview;
	int rc = BL_OK;

	pthread_mutex_lock(&c->lock);
	if (atomic_exchange(&c->stale, false) || c->text == NULL ||
	    bl_mono_ms(r->api->opts.clock) - c->made_mono_ms >= API_OVERVIEW_MS)
		rc = renew_locked(r, c, err);
	if (rc == BL_OK && (r->answer->body = malloc(c->len)) == NULL)
		rc = bl_fail(err, BL_ENOMEM, "overview: out of memory");
	if (rc == BL_OK) {
		memcpy(r->answer->body, c->text, c->len);
		r->answer->len = c->len;
		r->answer->status = 200;
		r->answer->content_type = "application/json";
	}
	pthread_mutex_unlock(&c->lock);
	return rc;
}
