/* When a check runs; see plugins.h.  No state, no I/O. */
#include "plugins.h"

#define FIRST_MS 30000 /* all have run once after so long */
#define JITTER   20    /* of an interval, to both sides */

struct plugins_due
plugins_due_first(int64_t now_mono_ms, int64_t interval_ms, size_t i, size_t n, uint32_t chance)
{
	const int64_t span = interval_ms < FIRST_MS ? interval_ms : FIRST_MS;
	const int64_t share = span / (int64_t)n;
	const int64_t at = now_mono_ms + span * (int64_t)i / (int64_t)n +
			   (share > 0 ? (int64_t)(chance % (uint64_t)share) : 0);

	return (struct plugins_due){ at, at };
}

struct plugins_due
plugins_due_next(struct plugins_due last, int64_t now_mono_ms, int64_t interval_ms, uint32_t chance,
    unsigned *missed)
{
	const int64_t jitter = interval_ms / JITTER;
	int64_t even = last.even_mono_ms + interval_ms, late = 0;

	if (even + jitter < now_mono_ms) {
		late = (now_mono_ms - even - jitter + interval_ms - 1) / interval_ms;
		even += late * interval_ms;
	}
	*missed = (unsigned)late;
	return (struct plugins_due){ even,
		even - jitter + (int64_t)(chance % (uint64_t)(2 * jitter + 1)) };
}
