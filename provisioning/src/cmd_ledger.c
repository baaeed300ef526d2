/*
 * branchline ledger: is anything missing without a reason, and what is missing with
 * one.  The figures are the collector's; nothing is worked out here.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/clock.h"

#include "client.h"
#include "commands.h"

#define EXIT_UNEXPLAINED 3
#define ENTRIES_MAX      1000u /* the most that one answer of the API has */

struct answers {
	json_t *totals, *missing;
	json_t *untimed; /* entries without times, of the newest ones */
	bool more;       /* there are older ones */
};

static json_int_t
number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void
print_time(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	char when[BL_TIME_SIZE] = "unknown";

	if (json_is_integer(v))
		bl_time_utc(json_integer_value(v), when);
	(void)printf("%s", when);
}

/* 90061000 as "1d 1h 1m"; whole seconds below a minute. */
static void
print_span(json_int_t ms)
{
	static const struct {
		json_int_t ms;
		char letter;
	} units[] = { { 86400000, 'd' }, { 3600000, 'h' }, { 60000, 'm' }, { 1000, 's' } };
	unsigned said = 0;

	for (size_t i = 0; i < 4 && said < 3; i++) {
		if (ms < units[i].ms)
			continue;
		(void)printf("%s%" JSON_INTEGER_FORMAT "%c", said++ > 0 ? " " : "",
		    ms / units[i].ms, units[i].letter);
		ms %= units[i].ms;
	}
	if (said == 0)
		(void)printf("%s", ms > 0 ? "below 1s" : "-");
}

static void
print_sums(const json_t *reasons, const char *indent)
{
	const json_t *s;
	size_t i;

	json_array_foreach(reasons, i, s)
	{
		(void)printf("%s%-15s %8" JSON_INTEGER_FORMAT " entries %8" JSON_INTEGER_FORMAT
			     " batches %10" JSON_INTEGER_FORMAT " samples   ",
		    indent, client_text(s, "reason"), number(s, "entries"), number(s, "batches"),
		    number(s, "samples"));
		print_span(number(s, "time_ms"));
		if (json_is_integer(json_object_get(s, "first_unix_ms"))) {
			(void)printf("   ");
			print_time(s, "first_unix_ms");
			(void)printf(" to ");
			print_time(s, "last_unix_ms");
		}
		(void)putchar('\n');
	}
}

/* Both ends are known. */
static bool
is_timed(const json_t *entry)
{
	return json_is_integer(json_object_get(entry, "from_unix_ms")) &&
	       json_is_integer(json_object_get(entry, "to_unix_ms"));
}

/* An end of an entry: its time, else the bound that it lies within, else that it is not known. */
static void
print_end(const json_t *entry, const char *key, const char *bound, const char *words)
{
	if (!json_is_integer(json_object_get(entry, key)) &&
	    json_is_integer(json_object_get(entry, bound))) {
		(void)printf("%s", words);
		key = bound;
	}
	print_time(entry, key);
}

static void
print_when(const json_t *entry)
{
	print_end(entry, "from_unix_ms", "not_before_unix_ms", "not before ");
	(void)printf(" to ");
	print_end(entry, "to_unix_ms", "not_after_unix_ms", "not after ");
}

static void
print_seqs(const json_t *o)
{
	const json_int_t first = number(o, "seq_first"), last = number(o, "seq_last");

	if (first > 0 && first == last)
		(void)printf("batch %" JSON_INTEGER_FORMAT ", ", first);
	else if (first > 0)
		(void)printf(
		    "batches %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT ", ", first, last);
}

/* A line each; all others are in the sums with their times. */
static void
print_untimed(const json_t *untimed, bool more)
{
	const json_t *e;
	size_t i;

	if (json_array_size(untimed) > 0)
		(void)printf("entries whose times are not known, and what they lie between:\n");
	json_array_foreach(untimed, i, e)
	{
		(void)printf("  %s %s %s ", client_text(e, "device"), client_text(e, "stream"),
		    client_text(e, "reason"));
		print_seqs(e);
		print_when(e);
		if (number(e, "samples") > 0)
			(void)printf(", %" JSON_INTEGER_FORMAT " samples", number(e, "samples"));
		(void)putchar('\n');
	}
	if (more)
		(void)printf("looked for such entries among the newest %u only; ask for one device "
			     "with --device\n",
		    ENTRIES_MAX);
}

static void
print_missing(const json_t *m)
{
	static const struct {
		const char *what, *words;
	} words[] = {
		{ "unanswered", "the agent is asked" },
		{ "vanished", "the agent does not have it any more and knows no reason" },
		{ "hole", "no batch covers this time" },
		{ "samples", "accepted samples vanished before they were cut" },
	};
	const char *what = client_text(m, "what");

	(void)printf("  %s %s ", client_text(m, "device"), client_text(m, "stream"));
	print_seqs(m);
	print_when(m);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i].what, what) == 0)
			what = words[i].words;
	(void)printf(": %s\n", what);
}

