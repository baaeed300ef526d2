/*
 * A pack becomes true: in one short transaction of the writer its part gets a row, its devices'
 * hours lead to it, what they led to before is hidden, and what was due is settled.
 *
 * Nothing of a batch goes here: rows stay for readers that are at work (store_pack_clean.c).
 * What came or moved since the compactor read is not in the pack; it is told by ids, and
 * stays due.
 */
#include <stdlib.h>

#include "store_internal.h"

struct install {
	struct store *s;
	const struct store_pack *p;
	struct store_packed_sum *out;
	bool any_moved; /* since the compactor read */
	int64_t *gone;  /* ids of batches */
	size_t n_gone;
};

static int
one_int(struct store *s, enum store_sql which, int64_t *out, struct bl_err *err)
{
	sqlite3_stmt *st = store_bind(s, which, err, "");
	int rc = store_step(s, st, err);

	if (rc == 1) {
		*out = sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
	}
	return rc < 0 ? rc : BL_OK;
}

static int
add_part(struct install *in, struct bl_err *err)
{
	const struct store_pack *p = in->p;
	int64_t devices = 0, id = 0;
	int rc;

	for (size_t i = 0; i < p->n_devices; i++)
		devices += p->device[i].in_part;
	if (devices == 0)
		return BL_OK;
	if ((rc = one_int(in->s, SQL_PART_NEXT, &id, err)) < 0)
		return rc;
	in->out->part = id;
	return store_run(in->s, SQL_PART_ADD, err, "iiiiiiiiiiiii", id, p->hour_unix_ms, (int64_t)0,
	    devices, (int64_t)p->series, (int64_t)p->samples, p->offset[PARTS_RAW],
	    p->bytes[PARTS_RAW], p->offset[PARTS_M5], p->bytes[PARTS_M5], p->offset[PARTS_H1],
	    p->bytes[PARTS_H1], in->s->now_unix_ms);
}

/* 1: its times have moved since it was read. */
static int
has_moved(struct install *in, int64_t device_id, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	if (!in->any_moved)
		return 0;
	st = store_bind(in->s, SQL_MOVED_SINCE, err, "ii", in->p->moved_upto, device_id);
	if ((rc = store_step(in->s, st, err)) == 1)
		(void)sqlite3_reset(st);
	return rc;
}

/* What the device's hour led to so far must not be read any more. */
static int
hide_before(struct install *in, int64_t device_id, struct bl_err *err)
{
	sqlite3_stmt *st =
	    store_bind(in->s, SQL_PART_OF, err, "ii", device_id, in->p->hour_unix_ms);
	int64_t part, number;
	int rc = store_step(in->s, st, err);

	if (rc <= 0)
		return rc;
	part = sqlite3_column_int64(st, 0);
	number = sqlite3_column_int64(st, 1);
	(void)sqlite3_reset(st);
	return store_run(in->s, SQL_PART_HIDE, err, "ii", part, number);
}

static int
place_device(struct install *in, const struct store_pack_device *d, struct bl_err *err)
{
	int rc;

	if (!d->in_part && !d->vacated)
		return BL_OK;
	if ((rc = hide_before(in, d->device_id, err)) < 0)
		return rc;
	if (!d->in_part)
		return store_run(
		    in->s, SQL_PART_VACATE, err, "ii", d->device_id, in->p->hour_unix_ms);
	return store_run(in->s, SQL_PART_PLACE, err, "iiii", d->device_id, in->p->hour_unix_ms,
	    in->out->part, d->batch_upto != 0 ? d->batch_upto : in->p->batch_upto);
}

/* What came since then is due again, from now on. */
static int
settle_due(struct install *in, const struct store_due *d, bool given_up, struct bl_err *err)
{
	struct store *s = in->s;
	sqlite3_stmt *st;
	int rc;

	/* The row stays, so that a batch that reaches into the next hour is never taken for packed.
	 */
	if (given_up)
		return store_run(s, SQL_DUE_AGAIN, err, "iiiii", STORE_DUE_NEVER, d->hour_unix_ms,
		    d->device_id, d->spool_id, (int64_t)d->stream);

	st = store_bind(s, SQL_DUE_NEWER, err, "iiuui", d->spool_id, (int64_t)d->stream,
	    d->seq_first, d->seq_last, in->p->batch_upto);
	if ((rc = store_step(s, st, err)) < 0)
		return rc;
	if (rc == 1) {
		(void)sqlite3_reset(st);
		return store_run(s, SQL_DUE_AGAIN, err, "iiiii", s->now_unix_ms, d->hour_unix_ms,
		    d->device_id, d->spool_id, (int64_t)d->stream);
	}
	/* One that has grown meanwhile speaks of what is newer, and stays. */
	return store_run(s, SQL_DUE_DONE, err, "iiiiuu", d->hour_unix_ms, d->device_id, d->spool_id,
	    (int64_t)d->stream, d->seq_first, d->seq_last);
}

