/*
 * What rules about cases have found and still wait for: rows of rule_case.
 *
 * A row stands for a case that is late (TRUE) or may become so (UNKNOWN: its
 * deadline has not come, or coverage does not reach it); one that is decided
 * otherwise has none.
 */
#include "rule_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the row ---- */

struct row {
	bool there;
	enum bl_outcome outcome;
	int64_t deadline, version;
	bool ended;
};

static int
load_row(
    const struct rule_env *e, const char *rule, int64_t no, struct row *out, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	*out = (struct row){ .there = false };
	rc = control_sql_prepare(&st, e->db, err,
	    "SELECT outcome, deadline_unix_ms, version, ended FROM rule_case"
	    " WHERE rule = ? AND case_no = ?",
	    "ti", rule, no);
	if (rc < 0)
		return rc;
	if ((rc = control_sql_step(st, err)) == 1)
		*out = (struct row){
			.there = true,
			.outcome = (enum bl_outcome)sqlite3_column_int(st, 0),
			.deadline = sqlite3_column_int64(st, 1),
			.version = sqlite3_column_int64(st, 2),
			.ended = sqlite3_column_int(st, 3) != 0,
		};
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc < 0 ? rc : BL_OK;
}

static int
keep_row(const struct rule_env *e, const char *rule, const struct rule_case *c,
    const struct row *old, const struct rule_verdict *v, struct bl_err *err)
{
	if (v->v == NULL) {
		if (!old->there)
			return BL_OK;
		return control_sql_run(e->db, err,
		    "DELETE FROM rule_case WHERE rule = ? AND case_no = ?", "ti", rule, c->no);
	}
	if (old->there && old->outcome == v->outcome && old->deadline == v->deadline &&
	    old->version == v->v->head.version && old->ended == v->ended)
		return BL_OK;
	return control_sql_run(e->db, err,
	    "INSERT OR REPLACE INTO rule_case (rule, case_no, site, deadline_unix_ms, outcome,"
	    " version, ended) VALUES (?, ?, ?, ?, ?, ?, ?)",
	    "titiiii", rule, c->no, c->site, v->deadline, (int64_t)v->outcome, v->v->head.version,
	    (int64_t)v->ended);
}

/* ---- the finding ---- */

static int
facts(const struct rule_env *e, const struct rule_case *c, const struct rule_verdict *v, char **out,
    struct bl_err *err)
{
	const struct define_process *p = define_process_at(e->set, c->process, c->begin);
	struct jsonw w;

	jsonw_init(&w, RULE_FACTS_MAX);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "kind", "case_open");
	jsonw_str(&w, "process", c->process);
	jsonw_str(&w, "process_name", p != NULL ? p->head.name : c->process);
	jsonw_str(&w, "case", c->case_id);
	jsonw_int(&w, "limit_ms", v->v->limit_ms);
	jsonw_int(&w, "begin_unix_ms", c->begin);
	jsonw_int(&w, "deadline_unix_ms", v->deadline);
	jsonw_int_or_null(&w, "end_unix_ms", c->end != CASES_OPEN, c->end);
	jsonw_str(&w, "status", c->status);
	if (strlen(c->attrs) < RULE_FACTS_MAX / 2) {
		jsonw_raw(&w, "attrs", c->attrs);
	} else { /* too many to repeat: they stand in the case */
		jsonw_object(&w, "attrs");
		jsonw_object_end(&w);
	}
	jsonw_object_end(&w);
	return rule_facts_take(&w, out, err);
}

static int
tell(const struct rule_env *e, const struct define_rule *rule, const struct rule_case *c,
    const struct rule_verdict *v, struct bl_err *err)
{
	char subject[sizeof(c->process) + sizeof(c->case_id)];
	struct rule_finding f = {
		.rule = rule,
		.site = c->site,
		.subject = subject,
		.begin_unix_ms = INT64_MIN, /* a case is one thing, whenever it began */
		.end_unix_ms = INT64_MAX,
	};
	char *text = NULL;
	int rc;

	(void)snprintf(subject, sizeof(subject), "%s/%s", c->process, c->case_id);
	if (v->v != NULL && v->outcome == BL_OUTCOME_TRUE) {
		if ((rc = facts(e, c, v, &text, err)) < 0)
			return rc;
		f.n = 1;
		f.at[0] = v->at;
		f.facts[0] = text;
	}
	rc = e->found(e->ctx, &f, err);
	free(text);
	return rc < 0 ? rc : BL_OK;
}

/* ---- the case ---- */

struct loading {
	struct rule_case *c;
	int rc;
};

