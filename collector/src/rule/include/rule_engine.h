/*
 * Rules at the centre: cells, cases and clocks in, findings out.
 *
 * A finding is all intervals of one (rule, subject) in a stretch of event time:
 * whoever takes it matches them to incidents.  Runs inside the evaluator's write
 * transaction; a function of what is stored (only no-data looks at the wall clock).
 */
#ifndef RULE_ENGINE_H
#define RULE_ENGINE_H

#include "branchline/rule.h"
#include "kpi.h"

struct rule_finding {
	const struct define_rule
	    *rule; /* the version that found it; none in the stretch is another's */
	const char *site;
	const char *subject; /* site id; device id (no data); "process/case" */
	int64_t begin_unix_ms,
	    end_unix_ms; /* the stretch; incidents that touch it are this finding's */
	size_t n;
	struct bl_interval at[64];
	const char *facts[64]; /* JSON: why, in numbers; collector/src/rule/README.md */
};
/* Negative ends everything. */
typedef int (*rule_finding_fn)(void *ctx, const struct rule_finding *f, struct bl_err *err);

/*
 * A case that was late and is so still; all that may have changed is until when that is seen.
 * Whoever keeps incidents sets `done` where exactly that was noted; the others are told in full.
 */
struct rule_late {
	const char *rule, *process_name;
	int64_t version, case_no, deadline_unix_ms, last_true_unix_ms;
	bool done;
};
typedef int (*rule_late_fn)(
    void *ctx, const char *site, struct rule_late *l, size_t n, struct bl_err *err);

struct rule_env {
	struct sqlite3 *db; /* the write transaction's */
	const struct define_set *set;
	const struct roster *roster;
	int64_t now_unix_ms;
	/*
	 * The telemetry store knows batches whose events are not among the cases yet: its
	 * coverage says more than is known here.  An open case waits, what was found stays.
	 */
	bool behind;
	rule_finding_fn found;
	rule_late_fn late; /* NULL: all are told in full */
	void *ctx;
};

/* Cells changed: runs are amended around them, and sections that they touch worked out again. */
int rule_on_cells(const struct rule_env *e, const struct kpi_changes *changes, struct bl_err *err);
/* Cells that are waited for no longer than wait_windows: those whose patience has ended. At most
 * limit a call. */
int rule_on_time(const struct rule_env *e, size_t limit, struct bl_err *err);
/* Cases changed. */
int rule_on_cases(const struct rule_env *e, const struct cases_changes *changes,
    struct store_read *telemetry, struct bl_err *err);
/* A device's events have been covered further (or a hole was filled): cases that wait for it. */
int rule_on_coverage(
    const struct rule_env *e, const char *site, struct store_read *telemetry, struct bl_err *err);
/* Wall clock: devices in service from which nothing has arrived.  To be called every few seconds: a
 * rule looks once in a thirtieth of its time, and takes a pause of minutes for one of its own
 * (README.md). */
int rule_no_data(const struct rule_env *e, struct store_read *telemetry, struct bl_err *err);
/*
 * A rule was defined anew or switched: its sites from `from` on, in slices, at most
 * limit a call (one takes some ms).  after: the last site that is done, NULL: none;
 * *last gets it again or the next (empty: still none); how far the one after it has got is a
 * row.  Returns how many slices were done, 0: all.
 */
int rule_redo(const struct rule_env *e, const char *rule, int64_t from, const char *after,
    size_t limit, char last[BL_ID_TEXT_MAX + 1], struct store_read *telemetry, struct bl_err *err);

/* ---- reading: why did it (not) fire ---- */

struct rule_run_row {
	int64_t begin_unix_ms, end_unix_ms, windows, version;
	enum bl_outcome outcome;
	double completeness;
	bool known;
	double value_min, value_max;
};
/* Runs that touch [from, to), ascending; the first may begin before, at most limit (0 and above
 * 10,000: 10,000). */
typedef bool (*rule_run_cb)(void *ctx, const struct rule_run_row *r);
int rule_runs(struct sqlite3 *db, const char *rule, const char *subject, int64_t from, int64_t to,
    size_t limit, rule_run_cb cb, void *ctx, struct bl_err *err);

#endif
