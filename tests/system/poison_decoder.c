/*
 * A decoder with a deadly bug, for test_poison.py: it aborts on a body that
 * holds certain words.  The linker puts it in the real one's place (--wrap) in
 * the program poison_collector, which is otherwise the collector.
 */
#include <stdlib.h>
#include <string.h>

#include "branchline/batch.h"

#define WORDS "DECODER DIES HERE"

int __real_bl_batch_verify(
    const struct bl_batch_header *h, const void *raw, size_t len, struct bl_err *err);
int __wrap_bl_batch_verify(
    const struct bl_batch_header *h, const void *raw, size_t len, struct bl_err *err);

int
__wrap_bl_batch_verify(
    const struct bl_batch_header *h, const void *raw, size_t len, struct bl_err *err)
{
	if (len > 0 && memmem(raw, len, WORDS, sizeof(WORDS) - 1) != NULL)
		abort();
	return __real_bl_batch_verify(h, raw, len, err);
}
