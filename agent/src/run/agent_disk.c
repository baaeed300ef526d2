/*
 * What the spool tells of its disk: events for the centre, words for people.
 *
 * While the disk cannot be written nothing can be told to the centre either;
 * it is told when it works again, with how long it did not.  A loss is not told
 * here: it is an entry in the ledger.
 */
#include "agent_internal.h"

#include <inttypes.h>

#include "status.h"

static void
on_replaced(void *ctx, const char *why)
{
	const struct agent_attr attrs[] = { { "why", why, 0 }, { NULL, NULL, 0 } };

	agent_clock_tell_again(ctx);
	agent_event(ctx, "spool.damaged", attrs);
}

static void
on_recovered(void *ctx, const struct spool_recovery *r)
{
	const struct agent_attr attrs[] = { { "batches", NULL, r->batches },
		{ "unreadable_batches", NULL, r->lost },
		{ "open_samples", NULL, (double)r->samples }, { NULL, NULL, 0 } };

	agent_event(ctx, "spool.recovered", attrs);
}

static void
on_working(void *ctx, enum spool_trouble trouble, int64_t failed_ms)
{
	struct agent *a = ctx;
	const struct agent_attr attrs[] = { { "reason", status_trouble_name(trouble), 0 },
		{ "failed_ms", NULL, (double)failed_ms }, { NULL, NULL, 0 } };

	/* A hiccup is no news; what lasted two ticks is. */
	if (failed_ms >= 2 * a->config->v->interval_ms)
		agent_event(a, "spool.disk", attrs);
}

void
agent_disk_calls(struct spool_calls *calls)
{
	calls->replaced = on_replaced;
	calls->recovered = on_recovered;
	calls->working = on_working;
}

void
agent_disk_found_damaged(struct agent *a, const char *why)
{
	on_replaced(a, why);
}

/* What is wrong, and what happens next. */
void
agent_disk_words(
    const struct agent *a, const struct spool_thread_status *st, char *out, size_t size)
{
	static const char *const what[] = {
		[SPOOL_FINE] = "",
		[SPOOL_DISK_FULL] = "the disk is full (or has no inode left)",
		[SPOOL_DISK_READ_ONLY] = "the disk is read-only",
		[SPOOL_DISK_FAILS] = "the disk fails, or may not be written",
		[SPOOL_HELD_BACK] =
		    "a reader of the spool file keeps its log from being worked off",
		[SPOOL_IS_DAMAGED] = "the spool is damaged and cannot be replaced yet",
		[SPOOL_NO_MEMORY] = "there is no memory left",
	};
	static const char *const act[] = {
		[SPOOL_FINE] = "",
		[SPOOL_DISK_FULL] = "; make room in ",
		[SPOOL_DISK_READ_ONLY] = "; make it writable again: ",
		[SPOOL_DISK_FAILS] = "; look at ",
		[SPOOL_HELD_BACK] = "; end what reads in ",
		[SPOOL_IS_DAMAGED] = "; make room in ",
		[SPOOL_NO_MEMORY] = "; it holds the spool in ",
	};
	const uint64_t left =
	    st->memory_max > st->memory_bytes ? st->memory_max - st->memory_bytes : 0;

	(void)snprintf(out, size,
	    "%s: sampling goes on, samples wait in memory (%" PRIu64 " of %" PRIu64
	    " KiB)%s; it is tried again at every tick%s%s",
	    what[st->trouble], st->memory_bytes / 1024, st->memory_max / 1024,
	    left > st->memory_max / 8
		? "; when that is full the oldest host samples are dropped and named in the ledger"
		: ", which is full: the oldest host samples are dropped and named in the ledger",
	    act[st->trouble], a->config->v->state_dir);
}
