/*
 * `branchline-agent plugins`: hands over to branchline-plugins, a program of its own, so that the
 * agent has nothing in it that runs others.
 */
#include "commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM "branchline-plugins"

static const char help[] =
    "usage: branchline-agent plugins run|list|test ...\n"
    "\n"
    "The program " PROGRAM "(1), which lies beside this one: runs monitoring plug-ins and\n"
    "reports what they say to the agent.\n";

int
cmd_plugins(int argc, char **argv)
{
	char path[4096] = "";
	const ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof(PROGRAM));
	char *slash = n > 0 ? strrchr(path, '/') : NULL;

	if (argc == 1 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)) {
		(void)fputs(help, stdout);
		return 0;
	}
	if (slash != NULL) {
		memcpy(slash + 1, PROGRAM, sizeof(PROGRAM));
		(void)execv(path, argv - 1); /* argv[-1] is the word "plugins" */
	}
	(void)fprintf(stderr, "branchline-agent: plugins: run %s: %s\n", path, strerror(errno));
	return 1;
}
