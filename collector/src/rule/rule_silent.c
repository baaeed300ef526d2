/*
 * No data for a time: the one rule that looks at the wall clock.
 *
 * What is silent stands in a row, so that its end is found after a restart too.
 * A centre that was down itself must not call every device silent: time counts only
 * while a rule has been looking without a long break.
 */
#include "rule_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BREAK_MS 120000 /* a longer pause between two looks is a break ... */
/* One look asks the store for every device: no more often than that. */
#define LOOK_MIN_MS 5000
#define LOOK_MAX_MS 60000

struct silent {
	char device[BL_DEVICE_ID_MAX + 1], site[BL_ID_TEXT_MAX + 1];
	int64_t begin, version;
};

struct look {
	const struct rule_env *e;
	const struct define_rule *first, *v; /* v: in force now; NULL: none */
	struct store_read *telemetry;
	int64_t since; /* the rule has been looking without a break */
	int rc;
	struct bl_err *err;
};

/* ---- telling ---- */

static int
facts(const struct look *l, const struct silent *s, const struct define_rule *v, char **out)
{
	struct jsonw w;

	jsonw_init(&w, RULE_FACTS_MAX);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "kind", "no_data");
	jsonw_str(&w, "device", s->device);
	jsonw_int(&w, "last_unix_ms", s->begin);
	jsonw_int(&w, "after_ms", v->after_ms);
	jsonw_object_end(&w);
	return rule_facts_take(&w, out, l->err);
}

/* The silence from s->begin: until end (BL_RULE_OPEN: it goes on). */
static int
tell(const struct look *l, const struct silent *s, int64_t end)
{
	const struct define_rule *v = rule_version(l->e->set, l->first->head.id, s->version);
	struct rule_finding f = {
		.rule = v != NULL ? v : l->first,
		.site = s->site,
		.subject = s->device,
		.begin_unix_ms = s->begin,
		.end_unix_ms = INT64_MAX,
		.n = 1,
		.at[0] = { s->begin, end, end == BL_RULE_OPEN ? l->e->now_unix_ms : end },
	};
	char *text;
	int rc;

	if ((rc = facts(l, s, f.rule, &text)) < 0)
		return rc;
	f.facts[0] = text;
	rc = l->e->found(l->e->ctx, &f, l->err);
	free(text);
	return rc < 0 ? rc : BL_OK;
}

/* ---- rows ---- */

static int
load_silent(const struct look *l, const char *device, struct silent *out, bool *there)
{
	sqlite3_stmt *st;
	int rc;

	rc = control_sql_prepare(&st, l->e->db, l->err,
	    "SELECT device, site, begin_unix_ms, version FROM rule_silent"
	    " WHERE rule = ? AND device = ?",
	    "tt", l->first->head.id, device);
	if (rc < 0)
		return rc;
	if ((rc = control_sql_step(st, l->err)) == 1) {
		control_sql_text(st, 0, out->device, sizeof(out->device));
		control_sql_text(st, 1, out->site, sizeof(out->site));
		out->begin = sqlite3_column_int64(st, 2);
		out->version = sqlite3_column_int64(st, 3);
	}
	*there = rc == 1;
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc < 0 ? rc : BL_OK;
}

static int
begin_silence(const struct look *l, const struct silent *s)
{
	const int rc = control_sql_run(l->e->db, l->err,
	    "INSERT OR REPLACE INTO rule_silent (rule, device, site, begin_unix_ms, version)"
	    " VALUES (?, ?, ?, ?, ?)",
	    "tttii", l->first->head.id, s->device, s->site, s->begin, s->version);

	return rc < 0 ? rc : tell(l, s, BL_RULE_OPEN);
}

static int
end_silence(const struct look *l, const struct silent *s, int64_t end)
{
	const int rc = control_sql_run(l->e->db, l->err,
	    "DELETE FROM rule_silent WHERE rule = ? AND device = ?", "tt", l->first->head.id,
	    s->device);

	return rc < 0 ? rc : tell(l, s, end > s->begin ? end : s->begin + 1);
}

/* ---- one device in service ---- */

static int
last_heard(const struct look *l, const struct roster_service *s, int64_t *out)
{
	struct store_device d;
	const int rc = store_read_device(l->telemetry, s->device, &d, l->err);

	*out = s->from_unix_ms;
	if (rc == BL_ENOTFOUND)
		return BL_OK;
	if (rc >= 0 && d.last_arrival_unix_ms > *out)
		*out = d.last_arrival_unix_ms;
	return rc;
}

static int
look_at(const struct look *l, const struct roster_service *s)
{
	struct silent was, now = { .version = l->v->head.version };
	const int64_t t = l->e->now_unix_ms;
	int64_t counted;
	bool there;
	int rc;

	(void)snprintf(now.device, sizeof(now.device), "%s", s->device);
	(void)snprintf(now.site, sizeof(now.site), "%s", s->site->id);
	if ((rc = last_heard(l, s, &now.begin)) < 0 ||
	    (rc = load_silent(l, s->device, &was, &there)) < 0)
		return rc;
	if (there && was.begin >= now.begin && strcmp(was.site, now.site) == 0)
		return BL_OK; /* it goes on */
	if (there && (rc = end_silence(l, &was, now.begin)) < 0)
		return rc;
	counted = now.begin > l->since ? now.begin : l->since;
	return t - counted >= l->v->after_ms ? begin_silence(l, &now) : BL_OK;
}

static bool
each_service(const struct roster_service *s, void *ctx)
{
	struct look *l = ctx;
	const int64_t t = l->e->now_unix_ms;

	if (s->from_unix_ms > t || s->to_unix_ms <= t)
		return true;
	l->rc = look_at(l, s);
	return l->rc >= 0;
}

