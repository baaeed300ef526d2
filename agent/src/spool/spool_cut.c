/*
 * Cutting: what is open becomes a batch, in one transaction that inserts the
 * batch, deletes its rows and moves the stream's counters.
 *
 * Every sample goes through an open row first, so a crash before the
 * transaction leaves the rows and one after it the batch, never both.
 */
#include <string.h>

#include "branchline/fault.h"

#include "spool_internal.h"

#define ALL_STREAMS        ((1u << BL_STREAMS) - 1)
#define CUT_TOGETHER_BYTES (64 * 1024) /* of open rows: the log has room for all */

/* What went into an encoder. */
struct feed {
	int64_t last_row, rows, samples, bytes;
	int64_t next_ms; /* boot time of the first row left out */
	int64_t last_gap;
	uint32_t skipped; /* their time is none that could be sent */
	int64_t damaged;  /* samples of rows that are not what was written */
	unsigned gaps;
	bool left; /* rows were left for another batch */
};

/* Rather too small than too large: the guess is of bytes before compression. */
static int64_t
cut_bytes(const struct spool *s)
{
	if (s->max_packet >= BL_CUT_RAW_BYTES)
		return BL_CUT_RAW_BYTES;
	return s->max_packet > SPOOL_CUT_LEAST ? (int64_t)s->max_packet : SPOOL_CUT_LEAST;
}

static bool
fits(const struct spool *s, const struct bl_batch_enc *enc, int64_t samples)
{
	return (int64_t)bl_batch_enc_raw_guess(enc) < cut_bytes(s) &&
	       bl_batch_enc_samples(enc) + samples <= BL_BATCH_SAMPLES_MAX;
}

static int
feed_row(struct spool *s, enum bl_stream stream, sqlite3_stmt *st, struct bl_batch_enc *enc,
    struct feed *f)
{
	const void *data = sqlite3_column_blob(st, 5);
	const size_t len = (size_t)sqlite3_column_bytes(st, 5);
	const int64_t samples = sqlite3_column_int64(st, 3);
	int rc = BL_ECORRUPT;

	if (row_crc(stream, sqlite3_column_int64(st, 1), sqlite3_column_int64(st, 2), samples, data,
		len) == sqlite3_column_int64(st, 4))
		rc = row_encode(data, len, (enum spool_row_kind)sqlite3_column_int(st, 1),
		    sqlite3_column_int64(st, 2), enc, &f->skipped);
	if (rc == BL_EFULL || rc == BL_ENOMEM)
		return rc;
	if (rc < 0) {
		f->damaged += samples;
		s->crc_bad_rows++;
	}
	f->last_row = sqlite3_column_int64(st, 0);
	f->rows++;
	f->samples += samples;
	f->bytes += (int64_t)len;
	return BL_OK;
}

static bool
feeds_pending(const struct spool *s, enum bl_stream stream)
{
	const struct spool_row *row = s->cutting_pending ? s->p.head : NULL;

	while (row != NULL && (row->stream != stream || row->kind != ROW_TICK))
		row = row->next;
	return row != NULL;
}

/* Ticks that wait in memory and go straight into the batch.  All of them, or BL_EFULL. */
static int
feed_pending(struct spool *s, enum bl_stream stream, struct bl_batch_enc *enc, struct feed *f,
    struct bl_err *err)
{
	int rc = f->left ? BL_EFULL : BL_OK;

	for (const struct spool_row *row = s->p.head; row != NULL && rc == BL_OK; row = row->next) {
		if (row->stream != stream || row->kind != ROW_TICK)
			continue;
		rc = !fits(s, enc, row->n) ? BL_EFULL
					   : row_encode(row->data, row->len, row->kind,
						 row->boot_ms, enc, &f->skipped);
	}
	return rc < 0 ? bl_fail(err, rc, "spool %s: cut what waits", s->path) : BL_OK;
}

