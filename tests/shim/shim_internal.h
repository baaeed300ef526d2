/*
 * Inside the shim: what it knows of a file (shim_node.c), the plan of faults
 * (shim_plan.c), and SQLite's side (shim_vfs.c).  All of it under one lock,
 * taken in shim_vfs.c and at the functions of shim.h.
 */
#ifndef SHIM_INTERNAL_H
#define SHIM_INTERNAL_H

#include <stddef.h>
#include <sys/types.h>

#include <sqlite3.h>

#include "shim.h"

enum shim_op {
	OP_WRITE = 1,
	OP_SYNC = 2,
	OP_TRUNCATE = 4,
	OP_DELETE = 8,
	OP_CREATE = 16,
	OP_READ = 32,
};

/* ---- shim_plan.c ---- */

void shim_restart(uint64_t seed);
uint64_t shim_random(uint64_t below);
void shim_random_bytes(void *out, int n);
/* The lock of everything. */
void shim_enter(void);
void shim_leave(void);
/* Counts the operation; the fault that it meets, or SHIM_NONE. */
enum shim_fault shim_meets(enum shim_op op, const char *path);
/* The machine of this file stands still. */
bool shim_is_off(const char *path);
void shim_turn_on(void);

/* ---- shim_node.c: one file on the platter ---- */

/* A change that is not on the platter. */
struct shim_change {
	struct shim_change *next, *prev; /* by time */
	bool truncate;
	bool arrived; /* on the platter whatever the cut is like */
	bool orphan;  /* a failed sync carried it: no later sync makes it durable */
	off_t at;     /* a truncate: the new size */
	size_t len;   /* of both halves of data; a truncate: of the old tail, which is all it has */
	unsigned char data[]; /* old bytes (0 beyond the old end), then new ones */
};

struct shim_handle;

struct shim_node {
	struct shim_node *next;
	char *path; /* where it was opened */
	int fd;     /* ours */
	dev_t dev;
	ino_t ino;
	bool made;       /* and its folder not synced since */
	bool deleted;    /* likewise */
	bool is_journal; /* its first sync syncs the folder, too */
	bool dead;       /* of a machine whose power was cut: only its handles hold it */
	off_t durable_size;
	struct shim_change *first, *last;
	struct shim_handle *handles;
};

/* The file at path, known from now on; NULL when it cannot be opened. */
struct shim_node *node_of(const char *path);
/* Frees it when nothing is left to be known. */
void node_release(struct shim_node *n);
unsigned node_count(void);
void node_deleted(struct shim_node *n);
void node_forget_all(void);

/* Before the change is made: remembers what was there. */
void node_before_write(struct shim_node *n, const void *data, size_t len, off_t at);
bool node_before_truncate(struct shim_node *n, off_t size);
void node_synced(struct shim_node *n);
/* What it carried will not get to the platter by itself. */
void node_sync_failed(struct shim_node *n);
void node_folder_synced(const char *path);
/* Some sectors of a write are on the platter, the rest is nowhere. */
void node_tear(struct shim_node *n, const unsigned char *data, size_t len, off_t at);
void node_power_cut(const char *prefix, enum shim_loss how);

struct shim_handle {
	struct sqlite3_file base; /* first: SQLite's */
	sqlite3_file *real;
	struct shim_node *node; /* NULL: a temporary file, not looked at */
	struct shim_handle *next;
	const char *path;
};

#endif
