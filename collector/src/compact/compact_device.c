/*
 * One device of a part: which of its batches are packed now, and what of it was there before.
 *
 * What cannot be packed now stays as it is and is looked at again in the next round: a device
 * whose clock map waits to be applied, batches that somebody still waits for, batches
 * that the evaluator has not passed.  A device of which something does not hold is left alone for
 * a round.
 */
#include "compact_internal.h"

#include <string.h>

#include "branchline/log.h"

struct visit {
	struct compact *c;
	const struct store_due *due;
	const struct store_packed_hour *old; /* where the hour is so far; NULL: nowhere */
	const struct dict *dict;
	/* the last look at what is due in another hour */
	struct {
		int64_t hour, spool;
		enum bl_stream stream;
		bool there;
		struct bl_range seqs;
	} other;
	bool later;    /* the device waits for the next round */
	bool excluded; /* something of this row stays due */
	bool grew;     /* something that was in no part was found */
	int rc;
	struct bl_err *err;
	int64_t damaged; /* id of a batch that does not hold */
};

static bool
stop(struct visit *v, int rc)
{
	v->rc = rc;
	return false;
}

static bool
is_awaited(const struct visit *v, const struct store_pack_batch *b)
{
	const struct compact_opts *o = &v->c->opts;

	return o->awaited != NULL && o->awaited(o->ctx, b->id);
}

/* Something of it is due in that hour. */
static int
due_in(struct visit *v, const struct store_pack_batch *b, int64_t hour)
{
	int rc;

	if (v->other.hour != hour || v->other.spool != b->spool_id ||
	    v->other.stream != b->h.stream) {
		if ((rc = store_read_due_seqs(
			 v->c->r, v->due, hour, &v->other.seqs, &v->other.there, v->err)) < 0)
			return rc;
		v->other.hour = hour;
		v->other.spool = b->spool_id;
		v->other.stream = b->h.stream;
	}
	return v->other.there && b->h.seq >= v->other.seqs.first && b->h.seq <= v->other.seqs.last;
}

/* Whether every sample of it is in parts, once this hour is. */
static int
is_finished(struct visit *v, const struct store_pack_batch *b)
{
	const int64_t this = v->due->hour_unix_ms;
	int rc = 0;

	if (b->mark_unix_ms != STORE_TIME_NONE)
		return b->end_unix_ms < this + STORE_HOUR_MS;
	for (int64_t h = store_hour(b->begin_unix_ms); h <= b->end_unix_ms && rc == 0;
	     h += STORE_HOUR_MS)
		rc = h == this ? 0 : due_in(v, b, h);
	return rc < 0 ? rc : rc == 0;
}

static int
note_finished(struct visit *v, const struct store_pack_batch *b)
{
	struct pack *p = &v->c->pack;
	const int rc = is_finished(v, b);

	if (rc <= 0)
		return rc;
	if (!gather_grow(&p->seq, p->n_seqs, &p->size_seqs, sizeof(*p->seq)))
		return bl_fail(v->err, BL_ENOMEM, "compact: out of memory");
	p->seq[p->n_seqs++] = (struct store_pack_seq){ .spool_id = b->spool_id,
		.stream = b->h.stream,
		.seq = b->h.seq,
		.check = store_pack_check(&b->h),
		.batch_id = b->id,
		.stays = b->h.n_events > 0 || b->h.n_gaps > 0 || b->h.kind == BL_BATCH_SUPERSEDES };
	return BL_OK;
}

static int
note_mark(struct visit *v, const struct store_pack_batch *b)
{
	struct pack *p = &v->c->pack;

	if (b->mark_unix_ms == STORE_TIME_NONE)
		return BL_OK;
	if (!gather_grow(&p->mark, p->n_marks, &p->size_marks, sizeof(*p->mark)))
		return bl_fail(v->err, BL_ENOMEM, "compact: out of memory");
	p->mark[p->n_marks++] =
	    (struct store_pack_mark){ b->id, v->due->hour_unix_ms + STORE_HOUR_MS };
	return BL_OK;
}

static int
include(struct visit *v, const struct store_pack_batch *b)
{
	int rc = gather_batch(&v->c->gather, b, v->dict, v->err);

	if (rc == BL_ECORRUPT)
		v->damaged = b->id;
	v->grew = v->grew || b->h.n_samples > 0;
	if (rc < 0 || (rc = note_mark(v, b)) < 0)
		return rc;
	return note_finished(v, b);
}

