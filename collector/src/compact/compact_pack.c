/*
 * One part: the devices of one hour, in order of their numbers, until it is large enough.
 */
#include "compact_internal.h"

#include <stdlib.h>
#include <string.h>

#include "branchline/fault.h"
#include "branchline/log.h"
#include "store_log.h"

#define DUE_AT_ONCE 4096

struct dues {
	struct store_due *d;
	size_t n, size;
	bool failed;
};

static bool
take_due(void *ctx, const struct store_due *d)
{
	struct dues *l = ctx;

	if (l->n > 0 && l->d[0].hour_unix_ms != d->hour_unix_ms)
		return false;
	l->failed = !gather_grow(&l->d, l->n, &l->size, sizeof(*l->d));
	if (!l->failed)
		l->d[l->n++] = *d;
	return !l->failed;
}

static int
read_dues(struct compact *c, struct dues *l, struct bl_err *err)
{
	const int64_t until = bl_unix_ms(c->opts.clock) - c->opts.after_ms;
	int rc;

	l->n = 0;
	rc = store_read_due(c->r, c->after_hour, c->after_device, store_hour(until - STORE_HOUR_MS),
	    until + 1, DUE_AT_ONCE, take_due, l, err);
	return l->failed ? bl_fail(err, BL_ENOMEM, "compact: out of memory") : rc;
}

bool
compact_is_full(const struct compact *c)
{
	return c->pack.n_devices >= c->opts.part_devices ||
	       chunk_enc_bytes(c->enc) >= c->opts.part_bytes;
}

/* The devices of one slice of rows. */
static int
pack_some(struct compact *c, const struct dues *l, bool *anew, struct bl_err *err)
{
	size_t i = 0, end;
	int rc;

	for (; i < l->n && !compact_is_full(c) && !*anew; i = end) {
		for (end = i + 1; end < l->n && l->d[end].device_id == l->d[i].device_id;)
			end++;
		/* One that the slice cuts is whole in the next one. */
		if (end == DUE_AT_ONCE && i > 0)
			break;
		if ((rc = compact_pack_device(c, &l->d[i], end - i, anew, err)) < 0)
			return rc;
		if (!*anew) {
			c->after_hour = l->d[i].hour_unix_ms;
			c->after_device = l->d[i].device_id;
		}
	}
	return BL_OK;
}

void
compact_begin_pack(struct compact *c, int64_t hour_unix_ms, int64_t upto, int64_t moved_upto)
{
	struct pack *p = &c->pack;

	p->hour_unix_ms = hour_unix_ms;
	p->upto = upto;
	p->moved_upto = moved_upto;
	p->following = 0;
	p->n_due = p->n_seqs = p->n_marks = p->n_devices = 0;
	p->late = 0;
	chunk_enc_reset(c->enc, hour_unix_ms);
}

struct installing {
	const struct store_pack *p;
	struct store_packed_sum sum;
};

static int
install_fn(struct store *s, void *arg, struct bl_err *err)
{
	struct installing *in = arg;

	return store_pack_install(s, in->p, &in->sum, err);
}

/* One level into its file, behind everything that rows name there. */
static int
append(struct compact *c, enum parts_level level, struct store_pack *out, struct bl_err *err)
{
	int64_t from, to, end = 0;
	int rc;

	parts_period(level, out->hour_unix_ms, &from, &to);
	if ((rc = store_read_part_end(c->r, level, from, to, &end, err)) < 0 ||
	    (rc = parts_keep(c->opts.parts, level, out->hour_unix_ms, end, err)) < 0)
		return rc;
	return parts_append(c->opts.parts, level, out->hour_unix_ms, c->region[level].data,
	    c->region[level].len, &out->offset[level], err);
}

/* Files first, then the row. */
static int
write_files(struct compact *c, struct store_pack *out, struct bl_err *err)
{
	struct chunk_counts counts;
	int64_t raw_from = INT64_MIN, bytes = 0;
	int rc;

	if (c->opts.retention.raw_ms > 0) {
		if ((rc = store_age_now(&c->age, c->r, c->opts.clock, &raw_from, err)) < 0)
			return rc;
		raw_from -= c->opts.retention.raw_ms;
	}

	for (int i = 0; i < PARTS_LEVELS; i++)
		bl_buf_reset(&c->region[i]);
	if ((rc = chunk_enc_finish(c->enc, c->region, &counts, err)) < 0)
		return rc;
	for (int i = 0; i < PARTS_LEVELS; i++)
		bytes += (int64_t)c->region[i].len;
	if (c->opts.room != NULL && (rc = c->opts.room(c->opts.ctx, bytes, err)) < 0)
		return rc;
	(void)bl_fault_hit("compact.encoded");
	c->untidy = true;
	for (int i = 0; i < PARTS_LEVELS; i++) {
		/* Older than samples are kept: only its roll-ups are written. */
		if (i == PARTS_RAW && out->hour_unix_ms < raw_from)
			continue;
		if ((rc = append(c, (enum parts_level)i, out, err)) < 0)
			return rc;
		out->bytes[i] = (int64_t)c->region[i].len;
		c->tail[i].there = true;
		c->tail[i].hour_unix_ms = out->hour_unix_ms;
		c->tail[i].offset = out->offset[i];
		(void)bl_fault_hit("compact.appended");
	}
	if ((rc = parts_sync(c->opts.parts, err)) < 0)
		return rc;
	(void)bl_fault_hit("compact.synced");
	out->series = counts.series;
	out->samples = counts.samples;
	return BL_OK;
}