/* At most max_rows rows. */
static int
feed_rows(struct spool *s, enum bl_stream stream, int64_t max_rows, struct bl_batch_enc *enc,
    struct feed *f, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc, fed = BL_OK;

	if ((st = db_select(s, Q_OPEN_READ, err, "i", (int64_t)stream)) == NULL)
		return err->code;
	while ((rc = db_step(s, st, err)) == 1) {
		f->left = f->rows == max_rows ||
			  (f->rows > 0 &&
			      (!fits(s, enc, sqlite3_column_int64(st, 3)) ||
				  f->bytes + sqlite3_column_bytes(st, 5) > txn_bytes_most(s))) ||
			  (fed = feed_row(s, stream, st, enc, f)) == BL_EFULL;
		if (f->left)
			f->next_ms = sqlite3_column_int64(st, 2);
		if (f->left || fed < 0)
			break;
	}
	db_done(st);
	if (rc < 0)
		return rc;
	if (fed < 0 && fed != BL_EFULL)
		return bl_fail(err, fed, "spool %s: cut: %s", s->path, bl_code_name(fed));
	return s->cutting_pending ? feed_pending(s, stream, enc, f, err) : BL_OK;
}

int64_t
lowest_held(struct spool *s, enum bl_stream stream, struct bl_err *err)
{
	const struct spool_stream *m = &s->d.stream[stream_index(stream)];
	int64_t lowest = m->next_seq;
	sqlite3_stmt *st;
	int rc;

	st = db_select(s, Q_BATCH_WALK, err, "ii", batch_id(s->d.gen, stream, 0),
	    batch_id(s->d.gen, stream, UINT64_MAX));
	if (st == NULL)
		return err->code;
	if ((rc = db_step(s, st, err)) == 1)
		lowest = (int64_t)batch_seq(sqlite3_column_int64(st, 0));
	db_done(st);
	return rc < 0 ? rc : lowest;
}

int64_t
lowest_waiting(struct spool *s, enum bl_stream stream, struct bl_err *err)
{
	int64_t lowest = s->d.stream[stream_index(stream)].next_seq;
	sqlite3_stmt *st = db_select(s, Q_WAITING_UP, err, "ii", batch_id(s->d.gen, stream, 0),
	    batch_id(s->d.gen, stream, UINT64_MAX));
	int rc;

	if (st == NULL)
		return err->code;
	if ((rc = db_step(s, st, err)) == 1)
		lowest = (int64_t)batch_seq(sqlite3_column_int64(st, 0));
	db_done(st);
	return rc < 0 ? rc : lowest;
}

int
batch_insert(struct spool *s, int64_t id, const struct bl_batch_header *h, int flags,
    int64_t samples, const struct bl_buf *msg, struct bl_err *err)
{
	struct spool_stream *m = &s->d.stream[stream_index(batch_stream(id))];
	int rc;

	rc = db_run(s, Q_BATCH_ADD, err, "idiiiiiiii", id, &h->boot, h->collect_begin_ms,
	    h->collect_end_ms, samples, (int64_t)h->n_events, (int64_t)h->n_gaps, (int64_t)msg->len,
	    (int64_t)crc_bytes(msg->data, msg->len), (int64_t)flags);
	if (rc == BL_OK)
		rc = db_run(s, Q_BODY_ADD, err, "ib", id, (const void *)msg->data, msg->len);
	m->held++;
	m->held_bytes += (int64_t)msg->len;
	m->waiting++;
	m->waiting_bytes += (int64_t)msg->len;
	return rc;
}

int
batch_delete(struct spool *s, int64_t id, bool waiting, int64_t bytes, struct bl_err *err)
{
	struct spool_stream *m = &s->d.stream[stream_index(batch_stream(id))];
	int rc;

	if ((rc = db_run(s, Q_BATCH_DROP, err, "i", id)) < 0 ||
	    (rc = db_run(s, Q_BODY_DROP, err, "i", id)) < 0)
		return rc;
	m->held--;
	m->held_bytes -= bytes;
	if (waiting) {
		m->waiting--;
		m->waiting_bytes -= bytes;
	}
	return BL_OK;
}

