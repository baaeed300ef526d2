/*
 * In which order things stand in a region: sources by device and stream,
 * metrics by name, columns by both, shapes by how common they are.
 */
#include "chunk_internal.h"

#include <stdlib.h>

static int
by_source(const void *a, const void *b, void *ctx)
{
	const struct chunk_enc *e = ctx;
	const struct enc_source *x = &e->source[*(const uint32_t *)a];
	const struct enc_source *y = &e->source[*(const uint32_t *)b];

	if (x->device != y->device)
		return x->device < y->device ? -1 : 1;
	return (x->stream > y->stream) - (x->stream < y->stream);
}

static int
by_name(const void *a, const void *b, void *ctx)
{
	const struct chunk_intern *t = ctx;
	const struct chunk_item *x = &t->item[*(const uint32_t *)a];
	const struct chunk_item *y = &t->item[*(const uint32_t *)b];
	const int d =
	    memcmp(t->bytes.data + x->at, t->bytes.data + y->at, x->len < y->len ? x->len : y->len);

	return d != 0 ? d : (x->len > y->len) - (x->len < y->len);
}

/* Shapes that come more than once first, the commonest before the others. */
static int
by_uses(const void *a, const void *b, void *ctx)
{
	const struct chunk_intern *t = ctx;
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	if (t->item[x].uses != t->item[y].uses)
		return t->item[x].uses > t->item[y].uses ? -1 : 1;
	return x < y ? -1 : 1;
}

static int
by_place(const void *a, const void *b, void *ctx)
{
	const struct chunk_orders *o = ctx;
	const struct enc_column *x = &o->e->column[*(const uint32_t *)a];
	const struct enc_column *y = &o->e->column[*(const uint32_t *)b];

	if (x->metric != y->metric)
		return o->metric_rank[x->metric] < o->metric_rank[y->metric] ? -1 : 1;
	if (x->source != y->source)
		return o->source_rank[x->source] < o->source_rank[y->source] ? -1 : 1;
	return (x->series > y->series) - (x->series < y->series);
}

static int
by_times(const void *a, const void *b, void *ctx)
{
	const struct chunk_orders *o = ctx;
	const struct enc_times *x = &o->e->times[*(const uint32_t *)a];
	const struct enc_times *y = &o->e->times[*(const uint32_t *)b];

	if (x->source != y->source)
		return o->source_rank[x->source] < o->source_rank[y->source] ? -1 : 1;
	return x->place < y->place ? -1 : 1;
}

static int
by_edge(const void *a, const void *b, void *ctx)
{
	const struct chunk_orders *o = ctx;
	const struct enc_edge *x = &o->e->edge[*(const uint32_t *)a];
	const struct enc_edge *y = &o->e->edge[*(const uint32_t *)b];

	if (x->source != y->source)
		return o->source_rank[x->source] < o->source_rank[y->source] ? -1 : 1;
	return x->place < y->place ? -1 : 1;
}

static uint32_t *
order_of(size_t n, int (*compare)(const void *, const void *, void *), void *ctx, uint32_t **rank)
{
	uint32_t *order = malloc((n + 1) * sizeof(*order));

	if (rank != NULL && (*rank = malloc((n + 1) * sizeof(**rank))) == NULL) {
		free(order);
		return NULL;
	}
	if (order == NULL)
		return NULL;
	for (size_t i = 0; i < n; i++)
		order[i] = (uint32_t)i;
	qsort_r(order, n, sizeof(*order), compare, ctx);
	for (size_t i = 0; rank != NULL && i < n; i++)
		(*rank)[order[i]] = (uint32_t)i;
	return order;
}

int
chunk_orders_make(struct chunk_orders *o, struct chunk_enc *e, struct bl_err *err)
{
	*o = (struct chunk_orders){ .e = e };

	o->source = order_of(e->n_sources, by_source, e, &o->source_rank);
	o->metric = order_of(e->metric.n, by_name, &e->metric, &o->metric_rank);
	if (o->source == NULL || o->metric == NULL)
		return bl_fail(err, BL_ENOMEM, "part: out of memory");
	o->column = order_of(e->n_columns, by_place, o, NULL);
	o->times = order_of(e->n_times, by_times, o, NULL);
	o->edge = order_of(e->n_edges, by_edge, o, NULL);
	for (unsigned i = 0; i < 2; i++) {
		struct chunk_shape_refs *s = &o->shapes[i];
		const struct chunk_intern *t = &e->shape[i];

		s->order = order_of(t->n, by_uses, &e->shape[i], &s->ref);
		if (o->column == NULL || o->times == NULL || o->edge == NULL || s->order == NULL)
			return bl_fail(err, BL_ENOMEM, "part: out of memory");
		while (s->n < t->n && t->item[s->order[s->n]].uses > 1)
			s->n++;
	}
	for (size_t i = 1; i < e->n_sources; i++)
		if (by_source(&o->source[i - 1], &o->source[i], e) == 0)
			return bl_fail(err, BL_EINVAL, "part: device %lld comes twice",
			    (long long)e->source[o->source[i]].device);
	for (size_t i = 1; i < e->n_columns; i++)
		if (by_place(&o->column[i - 1], &o->column[i], o) == 0)
			return bl_fail(err, BL_EINVAL, "part: series %lld twice",
			    (long long)e->column[o->column[i]].series);
	o->n_metrics = 1;
	for (size_t i = 1; i < e->n_columns; i++)
		o->n_metrics +=
		    e->column[o->column[i]].metric != e->column[o->column[i - 1]].metric;
	return BL_OK;
}

void
chunk_orders_free(struct chunk_orders *o)
{
	free(o->source);
	free(o->source_rank);
	free(o->metric);
	free(o->metric_rank);
	free(o->column);
	free(o->times);
	free(o->edge);
	for (unsigned i = 0; i < 2; i++) {
		free(o->shapes[i].ref);
		free(o->shapes[i].order);
	}
}
