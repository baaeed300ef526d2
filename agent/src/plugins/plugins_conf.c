/* The table of plugins.yaml, and reading it. */
#include "plugins_conf.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_BYTES 64

static const char *
check_path(const void *value)
{
	return (*(char *const *)value)[0] == '/' ? NULL : "an absolute path";
}

static const char *
check_name(const void *value)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
	const char *name = *(char *const *)value;

	return name[0] != '-' && name[strspn(name, chars)] == '\0'
		   ? NULL
		   : "a name of a-z, 0-9, hyphens, dots and underscores";
}

static const char *
check_paths(const void *value)
{
	const struct bl_conf_strlist *l = value;

	for (size_t i = 0; i < l->n; i++)
		if (l->item[i][0] != '/')
			return "absolute paths of folders or plug-ins";
	return NULL;
}

static const char *
check_command(const void *value)
{
	const struct bl_conf_strlist *l = value;

	return l->n > 0 && l->item[0][0] == '/'
		   ? NULL
		   : "a list: the plug-in's absolute path, then one entry an argument";
}

static const struct bl_conf_key check_keys[] = {
	{ .name = "name",
	    .type = BL_CONF_STR,
	    .offset = offsetof(struct plugins_check, name),
	    .min = 1,
	    .max = NAME_MAX_BYTES,
	    .help = "what the check is called at the centre",
	    .check = check_name },
	{ .name = "command",
	    .type = BL_CONF_STRLIST,
	    .offset = offsetof(struct plugins_check, command),
	    .max = 64,
	    .help = "the plug-in's absolute path and its arguments, one entry each; no shell reads "
		    "them",
	    .check = check_command },
	{ .name = "enabled",
	    .type = BL_CONF_BOOL,
	    .dflt = "yes",
	    .offset = offsetof(struct plugins_check, enabled),
	    .help = "run it" },
	{ .name = "interval",
	    .type = BL_CONF_DURATION,
	    .dflt = "1m",
	    .offset = offsetof(struct plugins_check, interval_ms),
	    .min = 100,
	    .max = 86400000,
	    .help = "time between runs, give or take a twentieth" },
	{ .name = "timeout",
	    .type = BL_CONF_DURATION,
	    .dflt = "10s",
	    .offset = offsetof(struct plugins_check, timeout_ms),
	    .min = 100,
	    .max = 3600000,
	    .help = "ended with all its processes, and UNKNOWN, after so long" },
	{ .name = "max_memory",
	    .type = BL_CONF_SIZE,
	    .dflt = "128MiB",
	    .offset = offsetof(struct plugins_check, max_memory),
	    .min = 1 << 20,
	    .max = 1ll << 40,
	    .help = "heap of each of its processes (RLIMIT_DATA)" },
	{ .name = "max_output",
	    .type = BL_CONF_SIZE,
	    .dflt = "64KiB",
	    .offset = offsetof(struct plugins_check, max_output),
	    .min = 256,
	    .max = 1 << 20,
	    .help = "ended, and UNKNOWN, when it prints more" },
	{ 0 },
};

static const struct bl_conf_section check_section = { "check", sizeof(struct plugins_check),
	check_keys, NULL };

