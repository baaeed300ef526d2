/*
 * A store, its parts and a compactor on one thread, with a clock that stands still; and everything
 * that is there as sorted lines, out of parts and batches together.
 */
#ifndef COMPACT_KIT_H
#define COMPACT_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compact.h"
#include "folder.h"
#include "parts.h"
#include "store.h"
#include "store_fixture.h"
#include "store_log.h"
#include "store_pack.h"

#define MINUTE   60000
#define HOUR     3600000
#define OFFSET   1699999200000 /* 2023-11-14 22:00 UTC; unix = boot + this */
#define INTERVAL 10000

struct kit {
	char folder[FOLDER_MAX];
	char path[600], parts_path[600];
	struct fixture_clock clock;
	struct store *s;
	struct store_read *r;
	struct parts *parts;
	struct compact *compact;
	struct compact_opts opts;
	int opened;                  /* what store_open said */
	int64_t passed;              /* the evaluator's place */
	int64_t awaited;             /* a batch that it waits for */
	unsigned writes, fail_write; /* the fail_write-th from now on fails before it begins */
	int64_t damaged;
};

void must(int rc, const struct bl_err *err);
void kit_open(struct kit *k, const char *name);
/* All but opening: opts and clock may be set before kit_start. */
void kit_prepare(struct kit *k, const char *folder);
/* The same in a folder that is there. */
void kit_open_in(struct kit *k, const char *folder);
void kit_close(struct kit *k); /* and its folder */
/* Store, reader, parts and compactor alone. */
int kit_try_start(struct kit *k, struct bl_err *err);
void kit_start(struct kit *k);
void kit_stop(struct kit *k);
int setup(void **state);
int teardown(void **state);

void begin(struct kit *k);
void commit(struct kit *k);
struct store_spool *spool_of(struct kit *k, uint8_t fill, const char *device);
/* Two series (entries 1, 2) and a clock that was OFFSET ahead from the begin of boot 1 on. */
void know(struct kit *k, uint8_t spool, const char *device);
void put_dict(struct kit *k, uint8_t spool, const char *device, uint32_t entry, uint32_t series);
void put_clock(struct kit *k, uint8_t spool, const char *device, uint32_t entry, uint8_t boot,
    int64_t from_ms, int64_t offset_ms);

struct put {
	const char *device;
	uint8_t spool, boot; /* 0: 1 */
	uint64_t seq;
	int64_t from_ms, to_ms; /* boot time */
	uint32_t n_series;      /* 0: 2; NOTHING: none */
	bool event;
	unsigned twist;
	uint64_t supersedes_first, supersedes_last;
	int64_t thin_ms;
};
#define NOTHING UINT32_MAX
/* In a transaction of its own; enum store_put. */
int put(struct kit *k, const struct put *p);
/* The same inside one that has begun. */
int put_in(struct kit *k, const struct put *p);
/* Batches of a minute each, in one transaction: seq first for the minute first - 1, and so on. */
void put_minutes(struct kit *k, const char *device, uint8_t spool, uint64_t first, uint64_t last);

/* Steps until nothing is left to do. */
void settle(struct kit *k);
void pass(struct kit *k, int64_t ms);
/* Beyond what rounds, grace and retention wait for. */
void pass_round(struct kit *k);

int64_t count(struct kit *k, const char *sql);

struct text {
	char *p;
	size_t len, size;
};
void say(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Every sample of these devices, sorted, each once: "device series unix value unknown boot". */
char *everything(struct kit *k, const char *const *devices, size_t n);
/* What lies in parts alone, each as often as it is there. */
char *in_parts(struct kit *k);

#endif
