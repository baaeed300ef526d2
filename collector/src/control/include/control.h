/*
 * The control database: everything that people change (sites, devices, users,
 * sessions, audit).  Telemetry lives in another file with another writer, so
 * that a person's change never waits behind a backlog.
 *
 * One write connection behind a lock; every change is one short IMMEDIATE
 * transaction with its audit entry inside.  Reads use a bounded pool of
 * read-only connections, each lent to one thread at a time.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "branchline/clock.h"
#include "branchline/err.h"

struct sqlite3;
struct control;
struct control_tx;

struct control_opts {
	const char *path;             /* the database file; its folder must exist */
	unsigned readers_max;         /* read-only connections at most; 0: 32 */
	int64_t write_wait_ms;        /* how long a change may wait for its turn; 0: 5000 */
	const struct bl_clock *clock; /* keeps */
	void (*full)(void *ctx);      /* a change did not fit on the disk; any thread; may be NULL */
	void *full_ctx;
};

/*
 * Opens or creates the database, 0600, WAL, synchronous FULL, and applies the
 * migrations that are missing, each in its own transaction.  BL_ENEWER: a newer
 * version wrote it (nothing was touched).  BL_ECORRUPT, BL_EIO, BL_EDENIED.
 */
int control_open(struct control **out, const struct control_opts *opts, struct bl_err *err);
/* Every lent reader must be back.  NULL is fine. */
void control_close(struct control *c);

/* The number of the newest migration that this build knows. */
int control_schema_version(void);

/*
 * Lends a read-only connection inside a read transaction: all that it sees is
 * one state.  Any thread.  BL_EBUSY: all are lent.  Give it back within the
 * request; a long reader lets the log grow.
 */
int control_read_begin(struct control *c, struct sqlite3 **db, struct bl_err *err);
void control_read_end(struct control *c, struct sqlite3 *db);

/*
 * A read-only connection of its own for a thread that keeps statements (ingest);
 * not from the pool, no transaction begun.  Closed by its owner.
 */
int control_reader_open(struct control *c, struct sqlite3 **db, struct bl_err *err);
void control_reader_close(struct sqlite3 *db);

/* Who makes a change, and from where: for the audit log. */
struct control_actor {
	const char *name;    /* user name; "local administrator"; "system" */
	const char *address; /* "192.0.2.7", "unix uid=0", or "" */
};

/*
 * One change.  Runs fn inside a write transaction: 0 commits; anything else
 * rolls back: a positive outcome (refused, and why) or a failure.  Returns what
 * fn returned, or what went wrong.  A change that wrote no audit entry is refused
 * (BL_EINVAL, rolled back): see control_tx_unaudited.  BL_EBUSY: no turn within write_wait_ms.
 * fn must not wait for anything: no network, no hashing of passwords.
 */
typedef int (*control_change_fn)(struct control_tx *tx, void *ctx, struct bl_err *err);
int control_write(struct control *c, const struct control_actor *actor, control_change_fn fn,
    void *ctx, struct bl_err *err);

struct sqlite3 *control_tx_db(struct control_tx *tx);
/* One value for the whole transaction. */
int64_t control_tx_unix_ms(const struct control_tx *tx);
/* For book-keeping that is nobody's change (a session was seen, an old one removed). */
void control_tx_unaudited(struct control_tx *tx);

/*
 * Appends to the hash chain: hash = SHA-256(previous hash, number, time, actor,
 * address, action, subject, before, after), each field with its length.
 * before and after are JSON or NULL; secrets never stand in them.
 */
int control_audit(struct control_tx *tx, const char *action, const char *subject,
    const char *before, const char *after, struct bl_err *err);

struct control_audit_report {
	int64_t entries;
	int64_t bad_entry; /* the first whose hash, number or predecessor is wrong; 0: none */
};
/* Walks the whole chain of a lent reader. */
int control_audit_verify(struct sqlite3 *db, struct control_audit_report *out, struct bl_err *err);

/* A consistent copy of the database while it is in use, for a backup.  dst must not exist. */
int control_backup(struct control *c, const char *dst, struct bl_err *err);

/* False: the last commit or an integrity matter failed; why goes to /readyz.  Any thread. */
bool control_healthy(struct control *c, char *why, size_t size);

/* Changes committed since opening, and those refused because no turn came.  Any thread. */
void control_counters(struct control *c, uint64_t *commits, uint64_t *busy);

#endif
