/*
 * Spools: whose they are, what they hold, what is missing, what is receipted.
 *
 * A spool is bound to the device under whose topic it was first heard of.  Under
 * another one it is an identity conflict.  A spool that a successor named as
 * its predecessor is closed; when it cuts on, that is one too.
 */
#include <stdlib.h>
#include <string.h>

#include "store_internal.h"

/* ---- memory: a hash table and a list by last use ---- */

static unsigned
bucket_of(const struct store *s, const struct bl_id *uuid)
{
	uint64_t h;

	memcpy(&h, uuid->b, sizeof(h)); /* random by design; whoever chooses them hurts himself */
	h ^= h >> 29;
	h *= 0xbf58476d1ce4e5b9u;
	return (unsigned)(h >> 32) % s->n_buckets;
}

static void
unlink_use(struct store *s, struct store_spool *sp)
{
	if (sp->newer != NULL)
		sp->newer->older = sp->older;
	else
		s->newest = sp->older;
	if (sp->older != NULL)
		sp->older->newer = sp->newer;
	else
		s->oldest = sp->newer;
}

static void
link_newest(struct store *s, struct store_spool *sp)
{
	sp->newer = NULL;
	sp->older = s->newest;
	if (s->newest != NULL)
		s->newest->newer = sp;
	s->newest = sp;
	if (s->oldest == NULL)
		s->oldest = sp;
}

static void
spool_free(struct store_spool *sp)
{
	for (int i = 0; i < BL_STREAMS; i++) {
		seqs_free(&sp->stream[i].settled);
		seqs_free(&sp->stream[i].aside);
		seqs_free(&sp->stream[i].vanished);
		seqs_free(&sp->stream[i].named);
	}
	free(sp->segs);
	free(sp);
}

static void
spool_forget(struct store *s, struct store_spool *sp)
{
	struct store_spool **at = &s->bucket[bucket_of(s, &sp->uuid)];

	while (*at != sp)
		at = &(*at)->next;
	*at = sp->next;
	unlink_use(s, sp);
	s->n_spools--;
	spool_free(sp);
}

void
store_forget_spools(struct store *s)
{
	while (s->newest != NULL)
		spool_forget(s, s->newest);
}

void
store_shrink_spools(struct store *s)
{
	while (s->n_spools > s->opts.spools_in_memory)
		spool_forget(s, s->oldest);
}

/* ---- loading ---- */

int
store_device_id(struct store *s, const char *device, int64_t *id, struct bl_err *err)
{
	sqlite3_stmt *st = store_bind(s, SQL_DEVICE_GET, err, "t", device);
	int rc = store_step(s, st, err);

	if (rc < 0)
		return rc;
	if (rc == 1) {
		*id = sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
		return BL_OK;
	}
	if ((rc = store_run(s, SQL_DEVICE_ADD, err, "t", device)) < 0)
		return rc;
	*id = sqlite3_last_insert_rowid(s->db);
	return BL_OK;
}

int
store_boot_id(struct store *s, struct store_spool *sp, const struct bl_id *boot, int64_t *id,
    struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	if (sp->boot_id == 0 || !bl_id_equal(&sp->boot, boot)) {
		st = store_bind(s, SQL_BOOT_GET, err, "d", boot);
		if ((rc = store_step(s, st, err)) < 0)
			return rc;
		if (rc == 1) {
			sp->boot_id = sqlite3_column_int64(st, 0);
			(void)sqlite3_reset(st);
		} else {
			if ((rc = store_run(s, SQL_BOOT_ADD, err, "d", boot)) < 0)
				return rc;
			sp->boot_id = sqlite3_last_insert_rowid(s->db);
		}
		sp->boot = *boot;
	}
	*id = sp->boot_id;
	return BL_OK;
}

