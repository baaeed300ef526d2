/*
 * What the page and `top` read: one JSON object,
 *
 *   { "status": what `status --json` says, "probes": [...], "series": [...],
 *     "old_series": series that nobody puts any more, "missing_values": ... }
 *
 * Times are wall time of this machine.  Pure.
 */
#ifndef LOCAL_NOW_H
#define LOCAL_NOW_H

#include "current.h"

/* unix_less_boot_ms: what to add to boot time.  status: a JSON text.  out->failed: too long. */
void local_now(const struct current_snapshot *s, int64_t unix_less_boot_ms, const char *status,
    struct bl_buf *out);

#endif
