/*
 * The handshake: hello, the answer to it, receipts, questions.
 *
 * The answer's word decides alone what is safe at the centre: held batches
 * that it does not settle are offered again, receipted before or not.
 *
 * An answer that knows what this file has not cut, or never offered, talks of
 * another life of the file: an older copy was put back (a snapshot, a disk
 * image, a lost log).  Then a new spool id begins in the same file, and what is
 * held without a receipt is cut again under it (spool_recut.c).  The same when the
 * centre refuses our id as closed: its successor came of another life of the file.
 *
 * A batch that the centre knows under our seq and that we have offered is ours: a
 * batch never changes.  One that we have not offered may be the same, cut before
 * the copy was made, or another one, cut since; nothing here tells.  So it is cut
 * again, too, and the centre, which has both, recognises the same content.
 */
#include <string.h>

#include "branchline/fault.h"

#include "spool_internal.h"

#define WALK_ROWS 256  /* of one transaction */
#define ANSWER_MS 2000 /* of one answer's batches; the rest follows */

/* What a receipt says about one stream. */
static bool
settles(const struct bl_receipt_stream *r, uint64_t seq)
{
	return seq <= r->contiguous || bl_ranges_has(&r->beyond, seq) ||
	       bl_ranges_has(&r->aside, seq);
}

static uint64_t
highest(const struct bl_receipt_stream *r)
{
	uint64_t top = r->contiguous;

	if (r->beyond.n > 0 && r->beyond.r[r->beyond.n - 1].last > top)
		top = r->beyond.r[r->beyond.n - 1].last;
	if (r->aside.n > 0 && r->aside.r[r->aside.n - 1].last > top)
		top = r->aside.r[r->aside.n - 1].last;
	return top;
}

static bool
knows_uncut(const struct spool *s, const struct bl_receipt *r)
{
	for (unsigned i = 0; i < BL_STREAMS; i++)
		if (highest(&r->stream[i]) >= (uint64_t)s->d.stream[i].next_seq)
			return true;
	return r->dict_version > s->d.dict || r->clock_version > s->d.clock;
}

/*
 * A refusal that says what the centre has of this id: our own, closed by a successor that
 * this file knows nothing of.  Of another device's spool it says nothing.
 */
static bool
is_closed(const struct bl_receipt *r)
{
	bool any = r->dict_version > 0 || r->clock_version > 0;

	for (unsigned i = 0; i < BL_STREAMS; i++)
		any = any || highest(&r->stream[i]) > 0;
	return any && r->verdict == BL_VERDICT_CONFLICT;
}

/* No spool gets so far: the word of somebody who wants us to count to it. */
static int
check_seqs(const struct spool *s, const struct bl_receipt *r, struct bl_err *err)
{
	for (unsigned i = 0; i < BL_STREAMS; i++)
		if (highest(&r->stream[i]) > (uint64_t)BATCH_SEQ_MAX)
			return bl_fail(err, BL_EINVAL,
			    "spool %s: a receipt names seq %llu, which no spool can have", s->path,
			    (unsigned long long)highest(&r->stream[i]));
	return BL_OK;
}

static bool
over_time(const struct spool *s, int64_t began_ms)
{
	return bl_mono_ms(s->clock) - began_ms >= ANSWER_MS;
}

/* ---- marking ---- */

struct mark {
	int64_t id, bytes;
	bool receipted;
};

/*
 * Applies marks in one transaction.  Only what changes is in the list.
 */
static int
apply_marks(struct spool *s, const struct mark *m, unsigned n, struct bl_err *err)
{
	const int64_t now = bl_unix_ms(s->clock);
	int rc = BL_OK;

	if (n == 0)
		return BL_OK;
	(void)bl_fault_hit("spool.receipting");
	if ((rc = txn_begin(s, err)) < 0)
		return rc;
	for (unsigned i = 0; i < n && rc == BL_OK; i++) {
		struct spool_stream *st = &s->d.stream[stream_index(batch_stream(m[i].id))];
		const int64_t sign = m[i].receipted ? -1 : 1;

		rc = m[i].receipted ? db_run(s, Q_BATCH_RECEIPT, err, "ii", m[i].id, now)
				    : db_run(s, Q_BATCH_RECEIPT, err, "in", m[i].id);
		st->waiting += sign;
		st->waiting_bytes += sign * m[i].bytes;
	}
	if (rc < 0) {
		txn_rollback(s);
		return rc;
	}
	if ((rc = txn_commit(s, err)) == BL_OK)
		for (unsigned i = 0; i < n; i++)
			outstanding_forget(s, m[i].id);
	if (s->group == TXN_SINGLE)
		(void)bl_fault_hit("spool.receipted");
	return rc;
}

