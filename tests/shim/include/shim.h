/*
 * The fault shim: between SQLite and the disk, for tests.  It is SQLite's
 * default VFS over real files, remembers of every file what was changed since
 * the last sync, and can take that away again (a power cut), or let an
 * operation fail.
 *
 * The model of the disk.  A write is in the file at once, as in the kernel's
 * cache, and on the platter after a sync of that file.  A file that was made or
 * deleted is so on the platter after a sync of its folder, which SQLite asks for
 * with the first sync of a journal or a log that it made.  What is not on the
 * platter may be lost, wholly or in part, in any order, in sectors of 512 bytes;
 * bytes beside a write are never touched by it (SQLite's POWERSAFE_OVERWRITE,
 * which it believes of every disk).  Pages that a failed sync carried are lost
 * for good unless they are written and synced anew, although they can still be
 * read.  What goes past SQLite (rename, flock, open) goes past the shim and
 * counts as durable at once.
 *
 * Any thread.  One process only: while the shim holds a file, other processes
 * do not see SQLite's locks on it.
 */
#ifndef SHIM_H
#define SHIM_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Becomes SQLite's default VFS.  The seed decides every choice, SQLite's own
 * chance (salts, temporary names) included.  Installed already: a new seed, and
 * counters and plan as new.
 */
void shim_vfs_install(uint64_t seed);
/* The VFS of before is the default again.  Every file must have been closed. */
void shim_vfs_uninstall(void);

enum shim_fault {
	SHIM_NONE,
	SHIM_EIO,       /* a write (half of it arrives), truncate, delete or making of a file */
	SHIM_ENOSPC,    /* a write (half of it arrives) or the making of a file */
	SHIM_SYNC_EIO,  /* a sync; what it carried is lost at the next power cut */
	SHIM_READ_EIO,  /* a read */
	SHIM_SYNC_LIES, /* a sync says that it did, and did not */
	SHIM_CUT,       /* power goes during the operation: see shim_power_cut */
	SHIM_TEAR,      /* the same during a write; only some sectors of it were there by then */
	SHIM_FAULTS
};

const char *shim_fault_name(enum shim_fault kind);

struct shim_plan {
	enum shim_fault kind;
	uint64_t at_op;     /* the at_op-th operation from now that kind may hit (1: the next) */
	uint64_t count;     /* so many in a row; 0 is 1 */
	const char *below;  /* only files whose path begins so; NULL: all.  Borrowed */
	const char *suffix; /* only files whose path ends so ("-wal"); NULL: all.  Borrowed */
};

/* Replaces the plan there was; NULL: none.  Does not turn the power on. */
void shim_plan(const struct shim_plan *p);
/* Whether the plan has fired since it was set, and at what ("sync of /dev/shm/x/spool.db-wal"). */
bool shim_fired(void);
const char *shim_fired_at(void);
/* Writes, syncs, truncates, deletes and makings of files since the shim was installed. */
uint64_t shim_ops(void);

/*
 * SHIM_CUT and SHIM_TEAR stop the machine: every later operation fails, of every
 * file below the plan's `below`.  True until shim_power_cut.
 */
bool shim_power_is_off(void);
/*
 * The same at once, by hand, for the files whose path begins with path_prefix.
 * Close what the machine had open while its power is off: some programs, when
 * their file fails, open it anew by its name.
 */
void shim_power_off(const char *path_prefix);

enum shim_loss {
	SHIM_LOSE_ALL,  /* what was not synced is gone */
	SHIM_LOSE_SOME, /* each write, truncate, making and deletion by chance: reordering */
	SHIM_TEAR_SOME, /* the same, and a write may arrive in part (sectors of 512 bytes) */
	SHIM_LOSE_NONE, /* kill -9: the kernel's cache survives */
	SHIM_LOSSES
};

const char *shim_loss_name(enum shim_loss how);

/*
 * Does to the files whose path begins with path_prefix ("/dev/shm/x/" for a folder) what a power
 * cut does to what was not synced, and turns the power on again.  SQLite's shared memory
 * (-shm) is gone.  Handles that were open on them are dead: everything but
 * closing them fails, and closing them changes nothing.  After SHIM_LOSE_NONE
 * what was not synced still is not.  Files may be opened again at once.
 */
void shim_power_cut(const char *path_prefix, enum shim_loss how);

/* Files that the shim still knows something of: an open handle, or something not synced. */
unsigned shim_files(void);

#endif
