/*
 * Whole parts for the tests: made of columns at random, written, and held to
 * a model column by column.
 */
#ifndef CHUNK_PART_H
#define CHUNK_PART_H

#include "chunk_kit.h"

struct part {
	struct kit_column *c;
	unsigned n;
	struct bl_buf out[CHUNK_LEVELS];
	struct chunk_counts counts;
};

/* n columns to be filled in; 0: none. */
void part_begin(struct part *p, unsigned n);
/* n columns at random: some devices with some metrics, many of one metric among them. */
void part_random(struct part *p, unsigned n, uint64_t *s);
/* Adds all and finishes; the test fails where that does not work. */
void part_write(struct part *p, struct chunk_enc *e);
void part_free(struct part *p);
/* What stands in the three regions of the column is what the model says. */
void part_check(const struct part *p, const struct kit_column *c);

#endif
