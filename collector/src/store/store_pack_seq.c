/*
 * What is left of batches whose rows go: four bytes each, in rows of up to 1,024 neighbours.
 *
 * When the samples are past their retention the four bytes go, too: a row without checks, of any
 * length, says that its seqs were packed.  What comes again of them is a duplicate, whatever it is.
 */
#include <string.h>
#include <zlib.h>

#include "store_internal.h"

#define CHECKS_MAX 1024u /* of a row: 4 KiB are written again with each hour that joins */

static uint8_t *
put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		*p++ = (uint8_t)(v >> (8 * i));
	return p;
}

static uint8_t *
put64(uint8_t *p, uint64_t v)
{
	return put32(put32(p, (uint32_t)v), (uint32_t)(v >> 32));
}

uint32_t
store_pack_check(const struct bl_batch_header *h)
{
	uint8_t b[8 + 16 + BL_ID_BYTES], *p = b;

	p = put32(put32(p, h->crc32), h->raw_bytes);
	p = put64(put64(p, (uint64_t)h->collect_begin_ms), (uint64_t)h->collect_end_ms);
	memcpy(p, h->boot.b, BL_ID_BYTES);
	return (uint32_t)crc32(0, b, (uInt)sizeof(b));
}

/* A row while it grows. */
struct checks {
	uint64_t first;
	uint32_t n;
	uint8_t b[4 * CHECKS_MAX];
};

static bool
take_row(sqlite3_stmt *st, struct checks *c, uint32_t at)
{
	const uint64_t first = (uint64_t)sqlite3_column_int64(st, 0),
		       last = (uint64_t)sqlite3_column_int64(st, 1);
	const int bytes = sqlite3_column_bytes(st, 2);

	if (last < first || last - first >= CHECKS_MAX - at ||
	    (uint64_t)bytes != 4 * (last - first + 1))
		return false;
	memcpy(c->b + 4 * at, sqlite3_column_blob(st, 2), (size_t)bytes);
	c->n = at + (uint32_t)(last - first + 1);
	return true;
}

/*
 * The row to go on with for seq: the one that ends right below it, or has it already and what
 * follows is to be written over; else a new one.
 */
static int
open_row(struct store *s, const struct store_pack_seq *q, struct checks *c, struct bl_err *err)
{
	sqlite3_stmt *st =
	    store_bind(s, SQL_PACKED_BESIDE, err, "iiu", q->spool_id, (int64_t)q->stream, q->seq);
	int rc = store_step(s, st, err);

	c->first = q->seq;
	c->n = 0;
	if (rc <= 0)
		return rc;
	if (take_row(st, c, 0) && (uint64_t)sqlite3_column_int64(st, 0) + c->n >= q->seq &&
	    q->seq - (uint64_t)sqlite3_column_int64(st, 0) < CHECKS_MAX)
		c->first = (uint64_t)sqlite3_column_int64(st, 0);
	else
		c->n = 0;
	(void)sqlite3_reset(st);
	return BL_OK;
}

/* Where the next row begins; UINT64_MAX: there is none.  joined (may be NULL): and its content. */
static int
next_row(struct store *s, const struct store_pack_seq *q, uint64_t behind, uint64_t *first,
    struct checks *joined, struct bl_err *err)
{
	sqlite3_stmt *st =
	    store_bind(s, SQL_PACKED_AFTER, err, "iiu", q->spool_id, (int64_t)q->stream, behind);
	int rc = store_step(s, st, err);

	*first = UINT64_MAX;
	if (rc <= 0)
		return rc;
	*first = (uint64_t)sqlite3_column_int64(st, 0);
	rc = joined != NULL && take_row(st, joined, joined->n) ? 1 : 0;
	(void)sqlite3_reset(st);
	return rc;
}

/* Joins the row that begins right behind it, and writes. */
static int
close_row(struct store *s, const struct store_pack_seq *q, struct checks *c, uint64_t next,
    struct bl_err *err)
{
	const int64_t stream = (int64_t)q->stream;
	int rc = 0;

	if (next == c->first + c->n && c->n < CHECKS_MAX)
		rc = next_row(s, q, c->first, &next, c, err);
	if (rc == 1)
		rc = store_run(s, SQL_PACKED_REMOVE, err, "iiu", q->spool_id, stream, next);
	if (rc < 0)
		return rc;
	return store_run(s, SQL_PACKED_SET, err, "iiuub", q->spool_id, stream, c->first,
	    c->first + c->n - 1, c->b, (size_t)4 * c->n);
}

/* Takes what fits behind (or over) the row; returns how many. */
static size_t
fill_row(struct checks *c, const struct store_pack_seq *seq, size_t n, uint64_t next)
{
	size_t i = 0;

	for (; i < n && seq[i].spool_id == seq[0].spool_id && seq[i].stream == seq[0].stream &&
	       seq[i].seq < next && seq[i].seq - c->first <= c->n &&
	       seq[i].seq - c->first < CHECKS_MAX;
	     i++) {
		const uint32_t at = (uint32_t)(seq[i].seq - c->first);

		(void)put32(c->b + 4 * at, seq[i].check);
		c->n = at >= c->n ? at + 1 : c->n;
	}
	return i;
}

