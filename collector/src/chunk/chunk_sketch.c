/*
 * The values of an hour as buckets of bl_sketch.  Where they begin and end
 * follows from the hour's min and max, how many there are from its count, so
 * only the counts between are written: of every bucket, or of those that are not
 * empty with the way from one to the next, whichever is shorter.  Both go
 * by Rice codes whose parameter follows the numbers before.
 */
#include "chunk_internal.h"

#include <stdlib.h>

#define SPAN_MAX 16384u /* what is counted in an array; beyond, it is sorted */

/* ---- from values to buckets ---- */

struct chunk_sketcher {
	struct bl_sketch_bucket bucket[CHUNK_BUCKETS_MAX];
	uint32_t n;
	uint32_t hist[SPAN_MAX + 1];
	int32_t *ordinal;
	size_t size;
	struct bl_sketch *many; /* for what has too many */
};

struct chunk_sketcher *
chunk_sketcher_create(void)
{
	struct chunk_sketcher *k = calloc(1, sizeof(*k));

	if (k != NULL && (k->many = bl_sketch_create()) == NULL) {
		free(k);
		return NULL;
	}
	return k;
}

void
chunk_sketcher_free(struct chunk_sketcher *k)
{
	if (k == NULL)
		return;
	bl_sketch_free(k->many);
	free(k->ordinal);
	free(k);
}

static bool
reserve(struct chunk_sketcher *k, size_t n)
{
	int32_t *more;

	if (n <= k->size)
		return true;
	if ((more = realloc(k->ordinal, n * sizeof(*more))) == NULL)
		return false;
	k->ordinal = more;
	k->size = n;
	return true;
}

static void
find_ordinals(struct chunk_sketcher *k, const struct bl_seq *s)
{
	if (!s->integers) {
		for (uint32_t i = 0; i < s->n; i++)
			k->ordinal[i] = bl_sketch_ordinal(s->d[i]);
	} else if (s->scale == BL_SEQ_SCALE_SHIFT) {
		const double factor = chunk_scaled(1, s->scale, s->shift);

		for (uint32_t i = 0; i < s->n; i++)
			k->ordinal[i] = bl_sketch_ordinal((double)s->i[i] * factor);
	} else {
		const double divisor = chunk_power_of_ten(s->scale);

		for (uint32_t i = 0; i < s->n; i++)
			k->ordinal[i] = bl_sketch_ordinal((double)s->i[i] / divisor);
	}
}

/* Of the ordinals but zero. */
struct extent {
	int32_t least, most;
	uint32_t zeros;
};

static struct extent
find_extent(const int32_t *ordinal, uint32_t n)
{
	struct extent x = { INT32_MAX, INT32_MIN, 0 };

	for (uint32_t i = 0; i < n; i++) {
		x.zeros += ordinal[i] == 0;
		x.least = ordinal[i] < x.least && ordinal[i] != 0 ? ordinal[i] : x.least;
		x.most = ordinal[i] > x.most && ordinal[i] != 0 ? ordinal[i] : x.most;
	}
	return x;
}

static void
give_bucket(struct chunk_sketcher *k, int32_t ordinal, uint64_t count)
{
	k->bucket[k->n++] = (struct bl_sketch_bucket){ ordinal, count };
}

/* Zero, which lies far from everything else, has a place of its own in front of the array. */
static void
count_apart(struct chunk_sketcher *k, uint32_t n, const struct extent *x)
{
	const uint32_t span = x->zeros == n ? 0 : (uint32_t)(x->most - x->least) + 1;
	uint32_t *hist = k->hist + 1;
	bool zeros = x->zeros > 0;

	memset(k->hist, 0, (span + 1) * sizeof(k->hist[0]));
	for (uint32_t i = 0; i < n; i++)
		hist[k->ordinal[i] == 0 ? -1 : k->ordinal[i] - x->least]++;
	for (uint32_t i = 0; i < span; i++) {
		const int32_t ordinal = x->least + (int32_t)i;

		if (hist[i] == 0)
			continue;
		if (zeros && ordinal > 0) {
			give_bucket(k, 0, x->zeros);
			zeros = false;
		}
		give_bucket(k, ordinal, hist[i]);
	}
	if (zeros)
		give_bucket(k, 0, x->zeros);
}

/* All within span buckets from least on. */
static void
count_near(struct chunk_sketcher *k, uint32_t n, int32_t least, uint32_t span)
{
	memset(k->hist, 0, span * sizeof(k->hist[0]));
	for (uint32_t i = 0; i < n; i++)
		k->hist[k->ordinal[i] - least]++;
	for (uint32_t i = 0; i < span; i++)
		if (k->hist[i] != 0)
			give_bucket(k, least + (int32_t)i, k->hist[i]);
}

