/*
 * Rules without I/O: outcomes of windows become intervals, intervals are matched
 * to incidents, and age decides between a page and a digest.
 *
 * The same code runs in a cut-off agent and in the collector.  Everything here
 * is a function of its arguments, so that the order in which data came cannot
 * show.
 */
#ifndef BRANCHLINE_RULE_H
#define BRANCHLINE_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BL_RULE_OPEN INT64_MAX /* end of an interval that still holds */

/* ---- outcomes of windows ---- */

enum bl_outcome {
	BL_OUTCOME_FALSE = 0,
	BL_OUTCOME_TRUE = 1,
	BL_OUTCOME_UNKNOWN = 2, /* settled, but not enough is known */
};

/* "==" and "<>" are read as "=" and "!=". */
enum bl_rule_op { BL_OP_GT = 1, BL_OP_GE, BL_OP_LT, BL_OP_LE, BL_OP_EQ, BL_OP_NE };
const char *bl_rule_op_name(enum bl_rule_op op); /* ">" ... */
bool bl_rule_op_parse(const char *text, enum bl_rule_op *out);

/* known false: no value, and so UNKNOWN; NaN is none.  completeness and need from 0 to 1. */
enum bl_outcome bl_rule_threshold(bool known, double value, enum bl_rule_op op, double threshold,
    double completeness, double need);

/*
 * A run: neighbouring windows with the same outcome, stored so that "why did it
 * (not) fire" can be answered.  Time between two runs that do not touch counts
 * as unknown.
 */
struct bl_run {
	int64_t begin_unix_ms, end_unix_ms;
	enum bl_outcome outcome;
	uint32_t windows;
};

struct bl_interval {
	int64_t begin_unix_ms;
	int64_t end_unix_ms;        /* BL_RULE_OPEN: no end is known */
	int64_t last_true_unix_ms;  /* end of the last window that was true */
};

/*
 * One section of runs: what lies between two FALSE windows (or the first and
 * last known ones).  It holds at most one interval:
 *   begin  of the first window of the first stretch of at least `need` TRUE
 *          windows that touch (unknown breaks the stretch: it counts neither as
 *          good nor as bad);
 *   end    of the section (the begin of the FALSE that closes it), or OPEN.
 * Unknown time inside an open interval keeps it open.
 * runs: n runs of the section without the FALSE ones around it, ascending.
 * closed_at: begin of the closing FALSE window, BL_RULE_OPEN: there is none yet.
 * True: *out filled.
 */
bool bl_rule_section(const struct bl_run *runs, size_t n, uint32_t need, int64_t closed_at,
    struct bl_interval *out);

/* ---- matching intervals to incidents ---- */

struct bl_match_old {
	int64_t id; /* ascending with age: the smallest is the oldest */
	int64_t begin_unix_ms, end_unix_ms;
};

enum bl_match_kind {
	BL_MATCH_NEW,      /* no old one: id 0 */
	BL_MATCH_SAME,     /* id, begin and end unchanged */
	BL_MATCH_AMEND,    /* id gets the interval */
	BL_MATCH_MERGE,    /* id goes into `into` */
	BL_MATCH_WITHDRAW, /* id has no interval left */
};

struct bl_match {
	enum bl_match_kind kind;
	int64_t id, into;
	size_t interval; /* index into now[], for NEW, SAME, AMEND */
};

/*
 * old: the incidents of one (rule, subject) in a stretch of time, now: the
 * intervals that hold there today, both ascending by begin.  Overlap decides;
 * of several that overlap one interval the oldest id keeps it; an old one that
 * overlaps several intervals keeps the first that no older id keeps.  Fills
 * out[n_old + n_now]: the old ones by ascending id (so `into` comes before who goes
 * into it), then the new ones by begin; returns how many.
 */
size_t bl_rule_match(const struct bl_match_old *old, size_t n_old, const struct bl_interval *now,
    size_t n_now, struct bl_match *out);

/* ---- page, digest, or wait ---- */

enum bl_notice {
	BL_NOTICE_WAIT = 0, /* it may hold or not: more is coming */
	BL_NOTICE_PAGE,     /* it holds now */
	BL_NOTICE_DIGEST,   /* it is over, or too old to say: history */
};

struct bl_notice_policy {
	int64_t fresh_ms; /* last seen true at most this long ago: it holds now */
	int64_t stale_ms; /* open without news for this long: history after all */
};

/*
 * now: wall clock.  known_since: when the centre first knew of it.  News is the later of
 * that and the last evidence.
 */
enum bl_notice bl_rule_notice(const struct bl_notice_policy *p, const struct bl_interval *at,
    int64_t known_since_unix_ms, int64_t now_unix_ms);

#endif
