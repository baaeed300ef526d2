/*
 * The datagram socket: one line each, answered by a datagram when the sender has bound an
 * address.  No flow control but the kernel's: while there is no room its queue fills, and a
 * sender waits (or is told EAGAIN); nothing is lost silently.
 *
 * An answer is sent once and not kept: who does not read them loses them, nobody else.
 */
#include "inlet_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURN_MAX 16u /* of one turn of the loop */

struct sender {
	bool used;
	uint32_t user; /* inlet_report.h */
	socklen_t len; /* of the address; no more than a family: none is bound */
	struct sockaddr_un from;
	struct answer answer;
};

struct datagrams {
	int fd;
	char *path;
	bool ready; /* the kernel has some, as far as is known */
	bool watched;
	unsigned taken; /* in this turn */
	struct bl_log_limit log;
	struct sender sender[INLET_FLIGHTS];
	char line[INLET_LINE_MAX + 512]; /* with its envelope */
};

int
datagrams_open(struct inlet *in, const struct inlet_opts *opts, struct bl_err *err)
{
	const struct inlet_socket socket = { .path = opts->datagram,
		.type = SOCK_DGRAM,
		.mode = opts->mode,
		.group = opts->group,
		.key = "inlets.steps.datagram_socket" };
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = INLET_DATAGRAMS };
	struct datagrams *d = calloc(1, sizeof(*d));
	const int on = 1;
	int rc;

	if (d == NULL)
		return bl_fail(err, BL_ENOMEM, "open socket %s: out of memory", opts->datagram);
	in->datagrams = d;
	if ((rc = inlet_socket_open(&d->fd, &socket, err)) < 0)
		return rc;
	/* The path only now: what another program listens on is not ours to remove. */
	if ((d->path = strdup(opts->datagram)) == NULL)
		return bl_fail(err, BL_ENOMEM, "open socket %s: out of memory", opts->datagram);
	if (epoll_ctl(in->epoll_fd, EPOLL_CTL_ADD, d->fd, &e) != 0)
		return bl_fail_errno(err, BL_EIO, "watch socket %s", opts->datagram);
	d->watched = true;
	/* Without it nobody is known, and all are one user to the caps. */
	(void)setsockopt(d->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	return BL_OK;
}

void
datagrams_finish(struct inlet *in)
{
	struct datagrams *d = in->datagrams;

	if (d == NULL || d->fd < 0 || in->finishing)
		return;
	d->ready = false;
	if (d->path != NULL)
		inlet_socket_remove(d->path);
	if (d->watched)
		(void)epoll_ctl(in->epoll_fd, EPOLL_CTL_DEL, d->fd, NULL); /* it is there */
	d->watched = false;
}

void
datagrams_close(struct inlet *in)
{
	struct datagrams *d = in->datagrams;

	if (d == NULL)
		return;
	if (d->fd >= 0)
		(void)close(d->fd);
	free(d->path);
	free(d);
	in->datagrams = NULL;
}

void
datagrams_ready(struct inlet *in)
{
	in->datagrams->ready = true;
	in->datagrams->taken = 0;
}

/* While there is no room it is not looked at: it would be ready again and again. */
static void
watch(struct inlet *in, bool wanted)
{
	struct datagrams *d = in->datagrams;
	struct epoll_event e = { .events = wanted ? EPOLLIN : 0, .data.u32 = INLET_DATAGRAMS };

	if (d->watched != wanted && epoll_ctl(in->epoll_fd, EPOLL_CTL_MOD, d->fd, &e) == 0)
		d->watched = wanted;
}

void
datagrams_again(struct inlet *in)
{
	if (in->datagrams != NULL && !in->finishing)
		watch(in, true);
}

static unsigned
free_sender(const struct datagrams *d)
{
	unsigned i = 0;

	while (i < INLET_FLIGHTS && d->sender[i].used)
		i++;
	return i;
}

struct answer *
datagrams_answer(struct inlet *in, unsigned slot)
{
	return &in->datagrams->sender[slot].answer;
}

static bool
has_address(const struct sender *s)
{
	return s->len > sizeof(sa_family_t);
}

/* The log is all that leads to what is wrong where the sender has no address. */
static void
say(struct inlet *in, const struct answer *a)
{
	unsigned swallowed;

	if (a->len > 8 && memcmp(a->text, "error:", 6) == 0 &&
	    bl_log_allow(&in->datagrams->log, bl_mono_ms(in->clock), 3600000, &swallowed))
		bl_warn("steps",
		    "a datagram is refused, and its sender has no address to be told at: %.*s "
		    "suppressed=%u",
		    (int)a->len - 8, a->text + 7, swallowed);
}

