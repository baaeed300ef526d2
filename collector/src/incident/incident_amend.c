/*
 * What the evaluator does to one incident: open, amend, end, reopen, withdraw,
 * merge.  Each change leaves an entry; nothing that people did is undone.
 */
#include "incident_internal.h"

#include <string.h>

#define ENTRY_MAX 8192u /* bytes of an entry by the system */

/* Told of before: there may be more to tell (collector/src/notice). */
static int
mark_due(const struct incident_change *c, int64_t id, enum incident_notice notice)
{
	if (notice == INCIDENT_UNDECIDED || notice == INCIDENT_NOT_TOLD)
		return BL_OK;
	return control_sql_run(
	    c->db, c->err, "INSERT OR IGNORE INTO notice_due (incident) VALUES (?)", "i", id);
}

static int
put_interval(
    const struct incident_change *c, int64_t id, const char *kind, int64_t begin, int64_t end)
{
	struct jsonw w;

	jsonw_init(&w, ENTRY_MAX);
	jsonw_object(&w, NULL);
	incident_write_interval(&w, NULL, begin, end);
	jsonw_object_end(&w);
	return incident_put_json(c, id, kind, &w);
}

int
incident_open(const struct incident_change *c, size_t interval)
{
	const struct bl_interval *at = &c->f->at[interval];
	const struct define_rule *v = c->f->rule;
	const bool ended = at->end_unix_ms != BL_RULE_OPEN;
	int64_t id;
	int rc;

	rc = control_sql_run(c->db, c->err,
	    "INSERT INTO incident (rule, rule_version, site, subject, severity, begin_unix_ms,"
	    " end_unix_ms, last_true_unix_ms, known_unix_ms, state, assignee, merged_into, notice,"
	    " explanation, changed_unix_ms, version)"
	    " VALUES (?, ?, ?, ?, ?, ?, nullif(?, 9223372036854775807), ?, ?, ?, '', NULL, 0, ?, ?,"
	    " 1)",
	    "titttiiiitti", v->head.id, v->head.version, c->f->site, c->f->subject,
	    define_severity_name(v->severity), at->begin_unix_ms, at->end_unix_ms,
	    at->last_true_unix_ms, c->now_unix_ms,
	    incident_state_name(ended ? INCIDENT_RESOLVED : INCIDENT_STATE_OPEN),
	    c->f->facts[interval], c->now_unix_ms);
	if (rc < 0)
		return rc;
	id = sqlite3_last_insert_rowid(c->db);
	rc = put_interval(c, id, "opened", at->begin_unix_ms, at->end_unix_ms);
	if (rc >= 0 && ended)
		rc = put_interval(c, id, "ended", at->begin_unix_ms, at->end_unix_ms);
	return rc;
}

/* ---- amend ---- */

static int
put_amended(
    const struct incident_change *c, const struct incident_old *old, const struct bl_interval *at)
{
	struct jsonw w;

	jsonw_init(&w, ENTRY_MAX);
	jsonw_object(&w, NULL);
	incident_write_interval(&w, "before", old->begin, old->end);
	incident_write_interval(&w, "after", at->begin_unix_ms, at->end_unix_ms);
	jsonw_object_end(&w);
	return incident_put_json(c, old->id, "amended", &w);
}

static bool
live(enum incident_state s)
{
	return s == INCIDENT_STATE_OPEN || s == INCIDENT_ACKNOWLEDGED;
}

/* Its end became known. */
static int
end_it(const struct incident_change *c, struct incident_old *old, const struct bl_interval *at)
{
	old->state = INCIDENT_RESOLVED;
	return put_interval(c, old->id, "ended", at->begin_unix_ms, at->end_unix_ms);
}

/* Its end is not known any more.  What a person resolved stays so. */
static int
reopen(const struct incident_change *c, struct incident_old *old, const struct bl_interval *at)
{
	int rc;

	if (old->state != INCIDENT_RESOLVED)
		return BL_OK;
	if ((rc = incident_resolved_by_person(c->db, old->id, c->err)) != 0)
		return rc < 0 ? rc : BL_OK;
	if ((rc = incident_was_acknowledged(c->db, old->id, c->err)) < 0)
		return rc;
	old->state = rc ? INCIDENT_ACKNOWLEDGED : INCIDENT_STATE_OPEN;
	return put_interval(c, old->id, "reopened", at->begin_unix_ms, at->end_unix_ms);
}

static int
put_entries(const struct incident_change *c, struct incident_old *old, const struct bl_interval *at)
{
	const bool was_open = old->end == INCIDENT_OPEN, open = at->end_unix_ms == BL_RULE_OPEN;
	int rc = BL_OK;

	if (old->begin != at->begin_unix_ms || (was_open == open && old->end != at->end_unix_ms) ||
	    (!was_open && open))
		rc = put_amended(c, old, at);
	if (rc >= 0 && !open && (was_open || live(old->state)))
		rc = end_it(c, old, at);
	if (rc >= 0 && !was_open && open)
		rc = reopen(c, old, at);
	return rc;
}

