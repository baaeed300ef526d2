/*
 * The store as a log: batches and ledger entries in the order in which they
 * were committed, the events of a batch, the series of a metric.
 *
 * Rows are copied in slices and their statement is reset before anything is
 * placed or the caller sees one, so no read transaction outlives a slice.
 *
 * Spans are rather too wide than too narrow: what a batch or an entry settles
 * beside itself (a hole whose other end came earlier) is part of its span, or
 * the order of arrival would show in what is worked out from it.
 */
#include <stdlib.h>
#include <string.h>

#include "store_log.h"
#include "store_read_internal.h"

#define SLICE 64

int
store_log_head(struct store_read *r, struct store_log_head *out, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_LOG_HEAD, err, "");
	int rc = read_step(r, st, err);

	memset(out, 0, sizeof(*out));
	if (rc <= 0)
		return rc;
	store_column_id(st, 0, &out->epoch);
	out->batch_id = sqlite3_column_int64(st, 1);
	out->gap_id = sqlite3_column_int64(st, 2);
	out->moved_id = sqlite3_column_int64(st, 3);
	out->maps = sqlite3_column_int64(st, 4);
	(void)sqlite3_reset(st);
	st = read_bind(r, READ_LOG_VERSION, err, "");
	if ((rc = read_step(r, st, err)) <= 0)
		return rc;
	out->version = sqlite3_column_int64(st, 0);
	(void)sqlite3_reset(st);
	return BL_OK;
}

int
store_log_maps(struct store_read *r, const char *device, int64_t *out, struct bl_err *err)
{
	sqlite3_stmt *st;
	int64_t device_id;
	int rc;

	*out = 0;
	if ((rc = read_device_id(r, device, &device_id, err)) <= 0)
		return rc;
	st = read_bind(r, READ_LOG_MAPS, err, "i", device_id);
	if ((rc = read_step(r, st, err)) < 0)
		return rc;
	if (rc == 1) {
		*out = sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
	}
	return BL_OK;
}

int
store_log_backlog(struct store_read *r, const char *device, bool *out, struct bl_err *err)
{
	sqlite3_stmt *st;
	int64_t device_id;
	int rc;

	*out = false;
	if ((rc = read_device_id(r, device, &device_id, err)) <= 0)
		return rc; /* never heard of */
	st = read_bind(r, READ_LOG_BACKLOG, err, "i", device_id);
	if ((rc = read_step(r, st, err)) < 0)
		return rc;
	*out = rc == 1;
	if (rc == 1)
		(void)sqlite3_reset(st);
	return BL_OK;
}

struct log_row {
	struct store_log_batch b;
	char device[BL_DEVICE_ID_MAX + 1];
	int64_t spool_id, boot_id;
	uint64_t seq;
	bool closed;          /* its spool is */
	uint64_t first, last; /* its seq, or those that it stands for */
	int64_t lo_ms, hi_ms, collect_begin_ms, collect_end_ms;
};

static void
take_row(sqlite3_stmt *st, struct log_row *w)
{
	const int64_t event_begin = sqlite3_column_int64(st, 7);
	const int64_t event_end = sqlite3_column_int64(st, 8);

	memset(w, 0, sizeof(*w));
	w->b.id = sqlite3_column_int64(st, 0);
	w->b.lsn = sqlite3_column_int64(st, 1);
	store_column_text(st, 2, w->device, sizeof(w->device));
	w->b.stream = (enum bl_stream)sqlite3_column_int(st, 3);
	w->spool_id = sqlite3_column_int64(st, 4);
	w->boot_id = sqlite3_column_int64(st, 5);
	w->seq = w->first = w->last = (uint64_t)sqlite3_column_int64(st, 6);
	w->collect_begin_ms = sqlite3_column_int64(st, 9);
	w->collect_end_ms = sqlite3_column_int64(st, 10);
	w->b.dict_missing = sqlite3_column_int(st, 11) != 0;
	w->b.n_samples = (uint32_t)sqlite3_column_int64(st, 12);
	w->b.n_events = (uint32_t)sqlite3_column_int64(st, 13);
	w->b.arrived_unix_ms = sqlite3_column_int64(st, 14);
	if (sqlite3_column_int(st, 15) == BL_BATCH_SUPERSEDES) {
		w->first = (uint64_t)sqlite3_column_int64(st, 16);
		w->last = (uint64_t)sqlite3_column_int64(st, 17);
	}
	w->closed = sqlite3_column_int(st, 18) != 0;
	w->lo_ms = event_begin < w->collect_begin_ms ? event_begin : w->collect_begin_ms;
	w->hi_ms = event_end > w->collect_end_ms ? event_end : w->collect_end_ms;
}

