/*
 * One version of a KPI at one site, over a span: its smallest windows and where
 * an instant belongs.  The evaluator's thread.
 */
#include "kpi_internal.h"

#include <stdlib.h>

/* The window belongs to this version: begun (the day begun, for its hours) while it was in force.
 */
static bool
is_ours(const struct kpi_task *t, int64_t begin)
{
	int64_t at = begin, end;

	if (t->code == KPI_DAY_HOURS)
		bl_window_at(BL_WINDOW_1D, t->site->tz, begin, &at, &end);
	return at >= t->v->head.from_unix_ms && at < t->v->head.until_unix_ms;
}

static int
add_slot(struct kpi_task *t, size_t *size, int64_t begin, int64_t end, struct bl_err *err)
{
	struct kpi_slot *s;
	int rc;

	if (t->n_slots == *size) {
		*size = *size == 0 ? 4 : *size * 2;
		if ((s = realloc(t->slot, *size * sizeof(*s))) == NULL)
			return bl_fail(err, BL_ENOMEM, "kpi: out of memory");
		t->slot = s;
	}
	s = &t->slot[t->n_slots];
	s->begin_unix_ms = begin;
	s->end_unix_ms = end;
	if ((rc = bl_part_init(&s->part, t->v->function == BL_FN_PERCENTILE)) < 0)
		return bl_fail(err, rc, "kpi: out of memory");
	t->n_slots++;
	return BL_OK;
}

int
kpi_task_slots(struct kpi_task *t, int64_t begin, int64_t end, struct bl_err *err)
{
	size_t size = 0;
	int64_t b, e;
	int rc;

	for (int64_t at = begin > t->closed_ms ? begin : t->closed_ms; at < end; at = e) {
		kpi_window_at(t->code, t->site->tz, at, &b, &e);
		if (b >= t->closed_ms && is_ours(t, b) && (rc = add_slot(t, &size, b, e, err)) < 0)
			return rc;
	}
	return BL_OK;
}

void
kpi_task_free(struct kpi_task *t)
{
	for (size_t i = 0; i < t->n_slots; i++)
		bl_part_free(&t->slot[i].part);
	free(t->slot);
	t->slot = NULL;
	t->n_slots = 0;
}

static bool
in_service(const struct kpi_task *t, int64_t unix_ms)
{
	for (size_t i = t->n_services; i-- > 0;)
		if (unix_ms >= t->service[i].from_unix_ms && unix_ms < t->service[i].to_unix_ms)
			return t->service[i].site == t->site;
	return false;
}

static bool
holds(const struct kpi_slot *s, int64_t unix_ms)
{
	return unix_ms >= s->begin_unix_ms && unix_ms < s->end_unix_ms;
}

/* Slots ascend; the next value mostly falls where the last one did. */
static struct kpi_slot *
find_slot(struct kpi_task *t, int64_t unix_ms)
{
	size_t lo = 0, hi = t->n_slots;

	if (hi == 0 || holds(&t->slot[t->at], unix_ms))
		return hi == 0 ? NULL : &t->slot[t->at];
	while (lo < hi) {
		const size_t mid = lo + (hi - lo) / 2;

		if (t->slot[mid].end_unix_ms <= unix_ms)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == t->n_slots || !holds(&t->slot[lo], unix_ms))
		return NULL;
	t->at = lo;
	return &t->slot[lo];
}

struct bl_part *
kpi_task_part(struct kpi_task *t, int64_t unix_ms)
{
	struct kpi_slot *s = find_slot(t, unix_ms);

	return s != NULL && in_service(t, unix_ms) ? &s->part : NULL;
}

bool
kpi_job_span(const struct kpi_job *j, int64_t *begin, int64_t *end)
{
	bool any = false;

	for (size_t i = 0; i < j->n; i++) {
		const struct kpi_task *t = &j->task[i];

		if (t->n_slots == 0)
			continue;
		if (!any || t->slot[0].begin_unix_ms < *begin)
			*begin = t->slot[0].begin_unix_ms;
		if (!any || t->slot[t->n_slots - 1].end_unix_ms > *end)
			*end = t->slot[t->n_slots - 1].end_unix_ms;
		any = true;
	}
	return any;
}