/* Integers of a small range are counted as such; only distinct ones are brought to their buckets.
 */
static void
count_integers(struct chunk_sketcher *k, const struct bl_seq *s, int64_t least, uint32_t span)
{
	memset(k->hist, 0, span * sizeof(k->hist[0]));
	for (uint32_t i = 0; i < s->n; i++)
		k->hist[s->i[i] - least]++;
	for (uint32_t i = 0; i < span; i++) {
		int32_t ordinal;

		if (k->hist[i] == 0)
			continue;
		ordinal = bl_sketch_ordinal(chunk_scaled(least + (int64_t)i, s->scale, s->shift));
		if (k->n > 0 && k->bucket[k->n - 1].ordinal == ordinal)
			k->bucket[k->n - 1].count += k->hist[i];
		else
			give_bucket(k, ordinal, k->hist[i]);
	}
}

static int
by_ordinal(const void *a, const void *b)
{
	const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	return (x > y) - (x < y);
}

/* Through a sketch, which joins buckets beyond its cap. */
static bool
sort_all(struct chunk_sketcher *k, uint32_t n)
{
	struct bl_sketch_bucket *some = k->bucket;

	qsort(k->ordinal, n, sizeof(*k->ordinal), by_ordinal);
	bl_sketch_reset(k->many);
	for (uint32_t i = 0; i < n;) {
		uint32_t m = 0;

		for (; i < n && m < BL_SKETCH_BUCKETS_MAX; m++) {
			const uint32_t first = i;

			while (i < n && k->ordinal[i] == k->ordinal[first])
				i++;
			some[m] = (struct bl_sketch_bucket){ k->ordinal[first], i - first };
		}
		if (bl_sketch_add_buckets(k->many, some, m) < 0)
			return false;
	}
	k->n = (uint32_t)bl_sketch_buckets(k->many, k->bucket);
	return true;
}

/* Thinned ones weigh what they stand for. */
static bool
weigh_all(struct chunk_sketcher *k, const struct chunk_in *in, uint32_t n)
{
	bl_sketch_reset(k->many);
	for (uint32_t j = 0, i = 0; i < in->values->n && j < n; j++) {
		struct bl_sketch_bucket one = { k->ordinal[i], 1 };

		if (in->unknown != NULL && in->unknown[j] != BL_KNOWN)
			continue;
		if (in->thin[j].thin.count > 1)
			one.count = in->thin[j].thin.count;
		i++;
		if (bl_sketch_add_buckets(k->many, &one, 1) < 0)
			return false;
	}
	k->n = (uint32_t)bl_sketch_buckets(k->many, k->bucket);
	return true;
}

static bool
find_buckets(
    struct chunk_sketcher *k, const struct chunk_in *in, uint32_t n, const struct chunk_roll *h1)
{
	const struct bl_seq *s = in->values;
	const int32_t least = chunk_roll_ordinal(h1, false), most = chunk_roll_ordinal(h1, true);
	const uint32_t span = (uint32_t)(most - least) + 1;
	struct extent x;

	k->n = 0;
	if (in->thin == NULL && least == most) {
		give_bucket(k, least, s->n);
		return true;
	}
	if (s->n <= BL_SKETCH_BUCKETS_MAX && in->thin == NULL && h1->integers &&
	    h1->i.max[0] - h1->i.min[0] < 2 * (int64_t)s->n) {
		count_integers(k, s, h1->i.min[0], (uint32_t)(h1->i.max[0] - h1->i.min[0]) + 1);
		return true;
	}
	if (!reserve(k, s->n))
		return false;
	find_ordinals(k, s);
	if (in->thin != NULL)
		return weigh_all(k, in, n);
	if (s->n <= BL_SKETCH_BUCKETS_MAX && span <= SPAN_MAX) {
		count_near(k, s->n, least, span);
		return true;
	}
	x = find_extent(k->ordinal, s->n);
	if (s->n > BL_SKETCH_BUCKETS_MAX || (uint32_t)(x.most - x.least) >= SPAN_MAX)
		return sort_all(k, s->n);
	count_apart(k, s->n, &x);
	return true;
}

/* ---- adaptive codes ---- */

/* A Rice parameter that follows the mean of what was coded. */
struct pace {
	int64_t mean; /* times 16 */
};

static inline unsigned
pace_k(const struct pace *p)
{
	/* The binary length of mean / 32. */
	return 63u - (unsigned)__builtin_clzll((uint64_t)p->mean >> 4 | 1);
}

