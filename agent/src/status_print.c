/*
 * The state in words.  Reads the JSON object and trusts none of its members to
 * be there: it may come from another version's daemon.
 */
#include "status.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/clock.h"

#include "status_meter.h"

static const char *
text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

static int64_t
number(const json_t *o, const char *key)
{
	return (int64_t)json_integer_value(json_object_get(o, key));
}

static bool
has(const json_t *o, const char *key)
{
	return json_is_integer(json_object_get(o, key));
}

static void
duration(int64_t ms, char *out, size_t size)
{
	if (ms < 0)
		ms = 0;
	if (ms < 120000)
		(void)snprintf(out, size, "%" PRId64 " s", ms / 1000);
	else if (ms < 2 * 3600000)
		(void)snprintf(out, size, "%" PRId64 " min", ms / 60000);
	else if (ms < 2 * 86400000LL)
		(void)snprintf(out, size, "%" PRId64 " h", ms / 3600000);
	else
		(void)snprintf(out, size, "%" PRId64 " days", ms / 86400000);
}

static void
bytes(int64_t n, char *out, size_t size)
{
	if (n < 10 * 1024)
		(void)snprintf(out, size, "%" PRId64 " B", n);
	else if (n < 10 * 1024 * 1024)
		(void)snprintf(out, size, "%" PRId64 " KiB", n / 1024);
	else
		(void)snprintf(out, size, "%" PRId64 " MiB", n / 1024 / 1024);
}

/* "12 s ago (2026-11-22T...)", or "never". */
static void
when(const json_t *o, const char *key, int64_t now, char *out, size_t size)
{
	char ago[32], utc[BL_TIME_SIZE];

	if (!has(o, key)) {
		(void)snprintf(out, size, "never");
		return;
	}
	duration(now - number(o, key), ago, sizeof(ago));
	bl_time_utc(number(o, key), utc);
	(void)snprintf(out, size, "%s ago (%s)", ago, utc);
}

static void
print_health(const json_t *status, FILE *to)
{
	const json_t *reasons = json_object_get(json_object_get(status, "health"), "reasons");

	switch (status_health(status)) {
	case STATUS_HEALTHY:
		(void)fputs("healthy\n", to);
		break;
	case STATUS_DEGRADED:
		(void)fputs("DEGRADED\n", to);
		break;
	case STATUS_DEAD:
		(void)fputs("NOT RUNNING: what follows was read from the spool file\n", to);
		return;
	}
	for (size_t i = 0; i < json_array_size(reasons); i++)
		(void)fprintf(to, "  - %s\n", json_string_value(json_array_get(reasons, i)));
}

static void
print_link(const json_t *link, int64_t now, FILE *to)
{
	char at[96];

	when(link, "since_unix_ms", now, at, sizeof(at));
	(void)fprintf(to, "link       %s since %s, broker %s:%" PRId64, text(link, "state"), at,
	    text(link, "host"), number(link, "port"));
	if (text(link, "address")[0] != '\0')
		(void)fprintf(to, " at %s", text(link, "address"));
	if (strcmp(text(link, "transport"), "websocket") == 0)
		(void)fputs(" over WebSocket", to);
	if (text(link, "proxy")[0] != '\0')
		(void)fprintf(to, " through the proxy %s", text(link, "proxy"));
	(void)fputc('\n', to);
	if (text(link, "why")[0] != '\0')
		(void)fprintf(to, "           why: %s\n", text(link, "why"));
	if (has(link, "retry_in_ms"))
		(void)fprintf(to, "           next attempt in %" PRId64 " s\n",
		    (number(link, "retry_in_ms") + 999) / 1000);
	if (number(link, "rival_returns_per_hour") > 0)
		(void)fprintf(to,
		    "           another machine uses this device's identity: they took turns "
		    "%" PRId64 " times within an hour; has this one\n           been copied? One "
		    "of them needs a"
		    " set-up file of its own\n",
		    number(link, "rival_returns_per_hour"));
	(void)fprintf(to,
	    "           %" PRId64 " connections of %" PRId64 " attempts since start\n",
	    number(link, "connects"), number(link, "attempts"));
}

static void
print_uplink(const json_t *u, int64_t now, FILE *to)
{
	static const struct {
		const char *state, *words;
	} words[] = {
		{ "down", "not talking to the collector (no connection)" },
		{ "hello", "waiting for the collector's answer to hello" },
		{ "settling", "working the collector's answer in" },
		{ "ready", "delivering" },
		{ "refused", "refused by the collector" },
	};
	const char *state = text(u, "state");
	char at[96];

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(state, words[i].state) == 0)
			state = words[i].words;
	(void)fprintf(to,
	    "delivery   %s; %" PRId64 " in flight, %" PRId64 " sent, %" PRId64
	    " receipted, %" PRId64 " offered again\n",
	    state, number(u, "in_flight"), number(u, "published"), number(u, "receipted"),
	    number(u, "overdue"));
	when(u, "last_receipt_unix_ms", now, at, sizeof(at));
	(void)fprintf(to, "           last word of the collector: %s\n", at);
}

