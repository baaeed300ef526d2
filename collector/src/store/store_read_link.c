/*
 * What the store knows of a device's link, handed to the pure builder: coverage with
 * its times of arrival, the ledger, and what the device has named and still has.
 */
#include <stdlib.h>

#include "store_link.h"
#include "store_read_internal.h"

/* Spools of one device that are not closed: one, or a clone's beside it. */
#define HELD_MAX 64

static int
load_held(struct store_read *r, int64_t device_id, enum bl_stream stream, struct hole_facts *h,
    struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	if ((h->held = calloc(HELD_MAX, sizeof(*h->held))) == NULL)
		return bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory");
	st = read_bind(r, READ_LINK_HELD, err, "ii", device_id, (int64_t)stream);
	while ((rc = read_step(r, st, err)) == 1)
		if (h->n_held < HELD_MAX)
			h->held[h->n_held++] = (struct hole_held){
				.spool_id = sqlite3_column_int64(st, 0),
				.first = (uint64_t)sqlite3_column_int64(st, 1),
				.last = (uint64_t)sqlite3_column_int64(st, 2),
			};
	return rc;
}

/* The ledger's entries about thinning, apart from each other. */
static size_t
thinned_of(const struct hole_facts *h, struct store_link_time *out)
{
	size_t n = 0;

	for (size_t i = 0; i < h->n_g; i++) {
		const struct hole_entry *g = &h->g[i];

		if (g->reason != BL_GAP_THINNED || g->begin == STORE_TIME_NONE ||
		    g->end == STORE_TIME_NONE)
			continue;
		if (n > 0 && g->begin <= out[n - 1].to) {
			if (g->end > out[n - 1].to)
				out[n - 1].to = g->end;
			continue;
		}
		out[n++] = (struct store_link_time){ g->begin, g->end };
	}
	return n;
}

static int
build(const struct store_link_query *q, const struct hole_facts *h, const struct spans *holes,
    struct store_link_spans *out)
{
	struct store_link_came *came = calloc(h->n_c + 1, sizeof(*came));
	struct store_link_time *thinned = calloc(h->n_g + 1, sizeof(*thinned));
	struct store_link_facts f = {
		.from = q->from_unix_ms,
		.to = q->to_unix_ms,
		.now = q->now_unix_ms,
		.late_ms = q->late_ms,
		.came = came,
		.n_came = h->n_c,
		.hole = holes->s,
		.n_holes = holes->n,
		.thinned = thinned,
		.service = q->service,
		.n_service = q->n_service,
		.online = q->online,
		.waiting = q->waiting,
	};
	int rc = BL_ENOMEM;

	if (came != NULL && thinned != NULL) {
		for (size_t i = 0; i < h->n_c; i++)
			came[i] = (struct store_link_came){ h->c[i].begin, h->c[i].end,
				h->c[i].first_arrived, h->c[i].arrived };
		f.n_thinned = thinned_of(h, thinned);
		rc = store_link_build(&f, out);
	}
	free(came);
	free(thinned);
	return rc;
}

int
store_read_link(struct store_read *r, const struct store_link_query *q,
    struct store_link_spans *out, struct bl_err *err)
{
	const int64_t to = q->to_unix_ms < q->now_unix_ms ? q->to_unix_ms : q->now_unix_ms;
	struct hole_facts h = { 0 };
	struct spans holes = { 0 };
	int64_t device_id = 0;
	int rc;

	if (to <= q->from_unix_ms)
		return BL_OK;
	if ((rc = read_device_id(r, q->device, &device_id, err)) < 0)
		return rc;
	if (rc == 1 &&
	    ((rc = holes_load(r, device_id, q->stream, q->from_unix_ms, to, &h, err)) < 0 ||
		(rc = load_held(r, device_id, q->stream, &h, err)) < 0))
		goto done;
	if ((rc = holes_make(&h, q->from_unix_ms, to, &holes)) < 0 ||
	    (rc = build(q, &h, &holes, out)) < 0)
		rc = bl_fail(err, rc, "read telemetry store: out of memory");
done:
	holes_free(&h);
	free(holes.s);
	return rc;
}
