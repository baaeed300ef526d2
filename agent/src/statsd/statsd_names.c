/*
 * From a name and tags, byte for byte as they were sent, to a number.  Senders write
 * the same series in the same way again and again: cleaning and sorting is done
 * once, and looking it up costs a walk over the bytes.
 *
 * An open table of hashes under a secret key, half full at most; the texts lie one behind the
 * other.  Both have a cap: when one is reached all is forgotten and learnt again.
 */
#include <stdlib.h>
#include <string.h>

#include "statsd_internal.h"

#define WAYS       4u   /* of writing the same series */
#define TEXT_BYTES 128u /* of each, on the average */
#define FIRST      64u  /* places at first */

struct place {
	uint64_t hash;
	uint32_t text;
	int32_t number;
	uint16_t name_len, tags_len;
	uint8_t kind;
	bool used;
};

struct statsd_names {
	struct place *place;
	uint32_t n, size, max; /* a power of two */
	char *text;
	uint32_t text_len, text_size, text_max;
	uint64_t key;
};

struct statsd_names *
statsd_names_create(uint32_t about, const struct bl_clock *clock)
{
	struct statsd_names *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	for (t->max = FIRST; t->max < about * WAYS * 2;)
		t->max *= 2;
	t->text_max = about * WAYS * TEXT_BYTES;
	clock->random(clock->ctx, &t->key, sizeof(t->key));
	return t;
}

void
statsd_names_free(struct statsd_names *t)
{
	if (t == NULL)
		return;
	free(t->place);
	free(t->text);
	free(t);
}

static uint64_t
stir(uint64_t h, uint64_t word)
{
	h = (h ^ word) * UINT64_C(0x9fb21c651e98df25);
	return h ^ h >> 29;
}

uint64_t
statsd_names_hash(const struct statsd_names *t, uint64_t seed, struct bl_str s)
{
	uint64_t h = stir(t->key ^ seed, s.len), word;
	const char *p = s.p;
	size_t left = s.len;

	for (; left >= sizeof(word); p += sizeof(word), left -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		h = stir(h, word);
	}
	if (left > 0) {
		word = 0;
		memcpy(&word, p, left);
		h = stir(h, word);
	}
	return stir(h, t->key);
}

static bool
is(const struct statsd_names *t, const struct place *x, const struct statsd_line *l)
{
	const char *text = t->text + x->text;

	return x->kind == l->kind && x->name_len == l->name.len && x->tags_len == l->tags.len &&
	       memcmp(text, l->name.p, l->name.len) == 0 &&
	       (l->tags.len == 0 || memcmp(text + l->name.len, l->tags.p, l->tags.len) == 0);
}

int32_t
statsd_names_find(const struct statsd_names *t, const struct statsd_line *l, uint64_t *hash)
{
	const uint64_t h =
	    statsd_names_hash(t, statsd_names_hash(t, (uint64_t)l->kind, l->tags), l->name);

	*hash = h;
	if (t->size == 0)
		return -1;
	for (uint32_t at = (uint32_t)h & (t->size - 1); t->place[at].used;
	     at = (at + 1) & (t->size - 1))
		if (t->place[at].hash == h && is(t, &t->place[at], l))
			return t->place[at].number;
	return -1;
}

static void
put_place(struct place *place, uint32_t size, const struct place *x)
{
	uint32_t at = (uint32_t)x->hash & (size - 1);

	while (place[at].used)
		at = (at + 1) & (size - 1);
	place[at] = *x;
}

/* Room for one more; false: there is none, or no memory. */
static bool
room_for_place(struct statsd_names *t)
{
	const uint32_t size = t->size > 0 ? t->size * 2 : FIRST;
	struct place *place;

	if (t->n < t->size / 2)
		return true;
	if (size > t->max || (place = calloc(size, sizeof(*place))) == NULL)
		return false;
	for (uint32_t i = 0; i < t->size; i++)
		if (t->place[i].used)
			put_place(place, size, &t->place[i]);
	free(t->place);
	t->place = place;
	t->size = size;
	return true;
}

static bool
room_for_text(struct statsd_names *t, size_t len)
{
	uint32_t size = t->text_size > 0 ? t->text_size : 4096;
	char *text;

	if (len > t->text_max - t->text_len)
		return false;
	while (size < t->text_len + len)
		size *= 2;
	if (size == t->text_size)
		return true;
	if ((text = realloc(t->text, size)) == NULL)
		return false;
	t->text = text;
	t->text_size = size;
	return true;
}

void
statsd_names_put(struct statsd_names *t, const struct statsd_line *l, uint64_t hash, int32_t number)
{
	const size_t len = l->name.len + l->tags.len;
	struct place x = { .hash = hash,
		.number = number,
		.name_len = (uint16_t)l->name.len,
		.tags_len = (uint16_t)l->tags.len,
		.kind = (uint8_t)l->kind,
		.used = true };

	if (!room_for_place(t) || !room_for_text(t, len)) {
		if (t->size > 0)
			memset(t->place, 0, t->size * sizeof(*t->place));
		t->n = t->text_len = 0;
		return;
	}
	x.text = t->text_len;
	memcpy(t->text + x.text, l->name.p, l->name.len);
	if (l->tags.len > 0)
		memcpy(t->text + x.text + l->name.len, l->tags.p, l->tags.len);
	t->text_len += (uint32_t)len;
	put_place(t->place, t->size, &x);
	t->n++;
}