/* ---- neighbours by seq ---- */

struct neighbour {
	bool known;      /* there is one, and nothing between that could still come */
	int64_t unix_ms; /* where its collection interval ends (begins) */
};

int
log_all_gone(struct store_read *r, int64_t spool_id, enum bl_stream stream, uint64_t first,
    uint64_t last, struct bl_err *err)
{
	uint64_t next = first;
	sqlite3_stmt *st;
	int rc;

	if (first > last)
		return 1;
	st = read_bind(r, READ_LOG_GAP_SEQS, err, "iiuu", spool_id, (int64_t)stream, last, first);
	while ((rc = read_step(r, st, err)) == 1) {
		if ((uint64_t)sqlite3_column_int64(st, 0) > next) {
			(void)sqlite3_reset(st);
			return 0;
		}
		if ((uint64_t)sqlite3_column_int64(st, 1) >= next)
			next = (uint64_t)sqlite3_column_int64(st, 1) + 1;
	}
	return rc < 0 ? rc : next > last;
}

/*
 * A packed batch lies nearer than `other` (0: there is none with a row).  Its row of coverage has
 * no hole inside: where seq lies in it as well, the two touch, at own_ms.
 */
static int
packed_neighbour(struct placer *p, bool up, int64_t spool_id, enum bl_stream stream, uint64_t seq,
    int64_t own_ms, uint64_t *other, int64_t *boot_id, int64_t *ms, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(p->r, up ? READ_LOG_PACKED_AFTER : READ_LOG_PACKED_BEFORE, err,
	    "iiu", spool_id, (int64_t)stream, seq);
	int rc = read_step(p->r, st, err);
	uint64_t found;

	if (rc <= 0)
		return rc;
	found = (uint64_t)sqlite3_column_int64(st, 0);
	(void)sqlite3_reset(st);
	if (*other != 0 && (up ? found >= *other : found <= *other))
		return 0;
	st = read_bind(p->r, READ_LOG_COVER_OF, err, "iiu", spool_id, (int64_t)stream, found);
	if ((rc = read_step(p->r, st, err)) <= 0)
		return rc;
	*other = found;
	*boot_id = sqlite3_column_int64(st, 0);
	*ms = up ? sqlite3_column_int64(st, 1) : sqlite3_column_int64(st, 2);
	if (seq >= (uint64_t)sqlite3_column_int64(st, 3) &&
	    seq <= (uint64_t)sqlite3_column_int64(st, 4))
		*ms = own_ms;
	(void)sqlite3_reset(st);
	return 1;
}

/* The batch with that seq among those that are read together: of a backlog mostly there. */
static const struct log_row *
in_slice(const struct placer *p, int64_t spool_id, enum bl_stream stream, uint64_t seq)
{
	const struct log_row *row = p->slice;

	for (size_t i = 0; i < p->n_slice; i++)
		if (row[i].seq == seq && row[i].spool_id == spool_id && row[i].b.stream == stream)
			return &row[i];
	return NULL;
}

