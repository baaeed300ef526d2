/*
 * Connections of the local page: read a head, wait for an answer, send it, wait
 * for the other side's end.  Each state has its deadline; nothing here blocks.
 */
#include "local_server_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define END_MS 1000 /* for the other side to see the answer before the connection is gone */

static const char headers[] =
    "Connection: close\r\n"
    "Cache-Control: no-store\r\n"
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "X-Frame-Options: DENY\r\n";

void
local_client_drop(struct client *c)
{
	if (c->state == CLIENT_FREE)
		return;
	(void)close(c->fd);
	free(c->in);
	bl_buf_free(&c->own);
	memset(c, 0, sizeof(*c));
	c->state = CLIENT_FREE;
	c->fd = -1;
}

static bool
watch(struct local *l, struct client *c, int op, uint32_t events)
{
	struct epoll_event e = { .events = events,
		.data.u64 = (uint64_t)c->id << 32 | (uint64_t)(c - l->client + 1) };

	return epoll_ctl(l->epoll_fd, op, c->fd, &e) == 0;
}

/* A free place; else that of the one which has said nothing for the longest time. */
static struct client *
place(struct local *l)
{
	struct client *oldest = NULL;

	for (unsigned i = 0; i < LOCAL_CLIENTS; i++) {
		struct client *c = &l->client[i];

		if (c->state == CLIENT_FREE)
			return c;
		if ((c->state == CLIENT_READS || c->state == CLIENT_ENDS) &&
		    (oldest == NULL || c->deadline_mono_ms < oldest->deadline_mono_ms))
			oldest = c;
	}
	/* One that has its answer misses nothing. */
	if (oldest == NULL || oldest->state != CLIENT_ENDS)
		l->count.busy++;
	if (oldest != NULL)
		local_client_drop(oldest);
	return oldest;
}

void
local_client_accept(struct local *l, int fd)
{
	struct client *c = place(l);

	if (c == NULL) {
		(void)close(fd);
		return;
	}
	c->fd = fd;
	c->state = CLIENT_READS;
	c->id = ++l->last_id != 0 ? l->last_id : ++l->last_id;
	c->deadline_mono_ms = bl_mono_ms(l->clock) + LOCAL_HEAD_MS;
	if ((c->in = malloc(HTTP_HEAD_MAX)) == NULL || !watch(l, c, EPOLL_CTL_ADD, EPOLLIN))
		local_client_drop(c);
}

static void
read_head(struct local *l, struct client *c)
{
	const ssize_t n = recv(c->fd, c->in + c->in_len, HTTP_HEAD_MAX - c->in_len, 0);
	size_t head;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		local_client_drop(c);
		return;
	}
	c->in_len += (size_t)n;
	if ((head = http_head_end(c->in, c->in_len)) > 0)
		local_request(l, c, head);
	else if (c->in_len == HTTP_HEAD_MAX)
		local_client_say_text(l, c, 431, "This request is too long.\n这个请求太长。\n");
}

/* True: all of it is gone. */
static bool
sent(struct client *c)
{
	while (c->head_sent < c->head_len || c->body_sent < c->body_len) {
		const bool head = c->head_sent < c->head_len;
		const void *from = head ? (const void *)(c->head + c->head_sent)
					: (const void *)(c->body + c->body_sent);
		const size_t len = head ? c->head_len - c->head_sent : c->body_len - c->body_sent;
		const ssize_t n =
		    send(c->fd, from, len, MSG_NOSIGNAL | (head && c->body_len > 0 ? MSG_MORE : 0));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n <= 0) {
			local_client_drop(c);
			return false;
		}
		*(head ? &c->head_sent : &c->body_sent) += (size_t)n;
	}
	return true;
}

static void
send_more(struct local *l, struct client *c)
{
	if (!sent(c)) {
		if (c->state != CLIENT_FREE && !watch(l, c, EPOLL_CTL_MOD, EPOLLOUT))
			local_client_drop(c);
		return;
	}
	/* What it sends still would make the kernel throw the answer away. */
	bl_buf_free(&c->own);
	c->body = NULL;
	c->body_len = c->body_sent = 0;
	c->state = CLIENT_ENDS;
	c->deadline_mono_ms = bl_mono_ms(l->clock) + END_MS;
	if (shutdown(c->fd, SHUT_WR) != 0 || !watch(l, c, EPOLL_CTL_MOD, EPOLLIN))
		local_client_drop(c);
}

static void
wait_for_end(struct client *c)
{
	char rest[1024];
	ssize_t n = 1;

	for (unsigned i = 0; i < 16 && n > 0; i++)
		n = recv(c->fd, rest, sizeof(rest), 0);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		local_client_drop(c);
}

void
local_client_ready(struct local *l, struct client *c)
{
	switch (c->state) {
	case CLIENT_READS:
		read_head(l, c);
		break;
	case CLIENT_SENDS:
		send_more(l, c);
		break;
	case CLIENT_ENDS:
		wait_for_end(c);
		break;
	case CLIENT_WAITS: /* only that it has gone is told */
		local_client_drop(c);
		break;
	case CLIENT_FREE:
		break;
	}
}

void
local_client_due(struct local *l, struct client *c)
{
	const uint32_t id = c->id;

	if (c->state == CLIENT_WAITS && l->calls.late != NULL) {
		c->deadline_mono_ms = INT64_MAX;
		l->calls.late(l->calls.ctx, id, c->what);
		if (c->state == CLIENT_WAITS && c->id == id)
			local_answer(l, id, NULL, NULL);
		return;
	}
	local_client_drop(c);
}

void
local_client_say(
    struct local *l, struct client *c, int status, const char *type, const void *body, size_t len)
{
	const int n = snprintf(c->head, sizeof(c->head),
	    "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s%s%s\r\n", status,
	    http_reason(status), type, len, headers, status == 405 ? "Allow: GET, HEAD\r\n" : "",
	    status == 503 ? "Retry-After: 1\r\n" : "");

	if (status == 200)
		l->count.answers++;
	else if (status != 503)
		l->count.refused++;
	free(c->in);
	c->in = NULL;
	c->head_len = n > 0 && (size_t)n < sizeof(c->head) ? (size_t)n : 0;
	c->body = body;
	c->body_len = c->bare ? 0 : len;
	c->state = CLIENT_SENDS;
	c->deadline_mono_ms = bl_mono_ms(l->clock) + LOCAL_SEND_MS;
	send_more(l, c);
}

void
local_client_say_text(struct local *l, struct client *c, int status, const char *text)
{
	local_client_say(l, c, status, "text/plain; charset=utf-8", text, strlen(text));
}
