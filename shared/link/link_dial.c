/*
 * From a name to a TCP connection.
 *
 * getaddrinfo can hang for longer than any deadline, so it runs in a detached
 * thread that owns half of a reference-counted job: whoever is last frees it,
 * and the owner's thread never waits.  Each address is tried, with an equal
 * share of the time that is left, so that one black hole does not use up the
 * deadline of all.  When names do not resolve, the address of the last good
 * handshake serves (the server's certificate is checked all the same).
 */
#include "link_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "branchline/log.h"

/* glibc's resolver wants about 70 KiB; it is address space, not memory. */
#define DNS_STACK_BYTES (256 * 1024)

struct link_dns_job {
	atomic_int refs;
	atomic_bool done;
	int rc;
	int os_errno;
	int wake_fd;
	char host[LINK_HOST_MAX];
	char port[8];
	struct addrinfo *found;
};

static void try_address(struct bl_link *l);

static void
job_unref(struct link_dns_job *job)
{
	if (job == NULL || atomic_fetch_sub(&job->refs, 1) != 1)
		return;
	if (job->found != NULL)
		freeaddrinfo(job->found);
	close(job->wake_fd);
	free(job);
}

static void *
job_main(void *arg)
{
	const uint64_t one = 1;
	struct link_dns_job *job = arg;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };

	job->rc = getaddrinfo(job->host, job->port, &hints, &job->found);
	job->os_errno = errno;
	atomic_store(&job->done, true);
	/* An eventfd that is written once cannot be full. */
	(void)!write(job->wake_fd, &one, sizeof(one));
	job_unref(job);
	return NULL;
}

static int
job_start(struct link_dns_job *job)
{
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	if ((rc = pthread_attr_init(&attr)) != 0)
		return rc;
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attr, DNS_STACK_BYTES);
	atomic_store(&job->refs, 2);
	rc = pthread_create(&thread, &attr, job_main, job);
	if (rc != 0)
		atomic_store(&job->refs, 1);
	(void)pthread_attr_destroy(&attr);
	return rc;
}

static void
addresses_take(struct bl_link *l, const struct addrinfo *ai)
{
	l->address_count = l->address_next = 0;
	for (; ai != NULL && l->address_count < LINK_ADDRESSES_MAX; ai = ai->ai_next) {
		struct link_address *to = &l->addresses[l->address_count];

		if (ai->ai_addrlen > sizeof(to->at))
			continue;
		memcpy(&to->at, ai->ai_addr, ai->ai_addrlen);
		to->size = ai->ai_addrlen;
		l->address_count++;
	}
}

/* The last good address is the last resort also when the name gives others: it may give wrong ones.
 */
static void
address_add_good(struct bl_link *l)
{
	const struct link_address *good = &l->good;

	if (good->size == 0 || l->address_count == LINK_ADDRESSES_MAX)
		return;
	for (unsigned i = 0; i < l->address_count; i++)
		if (l->addresses[i].size == good->size &&
		    memcmp(&l->addresses[i].at, &good->at, good->size) == 0)
			return;
	l->addresses[l->address_count++] = *good;
}

/* An address needs no look-up and no thread. */
static bool
literal_address(struct bl_link *l)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *found = NULL;
	char port[8];

	(void)snprintf(port, sizeof(port), "%u", link_dial_port(l));
	if (getaddrinfo(link_dial_host(l), port, &hints, &found) != 0)
		return false;
	addresses_take(l, found);
	freeaddrinfo(found);
	return true;
}

static void
connect_begin(struct bl_link *l)
{
	l->report.dns_ms = link_now_ms() - l->phase_began_ms;
	link_enter(l, BL_LINK_CONNECT, l->connect_ms);
	l->report.os_errno = 0;
	try_address(l);
}

void
link_dial_begin(struct bl_link *l)
{
	struct link_dns_job *job;
	int rc;

	link_enter(l, BL_LINK_DNS, l->dns_ms);
	if (literal_address(l)) {
		connect_begin(l);
		return;
	}
	if ((job = calloc(1, sizeof(*job))) == NULL) {
		link_fail(l, BL_FAULT_INTERNAL, "name look-up of \"%s\": out of memory",
		    link_dial_host(l));
		return;
	}
	atomic_init(&job->refs, 1);
	(void)snprintf(job->host, sizeof(job->host), "%s", link_dial_host(l));
	(void)snprintf(job->port, sizeof(job->port), "%u", link_dial_port(l));
	job->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = job->wake_fd < 0 ? errno : job_start(job);
	if (rc != 0) {
		if (job->wake_fd >= 0)
			close(job->wake_fd);
		free(job);
		l->report.os_errno = rc;
		link_fail(l, BL_FAULT_INTERNAL, "name look-up of \"%s\": cannot start: %s",
		    link_dial_host(l), strerror(rc));
		return;
	}
	l->dns = job;
	(void)link_watch_add(l, job->wake_fd, EPOLLIN, LINK_WATCH_DNS);
}

