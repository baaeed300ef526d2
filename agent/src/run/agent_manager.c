/*
 * What the service manager hears: ready, reloading, stopping, a line of status
 * and, while every thread gets on, that it does (the watchdog).
 *
 * The loop says it, so it is judged by saying it.  The spool thread turns every
 * five seconds, the prober says until when it sleeps.  Paho's threads own
 * nothing that a restart would have to save: a link that stands still is
 * dropped by its keep-alive.
 */
#include "agent_internal.h"

#include <string.h>

/* How long a thread has been without progress, and which. */
static int64_t
behind_ms(const struct agent *a, const char **who)
{
	const int64_t now = bl_mono_ms(a->clock);
	const int64_t spool = now - spool_thread_turned_mono_ms(a->spool);
	const int64_t by = prober_awake_by_mono_ms(a->prober);
	const int64_t probes = by < now ? now - by : 0;

	*who = spool >= probes ? "spool" : "probes";
	return spool >= probes ? spool : probes;
}

bool
agent_manager_gets_on(const struct agent *a)
{
	const int64_t patience = notify_patience_ms(&a->notify);
	const char *who;

	return behind_ms(a, &who) <= (patience < SAFE_HEALTHY_MS ? patience : SAFE_HEALTHY_MS);
}

static void
status_words(const struct agent *a, char *out, size_t size)
{
	uint64_t waiting = 0;

	for (unsigned i = 0; i < BL_STREAMS; i++)
		waiting += a->spool_status.spool.stream[i].waiting_batches;
	(void)snprintf(out, size, "%s%s, %llu batches wait", a->safe.active ? "SAFE MODE; " : "",
	    a->link_up ? "connected" : "not connected", (unsigned long long)waiting);
}

void
agent_manager_open(struct agent *a)
{
	struct bl_err err = { 0 };

	if (notify_open(&a->notify, &err) < 0)
		bl_warn("agent", "%s; the agent runs without it", err.msg);
}

void
agent_manager_ready(struct agent *a)
{
	char words[NOTIFY_TEXT_MAX];

	status_words(a, words, sizeof(words));
	notify_ready(&a->notify, words);
	(void)snprintf(a->manager_told, sizeof(a->manager_told), "%s", words);
}

int64_t
agent_manager_deadline(const struct agent *a)
{
	return notify_listens(&a->notify) ? a->next_alive_mono_ms : INT64_MAX;
}

static void
say_alive(struct agent *a, int64_t now)
{
	const char *who;
	const int64_t behind = behind_ms(a, &who);
	const bool well = behind <= notify_patience_ms(&a->notify);
	const int64_t next = notify_next_ms(&a->notify, well);
	unsigned swallowed;

	if (now < a->next_alive_mono_ms)
		return;
	a->next_alive_mono_ms = next < INT64_MAX - now ? now + next : INT64_MAX;
	if (well)
		notify_alive(&a->notify);
	else if (bl_log_allow(&a->behind_log, now, 60000, &swallowed))
		bl_error("agent",
		    "the thread %s has not got on for %lld s; the service manager is not told "
		    "that all is well, and ends and starts this agent when that lasts",
		    who, (long long)(behind / 1000));
}

void
agent_manager_tick(struct agent *a)
{
	char words[NOTIFY_TEXT_MAX];

	if (!notify_listens(&a->notify))
		return;
	say_alive(a, bl_mono_ms(a->clock));
	status_words(a, words, sizeof(words));
	if (strcmp(words, a->manager_told) == 0)
		return;
	notify_status(&a->notify, words);
	(void)snprintf(a->manager_told, sizeof(a->manager_told), "%s", words);
}
