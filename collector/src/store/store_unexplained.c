/*
 * What is missing of a stream without a reason, by seqs.
 *
 * Two kinds of seqs: those below the bound (the lowest that the agent says it
 * still has without a receipt; of a closed spool, what it ever cut) that are not
 * settled, about which it is asked (of a closed one: nor named, store_gap_name); and those of which it has said "vanished",
 * wherever they lie.  Neither is settled: no receipt ever speaks of them, and a
 * batch that comes after all is stored.
 */
#include "store_internal.h"

uint64_t
store_stream_bound(const struct store_spool *sp, const struct store_stream *m)
{
	return sp->closed ? m->next_seq : m->lowest_held;
}

static void
count_missing(struct store_stream *m, uint64_t bound)
{
	struct seqs known = { 0 };
	int rc = BL_OK;

	for (size_t i = 0; i < m->settled.n && m->named.n > 0 && rc == BL_OK; i++)
		rc = seqs_add(
		    &known, m->settled.r[i].first, m->settled.r[i].last, 2 * STORE_RANGES_MAX);
	for (size_t i = 0; i < m->named.n && rc == BL_OK; i++)
		rc = seqs_add(
		    &known, m->named.r[i].first, m->named.r[i].last, 2 * STORE_RANGES_MAX);
	/* Without memory what is named counts until the next commit. */
	m->unexplained =
	    seqs_missing(m->named.n > 0 && rc == BL_OK ? &known : &m->settled, 1, bound - 1);
	m->unexplained_gaps =
	    seqs_holes(m->named.n > 0 && rc == BL_OK ? &known : &m->settled, bound - 1);
	seqs_free(&known);
}

/* Vanished ones at the bound or above: below it they are missing anyway. */
static void
count_vanished(struct store_stream *m, uint64_t bound)
{
	for (size_t i = 0; i < m->vanished.n; i++) {
		const struct bl_range *v = &m->vanished.r[i];
		const uint64_t from = v->first > bound ? v->first : bound;

		if (v->last < bound)
			continue;
		m->unexplained += v->last - from + 1;
		/* One range with what is missing right below it. */
		if (from != bound || bound == 1 || seqs_has(&m->settled, bound - 1))
			m->unexplained_gaps++;
	}
}

void
store_stream_unexplained(const struct store_spool *sp, struct store_stream *m, int64_t now_unix_ms)
{
	const uint64_t bound = store_stream_bound(sp, m);

	m->unexplained = m->unexplained_gaps = 0;
	if (bound > 1)
		count_missing(m, bound);
	count_vanished(m, bound);
	if (m->unexplained == 0)
		m->unexplained_since_unix_ms = STORE_TIME_NONE;
	else if (m->unexplained_since_unix_ms == STORE_TIME_NONE)
		m->unexplained_since_unix_ms = now_unix_ms;
}

void
store_stream_unasked(
    const struct store_stream *m, uint64_t first, uint64_t last, struct bl_ranges *out)
{
	uint64_t at = first;

	for (size_t i = 0; i <= m->settled.n && at <= last; i++) {
		const struct bl_range *r = i < m->settled.n ? &m->settled.r[i] : NULL;
		const uint64_t upto = r != NULL && r->first <= last ? r->first - 1 : last;

		if (r != NULL && r->last < at)
			continue;
		if (at <= upto)
			seqs_missing_ranges(&m->vanished, at, upto, out);
		if (r == NULL)
			return;
		at = r->last + 1;
	}
}

uint64_t
store_stream_unanswered(const struct store_stream *m)
{
	uint64_t n, told = 0;

	if (m->lowest_held <= 1)
		return 0;
	n = seqs_missing(&m->settled, 1, m->lowest_held - 1);
	for (size_t i = 0; i < m->vanished.n && m->vanished.r[i].first < m->lowest_held; i++) {
		const struct bl_range *v = &m->vanished.r[i];

		told += (v->last < m->lowest_held ? v->last : m->lowest_held - 1) - v->first + 1;
	}
	return n > told ? n - told : 0;
}

int
store_stream_vanished(struct store_spool *sp, enum bl_stream stream, uint64_t first, uint64_t last)
{
	struct store_stream *m = &sp->stream[stream - 1];
	const int rc = seqs_add(&m->vanished, first, last, STORE_RANGES_MAX);

	if (rc < 0)
		return rc;
	if (last >= m->next_seq)
		m->next_seq = last + 1;
	m->dirty = m->ranges_dirty = sp->dirty = true;
	return BL_OK;
}
