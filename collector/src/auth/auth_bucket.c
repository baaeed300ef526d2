/* Token buckets; see the header.  One number a bucket: when it would be full. */
#include "auth_bucket.h"

#include <stdlib.h>

bool
auth_buckets_init(struct auth_buckets *b, struct auth_bucket_rule rule, size_t slots)
{
	*b = (struct auth_buckets){ .rule = rule, .slots = slots };
	b->slot = calloc(slots, sizeof(b->slot[0]));
	return b->slot != NULL;
}

void
auth_buckets_free(struct auth_buckets *b)
{
	free(b->slot);
	b->slot = NULL;
}

static struct auth_bucket *
find(const struct auth_buckets *b, uint64_t key)
{
	for (size_t i = 0; i < b->slots; i++)
		if (b->slot[i].key == key)
			return &b->slot[i];
	return NULL;
}

int64_t
auth_bucket_wait(const struct auth_buckets *b, uint64_t key, int64_t now_mono_ms)
{
	const struct auth_bucket *s = find(b, key);
	/* One try is there as long as the bucket lacks at most burst - 1. */
	const int64_t slack = (b->rule.burst - 1) * b->rule.refill_ms;

	if (s == NULL || s->full_mono_ms - now_mono_ms <= slack)
		return 0;
	return s->full_mono_ms - now_mono_ms - slack;
}

/* A free slot, or the one that is nearest to full. */
static struct auth_bucket *
make_room(struct auth_buckets *b, int64_t now_mono_ms)
{
	struct auth_bucket *best = &b->slot[0];

	for (size_t i = 0; i < b->slots; i++) {
		if (b->slot[i].key == 0)
			return &b->slot[i];
		if (b->slot[i].full_mono_ms < best->full_mono_ms)
			best = &b->slot[i];
	}
	b->forgotten += best->full_mono_ms > now_mono_ms;
	return best;
}

void
auth_bucket_take(struct auth_buckets *b, uint64_t key, int64_t now_mono_ms)
{
	struct auth_bucket *s = find(b, key);

	if (s == NULL) {
		s = make_room(b, now_mono_ms);
		s->key = key;
		s->full_mono_ms = now_mono_ms;
	}
	if (s->full_mono_ms < now_mono_ms)
		s->full_mono_ms = now_mono_ms;
	if (s->full_mono_ms - now_mono_ms < 2 * b->rule.burst * b->rule.refill_ms)
		s->full_mono_ms += b->rule.refill_ms;
}

void
auth_bucket_give(struct auth_buckets *b, uint64_t key)
{
	struct auth_bucket *s = find(b, key);

	if (s != NULL)
		s->full_mono_ms -= b->rule.refill_ms;
}

void
auth_bucket_reset(struct auth_buckets *b, uint64_t key)
{
	struct auth_bucket *s = find(b, key);

	if (s != NULL)
		*s = (struct auth_bucket){ 0 };
}
