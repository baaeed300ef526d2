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

/* Brings an open write connection to the newest schema; see control_open. */
int control_migrate(sqlite3 *db, const struct bl_clock *clock, struct bl_err *err);

#endif
