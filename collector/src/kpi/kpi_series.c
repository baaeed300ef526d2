/*
 * Samples into slots: which series a version wants, and one walk over the device's
 * stream for all of them.
 *
 * A series' labels never change, so what a version's `where` says about it is
 * remembered for as long as the definitions stay the same.  Which series there are
 * is asked each time: some microseconds a metric, and a new one is never missed.
 */
#include "kpi_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "branchline/expr.h"

#define USES_MAX    200000u    /* a series for a version; more are passed over */
#define PAIR_MIN_MS 60000      /* neighbours of a counter may be so far apart at least */
#define PAIR_MAX_MS 86400000LL /* and so far at most */

/* A series that a task wants. */
struct use {
	size_t task;
	int64_t series_id;
	json_t *labels; /* condition names some; else NULL */
	int64_t pair_ms;
	bool counter;
	/* RATE: the sample before */
	bool has_before;
	int64_t before_unix_ms, before_boot_ms, before_boot;
	double before;
};

struct kpi_feed {
	struct kpi_job *j;
	struct use *use; /* in order of series_id, task */
	size_t n, size;
	int64_t *id;   /* distinct, ascending */
	size_t *first; /* id i's uses are first[i] .. first[i + 1] - 1 */
	size_t n_ids;
	size_t asked; /* the first of the tasks whose metric is being looked up */
};

/* ---- labels as values ---- */

struct labels_ctx {
	const struct bl_expr *e;
	const json_t *labels;
	const char *device;
	bool has_value;
	double value;
};

static void
text_value(const char *text, size_t len, struct bl_value *out)
{
	out->type = BL_VALUE_TEXT;
	out->text = text;
	out->text_len = len;
}

static void
lookup_label(void *ctx, size_t i, struct bl_value *out)
{
	const struct labels_ctx *c = ctx;
	const char *name = bl_expr_name(c->e, i);
	const json_t *label;

	memset(out, 0, sizeof(*out));
	if (c->has_value && strcmp(name, "value") == 0) {
		out->type = BL_VALUE_NUMBER;
		out->number = c->value;
	} else if (strcmp(name, "device") == 0) {
		text_value(c->device, strlen(c->device), out);
	} else if (json_is_string(label = json_object_get(c->labels, name))) {
		text_value(json_string_value(label), json_string_length(label), out);
	}
}

static bool
where_holds(const struct kpi_job *j, const struct define_kpi *v, const json_t *labels)
{
	struct labels_ctx c = { v->where, labels, j->device, false, 0 };
	const struct bl_expr_env env = { lookup_label, &c, 0 };
	const char *probe;

	if (v->source == DEFINE_PROBE && v->probe[0] != '\0') {
		probe = json_string_value(json_object_get(labels, "probe"));
		if (probe == NULL || strcmp(probe, v->probe) != 0)
			return false;
	}
	return v->where == NULL || bl_expr_truth(v->where, &env) == BL_TRUE;
}

static json_t *
parse_labels(struct kpi_job *j, const char *text)
{
	json_t *labels = json_loads(text, JSON_ALLOW_NUL, NULL);

	if (labels == NULL)
		j->rc = bl_fail(j->err, BL_ECORRUPT,
		    "kpi: the labels of a series of %s do not parse", j->device);
	return labels;
}

/* ---- what is remembered ---- */

static int
remember_for(struct kpi_job *j)
{
	struct kpi_work *w = j->w;

	if (w->match == NULL && (w->match = calloc(KPI_MATCHES, sizeof(*w->match))) == NULL)
		return bl_fail(j->err, BL_ENOMEM, "kpi: out of memory");
	/* An index into the set means something for these definitions only. */
	if (w->match_versions != j->set->versions || w->n_matches > KPI_MATCHES / 2) {
		memset(w->match, 0, KPI_MATCHES * sizeof(*w->match));
		w->n_matches = 0;
		w->match_versions = j->set->versions;
	}
	return BL_OK;
}

/* Where the answer stands or would stand. */
static struct kpi_match *
match_at(struct kpi_work *w, uint64_t key)
{
	uint64_t at = key * 0x9e3779b97f4a7c15u >> 48; /* 16 bits: KPI_MATCHES */

	while (w->match[at].key != 0 && w->match[at].key != key)
		at = (at + 1) % KPI_MATCHES;
	return &w->match[at];
}

static bool
matches(struct kpi_job *j, const struct kpi_task *t, const struct store_log_series *s)
{
	const uint64_t key = ((uint64_t)s->id << 20 | (uint64_t)(t->index & 0xfffff)) + 1;
	struct kpi_match *m = match_at(j->w, key);
	json_t *labels;
	bool yes;

	if (m->key != 0)
		return m->yes;
	if ((labels = parse_labels(j, s->labels_json)) == NULL)
		return false;
	yes = where_holds(j, t->v, labels);
	json_decref(labels);
	/* One call may ask for more than there is room for; the next one starts afresh. */
	if (j->w->n_matches < KPI_MATCHES / 4 * 3) {
		*m = (struct kpi_match){ key, yes };
		j->w->n_matches++;
	}
	return yes;
}

