/*
 * What a damaged file still holds and the centre may not have comes over into
 * the new one, in slices between the spool's other work.
 *
 *   look     all pages: identity, counters, names of series, clock map, and the
 *            rows that were open
 *   open     one transaction: the open rows become batches under the OLD id, the
 *            "damaged" entry of each stream says what was not recovered
 *   bodies   all pages: messages that are whole, under their old ids and seqs
 *   ledger   all pages: entries that were never told
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

#include "spool_wreck.h"

#define SLICE_PAGES 64
#define SLICE_MS    20
#define KEPT_BYTES  (1024u * 1024u) /* of open rows in memory; far more than cutting lets gather */
#define LEDGER_PASS (INT64_C(1) << 32) /* in spool_gen.page: the bodies are done */
#define FORMER_MOST (SPOOL_GEN_AFTER_DAMAGE - 2)

/* An open row of the wreck. */
struct kept {
	int64_t n; /* its place in the order of arrival */
	struct spool_row *row;
};

/* A spool id that the wreck itself only kept batches of. */
struct former_id {
	int64_t gen, into;
	struct bl_id spool;
	int64_t asked, next[BL_STREAMS];
};

struct salvage {
	struct wreck *w;
	char path[4096];
	int64_t into; /* generation of the wreck's own id in the new file */
	int64_t page; /* as in the file; 0: the open rows have not come over */
	struct bl_id spool, end_boot;
	int64_t end_ms;
	uint32_t look; /* next page to look at */
	bool looked;

	/* found by looking */
	struct spool_durable old;
	char device[BL_DEVICE_ID_MAX + 1];
	bool state_found, stream_found[BL_STREAMS], sealed;
	int64_t seal, top_gen, top[BL_STREAMS];
	int64_t *delivered; /* ids of batches, ascending once all pages were looked at */
	size_t n_delivered, size_delivered;
	struct bl_id top_boot;
	uint32_t *series; /* old id -> new id */
	size_t n_series;
	struct kept *kept;
	size_t n_kept, size_kept, kept_bytes;
	struct former_id former[FORMER_MOST];
	unsigned n_former;

	/* of the slice */
	struct spool *s;
	struct bl_err *err;
	int rc;
	size_t txn_bytes;
};

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

/* ---- look ---- */

static void
look_dict(struct salvage *v, const struct wreck_row *r)
{
	const size_t id = (size_t)r->rowid;
	struct bl_series_def def;
	uint32_t fresh;

	if (r->rowid < 1 || r->rowid > (int64_t)BL_DICT_ENTRIES_MAX || r->col[2].p == NULL ||
	    hash_bytes(r->col[2].p, r->col[2].len) != r->col[1].i ||
	    def_decode(r->col[2].p, r->col[2].len, &def) < 0)
		return;
	if (id >= v->n_series) {
		const size_t n = id + 256;
		uint32_t *more = realloc(v->series, n * sizeof(*more));

		if (more == NULL)
			return; /* its samples are lost, and counted */
		memset(more + v->n_series, 0, (n - v->n_series) * sizeof(*more));
		v->series = more;
		v->n_series = n;
	}
	if (spool_series(v->s, &def, &fresh, NULL) == BL_OK)
		v->series[id] = fresh;
}

static void
look_clock(struct salvage *v, const struct wreck_row *r)
{
	const struct bl_clock_segment seg = {
		.boot = wreck_id(&r->col[1]),
		.from_boot_ms = r->col[2].i,
		.offset_ms = r->col[3].i,
		.uncertainty_ms = (uint32_t)r->col[4].i,
		.source = (enum bl_clock_source)r->col[5].i,
	};
	uint64_t lost;

	if (bl_id_is_zero(&seg.boot) || r->col[5].i < BL_CLOCK_UNTRUSTED ||
	    r->col[5].i > BL_CLOCK_CENTRE)
		return;
	if (spool_clock(v->s, &seg, NULL) == BL_EFULL && spool_commit(v->s, &lost, NULL) == BL_OK)
		(void)spool_clock(v->s, &seg, NULL); /* a lost segment: "clock unknown" */
}

/* It waits in memory: its commit's fate was unknown. */
static bool
is_in_memory(const struct spool *s, const struct wreck_row *r)
{
	if (r->col[3].i >= s->in_memory_from_ms[r->col[1].i - 1])
		return true;
	for (unsigned i = 0; i < s->n_in_memory; i++)
		if (s->in_memory[i].stream == r->col[1].i &&
		    s->in_memory[i].boot_ms == r->col[3].i && s->in_memory[i].crc == r->col[5].i)
			return true;
	return false;
}