static void
print_stream(const char *name, const json_t *s, int64_t now, FILE *to)
{
	char size[32], age[32];

	bytes(number(s, "waiting_bytes"), size, sizeof(size));
	(void)fprintf(
	    to, "  %-8s %" PRId64 " batches wait (%s", name, number(s, "waiting_batches"), size);
	if (number(s, "waiting_batches") > 0 && has(s, "oldest_waiting_unix_ms")) {
		duration(now - number(s, "oldest_waiting_unix_ms"), age, sizeof(age));
		(void)fprintf(to, ", the oldest %s old", age);
	}
	(void)fprintf(to, "), receipted up to %" PRId64 " of %" PRId64,
	    number(s, "receipted_contiguous"), number(s, "next_seq") - 1);
	if (number(s, "dropped_batches") > 0)
		(void)fprintf(to, ", %" PRId64 " dropped by policy", number(s, "dropped_batches"));
	(void)fputc('\n', to);
}

/* Of a damaged spool that this agent set aside. */
static void
print_recovery(const json_t *s, FILE *to)
{
	const json_t *r = json_object_get(s, "recovery");

	if (text(s, "set_aside")[0] == '\0')
		return;
	(void)fprintf(to,
	    "           a damaged one was set aside as %s: %" PRId64 " batches and %" PRId64
	    " open samples recovered, %" PRId64 " batches unreadable%s\n",
	    text(s, "set_aside"), number(r, "batches"), number(r, "open_samples"),
	    number(r, "unreadable_batches"),
	    json_is_true(json_object_get(r, "running")) ? ", so far" : "");
}

static void
print_spool(const json_t *s, int64_t now, FILE *to)
{
	static const char *const streams[] = { "events", "probes", "host" };
	char used[32], most[32], at[96];

	if (text(s, "device")[0] == '\0') {
		(void)fprintf(to, "spool      cannot be asked: %s\n", text(s, "problem"));
		return;
	}
	bytes(number(s, "file_bytes"), used, sizeof(used));
	bytes(number(s, "max_bytes"), most, sizeof(most));
	(void)fprintf(to,
	    "spool      %s of %s, id %s, %" PRId64 " series, %" PRId64 " samples accepted\n", used,
	    number(s, "max_bytes") > 0 ? most : "?", text(s, "id"), number(s, "series"),
	    number(s, "accepted_samples"));
	when(s, "last_commit_unix_ms", now, at, sizeof(at));
	(void)fprintf(to, "           last commit %s\n", at);
	when(s, "last_receipt_unix_ms", now, at, sizeof(at));
	(void)fprintf(to, "           last receipt %s\n", at);
	if (text(s, "problem")[0] != '\0')
		(void)fprintf(to, "           problem: %s\n", text(s, "problem"));
	print_recovery(s, to);
	for (size_t i = 0; i < 3; i++)
		print_stream(streams[i], json_object_get(json_object_get(s, "streams"), streams[i]),
		    now, to);
}

static void
print_gaps(const json_t *status, FILE *to)
{
	const json_t *gaps = json_object_get(status, "gaps"), *g;
	const int64_t all = number(json_object_get(status, "spool"), "gaps");
	char length[32];
	size_t i;

	(void)fprintf(to, "gaps       %" PRId64 " in the ledger%s\n", all,
	    json_array_size(gaps) > 0 ? ", the newest first:" : "");
	json_array_foreach(gaps, i, g)
	{
		if (i == 5)
			break;
		(void)fprintf(to, "  %-8s %s", text(g, "stream"), text(g, "reason"));
		if (has(g, "seq_first"))
			(void)fprintf(to, ", batches %" PRId64 " to %" PRId64,
			    number(g, "seq_first"), number(g, "seq_last"));
		if (has(g, "duration_ms")) {
			duration(number(g, "duration_ms"), length, sizeof(length));
			(void)fprintf(to, ", %s", length);
		}
		if (has(g, "samples"))
			(void)fprintf(to, ", %" PRId64 " samples", number(g, "samples"));
		(void)fputc('\n', to);
	}
}