/* ---- without checks ---- */

int
store_pack_is_bare(
    struct store *s, int64_t spool_id, enum bl_stream stream, uint64_t seq, struct bl_err *err)
{
	sqlite3_stmt *st =
	    store_bind(s, SQL_PACKED_BESIDE, err, "iiu", spool_id, (int64_t)stream, seq);
	int rc = store_step(s, st, err);

	if (rc <= 0)
		return rc;
	rc = (uint64_t)sqlite3_column_int64(st, 1) >= seq && sqlite3_column_bytes(st, 2) == 0;
	(void)sqlite3_reset(st);
	return rc;
}

/* The bare row that ends right below, and the one that begins right behind, are taken along. */
static int
join_bare(struct store *s, int64_t spool_id, enum bl_stream stream, uint64_t *first, uint64_t *last,
    struct bl_err *err)
{
	const struct store_pack_seq below = {
		.spool_id = spool_id, .stream = stream, .seq = *first - 1
	};
	sqlite3_stmt *st;
	int rc = store_pack_is_bare(s, spool_id, stream, below.seq, err);

	if (rc == 1) {
		st = store_bind(
		    s, SQL_PACKED_BESIDE, err, "iiu", spool_id, (int64_t)stream, below.seq);
		if ((rc = store_step(s, st, err)) == 1) {
			*first = (uint64_t)sqlite3_column_int64(st, 0);
			(void)sqlite3_reset(st);
		}
	}
	if (rc < 0 || (rc = store_pack_is_bare(s, spool_id, stream, *last + 1, err)) <= 0)
		return rc;
	st = store_bind(s, SQL_PACKED_BESIDE, err, "iiu", spool_id, (int64_t)stream, *last + 1);
	if ((rc = store_step(s, st, err)) == 1) {
		*last = (uint64_t)sqlite3_column_int64(st, 1);
		(void)sqlite3_reset(st);
	}
	return rc;
}

int
store_pack_bare(struct store *s, int64_t spool_id, enum bl_stream stream, uint64_t first,
    uint64_t last, struct bl_err *err)
{
	int rc = join_bare(s, spool_id, stream, &first, &last, err);

	if (rc < 0 || (rc = store_run(s, SQL_PACKED_CLEAR, err, "iiuu", spool_id, (int64_t)stream,
			   first, last)) < 0)
		return rc;
	return store_run(s, SQL_PACKED_BARE, err, "iiuu", spool_id, (int64_t)stream, first, last);
}

/* All of a stream's up to seq; 1: there are more. */
static int
forget_stream(struct store *s, const struct store_checks_at *at, uint64_t upto, unsigned *rows,
    struct bl_err *err)
{
	while (*rows > 0) {
		sqlite3_stmt *st = store_bind(
		    s, SQL_CHECKS_OLD, err, "iiu", at->spool_id, (int64_t)at->stream, upto);
		uint64_t first, last;
		int rc = store_step(s, st, err);

		if (rc <= 0)
			return rc;
		first = (uint64_t)sqlite3_column_int64(st, 0);
		last = (uint64_t)sqlite3_column_int64(st, 1);
		(void)sqlite3_reset(st);
		if ((rc = store_pack_bare(s, at->spool_id, at->stream, first, last, err)) < 0)
			return rc;
		(*rows)--;
	}
	return 1;
}

int
store_pack_forget_checks(struct store *s, int64_t before_unix_ms, struct store_checks_at *at,
    unsigned rows, struct bl_err *err)
{
	while (rows > 0) {
		sqlite3_stmt *st = store_bind(s, SQL_CHECKS_NEXT, err, "iii", at->spool_id,
		    (int64_t)at->stream, before_unix_ms);
		struct store_checks_at next;
		uint64_t upto;
		int rc = store_step(s, st, err);

		if (rc <= 0)
			return rc;
		next.spool_id = sqlite3_column_int64(st, 0);
		next.stream = (enum bl_stream)sqlite3_column_int(st, 1);
		upto = (uint64_t)sqlite3_column_int64(st, 2);
		(void)sqlite3_reset(st);
		if ((rc = forget_stream(s, &next, upto, &rows, err)) < 0)
			return rc;
		if (rows == 0)
			break; /* this one again */
		*at = next;
		rows--;
	}
	return 1;
}

/* ---- with them ---- */

int
store_pack_keep_checks(
    struct store *s, const struct store_pack_seq *seq, size_t n, struct bl_err *err)
{
	struct checks c;
	uint64_t next;
	int rc;

	for (size_t i = 0; i < n;) {
		const struct store_pack_seq *q = &seq[i];

		if ((rc = store_pack_is_bare(s, q->spool_id, q->stream, q->seq, err)) < 0)
			return rc;
		if (rc == 1) {
			i++;
			continue;
		}
		if ((rc = open_row(s, q, &c, err)) < 0 ||
		    (rc = next_row(s, q, c.first, &next, NULL, err)) < 0)
			return rc;
		i += fill_row(&c, q, n - i, next);
		if ((rc = close_row(s, q, &c, next, err)) < 0)
			return rc;
	}
	return BL_OK;
}