int
incident_amend(const struct incident_change *c, struct incident_old *old, size_t interval)
{
	const struct bl_interval *at = &c->f->at[interval];
	const struct define_rule *v = c->f->rule;
	int rc;

	if ((rc = put_entries(c, old, at)) < 0)
		return rc;
	rc = control_sql_run(c->db, c->err,
	    "UPDATE incident SET begin_unix_ms = ?, end_unix_ms = nullif(?, 9223372036854775807),"
	    " last_true_unix_ms = ?, explanation = ?, rule_version = ?, severity = ?, state = ?,"
	    " changed_unix_ms = ?, version = version + 1 WHERE id = ?",
	    "iiitittii", at->begin_unix_ms, at->end_unix_ms, at->last_true_unix_ms,
	    c->f->facts[interval], v->head.version, define_severity_name(v->severity),
	    incident_state_name(old->state), c->now_unix_ms, old->id);
	return rc < 0 ? rc : mark_due(c, old->id, old->notice);
}

int
incident_touch(const struct incident_change *c, const struct incident_old *old, size_t interval)
{
	const struct bl_interval *at = &c->f->at[interval];
	const struct define_rule *v = c->f->rule;
	int rc;

	if (old->last_true == at->last_true_unix_ms && old->rule_version == v->head.version &&
	    old->severity == v->severity && strcmp(old->explanation, c->f->facts[interval]) == 0)
		return BL_OK;
	/* No version: a person who has it before them has seen nothing else. */
	rc = control_sql_run(c->db, c->err,
	    "UPDATE incident SET last_true_unix_ms = ?, explanation = ?, rule_version = ?,"
	    " severity = ? WHERE id = ?",
	    "ititi", at->last_true_unix_ms, c->f->facts[interval], v->head.version,
	    define_severity_name(v->severity), old->id);
	/* A digest told of it as history; it may turn out to hold. */
	return rc < 0 || old->notice != INCIDENT_IN_DIGEST || old->end != INCIDENT_OPEN
		   ? rc
		   : mark_due(c, old->id, old->notice);
}

/* ---- withdraw, merge ---- */

static int
put_away(const struct incident_change *c, int64_t id, enum incident_state state, int64_t into)
{
	return control_sql_run(c->db, c->err,
	    "UPDATE incident SET state = ?, merged_into = nullif(?, 0), changed_unix_ms = ?,"
	    " version = version + 1 WHERE id = ?",
	    "tiii", incident_state_name(state), into, c->now_unix_ms, id);
}

int
incident_withdraw(const struct incident_change *c, const struct incident_old *old)
{
	int rc;

	if ((rc = put_interval(c, old->id, "withdrawn", old->begin, old->end)) < 0 ||
	    (rc = put_away(c, old->id, INCIDENT_WITHDRAWN, 0)) < 0)
		return rc;
	return mark_due(c, old->id, old->notice);
}

static int
put_merged(const struct incident_change *c, int64_t id, const char *key, int64_t other,
    const struct incident_old *old)
{
	struct jsonw w;

	jsonw_init(&w, ENTRY_MAX);
	jsonw_object(&w, NULL);
	jsonw_int(&w, key, other);
	incident_write_interval(&w, NULL, old->begin, old->end);
	jsonw_object_end(&w);
	return incident_put_json(c, id, "merged", &w);
}

/* What goes on and what people look after: goes on in the one that stays. */
static int
carry_state(
    const struct incident_change *c, const struct incident_old *old, struct incident_old *into)
{
	if (!live(old->state) || into->state == INCIDENT_ACKNOWLEDGED || into->state == old->state)
		return BL_OK;
	if (into->state == INCIDENT_STATE_OPEN) {
		into->state = old->state;
		return BL_OK;
	}
	into->state = old->state;
	return put_interval(c, into->id, "reopened", into->begin, old->end);
}

static int
carry_over(
    const struct incident_change *c, const struct incident_old *old, struct incident_old *into)
{
	const int rc = carry_state(c, old, into);

	if (rc < 0)
		return rc;
	if (old->notice == INCIDENT_PAGED)
		into->notice = INCIDENT_PAGED;
	return control_sql_run(c->db, c->err,
	    "UPDATE incident SET state = ?, notice = ?,"
	    " assignee = CASE WHEN assignee = '' THEN ? ELSE assignee END WHERE id = ?",
	    "titi", incident_state_name(into->state), (int64_t)into->notice, old->assignee,
	    into->id);
}

int
incident_merge(
    const struct incident_change *c, const struct incident_old *old, struct incident_old *into)
{
	int rc;

	if ((rc = put_merged(c, old->id, "into", into->id, old)) < 0 ||
	    (rc = put_merged(c, into->id, "from", old->id, old)) < 0 ||
	    (rc = put_away(c, old->id, INCIDENT_MERGED, into->id)) < 0)
		return rc;
	return carry_over(c, old, into);
}
