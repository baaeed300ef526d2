/* Connections: bytes to requests, answers to bytes.  Each state has its deadline; nothing waits. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inlet_http_internal.h"
#include "inlet_socket.h"
#include "local_text.h"

#define READS   16u  /* pieces of a body in a turn */
#define FULL_MS 1000 /* until connections that found no descriptor are looked at again */

static int64_t
now(const struct inlet_http *in)
{
	return bl_mono_ms(in->host->clock);
}

void
inlet_http_client_drop(struct inlet_http_client *c)
{
	const uint32_t round = c->round;

	if (c->state == INLET_HTTP_FREE)
		return;
	(void)close(c->fd); /* leaves epoll, too */
	if (c->batch != NULL)
		inlet_http_batch_free(c->batch);
	free(c->batch);
	free(c->in);
	bl_buf_free(&c->body);
	bl_buf_free(&c->out);
	memset(c, 0, sizeof(*c));
	c->fd = -1;
	c->round = round; /* what is under way still answers another request than the next one */
}

/* ---- coming ---- */

/* It has its answer, or has been silent between two requests for a while. */
static bool
may_go(const struct inlet_http *in, const struct inlet_http_client *c)
{
	return c->state == INLET_HTTP_END ||
	       (c->state == INLET_HTTP_HEAD && c->in_len == 0 &&
		   c->deadline_mono_ms - now(in) <= INLET_HTTP_IDLE_MS - INLET_HTTP_QUIET_MS);
}

/*
 * A place for one of this user (0: of a port).  Nobody has more than are left, so that there is one
 * for who has none; else that of the one which has been silent longest, of the user's own if there
 * are any.  NULL: none.
 */
static struct inlet_http_client *
place(struct inlet_http *in, uint32_t user)
{
	struct inlet_http_client *empty = NULL, *oldest = NULL;
	unsigned held = 0, left = 0;

	for (unsigned i = 0; i < INLET_HTTP_CLIENTS; i++) {
		struct inlet_http_client *c = &in->client[i];

		if (c->state == INLET_HTTP_FREE) {
			left++;
			empty = empty == NULL ? c : empty;
		} else {
			held += c->user == user;
		}
	}
	if (held < left)
		return empty;
	for (unsigned i = 0; i < INLET_HTTP_CLIENTS; i++) {
		struct inlet_http_client *c = &in->client[i];

		if (c->state != INLET_HTTP_FREE && (c->user == user || held == 0) &&
		    may_go(in, c) &&
		    (oldest == NULL || c->deadline_mono_ms < oldest->deadline_mono_ms))
			oldest = c;
	}
	return oldest;
}

/* A descriptor that hung up is ready for ever, whatever is looked for: it is taken out. */
static bool
watch(struct inlet_http *in, struct inlet_http_client *c, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.u32 = (uint32_t)(c - in->client) };

	if (events == c->watched)
		return true;
	if (epoll_ctl(in->epoll_fd,
		events == 0       ? EPOLL_CTL_DEL
		: c->watched == 0 ? EPOLL_CTL_ADD
				  : EPOLL_CTL_MOD,
		c->fd, &e) != 0)
		return false;
	c->watched = events;
	return true;
}

static void
take(struct inlet_http *in, struct inlet_http_client *c, int fd, uint32_t user)
{
	inlet_http_client_drop(c);
	c->fd = fd;
	c->state = INLET_HTTP_HEAD;
	c->from_port = in->path == NULL;
	c->user = user;
	c->deadline_mono_ms = now(in) + INLET_HTTP_IDLE_MS;
	c->in = malloc(HTTP_HEAD_MAX);
	bl_buf_init(&c->out, INLET_HTTP_ANSWER_MAX);
	if (c->in == NULL || !watch(in, c, EPOLLIN))
		inlet_http_client_drop(c);
}

/* They wait in the kernel, not in a spin of ours. */
static void
accept_later(struct inlet_http *in)
{
	struct epoll_event quiet = { .events = 0, .data.u32 = INLET_HTTP_CLIENTS };

	if (epoll_ctl(in->epoll_fd, EPOLL_CTL_MOD, in->listen_fd, &quiet) == 0)
		in->again_mono_ms = now(in) + FULL_MS;
}

