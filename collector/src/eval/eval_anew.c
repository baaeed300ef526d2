/*
 * What people changed: definitions and the fleet.
 *
 * A new version of a KPI makes the spans dirty in which it is in force; one of a
 * rule or a process is worked out subject by subject, in slices whose place is a
 * row.  Whether something has been taken in is a row as well, so that a crash in
 * between loses no change.
 */
#include "eval_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/log.h"

/* ---- the fleet ---- */

/* Everything of the device's streams from `begin` on is to be worked out again. */
static int
dirty_device(struct eval_tx *tx, const char *device, int64_t begin, enum eval_priority priority,
    struct bl_err *err)
{
	struct eval_span s = {
		.begin_unix_ms = begin, .end_unix_ms = tx->now_unix_ms, .priority = priority
	};
	int rc = BL_OK;

	if (begin >= tx->now_unix_ms)
		return BL_OK;
	(void)snprintf(s.device, sizeof(s.device), "%s", device);
	for (int i = 1; i <= BL_STREAMS && rc >= 0; i++) {
		s.stream = (enum bl_stream)i;
		rc = eval_dirty_add(tx->db, &s, err);
	}
	return rc;
}

/* 1: as it was taken in, 0: new or changed. */
static int
service_known(struct sqlite3 *db, const struct roster_service *s, struct bl_err *err)
{
	int64_t n;
	const int rc = control_sql_int(db, err, 0, &n,
	    "SELECT count(*) FROM eval_service WHERE device = ? AND from_unix_ms = ?"
	    " AND to_unix_ms = ? AND site = ? AND zone = ?",
	    "tiitt", s->device, s->from_unix_ms, s->to_unix_ms, s->site->id, s->site->zone);

	return rc < 0 ? rc : n > 0;
}

/* From where on it is another one: the end that moved, or its begin. */
static int
changed_from(struct sqlite3 *db, const struct roster_service *s, int64_t *out, struct bl_err *err)
{
	int64_t to;
	const int rc = control_sql_int(db, err, INT64_MIN, &to,
	    "SELECT to_unix_ms FROM eval_service WHERE device = ? AND from_unix_ms = ?"
	    " AND site = ? AND zone = ?",
	    "titt", s->device, s->from_unix_ms, s->site->id, s->site->zone);

	*out = s->from_unix_ms;
	if (rc >= 0 && to != INT64_MIN)
		*out = to < s->to_unix_ms ? to : s->to_unix_ms;
	return rc;
}

/*
 * Its step events from then on may belong to another site's cases: the batches
 * that hold them are taken in again.  They stand in cases of sites at which it was
 * known to serve, so that only those are gone through.
 */
static int
take_events_again(
    struct eval_tx *tx, const struct roster_service *s, int64_t from, struct bl_err *err)
{
	int64_t there;
	int rc;

	if (from >= tx->now_unix_ms) /* nothing has come from then */
		return BL_OK;
	/* Another zone moves windows, not events. */
	rc = control_sql_int(tx->db, err, 0, &there,
	    "SELECT count(*) FROM eval_service WHERE device = ? AND from_unix_ms = ?"
	    " AND to_unix_ms = ? AND site = ?",
	    "tiit", s->device, s->from_unix_ms, s->to_unix_ms, s->site->id);
	if (rc < 0 || there > 0)
		return rc;
	tx->e->retried_maps = -1; /* they can be taken in at once: from the first one on */
	tx->e->retried_id = 0;
	return control_sql_run(tx->db, err,
	    "INSERT OR IGNORE INTO eval_waiting (batch_id, device, since_unix_ms)"
	    " SELECT DISTINCT e.batch_id, e.device, ?1 FROM case_head h CROSS JOIN case_event e"
	    " ON e.case_no = h.id AND e.unix_ms >= ?2 WHERE e.device = ?3 AND e.batch_id > 0"
	    " AND h.site IN (SELECT site FROM eval_service WHERE device = ?3)",
	    "iit", tx->now_unix_ms, from, s->device);
}

