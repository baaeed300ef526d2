/* branchline incident: what is wrong, newest first. */
#include <stdio.h>
#include <string.h>

#include "branchline/clock.h"

#include "client.h"
#include "commands.h"

static void
print_time(const json_t *t, const char *none)
{
	char text[BL_TIME_SIZE];

	if (!json_is_integer(t)) {
		(void)printf("%-24s ", none);
		return;
	}
	bl_time_utc(json_integer_value(t), text);
	(void)printf("%-24s ", text);
}

static int
list(const struct org *o)
{
	struct bl_err err = { 0 };
	json_t *answer = NULL;
	const json_t *i;
	size_t n;

	if (client_call(o, "GET", "/incidents?limit=100", NULL, &answer, &err) < 0)
		return command_failed(&err);
	json_array_foreach(json_object_get(answer, "items"), n, i)
	{
		(void)printf("%-5lld %-8s %-12s ",
		    (long long)json_integer_value(json_object_get(i, "id")),
		    client_text(i, "severity"), client_text(i, "state"));
		print_time(json_object_get(i, "begin_unix_ms"), "");
		print_time(json_object_get(i, "end_unix_ms"), "goes on");
		command_print(client_text(i, "site"));
		(void)fputs("  ", stdout);
		command_print(client_text(i, "rule_name"));
		if (client_text(i, "subject")[0] != '\0') {
			(void)fputs("  ", stdout);
			command_print(client_text(i, "subject"));
		}
		(void)putchar('\n');
	}
	if (n == 0)
		(void)printf("no incidents\n");
	json_decref(answer);
	return 0;
}

static int
run(int argc, char **argv, const struct command *self)
{
	struct bl_err err = { 0 };
	struct org o;

	if (argc < 2 || strcmp(argv[1], "list") != 0)
		return command_usage(self, "expected list");
	if (command_org(argc, argv, &o, &err) < 0)
		return command_failed(&err);
	return command_no_more(argc - 1, argv + 1, self) != 0 ? 2 : list(&o);
}

const struct command command_incident = {
	.name = "incident",
	.summary = "list incidents",
	.help =
	    "usage: branchline incident list\n\n"
	    "The newest 100 incidents: number, severity, state, begin and end (UTC), site, rule, "
	    "and\n"
	    "what it is about. The board shows each with its cause, and is where people deal with "
	    "it.\n\n"
	    "  --state DIR   the organisation's state folder\n",
	.run = run,
};
