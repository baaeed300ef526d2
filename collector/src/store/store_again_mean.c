/*
 * Means beside what they were made of.
 *
 * A spool that is put back from before it thinned sends one by one what the centre has as means
 * of its other life, or the other way round.  A mean says its time (the last one's), how many,
 * the least and the largest; the one before it in its batch, and the hour, say where it begins.
 * The samples of a batch that lie there are taken for some of those if they are no more than
 * there were and lie between the least and the largest; for all of those only if these and the
 * last time agree.  Some are enough: the copy was made while a window was under way.
 *
 * That is no proof for one sample.  So it counts only when it is so for every one of a batch,
 * all series and all windows (said_before): another life's measurements would have to lie
 * within the means of this one throughout.
 */
#include "store_again_said.h"

static int64_t
hour_of(int64_t ms)
{
	return ms >= 0 ? ms / SAID_HOUR_MS : -((SAID_HOUR_MS - 1 - ms) / SAID_HOUR_MS);
}

/* What an entry brings into a mean: itself, or what it stands for. */
static void
widen(uint32_t *n, double *min, double *max, const struct bl_thin *t)
{
	*min = *n == 0 || t->min < *min ? t->min : *min;
	*max = *n == 0 || t->max > *max ? t->max : *max;
	*n += t->count;
}

static bool
agrees(uint32_t n, double min, double max, bool last, const struct bl_thin *mean)
{
	if (n == mean->count)
		return last && min == mean->min && max == mean->max;
	return n < mean->count && (n == 0 || (min >= mean->min && max <= mean->max));
}

/* What of x lies where the mean was made; what was unknown there is told by no mean. */
static void
within(struct said *x, const struct said_one *mean)
{
	const size_t from = said_from(x, mean->series, mean->after_ms + 1);
	const int64_t hour = hour_of(mean->ms);
	double min = 0, max = 0;
	bool last = false;
	uint32_t n = 0;
	size_t i = from;

	for (; i < x->n && x->one[i].series == mean->series; i++) {
		const struct said_one *o = &x->one[i];

		/* What is marked was marked up to there: no hour is walked through for each. */
		if (o->ms > mean->ms &&
		    (o->unknown == BL_KNOWN || o->in_mean || hour_of(o->ms) != hour))
			break;
		if (o->unknown != BL_KNOWN)
			continue;
		widen(&n, &min, &max, &o->thin);
		last = o->ms == mean->ms;
	}
	for (size_t k = from; k < i && agrees(n, min, max, last, &mean->thin); k++)
		x->one[k].in_mean = true;
}

/* The mean of x that the other one is a part of. */
static void
part_of(struct said *x, const struct said_one *other)
{
	const size_t i = said_from(x, other->series, other->ms);
	struct said_one *mean = &x->one[i];

	if (i == x->n || mean->series != other->series || mean->unknown != BL_KNOWN ||
	    mean->thin.count <= other->thin.count || mean->after_ms >= other->ms)
		return;
	widen(&mean->parts, &mean->parts_min, &mean->parts_max, &other->thin);
	mean->last_part |= mean->ms == other->ms;
}

void
said_mean(struct said *x, const struct said_one *other)
{
	if (other->series == 0 || other->unknown != BL_KNOWN)
		return;
	if (other->thin.count > 1)
		within(x, other);
	part_of(x, other);
}

bool
said_mean_whole(const struct said_one *o)
{
	return o->thin.count > 1 && o->parts == o->thin.count &&
	       agrees(o->parts, o->parts_min, o->parts_max, o->last_part, &o->thin);
}