/* ---- waiting for a place ---- */

static unsigned
parked_of(const struct inlet_http *in, uint32_t user)
{
	unsigned n = 0;

	for (unsigned i = 0; i < in->n_parked; i++)
		n += in->parked[i].user == user;
	return n;
}

/* It waits unread; by the same rule as for places, there is room for who has none. */
static void
park(struct inlet_http *in, int fd, uint32_t user)
{
	static const char full[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
				   "Content-Length: 0\r\nConnection: close\r\n\r\n";

	if (parked_of(in, user) < INLET_HTTP_PARKED - in->n_parked) {
		in->parked[in->n_parked++] = (struct inlet_http_parked){ fd, user };
		in->parked_mono_ms = now(in) + FULL_MS;
		return;
	}
	inlet_http_note(in, INLET_HTTP_N_BUSY, 1, "too many connections of one user at a time");
	(void)!send(fd, full, sizeof(full) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)close(fd);
}

static void
unpark(struct inlet_http *in)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < in->n_parked; i++) {
		const struct inlet_http_parked p = in->parked[i];
		struct inlet_http_client *c = place(in, p.user);

		if (c != NULL)
			take(in, c, p.fd, p.user);
		else
			in->parked[kept++] = p;
	}
	in->n_parked = kept;
	in->parked_mono_ms = kept > 0 ? now(in) + FULL_MS : INT64_MAX;
}

void
inlet_http_client_unpark_all(struct inlet_http *in)
{
	while (in->n_parked > 0)
		(void)close(in->parked[--in->n_parked].fd);
	in->parked_mono_ms = INT64_MAX;
}

/* Of a port nobody is known before a place is there for him; of a Unix socket, only afterwards. */
static bool
has_room(struct inlet_http *in)
{
	return in->path == NULL ? place(in, 0) != NULL : in->n_parked < INLET_HTTP_PARKED;
}

static void
settle(struct inlet_http *in, int fd)
{
	const uint32_t user = in->path == NULL ? 0 : inlet_user(fd);
	/* Not before those of his that wait. */
	struct inlet_http_client *c = parked_of(in, user) > 0 ? NULL : place(in, user);

	if (c != NULL)
		take(in, c, fd, user);
	else
		park(in, fd, user);
}

void
inlet_http_client_accept(struct inlet_http *in)
{
	for (unsigned i = 0; i < INLET_HTTP_CONNECTS; i++) {
		int fd = -1;

		in->full = !has_room(in);
		if (!in->full &&
		    (fd = accept4(in->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
			settle(in, fd);
			continue;
		}
		if (in->full || (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED))
			accept_later(in);
		return;
	}
}

void
inlet_http_client_accept_again(struct inlet_http *in)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = INLET_HTTP_CLIENTS };
	bool room;

	if (in->n_parked > 0)
		unpark(in);
	room = in->full && has_room(in);
	if (in->listen_fd < 0 || (!room && now(in) < in->again_mono_ms))
		return;
	in->full = false;
	in->again_mono_ms = epoll_ctl(in->epoll_fd, EPOLL_CTL_MOD, in->listen_fd, &e) == 0
				? INT64_MAX
				: now(in) + FULL_MS;
}

/* ---- requests ---- */

/* Takes what belongs to the body; true: it is whole. */
static bool
body_piece(struct inlet_http_client *c)
{
	size_t n = c->in_len;

	if (c->chunked) {
		n = http_chunk_feed(&c->chunk, c->in, n, &c->body);
	} else {
		n = n < c->left ? n : (size_t)c->left;
		bl_buf_bytes(&c->body, c->in, n);
		c->left -= n;
	}
	c->in_len -= n;
	memmove(c->in, c->in + n, c->in_len);
	return c->chunked ? c->chunk.at == HTTP_CHUNK_END : c->left == 0;
}

static void
refuse_body(struct inlet_http *in, struct inlet_http_client *c, int status,
    enum inlet_http_counter counter, const char *why)
{
	inlet_http_note(in, counter, 1, why);
	inlet_http_client_error(in, c, status, why);
}