enum walk_mode {
	WALK_MORE,  /* a receipt: marks more, takes nothing back */
	WALK_EXACT, /* an answer: marks exactly */
	WALK_FORKED /* an answer to a rolled-back file */
};

/*
 * Goes over the batches of one stream and generation and marks what differs
 * from the receipt's word; in slices, so that the log stays small.  A crash
 * between two is mended by the next answer.
 */
static int
walk_stream(struct spool *s, int64_t gen, enum bl_stream stream, const struct bl_receipt_stream *r,
    enum walk_mode mode, unsigned *changed, struct bl_err *err)
{
	struct mark marks[WALK_ROWS];
	int64_t at = batch_id(gen, stream, 0);
	const int64_t end = batch_id(gen, stream, mode == WALK_MORE ? highest(r) : UINT64_MAX);
	int rc = 1;

	while (rc == 1) {
		sqlite3_stmt *st;
		unsigned n = 0;

		st = db_select(
		    s, mode == WALK_MORE ? Q_WAITING_UP : Q_BATCH_WALK, err, "ii", at, end);
		if (st == NULL)
			return err->code;
		while (n < WALK_ROWS && (rc = db_step(s, st, err)) == 1) {
			const int64_t id = sqlite3_column_int64(st, 0);
			const bool was = sqlite3_column_type(st, 10) != SQLITE_NULL;
			bool is = settles(r, batch_seq(id));

			/* Never offered: the centre's is another one, or the same; it will see. */
			if (mode == WALK_FORKED && is && !was)
				is = (sqlite3_column_int(st, 9) & BATCH_OFFERED) != 0;
			at = id + 1;
			if (is == was || (mode == WALK_MORE && !is))
				continue;
			marks[n++] = (struct mark){ id, sqlite3_column_int64(st, 7), is };
		}
		db_done(st);
		*changed += n;
		if (rc < 0 || apply_marks(s, marks, n, err) < 0)
			return rc < 0 ? rc : err->code;
	}
	return rc;
}

/* True: the centre knows a batch that we hold and never offered. */
static int
knows_unoffered(struct spool *s, const struct bl_receipt *r, bool *found, struct bl_err *err)
{
	int rc = 0;

	*found = false;
	for (unsigned i = 0; i < BL_STREAMS && rc >= 0 && !*found; i++) {
		const enum bl_stream stream = (enum bl_stream)(i + 1);
		sqlite3_stmt *st =
		    db_select(s, Q_WAITING_UP, err, "ii", batch_id(s->d.gen, stream, 0),
			batch_id(s->d.gen, stream, highest(&r->stream[i])));

		if (st == NULL)
			return err->code;
		while (!*found && (rc = db_step(s, st, err)) == 1)
			*found = (sqlite3_column_int(st, 9) & BATCH_OFFERED) == 0 &&
				 settles(&r->stream[i], batch_seq(sqlite3_column_int64(st, 0)));
		db_done(st);
	}
	return rc < 0 ? rc : BL_OK;
}

/* ---- rolled back ---- */

/* The end of the settled run that holds seq; 0: it is not settled. */
static uint64_t
settled_to(const struct bl_receipt_stream *r, uint64_t seq)
{
	const struct bl_ranges *const lists[] = { &r->beyond, &r->aside };

	if (seq <= r->contiguous)
		return r->contiguous;
	for (unsigned l = 0; l < 2; l++)
		for (unsigned k = 0; k < lists[l]->n; k++)
			if (lists[l]->r[k].first <= seq && seq <= lists[l]->r[k].last)
				return lists[l]->r[k].last;
	return 0;
}

