/*
 * Definitions: processes, KPIs, rules and channels as versioned data, in force
 * from an instant of event time until the next version's.
 *
 * A body is one flat JSON object (README.md lists the fields of each kind); it is
 * validated whole, with every error in one answer, before it is stored, and
 * compiled again from the text when it is loaded.  Changes go through the control
 * writer with an audit entry.
 */
#ifndef DEFINE_H
#define DEFINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/err.h"
#include "branchline/expr.h"
#include "branchline/rule.h"
#include "branchline/topic.h"
#include "branchline/window.h"
#include "branchline/wire.h"
#include "control.h"

#define DEFINE_NAME_MAX     128
#define DEFINE_UNIT_MAX     16
#define DEFINE_STEPS_MAX    32u
#define DEFINE_SITES_MAX    64u
#define DEFINE_CHANNELS_MAX 16u
#define DEFINE_TO_MAX       32u
#define DEFINE_ADDRESS_MAX  254
#define DEFINE_URL_MAX      512
#define DEFINE_SECRET_MAX   128
#define DEFINE_BODY_MAX     16384u
#define DEFINE_MAX          500u   /* of one kind */
#define DEFINE_VERSIONS_MAX 1000u  /* of one definition */
#define DEFINE_ALL_MAX      10000u /* versions of all of one kind: a set holds them in memory */
#define DEFINE_PAST_MS      (400 * INT64_C(86400000)) /* how far off `from` may lie, either way */

enum define_kind { DEFINE_PROCESS = 0, DEFINE_KPI, DEFINE_RULE, DEFINE_CHANNEL, DEFINE_KINDS };
const char *define_kind_name(enum define_kind k); /* "process" ... */

struct define_head {
	char id[BL_ID_TEXT_MAX + 1];
	char name[DEFINE_NAME_MAX + 1];
	int64_t version;
	int64_t from_unix_ms, until_unix_ms; /* of event time; INT64_MAX: still in force */
	bool enabled;
	char author[DEFINE_NAME_MAX + 1];
	int64_t created_unix_ms;
};

/* Where it applies: in the region, and at each of the sites; both empty: everywhere. */
struct define_scope {
	char region[256]; /* a region path and all below it */
	size_t n_sites;
	char site[DEFINE_SITES_MAX][BL_ID_TEXT_MAX + 1];
};
bool define_in_scope(const struct define_scope *s, const char *site, const char *region);

struct define_process {
	struct define_head head;
	size_t n_steps; /* in their usual order; may be none */
	char step[DEFINE_STEPS_MAX][BL_NAME_MAX + 1];
	/*
	 * The case has ended at the first event after which this holds, over its
	 * attributes as they are then and: step (just ended, else null), case, process.
	 * Unless given: status is one of completed, cancelled, closed, done; or the
	 * last of the steps has ended.
	 */
	char done_text[BL_EXPR_TEXT_MAX + 1];
	struct bl_expr *done; /* NULL: the default */
};

enum define_source { DEFINE_SERIES = 1, DEFINE_PROBE, DEFINE_STEP, DEFINE_CASE };
const char *define_source_name(enum define_source s); /* "series" ...; NULL: no such one */
bool define_source_parse(const char *name, enum define_source *out);
enum define_good { DEFINE_GOOD_UNSAID = 0, DEFINE_GOOD_LOW, DEFINE_GOOD_HIGH };

