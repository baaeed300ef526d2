/* A bump allocator: what a device's hour needs goes at once. */
#include "compact_internal.h"

#include <stdlib.h>

#define BLOCK_BYTES (1u << 20)

struct arena_block {
	struct arena_block *next;
	size_t size;
	/* what follows is given out */
};

void *
arena_take(struct arena *a, size_t bytes)
{
	struct arena_block *b;
	void *p;

	bytes = (bytes + 7) / 8 * 8;
	if (a->block == NULL || a->block->size - a->used < bytes) {
		const size_t size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;

		if ((b = malloc(sizeof(*b) + size)) == NULL)
			return NULL;
		*b = (struct arena_block){ a->block, size };
		a->block = b;
		a->used = 0;
	}
	p = (char *)(a->block + 1) + a->used;
	a->used += bytes;
	return p;
}

void
arena_reset(struct arena *a)
{
	struct arena_block *b, *keep = NULL;

	while ((b = a->block) != NULL) {
		a->block = b->next;
		if (keep == NULL && b->size == BLOCK_BYTES)
			keep = b;
		else
			free(b);
	}
	if (keep != NULL)
		keep->next = NULL;
	a->block = keep;
	a->used = 0;
}

void
arena_free(struct arena *a)
{
	arena_reset(a);
	free(a->block);
	a->block = NULL;
}