void
datagrams_answered(struct inlet *in, unsigned slot)
{
	struct datagrams *d = in->datagrams;
	struct sender *s = &d->sender[slot];

	if (!has_address(s))
		say(in, &s->answer);
	else if (sendto(d->fd, s->answer.text, s->answer.len, MSG_NOSIGNAL | MSG_DONTWAIT,
		     (const struct sockaddr *)&s->from, s->len) < 0)
		in->count.unanswered++;
	s->used = false;
	datagrams_again(in);
}

/* Neither a path from the root nor the kernel's own: from here it would lead to somebody else. */
static bool
is_relative(const struct sender *s)
{
	return s->from.sun_path[0] != '/' && s->from.sun_path[0] != '\0';
}

/*
 * No line begins like one.  A link can lead from a sender's address back to here, or to another
 * agent: answers that answer each other would never end.
 */
static bool
is_answer(const char *line, size_t len)
{
	return (len >= 2 && memcmp(line, "ok", 2) == 0) ||
	       (len >= 6 && memcmp(line, "error:", 6) == 0);
}

static bool
ends_in(const char *line, size_t len, const char *what)
{
	return len > 0 && line[len - 1] != '\0' && strchr(what, line[len - 1]) != NULL;
}

/* Its line to a report; writers of syslog may end one with a newline or a zero. */
static int
parse(struct inlet *in, size_t len, struct bl_err *err)
{
	const char *line = in->datagrams->line;
	size_t envelope;

	if (len > sizeof(in->datagrams->line))
		return bl_fail(err, BL_EINVAL, "the datagram is longer than %u bytes",
		    (unsigned)sizeof(in->datagrams->line));
	len -= len > 0 && line[len - 1] == '\0';
	while (ends_in(line, len, "\r\n"))
		len--;
	envelope = inlet_line_message(line, len);
	return inlet_line_parse(line + envelope, len - envelope, &in->line, err);
}

static void
one(struct inlet *in, unsigned slot, size_t len)
{
	struct datagrams *d = in->datagrams;
	struct sender *s = &d->sender[slot];
	struct bl_err err = { 0 };

	if (has_address(s) && (is_relative(s) || is_answer(d->line, len))) {
		in->count.unanswered++;
		s->len = 0;
	}
	if (parse(in, len, &err) == BL_OK) {
		in->line.r.user = s->user;
		flight_begin(
		    in, (struct whose){ INLET_DATAGRAMS, (uint8_t)slot }, sizeof(in->line.r) + len);
		return;
	}
	in->count.bad_lines++;
	answer_put(&s->answer, "error: %s", err.msg);
	datagrams_answered(in, slot);
}

/* The kernel says whose it is: nobody but root can say that he is another. */
static uint32_t
user_of(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS) {
			struct ucred of;

			memcpy(&of, CMSG_DATA(c), sizeof(of));
			return (uint32_t)of.uid + 1;
		}
	return 0;
}

/* What recvfrom gives, with its user; descriptors that somebody sends find no room and are closed.
 */
static ssize_t
receive(struct datagrams *d, struct sender *s)
{
	char control[CMSG_SPACE(sizeof(struct ucred))]
	    __attribute__((aligned(_Alignof(struct cmsghdr))));
	struct iovec iov = { d->line, sizeof(d->line) };
	struct msghdr m = { .msg_name = &s->from,
		.msg_namelen = sizeof(s->from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	const ssize_t n = recvmsg(d->fd, &m, MSG_TRUNC | MSG_CMSG_CLOEXEC);

	s->len = m.msg_namelen;
	s->user = n >= 0 ? user_of(&m) : 0;
	return n;
}

bool
datagrams_take(struct inlet *in)
{
	struct datagrams *d = in->datagrams;
	struct sender *s;
	unsigned slot;
	ssize_t n;

	if (d == NULL || !d->ready)
		return false;
	slot = free_sender(d);
	if (d->taken == TURN_MAX || slot == INLET_FLIGHTS ||
	    (in->n_late == 0 && !flight_room(in, sizeof(in->line.r) + sizeof(d->line)))) {
		watch(in, d->taken == TURN_MAX);
		d->ready = false;
		return false;
	}
	s = &d->sender[slot];
	if ((n = receive(d, s)) < 0) {
		d->ready = errno == EINTR;
		return false;
	}
	d->taken++;
	s->used = true;
	one(in, slot, (size_t)n);
	return true;
}
