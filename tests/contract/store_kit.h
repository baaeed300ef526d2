/*
 * A store of a test's own, opened anew at will, and what may be said to it and
 * asked of it in few words.
 */
#ifndef STORE_KIT_H
#define STORE_KIT_H

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "branchline/log.h"

#include "store.h"
#include "store_fixture.h"
#include "store_read.h"

#define OFFSET   1700000000000 /* unix = boot + this, by the clock map that tests use */
#define INTERVAL 10000
#define MINUTE   60000

struct ctx {
	char *folder;
	char path[600];
	struct fixture_clock clock;
	struct store *s;
	struct store_read *r;
	struct bl_id spool, boot;
};

void must(int rc, const struct bl_err *err);
void reopen(struct ctx *c, int expect);
int setup(void **state);
int teardown(void **state);
void begin(struct ctx *c);
void commit(struct ctx *c);
struct store_spool *spool(struct ctx *c);
/* Inside a transaction. */
int put(struct ctx *c, const struct fixture_batch *b);

/* Minute number i (from 0) of the host stream: seq i + 1. */
struct fixture_batch minute(const struct ctx *c, uint64_t i);

int put_minute(struct ctx *c, uint64_t i);
void put_minutes(struct ctx *c, uint64_t from, uint64_t to);
void know_clock(struct ctx *c, uint32_t id, int64_t from, int64_t offset);
void know_series(struct ctx *c, uint32_t n);
struct bl_receipt receipt(struct ctx *c);
struct store_totals totals(struct ctx *c);

struct gap_seen {
	int n;
	struct store_gap last;
	uint64_t seqs;
};

bool see_gap(void *ctx, const struct store_gap *g);
struct gap_seen gaps(struct ctx *c);

struct cover_seen {
	int n;
	struct store_coverage c[64];
};

bool see_cover(void *ctx, const struct store_coverage *c);
struct cover_seen coverage(struct ctx *c);
void place_all(struct ctx *c);

#endif
