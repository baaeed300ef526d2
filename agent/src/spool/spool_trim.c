/*
 * Trimming: what may go, in which order.
 *
 *   1. receipted batches older than keep_receipted_ms
 *   2. when room is short: receipted batches, oldest first
 *   3. when it still is: host and then probes become means (spool_thin.c)
 *   4. when it still is: batches without a receipt, host before probes before
 *      events, oldest first, each named in the ledger ("evicted"); a stream that
 *      has no more than its share (host and probes an eighth each, events a half)
 *      only after those that have more, so that no flood takes all of another
 *
 * Never what is outstanding: its receipt may be on the way.  One slice is one
 * transaction of at most SLICE batches, so that the log stays small.
 */
#include <string.h>

#include "branchline/fault.h"

#include "spool_internal.h"

#define ROOM_LEAST  (128 * 1024) /* a full batch has 65 KiB */
#define ROOM_MOST   (384 * 1024)
#define SLICE       16
#define SLICE_BYTES (128 * 1024) /* of messages that one slice frees, or one batch */

struct victim {
	int64_t id, bytes, samples, begin_ms, end_ms, gaps;
	struct bl_id boot;
	int flags;
	bool waiting;
};

static void
victim_read(sqlite3_stmt *st, struct victim *v)
{
	v->id = sqlite3_column_int64(st, 0);
	v->boot = db_column_id(st, 1);
	v->begin_ms = sqlite3_column_int64(st, 2);
	v->end_ms = sqlite3_column_int64(st, 3);
	v->samples = sqlite3_column_int64(st, 4) + sqlite3_column_int64(st, 5);
	v->gaps = sqlite3_column_int64(st, 6);
	v->bytes = sqlite3_column_int64(st, 7);
	v->flags = sqlite3_column_int(st, 9);
	v->waiting = sqlite3_column_type(st, 10) == SQLITE_NULL;
}

/* Pages that should be free: a cut and the commits around it. */
static int64_t
pages_wanted(const struct spool *s)
{
	const int64_t most = ROOM_MOST / s->page_bytes, least = ROOM_LEAST / s->page_bytes;
	const int64_t wanted = s->max_pages / 8;

	return wanted > most ? most : wanted < least ? least : wanted;
}

/* ---- dropping with a name ---- */

int
spool_of_gen(struct spool *s, int64_t gen, struct bl_id *spool, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	*spool = s->d.spool;
	if (gen == s->d.gen)
		return BL_OK;
	if ((st = db_select(s, Q_GEN_GET, err, "i", gen)) == NULL)
		return err->code;
	if ((rc = db_step(s, st, err)) == 1)
		*spool = db_column_id(st, 1);
	db_done(st);
	return rc < 0 ? rc : BL_OK;
}

/* 1: the header of a batch that has replaced others; 0: it has not. */
static int
replaced_by(struct spool *s, int64_t id, struct bl_batch_header *h, struct bl_err *err)
{
	struct bl_err bad = { 0 };
	const uint8_t *body;
	sqlite3_stmt *st;
	size_t len;
	int rc;

	if ((st = db_select(s, Q_BODY_GET, err, "i", id)) == NULL)
		return err->code;
	if ((rc = db_step(s, st, err)) == 1 &&
	    (bl_batch_header_decode(sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0),
		 h, &body, &len, &bad) < 0 ||
		h->kind != BL_BATCH_SUPERSEDES))
		rc = 0;
	db_done(st);
	return rc;
}

/* A part of a batch that was offered goes: then what it stood for does not come, either. */
static int
name_replaced(struct spool *s, const struct victim *v, const struct bl_gap *gap, struct bl_err *err)
{
	struct bl_gap whole = *gap;
	struct bl_batch_header h;
	int rc;

	if ((v->flags & BATCH_ELSEWHERE) == 0 || (rc = replaced_by(s, v->id, &h, err)) == 0)
		return BL_OK;
	if (rc < 0)
		return rc;
	whole.seq_first = h.supersedes_first;
	whole.seq_last = h.supersedes_last;
	whole.samples = 0; /* counted as the part's */
	return ledger_add(s, &whole, err);
}

/* Inside a transaction. */
static int
drop_named(struct spool *s, const struct victim *v, enum bl_gap_reason reason, struct bl_err *err)
{
	struct spool_stream *m = &s->d.stream[stream_index(batch_stream(v->id))];
	struct bl_gap gap = {
		.reason = reason,
		.stream = batch_stream(v->id),
		.seq_first = batch_seq(v->id),
		.seq_last = batch_seq(v->id),
		.begin_boot = v->boot,
		.begin_boot_ms = v->begin_ms,
		.end_boot = v->boot,
		.end_boot_ms = v->end_ms,
		.samples = (uint64_t)v->samples,
	};
	int rc;

	if ((rc = spool_of_gen(s, v->id >> BATCH_GEN_BITS, &gap.spool, err)) < 0 ||
	    (rc = name_replaced(s, v, &gap, err)) < 0 ||
	    (rc = batch_delete(s, v->id, v->waiting, v->bytes, err)) < 0)
		return rc;
	(void)bl_fault_hit("spool.evicting");
	if ((rc = ledger_add(s, &gap, err)) < 0)
		return rc;
	m->dropped_batches++;
	m->dropped_samples += v->samples;
	/* What this batch was to tell is told by another. */
	return v->gaps > 0 ? db_run(s, Q_LEDGER_RESET, err, "in", v->id) : BL_OK;
}

