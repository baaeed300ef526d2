/* The series of a question by device and stream: what the store keeps together. */
#include <stdlib.h>
#include <string.h>

#include "query_store_internal.h"

static int
compare(int64_t device_no, enum bl_stream stream, const struct query_series *b)
{
	if (device_no != b->device_no)
		return device_no < b->device_no ? -1 : 1;
	return (stream > b->stream) - (stream < b->stream);
}

static int
by_unit(const void *a, const void *b, void *series)
{
	const struct query_series *s = series;
	const struct query_series *x = &s[*(const uint32_t *)a], *y = &s[*(const uint32_t *)b];
	const int c = compare(x->device_no, x->stream, y);

	return c != 0 ? c : (x->id > y->id) - (x->id < y->id);
}

void
query_units_forget(struct query_store *s)
{
	free(s->unit);
	free(s->order);
	free(s->unit_of);
	free(s->named);
	free(s->id);
	free(s->wanted);
	s->unit = NULL;
	s->order = s->unit_of = s->named = NULL;
	s->id = NULL;
	s->wanted = NULL;
	s->series = NULL;
	s->n_units = 0;
}

static void
cut_units(struct query_store *s)
{
	for (size_t i = 0; i < s->n_series; i++) {
		const struct query_series *e = &s->series[s->order[i]];
		struct unit *u = s->n_units > 0 ? &s->unit[s->n_units - 1] : NULL;

		if (u == NULL || compare(u->device_no, u->stream, e) != 0) {
			u = &s->unit[s->n_units++];
			*u = (struct unit){ .device_no = e->device_no,
				.stream = e->stream,
				.device = e->device,
				.first = i };
		}
		u->n++;
		s->unit_of[s->order[i]] = (uint32_t)s->n_units - 1;
	}
}

int
query_units_make(struct query_store *s, const struct query_want *w, struct bl_err *err)
{
	const size_t room = w->n_series + 1;
	union {
		const struct query_series *in;
		void *out;
	} u = { .in = w->series };

	if (s->series == w->series)
		return BL_OK;
	query_units_forget(s);
	s->unit = malloc(room * sizeof(*s->unit));
	s->order = malloc(room * sizeof(*s->order));
	s->unit_of = malloc(room * sizeof(*s->unit_of));
	s->named = malloc(room * sizeof(*s->named));
	s->id = malloc(room * sizeof(*s->id));
	s->wanted = calloc(room, sizeof(*s->wanted));
	if (s->unit == NULL || s->order == NULL || s->unit_of == NULL || s->named == NULL ||
	    s->id == NULL || s->wanted == NULL)
		return bl_fail(err, BL_ENOMEM, "query: out of memory");
	s->series = w->series;
	s->n_series = w->n_series;
	for (size_t i = 0; i < s->n_series; i++)
		s->order[i] = (uint32_t)i;
	qsort_r(s->order, s->n_series, sizeof(*s->order), by_unit, u.out);
	cut_units(s);
	return BL_OK;
}

struct unit *
query_units_find(struct query_store *s, int64_t device_no, enum bl_stream stream)
{
	size_t low = 0, high = s->n_units;

	while (low < high) {
		const size_t mid = low + (high - low) / 2;
		struct unit *u = &s->unit[mid];

		if (u->device_no == device_no && u->stream == stream)
			return u;
		if (u->device_no < device_no || (u->device_no == device_no && u->stream < stream))
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}
