/*
 * The man pages, made from the tables that the agent itself goes by.
 *
 *   agent_man branchline-agent.1            the table of subcommands, and each one's --help
 *   agent_man branchline-agent.conf.5       the tables of the configuration
 *   agent_man branchline-plugins.1          what it says to --help
 *   agent_man branchline-plugins.conf.5     the table of plugins.yaml
 *
 * Run by the build, not installed.  What --help prints is caught by giving the command
 * another standard output.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "config_internal.h"
#include "plugins.h"

static void
print_as_it_is(const char *text)
{
	(void)puts(".PP\n.nf");
	bl_conf_print_roff(text, stdout);
	(void)puts(".fi");
}

/* What the command says when it is asked for help; free() it. */
static char *
help_of(const struct command *c, const char *word)
{
	char *args[] = { (char *)(uintptr_t)word, (char *)(uintptr_t) "--help", NULL };
	FILE *before = stdout;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	int code;

	if (f == NULL)
		return NULL;
	stdout = f;
	code = word != NULL ? c->run(2, args) : c->run(1, args + 1);
	stdout = before;
	if (fclose(f) != 0 || code != 0 || len == 0) {
		free(text);
		return NULL;
	}
	return text;
}

static bool
print_help_of(const struct command *c, const char *word)
{
	char *text = help_of(c, word);

	if (text == NULL) {
		(void)fprintf(stderr, "agent_man: %s has no help\n", c->name);
		return false;
	}
	print_as_it_is(text);
	free(text);
	return true;
}

static bool
print_command(const struct command *c)
{
	static const char *const steps[] = { "begin", "end", "event", "time" };
	bool good = true;

	(void)fputs(".SS ", stdout);
	bl_conf_print_roff(c->name, stdout);
	(void)fputc(' ', stdout);
	bl_conf_print_roff(c->words, stdout);
	(void)fputc('\n', stdout);
	bl_conf_print_roff(c->summary, stdout);
	(void)fputs(".\n", stdout);
	if (strcmp(c->name, "version") == 0 || strcmp(c->name, "help") == 0)
		return true;
	good = print_help_of(c, NULL);
	for (size_t i = 0; strcmp(c->name, "step") == 0 && i < sizeof(steps) / sizeof(*steps); i++)
		good = print_help_of(c, steps[i]) && good;
	return good;
}

static bool
page_1(void)
{
	bool good = true;

	(void)puts(
	    ".TH BRANCHLINE\\-AGENT 1 \"\" \"branchline " BL_VERSION "\" \"Branchline\"\n"
	    ".SH NAME\n"
	    "branchline\\-agent \\- samples a machine and the services it depends on\n"
	    ".SH SYNOPSIS\n"
	    ".B branchline\\-agent\n"
	    ".I COMMAND\n"
	    "[\\fIOPTIONS\\fR]\n"
	    ".SH DESCRIPTION\n"
	    "One small process on a branch server, till or field device. It samples the\n"
	    "machine, asks the services that the place depends on, keeps everything on disk\n"
	    "until the centre has it, and publishes it over TLS.\n"
	    "It goes on sampling whatever happens to the network.\n"
	    ".SH COMMANDS");
	for (const struct command *c = commands; c->name != NULL; c++)
		good = print_command(c) && good;
	(void)puts(".SH SIGNALS\nOf\n.BR run :");
	print_as_it_is(cmd_signals_text);
	(void)puts(".SH EXIT STATUS");
	print_as_it_is(cmd_exit_codes_text);
	(void)puts(".SH FILES\n.TP\n.I " CONFIG_FILE_DEFAULT "\nthe configuration\n.TP\n"
		   ".I " CONFIG_STATE_DEFAULT "\nthe spool, the saved time, the sockets\n"
		   ".SH SEE ALSO\n.BR branchline\\-agent.conf (5),\n.BR branchline\\-plugins (1)");
	return good;
}

static bool
print_keys(void)
{
	struct config_schema *s = config_schema_create();

	if (s == NULL)
		return false;
	bl_conf_print_man(&s->root_section, stdout);
	free(s);
	return true;
}

