/*
 * Who may get at a file with a secret.  Looks at modes alone: an access control list shows in them
 * as its mask, which is the most that it gives to anybody but the owner.
 */
#include "branchline/secret.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool
ours_or_roots(const struct stat *st)
{
	return st->st_uid == 0 || st->st_uid == geteuid();
}

/* Where a service manager puts what it hands over.  folder has no slash at its end. */
static bool
holds_credentials(const char *folder)
{
	static const char all[] = "/run/credentials/";
	const char *given = getenv("CREDENTIALS_DIRECTORY");

	if (strncmp(folder, all, sizeof(all) - 1) == 0)
		return strchr(folder + sizeof(all) - 1, '/') == NULL;
	return given != NULL && given[0] == '/' && strcmp(folder, given) == 0;
}

static bool
is_credential(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];
	struct stat st;

	if (slash == NULL || slash == path || (size_t)(slash - path) >= sizeof(folder))
		return false;
	memcpy(folder, path, (size_t)(slash - path));
	folder[slash - path] = '\0';
	return holds_credentials(folder) && lstat(folder, &st) == 0 && S_ISDIR(st.st_mode) &&
	       (st.st_mode & (S_IWGRP | S_IRWXO)) == 0 && ours_or_roots(&st);
}

bool
bl_secret_is_open(const char *path, const struct stat *st)
{
	if ((st->st_mode & (S_IRWXG | S_IRWXO)) == 0)
		return false;
	return (st->st_mode & (S_IWGRP | S_IXGRP | S_IRWXO)) != 0 || !ours_or_roots(st) ||
	       !is_credential(path);
}
