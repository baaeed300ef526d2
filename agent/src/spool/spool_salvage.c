/*
 * What a damaged file still holds and the centre may not have comes over into
 * the new one, in slices between the spool's other work.
 *
 *   look     all pages: identity, counters, names of series, clock map, and the
 *            rows that were open (spool_salvage_look.c)
 *   open     one transaction: the open rows become batches under the OLD id, the
 *            "damaged" entry of each stream says what was not recovered
 *            (spool_salvage_open.c)
 *   bodies   all pages: messages that are whole, under their old ids and seqs
 *   ledger   all pages: entries, and rows of batches whose messages are gone: what those were
 *
 * The file is read page by page (spool_wreck.h), so one bad page costs what it
 * held.  What comes over belongs to former generations that the centre has not
 * been asked about: when all is done, the next hello asks (spool_hello.c), and
 * only what the centre does not have is cut again under the new id.  So nothing
 * doubles.  Seqs that nobody has then are named "damaged" (spool_answer.c).
 *
 * How far it has come is in the file (spool_gen.aside, .page): a death goes on
 * from there.  "look" is done again, all it does can be repeated.
 */
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "spool_salvage_internal.h"

#define LEDGER_PASS (INT64_C(1) << 32) /* in spool_gen.page: the bodies are done */

void
salvage_free(struct spool *s)
{
	struct salvage *v = s->salvage;

	if (v == NULL)
		return;
	for (size_t i = 0; i < v->n_kept; i++)
		free(v->kept[i].row);
	free(v->kept);
	free(v->delivered);
	free(v->series);
	wreck_close(v->w);
	free(v);
	s->salvage = NULL;
}

int
salvage_find(struct spool *s, struct bl_err *err)
{
	sqlite3_stmt *st = db_select(s, Q_GEN_SALVAGE, err, "");
	int rc;

	if (st == NULL)
		return err->code;
	rc = db_step(s, st, err);
	s->salvaging = rc == 1;
	db_done(st);
	return rc < 0 ? rc : BL_OK;
}

/* ---- opening the wreck, also after a death ---- */

static int
salvage_open(struct spool *s, struct bl_err *err)
{
	struct salvage *v = calloc(1, sizeof(*v));
	char dir[4096];
	sqlite3_stmt *st;
	int rc;

	if (v == NULL)
		return bl_fail(err, BL_ENOMEM, "salvage: out of memory");
	s->salvage = v;
	v->s = s;
	v->look = 1;
	v->seal = -1;
	if ((st = db_select(s, Q_GEN_SALVAGE, err, "")) == NULL)
		return err->code;
	if ((rc = db_step(s, st, err)) == 1) {
		(void)snprintf(dir, sizeof(dir), "%s", s->path);
		(void)snprintf(v->path, sizeof(v->path), "%s/%s", dirname(dir),
		    (const char *)sqlite3_column_text(st, 3));
		v->into = sqlite3_column_int64(st, 0);
		v->spool = db_column_id(st, 1);
		v->page = sqlite3_column_int64(st, 2);
		v->end_boot = db_column_id(st, 4);
		v->end_ms = sqlite3_column_int64(st, 5);
	}
	db_done(st);
	if (rc < 0)
		return rc;
	if (wreck_open(&v->w, v->path, err) < 0) {
		bl_warn("spool", "the damaged spool cannot be read again: %s", err->msg);
		v->looked = true; /* without a page: only named */
		salvage_settle_counters(v);
	}
	return BL_OK;
}

/* ---- bodies ---- */

/* The generation that a body of the wreck goes into; 0: none of ours. */
static int64_t
into_of(const struct salvage *v, int64_t gen, struct bl_id *spool)
{
	*spool = v->spool;
	if (gen == v->old.gen)
		return v->into;
	for (unsigned i = 0; i < v->n_former; i++)
		if (v->former[i].gen == gen && v->former[i].into != 0) {
			*spool = v->former[i].spool;
			return v->former[i].into;
		}
	return 0;
}

static int
has_batch(struct salvage *v, int64_t id)
{
	sqlite3_stmt *st = db_select(v->s, Q_BATCH_GET, v->err, "i", id);
	int rc;

	if (st == NULL)
		return v->err->code;
	rc = db_step(v->s, st, v->err);
	db_done(st);
	return rc;
}