static bool
page_5(void)
{
	(void)puts(
	    ".TH BRANCHLINE\\-AGENT.CONF 5 \"\" \"branchline " BL_VERSION "\" \"Branchline\"\n"
	    ".SH NAME\n"
	    "branchline\\-agent.conf \\- configuration of branchline\\-agent\n"
	    ".SH DESCRIPTION\n"
	    ".I " CONFIG_FILE_DEFAULT "\n"
	    "is written in YAML, in sections of keys and values. Required are the address of the\n"
	    "broker and who this device is, which\n"
	    ".B branchline\\-agent setup\n"
	    "writes; everything else has a default that suits a till.\n"
	    ".B branchline\\-agent check\\-config\n"
	    "names every mistake with its file and line,\n"
	    ".B branchline\\-agent print\\-config\n"
	    "says what is in force and where it comes from. SIGHUP reads it again: a file with a\n"
	    "mistake is refused as a whole and nothing changes; device, state_dir and spool need "
	    "a\n"
	    "restart.\n"
	    ".PP\n"
	    "Names of files are relative to the folder of this file. Durations have a unit (ms, "
	    "s,\n"
	    "m, h, d), sizes may have one (KiB, MiB, GiB, TiB).\n"
	    ".SH INCLUDED FILES\n"
	    "The key\n"
	    ".B include\n"
	    "names further files, or patterns of such as in\n"
	    ".BR glob (7),\n"
	    "that are read in the order of their names' bytes as if they stood in this one:\n"
	    ".PP\n"
	    ".nf\n"
	    "include: conf.d/*.yaml\n"
	    ".fi\n"
	    ".PP\n"
	    "Sections are merged, lists of sections (probes, watch) go on, and any other key may\n"
	    "stand in one place alone: a second one is an error that names both. So nothing is\n"
	    "overridden by the order of files. Names in included files are relative to the folder\n"
	    "of the first one, too. A pattern may match nothing, a name has to be there. Included\n"
	    "files may include more; none may be read twice, and all together are at most 64.\n"
	    ".SH KEYS");
	return print_keys();
}

static bool
page_plugins_1(void)
{
	(void)puts(".TH BRANCHLINE\\-PLUGINS 1 \"\" \"branchline " BL_VERSION "\" \"Branchline\"\n"
		   ".SH NAME\n"
		   "branchline\\-plugins \\- runs monitoring plug\\-ins for branchline\\-agent\n"
		   ".SH DESCRIPTION");
	print_as_it_is(plugins_help);
	(void)puts(".SH FILES\n.TP\n.I " PLUGINS_FILE_DEFAULT "\nthe configuration\n"
		   ".SH SEE ALSO\n.BR branchline\\-plugins.conf (5),\n.BR branchline\\-agent (1)");
	return true;
}

static bool
page_plugins_5(void)
{
	(void)puts(
	    ".TH BRANCHLINE\\-PLUGINS.CONF 5 \"\" \"branchline " BL_VERSION "\" \"Branchline\"\n"
	    ".SH NAME\n"
	    "branchline\\-plugins.conf \\- which monitoring plug\\-ins branchline\\-plugins runs\n"
	    ".SH DESCRIPTION\n"
	    ".I " PLUGINS_FILE_DEFAULT "\n"
	    "is written in YAML, like\n"
	    ".BR branchline\\-agent.conf (5).\n"
	    "It is refused when anybody but root could write it, or a file that it includes. With\n"
	    "nothing in it nothing is run:\n"
	    ".PP\n"
	    ".nf\n"
	    "allow: [/usr/lib/nagios/plugins]\n"
	    "checks:\n"
	    "  \\- name: root\\-disk\n"
	    "    command: [/usr/lib/nagios/plugins/check_disk, \\-w, 10%, \\-c, 5%, \\-p, /]\n"
	    ".fi\n"
	    ".PP\n"
	    ".B branchline\\-plugins test root\\-disk\n"
	    "shows what would be reported. SIGHUP reads the file again: with a mistake in it\n"
	    "nothing changes; the user is changed by a restart alone.\n"
	    ".SH KEYS");
	bl_conf_print_man(&plugins_conf_section, stdout);
	(void)puts(".SH SEE ALSO\n.BR branchline\\-plugins (1)");
	return true;
}

static const struct {
	const char *name;
	bool (*print)(void);
} pages[] = {
	{ "branchline-agent.1", page_1 },
	{ "branchline-agent.conf.5", page_5 },
	{ "branchline-plugins.1", page_plugins_1 },
	{ "branchline-plugins.conf.5", page_plugins_5 },
};

int
main(int argc, char **argv)
{
	const char *which = argc == 2 ? argv[1] : "";

	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (strcmp(which, pages[i].name) == 0)
			return pages[i].print() && fflush(stdout) == 0 ? 0 : 1;
	(void)fputs("usage: agent_man PAGE\n", stderr);
	return 64;
}