/*
 * Rows that were accepted and are not there any more, though nobody here took them
 * out.  No reason is known, and none is invented: "vanished" counts as unexplained.
 */
static int
name_vanished(
    struct spool *s, const struct bl_batch_header *h, const struct feed *f, struct bl_err *err)
{
	struct spool_stream *m = &s->d.stream[stream_index(h->stream)];
	const struct bl_gap gap = {
		.reason = BL_GAP_VANISHED,
		.stream = h->stream,
		.begin_boot = h->boot,
		.begin_boot_ms = h->collect_begin_ms,
		.end_boot = h->boot,
		.end_boot_ms = h->collect_end_ms,
		.samples = m->open_samples > 0 ? (uint64_t)m->open_samples : 0,
	};

	int rc = BL_OK;

	if (f->left || m->open_rows == 0)
		return BL_OK;
	if (m->open_rows > 0) {
		bl_error("spool",
		    "accepted rows are not in the file any more; nothing of ours deleted them"
		    " stream=%d rows=%lld samples=%lld",
		    (int)h->stream, (long long)m->open_rows, (long long)m->open_samples);
		rc = ledger_add(s, &gap, err);
	}
	m->open_rows = m->open_samples = m->open_bytes = 0;
	return rc;
}

/* What the encoder could not take is named. */
static int
name_losses(
    struct spool *s, const struct bl_batch_header *h, const struct feed *f, struct bl_err *err)
{
	struct bl_gap gap = {
		.stream = h->stream,
		.begin_boot = h->boot,
		.begin_boot_ms = h->collect_begin_ms,
		.end_boot = h->boot,
		.end_boot_ms = h->collect_end_ms,
	};
	int rc = BL_OK;

	if (f->skipped > 0) {
		gap.reason = BL_GAP_CLOCK;
		gap.samples = f->skipped;
		rc = ledger_add(s, &gap, err);
	}
	if (rc == BL_OK && f->damaged > 0) {
		gap.reason = BL_GAP_DAMAGED;
		gap.samples = (uint64_t)f->damaged;
		rc = ledger_add(s, &gap, err);
	}
	return rc;
}

static int
store(struct spool *s, const struct bl_batch_header *h, const struct bl_buf *msg,
    const struct feed *f, int64_t upto_ms, struct bl_err *err)
{
	struct spool_stream *m = &s->d.stream[stream_index(h->stream)];
	const int64_t id = batch_id(s->d.gen, h->stream, h->seq);
	int rc;

	if ((rc = txn_begin_for(s, f->bytes + (int64_t)msg->len, err)) < 0)
		return rc;
	rc = batch_insert(s, id, h, 0, h->n_samples, msg, err);
	(void)bl_fault_hit("spool.cutting");
	if (rc < 0 ||
	    (rc = db_run(s, Q_OPEN_DROP, err, "ii", (int64_t)h->stream, f->last_row)) < 0 ||
	    (f->last_gap > 0 &&
		(rc = db_run(s, Q_LEDGER_TRAVELLED, err, "ii", f->last_gap, id)) < 0) ||
	    (rc = name_losses(s, h, f, err)) < 0) {
		txn_rollback(s);
		return rc;
	}
	m->next_seq++;
	m->begin_ms = h->collect_end_ms;
	m->open_rows -= f->rows;
	m->open_samples -= f->samples;
	m->open_bytes -= f->bytes;
	if ((rc = name_vanished(s, h, f, err)) < 0) {
		txn_rollback(s);
		return rc;
	}
	if (upto_ms > s->d.covered_ms)
		s->d.covered_ms = upto_ms;
	return txn_commit(s, err);
}

static void
header_fill(struct spool *s, enum bl_stream stream, const struct feed *f, int64_t upto_ms,
    struct bl_batch_header *h)
{
	const struct spool_stream *m = &s->d.stream[stream_index(stream)];
	int64_t end = upto_ms;