/* Its own hours go one after the other. */
static int
visit_marked(struct visit *v, const struct store_pack_batch *b)
{
	const int64_t next = b->mark_unix_ms != STORE_MARK_NOTHING ? b->mark_unix_ms
			     : b->placed                           ? store_hour(b->begin_unix_ms)
								   : INT64_MIN;

	if (b->placed &&
	    b->end_unix_ms - b->begin_unix_ms >= STORE_PACK_HOURS_MAX * (int64_t)STORE_HOUR_MS)
		return BL_OK; /* stays a batch */
	if (b->placed && next > v->due->hour_unix_ms)
		return BL_OK; /* was there */
	if (!b->placed || next < v->due->hour_unix_ms || b->h.dict_version > v->dict->n ||
	    is_awaited(v, b)) {
		v->excluded = true;
		return BL_OK;
	}
	return include(v, b);
}

static bool
visit_batch(void *ctx, const struct store_pack_batch *b)
{
	struct visit *v = ctx;
	struct compact *c = v->c;
	int rc;

	if (b->h.n_samples == 0 && (b->h.n_events > 0 || b->h.n_gaps > 0))
		return true; /* nothing of it ever lies in a part */
	if (b->id > c->pack.upto) {
		v->later = true;
		return false;
	}
	rc = dicts_get(&c->dicts, c->r, b->spool_id, b->h.dict_version, &v->dict, v->err);
	if (rc < 0)
		return stop(v, rc);
	if (b->mark_unix_ms != STORE_TIME_NONE)
		rc = visit_marked(v, b);
	else if (v->old != NULL && b->id <= v->old->batch_upto)
		rc = note_finished(v, b);
	else if (!b->placed)
		rc = bl_fail(v->err, BL_ECORRUPT, "batch %lld was placed and is not any more",
		    (long long)b->id);
	else
		rc = include(v, b);
	return rc >= 0 || stop(v, rc);
}

int
compact_boot_of(void *ctx, int64_t boot, struct bl_id *out, struct bl_err *err)
{
	struct compact *c = ctx;

	return store_read_boot(c->r, boot, out, err);
}

/* The part that has had the hour so far. */
static int
old_of(struct compact *c, const struct store_packed_hour *old, struct store_part *out,
    struct bl_err *err)
{
	const int rc = store_read_part(c->r, old->part, out, err);

	return rc != BL_ENOTFOUND
		   ? rc
		   : bl_fail(err, BL_ECORRUPT, "part %lld has no row", (long long)old->part);
}

/*
 * Its samples are past their retention and roll-ups cannot be merged exactly: what came
 * after that stays as it came.
 */
static int
give_up(struct compact *c, const struct store_due *due, size_t n, struct device_at *d,
    struct bl_err *err)
{
	for (size_t i = 0; i < n; i++) {
		if (!gather_grow(
			&c->pack.due, c->pack.n_due, &c->pack.size_due, sizeof(*c->pack.due)))
			return bl_fail(err, BL_ENOMEM, "compact: out of memory");
		c->pack.due[c->pack.n_due++] = due[i];
		d->n_due++;
	}
	d->given_up = true;
	(void)pthread_mutex_lock(&c->lock);
	c->status.too_late++;
	(void)pthread_mutex_unlock(&c->lock);
	bl_info("compact",
	    "data of device %lld came after the samples of hour %lld were deleted by their age;"
	    " they stay as they came",
	    (long long)due->device_id, (long long)due->hour_unix_ms);
	return BL_OK;
}