/* The first settled seq after seq, or beyond. */
static uint64_t
settled_from(const struct bl_receipt_stream *r, uint64_t seq, uint64_t beyond)
{
	const struct bl_ranges *const lists[] = { &r->beyond, &r->aside };
	uint64_t first = beyond;

	for (unsigned l = 0; l < 2; l++)
		for (unsigned k = 0; k < lists[l]->n; k++)
			if (lists[l]->r[k].first > seq && lists[l]->r[k].first < first)
				first = lists[l]->r[k].first;
	return first;
}

/*
 * In a transaction: what the centre has of an id from next_seq on was never in this file.  When
 * its store is lost or set back, nobody can send that again; it is named then.
 */
static int
note_elsewhere(struct spool *s, int64_t gen, enum bl_stream stream, uint64_t next_seq,
    const struct bl_receipt_stream *r, struct bl_err *err)
{
	const uint64_t top = highest(r);
	uint64_t at = next_seq > 0 ? next_seq : 1, last;
	int rc = BL_OK;

	while (at <= top && rc == BL_OK) {
		if ((last = settled_to(r, at)) != 0)
			rc = trimmed_elsewhere(s, gen, stream, at, last, err);
		at = last != 0 ? last + 1 : settled_from(r, at, top + 1);
	}
	return rc;
}

/*
 * In a transaction: as above of what is held and was never offered: what the centre has under
 * these seqs is another life's.  (Or the same, and comes under the new id, too.)
 */
static int
note_others(
    struct spool *s, enum bl_stream stream, const struct bl_receipt_stream *r, struct bl_err *err)
{
	sqlite3_stmt *st = db_select(s, Q_BATCH_WALK, err, "ii", batch_id(s->d.gen, stream, 0),
	    batch_id(s->d.gen, stream, highest(r)));
	int rc, put = BL_OK;

	if (st == NULL)
		return err->code;
	while (put == BL_OK && (rc = db_step(s, st, err)) == 1) {
		const uint64_t seq = batch_seq(sqlite3_column_int64(st, 0));

		if ((sqlite3_column_int(st, 9) & BATCH_OFFERED) == 0 && settles(r, seq))
			put = trimmed_elsewhere(s, s->d.gen, stream, seq, seq, err);
	}
	db_done(st);
	return put < 0 ? put : rc < 0 ? rc : BL_OK;
}

/*
 * In a transaction: what came over from a damaged file and the centre has.  It is not cut again
 * when the centre is set back (spool_recut.c), as little as what had its receipt in that file.
 */
static int
note_salvaged(struct spool *s, int64_t gen, enum bl_stream stream,
    const struct bl_receipt_stream *r, struct bl_err *err)
{
	sqlite3_stmt *st = db_select(s, Q_BATCH_WALK, err, "ii", batch_id(gen, stream, 0),
	    batch_id(gen, stream, highest(r)));
	int rc = 0, put = BL_OK;

	if (st == NULL)
		return err->code;
	while (put == BL_OK && (rc = db_step(s, st, err)) == 1) {
		const uint64_t seq = batch_seq(sqlite3_column_int64(st, 0));

		if (settles(r, seq))
			put = trimmed_elsewhere(s, gen, stream, seq, seq, err);
	}
	db_done(st);
	return put < 0 ? put : rc < 0 ? rc : BL_OK;
}

/*
 * Names the seqs first..last of a former id, none of them settled or held: what had its receipt
 * was lost at the centre, and what travelled in it is told again; the rest as given.
 */
static int
name_not_held(struct spool *s, int64_t gen, struct bl_gap *gap, uint64_t first, uint64_t last,
    enum bl_gap_reason otherwise, struct bl_err *err)
{
	int64_t a, b;
	int rc = BL_OK;

	for (; first <= last && rc >= 0; first = gap->seq_last + 1) {
		rc = trimmed_next(s, batch_id(gen, gap->stream, first),
		    batch_id(gen, gap->stream, last), &a, &b, err);
		gap->reason = otherwise;
		gap->seq_first = first;
		gap->seq_last = rc == 1 ? batch_seq(a) - 1 : last;
		if (rc == 1 && batch_seq(a) == first) {
			gap->reason = BL_GAP_LOST_AT_CENTRE;
			gap->seq_last = batch_seq(b);
			rc = db_run(s, Q_LEDGER_UNTOLD, err, "ii", a, b);
		}
		if (rc >= 0)
			rc = ledger_add(s, gap, err);
	}
	return rc < 0 ? rc : BL_OK;
}

