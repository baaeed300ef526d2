/* Time for a spool that takes long to open; see opening.h. */
#include "opening.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint64_t
opening_bytes(const char *io)
{
	static const char *const words[] = { "rchar: ", "wchar: " };
	uint64_t sum = 0;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		const char *at = strstr(io, words[i]);

		sum += at != NULL ? strtoull(at + strlen(words[i]), NULL, 10) : 0;
	}
	return sum;
}

static bool
has_moved(void *ctx)
{
	struct opening *o = ctx;
	const int fd = open("/proc/self/io", O_RDONLY | O_CLOEXEC);
	char text[512] = "";
	uint64_t now;
	bool moved;

	if (fd < 0)
		return false;
	(void)!read(fd, text, sizeof(text) - 1); /* nothing read: nothing has moved */
	(void)close(fd);
	now = opening_bytes(text);
	/* Looking is reading, too: some hundred bytes of it. */
	moved = now > o->seen + sizeof(text);
	o->seen = now;
	return moved;
}

/* True: it is over. */
static bool
wait_for_end(struct opening *o)
{
	struct timespec until;
	bool over;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += o->every_ms / 1000;
	until.tv_nsec += (long)(o->every_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&o->lock);
	while (!o->over && pthread_cond_timedwait(&o->end, &o->lock, &until) == 0)
		;
	over = o->over;
	pthread_mutex_unlock(&o->lock);
	return over;
}

static void *
ask_for_time(void *arg)
{
	struct opening *o = arg;

	while (!wait_for_end(o))
		if (o->moved(o->ctx))
			notify_extend(o->notify, OPENING_EXTEND_MS, "the spool is being opened");
	return NULL;
}

void
opening_begin(
    struct opening *o, struct notify *n, int every_ms, bool (*moved)(void *ctx), void *ctx)
{
	pthread_condattr_t attr;

	*o = (struct opening){ .notify = n, .every_ms = every_ms };
	o->moved = moved != NULL ? moved : has_moved;
	o->ctx = moved != NULL ? ctx : o;
	if (moved == NULL)
		(void)has_moved(o); /* what was read before is no progress of this */
	if (!notify_listens(n))
		return;
	(void)pthread_mutex_init(&o->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&o->end, &attr);
	(void)pthread_condattr_destroy(&attr);
	o->running = pthread_create(&o->thread, NULL, ask_for_time, o) == 0;
}

void
opening_end(struct opening *o)
{
	if (!notify_listens(o->notify))
		return;
	if (o->running) {
		pthread_mutex_lock(&o->lock);
		o->over = true;
		(void)pthread_cond_signal(&o->end);
		pthread_mutex_unlock(&o->lock);
		(void)pthread_join(o->thread, NULL);
	}
	(void)pthread_cond_destroy(&o->end);
	(void)pthread_mutex_destroy(&o->lock);
}
