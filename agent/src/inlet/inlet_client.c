/* One connection: bytes to lines, lines to reports, answers in order. */
#include "inlet_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVICT_MS                                                                                   \
	10000 /* idle for so long, a client makes room for another when all places are taken */
#define ACCEPT_MAX 16u  /* of one turn */
#define FULL_MS    1000 /* out of descriptors: listen again after */

#define TOO_LONG "the line is longer than 4096 bytes; it was skipped"
_Static_assert(INLET_LINE_MAX == 4096, "what is told to clients");

_Static_assert(INLET_USER_MOST == INLET_CLIENTS / 2, "what the first user finds");

/* ---- coming and going ---- */

void
client_drop(struct inlet *in, unsigned i)
{
	struct client *c = in->client[i];

	if (c == NULL)
		return;
	(void)close(c->fd); /* leaves epoll, too */
	free(c);
	in->client[i] = NULL;
	in->count.clients--;
}

static bool
is_quiet(const struct client *c)
{
	return c->n == 0 && c->in_len == 0;
}

bool
client_waits(const struct client *c)
{
	for (unsigned i = 0; i < c->n; i++)
		if (c->ring[(c->head + i) % INLET_ANSWERS].state == ANSWER_WAITS)
			return true;
	return false;
}

/* May make room for another: silent for so long, and not because of the disk. */
static bool
may_go(const struct client *c, int64_t now)
{
	return !client_waits(c) && now - c->active_mono_ms >= EVICT_MS;
}

static unsigned
free_place(const struct inlet *in)
{
	unsigned i = 0;

	while (i < INLET_CLIENTS && in->client[i] != NULL)
		i++;
	return i;
}

/*
 * A free place.  Nobody has more of them than are left, so that there is one for who has none: who
 * has his share, or finds nothing, gets the place of the one who has been silent for longest (in
 * the middle of a line, or with answers that he does not read, too), of his own if he has any.
 * INLET_CLIENTS: none.  *held: so many has the user.
 */
static unsigned
find_place(struct inlet *in, int64_t now, uint32_t user, unsigned *held)
{
	unsigned best = INLET_CLIENTS;

	*held = 0;
	for (unsigned i = 0; i < INLET_CLIENTS; i++)
		*held += in->client[i] != NULL && in->client[i]->user == user;
	if (*held < INLET_CLIENTS - in->count.clients)
		return free_place(in);
	for (unsigned i = 0; i < INLET_CLIENTS; i++) {
		const struct client *c = in->client[i];

		if (c != NULL && (c->user == user || *held == 0) && may_go(c, now) &&
		    (best == INLET_CLIENTS || c->active_mono_ms < in->client[best]->active_mono_ms))
			best = i;
	}
	if (best < INLET_CLIENTS) {
		in->count.idle_clients++;
		client_drop(in, best);
	}
	return best;
}

/* held: so many has the user, who has his share; 0: all places are taken. */
static void
turn_away(struct inlet *in, int fd, uint32_t user, unsigned held)
{
	char text[128];
	unsigned swallowed;
	int n;

	if (held == 0) {
		in->count.refused_clients++;
		n = snprintf(
		    text, sizeof(text), "error: too many connections at a time; try again later\n");
	} else {
		in->count.user_clients++;
		n = snprintf(text, sizeof(text),
		    "error: too many connections of this user, who has %u; the others are for "
		    "others; try again later\n",
		    held);
	}
	if (held > 0 && bl_log_allow(&in->share_log, bl_mono_ms(in->clock), 3600000, &swallowed))
		bl_warn("steps",
		    "a user has as many connections as one may have, more are refused "
		    "uid=%" PRIu32 " connections=%u suppressed=%u",
		    user - 1, held, swallowed);
	(void)!send(fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)close(fd);
}

static void
take(struct inlet *in, int fd, int64_t now)
{
	struct epoll_event e = { .events = EPOLLIN };
	const uint32_t user = inlet_user(fd);
	unsigned held;
	const unsigned i = find_place(in, now, user, &held);
	struct client *c;

	if (i == INLET_CLIENTS || (c = malloc(sizeof(*c))) == NULL) {
		turn_away(in, fd, user, i == INLET_CLIENTS ? held : 0);
		return;
	}
	memset(c, 0, offsetof(struct client, in));
	c->head = c->n = 0;
	c->head_sent = 0;
	c->fd = fd;
	c->user = user;
	c->watched = EPOLLIN;
	c->active_mono_ms = now;
	e.data.u32 = i;
	if (epoll_ctl(in->epoll_fd, EPOLL_CTL_ADD, fd, &e) != 0) {
		free(c);
		turn_away(in, fd, user, 0);
		return;
	}
	in->client[i] = c;
	in->count.clients++;
}

void
client_accept(struct inlet *in)
{
	const int64_t now = bl_mono_ms(in->clock);
	struct epoll_event e = { .events = 0, .data.u32 = INLET_LISTENER };

	for (unsigned i = 0; i < ACCEPT_MAX; i++) {
		const int fd = accept4(in->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			take(in, fd, now);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
			   errno == ENOBUFS) {
			/* They wait in the kernel; looking at them again at once would be a spin.
			 */
			if (epoll_ctl(in->epoll_fd, EPOLL_CTL_MOD, in->listen_fd, &e) == 0)
				in->listen_again_mono_ms = now + FULL_MS;
			return;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			return;
		}
	}
}

/* ---- reading ---- */

static struct answer *
new_answer(struct client *c, unsigned *slot)
{
	*slot = (c->head + c->n++) % INLET_ANSWERS;
	return &c->ring[*slot];
}

static void
bad_line(struct inlet *in, struct client *c, const char *why)
{
	unsigned slot;

	in->count.bad_lines++;
	answer_put(new_answer(c, &slot), "error: %s", why);
}

