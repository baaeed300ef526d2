/* Messages to test with: a fixed set, and random ones of every type. */
#ifndef WIRE_SAMPLES_H
#define WIRE_SAMPLES_H

#include "branchline/batch.h"
#include "branchline/message.h"

/* NULL: past the last. */
const char *wire_golden_name(unsigned i);
unsigned wire_golden_count(void);
void wire_golden(unsigned i, struct bl_buf *out);

void wire_random_seed(uint64_t seed);
/* One valid message. */
void wire_random(struct bl_buf *out);

#endif
