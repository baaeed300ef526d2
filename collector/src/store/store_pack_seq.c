/*
 * What is left of batches whose rows go: four bytes each, in rows of up to 1,024 neighbours.
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

int
store_pack_keep_checks(
    struct store *s, const struct store_pack_seq *seq, size_t n, struct bl_err *err)
{
	struct checks c;
	uint64_t next;
	int rc;

	for (size_t i = 0; i < n;) {
		const struct store_pack_seq *q = &seq[i];

		if ((rc = open_row(s, q, &c, err)) < 0 ||
		    (rc = next_row(s, q, c.first, &next, NULL, err)) < 0)
			return rc;
		i += fill_row(&c, q, n - i, next);
		if ((rc = close_row(s, q, &c, next, err)) < 0)
			return rc;
	}
	return BL_OK;
}