static inline void
pace_step(struct pace *p, uint64_t v)
{
	/* Beyond 2^40 the parameter does not matter any more. */
	const int64_t seen = v >> 40 != 0 ? INT64_C(1) << 44 : (int64_t)(v << 4);

	p->mean += (seen - p->mean) >> 2; /* never below 0: what is taken off is at most the mean */
}

/* Writes, or with w NULL only counts. */
static void
put_paced(struct bl_bits_w *w, struct pace *p, uint64_t v, uint64_t *bits)
{
	const unsigned k = pace_k(p);

	if (w != NULL)
		chunk_put_rice(w, v, k);
	*bits += chunk_rice_bits(v, k);
	pace_step(p, v);
}

/* Between the ends, which count 1 each at least, `rest` values are to be shared out. */
static struct pace
pace_counts(uint64_t rest, uint32_t span)
{
	return (struct pace){ (int64_t)((rest << 4) / span) };
}

/* ---- writing ---- */

static uint64_t
put_dense(struct bl_bits_w *w, const struct chunk_sketcher *k, uint64_t rest, uint32_t span)
{
	struct pace p = pace_counts(rest, span);
	uint64_t bits = 0;
	uint32_t at = 0;

	for (uint32_t i = 0; i + 1 < span && rest > 0; i++) {
		const bool there = k->bucket[at].ordinal == k->bucket[0].ordinal + (int32_t)i;
		const uint64_t count = there ? k->bucket[at++].count - (i == 0) : 0;

		put_paced(w, &p, count, &bits);
		rest -= count;
	}
	return bits;
}

static uint64_t
put_sparse(struct bl_bits_w *w, const struct chunk_sketcher *k, uint64_t rest, uint32_t span)
{
	struct pace counts = { 16 }, steps = { (int64_t)span * 2 };
	uint64_t bits = 0;

	put_paced(w, &counts, k->bucket[0].count - 1, &bits);
	rest -= k->bucket[0].count - 1;
	for (uint32_t i = 1; i < k->n && rest > 0; i++) {
		put_paced(w, &steps,
		    (uint64_t)(k->bucket[i].ordinal - k->bucket[i - 1].ordinal - 1), &bits);
		if (i + 1 == k->n)
			break;
		put_paced(w, &counts, k->bucket[i].count - 1, &bits);
		rest -= k->bucket[i].count;
	}
	return bits;
}

static bool
dense_is_shorter(const struct chunk_sketcher *k, uint64_t rest, uint32_t span)
{
	/* Far from where the two meet, which is at about every third bucket. */
	if (k->n > span / 2)
		return true;
	if (k->n < span / 8)
		return false;
	return put_dense(NULL, k, rest, span) <= put_sparse(NULL, k, rest, span);
}

int
chunk_sketch_put(struct bl_bits_w *w, struct chunk_sketcher *k, const struct chunk_in *in,
    uint32_t n, const struct chunk_roll *h1)
{
	const struct bl_sketch_bucket *const first = k->bucket, *last;
	uint32_t span;
	uint64_t rest;
	bool stated, dense;

	if (!find_buckets(k, in, n, h1))
		return BL_ENOMEM;
	last = &k->bucket[k->n - 1];
	span = (uint32_t)(last->ordinal - first->ordinal) + 1;
	stated = first->ordinal != chunk_roll_ordinal(h1, false) ||
		 last->ordinal != chunk_roll_ordinal(h1, true);
	bl_bits_put(w, stated, 1);
	if (stated) {
		chunk_put_num(w, bl_zigzag(first->ordinal));
		chunk_put_num(w, span - 1);
	}
	if (span == 1)
		return BL_OK;
	rest = h1->shape.known[0] - 2;
	dense = dense_is_shorter(k, rest, span);
	bl_bits_put(w, !dense, 1);
	if (dense)
		(void)put_dense(w, k, rest, span);
	else
		(void)put_sparse(w, k, rest, span);
	return BL_OK;
}

/* ---- reading ---- */

/* Bits that come next, in a register: what a code takes is shifted out, mostly without a load. */
struct ahead {
	struct bl_bits_r r; /* stands where w begins */
	uint64_t w;
	unsigned have;
};

static inline unsigned
unary_of(uint64_t w)
{
	return (unsigned)__builtin_ctzll(~w | UINT64_C(1) << CHUNK_UNARY_MAX);
}

static inline uint64_t
get_paced(struct ahead *a, struct pace *p)
{
	const unsigned k = pace_k(p);
	unsigned q = unary_of(a->w), need = q + 1 + k;
	uint64_t v;

	if (need > a->have) {
		a->w = bl_bits_peek(&a->r);
		a->have = 57;
		q = unary_of(a->w);
		need = q + 1 + k;
	}
	if (__builtin_expect(q == CHUNK_UNARY_MAX || need > a->have, 0)) {
		v = chunk_get_rice(&a->r, k);
		a->have = 0;
	} else {
		v = (uint64_t)q << k | (a->w >> (q + 1) & ((UINT64_C(1) << k) - 1));
		a->w >>= need;
		a->have -= need;
		a->r.pos += need;
	}
	pace_step(p, v);
	return v;
}

