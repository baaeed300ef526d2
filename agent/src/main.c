/* The program: picks the subcommand. */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "config.h"

static const char help[] =
    "branchline-agent " BL_VERSION " - samples a machine and the services it depends on\n"
    "\n"
    "usage: branchline-agent COMMAND [OPTIONS]\n"
    "\n"
    "commands\n"
    "  run            sample and deliver until SIGTERM; what a service manager starts\n"
    "  setup FILE     take in the file made by `branchline device add` at the centre\n"
    "  status         how it does: link, spool, receipts, gaps; also when it is dead\n"
    "  diagnose       step by step, why the link does not come up and what to do\n"
    "  step ...       report a step of a business process: begin, end, event, time\n"
    "  check-config   check the configuration: every error with its line\n"
    "  print-config   print the configuration in force, with all defaults\n"
    "  options        print every option with its type, default and bounds\n"
    "  version        print the version\n"
    "\n"
    "  COMMAND --help tells more. The configuration is " CONFIG_FILE_DEFAULT "\n"
    "  unless --config FILE names another.\n"
    "\n"
    "signals of `run`\n"
    "  SIGTERM, SIGINT  store what is open, say goodbye to the broker, exit 0 within 2 s\n"
    "  SIGHUP           read the configuration and the certificates again\n"
    "\n"
    "exit codes\n"
    "  0 done, 1 failed, 64 wrong usage, 78 the configuration is wrong\n"
    "  status: 0 healthy, 1 degraded, 2 not running\n";

static int
cmd_version(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	(void)puts("branchline-agent " BL_VERSION_LONG);
	return 0;
}

static int
cmd_help(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	(void)fputs(help, stdout);
	return 0;
}

/* The forms with dashes are the same; services and people write both. */
static const struct {
	const char *name, *dashed;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "run", NULL, cmd_run },
	{ "setup", NULL, cmd_setup },
	{ "status", NULL, cmd_status },
	{ "diagnose", NULL, cmd_diagnose },
	{ "step", NULL, cmd_step },
	{ "check-config", "--check-config", cmd_check_config },
	{ "print-config", "--print-config", cmd_print_config },
	{ "options", "--options", cmd_options },
	{ "version", "--version", cmd_version },
	{ "help", "--help", cmd_help },
};

int
main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(name, commands[i].name) == 0 ||
		    (commands[i].dashed != NULL && strcmp(name, commands[i].dashed) == 0))
			return commands[i].run(argc - 2, argv + 2);
	if (strcmp(name, "-h") == 0)
		return cmd_help(0, NULL);
	if (argc < 2)
		(void)fputs(help, stderr);
	else
		(void)fprintf(stderr,
		    "branchline-agent: there is no command \"%s\"; `branchline-agent --help` lists "
		    "them\n",
		    name);
	return CMD_EXIT_USAGE;
}