/* Samples of series whose names were lost. */
static int
name_nameless(struct salvage *v, const struct bl_batch_header *h, uint32_t samples)
{
	const struct bl_gap gap = {
		.spool = h->spool,
		.reason = BL_GAP_DAMAGED,
		.stream = h->stream,
		.begin_boot = h->boot,
		.begin_boot_ms = h->collect_begin_ms,
		.end_boot = h->boot,
		.end_boot_ms = h->collect_end_ms,
		.samples = samples,
	};

	v->s->recovery.unreadable += samples;
	return samples > 0 ? ledger_add(v->s, &gap, v->err) : BL_OK;
}

/* Row and message agree on whose it is; else a bit of one is wrong, and who knows of which. */
static bool
is_its_own(const struct wreck_row *r, const struct bl_id *spool)
{
	struct bl_batch_header h;
	const uint8_t *body;
	size_t body_len;

	return r->rowid > 0 && r->col[1].p != NULL &&
	       bl_batch_header_decode(r->col[1].p, r->col[1].len, &h, &body, &body_len, NULL) ==
		   BL_OK &&
	       h.stream == batch_stream(r->rowid) && h.seq == batch_seq(r->rowid) &&
	       bl_id_equal(&h.spool, spool);
}

/* In a transaction.  What does not decode is left out: its seq is named later. */
static int
take_body(struct salvage *v, const struct wreck_row *r)
{
	const enum bl_stream stream = batch_stream(r->rowid);
	struct bl_batch_header h = { .seq = batch_seq(r->rowid) };
	const int64_t gen = r->rowid >> BATCH_GEN_BITS;
	const int64_t into = into_of(v, gen, &h.spool);
	const int64_t id = batch_id(into, stream, h.seq);
	struct recoded done = { 0 };
	struct bl_buf out;
	int rc;

	if (into == 0 || !stream_valid(stream) || r->col[1].p == NULL ||
	    (gen == v->old.gen &&
		(int64_t)h.seq <= v->old.stream[stream_index(stream)].contiguous) ||
	    (gen != v->old.gen && salvage_was_delivered(v, r->rowid)))
		return BL_OK; /* not ours, or delivered */
	if ((rc = has_batch(v, id)) != 0)
		return rc < 0 ? rc : BL_OK; /* came over before a death */
	bl_buf_init(&out, BL_BATCH_WIRE_MAX);
	rc = is_its_own(r, &h.spool)
		 ? recode(r->col[1].p, r->col[1].len, salvage_renamed, v, &done, &h, &out, NULL)
		 : BL_ECORRUPT;
	if (rc == BL_OK) {
		rc = batch_insert(v->s, id, &h, BATCH_ELSEWHERE, done.samples, &out, v->err);
		if (rc == BL_OK)
			rc = name_nameless(v, &h, done.nameless);
		v->txn_bytes += out.len;
		v->s->recovery.batches++;
	} else {
		v->s->recovery.lost++;
		rc = BL_OK;
	}
	bl_buf_free(&out);
	return rc;
}

/* One transaction must not fill the log. */
static int
split_txn(struct salvage *v)
{
	int rc;

	if (v->txn_bytes < SPOOL_TXN_BYTES)
		return BL_OK;
	v->txn_bytes = 0;
	if ((rc = txn_commit(v->s, v->err)) < 0)
		return rc;
	return txn_begin(v->s, v->err);
}

static bool
body_row(void *ctx, const struct wreck_row *r)
{
	struct salvage *v = ctx;

	if (r->kind != WRECK_BODY)
		return true;
	if ((v->rc = take_body(v, r)) == BL_OK)
		v->rc = split_txn(v);
	return v->rc == BL_OK;
}

/* ---- ledger ---- */

/* True: it had its receipt in the wreck. */
static bool
was_receipted(const struct salvage *v, int64_t gen, enum bl_stream stream, uint64_t seq)
{
	return gen == v->old.gen &&
	       (int64_t)seq <= v->old.stream[stream_index(stream)].contiguous;
}

/*
 * The batch that tells of it, as it is called here: one that came over, or was delivered.  When
 * that is dropped, or lost at the centre, the entry is told again.  0: none, or it is nowhere.
 */
