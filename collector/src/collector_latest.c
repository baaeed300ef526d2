/*
 * The table of newest values: ingest's writer keeps it up, and a thread of its own fills in what
 * came before the start, so that nobody waits for that.
 */
#include "collector_internal.h"

#include "branchline/log.h"

#ifdef COLLECTOR_HAS_API
#include "api.h"
#endif

#define FILL_AGAIN_MS 2000 /* when the store could not be read */
#define FILL_TRIES    5

void
collector_latest_took(void *ctx, const struct ingest_took *t)
{
	const struct collector *c = ctx;
	const struct latest_batch b = { t->h, t->raw, t->raw_len, t->event_end_unix_ms };

	latest_take(c->latest, &b);
}

int
collector_latest_open(struct collector *c, struct bl_err *err)
{
	c->latest = latest_create(c->clock, 0);
	return c->latest != NULL ? BL_OK : bl_fail(err, BL_ENOMEM, "out of memory");
}

static int
fill(struct collector *c, struct bl_err *err)
{
	struct store_read *r;
	int rc = store_read_open(&r, c->telemetry_path, c->clock, err);

	if (rc < 0)
		return rc;
	store_read_watch(r, collector_store_damaged, c);
	store_read_use_parts(r, c->parts);
	rc = latest_fill(c->latest, r, NULL, &c->latest_stop, err);
	store_read_close(r);
	return rc;
}

static void *
filler_main(void *arg)
{
	struct collector *c = arg;
	struct bl_err err = { 0 };
	int rc = BL_EBUSY;

	for (int i = 0; i < FILL_TRIES && rc < 0 && !atomic_load(&c->latest_stop); i++) {
		if (i > 0)
			latest_wait(c->latest, FILL_AGAIN_MS, &c->latest_stop);
		rc = fill(c, &err);
	}
	/* New batches fill it all the same. */
	if (rc < 0 && !atomic_load(&c->latest_stop))
		bl_warn(
		    "collector", "newest values from before the start are missing: %s", err.msg);
	return NULL;
}

int
collector_latest_fill(struct collector *c, struct bl_err *err)
{
	if (pthread_create(&c->latest_filler, NULL, filler_main, c) != 0)
		return bl_fail(err, BL_ENOMEM, "no thread");
	c->latest_filling = true;
	return BL_OK;
}

void
collector_latest_close(struct collector *c)
{
	atomic_store(&c->latest_stop, true);
	if (c->latest_filling) {
		latest_wake(c->latest);
		(void)pthread_join(c->latest_filler, NULL); /* it is ours and joinable */
	}
	latest_free(c->latest);
}

#ifdef COLLECTOR_HAS_API

void
collector_latest_storage(const struct collector *c, struct api_storage *out)
{
	struct latest_stats s;

	latest_stats(c->latest, &s);
	out->latest_series = s.series;
	out->latest_refused = s.refused;
	out->latest_bytes = s.bytes;
}

void
collector_latest_metrics(const struct collector *c, struct api_metrics *m)
{
	struct latest_stats s;

	latest_stats(c->latest, &s);
	api_metric(m, "branchline_latest_series", API_GAUGE,
	    "Series whose newest value is held in memory.", NULL, (double)s.series);
	api_metric(m, "branchline_latest_bytes", API_GAUGE, "Memory that they take.", NULL,
	    (double)s.bytes);
	api_metric(m, "branchline_latest_refused_total", API_COUNTER,
	    "Values that found no room there.", NULL, (double)s.refused);
}

#endif
