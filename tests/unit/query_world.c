/* See query_world.h. */
#include "query_world.h"

#define REBOOT_AT (BASE + 3 * QUERY_HOUR_MS + 1234567)

void
make_world(struct world *w, enum bl_series_kind kind, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	w->kind = kind;
	for (int i = 0; i < SERIES; i++) {
		double v = 100 * i;

		for (int64_t t = BASE + 1000 * i; t < END; t += TICK) {
			struct sample *s = &w->s[i][w->n[i]];

			v = kind == BL_COUNTER ? v + floor(pure_unit(&seed) * 50)
					       : pure_unit(&seed) * 1000 - 200;
			if (kind == BL_COUNTER && pure_next(&seed) % 500 == 0)
				v = 0; /* the counter wraps */
			if (t >= GAP_FROM && t < GAP_TO)
				continue;
			*s = (struct sample){ t + (int64_t)(pure_next(&seed) % 20),
				t < REBOOT_AT ? 1 : 2, v, BL_KNOWN };
			if (pure_next(&seed) % 40 == 0) {
				s->unknown = 1;
				s->v = NAN;
			}
			w->n[i]++;
		}
	}
	w->kept = (struct query_kept){ { INT64_MIN, INT64_MIN, INT64_MIN }, BASE, END };
}

bool
pair(const struct sample *a, const struct sample *b)
{
	return a->boot == b->boot && b->t - a->t <= 60000;
}

/* A roll-up as the part format has it: pairs lie within the hour. */
static void
roll(const struct world *w, int i, int64_t hour, int64_t from, int64_t to, struct query_roll *out)
{
	const struct bl_thin one = { .count = 1 };
	const struct sample *before = NULL;

	*out = (struct query_roll){ .min = NAN, .max = NAN };
	for (size_t k = 0; k < w->n[i]; k++) {
		const struct sample *s = &w->s[i][k];
		const bool in = s->t >= from && s->t < to;

		if (s->t < hour || s->t >= hour + QUERY_HOUR_MS)
			continue;
		if (s->unknown) {
			out->unknown += in;
			continue;
		}
		if (in) {
			out->n++;
			out->sum += s->v;
			out->min = fmin(out->min, s->v);
			out->max = fmax(out->max, s->v);
			if (before != NULL && pair(before, s))
				out->increase += bl_increase(before->v, s->v, &one);
		}
		before = s;
	}
}

static bool
edges(const struct world *w, int i, int64_t hour, struct query_edge *first, struct query_edge *last)
{
	bool some = false;

	for (size_t k = 0; w->kind == BL_COUNTER && k < w->n[i]; k++) {
		const struct sample *s = &w->s[i][k];

		if (s->t < hour || s->t >= hour + QUERY_HOUR_MS || s->unknown)
			continue;
		*last = (struct query_edge){ s->t, s->boot, s->v };
		if (!some)
			*first = *last;
		some = true;
	}
	return some;
}

struct hour_of {
	const struct world *w;
	int i;
	int64_t hour;
};

static int
add_sketch(const void *of, struct bl_sketch *into, struct bl_err *err)
{
	const struct hour_of *h = of;

	(void)err;
	for (size_t k = 0; k < h->w->n[h->i]; k++) {
		const struct sample *s = &h->w->s[h->i][k];

		if (!s->unknown && s->t >= h->hour && s->t < h->hour + QUERY_HOUR_MS)
			assert_int_equal(bl_sketch_add(into, s->v, 1), BL_OK);
	}
	return BL_OK;
}

static int
give_hour(const struct world *w, const struct query_want *q, const struct query_take *t, uint32_t i,
    struct bl_err *err)
{
	struct query_edge first, last;
	const bool some = edges(w, (int)i, q->from_unix_ms, &first, &last);
	const struct hour_of of = { w, (int)i, q->from_unix_ms };
	struct query_hour_roll h = { .begin_unix_ms = q->from_unix_ms,
		.first = some ? &first : NULL,
		.last = some ? &last : NULL,
		.add_sketch = q->sketch ? add_sketch : NULL,
		.of = &of };

	roll(w, (int)i, q->from_unix_ms, q->from_unix_ms, q->to_unix_ms, &h.roll);
	return t->hour(t->ctx, i, &h, err);
}

static int
give_five(const struct world *w, const struct query_want *q, const struct query_take *t, uint32_t i,
    struct bl_err *err)
{
	struct query_roll five[QUERY_M5_OF_HOUR];
	struct query_edge first, last;
	const bool some = edges(w, (int)i, q->from_unix_ms, &first, &last);