static void
note_pack(struct compact *c, const struct store_pack *out, const struct store_packed_sum *sum)
{
	struct compact_status *s = &c->status;

	(void)pthread_mutex_lock(&c->lock);
	s->parts += sum->part != 0;
	s->samples += out->samples;
	for (int i = 0; i < PARTS_LEVELS; i++)
		s->bytes += (uint64_t)out->bytes[i];
	s->late += c->pack.late;
	s->batches += c->pack.n_seqs;
	s->left_out += sum->left_out;
	s->packed_last_unix_ms = bl_unix_ms(c->opts.clock);
	(void)pthread_mutex_unlock(&c->lock);
	c->pack.left_out = sum->left_out;
	c->packed_some = true;
	c->hid_some = c->hid_some || c->pack.late > 0 || sum->left_out > 0;
}

int
compact_install(struct compact *c, struct bl_err *err)
{
	struct pack *p = &c->pack;
	struct store_pack out = { .hour_unix_ms = p->hour_unix_ms,
		.batch_upto = p->upto,
		.moved_upto = p->moved_upto,
		.following = p->following,
		.n_devices = p->n_devices };
	struct installing in = { .p = &out };
	struct store_pack_device *d;
	bool any = false;
	int rc = BL_OK;

	if (p->n_devices == 0)
		return BL_OK;
	if ((d = calloc(p->n_devices, sizeof(*d))) == NULL)
		return bl_fail(err, BL_ENOMEM, "compact: out of memory");
	for (size_t i = 0; i < p->n_devices; i++) {
		const struct device_at *x = &p->device[i];

		d[i] = (struct store_pack_device){ x->device_id, x->batch_upto, x->in_part,
			x->given_up, x->vacated, p->due + x->due, x->n_due, p->seq + x->seq,
			x->n_seqs, p->mark + x->mark, x->n_marks };
		any = any || x->in_part;
	}
	out.device = d;
	if ((!any || (rc = write_files(c, &out, err)) == BL_OK) &&
	    (rc = compact_write(c, install_fn, &in, err)) >= 0) {
		(void)bl_fault_hit("compact.installed");
		c->untidy = false;
		for (int i = 0; i < PARTS_LEVELS; i++)
			c->tail[i].there = false;
		note_pack(c, &out, &in.sum);
	}
	free(d);
	return rc < 0 ? rc : 1;
}

/* What is due from here on, until the part is large enough or the hour at its end. */
static int
pack_hour(struct compact *c, struct dues *l, bool *anew, struct bl_err *err)
{
	const int64_t hour = l->d[0].hour_unix_ms;
	int rc = BL_OK;

	while (
	    rc >= 0 && l->n > 0 && l->d[0].hour_unix_ms == hour && !compact_is_full(c) && !*anew) {
		if ((rc = pack_some(c, l, anew, err)) < 0 || l->n < DUE_AT_ONCE)
			break;
		if (!compact_is_full(c) && !*anew)
			rc = read_dues(c, l, err);
	}
	return rc;
}

/* Tens of MiB that are not needed again before the next part. */
static void
give_back(struct compact *c)
{
	chunk_enc_reset(c->enc, c->pack.hour_unix_ms);
	for (int i = 0; i < PARTS_LEVELS; i++)
		bl_buf_free(&c->region[i]);
}

int
compact_pack_next(struct compact *c, struct bl_err *err)
{
	struct store_log_head head;
	struct dues l = { 0 };
	bool anew = false;
	int64_t hour, device, passed;
	int rc;

	if ((rc = store_log_head(c->r, &head, err)) < 0 || (rc = read_dues(c, &l, err)) < 0)
		goto done;
	if (l.n == 0) {
		rc = 0;
		goto done;
	}
	hour = c->after_hour;
	device = c->after_device;
	passed = c->opts.passed != NULL ? c->opts.passed(c->opts.ctx, &head.epoch) : INT64_MAX;
	compact_begin_pack(
	    c, l.d[0].hour_unix_ms, head.batch_id < passed ? head.batch_id : passed, head.moved_id);
	if ((rc = pack_hour(c, &l, &anew, err)) < 0) {
		c->after_hour = hour;
		c->after_device = device;
		goto done;
	}
	if (anew) {
		/* The encoder refused something of a device, which is left alone by now. */
		c->after_hour = hour;
		c->after_device = device;
		rc = 1;
		goto done;
	}
	if ((rc = compact_install(c, err)) < 0) {
		c->after_hour = hour;
		c->after_device = device;
	}
	rc = rc < 0 ? rc : 1;
done:
	give_back(c);
	free(l.d);
	return rc;
}
