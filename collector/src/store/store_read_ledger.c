/*
 * The ledger's sums, and what it does not explain.
 *
 * Unexplained are: ranges of batches that are neither settled nor in the ledger
 * (or there as "vanished"), holes in time, and accepted samples that vanished
 * before they were cut.  Each is one gap; batches are counted beside them.
 */
#include <string.h>

#include "store_read_internal.h"

int
store_read_unexplained(
    struct store_read *r, const char *device, struct store_unexplained *out, struct bl_err *err)
{
	sqlite3_stmt *st = device != NULL ? read_bind(r, READ_UNEXPLAINED_DEVICE, err, "t", device)
					  : read_bind(r, READ_UNEXPLAINED, err, "");
	int rc = read_step(r, st, err);
	uint64_t vanished;

	*out = (struct store_unexplained){ .since_unix_ms = STORE_TIME_NONE };
	if (rc != 1)
		return rc;
	out->gaps = (uint64_t)sqlite3_column_int64(st, 0);
	out->batches = (uint64_t)sqlite3_column_int64(st, 1);
	vanished = (uint64_t)sqlite3_column_int64(st, 2);
	out->unanswered = out->batches > vanished ? out->batches - vanished : 0;
	out->since_unix_ms = store_column_time(st, 3);
	(void)sqlite3_reset(st);
	return BL_OK;
}

/* ---- one by one ---- */

struct missing_stream {
	int64_t spool_id, device_id, since;
	enum bl_stream stream;
	char device[BL_DEVICE_ID_MAX + 1];
	uint64_t contiguous, bound;
};

struct missing_list {
	struct store_read *r;
	size_t left;
	store_missing_cb cb;
	void *ctx;
	bool stop;
};

/* Where the data before and after a range of seqs end and begin. */
static int
times_beside(struct store_read *r, const struct missing_stream *m, struct store_missing *row,
    struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_MISSING_BESIDE, err, "iiiuu", m->device_id,
	    (int64_t)m->stream, m->spool_id, row->seq_first, row->seq_last);
	int rc = read_step(r, st, err);

	if (rc == 1) {
		row->from_unix_ms = store_column_time(st, 0);
		row->to_unix_ms = store_column_time(st, 1);
		(void)sqlite3_reset(st);
	}
	return rc < 0 ? rc : BL_OK;
}

static int
give(struct missing_list *l, struct store_missing *row)
{
	if (l->left == 0 || l->stop) {
		l->stop = true;
		return BL_OK;
	}
	l->left--;
	l->stop = !l->cb(l->ctx, row);
	return BL_OK;
}

static int
give_seqs(struct missing_list *l, const struct missing_stream *m, enum store_missing_what what,
    uint64_t first, uint64_t last, struct bl_err *err)
{
	struct store_missing row = {
		.device = m->device,
		.stream = m->stream,
		.what = what,
		.seq_first = first,
		.seq_last = last,
		.from_unix_ms = STORE_TIME_NONE,
		.to_unix_ms = STORE_TIME_NONE,
		.since_unix_ms = m->since,
	};
	int rc;

	if (l->stop || first > last)
		return BL_OK;
	if ((rc = times_beside(l->r, m, &row, err)) < 0)
		return rc;
	return give(l, &row);
}

