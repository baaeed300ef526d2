/*
 * branchline torture: hands over to the Python program in provisioning/torture,
 * and tells it where the three programs are.  It is found beside this program as
 * `cmake --install` puts it, or in the source tree above a build folder.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "files.h"

#define UP_MAX   6  /* folders above the program in which its parts may lie */
#define ARGS_MAX 32 /* words of the command line */

/* Cuts "/name" off the end; false: there is none. */
static bool
up(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash == NULL)
		return false;
	*slash = '\0';
	return true;
}

/* "FOLDER/relative" of the first folder at or above from that has it. */
static bool
find(const char *from, const char *const *relative, char *out, size_t size)
{
	char folder[ORG_PATH_MAX];
	bool more = true;

	(void)snprintf(folder, sizeof(folder), "%s", from);
	for (int i = 0; i < UP_MAX && more; i++) {
		for (const char *const *r = relative; *r != NULL; r++)
			if ((size_t)snprintf(out, size, "%s/%s", folder, *r) < size &&
			    files_exists(out))
				return true;
		more = up(folder);
	}
	return false;
}

struct parts {
	char tool[ORG_PATH_MAX], agent[ORG_PATH_MAX], collector[ORG_PATH_MAX];
	char program[ORG_PATH_MAX];
};

static int
find_parts(struct parts *p, struct bl_err *err)
{
	static const char *const agent[] = { "branchline-agent", "agent/src/branchline-agent",
		NULL };
	static const char *const collector[] = { "branchline-collector",
		"collector/src/branchline-collector", NULL };
	static const char *const program[] = { "share/branchline/torture/__main__.py",
		"provisioning/torture/__main__.py", NULL };
	char folder[ORG_PATH_MAX];
	const ssize_t n = readlink("/proc/self/exe", p->tool, sizeof(p->tool) - 1);

	if (n < 0)
		return bl_fail_errno(err, BL_EIO, "find this program's own file");
	p->tool[n] = '\0';
	(void)snprintf(folder, sizeof(folder), "%s", p->tool);
	(void)up(folder);
	if (!find(folder, agent, p->agent, sizeof(p->agent)))
		return bl_fail(err, BL_ENOTFOUND,
		    "torture needs branchline-agent beside %s; install it there", p->tool);
	if (!find(folder, collector, p->collector, sizeof(p->collector)))
		return bl_fail(err, BL_ENOTFOUND,
		    "torture needs branchline-collector beside %s; install it there", p->tool);
	if (!find(folder, program, p->program, sizeof(p->program)))
		return bl_fail(err, BL_ENOTFOUND,
		    "torture's own files (share/branchline/torture) are not above %s; install them "
		    "with cmake --install",
		    p->tool);
	(void)up(p->program);
	return BL_OK;
}

/* Of what people give, only what the others of this tool take and this one must not. */
static int
check(int argc, char **argv, const struct command *self)
{
	if (argc > ARGS_MAX)
		return command_usage(self, "too many words");
	for (int i = 1; i < argc; i++)
		if (strncmp(argv[i], "--state", 7) == 0)
			return command_usage(self,
			    "it makes an organisation of its own and touches no other; --folder "
			    "DIR says where");
	return 0;
}

static int
run(int argc, char **argv, const struct command *self)
{
	char *words[ARGS_MAX + 16], python[] = "/usr/bin/python3";
	struct bl_err err = { 0 };
	struct parts p;
	int n = 0;

	if (check(argc, argv, self) != 0)
		return 2;
	if (find_parts(&p, &err) < 0)
		return command_failed(&err);
	/* No compiled copies beside the sources; Debian's own Python before any other. */
	words[n++] = files_exists(python) ? python : strrchr(python, '/') + 1;
	words[n++] = (char[]){ "-B" };
	words[n++] = p.program;
	words[n++] = (char[]){ "--tool" };
	words[n++] = p.tool;
	words[n++] = (char[]){ "--agent" };
	words[n++] = p.agent;
	words[n++] = (char[]){ "--collector" };
	words[n++] = p.collector;
	for (int i = 1; i < argc; i++)
		words[n++] = argv[i];
	words[n] = NULL;
	(void)execvp(words[0], words);
	(void)bl_fail_errno(&err, BL_ENOTFOUND, "run %s, which torture needs", words[0]);
	return command_failed(&err);
}

const struct command command_torture = {
	.name = "torture",
	.summary = "prove on this machine that nothing is lost or doubled",
	.help =
	    "usage: branchline torture --minutes N [--seed S] [--agents K] [--folder DIR] "
	    "[--keep]\n"
	    "                          [--language zh-CN|en]\n"
	    "       branchline torture --judge DIR\n\n"
	    "Makes an organisation of its own in a scratch folder (broker, collector, agents with\n"
	    "values that prove delivery) and for N minutes kills its programs with SIGKILL, alone "
	    "and\n"
	    "together, deletes the broker's database, makes links slow, silent and broken, rolls "
	    "a\n"
	    "spool back, sets the collector's store back and fills a spool up. Then everything is\n"
	    "mended, and the store is read and compared with what the agents had accepted. The "
	    "last\n"
	    "line is\n\n"
	    "    generated G accepted A stored S doubled D lost L explained E\n\n"
	    "No organisation that exists is touched, no root is needed, all ports are of "
	    "127.0.0.1.\n"
	    "Ctrl-C ends the torture early and judges what was done; a second one stops at "
	    "once.\n\n"
	    "  --minutes N   how long (0.1 to 10080); setting up and judging take half a minute "
	    "more\n"
	    "  --seed S      does the same to the same (default: a new one, which is printed)\n"
	    "  --agents K    how many (2 to 16, default: 3)\n"
	    "  --folder DIR  an empty or new folder (default: a new one below /tmp); about 10 MiB "
	    "and\n"
	    "                3 MiB a minute, at most 1 GiB; 300 MiB must be free\n"
	    "  --keep        keep the folder, also when all is well\n"
	    "  --judge DIR   judge a folder that was kept again, also on another machine\n"
	    "  --language L  of what is said (default: as the environment says)\n\n"
	    "exit codes: 0 nothing lost, nothing doubled, every loss named; 1 not so (the folder "
	    "is\n"
	    "kept); 2 wrong usage; 3 it could not be tried; 130 stopped, nothing was judged\n",
	.run = run,
};
