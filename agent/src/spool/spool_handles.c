/* Handles of series: a small number for each definition, given on the loop's thread. */
#include <stdlib.h>
#include <string.h>

#include "spool_thread_internal.h"

static struct handle *
handle_find_locked(const struct spool_thread *t, int64_t hash, const struct bl_buf *b)
{
	struct handle *h = t->bucket[(uint64_t)hash % HANDLE_BUCKETS];

	while (h != NULL &&
	       (h->hash != hash || h->len != b->len || memcmp(h->def, b->data, b->len) != 0))
		h = h->next;
	return h;
}

static int32_t
handle_add_locked(struct spool_thread *t, struct handle *h, uint32_t max)
{
	struct handle **bucket = &t->bucket[(uint64_t)h->hash % HANDLE_BUCKETS];

	if (t->n_handles >= (int32_t)BL_DICT_ENTRIES_MAX || (uint32_t)t->n_handles >= max)
		return BL_EFULL;
	if (t->n_handles == t->handles_size) {
		const int32_t size = t->handles_size * 2 + 64;
		struct handle **more = realloc(t->handles, (size_t)size * sizeof(struct handle *));

		if (more == NULL)
			return BL_ENOMEM;
		t->handles = more;
		t->handles_size = size;
	}
	h->number = t->n_handles;
	h->next = *bucket;
	*bucket = h;
	t->handles[t->n_handles++] = h;
	return h->number;
}

static int32_t
handle_of_buf(struct spool_thread *t, enum bl_stream stream, const struct bl_buf *b, uint32_t max)
{
	const int64_t hash = hash_bytes(b->data, b->len);
	struct handle *h, *fresh = malloc(sizeof(*fresh) + b->len);
	int32_t number;

	if (fresh == NULL)
		return BL_ENOMEM;
	memset(fresh, 0, sizeof(*fresh));
	fresh->stream = stream;
	fresh->hash = hash;
	fresh->len = b->len;
	memcpy(fresh->def, b->data, b->len);
	pthread_mutex_lock(&t->mtx);
	h = handle_find_locked(t, hash, b);
	number = h != NULL ? h->number : handle_add_locked(t, fresh, max);
	pthread_mutex_unlock(&t->mtx);
	if (h != NULL || number < 0)
		free(fresh);
	return number;
}

int32_t
spool_thread_series(struct spool_thread *t, const struct bl_series_def *def)
{
	return spool_thread_series_within(t, def, BL_DICT_ENTRIES_MAX);
}

uint32_t
spool_thread_series_count(struct spool_thread *t)
{
	uint32_t n;

	pthread_mutex_lock(&t->mtx);
	n = (uint32_t)t->n_handles;
	pthread_mutex_unlock(&t->mtx);
	return n;
}

bool
spool_thread_series_def(struct spool_thread *t, int32_t handle, struct bl_series_def *out)
{
	const struct handle *h = NULL;

	pthread_mutex_lock(&t->mtx);
	if (handle >= 0 && handle < t->n_handles)
		h = t->handles[handle];
	pthread_mutex_unlock(&t->mtx);
	/* Its definition never changes, nor does it go before t does. */
	return h != NULL && def_decode(h->def, h->len, out) == BL_OK;
}

int32_t
spool_thread_series_within(struct spool_thread *t, const struct bl_series_def *def, uint32_t max)
{
	struct bl_err err = { 0 };
	struct bl_buf b;
	int32_t rc;

	if (!stream_valid(def->stream))
		return BL_EINVAL;
	bl_buf_init(&b, 8192);
	if ((rc = def_encode(def, &b, &err)) == BL_OK)
		rc = handle_of_buf(t, def->stream, &b, max);
	bl_buf_free(&b);
	return rc;
}