/* What lies below the bound, is not settled and was not answered; and what vanished. */
static int
of_stream(struct missing_list *l, const struct missing_stream *m, struct bl_err *err)
{
	struct seqs known = { 0 }, vanished = { 0 };
	struct bl_ranges open = { 0 };
	sqlite3_stmt *st =
	    read_bind(l->r, READ_MISSING_RANGES, err, "ii", m->spool_id, (int64_t)m->stream);
	int rc;

	while ((rc = read_step(l->r, st, err)) == 1) {
		const uint64_t a = (uint64_t)sqlite3_column_int64(st, 1);
		const uint64_t b = (uint64_t)sqlite3_column_int64(st, 2);

		if (seqs_add(&known, a, b, STORE_RANGES_MAX * 2) < 0 ||
		    (sqlite3_column_int(st, 0) == 3 &&
			seqs_add(&vanished, a, b, STORE_RANGES_MAX * 2) < 0)) {
			(void)sqlite3_reset(st);
			rc = bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory");
			break;
		}
	}
	if (rc == BL_OK && m->bound > m->contiguous + 1)
		seqs_missing_ranges(&known, m->contiguous + 1, m->bound - 1, &open);
	for (uint32_t i = 0; rc == BL_OK && i < open.n; i++)
		rc =
		    give_seqs(l, m, STORE_MISSING_UNANSWERED, open.r[i].first, open.r[i].last, err);
	for (size_t i = 0; rc == BL_OK && i < vanished.n; i++)
		rc = give_seqs(
		    l, m, STORE_MISSING_VANISHED, vanished.r[i].first, vanished.r[i].last, err);
	seqs_free(&known);
	seqs_free(&vanished);
	return rc;
}

static void
missing_stream_row(sqlite3_stmt *st, struct missing_stream *m)
{
	store_column_text(st, 0, m->device, sizeof(m->device));
	m->device_id = sqlite3_column_int64(st, 1);
	m->spool_id = sqlite3_column_int64(st, 2);
	m->stream = (enum bl_stream)sqlite3_column_int(st, 3);
	m->contiguous = (uint64_t)sqlite3_column_int64(st, 4);
	m->bound = (uint64_t)sqlite3_column_int64(st, 5);
	m->since = store_column_time(st, 6);
}

static int
by_seqs(struct missing_list *l, const char *device, struct bl_err *err)
{
	struct missing_stream page[32];
	int64_t spool = 0, stream = 0;
	size_t n;
	int rc;

	do {
		sqlite3_stmt *st =
		    read_bind(l->r, READ_MISSING_STREAMS, err, "iit", spool, stream, device);

		for (n = 0; n < 32 && (rc = read_step(l->r, st, err)) == 1; n++)
			missing_stream_row(st, &page[n]);
		if (n == 32)
			(void)sqlite3_reset(st);
		else if (rc < 0)
			return rc;
		for (size_t i = 0; i < n && !l->stop; i++)
			if ((rc = of_stream(l, &page[i], err)) < 0)
				return rc;
		if (n > 0) {
			spool = page[n - 1].spool_id;
			stream = (int64_t)page[n - 1].stream;
		}
	} while (n == 32 && !l->stop);
	return BL_OK;
}

/* Holes, and samples that vanished before they were cut. */
static int
by_time(struct missing_list *l, const char *device, struct bl_err *err)
{
	struct {
		struct store_missing m;
		char device[BL_DEVICE_ID_MAX + 1];
	} page[64];
	int64_t before = INT64_MAX;
	size_t n;
	int rc;

	for (int which = 0; which < 2 && !l->stop; which++, before = INT64_MAX)
		do {
			sqlite3_stmt *st =
			    read_bind(l->r, which == 0 ? READ_MISSING_HOLES : READ_MISSING_SAMPLES,
				err, "it", before, device);

			for (n = 0; n < 64 && (rc = read_step(l->r, st, err)) == 1; n++) {
				before = sqlite3_column_int64(st, 0);
				store_column_text(st, 1, page[n].device, sizeof(page[n].device));
				page[n].m = (struct store_missing){
					.device = page[n].device,
					.stream = (enum bl_stream)sqlite3_column_int(st, 2),
					.what =
					    which == 0 ? STORE_MISSING_HOLE : STORE_MISSING_SAMPLES,
					.from_unix_ms = store_column_time(st, 3),
					.to_unix_ms = store_column_time(st, 4),
					.since_unix_ms = store_column_time(st, 5),
					.samples = (uint64_t)sqlite3_column_int64(st, 6),
				};
			}
			if (n == 64)
				(void)sqlite3_reset(st);
			else if (rc < 0)
				return rc;
			for (size_t i = 0; i < n && !l->stop; i++)
				(void)give(l, &page[i].m);
		} while (n == 64 && !l->stop);
	return BL_OK;
}

