/* Results on their way back: the thread posts them, the loop's thread dispatches them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spool_thread_internal.h"

struct result *
result_new(enum result_kind kind, size_t data_bytes)
{
	struct result *r = calloc(1, sizeof(*r) + data_bytes);

	if (r == NULL)
		bl_error(
		    "spool", "out of memory: a result for the loop is dropped kind=%d", (int)kind);
	else
		r->kind = kind;
	return r;
}

void
results_post(struct spool_thread *t, struct result *first, struct result *last)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&t->mtx);
	*t->results_tail = first;
	t->results_tail = &last->next;
	pthread_mutex_unlock(&t->mtx);
	(void)!write(t->event_fd, &one, sizeof(one)); /* full means that it is readable already */
}

void
result_post(struct spool_thread *t, struct result *r)
{
	if (r != NULL)
		results_post(t, r, r);
}

int
spool_thread_fd(const struct spool_thread *t)
{
	return t->event_fd;
}

static void
call(const struct spool_calls *c, struct result *r)
{
	void *data = r->data; /* its declared type is none of those that lie there */
	const struct question_result *question;
	const int64_t *failed_ms;
	struct spool_frame *frames;

	switch (r->kind) {
	case RESULT_EVENT:
		if (c->event_done != NULL)
			c->event_done(c->ctx, r->token, r->rc);
		break;
	case RESULT_HELLO:
		if (c->hello != NULL)
			c->hello(c->ctx, (struct bl_hello *)r->data, r->token);
		break;
	case RESULT_FRAMES:
		frames = (struct spool_frame *)r->data;
		if (c->frames != NULL)
			c->frames(c->ctx, frames, r->n);
		else
			for (unsigned i = 0; i < r->n; i++)
				bl_buf_free(&frames[i].msg);
		break;
	case RESULT_ANSWER:
		if (c->answered != NULL)
			c->answered(c->ctx, (struct spool_outcome *)r->data);
		break;
	case RESULT_RECEIPT:
		if (c->receipted != NULL)
			c->receipted(c->ctx, (struct spool_outcome *)r->data);
		break;
	case RESULT_QUESTION:
		question = data;
		if (c->questioned != NULL)
			c->questioned(c->ctx, &question->outcome, &question->gone);
		break;
	case RESULT_CUT:
		if (c->cut != NULL)
			c->cut(c->ctx, r->n);
		break;
	case RESULT_STATUS:
		if (c->status != NULL)
			c->status(c->ctx, r->token, (struct spool_thread_status *)r->data);
		break;
	case RESULT_REPLACED:
		if (c->replaced != NULL)
			c->replaced(c->ctx, (const char *)r->data);
		break;
	case RESULT_RECOVERED:
		if (c->recovered != NULL)
			c->recovered(c->ctx, (const struct spool_recovery *)r->data);
		break;
	case RESULT_WORKING:
		failed_ms = data;
		if (c->working != NULL)
			c->working(c->ctx, (enum spool_trouble)r->rc, *failed_ms);
		break;
	}
}

void
spool_thread_dispatch(struct spool_thread *t)
{
	struct result *r, *next;
	uint64_t count;

	(void)!read(t->event_fd, &count, sizeof(count)); /* EAGAIN: nothing new; look anyway */
	pthread_mutex_lock(&t->mtx);
	r = t->results;
	t->results = NULL;
	t->results_tail = &t->results;
	pthread_mutex_unlock(&t->mtx);
	for (; r != NULL; r = next) {
		next = r->next;
		call(&t->calls, r);
		free(r);
	}
}

int64_t
spool_thread_turned_mono_ms(const struct spool_thread *t)
{
	return atomic_load(&t->turned_mono_ms);
}

void
spool_thread_problem(struct spool_thread *t, char *out, size_t size)
{
	pthread_mutex_lock(&t->mtx);
	(void)snprintf(out, size, "%s", t->problem);
	pthread_mutex_unlock(&t->mtx);
}
