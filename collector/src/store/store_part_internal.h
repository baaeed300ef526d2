/* What store_part_read.c and store_part_alias.c share. */
#ifndef STORE_PART_INTERNAL_H
#define STORE_PART_INTERNAL_H

#include "chunk_room.h"
#include "store_part_read.h"
#include "store_samples_internal.h"

struct alias_pair {
	int64_t old_id, new_id;
};

struct alias_list {
	struct alias_pair *p; /* by old_id */
	size_t n, size;
	bool failed;
};

/* The numbers of one other store. */
struct alias {
	int64_t space;
	struct alias_list of[STORE_ALIAS_BOOT + 1];
};

struct part_bytes {
	uint8_t *p;
	size_t size;
};

struct part_read {
	struct store_read *r;
	struct parts *parts;
	struct alias *alias;
	size_t n_alias, size_alias;
	struct part_bytes times, dir, block;
	struct chunk_room room; /* for one column */
};

/* *out NULL: the part has this store's numbers. */
int alias_of(struct part_read *p, int64_t space, const struct alias **out, struct bl_err *err);
/* False: it has none.  a NULL: it stays what it is. */
bool alias_new(const struct alias *a, enum store_alias kind, int64_t *id);
bool alias_old(const struct alias *a, enum store_alias kind, int64_t *id);

#endif
