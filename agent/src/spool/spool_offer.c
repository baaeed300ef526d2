/*
 * Offering: which frames go out next.
 *
 * Dictionary and clock map first, so that what follows can be placed; then
 * live, the newest first; then past, oldest first, events before probes before
 * host, within the credit.  What is out is remembered in memory only: after a
 * crash everything without a receipt is offered again.
 *
 * "offered" is written, and on the disk, before a batch leaves.  A centre that
 * knows a batch which this file never offered talks of another life of the
 * file: that is how a copy that was put back is found out (spool_answer.c).
 */
#include <string.h>

#include "branchline/fault.h"

#include "spool_internal.h"

bool
outstanding_has(const struct spool *s, int64_t id)
{
	for (unsigned i = 0; i < s->n_outstanding; i++)
		if (s->outstanding[i] == id)
			return true;
	return false;
}

void
outstanding_forget(struct spool *s, int64_t id)
{
	for (unsigned i = 0; i < s->n_outstanding; i++)
		if (s->outstanding[i] == id) {
			s->outstanding[i] = s->outstanding[--s->n_outstanding];
			return;
		}
}

#ifdef BL_BROKEN_DELETE_ON_PUBACK
/* Wrong: nobody has said that the centre has it. */
static void
broken_delete(struct spool *s, int64_t id)
{
	struct bl_err err = { 0 };
	bool waiting = false;
	int64_t bytes = 0;
	sqlite3_stmt *st = db_select(s, Q_BATCH_GET, &err, "i", id);
	int rc = 0;

	if (st != NULL && (rc = db_step(s, st, &err)) == 1) {
		bytes = sqlite3_column_int64(st, 7);
		waiting = sqlite3_column_type(st, 10) == SQLITE_NULL;
	}
	db_done(st);
	if (rc != 1 || txn_begin(s, &err) < 0)
		return;
	if (batch_delete(s, id, waiting, bytes, &err) < 0)
		txn_rollback(s);
	else
		(void)txn_commit(s, &err);
}
#endif

void
spool_outstanding_clear(struct spool *s, enum bl_stream stream, uint64_t seq)
{
#ifdef BL_BROKEN_DELETE_ON_PUBACK
	if (seq >> 63 != 0) { /* from uplink_send.c: a PUBACK came */
		broken_delete(s, batch_id(s->d.gen, stream, seq & ~(UINT64_C(1) << 63)));
		return;
	}
#endif
	if (stream_valid(stream)) {
		outstanding_forget(s, batch_id(s->d.gen, stream, seq));
	} else {
		s->dict_sent = 0;
		s->clock_sent = 0;
	}
}

void
spool_outstanding_clear_all(struct spool *s)
{
	s->n_outstanding = 0;
	s->dict_sent = 0;
	s->clock_sent = 0;
}

void
spool_live_begins(struct spool *s)
{
	for (unsigned i = 0; i < BL_STREAMS; i++) {
		s->live_from[i] = s->d.stream[i].next_seq;
		s->live_ms[i] = s->d.stream[i].begin_ms;
	}
}

/* A part of a batch from before has a new seq, and is no news. */
static bool
is_live(const struct spool *s, unsigned i, sqlite3_stmt *batch)
{
	const struct bl_id boot = db_column_id(batch, 1);

	return (int64_t)batch_seq(sqlite3_column_int64(batch, 0)) >= s->live_from[i] &&
	       sqlite3_column_int64(batch, 3) >= s->live_ms[i] && bl_id_equal(&boot, &s->d.boot);
}

/* ---- one frame ---- */

/*
 * Reads a batch into a frame.  0: the stored bytes are not what was written;
 * the batch is named as damaged and gone.
 */