static void
job_drop(struct bl_link *l)
{
	if (l->dns == NULL)
		return;
	link_watch_remove(l, l->dns->wake_fd);
	job_unref(l->dns);
	l->dns = NULL;
}

bool
link_dial_fall_back(struct bl_link *l, const char *why)
{
	if (l->good.size == 0)
		return false;
	bl_info("link", "name look-up of \"%s\": %s; trying the last good address",
	    link_dial_host(l), why);
	job_drop(l);
	l->addresses[0] = l->good;
	l->address_count = 1;
	l->address_next = 0;
	connect_begin(l);
	return true;
}

void
link_dial_resolved(struct bl_link *l)
{
	const char *why;

	if (!atomic_load(&l->dns->done))
		return;
	if (l->dns->rc == 0) {
		addresses_take(l, l->dns->found);
		address_add_good(l);
		job_drop(l);
		connect_begin(l);
		return;
	}
	l->report.dns_ms = link_now_ms() - l->phase_began_ms;
	why = l->dns->rc == EAI_SYSTEM ? strerror(l->dns->os_errno) : gai_strerror(l->dns->rc);
	if (!link_dial_fall_back(l, why))
		link_fail(l, BL_FAULT_DNS, "name look-up of \"%s\": %s", link_dial_host(l), why);
}

static void
socket_options(int fd, unsigned user_timeout_ms)
{
	const int one = 1, idle_s = 30, interval_s = 10;

	/* Each is a refinement; a kernel that refuses one still gives a usable connection. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
	(void)setsockopt(
	    fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms, sizeof(user_timeout_ms));
}

static bool
address_dial(struct bl_link *l, const struct link_address *address)
{
	const struct sockaddr *sa = (const struct sockaddr *)&address->at;

	link_bytes_close(l);
	if (getnameinfo(sa, address->size, l->report.peer, sizeof(l->report.peer), NULL, 0,
		NI_NUMERICHOST) != 0)
		l->report.peer[0] = '\0';
	l->outer_fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->outer_fd < 0)
		return false;
	socket_options(l->outer_fd, l->user_timeout_ms);
	return connect(l->outer_fd, sa, address->size) == 0 || errno == EINPROGRESS;
}

static void
connect_failed(struct bl_link *l)
{
	const int reason = l->report.os_errno;
	enum bl_link_fault fault = BL_FAULT_UNREACHABLE;
	char target[LINK_TARGET_MAX];

	if (reason == ECONNREFUSED)
		fault = BL_FAULT_REFUSED;
	else if (reason == ETIMEDOUT)
		fault = BL_FAULT_TIMEOUT;
	link_fail(l, fault, "TCP connect to %s: %s", link_target(l, target, sizeof(target)),
	    reason != 0 ? strerror(reason) : "the name has no address");
}

/* Tries from address_next on until one is under way; DOWN when none is left. */
static void
try_address(struct bl_link *l)
{
	while (l->address_next < l->address_count) {
		const unsigned left = l->address_count - l->address_next;
		const int64_t now = bl_mono_ms(l->clock);

		/* Whoever answered wrongly the last time is not the first one again. */
		l->current = l->addresses[(l->address_next++ + l->address_turn) % l->address_count];
		if (address_dial(l, &l->current)) {
			l->address_mono_ms =
			    left == 1 ? 0 : now + (l->deadline_mono_ms - now) / (int64_t)left;
			l->outer_events = EPOLLOUT;
			(void)link_watch_add(l, l->outer_fd, EPOLLOUT, LINK_WATCH_OUTER);
			return;
		}
		l->report.os_errno = errno;
	}
	connect_failed(l);
}

void
link_dial_overdue(struct bl_link *l)
{
	l->report.os_errno = ETIMEDOUT;
	try_address(l);
}

static void
note_local(struct bl_link *l)
{
	struct sockaddr_storage at;
	socklen_t size = sizeof(at);

	if (getsockname(l->outer_fd, (struct sockaddr *)&at, &size) != 0 ||
	    getnameinfo((struct sockaddr *)&at, size, l->report.local, sizeof(l->report.local),
		NULL, 0, NI_NUMERICHOST) != 0)
		l->report.local[0] = '\0';
}

void
link_dial_writable(struct bl_link *l)
{
	int reason = 0;
	socklen_t size = sizeof(reason);

	if (getsockopt(l->outer_fd, SOL_SOCKET, SO_ERROR, &reason, &size) != 0)
		reason = errno;
	if (reason != 0) {
		l->report.os_errno = reason;
		try_address(l);
		return;
	}
	l->report.os_errno = 0;
	l->report.connect_ms = link_now_ms() - l->phase_began_ms;
	l->address_mono_ms = 0;
	note_local(l);
	if (l->proxy_host[0] != '\0')
		link_proxy_begin(l);
	else
		link_tls_begin(l);
}

void
link_dial_end(struct bl_link *l)
{
	job_drop(l);
	l->address_mono_ms = 0;
}