static int
load_segments(struct store *s, struct store_spool *sp, struct bl_err *err)
{
	sqlite3_stmt *st = store_bind(s, SQL_SEGMENT_GET, err, "i", sp->id);
	int rc;

	while ((rc = store_step(s, st, err)) == 1) {
		struct bl_clock_segment *seg;

		if (sp->n_segs == sp->size_segs) {
			const size_t size = sp->size_segs == 0 ? 4 : sp->size_segs * 2;

			if ((seg = realloc(sp->segs, size * sizeof(*seg))) == NULL) {
				(void)sqlite3_reset(st);
				return bl_fail(err, BL_ENOMEM, "telemetry store: out of memory");
			}
			sp->segs = seg;
			sp->size_segs = size;
		}
		seg = &sp->segs[sp->n_segs++];
		seg->id = (uint32_t)sqlite3_column_int64(st, 0);
		store_column_id(st, 1, &seg->boot);
		seg->from_boot_ms = sqlite3_column_int64(st, 2);
		seg->offset_ms = sqlite3_column_int64(st, 3);
		seg->uncertainty_ms = (uint32_t)sqlite3_column_int64(st, 4);
		seg->source = (enum bl_clock_source)sqlite3_column_int(st, 5);
	}
	return rc;
}

/* Takes a row of SQL_SPOOL_GET into memory. */
static int
spool_load(struct store *s, sqlite3_stmt *st, const struct bl_id *uuid, struct store_spool **out,
    struct bl_err *err)
{
	struct store_spool *sp = calloc(1, sizeof(*sp));
	unsigned b;
	int rc;

	if (sp == NULL) {
		(void)sqlite3_reset(st);
		return bl_fail(err, BL_ENOMEM, "telemetry store: out of memory");
	}
	sp->uuid = *uuid;
	sp->id = sqlite3_column_int64(st, 0);
	sp->device_id = sqlite3_column_int64(st, 1);
	store_column_text(st, 2, sp->device, sizeof(sp->device));
	sp->closed = sqlite3_column_int(st, 3) != 0;
	sp->conflict = sqlite3_column_int(st, 4) != 0;
	sp->dict_version = (uint32_t)sqlite3_column_int64(st, 5);
	sp->clock_version = (uint32_t)sqlite3_column_int64(st, 6);
	sp->said_hello = sqlite3_column_int(st, 7) != 0;
	(void)sqlite3_reset(st);
	if ((rc = store_stream_load(s, sp, err)) < 0 || (rc = load_segments(s, sp, err)) < 0) {
		spool_free(sp);
		return rc;
	}
	sp->touched_lsn = s->total.lsn;
	b = bucket_of(s, uuid);
	sp->next = s->bucket[b];
	s->bucket[b] = sp;
	link_newest(s, sp);
	s->n_spools++;
	*out = sp;
	return BL_OK;
}

int
store_spool_find(
    struct store *s, const struct bl_id *uuid, struct store_spool **out, struct bl_err *err)
{
	struct store_spool *sp = s->bucket[bucket_of(s, uuid)];
	sqlite3_stmt *st;
	int rc;

	*out = NULL;
	while (sp != NULL && !bl_id_equal(&sp->uuid, uuid))
		sp = sp->next;
	if (sp != NULL) {
		sp->touched_lsn = s->total.lsn;
		if (s->newest != sp) {
			unlink_use(s, sp);
			link_newest(s, sp);
		}
		*out = sp;
		return BL_OK;
	}
	st = store_bind(s, SQL_SPOOL_GET, err, "d", uuid);
	if ((rc = store_step(s, st, err)) <= 0)
		return rc;
	return spool_load(s, st, uuid, out, err);
}