int
store_read_missing(struct store_read *r, const char *device, size_t limit, store_missing_cb cb,
    void *ctx, struct bl_err *err)
{
	struct missing_list l = { .r = r, .left = limit, .cb = cb, .ctx = ctx };
	const int rc = by_seqs(&l, device, err);

	return rc < 0 || l.stop ? rc : by_time(&l, device, err);
}

/* ---- sums ---- */

int
store_read_gap_totals(struct store_read *r, const struct store_gap_filter *f, store_gap_total_cb cb,
    void *ctx, struct bl_err *err)
{
	char name[BL_DEVICE_ID_MAX + 1];
	sqlite3_stmt *st =
	    read_bind(r, READ_GAP_TOTALS, err, "oot", f->from_unix_ms, f->to_unix_ms, f->device);
	int rc;

	while ((rc = read_step(r, st, err)) == 1) {
		const struct store_gap_total t = {
			.device = name,
			.reason = sqlite3_column_int(st, 1),
			.entries = (uint64_t)sqlite3_column_int64(st, 2),
			.batches = (uint64_t)sqlite3_column_int64(st, 3),
			.samples = (uint64_t)sqlite3_column_int64(st, 4),
			.time_ms = sqlite3_column_int64(st, 5),
			.first_unix_ms = store_column_time(st, 6),
			.last_unix_ms = store_column_time(st, 7),
		};

		store_column_text(st, 0, name, sizeof(name));
		if (!cb(ctx, &t)) {
			(void)sqlite3_reset(st);
			return BL_OK;
		}
	}
	return rc;
}

int
read_gap_sums(struct store_read *r, struct store_totals *t, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_GAP_SUMS, err, "");
	int rc;

	while ((rc = read_step(r, st, err)) == 1) {
		const int reason = sqlite3_column_int(st, 0);

		if (reason < 1 || reason > STORE_GAP_REASONS)
			continue;
		t->gaps_by[reason - 1] = (struct store_gap_sum){
			.entries = (uint64_t)sqlite3_column_int64(st, 1),
			.batches = (uint64_t)sqlite3_column_int64(st, 2),
			.samples = (uint64_t)sqlite3_column_int64(st, 3),
		};
	}
	return rc;
}

/* A span that may go on in the next row. */
struct thinned_open {
	char device[BL_DEVICE_ID_MAX + 1];
	int64_t from, to;
};

static bool
thinned_tell(const struct thinned_open *o, store_thinned_cb cb, void *ctx)
{
	const struct store_thinned span = { o->device, o->from, o->to };

	return o->from >= o->to || cb(ctx, &span);
}

int
store_read_thinned(struct store_read *r, enum bl_stream stream, int64_t from_unix_ms,
    int64_t to_unix_ms, store_thinned_cb cb, void *ctx, struct bl_err *err)
{
	struct store_totals t = { 0 };
	struct thinned_open o = { .from = INT64_MIN, .to = INT64_MIN };
	sqlite3_stmt *st;
	int rc;

	/* As a rule nothing was ever thinned. */
	if ((rc = read_gap_sums(r, &t, err)) < 0 || t.gaps_by[BL_GAP_THINNED - 1].entries == 0)
		return rc < 0 ? rc : BL_OK;
	st = read_bind(r, READ_THINNED, err, "iii", (int64_t)stream, from_unix_ms, to_unix_ms);
	while ((rc = read_step(r, st, err)) == 1) {
		struct thinned_open next;

		store_column_text(st, 0, next.device, sizeof(next.device));
		next.from = sqlite3_column_int64(st, 1);
		next.to = sqlite3_column_int64(st, 2);
		if (next.from <= o.to && strcmp(next.device, o.device) == 0) {
			o.to = next.to > o.to ? next.to : o.to;
			continue;
		}
		if (!thinned_tell(&o, cb, ctx)) {
			(void)sqlite3_reset(st);
			return BL_OK;
		}
		o = next;
	}
	if (rc == BL_OK)
		(void)thinned_tell(&o, cb, ctx);
	return rc;
}
