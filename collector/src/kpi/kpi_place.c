/*
 * Where rows of parts belong: kinds of windows, the version that governs a row, what
 * counts under it.  Pure; the evaluator's thread.
 */
#include "kpi_internal.h"

#include <string.h>

void
kpi_window_at(int code, const struct bl_tz *tz, int64_t unix_ms, int64_t *begin, int64_t *end)
{
	bl_window_at(
	    code == KPI_DAY_HOURS ? BL_WINDOW_1H : (enum bl_window)code, tz, unix_ms, begin, end);
}

int64_t
kpi_window_len_ms(int code)
{
	switch (code) {
	case BL_WINDOW_1M:
		return 60000;
	case BL_WINDOW_5M:
		return 300000;
	case BL_WINDOW_1D:
		return 86400000;
	default:
		return 3600000;
	}
}

int
kpi_raw_code(const struct define_kpi *v)
{
	return v->resolution == BL_WINDOW_1D ? KPI_DAY_HOURS : (int)v->resolution;
}

int
kpi_code_above(int code)
{
	if (code == KPI_DAY_HOURS)
		return BL_WINDOW_1D;
	return code < BL_WINDOW_1D ? code + 1 : 0;
}

int
kpi_code_below(const struct define_kpi *v, int code)
{
	if (code == kpi_raw_code(v))
		return 0;
	if (code == BL_WINDOW_1D && v->resolution == BL_WINDOW_1D)
		return KPI_DAY_HOURS;
	return code - 1;
}

const struct define_kpi *
kpi_governs(const struct define_set *set, const char *kpi, const struct roster_site *site, int code,
    int64_t begin)
{
	const struct define_kpi *v;
	int64_t at = begin, end;

	/* The hours of a day belong to the version of the day. */
	if (code == KPI_DAY_HOURS)
		bl_window_at(BL_WINDOW_1D, site->tz, begin, &at, &end);
	v = define_kpi_at(set, kpi, at);
	if (v == NULL || !v->head.enabled || !define_in_scope(&v->scope, site->id, site->region))
		return NULL;
	if (code == KPI_DAY_HOURS)
		return v->resolution == BL_WINDOW_1D ? v : NULL;
	return (int)v->resolution <= code ? v : NULL;
}

/* ---- meaning ---- */

static bool
same_question(const struct define_kpi *a, const struct define_kpi *b)
{
	return a->source == b->source && a->stream == b->stream && a->function == b->function &&
	       (a->function != BL_FN_PERCENTILE ||
		   !(a->quantile < b->quantile || a->quantile > b->quantile)) &&
	       strcmp(a->metric, b->metric) == 0 && strcmp(a->probe, b->probe) == 0 &&
	       strcmp(a->process, b->process) == 0 && strcmp(a->step, b->step) == 0 &&
	       strcmp(a->where_text, b->where_text) == 0 &&
	       strcmp(a->condition_text, b->condition_text) == 0;
}

/* Versions of one KPI are neighbours in the set, ascending. */
static const struct define_kpi *
version_of(const struct define_set *set, const struct define_kpi *v, int64_t u)
{
	const struct define_kpi *last = set->kpi + set->n_kpis - 1;

	while (v > set->kpi && v->head.version > u && strcmp(v[-1].head.id, v->head.id) == 0)
		v--;
	while (v < last && v->head.version < u && strcmp(v[1].head.id, v->head.id) == 0)
		v++;
	return v->head.version == u ? v : NULL;
}

bool
kpi_same_meaning(const struct define_set *set, const struct define_kpi *v, int64_t u)
{
	const struct define_kpi *other;

	if (v->head.version == u)
		return true;
	other = version_of(set, v, u);
	return other != NULL && same_question(v, other);
}

/* ---- service ---- */

int64_t
kpi_served_ms(
    const struct roster *r, const char *device, const char *site, int64_t begin, int64_t end)
{
	size_t n = 0;
	const struct roster_service *s = roster_services_of(r, device, &n);
	int64_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		const int64_t from = s[i].from_unix_ms > begin ? s[i].from_unix_ms : begin;
		const int64_t to = s[i].to_unix_ms < end ? s[i].to_unix_ms : end;

		if (to > from && strcmp(s[i].site->id, site) == 0)
			sum += to - from;
	}
	return sum;
}
