/* Seen inside this folder only. */
#ifndef RULE_INTERNAL_H
#define RULE_INTERNAL_H

#include <sqlite3.h>

#include "control_sql.h"
#include "jsonw.h"
#include "rule_engine.h"

#define RULE_FINDING_MAX 64     /* intervals of one finding */
#define RULE_FACTS_MAX   65536u /* bytes of one explanation */
#define RULE_WINDOWS_MAX 10     /* windows that an explanation names */
#define RULE_CELLS_MAX   4096u  /* read at once */
#define RULE_RUNS_MAX    65536u /* runs of one section; what is beyond is another one */

/* ---- versions: rule_set.c --------------------------------------------------- */

/* The first version of the next rule after `at` (NULL: of the first); NULL: no more. */
const struct define_rule *rule_next(const struct define_set *s, const struct define_rule *at);
/* The next version of the same rule; NULL: no more. */
const struct define_rule *rule_next_version(
    const struct define_set *s, const struct define_rule *at);
/* Any version of that rule, the first; NULL: none. */
const struct define_rule *rule_first_version(const struct define_set *s, const char *id);
/* NULL: it is gone (its body does not compile any more). */
const struct define_rule *rule_version(const struct define_set *s, const char *id, int64_t version);
/* Switched on, and the site within its scope. */
bool rule_applies(const struct rule_env *e, const struct define_rule *v, const char *site);
/* The same, and it is a rule about windows that is ever in force. */
bool rule_watches(const struct rule_env *e, const struct define_rule *v, const char *site);
int64_t rule_add(int64_t a, int64_t b); /* stays within the numbers there are */

/* ---- runs: rule_runs.c -------------------------------------------------------- */

struct rule_span {
	int64_t begin, end; /* empty unless begin < end */
};
void rule_span_join(struct rule_span *s, int64_t begin, int64_t end);

struct rule_piece {
	struct bl_run run;
	double completeness;
	bool known;
	double min, max;
	int64_t version;
};

/* What one cell says under that version; false: it is not settled. */
bool rule_outcome(const struct define_rule *v, const struct kpi_cell *c, int64_t now_unix_ms,
    enum bl_outcome *out);
/* Windows of that kind are worked out together by this much: a run never crosses such a line. */
int64_t rule_line_ms(enum bl_window w);
int64_t rule_line_at(enum bl_window w, int64_t unix_ms); /* the line at or before it */

/* Cells that changed, ascending: some of them true with another value. */
struct rule_told {
	const struct kpi_change *const *c;
	size_t n;
};
/*
 * Makes the runs of that version at the site anew from the cells that begin in
 * [from, to), both moved out to lines.  Joined to changed: where there is another
 * outcome than before, and windows told of that are true: explanations name
 * their values.  told may be NULL.
 */
int rule_amend(const struct rule_env *e, const struct define_rule *v, const char *site,
    int64_t from, int64_t to, const struct rule_told *told, struct rule_span *changed,
    struct bl_err *err);
/* Runs from `from` on of versions that are not in force where these stand: one came in between. */
int rule_forget(const struct rule_env *e, const struct define_rule *v, const char *site,
    int64_t from, struct bl_err *err);
void rule_piece_of(sqlite3_stmt *st, struct rule_piece *out); /* columns of RULE_PIECE_COLUMNS */
#define RULE_PIECE_COLUMNS                                                                         \
	"begin_unix_ms, end_unix_ms, outcome, windows, completeness, value_min, value_max, "       \
	"version"
/* next touches at and says the same: at takes it in.  False: it does not. */
bool rule_piece_join(struct rule_piece *at, const struct rule_piece *next);

/* ---- findings: rule_stretch.c, rule_facts.c ------------------------------------- */

/* Works out the sections that touch [s.begin, s.end) under that version, and tells. */
int rule_stretch(const struct rule_env *e, const struct define_rule *v, const char *site,
    const struct rule_span *s, struct bl_err *err);

/* The explanation of an interval, of a section's n runs; malloced. */
int rule_facts(const struct rule_env *e, const struct define_rule *v, const char *site,
    const struct rule_piece *piece, size_t n, const struct bl_interval *at, char **out,
    struct bl_err *err);
/* Takes w's text away from it; frees w. */
int rule_facts_take(struct jsonw *w, char **out, struct bl_err *err);

/* ---- coverage of a site: rule_cover.c ---------------------------------------------- */

struct rule_cover;

int rule_cover_open(struct rule_cover **out, const struct rule_env *e, const char *site,
    struct store_read *telemetry, struct bl_err *err);
void rule_cover_free(struct rule_cover *c); /* NULL is fine */
bool rule_cover_is_of(const struct rule_cover *c, const char *site);
/*
 * Up to where the events of every device in service at the site from `begin` on
 * are there without a hole; exact when it is after `need`.  INT64_MIN: no device
 * was in service in [begin, need]; INT64_MAX: none is any more.
 */
int rule_cover_until(
    struct rule_cover *c, int64_t begin, int64_t need, int64_t *out, struct bl_err *err);

/* ---- cases: rule_cases.c, rule_case_store.c, rule_where.c ---------------------------- */

struct rule_case {
	int64_t no;
	char site[BL_ID_TEXT_MAX + 1], process[BL_ID_TEXT_MAX + 1];
	char case_id[CASES_ID_MAX + 1], status[BL_ATTR_VALUE_MAX + 1];
	char *attrs; /* owned */
	int64_t begin, end;
};

struct rule_verdict {
	const struct define_rule *v; /* NULL: nothing found, nothing to wait for */
	enum bl_outcome outcome;     /* TRUE or UNKNOWN */
	int64_t deadline;
	struct bl_interval at; /* TRUE only */
	bool ended;            /* coverage changes nothing any more */
	bool pending;          /* UNKNOWN for a moment only: what was found before stays */
};

/* Judges one case by all versions of one rule.  cover: of its site. */
int rule_case_judge(const struct rule_env *e, const struct define_rule *first,
    const struct rule_case *c, struct rule_cover *cover, struct rule_verdict *out,
    struct bl_err *err);
/* Does the condition hold for the case as it was at that instant? */
int rule_where_holds(const struct rule_env *e, const struct define_rule *v,
    const struct rule_case *c, int64_t unix_ms, bool *out, struct bl_err *err);
/* Loads, judges, keeps what is to be kept, tells.  *cover is opened or opened anew as needed. */
int rule_case_settle(const struct rule_env *e, const struct define_rule *first, int64_t no,
    struct rule_cover **cover, struct store_read *telemetry, struct bl_err *err);

#endif
