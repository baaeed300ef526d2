/*
 * The ledger: what will never come, and why.
 *
 * Entries with seqs never claim a batch that is stored, and no seq twice: what
 * an agent's own ledger says (with times and counts) replaces what its answer
 * to a question said (seqs only); a batch that comes after all is taken out of
 * the entry that gave it up.  Repeating any of this changes nothing.
 *
 * "Vanished" is an entry without a reason: every other one replaces it, and its
 * seqs are not settled (store_unexplained.c).
 */
#include <string.h>

#include "store_internal.h"

/* Pieces of one entry: more would mean that every other batch of it is stored. */
#define GAP_PIECES_MAX 4096

struct gap_row {
	int64_t id, reason;
	uint64_t seq_first, seq_last;
	struct bl_id begin_boot, end_boot;
	int64_t begin_ms, end_ms, begin_unix_ms, end_unix_ms, known_unix_ms;
};

static int
insert(struct store *s, const struct store_spool *sp, enum bl_stream stream,
    const struct gap_row *g, int64_t samples, struct bl_err *err)
{
	return store_run(s, SQL_GAP_ADD, err, "iiiiuudidiooiii", sp->id, sp->device_id,
	    (int64_t)stream, g->reason, g->seq_first, g->seq_last, &g->begin_boot, g->begin_ms,
	    &g->end_boot, g->end_ms, g->begin_unix_ms, g->end_unix_ms, samples, g->known_unix_ms,
	    s->total.lsn);
}

/* Which entries make room for another. */
enum room {
	ROOM_ALL,      /* a batch came */
	ROOM_WEAKER,   /* the agent's ledger: what only an answer said, and vanished */
	ROOM_VANISHED, /* an answer */
};

static bool
makes_room(const struct gap_row *g, enum room room)
{
	return room == ROOM_ALL || g->reason == BL_GAP_VANISHED ||
	       (room == ROOM_WEAKER && bl_id_is_zero(&g->begin_boot));
}

/* One entry that overlaps; 1, 0 or negative.  Others come after this one is gone or shrunk. */
static int
next_overlap(struct store *s, const struct store_spool *sp, enum bl_stream stream, uint64_t first,
    uint64_t last, enum room room, struct gap_row *g, struct bl_err *err)
{
	sqlite3_stmt *st =
	    store_bind(s, SQL_GAP_OVERLAP, err, "iiuu", sp->id, (int64_t)stream, last, first);
	int rc;

	while ((rc = store_step(s, st, err)) == 1) {
		g->id = sqlite3_column_int64(st, 0);
		g->reason = sqlite3_column_int64(st, 1);
		g->seq_first = (uint64_t)sqlite3_column_int64(st, 2);
		g->seq_last = (uint64_t)sqlite3_column_int64(st, 3);
		store_column_id(st, 4, &g->begin_boot);
		g->begin_ms = sqlite3_column_int64(st, 5);
		store_column_id(st, 6, &g->end_boot);
		g->end_ms = sqlite3_column_int64(st, 7);
		g->begin_unix_ms = store_column_time(st, 8);
		g->end_unix_ms = store_column_time(st, 9);
		g->known_unix_ms = sqlite3_column_int64(st, 10);
		if (!makes_room(g, room))
			continue;
		(void)sqlite3_reset(st);
		return 1;
	}
	return rc;
}

static int
carve(struct store *s, struct store_spool *sp, enum bl_stream stream, uint64_t first, uint64_t last,
    enum room room, struct bl_err *err)
{
	struct gap_row g;
	int rc;

	while ((rc = next_overlap(s, sp, stream, first, last, room, &g, err)) == 1) {
		const uint64_t a = g.seq_first, b = g.seq_last;

		if ((rc = store_run(s, SQL_GAP_REMOVE, err, "i", g.id)) < 0)
			return rc;
		/* How many samples were in a part is not known. */
		g.seq_last = first - 1;
		if (a < first && (rc = insert(s, sp, stream, &g, 0, err)) < 0)
			return rc;
		g.seq_first = last + 1;
		g.seq_last = b;
		if (b > last && (rc = insert(s, sp, stream, &g, 0, err)) < 0)
			return rc;
	}
	return rc;
}

int
store_gap_carve(struct store *s, struct store_spool *sp, enum bl_stream stream, uint64_t first,
    uint64_t last, struct bl_err *err)
{
	return carve(s, sp, stream, first, last, ROOM_ALL, err);
}

int
store_gap_carve_vanished(struct store *s, struct store_spool *sp, enum bl_stream stream,
    uint64_t first, uint64_t last, struct bl_err *err)
{
	return carve(s, sp, stream, first, last, ROOM_VANISHED, err);
}

