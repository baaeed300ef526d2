/*
 * What an hour lies in: parts, and of which streams something is in none yet.
 *
 * Both are read in one state of the store: what a pack moves from the one to the
 * other is met once.  Bytes of parts that go afterwards stay readable for longer
 * than any question takes.
 */
#include <stdlib.h>
#include <string.h>

#include "query_store_internal.h"

#define DUE_MAX 1000000u /* rows of one hour */

void
query_hour_forget(struct query_store *s)
{
	for (size_t i = 0; i < s->n_parts; i++)
		free(s->part[i].hidden);
	s->n_parts = 0;
}

struct loading {
	struct query_store *s;
	int64_t hour_unix_ms;
	bool no_memory;
};

static bool
add_due(void *ctx, const struct store_due *d)
{
	struct loading *l = ctx;
	struct unit *u = query_units_find(l->s, d->device_id, d->stream);

	if (u != NULL)
		u->due = true;
	return true;
}

static bool
add_part(void *ctx, const struct store_part *p)
{
	struct loading *l = ctx;
	struct query_store *s = l->s;
	struct hour_part *to;

	if (p->hour_unix_ms != l->hour_unix_ms)
		return true;
	if (s->n_parts == s->size_parts) {
		const size_t size = s->size_parts == 0 ? 8 : s->size_parts * 2;
		struct hour_part *more = realloc(s->part, size * sizeof(*more));

		if (more == NULL)
			goto no_memory;
		s->part = more;
		s->size_parts = size;
	}
	to = &s->part[s->n_parts];
	*to = (struct hour_part){ .id = p->id,
		.hour_unix_ms = p->hour_unix_ms,
		.space = p->space,
		.n_hidden = p->n_hidden };
	memcpy(to->offset, p->offset, sizeof(to->offset));
	memcpy(to->bytes, p->bytes, sizeof(to->bytes));
	if ((to->hidden = malloc((p->n_hidden + 1) * sizeof(*to->hidden))) == NULL)
		goto no_memory;
	if (p->n_hidden > 0)
		memcpy(to->hidden, p->hidden, p->n_hidden * sizeof(*to->hidden));
	s->n_parts++;
	return true;
no_memory:
	l->no_memory = true;
	return false;
}

int
query_hour_load(struct query_store *s, int64_t hour_unix_ms, struct bl_err *err)
{
	struct loading l = { s, hour_unix_ms, false };
	int rc;

	query_hour_forget(s);
	for (size_t i = 0; i < s->n_units; i++)
		s->unit[i].due = false;
	if ((rc = store_read_hold(s->r, err)) < 0)
		return rc;
	rc = store_read_due(
	    s->r, hour_unix_ms - 1, INT64_MAX, hour_unix_ms, INT64_MAX, DUE_MAX, add_due, &l, err);
	if (rc == BL_OK)
		rc = store_read_parts(s->r, hour_unix_ms, hour_unix_ms + 1, add_part, &l, err);
	store_read_release(s->r);
	return rc == BL_OK && l.no_memory ? bl_fail(err, BL_ENOMEM, "query: out of memory") : rc;
}

/* ---- numbers of other stores ---------------------------------------------- */

struct numbering {
	struct other_numbers *o;
	enum store_alias kind;
	bool no_memory;
};

static bool
add_number(void *ctx, int64_t old_id, int64_t new_id)
{
	struct numbering *y = ctx;
	const enum store_alias k = y->kind;
	struct other_numbers *o = y->o;

	if (o->of[k].n == o->of[k].size) {
		const size_t size = o->of[k].size == 0 ? 256 : o->of[k].size * 2;
		int64_t *a = realloc(o->of[k].old_id, size * sizeof(*a)), *b;

		if (a != NULL)
			o->of[k].old_id = a;
		b = realloc(o->of[k].new_id, size * sizeof(*b));
		if (b != NULL)
			o->of[k].new_id = b;
		if (a == NULL || b == NULL) {
			y->no_memory = true;
			return false;
		}
		o->of[k].size = size;
	}
	o->of[k].old_id[o->of[k].n] = old_id;
	o->of[k].new_id[o->of[k].n++] = new_id;
	return true;
}

int
query_hour_numbers(
    struct query_store *s, int64_t space, const struct other_numbers **out, struct bl_err *err)
{
	struct other_numbers *more, *o;
	int rc = BL_OK;

	*out = NULL;
	if (space == 0)
		return BL_OK;
	for (size_t i = 0; i < s->n_others; i++)
		if (s->other[i].space == space) {
			*out = &s->other[i];
			return BL_OK;
		}
	if ((more = realloc(s->other, (s->n_others + 1) * sizeof(*more))) == NULL)
		return bl_fail(err, BL_ENOMEM, "query: out of memory");
	s->other = more;
	o = &s->other[s->n_others++];
	*o = (struct other_numbers){ .space = space };
	for (int k = STORE_ALIAS_DEVICE; k <= STORE_ALIAS_BOOT && rc == BL_OK; k++) {
		struct numbering y = { o, (enum store_alias)k, false };

		rc = store_read_alias(s->r, space, y.kind, add_number, &y, err);
		if (rc == BL_OK && y.no_memory)
			rc = bl_fail(err, BL_ENOMEM, "query: out of memory");
	}
	*out = o;
	return rc;
}

bool
query_hour_number(const struct other_numbers *o, enum store_alias kind, int64_t *id)
{
	size_t low = 0, high;

	if (o == NULL)
		return true;
	high = o->of[kind].n;
	while (low < high) {
		const size_t mid = low + (high - low) / 2;

		if (o->of[kind].old_id[mid] < *id)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == o->of[kind].n || o->of[kind].old_id[low] != *id)
		return false;
	*id = o->of[kind].new_id[low];
	return true;
}