/*
 * Names the seqs first..last of a former id, none of them settled: what is held
 * moves to the new id (rolled back), the rest is lost for the given reason.
 */
static int
name_run(struct spool *s, int64_t gen, struct bl_gap *gap, uint64_t first, uint64_t last,
    enum bl_gap_reason not_held, struct bl_err *err)
{
	while (first <= last) {
		sqlite3_stmt *st = db_select(s, Q_BATCH_WALK, err, "ii",
		    batch_id(gen, gap->stream, first), batch_id(gen, gap->stream, last));
		uint64_t held = 0, end;
		int rc;

		if (st == NULL)
			return err->code;
		if ((rc = db_step(s, st, err)) == 1)
			held = batch_seq(sqlite3_column_int64(st, 0));
		/* A run of held ones, or of missing ones up to the next held one. */
		end = held == first ? first : held == 0 ? last : held - 1;
		while (held == first && end < last && rc == 1 && (rc = db_step(s, st, err)) == 1 &&
		       batch_seq(sqlite3_column_int64(st, 0)) == end + 1)
			end++;
		db_done(st);
		if (rc < 0)
			return rc;
		gap->reason = BL_GAP_ROLLED_BACK;
		gap->seq_first = first;
		gap->seq_last = end;
		rc = held == first ? ledger_add(s, gap, err)
				   : name_not_held(s, gen, gap, first, end, not_held, err);
		if (rc < 0)
			return rc;
		first = end + 1;
	}
	return BL_OK;
}

/* Names the seqs of a former id that will not come under it any more; notes what the centre has
 * of it and this file had not. */
static int
name_old_seqs(struct spool *s, int64_t gen, const struct bl_id *spool, enum bl_stream stream,
    uint64_t next_seq, const struct bl_receipt_stream *r, enum bl_gap_reason not_held,
    struct bl_err *err)
{
	struct bl_gap gap = { .spool = *spool, .stream = stream };
	const uint64_t top = highest(r) + 1 > next_seq ? highest(r) : next_seq - 1;
	uint64_t at = 1, next;
	int rc = note_elsewhere(s, gen, stream, next_seq, r, err);

	for (; at <= top && rc == BL_OK; at = next) {
		if ((next = settled_to(r, at)) != 0) {
			next++;
			continue;
		}
		next = settled_from(r, at, top + 1);
		rc = name_run(s, gen, &gap, at, next - 1, not_held, err);
	}
	return rc;
}

/* Most of it now; what is left follows in slices with trimming. */
static int
recut_most(struct spool *s, struct bl_err *err)
{
	const int64_t began = bl_mono_ms(s->clock);
	bool more = true;
	int rc = BL_OK;

	while (more && rc == BL_OK && !over_time(s, began))
		rc = recut_slice(s, 8, &more, err);
	return rc;
}

/* In a transaction: another id from here on. */
static int
new_identity(struct spool *s, struct bl_err *err)
{
	s->d.predecessor = s->d.spool;
	s->d.spool = bl_id_random(s->clock);
	s->d.gen++;
	for (unsigned i = 0; i < BL_STREAMS; i++) {
		s->d.stream[i].next_seq = 1;
		s->d.stream[i].contiguous = 0;
		s->d.stream[i].fork_seq = INT64_MAX;
	}
	return db_run(s, Q_GEN_ADD, err, "idiiii", s->d.gen, &s->d.spool, INT64_C(1), INT64_C(0),
	    INT64_C(0), INT64_C(0));
}