static void
look_open(struct salvage *v, const struct wreck_row *r)
{
	const struct wreck_column *data = &r->col[6];
	const int64_t kind = r->col[2].i, samples = r->col[4].i;
	struct kept *more;
	struct spool_row *row;

	if (!stream_valid((enum bl_stream)r->col[1].i) || samples < 0 || data->p == NULL ||
	    is_in_memory(v->s, r) || (kind != ROW_TICK && kind != ROW_EVENT) ||
	    v->kept_bytes + data->len > KEPT_BYTES ||
	    row_crc(r->col[1].i, kind, r->col[3].i, samples, data->p, data->len) != r->col[5].i)
		return;
	if (v->n_kept == v->size_kept) {
		v->size_kept = v->size_kept * 2 + 64;
		if ((more = realloc(v->kept, v->size_kept * sizeof(*more))) == NULL)
			return;
		v->kept = more;
	}
	if ((row = calloc(1, sizeof(*row) + data->len)) == NULL)
		return;
	row->stream = (enum bl_stream)r->col[1].i;
	row->kind = (enum spool_row_kind)kind;
	row->boot_ms = r->col[3].i;
	row->n = (uint32_t)samples;
	row->len = data->len;
	memcpy(row->data, data->p, data->len);
	v->kept[v->n_kept++] = (struct kept){ r->rowid, row };
	v->kept_bytes += data->len;
}

/* How far the newest id of the file had come, for when its counters are what is damaged. */
static void
look_body(struct salvage *v, const struct wreck_row *r)
{
	const int64_t gen = r->rowid >> BATCH_GEN_BITS;
	const enum bl_stream stream = batch_stream(r->rowid);
	struct bl_batch_header h;
	const uint8_t *body;
	size_t body_len;

	if (r->rowid < 0 || !stream_valid(stream) || r->col[1].p == NULL ||
	    bl_batch_header_decode(r->col[1].p, r->col[1].len, &h, &body, &body_len, NULL) < 0 ||
	    h.seq != batch_seq(r->rowid) || h.stream != stream)
		return;
	if (gen > v->top_gen) {
		memset(v->top, 0, sizeof(v->top));
		v->top_gen = gen;
	}
	if (gen < v->top_gen || (int64_t)h.seq <= v->top[stream_index(stream)])
		return;
	v->top[stream_index(stream)] = (int64_t)h.seq;
	v->top_boot = h.boot;
	if (bl_id_is_zero(&v->spool))
		v->spool = h.spool;
}

static void
look_gen(struct salvage *v, const struct wreck_row *r)
{
	struct former_id *f;

	if (v->n_former == FORMER_MOST || bl_id_is_zero((struct bl_id[]){ wreck_id(&r->col[1]) }))
		return;
	f = &v->former[v->n_former++];
	f->gen = r->rowid;
	f->spool = wreck_id(&r->col[1]);
	f->asked = r->col[2].i;
	for (unsigned i = 0; i < BL_STREAMS; i++)
		f->next[i] = r->col[3 + i].i;
}

/*
 * What had its receipt.  The series of this file have other numbers, by which the centre
 * would not know it again: it is left where it is.
 */
static void
look_batch(struct salvage *v, const struct wreck_row *r)
{
	const size_t size = v->size_delivered == 0 ? 256 : v->size_delivered * 2;
	int64_t *more;

	if (r->col[10].type == WRECK_NULL)
		return;
	if (v->n_delivered == v->size_delivered) {
		if ((more = realloc(v->delivered, size * sizeof(*more))) == NULL)
			return;
		v->delivered = more;
		v->size_delivered = size;
	}
	v->delivered[v->n_delivered++] = r->rowid;
}

