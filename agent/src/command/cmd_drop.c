/*
 * `branchline-agent drop`: what a file would become, for who writes a mapping.  Reports nothing,
 * and asks nothing of a running agent.
 */
#include "commands.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#include "cmd_tried.h"
#include "config.h"

static const char help[] =
    "usage: branchline-agent drop test FILE [--name NAME] [OPTIONS]\n"
    "\n"
    "Reads FILE as if it lay in the folder NAME of the configuration (inlets.drop.folders) and\n"
    "shows each row, below it what every mapping of `reports` would send, or why it would be\n"
    "set aside in bad/. Nothing is reported or moved, and the agent need not run.\n"
    "\n"
    "  --name NAME     the entry of inlets.drop.folders, where there are several\n"
    "  --json          an object a report: line, mapping, type, at, attributes; or error\n"
    "  --config FILE   the agent's configuration; it need not be the one in force\n"
    "\n"
    "Exit code 0: something would be sent, and nothing set aside; 1: else; 64: wrong usage; 78:\n"
    "the configuration is wrong.\n";

static void
on_report(void *ctx, uint64_t n, struct bl_str text, unsigned k, const struct inlet_report *r)
{
	cmd_tried_line(ctx, (unsigned long)n);
	cmd_tried_show(ctx, text.p, text.len);
	cmd_tried_sends(ctx, k, r, NULL);
}

static void
on_wrong(void *ctx, uint64_t n, struct bl_str text, const char *why)
{
	cmd_tried_line(ctx, (unsigned long)n);
	if (n > 0)
		cmd_tried_show(ctx, text.p, text.len);
	cmd_tried_wrong(ctx, n > 0 ? "set aside" : "the whole file is set aside", why);
}

static int
test(struct cmd_tried *t, const void *folder, const char *file, bool all)
{
	const struct drop_told told = { t, on_report, on_wrong };
	struct bl_err err = { 0 };
	uint64_t other = 0;
	const int rc = drop_try(folder, file, &told, &other, &err);

	(void)all;
	(void)fflush(stdout);
	if (rc < 0)
		(void)fprintf(stderr, "branchline-agent: drop: %s\n", err.msg);
	else
		(void)fprintf(stderr,
		    "%lu reports would be sent; %" PRIu64
		    " rows no mapping is for; %lu set aside\n",
		    t->reports, other, t->wrong);
	return rc;
}

int
cmd_drop(int argc, char **argv)
{
	static const struct cmd_trying what = { help, "mapping", "inlets.drop.folders",
		offsetof(struct config_inlets, drop.folders), sizeof(struct drop_folder_conf), true,
		test };

	return cmd_tried(argc, argv, &what);
}
