/*
 * What a run becomes: lines of the agent's protocol (inlet_line.h), pure.
 *
 *   metric plugin_state 1 id=.. at=.. check="disk"                        0 to 3, each run
 *   metric plugin_duration_ms 12 unit="ms" id=.. at=.. check="disk"       each run
 *   metric plugin_bytes 5617221632 unit="bytes" .. check="disk" label="/"
 *   metric plugin_bytes_limit 7549747200 .. check="disk" label="/" limit="warn_high"
 *   event plugin.state id=.. at=.. check="disk" state="warning" code=1 before="ok" text=".." ..
 *
 * Values become plugin_ms, plugin_bytes, plugin_pct, plugin_total (counters) or plugin_value (all
 * else, with the plug-in's own unit), so that a metric has one unit.  Limits (min, max, warn_low,
 * warn_high, crit_low, crit_high; warn_inside_low ... where the alert is inside) stand beside them
 * when they change, and once an hour.  The event comes when the state is another one than before.
 */
#ifndef PLUGINS_REPORT_H
#define PLUGINS_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/buf.h"
#include "branchline/err.h"

#include "plugins_run.h"

#define PLUGINS_VALUES_MAX 256u /* of one run; more are left out and counted */
#define PLUGINS_ID_MAX     31u  /* bytes of the begin of ids */

struct plugins_result {
	const char *check;
	enum plugins_state state;
	char why[160]; /* UNKNOWN in spite of what it said; else empty */
	int64_t at_unix_ms, duration_ms;
	struct bl_buf text, detail, perf; /* plugins_output_split */
};

/* BL_OK or BL_ENOMEM; plugins_result_free in any case. */
int plugins_result_of(struct plugins_result *out, const struct plugins_run *r, int64_t at_unix_ms);
/* It could not be run at all. */
void plugins_result_failed(
    struct plugins_result *out, const char *check, const char *why, int64_t at_unix_ms);
void plugins_result_free(struct plugins_result *r);

struct plugins_teller {
	void *ctx;
	/* Borrows a line without its newline.  event: it matters more than a value. */
	void (*line)(void *ctx, const char *line, size_t len, bool event);
	char id[PLUGINS_ID_MAX + 1]; /* ids are this, a hyphen and a number */
	uint64_t n;                  /* of the last id */
	uint64_t unmade;             /* lines for which there was no memory */
};

/* What is remembered of a check from run to run; zeroed at first. */
struct plugins_memory {
	bool known;
	enum plugins_state state;
	uint64_t limits; /* their hash */
	int64_t limits_mono_ms;
};

struct plugins_counted {
	uint64_t values;
	uint64_t bad_values; /* no performance data, twice the same label, or too many */
	uint64_t bad_limits;
};

/* Tells t of r; m and counted (added to) are brought up to date. */
void plugins_report(const struct plugins_result *r, struct plugins_teller *t,
    struct plugins_memory *m, int64_t now_mono_ms, struct plugins_counted *counted);

/* One value of the runner's own. */
void plugins_report_own(
    struct plugins_teller *t, const char *metric, bool counter, double value, int64_t at_unix_ms);

#endif
