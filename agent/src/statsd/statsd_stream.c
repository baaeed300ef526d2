/*
 * Connections of stream sockets (DogStatsD's unixstream): before each packet its length, four
 * bytes, the lowest first.  Nothing is answered; a sender who is not read waits, so that
 * nothing is lost but what a connection breaks off within.
 *
 * Or lines, as StatsD over TCP has them: what begins with text is that.
 *
 * A length that is none (0 is an empty packet; 8,192 is the most) ends the connection: where the
 * next packet begins can no longer be known.  A connection at rest costs a place and no buffer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "inlet_socket.h"
#include "statsd_internal.h"

#define LENGTH   4u
#define READ_MAX (2 * STATSD_PACKET_MAX) /* of one in a round */
#define ACCEPTS  16u                     /* in a turn */
#define WORK     8u                      /* of a call of the kernel */

_Static_assert(LENGTH + STATSD_PACKET_MAX + READ_MAX <= STATSD_MESSAGES * STATSD_PACKET_MAX,
    "what is left of before, and what is read, lie in the packets' room");

static void
drop(struct statsd *s, struct statsd_client *c)
{
	(void)close(c->fd); /* leaves epoll, too */
	free(c->part);
	*c = (struct statsd_client){ .fd = -1 };
	s->n_clients--;
}

void
statsd_stream_close(struct statsd *s)
{
	for (unsigned i = 0; s->client != NULL && i < STATSD_CLIENTS; i++)
		if (s->client[i].used)
			drop(s, &s->client[i]);
	free(s->client);
	s->client = NULL;
	s->streams = false;
}

/* ---- coming ---- */

/*
 * Nobody has more places than are left; who has his share, or finds nothing, gets that of the one
 * who has been silent for longest, of his own if he has any.  NULL: none.
 */
static struct statsd_client *
find_place(struct statsd *s, uint32_t user, int64_t now)
{
	struct statsd_client *empty = NULL, *oldest = NULL;
	unsigned held = 0;

	for (unsigned i = 0; i < STATSD_CLIENTS; i++) {
		held += s->client[i].used && s->client[i].user == user;
		if (!s->client[i].used)
			empty = &s->client[i];
	}
	if (held < STATSD_CLIENTS - s->n_clients)
		return empty;
	for (unsigned i = 0; i < STATSD_CLIENTS; i++) {
		struct statsd_client *c = &s->client[i];

		if (c->used && (c->user == user || held == 0) &&
		    now - c->active_mono_ms >= STATSD_SILENT_MS &&
		    (oldest == NULL || c->active_mono_ms < oldest->active_mono_ms))
			oldest = c;
	}
	if (oldest != NULL)
		drop(s, oldest);
	return oldest;
}

static void
take(struct statsd *s, int fd)
{
	const int64_t now = bl_mono_ms(s->host->clock);
	const uint32_t user = inlet_user(fd);
	struct statsd_client *c = find_place(s, user, now);
	struct epoll_event e = { .events = EPOLLIN };

	if (c != NULL)
		e.data.u32 = STATSD_OF_CLIENT + (uint32_t)(c - s->client);
	if (c == NULL || epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &e) != 0) {
		statsd_refuse(s, STATSD_REFUSED_CLIENTS,
		    c == NULL ? "all connections, or this user's share of them, are taken"
			      : "a connection cannot be watched");
		(void)close(fd);
		return;
	}
	*c = (struct statsd_client){
		.used = true, .ready = true, .fd = fd, .user = user, .active_mono_ms = now
	};
	s->n_clients++;
}

static void
listen_for(struct statsd *s, unsigned i, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.u32 = i };

	if (epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, s->socket[i].fd, &e) == 0)
		s->socket[i].deaf = events == 0;
}

void
statsd_stream_listen_again(struct statsd *s)
{
	for (unsigned i = 0; i < s->n_sockets; i++)
		if (s->socket[i].deaf)
			listen_for(s, i, EPOLLIN);
}

static void
accept_some(struct statsd *s, unsigned of)
{
	for (unsigned i = 0; i < ACCEPTS; i++) {
		const int fd = accept4(s->socket[of].fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			take(s, fd);
		} else if (errno != EINTR && errno != ECONNABORTED) {
			/* No descriptor: they wait in the kernel until the next tick, not in a
			 * spin of ours. */
			if (errno != EAGAIN)
				listen_for(s, of, 0);
			return;
		}
	}
}

