/*
 * The commands of `branchline`.  Each takes what follows its name and returns
 * an exit code: 0 done, 1 failed (said on standard error), 2 wrong usage.
 */
#ifndef COMMANDS_H
#define COMMANDS_H

#include <stdio.h>

#include "branchline/err.h"

#include "org.h"

struct command {
	const char *name;    /* "device" */
	const char *summary; /* one line for the overview */
	const char *help;    /* whole text for --help */
	int (*run)(int argc, char **argv, const struct command *self);
};

extern const struct command command_init;
extern const struct command command_site;
extern const struct command command_device;
extern const struct command command_user;
extern const struct command command_status;
extern const struct command command_define;
extern const struct command command_case;
extern const struct command command_incident;
extern const struct command command_demo;
extern const struct command command_torture;
extern const struct command command_ledger;
extern const struct command command_requeue;

/* Prints "branchline: message" and returns 1. */
int command_failed(const struct bl_err *err);
/* Prints what is wrong and where help is; returns 2. */
int command_usage(const struct command *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Loads the organisation that --state (anywhere in argv), or the default, names. */
int command_org(int argc, char **argv, struct org *o, struct bl_err *err);

/* Complains (2) when argv, from its second entry on, holds more than --state. */
int command_no_more(int argc, char **argv, const struct command *c);

/*
 * Moves the arguments behind argv[0] that are no option to argv[0..*argc - 1]; complains (2)
 * about any option but --state.
 */
int command_arguments(int *argc, char **argv, const struct command *c);

/* Terminal-safe: control characters become '?'.  command_print writes to standard output. */
void command_write(FILE *to, const char *text);
void command_print(const char *text);

#endif
