/*
 * What the daily look found of parts, in the ledger: the hours of the devices of one that cannot be
 * read, until it can, or is named no more.  In slices of the writer.
 */
#include "compact_internal.h"

#include <stdlib.h>

#include "branchline/log.h"

#define DEVICES_AT_ONCE 100u

struct slice {
	int64_t part, hour_unix_ms, after;
	bool lost;
	int more;
};

static int
slice_fn(struct store *s, void *arg, struct bl_err *err)
{
	struct slice *x = arg;

	x->more = (x->lost ? store_pack_lost : store_pack_found)(
	    s, x->part, x->hour_unix_ms, &x->after, DEVICES_AT_ONCE, err);
	return x->more;
}

static int
tell_ledger(struct compact *c, int64_t part, int64_t hour, bool lost, struct bl_err *err)
{
	struct slice x = { .part = part, .hour_unix_ms = hour, .lost = lost, .more = 1 };
	int rc = BL_OK;

	while (rc >= 0 && x.more == 1)
		rc = compact_write(c, slice_fn, &x, err);
	if (rc != BL_EFULL)
		return rc < 0 ? rc : BL_OK;
	/* The page and the log name the part, as before. */
	bl_warn("compact", "%s part=%lld", err->msg, (long long)part);
	(void)pthread_mutex_lock(&c->lock);
	c->status.lost_refused++;
	(void)pthread_mutex_unlock(&c->lock);
	return BL_OK;
}

int
compact_finest(const struct store_part *p)
{
	for (int i = 0; i < PARTS_LEVELS; i++)
		if (p->bytes[i] > 0)
			return i;
	return -1;
}

static bool
take_lost(void *ctx, int64_t part, int64_t hour)
{
	struct check *k = ctx;

	if (!gather_grow(&k->lost, k->n_lost, &k->size_lost, sizeof(*k->lost)))
		return false;
	k->lost[k->n_lost++] = (struct lost_part){ .part = part, .hour_unix_ms = hour };
	return true;
}

int
compact_lost_load(struct compact *c, struct bl_err *err)
{
	c->check.n_lost = 0;
	return store_read_lost_parts(c->r, take_lost, &c->check, err);
}

static struct lost_part *
find(const struct check *k, int64_t part)
{
	for (size_t lo = 0, hi = k->n_lost; lo < hi;) {
		const size_t mid = lo + (hi - lo) / 2;

		if (k->lost[mid].part == part)
			return &k->lost[mid];
		if (k->lost[mid].part < part)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

int
compact_lost(struct compact *c, const struct store_part *p, struct bl_err *err)
{
	struct lost_part *l = find(&c->check, p->id);

	if (l != NULL)
		l->stays = true;
	/* Again, too: devices of whose hours none was named before a crash. */
	return tell_ledger(c, p->id, p->hour_unix_ms, true, err);
}

int
compact_found(struct compact *c, struct bl_err *err)
{
	for (size_t i = 0; i < c->check.n_lost; i++) {
		const struct lost_part *l = &c->check.lost[i];
		int rc;

		if (l->stays)
			continue;
		if ((rc = tell_ledger(c, l->part, l->hour_unix_ms, false, err)) < 0)
			return rc;
		bl_info("compact",
		    "a part holds again or is gone: its hours are out of the ledger part=%lld",
		    (long long)l->part);
	}
	return BL_OK;
}
