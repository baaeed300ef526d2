/*
 * plugins.yaml: which plug-ins run, how often, within which limits.  A file of its
 * own, since who may write it decides what is run; read as the agent's is (one
 * table, every error with its line), and refused unless it is root's or the
 * caller's alone.
 */
#ifndef PLUGINS_CONF_H
#define PLUGINS_CONF_H

#include <stdint.h>

#include "branchline/conf.h"
#include "branchline/err.h"

#define PLUGINS_FILE_DEFAULT   "/etc/branchline-plugins/plugins.yaml"
#define PLUGINS_SOCKET_DEFAULT "/run/branchline-agent/steps.sock"
#define PLUGINS_USER_DEFAULT   "branchline-plugins"
#define PLUGINS_MAX            500u /* checks */

struct plugins_check {
	char *name;
	struct bl_conf_strlist command; /* item[0]: absolute path */
	bool enabled;
	int64_t interval_ms, timeout_ms;
	int64_t max_memory, max_output; /* bytes */
};

struct plugins_conf {
	char *socket, *user;
	struct bl_conf_strlist allow; /* folders and files, absolute */
	int64_t parallel, max_processes, queue_bytes;
	struct bl_conf_list checks; /* struct plugins_check */
};

extern const struct bl_conf_section plugins_conf_section;

/*
 * Reads path into a new *out (plugins_conf_free).  Errors of the file as lines; errors is
 * filled always.  BL_EINVAL: the file is wrong; BL_EDENIED: somebody else could write it.
 */
int plugins_conf_load(
    struct plugins_conf **out, const char *path, struct bl_conf_errors *errors, struct bl_err *err);
void plugins_conf_free(struct plugins_conf *c); /* NULL is fine */

const struct plugins_check *plugins_conf_check(const struct plugins_conf *c, size_t i);
/* NULL: no check has this name. */
const struct plugins_check *plugins_conf_find(const struct plugins_conf *c, const char *name);

/*
 * Whether this program may be run: what it stands for, after symbolic links, lies within an entry
 * of allow, is a file of root's that can be executed, and neither it nor a folder on its way can be
 * written by anybody but root.  BL_OK, and *out is its path without symbolic links, the caller's to
 * free; or BL_EDENIED, BL_ENOTFOUND, BL_ENOMEM with a sentence.
 */
int plugins_allowed(const struct plugins_conf *c, const char *path, char **out, struct bl_err *err);

#endif