int
batch_lost(struct spool *s, int64_t id, enum bl_gap_reason reason, struct bl_err *err)
{
	struct victim v = { 0 };
	sqlite3_stmt *st;
	int rc;

	if ((st = db_select(s, Q_BATCH_GET, err, "i", id)) == NULL)
		return err->code;
	if ((rc = db_step(s, st, err)) == 1)
		victim_read(st, &v);
	db_done(st);
	if (rc <= 0)
		return rc;
	if ((rc = txn_begin(s, err)) < 0)
		return rc;
	if ((rc = drop_named(s, &v, reason, err)) < 0) {
		txn_rollback(s);
		return rc;
	}
	bl_warn("spool",
	    "a stored batch is damaged and was dropped stream=%d seq=%llu samples=%lld",
	    (int)batch_stream(id), (unsigned long long)batch_seq(id), (long long)v.samples);
	return txn_commit(s, err);
}

/* ---- one slice ---- */

static int
find_receipted_in(struct spool *s, int64_t lo, int64_t hi, int64_t before_unix_ms, struct victim *v,
    unsigned *n, struct bl_err *err)
{
	sqlite3_stmt *st =
	    db_select(s, Q_RECEIPTED_UP, err, "iiii", lo, hi, before_unix_ms, (int64_t)SLICE);
	int rc = BL_OK;

	if (st == NULL)
		return err->code;
	while (*n < SLICE && (rc = db_step(s, st, err)) == 1)
		victim_read(st, &v[(*n)++]);
	db_done(st);
	return rc < 0 ? rc : BL_OK;
}

/* Receipted before a time, oldest first; of former generations before all others. */
static int
find_receipted(
    struct spool *s, int64_t before_unix_ms, struct victim *v, unsigned *n, struct bl_err *err)
{
	int rc = BL_OK;

	if (s->d.gen > 1)
		rc = find_receipted_in(
		    s, 0, batch_id(s->d.gen, 0, 0) - 1, before_unix_ms, v, n, err);
	/* The lowest stream last: what matters most stays longest. */
	for (unsigned i = BL_STREAMS; i > 0 && *n < SLICE && rc == BL_OK; i--)
		rc = find_receipted_in(s, batch_id(s->d.gen, (enum bl_stream)i, 0),
		    batch_id(s->d.gen, (enum bl_stream)i, UINT64_MAX), before_unix_ms, v, n, err);
	return rc;
}

/* Of one stream in a range of ids, without a receipt and not out. */
static int
find_waiting_in(struct spool *s, enum bl_stream stream, int64_t lo, int64_t hi, struct victim *v,
    unsigned *n, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc = BL_OK;

	if ((st = db_select(s, Q_WAITING_UP, err, "ii", lo, hi)) == NULL)
		return err->code;
	while (*n < SLICE / 4 && (rc = db_step(s, st, err)) == 1) {
		const int64_t id = sqlite3_column_int64(st, 0);

		if (batch_stream(id) == stream && !outstanding_has(s, id))
			victim_read(st, &v[(*n)++]);
	}
	db_done(st);
	return rc < 0 ? rc : BL_OK;
}

/* What a stream keeps of the room, however much the others bring. */
static int64_t
share_bytes(const struct spool *s, enum bl_stream stream)
{
	const int64_t eighth = s->max_pages * s->page_bytes / 8;

	return stream == BL_STREAM_EVENTS ? 4 * eighth : eighth;
}

/*
 * Host before probes before events; in each, former generations first.  Those
 * that have more than their share come before those that have not.
 */
static int
find_waiting(struct spool *s, struct victim *v, unsigned *n, struct bl_err *err)
{
	int rc = BL_OK;

	for (unsigned i = 2 * BL_STREAMS; i > 0 && *n == 0 && rc == BL_OK; i--) {
		const enum bl_stream stream = (enum bl_stream)((i - 1) % BL_STREAMS + 1);

		if (i > BL_STREAMS &&
		    s->d.stream[stream_index(stream)].waiting_bytes <= share_bytes(s, stream))
			continue;
		rc = find_waiting_in(s, stream, 0, batch_id(s->d.gen, 0, 0) - 1, v, n, err);
		if (rc == BL_OK)
			rc = find_waiting_in(s, stream, batch_id(s->d.gen, stream, 0),
			    batch_id(s->d.gen, stream, UINT64_MAX), v, n, err);
	}
	return rc;
}

