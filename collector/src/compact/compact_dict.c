/*
 * Dictionaries of spools and names of metrics, kept over the hours: reading them costs
 * as much as some thousand samples.
 */
#include "compact_internal.h"

#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX 1000000u /* in all: 32 MiB */

/* ---- names ---- */

static size_t
hash_of(const char *s, size_t len)
{
	uint64_t h = 1469598103934665603u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)s[i]) * 1099511628211u;
	return (size_t)(h ^ (h >> 32));
}

static char **
find_name(char **table, size_t size, const char *name, size_t len)
{
	size_t at = hash_of(name, len) & (size - 1);

	while (table[at] != NULL && (strncmp(table[at], name, len) != 0 || table[at][len] != '\0'))
		at = (at + 1) & (size - 1);
	return &table[at];
}

static bool
grow_names(struct dicts *d)
{
	const size_t size = d->size_names == 0 ? 256 : d->size_names * 2;
	char **more;

	if (d->n_names * 2 < d->size_names)
		return true;
	if ((more = calloc(size, sizeof(*more))) == NULL)
		return false;
	for (size_t i = 0; i < d->size_names; i++)
		if (d->name[i] != NULL)
			*find_name(more, size, d->name[i], strlen(d->name[i])) = d->name[i];
	free(d->name);
	d->name = more;
	d->size_names = size;
	return true;
}

const char *
dicts_intern(struct dicts *d, const char *name, size_t len)
{
	char **at;

	if (!grow_names(d))
		return NULL;
	at = find_name(d->name, d->size_names, name, len);
	if (*at == NULL && (*at = strndup(name, len)) != NULL)
		d->n_names++;
	return *at;
}

/* ---- dictionaries ---- */

static void
drop(struct dicts *d, struct dict **at)
{
	struct dict *x = *at;

	*at = x->next;
	d->entries -= x->n;
	free(x->e);
	free(x);
}

/* The one that was not asked for the longest. */
static void
make_room(struct dicts *d)
{
	while (d->entries > ENTRIES_MAX && d->first != NULL) {
		struct dict **oldest = &d->first;

		for (struct dict **at = &d->first; *at != NULL; at = &(*at)->next)
			if ((*at)->used < (*oldest)->used)
				oldest = at;
		drop(d, oldest);
	}
}

struct reading {
	struct dicts *d;
	struct dict *x;
	size_t size;
	bool failed;
};

static bool
take_entry(void *ctx, uint32_t entry, const struct store_pack_series *s)
{
	struct reading *r = ctx;
	struct dict *x = r->x;

	if (entry < 1 || entry > BL_DICT_ENTRIES_MAX)
		return true;
	while (x->n < entry) {
		if (!gather_grow(&x->e, x->n, &r->size, sizeof(*x->e))) {
			r->failed = true;
			return false;
		}
		x->e[x->n++] = (struct dict_entry){ 0 };
	}
	x->e[entry - 1] = (struct dict_entry){ s->id, dicts_intern(r->d, s->name, strlen(s->name)),
		s->kind, s->interval_ms };
	r->failed = x->e[entry - 1].metric == NULL;
	return !r->failed;
}

int
dicts_get(struct dicts *d, struct store_read *r, int64_t spool_id, uint32_t version,
    const struct dict **out, struct bl_err *err)
{
	struct reading rd = { .d = d };
	struct dict **at = &d->first;
	int rc;

	while (*at != NULL && (*at)->spool_id != spool_id)
		at = &(*at)->next;
	if (*at != NULL && (*at)->n >= version) {
		(*at)->used = ++d->clock;
		*out = *at;
		return BL_OK;
	}
	if (*at != NULL)
		drop(d, at);
	if ((rd.x = calloc(1, sizeof(*rd.x))) == NULL)
		return bl_fail(err, BL_ENOMEM, "compact: out of memory");
	rd.x->spool_id = spool_id;
	rc = store_read_pack_series(r, spool_id, take_entry, &rd, err);
	if (rd.failed)
		rc = bl_fail(err, BL_ENOMEM, "compact: out of memory");
	if (rc < 0) {
		free(rd.x->e);
		free(rd.x);
		return rc;
	}
	d->entries += rd.x->n;
	make_room(d);
	rd.x->next = d->first;
	rd.x->used = ++d->clock;
	d->first = rd.x;
	*out = rd.x;
	return BL_OK;
}

void
dicts_free(struct dicts *d)
{
	while (d->first != NULL)
		drop(d, &d->first);
	for (size_t i = 0; i < d->size_names; i++)
		free(d->name[i]);
	free(d->name);
	memset(d, 0, sizeof(*d));
}