static int
pieces_without_stored(struct store *s, const struct store_spool *sp, enum bl_stream stream,
    struct seqs *pieces, uint64_t first, uint64_t last, struct bl_err *err)
{
	sqlite3_stmt *st =
	    store_bind(s, SQL_BATCH_SEQS, err, "iiuu", sp->id, (int64_t)stream, first, last);
	int rc;

	while ((rc = store_step(s, st, err)) == 1) {
		const uint64_t seq = (uint64_t)sqlite3_column_int64(st, 0);

		/* Beyond the cap the entry's last piece claims what is stored, too. */
		if (pieces->n >= GAP_PIECES_MAX) {
			(void)sqlite3_reset(st);
			return BL_OK;
		}
		if (seqs_remove(pieces, seq, seq) < 0) {
			(void)sqlite3_reset(st);
			return bl_fail(err, BL_ENOMEM, "telemetry store: out of memory");
		}
	}
	return rc < 0 ? rc : store_packed_remove(s, sp, stream, first, last, pieces, err);
}

static int
pieces_without_known(struct store *s, const struct store_spool *sp, enum bl_stream stream,
    struct seqs *pieces, uint64_t first, uint64_t last, struct bl_err *err)
{
	sqlite3_stmt *st =
	    store_bind(s, SQL_GAP_OVERLAP, err, "iiuu", sp->id, (int64_t)stream, last, first);
	int rc;

	while ((rc = store_step(s, st, err)) == 1)
		if (seqs_remove(pieces, (uint64_t)sqlite3_column_int64(st, 2),
			(uint64_t)sqlite3_column_int64(st, 3)) < 0) {
			(void)sqlite3_reset(st);
			return bl_fail(err, BL_ENOMEM, "telemetry store: out of memory");
		}
	return rc;
}

/* What of [first, last] is neither stored, set aside nor in the ledger. */
static int
unclaimed(struct store *s, const struct store_spool *sp, enum bl_stream stream, uint64_t first,
    uint64_t last, struct seqs *pieces, struct bl_err *err)
{
	const struct seqs *aside = &sp->stream[stream - 1].aside;
	int rc;

	if (seqs_add(pieces, first, last, GAP_PIECES_MAX) < 0)
		return bl_fail(err, BL_ENOMEM, "telemetry store: out of memory");
	if ((rc = pieces_without_stored(s, sp, stream, pieces, first, last, err)) < 0 ||
	    (rc = pieces_without_known(s, sp, stream, pieces, first, last, err)) < 0)
		return rc;
	for (size_t i = 0; i < aside->n; i++)
		if (seqs_remove(pieces, aside->r[i].first, aside->r[i].last) < 0)
			return bl_fail(err, BL_ENOMEM, "telemetry store: out of memory");
	return BL_OK;
}

/* What of [first, last] is neither settled nor in the ledger. */
static int
unsettled(struct store *s, const struct store_spool *sp, enum bl_stream stream, uint64_t first,
    uint64_t last, struct seqs *pieces, struct bl_err *err)
{
	const struct seqs *settled = &sp->stream[stream - 1].settled;
	int rc = unclaimed(s, sp, stream, first, last, pieces, err);

	for (size_t i = 0; rc == BL_OK && i < settled->n; i++)
		if (seqs_remove(pieces, settled->r[i].first, settled->r[i].last) < 0)
			rc = bl_fail(err, BL_ENOMEM, "telemetry store: out of memory");
	return rc;
}

/* What neither came nor has a reason: named as that, and nothing is settled. */
static int
add_vanished(struct store *s, struct store_spool *sp, enum bl_stream stream, struct gap_row *g,
    struct bl_err *err)
{
	struct seqs pieces = { 0 };
	int rc = unsettled(s, sp, stream, g->seq_first, g->seq_last, &pieces, err);

	for (size_t i = 0; rc == BL_OK && i < pieces.n; i++) {
		g->seq_first = pieces.r[i].first;
		g->seq_last = pieces.r[i].last;
		rc = store_stream_vanished(sp, stream, g->seq_first, g->seq_last);
		if (rc == BL_EFULL) {
			s->stats.holes_refused++;
			rc = BL_OK;
			break;
		}
		rc = rc < 0 ? bl_fail(err, rc, "telemetry store: out of memory")
			    : insert(s, sp, stream, g, 0, err);
	}
	seqs_free(&pieces);
	return rc;
}

