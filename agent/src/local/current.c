/*
 * The current values; see the header.  A table by handle, which grows by half
 * and never shrinks: handles are for the life of the process.
 */
#include "current.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define FRESH_INTERVALS 3
#define FRESH_MS        15000 /* results of probes are fetched every ten seconds at the latest */

struct value {
	int64_t boot_ms; /* of the last one; INT64_MIN: none */
	double value;
	uint8_t unknown;
};

struct current {
	pthread_mutex_t lock;
	struct value *value; /* by handle */
	size_t n;
	struct current_probe *probe;
	size_t n_probes;
	uint64_t missing;
};

int
current_create(struct current **out, struct bl_err *err)
{
	if ((*out = calloc(1, sizeof(**out))) == NULL)
		return bl_fail(err, BL_ENOMEM, "keep current values: out of memory");
	(void)pthread_mutex_init(&(*out)->lock, NULL);
	return BL_OK;
}

void
current_free(struct current *c)
{
	if (c == NULL)
		return;
	(void)pthread_mutex_destroy(&c->lock);
	free(c->value);
	free(c->probe);
	free(c);
}

/* ---- writing ---- */

static bool
room_locked(struct current *c, int32_t handle)
{
	const size_t want = (size_t)handle + 1;
	size_t size = c->n + c->n / 2 + 32;
	struct value *grown;

	if (want <= c->n)
		return true;
	if (want > BL_DICT_ENTRIES_MAX)
		return false;
	if (size < want)
		size = want;
	if ((grown = realloc(c->value, size * sizeof(*grown))) == NULL)
		return false;
	for (size_t i = c->n; i < size; i++)
		grown[i] = (struct value){ .boot_ms = INT64_MIN };
	c->value = grown;
	c->n = size;
	return true;
}

void
current_put(
    struct current *c, int64_t boot_ms, const struct spool_thread_sample *samples, uint32_t n)
{
	pthread_mutex_lock(&c->lock);
	for (uint32_t i = 0; i < n; i++) {
		const struct spool_thread_sample *s = &samples[i];

		if (s->handle < 0 || !room_locked(c, s->handle)) {
			c->missing++;
			continue;
		}
		if (boot_ms < c->value[s->handle].boot_ms)
			continue;
		c->value[s->handle] =
		    (struct value){ .boot_ms = boot_ms, .value = s->value, .unknown = s->unknown };
	}
	pthread_mutex_unlock(&c->lock);
}

void
current_probes(struct current *c, const struct bl_conf_list *probes)
{
	const struct probe_conf *conf = probes != NULL ? probes->item : NULL;
	const size_t n = probes != NULL && probes->n <= PROBES_MAX ? probes->n : 0;
	struct current_probe *fresh = n > 0 ? calloc(n, sizeof(*fresh)) : NULL;

	for (size_t i = 0; fresh != NULL && i < n; i++) {
		(void)snprintf(fresh[i].name, sizeof(fresh[i].name), "%s", conf[i].name);
		fresh[i].kind = (enum probe_kind)conf[i].kind;
		fresh[i].interval_ms = conf[i].interval_ms;
		fresh[i].up = -1;
		fresh[i].total_ms = (double)NAN;
	}
	pthread_mutex_lock(&c->lock);
	free(c->probe);
	c->probe = fresh;
	c->n_probes = fresh != NULL ? n : 0;
	pthread_mutex_unlock(&c->lock);
}

/* What the agent could not try says nothing about the service. */
static int
up_of(const struct probe_result *r)
{
	if (r->reason == PROBE_FAIL_INTERNAL || r->reason == PROBE_FAIL_NOT_ALLOWED)
		return -1;
	return r->reason == PROBE_OK ? 1 : 0;
}

void
current_result(struct current *c, const struct probe_result *r)
{
	const struct probe_value *total = &r->value[PROBE_TOTAL_MS];
	struct current_probe *p;
	int up;

	pthread_mutex_lock(&c->lock);
	if (r->probe < c->n_probes) {
		p = &c->probe[r->probe];
		up = up_of(r);
		if (!p->ran || up != p->up)
			p->since_boot_ms = r->boot_ms;
		p->up = up;
		p->ran = true;
		p->boot_ms = r->boot_ms;
		p->reason = r->reason;
		p->total_ms = total->got == PROBE_HAVE ? total->v : (double)NAN;
		memcpy(p->detail, r->detail, sizeof(p->detail));
		p->detail[sizeof(p->detail) - 1] = '\0';
	}
	pthread_mutex_unlock(&c->lock);
}

/* ---- reading ---- */

