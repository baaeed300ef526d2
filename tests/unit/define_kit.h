/*
 * A control database with definitions in it, and short ways to make, change and
 * read them.
 */
#ifndef DEFINE_KIT_H
#define DEFINE_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "control_kit.h"
#include "control_sql.h"
#include "define_internal.h"
#include "nomem.h"

#define NOW  INT64_C(1700000000000)
#define DAY  INT64_C(86400000)
#define HOUR INT64_C(3600000)

static const struct control_actor actor = { "alice", "192.0.2.1" };

struct fixture {
	struct control_kit kit;
	struct sqlite3 *db; /* reads each commit at once */
};

int setup(void **state);
int teardown(void **state);
int64_t count(struct fixture *f, const char *text);
int create(struct fixture *f, enum define_kind kind, const char *id, const char *body,
    struct define_errors *errs);
void must_create(struct fixture *f, enum define_kind kind, const char *id, const char *body);
int change(struct fixture *f, enum define_kind kind, const char *id, int64_t version,
    const struct define_edit *e, struct define_errors *errs);
void must_change(
    struct fixture *f, enum define_kind kind, const char *id, const struct define_edit *e);

struct copy {
	struct define_head head;
	bool has_secret;
	char body[8192];
	unsigned n;
};

bool copy_row(void *ctx, const struct define_row *row);
struct copy get(struct fixture *f, enum define_kind kind, const char *id, int64_t version);
struct define_set *load(struct fixture *f);
/* A site, a KPI of five minutes, a channel: what others refer to. */
void fill(struct fixture *f);

#define P DEFINE_PROCESS
#define K DEFINE_KPI
#define R DEFINE_RULE
#define C DEFINE_CHANNEL

#define THRESHOLD                                                                                  \
	"\"kind\":\"threshold\",\"kpi\":\"api-up\",\"window\":\"5m\",\"op\":\"<\",\"value\":1"
#define SERIES "\"source\":\"series\",\"metric\":\"cpu_pct\",\"function\":\"mean\""
#define MAIL   "\"kind\":\"email\",\"to\":[\"a@example.com\"]"
#define HOOK   "\"kind\":\"webhook\",\"url\":\"https://example.com/\""

#endif
