/*
 * Roll-ups of a series' hour.  Decimals, which is nearly all, are summed as
 * integers; a counter that never falls and whose pairs all count has its
 * roll-ups at the ends of its windows.  The rest goes sample by sample.
 */
#include "chunk_internal.h"

#include <math.h>

int64_t
chunk_pair_ms(uint32_t interval_ms)
{
	return interval_ms > 12000 ? 5 * (int64_t)interval_ms : 60000;
}

/* ---- shape ---- */

/* at: where the known samples of each window begin among the known ones. */
static void
make_shape(struct chunk_shape *s, uint32_t at[CHUNK_WINDOWS + 1], const struct chunk_in *in,
    const struct chunk_ticks *ticks)
{
	at[0] = 0;
	for (unsigned w = 0; w < CHUNK_WINDOWS; w++) {
		const uint32_t begin = ticks->begin[w], end = ticks->begin[w + 1];
		uint32_t unknown = 0;
		uint64_t weight;

		for (uint32_t j = begin; in->unknown != NULL && j < end; j++)
			unknown += in->unknown[j] != BL_KNOWN;
		weight = end - begin - unknown;
		for (uint32_t j = begin; in->thin != NULL && j < end; j++)
			if ((in->unknown == NULL || in->unknown[j] == BL_KNOWN) &&
			    in->thin[j].thin.count > 1)
				weight += in->thin[j].thin.count - 1;
		s->known[w] = weight;
		s->unknown[w] = unknown;
		at[w + 1] = at[w] + (end - begin - unknown);
	}
}

/* ---- a gauge's integers ---- */

static bool
bounded(const struct chunk_roll *m5, uint32_t n)
{
	int64_t most = 0, product;

	for (unsigned w = 0; w < CHUNK_WINDOWS; w++) {
		if (m5->shape.known[w] == 0)
			continue;
		most = -m5->i.min[w] > most ? -m5->i.min[w] : most;
		most = m5->i.max[w] > most ? m5->i.max[w] : most;
	}
	return !__builtin_mul_overflow(most, (int64_t)n, &product) && product <= CHUNK_INT_MAX;
}

static void
sum_window(struct chunk_roll *m5, unsigned w, const int64_t *v, uint32_t n)
{
	int64_t min = v[0], max = v[0];
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n; i++) {
		sum += (uint64_t)v[i];
		min = v[i] < min ? v[i] : min;
		max = v[i] > max ? v[i] : max;
	}
	m5->i.total[w] = (int64_t)sum;
	m5->i.min[w] = min;
	m5->i.max[w] = max;
}

/* ---- a counter's integers ---- */

static bool
ascends(const int64_t *v, uint32_t n)
{
	uint64_t falls = 0;

	for (uint32_t i = 1; i < n; i++)
		falls |= (uint64_t)(v[i] - v[i - 1]);
	return falls >> 63 == 0;
}

static void
steady_windows(struct chunk_roll *m5, const int64_t *v, const uint32_t *at)
{
	int64_t before = v[0];

	for (unsigned w = 0; w < CHUNK_WINDOWS; w++) {
		if (at[w + 1] == at[w])
			continue;
		m5->i.min[w] = v[at[w]];
		m5->i.max[w] = v[at[w + 1] - 1];
		m5->i.total[w] = m5->i.max[w] - before;
		before = m5->i.max[w];
	}
	m5->steady = true;
}

/* The known samples one after the other, each with its time and boot. */
struct walk {
	const struct chunk_in *in;
	const struct chunk_ticks *ticks;
	uint32_t j, run, run_end; /* the sample; its boot run, and where that ends */
	unsigned w;               /* its window */
	uint32_t before;          /* the known one before; ticks->n: none */
	int64_t before_boot, boot;
	int64_t before_offset_ms, offset_ms;
};

static void
walk_init(struct walk *k, const struct chunk_in *in, const struct chunk_ticks *ticks)
{
	*k = (struct walk){ .in = in, .ticks = ticks, .j = UINT32_MAX };
	k->run_end = ticks->runs[0].n;
	k->before = ticks->n;
}

