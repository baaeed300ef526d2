/*
 * Whether a program may be run (plugins_conf.h).  Looked at before each run, and what is run is the
 * path without symbolic links: since only root can change anything on it, nobody can put another
 * program in its place in between.
 */
#include "plugins_conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Whether path is entry or lies below it; both are absolute and without . and .. */
static bool
within(const char *path, const char *entry)
{
	const size_t n = strlen(entry);

	return strncmp(path, entry, n) == 0 &&
	       (path[n] == '\0' || path[n] == '/' || (n > 0 && entry[n - 1] == '/'));
}

/* path without symbolic links lies within an entry without symbolic links. */
static bool
listed(const struct plugins_conf *c, const char *path)
{
	bool found = false;

	for (size_t i = 0; i < c->allow.n && !found; i++) {
		char *entry = realpath(c->allow.item[i], NULL);

		found = entry != NULL && within(path, entry);
		free(entry);
	}
	return found;
}

static int
check_writers(const char *whole, const char *part, struct bl_err *err)
{
	struct stat st;

	if (lstat(part, &st) != 0)
		return bl_fail_errno(err, BL_ENOTFOUND, "look at %s", part);
	if (st.st_uid != 0)
		return bl_fail(
		    err, BL_EDENIED, "%s may not be run: %s is not owned by root", whole, part);
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return bl_fail(err, BL_EDENIED, "%s may not be run: others than root can write %s",
		    whole, part);
	return BL_OK;
}

/* path itself and each folder on its way. */
static int
check_way(const char *path, struct bl_err *err)
{
	char *copy = strdup(path), *slash;
	int rc;

	if (copy == NULL)
		return bl_fail(err, BL_ENOMEM, "look at %s: out of memory", path);
	rc = check_writers(path, copy, err);
	while (rc == BL_OK && (slash = strrchr(copy, '/')) != NULL && copy[1] != '\0') {
		slash[slash == copy] = '\0';
		rc = check_writers(path, copy, err);
	}
	free(copy);
	return rc;
}

static int
check_file(const char *path, struct bl_err *err)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return bl_fail_errno(err, BL_ENOTFOUND, "look at %s", path);
	if (!S_ISREG(st.st_mode) || (st.st_mode & 0111) == 0)
		return bl_fail(
		    err, BL_EDENIED, "%s may not be run: it is no executable file", path);
	return BL_OK;
}

int
plugins_allowed(const struct plugins_conf *c, const char *path, char **out, struct bl_err *err)
{
	char *real = realpath(path, NULL);
	int rc;

	*out = NULL;
	if (real == NULL)
		return bl_fail_errno(
		    err, errno == EACCES ? BL_EDENIED : BL_ENOTFOUND, "look for %s", path);
	if (!listed(c, real))
		rc = bl_fail(err, BL_EDENIED,
		    "%s may not be run: neither it nor its folder is in the list `allow`", path);
	else if ((rc = check_way(real, err)) == BL_OK)
		rc = check_file(real, err);
	if (rc == BL_OK)
		*out = real;
	else
		free(real);
	return rc;
}
