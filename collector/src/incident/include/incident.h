/*
 * Incidents: what rules found, as people handle it.
 *
 * The evaluator's side (incident_reconcile) runs inside its write transaction and
 * matches intervals to incidents by overlap: an amended one keeps its id and all
 * that people did; a merged one points to the oldest; one without an interval is
 * withdrawn.  People's side goes through the control writer, with an audit entry.
 */
#ifndef INCIDENT_H
#define INCIDENT_H

#include "branchline/rule.h"
#include "control.h"
#include "define.h"
#include "rule_engine.h"

#define INCIDENT_OPEN         BL_RULE_OPEN
#define INCIDENT_COMMENT_MAX  4000u
#define INCIDENT_COMMENTS_MAX 1000u

enum incident_state {
	INCIDENT_STATE_OPEN = 0,
	INCIDENT_ACKNOWLEDGED,
	INCIDENT_RESOLVED, /* by a person, or by itself when its end is known */
	INCIDENT_WITHDRAWN,
	INCIDENT_MERGED,
};
const char *incident_state_name(enum incident_state s);
bool incident_state_parse(const char *name, enum incident_state *out);

enum incident_notice {
	INCIDENT_UNDECIDED = 0,
	INCIDENT_PAGED,
	INCIDENT_IN_DIGEST,
	INCIDENT_NOT_TOLD
};

/* Takes a finding.  What people had been told of and has changed goes into notice_due. */
int incident_reconcile(
    struct sqlite3 *db, const struct rule_finding *f, int64_t now_unix_ms, struct bl_err *err);

/* Cases that are late still: notes until when that is seen; a rule_late_fn but for ctx. */
int incident_late(
    struct sqlite3 *db, const char *site, struct rule_late *l, size_t n, struct bl_err *err);

struct incident {
	int64_t id;
	const char *rule, *site, *subject, *assignee, *explanation; /* explanation: JSON facts */
	int64_t rule_version;
	enum define_severity severity;
	int64_t begin_unix_ms, end_unix_ms; /* INCIDENT_OPEN */
	int64_t last_true_unix_ms, known_unix_ms, changed_unix_ms;
	enum incident_state state;
	int64_t merged_into; /* 0: none */
	enum incident_notice notice;
	int64_t version;
};
typedef bool (*incident_cb)(void *ctx, const struct incident *i);

struct incident_filter {
	const char *site, *rule, *subject; /* NULL: any */
	const char *assignee;
	unsigned states;                  /* bits of enum incident_state; 0: any */
	bool ongoing_only;                /* no end is known */
	int64_t from_unix_ms, to_unix_ms; /* incidents that touch it */
	int64_t before_id;                /* paging, newest id first; 0: from the newest */
	size_t limit;
};
/* Newest id first, at most limit (0 and above 1,000: 1,000); to_unix_ms 0: no bound. */
int incident_each(struct sqlite3 *db, const struct incident_filter *f, incident_cb cb, void *ctx,
    struct bl_err *err);
/* BL_ENOTFOUND: none; err is left alone. */
int incident_get(struct sqlite3 *db, int64_t id, incident_cb cb, void *ctx, struct bl_err *err);

struct incident_entry {
	int64_t n, unix_ms;
	const char *actor, *kind, *detail; /* detail: JSON */
};
typedef bool (*incident_entry_cb)(void *ctx, const struct incident_entry *e);
int incident_entries(
    struct sqlite3 *db, int64_t id, incident_entry_cb cb, void *ctx, struct bl_err *err);

/* Live ones by severity and site, for the overview: how many of a site are open or acknowledged. */
int incident_live_count(
    struct sqlite3 *db, const char *site, unsigned by_severity[3], struct bl_err *err);

/* Begin of the oldest one of a site that is open or acknowledged: 1 and *begin_unix_ms; 0: none. */
int incident_oldest_live(
    struct sqlite3 *db, const char *site, int64_t *begin_unix_ms, struct bl_err *err);

/* ---- people ---- */

enum incident_outcome {
	INCIDENT_DONE = 0,
	INCIDENT_NONE,   /* no such incident */
	INCIDENT_STALE,  /* another version than expected */
	INCIDENT_ENDED,  /* withdrawn or merged: nothing to be done to it */
	INCIDENT_FULL,   /* people have done too much to it: INCIDENT_COMMENTS_MAX */
	INCIDENT_NOBODY, /* no such user */
};

/* expect_version 0: whatever it is.  A text over INCIDENT_COMMENT_MAX: BL_EINVAL. */
int incident_acknowledge(struct control *c, const struct control_actor *who, int64_t id,
    int64_t expect_version, struct bl_err *err);
int incident_assign(struct control *c, const struct control_actor *who, int64_t id,
    int64_t expect_version, const char *user, struct bl_err *err); /* "": nobody */
int incident_resolve(struct control *c, const struct control_actor *who, int64_t id,
    int64_t expect_version, const char *comment, struct bl_err *err); /* NULL: none */
int incident_comment(struct control *c, const struct control_actor *who, int64_t id,
    const char *text, struct bl_err *err);

/* An entry by the system; for notice. */
int incident_note(struct sqlite3 *db, int64_t id, int64_t now_unix_ms, const char *kind,
    const char *detail, struct bl_err *err);
int incident_set_notice(struct sqlite3 *db, int64_t id, enum incident_notice n, struct bl_err *err);

#endif