static void
print_all(const struct answers *a)
{
	const json_t *totals = a->totals, *missing = a->missing;
	const json_t *u = json_object_get(totals, "unexplained"), *item;
	size_t i;

	(void)printf("unexplained gaps: %" JSON_INTEGER_FORMAT, number(u, "gaps"));
	if (number(u, "gaps") > 0) {
		(void)printf(" (%" JSON_INTEGER_FORMAT " batches), since ", number(u, "batches"));
		print_time(u, "since_unix_ms");
	}
	(void)putchar('\n');
	json_array_foreach(json_object_get(missing, "items"), i, item) print_missing(item);
	if (json_array_size(json_object_get(totals, "reasons")) > 0)
		(void)printf("losses by reason (times of all streams together):\n");
	print_sums(json_object_get(totals, "reasons"), "  ");
	json_array_foreach(json_object_get(totals, "devices"), i, item)
	{
		(void)printf("%s\n", client_text(item, "device"));
		print_sums(json_object_get(item, "reasons"), "  ");
	}
	if (json_is_true(json_object_get(totals, "more_devices")))
		(void)printf("more devices: ask for one with --device\n");
	print_untimed(a->untimed, a->more);
}

static int
parse(int argc, char **argv, const char **device, bool *json)
{
	static const struct option options[] = { { "device", required_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' }, { "state", required_argument, NULL, 's' },
		{ 0 } };
	int c;

	argv[0] = (char *)"branchline ledger"; /* for getopt's messages */
	optind = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'd')
			*device = optarg;
		else if (c == 'j')
			*json = true;
		else if (c != 's')
			return 2;
	}
	return 0;
}

static int
ask_untimed(const struct org *o, const char *device, struct answers *a, struct bl_err *err)
{
	json_t *page, *e;
	char path[160];
	size_t i;
	int rc;

	(void)snprintf(path, sizeof(path), "/gaps?limit=%u%s%s", ENTRIES_MAX,
	    device != NULL ? "&device=" : "", device != NULL ? device : "");
	if ((rc = client_call(o, "GET", path, NULL, &page, err)) < 0)
		return rc;
	a->untimed = json_array();
	json_array_foreach(json_object_get(page, "items"), i,
	    e) if (!is_timed(e) && json_array_append(a->untimed, e) != 0) rc =
	    bl_fail(err, BL_ENOMEM, "out of memory");
	a->more = json_is_string(json_object_get(page, "next"));
	json_decref(page);
	return rc;
}

static int
ask(const struct org *o, const char *device, struct answers *a, struct bl_err *err)
{
	char path[160], list[160];
	json_t *known = NULL;
	int rc;

	if (device != NULL &&
	    (device[0] == '\0' || strlen(device) > 63 ||
		strspn(device, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(device)))
		return bl_fail(err, BL_EINVAL,
		    "\"%.64s\" is not a device id; `branchline device list` shows them", device);
	if (device !=
	    NULL) { /* of one that is not there "0" would be a comfort by a typing error */
		(void)snprintf(path, sizeof(path), "/devices/%s", device);
		if ((rc = client_call(o, "GET", path, NULL, &known, err)) < 0)
			return rc;
		json_decref(known);
	}
	(void)snprintf(path, sizeof(path), "/gaps/totals%s%s", device != NULL ? "?device=" : "",
	    device != NULL ? device : "");
	(void)snprintf(list, sizeof(list), "/gaps/unexplained?limit=1000%s%s",
	    device != NULL ? "&device=" : "", device != NULL ? device : "");
	if ((rc = client_call(o, "GET", path, NULL, &a->totals, err)) < 0 ||
	    (rc = client_call(o, "GET", list, NULL, &a->missing, err)) < 0)
		return rc;
	return ask_untimed(o, device, a, err);
}

static int
run(int argc, char **argv, const struct command *self)
{
	struct answers a = { 0 };
	const char *device = NULL;
	struct bl_err err = { 0 };
	bool json = false;
	struct org o;
	int rc;

	if (parse(argc, argv, &device, &json) != 0)
		return 2;
	if (optind < argc)
		return command_usage(self, "unexpected argument \"%.40s\"", argv[optind]);
	if (command_org(argc, argv, &o, &err) < 0 || ask(&o, device, &a, &err) < 0) {
		rc = command_failed(&err);
	} else {
		if (json) {
			(void)json_object_set(
			    a.totals, "items", json_object_get(a.missing, "items"));
			(void)json_object_set(a.totals, "untimed", a.untimed);
			(void)json_dumpf(a.totals, stdout, JSON_INDENT(1));
			(void)putchar('\n');
		} else {
			print_all(&a);
		}
		rc = number(json_object_get(a.totals, "unexplained"), "gaps") > 0 ? EXIT_UNEXPLAINED
										  : 0;
	}
	json_decref(a.totals);
	json_decref(a.missing);
	json_decref(a.untimed);
	return rc;
}

const struct command command_ledger = {
	.name = "ledger",
	.summary = "is anything missing without a reason, and what with one",
	.help =
	    "usage: branchline ledger [--device ID] [--json]\n\n"
	    "Every stretch of data that will not come has one entry with a reason. What has none\n"
	    "is an unexplained gap: a range of batches, or a span of time that nothing covers.\n"
	    "Of some entries only the numbers of batches are known: they lie between what was\n"
	    "delivered before and after them.\n"
	    "Exit code 3: there are some.\n\n"
	    "  --device ID   only of this device\n"
	    "  --json        as the API says it (GET /gaps/totals, with /gaps/unexplained in "
	    "items,\n                and what has no times of /gaps in untimed)\n"
	    "  --state DIR   the organisation's state folder\n",
	.run = run,
};
