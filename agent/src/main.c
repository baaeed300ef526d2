/* The program: picks the subcommand. */
#include <stdio.h>
#include <string.h>

#include "commands.h"

int
main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	for (const struct command *c = commands; c->name != NULL; c++)
		if (strcmp(name, c->name) == 0 ||
		    (c->dashed != NULL && strcmp(name, c->dashed) == 0))
			return c->run(argc - 2, argv + 2);
	if (strcmp(name, "-h") == 0) {
		cmd_print_help(stdout);
		return 0;
	}
	if (argc < 2)
		cmd_print_help(stderr);
	else
		(void)fprintf(stderr,
		    "branchline-agent: there is no command \"%s\"; `branchline-agent --help` lists "
		    "them\n",
		    name);
	return CMD_EXIT_USAGE;
}
