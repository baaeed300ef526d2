/*
 * Two stores that are told one random history: one of them is packed now and then.
 * Whatever is asked of the two must have the same answer.
 *
 * A history: two boots, a clock that is set while the first lasts, batches of a minute to an
 * hour with holes and entries about them, values of every kind, unknown ones, thinned ones,
 * and a second spool that has cut the end of the first boot again in its own way.
 */
#ifndef PACKED_KIT_H
#define PACKED_KIT_H

#include "compact.h"
#include "store_log_kit.h"

#define HISTORY_SERIES 6u
#define HISTORY_MAX    400u
#define HOUR           ((int64_t)3600000)

enum tell_what { TOLD_BATCH, TOLD_CLOCK, TOLD_DICT, TOLD_GONE };

struct tell {
	enum tell_what what;
	uint8_t spool;
	uint8_t boot;
	enum bl_stream stream;
	uint64_t seq, last; /* last: GONE; BATCH: what it supersedes ends there */
	uint64_t supersedes;
	int64_t begin_ms, end_ms;
	bool thin, event, gap;
	uint32_t entry;
	int64_t from_ms, offset_ms;
	uint32_t twist; /* other values under the same seq */
};

struct history {
	struct tell t[HISTORY_MAX];
	size_t n;
	uint64_t random;
	bool swapped; /* the second spool has other numbers for the series */
};

uint64_t history_random(struct history *h);
void history_make(struct history *h, uint64_t seed);
/* Another order, in which what has to count up still does. */
void history_shuffle(struct history *h);

struct twin {
	struct ctx plain, packed;
	struct parts *parts;
	struct compact *compact;
	unsigned n_packed; /* steps that did something */
};

void twin_open(struct twin *w);
void twin_close(struct twin *w);
/* To both, in a transaction of each; their answers must be the same. */
void twin_tell(struct twin *w, const struct history *h, const struct tell *t);
/* Both clocks. */
void twin_later(struct twin *w, int64_t ms);
/* Packs what can be; the rows of batches go, too. */
void twin_pack(struct twin *w);
/* Batches with rows. */
int64_t twin_rows(const struct ctx *c);

/* All that readers say, as text. */
void twin_say(struct ctx *c, struct text *t, uint64_t random);
/* Both say the same. */
void twin_compare(struct twin *w, uint64_t random, const char *when);

#endif