/* How long ago, how sure. */
static void
print_known_clock(const json_t *clock, FILE *to)
{
	const bool ntp = strcmp(text(clock, "source"), "ntp") == 0;

	(void)fprintf(to, "clock      known from %s, within %" PRId64 " ms",
	    ntp ? "time synchronisation" : "the collector", number(clock, "uncertainty_ms"));
	if (ntp && !json_is_true(json_object_get(clock, "kernel_synced")))
		(void)fputs(" (synchronised no more)", to);
	if (number(clock, "measured_ms_ago") > 600000)
		(void)fprintf(to, ", last told %" PRId64 " min ago",
		    number(clock, "measured_ms_ago") / 60000);
	(void)fputc('\n', to);
	if (llabs(number(clock, "wall_less_known_ms")) > 2000)
		(void)fprintf(to,
		    "           this machine's own clock is %" PRId64 " s %s; it is not used\n",
		    (int64_t)llabs(number(clock, "wall_less_known_ms")) / 1000,
		    number(clock, "wall_less_known_ms") > 0 ? "ahead" : "behind");
}

static void
print_clock(const json_t *clock, FILE *to)
{
	char floor[BL_TIME_SIZE];

	if (!json_is_true(json_object_get(clock, "trusted")))
		(void)fputs("clock      not known: no time synchronisation here, and no answer of "
			    "the collector yet\n",
		    to);
	else
		print_known_clock(clock, to);
	if (json_is_true(json_object_get(clock, "wild")))
		(void)fputs(
		    "           this machine's own clock stands, or runs at a wrong speed\n", to);
	if (json_is_true(json_object_get(clock, "before_known_time"))) {
		bl_time_utc(number(clock, "floor_unix_ms"), floor);
		(void)fprintf(to,
		    "           this machine's own clock is wrong: it is after %s%s\n", floor,
		    json_is_true(json_object_get(clock, "floor_by_certificate"))
			? " (the broker's certificate begins then)"
			: "");
	}
}

static void
print_steps(const json_t *s, FILE *to)
{
	if (!json_is_true(json_object_get(s, "enabled"))) {
		(void)fputs("steps      not taken (inlets.steps.enabled)\n", to);
		return;
	}
	(void)fprintf(to,
	    "steps      at %s, %" PRId64 " connections; %" PRId64 " accepted, %" PRId64
	    " repeated, %" PRId64 " refused\n",
	    text(s, "socket"), number(s, "clients"), number(s, "accepted"), number(s, "repeated"),
	    number(s, "bad_lines") + number(s, "not_stored") + number(s, "late"));
	if (text(s, "problem")[0] != '\0')
		(void)fprintf(to, "           problem: %s\n", text(s, "problem"));
}

static void
print_local(const json_t *l, FILE *to)
{
	if (text(l, "listen")[0] == '\0')
		return;
	(void)fprintf(to,
	    "local      page and /metrics at %s, %" PRId64 " answers, %" PRId64 " refused\n",
	    text(l, "listen"), number(l, "answers"), number(l, "refused") + number(l, "busy"));
	if (text(l, "problem")[0] != '\0')
		(void)fprintf(to, "           problem: %s\n", text(l, "problem"));
}

void
status_print(const json_t *status, FILE *to)
{
	const int64_t now = number(status, "now_unix_ms");
	const json_t *sampling = json_object_get(status, "sampling");
	char at[96];

	(void)fprintf(to, "device %s", text(status, "device"));
	if (text(status, "site")[0] != '\0')
		(void)fprintf(to, " at site %s", text(status, "site"));
	(void)fputs(": ", to);
	print_health(status, to);
	if (json_object_get(status, "link") != NULL) {
		when(status, "started_unix_ms", now, at, sizeof(at));
		(void)fprintf(to, "agent      version %s, pid %" PRId64 ", started %s\n",
		    text(status, "software"), number(status, "pid"), at);
		print_link(json_object_get(status, "link"), now, to);
		print_uplink(json_object_get(status, "uplink"), now, to);
	}
	print_spool(json_object_get(status, "spool"), now, to);
	print_gaps(status, to);
	status_print_meter(status, to);
	if (json_object_get(status, "clock") != NULL)
		print_clock(json_object_get(status, "clock"), to);
	if (sampling != NULL)
		(void)fprintf(to,
		    "sampling   every %" PRId64 " s, %" PRId64 " ticks, %" PRId64
		    " missed, %" PRId64 " probes\n",
		    number(sampling, "interval_ms") / 1000, number(sampling, "ticks"),
		    number(sampling, "missed_ticks"), number(sampling, "probes"));
	if (json_object_get(status, "steps") != NULL)
		print_steps(json_object_get(status, "steps"), to);
	print_local(json_object_get(status, "local"), to);
}