/* The stored batch next to seq in its spool, upwards or downwards; own_ms: seq's own edge there. */
static int
find_neighbour(struct placer *p, bool up, int64_t spool_id, enum bl_stream stream, uint64_t seq,
    int64_t own_ms, struct neighbour *out, struct bl_err *err)
{
	const struct log_row *near = in_slice(p, spool_id, stream, up ? seq + 1 : seq - 1);
	int64_t boot_id = 0, ms = 0;
	uint64_t other = 0;
	sqlite3_stmt *st;
	int rc;

	out->known = false;
	if (near != NULL) {
		if ((rc = placer_for(p, spool_id, near->boot_id, err)) < 0)
			return rc;
		out->unix_ms = placer_place(p, up ? near->collect_begin_ms : near->collect_end_ms);
		out->known = out->unix_ms != STORE_TIME_NONE;
		return BL_OK;
	}
	st = read_bind(p->r, up ? READ_LOG_AFTER : READ_LOG_BEFORE, err, "iiu", spool_id,
	    (int64_t)stream, seq);
	if ((rc = read_step(p->r, st, err)) < 0)
		return rc;
	if (rc == 1) {
		other = (uint64_t)sqlite3_column_int64(st, 0);
		boot_id = sqlite3_column_int64(st, 1);
		ms = sqlite3_column_int64(st, 2);
		(void)sqlite3_reset(st);
	}
	if (other != (up ? seq + 1 : seq - 1) && (rc = packed_neighbour(p, up, spool_id, stream,
						      seq, own_ms, &other, &boot_id, &ms, err)) < 0)
		return rc;
	if (other == 0)
		return BL_OK;
	rc = log_all_gone(
	    p->r, spool_id, stream, (up ? seq : other) + 1, (up ? other : seq) - 1, err);
	if (rc <= 0 || (rc = placer_for(p, spool_id, boot_id, err)) < 0)
		return rc;
	out->unix_ms = placer_place(p, ms);
	out->known = out->unix_ms != STORE_TIME_NONE;
	return BL_OK;
}

/* ---- batches ---- */

/*
 * The span reaches to the neighbours by seq where nothing can come between any
 * more, and a little further where another spool's may stand; a neighbour that
 * touches leaves it as it is.
 */
static int
widen(struct placer *p, struct log_row *w, struct bl_err *err)
{
	struct neighbour n;
	int rc;

	if ((rc = find_neighbour(
		 p, false, w->spool_id, w->b.stream, w->first, w->collect_begin_ms, &n, err)) < 0)
		return rc;
	if (!n.known || n.unix_ms > w->b.begin_unix_ms)
		w->b.begin_unix_ms -= STORE_EDGE_MS;
	else
		w->b.begin_unix_ms = n.unix_ms;
	if ((rc = find_neighbour(
		 p, true, w->spool_id, w->b.stream, w->last, w->collect_end_ms, &n, err)) < 0)
		return rc;
	if (n.known && n.unix_ms >= w->b.end_unix_ms)
		w->b.end_unix_ms = n.unix_ms;
	else if (n.known || w->closed)
		w->b.end_unix_ms += STORE_EDGE_MS;
	return BL_OK;
}

static int
place_row(struct placer *p, struct log_row *w, struct bl_err *err)
{
	int rc;

	w->b.device = w->device;
	if ((rc = placer_for(p, w->spool_id, w->boot_id, err)) < 0)
		return rc;
	if (!placer_extent(p, w->lo_ms, w->hi_ms, &w->b.begin_unix_ms, &w->b.end_unix_ms))
		return BL_OK;
	/* What happened at the very end is inside. */
	if (w->hi_ms > w->collect_end_ms)
		w->b.end_unix_ms++;
	return widen(p, w, err);
}

int
store_log_batches(struct store_read *r, int64_t after_id, size_t limit, store_log_cb cb, void *ctx,
    struct bl_err *err)
{
	struct placer p = { .r = r };
	struct log_row *row = malloc(SLICE * sizeof(*row));
	size_t n;
	int rc = BL_OK;

