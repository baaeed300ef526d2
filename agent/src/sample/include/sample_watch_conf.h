/*
 * The configuration of what is watched by name: processes, files, logs.
 *
 * Each entry of a `watch` list has a name of its own, which is the label of
 * its series.  As in sample_conf.h, structs are filled by bl_conf.
 */
#ifndef SAMPLE_WATCH_CONF_H
#define SAMPLE_WATCH_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "branchline/conf.h"

#define SAMPLE_WATCHES_MAX 32u /* entries of one list */

/* For bl_conf_key.check: good as a label. */
const char *sample_watch_name_check(const void *value);
/* For bl_conf_key.check of a path: absolute. */
const char *sample_watch_path_check(const void *value);

struct sample_process_watch {
	char *name;
	char *command;   /* pattern of the program's name; NULL: any */
	char *arguments; /* pattern of the whole command line; NULL: any */
};

struct sample_processes_conf {
	bool enabled;
	bool states;
	int64_t every_ms; /* between two walks; a tick that comes first waits for the next walk */
	int64_t max_processes;
	struct bl_conf_list watch; /* of struct sample_process_watch */
};

struct sample_file_watch {
	char *name;
	char *path;     /* absolute */
	char *match;    /* NULL: the thing itself; else the files of a folder with such names */
	bool recursive; /* and of the folders in it */
};

struct sample_files_conf {
	bool enabled;
	int64_t every_ms;
	int64_t max_entries;          /* of folders, in one look at one watched name */
	struct bl_conf_strlist types; /* further file systems to count as local */
	struct bl_conf_list watch;    /* of struct sample_file_watch */
};

struct sample_log_watch {
	char *name;
	char *path;   /* absolute */
	char *match;  /* regular expression: the lines that count */
	char *ignore; /* or NULL: lines that do not, although they match */
};

struct sample_logs_conf {
	bool enabled;
	int64_t max_bytes;            /* read of one log in one tick */
	char *state_file;             /* or NULL: positions end with the process */
	struct bl_conf_strlist types; /* further file systems to count as local */
	struct bl_conf_list watch;    /* of struct sample_log_watch */
};

#endif
