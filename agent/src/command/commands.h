/* The subcommands: each takes what follows its name and returns the exit code. */
#ifndef COMMANDS_H
#define COMMANDS_H

#include <stdio.h>

struct command {
	const char *name;   /* NULL ends the table */
	const char *dashed; /* or NULL */
	const char *words;  /* what follows, but options */
	const char *summary;
	int (*run)(int argc, char **argv);
};

/* Everything that there is (command_table.c). */
extern const struct command commands[];
extern const char cmd_signals_text[], cmd_exit_codes_text[];
void cmd_print_help(FILE *to);

int cmd_run(int argc, char **argv);
int cmd_check_config(int argc, char **argv);
int cmd_print_config(int argc, char **argv);
int cmd_options(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_diagnose(int argc, char **argv);
int cmd_step(int argc, char **argv);
int cmd_loglines(int argc, char **argv);
int cmd_drop(int argc, char **argv);
int cmd_case(int argc, char **argv);
int cmd_event(int argc, char **argv);
int cmd_metric(int argc, char **argv);
int cmd_time(int argc, char **argv);
int cmd_setup(int argc, char **argv);
int cmd_plugins(int argc, char **argv);

/* ---- shared by them ---- */

struct config;

/* One option of a subcommand; value NULL: a flag. */
struct cmd_option {
	const char *name; /* "--config"; NULL ends the list */
	const char **value;
	int *flag;
};

/*
 * help has to name every one of options.  Reads options and up to max_words other words.  0: go on;
 * 1: --help was printed; 2: a mistake was told, exit with 64.
 */
int cmd_options_read(int argc, char **argv, const struct cmd_option *options, const char **words,
    int max_words, const char *help);
/* Loads a configuration or says every error on stderr; *exit_code is then 78 or 1. */
struct config *cmd_config(const char *path, int *exit_code);

/* The state folder: *dir as given, or out of the configuration, which is then *c (config_free).  0,
 * or an exit code. */
int cmd_state_dir(const char *config_path, const char **dir, struct config **c);

#define CMD_EXIT_USAGE 64 /* EX_USAGE of sysexits.h */

#endif
