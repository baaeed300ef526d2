/*
 * Around the spool's file: the lock that keeps a second daemon out, the note
 * of its identity, and setting a file aside.
 *
 * The lock is flock(2) on "<path>.lock" and not SQLite's exclusive mode, which
 * would shut out readers of the status, too.  The lock file also says which
 * spool lies beside it, for the day when its first page cannot be read.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool_internal.h"

#define ASIDE_KEPT 3 /* files set aside; each may be as big as the spool */

int
file_lock(struct spool *s, struct bl_err *err)
{
	char path[4096];
	int fd;

	(void)snprintf(path, sizeof(path), "%s.lock", s->path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return bl_fail_errno(err, errno == EACCES || errno == EPERM ? BL_EDENIED : BL_EIO,
		    "open spool %s: lock", s->path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		const int code = errno == EWOULDBLOCK ? BL_EBUSY : BL_EIO;

		if (code == BL_EBUSY)
			(void)bl_fail(err, code,
			    "open spool %s: another agent is running on it; stop it first",
			    s->path);
		else
			(void)bl_fail_errno(err, code, "open spool %s: lock", s->path);
		(void)close(fd); /* nothing was written */
		return code;
	}
	s->lock_fd = fd;
	return BL_OK;
}

/* The id, and whose it is: the file may be gone, and the folder on another machine. */
void
file_note_identity(struct spool *s)
{
	char text[BL_ID_HEX_SIZE + BL_DEVICE_ID_MAX + 2];
	size_t len;

	bl_id_hex(&s->d.spool, text);
	len = (size_t)snprintf(text + BL_ID_HEX_SIZE - 1, sizeof(text) - BL_ID_HEX_SIZE + 1,
		  "\n%s\n", s->device) +
	      BL_ID_HEX_SIZE - 1;
	/* A help for damage, not a promise: without it the predecessor is unknown. */
	if (pwrite(s->lock_fd, text, len, 0) != (ssize_t)len)
		bl_debug("spool", "%s.lock: could not note the identity", s->path);
}

bool
file_noted_identity(struct spool *s, struct bl_id *id)
{
	char hex[BL_ID_HEX_SIZE];

	if (pread(s->lock_fd, hex, sizeof(hex), 0) != (ssize_t)sizeof(hex))
		return false;
	hex[BL_ID_HEX_SIZE - 1] = '\0';
	return bl_id_parse(hex, id) && !bl_id_is_zero(id);
}

bool
file_noted_other_device(struct spool *s)
{
	char name[BL_DEVICE_ID_MAX + 2];
	const ssize_t n = pread(s->lock_fd, name, sizeof(name) - 1, BL_ID_HEX_SIZE);

	if (n <= 0)
		return false; /* older ones note the id alone */
	name[n] = '\0';
	name[strcspn(name, "\n")] = '\0';
	return strcmp(name, s->device) != 0;
}

int64_t
file_bytes(const char *path, const char *suffix)
{
	char name[4096];
	struct stat sb;

	(void)snprintf(name, sizeof(name), "%s%s", path, suffix);
	return stat(name, &sb) == 0 ? (int64_t)sb.st_size : 0;
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* The length of a name without "-wal" or "-shm". */
static size_t
stem(const char *name)
{
	const size_t n = strlen(name);

	return n > 4 && (strcmp(name + n - 4, "-wal") == 0 || strcmp(name + n - 4, "-shm") == 0)
		   ? n - 4
		   : n;
}

static bool
same_stem(const char *a, const char *b)
{
	return stem(a) == stem(b) && strncmp(a, b, stem(a)) == 0;
}

bool
file_last_aside(const struct spool *s, const char *why, char *to, size_t to_size)
{
	char dir_buf[4096], base_buf[4096], prefix[4200];
	const size_t why_len = strlen(why);
	const char *dir;
	struct dirent **list;
	bool found = false;
	int n;

	(void)snprintf(dir_buf, sizeof(dir_buf), "%s", s->path);
	(void)snprintf(base_buf, sizeof(base_buf), "%s", s->path);
	dir = dirname(dir_buf);
	(void)snprintf(prefix, sizeof(prefix), "%s.aside-", basename(base_buf));
	if ((n = scandir(dir, &list, NULL, by_name)) < 0)
		return false;
	/* Names carry the time: the last one is the newest. */
	for (int i = n - 1; i >= 0 && !found; i--) {
		const char *name = list[i]->d_name;
		const size_t len = strlen(name);

		if (strncmp(name, prefix, strlen(prefix)) != 0 || stem(name) != len)
			continue;
		if (len < why_len || strcmp(name + len - why_len, why) != 0)
			break; /* the last one went for another reason */
		found = (size_t)snprintf(to, to_size, "%s/%s", dir, name) < to_size;
	}
	for (int i = 0; i < n; i++)
		free(list[i]);
	free(list);
	return found;
}

/* Removes the oldest files set aside beyond the number that is kept. */
static void
forget_old_ones(const char *path)
{
	char dir_buf[4096], base_buf[4096], name[8192], prefix[4200];
	const char *dir, *base, *last = "";
	struct dirent **list;
	int n, left = 0;

	(void)snprintf(dir_buf, sizeof(dir_buf), "%s", path);
	(void)snprintf(base_buf, sizeof(base_buf), "%s", path);
	dir = dirname(dir_buf);
	base = basename(base_buf);
	(void)snprintf(prefix, sizeof(prefix), "%s.aside-", base);
	if ((n = scandir(dir, &list, NULL, by_name)) < 0)
		return;
	/* From the newest back: names carry the time, and a log sorts beside its file. */
	for (int i = n - 1; i >= 0; i--) {
		if (strncmp(list[i]->d_name, prefix, strlen(prefix)) != 0)
			continue;
		left += !same_stem(last, list[i]->d_name);
		last = list[i]->d_name;
		(void)snprintf(name, sizeof(name), "%s/%s", dir, list[i]->d_name);
		if (left > ASIDE_KEPT && unlink(name) == 0)
			bl_warn("spool", "removed an old spool that was set aside file=%s", name);
	}
	for (int i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

void
file_finish_aside(const struct spool *s, const char *aside)
{
	char from[4096 + 8], to[4096 + 8];

	(void)snprintf(from, sizeof(from), "%s-wal", s->path);
	(void)snprintf(to, sizeof(to), "%s-wal", aside);
	if (access(to, F_OK) != 0 && rename(from, to) == 0)
		bl_info("spool", "the log follows its file file=%s", to);
}

int
file_set_aside(struct spool *s, const char *why, char *to, size_t to_size, struct bl_err *err)
{
	char from_name[4096], to_name[4096];
	const int64_t now = bl_unix_ms(s->clock);

	(void)snprintf(to, to_size, "%s.aside-%013lld-%s", s->path, (long long)now, why);
	/*
	 * The WAL last: a database that is left without it would be taken for an older
	 * one, a WAL that is left without its database is brought after it.
	 */
	if (rename(s->path, to) < 0 && errno != ENOENT)
		return bl_fail_errno(err, BL_EIO, "set spool %s aside: %s", s->path, to);
	(void)snprintf(from_name, sizeof(from_name), "%s-wal", s->path);
	(void)snprintf(to_name, sizeof(to_name), "%s-wal", to);
	if (rename(from_name, to_name) < 0 && errno != ENOENT)
		return bl_fail_errno(err, BL_EIO, "set spool %s aside: %s", s->path, to_name);
	(void)snprintf(from_name, sizeof(from_name), "%s-shm", s->path);
	if (unlink(from_name) < 0 && errno != ENOENT)
		return bl_fail_errno(err, BL_EIO, "set spool %s aside: %s", s->path, from_name);
	forget_old_ones(s->path);
	return BL_OK;
}
