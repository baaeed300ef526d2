/*
 * What could not be taken in: kept once per distinct message, counted always.
 *
 * The list and the payloads in it are capped; beyond that only the counters
 * move.  Where it is known which batch of the sender's own spool a message was,
 * its seq is settled, so that it is not sent for ever; but an undecodable one
 * only when it could be kept, for a settled one may be deleted by its agent.  A
 * quarter of the room is for such batches alone, so that rubbish cannot take it.
 */
#include <string.h>

#include "store_internal.h"

#define ASIDE_TEXT_MAX 192

const char *
store_aside_reason_name(enum store_aside_reason reason)
{
	static const char *const names[STORE_ASIDE_REASONS] = { "not_ours", "undecodable",
		"foreign_identity", "wrong_part", "retained", "oversized", "conflict",
		"unknown_device", "retired" };

	return (int)reason >= 1 && (int)reason <= STORE_ASIDE_REASONS ? names[reason - 1] : "other";
}

/* Two 64-bit sums with different mixing: 128 bits to tell messages apart, not to prove anything. */
static void
digest(struct bl_id *out, const char *topic, const uint8_t *p, size_t len)
{
	uint64_t a = 14695981039346656037u, b = 0x9e3779b97f4a7c15u;

	for (const char *c = topic; *c != '\0'; c++) {
		a = (a ^ (uint8_t)*c) * 1099511628211u;
		b = (b + (uint8_t)*c) * 0xff51afd7ed558ccdu;
		b ^= b >> 32;
	}
	for (size_t i = 0; i < len; i++) {
		a = (a ^ p[i]) * 1099511628211u;
		b = (b + p[i]) * 0xff51afd7ed558ccdu;
		b ^= b >> 32;
	}
	a ^= len;
	memcpy(out->b, &a, 8);
	memcpy(out->b + 8, &b, 8);
}

/* Topics come from outside: what is not printable becomes '?', what is long is cut. */
void
store_printable(char *out, size_t size, const char *in)
{
	size_t n = 0;

	for (; in != NULL && in[n] != '\0' && n + 1 < size; n++)
		out[n] = in[n] >= 0x20 && in[n] < 0x7f ? in[n] : '?';
	out[n] = '\0';
}

static int
settle(struct store *s, const struct store_aside *a, struct bl_err *err)
{
	struct store_spool *sp = a->spool;
	struct store_stream *m;
	uint64_t next_seq;
	int rc;

	if (sp == NULL)
		return BL_OK;
	if (a->reason == STORE_ASIDE_CONFLICT && !sp->conflict)
		sp->conflict = sp->dirty = sp->row_dirty = true;
	if (a->stream < 1 || (int)a->stream > BL_STREAMS || a->seq < 1 || a->seq > STORE_SEQ_MAX)
		return BL_OK;
	m = &sp->stream[a->stream - 1];
	/* Beyond the caps nothing is settled: it may come again when there is room. */
	if (m->settled.n >= STORE_RANGES_MAX || m->aside.n >= STORE_RANGES_MAX) {
		s->stats.holes_refused++;
		return BL_OK;
	}
	next_seq = m->next_seq;
	if (seqs_has(&m->named, a->seq) &&
	    (rc = store_gap_carve(s, sp, a->stream, a->seq, a->seq, err)) < 0)
		return rc;
	if (seqs_add(&m->aside, a->seq, a->seq, STORE_RANGES_MAX) < 0 ||
	    store_settle(sp, a->stream, a->seq, a->seq) < 0)
		return bl_fail(err, BL_ENOMEM, "set aside: out of memory");
	/* Up to where a closed spool was ours does not move: what lies beyond stays a conflict. */
	if (sp->closed)
		m->next_seq = next_seq;
	m->ranges_dirty = true;
	return BL_OK;
}

/* It is known which batch it was. */
static bool
is_batch(const struct store_aside *a)
{
	return a->spool != NULL && a->seq != 0;
}

static bool
payload_fits(const struct store *s, const struct store_aside *a)
{
	const int64_t max = s->opts.aside_bytes;

	return s->total.aside_bytes + (int64_t)a->len <= (is_batch(a) ? max : max - max / 4);
}

static bool
row_fits(const struct store *s, const struct store_aside *a)
{
	const int64_t max = s->opts.aside_rows;

	return s->total.aside_rows < (is_batch(a) ? max : max - max / 4);
}

static int
keep(struct store *s, const struct store_aside *a, const struct bl_id *sum, struct bl_err *err)
{
	const bool fits = payload_fits(s, a);
	const bool known = is_batch(a);
	char topic[ASIDE_TEXT_MAX], device[BL_DEVICE_ID_MAX + 1], detail[256];
	sqlite3_stmt *st;
	int rc;

	store_printable(topic, sizeof(topic), a->topic);
	store_printable(device, sizeof(device), a->device);
	store_printable(detail, sizeof(detail), a->detail);
	if (fits)
		s->total.aside_bytes += (int64_t)a->len;
	else
		s->total.aside_refused++;
	st = store_bind(s, SQL_ASIDE_ADD, err, fits ? "dittoitdooub" : "dittoitdoou", sum,
	    s->now_unix_ms, topic, a->device != NULL ? device : NULL,
	    a->part >= 0 ? (int64_t)a->part : STORE_TIME_NONE, (int64_t)a->reason, detail,
	    a->spool != NULL ? &a->spool->uuid : &(struct bl_id){ { 0 } },
	    known ? (int64_t)a->stream : STORE_TIME_NONE, known ? (int64_t)a->seq : STORE_TIME_NONE,
	    (uint64_t)a->len, a->payload, a->len);
	if (st != NULL && !fits && sqlite3_bind_null(st, 12) != SQLITE_OK)
		return store_sql_fail(s->db, err, "set aside");
	if ((rc = store_step(s, st, err)) < 0)
		return rc;
	s->total.aside_rows++;
	return STORE_ASIDE_NEW;
}

/* A batch is kept whole or, without room, not at all: it is tried again when it comes again. */
static int
add(struct store *s, const struct store_aside *a, const struct bl_id *sum, struct bl_err *err)
{
	if (row_fits(s, a) && (!is_batch(a) || payload_fits(s, a)))
		return keep(s, a, sum, err);
	s->total.aside_refused++;
	return STORE_ASIDE_REFUSED;
}

int
store_aside(struct store *s, const struct store_aside *a, struct bl_err *err)
{
	struct bl_id sum;
	sqlite3_stmt *st;
	int64_t id;
	int rc, settled;

	if ((int)a->reason < 1 || (int)a->reason > STORE_ASIDE_REASONS)
		return bl_fail(err, BL_EINVAL, "set aside: no such reason");
	s->total.aside_by[a->reason - 1]++;
	s->total.aside_dirty = true;
	s->stats.aside++;
	digest(&sum, a->topic, a->payload, a->len);
	st = store_bind(s, SQL_ASIDE_GET, err, "d", &sum);
	if ((rc = store_step(s, st, err)) < 0)
		return rc;
	if (rc == 1) {
		id = sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
		rc = store_run(s, SQL_ASIDE_AGAIN, err, "ii", s->now_unix_ms, id);
		rc = rc < 0 ? rc : STORE_ASIDE_AGAIN;
	} else {
		s->total.conflicts += a->reason == STORE_ASIDE_CONFLICT;
		rc = add(s, a, &sum, err);
	}
	if (rc < 0 || (rc == STORE_ASIDE_REFUSED && a->reason == STORE_ASIDE_UNDECODABLE))
		return rc;
	return (settled = settle(s, a, err)) < 0 ? settled : rc;
}