	if (f->left && f->next_ms < end)
		end = f->next_ms;
	memset(h, 0, sizeof(*h));
	h->spool = s->d.spool;
	h->boot = s->d.boot;
	h->stream = stream;
	h->kind = BL_BATCH_NORMAL;
	h->seq = (uint64_t)m->next_seq;
	h->next_seq = (uint64_t)m->next_seq + 1;
	h->lowest_held = (uint64_t)m->next_seq;
	h->collect_begin_ms = m->begin_ms;
	h->collect_end_ms = end > m->begin_ms ? end : m->begin_ms;
}

static void
learn(struct spool *s, enum bl_stream stream, const struct bl_batch_header *h, const struct feed *f)
{
	/* Only long spans teach: a short one is mostly frame. */
	if (f->bytes < 8 * 1024)
		return;
	s->raw_per_open_pct[stream_index(stream)] = 100 * (int64_t)h->raw_bytes / f->bytes + 1;
}

/* One batch of at most max_rows rows.  BL_EFULL with *too_big: fewer rows, please. */
static int
cut_one(struct spool *s, enum bl_stream stream, int64_t max_rows, int64_t upto_ms, bool *left,
    bool *too_big, struct bl_err *err)
{
	struct bl_batch_enc *enc;
	struct bl_batch_header h;
	struct feed f = { 0 };
	struct bl_buf msg;
	int rc;

	*left = false;
	*too_big = false;
	if ((enc = bl_batch_enc_create()) == NULL)
		return bl_fail(err, BL_ENOMEM, "spool %s: cut: out of memory", s->path);
	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	if ((rc = feed_rows(s, stream, max_rows, enc, &f, err)) < 0)
		goto out;
	if (stream == BL_STREAM_EVENTS &&
	    (rc = ledger_encode(s, enc, &f.last_gap, &f.gaps, err)) < 0)
		goto out;
	header_fill(s, stream, &f, upto_ms, &h);
	rc = bl_batch_enc_finish(enc, &h, &msg, err);
	*too_big = f.rows > 1 && (rc == BL_EFULL || (rc == BL_OK && msg.len > s->max_packet));
	if (*too_big)
		rc = BL_EFULL;
	if (rc < 0)
		goto out;
	if ((rc = store(s, &h, &msg, &f, upto_ms, err)) == BL_OK) {
		if (s->group == TXN_SINGLE)
			(void)bl_fault_hit("spool.cut");
		learn(s, stream, &h, &f);
		*left = f.left;
	}
out:
	bl_buf_free(&msg);
	bl_batch_enc_free(enc);
	return rc;
}

int
cut_stream(struct spool *s, enum bl_stream stream, unsigned *cut, struct bl_err *err)
{
	const unsigned i = stream_index(stream);
	int64_t upto = s->d.covered_ms, max_rows = INT64_MAX;
	bool left = true, too_big = false;
	unsigned freed = 0;
	int rc;

	if (s->begun && pending_empty(s) && s->covered_ms > upto)
		upto = s->covered_ms;
	if (s->begun && s->open_from_ms[i] < upto)
		upto = s->open_from_ms[i];
	if (s->d.stream[i].open_rows == 0 && upto <= s->d.stream[i].begin_ms &&
	    !feeds_pending(s, stream))
		return BL_OK;
	while (left) {
		rc = cut_one(s, stream, max_rows, upto, &left, &too_big, err);
		if (rc == BL_OK) {
			(*cut)++;
			continue;
		}
		left = true;
		if (too_big)
			max_rows = max_rows > 2048 ? 1024 : max_rows / 2;
		else if (rc != BL_EFULL || trim_for_room(s, &freed, err) < 0 || freed == 0)
			return rc;
		if (max_rows == 0)
			return rc;
	}
	s->cut_mono_ms[i] = bl_mono_ms(s->clock);
	if (stream == BL_STREAM_EVENTS)
		s->event_mono_ms = INT64_MAX;
	return BL_OK;
}

/* ---- policy ---- */