/* ---- looking up ---- */

/* The condition looks at more than the value. */
static bool
names_labels(const struct bl_expr *e)
{
	if (e == NULL)
		return false;
	for (size_t i = 0; i < bl_expr_names(e); i++)
		if (strcmp(bl_expr_name(e, i), "value") != 0 &&
		    strcmp(bl_expr_name(e, i), "device") != 0)
			return true;
	return false;
}

static int64_t
pair_max_ms(uint32_t interval_ms)
{
	const int64_t five = (int64_t)interval_ms * 5;

	return five < PAIR_MIN_MS ? PAIR_MIN_MS : five > PAIR_MAX_MS ? PAIR_MAX_MS : five;
}

static bool
add_use(struct kpi_feed *f, size_t task, const struct store_log_series *s)
{
	const struct kpi_task *t = &f->j->task[task];
	struct use *u;

	if (f->n == USES_MAX)
		return true;
	if (f->n == f->size) {
		const size_t size = f->size == 0 ? 32 : f->size * 2;

		if ((u = realloc(f->use, size * sizeof(*u))) == NULL) {
			f->j->rc = bl_fail(f->j->err, BL_ENOMEM, "kpi: out of memory");
			return false;
		}
		f->use = u;
		f->size = size;
	}
	u = &f->use[f->n];
	*u = (struct use){ .task = task,
		.series_id = s->id,
		.counter = s->kind == BL_COUNTER,
		.pair_ms = pair_max_ms(s->interval_ms) };
	if (names_labels(t->v->condition) &&
	    (u->labels = parse_labels(f->j, s->labels_json)) == NULL)
		return false;
	f->n++;
	return true;
}

static bool
wants_metric(const struct kpi_task *t, const char *metric)
{
	return (t->v->source == DEFINE_SERIES || t->v->source == DEFINE_PROBE) &&
	       strcmp(t->v->metric, metric) == 0;
}

static bool
on_series(void *ctx, const struct store_log_series *s)
{
	struct kpi_feed *f = ctx;
	struct kpi_job *j = f->j;
	const char *metric = j->task[f->asked].v->metric;

	if (s->stream != j->stream)
		return true;
	for (size_t i = f->asked; i < j->n; i++) {
		struct kpi_task *t = &j->task[i];

		if (wants_metric(t, metric) && matches(j, t, s) && !add_use(f, i, s))
			return false;
	}
	return j->rc == BL_OK;
}

/* A metric is looked up once, for all that want it. */
static bool
is_asked_for(const struct kpi_job *j, size_t task)
{
	const char *metric = j->task[task].v->metric;

	if (!wants_metric(&j->task[task], metric))
		return true;
	for (size_t i = 0; i < task; i++)
		if (wants_metric(&j->task[i], metric))
			return true;
	return false;
}

static int
by_series(const void *a, const void *b)
{
	const struct use *x = a, *y = b;

	if (x->series_id != y->series_id)
		return x->series_id < y->series_id ? -1 : 1;
	return (x->task > y->task) - (x->task < y->task);
}

static int
index_uses(struct kpi_feed *f)
{
	if (f->n == 0)
		return BL_OK;
	qsort(f->use, f->n, sizeof(*f->use), by_series);
	f->id = malloc(f->n * sizeof(*f->id));
	f->first = malloc((f->n + 1) * sizeof(*f->first));
	if (f->id == NULL || f->first == NULL)
		return bl_fail(f->j->err, BL_ENOMEM, "kpi: out of memory");
	for (size_t i = 0; i < f->n; i++)
		if (i == 0 || f->use[i].series_id != f->use[i - 1].series_id) {
			f->first[f->n_ids] = i;
			f->id[f->n_ids++] = f->use[i].series_id;
		}
	f->first[f->n_ids] = f->n;
	return BL_OK;
}

int
kpi_feed_create(struct kpi_feed **out, struct kpi_job *j)
{
	struct kpi_feed *f;
	int rc;

	*out = NULL;
	if ((rc = remember_for(j)) < 0)
		return rc;
	if ((f = calloc(1, sizeof(*f))) == NULL)
		return bl_fail(j->err, BL_ENOMEM, "kpi: out of memory");
	f->j = j;
	for (f->asked = 0; rc >= 0 && f->asked < j->n; f->asked++) {
		if (is_asked_for(j, f->asked))
			continue;
		rc = store_log_series(
		    j->telemetry, j->device, j->task[f->asked].v->metric, on_series, f, j->err);
		if (rc >= 0)
			rc = j->rc;
	}
	if (rc < 0 || (rc = index_uses(f)) < 0) {
		kpi_feed_free(f);
		return rc;
	}
	*out = f;
	return BL_OK;
}

