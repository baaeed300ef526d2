/*
 * The ballast: a file of nothing beside the spool.  When the disk is full it is
 * given up, so that there is room for the commits that put things in order
 * (dropping by policy writes, too); it is made again when the disk has room.
 *
 * The room it leaves is for whoever comes first; where another writer takes it,
 * samples wait in memory as they would have without.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "spool_internal.h"

#define ROOM 4 /* times its size must be free before it is made */

static void
name_of(const struct spool *s, char *out, size_t size)
{
	(void)snprintf(out, size, "%s.ballast", s->path);
}

static bool
has_room(const struct spool *s)
{
	struct statvfs st;

	return statvfs(s->path, &st) == 0 &&
	       (uint64_t)st.f_bavail * st.f_frsize >= (uint64_t)s->ballast_bytes * ROOM;
}

void
ballast_keep(struct spool *s)
{
	char name[4096];
	int fd, rc;

	if (s->ballast_bytes <= 0)
		return;
	name_of(s, name, sizeof(name));
	if (file_bytes(name, "") == s->ballast_bytes) {
		s->disk_full = false;
		return;
	}
	if (!has_room(s) || (fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) < 0)
		return; /* looked at again with the next trimming */
	rc = posix_fallocate(fd, 0, s->ballast_bytes);
	if (close(fd) != 0 || rc != 0) {
		(void)unlink(name); /* half of it helps nobody */
		return;
	}
	if (s->disk_full)
		bl_info(
		    "spool", "the disk has room again; the reserve is made again file=%s", name);
	s->disk_full = false;
}

bool
ballast_release(struct spool *s)
{
	char name[4096];

	s->disk_full = true;
	if (s->ballast_bytes <= 0)
		return false;
	name_of(s, name, sizeof(name));
	if (unlink(name) != 0)
		return false;
	bl_warn("spool", "the disk is full: the reserve of %lld KiB is given up file=%s",
	    (long long)(s->ballast_bytes / 1024), name);
	return true;
}
