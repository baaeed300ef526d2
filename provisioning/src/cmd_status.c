/* branchline status: what the collector says of itself. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "branchline/clock.h"

#include "client.h"
#include "commands.h"

static void
print_broker(const json_t *broker)
{
	(void)printf("broker     live %s, past %s", client_text(broker, "live"),
	    client_text(broker, "past"));
	if (client_text(broker, "why")[0] != '\0') {
		(void)printf(": ");
		command_print(client_text(broker, "why"));
	}
	(void)putchar('\n');
}

static int
run(int argc, char **argv, const struct command *self)
{
	static const char *const counts[] = { "batches", "samples", "set_aside", "conflicts",
		"unexplained" };
	char when[BL_TIME_SIZE] = "never";
	struct bl_err err = { 0 };
	json_t *s = NULL;
	const json_t *last;
	struct org o;

	if (command_no_more(argc, argv, self) != 0)
		return 2;
	if (command_org(argc, argv, &o, &err) < 0 ||
	    client_call(&o, "GET", "/status", NULL, &s, &err) < 0)
		return command_failed(&err);
	(void)printf("state      %s\nversion    %s\nepoch      %s\n", o.dir,
	    client_text(s, "version"), client_text(s, "epoch"));
	print_broker(json_object_get(s, "broker"));
	last = json_object_get(s, "last_commit_unix_ms");
	if (json_is_integer(last))
		bl_time_utc(json_integer_value(last), when);
	(void)printf("committed  %s\n", when);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		(void)printf("%-10s %" JSON_INTEGER_FORMAT "\n", counts[i],
		    json_integer_value(json_object_get(s, counts[i])));
	json_decref(s);
	return 0;
}

const struct command command_status = {
	.name = "status",
	.summary = "what the collector says of itself",
	.help = "usage: branchline status\n\n"
		"Asks the collector: its connections to the broker, its last commit, what it "
		"stored and\n"
		"what it set aside.\n\n"
		"  --state DIR   the organisation's state folder\n",
	.run = run,
};
