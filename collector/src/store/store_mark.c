/*
 * The mark: 32 bytes in a file beside the database that say how far this
 * machine has committed (epoch, lsn).  It is also the lock that keeps a second
 * writer away.
 *
 * Why: a database that was put back from a backup looks healthy.  The mark is
 * not part of the database, so an older copy shows: same epoch, lower lsn.
 * It is written after each commit without a sync; a power cut may leave it
 * behind the database, which is harmless, and never ahead of it, because the
 * commit before it was synced.  Not found out this way: a copy of the whole
 * folder, mark included, put back (a snapshot of the machine).  Nothing is lost
 * then either, because agents offer again what the hello's answer does not
 * settle; `branchline-collector new-epoch` says so to whom it concerns.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "store_internal.h"

#define MARK_BYTES 32

static uint64_t
mark_sum(const uint8_t *p, size_t len)
{
	uint64_t h = 14695981039346656037u; /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 1099511628211u;
	return h;
}

static void
put_u64(uint8_t *p, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t
get_u64(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

int
store_mark_open(struct store *s, struct bl_err *err)
{
	char path[4096];

	if (snprintf(path, sizeof(path), "%s.mark", s->path) >= (int)sizeof(path))
		return bl_fail(err, BL_EINVAL, "open telemetry store: the path is too long");
	s->mark_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->mark_fd < 0)
		return bl_fail_errno(err, errno == EACCES ? BL_EDENIED : BL_EIO, "open %s", path);
	if (flock(s->mark_fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno == EWOULDBLOCK)
			return bl_fail(err, BL_EBUSY,
			    "open telemetry store %s: another process writes it (it holds %s)",
			    s->path, path);
		return bl_fail_errno(err, BL_EIO, "lock %s", path);
	}
	return BL_OK;
}

bool
store_mark_read(const struct store *s, struct bl_id *epoch, int64_t *lsn)
{
	uint8_t m[MARK_BYTES];

	if (pread(s->mark_fd, m, sizeof(m), 0) != (ssize_t)sizeof(m))
		return false;
	if (get_u64(m + 24) != mark_sum(m, 24))
		return false;
	memcpy(epoch->b, m, BL_ID_BYTES);
	*lsn = (int64_t)get_u64(m + 16);
	return true;
}

bool
store_mark_known(const struct store *s)
{
	uint8_t m;

	return pread(s->mark_fd, &m, 1, 0) == 1;
}

void
store_mark_write(struct store *s)
{
	uint8_t m[MARK_BYTES];

	memcpy(m, s->epoch.b, BL_ID_BYTES);
	put_u64(m + 16, (uint64_t)s->total.lsn);
	put_u64(m + 24, mark_sum(m, 24));
	/* A mark that could not be written only makes a later restore harder to see. */
	(void)!pwrite(s->mark_fd, m, sizeof(m), 0);
}