/* 1: it was new or changed, and is taken in; 0: it is known. */
static int
take_service(struct eval_tx *tx, const struct roster_service *s, struct bl_err *err)
{
	int64_t from;
	int rc = service_known(tx->db, s, err);

	if (rc != 0)
		return rc < 0 ? rc : BL_OK;
	if ((rc = changed_from(tx->db, s, &from, err)) < 0 ||
	    (rc = dirty_device(tx, s->device, from, EVAL_ANEW, err)) < 0 ||
	    (rc = take_events_again(tx, s, from, err)) < 0)
		return rc;
	rc = control_sql_run(tx->db, err,
	    "INSERT INTO eval_service (device, from_unix_ms, to_unix_ms, site, zone)"
	    " VALUES (?, ?, ?, ?, ?) ON CONFLICT (device, from_unix_ms) DO UPDATE SET"
	    " to_unix_ms = excluded.to_unix_ms, site = excluded.site, zone = excluded.zone",
	    "tiitt", s->device, s->from_unix_ms, s->to_unix_ms, s->site->id, s->site->zone);
	return rc < 0 ? rc : 1;
}

struct services {
	struct eval_tx *tx;
	bool *left; /* the rest waits for the next step */
	int rc;
	struct bl_err *err;
};

static bool
each_service(const struct roster_service *s, void *ctx)
{
	struct services *l = ctx;

	l->rc = take_service(l->tx, s, l->err);
	/* Those that are known cost little: each step gets on by one at least. */
	*l->left = l->rc == 1 && eval_tx_late(l->tx);
	return l->rc >= 0 && !*l->left;
}

static int
take_fleet(struct eval_tx *tx, void *ctx, struct bl_err *err)
{
	struct services l = { .tx = tx, .left = ctx, .err = err };
	const struct roster *r = tx->e->roster;

	*l.left = false;
	for (size_t i = 0; i < roster_sites(r) && l.rc >= 0 && !*l.left; i++)
		roster_in_service(
		    r, roster_site_at(r, i)->id, INT64_MIN, INT64_MAX, each_service, &l);
	return l.rc < 0 ? l.rc : BL_OK;
}

static int
load_fleet(struct eval *e, struct bl_err *err)
{
	struct roster *fresh;
	const int rc = roster_load(&fresh, e->reader, e->opts.tz_dir, err);

	if (rc < 0)
		return rc;
	roster_free(e->roster);
	e->roster = fresh;
	e->services_left = true;
	return BL_OK;
}

/* ---- definitions ---- */

#define UNSEEN_MAX 1000u /* versions of one step */

struct version {
	enum define_kind kind;
	char id[BL_ID_TEXT_MAX + 1];
	int64_t version, from_unix_ms;
};

struct versions {
	struct version *v;
	size_t n, size;
};

static int
unseen(struct eval_tx *tx, struct versions *out, struct bl_err *err)
{
	static const char sql[] =
	    "SELECT v.kind, v.id, v.version, v.from_unix_ms FROM definition_version v"
	    " LEFT JOIN eval_seen s ON s.kind = v.kind AND s.id = v.id AND s.version = v.version"
	    " WHERE s.kind IS NULL ORDER BY v.kind, v.id, v.version LIMIT ?";
	sqlite3_stmt *st;
	int rc;

	if ((rc = control_sql_prepare(&st, tx->db, err, sql, "i", (int64_t)UNSEEN_MAX)) < 0)
		return rc;
	if ((out->v = calloc(UNSEEN_MAX, sizeof(*out->v))) == NULL) {
		(void)sqlite3_finalize(st);
		return bl_fail(err, BL_ENOMEM, "take definitions in: out of memory");
	}
	while (out->n < UNSEEN_MAX && (rc = control_sql_step(st, err)) == 1) {
		struct version *v = &out->v[out->n++];
		char kind[16];

		control_sql_text(st, 0, kind, sizeof(kind));
		for (int k = 0; k < DEFINE_KINDS; k++)
			if (strcmp(kind, define_kind_name((enum define_kind)k)) == 0)
				v->kind = (enum define_kind)k;
		control_sql_text(st, 1, v->id, sizeof(v->id));
		v->version = sqlite3_column_int64(st, 2);
		v->from_unix_ms = sqlite3_column_int64(st, 3);
	}
	(void)sqlite3_finalize(st);
	return rc;
}

static int
mark_seen(struct eval_tx *tx, const struct version *v, struct bl_err *err)
{
	return control_sql_run(tx->db, err,
	    "INSERT INTO eval_seen (kind, id, version) VALUES (?, ?, ?)", "tti",
	    define_kind_name(v->kind), v->id, v->version);
}

struct dirty_all {
	struct eval_tx *tx;
	const struct define_kpi *kpi;
	int64_t begin;
	int rc;
	struct bl_err *err;
};