void
client_read(struct inlet *in, struct client *c, bool gone)
{
	ssize_t n;

	if (c->eof || c->in_len == sizeof(c->in))
		return;
	n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		c->eof = true;
		c->gone = gone || n < 0;
		return;
	}
	c->in_len += (size_t)n;
	c->active_mono_ms = bl_mono_ms(in->clock);
}

/* ---- lines ---- */

static void
one_line(struct inlet *in, unsigned i, const char *line, size_t len)
{
	struct client *c = in->client[i];
	struct bl_err err = { 0 };
	unsigned slot;

	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (inlet_line_parse(line, len, &in->line, &err) < 0) {
		bad_line(in, c, err.msg);
		return;
	}
	in->line.r.user = c->user;
	(void)new_answer(c, &slot);
	flight_begin(in, (struct whose){ (uint8_t)i, (uint8_t)slot }, sizeof(in->line.r) + len);
}

/* The next line in what is left of the buffer: its length, with *whole its newline; or 0. */
static size_t
find_line(const struct client *c, size_t at, size_t *whole)
{
	const char *from = c->in + at;
	const size_t left = c->in_len - at;
	const char *newline = memchr(from, '\n', left);

	if (newline == NULL && (!c->eof || c->gone || left == 0)) {
		*whole = 0;
		return 0;
	}
	*whole = newline != NULL ? (size_t)(newline - from) + 1 : left;
	return newline != NULL ? (size_t)(newline - from) : left;
}

enum client_line
client_line(struct inlet *in, unsigned i)
{
	struct client *c = in->client[i];
	size_t len, whole;

	for (;;) {
		len = find_line(c, c->in_at, &whole);
		if (whole == 0 || c->n == INLET_ANSWERS)
			return LINE_NONE;
		if (!c->skipping)
			break;
		c->skipping = false; /* its end has come */
		c->in_at += whole;
	}
	/* Where one waits in vain this one is refused, and needs no room. */
	if (in->n_late == 0 && !flight_room(in, sizeof(in->line.r) + len))
		return LINE_NO_ROOM;
	one_line(in, i, c->in + c->in_at, len);
	c->in_at += whole;
	return LINE_TAKEN;
}

void
client_settle(struct inlet *in, struct client *c)
{
	c->in_len -= c->in_at;
	memmove(c->in, c->in + c->in_at, c->in_len);
	c->in_at = 0;
	if (c->gone && memchr(c->in, '\n', c->in_len) == NULL) {
		in->count.bad_lines += c->in_len > 0 && !c->skipping;
		c->in_len = 0;
	}
	if (c->in_len < sizeof(c->in))
		return;
	/* No newline in all of it: the line is too long. */
	if (memchr(c->in, '\n', c->in_len) != NULL || c->n == INLET_ANSWERS)
		return;
	if (!c->skipping)
		bad_line(in, c, TOO_LONG);
	c->skipping = true;
	c->in_len = 0;
}

/* ---- answering ---- */

/* Gathers what is ready, from the first answer on. */
static size_t
gather(const struct client *c, char *out, size_t size)
{
	size_t len = 0, from = c->head_sent;

	for (unsigned i = 0; i < c->n; i++) {
		const struct answer *a = &c->ring[(c->head + i) % INLET_ANSWERS];

		if (a->state != ANSWER_READY || len + a->len - from > size)
			break;
		memcpy(out + len, a->text + from, a->len - from);
		len += a->len - from;
		from = 0;
	}
	return len;
}

static void
sent(struct client *c, size_t len)
{
	while (len > 0) {
		const size_t left = c->ring[c->head].len - c->head_sent;

		if (len < left) {
			c->head_sent += len;
			return;
		}
		len -= left;
		c->head_sent = 0;
		c->head = (c->head + 1) % INLET_ANSWERS;
		c->n--;
	}
}

static void
send_answers(struct inlet *in, struct client *c)
{
	char out[INLET_ANSWERS * INLET_ANSWER_BYTES];
	const size_t len = gather(c, out, sizeof(out));
	ssize_t n;

	c->blocked = false;
	if (len == 0)
		return;
	n = c->hung_up ? (ssize_t)len : send(c->fd, out, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		c->blocked = true;
		return;
	}
	if (n < 0) {
		/* It went without waiting; what it said still counts. */
		c->hung_up = true;
		n = (ssize_t)len;
	}
	sent(c, (size_t)n);
	if (c->in_len > 0)
		in->due = true; /* there may be room for a line that waits */
	c->blocked = (size_t)n < len;
	c->active_mono_ms = bl_mono_ms(in->clock);
}

/* A descriptor that hung up is ready for ever: it is looked at by itself. */
static void
watch(struct inlet *in, unsigned i)
{
	struct client *c = in->client[i];
	struct epoll_event e = { .data.u32 = i };

	if (!c->eof && c->in_len < sizeof(c->in) && c->n < INLET_ANSWERS)
		e.events |= EPOLLIN;
	if (c->blocked)
		e.events |= EPOLLOUT;
	if (e.events == c->watched)
		return;
	/* Without interest it would still tell of a hang-up, again and again. */
	if (epoll_ctl(in->epoll_fd,
		e.events == 0     ? EPOLL_CTL_DEL
		: c->watched == 0 ? EPOLL_CTL_ADD
				  : EPOLL_CTL_MOD,
		c->fd, &e) == 0)
		c->watched = e.events;
	else
		c->eof = c->gone = c->hung_up = in->due =
		    true; /* nothing can be known of it any more */
}

void
client_flush(struct inlet *in, unsigned i)
{
	struct client *c = in->client[i];

	send_answers(in, c);
	if (c->eof && is_quiet(c))
		client_drop(in, i);
	else
		watch(in, i);
}
