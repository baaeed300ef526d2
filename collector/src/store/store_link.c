/*
 * A link's history as spans.  Pure: store_link.h is the contract.
 *
 * Rows of coverage and holes are walked together in time.  A row says when its
 * first batch came; what in it is older than that by more than the limit came
 * late, the rest at once.  Holes come with the ledger's reasons.
 */
#include "store_link.h"

#include <stdlib.h>
#include <string.h>

/* Neighbours placed by different segments of a clock map leave less than this between them. */
#define TOUCH_MS 1000
/* Who asks for everything up to the present names it by its own clock, and is under way a while. */
#define ASKED_MS 10000

static int64_t
later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t
sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

const char *
store_link_state_name(enum store_link_state state)
{
	static const char *const names[STORE_LINK_STATES] = { "online", "filled_in", "thinned",
		"waiting", "unknown", "gap" };

	return names[state];
}

void
store_link_free(struct store_link_spans *l)
{
	free(l->s);
	memset(l, 0, sizeof(*l));
}

static struct store_link_span
whole(int64_t from, int64_t to, enum store_link_state state, int reason, int64_t arrived)
{
	return (struct store_link_span){ from, to, state, reason, arrived, to - from };
}

static bool
alike(const struct store_link_span *a, const struct store_link_span *b)
{
	return a->state == b->state && a->reason == b->reason;
}

/* Appends, or lengthens the last one. */
static int
add(struct store_link_spans *l, const struct store_link_span *s)
{
	struct store_link_span *last = l->n > 0 ? &l->s[l->n - 1] : NULL, *more;

	if (s->from_unix_ms >= s->to_unix_ms)
		return BL_OK;
	if (last != NULL && s->from_unix_ms - last->to_unix_ms < TOUCH_MS) {
		if (alike(last, s)) {
			last->to_unix_ms = s->to_unix_ms;
			last->lasted_ms += s->lasted_ms;
			last->arrived_unix_ms = later(last->arrived_unix_ms, s->arrived_unix_ms);
			return BL_OK;
		}
		last->to_unix_ms = s->from_unix_ms;
	}
	if (l->n == l->size) {
		const size_t size = l->size == 0 ? 64 : 2 * l->size;

		if ((more = realloc(l->s, size * sizeof(*more))) == NULL)
			return BL_ENOMEM;
		l->s = more;
		l->size = size;
	}
	l->s[l->n++] = *s;
	return BL_OK;
}

/* ---- what came ---------------------------------------------------------- */

struct building {
	const struct store_link_facts *f;
	struct store_link_spans *out;
	int64_t at;          /* everything before is said */
	int64_t to;          /* the end, or the present */
	size_t next_thinned; /* those before end before at */
};

/* [from, to) came in this state, but for what of it was thinned. */
static int
add_came(struct building *b, int64_t from, int64_t to, enum store_link_state state, int64_t arrived)
{
	const struct store_link_facts *f = b->f;

	while (b->next_thinned < f->n_thinned && f->thinned[b->next_thinned].to <= from)
		b->next_thinned++;
	for (size_t i = b->next_thinned; i < f->n_thinned && from < to; i++) {
		const struct store_link_time *t = &f->thinned[i];
		const int64_t begin = later(t->from, from), end = sooner(t->to, to);
		const struct store_link_span plain = whole(from, begin, state, 0, arrived);
		const struct store_link_span thin =
		    whole(begin, end, STORE_LINK_THINNED, 0, arrived);

		if (begin >= to)
			break;
		if (begin >= end)
			continue;
		if (add(b->out, &plain) < 0 || add(b->out, &thin) < 0)
			return BL_ENOMEM;
		from = end;
	}
	const struct store_link_span rest = whole(from, to, state, 0, arrived);

	return add(b->out, &rest);
}

static int
came(struct building *b, const struct store_link_came *c)
{
	const int64_t from = later(c->begin, b->at), to = sooner(c->end, b->to);
	const int64_t in_time = c->first_arrived - b->f->late_ms;
	const int64_t mid = sooner(later(in_time, from), to);

	if (from >= to)
		return BL_OK;
	b->at = to;
	if (add_came(b, from, mid, STORE_LINK_FILLED_IN, c->arrived) < 0)
		return BL_ENOMEM;
	return add_came(b, mid, to, STORE_LINK_ONLINE, c->arrived);
}

/* ---- what did not ------------------------------------------------------- */

static int
add_hole(struct building *b, int64_t from, int64_t to, enum store_link_state state, int reason)
{
	const struct store_link_span s = whole(from, to, state, reason, STORE_TIME_NONE);

	return add(b->out, &s);
}