void
statsd_stream_look(struct statsd *s)
{
	struct epoll_event e[32];
	const int n = epoll_wait(s->epoll_fd, e, 32, 0);

	for (int i = 0; i < n; i++) {
		const uint32_t of = e[i].data.u32;

		if (of >= STATSD_OF_CLIENT)
			s->client[of - STATSD_OF_CLIENT].ready = true;
		else if (s->socket[of].stream)
			accept_some(s, of);
	}
}

/* ---- reading ---- */

static uint32_t
length_of(const char *p)
{
	const unsigned char *b = (const unsigned char *)p;

	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

ssize_t
statsd_stream_packets(struct statsd *s, const char *p, size_t len, unsigned *work)
{
	size_t at = 0;

	while (len - at >= LENGTH) {
		const uint32_t n = length_of(p + at);

		if (n > STATSD_PACKET_MAX)
			return -1;
		if (len - at - LENGTH < n)
			break;
		*work += n > 0 ? statsd_take_packet(s, p + at + LENGTH, n, false) : 1;
		at += LENGTH + n;
	}
	return (ssize_t)at;
}

/* A length would have zeros: python-statsd and others write lines to a stream. */
static bool
is_text(const char *p)
{
	for (unsigned i = 0; i < LENGTH; i++)
		if ((unsigned char)p[i] < ' ' || (unsigned char)p[i] >= 0xf8)
			return false;
	return true;
}

ssize_t
statsd_stream_lines(struct statsd *s, const char *p, size_t len, unsigned *work)
{
	const char *end;
	size_t at = 0;

	while ((end = memchr(p + at, '\n', len - at)) != NULL &&
	       (size_t)(end - (p + at)) <= STATSD_PACKET_MAX) {
		*work += statsd_take_packet(s, p + at, (size_t)(end - (p + at)), false);
		at = (size_t)(end - p) + 1;
	}
	return len - at > STATSD_PACKET_MAX ? -1 : (ssize_t)at;
}

/* What is left waits for its rest; false: no memory. */
static bool
keep(struct statsd_client *c, const char *p, size_t n)
{
	char *part = n > 0 ? realloc(c->part, n) : NULL;

	if (n > 0 && part == NULL)
		return false;
	if (n == 0)
		free(c->part);
	else
		memcpy(part, p, n);
	c->part = part;
	c->n = (uint32_t)n;
	return true;
}

static void
read_some(struct statsd *s, struct statsd_client *c, unsigned *work)
{
	char *room = s->packets->data[0];
	ssize_t n = recv(c->fd, room + c->n, READ_MAX, MSG_DONTWAIT), used;
	size_t len;

	*work += WORK;
	c->ready = n == READ_MAX;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		if (c->n > 0)
			statsd_refuse(s, STATSD_BAD_FRAMES, "a connection ended within a packet");
		drop(s, c);
		return;
	}
	if (c->n > 0)
		memcpy(room, c->part, c->n);
	c->active_mono_ms = bl_mono_ms(s->host->clock);
	len = c->n + (size_t)n;
	if (!c->known && len >= LENGTH) {
		c->known = true;
		c->lines = is_text(room);
	}
	used = (c->lines ? statsd_stream_lines : statsd_stream_packets)(s, room, len, work);
	if (used >= 0 && keep(c, room + used, len - (size_t)used))
		return;
	statsd_refuse(s, STATSD_BAD_FRAMES,
	    used < 0 ? "a connection is ended: before each packet stands its length, four bytes, "
		       "the lowest first, at most 8192; or it writes lines"
		     : "a connection is ended: out of memory");
	drop(s, c);
}

unsigned
statsd_stream_turn(struct statsd *s, unsigned *work)
{
	unsigned did = 0;

	for (unsigned k = 0; k < STATSD_CLIENTS && s->n_clients > 0; k++) {
		struct statsd_client *c = &s->client[s->first_client];

		if (c->used && c->ready) {
			if (statsd_turn_over(s, *work))
				break; /* the next turn begins with this one */
			read_some(s, c, work);
			did++;
		}
		s->first_client = (s->first_client + 1) % STATSD_CLIENTS;
	}
	return did;
}
