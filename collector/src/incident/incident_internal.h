/* Seen inside this folder only. */
#ifndef INCIDENT_INTERNAL_H
#define INCIDENT_INTERNAL_H

#include <sqlite3.h>

#include "control_sql.h"
#include "incident.h"
#include "jsonw.h"

#define INCIDENT_SYSTEM "system"

/* Columns in the order that incident_of reads. */
#define INCIDENT_COLUMNS                                                                           \
	"id, rule, site, subject, assignee, explanation, rule_version, severity, begin_unix_ms,"   \
	" coalesce(end_unix_ms, 9223372036854775807), last_true_unix_ms, known_unix_ms,"           \
	" changed_unix_ms, state, coalesce(merged_into, 0), notice, version"
/* Text is borrowed from the statement's row. */
void incident_of(sqlite3_stmt *st, struct incident *out);

/* An incident as it stands, in the memory of one reconciliation. */
struct incident_old {
	int64_t id, begin, end, last_true, rule_version;
	enum incident_state state;
	enum incident_notice notice;
	enum define_severity severity;
	char *assignee, *explanation; /* owned */
};

/* What changes incidents: incident_amend.c.  All write their entries. */
struct incident_change {
	sqlite3 *db;
	const struct rule_finding *f;
	int64_t now_unix_ms;
	struct bl_err *err;
};
int incident_open(const struct incident_change *c, size_t interval);
int incident_amend(const struct incident_change *c, struct incident_old *old, size_t interval);
/* The same interval: the explanation and what was seen last may have moved on. */
int incident_touch(
    const struct incident_change *c, const struct incident_old *old, size_t interval);
int incident_withdraw(const struct incident_change *c, const struct incident_old *old);
/* into keeps what people did to old and has not of its own. */
int incident_merge(
    const struct incident_change *c, const struct incident_old *old, struct incident_old *into);

/* incident_entry.c */
int incident_put_entry(sqlite3 *db, int64_t id, int64_t unix_ms, const char *actor,
    const char *kind, const char *detail, struct bl_err *err);
/* {"begin_unix_ms": .., "end_unix_ms": ..} under key; NULL: members of the object that is open. */
void incident_write_interval(struct jsonw *w, const char *key, int64_t begin, int64_t end);
/* Puts an entry by the system with w's text; frees w. */
int incident_put_json(
    const struct incident_change *c, int64_t id, const char *kind, struct jsonw *w);
/* 1: the last of its resolutions was a person's and still stands; 0: not. */
int incident_resolved_by_person(sqlite3 *db, int64_t id, struct bl_err *err);
int incident_was_acknowledged(sqlite3 *db, int64_t id, struct bl_err *err);

#endif