static void
take_body(struct inlet_http *in, struct inlet_http_client *c)
{
	const bool whole = body_piece(c);

	if (c->chunked && c->chunk.at == HTTP_CHUNK_WRONG)
		refuse_body(in, c, 400, INLET_HTTP_N_BAD_REQUESTS,
		    "the chunks of the body are not as HTTP/1.1 writes them");
	else if (c->body.failed && c->body.len + HTTP_HEAD_MAX > c->body.cap)
		refuse_body(in, c, 413, INLET_HTTP_N_TOO_LARGE,
		    "the body is longer than inlets.http.max_body; send it in parts");
	else if (c->body.failed || !inlet_http_has_memory(in, c->user, 0))
		refuse_body(in, c, 503, INLET_HTTP_N_BUSY,
		    "there is no memory for it at the moment; try again in a second");
	else if (whole)
		inlet_http_work_begin(in, c);
}

/* Empty lines before a request are an old client's, after a body. */
static void
skip_lines(struct inlet_http_client *c)
{
	size_t n = 0;

	while (n < c->in_len && (c->in[n] == '\r' || c->in[n] == '\n'))
		n++;
	c->in_len -= n;
	memmove(c->in, c->in + n, c->in_len);
}

static void
take_head(struct inlet_http *in, struct inlet_http_client *c)
{
	size_t head;

	skip_lines(c);
	if ((head = http_head_end(c->in, c->in_len)) > 0)
		inlet_http_request(in, c, head);
	else if (c->in_len == HTTP_HEAD_MAX)
		refuse_body(in, c, 431, INLET_HTTP_N_BAD_REQUESTS,
		    "the head of the request is longer than 4096 bytes");
}

/* Whatever is in c->in. */
static void
look(struct inlet_http *in, struct inlet_http_client *c)
{
	if (c->state == INLET_HTTP_HEAD && c->in_len > 0)
		take_head(in, c);
	/* A body may have come with its head, or be empty. */
	if (c->state == INLET_HTTP_BODY)
		take_body(in, c);
	/* What comes now waits in the kernel. */
	if (c->state == INLET_HTTP_WORK && !watch(in, c, 0))
		inlet_http_client_drop(c);
}

static bool
has_head(const struct inlet_http_client *c)
{
	return c->state == INLET_HTTP_HEAD && http_head_end(c->in, c->in_len) > 0;
}

static void
receive(struct inlet_http *in, struct inlet_http_client *c)
{
	for (unsigned i = 0; i < READS; i++) {
		const bool fresh = c->state == INLET_HTTP_HEAD && c->in_len == 0;
		ssize_t n;

		if (c->state != INLET_HTTP_HEAD && c->state != INLET_HTTP_BODY)
			return;
		/* It came with the request before, and comes before the end of the connection. */
		if (c->in_len == HTTP_HEAD_MAX || has_head(c)) {
			look(in, c);
			continue;
		}
		n = recv(c->fd, c->in + c->in_len, HTTP_HEAD_MAX - c->in_len, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			inlet_http_client_drop(c); /* half a request is none */
			return;
		}
		if (fresh)
			c->deadline_mono_ms = now(in) + INLET_HTTP_HEAD_MS;
		c->in_len += (size_t)n;
		look(in, c);
	}
}

void
inlet_http_client_go_on(struct inlet_http *in, struct inlet_http_client *c)
{
	if (c->state == INLET_HTTP_HEAD && c->in_len > 0)
		look(in, c);
}

/* ---- answers ---- */

/* What it sends still would make the kernel throw the answer away. */
static void
end(struct inlet_http *in, struct inlet_http_client *c)
{
	c->state = INLET_HTTP_END;
	c->deadline_mono_ms = now(in) + INLET_HTTP_END_MS;
	if (shutdown(c->fd, SHUT_WR) != 0 || !watch(in, c, EPOLLIN))
		inlet_http_client_drop(c);
}

static void
next_request(struct inlet_http *in, struct inlet_http_client *c)
{
	bl_buf_free(&c->body);
	bl_buf_free(&c->out);
	bl_buf_init(&c->out, INLET_HTTP_ANSWER_MAX);
	c->out_sent = 0;
	c->allow = NULL;
	c->head = false;
	if (!c->keep) {
		end(in, c);
		return;
	}
	c->state = INLET_HTTP_HEAD;
	c->deadline_mono_ms = now(in) + (c->in_len > 0 ? INLET_HTTP_HEAD_MS : INLET_HTTP_IDLE_MS);
	in->due = in->due || c->in_len > 0;
	if (!watch(in, c, EPOLLIN))
		inlet_http_client_drop(c);
}