/* In this state, but for what lies outside of the service, where nothing was to be. */
static int
in_service(struct building *b, int64_t from, int64_t to, enum store_link_state state, int reason)
{
	const struct store_link_facts *f = b->f;

	if (f->service == NULL)
		return add_hole(b, from, to, state, reason);
	for (size_t i = 0; i < f->n_service && from < to; i++) {
		const int64_t begin = later(from, f->service[i].from);
		const int64_t end = sooner(to, f->service[i].to);

		if (begin >= end)
			continue;
		if (add_hole(b, from, begin, STORE_LINK_UNKNOWN, STORE_GAP_NOT_IN_SERVICE) < 0 ||
		    add_hole(b, begin, end, state, reason) < 0)
			return BL_ENOMEM;
		from = end;
	}
	return add_hole(b, from, to, STORE_LINK_UNKNOWN, STORE_GAP_NOT_IN_SERVICE);
}

static int
unknown(struct building *b, int64_t from, int64_t to, int reason)
{
	return in_service(b, from, to, STORE_LINK_UNKNOWN, reason);
}

/* The newest: what the device says that it has, what is only just under way, and the rest. */
static int
not_arrived(struct building *b, int64_t from, int64_t to)
{
	const struct store_link_facts *f = b->f;
	const bool newest = to >= f->now || (to == b->to && f->now - to <= ASKED_MS);
	const int reason = newest && !f->online ? STORE_GAP_OFFLINE : 0;
	const int64_t since = sooner(later(f->waiting.from, from), to);
	const int64_t until = sooner(later(f->waiting.to, since), to);

	if (newest && f->online && to - from <= f->late_ms)
		return add_hole(b, from, to, STORE_LINK_ONLINE, 0);
	if (since == until)
		return unknown(b, from, to, reason);
	if (unknown(b, from, since, reason) < 0 ||
	    add_hole(b, since, until, STORE_LINK_WAITING, 0) < 0)
		return BL_ENOMEM;
	return unknown(b, until, to, reason);
}

static int
hole(struct building *b, const struct store_span *h)
{
	const int64_t from = later(h->from_unix_ms, b->at), to = sooner(h->to_unix_ms, b->to);

	if (from >= to)
		return BL_OK;
	b->at = to;
	switch (h->reason) {
	case STORE_GAP_NOT_ARRIVED:
		return not_arrived(b, from, to);
	case STORE_GAP_HELD: /* its first batches: from whenever, but not from before */
		return in_service(b, from, to, STORE_LINK_WAITING, 0);
	case BL_GAP_THINNED: /* what stands for it is not here yet */
		return add_hole(b, from, to, STORE_LINK_WAITING, 0);
	default:
		return add_hole(b, from, to, STORE_LINK_GAP, h->reason);
	}
}

int
store_link_build(const struct store_link_facts *f, struct store_link_spans *out)
{
	struct building b = { .f = f, .out = out, .at = f->from, .to = sooner(f->to, f->now) };
	size_t c = 0, h = 0;
	int rc = BL_OK;

	while (rc == BL_OK && (c < f->n_came || h < f->n_holes)) {
		const bool hole_first =
		    c == f->n_came ||
		    (h < f->n_holes && f->hole[h].from_unix_ms < f->came[c].begin);

		rc = hole_first ? hole(&b, &f->hole[h++]) : came(&b, &f->came[c++]);
	}
	return rc;
}

/* ---- several lists ------------------------------------------------------ */

static bool
knows_nothing(const struct store_link_spans *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->s[i].state != STORE_LINK_UNKNOWN)
			return false;
	return true;
}

/* a, or b when it is the worse. */
static const struct store_link_span *
worse(const struct store_link_span *a, const struct store_link_span *b)
{
	return a == NULL || b->state > a->state ? b : a;
}

struct cursor {
	const struct store_link_spans *l;
	size_t i;
};

/* The next piece of [*at, ...) over which no list changes; *at moves to its end.  False: the end.
 */
static bool
next_piece(struct cursor *c, size_t n, int64_t *at, struct store_link_span *out)
{
	const struct store_link_span *worst = NULL;
	int64_t end = INT64_MAX, arrived = STORE_TIME_NONE;

	for (size_t k = 0; k < n; k++) {
		while (c[k].i < c[k].l->n && c[k].l->s[c[k].i].to_unix_ms <= *at)
			c[k].i++;
		if (c[k].i == c[k].l->n)
			continue;
		const struct store_link_span *s = &c[k].l->s[c[k].i];
		if (s->from_unix_ms > *at) {
			end = sooner(end, s->from_unix_ms);
			continue;
		}
		end = sooner(end, s->to_unix_ms);
		arrived = later(arrived, s->arrived_unix_ms);
		worst = worse(worst, s);
	}
	if (end == INT64_MAX)
		return false;
	*out = worst != NULL ? whole(*at, end, worst->state, worst->reason, arrived)
			     : whole(*at, *at, STORE_LINK_UNKNOWN, 0, STORE_TIME_NONE);
	*at = end;
	return true;
}