/* BL_OK or STORE_SPOOL_TOO_MANY. */
static int
spool_create(struct store *s, const struct bl_id *uuid, const char *device, struct bl_err *err)
{
	sqlite3_stmt *st;
	int64_t device_id, n;
	int rc;

	if ((rc = store_device_id(s, device, &device_id, err)) < 0)
		return rc;
	st = store_bind(s, SQL_SPOOL_COUNT, err, "i", device_id);
	if ((rc = store_step(s, st, err)) < 0)
		return rc;
	n = rc == 1 ? sqlite3_column_int64(st, 0) : 0;
	(void)sqlite3_reset(st);
	if (n >= (int64_t)s->opts.spools_per_device)
		return STORE_SPOOL_TOO_MANY;
	return store_run(s, SQL_SPOOL_ADD, err, "dii", uuid, device_id, s->now_unix_ms);
}

int
store_spool(struct store *s, const struct bl_id *uuid, const char *device, struct store_spool **out,
    struct bl_err *err)
{
	int rc;

	*out = NULL;
	if (bl_id_is_zero(uuid))
		return bl_fail(err, BL_EINVAL, "a spool id must not be zero");
	if ((rc = store_spool_find(s, uuid, out, err)) < 0)
		return rc;
	if (*out != NULL) {
		if (strcmp((*out)->device, device) == 0)
			return STORE_SPOOL_OK;
		if (!(*out)->conflict)
			(*out)->conflict = (*out)->dirty = (*out)->row_dirty = true;
		return STORE_SPOOL_FOREIGN;
	}
	if ((rc = spool_create(s, uuid, device, err)) != BL_OK ||
	    (rc = store_spool_find(s, uuid, out, err)) < 0)
		return rc;
	return *out == NULL ? bl_fail(err, BL_EIO, "telemetry store: a new spool is not there")
			    : STORE_SPOOL_NEW;
}

int
store_spool_known(struct store *s, const struct bl_id *uuid, const char *device,
    struct store_spool **out, struct bl_err *err)
{
	int rc = store_spool_find(s, uuid, out, err);

	if (rc < 0 || *out == NULL)
		return rc < 0 ? rc : BL_ENOTFOUND;
	return strcmp((*out)->device, device) == 0 ? STORE_SPOOL_OK : STORE_SPOOL_FOREIGN;
}

uint64_t
store_spool_missing(const struct store_spool *sp)
{
	uint64_t n = 0;

	for (int i = 0; i < BL_STREAMS; i++)
		n += store_stream_unanswered(&sp->stream[i]);
	return n;
}

int
store_flush_coverage(struct store *s, struct bl_err *err)
{
	int rc;

	for (struct store_spool *sp = s->newest; sp != NULL; sp = sp->older) {
		if (sp->touched_lsn != s->total.lsn)
			break;
		for (int i = 0; i < BL_STREAMS; i++)
			for (int k = 0; k < 2; k++) {
				struct coverage_row *c = &sp->stream[i].cover[k];

				if (c->dirty && (rc = store_cover_flush(
						     s, sp, (enum bl_stream)(i + 1), c, err)) < 0)
					return rc;
			}
	}
	return BL_OK;
}

int
store_flush_spools(struct store *s, struct bl_err *err)
{
	int rc;

	/* What this transaction met is at the front of the list. */
	for (struct store_spool *sp = s->newest; sp != NULL; sp = sp->older) {
		if (sp->touched_lsn != s->total.lsn)
			break;
		if (!sp->dirty)
			continue;
		for (int i = 1; i <= BL_STREAMS; i++)
			if ((rc = store_stream_flush(s, sp, (enum bl_stream)i, err)) < 0)
				return rc;
		if (sp->row_dirty && (rc = store_dict_flush(s, sp, err)) < 0)
			return rc;
		if (sp->row_dirty &&
		    (rc = store_run(s, SQL_SPOOL_SET, err, "iiiii", (int64_t)sp->closed,
			 (int64_t)sp->conflict, (int64_t)sp->dict_version,
			 (int64_t)sp->clock_version, sp->id)) < 0)
			return rc;
		sp->dirty = sp->row_dirty = false;
	}
	return BL_OK;
}

/* ---- what others ask ---- */