static bool
take_case(void *ctx, const struct cases_row *row)
{
	struct loading *l = ctx;
	struct rule_case *c = l->c;

	c->no = row->no;
	(void)snprintf(c->site, sizeof(c->site), "%s", row->site);
	(void)snprintf(c->process, sizeof(c->process), "%s", row->process);
	(void)snprintf(c->case_id, sizeof(c->case_id), "%s", row->case_id);
	(void)snprintf(c->status, sizeof(c->status), "%s", row->status);
	c->begin = row->begin_unix_ms;
	c->end = row->end_unix_ms;
	if ((c->attrs = strdup(row->attrs)) == NULL)
		l->rc = BL_ENOMEM;
	return false;
}

/*
 * What was found stays, but the case has changed: no version has judged it as it is now, so
 * the next look at coverage does, instead of noting that it is late still.
 */
static int
judge_again(const struct rule_env *e, const char *rule, int64_t no, struct bl_err *err)
{
	return control_sql_run(e->db, err,
	    "UPDATE rule_case SET version = 0, ended = 0 WHERE rule = ? AND case_no = ?", "ti", rule,
	    no);
}

static int
settle(const struct rule_env *e, const struct define_rule *first, const struct rule_case *c,
    struct rule_cover *cover, struct bl_err *err)
{
	const struct define_rule *told;
	struct rule_verdict v;
	struct row old;
	int rc;

	if ((rc = load_row(e, first->head.id, c->no, &old, err)) < 0 ||
	    (rc = rule_case_judge(e, first, c, cover, &v, err)) < 0)
		return rc;
	if (v.pending && old.there)
		return judge_again(e, first->head.id, c->no, err);
	if ((rc = keep_row(e, first->head.id, c, &old, &v, err)) < 0)
		return rc;
	told = v.v != NULL && v.outcome == BL_OUTCOME_TRUE ? v.v : NULL;
	if (told == NULL && old.there && old.outcome == BL_OUTCOME_TRUE) {
		told = rule_version(e->set, first->head.id, old.version);
		told = told != NULL ? told : first;
	}
	return told == NULL ? BL_OK : tell(e, told, c, &v, err);
}

