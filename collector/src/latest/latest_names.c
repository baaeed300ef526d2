/*
 * What the numbers mean: looked up in the store when a metric is asked for, and
 * kept until the table has grown.
 */
#include "latest_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/clock.h"

#include "store_metric.h"

#define EARLY_MS     5000 /* what grew so lately may not be committed */
#define AGAIN_MS     2000 /* then names are looked up again after that */
#define VIEW_ONCE    512u /* values taken while the lock is held */
#define FILL_METRICS 128u
#define FILL_SERIES  50000u /* looked up at a time: some 10 MB */

void
latest_names_free(struct latest_names *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->n; i++)
		free(m->s[i].device);
	free(m->s);
	free(m);
}

/* ---- reading ------------------------------------------------------------------- */

struct gathering {
	struct latest_names *m;
	size_t size;
	int64_t newest;
	bool no_memory;
};

static bool
add(void *ctx, const struct store_metric_entry *e)
{
	struct gathering *g = ctx;
	struct latest_names *m = g->m;
	const size_t device = strlen(e->device) + 1, labels = strlen(e->labels_json) + 1;
	struct latest_name *s, *more;

	if (m->n == g->size) {
		g->size = g->size == 0 ? 256 : g->size * 2;
		if ((more = realloc(m->s, g->size * sizeof(*more))) == NULL)
			goto no_memory;
		m->s = more;
	}
	s = &m->s[m->n];
	*s = (struct latest_name){ .series = e->series,
		.interval_ms = e->interval_ms,
		.spool = e->spool,
		.number = e->number };
	if ((s->device = malloc(device + labels)) == NULL)
		goto no_memory;
	memcpy(s->device, e->device, device);
	s->labels = s->device + device;
	memcpy(s->labels, e->labels_json, labels);
	m->n++;
	if (e->series > g->newest)
		(void)snprintf(m->unit, sizeof(m->unit), "%s", e->unit);
	g->newest = e->series > g->newest ? e->series : g->newest;
	return true;
no_memory:
	g->no_memory = true;
	return false;
}

static int
by_device(const void *a, const void *b)
{
	const struct latest_name *x = a, *y = b;
	int c;

	if ((c = strcmp(x->device, y->device)) != 0 || (c = strcmp(x->labels, y->labels)) != 0)
		return c;
	return (x->series > y->series) - (x->series < y->series);
}

int
latest_names_read(struct latest *l, struct store_read *r, const char *metric,
    struct latest_names **out, struct bl_err *err)
{
	struct latest_names *m = calloc(1, sizeof(*m));
	struct gathering g = { .m = m };
	int rc;

	*out = NULL;
	if (m == NULL)
		return bl_fail(err, BL_ENOMEM, "latest: out of memory");
	m->made_mono_ms = bl_mono_ms(l->clock);
	pthread_mutex_lock(&l->lock);
	m->grown = l->grown;
	m->early = l->grown > 0 && m->made_mono_ms - l->grown_mono_ms < EARLY_MS;
	pthread_mutex_unlock(&l->lock);
	(void)snprintf(m->metric, sizeof(m->metric), "%s", metric);
	rc = store_read_metric_entries(r, metric, add, &g, err);
	if (rc == BL_OK && g.no_memory)
		rc = bl_fail(err, BL_ENOMEM, "latest: out of memory");
	if (rc < 0) {
		latest_names_free(m);
		return rc;
	}
	if (m->n > 1)
		qsort(m->s, m->n, sizeof(*m->s), by_device);
	for (size_t i = 0; i < m->n; i++) {
		m->s[i].again = i > 0 && m->s[i].series == m->s[i - 1].series;
		m->n_series += !m->s[i].again;
	}
	*out = m;
	return BL_OK;
}

/* ---- kept ----------------------------------------------------------------------- */

static bool
holds_locked(const struct latest *l, const struct latest_names *m, int64_t now)
{
	return m->grown == l->grown && (!m->early || now - m->made_mono_ms < AGAIN_MS);
}

static struct latest_names *
find_locked(struct latest *l, const char *metric, int64_t now)
{
	for (size_t i = 0; i < LATEST_METRICS_MAX; i++) {
		struct latest_names *m = l->names[i];

		if (m == NULL || strcmp(m->metric, metric) != 0 || !holds_locked(l, m, now))
			continue;
		m->used_mono_ms = now;
		m->uses++;
		return m;
	}
	return NULL;
}

