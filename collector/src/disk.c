/*
 * The ballast and the room on the disk: see the header.  The lock is held for a few
 * calls of the file system, by threads that have just failed at it anyway.
 */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "branchline/log.h"

#define LOG_EVERY_MS 10000
#define MIB          1048576.0

struct disk {
	char *folder, *path;
	int64_t want_bytes;
	const struct bl_clock *clock;
	pthread_mutex_t lock;
	bool full;
	struct bl_log_limit log;
};

static int64_t
free_bytes(const struct disk *d, int64_t *all)
{
	struct statvfs v;

	if (statvfs(d->folder, &v) != 0)
		return -1;
	if (all != NULL)
		*all = (int64_t)v.f_blocks * (int64_t)v.f_frsize;
	/* Inodes are room, too: a log or a new store needs one. */
	if (v.f_files > 0 && v.f_favail == 0)
		return 0;
	return (int64_t)v.f_bavail * (int64_t)v.f_frsize;
}

/* As far as there is room; what is there already stays. */
static void
make_ballast(const struct disk *d)
{
	const int fd = open(d->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int rc;

	if (fd < 0) {
		bl_warn("disk", "no ballast, %s: %s", d->path, strerror(errno));
		return;
	}
	rc = posix_fallocate(fd, 0, (off_t)d->want_bytes);
	if (rc == 0 && ftruncate(fd, (off_t)d->want_bytes) != 0)
		rc = errno;
	(void)close(fd); /* it holds nothing */
	if (rc != 0) {
		bl_warn("disk", "no ballast, %s: %s", d->path, strerror(rc));
		(void)unlink(d->path);
	}
}

int
disk_open(struct disk **out, const char *folder, int64_t ballast_bytes,
    const struct bl_clock *clock, struct bl_err *err)
{
	struct disk *d;
	int64_t all = 0;

	*out = NULL;
	if ((d = calloc(1, sizeof(*d))) == NULL || (d->folder = strdup(folder)) == NULL ||
	    asprintf(&d->path, "%s/ballast", folder) < 0) {
		if (d != NULL)
			free(d->folder);
		free(d);
		return bl_fail(err, BL_ENOMEM, "out of memory");
	}
	d->clock = clock;
	(void)pthread_mutex_init(&d->lock, NULL); /* cannot fail with these arguments */
	(void)free_bytes(d, &all);
	d->want_bytes = ballast_bytes < all / 16 ? ballast_bytes : all / 16;
	if (d->want_bytes > 0)
		make_ballast(d);
	*out = d;
	return BL_OK;
}

void
disk_close(struct disk *d)
{
	if (d == NULL)
		return;
	(void)pthread_mutex_destroy(&d->lock);
	free(d->path);
	free(d->folder);
	free(d);
}

void
disk_full(struct disk *d)
{
	unsigned swallowed = 0;

	(void)pthread_mutex_lock(&d->lock);
	if (!d->full && unlink(d->path) == 0 &&
	    bl_log_allow(&d->log, bl_mono_ms(d->clock), LOG_EVERY_MS, &swallowed))
		bl_error("disk",
		    "the disk of %s is full: %.1f MiB of ballast were given up for what people"
		    " have to change; telemetry waits with the agents suppressed=%u",
		    d->folder, (double)d->want_bytes / MIB, swallowed);
	d->full = true;
	(void)pthread_mutex_unlock(&d->lock);
}

int
disk_room(struct disk *d, struct bl_err *err)
{
	int64_t have, need;
	int rc = BL_OK;

	(void)pthread_mutex_lock(&d->lock);
	have = d->full ? free_bytes(d, NULL) : 0;
	need = 2 * d->want_bytes + (1 << 20);
	if (d->full && have < need) {
		rc = bl_fail(err, BL_EFULL,
		    "the disk of %s is full: %.1f MiB are free, %.1f MiB are needed to go on",
		    d->folder, have < 0 ? 0.0 : (double)have / MIB, (double)need / MIB);
	} else if (d->full) {
		d->full = false;
		if (d->want_bytes > 0)
			make_ballast(d);
		bl_info("disk", "there is room again free=%.1fMiB", (double)have / MIB);
	}
	(void)pthread_mutex_unlock(&d->lock);
	return rc;
}

void
disk_status(struct disk *d, struct disk_status *out)
{
	(void)pthread_mutex_lock(&d->lock);
	out->free_bytes = free_bytes(d, NULL);
	out->ballast_bytes = d->want_bytes;
	out->full = d->full;
	(void)pthread_mutex_unlock(&d->lock);
}