	if (row == NULL)
		return bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory");
	do {
		const size_t want = limit < SLICE ? limit : SLICE;
		sqlite3_stmt *st =
		    read_bind(r, READ_LOG_BATCHES, err, "ii", after_id, (int64_t)want);

		for (n = 0; n < want && (rc = read_step(r, st, err)) == 1; n++)
			take_row(st, &row[n]);
		if (rc < 0)
			break;
		if (n == want)
			(void)sqlite3_reset(st);
		rc = BL_OK;
		p.slice = row;
		p.n_slice = n;
		for (size_t i = 0; i < n; i++) {
			if ((rc = place_row(&p, &row[i], err)) < 0 || !cb(ctx, &row[i].b))
				goto done;
			after_id = row[i].b.id;
		}
		limit -= n;
	} while (n == SLICE && limit > 0);
done:
	placer_free(&p);
	free(row);
	return rc;
}

/* One row by its id, placed.  BL_ENOTFOUND. */
static int
find_row(struct placer *p, int64_t id, struct log_row *w, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(p->r, READ_LOG_BATCH, err, "i", id);
	int rc = read_step(p->r, st, err);

	if (rc <= 0)
		return rc < 0 ? rc : BL_ENOTFOUND;
	take_row(st, w);
	(void)sqlite3_reset(st);
	return place_row(p, w, err);
}

int
store_log_batch(struct store_read *r, int64_t id, store_log_cb cb, void *ctx, struct bl_err *err)
{
	struct placer p = { .r = r };
	struct log_row w;
	int rc = find_row(&p, id, &w, err);

	if (rc == BL_OK)
		(void)cb(ctx, &w.b);
	placer_free(&p);
	return rc;
}

/* ---- ledger entries ---- */

struct gap_row {
	struct store_gap g;
	char device[BL_DEVICE_ID_MAX + 1];
	int64_t spool_id;
};

static void
take_gap(sqlite3_stmt *st, struct gap_row *w)
{
	memset(w, 0, sizeof(*w));
	w->g.id = sqlite3_column_int64(st, 0);
	store_column_text(st, 1, w->device, sizeof(w->device));
	w->g.stream = (enum bl_stream)sqlite3_column_int(st, 2);
	w->g.reason = sqlite3_column_int(st, 3);
	w->g.seq_first = (uint64_t)sqlite3_column_int64(st, 4);
	w->g.seq_last = (uint64_t)sqlite3_column_int64(st, 5);
	w->g.from_unix_ms = store_column_time(st, 6);
	w->g.to_unix_ms = store_column_time(st, 7);
	w->g.samples = (uint64_t)sqlite3_column_int64(st, 8);
	w->g.known_unix_ms = sqlite3_column_int64(st, 9);
	w->spool_id = sqlite3_column_int64(st, 10);
	w->g.lost_part = sqlite3_column_int(st, 11) != 0;
}

/* Where the entry has no times, its neighbours by seq tell them; both or neither. */
static int
place_gap(struct placer *p, struct gap_row *w, struct bl_err *err)
{
	struct neighbour before = { 0 }, after = { 0 };
	struct store_gap *g = &w->g;
	int rc;

	g->device = w->device;
	if (g->seq_first != 0 && ((rc = find_neighbour(p, false, w->spool_id, g->stream,
				       g->seq_first, 0, &before, err)) < 0 ||
				     (rc = find_neighbour(p, true, w->spool_id, g->stream,
					  g->seq_last, 0, &after, err)) < 0))
		return rc;
	if (g->from_unix_ms == STORE_TIME_NONE || g->to_unix_ms == STORE_TIME_NONE) {
		g->from_unix_ms = g->to_unix_ms = STORE_TIME_NONE;
		if (!before.known || !after.known || before.unix_ms > after.unix_ms)
			return BL_OK;
		g->from_unix_ms = before.unix_ms;
		g->to_unix_ms = after.unix_ms;
	}
	if (before.known && after.known && before.unix_ms < g->from_unix_ms)
		g->from_unix_ms = before.unix_ms;
	if (before.known && after.known && after.unix_ms > g->to_unix_ms)
		g->to_unix_ms = after.unix_ms;
	g->from_unix_ms -= STORE_EDGE_MS;
	g->to_unix_ms += STORE_EDGE_MS;
	return BL_OK;
}

