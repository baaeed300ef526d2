/*
 * SQLite's side: the VFS and its files, each over a real one of the VFS that
 * was the default before.
 *
 * Nothing is really synced: what a sync means is kept in the nodes.
 */
#include <string.h>
#include <unistd.h>

#include "shim_internal.h"

static sqlite3_vfs *real_vfs;
static sqlite3_vfs shim;

static struct shim_handle *
handle(sqlite3_file *f)
{
	return (struct shim_handle *)f;
}

static sqlite3_file *
real_of(sqlite3_file *f)
{
	return handle(f)->real;
}

/* Whether the machine that this handle belongs to has no power any more. */
static bool
is_dead(const struct shim_handle *h)
{
	return h->node != NULL && (h->node->dead || shim_is_off(h->path));
}

static int
shim_close(sqlite3_file *f)
{
	struct shim_handle *h = handle(f);
	int rc;

	shim_enter();
	rc = h->real->pMethods->xClose(h->real);
	if (h->node != NULL) {
		for (struct shim_handle **at = &h->node->handles; *at != NULL; at = &(*at)->next)
			if (*at == h) {
				*at = h->next;
				break;
			}
		node_release(h->node);
		h->node = NULL;
	}
	shim_leave();
	return rc;
}

static int
shim_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	struct shim_handle *h = handle(f);
	int rc = SQLITE_IOERR_READ;

	shim_enter();
	if (h->node == NULL || (!is_dead(h) && shim_meets(OP_READ, h->path) == SHIM_NONE))
		rc = h->real->pMethods->xRead(h->real, p, n, at);
	shim_leave();
	return rc;
}

static int
write_now(struct shim_handle *h, const void *p, int n, sqlite3_int64 at)
{
	if (n > 0)
		node_before_write(h->node, p, (size_t)n, at);
	return h->real->pMethods->xWrite(h->real, p, n, at);
}

static int
write_or_fail(struct shim_handle *h, const void *p, int n, sqlite3_int64 at)
{
	switch (shim_meets(OP_WRITE, h->path)) {
	case SHIM_EIO:
		(void)write_now(h, p, n / 2, at);
		return SQLITE_IOERR_WRITE;
	case SHIM_ENOSPC:
		(void)write_now(h, p, n / 2, at);
		return SQLITE_FULL;
	case SHIM_CUT:
		(void)write_now(h, p, n, at);
		return SQLITE_IOERR_WRITE;
	case SHIM_TEAR:
		node_tear(h->node, p, (size_t)n, at);
		return SQLITE_IOERR_WRITE;
	default:
		return write_now(h, p, n, at);
	}
}

static int
shim_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	struct shim_handle *h = handle(f);
	int rc = SQLITE_IOERR_WRITE;

	shim_enter();
	if (h->node == NULL)
		rc = h->real->pMethods->xWrite(h->real, p, n, at);
	else if (!is_dead(h))
		rc = write_or_fail(h, p, n, at);
	shim_leave();
	return rc;
}

static int
truncate_or_fail(struct shim_handle *h, sqlite3_int64 n)
{
	const enum shim_fault fault = shim_meets(OP_TRUNCATE, h->path);

	if (fault == SHIM_EIO)
		return SQLITE_IOERR_TRUNCATE;
	if (!node_before_truncate(h->node, n))
		return SQLITE_IOERR_TRUNCATE;
	return fault == SHIM_NONE ? h->real->pMethods->xTruncate(h->real, n)
				  : SQLITE_IOERR_TRUNCATE;
}

static int
shim_truncate(sqlite3_file *f, sqlite3_int64 n)
{
	struct shim_handle *h = handle(f);
	int rc = SQLITE_IOERR_TRUNCATE;

	shim_enter();
	if (h->node == NULL)
		rc = h->real->pMethods->xTruncate(h->real, n);
	else if (!is_dead(h))
		rc = truncate_or_fail(h, n);
	shim_leave();
	return rc;
}

static int
sync_or_fail(struct shim_handle *h)
{
	switch (shim_meets(OP_SYNC, h->path)) {
	case SHIM_SYNC_EIO:
		node_sync_failed(h->node);
		return SQLITE_IOERR_FSYNC;
	case SHIM_CUT:
		return SQLITE_IOERR_FSYNC;
	case SHIM_SYNC_LIES:
		return SQLITE_OK;
	default:
		node_synced(h->node);
		return SQLITE_OK;
	}
}

static int
shim_sync(sqlite3_file *f, int flags)
{
	struct shim_handle *h = handle(f);
	int rc = SQLITE_IOERR_FSYNC;

	(void)flags;
	shim_enter();
	if (h->node == NULL)
		rc = SQLITE_OK;
	else if (!is_dead(h))
		rc = sync_or_fail(h);
	shim_leave();
	return rc;
}

static int
shim_size(sqlite3_file *f, sqlite3_int64 *n)
{
	return is_dead(handle(f)) ? SQLITE_IOERR_FSTAT
				  : real_of(f)->pMethods->xFileSize(real_of(f), n);
}

static int
shim_lock(sqlite3_file *f, int level)
{
	return is_dead(handle(f)) ? SQLITE_IOERR_LOCK
				  : real_of(f)->pMethods->xLock(real_of(f), level);
}