static int
ascending(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static bool
was_delivered(const struct salvage *v, int64_t id)
{
	return v->n_delivered > 0 && bsearch(&id, v->delivered, v->n_delivered,
					 sizeof(v->delivered[0]), ascending) != NULL;
}

static bool
look_row(void *ctx, const struct wreck_row *r)
{
	struct salvage *v = ctx;

	switch (r->kind) {
	case WRECK_STATE:
		v->state_found = wreck_state(r, &v->old, v->device, sizeof(v->device), &v->seal);
		break;
	case WRECK_STREAM:
		if (r->rowid >= 1 && r->rowid <= BL_STREAMS) {
			wreck_stream(r, &v->old.stream[r->rowid - 1]);
			v->stream_found[r->rowid - 1] = true;
		}
		break;
	case WRECK_DICT:
		look_dict(v, r);
		break;
	case WRECK_CLOCK:
		look_clock(v, r);
		break;
	case WRECK_OPEN:
		look_open(v, r);
		break;
	case WRECK_BODY:
		look_body(v, r);
		break;
	case WRECK_GEN:
		look_gen(v, r);
		break;
	case WRECK_BATCH:
		look_batch(v, r);
		break;
	case WRECK_LEDGER:
	case WRECK_OTHER:
		break;
	}
	return true;
}

static bool
slice_over(const struct salvage *v, int64_t began_ms, unsigned pages)
{
	return pages >= SLICE_PAGES || bl_mono_ms(v->s->clock) - began_ms >= SLICE_MS;
}

/*
 * The counters as far as they can be believed: sealed ones, else what this
 * process knew of the file, else what the messages themselves tell.
 */
static void
settle_counters(struct salvage *v)
{
	const struct bl_id boot = v->old.boot;
	bool whole = v->state_found;

	for (unsigned i = 0; i < BL_STREAMS; i++)
		whole = whole && v->stream_found[i];
	v->sealed = whole && (v->seal == -1 || v->seal == durable_seal(&v->old, v->device));
	if (!v->sealed && v->s->replaced_known) {
		v->old = v->s->replaced;
		v->sealed = true;
	}
	if (v->sealed) {
		v->spool = v->old.spool;
		return;
	}
	memset(&v->old, 0, sizeof(v->old));
	v->old.spool = v->spool;
	v->old.gen = v->top_gen;
	for (unsigned i = 0; i < BL_STREAMS; i++)
		v->old.stream[i].next_seq = v->top[i] + 1;
	/* A wrong boot would put samples at a wrong time: two must agree on it. */
	if (bl_id_equal(&boot, &v->s->boot) || bl_id_equal(&boot, &v->top_boot))
		v->old.boot = boot;
	else if (bl_id_equal(&v->top_boot, &v->s->boot))
		v->old.boot = v->s->boot;
}

/* Generations below the wreck's own for the ids that it kept batches of. */
static void
settle_former(struct salvage *v)
{
	int64_t into = v->into - 1;

	for (unsigned i = 0; i < v->n_former; i++)
		if (v->former[i].gen != v->old.gen && !bl_id_equal(&v->former[i].spool, &v->spool))
			v->former[i].into = into--;
}

static int
by_arrival(const void *a, const void *b)
{
	const struct kept *x = a, *y = b;

	return (x->n > y->n) - (x->n < y->n);
}

static int
look_slice(struct salvage *v)
{
	const int64_t began = bl_mono_ms(v->s->clock);
	unsigned pages = 0;

	for (; v->look <= wreck_pages(v->w) && !slice_over(v, began, pages); pages++)
		wreck_page(v->w, v->look++, look_row, v);
	if (v->look > wreck_pages(v->w)) {
		v->looked = true;
		settle_counters(v);
		settle_former(v);
		if (v->n_delivered > 0)
			qsort(v->delivered, v->n_delivered, sizeof(v->delivered[0]), ascending);
		if (v->n_kept > 0)
			qsort(v->kept, v->n_kept, sizeof(v->kept[0]), by_arrival);
	}
	/* The dictionary before the first batch that names it. */
	return pending_empty(v->s) ? BL_OK : commit_all(v->s, v->err);
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
		settle_counters(v);
	}
	return BL_OK;
}

/* ---- open ---- */

static uint32_t
renamed(void *ctx, uint32_t id)
{
	const struct salvage *v = ctx;

	return id < v->n_series ? v->series[id] : 0;
}

/* What of one stream's open rows comes over. */
struct reopened {
	enum bl_stream stream;
	int64_t begin_ms, end_ms; /* of the next batch; of all */
	uint64_t samples;
	uint64_t seq;
};

