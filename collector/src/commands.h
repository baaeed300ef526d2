/* The subcommands: each takes what follows its name and returns the exit code. */
#ifndef COLLECTOR_COMMANDS_H
#define COLLECTOR_COMMANDS_H

int cmd_run(int argc, char **argv);
int cmd_check_config(int argc, char **argv);
int cmd_print_config(int argc, char **argv);
int cmd_options(int argc, char **argv);
int cmd_new_epoch(int argc, char **argv);

#define CMD_EXIT_USAGE 64 /* EX_USAGE of sysexits.h */

#endif
