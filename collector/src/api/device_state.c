/*
 * What may be said of a device from what the store has heard.  Pure.
 *
 * Unknown is not down: silence, a last will and old data all mean that nothing
 * is known; "down" is kept for a host that says so itself.
 */
#include "api_internal.h"

const char *
api_state_name(enum api_state s)
{
	static const char *const names[] = { "up", "down", "unknown", "never", "retired" };

	return names[s];
}

enum api_state
api_device_state(
    bool retired, const struct store_device *d, int64_t now_unix_ms, int64_t *since_unix_ms)
{
	*since_unix_ms = STORE_TIME_NONE;
	if (retired)
		return API_RETIRED;
	if (d == NULL || (!d->has_spool && d->presence == STORE_PRESENCE_NONE))
		return API_NEVER;
	if (d->presence == STORE_PRESENCE_ONLINE && d->data_until_unix_ms != STORE_TIME_NONE &&
	    now_unix_ms - d->data_until_unix_ms < API_FRESH_MS) {
		*since_unix_ms = d->presence_since_unix_ms;
		return API_UP;
	}
	if (d->presence == STORE_PRESENCE_OFFLINE)
		*since_unix_ms = d->presence_since_unix_ms;
	else if (d->data_until_unix_ms != STORE_TIME_NONE)
		*since_unix_ms = d->data_until_unix_ms + API_FRESH_MS;
	return API_UNKNOWN;
}

void
api_time(struct jsonw *w, const char *key, int64_t unix_ms)
{
	jsonw_int_or_null(w, key, unix_ms != STORE_TIME_NONE, unix_ms);
}

const char *
api_stream_name(enum bl_stream s)
{
	switch (s) {
	case BL_STREAM_EVENTS:
		return "events";
	case BL_STREAM_PROBES:
		return "probes";
	case BL_STREAM_HOST:
		return "host";
	}
	return "other";
}