static const struct bl_conf_key root_keys[] = {
	{ .name = "include",
	    .type = BL_CONF_INCLUDE,
	    .dflt = "",
	    .help = "further files, relative to the folder of the first one" },
	{ .name = "socket",
	    .type = BL_CONF_STR,
	    .dflt = PLUGINS_SOCKET_DEFAULT,
	    .offset = offsetof(struct plugins_conf, socket),
	    .min = 1,
	    .max = 4000,
	    .help = "the agent's socket: inlets.steps.socket of its configuration",
	    .check = check_path },
	{ .name = "user",
	    .type = BL_CONF_STR,
	    .dflt = PLUGINS_USER_DEFAULT,
	    .offset = offsetof(struct plugins_conf, user),
	    .min = 1,
	    .max = 32,
	    .help = "who plug-ins run as when root starts this; never root" },
	{ .name = "allow",
	    .type = BL_CONF_STRLIST,
	    .dflt = "",
	    .offset = offsetof(struct plugins_conf, allow),
	    .max = 64,
	    .help = "folders whose plug-ins may be run, or single plug-ins; root's, and writable "
		    "by nobody else; none: nothing is run",
	    .check = check_paths },
	{ .name = "parallel",
	    .type = BL_CONF_INT,
	    .dflt = "4",
	    .offset = offsetof(struct plugins_conf, parallel),
	    .min = 1,
	    .max = 32,
	    .help = "how many run at a time" },
	{ .name = "max_processes",
	    .type = BL_CONF_INT,
	    .dflt = "64",
	    .offset = offsetof(struct plugins_conf, max_processes),
	    .min = 2,
	    .max = 4096,
	    .help = "processes and threads of the user at a time, all plug-ins together "
		    "(RLIMIT_NPROC)" },
	{ .name = "queue",
	    .type = BL_CONF_SIZE,
	    .dflt = "1MiB",
	    .offset = offsetof(struct plugins_conf, queue_bytes),
	    .min = 16 << 10,
	    .max = 256 << 20,
	    .help = "reports that wait in memory while the agent takes none; beyond, the oldest "
		    "are dropped, events last" },
	{ .name = "checks",
	    .type = BL_CONF_LIST,
	    .dflt = "",
	    .offset = offsetof(struct plugins_conf, checks),
	    .max = PLUGINS_MAX,
	    .help = "what is run",
	    .section = &check_section,
	    .unique = "name" },
	{ 0 },
};

const struct bl_conf_section plugins_conf_section = { "plugins", sizeof(struct plugins_conf),
	root_keys, NULL };

/* part: the file itself, or a folder on its way.  In a sticky one nobody replaces another's file.
 */
static int
check_part(const char *file, const char *part, bool folder, struct bl_err *err)
{
	struct stat st;

	if (lstat(part, &st) != 0)
		return bl_fail_errno(err, BL_EIO, "look at %s", part);
	if ((st.st_uid == 0 || st.st_uid == geteuid()) &&
	    ((st.st_mode & (S_IWGRP | S_IWOTH)) == 0 || (folder && (st.st_mode & S_ISVTX) != 0)))
		return BL_OK;
	return bl_fail(err, BL_EDENIED,
	    "%s says what is run, and others than root can write %s: chown root and chmod go-w it",
	    file, folder ? part : "it");
}

/* Who writes it, or puts another in its place, says what is run. */
static int
check_owner(const char *path, struct bl_err *err)
{
	char *real = realpath(path, NULL), *slash;
	int rc;

	if (real == NULL)
		return bl_fail_errno(err, BL_EIO, "look at %s", path);
	rc = check_part(path, real, false, err);
	while (rc == BL_OK && real[1] != '\0' && (slash = strrchr(real, '/')) != NULL) {
		slash[slash == real] = '\0';
		rc = check_part(path, real, true, err);
	}
	free(real);
	return rc;
}

int
plugins_conf_load(
    struct plugins_conf **out, const char *path, struct bl_conf_errors *errors, struct bl_err *err)
{
	struct plugins_conf *c = calloc(1, sizeof(*c));
	struct bl_conf_sources sources = { 0 };
	int rc;

	*out = NULL;
	memset(errors, 0, sizeof(*errors));
	if (c == NULL)
		return bl_fail(err, BL_ENOMEM, "read %s: out of memory", path);
	rc = bl_conf_load_from(path, &plugins_conf_section, c, &sources, errors, err);
	if (rc < 0) {
		bl_conf_sources_free(&sources);
		free(c); /* released already */
		return rc;
	}
	for (size_t i = 0; rc == BL_OK && i < sources.n_files; i++)
		rc = check_owner(sources.file[i], err);
	bl_conf_sources_free(&sources);
	if (rc < 0) {
		plugins_conf_free(c);
		return rc;
	}
	*out = c;
	return BL_OK;
}

void
plugins_conf_free(struct plugins_conf *c)
{
	if (c == NULL)
		return;
	bl_conf_release(&plugins_conf_section, c);
	free(c);
}

const struct plugins_check *
plugins_conf_check(const struct plugins_conf *c, size_t i)
{
	return (const struct plugins_check *)c->checks.item + i;
}

const struct plugins_check *
plugins_conf_find(const struct plugins_conf *c, const char *name)
{
	for (size_t i = 0; i < c->checks.n; i++)
		if (strcmp(plugins_conf_check(c, i)->name, name) == 0)
			return plugins_conf_check(c, i);
	return NULL;
}
