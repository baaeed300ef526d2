/*
 * The state in words.  Reads the JSON object and trusts none of its members to
 * be there: it may come from another version's daemon.
 */
#include "status.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/clock.h"

#include "status_clean.h"
#include "status_meter.h"
#include "status_read.h"

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

	if (!status_has(o, key)) {
		(void)snprintf(out, size, "never");
		return;
	}
	duration(now - status_number(o, key), ago, sizeof(ago));
	bl_time_utc(status_number(o, key), utc);
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
	(void)fprintf(to, "link       %s since %s, broker %s:%" PRId64, status_text(link, "state"),
	    at, status_text(link, "host"), status_number(link, "port"));
	if (status_text(link, "address")[0] != '\0')
		(void)fprintf(to, " at %s", status_text(link, "address"));
	if (strcmp(status_text(link, "transport"), "websocket") == 0)
		(void)fputs(" over WebSocket", to);
	if (status_text(link, "proxy")[0] != '\0')
		(void)fprintf(to, " through the proxy %s", status_text(link, "proxy"));
	(void)fputc('\n', to);
	if (status_text(link, "why")[0] != '\0')
		(void)fprintf(to, "           why: %s\n", status_text(link, "why"));
	if (status_has(link, "retry_in_ms"))
		(void)fprintf(to, "           next attempt in %" PRId64 " s\n",
		    (status_number(link, "retry_in_ms") + 999) / 1000);
	if (status_number(link, "rival_returns_per_hour") > 0)
		(void)fprintf(to,
		    "           another machine uses this device's identity: they took turns "
		    "%" PRId64 " times within an hour; has this one\n           been copied? One "
		    "of them needs a"
		    " set-up file of its own\n",
		    status_number(link, "rival_returns_per_hour"));
	(void)fprintf(to,
	    "           %" PRId64 " connections of %" PRId64 " attempts since start\n",
	    status_number(link, "connects"), status_number(link, "attempts"));
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
	const char *state = status_text(u, "state");
	char at[96];

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(state, words[i].state) == 0)
			state = words[i].words;
	(void)fprintf(to,
	    "delivery   %s; %" PRId64 " in flight, %" PRId64 " sent, %" PRId64
	    " receipted, %" PRId64 " offered again\n",
	    state, status_number(u, "in_flight"), status_number(u, "published"),
	    status_number(u, "receipted"), status_number(u, "overdue"));
	when(u, "last_receipt_unix_ms", now, at, sizeof(at));
	(void)fprintf(to, "           last word of the collector: %s\n", at);
}

static void
print_stream(const char *name, const json_t *s, int64_t now, FILE *to)
{
	char size[32], age[32];

	bytes(status_number(s, "waiting_bytes"), size, sizeof(size));
	(void)fprintf(to, "  %-8s %" PRId64 " batches wait (%s", name,
	    status_number(s, "waiting_batches"), size);
	if (status_number(s, "waiting_batches") > 0 && status_has(s, "oldest_waiting_unix_ms")) {
		duration(now - status_number(s, "oldest_waiting_unix_ms"), age, sizeof(age));
		(void)fprintf(to, ", the oldest %s old", age);
	}
	(void)fprintf(to, "), receipted up to %" PRId64 " of %" PRId64,
	    status_number(s, "receipted_contiguous"), status_number(s, "next_seq") - 1);
	if (status_number(s, "dropped_batches") > 0)
		(void)fprintf(
		    to, ", %" PRId64 " dropped by policy", status_number(s, "dropped_batches"));
	(void)fputc('\n', to);
}

/* Of a damaged spool that this agent set aside. */
static void
print_recovery(const json_t *s, FILE *to)
{
	const json_t *r = json_object_get(s, "recovery");

	if (status_text(s, "set_aside")[0] == '\0')
		return;
	(void)fprintf(to,
	    "           a damaged one was set aside as %s: %" PRId64 " batches and %" PRId64
	    " open samples recovered, %" PRId64 " batches unreadable%s\n",
	    status_text(s, "set_aside"), status_number(r, "batches"),
	    status_number(r, "open_samples"), status_number(r, "unreadable_batches"),
	    json_is_true(json_object_get(r, "running")) ? ", so far" : "");
}