static int
compare_text(struct bl_str a, struct bl_str b)
{
	const size_t n = a.len < b.len ? a.len : b.len;
	const int order = n > 0 ? memcmp(a.p, b.p, n) : 0;

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int
compare_labels(const struct bl_series_def *a, const struct bl_series_def *b)
{
	int order = 0;

	for (uint32_t i = 0; order == 0 && i < a->n_labels && i < b->n_labels; i++) {
		order = compare_text(a->label[i].key, b->label[i].key);
		if (order == 0)
			order = compare_text(a->label[i].value, b->label[i].value);
	}
	return order != 0 ? order : (a->n_labels > b->n_labels) - (a->n_labels < b->n_labels);
}

/* One series, whatever unit it had before. */
static int
compare_series(const struct bl_series_def *a, const struct bl_series_def *b)
{
	int order = compare_text(a->name, b->name);

	if (order == 0)
		order = (int)a->kind - (int)b->kind;
	return order != 0 ? order : compare_labels(a, b);
}

/* Kind and unit before labels: what is one metric stands together. */
static int
compare_rows(const void *x, const void *y)
{
	const struct current_row *a = x, *b = y;
	int order = compare_text(a->def.name, b->def.name);

	if (order == 0)
		order = (int)a->def.kind - (int)b->def.kind;
	if (order == 0)
		order = compare_text(a->def.unit, b->def.unit);
	return order != 0 ? order : compare_labels(&a->def, &b->def);
}

/* Of one series the newest first. */
static int
compare_ages(const void *x, const void *y)
{
	const struct current_row *a = x, *b = y;
	const int order = compare_series(&a->def, &b->def);

	if (order != 0)
		return order;
	if (a->boot_ms != b->boot_ms)
		return a->boot_ms < b->boot_ms ? 1 : -1;
	return (a->handle < b->handle) - (a->handle > b->handle);
}

static bool
fresh(const struct current_row *row, int64_t now)
{
	return row->def.interval_ms == 0 ||
	       now - row->boot_ms <= (int64_t)row->def.interval_ms * FRESH_INTERVALS + FRESH_MS;
}

/* All values there are, without their definitions. */
static int
copy(struct current *c, struct current_snapshot *s)
{
	int rc = BL_OK;

	pthread_mutex_lock(&c->lock);
	s->missing = c->missing;
	s->row = c->n > 0 ? malloc(c->n * sizeof(*s->row)) : NULL;
	s->probe = c->n_probes > 0 ? malloc(c->n_probes * sizeof(*s->probe)) : NULL;
	if ((c->n > 0 && s->row == NULL) || (c->n_probes > 0 && s->probe == NULL))
		rc = BL_ENOMEM;
	for (size_t i = 0; rc == BL_OK && i < c->n; i++)
		if (c->value[i].boot_ms != INT64_MIN)
			s->row[s->n++] = (struct current_row){ .handle = (int32_t)i,
				.boot_ms = c->value[i].boot_ms,
				.value = c->value[i].value,
				.unknown = (enum bl_unknown)c->value[i].unknown };
	if (rc == BL_OK && c->n_probes > 0) {
		s->n_probes = c->n_probes;
		memcpy(s->probe, c->probe, c->n_probes * sizeof(*s->probe));
	}
	pthread_mutex_unlock(&c->lock);
	return rc;
}

/* Keeps what is current, in order. */
static void
choose(struct current_snapshot *s, current_series_fn series, void *ctx)
{
	size_t kept = 0, n = 0;

	for (size_t i = 0; i < s->n; i++) {
		struct current_row *row = &s->row[i];

		if (series(ctx, row->handle, &row->def) && fresh(row, s->boot_ms))
			s->row[kept++] = *row;
	}
	s->old = s->n - kept;
	if (kept > 0)
		qsort(s->row, kept, sizeof(*s->row), compare_ages);
	for (size_t i = 0; i < kept; i++)
		if (n == 0 || compare_series(&s->row[n - 1].def, &s->row[i].def) != 0)
			s->row[n++] = s->row[i];
	if (n > 0)
		qsort(s->row, n, sizeof(*s->row), compare_rows);
	s->old += kept - n;
	s->n = n;
}

int
current_snapshot(struct current *c, int64_t boot_ms, current_series_fn series, void *ctx,
    struct current_snapshot *out, struct bl_err *err)
{
	memset(out, 0, sizeof(*out));
	out->boot_ms = boot_ms;
	if (copy(c, out) < 0) {
		current_snapshot_free(out);
		return bl_fail(err, BL_ENOMEM, "read current values: out of memory");
	}
	choose(out, series, ctx);
	return BL_OK;
}

void
current_snapshot_free(struct current_snapshot *s)
{
	free(s->row);
	free(s->probe);
	memset(s, 0, sizeof(*s));
}
