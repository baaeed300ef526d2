/*
 * All versions of all definitions, compiled: read in one go, never changed.
 * A version whose stored text does not compile any more is left out; then
 * nothing is in force in its time, rather than what was before it.
 */
#include "define_internal.h"

#include <stdlib.h>
#include <string.h>

#include "branchline/log.h"

#include "control_sql.h"

struct list {
	enum define_kind kind;
	size_t size; /* of an element */
	size_t room;
	size_t *n;
	void **items;
};

static int
parse_row(struct list *l, sqlite3_stmt *st, struct bl_err *err)
{
	struct define_errors errs = { 0 };
	const char *text = (const char *)sqlite3_column_text(st, 8);
	union define_any *a;
	struct bl_err why = { 0 };
	json_t *body = NULL;
	int rc;

	if (text == NULL || (a = malloc(sizeof(*a))) == NULL)
		return bl_fail(err, BL_ENOMEM, "definitions: out of memory");
	memset(a, 0, sizeof(*a));
	rc = bl_json_parse(&body, text, strlen(text), SIZE_MAX, "its text", &why);
	if (rc == BL_OK)
		rc = define_parse(l->kind, body, NULL, a, &errs, &why);
	define_row_head(st, &a->head);
	if (rc == BL_ENOMEM) {
		*err = why;
	} else if (rc < 0 || errs.n > 0) {
		bl_error("define", "%s %s, version %lld: left out: %s%s%s%s",
		    define_kind_name(l->kind), a->head.id, (long long)a->head.version,
		    rc < 0 ? why.msg : errs.e[0].field, rc < 0 ? "" : ": expected ",
		    rc < 0 ? "" : errs.e[0].expected, errs.n > 1 ? " ..." : "");
		rc = BL_OK;
	} else if (*l->n < l->room) {
		memcpy((char *)*l->items + *l->n * l->size, a, l->size);
		++*l->n;
		json_decref(body);
		free(a); /* its expressions went along */
		return BL_OK;
	}
	define_any_release(l->kind, a);
	json_decref(body);
	free(a);
	return rc;
}

static int
load_kind(struct sqlite3 *db, struct list *l, int64_t *versions, struct bl_err *err)
{
	const char *kind = define_kind_name(l->kind);
	sqlite3_stmt *st;
	int64_t n;
	int rc;

	rc = control_sql_int(
	    db, err, 0, &n, "SELECT count(*) FROM definition_version WHERE kind = ?", "t", kind);
	if (rc < 0)
		return rc;
	if (n > DEFINE_ALL_MAX)
		return bl_fail(err, BL_EFULL, "definitions: %lld versions of kind %s, at most %u",
		    (long long)n, kind, DEFINE_ALL_MAX);
	*versions += n;
	l->room = (size_t)n;
	if ((*l->items = calloc(l->room + 1, l->size)) == NULL)
		return bl_fail(err, BL_ENOMEM, "definitions: out of memory");
	rc = control_sql_prepare(&st, db, err,
	    "SELECT v.id, v.name, v.version, v.from_unix_ms, n.from_unix_ms, v.enabled, v.author, "
	    "v.created_unix_ms, v.body FROM definition_version v LEFT JOIN "
	    "definition_version n "
	    "ON n.kind = v.kind AND n.id = v.id AND n.version = v.version + 1 "
	    "WHERE v.kind = ? ORDER BY v.id, v.version",
	    "t", kind);
	if (rc < 0)
		return rc;
	while ((rc = control_sql_step(st, err)) == 1)
		if ((rc = parse_row(l, st, err)) < 0)
			break;
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc < 0 ? rc : BL_OK;
}

int
define_set_load(struct define_set **out, struct sqlite3 *db, struct bl_err *err)
{
	struct bl_err own = { 0 };
	struct define_set *s;
	int rc = BL_OK;

	*out = NULL;
	if (err == NULL)
		err = &own;
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return bl_fail(err, BL_ENOMEM, "definitions: out of memory");
	struct list lists[DEFINE_KINDS] = {
		{ DEFINE_PROCESS, sizeof(*s->process), 0, &s->n_processes, (void **)&s->process },
		{ DEFINE_KPI, sizeof(*s->kpi), 0, &s->n_kpis, (void **)&s->kpi },
		{ DEFINE_RULE, sizeof(*s->rule), 0, &s->n_rules, (void **)&s->rule },
		{ DEFINE_CHANNEL, sizeof(*s->channel), 0, &s->n_channels, (void **)&s->channel },
	};

	for (size_t i = 0; i < DEFINE_KINDS && rc == BL_OK; i++)
		rc = load_kind(db, &lists[i], &s->versions, err);
	if (rc < 0) {
		define_set_free(s);
		return rc;
	}
	*out = s;
	return BL_OK;
}

void
define_set_free(struct define_set *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->n_processes; i++)
		bl_expr_free(s->process[i].done);
	for (size_t i = 0; i < s->n_kpis; i++) {
		bl_expr_free(s->kpi[i].where);
		bl_expr_free(s->kpi[i].condition);
	}
	for (size_t i = 0; i < s->n_rules; i++)
		bl_expr_free(s->rule[i].where);
	free(s->process);
	free(s->kpi);
	free(s->rule);
	free(s->channel);
	free(s);
}

/*
 * Elements of any kind begin with their head.  Finds the last version of id
 * that begins at t or before: later versions never begin before earlier ones.
 */
static const void *
find(const void *items, size_t n, size_t size, const char *id, int64_t unix_ms)
{
	const struct define_head *h;
	size_t lo = 0, hi = n;

	while (lo < hi) {
		const size_t mid = lo + (hi - lo) / 2;
		int cmp;

		h = (const void *)((const char *)items + mid * size);
		cmp = strcmp(h->id, id);
		if (cmp < 0 || (cmp == 0 && h->from_unix_ms <= unix_ms))
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0)
		return NULL;
	h = (const void *)((const char *)items + (lo - 1) * size);
	return strcmp(h->id, id) == 0 ? h : NULL;
}

static const void *
in_force(const void *items, size_t n, size_t size, const char *id, int64_t unix_ms)
{
	const struct define_head *h = find(items, n, size, id, unix_ms);

	/* not so: the version that follows was left out */
	return h != NULL && (unix_ms < h->until_unix_ms || h->until_unix_ms == INT64_MAX) ? h
											  : NULL;
}

const struct define_process *
define_process_at(const struct define_set *s, const char *id, int64_t unix_ms)
{
	return in_force(s->process, s->n_processes, sizeof(*s->process), id, unix_ms);
}

const struct define_kpi *
define_kpi_at(const struct define_set *s, const char *id, int64_t unix_ms)
{
	return in_force(s->kpi, s->n_kpis, sizeof(*s->kpi), id, unix_ms);
}

const struct define_rule *
define_rule_at(const struct define_set *s, const char *id, int64_t unix_ms)
{
	return in_force(s->rule, s->n_rules, sizeof(*s->rule), id, unix_ms);
}

const struct define_channel *
define_channel_newest(const struct define_set *s, const char *id)
{
	return find(s->channel, s->n_channels, sizeof(*s->channel), id, INT64_MAX);
}

bool
define_in_scope(const struct define_scope *s, const char *site, const char *region)
{
	const size_t len = strlen(s->region);

	if (len == 0 && s->n_sites == 0)
		return true;
	if (len > 0 && strncmp(region, s->region, len) == 0 &&
	    (region[len] == '\0' || region[len] == '/'))
		return true;
	for (size_t i = 0; i < s->n_sites; i++)
		if (strcmp(s->site[i], site) == 0)
			return true;
	return false;
}
