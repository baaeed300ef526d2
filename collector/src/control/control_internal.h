/* Seen inside this folder only. */
#ifndef CONTROL_INTERNAL_H
#define CONTROL_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>

#include "control.h"

struct control_tx {
	struct control *control;
	sqlite3 *db;
	const struct control_actor *actor;
	int64_t unix_ms;
	unsigned audit_entries;
	bool unaudited;
};

/* What the mark beside the database says; control_mark.c. */
struct control_mark {
	int64_t magic;
	int64_t incident, message, audit; /* the last ids that were given */
	uint64_t sum;
};

/* False: there is none, or not a whole one. */
bool control_mark_read(const char *path, struct control_mark *m);
/* A descriptor; negative: there can be none. */
int control_mark_open(const char *path);
/* After a commit, by whoever has the turn. */
void control_mark_write(int fd, sqlite3 *db);
/* An older copy: its ids go on behind the mark, and the evaluator begins anew. */
int control_mark_settle(const char *path, sqlite3 *db, struct bl_err *err);

/* Brings an open write connection to the newest schema; see control_open. */
int control_migrate(sqlite3 *db, const struct bl_clock *clock, struct bl_err *err);

#endif