int
store_gap_name(struct store *s, struct store_spool *sp, enum bl_stream stream, uint64_t first,
    uint64_t last, enum bl_gap_reason reason, struct bl_err *err)
{
	struct gap_row row = {
		.reason = reason,
		.begin_unix_ms = STORE_TIME_NONE,
		.end_unix_ms = STORE_TIME_NONE,
		.known_unix_ms = s->now_unix_ms,
	};
	struct store_stream *m = &sp->stream[stream - 1];
	struct seqs pieces = { 0 };
	int rc;

	if ((rc = carve(s, sp, stream, first, last, ROOM_VANISHED, err)) == BL_OK)
		rc = unsettled(s, sp, stream, first, last, &pieces, err);
	for (size_t i = 0; rc == BL_OK && i < pieces.n; i++) {
		row.seq_first = pieces.r[i].first;
		row.seq_last = pieces.r[i].last;
		rc = seqs_add(&m->named, row.seq_first, row.seq_last, STORE_RANGES_MAX);
		if (rc == BL_EFULL) {
			s->stats.holes_refused++;
			rc = BL_OK;
			break;
		}
		if (rc == BL_OK)
			rc = seqs_remove(&m->vanished, row.seq_first, row.seq_last);
		rc = rc < 0 ? bl_fail(err, rc, "telemetry store: out of memory")
			    : insert(s, sp, stream, &row, 0, err);
	}
	seqs_free(&pieces);
	m->dirty = m->ranges_dirty = sp->dirty = true;
	return rc;
}

static int
add_named(struct store *s, struct store_spool *sp, enum bl_stream stream, const struct seqs *pieces,
    struct bl_err *err)
{
	struct store_stream *m = &sp->stream[stream - 1];
	int rc = BL_OK;

	for (size_t i = 0; rc == BL_OK && i < pieces->n; i++)
		rc = seqs_add(&m->named, pieces->r[i].first, pieces->r[i].last, STORE_RANGES_MAX);
	m->dirty = m->ranges_dirty = sp->dirty = true;
	if (rc == BL_EFULL) {
		s->stats.holes_refused++; /* the entry stands */
		return BL_OK;
	}
	return rc < 0 ? bl_fail(err, rc, "telemetry store: out of memory") : BL_OK;
}

static int
add_seqs(struct store *s, struct store_spool *sp, enum bl_stream stream, struct gap_row *g,
    int64_t samples, struct bl_err *err)
{
	const uint64_t first = g->seq_first, last = g->seq_last;
	/* Whoever says so goes on under another id: a life of this one that comes after all offers
	 * what it has. */
	const bool others = store_spool_mentioned(sp) || sp->closed;
	struct seqs pieces = { 0 };
	int rc;

	if (g->reason == BL_GAP_VANISHED)
		return add_vanished(s, sp, stream, g, err);
	/* The agent's ledger knows times; what only an answer said makes room. */
	if ((rc = carve(s, sp, stream, first, last,
		 bl_id_is_zero(&g->begin_boot) ? ROOM_VANISHED : ROOM_WEAKER, err)) < 0)
		return rc;
	rc = unclaimed(s, sp, stream, first, last, &pieces, err);
	for (size_t i = 0; rc == BL_OK && i < pieces.n; i++) {
		const bool whole = pieces.r[i].first == first && pieces.r[i].last == last;

		g->seq_first = pieces.r[i].first;
		g->seq_last = pieces.r[i].last;
		rc = insert(s, sp, stream, g, whole ? samples : 0, err);
	}
	if (rc == BL_OK && others)
		rc = add_named(s, sp, stream, &pieces, err);
	seqs_free(&pieces);
	if (rc < 0 || others)
		return rc;
	rc = store_settle(sp, stream, first, last);
	if (rc == BL_EFULL) {
		/* The entry stands; its seqs are asked for again when there is room. */
		s->stats.holes_refused++;
		return BL_OK;
	}
	return rc < 0 ? bl_fail(err, rc, "telemetry store: out of memory") : BL_OK;
}

/*
 * The spool that an entry is about: the carrier, or an earlier one of the same device.  One that
 * was never heard of (the store that had it is lost) is noted, so that the entry has its place.
 */
static int
subject(struct store *s, struct store_spool *carrier, const struct bl_gap *g,
    struct store_spool **out, struct bl_err *err)
{
	int rc;

	*out = carrier;
	if (bl_id_is_zero(&g->spool) || bl_id_equal(&g->spool, &carrier->uuid))
		return BL_OK;
	if ((rc = store_spool_find(s, &g->spool, out, err)) < 0)
		return rc;
	if (*out == NULL && (rc = store_spool(s, &g->spool, carrier->device, out, err)) < 0)
		return rc;
	/* Another device's, or one too many: nothing to explain here. */
	if (*out != NULL && strcmp((*out)->device, carrier->device) != 0)
		*out = NULL;
	return BL_OK;
}

static int64_t
place_by_either(
    const struct store_spool *a, const struct store_spool *b, const struct bl_id *boot, int64_t ms)
{
	int64_t t;

	if (bl_id_is_zero(boot))
		return STORE_TIME_NONE;
	t = store_place_time(a, boot, ms);
	return t != STORE_TIME_NONE || a == b ? t : store_place_time(b, boot, ms);
}