static int
shim_unlock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int
shim_check(sqlite3_file *f, int *out)
{
	return is_dead(handle(f)) ? SQLITE_IOERR_CHECKRESERVEDLOCK
				  : real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static int
shim_control(sqlite3_file *f, int op, void *arg)
{
	/* These change a file's size past the node. */
	if (op == SQLITE_FCNTL_SIZE_HINT || op == SQLITE_FCNTL_CHUNK_SIZE)
		return SQLITE_NOTFOUND;
	return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int
shim_sector(sqlite3_file *f)
{
	return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int
shim_traits(sqlite3_file *f)
{
	return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int
shim_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
	*out = NULL;
	return is_dead(handle(f))
		   ? SQLITE_IOERR_SHMMAP
		   : real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, out);
}

static int
shim_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	if (is_dead(handle(f)) && (flags & SQLITE_SHM_LOCK) != 0)
		return SQLITE_IOERR_SHMLOCK;
	return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}

static void
shim_shm_barrier(sqlite3_file *f)
{
	real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int
shim_shm_unmap(sqlite3_file *f, int drop)
{
	/* The dead machine must not take the shared memory of the next one's file. */
	return real_of(f)->pMethods->xShmUnmap(real_of(f), drop && !is_dead(handle(f)));
}

/* ---- the VFS ---- */

static const sqlite3_io_methods methods = { 2, shim_close, shim_read, shim_write, shim_truncate,
	shim_sync, shim_size, shim_lock, shim_unlock, shim_check, shim_control, shim_sector,
	shim_traits, shim_shm_map, shim_shm_lock, shim_shm_barrier, shim_shm_unmap, NULL, NULL };

/* Not xAccess, for which an empty file is none. */
static bool
is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

static int
open_real(struct shim_handle *h, const char *name, int flags, int *out)
{
	const int rc = real_vfs->xOpen(real_vfs, name, h->real, flags, out);

	h->base.pMethods = h->real->pMethods != NULL ? &methods : NULL;
	return rc;
}

static int
open_known(struct shim_handle *h, const char *name, int flags, int *out)
{
	const bool makes = (flags & SQLITE_OPEN_CREATE) != 0 && !is_there(name);
	enum shim_fault fault = SHIM_NONE;
	int rc;

	if (shim_is_off(name))
		return SQLITE_CANTOPEN;
	if (makes)
		fault = shim_meets(OP_CREATE, name);
	if (fault == SHIM_EIO || fault == SHIM_ENOSPC)
		return SQLITE_CANTOPEN;
	if ((rc = open_real(h, name, flags, out)) != SQLITE_OK)
		return rc;
	h->path = name; /* SQLite keeps it until xClose */
	if ((h->node = node_of(name)) == NULL)
		return SQLITE_OK; /* may only be read: nothing to keep */
	h->next = h->node->handles;
	h->node->handles = h;
	if (makes) {
		h->node->made = true;
		h->node->durable_size = 0;
		h->node->is_journal = (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL |
						   SQLITE_OPEN_SUPER_JOURNAL)) != 0;
	}
	return SQLITE_OK;
}

static int
shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
	struct shim_handle *h = handle(f);
	int rc;

	(void)vfs;
	memset(h, 0, sizeof(*h));
	h->real = (sqlite3_file *)(h + 1);
	if (name == NULL || (flags & SQLITE_OPEN_DELETEONCLOSE) != 0)
		return open_real(h, name, flags, out);
	shim_enter();
	rc = open_known(h, name, flags, out);
	shim_leave();
	return rc;
}

static int
delete_or_fail(const char *name, int sync_folder)
{
	const enum shim_fault fault = shim_meets(OP_DELETE, name);
	struct shim_node *n;
	int rc;

	if (fault == SHIM_EIO)
		return SQLITE_IOERR_DELETE;
	if ((n = node_of(name)) == NULL)
		return real_vfs->xDelete(real_vfs, name, sync_folder);
	rc = real_vfs->xDelete(real_vfs, name, 0);
	if (rc == SQLITE_OK) {
		node_deleted(n);
		if (sync_folder && fault == SHIM_NONE)
			node_folder_synced(name);
	} else {
		node_release(n);
	}
	return fault == SHIM_NONE ? rc : SQLITE_IOERR_DELETE;
}

static int
shim_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
	int rc = SQLITE_IOERR_DELETE;

	(void)vfs;
	shim_enter();
	if (!shim_is_off(name))
		rc = is_there(name) ? delete_or_fail(name, sync_folder) : SQLITE_IOERR_DELETE_NOENT;
	shim_leave();
	return rc;
}

static int
shim_randomness(sqlite3_vfs *vfs, int n, char *out)
{
	(void)vfs;
	shim_enter();
	shim_random_bytes(out, n);
	shim_leave();
	return n;
}

void
shim_vfs_install(uint64_t seed)
{
	shim_enter();
	shim_restart(seed);
	shim_leave();
	if (real_vfs == NULL) {
		real_vfs = sqlite3_vfs_find(NULL);
		shim = *real_vfs;
		shim.zName = "shim";
		shim.szOsFile = (int)sizeof(struct shim_handle) + real_vfs->szOsFile;
		shim.xOpen = shim_open;
		shim.xDelete = shim_delete;
		shim.xRandomness = shim_randomness;
		(void)sqlite3_vfs_register(&shim, 1); /* fails only where SQLite cannot start */
	}
	sqlite3_randomness(0, NULL); /* begins anew, from the seed */
}

void
shim_vfs_uninstall(void)
{
	if (real_vfs == NULL)
		return;
	shim_plan(NULL);
	(void)sqlite3_vfs_unregister(&shim); /* it is registered */
	(void)sqlite3_vfs_register(real_vfs, 1);
	real_vfs = NULL;
	shim_enter();
	node_forget_all();
	shim_leave();
	sqlite3_randomness(0, NULL);
}

void
shim_power_cut(const char *path_prefix, enum shim_loss how)
{
	shim_enter();
	shim_turn_on();
	node_power_cut(path_prefix, how);
	shim_leave();
}

unsigned
shim_files(void)
{
	unsigned n;

	shim_enter();
	n = node_count();
	shim_leave();
	return n;
}