static int
open_batch(struct salvage *v, struct reopened *o, struct bl_batch_enc *enc, int64_t end_ms)
{
	struct bl_batch_header h = {
		.spool = v->spool,
		.boot = v->old.boot,
		.stream = o->stream,
		.kind = BL_BATCH_NORMAL,
		.seq = o->seq,
		.collect_begin_ms = o->begin_ms,
		.collect_end_ms = end_ms > o->begin_ms ? end_ms : o->begin_ms,
	};
	struct bl_buf msg;
	int rc;

	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	if ((rc = bl_batch_enc_finish(enc, &h, &msg, v->err)) == BL_OK)
		rc = batch_insert(v->s, batch_id(v->into, o->stream, h.seq), &h, BATCH_ELSEWHERE,
		    h.n_samples, &msg, v->err);
	bl_buf_free(&msg);
	o->seq++;
	o->begin_ms = h.collect_end_ms;
	return rc;
}

/* One row into the encoder; what has no name any more is not counted as recovered. */
static int
open_row(struct salvage *v, const struct kept *k, struct bl_batch_enc *enc, struct reopened *o)
{
	struct spool_row *row =
	    k->row->kind == ROW_TICK ? row_renumber(k->row, renamed, v) : k->row;
	uint32_t skipped = 0;
	int rc = BL_OK;

	if (row == NULL)
		return BL_OK; /* does not decode, or no memory: counted as lost */
	rc = row_encode(row->data, row->len, row->kind, row->boot_ms, enc, &skipped);
	if (rc == BL_OK)
		o->samples += row->n - skipped;
	if (row != k->row)
		free(row);
	return rc == BL_ECORRUPT ? BL_OK : rc;
}

static int
open_stream(struct salvage *v, struct reopened *o)
{
	struct bl_batch_enc *enc = bl_batch_enc_create();
	bool any = false;
	int rc = BL_OK;

	for (size_t i = 0; i < v->n_kept && rc == BL_OK && enc != NULL; i++) {
		const struct kept *k = &v->kept[i];

		if (k->row->stream != o->stream || (i > 0 && v->kept[i - 1].n == k->n))
			continue;
		if (!any && o->begin_ms == INT64_MIN)
			o->begin_ms = k->row->boot_ms;
		if (any && (bl_batch_enc_raw_guess(enc) >= BL_CUT_RAW_BYTES ||
			       bl_batch_enc_samples(enc) + k->row->n > BL_BATCH_SAMPLES_MAX)) {
			rc = open_batch(v, o, enc, k->row->boot_ms);
			bl_batch_enc_free(enc);
			if (rc < 0 || (enc = bl_batch_enc_create()) == NULL)
				return rc < 0 ? rc : BL_ENOMEM;
		}
		rc = open_row(v, k, enc, o);
		any = true;
		if (k->row->boot_ms > o->end_ms)
			o->end_ms = k->row->boot_ms;
	}
	if (enc == NULL)
		rc = BL_ENOMEM;
	if (rc == BL_OK && any)
		rc = open_batch(v, o, enc, o->end_ms);
	bl_batch_enc_free(enc);
	return rc;
}

static int
name_damage(struct salvage *v, const struct reopened *o, int64_t begin_ms)
{
	const struct spool_stream *m = &v->old.stream[stream_index(o->stream)];
	const uint64_t were = (uint64_t)m->open_samples;
	struct bl_gap gap = {
		.spool = v->spool,
		.reason = BL_GAP_DAMAGED,
		.stream = o->stream,
		.begin_boot = v->old.boot,
		.begin_boot_ms = begin_ms != INT64_MIN ? begin_ms : o->end_ms,
		.end_boot = v->end_boot,
		.end_boot_ms = v->end_ms,
		.samples = were > o->samples ? were - o->samples : 0,
	};

	/* All of it came over: what is missing begins where it ends. */
	if (v->sealed && gap.samples == 0 && o->begin_ms != INT64_MIN)
		gap.begin_boot_ms = o->begin_ms;
	if (bl_id_is_zero(&gap.begin_boot) || gap.begin_boot_ms == INT64_MIN) {
		memset(&gap.begin_boot, 0, sizeof(gap.begin_boot));
		gap.begin_boot_ms = 0;
	}
	return ledger_add(v->s, &gap, v->err);
}

/* The last time up to which this stream had been taken in: its rows may end before. */
static int64_t
stream_end(const struct salvage *v)
{
	return v->sealed ? v->old.covered_ms : INT64_MIN;
}

