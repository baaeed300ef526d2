/*
 * Events of a device, newest first.
 *
 * Batches are walked from the newest end; once as many events are kept as are
 * wanted, and nothing that is still to come can be newer than the oldest of
 * them, the rest cannot matter.  Events hold pointers into the inflated body, so what is kept is
 * copied.
 */
#include <stdlib.h>
#include <string.h>

#include "store_read_internal.h"

struct kept {
	int64_t order_unix_ms; /* its time, or its arrival while its clock is unknown */
	struct store_event e;
	struct bl_event ev;
	char *text;
};

struct keep {
	struct kept *k;
	size_t n, size, limit;
	int64_t from, to;
};

static int
newest_first(const void *a, const void *b)
{
	const struct kept *x = a, *y = b;

	if (x->order_unix_ms != y->order_unix_ms)
		return x->order_unix_ms < y->order_unix_ms ? 1 : -1;
	return (x->ev.boot_ms < y->ev.boot_ms) - (x->ev.boot_ms > y->ev.boot_ms);
}

static void
move_text(struct bl_str *s, char **at)
{
	if (s->len == 0)
		return;
	memcpy(*at, s->p, s->len);
	s->p = *at;
	*at += s->len;
}

static bool
copy_event(struct kept *k, const struct bl_event *ev)
{
	size_t len = ev->type.len + ev->id.len + 1;
	char *at;

	for (uint32_t i = 0; i < ev->n_attrs; i++)
		len += ev->attr[i].key.len + ev->attr[i].text.len;
	if ((k->text = at = malloc(len)) == NULL)
		return false;
	k->ev = *ev;
	move_text(&k->ev.type, &at);
	move_text(&k->ev.id, &at);
	for (uint32_t i = 0; i < ev->n_attrs; i++) {
		move_text(&k->ev.attr[i].key, &at);
		if (ev->attr[i].type == BL_ATTR_TEXT)
			move_text(&k->ev.attr[i].text, &at);
	}
	return true;
}

/* Sorts and drops what is beyond the limit. */
static void
prune(struct keep *l)
{
	qsort(l->k, l->n, sizeof(*l->k), newest_first);
	while (l->n > l->limit)
		free(l->k[--l->n].text);
}

static int
add_event(struct keep *l, const struct scan_batch *b, const struct bl_event *ev, int64_t unix_ms,
    uint32_t uncertainty_ms)
{
	const int64_t order = unix_ms != STORE_TIME_NONE ? unix_ms : b->arrived_unix_ms;
	struct kept *k;

	if (order < l->from || order >= l->to)
		return BL_OK;
	if (l->n == l->size) {
		const size_t size = l->size == 0 ? 64 : l->size * 2;

		if ((k = realloc(l->k, size * sizeof(*k))) == NULL)
			return BL_ENOMEM;
		l->k = k;
		l->size = size;
	}
	k = &l->k[l->n];
	if (!copy_event(k, ev))
		return BL_ENOMEM;
	k->order_unix_ms = order;
	k->e = (struct store_event){ unix_ms, uncertainty_ms, b->arrived_unix_ms, NULL };
	l->n++;
	/* A body may hold thousands: what cannot be among the newest goes at once. */
	if (l->n >= l->limit * 2 + 64)
		prune(l);
	return BL_OK;
}

static int
take_batch(struct scan *sc, const struct scan_batch *b, struct keep *l, struct bl_err *err)
{
	struct bl_batch_reader rd;
	uint32_t uncertainty;
	struct bl_event ev;
	int64_t unix_ms;
	int rc;

	if (b->h.n_events == 0)
		return BL_OK;
	if ((rc = scan_open(sc, b, &rd, err)) < 0)
		return rc;
	while ((rc = bl_batch_next_event(&rd, &ev, err)) == 1) {
		unix_ms = placer_place_within(&sc->place, ev.boot_ms, &uncertainty);
		if (add_event(l, b, &ev, unix_ms, uncertainty) < 0)
			return bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory");
	}
	read_tell_damaged(sc->r, b->id, rc);
	return rc;
}

static int
walk(struct store_read *r, int64_t device_id, enum scan_order order, int64_t from, int64_t to,
    struct keep *l, struct bl_err *err)
{
	struct scan_batch *b;
	struct scan sc;
	int rc;

	if ((rc = scan_begin(&sc, r, order, device_id, BL_STREAM_EVENTS, from, to,
		 bl_mono_ms(r->clock) + STORE_QUERY_DEADLINE, err)) < 0)
		goto done;
	while ((rc = scan_next(&sc, &b, err)) == 1) {
		if (order == SCAN_DOWN && l->n >= l->limit) {
			prune(l);
			if (scan_bound(&sc) < l->k[l->n - 1].order_unix_ms)
				break;
		}
		if ((rc = take_batch(&sc, b, l, err)) < 0)
			break;
	}
done:
	scan_end(&sc);
	return rc < 0 ? rc : BL_OK;
}

int
store_read_events(struct store_read *r, const char *device, int64_t from_unix_ms,
    int64_t to_unix_ms, size_t limit, store_event_cb cb, void *ctx, struct bl_err *err)
{
	struct keep l = { .limit = limit, .from = from_unix_ms, .to = to_unix_ms };
	int64_t device_id;
	int rc;

	if (limit < 1 || limit > 1000)
		return bl_fail(err, BL_EINVAL, "events: a limit from 1 to 1000");
	if ((rc = read_device_id(r, device, &device_id, err)) <= 0)
		return rc; /* never heard of: no events */
	if ((rc = walk(r, device_id, SCAN_UNPLACED_DOWN, from_unix_ms, to_unix_ms, &l, err)) < 0 ||
	    (rc = walk(r, device_id, SCAN_DOWN, from_unix_ms, to_unix_ms, &l, err)) < 0)
		goto done;
	if (l.n > 0)
		prune(&l);
	for (size_t i = 0; i < l.n; i++) {
		l.k[i].e.ev = &l.k[i].ev;
		if (!cb(ctx, &l.k[i].e))
			break;
	}
done:
	for (size_t i = 0; i < l.n; i++)
		free(l.k[i].text);
	free(l.k);
	return rc;
}
