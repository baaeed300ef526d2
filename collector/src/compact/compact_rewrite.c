/*
 * Hours that have become many small parts, or parts of which most lies elsewhere: written anew
 * together, so that the space of what is hidden comes back and readers have few places to look at.
 *
 * Nothing changes but where it lies: no batch is read, and how far the log has been
 * taken in stays what it was for each device.
 */
#include "compact_internal.h"

#include <stdlib.h>
#include <string.h>

#include "branchline/log.h"
#include "store_log.h"

#define SMALL_PARTS 4u  /* of an hour */
#define WORN_MAX    64u /* parts of one hour that are written anew at once */
#define AGAIN_MS    3600000

struct worn {
	struct store_part part;
	int64_t *hidden; /* owned */
};

struct hour {
	struct compact *c;
	struct worn part[WORN_MAX];
	unsigned n, n_small;
	bool failed;
	/* devices and the part they are in; part after part, so that each is read once */
	struct at {
		int64_t device;
		unsigned part;
	} * at;
	size_t n_at, size_at;
};

/* One that is full by its devices would be written anew as it is, and again and again. */
static bool
is_small(const struct compact *c, const struct store_part *p)
{
	int64_t bytes = 0;

	for (int i = 0; i < PARTS_LEVELS; i++)
		bytes += p->bytes[i];
	return bytes < (int64_t)c->opts.part_bytes / 4 && p->devices < c->opts.part_devices;
}

/* Small ones count together, those that are half empty by themselves. */
static bool
take_part(void *ctx, const struct store_part *p)
{
	struct hour *h = ctx;
	struct worn *w = &h->part[h->n];
	const bool small = is_small(h->c, p);

	if (p->bytes[PARTS_RAW] == 0 || (!small && p->n_hidden * 2 <= p->devices))
		return true;
	w->part = *p;
	w->part.hidden = w->hidden = calloc(p->n_hidden + 1, sizeof(*w->hidden));
	if ((h->failed = w->hidden == NULL))
		return false;
	if (p->n_hidden > 0)
		memcpy(w->hidden, p->hidden, p->n_hidden * sizeof(*w->hidden));
	h->n_small += small;
	return ++h->n < WORN_MAX;
}

static bool
is_hidden(const struct store_part *p, int64_t device)
{
	for (size_t i = 0; i < p->n_hidden; i++)
		if (p->hidden[i] == device)
			return true;
	return false;
}

/* Which devices are read from the part. */
static int
list_devices(struct hour *h, unsigned k, struct bl_err *err)
{
	struct compact *c = h->c;
	const struct store_part *p = &h->part[k].part;
	int64_t last = INT64_MIN;
	int rc = old_part_load(&c->old, c->opts.parts, c->r, p, err);

	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < chunk_sources(c->old.index); i++) {
		struct chunk_source src;

		chunk_source_at(c->old.index, i, &src);
		if (src.device == last || is_hidden(p, src.device))
			continue;
		last = src.device;
		if (!gather_grow(&h->at, h->n_at, &h->size_at, sizeof(*h->at)))
			return bl_fail(err, BL_ENOMEM, "compact: out of memory");
		h->at[h->n_at++] = (struct at){ old_part_device(&c->old, src.device), k };
	}
	return BL_OK;
}

/* One device out of its part into the new one. */
static int
move_device(struct hour *h, const struct at *a, struct bl_err *err)
{
	struct compact *c = h->c;
	const struct store_part *p = &h->part[a->part].part;
	struct store_packed hours = { 0 };
	const struct store_packed_hour *at;
	struct device_at d = { .device_id = a->device };
	uint32_t columns;
	int rc =
	    store_read_packed(c->r, a->device, p->hour_unix_ms, p->hour_unix_ms + 1, &hours, err);

	if (rc < 0)
		goto done;
	at = store_packed_at(&hours, p->hour_unix_ms);
	/* What does not lead there is not read from there either. */
	if (at == NULL || at->part != p->id)
		goto done;
	d.in_part = true;
	d.batch_upto = at->batch_upto;
	gather_begin(&c->gather, a->device, p->hour_unix_ms);
	if ((rc = gather_part(&c->gather, &c->old, c->opts.parts, c->r, &c->dicts, p, NULL, err)) <
		0 ||
	    (rc = gather_emit(&c->gather, c->enc, compact_boot_of, c, &columns, err)) < 0)
		goto done;
	if (!gather_grow(
		&c->pack.device, c->pack.n_devices, &c->pack.size_devices, sizeof(*c->pack.device)))
		rc = bl_fail(err, BL_ENOMEM, "compact: out of memory");
	else
		c->pack.device[c->pack.n_devices++] = d;
done:
	store_packed_free(&hours);
	return rc;
}

