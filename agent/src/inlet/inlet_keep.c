/*
 * The thread that makes small files durable; see the header.
 *
 * It links PATH to PATH.safe.new, syncs what has to be there first, then that, renames it to
 * PATH.safe, and syncs the folder.  What is at PATH is never written to again: its owner renames
 * another one there.
 */
#include "inlet_keep.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "branchline/log.h"

#define EVERY_S     5
#define HOUR_S      3600
#define PATH_BYTES  4200
#define STACK_BYTES (128u * 1024u)

struct job {
	char *path; /* owned; NULL: free */
	bool folder;
	int first; /* -1: none */
};

struct inlet_keep {
	pthread_t thread;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t changed;
	bool started, stop;
	struct job job[INLET_KEEP_FILES];
	time_t said; /* the thread's; 0: never */
};

/* ---- the thread ---- */

static bool
sync_at(const char *path, int flags, bool data)
{
	const int fd = open(path, flags | O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return errno == ENOENT;
	ok = (data ? fdatasync(fd) : fsync(fd)) == 0;
	(void)close(fd);
	return ok;
}

static bool
sync_folder(const char *path)
{
	static const char *const within[] = { "", "/done", "/bad" };
	char name[PATH_BYTES];
	bool ok = true;

	for (unsigned i = 0; i < 3; i++) {
		(void)snprintf(name, sizeof(name), "%s%s", path, within[i]);
		ok = sync_at(name, O_DIRECTORY, false) && ok;
	}
	return ok;
}

static bool
sync_file(const struct job *j)
{
	char safe[PATH_BYTES], new[PATH_BYTES + 8];
	char *slash;

	(void)snprintf(safe, sizeof(safe), "%s.safe", j->path);
	(void)snprintf(new, sizeof(new), "%s.new", safe);
	(void)unlink(new);
	/* Forgotten meanwhile; or a file system that knows no second names, where this is all. */
	if (link(j->path, new) < 0)
		return errno == ENOENT || sync_at(j->path, 0, true);
	if ((j->first >= 0 && fdatasync(j->first) < 0) || !sync_at(new, 0, true) ||
	    rename(new, safe) < 0)
		return false;
	(void)unlink(new); /* rename does nothing to two names of one file */
	if ((slash = strrchr(safe, '/')) != NULL)
		*slash = '\0';
	return sync_at(safe, O_DIRECTORY, false);
}

static void
sync_one(struct inlet_keep *k, const struct job *j, time_t now)
{
	bool ok;
	int e;

	if (j->path == NULL)
		return;
	ok = j->folder ? sync_folder(j->path) : sync_file(j);
	e = errno;
	if (!ok && (k->said == 0 || now - k->said >= HOUR_S)) {
		k->said = now;
		bl_warn("inlets",
		    "sync %s: %s; after a power cut some of it may be read twice "
		    "(said once an hour at most)",
		    j->path, strerror(e));
	}
	if (j->first >= 0)
		(void)close(j->first);
	free(j->path);
}

static bool
is_any(const struct inlet_keep *k)
{
	for (unsigned i = 0; i < INLET_KEEP_FILES; i++)
		if (k->job[i].path != NULL)
			return true;
	return false;
}

static void *
thread_main(void *ctx)
{
	struct inlet_keep *k = ctx;
	struct timespec now, next = { 0 };
	struct job round[INLET_KEEP_FILES];

	pthread_mutex_lock(&k->lock);
	for (;;) {
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
		if (!is_any(k)) {
			if (k->stop)
				break;
			(void)pthread_cond_wait(&k->changed, &k->lock);
			continue;
		}
		if (!k->stop && now.tv_sec < next.tv_sec) {
			(void)pthread_cond_timedwait(&k->changed, &k->lock, &next);
			continue;
		}
		/* Each once: what comes meanwhile is of the next round. */
		memcpy(round, k->job, sizeof(round));
		for (unsigned i = 0; i < INLET_KEEP_FILES; i++)
			k->job[i] = (struct job){ .first = -1 };
		pthread_mutex_unlock(&k->lock);
		for (unsigned i = 0; i < INLET_KEEP_FILES; i++)
			sync_one(k, &round[i], now.tv_sec);
		pthread_mutex_lock(&k->lock);
		(void)clock_gettime(CLOCK_MONOTONIC, &next);
		next.tv_sec += EVERY_S;
	}
	pthread_mutex_unlock(&k->lock);
	return NULL;
}

static void
start(struct inlet_keep *k)
{
	sigset_t all, before;
	pthread_attr_t attr;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_attr_init(&attr) == 0) {
		(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
		k->started = pthread_create(&k->thread, &attr, thread_main, k) == 0;
		pthread_attr_destroy(&attr);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (k->started)
		(void)pthread_setname_np(k->thread, "places"); /* a help in top */
}

/* ---- the loop ---- */

int
inlet_keep_open(struct inlet_keep **out, struct bl_err *err)
{
	struct inlet_keep *k = calloc(1, sizeof(*k));
	pthread_condattr_t attr;

	*out = NULL;
	if (k == NULL)
		return bl_fail(err, BL_ENOMEM, "inlets: out of memory");
	for (unsigned i = 0; i < INLET_KEEP_FILES; i++)
		k->job[i].first = -1;
	(void)pthread_mutex_init(&k->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&k->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	*out = k;
	return BL_OK;
}

void
inlet_keep_close(struct inlet_keep *k)
{
	if (k == NULL)
		return;
	if (k->started) {
		pthread_mutex_lock(&k->lock);
		k->stop = true;
		(void)pthread_cond_signal(&k->changed);
		pthread_mutex_unlock(&k->lock);
		(void)pthread_join(k->thread, NULL);
	}
	(void)pthread_cond_destroy(&k->changed);
	(void)pthread_mutex_destroy(&k->lock);
	free(k);
}

/* A job of that path, or room for one; NULL: neither. */
static struct job *
job_of(struct inlet_keep *k, const char *path)
{
	struct job *room = NULL;

	for (unsigned i = 0; i < INLET_KEEP_FILES; i++) {
		if (k->job[i].path == NULL)
			room = room == NULL ? &k->job[i] : room;
		else if (strcmp(k->job[i].path, path) == 0)
			return &k->job[i];
	}
	return room;
}

static void
put(struct inlet_keep *k, const char *path, bool folder, int first)
{
	struct job *j;

	if (!k->started)
		start(k);
	if (!k->started)
		return; /* no memory for a thread: at the next time, perhaps */
	pthread_mutex_lock(&k->lock);
	j = job_of(k, path);
	if (j != NULL && j->path == NULL)
		j->path = strdup(path);
	if (j != NULL && j->path != NULL) {
		j->folder = folder;
		if (j->first >= 0)
			(void)close(j->first);
		j->first = first >= 0 ? fcntl(first, F_DUPFD_CLOEXEC, 0) : -1;
		(void)pthread_cond_signal(&k->changed);
	}
	pthread_mutex_unlock(&k->lock);
}

void
inlet_keep_soon(struct inlet_keep *k, const char *path, int first)
{
	put(k, path, false, first);
}

void
inlet_keep_folder(struct inlet_keep *k, const char *path)
{
	put(k, path, true, -1);
}

void
inlet_keep_forget(struct inlet_keep *k, const char *path)
{
	char safe[PATH_BYTES];

	(void)k;
	(void)snprintf(safe, sizeof(safe), "%s.safe", path);
	(void)unlink(path);
	(void)unlink(safe);
}