/* ---- silences that end otherwise: the device or the rule has gone ---- */

/* Until when the rule looks at the device at that site; INT64_MAX: still. */
static int64_t
looked_until(const struct look *l, const struct silent *s)
{
	const struct roster_service *service;
	int64_t until = s->begin;
	size_t n;

	service = roster_services_of(l->e->roster, s->device, &n);
	for (size_t i = 0; i < n; i++)
		if (strcmp(service[i].site->id, s->site) == 0 &&
		    service[i].from_unix_ms <= l->e->now_unix_ms)
			until = service[i].to_unix_ms;
	if (until <= l->e->now_unix_ms)
		return until;
	if (l->v != NULL && rule_applies(l->e, l->v, s->site))
		return INT64_MAX;
	return l->v != NULL ? l->v->head.from_unix_ms : l->e->now_unix_ms;
}

static int
end_others(struct look *l)
{
	struct silent *all = NULL, s;
	size_t n = 0, size = 0;
	sqlite3_stmt *st;
	int rc;

	rc = control_sql_prepare(&st, l->e->db, l->err,
	    "SELECT device, site, begin_unix_ms, version FROM rule_silent WHERE rule = ?"
	    " ORDER BY device",
	    "t", l->first->head.id);
	if (rc < 0)
		return rc;
	while ((rc = control_sql_step(st, l->err)) == 1) {
		control_sql_text(st, 0, s.device, sizeof(s.device));
		control_sql_text(st, 1, s.site, sizeof(s.site));
		s.begin = sqlite3_column_int64(st, 2);
		s.version = sqlite3_column_int64(st, 3);
		if (looked_until(l, &s) == INT64_MAX)
			continue;
		if (n == size) {
			struct silent *more;

			size = size == 0 ? 16 : 2 * size;
			if ((more = realloc(all, size * sizeof(*more))) == NULL) {
				rc = bl_fail(l->err, BL_ENOMEM, "silent devices: out of memory");
				break;
			}
			all = more;
		}
		all[n++] = s;
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	for (size_t i = 0; i < n && rc >= 0; i++)
		rc = end_silence(l, &all[i], looked_until(l, &all[i]));
	free(all);
	return rc;
}

/* ---- the rule's clock ---- */

static int64_t
longest_break(const struct look *l)
{
	const int64_t half = l->v != NULL ? l->v->after_ms / 2 : 0;

	return half > BREAK_MS ? half : BREAK_MS;
}

static int64_t
pause_ms(const struct look *l)
{
	const int64_t part = l->v != NULL ? l->v->after_ms / 30 : LOOK_MAX_MS;

	return part < LOOK_MIN_MS ? LOOK_MIN_MS : part > LOOK_MAX_MS ? LOOK_MAX_MS : part;
}

/* 1: look; 0: it looked just now. */
static int
wind_clock(struct look *l)
{
	const int64_t t = l->e->now_unix_ms;
	int64_t last, since;
	int rc;

	rc = control_sql_int(l->e->db, l->err, INT64_MIN, &last,
	    "SELECT unix_ms FROM rule_mark WHERE rule = ?", "t", l->first->head.id);
	if (rc >= 0)
		rc = control_sql_int(l->e->db, l->err, t, &since,
		    "SELECT since_unix_ms FROM rule_mark WHERE rule = ?", "t", l->first->head.id);
	if (rc < 0)
		return rc;
	if (last != INT64_MIN && t >= last && t - last < pause_ms(l))
		return 0;
	/* The first look: nothing is known of a break before it. */
	l->since = last == INT64_MIN ? INT64_MIN : since;
	if ((last != INT64_MIN && t - last > longest_break(l)) || l->since > t)
		l->since = t; /* after t: our clock was ahead */
	rc = control_sql_run(l->e->db, l->err,
	    "INSERT OR REPLACE INTO rule_mark (rule, unix_ms, since_unix_ms) VALUES (?, ?, ?)",
	    "tii", l->first->head.id, t, l->since);
	return rc < 0 ? rc : 1;
}

static int
look(struct look *l)
{
	int rc;

	if ((rc = wind_clock(l)) <= 0 || (rc = end_others(l)) < 0)
		return rc;
	for (size_t i = 0; i < roster_sites(l->e->roster) && l->v != NULL && l->rc >= 0; i++) {
		const struct roster_site *s = roster_site_at(l->e->roster, i);

		if (rule_applies(l->e, l->v, s->id))
			roster_in_service(l->e->roster, s->id, l->e->now_unix_ms,
			    rule_add(l->e->now_unix_ms, 1), each_service, l);
	}
	return l->rc;
}

static bool
ever(const struct define_set *set, const struct define_rule *first)
{
	for (const struct define_rule *v = first; v != NULL; v = rule_next_version(set, v))
		if (v->kind == DEFINE_NO_DATA)
			return true;
	return false;
}

int
rule_no_data(const struct rule_env *e, struct store_read *telemetry, struct bl_err *err)
{
	int rc = BL_OK;

	for (const struct define_rule *r = rule_next(e->set, NULL); r != NULL && rc >= 0;
	     r = rule_next(e->set, r)) {
		struct look l = { .e = e, .first = r, .telemetry = telemetry, .err = err };

		if (!ever(e->set, r))
			continue;
		l.v = define_rule_at(e->set, r->head.id, e->now_unix_ms);
		if (l.v != NULL && (l.v->kind != DEFINE_NO_DATA || !l.v->head.enabled))
			l.v = NULL;
		rc = look(&l);
	}
	return rc < 0 ? rc : BL_OK;
}