static int
frame_fill(struct spool *s, int64_t id, uint32_t crc, struct spool_frame *f, struct bl_err *err)
{
	const enum bl_stream stream = batch_stream(id);
	const int64_t low = lowest_waiting(s, stream, err);
	sqlite3_stmt *st;
	bool good = false;
	int rc;

	if (low < 0)
		return (int)low;
	if ((st = db_select(s, Q_BODY_GET, err, "i", id)) == NULL)
		return err->code;
	bl_buf_init(&f->msg, BL_BATCH_WIRE_MAX + 1024);
	if ((rc = db_step(s, st, err)) == 1) {
		const void *msg = sqlite3_column_blob(st, 0);
		const size_t len = (size_t)sqlite3_column_bytes(st, 0);

		good = crc_bytes(msg, len) == crc;
		if (good)
			rc = bl_batch_reoffer(msg, len,
			    (uint64_t)s->d.stream[stream_index(stream)].next_seq, (uint64_t)low,
			    &f->msg, err);
		good = good && rc != BL_ECORRUPT;
	}
	db_done(st);
	if (rc < 0 && rc != BL_ECORRUPT) {
		bl_buf_free(&f->msg);
		return rc;
	}
	if (s->damaged)
		rc = BL_ECORRUPT;
	else if (!good)
		rc = batch_lost(s, id, BL_GAP_DAMAGED, err);
	else
		rc = 1;
	if (rc <= 0)
		bl_buf_free(&f->msg);
	f->type = BL_MSG_BATCH;
	f->stream = stream;
	f->seq = batch_seq(id);
	return rc;
}

static int
frame_dict(
    struct spool *s, uint32_t from, struct spool_frame *f, uint32_t *upto, struct bl_err *err)
{
	struct bl_series_def def[64];
	struct bl_buf held;
	sqlite3_stmt *st;
	uint32_t n = 0, encoded = 0;
	int rc;

	/* The definitions point into bytes that must outlive the statement. */
	bl_buf_init(&held, 64 * 2048);
	if ((st = db_select(s, Q_DICT_READ, err, "i", (int64_t)from)) == NULL)
		return err->code;
	bl_buf_bytes(&held, "", 1);
	while (n < 64 && !held.failed && held.len < 32 * 1024 && (rc = db_step(s, st, err)) == 1) {
		bl_buf_u16(&held, (uint16_t)sqlite3_column_bytes(st, 1));
		bl_buf_bytes(
		    &held, sqlite3_column_blob(st, 1), (size_t)sqlite3_column_bytes(st, 1));
		n++;
	}
	db_done(st);
	rc = held.failed ? bl_fail(err, BL_ENOMEM, "spool: dictionary: out of memory") : BL_OK;
	for (uint32_t i = 0, at = 1; i < n && rc == BL_OK; i++) {
		const size_t len = (size_t)(held.data[at] | held.data[at + 1] << 8);

		rc = def_decode(held.data + at + 2, len, &def[i]);
		def[i].id = from + i;
		at += 2 + (uint32_t)len;
		if (rc < 0) {
			s->damaged = true;
			rc = bl_fail(
			    err, rc, "spool %s: dictionary entry %u is damaged", s->path, from + i);
		}
	}
	bl_buf_init(&f->msg, BL_BATCH_WIRE_MAX);
	if (rc == BL_OK && n > 0)
		rc = bl_dict_encode(&s->d.spool, def, n, &f->msg, &encoded, err);
	while (rc == BL_OK && f->msg.len > s->max_packet && n > 1) {
		bl_buf_reset(&f->msg);
		n = encoded = encoded / 2 > 0 ? encoded / 2 : 1;
		rc = bl_dict_encode(&s->d.spool, def, n, &f->msg, &encoded, err);
	}
	bl_buf_free(&held);
	if (rc < 0 || encoded == 0) {
		bl_buf_free(&f->msg);
		return rc < 0 ? rc : 0;
	}
	f->type = BL_MSG_DICT;
	*upto = from + encoded - 1;
	return 1;
}

static int
frame_clock(
    struct spool *s, uint32_t from, struct spool_frame *f, uint32_t *upto, struct bl_err *err)
{
	struct bl_clock_segment seg[64];
	uint32_t encoded = 0;
	int n, rc;

