/*
 * Which incident is which interval today.  The oldest incidents choose first, so
 * that what people saw first keeps its id, whatever came between.
 */
#include "branchline/rule.h"

static bool
overlap(const struct bl_match_old *o, const struct bl_interval *i)
{
	return o->begin_unix_ms < i->end_unix_ms && i->begin_unix_ms < o->end_unix_ms;
}

/* Fills out with indices of old (as .interval), the smallest id first. */
static void
by_age(const struct bl_match_old *old, size_t n_old, struct bl_match *out)
{
	for (size_t i = 0; i < n_old; i++) {
		size_t at = i;

		for (; at > 0 && out[at - 1].id > old[i].id; at--)
			out[at] = out[at - 1];
		out[at] = (struct bl_match){ .id = old[i].id, .interval = i };
	}
}

/* What becomes of one old incident; keepers[k].id is who keeps interval k (0: nobody yet). */
static void
choose(const struct bl_match_old *o, const struct bl_interval *now, size_t n_now,
    struct bl_match *keepers, struct bl_match *out)
{
	*out = (struct bl_match){ .kind = BL_MATCH_WITHDRAW, .id = o->id };
	for (size_t k = 0; k < n_now; k++) {
		if (!overlap(o, &now[k]))
			continue;
		if (keepers[k].id == 0) {
			keepers[k].id = o->id;
			out->kind = o->begin_unix_ms == now[k].begin_unix_ms &&
					    o->end_unix_ms == now[k].end_unix_ms
					? BL_MATCH_SAME
					: BL_MATCH_AMEND;
			out->into = 0;
			out->interval = k;
			return;
		}
		if (out->kind == BL_MATCH_WITHDRAW) {
			out->kind = BL_MATCH_MERGE;
			out->into = keepers[k].id;
		}
	}
}

size_t
bl_rule_match(const struct bl_match_old *old, size_t n_old, const struct bl_interval *now,
    size_t n_now, struct bl_match *out)
{
	struct bl_match *keepers = out + n_old;
	size_t n = n_old;

	by_age(old, n_old, out);
	for (size_t k = 0; k < n_now; k++)
		keepers[k] = (struct bl_match){ .kind = BL_MATCH_NEW, .interval = k };
	for (size_t i = 0; i < n_old; i++)
		choose(&old[out[i].interval], now, n_now, keepers, &out[i]);
	/* Intervals that nobody keeps are new; they move up in place. */
	for (size_t k = 0; k < n_now; k++)
		if (keepers[k].id == 0)
			out[n++] = keepers[k];
	return n;
}
