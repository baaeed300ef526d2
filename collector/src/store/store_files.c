/*
 * Around the store's file: what is set aside when it is damaged.
 *
 * "telemetry.db.damaged-20261128T043000Z", its log beside it with "-wal".  Names
 * carry the time, so that the last one by name is the newest.  Three are kept, but
 * none goes that was not gone through yet.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store_internal.h"

#include "branchline/log.h"

#define ASIDE_KEPT 3

int64_t
store_file_bytes(const char *path, const char *suffix)
{
	char name[STORE_PATH_MAX];
	struct stat sb;

	(void)snprintf(name, sizeof(name), "%s%s", path, suffix);
	return stat(name, &sb) == 0 ? (int64_t)sb.st_size : -1;
}

const char *
store_file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

static bool
ends_in(const char *name, const char *suffix)
{
	const size_t n = strlen(name), k = strlen(suffix);

	return n > k && strcmp(name + n - k, suffix) == 0;
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

struct aside_list {
	struct dirent **entry;
	int n;
	char dir[STORE_PATH_MAX], prefix[256];
};

static void
list_aside(const char *path, struct aside_list *l)
{
	const char *name = store_file_name(path);

	(void)snprintf(l->dir, sizeof(l->dir), "%.*s", name == path ? 1 : (int)(name - path),
	    name == path ? "." : path);
	(void)snprintf(l->prefix, sizeof(l->prefix), "%.200s.damaged-", name);
	l->entry = NULL;
	if ((l->n = scandir(l->dir, &l->entry, NULL, by_name)) < 0)
		l->n = 0;
}

static void
list_free(struct aside_list *l)
{
	for (int i = 0; i < l->n; i++)
		free(l->entry[i]);
	free(l->entry);
}

static bool
listed(const struct aside_list *l, int i)
{
	return strncmp(l->entry[i]->d_name, l->prefix, strlen(l->prefix)) == 0;
}

void
store_aside_files(const char *path, struct store_aside_files *out)
{
	struct aside_list l;
	char file[STORE_PATH_MAX + 300];
	struct stat sb;

	memset(out, 0, sizeof(*out));
	list_aside(path, &l);
	for (int i = 0; i < l.n; i++) {
		if (!listed(&l, i))
			continue;
		(void)snprintf(file, sizeof(file), "%s/%s", l.dir, l.entry[i]->d_name);
		if (stat(file, &sb) == 0)
			out->bytes += (int64_t)sb.st_size;
		/* A log counts with its database, or alone when that is all there was. */
		(void)snprintf(file, sizeof(file), "%s", l.entry[i]->d_name);
		if (ends_in(file, "-wal"))
			file[strlen(file) - 4] = '\0';
		if (strcmp(out->newest, file) != 0)
			out->n++;
		(void)snprintf(
		    out->newest, sizeof(out->newest), "%.*s", (int)sizeof(out->newest) - 1, file);
	}
	list_free(&l);
}

/* The oldest go, when more than three are there; called when all have been gone through. */
void
store_forget_aside(const char *path)
{
	struct store_aside_files files;
	struct aside_list l;
	char file[STORE_PATH_MAX + 300];
	unsigned excess;

	store_aside_files(path, &files);
	excess = files.n > ASIDE_KEPT ? files.n - ASIDE_KEPT : 0;
	list_aside(path, &l);
	for (int i = 0; i < l.n && excess > 0; i++) {
		if (!listed(&l, i))
			continue;
		(void)snprintf(file, sizeof(file), "%s/%s", l.dir, l.entry[i]->d_name);
		if (unlink(file) == 0)
			bl_warn("store",
			    "removed the oldest damaged store that was set aside file=%s", file);
		/* The next name is its log, or another one's database. */
		if (i + 1 == l.n || !ends_in(l.entry[i + 1]->d_name, "-wal"))
			excess--;
	}
	list_free(&l);
}

static void
aside_name(const struct store *s, char out[STORE_PATH_MAX])
{
	const time_t now = (time_t)(bl_unix_ms(s->clock) / 1000);
	char when[32] = "19700101T000000Z";
	struct tm tm;
	int n = 1;

	if (gmtime_r(&now, &tm) != NULL)
		(void)strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm);
	do
		(void)snprintf(out, STORE_PATH_MAX, n == 1 ? "%s.damaged-%s" : "%s.damaged-%s.%d",
		    s->path, when, n);
	while (
	    ++n < 1000 && (store_file_bytes(out, "") >= 0 || store_file_bytes(out, "-wal") >= 0));
}

static int
move(const char *from, const char *from_suffix, const char *to, const char *to_suffix,
    struct bl_err *err)
{
	char a[STORE_PATH_MAX], b[STORE_PATH_MAX];

	(void)snprintf(a, sizeof(a), "%s%s", from, from_suffix);
	(void)snprintf(b, sizeof(b), "%s%s", to, to_suffix);
	if (rename(a, b) != 0 && errno != ENOENT)
		return bl_fail_errno(err, BL_EIO, "set damaged store %s aside", a);
	return BL_OK;
}

int
store_set_aside(const struct store *s, char to[STORE_PATH_MAX], struct bl_err *err)
{
	char shm[STORE_PATH_MAX];
	int rc;

	aside_name(s, to);
	/* The log first: a database without its log would be taken for an older copy. */
	if ((rc = move(s->path, "-wal", to, "-wal", err)) < 0 ||
	    (rc = move(s->path, "", to, "", err)) < 0)
		return rc;
	(void)snprintf(shm, sizeof(shm), "%s-shm", s->path);
	if (unlink(shm) != 0 && errno != ENOENT)
		return bl_fail_errno(err, BL_EIO, "set damaged store aside: remove %s", shm);
	return BL_OK;
}

int
store_copy_log_aside(const struct store *s, char to[STORE_PATH_MAX], struct bl_err *err)
{
	char from[STORE_PATH_MAX], name[STORE_PATH_MAX];
	uint8_t buf[16384];
	ssize_t n = 0;
	int in, out, rc = BL_OK;

	aside_name(s, to);
	(void)snprintf(from, sizeof(from), "%s-wal", s->path);
	(void)snprintf(name, sizeof(name), "%s-wal", to);
	/* SQLite keeps no lock on the log itself, so closing it here loses none. */
	if ((in = open(from, O_RDONLY | O_CLOEXEC)) < 0)
		return bl_fail_errno(err, BL_EIO, "keep %s", from);
	if ((out = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) < 0) {
		rc = bl_fail_errno(err, BL_EIO, "keep %s as %s", from, name);
		(void)close(in);
		return rc;
	}
	while (rc == BL_OK && (n = read(in, buf, sizeof(buf))) > 0)
		if (write(out, buf, (size_t)n) != n)
			rc = bl_fail_errno(err, BL_EIO, "keep %s as %s", from, name);
	if (n < 0)
		rc = bl_fail_errno(err, BL_EIO, "keep %s", from);
	(void)close(in);
	if ((close(out) != 0 || rc < 0) && rc == BL_OK)
		rc = bl_fail_errno(err, BL_EIO, "keep %s as %s", from, name);
	if (rc < 0)
		(void)unlink(name);
	return rc;
}