	if ((n = clock_read(s, from, seg, 64, err)) <= 0)
		return n;
	bl_buf_init(&f->msg, BL_BATCH_WIRE_MAX);
	rc = bl_clockmap_encode(&s->d.spool, seg, (uint32_t)n, &f->msg, &encoded, err);
	if (rc < 0 || encoded == 0) {
		bl_buf_free(&f->msg);
		return rc < 0 ? rc : 0;
	}
	f->type = BL_MSG_CLOCK;
	*upto = from + encoded - 1;
	return 1;
}

/* ---- choosing ---- */

struct candidate {
	int64_t id; /* 0: none */
	int64_t end_ms, bytes;
	uint32_t crc;
	int flags;
};

/* It waits for a larger limit. */
static bool
is_indivisible(const struct spool *s, sqlite3_stmt *batch)
{
	const int64_t id = sqlite3_column_int64(batch, 0);

	if ((sqlite3_column_int(batch, 9) & BATCH_WHOLE) != 0 &&
	    (size_t)sqlite3_column_int64(batch, 7) > s->max_packet)
		return true;
	for (unsigned i = 0; i < s->n_indivisible; i++)
		if (s->indivisible[i] == id)
			return true;
	return false;
}

static void
note_indivisible(struct spool *s, const struct candidate *c)
{
	if (s->n_indivisible == SPOOL_INDIVISIBLE)
		memmove(s->indivisible, s->indivisible + 1,
		    --s->n_indivisible * sizeof(s->indivisible[0]));
	s->indivisible[s->n_indivisible++] = c->id;
}

static void
say_indivisible(struct spool *s, const struct candidate *c)
{
	unsigned swallowed;

	if (bl_log_allow(&s->too_big, bl_mono_ms(s->clock), 600000, &swallowed))
		bl_warn("spool",
		    "one thing in a batch is larger than the broker takes; the batch waits until "
		    "the broker's limit is raised stream=%d seq=%llu bytes=%lld limit=%zu",
		    (int)batch_stream(c->id), (unsigned long long)batch_seq(c->id),
		    (long long)c->bytes, s->max_packet);
}

/* The newest live, or the oldest past, batch of a stream that waits and is not out. */
static int
pick(struct spool *s, bool live, unsigned i, struct candidate *c, struct bl_err *err)
{
	const enum bl_stream stream = (enum bl_stream)(i + 1);
	const uint64_t from = live ? (uint64_t)s->live_from[i] : 0;
	sqlite3_stmt *st;
	int rc;

	c->id = 0;
	st = db_select(s, live ? Q_WAITING_DOWN : Q_WAITING_UP, err, "ii",
	    batch_id(s->d.gen, stream, from), batch_id(s->d.gen, stream, UINT64_MAX));
	if (st == NULL)
		return err->code;
	while ((rc = db_step(s, st, err)) == 1) {
		const int64_t id = sqlite3_column_int64(st, 0);

		if (is_live(s, i, st) != live || outstanding_has(s, id) || is_indivisible(s, st))
			continue;
		c->bytes = sqlite3_column_int64(st, 7);
		c->id = id;
		c->end_ms = sqlite3_column_int64(st, 3);
		c->crc = (uint32_t)sqlite3_column_int64(st, 8);
		c->flags = sqlite3_column_int(st, 9);
		break;
	}
	db_done(st);
	return rc < 0 ? rc : BL_OK;
}

/* What is left of a metered link's room; without limits nothing is taken from it. */
struct room {
	bool metered;
	size_t frame_bytes;
	uint64_t live[BL_STREAMS], past[BL_STREAMS];
};

static uint64_t
cost_of(const struct room *r, const struct candidate *c)
{
	/* A sixteenth: the headers of its segments. */
	return (uint64_t)c->bytes + (uint64_t)c->bytes / 16 + r->frame_bytes;
}

static bool
fits(const struct spool *s, const struct room *r, const uint64_t room[BL_STREAMS],
    const struct candidate *c)
{
	/* What is too large is cut again, not sent. */
	return !r->metered || (size_t)c->bytes > s->max_packet ||
	       cost_of(r, c) <= room[stream_index(batch_stream(c->id))];
}

