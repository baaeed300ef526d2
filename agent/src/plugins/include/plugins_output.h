/*
 * What a monitoring plug-in prints, pure (Monitoring Plugins guidelines):
 *
 *   DISK WARNING - free space: / 2643 MiB | /=5357MiB;7200;7600;0;8000
 *   further lines of text, up to one with a second bar
 *   the last of them | /boot=68MiB;88;93;0;98
 *   /home=69357MiB;253404;253409;0;253414
 *
 * Before the first bar of the first line stands the text, between it and the next
 * bar the further text; all else is performance data:
 *
 *   'label'=value[UOM];[warn];[crit];[min];[max]
 *
 * The label is in single quotes where it has to be ('' is one of them); UOM is what
 * follows the number.  A value U is not known.  warn and crit are ranges: an alert
 * is outside of low:high, or with @ inside of it; "10" is 0:10, "10:" has no upper
 * end, "~:10" no lower one.
 */
#ifndef PLUGINS_OUTPUT_H
#define PLUGINS_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "branchline/buf.h"
#include "branchline/err.h"
#include "branchline/wire.h"

#define PLUGINS_UOM_MAX 16u /* bytes */

/* The ends that were written and are finite. */
struct plugins_range {
	bool has_low, has_high;
	bool inside; /* the alert is inside */
	double low, high;
};

struct plugins_perf {
	char label[BL_LABEL_VALUE_MAX + 1]; /* UTF-8 */
	char uom[PLUGINS_UOM_MAX + 1];
	bool known; /* false: U */
	double value;
	bool has_min, has_max;
	double min, max;
	struct plugins_range warn, crit;
	bool bad_limit; /* one of warn, crit, min, max could not be read, and is left out */
};

/*
 * Appends the parts to three buffers that can hold 2 len bytes each, as UTF-8 without control
 * characters (what is none becomes '?') but the newlines between the lines of detail.
 */
void plugins_output_split(
    const char *out, size_t len, struct bl_buf *text, struct bl_buf *detail, struct bl_buf *perf);

/*
 * The next value of performance data, as plugins_output_split gives it; *rest begins after it then.
 * 1: there is one; 0: there is none; BL_EINVAL with a sentence: what stands there is none, and
 * *rest begins after it.
 */
int plugins_perf_next(struct bl_str *rest, struct plugins_perf *out, struct bl_err *err);

/*
 * How a UOM stands in our series: s, us, ns become ms; KB, KiB, MB and so on bytes of 1,024; % pct,
 * c a counter.  Any other is a unit of its own.
 */
struct plugins_unit {
	const char *metric; /* "plugin_ms" */
	const char *limit;  /* "plugin_ms_limit" */
	const char *unit;   /* of the series; good as long as uom */
	double scale;       /* value times this */
	bool counter;
};
struct plugins_unit plugins_unit_of(const char *uom);

/* The first bytes of a text, at most max, that end with a whole character. */
size_t plugins_text_cut(const char *text, size_t len, size_t max);

#endif