/* Reads what is due of the device.  later: not in this round. */
static int
gather_device(struct compact *c, const struct store_due *due, size_t n,
    const struct store_packed_hour *old, struct device_at *d, bool *later, struct bl_err *err)
{
	struct visit v = { .c = c, .old = old, .err = err };
	struct store_part part = { 0 };
	int rc = BL_OK;

	if (old != NULL && (rc = old_of(c, old, &part, err)) < 0)
		return rc;
	if (old != NULL && part.bytes[PARTS_RAW] == 0)
		return give_up(c, due, n, d, err);
	gather_begin(&c->gather, due->device_id, due->hour_unix_ms);
	for (size_t i = 0; i < n && rc >= 0 && !*later; i++) {
		v.due = &due[i];
		v.excluded = false;
		if ((rc = store_read_placing(c->r, due[i].spool_id, later, err)) < 0 || *later)
			break;
		rc = store_read_due_batches(c->r, &due[i], INT64_MAX, visit_batch, &v, err);
		rc = v.rc < 0 ? v.rc : rc;
		*later = v.later;
		if (rc < 0 || v.excluded)
			continue;
		if (!gather_grow(
			&c->pack.due, c->pack.n_due, &c->pack.size_due, sizeof(*c->pack.due)))
			return bl_fail(err, BL_ENOMEM, "compact: out of memory");
		c->pack.due[c->pack.n_due++] = due[i];
		d->n_due++;
	}
	if (v.damaged != 0 && c->opts.damaged != NULL)
		c->opts.damaged(c->opts.ctx, v.damaged);
	if (rc < 0 || *later)
		return rc;
	/* Only what is new makes the device's hour be written again. */
	d->in_part = c->gather.samples > 0;
	if (!d->in_part || old == NULL)
		return BL_OK;
	c->pack.late++;
	return gather_part(&c->gather, &c->old, c->opts.parts, c->r, &c->dicts, &part, NULL, err);
}

#define BAD_MS  3600000
#define BAD_MAX 10000u

static bool
is_bad(const struct compact *c, const struct store_due *due)
{
	for (size_t i = 0; i < c->n_bad; i++)
		if (c->bad[i].device_id == due->device_id &&
		    c->bad[i].hour_unix_ms == due->hour_unix_ms)
			return true;
	return false;
}

/* Left alone for an hour. */
static int
leave(struct compact *c, const struct store_due *due, struct bl_err *err)
{
	bl_warn("compact", "hour %lld of device %lld stays in batches: %s",
	    (long long)due->hour_unix_ms, (long long)due->device_id, err->msg);
	(void)pthread_mutex_lock(&c->lock);
	c->status.left_alone++;
	(void)pthread_mutex_unlock(&c->lock);
	if (c->n_bad < BAD_MAX && gather_grow(&c->bad, c->n_bad, &c->size_bad, sizeof(*c->bad)))
		c->bad[c->n_bad++] = (struct bad){ due->device_id, due->hour_unix_ms,
			bl_mono_ms(c->opts.clock) + BAD_MS };
	memset(err, 0, sizeof(*err));
	return BL_OK;
}

void
compact_try_bad_again(struct compact *c)
{
	const int64_t now = bl_mono_ms(c->opts.clock);
	size_t n = 0;

	for (size_t i = 0; i < c->n_bad; i++)
		if (c->bad[i].until_mono_ms > now)
			c->bad[n++] = c->bad[i];
	c->n_bad = n;
}

/* What says something of this device alone. */
static bool
is_own_fault(int rc)
{
	return rc == BL_ECORRUPT || rc == BL_EFULL || rc == BL_EINVAL || rc == BL_ENOTFOUND ||
	       rc == BL_ENEWER;
}

int
compact_pack_device(
    struct compact *c, const struct store_due *due, size_t n, bool *anew, struct bl_err *err)
{
	struct pack *p = &c->pack;
	struct device_at d = {
		.device_id = due->device_id, .due = p->n_due, .seq = p->n_seqs, .mark = p->n_marks
	};
	struct store_packed hours = { 0 };
	uint32_t columns = 0;
	bool later = false;
	int rc;

	if (is_bad(c, due))
		return 0;
	if ((rc = store_read_packed(
		 c->r, due->device_id, due->hour_unix_ms, due->hour_unix_ms + 1, &hours, err)) < 0)
		goto done;
	rc = gather_device(c, due, n, store_packed_at(&hours, due->hour_unix_ms), &d, &later, err);
	if (rc >= 0 && !later && d.in_part) {
		rc = gather_emit(&c->gather, c->enc, compact_boot_of, c, &columns, err);
		*anew = rc < 0 && rc != BL_ENOMEM;
	}
	if (rc < 0 || later) {
		p->n_due = d.due;
		p->n_seqs = d.seq;
		p->n_marks = d.mark;
		rc = rc < 0 && is_own_fault(rc) ? leave(c, due, err) : rc;
		goto done;
	}
	d.n_seqs = p->n_seqs - d.seq;
	d.n_marks = p->n_marks - d.mark;
	if (!gather_grow(&p->device, p->n_devices, &p->size_devices, sizeof(*p->device))) {
		rc = bl_fail(err, BL_ENOMEM, "compact: out of memory");
		goto done;
	}
	p->device[p->n_devices++] = d;
	rc = 1;
done:
	store_packed_free(&hours);
	return rc;
}
