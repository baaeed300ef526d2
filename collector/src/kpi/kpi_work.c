/*
 * What kpi_compute has worked out, until kpi_store takes it.  Bounded by
 * KPI_WORK_PARTS; strings are copies, because definitions and roster may be
 * loaded anew in between.
 */
#include "kpi_internal.h"

#include <stdlib.h>
#include <string.h>

#define BYTES_MAX (64u << 20)

int
kpi_work_create(struct kpi_work **out, struct bl_err *err)
{
	if ((*out = calloc(1, sizeof(**out))) == NULL)
		return bl_fail(err, BL_ENOMEM, "kpi: out of memory");
	bl_buf_init(&(*out)->bytes, BYTES_MAX);
	(*out)->limit = KPI_WORK_PARTS;
	(*out)->closed = (struct kpi_closed){ INT64_MIN, INT64_MIN, INT64_MIN };
	return BL_OK;
}

void
kpi_work_free(struct kpi_work *w)
{
	if (w == NULL)
		return;
	kpi_sql_free(&w->sql);
	bl_buf_free(&w->bytes);
	free(w->match);
	free(w->e);
	free(w);
}

void
kpi_work_reset(struct kpi_work *w)
{
	w->n = w->weight = 0;
	bl_buf_reset(&w->bytes);
}

void
kpi_work_limit(struct kpi_work *w, size_t parts)
{
	w->limit = parts < KPI_WORK_PARTS ? parts : KPI_WORK_PARTS;
}

void
kpi_work_look_back(struct kpi_work *w, bool yes)
{
	w->look_back = yes;
}

void
kpi_work_closed(struct kpi_work *w, const struct kpi_closed *c)
{
	w->closed = *c;
}

size_t
kpi_work_parts(const struct kpi_work *w)
{
	return w->n;
}

static bool
make_room(struct kpi_work *w)
{
	const size_t size = w->size == 0 ? 64 : w->size * 2;
	struct kpi_entry *e;

	if (w->n < w->size)
		return true;
	if ((e = realloc(w->e, size * sizeof(*e))) == NULL)
		return false;
	w->e = e;
	w->size = size;
	return true;
}

int
kpi_work_add(
    struct kpi_work *w, const struct kpi_entry *e, const struct bl_part *part, struct bl_err *err)
{
	struct kpi_entry *to;
	int rc;

	if (!make_room(w))
		return bl_fail(err, BL_ENOMEM, "kpi: out of memory");
	to = &w->e[w->n];
	*to = *e;
	to->absent = part == NULL;
	to->order = w->n;
	to->at = w->bytes.len;
	if (part != NULL && (rc = bl_part_encode(part, &w->bytes)) < 0)
		return bl_fail(err, rc, "kpi: encode a part of %s", e->kpi);
	to->len = w->bytes.len - to->at;
	w->n++;
	w->weight += part != NULL && part->sketch != NULL ? KPI_SKETCH_WEIGHT : 1;
	return BL_OK;
}