struct define_kpi {
	struct define_head head;
	struct define_scope scope;
	char unit[DEFINE_UNIT_MAX + 1]; /* to show; "" none */
	enum define_source source;
	enum bl_stream stream;              /* where its data come from */
	char metric[BL_NAME_MAX + 1];       /* SERIES, and PROBE: "probe_up" ... */
	char probe[BL_LABEL_VALUE_MAX + 1]; /* PROBE: the label `probe`; "" all of them */
	char process[BL_ID_TEXT_MAX + 1];   /* STEP, CASE */
	char step[BL_NAME_MAX + 1];         /* STEP; "" all of them */
	/* Over labels (SERIES, PROBE) or attributes (STEP, CASE); NULL: all. */
	struct bl_expr *where;
	/* SHARE: over value (a number; a duration for STEP and CASE) and what where sees. */
	struct bl_expr *condition;
	char where_text[BL_EXPR_TEXT_MAX + 1], condition_text[BL_EXPR_TEXT_MAX + 1];
	enum bl_function function;
	double percentile, quantile; /* PERCENTILE: as given, 0..100, and 0..1 */
	enum bl_window resolution;   /* the smallest window; all larger ones come with it */
	bool has_target;
	double target;
	enum define_good good;
	bool low_is_good; /* the same for those who only colour */
};
/* STEP and CASE: values are durations in ms, each in the window of its end. */

enum define_rule_kind { DEFINE_THRESHOLD = 1, DEFINE_CASE_OPEN, DEFINE_NO_DATA };
enum define_severity { DEFINE_INFO = 0, DEFINE_WARNING, DEFINE_CRITICAL };
const char *define_severity_name(enum define_severity s);

struct define_rule {
	struct define_head head;
	struct define_scope scope;
	enum define_rule_kind kind;
	enum define_severity severity;
	/* THRESHOLD */
	char kpi[BL_ID_TEXT_MAX + 1];
	enum bl_window window;
	enum bl_rule_op op;
	double value;
	uint32_t for_windows;  /* consecutive; 1.. */
	double completeness;   /* needed, 0..1; 0.8 unless given */
	uint32_t wait_windows; /* for a window that is not ready; 2 unless given */
	/* CASE_OPEN: a case that has not ended limit_ms after its begin */
	char process[BL_ID_TEXT_MAX + 1];
	int64_t limit_ms;
	struct bl_expr *where; /* over the case's attributes at the deadline; NULL: all */
	char where_text[BL_EXPR_TEXT_MAX + 1];
	/* NO_DATA: nothing has arrived from a device in service for so long */
	int64_t after_ms;
	/* who is told */
	size_t n_channels;
	char channel[DEFINE_CHANNELS_MAX][BL_ID_TEXT_MAX + 1];
	bool tell_end; /* a message when a paged incident has ended; true unless given */
};

enum define_channel_kind { DEFINE_EMAIL = 1, DEFINE_WEBHOOK };

struct define_channel {
	struct define_head head;
	enum define_channel_kind kind;
	char language[8]; /* "zh-CN" or "en" */
	size_t n_to;      /* EMAIL */
	char to[DEFINE_TO_MAX][DEFINE_ADDRESS_MAX + 1];
	char url[DEFINE_URL_MAX + 1]; /* WEBHOOK: https, or http to this machine */
};

/* ---- all of them, compiled: what the evaluator and deliver use ---- */

/* Immutable after loading; any thread.  Each version is an element; ordered by id, then version. */
struct define_set {
	size_t n_processes, n_kpis, n_rules, n_channels;
	struct define_process *process;
	struct define_kpi *kpi;
	struct define_rule *rule;
	struct define_channel *channel;
	int64_t versions; /* how many there are in all: has anything changed? */
};

/* A stored body that does not compile any more is logged and left out. */
int define_set_load(struct define_set **out, struct sqlite3 *db, struct bl_err *err);
void define_set_free(struct define_set *s); /* NULL is fine */
/* The number of stored versions, to see that a set is out of date. */
int define_versions(struct sqlite3 *db, int64_t *out, struct bl_err *err);

/* The version in force at that instant of event time, enabled or not; NULL: none. */
const struct define_process *define_process_at(
    const struct define_set *s, const char *id, int64_t unix_ms);
const struct define_kpi *define_kpi_at(const struct define_set *s, const char *id, int64_t unix_ms);
const struct define_rule *define_rule_at(
    const struct define_set *s, const char *id, int64_t unix_ms);
