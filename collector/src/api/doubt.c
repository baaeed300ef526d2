/*
 * How sure the times of an answer are: spans in which clocks of devices were
 * uncertain, read once, then looked up row by row.
 *
 * The same of spans that devices have thinned: where an answer's figures stand
 * for samples that are not there one by one.
 *
 * Nothing is left out for it, and no result is changed: what an answer says of
 * time is flagged where the doubt is larger than what it speaks of.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_internal.h"

#define DOUBTS_MAX 20000u

struct gather {
	struct api_req *r;
	struct api_doubts *out;
	bool by_site;
	const struct store_doubt *now; /* whose services are walked */
	int rc;
	struct bl_err *err;
};

static bool
add(struct api_doubts *d, const char *who, int64_t from, int64_t to, uint32_t ms)
{
	struct api_doubt *s;

	if (from >= to || d->n == DOUBTS_MAX)
		return true;
	if (d->n == d->size) {
		const size_t size = d->size == 0 ? 64 : d->size * 2;

		if ((s = realloc(d->s, size * sizeof(*s))) == NULL)
			return false;
		d->s = s;
		d->size = size;
	}
	s = &d->s[d->n++];
	(void)snprintf(s->who, sizeof(s->who), "%s", who);
	s->from_unix_ms = from;
	s->to_unix_ms = to;
	s->ms = ms;
	return true;
}

static bool
full(struct gather *g)
{
	g->rc = bl_fail(g->err, BL_ENOMEM, "doubts of clocks: out of memory");
	return false;
}

/* The part of the doubt that lies in this time of service. */
static bool
add_service(const struct fleet_service *s, void *ctx)
{
	struct gather *g = ctx;
	const struct store_doubt *d = g->now;
	const int64_t from = s->from_unix_ms > d->from_unix_ms ? s->from_unix_ms : d->from_unix_ms;
	const int64_t to = s->to_unix_ms < d->to_unix_ms ? s->to_unix_ms : d->to_unix_ms;

	return add(g->out, s->site, from, to, d->uncertainty_ms) || full(g);
}

static bool
take(void *ctx, const struct store_doubt *d)
{
	struct gather *g = ctx;
	int rc;

	if (!g->by_site)
		return add(g->out, d->device, d->from_unix_ms, d->to_unix_ms, d->uncertainty_ms) ||
		       full(g);
	g->now = d;
	rc = fleet_service_each(g->r->db, d->device, add_service, g, g->err);
	if (rc < 0)
		g->rc = rc;
	return g->rc >= 0;
}

static int
gather(struct gather *g, const char *device, int64_t from, int64_t to, int64_t least_ms)
{
	const uint32_t least = least_ms < UINT32_MAX ? (uint32_t)least_ms : UINT32_MAX;
	struct store_read *reader;
	int rc;

	memset(g->out, 0, sizeof(*g->out));
	if ((rc = api_reader_take(g->r->api, &reader, g->err)) < 0)
		return rc;
	rc = store_read_doubts(reader, device, from, to, least, take, g, g->err);
	api_reader_give(g->r->api, reader);
	if (rc == BL_ENOTFOUND) /* no telemetry yet */
		rc = BL_OK;
	return rc < 0 ? rc : g->rc;
}

/* An instant (from == to), or a span. */
static bool
touches(const struct api_doubt *s, int64_t from, int64_t to)
{
	return from < s->to_unix_ms &&
	       (to > s->from_unix_ms || (to == from && to >= s->from_unix_ms));
}

/* A thinned span is walked like a doubt, of which only where it lies is asked. */
static bool
take_thinned(void *ctx, const struct store_thinned *t)
{
	const struct store_doubt d = { t->device, t->from_unix_ms, t->to_unix_ms, 1 };

	return take(ctx, &d);
}

int
api_thinned_of_sites(struct api_req *r, enum bl_stream stream, int64_t from, int64_t to,
    struct api_doubts *out, struct bl_err *err)
{
	struct gather g = { .r = r, .out = out, .by_site = true, .err = err };
	struct store_read *reader;
	int rc;

	memset(out, 0, sizeof(*out));
	if ((rc = api_reader_take(r->api, &reader, err)) < 0)
		return rc;
	rc = store_read_thinned(reader, stream, from, to, take_thinned, &g, err);
	api_reader_give(r->api, reader);
	return rc < 0 ? rc : g.rc;
}

bool
api_touches(const struct api_doubts *d, const char *who, int64_t from, int64_t to)
{
	for (size_t i = 0; i < d->n; i++)
		if (touches(&d->s[i], from, to) && strcmp(d->s[i].who, who) == 0)
			return true;
	return false;
}

int
api_doubts_of_devices(struct api_req *r, const char *device, int64_t from, int64_t to,
    int64_t least_ms, struct api_doubts *out, struct bl_err *err)
{
	struct gather g = { .r = r, .out = out, .err = err };

	return gather(&g, device, from, to, least_ms);
}

int
api_doubts_of_sites(struct api_req *r, int64_t from, int64_t to, int64_t least_ms,
    struct api_doubts *out, struct bl_err *err)
{
	struct gather g = { .r = r, .out = out, .by_site = true, .err = err };

	return gather(&g, NULL, from, to, least_ms);
}

void
api_doubts_free(struct api_doubts *d)
{
	free(d->s);
	memset(d, 0, sizeof(*d));
}

void
api_doubt(struct jsonw *w, const char *key, const struct api_doubts *d, const char *who,
    int64_t from, int64_t to)
{
	uint32_t most = 0;

	for (size_t i = 0; i < d->n; i++)
		if (d->s[i].ms > most && touches(&d->s[i], from, to) &&
		    strcmp(d->s[i].who, who) == 0)
			most = d->s[i].ms;
	jsonw_int_or_null(w, key, most > 0, most);
}