static int
teller_of(struct salvage *v, const struct wreck_column *travel, int64_t *teller)
{
	const uint64_t seq = batch_seq(travel->i);
	const int64_t gen = travel->i >> BATCH_GEN_BITS;
	struct bl_id spool;
	const int64_t into = into_of(v, gen, &spool);
	int rc = 1;

	*teller = into != 0 && travel->type != WRECK_NULL ? batch_id(into, BL_STREAM_EVENTS, seq)
							  : 0;
	if (*teller != 0 && !was_receipted(v, gen, BL_STREAM_EVENTS, seq))
		rc = has_batch(v, *teller);
	if (rc == 0)
		*teller = 0;
	return rc;
}

static int
ledger_entry(struct salvage *v, const struct wreck_row *r)
{
	struct bl_gap gap = { 0 };
	int64_t teller;

	if (!stream_valid((enum bl_stream)r->col[3].i) || r->col[2].i < BL_GAP_OFF ||
	    r->col[2].i > BL_GAP_LAST)
		return BL_OK;
	gap.spool = wreck_id(&r->col[1]);
	gap.reason = (enum bl_gap_reason)r->col[2].i;
	gap.stream = (enum bl_stream)r->col[3].i;
	gap.seq_first = (uint64_t)r->col[4].i;
	gap.seq_last = (uint64_t)r->col[5].i;
	gap.begin_boot = wreck_id(&r->col[6]);
	gap.begin_boot_ms = r->col[7].i;
	gap.end_boot = wreck_id(&r->col[8]);
	gap.end_boot_ms = r->col[9].i;
	gap.samples = (uint64_t)r->col[10].i;
	if (teller_of(v, &r->col[11], &teller) < 0)
		return v->err->code;
	return teller != 0 ? ledger_put(v->s, &gap, teller, v->err) : ledger_add(v->s, &gap, v->err);
}

/*
 * A batch's row that is whole where its message is not, or did not come over.  Without a receipt:
 * it knows when that was.  (The centre may have the batch; then it leaves the entry out.)  With
 * one it can be had from nobody but the centre.
 */
static int
bodyless(struct salvage *v, const struct wreck_row *r)
{
	const enum bl_stream stream = batch_stream(r->rowid);
	const int64_t gen = r->rowid >> BATCH_GEN_BITS;
	struct bl_gap gap = {
		.reason = BL_GAP_DAMAGED,
		.stream = stream,
		.seq_first = batch_seq(r->rowid),
		.seq_last = batch_seq(r->rowid),
		.begin_boot = wreck_id(&r->col[1]),
		.begin_boot_ms = r->col[2].i,
		.end_boot = wreck_id(&r->col[1]),
		.end_boot_ms = r->col[3].i,
		.samples = (uint64_t)(r->col[4].i + r->col[5].i),
	};
	const int64_t into = into_of(v, gen, &gap.spool);
	const int64_t id = batch_id(into, stream, gap.seq_first);
	int rc;

	if (into == 0 || !stream_valid(stream) || was_receipted(v, gen, stream, gap.seq_first) ||
	    gap.begin_boot_ms > gap.end_boot_ms || bl_id_is_zero(&gap.begin_boot) ||
	    (rc = has_batch(v, id)) == 1)
		return BL_OK;
	if (rc == 0)
		rc = r->col[10].type != WRECK_NULL ? trimmed_add(v->s, id, v->err)
						   : ledger_add(v->s, &gap, v->err);
	return rc;
}

/* What was trimmed of former ids, too. */
static int
trimmed_range(struct salvage *v, const struct wreck_row *r)
{
	const enum bl_stream stream = batch_stream(r->rowid);
	struct bl_id spool;
	const int64_t into = into_of(v, r->rowid >> BATCH_GEN_BITS, &spool);

	if (into == 0 || into == v->into || !stream_valid(stream) ||
	    r->col[1].i >> BATCH_SEQ_BITS != r->rowid >> BATCH_SEQ_BITS)
		return BL_OK;
	return trimmed_elsewhere(
	    v->s, into, stream, batch_seq(r->rowid), batch_seq(r->col[1].i), v->err);
}

static bool
ledger_pass_row(void *ctx, const struct wreck_row *r)
{
	struct salvage *v = ctx;

	if (r->kind == WRECK_LEDGER)
		v->rc = ledger_entry(v, r);
	else if (r->kind == WRECK_BATCH)
		v->rc = bodyless(v, r);
	else if (r->kind == WRECK_TRIMMED)
		v->rc = trimmed_range(v, r);
	return v->rc == BL_OK;
}

/* ---- slices ---- */

