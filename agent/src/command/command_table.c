/*
 * The subcommands there are, in the order of the help.  `branchline-agent --help`, main's
 * choice and the man page are all made of this one table.
 */
#include "commands.h"

#include <stddef.h>
#include <stdio.h>

#include "config.h"

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
	cmd_print_help(stdout);
	return 0;
}

/* The forms with dashes are the same; services and people write both. */
const struct command commands[] = {
	{ "run", NULL, "", "sample and deliver until SIGTERM; what a service manager starts",
	    cmd_run },
	{ "setup", NULL, "FILE", "take in the file made by `branchline device add` at the centre",
	    cmd_setup },
	{ "status", NULL, "", "how it does: link, spool, receipts, gaps; also when it is dead",
	    cmd_status },
	{ "top", NULL, "", "what it measures now, as it changes: values, probes, link", cmd_top },
	{ "diagnose", NULL, "", "step by step, why the link does not come up and what to do",
	    cmd_diagnose },
	{ "step", NULL, "...", "report a step of a business process: begin, end, event, time",
	    cmd_step },
	{ "case", NULL, "CASE ...", "report what became of a case: its status, its attributes",
	    cmd_case },
	{ "event", NULL, "TYPE ...", "report that something happened", cmd_event },
	{ "metric", NULL, "NAME VALUE", "report a value", cmd_metric },
	{ "time", NULL, "... -- CMD", "run a command as a step: what `step time` does", cmd_time },
	{ "plugins", NULL, "...",
	    "run monitoring plug-ins in a process of their own: run, list, test", cmd_plugins },
	{ "loglines", NULL, "test", "what lines of a log would become", cmd_loglines },
	{ "drop", NULL, "test FILE", "what a file in a drop folder would become", cmd_drop },
	{ "check-config", "--check-config", "",
	    "check the configuration: every error with its file and line", cmd_check_config },
	{ "print-config", "--print-config", "",
	    "print the configuration in force, and where each value comes from", cmd_print_config },
	{ "options", "--options", "", "print every option with its type, default and bounds",
	    cmd_options },
	{ "version", "--version", "", "print the version", cmd_version },
	{ "help", "--help", "", "print this", cmd_help },
	{ NULL, NULL, NULL, NULL, NULL },
};

const char cmd_signals_text[] =
    "  SIGTERM, SIGINT  store what is open, say goodbye to the broker, exit 0 within 2 s\n"
    "  SIGHUP           read the configuration and the certificates again\n";

const char cmd_exit_codes_text[] =
    "  0 done, 1 failed, 64 wrong usage, 78 the configuration is wrong\n"
    "  status: 0 healthy, 1 degraded, 2 not running\n";

void
cmd_print_help(FILE *to)
{
	(void)fputs("branchline-agent " BL_VERSION
		    " - samples a machine and the services it depends on\n"
		    "\n"
		    "usage: branchline-agent COMMAND [OPTIONS]\n"
		    "\n"
		    "commands\n",
	    to);
	for (const struct command *c = commands; c->name != NULL; c++) {
		char form[32];

		(void)snprintf(form, sizeof(form), "%s %s", c->name, c->words);
		(void)fprintf(to, "  %-14s %s\n", form, c->summary);
	}
	(void)fprintf(to,
	    "\n"
	    "  COMMAND --help tells more. The configuration is " CONFIG_FILE_DEFAULT "\n"
	    "  unless --config FILE names another; branchline-agent.conf(5) has its keys.\n"
	    "\n"
	    "signals of `run`\n%s\nexit codes\n%s",
	    cmd_signals_text, cmd_exit_codes_text);
}
