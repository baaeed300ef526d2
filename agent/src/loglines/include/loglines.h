/*
 * The inlet `loglines`: lines of the logs of other programs become reports.
 *
 * A watched log has patterns, regular expressions with named groups
 * (branchline/regex_groups.h); a line that one of them matches becomes what its
 * mapping (branchline/rowmap.h) says of the groups.  Every pattern is asked, so one
 * line can end a step and begin the next one.  Lines that no pattern matches
 * are nobody's.
 *
 * Logs are followed over rotation, copying and cutting; each line is reported
 * once, whatever is killed: places are kept when the disk has what was before
 * them, and a report's id is made of where its line stands.
 */
#ifndef LOGLINES_H
#define LOGLINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/conf.h"
#include "branchline/rowmap.h"

#include "inlet_ops.h"

#define LOGLINES_WATCHES_MAX  16u
#define LOGLINES_PATTERNS_MAX 16u /* of one log */

struct loglines_pattern {
	char *match; /* regular expression with named groups */
	struct bl_rowmap_conf map;
};

struct loglines_watch {
	char *name;
	char *path;                   /* absolute */
	int encoding;                 /* enum bl_charset */
	int from;                     /* enum loglines_from */
	struct bl_conf_list patterns; /* of struct loglines_pattern */
};

enum loglines_from { LOGLINES_END, LOGLINES_BEGINNING };

struct loglines_conf {
	bool enabled;
	int64_t every_ms;
	int64_t max_behind;           /* bytes */
	struct bl_conf_strlist types; /* further file systems to count as local */
	struct bl_conf_list watch;    /* of struct loglines_watch */
};

extern const struct bl_conf_section loglines_conf_section;
extern const struct inlet_ops loglines_ops;

/* ---- what a line becomes; pure ---- */

struct loglines_patterns;

/* Of a list of struct loglines_pattern, which is kept.  BL_EINVAL with a sentence, BL_ENOMEM. */
int loglines_patterns_open(
    struct loglines_patterns **out, const struct bl_conf_list *patterns, struct bl_err *err);
void loglines_patterns_close(struct loglines_patterns *p); /* NULL is fine */
unsigned loglines_patterns_count(const struct loglines_patterns *p);

enum loglines_answer { LOGLINES_NO_MATCH, LOGLINES_REPORTS, LOGLINES_NOT_WANTED };

/*
 * Asks pattern i about a line (without its end).  REPORTS: out holds them, and they borrow from
 * the line; NOT_WANTED: it matches, and its mapping wants no such row; BL_EINVAL: it matches and
 * what it says makes no report, with a sentence; BL_EFULL: it would take too long to know.
 */
int loglines_patterns_ask(struct loglines_patterns *p, unsigned i, const char *line, size_t len,
    struct bl_str id, int64_t now_unix_ms, struct bl_rowmap_out *out, struct bl_err *err);

#endif