static int
rewrite_hour(struct hour *h, int64_t moved_upto, struct bl_err *err)
{
	struct compact *c = h->c;
	const int64_t hour = h->part[0].part.hour_unix_ms;
	int rc = BL_OK;

	compact_begin_pack(c, hour, 0, moved_upto);
	for (size_t i = 0; i < h->n_at && rc >= 0; i++) {
		if ((rc = move_device(h, &h->at[i], err)) < 0)
			break;
		if (!compact_is_full(c))
			continue;
		rc = compact_install(c, err);
		compact_begin_pack(c, hour, 0, moved_upto);
	}
	return rc < 0 ? rc : compact_install(c, err);
}

static int
gather_hour(struct hour *h, int64_t hour, struct bl_err *err)
{
	struct store_log_head head;
	int rc;

	if ((rc = store_log_head(h->c->r, &head, err)) < 0 ||
	    (rc = store_read_parts(h->c->r, hour, hour + 1, take_part, h, err)) < 0)
		return rc;
	if (h->failed)
		return bl_fail(err, BL_ENOMEM, "compact: out of memory");
	for (unsigned i = 0; i < h->n && rc >= 0; i++)
		rc = list_devices(h, i, err);
	if (rc < 0 || h->n == 0)
		return rc;
	return rewrite_hour(h, head.moved_id, err);
}

/* The next one; of those that could not be helped each waits until all have had their turn. */
static int
next_worn(struct compact *c, int64_t *hour, struct bl_err *err)
{
	const int64_t now = bl_mono_ms(c->opts.clock);
	int rc = store_read_worn_hour(c->r, c->worn_after, (int64_t)c->opts.part_bytes / 4,
	    c->opts.part_devices, SMALL_PARTS, bl_unix_ms(c->opts.clock) - c->opts.after_ms, hour,
	    err);

	if (rc < 0)
		return rc;
	if (*hour == STORE_TIME_NONE) {
		if (now >= c->worn_again_mono_ms)
			c->worn_after = STORE_TIME_NONE;
		return 0;
	}
	if (c->worn_after == STORE_TIME_NONE)
		c->worn_again_mono_ms = now + AGAIN_MS;
	return 1;
}

/* What lies in that hour alone; the rest of the store can go on. */
static bool
is_own_fault(int rc)
{
	return rc == BL_ECORRUPT || rc == BL_ENOTFOUND || rc == BL_EINVAL || rc == BL_ENEWER;
}

int
compact_rewrite(struct compact *c, struct bl_err *err)
{
	struct hour *h;
	int64_t hour;
	int rc;

	if ((rc = next_worn(c, &hour, err)) <= 0)
		return rc;
	if ((h = calloc(1, sizeof(*h))) == NULL)
		return bl_fail(err, BL_ENOMEM, "compact: out of memory");
	h->c = c;
	rc = gather_hour(h, hour, err);
	if (rc > 0) {
		(void)pthread_mutex_lock(&c->lock);
		c->status.rewritten += h->n;
		(void)pthread_mutex_unlock(&c->lock);
		c->hid_some = true;
	}
	/* One that does not hold stays as it is; readers say what is wrong with it. */
	if (is_own_fault(rc)) {
		bl_warn("compact", "parts of hour %lld stay as they are: %s", (long long)hour,
		    err->msg);
		rc = 0;
	}
	if (rc >= 0)
		c->worn_after = hour;
	for (unsigned i = 0; i < h->n; i++)
		free(h->part[i].hidden);
	free(h->at);
	free(h);
	return rc;
}
