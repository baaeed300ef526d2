/* What the samplers of watched things share.  Pure. */
#include "sample_watch_internal.h"

#include <string.h>

const char *
sample_watch_name_check(const void *value)
{
	const char *name = *(char *const *)value;

	return sample_label_valid(name, strlen(name))
		   ? NULL
		   : "a name of 1 to 128 bytes without control characters";
}

const char *
sample_watch_path_check(const void *value)
{
	return (*(char *const *)value)[0] == '/' ? NULL : "an absolute path";
}

uint32_t
sample_every_init(struct sample_every *e, int64_t every_ms, uint32_t tick_ms)
{
	const int64_t ticks = (every_ms + tick_ms - 1) / tick_ms;

	*e = (struct sample_every){ (ticks < 1 ? 1 : ticks) * tick_ms, 0 };
	return (uint32_t)e->every_ms;
}

bool
sample_every_due(struct sample_every *e, int64_t boot_ms)
{
	/* A tick comes some ms early or late: half a second decides nothing. */
	if (e->next_boot_ms != 0 && boot_ms < e->next_boot_ms - 500)
		return false;
	if (e->next_boot_ms == 0 || boot_ms - e->next_boot_ms >= e->every_ms)
		e->next_boot_ms = boot_ms;
	e->next_boot_ms += e->every_ms;
	return true;
}
