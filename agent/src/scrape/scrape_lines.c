/*
 * The lines of an exporter's pages that are remembered: by what stands before the
 * value, with the series that it means.
 *
 * Places are stable while a line is remembered, and used again afterwards.  A hash
 * table finds a line by its text, `owner` the line that a series belongs to.  How many
 * there may be is the page's business.
 */
#include "scrape_internal.h"

#include <stdlib.h>
#include <string.h>

uint32_t
scrape_lines_hash(const char *key, size_t len)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)key[i]) * 16777619u;
	return h;
}

void
scrape_lines_init(struct scrape_lines *s)
{
	*s = (struct scrape_lines){ .free = SCRAPE_NONE };
}

void
scrape_lines_release(struct scrape_lines *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		free(s->line[i].key);
	free(s->line);
	free(s->table);
	free(s->owner);
}

/* ---- finding ---- */

static void
table_add(struct scrape_lines *s, uint32_t at)
{
	uint32_t i = s->line[at].hash & (s->table_size - 1);

	while (s->table[i] != SCRAPE_NONE)
		i = (i + 1) & (s->table_size - 1);
	s->table[i] = at;
}

void
scrape_lines_order(struct scrape_lines *s)
{
	memset(s->table, 0xff, s->table_size * sizeof(s->table[0]));
	for (uint32_t i = 0; i < s->n; i++)
		if (s->line[i].key != NULL)
			table_add(s, i);
}

uint32_t
scrape_lines_find(const struct scrape_lines *s, const char *key, size_t len, uint32_t hash)
{
	if (s->table_size == 0)
		return SCRAPE_NONE;
	for (uint32_t i = hash & (s->table_size - 1); s->table[i] != SCRAPE_NONE;
	     i = (i + 1) & (s->table_size - 1)) {
		const struct scrape_line *l = &s->line[s->table[i]];

		if (l->hash == hash && l->len == len && memcmp(l->key, key, len) == 0)
			return s->table[i];
	}
	return SCRAPE_NONE;
}

/* ---- one more ---- */

/* Room for one more line; half of the table stays empty. */
static bool
grow(struct scrape_lines *s)
{
	const uint32_t size = s->size == 0 ? 64 : s->size * 2;
	struct scrape_line *line;
	uint32_t *table;

	if (s->n < s->size)
		return true;
	if ((line = realloc(s->line, size * sizeof(*line))) == NULL)
		return false;
	s->line = line;
	if ((table = malloc(2 * size * sizeof(*table))) == NULL)
		return false;
	free(s->table);
	s->table = table;
	s->table_size = 2 * size;
	s->size = size;
	scrape_lines_order(s);
	return true;
}

uint32_t
scrape_lines_add(struct scrape_lines *s, const char *key, size_t len, uint32_t hash)
{
	char *copy = malloc(len);
	uint32_t at;

	if (copy == NULL || (s->free == SCRAPE_NONE && !grow(s))) {
		free(copy);
		return SCRAPE_NONE;
	}
	if (s->free != SCRAPE_NONE) {
		at = s->free;
		s->free = s->line[at].next;
	} else {
		at = s->n++;
	}
	memcpy(copy, key, len);
	s->line[at] = (struct scrape_line){ .key = copy,
		.len = (uint32_t)len,
		.hash = hash,
		.next = SCRAPE_NONE,
		.slot = SCRAPE_DUPLICATE };
	s->idle++;
	table_add(s, at);
	return at;
}

/* ---- whose a series is ---- */

static void
slot_set(struct scrape_lines *s, uint32_t at, int32_t slot)
{
	s->idle -= s->line[at].slot < 0 ? 1 : 0;
	s->line[at].slot = slot;
	s->idle += slot < 0 ? 1 : 0;
}

static bool
owner_grow(struct scrape_lines *s, int32_t slot)
{
	const uint32_t size = ((uint32_t)slot + 64) & ~63u;
	uint32_t *owner;

	if ((uint32_t)slot < s->owner_size)
		return true;
	if ((owner = realloc(s->owner, size * sizeof(*owner))) == NULL)
		return false;
	memset(owner + s->owner_size, 0xff, (size - s->owner_size) * sizeof(*owner));
	s->owner = owner;
	s->owner_size = size;
	return true;
}

bool
scrape_lines_give(struct scrape_lines *s, uint32_t at, int32_t slot, uint32_t page)
{
	uint32_t before;

	if (slot < 0) {
		slot_set(s, at, slot);
		return true;
	}
	if (!owner_grow(s, slot))
		return false;
	before = s->owner[slot];
	if (before != SCRAPE_NONE && before != at && s->line[before].key != NULL &&
	    s->line[before].slot == slot) {
		if (s->line[before].seen == page) {
			slot_set(s, at, SCRAPE_DUPLICATE);
			return true;
		}
		slot_set(s, before, SCRAPE_DUPLICATE);
	}
	slot_set(s, at, slot);
	s->owner[slot] = at;
	return true;
}

void
scrape_lines_forget(struct scrape_lines *s, uint32_t at)
{
	struct scrape_line *l = &s->line[at];

	if (l->slot >= 0 && s->owner[l->slot] == at)
		s->owner[l->slot] = SCRAPE_NONE;
	slot_set(s, at, 0);
	free(l->key);
	l->key = NULL;
	l->next = s->free;
	s->free = at;
}