static void
print_spool(const json_t *s, int64_t now, FILE *to)
{
	static const char *const streams[] = { "events", "probes", "host" };
	char used[32], most[32], at[96];

	if (status_text(s, "device")[0] == '\0') {
		(void)fprintf(to, "spool      cannot be asked: %s\n", status_text(s, "problem"));
		return;
	}
	bytes(status_number(s, "file_bytes"), used, sizeof(used));
	bytes(status_number(s, "max_bytes"), most, sizeof(most));
	(void)fprintf(to,
	    "spool      %s of %s, id %s, %" PRId64 " series, %" PRId64 " samples accepted\n", used,
	    status_number(s, "max_bytes") > 0 ? most : "?", status_text(s, "id"),
	    status_number(s, "series"), status_number(s, "accepted_samples"));
	when(s, "last_commit_unix_ms", now, at, sizeof(at));
	(void)fprintf(to, "           last commit %s\n", at);
	when(s, "last_receipt_unix_ms", now, at, sizeof(at));
	(void)fprintf(to, "           last receipt %s\n", at);
	if (status_text(s, "problem")[0] != '\0')
		(void)fprintf(to, "           problem: %s\n", status_text(s, "problem"));
	print_recovery(s, to);
	for (size_t i = 0; i < 3; i++)
		print_stream(streams[i], json_object_get(json_object_get(s, "streams"), streams[i]),
		    now, to);
}

static void
print_gaps(const json_t *status, FILE *to)
{
	const json_t *gaps = json_object_get(status, "gaps"), *g;
	const int64_t all = status_number(json_object_get(status, "spool"), "gaps");
	char length[32];
	size_t i;

	(void)fprintf(to, "gaps       %" PRId64 " in the ledger%s\n", all,
	    json_array_size(gaps) > 0 ? ", the newest first:" : "");
	json_array_foreach(gaps, i, g)
	{
		if (i == 5)
			break;
		(void)fprintf(to, "  %-8s %s", status_text(g, "stream"), status_text(g, "reason"));
		if (status_has(g, "seq_first"))
			(void)fprintf(to, ", batches %" PRId64 " to %" PRId64,
			    status_number(g, "seq_first"), status_number(g, "seq_last"));
		if (status_has(g, "duration_ms")) {
			duration(status_number(g, "duration_ms"), length, sizeof(length));
			(void)fprintf(to, ", %s", length);
		}
		if (status_has(g, "samples"))
			(void)fprintf(to, ", %" PRId64 " samples", status_number(g, "samples"));
		(void)fputc('\n', to);
	}
}

/* How long ago, how sure. */
static void
print_known_clock(const json_t *clock, FILE *to)
{
	const bool ntp = strcmp(status_text(clock, "source"), "ntp") == 0;

	(void)fprintf(to, "clock      known from %s, within %" PRId64 " ms",
	    ntp ? "time synchronisation" : "the collector", status_number(clock, "uncertainty_ms"));
	if (ntp && !json_is_true(json_object_get(clock, "kernel_synced")))
		(void)fputs(" (synchronised no more)", to);
	if (status_number(clock, "measured_ms_ago") > 600000)
		(void)fprintf(to, ", last told %" PRId64 " min ago",
		    status_number(clock, "measured_ms_ago") / 60000);
	(void)fputc('\n', to);
	if (llabs(status_number(clock, "wall_less_known_ms")) > 2000)
		(void)fprintf(to,
		    "           this machine's own clock is %" PRId64 " s %s; it is not used\n",
		    (int64_t)llabs(status_number(clock, "wall_less_known_ms")) / 1000,
		    status_number(clock, "wall_less_known_ms") > 0 ? "ahead" : "behind");
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
		bl_time_utc(status_number(clock, "floor_unix_ms"), floor);
		(void)fprintf(to,
		    "           this machine's own clock is wrong: it is after %s%s\n", floor,
		    json_is_true(json_object_get(clock, "floor_by_certificate"))
			? " (the broker's certificate begins then)"
			: "");
	}
}

static json_int_t
sum_of(const json_t *counts)
{
	const char *name;
	json_t *n;
	json_int_t sum = 0;

	json_object_foreach((json_t *)(uintptr_t)counts, name, n) sum += json_integer_value(n);
	return sum;
}

