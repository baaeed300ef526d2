/*
 * A clock map that came late has given other times to what is packed: the device's hours
 * concerned are written again, which is why their time columns know boot and offset.
 *
 * What goes to another hour is written there before it is taken out here: a crash between leaves
 * it in both, and the hour is done again, to the same end.  Then whoever follows the
 * log is told of the span once more; that there is something to tell is written with the hours, as
 * it is not seen any more when they are done again.
 */
#include "compact_internal.h"

#include <stdlib.h>
#include <string.h>

#include "branchline/fault.h"
#include "branchline/log.h"
#include "store_log.h"

#define HOURS_MAX 64u /* that one hour may be torn into */

struct following {
	struct compact *c;
	struct store_moved_row m;
	int64_t moved_upto;
};

/* One hour with what of `from` lies in it now, besides what it has. */
static int
write_hour(struct following *f, int64_t hour, const struct store_part *from, int64_t from_upto,
    struct bl_err *err)
{
	struct compact *c = f->c;
	struct device_at d = { .device_id = f->m.device_id };
	struct store_packed hours = { 0 };
	const struct store_packed_hour *at;
	struct store_part own;
	uint32_t columns;
	int rc = store_read_packed(c->r, f->m.device_id, hour, hour + 1, &hours, err);

	compact_begin_pack(c, hour, 0, f->moved_upto);
	c->pack.following = f->m.id;
	gather_begin(&c->gather, f->m.device_id, hour);
	at = rc < 0 ? NULL : store_packed_at(&hours, hour);
	if (hour == from->hour_unix_ms)
		d.batch_upto = from_upto;
	else if (at != NULL && (rc = store_read_part(c->r, at->part, &own, err)) == BL_OK) {
		d.batch_upto = at->batch_upto;
		rc = gather_part(
		    &c->gather, &c->old, c->opts.parts, c->r, &c->dicts, &own, NULL, err);
	}
	store_packed_free(&hours);
	if (rc < 0 || (rc = gather_part(&c->gather, &c->old, c->opts.parts, c->r, &c->dicts, from,
			   &f->m, err)) < 0)
		return rc;
	d.in_part = c->gather.samples > 0;
	d.vacated = !d.in_part;
	if (d.in_part &&
	    (rc = gather_emit(&c->gather, c->enc, compact_boot_of, c, &columns, err)) < 0)
		return rc;
	if (!gather_grow(&c->pack.device, 0, &c->pack.size_devices, sizeof(*c->pack.device)))
		return bl_fail(err, BL_ENOMEM, "compact: out of memory");
	c->pack.device[0] = d;
	c->pack.n_devices = 1;
	if ((rc = compact_install(c, err)) < 0)
		return rc;
	/* Moved once more meanwhile: from the beginning. */
	return c->pack.left_out > 0 ? bl_fail(err, BL_EBUSY, "times have moved again") : BL_OK;
}

static int
follow_hour(struct following *f, const struct store_packed_hour *h, struct bl_err *err)
{
	struct compact *c = f->c;
	struct store_part part;
	int64_t hour[HOURS_MAX];
	bool changed = false;
	size_t n = 0;
	int rc = store_read_part(c->r, h->part, &part, err);

	if (rc < 0 || part.bytes[PARTS_RAW] == 0)
		return rc == BL_ENOTFOUND ? BL_OK : rc;
	gather_begin(&c->gather, f->m.device_id, h->hour_unix_ms);
	if ((rc = old_part_load(&c->old, c->opts.parts, c->r, &part, err)) < 0 ||
	    (rc = old_part_hours(
		 &c->gather, &c->old, c->r, &f->m, hour, HOURS_MAX, &n, &changed, err)) < 0 ||
	    !changed)
		return rc;
	for (size_t i = 0; i < n && rc >= 0; i++)
		if (hour[i] != h->hour_unix_ms)
			rc = write_hour(f, hour[i], &part, h->batch_upto, err);
	return rc < 0 ? rc : write_hour(f, h->hour_unix_ms, &part, h->batch_upto, err);
}

/* In the part that it is in by now: the hour before may have moved something into it. */
static int
follow_hour_at(struct following *f, int64_t hour, struct bl_err *err)
{
	struct store_packed now = { 0 };
	const struct store_packed_hour *at;
	int rc = store_read_packed(f->c->r, f->m.device_id, hour, hour + 1, &now, err);

	if (rc >= 0 && (at = store_packed_at(&now, hour)) != NULL)
		rc = follow_hour(f, at, err);
	store_packed_free(&now);
	return rc;
}

static int
followed_fn(struct store *s, void *arg, struct bl_err *err)
{
	const struct following *f = arg;

	return store_pack_followed(s, &f->m, err);
}

int
compact_follow_moved(struct compact *c, struct bl_err *err)
{
	struct following f = { .c = c };
	struct store_packed hours = { 0 };
	struct store_log_head head;
	int rc;

	if ((rc = store_read_moved(c->r, &f.m, err)) <= 0 ||
	    (rc = store_log_head(c->r, &head, err)) < 0)
		return rc;
	f.moved_upto = head.moved_id;
	rc =
	    store_read_packed(c->r, f.m.device_id, f.m.begin_unix_ms, f.m.end_unix_ms, &hours, err);
	for (size_t i = 0; i < hours.n && rc >= 0; i++) {
		rc = follow_hour_at(&f, hours.h[i].hour_unix_ms, err);
		if (rc == BL_ECORRUPT || rc == BL_ENOTFOUND || rc == BL_EFULL) {
			bl_warn("compact", "hour %lld of device %lld stays where it was: %s",
			    (long long)hours.h[i].hour_unix_ms, (long long)f.m.device_id, err->msg);
			rc = BL_OK;
		}
	}
	store_packed_free(&hours);
	if (rc == BL_EBUSY && c->pack.left_out > 0)
		return 1;
	if (rc < 0)
		return rc;
	(void)bl_fault_hit("compact.following");
	if ((rc = compact_write(c, followed_fn, &f, err)) < 0)
		return rc;
	return 1;
}