static int
roll_back(struct spool *s, const struct bl_receipt *r, struct bl_err *err)
{
	char old[BL_ID_HEX_SIZE], fresh[BL_ID_HEX_SIZE];
	unsigned changed = 0;
	int rc;

	for (unsigned i = 0; i < BL_STREAMS; i++)
		if ((rc = walk_stream(s, s->d.gen, (enum bl_stream)(i + 1), &r->stream[i],
			 WALK_FORKED, &changed, err)) < 0)
			return rc;
	if ((rc = txn_begin(s, err)) < 0)
		return rc;
	bl_id_hex(&s->d.spool, old);
	for (unsigned i = 0; i < BL_STREAMS && rc == BL_OK; i++)
		if ((rc = note_others(s, (enum bl_stream)(i + 1), &r->stream[i], err)) == BL_OK)
			rc = name_old_seqs(s, s->d.gen, &s->d.spool, (enum bl_stream)(i + 1),
			    (uint64_t)s->d.stream[i].next_seq, &r->stream[i], BL_GAP_ROLLED_BACK,
			    err);
	if (rc < 0 || (rc = new_identity(s, err)) < 0) {
		txn_rollback(s);
		return rc;
	}
	s->d.epoch = r->epoch;
	if ((rc = txn_commit(s, err)) < 0)
		return rc;
	spool_outstanding_clear_all(s);
	file_note_identity(s);
	bl_id_hex(&s->d.spool, fresh);
	bl_warn("spool", "%s: an older copy was put back; going on under a new id old=%s new=%s",
	    is_closed(r) ? "this spool has a successor at the centre that its file does not know"
			 : "the centre knows more of this spool than its file",
	    old, fresh);

	if ((rc = recut_most(s, err)) < 0)
		return rc;
	if (s->live_from[0] != INT64_MAX)
		spool_live_begins(s);
	return BL_OK;
}

/* ---- answers about a former id that was salvaged ---- */

/* Where a former id had come to. */
struct former {
	int64_t gen; /* 0: not one of ours */
	bool asked;
	uint64_t next_seq[BL_STREAMS];
};

static int
former_of(struct spool *s, const struct bl_id *spool, struct former *f, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	memset(f, 0, sizeof(*f));
	if ((st = db_select(s, Q_GEN_OF_SPOOL, err, "d", spool)) == NULL)
		return err->code;
	if ((rc = db_step(s, st, err)) == 1) {
		f->gen = sqlite3_column_int64(st, 0);
		f->asked = sqlite3_column_int(st, 2) != 0;
		for (int i = 0; i < BL_STREAMS; i++)
			f->next_seq[i] = (uint64_t)sqlite3_column_int64(st, 3 + i);
	}
	db_done(st);
	return rc < 0 ? rc : BL_OK;
}

/* The seq after the highest held one of a stream, or what the file had said. */
static int
next_of_former(struct spool *s, const struct former *f, enum bl_stream stream, uint64_t *next,
    struct bl_err *err)
{
	sqlite3_stmt *st = db_select(s, Q_BATCH_WALK_DOWN, err, "ii", batch_id(f->gen, stream, 0),
	    batch_id(f->gen, stream, UINT64_MAX));
	int rc;

	*next = f->next_seq[stream_index(stream)];
	if (st == NULL)
		return err->code;
	if ((rc = db_step(s, st, err)) == 1 && batch_seq(sqlite3_column_int64(st, 0)) >= *next)
		*next = batch_seq(sqlite3_column_int64(st, 0)) + 1;
	db_done(st);
	return rc < 0 ? rc : BL_OK;
}

/*
 * Names the batches of a range as damaged and drops them, one transaction each.
 * *left: the time was up first.  What is left is for the next answer: as long as
 * the former id is not marked as asked, hello asks about it again.
 */
static int
drop_range(
    struct spool *s, int64_t lo, int64_t hi, int64_t began_ms, bool *left, struct bl_err *err)
{
	int64_t id;
	int rc;

	*left = false;
	while (!*left) {
		sqlite3_stmt *st = db_select(s, Q_BATCH_WALK, err, "ii", lo, hi);

		if (st == NULL)
			return err->code;
		rc = db_step(s, st, err);
		id = rc == 1 ? sqlite3_column_int64(st, 0) : 0;
		db_done(st);
		if (rc <= 0 || (rc = batch_lost(s, id, BL_GAP_DAMAGED, err)) < 0)
			return rc;
		*left = over_time(s, began_ms);
	}
	return BL_OK;
}

/*
 * Rows that were open in the damaged file got seqs after its last (spool_salvage.c).
 * When the centre knows seqs from there on, the file was older than what it had
 * sent, and the rows may be in those: they are named and not sent twice.
 */
static int
drop_reopened(struct spool *s, const struct former *f, enum bl_stream stream,
    const struct bl_receipt *r, int64_t began_ms, bool *left, struct bl_err *err)
{
	const uint64_t next = f->next_seq[stream_index(stream)];

	if (highest(&r->stream[stream_index(stream)]) < next)
		return BL_OK;
	return drop_range(s, batch_id(f->gen, stream, next), batch_id(f->gen, stream, UINT64_MAX),
	    began_ms, left, err);
}

