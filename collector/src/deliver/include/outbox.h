/*
 * The outbox: every message is a row with an idempotency key, written in the
 * transaction of what caused it.
 */
#ifndef OUTBOX_H
#define OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/err.h"

struct sqlite3;

struct outbox_new {
	const char *key;     /* the same cause gives the same key: a second one is left out */
	const char *channel; /* id */
	const char *kind;    /* page, ended, withdrawn, digest, test */
	const char *site;    /* "" none */
	int64_t incident;    /* 0 none */
	const char *facts;   /* JSON; collector/src/deliver/README.md */
};
/* Inside a write transaction.  1: put; 0: the key is there already. */
int outbox_put(
    struct sqlite3 *db, const struct outbox_new *m, int64_t now_unix_ms, struct bl_err *err);

struct outbox_row {
	int64_t id;
	const char *key, *channel, *kind, *site, *state, *answer, *facts;
	int64_t incident, created_unix_ms, due_unix_ms, sent_unix_ms; /* sent 0: not */
	int64_t tries;
};
typedef bool (*outbox_cb)(void *ctx, const struct outbox_row *m);

struct outbox_filter {
	const char *state, *channel, *site; /* NULL: any */
	int64_t incident;                   /* 0: any */
	int64_t before_id;                  /* paging, newest first */
	size_t limit;
};
/* Newest first, at most limit (0 and above 1,000: 1,000). */
int outbox_each(
    struct sqlite3 *db, const struct outbox_filter *f, outbox_cb cb, void *ctx, struct bl_err *err);
/* BL_ENOTFOUND: none; err is left alone. */
int outbox_get(struct sqlite3 *db, int64_t id, outbox_cb cb, void *ctx, struct bl_err *err);

#endif