/* Its events turned out to belong elsewhere: a case that ended before it could be late. */
static int
load_gone(const struct rule_env *e, struct rule_case *c, int64_t no, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	rc = control_sql_prepare(
	    &st, e->db, err, "SELECT site, process, case_id FROM case_head WHERE id = ?", "i", no);
	if (rc < 0)
		return rc;
	if ((rc = control_sql_step(st, err)) == 1) {
		c->no = no;
		control_sql_text(st, 0, c->site, sizeof(c->site));
		control_sql_text(st, 1, c->process, sizeof(c->process));
		control_sql_text(st, 2, c->case_id, sizeof(c->case_id));
		c->begin = c->end = INT64_MIN;
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc < 0 ? rc : rc == 1 ? BL_OK : BL_ENOTFOUND;
}

int
rule_case_settle(const struct rule_env *e, const struct define_rule *first, int64_t no,
    struct rule_cover **cover, struct store_read *telemetry, struct bl_err *err)
{
	struct rule_case c = { .attrs = NULL };
	struct loading l = { .c = &c };
	int rc = cases_get(e->db, no, take_case, &l, err);

	if (rc == BL_ENOTFOUND && (rc = load_gone(e, &c, no, err)) == BL_ENOTFOUND)
		return BL_OK;
	if (rc >= 0 && l.rc < 0)
		rc = bl_fail(err, l.rc, "case %lld: out of memory", (long long)no);
	if (rc >= 0 && !rule_cover_is_of(*cover, c.site)) {
		rule_cover_free(*cover);
		rc = rule_cover_open(cover, e, c.site, telemetry, err);
	}
	if (rc >= 0)
		rc = settle(e, first, &c, *cover, err);
	free(c.attrs);
	return rc;
}

/* ---- cases that changed ---- */

static bool
about(const struct define_set *set, const struct define_rule *first, const char *process)
{
	for (const struct define_rule *v = first; v != NULL; v = rule_next_version(set, v))
		if (v->kind == DEFINE_CASE_OPEN && strcmp(v->process, process) == 0)
			return true;
	return false;
}

int
rule_on_cases(const struct rule_env *e, const struct cases_changes *changes,
    struct store_read *telemetry, struct bl_err *err)
{
	struct rule_cover *cover = NULL;
	int rc = BL_OK;

	for (size_t i = 0; i < changes->n && rc >= 0; i++)
		for (const struct define_rule *r = rule_next(e->set, NULL); r != NULL && rc >= 0;
		     r = rule_next(e->set, r))
			if (about(e->set, r, changes->c[i].process))
				rc = rule_case_settle(
				    e, r, changes->c[i].no, &cover, telemetry, err);
	rule_cover_free(cover);
	return rc < 0 ? rc : BL_OK;
}

/* ---- coverage that moved ---- */

struct live {
	char rule[BL_ID_TEXT_MAX + 1];
	int64_t no, deadline, version;
	enum bl_outcome outcome;
	bool due;
};

struct lives {
	struct live *l;
	size_t n;
};

#define LIVES_MAX 100000u /* open cases of one site that rules look at */

static int
load_live(const struct rule_env *e, const char *site, struct lives *out, struct bl_err *err)
{
	sqlite3_stmt *st;
	size_t size = 0;
	int rc;

	rc = control_sql_prepare(&st, e->db, err,
	    "SELECT rule, case_no, deadline_unix_ms, version, outcome FROM rule_case"
	    " WHERE site = ? AND ended = 0 ORDER BY deadline_unix_ms, rule, case_no LIMIT ?",
	    "ti", site, (int64_t)LIVES_MAX);
	if (rc < 0)
		return rc;
	while ((rc = control_sql_step(st, err)) == 1) {
		if (out->n == size) {
			struct live *more;

			size = size == 0 ? 64 : 2 * size;
			if ((more = realloc(out->l, size * sizeof(*more))) == NULL) {
				rc = bl_fail(err, BL_ENOMEM, "cases of %s: out of memory", site);
				break;
			}
			out->l = more;
		}
		control_sql_text(st, 0, out->l[out->n].rule, sizeof(out->l[0].rule));
		out->l[out->n].no = sqlite3_column_int64(st, 1);
		out->l[out->n].deadline = sqlite3_column_int64(st, 2);
		out->l[out->n].version = sqlite3_column_int64(st, 3);
		out->l[out->n].outcome = (enum bl_outcome)sqlite3_column_int(st, 4);
		out->n++;
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc;
}

/* Can coverage have decided anything?  Asked first without the case itself. */
static int
may_be_due(const struct rule_env *e, const struct live *l, struct rule_cover *cover, bool *due,
    int64_t *covered, struct bl_err *err)
{
	const struct define_rule *v = rule_version(e->set, l->rule, l->version);
	int rc;

	*due = true;
	*covered = INT64_MIN;
	if (v == NULL)
		return BL_OK;
	rc =
	    rule_cover_until(cover, rule_add(l->deadline, -v->limit_ms), l->deadline, covered, err);
	*due = l->outcome == BL_OUTCOME_TRUE || *covered > l->deadline;
	return rc;
}

static void
add_late(const struct rule_env *e, const struct live *l, int64_t covered, struct rule_late *out)
{
	const struct define_rule *v = rule_version(e->set, l->rule, l->version);
	const struct define_process *p =
	    define_process_at(e->set, v->process, rule_add(l->deadline, -v->limit_ms));

	*out = (struct rule_late){ .rule = l->rule,
		.process_name = p != NULL ? p->head.name : v->process,
		.version = l->version,
		.case_no = l->no,
		.deadline_unix_ms = l->deadline,
		.last_true_unix_ms = covered == INT64_MAX ? l->deadline : covered };
}

/* Thousands of late cases are late still: those need no more than a note. */
static int
note_late(const struct rule_env *e, const char *site, struct lives *live, struct rule_cover *cover,
    struct bl_err *err)
{
	struct rule_late *late = calloc(live->n, sizeof(*late));
	struct live **of = calloc(live->n, sizeof(struct live *));
	size_t n = 0;
	int rc = late != NULL && of != NULL
		     ? BL_OK
		     : bl_fail(err, BL_ENOMEM, "cases of %s: out of memory", site);

	for (size_t i = 0; i < live->n && rc >= 0; i++) {
		struct live *l = &live->l[i];
		int64_t covered;

		rc = may_be_due(e, l, cover, &l->due, &covered, err);
		if (rc < 0 || l->outcome != BL_OUTCOME_TRUE || covered <= l->deadline)
			continue;
		of[n] = l;
		add_late(e, l, covered, &late[n++]);
	}
	if (rc >= 0 && n > 0 && !e->behind && e->late != NULL)
		rc = e->late(e->ctx, site, late, n, err);
	for (size_t i = 0; i < n && rc >= 0; i++)
		of[i]->due = !e->behind && !late[i].done; /* behind: what was found stays */
	free(late);
	free(of);
	return rc;
}

int
rule_on_coverage(
    const struct rule_env *e, const char *site, struct store_read *telemetry, struct bl_err *err)
{
	struct rule_cover *cover = NULL;
	struct lives live = { .l = NULL };
	int rc = load_live(e, site, &live, err);

	if (rc >= 0 && live.n > 0 && (rc = rule_cover_open(&cover, e, site, telemetry, err)) >= 0)
		rc = note_late(e, site, &live, cover, err);
	for (size_t i = 0; i < live.n && rc >= 0; i++) {
		const struct define_rule *first = rule_first_version(e->set, live.l[i].rule);

		if (first != NULL && live.l[i].due)
			rc = rule_case_settle(e, first, live.l[i].no, &cover, telemetry, err);
	}
	rule_cover_free(cover);
	free(live.l);
	return rc < 0 ? rc : BL_OK;
}
