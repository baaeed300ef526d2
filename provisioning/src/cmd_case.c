/* branchline case: runs of business processes, and what became of one. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/clock.h"

#include "client.h"
#include "commands.h"

struct wanted {
	const char *process, *site;
	bool open;
};

static json_int_t
number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void
print_time(const json_t *o, const char *key)
{
	const json_t *t = json_object_get(o, key);
	char text[BL_TIME_SIZE] = "goes on";

	if (json_is_integer(t))
		bl_time_utc(json_integer_value(t), text);
	(void)printf("%-24s  ", text);
}

/* How long it took, in seconds; nothing of what goes on. */
static void
print_span(const json_t *o)
{
	const json_int_t ms = number(o, "end_unix_ms") - number(o, "begin_unix_ms");
	char text[40] = "";

	if (json_is_integer(json_object_get(o, "end_unix_ms")) &&
	    json_is_integer(json_object_get(o, "begin_unix_ms")))
		(void)snprintf(text, sizeof(text), "%.1f s", (double)ms / 1e3);
	(void)printf("%9s  ", text);
}

static void
print_case(const json_t *c)
{
	const char *status = client_text(c, "status");

	(void)printf("%-5" JSON_INTEGER_FORMAT " ", number(c, "no"));
	print_time(c, "begin_unix_ms");
	print_time(c, "end_unix_ms");
	print_span(c);
	command_print(client_text(c, "site"));
	(void)fputs("  ", stdout);
	command_print(client_text(c, "process"));
	(void)fputs("  ", stdout);
	command_print(client_text(c, "case"));
	(void)fputs(status[0] != '\0' ? "  " : "", stdout);
	command_print(status);
	(void)putchar('\n');
}

static int
list(const struct org *o, const struct wanted *w)
{
	struct bl_err err = { 0 };
	json_t *answer = NULL;
	const json_t *c;
	char path[256];
	size_t n;

	(void)snprintf(path, sizeof(path), "/cases?limit=100%s%s%s%s%s",
	    w->process != NULL ? "&process=" : "", w->process != NULL ? w->process : "",
	    w->site != NULL ? "&site=" : "", w->site != NULL ? w->site : "",
	    w->open ? "&open=true" : "");
	if (client_call(o, "GET", path, NULL, &answer, &err) < 0)
		return command_failed(&err);
	json_array_foreach(json_object_get(answer, "items"), n, c) print_case(c);
	if (n == 0)
		(void)printf("no cases\n");
	json_decref(answer);
	return 0;
}

static void
print_attributes(const json_t *attrs)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)attrs, name, value)
	{
		char *text = json_dumps(value, JSON_ENCODE_ANY);

		(void)fputs("  ", stdout);
		command_print(name);
		(void)putchar('=');
		command_print(json_is_string(value) ? json_string_value(value)
			      : text != NULL        ? text
						    : "");
		(void)putchar('\n');
		free(text);
	}
}

static int
show(const struct org *o, const char *no)
{
	struct bl_err err = { 0 };
	json_t *c = NULL;
	const json_t *step;
	char path[64];
	size_t i;

	(void)snprintf(path, sizeof(path), "/cases/%s", no);
	if (client_call(o, "GET", path, NULL, &c, &err) < 0)
		return command_failed(&err);
	print_case(c);
	(void)printf("steps\n");
	json_array_foreach(json_object_get(c, "steps"), i, step)
	{
		(void)fputs("  ", stdout);
		print_time(step, "begin_unix_ms");
		print_time(step, "end_unix_ms");
		print_span(step);
		command_print(client_text(step, "step"));
		(void)putchar('\n');
	}
	(void)printf("attributes\n");
	print_attributes(json_object_get(c, "attrs"));
	json_decref(c);
	return 0;
}

/* An id goes into a query as it is: it has no other letters. */
static bool
is_id(const char *text)
{
	const size_t n = strlen(text);

	return n > 0 && n <= 63 && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

static int
parse_list(int argc, char **argv, struct wanted *out, const struct command *self)
{
	static const struct option options[] = { { "process", required_argument, NULL, 'p' },
		{ "site", required_argument, NULL, 'i' }, { "open", no_argument, NULL, 'o' },
		{ "state", required_argument, NULL, 's' }, { 0 } };
	int c;

	argv[0] = (char *)"branchline case list"; /* for getopt's messages */
	optind = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == '?')
			return 2;
		if ((c == 'p' || c == 'i') && !is_id(optarg))
			return command_usage(
			    self, "expected an id (a-z, 0-9 and -), got \"%.70s\"", optarg);
		if (c == 'p')
			out->process = optarg;
		else if (c == 'i')
			out->site = optarg;
		else if (c == 'o')
			out->open = true;
	}
	return optind == argc ? 0
			      : command_usage(self, "unexpected argument \"%.40s\"", argv[optind]);
}

static int
run(int argc, char **argv, const struct command *self)
{
	struct wanted w = { 0 };
	struct bl_err err = { 0 };
	struct org o;

	if (argc < 2 || (strcmp(argv[1], "list") != 0 && strcmp(argv[1], "show") != 0))
		return command_usage(self, "expected list or show");
	if (command_org(argc, argv, &o, &err) < 0)
		return command_failed(&err);
	argc--;
	argv++;
	if (strcmp(argv[0], "list") == 0)
		return parse_list(argc, argv, &w, self) != 0 ? 2 : list(&o, &w);
	if (command_arguments(&argc, argv, self) != 0)
		return 2;
	if (argc != 1 || argv[0][0] == '\0' || strlen(argv[0]) > 18 ||
	    strspn(argv[0], "0123456789") != strlen(argv[0]))
		return command_usage(self, "expected the number of a case, as list shows it");
	return show(&o, argv[0]);
}

const struct command command_case = {
	.name = "case",
	.summary = "list runs of business processes, and show one",
	.help =
	    "usage: branchline case list [--process ID] [--site ID] [--open]\n"
	    "       branchline case show NUMBER\n\n"
	    "The newest 100 cases: number, begin and end (UTC), how long they took, site, "
	    "process,\n"
	    "name and status. show adds steps and attributes. The board shows both with events.\n\n"
	    "  --process ID   only of this process\n"
	    "  --site ID      only at this site\n"
	    "  --open         only those that have not ended\n"
	    "  --state DIR    the organisation's state folder\n",
	.run = run,
};