static int
done(struct salvage *v)
{
	int rc;

	if ((rc = txn_begin(v->s, v->err)) < 0)
		return rc;
	/* What had its receipt and did not come over can be had from nobody but the centre. */
	for (unsigned i = 0; i < BL_STREAMS && rc == BL_OK; i++)
		rc = trimmed_unheld(v->s, v->into, (enum bl_stream)(i + 1),
		    (uint64_t)v->old.stream[i].contiguous, v->err);
	if (rc < 0 || (rc = db_run(v->s, Q_GEN_DONE, v->err, "i", v->into)) < 0) {
		txn_rollback(v->s);
		return rc;
	}
	if ((rc = txn_commit(v->s, v->err)) < 0)
		return rc;
	v->s->salvaging = false;
	v->s->recovery.running = false;
	bl_warn("spool",
	    "recovered from the damaged spool batches=%u unreadable=%u open_samples=%llu",
	    v->s->recovery.batches, v->s->recovery.lost,
	    (unsigned long long)v->s->recovery.samples);
	salvage_free(v->s);
	return BL_OK;
}

/* A pass over all pages, from where the file says; *end when it is over. */
static int
pass_slice(struct salvage *v, bool (*row)(void *ctx, const struct wreck_row *r), bool *end)
{
	const int64_t began = bl_mono_ms(v->s->clock), pass = v->page & LEDGER_PASS;
	const uint32_t pages = v->w != NULL ? wreck_pages(v->w) : 0;
	uint32_t page = (uint32_t)v->page;
	int rc;

	if ((rc = txn_begin(v->s, v->err)) < 0)
		return rc;
	v->rc = BL_OK;
	v->txn_bytes = 0;
	for (unsigned n = 0; page <= pages && v->rc == BL_OK && !salvage_slice_over(v, began, n); n++)
		wreck_page(v->w, page++, row, v);
	*end = page > pages;
	if (v->rc == BL_OK)
		v->rc = db_run(v->s, Q_GEN_PAGE, v->err, "ii", v->into, pass | page);
	if (v->rc < 0) {
		txn_rollback(v->s);
		return v->rc;
	}
	if ((rc = txn_commit(v->s, v->err)) == BL_OK)
		v->page = pass | page;
	return rc;
}

static int
next_slice(struct salvage *v)
{
	bool end = false;
	int rc;

	if (!v->looked)
		return salvage_look_slice(v);
	/* Names that did not get into the file: after a death their ids would be others'. */
	if (!pending_empty(v->s) && (rc = commit_all(v->s, v->err)) < 0)
		return rc;
	if (v->page == 0)
		return salvage_open_slice(v);
	if ((v->page & LEDGER_PASS) == 0) {
		if ((rc = pass_slice(v, body_row, &end)) == BL_OK && end)
			v->page = LEDGER_PASS | 1;
		return rc;
	}
	if ((rc = pass_slice(v, ledger_pass_row, &end)) == BL_OK && end)
		rc = done(v);
	return rc;
}

/* In percent: looking, bodies and ledger are about the same work. */
static unsigned
progress(const struct salvage *v)
{
	const uint64_t pages = v->w != NULL ? wreck_pages(v->w) : 0;
	uint64_t n = v->look;

	if (v->looked)
		n = pages + (uint32_t)v->page;
	if ((v->page & LEDGER_PASS) != 0)
		n += pages;
	return pages == 0 || n > 3 * pages ? 99 : (unsigned)(n * 99 / (3 * pages));
}

int
salvage_slice(struct spool *s, bool *more, struct bl_err *err)
{
	unsigned freed = 0;
	int rc;

	*more = false;
	if (!s->salvaging || s->damaged)
		return BL_OK;
	if ((rc = begin_boot(s, err)) < 0)
		return rc;
	s->recovery.running = true;
	if (s->salvage == NULL && (rc = salvage_open(s, err)) < 0) {
		salvage_free(s);
		return rc;
	}
	s->salvage->err = err;
	rc = next_slice(s->salvage);
	/* The cap of the file: room is made by policy.  The disk's: it goes on later. */
	if (rc == BL_EFULL && trim_for_room(s, &freed, err) == BL_OK && freed > 0)
		rc = BL_OK;
	*more = rc == BL_OK && s->salvaging;
	if (s->salvage != NULL)
		s->recovery.pct = progress(s->salvage);
	return rc;
}

void
spool_recovery(const struct spool *s, struct spool_recovery *out)
{
	*out = s->recovery;
	out->running = s->salvaging;
}