static void
drop_locked(struct latest_names *m)
{
	if (m != NULL && --m->uses == 0)
		latest_names_free(m);
}

/* In place of what is of the same metric, else of what was used the longest time ago. */
static void
keep_locked(struct latest *l, struct latest_names *m, int64_t now)
{
	size_t at = 0;

	for (size_t i = 0; i < LATEST_METRICS_MAX; i++) {
		if (l->names[i] != NULL && strcmp(l->names[i]->metric, m->metric) == 0) {
			at = i;
			break;
		}
		if (l->names[at] != NULL &&
		    (l->names[i] == NULL || l->names[i]->used_mono_ms < l->names[at]->used_mono_ms))
			at = i;
	}
	drop_locked(l->names[at]);
	l->names[at] = m;
	m->used_mono_ms = now;
	m->uses = 2; /* the table's and the caller's */
}

/* With one use more, given back by drop_locked. */
static int
names_of(struct latest *l, struct store_read *r, const char *metric, struct latest_names **out,
    struct bl_err *err)
{
	const int64_t now = bl_mono_ms(l->clock);
	int rc;

	pthread_mutex_lock(&l->lock);
	*out = find_locked(l, metric, now);
	pthread_mutex_unlock(&l->lock);
	if (*out != NULL)
		return BL_OK;
	if ((rc = latest_names_read(l, r, metric, out, err)) < 0)
		return rc;
	if ((*out)->n == 0) {
		latest_names_free(*out);
		*out = NULL;
		return BL_ENOTFOUND;
	}
	pthread_mutex_lock(&l->lock);
	keep_locked(l, *out, now);
	pthread_mutex_unlock(&l->lock);
	return BL_OK;
}

/* ---- views ------------------------------------------------------------------------ */

static void
take_value_locked(struct latest *l, const struct latest_name *s, struct latest_row *row)
{
	const struct latest_spool *sp = latest_spool_locked(l, &s->spool, false);
	const struct latest_value *v;

	if (sp == NULL || s->number == 0 || s->number > sp->n)
		return;
	v = &sp->v[s->number - 1];
	if (v->state == LATEST_NONE || (row->state != LATEST_NONE && v->unix_ms < row->unix_ms))
		return;
	row->state = (enum latest_state)v->state;
	row->unix_ms = v->unix_ms;
	row->value = v->value;
}

int
latest_view(struct latest *l, struct store_read *r, const char *metric, struct latest_view *out,
    struct bl_err *err)
{
	struct latest_names *m;
	struct latest_row *row = NULL;
	int rc;

	memset(out, 0, sizeof(*out));
	/* Before names are looked up: it may bring numbers that were not met. */
	latest_look_now(l);
	if ((rc = names_of(l, r, metric, &m, err)) < 0)
		return rc;
	if ((out->row = malloc(m->n_series * sizeof(*out->row))) == NULL) {
		pthread_mutex_lock(&l->lock);
		drop_locked(m);
		pthread_mutex_unlock(&l->lock);
		return bl_fail(err, BL_ENOMEM, "latest: out of memory");
	}
	out->names = m;
	(void)snprintf(out->unit, sizeof(out->unit), "%s", m->unit);
	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; i < m->n; i++) {
		const struct latest_name *s = &m->s[i];

		if (i > 0 && i % VIEW_ONCE == 0) { /* the writer may have its turn */
			pthread_mutex_unlock(&l->lock);
			pthread_mutex_lock(&l->lock);
		}
		if (!s->again) {
			row = &out->row[out->n++];
			*row = (struct latest_row){ .series = s->series,
				.device = s->device,
				.labels_json = s->labels,
				.interval_ms = s->interval_ms,
				.unix_ms = STORE_TIME_NONE };
		}
		take_value_locked(l, s, row);
	}
	pthread_mutex_unlock(&l->lock);
	return BL_OK;
}

void
latest_view_done(struct latest *l, struct latest_view *v)
{
	if (v->names != NULL) {
		pthread_mutex_lock(&l->lock);
		drop_locked(v->names);
		pthread_mutex_unlock(&l->lock);
	}
	free(v->row);
	memset(v, 0, sizeof(*v));
}