static bool
dirty_service(const struct roster_service *s, void *ctx)
{
	struct dirty_all *d = ctx;
	struct eval_span span = {
		.stream = d->kpi->stream,
		.begin_unix_ms = d->begin > s->from_unix_ms ? d->begin : s->from_unix_ms,
		.end_unix_ms =
		    d->tx->now_unix_ms < s->to_unix_ms ? d->tx->now_unix_ms : s->to_unix_ms,
		.priority = EVAL_ANEW,
	};

	if (span.begin_unix_ms >= span.end_unix_ms)
		return true;
	(void)snprintf(span.device, sizeof(span.device), "%s", s->device);
	d->rc = eval_dirty_add(d->tx->db, &span, d->err);
	return d->rc >= 0;
}

/* The whole site's windows, its devices' parts: also where the scope does not reach any more. */
static int
anew_kpi(struct eval_tx *tx, const struct version *v, struct bl_err *err)
{
	const struct roster *r = tx->e->roster;
	struct dirty_all d = {
		.tx = tx,
		.kpi = define_kpi_at(tx->e->set, v->id, v->from_unix_ms),
		.begin = v->from_unix_ms,
		.err = err,
	};

	if (d.kpi == NULL) /* does not compile any more: it was logged */
		return BL_OK;
	for (size_t i = 0; i < roster_sites(r) && d.rc >= 0; i++)
		roster_in_service(r, roster_site_at(r, i)->id, v->from_unix_ms, tx->now_unix_ms,
		    dirty_service, &d);
	return d.rc;
}

/* A rule about cells looks at none that may have gone: what it found then stays. */
static int64_t
anew_from(const struct eval_tx *tx, const struct version *v)
{
	const struct define_rule *r;
	int64_t closed;

	if (v->kind != DEFINE_RULE ||
	    (r = define_rule_at(tx->e->set, v->id, v->from_unix_ms)) == NULL ||
	    r->kind != DEFINE_THRESHOLD)
		return v->from_unix_ms;
	closed = eval_closed_for(tx->e, r->window);
	return closed > v->from_unix_ms ? closed : v->from_unix_ms;
}

/* An earlier one under way begins again, from the earlier instant of the two. */
static int
anew_in_slices(struct eval_tx *tx, const struct version *v, struct bl_err *err)
{
	return control_sql_run(tx->db, err,
	    "INSERT INTO eval_redo (kind, id, from_unix_ms, after) VALUES (?, ?, ?, '')"
	    " ON CONFLICT (kind, id) DO UPDATE SET after = '',"
	    " from_unix_ms = min(from_unix_ms, excluded.from_unix_ms)",
	    "tti", define_kind_name(v->kind), v->id, anew_from(tx, v));
}

static int
take_version(struct eval_tx *tx, const struct version *v, struct bl_err *err)
{
	int rc = BL_OK;

	switch (v->kind) {
	case DEFINE_KPI:
		rc = anew_kpi(tx, v, err);
		break;
	case DEFINE_RULE:
	case DEFINE_PROCESS:
		rc = anew_in_slices(tx, v, err);
		break;
	case DEFINE_CHANNEL:
	case DEFINE_KINDS:
		break;
	}
	return rc < 0 ? rc : mark_seen(tx, v, err);
}

static int
take_definitions(struct eval_tx *tx, void *ctx, struct bl_err *err)
{
	struct versions l = { .v = NULL };
	bool *left = ctx;
	size_t i = 0;
	int rc;

	rc = unseen(tx, &l, err);
	for (; i < l.n && rc >= 0 && (i == 0 || !eval_tx_late(tx)); i++)
		rc = take_version(tx, &l.v[i], err);
	*left = i < l.n || l.n == UNSEEN_MAX;
	free(l.v);
	return rc;
}

static int
load_definitions(struct eval *e, struct bl_err *err)
{
	struct define_set *fresh;
	const int rc = define_set_load(&fresh, e->reader, err);

	if (rc < 0)
		return rc;
	define_set_free(e->set);
	e->set = fresh;
	e->definitions_left = true;
	return BL_OK;
}

/* What is left stays so when the transaction fails. */
static int
take_left(struct eval *e, eval_fn take, bool *left, struct bl_err *err)
{
	bool still = false;
	int rc;

	if (!*left)
		return 0;
	if ((rc = eval_write(e, take, &still, err)) < 0)
		return rc;
	*left = still;
	return 1;
}

/*
 * Taking the roster in costs as much as there are devices, and whoever adds thousands changes it as
 * often: a tenth of the time goes into it at most.
 */
#define FLEET_PAUSE 9

static bool
fleet_due(struct eval *e)
{
	if (e->roster != NULL && bl_mono_ms(e->clock) < e->fleet_again_mono_ms)
		return false;
	return atomic_exchange(&e->fleet_changed, false) || e->roster == NULL;
}

