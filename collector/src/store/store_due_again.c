/*
 * Hours that are due to be packed and that no row of pack_due names, in a store that was written
 * before: of batches that came in one commit with the clock map that places them nothing was
 * noted.  They were answered from their rows all the same, but lay there for ever, and questions
 * over a fleet, which go by parts and by what is due, passed over them.
 *
 * Every batch that was there at the upgrade is looked at once, the newest first, in slices that go
 * along with commits; how far stands in meta, so that a death goes on from there.  What is due is
 * noted, which is nothing new where it is known already: to look twice changes nothing.
 */
#include "store_internal.h"

#include "branchline/log.h"

#define SLICE 64 /* copied, so that no statement is open while others run */

struct row {
	int64_t id, mark_unix_ms; /* NONE: it has no mark */
	struct bl_id spool;
	struct bl_batch_header h;
};

int
store_due_again_load(struct store *s, struct bl_err *err)
{
	const int rc = store_pragma_int(s->db,
	    "SELECT coalesce((SELECT value FROM meta WHERE key = 'due_unseen'), 0)",
	    &s->total.due_unseen, err);

	s->total_committed.due_unseen = s->total.due_unseen;
	return rc;
}

bool
store_due_again_left(const struct store *s)
{
	return s->db != NULL && s->total.due_unseen > 0;
}

static void
take_row(sqlite3_stmt *st, struct row *r)
{
	*r = (struct row){ .id = sqlite3_column_int64(st, 0),
		.mark_unix_ms = store_column_time(st, 10) };
	store_column_id(st, 1, &r->spool);
	store_column_id(st, 2, &r->h.boot);
	r->h.stream = (enum bl_stream)sqlite3_column_int(st, 3);
	r->h.seq = (uint64_t)sqlite3_column_int64(st, 4);
	r->h.event_begin_ms = sqlite3_column_int64(st, 5);
	r->h.event_end_ms = sqlite3_column_int64(st, 6);
	r->h.n_samples = (uint32_t)sqlite3_column_int64(st, 7);
	r->h.n_events = (uint32_t)sqlite3_column_int64(st, 8);
	r->h.n_gaps = (uint32_t)sqlite3_column_int64(st, 9);
}

static int
read_slice(struct store *s, unsigned rows, struct row *row, unsigned *n, struct bl_err *err)
{
	sqlite3_stmt *st =
	    store_bind(s, SQL_DUE_UNSEEN, err, "ii", s->total.due_unseen, (int64_t)rows);
	int rc = 0;

	*n = 0;
	while (*n < rows && (rc = store_step(s, st, err)) == 1)
		take_row(st, &row[(*n)++]);
	if (*n == rows)
		(void)sqlite3_reset(st);
	else if (rc < 0)
		return rc;
	return BL_OK;
}

enum noted { NOTED_NOT = 0, NOTED_OTHERS, NOTED };

/* Whether a row of what is due has it, or others of its stream and hour. */
static int
noted(struct store *s, const struct store_spool *sp, const struct row *r, int64_t hour,
    struct bl_err *err)
{
	sqlite3_stmt *st = store_bind(
	    s, SQL_DUE_HAS, err, "iiii", hour, sp->device_id, sp->id, (int64_t)r->h.stream);
	int rc = store_step(s, st, err);

	if (rc <= 0)
		return rc;
	rc = (uint64_t)sqlite3_column_int64(st, 0) <= r->h.seq &&
		     r->h.seq <= (uint64_t)sqlite3_column_int64(st, 1)
		 ? NOTED
		 : NOTED_OTHERS;
	(void)sqlite3_reset(st);
	return rc;
}

/* 1: what it has of the hour is in a part; 0. */
static int
is_packed(struct store *s, const struct store_spool *sp, const struct row *r, int64_t hour,
    struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	if (r->mark_unix_ms != STORE_TIME_NONE)
		return hour + STORE_HOUR_MS <= r->mark_unix_ms;
	st = store_bind(s, SQL_PACKED_UPTO, err, "iii", sp->device_id, hour, r->id);
	if ((rc = store_step(s, st, err)) == 1)
		(void)sqlite3_reset(st);
	return rc;
}

static int
see_hour(
    struct store *s, struct store_spool *sp, const struct row *r, int64_t hour, struct bl_err *err)
{
	const int was = noted(s, sp, r, hour, err);
	int rc;

	if (was < 0 || was == NOTED)
		return was;
	if ((rc = is_packed(s, sp, r, hour, err)) != 0)
		return rc;
	s->stats.due_found += was == NOTED_NOT;
	return store_pack_note_hour(s, sp, r->h.stream, r->h.seq, hour, err);
}

static int
see_row(struct store *s, const struct row *r, struct bl_err *err)
{
	struct store_spool *sp;
	int64_t lo, hi;
	int rc = store_spool_find(s, &r->spool, &sp, err);

	if (rc < 0 || sp == NULL || !store_pack_extent(sp, &r->h, &lo, &hi))
		return rc < 0 ? rc : BL_OK;
	for (int64_t hour = store_hour(lo); hour <= hi && rc >= 0; hour += STORE_HOUR_MS)
		rc = see_hour(s, sp, r, hour, err);
	return rc;
}

int
store_due_again(struct store *s, unsigned rows, struct bl_err *err)
{
	struct row row[SLICE];
	unsigned n = 0;
	int rc = BL_OK;

	if (!store_due_again_left(s))
		return 0;
	if (rows > SLICE)
		rows = SLICE;
	if ((rc = read_slice(s, rows, row, &n, err)) < 0)
		return rc;
	for (unsigned i = 0; i < n && rc >= 0; i++)
		rc = see_row(s, &row[i], err);
	if (rc < 0)
		return rc;
	s->total.due_unseen = n < rows ? 0 : row[n - 1].id - 1;
	s->stats.due_seen += n;
	if ((rc = store_run(s, SQL_META_SET, err, "ti", "due_unseen", s->total.due_unseen)) < 0)
		return rc;
	if (s->total.due_unseen == 0)
		bl_info("store",
		    "batches of before are looked through for what is due to be packed batches=%llu"
		    " hours=%llu",
		    (unsigned long long)s->stats.due_seen, (unsigned long long)s->stats.due_found);
	return s->total.due_unseen > 0;
}
