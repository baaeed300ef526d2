/*
 * A store that is told one history in any order, and what is then read from it
 * as a log, as text.
 */
#ifndef STORE_LOG_KIT_H
#define STORE_LOG_KIT_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "folder.h"
#include "nomem.h"
#include "store.h"
#include "store_fixture.h"
#include "store_log.h"

#define OFFSET   1700000000000 /* a whole minute is 20 s into it; unix = boot + this */
#define INTERVAL 10000
#define MINUTE   60000
#define STREAM   BL_STREAM_HOST
#define DEVICE   "kiosk-1"
#define BACK     (35 * MINUTE) /* how far the clock is set back */

struct ctx {
	char *folder;
	char path[600];
	struct fixture_clock clock;
	struct store *s;
	struct store_read *r;
};

void must(int rc, const struct bl_err *err);
void open_all(struct ctx *c);
void close_all(struct ctx *c);
int setup(void **state);
int teardown(void **state);

enum what { BATCH, CLOCK, DICT, GONE };

struct op {
	enum what what;
	uint8_t spool, boot;   /* fills of their ids */
	enum bl_stream stream; /* BATCH; 0: STREAM */
	/* BATCH; seqs also GONE */
	uint64_t seq, last;
	int64_t begin_ms, end_ms;
	bool empty;
	uint64_t supersedes_first, supersedes_last;
	bool has_gap;
	struct bl_gap gap;
	/* CLOCK, DICT: entries count up, so that of one spool these stay in order */
	uint32_t entry;
	int64_t from_ms, offset_ms;
	uint32_t series; /* its name */
};

struct store_spool *spool(struct ctx *c, uint8_t fill);
int put_batch(struct ctx *c, const struct op *o);
void put_series(struct ctx *c, const struct op *o);
void put_clock(struct ctx *c, const struct op *o);
void begin(struct ctx *c);
void commit(struct ctx *c);
/* Inside a transaction. */
void take(struct ctx *c, const struct op *o);

void apply(struct ctx *c, const struct op *o);
void place_all(struct ctx *c);
struct op minute_of(uint8_t fill, uint8_t boot, uint64_t seq, int64_t i);

struct text {
	char *p;
	size_t len, size;
};

void __attribute__((format(printf, 2, 3))) say(struct text *t, const char *format, ...);

struct read_ctx {
	struct text *t;
	int64_t boot[8]; /* numbers as they come up */
	size_t n_boots, n;
	double last_t[2];
};

bool say_sample(void *ctx, const struct store_log_sample *s);
void say_span(void *ctx, bool gone, int64_t begin, int64_t end);
bool keep_id(void *ctx, const struct store_log_series *s);
/* Ids of m1 and m2; by name, since they depend on arrival. */
void find_ids(struct ctx *c, int64_t ids[2]);

size_t say_samples(struct ctx *c, struct text *t, int64_t from_ms, int64_t to_ms);
void say_coverage(struct ctx *c, struct text *t, int64_t from_ms, int64_t to_ms);
void assert_coverage(struct ctx *c, int64_t from_ms, int64_t to_ms, const char *expected);
/*
 * Spool a: two boots; the clock is set back in the middle of the first; seqs 11..13
 * were evicted (with times), 17..18 lost at the centre (without), 21 stands for 21..23, thinned.
 * Spool b: the file was set back, so that the last minutes of the first boot are in both, cut in
 * another way, and the names have other numbers.
 */
size_t history(struct op *o);

void shuffle(struct op *o, size_t n, uint64_t *random);
void say_all(struct ctx *c, struct text *t);
/* One to five in a transaction, seldom more than two minutes apart: coverage joins now and then. */
void arrive(struct ctx *c, const struct op *o, size_t n, bool place, uint64_t *random);

struct told {
	struct store_log_batch b;
	char device[64];
	size_t n;
};

bool keep_batch(void *ctx, const struct store_log_batch *b);
struct told newest(struct ctx *c);
void know_clock(struct ctx *c);
void put_minute(struct ctx *c, uint64_t seq, int64_t i);

#endif
