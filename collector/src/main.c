/* The program: picks the subcommand. */
#include <stdio.h>
#include <string.h>

#include "branchline/mqtt.h"

#include "commands.h"
#include "config.h"

static const char help[] =
    "branchline-collector " BL_VERSION " - takes in what the agents send, keeps and shows it\n"
    "\n"
    "usage: branchline-collector COMMAND [OPTIONS]\n"
    "\n"
    "commands\n"
    "  run            take in, keep and answer until SIGTERM; what a service manager starts\n"
    "  check-config   check the configuration: every error with its line\n"
    "  print-config   print the configuration in force, with all defaults\n"
    "  options        print every option with its type, default and bounds\n"
    "  new-epoch      after the telemetry store was restored from a backup\n"
    "  version        print the version\n"
    "\n"
    "  COMMAND --help tells more. The configuration is " CONFIG_FILE_DEFAULT "\n"
    "  unless --config FILE names another.\n"
    "\n"
    "signals of `run`\n"
    "  SIGTERM, SIGINT  commit what was received, close, exit 0\n"
    "\n"
    "exit codes\n"
    "  0 done, 1 failed, 64 wrong usage, 78 the configuration is wrong\n";

static int
cmd_version(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	(void)puts("branchline-collector " BL_VERSION_LONG);
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
	{ "check-config", "--check-config", cmd_check_config },
	{ "print-config", "--print-config", cmd_print_config },
	{ "options", "--options", cmd_options },
	{ "new-epoch", NULL, cmd_new_epoch },
	{ "version", "--version", cmd_version },
	{ "help", "--help", cmd_help },
};

int
main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	if (strcmp(name, "run") == 0)
		bl_mqtt_forget_proxies();
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
		    "branchline-collector: there is no command \"%s\"; `branchline-collector"
		    " --help` lists them\n",
		    name);
	return CMD_EXIT_USAGE;
}