/* A batch is full. */
static bool
is_full(const struct spool *s, unsigned i)
{
	const struct spool_stream *m = &s->d.stream[i];
	const int64_t raw = m->open_bytes * s->raw_per_open_pct[i] / 100;

	return raw >= cut_bytes(s) || m->open_samples >= BL_BATCH_SAMPLES_MAX;
}

bool
cut_pressing(const struct spool *s)
{
	bool full = false;

	for (unsigned i = 0; i < BL_STREAMS; i++)
		full = full || is_full(s, i);
	return full;
}

static int64_t
link_period(const struct spool *s)
{
	return s->group_ms > SPOOL_CUT_LINK_MS ? s->group_ms : SPOOL_CUT_LINK_MS;
}

/* In how many ms this stream is due; <= 0: now. */
static int64_t
due_in(const struct spool *s, unsigned i, int64_t now, int64_t period)
{
	const int64_t in = s->cut_mono_ms[i] + period - now;
	int64_t event_in = INT64_MAX;

	if (is_full(s, i))
		return 0;
	/* A step of a process may be what somebody waits for; coverage alone is not. */
	if (i == stream_index(BL_STREAM_EVENTS) && s->event_mono_ms != INT64_MAX &&
	    s->link_was_up && period == link_period(s))
		event_in = s->event_mono_ms + SPOOL_CUT_EVENTS_MS - now;
	return event_in < in ? event_in : in;
}

static int64_t
period_of(const struct spool *s, unsigned i, int64_t period)
{
	return (s->held >> i & 1) != 0 ? SPOOL_CUT_ALONE_MS : period;
}

/*
 * Bit stream - 1: is to be cut now.  With a link, those that follow within half a period
 * come with one whose time it is, and the same transaction is for all of them from then on.
 */
static unsigned
due_now(const struct spool *s, int64_t now, int64_t period)
{
	unsigned due = 0;
	bool time = false;

	for (unsigned i = 0; i < BL_STREAMS; i++) {
		const int64_t own = period_of(s, i, period);

		if (due_in(s, i, now, own) <= 0)
			due |= 1u << i;
		time = time || (own == link_period(s) && s->cut_mono_ms[i] + own <= now);
	}
	for (unsigned i = 0; i < BL_STREAMS && time; i++)
		if (period_of(s, i, period) == link_period(s) &&
		    s->cut_mono_ms[i] + link_period(s) / 2 <= now)
			due |= 1u << i;
	return due;
}

static int
cut_each(struct spool *s, unsigned due, unsigned *cut, struct bl_err *err)
{
	int rc = BL_OK;

	for (unsigned i = 0; i < BL_STREAMS && rc == BL_OK; i++)
		if ((due >> i & 1) != 0)
			rc = cut_stream(s, (enum bl_stream)(i + 1), cut, err);
	return rc;
}

/* All in one transaction; false: nothing has changed, and each is to be cut for itself. */
static bool
cut_together(struct spool *s, unsigned due, unsigned *cut)
{
	const int64_t event_mono_ms = s->event_mono_ms;
	struct bl_err ignored = { 0 };
	int64_t cut_mono_ms[BL_STREAMS], bytes = 0;
	unsigned n = 0;

	memcpy(cut_mono_ms, s->cut_mono_ms, sizeof(cut_mono_ms));
	for (unsigned i = 0; i < BL_STREAMS; i++)
		bytes += (due >> i & 1) != 0 ? s->d.stream[i].open_bytes : 0;
	if ((due & (due - 1)) == 0 || bytes > CUT_TOGETHER_BYTES)
		return false;
	txn_group_begin(s, 2 * bytes); /* rows go, messages come */
	if (txn_group_end(s, cut_each(s, due, &n, &ignored), &ignored) == BL_OK) {
		(void)bl_fault_hit("spool.cut");
		*cut += n;
		return true;
	}
	memcpy(s->cut_mono_ms, cut_mono_ms, sizeof(cut_mono_ms));
	s->event_mono_ms = event_mono_ms;
	return false;
}

