/*
 * A set of byte strings, each with a place and how often it was asked for:
 * names of metrics, shapes.
 */
#include "chunk_internal.h"

#include <stdlib.h>

#define BYTES_MAX (64u << 20)
#define KEEP      (1u << 20) /* bytes that are kept from one part to the next */

void
chunk_intern_init(struct chunk_intern *t)
{
	*t = (struct chunk_intern){ 0 };
	bl_buf_init(&t->bytes, BYTES_MAX);
}

void
chunk_intern_free(struct chunk_intern *t)
{
	bl_buf_free(&t->bytes);
	free(t->item);
	free(t->slot);
	chunk_intern_init(t);
}

void
chunk_intern_reset(struct chunk_intern *t)
{
	if (t->bytes.size > KEEP || t->size > KEEP / sizeof(*t->item)) {
		chunk_intern_free(t);
		return;
	}
	bl_buf_reset(&t->bytes);
	t->n = 0;
	if (t->slots > 0)
		memset(t->slot, 0, t->slots * sizeof(*t->slot));
}

/* FNV-1a. */
static uint32_t
hash_of(const uint8_t *p, uint32_t len)
{
	uint32_t h = 2166136261u;

	for (uint32_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 16777619u;
	return h;
}

static bool
grow(struct chunk_intern *t)
{
	const uint32_t size = t->size == 0 ? 64 : t->size * 2;
	struct chunk_item *item;
	uint32_t *slot;

	if (t->n < t->size)
		return true;
	if ((item = realloc(t->item, size * sizeof(*item))) == NULL)
		return false;
	t->item = item;
	if ((slot = calloc((size_t)size * 2, sizeof(*slot))) == NULL)
		return false;
	free(t->slot);
	t->slot = slot;
	t->slots = size * 2;
	t->size = size;
	for (uint32_t i = 0; i < t->n; i++) {
		uint32_t at = t->item[i].hash & (t->slots - 1);

		while (t->slot[at] != 0)
			at = (at + 1) & (t->slots - 1);
		t->slot[at] = i + 1;
	}
	return true;
}

int64_t
chunk_intern_add(struct chunk_intern *t, const void *bytes, uint32_t len)
{
	const uint32_t hash = hash_of(bytes, len);
	uint32_t at;

	if (!grow(t))
		return -1;
	for (at = hash & (t->slots - 1); t->slot[at] != 0; at = (at + 1) & (t->slots - 1)) {
		struct chunk_item *m = &t->item[t->slot[at] - 1];

		if (m->hash != hash || m->len != len ||
		    memcmp(t->bytes.data + m->at, bytes, len) != 0)
			continue;
		m->uses++;
		return (int64_t)t->slot[at] - 1;
	}
	t->item[t->n] = (struct chunk_item){ t->bytes.len, len, 1, hash };
	bl_buf_bytes(&t->bytes, bytes, len);
	if (t->bytes.failed)
		return -1;
	t->slot[at] = ++t->n;
	return (int64_t)t->n - 1;
}

bool
chunk_grow(void *p, size_t n, size_t more, size_t *size, size_t item)
{
	void **array = p, *bigger;
	size_t want = *size == 0 ? 64 : *size;

	if (n + more <= *size)
		return true;
	while (want < n + more)
		want *= 2;
	if ((bigger = realloc(*array, want * item)) == NULL)
		return false;
	*array = bigger;
	*size = want;
	return true;
}