static int
answer_for_former(
    struct spool *s, const struct former *f, const struct bl_receipt *r, struct bl_err *err)
{
	const int64_t began = bl_mono_ms(s->clock);
	unsigned changed = 0;
	bool left = false;
	uint64_t next;
	int rc;

	for (unsigned i = 0; i < BL_STREAMS; i++)
		if ((rc = drop_reopened(s, f, (enum bl_stream)(i + 1), r, began, &left, err)) < 0 ||
		    left)
			return rc;
	for (unsigned i = 0; i < BL_STREAMS; i++)
		if ((rc = walk_stream(s, f->gen, (enum bl_stream)(i + 1), &r->stream[i], WALK_EXACT,
			 &changed, err)) < 0)
			return rc;
	if ((rc = txn_begin(s, err)) < 0)
		return rc;
	for (unsigned i = 0; i < BL_STREAMS && rc == BL_OK; i++) {
		const enum bl_stream stream = (enum bl_stream)(i + 1);

		if (f->gen < SPOOL_GEN_AFTER_DAMAGE && s->d.gen >= SPOOL_GEN_AFTER_DAMAGE &&
		    (rc = note_salvaged(s, f->gen, stream, &r->stream[i], err)) < 0)
			break;
		if ((rc = next_of_former(s, f, stream, &next, err)) == BL_OK)
			rc = name_old_seqs(
			    s, f->gen, &r->spool, stream, next, &r->stream[i], BL_GAP_DAMAGED, err);
	}
	if (rc < 0 || (rc = db_run(s, Q_GEN_ASKED, err, "i", f->gen)) < 0) {
		txn_rollback(s);
		return rc;
	}
	if (bl_id_is_zero(&s->d.epoch))
		s->d.epoch = r->epoch; /* whose word its receipts are from now on */
	if ((rc = txn_commit(s, err)) < 0)
		return rc;
	return recut_most(s, err);
}

/*
 * The centre will not hear of a former id: what was recovered of it can neither
 * be delivered nor be sent under another id, for it may be there already.
 */
static int
give_up_former(struct spool *s, const struct former *f, struct bl_err *err)
{
	const int64_t began = bl_mono_ms(s->clock);
	bool left;
	int rc;

	rc = drop_range(
	    s, batch_id(f->gen, 0, 0), batch_id(f->gen + 1, 0, 0) - 1, began, &left, err);
	if (rc < 0 || left || (rc = txn_begin(s, err)) < 0)
		return rc;
	if ((rc = db_run(s, Q_GEN_ASKED, err, "i", f->gen)) < 0) {
		txn_rollback(s);
		return rc;
	}
	bl_warn("spool", "the centre does not take what was recovered of a damaged spool; it is "
			 "named as damaged");
	return txn_commit(s, err);
}

/* ---- answer, receipt ---- */

static int
remember_receipt(struct spool *s, const struct bl_receipt *r, bool agreed, struct bl_err *err)
{
	bool news = agreed || !bl_id_equal(&s->d.epoch, &r->epoch);
	int rc;

	s->receipt_mono_ms = bl_mono_ms(s->clock);
	for (unsigned i = 0; i < BL_STREAMS; i++)
		news = news || s->d.stream[i].contiguous != (int64_t)r->stream[i].contiguous;
	/* A receipt that says nothing new moves only the time, with the next commit. */
	s->d.receipt_unix_ms = bl_unix_ms(s->clock);
	if (!news)
		return BL_OK;
	if ((rc = txn_begin(s, err)) < 0)
		return rc;
	s->d.epoch = r->epoch;
	for (unsigned i = 0; i < BL_STREAMS; i++) {
		s->d.stream[i].contiguous = (int64_t)r->stream[i].contiguous;
		if (agreed)
			s->d.stream[i].fork_seq = INT64_MAX;
	}
	return txn_commit(s, err);
}