static bool
walk_next(struct walk *k)
{
	const struct chunk_ticks *t = k->ticks;

	if (k->j != UINT32_MAX) {
		k->before = k->j;
		k->before_boot = k->boot;
		k->before_offset_ms = k->offset_ms;
	}
	do {
		if (++k->j >= t->n)
			return false;
	} while (k->in->unknown != NULL && k->in->unknown[k->j] != BL_KNOWN);
	while (k->j >= k->run_end)
		k->run_end += t->runs[++k->run].n;
	while (k->j >= t->begin[k->w + 1])
		k->w++;
	k->boot = t->runs[k->run].boot;
	k->offset_ms = t->runs[k->run].offset_ms;
	return true;
}

/*
 * By the boot's own time, too: where the clock was set back, two stretches of a boot lie between
 * one another, and each step from the earlier to the later one would be growth again.
 */
static bool
walk_pair(const struct walk *k)
{
	const int64_t most = chunk_pair_ms(k->in->interval_ms);
	int64_t span, boot_span;

	if (k->before == k->ticks->n || k->before_boot != k->boot)
		return false;
	span = k->ticks->unix_ms[k->j] - k->ticks->unix_ms[k->before];
	boot_span = span - (k->offset_ms - k->before_offset_ms);
	return span <= most && boot_span > 0 && boot_span <= most;
}

/* bl_increase of integers.  What a fall is must not depend on how a number is kept. */
static int64_t
increase_of(const struct bl_seq *s, uint32_t i)
{
	const int64_t before = s->i[i - 1], now = s->i[i];

	if (now >= before)
		return now - before;
	return bl_counter_goes_on(
		   chunk_scaled(before, s->scale, s->shift), chunk_scaled(now, s->scale, s->shift))
		   ? 0
		   : now;
}

static void
counter_windows(struct chunk_roll *m5, const struct chunk_in *in, const struct chunk_ticks *ticks,
    const uint32_t *at)
{
	const int64_t *v = in->values->i;
	struct walk k;

	for (unsigned w = 0; w < CHUNK_WINDOWS; w++)
		if (at[w + 1] > at[w])
			sum_window(m5, w, v + at[w], at[w + 1] - at[w]);
	memset(m5->i.total, 0, sizeof(m5->i.total));
	walk_init(&k, in, ticks);
	for (uint32_t i = 0; walk_next(&k); i++) {
		if (!walk_pair(&k))
			continue;
		m5->i.total[k.w] =
		    (int64_t)((uint64_t)m5->i.total[k.w] + (uint64_t)increase_of(in->values, i));
	}
}

/* ---- doubles, thinned ones ---- */

static void
double_sample(
    struct chunk_roll *m5, const struct walk *k, const double *v, uint32_t i, const bool *begun)
{
	const struct chunk_thin plain = { { v[i], v[i], 1 }, 0, 0 };
	const struct chunk_thin *t =
	    k->in->thin == NULL || k->in->thin[k->j].thin.count <= 1 ? &plain : &k->in->thin[k->j];
	const unsigned w = k->w;
	const bool own = t->thin.count > 1 && t->before_ms > 0 &&
			 t->before_ms <= chunk_pair_ms(k->in->interval_ms) + CHUNK_HOUR_MS;

	if (!begun[w] || t->thin.min < m5->d.min[w])
		m5->d.min[w] = t->thin.min;
	if (!begun[w] || t->thin.max > m5->d.max[w])
		m5->d.max[w] = t->thin.max;
	if (!m5->counter)
		m5->d.total[w] += v[i] * t->thin.count;
	else if (own)
		m5->d.total[w] += bl_increase(t->before, v[i], &t->thin);
	else if (walk_pair(k))
		m5->d.total[w] += bl_increase(v[i - 1], v[i], &t->thin);
}

/* Nothing that is stored is infinite: what passes all doubles ends at the last one. */
static double
clamp(double v)
{
	return v > 1.7976931348623157e308    ? 1.7976931348623157e308
	       : v < -1.7976931348623157e308 ? -1.7976931348623157e308
					     : v;
}

static void
double_windows(
    struct chunk_roll *m5, const struct chunk_in *in, const struct chunk_ticks *ticks, double *v)
{
	bool begun[CHUNK_WINDOWS] = { false };
	struct walk k;

