/*
 * What the tests of the spool share: a clock and chance of their own, a folder
 * of their own, and a centre that remembers what it was told.
 *
 * The oracle: sample n of series k has the value value_of(k, n), so nobody has
 * to write down what was sent.  Received and ledger together must be 1..N.
 */
#ifndef SPOOL_KIT_H
#define SPOOL_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "branchline/batch.h"
#include "folder.h"
#include "spool.h"

#define KIT_SERIES  4 /* of each stream */
#define KIT_SAMPLES 20000

struct kit_clock {
	int64_t boot_ms, mono_ms, unix_ms;
	uint64_t rng;
	struct bl_clock clock;
};

void kit_clock_init(struct kit_clock *c, uint64_t seed);
void kit_pass(struct kit_clock *c, int64_t ms); /* time goes on, on all three */
uint64_t kit_random(struct kit_clock *c, uint64_t below);

struct kit {
	struct kit_clock time;
	char dir[FOLDER_MAX], path[96];
	struct spool_opts opts;
	struct spool *s;
	uint32_t series[BL_STREAMS][KIT_SERIES];
	int64_t appended[BL_STREAMS]; /* ticks, numbered from 1 */
	int64_t accepted[BL_STREAMS]; /* of them committed */
	bool may_be_damaged;          /* damage that shows later is replaced, too; how often: */
	unsigned replaced;
};

/* cmocka's setup and teardown; *state is a struct kit. */
int kit_setup(void **state);
int kit_teardown(void **state);

/* Opens (asserts that the outcome is this one) and declares the series. */
void kit_open(struct kit *k, int outcome);
void kit_close(struct kit *k);
/* As kill -9 would: nothing is committed.  The spool's memory is given up. */
void kit_crash(struct kit *k);
void kit_declare(struct kit *k);
/* Another boot of the machine. */
void kit_reboot(struct kit *k);

double kit_value(unsigned series, int64_t n);
/* One tick of all series of a stream, one second later. */
void kit_tick(struct kit *k, enum bl_stream stream);
void kit_commit(struct kit *k);
void kit_cut_all(struct kit *k);
/* What the spool thread does when it finds its file damaged; else the test fails. */
void kit_replace(struct kit *k, const char *what, const struct bl_err *why);
/* What a damaged file still had comes over, to the end. */
void kit_salvage(struct kit *k);
void kit_copy_file(const char *from, const char *to);
void kit_copy_spool(struct kit *k, const char *to); /* file and log */
void kit_restore_spool(struct kit *k, const char *from);
int64_t kit_file_bytes(const struct kit *k);

/* ---- the centre ---- */

#define CENTRE_BATCHES 8192
#define CENTRE_SPOOLS  16

struct centre_batch {
	struct bl_id spool;
	enum bl_stream stream;
	uint64_t seq;
	uint32_t crc32;
	struct bl_batch_header h;
	bool stored; /* not: others stand for it, or what it would stand for is there */
};

struct centre {
	struct bl_id epoch;
	unsigned n;
	struct centre_batch batch[CENTRE_BATCHES];
	/* dictionary: series number (stream index * KIT_SERIES + k) of a spool's ids */
	unsigned n_spools;
	struct centre_spool {
		struct bl_id id;
		uint32_t dict_known, clock_known;
		int16_t number[64];
	} spool[CENTRE_SPOOLS];
	uint8_t seen[BL_STREAMS][KIT_SERIES][KIT_SAMPLES]; /* how often a sample came */
	/* how often it was among those that a mean stands for */
	uint8_t thinned[BL_STREAMS][KIT_SERIES][KIT_SAMPLES];
	unsigned duplicates, conflicts;
	unsigned n_gaps;
	struct bl_gap gap[1024];
	unsigned events;
};

struct centre *centre_new(struct kit *k);
/* Takes a frame as ingest does: a batch that is known already is a duplicate. */
void centre_take(struct centre *c, const struct spool_frame *f);
/* Its word on a spool. */
void centre_receipt(
    const struct centre *c, const struct bl_id *spool, bool answer, struct bl_receipt *out);
/* Hello, answer, and again until the spool agrees. */
void centre_handshake(struct centre *c, struct kit *k);
/* Handshake, then offers and receipts until nothing waits. */
void centre_drain(struct centre *c, struct kit *k);
/* The sum of lost samples in gaps the centre was told, by reason (0: all). */
uint64_t centre_lost(const struct centre *c, enum bl_stream stream, int reason);
/* Every sample 1..upto of a stream came exactly once. */
void centre_assert_exact(const struct centre *c, enum bl_stream stream, int64_t upto);
/* Collection intervals of one spool's stream touch; returns how many batches. */
unsigned centre_assert_touching(
    const struct centre *c, const struct bl_id *spool, enum bl_stream stream);

#endif