int
spool_on_answer(struct spool *s, const struct bl_receipt *r, struct bl_err *err)
{
	struct bl_err local = { 0 };
	unsigned changed = 0;
	bool unoffered = false;
	struct former former;
	uint64_t lost;
	int rc;

	if (err == NULL)
		err = &local;
	if (r->verdict == BL_VERDICT_RETIRED)
		return SPOOL_ANSWER_OTHER;
	if ((rc = check_seqs(s, r, err)) < 0)
		return rc;
	if (!bl_id_equal(&r->spool, &s->d.spool)) {
		if ((rc = former_of(s, &r->spool, &former, err)) < 0)
			return rc;
		if (former.gen == 0 || former.asked)
			return SPOOL_ANSWER_OTHER;
		rc = r->verdict == BL_VERDICT_OK ? answer_for_former(s, &former, r, err)
						 : give_up_former(s, &former, err);
		return rc < 0 ? rc : SPOOL_ANSWER_ROLLED_BACK;
	}
	if (r->verdict != BL_VERDICT_OK && !is_closed(r))
		return SPOOL_ANSWER_OTHER;
	if ((rc = spool_commit(s, &lost, err)) < 0 && !s->begun)
		return rc; /* the run has not begun in the file: fork_seq is not set */
	if ((rc = recut_if_set_back(s, r, err)) < 0 ||
	    (rc = knows_unoffered(s, r, &unoffered, err)) < 0)
		return rc;
	if (unoffered || knows_uncut(s, r) || is_closed(r)) {
		rc = roll_back(s, r, err);
		return rc < 0 ? rc : SPOOL_ANSWER_ROLLED_BACK;
	}
	for (unsigned i = 0; i < BL_STREAMS; i++)
		if ((rc = walk_stream(s, s->d.gen, (enum bl_stream)(i + 1), &r->stream[i],
			 WALK_EXACT, &changed, err)) < 0)
			return rc;
	spool_outstanding_clear_all(s);
	rc = remember_receipt(s, r, true, err);
	return rc < 0 ? rc : SPOOL_ANSWER_OK;
}

/* What a receipt settles, and its word itself. */
static int
take_receipt(struct spool *s, const struct bl_receipt *r, struct bl_err *err)
{
	unsigned changed = 0;
	int rc;

	for (unsigned i = 0; i < BL_STREAMS; i++)
		if ((rc = walk_stream(s, s->d.gen, (enum bl_stream)(i + 1), &r->stream[i],
			 WALK_MORE, &changed, err)) < 0)
			return rc;
	return remember_receipt(s, r, false, err);
}

/* The same in one transaction; false: in several, please. */
static bool
take_receipt_at_once(struct spool *s, const struct bl_receipt *r)
{
	struct bl_err ignored = { 0 };
	int64_t waiting = 0;

	for (unsigned i = 0; i < BL_STREAMS; i++)
		waiting += s->d.stream[i].waiting;
	if (waiting > WALK_ROWS)
		return false;
	txn_group_begin(s, 0);
	if (txn_group_end(s, take_receipt(s, r, &ignored), &ignored) < 0)
		return false;
	(void)bl_fault_hit("spool.receipted");
	return true;
}

int
spool_on_receipt(struct spool *s, const struct bl_receipt *r, bool *say_hello, struct bl_err *err)
{
	struct bl_err local = { 0 };
	int rc;

	if (err == NULL)
		err = &local;
	*say_hello = false;
	if (!bl_id_equal(&r->spool, &s->d.spool))
		return SPOOL_ANSWER_OTHER;
	if ((rc = check_seqs(s, r, err)) < 0)
		return rc;
	*say_hello = !bl_id_equal(&r->epoch, &s->d.epoch) || knows_uncut(s, r);
	for (unsigned i = 0; i < BL_STREAMS; i++)
		*say_hello =
		    *say_hello || (int64_t)r->stream[i].contiguous < s->d.stream[i].contiguous;
	/* Somebody else has sent under our id: a copy of this file lives. */
	if (!*say_hello && (rc = knows_unoffered(s, r, say_hello, err)) < 0)
		return rc;
	if (*say_hello)
		return SPOOL_ANSWER_OK; /* the answer will say exactly */
	if (take_receipt_at_once(s, r))
		return SPOOL_ANSWER_OK;
	rc = take_receipt(s, r, err);
	return rc < 0 ? rc : SPOOL_ANSWER_OK;
}
