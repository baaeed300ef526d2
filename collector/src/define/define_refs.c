/* What a definition names has to be there.  Inside the change that stores it, so that it stays
 * true. */
#include "define_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control_sql.h"

/* 1: there; 0: not; negative: failed. */
static int
exists(struct sqlite3 *db, const char *sql, const char *id, struct bl_err *err)
{
	int64_t n;
	const int rc = control_sql_int(db, err, 0, &n, sql, "t", id);

	return rc < 0 ? rc : n > 0;
}

struct ids {
	const char *id[DEFINE_MAX + 1];
	char text[DEFINE_MAX][BL_ID_TEXT_MAX + 1];
	size_t n;
};

static bool
collect(void *ctx, const struct define_row *row)
{
	struct ids *all = ctx;

	if (all->n == DEFINE_MAX)
		return false;
	(void)snprintf(all->text[all->n], sizeof(all->text[0]), "%s", row->head.id);
	all->id[all->n] = all->text[all->n];
	all->n++;
	return true;
}

/* The near one of those there are.  A help only: without memory there is none. */
static int
suggest_id(struct sqlite3 *db, enum define_kind kind, const char *id, struct define_errors *errs,
    struct bl_err *err)
{
	struct ids *all = calloc(1, sizeof(*all));
	int rc;

	if (all == NULL)
		return BL_OK;
	if ((rc = define_each(db, kind, NULL, collect, all, err)) == BL_OK)
		define_suggest(errs, id, all->id);
	free(all);
	return rc;
}

static int
check_sites(struct sqlite3 *db, const struct define_scope *s, struct define_errors *errs,
    struct bl_err *err)
{
	char field[32];
	int rc;

	for (size_t i = 0; i < s->n_sites; i++) {
		rc = exists(db, "SELECT count(*) FROM site WHERE id = ?", s->site[i], err);
		if (rc < 0)
			return rc;
		(void)snprintf(field, sizeof(field), "sites[%zu]", i);
		if (rc == 0)
			define_fault_text(
			    errs, field, s->site[i], "the id of a site that is there");
	}
	return BL_OK;
}

static int
check_channels(
    struct sqlite3 *db, const struct define_rule *r, struct define_errors *errs, struct bl_err *err)
{
	char field[32];
	int rc;

	for (size_t i = 0; i < r->n_channels; i++) {
		rc = exists(db, "SELECT count(*) FROM definition WHERE kind = 'channel' AND id = ?",
		    r->channel[i], err);
		if (rc < 0)
			return rc;
		if (rc > 0)
			continue;
		(void)snprintf(field, sizeof(field), "channels[%zu]", i);
		define_fault_text(errs, field, r->channel[i], "the id of a channel that is there");
		if ((rc = suggest_id(db, DEFINE_CHANNEL, r->channel[i], errs, err)) < 0)
			return rc;
	}
	return BL_OK;
}

static int
check_kpi(
    struct sqlite3 *db, const struct define_rule *r, struct define_errors *errs, struct bl_err *err)
{
	enum bl_window resolution = BL_WINDOW_1M;
	struct define_head head;
	const char *name;
	json_t *body;
	int rc;

	if (r->kpi[0] == '\0')
		return BL_OK;
	rc = define_row_load(db, DEFINE_KPI, r->kpi, &head, &body, err);
	if (rc == BL_ENOTFOUND) {
		define_fault_text(errs, "kpi", r->kpi, "the id of a KPI that is there");
		return suggest_id(db, DEFINE_KPI, r->kpi, errs, err);
	}
	if (rc < 0)
		return rc;
	name = json_string_value(json_object_get(body, "resolution"));
	if (r->window != 0 && name != NULL && bl_window_parse(name, &resolution) &&
	    r->window < resolution) {
		char expected[96];

		(void)snprintf(
		    expected, sizeof(expected), "%s or longer: the KPI has nothing shorter", name);
		define_fault_text(errs, "window", bl_window_name(r->window), expected);
	}
	json_decref(body);
	return BL_OK;
}

/* An enabled rule on this KPI whose window would be gone. */
static int
check_rules_on(struct sqlite3 *db, const char *id, const struct define_kpi *k,
    struct define_errors *errs, struct bl_err *err)
{
	char rule[BL_ID_TEXT_MAX + 1], name[8], expected[160];
	enum bl_window window = BL_WINDOW_1M;
	sqlite3_stmt *st;
	int rc;

	rc = control_sql_prepare(&st, db, err,
	    "SELECT v.id, json_extract(v.body, '$.window') FROM definition d "
	    "JOIN definition_version v ON v.kind = d.kind AND v.id = d.id AND v.version = "
	    "d.version "
	    "WHERE d.kind = 'rule' AND v.enabled = 1 AND json_extract(v.body, '$.kpi') = ? "
	    "ORDER BY v.id",
	    "t", id);
	if (rc < 0)
		return rc;
	while ((rc = control_sql_step(st, err)) == 1) {
		control_sql_text(st, 0, rule, sizeof(rule));
		control_sql_text(st, 1, name, sizeof(name));
		if (!bl_window_parse(name, &window) || window >= k->resolution)
			continue;
		(void)snprintf(expected, sizeof(expected),
		    "%s or shorter: rule %s counts its windows", name, rule);
		define_fault_text(errs, "resolution", bl_window_name(k->resolution), expected);
		rc = 0;
		break;
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc < 0 ? rc : BL_OK;
}

int
define_refs_check(struct sqlite3 *db, enum define_kind kind, const char *id,
    const union define_any *a, struct define_errors *errs, struct bl_err *err)
{
	int rc;

	if (kind == DEFINE_KPI) {
		if ((rc = check_sites(db, &a->kpi.scope, errs, err)) < 0)
			return rc;
		return id != NULL && a->kpi.resolution != 0
			   ? check_rules_on(db, id, &a->kpi, errs, err)
			   : BL_OK;
	}
	if (kind != DEFINE_RULE)
		return BL_OK;
	if ((rc = check_sites(db, &a->rule.scope, errs, err)) < 0 ||
	    (rc = check_kpi(db, &a->rule, errs, err)) < 0)
		return rc;
	return check_channels(db, &a->rule, errs, err);
}
