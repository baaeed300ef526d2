/*
 * How Paho gets its socket: see bl_link_paho_connect in link_paho.h.
 *
 * The list below is the one mutable global of this module, and cannot be
 * anything else: connect(2) carries no context, so the address that Paho was
 * told (255.255.255.255, which no packet can reach, and a token as the port)
 * is the only thread between its call and the link that waits.  Under the
 * lock lie only the list and the fields of the waiters in it; it is held for
 * a socketpair and a dup at most, and takes no other lock.
 */
#include "link_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "branchline/link_paho.h"

/*
 * More than can be outstanding (256 KiB): with a full buffer Paho goes on only
 * at its next one-second tick.  The default of 208 KiB gave 1 message/s.
 */
#define PAIR_BUFFER_BYTES (1 << 20)

static pthread_mutex_t waiters_lock = PTHREAD_MUTEX_INITIALIZER;
static struct link_waiter *waiters;
static uint16_t last_token;

static struct link_waiter *
waiter_find_locked(uint16_t token)
{
	for (struct link_waiter *w = waiters; w != NULL; w = w->next)
		if (w->token == token)
			return w;
	return NULL;
}

static uint16_t
token_new_locked(void)
{
	do {
		/* 0 means "not waiting"; with fewer links than ports one is always free. */
		if (++last_token == 0)
			last_token = 1;
	} while (waiter_find_locked(last_token) != NULL);
	return last_token;
}

static struct link_waiter *
waiter_for_locked(const struct sockaddr *address, socklen_t size)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
	uint16_t token;

	if (size < sizeof(*in) || in->sin_family != AF_INET || in->sin_addr.s_addr != INADDR_NONE)
		return NULL;
	token = ntohs(in->sin_port);
	return token == 0 ? NULL : waiter_find_locked(token);
}

static void
waiter_unlink_locked(struct link_waiter *waiter)
{
	for (struct link_waiter **at = &waiters; *at != NULL; at = &(*at)->next) {
		if (*at == waiter) {
			*at = waiter->next;
			break;
		}
	}
	waiter->next = NULL;
	waiter->token = 0;
}

/* Paho's descriptor number becomes one end of a new pair; *ours the other. */
static int
pair_under(int fd, int *ours)
{
	const int size = PAIR_BUFFER_BYTES;
	int pair[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
		return -1;
	/* The kernel caps it at net.core.wmem_max unless we are privileged: then slower, not wrong.
	 */
	for (int i = 0; i < 2; i++)
		if (setsockopt(pair[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0)
			(void)setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	rc = dup3(pair[0], fd, O_CLOEXEC);
	close(pair[0]);
	if (rc < 0) {
		close(pair[1]);
		return -1;
	}
	*ours = pair[1];
	return 0;
}

int
bl_link_paho_connect(int fd, const struct sockaddr *address, socklen_t size)
{
	const uint64_t one = 1;
	struct link_waiter *waiter;
	int rc = -1;

	pthread_mutex_lock(&waiters_lock);
	waiter = waiter_for_locked(address, size);
	if (waiter == NULL || waiter->inner_fd >= 0) {
		errno = ECONNREFUSED;
	} else if (pair_under(fd, &waiter->inner_fd) == 0) {
		/* The descriptor stays with the waiter until the link takes it; no second call. */
		(void)!write(waiter->wake_fd, &one, sizeof(one));
		rc = 0;
	}
	pthread_mutex_unlock(&waiters_lock);
	return rc;
}

int
link_handover_open(struct bl_link *l)
{
	const int wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	if (wake_fd < 0)
		return -1;
	l->waiter.wake_fd = wake_fd;
	if (!link_watch_add(l, wake_fd, EPOLLIN, LINK_WATCH_HANDOVER))
		return -1;
	pthread_mutex_lock(&waiters_lock);
	l->waiter.inner_fd = -1;
	l->waiter.token = token_new_locked();
	l->waiter.next = waiters;
	waiters = &l->waiter;
	(void)snprintf(l->uri, sizeof(l->uri), "tcp://255.255.255.255:%u", l->waiter.token);
	pthread_mutex_unlock(&waiters_lock);
	return 0;
}

int
link_handover_take(struct bl_link *l)
{
	int fd;

	pthread_mutex_lock(&waiters_lock);
	fd = l->waiter.inner_fd;
	l->waiter.inner_fd = -1;
	if (fd >= 0)
		waiter_unlink_locked(&l->waiter);
	pthread_mutex_unlock(&waiters_lock);
	return fd;
}

void
link_handover_close(struct bl_link *l)
{
	pthread_mutex_lock(&waiters_lock);
	waiter_unlink_locked(&l->waiter);
	link_close_fd(&l->waiter.inner_fd);
	pthread_mutex_unlock(&waiters_lock);
	link_close_fd(&l->waiter.wake_fd);
	l->uri[0] = '\0';
}