/* ---- filling ------------------------------------------------------------------------ */

struct filling {
	struct latest *l;
	struct latest_names *m; /* of some metrics, by series */
	const atomic_bool *stop;
	bool stopped;
};

static int
by_series(const void *a, const void *b)
{
	const struct latest_name *x = a, *y = b;

	return (x->series > y->series) - (x->series < y->series);
}

static bool
is_over(struct filling *f)
{
	f->stopped = f->stopped || (f->stop != NULL && atomic_load(f->stop));
	return f->stopped;
}

/* Of several spools that have the series, any will do: the newest value counts. */
static bool
fill_one(void *ctx, const struct store_latest *s)
{
	struct filling *f = ctx;
	const struct latest_name key = { .series = s->series };
	const struct latest_name *at = bsearch(&key, f->m->s, f->m->n, sizeof(*f->m->s), by_series);
	struct latest_spool *sp;
	struct latest_value *v = NULL;

	if (at == NULL)
		return !is_over(f);
	pthread_mutex_lock(&f->l->lock);
	if ((sp = latest_spool_locked(f->l, &at->spool, true)) != NULL)
		v = latest_value_locked(f->l, sp, at->number);
	if (v != NULL && (v->state == LATEST_NONE || s->unix_ms > v->unix_ms))
		*v = (struct latest_value){ s->unix_ms, s->value,
			s->known ? LATEST_KNOWN : LATEST_UNKNOWN };
	pthread_mutex_unlock(&f->l->lock);
	return !is_over(f);
}

static int
fill_metrics(struct filling *f, struct store_read *r, const char *const *metric, size_t n,
    struct bl_err *err)
{
	struct gathering g = { .m = calloc(1, sizeof(*g.m)) };
	int rc = BL_OK;

	if (g.m == NULL)
		return bl_fail(err, BL_ENOMEM, "latest: out of memory");
	for (size_t i = 0; i < n && rc == BL_OK && !is_over(f); i++)
		rc = store_read_metric_entries(r, metric[i], add, &g, err);
	if (rc == BL_OK && g.no_memory)
		rc = bl_fail(err, BL_ENOMEM, "latest: out of memory");
	f->m = g.m;
	if (rc == BL_OK && g.m->n > 0 && !is_over(f)) {
		qsort(g.m->s, g.m->n, sizeof(*g.m->s), by_series);
		rc = store_read_latest(r, metric, n, fill_one, f, err);
	}
	latest_names_free(g.m);
	return rc;
}

/* As many metrics as are looked up together: a device's newest batch is read once for all. */
struct some_metrics {
	char name[FILL_METRICS][BL_NAME_MAX + 1];
	const char *at[FILL_METRICS];
	size_t n;
	uint64_t series;
	bool more;
};

static bool
add_metric(void *ctx, const struct store_metric *m)
{
	struct some_metrics *s = ctx;

	s->more = s->n == FILL_METRICS || (s->n > 0 && s->series + m->series > FILL_SERIES);
	if (s->more)
		return false;
	(void)snprintf(s->name[s->n], sizeof(s->name[0]), "%s", m->name);
	s->at[s->n] = s->name[s->n];
	s->n++;
	s->series += m->series;
	return true;
}

int
latest_fill(struct latest *l, struct store_read *r, const char *metric, const atomic_bool *stop,
    struct bl_err *err)
{
	struct filling f = { .l = l, .stop = stop };
	struct some_metrics some = { .more = true };
	char after[BL_NAME_MAX + 1] = "";
	int rc = BL_OK;

	if (metric != NULL)
		return fill_metrics(&f, r, &metric, 1, err);
	while (rc == BL_OK && some.more && !is_over(&f)) {
		some = (struct some_metrics){ .n = 0 };
		rc = store_read_metrics(r, after, FILL_METRICS + 1, add_metric, &some, err);
		if (rc < 0 || some.n == 0)
			break;
		rc = fill_metrics(&f, r, some.at, some.n, err);
		memcpy(after, some.name[some.n - 1], sizeof(after));
	}
	if (rc == BL_OK && f.stopped)
		return bl_fail(err, BL_EBUSY, "latest: stopped");
	if (rc == BL_OK)
		__atomic_store_n(&l->complete, true, __ATOMIC_RELEASE);
	return rc;
}
