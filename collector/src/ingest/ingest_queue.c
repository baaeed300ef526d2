/*
 * A bounded queue between two threads: so many messages, so many bytes.  What
 * does not fit is refused and counted; a receipt never went out for it.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "ingest_internal.h"

struct queue {
	pthread_mutex_t mtx;
	struct queue_item *ring;
	size_t size, head, n;
	size_t bytes, max_bytes;
	uint64_t dropped;
};

int
queue_create(struct queue **out, size_t max_messages, size_t max_bytes, struct bl_err *err)
{
	struct queue *q;

	*out = NULL;
	if ((q = calloc(1, sizeof(*q))) == NULL ||
	    (q->ring = calloc(max_messages, sizeof(*q->ring))) == NULL) {
		free(q);
		return bl_fail(err, BL_ENOMEM, "ingest: out of memory");
	}
	(void)pthread_mutex_init(&q->mtx, NULL); /* cannot fail with default attributes */
	q->size = max_messages;
	q->max_bytes = max_bytes;
	*out = q;
	return BL_OK;
}

void
queue_item_free(struct queue_item *it)
{
	free(it->topic);
	memset(it, 0, sizeof(*it));
}

void
queue_free(struct queue *q)
{
	struct queue_item it;

	if (q == NULL)
		return;
	while (queue_pop(q, &it))
		queue_item_free(&it);
	(void)pthread_mutex_destroy(&q->mtx);
	free(q->ring);
	free(q);
}

bool
queue_push(struct queue *q, const char *topic, const void *payload, size_t len, bool retained)
{
	const size_t t = strlen(topic) + 1, bytes = t + len + sizeof(struct queue_item);
	struct queue_item it = { .len = len, .retained = retained };
	bool kept = false;

	if ((it.topic = malloc(t + len)) != NULL) {
		memcpy(it.topic, topic, t);
		it.payload = it.topic + t;
		if (len > 0)
			memcpy(it.payload, payload, len);
	}
	(void)pthread_mutex_lock(&q->mtx);
	if (it.topic != NULL && q->n < q->size && q->bytes + bytes <= q->max_bytes) {
		q->ring[(q->head + q->n++) % q->size] = it;
		q->bytes += bytes;
		kept = true;
	} else {
		q->dropped++;
	}
	(void)pthread_mutex_unlock(&q->mtx);
	if (!kept)
		free(it.topic);
	return kept;
}

static size_t
bytes_of(const struct queue_item *it)
{
	return strlen(it->topic) + 1 + it->len + sizeof(*it);
}

bool
queue_pop(struct queue *q, struct queue_item *out)
{
	bool got;

	(void)pthread_mutex_lock(&q->mtx);
	if ((got = q->n > 0)) {
		*out = q->ring[q->head];
		q->head = (q->head + 1) % q->size;
		q->n--;
		q->bytes -= bytes_of(out);
	}
	(void)pthread_mutex_unlock(&q->mtx);
	return got;
}

void
queue_unpop(struct queue *q, const struct queue_item *it)
{
	bool kept = false;

	(void)pthread_mutex_lock(&q->mtx);
	if (q->n < q->size) {
		q->head = (q->head + q->size - 1) % q->size;
		q->ring[q->head] = *it;
		q->n++;
		q->bytes += bytes_of(it);
		kept = true;
	} else {
		q->dropped++;
	}
	(void)pthread_mutex_unlock(&q->mtx);
	if (!kept)
		free(it->topic);
}

void
queue_figures(struct queue *q, uint64_t *messages, uint64_t *bytes, uint64_t *dropped)
{
	(void)pthread_mutex_lock(&q->mtx);
	*messages = q->n;
	*bytes = q->bytes;
	*dropped = q->dropped;
	(void)pthread_mutex_unlock(&q->mtx);
}