int
store_log_gaps(struct store_read *r, int64_t after_id, size_t limit, store_gap_cb cb, void *ctx,
    struct bl_err *err)
{
	struct placer p = { .r = r };
	struct gap_row *row = malloc(SLICE * sizeof(*row));
	size_t n;
	int rc = BL_OK;

	if (row == NULL)
		return bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory");
	do {
		const size_t want = limit < SLICE ? limit : SLICE;
		sqlite3_stmt *st = read_bind(r, READ_LOG_GAPS, err, "ii", after_id, (int64_t)want);

		for (n = 0; n < want && (rc = read_step(r, st, err)) == 1; n++)
			take_gap(st, &row[n]);
		if (rc < 0)
			break;
		if (n == want)
			(void)sqlite3_reset(st);
		rc = BL_OK;
		for (size_t i = 0; i < n; i++) {
			if ((rc = place_gap(&p, &row[i], err)) < 0 || !cb(ctx, &row[i].g))
				goto done;
			after_id = row[i].g.id;
		}
		limit -= n;
	} while (n == SLICE && limit > 0);
done:
	placer_free(&p);
	free(row);
	return rc;
}

/* ---- what was moved ---- */

struct moved_row {
	struct store_log_moved m;
	char device[BL_DEVICE_ID_MAX + 1];
	int64_t spool_id, boot_id, from_ms;
};

static void
take_moved(sqlite3_stmt *st, struct moved_row *w)
{
	memset(w, 0, sizeof(*w));
	w->m.id = sqlite3_column_int64(st, 0);
	store_column_text(st, 1, w->device, sizeof(w->device));
	w->m.stream = (enum bl_stream)sqlite3_column_int(st, 2);
	w->m.begin_unix_ms = sqlite3_column_int64(st, 3) - STORE_EDGE_MS;
	w->m.end_unix_ms = sqlite3_column_int64(st, 4) + STORE_EDGE_MS;
	w->spool_id = sqlite3_column_int64(st, 5);
	w->boot_id = sqlite3_column_int64(st, 6);
	w->from_ms = sqlite3_column_int64(st, 7);
}

/* 1: go on; 0: the visitor stopped. */
static int
moved_batches(struct placer *p, const struct moved_row *m, struct log_row *row, store_log_cb cb,
    void *ctx, struct bl_err *err)
{
	uint64_t seq = 0;
	size_t n;
	int rc = BL_OK;

	do {
		sqlite3_stmt *st = read_bind(p->r, READ_LOG_MOVED_BATCHES, err, "iiuiii",
		    m->spool_id, (int64_t)m->m.stream, seq, m->boot_id, m->from_ms, (int64_t)SLICE);

		for (n = 0; n < SLICE && (rc = read_step(p->r, st, err)) == 1; n++)
			take_row(st, &row[n]);
		if (rc < 0)
			return rc;
		if (n == SLICE)
			(void)sqlite3_reset(st);
		for (size_t i = 0; i < n; i++) {
			if ((rc = place_row(p, &row[i], err)) < 0)
				return rc;
			if (!cb(ctx, &row[i].b))
				return 0;
			seq = row[i].seq;
		}
	} while (n == SLICE);
	return 1;
}

int
store_log_moved(struct store_read *r, int64_t after_id, size_t limit, store_log_moved_cb cb,
    store_log_cb of_batch, void *ctx, struct bl_err *err)
{
	struct placer p = { .r = r };
	struct log_row *row = malloc(SLICE * sizeof(*row));
	int rc = 1;

	if (row == NULL)
		return bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory");
	for (; limit > 0 && rc == 1; limit--) {
		sqlite3_stmt *st = read_bind(r, READ_LOG_MOVED, err, "ii", after_id, (int64_t)1);
		struct moved_row m;

		if ((rc = read_step(r, st, err)) != 1)
			break;
		take_moved(st, &m);
		(void)sqlite3_reset(st);
		m.m.device = m.device;
		after_id = m.m.id;
		rc = cb(ctx, &m.m);
		if (rc == 1 && of_batch != NULL && m.boot_id != 0 && m.m.stream == BL_STREAM_EVENTS)
			rc = moved_batches(&p, &m, row, of_batch, ctx, err);
	}
	placer_free(&p);
	free(row);
	return rc < 0 ? rc : BL_OK;
}