bool
store_spool_closed(const struct store_spool *sp)
{
	return sp->closed;
}

uint32_t
store_spool_dict_version(const struct store_spool *sp)
{
	return sp->dict_version;
}

uint32_t
store_spool_clock_version(const struct store_spool *sp)
{
	return sp->clock_version;
}

bool
store_spool_knows_boot(const struct store_spool *sp, const struct bl_id *boot)
{
	for (size_t i = 0; i < sp->n_segs; i++)
		if (bl_id_equal(&sp->segs[i].boot, boot))
			return true;
	return false;
}

bool
store_spool_mentioned(const struct store_spool *sp)
{
	bool heard = sp->said_hello || sp->closed || sp->dict_version > 0 || sp->clock_version > 0;

	for (int i = 0; i < BL_STREAMS; i++)
		heard = heard || sp->stream[i].settled.n > 0;
	return !heard;
}

/* ---- hello ---- */

/*
 * What a spool announced and its successor never held: another life's, of a file that
 * was set back or lost.  The successor names what it knows, and of the rest it knows nothing.
 */
static int
name_other_life(struct store *s, struct store_spool *old, struct bl_err *err)
{
	int rc = BL_OK;

	for (int i = 0; i < BL_STREAMS && rc == BL_OK; i++) {
		const struct store_stream *m = &old->stream[i];
		const uint64_t from =
		    m->untold_from != 0 ? m->untold_from : seqs_highest(&m->settled) + 1;

		if (from < m->next_seq)
			rc = store_gap_name(s, old, (enum bl_stream)(i + 1), from, m->next_seq - 1,
			    old->was_recovered ? BL_GAP_DAMAGED : BL_GAP_ROLLED_BACK, err);
	}
	return rc;
}

/* Up to where whoever says this hello will name what does not come: it learns what is settled. */
static void
note_told(struct store_spool *sp, const struct bl_hello *h)
{
	/* A spool asks about an earlier id of its own file without maps: those are the new id's. */
	sp->was_recovered = h->dict_version == 0 && h->clock_version == 0;
	for (int i = 0; i < BL_STREAMS; i++) {
		struct store_stream *m = &sp->stream[i];

		m->untold_from = seqs_highest(&m->settled) + 1;
		if (h->stream[i].next_seq > m->untold_from)
			m->untold_from = h->stream[i].next_seq;
	}
}

static int
close_predecessor(
    struct store *s, const struct store_spool *sp, const struct bl_id *uuid, struct bl_err *err)
{
	struct store_spool *old;
	int rc;

	if (bl_id_is_zero(uuid) || bl_id_equal(uuid, &sp->uuid))
		return BL_OK;
	if ((rc = store_spool_find(s, uuid, &old, err)) < 0 || old == NULL)
		return rc;
	/* Closed, one of which nothing is here would look like another device's to who comes back
	 * with it. */
	if (strcmp(old->device, sp->device) != 0 || old->closed || store_spool_mentioned(old))
		return BL_OK;
	old->closed = old->dirty = old->row_dirty = true;
	for (int i = 0; i < BL_STREAMS; i++)
		old->stream[i].dirty = old->stream[i].exists; /* "unexplained" has another bound */
	return name_other_life(s, old, err);
}

/* What lies between the held ranges is not held; a full list only tells of its newest. */
static void
ask_for_holes(const struct store_stream *m, const struct bl_hello_stream *h, struct bl_ranges *need)
{
	const struct bl_ranges *held = &h->held;
	uint64_t at = h->lowest_held;

	if (h->lowest_held > 1)
		store_stream_unasked(m, 1, h->lowest_held - 1, need);
	if (held->n == BL_RANGES_MAX)
		at = held->r[0].first;
	for (uint32_t i = 0; i < held->n && held->r[i].first < h->next_seq; i++) {
		if (held->r[i].first > at)
			store_stream_unasked(m, at, held->r[i].first - 1, need);
		if (held->r[i].last >= at)
			at = held->r[i].last + 1;
	}
	if (h->next_seq > at)
		store_stream_unasked(m, at, h->next_seq - 1, need);
}

