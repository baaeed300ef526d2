/*
 * Batches that wait for their clock map or dictionary.
 *
 * A device whose clock stands in 1970 may leave tens of thousands of them for days.
 * They cost a row each and nothing more until something comes that may help: the
 * store counts what its maps were told, and a round looks only at batches of devices
 * whose own maps have changed since the last one.
 */
#include "eval_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_AT_ONCE 256u
#define LOOK_AT_ONCE  4096u
#define SKIP_AT_ONCE  65536u

/* A device of which something waits, or did. */
struct eval_waiter {
	char device[BL_ID_TEXT_MAX + 1]; /* empty: a free place */
	int64_t maps;                    /* its maps in the last round; -1: in none yet */
	uint64_t round;                  /* they were looked at in this one */
	bool changed;                    /* in that round */
};

struct round {
	struct eval *e;
	int64_t id[RETRY_AT_ONCE]; /* can be taken in now */
	unsigned n, tried, placed;
	bool whole; /* to the end */
};

/* ---- the devices ---- */

static struct eval_waiter *
place_of(const struct eval_waiters *all, const char *device)
{
	uint64_t h = 1469598103934665603u;

	for (const char *p = device; *p != '\0'; p++)
		h = (h ^ (uint8_t)*p) * 1099511628211u;
	for (size_t i = (size_t)(h % all->size);; i = (i + 1) % all->size)
		if (all->w[i].device[0] == '\0' || strcmp(all->w[i].device, device) == 0)
			return &all->w[i];
}

static int
grow(struct eval_waiters *all, struct bl_err *err)
{
	struct eval_waiters more = { .size = all->size == 0 ? 64 : all->size * 2, .n = all->n };

	if ((more.w = calloc(more.size, sizeof(*more.w))) == NULL)
		return bl_fail(err, BL_ENOMEM, "evaluate: out of memory");
	for (size_t i = 0; i < all->size; i++)
		if (all->w[i].device[0] != '\0')
			*place_of(&more, all->w[i].device) = all->w[i];
	free(all->w);
	*all = more;
	return BL_OK;
}

/* 1: something that may help has come for it; 0; negative. */
static int
has_changed(struct eval *e, const char *device, struct bl_err *err)
{
	struct eval_waiters *all = &e->waiters;
	struct eval_waiter *w;
	int64_t maps;
	int rc;

	if (all->n * 2 >= all->size && (rc = grow(all, err)) < 0)
		return rc;
	w = place_of(all, device);
	if (w->device[0] == '\0') {
		(void)snprintf(w->device, sizeof(w->device), "%s", device);
		w->maps = -1;
		all->n++;
	}
	if (w->round == all->round)
		return w->changed;
	if ((rc = store_log_maps(e->telemetry, device, &maps, err)) < 0)
		return rc;
	w->round = all->round;
	w->changed = all->all || maps != w->maps;
	w->maps = maps;
	return w->changed;
}

void
eval_waiters_free(struct eval_waiters *all)
{
	const uint64_t looks = all->looks;

	free(all->w);
	*all = (struct eval_waiters){ .looks = looks };
}

/* ---- a round ---- */

/* Whether it can be taken in now, without a turn of the writer. */
static bool
can_be_read(void *ctx, const struct store_log_batch *b)
{
	*(bool *)ctx = b->begin_unix_ms != STORE_TIME_NONE && !b->dict_missing;
	return false;
}

static int
look(struct round *r, int64_t id, struct bl_err *err)
{
	bool now = false;
	const int rc = store_log_batch(r->e->telemetry, id, can_be_read, &now, err);

	r->e->waiters.looks++;
	if (rc < 0 && rc != BL_ENOTFOUND)
		return rc;
	if (now || rc == BL_ENOTFOUND)
		r->id[r->n++] = id;
	return BL_OK;
}

static int
walk(struct round *r, sqlite3_stmt *st, struct bl_err *err)
{
	unsigned looked = 0, seen = 0;
	int rc = 0;

	while (r->n < RETRY_AT_ONCE && looked < LOOK_AT_ONCE &&
	       (rc = control_sql_step(st, err)) == 1) {
		const int64_t id = sqlite3_column_int64(st, 0);

		rc = has_changed(r->e, (const char *)sqlite3_column_text(st, 1), err);
		if (rc == 1) {
			looked++;
			rc = look(r, id, err);
		}
		if (rc < 0)
			return rc;
		r->e->retried_id = id;
		seen++;
	}
	r->whole = rc == 0 && seen < SKIP_AT_ONCE && r->n < RETRY_AT_ONCE && looked < LOOK_AT_ONCE;
	return rc < 0 ? rc : BL_OK;
}

/* Goes on where it stopped the last time, or what can never be read would hide the rest. */
static int
go_round(struct round *r, struct bl_err *err)
{
	struct eval *e = r->e;
	sqlite3_stmt *st;
	int rc;

	if (e->retried_id == 0) {
		e->waiters.round++;
		e->waiters.failed = false;
		e->waiters.all = e->retried_maps < 0;
		e->waiters.maps = e->head.maps;
	}
	rc = control_sql_prepare(&st, e->reader, err,
	    "SELECT batch_id, device FROM eval_waiting WHERE batch_id > ?"
	    " ORDER BY batch_id LIMIT ?",
	    "ii", e->retried_id, (int64_t)SKIP_AT_ONCE);
	if (rc < 0)
		return rc;
	rc = walk(r, st, err);
	(void)sqlite3_finalize(st); /* its code is in rc */
	return rc;
}

static int
take_all(struct eval_tx *tx, void *ctx, struct bl_err *err)
{
	struct round *r = ctx;
	int rc;

	r->tried = r->placed = 0;
	for (; r->tried < r->n && !eval_tx_late(tx); r->tried++) {
		if ((rc = eval_take_again(tx, r->id[r->tried], err)) < 0)
			return rc;
		r->placed += rc == 1;
	}
	return BL_OK;
}

/* What was known of maps is forgotten: all of it is looked at, from the first one on. */
static void
all_again(struct eval *e)
{
	e->retried_id = 0;
	e->retried_maps = -1;
}

/* Where the next step goes on. */
static void
go_on(struct round *r)
{
	struct eval *e = r->e;

	if (r->placed < r->tried) { /* one of them could not be taken in yet */
		all_again(e);
	} else if (r->tried < r->n) { /* there was no time for the rest: on with it */
		e->retried_id = r->id[r->tried] - 1;
		if (e->retried_id == 0)
			all_again(e);
	} else if (r->whole && e->waiters.failed) {
		all_again(e); /* when there is something to do again, and not at once */
		return;
	} else if (r->whole) {
		e->retried_id = 0;
		e->retried_maps = e->waiters.maps;
	}
	/* Not all were looked at, or not all taken in: on with them in the next step. */
	e->waiting_left = e->retried_id != 0 || e->retried_maps != e->head.maps;
}

int
eval_retry_waiting(struct eval *e, struct bl_err *err)
{
	struct round r = { .e = e };
	int rc;

	e->waiting_left = false;
	if (e->retried_id == 0 && e->head.maps == e->retried_maps)
		return 0; /* nothing has come that could help */
	if ((rc = go_round(&r, err)) < 0 ||
	    (r.n > 0 && (rc = eval_write(e, take_all, &r, err)) < 0)) {
		/* On with the others; but its maps may never change again, so another round
		 * follows. */
		e->waiters.failed = true;
		return rc;
	}
	go_on(&r);
	return r.placed > 0;
}
