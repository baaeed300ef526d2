/*
 * branchline: the administrator's tool.  Sets up an organisation on this
 * machine and talks to its collector through the admin socket.  It keeps no
 * state of its own but the state folder's files.
 */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "commands.h"

static const struct command *const commands[] = {
	&command_init,
	&command_site,
	&command_device,
	&command_user,
	&command_status,
	&command_define,
	&command_case,
	&command_incident,
	&command_demo,
	&command_torture,
	&command_ledger,
	&command_requeue,
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

int
command_failed(const struct bl_err *err)
{
	(void)fputs("branchline: ", stderr);
	command_write(stderr, err->msg);
	(void)fputc('\n', stderr);
	return 1;
}

int
command_usage(const struct command *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)fprintf(stderr, "branchline %s: ", c->name);
	(void)vfprintf(stderr, fmt, ap);
	(void)fprintf(stderr, "; see `branchline %s --help`\n", c->name);
	va_end(ap);
	return 2;
}

int
command_org(int argc, char **argv, struct org *o, struct bl_err *err)
{
	static const struct option options[] = { { "state", required_argument, NULL, 's' }, { 0 } };
	const char *state = NULL;
	int c;

	/* Only --state matters here; the command's own scan complains about the rest. */
	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "-", options, NULL)) != -1)
		if (c == 's')
			state = optarg;
	opterr = 1;
	return org_load(o, state, err);
}

void
command_write(FILE *to, const char *text)
{
	for (; *text != '\0'; text++)
		(void)fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, to);
}

void
command_print(const char *text)
{
	command_write(stdout, text);
}

int
command_arguments(int *argc, char **argv, const struct command *c)
{
	static const struct option options[] = { { "state", required_argument, NULL, 's' }, { 0 } };
	char name[32], *const first = argv[0];
	int got;

	(void)snprintf(name, sizeof(name), "branchline %s", c->name);
	argv[0] = name; /* for getopt's messages */
	optind = 0;
	while ((got = getopt_long(*argc, argv, "", options, NULL)) != -1)
		if (got != 's')
			return 2;
	argv[0] = first;
	*argc -= optind;
	memmove(argv, argv + optind, (size_t)*argc * sizeof(*argv));
	return 0;
}

int
command_no_more(int argc, char **argv, const struct command *c)
{
	if (command_arguments(&argc, argv, c) != 0)
		return 2;
	return argc == 0 ? 0 : command_usage(c, "unexpected argument \"%.40s\"", argv[0]);
}

/* --help is heard anywhere: `branchline device add --help` is what people type. */
static bool
asks_help(int argc, char **argv)
{
	for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

static void
overview(FILE *to)
{
	(void)fprintf(to, "usage: branchline COMMAND [OPTION ...]\n\n"
			  "Sets up and looks after a Branchline organisation on this machine.\n\n"
			  "commands:\n");
	for (size_t i = 0; i < N_COMMANDS; i++)
		(void)fprintf(to, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
	(void)fprintf(to,
	    "\nevery command takes:\n"
	    "  --state DIR   the organisation's state folder (default: $BRANCHLINE_STATE, else\n"
	    "                /var/lib/branchline for root and ~/.local/state/branchline for "
	    "others)\n"
	    "  --help        what it does and its options\n\n"
	    "exit codes: 0 done, 1 failed, 2 wrong usage\n");
}

int
main(int argc, char **argv)
{
	char name[32];
	int rc;

	if (argc < 2) {
		overview(stderr);
		return 2;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		overview(stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
		(void)printf("branchline %s\n", BL_VERSION_LONG);
		return 0;
	}
	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (strcmp(argv[1], commands[i]->name) != 0)
			continue;
		if (asks_help(argc, argv)) {
			(void)fputs(commands[i]->help, stdout);
			return 0;
		}
		if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
			(void)fprintf(stderr, "branchline: cannot start the HTTP library\n");
			return 1;
		}
		(void)snprintf(name, sizeof(name), "branchline %s", commands[i]->name);
		argv[1] = name; /* for getopt's messages */
		rc = commands[i]->run(argc - 1, argv + 1, commands[i]);
		curl_global_cleanup();
		return fflush(stdout) == 0 ? rc : 1;
	}
	(void)fprintf(stderr, "branchline: no command \"%.40s\"\n\n", argv[1]);
	overview(stderr);
	return 2;
}