static int
open_all(struct salvage *v)
{
	const bool placed = !bl_id_is_zero(&v->old.boot);
	int rc = BL_OK;

	for (unsigned i = 0; i < BL_STREAMS && rc == BL_OK; i++) {
		const int64_t begin = v->sealed ? v->old.stream[i].begin_ms : INT64_MIN;
		struct reopened o = { .stream = (enum bl_stream)(i + 1),
			.begin_ms = begin,
			.end_ms = stream_end(v),
			.seq = (uint64_t)v->old.stream[i].next_seq };

		if (placed && !bl_id_is_zero(&v->spool) && (rc = open_stream(v, &o)) < 0)
			break;
		rc = name_damage(v, &o, begin);
		v->s->recovery.samples += o.samples;
	}
	return rc;
}

static int
former_all(struct salvage *v)
{
	int rc = BL_OK;

	for (unsigned i = 0; i < v->n_former && rc == BL_OK; i++) {
		const struct former_id *f = &v->former[i];

		if (f->into != 0)
			rc = db_run(v->s, Q_GEN_ADD, v->err, "idiiii", f->into, &f->spool, f->asked,
			    f->next[0], f->next[1], f->next[2]);
	}
	return rc;
}

static int
open_slice(struct salvage *v)
{
	const struct spool_recovery before = v->s->recovery;
	int rc;

	if ((rc = txn_begin(v->s, v->err)) < 0)
		return rc;
	if ((rc = open_all(v)) < 0 || (rc = former_all(v)) < 0 ||
	    (rc = db_run(v->s, Q_GEN_FOUND, v->err, "ibiiii", v->into, (const void *)v->spool.b,
		 (size_t)BL_ID_BYTES, v->old.stream[0].next_seq, v->old.stream[1].next_seq,
		 v->old.stream[2].next_seq, INT64_C(1))) < 0) {
		txn_rollback(v->s);
		v->s->recovery = before;
		return rc;
	}
	if ((rc = txn_commit(v->s, v->err)) == BL_OK)
		v->page = 1;
	else
		v->s->recovery = before;
	return rc;
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
	    (gen != v->old.gen && was_delivered(v, r->rowid)))
		return BL_OK; /* not ours, or delivered */
	if ((rc = has_batch(v, id)) != 0)
		return rc < 0 ? rc : BL_OK; /* came over before a death */
	bl_buf_init(&out, BL_BATCH_WIRE_MAX);
	rc = is_its_own(r, &h.spool)
		 ? recode(r->col[1].p, r->col[1].len, renamed, v, &done, &h, &out, NULL)
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

/* True: a batch that came over, or was delivered, tells of it. */
static int
is_told(struct salvage *v, const struct wreck_column *travel)
{
	const int64_t seq = (int64_t)batch_seq(travel->i);
	struct bl_id spool;
	int64_t into;

	if (travel->type == WRECK_NULL)
		return 0;
	if ((into = into_of(v, travel->i >> BATCH_GEN_BITS, &spool)) == 0)
		return 1;
	if (into == v->into && seq <= v->old.stream[0].contiguous)
		return 1;
	return has_batch(v, batch_id(into, BL_STREAM_EVENTS, (uint64_t)seq));
}

static bool
ledger_entry(void *ctx, const struct wreck_row *r)
{
	struct salvage *v = ctx;
	struct bl_gap gap = { 0 };
	int told;

	if (r->kind != WRECK_LEDGER || !stream_valid((enum bl_stream)r->col[3].i) ||
	    r->col[2].i < BL_GAP_OFF || r->col[2].i > BL_GAP_LAST)
		return true;
	if ((told = is_told(v, &r->col[11])) != 0) {
		v->rc = told < 0 ? told : BL_OK;
		return told > 0;
	}
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
	v->rc = ledger_add(v->s, &gap, v->err);
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
	for (unsigned n = 0; page <= pages && v->rc == BL_OK && !slice_over(v, began, n); n++)
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
		return look_slice(v);
	/* Names that did not get into the file: after a death their ids would be others'. */
	if (!pending_empty(v->s) && (rc = commit_all(v->s, v->err)) < 0)
		return rc;
	if (v->page == 0)
		return open_slice(v);
	if ((v->page & LEDGER_PASS) == 0) {
		if ((rc = pass_slice(v, body_row, &end)) == BL_OK && end)
			v->page = LEDGER_PASS | 1;
		return rc;
	}
	if ((rc = pass_slice(v, ledger_entry, &end)) == BL_OK && end)
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
