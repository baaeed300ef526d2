/* A centre with sites and devices, what they send, and the evaluator on it. */
#ifndef EVAL_KIT_H
#define EVAL_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "define.h"
#include "eval.h"
#include "fleet.h"
#include "incident.h"
#include "store.h"
#include "store_fixture.h"

#define MINUTE INT64_C(60000)
#define HOUR   INT64_C(3600000)
#define DAY    (24 * HOUR)
#define T0     INT64_C(1795824000000) /* 2026-11-28T00:00:00Z */
#define DEVICE "kiosk-1"

struct centre {
	char *folder, telemetry[600], control_path[600];
	struct fixture_clock clock;
	struct store *store;
	struct control *control;
	struct eval *eval;
	sqlite3 *db; /* reads */
};

extern const struct control_actor actor;

void must(int rc, const struct bl_err *err);
struct store_spool *spool(struct centre *c);
void add_device(struct centre *c, const char *id, const char *site);
void define(struct centre *c, enum define_kind kind, const char *id, const char *body);
void open_centre(struct centre *c);
void close_centre(struct centre *c);
void put_into(struct centre *c, struct store_spool *sp, const struct fixture_batch *b);
void put(struct centre *c, const struct fixture_batch *b);
struct fixture_batch minute(enum bl_stream stream, int64_t i);

/* With an event of that case at its begin, unless case_id is NULL. */
void put_events(struct centre *c, int64_t i, const char *type, const char *case_id);
void put_host(struct centre *c, int64_t i);
void add_series(struct centre *c);
void pass(struct centre *c, int64_t ms);

/* Until there is nothing to do. */
void evaluate(struct centre *c);
int64_t number(struct centre *c, const char *sql);

#define MEAN "{\"source\":\"series\",\"metric\":\"m1\",\"function\":\"mean\",\"resolution\":\"1m\"}"

/* Each look at the clock takes a while. */
int64_t running_mono(void *ctx);

#endif