const struct define_channel *define_channel_newest(const struct define_set *s, const char *id);

/* ---- validating ---- */

#define DEFINE_ERRORS_MAX 16u

struct define_error {
	char field[72];
	char expected[160];
	char got[96];
	char suggestion[80]; /* empty: none */
	unsigned column;     /* in an expression, from 1; 0: none */
};
struct define_errors {
	size_t n; /* found; kept are the first DEFINE_ERRORS_MAX */
	struct define_error e[DEFINE_ERRORS_MAX];
};

/* The scope in which a KPI's where and condition are checked.  Static; any thread. */
void define_expr_scope(enum define_source source, bool condition, struct bl_expr_scope *out);
/* A process's done. */
void define_done_scope(struct bl_expr_scope *out);
/* The where of a rule about open cases. */
void define_open_case_scope(struct bl_expr_scope *out);
/* Adds what the compiler found wrong: expected and got apart, as everywhere else. */
void define_expr_fault(
    struct define_errors *errs, const char *field, const struct bl_expr_error *e);

/* ---- reading and changing: the API ---- */

struct define_row {
	enum define_kind kind;
	struct define_head head;
	const char *body; /* JSON; borrowed for the call */
	bool has_secret;  /* WEBHOOK */
};
typedef bool (*define_row_cb)(void *ctx, const struct define_row *row);

/* The newest version of each, by id, ids after `after` (NULL: from the first). */
int define_each(struct sqlite3 *db, enum define_kind kind, const char *after, define_row_cb cb,
    void *ctx, struct bl_err *err);
/* One, its newest version or (version > 0) that one.  BL_ENOTFOUND: none; err is left alone. */
int define_get(struct sqlite3 *db, enum define_kind kind, const char *id, int64_t version,
    define_row_cb cb, void *ctx, struct bl_err *err);
/* All versions of one, newest first. */
int define_history(struct sqlite3 *db, enum define_kind kind, const char *id, define_row_cb cb,
    void *ctx, struct bl_err *err);

enum define_outcome {
	DEFINE_DONE = 0,
	DEFINE_INVALID, /* errs */
	DEFINE_EXISTS,
	DEFINE_NONE,  /* no such definition */
	DEFINE_STALE, /* another version than expected */
	DEFINE_FULL,  /* DEFINE_MAX or DEFINE_VERSIONS_MAX */
};

struct define_edit {
	const char *name; /* NULL: as it is */
	bool has_enabled, enabled;
	int64_t
	    from_unix_ms; /* 0: now (a new one: 0 too); in the past: past windows are worked out */
	const char *body; /* JSON object of the kind's fields; members that are given replace, null
			     removes; NULL: as it is */
	const char *secret; /* WEBHOOK; NULL: as it is (a new one: made); "whsec_", then base64 of
			       24 to 64 bytes */
};

/* A new definition; id NULL: made from the name.  *id_out gets the id. */
int define_create(struct control *c, const struct control_actor *who, enum define_kind kind,
    const char *id, const struct define_edit *e, char id_out[BL_ID_TEXT_MAX + 1],
    struct define_errors *errs, struct bl_err *err);
/*
 * A new version; none when nothing would differ.  expect_version 0: whatever it is.
 * A rule's and a channel's kind stays.
 */
int define_change(struct control *c, const struct control_actor *who, enum define_kind kind,
    const char *id, int64_t expect_version, const struct define_edit *e, struct define_errors *errs,
    struct bl_err *err);
/*
 * A webhook's secret, for deliver and for the one answer that shows a made one;
 * BL_ENOTFOUND: it has none (err is left alone).  out is wiped by the caller after use.
 */
int define_secret(
    struct sqlite3 *db, const char *channel, char out[DEFINE_SECRET_MAX + 1], struct bl_err *err);

#endif