/* All classes share the link: what one takes is there for none. */
static void
take_room(struct room *r, const struct candidate *c)
{
	const uint64_t cost = cost_of(r, c);

	for (unsigned i = 0; i < BL_STREAMS && r->metered; i++) {
		r->live[i] -= cost < r->live[i] ? cost : r->live[i];
		r->past[i] -= cost < r->past[i] ? cost : r->past[i];
	}
}

/* The newest live one of all streams; on a tie the stream that outranks. */
static int
pick_live(struct spool *s, const struct room *room, struct candidate *best, struct bl_err *err)
{
	struct candidate c;
	int rc;

	best->id = 0;
	for (unsigned i = 0; i < BL_STREAMS; i++) {
		if (s->live_from[i] == INT64_MAX || (room->metered && room->live[i] == 0))
			continue;
		if ((rc = pick(s, true, i, &c, err)) < 0)
			return rc;
		if (c.id != 0 && fits(s, room, room->live, &c) &&
		    (best->id == 0 || c.end_ms > best->end_ms))
			*best = c;
	}
	return BL_OK;
}

static int
pick_past(struct spool *s, const struct room *room, struct candidate *c, struct bl_err *err)
{
	int rc = BL_OK;

	c->id = 0;
	for (unsigned i = 0; i < BL_STREAMS && rc == BL_OK && c->id == 0; i++) {
		if (room->metered && room->past[i] == 0)
			continue;
		rc = pick(s, false, i, c, err);
		if (c->id != 0 && !fits(s, room, room->past, c))
			c->id = 0;
	}
	return rc;
}

struct offering {
	const struct spool_want *want;
	struct spool_frame *frames;
	unsigned n;
	size_t past_bytes;
	struct room room;
	unsigned n_stuck; /* of those found that cannot be split, and remembered in memory */
	unsigned n_fresh; /* offered for the first time */
	int64_t fresh[SPOOL_OUTSTANDING];
};

static bool
room(const struct spool *s, const struct offering *o)
{
	/* More than can be remembered would be found again and again. */
	return o->n < o->want->max_frames && s->n_outstanding < SPOOL_OUTSTANDING &&
	       o->n_stuck < SPOOL_INDIVISIBLE;
}

static int
offer_maps(struct spool *s, struct offering *o, struct bl_err *err)
{
	uint32_t at;
	int rc = 1;

	at = o->want->dict_known > s->dict_sent ? o->want->dict_known : s->dict_sent;
	while (rc == 1 && at < s->d.dict && room(s, o)) {
		memset(&o->frames[o->n], 0, sizeof(o->frames[0]));
		if ((rc = frame_dict(s, at + 1, &o->frames[o->n], &at, err)) == 1)
			o->n++;
		s->dict_sent = at;
	}
	if (rc < 0)
		return rc;
	rc = 1;
	at = o->want->clock_known > s->clock_sent ? o->want->clock_known : s->clock_sent;
	while (rc == 1 && at < s->d.clock && room(s, o)) {
		memset(&o->frames[o->n], 0, sizeof(o->frames[0]));
		if ((rc = frame_clock(s, at + 1, &o->frames[o->n], &at, err)) == 1)
			o->n++;
		s->clock_sent = at;
	}
	return rc < 0 ? rc : BL_OK;
}

static int
offer_batch(
    struct spool *s, struct offering *o, const struct candidate *c, bool past, struct bl_err *err)
{
	struct spool_frame *f = &o->frames[o->n];
	int rc;

	memset(f, 0, sizeof(*f));
	if ((rc = frame_fill(s, c->id, c->crc, f, err)) <= 0)
		return rc; /* 0: it was damaged and is gone; the next one, please */
	f->past = past;
	take_room(&o->room, c);
	o->n++;
	s->outstanding[s->n_outstanding++] = c->id;
	if ((c->flags & BATCH_OFFERED) == 0)
		o->fresh[o->n_fresh++] = c->id;
	return BL_OK;
}