static int
refresh_fleet(struct eval *e, struct bl_err *err)
{
	const int64_t begun_ms = bl_mono_ms(e->clock);
	int rc;

	if (fleet_due(e)) {
		e->fleet_cost_ms = 0;
		if ((rc = load_fleet(e, err)) < 0) {
			atomic_store(&e->fleet_changed, true);
			return rc;
		}
	}
	if ((rc = take_left(e, take_fleet, &e->services_left, err)) != 0) {
		const int64_t now_ms = bl_mono_ms(e->clock);

		e->fleet_cost_ms += now_ms - begun_ms;
		e->fleet_again_mono_ms = now_ms + FLEET_PAUSE * e->fleet_cost_ms;
	}
	return rc;
}

int
eval_refresh(struct eval *e, struct bl_err *err)
{
	int64_t versions;
	int taken, rc;

	if (e->set == NULL) { /* an empty set serves until the first is loaded */
		if ((rc = define_set_load(&e->set, e->reader, err)) < 0)
			return rc;
		e->set->versions = -1;
	}
	if ((taken = refresh_fleet(e, err)) < 0)
		return taken;
	if ((rc = define_versions(e->reader, &versions, err)) < 0 ||
	    (versions != e->set->versions && (rc = load_definitions(e, err)) < 0) ||
	    (rc = take_left(e, take_definitions, &e->definitions_left, err)) < 0)
		return rc;
	return taken > 0 || rc > 0;
}

/* ---- rules and processes, in slices ---- */

struct redo {
	char kind[16], id[BL_ID_TEXT_MAX + 1], after[BL_ID_TEXT_MAX + 1];
	int64_t from_unix_ms;
};

static int
next_redo(struct sqlite3 *db, struct redo *out, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	/* Processes first: rules about cases look at them. */
	rc = control_sql_prepare(&st, db, err,
	    "SELECT kind, id, from_unix_ms, after FROM eval_redo ORDER BY kind, id LIMIT 1", "");
	if (rc < 0)
		return rc;
	if ((rc = control_sql_step(st, err)) == 1) {
		control_sql_text(st, 0, out->kind, sizeof(out->kind));
		control_sql_text(st, 1, out->id, sizeof(out->id));
		out->from_unix_ms = sqlite3_column_int64(st, 2);
		control_sql_text(st, 3, out->after, sizeof(out->after));
	}
	(void)sqlite3_finalize(st);
	return rc;
}

static int
redo_rule(struct eval_tx *tx, const struct redo *r, char *last, struct bl_err *err)
{
	struct rule_env env;

	eval_rule_env(tx, &env);
	return rule_redo(&env, r->id, r->from_unix_ms, r->after[0] != '\0' ? r->after : NULL,
	    EVAL_REDO_SLICE, last, tx->e->telemetry, err);
}

static int
redo_process(struct eval_tx *tx, const struct redo *r, char *last, struct bl_err *err)
{
	const int64_t after = strtoll(r->after, NULL, 10);
	int64_t no = after;
	const int n = cases_redo(tx->db, tx->e->set, r->id, r->from_unix_ms, after,
	    EVAL_REDO_SLICE * 16, &no, &tx->cases, err);

	(void)snprintf(last, BL_ID_TEXT_MAX + 1, "%lld", (long long)no);
	return n;
}

static int
do_redo(struct eval_tx *tx, void *ctx, struct bl_err *err)
{
	const struct redo *r = ctx;
	char last[BL_ID_TEXT_MAX + 1] = "";
	const int n = strcmp(r->kind, "process") == 0 ? redo_process(tx, r, last, err)
						      : redo_rule(tx, r, last, err);

	if (n < 0)
		return n;
	if (n == 0)
		return control_sql_run(tx->db, err,
		    "DELETE FROM eval_redo WHERE kind = ? AND id = ?", "tt", r->kind, r->id);
	return control_sql_run(tx->db, err,
	    "UPDATE eval_redo SET after = ? WHERE kind = ? AND id = ?", "ttt", last, r->kind,
	    r->id);
}

int
eval_redo_slice(struct eval *e, struct bl_err *err)
{
	struct redo r = { .id = "" };
	int rc;

	if (e->behind) /* a rule about cases would look at half of them */
		return 0;
	if ((rc = next_redo(e->reader, &r, err)) <= 0)
		return rc;
	rc = eval_write(e, do_redo, &r, err);
	return rc < 0 ? rc : 1;
}
