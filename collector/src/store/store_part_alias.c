/*
 * The numbers of parts that were taken over from a store that was set aside: what it called a
 * device, a series, a boot, and what they are called here.
 */
#include <stdlib.h>
#include <string.h>

#include "store_part_internal.h"

#define SPACES_MAX 64u /* stores that were taken over, kept at a time */

static bool
add_pair(void *ctx, int64_t old_id, int64_t new_id)
{
	struct alias_list *l = ctx;

	if (!samples_grow(&l->p, l->n, &l->size, sizeof(*l->p))) {
		l->failed = true;
		return false;
	}
	l->p[l->n++] = (struct alias_pair){ old_id, new_id };
	return true;
}

static void
alias_free(struct alias *a)
{
	for (int i = 0; i <= STORE_ALIAS_BOOT; i++)
		free(a->of[i].p);
	memset(a, 0, sizeof(*a));
}

void
part_read_forget(struct part_read *p)
{
	for (size_t i = 0; i < p->n_alias; i++)
		alias_free(&p->alias[i]);
	p->n_alias = 0;
}

static int
load(struct part_read *p, struct alias *a, struct bl_err *err)
{
	for (int k = STORE_ALIAS_DEVICE; k <= STORE_ALIAS_BOOT; k++) {
		struct alias_list *l = &a->of[k];
		const int rc =
		    store_read_alias(p->r, a->space, (enum store_alias)k, add_pair, l, err);

		if (rc < 0)
			return rc;
		if (l->failed)
			return samples_no_memory(err);
	}
	return BL_OK;
}

int
alias_of(struct part_read *p, int64_t space, const struct alias **out, struct bl_err *err)
{
	struct alias *a;
	int rc;

	*out = NULL;
	if (space == 0)
		return BL_OK;
	for (size_t i = 0; i < p->n_alias; i++)
		if (p->alias[i].space == space) {
			*out = &p->alias[i];
			return BL_OK;
		}
	if (p->n_alias >= SPACES_MAX)
		part_read_forget(p);
	if (!samples_grow(&p->alias, p->n_alias, &p->size_alias, sizeof(*p->alias)))
		return samples_no_memory(err);
	a = &p->alias[p->n_alias];
	*a = (struct alias){ .space = space };
	if ((rc = load(p, a, err)) < 0) {
		alias_free(a);
		return rc;
	}
	p->n_alias++;
	*out = a;
	return BL_OK;
}

static int
by_old(const void *a, const void *b)
{
	const struct alias_pair *x = a, *y = b;

	return (x->old_id > y->old_id) - (x->old_id < y->old_id);
}

bool
alias_new(const struct alias *a, enum store_alias kind, int64_t *id)
{
	const struct alias_pair key = { .old_id = *id }, *found;

	if (a == NULL)
		return true;
	if (a->of[kind].n == 0 ||
	    (found = bsearch(&key, a->of[kind].p, a->of[kind].n, sizeof(key), by_old)) == NULL)
		return false;
	*id = found->new_id;
	return true;
}

bool
alias_old(const struct alias *a, enum store_alias kind, int64_t *id)
{
	if (a == NULL)
		return true;
	for (size_t i = 0; i < a->of[kind].n; i++)
		if (a->of[kind].p[i].new_id == *id) {
			*id = a->of[kind].p[i].old_id;
			return true;
		}
	return false;
}
