/*
 * A small centre without telemetry: a control database, a roster, definitions
 * made by hand, cells and cases put in as rows.  What a device's events cover
 * and when it was heard of is said by the test (the store's two calls are
 * wrapped).
 */
#ifndef RULE_KIT_H
#define RULE_KIT_H

#include "control.h"
#include "control_sql.h"
#include "folder.h"
#include "incident.h"
#include "notice.h"
#include "outbox.h"
#include "roster.h"
#include "rule_engine.h"

#define KIT_RULES   8
#define KIT_DEVICES 4
#define MINUTE      60000LL
#define T0          1764288000000LL /* 2025-11-28 00:00 UTC */

/* What the store says of one device. */
struct kit_device {
	char id[BL_DEVICE_ID_MAX + 1];
	int64_t last_arrival; /* 0: never heard of */
	struct {
		int64_t begin, end;
	} covered[8];
	size_t n;
};

struct kit {
	bool behind; /* events are stored that cases do not know */
	char dir[FOLDER_MAX];
	struct control *c;
	struct bl_clock clock;
	int64_t now;
	struct roster *roster;
	struct define_set set;
	struct define_rule rule[KIT_RULES];
	struct define_kpi kpi[1];
	struct define_process process[1];
	struct define_channel channel[2];
	struct kit_device device[KIT_DEVICES];
	size_t n_devices;
	/* of the transaction that runs */
	struct rule_env env;
	bool fail_found; /* the next finding fails: a crash in the middle */
	unsigned findings;
	unsigned late; /* cases that were noted to be late still, without a finding */
};

int kit_setup(void **state);
int kit_teardown(void **state);
/* Sites "east" and "west"; device d1 at both begins, d2 at east. */
void kit_reload_roster(struct kit *k);
struct define_rule *kit_threshold(struct kit *k, const char *id, uint32_t for_windows);
struct define_rule *kit_case_open(struct kit *k, const char *id, int64_t limit_ms);
struct define_rule *kit_no_data(struct kit *k, const char *id, int64_t after_ms);
/* A version from then on; until then the one before is in force.  Same fields. */
struct define_rule *kit_new_version(struct kit *k, struct define_rule *of, int64_t from);

/* Runs fn in a write transaction as the evaluator does; returns what it returned. */
typedef int (*kit_fn)(struct kit *k, void *ctx, struct bl_err *err);
int kit_write(struct kit *k, kit_fn fn, void *ctx);
/* One statement. */
void kit_sql(struct kit *k, const char *sql);
int64_t kit_int(struct kit *k, const char *sql);

/* 'T' above the threshold, 'F' below, 'U' final without a value, 'p' T provisional (half there),
 * 'q' F provisional, '.' nothing at all. */
struct kit_cell {
	const char *site;
	int64_t begin;
	char is;
};
/* Puts them into the store and tells the rules of all of them at once. */
int kit_cells(struct kit *k, const struct kit_cell *cells, size_t n);
/* One minute each from `at` on, told of together; ' ' leaves one out. */
void kit_minutes(struct kit *k, const char *site, int64_t at, const char *cells);
int kit_on_time(struct kit *k, size_t limit);
int kit_redo(struct kit *k, const char *rule, int64_t from);
int kit_no_data_look(struct kit *k);
int kit_coverage(struct kit *k, const char *site);
/* Puts a case with its events and tells the rules; end 0: open.  status: of an event at begin. */
int kit_case(struct kit *k, const char *site, const char *id, int64_t begin, int64_t end,
    const char *status);
int kit_notice(struct kit *k, bool quiet, size_t limit);

/* Minutes after T0: "[3,8) [12,-)"; incidents that stand, by begin. */
const char *kit_incidents(struct kit *k, const char *rule, const char *subject);
/* Everything that must not depend on the order of arrival; malloced. */
char *kit_dump(struct kit *k);
void kit_cover(struct kit *k, const char *device, int64_t begin, int64_t end);
struct kit_device *kit_device(struct kit *k, const char *id);

#endif