/* Inside a transaction. */
static int
drop_receipted(struct spool *s, const struct victim *v, struct bl_err *err)
{
	const int rc = batch_delete(s, v->id, false, v->bytes, err);

	return rc < 0 ? rc : trimmed_add(s, v->id, err);
}

/* As many of the first as one transaction may free, at least one: *n. */
static int
drop_first(struct spool *s, const struct victim *v, unsigned *n, struct bl_err *err)
{
	int64_t bytes = v[0].bytes;
	unsigned most = 1;
	int rc;

	for (; most < *n && bytes + v[most].bytes <= SLICE_BYTES; most++)
		bytes += v[most].bytes;
	*n = most;
	if ((rc = txn_begin_for(s, bytes, err)) < 0)
		return rc;
	for (unsigned i = 0; i < most && rc == BL_OK; i++)
		rc = v[i].waiting ? drop_named(s, &v[i], BL_GAP_EVICTED, err)
				  : drop_receipted(s, &v[i], err);
	(void)bl_fault_hit("spool.trimming");
	if (rc < 0) {
		txn_rollback(s);
		return rc;
	}
	rc = txn_commit(s, err);
	(void)bl_fault_hit("spool.trimmed");
	return rc;
}

/*
 * 1: too few pages could still be used.  Of the file's cap; or, when the disk is
 * full, of those that the file has already: what the centre has goes then, and
 * what it has not only when memory is about to be full, too.
 */
static int
room_is_short(struct spool *s, bool *waiting_too, struct bl_err *err)
{
	int64_t left = 0, unused = 0;
	int rc;

	*waiting_too = true;
	if ((rc = db_free_pages(s, &left, err)) < 0 || left < pages_wanted(s))
		return rc < 0 ? rc : 1;
	if (!s->disk_full)
		return 0;
	if ((rc = db_number(s, "PRAGMA freelist_count", &unused, err)) < 0)
		return rc;
	*waiting_too = s->p.bytes > s->memory_bytes / 4 * 3;
	return unused < pages_wanted(s);
}

int
trim_for_room(struct spool *s, unsigned *freed, struct bl_err *err)
{
	struct victim v[SLICE];
	struct bl_err inner = { 0 };
	bool waiting_too = true;
	unsigned n = 0;
	int rc;

	(void)err; /* the caller's message stays: this is a second attempt */
	*freed = 0;
	if (s->db == NULL || s->damaged || s->suspect)
		return BL_EIO;
	if (s->group != TXN_SINGLE)
		return BL_EBUSY; /* the group fails, and each for itself makes room */
	if ((rc = room_is_short(s, &waiting_too, &inner)) <= 0)
		return rc;
	if ((rc = find_receipted(s, INT64_MAX, v, &n, &inner)) == BL_OK && n == 0 && waiting_too) {
		rc = thin_slice(s, freed, &inner);
		if (*freed > 0 || (rc < 0 && rc != BL_EFULL))
			return rc;
		rc = find_waiting(s, v, &n, &inner);
	}
	if (rc == BL_OK && n > 0)
		rc = drop_first(s, v, &n, &inner);
	if (rc == BL_OK)
		*freed = n;
	return rc;
}

/* Receipted batches past their time.  Looking walks all batches: not at every turn. */
static int
drop_old(struct spool *s, unsigned *n, struct bl_err *err)
{
	const int64_t now = bl_mono_ms(s->clock);
	struct victim v[SLICE];
	int rc;

	*n = 0;
	if (now < s->age_mono_ms || wall_set_within(s, s->keep_receipted_ms))
		return BL_OK;
	rc = find_receipted(s, bl_unix_ms(s->clock) - s->keep_receipted_ms, v, n, err);
	if (rc == BL_OK && *n == 0)
		s->age_mono_ms = now + SPOOL_AGE_MS;
	return rc == BL_OK && *n > 0 ? drop_first(s, v, n, err) : rc;
}

static int
trim_slice(struct spool *s, bool *more, struct bl_err *err)
{
	bool former = false;
	unsigned n = 0;
	int rc;

	if ((rc = recut_slice(s, 4, &former, err)) < 0 || (rc = drop_old(s, &n, err)) < 0)
		return rc;
	if (n == 0)
		rc = trim_for_room(s, &n, err);
	ballast_keep(s);
	*more = former || n > 0;
	return rc;
}

int
spool_trim(struct spool *s, bool *more, struct bl_err *err)
{
	struct bl_err local = { 0 }, second = { 0 };
	bool salvaging = false;
	int rc, then;

	if (err == NULL)
		err = &local;
	*more = false;
	rc = salvage_slice(s, &salvaging, err);
	if (rc < 0 && s->damaged)
		return rc;
	/* A recovery that cannot go on, for want of room perhaps, keeps nobody from making some. */
	then = trim_slice(s, more, rc < 0 ? &second : err);
	*more = *more || salvaging;
	return rc < 0 ? rc : then;
}