/* Splits what is too large; what cannot be waits, and holds nobody up. */
static int
make_fit(struct spool *s, struct offering *o, const struct candidate *c, struct bl_err *err)
{
	unsigned freed;
	bool never;
	int rc = split_batch(s, c->id, c->bytes, c->crc, c->flags, s->max_packet, &never, err);

	if (rc == BL_EFULL && trim_for_room(s, &freed, err) == BL_OK && freed > 0)
		return BL_OK; /* the next look finds it again, if it is still there */
	if (rc == 0)
		say_indivisible(s, c);
	if (rc == 0 && !never) {
		note_indivisible(s, c);
		o->n_stuck++;
	}
	return rc < 0 ? rc : BL_OK;
}

static int
offer_batches(struct spool *s, struct offering *o, struct bl_err *err)
{
	struct candidate c;
	bool any_past = false;
	int rc;

	while (o->want->live && room(s, o)) {
		if ((rc = pick_live(s, &o->room, &c, err)) < 0)
			return rc;
		if (c.id == 0)
			break;
		if ((size_t)c.bytes > s->max_packet)
			rc = make_fit(s, o, &c, err);
		else
			rc = offer_batch(s, o, &c, false, err);
		if (rc < 0)
			return rc;
	}
	while (o->past_bytes > 0 && room(s, o)) {
		if ((rc = pick_past(s, &o->room, &c, err)) < 0)
			return rc;
		if (c.id != 0 && (size_t)c.bytes > s->max_packet) {
			if ((rc = make_fit(s, o, &c, err)) < 0)
				return rc;
			continue;
		}
		if (c.id == 0 || (any_past && (size_t)c.bytes > o->past_bytes))
			break;
		if ((rc = offer_batch(s, o, &c, true, err)) < 0)
			return rc;
		any_past = true;
		o->past_bytes -= (size_t)c.bytes < o->past_bytes ? (size_t)c.bytes : o->past_bytes;
	}
	return BL_OK;
}

/* Durable before the first of them leaves. */
static int
mark_offered(struct spool *s, const struct offering *o, struct bl_err *err)
{
	int rc = BL_OK;

	if (o->n_fresh == 0)
		return BL_OK;
	(void)bl_fault_hit("spool.offering");
	if ((rc = txn_begin(s, err)) < 0)
		return rc;
	for (unsigned i = 0; i < o->n_fresh && rc == BL_OK; i++)
		rc = db_run(s, Q_BATCH_FLAGS, err, "ii", o->fresh[i], (int64_t)BATCH_OFFERED);
	if (rc < 0) {
		txn_rollback(s);
		return rc;
	}
	return txn_commit(s, err);
}

/* The broker's word on how large a message may be. */
static void
limit_set(struct spool *s, size_t max_packet)
{
	size_t limit = max_packet == 0 ? BL_BATCH_WIRE_MAX : max_packet;

	if (limit > BL_BATCH_WIRE_MAX)
		limit = BL_BATCH_WIRE_MAX;
	if (limit != s->max_packet)
		s->n_indivisible = 0;
	s->max_packet = limit;
}

int
spool_offer(struct spool *s, const struct spool_want *want, struct spool_frame *frames, unsigned *n,
    struct bl_err *err)
{
	struct bl_err local = { 0 };
	struct offering o = {
		.want = want,
		.frames = frames,
		.past_bytes = want->past_bytes,
		.room = { .metered = want->metered, .frame_bytes = want->frame_bytes },
	};
	int rc;

	if (err == NULL)
		err = &local;
	*n = 0;
	memcpy(o.room.live, want->live_room, sizeof(o.room.live));
	memcpy(o.room.past, want->past_room, sizeof(o.room.past));
	limit_set(s, want->max_packet);
	if ((rc = offer_maps(s, &o, err)) == BL_OK && (rc = offer_batches(s, &o, err)) == BL_OK)
		rc = mark_offered(s, &o, err);
	if (rc < 0) {
		for (unsigned i = 0; i < o.n; i++) {
			if (frames[i].type == BL_MSG_BATCH)
				outstanding_forget(
				    s, batch_id(s->d.gen, frames[i].stream, frames[i].seq));
			bl_buf_free(&frames[i].msg);
		}
		s->dict_sent = 0;
		s->clock_sent = 0;
		return rc;
	}
	*n = o.n;
	(void)bl_fault_hit("spool.offered");
	return BL_OK;
}