void
kpi_feed_free(struct kpi_feed *f)
{
	if (f == NULL)
		return;
	for (size_t i = 0; i < f->n; i++)
		json_decref(f->use[i].labels);
	free(f->use);
	free(f->id);
	free(f->first);
	free(f);
}

void
kpi_feed_leads(struct kpi_feed *f)
{
	for (size_t i = 0; i < f->n; i++) {
		struct kpi_task *t = &f->j->task[f->use[i].task];

		if (t->v->function == BL_FN_RATE && f->use[i].counter &&
		    f->use[i].pair_ms > t->lead_ms)
			t->lead_ms = f->use[i].pair_ms;
	}
}

/* ---- samples ---- */

static enum bl_truth
condition_of(const struct kpi_job *j, const struct define_kpi *v, const struct use *u,
    const struct store_log_sample *s)
{
	struct labels_ctx c = { v->condition, u->labels, j->device, true, s->value };
	const struct bl_expr_env env = { lookup_label, &c, s->unix_ms };

	return v->condition == NULL ? BL_UNKNOWN_TRUTH : bl_expr_truth(v->condition, &env);
}

/*
 * As store_rate.h says: neighbours of one boot, as far apart as its own time says: a clock that
 * is set back between them would make seconds of a minute, and a rate sixty times as high.  The
 * neighbour of a thinned sample is in its own batch, however far away: nothing that comes later
 * changes the pair.
 */
static void
take_rate(struct kpi_job *j, struct use *u, const struct store_log_sample *s)
{
	const bool own =
	    s->thin.count > 1 && s->before_ms > 0 && s->before_ms <= u->pair_ms + STORE_THIN_MAX_MS;
	const int64_t span = own ? s->before_ms : s->boot_ms - u->before_boot_ms;
	/* By the wall, too: what lies further back is not read with every window. */
	const bool near = u->has_before && u->before_boot == s->boot && span > 0 &&
			  span <= u->pair_ms && s->unix_ms - u->before_unix_ms <= u->pair_ms;
	struct bl_part *p;

	if (!u->counter)
		return;
	if ((own || near) && (p = kpi_task_part(&j->task[u->task], s->unix_ms)) != NULL) {
		const double before = own ? s->before : u->before;
		const double increase = bl_increase(before, s->value, &s->thin);

		if (increase >= 0 && isfinite(increase))
			bl_part_add_increase(p, increase, span);
	}
	u->has_before = true;
	u->before = s->value;
	u->before_unix_ms = s->unix_ms;
	u->before_boot_ms = s->boot_ms;
	u->before_boot = s->boot;
}

static int
take_value(struct kpi_job *j, struct use *u, const struct store_log_sample *s)
{
	struct kpi_task *t = &j->task[u->task];
	struct bl_part *p;
	enum bl_truth hit = BL_FALSE;

	if (t->v->function == BL_FN_RATE) {
		take_rate(j, u, s);
		return BL_OK;
	}
	if ((p = kpi_task_part(t, s->unix_ms)) == NULL)
		return BL_OK;
	if (t->v->function == BL_FN_SHARE &&
	    (hit = condition_of(j, t->v, u, s)) == BL_UNKNOWN_TRUTH)
		return BL_OK;
	if (s->thin.count > 1) {
		const struct bl_part_many many = { s->value, s->thin.min, s->thin.max,
			s->thin.count };
		const int rc = bl_part_add_many(p, &many, hit == BL_TRUE);

		return rc == BL_EINVAL ? BL_OK : rc; /* beyond all doubles: no value */
	}
	return bl_part_add(p, s->value, hit == BL_TRUE);
}

static bool
on_sample(void *ctx, const struct store_log_sample *s)
{
	struct kpi_feed *f = ctx;
	int rc = BL_OK;

	if (s->unknown != BL_KNOWN || !isfinite(s->value))
		return true;
	for (size_t i = f->first[s->series]; rc >= 0 && i < f->first[s->series + 1]; i++)
		rc = take_value(f->j, &f->use[i], s);
	if (rc < 0)
		f->j->rc = bl_fail(f->j->err, rc, "kpi: out of memory");
	return rc >= 0;
}

int
kpi_feed_samples(struct kpi_feed *f)
{
	struct kpi_job *j = f->j;
	int64_t begin, end, lead = 0;
	int rc;

	if (f->n_ids == 0 || !kpi_job_span(j, &begin, &end))
		return BL_OK;
	for (size_t i = 0; i < j->n; i++)
		if (j->task[i].lead_ms > lead)
			lead = j->task[i].lead_ms;
	rc = store_log_samples(j->telemetry, j->device, j->stream, f->id, f->n_ids, begin - lead,
	    end, on_sample, f, j->err);
	return rc < 0 ? rc : j->rc;
}
