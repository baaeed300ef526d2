/*
 * Looking at files: one fstatat an entry, some 3 us, and a cap on them.
 *
 * Folders are walked by descriptors, so that nobody who renames something
 * meanwhile can lead the walk elsewhere; a link is a link, not what it points
 * at.  The path itself may be one: it was configured.
 */
#include "sample_files_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct walk {
	const struct files_look *look;
	struct files_found *found;
	dev_t device;
};

static int64_t
changed_unix_ms(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
}

static void
count(struct files_found *found, const struct stat *st)
{
	const int64_t at = changed_unix_ms(st);

	if (found->count == 0 || at > found->newest_unix_ms)
		found->newest_unix_ms = at;
	if (found->count == 0 || at < found->oldest_unix_ms)
		found->oldest_unix_ms = at;
	found->count++;
	found->bytes += (uint64_t)st->st_size;
}

static int walk_folder(struct walk *w, int fd, unsigned depth, struct bl_err *err);

/* Takes what `entry` is in; a folder only when asked to. */
static int
look_at(struct walk *w, int folder, const char *entry, unsigned depth, struct bl_err *err)
{
	struct stat st;
	int fd;

	if (fstatat(folder, entry, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? BL_OK
				       : bl_fail_errno(err, BL_EIO, "files: look at %s in %s",
					     entry, w->look->path);
	if (S_ISREG(st.st_mode) && sample_glob(w->look->match, entry))
		count(w->found, &st);
	if (!S_ISDIR(st.st_mode) || !w->look->recursive || st.st_dev != w->device)
		return BL_OK;
	if (depth + 1 >= FILES_DEPTH) {
		w->found->more = true;
		return BL_OK;
	}
	fd = openat(folder, entry, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? BL_OK
				       : bl_fail_errno(err, BL_EIO, "files: open folder %s in %s",
					     entry, w->look->path);
	return walk_folder(w, fd, depth + 1, err);
}

/* Closes fd. */
static int
walk_folder(struct walk *w, int fd, unsigned depth, struct bl_err *err)
{
	char buf[2048] __attribute__((aligned(8))); /* as deep as FILES_DEPTH on the stack */
	int rc = BL_OK;
	long got = 0;

	while (rc == BL_OK && !w->found->more &&
	       (got = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0)
		for (long at = 0; rc == BL_OK && at < got && !w->found->more;) {
			const struct dirent64 *e = (const struct dirent64 *)(buf + at);

			at += e->d_reclen;
			if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
				continue;
			if (w->found->entries++ == w->look->max_entries)
				w->found->more = true;
			else
				rc = look_at(w, fd, e->d_name, depth, err);
		}
	if (rc == BL_OK && got < 0)
		rc = bl_fail_errno(err, BL_EIO, "files: list a folder in %s", w->look->path);
	(void)close(fd);
	return rc;
}

int
files_look(const struct files_look *look, struct files_found *found, struct bl_err *err)
{
	struct walk w = { .look = look, .found = found };
	struct stat st;
	int fd;

	memset(found, 0, sizeof(*found));
	if (stat(look->path, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR
			   ? BL_OK
			   : bl_fail_errno(err, BL_EIO, "files: look at %s", look->path);
	found->exists = true;
	if (look->match == NULL) {
		count(found, &st);
		return BL_OK;
	}
	fd = open(look->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return bl_fail_errno(err, BL_EIO, "files: open folder %s", look->path);
	w.device = st.st_dev;
	return walk_folder(&w, fd, 0, err);
}