static int
install_device(struct install *in, const struct store_pack_device *d, struct bl_err *err)
{
	int rc;

	if ((rc = has_moved(in, d->device_id, err)) < 0)
		return rc;
	if (rc == 1) {
		in->out->left_out++;
		return d->in_part
			   ? store_run(in->s, SQL_PART_HIDE, err, "ii", in->out->part, d->device_id)
			   : BL_OK;
	}
	in->out->devices++;
	if ((rc = place_device(in, d, err)) < 0)
		return rc;
	for (size_t i = 0; i < d->n_marks; i++)
		if ((rc = store_run(in->s, SQL_MARK_ADD, err, "ii", d->mark[i].batch_id,
			 d->mark[i].until_unix_ms)) < 0)
			return rc;
	for (size_t i = 0; i < d->n_due; i++)
		if ((rc = settle_due(in, &d->due[i], d->given_up, err)) < 0)
			return rc;
	for (size_t i = 0; i < d->n_seqs; i++)
		if (!d->seq[i].stays)
			in->gone[in->n_gone++] = d->seq[i].batch_id;
	return store_pack_keep_checks(in->s, d->seq, d->n_seqs, err);
}

/* 1: hours were written for it, by this run of the collector or one before. */
static int
wrote_for(struct store *s, const struct store_moved_row *m, struct bl_err *err)
{
	sqlite3_stmt *st = store_bind(s, SQL_META_GET, err, "t", "pack_following");
	int rc = store_step(s, st, err);

	if (rc == 1) {
		rc = sqlite3_column_int64(st, 0) == m->id;
		(void)sqlite3_reset(st);
	}
	return rc;
}

int
store_pack_followed(struct store *s, const struct store_moved_row *m, struct bl_err *err)
{
	const int changed = wrote_for(s, m, err);
	int rc;

	if (changed < 0)
		return changed;
	if (changed && (rc = store_run(s, SQL_MOVED_ADD, err, "iiiiiii", m->spool_id, m->device_id,
			    (int64_t)BL_STREAM_HOST, (int64_t)0, m->from_ms, m->begin_unix_ms,
			    m->end_unix_ms)) < 0)
		return rc;
	if (changed && (rc = store_run(s, SQL_MOVED_ADD, err, "iiiiiii", m->spool_id, m->device_id,
			    (int64_t)BL_STREAM_PROBES, (int64_t)0, m->from_ms, m->begin_unix_ms,
			    m->end_unix_ms)) < 0)
		return rc;
	return store_run(s, SQL_META_SET, err, "ti", "pack_moved", m->id);
}

int
store_pack_install(
    struct store *s, const struct store_pack *p, struct store_packed_sum *out, struct bl_err *err)
{
	struct install in = { .s = s, .p = p, .out = out };
	int64_t moved = 0;
	size_t n = 1;
	int rc;

	*out = (struct store_packed_sum){ 0 };
	for (size_t i = 0; i < p->n_devices; i++)
		n += p->device[i].n_seqs;
	if ((in.gone = calloc(n, sizeof(*in.gone))) == NULL)
		return bl_fail(err, BL_ENOMEM, "telemetry store: out of memory");
	if ((rc = one_int(s, SQL_MOVED_LAST, &moved, err)) < 0 || (rc = add_part(&in, err)) < 0)
		goto done;
	in.any_moved = moved > p->moved_upto;
	for (size_t i = 0; i < p->n_devices && rc >= 0; i++)
		rc = install_device(&in, &p->device[i], err);
	if (rc >= 0 && in.n_gone > 0)
		rc = store_pack_clean_later(s, in.gone, in.n_gone, err);
	if (rc >= 0 && p->following != 0 && out->devices > 0)
		rc = store_run(s, SQL_META_SET, err, "ti", "pack_following", p->following);
	s->due_generation++;
done:
	free(in.gone);
	return rc < 0 ? rc : BL_OK;
}