/*
 * When ticks wait in a group: into the batches, without a row of their own, which would be
 * written and deleted for nothing.  One transaction; false: nothing has changed.
 */
static bool
cut_pending(struct spool *s, unsigned due, unsigned *cut)
{
	const int64_t now = bl_mono_ms(s->clock), event_mono_ms = s->event_mono_ms;
	struct bl_err ignored = { 0 };
	int64_t cut_mono_ms[BL_STREAMS];
	unsigned n = 0;
	bool began;
	int rc;

	if (s->group_ms == 0 || due != ALL_STREAMS || !s->begun || s->p.doubt_no != 0)
		return false;
	memcpy(cut_mono_ms, s->cut_mono_ms, sizeof(cut_mono_ms));
	txn_group_begin(s, 2 * (int64_t)s->p.bytes);
	s->cutting_pending = true;
	rc = txn_begin(s, &ignored);
	began = rc == BL_OK;
	if (began && (rc = commit_for_cut(s, &ignored)) == BL_OK)
		rc = cut_each(s, due, &n, &ignored);
	s->cutting_pending = false;
	rc = txn_group_end(s, rc, &ignored);
	if (began) /* else what may be in doubt is a commit of others */
		commit_for_cut_done(s, rc);
	if (rc == BL_OK) {
		(void)bl_fault_hit("spool.cut");
		s->grouped_mono_ms = now;
		*cut += n;
		return true;
	}
	memcpy(s->cut_mono_ms, cut_mono_ms, sizeof(cut_mono_ms));
	s->event_mono_ms = event_mono_ms;
	return false;
}

static int64_t
alone_ms(const struct spool *s)
{
	return s->group_ms > 0 ? SPOOL_ALONE_MS + 2 * link_period(s) : SPOOL_ALONE_MS;
}

int
spool_cut_due(struct spool *s, bool link_up, unsigned *cut, int64_t *next_ms, struct bl_err *err)
{
	const int64_t now = bl_mono_ms(s->clock);
	unsigned due;
	uint64_t lost;
	int64_t period;
	int rc;

	*cut = 0;
	if (link_up && !s->link_was_up)
		s->receipt_mono_ms = now; /* five minutes to get the first receipt */
	s->link_was_up = link_up;
	period = now - s->receipt_mono_ms < alone_ms(s) ? link_period(s) : SPOOL_CUT_ALONE_MS;
	if ((due = due_now(s, now, period)) != 0 && !cut_pending(s, due, cut)) {
		if ((rc = spool_commit(s, &lost, err)) < 0)
			return rc;
		if (!cut_together(s, due, cut) && (rc = cut_each(s, due, cut, err)) < 0)
			return rc;
	}
	*next_ms = period;
	for (unsigned i = 0; i < BL_STREAMS; i++) {
		int64_t in;

		if ((due >> i & 1) != 0)
			s->cut_mono_ms[i] = now;
		in = due_in(s, i, now, period_of(s, i, period));
		if (in < *next_ms)
			*next_ms = in;
	}
	return BL_OK;
}

void
spool_hold(struct spool *s, uint8_t streams)
{
	const int64_t now = bl_mono_ms(s->clock);

	/* What may go again is cut at once, and has five minutes to get a receipt. */
	for (unsigned i = 0; i < BL_STREAMS; i++)
		if ((s->held & ~streams) >> i & 1)
			s->cut_mono_ms[i] = now - SPOOL_CUT_ALONE_MS;
	if ((s->held & ~streams) != 0)
		s->receipt_mono_ms = now;
	s->held = streams;
}

int
spool_cut_all(struct spool *s, unsigned *cut, struct bl_err *err)
{
	uint64_t lost;
	int rc;

	*cut = 0;
	if ((rc = spool_commit(s, &lost, err)) < 0)
		return rc;
	for (unsigned i = 0; i < BL_STREAMS && rc == BL_OK; i++)
		rc = cut_stream(s, (enum bl_stream)(i + 1), cut, err);
	return rc;
}
