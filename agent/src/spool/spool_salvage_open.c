/* Salvage opens: the rows that were open in the wreck become batches under its id. */
#include <stdlib.h>
#include <string.h>

#include "spool_salvage_internal.h"

uint32_t
salvage_renamed(void *ctx, uint32_t id)
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
	    k->row->kind == ROW_TICK ? row_renumber(k->row, salvage_renamed, v) : k->row;
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

int
salvage_open_slice(struct salvage *v)
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