/* "bad_name 3, too_many_series 12" */
static void
print_refused(const json_t *refused, FILE *to)
{
	const char *name, *between = " (";
	json_t *n;

	json_object_foreach((json_t *)(uintptr_t)refused, name, n)
	{
		if (json_integer_value(n) == 0)
			continue;
		(void)fprintf(
		    to, "%s%s %" JSON_INTEGER_FORMAT, between, name, json_integer_value(n));
		between = ", ";
	}
	if (between[0] == ',')
		(void)fputs(")", to);
}

/* refused: of the same inlet, by reason. */
static void
print_steps(const json_t *s, const json_t *refused, FILE *to)
{
	if (!json_is_true(json_object_get(s, "enabled"))) {
		(void)fputs("steps      not taken (inlets.steps.enabled)\n", to);
		return;
	}
	(void)fprintf(to,
	    "steps      at %s, %" PRId64 " connections; %" PRId64 " accepted, %" PRId64
	    " repeated, %" JSON_INTEGER_FORMAT " refused",
	    status_text(s, "socket"), status_number(s, "clients"), status_number(s, "accepted"),
	    status_number(s, "repeated"), sum_of(refused));
	print_refused(refused, to);
	(void)fputs("\n", to);
	if (status_text(s, "problem")[0] != '\0')
		(void)fprintf(to, "           problem: %s\n", status_text(s, "problem"));
}

/* All but the step socket, which has its line. */
static void
print_inlets(const json_t *inlets, FILE *to)
{
	const char *name;
	json_t *i;

	json_object_foreach((json_t *)(uintptr_t)inlets, name, i)
	{
		if (strcmp(name, "steps") == 0 || strcmp(status_text(i, "state"), "off") == 0)
			continue;
		(void)fprintf(to, "%-10s %s; %" PRId64 " taken, %" JSON_INTEGER_FORMAT " refused",
		    name, status_text(i, "state"),
		    status_number(json_object_get(i, "counts"), "accepted"),
		    sum_of(json_object_get(i, "refused")));
		print_refused(json_object_get(i, "refused"), to);
		if (status_number(i, "lost") > 0)
			(void)fprintf(to, ", %" PRId64 " lost", status_number(i, "lost"));
		if (status_number(i, "waiting") > 0)
			(void)fprintf(to, "; %" PRId64 " files wait", status_number(i, "waiting"));
		(void)fputs("\n", to);
		if (status_text(i, "problem")[0] != '\0')
			(void)fprintf(to, "           problem: %s\n", status_text(i, "problem"));
	}
}

static void
print_local(const json_t *l, FILE *to)
{
	if (status_text(l, "listen")[0] == '\0')
		return;
	(void)fprintf(to,
	    "local      page and /metrics at %s, %" PRId64 " answers, %" PRId64 " refused\n",
	    status_text(l, "listen"), status_number(l, "answers"),
	    status_number(l, "refused") + status_number(l, "busy"));
	if (status_text(l, "problem")[0] != '\0')
		(void)fprintf(to, "           problem: %s\n", status_text(l, "problem"));
}

static void
print_clean(const json_t *status, FILE *to)
{
	const int64_t now = status_number(status, "now_unix_ms");
	const json_t *sampling = json_object_get(status, "sampling");
	char at[96];

	(void)fprintf(to, "device %s", status_text(status, "device"));
	if (status_text(status, "site")[0] != '\0')
		(void)fprintf(to, " at site %s", status_text(status, "site"));
	(void)fputs(": ", to);
	print_health(status, to);
	if (json_object_get(status, "link") != NULL) {
		when(status, "started_unix_ms", now, at, sizeof(at));
		(void)fprintf(to, "agent      version %s, pid %" PRId64 ", started %s\n",
		    status_text(status, "software"), status_number(status, "pid"), at);
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
		    status_number(sampling, "interval_ms") / 1000, status_number(sampling, "ticks"),
		    status_number(sampling, "missed_ticks"), status_number(sampling, "probes"));
	if (json_object_get(status, "steps") != NULL)
		print_steps(json_object_get(status, "steps"),
		    json_object_get(
			json_object_get(json_object_get(status, "inlets"), "steps"), "refused"),
		    to);
	print_inlets(json_object_get(status, "inlets"), to);
	print_local(json_object_get(status, "local"), to);
}

void
status_print(const json_t *status, FILE *to)
{
	json_t *clean = status_clean(status);

	if (clean == NULL)
		(void)fputs("the state cannot be shown: out of memory\n", to);
	else
		print_clean(clean, to);
	json_decref(clean);
}