static bool
rolled_back(const struct store_spool *sp, const struct bl_hello *h)
{
	for (int i = 0; i < BL_STREAMS; i++)
		if (seqs_highest(&sp->stream[i].settled) >= h->stream[i].next_seq)
			return true;
	return false;
}

int
store_hello(struct store *s, struct store_spool *sp, const struct bl_hello *h,
    struct bl_ranges need[BL_STREAMS], struct bl_err *err)
{
	int rc;

	memset(need, 0, BL_STREAMS * sizeof(*need));
	for (int i = 0; i < BL_STREAMS; i++)
		if (h->stream[i].next_seq < 1 || h->stream[i].next_seq > STORE_SEQ_MAX ||
		    h->stream[i].lowest_held > h->stream[i].next_seq)
			return bl_fail(err, BL_EINVAL, "hello: seqs of a stream are impossible");
	if ((rc = store_run(s, SQL_SPOOL_HELLO, err, "didtti", &h->predecessor, s->now_unix_ms,
		 &h->boot, h->software, h->config_hash, sp->id)) < 0 ||
	    (rc = close_predecessor(s, sp, &h->predecessor, err)) < 0)
		return rc;
	sp->birth_known = false;
	sp->said_hello = true;
	note_told(sp, h);
	/*
	 * Before "closed": a copy that is put back a second time names an id that
	 * the first time's successor closed.  It too has to begin a new one.
	 */
	if (rolled_back(sp, h))
		return STORE_HELLO_ROLLED_BACK;
	if (sp->closed) {
		sp->conflict = sp->dirty = sp->row_dirty = true;
		return STORE_HELLO_CLOSED;
	}
	for (int i = 0; i < BL_STREAMS; i++) {
		struct store_stream *m = &sp->stream[i];
		const struct bl_hello_stream *hs = &h->stream[i];

		if (hs->next_seq > m->next_seq)
			m->next_seq = hs->next_seq;
		if (hs->lowest_held > m->lowest_held)
			m->lowest_held = hs->lowest_held;
		m->dirty = sp->dirty = true;
		ask_for_holes(m, hs, &need[i]);
	}
	return STORE_HELLO_OK;
}

void
store_missing(const struct store_spool *sp, struct bl_ranges need[BL_STREAMS])
{
	memset(need, 0, BL_STREAMS * sizeof(*need));
	for (int i = 0; i < BL_STREAMS; i++) {
		const struct store_stream *m = &sp->stream[i];

		if (m->lowest_held > 1)
			store_stream_unasked(m, 1, m->lowest_held - 1, &need[i]);
	}
}

/* ---- receipts ---- */

/* The newest ranges: what is cut off here is said when holes have closed. */
static void
newest_ranges(const struct seqs *q, size_t from, struct bl_ranges *out)
{
	size_t i = from;

	out->n = 0;
	if (q->n - from > BL_RANGES_MAX)
		i = q->n - BL_RANGES_MAX;
	for (; i < q->n; i++)
		out->r[out->n++] = q->r[i];
}

void
store_receipt(const struct store *s, const struct store_spool *sp, struct bl_receipt *out)
{
	out->spool = sp->uuid;
	out->epoch = s->epoch;
	out->dict_version = sp->dict_version;
	out->clock_version = sp->clock_version;
	for (int i = 0; i < BL_STREAMS; i++) {
		const struct store_stream *m = &sp->stream[i];
		struct bl_receipt_stream *r = &out->stream[i];

		r->contiguous = seqs_contiguous(&m->settled);
		newest_ranges(&m->settled, r->contiguous > 0 ? 1 : 0, &r->beyond);
		newest_ranges(&m->aside, 0, &r->aside);
	}
}
