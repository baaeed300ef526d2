/*
 * What tests of the store and of ingest share: a clock that stands still until
 * it is moved, and batches whose every value follows from (series, n), so that
 * a checker needs no record of what was sent.
 */
#ifndef STORE_FIXTURE_H
#define STORE_FIXTURE_H

#include "branchline/batch.h"
#include "branchline/clock.h"
#include "branchline/message.h"

struct fixture_clock {
	struct bl_clock clock;
	int64_t mono_ms, unix_ms;
	uint64_t random;
};

void fixture_clock_init(struct fixture_clock *c);

/* The oracle: sample n (from 0) of a series. */
double fixture_value(uint32_t series, uint64_t n);

struct fixture_batch {
	struct bl_id spool, boot;
	enum bl_stream stream;
	uint64_t seq;
	int64_t begin_ms, end_ms; /* collection interval: samples at begin, begin + interval ... */
	int64_t interval_ms;
	uint32_t n_series;    /* 1..n */
	uint64_t next_seq;    /* 0: seq + 1 */
	uint64_t lowest_held; /* 0: 1 */
	unsigned twist;       /* changes the values: another batch under the same seq */
	const struct bl_gap *gap;
	const struct bl_event *event;
	uint64_t supersedes_first, supersedes_last; /* 0: a normal batch */
	int64_t thin_ms; /* > 0: thinned, a sample for each window of so much boot time */
	bool counter;    /* thinned to the last value and not to the mean */
};

/* A whole message in out (reset first); *h as the decoder reads it. */
void fixture_encode(const struct fixture_batch *b, struct bl_buf *out, struct bl_batch_header *h);

struct bl_id fixture_id(uint8_t fill);

/* "m1" ... with label n = number; gauge, every 10 s, unit "1". */
void fixture_series(
    struct bl_series_def *def, char name[16], char value[16], uint32_t id, enum bl_stream stream);

/* A folder that is removed by fixture_folder_remove. */
char *fixture_folder(void);
void fixture_folder_remove(char *path);

#endif
