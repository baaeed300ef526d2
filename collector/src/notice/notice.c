/*
 * Decides for each incident that nobody has been told of: page, digest, or wait.
 *
 * A function of the rows, the definitions and the wall clock.  Decisions and
 * messages commit with what caused them, under keys that the same cause makes
 * again, so that a crash neither loses nor doubles one.
 */
#include "notice_internal.h"

#include <stdlib.h>

#define MINUTE_MS 60000LL
#define LIVE_MS   (2 * MINUTE_MS) /* a window of a minute, cut and sent within another */

struct ids {
	int64_t *id;
	size_t n, size;
};

static int64_t or (int64_t given, int64_t otherwise)
{
	return given > 0 ? given : otherwise;
}

/* ---- what is to be decided ---- */

static int
add_id(struct ids *l, int64_t id, struct bl_err *err)
{
	if (l->n == l->size) {
		const size_t size = l->size == 0 ? 64 : 2 * l->size;
		int64_t *more = realloc(l->id, size * sizeof(*more));

		if (more == NULL)
			return bl_fail(err, BL_ENOMEM, "notices: out of memory");
		l->id = more;
		l->size = size;
	}
	l->id[l->n++] = id;
	return BL_OK;
}

/* What it was when it was last seen may not be what it is: its end may be on its way. */
static bool
may_have_ended(struct notice_run *r, const struct bl_interval *at, int64_t known_unix_ms,
    const char *site)
{
	const struct notice_opts *o = r->opts;

	return o->catching_up != NULL && r->now_unix_ms - at->last_true_unix_ms > LIVE_MS &&
	       r->now_unix_ms - known_unix_ms < r->policy.fresh_ms && o->catching_up(o->ctx, site);
}

static bool
must_wait(struct notice_run *r, const struct bl_interval *at, int64_t known_unix_ms,
    const char *site)
{
	const enum bl_notice n = bl_rule_notice(&r->policy, at, known_unix_ms, r->now_unix_ms);

	return n == BL_NOTICE_WAIT ||
	       (n == BL_NOTICE_PAGE && may_have_ended(r, at, known_unix_ms, site));
}

/* Those that wait are looked at each time, but cost no decision. */
static int
load_undecided(struct notice_run *r, struct ids *out)
{
	sqlite3_stmt *st;
	int rc;

	rc = control_sql_prepare(&st, r->db, r->err,
	    "SELECT id, begin_unix_ms, coalesce(end_unix_ms, 9223372036854775807),"
	    " last_true_unix_ms, known_unix_ms, state NOT IN ('open', 'acknowledged'), site FROM "
	    "incident INDEXED BY incident_undecided WHERE notice = 0"
	    " ORDER BY id",
	    "");
	if (rc < 0)
		return rc;
	while (out->n < r->left && (rc = control_sql_step(st, r->err)) == 1) {
		const struct bl_interval at = { sqlite3_column_int64(st, 1),
			sqlite3_column_int64(st, 2), sqlite3_column_int64(st, 3) };
		const bool handled = sqlite3_column_int(st, 5) != 0;

		if (!r->quiet && !handled &&
		    must_wait(r, &at, sqlite3_column_int64(st, 4),
			(const char *)sqlite3_column_text(st, 6)))
			continue;
		if ((rc = add_id(out, sqlite3_column_int64(st, 0), r->err)) < 0)
			break;
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc < 0 ? rc : BL_OK;
}

/* ---- deciding ---- */

/* A person has resolved it while it goes on: who would be told knows. */
static bool
needs_nobody(const struct incident *i)
{
	return i->state == INCIDENT_WITHDRAWN || i->state == INCIDENT_MERGED ||
	       (i->state == INCIDENT_RESOLVED && i->end_unix_ms == INCIDENT_OPEN);
}

static int
decide_one(struct notice_run *r, const struct incident *i)
{
	const char *channels[DEFINE_CHANNELS_MAX];
	const struct bl_interval at = { i->begin_unix_ms, i->end_unix_ms, i->last_true_unix_ms };
	const enum bl_notice n = bl_rule_notice(&r->policy, &at, i->known_unix_ms, r->now_unix_ms);

	if (needs_nobody(i) || notice_channels(r, i, channels) == 0)
		return incident_set_notice(r->db, i->id, INCIDENT_NOT_TOLD, r->err);
	if (r->quiet || n == BL_NOTICE_DIGEST)
		return notice_add_to_digest(r, i);
	return n == BL_NOTICE_PAGE ? notice_page(r, i, 0) : BL_OK;
}

struct deciding {
	struct notice_run *r;
	int rc;
};

static bool
take_incident(void *ctx, const struct incident *i)
{
	struct deciding *d = ctx;

	d->rc = decide_one(d->r, i);
	return false;
}

static int
decide(struct notice_run *r)
{
	struct ids l = { .id = NULL };
	int rc = load_undecided(r, &l);

	for (size_t k = 0; k < l.n && rc >= 0; k++) {
		struct deciding d = { .r = r };

		rc = incident_get(r->db, l.id[k], take_incident, &d, r->err);
		rc = rc < 0 ? rc : d.rc;
		r->left--;
		r->decided++;
	}
	free(l.id);
	return rc < 0 ? rc : BL_OK;
}

int
notice_run(sqlite3 *db, const struct define_set *set, const struct roster *roster,
    const struct notice_opts *opts, int64_t now_unix_ms, bool quiet, size_t limit,
    struct bl_err *err)
{
	struct notice_run r = {
		.db = db,
		.set = set,
		.roster = roster,
		.opts = opts,
		.policy = { .fresh_ms = or (opts->fresh_ms, 10 * MINUTE_MS),
		    .stale_ms = or (opts->stale_ms, 360 * MINUTE_MS) },
		.digest_quiet_ms = or (opts->digest_quiet_ms, 2 * MINUTE_MS),
		.digest_max_ms = or (opts->digest_max_ms, 60 * MINUTE_MS),
		.now_unix_ms = now_unix_ms,
		.quiet = quiet,
		.left = limit,
		.err = err,
	};
	int rc;

	if ((rc = notice_told(&r)) < 0 || (rc = decide(&r)) < 0)
		return rc;
	if (!quiet && (rc = notice_digests(&r)) < 0)
		return rc;
	return r.decided;
}