struct reading {
	struct ahead a;
	uint64_t *counts; /* of ordinals from first on; NULL: into out */
	struct bl_sketch_bucket *out;
	uint32_t n;
	int32_t first, last;
	uint64_t rest;
};

static inline bool
give(struct reading *g, uint64_t *counts, int32_t ordinal, uint64_t count)
{
	if (counts != NULL) {
		counts[ordinal - g->first] += count;
		return true;
	}
	if (g->n == CHUNK_BUCKETS_MAX)
		return false;
	g->out[g->n++] = (struct bl_sketch_bucket){ ordinal, count };
	return true;
}

/* counts is g's, or NULL: each has a loop of its own. */
static inline bool
get_dense(struct reading *g, uint64_t *counts, uint32_t span)
{
	struct pace p = pace_counts(g->rest, span);
	struct ahead a = g->a;
	uint64_t rest = g->rest;

	for (uint32_t i = 0; i + 1 < span; i++) {
		const uint64_t more = rest > 0 ? get_paced(&a, &p) : 0;
		const uint64_t count = more + (i == 0);

		if (more > rest || (count > 0 && !give(g, counts, g->first + (int32_t)i, count)))
			return false;
		rest -= more;
		if (rest == 0)
			break;
	}
	g->a = a;
	g->rest = rest;
	return true;
}

static inline bool
get_sparse(struct reading *g, uint64_t *counts, uint32_t span)
{
	struct pace pace = { 16 }, steps = { (int64_t)span * 2 };
	struct ahead a = g->a;
	uint64_t rest = g->rest, more = get_paced(&a, &pace), step;
	int32_t at = g->first;

	if (more > rest)
		return false;
	rest -= more;
	if (!give(g, counts, at, more + 1))
		return false;
	while (rest > 0) {
		step = get_paced(&a, &steps);
		if (step >= (uint64_t)(g->last - at))
			return false;
		at += (int32_t)step + 1;
		if (at == g->last)
			break;
		more = get_paced(&a, &pace);
		if (more >= rest || !give(g, counts, at, more + 1))
			return false;
		rest -= more + 1;
	}
	g->a = a;
	g->rest = rest;
	return true;
}

static bool
get_between(struct reading *g, uint32_t span)
{
	const bool dense = bl_bits_get(&g->a.r, 1) == 0;

	if (g->counts != NULL)
		return dense ? get_dense(g, g->counts, span) : get_sparse(g, g->counts, span);
	return dense ? get_dense(g, NULL, span) : get_sparse(g, NULL, span);
}

/* Where the buckets begin and end; false: ill-formed. */
static bool
get_ends(struct reading *g, const struct chunk_roll *h1)
{
	int64_t first;
	uint64_t span;

	if (bl_bits_get(&g->a.r, 1) == 0) {
		g->first = chunk_roll_ordinal(h1, false);
		g->last = chunk_roll_ordinal(h1, true);
		return g->first <= g->last;
	}
	first = bl_unzigzag(chunk_get_num(&g->a.r));
	span = chunk_get_num(&g->a.r);
	if (first < -BL_SKETCH_ORDINAL_MAX || first > BL_SKETCH_ORDINAL_MAX ||
	    span > (uint64_t)(BL_SKETCH_ORDINAL_MAX - first))
		return false;
	g->first = (int32_t)first;
	g->last = g->first + (int32_t)span;
	return true;
}

bool
chunk_sketch_get(struct bl_bits_r *r, const struct chunk_roll *h1, struct bl_sketch *into,
    struct bl_sketch_bucket *out, uint32_t *n)
{
	const uint64_t known = h1->shape.known[0];
	struct reading g = { .a = { .r = *r }, .out = out };
	bool ok = true;

	if (!get_ends(&g, h1))
		return false;
	/* So few that no count of an array passes 64 bits. */
	if (into != NULL && known <= UINT32_MAX)
		g.counts = bl_sketch_counts(into, g.first, g.last);
	if (g.first == g.last) {
		(void)give(&g, g.counts, g.first, known);
	} else {
		if (known < 2)
			return false;
		g.rest = known - 2;
		ok = get_between(&g, (uint32_t)(g.last - g.first) + 1) &&
		     give(&g, g.counts, g.last, g.rest + 1);
	}
	*r = g.a.r;
	*n = g.n;
	return ok && bl_bits_at_end(r);
}