/* ---- events of a batch ---- */

static int
visit_events(struct placer *p, const struct bl_batch_header *h, store_log_event_cb cb, void *ctx,
    struct bl_err *err)
{
	struct bl_batch_reader rd;
	struct bl_event ev;
	uint32_t i = 0;
	int rc;

	if ((rc = bl_batch_reader_init(&rd, h, p->r->raw.data, p->r->raw.len, err)) < 0)
		return rc;
	while ((rc = bl_batch_next_event(&rd, &ev, err)) == 1)
		if (!cb(ctx, i++, placer_place(p, ev.boot_ms), &ev))
			return BL_OK;
	return rc;
}

int
store_log_events(
    struct store_read *r, int64_t batch_id, store_log_event_cb cb, void *ctx, struct bl_err *err)
{
	struct placer p = { .r = r };
	struct bl_batch_header h;
	int64_t spool_id, boot_id;
	int rc = read_batch(r, batch_id, &h, &spool_id, &boot_id, err);

	if (rc <= 0)
		return rc < 0 ? rc : BL_ENOTFOUND;
	if ((rc = placer_for(&p, spool_id, boot_id, err)) == BL_OK) {
		h.boot = p.boot;
		rc = visit_events(&p, &h, cb, ctx, err);
		read_tell_damaged(r, batch_id, rc);
	}
	placer_free(&p);
	return rc;
}

/* ---- series of a metric ---- */

struct series_row {
	int64_t id;
	enum bl_series_kind kind;
	enum bl_stream stream;
	uint32_t interval_ms;
	char *labels;
};

struct series_rows {
	struct series_row *s;
	size_t n, size;
};

static int
add_series(struct series_rows *l, sqlite3_stmt *st)
{
	const char *labels = (const char *)sqlite3_column_text(st, 1);
	struct series_row *more;

	if (l->n == l->size) {
		const size_t size = l->size == 0 ? 16 : l->size * 2;

		if (size > STORE_LOG_SERIES_MAX * 2 ||
		    (more = realloc(l->s, size * sizeof(*more))) == NULL)
			return BL_ENOMEM;
		l->s = more;
		l->size = size;
	}
	l->s[l->n] = (struct series_row){
		.id = sqlite3_column_int64(st, 0),
		.kind = (enum bl_series_kind)sqlite3_column_int(st, 2),
		.stream = (enum bl_stream)sqlite3_column_int(st, 3),
		.interval_ms = (uint32_t)sqlite3_column_int64(st, 4),
		.labels = strdup(labels != NULL ? labels : "{}"),
	};
	return l->s[l->n++].labels != NULL ? BL_OK : BL_ENOMEM;
}

int
store_log_series(struct store_read *r, const char *device, const char *metric,
    store_log_series_cb cb, void *ctx, struct bl_err *err)
{
	struct series_rows l = { 0 };
	int64_t device_id;
	sqlite3_stmt *st;
	int rc;

	if ((rc = read_device_id(r, device, &device_id, err)) <= 0)
		return rc;
	st = read_bind(r, READ_LOG_SERIES, err, "it", device_id, metric);
	while (l.n < STORE_LOG_SERIES_MAX && (rc = read_step(r, st, err)) == 1)
		if (add_series(&l, st) < 0) {
			rc = bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory");
			break;
		}
	if (st != NULL)
		(void)sqlite3_reset(st);
	for (size_t i = 0; rc >= 0 && i < l.n; i++) {
		const struct store_log_series s = { l.s[i].id, l.s[i].labels, l.s[i].kind,
			l.s[i].stream, l.s[i].interval_ms };

		if (!cb(ctx, &s))
			break;
	}
	for (size_t i = 0; i < l.n; i++)
		free(l.s[i].labels);
	free(l.s);
	return rc < 0 ? rc : BL_OK;
}