int
store_gap_check(const struct bl_gap *g, struct bl_err *err)
{
	if (g->stream < 1 || (int)g->stream > BL_STREAMS)
		return bl_fail(err, BL_EINVAL, "a ledger entry names no stream");
	if (g->seq_first > g->seq_last || g->seq_last > STORE_SEQ_MAX)
		return bl_fail(err, BL_EINVAL, "a ledger entry's seqs are impossible");
	return BL_OK;
}

int
store_gap_add(
    struct store *s, struct store_spool *carrier, const struct bl_gap *g, struct bl_err *err)
{
	struct store_spool *sp;
	struct gap_row row = {
		.reason = g->reason,
		.seq_first = g->seq_first,
		.seq_last = g->seq_last,
		.begin_boot = g->begin_boot,
		.end_boot = g->end_boot,
		.begin_ms = g->begin_boot_ms,
		.end_ms = g->end_boot_ms,
		.known_unix_ms = s->now_unix_ms,
	};
	const int64_t samples = g->samples > INT64_MAX ? INT64_MAX : (int64_t)g->samples;
	int rc;

	if ((rc = subject(s, carrier, g, &sp, err)) < 0 || sp == NULL)
		return rc;
	row.begin_unix_ms = place_by_either(sp, carrier, &g->begin_boot, g->begin_boot_ms);
	row.end_unix_ms = place_by_either(sp, carrier, &g->end_boot, g->end_boot_ms);
	if (g->seq_first == 0) {
		row.seq_last = 0;
		rc = insert(s, sp, g->stream, &row, samples, err);
	} else {
		rc = add_seqs(s, sp, g->stream, &row, samples, err);
	}
	if (rc == BL_OK)
		rc = store_hole_review(s, sp->device_id, g->stream, &g->begin_boot, err);
	if (rc == BL_OK && !bl_id_equal(&g->begin_boot, &g->end_boot))
		rc = store_hole_review(s, sp->device_id, g->stream, &g->end_boot, err);
	return rc;
}

int
store_gone(struct store *s, struct store_spool *sp, enum bl_stream stream, uint64_t first,
    uint64_t last, enum bl_gap_reason reason, struct bl_err *err)
{
	struct gap_row row = {
		.reason = reason,
		.seq_first = first,
		.seq_last = last,
		.begin_unix_ms = STORE_TIME_NONE,
		.end_unix_ms = STORE_TIME_NONE,
		.known_unix_ms = s->now_unix_ms,
	};

	if (stream < 1 || (int)stream > BL_STREAMS || first < 1 || first > last ||
	    last > STORE_SEQ_MAX)
		return bl_fail(err, BL_EINVAL, "gone: seqs are impossible");
	return add_seqs(s, sp, stream, &row, 0, err);
}

/* The entry has times now, or other ones: the row of st says which it had. */
static int
note_moved(struct store *s, const struct store_spool *sp, sqlite3_stmt *st, int64_t begin,
    int64_t end, struct bl_err *err)
{
	const int64_t old_begin = store_column_time(st, 6), old_end = store_column_time(st, 7);

	if (begin == STORE_TIME_NONE)
		begin = old_begin;
	if (end == STORE_TIME_NONE)
		end = old_end;
	if (begin == STORE_TIME_NONE || end == STORE_TIME_NONE ||
	    (begin == old_begin && end == old_end))
		return BL_OK;
	if (old_begin != STORE_TIME_NONE && old_begin < begin)
		begin = old_begin;
	if (old_end != STORE_TIME_NONE && old_end > end)
		end = old_end;
	return store_run(s, SQL_MOVED_ADD, err, "iiiiiii", sp->id, sp->device_id,
	    sqlite3_column_int64(st, 5), (int64_t)0, (int64_t)0, begin, end);
}

int
store_gap_replace_boot(
    struct store *s, struct store_spool *sp, const struct bl_id *boot, struct bl_err *err)
{
	sqlite3_stmt *st = store_bind(s, SQL_GAP_OF_BOOT, err, "idd", sp->id, boot, boot);
	int rc;

	while ((rc = store_step(s, st, err)) == 1) {
		const int64_t id = sqlite3_column_int64(st, 0);
		struct bl_id a, b;
		int64_t begin, end;

		store_column_id(st, 1, &a);
		begin = place_by_either(sp, sp, &a, sqlite3_column_int64(st, 2));
		store_column_id(st, 3, &b);
		end = place_by_either(sp, sp, &b, sqlite3_column_int64(st, 4));
		if ((rc = note_moved(s, sp, st, begin, end, err)) < 0) {
			(void)sqlite3_reset(st);
			return rc;
		}
		/* The rows to come are found by boots, which this does not touch. */
		if ((rc = store_run(s, SQL_GAP_PLACE, err, "ooi", begin, end, id)) < 0) {
			(void)sqlite3_reset(st);
			return rc;
		}
	}
	return rc;
}
