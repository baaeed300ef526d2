/*
 * What lines and rows would become, for who writes a pattern or a mapping: shared by `loglines
 * test` and `drop test`.  A line is shown once, before what is said of it.
 */
#ifndef CMD_TRIED_H
#define CMD_TRIED_H

#include <stdbool.h>
#include <stddef.h>

#include "branchline/conf.h"
#include "branchline/err.h"

#include "inlet_report.h"

struct cmd_tried {
	const char *by; /* "pattern" or "mapping": who makes reports of a line, counted from 1 */
	bool json;
	bool shown; /* the line that is tried */
	unsigned long line;
	unsigned long reports, refused, wrong;
};

/* This line is tried now. */
void cmd_tried_line(struct cmd_tried *t, unsigned long line);
void cmd_tried_show(struct cmd_tried *t, const char *line, size_t len);
/* i from 0.  refused: why the agent would not take it, or NULL. */
void cmd_tried_sends(
    struct cmd_tried *t, unsigned i, const struct inlet_report *r, const char *refused);
void cmd_tried_wrong(struct cmd_tried *t, const char *becomes, const char *why);
/* With --json: an object of the line and this. */
void cmd_tried_tell(const struct cmd_tried *t, const char *member, const char *text);

/* What one of the two commands is. */
struct cmd_trying {
	const char *help, *by;
	const char *key; /* of its list, for people */
	size_t list;     /* its place in struct config_inlets; its items begin with their name */
	size_t size;     /* of an item */
	bool file;       /* it reads a file that is named; else standard input, and has --all */
	/* Tries all, and says in a line what came of it.  Negative: that was said, too. */
	int (*test)(struct cmd_tried *t, const void *entry, const char *file, bool all);
};

/* `NAME test ...`: the exit code. */
int cmd_tried(int argc, char **argv, const struct cmd_trying *what);

#endif