	for (int k = 0; k < QUERY_M5_OF_HOUR; k++) {
		const int64_t from = q->from_unix_ms + k * QUERY_M5_MS;

		roll(w, (int)i, q->from_unix_ms, from, from + QUERY_M5_MS, &five[k]);
		if (q->sums_only)
			five[k].min = five[k].max = five[k].increase = NAN;
	}
	return t->five(
	    t->ctx, i, q->from_unix_ms, five, some ? &first : NULL, some ? &last : NULL, err);
}

static int
give_samples(const struct world *w, const struct query_want *q, const struct query_take *t,
    uint32_t i, struct bl_err *err)
{
	int64_t time[64], boot[64];
	double value[64];
	uint8_t unknown[64];
	struct query_samples b = {
		.unix_ms = time, .value = value, .unknown = unknown, .boot = boot
	};
	int rc = BL_OK;

	for (size_t k = 0; k < w->n[i] && rc == BL_OK; k++) {
		const struct sample *s = &w->s[i][k];

		if (s->t < q->from_unix_ms || s->t >= q->to_unix_ms)
			continue;
		time[b.n] = s->t;
		boot[b.n] = s->boot;
		value[b.n] = s->v;
		unknown[b.n++] = s->unknown;
		if (b.n == 64) {
			rc = t->samples(t->ctx, i, &b, err);
			b.n = 0;
		}
	}
	return rc == BL_OK && b.n > 0 ? t->samples(t->ctx, i, &b, err) : rc;
}

int
read_world(void *ctx, const struct query_want *q, const struct query_take *t, struct bl_err *err)
{
	struct world *w = ctx;
	int rc = BL_OK;

	assert_true(q->to_unix_ms - q->from_unix_ms == QUERY_HOUR_MS);
	assert_true(q->from_unix_ms % QUERY_HOUR_MS == 0);
	w->reads[q->level]++;
	for (size_t k = 0; k < q->n_want && rc == BL_OK; k++) {
		const uint32_t i = q->want[k];

		assert_true(k == 0 || q->want[k - 1] < i);
		if (w->raw_only || q->level == QUERY_RAW)
			rc = give_samples(w, q, t, i, err);
		else if (q->level == QUERY_M5)
			rc = give_five(w, q, t, i, err);
		else
			rc = give_hour(w, q, t, i, err);
	}
	return rc;
}

int
kept_of(void *ctx, int64_t from, struct query_kept *out, struct bl_err *err)
{
	(void)from;
	(void)err;
	*out = ((struct world *)ctx)->kept;
	return BL_OK;
}

static size_t
places(void *ctx, const char *device, const struct query_place **out)
{
	static const struct query_place zero[] = { { INT64_MIN, MOVES_AT, "s0", "" },
		{ MOVES_AT, INT64_MAX, "s1", "" } };
	static const struct query_place even[] = { { INT64_MIN, INT64_MAX, "s0", "" } };
	static const struct query_place odd[] = { { INT64_MIN, INT64_MAX, "s1", "" } };
	const int i = device[1] - '0';

	(void)ctx;
	*out = i == 0 ? zero : i % 2 == 1 ? odd : even;
	return i == 0 ? 2 : 1;
}

struct query_set *
set_of(const struct world *w, const struct query_grid *g, enum query_by by)
{
	const struct query_filter f = { .by = by,
		.agg = g->agg,
		.from_unix_ms = g->from_unix_ms,
		.to_unix_ms = g->to_unix_ms,
		.places = places };
	struct bl_err err = { 0 };
	struct query_set *s;

	assert_int_equal(query_set_create(&s, &f, &err), BL_OK);
	for (int i = SERIES - 1; i >= 0; i--) {
		char device[4];
		struct query_entry e = { 100 + i, device, i, "{}", w->kind, BL_STREAM_HOST, TICK };

		(void)snprintf(device, sizeof(device), "d%d", i);
		assert_int_equal(query_set_add(s, &e, &err), BL_OK);
	}
	assert_int_equal(query_set_end(s, &err), BL_OK);
	return s;
}

struct query_result *
run(struct world *w, const struct query_grid *g, enum query_by by)
{
	const struct query_source src = { w, kept_of, NULL, read_world };
	struct query_set *s = set_of(w, g, by);
	struct bl_err err = { 0 };
	struct query_result *res;

	memset(w->reads, 0, sizeof(w->reads));
	if (query_run(&res, g, s, &src, NULL, &err) != BL_OK)
		fail_msg("%s", err.msg);
	query_set_free(s);
	return res;
}

int
kept_all(void *ctx, int64_t from, struct query_kept *out, struct bl_err *err)
{
	(void)ctx;
	(void)from;
	(void)err;
	*out = (struct query_kept){ { INT64_MIN, INT64_MIN, INT64_MIN }, BASE, END };
	return BL_OK;
}

int
give_block(void *ctx, const struct query_want *q, const struct query_take *t, struct bl_err *err)
{
	return q->from_unix_ms == BASE ? t->samples(t->ctx, 0, ctx, err) : BL_OK;
}
