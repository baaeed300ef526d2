/*
 * Name look-ups that can hang without hurting anybody.
 *
 * getaddrinfo has no deadline, so each look-up is a detached thread that owns
 * a counted reference to its job; the prober holds the other one and lets go
 * of it when its own deadline passes.  A thread that hangs for minutes keeps
 * its job and the resolver alive and nothing else, also beyond prober_stop.
 * At most PROBE_LOOKUPS_MAX such threads exist; beyond that look-ups fail.
 */
#include "probe_internal.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* glibc with its name service modules needs some tens of KiB; sanitizers multiply that. */
#define STACK_BYTES (512u * 1024u)

struct probe_resolver {
	pthread_mutex_t mtx;
	unsigned refs;    /* the prober's and one a thread */
	unsigned running; /* threads */
	int wake_fd;
	probe_lookup_fn lookup;
};

struct probe_job {
	struct probe_resolver *r;
	unsigned refs; /* the prober's and the thread's; under r->mtx, like done */
	bool done;
	int rc;
	unsigned n;
	struct probe_addr addr[PROBE_ADDRS_MAX];
	uint16_t port;
	char host[PROBE_HOST_MAX + 1];
};

/* glibc then says that there is no such name, or that it is to be asked again. */
static bool
no_descriptor(void)
{
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		(void)close(fd);
	return fd < 0;
}

static int
lookup_system(const char *host, uint16_t port, struct probe_addr *out, unsigned max, unsigned *n)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV,
	};
	struct addrinfo *list = NULL;
	char service[8];
	int rc;

	*n = 0;
	snprintf(service, sizeof(service), "%u", port);
	if ((rc = getaddrinfo(host, service, &hints, &list)) != 0)
		return no_descriptor() ? EAI_SYSTEM : rc;
	for (const struct addrinfo *a = list; a != NULL && *n < max; a = a->ai_next) {
		if (a->ai_addrlen > sizeof(out[*n].ss))
			continue;
		memcpy(&out[*n].ss, a->ai_addr, a->ai_addrlen);
		out[*n].len = a->ai_addrlen;
		(*n)++;
	}
	freeaddrinfo(list);
	return *n > 0 ? 0 : EAI_NONAME;
}

int
probe_resolver_create(struct probe_resolver **out, probe_lookup_fn lookup, struct bl_err *err)
{
	struct probe_resolver *r = calloc(1, sizeof(*r));

	*out = NULL;
	if (r == NULL)
		return bl_fail(err, BL_ENOMEM, "probe: out of memory");
	r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->wake_fd < 0) {
		free(r);
		return bl_fail_errno(err, BL_EIO, "probe: make an event descriptor");
	}
	pthread_mutex_init(&r->mtx, NULL);
	r->refs = 1;
	r->lookup = lookup != NULL ? lookup : lookup_system;
	*out = r;
	return BL_OK;
}

static void
resolver_drop(struct probe_resolver *r)
{
	bool last;

	pthread_mutex_lock(&r->mtx);
	last = --r->refs == 0;
	pthread_mutex_unlock(&r->mtx);
	if (!last)
		return;
	(void)close(r->wake_fd);
	pthread_mutex_destroy(&r->mtx);
	free(r);
}

void
probe_resolver_free(struct probe_resolver *r)
{
	if (r != NULL)
		resolver_drop(r);
}

int
probe_resolver_fd(const struct probe_resolver *r)
{
	return r->wake_fd;
}

void
probe_resolver_drain(struct probe_resolver *r)
{
	uint64_t n;

	(void)!read(r->wake_fd, &n, sizeof(n));
}

/* The last reference frees the job. */
static void
job_unref(struct probe_job *j)
{
	bool last;

	pthread_mutex_lock(&j->r->mtx);
	last = --j->refs == 0;
	pthread_mutex_unlock(&j->r->mtx);
	if (last)
		free(j);
}

static void *
job_main(void *arg)
{
	const uint64_t one = 1;
	struct probe_job *j = arg;
	struct probe_resolver *r = j->r;
	struct probe_addr addr[PROBE_ADDRS_MAX];
	unsigned n = 0;
	const int rc = r->lookup(j->host, j->port, addr, PROBE_ADDRS_MAX, &n);

	pthread_mutex_lock(&r->mtx);
	j->rc = rc;
	j->n = n;
	memcpy(j->addr, addr, n * sizeof(addr[0]));
	j->done = true;
	r->running--;
	pthread_mutex_unlock(&r->mtx);
	(void)!write(r->wake_fd, &one, sizeof(one));
	job_unref(j);
	resolver_drop(r);
	return NULL;
}

static bool
thread_start(struct probe_job *j)
{
	pthread_attr_t attr;
	pthread_t thread;
	bool started;

	if (pthread_attr_init(&attr) != 0)
		return false;
	started = pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED) == 0 &&
		  pthread_attr_setstacksize(&attr, STACK_BYTES) == 0 &&
		  pthread_create(&thread, &attr, job_main, j) == 0;
	pthread_attr_destroy(&attr);
	return started;
}

struct probe_job *
probe_job_start(struct probe_resolver *r, const char *host, uint16_t port)
{
	struct probe_job *j = calloc(1, sizeof(*j));
	bool room;

	if (j == NULL)
		return NULL;
	j->r = r;
	j->refs = 2;
	j->port = port;
	snprintf(j->host, sizeof(j->host), "%s", host);

	pthread_mutex_lock(&r->mtx);
	room = r->running < PROBE_LOOKUPS_MAX;
	if (room) {
		r->running++;
		r->refs++;
	}
	pthread_mutex_unlock(&r->mtx);
	if (room && thread_start(j))
		return j;

	free(j);
	if (room) {
		pthread_mutex_lock(&r->mtx);
		r->running--;
		pthread_mutex_unlock(&r->mtx);
		resolver_drop(r);
	}
	return NULL;
}

bool
probe_job_done(struct probe_job *j, int *rc, struct probe_addr out[PROBE_ADDRS_MAX], unsigned *n)
{
	bool done;

	pthread_mutex_lock(&j->r->mtx);
	done = j->done;
	if (done) {
		*rc = j->rc;
		*n = j->n;
		memcpy(out, j->addr, j->n * sizeof(out[0]));
	}
	pthread_mutex_unlock(&j->r->mtx);
	return done;
}

void
probe_job_drop(struct probe_job *j)
{
	if (j != NULL)
		job_unref(j);
}
