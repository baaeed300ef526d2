/*
 * Command lines of processes, read by a thread of their own.
 *
 * The kernel takes /proc/PID/cmdline out of the process' own memory, and waits when that
 * waits: for a disk that hangs, or for a file system that an ordinary user made so.
 * ps hangs there; the agent's loop must not.  One thread reads one file at a time, and
 * is waited for a few seconds of a walk in all.  While it hangs nothing more is asked of it, and
 * when the sampler ends meanwhile it frees what it holds by itself.
 */
#include "sample_process_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STACK_BYTES (128u * 1024u)
#define NS          INT64_C(1000000000)

struct process_reader {
	pthread_mutex_t lock;
	pthread_cond_t change;
	uint32_t asked;  /* pid; 0: nothing to do */
	uint32_t at;     /* pid whose file is being read; 0: none */
	bool over;       /* the sampler has ended; the thread frees all */
	int64_t left_ns; /* of this walk's patience; the loop's alone */
	char *proc;      /* path; owned */
	char text[PROCESS_ARGUMENTS_MAX];
};

static void
reader_release(struct process_reader *r)
{
	(void)pthread_cond_destroy(&r->change);
	(void)pthread_mutex_destroy(&r->lock);
	free(r->proc);
	free(r);
}

/* "" when there is none, or it cannot be read. */
static void
read_line(const char *path, char *out, size_t size)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;

	if (fd >= 0) {
		do
			n = read(fd, out, size - 1);
		while (n < 0 && errno == EINTR);
		(void)close(fd);
	}
	n = n > 0 ? n : 0;
	while (n > 0 && out[n - 1] == '\0')
		n--;
	for (ssize_t i = 0; i < n; i++)
		if (out[i] == '\0')
			out[i] = ' ';
	out[n] = '\0';
}

static void *
reader_main(void *arg)
{
	struct process_reader *r = arg;
	char path[1100], text[PROCESS_ARGUMENTS_MAX];

	pthread_mutex_lock(&r->lock);
	while (!r->over) {
		if (r->asked == 0) {
			(void)pthread_cond_wait(&r->change, &r->lock);
			continue;
		}
		r->at = r->asked;
		r->asked = 0;
		(void)snprintf(path, sizeof(path), "%s/%u/cmdline", r->proc, r->at);
		pthread_mutex_unlock(&r->lock);
		read_line(path, text, sizeof(text));
		pthread_mutex_lock(&r->lock);
		memcpy(r->text, text, sizeof(text));
		r->at = 0;
		(void)pthread_cond_broadcast(&r->change);
	}
	pthread_mutex_unlock(&r->lock);
	reader_release(r);
	return NULL;
}

static int
start(struct process_reader *r, struct bl_err *err)
{
	pthread_condattr_t clock;
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	(void)pthread_mutex_init(&r->lock, NULL);
	(void)pthread_condattr_init(&clock);
	(void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&r->change, &clock);
	(void)pthread_condattr_destroy(&clock);
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	rc = pthread_create(&thread, &attr, reader_main, r);
	(void)pthread_attr_destroy(&attr);
	if (rc == 0)
		return BL_OK;
	errno = rc;
	return bl_fail_errno(err, BL_ENOMEM, "processes: start the thread that reads arguments");
}

int
process_reader_create(struct process_reader **out, const char *proc, struct bl_err *err)
{
	struct process_reader *r = calloc(1, sizeof(*r));
	int rc;

	*out = NULL;
	if (r == NULL || (r->proc = strdup(proc)) == NULL) {
		free(r);
		return bl_fail(err, BL_ENOMEM, "processes: out of memory");
	}
	if ((rc = start(r, err)) < 0) {
		reader_release(r);
		return rc;
	}
	*out = r;
	return BL_OK;
}

void
process_reader_free(struct process_reader *r)
{
	if (r == NULL)
		return;
	pthread_mutex_lock(&r->lock);
	r->over = true;
	(void)pthread_cond_broadcast(&r->change);
	pthread_mutex_unlock(&r->lock);
}

void
process_reader_begin(struct process_reader *r)
{
	if (r != NULL)
		r->left_ns = PROCESS_PATIENCE_S * NS;
}

static int64_t
now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * NS + t.tv_nsec;
}

/* The lock is held. */
static void
wait_until_read(struct process_reader *r)
{
	const int64_t from_ns = now_ns(), until_ns = from_ns + r->left_ns;
	const struct timespec until = { (time_t)(until_ns / NS), (long)(until_ns % NS) };
	int rc = 0;

	while ((r->asked != 0 || r->at != 0) && rc == 0)
		rc = pthread_cond_timedwait(&r->change, &r->lock, &until);
	r->left_ns -= now_ns() - from_ns;
	r->left_ns = r->left_ns > 0 ? r->left_ns : 0;
}

int
process_reader_get(
    struct process_reader *r, uint32_t pid, char out[PROCESS_ARGUMENTS_MAX], struct bl_err *err)
{
	int rc = BL_OK;

	pthread_mutex_lock(&r->lock);
	if (r->at == 0) {
		r->asked = pid;
		(void)pthread_cond_broadcast(&r->change);
		wait_until_read(r);
	}
	if (r->asked == 0 && r->at == 0)
		memcpy(out, r->text, PROCESS_ARGUMENTS_MAX);
	else
		rc = bl_fail(err, BL_ETIMEDOUT,
		    "processes: the arguments of process %u cannot be read, the kernel waits for "
		    "its "
		    "memory; programs that are known by their arguments are unknown meanwhile",
		    r->at != 0 ? r->at : pid);
	r->asked = 0;
	pthread_mutex_unlock(&r->lock);
	return rc;
}
