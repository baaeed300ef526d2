/*
 * An ingest core with a fake link and a store of its own: what is sent stays to
 * be looked at.
 */
#ifndef INGEST_KIT_H
#define INGEST_KIT_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <sqlite3.h>

#include "branchline/log.h"
#include "branchline/topic.h"

#include "ingest_core.h"
#include "store.h"
#include "store_fixture.h"
#include "store_read.h"

#define MINUTE 60000
#define PART   7

struct sent {
	char topic[128];
	uint8_t payload[8192];
	size_t len;
	bool retained;
};

struct ctx {
	char *folder;
	char path[600], marker[600];
	struct fixture_clock clock;
	struct store *s;
	struct store_read *r;
	struct ingest_core *core;
	struct sent sent[64];
	size_t n_sent;
	bool link_full, lookup_fails;
	uint8_t part;      /* of every device */
	const char *added; /* a device that is there, too; NULL: none */
	struct bl_buf msg;
	struct bl_id spool, boot;
};

void must(int rc, const struct bl_err *err);
int lookup(void *ctx, const char *device, struct ingest_device *out, struct bl_err *err);
bool publish(void *ctx, const char *topic, const void *payload, size_t len, bool retained);
void start_core(struct ctx *c);
int setup(void **state);
int teardown(void **state);
void take(struct ctx *c, const char *topic, const void *payload, size_t len, bool retained);
const char *topic_of(enum bl_topic_kind kind, const char *device);
struct store_totals totals(struct ctx *c);
void make_batch(struct ctx *c, uint64_t seq);
void take_batch(struct ctx *c, uint64_t seq);
struct bl_hello hello(const struct ctx *c, const char *device, uint64_t next);
void take_hello(struct ctx *c, const char *topic_device, const struct bl_hello *h);
void make_dict(struct ctx *c, uint32_t first, uint32_t n);
void make_clock(struct ctx *c, uint32_t id);
/* What was sent last; fails when nothing was. */
struct bl_receipt last_receipt(const struct ctx *c, const char *device);

struct bl_question last_question(const struct ctx *c);
void pass(struct ctx *c, int64_t ms);

struct aside_seen {
	int n;
	char reason[32];
};

bool see_aside(void *ctx, const struct store_aside_row *a);
struct aside_seen aside(struct ctx *c);

#endif