	bl_seq_doubles(in->values, v);
	m5->integers = false;
	memset(&m5->d, 0, sizeof(m5->d));
	walk_init(&k, in, ticks);
	for (uint32_t i = 0; walk_next(&k); i++) {
		double_sample(m5, &k, v, i, begun);
		begun[k.w] = true;
	}
	for (unsigned w = 0; w < CHUNK_WINDOWS; w++)
		m5->d.total[w] = clamp(m5->d.total[w]);
	m5->d.first = v[0];
	m5->d.last = v[in->values->n - 1];
}

/* ---- all of it ---- */

static void
integer_windows(struct chunk_roll *m5, const struct chunk_in *in, const struct chunk_ticks *ticks,
    const uint32_t *at)
{
	const int64_t *v = in->values->i;
	const uint32_t n = in->values->n;

	m5->integers = true;
	m5->scale = in->values->scale;
	m5->shift = in->values->shift;
	m5->i.first = v[0];
	m5->i.last = v[n - 1];
	if (!m5->counter) {
		for (unsigned w = 0; w < CHUNK_WINDOWS; w++)
			if (at[w + 1] > at[w])
				sum_window(m5, w, v + at[w], at[w + 1] - at[w]);
		return;
	}
	if (in->unknown == NULL && ticks->one_boot && (n == 1 || ticks->gap_min_ms > 0) &&
	    ticks->gap_max_ms <= chunk_pair_ms(in->interval_ms) && ascends(v, n))
		steady_windows(m5, v, at);
	else
		counter_windows(m5, in, ticks, at);
}

static void
find_ends(struct chunk_ends *ends, const struct chunk_in *in, uint32_t n)
{
	ends->first = 0;
	ends->last = n - 1;
	while (in->unknown != NULL && ends->first < n && in->unknown[ends->first] != BL_KNOWN)
		ends->first++;
	while (in->unknown != NULL && ends->last > 0 && in->unknown[ends->last] != BL_KNOWN)
		ends->last--;
	ends->first_own = ends->first < n && in->thin != NULL &&
			  in->thin[ends->first].thin.count > 1 &&
			  in->thin[ends->first].before_ms > 0;
}

void
chunk_roll_make(struct chunk_roll *m5, const struct chunk_in *in, const struct chunk_ticks *ticks,
    double *scratch, struct chunk_ends *ends)
{
	uint32_t at[CHUNK_WINDOWS + 1];

	m5->counter = in->kind == BL_COUNTER;
	m5->integers = m5->steady = false;
	m5->scale = m5->shift = 0;
	m5->windows = CHUNK_WINDOWS;
	make_shape(&m5->shape, at, in, ticks);
	find_ends(ends, in, ticks->n);
	if (in->values->n == 0)
		return;
	if (in->values->integers && in->thin == NULL) {
		integer_windows(m5, in, ticks, at);
		if (m5->steady || bounded(m5, in->values->n))
			return;
	}
	m5->steady = false;
	double_windows(m5, in, ticks, scratch);
}

void
chunk_roll_hour(struct chunk_roll *h1, const struct chunk_roll *m5)
{
	bool begun = false;

	h1->counter = m5->counter;
	h1->integers = m5->integers;
	h1->steady = m5->steady;
	h1->scale = m5->scale;
	h1->shift = m5->shift;
	h1->windows = 1;
	h1->shape = (struct chunk_shape){ 0 };
	h1->i.first = m5->i.first;
	h1->i.last = m5->i.last;
	h1->d.first = m5->d.first;
	h1->d.last = m5->d.last;
	h1->i.total[0] = 0;
	h1->d.total[0] = 0;
	for (unsigned w = 0; w < CHUNK_WINDOWS; w++) {
		h1->shape.known[0] += m5->shape.known[w];
		h1->shape.unknown[0] += m5->shape.unknown[w];
		if (m5->shape.known[w] == 0)
			continue;
		if (m5->integers) {
			h1->i.total[0] += m5->i.total[w];
			if (!begun || m5->i.min[w] < h1->i.min[0])
				h1->i.min[0] = m5->i.min[w];
			if (!begun || m5->i.max[w] > h1->i.max[0])
				h1->i.max[0] = m5->i.max[w];
		} else {
			h1->d.total[0] = clamp(h1->d.total[0] + m5->d.total[w]);
			if (!begun || m5->d.min[w] < h1->d.min[0])
				h1->d.min[0] = m5->d.min[w];
			if (!begun || m5->d.max[w] > h1->d.max[0])
				h1->d.max[0] = m5->d.max[w];
		}
		begun = true;
	}
}