static void
send_more(struct inlet_http *in, struct inlet_http_client *c)
{
	while (c->out_sent < c->out.len) {
		const ssize_t n =
		    send(c->fd, c->out.data + c->out_sent, c->out.len - c->out_sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			if (!watch(in, c, EPOLLOUT))
				inlet_http_client_drop(c);
			return;
		}
		if (n <= 0) {
			inlet_http_client_drop(c);
			return;
		}
		c->out_sent += (size_t)n;
	}
	next_request(in, c);
}

void
inlet_http_client_answer(
    struct inlet_http *in, struct inlet_http_client *c, int status, const char *type)
{
	struct bl_buf body = c->out;

	bl_buf_init(&c->out, INLET_HTTP_ANSWER_MAX + 1024);
	local_text_printf(&c->out,
	    "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
	    "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: %s\r\n",
	    status, http_reason(status), type, body.len, c->keep ? "keep-alive" : "close");
	if (status == 405)
		local_text_printf(&c->out, "Allow: %s\r\n", c->allow);
	if (status == 401)
		local_text_put(&c->out, "WWW-Authenticate: Bearer\r\n");
	if (status == 503)
		local_text_put(&c->out, "Retry-After: 1\r\n");
	local_text_put(&c->out, "\r\n");
	if (!c->head)
		bl_buf_bytes(&c->out, body.data, body.len);
	bl_buf_free(&body);
	if (c->out.failed) {
		inlet_http_client_drop(c); /* no memory: it hears nothing, and asks again */
		return;
	}
	c->state = INLET_HTTP_SEND;
	c->deadline_mono_ms = now(in) + INLET_HTTP_SEND_MS;
	send_more(in, c);
}

void
inlet_http_client_error(
    struct inlet_http *in, struct inlet_http_client *c, int status, const char *why)
{
	c->keep = false;
	bl_buf_free(&c->body);
	bl_buf_reset(&c->out);
	local_text_put(&c->out, "{\"error\":");
	local_text_json(&c->out, why, strlen(why));
	local_text_put(&c->out, "}\n");
	inlet_http_client_answer(in, c, status, "application/json");
}

static void
drain(struct inlet_http_client *c)
{
	char rest[4096];
	ssize_t n = 1;

	for (unsigned i = 0; i < READS && n > 0; i++)
		n = recv(c->fd, rest, sizeof(rest), 0);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		inlet_http_client_drop(c);
}

void
inlet_http_client_ready(struct inlet_http *in, struct inlet_http_client *c, bool gone)
{
	switch (c->state) {
	case INLET_HTTP_HEAD:
	case INLET_HTTP_BODY:
		receive(in, c);
		break;
	case INLET_HTTP_SEND:
		if (gone)
			inlet_http_client_drop(c);
		else
			send_more(in, c);
		break;
	case INLET_HTTP_END:
		drain(c);
		break;
	case INLET_HTTP_FREE:
	case INLET_HTTP_WORK: /* it is not looked for */
		break;
	}
}

void
inlet_http_client_due(struct inlet_http *in, struct inlet_http_client *c)
{
	switch (c->state) {
	case INLET_HTTP_WORK:
		inlet_http_work_late(in, c);
		break;
	case INLET_HTTP_HEAD:
		if (c->in_len == 0) {
			inlet_http_client_drop(c); /* it had nothing to say */
			break;
		}
		refuse_body(in, c, 408, INLET_HTTP_N_TOO_SLOW,
		    "the head of the request did not come within 5 s");
		break;
	case INLET_HTTP_BODY:
		refuse_body(in, c, 408, INLET_HTTP_N_TOO_SLOW,
		    "the body of the request did not come within 10 s");
		break;
	case INLET_HTTP_SEND:
		inlet_http_note(in, INLET_HTTP_N_TOO_SLOW, 1, "an answer was not read");
		inlet_http_client_drop(c);
		break;
	case INLET_HTTP_FREE:
	case INLET_HTTP_END:
		inlet_http_client_drop(c);
		break;
	}
}
