/*
 * Token buckets against guessing.  Pure: time comes from the caller (monotonic
 * ms), the caller serialises.
 *
 * A table of at most `slots` buckets by key; a key that is not there has a full
 * one.  When the table is full, the bucket that is nearest to full is forgotten
 * (it tells the least): who floods it with keys is held by the global bucket.
 */
#ifndef AUTH_BUCKET_H
#define AUTH_BUCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct auth_bucket_rule {
	int64_t burst;     /* tries at once */
	int64_t refill_ms; /* one more after this long */
};

struct auth_bucket {
	uint64_t key;         /* 0: free */
	int64_t full_mono_ms; /* when it would be full again: the whole state in one number */
};

struct auth_buckets {
	struct auth_bucket_rule rule;
	size_t slots;
	struct auth_bucket *slot; /* owned */
	uint64_t forgotten;
};

/* False: out of memory. */
bool auth_buckets_init(struct auth_buckets *b, struct auth_bucket_rule rule, size_t slots);
void auth_buckets_free(struct auth_buckets *b);

/* 0: a try is allowed now; else how long to wait, ms.  Changes nothing. */
int64_t auth_bucket_wait(const struct auth_buckets *b, uint64_t key, int64_t now_mono_ms);
/* Takes one try (also when there was none: the bucket then owes at most a burst). */
void auth_bucket_take(struct auth_buckets *b, uint64_t key, int64_t now_mono_ms);
/* Gives one try back. */
void auth_bucket_give(struct auth_buckets *b, uint64_t key);
/* Full again: the right one came. */
void auth_bucket_reset(struct auth_buckets *b, uint64_t key);

#endif