int
store_link_combine(const struct store_link_spans *list, size_t n, struct store_link_spans *out)
{
	struct cursor c[BL_STREAMS] = { 0 };
	struct store_link_span piece;
	int64_t at = INT64_MAX;
	size_t used = 0;

	for (int all = 0; all < 2 && used == 0; all++)
		for (size_t k = 0; k < n && used < BL_STREAMS; k++)
			if (list[k].n > 0 && (all || !knows_nothing(&list[k])))
				c[used++].l = &list[k];
	for (size_t k = 0; k < used; k++)
		at = sooner(at, c[k].l->s[0].from_unix_ms);
	while (used > 0 && next_piece(c, used, &at, &piece))
		if (add(out, &piece) < 0)
			return BL_ENOMEM;
	return BL_OK;
}

/* ---- fewer -------------------------------------------------------------- */

/* Round lengths, so that slots do not shimmer while the range moves with the clock. */
static int64_t
slot_length(int64_t range_ms, size_t slots)
{
	static const int64_t round_ms[] = { 1000, 5000, 15000, 60000, 300000, 600000, 900000,
		1800000, 3600000, 7200000, 10800000, 21600000, 43200000, 86400000 };
	const int64_t least = range_ms / (int64_t)slots + 1;

	for (size_t i = 0; i < sizeof(round_ms) / sizeof(round_ms[0]); i++)
		if (round_ms[i] >= least)
			return round_ms[i];
	return (least / 86400000 + 1) * 86400000;
}

/* How much of [at, to) was as s is. */
static int64_t
lasted(const struct store_link_spans *l, size_t i, int64_t at, int64_t to,
    const struct store_link_span *s)
{
	int64_t ms = 0;

	for (; i < l->n && l->s[i].from_unix_ms < to; i++)
		if (alike(&l->s[i], s))
			ms += sooner(l->s[i].to_unix_ms, to) - later(l->s[i].from_unix_ms, at);
	return ms;
}

/* The worst of [at, to); *i moves behind the spans that end there. */
static struct store_link_span
worst_of(const struct store_link_spans *l, size_t *i, int64_t at, int64_t to)
{
	const struct store_link_span *worst = NULL;
	struct store_link_span out = whole(at, at, STORE_LINK_UNKNOWN, 0, STORE_TIME_NONE);
	int64_t arrived = STORE_TIME_NONE;

	for (size_t k = *i; k < l->n && l->s[k].from_unix_ms < to; k++) {
		worst = worse(worst, &l->s[k]);
		arrived = later(arrived, l->s[k].arrived_unix_ms);
	}
	if (worst != NULL) {
		out = whole(at, to, worst->state, worst->reason, arrived);
		out.lasted_ms = lasted(l, *i, at, to, &out);
	}
	while (*i < l->n && l->s[*i].to_unix_ms <= to)
		(*i)++;
	return out;
}

int
store_link_coarsen(struct store_link_spans *l, size_t max, int64_t *slot_ms)
{
	struct store_link_spans out = { 0 };
	int64_t end, slot;
	size_t i = 0;

	*slot_ms = 0;
	if (l->n <= max)
		return BL_OK;
	end = l->s[l->n - 1].to_unix_ms;
	/* One less: slots begin at whole multiples, so a part of one may stand at each end. */
	slot = slot_length(end - l->s[0].from_unix_ms, max - 1);
	for (int64_t at = l->s[0].from_unix_ms, to; at < end; at = to) {
		to = sooner((at / slot + 1) * slot, end);
		const struct store_link_span s = worst_of(l, &i, at, to);
		if (add(&out, &s) < 0) {
			store_link_free(&out);
			return BL_ENOMEM;
		}
	}
	store_link_free(l);
	*l = out;
	*slot_ms = slot;
	return BL_OK;
}

void
store_link_sum(const struct store_link_spans *l, int64_t ms[STORE_LINK_STATES])
{
	memset(ms, 0, STORE_LINK_STATES * sizeof(ms[0]));
	for (size_t i = 0; i < l->n; i++)
		ms[l->s[i].state] += l->s[i].to_unix_ms - l->s[i].from_unix_ms;
}
