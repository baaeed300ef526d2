/* When to try again. */
#include "deliver_internal.h"

#define BACKOFF_MAX_MS 600000 /* a page that waits for an hour after the receiver is back is none */

/* Doubles up to ten minutes; between half and all of it, so that many do not come at once. */
int64_t
deliver_backoff_ms(int64_t base_ms, int64_t tries, uint32_t random)
{
	int64_t ms = base_ms;

	for (int64_t i = 0; i < tries && ms < BACKOFF_MAX_MS; i++)
		ms *= 2;
	if (ms > BACKOFF_MAX_MS)
		ms = BACKOFF_MAX_MS;
	return ms / 2 + (int64_t)(random % 1000) * (ms - ms / 2) / 1000;
}
